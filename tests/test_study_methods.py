"""Every method a trial's study file may name, used as its owner would: record, roles, notebook, brief, words, refusals."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import impact
from impact.brief import compose
from impact.brief.model import Number, walk
from impact.brief.page import present
from impact.brief.theme import LADDER
from impact.brief.view import Speaker
from impact.brief.words import messages
from impact.calls import arguments, planned
from impact.cli import main
from impact.cli.summary import run_summary
from impact.data.sample import load_sample
from impact.errors import DesignError, ImpactError, StudyError
from impact.evaluation import evaluate
from impact.examination import as_drawn, ledger
from impact.families import with_indices
from impact.notebook import build_notebook
from impact.results import Estimates, Evaluation, read_results
from impact.results.record import evaluation_to_json
from impact.study import study_from_mapping
from impact.study.methods import BESIDE, METHODS
from tests.support_studies import dosed_firms, drawn_markets, followed_firms, workers_of_firms, workers_twice

PROFIT = {"name": "profit", "column": "profit", "label": "Monthly profit", "unit": "USD a month (2024 prices)",
          "role": "primary", "better": "higher", "baseline": "profit_0"}
BARE = {key: value for key, value in PROFIT.items() if key != "baseline"}
STAFF = {"name": "staff", "column": "staff", "label": "Staff", "unit": "workers", "role": "secondary", "better": "higher"}
HIRED = {"name": "hired", "column": "hired", "label": "Firms that hired", "unit": "share of firms", "role": "secondary",
         "better": "higher"}
WAGE = {"name": "wage", "column": "wage", "label": "Monthly wage", "unit": "USD a month", "role": "primary",
        "better": "higher", "baseline": "wage_0"}
FIRM: dict[str, Any] = {
    "kind": "rct", "estimand": "itt", "unit": "firm", "treatment": "offered", "assigned_by": "firm",
    "unit_label": ["firm", "firms"], "covariates": ["age", "size"],
    "assignment": {"rule": "simple", "record": "list of the draw"}}
MARKET = FIRM | {"treatment": "market_offered", "assigned_by": "market",
                 "assignment": {"rule": "clustered", "cluster": "market", "record": "list of the draw"}}
INVITED = MARKET | {"treatment": "invited", "covariates": ["age"]}
WORKER = FIRM | {"unit": "worker", "unit_label": ["worker", "workers"], "firm": "firm", "weighting": "worker",
                 "covariates": [], "assignment": MARKET["assignment"] | {"cluster": "firm"}}
ALL = (PROFIT, STAFF, HIRED)


def case(*outcomes: dict[str, Any], data: Any = dosed_firms, design: dict[str, Any] = FIRM,
         options: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"outcomes": list(outcomes or ALL), "data": data, "design": design | more, "options": options or {}}


CASES: dict[str, dict[str, Any]] = {
    "difference_in_means": case(), "ols": case(), "ancova": case(PROFIT), "lin": case(), "poisson": case(PROFIT, STAFF),
    "multi_arm": case(treatment="any_arm", options={"treatment": "arm", "reference": "none"}),
    "factorial": case(treatment="any_offer", options={"treatments": ["training", "grant"]}),
    "spillover": case(BARE, data=drawn_markets, design=INVITED,
                      options={"cluster_treatment": "market_offered", "population_share": 0.3}),
    "saturation": case(BARE, data=lambda: drawn_markets(levels=(0.0, 0.25, 0.75)), design=INVITED,
                       options={"saturation": "share"}),
    "pooled_rounds": case(PROFIT, data=followed_firms, options={"round": "wave"}),
    "encouragement": case(estimand="late", options={"takeup": "took"}),
    "late": case(estimand="late", options={"takeup": "took"}),
    "dose_response": case(options={"dose": "amount", "dose_drawn": True, "shape": "levels"}),
    "post_double_selection": case(), "attrition_weighted": case(options={"predictors": ["age", "size"]}),
    "quantile_effects": case(PROFIT, options={"draws": 99}),
    "exact_share_test": case(HIRED | {"role": "primary"}), "rank_test": case(PROFIT, STAFF),
    "worker_effects": case(WAGE, data=workers_of_firms, design=WORKER),
    "worker_composition": case({key: value for key, value in WAGE.items() if key != "baseline"}, data=workers_twice,
                               design=WORKER, options={"round": "wave", "before": "before", "after": "after",
                                                       "traits": ["female"]}),
}
OTHERS: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"method": "ancova"}, {"method": "lin"}, {"method": "poisson"}, {"method": "ratio_effect"},
     {"method": "multi_arm", "options": {"treatment": "arm", "reference": "none"}},
     {"method": "factorial", "options": {"treatments": ["training", "grant"]}},
     {"method": "encouragement", "options": {"takeup": "took"}}, {"method": "late", "options": {"takeup": "took"}},
     {"method": "dose_response", "options": {"dose": "amount", "dose_drawn": True, "shape": "quadratic"}},
     {"method": "dose_response", "options": {"dose": "hours", "dose_drawn": False}},
     {"method": "quantile_effects", "options": {"draws": 99}}),
    ({"method": "ancova"}, {"method": "lee_bounds", "options": {"draws": 99}},
     {"method": "manski_bounds", "options": {"low": 0, "high": 200, "draws": 99}},
     {"method": "subgroups", "options": {"by": "sector"}}, {"method": "attrition_weighted", "options": {
         "predictors": ["age", "size"]}}, {"method": "rank_test"}, {"method": "post_double_selection"},
     {"method": "ancova", "options": {"covariates": ["size"]}}),
)


def declared(name: str, *, robustness: Any = (), change: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What the study file of one case says; ``more`` are keys of the file, ``change`` keys of its design."""
    chosen = copy.deepcopy(CASES[name])
    primary = {"method": name} | ({"options": chosen["options"]} if chosen["options"] else {})
    return {
        "schema": 1, "title": "Small firms", "question": "What came of the programme?",
        "programme": {"name": "P", "country": "Kenya"}, "data": {"file": "firms.csv", "simulated": True},
        "design": chosen["design"] | (change or {}), "outcomes": chosen["outcomes"],
        "analysis": {"primary": primary, "seed": 1, "robustness": list(robustness)},
        "brief": {"date": "2026-11-21"}} | more


def run(name: str, data: pd.DataFrame | None = None, **keys: Any) -> Evaluation:
    return evaluate(study_from_mapping(declared(name, **keys), slug="small-firms"),
                    CASES[name]["data"]() if data is None else data)


@lru_cache
def record(name: str) -> Evaluation:
    """One case, run once; 'beside 0' and 'beside 1' hold every other method beside a difference in means."""
    if not name.startswith("beside"):
        return run(name)
    return run("difference_in_means", robustness=OTHERS[int(name[-1])],
               subgroups=[{"name": "sector", "column": "sector", "label": "Sector"}])


EVERY = (*CASES, "beside 0", "beside 1")


def page(evaluation: Evaluation) -> dict[str, Any]:
    return present(compose(evaluation), LADDER[0])


def strings(value: Any) -> Iterator[str]:
    """Every string of a page."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(item)


def written(name: str, folder: Path, **keys: Any) -> Path:
    """A study folder on disk."""
    CASES[name]["data"]().to_csv(folder / "firms.csv", index=False)
    (folder / "study.yaml").write_text(yaml.safe_dump(declared(name, **keys), sort_keys=False))
    return folder


def test_every_method_is_used_here():
    beside = {call["method"] for calls in OTHERS for call in calls}
    assert set(METHODS["rct"]) == set(CASES) | beside
    assert set(METHODS["rct"]) - set(CASES) == set(BESIDE)


# ---- the record


@pytest.mark.parametrize("name", EVERY)
def test_every_number_is_that_of_the_plain_call(name):
    evaluation = record(name)
    chosen = "difference_in_means" if name.startswith("beside") else name
    sample = with_indices(load_sample(evaluation.study, CASES[chosen]["data"]()))
    made = iter(evaluation.estimates)
    for outcome, call, role in planned(sample.study, sample):
        found = getattr(impact.rct, call.method)(sample.frame, **arguments(sample, outcome, call))
        for i, row in enumerate(found if isinstance(found, Estimates) else [found]):
            kept = next(made)
            for part in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "n", "n_treated", "term",
                         "interval", "dropped", "transform", "comparison_mean"):
                assert getattr(kept, part) == getattr(row, part), (kept.id, part)
            assert (kept.outcome, kept.method) == (outcome.name, call.method)
            assert kept.role == (role if i == 0 or role in ("bounds", "subgroup") else "part")
    assert next(made, None) is None


@pytest.mark.parametrize("name", EVERY)
def test_names_are_unique_and_the_record_reads_back_the_same(name, tmp_path):
    evaluation = record(name)
    names = [e.id for e in evaluation.estimates]
    assert len(names) == len(set(names))
    text = evaluation_to_json(evaluation)
    (tmp_path / "results.json").write_text(text)
    assert evaluation_to_json(read_results(tmp_path)) == text
    assert [e.id for e in evaluation.estimates if e.role in ("primary", "secondary")] == [
        f"{o.name}/{evaluation.study.analysis.primary.method}" for o in evaluation.study.outcomes]


@pytest.mark.parametrize("name", CASES)
def test_a_second_run_gives_the_same_bytes(name):
    assert evaluation_to_json(run(name)) == evaluation_to_json(record(name))


def test_rounds_that_go_by_numbers_leave_every_number_its_own_name():
    names = [e.id for e in run("pooled_rounds", robustness=[
        {"method": "pooled_rounds", "options": {"round": "wave", "covariates": []}}]).estimates]
    assert len(names) == len(set(names)) == 8


@pytest.mark.parametrize("name", EVERY)
def test_the_flow_adds_up_and_the_ledger_names_every_row_left_out(name):
    evaluation = record(name)
    chosen = "difference_in_means" if name.startswith("beside") else name
    for flow in evaluation.flows:
        first, last = flow.stages[0], flow.stages[-1]
        assert first.units - sum(loss.n_units for loss in flow.losses) == last.units
        assert first.rows - sum(loss.n_rows for loss in flow.losses) == last.rows
        assert last.treated + last.comparison == last.units
    lines = ledger(load_sample(evaluation.study, CASES[chosen]["data"]()), evaluation).splitlines()
    assert len(lines) - 1 == sum(len(loss.rows) for e in evaluation.estimates for loss in e.dropped)


def test_where_clusters_were_drawn_the_groups_are_those_of_the_clusters():
    sample = as_drawn(load_sample(record("saturation").study, CASES["saturation"]["data"]()))
    assert (sample.frame[sample.treatment] == (sample.frame["share"] > 0)).all()
    first = record("spillover").flows[0].stages[0]
    assert (first.treated, first.comparison) == (120, 120)  # 60 of the 120 were invited
    assert {p.group: p.n for p in record("spillover").trends} == {"treated": 119, "comparison": 119}


@pytest.mark.parametrize("name", CASES)
def test_the_card_stands_in_one_line_of_every_printed_estimate(name):
    for e in record(name).estimates:
        if e.role == "bounds":
            continue
        line = next(line for line in str(e).splitlines() if "at the level of" in line)
        card = e.se_card
        for part in (card.formula, card.correction, card.level, card.df_rule, f"R: {card.r_call}",
                     f"{card.clusters_treated} treated / {card.clusters_comparison} comparison"):
            assert part in line, e.id
        assert ("Stata: " in line) == bool(card.stata_call)
        assert (f"df {e.df:.1f}" if e.df is not None else "") in line


@pytest.mark.parametrize("name", CASES)
def test_the_notebook_makes_the_headline_numbers_again(name, tmp_path, monkeypatch):
    folder = written(name, tmp_path)
    study = impact.read_study(folder)
    evaluation = evaluate(study)
    notebook = build_notebook(load_sample(study), evaluation, folder / "study.yaml", folder)
    monkeypatch.chdir(folder)
    space: dict[str, Any] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(cell.source, space)  # the last cell asserts that the numbers agree
    assert set(space["made_again"]) == {e.id for e in evaluation.estimates if e.role in ("primary", "secondary")}


# ---- units: nothing is printed in a unit that is not its own


def test_each_row_has_its_own_unit():
    units = {e.id: (e.unit, e.transform) for e in record("beside 0").estimates}
    money = "USD a month (2024 prices)"
    assert units["profit/ratio_effect"] == ("share of the comparison mean", "none")
    assert units["profit/encouragement/takeup"] == ("share who took part", "share")
    assert units["profit/poisson"] == (money, "log")
    assert units["profit/dose_response"] == ("USD a month per unit of amount (2024 prices)", "none")
    assert units["profit/late"] == units["profit/quantile_effects"] == (money, "none")
    slopes = [e for e in record("saturation").estimates if e.estimand == "slope"]
    assert {e.unit for e in slopes} == {"USD a month per 1.00 of the share invited (2024 prices)"}
    levels = [e for e in record("dose_response").estimates if e.term.endswith("none") and e.outcome == "profit"]
    assert {e.unit for e in levels} == {money}


@pytest.mark.parametrize("name", EVERY)
def test_the_brief_tells_only_headline_rows(name):
    evaluation = record(name)
    brief = compose(evaluation)
    roles = {e.id: e.role for e in evaluation.estimates}
    assert [roles[r.estimate] for r in brief.results] == [o.role for o in evaluation.study.outcomes]
    told = {n.estimate for n in walk(brief, Number) if n.estimate}
    bounds = {n.estimate for n in walk(brief.reading, Number) if n.estimate and roles[n.estimate] == "bounds"}
    uneven = any(c.id.startswith("attrition") and c.verdict in ("concern", "fail") for c in evaluation.checks)
    assert uneven or not bounds  # a note beside the findings, where losses raise a concern
    told -= bounds
    assert {roles[i] for i in told} <= {"primary", "secondary", "robustness", "subgroup"}
    groups = {n.estimate for n in walk(brief.for_whom, Number) if n.estimate}  # a block of its own
    apart = {m.effect.estimate for m in brief.methods} | groups
    assert {roles[i] for i in groups} <= {"subgroup"}
    assert {roles[i] for i in told - apart} <= {"primary", "secondary"}
    for text in strings(page(evaluation)):
        assert not re.search(r"\{\w+\}|\bNone\b(?! stated| left)", text)


def test_other_methods_say_what_they_answer_and_those_of_one_question_come_first():
    brief, s = compose(record("beside 0")), Speaker("en")
    assert len(brief.methods) == 12
    assert [s.text(m.name) for m in brief.methods][:5] == [
        "Difference in means", "Regression on the baseline (ANCOVA)", "Interacted regression (Lin)", "Poisson regression",
        "Share of the comparison mean"]
    told = {s.text(m.name): s.signed(m.effect, 2) for m in brief.methods}
    assert told["Poisson regression"].endswith("%")
    assert told["Share of the comparison mean"].endswith("%")
    for words in ("Several arms, one regression: grant against none, another question",
                  "Crossed offers, all cells: main effect of training, another question",
                  "Take-up instrumented by the offer: effect of taking part, another question",
                  "Take-up instrumented by encouragement: effect of taking part, another question",
                  "Differences of quantiles: median, another question"):
        assert words in told
    assert sum("for each unit of hours, an association only" in words for words in told) == 1
    assert sum("for each unit of amount, another question" in words for words in told) == 1
    units = {m.effect.estimate: m.effect.unit.text for m in brief.methods if m.effect.unit is not None}
    assert units["profit/dose_response"].startswith("USD a month per unit of amount")


def test_a_share_of_a_mean_near_zero_has_no_line_of_its_own():
    data = dosed_firms()
    data["profit"] -= data.loc[data["offered"] == 0, "profit"].mean()
    evaluation = run("difference_in_means", data, robustness=[{"method": "ratio_effect"}, {"method": "ols"}])
    assert evaluation.estimate("profit/ratio_effect").effect_pct is None
    assert [m.effect.estimate for m in compose(evaluation).methods] == ["profit/difference_in_means", "profit/ols"]


def test_bounds_and_subgroups_are_never_another_answer():
    evaluation = record("beside 1")
    roles = {e.method: e.role for e in evaluation.estimates}
    assert (roles["lee_bounds"], roles["manski_bounds"], roles["subgroups"]) == ("bounds", "bounds", "subgroup")
    assert sum(e.method == "subgroups" for e in evaluation.estimates) == 3  # declared twice, estimated once
    names = [Speaker("en").text(m.name) for m in compose(evaluation).methods]
    assert "Regression on the baseline (ANCOVA): covariates size" in names  # bounds between them shift no name


# ---- words


TITLES = {
    "multi_arm": ("in the arm grant", "in the arm none", "between the arms grant and none"),
    "factorial": ("firms offered training", "firms not offered training", "main effect"),
    "spillover": ("firms of clusters that took part, invited or not", "firms of clusters not drawn", "total effect"),
    "saturation": ("firms of clusters that took part, invited or not", "firms of clusters not drawn", "total effect"),
    "pooled_rounds": ("firms offered the programme", "firms not offered it", "over the rounds after"),
    "encouragement": ("firms that took part because they were encouraged", "the same firms without it",
                      "encouraged (LATE)"),
    "late": ("firms that took part because of the offer", "the same firms without it", "because of the offer (LATE)"),
    "dose_response": ("firms with a larger dose", "firms with a smaller one, drawn by lot", "one more unit of amount"),
    "quantile_effects": ("at their median", "at theirs", "not the effect on the firm that stands there"),
    "rank_test": ("firms offered the programme", "firms not offered it", "median difference"),
    "worker_effects": ("workers whose firm was offered the programme", "workers whose firm was not",
                       "each worker counting once"),
    "worker_composition": ("workers there before, whose firm was offered the programme", "workers there before, whose "
                           "firm was not", "wherever now"),
    "post_double_selection": ("firms offered the programme", "firms not offered it", "(ITT)"),
    "attrition_weighted": ("firms offered the programme", "firms not offered it", "(ITT)"),
    "exact_share_test": ("firms offered the programme", "firms not offered it", "(ITT)"),
}


@pytest.mark.parametrize("name", TITLES)
def test_the_brief_names_who_is_set_against_whom_and_what_the_number_is(name):
    told = page(record(name))
    treated, comparison, estimand = TITLES[name]
    if treated != "firms offered the programme":  # which the bottom line says; an arm, a dose or a place is in the title
        assert treated in told["title"]
    assert f"{treated} set against" in told["bottom_line"]
    assert comparison in told["bottom_line"]
    facts = {fact["name"]: fact["text"] for fact in told["method"]}
    assert estimand in facts["Estimand"]
    assert estimand in told["reading"]
    assert f"method.{name}" in messages("en")


def test_each_firm_counting_once_is_said():
    evaluation = run("worker_effects", change={"weighting": "firm"}, robustness=[{"method": "ols"}])
    facts = {fact["name"]: fact["text"] for fact in page(evaluation)["method"]}
    assert "each firm counting once" in facts["Estimand"]
    assert page(evaluation)["methods"]["rows"][1]["name"] == "Least squares: effect of the offer, another question"


def test_further_rows_are_named_and_not_told():
    assert "Also in results.json: invited, not invited, invited − not invited." in page(record("spillover"))["reading"]
    assert "and 1 more" not in page(record("factorial"))["reading"]
    assert "Also in results.json: grant, training × grant, training alone, grant alone." in page(
        record("factorial"))["reading"]
    assert "Also in results.json" not in page(record("ols"))["reading"]


def test_the_terminal_names_the_contrast_and_its_unit():
    assert "Monthly profit, grant − none: " in run_summary(record("multi_arm"), Path())
    assert "116 of 120 used" in run_summary(record("multi_arm"), Path())  # the third arm is not lost
    assert "USD a month per unit of amount (2024 prices) (95%" in run_summary(record("dose_response"), Path())
    assert "Monthly profit, total: " in run_summary(record("spillover"), Path())
    assert re.search(r"lost: \d+ rows \(profit is missing\)", run_summary(record("pooled_rounds"), Path()))


def test_few_units_of_two_arms_are_drawn_again_and_no_star_stands():
    evaluation = run("multi_arm", dosed_firms().head(15), change={"covariates": []})
    told = page(evaluation)
    assert evaluation.headline.has_caveat("randomisation_inference")
    assert "*" not in told["title"] + str(told["results"])


def test_few_clusters_say_so_and_no_star_stands_in_for_it():
    assert run("spillover", drawn_markets(groups=8)).headline.has_caveat("randomisation_inference")
    named = {"method": "spillover", "options": CASES["spillover"]["options"] | {"vcov": "CR2"}}  # is kept, with the words
    evaluation = run("spillover", drawn_markets(groups=8), analysis={"primary": named, "seed": 1})
    told = page(evaluation)
    few = any(evaluation.headline.has_caveat(code) for code in ("few_clusters", "low_df"))
    assert few
    assert "too few" in told["title"].lower()
    assert "too few" in str(told["tiles"])
    assert "*" not in told["title"] + str(told["results"])
    assert "TOO FEW" in run_summary(evaluation, Path())


def test_the_effect_of_the_offer_alone_is_said_only_where_it_is_so():
    assert "offer_only" in {c.code for c in record("ols").caveats}
    assert "offer_only" not in {c.code for c in record("beside 0").caveats}  # the effect of taking part stands beside


# ---- the plan


@pytest.mark.parametrize("rule", ["westfall_young", "romano_wolf"])
@pytest.mark.parametrize("name", ["encouragement", "worker_effects", "post_double_selection"])
def test_families_step_down_on_the_declared_draw(name, rule):
    first = CASES[name]["outcomes"][0]
    families = [{"name": "both", "outcomes": [first["name"], "again"], "adjust": rule, "index": "mean"}]
    keys = declared(name)
    keys |= {"outcomes": [first, first | {"name": "again"}], "analysis": keys["analysis"] | {"families": families}}
    evaluation = evaluate(study_from_mapping(keys, slug="small"), CASES[name]["data"]())
    mine = [e for e in evaluation.estimates if e.role == "primary"]
    assert len(mine) == 2
    assert all(e.p_adjusted >= e.p_value and "draws of the lots" in e.p_family for e in mine)
    assert mine[0].p_adjusted == mine[1].p_adjusted
    assert [e.id for e in evaluation.estimates if e.role == "index"] == [f"both/{name}"]


@pytest.mark.parametrize("name", ["multi_arm", "factorial", "spillover", "saturation", "pooled_rounds", "dose_response",
                                  "quantile_effects"])
def test_lots_are_not_drawn_again_for_more_than_one_offer_against_none(name):
    keys = declared(name)
    first = keys["outcomes"][0]["name"]
    keys["analysis"]["families"] = [{"name": "one", "outcomes": [first], "adjust": "romano_wolf"}]
    with pytest.raises(StudyError, match="compares more than that") as caught:
        study_from_mapping(keys, slug="small")
    assert len(caught.value.problems) == 1
    keys["analysis"]["families"][0]["adjust"] = "holm"
    evaluation = evaluate(study_from_mapping(keys, slug="small"), CASES[name]["data"]())
    assert evaluation.headline.p_family == "1 one, Holm"


def test_an_index_of_rounds_is_made_on_every_row():
    keys = declared("pooled_rounds")
    first = keys["outcomes"][0]
    keys["outcomes"].append(first | {"name": "again"})
    keys["analysis"]["families"] = [{"name": "both", "outcomes": ["profit", "again"], "adjust": "holm", "index": "mean"}]
    evaluation = evaluate(study_from_mapping(keys, slug="small"), followed_firms())
    index = next(e for e in evaluation.estimates if e.role == "index")
    assert index.n == evaluation.headline.n
    data = followed_firms()
    spread = data.loc[data["offered"] == 0, "profit"].std()
    assert index.estimate == pytest.approx(evaluate(study_from_mapping(
        declared("pooled_rounds", outcomes=[BARE]), slug="small"), data).headline.estimate / spread)


def test_what_is_no_effect_is_no_headline():
    keys = declared("dose_response")
    keys["analysis"]["primary"]["options"]["dose_drawn"] = False
    with pytest.raises(StudyError, match="an association, not an effect"):
        study_from_mapping(keys, slug="small")
    for method in BESIDE:
        keys["analysis"]["primary"] = {"method": method}
        with pytest.raises(StudyError, match="does not answer the question with one number"):
            study_from_mapping(keys, slug="small")


def test_rounds_of_one_unit_are_not_independent_in_any_method_beside():
    evaluation = run("pooled_rounds", robustness=[{"method": m} for m in ("ols", "lin", "ratio_effect", "lee_bounds")])
    assert {e.n_clusters for e in evaluation.estimates if e.role == "robustness"} == {60}
    assert {e.se_card.level for e in evaluation.estimates if e.role != "part"} == {"firm"}


# ---- strata


def uneven() -> pd.DataFrame:
    """Blocks in which three quarters and one quarter were offered."""
    data = dosed_firms()
    rows = np.arange(len(data))
    return data.assign(block=np.where((data["offered"] == 1) ^ (rows % 8 < 2), "high", "low"))


BLOCKED = {"assignment": {"rule": "blocked", "strata": "block", "record": "list of the draw"}}


def test_strata_with_different_shares_are_never_ignored():
    data = uneven()
    plain = run("ols", data, change=BLOCKED)
    assert plain.headline.has_caveat("overlap_weighted")
    for name in ("difference_in_means", "lin"):  # these average over all units, whatever the shares
        assert not run(name, data, change=BLOCKED).headline.has_caveat("overlap_weighted")
    blocked = run("difference_in_means", data, change=BLOCKED | {"covariates": []}).headline.estimate
    known = data[data["profit"].notna()]
    parts = [(len(b), b.loc[b["offered"] == 1, "profit"].mean() - b.loc[b["offered"] == 0, "profit"].mean())
             for _, b in known.groupby("block")]
    assert blocked == pytest.approx(sum(n * d for n, d in parts) / len(known))
    assert run("lin", data, change=BLOCKED | {"covariates": []}).headline.estimate == pytest.approx(blocked)


@pytest.mark.parametrize("place", ["primary", "robustness"])
def test_other_strata_than_those_of_the_draw_are_refused(place):
    keys = declared("ols", change=BLOCKED, robustness=[{"method": "lin", "options": {}}])
    call = keys["analysis"]["primary"] if place == "primary" else keys["analysis"]["robustness"][0]
    call["options"] = {"strata": "sector"}
    with pytest.raises(StudyError, match=r"the draw was made within 'block', and 'sector' would ignore that"):
        study_from_mapping(keys, slug="small")


@pytest.mark.parametrize("name", ["exact_share_test", "rank_test"])
def test_tests_that_know_no_strata_send_to_one_that_does(name):
    with pytest.raises(DesignError, match="Use difference_in_means with strata='block'"):
        run(name, uneven(), change=BLOCKED)


# ---- from the command line


def test_a_study_from_check_to_notebook(tmp_path, capsys):
    folder = written("encouragement", tmp_path, robustness=[{"method": "ols"}])
    for command in ("check", "run", "audit", "brief", "notebook"):
        path = folder / "out" if command in ("audit", "brief") else folder
        assert main([command, str(path)]) == 0, capsys.readouterr().err
    out = folder / "out"
    for name in ("results.json", "ledger.csv", "brief.pdf", "brief.html", "self-check.html", "analysis.ipynb"):
        assert (out / name).stat().st_size > 100, name
    assert "because they were encouraged" in (out / "brief.html").read_text()
    assert read_results(out).headline.estimand == "late"


@pytest.mark.parametrize("transform", ["log(1+y)", "asinh", "log1p"])
def test_logs_that_swallow_zeros_are_refused(transform, tmp_path, capsys):
    folder = written("ols", tmp_path, outcomes=[BARE | {"transform": transform}])
    assert main(["run", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "outcomes[0].transform" in said
    assert "depends on the currency" in said


def put(data: pd.DataFrame, rows: list[int], column: str, value: Any) -> pd.DataFrame:
    return data.assign(**{column: data[column].astype(object).mask(data.index.isin(rows), value)})


WEIGHTED = {"sampling": {"weight": "w"}}
DRAWN = {key: MARKET[key] for key in ("treatment", "assigned_by", "assignment")}
LEVELS = DRAWN | {"assignment": DRAWN["assignment"] | {"strata": "block"}}
HALVES = {"market": lambda d: np.where(d["offered"] == 1, "A", "B"), "market_offered": lambda d: d["offered"]}
BAD: dict[str, tuple[dict[str, Any], Any, tuple[str, ...]]] = {
    "a stratum with one arm": (BLOCKED, lambda d: put(d, [1, 3, 5], "block", "B7"), (
        "stratum B7 has 3 treated units (rows 2, 4, 6)",)),
    "a cluster in two strata": (LEVELS, lambda d: put(d.assign(block="a"), [2, 9], "block", "b"), (
        "2 groups hold rows of more than one stratum", "M00", "stratum b in row 3")),
    "a cluster in two arms": (DRAWN, lambda d: put(d, [2], "market_offered", 1.0), (
        "1 group holds both treated and comparison units: M00", "treated in row 3")),
    "three treatment values": ({}, lambda d: put(d, [2, 9], "offered", 2.0), ("2 in 2 rows (rows 3, 10)", "multi_arm")),
    "negative weights": (WEIGHTED, lambda d: put(d, [2, 9], "w", -1.0), ("2 weights are negative (rows 3, 10)",)),
    "weights all zero": (WEIGHTED, lambda d: d.assign(w=0.0), ("no weight is above zero (rows 1, 2",)),
    "one cluster an arm": (DRAWN, lambda d: d.assign(**HALVES), (
        "1 treated and 1 comparison groups", "the treated one is A (rows 2, 4",)),
    "covariates that repeat": ({"covariates": ["size", "twice"]}, lambda d: d.assign(twice=2 * d["size"] + 1), (
        "column 'twice': it repeats size",)),
    "rows without cluster": (DRAWN, lambda d: put(d, [2, 9], "market", np.nan), ("2 rows have no value (rows 3, 10)",)),
    "an outcome in words": ({}, lambda d: put(d, [2, 9], "profit", "about 50"), ("it holds text", "rows 3, 10")),
    "all at once": (
        WEIGHTED | {"assigned_by": "market", "assignment": MARKET["assignment"]},
        lambda d: put(put(put(put(d, [2], "profit", "n/k"), [3], "offered", 2.0), [5], "w", -2.0), [7], "market", np.nan),
        ("4 problems", "row 3", "row 4", "row 6", "row 8")),
}


@pytest.mark.parametrize("mistake", BAD)
def test_bad_input_is_told_with_its_rows_and_leaves_nothing_behind(mistake, tmp_path, capsys):
    change, spoil, said = BAD[mistake]
    folder = written("ols", tmp_path, change=change, outcomes=[PROFIT])
    spoil(dosed_firms().assign(w=1.0, block=lambda d: d["sector"])).to_csv(folder / "firms.csv", index=False)
    for command in ("check", "run"):
        assert main([command, str(folder)]) == 2
        told = capsys.readouterr()
        for part in said:
            assert part in told.err, told.err
        assert "Traceback" not in told.err + told.out
        assert "nan" not in told.err.lower()
    assert not (folder / "out").exists()


def test_a_mistake_gives_no_traceback_in_a_process_of_its_own(tmp_path):
    folder = written("ols", tmp_path)
    put(dosed_firms(), [2, 9], "profit", "n/k").to_csv(folder / "firms.csv", index=False)
    done = subprocess.run([sys.executable, "-m", "impact", "run", str(folder)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "rows 3, 10" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("exact_share_test", "rank_test")])
def test_money_made_of_reports_stands_beside_every_method(name):
    keys = declared(name)
    made = {"hired": {"kind": "rate"}, "staff": {"kind": "total"}}
    money = {"kind": "flow", "money": True, "winsorise": {"upper": 0.95}}
    keys["outcomes"] = [o | {"construction": made.get(o["name"], money)} for o in keys["outcomes"]]
    keys["firm_status"] = {"column": "status", "codes": {"operating": [1], "closed_verified": [2], "not_found": [9]}}
    data = CASES[name]["data"]()
    first = keys["outcomes"][0]["column"]
    closed = data.index % 19 == 0
    data["status"] = np.where(closed, 2, np.where(data[first].isna(), 9, 1))
    data.loc[data["status"] != 1, [o["column"] for o in keys["outcomes"]]] = np.nan
    try:
        evaluation = evaluate(study_from_mapping(keys, slug="small"), data)
    except ImpactError as error:
        pytest.fail(str(error))
    derived = [e for e in evaluation.estimates if e.role == "derived"]
    several = name in ("multi_arm", "factorial", "spillover", "saturation", "dose_response", "quantile_effects",
                       "worker_composition")
    assert any(e.method == "ratio_effect" for e in derived) is not several  # a ratio compares offered with others
    names = [e.id for e in evaluation.estimates]
    assert len(names) == len(set(names))
    compose(evaluation)


def test_every_method_a_study_may_name_has_its_words_in_the_brief():
    assert [name for methods in METHODS.values() for name in methods if f"method.{name}" not in messages("en")] == []

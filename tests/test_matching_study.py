"""Matching as a study declares it: bins, dates, hidden causes, text covariates, and every kind of unusable input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from support_studies import PROFIT, declare

from impact.calls import arguments
from impact.checks import measured_before
from impact.cli import main
from impact.data.sample import load_sample
from impact.errors import DataError, DesignError, ImpactError, StudyError
from impact.evaluation import evaluate
from impact.matching import coarsened_exact, inverse_probability, nearest_neighbour, regression_adjustment
from impact.results import read_results
from impact.results.record import evaluation_to_json, write_text
from impact.study import read_study

close = pytest.approx
BASED = PROFIT | {"baseline": "profit_0"}


def firms(n: int = 300, seed: int = 2) -> pd.DataFrame:
    """Firms that took part the sooner, the larger they were; sales of three earlier years, a trade in words."""
    rng = np.random.default_rng(seed)
    size, age = rng.normal(10, 3, n).round(2), rng.integers(1, 30, n).astype(float)
    trade = np.array(["food", "tailor", "wood"])[rng.integers(0, 3, n)]
    before = (50 + 3 * size + rng.normal(0, 6, n)).round(2)
    offered = (rng.random(n) < 1 / (1 + np.exp(1.2 - 0.15 * (size - 10) - 0.03 * (before - 80)))).astype(float)
    profit = (10 + before + 12 * offered + rng.normal(0, 6, n)).round(2)
    return pd.DataFrame({
        "firm": [f"F{i:03d}" for i in range(n)], "offered": offered, "age": age, "size": size, "trade": trade,
        "profit_0": before, "rent_0": (20 + size + rng.normal(0, 4, n)).round(2), "profit": profit,
        "asked": np.where(np.arange(n) % 2, "2020-11-30", "2020-12-15"), "began": "2021-03-01"})


def study(**keys: Any) -> Any:
    sensitivity = keys.pop("sensitivity", None)
    made = declare("matching", **({"outcomes": [BASED], "covariates": ["age", "size", "profit_0"]} | keys))
    if sensitivity is None:
        return made
    from impact.study import study_from_mapping

    tree = {**made.declared, "analysis": made.declared["analysis"] | {"sensitivity": sensitivity}}
    return study_from_mapping(tree, slug="a-matching")


def checks_of(evaluation: Any) -> dict[str, Any]:
    return {c.id: c for c in evaluation.checks}


# ---- bins by covariate


@pytest.mark.parametrize("bins", [
    "sturges", 4, [5, 10, 20], {"age": [5, 10, 20], "size": 4},
    {"age": "exact", "trade": "exact", "size": [8.5, 12]}], ids=str)
def test_bins_are_declared_for_all_or_by_covariate(bins):
    data = firms()
    names = ["age", "size", "trade"] if isinstance(bins, dict) and "trade" in bins else ["age", "size"]
    made = evaluate(study(method="coarsened_exact", options={"bins": bins}, covariates=names), data).headline
    plain = coarsened_exact(data, outcome="profit", treatment="offered", covariates=names, bins=bins)
    assert (made.estimate, made.std_error) == (close(plain.estimate), close(plain.std_error))


def test_bins_survive_the_record_and_the_notebook(tmp_path):
    bins = {"age": [5, 10, 20], "size": 4}
    made = study(method="coarsened_exact", options={"bins": bins}, covariates=["age", "size"])
    kept = read_results(write_text(tmp_path / "results.json", evaluation_to_json(evaluate(made, firms()))))
    assert kept.study.declared["analysis"]["primary"]["options"]["bins"] == bins
    sample = load_sample(kept.study, firms())
    assert arguments(sample, sample.study.outcomes[0], sample.study.analysis.primary)["bins"] == bins


@pytest.mark.parametrize(("bins", "said"), [
    ({"age": [10, 5]}, "do not rise"), ({"age": 1}, "at least 2"), ("fine", "not one of sturges, exact"),
    ({"age": {"a": 2}}, "too deep"), ({"age": ["x"]}, "a number is expected"), (2.5, "whole number")], ids=str)
def test_bins_that_are_none_are_refused(bins, said):
    with pytest.raises(StudyError, match=said):
        study(method="coarsened_exact", options={"bins": bins})


def test_bins_of_what_is_no_covariate_are_refused():
    with pytest.raises(DesignError, match="'height' is not one of the covariates"):
        evaluate(study(method="coarsened_exact", options={"bins": {"height": 3}}), firms())


# ---- covariates in words, whatever the method


@pytest.mark.parametrize("method", ["nearest_neighbour", "optimal_pairs", "full_matching", "subclassification",
                                    "inverse_probability", "entropy_balance", "aipw", "regression_adjustment"])
def test_words_are_entered_by_a_rule_that_is_told(method):
    data = firms()
    made = evaluate(study(method=method, covariates=["age", "profit_0", "trade"]), data).headline
    assert "trade: text, entered as one yes/no column" in next(
        c.text for c in made.caveats if c.code == "covariates_encoded")
    coded = data.assign(food=(data["trade"] == "food") * 1.0, wood=(data["trade"] == "wood") * 1.0)
    if method in ("inverse_probability", "entropy_balance", "aipw", "regression_adjustment"):
        plain = evaluate(study(method=method, covariates=["age", "profit_0", "food", "wood"]), coded).headline
        assert (made.estimate, made.std_error) == (close(plain.estimate), close(plain.std_error))


def test_a_word_that_tells_who_took_part_is_named():
    data = firms().assign(trade=lambda d: np.where(d["offered"] == 1, "member", d["trade"]))
    with pytest.raises(DesignError, match=r"'trade: member'.* predict who took part"):
        inverse_probability(data, outcome="profit", treatment="offered", covariates=["age", "trade"])
    mixed = firms().assign(trade=np.where(np.arange(300) % 2, "food", "12"))
    with pytest.raises(DataError, match="holds text, not numbers"):
        regression_adjustment(mixed, outcome="profit", treatment="offered", covariates=["age", "trade"])


# ---- dates


@pytest.mark.parametrize(("measured", "treated", "late"), [
    ("2020-12-31", "2021-03-01", 0), ("2021-06-30", "2021-03-01", 300), ("2022", "2021-03-01", 300),
    ("2021", "2021-03-01", 0), ("asked", "began", 0), ("after", "began", -1), ("after", "2020-12-01", 300),
    ("year", "2021", 0), ("year", "2019", 300)])
def test_a_covariate_measured_after_treatment_is_refused_when_its_date_says_so(measured, treated, late):
    data = firms().assign(after="2021-05-05", year=2020)
    count = int(data["offered"].sum()) if late < 0 else late  # by each unit's date only those who took part have one
    check = measured_before(data, measured_on={"size": measured}, treated_on=treated, treatment="offered")
    assert check.verdict == ("fail" if late else "pass")
    made = study(treated_on=treated, measured_on={"size": measured})
    if not late:
        assert evaluate(made, data).headline.n > 0
        return
    assert f"after treatment began for {count} units" in check.reason
    with pytest.raises(DataError, match=rf"design.measured_on, column 'size': it was measured after treatment began for "
                                        rf"{count} units"):
        evaluate(made, data)


def test_dates_that_cannot_be_held_against_each_other_are_refused():
    with pytest.raises(StudyError, match="need the date of the programme"):
        study(measured_on={"size": "2020"})
    with pytest.raises(StudyError, match="none is given"):
        study(treated_on="2020")
    with pytest.raises(DataError, match="no column 'last spring'"):
        evaluate(study(treated_on="2021", measured_on={"size": "last spring"}), firms())
    with pytest.raises(DataError, match="no date such as"):
        evaluate(study(treated_on="2021", measured_on={"size": "trade"}), firms())
    with pytest.raises(DataError, match="no years"):
        evaluate(study(treated_on="2021", measured_on={"size": "age"}), firms())


def test_dates_are_read_from_yaml_as_dates(tmp_path):
    folder = written(tmp_path, firms(), treated_on=pd.Timestamp("2021-03-01").date(),
                     measured_on={"size": pd.Timestamp("2021-06-01").date(), "age": 2020})
    with pytest.raises(DataError, match="2021-06-01 after 2021-03-01"):
        evaluate(read_study(folder))


# ---- hidden causes, from a study's run


def test_hidden_causes_are_examined_in_every_comparison(tmp_path):
    made = evaluate(study(sensitivity={"negative_controls": ["rent_0"], "benchmarks": ["size", "profit_0"]}), firms())
    found = checks_of(made)
    assert [name for name in found if name.endswith(":profit")] == [
        f"{name}:profit" for name in ("rosenbaum_bounds", "e_value", "oster", "robustness_value",
                                      "leave_one_covariate_out", "negative_control")]
    assert all(c.reason.endswith((".", "!")) and len(c.reason) > 60 for c in found.values())
    assert "times between two units that look alike" in found["rosenbaum_bounds:profit"].reason
    assert "A cause as strong as size" in found["robustness_value:profit"].reason
    assert "the primary method gives" in found["oster:profit"].reason
    assert "rent_0" in found["negative_control:profit"].reason
    direct = nearest_neighbour(firms(), outcome="rent_0", treatment="offered", covariates=["age", "size", "profit_0"])
    assert dict(found["negative_control:profit"].details)["rent_0"] == close(direct.estimate)
    left = dict(found["leave_one_covariate_out:profit"].details)
    assert left["age"] == close(nearest_neighbour(firms(), outcome="profit", treatment="offered",
                                                  covariates=["size", "profit_0"]).estimate)
    text = evaluation_to_json(made)
    assert evaluation_to_json(read_results(write_text(tmp_path / "results.json", text))) == text


def test_as_strong_as_earlier_profit_comes_from_benchmarking_only():
    found = checks_of(evaluate(study(), firms()))["robustness_value:profit"]
    assert "A cause as strong as profit_0" in found.reason  # the outcome's own baseline, matched on
    bare = checks_of(evaluate(study(outcomes=[PROFIT], covariates=["age", "size"]), firms()))["robustness_value:profit"]
    assert bare.verdict == "not_applicable"
    assert "cannot be said without a benchmark" in bare.reason
    assert "as strong as profit" not in bare.reason


@pytest.mark.parametrize(("method", "options", "pairs"), [
    ("nearest_neighbour", {}, True), ("optimal_pairs", {}, True), ("nearest_neighbour", {"replace": True}, False),
    ("nearest_neighbour", {"neighbours": 2, "caliper": 1.0}, False), ("full_matching", {}, False), ("aipw", {}, False)])
def test_rosenbaum_bounds_are_for_pairs_alone(method, options, pairs):
    found = checks_of(evaluate(study(method=method, options=options), firms(240)))
    assert ("rosenbaum_bounds:profit" in found) is pairs
    assert "e_value:profit" in found


def test_logs_words_and_bins_are_examined_too():
    logged = BASED | {"transform": "log", "baseline": None}
    for keys in ({"outcomes": [logged]}, {"covariates": ["age", "profit_0", "trade"]},
                 {"method": "coarsened_exact", "options": {"bins": {"age": [10], "size": 3, "profit_0": 3}}}):
        found = checks_of(evaluate(study(**keys), firms()))
        for name in ("e_value", "oster", "leave_one_covariate_out"):
            assert found[f"{name}:profit"].word != "not examined", found[f"{name}:profit"].reason


def test_what_hidden_causes_are_judged_by_must_fit():
    with pytest.raises(StudyError, match="'height' is not a covariate"):
        study(sensitivity={"benchmarks": ["height"]})
    with pytest.raises(StudyError, match="alike by construction"):
        study(sensitivity={"negative_controls": ["size"]})
    with pytest.raises(DataError, match="no column 'rents_0'"):
        evaluate(study(sensitivity={"negative_controls": ["rents_0"]}), firms())


# ---- unusable input, from the command line


def written(folder: Path, data: pd.DataFrame, *, method: str = "nearest_neighbour", options: dict[str, Any] | None = None,
            **design: Any) -> Path:
    place = folder / "programme"
    place.mkdir()
    made = study(method=method, options=options)
    tree: dict[str, Any] = {k: v for k, v in made.declared.items() if v is not None}
    tree["design"] = {k: v for k, v in tree["design"].items() if v is not None} | design
    (place / "study.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    data.to_csv(place / "firms.csv", index=False)
    return place


def told(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(grant=lambda d: d["offered"] * 5 + d["age"] / 100)


BAD: dict[str, tuple[Any, dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "perfect separation": (told, {}, {"covariates": ["age", "grant"]}, ("column 'grant'", "predict treatment")),
    "perfect separation, weights": (told, {"method": "inverse_probability"}, {"covariates": ["age", "grant"]},
                                    ("column 'grant'", "predict who took part")),
    "no overlap": (lambda d: d.assign(size=d["size"] + 100 * d["offered"]),
                   {"options": {"distance": "mahalanobis", "caliper": 0.1}}, {}, ("column 'size'", "predict treatment")),
    "no overlap, balancing": (lambda d: d.assign(size=d["size"] + 4 * d["offered"] * (d["age"] > 3)
                                                 + 30 * d["offered"] * (d["age"] <= 3)), {"method": "entropy_balance"}, {},
                              ("size",)),
    "more covariates than treated": (lambda d: d.assign(offered=(d.index < 2) * 1.0), {}, {},
                                     ("3 covariates for 2 treated units",)),
    "more covariates than treated, weights": (lambda d: d.assign(offered=(d.index < 3) * 1.0), {"method": "aipw"}, {},
                                              ("3 covariates for 3 treated units",)),
    "measured after treatment": (lambda d: d, {}, {"treated_on": "2021-03-01", "measured_on": {"size": "2021-09-30"}},
                                 ("design.measured_on", "column 'size'", "after treatment began for 300 units")),
    "a constant covariate": (lambda d: d.assign(age=7.0), {}, {}, ("design.covariates[0], column 'age'", "same value")),
    "words among numbers": (lambda d: d.assign(age=d["age"].astype(object).where(d.index != 4, "old")), {}, {},
                            ("column 'age'", "row 5")),
    "too many words": (lambda d: d.assign(age=[f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)]), {}, {},
                       ("300 different words",)),
    "a caliper that leaves nobody": (lambda d: d, {"options": {"caliper": 1e-12}}, {}, ("no unit has a match", "caliper")),
    "one arm": (lambda d: d.assign(offered=1.0), {}, {}, ("all 300 units are treated",)),
    "a covariate that is the outcome": (lambda d: d, {}, {"covariates": ["age", "profit"]}, ("it is also a covariate",)),
}


@pytest.mark.parametrize("mistake", BAD)
def test_bad_input_is_told_and_leaves_nothing_behind(mistake, tmp_path, capsys):
    spoil, call, design, said = BAD[mistake]
    folder = written(tmp_path, spoil(firms()), **call, **design)
    assert main(["run", str(folder)]) == 2
    out = capsys.readouterr()
    for part in said:
        assert part in out.err, out.err
    assert "Traceback" not in out.err + out.out
    assert not (folder / "out").exists()


def test_no_traceback_in_a_process_of_its_own(tmp_path):
    folder = written(tmp_path, told(firms()), covariates=["age", "grant"])
    done = subprocess.run([sys.executable, "-m", "impact", "run", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "column 'grant'" in done.stderr
    assert "Traceback" not in done.stderr


def test_exploding_weights_name_the_unit_and_its_share():
    rng = np.random.default_rng(5)
    x = np.r_[rng.normal(0, 1, 200), 3.0, rng.normal(2.5, 0.5, 60)]
    data = pd.DataFrame({"firm": np.arange(261), "size": x, "offered": np.r_[np.zeros(201), np.ones(60)],
                         "profit": x + rng.normal(size=261)})
    made = evaluate(declare("matching", outcomes=[PROFIT], method="inverse_probability", covariates=["size"]), data)
    caveat = next(c for c in made.headline.caveats if c.code == "large_weight")
    largest = dict(made.headline.details)["largest_share_comparison"]
    assert dict(caveat.values) == {"row": dict(caveat.values)["row"], "share": close(largest)}
    assert f"{largest:.0%} of the weight" in caveat.text
    assert largest > 0.1
    assert made.headline.has_caveat("few_units_large_sample")


def test_a_caliper_that_leaves_some_out_changes_the_question_in_the_record_too():
    made = evaluate(study(options={"caliper": 0.05}), firms()).headline
    caveat = next(c for c in made.caveats if c.code == "att_of_matched")
    gone, of = (dict(caveat.values)[k] for k in ("units", "of"))
    assert gone > 0
    assert made.n_treated == of - gone
    assert f"({made.n_treated} of {of})" in made.question


def test_the_card_says_which_error_and_why():
    data = firms()
    said = {("nearest_neighbour", "replace"): "Abadie & Imbens (2006), matching with replacement",
            ("nearest_neighbour", ""): "CR1S by matched set (Abadie & Spiess 2022)",
            ("optimal_pairs", ""): "CR1S by matched pair (Abadie & Spiess 2022)",
            ("full_matching", ""): "CR1S by matched set (Abadie & Spiess 2022)",
            ("subclassification", ""): "CR1S by stratum (Abadie & Spiess 2022)",
            ("coarsened_exact", ""): "CR1S by stratum (Abadie & Spiess 2022)",
            ("inverse_probability", ""): "M-estimation (sandwich of score and means)",
            ("entropy_balance", ""): "M-estimation (sandwich of dual parameters and means)",
            ("aipw", ""): "M-estimation (sandwich of score, outcome models and means)",
            ("regression_adjustment", ""): "M-estimation (sandwich of regressions and means)"}
    for (method, option), formula in said.items():
        options = {"replace": True} if option else ({"bins": 3} if method == "coarsened_exact" else {})
        card = evaluate(study(method=method, options=options), data).headline.se_card
        assert card.formula == formula, method
        assert "bootstrap" not in card.formula
        assert card.level
        assert card.correction


def test_every_problem_is_an_error_of_this_toolkit():
    for spoil, call, design, _ in BAD.values():
        keys = {"method": call.get("method", "nearest_neighbour"), "options": call.get("options"), **design}
        with pytest.raises(ImpactError):
            evaluate(study(**keys), spoil(firms()))


# ---- overlap weights, and changes of villages


def test_overlap_weights_are_asked_for_in_the_method_and_carried_to_the_brief(tmp_path, capsys):
    folder = tmp_path / "open"
    folder.mkdir()
    firms().to_csv(folder / "firms.csv", index=False)
    made = study(method="inverse_probability", options={"estimand": "ato"})
    tree = {**made.declared, "data": {"file": "firms.csv"}}
    (folder / "study.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    assert main(["check", str(folder)]) == 0
    assert main(["run", str(folder)]) == 0
    found = read_results(folder / "out" / "results.json").headline
    plain = inverse_probability(firms(), outcome="profit", treatment="offered", covariates=["age", "size", "profit_0"],
                                estimand="ato")
    assert (found.estimand, found.estimate, found.std_error) == ("ato", close(plain.estimate), close(plain.std_error))
    assert "estimand ATO" in capsys.readouterr().out
    page = (folder / "out" / "brief.html").read_text(encoding="utf-8")
    assert "for whom taking part was open, those near an even chance counting most" in page
    (folder / "study.yaml").write_text(yaml.safe_dump(tree | {"design": tree["design"] | {"estimand": "ato"}}),
                                       encoding="utf-8")
    assert main(["check", str(folder)]) == 2
    assert "'ato' is not one of" in "".join(capsys.readouterr())


def test_changes_are_clustered_by_what_was_assigned():
    data = firms().assign(village=lambda t: np.arange(len(t)) // 15)
    data["offered"] = (data["village"] % 3 == 0).astype(float)
    options = {"covariates": ["age", "size"]}
    made = study(method="matched_did", options=options, assigned_by="village")
    rows = evaluate(made, data).estimates
    from impact.matching import matched_did

    plain = matched_did(data, outcome="profit", baseline="profit_0", treatment="offered", covariates=["age", "size"],
                        cluster="village")
    assert [e.std_error for e in rows[:3]] == close([e.std_error for e in plain])
    assert [e.se_card.clusters_treated for e in rows[:3]] == [7, 7, 7]


@pytest.mark.parametrize(("estimand", "whose"), [("att", "of the treated"), ("atc", "of the comparison units"),
                                                 ("ate", "mean of both groups' variances")])
def test_balance_is_measured_in_the_spread_of_those_the_estimand_speaks_of(estimand, whose):
    made = evaluate(study(method="inverse_probability", estimand=estimand, covariates=["age", "size", "trade"]), firms())
    found, table = checks_of(made)["balance"], made.estimates[0].matched.balance()
    assert whose in found.measure
    assert whose in table.notes[0]
    assert found.measured == close(max(abs(row.after.smd) for row in table.rows))
    assert dict(found.details) == close({row.label: row.after.smd for row in table.rows})

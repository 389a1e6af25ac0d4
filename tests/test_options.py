"""Options in a study file: a wrong value is told with its line and key, all at once, and stops a run with code 2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from impact.calls import arguments, run_method
from impact.cli import main
from impact.data.sample import load_sample
from impact.errors import DesignError, ImpactError, Problem, StudyError
from impact.evaluation import evaluate
from impact.study import read_study, study_from_mapping
from impact.study.methods import METHODS
from tests.support_studies import cross_section, panel

KINDS: dict[str, dict[str, Any]] = {
    "rct": {"estimand": "itt", "unit": "firm", "treatment": "offered", "assigned_by": "firm",
            "covariates": ["age", "size"]},
    "did": {"estimand": "att", "unit": "firm", "time": "year", "first_treated": "first", "assigned_by": "firm",
            "comparison": "never_treated"},
    "matching": {"estimand": "att", "unit": "firm", "treatment": "offered", "assigned_by": "firm",
            "covariates": ["age", "size"]},
}
MAIN = {"rct": "ols", "did": "two_way_fixed_effects", "matching": "entropy_balance"}
# wrong together although each value is of its kind: the method, its options, the key told, a word of the cause
BEFORE: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("rct", "quantile_effects", {"quantiles": [0.5, 0.5]}, "quantiles", "twice"),
    ("rct", "manski_bounds", {"low": 3, "high": 1}, "low", "not below"),
    ("rct", "pooled_rounds", {"round": "age", "vcov": "HC2"}, "vcov", "independent"),
    ("rct", "worker_effects", {"vcov": "HC1"}, "vcov", "independent"),
    ("rct", "spillover", {"cluster_treatment": "market_offered", "population_share": 30}, "population_share",
     "between 0 and 1"),
    ("did", "two_by_two", {"periods": [2002, 2002]}, "periods", "both are 2002"),
    ("did", "event_study", {"window": [-3, 4], "reference": -4}, "window", "must hold the reference"),
    ("did", "event_study", {"window": [-3, -1]}, "window", "must hold"),
    ("did", "stacked", {"window": [0, 3]}, "window", "begin below 0"),
    ("did", "stacked", {"window": [-2, 3], "reference": -3}, "reference", "outside the window"),
    ("matching", "inverse_probability", {"trim": 0.7}, "trim", "no rule"),
    ("matching", "inverse_probability", {"trim": "some"}, "trim", "no rule"),
    ("matching", "coarsened_exact", {"bins": 1}, "bins", "is not at least 2"),
    ("matching", "aipw", {"vcov": "M", "folds": 5}, "vcov", "fitted once"),
    ("matching", "aipw", {"learner": "random_forest"}, "learner", "grown on"),
    ("matching", "nearest_neighbour", {"order": "data", "replace": True}, "order", "without replacement"),
    ("matching", "nearest_neighbour", {"tie_tolerance": 0.1}, "tie_tolerance", "one partner"),
    ("matching", "nearest_neighbour", {"estimated_score": True}, "estimated_score", "derived"),
]
# wrong for these data: told when they are seen
AFTER: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("did", "two_by_two", {"periods": [1999, 2002]}, "periods", "no usable row"),
    ("matching", "nearest_neighbour", {"neighbours": 900}, "neighbours", "900"),
]


CASE = ("kind", "method", "options", "key", "said")


def shown(value: Any) -> str:
    return value if isinstance(value, str) else ""


def written(folder: Path, kind: str, *calls: dict[str, Any], **more: Any) -> Path:
    (panel() if kind == "did" else cross_section()).to_csv(folder / "firms.csv", index=False)
    tree = {
        "schema": 1, "title": "Firms", "question": "What came of it?", "programme": {"name": "P", "country": "Kenya"},
        "data": {"file": "firms.csv", "simulated": True}, "design": {"kind": kind, **KINDS[kind]},
        "outcomes": [{"name": "profit", "column": "profit", "label": "Profit", "unit": "USD", "role": "primary",
                      "better": "higher"}],
        "analysis": {"primary": {"method": MAIN[kind]}, "robustness": list(calls), "seed": 1, **more},
        "brief": {"date": "2026-11-21"}}
    (folder / "study.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return folder


def line_of(folder: Path, key: str) -> int:
    """Line of the last place where a key stands."""
    lines = (folder / "study.yaml").read_text().splitlines()
    return max(i for i, text in enumerate(lines, 1) if re.match(rf"\s*{key}:", text))


@pytest.mark.parametrize(CASE, BEFORE, ids=shown)
def test_wrong_values_are_told_before_any_data(tmp_path, kind, method, options, key, said):
    folder = written(tmp_path, kind, {"method": method, "options": options})
    (folder / "firms.csv").unlink()
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    told = [str(p) for p in caught.value.problems]
    assert len(told) == 1
    assert told[0].startswith(f"line {line_of(folder, key)}, analysis.robustness[0].options.{key}: ")
    assert said in told[0]
    assert caught.value.problems[0].cure


def test_an_earlier_word_for_a_learner_is_refused_with_the_one_there_is(tmp_path):
    folder = written(tmp_path, "matching", {"method": "aipw", "options": {"learner": "forest", "folds": 5}})
    said = r"'forest' is not one of parametric, random_forest\. Did you mean 'random_forest'"
    with pytest.raises(StudyError, match=said):
        read_study(folder)


@pytest.mark.parametrize(("kind", "method"), [("rct", "ols"), ("rct", "lin"), ("rct", "late"),
                                              ("did", "two_way_fixed_effects")])
def test_an_error_that_passes_over_the_clusters_is_told_with_its_line(tmp_path, kind, method):
    more = {"takeup": "took"} if method == "late" else {}
    folder = written(tmp_path, kind, {"method": method, "options": {**more, "vcov": "HC2"}})
    read_study(folder)
    text = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(text.replace("assigned_by: firm", "assigned_by: market"))
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    told = [str(p) for p in caught.value.problems]
    assert len(told) == 1
    assert told[0].startswith(f"line {line_of(folder, 'vcov')}, analysis.robustness[0].options.vcov: ")
    assert "CR2" in told[0]


@pytest.mark.parametrize(CASE, AFTER, ids=shown)
def test_values_that_do_not_fit_the_data_are_told_with_their_line(tmp_path, capsys, kind, method, options, key, said):
    folder = written(tmp_path, kind, {"method": method, "options": options})
    assert main(["run", str(folder)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("study.yaml: 1 problem\n")
    assert f"line {line_of(folder, key)}, analysis.robustness[0].options.{key}: " in told
    assert said in told
    assert "Traceback" not in told
    assert not (folder / "out" / "results.json").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_a_file_come_at_once(tmp_path, capsys, kind):
    calls = [(method, options, key) for k, method, options, key, _ in BEFORE if k == kind][:6]
    folder = written(tmp_path, kind, *({"method": m, "options": o} for m, o, _ in calls), conf_level=2)
    assert main(["check", str(folder)]) == 2
    told = capsys.readouterr().err
    assert "analysis.conf_level" in told
    for i, (_, _, key) in enumerate(calls):
        assert f"analysis.robustness[{i}].options.{key}: " in told


def test_draws_are_enough_for_the_declared_level(tmp_path):
    call = {"method": "quantile_effects", "options": {"draws": 150}}
    assert read_study(written(tmp_path, "rct", call, conf_level=0.9)).analysis.conf_level == 0.9
    with pytest.raises(StudyError, match="draws"):
        read_study(written(tmp_path, "rct", call, conf_level=0.99))


def test_a_value_error_of_an_estimator_names_the_option_and_its_line(tmp_path, monkeypatch):
    """What no rule of the file foresees still comes with line and key."""
    from impact import rct

    def refuses(data, *, outcome, treatment, draws=999, strata=None):
        raise ValueError(f"draws must be odd, not {draws!r}")

    folder = written(tmp_path, "rct", {"method": "lee_bounds", "options": {"strata": "sector", "draws": 200}})
    monkeypatch.setattr(rct, "lee_bounds", refuses)
    with pytest.raises(DesignError) as caught:
        evaluate(read_study(folder))
    assert str(caught.value) == (f"study.yaml: 1 problem\n  line {line_of(folder, 'draws')}, analysis.robustness[0].options"
                                 ".draws: draws must be odd, not 200. Correct the value in the study file.")


def numbers_of(field: Any) -> list[Any]:
    """Values of the right kind for an option: its ends, and what lies between."""
    if field.kind in ("integer", "number"):
        low, high = max(field.low, -50), min(field.high, 400)
        values = [low, high, (low + high) / 2]
        return [int(v) for v in values] if field.kind == "integer" else values
    if field.kind == "choice":
        return list(field.choices)
    if field.kind == "boolean":
        return [True, False]
    return [0.2, 3, "crump", "sturges", "exact"] if field.kind == "value" else []


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_that_the_file_lets_through_is_a_value_error_of_the_estimator(kind):
    """Each option alone at the ends of its kind: read, or run, or refused in the standard form."""
    data = panel() if kind == "did" else cross_section()
    columns = {"rct": {"baseline": "profit_0", "takeup": "offered", "by": "sector"}}.get(kind, {})
    for method, fields in METHODS[kind].items():
        needed = {name: columns.get(name) for name, field in fields.items() if field.essential}
        if any(value is None for value in needed.values()) or method in ("pooled_rounds", "saturation", "quantile_effects"):
            continue
        for name, field in fields.items():
            for value in numbers_of(field):
                options = needed | {name: value}
                if name == "draws" and value > 200:
                    continue
                tree = {
                    "schema": 1, "title": "F", "question": "Q?", "programme": {"name": "P", "country": "K"},
                    "data": {"file": "firms.csv"}, "design": {"kind": kind, **KINDS[kind]},
                    "outcomes": [{"name": "profit", "column": "profit", "label": "Profit", "unit": "USD",
                                  "role": "primary", "better": "higher"}],
                    "analysis": {"primary": {"method": MAIN[kind]}, "seed": 1, "robustness": [
                        {"method": method, "options": options}]}, "brief": {"date": "2026-11-21"}}
                problems = refused(tree, data)
                assert all("options" in p.where or "method" in p.where for p in problems[0]), (method, options)
                assert all(p.where != "options" for p in problems[1]), (method, options, problems[1])


def refused(tree: dict[str, Any], data: Any) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Problems of the file, and of running its second method; anything but an ImpactError fails the test."""
    try:
        study = study_from_mapping(tree, slug="s")
    except StudyError as error:
        return error.problems, ()
    try:
        run_method(load_sample(study, data), study.outcomes[0], study.analysis.robustness[0])
    except ImpactError as error:
        return (), error.problems
    return (), ()


def test_null_takes_away_what_the_study_declares_or_is_refused(tmp_path):
    folder = written(tmp_path, "rct", {"method": "ols", "options": {"covariates": None, "weights": None, "vcov": None}})
    path = folder / "study.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["design"] |= {"covariates": ["size"], "sampling": {"weight": "w"}}
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    study = read_study(folder)
    data = cross_section().assign(size=lambda d: d.index % 7, w=lambda d: 1 + d.index % 2)
    call, sample = study.analysis.robustness[0], load_sample(study, data)
    assert dict(call.options) == {"covariates": None, "weights": None}
    used = arguments(sample, study.outcomes[0], call)
    assert not {"covariates", "weights", "vcov"} & set(used)
    assert arguments(sample, study.outcomes[0], study.analysis.primary)["weights"] == "w"
    tree["design"]["assignment"] = {"rule": "pairs", "strata": "sector"}
    tree["analysis"]["robustness"] = [{"method": "difference_in_means", "options": {"pairs": None}}]
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    with pytest.raises(StudyError, match="made in pairs"):
        read_study(folder)


def test_null_of_what_a_method_needs_is_refused(tmp_path):
    study = read_study(written(tmp_path, "rct", {"method": "post_double_selection", "options": {"covariates": None}}))
    with pytest.raises(ImpactError, match="post_double_selection needs it, and null takes it away"):
        run_method(load_sample(study, cross_section()), study.outcomes[0], study.analysis.robustness[0])


def test_null_takes_the_declared_strata_from_bounds_and_from_nothing_else(tmp_path):
    bounds = {"method": "lee_bounds", "options": {"strata": None, "draws": 99}}
    folder = written(tmp_path, "rct", bounds)
    path = folder / "study.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["design"]["assignment"] = {"rule": "blocked", "strata": "sector"}
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    sample = load_sample(read_study(folder), cross_section())
    call = sample.study.analysis.robustness[0]
    outcome = sample.study.outcomes[0]
    assert "strata" not in arguments(sample, outcome, call)
    assert arguments(sample, outcome, sample.study.analysis.primary)["strata"] == "sector"
    tree["analysis"]["robustness"] = [{"method": "lin", "options": {"strata": None}}]
    tree["design"]["assigned_by"] = "market"
    tree["analysis"]["robustness"].append({"method": "lin", "options": {"cluster": None}})
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    told = " ".join(str(p) for p in caught.value.problems)
    assert "within strata, and null would ignore that" in told
    assert "'market' was assigned whole" in told

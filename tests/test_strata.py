"""Exact, coarsened exact and subclass matching: strata by hand, R MatchIt's numbers, and every unit accounted for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_shared import shared

from impact.errors import DataError, DesignError
from impact.matching.strata import coarsened_exact, exact, subclassification

close = pytest.approx
BASE = {"outcome": "re78", "treatment": "treat"}
SCORE = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
CUT = {"age": [20, 25, 30, 40], "educ": [8, 11, 12], "re74": [0.5, 5000, 10000]}

# R MatchIt 4.7.1, sandwich 3.0.2, stored in shared/reference/cases.json under these ids
CASES = {
    "match_lalonde_exact": (exact, {"covariates": ["race", "married", "nodegree"]}, {
        "estimate": 1309.89721000308, "n_treated": 185, "n_comparison": 429, "ess": 111.52542484458,
        "CR1S": 573.539463676047, "HC1": 810.255200688535, "HC0": 808.934490437003, "married": 0, "nodegree": 0}),
    "match_lalonde_cem": (coarsened_exact, {"covariates": SCORE}, {
        "estimate": 1070.90732642735, "n_treated": 65, "n_comparison": 75, "ess": 41.2898472039091,
        "CR1S": 968.773628320882, "HC1": 1390.34841456494, "HC0": 1380.38163076087, "age": 0.0492750737662607,
        "educ": 0.0446341125005115, "re74": -0.0426778330704864, "re75": -0.0492044013643685}),
    "match_lalonde_cem_cut": (coarsened_exact, {"covariates": ["age", "educ", "re74", "race"], "bins": CUT}, {
        "estimate": 1014.23938395177, "n_treated": 135, "n_comparison": 160, "ess": 39.6121489437949,
        "CR1S": 945.808291838428, "HC1": 963.853591728927, "HC0": 960.580734768728, "age": -0.0483285803776662,
        "educ": -0.0104861794587109, "re74": 0.0487242096000116}),
    "match_lalonde_subclass6": (subclassification, {"covariates": SCORE, "classes": 6}, {
        "estimate": 1359.48753303059, "n_treated": 185, "n_comparison": 429, "ess": 66.4855076891667,
        "CR1S": 701.433506063397, "HC1": 828.823014455678, "HC0": 827.472038798913, "age": -0.0609309513805461,
        "educ": 0.0323420702111291, "married": -0.135754661382608, "nodegree": 0.0213742481670925,
        "re74": -0.146597926399443, "re75": -0.0939674198723197}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_of_matchit_are_made_again(case):
    method, options, values = CASES[case]
    data = shared("lalonde")
    e = method(data, **BASE, **options)
    assert e.estimate == close(values["estimate"], rel=1e-6)
    assert (e.n_treated, e.n_comparison) == (values["n_treated"], values["n_comparison"])
    assert e.matched.effective_size(0) == close(values["ess"], rel=1e-6)
    for vcov in ("CR1S", "HC1", "HC0"):
        assert method(data, **BASE, **options, vcov=vcov).std_error == close(values[vcov], rel=1e-6)
    used = e.matched.data()
    one, weight = used["treat"] == 1, used["matching_weight"]
    for name in [v for v in values if v in data]:
        gap = np.average(used.loc[one, name], weights=weight[one]) - np.average(used.loc[~one, name], weights=weight[~one])
        assert gap / data.loc[data["treat"] == 1, name].std() == close(values[name], rel=1e-6, abs=1e-9)


def firms() -> pd.DataFrame:
    """Town a: treated 10, 12, others 8, 9, 10; town b: treated 20, other 15; town c: treated only; town d: others only."""
    return pd.DataFrame({"town": [*"aaaaa", *"bb", "c", "d"], "d": [1, 1, 0, 0, 0, 1, 0, 1, 0],
                         "y": [10, 12, 8, 9, 10, 20, 15, 99, -99], "size": [1, 2, 1, 2, 3, 8, 9, 20, 30]})


CALL = {"outcome": "y", "treatment": "d"}


def test_strata_by_hand():
    # gaps 11 − 9 = 2 in a and 20 − 15 = 5 in b; treated 2 and 1, others 3 and 1, all 5 and 2
    gaps = {"att": (2 * 2 + 5) / 3, "atc": (3 * 2 + 5) / 4, "ate": (5 * 2 + 2 * 5) / 7}
    for estimand, value in gaps.items():
        e = exact(firms(), **CALL, covariates=["town"], estimand=estimand)
        assert e.estimate == close(value)
        lost = {"att": (8,), "atc": (9,), "ate": (8, 9)}[estimand]
        assert [d.rows for d in e.dropped if d.reason == "no_match"] == [lost]
        assert e.has_caveat(f"{estimand}_of_matched")
        assert e.n == 7
        assert e.n + sum(d.n_rows for d in e.dropped) == 9
    att = exact(firms(), **CALL, covariates=["town"])
    assert att.matched.weights == close([1, 1, 2 / 3, 2 / 3, 2 / 3, 1, 1, 0, 0])
    assert att.matched.sets.tolist() == [0, 0, 0, 0, 0, 1, 1, -1, -1]
    assert [(d.reason, d.rows) for d in att.matched.outside] == [("no_counterpart_in_stratum", (8,))]
    assert "(3 of 4)" in att.question
    assert att.question.startswith("the average effect on those who took part and have a counterpart")


def test_exact_matching_is_the_saturated_regression_weighted_by_the_treated():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": rng.integers(0, 4, 200), "h": rng.integers(0, 2, 200), "y": rng.normal(size=200)})
    data["d"] = (rng.uniform(size=200) < 0.2 + 0.1 * data["g"]).astype(int)
    cells = data.groupby(["g", "h", "d"])["y"].mean().unstack()
    share = data[data["d"] == 1].groupby(["g", "h"]).size()
    e = exact(data, **CALL, covariates=["g", "h"])
    assert e.estimate == close(float(((cells[1] - cells[0]) * share).sum() / share.sum()))
    assert e.df == len(cells) - 1


def test_a_cut_point_belongs_above_and_bins_are_told():
    data = firms().drop(index=[7, 8])
    e = coarsened_exact(data, **CALL, covariates=["size"], bins={"size": [2.5, 8]})
    # bins: below 2.5 (1, 2, 1, 2), 2.5 to 8 (3), from 8 on (8, 9)
    assert e.matched.sets.tolist() == [0, 0, 0, 0, -1, 1, 1]
    assert dict(e.details)["bins size"] == (2.5, 8.0)
    equal = coarsened_exact(data, **CALL, covariates=["size"], bins=2)  # halves of 1 to 9: cut at 5
    assert equal.matched.sets.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert coarsened_exact(data, **CALL, covariates=["size"], bins={"size": [5]}).estimate == close(equal.estimate)
    text = coarsened_exact(data, **CALL, covariates=["town", "size"], bins=2)
    assert dict(text.details)["bins town"] == "exact"


def test_exact_bins_are_exact_matching():
    data = shared("lalonde")
    names = ["race", "married", "nodegree"]
    assert coarsened_exact(data, **BASE, covariates=names, bins="exact").estimate == close(
        exact(data, **BASE, covariates=names).estimate)


def test_classes_are_cut_at_quantiles_of_those_the_question_is_about():
    data = shared("lalonde")
    for estimand, arm in (("att", 1), ("atc", 0)):
        e = subclassification(data, **BASE, covariates=SCORE, estimand=estimand, classes=5)
        sizes = pd.Series(e.matched.sets[e.matched.treated == arm]).value_counts()
        assert sizes.max() - sizes.min() <= 4  # equal scores stay together
    assert e.estimand == "atc"
    assert subclassification(data, **BASE, covariates=SCORE, estimand="ate").n == 614


def test_a_class_without_both_arms_is_left_out_and_said():
    rng = np.random.default_rng(2)
    x = np.r_[rng.normal(0, 1, 300), rng.normal(2.5, 1, 60)]
    data = pd.DataFrame({"x": x, "d": np.r_[np.zeros(300), np.ones(60)], "y": x + rng.normal(size=360)})
    e = subclassification(data, **CALL, covariates=["x"], classes=20)
    assert e.n_treated < 60
    assert e.has_caveat("att_of_matched")
    assert e.n + sum(d.n_rows for d in e.dropped) == 360


@given(seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_row_order_labels_and_units_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": rng.integers(0, 3, 60), "x": rng.normal(size=60), "d": np.arange(60) % 2,
                         "y": rng.normal(size=60)})
    shuffled = data.sample(frac=1, random_state=seed).assign(g=lambda t: t["g"].map({0: "x9", 1: "b", 2: "a"}))
    for method, options in ((exact, {"covariates": ["g"]}), (coarsened_exact, {"covariates": ["g", "x"], "bins": {"x": 4}}),
                            (subclassification, {"covariates": ["x"], "classes": 4})):
        e, again = method(data, **CALL, **options), method(shuffled, **CALL, **options)
        assert (again.estimate, again.std_error) == (close(e.estimate), close(e.std_error))
        scaled = method(data.assign(y=1000 * data["y"] + 5), **CALL, **options)
        assert (scaled.estimate, scaled.std_error) == (close(1000 * e.estimate), close(1000 * e.std_error))


def test_few_strata_are_said():
    e = exact(firms(), **CALL, covariates=["town"])
    assert (e.n_clusters, e.df) == (2, 1)
    assert e.has_caveat("few_clusters")
    one = exact(firms().loc[:4], **CALL, covariates=["town"])
    assert one.std_error is None
    assert "one matched set" in dict(one.reasons)["std_error"]


def test_missing_values_and_losses_are_counted_once():
    data = firms().assign(y=lambda t: t["y"].where(t.index != 2), town=lambda t: t["town"].where(t.index != 3))
    e = exact(data, **CALL, covariates=["town"])
    assert [(d.reason, d.rows) for d in e.dropped] == [
        ("outcome_missing", (3,)), ("covariate_missing", (4,)), ("no_match", (8,)), ("not_chosen", (9,))]


def test_balance_can_be_asked_of_the_sample():
    e = coarsened_exact(shared("lalonde"), **BASE, covariates=SCORE)
    found = e.matched.balance()
    smd = {r.covariate: r.after.smd for r in found.rows}
    assert smd["age"] == close(0.0492750737662607, rel=1e-6)


def test_mistakes_are_named():
    data = firms()
    with pytest.raises(DesignError, match="none of the 9 strata has units of both arms"):
        exact(data.assign(id=range(9)), **CALL, covariates=["id"])
    with pytest.raises(DesignError, match="nothing to match on"):
        exact(data, **CALL, covariates=[])
    with pytest.raises(DataError, match="outcome and a covariate too"):
        exact(data, **CALL, covariates=["y"])
    with pytest.raises(DataError, match="'sise' is not one of the covariates"):
        coarsened_exact(data, **CALL, covariates=["size"], bins={"sise": 3})
    with pytest.raises(DataError, match=r"column 'town': it holds text"):
        coarsened_exact(data, **CALL, covariates=["town"], bins={"town": 3})
    mixed = data.assign(size=["1", "2", "about 3", "4", "5", "6", "7", "8", "9"])
    with pytest.raises(DataError, match=r"column 'size': it holds text, not numbers .*row 3"):
        coarsened_exact(mixed, **CALL, covariates=["size"])
    for bins in (1, True, 2.5, "scott", [3, 2], [], [1, float("nan")]):
        with pytest.raises(ValueError, match="bins of size"):
            coarsened_exact(data, **CALL, covariates=["size"], bins={"size": bins})
    for wrong in ({"estimand": "late"}, {"vcov": "HC9"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            exact(data, **CALL, covariates=["town"], **wrong)
    with pytest.raises(ValueError, match="classes"):
        subclassification(data, **CALL, covariates=["size"], classes=1)

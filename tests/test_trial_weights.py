"""Sampling weights in trials: weighted means, their errors, weighted trimming and weighted chances of being found.

Numbers by hand stand beside their arithmetic. The R numbers: R 4.2.2, clubSandwich 0.5.8, ``vcovCR(lm(y ~ d, weights = w),
g, "CR2")`` and ``coef_test(..., "Satterthwaite")`` on the table of :func:`markets`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from impact import rct
from impact.errors import DataError
from impact.evaluation import evaluate
from impact.study import study_from_mapping

R_CLUSTERED = (0.9509166666666673, 0.2855469778490478, 14.1121293066867111)
R_ROWS = (0.9509166666666673, 0.2166488367052151, 78.0801720541566198)
TINY = pd.DataFrame({"y": [1.0, 3, 8, 2, 4], "d": [1, 1, 1, 0, 0], "w": [1.0, 2, 1, 3, 1]})


def markets(seed: int = 3, n: int = 120) -> pd.DataFrame:
    """Firms in 24 markets, drawn by market; weights of 1, 2 and 3, some outcomes missing."""
    k = np.arange(n)
    g = k % 24
    rng = np.random.default_rng(seed)
    d = (g % 2 == 0).astype(int)
    x = rng.normal(size=n).round(3)
    y = (2 + d + 0.5 * x + rng.normal(size=n) + 0.3 * (g % 5)).round(3)
    frame = pd.DataFrame({"id": k, "g": g, "d": d, "x": x, "z": (k % 7 < 3).astype(int), "s": (g // 2) % 2, "y": y,
                          "w": 1.0 + k % 3, "y0": (y - rng.normal(size=n)).round(3)})
    frame["found"] = frame.y.where((k * 7) % 11 > 1 + frame.d)
    return frame


CALLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "difference": (rct.difference_in_means, {"outcome": "y"}),
    "blocked": (rct.difference_in_means, {"outcome": "y", "strata": "s"}),
    "clustered": (rct.difference_in_means, {"outcome": "y", "cluster": "g"}),
    "blocks of clusters": (rct.difference_in_means, {"outcome": "y", "strata": "s", "cluster": "g"}),
    "logs": (rct.difference_in_means, {"outcome": "e", "transform": "log"}),
    "double selection": (rct.post_double_selection, {"outcome": "y", "covariates": ["x", "z", "y0"]}),
    "attrition": (rct.attrition_weighted, {"outcome": "found", "predictors": ["x", "z"]}),
    "attrition, covariates": (rct.attrition_weighted, {"outcome": "found", "predictors": ["z"], "covariates": ["x"]}),
    "lee": (rct.lee_bounds, {"outcome": "found", "draws": 99}),
    "lee, cells": (rct.lee_bounds, {"outcome": "found", "tighten": ["z"], "strata": "s", "draws": 99}),
    "manski": (rct.manski_bounds, {"outcome": "found", "low": -10.0, "high": 20.0, "draws": 99}),
}


def rows(name: str, data: pd.DataFrame, **more: Any) -> list[Any]:
    function, options = CALLS[name]
    out = function(data.assign(e=np.exp(data.y / 4)), treatment="d", **options, **more)
    return list(getattr(out, "rows", (out,)))


@pytest.mark.parametrize("name", CALLS)
def test_whole_weights_are_rows_repeated(name):
    data = markets()
    again = data.loc[data.index.repeat(data.w.astype(int))].reset_index(drop=True)
    found, repeated = rows(name, data, weights="w"), rows(name, again)
    assert [e.estimate for e in found] == pytest.approx([e.estimate for e in repeated], rel=1e-9)
    assert found[0].n < repeated[0].n
    if found[0].comparison_mean is not None:
        assert found[0].comparison_mean == pytest.approx(repeated[0].comparison_mean, rel=1e-9)
    plain = rows(name, data)
    assert abs(found[0].estimate - plain[0].estimate) > 1e-4  # the weights matter here


@pytest.mark.parametrize("name", CALLS)
def test_the_scale_of_weights_is_nothing(name):
    data = markets()
    for one, other in zip(rows(name, data, weights="w"), rows(name, data.assign(w=data.w * 1e4), weights="w"), strict=True):
        for key in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "comparison_mean"):
            if getattr(one, key) is None:
                assert getattr(other, key) is None
            else:
                assert getattr(one, key) == pytest.approx(getattr(other, key), rel=1e-8), key


@pytest.mark.parametrize("name", CALLS)
def test_equal_weights_are_no_weights(name):
    """Point estimates; also errors, but for the blocked and plain mean, whose errors are Welch's and Neyman's by name."""
    data = markets().assign(w=2.5)
    found, plain = rows(name, data, weights="w"), rows(name, data)
    assert [e.estimate for e in found] == pytest.approx([e.estimate for e in plain], rel=1e-9)
    assert [e.std_error for e in found] == pytest.approx([e.std_error for e in plain], rel=1e-7)


@pytest.mark.parametrize("name", CALLS)
def test_rows_without_weight_are_told_and_weights_below_zero_refused(name):
    data = markets()
    data.loc[0, "w"], data.loc[1, "w"] = 0.0, np.nan
    found = rows(name, data, weights="w")[0]
    assert {"weight_zero", "weight_missing"} <= {loss.reason for loss in found.dropped}
    with pytest.raises(DataError, match="w"):
        rows(name, markets().assign(w=-1.0), weights="w")


def test_difference_by_hand():
    """Offered (1·1 + 2·3 + 1·8)/4 = 3.75; others (3·2 + 1·4)/4 = 2.5.

    HC2 at the identity working model: (w·e/W)²/(1 − 2w/W + Σw²/W²), with Σw²/W² of 6/16 and 10/16:
    0.47265625/0.875 + 0.140625/0.375 + 1.12890625/0.875 + 0.140625/0.125 + 0.140625/1.125 = 3.455357142857.
    """
    e = rct.difference_in_means(TINY, outcome="y", treatment="d", weights="w")
    assert e.estimate == pytest.approx(1.25, abs=1e-12)
    assert e.comparison_mean == pytest.approx(2.5, abs=1e-12)
    assert e.std_error == pytest.approx(math.sqrt(3.455357142857143), rel=1e-12)
    same = rct.ols(TINY, outcome="y", treatment="d", weights="w")
    assert (e.std_error, e.estimate) == pytest.approx((same.std_error, same.estimate), rel=1e-12)
    assert e.p_value == pytest.approx(same.p_value, rel=1e-12)  # three units a side: both come from drawing again
    assert e.df is same.df is None


def test_pairs_and_blocks_count_by_their_weight():
    """Pair differences 4 and 1 with weights 1 + 3 and 2 + 2: (4·4 + 4·1)/8 = 2.5; with 1 + 3 and 1 + 1: (16 + 2)/6 = 3."""
    data = pd.DataFrame({"y": [5.0, 1, 3, 2], "d": [1, 0, 1, 0], "pair": [1, 1, 2, 2], "w": [1.0, 3, 2, 2]})
    call = {"outcome": "y", "treatment": "d", "strata": "pair", "pairs": True, "weights": "w"}
    assert rct.difference_in_means(data, **call).estimate == pytest.approx(2.5)
    assert rct.difference_in_means(data.assign(w=[1.0, 3, 1, 1]), **call).estimate == pytest.approx(3.0)
    firms = markets()
    parts = [rct.difference_in_means(firms[firms.s == s], outcome="y", treatment="d", weights="w") for s in (0, 1)]
    share = np.array([firms.w[firms.s == s].sum() for s in (0, 1)]) / firms.w.sum()
    whole = rct.difference_in_means(firms, outcome="y", treatment="d", strata="s", weights="w")
    assert whole.estimate == pytest.approx(share @ [p.estimate for p in parts], rel=1e-12)
    assert whole.std_error == pytest.approx(math.sqrt(share**2 @ [p.std_error**2 for p in parts]), rel=1e-12)
    assert whole.df == len(firms) - 4


def test_lee_trims_a_share_of_the_weight():
    """All offered found, 4/5 of the others' weight: a fifth of the offered's weight of 5, so 1, is trimmed.

    From the top the unit of 4 (weight 2) keeps 1: (1 + 2 + 3 + 4)/4 − 1 = 1.5; from the bottom the unit of 1 goes:
    (2 + 3 + 2·4)/4 − 1 = 2.25. The others found are 0 and 2 with weights 2 and 2.
    """
    data = pd.DataFrame({"y": [1.0, 2, 3, 4, 0, 2, np.nan], "d": [1, 1, 1, 1, 0, 0, 0], "w": [1.0, 1, 1, 2, 2, 2, 1]})
    lower, upper = rct.lee_bounds(data, outcome="y", treatment="d", weights="w", draws=50)
    assert (lower.estimate, upper.estimate) == pytest.approx((1.5, 2.25))
    told = dict(lower.details)
    assert (told["share_found_treated"], told["share_found_comparison"], told["trim_share"]) == pytest.approx((1, 0.8, 0.2))


def test_manski_fills_in_by_weight():
    """The one not found carries 1 of 5: others between (2·0 + 2·2 + 1·0)/5 and (… + 1·10)/5; offered 14/5."""
    data = pd.DataFrame({"y": [1.0, 2, 3, 4, 0, 2, np.nan], "d": [1, 1, 1, 1, 0, 0, 0], "w": [1.0, 1, 1, 2, 2, 2, 1]})
    lower, upper = rct.manski_bounds(data, outcome="y", treatment="d", weights="w", low=0, high=10, draws=50)
    assert (lower.estimate, upper.estimate) == pytest.approx((14 / 5 - 14 / 5, 14 / 5 - 4 / 5))


def test_those_found_stand_in_by_weight():
    """With predictors that form cells, arm means are the cells' weighted means by the cell's weight in the draw."""
    data = markets()
    means = {}
    for arm in (0, 1):
        side = data[data.d == arm]
        cells = [(c.w.sum(), np.average(c.found.dropna(), weights=c.w[c.found.notna()])) for _, c in side.groupby("z")]
        means[arm] = sum(w * m for w, m in cells) / sum(w for w, _ in cells)
    e = rct.attrition_weighted(data, outcome="found", treatment="d", predictors=["z"], weights="w")
    assert e.estimate == pytest.approx(means[1] - means[0], rel=1e-9)
    shares = [np.average(data.found[data.d == a].notna(), weights=data.w[data.d == a]) for a in (1, 0)]
    assert [dict(e.details)[f"share_found_{side}"] for side in ("treated", "comparison")] == pytest.approx(shares)


def test_the_errors_of_those_standing_in_solve_the_stacked_equations():
    """Sandwich by numeric derivatives of all equations together, weights in each."""
    data = markets()
    e = rct.attrition_weighted(data, outcome="found", treatment="d", predictors=["x"], weights="w")
    w, d, x = (data[c].to_numpy(dtype=float) for c in ("w", "d", "x"))
    got, y = data.found.notna().to_numpy(dtype=float), data.found.fillna(0).to_numpy()

    def scores(theta):
        parts = []
        chance = np.ones(len(w))
        for arm, (a, b) in ((1, theta[:2]), (0, theta[2:4])):
            p = 1 / (1 + np.exp(-(a + b * x)))
            chance = np.where(d == arm, p, chance)
            parts += [(d == arm) * w * (got - p), (d == arm) * w * (got - p) * x]
        rest = got * w / chance * (y - theta[4] - theta[5] * d)
        return np.column_stack([*parts, rest, rest * d])

    from scipy.optimize import root

    theta = root(lambda t: scores(t).sum(axis=0), np.array([1.0, 0, 1, 0, 2, 1]), tol=1e-13).x
    step = 1e-6
    slope = np.column_stack([(scores(theta + step * np.eye(6)[j]).sum(axis=0) - scores(theta - step * np.eye(6)[j]).sum(
        axis=0)) / (2 * step) for j in range(6)])
    inverse = np.linalg.inv(slope)
    sandwich = inverse @ scores(theta).T @ scores(theta) @ inverse.T
    assert e.estimate == pytest.approx(theta[5], rel=1e-8)
    assert e.std_error == pytest.approx(math.sqrt(sandwich[5, 5]), rel=1e-6)


def test_clustered_difference_against_r():
    e = rct.difference_in_means(markets(), outcome="y", treatment="d", weights="w", cluster="g")
    assert (e.estimate, e.std_error, e.df) == pytest.approx(R_CLUSTERED, rel=1e-9)
    e = rct.difference_in_means(markets(), outcome="y", treatment="d", weights="w")
    assert (e.estimate, e.std_error, e.df) == pytest.approx(R_ROWS, rel=1e-9)


def test_weights_of_both_lassos_are_those_of_rows_scaled():
    """Chosen with weights, as by least squares on rows times the root of their weight; then the weighted regression."""
    data = markets()
    e = rct.post_double_selection(data, outcome="y", treatment="d", covariates=["x", "z", "y0"], weights="w")
    chosen = sorted({*dict(e.details)["selected_by_outcome"], *dict(e.details)["selected_by_treatment"]})
    assert chosen
    same = rct.ols(data, outcome="y", treatment="d", covariates=chosen, weights="w")
    assert (e.estimate, e.std_error) == pytest.approx((same.estimate, same.std_error), rel=1e-9)


def study(method: str, options: dict[str, Any] | None = None, weight: str | None = "w", outcome: str = "found") -> Any:
    return study_from_mapping({
        "schema": 1, "title": "Firms", "question": "What came of it?", "programme": {"name": "P", "country": "Kenya"},
        "data": {"file": "firms.csv", "simulated": True},
        "design": {"kind": "rct", "estimand": "itt", "unit": "id", "treatment": "d", "assigned_by": "id",
                   "covariates": ["x"], "sampling": {"weight": weight} if weight else None},
        "outcomes": [{"name": "profit", "column": outcome, "label": "Profit", "unit": "USD", "role": "primary",
                      "better": "higher"}],
        "analysis": {"primary": {"method": method} | ({"options": options} if options else {}), "seed": 1},
        "brief": {"date": "2026-11-21"}}, slug="firms")


@pytest.mark.parametrize(("method", "options"), [
    ("difference_in_means", {}), ("post_double_selection", {}), ("attrition_weighted", {"predictors": ["z"]})])
def test_declared_sampling_weights_reach_the_method_and_its_bounds(method, options):
    data = markets()
    found = evaluate(study(method, options), data)
    assert not {c.code for e in found.estimates for c in e.caveats} & {"unweighted"}
    function = getattr(rct, method)
    more = {"covariates": ["x"]} if method != "difference_in_means" else {}
    same = function(data, outcome="found", treatment="d", weights="w", **more, **options)
    assert found.estimates[0].estimate == pytest.approx(same.estimate, rel=1e-12)
    if method == "difference_in_means":
        bounds = [e for e in found.estimates if e.role == "bounds"]
        assert [e.estimate for e in bounds] == pytest.approx([e.estimate for e in rct.lee_bounds(
            data, outcome="found", treatment="d", weights="w", draws=9)])


def test_methods_that_cannot_weigh_still_say_so():
    found = evaluate(study("rank_test"), markets())
    assert "unweighted" in {c.code for c in found.estimates[0].caveats}

"""Two periods with covariates: by hand, against R DRDID and its Python ports, and what must hold by construction."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support_shared import minimum_wages

from impact.did.doubly_robust import METHODS, NotEstimableError, cross_section_effect, group_means, panel_effect
from impact.did.two_periods import two_by_two
from impact.errors import DataError, DesignError
from impact.inference.linear import least_squares

close = pytest.approx
HERE = Path(__file__).parent
CASES = json.loads((HERE / "reference" / "group_time.json").read_text())["cases"]
NAMES = {"outcome": "y", "unit": "firm", "time": "t", "first_treated": "first"}


def sample(n: int = 80):
    """Numbers from evenly spread sequences, the same on any machine: covariates, arm, outcomes, weights, period."""
    i = np.arange(1, n + 1)

    def spread(k: int) -> np.ndarray:
        return np.modf(i * np.sqrt(k))[0]

    x = np.column_stack([np.sin(9 * spread(2)), spread(3)])
    d = (spread(5) < 0.3 + 0.15 * x[:, 0] + 0.2 * x[:, 1]).astype(float)
    before = 2 + x[:, 0] + 0.5 * x[:, 1] + spread(7)
    later = before + 1 + 0.8 * x[:, 0] - 0.6 * x[:, 1] * x[:, 0] + 0.7 * d + spread(11)
    after = (spread(17) < 0.5).astype(float)
    return x, d, before, later, after, 1 + spread(13)


# Python drdid (the kernel of csdid 0.4.3), and for dr_improved moderndid 0.2.0, on sample(): estimate, standard error
PANEL = {"reg": (0.6607942479076234, 0.0739099482171817), "ipw": (0.7375887745960754, 0.07264811914410094),
         "dr": (0.6666257185401022, 0.07159464485248943), "dr_improved": (0.66431418886935, 0.07220902978198651)}
ROWS = {"reg": (0.9729708128661949, 0.3407970219402585), "ipw": (1.4033625018800624, 0.3927806537796234),
        "dr": (0.7380622527623066, 0.1740487270008451), "dr_improved": (0.698676121679845, 0.14661714786038904)}


@pytest.mark.parametrize("method", METHODS)
def test_the_python_ports_of_drdid(method):
    x, d, before, later, after, w = sample()
    e = panel_effect(later - before, d, x, w, method=method)
    # their logit and tilting stop at about 1e-8
    assert (e.estimate, np.sqrt((e.influence**2).sum())) == close(PANEL[method], rel=1e-7)
    e = cross_section_effect(np.where(after == 1, later, before), after, d, x, w, method=method)
    assert (e.estimate, np.sqrt((e.influence**2).sum())) == close(ROWS[method], rel=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_without_variation_in_covariates_all_are_differences_of_means(method):
    _, d, before, later, after, w = sample()
    nothing = np.ones((len(d), 1))
    change = later - before
    want, parts = group_means([(1.0, change[d == 1], w[d == 1]), (-1.0, change[d == 0], w[d == 0])])
    e = panel_effect(change, d, nothing, w, method=method)
    assert e.estimate == close(want)
    assert (e.influence**2).sum() == close(sum((p**2).sum() for p in parts))
    y = np.where(after == 1, later, before)
    groups = [(1.0 if a == t else -1.0, (d == a) & (after == t)) for a in (1, 0) for t in (1, 0)]
    want, parts = group_means([(sign, y[m], w[m]) for sign, m in groups])
    e = cross_section_effect(y, after, d, nothing, w, method=method)
    assert e.estimate == close(want)
    assert (e.influence**2).sum() == close(sum((p**2).sum() for p in parts))


def test_one_yes_no_covariate_by_hand():
    # x = 0: treated 5 7, others 1 3; x = 1: treated 10, others 4 6 8. Stratum effects 4 and 4; the treated are two and one
    change = np.array([5.0, 7, 10, 1, 3, 4, 6, 8])
    d = np.array([1.0, 1, 1, 0, 0, 0, 0, 0])
    x = np.array([[0.0], [0], [1], [0], [0], [1], [1], [1]])
    for method in METHODS:  # with a full set of strata all four weigh the strata alike
        e = panel_effect(change, d, x, method=method)
        assert e.estimate == close((2 * 4 + 1 * 4) / 3), method
        assert e.influence.sum() == close(0.0, abs=1e-12)
    assert panel_effect(change, d, x, method="ipw").estimate == close(22 / 3 - (2 * 2 + 1 * 6) / 3)


def test_the_influence_is_the_derivative_of_the_estimate():
    # weight one row a little more: the estimate moves by that row's influence
    x, d, before, later, after, w = sample()
    y = np.where(after == 1, later, before)
    step = 1e-5
    for method in ("reg", "ipw", "dr"):
        for kernel in (lambda v, m=method: panel_effect(later - before, d, x, v, method=m),
                       lambda v, m=method: cross_section_effect(y, after, d, x, v, method=m)):
            e = kernel(w)
            for row in (0, 5, 11, 30):
                up, down = w.copy(), w.copy()
                up[row] *= 1 + step
                down[row] *= 1 - step
                slope = (kernel(up).estimate - kernel(down).estimate) / (2 * step)
                assert slope == close(e.influence[row], rel=1e-5, abs=1e-8), (method, row)


def test_improved_weights_balance_the_covariates():
    # with tilted odds the comparison's weighted covariate means are those of the treated, so outcomes linear in them cancel
    x, d, *_, w = sample()
    linear = 3 + x @ np.array([1.5, -2.0])
    e = panel_effect(linear + 0.25 * d, d, x, w, method="dr_improved")
    assert e.estimate == close(0.25)
    assert np.abs(e.influence).max() < 1e-9


def test_regression_is_prediction_from_the_comparison():
    x, d, before, later, *_ = sample()
    change = later - before
    design = np.column_stack([np.ones(len(d)), x])
    fit = least_squares(design[d == 0], change[d == 0], ["a", "b", "c"])
    want = (change - design @ fit.coefficients)[d == 1].mean()
    assert panel_effect(change, d, x, method="reg").estimate == close(want)


@pytest.mark.parametrize("method", METHODS)
def test_what_may_not_change_the_numbers(method):
    x, d, before, later, after, w = sample()
    change, y = later - before, np.where(after == 1, later, before)
    one, two = panel_effect(change, d, x, w, method=method), cross_section_effect(y, after, d, x, w, method=method)
    other = np.column_stack([1e6 * x[:, 0] + 3e4 * x[:, 1] + 5, x[:, 1], x[:, 0] + x[:, 1]])  # same span
    for e, again in ((one, panel_effect(change + 7, d, other, 3 * w, method=method)),
                     (two, cross_section_effect(y + 7, after, d, other, 3 * w, method=method))):
        assert again.estimate == close(e.estimate, rel=1e-8)
        assert again.influence == close(e.influence, rel=1e-6, abs=1e-9)


def test_no_overlap_is_refused():
    x, d, before, later, *_ = sample()
    apart = np.column_stack([x, d * 40 + x[:, 0]])
    for method in ("ipw", "dr", "dr_improved"):
        with pytest.raises(NotEstimableError, match="overlap"):
            panel_effect(later - before, d, apart, method=method)
    # treated beyond every comparison unit in one covariate: no weights can balance it
    i = np.arange(60)
    arm = (i % 3 == 0).astype(float)
    size = np.where(arm == 1, 1.6 + 0.3 * np.sin(i), 0.5 + 1.0 * ((i * 7) % 13) / 13)
    with pytest.raises(NotEstimableError):
        panel_effect(np.sin(i), arm, size[:, None], method="dr_improved")
    few = np.column_stack([np.sin(k * np.arange(8.0)) for k in (1, 2, 3)])
    with pytest.raises(NotEstimableError, match="too few"):
        panel_effect(np.arange(8.0), np.array([1.0, 1, 1, 1, 1, 0, 0, 0]), few, method="reg")
    with pytest.raises(ValueError, match="method"):
        panel_effect(np.arange(8.0), np.array([1.0] * 4 + [0.0] * 4), few, method="ols")


def test_those_almost_surely_treated_are_trimmed_and_counted():
    # x = 1: 997 treated and 3 others, a chance of 0.997 between 0.995 and 0.999; x = 0: 50 and 50
    x = np.repeat([1.0, 1, 0, 0], [997, 3, 50, 50])
    d = np.repeat([1.0, 0, 1, 0], [997, 3, 50, 50])
    change = np.repeat([2.0, 100, 2, 1], [997, 3, 50, 50]) + np.tile([-0.5, 0.5], 550)
    e = panel_effect(change, d, x[:, None], method="ipw")
    assert e.trimmed == 3
    assert e.estimate == close(change[d == 1].mean() - change[(d == 0) & (x == 0)].mean())
    assert panel_effect(change, d, x[:, None], method="reg").trimmed == 0


def two_years(n: int = 80) -> pd.DataFrame:
    x, d, before, later, _, w = sample(n)
    frame = pd.DataFrame({"firm": np.tile(np.arange(n), 2), "t": np.repeat([1, 2], n), "first": np.tile(
        np.where(d == 1, 2.0, np.nan), 2), "y": np.concatenate([before, later]), "w": np.tile(w, 2)})
    return frame.assign(size=np.concatenate([x[:, 0], x[:, 0] + 5]), age=np.tile(x[:, 1], 2), village=frame["firm"] // 4)


@pytest.mark.parametrize("method", METHODS)
def test_two_by_two_with_covariates(method):
    # size moves after treatment; a panel takes it from before
    e = two_by_two(two_years(), **NAMES, covariates=["size", "age"], weights="w", method=method)
    assert (e.estimate, e.std_error) == close(PANEL[method], rel=1e-7)
    assert (e.df, e.n, e.n_units) == (None, 160, 80)
    assert "DRDID::" in e.se_card.r_call
    assert "same covariates" in e.assumptions[0]


@pytest.mark.parametrize("method", METHODS)
def test_two_by_two_of_different_units(method):
    x, d, before, later, after, w = sample()
    data = pd.DataFrame({"t": 1 + after, "first": np.where(d == 1, 2.0, np.nan), "y": np.where(after == 1, later, before),
                         "size": x[:, 0], "age": x[:, 1], "w": w})
    names = {k: v for k, v in NAMES.items() if k != "unit"}
    e = two_by_two(data, **names, panel=False, covariates=["size", "age"], weights="w", method=method)
    assert (e.estimate, e.std_error) == close(ROWS[method], rel=1e-7)
    assert e.n_units is None


@pytest.mark.parametrize("case", ["did_mpdta_cs_reg_never", "did_mpdta_cs_ipw_never", "did_mpdta_cs_dr_never"])
def test_r_drdid_cell_by_cell(case):
    data = minimum_wages().rename(columns={"g": "first"})
    for g, t, estimate, error in CASES[case]["cells"]:
        if t < g:
            continue
        cell = data[data["first"].isna() | (data["first"] == g)]
        cell = cell.assign(first=cell["first"].where(cell["first"].isna(), t))
        e = two_by_two(cell, outcome="lemp", unit="countyreal", time="year", first_treated="first", periods=[g - 1, t],
                       covariates=["lpop"], method=CASES[case]["method"])
        assert (e.estimate, e.std_error) == close((estimate, error), rel=1e-6)


def test_different_units_without_covariates_are_four_cells():
    data = two_years().drop(columns="firm").sample(frac=0.7, random_state=4)
    names = {k: v for k, v in NAMES.items() if k != "unit"}
    e = two_by_two(data, **names, panel=False)
    groups = [data.loc[(data["first"].notna() == arm) & (data["t"] == t), "y"] for arm in (True, False) for t in (2, 1)]
    m = [g.mean() for g in groups]
    assert e.estimate == close(m[0] - m[1] - m[2] + m[3])
    assert e.std_error == close(math.sqrt(sum(g.var() / len(g) for g in groups)))  # HC2 of saturated cells is Neyman's
    assert (e.vcov, e.n) == ("HC2", len(data))
    clustered = two_by_two(data, **names, panel=False, cluster="village")
    assert clustered.vcov == "CR2"
    assert clustered.estimate == close(e.estimate)
    assert clustered.df < e.df


def test_rows_of_one_unit_share_an_error():
    data = two_years()
    e = two_by_two(data, **NAMES, panel=False, covariates=["age"], method="reg")
    assert e.se_card.level == "firm"
    assert e.n_clusters == 80
    # with a constant only, summing rows by firm gives back the error of the changes
    pooled = two_by_two(data.assign(one=1.0), **NAMES, panel=False, covariates=["one"], method="reg")
    paired = two_by_two(data.assign(one=1.0), **NAMES, covariates=["one"], method="reg")
    assert (pooled.estimate, pooled.std_error) == close((paired.estimate, paired.std_error))


def test_clusters_sum_the_influence():
    data = two_years()
    x, d, before, later, *_ = sample()
    influence = panel_effect(later - before, d, x[:, [1]], method="dr").influence
    e = two_by_two(data, **NAMES, covariates=["age"], method="dr", cluster="village")
    assert e.std_error == close(math.sqrt((np.bincount(np.arange(80) // 4, weights=influence) ** 2).sum()))


def test_weights_without_covariates():
    data = two_years()
    e = two_by_two(data, **NAMES, weights="w")
    _, d, before, later, _, w = sample()
    change = later - before
    means = [np.average(change[d == arm], weights=w[d == arm]) for arm in (1, 0)]
    assert e.estimate == close(means[0] - means[1])
    names = {k: v for k, v in NAMES.items() if k != "unit"}
    rows = two_by_two(data.drop(columns="firm"), **names, weights="w", panel=False)
    assert rows.estimate == close(e.estimate)


def test_two_by_two_refuses():
    data = two_years()
    with pytest.raises(DesignError, match="overlap"):
        two_by_two(data.assign(size=data["first"].notna() * 60 + data["age"]), **NAMES, covariates=["size"])
    with pytest.raises(ValueError, match="method"):
        two_by_two(data, **NAMES, covariates=["age"], method="best")
    with pytest.raises(ValueError, match="panel=False"):
        two_by_two(data, outcome="y", time="t", first_treated="first")
    with pytest.raises(DataError, match="changes within"):
        two_by_two(data.assign(village=data["t"]), **NAMES, cluster="village")
    early = data[(data["t"] == 1) | data["first"].isna()].drop(columns="firm")
    with pytest.raises(DesignError, match="0 treated and"):
        two_by_two(early, outcome="y", time="t", first_treated="first", panel=False)
    with pytest.raises(DataError, match="no column 'sise'"):
        two_by_two(data, **NAMES, covariates=["sise"])
    with pytest.raises(TypeError):
        two_by_two(data, **NAMES, improved=True)


@pytest.mark.slow
def test_doubly_robust_survives_one_wrong_model():
    # the logit is right and the outcome is not linear (first), or the outcome is linear and the logit wrong (second);
    # 400 samples of 1,000: the mean's Monte-Carlo error is about 0.01, the bound three of them
    gaps = {("dr", 0): [], ("dr_improved", 0): [], ("reg", 0): [], ("dr", 1): [], ("dr_improved", 1): [], ("ipw", 1): []}
    for seed in range(400):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(1_000, 1))
        bent = np.exp(0.5 * x[:, 0])
        for wrong in (0, 1):
            odds = 0.7 * x[:, 0] - 0.4 if wrong == 0 else 1.2 * (bent - 1) - 0.4
            d = (rng.random(1_000) < 1 / (1 + np.exp(-odds))).astype(float)
            change = 1 + 2 * (bent if wrong == 0 else x[:, 0]) + d + rng.normal(size=1_000)
            for (method, kind), found in gaps.items():
                if kind == wrong:
                    found.append(panel_effect(change, d, x, method=method).estimate - 1)
    means = {key: float(np.mean(g)) for key, g in gaps.items()}
    assert all(abs(m) < 0.03 for key, m in means.items() if key[0].startswith("dr")), means
    assert abs(means["reg", 0]) > 0.05
    assert abs(means["ipw", 1]) > 0.05

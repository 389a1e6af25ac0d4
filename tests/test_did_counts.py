"""Poisson difference-in-differences: a ratio of ratios by hand, statsmodels with full dummies, zeros, parallel growth."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from support_studies import panel

from impact.did.counts import poisson
from impact.errors import DataError, DesignError

close = pytest.approx
NAMES = {"outcome": "sales", "unit": "firm", "time": "year", "first_treated": "first"}


def sales(units: int = 40, periods: int = 5, starts: tuple[float, ...] = (2003.0,), seed: int = 2) -> pd.DataFrame:
    """Firms whose sales grow by a tenth a year, by half more once treated, with zeros among them."""
    rng = np.random.default_rng(seed)
    data = panel(units=units, periods=periods, seed=seed, starts=starts)
    number = data["firm"].str[1:].astype(int)
    mean = np.exp(0.5 + 0.05 * number + 0.1 * (data["year"] - 2001) + math.log(1.5) * data["grant"])
    extra = {"x": rng.normal(size=len(data)), "w": rng.uniform(0.5, 2, len(data))}
    return data.assign(sales=rng.poisson(mean).astype(float), **extra)


def test_two_by_two_is_a_ratio_of_ratios():
    # treated sum 4 → 9, others 6 → 8: (9/4)/(8/6) = 1.6875
    data = pd.DataFrame({"firm": ["T1", "T2", "C1", "C2"] * 2, "year": [1] * 4 + [2] * 4,
                         "first": [2, 2, np.nan, np.nan] * 2, "sales": [4.0, 0, 2, 4, 6, 3, 5, 3]})
    e = poisson(data, **NAMES)
    assert e.estimate == close(math.log(1.6875), rel=1e-9)
    assert e.effect_pct.value == close(68.75)
    assert e.comparison_mean == close(4.5 / 1.6875)  # what the treated would have sold, after
    assert (e.n, e.n_units, e.n_units_treated, e.df) == (8, 4, 2, None)


@pytest.mark.parametrize("cluster", [None, "district"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_unbalanced_staggered_as_full_dummies(weights, cluster):
    sm = pytest.importorskip("statsmodels.api")
    data = sales(starts=(2003.0, 2004.0)).drop(index=[3, 50, 77]).reset_index(drop=True)
    e = poisson(data, **NAMES, covariates=["x"], weights=weights, cluster=cluster)
    used = data.drop(index=[r - 1 for lost in e.dropped for r in lost.rows])
    dummies = [pd.get_dummies(used["firm"]), pd.get_dummies(used["year"]).iloc[:, 1:]]
    x = np.column_stack([*dummies, used["x"], used["year"] >= used["first"]]).astype(float)
    groups = pd.factorize(used[cluster or "firm"])[0]
    w = used["w"].to_numpy() if weights else np.ones(len(used))
    fit = sm.GLM(used["sales"].to_numpy(), x, family=sm.families.Poisson(), var_weights=w).fit(tol=1e-14, maxiter=200)
    bread = np.linalg.inv((x * (w * fit.mu)[:, None]).T @ x)  # statsmodels has no clustered errors with weights
    scores = pd.DataFrame(x * (w * (used["sales"].to_numpy() - fit.mu))[:, None]).groupby(groups).sum().to_numpy()
    n, k, g = len(used), 4 + 2 + 1, groups.max() + 1
    error = np.sqrt((bread @ scores.T @ scores @ bread)[-1, -1] * (n - 1) / (n - k) * g / (g - 1))
    assert (e.estimate, e.std_error) == close((fit.params[-1], error), rel=1e-8)
    assert e.has_caveat("provisional")


def test_the_effect_is_found_and_the_assumption_is_said():
    e = poisson(sales(units=200), **NAMES)
    assert abs(e.estimate - math.log(1.5)) < 4 * e.std_error
    assert e.effect_pct.low == close(100 * math.expm1(e.conf_low))
    assert e.has_caveat("parallel_growth")
    assert not e.has_caveat("provisional")
    assert any("parallel growth" in line for line in e.assumptions)


def test_units_and_periods_of_zeros_are_left_out_and_change_nothing():
    data = sales()
    base = poisson(data, **NAMES)
    zeros = data[data["firm"].isin(["F004", "F005"])].assign(firm=lambda d: d["firm"] + "z", sales=0.0)
    more = pd.concat([data, zeros, data[data["year"] == 2001].assign(year=2000, sales=0.0)], ignore_index=True)
    e = poisson(more, **NAMES)
    reasons = {d.reason: (d.n_rows, d.n_units) for d in e.dropped}
    assert reasons["unit_all_zero"][1] >= 2
    assert reasons["period_all_zero"] == (e.n // 5, 0)
    assert (e.estimate, e.std_error) == close((base.estimate, base.std_error))


def test_the_currency_does_not_matter_nor_do_labels_order_or_calendar():
    data = sales(starts=(2003.0, 2004.0)).drop(index=[4, 17, 33])
    e = poisson(data, **NAMES, covariates=["x"])
    for other in (data.assign(sales=data["sales"] * 1e7), data.assign(sales=data["sales"] * 1e-7),
                  data.assign(x=data["x"] * 1e6 + 1e7), data.sample(frac=1, random_state=2),
                  data.assign(firm=data["firm"].str[::-1]),
                  data.assign(year=data["year"] - 2000, first=data["first"] - 2000)):
        again = poisson(other, **NAMES, covariates=["x"])
        assert (again.estimate, again.std_error) == close((e.estimate, e.std_error), rel=1e-7)
        assert again.effect_pct.value == close(e.effect_pct.value, rel=1e-7)


def test_negative_values_are_refused_naming_rows():
    data = sales()
    data.loc[[4, 9], "sales"] = -1.0
    with pytest.raises(DataError, match=r"2 values are negative \(rows 5, 10\)"):
        poisson(data, **NAMES)


def test_a_ratio_of_zeros_is_refused():
    data = sales()
    on = data["year"] >= data["first"]
    with pytest.raises(DesignError, match="all treated rows that are left have zero"):
        poisson(data.assign(sales=data["sales"].where(~on, 0.0)), **NAMES)
    before = data["first"].notna() & ~on
    with pytest.raises(DesignError, match="all rows of treated units before their start that are left have zero"):
        poisson(data.assign(sales=data["sales"].where(~before, 0.0)), **NAMES)
    with pytest.raises(TypeError, match="transform"):
        poisson(data, **NAMES, transform="log")


def test_a_group_that_predicts_zeros_is_no_number():
    data = sales(starts=(2003.0, 2004.0))
    data["x"] = np.where(data["firm"].isin(["F000", "F002"]) & (data["year"] > 2002), 1.0, 0.0)
    with pytest.raises(DesignError, match="predicts zeros perfectly"):
        poisson(data.assign(sales=data["sales"].where(data["x"] == 0, 0.0)), **NAMES, covariates=["x"])
    one = data["first"] == 2004
    gone = data.assign(sales=data["sales"].where(~(one & (data["year"] < 2004)), 0.0))
    assert math.isfinite(poisson(gone, **NAMES).estimate)  # the other cohort still has a before


@pytest.mark.slow
def test_coverage_under_parallel_growth():
    # 1,000 replications: Monte-Carlo error of a 95 % share is 0.007
    inside = 0
    for seed in range(1000):
        e = poisson(sales(units=80, seed=seed), **NAMES)
        inside += e.conf_low <= math.log(1.5) <= e.conf_high
    assert 0.92 < inside / 1000 < 0.975

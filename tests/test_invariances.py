"""What must not matter does not: order of rows, names of units, units of measure, and which arm is called treated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_studies import cross_section, panel

from impact.did import two_by_two, two_way_fixed_effects
from impact.matching import nearest_neighbour
from impact.rct import ancova, difference_in_means, ols
from impact.results import Estimate

modest = settings(max_examples=12, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 10_000)
factors = st.floats(0.01, 100)

FIRM = {"outcome": "profit", "treatment": "offered"}
MARKET = {"outcome": "profit", "treatment": "market_offered", "cluster": "market"}
YEARLY = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}
NEAR = FIRM | {"covariates": ["age", "size"], "distance": "standardised_euclidean"}

TRIALS: dict[str, Callable[..., Estimate]] = {
    "difference": lambda d, **k: difference_in_means(d, **FIRM | k),
    "blocked": lambda d, **k: difference_in_means(d, **FIRM | {"strata": "sector"} | k),
    "clustered": lambda d, **k: difference_in_means(d, **MARKET | k),
    "ols": lambda d, **k: ols(d, **FIRM | {"covariates": ["size"], "strata": "sector"} | k),
    "ols clustered": lambda d, **k: ols(d, **MARKET | {"covariates": ["size"]} | k),
    "ols HC3": lambda d, **k: ols(d, **FIRM | {"covariates": ["size", "age"], "vcov": "HC3"} | k),
}
PANELS: dict[str, Callable[..., Estimate]] = {
    "fixed effects": lambda d, **k: two_way_fixed_effects(d, **YEARLY | k),
    "fixed effects CR2": lambda d, **k: two_way_fixed_effects(d, **YEARLY | {"vcov": "CR2"} | k),
    "fixed effects by district": lambda d, **k: two_way_fixed_effects(d, **YEARLY | {"cluster": "district"} | k),
    "two by two": lambda d, **k: two_by_two(d, **YEARLY | {"periods": [2002, 2003]} | k),
}
COMPARISONS: dict[str, Callable[..., Estimate]] = {
    "neighbours": lambda d, **k: nearest_neighbour(d, **NEAR | {"replace": True} | k),
    "pairs": lambda d, **k: nearest_neighbour(d, **NEAR | k),
    "score": lambda d, **k: nearest_neighbour(d, **NEAR | {"distance": "propensity", "replace": True} | k),
}
ALL = TRIALS | PANELS | COMPARISONS


def data_for(name: str, seed: int) -> pd.DataFrame:
    if name in PANELS:
        return panel(units=24, seed=seed, starts=(2003.0, 2004.0))
    firms = 160 if "clustered" in name else 48  # forty markets: the errors stand alone, without a bootstrap beside them
    data = cross_section(firms, seed=seed).assign(age=lambda d: d["age"] + np.linspace(0, 0.5, firms))  # no ties
    return data.assign(offered=(np.sin(data.index * 7.0) + data["size"] / 20 > 0.4) * 1.0) if name in COMPARISONS else data


def same(a: Estimate, b: Estimate, scale: float = 1.0) -> None:
    """The second is the first in a unit ``scale`` times smaller; tests and df do not move."""
    assert b.estimate == pytest.approx(scale * a.estimate, rel=1e-6, abs=1e-8 * abs(scale))
    assert b.std_error == pytest.approx(abs(scale) * a.std_error, rel=1e-6)
    assert b.p_value == pytest.approx(a.p_value, rel=1e-5, abs=1e-12)  # a far tail magnifies its statistic's rounding
    assert b.df == (None if a.df is None else pytest.approx(a.df, rel=1e-6))
    assert b.n == a.n


@pytest.mark.parametrize("name", ALL)
@modest
@given(seed=seeds)
def test_the_order_of_rows_does_not_matter(name, seed):
    data = data_for(name, seed)
    same(ALL[name](data), ALL[name](data.sample(frac=1, random_state=seed)))


@pytest.mark.parametrize("name", ALL)
@modest
@given(seed=seeds)
def test_the_names_of_units_groups_and_strata_do_not_matter(name, seed):
    data = data_for(name, seed)
    rng = np.random.default_rng(seed)
    renamed = data.copy()
    for column in ("firm", "market", "sector", "district"):
        if column in data:
            known = data[column].unique()
            renamed[column] = data[column].map(dict(zip(known, rng.permutation([f"n{i}" for i in range(len(known))]),
                                                        strict=True)))
    same(ALL[name](data), ALL[name](renamed))


@pytest.mark.parametrize("name", ALL)
@modest
@given(seed=seeds, factor=factors, negative=st.booleans(), constant=st.floats(-1000, 1000))
def test_the_outcome_may_be_measured_in_another_unit_from_another_zero(name, seed, factor, negative, constant):
    data = data_for(name, seed)
    factor = -factor if negative else factor
    same(ALL[name](data), ALL[name](data.assign(profit=factor * data["profit"] + constant)), scale=factor)


@pytest.mark.parametrize("name", ALL)
@modest
@given(seed=seeds, factor=factors)
def test_the_log_of_a_rescaled_outcome_gives_the_same_per_cent(name, seed, factor):
    data = data_for(name, seed)
    a = ALL[name](data, transform="log")
    b = ALL[name](data.assign(profit=factor * data["profit"]), transform="log")
    same(a, b)
    assert b.effect_pct.value == pytest.approx(a.effect_pct.value, rel=1e-6, abs=1e-8)
    assert b.comparison_mean == pytest.approx(factor * a.comparison_mean, rel=1e-6)


@pytest.mark.parametrize("name", TRIALS)
@modest
@given(seed=seeds)
def test_swapping_the_arms_of_a_trial_turns_the_sign(name, seed):
    data = data_for(name, seed)
    swapped = data.assign(offered=1 - data["offered"], market_offered=1 - data["market_offered"])
    same(TRIALS[name](data), TRIALS[name](swapped), scale=-1.0)


@pytest.mark.parametrize("name", COMPARISONS)
@modest
@given(seed=seeds)
def test_swapping_the_arms_of_a_comparison_swaps_whose_effect_it_is(name, seed):
    data = data_for(name, seed)
    swapped = data.assign(offered=1 - data["offered"])
    same(COMPARISONS[name](data), COMPARISONS[name](swapped, estimand="atc"), scale=-1.0)


@modest
@given(seed=seeds, factor=factors, constant=st.floats(-100, 100))
def test_covariates_may_be_measured_in_other_units_or_mixed(seed, factor, constant):
    data = data_for("ols", seed)
    plain = ancova(data, **FIRM, baseline="profit_0", covariates=["age", "size"])
    other = data.assign(age=factor * data["age"] + constant, size=data["size"] - 2 * data["age"])
    same(plain, ancova(other, **FIRM, baseline="profit_0", covariates=["age", "size"]))


@settings(modest, max_examples=3)
@given(seed=seeds, factor=factors)
def test_with_few_clusters_lots_drawn_again_do_not_see_order_names_or_units(seed, factor):
    data = cross_section(32, seed=seed)
    plain = difference_in_means(data, **MARKET)
    assert plain.has_caveat("randomisation_inference")
    other = data.assign(profit=factor * data["profit"] + 5, market=data["market"].map(lambda m: f"m{(5 * m + 3) % 8}"))
    moved = difference_in_means(other.sample(frac=1, random_state=seed), **MARKET)
    same(plain, moved, scale=factor)
    assert (moved.conf_low, moved.conf_high) == pytest.approx((factor * plain.conf_low, factor * plain.conf_high), rel=1e-6)


@pytest.mark.parametrize("name", PANELS)
@modest
@given(seed=seeds)
def test_levels_of_units_and_shocks_of_periods_do_not_matter(name, seed):
    data = data_for(name, seed)
    rng = np.random.default_rng(seed)
    level = data["firm"].map({f: rng.normal(0, 50) for f in data["firm"].unique()})
    shock = data["year"].map({t: rng.normal(0, 50) for t in data["year"].unique()})
    same(PANELS[name](data), PANELS[name](data.assign(profit=data["profit"] + level + shock)))


@pytest.mark.parametrize("name", ["fixed effects", "fixed effects CR2"])
@modest
@given(seed=seeds)
def test_years_may_be_counted_from_another_start(name, seed):
    data = data_for(name, seed)
    same(PANELS[name](data), PANELS[name](data.assign(year=data["year"] - 2000, first=data["first"] - 2000)))


@pytest.mark.parametrize("vcov", ["CR0", "CR1", "CR2", "CR3"])
@modest
@given(seed=seeds)
def test_rows_written_twice_add_nothing_when_errors_are_clustered_by_the_unit(vcov, seed):
    data = data_for("ols", seed)
    once = ols(data, **FIRM, covariates=["size"], cluster="firm", vcov=vcov)
    twice = ols(pd.concat([data, data]), **FIRM, covariates=["size"], cluster="firm", vcov=vcov)
    assert (twice.estimate, twice.std_error, twice.df) == pytest.approx((once.estimate, once.std_error, once.df))


@pytest.mark.parametrize("name", ALL)
@modest
@given(seed=seeds)
def test_rows_without_an_outcome_are_counted_and_change_nothing(name, seed):
    data = data_for(name, seed)
    extra = data.head(4).assign(profit=np.nan, firm=[f"new {i}" for i in range(4)])
    e = ALL[name](pd.concat([extra, data], ignore_index=True))
    same(ALL[name](data), e)
    assert e.dropped[0].rows == (1, 2, 3, 4)

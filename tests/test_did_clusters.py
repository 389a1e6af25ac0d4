"""Few clusters, and the level at which treatment was decided, in every difference-in-differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support_studies import declare

from impact import did
from impact.evaluation import evaluate

KEYS: dict[str, Any] = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}
METHODS: dict[str, Callable[..., Any]] = {
    "two_way_fixed_effects": did.two_way_fixed_effects, "group_time_att": did.group_time_att, "imputation": did.imputation,
    "event_study": did.event_study, "sun_abraham": did.sun_abraham, "poisson": did.poisson,
    "stacked": lambda d, **k: did.stacked(d, window=(-2, 2), **k),
    "two_by_two": lambda d, **k: did.two_by_two(d, periods=[2003, 2004], **k),
    "two_by_two with covariates": lambda d, **k: did.two_by_two(d, periods=[2003, 2004], covariates=["size"], **k),
    "triple_difference": lambda d, **k: did.triple_difference(d, affected="affected", **k)}
BOOTSTRAPPED = ("two_way_fixed_effects", "event_study", "sun_abraham", "stacked", "triple_difference")
CORRECTED = ("two_by_two",)  # CR2 with Satterthwaite degrees of freedom is made for few clusters


def districts(count: int, firms: int = 6, years: int = 6, seed: int = 3) -> pd.DataFrame:
    """Firms in districts that share shocks; every other district starts in 2004."""
    rng = np.random.default_rng(seed)
    n = count * firms
    place = np.repeat(np.arange(count), firms)
    shock = rng.normal(0, 2, (count, years))[place]
    first = np.where(place % 2 == 1, 2004.0, np.nan)
    year = np.arange(2001, 2001 + years)
    on = year[None, :] >= first[:, None]
    profit = 50 + rng.normal(0, 3, (n, 1)) + shock + 2 * on + rng.normal(0, 1, (n, years))
    return pd.DataFrame({
        "firm": np.repeat([f"F{i:03d}" for i in range(n)], years), "year": np.tile(year, n), "profit": profit.ravel(),
        "district": np.repeat(place, years), "first": np.repeat(first, years), "grant": on.ravel() * 1.0,
        "size": np.repeat(rng.normal(10, 2, n), years), "affected": np.repeat(np.arange(n) % 2, years)})


@pytest.mark.parametrize("name", METHODS)
def test_fewer_than_six_districts_on_a_side_are_too_few_to_say(name):
    made = METHODS[name](districts(9), **KEYS, cluster="district").headline
    few = next(c for c in made.caveats if c.code == "few_clusters")
    assert dict(few.values) == {"treated": 4, "comparison": 5}
    assert "too few clusters to say" in few.text
    assert made.n_clusters == 9


@pytest.mark.parametrize("name", METHODS)
def test_errors_allow_for_shocks_that_districts_share(name):
    data = districts(40)
    by_firm, by_district = (METHODS[name](data, **KEYS, cluster=c).headline for c in (None, "district"))
    assert by_district.estimate == pytest.approx(by_firm.estimate)
    if name != "triple_difference":  # there a shock that a district shares drops out of the gap between its own firms
        assert by_district.std_error > 1.5 * by_firm.std_error
    assert by_district.se_card.level == "district"
    assert (by_district.n_clusters, by_district.se_card.clusters_treated, by_district.se_card.clusters_comparison) == (
        40, 20, 20)


@pytest.mark.parametrize("name", METHODS)
def test_between_six_and_forty_the_bootstrap_stands_beside_or_its_absence_is_said(name):
    made = METHODS[name](districts(16), **KEYS, cluster="district").headline
    codes = {c.code for c in made.caveats}
    assert "few_clusters" not in codes
    assert ("wild_bootstrap" in codes) is (name in BOOTSTRAPPED)
    assert ("few_clusters_large_sample" in codes) is (name not in (*BOOTSTRAPPED, *CORRECTED))
    many = METHODS[name](districts(44), **KEYS, cluster="district").headline
    assert not {"few_clusters", "wild_bootstrap", "few_clusters_large_sample"} & {c.code for c in many.caveats}


@pytest.mark.parametrize("method", ["two_way_fixed_effects", "group_time_att", "imputation", "event_study", "sun_abraham",
                                    "poisson", "stacked", "two_by_two", "triple_difference"])
def test_a_study_clusters_where_treatment_was_decided(method):
    options = {"stacked": {"window": [-1, 1]}, "two_by_two": {"periods": [2003, 2004]},
               "triple_difference": {"affected": "affected"}}.get(method, {})
    study = declare("did", method=method, options=options, assigned_by="district")
    made = evaluate(study, districts(14))
    assert made.headline.se_card.level == "district"
    assert made.headline.n_clusters == 14
    names = ("pretrend_group_time", "pretrend_imputation", "earlier_growth", "earlier_gaps")
    checked = [c for c in made.checks if c.id.split(":")[0] in names]
    assert len(checked) == 1
    assert "clusters" in checked[0].reason


@pytest.mark.parametrize("method", ["synthetic_control", "synthetic_did"])
def test_placebos_of_a_mix_are_at_the_level_of_assignment(method):
    data = districts(14)
    data = data[data["first"].isna() | (data["firm"] == "F006")]
    made = evaluate(declare("did", method=method, assigned_by="district"), data)
    assert made.headline.se_card.level == "district"
    assert (made.headline.se_card.clusters_treated, made.headline.se_card.clusters_comparison) == (1, 7)
    assert made.headline.has_caveat("few_units")


def test_small_start_dates_say_how_often_their_interval_holds_the_truth():
    few = did.group_time_att(districts(40), **KEYS).headline  # 120 treated firms
    assert not few.has_caveat("small_cohorts")
    caveat = next(c for c in did.group_time_att(districts(30), **KEYS, cluster="district").headline.caveats
                  if c.code == "small_cohorts")
    assert dict(caveat.values) == {"cohorts": 1, "fewest": 15}
    assert "The start date has fewer than 20 treated clusters" in caveat.text
    assert "times in 100" in caveat.text


@pytest.mark.parametrize("method", ["two_way_fixed_effects", "group_time_att", "imputation", "event_study", "sun_abraham",
                                    "poisson", "stacked", "two_by_two", "triple_difference"])
def test_one_wave_decided_at_once_gives_a_number_and_no_certainty(method):
    """Treatment decided by wave: one wave and those never treated are one cluster on either side."""
    data = districts(12).assign(wave=lambda d: d["first"].fillna(0))
    options = {"stacked": {"window": [-1, 1]}, "two_by_two": {"periods": [2003, 2004]},
               "triple_difference": {"affected": "affected"}}.get(method, {})
    made = evaluate(declare("did", method=method, options=options, assigned_by="wave"), data)
    assert np.isfinite(made.headline.estimate)
    assert made.headline.std_error is None
    assert made.headline.has_caveat("few_clusters")
    doubtful = ("pretrend", "earlier", "sensitivity", "hidden_drift", "placebo_dates", "drop_the_largest")
    judged = [c for c in made.checks if c.id.startswith(doubtful)]
    assert len(judged) >= 3
    assert all(c.word == "not examined" for c in judged), [(c.id, c.word) for c in judged]


def test_with_few_clusters_false_starts_are_not_read_off_intervals_that_are_too_narrow():
    made = did.placebo_dates(did.imputation, districts(9), shifts=(1,), **KEYS, cluster="district")
    assert made.check.word == "not examined"
    assert made.check.reason.startswith("Too few clusters or units on a side to say; the largest in size of 1 false start")


def test_few_comparison_clusters_are_told_however_many_are_treated():
    """With 40 treated and 7 comparison districts 9 of 100 tests at 5% reject a true null; Monte-Carlo error 1.7."""
    def made(comparison, treated=26):
        rng = np.random.default_rng(1)
        rows = [{"firm": f"{d}-{i}", "year": t, "d": d, "first": 2003.0 if d < treated else np.nan, "y": rng.normal()}
                for d in range(treated + comparison) for i in range(3) for t in range(2000, 2005)]
        return did.group_time_att(pd.DataFrame(rows), outcome="y", unit="firm", time="year", first_treated="first",
                                  cluster="d").headline

    few = next(c for c in made(7).caveats if c.code == "small_comparison")
    assert "as few as 7 clusters" in few.text
    assert dict(few.values) == {"fewest": 7}
    assert not made(20).has_caveat("small_comparison")
    assert made(5).has_caveat("few_clusters")
    assert not made(5).has_caveat("small_comparison")

"""Difference-in-differences on awkward data: currencies, calendars, unknown starts, declared anticipation, few clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from impact import did
from impact.did import (
    event_study,
    group_time_att,
    hidden_drift,
    imputation,
    placebo_dates,
    sensitivity,
    sun_abraham,
    synthetic_control,
)
from impact.did.honest import EventPath, relative_magnitudes_set
from impact.errors import DataError, DesignError

KEYS = {"outcome": "y", "unit": "firm", "time": "year", "first_treated": "first"}


def panel(n: int = 60, years: int = 8, seed: int = 1, effect: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        first, level = (np.nan, 2003.0, 2005.0)[i % 3], rng.normal(10, 2)
        rows += [{"firm": f"F{i:03d}", "year": 2000 + t, "first": first,
                  "y": level + 0.3 * t + effect * (2000 + t >= first) + rng.normal(0, 0.7)} for t in range(years)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("scale", [1e-9, 1e3, 3e7, 1e12])
@pytest.mark.parametrize("later", [1, 4, 7])
def test_the_robust_set_does_not_know_the_currency(scale, later):
    rng = np.random.default_rng(later)
    noise = rng.normal(size=(3 + later, 30))
    covariance = noise @ noise.T / 300
    before, after = rng.normal(0, 0.2, 3), 2 + rng.normal(0, 0.2, later)
    weights = np.full(later, 1 / later)
    one = relative_magnitudes_set(EventPath(before=before, after=after, covariance=covariance, weights=weights), 0.5)
    other = relative_magnitudes_set(EventPath(before=scale * before, after=scale * after, covariance=scale**2 * covariance,
                                              weights=weights), 0.5)
    assert np.array(other) / scale == pytest.approx(one, rel=1e-6)


def test_a_start_that_is_not_known_is_refused_with_its_units_and_rows():
    data = panel().assign(on=lambda d: (d["year"] >= d["first"]) * 1.0)
    data.loc[(data["firm"] == "F001") & (data["year"] == 2003), "on"] = np.nan
    with pytest.raises(DataError) as error:
        group_time_att(data, outcome="y", unit="firm", time="year", treatment="on")
    assert "may have begun treatment" in str(error.value)
    assert "F001" in str(error.value)
    assert "row 12" in str(error.value)
    known = panel().assign(on=lambda d: (d["year"] >= d["first"]) * 1.0)
    known.loc[(known["firm"] == "F001") & (known["year"] == 2001), "on"] = np.nan  # 0 after it: the start is known
    group_time_att(known, outcome="y", unit="firm", time="year", treatment="on")


def test_zero_for_never_is_refused_in_repeated_cross_sections_too():
    data = panel().fillna({"first": 0.0})
    with pytest.raises(DataError, match="it is 0 for 160 rows, and 0 is no period"):
        group_time_att(data, outcome="y", time="year", first_treated="first", panel=False)


@pytest.mark.parametrize("method", [group_time_att, imputation])
def test_tenths_of_a_year_make_each_horizon_once(method):
    data = panel()
    tenths = data.assign(year=(data["year"] - 2000) / 10, first=(data["first"] - 2000) / 10)
    whole, parts = method(data, **KEYS).aggregate("dynamic"), method(tenths, **KEYS).aggregate("dynamic")
    assert len(parts) == len(whole)
    assert parts.headline.estimate == pytest.approx(whole.headline.estimate)


def test_drift_counts_in_periods_whatever_their_length():
    data = panel()
    yearly = hidden_drift(group_time_att(data, **KEYS, base_period="universal"))
    coded = data.assign(year=2000 + 2 * (data["year"] - 2000), first=2000 + 2 * (data["first"] - 2000))
    biennial = hidden_drift(group_time_att(coded, **KEYS, base_period="universal"))
    assert biennial.measured == pytest.approx(yearly.measured, rel=1e-6)
    assert dict(biennial.details)["bias"] == pytest.approx(dict(yearly.details)["bias"], rel=1e-6)


def test_declared_anticipation_is_kept_out_of_false_starts():
    data = panel(effect=0.0)
    data.loc[data["year"] == data["first"] - 1, "y"] += 3.0
    made = placebo_dates(group_time_att, data, shifts=[1], anticipation=1, **KEYS)
    assert abs(made[1].estimate) < 1.0


def test_sensitivity_of_what_has_no_covariance_or_bad_bounds_is_refused():
    for effects in (sun_abraham(panel(), **KEYS), event_study(panel(), **KEYS)):
        with pytest.raises(DesignError, match="result of group_time_att"):
            sensitivity(effects)
    good = group_time_att(panel(), **KEYS, base_period="universal")
    with pytest.raises(ValueError, match="from 0 up"):
        sensitivity(good, bounds=[-1.0])
    assert len(sensitivity(good, bounds=np.array([0.5]))) == 2


def test_uneven_coefficients_and_too_few_clusters_are_not_examined():
    gap = panel()
    with pytest.raises(DesignError, match="not evenly spaced"):
        sensitivity(group_time_att(gap[gap["year"] != 2006], **KEYS, base_period="universal"))
    few = panel().assign(district=lambda d: d["firm"].str[1:].astype(int) % 6)
    made = group_time_att(few, **KEYS, cluster="district", base_period="universal")
    assert made.headline.has_caveat("few_clusters_large_sample")


def test_several_treated_areas_are_ranked_among_groups_that_could_change_places():
    """Placebo groups from the untreated alone have fewer donors: all groups of three are drawn from all areas instead."""
    rng = np.random.default_rng(1)
    rows = [{"area": f"A{i}", "year": t, "first": 9.0 if i < 3 else np.nan, "y": rng.normal()}
            for i in range(23) for t in range(12)]
    e = synthetic_control(pd.DataFrame(rows), outcome="y", unit="area", time="year", first_treated="first", draws=99)
    assert (e.p_value * 1771) == pytest.approx(round(e.p_value * 1771))  # 23 over 3 groups, each once
    assert e.std_error is None
    assert "only its rank" in dict(e.reasons)["std_error"]


EACH = {
    "two_by_two": lambda d, **k: did.two_by_two(d, **KEYS, periods=[2002, 2003], **k), "event_study": event_study,
    "two_way_fixed_effects": did.two_way_fixed_effects, "group_time_att": group_time_att, "imputation": imputation,
    "sun_abraham": sun_abraham, "stacked": lambda d, **k: did.stacked(d, **KEYS, window=(-2, 1), **k),
    "poisson": did.poisson, "triple_difference": lambda d, **k: did.triple_difference(d, **KEYS, affected="affected", **k),
    "bacon_decomposition": did.bacon_decomposition, "synthetic_control": synthetic_control,
    "synthetic_did": did.synthetic_did, "compare": did.compare, "unbalanced_agreement": did.unbalanced_agreement,
    "earlier_growth": did.earlier_growth,
    "earlier_gaps": lambda d, **k: did.earlier_gaps(d, **KEYS, affected="affected", **k),
    "placebo_dates": lambda d, **k: placebo_dates(imputation, d, **KEYS, **k),
    "leave_one_cohort_out": lambda d, **k: did.leave_one_cohort_out(imputation, d, **KEYS, **k),
    "drop_the_largest": lambda d, **k: did.drop_the_largest(imputation, d, **KEYS, **k)}
OWN_KEYS = ("two_by_two", "stacked", "triple_difference", "earlier_gaps", "placebo_dates", "leave_one_cohort_out",
            "drop_the_largest")
AREAS = ("synthetic_control", "synthetic_did")
BAD = {  # what is done to the data, and what the message must say
    "time is text": (lambda d: d.assign(year=d["year"].astype(str)), "numbers stored as text"),
    "time is dates": (lambda d: d.assign(year=pd.to_datetime(d["year"].astype(str))), "it holds dates, not numbers"),
    "time is periods": (lambda d: d.assign(year=pd.PeriodIndex(d["year"].astype(str), freq="Y")), "it holds dates"),
    "time is categories": (lambda d: d.assign(year=d["year"].astype("category")), "numbers stored as categories"),
    "the outcome is complex": (lambda d: d.assign(**{KEYS["outcome"]: d[KEYS["outcome"]] + 1j}), "it holds complex"),
    "doubled rows": (lambda d: pd.concat([d, d.iloc[[0, 9]]]), r"2 unit–periods stand .*F000 in 2000, F001 in 2001"),
    "a start that moves": (lambda d: d.assign(first=d["first"].where(d.index != 9, 2006.0)), r"for 1 unit \(F001\)"),
    "all treated from the start": (lambda d: d.assign(first=2000.0), "already treated|same treatment in every period|"
                                   "0 periods before|there is one cohort only"),
    "nobody treated": (lambda d: d.assign(first=np.nan), "no unit is treated|0 treated|ever treated|same treatment|"
                       "there is one cohort only"),
    "no comparison": (lambda d: d.assign(first=2003.0), "same period|0 comparison|0 other|same treatment|never-treated|"
                      "there is one cohort only"),
    "a cluster below the unit": (lambda d: d.assign(market=d["firm"] + d["year"].astype(str)), "changes within 60 units"),
    "a cluster that moves": (lambda d: d.assign(market=d["market"].where(d.index != 9, 99)), r"within 1 unit \(F001\)"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", EACH)
def test_bad_input_is_a_clear_error_of_each_function(name, bad):
    data = panel().assign(market=lambda d: d["firm"].str[1:].astype(int) % 10, affected=lambda d: d["market"] % 2)
    if name in AREAS:
        data = data.assign(first=np.where(data["firm"] == "F001", 2005.0, np.nan))
    if name in ("triple_difference", "earlier_gaps"):
        data["first"] = data["first"].replace(2005.0, np.nan)
    change, words = BAD[bad]
    more = {} if name in OWN_KEYS else KEYS
    if "cluster" in bad:
        if name == "bacon_decomposition":
            with pytest.raises(TypeError, match="unexpected keyword"):
                EACH[name](data, **more, cluster="market")
            return
        more = more | {"cluster": "market"}
    with pytest.raises((DataError, DesignError), match=words) as caught:
        EACH[name](change(data), **more)
    assert all(problem.cure for problem in caught.value.problems)


def test_an_outcome_that_is_nowhere_is_said_before_periods_are():
    with pytest.raises(DesignError, match="no row is complete"):
        did.two_by_two(panel().assign(**{KEYS["outcome"]: np.nan}), periods=(2002, 2003), **KEYS)


def test_all_treated_from_the_first_period_says_what_to_do():
    with pytest.raises(DesignError, match="add periods from before the programme; without them compare levels"):
        imputation(panel().assign(first=2000.0), **KEYS)
    with pytest.raises(DesignError, match=r"60 are already treated in or before 2002.*one from before the programme"):
        did.two_by_two(panel().assign(first=2000.0), **KEYS, periods=[2002, 2003])


@pytest.mark.parametrize("method", [event_study, sun_abraham])
def test_a_reference_that_does_not_exist_lists_those_that_do(method):
    with pytest.raises(DesignError, match="Horizons with data: -5, -4, -3, -2, -1, 0, 1, 2, 3, 4"):
        method(panel(), **KEYS, reference=-9)


def test_starts_between_two_periods_are_refused_where_periods_since_treatment_count():
    for method in (event_study, sun_abraham, group_time_att):
        with pytest.raises(DesignError, match=r"it names 2003.5, 2005.5, and no unit is measured then"):
            method(panel().assign(first=lambda d: d["first"] + 0.5), **KEYS)


def test_false_starts_move_by_periods():
    data = panel()
    halves = data.assign(year=data["year"] / 2, first=data["first"] / 2)
    one, other = (placebo_dates(imputation, d, shifts=[1, 2], **KEYS) for d in (data, halves))
    assert [r.estimate for r in other] == pytest.approx([r.estimate for r in one])


@pytest.mark.parametrize("step", [1.0, 0.25, 1 / 12, 10.0])
def test_false_starts_of_a_two_by_two_find_their_periods_in_any_calendar(step):
    data = panel()[lambda d: d["first"] != 2005]
    dated = data.assign(year=(data["year"] - 2000) * step + 2000.1, first=(data["first"] - 2000) * step + 2000.1)
    pair = [sorted(d["year"].unique())[2:4] for d in (data, dated)]
    one, other = (placebo_dates(did.two_by_two, d, shifts=[1, 2], periods=p, **KEYS)
                  for d, p in zip((data, dated), pair, strict=True))
    assert [r.estimate for r in other] == pytest.approx([r.estimate for r in one])
    assert len(other.rows) == 3
    assert one.left_out == other.left_out == ()


def test_starts_never_to_come_may_be_written_as_infinity_in_false_starts():
    data = panel()
    one, other = (placebo_dates(imputation, d, shifts=[1], **KEYS)
                  for d in (data, data.assign(first=data["first"].fillna(np.inf))))
    assert other.check.reason == one.check.reason
    late = data[(data["year"] >= data["first"].min() - 1) & (data["first"] != 2005)]
    check = placebo_dates(imputation, late.assign(first=late["first"].fillna(np.inf)), shifts=[1], **KEYS).check
    assert "a false start needs two" in check.reason


@pytest.mark.parametrize("base", ["varying", "universal"])
def test_the_joint_test_of_earlier_periods_counts_in_periods(base):
    """Anticipation is a number of periods, also where these are quarters of the time column's unit."""
    data = panel()
    quarters = data.assign(year=2000 + (data["year"] - 2000) / 4, first=2000 + (data["first"] - 2000) / 4)
    one, other = (group_time_att(d, **KEYS, anticipation=1, base_period=base).pretrend for d in (data, quarters))
    assert dict(one.details)["tested"] == dict(other.details)["tested"] == 1 + 3
    assert other.measured == pytest.approx(one.measured)


@pytest.mark.parametrize("method", [group_time_att, imputation, did.two_by_two])
def test_a_start_before_all_time_is_no_never(method):
    data = panel()
    data.loc[data["first"].isna(), "first"] = -np.inf
    with pytest.raises(DataError, match="infinite"):
        method(data, **KEYS)

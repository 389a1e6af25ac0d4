"""Event studies: by hand, full dummies in statsmodels, bins, bands, references; and what every panel method refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support_studies import panel

from impact.did.counts import poisson
from impact.did.decomposition import bacon_decomposition
from impact.did.events import event_study
from impact.did.imputed import imputation
from impact.did.interaction import sun_abraham
from impact.did.multiplier import uniform_critical
from impact.did.stacking import stacked
from impact.errors import DataError, DesignError

close = pytest.approx
NAMES = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}


def test_three_periods_worked_by_hand():
    # treated 1 3 10 and 3 5 12, others 2 4 5 and 4 4 7: the gap is −1, 0, 5, so against the period before: −1 and 5
    data = pd.DataFrame({"firm": np.repeat(["T1", "T2", "C1", "C2"], 3), "year": [1, 2, 3] * 4,
                         "first": [3.0] * 6 + [np.nan] * 6, "profit": [1.0, 3, 10, 3, 5, 12, 2, 4, 5, 4, 4, 7]})
    rows = event_study(data, **NAMES)
    assert [(e.horizon, e.estimate, e.estimand) for e in rows] == [
        (None, close(5.0), "att"), ("-2", close(-1.0), "placebo"), ("0", close(5.0), "att")]
    assert dict(rows[0].details)["reference"] == -1
    assert rows[0].comparison_mean == close(11 - 5)


@pytest.mark.parametrize("weights", [None, "w"])
def test_staggered_binned_as_full_dummies(weights):
    sm = pytest.importorskip("statsmodels.api")
    data = panel(units=40, periods=7, starts=(2003.0, 2005.0)).drop(index=[3, 50, 51]).reset_index(drop=True)
    data["w"] = np.linspace(1, 3, len(data))
    ours = event_study(data, **NAMES, window=(-2, 1), weights=weights)
    h = np.clip(data["year"] - data["first"], -2, 1)
    x = np.column_stack([pd.get_dummies(data["firm"]), pd.get_dummies(data["year"]).iloc[:, 1:], h == -2, h == 0, h == 1])
    x = x.astype(float)
    fit = sm.WLS(data["profit"].to_numpy(), x, weights=data["w"] if weights else np.ones(len(data))).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(data["firm"])[0]})
    n, k = x.shape
    scale = np.sqrt((n - k) / (n - (6 + 3 + 1)))  # K without the unit effects
    assert [e.estimate for e in ours.rows[1:]] == close(fit.params[-3:], rel=1e-8)
    assert [e.std_error for e in ours.rows[1:]] == close(fit.bse[-3:] * scale, rel=1e-8)
    late = np.r_[np.zeros(k - 2), 0.5, 0.5]
    assert (ours[0].estimate, ours[0].std_error) == close(
        (fit.params[-2:].mean(), scale * float(np.sqrt(late @ fit.cov_params() @ late))), rel=1e-8)
    assert [e.term for e in ours.rows[1:]] == ["-2 or earlier", "0", "1 or later"]
    assert all(e.has_caveat("provisional") for e in ours)
    assert ours[0].df == 39


def test_ends_may_be_left_out_instead_of_binned():
    data = panel(units=40, periods=7, starts=(2003.0, 2005.0))
    rows = event_study(data, **NAMES, window=(-2, 1), bin_ends=False)
    h = data["year"] - data["first"]
    assert [(d.reason, d.n_rows) for d in rows[0].dropped] == [("outside_window", int(((h < -2) | (h > 1)).sum()))]
    assert [e.term for e in rows.rows[1:]] == ["-2", "0", "1"]


def test_one_start_is_not_provisional_and_its_average_is_that_of_treatment_after_one_earlier_period():
    data = panel(units=20, periods=3, starts=(2002.0,))
    rows = event_study(data, **NAMES)
    assert not rows[0].has_caveat("provisional")
    assert rows[0].estimate == close(imputation(data, **NAMES)[0].estimate)


def test_the_band_holds_for_all_horizons_and_repeats():
    data = panel(units=60, periods=7, starts=(2004.0,))
    rows = event_study(data, **NAMES)
    critical = dict(rows[0].details)["band_critical"]
    assert stats.t(59).ppf(0.975) < critical < stats.t(59).ppf(1 - 0.025 / 6)  # between pointwise and Bonferroni
    for e in rows.rows[1:]:
        assert dict(e.details)["band_high"] - e.estimate == close(critical * e.std_error)
    assert event_study(data, **NAMES) == rows
    other = dict(event_study(data, **NAMES, seed=1)[0].details)["band_critical"]
    assert other == close(critical, rel=0.03)  # a simulated quantile: error near 1 per cent


def test_critical_values_of_known_laws():
    # independent: all |z| below c has chance (2Φ(c) − 1)^k; the quantile of 20,000 draws has error near .02
    for k in (2, 8):
        exact = stats.norm.ppf((1 + 0.95 ** (1 / k)) / 2)
        assert uniform_critical(np.diag(np.arange(1.0, k + 1)), None, 0.95, 3) == close(exact, abs=0.06)
    alike = uniform_critical(np.ones((5, 5)), None, 0.95, 3)
    assert alike == close(stats.norm.ppf(0.975), abs=0.04)
    assert uniform_critical(np.eye(1), 7.0, 0.9, 0) == close(stats.t(7).ppf(0.95))
    assert uniform_critical(np.eye(3), 4.0, 0.95, 0) > uniform_critical(np.eye(3), 400.0, 0.95, 0)


def test_references_and_windows_that_do_not_exist_are_refused():
    data = panel(units=20, periods=5, starts=(2003.0,))
    with pytest.raises(DesignError, match="Horizons with data: -2, -1, 0, 1, 2"):
        event_study(data, **NAMES, reference=-3)
    with pytest.raises(ValueError, match="below 0"):
        event_study(data, **NAMES, reference=1)
    for window in ((1, 2), (-1, -1), (-3,)):
        with pytest.raises(ValueError, match="window"):
            event_study(data, **NAMES, window=window)


def test_without_never_treated_the_ends_must_be_binned():
    data = panel(units=40, periods=7, starts=(2003.0, 2005.0)).dropna(subset="first")
    with pytest.raises(DesignError, match="a straight line in the horizon"):
        event_study(data, **NAMES)
    assert len(event_study(data, **NAMES, window=(-2, 2))) == 5


def test_a_period_without_comparison_is_named():
    data = panel(units=20, periods=5, starts=(2003.0,))
    with pytest.raises(DesignError, match="no never-treated unit is measured in 2005"):
        event_study(data[(data["year"] < 2005) | data["first"].notna()], **NAMES)


def test_properties():
    data = panel(units=24, periods=6, starts=(2003.0, 2004.0)).drop(index=[4, 17, 33])
    base = [(e.estimate, e.std_error) for e in event_study(data, **NAMES)]
    for other in (data.sample(frac=1, random_state=2), data.assign(firm=data["firm"].str[::-1]),
                  data.assign(year=data["year"] - 2000, first=data["first"] - 2000),
                  data.assign(profit=data["profit"] - 77)):
        assert [(e.estimate, e.std_error) for e in event_study(other, **NAMES)] == [close(x, rel=1e-8) for x in base]


def _stacked(data, **keywords):
    return stacked(data, **keywords, window=(-1, 0))


ALL = [event_study, imputation, sun_abraham, _stacked, poisson]


@pytest.mark.parametrize("method", ALL)
def test_tables_that_are_no_panel_are_refused_naming_rows_and_units(method):
    data = panel()
    data.loc[0, "year"] = 2002
    data.loc[5, "first"] = 2004
    with pytest.raises(DataError) as caught:
        method(data, **NAMES)
    assert "F000 in 2002" in str(caught.value)
    assert "it changes over time for 1 unit (F001)" in str(caught.value)
    with pytest.raises(DataError, match="holds text"):
        method(panel().assign(year=lambda d: "wave " + d["year"].astype(str)), **NAMES)
    with pytest.raises(DataError, match="no column 'firma'"):
        method(panel(), **(NAMES | {"unit": "firma"}))


@pytest.mark.parametrize("method", ALL)
def test_designs_without_before_or_comparison_are_refused_with_a_cure(method):
    data = panel()
    everyone = data.assign(first=2001.0)
    with pytest.raises(DesignError, match="all 12 treated units are already treated in the first period") as caught:
        method(everyone, **NAMES)
    assert "add periods from before the programme" in str(caught.value)
    with pytest.raises(DesignError, match="all 6 treated units are already treated"):
        method(data.assign(first=data["first"].where(data["first"].isna(), 2001)), **NAMES)
    with pytest.raises(DesignError, match="all are first treated in the same period"):
        method(data.assign(first=2003.0), **NAMES)
    with pytest.raises(DesignError, match="no unit is treated in the periods analysed"):
        method(data.assign(first=np.nan), **NAMES)
    with pytest.raises(DesignError, match="no unit is measured in two periods"):
        method(data[data["year"] == 2002], **NAMES)


@pytest.mark.parametrize("method", ALL)
def test_clusters_lie_at_or_above_the_unit(method):
    data = panel(units=24)
    assert method(data, **NAMES, cluster="district").headline.n_clusters == 6
    with pytest.raises(DataError, match=r"within 24 units \(F000, F001.*16 more\), which lie in more than one cluster"):
        method(data, **NAMES, cluster="year")
    with pytest.raises(DataError, match=r"changes within 1 unit .*\(F003\)"):
        method(data.assign(district=data["district"].where(data.index != 13, 5)), **NAMES, cluster="district")


@pytest.mark.parametrize("method", [event_study, sun_abraham, _stacked])
def test_periods_must_be_evenly_coded(method):
    months = {2001: 202011, 2002: 202012, 2003: 202101, 2004: 202102}
    data = panel().assign(year=lambda d: d["year"].map(months), first=lambda d: d["first"].map(months))
    with pytest.raises(DesignError, match=r"not evenly coded \(202011, 202012, 202101, 202102\)") as caught:
        method(data, **NAMES)
    assert "Number the periods 1, 2, 3" in str(caught.value)
    half = panel().assign(first=lambda d: d["first"] - 0.5)
    with pytest.raises(DesignError, match=r"it names 2002.5, and no unit is measured then"):
        method(half, **NAMES)


def test_every_second_year_counts_in_periods_of_two_years():
    data = panel(units=20, periods=5, starts=(2003.0,)).assign(
        year=lambda d: 2 * d["year"] - 2001, first=lambda d: 2 * d["first"] - 2001)
    found = event_study(data, **NAMES)
    assert [e.horizon for e in found][1:] == ["-2", "0", "1", "2"]
    assert "One period is 2 of 'year'" in next(c.text for c in found[0].caveats if c.code == "calendar")
    with pytest.raises(DesignError, match="Horizons with data: -2, -1, 0, 1, 2"):
        event_study(data, **NAMES, reference=-3)


@pytest.mark.parametrize("method", ALL)
def test_lost_rows_are_counted(method):
    data = panel(units=24, periods=4)
    data.loc[[0, 1, 2, 9], "profit"] = np.nan
    e = method(data, **NAMES).headline
    assert {d.reason for d in e.dropped} >= {"outcome_missing", "seen_once"}
    lost = sum(d.n_rows for d in e.dropped)
    if method is not _stacked:
        assert e.n + lost == len(data)
    assert e.question
    assert e.assumptions
    assert e.se_card.level == "firm"


def test_the_decomposition_checks_its_table_too():
    with pytest.raises(DataError, match="no column 'firma'"):
        bacon_decomposition(panel(), **(NAMES | {"unit": "firma"}))

"""Stacked event studies: as weighted means of two-by-twos, one cohort, clean comparisons, trimmed cohorts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support_studies import panel

from impact.did.events import event_study
from impact.did.stacking import stacked
from impact.errors import DesignError
from impact.inference.linear import independent_columns

close = pytest.approx
NAMES = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}


def uneven_cohorts() -> pd.DataFrame:
    """Firms over seven years; 9 first treated in 2003, 5 in 2005, 3 in 2007, 13 never."""
    data = panel(units=30, periods=7, starts=(2003.0,))
    number = data["firm"].str[1:].astype(int)
    first = np.select([number < 13, number < 22, number < 27], [np.nan, 2003.0, 2005.0], 2007.0)
    rng = np.random.default_rng(8)
    effect = np.where(data["year"] >= first, np.nan_to_num(first - 2000), 0)
    return data.assign(first=first, profit=effect + number + 3 * data["year"] + rng.normal(size=len(data)).round(3))


def gap(data: pd.DataFrame, cohort: float, late: float, early: float, end: float) -> float:
    """Change among a cohort less that among units untreated until after ``end``."""
    wide = data.pivot(index="firm", columns="year", values="profit")
    first = data.groupby("firm")["first"].first()
    change = wide[late] - wide[early]
    return float(change[first == cohort].mean() - change[first.isna() | (first > end)].mean())


def test_two_cohorts_worked_by_hand():
    data = pd.DataFrame(
        [(f, t, g, y) for f, g, ys in (
            ("A1", 3, (1, 2, 5, 6, 7)), ("A2", 3, (1, 2, 7, 7, 7)), ("B1", 4, (0, 0, 1, 10, 10)),
            ("L1", 5, (2, 3, 4, 6, 8)), ("N1", np.nan, (5, 6, 7, 9, 9)))
         for t, y in enumerate(ys, start=1)], columns=["firm", "year", "first", "profit"])
    rows = stacked(data, **NAMES, window=(-1, 0))
    # stack 3: changes 3 and 5, mean 4; clean: B1 1, L1 1, N1 1. Stack 4: 9; clean: L1 2, N1 2. Stack 5: L1 2; clean: N1 0
    assert rows[0].estimate == close((2 * (4 - 1) + (9 - 2) + (2 - 0)) / 4)
    # without corrective weights a stack counts by n₁n₀/(n₁+n₀): 2·3/5, 1·2/3, 1·1/2
    weight = np.array([6 / 5, 2 / 3, 1 / 2])
    plain = stacked(data, **NAMES, window=(-1, 0), corrective_weights=False)
    assert plain[0].estimate == close(np.average([3, 7, 2], weights=weight))
    assert (rows[0].n, rows[0].n_treated, rows[0].n_units, rows[0].n_clusters) == (2 * (5 + 3 + 2), 4, 5, 5)


@pytest.mark.parametrize("control_group", ["not_yet_treated", "never_treated"])
def test_corrected_horizons_are_means_by_treated_units(control_group):
    data = uneven_cohorts()
    rows = stacked(data, **NAMES, window=(-2, 1), control_group=control_group)
    end = (lambda g: g + 1) if control_group == "not_yet_treated" else (lambda g: 9999)
    for e in rows.rows[1:]:
        h = float(e.horizon)
        parts = [gap(data, g, g + h, g - 1, end(g)) for g in (2003, 2005)]
        assert e.estimate == close(np.average(parts, weights=[9, 5]))
    assert rows[0].estimate == close(np.mean([e.estimate for e in rows if e.horizon in ("0", "1")]))
    assert rows[0].has_caveat("trimmed_cohorts")  # 2007 has no year after
    # under never_treated its rows are lost; else they stand for the comparison until the windows end
    reasons = {d.reason: (d.n_rows, d.n_units) for d in rows[0].dropped}
    assert reasons["cohort_trimmed"] == ((3 * 7, 3) if control_group == "never_treated" else (3, 0))


def test_one_cohort_is_the_plain_event_study():
    data = panel(units=30, periods=6, starts=(2004.0,))
    plain = event_study(data, **NAMES)
    for corrective in (True, False):
        rows = stacked(data, **NAMES, window=(-3, 2), corrective_weights=corrective)
        assert [(e.horizon, e.estimate, e.std_error) for e in rows] == [
            (e.horizon, close(e.estimate), close(e.std_error)) for e in plain]


def test_a_unit_in_two_stacks_is_one_cluster():
    data = uneven_cohorts()
    rows = stacked(data, **NAMES, window=(-2, 1))
    firms = data["first"].isin([2003, 2005]) | data["first"].isna() | (data["first"] == 2007)
    assert rows[0].n_clusters == rows[0].n_units == data.loc[firms, "firm"].nunique()
    assert rows[0].df == rows[0].n_clusters - 1
    assert rows[0].n > len(data) - 60


def full_dummies(data: pd.DataFrame, *, corrective: bool):
    """The stack made by hand, its regression with all dummies, errors clustered by firm."""
    sm = pytest.importorskip("statsmodels.api")
    parts = []
    for s, g in enumerate((2003.0, 2005.0)):
        other = data["first"].isna() | (data["first"] > g + 1)
        part = data[((data["first"] == g) | other) & data["year"].between(g - 2, g + 1)]
        parts.append(part.assign(s=s, h=part["year"] - g, d=(part["first"] == g).astype(int)))
    stack = pd.concat(parts, ignore_index=True)
    share = {s: (stack[stack["s"] == s].query("d == 1")["firm"].nunique() / 14,
                 stack[stack["s"] == s].query("d == 0")["firm"].nunique()) for s in (0, 1)}
    clean = share[0][1] + share[1][1]
    w = np.where(stack["d"] == 1, 1.0, stack["s"].map({s: share[s][0] / (share[s][1] / clean) for s in (0, 1)}))
    member = stack["firm"] + stack["s"].astype(str)
    times = stack["h"].astype(str) + stack["s"].astype(str)
    x = np.column_stack([pd.get_dummies(member), pd.get_dummies(times),
                         *((stack["h"] == h) & (stack["d"] == 1) for h in (-2, 0, 1))]).astype(float)
    x = x[:, independent_columns(x)]
    k = x.shape[1]
    fit = sm.WLS(stack["profit"].to_numpy(), x, weights=w if corrective else np.ones(len(w))).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(stack["firm"])[0]})
    n, effects = len(stack), times.nunique()
    return fit.params[-3:], fit.bse[-3:] * np.sqrt((n - k) / (n - effects - 3))


@pytest.mark.parametrize("corrective", [True, False])
def test_errors_as_full_dummies_of_the_stack(corrective):
    data = uneven_cohorts()
    rows = stacked(data, **NAMES, window=(-2, 1), corrective_weights=corrective)
    estimates, errors = full_dummies(data, corrective=corrective)
    assert [e.estimate for e in rows.rows[1:]] == close(estimates, rel=1e-8)
    assert [e.std_error for e in rows.rows[1:]] == close(errors, rel=1e-8)


def test_weights_repeat_units():
    data = uneven_cohorts().assign(w=lambda d: 1.0 + (d["district"] % 2))
    twice = pd.concat([data, data[data["w"] == 2].assign(firm=lambda d: d["firm"] + "b")], ignore_index=True)
    weighted = [e.estimate for e in stacked(data, **NAMES, window=(-2, 1), weights="w")]
    assert weighted == close([e.estimate for e in stacked(twice, **NAMES, window=(-2, 1))])


def test_windows_and_references_that_do_not_exist_are_refused():
    data = uneven_cohorts()
    with pytest.raises(DesignError, match="no cohort has data from 5 periods before to 3 after its start"):
        stacked(data, **NAMES, window=(-5, 3))
    for window in ((0, 2), (-2, -1), (-2,)):
        with pytest.raises(ValueError, match="window"):
            stacked(data, **NAMES, window=window)
    with pytest.raises(ValueError, match="reference is a horizon of the window"):
        stacked(data, **NAMES, window=(-2, 1), reference=-3)
    with pytest.raises(TypeError, match="window"):
        stacked(data, **NAMES)


def test_properties():
    data = uneven_cohorts().drop(index=[4, 40, 133])
    base = [(e.estimate, e.std_error) for e in stacked(data, **NAMES, window=(-2, 1))]
    for other in (data.sample(frac=1, random_state=2), data.assign(firm=data["firm"].str[::-1]),
                  data.assign(year=data["year"] - 2000, first=data["first"] - 2000),
                  data.assign(profit=data["profit"] - 77)):
        assert [(e.estimate, e.std_error) for e in stacked(other, **NAMES, window=(-2, 1))] == [
            close(x, rel=1e-8) for x in base]

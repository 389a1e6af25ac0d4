"""Earlier periods under other assumptions than parallel trends: growth in per cent, and gaps of gaps; by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from impact.did import earlier_gaps, earlier_growth
from impact.did.again import amount
from impact.did.pretest import DRIFT

KEYS = {"outcome": "sales", "unit": "firm", "time": "year", "first_treated": "first"}


def firms(n: int = 48, years: int = 3, start: float = 3, growth: float = 0.0, gap: float = 0.0,
          seed: int = 1) -> pd.DataFrame:
    """Sales of firms in four groups; the treated grow faster by ``growth`` a year, the affected among them by ``gap``."""
    rng = np.random.default_rng(seed)
    i = np.arange(n)
    treated, affected = i % 2, i // 2 % 2
    level = np.exp(rng.normal(2 + 0.5 * treated, 0.7))
    year = np.arange(1, years + 1)
    pace = 0.05 + growth * treated[:, None] + gap * (treated * affected)[:, None]
    sales = level[:, None] * np.exp(pace * year + rng.normal(0, 0.1, (n, years)))
    return pd.DataFrame({"firm": np.repeat(i, years), "year": np.tile(year, n).astype(float), "sales": sales.ravel(),
                         "first": np.repeat(np.where(treated == 1, start, np.nan), years),
                         "affected": np.repeat(affected, years), "district": np.repeat(i // 4, years)})


def changes(data: pd.DataFrame) -> pd.DataFrame:
    return data.pivot(index="firm", columns="year", values="sales")


def test_with_two_earlier_periods_growth_is_the_ratio_of_ratios():
    data = firms()
    wide, treated = changes(data), data.groupby("firm")["first"].first().notna()
    growth = [wide.loc[side, 2.0].sum() / wide.loc[side, 1.0].sum() for side in (treated, ~treated)]
    check = earlier_growth(data, **KEYS)
    assert f"grew is {amount(np.log(growth[0] / growth[1]), 'log')} (1 before treatment" in check.reason
    # its error by the delta method: growth of a group is a ratio of sums
    parts = []
    for side, g in zip((treated, ~treated), growth, strict=True):
        influence = (wide.loc[side, 2.0] - g * wide.loc[side, 1.0]) / wide.loc[side, 2.0].sum()
        parts.append((influence**2).sum() * side.sum() / (side.sum() - 1))
    df = sum(parts) ** 2 / sum(v**2 / 23 for v in parts)
    t = abs(np.log(growth[0] / growth[1])) / sum(parts) ** 0.5
    assert dict(check.details)["largest"] == pytest.approx(-stats.norm.ppf(stats.t.sf(t, df)), rel=1e-6)
    assert check.word == ("drift seen" if 2 * stats.t.sf(t, df) < DRIFT else "examined")


def test_growth_apart_is_seen_and_equal_growth_from_other_levels_is_not():
    assert earlier_growth(firms(years=5, start=5, growth=0.1), **KEYS).verdict == "concern"
    checks = [earlier_growth(firms(years=5, start=5, seed=seed), **KEYS) for seed in range(40)]
    quiet = [c for c in checks if c.verdict == "pass"]
    assert len(quiet) >= 30  # at 10 %, and somewhat more because few large firms weigh most
    assert all("cannot be ruled out" in c.reason for c in quiet)


def test_with_two_earlier_periods_the_gap_is_the_difference_of_four_changes():
    data = firms()
    wide = changes(data)
    change = wide[2.0] - wide[1.0]
    one = data.groupby("firm").first()
    four = [(change[one["first"].notna() == ever][one["affected"] == mark]) for ever in (True, False) for mark in (1, 0)]
    value = four[0].mean() - four[1].mean() - four[2].mean() + four[3].mean()
    check = earlier_gaps(data, **KEYS, affected="affected")
    assert "were looked at" not in check.reason
    assert f"is {amount(value, 'none')} (1 before treatment" in check.reason
    parts = [c.var(ddof=1) / len(c) for c in four]
    df = sum(parts) ** 2 / sum(v**2 / (len(c) - 1) for v, c in zip(parts, four, strict=True))
    t = abs(value) / sum(parts) ** 0.5
    assert dict(check.details)["largest"] == pytest.approx(-stats.norm.ppf(stats.t.sf(t, df)), rel=1e-6)
    assert dict(check.details)["fewest"] == 12


def test_a_gap_that_moves_is_seen_and_a_drift_all_treated_share_is_not_one():
    moved = earlier_gaps(firms(years=5, start=5, gap=0.15), **KEYS, affected="affected", transform="log")
    assert moved.verdict == "concern"
    shared = earlier_gaps(firms(years=5, start=5, growth=0.3), **KEYS, affected="affected", transform="log")
    assert shared.verdict == "pass"


@pytest.mark.parametrize("look", [earlier_growth, earlier_gaps])
def test_what_cannot_be_examined_says_why(look):
    more = {"affected": "affected"} if look is earlier_gaps else {}
    once = look(firms(start=2), **KEYS, **more)
    assert (once.word, once.reason) == ("not examined", "One earlier period only: how they moved before cannot be seen.")
    few = look(firms(n=16), **KEYS, **more, cluster="district" if look is earlier_growth else None)
    assert (few.verdict, few.word) == ("not_applicable", "not examined")
    assert few.reason.startswith("Too few")
    uneven = firms(years=4, start=4).assign(year=lambda d: d["year"].replace({4.0: 9.0, 3.0: 5.0}), first=lambda d: d[
        "first"].replace({4.0: 9.0}))
    assert "not evenly coded" in look(uneven, **KEYS, **more).reason


def test_errors_stand_at_the_level_of_assignment():
    data = firms(n=96, years=4, start=4).assign(district=lambda d: d["firm"] % 24)
    for look, more in ((earlier_growth, {}), (earlier_gaps, {"affected": "affected"})):
        by_firm, by_district = (look(data, **KEYS, **more, cluster=c) for c in (None, "district"))
        assert dict(by_district.details)["largest"] != dict(by_firm.details)["largest"]
        assert dict(by_district.details)["fewest"] == 12
        assert "clusters" in by_district.reason


def test_units_with_zeros_only_before_say_nothing_of_growth():
    data = firms(n=60)
    data.loc[data["firm"].isin([0, 1]) & (data["year"] < 3), "sales"] = 0.0
    rest = earlier_growth(data[~data["firm"].isin([0, 1])], **KEYS)
    assert dict(earlier_growth(data, **KEYS).details)["largest"] == pytest.approx(dict(rest.details)["largest"])


@pytest.mark.parametrize("step", [0.25, 1 / 12, 10.0])
@pytest.mark.parametrize("look", [earlier_growth, earlier_gaps])
def test_leads_are_counted_in_periods(look, step):
    more = {"affected": "affected"} if look is earlier_gaps else {}
    data = firms(years=5, start=5)
    dated = data.assign(year=2000 + data["year"] * step, first=2000 + data["first"] * step)
    one, other = look(data, **KEYS, **more), look(dated, **KEYS, **more)
    assert other.reason == one.reason
    assert "before treatment, against still earlier periods" in one.reason


@pytest.mark.parametrize("look", [earlier_growth, earlier_gaps])
def test_units_left_with_one_earlier_row_say_nothing_and_missing_rows_are_treated_as_asked(look):
    more = {"affected": "affected"} if look is earlier_gaps else {}
    data = firms(n=80, years=5, start=5)
    once = data["firm"].isin([0, 1, 2, 3]) & data["year"].isin([2, 3, 4])
    gap = data["firm"].isin([4, 5, 6, 7]) & (data["year"] == 3)
    lost = data[~once & ~gap]
    gone = lost[~(lost["firm"].isin([0, 1, 2, 3]) & (lost["year"] < 5) & lost["first"].notna())]  # no earlier row at all
    if look is earlier_gaps:  # there nobody's row from the start on serves
        gone = gone[~gone["firm"].isin([0, 1, 2, 3])]
    assert dict(look(lost, **KEYS, **more).details)["largest"] == pytest.approx(
        dict(look(gone, **KEYS, **more).details)["largest"])
    whole = data[~data["firm"].isin(range(8))]
    assert look(lost, **KEYS, **more, unbalanced="balanced").reason == look(whole, **KEYS, **more).reason
    assert look(lost, **KEYS, **more).reason != look(whole, **KEYS, **more).reason

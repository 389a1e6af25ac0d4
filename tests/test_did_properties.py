"""What must not matter to any difference-in-differences: names, order, calendar, a common level, copies of comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impact.did import absorption as absorption_module
from impact.did import (
    event_study,
    group_time_att,
    imputation,
    placebo_dates,
    poisson,
    stacked,
    sun_abraham,
    synthetic_control,
    synthetic_did,
    triple_difference,
    two_by_two,
    two_way_fixed_effects,
)
from impact.did.absorption import absorb, sweep
from impact.did.paths import event_path
from impact.errors import DesignError
from impact.results import Estimate

modest = settings(max_examples=5, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 10_000)
gaps = st.sampled_from([0.0, 0.12])
NAMES = {"outcome": "sales", "unit": "firm", "time": "year", "first_treated": "first"}
YEARS = np.arange(2001, 2008)

Found = Sequence[Estimate]
Estimator = Callable[..., Found]


def _averages(made, kinds: Sequence[str] = ("simple", "dynamic", "group", "calendar")) -> Found:
    return [row for kind in kinds for row in made.aggregate(kind)]


ALL: dict[str, Estimator] = {
    "two_way_fixed_effects": lambda d, **k: [two_way_fixed_effects(d, **NAMES, **k)],
    "two_way_fixed_effects CR2": lambda d, **k: [two_way_fixed_effects(d, **NAMES, vcov="CR2", **k)],
    "two_by_two": lambda d, **k: [two_by_two(d, **NAMES, periods=[d["year"].min() + 1, d["year"].min() + 3], **k)],
    "event_study": lambda d, **k: event_study(d, **NAMES, **k),
    "group_time_att": lambda d, **k: [*group_time_att(d, **NAMES, **k), *_averages(group_time_att(d, **NAMES, **k))],
    "group_time_att balanced": lambda d, **k: group_time_att(d, **NAMES, unbalanced="balanced", **k),
    "group_time_att cross-section": lambda d, **k: group_time_att(d, **NAMES, unbalanced="repeated_cross_section", **k),
    "imputation": lambda d, **k: _averages(imputation(d, **NAMES, **k)),
    "sun_abraham": lambda d, **k: _averages(sun_abraham(d, **NAMES, **k)),
    "stacked": lambda d, **k: stacked(d, **NAMES, window=(-2, 2), **k),
    "stacked by variance": lambda d, **k: stacked(d, **NAMES, window=(-2, 2), corrective_weights=False, **k),
    "triple_difference": lambda d, **k: [triple_difference(d, **NAMES, affected="affected", **k)],
    "poisson": lambda d, **k: [poisson(d, **NAMES, **k)],
    "synthetic_control": lambda d, **k: [synthetic_control(areas_of(d), **NAMES, **k)],
    "synthetic_did": lambda d, **k: [synthetic_did(areas_of(d), **NAMES, **k)],
    "placebo_dates": lambda d, **k: placebo_dates(imputation, d, **NAMES, shifts=(1,), leads=0, **k),
}


def firms(seed: int, missing: float = 0.0, starts: Sequence[float] = (2003, 2004, 2005), units: int = 90) -> pd.DataFrame:
    """Firms over seven years, half of them first treated in one of the starts; a share of rows is missing."""
    rng = np.random.default_rng(seed)
    first = np.where(np.arange(units) % 2, np.array(starts)[np.arange(units) // 2 % len(starts)], np.nan)
    on = YEARS[None, :] >= first[:, None]
    sales = 30 + rng.normal(size=(units, 1)) + rng.normal(size=(units, 7)) + 0.2 * np.arange(7) + on * rng.uniform(1, 3)
    data = pd.DataFrame({"firm": np.repeat([f"F{i:03d}" for i in range(units)], 7), "year": np.tile(YEARS, units),
                         "first": np.repeat(first, 7), "affected": np.repeat(np.arange(units) // 2 % 2, 7),
                         "sales": sales.ravel()})
    return data[rng.random(len(data)) >= missing].reset_index(drop=True)


def areas_of(data: pd.DataFrame) -> pd.DataFrame:
    """Firms seen in every year, of those treated only the one that gained least: what a mix of others can stand for."""
    whole = data[data.groupby("firm")["year"].transform("size") == len(YEARS)]
    ends = whole[whole["first"].notna()].sort_values("year").groupby("firm")["sales"].agg(["first", "last"])
    treated = (ends["last"] - ends["first"]).idxmin()  # the same firm, whatever its name, level and calendar
    return whole[whole["first"].isna() | (whole["firm"] == treated)]


def data_for(name: str, seed: int, missing: float = 0.0) -> pd.DataFrame:
    return firms(seed, missing, (2004,) if name == "triple_difference" else (2003, 2004, 2005))


def numbers(rows: Found) -> np.ndarray:
    """Numbers of all rows, missing ones as −999; rows stand in the same order whatever the calendar."""
    names = ("estimate", "std_error", "conf_low", "conf_high", "p_value", "n", "n_treated", "n_units", "n_clusters")
    table = np.array([[getattr(row, name) for name in names] for row in rows], dtype=float)
    return np.where(np.isnan(table), -999.0, table)


def same(a: Found, b: Found) -> None:
    assert numbers(b) == pytest.approx(numbers(a), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", ALL)
@modest
@given(seed=seeds, missing=gaps)
def test_the_order_of_rows_does_not_matter(name, seed, missing):
    data = data_for(name, seed, missing)
    same(ALL[name](data), ALL[name](data.sample(frac=1, random_state=seed)))


@pytest.mark.parametrize("name", ALL)
@modest
@given(seed=seeds, missing=gaps, words=st.booleans())
def test_the_names_of_units_do_not_matter(name, seed, missing, words):
    data = data_for(name, seed, missing)
    order = np.random.default_rng(seed).permutation(90)
    other = {f"F{i:03d}": f"{'zyx'[i % 3]}-{order[i]}" if words else int(order[i]) * 7 - 100 for i in range(90)}
    same(ALL[name](data), ALL[name](data.assign(firm=data["firm"].map(other))))


@pytest.mark.parametrize("name", ALL)
@modest
@given(seed=seeds, missing=gaps, shift=st.integers(-2000, 2000))
def test_years_may_be_counted_from_another_start(name, seed, missing, shift):
    data = data_for(name, seed, missing)
    same(ALL[name](data), ALL[name](data.assign(year=data["year"] + shift, first=data["first"] + shift)))


@pytest.mark.parametrize("name", [n for n in ALL if n != "poisson"])
@modest
@given(seed=seeds, missing=gaps, constant=st.floats(-1e4, 1e4))
def test_a_level_all_share_does_not_matter(name, seed, missing, constant):
    data = data_for(name, seed, missing)
    same(ALL[name](data), ALL[name](data.assign(sales=data["sales"] + constant)))


def with_bad_years(data: pd.DataFrame, shock: float) -> pd.DataFrame:
    return data.assign(sales=data["sales"] + shock * np.sin(data["year"]))


@pytest.mark.parametrize("name", [n for n in ALL if n not in ("poisson", "stacked")])
@modest
@given(seed=seeds, missing=gaps, shock=st.floats(-50, 50))
def test_good_and_bad_years_all_share_do_not_matter(name, seed, missing, shock):
    data = data_for(name, seed, missing)
    same(ALL[name](data), ALL[name](with_bad_years(data, shock)))


@pytest.mark.parametrize("missing", [0.0, 0.12])
def test_good_and_bad_years_do_not_matter_to_stacked(missing):
    data = firms(1, missing)
    same(ALL["stacked"](data), ALL["stacked"](with_bad_years(data, 5.0)))


@modest
@given(seed=seeds, missing=gaps, factor=st.floats(0.01, 100))
def test_a_factor_all_share_does_not_matter_to_effects_in_per_cent(seed, missing, factor):
    data = firms(seed, missing)  # growth all share would move it: the likelihood weighs years by their level
    same(ALL["poisson"](data), ALL["poisson"](data.assign(sales=data["sales"] * factor)))


LEVELS_COUNT = ("poisson", "group_time_att cross-section", "synthetic_control")  # a mix is chosen to have the area's level


@pytest.mark.parametrize("name", [n for n in ALL if n not in LEVELS_COUNT])
@modest
@given(seed=seeds, missing=gaps)
def test_levels_of_units_do_not_matter(name, seed, missing):
    data = data_for(name, seed, missing)
    level = data["firm"].map(dict(zip(data["firm"].unique(), np.random.default_rng(seed).normal(0, 20, 90), strict=False)))
    same(ALL[name](data), ALL[name](data.assign(sales=data["sales"] + level)))


def with_copies(data: pd.DataFrame, times: int) -> pd.DataFrame:
    """Never-treated units written several times under other names; ``origin`` says which unit a row copies."""
    data = data.assign(origin=data["firm"])
    never = data[data["first"].isna()]
    return pd.concat([data, *(never.assign(firm=never["firm"] + f"copy{j}") for j in range(1, times))], ignore_index=True)


# with several start dates a regression weighs cohorts by what else is in it: then copies move it, as they should
ONE_START = ("two_way_fixed_effects", "two_way_fixed_effects CR2", "event_study", "imputation", "stacked by variance")
ANY_START = ("two_by_two", "group_time_att", "group_time_att balanced", "group_time_att cross-section", "sun_abraham",
             "stacked")
# errors that are a sum over clusters, without factors that count rows
BY_ORIGIN = ("group_time_att", "group_time_att balanced", "group_time_att cross-section", "imputation")


@pytest.mark.parametrize("name", [*ONE_START, *ANY_START])
@modest
@given(seed=seeds, times=st.integers(2, 3))
def test_copies_of_never_treated_units_leave_the_estimates(name, seed, times):
    data = firms(seed, starts=(2004,) if name in ONE_START else (2003, 2004, 2005))
    before = ALL[name](data, control_group="never_treated")
    after = ALL[name](with_copies(data, times), control_group="never_treated")
    values = [[row.estimate for row in rows if np.isfinite(row.estimate)] for rows in (before, after)]
    assert values[1] == pytest.approx(values[0], rel=1e-8)
    errors = [[row.std_error for row in rows if row.std_error] for rows in (before, after)]
    assert errors[1][0] < errors[0][0]  # it looks as if more were known


@pytest.mark.parametrize("name", BY_ORIGIN)
@modest
@given(seed=seeds, times=st.integers(2, 3))
def test_copies_add_nothing_when_they_are_one_cluster(name, seed, times):
    data = firms(seed, starts=(2004,) if name in ONE_START else (2003, 2004, 2005))
    before = ALL[name](data.assign(origin=data["firm"]), control_group="never_treated", cluster="origin")
    after = ALL[name](with_copies(data, times), control_group="never_treated", cluster="origin")
    rows = [[row for row in rows if row.estimand == "att"] for rows in (before, after)]
    assert numbers(rows[1])[:, :5] == pytest.approx(numbers(rows[0])[:, :5], rel=1e-8)


def test_with_several_starts_copies_move_two_way_fixed_effects():
    data = firms(1)
    one, more = (ALL["two_way_fixed_effects"](t)[0] for t in (data, with_copies(data, 3)))
    assert abs(one.estimate - more.estimate) > 1e-4
    assert one.has_caveat("provisional")


@modest
@given(seed=seeds, missing=gaps, shift=st.integers(-50, 50))
def test_what_sensitivity_starts_from_sees_neither_names_nor_calendar(seed, missing, shift):
    data = firms(seed, missing)
    moved = data.sample(frac=1, random_state=seed).assign(
        firm=lambda d: d["firm"].str.slice(1).astype(int) * 3, year=lambda d: d["year"] + shift,
        first=lambda d: d["first"] + shift, sales=lambda d: d["sales"] + 1_000)
    paths = [event_path(group_time_att(t, **NAMES, base_period="universal"))[0] for t in (data, moved)]
    for part in ("before", "after", "covariance", "weights"):
        one, other = (getattr(path, part) for path in paths)
        assert other == pytest.approx(one, rel=1e-6, abs=1e-9)


@modest
@given(seed=seeds, missing=st.sampled_from([0.0, 0.2]), weighted=st.booleans(), columns=st.integers(0, 3))
def test_effects_taken_out_together_are_the_full_dummies(seed, missing, weighted, columns):
    rng = np.random.default_rng(seed)
    data = firms(seed, missing, units=40).sample(frac=1 if seed % 2 else 0.9, random_state=seed)
    units, when = pd.factorize(data["firm"])[0].astype(np.int64), data["year"].to_numpy(dtype=float)
    x = [rng.normal(50 * j, 1, len(data)) for j in range(columns)]
    x += [x[0] + when] if columns else []  # repeats another column once period effects are out
    w = rng.uniform(0.5, 2, len(data)) if weighted else None
    arguments = (data["sales"].to_numpy(), x, [f"x{j}" for j in range(len(x))], units, when, w)
    ours = sweep(*arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(absorption_module, "sweep", lambda *a: None)
        dense = absorb(*arguments)
    assert ours is not None
    assert (ours.names, ours.left_out) == (dense.names, dense.left_out)
    assert ours.left_out == ((f"x{columns}",) if columns else ())
    for part in ("coefficients", "bread", "scores"):
        one, other = getattr(dense, part), getattr(ours, part)
        assert other == pytest.approx(one, rel=1e-9, abs=1e-10 * np.abs(one).max())
    clusters = units // 3
    for kind in ("CR0", "CR1", "CR1S"):
        assert ours.covariance(kind, units, clusters).matrix == pytest.approx(
            dense.covariance(kind, units, clusters).matrix, rel=1e-8, abs=1e-12)


def test_periods_that_no_unit_links_and_sparse_tables_go_by_columns():
    data = firms(1, units=20)
    apart = data[(data["year"] <= 2003) == (data["firm"] < "F010")]
    units, when = pd.factorize(apart["firm"])[0].astype(np.int64), apart["year"].to_numpy(dtype=float)
    assert sweep(apart["sales"].to_numpy(), [], [], units, when) is None
    assert absorb(apart["sales"].to_numpy(), [], [], units, when).left_out == ("period 2007",)
    once = np.repeat(np.arange(30), 2)
    assert sweep(np.arange(60.0), [], [], once, np.arange(60.0)) is None
    with pytest.raises(DesignError, match="cannot be told apart"):
        absorb(data["sales"].to_numpy(), [data["year"].to_numpy(dtype=float)], ["trend"], pd.factorize(data["firm"])[0],
               data["year"].to_numpy(dtype=float), must_keep=("trend",))

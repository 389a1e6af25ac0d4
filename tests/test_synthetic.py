"""One or few treated areas: synthetic control, synthetic difference-in-differences, and the nation without the province."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from support_shared import shared

from impact.did.benchmark import aggregate_benchmark
from impact.did.synthetic import simplex_weights, synthetic_control, synthetic_did
from impact.errors import DataError, DesignError

COLUMNS = {"outcome": "y", "unit": "area", "time": "year", "first_treated": "first"}
# case did_prop99_synthdid: R synthdid 0.0.9 on 39 states, 1970-2000, California treated from 1989
OMEGA = {"Nevada": 0.124489227812917, "New Hampshire": 0.105047578516294, "Connecticut": 0.0782872884996789,
         "Delaware": 0.0703681227256288, "Colorado": 0.0575127872420202, "Illinois": 0.0533878226988751,
         "Utah": 0.0415176579779709, "Arkansas": 0.00344182919005331}
LAMBDA = {"1986": 0.366470631936465, "1987": 0.206453050560177, "1988": 0.427076317503358}


@pytest.fixture(scope="module")
def states() -> pd.DataFrame:
    data = shared("prop99")
    return data.assign(first=np.where(data["state"] == "California", 1989.0, np.nan))


def made(method, data, **more):
    return method(data, outcome="packs", unit="state", time="year", first_treated="first", name_areas=True, **more)


def areas(n: int = 8, years: int = 8, start: int = 2006, effect: float = 3.0, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level, slope = rng.normal(20, 3, n), rng.normal(0.5, 0.2, n)
    rows = [{"area": f"A{i}", "year": 2000 + t, "first": float(start) if i == 0 else np.nan,
             "y": level[i] + slope[i] * t + rng.normal(0, 0.3) + effect * (i == 0 and 2000 + t >= start)}
            for i in range(n) for t in range(years)]
    return pd.DataFrame(rows)


def test_synthetic_did_as_the_authors_package(states):
    e = made(synthetic_did, states)
    # bound of the case: the package stops its search for weights early, ours are exact (see the test of simplex_weights)
    assert e.estimate == pytest.approx(-15.6038278727338, abs=0.005)
    # the placebo spread by the package's formula, root mean square without n − 1; bound of the case
    assert e.std_error == pytest.approx(9.36882809277435, rel=0.02)
    details = dict(e.details)
    assert details["placebo_rank_p"] == pytest.approx(0.0512820512820513, abs=1e-12)
    weights, times = dict(details["weights"]), dict(details["time_weights"])
    assert {name: weights.get(name, 0.0) for name in OMEGA} == pytest.approx(OMEGA, abs=0.02)
    assert {year: times[year] for year in LAMBDA} == pytest.approx(LAMBDA, abs=0.02)
    assert sum(weights.values()) == pytest.approx(1)


def test_synthetic_control_is_the_exact_solution(states):
    """R synthdid's sc stops early at −19.62 (bound of the case 0.15); an exact solver gives −19.514."""
    e = made(synthetic_control, states)
    assert e.estimate == pytest.approx(-19.619663470944, abs=0.15)
    assert e.estimate == pytest.approx(-19.514, abs=5e-4)  # as many digits as it was written down with
    assert e.p_value == pytest.approx(3 / 39)
    assert e.std_error is None
    assert e.interval == ()
    assert dict(e.reasons)["std_error"].startswith("a synthetic control has no standard error")
    assert {c.code for c in e.caveats} == {"few_units", "smallest_p"}


def test_gaps_of_synthetic_did_average_to_its_effect_and_their_weighted_past_is_zero():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"area": np.repeat(np.arange(12), 9), "year": np.tile(np.arange(1, 10), 12),
                         "y": (rng.normal(size=(12, 1)) + rng.normal(size=(12, 9)).cumsum(axis=1)).ravel()})
    data["first"] = np.where(data["area"] == 0, 6.0, np.nan)
    made = synthetic_did(data, outcome="y", unit="area", time="year", first_treated="first")
    found = dict(made.details)
    gaps = np.array([gap for _, gap in found["gaps"]])
    assert gaps[5:].mean() == pytest.approx(made.estimate)
    assert gaps[:5] @ np.array([w for _, w in found["time_weights"]]) == pytest.approx(0.0, abs=1e-9)


def test_a_fit_that_is_exact_but_for_rounding_ranks_by_what_comes_after():
    """Forty areas and two earlier periods: most placebos fit exactly, and rounding must not order them."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"area": np.repeat(np.arange(40), 4), "year": np.tile(np.arange(1, 5), 40),
                         "y": rng.normal(size=160)})
    data["first"] = np.where(data["area"] == 0, 3.0, np.nan)
    names = {"outcome": "y", "unit": "area", "time": "year", "first_treated": "first"}
    p = synthetic_control(data, **names).p_value
    assert {synthetic_control(data.assign(y=data["y"] + c), **names).p_value for c in (0.1, 39.0, 1e4, -777.7)} == {p}


def test_simplex_weights_meet_the_conditions_of_an_optimum():
    rng = np.random.default_rng(3)
    for ridge, intercept in ((0.0, False), (0.7, True), (1e-6, True)):
        x, y = rng.normal(size=(12, 7)), rng.normal(size=12)
        w = simplex_weights(x, y, ridge, intercept=intercept)
        a, b = (x - x.mean(axis=0), y - y.mean()) if intercept else (x, y)
        gradient = 2 * a.T @ (a @ w - b) + 2 * ridge**2 * 12 * w
        assert w.min() >= 0
        assert w.sum() == pytest.approx(1)
        used = w > 1e-9
        assert gradient[used] == pytest.approx(gradient[used].mean(), abs=1e-6)
        assert (gradient[~used] >= gradient[used].mean() - 1e-6).all()
        found = optimize.minimize(lambda v, a=a, b=b, r=ridge: ((a @ v - b) ** 2).sum() + r**2 * 12 * (v**2).sum(),
                                  np.full(7, 1 / 7), bounds=[(0, 1)] * 7, method="SLSQP",
                                  constraints={"type": "eq", "fun": lambda v: v.sum() - 1}, options={"ftol": 1e-14})
        assert w == pytest.approx(found.x, abs=1e-5)  # as near as that optimiser comes


def test_a_mix_that_fits_exactly_gives_the_gap_by_hand():
    """The treated area is the mean of the first two others until 2003, and 5 above it after."""
    others = np.array([[10.0, 12, 11, 13, 14], [20, 21, 25, 24, 26], [40, 50, 10, 80, 90]])
    treated = others[:2].mean(axis=0) + np.array([0, 0, 0, 5, 5])
    table = pd.DataFrame([{"area": a, "year": 2000 + t, "first": 2003.0 if a == "T" else np.nan, "y": v}
                          for a, row in zip("TXYZ", np.vstack([treated, others]), strict=True) for t, v in enumerate(row)])
    e = synthetic_control(table, **COLUMNS, name_areas=True)
    assert e.estimate == pytest.approx(5)
    assert dict(e.details)["weights"] == (("X", pytest.approx(0.5)), ("Y", pytest.approx(0.5)))
    assert e.p_value == pytest.approx(1 / 4)
    assert e.comparison_mean == pytest.approx(others[:2, 3:].mean())


@pytest.mark.parametrize("method", [synthetic_control, synthetic_did])
def test_what_should_not_matter_does_not(method):
    data = areas()
    first = method(data, **COLUMNS)
    shifted = method(data.assign(year=data["year"] + 10, first=data["first"] + 10), **COLUMNS)
    relabelled = method(data.assign(area="Z" + data["area"]).sample(frac=1, random_state=2), **COLUMNS)
    scaled = method(data.assign(y=data["y"] * 130), **COLUMNS)
    assert shifted.estimate == pytest.approx(first.estimate)
    assert relabelled.estimate == pytest.approx(first.estimate)
    assert scaled.estimate == pytest.approx(130 * first.estimate)
    assert scaled.p_value == pytest.approx(first.p_value)


def test_area_names_stay_out_of_the_record_unless_asked_for():
    assert "A1" not in str(synthetic_control(areas(), **COLUMNS).details)
    assert "A" in dict(synthetic_control(areas(), **COLUMNS, name_areas=True).details)["weights"][0][0]


@pytest.mark.parametrize(("change", "words"), [
    (lambda d: d.assign(first=d["first"].where(d["area"] != "A1", 2005.0)), "2 start periods (2005, 2006)"),
    (lambda d: d.assign(first=np.nan), "no area is ever treated"),
    (lambda d: d[d["year"] >= 2005], "1 periods before"),
    (lambda d: d[(d["area"] != "A0") | (d["year"] != 2003)], "treated areas lack a period"),
    (lambda d: d[d["area"].isin(["A0", "A1"])], "1 treated and 1 other areas"),
])
def test_what_one_area_cannot_carry_is_refused(change, words):
    with pytest.raises(DesignError) as error:
        synthetic_control(change(areas()), **COLUMNS)
    assert words in str(error.value)


def test_an_area_with_a_gap_is_in_the_ledger():
    data = areas()
    e = synthetic_did(data[(data["area"] != "A3") | (data["year"] != 2002)], **COLUMNS)
    assert [(d.reason, d.n_rows, d.n_units) for d in e.dropped] == [("period_missing", 7, 1)]
    assert e.n_units == 7


def test_several_treated_areas_use_seeded_placebo_groups():
    data = areas(10)
    data["first"] = data["first"].where(data["area"] != "A1", 2006.0)
    one, two = (synthetic_did(data, **COLUMNS, seed=4) for _ in range(2))
    assert one.std_error == two.std_error
    assert len(dict(one.details)["placebo_effects"]) == 200


def test_several_treated_areas_are_ranked_among_all_groups_of_as_many():
    """By hand: every pair of nine areas is declared treated in turn, and set against the seven others."""
    data = areas(9, effect=2.0)
    data["first"] = np.where(data["area"].isin(["A0", "A1"]), 2006.0, np.nan)
    found = synthetic_control(data, **COLUMNS)
    ratios = {}
    for pair in itertools.combinations([f"A{i}" for i in range(9)], 2):
        gaps = np.array([v for _, v in dict(synthetic_control(
            data.assign(first=np.where(data["area"].isin(pair), 2006.0, np.nan)), **COLUMNS).details)["gaps"]])
        ratios[pair] = (gaps[6:] ** 2).mean() / (gaps[:6] ** 2).mean()
    by_hand = np.mean([r >= ratios["A0", "A1"] * (1 - 1e-10) for r in ratios.values()])
    assert found.p_value == pytest.approx(by_hand, abs=1e-12)
    assert found.std_error is None
    assert dict(next(c for c in found.caveats if c.code == "smallest_p").values)["smallest_p"] == pytest.approx(1 / 36)


def test_the_rank_of_several_areas_holds_its_size_without_an_effect():
    hits = 0
    for seed in range(60):
        data = areas(8, effect=0.0, seed=seed)
        data["first"] = np.where(data["area"].isin(["A2", "A5"]), 2006.0, np.nan)
        hits += synthetic_control(data, **COLUMNS).p_value <= 0.1
    assert hits <= 12  # 6 expected; 12 or fewer in 99 of 100 runs of 60


def test_many_groups_are_drawn_with_a_seed():
    data = districts(each=1, treated=5)
    one, two = (synthetic_control(data, **KEYS, draws=49, seed=3) for _ in range(2))
    assert one.p_value == two.p_value
    assert one.p_value >= 1 / 50
    with pytest.raises(ValueError, match="whole number, at least 19"):
        synthetic_control(data, **KEYS, draws=3)


@pytest.mark.slow
def test_placebo_errors_cover_when_areas_are_alike():
    held = 0
    for seed in range(400):
        e = synthetic_did(areas(20, effect=1.0, seed=seed), **COLUMNS)
        held += e.conf_low <= 1.0 <= e.conf_high
    assert 0.90 <= held / 400 <= 0.99


def provinces() -> pd.DataFrame:
    return pd.DataFrame({"place": ["P"] * 5 + ["N"] * 5, "year": [2001, 2002, 2003, 2004, 2005] * 2,
                         "rate": [10.0, 12, 11, 15, 16, 20.0, 21, 22, 23, 24], "people": [10.0] * 5 + [50.0] * 5})


def benchmark(data, **more):
    return aggregate_benchmark(data, **({"outcome": "rate", "unit": "place", "time": "year", "area": "P", "nation": "N",
                                         "start": 2004, "population": "people"} | more))


def test_the_nation_without_the_province_by_hand():
    e = benchmark(provinces())
    rest = (np.array([20.0, 21, 22, 23, 24]) * 50 - np.array([10.0, 12, 11, 15, 16]) * 10) / 40
    gap = np.array([10.0, 12, 11, 15, 16]) - rest
    assert [v for _, v in dict(e.details)["rest"]] == pytest.approx(rest)
    assert e.estimate == pytest.approx(gap[3:].mean() - gap[:3].mean())
    assert e.std_error == pytest.approx(gap[:3].std(ddof=1) * np.sqrt(1 / 3 + 1 / 2))
    assert e.df == 2
    assert {c.code for c in e.caveats} == {"few_units", "few_periods"}
    # left in the nation, the province would hide a part of its own change
    naive = (np.array([10.0, 12, 11, 15, 16]) - np.array([20.0, 21, 22, 23, 24]))
    assert abs(naive[3:].mean() - naive[:3].mean()) < abs(e.estimate)


def test_totals_are_subtracted():
    e = benchmark(provinces(), kind="total", population=None)
    assert dict(e.details)["rest"] == (("2001", 10.0), ("2002", 9.0), ("2003", 11.0), ("2004", 8.0), ("2005", 8.0))


@pytest.mark.parametrize(("change", "words"), [
    ({"population": None}, "cannot be freed of the area"), ({"start": 2002}, "1 periods before"),
    ({"area": "Q"}, "'Q' is not in it"), ({"start": 2010}, "0 after 2010")])
def test_benchmarks_that_cannot_be_made_are_refused(change, words):
    with pytest.raises((DesignError, DataError)) as error:
        benchmark(provinces(), **change)
    assert words in str(error.value)


def test_a_missing_year_is_in_the_ledger_with_its_counterpart_and_named():
    assert benchmark(provinces()).dropped == ()
    data = pd.concat([provinces(), provinces().iloc[:5].assign(place="Q")], ignore_index=True)
    data.loc[8, "rate"] = np.nan  # the nation's figure of 2004
    e = benchmark(data.drop(index=1).reset_index(drop=True))  # and the province has no row for 2002
    assert [(d.reason, d.rows, d.text.split(" has")[0]) for d in e.dropped[1:]] == [
        ("outcome_missing", (8,), "rate is missing"), ("no_counterpart", (6,), "the area"),
        ("no_counterpart", (3,), "the nation")]
    assert (e.dropped[0].reason, e.dropped[0].rows) == ("other_area", (10, 11, 12, 13, 14))
    assert sum(d.n_rows for d in e.dropped) + e.n == 14
    assert "2002, 2004" in next(c.text for c in e.caveats if c.code == "periods_left_out")
    alone = benchmark(provinces()[provinces()["year"].isin([2001, 2003, 2005])])
    assert e.estimate == pytest.approx(alone.estimate)


def test_a_province_larger_than_the_nation_is_refused():
    with pytest.raises(DataError, match="not between 0 and the nation"):
        benchmark(provinces().assign(people=50.0))


def districts(seed: int = 0, number: int = 16, each: int = 3, years: int = 8, treated: int = 3) -> pd.DataFrame:
    """Firms in districts whose years are good and bad together; the first districts are treated, without effect."""
    rng = np.random.default_rng(seed)
    n, own = number * each, np.repeat(np.arange(number), each)
    y = (rng.normal(size=(n, 1)) + 0.7 * rng.normal(size=(number, years)).cumsum(axis=1)[own]
         + rng.normal(0, 0.5, (n, years)))
    return pd.DataFrame({"area": np.repeat(np.arange(n), years), "year": np.tile(np.arange(1, years + 1), n),
                         "district": np.repeat(own, years), "y": y.ravel(),
                         "first": np.where(np.repeat(own, years) < treated, 7.0, np.nan)})


KEYS = {"outcome": "y", "unit": "area", "time": "year", "first_treated": "first"}


def test_placebos_are_whole_districts_where_districts_were_treated():
    """By hand: each other district is declared treated in turn, without the one that was."""
    data = districts(treated=1, number=6)
    made = synthetic_did(data, **KEYS, cluster="district")
    others = data[data["district"] > 0]
    by_hand = [synthetic_did(others.assign(first=np.where(others["district"] == d, 7.0, np.nan)), **KEYS).estimate
               for d in range(1, 6)]
    assert dict(made.details)["placebo_effects"] == pytest.approx(by_hand)
    assert made.std_error == pytest.approx(np.std(by_hand))
    assert made.estimate == pytest.approx(synthetic_did(data, **KEYS).estimate)
    assert made.se_card.level == "district"
    assert (made.se_card.clusters_treated, made.se_card.clusters_comparison) == (1, 5)
    assert made.se_card.r_call == ""  # R has no such placebos
    assert "in 1 and 5 groups by district" in made.caveats[0].text


def test_districts_of_one_firm_are_the_firms():
    data = districts(each=1)
    assert synthetic_did(data, **KEYS, cluster="district").std_error == pytest.approx(synthetic_did(data, **KEYS).std_error)
    one = districts(each=1, treated=1)
    assert synthetic_control(one, **KEYS, cluster="district").p_value == synthetic_control(one, **KEYS).p_value
    uneven = districts(treated=1)
    uneven = uneven[uneven["area"] != 47]  # one district has two firms left, and cannot change places with the others
    assert synthetic_control(uneven, **KEYS, cluster="district").p_value is None


def test_intervals_hold_where_districts_were_treated():
    """Placebo firms say too little of luck that a district's firms share: 72 of 100 intervals hold the truth, not 93."""
    held = {None: 0, "district": 0}
    for seed in range(60):
        for cluster in held:
            made = synthetic_did(districts(seed), **KEYS, cluster=cluster, draws=40)
            held[cluster] += made.conf_low <= 0 <= made.conf_high
    assert held["district"] >= 52
    assert held[None] <= 48


def test_districts_that_cannot_serve_are_refused():
    with pytest.raises(DesignError, match="2 other and 3 treated groups by 'district'"):
        synthetic_did(districts(number=5), **KEYS, cluster="district")
    moved = districts().assign(district=lambda d: d["district"] + (d["year"] > 4))
    with pytest.raises(DataError, match="it changes within"):
        synthetic_did(moved, **KEYS, cluster="district")


def test_an_outcome_that_is_nowhere_is_said():
    for method in (synthetic_did, synthetic_control):
        with pytest.raises(DesignError, match="no row is complete"):
            method(districts().assign(y=np.nan), **KEYS)


@pytest.mark.parametrize(("given", "said"), [
    ({"start": "2004"}, "start is the first period"), ({"start": None}, "start is the first period"),
    ({"start": float("nan")}, "start is the first period"), ({"nation": "P"}, "two values of 'place'")])
def test_a_benchmark_asked_for_in_words_that_mean_nothing_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        benchmark(provinces(), **given)

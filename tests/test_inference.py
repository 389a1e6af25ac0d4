"""The kernels: numbers worked by hand, identities that must hold exactly, and statsmodels as an independent oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from impact.errors import DesignError
from impact.inference import (
    benjamini_hochberg,
    covariance,
    difference,
    holm,
    infer,
    least_squares,
    satterthwaite_df,
)

close = pytest.approx


def fit_of(x, y, weights=None):
    x = np.asarray(x, dtype=float)
    design = np.column_stack([np.ones(len(x)), x])
    return least_squares(design, np.asarray(y, dtype=float), ["one", *(f"x{j}" for j in range(design.shape[1] - 1))],
                         weights=weights)


# ---- worked by hand


def test_four_points_give_the_five_variances_worked_on_paper():
    # x = -3 -1 1 3, y = 0 2 0 6: slope 16/20 = 0.8, intercept 2, residuals 0.4 0.8 -2.8 1.6,
    # leverage 1/4 + x²/20 = 0.7 0.3 0.3 0.7, variance of the slope = sum of x²·e²·c / 20² with c by kind
    fit = fit_of([-3, -1, 1, 3], [0, 2, 0, 6])
    assert fit.coefficients == close([2.0, 0.8])
    assert fit.residuals == close([0.4, 0.8, -2.8, 1.6])
    by_hand = {
        "classical": 11.2 / 2 / 20,                                    # Σe² = 11.2, n − k = 2
        "HC0": (1.44 + 0.64 + 7.84 + 23.04) / 400,
        "HC1": 2 * (1.44 + 0.64 + 7.84 + 23.04) / 400,                 # n / (n − k) = 2
        "HC2": (1.44 / 0.3 + 0.64 / 0.7 + 7.84 / 0.7 + 23.04 / 0.3) / 400,
        "HC3": (1.44 / 0.09 + 0.64 / 0.49 + 7.84 / 0.49 + 23.04 / 0.09) / 400,
    }
    for kind, variance in by_hand.items():
        assert covariance(fit, kind).matrix[1, 1] == close(variance), kind


def test_a_mean_with_three_clusters_gives_the_cluster_variances_worked_on_paper():
    # y = 1 3 | 5 | 3, mean 3: cluster sums of residuals -2, 2, 0; shares of rows 1/2, 1/4, 1/4; divide by n² = 16
    fit = least_squares(np.ones((4, 1)), np.array([1.0, 3, 5, 3]), ["mean"])
    groups = np.array([0, 0, 1, 2])
    by_hand = {"CR0": 8 / 16, "CR1": 8 / 16 * 3 / 2, "CR1S": 8 / 16 * 3 / 2 * 3 / 3,
               "CR2": (4 / 0.5 + 4 / 0.75) / 16, "CR3": (4 / 0.25 + 4 / 0.5625) / 16}
    for kind, variance in by_hand.items():
        assert covariance(fit, kind, groups).matrix[0, 0] == close(variance), kind


def test_welch_with_three_and_three_values():
    # 2 4 6: mean 4, variance 4; 1 2 3: mean 2, variance 1; SE² = 4/3 + 1/3; df = (5/3)² / ((4/3)²/2 + (1/3)²/2) = 50/17
    found = difference(np.array([2.0, 4, 6, 1, 2, 3]), np.array([1.0, 1, 1, 0, 0, 0]))
    assert (found.estimate, found.std_error, found.df) == close((2.0, math.sqrt(5 / 3), 50 / 17))


def test_two_blocks_are_weighted_by_their_size():
    # block 1 (4 rows): 5 7 against 1 3: effect 4, SE² = 2/2 + 2/2 = 2; block 2 (6 rows): 2 4 6 against 1 2 3: 2, 5/3
    y = np.array([5.0, 7, 1, 3, 2, 4, 6, 1, 2, 3])
    d = np.array([1.0, 1, 0, 0, 1, 1, 1, 0, 0, 0])
    found = difference(y, d, blocks=np.repeat([0, 1], [4, 6]))
    assert found.estimate == close(0.4 * 4 + 0.6 * 2)
    assert found.std_error == close(math.sqrt(0.16 * 2 + 0.36 * 5 / 3))
    assert found.df == 10 - 2 * 2


def test_three_pairs_use_the_spread_of_their_differences():
    # differences 1, 3, 2: mean 2, standard deviation 1, SE = 1/√3, df = 2
    y = np.array([3.0, 2, 7, 4, 6, 4])
    found = difference(y, np.array([1.0, 0] * 3), blocks=np.repeat([0, 1, 2], 2), pairs=True)
    assert (found.estimate, found.std_error, found.df) == close((2.0, 1 / math.sqrt(3), 2.0))


def test_pairs_of_clusters_compare_their_means():
    # pair 1: clusters (2, 4) and (1, 1): 3 - 1 = 2; pair 2: (6, 8) and (2, 4): 7 - 3 = 4; mean 3, SE = 1, df = 1
    y = np.array([2.0, 4, 1, 1, 6, 8, 2, 4])
    found = difference(y, np.array([1.0, 1, 0, 0] * 2), blocks=np.repeat([0, 1], 4), clusters=np.arange(8) // 2, pairs=True)
    assert (found.estimate, found.std_error, found.df) == close((3.0, 1.0, 1.0))


def test_an_r_call_is_printed_for_pairs_only_where_r_gives_the_same_number():
    y, d = np.array([2.0, 4, 1, 6, 2]), np.array([1.0, 1, 0, 1, 0])
    uneven = difference(y, d, blocks=np.repeat([0, 1], [3, 2]), clusters=np.array([0, 0, 1, 2, 3]), pairs=True)
    assert uneven.r_call == ""
    even = difference(y[1:], d[1:], blocks=np.repeat([0, 1], 2), pairs=True)
    assert "blocks = pair" in even.r_call


def test_bell_mccaffrey_df_of_two_groups_is_the_closed_form():
    # three and two values: (1/3 + 1/2)² / (1/(9·2) + 1/(4·1)) = 25/11
    fit = fit_of([1, 1, 1, 0, 0], [3, 5, 4, 1, 2])
    cov = covariance(fit, "CR2")
    assert satterthwaite_df(fit, cov, np.array([0.0, 1.0])) == close(25 / 11)
    assert cov.matrix == close(covariance(fit, "HC2").matrix)


def test_holm_and_benjamini_hochberg_on_four_p_values():
    # sorted 0.005 0.01 0.03 0.04; Holm 4·0.005, 3·0.01, 2·0.03, max(0.04, 0.06); BH 4·0.005, 4/2·0.01, 4/3·0.03, 0.04
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == close([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p) == close([0.02, 0.04, 0.04, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == benjamini_hochberg([]) == []


def test_an_interval_owns_its_level_and_agrees_with_its_test():
    low = infer(2.0, 1.0, 10)
    assert low.p_value == close(2 * stats.t(10).sf(2.0))
    assert (low.conf_low, low.conf_high) == close((2 - stats.t(10).ppf(0.975), 2 + stats.t(10).ppf(0.975)))
    at_p = infer(2.0, 1.0, 10, 1 - low.p_value)
    assert at_p.conf_low == close(0.0, abs=1e-12)
    assert infer(2.0, 1.0, None).conf_high == close(2 + stats.norm.ppf(0.975))
    for bad in (0.2, 1.0, 95, math.nan):
        with pytest.raises(ValueError, match=r"0\.95"):
            infer(1.0, 1.0, None, bad)


@pytest.mark.parametrize(("error", "df"), [(0.0, 5), (math.nan, 5), (1.0, 0), (1.0, math.nan)])
def test_a_number_that_does_not_exist_is_none_with_its_reason(error, df):
    found = infer(1.0, error, df)
    assert found.p_value is None
    assert found.conf_low is None
    assert found.reason


# ---- identities


def clusters_with_everything(rng):
    """Clusters of unequal size, one of them explained completely by its own dummy."""
    groups = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 7, 3])
    n = len(groups)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2)), (groups < 4) * 1.0, (groups == 0) * 1.0])
    return x, groups


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_cr2_is_exactly_unbiased_under_its_working_model(weighted, single):
    # V is quadratic in y, so its mean under independent errors of variance 1 is the sum of V over the unit vectors
    rng = np.random.default_rng(3)
    x, groups = clusters_with_everything(rng)
    if single:
        groups = np.arange(len(groups))
    w = rng.uniform(0.5, 2, len(x)) if weighted else None
    names = [f"x{j}" for j in range(x.shape[1])]
    fits = [least_squares(x, y, names, weights=w) for y in np.eye(len(x))]
    mean = sum(covariance(fit, "CR2", groups).matrix for fit in fits)
    weights = np.ones(len(x)) if w is None else w
    truth = fits[0].bread @ (x.T * weights**2 @ x) @ fits[0].bread
    estimable = [1, 2, 3]  # the dummy of the cluster that explains itself has no residual to learn from
    assert mean[np.ix_(estimable, estimable)] == close(truth[np.ix_(estimable, estimable)], rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["CR0", "CR1S", "CR2", "CR3"])
def test_satterthwaite_df_matches_the_two_moments_of_the_variance(kind, weighted):
    # V(y) = y'Qy; under independent normal errors E = tr Q and Var = 2 tr Q², so df = (tr Q)² / tr Q²
    rng = np.random.default_rng(4)
    x, groups = clusters_with_everything(rng)
    n = len(x)
    w = rng.uniform(0.5, 2, n) if weighted else None
    pick = np.array([0, 1.0, 0, 0.5, 0])
    names = [f"x{j}" for j in range(5)]

    def value(y):
        return pick @ covariance(least_squares(x, y, names, weights=w), kind, groups).matrix @ pick

    unit = np.eye(n)
    alone = [value(y) for y in unit]
    q = np.array([[(value(unit[i] + unit[j]) - alone[i] - alone[j]) / 2 if i != j else alone[i] for j in range(n)]
                  for i in range(n)])
    fit = least_squares(x, rng.normal(size=n), names, weights=w)
    assert satterthwaite_df(fit, covariance(fit, kind, groups), pick) == close(np.trace(q) ** 2 / np.trace(q @ q))


def test_cr3_is_the_jackknife_over_clusters():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(6), 5)
    x = np.column_stack([np.ones(30), rng.normal(size=(30, 2))])
    y = rng.normal(size=30)
    fit = least_squares(x, y, ["a", "b", "c"])
    without = np.array([np.linalg.lstsq(x[groups != g], y[groups != g], rcond=None)[0] for g in range(6)])
    spread = without - fit.coefficients
    assert covariance(fit, "CR3", groups).matrix == close(spread.T @ spread)


def test_clusters_of_one_row_are_the_heteroskedastic_variances():
    rng = np.random.default_rng(6)
    fit = fit_of(rng.normal(size=(20, 2)), rng.normal(size=20))
    for kind, same in (("CR0", "HC0"), ("CR2", "HC2"), ("CR3", "HC3"), ("CR1S", "HC1")):
        factor = 20 / 19 * 19 / 17 / (20 / 17) if kind == "CR1S" else 1.0
        assert covariance(fit, kind).matrix == close(factor * covariance(fit, same).matrix)


def test_a_column_that_repeats_others_is_left_out_and_named():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(20, 2))
    fit = fit_of(np.column_stack([x, x[:, 0] - 2 * x[:, 1], np.zeros(20)]), rng.normal(size=20))
    assert fit.left_out == ("x2", "x3")
    assert fit.names == ("one", "x0", "x1")


def test_a_column_of_very_different_size_is_not_taken_for_a_repeat():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(30, 2)) * [1e-9, 1e9]
    assert fit_of(x, rng.normal(size=30)).left_out == ()


def test_questions_that_cannot_be_answered_are_refused():
    y = np.array([1.0, 2, 3, 4])
    with pytest.raises(DesignError, match="cannot be told apart"):
        least_squares(np.ones((4, 2)), y, ["one", "offered"], must_keep=["offered"])
    with pytest.raises(DesignError, match="too few"):
        least_squares(np.random.default_rng(1).normal(size=(3, 3)), y[:3], list("abc"))
    with pytest.raises(DesignError, match="only one cluster"):
        covariance(fit_of([0, 1, 0, 1], y), "CR1", np.zeros(4, dtype=np.int64))
    with pytest.raises(ValueError, match="vcov must be one of"):
        covariance(fit_of([0, 1, 0, 1], y), "HC9")
    with pytest.raises(DesignError, match="two on each side"):
        difference(y, np.array([1.0, 0, 0, 0]))
    with pytest.raises(DesignError, match="one treated and one comparison"):
        difference(y, np.array([1.0, 1, 1, 0]), blocks=np.array([0, 0, 1, 1]), pairs=True)
    with pytest.raises(DesignError, match="one pair"):
        difference(y[:2], np.array([1.0, 0]), blocks=np.array([0, 0]), pairs=True)
    with pytest.raises(DesignError, match="form a pair"):
        difference(y, np.array([1.0, 0, 1, 0]), pairs=True)


# ---- an independent package


@pytest.fixture
def sample():
    rng = np.random.default_rng(9)
    x = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    return x, x @ [1.0, 2, 3] + rng.normal(size=60) * (1 + abs(x[:, 1])), np.repeat(np.arange(12), 5)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_heteroskedastic_variances_agree_with_statsmodels(sample, kind):
    x, y, _ = sample
    assert covariance(least_squares(x, y, list("abc")), kind).matrix == close(
        sm.OLS(y, x).fit(cov_type=kind).cov_params(), rel=1e-9)


def test_weighted_and_clustered_variances_agree_with_statsmodels(sample):
    x, y, groups = sample
    w = np.linspace(0.5, 3, 60)
    ours = least_squares(x, y, list("abc"), weights=w)
    theirs = sm.WLS(y, x, weights=w)
    assert ours.coefficients == close(theirs.fit().params)
    assert covariance(ours, "classical").matrix == close(theirs.fit().cov_params())
    for kind in ("HC0", "HC1"):
        assert covariance(ours, kind).matrix == close(theirs.fit(cov_type=kind).cov_params())
    clustered = theirs.fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert covariance(ours, "CR1S", groups).matrix == close(clustered.cov_params())


def test_adjusted_p_values_agree_with_statsmodels():
    p = np.random.default_rng(10).uniform(size=15) ** 3
    assert holm(p) == close(list(sm.stats.multipletests(p, method="holm")[1]))
    assert benjamini_hochberg(p) == close(list(sm.stats.multipletests(p, method="fdr_bh")[1]))

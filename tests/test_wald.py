"""Joint tests of contrasts: Hotelling's T² by its degrees of freedom, against R and by plain matrices."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support_shared import shared

from impact.inference import covariance, least_squares, satterthwaite_df
from impact.inference.wald import hotelling_df, wald_test

CLOSE = {"rel": 1e-6}


def model(weighted=False, every=1):
    """The regression of case inf_tz_clubsandwich_cr2: lnisales0911f ~ dtreat*male + sales08a, 602 rows."""
    data = shared("tanzania_training").dropna(subset=["lnisales0911f", "dtreat", "male", "sales08a"]).iloc[::every]
    design = np.column_stack([np.ones(len(data)), data["dtreat"], data["male"], data["sales08a"],
                              data["dtreat"] * data["male"]])
    fit = least_squares(design, data["lnisales0911f"].to_numpy(), ["one", "dtreat", "male", "sales08a", "both"],
                        weights=data["age"].to_numpy() / 40 if weighted else None)
    return fit, pd.factorize(data["mecid"])[0].astype(np.int64)


def rows(fit, *names):
    return np.eye(fit.k)[[fit.index(name) for name in names]]


@pytest.mark.parametrize(("kind", "statistic", "df", "p"), [  # stored case inf_tz_wald_htz, clubSandwich 0.5.8
    ("chi-sq", 1.8548373489273, None, 0.15647839198353), ("Naive-F", 1.8548373489273, 63, 0.16492230172972),
    ("HTZ", 1.8169936336205, 48.013088009192, 0.173510751857818)])
def test_the_stored_case_of_the_tanzanian_trial_is_made_again(kind, statistic, df, p):
    fit, clusters = model()
    test = wald_test(fit, covariance(fit, "CR2", clusters), rows(fit, "dtreat", "both"), kind)
    assert (test.kind, test.df_num, test.reason) == (kind, 2, "")
    assert test.statistic == pytest.approx(statistic, **CLOSE)
    assert test.df_denom is None if df is None else test.df_denom == pytest.approx(df, **CLOSE)
    assert test.p_value == pytest.approx(p, **CLOSE)


# R 4.2.2, clubSandwich 0.5.8: Wald_test(lm(lnisales0911f ~ dtreat*male + sales08a[, weights = age/40]),
# constrain_zero(...), vcov = vcovCR(m, cluster = mecid, type = <kind>), test = "HTZ"): Fstat, df_denom, p_val
CLUBSANDWICH = [
    ("CR0", False, ("dtreat", "male", "both"), 4.37273163172176, 40.2842221129443, 0.0093415820414215),
    ("CR1", False, ("dtreat", "male", "both"), 4.3044076999761, 40.2842221129443, 0.0100436808788332),
    ("CR2", False, ("dtreat", "male", "both"), 3.90797426417541, 39.7605444249995, 0.0154589909624405),
    ("CR3", False, ("dtreat", "male", "both"), 3.38037590689433, 39.2004375561483, 0.0276011468729515),
    ("CR1S", True, ("dtreat", "both"), 1.61876465291564, 47.6691612362914, 0.2088450256688),
    ("CR2", True, ("dtreat", "both"), 1.57409663520049, 47.2192116624829, 0.217872712190733),
    ("CR3", True, ("dtreat", "both"), 1.49652617996466, 46.8499479873434, 0.234414149140297),
]


@pytest.mark.parametrize(("vcov", "weighted", "names", "statistic", "df", "p"), CLUBSANDWICH)
def test_it_is_clubsandwich_for_each_covariance_with_and_without_weights(vcov, weighted, names, statistic, df, p):
    fit, clusters = model(weighted)
    test = wald_test(fit, covariance(fit, vcov, clusters), rows(fit, *names))
    assert (test.statistic, test.df_denom, test.p_value) == tuple(pytest.approx(x, **CLOSE) for x in (statistic, df, p))


def test_each_row_its_own_cluster_is_clubsandwich_too():
    fit, _ = model(every=6)
    test = wald_test(fit, covariance(fit, "CR2"), rows(fit, "dtreat", "both"))
    # every sixth row (101), R as above with cluster = the row
    assert (test.statistic, test.df_denom, test.p_value) == tuple(pytest.approx(x, **CLOSE) for x in (
        1.92567017198658, 40.6914626324926, 0.158831567723764))


@pytest.fixture
def small():
    """Nine clusters of unequal size, three arms: small enough for n × n matrices."""
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(9), [3, 5, 2, 4, 6, 3, 4, 2, 5])
    arm = clusters % 3
    design = np.column_stack([np.ones(34), arm == 1, arm == 2, rng.normal(size=34)]).astype(float)
    outcome = rng.normal(size=34) + rng.normal(size=9)[clusters]
    return design, outcome, clusters, rng.uniform(0.5, 2, 34)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("vcov", ["CR1", "CR2", "CR3"])
def test_the_degrees_of_freedom_are_those_of_the_n_by_n_matrices(small, vcov, weighted):
    design, outcome, clusters, weights = small
    fit = least_squares(design, outcome, list("abcd"), weights=weights if weighted else None)
    cov, c = covariance(fit, vcov, clusters), np.eye(4)[[1, 2]]
    w = weights if weighted else np.ones(34)
    residual_maker = np.eye(34) - design @ fit.bread @ (design * w[:, None]).T
    forms = np.empty((2, 9, 34))  # p_sg: the weights on the errors of contrast s's score in cluster g
    for g in range(9):
        inside = clusters == g
        forms[:, g] = c @ fit.bread @ cov.adjusted[inside].T @ residual_maker[inside]
    values, vectors = np.linalg.eigh(np.einsum("sgi,tgi->st", forms, forms))
    forms = np.einsum("st,tgi->sgi", vectors @ np.diag(values**-0.5) @ vectors.T, forms)
    inner = np.einsum("sgi,thi->stgh", forms, forms)
    variance = sum((inner[s, s] * inner[t, t]).sum() + (inner[s, t] * inner[s, t].T).sum()
                   for s in range(2) for t in range(2))
    assert hotelling_df(fit, cov, c) == pytest.approx(6 / variance, rel=1e-10)


def test_one_contrast_is_the_t_test_with_satterthwaite_df(small):
    design, outcome, clusters, _ = small
    fit = least_squares(design, outcome, list("abcd"))
    cov, pick = covariance(fit, "CR2", clusters), np.array([0.0, 1.0, -1.0, 0.0])
    test, df = wald_test(fit, cov, pick), satterthwaite_df(fit, cov, pick)
    t = float(pick @ fit.coefficients) / cov.std_error(pick)
    assert (test.statistic, test.df_denom) == (pytest.approx(t**2), pytest.approx(df))
    assert test.p_value == pytest.approx(2 * stats.t.sf(abs(t), df))


def test_by_hand_two_means_each_against_zero():
    # two groups of two, each row its own cluster: means 2 and 4, each HC2 variance s²/n = 2/2 = 1 and 8/2 = 4, so that
    # Q = 2²/1 + 4²/4 = 8 and F = 4. D is diagonal with independent entries, each ½·(e1 − e2)² of variance 2:
    # η = 2·3/(2 + 2) = 1.5; HTZ is (1.5 − 1)/1.5·4 = 4/3 on 2 and 0.5 df
    fit = least_squares(np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]), np.array([1.0, 3, 2, 6]), ["a", "b"])
    test = wald_test(fit, covariance(fit, "CR2"), np.eye(2))
    assert (test.statistic, test.df_denom) == (pytest.approx(4 / 3), pytest.approx(0.5))
    assert wald_test(fit, covariance(fit, "CR2"), np.eye(2), "chi-sq").statistic == pytest.approx(4)


@pytest.mark.parametrize("kind", ["HTZ", "chi-sq", "Naive-F"])
def test_only_the_hypothesis_matters_not_how_it_is_written(small, kind):
    design, outcome, clusters, _ = small
    fit = least_squares(design, outcome, list("abcd"))
    cov, c = covariance(fit, "CR2", clusters), np.eye(4)[[1, 2]]
    first, second = wald_test(fit, cov, c, kind), wald_test(fit, cov, np.array([[2.0, 1], [-3e4, 5e4]]) @ c, kind)
    scaled = least_squares(design, 1e6 * outcome, list("abcd"))
    third = wald_test(scaled, covariance(scaled, "CR2", clusters), c, kind)
    order = np.random.default_rng(1).permutation(34)
    turned = least_squares(design[order], outcome[order], list("abcd"))
    fourth = wald_test(turned, covariance(turned, "CR2", (8 - clusters)[order]), c, kind)
    for other in (second, third, fourth):
        assert (other.statistic, other.p_value) == (pytest.approx(first.statistic), pytest.approx(first.p_value))


@pytest.mark.parametrize("vcov", ["classical", "HC1", "HC2"])
def test_without_clusters_it_is_the_f_test(small, vcov):
    sm = pytest.importorskip("statsmodels.api")
    design, outcome, _, _ = small
    fit = least_squares(design, outcome, list("abcd"))
    test = wald_test(fit, covariance(fit, vcov), np.eye(4)[[1, 2]])
    peer = sm.OLS(outcome, design).fit(cov_type="nonrobust" if vcov == "classical" else vcov, use_t=True)
    other = peer.f_test(np.eye(4)[[1, 2]])
    assert (test.kind, test.df_denom) == ("Naive-F", 30)
    assert (test.statistic, test.p_value) == (pytest.approx(float(other.fvalue)), pytest.approx(float(other.pvalue)))


def test_too_few_clusters_give_a_reason_and_no_number(small):
    design, outcome, clusters, _ = small
    fit = least_squares(design, outcome, list("abcd"))
    two = wald_test(fit, covariance(fit, "CR2", (clusters > 4).astype(np.int64)), np.eye(4)[[1, 2, 3]])
    assert (two.statistic, two.p_value, two.df_denom) == (None, None, None)
    assert "2 clusters cannot carry a joint test of 3 contrasts" in two.reason
    three = wald_test(fit, covariance(fit, "CR2", clusters // 3), np.eye(4)[[1, 2, 3]])
    assert (three.statistic, three.p_value) == (None, None)
    assert "1.9 degrees of freedom, too few for 3 contrasts" in three.reason


@pytest.mark.parametrize(("contrasts", "kind", "said"), [
    (np.eye(4)[[1, 1]], "HTZ", "repeat each other"), (np.zeros((1, 4)), "HTZ", "repeat each other"),
    (np.eye(3), "HTZ", "must have 4 columns"), (np.empty((0, 4)), "HTZ", "must have 4 columns"),
    (np.eye(4)[[1]], "F", "kind must be one of")])
def test_contrasts_that_make_no_hypothesis_are_refused(small, contrasts, kind, said):
    fit = least_squares(small[0], small[1], list("abcd"))
    with pytest.raises(ValueError, match=said):
        wald_test(fit, covariance(fit, "CR2", small[2]), contrasts, kind)


@pytest.mark.slow
def test_its_size_is_five_in_a_hundred_with_few_clusters():
    # 3 arms of 5 clusters, no effect, cluster errors: the chi-square law rejects far too often, HTZ does not
    rng, rejected, total = np.random.default_rng(11), np.zeros(2), 10_000
    clusters = np.repeat(np.arange(15), 4)
    design = np.column_stack([np.ones(60), clusters % 3 == 1, clusters % 3 == 2]).astype(float)
    contrasts = np.eye(3)[[1, 2]]
    for _ in range(total):
        outcome = rng.normal(size=60) + rng.normal(size=15)[clusters]
        fit = least_squares(design, outcome, list("abc"))
        cov = covariance(fit, "CR2", clusters)
        rejected += [wald_test(fit, cov, contrasts, kind).p_value < 0.05 for kind in ("HTZ", "chi-sq")]
    rate, error = rejected / total, math.sqrt(0.05 * 0.95 / total)
    print(f"\nHTZ {rate[0]:.4f}, chi-square {rate[1]:.4f} (Monte-Carlo error {error:.4f})")
    assert 0.02 < rate[0] < 0.05 + 3 * error  # conservative with few clusters (Pustejovsky & Tipton 2018, figure 2)
    assert rate[1] > 0.1

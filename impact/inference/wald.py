"""Joint tests of several contrasts of coefficients, with the small-sample law clusters call for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import linalg, stats

from impact.inference.linear import Array, Fit
from impact.inference.sandwich import Covariance, meat, sum_by_cluster

KINDS = ("HTZ", "chi-sq", "Naive-F")
SINGULAR = 1e-10  # relative size of a pivot below which contrasts, or their errors, repeat each other


@dataclass(frozen=True, slots=True, kw_only=True)
class WaldTest:
    """A joint test of q contrasts.

    Attributes
    ----------
    statistic : on the scale of F, the quadratic form over q (for HTZ times (η − q + 1)/η); None where it does not exist.
    df_num : q.
    df_denom : denominator df; None for the chi-square law, and where there is no test.
    p_value : None where there is no test.
    kind : the law that was used, one of :data:`KINDS`, or "lots" where the lots were drawn again instead.
    reason : why there is no test; empty where there is one.
    """

    statistic: float | None
    df_num: int
    df_denom: float | None
    p_value: float | None
    kind: str
    reason: str = ""


def wald_test(fit: Fit, cov: Covariance, contrasts: Array, kind: str = "HTZ") -> WaldTest:
    """Test that several contrasts of the coefficients are all zero.

    Parameters
    ----------
    fit, cov : a regression and the covariance of its coefficients.
    contrasts : (q, k), one contrast a row, none a combination of the others.
    kind : "HTZ" (approximate Hotelling T², for clustered covariances), "chi-sq" or "Naive-F" (clusters − 1).

    Returns
    -------
    WaldTest
        With an unclustered covariance "HTZ" is the F test with n − k df and ``kind`` says "Naive-F".

    Raises
    ------
    ValueError
        When the kind is unknown, the shape does not fit, or the contrasts repeat each other.

    Notes
    -----
    HTZ: with D the covariance of the contrasts, standardised to have expectation I under independent, equal-variance
    errors, η = q(q + 1)/Σ Var(D_st), and (η − q + 1)/(ηq) times the quadratic form is F(q, η − q + 1): Pustejovsky & Tipton
    (2018, Journal of Business & Economic Statistics 36), as clubSandwich::Wald_test(test = "HTZ"). With one
    contrast η is Satterthwaite's df and the statistic t². The n×n matrix is never formed.
    Reference case: inf_tz_wald_htz (tests/test_wald.py).
    """
    c = np.atleast_2d(np.asarray(contrasts, dtype=float))
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if c.ndim != 2 or c.shape[0] < 1 or c.shape[1] != fit.k:
        raise ValueError(f"contrasts must have {fit.k} columns, one a coefficient, and one row a contrast")
    if singular(c @ c.T):
        raise ValueError("the contrasts repeat each other: give each restriction once")
    q = len(c)
    spread = c @ cov.matrix @ c.T
    if singular(spread):
        groups = f"{cov.n_clusters} clusters" if cov.n_clusters is not None else f"{fit.n} rows"
        return WaldTest(statistic=None, df_num=q, df_denom=None, p_value=None, kind=kind, reason=(
            f"{groups} cannot carry a joint test of {q} contrasts: their covariance is singular"))
    value = c @ fit.coefficients
    form = float(value @ np.linalg.solve(spread, value)) / q
    if kind == "chi-sq":
        return WaldTest(statistic=form, df_num=q, df_denom=None, p_value=float(stats.chi2.sf(q * form, q)), kind=kind)
    if kind == "Naive-F" or cov.adjusted is None:
        df = float(cov.residual_df if cov.n_clusters is None else cov.n_clusters - 1)
        return WaldTest(statistic=form, df_num=q, df_denom=df, p_value=float(stats.f.sf(form, q, df)), kind="Naive-F")
    return _hotelling(form, q, hotelling_df(fit, cov, c))


def singular(square: Array) -> bool:
    """Whether a matrix of inner products, scaled to a diagonal of one, is singular."""
    size = np.diag(square)
    if not (np.isfinite(square).all() and (size > 0).all()):
        return True
    scaled = square / np.sqrt(np.outer(size, size))
    return bool(np.linalg.eigvalsh((scaled + scaled.T) / 2)[0] < SINGULAR)


def _hotelling(form: float, q: int, eta: float) -> WaldTest:
    df = eta - q + 1
    if not (math.isfinite(df) and df > 0):
        return WaldTest(statistic=None, df_num=q, df_denom=None, p_value=None, kind="HTZ", reason=(
            f"the clusters leave {eta:.1f} degrees of freedom, too few for {q} contrasts together"))
    statistic = form * df / eta
    return WaldTest(statistic=statistic, df_num=q, df_denom=df, p_value=float(stats.f.sf(statistic, q, df)), kind="HTZ")


def hotelling_df(fit: Fit, cov: Covariance, contrasts: Array) -> float:
    """Degrees of freedom η of the Wishart law that matches the covariance of several contrasts.

    Parameters
    ----------
    fit, cov : a regression and its clustered covariance. contrasts : (q, k) of full row rank.

    Notes
    -----
    D_st is a sum over clusters of products of two linear forms in the errors, with weights p_sg and p_tg, so that
    Σ Var(D_st) is Σ_gh of (Σ_s p_sg'p_sh)² + Σ_st (p_sg'p_th)(p_tg'p_sh). Each p_sg'p_th is a diagonal plus a product of
    (G × 2k) factors, as in :func:`impact.inference.sandwich.satterthwaite_df`. η does not change when the contrasts are
    recombined.
    """
    if cov.adjusted is None or cov.codes is None or cov.n_clusters is None:
        return float(cov.residual_df)
    weights = np.ones(fit.n) if fit.weights is None else fit.weights
    k, q = fit.k, len(contrasts)
    core = np.block([[meat(fit, weights), -fit.bread], [-fit.bread, np.zeros((k, k))]])
    own, both = _factors(fit, cov, weights, contrasts)
    expected = own.sum(axis=0) + np.einsum("gsi,gti->st", both @ core, both)
    try:
        turn = linalg.solve_triangular(np.linalg.cholesky((expected + expected.T) / 2), np.eye(q), lower=True)
    except np.linalg.LinAlgError:
        return math.nan
    own, both = turn @ own @ turn.T, turn @ both
    flat = both.reshape(len(both), -1)
    cross = (flat.T @ flat).reshape(q, 2 * k, q, 2 * k).transpose(0, 2, 1, 3)  # B_s'B_t, (q, q, 2k, 2k)
    return _wishart(own, (both @ core) @ both.transpose(0, 2, 1), core @ cross)


def _factors(fit: Fit, cov: Covariance, weights: Array, contrasts: Array) -> tuple[Array, Array]:
    """Sums over each cluster, (G, q, q) of products of the forms and (G, q, 2k) of their products with regressors."""
    if cov.adjusted is None or cov.codes is None or cov.n_clusters is None:
        raise ValueError("a clustered covariance is needed")
    groups, q = cov.n_clusters, len(contrasts)
    along = cov.adjusted @ (fit.bread @ contrasts.T)  # (n, q)
    own = np.empty((groups, q, q))
    both = np.empty((groups, q, 2 * fit.k))
    weighted = fit.design * weights[:, None]
    for s in range(q):
        own[:, s, :] = sum_by_cluster(cov.codes, along * along[:, [s]], groups)
        both[:, s, :] = np.column_stack([sum_by_cluster(cov.codes, fit.design * along[:, [s]], groups),
                                         sum_by_cluster(cov.codes, weighted * along[:, [s]], groups)])
    return own, both


def _wishart(own: Array, middle: Array, half: Array) -> float:
    """q(q + 1) over the summed variance; own, middle (G, q, q), half (q, q, 2k, 2k) is core·B_s'B_t."""
    q = own.shape[1]
    diagonal, low = np.einsum("gss->g", own), np.einsum("gss->g", middle)
    first = float((diagonal**2 + 2 * diagonal * low).sum() + np.einsum("stij,tsji->", half, half))
    second = float((own**2 + 2 * own * middle).sum() + np.einsum("stij,stji->", half, half))
    return q * (q + 1) / (first + second) if first + second > 0 else math.nan

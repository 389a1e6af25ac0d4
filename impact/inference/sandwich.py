"""Covariance of least-squares coefficients: classical, HC0–HC3, CR0, CR1, CR1S, CR2, CR3, and their df.

Leverage always comes from the full design matrix, strata dummies included: residualising first gives a wrong
HC2 and CR2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes, Fit

VCOVS = ("classical", "HC0", "HC1", "HC2", "HC3", "CR0", "CR1", "CR1S", "CR2", "CR3")
CLUSTERED = ("CR0", "CR1", "CR1S", "CR2", "CR3")
ONE = 1e-10  # a leverage this near to 1 leaves the residual no freedom: its adjustment is 0 (pseudo-inverse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """Covariance of all coefficients, and what the degrees of freedom are built from.

    Attributes
    ----------
    kind : one of :data:`VCOVS`.
    matrix : (k, k).
    n_clusters : number of clusters, or None where errors are not clustered.
    residual_df : n − k.
    adjusted : (n, k) rows of A_g W_g X_g, kept for Satterthwaite's df; codes : (n,) the clusters.
    """

    kind: str
    matrix: Array
    n_clusters: int | None
    residual_df: int
    adjusted: Array | None = None
    codes: Codes | None = None

    def std_error(self, contrast: Array) -> float:
        """Standard error of contrast'β."""
        return float(np.sqrt(max(float(contrast @ self.matrix @ contrast), 0.0)))


def covariance(fit: Fit, kind: str, cluster: Codes | None = None, *, count: int | None = None) -> Covariance:
    """Covariance of the coefficients of a fit.

    Parameters
    ----------
    fit : the regression.
    kind : one of :data:`VCOVS`.
    cluster : (n,) integer codes; needed for CR kinds; without it each row is its own cluster.
    count : K of the CR1S factor where it is not the number of columns (absorbed effects that are not nested in
        the cluster count, nested ones do not).

    Notes
    -----
    Independent between clusters, anything within. HC2/HC3: MacKinnon & White (1985). CR2 with identity working
    model: Bell & McCaffrey (2002), Pustejovsky & Tipton (2018, JBES 36), with weights as there. CR3 is the
    jackknife form without a further factor, as clubSandwich. CR1 is G/(G−1); CR1S is (N−1)/(N−K)·G/(G−1).
    Checked: R sandwich, estimatr 1.0.0, clubSandwich 0.5.8 (tests/test_reference.py), 1e-6.
    """
    if kind not in VCOVS:
        raise ValueError(f"vcov must be one of {', '.join(VCOVS)}, not {kind!r}")
    if kind not in CLUSTERED:
        return _unclustered(fit, kind)
    codes = np.arange(fit.n, dtype=np.int64) if cluster is None else cluster
    groups = int(codes.max()) + 1
    if groups < 2:
        raise DesignError(Problem(where="cluster", what="there is only one cluster", cure="Errors need clusters to differ: "
                                  "name the level at which some were chosen and others were not."))
    adjusted = _adjusted_rows(fit, kind, codes, groups)
    scores = sum_by_cluster(codes, adjusted * fit.residuals[:, None], groups)
    matrix = fit.bread @ (scores.T @ scores) @ fit.bread
    if kind in ("CR1", "CR1S"):
        matrix = matrix * groups / (groups - 1)
    if kind == "CR1S":
        matrix = matrix * (fit.n - 1) / (fit.n - (fit.k if count is None else count))
    return Covariance(kind=kind, matrix=matrix, n_clusters=groups, residual_df=fit.n - fit.k, adjusted=adjusted,
                      codes=codes)


def check_clustered(kind: str, level: str) -> None:
    """Refuse an error that takes rows for independent where whole groups were assigned; ``level`` is their column."""
    if kind in VCOVS and kind not in CLUSTERED:
        raise DesignError(Problem(where="vcov", what=f"'{kind}' takes the rows within one cluster for independent, and "
                                  f"clusters are given ({level})", cure=f"Write one of {', '.join(CLUSTERED)}, or leave "
                                  "it out."), source="design")


def sum_by_cluster(codes: Codes, values: Array, groups: int) -> Array:
    """Sum rows of (n, k) values within groups: (groups, k)."""
    out = np.zeros((groups, values.shape[1]))
    np.add.at(out, codes, values)
    return out


def _unclustered(fit: Fit, kind: str) -> Covariance:
    w = np.ones(fit.n) if fit.weights is None else fit.weights
    root = fit.residuals * np.sqrt(w)
    scaled = fit.design * np.sqrt(w)[:, None]
    df = fit.n - fit.k
    if kind == "classical":
        return Covariance(kind=kind, matrix=fit.bread * float(root @ root) / df, n_clusters=None, residual_df=df)
    slack = 1.0 - np.einsum("ij,jk,ik->i", scaled, fit.bread, scaled)
    free = np.where(slack > ONE, slack, np.inf)
    squared = root**2 / {"HC2": free, "HC3": free**2}.get(kind, np.ones(fit.n))
    matrix = fit.bread @ (scaled.T * squared @ scaled) @ fit.bread
    if kind == "HC1":
        matrix = matrix * fit.n / df
    return Covariance(kind=kind, matrix=matrix, n_clusters=None, residual_df=df)


def _adjusted_rows(fit: Fit, kind: str, codes: Codes, groups: int) -> Array:
    """Rows of A_g W_g X_g (n × k): the regressors as the scores use them."""
    weights = np.ones(fit.n) if fit.weights is None else fit.weights
    weighted = fit.design * weights[:, None]
    if kind in ("CR0", "CR1", "CR1S"):
        return weighted
    spread = meat(fit, weights)
    if groups == fit.n:
        return weighted * _row_factor(fit, kind, weights, spread)[:, None]
    out = np.empty_like(weighted)
    order = np.argsort(codes, kind="stable")
    for rows in np.split(order, np.searchsorted(codes[order], np.arange(1, groups))):
        # A_g stands left of the residuals, so its transpose stands here; with weights CR3's is not symmetric
        out[rows] = _adjust(fit, kind, fit.design[rows], weights[rows], spread).T @ weighted[rows]
    return out


def meat(fit: Fit, weights: Array) -> Array:
    """Return bread·X'W²X·bread, (k, k): the covariance of the coefficients under errors of variance one."""
    return np.asarray(fit.bread @ ((fit.design * (weights**2)[:, None]).T @ fit.design) @ fit.bread)


def _adjust(fit: Fit, kind: str, x: Array, w: Array, spread: Array) -> Array:
    """Adjustment matrix A_g of one cluster: CR2 (I−H)_g(I−H)_g' to the power −1/2, CR3 (I−H_gg)^−1."""
    hat = x @ fit.bread @ x.T
    if kind == "CR3":
        return np.asarray(np.linalg.pinv(np.eye(len(w)) - hat * w[None, :], rcond=ONE))
    middle = np.eye(len(w)) - hat * w[None, :] - w[:, None] * hat + x @ spread @ x.T
    values, vectors = np.linalg.eigh((middle + middle.T) / 2)
    power = np.where(values > ONE, np.maximum(values, ONE) ** -0.5, 0.0)
    return np.asarray((vectors * power) @ vectors.T)


def _row_factor(fit: Fit, kind: str, weights: Array, spread: Array) -> Array:
    """A_g where each row is its own cluster: one factor a row, no loop."""
    hat = np.einsum("ij,jk,ik->i", fit.design, fit.bread, fit.design)
    if kind == "CR3":
        slack = (1.0 - weights * hat) ** 2
    else:
        slack = 1.0 - 2.0 * weights * hat + np.einsum("ij,jk,ik->i", fit.design, spread, fit.design)
    return np.where(slack > ONE, np.maximum(slack, ONE) ** -0.5, 0.0)


def seen_share(fit: Fit, cov: Covariance, contrast: Array) -> float:
    """Share of a contrast's variance that CR2 (or HC2) can see: below 1 where rows that matter are fitted perfectly.

    Parameters
    ----------
    fit, cov : a regression and its clustered covariance. contrast : (k,).

    Notes
    -----
    CR2 is unbiased for independent errors of equal variance, unless a row or cluster has leverage one: its residual is
    then always zero and its part of the variance is missed. This is E(V) over the true variance in that case.
    """
    if cov.kind != "CR2" or cov.adjusted is None or cov.codes is None or cov.n_clusters is None:
        return 1.0
    weights = np.ones(fit.n) if fit.weights is None else fit.weights
    own, low_rank, _, _ = _moments(fit, cov, contrast, weights)
    true = float(contrast @ meat(fit, weights) @ contrast)
    return float((own + low_rank).sum()) / true if true > 0 else 1.0


def _moments(fit: Fit, cov: Covariance, contrast: Array, weights: Array) -> tuple[Array, Array, Array, Array]:
    """Diagonal and low-rank parts of the G×G moments of the cluster scores, with the factors of the latter."""
    adjusted, codes, groups = cov.adjusted, cov.codes, cov.n_clusters
    if adjusted is None or codes is None or groups is None:
        raise ValueError("the covariance is not clustered")
    along = (adjusted @ (fit.bread @ contrast))[:, None]
    own = sum_by_cluster(codes, along**2, groups)[:, 0]
    u = sum_by_cluster(codes, fit.design * along, groups)
    v = sum_by_cluster(codes, fit.design * weights[:, None] * along, groups)
    both = np.column_stack([u, v])
    k = fit.k
    core = np.block([[meat(fit, weights), -fit.bread], [-fit.bread, np.zeros((k, k))]])
    return own, np.einsum("gj,jk,gk->g", both, core, both), both, core


def satterthwaite_df(fit: Fit, cov: Covariance, contrast: Array) -> float:
    """Degrees of freedom of a clustered standard error, by matching two moments.

    Parameters
    ----------
    fit, cov : a regression and its clustered covariance.
    contrast : (k,) the combination of coefficients.

    Returns
    -------
    float
        2·E(V)²/Var(V) under independent, equal-variance errors.

    Notes
    -----
    Pustejovsky & Tipton (2018, JBES 36), identity working model. With one row a cluster this is Bell &
    McCaffrey's df for HC2. The n×n matrix is never formed: the G×G moment matrix is a diagonal plus a product of
    (G×2k) factors. Checked: clubSandwich 0.5.8 and estimatr 1.0.0 (tests/test_reference.py), 1e-6.
    """
    if cov.adjusted is None or cov.codes is None or cov.n_clusters is None:
        return float(cov.residual_df)
    weights = np.ones(fit.n) if fit.weights is None else fit.weights
    own, low_rank, both, core = _moments(fit, cov, contrast, weights)
    product = core @ (both.T @ both)
    trace = float((own + low_rank).sum())
    square = float((own**2 + 2 * own * low_rank).sum() + np.einsum("jk,kj->", product, product))
    return trace**2 / square if square > 0 else float("nan")

"""Differences of two means: plain (Welch), blocked, by pairs, by clusters, and blocks of clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impact.errors import DesignError, Problem
from impact.inference.assignment import few_rows
from impact.inference.linear import PERFECT, Array, Codes, least_squares
from impact.inference.sandwich import covariance, satterthwaite_df


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A difference of means, its standard error, df, and the rules that made them.

    ``careful_df`` is Satterthwaite's for blocks, where ``df`` counts what was drawn.
    """

    estimate: float
    std_error: float
    df: float
    vcov: str
    formula: str
    correction: str
    df_rule: str
    r_call: str
    careful_df: float | None = None


def difference(outcome: Array, treated: Array, *, blocks: Codes | None = None, clusters: Codes | None = None,
               pairs: bool = False, weights: Array | None = None) -> Contrast:
    """Difference between treated and comparison means.

    Parameters
    ----------
    outcome : (n,) in its unit.
    treated : (n,) of 0 and 1.
    blocks : (n,) codes of the blocks within which treatment was drawn; effects are averaged by block size.
    clusters : (n,) codes of the clusters that were drawn.
    pairs : whether each block is a pair (one treated, one comparison; units, or clusters where given).
    weights : (n,) positive sampling weights, or None; only their proportions matter.

    Notes
    -----
    Estimand: the difference of means, or the average of the blocks' differences by their size. Assumes that rows (or
    clusters) were drawn independently.
    Plain: Neyman (1923) variance with Welch–Satterthwaite df. Blocked: Neyman within blocks, df N − 2B. Pairs: the
    spread of the B pair differences, df B − 1. Clusters: least squares with CR2 and Satterthwaite df; blocks of
    clusters: CR2 within blocks, df G − 2B. As R estimatr::difference_in_means 1.0.0. With weights: Hájek means (weighted
    sums over sums of weights), least squares with CR2 and Satterthwaite df, each row a cluster where none is given; blocks
    and pairs count by the sum of their weights.
    Checked: tests/test_reference.py, 1e-6; weights by hand and against clubSandwich (tests/test_trial_weights.py).
    """
    if pairs:
        if blocks is None:
            raise DesignError(Problem(where="pairs", what="no column says which units form a pair",
                                      cure="Give strata=, the column of the pairs."))
        return _paired(outcome, treated, blocks, clusters, weights)
    if blocks is not None:
        return _blocked(outcome, treated, blocks, clusters, weights)
    if clusters is not None:
        estimate, std_error, df, _ = _clustered(outcome, treated, clusters, weights)
        return Contrast(estimate=estimate, std_error=std_error, df=df, vcov="CR2", formula=f"CR2, {_noun(weights)}",
                        correction="Bell–McCaffrey adjustment", df_rule="Satterthwaite", r_call=(
                            "estimatr::difference_in_means(y ~ d, clusters = g)" if weights is None else
                            "estimatr::lm_robust(y ~ d, weights = w, clusters = g, se_type = 'CR2')"))
    return _plain(outcome, treated) if weights is None else _weighted(outcome, treated, weights)


def _noun(weights: Array | None) -> str:
    return "difference in means" if weights is None else "difference in weighted means"


def _need_two(outcome: Array, treated: Array, place: str) -> tuple[Array, Array]:
    one, zero = outcome[treated == 1], outcome[treated == 0]
    if len(one) < 2 or len(zero) < 2:
        raise DesignError(Problem(
            where=place, what=f"{len(one)} treated and {len(zero)} comparison: two on each side are needed for a "
            "standard error", cure="Merge small blocks as the draw allows, or declare pairs."))
    return one, zero


def _plain(outcome: Array, treated: Array) -> Contrast:
    one, zero = _need_two(outcome, treated, "data")
    parts = np.array([one.var(ddof=1) / len(one), zero.var(ddof=1) / len(zero)])
    if parts.max() <= (PERFECT * np.abs(outcome).max()) ** 2:
        parts = np.zeros(2)  # rounding has no standard error
    df = parts.sum() ** 2 / (parts**2 / (np.array([len(one), len(zero)]) - 1)).sum() if parts.sum() > 0 else np.nan
    return Contrast(estimate=float(one.mean() - zero.mean()), std_error=float(np.sqrt(parts.sum())), df=float(df),
                    vcov="HC2", formula="Neyman variance (equals HC2), difference in means",
                    correction="variances divided by n − 1 in each arm", df_rule="Welch–Satterthwaite",
                    r_call="estimatr::difference_in_means(y ~ d)")


def _weighted(outcome: Array, treated: Array, weights: Array) -> Contrast:
    """Difference of Hájek means; each row is its own cluster."""
    _need_two(outcome, treated, "data")
    estimate, std_error, df, _ = _clustered(outcome, treated, np.arange(len(outcome), dtype=np.int64), weights)
    return Contrast(estimate=estimate, std_error=std_error, df=df, vcov="CR2", formula=f"HC2, {_noun(weights)}",
                    correction="CR2, each row a cluster", df_rule="Bell–McCaffrey",
                    r_call="estimatr::lm_robust(y ~ d, weights = w, clusters = id, se_type = 'CR2')")


def _clustered(outcome: Array, treated: Array, clusters: Codes,
               weights: Array | None) -> tuple[float, float, float, float]:
    """Difference, standard error, df, and the variance expected of it where all rows vary alike by one."""
    codes = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    fit = least_squares(np.column_stack([np.ones(len(outcome)), treated]), outcome, ("intercept", "treatment"),
                        weights=weights, must_keep=("treatment",))
    cov = covariance(fit, "CR2", codes)
    pick = np.array([0.0, 1.0])
    row = (fit.design @ (fit.bread @ pick)) * (1.0 if weights is None else weights)
    return float(fit.coefficients[1]), cov.std_error(pick), satterthwaite_df(fit, cov, pick), float(row @ row)


def _blocked(outcome: Array, treated: Array, blocks: Codes, clusters: Codes | None, weights: Array | None) -> Contrast:
    parts, sizes, groups = [], [], 0
    size: Array = np.ones(len(outcome)) if weights is None else weights
    for b in np.unique(blocks):
        rows = blocks == b
        if clusters is None:
            one, zero = _need_two(outcome[rows], treated[rows], f"the block of {few_rows(rows)}")
            if weights is None:
                whole, inverse = _plain(outcome[rows], treated[rows]), 1 / np.array([len(one), len(zero)])
                free = inverse.sum() ** 2 / (inverse**2 / (1 / inverse - 1)).sum()  # Bell & McCaffrey's, in closed form
                parts.append((whole.estimate, whole.std_error, float(free), float(inverse.sum())))
            else:
                parts.append(_clustered(outcome[rows], treated[rows], np.arange(int(rows.sum()), dtype=np.int64),
                                        weights[rows]))
        else:
            place = f"the block of {few_rows(rows)} (clusters)"
            firsts = np.array([treated[rows & (clusters == c)][0] for c in np.unique(clusters[rows])])
            _need_two(firsts, firsts, place)
            parts.append(_clustered(outcome[rows], treated[rows], clusters[rows],
                                    None if weights is None else weights[rows]))
            groups += len(np.unique(clusters[rows]))
        sizes.append(float(size[rows].sum()))
    share = np.array(sizes) / sum(sizes)
    effects, errors, free_of, expected = (np.array(column) for column in zip(*parts, strict=True))
    mine = share**2 * expected  # each block's part of the variance where all rows vary alike, as Satterthwaite's rule takes
    n_free = groups if clusters is not None else len(outcome)
    kind = "CR2" if clusters is not None or weights is not None else "HC2"
    return Contrast(estimate=float(share @ effects), std_error=float(np.sqrt(share**2 @ errors**2)),
                    df=float(n_free - 2 * len(sizes)), vcov=kind,
                    careful_df=float(mine.sum() ** 2 / (mine**2 / free_of).sum()),
                    formula=f"{'Neyman variance' if kind == 'HC2' else 'CR2'} within {len(sizes)} blocks, weighted by "
                            f"{'block size' if weights is None else 'the sum of weights'}", correction="within-block",
                    df_rule="number drawn − 2 × blocks",
                    r_call="" if weights is not None else "estimatr::difference_in_means(y ~ d, blocks = b" +
                           (", clusters = g)" if clusters is not None else ")"))


def _paired(outcome: Array, treated: Array, blocks: Codes, clusters: Codes | None, weights: Array | None) -> Contrast:
    size: Array = np.ones(len(outcome)) if weights is None else weights
    members = clusters if clusters is not None else np.arange(len(outcome), dtype=np.int64)
    gaps, sizes = [], []
    for b in np.unique(blocks):
        rows = blocks == b
        one, zero = rows & (treated == 1), rows & (treated == 0)
        if len(np.unique(members[one])) != 1 or len(np.unique(members[zero])) != 1:
            raise DesignError(Problem(where=f"the pair of {few_rows(rows)}", what="not one treated and one comparison",
                                      cure="Correct the pairs, or declare blocks instead of pairs."))
        gaps.append(float(np.average(outcome[one], weights=size[one]) - np.average(outcome[zero], weights=size[zero])))
        sizes.append(float(size[rows].sum()))
    count = len(gaps)
    if count < 2:
        raise DesignError(Problem(where="pairs", what="one pair gives no standard error", cure="Add pairs."))
    share = np.array(sizes) / sum(sizes)
    estimate = float(share @ np.array(gaps))
    variance = count / (count - 1) * float((share**2 * (np.array(gaps) - estimate) ** 2).sum())
    same = "estimatr::difference_in_means(y ~ d, blocks = pair" + (", clusters = g)" if clusters is not None else ")")
    return Contrast(estimate=estimate, std_error=float(np.sqrt(variance)), df=float(count - 1), vcov="HC2",
                    formula="spread of the pair differences", correction="B/(B − 1)", df_rule="pairs − 1",
                    # R weighs pairs of unequal size otherwise
                    r_call=same if weights is None and len(set(sizes)) == 1 else "")

"""Summary indices: several outcomes of one domain as one number, in standard deviations of the comparison group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impact.errors import DesignError, Problem
from impact.inference.linear import Array, independent_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of k outcomes.

    Attributes
    ----------
    values : (n,) in comparison-group standard deviations; missing where an outcome is missing.
    weights : (k,) summing to 1.
    """

    values: Array
    weights: Array


def standardised(outcomes: Array, comparison: Array, signs: Array | None = None) -> Array:
    """Turn outcomes (n, k) into comparison-group standard deviations, so that higher is better.

    Parameters
    ----------
    comparison : (n,) true for the comparison group; mean and standard deviation (n − 1) come from its known values.
    signs : (k,) of 1 and −1; −1 where lower is better.
    """
    group = outcomes[comparison.astype(bool)]
    sd = np.nanstd(group, axis=0, ddof=1)
    flat = np.flatnonzero(~(sd > 0))
    if len(flat):
        raise DesignError(Problem(where=f"outcome {int(flat[0]) + 1} of the index", what="it does not vary in the "
                                  "comparison group", cure="Leave it out of the index."), source="index")
    z = (outcomes - np.nanmean(group, axis=0)) / sd
    return np.asarray(z if signs is None else z * signs)


def mean_index(outcomes: Array, comparison: Array, signs: Array | None = None) -> Index:
    """Average of standardised outcomes, each with the same weight.

    Notes
    -----
    Kling, Liebman & Katz (2007, Econometrica 75). Reference case: mt_tz_index_mean.
    """
    z = standardised(outcomes, comparison, signs)
    k = z.shape[1]
    return Index(values=z.mean(axis=1), weights=np.full(k, 1.0 / k))


def inverse_covariance_index(outcomes: Array, comparison: Array, signs: Array | None = None) -> Index:
    """Average of standardised outcomes in which outcomes that repeat each other weigh less.

    Notes
    -----
    Anderson (2008, JASA 103): weights are the row sums of the inverse covariance of the standardised
    outcomes over complete rows; the index is brought to the comparison group's mean 0 and standard deviation 1.
    Reference case: mt_tz_index_icw.
    """
    z = standardised(outcomes, comparison, signs)
    complete = ~np.isnan(z).any(axis=1)
    spread = np.atleast_2d(np.cov(z[complete], rowvar=False))
    repeats = [j for j in range(z.shape[1]) if j not in independent_columns(z[complete] - z[complete].mean(axis=0))]
    if repeats:
        raise DesignError(Problem(where=f"outcome {repeats[0] + 1} of the index", what="it repeats other outcomes of the "
                                  "index", cure="Leave it out: it adds nothing of its own."), source="index")
    weights = np.linalg.solve(spread, np.ones(z.shape[1]))
    weights = weights / weights.sum()
    raw = z @ weights
    group = raw[comparison.astype(bool) & complete]
    return Index(values=np.asarray((raw - group.mean()) / group.std(ddof=1)), weights=np.asarray(weights))

"""Uniform bands: intervals that cover a whole set of effects together, by multiplier bootstrap."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from impact.inference.intervals import check_level
from impact.inference.linear import Array

DRAWS = 9_999
SMALL = 250_000  # multiplications below which linear algebra libraries use one thread


def critical_value(covariance: Array, *, conf_level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> float:
    """How many standard errors a band must reach to cover all effects together with the level asked for.

    Parameters
    ----------
    covariance : (k, k) of the effects; effects without error (reference periods) are passed over.
    conf_level : a share.
    draws : of the bootstrap; seed : of the draws.

    Returns
    -------
    float
        Never below the normal quantile of one interval.

    Notes
    -----
    Callaway & Sant'Anna (2021, Journal of Econometrics 225, algorithm 1) multiply each unit's (or cluster's) influence by
    independent draws with mean 0 and variance 1. With normal draws the sum, given the data, is exactly normal with
    covariance Σψψ'; so draws are taken from that law, which costs no pass over the units. The quantile is the
    ⌈level·(draws + 1)⌉-th smallest maximum.
    """
    level = check_level(conf_level)
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise ValueError("draws must be a whole number of at least 1")
    pointwise = float(special.ndtri(0.5 + level / 2))
    variance = np.diag(covariance)
    used = np.flatnonzero(variance > 0)
    if len(used) < 2:
        return pointwise
    largest = largest_of(covariance, draws=draws, seed=seed)
    rank = min(math.ceil(level * (draws + 1)), draws)
    return max(pointwise, float(np.partition(largest, rank - 1)[rank - 1]))


def largest_of(covariance: Array, *, draws: int, seed: int) -> Array:
    """Draw the largest of normal deviates that go together as effects with this covariance do: (draws,).

    Effects without error are passed over; there must be one with.
    """
    used = np.flatnonzero(np.diag(covariance) > 0)
    error = np.sqrt(np.diag(covariance)[used])
    values, vectors = np.linalg.eigh(covariance[np.ix_(used, used)] / np.outer(error, error))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng, block = np.random.default_rng(seed), max(16, SMALL // len(used) ** 2)
    return np.concatenate([
        np.abs(rng.standard_normal((min(block, draws - start), len(used))) @ root.T).max(axis=1)
        for start in range(0, draws, block)])

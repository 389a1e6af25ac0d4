"""Uniform bands: intervals that cover a whole set of effects together, by multiplier bootstrap."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import special, stats

from impact.inference.chance import check_draws, seeded
from impact.inference.intervals import check_level
from impact.inference.linear import Array
from impact.results import Estimate

DRAWS = 9_999
SUP_T_DRAWS = 20_000
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
    draws = check_draws(draws)
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
    rng, block = seeded(seed), max(16, SMALL // len(used) ** 2)
    return np.concatenate([
        np.abs(rng.standard_normal((min(block, draws - start), len(used))) @ root.T).max(axis=1)
        for start in range(0, draws, block)])


def uniform_critical(matrix: Array, df: float | None, conf_level: float, seed: int) -> float:
    """Critical value with which all intervals hold at once.

    Parameters
    ----------
    matrix : (k, k) covariance of the coefficients.
    df : of Student's t, or None for the normal.
    conf_level : a share. seed : of the draws.

    Notes
    -----
    Plug-in sup-t band: quantile of the largest |t| among draws from the estimated joint normal, divided by a chi of the
    same df so that few clusters widen it as they widen the pointwise intervals. Montiel Olea & Plagborg-Møller (2019,
    Journal of Applied Econometrics 34). Never below the pointwise value.
    """
    size = np.sqrt(np.diag(matrix))
    matrix, size = matrix[np.ix_(size > 0, size > 0)], size[size > 0]
    pointwise = float((stats.norm if df is None else stats.t(df)).ppf(0.5 + conf_level / 2))
    if len(size) < 2:
        return pointwise
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    rng = seeded(seed)
    draws = rng.standard_normal((SUP_T_DRAWS, len(size))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    top = np.abs(draws).max(axis=1)
    if df is not None:
        top = top / np.sqrt(rng.chisquare(df, SUP_T_DRAWS) / df)
    return max(float(np.quantile(top, conf_level)), pointwise)


def with_band(estimate: Estimate, critical: float) -> Estimate:
    """Add the ends of the uniform band to an estimate with a standard error."""
    if estimate.std_error is None:
        return estimate
    reach = critical * estimate.std_error
    return replace(estimate, details=(*estimate.details, ("band_low", estimate.estimate - reach),
                                      ("band_high", estimate.estimate + reach)))

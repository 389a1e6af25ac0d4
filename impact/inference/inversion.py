"""Confidence sets by turning a resampling test around, exactly: no grid, and nothing assumed of the set's shape.

A draw's statistic under the hypothesis 'the effect is b' is a line in b over the root of a parabola in b. Where the draw's
statistic overtakes the observed one is therefore a root of a quartic, and between neighbouring roots the p-value does not
change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from impact.inference.linear import Array
from impact.results import Segment

ROUNDING = 1e-10  # beside the length of what numerators and errors are made of
TIE = 1e-10  # relative; statistics this near to each other are the same
ROOT = 1e-7  # relative size of an imaginary part that rounding explains


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Squared statistics as functions of the hypothesised effect b: (n0 + n1·b)² / (v0 + v1·b + v2·b²).

    Attributes
    ----------
    numerator : (R, 2) of n0, n1.
    variance : (R, 3) of v0, v1, v2; all (1, 0, 0) where the statistic is not studentised.
    """

    numerator: Array
    variance: Array

    def squared(self, at: Array) -> Array:
        """Squared statistics (R, m) at hypothesised effects (R, m), row by row; 0/0 is 0 and x/0 infinite."""
        n, v = self.numerator, self.variance
        top = (n[:, [0]] + n[:, [1]] * at) ** 2
        bottom = v[:, [0]] + v[:, [1]] * at + v[:, [2]] * at**2
        good = bottom > 1e-14 * np.maximum(v[:, [0]], v[:, [2]] * at**2)
        return np.where(good, top / np.where(good, bottom, 1.0), np.where(top > 0, np.inf, 0.0))


def studentise(top: Array, spread: Array, size: float) -> Array:
    """Divide numerators by their errors; without spread an effect is infinitely clear, and none is none.

    ``size`` is the length of what both are made of: below 1e-10 of it there is only rounding. So is a numerator below
    1e-10 of its error: it is zero, lest draws of no effect at all be ranked by their rounding.
    """
    real = spread > ROUNDING * size
    clear = np.where(np.abs(top) > ROUNDING * size, np.copysign(np.inf, top), 0.0)
    ratio = top / np.where(real, spread, 1.0)
    return np.asarray(np.where(real, np.where(np.abs(ratio) > ROUNDING, ratio, 0.0), clear))


def perfect(outcome: Array, treatment: Array) -> bool:
    """Whether treatment accounts for all there is in an outcome, both after covariates are taken out."""
    effect = float(treatment @ outcome) / float(treatment @ treatment)
    return bool(np.linalg.norm(outcome - effect * treatment) <= ROUNDING * np.linalg.norm(outcome))


def point_set(estimate: float, p_value: float, conf_level: float) -> tuple[Segment, ...]:
    """Set where treatment accounts for everything: each other effect has the p-value of none, so all or one are held."""
    return (Segment(),) if p_value > 1 - conf_level else (Segment(low=estimate, high=estimate),)


def confidence_set(draws: Curves, observed: Curves, conf_level: float, *, enumerated: bool,
                   ties: bool = True) -> tuple[Segment, ...]:
    """All effects not rejected at 1 − ``conf_level``: segments in order, None where one runs to infinity.

    Parameters
    ----------
    draws : R statistics. observed : one.
    enumerated : whether the draws are all there are; p is then count/R, otherwise (1 + count)/(1 + R).
    ties : whether a draw as large as the observed statistic counts; without ties p is count/R in either case.

    Notes
    -----
    Lehmann & Romano (2005, Springer) for the principle. Each draw counts on a few intervals of effects, bounded by
    its roots; the p-value at an effect is read off by adding up those intervals in order.
    """
    total, alpha = len(draws.numerator), 1.0 - conf_level
    roots = _crossings(draws, observed)
    beyond = _beyond(draws, observed, roots, ties)
    steps = np.diff(beyond.astype(np.int64), axis=1)
    moves = np.isfinite(roots) & (steps != 0)
    cuts, where = np.unique(roots[moves], return_inverse=True)
    change = np.bincount(where.ravel(), weights=steps[moves], minlength=len(cuts))
    count = np.concatenate([[0.0], np.cumsum(change)]) + beyond[:, 0].sum()
    p = count / total if enumerated or not ties else (1 + count) / (1 + total)
    return _segments(np.round(p, 12) > alpha, cuts)


def _beyond(draws: Curves, observed: Curves, roots: Array, ties: bool) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each draw counts on each interval between its own roots, (R, 5)."""
    pad = 1.0 + np.abs(np.where(np.isfinite(roots), roots, 0.0)).max(axis=1, keepdims=True)
    edges = np.concatenate([-np.inf * np.ones((len(roots), 1)), roots, np.inf * np.ones((len(roots), 1))], axis=1)
    low, high = edges[:, :-1], edges[:, 1:]
    low_end, high_end = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    inside = np.where(np.isfinite(low) & np.isfinite(high), (low_end + high_end) / 2,
                      np.where(np.isfinite(low), low_end + pad, np.where(np.isfinite(high), high_end - pad, 0.0)))
    one = Curves(numerator=np.broadcast_to(observed.numerator, draws.numerator.shape),
                 variance=np.broadcast_to(observed.variance, draws.variance.shape))
    limit, mine = one.squared(inside), draws.squared(inside)
    return (mine >= limit * (1 - 2 * TIE)) if ties else (mine > limit * (1 + 2 * TIE))


def _segments(kept: np.ndarray[Any, np.dtype[np.bool_]], cuts: Array) -> tuple[Segment, ...]:
    """Join neighbouring intervals that are kept: ``kept`` has one entry more than ``cuts``."""
    edges = [None, *(float(c) for c in cuts), None]
    change = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8)))
    return tuple(Segment(low=edges[a], high=edges[b]) for a, b in change.reshape(-1, 2))


def _crossings(draws: Curves, observed: Curves) -> Array:
    """Real effects (R, 4) at which each draw's squared statistic equals the observed one, sorted; infinite where none."""
    square = _times(draws.numerator, draws.numerator)
    mine = _times(observed.numerator, observed.numerator)
    quartic = _times(square, np.broadcast_to(observed.variance, (len(square), 3))) - _times(
        np.broadcast_to(mine, (len(square), 3)), draws.variance)
    # solved in units where roots are of order one, so that trailing zeros are told from small numbers
    unit = _unit(observed)
    scaled = quartic * unit ** np.arange(5)
    size = np.abs(scaled).max(axis=1, keepdims=True)
    scaled = np.where(np.abs(scaled) > 1e-12 * size, scaled, 0.0)
    roots = np.full((len(scaled), 4), np.inf)
    degree = np.where(scaled != 0, np.arange(5), -1).max(axis=1)
    for d in range(1, 5):
        rows = np.flatnonzero(degree == d)
        if not len(rows):
            continue
        part = scaled[rows]
        companion = np.zeros((len(rows), d, d))
        companion[:, np.arange(1, d), np.arange(d - 1)] = 1.0
        companion[:, :, d - 1] = -part[:, :d] / part[:, [d]]
        found = np.linalg.eigvals(companion)
        real = np.abs(found.imag) <= ROOT * np.maximum(1.0, np.abs(found.real))
        roots[rows, :d] = np.where(real, found.real * unit, np.inf)
    return np.sort(roots, axis=1)


def _unit(observed: Curves) -> float:
    n0, n1 = observed.numerator[0]
    v0 = observed.variance[0, 0]
    size = max(abs(n0 / n1) if n1 else 0.0, float(np.sqrt(abs(v0)) / abs(n1)) if n1 else 0.0)
    return size if np.isfinite(size) and size > 0 else 1.0


def _times(left: Array, right: Array) -> Array:
    """Multiply polynomials row by row (coefficients from low to high)."""
    out = np.zeros((max(len(left), len(right)), left.shape[1] + right.shape[1] - 1))
    for i in range(left.shape[1]):
        for j in range(right.shape[1]):
            out[:, i + j] += left[:, i] * right[:, j]
    return out

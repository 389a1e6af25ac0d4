"""Confidence sets by turning a resampling test around, exactly: no grid, and nothing assumed of the set's shape.

A draw's statistic under the hypothesis 'the effect is b' is a line in b over the root of a parabola in b. Where the draw's
statistic overtakes the observed one is therefore a root of a quartic, and between neighbouring roots the p-value does not
change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impact.inference.linear import Array
from impact.results import Segment

TIE = 1e-10  # relative; statistics this near to each other are the same
BLOCK = 8_000_000  # numbers held in memory at once
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
        """Squared statistics (points, R) at hypothesised effects (points, 1); 0/0 is 0 and x/0 infinite."""
        top = (self.numerator[:, 0] + self.numerator[:, 1] * at) ** 2
        bottom = self.variance[:, 0] + self.variance[:, 1] * at + self.variance[:, 2] * at**2
        good = bottom > 1e-14 * np.maximum(self.variance[:, 0], self.variance[:, 2] * at**2)
        return np.where(good, top / np.where(good, bottom, 1.0), np.where(top > 0, np.inf, 0.0))


def p_values(draws: Curves, observed: Curves, points: Array, *, enumerated: bool, ties: bool) -> Array:
    """P-values (points,) of the hypotheses 'the effect is b'.

    Sampled draws give (1 + count)/(1 + R), enumerated ones count/R. With ``ties`` a draw as large as the observed
    statistic counts; without, only a larger one does, and sampled draws give count/R.
    """
    total = len(draws.numerator)
    out = np.empty(len(points))
    step = max(1, BLOCK // total)
    for i in range(0, len(points), step):
        at = points[i:i + step][:, None]
        limit, mine = observed.squared(at), draws.squared(at)
        count = ((mine >= limit * (1 - 2 * TIE)) if ties else (mine > limit * (1 + 2 * TIE))).sum(axis=1)
        out[i:i + step] = count / total if enumerated or not ties else (1 + count) / (1 + total)
    return out


def confidence_set(draws: Curves, observed: Curves, conf_level: float, *, enumerated: bool,
                   ties: bool = True) -> tuple[Segment, ...]:
    """All effects not rejected at 1 − ``conf_level``: segments in order, None where one runs to infinity.

    Notes
    -----
    Inverts the test of :func:`p_values`. Lehmann & Romano (2005, section 5.12) for the principle.
    """
    alpha = 1.0 - conf_level
    cuts = np.unique(_crossings(draws, observed))
    if not len(cuts):
        only = p_values(draws, observed, np.zeros(1), enumerated=enumerated, ties=ties)[0]
        return (Segment(),) if only > alpha else ()
    pad = max(1.0, float(np.abs(cuts).max()))
    points = np.concatenate([[cuts[0] - pad], (cuts[1:] + cuts[:-1]) / 2, [cuts[-1] + pad]])
    inside = p_values(draws, observed, points, enumerated=enumerated, ties=ties) > alpha
    edges = [None, *(float(c) for c in cuts), None]
    out: list[Segment] = []
    start = 0
    while start < len(inside):
        if not inside[start]:
            start += 1
            continue
        end = start
        while end + 1 < len(inside) and inside[end + 1]:
            end += 1
        out.append(Segment(low=edges[start], high=edges[end + 1]))
        start = end + 1
    return tuple(out)


def _crossings(draws: Curves, observed: Curves) -> Array:
    """Real effects at which any draw's squared statistic equals the observed one."""
    square = _times(draws.numerator, draws.numerator)
    mine = _times(observed.numerator, observed.numerator)
    quartic = _times(square, np.broadcast_to(observed.variance, (len(square), 3))) - _times(
        np.broadcast_to(mine, (len(square), 3)), draws.variance)
    # solved in units where roots are of order one, so that trailing zeros are told from small numbers
    unit = _unit(observed)
    scaled = quartic * unit ** np.arange(5)
    size = np.abs(scaled).max(axis=1, keepdims=True)
    scaled = np.where(np.abs(scaled) > 1e-12 * size, scaled, 0.0)
    roots: list[Array] = []
    degree = np.where(scaled != 0, np.arange(5), -1).max(axis=1)
    for d in range(1, 5):
        part = scaled[degree == d]
        if not len(part):
            continue
        companion = np.zeros((len(part), d, d))
        companion[:, np.arange(1, d), np.arange(d - 1)] = 1.0
        companion[:, :, d - 1] = -part[:, :d] / part[:, [d]]
        found = np.linalg.eigvals(companion).ravel()
        roots.append(found.real[np.abs(found.imag) <= ROOT * np.maximum(1.0, np.abs(found.real))])
    return np.concatenate(roots) * unit if roots else np.empty(0)


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

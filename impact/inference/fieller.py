"""Confidence sets of a ratio of two estimates, honest also where the denominator may be zero."""

from __future__ import annotations

import math

from impact.results import Segment

FLAT = 1e-12  # relative size of a leading coefficient that is rounding noise: one end of the set is then at infinity


def fieller_set(numerator: float, denominator: float, v11: float, v12: float, v22: float,
                critical: float) -> tuple[Segment, ...]:
    """All ratios r for which numerator − r·denominator is not significantly different from zero.

    Parameters
    ----------
    numerator, denominator : the two estimates.
    v11, v12, v22 : variance of the numerator, covariance, variance of the denominator.
    critical : quantile of the test, 1.96 for 95 per cent and the normal distribution.

    Returns
    -------
    tuple of Segment
        One bounded segment where the denominator is significantly different from zero; else everything outside an open
        gap (two segments, each running to infinity), a half line (on the edge between the two) or the whole line. The
        ratio of the two estimates always lies in it.

    Raises
    ------
    ValueError
        When a number is not finite, a variance is negative, or the critical value is not positive.

    Notes
    -----
    Fieller (1954, Journal of the Royal Statistical Society B 16): the ends solve
    (n − r·d)² = c²·(v11 − 2r·v12 + r²·v22). An Anderson–Rubin set with one instrument is the same set. Checked by hand and
    by inverting the test on a grid (tests/test_ratio.py).
    """
    if not all(math.isfinite(x) for x in (numerator, denominator, v11, v12, v22)) or min(v11, v22) < 0:
        raise ValueError("the estimates and their variances must be finite, and variances not negative")
    if not (math.isfinite(critical) and critical > 0):
        raise ValueError(f"critical must be a positive number, not {critical!r}")
    c = critical**2
    a, b, e = denominator**2 - c * v22, numerator * denominator - c * v12, numerator**2 - c * v11
    if abs(a) <= FLAT * (denominator**2 + c * v22):
        return _half_line(b, e)
    root = b**2 - a * e  # a·r² − 2b·r + e ≤ 0
    if a < 0 and root < 0:
        return (Segment(),)
    # the root of larger size first, the other from their product: no digits are lost when a is small
    far = b + math.copysign(math.sqrt(max(root, 0.0)), b)
    low, high = sorted((far / a, e / far if far != 0 else 0.0))
    return (Segment(low=low, high=high),) if a > 0 else (Segment(high=low), Segment(low=high))


def _half_line(b: float, e: float) -> tuple[Segment, ...]:
    """Solve e − 2b·r ≤ 0."""
    if b == 0:
        return (Segment(),)
    return (Segment(low=e / (2 * b)),) if b > 0 else (Segment(high=e / (2 * b)),)

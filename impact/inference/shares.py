"""Intervals for a share: Wilson's score interval, and how many independent answers clustered answers are worth."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from impact.inference.intervals import check_level
from impact.inference.linear import Array, Codes


def wilson_interval(successes: float, n: float, conf_level: float = 0.95,
                    effective_n: float | None = None) -> tuple[float, float]:
    """Score interval for a share; it never leaves 0 to 1 and works at shares of 0 and 1.

    Parameters
    ----------
    successes, n : how many say yes, of how many.
    conf_level : a share.
    effective_n : how many independent answers the n are worth (:func:`effective_sample_size`); None is n.

    Returns
    -------
    (low, high), as shares.

    Raises
    ------
    ValueError
        When successes do not lie between 0 and n, or n is not above 0.

    Notes
    -----
    Wilson (1927, JASA 22, 209–212), without continuity correction; method 3 of Newcombe (1998, Statistics in Medicine 17,
    857–872), which recommends it. Reference case: 81 of 263 gives 0.2553 to 0.3662, 15 of 148 gives 0.0624
    to 0.1605, 0 of 20 gives 0 to 0.1611, 1 of 29 gives 0.0061 to 0.1718 (Newcombe 1998, table I).
    """
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"successes must lie between 0 and n, and n above 0: not {successes!r} of {n!r}")
    size = float(n if effective_n is None else effective_n)
    if not size > 0:
        raise ValueError(f"effective_n must be above 0, not {effective_n!r}")
    p, z = successes / n, float(stats.norm.ppf(0.5 + check_level(conf_level) / 2))
    middle = (p + z**2 / (2 * size)) / (1 + z**2 / size)
    reach = z * math.sqrt(p * (1 - p) / size + z**2 / (4 * size**2)) / (1 + z**2 / size)
    low = 0.0 if successes == 0 else max(middle - reach, 0.0)
    high = 1.0 if successes == n else min(middle + reach, 1.0)
    return low, high


def effective_sample_size(values: Array, clusters: Codes, *, conf_level: float | None = None) -> float:
    """Count the independent answers that clustered answers are worth.

    Parameters
    ----------
    values : (n,) of 0 and 1.
    clusters : (n,) codes of the groups that were drawn or sampled whole.
    conf_level : with a level, the count is lowered for the few degrees of freedom of few clusters, so that Wilson's normal
        quantile gives at that level what Student's t would.

    Returns
    -------
    float
        n over the design effect, never more than n: n where each cluster is one unit, about the number of clusters where
        all in a cluster answer alike.

    Raises
    ------
    ValueError
        With fewer than two clusters.

    Notes
    -----
    Design effect: the cluster-robust variance of the share, Σ_g(Σ_i(y − p))²/n²·G/(G − 1), over p(1 − p)/(n − 1). The
    interval of Wilson on this count follows the effective-sample-size method of Korn & Graubard (1998, Survey Methodology
    24, 193–201), who put it into the Clopper–Pearson interval; their factor (t(n − 1)/t(G − 1))² is ``conf_level``'s. Where
    everyone gives the same answer the design effect cannot be seen; the number of clusters is the careful count.
    """
    codes = np.unique(clusters, return_inverse=True)[1]
    n, groups = len(values), int(codes.max(initial=-1)) + 1
    if groups < 2:
        raise ValueError(f"{groups} cluster: two at least are needed to see how alike answers within one are")
    p = float(values.mean())
    if p in (0.0, 1.0):
        return float(groups)
    sums = np.bincount(codes, weights=values - p)
    variance = float(sums @ sums) / n**2 * groups / (groups - 1)
    count = math.inf if variance <= 0 else p * (1 - p) / (n - 1) * n / variance
    if conf_level is not None:
        reach = 0.5 + check_level(conf_level) / 2
        count *= float(stats.t(n - 1).ppf(reach) / stats.t(groups - 1).ppf(reach)) ** 2
    return min(count, float(n))


def newcombe_interval(successes: float, n: float, comparison_successes: float, comparison_n: float,
                      conf_level: float = 0.95, *, effective: tuple[float | None, float | None] = (None, None)) -> tuple[
                          float, float]:
    """Interval for the difference of two independent shares, first minus comparison.

    Parameters
    ----------
    successes, n, comparison_successes, comparison_n : counts of each side. conf_level : a share.
    effective : effective number of units of each side under clustering, as :func:`effective_sample_size` gives it.

    Notes
    -----
    Newcombe (1998, Statistics in Medicine 17, 873–890, method 10): squares and adds how far each Wilson interval reaches.
    Reference case: tests/test_exact.py.
    """
    p, q = successes / n, comparison_successes / comparison_n
    low, high = wilson_interval(successes, n, conf_level, effective[0])
    base_low, base_high = wilson_interval(comparison_successes, comparison_n, conf_level, effective[1])
    return p - q - math.hypot(p - low, base_high - q), p - q + math.hypot(high - p, q - base_low)

"""Exact tests for small trials: Wilcoxon's rank sum with ties, and Fisher's test of a two-by-two table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.stats import contingency

from impact.errors import DesignError, Problem
from impact.inference.intervals import check_level
from impact.inference.inversion import TIE
from impact.inference.linear import Array

MOST_UNITS = 200  # beyond it the count of rank sums takes long, and means and ranks need no exact test


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSum:
    """Wilcoxon's rank-sum test.

    Attributes
    ----------
    statistic : pairs in which the treated unit is higher, ties counting one half (Mann–Whitney's U, R's W).
    p_value : exact, two-sided. smallest_p : the least these ranks can give.
    shift : Hodges–Lehmann, the median of all differences treated − comparison, in outcome units.
    low, high : ends of the exact interval for the shift; None where so few units allow none at the level.
    attained_level : the level the interval has without ties; with ties it is at least that.
    tied : whether any two outcomes are equal.
    """

    statistic: float
    p_value: float
    smallest_p: float
    shift: float
    low: float | None
    high: float | None
    attained_level: float | None
    tied: bool


def rank_sum_exact(outcome: Array, treated: Array, conf_level: float = 0.95) -> RankSum:
    """Compare two groups by ranks, by counting every way the treated could have been drawn.

    Parameters
    ----------
    outcome : (n,) in its unit. treated : (n,) of 0 and 1.
    conf_level : a share.

    Raises
    ------
    DesignError
        When one group is empty, or there are more than 200 units.

    Notes
    -----
    p is the share of draws whose rank sum is at least as far from its mean as the observed one, mid-ranks at ties: Wilcoxon
    (1945), counted by the shift algorithm of Streitberg & Röhmel (1986), which also scipy lacks under ties. Interval:
    Hodges & Lehmann (1963); Hollander, Wolfe & Chicken (2014, Wiley), with the ordered differences R's wilcox.test
    takes; with its ends included it keeps its level under ties. Reference cases: inf_jtrain_wilcoxon_exact
    (exactRankTests 0.8.35); R 4.2.2 wilcox.test without ties (tests/test_exact.py).
    """
    level = check_level(conf_level)
    arm = treated == 1
    n, m = len(outcome), int(arm.sum())
    if m in (0, n):
        raise DesignError(Problem(where="rank test", what=f"{m} treated and {n - m} comparison units: both are needed",
                                  cure="Compare two groups."), source="design")
    if n > MOST_UNITS:
        raise DesignError(Problem(where="rank test", what=f"{n} units: exact ranks are for at most {MOST_UNITS}",
                                  cure="With so many units use difference_in_means."), source="design")
    ranks = stats.rankdata(outcome)
    total = _sums((2 * ranks).astype(np.int64), m)
    observed = 2 * float(ranks[arm].sum())
    away = np.abs(np.arange(len(total)) - m * (n + 1.0))
    chances = total / total.sum()
    p = float(chances[away >= abs(observed - m * (n + 1.0)) - TIE * observed].sum())
    gaps = np.sort((outcome[arm][:, None] - outcome[~arm][None, :]).ravel())
    ladder = np.cumsum(_sums(np.arange(1, n + 1), m)[m * (m + 1) // 2:] / math.comb(n, m))
    step = int((ladder < (1 - level) / 2 * (1 - TIE)).sum())
    return RankSum(statistic=observed / 2 - m * (m + 1) / 2, p_value=min(p, 1.0),
                   smallest_p=float(chances[(away == away[total > 0].max()) & (total > 0)].sum()),
                   shift=float(np.median(gaps)), low=float(gaps[step - 1]) if step else None,
                   high=float(gaps[len(gaps) - step]) if step else None,
                   attained_level=1 - 2 * float(ladder[step - 1]) if step else None, tied=len(np.unique(ranks)) < n)


def _sums(scores: np.ndarray[tuple[int], np.dtype[np.int64]], m: int) -> Array:
    """Count the choices of m scores out of all by their sum: entry s is how many choices add up to s."""
    most = int(np.sort(scores)[len(scores) - m:].sum())
    counts = np.zeros((m + 1, most + 1))
    counts[0, 0] = 1.0
    for score in scores:
        counts[1:, score:] += counts[:-1, :most + 1 - score].copy()
    return np.asarray(counts[m])


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoByTwo:
    """Fisher's exact test; an odds ratio without an end on one side has ``math.inf`` there.

    Attributes
    ----------
    p_value : exact, two-sided.
    odds_ratio : conditional maximum likelihood; None where a row or column is empty.
    low, high : ends of its exact interval.
    """

    p_value: float
    odds_ratio: float | None
    low: float
    high: float


def fisher_exact_table(table: Sequence[Sequence[int]] | Array, conf_level: float = 0.95) -> TwoByTwo:
    """Test a two-by-two table of counts with both margins held fixed.

    Parameters
    ----------
    table : ((a, b), (c, d)) of counts.
    conf_level : a share.

    Raises
    ------
    ValueError
        When it is not two by two, or holds anything but whole numbers of at least 0.

    Notes
    -----
    Fisher (1935). Two-sided: the chance of all tables no more likely than the observed one. Odds ratio and interval are
    conditional (Cornfield 1956), tails of equal size, as R's fisher.test; scipy does the counting. The p-value and the
    interval answer slightly differently, so that at the margin one may reject where the other does not.
    Reference case: inf_tz_fisher_exact (base R 4.2.2).
    """
    counts = np.asarray(table, dtype=float)
    if counts.shape != (2, 2) or not (np.isfinite(counts).all() and (counts >= 0).all() and (counts % 1 == 0).all()):
        raise ValueError("table must be two by two, of whole numbers of at least 0")
    level, whole = check_level(conf_level), counts.astype(np.int64)
    if 0 in (*whole.sum(axis=0), *whole.sum(axis=1)):
        return TwoByTwo(p_value=1.0, odds_ratio=None, low=0.0, high=math.inf)
    found = contingency.odds_ratio(whole, kind="conditional")
    ends = found.confidence_interval(level)
    return TwoByTwo(p_value=float(min(stats.fisher_exact(whole)[1], 1.0)), odds_ratio=float(found.statistic),
                    low=float(ends.low), high=float(ends.high))

"""Who was lost: overall and by arm, judged together, because a difference between arms is what biases."""

from __future__ import annotations

from typing import Literal

import numpy as np

from impact.inference.linear import Array, Codes
from impact.inference.shares import effective_sample_size, newcombe_interval
from impact.results import Check

Boundary = Literal["cautious", "optimistic"]
# largest difference between the arms, in points, at 0, 1, 2 … per cent lost in all (Standards Handbook 4.1, table II.1)
BOUNDARIES: dict[str, tuple[float, ...]] = {
    "cautious": (
        5.7, 5.8, 5.9, 5.9, 6.0, 6.1, 6.2, 6.3, 6.3, 6.3, 6.3, 6.2, 6.2, 6.1, 6.0, 5.9, 5.9, 5.8, 5.7, 5.5, 5.4, 5.3,
        5.2, 5.1, 4.9, 4.8, 4.7, 4.5, 4.4, 4.3, 4.1, 4.0, 3.8, 3.6, 3.5, 3.3, 3.2, 3.1, 2.9, 2.8, 2.6, 2.5, 2.3, 2.1,
        2.0, 1.8, 1.6, 1.5, 1.3, 1.2, 1.0, 0.9, 0.7, 0.6, 0.4, 0.3, 0.2, 0.0),
    "optimistic": (
        10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.7, 10.8, 10.9, 10.9, 10.9, 10.9, 10.9, 10.8, 10.8, 10.7, 10.6, 10.5,
        10.3, 10.2, 10.0, 9.9, 9.7, 9.5, 9.4, 9.2, 9.0, 8.8, 8.6, 8.4, 8.2, 8.0, 7.8, 7.6, 7.4, 7.2, 7.0, 6.7, 6.5, 6.3,
        6.0, 5.8, 5.6, 5.3, 5.1, 4.9, 4.6, 4.4, 4.2, 3.9, 3.7, 3.5, 3.2, 3.0, 2.8, 2.6, 2.3, 2.1, 1.9, 1.6, 1.4, 1.1,
        0.9, 0.7, 0.5, 0.3),
}
SOURCE = "What Works Clearinghouse (2020), Standards Handbook 4.1, table II.1; interval: Newcombe (1998), method 10"
TITLE, MEASURE = "Losses of units", "share of units lost"


def attrition(found: Array, treated: Array, *, outcome: str = "", what: str = "not found again", unknown: int = 0,
              clusters: Codes | None = None, boundary: Boundary = "cautious", conf_level: float = 0.95) -> Check:
    """Examine how many enrolled units have no outcome and whether the arms differ in it, the two judged together.

    Parameters
    ----------
    found : (n,) of 1 where the outcome is known, 0 where it is not; one entry an enrolled unit.
    treated : (n,) of 1 and 0.
    outcome : name of the outcome, for the record.
    what : the words for being lost ('not found again', 'never reported').
    unknown : enrolled units whose arm is not known; they are told and cannot be judged.
    clusters : (n,) codes of the groups in which treatment was decided; the interval then allows for them.
    boundary : "cautious" where the programme itself may move who is found, as a grant or training does; "optimistic" where
        it cannot.
    conf_level : a share.

    Returns
    -------
    Check
        ``measured`` is the share lost in all; ``details`` the shares by arm, their difference with its interval, and the
        largest difference allowed at that share lost (both boundaries). Pass: the whole interval lies within the boundary.
        Fail: the whole interval lies beyond it, or so many were lost that no difference is small enough. Concern: the
        interval holds the boundary, or the arm of some is not known.

    Notes
    -----
    A difference of a few points biases little where few are lost and more where many are: the boundary is where the bias
    reaches 0.05 standard deviations of the outcome, if being found depends on it as strongly as in the studies behind the
    rule (What Works Clearinghouse, Standards Handbook 4.1, table II.1; Deke & Chiang 2017, Evaluation Review 41, 130–154,
    for the model). The rule is for trials; elsewhere it is a yardstick borrowed from them. It compares the measured
    difference alone; that the whole interval must lie within is ours, and stricter in small samples. Between two whole per
    cent the boundary is a straight line. Interval: Newcombe (1998, Statistics in Medicine 17, 873–890, method
    10), from Wilson's intervals of the two shares; with clusters each on its effective number of units.
    Reference cases: the table was copied from two transcriptions in R packages and agrees with the model to a tenth of a
    point; the interval agrees with Newcombe's table II and statsmodels (tests/test_checks.py).
    """
    lost, d = 1.0 - np.asarray(found, dtype=float), np.asarray(treated, dtype=float)
    if not (d == 1).any() or not (d == 0).any():
        return Check(id="attrition", title=TITLE, verdict="not_applicable", word="not examined", outcome=outcome,
                     reason="One of the two groups is empty.", measure=MEASURE)
    if not lost.any() and not unknown:
        return Check(id="attrition", title=TITLE, verdict="not_applicable", word="none in the file", outcome=outcome,
                     reason=f"All {len(lost):,} units in the file have the outcome. If the file leaves out units that were "
                     "not found again, losses cannot be seen here.", measured=0.0, measure=MEASURE)
    shares = [float(lost[d == arm].mean()) for arm in (1, 0)]
    overall, gap = float(lost.mean()), shares[0] - shares[1]
    limit, interval = largest_difference(overall, boundary), _difference_interval(lost, d, clusters, conf_level)
    verdict, word, judged = _judge(overall, gap, interval, limit, boundary) if lost.any() else ("pass", "few", "")
    if unknown:
        verdict, word = ("concern", "arm not known for some") if verdict == "pass" else (verdict, word)
        judged += f" {unknown} more unit{'s have' if unknown > 1 else ' has'} no known arm and cannot be judged."
    said = f" ({conf_level:.0%} interval {_points(interval[0])} to {_points(interval[1])})" if interval else ""
    reason = (f"{int(lost.sum()):,} of {len(lost):,} units ({overall:.1%}) {what}: {shares[0]:.1%} of the treated, "
              f"{shares[1]:.1%} of the comparison, a difference of {_points(gap)} points{said}.{judged}")
    low, high = interval or (None, None)
    return Check(id="attrition", title=TITLE, verdict=verdict, word=word, outcome=outcome, reason=reason, measured=overall,
                 measure=MEASURE, source=SOURCE, details=(
                     ("lost_treated", shares[0]), ("lost_comparison", shares[1]), ("difference", gap),
                     ("conf_low", low), ("conf_high", high), ("conf_level", conf_level), ("boundary", boundary),
                     ("difference_limit", limit),
                     ("difference_limit_optimistic", largest_difference(overall, "optimistic"))))


def largest_difference(overall: float, boundary: Boundary = "cautious") -> float | None:
    """Largest difference in losses between the arms that biases little, given the share lost in all; None where none does.

    Parameters
    ----------
    overall : share lost in all. boundary : as :func:`attrition`.

    Returns
    -------
    float or None
        A share.
    """
    table = BOUNDARIES[boundary]
    if 100 * overall > len(table) - 1:
        return None
    return float(np.interp(100 * overall, np.arange(len(table)), table)) / 100


def _judge(overall: float, gap: float, interval: tuple[float, float] | None, limit: float | None,
           boundary: str) -> tuple[Literal["pass", "concern", "fail"], str, str]:
    """Verdict, word and sentence of the interval held against the boundary."""
    rule = f"the {boundary} rule of the What Works Clearinghouse"
    if limit is None:
        return "fail", "too many", (f" With more than {len(BOUNDARIES[boundary]) - 1}% lost no difference is small enough "
                                    f"({rule}): expect the effect to be biased.")
    told = f" With {overall:.1%} lost the groups may differ by up to {_points(limit)} points ({rule})"
    if interval is None:
        return "concern", "cannot be told", f"{told}; with one group on a side the difference has no interval."
    low, high = interval
    if max(-low, high) <= limit:
        return "pass", "few", f"{told}, and the whole interval lies within that."
    if low > limit or high < -limit:
        return "fail", "uneven", f"{told}, and the whole interval lies beyond that: expect the effect to be biased."
    where = "lies within that, but the interval reaches beyond it" if abs(gap) <= limit else (
        "lies beyond that, though the interval reaches back within it")
    return "concern", "may be uneven", f"{told}; the difference {where}: bias cannot be ruled out."


def _difference_interval(lost: Array, treated: Array, clusters: Codes | None,
                         conf_level: float) -> tuple[float, float] | None:
    """Newcombe's interval of the difference, treated less comparison; None with one cluster on a side."""
    sides = [treated == arm for arm in (1, 0)]
    sizes: list[float | None] = [None, None]
    if clusters is not None:
        if min(len(np.unique(clusters[mine])) for mine in sides) < 2:
            return None
        sizes = [effective_sample_size(lost[mine], clusters[mine], conf_level=conf_level) for mine in sides]
    (x1, n1), (x0, n0) = ((float(lost[mine].sum()), int(mine.sum())) for mine in sides)
    return newcombe_interval(x1, n1, x0, n0, conf_level, effective=(sizes[0], sizes[1]))


def _points(share: float) -> str:
    """Write a share in points, with a true minus sign."""
    return f"{100 * share:.1f}".replace("-", "−").replace("−0.0", "0.0")

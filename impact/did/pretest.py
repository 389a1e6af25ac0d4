"""A joint test of earlier periods that keeps its size with few units or clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from impact.data.frame import counted
from impact.did.multiplier import DRAWS, largest_of
from impact.inference.linear import Array
from impact.inference.report import FEW_CLUSTERS
from impact.results import Check

Sides = NDArray[np.bool_] | NDArray[np.int64]
DRIFT = 0.10  # lenient, because tests of earlier trends are weak
MOST_LEADS = 4  # each further lead costs the joint test power
NOISE = 1e-10  # of the largest influence: what is smaller is rounding, of units that add nothing
FEW_TO_SEE = 20  # units or clusters on the smaller side, below which the words say that little would show


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTest:
    """Whether all earlier differences are zero.

    Attributes
    ----------
    p : of the largest one among those tested; None where none can be. statistic : its size, on the scale of a normal.
    place : position of the largest. tested, left_out : how many differences were tested, and had too few on a side.
    fewest : units or clusters on the smaller side of the differences (tested, or all where none could be).
    """

    p: float | None
    statistic: float | None
    place: int | None
    tested: int
    left_out: int
    fewest: int


def leads_of(horizon: Array, most: int | None) -> list[float]:
    """List the last periods before treatment, latest first; the earliest one seen stays the reference.

    ``horizon`` is of rows before treatment, minus infinity where never treated; ``most`` of None is up to four.
    """
    known = np.unique(horizon[np.isfinite(horizon)])[::-1]
    return [float(h) for h in known[:max(min(len(known) - 1, MOST_LEADS if most is None else most), 0)]]


def largest_difference(values: Array, influence: Array, sides: Sides, *, seed: int = 0, draws: int = DRAWS) -> JointTest:
    """Test differences before treatment all at once, by the largest of them.

    Parameters
    ----------
    values : (k,) differences.
    influence : (units or clusters, k) what each adds to each difference's error: variances are sums of squares.
    sides : (units or clusters, k) on which side of each difference each stands, as codes or marks.
    seed, draws : of the simulated law of the largest.

    Returns
    -------
    JointTest
        Differences with fewer than six on one of their sides are left out and counted.

    Notes
    -----
    Each difference is divided by an error that carries n/(n−1) on either side, and read against Student's t with Welch's
    degrees of freedom; the smallest p, turned into a normal deviate, is held against the largest of normal deviates that
    go together as the differences do (the multiplier law of Callaway & Sant'Anna 2021, algorithm 1). A Wald test takes the
    inverse of a covariance that few clusters determine badly, and so rejects true parallel trends far too often. Size at
    10 per cent by simulation: tests/reference/pretest_size.csv; by hand: tests/test_pretest.py.
    """
    parts = []
    for column, codes in zip(influence.T, sides.T, strict=True):
        adds = np.abs(column) > NOISE * np.abs(column).max(initial=0.0)
        parts.append([np.square(column[adds & (codes == side)]) for side in np.unique(codes)])
    fewest = np.array([min(len(squares) for squares in groups) if len(groups) > 1 else 0 for groups in parts])
    used = np.flatnonzero(fewest >= FEW_CLUSTERS)
    least = fewest[used] if len(used) else fewest
    count = {"tested": len(used), "left_out": len(values) - len(used), "fewest": int(least.min()) if len(least) else 0}
    if not len(used):
        return JointTest(p=None, statistic=None, place=None, **count)
    error, df = np.array([_welch(parts[j]) for j in used]).T
    deviates = -special.ndtri(stats.t.sf(np.abs(values[used]) / error, df))
    best = int(np.argmax(deviates))
    top = largest_of(influence[:, used].T @ influence[:, used], draws=draws, seed=seed)
    p = (1 + int((top >= deviates[best]).sum())) / (1 + draws)
    return JointTest(p=p, statistic=float(deviates[best]), place=int(used[best]), **count)


def _welch(groups: Sequence[Array]) -> tuple[float, float]:
    """Standard error with n/(n−1) on each side, and its degrees of freedom, from squared influences."""
    n = np.array([len(squares) for squares in groups])
    variance = np.array([squares.sum() for squares in groups]) * n / (n - 1)
    total = float(variance.sum())
    return total**0.5, 1 / float(((variance / total) ** 2 / (n - 1)).sum())  # shares, which no unit makes too large


def said(test: JointTest, named: Sequence[str], *, identifier: str, title: str, outcome: str, noun: str, source: str,
         what: str = "how treated and comparison {noun}s moved", details: tuple[tuple[str, Any], ...] = ()) -> Check:
    """Put the joint test in words.

    Parameters
    ----------
    named : each difference's size, groups and periods in words. noun : what stands on a side, "unit" or "cluster".
    what : is different, in words. source : of the differences. details : further numbers to keep.
    """
    skipped = (f" {counted(test.left_out, 'more difference')} with fewer than {FEW_CLUSTERS} {noun}s on a side "
               f"{'is' if test.left_out == 1 else 'are'} not tested." if test.left_out else "")
    if test.p is None or test.place is None:
        return Check(id=identifier, title=title, verdict="not_applicable", word="not examined", outcome=outcome,
                     source=source, details=details,
                     reason=f"Too few {noun}s to say: each difference before treatment rests on fewer than "
                     f"{FEW_CLUSTERS} {noun}s on a side.")
    seen = test.p < DRIFT
    shown = "p is below 0.001" if test.p < 0.001 else f"p = {test.p:.2g}"
    many = test.tested > 1
    what = what.replace("{noun}", noun)
    start = (f"Before treatment {test.tested} differences in {what} were looked at; the clearest is" if many else
             f"Before treatment the difference in {what} is")
    tail = ("a drift apart is seen." if seen else
            "no drift apart is seen, but one too small for this test cannot be ruled out.")
    few = f" With {test.fewest} {noun}s on the smaller side only a large one would show." if (
        not seen and test.fewest < FEW_TO_SEE) else ""
    return Check(
        id=identifier, title=title, verdict="concern" if seen else "pass", word="drift seen" if seen else "examined",
        outcome=outcome, measured=test.p, threshold=DRIFT, measure="p-value of the joint test", source=source,
        reason=f"{start} {named[test.place]}. {'For all of them together' if many else 'Its'} {shown}: {tail}{few}"
        f"{skipped}", details=(("largest", test.statistic), ("tested", test.tested), ("left_out", test.left_out),
                               ("fewest", test.fewest), *details))

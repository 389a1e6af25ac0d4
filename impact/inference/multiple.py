"""Several outcomes, one promise: adjusted p-values within declared families."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TIE = 1e-10  # relative; statistics this near to each other are the same


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of any false finding in the family stays at the level.

    Parameters
    ----------
    p_values : unadjusted, in any order, each between 0 and 1.

    Returns
    -------
    list of float
        In the order given.

    Notes
    -----
    Holm (1979, Scandinavian Journal of Statistics 6, 65–70). Checked: R p.adjust (tests/test_reference.py).
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    out = np.empty(len(p))
    out[order] = np.minimum(stepped, 1.0)
    return [float(x) for x in out]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the expected share of false findings among those found stays at the level.

    Parameters
    ----------
    p_values : as :func:`holm`.

    Returns
    -------
    list of float
        In the order given.

    Notes
    -----
    Benjamini & Hochberg (1995, JRSS B 57, 289–300), independent or positively dependent tests.
    Checked: R p.adjust (tests/test_reference.py).
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(-p, kind="stable")
    ranks = len(p) - np.arange(len(p))
    stepped = np.minimum.accumulate(p[order] * len(p) / ranks)
    out = np.empty(len(p))
    out[order] = np.minimum(stepped, 1.0)
    return [float(x) for x in out]


def sharpened_q(p_values: Sequence[float], *, step: float = 0.001) -> list[float]:
    """Sharpened q-values: the smallest false discovery rate at which each finding still counts.

    Parameters
    ----------
    p_values : unadjusted, in any order.
    step : grid of rates; results lie on it.

    Notes
    -----
    Two-stage procedure of Benjamini, Krieger & Yekutieli (2006, Biometrika 93), applied from rate 1 down to ``step`` as in
    Anderson (2008, JASA 103, and its do-file). A q-value may be smaller than its p-value when many findings
    are real. Reference case: mt_tz_padjust_sharpened_q.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    ranked, m = p[order], len(p)
    ranks = np.arange(1, m + 1)
    q = np.ones(m)
    for i in range(round(1 / step), 0, -1):
        rate = i * step
        first = rate / (1 + rate)
        below = np.flatnonzero(ranked <= first * ranks / m)
        rejected = int(below[-1]) + 1 if len(below) else 0
        if rejected == 0:
            break
        second = first * m / (m - rejected) if rejected < m else np.inf
        below = np.flatnonzero(ranked <= second * ranks / m)
        q[: int(below[-1]) + 1 if len(below) else 0] = rate
    out = np.empty(m)
    out[order] = q
    return [float(x) for x in out]


def as_min_p(observed: Sequence[float], drawn: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn statistics into 1 − p, each p from the outcome's own draws: outcomes on different scales become comparable.

    Parameters
    ----------
    observed : (q,) statistics. drawn : (R, q), as :func:`step_down`, which takes what this returns.

    Notes
    -----
    Minimum-p statistics of Westfall & Young (1993, Wiley). Ties count, to 1e-10 relative.
    """
    size, draws = np.abs(np.asarray(observed, dtype=float)), np.abs(drawn)
    total = len(draws)
    ranked = np.sort(draws, axis=0)
    above = np.column_stack([total - np.searchsorted(ranked[:, j], draws[:, j] * (1 - TIE), side="left")
                             for j in range(draws.shape[1])])
    mine = np.array([total - np.searchsorted(ranked[:, j], size[j] * (1 - TIE), side="left") for j in range(len(size))])
    return 1 - mine / total, 1 - above / total


def step_down(observed: Sequence[float], drawn: NDArray[np.float64], *, enumerated: bool = False) -> list[float]:
    """Adjust p-values over outcomes by the joint distribution of their statistics under re-randomisation.

    Parameters
    ----------
    observed : (q,) statistics; larger in absolute value is stronger.
    drawn : (R, q) statistics of the design's own draws, the same draw in each row for all outcomes.
    enumerated : whether the rows are all possible draws (the observed one among them).

    Returns
    -------
    list of float
        Familywise adjusted p-values, in the order given; never 0.

    Notes
    -----
    Free step-down of Westfall & Young (1993, Wiley) on statistics, which with studentised statistics is Romano &
    Wolf (2005, Econometrica 73; p-values as in their 2016 note). Uses how outcomes move together, so it is no stricter
    than Holm on the same draws. Reference case: mt_jtrain2_romano_wolf.
    """
    size, draws = np.abs(np.asarray(observed, dtype=float)), np.abs(drawn)
    order = np.argsort(-size, kind="stable")
    total = len(draws)
    top = np.full(total, -np.inf)
    adjusted = np.empty(len(size))
    for j in order[::-1]:
        top = np.maximum(top, draws[:, j])
        count = int((top >= size[j] * (1 - TIE)).sum())
        adjusted[j] = count / total if enumerated else (1 + count) / (1 + total)
    adjusted[order] = np.maximum.accumulate(adjusted[order])
    return [float(x) for x in adjusted]

"""Several outcomes, one promise: adjusted p-values within declared families."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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

"""Overlap: is there anybody comparable for each treated unit?"""

from __future__ import annotations

import numpy as np

from impact.inference.linear import Array
from impact.results import Check

OUTSIDE_LIMIT = 0.10  # share of treated units beyond the comparison's range of scores
EFFECTIVE_LIMIT = 30.0  # comparison units of equal weight that carry as much information


def overlap(score: Array, treated: Array, *, weights: Array | None = None, outcome: str = "") -> Check:
    """Examine whether comparison units exist at the treated units' propensity scores.

    Parameters
    ----------
    score : (n,) probability of treatment given covariates.
    treated : (n,) of 1 and 0.
    weights : (n,) matching weights, or None; with them the effective number of comparison units is examined too.

    Returns
    -------
    Check
        ``measured`` is the share of treated units whose score lies outside the comparison units' range. Concern above
        0.10, or with fewer than 30 effective comparison units (our thresholds; Imbens & Rubin 2015, section 14.3).
    """
    d = np.asarray(treated)
    zero, one = score[d == 0], score[d == 1]
    outside = float(((one < zero.min()) | (one > zero.max())).mean())
    effective = None
    if weights is not None:
        w = weights[d == 0]
        effective = float(w.sum() ** 2 / (w**2).sum()) if (w > 0).any() else 0.0
    thin = effective is not None and effective < EFFECTIVE_LIMIT
    reason = f"{outside:.0%} of treated units have a score beyond every comparison unit's."
    if effective is not None:
        reason += f" The matched comparison carries as much information as {effective:.0f} units of equal weight."
    far = outside > OUTSIDE_LIMIT
    return Check(id="overlap", title="Comparable units exist", verdict="concern" if far or thin else "pass",
                 word="little overlap" if far else "thin" if thin else "overlap", reason=reason, measured=outside,
                 threshold=OUTSIDE_LIMIT, measure="share of treated units outside the comparison's range",
                 outcome=outcome, source="Imbens & Rubin (2015, section 14.3); thresholds are ours",
                 details=(("effective_comparison", effective),))

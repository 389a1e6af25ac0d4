"""Overlap: is there anybody comparable for each treated unit?"""

from __future__ import annotations

import numpy as np

from impact.inference.linear import Array
from impact.inference.worth import effective_size, equal_units
from impact.results import Check

NONE_LIMIT = 0.50  # share beyond which the effect is mostly said of units nobody is like
OUTSIDE_LIMIT = 0.10  # share of treated units beyond the comparison's range of scores
EFFECTIVE_LIMIT = 30.0  # comparison units of equal weight that carry as much information


def overlap(score: Array | None, treated: Array, *, weights: Array | None = None, estimand: str = "att",
            outcome: str = "") -> Check:
    """Examine whether units comparable to those the effect speaks of exist on the other side.

    Parameters
    ----------
    score : (n,) probability of treatment given covariates, or None where the method uses none.
    treated : (n,) of 1 and 0.
    weights : (n,) matching weights, or None; with them the effective number of comparable units is examined too.
    estimand : "att" (are there comparison units for the treated), "atc" (the reverse), others (the worse of both).
    outcome : whose units these are, where outcomes have different ones.

    Returns
    -------
    Check
        ``measured`` is the share of units whose score lies outside the other side's range. Fails where it is above 0.50
        among the units kept; concern above 0.10, or with fewer than 30 effective units on the other side (ours; Imbens &
        Rubin 2015).
    """
    d = np.asarray(treated)
    focal = {"att": (1,), "atc": (0,)}.get(estimand, (1, 0))
    found = [_side(score, d, weights, side) for side in focal]
    shares = [side[0] for side in found if side[0] is not None]
    sizes = [side[1] for side in found if side[1] is not None]
    outside, effective = max(shares, default=None), min(sizes, default=None)
    far, thin = outside is not None and outside > OUTSIDE_LIMIT, effective is not None and effective < EFFECTIVE_LIMIT
    kept = np.ones(len(d)) if weights is None else np.asarray(weights)
    none = score is not None and max(_share(score, d, kept, side) for side in focal) > NONE_LIMIT
    return Check(id="overlap", title="Comparable units exist", outcome=outcome,
                 verdict="fail" if none else "concern" if far or thin else "pass",
                 word="no overlap" if none else "little overlap" if far else "thin" if thin else "overlap",
                 reason=" ".join(s[2] for s in found),
                 measured=outside, threshold=OUTSIDE_LIMIT, measure="share of units outside the other side's range",
                 source="Imbens & Rubin (2015); thresholds are ours",
                 details=(("effective_comparison" if estimand == "att" else "effective_units", effective),))


def _share(score: Array, treated: Array, kept: Array, focal: int) -> float:
    """Share of the kept units of one side whose score lies beyond every unit's of the other."""
    mine, theirs = score[(treated == focal) & (kept != 0)], score[treated != focal]
    return float(((mine < theirs.min()) | (mine > theirs.max())).mean()) if len(mine) else 0.0


def _side(score: Array | None, treated: Array, weights: Array | None, focal: int) -> tuple[
        float | None, float | None, str]:
    """Share of one side beyond the other's scores, effective size of the other side, and both in words."""
    own, other = ("treated", "comparison") if focal == 1 else ("comparison", "treated")
    outside, words = None, "No score is used, so that units without a like on the other side are not seen."
    if score is not None:
        outside = _share(score, treated, np.ones(len(treated)), focal)
        words = f"{outside:.0%} of {own} units have a score beyond every {other} unit's."
    if weights is None:
        return outside, None, words
    effective = effective_size(weights[treated != focal])
    said = "matched comparison" if focal == 1 else "treated units used"
    verb = "carries" if focal == 1 else "carry"
    return outside, effective, f"{words} The {said} {verb} as much information as {equal_units(effective)}."

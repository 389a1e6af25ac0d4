"""Overlap: is there anybody comparable for each treated unit?"""

from __future__ import annotations

import numpy as np

from impact.inference.linear import Array
from impact.inference.worth import effective_size, equal_units
from impact.results import Check

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
        ``measured`` is the share of units whose score lies outside the other side's range. Concern above 0.10, or with
        fewer than 30 effective units on the other side (our thresholds; Imbens & Rubin 2015).
    """
    d = np.asarray(treated)
    found = [_side(score, d, weights, focal) for focal in {"att": (1,), "atc": (0,)}.get(estimand, (1, 0))]
    shares = [side[0] for side in found if side[0] is not None]
    sizes = [side[1] for side in found if side[1] is not None]
    outside, effective = max(shares, default=None), min(sizes, default=None)
    far, thin = outside is not None and outside > OUTSIDE_LIMIT, effective is not None and effective < EFFECTIVE_LIMIT
    return Check(id="overlap", title="Comparable units exist", verdict="concern" if far or thin else "pass",
                 word="little overlap" if far else "thin" if thin else "overlap", reason=" ".join(s[2] for s in found),
                 measured=outside, threshold=OUTSIDE_LIMIT, measure="share of units outside the other side's range",
                 outcome=outcome, source="Imbens & Rubin (2015); thresholds are ours",
                 details=(("effective_comparison" if estimand == "att" else "effective_units", effective),))


def _side(score: Array | None, treated: Array, weights: Array | None, focal: int) -> tuple[
        float | None, float | None, str]:
    """Share of one side beyond the other's scores, effective size of the other side, and both in words."""
    own, other = ("treated", "comparison") if focal == 1 else ("comparison", "treated")
    outside, words = None, "No score is used, so that units without a like on the other side are not seen."
    if score is not None:
        mine, theirs = score[treated == focal], score[treated != focal]
        outside = float(((mine < theirs.min()) | (mine > theirs.max())).mean())
        words = f"{outside:.0%} of {own} units have a score beyond every {other} unit's."
    if weights is None:
        return outside, None, words
    effective = effective_size(weights[treated != focal])
    said = "matched comparison" if focal == 1 else "treated units used"
    verb = "carries" if focal == 1 else "carry"
    return outside, effective, f"{words} The {said} {verb} as much information as {equal_units(effective)}."

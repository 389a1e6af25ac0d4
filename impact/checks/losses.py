"""Who was lost: overall and by arm, because a difference between arms is what biases."""

from __future__ import annotations

import math

import numpy as np

from impact.inference.contrasts import difference
from impact.inference.intervals import infer
from impact.inference.linear import Array
from impact.results import Check

OVERALL_LIMIT = 0.20  # share of units lost
DIFFERENCE_LIMIT = 0.05  # share lost, treated less comparison


def attrition(found: Array, treated: Array, *, outcome: str = "", what: str = "not found again",
              unknown: int = 0) -> Check:
    """Examine how many enrolled units have no outcome, and whether the arms differ in it.

    Parameters
    ----------
    found : (n,) of 1 where the outcome is known, 0 where it is not; one entry an enrolled unit.
    treated : (n,) of 1 and 0.
    outcome : name of the outcome, for the record.
    what : the words for being lost ('not found again', 'never reported').
    unknown : enrolled units whose arm is not known; they are told and cannot be judged.

    Returns
    -------
    Check
        ``measured`` is the share lost, ``details`` the shares by arm and their difference. Concern above 0.20 in all
        or 0.05 between the arms (our thresholds; What Works Clearinghouse, Handbook 5.0, judges the two together).
    """
    title = "Few units lost, evenly"
    lost = 1.0 - np.asarray(found, dtype=float)
    d = np.asarray(treated, dtype=float)
    arms = [lost[d == 1], lost[d == 0]]
    if not len(arms[0]) or not len(arms[1]):
        return Check(id="attrition", title=title, verdict="not_applicable", word="not examined", outcome=outcome,
                     reason="One of the two groups is empty.", measure="share of units lost")
    aside = f" {unknown} more units have no known arm and are left out." if unknown else ""
    if not lost.any() and not unknown:
        return Check(id="attrition", title=title, verdict="not_applicable", word="none in the file", outcome=outcome,
                     reason=f"All {len(lost)} units in the file have the outcome. If the file leaves out units that were "
                     "not found again, losses cannot be seen here.", measured=0.0, threshold=OVERALL_LIMIT,
                     measure="share of units lost")
    shares = [float(a.mean()) for a in arms]
    overall, gap = float(lost.mean()), shares[0] - shares[1]
    p = None
    if min(map(len, arms)) > 1 and 0 < overall < 1:
        found_gap = difference(lost, d)
        p = infer(found_gap.estimate, found_gap.std_error, found_gap.df if math.isfinite(found_gap.df) else None).p_value
    concern = unknown > 0 or overall > OVERALL_LIMIT or abs(gap) > DIFFERENCE_LIMIT
    said = f" (p = {p:.2f})" if p is not None and p >= 0.005 else " (p < 0.005)" if p is not None else ""
    reason = (f"{int(lost.sum())} of {len(lost)} units ({overall:.0%}) {what}: {shares[0]:.0%} of the treated, "
              f"{shares[1]:.0%} of the comparison{said}.{aside}")
    return Check(id="attrition", title=title, verdict="concern" if concern else "pass", outcome=outcome,
                 word="uneven" if abs(gap) > DIFFERENCE_LIMIT else "many" if overall > OVERALL_LIMIT else
                 "arm not known for some" if unknown else "few", reason=reason,
                 measured=overall, threshold=OVERALL_LIMIT, measure="share of units lost",
                 source="What Works Clearinghouse (2022), Handbook 5.0; thresholds are ours",
                 details=(("lost_treated", shares[0]), ("lost_comparison", shares[1]), ("difference", gap),
                          ("difference_limit", DIFFERENCE_LIMIT)))

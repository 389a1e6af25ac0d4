"""Do comparisons that rest on different assumptions tell the same?"""

from __future__ import annotations

from impact.checks.columns import figure
from impact.results import Check, Estimate

TITLE = "Differences beside matching on the past"


def comparisons_agree(estimate: Estimate) -> Check:
    """Examine whether matched and plain differences and matching on the outcome before agree.

    Parameters
    ----------
    estimate : the headline of :func:`impact.matching.matched_did`, whose ``details`` hold the ``gaps`` between its rows.

    Returns
    -------
    Check
        A concern where any two disagree: then no one of the numbers may be told alone. ``measured`` is the largest
        difference in its own standard errors; which bound it is held to follows from the level and the number of sets.
    """
    gaps = dict(estimate.details).get("gaps", ())
    known = [g for g in gaps if g[3]]
    if not known:
        return Check(id="comparisons_agree", title=TITLE, verdict="not_applicable", word="not examined",
                     outcome=estimate.outcome, reason="There is no standard error of the differences between them.")
    wrong = [g for g in gaps if g[6]]
    one, two, gap, error, low, high, _ = max(wrong or known, key=lambda g: abs(g[2]) / (g[3] or abs(g[2]) or 1.0))
    said = f"{one} less {two} is {figure(gap)} ({estimate.conf_level:.0%} interval {figure(low)} to {figure(high)})"
    reason = (f"They disagree: {said}, so that none of the numbers may be told alone." if wrong else
              f"No two of them differ by more than chance explains; the largest difference: {said}. That they agree does "
              "not show that either assumption holds.")
    return Check(id="comparisons_agree", title=TITLE, verdict="concern" if wrong else "pass",
                 word="disagree" if wrong else "agree", reason=reason, outcome=estimate.outcome,
                 measured=abs(gap) / error if error else None, measure="standard errors of the difference, largest",
                 source="Daw & Hatfield (2018), Health Services Research 53",
                 details=tuple((f"{g[0]} − {g[1]}", g[2]) for g in gaps))

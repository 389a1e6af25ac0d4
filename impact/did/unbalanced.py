"""Units not seen in every period: does the answer depend on how their missing rows are treated?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from impact.did.again import amount
from impact.did.group_time import group_time_att
from impact.errors import DataError, DesignError
from impact.results import Check, Estimate

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 0.5  # standard errors of the choice made
TITLE = "Same answer however missing rows are treated"
SOURCE = "Callaway & Sant'Anna (2021, section 2); toolkit rule: half a standard error"


def unbalanced_agreement(data: pd.DataFrame, *, estimator: Callable[..., Any] = group_time_att,
                         unbalanced: str = "within_cell", **arguments: Any) -> Check:
    """Estimate the overall effect under each treatment of missing rows that the method has, and compare.

    Parameters
    ----------
    data : DataFrame. estimator : a function of impact.did that takes ``unbalanced``.
    unbalanced : the choice made. arguments : the others, as the estimator's.

    Returns
    -------
    Check
        ``measured`` is the largest distance from the choice made, in its standard errors; above 0.5 a concern. Where every
        unit is seen in every period, or all choices keep the same rows, nothing is to be compared.

    Raises
    ------
    DataError, DesignError
        As the estimate itself; a choice that leaves nothing to compare is named, not hidden.

    Notes
    -----
    Estimand: the estimate's own, under each treatment of units not seen throughout. Assumes what the estimate assumes.
    Reference case: by hand, tests/test_group_time.py.
    """
    mine = estimator(data, unbalanced=unbalanced, **arguments).headline
    choices = dict(mine.details)["unbalanced_choices"]
    shared: dict[str, Any] = {"id": "unbalanced_agreement", "title": TITLE, "outcome": mine.outcome, "source": SOURCE,
              "measure": "standard errors between the choice made and the one farthest from it"}
    if len({rows for _, _, rows in choices}) < 2:
        return Check(verdict="not_applicable", word="nothing missing", **shared,
                     reason="Every unit is seen in every period." if choices else "Different units are surveyed.")
    if mine.std_error is None:
        return Check(verdict="not_applicable", word="not examined", **shared,
                     reason="The effect has no standard error to measure a difference by.")
    found, failed = {unbalanced: mine}, []
    for other, _, _ in choices:
        if other != unbalanced:
            try:
                found[other] = estimator(data, unbalanced=other, **arguments).headline
            except (DataError, DesignError):
                failed.append(other)
    return _verdict(mine, found, failed, {name: (units, rows) for name, units, rows in choices}, shared)


def _verdict(mine: Estimate, found: dict[str, Estimate], failed: list[str], used: dict[str, tuple[int, int]],
             shared: dict[str, Any]) -> Check:
    error = mine.std_error or 1.0
    apart = {name: abs(e.estimate - mine.estimate) / error for name, e in found.items() if e is not mine}
    failed = failed + [name for name, gap in apart.items() if math.isnan(gap)]
    known = {name: gap for name, gap in apart.items() if name not in failed}
    shown = "; ".join(f"{name.replace('_', ' ')} {amount(e.estimate, mine.transform)} ({used[name][0]:,} units)"
                      for name, e in found.items() if name not in failed)
    lost = f"; {' and '.join(name.replace('_', ' ') for name in failed)} cannot be estimated" if failed else ""
    largest = max(known.values(), default=None)
    text = f"Overall effect: {shown}{lost}."
    if largest is not None:
        text += f" The largest difference is {largest:.2f} standard errors."
    differ = largest is not None and largest > LIMIT
    word = "answers differ" if differ else "not all examined" if failed else "answers agree"
    details = tuple((name, (e.estimate, e.std_error, *used[name])) for name, e in found.items())
    return Check(verdict="concern" if differ or failed else "pass", word=word, reason=text, measured=largest,
                 threshold=LIMIT, details=details, **shared)

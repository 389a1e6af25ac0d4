"""Were the groups alike before: the verdict on a balance table, and the record of the draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from impact.data.frame import as_names
from impact.inference.balance import MATCHED_LIMIT, TRIAL_LIMIT, compare_traits
from impact.inference.linear import Array
from impact.results import Check
from impact.results.balance import DENOMINATORS

if TYPE_CHECKING:
    import pandas as pd

FAILED_LIMIT = 1.0  # standard deviations left after matching or weighting; ours


def balance(data: pd.DataFrame, *, treatment: str, covariates: Sequence[str], weights: Array | None = None,
            randomised: bool = False, on_record: bool = True, remedy: str = "", after: str = "matching",
            made_equal: bool = False, denominator: str | None = None, outcome: str = "") -> Check:
    """Examine whether treated and comparison units were alike before.

    Parameters
    ----------
    data, treatment, covariates, weights : as :func:`impact.checks.balance_table`.
    randomised : True for a trial: then an imbalance is chance and never fails the trial.
    on_record : whether the trial's draw is on record; without, nobody can tell chance from choice, and a trial's imbalance
        is a concern.
    remedy : what is done about a chance imbalance, as the end of a sentence ('the estimate adjusts for them').
    after : what made the weights: "matching", "weighting" or "regression", whose implied weights may be negative.
    made_equal : whether the method makes the means equal by construction, so that equal means are no test.
    denominator : as :func:`impact.checks.balance_table`; None is "pooled" for a trial, else "treated".
    outcome : whose units these are, where outcomes have different ones.

    Returns
    -------
    Check
        ``measured`` is the largest absolute standardised difference, in standard deviations. Without a draw: concern above
        0.1, and a failure above 1 after matching or weighting (ours, fixed before results: the groups then hardly share
        a trait's range, and no regression within it can be trusted).
    """
    title = "Groups alike at the start" if randomised else f"Groups alike after {after}" if weights is not None else (
        "Groups alike before the programme")
    if not covariates:
        return Check(id="balance", title=title, verdict="not_applicable", word="not examined",
                     reason="No covariate measured before the programme was declared.", measure="standard deviations")
    covariates = as_names(covariates)
    unit = denominator or ("pooled" if randomised else "treated")
    rows = compare_traits(data, treatment=treatment, covariates=covariates, weights=weights, denominator=unit,
                          implied=after == "regression")
    limit, chance = TRIAL_LIMIT if randomised else MATCHED_LIMIT, randomised and on_record
    gaps = [(r.label, r.now.smd) for r in rows]
    over = [name for name, smd in gaps if smd is None or abs(smd) > limit]
    largest, where = max(((abs(smd), name) for name, smd in gaps if smd is not None), default=(None, ""))
    count = f"{len(gaps) - len(over)} of {len(gaps)} traits within {limit:g} standard deviations"
    apart = [name for name, smd in gaps if smd is not None and name in over]
    unknown = [name for name, smd in gaps if smd is None]
    if not over:
        reason = f"{count}; the largest difference is {largest:.2f} ({where})."
    elif randomised:
        told = ", which in a draw is chance" if chance else ". No record of a draw shows that this is chance"
        reason = count + (f"; {', '.join(apart[:4])} differ{'s' if len(apart) == 1 else ''} more{told}"
                          f"{'; ' + remedy if remedy else ''}" if apart else "") + "."
    else:
        reason = count + (f"; {', '.join(apart[:4])} stay{'s' if len(apart) == 1 else ''} apart, "
                          + (f"by {largest:.2f}" if apart == [where] else f"the largest by {largest:.2f} ({where})")
                          if apart else "") + "."
    if unknown:
        reason += f" Not to be compared, for want of known values or spread: {', '.join(unknown[:4])}."
    if made_equal:
        reason += " The method makes these means equal by construction: this is no test of it."
    return Check(
        id="balance", outcome=outcome, title=title, verdict="pass" if not over or chance else
        "fail" if weights is not None and largest is not None and largest > FAILED_LIMIT else "concern",
        word="alike" if not over else "chance differences" if chance else "not alike", reason=reason,
        measured=largest, threshold=limit, measure=f"largest absolute difference, in units of {DENOMINATORS[unit]}",
        source="Imbens & Rubin (2015)" if randomised else "Austin (2009), Statistics in Medicine 28",
        details=tuple(gaps))


def draw_record(record: str, rule: str | None) -> Check:
    """Examine whether the draw is proved: by its record, never by balance.

    Parameters
    ----------
    record : what the study file says of the record of the draw; empty when it says nothing.
    rule : the declared rule of assignment, or None.
    """
    title = "Record of the draw"
    if record and rule:
        return Check(id="draw_record", title=title, verdict="pass", word="stated", source="design.assignment",
                     reason=f"Rule: {rule}. Record: {record}")
    missing = " and ".join(x for x, known in (("its rule", rule), ("its record", record)) if not known)
    return Check(id="draw_record", title=title, verdict="concern", word="not stated", source="design.assignment",
                 reason=f"The study calls itself randomised and does not state {missing}.")

"""The ladder of attribution: how far a study's answer for one outcome carries words of cause, and why.

A rung follows from the declared design and from what was checked. Each design starts on its own rung; each condition of it
that was not examined, or did not hold, takes one rung away.

- A trial rests on the record of its draw and on who was found again. A difference at the start is chance where the draw is
  on record, and is adjusted for; where it is not, the groups have to be alike. Losses are judged overall and between the
  groups together; where they raise a concern the bounds on them have to lie on the estimate's side of zero.
- A difference-in-differences rests on what earlier periods show, on how far trends may part before the sign falls (the
  breakdown value: one or more times the largest parting seen earlier), and on who was found again. What could not be
  examined counts once, however many checks say so.
- A matched comparison rests on groups alike after matching, on comparable units, and on who was found again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from impact.brief.atoms import say
from impact.brief.claims.types import Rung, Standing
from impact.brief.effects import verdict
from impact.results.estimate import Estimate
from impact.results.evaluation import Check, Evaluation
from impact.study.methods import BOUNDS

STARTS = {"rct": Rung.TRIAL, "did": Rung.QUASI_EXAMINED, "matching": Rung.MATCHED}
LOWEST = Rung.BEFORE_AFTER  # every design of a study file has a comparison: what would have been is stated
JOINT = ("pretrend_group_time", "pretrend_imputation")
OWN_PAST = ("earlier_growth", "earlier_gaps", "earlier_fit")  # of methods that do not rest on parallel trends
State = Literal["holds", "fails", "not_examined"]
OFFER = "itt"  # the estimand that is the offer's effect


def rung_of(evaluation: Evaluation, outcome: str = "") -> Standing:
    """Tell on which rung the answer for one outcome stands.

    Parameters
    ----------
    evaluation : the record. outcome : its name; left out, the first declared primary outcome.

    Returns
    -------
    Standing
        The rung, its name and its reasons, as sentences of the word list.
    """
    name = outcome or evaluation.study.primaries[0].name
    kind = evaluation.study.design.kind
    found = CONDITIONS[kind](evaluation, name)
    lacking = [(key, state) for key, state in found if state != "holds"]
    failed = sum(state == "fails" for _, state in lacking)
    unseen = [key for key, state in lacking if state == "not_examined"]
    steps = failed + (min(len(unseen), 1) if kind == "did" else len(unseen))
    rung = Rung(max(STARTS[kind] - steps, LOWEST))
    told = [*lacking, *((key, state) for key, state in found if state == "holds")]
    return Standing(rung=rung, name=say(f"rung.{rung.name.lower()}"),
                    reasons=tuple(say(f"rung.{key}.{state}") for key, state in told))


def caused(evaluation: Evaluation, e: Estimate) -> bool:
    """Tell whether 'caused' is allowed of an estimate.

    It is for the offer's effect in a trial with a record of the draw, where the interval is clear of zero (after correction
    for several outcomes) and bounds on losses, if any unit was lost, lie on the same side of zero.
    """
    outcome = evaluation.study.outcome(e.outcome)
    clear = verdict(e, outcome) in ("favourable", "unfavourable")
    trial = evaluation.study.design.kind == "rct" and rung_of(evaluation, e.outcome).rung is Rung.TRIAL
    lost = _check(evaluation, "attrition", e.outcome)
    none_lost = lost is not None and lost.measured == 0
    return trial and e.estimand == OFFER and clear and (none_lost or bounds_agree(evaluation, e))


def bounds_agree(evaluation: Evaluation, e: Estimate) -> bool:
    """Tell whether both bounds on losses lie on the estimate's side of zero; without bounds they do not."""
    ends = [b.estimate for b in evaluation.estimates if b.outcome == e.outcome and b.method in BOUNDS]
    return len(ends) > 1 and all(end * e.estimate > 0 for end in ends)


# ---- conditions of each design ---------------------------------------------------------------------------------------
Found = list[tuple[str, State]]


def _trial(evaluation: Evaluation, outcome: str) -> Found:
    draw: State = "holds" if _verdict(_check(evaluation, "draw_record")) == "pass" else "fails"
    found: Found = [("draw", draw), ("losses", _losses(evaluation, outcome))]
    alike = _check(evaluation, "balance")
    if draw == "holds":
        return [*found, ("chance", "holds")] if alike is not None and alike.word == "chance differences" else found
    same: State = "not_examined" if _verdict(alike) is None else "holds" if alike and alike.word == "alike" else "fails"
    return [*found, ("alike", same)]


def _differences(evaluation: Evaluation, outcome: str) -> Found:
    return [("trends", _earlier(evaluation, outcome)), *_breakdown(evaluation, outcome),
            ("losses", _losses(evaluation, outcome))]


def _matched(evaluation: Evaluation, outcome: str) -> Found:
    found: Found = [("alike", _state(_check(evaluation, "balance", outcome))),
                    ("overlap", _state(_check(evaluation, "overlap", outcome)))]
    if _verdict(_check(evaluation, "comparisons_agree", outcome)) in ("concern", "fail"):
        found.append(("agree", "fails"))
    return [*found, ("losses", _losses(evaluation, outcome))]


CONDITIONS: dict[str, Callable[[Evaluation, str], Found]] = {"rct": _trial, "did": _differences, "matching": _matched}


def _losses(evaluation: Evaluation, outcome: str) -> State:
    """Judge losses overall and between the groups; a concern is met by bounds on one side of zero, a failure by nothing."""
    check = _check(evaluation, "attrition", outcome)
    if check is not None and check.measured == 0:
        return "holds"  # none in the file; that losses before it cannot be seen is said by the check itself
    if _verdict(check) == "concern" and bounds_agree(evaluation, evaluation.main(outcome)):
        return "holds"
    return _state(check)


def _earlier(evaluation: Evaluation, outcome: str) -> State:
    """Judge what earlier periods show: a drift in any test; else the joint test, else that of every group."""
    mine = [c for c in evaluation.checks if _name(c).startswith(("pretrend", *OWN_PAST)) and c.outcome in ("", outcome)]
    if any(c.verdict in ("concern", "fail") for c in mine):
        return "fails"
    joint = [c for c in mine if _name(c) in (*JOINT, *OWN_PAST)] or mine
    return "holds" if joint and all(c.verdict == "pass" for c in joint) else "not_examined"


def _breakdown(evaluation: Evaluation, outcome: str) -> Found:
    """Judge how far trends may part before the sign falls; an effect that is not clear has no sign to lose."""
    check = _check(evaluation, "sensitivity", outcome)
    if check is not None and check.word == "nothing to overturn":
        return []
    own = any(_name(c) in OWN_PAST for c in evaluation.checks)
    return [] if check is None and own else [("breakdown", _state(check))]


def _state(check: Check | None) -> State:
    found = _verdict(check)
    return "not_examined" if found is None else "holds" if found == "pass" else "fails"


def _verdict(check: Check | None) -> str | None:
    """Give the verdict of a check; None where there is none or nothing was examined."""
    return None if check is None or check.verdict == "not_applicable" else check.verdict


def _check(evaluation: Evaluation, name: str, outcome: str = "") -> Check | None:
    """Find a check by its name: that of the outcome, else one made for all."""
    mine = [c for c in evaluation.checks if _name(c) == name]
    return next((c for c in mine if c.outcome == outcome), next((c for c in mine if not c.outcome or not outcome), None))


def _name(check: Check) -> str:
    return check.id.partition(":")[0]

"""How fragile a difference-in-differences is: what trends may do to it, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from impact import did
from impact.data.sample import Sample
from impact.did.again import amount
from impact.did.earlier import GAPS, GROWTH
from impact.did.fragility import TITLES
from impact.did.group_effects import TITLE
from impact.did.honest import MOST_AFTER
from impact.did.imputed import TITLE as EARLIER
from impact.errors import DataError, DesignError, Problem
from impact.results import Check, Estimate
from impact.study.types import MethodCall, Outcome

PARALLEL = ("group_time_att", "imputation", "sun_abraham", "two_way_fixed_effects", "event_study", "stacked", "two_by_two")
SYNTHETIC = ("synthetic_control", "synthetic_did")
SHARED = ("covariates", "cluster", "weights")  # options that group-time effects take over from another primary method
# what methods assume that do not rest on parallel trends
OWN: dict[str, tuple[Callable[..., Check], str]] = {
    "poisson": (did.earlier_growth, GROWTH), "triple_difference": (did.earlier_gaps, GAPS)}
LEFT_OUT = "One cohort left out at a time"
NO_SIGN = "nothing to overturn"
EXAMINED = {"average": "The average of group-time effects over periods since treatment",
            "first": "The group-time effect in the first period of treatment"}
SHIFTS = (1.0, 2.0)
MOST_FORBIDDEN = 0.1  # share of weight above which such comparisons can move the answer
CLOSE_FIT = 0.25  # of the outcome's spread: our threshold for a mix that followed the area before
Keywords = dict[str, Any]


def trust_checks(sample: Sample, outcome: Outcome, own: Estimate, estimator: Callable[..., Any], keywords: Keywords,
                 group_time: Keywords) -> tuple[list[Check], list[Estimate]]:
    """Examine one primary outcome of a difference-in-differences.

    Parameters
    ----------
    sample : of the study. outcome : a declared primary outcome. own : its estimate by the primary method.
    estimator, keywords : the primary method and its keywords, to make the estimate again on other data.
    group_time : keywords of :func:`impact.did.group_time_att` for it, on which trends are examined.

    Returns
    -------
    checks, estimates
        For methods that rest on parallel trends: all earlier differences at once, robustness to trends that part, hidden
        drift, false starts, one cohort or the largest units left out, treatment of missing rows, weights of forbidden
        comparisons; and effects by periods since treatment with the robust intervals. Growth in per cent, or the gap
        between affected and unaffected units, where the method rests on that. What cannot be examined says why.
    """
    frame = sample.frame
    again: list[tuple[str, str, Callable[[], Check | None]]] = [
        ("placebo_dates", "False start dates", lambda: did.placebo_dates(
            estimator, frame, shifts=SHIFTS, **keywords).check),
        ("leave_one_cohort_out", LEFT_OUT, lambda: _without_cohorts(sample, estimator, keywords)),
        ("drop_the_largest", "The largest units left out", lambda: did.drop_the_largest(estimator, frame,
                                                                                        **keywords).check)]
    rows: list[Estimate] = []
    if own.method in PARALLEL:
        found, rows = _trends(sample, outcome, own, group_time)
        if own.method == "imputation":  # it has a test of its own, on the rows its forecasts come from
            found[0] = _tried("pretrend_imputation", EARLIER, lambda: estimator(frame, **keywords).pretrend)
        again.append(("forbidden_comparisons", "Forbidden comparisons in two-way fixed effects",
                      lambda: _forbidden(sample, outcome)))
    elif own.method in SYNTHETIC:
        found = [_earlier_fit(own)]
        again = again[:1] if own.method == "synthetic_did" else []
    else:
        look, title = OWN[own.method]
        taken = signature(look).parameters
        found = [_tried(look.__name__, title, lambda: look(frame, **{k: v for k, v in keywords.items() if k in taken}))]
    if own.method not in SYNTHETIC:  # those need every area in every period
        again.append(("unbalanced_agreement", "Same answer however missing rows are treated",
                      lambda: did.unbalanced_agreement(frame, estimator=estimator, **keywords)))
    found += [_tried(code, title, make) for code, title, make in again]
    return [replace(c, outcome=outcome.name, id=f"{c.id.split(':')[0]}:{outcome.name}") for c in found], rows


def _trends(sample: Sample, outcome: Outcome, own: Estimate, group_time: Keywords) -> tuple[list[Check], list[Estimate]]:
    """Examine what trends may do, on group-time effects; said so where the primary method is another."""
    try:
        effects = did.group_time_att(sample.frame, **{**group_time, "base_period": "universal"})
    except (DataError, DesignError) as error:
        return [_not_examined("trends", "What trends may do to it", error)], []
    rows = [*effects.aggregate("dynamic").rows]
    level, seed = group_time["conf_level"], group_time.get("seed", 0)
    joint = _tried("pretrend_group_time", TITLE, lambda: effects.pretrend)
    return [joint, *(_tried(code, TITLES[kind], partial(_robust, effects, kind, level, seed, own, rows))
                     for code, kind in (("sensitivity", "relative_magnitudes"), ("sensitivity_smoothness", "smoothness"))),
            _tried("hidden_drift", "Drift that earlier periods could have shown", lambda: _of_the_primary(
                did.hidden_drift(effects, conf_level=level, seed=seed), own, rows[0].estimate, "average",
                named=True))], rows


def _robust(effects: Any, kind: str, level: float, seed: int, own: Estimate, rows: list[Estimate]) -> Check | None:
    # long paths are examined at their first effect
    later = sum(float(row.horizon or "nan") >= 0 for row in effects.aggregate("dynamic").rows[1:])
    parameter = "average" if later <= MOST_AFTER else "first"
    found = did.sensitivity(effects, kind=kind, conf_level=level, seed=seed, parameter=parameter)
    rows += found.rows[1:]
    return None if found.check is None else _with_its_sign(found.check, own, found.headline, parameter)


def _with_its_sign(check: Check, own: Estimate, examined: Estimate, parameter: str) -> Check:
    """Hold a check of how far trends may part against the primary estimate, whose sign is the one that could fall."""
    if own.excludes_zero == examined.excludes_zero:
        return _of_the_primary(check, own, examined.estimate, parameter)
    if examined.excludes_zero:
        why = "has an interval that holds zero already" if own.interval else "has no interval"
        return replace(check, verdict="not_applicable", word=NO_SIGN, measured=None, threshold=None,
                       reason=f"The primary method's estimate {why}, so there is no conclusion that could fall.")
    return replace(check, word="not examined", reason=f"{EXAMINED[parameter]} has an interval that holds zero under "
                   "parallel trends already, so that how far trends may part before the sign of the primary method's "
                   f"estimate falls cannot be said. {_beside(own, examined.estimate, parameter)}")


def _of_the_primary(check: Check, own: Estimate, examined: float, parameter: str, *, named: bool = False) -> Check:
    """Say which number was examined, where it is not the primary estimate itself; ``named`` where the check says it."""
    same = amount(examined, own.transform) == amount(own.estimate, own.transform)
    if check.verdict == "not_applicable" or (own.method == "group_time_att" and same):
        return check
    said = check.reason
    if own.method != "group_time_att":
        said = f"On group-time effects: {said[:1].lower()}{said[1:]}"
    return replace(check, reason=f"{said} {_beside(own, None if named else examined, parameter)}")


def _beside(own: Estimate, examined: float | None, parameter: str) -> str:
    other = amount(own.estimate, own.transform)
    return f"The primary method's estimate is {other}." if examined is None else (
        f"{EXAMINED[parameter]} is {amount(examined, own.transform)}, the primary method's estimate {other}.")


def _earlier_fit(own: Estimate) -> Check:
    """Say how closely the mix followed the treated area before, where the method keeps the gaps."""
    title, details = "The mix followed the area before", dict(own.details)
    gaps = [gap for _, gap in details.get("gaps", ())][: int(details.get("earlier_periods", 0))]
    if not gaps or not own.outcome_sd:
        return Check(id="earlier_fit", title=title, verdict="not_applicable", word="not examined", reason="There is no "
                     "earlier gap, or no spread of the outcome, to judge it by.")
    missed = math.sqrt(float(np.mean(np.square(gaps)))) / own.outcome_sd
    return Check(
        id="earlier_fit", title=title, verdict="concern" if missed > CLOSE_FIT else "pass",
        word="poor" if missed > CLOSE_FIT else "close", measured=missed, threshold=CLOSE_FIT,
        measure="standard deviations of the outcome", source="Abadie (2021), Journal of Economic Literature 59; threshold "
        "ours",
        reason=f"In the {len(gaps)} earlier periods the mix missed the treated area by {missed:.2f} standard deviations "
        "of the outcome on average.")


def _without_cohorts(sample: Sample, estimator: Callable[..., Any], keywords: Keywords) -> Check | None:
    """Leave one cohort out at a time; where all started together there is none to leave out, and that is no gap."""
    first = sample.frame[str(sample.first_treated)].astype(float)
    if first[np.isfinite(first)].nunique() < 2:
        return Check(id="leave_one_cohort_out", title=LEFT_OUT, verdict="not_applicable", word="one start",
                     reason="All treated units started together: there is no cohort to leave out.")
    return did.leave_one_cohort_out(estimator, sample.frame, **keywords).check


def _forbidden(sample: Sample, outcome: Outcome) -> Check:
    """Say how much of a two-way fixed effects number compares late groups with groups already treated."""
    split = did.bacon_decomposition(
        sample.frame, outcome=outcome.column, unit=sample.unit, time=str(sample.study.design.time),
        first_treated=str(sample.first_treated), balanced=True, transform=outcome.transform or "none")
    share = split.forbidden_weight
    own = sample.study.analysis.primary.method in ("two_way_fixed_effects", "event_study")
    reason = (f"{share:.0%} of the weight of a two-way fixed effects estimate (on units seen in every period) compares "
              "late groups with groups already treated; where effects grow or differ, that part misleads."
              f"{'' if own else ' The primary method uses no such comparison.'}" if share else
              "Treated units started together, so that none is compared with units already treated.")
    return Check(
        id="forbidden_comparisons", title="Forbidden comparisons in two-way fixed effects",
        verdict="concern" if own and share > MOST_FORBIDDEN else "pass", reason=reason, measured=share,
        word=f"{share:.0%} of the weight" if share else "none", threshold=MOST_FORBIDDEN, measure="share of the weight",
        source="Goodman-Bacon (2021), Journal of Econometrics 225")


def _tried(code: str, title: str, make: Callable[[], Check | None]) -> Check:
    try:
        found = make()
    except (DataError, DesignError) as error:
        return _not_examined(code, title, error)
    except ValueError as error:  # a primary method's own keywords may not fit the altered data
        return _not_examined(code, title, DesignError(Problem(where=code, what=str(error), cure="")))
    return found if found is not None else Check(id=code, title=title, verdict="not_applicable", word="not examined",
                                                 reason="Nothing to compare.")


def _not_examined(code: str, title: str, error: DataError | DesignError) -> Check:
    return Check(id=code, title=title, verdict="not_applicable", word="not examined",
                 reason=f"It could not be examined: {error.reason}.")


def group_time_call(call: MethodCall) -> MethodCall:
    """Turn the primary method's call into one of group-time effects, with the options both take."""
    options = call.options if call.method == "group_time_att" else tuple(
        (key, value) for key, value in call.options if key in SHARED)
    return MethodCall(method="group_time_att", options=options)

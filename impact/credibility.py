"""How fragile a difference-in-differences is: what trends may do to it, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from impact import did
from impact.data.sample import Sample
from impact.did.honest import MOST_AFTER
from impact.errors import DataError, DesignError
from impact.results import Check, Estimate
from impact.study.types import MethodCall, Outcome

EXAMINED = ("group_time_att", "imputation", "sun_abraham", "two_way_fixed_effects", "event_study", "stacked", "two_by_two")
SHIFTS = (1.0, 2.0)
MOST_FORBIDDEN = 0.1  # share of weight above which such comparisons can move the answer


def trust_checks(sample: Sample, outcome: Outcome, keywords: dict[str, Any]) -> tuple[list[Check], list[Estimate]]:
    """Examine one primary outcome of a difference-in-differences, whatever its primary method.

    Parameters
    ----------
    sample : of the study. outcome : a declared primary outcome.
    keywords : of :func:`impact.did.group_time_att` for it, as :func:`impact.evaluation.arguments` spells them.

    Returns
    -------
    checks, estimates
        Robustness to trends that part, hidden drift, false starts, one cohort or the largest units left out, treatment of
        missing rows, and weights of forbidden comparisons; effects by periods since treatment, and the robust intervals.
        What cannot be examined says why.
    """
    frame = sample.frame
    try:
        effects = did.group_time_att(frame, **{**keywords, "base_period": "universal"})
    except (DataError, DesignError) as error:
        return [_not_examined("trends", "What trends may do to it", outcome, error)], []
    rows = [*effects.aggregate("dynamic").rows]
    checks = [
        _tried("sensitivity", "If trends were not parallel", outcome, lambda: _robust(effects, keywords, rows)),
        _tried("hidden_drift", "Drift that earlier periods could have shown", outcome, lambda: did.hidden_drift(
            effects, conf_level=keywords["conf_level"], seed=keywords.get("seed", 0)))]
    again = {key: value for key, value in keywords.items() if key != "base_period"}
    for title, make in (
        ("False start dates", lambda: did.placebo_dates(did.group_time_att, frame, shifts=SHIFTS, **again).check),
        ("One cohort left out at a time", lambda: did.leave_one_cohort_out(did.group_time_att, frame, **again).check),
        ("The largest units left out", lambda: did.drop_the_largest(did.group_time_att, frame, **again).check),
        ("Same answer however missing rows are treated", lambda: did.unbalanced_agreement(frame, **again)),
        ("Forbidden comparisons in two-way fixed effects", lambda: _forbidden(sample, outcome)),
    ):
        checks.append(_tried(title.lower().replace(" ", "_"), title, outcome, make))
    return [replace(c, outcome=outcome.name) for c in checks], rows


def _robust(effects: Any, keywords: dict[str, Any], rows: list[Estimate]) -> Check | None:
    later = sum(float(row.horizon or "nan") >= 0 for row in rows[1:])  # long paths are examined at their first effect
    found = did.sensitivity(effects, conf_level=keywords["conf_level"], seed=keywords.get("seed", 0),
                            parameter="average" if later <= MOST_AFTER else "first")
    rows += found.rows[1:]
    return found.check


def _forbidden(sample: Sample, outcome: Outcome) -> Check:
    """Say how much of a two-way fixed effects number compares late groups with groups already treated."""
    split = did.bacon_decomposition(
        sample.frame, outcome=outcome.column, unit=sample.unit, time=str(sample.study.design.time),
        first_treated=str(sample.first_treated), balanced=True, transform=outcome.transform or "none")
    share = split.forbidden_weight
    own = sample.study.analysis.primary.method in ("two_way_fixed_effects", "event_study")
    reason = (f"{share:.0%} of the weight of a two-way fixed effects estimate (on units seen in every period) compares "
              f"late "
              "groups with groups already treated; where effects grow or differ, that part misleads.")
    return Check(
        id="forbidden_comparisons", title="Forbidden comparisons in two-way fixed effects", outcome=outcome.name,
        verdict="concern" if own and share > MOST_FORBIDDEN else "pass", word=f"{share:.0%} of the weight",
        reason=reason if own else f"{reason} The primary method uses no such comparison.", measured=share,
        threshold=MOST_FORBIDDEN, measure="share of the weight",
        source="Goodman-Bacon (2021), Journal of Econometrics 225")


def _tried(code: str, title: str, outcome: Outcome, make: Callable[[], Check | None]) -> Check:
    try:
        found = make()
    except (DataError, DesignError) as error:
        return _not_examined(code, title, outcome, error)
    return found if found is not None else Check(id=code, title=title, outcome=outcome.name, verdict="not_applicable",
                                                 word="not examined", reason="Nothing to compare.")


def _not_examined(code: str, title: str, outcome: Outcome, error: DataError | DesignError) -> Check:
    why = "; ".join(problem.what for problem in error.problems)
    return Check(id=f"{code}:{outcome.name}", title=title, outcome=outcome.name, verdict="not_applicable",
                 word="not examined", reason=f"It could not be examined: {why}.")


def group_time_call(study_call: MethodCall) -> MethodCall:
    """Turn the primary method's call into one of group-time effects: its own options where it is that method."""
    return study_call if study_call.method == "group_time_att" else MethodCall(method="group_time_att")

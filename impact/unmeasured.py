"""What a cause nobody measured could do to a comparison on observed traits: the checks of one primary outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impact import checks
from impact.checks.columns import figure
from impact.data.frame import holds_words
from impact.data.sample import Sample
from impact.errors import DataError, DesignError
from impact.matching import MatchedEstimate, MatchedSample
from impact.matching.changes import CHANGE
from impact.results import Check, Estimate
from impact.study.types import Outcome

if TYPE_CHECKING:
    import pandas as pd

PAIRS = ("nearest_neighbour", "optimal_pairs")
REGRESSION = "a regression of the same units on the same traits"
Keywords = dict[str, Any]


def unmeasured_checks(sample: Sample, outcome: Outcome, own: Estimate, estimator: Callable[..., Any],
                      keywords: Keywords) -> list[Check]:
    """Examine what hidden causes could do to one primary outcome of a comparison on observed traits.

    Parameters
    ----------
    sample : of the study. outcome : a declared primary outcome. own : its estimate by the primary method.
    estimator, keywords : the primary method and its keywords, to make the estimate again.

    Returns
    -------
    list of Check
        Rosenbaum bounds (one to one without replacement only), the E-value, Oster's bounds and the robustness value (these
        two on a regression of the same units, and they say so), the effect with one trait left out at a time, and effects
        on declared negative controls. What cannot be examined says why.
    """
    matched = own.matched if isinstance(own, MatchedEstimate) else None
    tries: list[tuple[str, str, Callable[[], Check]]] = []
    if matched is not None and _in_pairs(own, matched):
        tries.append(("rosenbaum_bounds", "A hidden cause behind the pairs", lambda: _rosenbaum(matched, outcome, own)))
    tries.append(("e_value", "A hidden cause of taking part and of the outcome", lambda: _e_value(own, outcome)))
    if matched is not None:
        tries += [("oster", "Hidden causes as strong as the measured traits",
                   lambda: _on_regression(_regression(matched, outcome, own, keywords), own, checks.oster)),
                  ("robustness_value", "A left-out cause as strong as a measured trait",
                   lambda: _on_regression(_regression(matched, outcome, own, keywords), own, checks.robustness_value,
                                          _benchmarks(sample, outcome, keywords)))]
    if len(keywords["covariates"]) > 1:
        tries.append(("leave_one_covariate_out", "One trait left out at a time",
                      lambda: checks.leave_one_covariate_out(_of_these(estimator), sample.frame, **keywords).check()))
    sensitivity = sample.study.analysis.sensitivity
    if sensitivity is not None and sensitivity.negative_controls:
        plain = {key: value for key, value in keywords.items() if key not in ("outcome", "transform")}
        tries.append(("negative_control", "Outcomes the programme cannot have changed", lambda: checks.negative_control(
            estimator, sample.frame, outcomes=sensitivity.negative_controls, **plain).check()))
    found = [_tried(code, title, make) for code, title, make in tries]
    return [replace(c, outcome=outcome.name, id=f"{c.id}:{outcome.name}") for c in found]


def _of_these(estimator: Callable[..., Any]) -> Callable[..., Any]:
    """The primary method, with bins for the covariates at hand alone."""
    def again(data: pd.DataFrame, *, covariates: Sequence[str], **options: Any) -> Any:
        if isinstance(options.get("bins"), dict):
            options["bins"] = {name: rule for name, rule in options["bins"].items() if name in covariates}
        return estimator(data, covariates=covariates, **options)

    return again


def _in_pairs(own: Estimate, matched: MatchedSample) -> bool:
    """Whether one was matched with one, and nobody serves twice."""
    ends = [position for pair in matched.pairs for position in pair[:2]]
    return own.method in PAIRS and matched.sets is not None and len(ends) > 0 and len(ends) == len(set(ends))


def _rosenbaum(matched: MatchedSample, outcome: Outcome, own: Estimate) -> Check:
    one, zero = checks.pair_outcomes(matched, outcome.column)
    if outcome.is_log:
        one, zero = np.log(one), np.log(zero)
    side = "greater" if own.estimate >= 0 else "less"
    return checks.rosenbaum_bounds(one, zero, alternative=side, alpha=(1 - own.conf_level) / 2).check()


def _e_value(own: Estimate, outcome: Outcome) -> Check:
    spread, error = own.outcome_sd, own.std_error
    if not spread or not error:
        return _not_examined("e_value", "A hidden cause of taking part and of the outcome",
                             "the effect has no standard error, or the outcome no spread")
    base = own.comparison_mean
    try:
        if own.transform == "share" and base is not None and base > 0 and base + own.estimate > 0:  # a ratio of shares
            low, high = (None if x is None or base + x <= 0 else (base + x) / base for x in (own.conf_low, own.conf_high))
            return checks.e_value((base + own.estimate) / base, conf_low=low, conf_high=high).check()
        return checks.e_value(own.estimate / spread, scale="standardised_difference", std_error=error / spread).check()
    except ValueError as wrong:
        return _not_examined("e_value", "A hidden cause of taking part and of the outcome", str(wrong))


def _regression(matched: MatchedSample, outcome: Outcome, own: Estimate, keywords: Keywords) -> Keywords:
    """The units considered: words as yes/no columns, logs where they are declared, changes where these are told."""
    data: pd.DataFrame = matched.frame.iloc[matched.rows].copy()
    column = outcome.column
    if own.method == "matched_did":
        column = f"change in {outcome.column}"
        data[column] = data[CHANGE]
    elif outcome.is_log:
        data[column] = np.log(data[column])
    names: dict[str, list[str]] = {}
    for name in keywords["covariates"]:
        names[name] = [name]
        if holds_words(data, name):
            kinds = sorted(set(data[name].astype(str)))[1:]
            names[name] = [f"{name}: {word}" for word in kinds]
            for word in kinds:
                data[f"{name}: {word}"] = (data[name].astype(str) == word).astype(float)
    return {"data": data, "outcome": column, "treatment": keywords["treatment"], "groups": names,
            "covariates": [column for columns in names.values() for column in columns]}


def _benchmarks(sample: Sample, outcome: Outcome, keywords: Keywords) -> Sequence[str]:
    """Traits to measure hidden causes by: those declared, else the outcome's own baseline where it is matched on."""
    declared = sample.study.analysis.sensitivity
    if declared is not None and declared.benchmarks:
        return declared.benchmarks
    return [outcome.baseline] if outcome.baseline and outcome.baseline in keywords["covariates"] else []


def _on_regression(call: Keywords, own: Estimate, examine: Callable[..., Any],
                   benchmarks: Sequence[str] | None = None) -> Check:
    """Examine a regression of the same units, and say that it is not the estimate itself."""
    groups, plain = call["groups"], {key: value for key, value in call.items() if key != "groups"}
    if benchmarks is None:
        result = examine(**plain)
        slope = result.beta_full
    else:
        result = examine(**plain, benchmark_covariates={name: groups[name] for name in benchmarks})
        slope = result.estimate
    found: Check = result.check()
    start = f"On {REGRESSION} ({figure(slope)}; the primary method gives {figure(own.estimate)}): "
    return replace(found, reason=start + found.reason[:1].lower() + found.reason[1:])


def _tried(code: str, title: str, make: Callable[[], Check]) -> Check:
    try:
        return make()
    except (DataError, DesignError) as error:
        return _not_examined(code, title, "; ".join(f"{p.where}: {p.what}" for p in error.problems))


def _not_examined(code: str, title: str, why: str) -> Check:
    return Check(id=code, title=title, verdict="not_applicable", word="not examined",
                 reason=f"It could not be examined: {why}.")

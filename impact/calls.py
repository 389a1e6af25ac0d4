"""Which method is called for which outcome, and with which keywords: the study's plan as plain calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

from impact.data.agreement import LONG
from impact.data.sample import Sample
from impact.errors import DesignError, Problem
from impact.families import INDEX, index_outcome
from impact.indicators import money_outcomes
from impact.results import Estimate, Estimates
from impact.study.methods import BOUNDS, ONE_DIFFERENCE
from impact.study.types import MethodCall, Outcome, Study

SINGLE = ("difference_in_means", "ols", "ancova", "lin", "poisson")  # one offer, one number: bounds say what loss hides
ROLES = {**dict.fromkeys(BOUNDS, "bounds"), "subgroups": "subgroup"}  # of methods that are no other answer
UNADJUSTED = ("difference_in_means",)
WITH_BASELINE = ("ancova", "pooled_rounds", "worker_effects", "dose_response", "matched_did")


def planned(study: Study, sample: Sample | None = None) -> Iterator[tuple[Outcome, MethodCall, str]]:
    """List each estimate a study asks for: outcome, method with options, and its role.

    With a sample, also what the data call for: bounds where units of a trial were not found again, and the indices.
    """
    primary = study.analysis.primary
    for outcome in study.outcomes:
        yield outcome, primary, outcome.role
        if outcome.role == "primary":
            for call in study.analysis.robustness:
                yield outcome, call, ROLES.get(call.method, "robustness")
            asked = [dict(call.options).get("by") for call in study.analysis.robustness if call.method == "subgroups"]
            for group in study.subgroups if study.design.kind == "rct" else ():
                if group.column in asked:
                    continue
                yield outcome, MethodCall(method="subgroups", options=(("by", group.column),)), "subgroup"
        if sample is not None and _needs_bounds(sample, outcome):
            yield outcome, MethodCall(method="lee_bounds"), "bounds"
    if sample is not None:
        for line in money_outcomes(study, sample.frame):
            shown = line.measure == "bounds" and any(o.name == line.parent and _needs_bounds(sample, o)
                                                     for o in study.outcomes)
            apart = line.measure == "ratio" and (study.design.weighting == "firm" or primary.method not in (
                *ONE_DIFFERENCE, *LONG))  # a ratio of the offered to the others is not what such a method compares
            if line.call is not None and not line.is_main and not shown and not apart:
                yield line.outcome, line.call, "bounds" if line.measure == "bounds" else "derived"
        for family in study.analysis.families:
            if family.index is not None:
                yield index_outcome(family, INDEX + family.name), primary, "index"


def _needs_bounds(sample: Sample, outcome: Outcome) -> bool:
    """Whether units of a trial are missing this primary outcome and no bounds are declared for it."""
    study = sample.study
    if study.design.kind != "rct" or outcome.role != "primary" or study.design.estimand == "late":
        return False
    if any(call.method in BOUNDS for call in study.analysis.robustness) or study.analysis.primary.method not in SINGLE:
        return False
    rows = sample.frame[[outcome.column, str(sample.treatment)]]
    return bool(rows[outcome.column].isna().any() and rows[str(sample.treatment)].notna().all())


def run_method(sample: Sample, outcome: Outcome, call: MethodCall) -> tuple[Estimate, ...]:
    """Run one method of impact.<kind> with the columns the study declares and the options it gives.

    Returns
    -------
    tuple of Estimate
        The number the question asked for first; methods that give several numbers have more.
    """
    keywords = arguments(sample, outcome, call)
    if outcome.is_log and "transform" not in keywords:
        raise DesignError(Problem(where="transform", what=f"{call.method} works on the outcome itself, and this one "
                                  "declares logs", cure="Write transform: none for this outcome."))
    missing = [p.name for p in signature(method_of(sample.study, call.method)).parameters.values()
               if p.default is p.empty and p.name not in ("data", *keywords)]
    if missing:
        taken = dict(call.options)
        raise DesignError([Problem(where=f"options.{name}", what=f"{call.method} needs it, and "
                                   f"{'null takes it away' if name in taken else 'the study gives none'}",
                                   cure="Leave it out here: what the study declares is then used." if name in taken else
                                   f"Declare it under design, or write options: {{{name}: …}}.") for name in missing])
    try:
        result: Estimate | Estimates = method_of(sample.study, call.method)(sample.frame, **keywords)
    except (ValueError, TypeError) as error:
        if isinstance(error, TypeError) and not call.options:
            raise
        raise DesignError(Problem(where="options", what=str(error), cure="Correct the value in the study file.")) from None
    return result.rows if isinstance(result, Estimates) else (result,)


def method_of(study: Study, method: str) -> Callable[..., Any]:
    """Find the function of a method's name in the design's family."""
    from importlib import import_module

    function: Callable[..., Any] = getattr(import_module(f"impact.{study.design.kind}"), method)
    return function


def arguments(sample: Sample, outcome: Outcome, call: MethodCall) -> dict[str, Any]:
    """Spell out the keywords of one call, as a notebook would write them; what the method does not take is left out."""
    study, design = sample.study, sample.study.design
    main = study.analysis.primary.method
    out: dict[str, Any] = {
        "outcome": outcome.column, "unit": sample.unit, "time": design.time, "first_treated": sample.first_treated,
        "control_group": design.comparison or "never_treated", "treatment": design.treatment,
        "estimand": design.estimand, "cluster": _drawn_level(sample, call),
        "strata": design.assignment.strata if design.assignment else None,
        "wage": outcome.column, "worker": sample.unit,
        "firm": design.firm, "weighting": design.weighting, "encouragement": design.treatment,
        "pairs": True if design.assignment and design.assignment.rule == "pairs" else None,
        "covariates": [c for c in design.covariates if c not in _of_outcome(sample, outcome, call)],
        "weights": design.sampling.weight if design.sampling else None, "seed": study.analysis.seed,
        "transform": outcome.transform or "none", "conf_level": study.analysis.conf_level}
    if call.method == "subgroups" and main in UNADJUSTED:
        out["covariates"] = None  # the subgroups are compared as the primary method compares everybody
    if call.method in WITH_BASELINE or (call.method == "subgroups" and main in WITH_BASELINE):
        out["baseline"] = outcome.baseline
    if design.kind == "matching":
        out["time"] = None  # one row a unit, the outcome before in a column of its own
    if "treatment" in out and design.kind == "did":
        out["treatment"] = None
    taken = signature(method_of(study, call.method)).parameters
    out = {key: value for key, value in out.items() if key in taken}  # options: {weights: null} takes that away
    out |= {key: _thawed(value) for key, value in call.options}
    return {key: value for key, value in out.items() if value is not None and value != []}


def _thawed(value: Any) -> Any:
    """Turn an option back into what a notebook would write: pairs of a name and a value are a mapping."""
    if not isinstance(value, tuple):
        return value
    if value and all(isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], str) for x in value):
        return {key: _thawed(x) for key, x in value}
    return [_thawed(x) for x in value]


def _of_outcome(sample: Sample, outcome: Outcome, call: MethodCall) -> tuple[str | None, ...]:
    """Declared covariates that a method takes as the outcome before instead."""
    if call.method == "matched_did":
        given = dict(call.options)
        return given.get("baseline", outcome.baseline), *given.get("earlier", ())
    return (outcome.baseline,) if sample.study.design.kind == "rct" else ()


def _drawn_level(sample: Sample, call: MethodCall) -> str | None:
    """Column of what was drawn; rows of one unit in several rounds stand together in every method."""
    repeated = sample.study.analysis.primary.method in LONG and call.method not in LONG
    return sample.unit if repeated and sample.cluster is None else sample.cluster

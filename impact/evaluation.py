"""Run one declared study: data, estimates, checks, and the record that everything else reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from impact import __version__
from impact.data.sample import Sample, load_sample
from impact.errors import DesignError, ImpactError, Problem
from impact.examination import examine, flow_of, trends_of
from impact.inference.multiple import benjamini_hochberg, holm
from impact.results import Caveat, Estimate, Evaluation, Provenance
from impact.results.record import study_hash
from impact.study.types import ROW_NUMBER, FirstTreatedRule, MethodCall, Outcome, Study, words

if TYPE_CHECKING:
    import pandas as pd

UNWEIGHTED = ("difference_in_means", "two_by_two", "nearest_neighbour")


def evaluate(study: Study, data: pd.DataFrame | None = None, *,
             progress: Callable[[str], None] | None = None) -> Evaluation:
    """Estimate and examine everything a study declares.

    Parameters
    ----------
    study : a study read by :func:`impact.read_study`.
    data : a table to use instead of the declared source.
    progress : called with a few words before each step.

    Returns
    -------
    Evaluation
        The primary method for every outcome, the robustness methods for primary outcomes, checks, the flow of units
        and the hashes that identify study and data. The same study and data give the same record.

    Raises
    ------
    DataError
        When the data disagree with the study; nothing is estimated then.
    DesignError
        When an effect asked for cannot be estimated; all such problems at once.
    """
    tell = progress or (lambda _: None)
    tell("reading the data")
    sample = load_sample(study, data)
    estimates, problems = [], []
    for outcome, call, role in planned(study):
        tell(f"estimating {outcome.name}")
        try:
            estimates.append(_finish(study, outcome, role, run_method(sample, outcome, call)))
        except ImpactError as error:
            problems += [replace(p, where=f"outcome '{outcome.name}', {call.method}, {p.where}") for p in error.problems]
    if problems:
        raise DesignError(problems, source=f"study '{study.slug}'")
    tell("checking what the effects rest on")
    checks = examine(sample, estimates)
    kept = _number(_adjust(study, estimates))
    flows = tuple(flow_of(sample, outcome, _main(kept, outcome)) for outcome in study.outcomes)
    return Evaluation(study=study, flows=flows, estimates=tuple(kept), checks=checks,
                      trends=trends_of(sample, study.outcomes), caveats=_study_caveats(study),
                      provenance=_provenance(sample))


def planned(study: Study) -> Iterator[tuple[Outcome, MethodCall, str]]:
    """List each estimate a study asks for: outcome, method with options, and its role."""
    for outcome in study.outcomes:
        yield outcome, study.analysis.primary, outcome.role
        if outcome.role == "primary":
            for call in study.analysis.robustness:
                yield outcome, call, "robustness"


def run_method(sample: Sample, outcome: Outcome, call: MethodCall) -> Estimate:
    """Run one method of impact.<kind> with the columns the study declares and the options it gives."""
    from importlib import import_module

    function = getattr(import_module(f"impact.{sample.study.design.kind}"), call.method)
    if call.method == "poisson" and outcome.is_log:
        raise DesignError(Problem(where="transform", what="poisson works on the outcome itself, and this one declares logs",
                                  cure="Write transform: none for this outcome."))
    keywords = arguments(sample, outcome, call)
    try:
        result: Estimate = function(sample.frame, **keywords)
    except (ValueError, TypeError) as error:
        if isinstance(error, TypeError) and not call.options:
            raise
        raise DesignError(Problem(where="options", what=str(error), cure="Correct the value in the study file.")) from None
    return result


def arguments(sample: Sample, outcome: Outcome, call: MethodCall) -> dict[str, Any]:
    """Spell out the keywords of one call, as a notebook would write them."""
    study, design = sample.study, sample.study.design
    out: dict[str, Any] = {"outcome": outcome.column}
    if design.kind == "did":
        out |= {"unit": sample.unit, "time": design.time, "first_treated": sample.first_treated}
        out["control_group"] = design.comparison or "never_treated"
        if call.method == "two_way_fixed_effects":
            out["covariates"] = list(design.covariates)
            out["weights"] = design.sampling.weight if design.sampling else None
            out["seed"] = study.analysis.seed
    else:
        out["treatment"] = design.treatment
    if design.kind == "matching":
        out |= {"covariates": list(design.covariates), "estimand": design.estimand}
    else:
        out["cluster"] = sample.cluster
    if design.kind == "rct":
        out |= _trial_arguments(sample, outcome, call.method)
    out |= {"transform": outcome.transform or "none", "conf_level": study.analysis.conf_level}
    out |= {key: list(value) if isinstance(value, tuple) else value for key, value in call.options}
    if call.method == "poisson":
        out["transform"] = None
    return {key: value for key, value in out.items() if value is not None and value != []}


def _trial_arguments(sample: Sample, outcome: Outcome, method: str) -> dict[str, Any]:
    design = sample.study.design
    rule = design.assignment.rule if design.assignment else None
    out: dict[str, Any] = {"strata": design.assignment.strata if design.assignment else None}
    if method not in ("late", "poisson"):
        out["seed"] = sample.study.analysis.seed
    if method == "difference_in_means":
        return out | ({"pairs": True} if rule == "pairs" else {})
    out["weights"] = design.sampling.weight if design.sampling else None
    out["covariates"] = [c for c in design.covariates if c != outcome.baseline]
    if method == "ancova":
        out["baseline"] = outcome.baseline
    return out


def _finish(study: Study, outcome: Outcome, role: str, estimate: Estimate) -> Estimate:
    """Give an estimate the study's words: outcome, unit, role, and what 'ever treated' means."""
    caveats, question = list(estimate.caveats), estimate.question
    rule = study.design.first_treated
    if study.design.ever_treated and isinstance(rule, FirstTreatedRule):
        question += f" ('ever treated': from the first period with {rule.first_period_of} = 1 on)"
        caveats.append(Caveat(code="ever_treated", text=f"A unit counts as treated from its first period with "
                              f"{rule.first_period_of} = 1 on, also where the column later falls back to 0."))
    if study.design.sampling and study.design.sampling.weight and estimate.method in UNWEIGHTED:
        caveats.append(Caveat(code="unweighted", text="Sampling weights are declared and this method does not use them: "
                              "the number speaks of the units in the data."))
    if study.design.kind == "matching" and study.design.assigned_by not in (study.design.unit, ROW_NUMBER):
        caveats.append(Caveat(code="assignment_level", text=f"Treatment was decided by {study.design.assigned_by}, and the "
                              "standard error of a matched comparison does not allow for it: it may be too small."))
    if study.design.covariates and estimate.method == "two_by_two":
        caveats.append(Caveat(code="covariates_unused", text="This method does not use the declared covariates."))
    if study.design.kind == "rct" and study.design.estimand == "ate":
        estimate = replace(estimate, estimand="ate")
    return replace(estimate, id=f"{outcome.name}/{estimate.method}", outcome=outcome.name, role=role,
                   unit=words(outcome.unit), question=question, caveats=tuple(caveats))


def _number(estimates: list[Estimate]) -> list[Estimate]:
    """Number estimates that share outcome and method, so that each id names one number."""
    seen: dict[str, int] = {}
    out = []
    for estimate in estimates:
        seen[estimate.id] = seen.get(estimate.id, 0) + 1
        count = seen[estimate.id]
        out.append(estimate if count == 1 else replace(estimate, id=f"{estimate.id}/{count}"))
    return out


def _main(estimates: list[Estimate], outcome: Outcome) -> Estimate:
    return next(e for e in estimates if e.outcome == outcome.name and e.role != "robustness")


def _adjust(study: Study, estimates: list[Estimate]) -> list[Estimate]:
    """Adjust p-values: familywise error within primaries (Holm), false discoveries within secondaries (BH)."""
    out = list(estimates)
    for role, adjust, name in (("primary", holm, "Holm"), ("secondary", benjamini_hochberg, "Benjamini–Hochberg")):
        members = [i for i, e in enumerate(out) if e.role == role and e.p_value is not None]
        adjusted = adjust([out[i].p_value or 0.0 for i in members])
        for i, p in zip(members, adjusted, strict=True):
            out[i] = replace(out[i], p_adjusted=p, p_family=f"{len(members)} {role}, {name}")
    return out


def _study_caveats(study: Study) -> tuple[Caveat, ...]:
    out = []
    if study.data.simulated:
        out.append(Caveat(code="simulated", text="The data are SIMULATED: no firm or person was asked."))
    if study.design.kind == "rct" and study.design.estimand != "late":
        out.append(Caveat(code="offer_only", text="This is the effect of the offer, taken up or not; the effect of taking "
                          "part is not estimated."))
    sampling = study.design.sampling
    if study.subgroups:
        names = ", ".join(words(s.label) for s in study.subgroups)
        out.append(Caveat(code="subgroups_not_estimated", text=f"Declared subgroups were not estimated: {names}."))
    if sampling is not None and (sampling.psu or sampling.stratum):
        out.append(Caveat(code="sampling_not_used", text="The declared sampling stratum or unit is not used in the "
                          "standard errors of these estimates."))
    return tuple(out)


def _provenance(sample: Sample) -> Provenance:
    study = sample.study
    return Provenance(toolkit=f"impact {__version__}", study_sha256=study_hash(study), data_sha256=sample.sha256,
                      data_label=sample.label, data_rows=sample.rows, data_columns=sample.columns,
                      seed=study.analysis.seed, simulated=study.data.simulated, command=f"impact run {study.slug}")

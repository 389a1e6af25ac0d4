"""Run one declared study: data, estimates, checks, and the record that everything else reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from impact import __version__
from impact.calls import arguments, method_of, planned, run_method
from impact.costs import value_for_money
from impact.credibility import group_time_call, trust_checks
from impact.data.sample import FIRST_TREATED, Sample, load_sample
from impact.errors import DesignError, ImpactError, Problem
from impact.examination import examine, flow_of, trends_of
from impact.families import adjusted, with_indices
from impact.indicators import cleaning_caveats, unit_dependent_effects
from impact.indicators.money import MEANLESS
from impact.indicators.units import ROLE as UNIT_DEPENDENT
from impact.known import trial_answer
from impact.rct.workers import unseen_composition
from impact.results import Caveat, Check, Estimate, Evaluation, Provenance
from impact.results.record import study_hash
from impact.study.methods import COMPLIERS, WORKERS
from impact.study.options import option_named
from impact.study.read import study_of
from impact.study.types import FirstTreatedRule, MethodCall, Outcome, Study, words
from impact.study.yaml_file import slug_of, typed
from impact.unmeasured import unmeasured_checks

if TYPE_CHECKING:
    import pandas as pd

SINGLE_ROLES = ("primary", "secondary", "robustness", "derived", "index")  # their first row is the number asked for
SEVERAL = ("matched_did",)  # its further rows are other answers to the same question, and stand beside it


def evaluate(study: Study | str | Path, data: pd.DataFrame | None = None, *,
             progress: Callable[[str], None] | None = None) -> Evaluation:
    """Estimate and examine everything a study declares.

    Parameters
    ----------
    study : a study read by :func:`impact.read_study`; or a study file, or the folder that holds one.
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
        When an effect asked for cannot be estimated, or an option does not fit the data (with its line and key in the study
        file); all such problems at once.
    """
    tell = progress or (lambda _: None)
    tell("reading the data")
    declared = study_of(study)
    sample = with_indices(load_sample(declared, data))
    made = sample.study  # its outcomes name the columns that were made for them
    estimates, left = _estimated(sample, tell)
    tell("checking what the effects rest on")
    checks, parts = _examined(sample, estimates)
    known = trial_answer(made)
    estimates += [*parts, *([known] if known is not None else [])]
    keywords = {outcome.name: arguments(sample, outcome, made.analysis.primary) for outcome in made.outcomes}
    kept = _number(adjusted(sample, estimates, keywords))
    flows = tuple(flow_of(sample, outcome, _main(kept, outcome)) for outcome in made.outcomes)
    return Evaluation(study=declared, flows=flows, estimates=tuple(kept), checks=checks,
                      trends=trends_of(sample, made.outcomes), caveats=(*_study_caveats(made), *left),
                      cleaning=sample.cleaning, money=value_for_money(made, tuple(kept)), provenance=_provenance(sample))


def _estimated(sample: Sample, tell: Callable[[str], None]) -> tuple[list[Estimate], list[Caveat]]:
    """Run every method on every outcome; beside the rows, what is said for the whole study of those left out or paired."""
    study = sample.study
    estimates: list[Estimate] = []
    left: list[Caveat] = []
    problems: list[Problem] = []
    options: list[Problem] = []
    for outcome, call, role in planned(study, sample):
        tell(f"estimating {outcome.name}")
        try:
            rows = run_method(sample, outcome, call)
            made = cleaning_caveats(sample.cleaning, outcome, status_declared=study.firm_status is not None)
            estimates += _finish(study, outcome, role, call, tuple(row.with_caveats(*made) for row in rows))
        except ImpactError as error:
            if role in ("derived", "bounds") and call not in study.analysis.robustness:
                left.append(_not_estimated(outcome, call, error))  # what nobody declared stops nothing
                continue
            for problem in error.problems:
                named = option_named(study, call, problem)
                if named is not None:
                    options.append(named)
                else:
                    where = f"outcome '{outcome.name}', {call.method}"
                    where += "" if problem.where == call.method else f", {problem.where}"
                    problems.append(_declared(study, replace(problem, where=where)))
    for outcome in study.transformed:
        try:
            rows = _in_two_units(sample, outcome)
            estimates += rows
            left.append(_side_by_side(outcome, rows))
        except ImpactError as error:
            problems += [_declared(study, replace(p, where=f"outcome '{outcome.name}', {p.where}")) for p in error.problems]
    if options or problems:
        raise DesignError([*dict.fromkeys(options), *problems], source="study.yaml" if options else f"study '{study.slug}'")
    return estimates, left


def _examined(sample: Sample, estimates: list[Estimate]) -> tuple[tuple[Check, ...], list[Estimate]]:
    """Examine what the effects rest on; beside the checks, the parts of an effect that some of them work out."""
    study = sample.study
    checks, parts = examine(sample, estimates), []
    primary = study.analysis.primary
    for outcome in study.primaries if study.design.kind in ("did", "matching") else ():
        own = next(e for e in estimates if e.outcome == outcome.name and e.role == "primary")
        method, keywords = method_of(study, primary.method), arguments(sample, outcome, primary)
        if study.design.kind == "matching":
            checks = (*checks, *unmeasured_checks(sample, outcome, own, method, keywords))
            continue
        found, extra = trust_checks(sample, outcome, own, method, keywords,
                                    arguments(sample, outcome, group_time_call(primary)))
        checks = (*checks, *found)
        parts += _finish(study, outcome, "part", MethodCall(method="group_time_att"), extra)
    return checks, parts


def _declared(study: Study, problem: Problem) -> Problem:
    """Name the column the officer declared, where an estimator speaks of the one that was made from it."""
    rule = study.design.first_treated
    name = rule.first_period_of if isinstance(rule, FirstTreatedRule) else rule
    if not name:
        return problem
    where, what, cure = (text.replace(FIRST_TREATED, str(name)) for text in (problem.where, problem.what, problem.cure))
    return replace(problem, where=where, what=what, cure=cure)


def _in_two_units(sample: Sample, outcome: Outcome) -> tuple[Estimate, ...]:
    """Run the primary method on asinh or log(1 + y) of an outcome in two currency units; least squares for rates."""
    call = sample.study.analysis.primary
    if call.method in (*MEANLESS, "exact_share_test"):
        call = MethodCall(method="two_way_fixed_effects" if sample.study.design.kind == "did" else "ols")
    keywords = arguments(sample, outcome, call)
    keywords.pop("transform", None)
    given = keywords.pop("outcome")
    rows = unit_dependent_effects(sample.frame, outcome=given, estimate=method_of(sample.study, call.method),
                                  function=str(outcome.transform), **keywords).rows
    return tuple(replace(_worded(sample.study, outcome, row.role, call.method, row), role=row.role,
                         id=f"{outcome.name}/{row.id.removeprefix(f'{given}/')}") for row in rows)


def _side_by_side(outcome: Outcome, rows: Sequence[Estimate]) -> Caveat:
    """Say for the whole study what the two units give, so that neither is read alone."""
    own = next(c for row in rows for c in row.caveats if c.code == UNIT_DEPENDENT)
    return replace(own, text=f"{words(outcome.label)}: {own.text[:1].lower()}{own.text[1:]}")


def _not_estimated(outcome: Outcome, call: MethodCall, error: ImpactError) -> Caveat:
    why = "; ".join(f"{problem.where}: {problem.what}" for problem in error.problems)
    return Caveat(code="not_estimated", text=f"{words(outcome.label)} ({call.method.replace('_', ' ')}) could not be "
                  f"estimated: {why}.", values=(("outcome", outcome.name), ("method", call.method)))


def _finish(study: Study, outcome: Outcome, role: str, call: MethodCall, rows: Sequence[Estimate]) -> list[Estimate]:
    """Give the rows of one method the study's words and ids; rows after the first are its parts."""
    out = []
    group = next((s for s in study.subgroups if role == "subgroup" and s.column == dict(call.options)["by"]), None)
    for i, row in enumerate(rows):
        mine = role if i == 0 or role in ("bounds", "subgroup") else "part"
        if i > 0 and call.method in SEVERAL and role in ("primary", "robustness"):
            mine = "robustness"
        tail = "" if (i == 0 or call.method in SEVERAL) and role in SINGLE_ROLES else f"/{_slug(row, outcome)}"
        done = _worded(study, outcome, mine, call.method, row)
        if group is not None:
            tail = f"/{group.name}{tail}"
            done = replace(done, subgroup=f"{words(group.label)}: {row.subgroup or row.term}")
        out.append(replace(done, id=done.id + tail))
    return out


def _slug(row: Estimate, outcome: Outcome) -> str:
    """Name a row among the rows of its method: as the method itself does, else by what tells it apart."""
    own = row.id.removeprefix(f"{outcome.column}/").removeprefix(f"{row.method}/")
    if own not in (row.id, row.method):
        return own
    said = row.subgroup or row.term
    parts = [said, row.cohort, None if said.endswith(f" {row.period}") else row.period, row.horizon]
    return ".".join(str(part).replace("/", " per ") for part in parts if part) or "part"


def _worded(study: Study, outcome: Outcome, role: str, method: str, estimate: Estimate) -> Estimate:
    """Give an estimate the study's words: outcome, unit, role, and what 'ever treated' means."""
    caveats, question = list(estimate.caveats), estimate.question
    rule = study.design.first_treated
    if study.design.ever_treated and isinstance(rule, FirstTreatedRule):
        question += f" ('ever treated': from the first period with {rule.first_period_of} = 1 on)"
        caveats.append(Caveat(code="ever_treated", text=f"A unit counts as treated from its first period with "
                              f"{rule.first_period_of} = 1 on, also where the column later falls back to 0."))
    taken = signature(method_of(study, method)).parameters
    if study.design.sampling and study.design.sampling.weight and "weights" not in taken:
        caveats.append(Caveat(code="unweighted", text="Sampling weights are declared and this method does not use them: "
                              "the number speaks of the units in the data."))
    if study.design.firm and method not in WORKERS:
        caveats += unseen_composition(outcome.baseline)
    if study.design.kind == "did" and study.design.covariates and "covariates" not in taken:
        caveats.append(Caveat(code="covariates_unused", text="This method does not use the declared covariates."))
    if study.design.kind == "rct" and study.design.estimand == "ate" and estimate.estimand == "itt":
        estimate = replace(estimate, estimand="ate")
    return replace(estimate, id=f"{outcome.name}/{estimate.method}", outcome=outcome.name, role=role,
                   unit=estimate.unit or _unit(outcome, method, estimate), question=question, caveats=tuple(caveats),
                   dropped=tuple(replace(loss, text=_in_words(study, outcome, loss.text)) for loss in estimate.dropped))


def _in_words(study: Study, outcome: Outcome, text: str) -> str:
    """Name what was measured where a loss names the column that was made from it."""
    column, missing, rest = text.partition(" is missing")
    if not missing:
        return text
    for one in (outcome, *study.outcomes):
        if one.column.startswith("_") and column == one.column:
            return f"{words(one.label)}{missing}{rest}"
        if column.startswith("_") and column == one.baseline:
            return f"{words(one.label)} before the programme{missing}{rest}"
    return text


def _unit(outcome: Outcome, method: str, estimate: Estimate) -> str:
    """Unit of a number: the outcome's, unless it is a share of a mean, or an effect for each unit of something."""
    unit = words(outcome.unit)
    if method == "worker_composition":
        return _unit_of_workforce(unit, estimate)
    if method == "ratio_effect":
        return "share of the comparison mean"
    if estimate.estimand == "slope":
        return _per(unit, "1.00 of the share invited")
    if method == "dose_response" and "squared" in estimate.term:
        return _per(unit, "squared unit of the dose")
    if method == "dose_response" and not estimate.term.endswith(" − none"):
        return _per(unit, f"unit of {estimate.term.partition(' per unit of ')[2] or 'the dose'}")
    return unit


def _unit_of_workforce(unit: str, estimate: Estimate) -> str:
    """Unit of a row on workers or their firms."""
    own = {"wage_bill": _per(unit, "firm"), "employment": "workers a firm", "hiring_rate": "new workers per worker before",
           "separation_rate": "share of the workers before"}
    if estimate.term.startswith("workforce_"):
        return "share of workers" if estimate.transform == "share" else estimate.term.removeprefix("workforce_")
    return own.get(estimate.term, unit)


def _per(unit: str, what: str) -> str:
    """Put what a number is for before what a unit says in brackets: 'USD per unit of hours (2024 prices)'."""
    head, bracket, rest = unit.partition(" (")
    return f"{head} per {what}{bracket}{rest}"


def _number(estimates: list[Estimate]) -> list[Estimate]:
    """Number estimates that share outcome and method, so that each id names one number."""
    used: set[str] = set()
    out = []
    for estimate in estimates:
        name, count = estimate.id, 1
        while name in used:  # a row may itself go by a number, such as a round's
            count += 1
            name = f"{estimate.id}/{count}"
        used.add(name)
        out.append(replace(estimate, id=name))
    return out


def _main(estimates: list[Estimate], outcome: Outcome) -> Estimate:
    return next(e for e in estimates if e.outcome == outcome.name and e.role in ("primary", "secondary"))


def _study_caveats(study: Study) -> tuple[Caveat, ...]:
    out = []
    if study.data.simulated:
        out.append(Caveat(code="simulated", text="The data are SIMULATED: no firm or person was asked."))
    calls = (study.analysis.primary, *study.analysis.robustness)
    if study.design.kind == "rct" and not any(call.method in COMPLIERS for call in calls):
        out.append(Caveat(code="offer_only", text="This is the effect of the offer, taken up or not; the effect of taking "
                          "part is not estimated."))
    sampling = study.design.sampling
    if study.subgroups and study.design.kind != "rct":
        names = ", ".join(words(s.label) for s in study.subgroups)
        out.append(Caveat(code="subgroups_not_estimated", text=f"Declared subgroups were not estimated: {names}."))
    if sampling is not None and (sampling.psu or sampling.stratum):
        out.append(Caveat(code="sampling_not_used", text="The declared sampling stratum or unit is not used in the "
                          "standard errors of these estimates."))
    return tuple(out)


def _command(study: Study) -> str:
    """Write the command that makes the record again, as it is typed beside the study's folder."""
    name = study.folder.name if study.folder is not None else ""
    return f"impact run {typed(name) if slug_of(name, 'study') == study.slug else study.slug}"


def _provenance(sample: Sample) -> Provenance:
    study = sample.study
    return Provenance(toolkit=f"impact {__version__}", study_sha256=study_hash(study), data_sha256=sample.sha256,
                      data_label=sample.label, data_rows=sample.rows, data_columns=sample.columns,
                      seed=study.analysis.seed, simulated=study.data.simulated, command=_command(study))

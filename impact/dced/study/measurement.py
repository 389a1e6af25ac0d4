"""Rules on measuring attributable change: baseline, data collection, the method, its checks, its figure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from impact.dced.study.case import Case, Finding, collect, fill_in, run_again
from impact.dced.types import Gap
from impact.dced.wording import listed, plural
from impact.results.estimate import Estimate
from impact.results.evaluation import Check, Flow, TrendPoint
from impact.study.types import ROW_NUMBER, Outcome

KIND = {"rct": "Randomised trial", "did": "Difference-in-differences", "matching": "Matching"}
EARLIER = "Look for records or an earlier survey of the same units, or state a recalled baseline as such."
_FEW = re.compile(r"\btoo few (clusters |units |clusters or units |units or clusters )?(on a side )?to say", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(-\d{2}){0,2}\Z")


def before_change(case: Case) -> Finding:
    """Every primary outcome was measured before the programme began."""
    found = [_baseline(case, outcome) for outcome in case.study.primaries]
    by_column = any(o.baseline for o in case.study.primaries)
    return Finding.of("study.declared.outcomes" if by_column else "trends", found)


def _baseline(case: Case, outcome: Outcome) -> str | Gap:
    """Say how one outcome was measured beforehand, or what is missing for that."""
    label = case.text(outcome.label)
    points = [p for p in case.evaluation.trends if p.outcome == outcome.name]
    periods = sorted({p.period for p in points}, key=_order)
    if outcome.baseline:
        return f"{label}: measured before in column {outcome.baseline}, as the study file declares."
    if len(periods) < 2:
        index = case.study.outcomes.index(outcome)
        return run_again(f"{label}: the record shows no measurement from before the programme.",
                         f"Fill in outcomes[{index}].baseline in study.yaml with the column measured before, if the "
                         "data hold one, and run again; otherwise look for earlier records of the same units.")
    if all(_DATE.match(p) for p in periods):
        return _dated_baseline(case, label, points, periods)
    if case.study.design.kind == "did" and case.estimate(outcome.name) is not None:
        return (f"{label}: followed over {len(periods)} periods, {periods[0]} to {periods[-1]}, which are not dates; "
                "the comparison takes the periods before the first treated one as baseline.")
    return run_again(f"{label}: its periods ({listed(periods)}) are not dates, so before and after cannot be told.",
                     "Name a column of years or dates in design.time in study.yaml and run again.")


def _dated_baseline(case: Case, label: str, points: Sequence[TrendPoint], periods: Sequence[str]) -> str | Gap:
    programme = case.study.programme.period
    if programme is None:
        return fill_in(f"{label}: measured from {periods[0]}, but when the programme began is not stated.",
                       "programme.period: [first year, last year]")
    early = [p for p in periods if _before(p, programme[0])]
    groups = sorted({p.group for p in points})
    bare = [g for g in groups if not any(p.group == g and p.period in early for p in points)]
    if bare:
        who = f" in {listed(bare)}" if early else ""
        return collect(f"{label}: no measurement from before {programme[0]}{who}.", EARLIER)
    least = min(p.n for p in points if p.period in early)
    return (f"{label}: measured in {listed(early)}, before the programme began in {programme[0]}, in each of "
            f"{plural(len(groups), 'group')} (at least {plural(least, 'row')} a group and period).")


def _order(period: str) -> tuple[float, str]:
    try:
        return float(period), period
    except ValueError:
        return 0.0, period


def _before(period: str, start: str) -> bool:
    """Tell whether a year or date lies before another, as far as both say."""
    shared = min(len(period), len(start))
    return period[:shared] < start[:shared]


def collection(case: Case) -> Finding:
    """The data have a source, losses are accounted for, sampling and consent are stated."""
    study, ethics = case.study, case.study.ethics
    found: list[str | Gap] = [
        f"Source: {case.quote(study.data.source)}." if case.stated(study.data.source)
        else fill_in("Where the data come from is not stated.", "data.source"),
        *(_way_of_units(case, outcome) for outcome in study.primaries)]
    if study.state("design.sampling") == "absent":
        found.append(fill_in("How the units were sampled is not stated.",
                             "design.sampling (null says that no sample was drawn)"))
    silent = [key for key in ("consent", "approval") if not case.stated(getattr(ethics, key, None))]
    found.append(fill_in(f"Research ethics: {' and '.join(silent)} not stated.",
                         listed(f"ethics.{key}" for key in silent)) if silent
                 else "Consent and approval are stated.")
    return Finding.of("flows", found)


def _way_of_units(case: Case, outcome: Outcome) -> str | Gap:
    """Tell how many units came in and were analysed, if every loss has its reason."""
    label, flow = case.text(outcome.label), case.flow(outcome.name)
    if flow is None or len(flow.stages) < 2:
        return run_again(f"{label}: the record has no flow of units.")
    first, last = flow.stages[0], flow.stages[-1]
    lost = _unexplained(flow)
    if lost > 0:
        return run_again(f"{label}: {plural(lost, *case.unit_nouns)} lost without a reason.",
                         "Find the reason, note it in data.source, and run again.")
    why = listed((loss.text or loss.reason for loss in flow.losses if loss.lost), most=3)
    return (f"{label}: {plural(first.units, *case.unit_nouns)} {first.name}, {last.units:,} {last.name}"
            f"{f' (lost: {why})' if why else ''}.")


def _unexplained(flow: Flow) -> int:
    return flow.stages[0].units - flow.stages[-1].units - sum(loss.n_units for loss in flow.losses)


def method(case: Case) -> Finding:
    """An attribution method is stated and estimated for each key change, and its choice is explained."""
    study, design = case.study, case.study.design
    done = [o for o in study.primaries if case.estimate(o.name) is not None]
    evidence = [f"{KIND[design.kind]} ({study.analysis.primary.method}) for "
                f"{listed(case.text(o.label) for o in done)}; {_comparison(case)}; level of assignment "
                f"{_level(case)}{_analysed(case, done[0])}."] if done else []
    gaps = [run_again(f"{case.text(o.label)}: the record has no estimate.") for o in study.primaries if o not in done]
    gaps += [*_undeclared(case), *_unmeasured(case)]
    if case.stated(study.brief.what_was_done):
        evidence.append("What was done is told in brief.what_was_done; whether its reasons hold is for people to "
                        "judge.")
    else:
        gaps.append(fill_in("Why this method was chosen is not written.",
                            "brief.what_was_done (what was compared with what, and why)"))
    return Finding(where="study.declared.design", evidence=tuple(evidence), gaps=tuple(gaps))


def _comparison(case: Case) -> str:
    design = case.study.design
    if design.kind == "did":
        return f"comparison {(design.comparison or 'not stated').replace('_', ' ')}"
    if design.kind == "matching":
        return f"matched on {plural(len(design.covariates), 'covariate')}"
    rule = design.assignment.rule if design.assignment else None
    return f"assignment rule {rule or 'not stated'}"


def _level(case: Case) -> str:
    column = case.study.design.assigned_by
    return f"the {case.unit_nouns[0]}" if column == ROW_NUMBER else column


def _analysed(case: Case, outcome: Outcome) -> str:
    estimate = case.estimate(outcome.name)
    units = (estimate.n_units or estimate.n) if estimate else 0
    return f"; {plural(units, *case.unit_nouns)} analysed" if units else ""


def _undeclared(case: Case) -> list[Gap]:
    design = case.study.design
    if design.kind == "did" and design.comparison is None:
        return [fill_in("Which comparison group was meant is not stated.",
                        "design.comparison (never_treated or not_yet_treated)")]
    if design.kind != "rct":
        return []
    draw = design.assignment
    stated = {"rule": draw is not None and draw.rule is not None,
              "record": draw is not None and case.stated(draw.record)}
    lacking = [key for key, given in stated.items() if not given]
    return [fill_in(f"The draw is not documented: {' and '.join(lacking)} of the assignment not stated.",
                    listed(f"design.assignment.{key}" for key in lacking))] if lacking else []


def _unmeasured(case: Case) -> list[Gap]:
    """List the outcome and impact boxes of the chain that this record holds no estimate for."""
    changes = [box for box in case.chain.boxes if box.level in ("outcome", "impact")]
    pairs = [(box, case.outcome_of(box)) for box in changes]
    unknown = [box.id for box, outcome in pairs if outcome is None]
    idle = [box.id for box, outcome in pairs if outcome is not None and case.estimate(outcome.name) is None]
    gaps = [run_again(f"Declared but without an estimate in the record: {listed(idle)}.")] if idle else []
    return gaps + ([collect(
        f"Change in the chain that this study does not measure: {listed(unknown)}.",
        "Measure what the chain promises and declare it under outcomes: in study.yaml; if it is measured already, "
        "name its outcome as the box's indicator.")] if unknown else [])


def carried_out(case: Case) -> Finding:
    """The checks of the method were examined and none raises a doubt; the record can be made again.

    What a small study cannot say is no gap; what it did not look at is one.
    """
    checks, made = case.evaluation.checks, case.evaluation.provenance
    small = [c for c in checks if _skipped(c) and _too_few(c)]
    skipped = [c for c in checks if _skipped(c) and c not in small]
    seen = [c for c in checks if not _skipped(c) and c.verdict != "not_applicable"]
    doubted = [c for c in seen if c.verdict in ("concern", "fail")]
    found: list[str | Gap] = []
    if seen:
        said = "; ".join(f"{c.title} ({c.word or c.verdict})" for c in seen)
        found.append(f"{plural(len(seen), 'check')} of the method examined: {said}.")
    elif not skipped and not small:
        found.append(run_again("The record holds no check of the method."))
    if small:
        found.append(f"The study is too small to say: {listed(_name(case, c) for c in small)}. Few units or clusters are "
                     "told with the result, and are no gap.")
    if skipped:
        found.append(collect(f"Not examined: {listed(_name(case, c) for c in skipped)}.",
                             "Give the check what it needs, such as an earlier round of data; its reason stands under "
                             "checks in results.json."))
    if doubted:
        names = "; ".join(f"{_name(case, c)}: {c.word or c.verdict}" for c in doubted)
        found.append(run_again(f"Examined and open to doubt: {names}.",
                               "Add a method that does not rest on it under analysis.robustness in study.yaml, or "
                               "declare a closer comparison group, and run again; report both results."))
    found.append(_beside_it(case))
    found.append("Hashes name the study file and the data, so that the calculation can be made again."
                 if made.study_sha256 and made.data_sha256 else
                 run_again("The record does not identify its study file and data by their hashes."))
    return Finding.of("checks", found)


def _beside_it(case: Case) -> str:
    others = {e.method for e in case.evaluation.estimates if e.role == "robustness"}
    primary = case.study.analysis.primary.method
    names = [f"{name} with other settings" if name == primary else name for name in sorted(others)]
    return f"Estimated beside with {listed(names)}." if names else ""


def _skipped(check: Check) -> bool:
    return "not examined" in check.word.lower()


def _too_few(check: Check) -> bool:
    """Tell whether a check was left out for want of units or clusters, and not of a round, a column or a trait."""
    return _FEW.search(check.reason) is not None


def _name(case: Case, check: Check) -> str:
    outcome = next((case.text(o.label) for o in case.study.outcomes if o.name == check.outcome), "")
    return f"{check.title} ({outcome})" if outcome else check.title


def attributable(case: Case) -> Finding:
    """Every primary figure is a difference against a comparison group, with its interval."""
    found = [_contrast(case, outcome) for outcome in case.study.primaries]
    estimates = [case.estimate(outcome.name) for outcome in case.study.primaries]
    ids = listed(e.id for e in estimates if e is not None)
    return Finding.of(f"estimates, id {ids}" if ids else "estimates", found)


def _contrast(case: Case, outcome: Outcome) -> str | Gap:
    label, estimate = case.text(outcome.label), case.estimate(outcome.name)
    if estimate is None:
        return run_again(f"{label}: the record has no figure.")
    beside = _beside(estimate)
    if beside is not None and beside < 1:
        return collect(f"{label}: nothing stands beside the treated.",
                       "Find a comparison group and declare it under design: in study.yaml.")
    if not estimate.interval and estimate.conf_low is None and estimate.conf_high is None:
        return run_again(f"{label}: the figure has no confidence interval.",
                         "Choose a method with an interval under analysis.primary in study.yaml, and run again.")
    if estimate.estimand == "association":
        return run_again(f"{label}: the figure is an association, not an effect.")
    rows = f" ({plural(beside, 'row')})" if beside else ""
    return (f"{label}: the figure is the difference between treated and comparison{rows}, with its confidence "
            "interval; it is not the change of the treated alone.")


def _beside(estimate: Estimate) -> int | None:
    """Count comparison rows; None where the record does not give them."""
    if estimate.n_comparison is not None:
        return estimate.n_comparison
    return estimate.n - estimate.n_treated if estimate.n_treated is not None else None

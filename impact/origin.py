"""Where a figure of a brief comes from: its place in the brief, its estimate, method and rows, the file and its hash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

from impact.errors import ImpactError, Problem, StudyError
from impact.freshness import COMPARED
from impact.results.estimate import Estimate, Segment
from impact.results.evaluation import Evaluation
from impact.results.money import MoneyFigure

if TYPE_CHECKING:
    from impact.brief.model import Number

MEASURED = ("estimate", "std_error", "conf_low", "conf_high")  # in the unit of the estimate
MAIN = ("primary", "secondary")
BENCHMARK = "benchmark"  # a role: made from another table
AS_WRITTEN = {"effect": "estimate", "size": "estimate", "p": "p_value"}  # names that sentences of a study file use
FLOW = ("enrolled", "assigned", "found", "analysed")


def trace(evaluation: Evaluation, figure: str) -> tuple[str, ...]:
    """Walk one figure back: its place in the brief, its estimate, method, sample and rows, the source file and its hash.

    Parameters
    ----------
    evaluation : the record.
    figure : the id of an estimate (``profit/ancova``), an outcome's name, either with a number of it (``profit.conf_low``),
        the id of a figure of value for money, or a key by which sentences of the study file name numbers (``n.analysed``,
        ``costs.per_participant``, ``profit.payback``).

    Raises
    ------
    StudyError
        When the record has no such figure; near ids are named.
    """
    name, _, part = figure.rpartition(".")
    money = next((m for m in evaluation.money if figure in (m.id, f"{m.outcome}.{m.kind}", _of_all(m))), None)
    if money is not None:
        return tuple(_money_steps(evaluation, money))
    if name == "n" and part in (*FLOW, "treated", "comparison") and evaluation.flows:
        return tuple(_count_steps(evaluation, part))
    estimate = _figure(evaluation, figure)
    if estimate is not None:
        part = "estimate"
    else:
        estimate = _figure(evaluation, name)
    if estimate is None:
        ids = ", ".join([*(e.id for e in evaluation.estimates[:8]), *(m.id for m in evaluation.money), "n.analysed"])
        raise StudyError(Problem(where=figure or "figure", what="the record has no such figure",
                                 cure=f"Write one of: {ids}."), source="trace")
    part = AS_WRITTEN.get(part, part)
    value = _number(estimate, part)
    if value is None:
        known = [p for p in (*COMPARED, "effect_pct") if _number(estimate, p) is not None]
        raise StudyError(Problem(where=figure, what=f"{estimate.id} has no number '{part}'",
                                 cure=f"Write one of: {', '.join(known)}."), source="trace")
    return tuple(_steps(evaluation, estimate, part, value))


def _of_all(m: MoneyFigure) -> str:
    return f"costs.{m.kind.removeprefix('cost_')}" if not m.outcome else ""


def _number(e: Estimate, part: str) -> float | None:
    if part == "effect_pct":
        return e.effect_pct.value if e.effect_pct is not None else None
    return getattr(e, part) if part in COMPARED else None


def _in_the_brief(evaluation: Evaluation, held: Callable[[Number], bool]) -> str:
    """Name the blocks of the brief that show a number of the record, and the record they are made from."""
    from impact.brief.composition import assembled
    from impact.brief.model import Number, walk

    try:
        brief = assembled(evaluation)
    except ImpactError as error:
        return f"brief      cannot be set from this record: {error.problems[0]}"
    places = [f.name.replace("_", " ") for f in fields(brief) if any(held(n) for n in walk(getattr(brief, f.name), Number))]
    return f"brief      {', '.join(places) or 'not printed: it stands in the record alone'}; record {brief.record[:12]}"


def _count_steps(evaluation: Evaluation, part: str) -> Iterator[str]:
    """Walk a count of units back to the flow of the first primary outcome."""
    name = evaluation.study.primaries[0].name
    stage, field = (part, "units") if part in FLOW else ("analysed", part)
    path = f"flows[{name}].stages[{stage}].{field}"
    count = getattr(evaluation.flow(name).stage(stage), field)
    yield f"figure     n.{part} = {count} units, {stage} for {name}"
    yield _in_the_brief(evaluation, lambda n: n.path == path or f"{path} " in f"{n.derived} ")
    yield from _sample(evaluation, evaluation.main(name))
    yield from _source(evaluation, evaluation.main(name))
    yield from _end(evaluation)


def _money_steps(evaluation: Evaluation, m: MoneyFigure) -> Iterator[str]:
    """Walk a figure of value for money back to the declared costs and to the effect it is set against."""
    value = "" if m.value is None else f"{m.value:.12g}"
    told = " ".join(x for x in (value, ", ".join(_ends(s) for s in m.interval)) if x)
    yield f"figure     {m.id}: {f'{told} {m.unit}' if told else m.state}{f' ({m.reason})' if m.reason else ''}"
    index = evaluation.money.index(m)
    yield _in_the_brief(evaluation, lambda n: n.path.startswith(f"money[{index}]."))
    yield "made of    study.yaml: costs; " + ", ".join(f"{name} {value}" for name, value in m.basis)
    estimate = next((e for e in evaluation.estimates if e.id == m.estimate), None)
    if estimate is None:
        yield f"study      SHA-256 {evaluation.provenance.study_sha256}; {evaluation.provenance.toolkit}"
        return
    yield "set against:"
    yield from _steps(evaluation, estimate, "estimate", estimate.estimate)


def _ends(s: Segment) -> str:
    if s.low is None:
        return "unbounded" if s.high is None else f"at most {s.high:.12g}"
    if s.high is None:
        return f"at least {s.low:.12g}"
    return f"from {s.low:.12g} to {s.high:.12g}"


def _figure(evaluation: Evaluation, name: str) -> Estimate | None:
    return next((e for e in evaluation.estimates if name in (e.id, e.outcome)), None)


def _steps(evaluation: Evaluation, e: Estimate, part: str, value: float) -> Iterator[str]:
    unit = ("log points" if e.transform == "log" else e.unit) if part in MEASURED else ""
    unit = "%" if part == "effect_pct" else unit
    yield f"figure     {e.id}.{part} = {value:.12g}{f' {unit}' if unit else ''}"
    yield _in_the_brief(evaluation, lambda n: n.estimate == e.id and n.value == value)
    yield f"method     {_call(evaluation, e)}; {e.estimand.upper()}; role {e.role}"
    if e.se_card is not None:
        yield f"errors     {e.se_card.line(e.df)}"
    yield from _sample(evaluation, e)
    yield from _source(evaluation, e)
    yield from _end(evaluation)


def _sample(evaluation: Evaluation, e: Estimate) -> Iterator[str]:
    """Tell the flow of units, and the rows that are in a number and those that are not."""
    flow = next((f for f in evaluation.flows if f.outcome == e.outcome and e.role != BENCHMARK), None)
    if flow is not None:  # its last stage is that of the main estimate alone
        stages = [s for s in flow.stages if s.name != "analysed" or e.role in MAIN]
        yield "sample     " + ", then ".join(f"{s.units} units {s.name} ({s.rows} rows)" for s in stages)
    yield f"used       {e.n} rows" + (f", {e.n_units} units" if e.n_units is not None else "")
    for loss in e.dropped:
        rows = ", ".join(str(r) for r in loss.rows[:10]) + (" …" if len(loss.rows) > 10 else "")
        yield f"left out   {loss.n_rows} rows: {loss.text}{f' (rows {rows})' if rows else ''}"


def _end(evaluation: Evaluation) -> Iterator[str]:
    """Tell the study and toolkit behind the record, and the command that makes it again."""
    made = evaluation.provenance
    yield f"study      SHA-256 {made.study_sha256}; {made.toolkit}; seed {made.seed}"
    yield f"again      {made.command}"


def _call(evaluation: Evaluation, e: Estimate) -> str:
    """Name the function, with the options the study declares for it where it declares the call."""
    analysis = evaluation.study.analysis
    kind = "rct" if e.role == BENCHMARK else evaluation.study.design.kind
    calls = [analysis.primary] if e.role in (*MAIN, "index") else list(analysis.robustness)
    calls = [c for c in calls if c.method == e.method and e.role != BENCHMARK]
    alike = [x.id for x in evaluation.estimates if (x.outcome, x.method, x.role) == (e.outcome, e.method, e.role)]
    call = calls[0] if len(calls) == 1 else calls[alike.index(e.id)] if len(calls) == len(alike) else None
    if call is None:
        return f"impact.{kind}.{e.method}"
    return f"impact.{kind}.{e.method}({', '.join(f'{key}={value!r}' for key, value in call.options)})"


def _source(evaluation: Evaluation, e: Estimate) -> Iterator[str]:
    """Name the column and the table a number comes from."""
    study, made = evaluation.study, evaluation.provenance
    if e.role == BENCHMARK and study.benchmark is not None and study.benchmark.trial is not None:
        trial = study.benchmark.trial
        yield f"column     {trial.outcome}"
        yield f"data       {trial.file or f'{trial.package} {trial.dataset}'}, the trial's own rows"
        return
    outcome = next((o for o in study.outcomes if o.name == e.outcome), None)
    family = next((f for f in study.analysis.families if f.name == e.outcome and e.role == "index"), None)
    if family is not None:
        yield f"column     made of the outcomes {', '.join(family.outcomes)} ({family.index})"
    elif outcome is not None:
        yield f"column     {outcome.column}" + (f", baseline {outcome.baseline}" if outcome.baseline else "")
    yield f"data       {made.data_label}, {made.data_rows} rows × {made.data_columns} columns, SHA-256 {made.data_sha256}"

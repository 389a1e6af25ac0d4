"""Headline tiles: value, unit, interval, number of units, comparison and horizon of up to three numbers."""

from __future__ import annotations

from impact.brief.findings import groups, said, unit_noun
from impact.brief.model import Number, Phrase, Result, Text, Tile, quote, say, take
from impact.brief.translation import fragment
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation
from impact.study.types import words


def tiles(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> tuple[Tile, ...]:
    """Choose three headline numbers: outcomes in declared order, primaries first; then units and the comparison mean."""
    primaries, others = [r for r in rows if r.primary], [r for r in rows if not r.primary]
    chosen = [_outcome_tile(evaluation, r, language) for r in primaries[:3]]
    flow = _flow_tile(evaluation, language)
    chosen += [_outcome_tile(evaluation, r, language) for r in others[:3 - len(chosen)]]
    if flow is not None and len(chosen) < 3:
        chosen.append(flow)
    if len(chosen) < 3 and rows[0].comparison is not None and not evaluation.study.outcome(
            evaluation.headline.outcome).is_log:
        base = evaluation.headline.comparison_label
        mean = say("tile.base.label", label=rows[0].label) if "mean" in base or not base else say(
            "tile.base.other", label=rows[0].label, base=fragment(base, "results.json: comparison_label"))
        chosen.append(Tile(figure=rows[0].comparison, label=mean,
                           note=say("tile.unit.note", unit=rows[0].unit)))
    return tuple(chosen)


def _outcome_tile(evaluation: Evaluation, r: Result, language: str) -> Tile:
    e = evaluation.estimate(r.estimate)
    effect = r.effect
    if not effect.ranges:
        note: Phrase = say("verdict.too_few" if effect.verdict == "too_few" else "tile.note.no_interval")
    else:
        note = say("tile.note", level=effect.level, range=said(effect, "signed_range"),
                   verdict=say(f"verdict.{effect.verdict}"))
    if effect.unit is not None:
        note = say("pair", name=effect.unit, text=note)
    note = say("tile.against", note=note, n=r.n, comparison=groups(evaluation, language)[1])
    when = horizon(evaluation, e, language)
    if when is not None:
        note = say("tile.horizon", note=note, horizon=when)
    if r.provisional:
        note = say("tile.provisional", note=note)
    return Tile(figure=said(effect, "signed"), label=r.label, note=note, verdict=effect.verdict)


def horizon(evaluation: Evaluation, e: Estimate, language: str) -> Text | None:
    """Say when an outcome was measured: as declared, else by the periods of the record; None where nothing says it."""
    index = next(i for i, o in enumerate(evaluation.study.outcomes) if o.name == e.outcome)
    declared = words(evaluation.study.outcomes[index].measured, language)
    if declared.strip():
        return quote(declared, f"study.yaml: outcomes[{index}].measured")
    recorded = e.horizon or e.period
    return fragment(recorded, "results.json: horizon") if recorded else None


def _flow_tile(evaluation: Evaluation, language: str) -> Tile | None:
    name = evaluation.study.primaries[0].name
    flow = next((f for f in evaluation.flows if f.outcome == name), None)
    if flow is None or len(flow.stages) < 2:
        return None
    first, last = flow.stages[0], flow.stages[-1]
    n, whole = (take(evaluation, f"flows[{name}].stages[{s.name}].units", "count") for s in (last, first))
    if n is None or whole is None:
        return None
    lost = Number(value=whole.value - n.value, kind="count", path=whole.path, derived=f"{whole.path} − {n.path}")
    note = say("tile.analysed.note", lost=lost) if lost.value else say("tile.whole.note")
    arms = [take(evaluation, f"flows[{name}].stages[{last.name}].{arm}", "count") for arm in ("treated", "comparison")]
    if arms[0] and arms[1]:
        note = say("tile.split", split=say("flow.split", treated=arms[0], comparison=arms[1]), note=note)
    return Tile(figure=say("tile.analysed", n=n, enrolled=whole),
                label=say("tile.analysed.label", units=unit_noun(evaluation, language)), note=note)

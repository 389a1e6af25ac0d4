"""How an outcome went over time: means of the groups, and effects by periods since treatment."""

from __future__ import annotations

import math
from dataclasses import replace

from impact.brief.effects import level, main_effect, unit_of
from impact.brief.facts import method_name
from impact.brief.model import Effect, EventPoint, EventStudy, Number, Range, Series, Trends, quote, take
from impact.brief.translation import fragment
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation
from impact.study.types import words

FEWEST_POINTS = 3  # effects by period make no figure below this


def trends(evaluation: Evaluation, language: str) -> Trends | None:
    """Give the means of the first outcome with trends, primaries first, group by group."""
    known = {p.outcome for p in evaluation.trends}
    names = [o.name for o in evaluation.study.outcomes if o.name in known and o.role == "primary"]
    if not names:
        return None
    index = [o.name for o in evaluation.study.outcomes].index(names[0])
    outcome = evaluation.study.outcomes[index]
    series = []
    points = [(i, p) for i, p in enumerate(evaluation.trends) if p.outcome == names[0]]
    for group in dict.fromkeys(p.group for _, p in points):
        chosen = [(i, p) for i, p in points if p.group == group]
        means = [take(evaluation, f"trends[{i}].mean", "amount") for i, _ in chosen]
        series.append(Series(
            name=fragment(group, "results.json: trends"),
            periods=tuple(fragment(p.period, "results.json: trends") for _, p in chosen),
            means=tuple(m for m in means if m is not None)))
    alone = len(series) < 2 and evaluation.study.design.kind == "did"  # it is set against nobody
    if alone or max(len(s.periods) for s in series) < 2:
        return None
    return Trends(outcome=quote(words(outcome.label, language), f"study.yaml: outcomes[{index}].label"),
                  unit=quote(words(outcome.unit, language), f"study.yaml: outcomes[{index}].unit"),
                  series=tuple(series),
                  baseline=quote(outcome.baseline, f"study.yaml: outcomes[{index}].baseline")
                  if outcome.baseline and evaluation.study.design.kind != "did" else None)


def event_study(evaluation: Evaluation, language: str) -> EventStudy | None:
    """Give the effects on the first primary outcome by periods since treatment, where the record has them.

    Those of the main method are taken where it has any, else those of another method of the record.
    """
    outcome = evaluation.study.primaries[0]
    index = evaluation.study.outcomes.index(outcome)
    found: dict[str, list[Estimate]] = {}
    for e in evaluation.estimates:
        if e.outcome == outcome.name and e.role == "part" and e.cohort is None and _by_horizon(e):
            found.setdefault(e.method, []).append(e)
    main = evaluation.headline.method
    method = main if main in found else next(iter(found), "")
    rows = sorted(found.get(method, []), key=lambda e: float(e.horizon or 0))
    if len(rows) < FEWEST_POINTS or len({e.horizon for e in rows}) < len(rows):
        return None
    unit = unit_of(rows[0], index, outcome, language)
    effects = [main_effect(evaluation, e, outcome, unit) for e in rows]
    kind = next((x.value.kind for x in effects if x.ranges), effects[0].value.kind)
    alike = [x if x.value.kind == kind else _reference(x, kind) for x in effects]
    if any(x is None for x in alike):
        return None
    shown = next((x for x in effects if x.ranges), effects[0])
    return EventStudy(
        outcome=quote(words(outcome.label, language), f"study.yaml: outcomes[{index}].label"), unit=shown.unit,
        method=method_name(method), level=level(evaluation, rows[0]),
        points=tuple(EventPoint(horizon=quote(e.horizon or "", "results.json: horizon"), effect=x,
                                band=_band(evaluation, e, x))
                     for e, x in zip(rows, alike, strict=True) if x is not None))


def _band(evaluation: Evaluation, e: Estimate, x: Effect) -> Range | None:
    """Give the band that holds for all distances at once, on the scale of the effect; None where the record has none."""
    if not x.ranges or (x.value.kind == "percent" and e.transform != "log"):
        return None
    low, high = (take(evaluation, f"details[band_{end}]", x.value.kind, e.id) for end in ("low", "high"))
    if low is None or high is None:
        return None
    return Range(low=_of_log(low), high=_of_log(high)) if x.value.kind == "percent" else Range(low=low, high=high)


def _of_log(number: Number) -> Number:
    return replace(number, value=100 * math.expm1(min(number.value, 700.0)), derived=f"100·(exp({number.path}) − 1)")


def _by_horizon(e: Estimate) -> bool:
    """Tell whether a row is the effect at one whole distance from the start, and no bound or robust interval of it."""
    return bool(e.horizon) and (e.horizon or "").lstrip("-").isdigit() and e.id.endswith(f"/{e.horizon}") and (
        e.term.startswith("dynamic") or e.method in ("event_study", "imputation", "sun_abraham", "stacked"))


def _reference(x: Effect, kind: str) -> Effect | None:
    """Put the reference period, zero by construction, on the scale of the others."""
    if x.value.value != 0 or x.ranges:
        return None
    value = Number(value=0.0, kind="percent" if kind == "percent" else x.value.kind, path="estimate",
                   estimate=x.estimate, derived="zero by construction, on any scale")
    return Effect(estimate=x.estimate, value=value, ranges=(), level=x.level, verdict=x.verdict, unit=None)

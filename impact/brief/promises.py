"""Promises held against what came: target levels, and what an uncertain result still says beside its frozen plan."""

from __future__ import annotations

from dataclasses import replace

from impact.brief.facts import day, own
from impact.brief.findings import said
from impact.brief.model import (
    CLEAR,
    Effect,
    Join,
    Number,
    OpenResult,
    Phrase,
    Range,
    Result,
    TargetLine,
    Text,
    need,
    quote,
    say,
    take,
)
from impact.brief.view import short_unit
from impact.brief.words import sentence
from impact.results.estimate import Estimate, Segment
from impact.results.evaluation import Evaluation
from impact.study.types import Outcome, words

MOST_OPEN = 3  # primary outcomes an uncertain result speaks of one by one


# ---- targets ---------------------------------------------------------------------------------------------------------
def targets(evaluation: Evaluation, language: str) -> tuple[TargetLine, ...]:
    """Set the level participants reached beside the level they were to reach, where a target is declared."""
    lines = []
    for i, outcome in enumerate(evaluation.study.outcomes):
        if outcome.target is None:
            continue
        e = next((e for e in evaluation.estimates if e.outcome == outcome.name), None)
        share = e is not None and e.transform == "share"
        target = need(evaluation, f"study.outcomes[{outcome.name}].target.value", "points" if share else "amount")
        reached = _reached(evaluation, outcome, share=share)
        met = None if reached is None else (
            reached.value >= target.value if outcome.better == "higher" else reached.value <= target.value)
        by = outcome.target.by
        lines.append(TargetLine(
            label=quote(words(outcome.label, language), f"study.yaml: outcomes[{i}].label"), target=target,
            by=None if by is None else day(by, f"study.yaml: outcomes[{i}].target.by", short=True),
            reached=reached, met=met))
    return tuple(lines)


def _reached(evaluation: Evaluation, outcome: Outcome, *, share: bool) -> Number | None:
    """Take the mean of the treated groups when last measured; several groups count by their rows."""
    points = [(i, p) for i, p in enumerate(evaluation.trends) if p.outcome == outcome.name and (
        p.group == "treated" or p.group.startswith("first treated"))]
    if not points:
        return None
    last = points[-1][1].period if evaluation.study.design.kind != "did" else max((p.period for _, p in points), key=_order)
    final = [(i, p) for i, p in points if p.period == last]
    if len(final) == 1:
        return take(evaluation, f"trends[{final[0][0]}].mean", "points" if share else "amount")
    rows = sum(p.n for _, p in final)
    mean = sum(p.mean * p.n for _, p in final) / rows
    return Number(value=mean, kind="points" if share else "amount", path="trends",
                  derived=f"mean of trends of the treated groups in {last}, weighted by n")


def _order(period: str) -> float:
    try:
        return float(period)
    except ValueError:
        return 0.0


# ---- an uncertain result ---------------------------------------------------------------------------------------------
def open_result(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> OpenResult | None:
    """Say what the intervals leave out, what was planned for and what was learned; None if any primary outcome is clear."""
    primaries = [r for r in rows if r.primary]
    if any(r.effect.verdict in CLEAR for r in primaries):
        return None
    shown = primaries[:MOST_OPEN]
    more = () if len(primaries) == len(shown) else (say("open.more", n=Number(
        value=len(primaries) - len(shown), kind="count", path="estimates", derived="a count of outcomes")),)
    return OpenResult(excludes=(*(_excluded(r, alone=len(primaries) == 1) for r in shown), *more),
                      planned=_planned(evaluation, shown, language), learned=_learned(evaluation, rows, language))


def _excluded(r: Result, *, alone: bool) -> Text:
    text: Text = _left_out(r.effect)
    if r.effect.verdict == "corrected":
        text = Join(parts=(text, say("open.corrected")))
    return text if alone else say("pair", name=r.label, text=text)


def _left_out(effect: Effect) -> Phrase:
    """Say in words which differences lie outside an interval."""
    if effect.verdict == "too_few":
        return say("open.few")
    if not effect.ranges:
        return say("open.no_interval")
    only = effect.ranges[0] if len(effect.ranges) == 1 else Range()
    low, high = only.low, only.high
    if low is not None and high is not None and low.value < 0 < high.value:
        return say("open.both", low=_extent(effect, low), high=_extent(effect, high))
    if len(effect.ranges) == 1 and low is None and high is None:
        return say("open.nothing")
    return say("open.but", range=said(effect, "range_unit"))


def _extent(effect: Effect, end: Number) -> Text:
    return Join(parts=(said(replace(effect, value=end), "extent"),))


def _planned(evaluation: Evaluation, rows: list[Result], language: str) -> tuple[Text, ...]:
    """Give the smallest effects a frozen plan states; none is ever worked out from the error that came."""
    plan = evaluation.study.plan
    if plan is None:
        return (say("open.no_plan"),)
    lines: list[Text] = []
    for r in rows:
        e = evaluation.estimate(r.estimate)
        if plan.smallest(e.outcome) is None:
            continue
        number = need(evaluation, f"study.plan.minimum_detectable_effect[{e.outcome}]", "plain")
        held = say(f"open.held.{_held(e, number)}")
        lines.append(say("open.planned", label=r.label, size=_amount(number, e, r, language), held=held))
    if not lines:
        return (say("open.plan_silent", day=day(plan.frozen, "study.yaml: plan.frozen")),)
    return tuple(lines)


def _amount(number: Number, e: Estimate, r: Result, language: str) -> Text:
    if e.transform == "share":
        many = abs(100 * number.value) >= float(sentence("points.from", language))
        return say("amount.points" if many else "amount.point",
                   x=replace(number, value=100 * number.value, derived=f"100·{number.path}"))
    return say("amount.unit", x=number, unit=replace(r.unit, text=short_unit(r.unit.text)))


def _held(e: Estimate, planned: Number) -> str:
    """Tell on which sides an interval still holds a difference of the planned size."""
    plain = () if e.conf_low is None and e.conf_high is None else (Segment(low=e.conf_low, high=e.conf_high),)
    pieces = e.interval or plain
    if e.transform == "log" or e.method == "ratio_effect":
        return "apart"
    if not pieces or e.has_caveat("few_clusters"):
        return "unknown"
    above = any(s.high is None or s.high >= planned.value for s in pieces)
    below = any(s.low is None or s.low <= -planned.value for s in pieces)
    return "both" if above and below else "above" if above else "below" if below else "neither"


def _learned(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> Text:
    """Give what the authors learned; without their words, what else came out clear."""
    told = own(evaluation.study.brief.learned, "brief.learned", language)
    if told is not None:
        return told
    clear = [r for r in rows if r.effect.verdict in CLEAR]
    if not clear:
        return say("open.learned.none")
    return say("open.learned.clear", labels=Join(
        parts=tuple(say("key.other", label=r.label, size=said(r.effect, "size"), range=said(r.effect, "range"))
                    for r in clear[:2]), by="; "))

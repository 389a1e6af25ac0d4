"""What was found, in words: effects, verdicts, and the sentences of title, bottom line, key box and tiles."""

from __future__ import annotations

import math
from typing import Literal

from impact.brief.model import (
    CLEAR,
    Effect,
    Form,
    Join,
    Kind,
    Message,
    Number,
    Phrase,
    Quote,
    Range,
    Result,
    Said,
    Text,
    Tile,
    Value,
    Verdict,
    need,
    quote,
    say,
    take,
)
from impact.brief.words import ENGLISH
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation
from impact.study.types import Outcome, words

MOST_OUTCOMES = 10
MOST_NAMED = 3
MOST_MESSAGES = 4
LONG_TITLE = 56  # characters of two labels, beyond which a title that names both would run over three lines


def _plain_range(evaluation: Evaluation, e: Estimate, kind: Kind) -> tuple[Range, ...]:
    if e.interval:
        return tuple(
            Range(low=take(evaluation, f"interval[{i}].low", kind, e.id),
                  high=take(evaluation, f"interval[{i}].high", kind, e.id)) for i in range(len(e.interval)))
    if e.conf_low is None and e.conf_high is None:
        return ()
    return (Range(low=take(evaluation, "conf_low", kind, e.id), high=take(evaluation, "conf_high", kind, e.id)),)


def _percent_range(evaluation: Evaluation, e: Estimate) -> tuple[Range, ...]:
    if len(e.interval) <= 1:
        if e.effect_pct is None or (e.effect_pct.low is None and e.effect_pct.high is None):
            return ()
        return (Range(low=take(evaluation, "effect_pct.low", "percent", e.id),
                      high=take(evaluation, "effect_pct.high", "percent", e.id)),)
    if e.transform != "log":
        return ()

    def end(x: float | None) -> Number | None:
        return None if x is None else Number(value=100 * math.expm1(x), kind="percent", path="interval",
                                             estimate=e.id, derived="100·(exp(b) − 1) of an end of the interval")

    return tuple(Range(low=end(s.low), high=end(s.high)) for s in e.interval)


def one_side(e: Estimate) -> bool:
    """Tell whether the whole confidence set lies on one side of zero."""
    pieces = [(s.low, s.high) for s in e.interval] or [(e.conf_low, e.conf_high)]
    above = all(low is not None and low > 0 for low, _ in pieces)
    below = all(high is not None and high < 0 for _, high in pieces)
    return (above or below) and (e.excludes_zero or not e.interval)


def verdict(e: Estimate, outcome: Outcome) -> Verdict:
    """Judge one effect by its interval, then by its adjusted p; the direction that counts as good is declared."""
    if not e.interval and e.conf_low is None and e.conf_high is None:
        return "no_interval"
    if not one_side(e):
        return "unclear"
    if e.p_adjusted is not None and e.p_adjusted >= 1 - e.conf_level:
        return "corrected"
    return "favourable" if (e.estimate > 0) == (outcome.better == "higher") else "unfavourable"


def _unit(study_index: int, outcome: Outcome, language: str) -> Quote:
    return quote(words(outcome.unit, language), f"study.yaml: outcomes[{study_index}].unit")


def _is_share(e: Estimate) -> bool:
    """A share is kept between 0 and 1; readers see it in per cent and its change in points."""
    return e.transform == "share"


def percent_effect(evaluation: Evaluation, e: Estimate, outcome: Outcome) -> Effect | None:
    """Put an effect in per cent of the comparison mean, or of itself for logs; None where the record has no per cent."""
    value = take(evaluation, "effect_pct.value", "percent", e.id) if e.effect_pct is not None else None
    if value is None:
        return None
    return Effect(estimate=e.id, value=value, ranges=_percent_range(evaluation, e), level=level(evaluation, e),
                  verdict=verdict(e, outcome))


def level(evaluation: Evaluation, e: Estimate) -> Number:
    """Take the level of an estimate's interval."""
    return need(evaluation, "conf_level", "level", e.id)


def main_effect(evaluation: Evaluation, e: Estimate, outcome: Outcome, unit: Quote) -> Effect:
    """Put an effect on the scale readers see first: per cent for logs, points for shares, else the outcome's unit."""
    if outcome.is_log or e.transform == "log":
        percent = percent_effect(evaluation, e, outcome)
        if percent is not None:
            return percent
        unit = quote("log points", unit.where)
    share = _is_share(e)
    kind: Kind = "points" if share else "amount"
    value = need(evaluation, "estimate", kind, e.id)
    return Effect(estimate=e.id, value=value, ranges=_plain_range(evaluation, e, kind), level=level(evaluation, e),
                  verdict=verdict(e, outcome), unit=None if share else unit)


def standard_effect(evaluation: Evaluation, e: Estimate, outcome: Outcome) -> Effect | None:
    """Put an effect in standard deviations of its outcome; None where the record has no standard deviation."""
    sd = e.outcome_sd
    if sd is None or not sd > 0:
        return None

    def scaled(x: float, path: str) -> Number:
        return Number(value=x / sd, kind="sd", path=path, estimate=e.id, derived=f"{path} / outcome_sd")

    pieces = [(s.low, s.high) for s in e.interval] or [(e.conf_low, e.conf_high)]
    ranges = tuple(Range(low=None if low is None else scaled(low, "interval"),
                         high=None if high is None else scaled(high, "interval")) for low, high in pieces
                   if e.interval or low is not None or high is not None)
    return Effect(estimate=e.id, value=scaled(e.estimate, "estimate"), ranges=ranges, level=level(evaluation, e),
                  verdict=verdict(e, outcome))


def results(evaluation: Evaluation, language: str) -> tuple[tuple[Result, ...], int]:
    """Lay out the outcomes, primaries first, each kind in declared order; and how many more there are."""
    study = evaluation.study
    known = {e.outcome for e in evaluation.estimates if e.role in ("primary", "secondary")}
    order = [(i, o) for i, o in enumerate(study.outcomes) if o.name in known]
    order.sort(key=lambda pair: pair[1].role != "primary")
    rows = tuple(_result(evaluation, i, o, language) for i, o in order[:MOST_OUTCOMES])
    return rows, max(0, len(order) - MOST_OUTCOMES)


def _result(evaluation: Evaluation, index: int, outcome: Outcome, language: str) -> Result:
    e = evaluation.main(outcome.name)
    label = quote(words(outcome.label, language), f"study.yaml: outcomes[{index}].label")
    unit = _unit(index, outcome, language)
    count = need(evaluation, "n_units" if e.n_units is not None else "n", "count", e.id)
    missing = tuple(
        say("read.missing", label=label, what=_field(what),
            why=quote(why.rstrip("."), "results.json: reasons"))
        for what, why in e.reasons if what != "effect_pct")  # the table shows that there is none
    return Result(
        estimate=e.id, label=label, unit=unit, primary=outcome.role == "primary",
        effect=main_effect(evaluation, e, outcome, unit), percent=percent_effect(evaluation, e, outcome),
        standard=standard_effect(evaluation, e, outcome),
        comparison=take(evaluation, "comparison_mean", "points" if _is_share(e) else "amount", e.id),
        p=take(evaluation, "p_value", "p", e.id), p_adjusted=take(evaluation, "p_adjusted", "p", e.id), n=count,
        provisional=e.has_caveat("provisional"), missing=missing)


def _field(name: str) -> Text:
    return say(f"field.{name}") if f"field.{name}" in ENGLISH else quote(name.replace("_", " "), "results.json: reasons")


def axis_of(rows: tuple[Result, ...]) -> Literal["percent", "sd", "none"]:
    """Choose the figure's axis: per cent if every outcome has one, else standard deviations, else none."""
    if all(r.percent is not None for r in rows):
        return "percent"
    return "sd" if any(r.standard is not None for r in rows) else "none"


# ---- who is compared with whom ---------------------------------------------------------------------------------------
def unit_noun(evaluation: Evaluation, language: str, number: int = 1) -> Quote:
    """Give the noun for the unit studied, singular (0) or plural (1)."""
    label = evaluation.study.design.unit_label
    return quote(words(label[number], language), f"study.yaml: design.unit_label[{number}]")


def groups(evaluation: Evaluation, language: str) -> tuple[Phrase, Phrase]:
    """Name the two groups of the comparison."""
    design = evaluation.study.design
    units = unit_noun(evaluation, language)
    arm = design.comparison if design.kind == "did" and design.comparison else "comparison"
    return say(f"group.{design.kind}.treated", units=units), say(f"group.{design.kind}.{arm}", units=units)


def said(effect: Effect, form: Form) -> Said:
    """Put an effect in words or signs."""
    return Said(effect=effect, form=form)


def _state(v: Verdict) -> str:
    return "clear" if v in CLEAR else v


# ---- title, bottom line, key box, tiles ------------------------------------------------------------------------------
def title(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> Text:
    """Give the officer's title, or one that states every declared primary outcome as it came out."""
    given = evaluation.study.brief.title
    if given:
        return quote(words(given, language), "study.yaml: brief.title")
    primaries = [r for r in rows if r.primary]
    treated, _ = groups(evaluation, language)
    if len(primaries) == 1:
        r = primaries[0]
        return say(f"title.{_state(r.effect.verdict)}", label=r.label, treated=treated,
                   size=said(r.effect, "size"), range=said(r.effect, "range_unit"))
    if len(primaries) == 2 and sum(len(r.label.text) for r in primaries) <= LONG_TITLE:
        return Join(by="; ", parts=tuple(
            say(f"title.part.{_state(r.effect.verdict)}", label=r.label, size=said(r.effect, "size"),
                range=said(r.effect, "range_unit")) for r in primaries))
    found = [r.effect.verdict for r in primaries]
    good, bad = found.count("favourable"), found.count("unfavourable")
    return say("title.many", n=_count(len(found)), good=_count(good), bad=_count(bad),
               open=_count(len(found) - good - bad))


def _count(n: int) -> Number:
    return Number(value=n, kind="count", path="estimates", derived="a count of outcomes")


def _finding(r: Result, stem: str, **more: Value) -> Phrase:
    e = r.effect
    form: Form = "range_unit" if stem == "title.part" else "range"  # no size before it that has the unit
    return say(f"{stem}.{_state(e.verdict)}", label=r.label, size=said(e, "size"), range=said(e, form),
               level=e.level, verdict=say(f"verdict.{e.verdict}"), **more)


def bottom_line(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> Text:
    """Say who was compared with whom, and how every primary outcome came out."""
    treated, comparison = groups(evaluation, language)
    first = say("line.compared", n=rows[0].n, units=unit_noun(evaluation, language), treated=treated,
                comparison=comparison)
    primaries = [r for r in rows if r.primary]
    if len(primaries) <= 2:
        return Join(parts=(first, *(_finding(r, "line") for r in primaries)))
    short = Join(parts=tuple(_finding(r, "title.part") for r in primaries), by="; ")
    return Join(parts=(first, Join(parts=(short, say("stop")), by="")))


def messages(evaluation: Evaluation, rows: tuple[Result, ...], limits: tuple[Text, ...]) -> tuple[Message, ...]:
    """Write the key box: the primaries, the secondaries counted, the first limit."""
    primaries, others = [r for r in rows if r.primary], [r for r in rows if not r.primary]
    named = primaries if len(primaries) <= 2 else primaries[:1]
    points = [_primary_message(evaluation, r) for r in named]
    rest = primaries[len(named):]
    if rest:
        lead = say("key.primaries.lead", n=_count(len(rest)))
        points.append(Message(lead=lead,
                              body=Join(by="", parts=(Join(parts=tuple(_finding(r, "title.part") for r in rest), by="; "),
                                                      say("stop")))))
    if others:
        points.append(_others(others))
    first = limits[0]
    if len(points) < MOST_MESSAGES and first != say("limit.none"):
        if isinstance(first, Phrase) and first.key == "read.provisional":
            points.append(Message(lead=say("key.provisional.lead"), body=Join(parts=(dict(first.values)["text"],))))
        else:
            points.append(Message(lead=say("key.limit.lead"), body=first))
    return tuple(points)


def _primary_message(evaluation: Evaluation, r: Result) -> Message:
    outcome = evaluation.study.outcome(evaluation.estimate(r.estimate).outcome)
    extra: dict[str, Value] = {"better": say(f"better.{outcome.better}")}
    if r.p_adjusted is not None:
        extra["p"] = r.p_adjusted
    state = _state(r.effect.verdict)
    lead = say(f"key.{state}.lead", label=r.label, size=said(r.effect, "size"))
    return Message(lead=lead, body=_finding(r, "key", **extra))


def _others(others: list[Result]) -> Message:
    clear = [r for r in others if r.effect.verdict in CLEAR]
    still_open = [r for r in others if r.effect.verdict not in CLEAR]
    corrected = say("key.corrected.words" if any(r.p_adjusted is not None for r in others) else "key.corrected.not")
    if len(others) == 1:
        lead = say("key.one.lead", state=say("key.one.clear" if clear else "key.one.unclear"), corrected=corrected)
    else:
        lead = say("key.others.lead" if clear else "key.others.none.lead", n=_count(len(others)),
                   k=_count(len(clear)), corrected=corrected)
    parts: list[Value] = [say("key.other", label=r.label, size=said(r.effect, "size"), range=said(r.effect, "range"))
                          for r in clear[:MOST_NAMED]]
    if len(clear) > MOST_NAMED:
        parts.append(say("key.more", n=_count(len(clear) - MOST_NAMED)))
    body: list[Value] = [Join(parts=(Join(parts=tuple(parts), by="; "), say("stop")), by="")] if parts else []
    if still_open and len(others) <= 2 * MOST_NAMED:
        body.append(say("key.others.open", labels=Join(parts=tuple(r.label for r in still_open), by=", ")))
    return Message(lead=lead, body=Join(parts=tuple(body)))


def tiles(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> tuple[Tile, ...]:
    """Choose three headline numbers; the first is always the first declared primary outcome."""
    primaries, others = [r for r in rows if r.primary], [r for r in rows if not r.primary]
    chosen = [_outcome_tile(evaluation, r, language, first=i == 0) for i, r in enumerate(primaries[:3])]
    flow = _flow_tile(evaluation, language)
    if len(chosen) < 2 and others:
        chosen.append(_outcome_tile(evaluation, others[0], language, first=False))
    if flow is not None and len(chosen) < 3:
        chosen.append(flow)
    if len(chosen) < 3 and rows[0].comparison is not None and not evaluation.study.outcome(
            evaluation.headline.outcome).is_log:
        chosen.append(Tile(figure=rows[0].comparison, label=say("tile.base.label", label=rows[0].label),
                           note=say("tile.unit.note", unit=rows[0].unit)))
    if len(chosen) < 3 and len(others) > 1:
        chosen.append(_outcome_tile(evaluation, others[1], language, first=False))
    return tuple(chosen)


def _outcome_tile(evaluation: Evaluation, r: Result, language: str, *, first: bool) -> Tile:
    e = evaluation.estimate(r.estimate)
    effect = r.effect
    if effect.verdict == "no_interval":
        note: Phrase = say("tile.note.no_interval")
    else:
        note = say("tile.note", level=effect.level, range=said(effect, "signed_range"),
                   verdict=say(f"verdict.{effect.verdict}"))
    if effect.unit is not None:
        note = say("pair", name=effect.unit, text=note)
    if first:
        note = say("tile.against", note=note, comparison=groups(evaluation, language)[1])
        when = e.horizon or e.period
        if when:
            note = say("tile.horizon", note=note, horizon=quote(when, "results.json: horizon"))
    if r.provisional:
        note = say("tile.provisional", note=note)
    return Tile(figure=said(effect, "signed"), label=r.label, note=note, verdict=effect.verdict)


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
    return Tile(figure=say("tile.analysed", n=n, enrolled=whole),
                label=say("tile.analysed.label", units=unit_noun(evaluation, language)), note=note)

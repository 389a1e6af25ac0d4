"""What stands for and against the findings: chain, checks, caveats, other methods, a known answer, the self-check."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from impact.brief.columns import worded
from impact.brief.effects import main_effect, plain_range, unit_of
from impact.brief.facts import estimand, method_name
from impact.brief.findings import CONTRASTS, contrast, unit_noun
from impact.brief.limitations import caveats, titled
from impact.brief.model import (
    Benchmark,
    Chain,
    ChainBox,
    CheckLine,
    Effect,
    Join,
    Lesson,
    Method,
    Number,
    Phrase,
    Quote,
    Range,
    Result,
    Said,
    StandardElement,
    StandardLine,
    Status,
    Text,
    Value,
    Verdict,
    need,
    quote,
    say,
    take,
)
from impact.brief.translation import card, check_reason, check_word, fragment
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation
from impact.study.methods import BOUNDS, WORKERS
from impact.study.types import words

if TYPE_CHECKING:
    from impact.dced import Audit

MOST_BOXES = 6
MOST_PARTS = 4  # further rows of the main method named under the table
ASKED = {**CONTRASTS, "late": "complier", "encouragement": "complier", "rank_test": "shift"}  # a question of their own
OPEN = ("ato", "matching")  # these speak of units for whom taking part was open
TOGETHER = ("matched_did", "plain_did", "lagged_matching")  # one call, three assumptions
APART = (*BOUNDS, "subgroups")  # not other answers to the same question


def chain(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> Chain | None:
    """Lay out the results chain with what this study measured of it; measured steps are kept where room is short."""
    declared = evaluation.study.results_chain
    if declared is None or not declared.boxes:
        return None
    found = {evaluation.estimate(r.estimate).outcome: r for r in rows}
    order = sorted(range(len(declared.boxes)), key=lambda i: (declared.boxes[i].indicator not in found, i))
    kept = sorted(order[:MOST_BOXES])
    links = {(a.source, a.target) for a in declared.arrows}
    boxes, before = [], ""
    for i in kept:
        box = declared.boxes[i]
        r = found.get(box.indicator or "")
        text = quote(words(box.text, language), f"study.yaml: results_chain.boxes[{i}].text")
        finding: Said | None = Said(effect=r.effect, form="full") if r else None
        boxes.append(ChainBox(text=text, status=_status(r), finding=finding, linked=(before, box.id) in links))
        before = box.id
    return Chain(boxes=tuple(boxes), more=len(declared.boxes) - len(kept))


def _status(r: Result | None) -> Status:
    if r is None:
        return "unmeasured"
    states: dict[Verdict, Status] = {"favourable": "clear", "unfavourable": "adverse", "too_few": "too_few",
                                     "no_interval": "no_interval"}
    return states.get(r.effect.verdict, "unclear")


def reading(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> tuple[Text, ...]:
    """Write the notes under the table: what is estimated, how errors were made, what p was adjusted for."""
    e = evaluation.headline
    notes: list[Text] = [say("read.estimand", estimand=estimand(evaluation, language))]
    after = evaluation.estimates[evaluation.estimates.index(e) + 1:]
    parts = list(takewhile(lambda row: row.role == "part", after)) if evaluation.study.design.kind == "rct" else []
    if parts:
        told = tuple(fragment(p.term.replace("_", " "), "results.json: term") for p in parts[:MOST_PARTS])
        more = (say("and_more.short", n=Number(value=len(parts) - MOST_PARTS, kind="count", path="estimates",
                                               derived="a count of rows")),) if len(parts) > MOST_PARTS else ()
        notes.append(say("read.parts", terms=Join(parts=(*told, *more), by=", ")))
    notes += _base_notes(evaluation, rows)
    if any(o.is_log for o in evaluation.study.outcomes):
        notes.append(say("read.log"))
    notes += _bounds(evaluation, rows[0], language)
    if e.se_card is not None:
        own = e.se_card.level == evaluation.study.design.unit and evaluation.study.state("design.unit_label") == "given"
        errors = replace(e.se_card, level=unit_noun(evaluation, language, 0).text) if own else e.se_card
        line = replace(errors, r_call="", stata_call="").line(e.df)
        notes.append(say("read.card", card=card(errors, e.vcov, e.df, line)))
    families = dict.fromkeys(evaluation.estimate(r.estimate).p_family for r in rows if r.p_adjusted is not None)
    named = [fragment(f.rstrip("."), "results.json: p_family") for f in families if f]
    if named:
        notes.append(say("read.family", family=Join(parts=tuple(named), by="; ")))
    if any(c.code == "provisional" for _, _, c in caveats(evaluation)):
        notes.append(say("read.provisional.short"))
    notes += list(dict.fromkeys(note for r in rows for note in r.missing))[:3]
    r = e.se_card is not None and e.se_card.r_call and not e.se_card.r_call.startswith("no equivalent call")
    calls = [f"R {e.se_card.r_call}" if r else "",
             f"Stata {e.se_card.stata_call}" if e.se_card.stata_call else ""] if e.se_card else []
    if e.se_card is not None and not any(calls) and evaluation.study.design.kind == "did":
        notes.append(say("read.calls.none"))
    if any(calls):
        notes.append(say("read.calls", calls=quote("; ".join(c for c in calls if c), "results.json: se_card")))
    return tuple(notes)


def _bounds(evaluation: Evaluation, first: Result, language: str) -> list[Text]:
    """Say how far losses could move the first finding, where the check of losses raises a concern and bounds were made."""
    if not any(c.id.partition(":")[0] == "attrition" and c.verdict in ("concern", "fail") for c in evaluation.checks):
        return []
    outcome = evaluation.study.outcome(evaluation.estimate(first.estimate).outcome)
    index = evaluation.study.outcomes.index(outcome)
    notes: list[Text] = []
    for method in BOUNDS:
        pair = [b for b in evaluation.estimates if b.outcome == outcome.name and b.method == method]
        if len(pair) == 2:
            low, high = (main_effect(evaluation, b, outcome, unit_of(b, index, outcome, language)) for b in pair)
            both = replace(low, ranges=(Range(low=low.value, high=high.value),))
            told: dict[str, Value] = {"method": method_name(method), "outcome": first.label,
                                      "range": Said(effect=both, form="range_unit")}
            if low.ranges:  # one interval for both ends: it holds the effect, wherever between them it lies
                told["chance"] = Said(effect=low, form="range_unit")
            notes.append(say("read.bounds.chance" if low.ranges else "read.bounds", **told))
    return notes


def _base_notes(evaluation: Evaluation, rows: tuple[Result, ...]) -> list[Text]:
    """Say what the comparison means are, and of which outcomes they are geometric (logs only)."""
    geometric = " (geometric mean)"
    told: dict[str, list[Quote]] = {}
    in_logs: list[Quote] = []
    for r in rows:
        label = evaluation.estimate(r.estimate).comparison_label.rstrip(".")
        told.setdefault(label.removesuffix(geometric), []).append(r.label)
        if label.endswith(geometric):
            in_logs.append(r.label)
    where = "results.json: comparison_label"
    named = [(fragment(base, where), labels) for base, labels in told.items()
             if base and base != "comparison mean"]  # the column says that much itself
    if len(told) == 1:
        notes: list[Text] = [say("read.base", label=base) for base, _ in named]
    else:
        notes = [say("read.base.of", outcomes=Join(parts=tuple(labels), by=", "), label=base) for base, labels in named]
    if in_logs:
        every = len(in_logs) == len(rows)
        notes.append(say("read.geometric") if every else say(
            "read.geometric.of", outcomes=Join(parts=tuple(in_logs), by=", ")))
    return notes


def checks(evaluation: Evaluation, language: str) -> tuple[CheckLine, ...]:
    """List the checks, those that raise a concern first; each keeps its own word."""
    order = {"fail": 0, "concern": 1, "not_applicable": 2, "pass": 3}
    lines = sorted(evaluation.checks, key=lambda c: order[c.verdict])
    return tuple(CheckLine(title=titled(evaluation, c, language), word=check_word(c), reason=check_reason(c),
                           verdict=c.verdict) for c in (worded(line, evaluation, language) for line in lines))


def lessons(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> tuple[Lesson, ...]:
    """Give the officer's implications, each with the finding it rests on and how that came out."""
    found = {evaluation.estimate(r.estimate).outcome: r for r in rows}
    return tuple(
        Lesson(text=quote(words(item.text, language), f"study.yaml: brief.implications[{i}].text"),
               finding=found[item.finding].label, verdict=found[item.finding].effect.verdict)
        for i, item in enumerate(evaluation.study.brief.implications))


def benchmark(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> Benchmark | None:
    """Set the first primary estimate beside the known answer; on one scale only where both are in the same unit."""
    known = evaluation.study.benchmark
    if known is None:
        return None
    r, unit = rows[0], quote(words(known.unit, language), "study.yaml: benchmark.unit")
    effect = r.effect
    in_logs = evaluation.headline.transform == "log" or evaluation.study.outcome(evaluation.headline.outcome).is_log
    same = not in_logs and unit.text.casefold() == r.unit.text.casefold()
    value = need(evaluation, "study.benchmark.value", effect.value.kind if same else "plain")
    made = next((e for e in evaluation.estimates if e.role == "benchmark"), None)
    ranges = plain_range(evaluation, made, effect.value.kind) if made is not None and same else ()
    comparable = replace(effect, value=value, ranges=ranges) if same else None
    inside = any((x.low is None or x.low.value <= value.value) and (x.high is None or value.value <= x.high.value)
                 for x in effect.ranges) if same and effect.ranges else None
    difference = Number(value=effect.value.value - value.value, kind=effect.value.kind, path=effect.value.path,
                        estimate=r.estimate, derived=f"{effect.value.path} − study.benchmark.value") if same else None
    return Benchmark(label=quote(words(known.label, language), "study.yaml: benchmark.label"), value=value, unit=unit,
                     source=quote(words(known.source, language).rstrip("."), "study.yaml: benchmark.source"),
                     effect=effect, outcome=r.label, difference=difference, inside=inside, comparable=comparable,
                     others=_others_from(evaluation, r, value) if same else None)


def _others_from(evaluation: Evaluation, r: Result, known: Number) -> tuple[Effect, Effect] | None:
    """How far the lowest and the highest answer of the other methods lie from the known one."""
    others = [e for e in evaluation.robustness(evaluation.estimate(r.estimate).outcome)
              if e.method not in APART and _same(evaluation, e)]
    if not others:
        return None
    ends = [min(others, key=lambda e: e.estimate), max(others, key=lambda e: e.estimate)]
    gaps = [Number(value=need(evaluation, "estimate", known.kind, e.id).value - known.value, kind=known.kind,
                   path="estimate", estimate=e.id, derived="estimate − study.benchmark.value") for e in ends]
    return replace(r.effect, value=gaps[0], ranges=()), replace(r.effect, value=gaps[1], ranges=())


def methods(evaluation: Evaluation, language: str) -> tuple[Method, ...]:
    """Set the methods' answers for the first primary outcome beside each other: the main one, the same question, others."""
    outcome = evaluation.study.primaries[0]
    index = evaluation.study.outcomes.index(outcome)
    others = evaluation.robustness(outcome.name)
    calls = {c.method for c in (evaluation.study.analysis.primary, *evaluation.study.analysis.robustness)}
    own = [e for e in others if e.method in calls]  # the others are further rows of a method
    named = [(e, _call_name(evaluation, e, own.index(e), len(own)) if e in own else method_name(e.method)) for e in others]
    named.sort(key=lambda pair: not _same(evaluation, pair[0]))
    lines = []
    for e, name in ((evaluation.headline, method_name(evaluation.headline.method)), *named):
        if e.method == "ratio_effect" and e.effect_pct is None:
            continue  # a share of a mean that may be zero: the record has its set, and no line here could hold it
        unit = unit_of(e, index, outcome, language)
        told = _resting(_dated(evaluation, e, _asked(evaluation, e, name)), e)
        lines.append(Method(name=told, same=_same(evaluation, e), effect=main_effect(evaluation, e, outcome, unit),
                            p=take(evaluation, "p_value", "p", e.id), main=e is evaluation.headline,
                            n=need(evaluation, "n_units" if e.n_units is not None else "n", "count", e.id)))
    return tuple(lines)


def _dated(evaluation: Evaluation, e: Estimate, name: Text) -> Text:
    """Say beside a method which periods it takes, where they are not those of the main method."""
    if e.period is None or evaluation.headline.period in (None, e.period):
        return name
    return say("methods.periods", method=name, periods=quote(e.period, "results.json: period"))


def _same(evaluation: Evaluation, e: Estimate) -> bool:
    return asked(evaluation, e) == asked(evaluation, evaluation.headline)


def _resting(name: Text, e: Estimate) -> Text:
    """Say beside comparisons that are read together what each of them assumes."""
    return say("methods.resting", method=name, what=say(f"resting.{e.method}")) if e.method in TOGETHER else name


def _asked(evaluation: Evaluation, e: Estimate, name: Text) -> Text:
    """Say beside a method what it answers where that is not what the main method answers."""
    if _same(evaluation, e):
        return name
    key = asked(evaluation, e)
    return say("methods.asked", method=name, what=say(f"asked.{key}", **contrast(evaluation, e)))


def asked(evaluation: Evaluation, e: Estimate) -> str:
    """Tell which question a method answers; most answer that of the offer's effect, each row counting once."""
    if e.method in WORKERS and evaluation.study.design.weighting == "worker":
        return "offer"
    if e.estimand in OPEN:
        return "open"
    return "association" if e.estimand == "association" else ASKED.get(e.method, "offer")


def _call_name(evaluation: Evaluation, e: Estimate, index: int, count: int) -> Text:
    """Name a method by what sets it apart: its options too where it has the name of another on the list."""
    analysis, name = evaluation.study.analysis, method_name(e.method)
    calls = tuple(c for c in analysis.robustness if c.method not in APART)
    same = [c for c in (analysis.primary, *calls) if c.method == e.method]
    if len(same) < 2 or count != len(calls) or calls[index].method != e.method:
        return name
    usual = dict(analysis.primary.options) if analysis.primary.method == e.method else {}
    where = f"study.yaml: analysis.robustness[{analysis.robustness.index(calls[index])}].options"
    options = [_option(key, value, where) for key, value in calls[index].options if usual.get(key, ...) != value]
    return say("methods.options", method=name, options=Join(parts=tuple(options), by=", ")) if options else name


def _option(key: str, value: object, where: str) -> Phrase:
    option = fragment(key.replace("_", " "), where)
    if isinstance(value, bool) or value is None:
        return say("methods.on" if value else "methods.off", option=option)
    told = ", ".join(str(v) for v in value) if isinstance(value, tuple) else str(value)
    return say("methods.with", option=option, value=fragment(told, where))


def standard(audit: Audit | None) -> StandardLine:
    """Name the elements the study puts evidence on file for, with the count of items; nothing is said of the others."""
    if audit is None:
        return StandardLine(title=say("standard.title.none"), line=say("standard.none"), note=say("standard.none"))
    elements = []
    for i, element in enumerate(audit.elements):
        on_file = take(audit, f"elements[{i}].on_file", "count")
        checked = take(audit, f"elements[{i}].checked", "count")
        some = checked is not None and checked.value > 0
        elements.append(StandardElement(number=element.number, title=fragment(element.title, f"audit: element {i + 1}"),
                                        on_file=on_file if some else None, checked=checked if some else None))
    told = [say("standard.element", number=quote(e.number, "audit: elements"), title=e.title, n=e.on_file,
                checked=e.checked) for e in elements if e.on_file is not None and e.checked is not None and e.on_file.value]
    line = say("standard.line", elements=Join(parts=tuple(told), by="; ")) if told else say("standard.line.none")
    verified = all(p.verified for element in audit.elements for p in element.points)
    return StandardLine(title=say("standard.title", version=quote(audit.version, "audit: version")), line=line,
                        note=say("standard.note.verified" if verified else "standard.note"), elements=tuple(elements))

"""The two pages as plain strings and lists, cut to what a layout has room for; renderers only place them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from impact.brief.captions import captioned
from impact.brief.illustration import MARKS, pictures, split_panels
from impact.brief.model import (
    CLEAR,
    Brief,
    Chain,
    Fact,
    Join,
    Method,
    Phrase,
    Quote,
    Result,
    Text,
    Value,
    Written,
    walk,
)
from impact.brief.packing import halves, ratio
from impact.brief.texts import covered
from impact.brief.theme import Layout
from impact.brief.view import NBSP, Speaker, beside, effect_decimals, keep_together, percent
from impact.brief.words import messages

CHAIN_MARKS = {"clear": "full", "adverse": "diamond", "unclear": "half", "too_few": "ring", "no_interval": "ring",
               "unmeasured": "empty"}
# a full stop after a word, before a capital: not after an initial, nor before the number of a page or section
SENTENCE_END = re.compile(r"(?<=[\w%)][\w%)][.!?])(?<!\bal\.)(?<!\bvs\.)(?<!\bcf\.)(?<!\bNo\.) +"
                          r"(?=[«“\"'(¿¡]?[^\W\d_a-zà-ÿ])")
HELD = re.compile(rf"\b[A-Z]{{3}} (?=\d)|%[ {NBSP}]d[e'][ {NBSP}](?:moins|plus)\b")  # a currency and its amount; French
CHECK_MARKS = {"pass": "full", "concern": "half", "fail": "cross", "not_applicable": "empty"}


def _tidy(value: Any, language: str) -> Any:
    if isinstance(value, str):
        return HELD.sub(lambda m: m[0].replace(" ", NBSP), keep_together(value, language))
    if isinstance(value, dict):
        return {key: _tidy(item, language) for key, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item, language) for item in value]
    return value


def present(brief: Brief, layout: Layout, speaker: Speaker | None = None) -> dict[str, Any]:
    """Say a whole brief: a mapping of strings and lists, cut to what the layout has room for."""
    s = speaker or Speaker(brief.language)
    page = captioned(_first(brief, s, layout) | _second(brief, s, layout), brief, s)
    page |= {"halves": list(halves(page)), "ratio": list(ratio(page, layout))}
    tidied: dict[str, Any] = _tidy(page, brief.language)
    # what a program reads stays free of break points
    return tidied | {"plain_title": page["title"], "logo": page["logo"], "keywords": _keywords(brief, s),
                     "authors": [q.text for q in _authors(brief)]}


def _told(text: Text, s: Speaker) -> str:
    """Begin a sentence of ours with a capital; quoted words stay as they are."""
    return s.text(text) if isinstance(text, (Quote, Written)) else capital(s.text(text))


def _facts(items: Sequence[Fact], s: Speaker) -> list[dict[str, str]]:
    return [{"name": s.text(f.name), "text": _told(f.text, s)} for f in items]


def _first(brief: Brief, s: Speaker, layout: Layout) -> dict[str, Any]:
    """Say page 1 and what stands on both pages."""
    rows = _results(brief, s, layout)
    drawn = _drawn(rows, layout.drawn)
    undrawn = len(rows) - len(drawn)
    level = s.number(brief.results[0].effect.level)
    alt = s.word("alt.effects", rows=" ".join(
        s.word("alt.effects.row", label=r["label"], effect=r["column"], verdict=r["verdict_word"]) for r in drawn))
    return {
        "language": brief.language, "colon": s.word("by.colon"), "heads": _heads(brief, s), "series": s.text(brief.series),
        "stamps": [s.word(f"stamp.{code}") for code in brief.stamps], "footer": s.word("record", hash=brief.record[:12]),
        "contact": s.text(brief.contact), "pages": [s.word("page", n=str(n)) for n in (1, 2)],
        "kicker": _kicker(brief, s), "title": capital(s.text(brief.title)),
        "bottom_line": _told(brief.bottom_line, s),
        "meta": _facts(brief.meta, s), "question": brief.question.text,
        "logo": _logo(brief), "badge": {"word": s.text(brief.badge.word), "strength": brief.badge.strength},
        "messages": [{"lead": capital(s.text(m.lead)), "body": capital(s.text(m.body))} for m in brief.messages
                     if layout.whom or not (isinstance(m.lead, Phrase) and m.lead.key.startswith("key.whom"))],
        "tiles": [{"figure": s.text(t.figure), "label": _told(t.label, s), "note": capital(s.text(t.note)),
                   "hollow": t.verdict is not None and t.verdict not in CLEAR} for t in brief.tiles],
        "open": _open(brief, s),
        "tile_size": _tile_size(brief, s), "challenge": [_told(brief.challenge, s)],
        "done": _told(brief.done, s), "done_facts": _facts(brief.done_facts, s),
        "method": _method(brief, s, layout),
        "flow": _flow(brief, s) if layout.flow else {"steps": [], "left": ""}, "chain": _chain(brief.chain, s),
        "results": rows, "drawn": drawn, "drawn_note": s.word(
            "figure.more.one" if undrawn == 1 else "figure.more", n=str(undrawn)) if undrawn > 0 else "",
        "axis_kind": brief.axis, "percent": percent("", brief.language),
        "axis": s.word(f"axis.{brief.axis}", level=level), "legend": _legend(brief, s, drawn),
        "figure_column": s.word("axis.column" if brief.axis == "percent" else "axis.column.unit", level=level),
        "sides": [s.word("axis.lower"), s.word("axis.higher")], "columns": _columns(brief, s, level),
        "effects_alt": alt,
    }


def _drawn(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Choose the outcomes of the figure: every primary one, then the clear ones, then the others, in declared order."""
    kept = _first_told([(row["primary"], row["verdict"]) for row in rows], most)
    return [row for i, row in enumerate(rows) if i in kept]


def _first_told(rows: list[tuple[bool, str]], most: int) -> set[int]:
    """Choose among (primary, verdict) of outcomes: the primary ones, then adverse, other clear ones, and the others."""
    turns = sorted(range(len(rows)), key=lambda i: (
        not rows[i][0], rows[i][1] not in CLEAR, rows[i][1] != "unfavourable", i))
    return set(turns[:max(most, sum(primary for primary, _ in rows))])


def _kicker(brief: Brief, s: Speaker) -> str:
    """Set the officer's own title in capitals, where the faces have them all."""
    text = s.text(brief.kicker) if brief.kicker is not None else ""
    capitals = text.upper()
    return capitals if all(ord(c) in covered() for c in capitals) else text


def _tile_size(brief: Brief, s: Speaker) -> int:
    """Choose one size in points for all headline figures, so that none outshouts its neighbours."""
    longest = max(len(s.text(t.figure)) for t in brief.tiles)
    return 24 if longest <= 10 else 20 if longest <= 14 else 16


def _second(brief: Brief, s: Speaker, layout: Layout) -> dict[str, Any]:
    """Say page 2."""
    checks = [{"title": s.text(c.title), "word": s.text(c.word), "reason": whole(s.text(c.reason), layout.reason),
               "mark": CHECK_MARKS[c.verdict]} for c in brief.checks[:layout.checks]]
    return {
        "reading": _reading(brief, s, layout), **pictures(brief, s, layout), "for_whom": split_panels(brief, s, layout),
        "targets": _targets(brief, s), "methods": _methods(brief, s, layout),
        "costs": _facts(brief.costs, s), "cost_note": s.text(brief.cost_note), "checks": checks,
        "check_columns": 3 if len(checks) == 3 or len(checks) > 4 else 2, "checks_note": _checks_note(brief, s, layout),
        "limits": _limits(brief, s, layout), "lessons_none": s.word("lessons.none"),
        "lessons": [{"text": s.text(x.text), "finding": s.word(
            "lesson", finding=x.finding.text, verdict=s.word(f"verdict.{x.verdict}"))} for x in brief.lessons],
        "standard": _standard(brief, s), "ethics": _facts(brief.ethics, s),
        "sources": [capital(s.text(t)) for t in brief.sources], "credits": [capital(s.text(t)) for t in brief.credits],
        "disclaimer": s.text(brief.disclaimer) if brief.disclaimer else "", "provenance": _facts(brief.provenance, s),
    }


def _logo(brief: Brief) -> dict[str, str] | None:
    logo = brief.logo
    return None if logo is None else {"data": logo.data, "kind": logo.kind, "alt": logo.alt.text}


def _open(brief: Brief, s: Speaker) -> dict[str, Any] | None:
    """Say what an uncertain result leaves; None where a primary outcome is clear."""
    found = brief.open_result
    if found is None:
        return None
    excludes, planned = ([capital(s.text(t)) for t in texts] for texts in (found.excludes, found.planned))
    return {"excludes": excludes, "planned": planned, "learned": _told(found.learned, s)}


def _method(brief: Brief, s: Speaker, layout: Layout) -> list[dict[str, str]]:
    """Say how we know; the flow of units is one line of it where it has no row of its own."""
    facts = _facts([f for f in brief.method if layout.estimand or f.name != Phrase(key="fact.estimand")], s)
    if brief.flow is None or layout.flow:
        return facts
    flow = _flow(brief, s)
    steps = s.word("flow.arrow").join(f"{step['n']} {step['name']}" for step in flow["steps"])
    return [*facts, {"name": s.word("fact.flow"), "text": f"{steps}. {flow['left']}"}]


def _targets(brief: Brief, s: Speaker) -> dict[str, Any]:
    """Say the target levels and the levels reached."""
    rows = []
    for t in brief.targets:
        by = s.word("target.by", target=s.number(t.target), date=s.text(t.by)) if t.by else s.number(t.target)
        state = "unknown" if t.met is None else "reached" if t.met else "short"
        level = s.number(t.reached) if t.reached else s.word("table.missing")
        rows.append({"label": t.label.text, "target": by, "level": level, "word": s.word(f"target.{state}"),
                     "mark": {"reached": "full", "short": "half"}.get(state, "empty")})
    if not rows:
        return {"rows": [], "columns": [], "note": ""}
    return {"rows": rows, "columns": [s.word(f"target.column.{name}") for name in ("outcome", "target", "level", "word")],
            "note": s.word("target.note")}


def _keywords(brief: Brief, s: Speaker) -> list[str]:
    toolkit = [s.text(f.text) for f in brief.provenance if f.name == Phrase(key="proof.toolkit")]
    hashes = [f"{name} sha256:{value}" for name, value in (("record", brief.record), *brief.made_of)]
    return [s.word("keyword.brief"), s.word("keyword.evaluation"), *hashes, *toolkit]


def _authors(brief: Brief) -> list[Quote]:
    return list(dict.fromkeys(q for q in walk(brief.credits, Quote) if ": brief.authors" in q.where))


def capital(text: str) -> str:
    """Begin a sentence with a capital; words that are capitals or figures already stay."""
    return text[:1].upper() + text[1:]


def whole(text: str, most: int) -> str:
    """Keep the leading sentences of a text of the record that fit into ``most`` characters: whole ones, or none."""
    if len(text) <= most:
        return text
    kept = [text[:end.start()] for end in SENTENCE_END.finditer(text) if end.start() <= most]
    return next((part for part in reversed(kept) if part.count("(") == part.count(")")), "")


def _heads(brief: Brief, s: Speaker) -> dict[str, str]:
    names = [key for key in messages(brief.language) if key.startswith("head.")]
    heads = {key.removeprefix("head."): s.word(key) for key in names}
    return heads | {"standard": s.text(brief.standard.title)}


def _legend(brief: Brief, s: Speaker, drawn: list[dict[str, Any]]) -> dict[str, str]:
    legend = {name: s.word(f"legend.{name}") for name in ("favourable", "unfavourable", "primary")}
    found = {"unclear" if r.effect.verdict in ("corrected", "disagree") else r.effect.verdict for r in brief.results}
    open_states = [name for name in ("unclear", "too_few", "no_interval") if name in found] or ["unclear"]
    corrected = s.word("legend.corrected") if any(r["verdict"] == "corrected" for r in drawn) else ""
    either = s.word("legend.or").join(s.word(f"legend.{name}") for name in open_states)
    return legend | {"corrected": corrected, "unclear": either}


def _chain(chain: Chain | None, s: Speaker) -> dict[str, Any]:
    if chain is None:
        return {"boxes": [], "note": s.word("chain.absent"), "legend": "", "alt": ""}
    boxes: list[dict[str, Any]] = [
        {"text": b.text.text, "status": b.status, "mark": CHAIN_MARKS[b.status], "linked": b.linked,
         "moved": b.linked and i > 0 and {b.status, chain.boxes[i - 1].status} == {"clear"},
         "word": s.word(f"chain.{b.status}"), "finding": s.said(b.finding) if b.finding else ""}
        for i, b in enumerate(chain.boxes)]
    for box in boxes:
        box["link"] = s.word("chain.seen" if box["moved"] else "chain.unseen") if box["linked"] else ""
    told = " ".join(s.word("alt.chain.box", text=b["text"], word=s.word("by.comma").join(
        words for words in (b["word"], b["link"]) if words)) for b in boxes)
    return {"boxes": boxes, "note": s.word("chain.more", n=str(chain.more)) if chain.more else "",
            "legend": s.word("chain.arrows") if any(b["moved"] for b in boxes) else "",
            "alt": s.word("alt.chain", boxes=told)}


def _columns(brief: Brief, s: Speaker, level: str) -> list[str]:
    keys = ["outcome", "comparison", "effect", "interval", *(["percent"] if _mixed(brief) else []), "p", "p_adjusted"]
    heads = [s.word(f"table.{key}", level=level) for key in keys]
    noun = next((v.text for text in (brief.bottom_line, *(f.text for f in brief.method)) for key, v in _values(text)
                 if key == "units" and isinstance(v, Quote)), "n")
    return [*heads, capital(noun)]


def _mixed(brief: Brief) -> bool:
    """Tell whether some difference is in its own unit and has a per cent beside it."""
    return any(r.percent is not None and r.effect.value.kind != "percent" for r in brief.results)


def _values(text: Value) -> list[tuple[str, Value]]:
    if isinstance(text, Join):
        return [pair for part in text.parts for pair in _values(part)]
    return list(text.values) if isinstance(text, Phrase) else []


def _results(brief: Brief, s: Speaker, layout: Layout) -> list[dict[str, Any]]:
    return [_row(r, s, brief.axis, _mixed(brief)) for r in _shown(brief, layout)]


def _shown(brief: Brief, layout: Layout) -> tuple[Result, ...]:
    """Keep every primary outcome, and as many of the others as there is room for, the clear ones first."""
    kept = _first_told([(r.primary, r.effect.verdict) for r in brief.results], layout.rows)
    return tuple(r for i, r in enumerate(brief.results) if i in kept)


def _row(r: Result, s: Speaker, axis: str, mixed: bool) -> dict[str, Any]:
    places = effect_decimals(r.effect)
    missing = s.word("table.missing")
    percent = r.percent if r.percent is not None and r.effect.value.kind != "percent" else None
    shown = {"percent": r.percent, "sd": r.standard}.get(axis)
    column = r.percent if axis == "percent" and r.percent is not None else r.effect
    cells = [s.number(r.comparison) if r.comparison else missing, s.signed(r.effect, places),
             s.signed_range(r.effect, places) if r.effect.ranges else missing,
             (s.signed(percent, effect_decimals(percent)) if percent else "–") if mixed else None,
             s.number(r.p) if r.p else missing, s.number(r.p_adjusted) if r.p_adjusted else "–", s.number(r.n)]
    return {
        "label": r.label.text, "unit": beside(s.text(r.unit)), "primary": r.primary, "verdict": r.effect.verdict,
        "verdict_word": s.word(f"verdict.{r.effect.verdict}"), "mark": MARKS.get(r.effect.verdict, "ring"),
        "tags": [*([s.word("stamp.provisional")] if r.provisional else []),
                 *([s.word(f"verdict.{r.effect.verdict}")] if r.effect.verdict in ("too_few", "no_interval") else [])],
        "cells": [c for c in cells if c is not None],
        "column": s.column(column),
        "value": shown.value.value if shown else None,
        "ranges": [[x.low.value if x.low else None, x.high.value if x.high else None] for x in shown.ranges]
                  if shown else [],
    }


def _reading(brief: Brief, s: Speaker, layout: Layout) -> str:
    parts = [capital(s.text(t)) for t in brief.reading
             if layout.calls or not (isinstance(t, Phrase) and t.key == "read.calls")]
    if len(_shown(brief, layout)) < len(brief.results):
        shown, others = ([r for r in rows if not r.primary] for rows in (_shown(brief, layout), brief.results))
        parts.append(s.word("table.hidden", shown=str(len(shown)), n=str(len(others))))
    return " ".join(parts)


def _kept(methods: tuple[Method, ...], room: int) -> tuple[Method, ...]:
    """Keep what there is room for: the main answer, the lowest and highest of the others, then in the order declared."""
    if len(methods) <= room:
        return methods
    main, rest = methods[:1], methods[1:]
    same = [m for m in rest if m.same] or list(rest)
    ends = [min(same, key=_size), max(same, key=_size)]
    first = tuple(dict.fromkeys(id(m) for m in ends))
    ordered = sorted(rest, key=lambda m: first.index(id(m)) if id(m) in first else len(first))
    return (*main, *ordered)[:room]


def _size(method: Method) -> float:
    return method.effect.value.value


def _methods(brief: Brief, s: Speaker, layout: Layout) -> dict[str, Any]:
    kept = _kept(brief.methods, layout.methods)
    rows = []
    finest = {kind: max(effect_decimals(m.effect) for m in kept if m.effect.value.kind == kind)
              for kind in {m.effect.value.kind for m in kept}}
    for m in kept:
        places = finest[m.effect.value.kind]  # one precision down the column
        name = capital(s.text(m.name))
        rows.append({"name": s.word("methods.main", method=name) if m.main else name, "main": m.main,
                     "effect": s.signed(m.effect, places), "interval": s.signed_range(m.effect, places),
                     "n": s.number(m.n)})
    more = len(brief.methods) - len(kept)
    notes = [s.word("methods.none")] if len(brief.methods) == 1 else []
    if more:
        notes.append(s.word("and_more", n=str(more)))
    outcome = brief.results[0]
    # a main answer in per cent has no unit of its own, the others may
    own = next((e.unit for e in (outcome.effect, *(m.effect for m in kept)) if e.unit is not None), None)
    unit = "" if own is None else beside(s.text(own))
    return {"rows": rows, "note": " ".join(notes), "caption": outcome.label.text + unit}


def _checks_note(brief: Brief, s: Speaker, layout: Layout) -> str:
    if not brief.checks:
        return s.word("checks.none")
    more = len(brief.checks) - layout.checks
    cut = any(len(s.text(c.reason)) > layout.reason for c in brief.checks[:layout.checks])
    return _and_more(more, "checks.in_full" if cut else "", s)


def _and_more(more: int, in_full: str, s: Speaker) -> str:
    """Count what is left out and say where what was shortened stands in full; the file is named once."""
    if more > 0 and in_full:
        return capital(s.word(f"and_more.{in_full}", n=str(more)))
    return capital(s.word("and_more", n=str(more))) + "." if more > 0 else s.word(in_full) if in_full else ""


def _limits(brief: Brief, s: Speaker, layout: Layout) -> list[str]:
    """Say the caveats whole, or their leading sentences; those there is no room for are counted."""
    texts = [capital(s.text(t)) for t in brief.limits]
    kept = [(text, said) for text in texts if (said := whole(text, layout.limit))][:layout.limits]
    more = len(texts) - len(kept)
    note = _and_more(more, "limits.in_full" if any(said != text for text, said in kept) else "", s)
    return [*(said for _, said in kept), *([note] if note else [])]


def _flow(brief: Brief, s: Speaker) -> dict[str, Any]:
    if brief.flow is None:
        return {"steps": [], "left": s.word("flow.none")}
    steps = [{"n": s.number(step.units), "name": s.text(step.name), "split": s.text(step.split) if step.split else ""}
             for step in brief.flow.steps]
    losses = [s.text(loss) for loss in brief.flow.losses]
    kept, more = losses[:4], len(losses) - 4
    if more > 0:
        kept.append(s.word("and_more", n=str(more)))
    left = s.word("flow.left", losses="; ".join(kept)) if kept else s.word("flow.left.none")
    return {"steps": steps, "left": left}


def _standard(brief: Brief, s: Speaker) -> dict[str, Any]:
    elements = []
    for e in brief.standard.elements:
        if e.on_file is not None and e.checked is not None:
            counts = {"n": s.number(e.on_file), "checked": s.number(e.checked)}
            short, long = s.word("standard.short", **counts), s.word("standard.long", **counts)
        else:
            short = long = s.word("standard.not_examined")
        elements.append({"number": str(e.number), "title": s.text(e.title), "short": short, "long": long})
    line = re.sub(r"\([^()]*\)", lambda m: m[0].replace(" ", NBSP), s.text(brief.standard.line))
    return {"elements": elements, "line": line,
            "note": "" if brief.standard.note == brief.standard.line else s.text(brief.standard.note)}

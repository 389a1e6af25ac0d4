"""From a brief to plain strings: the only place that formats numbers and picks words; renderers just place them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from impact.brief.model import (
    Benchmark,
    Brief,
    Chain,
    Effect,
    Fact,
    Join,
    Kind,
    Number,
    Phrase,
    Quote,
    Range,
    Result,
    Said,
    Text,
    Trends,
    Value,
    walk,
)
from impact.brief.theme import Layout
from impact.brief.words import LANGUAGES, fill, sentence

NBSP = "\u00a0"
MINUS = "\u2212"
BREAK = "\u200b"
MOST_DECIMALS = 6
MARKS = {"favourable": "dot", "unfavourable": "diamond"}
CHAIN_MARKS = {"clear": "full", "adverse": "diamond", "unclear": "half", "unmeasured": "empty"}
CHECK_MARKS = {"pass": "full", "concern": "half", "fail": "cross", "not_applicable": "empty"}


def decimals(values: Iterable[float], kind: Kind) -> int:
    """Choose one number of decimals for figures that stand together: about three digits, and nothing rounds to zero."""
    sizes = [abs(v) for v in values if math.isfinite(v) and v != 0]
    if not sizes or kind == "count":
        return 0
    top = max(sizes)
    if kind in ("percent", "points"):
        places = 0 if kind == "percent" and top >= 20 else 1
    elif kind == "sd":
        places = 2
    else:
        places = max(0, 2 - math.floor(math.log10(top)))
    while places < MOST_DECIMALS and any(round(size, places) == 0 for size in sizes):
        places += 1
    return min(places, MOST_DECIMALS)


def figure(value: float, places: int, *, sign: bool = False) -> str:
    """Write a number with a true minus, thousands commas and a fixed number of decimals."""
    text = f"{abs(value):,.{places}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def p_value(value: float) -> str:
    """Write a p-value with three decimals; never as zero."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def scaled(number: Number) -> float:
    """Put a number on the scale it is read on: points are 100 times a share."""
    return number.value * 100 if number.kind == "points" else number.value


class Speaker:
    """Turns the parts of a brief into strings of one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def word(self, key: str, **values: str) -> str:
        """Say a sentence of the word list."""
        return fill(sentence(key, self.language), values)

    def text(self, value: Value) -> str:
        """Say anything a block may hold."""
        if isinstance(value, Quote):
            return value.text
        if isinstance(value, Number):
            return self.number(value)
        if isinstance(value, Said):
            return self.said(value)
        if isinstance(value, Join):
            return value.by.join(self.text(part) for part in value.parts)
        return self.word(value.key, **{name: self.text(v) for name, v in value.values})

    def number(self, n: Number) -> str:
        """Write one number on its own."""
        if n.kind == "p":
            return p_value(n.value)
        if n.kind == "level":
            return f"{n.value * 100:g}%"
        value = scaled(n)
        text = figure(value, decimals([value], n.kind))
        return text + "%" if n.kind in ("percent", "points") else text

    def said(self, value: Said) -> str:
        """Put an effect in words or signs."""
        effect = value.effect
        places = effect_decimals(effect)
        if value.form == "size":
            return self._size(effect.value, effect, places)
        if value.form == "signed":
            return self.signed(effect, places)
        if value.form == "signed_range":
            return self.signed_range(effect, places)
        if value.form == "full":
            return self.word("full", value=self.signed(effect, places), range=self.signed_range(effect, places))
        return self._range_words(effect, places)

    def signed(self, effect: Effect, places: int) -> str:
        """Write the estimate with its sign: −25%, +5.2 points, +1.79."""
        return figure(scaled(effect.value), places, sign=True) + self._tail(effect)

    def _tail(self, effect: Effect) -> str:
        kind = effect.value.kind
        return "%" if kind == "percent" else NBSP + self.word("points") if kind == "points" else ""

    def signed_range(self, effect: Effect, places: int) -> str:
        """Write the confidence set in signs: −45% to +3%."""
        tail = "%" if effect.value.kind == "percent" else ""

        def piece(r: Range) -> str:
            low = figure(scaled(r.low), places, sign=True) + tail if r.low else ""
            high = figure(scaled(r.high), places, sign=True) + tail if r.high else ""
            if low and high:
                return self.word("signed.both", low=low, high=high).replace(" ", NBSP)
            return self.word("signed.below", high=high) if high else (
                self.word("signed.above", low=low) if low else self.word("range.none"))

        if not effect.ranges:
            return self.word("range.missing")
        return self.word("range.or").join(piece(r) for r in effect.ranges)

    def _size(self, n: Number, effect: Effect, places: int) -> str:
        value = scaled(n)
        if round(value, places) == 0:
            return self.word("size.same") if n is effect.value else self._with_unit(0, effect, places)
        return self.word("size.lower" if value < 0 else "size.higher", x=self._with_unit(abs(value), effect, places))

    def _with_unit(self, value: float, effect: Effect, places: int) -> str:
        text = figure(value, places)
        if effect.value.kind == "percent":
            return text + "%"
        if effect.value.kind == "points":
            return text + NBSP + self.word("points")
        return f"{text}{NBSP}{short_unit(effect.unit.text)}" if effect.unit else text

    def _range_words(self, effect: Effect, places: int) -> str:
        if not effect.ranges:
            return self.word("range.missing")

        def end(n: Number) -> str:
            if n.kind not in ("percent", "points"):  # the unit was said with the size, and would be long twice more
                value = scaled(n)
                if round(value, places) == 0:
                    return figure(0, places)
                return self.word("size.lower" if value < 0 else "size.higher", x=figure(abs(value), places))
            return self._size(n, effect, places)

        def piece(r: Range) -> str:
            if r.low and r.high:
                low, high = end(r.low), end(r.high)
                if scaled(r.low) * scaled(r.high) > 0:  # same side of zero: say the direction once
                    low = low.rsplit(" ", 1)[0]
                return self.word("range.both", low=low, high=high)
            if r.high:
                return self.word("range.below", high=end(r.high))
            return self.word("range.above", low=end(r.low)) if r.low else self.word("range.none")

        return self.word("range.or").join(piece(r) for r in effect.ranges)


def short_unit(unit: str) -> str:
    """Drop what a unit says in brackets at its end: 'USD a month (2024 prices)' reads 'USD a month'."""
    return re.sub(r"\s*\([^()]*\)$", "", unit) or unit


def effect_decimals(effect: Effect) -> int:
    """Choose the decimals of an effect and its interval together."""
    ends = [n for r in effect.ranges for n in (r.low, r.high) if n]
    return decimals([scaled(n) for n in (effect.value, *ends)], effect.value.kind)


def keep_together(text: str) -> str:
    """Hold a number to its unit, and let words longer than a column break."""
    text = re.sub(r"(?<=\d) (?=(per cent|points?|SD|%)(\W|$))", NBSP, text)
    text = re.sub(r"\b(p|n|df|first|Page) (?=[=<]?\s?\d)", lambda m: m[1] + NBSP, text)
    text = re.sub(r"(\d%) (interval)", rf"\1{NBSP}\2", text)
    # lines may break at a hyphen or slash anyway; only longer unbroken runs get break points of ours
    return re.sub(r"[!-,.0-~]{28,}", lambda m: BREAK.join(re.findall(r".{1,14}", m[0])), text)


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        return keep_together(value)
    if isinstance(value, dict):
        return {key: _tidy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return value


def present(brief: Brief, layout: Layout) -> dict[str, Any]:
    """Say a whole brief: a mapping of strings and lists, cut to what the layout has room for."""
    s = Speaker(brief.language)

    def texts(items: Sequence[Text]) -> list[str]:
        return [capital(s.text(t)) for t in items]

    def told(text: Text) -> str:
        """Begin our own sentences with a capital; quoted words stay as they are."""
        return s.text(text) if isinstance(text, Quote) else capital(s.text(text))

    def facts(items: Sequence[Fact]) -> list[dict[str, str]]:
        return [{"name": s.text(f.name), "text": told(f.text)} for f in items]

    level = s.number(brief.results[0].effect.level)
    stamps = [s.word(f"stamp.{code}") for code in brief.stamps]
    page: dict[str, Any] = {
        "language": brief.language, "heads": _heads(brief, s), "series": s.text(brief.series), "stamps": stamps,
        "title": capital(s.text(brief.title)), "bottom_line": capital(s.text(brief.bottom_line)),
        "meta": facts(brief.meta), "question": brief.question.text, "record": brief.record,
        "messages": [{"lead": capital(s.text(m.lead)), "body": capital(s.text(m.body))} for m in brief.messages],
        "tiles": [{"figure": s.text(t.figure), "label": capital(s.text(t.label)), "note": capital(s.text(t.note)),
                   "verdict": t.verdict or ""} for t in brief.tiles],
        "challenge": texts(brief.challenge), "method": facts(brief.method), "chain": _chain(brief.chain, s),
        "results": _results(brief, s), "columns": _columns(brief, s, level), "reading": _reading(brief, s, layout),
        "axis": s.word(f"axis.{brief.axis}", level=level), "legend": _legend(s),
        "figure_column": s.word("axis.column" if brief.axis == "percent" else "axis.column.unit", level=level),
        "sides": [s.word("axis.lower"), s.word("axis.higher")],
        "methods": _methods(brief, s, layout), "costs": facts(brief.costs), "cost_note": s.text(brief.cost_note),
        "checks": _cut([{"title": c.title.text, "word": c.word.text, "reason": clip(c.reason.text, layout.reason),
                         "mark": CHECK_MARKS[c.verdict]} for c in brief.checks], layout.checks),
        "checks_note": _checks_note(brief, s, layout), "limits": _limits(brief, s, layout),
        "lessons": [{"text": x.text.text, "finding": s.word("lesson", finding=x.finding.text,
                                                            verdict=s.word(f"verdict.{x.verdict}"))}
                    for x in brief.lessons],
        "lessons_none": s.word("lessons.none"), "flow": _flow(brief, s), "standard": _standard(brief, s),
        "ethics": facts(brief.ethics), "sources": texts(brief.sources), "provenance": facts(brief.provenance),
        "footer": s.word("record", hash=brief.record[:12]), "contact": s.text(brief.contact),
        "pages": [s.word("page", n=str(n)) for n in (1, 2)],
    }
    undrawn = len(page["results"]) - layout.drawn
    page |= _picture(brief, s) | {"axis_kind": brief.axis, "drawn": page["results"][:layout.drawn],
                                  "drawn_note": s.word("figure.more", n=str(undrawn)) if undrawn > 0 else "", "check_columns": 3 if len(page["checks"]) > 4 else 2}
    page["alt"]["effects"] = s.word("alt.effects", rows=" ".join(
        s.word("alt.effects.row", label=r["label"], effect=r["column"], verdict=r["verdict_word"])
        for r in page["drawn"]))
    tidied: dict[str, Any] = _tidy(page)
    # what a program reads stays free of break points
    tidied |= {"plain_title": page["title"], "keywords": _keywords(brief, s),
               "authors": [q.text for q in _authors(brief)]}
    return tidied


def _keywords(brief: Brief, s: Speaker) -> list[str]:
    toolkit = [s.text(f.text) for f in brief.provenance if f.name == Phrase(key="proof.toolkit")]
    return ["evidence brief", "impact evaluation", f"record sha256:{brief.record}", *toolkit]


def _authors(brief: Brief) -> list[Quote]:
    return list(dict.fromkeys(q for q in walk(brief.sources, Quote) if ": brief.authors" in q.where))


def _picture(brief: Brief, s: Speaker) -> dict[str, Any]:
    """Say the figure of page 2: the benchmark where one is declared, else the trends, else none."""
    if brief.benchmark is not None:
        return _benchmark(brief.benchmark, s)
    if brief.trends is not None:
        return _trends(brief.trends, s)
    return {"picture": "", "picture_note": "", "alt": {}}


def _trends(t: Trends, s: Speaker) -> dict[str, Any]:
    periods = list(dict.fromkeys(q.text for line in t.series for q in line.periods))
    if all(re.fullmatch(r"-?\d+(\.\d+)?", p) for p in periods):
        periods.sort(key=float)
    lines, told = [], []
    for line in t.series:
        known = {q.text: m for q, m in zip(line.periods, line.means, strict=True)}
        lines.append({"name": line.name.text, "values": [known[p].value if p in known else None for p in periods]})
        told.append(f"{line.name.text}: " + ", ".join(f"{p} {s.number(known[p])}" for p in periods if p in known))
    alt = s.word("alt.trends", outcome=t.outcome.text, series=". ".join(told) + ".")
    return {"picture": "trends", "trends": {"periods": periods, "series": lines}, "alt": {"trends": alt},
            "picture_note": s.word("trend.plain", outcome=t.outcome.text, unit=t.unit.text)}


def _benchmark(b: Benchmark, s: Speaker) -> dict[str, Any]:
    e = b.effect
    ends = [n for r in e.ranges for n in (r.low, r.high) if n] + [e.value, b.value]
    places = decimals([scaled(n) for n in ends], e.value.kind)
    tail = "%" if e.value.kind == "percent" else ""
    value = figure(scaled(b.value), places, sign=True) + tail
    column = f"{s.signed(e, places)} ({s.signed_range(e, places)})"
    if b.difference is None:
        note = s.word("benchmark.units", unit=b.unit.text)
    else:
        difference = figure(scaled(b.difference), places, sign=True) + (NBSP + s.word("points") if tail else "")
        note = s.word("benchmark.difference", difference=difference, level=s.number(e.level), inside=s.word(
            "benchmark.inside" if b.inside else "benchmark.outside")) if b.inside is not None else s.word(
            "benchmark.plain", difference=difference)
    row = {"verdict": e.verdict, "mark": MARKS.get(e.verdict, "ring"), "column": column, "value": scaled(e.value),
           "ranges": [[scaled(n) if n else None for n in (r.low, r.high)] for r in e.ranges]}
    caption = "" if e.unit is None else f" {b.outcome.text}, {e.unit.text}."
    return {"picture": "benchmark", "picture_note": f"{note}{caption}",
            "benchmark": {"row": row, "value": scaled(b.value), "text": value, "label": b.label.text, "tail": tail,
                          "ours": s.word("benchmark.ours"), "comparable": b.difference is not None},
            "alt": {"benchmark": s.word("alt.benchmark", label=b.label.text, value=value, effect=column)}}


def capital(text: str) -> str:
    """Begin a sentence with a capital; words that are capitals or figures already stay."""
    return text[:1].upper() + text[1:]


def clip(text: str, most: int) -> str:
    """Shorten a text of the record at a word, with a mark that it goes on; the whole of it is in the record."""
    return text if len(text) <= most else text[:most - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"


def _cut(items: list[Any], most: int) -> list[Any]:
    return items[:most]


def _heads(brief: Brief, s: Speaker) -> dict[str, str]:
    names = [key for key in LANGUAGES[brief.language] if key.startswith("head.")]
    heads = {key.removeprefix("head."): s.word(key) for key in names}
    return heads | {"standard": s.text(brief.standard.title)}


def _legend(s: Speaker) -> dict[str, str]:
    return {name: s.word(f"legend.{name}") for name in ("favourable", "unfavourable", "unclear", "primary")}


def _chain(chain: Chain | None, s: Speaker) -> dict[str, Any]:
    if chain is None:
        return {"boxes": [], "note": s.word("chain.absent")}
    boxes = [{"text": b.text.text, "status": b.status, "mark": CHAIN_MARKS[b.status], "linked": b.linked,
              "word": s.word(f"chain.{b.status}"), "finding": s.said(b.finding) if b.finding else ""}
             for b in chain.boxes]
    return {"boxes": boxes, "note": s.word("chain.more", n=str(chain.more)) if chain.more else ""}


def _columns(brief: Brief, s: Speaker, level: str) -> list[str]:
    keys = ["outcome", "comparison", "effect", "interval", *(["percent"] if _mixed(brief) else []), "p", "p_adjusted"]
    heads = [s.word(f"table.{key}", level=level) for key in keys]
    noun = next((v.text for key, v in _values(brief.bottom_line) if key == "units" and isinstance(v, Quote)), "n")
    return [*heads, capital(noun)]


def _mixed(brief: Brief) -> bool:
    """Tell whether some difference is in its own unit and has a per cent beside it."""
    return any(r.percent is not None and r.effect.value.kind != "percent" for r in brief.results)


def _values(text: Value) -> list[tuple[str, Value]]:
    if isinstance(text, Join):
        return [pair for part in text.parts for pair in _values(part)]
    return list(text.values) if isinstance(text, Phrase) else []


def _results(brief: Brief, s: Speaker) -> list[dict[str, Any]]:
    return [_row(r, s, brief.axis, _mixed(brief)) for r in brief.results]


def _row(r: Result, s: Speaker, axis: str, mixed: bool) -> dict[str, Any]:
    places = effect_decimals(r.effect)
    missing = s.word("table.missing")
    percent = r.percent if r.percent is not None and r.effect.value.kind != "percent" else None
    shown = {"percent": r.percent, "sd": r.standard}.get(axis)
    column = r.percent if axis == "percent" and r.percent is not None else r.effect
    column_places = effect_decimals(column)
    cells = [s.number(r.comparison) if r.comparison else missing, s.signed(r.effect, places),
             s.signed_range(r.effect, places) if r.effect.ranges else missing,
             (s.signed(percent, effect_decimals(percent)) if percent else "–") if mixed else None,
             p_value(r.p.value) if r.p else missing, p_value(r.p_adjusted.value) if r.p_adjusted else "–", s.number(r.n)]
    return {
        "label": r.label.text, "unit": r.unit.text, "primary": r.primary, "verdict": r.effect.verdict,
        "verdict_word": s.word(f"verdict.{r.effect.verdict}"), "mark": MARKS.get(r.effect.verdict, "ring"),
        "provisional": s.word("stamp.provisional") if r.provisional else "",
        "cells": [c for c in cells if c is not None],
        "column": f"{s.signed(column, column_places)} ({s.signed_range(column, column_places)})",
        "value": shown.value.value if shown else None,
        "ranges": [[x.low.value if x.low else None, x.high.value if x.high else None] for x in shown.ranges]
                  if shown else [],
    }


def _reading(brief: Brief, s: Speaker, layout: Layout) -> str:
    parts = [capital(s.text(t)) for t in brief.reading
             if layout.calls or not (isinstance(t, Phrase) and t.key == "read.calls")]
    if brief.results_more:
        parts.append(s.word("table.hidden", n=str(brief.results_more)))
    return " ".join(parts)


def _methods(brief: Brief, s: Speaker, layout: Layout) -> dict[str, Any]:
    kept = brief.methods[:layout.methods]
    rows = []
    for m in kept:
        places = effect_decimals(m.effect)
        name = capital(s.text(m.name))
        rows.append({"name": s.word("methods.main", method=name) if m.main else name, "main": m.main,
                     "effect": s.signed(m.effect, places), "interval": s.signed_range(m.effect, places),
                     "n": s.number(m.n)})
    more = len(brief.methods) - len(kept)
    notes = [s.word("methods.none")] if len(brief.methods) == 1 else []
    if more:
        notes.append(s.word("and_more", n=str(more)))
    outcome = brief.results[0]
    unit = "" if outcome.effect.unit is None else f" ({outcome.effect.unit.text})"
    return {"rows": rows, "note": " ".join(notes), "caption": outcome.label.text + unit}


def _checks_note(brief: Brief, s: Speaker, layout: Layout) -> str:
    if not brief.checks:
        return s.word("checks.none")
    more = len(brief.checks) - layout.checks
    return capital(s.word("and_more", n=str(more))) + "." if more > 0 else ""


def _limits(brief: Brief, s: Speaker, layout: Layout) -> list[str]:
    lines = [clip(capital(s.text(t)), layout.limit) for t in brief.limits]
    more = len(lines) - layout.limits
    return lines if more <= 0 else [*lines[:layout.limits], capital(s.word("and_more", n=str(more))) + "."]


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
        elements.append({"number": str(e.number), "title": e.title.text, "short": short, "long": long})
    return {"elements": elements, "note": s.text(brief.standard.note)}

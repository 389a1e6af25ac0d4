"""The figure of page 2 in strings and plain values: a known answer beside the estimate, or the groups over time."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from impact.brief.model import Benchmark, Brief, Trends
from impact.brief.view import NBSP, Speaker, decimals, effect_decimals, percent, scaled

MARKS = {"favourable": "dot", "unfavourable": "diamond"}


def picture(brief: Brief, s: Speaker) -> dict[str, Any]:
    """Say the figure of page 2: the benchmark where one is declared, else the trends, else none."""
    if brief.benchmark is not None:
        return _benchmark(brief.benchmark, s)
    if brief.trends is not None:
        return _trends(brief.trends, s)
    return {"picture": "", "picture_note": "", "picture_alt": ""}


def _trends(t: Trends, s: Speaker) -> dict[str, Any]:
    periods = list(dict.fromkeys(s.text(q) for line in t.series for q in line.periods))
    if all(re.fullmatch(r"-?\d+(\.\d+)?", p) for p in periods):
        periods.sort(key=float)
    lines, told = [], []
    for line in t.series:
        known = {s.text(q): m for q, m in zip(line.periods, line.means, strict=True)}
        lines.append({"name": s.text(line.name), "values": [known[p].value if p in known else None for p in periods]})
        told.append(s.text(line.name) + ": " + ", ".join(f"{p} {s.number(known[p])}" for p in periods if p in known))
    alt = s.word("alt.trends", outcome=t.outcome.text, series=". ".join(told) + ".")
    note = s.word("trend.plain", outcome=t.outcome.text, unit=t.unit.text) if t.baseline is None else s.word(
        "trend.two", outcome=t.outcome.text, unit=t.unit.text, column=t.baseline.text)
    return {"picture": "trends", "trends": {"periods": periods, "series": lines}, "picture_alt": alt,
            "picture_note": note}


def _benchmark(b: Benchmark, s: Speaker) -> dict[str, Any]:
    e, same = b.effect, b.comparable
    column = s.column(e)
    row = {"verdict": e.verdict, "mark": MARKS.get(e.verdict, "ring"), "column": column, "value": scaled(e.value),
           "ranges": [[scaled(n) if n else None for n in (r.low, r.high)] for r in e.ranges]}
    if same is None:  # in words and in its own unit, off the axis of the estimate
        text, note = f"{s.number(b.value)}{NBSP}{b.unit.text}", s.word("benchmark.units")
    else:
        ends = [n for r in e.ranges for n in (r.low, r.high) if n] + [e.value, b.value]
        text, note = s.signed(same, decimals([scaled(n) for n in ends], e.value.kind)), _difference(b, s)
        text = s.column(same) if same.ranges else text
    caption = "" if e.unit is None else f" {b.outcome.text}, {s.text(e.unit)}."
    return {"picture": "benchmark", "picture_note": f"{note}{caption}",
            "benchmark": {"row": row, "value": scaled(b.value) if same is not None else None, "text": text,
                          "label": b.label.text, "tail": percent("", s.language) if e.value.kind == "percent" else "",
                          "ranges": [] if same is None else [
                              [scaled(n) if n else None for n in (r.low, r.high)] for r in same.ranges],
                          "ours": s.word("benchmark.ours")},
            "picture_alt": s.word("alt.benchmark", label=b.label.text, value=text, effect=column)}


def _difference(b: Benchmark, s: Speaker) -> str:
    if b.difference is None or b.comparable is None:
        return ""
    places = effect_decimals(b.effect)
    difference = s.signed(replace(b.comparable, value=b.difference), places)
    low, high = (s.signed(x, places) for x in b.others) if b.others is not None else ("", "")
    others = "" if b.others is None else " " + s.word("benchmark.others", low=low, high=high)
    if b.inside is None:
        return s.word("benchmark.plain", difference=difference) + others
    return s.word("benchmark.difference", difference=difference, level=s.number(b.effect.level),
                  inside=s.word("benchmark.inside" if b.inside else "benchmark.outside")) + others

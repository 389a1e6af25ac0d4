"""The figures of page 2 in strings and plain values: a known answer, effects over time, groups over time, subgroups."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from impact.brief.model import CLEAR, Benchmark, Brief, Effect, EventStudy, GroupSplit, Trends
from impact.brief.theme import Layout
from impact.brief.view import NBSP, Speaker, beside, decimals, effect_decimals, percent, scaled

MARKS = {"favourable": "dot", "unfavourable": "diamond"}  # of verdicts; every other one is a ring


def pictures(brief: Brief, s: Speaker, layout: Layout) -> dict[str, Any]:
    """Say the figures of page 2 there is room for: a known answer first, then effects over time, then group means."""
    found: list[tuple[str, dict[str, Any]]] = []
    if brief.benchmark is not None:
        found.append(("benchmark", _benchmark(brief.benchmark, s)))
    if brief.event_study is not None:
        found.append(("event_study", _event_study(brief.event_study, s)))
    if brief.trends is not None:
        found.append(("trends", _trends(brief.trends, s)))
    kept = found[:layout.pictures]
    told = [{"name": name, "note": said["note"], "alt": said["alt"]} for name, said in kept]
    first = told[0] if told else {"name": "", "note": "", "alt": ""}
    return {**{name: said["data"] for name, said in kept}, "pictures": told, "picture": first["name"],
            "picture_note": first["note"], "picture_alt": first["alt"]}


def _row(e: Effect, s: Speaker) -> dict[str, Any]:
    """Give an effect as a figure needs it."""
    return {"verdict": e.verdict, "mark": MARKS.get(e.verdict, "ring"), "column": s.column(e), "value": scaled(e.value),
            "ranges": [[scaled(n) if n else None for n in (r.low, r.high)] for r in e.ranges]}


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
        "trend.two", outcome=t.outcome.text, unit=t.unit.text)
    return {"data": {"periods": periods, "series": lines}, "alt": alt, "note": note}


def _event_study(t: EventStudy, s: Speaker) -> dict[str, Any]:
    points = [{"horizon": p.horizon.text, **_row(p.effect, s), "band": None if p.band is None else [
        scaled(n) if n else None for n in (p.band.low, p.band.high)],
               "mark": "ring" if p.effect.verdict not in CLEAR or not p.effect.ranges else "dot"} for p in t.points]
    plain = s.word("points" if t.points[0].effect.value.kind == "points" else "event.percent")
    unit = s.text(t.unit) if t.unit else plain
    note = s.word("event.note" if all(p.band is None for p in t.points) else "event.note.band", outcome=t.outcome.text,
                  unit=unit, method=s.text(t.method), level=s.number(t.level))
    told = " ".join(s.word("alt.event.point", horizon=p["horizon"], effect=p["column"]) for p in points)
    tail = percent("", s.language) if t.points[0].effect.value.kind == "percent" else ""
    return {"data": {"points": points, "tail": tail,
                     "axis": s.word("event.axis"), "start": s.word("event.start")},
            "alt": s.word("alt.event", outcome=t.outcome.text, points=told), "note": note}


def _benchmark(b: Benchmark, s: Speaker) -> dict[str, Any]:
    e, same = b.effect, b.comparable
    row = _row(e, s)
    if same is None:  # in words and in its own unit, off the axis of the estimate
        text, note = f"{s.number(b.value)}{NBSP}{b.unit.text}", s.word("benchmark.units")
    else:
        ends = [n for r in e.ranges for n in (r.low, r.high) if n] + [e.value, b.value]
        text, note = s.signed(same, decimals([scaled(n) for n in ends], e.value.kind)), _difference(b, s)
        text = s.column(same) if same.ranges else text
    caption = "" if e.unit is None else f" {b.outcome.text}, {s.text(e.unit)}."
    return {"note": f"{note}{caption}",
            "data": {"row": row, "value": scaled(b.value) if same is not None else None, "text": text,
                     "label": b.label.text, "tail": percent("", s.language) if e.value.kind == "percent" else "",
                     "ranges": [] if same is None else [
                         [scaled(n) if n else None for n in (r.low, r.high)] for r in same.ranges],
                     "ours": s.word("benchmark.ours")},
            "alt": s.word("alt.benchmark", label=b.label.text, value=text, effect=row["column"])}


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


def split_panels(brief: Brief, s: Speaker, layout: Layout) -> dict[str, Any] | None:
    """Say the effects by subgroup there is room for; those left out are counted."""
    found = brief.for_whom
    if found is None:
        return None
    kept = found.splits[:layout.splits]
    panels = [_split(split, s) for split in kept]
    note = s.text(found.note)
    if len(found.splits) > len(kept):
        note += f" {s.word('split.more', shown=str(len(kept)), n=str(len(found.splits)))}"
    return {"splits": panels, "note": note,
            "alt": s.word("alt.splits", rows=" ".join(p["alt"] for p in panels)) if panels else ""}


def _split(split: GroupSplit, s: Speaker) -> dict[str, Any]:
    groups = [{"name": s.text(g.name), **_row(g.effect, s)} for g in split.groups]
    told = s.text(split.told)
    unit = split.groups[0].effect.unit
    head = split.outcome.text if unit is None else split.outcome.text + beside(s.text(unit))
    alt = s.word("alt.split", outcome=split.outcome.text, label=split.label.text, told=told, groups="; ".join(
        f"{g['name']}: {g['column']}" for g in groups))
    return {"outcome": head, "label": split.label.text, "groups": groups, "told": told, "alt": alt}

"""The figures of a brief, laid out as scenes: differences with intervals, means over time, a known answer.

Shape and word carry the meaning in each of them; colour only helps.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from impact.brief.drawing import Scene, clamped, interval_bar, span, text_width, tick_label, ticks, tint, wrap
from impact.brief.panels import chain, event_study, subgroups
from impact.brief.theme import COLOURS

__all__ = ["Scene", "benchmark", "chain", "drawings", "effects", "effects_narrow", "event_study", "subgroups", "ticks",
           "trends"]


def drawings(page: dict[str, Any]) -> dict[str, Scene]:
    """Draw every figure of a page of strings, by name; those the page does not have are left out."""
    scenes = {"effects": effects(page)}
    makers = {"benchmark": benchmark, "event_study": event_study, "trends": trends}
    scenes |= {picture["name"]: makers[picture["name"]](page) for picture in page["pictures"]}
    if page["for_whom"] and page["for_whom"]["splits"]:
        scenes["subgroups"] = subgroups(page)
    if page["chain"]["boxes"]:
        scenes["chain"] = chain(page)
    return scenes


def effects(page: dict[str, Any]) -> Scene:
    """Draw the differences with their intervals: a filled dot is favourable, a diamond unfavourable, a ring open."""
    rows = page["drawn"]
    column = max(text_width(r["column"], 8, bold=True) for r in rows)
    left, right, top = 168.0, min(190.0, column + 12), 15.0
    scene = Scene(510, page["heads"]["effects"], page["effects_alt"])
    labels = [wrap(r["label"], left - 14, 8.6, bold=r["primary"]) for r in rows]
    tight = len(rows) > 4
    heights = [(13.6 if tight else 17.0) + (len(x) - 1) * 9.6 for x in labels]
    base = top + sum(heights)
    low, high = span(rows)
    marks = ticks(low, high)
    x0, x1 = left + 8, 510 - right - 6

    def at(value: float) -> float:
        return x0 + (value - marks[0]) / (marks[-1] - marks[0]) * (x1 - x0)

    _zebra(scene, heights, top)
    if page["axis_kind"] != "none":
        _axis(scene, page, marks, at, top, base)
    scene.text(506, top - 5, page["figure_column"], size=7, anchor="end", colour=COLOURS["mute"])
    y = top
    for row, lines, height in zip(rows, labels, heights, strict=True):
        for k, words in enumerate(lines):
            scene.text(4, y + height / 2 + 2.9 + (k - (len(lines) - 1) / 2) * 9.6, words, size=8.6,
                       weight=700 if row["primary"] else 400)
        if row["value"] is not None and page["axis_kind"] != "none":
            interval_bar(scene, row, y + height / 2, at, (marks[0], marks[-1]))
        scene.text(506, y + height / 2 + 2.8, row["column"], size=8, anchor="end", weight=600,
                   colour=tint(row["verdict"]))
        y += height
    scene.height = base + 24
    scene.text((x0 + x1) / 2, base + 20, page["axis"], size=7, anchor="middle", colour=COLOURS["mute"])
    return scene


def _zebra(scene: Scene, heights: list[float], top: float) -> None:
    y = top
    for i, height in enumerate(heights):
        if i % 2 == 0:
            scene.rect(0, y, scene.width, height, COLOURS["zebra"])
        y += height


def _axis(scene: Scene, page: dict[str, Any], marks: list[float], at: Any, top: float, base: float) -> None:
    tail = page["percent"] if page["axis_kind"] == "percent" else ""
    for mark in marks:
        zero = mark == 0
        scene.line(at(mark), top, at(mark), base, COLOURS["mute"] if zero else COLOURS["line"], 1 if zero else 0.5)
        label = tick_label(mark, marks[1] - marks[0], tail, page["language"])
        scene.text(at(mark), base + 9, label, size=7, anchor="middle", colour=COLOURS["mute"])
    _sides(scene, page, marks, at, top - 5, size=7)


def _sides(scene: Scene, page: dict[str, Any], marks: list[float], at: Any, y: float, *, size: float) -> None:
    """Say on which side of zero is lower and on which higher; at the edge of the drawing the words turn inwards."""
    lower, higher = page["sides"]
    room = 5 + text_width(f"{higher} ›", size)
    if marks[0] < 0:
        inside = at(0) - 5 - text_width(f"‹ {lower}", size) >= 0
        scene.text(at(0) - 5 if inside else 0, y, f"‹ {lower}", size=size, anchor="end" if inside else "start",
                   colour=COLOURS["mute"])
    if marks[-1] > 0:
        inside = at(0) + room <= scene.width
        scene.text(at(0) + 5 if inside else scene.width, y, f"{higher} ›", size=size, anchor="start" if inside else "end",
                   colour=COLOURS["mute"])


def effects_narrow(page: dict[str, Any]) -> Scene:
    """Draw the same figure for a phone: label, difference and interval below each other."""
    rows = page["drawn"]
    scene = Scene(330, page["heads"]["effects"], page["effects_alt"])
    low, high = span(rows)
    marks = ticks(low, high, 5)
    top = 38.0  # below what the figures are in, for the axis has another scale, and the sides of zero

    def at(value: float) -> float:
        return 20 + (value - marks[0]) / (marks[-1] - marks[0]) * 290

    labels = [wrap(r["label"], 322, 13, bold=r["primary"]) for r in rows]
    heights = [50.0 + (len(lines) - 1) * 15 for lines in labels]
    base = top + sum(heights)
    _zebra(scene, heights, top)
    scene.text(4, 13, page["figure_column"], size=11, colour=COLOURS["mute"])
    for mark in marks if page["axis_kind"] != "none" else []:
        tail = page["percent"] if page["axis_kind"] == "percent" else ""
        label = tick_label(mark, marks[1] - marks[0], tail, page["language"])
        scene.text(at(mark), base + 13, label, size=11, anchor="middle", colour=COLOURS["mute"])
    if page["axis_kind"] != "none":
        _sides(scene, page, marks, at, top - 7, size=11)
    y = top
    for row, lines, height in zip(rows, labels, heights, strict=True):
        for k, words in enumerate(lines):
            scene.text(4, y + 14 + 15 * k, words, size=13, weight=700 if row["primary"] else 400)
        scene.text(4, y + height - 21, row["column"], size=12, weight=600,
                   colour=tint(row["verdict"]))
        if row["value"] is not None and page["axis_kind"] != "none":
            for mark in marks:
                scene.line(at(mark), y + height - 17, at(mark), y + height, COLOURS["mute" if mark == 0 else "line"],
                           1 if mark == 0 else 0.5)
            interval_bar(scene, row, y + height - 9, at, (marks[0], marks[-1]))
        y += height
    axis = wrap(page["axis"], 322, 11)
    for k, words in enumerate(axis):
        scene.text(165, base + 29 + 14 * k, words, size=11, anchor="middle", colour=COLOURS["mute"])
    scene.height = base + 20 + 14 * len(axis)
    return scene


def _alt(page: dict[str, Any], name: str) -> str:
    return next(str(picture["alt"]) for picture in page["pictures"] if picture["name"] == name)


def trends(page: dict[str, Any]) -> Scene:
    """Draw the means of each group over the periods, each line named at its end."""
    data = page["trends"]
    scene = Scene(260, page["heads"]["trends"], _alt(page, "trends"))
    periods, lines = data["periods"], data["series"]
    values = [v for line in lines for v in line["values"] if v is not None]
    marks = ticks(min(values), max(values), 4)
    names = [wrap(line["name"], 74, 7.4, bold=True) for line in lines]
    left, right, top, base = 34.0, 184.0, 8.0, 88.0

    def across(i: int) -> float:
        return left + 8 + i / max(1, len(periods) - 1) * (right - left - 14)

    def up(value: float) -> float:
        return base - (value - marks[0]) / (marks[-1] - marks[0]) * (base - top)

    for mark in marks:
        scene.line(left, up(mark), right, up(mark), COLOURS["line"], 0.5)
        label = tick_label(mark, marks[1] - marks[0], "", page["language"]).lstrip("+")
        scene.text(left - 4, up(mark) + 2.5, label, size=7, anchor="end", colour=COLOURS["mute"])
    keep = max(1, math.ceil(len(periods) / 6))
    for i, period in enumerate(periods):
        if i % keep == 0:
            scene.text(across(i), base + 10, period, size=7, anchor="middle", colour=COLOURS["mute"])
    ends = _apart([up(next(v for v in reversed(line["values"]) if v is not None)) for line in lines],
                  [9.0 * len(n) for n in names])
    for line, name, y, shape, colour in zip(
            lines, names, ends, ("dot", "square", "diamond", "ring"),
            (COLOURS["navy"], COLOURS["amber"], COLOURS["teal"], COLOURS["mute"]), strict=False):
        points = [(across(i), up(v)) for i, v in enumerate(line["values"]) if v is not None]
        for (x, y1), (x2, y2) in itertools.pairwise(points):
            scene.line(x, y1, x2, y2, colour, 1.5)
        for x, y1 in points:
            scene.mark(shape, x, y1, 2.6, colour)
        for k, words in enumerate(name):
            scene.text(right + 2, y + 2.5 + (k - (len(name) - 1) / 2) * 8.6, words, size=7.4, weight=600, colour=colour)
    scene.height = base + 15
    return scene


def _apart(places: list[float], heights: list[float]) -> list[float]:
    """Push labels apart so that none lies on another, keeping their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for a, b in itertools.pairwise(order):
        moved[b] = max(moved[b], moved[a] + (heights[a] + heights[b]) / 2)
    return moved


def benchmark(page: dict[str, Any]) -> Scene:
    """Draw the estimate with its interval above the known answer: on one axis, or in words where the units differ."""
    data = page["benchmark"]
    scene = Scene(260, page["heads"]["benchmark"], _alt(page, "benchmark"))
    row, known = data["row"], data["value"]
    marks = ticks(*span([row] if known is None else [row, {"value": known, "ranges": data["ranges"]}]), 5)

    def at(value: float) -> float:
        return 12 + (value - marks[0]) / (marks[-1] - marks[0]) * 236

    lines = wrap(data["label"], 190 if known is not None else 252, 7.8, bold=True)
    place = 34.0 + 9 * len(lines)
    strips = [(13.0, 25.0), *([(place - 6, place + 6)] if known is not None else [])]
    base = strips[-1][1]
    for mark in marks:
        zero = mark == 0
        for top, bottom in strips:
            scene.line(at(mark), top, at(mark), bottom, COLOURS["mute"] if zero else COLOURS["line"], 1 if zero else 0.5)
        label = tick_label(mark, marks[1] - marks[0], data["tail"], page["language"])
        scene.text(at(mark), base + 9, label, size=7, anchor="middle", colour=COLOURS["mute"])
    scene.text(4, 9, data["ours"], size=7.8, weight=600)
    scene.text(256, 9, row["column"], size=7.8, anchor="end", weight=600)
    if row["value"] is not None:
        interval_bar(scene, row, 19, at, (marks[0], marks[-1]))
    if known is None:
        return _in_words(scene, [*lines, *wrap(data["text"], 252, 7.8, bold=True)], base + 24)
    for k, words in enumerate(lines):
        scene.text(4, 34 + 9 * k, words, size=7.8, weight=600, colour=COLOURS["teal"])
    scene.text(256, 34, data["text"], size=7.8, anchor="end", weight=600, colour=COLOURS["teal"])
    for low, high in data["ranges"]:
        left, right, *_ = clamped(low, high, (marks[0], marks[-1]))
        scene.line(at(left), place, at(right), place, COLOURS["teal"], 1.4)
    scene.mark("square", at(min(max(known, marks[0]), marks[-1])), place, 3.4, COLOURS["teal"])
    scene.height = base + 14
    return scene


def _in_words(scene: Scene, lines: list[str], top: float) -> Scene:
    for k, words in enumerate(lines):
        scene.text(4, top + 9.4 * k, words, size=7.8, weight=600, colour=COLOURS["teal"])
    scene.height = top + 9.4 * len(lines) - 4
    return scene

"""Figures of several small panels: effects by periods since the start, effects by group, and the results chain."""

from __future__ import annotations

from typing import Any

from impact.brief.drawing import Scene, clamped, interval_bar, span, text_width, tick_label, ticks, tint, wrap
from impact.brief.theme import COLOURS

HALF, FULL = 260.0, 510.0  # widths of a scene for half a page and a whole one


def event_study(page: dict[str, Any]) -> Scene:
    """Draw the effects by periods since the start, with interval and band (thin); the start is a line before period 0."""
    data = page["event_study"]
    points = data["points"]
    alt = next(str(picture["alt"]) for picture in page["pictures"] if picture["name"] == "event_study")
    scene = Scene(HALF, page["heads"]["event_study"], alt)
    left, right, top, base = 36.0, 252.0, 12.0, 90.0
    marks = ticks(*span([p | {"ranges": [*p["ranges"], *([p["band"]] if p["band"] else [])]} for p in points]), 5)
    step = (right - left) / len(points)

    def up(value: float) -> float:
        return base - (value - marks[0]) / (marks[-1] - marks[0]) * (base - top)

    for mark in marks:
        zero = mark == 0
        scene.line(left, up(mark), right, up(mark), COLOURS["mute" if zero else "line"], 1 if zero else 0.5)
        label = tick_label(mark, marks[1] - marks[0], data["tail"], page["language"])
        scene.text(left - 4, up(mark) + 2.5, label, size=7, anchor="end", colour=COLOURS["mute"])
    after = next((i for i, p in enumerate(points) if float(p["horizon"]) >= 0), len(points))
    if 0 < after < len(points):
        place = left + after * step
        for k in range(round((base - top) / 5)):
            scene.line(place, top + 5 * k, place, top + 5 * k + 2.6, COLOURS["mute"], 0.8)
        scene.text(place + 3, top - 3, data["start"], size=7, colour=COLOURS["mute"])
    keep = max(1, -(-len(points) // 10))
    for i, point in enumerate(points):
        x = left + (i + 0.5) * step
        if point["band"]:
            low, high, *_ = clamped(point["band"][0], point["band"][1], (marks[0], marks[-1]))
            scene.line(x, up(low), x, up(high), COLOURS["mute"], 0.6)
        _upright(scene, point, x, up, (marks[0], marks[-1]))
        if (i - after) % keep == 0:
            scene.text(x, base + 9, point["horizon"].replace("-", "−"), size=7, anchor="middle", colour=COLOURS["mute"])
    scene.text((left + right) / 2, base + 19, data["axis"], size=7, anchor="middle", colour=COLOURS["mute"])
    scene.height = base + 22
    return scene


def _upright(scene: Scene, point: dict[str, Any], x: float, up: Any, edges: tuple[float, float]) -> None:
    """Draw one interval upright with its mark; ends beyond the axis become arrows."""
    colour = COLOURS["navy" if point["mark"] == "dot" else "ink"]
    for low, high in point["ranges"]:
        bottom, top, before, beyond = clamped(low, high, edges)
        if bottom < top:
            scene.line(x, up(bottom), x, up(top), colour, 1.5)
        for end, arrow, closed, head in ((bottom, before, low == bottom, "down"), (top, beyond, high == top, "up")):
            if arrow:
                scene.mark(head, x, up(end), 2.8, colour)
            elif closed:
                scene.line(x - 2.4, up(end), x + 2.4, up(end), colour, 1.1)
    scene.mark(point["mark"], x, up(min(max(point["value"], edges[0]), edges[1])), 2.8, colour)


def subgroups(page: dict[str, Any]) -> Scene:
    """Draw the effect in each group below one another, outcome by outcome; every outcome has its own scale."""
    data = page["for_whom"]
    scene = Scene(HALF, page["heads"]["subgroups"], data["alt"])
    column = max(text_width(g["column"], 7.8, bold=True) for split in data["splits"] for g in split["groups"])
    right = HALF - 4 - min(column, 120.0) - 6
    left = min(84.0, right - 46.0)
    y = 0.0
    for split in data["splits"]:
        y = _split(scene, split, y, (left, right)) + 7
    scene.height = y - 6
    return scene


def _split(scene: Scene, split: dict[str, Any], top: float, sides: tuple[float, float]) -> float:
    """Draw one outcome by one subgroup; returns where it ends."""
    y = top + 8.5
    for words in wrap(split["outcome"], HALF - 8, 8.4, bold=True):
        scene.text(4, y, words, size=8.4, weight=700)
        y += 9.6
    for words in wrap(f"{split['label']}. {split['told']}", HALF - 8, 7.8):
        scene.text(4, y, words, size=7.8, colour=COLOURS["mute"])
        y += 9.0
    y -= 4.5
    left, right = sides
    marks = ticks(*span(split["groups"]), 5)

    def at(value: float) -> float:
        return left + (value - marks[0]) / (marks[-1] - marks[0]) * (right - left)

    names = [wrap(g["name"], left - 10, 8) for g in split["groups"]]
    heights = [13.0 + 8.4 * (len(lines) - 1) for lines in names]
    for i, (height, place) in enumerate(zip(heights, _tops(y, heights), strict=True)):
        if i % 2 == 0:
            scene.rect(0, place, HALF, height, COLOURS["zebra"])
    scene.line(at(0), y, at(0), y + sum(heights), COLOURS["mute"], 1)
    for group, lines, height, place in zip(split["groups"], names, heights, _tops(y, heights), strict=True):
        middle = place + height / 2
        for k, words in enumerate(lines):
            scene.text(4, middle + 2.6 + (k - (len(lines) - 1) / 2) * 8.4, words, size=8)
        interval_bar(scene, group, middle, at, (marks[0], marks[-1]))
        scene.text(HALF - 4, middle + 2.6, group["column"], size=7.8, anchor="end", weight=600,
                   colour=tint(group["verdict"]))
    return y + sum(heights)


def _tops(start: float, heights: list[float]) -> list[float]:
    return [start + sum(heights[:i]) for i in range(len(heights))]


def chain(page: dict[str, Any]) -> Scene:
    """Draw the results chain: boxes with what was measured of them, and arrows filled where both ends are clear."""
    boxes = page["chain"]["boxes"]
    scene = Scene(FULL, page["heads"]["chain"], page["chain"]["alt"])
    gap = 20.0
    width = (FULL - gap * (len(boxes) - 1)) / len(boxes)
    texts = [wrap(b["text"], width - 12, 8.4, bold=True) for b in boxes]
    words = [wrap(b["word"], width - 22, 7.8, bold=True) for b in boxes]
    finds = [wrap(b["finding"], width - 12, 7.6) if b["finding"] else [] for b in boxes]
    first = 12 + 9.8 * max(map(len, texts))
    second = first + 9.2 * max(map(len, words))
    height = second + 8.8 * max(map(len, finds)) + 3
    for i, box in enumerate(boxes):
        x = i * (width + gap)
        edge = COLOURS[{"clear": "navy", "adverse": "red"}.get(box["status"], "ink")]
        scene.rect(x, 0, width, height, COLOURS["zebra"])
        scene.line(x, height, x + width, height, edge, 1.6)
        for k, line in enumerate(texts[i]):
            scene.text(x + 6, 11 + 9.8 * k, line, size=8.4, weight=700)
        scene.mark({"full": "dot", "empty": "ring"}.get(box["mark"], box["mark"]), x + 9, first - 0.6, 2.9, edge)
        for k, line in enumerate(words[i]):
            scene.text(x + 15, first + 2 + 9.2 * k, line, size=7.8, weight=600, colour=edge)
        for k, line in enumerate(finds[i]):
            scene.text(x + 6, second + 2 + 8.8 * k, line, size=7.6, colour=COLOURS["mute"])
        if box["linked"]:
            _arrow(scene, x - gap + 4, x - 4, height / 2, filled=box["moved"])
    scene.height = height + 2
    return scene


def _arrow(scene: Scene, x: float, end: float, y: float, *, filled: bool) -> None:
    """Draw an arrow: filled, or open where a link did not move or was not measured."""
    if filled:
        scene.line(x, y, end - 4, y, COLOURS["teal"], 1.6)
        scene.mark("right", end - 4, y, 3.2, COLOURS["teal"])
        return
    scene.line(x, y, end, y, COLOURS["teal"], 0.9)
    for side in (-3, 3):
        scene.line(end - 4, y + side, end, y, COLOURS["teal"], 0.9)

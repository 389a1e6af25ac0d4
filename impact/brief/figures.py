"""Figures as a small scene of rectangles, lines, marks and text, laid out once and drawn as SVG or by Typst.

Both backends place the same items, so a figure is the same in every format; and text stays text, in the brief's own face.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from html import escape
from typing import Any
from unicodedata import category

from impact.brief.theme import COLOURS, OTHER_SCRIPTS, SANS
from impact.brief.view import LONG_NUMBER, power
from impact.brief.view import figure as write_number

FAMILIES = ",".join((*(f"'{name}'" for name in (SANS, *(o[0] for o in OTHER_SCRIPTS), "Segoe UI")), "Helvetica", "Arial",
                     "sans-serif"))
TINT = {"favourable": COLOURS["navy"], "unfavourable": COLOURS["red"]}
FAR, NEAR = 1e300, 1e-12  # no axis runs further than the one, nor is shorter than the other
MARKED = ("Mn", "Cf")  # drawn on the letter before, or not at all
JOINS = "\u17d2\u200d"  # the next letter hangs on to the one before
KHMER = "\u1780"
NARROW = "iljtfrI.,:;'!|()[]· \u00a0"
WIDE = "mwMW@%&GOQDHNU—…"


class Scene:
    """A drawing of ``width`` by ``height`` units, with a title and a text that says what it shows."""

    def __init__(self, width: float, title: str, alt: str) -> None:
        self.width, self.height, self.title, self.alt = width, 0.0, title, alt
        self.items: list[dict[str, Any]] = []

    def rect(self, x: float, y: float, w: float, h: float, fill: str) -> None:
        """Draw a filled rectangle."""
        self.items.append({"k": "rect", "x": x, "y": y, "w": w, "h": h, "fill": fill})

    def line(self, x: float, y: float, x2: float, y2: float, colour: str, width: float) -> None:
        """Draw a line."""
        self.items.append({"k": "line", "x": x, "y": y, "x2": x2, "y2": y2, "fill": colour, "sw": width})

    def mark(self, shape: str, x: float, y: float, r: float, colour: str) -> None:
        """Draw a mark: 'dot', 'ring', 'diamond', 'square', 'left' or 'right' (arrow heads)."""
        self.items.append({"k": shape, "x": x, "y": y, "r": r, "fill": colour})

    def text(self, x: float, y: float, words: str, *, size: float = 8, anchor: str = "start", weight: int = 400,
             colour: str = COLOURS["ink"]) -> None:
        """Write a line of text; ``y`` is its baseline."""
        self.items.append({"k": "text", "x": x, "y": y, "t": words, "size": size, "a": anchor, "w": weight,
                           "fill": colour})

    def for_typst(self) -> dict[str, Any]:
        """Give the scene as plain values for scene.typ."""
        items = [{k: round(v, 3) if isinstance(v, float) else v for k, v in item.items()} for item in self.items]
        return {"w": self.width, "h": round(self.height, 3), "alt": self.alt, "items": items}

    def svg(self, name: str) -> str:
        """Draw the scene as SVG; every text is escaped here."""
        head = (f'<svg role="img" aria-labelledby="{name}-t {name}-d" viewBox="0 0 {self.width:g} {self.height:.1f}" '
                f'font-family="{FAMILIES}">'
                f'<title id="{name}-t">{escape(self.title)}</title><desc id="{name}-d">{escape(self.alt)}</desc>')
        return head + "".join(_SHAPES[item["k"]](item) for item in self.items) + "</svg>"


def _svg_rect(i: dict[str, Any]) -> str:
    return f'<rect x="{i["x"]:.2f}" y="{i["y"]:.2f}" width="{i["w"]:.2f}" height="{i["h"]:.2f}" fill="{i["fill"]}"/>'


def _svg_line(i: dict[str, Any]) -> str:
    return (f'<path d="M{i["x"]:.2f} {i["y"]:.2f}L{i["x2"]:.2f} {i["y2"]:.2f}" stroke="{i["fill"]}" '
            f'stroke-width="{i["sw"]:g}"/>')


def _svg_dot(i: dict[str, Any]) -> str:
    return f'<circle cx="{i["x"]:.2f}" cy="{i["y"]:.2f}" r="{i["r"]:g}" fill="{i["fill"]}"/>'


def _svg_ring(i: dict[str, Any]) -> str:
    return (f'<circle cx="{i["x"]:.2f}" cy="{i["y"]:.2f}" r="{i["r"]:g}" fill="#fff" stroke="{i["fill"]}" '
            'stroke-width="1.5"/>')


def _svg_polygon(i: dict[str, Any]) -> str:
    points = " ".join(f"{i['x'] + dx * i['r']:.2f},{i['y'] + dy * i['r']:.2f}" for dx, dy in POLYGONS[i["k"]])
    return f'<polygon points="{points}" fill="{i["fill"]}"/>'


def _svg_text(i: dict[str, Any]) -> str:
    return (f'<text x="{i["x"]:.2f}" y="{i["y"]:.2f}" font-size="{i["size"]:g}" text-anchor="{i["a"]}" '
            f'font-weight="{i["w"]}" fill="{i["fill"]}">{escape(i["t"])}</text>')


POLYGONS: dict[str, list[tuple[float, float]]] = {
    "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "left": [(-1.3, 0), (0.7, -1), (0.7, 1)],
    "right": [(1.3, 0), (-0.7, -1), (-0.7, 1)],
}
_SHAPES = {"rect": _svg_rect, "line": _svg_line, "dot": _svg_dot, "ring": _svg_ring, "text": _svg_text,
           **dict.fromkeys(POLYGONS, _svg_polygon)}


def text_width(words: str, size: float, *, bold: bool = False) -> float:
    """Estimate the width of a text; a little too wide rather than too narrow."""
    em = sum(0.0 if category(c) in MARKED else 0.30 if c in NARROW else 0.80 if c in WIDE else 0.62 if c.isupper() else
             0.52 if c < KHMER else 0.66 for c in words)
    return em * size * (1.06 if bold else 1.0)


def wrap(words: str, width: float, size: float, *, bold: bool = False, most: int = 3) -> list[str]:
    """Break a text into lines no wider than ``width``; a word too long for a line is broken too."""
    lines: list[str] = [""]
    for word in words.replace("\u200b", "").split(" "):
        trial = f"{lines[-1]} {word}".strip()
        if not lines[-1] or text_width(trial, size, bold=bold) <= width:
            lines[-1] = trial
        else:
            lines.append(word)
        while text_width(lines[-1], size, bold=bold) > width and len(lines[-1]) > 1:
            fits = next(k for k in range(len(lines[-1]) - 1, 0, -1) if k == 1 or (
                _may_break(lines[-1], k) and text_width(lines[-1][:k], size, bold=bold) <= width))
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    if len(lines) > most:
        lines = [*lines[:most - 1], lines[most - 1].rstrip() + "…"]
    return lines


def _may_break(word: str, k: int) -> bool:
    """Tell whether a word may be cut before its k-th character: marks and joined letters stay with their base."""
    return category(word[k]) not in MARKED and word[k - 1] not in JOINS


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Choose round numbers that cover a range, at most about ``most`` of them; two at least, whatever the range."""
    low, high = max(low, -FAR), min(high, FAR)
    size = max(abs(low), abs(high))
    if not high - low > max(NEAR, 1e-9 * size):  # all in one place, as far as a drawing can tell
        room = max(1.0, 0.1 * size)
        low, high = low - room, high + room
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(step * m for m in (1, 2, 2.5, 5, 10, 20) if (high - low) / (step * m) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def _label(value: float, step: float, tail: str, language: str) -> str:
    if value and not (1e-6 <= step < LONG_NUMBER):
        return ("−" if value < 0 else "+") + power(abs(value), language) + tail
    places = max(0, min(6, -math.floor(math.log10(step) + 1e-9)))
    if abs(step * 10**places - round(step * 10**places)) > 1e-6:
        places += 1
    return write_number(value, places, language, sign=value != 0) + (tail if value else "")


def span(rows: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Find the range an axis must show; a very long interval is cut, and its cut end is drawn as an arrow."""
    shown = [r for r in rows if r["value"] is not None]
    reach = sorted(max([abs(r["value"]), *(abs(x) for pair in r["ranges"] for x in pair if x is not None)])
                   for r in shown)
    if not reach:
        return -1.0, 1.0
    reach = [min(x, FAR / 10) for x in reach]
    cut = max(8 * reach[(len(reach) - 1) // 2], *(1.3 * min(abs(r["value"]), FAR / 10) for r in shown))
    ends = [x for r in shown for pair in r["ranges"] for x in pair if x is not None] + [r["value"] for r in shown]
    open_low = any(pair[0] is None for r in shown for pair in r["ranges"])
    open_high = any(pair[1] is None for r in shown for pair in r["ranges"])
    low, high = max(-cut, min(0.0, *ends)), min(cut, max(0.0, *ends))
    room = 0.25 * (high - low or 1.0)
    return low - (room if open_low else 0), high + (room if open_high else 0)


def _bar(scene: Scene, row: dict[str, Any], y: float, at: Any, edges: tuple[float, float]) -> None:
    """Draw one interval and its mark; ends beyond the axis become arrows."""
    colour = TINT.get(row["verdict"], COLOURS["mute"])
    for low, high in row["ranges"]:
        left = edges[0] if low is None else max(low, edges[0])
        right = edges[1] if high is None else min(high, edges[1])
        scene.line(at(left), y, at(right), y, colour, 1.7)
        for end, edge, head in ((low, left, "left"), (high, right, "right")):
            if end is None or end != edge:
                scene.mark(head, at(edge), y, 3.2, colour)
            else:
                scene.line(at(edge), y - 2.6, at(edge), y + 2.6, colour, 1.2)
    place = min(max(row["value"], edges[0]), edges[1])
    scene.mark(row["mark"], at(place), y, 3.1 if row["mark"] == "ring" else 3.4, colour)


def effects(page: dict[str, Any]) -> Scene:
    """Draw the differences with their intervals: a filled dot is favourable, a diamond unfavourable, a ring open."""
    rows = page["drawn"]
    column = max(text_width(r["column"], 8, bold=True) for r in rows)
    left, right, top = 168.0, min(190.0, column + 12), 15.0
    scene = Scene(510, page["heads"]["effects"], page["effects_alt"])
    labels = [wrap(r["label"], left - 14, 8.6, bold=r["primary"], most=2) for r in rows]
    tight = len(rows) > 6
    heights = [(14.5 if tight else 17.5) + (len(x) - 1) * 9.6 for x in labels]
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
            _bar(scene, row, y + height / 2, at, (marks[0], marks[-1]))
        scene.text(506, y + height / 2 + 2.8, row["column"], size=8, anchor="end", weight=600,
                   colour=TINT.get(row["verdict"], COLOURS["mute"]))
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
        scene.text(at(mark), base + 9, _label(mark, marks[1] - marks[0], tail, page["language"]), size=7, anchor="middle",
                   colour=COLOURS["mute"])
    lower, higher = page["sides"]
    if marks[0] < 0:
        scene.text(at(0) - 5, top - 5, f"‹ {lower}", size=7, anchor="end", colour=COLOURS["mute"])
    if marks[-1] > 0:
        scene.text(at(0) + 5, top - 5, f"{higher} ›", size=7, colour=COLOURS["mute"])


def effects_narrow(page: dict[str, Any]) -> Scene:
    """Draw the same figure for a phone: label, difference and interval below each other."""
    rows = page["drawn"]
    scene = Scene(330, page["heads"]["effects"], page["effects_alt"])
    low, high = span(rows)
    marks = ticks(low, high, 5)
    top = 18.0

    def at(value: float) -> float:
        return 20 + (value - marks[0]) / (marks[-1] - marks[0]) * 290

    labels = [wrap(r["label"], 322, 13, bold=r["primary"], most=2) for r in rows]
    heights = [50.0 + (len(lines) - 1) * 15 for lines in labels]
    base = top + sum(heights)
    _zebra(scene, heights, top)
    for mark in marks if page["axis_kind"] != "none" else []:
        tail = page["percent"] if page["axis_kind"] == "percent" else ""
        scene.text(at(mark), base + 13, _label(mark, marks[1] - marks[0], tail, page["language"]), size=11, anchor="middle",
                   colour=COLOURS["mute"])
    y = top
    for row, lines, height in zip(rows, labels, heights, strict=True):
        for k, words in enumerate(lines):
            scene.text(4, y + 14 + 15 * k, words, size=13, weight=700 if row["primary"] else 400)
        scene.text(4, y + height - 21, row["column"], size=12, weight=600,
                   colour=TINT.get(row["verdict"], COLOURS["mute"]))
        if row["value"] is not None and page["axis_kind"] != "none":
            for mark in marks:
                scene.line(at(mark), y + height - 17, at(mark), y + height, COLOURS["mute" if mark == 0 else "line"],
                           1 if mark == 0 else 0.5)
            _bar(scene, row, y + height - 9, at, (marks[0], marks[-1]))
        y += height
    scene.height = base + 20
    return scene


def trends(page: dict[str, Any]) -> Scene:
    """Draw the means of each group over the periods, each line named at its end."""
    data = page["trends"]
    scene = Scene(260, page["heads"]["trends"], page["picture_alt"])
    periods, lines = data["periods"], data["series"]
    values = [v for line in lines for v in line["values"] if v is not None]
    marks = ticks(min(values), max(values), 4)
    names = [wrap(line["name"], 74, 7.4, bold=True, most=2) for line in lines]
    left, right, top, base = 34.0, 184.0, 8.0, 98.0

    def across(i: int) -> float:
        return left + 8 + i / max(1, len(periods) - 1) * (right - left - 14)

    def up(value: float) -> float:
        return base - (value - marks[0]) / (marks[-1] - marks[0]) * (base - top)

    for mark in marks:
        scene.line(left, up(mark), right, up(mark), COLOURS["line"], 0.5)
        scene.text(left - 4, up(mark) + 2.5, _label(mark, marks[1] - marks[0], "", page["language"]).lstrip("+"), size=7,
                   anchor="end", colour=COLOURS["mute"])
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
    scene = Scene(260, page["heads"]["benchmark"], page["picture_alt"])
    row, known = data["row"], data["value"]
    marks = ticks(*span([row] if known is None else [row, {"value": known, "ranges": data["ranges"]}]), 5)

    def at(value: float) -> float:
        return 12 + (value - marks[0]) / (marks[-1] - marks[0]) * 236

    lines = wrap(data["label"], 190 if known is not None else 252, 7.8, bold=True, most=2)
    place = 34.0 + 9 * len(lines)
    strips = [(13.0, 25.0), *([(place - 6, place + 6)] if known is not None else [])]
    base = strips[-1][1]
    for mark in marks:
        zero = mark == 0
        for top, bottom in strips:
            scene.line(at(mark), top, at(mark), bottom, COLOURS["mute"] if zero else COLOURS["line"], 1 if zero else 0.5)
        scene.text(at(mark), base + 9, _label(mark, marks[1] - marks[0], data["tail"], page["language"]), size=7,
                   anchor="middle", colour=COLOURS["mute"])
    scene.text(4, 9, data["ours"], size=7.8, weight=600)
    scene.text(256, 9, row["column"], size=7.8, anchor="end", weight=600)
    if row["value"] is not None:
        _bar(scene, row, 19, at, (marks[0], marks[-1]))
    if known is None:
        return _in_words(scene, [*lines, *wrap(data["text"], 252, 7.8, bold=True, most=2)], base + 24)
    for k, words in enumerate(lines):
        scene.text(4, 34 + 9 * k, words, size=7.8, weight=600, colour=COLOURS["teal"])
    scene.text(256, 34, data["text"], size=7.8, anchor="end", weight=600, colour=COLOURS["teal"])
    for low, high in data["ranges"]:
        ends = (marks[0] if low is None else max(low, marks[0]), marks[-1] if high is None else min(high, marks[-1]))
        scene.line(at(ends[0]), place, at(ends[1]), place, COLOURS["teal"], 1.4)
    scene.mark("square", at(min(max(known, marks[0]), marks[-1])), place, 3.4, COLOURS["teal"])
    scene.height = base + 14
    return scene


def _in_words(scene: Scene, lines: list[str], top: float) -> Scene:
    for k, words in enumerate(lines):
        scene.text(4, top + 9.4 * k, words, size=7.8, weight=600, colour=COLOURS["teal"])
    scene.height = top + 9.4 * len(lines) - 4
    return scene

"""A drawing as a small scene of rectangles, lines, marks and text, and what the figures share: widths, ticks, intervals.

The scene is laid out once and drawn as SVG or by Typst, so a figure is the same in every format; and text stays text.
"""

from __future__ import annotations

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
WIDE = "mwMW@%&GOQDHNU—…πφψωώϕΦΨΜŵßмъФМжыю"
WIDEST = "ÆŒǼæœǽŉŴẀẂẄḾṀṂḿṁṃΉΌΏЉЊЖШЩЫЮфшщљњ"  # near a whole em


def tint(verdict: str) -> str:
    """Choose the colour of a verdict; what is open is as dark as what is clear, and hollow instead."""
    return TINT.get(verdict, COLOURS["ink"])


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
        """Draw a mark: 'dot', 'half', 'ring', 'diamond', 'square', or an arrow head: 'left', 'right', 'up', 'down'."""
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


def _svg_half(i: dict[str, Any]) -> str:
    x, y, r = i["x"], i["y"], i["r"]
    return _svg_ring(i) + f'<path d="M{x:.2f} {y - r:.2f}A{r:g} {r:g} 0 0 0 {x:.2f} {y + r:.2f}Z" fill="{i["fill"]}"/>'


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
    "up": [(0, -1.3), (-1, 0.7), (1, 0.7)],
    "down": [(0, 1.3), (-1, -0.7), (1, -0.7)],
}
_SHAPES = {"rect": _svg_rect, "line": _svg_line, "dot": _svg_dot, "ring": _svg_ring, "half": _svg_half, "text": _svg_text,
           **dict.fromkeys(POLYGONS, _svg_polygon)}


def text_width(words: str, size: float, *, bold: bool = False) -> float:
    """Estimate the width of a text; a little too wide rather than too narrow."""
    em = sum(0.0 if category(c) in MARKED else 0.30 if c in NARROW else 0.80 if c in WIDE else 0.92 if c in WIDEST else
             0.62 if c.isupper() else 0.52 if c < KHMER else 0.66 for c in words)
    return em * size * (1.06 if bold else 1.0)


def wrap(words: str, width: float, size: float, *, bold: bool = False) -> list[str]:
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


def tick_label(value: float, step: float, tail: str, language: str) -> str:
    """Write the number of a tick with as many decimals as its step needs."""
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


def clamped(low: float | None, high: float | None, edges: tuple[float, float]) -> tuple[float, float, bool, bool]:
    """Bring one piece of an interval inside the axis: both ends, and whether each runs on beyond as an arrow.

    A piece wholly beyond an edge is a point there with one arrow.
    """
    left, right = (min(max(end, edges[0]), edges[1]) for end in (edges[0] if low is None else low,
                                                                 edges[1] if high is None else high))
    if left == right and low != high:
        return left, right, left == edges[0], left == edges[1]
    return left, right, low is None or low < left, high is None or high > right


def interval_bar(scene: Scene, row: dict[str, Any], y: float, at: Any, edges: tuple[float, float]) -> None:
    """Draw one interval and its mark; ends beyond the axis become arrows."""
    colour = tint(row["verdict"])
    for low, high in row["ranges"]:
        left, right, before, beyond = clamped(low, high, edges)
        if left < right:
            scene.line(at(left), y, at(right), y, colour, 1.7)
        for end, arrow, closed, head in ((left, before, low == left, "left"), (right, beyond, high == right, "right")):
            if arrow:
                scene.mark(head, at(end), y, 3.2, colour)
            elif closed:
                scene.line(at(end), y - 2.6, at(end), y + 2.6, colour, 1.2)
    place = min(max(row["value"], edges[0]), edges[1])
    scene.mark(row["mark"], at(place), y, 3.1 if row["mark"] == "ring" else 3.4, colour)

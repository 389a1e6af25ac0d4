"""The page of a plot: words measured before they are set, so that none lies on another, and the bytes of its file."""

from __future__ import annotations

import hashlib
import io
import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from impact.results.palette import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

FONT = "DejaVu Sans"  # comes with matplotlib, so that a plot is the same on every machine
TITLE, TEXT, SMALL = 12.5, 9.5, 8.5  # points
MARGIN, LINE = 0.25, 1.38  # inches; line height in parts of the type size
ARROW = 0.02  # share of the axis between its end and the head of an arrow
PIXELS = 200  # an inch
LARGEST = 30_000  # pixels of the longer side
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
WHITE = "#FFFFFF"
FAR, NEAR = 1e100, 1e-12  # no axis runs further than the one, nor is shorter than the other
SHORT, LONG = 1e-4, 1e12  # outside these a number is written with a power of ten

Ends = tuple[float | None, float | None]


def look() -> AbstractContextManager[None]:
    """Set matplotlib to its own defaults for a while, whatever the user's settings: the same plot everywhere."""
    from matplotlib import style

    found: AbstractContextManager[None] = style.context(
        ["default", {"svg.hashsalt": "impact", "svg.fonttype": "path", "text.parse_math": False}])
    return found


def clean(text: object) -> str:
    """Keep words on one line, without characters that draw nothing or turn the direction of reading."""
    words = unicodedata.normalize("NFC", " ".join(str(text).split()))
    return " ".join("".join(c for c in words if unicodedata.category(c) not in UNSEEN).split())


@cache
def _face(size: float, bold: bool) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")


@cache
def _drawn(character: str, bold: bool) -> str:
    """Return the character, or an empty box where the face has no picture of it."""
    from matplotlib.font_manager import findfont, get_font

    return character if get_font(findfont(_face(TEXT, bold))).get_char_index(ord(character)) else "□"


def drawable(text: object, *, bold: bool = False) -> str:
    """Give the words as they can be drawn; the text for those who do not see the plot keeps them as they are."""
    return "".join(_drawn(c, bold) for c in clean(text))


def measure(text: str, size: float = TEXT, *, bold: bool = False) -> float:
    """Width of a line of text, in inches."""
    from matplotlib.textpath import text_to_path

    words = drawable(text, bold=bold)
    # letters fitted to the pixels of a PNG stand up to a hundredth wider than their outlines
    return 1.01 * float(text_to_path.get_text_width_height_descent(words, _face(size, bold), False)[0]) / 72


def wrap(text: object, width: float, size: float = TEXT, *, bold: bool = False, most: int = 3) -> list[str]:
    """Break a text into at most ``most`` lines no wider than ``width`` inches; a word too long is broken too."""
    lines = [""]
    for word in drawable(text, bold=bold).split(" "):
        trial = f"{lines[-1]} {word}".strip()
        if not lines[-1] or measure(trial, size, bold=bold) <= width:
            lines[-1] = trial
        else:
            lines.append(word)
        while len(lines) <= most and measure(lines[-1], size, bold=bold) > width and len(lines[-1]) > 1:
            fits = _fitting(lines[-1], width, size, bold)
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
        if len(lines) > most:
            last = lines[most - 1][:_fitting(lines[most - 1] + "…", width, size, bold)]
            return [*lines[:most - 1], last.rstrip() + "…"]
    return lines


def _fitting(text: str, width: float, size: float, bold: bool) -> int:
    """How many of the text's first characters fit with a mark of omission after them; one at least."""
    low, high = 1, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle] + "…", size, bold=bold) <= width else (low, middle - 1)
    return low


class Numbers:
    """Writes figures that stand together alike: three digits of the largest, two of the middle one; a true minus."""

    def __init__(self, values: Iterable[float | None]) -> None:
        sizes = sorted(abs(v) for v in values if v is not None and math.isfinite(v) and v != 0) or [1.0]
        top, middle = (math.floor(math.log10(x)) for x in (sizes[-1], sizes[len(sizes) // 2]))
        self.long = not SHORT <= sizes[-1] < LONG
        self.places = 2 if self.long else min(6, max(0, 2 - top, 1 - middle))

    def write(self, value: float, *, sign: bool = True) -> str:
        """Write one figure, with its sign unless told otherwise; zero has none."""
        if self.long and value:
            base, _, power = f"{abs(value):.{self.places}e}".partition("e")
            text = f"{base}e{int(power)}".replace("-", "−")
        else:
            text = f"{abs(value):,.{self.places}f}"
            if not float(text.replace(",", "")):
                return text
        return ("−" if value < 0 else "+" if sign else "") + text


def span(values: Sequence[float], ranges: Sequence[Sequence[Ends]], *, zero: bool = True) -> tuple[float, float]:
    """Find what an axis must show; a very long interval is cut, and drawn there as an arrow.

    Zero is among it, without ``zero`` only where it lies near.
    """
    if not values:
        return -1.0, 1.0
    tops = [max(abs(v), *(abs(x) for pair in pieces for x in pair if x is not None), 0.0)
            for v, pieces in zip(values, ranges, strict=True)]
    size = sorted(min(x, FAR / 10) for x in tops)
    cut = max(8 * size[(len(size) - 1) // 2], *(1.3 * min(abs(v), FAR / 10) for v in values), NEAR)
    ends = [*values, *(x for pieces in ranges for pair in pieces for x in pair if x is not None)]
    if zero or min(abs(max(ends)), abs(min(ends))) < max(ends) - min(ends):
        ends.append(0.0)
    low, high = max(-cut, min(ends)), min(cut, max(ends))
    if not high - low > max(NEAR, 1e-9 * max(abs(low), abs(high))):
        half = max(abs(low), abs(high)) if max(abs(low), abs(high)) > NEAR else 1.0
        low, high = low - half, high + half
    return _room(low, high, any(pair[0] is None for p in ranges for pair in p),
                 any(pair[1] is None for p in ranges for pair in p))


def _room(low: float, high: float, open_low: bool, open_high: bool) -> tuple[float, float]:
    reach = high - low
    return low - reach * (0.2 if open_low else 0.06), high + reach * (0.2 if open_high else 0.06)


def ticks(low: float, high: float, *, most: int = 6, sign: bool = True, tail: str = "") -> list[tuple[float, str]]:
    """Choose round numbers inside a range, with their texts."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(step * m for m in (1, 2, 2.5, 5, 10, 20) if (high - low) / (step * m) <= most)
    values = [float(f"{k * step:.12g}") for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    numbers = Numbers(values)
    if numbers.long:
        digits = (f"{v:.2e}".partition("e")[0].rstrip("0").partition(".")[2] for v in values)
        numbers.places = max(map(len, digits), default=0)
    else:
        numbers.places = max(0, -math.floor(math.log10(step) + 1e-9))
        numbers.places += abs(step * 10**numbers.places - round(step * 10**numbers.places)) > 1e-6
    return [(v, numbers.write(v, sign=sign) + tail) for v in values]


def mark(axes: Axes, x: float, y: float, shape: str, colour: str, *, hollow: bool, size: float = 7.0) -> None:
    """Draw one mark, filled or hollow; never pale."""
    axes.plot([x], [y], marker=shape, markersize=size, markerfacecolor=WHITE if hollow else colour, markeredgecolor=colour,
              markeredgewidth=1.6, linestyle="none", clip_on=False, zorder=6)


def stroke(axes: Axes, xs: Sequence[float], ys: Sequence[float], colour: str, width: float, *, style: Any = "-",
           order: float = 4) -> None:
    """Draw a line."""
    axes.plot(xs, ys, color=colour, linewidth=width, linestyle=style, solid_capstyle="butt", clip_on=False, zorder=order,
              marker="none")


def box(axes: Axes, x: float, y: float, width: float, height: float, *, fill: str, edge: str = "none", line: float = 0.8,
        order: float = 2) -> None:
    """Draw a rectangle from its lower left corner."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, facecolor=fill, edgecolor=edge, linewidth=line, zorder=order,
                             clip_on=False))


def write(axes: Axes, x: float, y: float, words: object, *, size: float = TEXT, colour: str = "ink", bold: bool = False,
          across: str = "left", up: str = "center", halo: bool = False) -> None:
    """Write one line of text as it stands: no sign in it is read as a command; a halo keeps it clear of lines."""
    from matplotlib.patheffects import withStroke

    axes.text(x, y, drawable(words, bold=bold), fontproperties=_face(size, bold), color=COLOURS.get(colour, colour),
              ha=across, va=up, parse_math=False, zorder=7, clip_on=False,
              path_effects=[withStroke(linewidth=2.5, foreground=WHITE)] if halo else None)


def interval(axes: Axes, at: float, pieces: Sequence[Ends], limits: tuple[float, float], colour: str, *,
             upright: bool = True, width: float = 2.2) -> None:
    """Draw an interval piece by piece; an end that runs on beyond the axis becomes an arrow."""
    for ends in pieces:
        low, high = within(ends, limits, ARROW)
        stroke(axes, *(([at, at], [low, high]) if upright else ([low, high], [at, at])), colour, width)
        for beyond, place, shape in zip(cut(ends, limits), (low, high), "v^" if upright else "<>", strict=True):
            if beyond:
                mark(axes, *((at, place) if upright else (place, at)), shape, colour, hollow=False, size=5.5)


def cut(ends: Ends, limits: tuple[float, float]) -> tuple[bool, bool]:
    """Whether an interval runs on below what the axis shows, and above."""
    low, high = ends
    return low is None or low < limits[0], high is None or high > limits[1]


def within(ends: Ends, limits: tuple[float, float], room: float = 0.0) -> tuple[float, float]:
    """Ends of an interval on the axis; one that runs on stops a share ``room`` of the axis before its edge."""
    inset = room * (limits[1] - limits[0])
    inner = (limits[0] + inset, limits[1] - inset)
    places = [inner[k] if x is None or beyond else min(max(x, limits[0]), limits[1])
              for k, (x, beyond) in enumerate(zip(ends, cut(ends, limits), strict=True))]
    return places[0], places[1]


Glyph = Callable[["Axes", float, float], None]  # draws one sign of the key around a place on the page, in inches


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Sizes of a sheet in inches: whole width, panel height, room left and right of the panel, above and below it."""

    width: float = 7.2
    panel: float = 3.2
    left: float = 0.9
    right: float = MARGIN
    above: float = 0.0
    below: float = 0.28


class Sheet:
    """Title and lead, what the axis shows, the panel, what lies along it, a key and notes, from top to bottom.

    ``page`` covers all of it in inches from the upper left corner; ``axes`` is the panel.
    """

    def __init__(self, title: str, lead: Sequence[str], layout: Layout, *, axis: str = "", along: str = "",
                 key: Sequence[tuple[Glyph, str]] = (), notes: Sequence[str] = ()) -> None:
        from matplotlib.figure import Figure

        room = layout.width - 2 * MARGIN
        self._texts: list[tuple[float, float, str, float, str, bool]] = []
        self._glyphs: list[tuple[Glyph, float, float]] = []
        y = self._lines(MARGIN, MARGIN, wrap(title, room, TITLE, bold=True, most=3), TITLE, "ink", bold=True) + 0.03
        for words in lead:
            y = self._lines(MARGIN, y, wrap(words, room, TEXT, most=4), TEXT, "ink")
        y = self._lines(MARGIN, y + 0.12, wrap(axis, room, SMALL, most=2), SMALL, "mute") if axis else y + 0.1
        self.top = y + 0.06 + layout.above
        self.bottom = self.top + layout.panel
        y = self.bottom + layout.below
        if along:
            y = self._lines(layout.left, y, wrap(along, layout.width - layout.left - MARGIN, SMALL, most=2), SMALL, "mute")
        y = self._key(y + 0.14, key, room) if key else y
        for words in notes:
            y = self._lines(MARGIN, y + 0.05, wrap(words, room, SMALL, most=4), SMALL, "mute")
        self.width, self.height = layout.width, y + MARGIN - 0.05
        self.figure = Figure(figsize=(self.width, self.height), facecolor=WHITE)
        self.figure.set_label(clean(title))
        self.page = self._axes((0.0, 0.0, self.width, self.height))
        self.page.set(xlim=(0, self.width), ylim=(self.height, 0))
        self.axes = self._axes((layout.left, self.height - self.bottom, self.width - layout.left - layout.right,
                                layout.panel))
        for x, at, words, size, colour, bold in self._texts:
            write(self.page, x, at, words, size=size, colour=colour, bold=bold, up="baseline")
        for glyph, x, at in self._glyphs:
            glyph(self.page, x, at)

    def _axes(self, place: tuple[float, float, float, float]) -> Axes:
        x, y, w, h = place
        made: Axes = self.figure.add_axes((x / self.width, y / self.height, w / self.width, h / self.height))
        made.set_axis_off()
        return made

    def _lines(self, x: float, y: float, lines: Sequence[str], size: float, colour: str, *, bold: bool = False) -> float:
        """Set lines below each other from the upper edge ``y``; return the lower edge."""
        for words in lines:
            y += size * LINE / 72
            self._texts.append((x, y - 0.28 * size / 72, words, size, colour, bold))
        return y

    def _key(self, y: float, key: Sequence[tuple[Glyph, str]], room: float) -> float:
        """Set the signs and their words in lines as wide as the page."""
        x, sign, gap, line = MARGIN, 0.26, 0.22, SMALL * 1.6 / 72
        for glyph, words in key:
            lines = wrap(words, room - sign, SMALL, most=2)
            width = sign + max(measure(text, SMALL) for text in lines)
            if x > MARGIN and x + width > MARGIN + room:
                x, y = MARGIN, y + line
            self._glyphs.append((glyph, x + 0.09, y + line / 2))
            for k, text in enumerate(lines):
                self._texts.append((x + sign, y + k * line + line / 2 + 0.35 * SMALL / 72, text, SMALL, "ink", False))
            y += (len(lines) - 1) * line
            x += width + gap
        return y + line

    def inches(self) -> tuple[float, float]:
        """Width and height of the panel."""
        place = self.axes.get_position()
        return place.width * self.width, place.height * self.height

    def across(self, inches: float) -> float:
        """Turn inches to the right into units of the panel's axis."""
        left, right = self.axes.get_xlim()
        return inches / self.inches()[0] * (right - left)

    def up(self, inches: float) -> float:
        """Turn inches upwards into units of the panel's axis."""
        low, high = self.axes.get_ylim()
        return inches / self.inches()[1] * (high - low)


def to_svg(figure: Figure, alt: str) -> str:
    """Draw a figure as SVG: letters as outlines, title and text for those who do not see it; the same bytes each time."""
    out = io.BytesIO()
    with look():
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = out.getvalue().decode("utf-8")
    body = text[text.index("<svg") + len("<svg"):]
    title, alt = clean(figure.get_label()), clean(alt)
    name, start = "plot-" + hashlib.sha256(alt.encode()).hexdigest()[:12], body.index(">") + 1
    return (f'<?xml version="1.0" encoding="utf-8"?>\n<svg role="img" aria-labelledby="{name}-t {name}-d"{body[:start]}\n'
            f' <title id="{name}-t">{escape(title)}</title>\n <desc id="{name}-d">{escape(alt)}</desc>{body[start:]}')


def to_png(figure: Figure, alt: str) -> bytes:
    """Draw a figure as PNG, its text for those who do not see it in the file's description; the same bytes each time."""
    out = io.BytesIO()
    title: Any = clean(figure.get_label())
    with look():
        figure.savefig(out, format="png", dpi=min(PIXELS, int(LARGEST / max(figure.get_size_inches()))),
                       metadata={"Software": None, "Title": title, "Description": clean(alt)})
    return out.getvalue()

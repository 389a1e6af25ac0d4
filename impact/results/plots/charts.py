"""Charts of estimates with their intervals: by horizon, one below the other, and against a bound on how trends part."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impact.results.palette import COLOURS
from impact.results.plots.sheet import (
    ARROW,
    MARGIN,
    SMALL,
    WHITE,
    Ends,
    Glyph,
    Layout,
    Sheet,
    box,
    clean,
    cut,
    interval,
    mark,
    measure,
    span,
    stroke,
    ticks,
    within,
    wrap,
    write,
)
from impact.results.plots.wording import (
    asked,
    bound_of,
    enumerated,
    held,
    holds_zero,
    hollow,
    hollow_words,
    in_signs,
    known,
    labels,
    level,
    missing,
    numbers_of,
    piece,
    pieces,
    scale,
    sentence,
    told,
    verdict,
    whole,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from impact.results.estimate import Estimate, Estimates

BEFORE, SINCE, FIXED = ("s", "teal"), ("o", "navy"), ("x", "mute")  # earlier periods, since the start, the reference
SIDES = ("‹ before treatment", "since treatment ›")
MOST_NAMES = 16  # periods named below an axis
BESIDE = 0.18  # inches between lines of text beside a row


def sign(shape: str, colour: str, *, hollow: bool = False) -> Glyph:
    """Give a mark for the key."""
    return lambda axes, x, y: mark(axes, x, y, shape, COLOURS[colour], hollow=hollow, size=6.5)


def block(fill: str, edge: str, line: float = 0.8) -> Glyph:
    """Give a rectangle for the key."""
    return lambda axes, x, y: box(axes, x - 0.08, y - 0.06, 0.16, 0.12, fill=fill, edge=edge, line=line)


def upright(colour: str, width: float = 2.2) -> Glyph:
    """Give an upright line for the key."""
    return lambda axes, x, y: stroke(axes, [x, x], [y - 0.07, y + 0.07], COLOURS[colour], width)


def value_axis(sheet: Sheet, limits: tuple[float, float], marks: Sequence[tuple[float, str]],
               xs: tuple[float, float]) -> None:
    """Draw an upright axis of values: grid lines, a stronger one at zero, and their numbers."""
    axes = sheet.axes
    axes.set(xlim=xs, ylim=limits)
    for value, text in marks:
        zero = value == 0
        stroke(axes, xs, [value, value], COLOURS["mute" if zero else "line"], 1.1 if zero else 0.6, order=3 if zero else 1)
        write(axes, xs[0] - sheet.across(0.08), value, text, colour="mute", across="right")


def left_room(marks: Sequence[tuple[float, str]]) -> float:
    """Room the numbers of an upright axis need."""
    return MARGIN + 0.12 + max((measure(text) for _, text in marks), default=0.3)


def below_axis(sheet: Sheet, at: float, text: str, *, drop: float = 0.14) -> None:
    """Write one number or name below the panel."""
    write(sheet.axes, at, sheet.axes.get_ylim()[0] - sheet.up(drop), text, colour="mute", across="center")


def flanks(sheet: Sheet, at: float, words: tuple[str, str]) -> None:
    """Draw a dashed upright line, and name its two sides just above the panel."""
    low, high = sheet.axes.get_ylim()
    stroke(sheet.axes, [at, at], [low, high + sheet.up(0.2)], COLOURS["ink"], 1.0, style=(0, (3, 2)), order=2.7)
    for text, step, across in ((words[0], -0.08, "right"), (words[1], 0.08, "left")):
        write(sheet.axes, at + sheet.across(step), high + sheet.up(0.11), text, size=SMALL, across=across)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    """Effects by horizon: all rows in order of their horizon, the reference, the bands by horizon and what they cover."""

    rows: tuple[tuple[float, Estimate], ...]
    reference: float | None
    bands: dict[float, Ends]
    covers: str = "all periods"

    @property
    def shown(self) -> list[tuple[float, Estimate]]:
        return [(x, e) for x, e in self.rows if known(e) and x != self.reference]

    @property
    def places(self) -> list[float]:
        return sorted({*(x for x, _ in self.rows), *([] if self.reference is None else [self.reference])})

    @property
    def named(self) -> list[tuple[str, Estimate]]:
        return [(_horizon(x, e), e) for x, e in self.rows if x != self.reference]


def _path(result: Estimates) -> _Path:
    rows = tuple(sorted(((float(e.horizon), e) for e in result if e.horizon is not None), key=lambda row: row[0]))
    fixed = [x for x, e in rows if missing(e) and "reference period" in dict(e.reasons).get("std_error", "")]
    given = dict(result.headline.details).get("reference")
    bands = {x: (d["band_low"], d["band_high"]) for x, e in rows if "band_low" in (d := dict(e.details))}
    apart = dict(result.headline.details).get("bands_by_side", False)
    return _Path(rows=rows, bands=bands, covers="all periods on one side of the start" if apart else "all periods",
                 reference=fixed[0] if len(fixed) == 1 else float(given) if isinstance(given, (int, float)) else None)


def _horizon(x: float, e: Estimate) -> str:
    """Name a horizon as it stands below the axis: −2, ≤ −4, ≥ +3."""
    return ("≤ " if e.term.endswith("or earlier") else "≥ " if e.term.endswith("or later") else "") + whole(x)


def event_study(result: Estimates) -> tuple[Figure, str]:
    """Draw effects by periods since first treatment, each with its own interval and the band that covers all."""
    path, head = _path(result), result.headline
    every = [e for _, e in path.rows]
    numbers, what = numbers_of(every), f"Effect on {clean(head.outcome)}"
    title = f"{what} by periods since first treatment"
    lead = [] if head.horizon is not None else [
        f"Average since the start of treatment: {in_signs(head, numbers)}, {level([head])}."]
    limits = span([e.estimate for _, e in path.shown],
                  [[*pieces(e), *([path.bands[x]] if x in path.bands else [])] for x, e in path.shown])
    marks = ticks(*limits, most=7)
    sheet = Sheet(title, lead, Layout(left=left_room(marks), above=0.26), axis=f"{what}, {scale(every[0])}",
                  along="Periods since first treatment", key=_event_key(path),
                  notes=[f"No estimate at {name}: {verdict(e)}." for name, e in path.named if not known(e)][:4])
    step = min((b - a for a, b in itertools.pairwise(path.places)), default=1.0)
    value_axis(sheet, limits, marks, (path.places[0] - 0.6 * step, path.places[-1] + 0.6 * step))
    _name_horizons(sheet, path, step)
    for x, e in path.shown:
        if x in path.bands:
            low, high = within(path.bands[x], limits)
            box(sheet.axes, x - 0.19 * step, low, 0.38 * step, high - low, fill=COLOURS["tint"], edge=COLOURS["line"])
        shape, colour = SINCE if x >= 0 else BEFORE
        interval(sheet.axes, x, pieces(e), limits, COLOURS[colour])
        mark(sheet.axes, x, e.estimate, shape, COLOURS[colour], hollow=hollow(e))
    if path.reference is not None:
        mark(sheet.axes, path.reference, 0.0, FIXED[0], COLOURS[FIXED[1]], hollow=False)
    return sheet.figure, " ".join([f"Event study: {title[:1].lower()}{title[1:]}, {scale(every[0])}.", *lead,
                                   *held(path.named), *_bands_told(path), enumerated(told(path.named, numbers))])


def _name_horizons(sheet: Sheet, path: _Path, step: float) -> None:
    """Write the horizons below the axis, and mark where treatment starts."""
    names, places = {x: _horizon(x, e) for x, e in path.rows}, path.places
    keep, middle = math.ceil(len(places) / MOST_NAMES), min(places, key=abs)
    for x in places:
        if round((x - middle) / step) % keep == 0:
            below_axis(sheet, x, names.get(x) or whole(x))
    if places[0] < 0 <= places[-1]:
        early, late = max(x for x in places if x < 0), min(x for x in places if x >= 0)
        flanks(sheet, (early + late) / 2, SIDES)


def _event_key(path: _Path) -> list[tuple[Glyph, str]]:
    sides = [(look, words, [e for x, e in path.shown if (x < 0) == early])
             for look, words, early in ((BEFORE, "before treatment", True), (SINCE, "since treatment", False))]
    sides = [side for side in sides if side[2]]
    shown = [e for _, e in path.shown]
    key = [(sign(*look), words) for look, words, _ in sides]
    key += [(sign(*look, hollow=True), hollow_words(shown)) for look, _, mine in sides if any(map(hollow, mine))][-1:]
    if any(map(pieces, shown)):
        key.append((upright(sides[-1][0][1]), f"{level(shown)} for this period alone"))
    if path.bands:
        key.append((block(COLOURS["tint"], COLOURS["line"]),
                    f"{level(shown).replace('interval', 'band')} for {path.covers} at once"))
    return [*key, *([(sign(*FIXED), "reference period, zero by construction")] if path.reference is not None else [])]


def _bands_told(path: _Path) -> list[str]:
    out = []
    if path.bands:
        clear = [_horizon(x, e) for x, e in path.shown if x in path.bands and not holds_zero([path.bands[x]])]
        out.append(f"The band for {path.covers} at once leaves out zero at {', '.join(clear)}." if clear else
                   f"The band for {path.covers} at once holds zero everywhere.")
    return out if path.reference is None else [*out, f"The reference period is {whole(path.reference)}."]


def forest(result: Estimates) -> tuple[Figure, str]:
    """Draw every row with its interval below each other, the first one in bold."""
    rows, names = list(result), labels(list(result))
    drawn, numbers, what = [e for e in rows if known(e)], numbers_of(rows), f"Effect on {clean(result.headline.outcome)}"
    limits = span([e.estimate for e in drawn], [pieces(e) for e in drawn])
    wide = min(2.3, max(measure(name, bold=True) for name in names) + 0.05)
    left = [wrap(name, wide, bold=k == 0, most=3) for k, name in enumerate(names)]
    right = [wrap(in_signs(e, numbers), 2.1, SMALL, most=3) for e in rows]
    aside = max(measure(text, SMALL) for lines in right for text in lines)
    heights = [0.16 + BESIDE * max(len(a), len(b)) for a, b in zip(left, right, strict=True)]
    layout = Layout(width=max(7.2, 2 * MARGIN + wide + aside + 3.0), panel=sum(heights), left=MARGIN + wide + 0.2,
                    above=0.2, right=MARGIN + aside + 0.2)
    sheet = Sheet(what, asked(rows), layout, along=f"{what}, {scale(drawn[0])}",
                  key=verdict_key(drawn, lambda empty: sign(*SINCE, hollow=empty)),
                  notes=[f"{name}: {verdict(e)}." for name, e in zip(names, rows, strict=True) if not pieces(e)][:4])
    _across_axis(sheet, limits, heights)
    for e, middle, a, b in zip(rows, middles(heights), left, right, strict=True):
        beside(sheet, MARGIN, middle, a, bold=e is rows[0])
        beside(sheet, sheet.width - MARGIN, middle, b, size=SMALL, across="right")
        if known(e):
            interval(sheet.axes, middle, pieces(e), limits, COLOURS["navy"], upright=False)
            mark(sheet.axes, e.estimate, middle, SINCE[0], COLOURS["navy"], hollow=hollow(e))
    pairs = list(zip(names, rows, strict=True))
    count = f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} with {level(rows)}"
    return sheet.figure, " ".join([f"{what}, {scale(drawn[0])}: {count}.", *held(pairs), enumerated(told(pairs, numbers))])


def verdict_key(rows: Sequence[Estimate], glyph: Callable[[bool], Glyph]) -> list[tuple[Glyph, str]]:
    """Say what filled and hollow mean, where both or either occur."""
    key = [(glyph(False), f"{level(rows)} leaves out zero")] if not all(map(hollow, rows)) else []
    return [*key, *([(glyph(True), hollow_words(rows))] if any(map(hollow, rows)) else [])]


def middles(heights: Sequence[float]) -> list[float]:
    """Middle of each of several rows below each other."""
    return [total - height / 2 for total, height in zip(itertools.accumulate(heights), heights, strict=True)]


def beside(sheet: Sheet, x: float, middle: float, lines: Sequence[str], *, size: float = 9.5, bold: bool = False,
           across: str = "left") -> None:
    """Write lines beside a row."""
    for k, text in enumerate(lines):
        write(sheet.page, x, sheet.top + middle + BESIDE * (k - (len(lines) - 1) / 2), text, size=size, bold=bold,
              across=across)


def _across_axis(sheet: Sheet, limits: tuple[float, float], heights: Sequence[float]) -> None:
    """Draw the axis below the rows, with lines between them."""
    axes, total = sheet.axes, sum(heights)
    axes.set(xlim=limits, ylim=(total, 0))
    marks = ticks(*limits, most=5)
    named = _apart(sheet, marks)
    for value, text in marks:
        zero = value == 0
        stroke(axes, [value, value], [0, total], COLOURS["mute" if zero else "line"], 1.1 if zero else 0.6, order=1)
        if (value, text) in named:
            below_axis(sheet, value, text)
    for y in itertools.accumulate(heights[:-1]):
        stroke(sheet.page, [MARGIN, sheet.width - MARGIN], [sheet.top + y] * 2, COLOURS["tint"], 0.8, order=0)
    write(axes, -sheet.across(0.06), -0.1, "‹ lower", size=SMALL, colour="mute", across="right")
    write(axes, sheet.across(0.06), -0.1, "higher ›", size=SMALL, colour="mute")


def _apart(sheet: Sheet, marks: Sequence[tuple[float, str]]) -> Sequence[tuple[float, str]]:
    """Keep the numbers of an axis that do not touch: every second, third …, with zero where it is there; else its ends."""
    def free(kept: Sequence[tuple[float, str]]) -> bool:
        return all(sheet.across((measure(a) + measure(b)) / 2 + 0.12) <= right - left
                   for (left, a), (right, b) in itertools.pairwise(kept))

    origin = next((k for k, (value, _) in enumerate(marks) if value == 0), 0)
    ways = (marks[origin % step::step] for step in range(1, len(marks)))
    return next((kept for kept in (*(way for way in ways if len(way) > 1), (marks[0], marks[-1])) if free(kept)), marks[:1])


def curve(result: Estimates) -> tuple[Figure, str]:
    """Draw the interval under parallel trends, then against how far trends may part, and where zero enters."""
    start, numbers, what = result.headline, numbers_of(result), f"Effect on {clean(result.headline.outcome)}"
    rows = sorted(((b, e) for e in result if (b := bound_of(e)) is not None), key=lambda row: row[0])
    fall, check = getattr(result, "breakdown", None), getattr(result, "check", None)
    fall = None if fall is None or hollow(start) else float(fall)
    step = min((b - a for (a, _), (b, _) in itertools.pairwise(rows)), default=max(rows[0][0], 1.0))
    first = min(rows[0][0], rows[0][0] if fall is None else fall)
    ends = (first - 2.0 * step, max(rows[-1][0] + 0.6 * step, (fall or 0.0) + 0.3 * step))
    limits = span([start.estimate] * len(result), [pieces(e) for e in result])
    marks = ticks(*limits)
    lead = [f"If trends are parallel: {in_signs(start, numbers)}, {level(result)}.",
            *([] if check is None else sentence(check.reason))]
    sheet = Sheet(f"{what} if trends were not parallel", lead, Layout(left=left_room(marks), above=0.26, below=0.44),
                  axis=f"{what}, {scale(start)}",
                  key=verdict_key(list(result), lambda empty: block(WHITE if empty else COLOURS["navy"], COLOURS["navy"],
                                                                    1.6)),
                  along="How far trends may part" + ("" if check is None else f" ({clean(check.measure)})"))
    value_axis(sheet, limits, marks, ends)
    _widening(sheet.axes, rows, limits)
    for bound, e in rows:
        _tower(sheet.axes, bound, e, limits, 0.13 * step)
        below_axis(sheet, bound, f"{bound:.6g}")
    parallel = first - 1.3 * step
    interval(sheet.axes, parallel, pieces(start), limits, COLOURS["navy"])
    mark(sheet.axes, parallel, start.estimate, SINCE[0], COLOURS["navy"], hollow=hollow(start))
    for text, drop in (("trends", 0.14), ("parallel", 0.3)):
        below_axis(sheet, parallel, text, drop=drop)
    if fall is not None:
        words = f"zero enters at {fall:.3g}"
        flanks(sheet, fall, (words, "") if sheet.across(measure(words, SMALL) + 0.1) > ends[1] - fall else ("", words))
    return sheet.figure, " ".join([
        f"{what}, {scale(start)}, against how far trends may part.", *lead,
        *([] if fall is None else [f"Zero enters the interval at a bound of {fall:.3g}."]),
        enumerated([f"Bound {b:.6g}: {' or '.join(piece(p, numbers) for p in pieces(e)) or 'no interval'}, {verdict(e)}."
                    for b, e in rows])])


def _widening(axes: Axes, rows: Sequence[tuple[float, Estimate]], limits: tuple[float, float]) -> None:
    """Shade what lies between the intervals of neighbouring bounds."""
    found = [(bound, within(pieces(e)[0], limits)) for bound, e in rows if len(pieces(e)) == 1]
    if len(found) < 2:
        return
    xs = [bound for bound, _ in found]
    axes.fill_between(xs, [low for _, (low, _) in found], [high for _, (_, high) in found], facecolor=COLOURS["tint"],
                      edgecolor="none", linewidth=0, zorder=0.5)
    for k in (0, 1):
        stroke(axes, xs, [ends[k] for _, ends in found], COLOURS["line"], 1.0, order=2)


def _tower(axes: Axes, at: float, e: Estimate, limits: tuple[float, float], half: float) -> None:
    """Draw an interval as a block, hollow where it holds zero."""
    for ends in pieces(e):
        low, high = within(ends, limits, 3 * ARROW)
        box(axes, at - half, low, 2 * half, high - low, fill=WHITE if hollow(e) else COLOURS["navy"], edge=COLOURS["navy"],
            line=1.6, order=2.5)
        for beyond, place, shape in zip(cut(ends, limits), within(ends, limits, ARROW), "v^", strict=True):
            if beyond:
                mark(axes, at, place, shape, COLOURS["navy"], hollow=False, size=6)
    if not pieces(e):
        mark(axes, at, e.estimate, SINCE[0], COLOURS["navy"], hollow=True)

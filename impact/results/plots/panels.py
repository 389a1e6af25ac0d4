"""Plots over two dimensions: effects by first treated period and period, and comparisons by their weight."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from impact.results.palette import COLOURS
from impact.results.plots.charts import below_axis, block, left_room, sign, upright, value_axis
from impact.results.plots.sheet import (
    MARGIN,
    SMALL,
    WHITE,
    Glyph,
    Layout,
    Numbers,
    Sheet,
    box,
    clean,
    mark,
    measure,
    span,
    stroke,
    ticks,
    write,
)
from impact.results.plots.wording import (
    enumerated,
    held,
    hollow,
    hollow_words,
    in_signs,
    is_number,
    known,
    level,
    missing,
    numbers_of,
    reason,
    scale,
    verdict,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from impact.results.estimate import Estimate, Estimates

HEAD = "first treated"
TINY = 7.5  # points, of the N in a cell
CELL = (0.62, 1.5, 0.46)  # inches: narrowest, widest, height
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHAPES = {"treated vs never treated": ("o", "navy"), "earlier vs later treated": ("s", "teal"),
          "later vs earlier treated": ("^", "red"), "treated vs always treated": ("v", "amber")}
OTHER = ("D", "mute")


class Comparison(Protocol):
    """One two-by-two comparison behind a coefficient: whose change against whose, its estimate and its weight."""

    @property
    def kind(self) -> str:
        """What is compared with what."""

    @property
    def treated(self) -> str:
        """First treated period of the treated group."""

    @property
    def comparison(self) -> str:
        """First treated period of the comparison group, 'never' or 'always'."""

    @property
    def estimate(self) -> float:
        """In the outcome's unit."""

    @property
    def weight(self) -> float:
        """Share of the coefficient."""

    @property
    def forbidden(self) -> bool:
        """Whether units already treated stand for the comparison."""


class Decomposition(Protocol):
    """A two-way fixed effects coefficient and the comparisons it is made of."""

    @property
    def outcome(self) -> str:
        """Column of the outcome."""

    @property
    def twfe(self) -> float:
        """The coefficient."""

    @property
    def rows(self) -> Sequence[Comparison]:
        """The comparisons."""


def order(text: str) -> tuple[float, str]:
    """Sort periods as numbers where they are numbers."""
    return (float(text), "") if is_number(text) else (float("inf"), text)


def shade(share: float, *, least: float = 0.16) -> str:
    """Blend white into navy (above zero) or amber (below); the number in the cell carries the sign as well."""
    end = COLOURS["navy" if share >= 0 else "amber"]
    part = least + (1 - least) * min(abs(share), 1.0)
    return "#" + "".join(f"{round(255 + part * (int(end[k:k + 2], 16) - 255)):02X}" for k in (1, 3, 5))


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [int(colour[k:k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink_on(ground: str) -> str:
    """Choose the ink, dark or white, that stands out more."""
    light = _luminance(ground) + 0.05
    return WHITE if 1.05 / light > light / (_luminance(COLOURS["ink"]) + 0.05) else COLOURS["ink"]


def is_cell(e: Estimate) -> bool:
    """Whether an estimate speaks of one cohort in one period, not in a span of periods."""
    return e.cohort is not None and e.period is not None and "–" not in e.period


def heat_map(result: Estimates) -> tuple[Figure, str]:
    """Draw effects by first treated period and period: the number and N in each cell, framed where zero is held."""
    cells = {(str(e.cohort), str(e.period)): e for e in result if is_cell(e)}
    cohorts, periods = (sorted({key[k] for key in cells}, key=order) for k in (0, 1))
    shown = [e for e in cells.values() if known(e)]
    free = [e for e in shown if not missing(e)]
    numbers, what = numbers_of(free), f"Effect on {clean(result.headline.outcome)}"
    why = list(dict.fromkeys(reason(e) for e in cells.values() if not known(e)))
    layout = _grid(cells, cohorts, periods, numbers)
    lead = [f"Average over treated units and periods: {in_signs(e, numbers_of([e]))}, {level([e])}."
            for e in [result.headline] if not is_cell(e)]
    unit = scale((shown or [result.headline])[0])
    sheet = Sheet(f"{what} by first treated period and period", lead, layout, key=_heat_key(free, len(free) < len(shown)),
                  axis=f"{what}, {unit}, in each period; n: rows it rests on",
                  notes=[f"{LETTERS[k % 26]}: no estimate: {text}." for k, text in enumerate(why)])
    axes, top = sheet.axes, max((abs(e.estimate) for e in free), default=0.0) or 1.0
    axes.set(xlim=(0, len(periods)), ylim=(len(cohorts), 0))
    write(axes, -sheet.across(0.08), -0.24, HEAD, size=SMALL, across="right", colour="mute")
    for j, period in enumerate(periods):
        write(axes, j + 0.5, -0.24, period, across="center", colour="mute")
    for i, cohort in enumerate(cohorts):
        write(axes, -sheet.across(0.08), i + 0.5, cohort, across="right", colour="mute")
        for j, period in enumerate(periods):
            _cell(axes, i, j, cells.get((cohort, period)), numbers, top, why)
    _stairs(axes, cohorts, periods)
    rows = [(f"{c} in {t}", cells[c, t]) for c, t in itertools.product(cohorts, periods) if (c, t) in cells]
    return sheet.figure, " ".join([
        f"Heat map: effect on {clean(result.headline.outcome)} by first treated "
        f"period and period, {unit}.", *lead, *held(rows), "First treated period in period:",
        enumerated([f"{name}: {in_signs(e, numbers)}, n {e.n:,}, {verdict(e)}." for name, e in rows])])


def _grid(cells: dict[tuple[str, str], Estimate], cohorts: Sequence[str], periods: Sequence[str],
          numbers: Numbers) -> Layout:
    """Size the table: as wide as the page where it can be, wider where its numbers need it."""
    left = MARGIN + 0.12 + max(*(measure(c) for c in cohorts), measure(HEAD, SMALL))
    texts = [max(measure(numbers.write(e.estimate), bold=True), measure(f"n {e.n:,}", TINY))
             for e in cells.values() if known(e)]
    cell = max(0.2 + max([*texts, *map(measure, periods)]), CELL[0], min(CELL[1], (7.2 - left - MARGIN) / len(periods)))
    return Layout(width=max(7.2, left + cell * len(periods) + MARGIN), panel=CELL[2] * len(cohorts), left=left, above=0.22,
                  right=max(MARGIN, 7.2 - left - cell * len(periods)), below=0.08)


def _heat_key(free: Sequence[Estimate], fixed: bool) -> list[tuple[Glyph, str]]:
    key: list[tuple[Glyph, str]] = []
    for side, words in ((1.0, "above zero"), (-1.0, "below zero")):
        if any(e.estimate * side > 0 and not hollow(e) for e in free):
            key.append((block(shade(side * 0.7), "none"), f"{words}, {level(free)} leaves out zero"))
    framed = [e for e in free if hollow(e)]
    if framed:
        colour = shade(0.7 if framed[0].estimate >= 0 else -0.7)
        key.append((block(WHITE, colour, 1.8), hollow_words(framed).replace("hollow", "framed")))
    if fixed:
        key.append((block(COLOURS["zebra"], COLOURS["line"]), "reference period, zero by construction"))
    return [*key, (upright("ink", 2.4), "start of treatment")]


def _cell(axes: Axes, i: int, j: int, e: Estimate | None, numbers: Numbers, top: float, why: Sequence[str]) -> None:
    """Draw one cell: filled, framed where the interval holds zero, or with the mark of why there is nothing."""
    if e is None or not known(e):
        text = "·" if e is None else LETTERS[why.index(reason(e)) % 26]
        write(axes, j + 0.5, i + 0.5, text, across="center", colour="mute", bold=e is not None)
        if e is not None:
            box(axes, j + 0.03, i + 0.05, 0.94, 0.9, fill=WHITE, edge=COLOURS["line"])
        return
    share = max(-1.0, min(1.0, e.estimate / top))
    if missing(e):
        fill, edge, line, inset = COLOURS["zebra"], COLOURS["line"], 0.8, (0.03, 0.05)
    elif hollow(e):
        fill, edge, line, inset = WHITE, shade(share, least=0.5), 2.2, (0.05, 0.08)
    else:
        fill, edge, line, inset = shade(share), "none", 0.8, (0.03, 0.05)
    box(axes, j + inset[0], i + inset[1], 1 - 2 * inset[0], 1 - 2 * inset[1], fill=fill, edge=edge, line=line)
    write(axes, j + 0.5, i + 0.37, numbers.write(e.estimate), across="center", colour=ink_on(fill), bold=not hollow(e))
    write(axes, j + 0.5, i + 0.71, f"n {e.n:,}", size=TINY, across="center", colour=ink_on(fill))


def _stairs(axes: Axes, cohorts: Sequence[str], periods: Sequence[str]) -> None:
    """Draw the line that parts periods before treatment from those since."""
    starts = [sum(order(t) < order(c) for t in periods) for c in cohorts]
    for i, j in enumerate(starts):
        stroke(axes, [j, j], [i, i + 1], COLOURS["ink"], 2.4, order=5)
        if i + 1 < len(starts):
            stroke(axes, sorted((j, starts[i + 1])), [i + 1, i + 1], COLOURS["ink"], 2.4, order=5)


def scatter(result: Decomposition) -> tuple[Figure, str]:
    """Draw each comparison's estimate against its weight, and the coefficient they add up to."""
    rows, outcome = list(result.rows), clean(result.outcome)
    values = [*(r.estimate for r in rows), result.twfe]
    numbers, limits = Numbers(values), span(values, [()] * len(values), zero=False)
    marks, top = ticks(*limits), 100 * max(r.weight for r in rows) * 1.08
    kinds = _kinds(rows, numbers)
    share = sum(r.weight for r in rows if r.forbidden)
    lead = [f"Two-way fixed effects {numbers.write(result.twfe)}, "
            + (f"the average of {len(rows)} comparisons by their weights; " if len(rows) > 1 else "one comparison; ")
            + f"{_percent(share)} of the weight compares with units already treated."]
    names = ("two-way", "fixed effects", numbers.write(result.twfe))
    sheet = Sheet(f"What the two-way fixed effects coefficient on {outcome} is made of", lead,
                  Layout(left=left_room(marks), right=MARGIN + 0.1 + max(measure(n, SMALL, bold=True) for n in names),
                         panel=3.4),
                  axis=f"Estimate of each comparison: effect on {outcome}, in the unit of its column",
                  along="Share of the coefficient, per cent",
                  key=[(sign(*SHAPES.get(kind, OTHER), hollow=True), text) for kind, text in kinds],
                  notes=["Hollow: a comparison has no interval of its own. Names: treated group v comparison group."])
    axes = sheet.axes
    value_axis(sheet, limits, marks, (0.0, top))
    for value, text in ticks(0.0, top, sign=False, tail="%"):
        below_axis(sheet, value, text)
    stroke(axes, [0, top], [result.twfe, result.twfe], COLOURS["ink"], 1.2, style=(0, (4, 2)), order=3)
    for k, text in enumerate(names):
        write(axes, top + sheet.across(0.08), result.twfe - (k - 1) * sheet.up(0.155), text, size=SMALL, bold=k == 2)
    for r in rows:
        shape, colour = SHAPES.get(r.kind, OTHER)
        mark(axes, 100 * r.weight, r.estimate, shape, COLOURS[colour], hollow=True, size=7.5)
    _name_points(sheet, rows, result.twfe)
    told = [f"{_name(r)} ({clean(r.kind)}): {numbers.write(r.estimate)}, weight {_percent(r.weight)}."
            for r in sorted(rows, key=lambda r: -r.weight)]
    return sheet.figure, " ".join([
        f"Scatter of the two-by-two comparisons behind a coefficient on {outcome}: estimate against weight.", *lead,
        enumerated([*(text[:1].upper() + text[1:] + "." for _, text in kinds), *told])])


def _kinds(rows: Sequence[Comparison], numbers: Numbers) -> list[tuple[str, str]]:
    """Each kind of comparison with its share and average, in words."""
    out = []
    for kind in dict.fromkeys(r.kind for r in rows):
        mine = [r for r in rows if r.kind == kind]
        total = sum(r.weight for r in mine)
        mean = sum(r.weight * r.estimate for r in mine) / total if total else mine[0].estimate
        against = " (compared with units already treated)" if mine[0].forbidden else ""
        out.append((kind, f"{clean(kind)}{against}: {_percent(total)} of the weight, average {numbers.write(mean)}"))
    return out


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.1 or not share else f"{100 * share:.2g}%"


def _name(r: Comparison) -> str:
    return f"{clean(r.treated)} v {clean(r.comparison)}"


def _name_points(sheet: Sheet, rows: Sequence[Comparison], line: float) -> None:
    """Name the points beside them, heaviest first, where there is room."""
    axes, (wide, tall), low = sheet.axes, sheet.inches(), sheet.axes.get_ylim()[0]
    spots = [(100 * r.weight / sheet.across(1.0), (r.estimate - low) / sheet.up(1.0)) for r in rows]
    at = (line - low) / sheet.up(1.0)
    taken = [(0.0, at - 0.03, wide, at + 0.03), *((x - 0.08, y - 0.08, x + 0.08, y + 0.08) for x, y in spots)]
    for k in sorted(range(len(rows)), key=lambda k: -rows[k].weight):
        (x, y), half = spots[k], measure(_name(rows[k]), SMALL) / 2
        for dx, dy in ((half + 0.12, 0.0), (-half - 0.12, 0.0), (0.0, 0.17), (0.0, -0.17)):
            here = (x + dx - half, y + dy - 0.075, x + dx + half, y + dy + 0.075)
            inside = here[0] > 0 and here[2] < wide and here[1] > 0 and here[3] < tall
            if inside and not any(_meet(here, other) for other in taken):
                taken.append(here)
                write(axes, sheet.across(x + dx), low + sheet.up(y + dy), _name(rows[k]), size=SMALL, across="center",
                      halo=True)
                break


def _meet(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]

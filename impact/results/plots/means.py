"""Raw means of groups over time, each line named at its end and thick since its treatment began."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impact.results.palette import COLOURS
from impact.results.plots.charts import SIDES, below_axis, flanks, left_room, value_axis
from impact.results.plots.panels import order
from impact.results.plots.sheet import (
    MARGIN,
    SMALL,
    Glyph,
    Layout,
    Numbers,
    Sheet,
    clean,
    mark,
    measure,
    stroke,
    ticks,
    wrap,
    write,
)
from impact.results.plots.wording import enumerated, is_number
from impact.study.types import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from impact.results.evaluation import Evaluation, TrendPoint

TREATED = (("navy", "o"), ("teal", "D"), ("amber", "^"), ("red", "v"))
ROUNDS = ["before", "after"]  # the two rounds of a trial
THIN, THICK = 1.3, 3.0  # points: before treatment, since
APART, WIDEST = 0.36, 1.7  # inches: between names, of a name
MOST_NAMES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """One line: its name, points by place on the axis, where its treatment begins, and how it is drawn."""

    name: str
    points: dict[float, TrendPoint]
    start: float | None
    colour: str
    shape: str

    @property
    def sizes(self) -> str:
        n = [p.n for p in self.points.values()]
        return f"n {min(n):,}" + (f" to {max(n):,}" if max(n) > min(n) else "")


def trends(evaluation: Evaluation, outcome: str | None = None) -> tuple[Figure, str]:
    """Draw the raw means of each group of one outcome over the periods."""
    name = chosen(evaluation, outcome)
    points = [p for p in evaluation.trends if p.outcome == name]
    places = _places([p.period for p in points])
    groups, values = _groups(points, places), [p.mean for p in points]
    room = 0.08 * (max(values) - min(values)) or max(1.0, 0.1 * abs(values[0]))
    limits = (min(values) - room, max(values) + room)
    marks, starts = ticks(*limits, sign=False), {g.start for g in groups if g.start is not None}
    declared = next((o for o in evaluation.study.outcomes if o.name == name), None)
    label, unit = clean(words(declared.label) if declared else name), clean(words(declared.unit) if declared else "its "
                                                                            "unit")
    side = max(max(measure(wrap(g.name, WIDEST, SMALL, bold=True, most=1)[0], SMALL, bold=True), measure(g.sizes, 7.5))
               for g in groups)
    sheet = Sheet(f"{label}: means by group over time", [], Layout(
        left=left_room(marks), right=MARGIN + side + 0.15, panel=max(3.0, (APART + 0.06) * len(groups)),
        above=0.24 if len(starts) == 1 else 0.0), axis=f"{label}, {unit}", key=_key(groups, places),
        along="" if list(places) == ROUNDS else clean(evaluation.study.design.time or ""), notes=[
            "Raw means of all rows with a value: nothing is adjusted." + (
                "" if limits[0] <= 0 <= limits[1] else " The upright axis does not begin at zero.")])
    at = sorted(places.values())
    gap = min((b - a for a, b in itertools.pairwise(at)), default=1.0)
    value_axis(sheet, limits, marks, (at[0] - 0.3 * gap, at[-1] + 0.3 * gap))
    for k, (period, x) in enumerate(reversed(places.items())):
        if k % -(-len(places) // MOST_NAMES) == 0:
            below_axis(sheet, x, period)
    if len(starts) == 1:
        flanks(sheet, next(iter(starts)), SIDES)
    for g in groups:
        _line(sheet.axes, g, at)
    _names(sheet, groups)
    numbers = Numbers(values)
    told = [f"{clean(g.name)}: " + ", ".join(f"{clean(p.period)} {numbers.write(p.mean, sign=False)} (n {p.n:,})"
                                             for p in g.points.values()) + "." for g in groups]
    return sheet.figure, " ".join([f"Line chart of raw means of {label}, {unit}, by group over time.", enumerated(told)])


def chosen(evaluation: Evaluation, outcome: str | None) -> str:
    """Choose the outcome to draw: the one named, else the first primary with means."""
    have = list(dict.fromkeys(p.outcome for p in evaluation.trends))
    if not have:
        raise ValueError("the record holds no means by group and period: there is nothing to draw")
    if outcome is None:
        return next((o.name for o in evaluation.study.primaries if o.name in have), have[0])
    if outcome not in have:
        raise ValueError(f"outcome must be one of {', '.join(have)}, which have means in the record, not {outcome!r}")
    return outcome


def _places(periods: Sequence[str]) -> dict[str, float]:
    """Give periods their places on the axis: their numbers, or their turn where they are words."""
    named = list(dict.fromkeys(periods))
    if all(map(is_number, named)):
        return {t: float(t) for t in sorted(named, key=order)}
    return {t: float(k) for k, t in enumerate(named)}


def _groups(points: Sequence[TrendPoint], places: dict[str, float]) -> list[_Group]:
    """Gather the lines: treated groups by their start, the comparison last."""
    names = sorted(dict.fromkeys(p.group for p in points), key=lambda g: (_untreated(g), order(_start(g) or ""), g))
    out = []
    for k, name in enumerate(names):
        turn = k // len(TREATED)  # colours and shapes go out of step, so that no two lines look alike
        colour, shape = (TREATED[(k + turn) % 4][0], TREATED[k % 4][1]) if not _untreated(name) else ("mute", "s")
        mine = sorted((p for p in points if p.group == name), key=lambda p: places[p.period])
        out.append(_Group(name=name, points={places[p.period]: p for p in mine}, start=_begins(name, places), colour=colour,
                          shape=shape))
    return out


def _untreated(group: str) -> bool:
    return group == "comparison" or group.startswith("never")


def _start(group: str) -> str | None:
    """Read the first treated period from a group's name."""
    found = re.fullmatch(r"first treated (-?\d+(?:\.\d+)?)", group)
    return found[1] if found else None


def _begins(group: str, places: dict[str, float]) -> float | None:
    """Place of a group's start: between the last period before it and the first since, where both are seen."""
    if list(places) == ROUNDS:
        return 0.5 if group == "treated" else None
    first = _start(group)
    early = [x for x in places.values() if first is not None and x < float(first)]
    late = [x for x in places.values() if first is not None and x >= float(first)]
    return (early[-1] + late[0]) / 2 if early and late else None


def _key(groups: Sequence[_Group], places: dict[str, float]) -> list[tuple[Glyph, str]]:
    if len(places) < 2 or all(g.start is None for g in groups):
        return []

    def stretch(width: float) -> Glyph:
        return lambda axes, x, y: stroke(axes, [x - 0.09, x + 0.09], [y, y], COLOURS["ink"], width)

    return [(stretch(THICK), "since first treatment"), (stretch(THIN), "before it, or never treated")]


def _line(axes: Axes, group: _Group, at: Sequence[float]) -> None:
    """Draw a line, broken where a period has no mean, thick from the start of treatment on."""
    colour, start = COLOURS[group.colour], group.start
    for a, b in itertools.pairwise(at):
        if a not in group.points or b not in group.points:
            continue
        y, z = group.points[a].mean, group.points[b].mean
        if start is not None and a < start < b:
            middle = y + (start - a) / (b - a) * (z - y)
            stroke(axes, [a, start], [y, middle], colour, THIN)
            stroke(axes, [start, b], [middle, z], colour, THICK)
        else:
            stroke(axes, [a, b], [y, z], colour, THICK if start is not None and a > start else THIN)
    for x, p in group.points.items():
        mark(axes, x, p.mean, group.shape, colour, hollow=False, size=5.5)


def _names(sheet: Sheet, groups: Sequence[_Group]) -> None:
    """Name the lines at their ends, pushed apart where names would lie on each other."""
    axes, right, (_, top) = sheet.axes, sheet.axes.get_xlim()[1], sheet.axes.get_ylim()
    ends = [list(g.points.items())[-1] for g in groups]
    down = apart([(top - p.mean) / sheet.up(1.0) for _, p in ends], APART, sheet.inches()[1])
    for g, (x, p), place in zip(groups, ends, down, strict=True):
        y = top - sheet.up(place)
        stroke(axes, [x, right, right + sheet.across(0.08)], [p.mean, p.mean, y], COLOURS["line"], 0.8, order=1)
        write(axes, right + sheet.across(0.12), y + sheet.up(0.075), wrap(g.name, WIDEST, SMALL, bold=True, most=1)[0],
              size=SMALL, bold=True, colour=g.colour)
        write(axes, right + sheet.across(0.12), y - sheet.up(0.075), g.sizes, size=7.5, colour="mute")


def apart(places: Sequence[float], height: float, room: float) -> list[float]:
    """Push labels apart by as little as it takes, keeping their order and, where there is room, inside the panel."""
    turn = sorted(range(len(places)), key=lambda i: places[i])
    blocks: list[tuple[float, int]] = []  # neighbours that touch move as one: mean place of their first label, and count
    for k, i in enumerate(turn):
        start, count = places[i] - k * height, 1
        while blocks and blocks[-1][0] > start:
            other, more = blocks.pop()
            start, count = (start * count + other * more) / (count + more), count + more
        blocks.append((start, count))
    starts = [start for start, count in blocks for _ in range(count)]
    last = room - (len(places) - 1) * height
    moved = [0.0] * len(places)
    for k, i in enumerate(turn):
        moved[i] = max(0.0, min(starts[k], last)) + k * height
    return moved

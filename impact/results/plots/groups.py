"""Plots of two groups side by side: how far apart on each trait, and how far their chances of taking part overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from impact.results.palette import COLOURS
from impact.results.plots.charts import BESIDE, below_axis, beside, block, left_room, middles, sign
from impact.results.plots.sheet import (
    MARGIN,
    SMALL,
    WHITE,
    Glyph,
    Layout,
    Sheet,
    box,
    clean,
    mark,
    measure,
    stroke,
    ticks,
    wrap,
    write,
)
from impact.results.plots.wording import enumerated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from impact.results.balance import BalanceRow, BalanceTable

LIMITS = ((0.10, "0.1"), (0.25, "0.25"))  # Austin (2009); Imbens & Rubin (2015, section 14.2)
LONGEST_NAME = 2.6  # inches
DENOMINATORS = {"treated": "standard deviations of the treated",
                "comparison": "standard deviations of the comparison units", "pooled": "standard deviations, pooled"}
FAR = 2.0  # differences beyond are drawn as arrows: what matters lies near the limits
BINS = 36
CHANCES = ((1e-6, "1 in a million"), (1e-5, "0.001%"), (1e-4, "0.01%"), (0.001, "0.1%"), (0.01, "1%"), (0.05, "5%"),
           (0.2, "20%"), (0.5, "50%"), (0.8, "80%"), (0.95, "95%"), (0.99, "99%"), (0.999, "99.9%"), (0.9999, "99.99%"))
NEAREST = 1e-7  # chances nearer to 0 or 1 are drawn here
ARMS = ((1, "treated", "navy"), (0, "comparison", "teal"))


# ---- how far apart on each trait -------------------------------------------------------------------------------------
def love(table: BalanceTable) -> tuple[Figure, str]:
    """Draw absolute standardised differences, the largest before first; the prognostic score stands last."""
    rows = sorted(table.rows, key=lambda r: (r.covariate.startswith("prognostic score ("), -abs(r.before.smd or 0.0)))
    names = [clean(r.label) for r in rows]
    wide = min(LONGEST_NAME, max(measure(name) for name in names) + 0.05)
    left = [wrap(name, wide, most=2) for name in names]
    right = [_move(r) for r in rows]
    aside = max(measure(text, SMALL) for text in (*right, "before → after"))
    heights = [0.1 + BESIDE * len(lines) for lines in left]
    after = [abs(r.after.smd) for r in rows if r.after is not None and r.after.smd is not None]
    top = max([0.3, *after, *(min(abs(r.before.smd), FAR) for r in rows if r.before.smd is not None)])
    layout = Layout(width=max(7.2, 2 * MARGIN + wide + aside + 3.2), panel=sum(heights), left=MARGIN + wide + 0.2,
                    above=0.24, right=MARGIN + aside + 0.25)
    sheet = Sheet("How alike the groups are, trait by trait", _love_lead(table), layout,
                  along=f"Absolute difference of means, {DENOMINATORS[table.denominator]}"
                  + (" before weighting" if table.weighted else ""), key=_love_key(table), notes=_love_notes(rows))
    axes, total = sheet.axes, sum(heights)
    axes.set(xlim=(0.0, 1.04 * top), ylim=(total, 0))
    for value, text in ticks(0.0, 1.04 * top, most=5, sign=False):
        zero = value == 0
        stroke(axes, [value, value], [0, total], COLOURS["mute" if zero else "line"], 1.1 if zero else 0.6, order=1)
        below_axis(sheet, value, text)
    _draw_limits(sheet, table, total)
    y = 0.0
    for height in heights[:-1]:
        y += height
        stroke(sheet.page, [MARGIN, sheet.width - MARGIN], [sheet.top + y] * 2, COLOURS["tint"], 0.8, order=0)
    write(sheet.page, sheet.width - MARGIN, sheet.top - 0.1, "before → after" if table.weighted else "difference",
          size=SMALL, colour="mute", across="right")
    for row, middle, lines, told in zip(rows, middles(heights), left, right, strict=True):
        beside(sheet, MARGIN, middle, lines)
        beside(sheet, sheet.width - MARGIN, middle, [told], size=SMALL, across="right")
        _draw_row(sheet, row, middle, weighted=table.weighted)
    return sheet.figure, " ".join(["Love plot: standardised differences of treated and comparison units, "
                                   f"in {DENOMINATORS[table.denominator]}.", *_love_lead(table), enumerated(
                                       [f"{name}: {text}." for name, text in zip(names, map(_move, rows), strict=True)])])


def _love_lead(table: BalanceTable) -> list[str]:
    """Count the traits within the limits, before and after."""
    known = [r for r in table.rows if r.now.smd is not None]
    size = f"{table.n_treated:,} treated and {table.n_comparison:,} comparison units"
    if not table.weighted:
        worst = max(known, key=lambda r: abs(r.now.smd or 0.0), default=None)
        return [size + (f"; furthest apart: {clean(worst.label)}, {_signed(worst.now.smd)}." if worst is not None else ".")]
    near = [sum(g.smd is not None and abs(g.smd) <= LIMITS[0][0] for g in gaps)
            for gaps in ([r.before for r in table.rows], [r.now for r in table.rows])]
    lead = [f"{near[1]} of {len(table.rows)} traits lie within 0.1 after, {near[0]} before; {size}, worth "
            f"{table.effective_treated or 0:,.0f} and {table.effective_comparison or 0:,.0f} of equal weight after."]
    beyond = [clean(r.label) for r in known if abs(r.now.smd or 0.0) > LIMITS[1][0]]
    if beyond:
        more = f" and {len(beyond) - 4} more" if len(beyond) > 4 else ""
        lead.append(f"Beyond 0.25 after: {', '.join(beyond[:4])}{more}.")
    return lead


def _love_key(table: BalanceTable) -> list[tuple[Glyph, str]]:
    far = any(abs(r.before.smd or 0.0) > FAR for r in table.rows)
    before = (sign("o", "mute", hollow=True), ("before" if table.weighted else "as they are")
              + (" (an arrow: further than shown)" if far else ""))
    after = [(sign("o", "navy"), "after"), (sign("D", "red"), "after, beyond 0.1")] if table.weighted else []
    return [before, *after]


def _love_notes(rows: Sequence[BalanceRow]) -> list[str]:
    gone = [f"{clean(r.label)}: {r.reason}." for r in rows if r.reason]
    empty = {r.covariate: r.n_missing for r in rows if r.n_missing}
    told = ", ".join(f"{clean(name)} ({count})" for name, count in empty.items())
    return [*gone[:3], *([f"Empty cells are a level of their own: {told}."] if empty else [])]


def _draw_limits(sheet: Sheet, table: BalanceTable, total: float) -> None:
    if not table.weighted:
        return
    room = LIMITS[1][0] - LIMITS[0][0] > sheet.across(0.34)
    for value, text in LIMITS:
        stroke(sheet.axes, [value, value], [-0.02, total], COLOURS["amber"], 1.1, style=(0, (3, 2)), order=2)
        if room or value != LIMITS[0][0]:
            write(sheet.axes, value, -0.1, text if room else "0.1 · 0.25", size=SMALL, colour="amber", across="center")


def _draw_row(sheet: Sheet, row: BalanceRow, middle: float, *, weighted: bool) -> None:
    axes, before = sheet.axes, row.before.smd
    after = row.after.smd if row.after is not None else None
    edge = axes.get_xlim()[1]
    if before is not None and after is not None:
        stroke(axes, sorted((min(abs(before), edge), abs(after))), [middle, middle], COLOURS["line"], 1.6, order=3)
    if before is not None:
        beyond = abs(before) > edge
        mark(axes, min(abs(before), edge), middle, ">" if beyond else "o", COLOURS["mute"], hollow=True, size=6.2)
    if weighted and after is not None:
        far = abs(after) > LIMITS[0][0]
        mark(axes, abs(after), middle, "D" if far else "o", COLOURS["red" if far else "navy"], hollow=False,
             size=5.4 if far else 6.2)


def _move(row: BalanceRow) -> str:
    before = _signed(row.before.smd)
    return before if row.after is None else f"{before} → {_signed(row.after.smd)}"


def _signed(x: float | None) -> str:
    if x is None:
        return "none"
    text = f"{abs(x):.2f}"
    return text if not float(text) else ("−" if x < 0 else "+") + text


# ---- chances of taking part ------------------------------------------------------------------------------------------
def overlap(score: Sequence[float], treated: Sequence[float], weights: Sequence[float], *, treatment: str, made: bool,
            lost: Sequence[tuple[int, str]]) -> tuple[Figure, str]:
    """Draw the two groups' chances of taking part back to back, on a scale that parts small chances and large ones."""
    odds = [_log_odds(p) for p in score]
    arms = {arm: [k for k, d in enumerate(treated) if d == arm] for arm, _, _ in ARMS}
    ends = {arm: (min(score[k] for k in own), max(score[k] for k in own)) for arm, own in arms.items()}
    out = {arm: [k for k in own if not ends[1 - arm][0] <= score[k] <= ends[1 - arm][1]] for arm, own in arms.items()}
    low, high = min(odds), max(odds)
    low, high = (low, high) if high - low > 1e-6 else (low - 0.5, high + 0.5)
    step = (high - low) / BINS
    bars = {arm: _bars(own, set(out[arm]), odds, weights, low, step) for arm, own in arms.items()}
    tall = {arm: max((max(whole, after) for _, whole, after, _ in found), default=0.0) for arm, found in bars.items()}
    lead, notes = _overlap_lead(arms, out), _overlap_notes(made, lost)
    marks = _share_marks(tall)
    key = [(block(WHITE, COLOURS["ink"], 1.2), "all units"), *(
        (block(paler(COLOURS[colour]), "none"), f"{name}, weighted") for _, name, colour in ARMS),
           *([(block(COLOURS["sand"], COLOURS["amber"], 1.2), "beyond every unit of the other side")]
             if any(out.values()) else [])]
    sheet = Sheet(f"Chance of taking part ({clean(treatment)}) in both groups", lead,
                  Layout(left=left_room([(v, t) for v, t in marks]), panel=3.4, above=0.05),
                  axis="Share of each group's units, or of its weight, per cent", along="Chance of taking part, estimated "
                  "(log odds scale)", key=key, notes=notes)
    axes = sheet.axes
    axes.set(xlim=(low - 0.5 * step, high + 0.5 * step), ylim=(-1.12 * tall[0], 1.12 * tall[1]))
    for value, text in marks:
        stroke(axes, axes.get_xlim(), [value, value], COLOURS["line"], 0.6, order=1)
        write(axes, axes.get_xlim()[0] - sheet.across(0.08), value, text, colour="mute", across="right")
    _draw_chances(sheet)
    for arm, name, colour in ARMS:
        for place, whole, after, beyond in bars[arm]:
            _draw_bar(sheet, place, step, (whole, after, beyond), colour, 1 if arm else -1)
        write(axes, axes.get_xlim()[0] + sheet.across(0.06), (1.12 * tall[1] - sheet.up(0.1)) if arm else (
            -1.12 * tall[0] + sheet.up(0.1)), name, colour=colour, bold=True, halo=True)
    stroke(axes, axes.get_xlim(), [0, 0], COLOURS["ink"], 1.1, order=5)
    return sheet.figure, " ".join(["Chances of taking part in both groups, back to back.", *lead, *(
        f"{name.capitalize()}: from {_percent(ends[arm][0])} to {_percent(ends[arm][1])}, middle "
        f"{_percent(sorted(score[k] for k in arms[arm])[len(arms[arm]) // 2])}." for arm, name, _ in ARMS), *notes])


def paler(colour: str) -> str:
    """Mix a colour with white, so that an outline shows on it."""
    return "#" + "".join(f"{round(255 - 0.7 * (255 - int(colour[k:k + 2], 16))):02X}" for k in (1, 3, 5))


def _log_odds(p: float) -> float:
    inside = min(max(p, NEAREST), 1.0 - NEAREST)
    return math.log(inside / (1.0 - inside))


def _bars(own: Sequence[int], out: set[int], odds: Sequence[float], weights: Sequence[float], low: float,
          step: float) -> list[tuple[float, float, float, float]]:
    """Left edge, share of units, share of weight and share of units beyond support of each bin, in per cent."""
    total = sum(max(weights[k], 0.0) for k in own) or 1.0
    bins: dict[int, list[int]] = {}
    for k in own:
        bins.setdefault(min(int((odds[k] - low) / step), BINS - 1), []).append(k)
    unit = 100.0 / len(own) if own else 0.0
    return [(low + b * step, unit * len(inside), sum(100.0 * max(weights[k], 0.0) / total for k in inside),
             unit * len(out.intersection(inside))) for b, inside in sorted(bins.items())]


def _share_marks(tall: dict[int, float]) -> list[tuple[float, str]]:
    """Marks of the upright axis: shares above and below zero, both written without a sign."""
    top = max(tall.values())
    step = ticks(0.0, top, most=3, sign=False)
    return [*((v, f"{t}%") for v, t in step if v <= 1.1 * tall[1]),
            *((-v, f"{t}%") for v, t in step if 0 < v <= 1.1 * tall[0])]


def _draw_chances(sheet: Sheet) -> None:
    """Write the chances below the panel, those that have room."""
    low, high = sheet.axes.get_xlim()
    taken = -math.inf
    places = [(_log_odds(p), text) for p, text in CHANCES]
    inside = [(x, text) for x, text in places if low <= x <= high]
    if len(inside) < 2:  # a narrow range: its own ends
        inside = [(x, _percent(1 / (1 + math.exp(-x)))) for x in (low, (low + high) / 2, high)]
    for x, text in inside:
        half = sheet.across(measure(text) / 2 + 0.06)
        if x - half >= taken:
            stroke(sheet.axes, [x, x], sheet.axes.get_ylim(), COLOURS["tint"], 0.8, order=0.5)
            below_axis(sheet, x, text)
            taken = x + half


def _draw_bar(sheet: Sheet, place: float, step: float, shares: tuple[float, float, float], colour: str, side: int) -> None:
    """Draw the weighted share filled, all units outlined over it, and units beyond support at the outline's foot."""
    whole, after, beyond = shares
    left, wide = place + 0.08 * step, 0.84 * step

    def draw(tall: float, fill: str, edge: str, line: float, order: float, start: float = 0.0) -> None:
        if tall > 0:
            foot = start if side > 0 else -(start + tall)
            box(sheet.axes, left, foot, wide, tall, fill=fill, edge=edge, line=line, order=order)

    draw(beyond, COLOURS["sand"], "none", 0.0, 2.0)
    draw(after, paler(COLOURS[colour]), "none", 0.0, 2.2)
    draw(whole - beyond, "none", COLOURS["ink"], 1.0, 3.0, beyond)
    draw(beyond, "none", COLOURS["amber"], 1.4, 3.2)


def _overlap_lead(arms: dict[int, list[int]], out: dict[int, list[int]]) -> list[str]:
    if not any(out.values()):
        return ["Every unit's chance lies within the range of the other side."]
    parts = [f"{len(out[arm]):,} of {len(arms[arm]):,} {name}" for arm, name, _ in ARMS]
    return [f"{' and '.join(parts)} units have a chance beyond that of every unit of the other side."]


def _overlap_notes(made: bool, lost: Sequence[tuple[int, str]]) -> list[str]:
    notes = [f"Left out, {count:,}: {clean(text)}." for count, text in lost]
    if made:
        notes.append("The comparison itself uses no score: this one is a logit of its covariates, made for the picture "
                     "alone.")
    return notes[:5]


def _percent(p: float) -> str:
    return "below 0.0001%" if p < 1e-6 else f"{100 * p:.3g}%" if p < 0.9995 else "above 99.95%"

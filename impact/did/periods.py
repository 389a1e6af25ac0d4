"""The calendar of a panel: how long one period is, whether periods since treatment can be counted, and seasons."""

from __future__ import annotations

import math

import numpy as np

from impact.data.frame import listed
from impact.data.panel import EVEN, spacing
from impact.errors import DesignError, Problem
from impact.inference.intervals import is_number
from impact.inference.linear import Array
from impact.results import Caveat

MOST_SEASONS = 366
MOST_OF_A_YEAR = 4  # quarters: with more numbered periods a season can be kept, and is said where it is not
FIRST_YEAR, LAST_YEAR = 1900, 2100  # whole numbers within them are years
CURE = "Number the periods 1, 2, 3 … in order of time, and first_treated by the same numbers."


def uneven(periods: Array, first: Array, time: str, first_treated: str) -> Problem | None:
    """Say why periods since treatment cannot be counted: uneven periods, or starts that lie between two periods.

    Parameters
    ----------
    periods : sorted. first : first treated periods, infinity where never. time, first_treated : columns' names.
    """
    steps = np.diff(periods)
    if len(steps) and float(steps.max() - steps.min()) > EVEN * float(steps.max()):
        return _not_even(periods, time, "periods since treatment cannot be counted")
    return miscoded(periods, time) or between(periods, first, first_treated)


def miscoded(periods: Array, time: str) -> Problem | None:
    """Say that periods are numbers on no even scale; a period without a survey is no such thing."""
    part = _year_and_part(periods)
    if part:
        cycle = {"month": 12, "quarter": 4}[part]
        return _not_even(periods, time, f"they look like a year and its {part}, which jump from one year to the next",
                         f" Say season={cycle} to group_time_att then, which keeps each {part} with its like; other "
                         "methods compare across seasons.")
    if spacing(periods) is None:
        return _not_even(periods, time, "their steps are no multiples of the shortest one")
    return None


def between(periods: Array, first: Array, first_treated: str) -> Problem | None:
    """Say that starts lie between two periods."""
    starts = np.unique(first[np.isfinite(first)])
    inside = starts[(starts > periods.min()) & (starts <= periods.max())] if len(periods) else starts[:0]
    lost = [t for t in inside if np.abs(periods - t).min() > EVEN * (spacing(periods) or 1.0)]
    if not lost:
        return None
    return Problem(where=f"column '{first_treated}'", what=f"it names {listed(f'{t:.12g}' for t in lost)}, and no unit is "
                   "measured then", cure="Name the first measured period in which the unit was treated.")


def _not_even(periods: Array, time: str, why: str, more: str = "") -> Problem:
    return Problem(where=f"column '{time}'", what="its periods are not evenly coded "
                   f"({listed(f'{t:.12g}' for t in periods)}): {why}", cure=CURE + more)


def _year_and_part(periods: Array) -> str:
    """Tell 202012, 202101 (year and month) or 20204, 20211 (year and quarter) by their digits; else say nothing."""
    for width, most, part in ((100, 12, "month"), (10, 4, "quarter")):
        years, rest = np.divmod(periods, width)
        plausible = (years >= FIRST_YEAR) & (years <= LAST_YEAR) & (rest >= 1) & (rest <= most)
        if bool(plausible.all()) and min(len(np.unique(years)), len(np.unique(rest))) > 1:
            return part
    return ""


def check_anticipation(anticipation: float, periods: Array, first: Array, step: float) -> None:
    """Refuse anticipation that is no whole number of periods, or leaves no cohort a period before it."""
    if not is_number(anticipation) or not 0 <= anticipation < math.inf or anticipation != int(anticipation):
        raise ValueError("anticipation must be zero or a whole number of periods (1, 2, …) before treatment, not "
                         f"{anticipation!r}")
    if not anticipation:
        return
    seen = first[(first > periods[0]) & (first <= periods[-1])]
    most = round((float(seen.max()) - float(periods[0])) / step) - 1 if len(seen) else 0
    if anticipation > most:
        raise DesignError(Problem(
            where="anticipation", what=f"with {anticipation:g} periods of anticipation no treated unit has a period before "
            "it", cure=f"Values possible here: 0 to {max(most, 0)}, in periods of {step:.9g} of the time column."),
            source="design")


def calendar_caveats(periods: Array, step: float, time: str, season: int | None) -> list[Caveat]:
    """Say how long a period is where it is not 1, that periods are missing, that seasons are mixed or not declared."""
    out = []
    if not math.isclose(step, 1.0, rel_tol=EVEN):
        out.append(Caveat(code="calendar", text=f"One period is {step:.9g} of '{time}', as the data are spaced: periods "
                          "since treatment, anticipation, windows and references count periods of that length.",
                          values=(("step", step),)))
    steps = np.diff(periods)
    if len(steps) > 1 and not np.allclose(steps, steps[0]):
        out.append(Caveat(code="uneven_periods", text=f"Periods are not evenly spaced "
                          f"({listed(f'{t:.12g}' for t in periods)}): a step before treatment is not always equally long.",
                          values=(("periods", len(periods)),)))
    cycle = round(1 / step) if step < 1 else 1
    if season is None and 1 < cycle <= MOST_SEASONS and math.isclose(cycle * step, 1.0, rel_tol=EVEN):
        out.append(Caveat(code="seasons_mixed", text=f"There are {cycle} periods to one unit of '{time}', and periods are "
                          "compared with those of other seasons: a season that treated units feel more than others is part "
                          f"of the number. group_time_att keeps the season with season={cycle}.",
                          values=(("seasons", cycle),)))
    elif season is None and _numbered(periods):
        out.append(Caveat(code="season_not_declared", text=f"'{time}' numbers its {len(periods)} periods one by one, and "
                          "no season is declared: each is compared with earlier ones of whatever season. If they are "
                          "quarters or months, a season that treated units feel more than others is part of the number; "
                          "group_time_att keeps it with season=4 or season=12. If they are years, write them as years.",
                          values=(("periods", len(periods)),)))
    return out


def _numbered(periods: Array) -> bool:
    """Whether more equal periods than a year has quarters are counted by whole numbers that are no years."""
    steps = np.diff(periods)
    return bool(len(periods) > MOST_OF_A_YEAR and np.allclose(steps, steps[0]) and (periods == np.round(periods)).all()
                and not ((periods >= FIRST_YEAR) & (periods <= LAST_YEAR)).all())


def between_seasons(before: float, after: float, time: str, periods: Array) -> list[Caveat]:
    """Say that two of the periods lie in different parts of the year, where whole numbers are years, or may do so."""
    apart = abs(after - before)
    if _numbered(periods) and abs(apart / 12 - round(apart / 12)) > EVEN:
        return [Caveat(code="season_not_declared", text=f"'{time}' numbers its {len(periods)} periods one by one: "
                       f"{before:.12g} and {after:.12g} may be of different seasons. If they are quarters or months, a "
                       "season that treated units feel more than others is part of the number; compare periods of one "
                       "season. If they are years, write them as years.", values=(("periods", len(periods)),))]
    if apart <= EVEN or abs(apart - round(apart)) <= EVEN:
        return []
    return [Caveat(code="seasons_mixed", text=f"{before:.12g} and {after:.12g} lie {apart:.12g} of '{time}' apart: if "
                   "whole numbers are years, seasons differ, and one that treated units feel more than "
                   "others is part of the number.", values=(("apart", apart),))]

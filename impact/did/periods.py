"""The calendar of a panel: how long one period is, whether periods since treatment can be counted, and seasons."""

from __future__ import annotations

import math

import numpy as np

from impact.data.frame import listed
from impact.errors import DesignError, Problem
from impact.inference.linear import Array
from impact.results import Caveat

EVEN = 1e-6  # relative; steps between periods this near to each other, or to a whole multiple, are the same
MOST_SEASONS = 366
TINY = 1e-7  # of the whole span
CURE = "Number the periods 1, 2, 3 … in order of time, and first_treated by the same numbers."


def spacing(periods: Array) -> float | None:
    """Length of one period: the longest of which every step between sorted periods is a whole multiple.

    For fractions only the shortest step is tried: None where it is not one. 1 where there is one period.
    """
    steps = np.diff(periods)
    if not len(steps):
        return 1.0
    if bool((steps == np.round(steps)).all()):
        return float(np.gcd.reduce(steps.astype(np.int64)))
    least = float(steps.min())
    times = steps / least
    if least < TINY * float(periods[-1] - periods[0]):  # two ways to write one period, not two periods
        return None
    return least if bool((np.abs(times - np.round(times)) <= EVEN * times).all()) else None


def uneven(periods: Array, first: Array, time: str, first_treated: str, *, gaps: bool = False) -> Problem | None:
    """Say why periods since treatment cannot be counted: uneven periods, or starts that lie between two periods.

    Parameters
    ----------
    periods : sorted. first : first treated periods, infinity where never. time, first_treated : columns' names.
    gaps : whether periods may be missing in between, as where no survey was held.
    """
    steps = np.diff(periods)
    even = spacing(periods) is not None and (gaps or not len(steps) or float(steps.max() - steps.min()) <= EVEN * float(
        steps.max()))
    if not even:
        return Problem(where=f"column '{time}'", what="its periods are not evenly coded "
                       f"({listed(f'{t:.12g}' for t in periods)}): periods since treatment cannot be counted", cure=CURE)
    jump = _year_and_part(periods)
    if jump:
        return Problem(where=f"column '{time}'", what=f"its periods are not evenly coded ("
                       f"{listed(f'{t:.12g}' for t in periods)}): they look like a year and its {jump}, which jump from "
                       "one year to the next", cure=CURE)
    starts = np.unique(first[np.isfinite(first)])
    inside = starts[(starts > periods.min()) & (starts <= periods.max())] if len(periods) else starts[:0]
    between = [t for t in inside if np.abs(periods - t).min() > EVEN * (spacing(periods) or 1.0)]
    if between:
        return Problem(where=f"column '{first_treated}'", what=f"it names {listed(f'{t:.12g}' for t in between)}, and no "
                       "unit is measured then", cure="Name the first measured period in which the unit was treated.")
    return None


def _year_and_part(periods: Array) -> str:
    """Tell 202012, 202101 (year and month) or 20204, 20211 (year and quarter) by their digits; else say nothing."""
    for width, most, part in ((100, 12, "month"), (10, 4, "quarter")):
        years, rest = np.divmod(periods, width)
        plausible = (years >= 1900) & (years <= 2100) & (rest >= 1) & (rest <= most)
        if bool(plausible.all()) and min(len(np.unique(years)), len(np.unique(rest))) > 1:
            return part
    return ""


def check_anticipation(anticipation: float, periods: Array, first: Array, step: float) -> None:
    """Refuse anticipation that is no whole number of periods, or leaves no cohort a period before it."""
    if isinstance(anticipation, bool) or not 0 <= anticipation < math.inf or anticipation != int(anticipation):
        raise ValueError("anticipation must be zero or a whole number of periods (1, 2, …) before treatment, not "
                         f"{anticipation!r}")
    if not anticipation:
        return
    seen = first[(first > periods[0]) & (first <= periods[-1])]
    most = round((float(seen.max()) - float(periods[0])) / step) - 1 if len(seen) else 0
    if anticipation > most:
        raise DesignError(Problem(
            where="anticipation", what=f"with {anticipation:g} periods of anticipation no treated unit has a period before "
            "it", cure=f"Values possible here: 0 to {max(most, 0)}, in periods of {step:.12g} of the time column."),
            source="design")


def calendar_caveats(periods: Array, step: float, time: str, season: int | None) -> list[Caveat]:
    """Say how long a period is where it is not 1, that periods are missing, and that seasons are mixed."""
    out = []
    if not math.isclose(step, 1.0, rel_tol=EVEN):
        out.append(Caveat(code="calendar", text=f"One period is {step:.12g} of '{time}', as the data are spaced: periods "
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
    return out


def between_seasons(before: float, after: float, time: str) -> list[Caveat]:
    """Say that two periods lie in different parts of the year, where whole numbers are years."""
    apart = abs(after - before)
    if apart <= EVEN or abs(apart - round(apart)) <= EVEN:
        return []
    return [Caveat(code="seasons_mixed", text=f"{before:.12g} and {after:.12g} lie {apart:.12g} of '{time}' apart: if whole "
                   "numbers are years, different seasons are compared, and a season that treated units feel more than "
                   "others is part of the number.", values=(("apart", apart),))]

"""Panels: units followed over periods, when each was first treated, and what must hold before any regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impact.data.arguments import check_roles
from impact.data.frame import Selection, check_columns, counted, listed, require_columns, rows_text
from impact.data.privacy import speakable
from impact.errors import DataError, Problem
from impact.inference.linear import Array
from impact.inference.report import Counterfactual

if TYPE_CHECKING:
    import pandas as pd

MOST_PLACES = 50  # units × periods for each row; beyond it the table is too sparse to lay out
EVEN = 1e-6  # relative; steps between periods this near to each other, or to a whole multiple, are the same
TINY = 1e-7  # of the whole span; periods nearer to each other are one period written in two ways
CONTROL_GROUPS = ("never_treated", "not_yet_treated")
ASSUMPTIONS = (
    "Without the programme, treated and comparison units would have moved in parallel.",
    "Units did not change their outcome before treatment because they expected it.",
    "One unit's treatment does not change another unit's outcome.",
)


@dataclass(slots=True, kw_only=True)
class Panel:
    """The rows one estimate may use, and each row's first treated period (infinity where never treated)."""

    rows: Selection
    first: Array | None


def select_panel(data: pd.DataFrame, *, outcome: str, unit: str | None, time: str, first_treated: str | None = None,
                 treatment: str | None = None, covariates: Sequence[str] = (), cluster: str | None = None,
                 weights: str | None = None) -> Panel:
    """Check a panel's columns, types and keys, and leave out rows that cannot be used.

    Without a ``unit`` the rows are different units (repeated cross-sections), and there is no key to check.

    Raises
    ------
    DataError
        Missing columns, text for numbers, a unit seen twice in a period, a first treated period that changes
        within a unit.
    """
    check_roles(outcome=outcome, time=time, unit_=unit, first_treated_=first_treated, treatment_=treatment,
                cluster_=cluster, weights_=weights)
    require_columns(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated, treatment=treatment,
                    covariates=covariates, cluster=cluster, weights=weights)
    numbers = [outcome, time, *covariates, *([first_treated] if first_treated else []), *([weights] if weights else [])]
    if first_treated is not None:
        data = data.assign(**{first_treated: data[first_treated].replace(np.inf, np.nan)})
    check_columns(data, numbers=numbers, zero_one=(treatment,) if treatment else ())
    problems = panel_problems(data, unit=unit, time=time, first_treated=first_treated) if unit is not None else (
        _zero_starts(data, time, first_treated))
    if problems:
        raise DataError(problems, source="data")
    rows = Selection(data, units=unit)
    for name, reason in ((unit, "unit"), (time, "time"), (treatment, "treatment"), (cluster, "cluster"),
                         (weights, "weight"), (outcome, "outcome"), *((c, "covariate") for c in covariates)):
        if name is not None:
            rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    if weights is not None:
        rows.drop(~(data[weights] > 0), "weight_not_positive", f"{weights} is zero or negative")
    first = None
    if first_treated is not None:
        column = data[first_treated].to_numpy(dtype=float)
        first = np.where(np.isnan(column), np.inf, column)
    return Panel(rows=rows, first=first)


def panel_problems(data: pd.DataFrame, *, unit: str, time: str, first_treated: str | None = None) -> list[Problem]:
    """List what makes a table not a panel: doubled unit–periods, a first treated period that moves."""
    if _is_panel(data, unit, time, first_treated):
        return []
    problems = []
    known = data.dropna(subset=[unit, time])
    twice = known.duplicated([unit, time], keep=False)
    if twice.any():
        pairs = known.loc[twice, [unit, time]].drop_duplicates()
        names = [f"{u} in {t:.12g}" for u, t in zip(speakable(pairs[unit]), pairs[time], strict=True)]
        problems.append(Problem(
            where=f"columns '{unit}' and '{time}'", what=f"{len(pairs)} unit–periods stand in more than one row "
            f"({listed(names, 5)})", cure="Keep one row for each unit and period."))
    if first_treated is not None:
        problems += _zero_starts(known, time, first_treated, unit)
        moving = known.groupby(unit)[first_treated].nunique(dropna=False)
        moving = moving[moving > 1]
        if len(moving):
            problems.append(Problem(
                where=f"column '{first_treated}'", what=f"it changes over time for {counted(len(moving), 'unit')} "
                f"({listed(speakable(moving.index))})",
                cure="A unit has one first treated period: repeat it on each of its rows."))
    return problems


def _is_panel(data: pd.DataFrame, unit: str, time: str, first_treated: str | None) -> bool:
    """Tell by array operations alone, which take a tenth of the time, that there is nothing to list."""
    import pandas as pd

    units, periods = pd.factorize(data[unit])[0], pd.factorize(data[time])[0]
    known = (units >= 0) & (periods >= 0)
    units, periods = units[known], periods[known]
    if not len(units):
        return True
    count, width = int(units.max()) + 1, int(periods.max()) + 1
    if count * width > MOST_PLACES * len(units):
        return False
    seen = np.zeros(count * width, dtype=bool)
    seen[units.astype(np.int64) * width + periods] = True
    if np.count_nonzero(seen) < len(units):
        return False
    if first_treated is None:
        return True
    first = data[first_treated].to_numpy(dtype=float)[known]
    first = np.where(np.isnan(first), np.inf, first)
    own = np.empty(count)
    own[units] = first
    return bool((own[units] == first).all()) and not (first == 0).any()


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
    if least < TINY * float(periods[-1] - periods[0]):
        return None
    span = float(periods[-1] - periods[0])
    whole = span / round(span / least)  # freer of rounding than any one step
    return whole if bool((np.abs(times - np.round(times)) <= EVEN * times).all()) else None


def treatment_start(data: pd.DataFrame, *, unit: str, time: str, treatment: str,
                    ever_treated: bool = False) -> pd.Series[float]:
    """Each row's first treated period, from a 0/1 column that may differ by period; missing where never treated.

    Parameters
    ----------
    data : DataFrame, one row a unit and period.
    unit, time, treatment : columns.
    ever_treated : whether a unit counts as treated from its start on even where the column returns to 0.

    Raises
    ------
    DataError
        Naming the units whose treatment switches off, unless ``ever_treated``.
    """
    require_columns(data, unit=unit, time=time, treatment=treatment)
    check_columns(data, numbers=(time,), zero_one=(treatment,))
    known = data[time].where(data[treatment].notna())
    begun = data[time].where(data[treatment] == 1).groupby(data[unit]).transform("min")
    last = known.where((data[treatment] == 0) & ~(known > begun)).groupby(data[unit]).transform("max")
    open_ = data[treatment].isna() & ~(data[time] < last) & ~(data[time] > begun)
    if open_.any():
        names = list(dict.fromkeys(data.loc[open_, unit]))
        raise DataError(Problem(
            where=f"column '{treatment}'", what=f"it is empty where {counted(len(names), 'unit')} may have begun treatment "
            f"({listed(speakable(names))}; {rows_text(np.flatnonzero(open_) + 1)})", cure="Write 0 or 1 there, or leave "
            "these units out: their start is not known."), source="data")
    start = data[time].where(data[treatment] == 1).groupby(data[unit]).transform("min").astype(float)
    off = (data[treatment] == 0) & (data[time] > start)
    if off.any() and not ever_treated:
        names = list(dict.fromkeys(data.loc[off, unit]))
        raise DataError(Problem(
            where=f"column '{treatment}'", what=f"treatment switches off again for {counted(len(names), 'unit')} "
            f"({listed(speakable(names))})", cure="Correct the data, or give ever_treated=True to study the effect of ever "
            "having been treated."), source="data")
    return start


def _zero_starts(data: pd.DataFrame, time: str, first_treated: str | None, unit: str | None = None) -> list[Problem]:
    """Refuse 0 as a first treated period where no period is 0: other programs write it for 'never'."""
    if first_treated is None or not data[time].min() > 0:
        return []
    zero = data[data[first_treated] == 0]
    count = len(zero) if unit is None else int(zero[unit].nunique())
    noun = "row" if unit is None else "unit"
    return [Problem(where=f"column '{first_treated}'", what=f"it is 0 for {counted(count, noun)}, and 0 is no period",
                    cure="Leave it empty (or infinite) where a unit was never treated.")] if count else []


def drop_singletons(rows: Selection) -> None:
    """Leave out units with one usable row: with unit effects they carry no comparison."""
    codes = rows.codes_of_units()
    seen = np.bincount(codes[rows.kept], minlength=int(codes.max(initial=0)) + 1)
    rows.drop((seen[codes] == 1) & rows.kept, "seen_once", "measured in one period only: no change can be seen")


def counterfactual(treated: Array, effect: float, transform: str) -> Counterfactual:
    """Mean the treated would have had: their mean less the effect; for logs the geometric mean, in the own unit."""
    mean = float(treated.mean()) - effect
    error = float(treated.std(ddof=1) / math.sqrt(len(treated))) if len(treated) > 1 else math.inf
    if transform == "log":
        return Counterfactual(mean=math.exp(mean), std_error=0.0,
                              label="treated units without treatment (geometric mean)")
    return Counterfactual(mean=mean, std_error=error, label="treated units without treatment")

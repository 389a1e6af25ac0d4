"""A province against the nation without the province: what can be said from published averages alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import Selection, check_columns, listed, require_columns, transformed
from impact.data.panel import select_panel
from impact.errors import DataError, DesignError, Problem
from impact.inference.intervals import infer, is_number
from impact.inference.linear import Array
from impact.inference.report import Counterfactual, Counts, make_estimate
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

QUESTION = ("how far the area moved away from the rest of the country after the start, compared with the distance between "
            "them before")
ASSUMPTIONS = (
    "Without the programme, the distance between the area and the rest of the country would have stayed as it was.",
    "The distance moves from period to period by chance only, as much after the start as before.",
    "The programme did not reach the rest of the country.",
)


def aggregate_benchmark(data: pd.DataFrame, *, outcome: str, unit: str, time: str, area: Any, nation: Any, start: float,
                        population: str | None = None, kind: str = "mean", transform: str = "none",
                        conf_level: float = 0.95) -> Estimate:
    """Compare an area's figure with the nation's, the area itself taken out of the nation.

    Parameters
    ----------
    data : DataFrame, one row an area and period; only the rows of ``area`` and ``nation`` are used.
    outcome : column: an average or rate (``kind="mean"``), or a sum (``kind="total"``), in its own unit.
    unit, time : columns of the area's name and of the period. area, nation : values of ``unit``.
    start : first period with the programme.
    population : column of how many stand behind an average; needed for averages, so that the area can be taken out.
    kind : "mean" or "total". transform : "none" or "log" (changes in per cent). conf_level : a share.

    Returns
    -------
    Estimate
        Mean distance after the start less mean distance before. With one area it carries the caveat ``few_units``. Rows of
        other areas, without a figure, or of a period that only one of the two has are in ``dropped``; the caveat
        ``periods_left_out`` names such periods.

    Raises
    ------
    DataError
        Missing columns, an area or nation that is not in the data, a period that stands twice, a population of the area
        that is not smaller than the nation's.
    DesignError
        With fewer than two earlier periods or none after the start.

    Notes
    -----
    Assumes that the area would have moved with the rest of the nation.
    Estimand: ATT of one area, from aggregates. The nation without the area is (N·Y − n·y)/(N − n) for averages and Y − y
    for totals: left in, the area would be compared with itself. The error is that of predicting a mean of t₁ distances from
    t₀ earlier ones, s·√(1/t₀ + 1/t₁) with t₀ − 1 degrees of freedom (a textbook prediction interval); it knows nothing
    of shocks that last. Reference case: worked by hand, tests/test_synthetic.py.
    """
    if kind not in ("mean", "total"):
        raise ValueError(f"kind must be 'mean' or 'total', not {kind!r}")
    if not is_number(start) or math.isnan(start):
        raise ValueError(f"start is the first period with the programme, a number, not {start!r}")
    if area == nation:
        raise ValueError(f"area and nation are two values of '{unit}', not {area!r} twice")
    require_columns(data, outcome=outcome, unit=unit, time=time, population=population)
    check_columns(data, numbers=(outcome, time, *((population,) if population else ())))
    if kind == "mean" and population is None:
        raise DesignError(Problem(where="population", what="an average of the nation cannot be freed of the area without "
                                  "knowing how many stand behind each", cure="Give population=, or kind='total' for sums."),
                          source="design")
    rows = _select(data, outcome, unit, time, area, nation, population)
    one, all_ = (rows.data[rows.kept & (rows.data[unit] == name)].set_index(time).sort_index() for name in (area, nation))
    when = [float(t) for t in one.index]
    rest, raw = _without(one, all_, outcome, population), one[outcome].to_numpy(dtype=float)
    own, other = transformed(raw, transform, outcome), transformed(rest, transform, outcome)
    distance, after = own - other, np.asarray(when, dtype=float) >= start
    t0, t1 = int((~after).sum()), int(after.sum())
    if t0 < 2 or t1 < 1:
        raise DesignError(Problem(where="time", what=f"{t0} periods before and {t1} after {start:.12g}", cure="At least "
                                  "two earlier periods and one later are needed."), source="design")
    effect = float(distance[after].mean() - distance[~after].mean())
    error = float(distance[~after].std(ddof=1)) * math.sqrt(1 / t0 + 1 / t1)
    inference = infer(effect, error, float(t0 - 1), conf_level)
    level = float(own[after].mean()) - effect
    card = StandardErrorCard(formula="prediction error of a mean distance", correction=f"s·√(1/{t0} + 1/{t1}), s from the "
                             "earlier periods", level="the period", df_rule="earlier periods − 1", clusters_treated=1,
                             clusters_comparison=1, r_call="sd(before) * sqrt(1/length(before) + 1/length(after))")
    return make_estimate(
        outcome=outcome, method="aggregate_benchmark", estimand="att", inference=inference, vcov="prediction", card=card,
        counts=Counts(n=2 * len(when), units=2, units_treated=1),
        base=Counterfactual(mean=math.exp(level) if transform == "log" else level, std_error=0.0,
                            label="the area, had its distance to the rest stayed"),
        question=QUESTION, assumptions=ASSUMPTIONS, transform=transform, dropped=rows.dropped,
        caveats=_caveats(t0, _lost(rows, unit, time, area, nation)),
        period=f"{when[0]:.12g}–{when[-1]:.12g}", details=(
            ("rest", tuple((f"{t:.12g}", float(v)) for t, v in zip(when, rest, strict=True))),
            ("distance", tuple((f"{t:.12g}", float(v)) for t, v in zip(when, distance, strict=True)))))


def _select(data: pd.DataFrame, outcome: str, unit: str, time: str, area: Any, nation: Any,
            population: str | None) -> Selection:
    """Keep the rows of the area and the nation in the periods that both have; all others stand in the ledger."""
    unknown = [name for name in (area, nation) if not (data[unit] == name).any()]
    if unknown:
        raise DataError([Problem(where=f"column '{unit}'", what=f"'{name}' is not in it",
                                 cure="Give the value as it stands in the data.") for name in unknown], source="data")
    pair = data[unit].isin([area, nation])
    select_panel(data[pair], outcome=outcome, unit=unit, time=time)  # refuses doubled periods
    rows = Selection(data, units=unit)
    rows.drop(data[unit].isna(), "unit_missing", f"{unit} is missing")
    rows.drop(~pair, "other_area", "neither the area nor the nation")
    for name, reason in ((time, "time"), (outcome, "outcome"), *(((population, "population"),) if population else ())):
        rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    for name, other, noun in ((area, nation, "area"), (nation, area, "nation")):
        known = data.loc[rows.kept & (data[unit] == name), time]
        rows.drop((data[unit] == other) & ~data[time].isin(known), "no_counterpart",
                  f"the {noun} has no figure for that period")
    return rows


def _without(one: pd.DataFrame, all_: pd.DataFrame, outcome: str, population: str | None) -> Array:
    """The nation's figure with the area taken out."""
    if population is None:
        return np.asarray(all_[outcome] - one[outcome], dtype=float)
    small, large = one[population].to_numpy(dtype=float), all_[population].to_numpy(dtype=float)
    if (small <= 0).any() or (small >= large).any():
        raise DataError(Problem(where=f"column '{population}'", what="the area's number is not between 0 and the nation's",
                                cure="The nation's row counts everybody, the area included."), source="data")
    total = all_[outcome].to_numpy(dtype=float) * large - one[outcome].to_numpy(dtype=float) * small
    return np.asarray(total / (large - small))


def _lost(rows: Selection, unit: str, time: str, area: Any, nation: Any) -> list[float]:
    """Periods of the area or the nation that are not used."""
    mine = rows.data[unit].isin([area, nation]) & rows.data[time].notna()
    return sorted({float(t) for t in rows.data.loc[mine & ~rows.kept, time]} - {float(t) for t in rows.column(time)})


def _caveats(earlier: int, lost: list[float]) -> list[Caveat]:
    out = [Caveat(code="few_units", text="One area is compared with one: whatever else happened there at the time cannot "
                  "be told from the programme.", values=(("treated", 1), ("comparison", 1)))]
    if lost:
        out.append(Caveat(code="periods_left_out", text=f"The area or the nation has no figure for "
                          f"{listed(f'{t:.12g}' for t in lost)}: left out of both.", values=(("periods", len(lost)),)))
    if earlier < 5:
        out.append(Caveat(code="few_periods", text=f"Only {earlier} earlier periods say how much the distance moves by "
                          "chance.", values=(("periods", earlier),)))
    return out

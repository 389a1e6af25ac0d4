"""Units by the period they were first treated: which rows serve, laid out so that a comparison is two slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import Selection, listed, transformed
from impact.data.panel import CONTROL_GROUPS, Panel, select_panel, treatment_start
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array, Codes

if TYPE_CHECKING:
    import pandas as pd

UNBALANCED = ("within_cell", "balanced", "repeated_cross_section")
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The rows used, sorted by first treated period.

    Attributes
    ----------
    rows : the selection with its ledger. periods : (T,) sorted.
    wide : whether columns of ``y`` are units seen over T periods, or (False) entries are single rows sorted by period.
    y : (T, n), NaN where a unit was not seen; or (N,). raw : (N,) outcomes before any transform, in the table's order.
    first : (n,) or (N,); infinity where not treated by the end. x : (c, T, n) or (c, N). weights : (n,), (N,) or None.
    share : (n,) or (N,) what each entry adds to the size of its cohort.
    level : (n,) or (N,) codes at which errors are clustered, or None where each entry is on its own.
    starts : (T + 1,) where each period's rows begin (not wide). units : how many; None where rows are different units.
    choices : (choice, units, rows) of each way to treat missing rows; empty where rows are different units.
    """

    rows: Selection
    periods: Array
    wide: bool
    y: Array
    raw: Array
    first: Array
    x: Array
    weights: Array | None
    share: Array
    level: Codes | None
    starts: Codes
    units: int | None
    choices: tuple[tuple[str, int, int], ...] = ()

    @property
    def cohorts(self) -> Array:
        """First treated periods, sorted, without those never treated."""
        found = np.sort(_few(self.first))
        return found[np.isfinite(found)]

    @property
    def complete(self) -> bool:
        """Whether every unit is seen in every period."""
        return self.wide and len(self.raw) == self.y.size


def lay_out(data: pd.DataFrame, *, outcome: str, unit: str | None, time: str, first_treated: str | None,
            treatment: str | None, ever_treated: bool, control_group: str, covariates: Sequence[str], cluster: str | None,
            weights: str | None, anticipation: float, unbalanced: str, panel: bool, transform: str) -> Layout:
    """Select the rows that serve and sort them by first treated period; arguments as :func:`group_time_att`."""
    _check_words(unit, first_treated, treatment, control_group, anticipation, unbalanced, panel)
    if first_treated is None and unit is not None and treatment is not None:
        start = treatment_start(data, unit=unit, time=time, treatment=treatment, ever_treated=ever_treated)
        first_treated = f"first period with {treatment}"
        data = data.assign(**{first_treated: start})
    found = select_panel(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates,
                         cluster=cluster, weights=weights)
    first = found.first if found.first is not None else np.empty(0)
    units = _codes(data[unit]) if unit is not None else None
    need_constant(found, units, unit, cluster, weights)
    when = data[time].to_numpy(dtype=float)
    wide = panel and unbalanced != "repeated_cross_section"
    choices = _leave_out(found.rows, units, when, first, control_group, anticipation, unbalanced, wide)
    rows = found.rows
    periods = np.sort(_few(when[rows.kept]))
    _need_groups(_few(first[rows.kept]), periods, control_group, anticipation)
    raw = rows.numbers(outcome)
    y = transformed(raw, transform, outcome, rows.kept.nonzero()[0])
    own = np.where(first[rows.kept] > periods[-1] + anticipation, np.inf, first[rows.kept])
    t = np.searchsorted(periods, when[rows.kept])
    shared = {"rows": rows, "periods": periods, "raw": raw, "choices": choices, "wide": wide}
    x = [rows.numbers(c) for c in covariates]
    w = rows.numbers(weights) if weights is not None else None
    group = rows.codes(cluster) if cluster is not None and cluster != unit else None
    mine = _codes_again(units[rows.kept]) if units is not None else None
    if wide and mine is not None:
        return _wide(shared, mine, t, own, y, x, w, group)
    return _long(shared, mine, t, own, y, x, w, group)


def _check_words(unit: str | None, first_treated: str | None, treatment: str | None, control_group: str,
                 anticipation: float, unbalanced: str, panel: bool) -> None:
    if control_group not in CONTROL_GROUPS:
        raise ValueError(f"control_group must be one of {', '.join(CONTROL_GROUPS)}, not {control_group!r}")
    if unbalanced not in UNBALANCED:
        raise ValueError(f"unbalanced must be one of {', '.join(UNBALANCED)}, not {unbalanced!r}")
    if isinstance(anticipation, bool) or not 0 <= anticipation < np.inf:
        raise ValueError("anticipation must be zero or a number of periods")
    if (first_treated is None) == (treatment is None):
        raise ValueError("give exactly one of first_treated= and treatment=")
    if unit is None and panel:
        raise ValueError("a panel needs unit=; for different units in each period give panel=False")
    if unit is None and first_treated is None:
        raise ValueError("without unit= the start of treatment cannot be read from treatment=: give first_treated=")


def _codes(column: pd.Series[Any]) -> Codes:
    import pandas as pd

    return np.asarray(pd.factorize(column)[0], dtype=np.int64)


def _codes_again(codes: Codes) -> Codes:
    """Number the codes still present 0 … n − 1, in their order."""
    present = np.zeros(int(codes.max()) + 1, dtype=bool)
    present[codes] = True
    return (np.cumsum(present) - 1)[codes].astype(np.int64)


def _few(values: Array) -> Array:
    """Distinct values, by hashing: sorting millions of rows for a dozen periods is slow."""
    import pandas as pd

    return np.asarray(pd.unique(values))


def need_constant(found: Panel, units: Codes | None, unit: str | None, cluster: str | None, weights: str | None) -> None:
    """Refuse clusters and weights that change within a unit, naming the units."""
    if units is None:
        return
    problems, kept, data = [], found.rows.kept, found.rows.data
    for name, cure in ((cluster, "Errors may not be clustered below the unit: name the unit, or a level above it."),
                       (weights, "A unit followed over time has one weight: repeat it on each of its rows.")):
        if name is None or name == unit or not kept.any():
            continue
        values = _codes(data[name])[kept]
        own = np.empty(int(units.max()) + 1, dtype=np.int64)
        own[units[kept]] = values
        moved = own[units[kept]] != values
        if moved.any():
            names = list(dict.fromkeys(data.loc[kept, unit][moved]))
            problems.append(Problem(where=f"column '{name}'", what=f"it changes within {len(names)} units "
                                    f"({listed(speakable(names))})", cure=cure))
    if problems:
        raise DataError(problems, source="data")


def _leave_out(rows: Selection, units: Codes | None, when: Array, first: Array, control_group: str, anticipation: float,
               unbalanced: str, wide: bool) -> tuple[tuple[str, int, int], ...]:
    """Drop whoever cannot serve, and count what each way to treat missing rows would use."""
    if not rows.kept.any():
        raise DesignError(Problem(where="data", what="no row is complete", cure="See which columns are empty."),
                          source="design")
    begin, end = float(when[rows.kept].min()), float(when[rows.kept].max())
    early = " (less the periods of anticipation)" if anticipation else ""
    rows.drop(first - anticipation <= begin, "treated_from_start",
              f"first treated{early} in or before {begin:.12g}: no value before treatment")
    if control_group == "never_treated":
        rows.drop(np.isfinite(first) & (first > end + anticipation), "treated_unseen",
                  f"first treated after {end:.12g}: neither seen treated nor never treated")
    if units is None or not rows.kept.any():
        return ()
    kept, count = rows.kept, int(units.max()) + 1
    seen = np.bincount(units[kept], minlength=count)
    width = len(_few(when[kept]))
    earliest, start = np.full(count, np.inf), np.full(count, np.inf)
    np.minimum.at(earliest, units[kept], when[kept])
    start[units[kept]] = first[kept]
    late, every = earliest >= start - anticipation, seen == width
    choices = tuple((name, int(np.count_nonzero(mask & (seen > 0))), int(seen[mask].sum())) for name, mask in (
        ("within_cell", (seen > 1) & ~late), ("balanced", every), ("repeated_cross_section", np.ones(count, dtype=bool))))
    if wide:
        rows.drop(late[units], "seen_only_after", "treated, and no value before treatment")
        rows.drop((seen < 2)[units], "seen_once", "measured in one period only: no change can be seen")
        if unbalanced == "balanced":
            rows.drop(~every[units], "not_in_all_periods", f"not measured in all {width} periods")
    return choices


def _need_groups(first: Array, periods: Array, control_group: str, anticipation: float) -> None:
    """Refuse a table without treated or without comparison units; ``first`` are the distinct first treated periods."""
    if not len(first):
        raise DesignError(Problem(
            where="first_treated", what="nobody is left: all units are treated from the first period on, or seen once",
            cure="Difference-in-differences needs a period before treatment: add earlier periods."), source="design")
    treated = first[first <= periods[-1]]
    later = first[first > periods[-1] + anticipation]
    problem = None
    if not len(treated):
        problem = Problem(where="first_treated", what="no unit is first treated after the first and by the last period",
                          cure="Check the column: it must be measured on the same scale as time.")
    elif control_group == "never_treated" and not len(later):
        problem = Problem(where="comparison", what="no never-treated unit is left",
                          cure="Find untreated units, or give control_group='not_yet_treated' if groups started at "
                               "different times.")
    elif not len(later) and len(first) < 2:
        problem = Problem(where="comparison", what=f"all units are first treated in {treated[0]:.12g}: nobody is left to "
                          "compare with", cure="Find units treated later, or never.")
    if problem is not None:
        raise DesignError(problem, source="design")


def _wide(shared: dict[str, Any], units: Codes, t: Codes, first: Array, y: Array, x: list[Array], w: Array | None,
          group: Codes | None) -> Layout:
    n, width = int(units.max()) + 1, len(shared["periods"])
    own = np.empty(n)
    own[units] = first
    order = np.argsort(own, kind="stable")
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    at = t * n + place[units]

    def spread(values: Array) -> Array:
        out = np.full(width * n, np.nan)
        out[at] = values
        return out.reshape(width, n)

    def per_unit(values: Any, kind: Any) -> Any:
        out = np.empty(n, dtype=kind)
        out[place[units]] = values
        return out

    weights = per_unit(w, float) if w is not None else None
    return Layout(**shared, y=spread(y), first=own[order],
                  x=np.stack([spread(c) for c in x]) if x else np.empty((0, width, n)), weights=weights,
                  share=weights if weights is not None else np.ones(n),
                  level=per_unit(group, np.int64) if group is not None else None,
                  starts=np.zeros(0, dtype=np.int64), units=n)


def _long(shared: dict[str, Any], units: Codes | None, t: Codes, first: Array, y: Array, x: list[Array], w: Array | None,
          group: Codes | None) -> Layout:
    order = np.lexsort((first, t))
    share = np.ones(len(y)) if w is None else w
    if units is not None:
        share = share / np.bincount(units)[units]  # a unit's rows together count once
    level = group if group is not None else units
    return Layout(**shared, y=y[order], first=first[order],
                  x=np.stack([c[order] for c in x]) if x else np.empty((0, len(y))),
                  weights=w[order] if w is not None else None, share=share[order],
                  level=level[order] if level is not None else None,
                  starts=np.searchsorted(t[order], np.arange(len(shared["periods"]) + 1)).astype(np.int64),
                  units=int(units.max()) + 1 if units is not None else None)

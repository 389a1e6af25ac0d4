"""Group-time effects cell by cell: which periods and units each compares, its effect, and their joint covariance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from impact.data.panel import EVEN
from impact.did.aggregation import Grid
from impact.did.arrangement import Arrangement
from impact.did.doubly_robust import NotEstimableError, cross_section_effect, group_means, panel_effect
from impact.did.layout import distinct
from impact.did.opening import Mask
from impact.inference.linear import Array, Codes

BASES = ("varying", "universal")
SPENT = "the last cohort serves as comparison only: nobody is left untreated after it"
BLOCK = 16_384  # rows
SMALL = 250_000  # multiplications below which linear algebra libraries use one thread
Side = tuple[slice, ...]  # entries of the sorted layout, as slices
Place = slice | Codes | tuple[int, slice | Codes]  # entries, with their period where units are followed


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One cell to be estimated: a cohort's change from a base period, against others' change.

    ``period`` and ``base`` are positions among the periods; ``same_season`` is False where the base lies in another season
    than the period; ``reason`` says why there is nothing to estimate.
    """

    cohort: float
    period: int
    base: int
    same_season: bool = True
    reason: str = ""

    @property
    def reference(self) -> bool:
        """Whether the cell is zero by construction."""
        return self.period == self.base and not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What was found: effect, who stands behind it, and the treated units' later mean with its standard error.

    ``groups`` counts clusters (or units) on the treated and on the comparison side; ``members`` are the treated clusters,
    None where units are on their own.
    """

    comparison: Comparison
    effect: float
    reason: str = ""
    treated: int = 0
    others: int = 0
    rows: int = 0
    groups: tuple[int, int] = (0, 0)
    members: Codes | None = None
    mean: float = math.nan
    mean_error: float = math.nan
    trimmed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many rows, units and clusters stand in some cells together, and how many units stand there as treated ones."""

    rows: int
    units: int
    units_treated: int
    clusters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """All cells.

    Attributes
    ----------
    cells : k of them, by cohort and period. grid : their effects and the cohorts' shares.
    influence : (units or clusters, k + cohorts) what each adds to each effect's error, then to each cohort's share.
    covariance : (k + cohorts,) squared, influence' · influence. used : (n,) rows of the layout that stand in any cell.
    entered : (n,) rows that stand in an effect after treatment, and so in the averages.
    stands : for each cell, the entries of the arrangement that stand in it; none in a reference period.
    shape : (T, n) where units are followed, (N,) where entries are rows. first, level : the arrangement's.
    units : (N,) unit of each entry, or None where entries are units or nothing says whose a row is.
    """

    cells: tuple[Cell, ...]
    grid: Grid
    influence: Array
    covariance: Array
    used: Mask
    entered: Mask
    stands: tuple[tuple[Place, ...], ...]
    shape: tuple[int, ...]
    first: Array
    level: Codes | None
    units: Codes | None

    def standing(self, picked: Codes) -> Standing:
        """Count who stands in any of some cells."""
        rows, treated = np.zeros(self.shape, dtype=bool), np.zeros(len(self.first), dtype=bool)
        for k in picked:
            for place in self.stands[int(k)]:
                rows[place] = True
                where = place[1] if isinstance(place, tuple) else place
                treated[where] |= self.first[where] == self.cells[int(k)].comparison.cohort
        entries = np.asarray(rows.any(axis=0)) if rows.ndim > 1 else rows
        count = int(np.count_nonzero(entries))
        return Standing(
            rows=int(np.count_nonzero(rows)), units=count if self.units is None else distinct(self.units, entries),
            units_treated=int(np.count_nonzero(treated)) if self.units is None else distinct(self.units, treated),
            clusters=count if self.level is None else distinct(self.level, entries))


def plan(periods: Array, cohorts: Array, *, base_period: str, anticipation: float = 0, season: int | None = None,
         spent: float | None = None, step: float = 1.0) -> list[Comparison]:
    """List the comparisons: for each cohort, each period against its base.

    Parameters
    ----------
    periods, cohorts : sorted.
    base_period : "varying" (before treatment each period against the one before it) or "universal" (always the last period
        before treatment). anticipation : periods before treatment that may already be affected.
    season : length of a season's cycle in periods (4 for quarters); then the base is the latest period of the
        same season, and where a treated cohort has none, the latest period, marked as such.
    spent : a cohort that serves as comparison only, because nobody is left untreated after it.
    step : length of one period, in units of ``periods``.
    """
    if base_period not in BASES:
        raise ValueError(f"base_period must be one of {', '.join(BASES)}, not {base_period!r}")
    if season is not None and (isinstance(season, bool) or not isinstance(season, int) or season < 2):
        raise ValueError("season must be a whole number of periods of at least 2, such as 4 for quarters")
    out = []
    number = np.round((periods - periods[0]) / step).astype(np.int64)
    for g in cohorts:
        ahead = np.round((periods - g) / step, 9)  # tenths of a year have no exact differences
        clean = np.flatnonzero(ahead < -anticipation)
        for t in range(0 if base_period == "universal" else 1, len(periods)):
            if g == spent:
                out.append(Comparison(cohort=float(g), period=t, base=t, reason=SPENT))
                continue
            fixed = base_period == "universal" or ahead[t] >= -anticipation
            pool = clean if fixed else np.arange(t)
            alike = pool if season is None else pool[np.mod(number[t] - number[pool], season) == 0]
            if not len(alike) and not fixed:
                out.append(Comparison(cohort=float(g), period=t, base=t, same_season=False,
                                      reason="no earlier period of the same season"))
                continue
            base = int(alike[-1] if len(alike) else pool[-1])
            out.append(Comparison(cohort=float(g), period=t, base=base, same_season=bool(len(alike))))
    return out


def estimate_cells(layout: Arrangement, comparisons: Sequence[Comparison], *, never_only: bool, anticipation: float,
                   method: str) -> Cells:
    """Estimate every cell; what cannot be estimated says why.

    Parameters
    ----------
    layout : the rows, sorted. comparisons : from :func:`plan`.
    never_only : compare with never-treated units only, not with those not yet treated.
    anticipation : as in :func:`plan`. method : "reg", "ipw" or "dr"; without covariates all are differences of means.
    """
    cohorts = layout.cohorts
    entries = layout.first.size if layout.level is None else int(layout.level.max()) + 1
    influence = np.zeros((entries, len(comparisons) + len(cohorts)), order="F")  # untouched zeros take no memory
    cells, reach = [], []
    stands: list[tuple[Place, ...]] = []
    used, entered = np.zeros((2, *layout.y.shape), dtype=bool)
    for k, comparison in enumerate(comparisons):
        cell, pieces = _estimate(layout, comparison, never_only, anticipation, method)
        cells.append(cell)
        for where, values in pieces:
            _add(influence[:, k], layout.level, where, values)
            reach.append((k, *_ends(where)))
        stands.append(tuple(place for where, _ in pieces for place in (
            [(comparison.period, where), (comparison.base, where)] if layout.wide else [where])))
        for place in stands[-1]:
            used[place] = True
            if layout.periods[comparison.period] >= comparison.cohort:
                entered[place] = True
    total = float(layout.share.sum())
    shares = np.empty(len(cohorts))
    for j, g in enumerate(cohorts):
        mine = np.flatnonzero(layout.first == g)
        shares[j] = layout.share[mine].sum() / total
        _add(influence[:, len(comparisons) + j], layout.level, mine, layout.share[mine] / total)
        reach.append((len(comparisons) + j, *_ends(mine)))
    grid = Grid(effects=np.array([c.effect for c in cells]), cohort=np.array([c.comparison.cohort for c in cells]),
                period=layout.periods[[c.comparison.period for c in cells]], cohorts=cohorts, shares=shares,
                step=layout.layout.step)
    served, counts = np.zeros((2, layout.layout.n), dtype=bool)
    served[np.compress(used.ravel(), layout.row)], counts[np.compress(entered.ravel(), layout.row)] = True, True
    return Cells(cells=tuple(cells), grid=grid, influence=influence, used=served, entered=counts,
                 stands=tuple(stands), shape=layout.row.shape, first=layout.first, level=layout.level,
                 units=None if layout.wide or layout.layout.asked.unit is None else layout.layout.units[layout.row],
                 covariance=_products(influence, reach if layout.level is None else None))


def _ends(where: slice | Codes) -> tuple[int, int]:
    return (where.start, where.stop) if isinstance(where, slice) else (int(where[0]), int(where[-1]) + 1)


def _products(influence: Array, reach: list[tuple[int, int, int]] | None) -> Array:
    """Multiply influence' by influence, block by block of rows over the columns that reach into it; the rest is zero."""
    if reach is None:
        return np.asarray(influence.T @ influence)
    out = np.zeros((influence.shape[1], influence.shape[1]))
    for start in range(0, len(influence), BLOCK):
        stop = min(start + BLOCK, len(influence))
        used = np.array(sorted({k for k, low, high in reach if low < stop and high > start}), dtype=np.int64)
        out[np.ix_(used, used)] += _square(np.ascontiguousarray(influence[start:stop, used]))
    return out


def _square(block: Array) -> Array:
    """Multiply block' by block slab by slab: products this small stay on one processor, and none waits for another."""
    slab = max(16, int(SMALL // max(block.shape[1], 1) ** 2))
    whole = len(block) // slab * slab
    slabs = block[:whole].reshape(-1, slab, block.shape[1])
    rest = block[whole:]
    return np.asarray((slabs.transpose(0, 2, 1) @ slabs).sum(axis=0) + rest.T @ rest)


def _add(column: Array, level: Codes | None, where: slice | Codes, values: Array) -> None:
    if level is None:
        column[where] += values
    else:
        column += np.bincount(level[where], weights=values, minlength=len(column))


def _sides(first: Array, begin: int, cohort: float, threshold: float, never_only: bool) -> tuple[Side, Side]:
    """Slices of the treated and of the comparison among entries sorted by first treated period."""
    low, high = (begin + int(i) for i in (np.searchsorted(first, cohort, "left"), np.searchsorted(first, cohort, "right")))
    end = begin + len(first)
    start = begin + int(np.searchsorted(first, np.inf if never_only else threshold, "left" if never_only else "right"))
    if start <= low:  # the cohort itself is not yet treated: leave it out of its own comparison
        return (slice(low, high),), tuple(s for s in (slice(start, low), slice(high, end)) if s.stop > s.start)
    return (slice(low, high),), (slice(start, end),) if end > start else ()


def _estimate(layout: Arrangement, comparison: Comparison, never_only: bool, anticipation: float,
              method: str) -> tuple[Cell, list[tuple[slice | Codes, Array]]]:
    threshold = float(layout.periods[max(comparison.period, comparison.base)]) + (anticipation + EVEN) * layout.layout.step
    build = _wide_cell if layout.wide else _long_cell
    return build(layout, comparison, threshold, never_only, method)


def _seen(layout: Arrangement, side: Side, t: int, b: int) -> slice | Codes:
    """Entries of a side that are measured in both periods."""
    if layout.complete and len(side) == 1:
        return side[0]
    parts = []
    for s in side:
        known = np.flatnonzero(np.isfinite(layout.y[t, s]) & np.isfinite(layout.y[b, s]))
        parts.append(known + s.start)
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)


def _size(where: slice | Codes) -> int:
    return where.stop - where.start if isinstance(where, slice) else len(where)


def _groups(layout: Arrangement, one: slice | Codes, zero: slice | Codes) -> dict[str, Any]:
    """Clusters (or units) on the treated and on the comparison side."""
    if layout.level is None:
        return {"groups": (_size(one), _size(zero))}
    members = np.unique(layout.level[one])
    return {"groups": (len(members), len(np.unique(layout.level[zero]))), "members": members}


def _wide_cell(layout: Arrangement, comparison: Comparison, threshold: float, never_only: bool,
               method: str) -> tuple[Cell, list[tuple[slice | Codes, Array]]]:
    t, b = comparison.period, comparison.base
    one, zero = (_seen(layout, side, t, b) for side in _sides(layout.first, 0, comparison.cohort, threshold, never_only))
    n_one, n_zero = _size(one), _size(zero)
    after, w = layout.y[t, one], [layout.weights[i] if layout.weights is not None else None for i in (one, zero)]
    known: dict[str, Any] = {
        "comparison": comparison, "treated": n_one, "others": n_zero, "rows": 2 * (n_one + n_zero),
        **_groups(layout, one, zero), **_mean_of(after, w[0])}
    if t == b:  # nothing to subtract: a reference period, or a cell that has no base
        return Cell(**known | {"rows": n_one + n_zero}, effect=0.0 if comparison.reference else math.nan,
                    reason=comparison.reason), []
    if not n_one or not n_zero:
        return Cell(**known, effect=math.nan, reason=_lacking(n_one, n_zero, "units are seen in both periods")), []
    changes = [after - layout.y[b, one], layout.y[t, zero] - layout.y[b, zero]]
    if not len(layout.x):
        effect, parts = group_means([(1.0, changes[0], w[0]), (-1.0, changes[1], w[1])])
        return Cell(**known, effect=effect), list(zip((one, zero), parts, strict=True))
    early = min(t, b)
    x = np.column_stack([np.concatenate([c[early, one], c[early, zero]]) for c in layout.x])
    weights = None if w[0] is None or w[1] is None else np.concatenate([w[0], w[1]])
    try:
        found = panel_effect(np.concatenate(changes), np.repeat([1.0, 0.0], [n_one, n_zero]), x, weights, method=method)
    except NotEstimableError as error:
        return Cell(**known, effect=math.nan, reason=str(error)), []
    return (Cell(**known, effect=found.estimate, trimmed=found.trimmed),
            [(one, found.influence[:n_one]), (zero, found.influence[n_one:])])


def _long_cell(layout: Arrangement, comparison: Comparison, threshold: float, never_only: bool,
               method: str) -> tuple[Cell, list[tuple[slice | Codes, Array]]]:
    wheres: list[Codes] = []
    for position in (comparison.period, comparison.base):
        begin, end = int(layout.starts[position]), int(layout.starts[position + 1])
        for side in _sides(layout.first[begin:end], begin, comparison.cohort, threshold, never_only):
            wheres.append(np.concatenate([np.arange(s.start, s.stop) for s in side] or [np.zeros(0, dtype=np.int64)]))
    sizes = [len(w) for w in wheres]  # treated after, others after, treated before, others before
    w = [None if layout.weights is None else layout.weights[i] for i in wheres]
    known: dict[str, Any] = {
        "comparison": comparison, "treated": sizes[0] + sizes[2], "others": sizes[1] + sizes[3], "rows": sum(sizes),
        **_groups(layout, np.concatenate(wheres[::2]), np.concatenate(wheres[1::2])), **_mean_of(layout.y[wheres[0]], w[0])}
    if comparison.period == comparison.base:
        return Cell(**known | {"rows": sizes[0] + sizes[1], "treated": sizes[0], "others": sizes[1]},
                    effect=0.0 if comparison.reference else math.nan, reason=comparison.reason), []
    if not all(sizes):
        return Cell(**known, effect=math.nan, reason=_lacking(min(sizes[0], sizes[2]), min(sizes[1], sizes[3]),
                                                              "rows stand in one of the two periods")), []
    if not len(layout.x):
        effect, parts = group_means([(sign, layout.y[i], v) for sign, i, v in zip((1.0, -1.0, -1.0, 1.0), wheres, w,
                                                                                  strict=True)])
        return Cell(**known, effect=effect), list(zip(wheres, parts, strict=True))
    every = np.concatenate(wheres)
    try:
        found = cross_section_effect(
            layout.y[every], np.repeat([1.0, 1.0, 0.0, 0.0], sizes), np.repeat([1.0, 0.0, 1.0, 0.0], sizes),
            layout.x[:, every].T, None if layout.weights is None else layout.weights[every], method=method)
    except NotEstimableError as error:
        return Cell(**known, effect=math.nan, reason=str(error)), []
    return Cell(**known, effect=found.estimate, trimmed=found.trimmed), [(every, found.influence)]


def _lacking(treated: int, others: int, what: str) -> str:
    return f"{treated} treated and {others} comparison {what}"


def _mean_of(values: Array, weights: Array | None) -> dict[str, float]:
    if not len(values):
        return {"mean": math.nan, "mean_error": math.nan}
    mean = float(values.mean() if weights is None else weights @ values / weights.sum())
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf
    return {"mean": mean, "mean_error": error}

"""Averages of group-time effects: overall, by horizon, by cohort, by calendar period, with their exact derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impact.inference.linear import Array, Codes

KINDS = ("simple", "dynamic", "group", "calendar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """One average of cells.

    Attributes
    ----------
    key : horizon, cohort or period it belongs to; None for the overall average.
    value : in the outcome's unit.
    gradient : (cells + cohorts,) its derivatives by the cells' effects and by the cohorts' shares.
    cells : positions of the cells in it. weights : their weights, adding up to 1.
    """

    key: float | None
    value: float
    gradient: Array
    cells: Codes
    weights: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What averages are made of.

    Attributes
    ----------
    effects : (k,) one a cell; NaN where it could not be estimated. cohort, period : (k,) first treated and calendar period.
    cohorts : (c,) sorted. shares : (c,) of all units (weighted), up to one common factor. step : length of one period.
    """

    effects: Array
    cohort: Array
    period: Array
    cohorts: Array
    shares: Array
    step: float = 1.0

    @property
    def known(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which cells have an effect."""
        return np.asarray(np.isfinite(self.effects))

    @property
    def after(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which cells lie in or after the first treated period."""
        return np.asarray(self.period >= self.cohort)


def aggregate(grid: Grid, kind: str) -> tuple[Average, list[Average]]:
    """Average the cells: (overall average, its components).

    Parameters
    ----------
    grid : the cells.
    kind : "simple" (each treated unit and period counts once; no components), "dynamic" (by periods since first
        treatment; overall: each horizon from 0 on counts the same), "group" (by cohort; overall: by size of cohort) or
        "calendar" (by period; overall: each period with a treated cohort counts the same).

    Raises
    ------
    ValueError
        When no cell after treatment has an effect.

    Notes
    -----
    Callaway & Sant'Anna (2021, section 3). Shares of cohorts are estimated, and the gradient carries
    that. Reference cases: did_mpdta_cs_*, did_jtrain_cs_* (R did 2.3.0).
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    post = grid.known & grid.after
    if not post.any():
        raise ValueError("no cell after treatment has an effect")
    if kind == "simple":
        return _pooled(grid, None, np.flatnonzero(post)), []
    if kind == "group":
        parts = [_even(grid, float(g), [_single(grid, int(j)) for j in np.flatnonzero(post & (grid.cohort == g))])
                 for g in grid.cohorts if (post & (grid.cohort == g)).any()]
        return _by_size(grid, parts), parts
    if kind == "calendar":
        parts = [_pooled(grid, float(t), np.flatnonzero(post & (grid.period == t))) for t in np.unique(grid.period[post])]
        return _even(grid, None, parts), parts
    horizon = np.round((grid.period - grid.cohort) / grid.step, 9)  # tenths of a year have no exact differences
    parts = [_pooled(grid, float(e), np.flatnonzero(grid.known & (horizon == e))) for e in np.unique(horizon[grid.known])]
    late = [part for part in parts if part.key is not None and part.key >= 0]
    return _even(grid, None, late), parts


def _place(grid: Grid, cells: Codes) -> Codes:
    return np.searchsorted(grid.cohorts, grid.cohort[cells]).astype(np.int64)


def _pooled(grid: Grid, key: float | None, cells: Codes) -> Average:
    """Cells weighted by the size of their cohort."""
    where = _place(grid, cells)
    share = grid.shares[where]
    weights = share / share.sum()
    value = float(weights @ grid.effects[cells])
    gradient = np.zeros(len(grid.effects) + len(grid.cohorts))
    gradient[cells] = weights
    np.add.at(gradient, len(grid.effects) + where, (grid.effects[cells] - value) / share.sum())
    return Average(key=key, value=value, gradient=gradient, cells=cells, weights=weights)


def _single(grid: Grid, cell: int) -> Average:
    return _pooled(grid, None, np.array([cell], dtype=np.int64))


def _even(grid: Grid, key: float | None, parts: list[Average]) -> Average:
    """Parts that count the same."""
    return _mix(grid, key, parts, np.full(len(parts), 1.0 / len(parts)))


def _mix(grid: Grid, key: float | None, parts: list[Average], weights: Array) -> Average:
    flat = np.zeros(len(grid.effects))
    for part, w in zip(parts, weights, strict=True):
        flat[part.cells] += w * part.weights
    cells = np.unique(np.concatenate([part.cells for part in parts])).astype(np.int64)
    return Average(key=key, value=float(sum(w * p.value for p, w in zip(parts, weights, strict=True))),
                   gradient=np.asarray(sum(w * p.gradient for p, w in zip(parts, weights, strict=True))), cells=cells,
                   weights=flat[cells])


def _by_size(grid: Grid, parts: list[Average]) -> Average:
    """Cohorts weighted by their size."""
    where = np.searchsorted(grid.cohorts, [part.key if part.key is not None else np.nan for part in parts])
    share = grid.shares[where]
    mixed = _mix(grid, None, parts, share / share.sum())
    gradient = mixed.gradient.copy()
    gradient[len(grid.effects) + where] += (np.array([p.value for p in parts]) - mixed.value) / share.sum()
    return Average(key=None, value=mixed.value, gradient=gradient, cells=mixed.cells, weights=mixed.weights)

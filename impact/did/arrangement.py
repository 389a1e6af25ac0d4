"""The rows of a layout by first treated period, so that each comparison of a cohort is two slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from impact.did.layout import Layout
from impact.did.opening import few
from impact.inference.linear import Array, Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """Entries of one layout, sorted by first treated period.

    Attributes
    ----------
    layout : the rows. periods : (T,) sorted.
    wide : whether columns of ``y`` are units seen over T periods, or (False) entries are single rows sorted by period.
    y : (T, n), NaN where a unit was not seen; or (N,). row : as ``y``, the layout's row, −1 where there is none.
    first : (n,) or (N,); infinity where not treated by the end. x : (c, T, n) or (c, N). weights : (n,), (N,) or None.
    share : (n,) or (N,) what each entry adds to the size of its cohort.
    level : (n,) or (N,) codes at which errors are clustered, or None where each entry is on its own.
    starts : (T + 1,) where each period's rows begin (not wide).
    """

    layout: Layout
    periods: Array
    wide: bool
    y: Array
    row: Codes
    first: Array
    x: Array
    weights: Array | None
    share: Array
    level: Codes | None
    starts: Codes

    @property
    def cohorts(self) -> Array:
        """First treated periods, sorted, without those never treated."""
        found = np.sort(few(self.first))
        return found[np.isfinite(found)]

    @property
    def complete(self) -> bool:
        """Whether every unit is seen in every period."""
        return self.wide and self.layout.n == self.y.size


def arrange(lay: Layout) -> Arrangement:
    """Sort rows by first treated period: as units over periods where units are followed, else row by row."""
    periods = np.sort(few(lay.when))
    t = np.searchsorted(periods, lay.when)
    return _wide(lay, periods, t) if lay.asked.follows else _long(lay, periods, t)


def _wide(lay: Layout, periods: Array, t: Codes) -> Arrangement:
    n, width = int(lay.units.max()) + 1, len(periods)
    own = np.empty(n)
    own[lay.units] = lay.first
    order = np.argsort(own, kind="stable")
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    at = t * n + place[lay.units]

    def spread(values: Array) -> Array:
        out = np.full(width * n, np.nan)
        out[at] = values
        return out.reshape(width, n)

    def per_unit(values: Any, kind: Any) -> Any:
        out = np.empty(n, dtype=kind)
        out[place[lay.units]] = values
        return out

    row = np.full(width * n, -1, dtype=np.int64)
    row[at] = np.arange(lay.n)
    weights = per_unit(lay.weights, float) if lay.weights is not None else None
    return Arrangement(
        layout=lay, periods=periods, wide=True, y=spread(lay.y), row=row.reshape(width, n), first=own[order],
        x=np.stack([spread(c) for c in lay.extra.T]) if lay.extra.shape[1] else np.empty((0, width, n)), weights=weights,
        share=weights if weights is not None else np.ones(n),
        level=per_unit(lay.clusters, np.int64) if lay.clusters is not lay.units else None,
        starts=np.zeros(0, dtype=np.int64))


def _long(lay: Layout, periods: Array, t: Codes) -> Arrangement:
    order = np.lexsort((lay.first, t))
    share = np.ones(lay.n) if lay.weights is None else lay.weights
    alone = lay.asked.unit is None and lay.asked.cluster is None
    if lay.asked.unit is not None:
        share = share / np.bincount(lay.units)[lay.units]  # a unit's rows together count once
    return Arrangement(
        layout=lay, periods=periods, wide=False, y=lay.y[order], row=order.astype(np.int64), first=lay.first[order],
        x=lay.extra[order].T if lay.extra.shape[1] else np.empty((0, lay.n)),
        weights=lay.weights[order] if lay.weights is not None else None, share=share[order],
        level=None if alone else lay.clusters[order],
        starts=np.searchsorted(t[order], np.arange(len(periods) + 1)).astype(np.int64))

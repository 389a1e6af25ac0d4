"""The rows of one panel estimate as arrays, with what a reader must know of them: counts, cohorts, calendar, exits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impact.data.frame import Selection, transformed
from impact.data.panel import counterfactual
from impact.did.notes import notes_of, record_of, thin_cells
from impact.did.opening import Asked, Mask, Opened, where
from impact.inference.linear import Array, Codes
from impact.inference.report import Counterfactual, Counts, is_share, spread
from impact.results import Caveat


@dataclass(slots=True, kw_only=True)
class Layout:
    """The rows of one estimate, in the table's order.

    Attributes
    ----------
    asked : the call. rows : which rows of the table are used, and why others are not.
    y, raw : (n,) outcome on the scale of analysis, and as it came. when, first : (n,) period, and first treated
        period (infinity where never). treated : (n,) whether the row lies at or after the start.
    units, clusters : (n,) codes; without a unit column every row is its own. weights : (n,) or None.
    extra : (n, c) covariates. step : length of one period, in units of the time column.
    choices : as in :class:`impact.did.opening.Opened`. notes, record : caveats and details of the estimate's own row.
    """

    asked: Asked
    rows: Selection
    y: Array
    raw: Array
    when: Array
    first: Array
    treated: Mask
    units: Codes
    clusters: Codes
    weights: Array | None
    extra: Array
    step: float = 1.0
    choices: tuple[tuple[str, int, int], ...] = ()
    notes: tuple[Caveat, ...] = ()
    record: tuple[tuple[str, object], ...] = ()

    @property
    def n(self) -> int:
        """Rows used."""
        return len(self.y)

    @property
    def outcome(self) -> str:
        """Name of the outcome's column."""
        return self.asked.outcome

    @property
    def conf_level(self) -> float:
        """Level of the intervals, a share."""
        return self.asked.conf_level

    @property
    def labels(self) -> list[str]:
        """Names of the covariates."""
        return list(self.asked.names)

    @property
    def level(self) -> str:
        """What errors are clustered by."""
        return self.asked.cluster or self.asked.unit or "the row"

    @property
    def ever(self) -> Mask:
        """Whether a row's unit is treated sooner or later."""
        return np.asarray(np.isfinite(self.first))

    @property
    def horizon(self) -> Array:
        """Periods since the first treated one; minus infinity where never treated."""
        return np.asarray(np.round((self.when - self.first) / self.step, 9))

    @property
    def span(self) -> str:
        """First and last period used."""
        return f"{self.when.min():.12g}–{self.when.max():.12g}"

    @property
    def share(self) -> bool:
        """Whether the outcome is a yes/no."""
        return is_share(self.raw[:2]) and is_share(self.raw)  # two rows mostly settle it, and spare a pass

    @property
    def control_sd(self) -> float | None:
        """Standard deviation of the outcome among rows not treated."""
        return spread(self.y[~self.treated])

    def period_dummies(self) -> tuple[Array, list[str]]:
        """One column for each period but the first, and their names."""
        periods = np.unique(self.when)
        return (self.when[:, None] == periods[None, 1:]).astype(float), [f"period {t:.12g}" for t in periods[1:]]

    def counts(self, rows: Mask | None = None) -> Counts:
        """Count rows, units and clusters; ``rows`` marks the treated rows the number speaks of (all when left out)."""
        mine = self.treated if rows is None else rows
        # where all are treated sooner or later, the periods before stand for the comparison
        other = ~self.ever if not self.ever.all() else ~self.treated
        units = distinct(self.units, mine)
        return Counts(n=self.n, treated=int(mine.sum()), comparison=int((~self.treated).sum()),
                      units=int(self.units.max()) + 1, units_treated=units, clusters=int(self.clusters.max()) + 1,
                      clusters_treated=units if self.clusters is self.units else distinct(self.clusters, mine),
                      clusters_comparison=distinct(self.clusters, other))

    def base(self, rows: Mask, effect: float, by_row: Array | None = None) -> Counterfactual:
        """Mean the marked rows would have had; ``by_row`` weighs them as the effect does; left out: by weights."""
        values = self.y[rows]
        by_row = self.weights if by_row is None else by_row
        if by_row is not None:  # same spread, about the mean the effect belongs to
            values = values + (float(np.average(values, weights=by_row[rows])) - float(values.mean()))
        return counterfactual(values, effect, self.asked.transform)


def lay_out(opened: Opened) -> Layout:
    """Lay the rows kept out as arrays."""
    asked, rows = opened.asked, opened.rows
    raw, when, first = rows.numbers(asked.outcome), where(opened.when, rows.kept), where(opened.first, rows.kept)
    units = rows.codes(asked.unit) if asked.unit is not None else np.arange(len(raw), dtype=np.int64)
    thin = thin_cells(opened)
    own = asked.cluster in (None, asked.unit)
    return Layout(
        asked=asked, rows=rows, y=transformed(raw, asked.transform, asked.outcome, rows.kept.nonzero()[0]), raw=raw,
        when=when, first=first, treated=when >= first, units=units,
        clusters=units if own else rows.codes(str(asked.cluster)),
        weights=rows.numbers(asked.weights) if asked.weights is not None else None,
        extra=np.column_stack([rows.numbers(c) for c in asked.names]) if asked.names else np.empty((len(raw), 0)),
        step=opened.step, choices=opened.choices, notes=tuple(notes_of(opened, thin)), record=record_of(opened, thin))


def compact(codes: Codes) -> Codes:
    """Number codes from 0 on without gaps, in their order."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def distinct(codes: Codes, rows: Mask) -> int:
    """Count the different codes on the marked rows."""
    seen = np.zeros(int(codes.max(initial=-1)) + 1, dtype=bool)
    seen[np.compress(rows, codes)] = True
    return int(np.count_nonzero(seen))

"""What panel regressions share: one estimate's rows as arrays, fixed effects taken out, and effects by horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from impact.data.frame import Selection, as_names, check_weights, listed, require_columns, transformed
from impact.data.panel import CONTROL_GROUPS, Panel, counterfactual, drop_always_treated, drop_singletons, select_panel
from impact.data.privacy import speakable
from impact.errors import DesignError, Problem
from impact.inference.intervals import Inference, check_level, infer
from impact.inference.linear import Array, Codes, Fit, least_squares
from impact.inference.report import Counterfactual, Counts, is_share, make_estimate, spread
from impact.inference.sandwich import Covariance, covariance
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]
EVEN = 1e-9  # relative; steps between periods this near to each other are the same


@dataclass(slots=True, kw_only=True)
class Layout:
    """The rows of one estimate.

    Attributes
    ----------
    rows : which rows of the table are used, and why others are not.
    outcome, unit, time, level : columns' names; ``level`` is where errors are clustered.
    y, raw : (n,) outcome on the scale of analysis, and as it came. when, first : (n,) period, and first treated
        period (infinity where never). treated : (n,) whether the row lies at or after the start.
    units, clusters : (n,) codes. weights : (n,) or None. extra, labels : (n, c) covariates and their names.
    """

    rows: Selection
    outcome: str
    unit: str
    time: str
    level: str
    transform: str
    conf_level: float
    y: Array
    raw: Array
    when: Array
    first: Array
    treated: Mask
    units: Codes
    clusters: Codes
    weights: Array | None
    extra: Array
    labels: list[str]
    caveats: list[Caveat] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Rows used."""
        return len(self.y)

    @property
    def ever(self) -> Mask:
        """Whether a row's unit is treated sooner or later."""
        return np.asarray(np.isfinite(self.first))

    @property
    def horizon(self) -> Array:
        """Periods since the first treated one, in the unit of the time column; minus infinity where never treated."""
        return self.when - self.first

    @property
    def span(self) -> str:
        """First and last period used."""
        return f"{self.when.min():.12g}–{self.when.max():.12g}"

    @property
    def share(self) -> bool:
        """Whether the outcome is a yes/no."""
        return is_share(self.raw)

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
        """Mean the marked rows would have had; ``by_row`` weighs them as the effect does."""
        values = self.y[rows]
        if by_row is not None:  # same spread, about the mean the effect belongs to
            values = values + (float(np.average(values, weights=by_row[rows])) - float(values.mean()))
        return counterfactual(values, effect, self.transform)


def open_panel(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str, control_group: str,
               covariates: Sequence[str], cluster: str | None, weights: str | None, even: bool) -> Panel:
    """Check a panel, and leave out units without a usable period before treatment and rows that compare nothing.

    ``even`` refuses periods that are not evenly coded, which horizons need.
    """
    if control_group not in CONTROL_GROUPS:
        raise ValueError(f"control_group must be one of {', '.join(CONTROL_GROUPS)}, not {control_group!r}")
    covariates = as_names(covariates)
    require_columns(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates,
                    cluster=cluster, weights=weights)
    panel = select_panel(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates,
                         cluster=cluster, weights=weights)
    if weights is not None:
        check_weights(data, weights)
    if even:
        problem = uneven(panel.rows.numbers(time), start_of(panel)[panel.rows.kept], time, first_treated)
        if problem is not None:
            raise DesignError(problem, source="design")
    drop_always_treated(panel, unit, time, control_group)
    drop_singletons(panel, unit)
    start, end = start_of(panel), panel.rows.column(time).max()
    panel.first = np.where(start > end, np.inf, start)  # treated after the data end: untreated throughout
    _need_contrast(panel, unit, time, first_treated, control_group)
    return panel


def start_of(panel: Panel) -> Array:
    """Return each row's first treated period, infinity where never."""
    if panel.first is None:
        raise ValueError("first_treated is needed")
    return panel.first


def uneven(when: Array, first: Array, time: str, first_treated: str) -> Problem | None:
    """Say why horizons cannot be counted: uneven periods, or starts that lie between two periods."""
    periods = np.unique(when)
    steps = np.diff(periods)
    cure = ("Number the periods 1, 2, 3 … in order of time, and first_treated by the same numbers.")
    if len(steps) and float(steps.max() - steps.min()) > EVEN * float(steps.max()):
        return Problem(where=f"column '{time}'", what="its periods are not evenly coded "
                       f"({listed(f'{t:.12g}' for t in periods)}): periods since treatment cannot be counted", cure=cure)
    starts = np.unique(first[np.isfinite(first)])
    inside = starts[(starts > periods.min()) & (starts <= periods.max())] if len(periods) else starts[:0]
    between = [t for t in inside if np.abs(periods - t).min() > EVEN * abs(t)]
    if between:
        return Problem(where=f"column '{first_treated}'", what=f"it names {listed(f'{t:.12g}' for t in between)}, and no "
                       "unit is measured then", cure="Name the first measured period in which the unit was treated.")
    return None


def _need_contrast(panel: Panel, unit: str, time: str, first_treated: str, control_group: str) -> None:
    rows = panel.rows
    first = start_of(panel)[rows.kept]
    if not len(first):
        early = [d for d in rows.dropped if d.reason == "treated_from_start"]
        what = "no unit is measured in two periods" if not early else _too_early(early[0].n_units)
        raise DesignError(Problem(where="data", what=what, cure=BEFORE), source="design")
    when = rows.numbers(time)
    if not (when >= first).any():
        early = [d for d in rows.dropped if d.reason == "treated_from_start"]
        raise DesignError(Problem(
            where=f"column '{first_treated}'", what=_too_early(early[0].n_units) if early else
            "no unit is treated in the periods analysed",
            cure=BEFORE if early else f"Check it against the periods in '{time}'."), source="design")
    if np.isfinite(first).all() and (control_group == "never_treated" or len(np.unique(first)) == 1):
        raise DesignError(Problem(
            where="comparison", what="no unit stays untreated, and all are first treated in the same period" if
            control_group != "never_treated" else "no never-treated unit has the outcome in two periods",
            cure="Find untreated units" + (", or declare not_yet_treated if groups started at different times."
                                           if control_group == "never_treated" else " measured in the same periods.")),
            source="design")


def _too_early(count: int) -> str:
    return f"all {count} treated units are already treated in the first period they are measured"


BEFORE = ("Difference-in-differences needs the same units before and after: add periods from before the programme; without "
          "them compare levels with similar untreated units (impact.matching).")


def lay_out(panel: Panel, *, outcome: str, unit: str, time: str, covariates: Sequence[str], cluster: str | None,
            weights: str | None, transform: str, conf_level: float) -> Layout:
    """Lay the rows kept out as arrays."""
    rows = panel.rows
    covariates = as_names(covariates)
    raw, when, first = rows.numbers(outcome), rows.numbers(time), start_of(panel)[rows.kept]
    units = rows.codes(unit)
    return Layout(
        rows=rows, outcome=outcome, unit=unit, time=time, level=cluster or unit, transform=transform,
        conf_level=check_level(conf_level), y=transformed(raw, transform, outcome, rows.kept.nonzero()[0]), raw=raw,
        when=when, first=first, treated=when >= first, units=units, clusters=clusters_of(rows, unit, cluster, units),
        weights=rows.numbers(weights) if weights is not None else None,
        extra=np.column_stack([rows.numbers(c) for c in covariates]) if covariates else np.empty((len(raw), 0)),
        labels=list(covariates))


def clusters_of(rows: Selection, unit: str, cluster: str | None, units: Codes) -> Codes:
    """Return cluster codes; refuse clusters that cut through a unit, as errors may not be clustered below it."""
    if cluster in (None, unit):
        return units
    codes = rows.codes(str(cluster))
    pairs = np.unique(np.column_stack([units, codes]), axis=0)[:, 0]
    split = np.unique(pairs[1:][pairs[1:] == pairs[:-1]])
    if len(split):
        ids = rows.column(unit).to_numpy()[np.unique(units, return_index=True)[1]][split]
        raise DesignError(Problem(
            where="cluster", what=f"{len(split)} units lie in more than one cluster ({listed(speakable(ids))})",
            cure="Cluster at the unit or at a level above it."), source="design")
    return codes


def distinct(codes: Codes, rows: Mask) -> int:
    """Count the different codes on the marked rows."""
    return int(np.count_nonzero(np.bincount(codes[rows])))


def within(values: Array, units: Codes, weights: Array | None) -> Array:
    """Subtract each unit's (weighted) mean from its rows."""
    w = np.ones(len(units)) if weights is None else weights
    total = np.bincount(units, weights=w)
    columns = values.reshape(len(units), -1)
    if not columns.shape[1]:
        return values
    means = np.column_stack([np.bincount(units, weights=w * c) for c in columns.T]) / total[:, None]
    return np.asarray((columns - means[units]).reshape(values.shape))


def fit_within(y: Array, design: Array, names: Sequence[str], units: Codes, weights: Array | None = None,
               must_keep: Sequence[str] = ()) -> Fit:
    """Least squares with a fixed effect for each unit, taken out by demeaning."""
    return least_squares(within(design, units, weights), within(y, units, weights), names, weights=weights,
                         must_keep=must_keep, sizes=np.linalg.norm(design, axis=0))


def clustered(fit: Fit, lay: Layout, clusters: Codes | None = None, period_effects: int = 1) -> Covariance:
    """CR1S as fixest: K counts period effects (all levels of each set) and not the unit effects nested in the cluster."""
    return covariance(fit, "CR1S", lay.clusters if clusters is None else clusters, count=fit.k + period_effects)


def infer_along(fit: Fit, cov: Covariance, pick: Array, conf_level: float) -> Inference:
    """Inference on one combination of coefficients, with clusters − 1 degrees of freedom."""
    return infer(float(pick @ fit.coefficients), cov.std_error(pick), float((cov.n_clusters or 2) - 1), conf_level)


def regression_card(lay: Layout, what: str, r_call: str, stata_call: str = "") -> StandardErrorCard:
    """Say how CR1S errors of a panel regression were made."""
    return StandardErrorCard(formula=f"CR1S, {what}", correction="(N−1)/(N−K)·G/(G−1), K without effects nested in the "
                             "cluster", level=lay.level, df_rule="clusters − 1", r_call=r_call, stata_call=stata_call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The words all numbers of one call share."""

    method: str
    vcov: str
    card: StandardErrorCard
    assumptions: tuple[str, ...]
    caveats: tuple[Caveat, ...] = ()
    starts: str = "first_treated"  # name of the column of first treated periods


def tell(lay: Layout, story: Story, inference: Inference, *, rows: Mask, question: str, term: str = "treated",
         name: str = "", estimand: str = "att", by_row: Array | None = None, caveats: Sequence[Caveat] = (),
         details: Sequence[tuple[str, object]] = (), cohort: str | None = None, period: str | None = None,
         horizon: str | None = None, base: Counterfactual | None = None) -> Estimate:
    """Put one number of a panel together; ``rows`` are the treated rows it speaks of, ``name`` the tail of its id."""
    counts = lay.counts(rows)
    card = replace(story.card, clusters_treated=counts.clusters_treated, clusters_comparison=counts.clusters_comparison)
    made = make_estimate(
        outcome=lay.outcome, term=term, method=story.method, estimand=estimand, inference=inference, counts=counts,
        vcov=story.vcov, card=card, base=base or lay.base(rows, inference.estimate, by_row), question=question,
        assumptions=story.assumptions, transform=lay.transform, outcome_sd=lay.control_sd, dropped=lay.rows.dropped,
        caveats=(*story.caveats, *caveats), period=period, details=details, share=lay.share)
    return replace(made, id=made.id + (f"/{name}" if name else ""), cohort=cohort, horizon=horizon)


def sums_by(codes: Codes, values: Array, groups: int) -> Array:
    """Sum rows of (n, k) values within groups: (groups, k)."""
    if not values.shape[1]:
        return np.empty((groups, 0))
    return np.column_stack([np.bincount(codes, weights=c, minlength=groups) for c in values.T])


def staggered(first: Array) -> list[Caveat]:
    """Say that two-way fixed effects are provisional when treatment began in several periods."""
    cohorts = np.unique(first[np.isfinite(first)])
    if len(cohorts) < 2:
        return []
    names = " and ".join(f"{c:.12g}" for c in cohorts) if len(cohorts) < 4 else f"{len(cohorts)} periods"
    return [Caveat(code="provisional", text=f"Provisional: treatment began in {names}, and two-way fixed effects then "
                   "compare late groups with groups already treated; if effects differ between groups or grow, the "
                   "average can mislead.", values=(("cohorts", len(cohorts)),))]

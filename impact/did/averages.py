"""Averages over effects by first treated period and calendar period, by the question they answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from impact.did.calls import cell_average_part
from impact.did.effects import Story, tell
from impact.did.estimands import QUESTIONS, horizon_question
from impact.did.layout import Layout
from impact.did.listing import Averages
from impact.did.multiplier import uniform_critical, with_band
from impact.did.opening import Mask
from impact.did.periods import uneven
from impact.errors import DesignError
from impact.inference.intervals import infer
from impact.inference.linear import Array, Codes
from impact.results import Check, Estimate, Estimates

SEED = 0  # of the draws behind a band
KINDS = ("simple", "dynamic", "group", "calendar")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTable:
    """One effect a cohort and period.

    Attributes
    ----------
    cohort, period : (c,) first treated period, and period. size : (c,) treated rows (their weights, if weighted).
    effect : (c,) in the outcome's unit. matrix : (c, c) its covariance. of_row : (n,) each row's cell, −1 for none.
    df : of Student's t, or None for the normal. step : length of one period, in units of ``period``.
    """

    cohort: Array
    period: Array
    size: Array
    effect: Array
    matrix: Array
    of_row: Codes
    df: float | None = None
    step: float = 1.0

    @property
    def after(self) -> Mask:
        """Whether a cell lies at or after the start of treatment."""
        return np.asarray(self.period >= self.cohort)

    def mean_of(self, chosen: Mask) -> Array:
        """Weights of the mean over chosen cells, each by its size."""
        weights = np.where(chosen, self.size, 0.0)
        return np.asarray(weights / weights.sum())


def number_cells(lay: Layout, rows: Mask) -> tuple[Array, Array, Array, Codes]:
    """Number the cohort–period cells of the marked rows: their cohorts, periods and sizes, and each row's cell or −1."""
    periods, at = np.unique(lay.when, return_inverse=True)
    cohorts, of = np.unique(lay.first[rows], return_inverse=True)
    keys, inverse = np.unique(of * len(periods) + at[rows], return_inverse=True)
    cell = np.full(lay.n, -1, dtype=np.int64)
    cell[rows] = inverse
    weights = None if lay.weights is None else lay.weights[rows]
    size = np.bincount(inverse, weights=weights, minlength=len(keys)).astype(float)
    return cohorts[keys // len(periods)], periods[keys % len(periods)], size, cell


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEffects(Estimates):
    """Averages of effects by cohort and period; row 0 is the average over all treated rows.

    Shares of cohorts are taken as given, in estimates and errors alike: the number speaks of the units in the data.
    ``earlier`` holds the leads of a separate test of earlier trends and ``pretrend`` its verdict, where there is one.
    """

    cells: CellTable = field(repr=False, compare=False)
    layout: Layout = field(repr=False, compare=False)
    story: Story = field(repr=False, compare=False)
    earlier: tuple[Estimate, ...] = ()
    pretrend: Check | None = None

    __repr__ = Estimates.__repr__

    def aggregate(self, kind: str = "simple") -> Estimates:
        """Average the effects.

        Parameters
        ----------
        kind : "simple" (all treated rows alike), "dynamic" (by periods since treatment), "group" (by first treated period)
            or "calendar" (by period).

        Returns
        -------
        Estimates
            Row 0 the overall average of that kind, then one row a horizon, cohort or period, named in that field, with
            ``band_low`` and ``band_high`` in ``details``, which cover all of them at once; where leads of another
            regression stand beside, one band covers all effects and another all leads (``bands_by_side``).

        Raises
        ------
        DesignError
            For "dynamic", when periods are not evenly coded.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        lay = self.layout
        problem = uneven(np.unique(lay.when), lay.first, lay.asked.time, lay.asked.starts)
        if kind == "dynamic" and problem is not None:
            raise DesignError(problem, source="design")
        parts = parts_of(self.cells, kind)
        whole = average(lay, _told(self.story, kind, None), self.cells, overall_of(self.cells, kind, parts), name=kind,
                        question=QUESTIONS[self.story.method][kind])
        rows = [_part(self, kind, value, pick) for value, pick in parts]
        if parts:
            picks = np.array([pick for _, pick in parts])
            critical = uniform_critical(picks @ self.cells.matrix @ picks.T, self.cells.df, lay.conf_level, SEED)
            whole = replace(whole, details=(*whole.details, ("band_critical", critical)))
            rows = [with_band(row, critical) for row in rows]
        if kind != "dynamic" or not self.earlier:
            return Averages(rows=(whole, *rows))
        # leads are of another regression: each side has its own band
        return Averages(rows=(replace(whole, details=(*whole.details, ("bands_by_side", True))), *rows, *self.earlier))


def parts_of(cells: CellTable, kind: str) -> list[tuple[float, Array]]:
    """List the values a kind of average runs over, each with its weights on the cells."""
    if kind == "simple":
        return []
    values = {"dynamic": np.round((cells.period - cells.cohort) / cells.step, 9), "group": cells.cohort,
              "calendar": cells.period}[kind]
    use = np.ones(len(values), dtype=bool) if kind == "dynamic" else cells.after
    return [(float(v), cells.mean_of(use & (values == v))) for v in np.unique(values[use])]


def overall_of(cells: CellTable, kind: str, parts: list[tuple[float, Array]]) -> Array:
    """Weights of the overall average of one kind; a group counts by its mean number of treated rows a period."""
    if kind == "simple":
        return cells.mean_of(cells.after)
    if kind == "group":
        size = np.array([cells.size[(cells.cohort == v) & cells.after].mean() for v, _ in parts])
        return np.asarray((size / size.sum()) @ np.array([pick for _, pick in parts]))
    return np.asarray(np.mean([pick for v, pick in parts if kind == "calendar" or v >= 0], axis=0))


def average(lay: Layout, story: Story, cells: CellTable, pick: Array, *, question: str, name: str = "",
            estimand: str = "att", cohort: str | None = None, period: str | None = None, horizon: str | None = None,
            details: tuple[tuple[str, object], ...] = ()) -> Estimate:
    """One weighted average of cells, with its counts and error."""
    error = float(np.sqrt(max(float(pick @ cells.matrix @ pick), 0.0)))
    per_row = np.append(pick / cells.size, 0.0)[cells.of_row]  # −1 takes the last, which is 0
    if lay.weights is not None:
        per_row = per_row * lay.weights
    return tell(lay, story, infer(float(pick @ cells.effect), error, cells.df, lay.conf_level), rows=per_row > 0,
                by_row=per_row, question=question, name=name, estimand=estimand, cohort=cohort, horizon=horizon,
                period=period or (lay.span if not (cohort or horizon) else None), details=details)


def _told(story: Story, kind: str, place: float | None) -> Story:
    return replace(story, card=cell_average_part(story.card, story.method, kind, place))


def _part(effects: CellEffects, kind: str, value: float, pick: Array) -> Estimate:
    lay, cells = effects.layout, effects.cells
    story = _told(effects.story, kind, value * cells.step)
    text = f"{value:.12g}"
    if kind == "dynamic":
        return average(lay, story, cells, pick, question=horizon_question(value), name=f"dynamic/{text}", horizon=text,
                       estimand="att" if value >= 0 else "placebo")
    if kind == "group":
        return average(lay, story, cells, pick, name=f"group/{text}", cohort=text,
                       question=f"the average effect on units first treated in {text}, over their treated periods")
    return average(lay, story, cells, pick, name=f"calendar/{text}", period=text,
                   question=f"the average effect in {text} on units treated by then")

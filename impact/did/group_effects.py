"""Group-time effects as estimates: cells and their averages with errors, bands, counts and caveats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from impact.data.panel import ASSUMPTIONS
from impact.did.aggregation import Average, aggregate
from impact.did.cells import Cell, Cells
from impact.did.estimands import QUESTIONS
from impact.did.multiplier import critical_value
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes
from impact.inference.report import Counterfactual, Counts, make_estimate
from impact.results import Caveat, Dropped, Estimate, Estimates, StandardErrorCard

METHOD = "group_time_att"
PARTS = {
    "dynamic": "the effect {} periods after first treatment, on units seen at that distance",
    "group": "the effect on units first treated in {}, averaged over the periods since",
    "calendar": "the effect in {} on units treated by then",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is needed to write any average of the cells as an estimate; no row of data.

    ``members`` are, for each cohort, the clusters with treated units (None where units are on their own).
    """

    outcome: str
    periods: Array
    step: float
    conf_level: float
    draws: int
    seed: int
    transform: str
    share: bool
    outcome_sd: float | None
    counts: Counts
    card: StandardErrorCard
    dropped: tuple[Dropped, ...]
    caveats: tuple[Caveat, ...]
    details: tuple[tuple[str, Any], ...]
    covariates: bool
    repeated: bool
    members: tuple[Codes, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTimeEffects(Estimates):
    """Effects by cohort and period: row 0 is the overall average ("simple"), then every cell.

    The interval of each row stands alone; ``band_low`` and ``band_high`` in its details cover all cells together.
    ``influence`` holds what each unit (or cluster) adds to each cell's error, one column a cell; it is kept in memory
    and never recorded.
    """

    cells: Cells | None = field(default=None, metadata={"record": False}, compare=False, repr=False)
    report: Report | None = field(default=None, metadata={"record": False}, compare=False, repr=False)

    @property
    def influence(self) -> Array:
        """(units or clusters, cells) influence: the variance of a cell is the sum of squares of its column."""
        found, _ = self._parts()
        return found.influence[:, : len(found.cells)]

    def aggregate(self, kind: str) -> Estimates:
        """Average the cells.

        Parameters
        ----------
        kind : "simple", "dynamic" (by periods since first treatment), "group" (by cohort) or "calendar" (by period).

        Returns
        -------
        Estimates
            Row 0 is the overall average, the components follow; ``band_low`` and ``band_high`` in their details cover all
            components together. See :func:`impact.did.aggregation.aggregate`.
        """
        found, report = self._parts()
        return Estimates(rows=_averages(found, report, kind))

    def covariance(self, kind: str) -> Array:
        """(m, m) covariance of the components of :meth:`aggregate`, in their order (for "simple" of the one average).

        Rows and columns of reference periods are zero.
        """
        found, _ = self._parts()
        overall, parts = aggregate(found.grid, kind)
        jacobian = np.array([part.gradient for part in parts or [overall]])
        return np.asarray(jacobian @ found.covariance @ jacobian.T)

    def _parts(self) -> tuple[Cells, Report]:
        if self.cells is None or self.report is None:
            raise ValueError("these effects were read back from a record: estimate again to average them")
        return self.cells, self.report


def group_time_effects(cells: Cells, report: Report) -> GroupTimeEffects:
    """Write the overall average and every cell."""
    count = len(cells.cells)
    variance = cells.covariance[:count, :count]
    known = np.flatnonzero(cells.grid.known)
    reach = critical_value(variance[np.ix_(known, known)], conf_level=report.conf_level, draws=report.draws,
                           seed=report.seed)
    rows = [_cell(cell, math.sqrt(max(float(variance[k, k]), 0.0)), reach, report) for k, cell in enumerate(cells.cells)]
    head = _averages(cells, report, "simple")[0]
    head = replace(head, details=(*head.details, *report.details, ("band_critical", reach), ("band_draws", report.draws),
                                  ("band_seed", report.seed), *_earlier(cells)))
    return GroupTimeEffects(rows=(head, *rows), cells=cells, report=report)


def _averages(cells: Cells, report: Report, kind: str) -> tuple[Estimate, ...]:
    overall, parts = aggregate(cells.grid, kind)
    jacobian = np.array([p.gradient for p in (overall, *parts)])
    variance = jacobian @ cells.covariance @ jacobian.T
    reach = critical_value(variance[1:, 1:], conf_level=report.conf_level, draws=report.draws, seed=report.seed)
    rows = []
    for j, part in enumerate((overall, *parts)):
        error = math.sqrt(max(float(variance[j, j]), 0.0))
        row = _average(part, error, cells, report, kind if part.key is None else PARTS[kind])
        rows.append(_placed(row, part, kind, error, reach))
    if parts:
        rows[0] = replace(rows[0], details=(("band_critical", reach), ("band_draws", report.draws),
                                            ("band_seed", report.seed)))
    return tuple(rows)


def _placed(row: Estimate, part: Average, kind: str, error: float, reach: float) -> Estimate:
    """Name an average's place: its id, horizon, cohort or period, and its band."""
    if part.key is None:
        return row if kind == "simple" else replace(row, id=f"{row.id}/{kind}", term=kind)
    name = f"{part.key:.12g}"
    place: dict[str, Any] = {{"dynamic": "horizon", "group": "cohort", "calendar": "period"}[kind]: name}
    return replace(row, id=f"{row.id}/{kind}/{name}", term=f"{kind} {name}", details=_band(part.value, error, reach),
                   **place)


def _band(value: float, error: float, reach: float) -> tuple[tuple[str, Any], ...]:
    if not (math.isfinite(value) and error > 0):
        return ()
    return (("band_low", value - reach * error), ("band_high", value + reach * error))


def _infer(value: float, error: float, report: Report, reason: str) -> Inference:
    if reason:
        return Inference(estimate=value, conf_level=report.conf_level, reason=reason)
    return infer(value, error, None, report.conf_level)


def _average(part: Average, error: float, cells: Cells, report: Report, words: str) -> Estimate:
    mine = [cells.cells[k] for k in part.cells]
    reason = "a reference period: zero by construction" if all(c.comparison.reference for c in mine) else ""
    after = all(report.periods[c.comparison.period] >= c.comparison.cohort for c in mine)
    mean = float(sum(w * c.mean for w, c in zip(part.weights, mine, strict=True)))
    # as if all means moved together, so that it is never too small
    spread = float(sum(w * c.mean_error for w, c in zip(part.weights, mine, strict=True)))
    treated = sum(c.treated for c in mine)
    overall = part.key is None
    groups = _groups(mine, cells, report)
    counts = replace(report.counts, treated=treated, comparison=report.counts.comparison if overall else None,
                     clusters_treated=groups[0], clusters_comparison=groups[1])
    return _write(_infer(part.value, error, report, reason), counts, report,
                  (*(report.caveats if overall else ()), *_missing(cells, report, overall)),
                  _base(mean, spread, part.value, report) if after else None,
                  QUESTIONS[METHOD][words] if overall else words.replace("{}", f"{part.key:.12g}"))


def _groups(mine: Sequence[Cell], cells: Cells, report: Report) -> tuple[int, int]:
    """Clusters or units behind an average: all with treated units in it, and the most that served as comparison at once."""
    starts = sorted({c.comparison.cohort for c in mine})
    if report.members is not None:
        places = np.searchsorted(cells.grid.cohorts, starts)
        treated = len(np.unique(np.concatenate([report.members[int(j)] for j in places])))
    else:
        treated = sum(max(c.groups[0] for c in mine if c.comparison.cohort == g) for g in starts)
    return treated, max((c.groups[1] for c in mine), default=0)


def _base(mean: float, error: float, effect: float, report: Report) -> Counterfactual:
    if report.transform == "log":
        return Counterfactual(mean=math.exp(mean - effect), std_error=0.0,
                              label="treated units without treatment (geometric mean)")
    return Counterfactual(mean=mean - effect, std_error=error, label="treated units without treatment")


def _cell(cell: Cell, error: float, reach: float, report: Report) -> Estimate:
    c = cell.comparison
    period, base = (f"{report.periods[j]:.12g}" for j in (c.period, c.base))
    cohort, horizon = f"{c.cohort:.12g}", round(float((report.periods[c.period] - c.cohort) / report.step), 9)
    reason = cell.reason or ("the reference period: zero by construction" if c.reference else "")
    rows = 1 if report.repeated or c.period == c.base else 2
    counts = Counts(n=cell.rows, treated=cell.treated * rows, comparison=cell.others * rows,
                    units=None if report.repeated else cell.treated + cell.others,
                    units_treated=None if report.repeated else cell.treated,
                    clusters=sum(cell.groups), clusters_treated=cell.groups[0], clusters_comparison=cell.groups[1])
    caveats = _cell_caveats(cell, period, base)
    row = _write(_infer(cell.effect, error, report, reason), counts, report, caveats,
                 _base(cell.mean, cell.mean_error, cell.effect, report) if horizon >= 0 and not reason else None,
                 f"the effect in {period} on units first treated in {cohort}" if horizon >= 0 else
                 f"before treatment: how far units first treated in {cohort} moved apart between {base} and {period}")
    reasons = (("estimate", cell.reason), ("std_error", cell.reason)) if cell.reason else row.reasons
    details = (("base_period", base), *_band(cell.effect, error if row.std_error is not None else 0.0, reach))
    return replace(row, id=f"{row.id}/{cohort}/{period}", term=f"{cohort} in {period}", cohort=cohort, period=period,
                   horizon=f"{horizon:.12g}", reasons=reasons, details=details)


def _cell_caveats(cell: Cell, period: str, base: str) -> tuple[Caveat, ...]:
    out = []
    if not cell.comparison.same_season and not cell.reason:
        out.append(Caveat(code="season", text=f"{period} is compared with {base}, another season.",
                          values=(("period", period), ("base", base))))
    if cell.trimmed:
        out.append(Caveat(code="trimmed", text=f"{cell.trimmed} comparison units look almost surely treated and have no "
                          "weight.", values=(("units", cell.trimmed),)))
    return tuple(out)


def _missing(cells: Cells, report: Report, overall: bool) -> tuple[Caveat, ...]:
    """Say which effects after treatment are missing from an overall average."""
    lost = [c for c in cells.cells if c.reason and report.periods[c.comparison.period] >= c.comparison.cohort]
    if not lost or not overall:
        return ()
    named = [f"{c.comparison.cohort:.12g} in {report.periods[c.comparison.period]:.12g}" for c in lost[:4]]
    more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
    return (Caveat(code="cells_missing", text=f"{len(lost)} effects after treatment cannot be estimated and are not in the "
                   f"average ({', '.join(named)}{more}): {lost[0].reason}.", values=(("cells", len(lost)),)),)


def _write(inference: Inference, counts: Counts, report: Report, caveats: Sequence[Caveat], base: Counterfactual | None,
           question: str) -> Estimate:
    parallel = ASSUMPTIONS[0]
    if report.covariates:
        parallel = parallel.replace("comparison units", "comparison units with the same covariates")
    same = ("The kind of units surveyed in each group does not change between periods.",) if report.repeated else ()
    transform = report.transform if math.isfinite(inference.estimate) else "none"
    row = make_estimate(
        outcome=report.outcome, term="treated", method=METHOD, estimand="att", inference=inference, counts=counts,
        vcov="influence", card=replace(report.card, clusters_treated=counts.clusters_treated,
                                       clusters_comparison=counts.clusters_comparison),
        base=base, question=question, assumptions=(parallel, *ASSUMPTIONS[1:], *same), transform=transform,
        outcome_sd=report.outcome_sd, dropped=report.dropped, caveats=caveats, share=report.share,
        period=f"{report.periods[0]:.12g}–{report.periods[-1]:.12g}")
    return row if row.transform == report.transform or report.share else replace(row, transform=report.transform)


def _earlier(cells: Cells) -> tuple[tuple[str, Any], ...]:
    """Test that all effects before treatment are zero, as R did prints it: (statistic, df, p)."""
    grid = cells.grid
    error = np.sqrt(np.diag(cells.covariance)[: len(cells.cells)])
    early = np.flatnonzero(grid.known & ~grid.after & (error > 0))
    if not len(early):
        return ()
    scaled = cells.covariance[np.ix_(early, early)] / np.outer(error[early], error[early])
    values, vectors = np.linalg.eigh(scaled)
    if values.min() < 1e-10 * values.max():
        return ()
    from scipy import special

    z = vectors.T @ (grid.effects[early] / error[early])
    statistic = float((z**2 / values).sum())
    return (("pretrend_test", (statistic, len(early), float(special.chdtrc(len(early), statistic)))),)

"""Group-time effects as estimates: cells and their averages with errors, bands, counts and caveats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from impact.data.panel import ASSUMPTIONS, EVEN
from impact.did.again import amount
from impact.did.aggregation import Average, aggregate
from impact.did.calls import group_time_part
from impact.did.cells import Cell, Cells
from impact.did.estimands import horizon_question
from impact.did.listing import Averages
from impact.did.multiplier import critical_value
from impact.did.pretest import largest_difference, said
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes
from impact.inference.report import Counterfactual, Counts, make_estimate
from impact.results import Caveat, Check, Dropped, Estimate, Estimates, StandardErrorCard

METHOD = "group_time_att"
TITLE = "Earlier trends, all groups at once"
SOURCE = "Callaway & Sant'Anna (2021), section 4; Roth (2022), AER: Insights 4"
PARTS = {
    "group": "the effect on units first treated in {}, averaged over the periods since",
    "calendar": "the effect in {} on units treated by then",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is needed to write any average of the cells as an estimate; no row of data.

    ``counts`` are those of the effects after treatment. ``noun`` names the level of assignment in sentences. ``questions``
    says, by kind of average, what the average is of.
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
    noun: str
    questions: Mapping[str, str]
    anticipation: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTimeEffects(Averages):
    """Effects by cohort and period: row 0 is the overall average ("simple"), then every cell.

    The interval of each row stands alone; ``band_low`` and ``band_high`` in its details cover all cells together.
    ``influence`` holds what each unit (or cluster) adds to each cell's error, one column a cell; it is kept in memory
    and never recorded.
    """

    cells: Cells | None = field(default=None, metadata={"record": False}, compare=False, repr=False)
    report: Report | None = field(default=None, metadata={"record": False}, compare=False, repr=False)

    __repr__ = Averages.__repr__

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
        return Averages(rows=_averages(found, report, kind))

    def covariance(self, kind: str) -> Array:
        """(m, m) covariance of the components of :meth:`aggregate`, in their order (for "simple" of the one average).

        Rows and columns of reference periods are zero.
        """
        found, _ = self._parts()
        overall, parts = aggregate(found.grid, kind)
        jacobian = np.array([part.gradient for part in parts or [overall]])
        return np.asarray(jacobian @ found.covariance @ jacobian.T)

    @property
    def pretrend(self) -> Check:
        """Joint test of all moves up to the last period before treatment, by :func:`impact.did.pretest.largest_difference`.

        The chi-square test that R did prints stands in the details as ``pretrend_wald_r_did``: with few treated units or
        clusters it rejects true parallel trends far too often, and no verdict here rests on it.
        """
        return _pretrend(*self._parts())

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
                                  ("band_seed", report.seed), *_wald(cells)))
    return GroupTimeEffects(rows=(head, *rows), cells=cells, report=report)


def _averages(cells: Cells, report: Report, kind: str) -> tuple[Estimate, ...]:
    overall, parts = aggregate(cells.grid, kind)
    jacobian = np.array([p.gradient for p in (overall, *parts)])
    variance = jacobian @ cells.covariance @ jacobian.T
    reasons = [_no_error(part, cells, report) for part in (overall, *parts)]
    told = np.array([not reason for reason in reasons])
    variance = variance * np.outer(told, told)  # what has no error has no place in the band
    reach = critical_value(variance[1:, 1:], conf_level=report.conf_level, draws=report.draws, seed=report.seed)
    rows = []
    for j, (part, reason) in enumerate(zip((overall, *parts), reasons, strict=True)):
        error = math.sqrt(max(float(variance[j, j]), 0.0))
        row = _average(part, _infer(part.value, error, report, reason), cells, report,
                       _question(part, kind, report))
        rows.append(_placed(row, part, kind, error, reach, report.anticipation))
    if parts:
        rows[0] = replace(rows[0], details=(("band_critical", reach), ("band_draws", report.draws),
                                            ("band_seed", report.seed)))
    return tuple(rows)


def _question(part: Average, kind: str, report: Report) -> str:
    """Say what an average, or one part of it, is of."""
    if part.key is None:
        return report.questions[kind]
    if kind == "dynamic":
        return horizon_question(part.key, report.anticipation)
    return PARTS[kind].replace("{}", f"{part.key:.12g}")


def _placed(row: Estimate, part: Average, kind: str, error: float, reach: float, anticipation: float) -> Estimate:
    """Name an average's place: its id, horizon, cohort or period, and its band."""
    name = "" if part.key is None else f"{part.key:.12g}"
    if row.se_card is not None:
        early = kind == "dynamic" and part.key is not None and part.key < 0
        row = replace(row, se_card=group_time_part(row.se_card, kind, name, before=early))
    if part.key is None:
        return row if kind == "simple" else replace(row, id=f"{row.id}/{kind}", term=kind)
    place: dict[str, Any] = {{"dynamic": "horizon", "group": "cohort", "calendar": "period"}[kind]: name}
    if kind == "dynamic" and part.key < -anticipation:
        place |= {"estimand": "placebo", "dropped": _lost_to_trends(row)}
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


def _no_error(part: Average, cells: Cells, report: Report) -> str:
    """Why an average has no standard error: all zero by construction, or a cell in it that rests on one cluster or unit.

    The one's deviation from its own mean is zero, so that the error would leave its luck out altogether.
    """
    mine = [c for c in (cells.cells[k] for k in part.cells) if not c.comparison.reference]
    if not mine:
        return "a reference period: zero by construction"
    lone = next((c for c in mine if min(c.groups) < 2), None)
    if lone is None:
        return ""
    start, luck = f"start date {lone.comparison.cohort:.12g}", "its luck cannot be told from an effect"
    when = f"{report.periods[lone.comparison.period]:.12g}"
    if lone.groups[0] > 1:
        return f"in {when} {start} is compared with one {report.noun}: {luck}"
    whole = all(c.groups[0] < 2 for c in cells.cells if c.comparison.cohort == lone.comparison.cohort)
    return f"{start} is one {report.noun}: {luck}" if whole else f"in {when} {start} rests on one {report.noun}: {luck}"


def _average(part: Average, inference: Inference, cells: Cells, report: Report, question: str) -> Estimate:
    mine = [cells.cells[k] for k in part.cells]
    after = all(report.periods[c.comparison.period] >= c.comparison.cohort for c in mine)
    mean = float(sum(w * c.mean for w, c in zip(part.weights, mine, strict=True)))
    # as if all means moved together, so that it is never too small
    spread = float(sum(w * c.mean_error for w, c in zip(part.weights, mine, strict=True)))
    overall = part.key is None
    counts = replace(report.counts, clusters_comparison=min(c.groups[1] for c in mine))
    if not overall:
        there = cells.standing(part.cells)
        counts = replace(
            counts, n=there.rows, treated=sum(c.treated for c in mine) if there.rows else None, comparison=None,
            units=None if counts.units is None else there.units,
            units_treated=None if counts.units_treated is None else there.units_treated,
            clusters=there.clusters, clusters_treated=_treated(mine))
    return _write(inference, counts, report,
                  (*(report.caveats if overall else ()), *_missing(cells, report, overall)),
                  _base(mean, spread, part.value, report) if after else None, question)


def _treated(mine: Sequence[Cell]) -> int:
    """Clusters with treated units in any of some cells; of units on their own the most of each cohort at once."""
    members = [c.members for c in mine if c.members is not None]
    if members:
        return len(np.unique(np.concatenate(members)))
    starts = {c.comparison.cohort for c in mine}
    return sum(max(c.groups[0] for c in mine if c.comparison.cohort == g) for g in starts)


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
                 _cell_question(cohort, base, period, horizon))
    reasons = (("estimate", cell.reason), ("std_error", cell.reason)) if cell.reason else row.reasons
    details = (("base_period", base), *_band(cell.effect, error if row.std_error is not None else 0.0, reach))
    card = group_time_part(report.card, "cell", f"group {cohort}, t {period}", before=horizon < 0)
    early: dict[str, Any] = {"se_card": replace(card, clusters_treated=cell.groups[0], clusters_comparison=cell.groups[1])}
    if horizon < -report.anticipation:
        early |= {"estimand": "placebo", "dropped": _lost_to_trends(row)}
    return replace(row, id=f"{row.id}/{cohort}/{period}", term=f"{cohort} in {period}", cohort=cohort, period=period,
                   horizon=f"{horizon:.12g}", reasons=reasons, details=details, **early)


def _lost_to_trends(row: Estimate) -> tuple[Dropped, ...]:
    """Leave out of the ledger of a row before treatment those rows that are lost to effects only."""
    return tuple(loss for loss in row.dropped if loss.reason != "earlier_only")


def _cell_question(cohort: str, base: str, period: str, horizon: float) -> str:
    """Say what one cell is of: an effect, a move before treatment, or a comparison there is none for."""
    if horizon >= 0:
        return f"the effect in {period} on units first treated in {cohort}"
    if base == period:
        return f"before treatment: units first treated in {cohort} in {period}, with no other period to compare it with"
    return f"before treatment: how far units first treated in {cohort} moved apart between {base} and {period}"


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
    ahead = f"{report.anticipation:.12g} period{'s' * (report.anticipation != 1)} before treatment"
    expected = ASSUMPTIONS[1].replace("before treatment", f"earlier than {ahead}" if report.anticipation else
                                      "before treatment")
    same = ("The kind of units surveyed in each group does not change between periods.",) if report.repeated else ()
    transform = report.transform if math.isfinite(inference.estimate) else "none"
    row = make_estimate(
        outcome=report.outcome, term="treated", method=METHOD, estimand="att", inference=inference, counts=counts,
        vcov="influence", card=replace(report.card, clusters_treated=counts.clusters_treated,
                                       clusters_comparison=counts.clusters_comparison),
        base=base, question=question, assumptions=(parallel, expected, *ASSUMPTIONS[2:], *same), transform=transform,
        outcome_sd=report.outcome_sd, dropped=report.dropped, caveats=caveats, share=report.share,
        period=f"{report.periods[0]:.12g}–{report.periods[-1]:.12g}")
    return row if row.transform == report.transform or report.share else replace(row, transform=report.transform)


def _early(cells: Cells) -> Codes:
    """Positions of the cells before treatment that have an effect and an error."""
    error = np.diag(cells.covariance)[: len(cells.cells)]
    return np.flatnonzero(cells.grid.known & ~cells.grid.after & (error > 0)).astype(np.int64)


def _wald(cells: Cells) -> tuple[tuple[str, Any], ...]:
    """Test that all effects before treatment are zero, as R did prints it: (statistic, df, p). For comparison only."""
    early = _early(cells)
    if not len(early):
        return ()
    error = np.sqrt(np.diag(cells.covariance)[early])
    scaled = cells.covariance[np.ix_(early, early)] / np.outer(error, error)
    values, vectors = np.linalg.eigh(scaled)
    if values.min() < 1e-10 * values.max():
        return ()
    from scipy import special

    z = vectors.T @ (cells.grid.effects[early] / error)
    statistic = float((z**2 / values).sum())
    return (("pretrend_wald_r_did", (statistic, len(early), float(special.chdtrc(len(early), statistic)))),)


def _pretrend(cells: Cells, report: Report) -> Check:
    """Test all moves up to the last period before treatment at once."""
    early, count = _early(cells), len(cells.cells)
    ahead = (report.anticipation + EVEN) * report.step  # within it the programme may already act
    early = early[cells.grid.period[early] < cells.grid.cohort[early] - ahead]
    if not len(early):
        return Check(id="pretrend_group_time", title=TITLE, verdict="not_applicable", word="not examined",
                     outcome=report.outcome, source=SOURCE, reason="No two earlier periods can be compared: whether "
                     "treated units moved in parallel before cannot be seen.")
    starts = cells.grid.cohort[early]
    moves = [move for g in np.unique(starts) for move in _moves(cells, early[starts == g])]
    pick = np.zeros((count, len(moves)))
    for j, move in enumerate(moves):
        pick[move.cells, j] = move.sign
    values = np.where(cells.grid.known, cells.grid.effects, 0.0) @ pick
    cohort = np.searchsorted(cells.grid.cohorts, [move.cohort for move in moves])
    test = largest_difference(values, cells.influence[:, :count] @ pick, cells.influence[:, count + cohort] > 0,
                              seed=report.seed, draws=report.draws)
    named = [f"{amount(value, report.transform)} (units first treated in {m.cohort:.12g}, between "
             f"{report.periods[m.start]:.12g} and {report.periods[m.end]:.12g})"
             for m, value in zip(moves, values, strict=True)]
    return said(test, named, identifier="pretrend_group_time", title=TITLE, outcome=report.outcome, source=SOURCE,
                noun="unit" if cells.cells[0].members is None else "cluster", details=_wald(cells))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """How far one cohort moved apart between two earlier periods: the sum of some cells, or one turned round."""

    cohort: float
    cells: Codes
    sign: float
    start: int
    end: int


def _moves(cells: Cells, mine: Codes) -> list[_Move]:
    """List the moves of one cohort; steps from period to period are added up, since a slow drift shows in long moves."""
    parts = [cells.cells[int(k)].comparison for k in mine]
    chained = len(parts) > 1 and all(b.base == a.period for a, b in pairwise(parts))
    if chained:
        return [_Move(cohort=c.cohort, cells=mine[j:], sign=1.0, start=c.base, end=parts[-1].period)
                for j, c in enumerate(parts)]
    return [_Move(cohort=c.cohort, cells=mine[j:j + 1], sign=1.0 if c.base < c.period else -1.0,
                  start=min(c.base, c.period), end=max(c.base, c.period)) for j, c in enumerate(parts)]

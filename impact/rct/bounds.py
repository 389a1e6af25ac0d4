"""What attrition could hide: bounds on the effect when some of those in the draw were not found again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, stats

from impact.data.frame import Selection, as_names, check_columns, require_columns, rows_text, transformed
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.chance import check_draws, seeded
from impact.inference.intervals import check_level, infer
from impact.inference.linear import Array, Codes
from impact.inference.report import Counts, cluster_counts, few_for_large_samples, is_share, make_estimate
from impact.rct.assignment import check_draw
from impact.rct.trial import is_constant, keep_known
from impact.results import Caveat, Estimate, Estimates, Segment, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 999
LEE_QUESTION = "the average effect of the offer on units that would be found again whether offered or not (always observed)"
LEE_ASSUMPTIONS = (
    "Who was offered the programme was decided by lot.",
    "The offer moves being found again in one direction only (monotonicity), within each cell where cells are given.",
)
MANSKI_QUESTION = "the average effect of the offer on all units in the draw, whatever those not found would have answered"
MANSKI_ASSUMPTIONS = (
    "Who was offered the programme was decided by lot.",
    "Outcomes of those not found lie between the two limits given.",
)


@dataclass(slots=True, kw_only=True)
class _Enrolled:
    """All units in the draw: outcome (missing where not found), arm, weight, cells and clusters."""

    rows: Selection
    y: Array
    offered: Array
    weights: Array
    cells: Codes
    clusters: Codes | None
    share: bool
    caveats: tuple[Caveat, ...] = ()


def lee_bounds(data: pd.DataFrame, *, outcome: str, treatment: str, strata: str | None = None,
               tighten: Sequence[str] = (), cluster: str | None = None, weights: str | None = None,
               transform: str = "none", conf_level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> Estimates:
    """Bounds on the effect of the offer among units that would be found again either way.

    Parameters
    ----------
    data : DataFrame, one row for each unit in the draw; the outcome is missing where a unit was not found.
    outcome : column, in its own unit. treatment : column of 1 (offered) and 0 (not).
    strata : column of the blocks of the draw; bounds are taken within them and averaged. Strata of two units (or clusters),
        as in a matched-pair draw, are taken together, with a caveat.
    tighten : columns with few values, measured before the offer; bounds within their cells are never wider.
    cluster : column of the groups that were drawn; they are drawn again whole for the standard errors.
    weights : column of positive sampling weights: shares found and trimmed are shares of the weight, means are weighted,
        and cells count by it. Units are drawn again with their weights.
    transform : "none" or "log". conf_level : a share.
    draws, seed : of the bootstrap within arms that gives the standard errors.

    Returns
    -------
    Estimates
        Two rows, ``lower`` and ``upper``. Each row's ``interval`` is the Imbens–Manski interval, which holds the effect
        itself at the level; ``conf_low`` and ``conf_high`` are those of the bound. ``details`` holds the share trimmed and
        the arm it is trimmed from.

    Raises
    ------
    DataError
        As :func:`impact.rct.difference_in_means`.
    DesignError
        When a cell has no unit found in one arm.

    Notes
    -----
    Assumes assignment by lot, and that the offer moves being found in one direction only.
    Estimand: average effect on the always observed. The arm found more often is trimmed by the share it has more, from the
    top for the lower bound and from the bottom for the upper; at ties the marginal unit counts with a fraction, so that
    exactly the share is removed. Lee (2009, Review of Economic Studies 76); Imbens & Manski (2004,
    Econometrica 72) for the interval. Below 40 clusters the caveat ``few_clusters_large_sample`` says that the bootstrap's
    normal quantile wants more of them. Reference cases: bounds_tz_lee; weights by hand (tests/test_trial_weights.py).
    """
    sample = _enrolled(data, outcome, treatment, strata, as_names(tighten), cluster, weights, transform)

    def both(rows: Codes) -> tuple[float, float]:
        return _lee(sample.y[rows], sample.offered[rows], sample.cells[rows], sample.weights[rows])

    everyone = np.arange(len(sample.y))
    errors, rule = _bootstrap(both, sample, draws, seed)
    details = _trimmed(sample)
    return _two_rows(sample, both(everyone), errors, outcome, treatment, "lee_bounds", cluster, transform, conf_level,
                     LEE_QUESTION, LEE_ASSUMPTIONS, details, rule)


def manski_bounds(data: pd.DataFrame, *, outcome: str, treatment: str, low: float, high: float,
                  strata: str | None = None, cluster: str | None = None, weights: str | None = None,
                  conf_level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> Estimates:
    """Bounds on the effect of the offer with nothing assumed of those not found but the limits of the outcome.

    Parameters
    ----------
    data, outcome, treatment, strata, cluster, weights, conf_level, draws, seed
        As :func:`lee_bounds`.
    low, high : least and largest value the outcome can take, in its unit (0 and 1 for a yes/no).

    Returns
    -------
    Estimates
        Two rows, ``lower`` and ``upper``, with the Imbens–Manski interval as in :func:`lee_bounds`.

    Raises
    ------
    DataError
        As :func:`lee_bounds`; also when a value lies outside the limits.
    DesignError
        As :func:`lee_bounds`; also when the limits stand the wrong way round.

    Notes
    -----
    Estimand: ITT on all units in the draw. Assumes assignment by lot, and of those not found the limits alone. Horowitz &
    Manski (2000, JASA 95). Reference cases: bounds_tz_manski; weights by hand (tests/test_trial_weights.py).
    """
    sample = _enrolled(data, outcome, treatment, strata, (), cluster, weights, "none")
    known = sample.y[~np.isnan(sample.y)]
    if not low < high:
        raise DesignError(Problem(where="low", what=f"the least value, {low:g}, is not below the largest, {high:g}",
                                  cure="Put the smaller first."), source="design")
    if known.min() < low or known.max() > high:
        outside = int(((known < low) | (known > high)).sum())
        raise DataError(Problem(where=f"column '{outcome}'", what=f"{outside} values lie outside the limits {low:g} to "
                                f"{high:g}", cure="Give the limits the outcome can take."), source="data")

    def both(rows: Codes) -> tuple[float, float]:
        y, d, cells, w = sample.y[rows], sample.offered[rows], sample.cells[rows], sample.weights[rows]
        gone = np.isnan(y)
        return (_within_cells(np.where(gone, np.where(d == 1, low, high), y), d, cells, w),
                _within_cells(np.where(gone, np.where(d == 1, high, low), y), d, cells, w))

    errors, rule = _bootstrap(both, sample, draws, seed)
    everyone = np.arange(len(sample.y))
    return _two_rows(sample, both(everyone), errors, outcome, treatment, "manski_bounds", cluster, "none", conf_level,
                     MANSKI_QUESTION, MANSKI_ASSUMPTIONS, (("low", float(low)), ("high", float(high))), rule)


def _enrolled(data: pd.DataFrame, outcome: str, treatment: str, strata: str | None, tighten: tuple[str, ...],
              cluster: str | None, weights: str | None, transform: str) -> _Enrolled:
    cells = [*as_names(strata), *tighten]
    require_columns(data, outcome=outcome, treatment=treatment, strata=strata, tighten=tighten, cluster=cluster,
                    weights=weights)
    check_columns(data, numbers=(outcome, *as_names(weights)), zero_one=(treatment,), complete=as_names(cluster))
    rows = keep_known(data, ((treatment, "treatment"), *((c, "cell") for c in cells), (weights, "weight")), weights)
    raw, offered = rows.numbers(outcome), rows.numbers(treatment)
    clusters = rows.codes(cluster) if cluster is not None else None
    check_draw(rows, treatment=treatment, strata=strata, cluster=cluster)
    known = ~np.isnan(raw)
    y = np.full(len(raw), np.nan)
    y[known] = transformed(raw[known], transform, outcome, rows.kept.nonzero()[0][known])
    codes = np.zeros(len(raw), dtype=np.int64)
    caveats: list[Caveat] = []
    if cells:
        table = np.column_stack([rows.codes(c) for c in cells])
        if strata is not None:
            caveats = _pool_pairs(table[:, 0], clusters)
        codes = np.unique(table, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    problems = [_empty_cell(rows, cells, codes == cell, arm, offered) for cell in range(int(codes.max()) + 1)
                for arm in (0, 1) if not (known & (codes == cell) & (offered == arm)).any()]
    if problems:
        raise DesignError(problems, source="design")
    heavy = rows.numbers(weights) if weights is not None else np.ones(len(raw))
    return _Enrolled(rows=rows, y=y, offered=offered, weights=heavy, cells=codes, clusters=clusters,
                     share=is_share(raw[known]), caveats=tuple(caveats))


def _pool_pairs(strata: Codes, clusters: Codes | None) -> list[Caveat]:
    """Put all strata of two units (or clusters) into one, in place, and say how many: a pair has no bounds of its own."""
    members = np.arange(len(strata)) if clusters is None else clusters
    first = np.unique(members, return_index=True)[1]
    small = np.bincount(strata[first], minlength=int(strata.max()) + 1) == 2
    if small.sum() < 2:
        return []
    strata[small[strata]] = np.flatnonzero(small)[0]
    return [Caveat(code="pairs_pooled", text=f"{int(small.sum())} strata of two are taken together: a pair in which one "
                   "was not found has no bounds of its own. In each of them one of two was drawn, so that the bounds hold; "
                   "they are wider than bounds within pairs would be.", values=(("strata", int(small.sum())),))]


def _empty_cell(rows: Selection, cells: list[str], inside: np.ndarray[Any, np.dtype[np.bool_]], arm: int,
                offered: Array) -> Problem:
    """Say in which cell an arm has nobody found, by the cell's own values and the rows not found."""
    first = [f"{name} = {speakable(rows.column(name)[inside][:1])[0]}" for name in cells]
    place, who = rows.kept.nonzero()[0] + 1, "offered" if arm else "comparison"
    lost = place[inside & (offered == arm)]
    told = f"after {rows_text(lost, 4)} without outcome" if len(lost) else f"none was drawn ({rows_text(place[inside], 4)})"
    return Problem(where=f"cell {', '.join(first)}" if first else "data", what=f"nobody of the {who} was found: {told}",
                   cure="Use fewer or larger cells.")


def _lee(y: Array, offered: Array, cells: Codes, weights: Array) -> tuple[float, float]:
    """Lower and upper bound: cells averaged by how many of them are always observed."""
    lower, upper, weight = 0.0, 0.0, 0.0
    for cell in np.unique(cells):
        inside = cells == cell
        arms = [inside & (offered == arm) for arm in (1, 0)]
        found = [arm & ~np.isnan(y) for arm in arms]
        if min(int(f.sum()) for f in found) == 0:
            continue
        shares = [float(weights[f].sum() / weights[a].sum()) for f, a in zip(found, arms, strict=True)]
        means = [float(np.average(y[f], weights=weights[f])) for f in found]
        q = abs(shares[0] - shares[1]) / max(shares)
        more = found[0] if shares[0] >= shares[1] else found[1]
        low, high = (_kept_mean(y[more], weights[more], q, top=top) for top in (True, False))
        bounds = (low - means[1], high - means[1]) if shares[0] >= shares[1] else (means[0] - high, means[0] - low)
        mine = min(shares) * float(weights[inside].sum())
        lower, upper, weight = lower + mine * bounds[0], upper + mine * bounds[1], weight + mine
    return (lower / weight, upper / weight) if weight > 0 else (np.nan, np.nan)  # nobody of an arm found in this draw


def _kept_mean(values: Array, weights: Array, share: float, *, top: bool) -> float:
    """Weighted mean after trimming exactly a share of the weight from the top or the bottom."""
    order = np.argsort(-values if top else values, kind="stable")
    ordered, heavy = values[order], weights[order]
    reached = np.cumsum(heavy)
    mass = np.clip(reached - share * reached[-1], 0.0, heavy)
    return float((ordered * mass).sum() / mass.sum())


def _within_cells(y: Array, offered: Array, cells: Codes, weights: Array) -> float:
    total, weight = 0.0, 0.0
    for cell in np.unique(cells):
        inside = cells == cell
        if len(np.unique(offered[inside])) == 2:
            one, zero = inside & (offered == 1), inside & (offered == 0)
            mine = float(weights[inside].sum())
            total += mine * float(np.average(y[one], weights=weights[one]) - np.average(y[zero], weights=weights[zero]))
            weight += mine
    return float(total / weight)


def _bootstrap(both: Callable[[Codes], tuple[float, float]], sample: _Enrolled, draws: int,
               seed: int) -> tuple[tuple[float, float], str]:
    """Standard errors of the two bounds, and how they were made: units (or clusters) drawn again within arms."""
    draws = check_draws(draws, 2)
    rng = seeded(seed)
    groups = np.arange(len(sample.y)) if sample.clusters is None else sample.clusters
    members = np.split(np.argsort(groups, kind="stable"), np.searchsorted(np.sort(groups), np.arange(1, groups.max() + 1)))
    arm = np.array([sample.offered[m[0]] for m in members])
    pools = [np.flatnonzero(arm == a) for a in (0, 1)]
    found = np.empty((draws, 2))
    for i in range(draws):
        picked = np.concatenate([rng.choice(pool, len(pool)) for pool in pools])
        rows = picked if sample.clusters is None else np.concatenate([members[g] for g in picked])
        found[i] = both(rows.astype(np.int64))
    empty = np.isnan(found[:, 0])
    spread = found[~empty].std(axis=0, ddof=1)
    told = f"; {int(empty.sum())} in which nobody of an arm was found are left out" if empty.any() else ""
    return (float(spread[0]), float(spread[1])), f"bootstrap within arms, {draws} draws{told}"


def _trimmed(sample: _Enrolled) -> tuple[tuple[str, object], ...]:
    found, w = ~np.isnan(sample.y), sample.weights
    shares = [float(np.average(found[sample.offered == arm], weights=w[sample.offered == arm])) for arm in (1, 0)]
    trimmed = "neither" if shares[0] == shares[1] else "treated" if shares[0] > shares[1] else "comparison"
    return (("share_found_treated", shares[0]), ("share_found_comparison", shares[1]),
            ("trim_share", abs(shares[0] - shares[1]) / max(shares)), ("trimmed_group", trimmed))


def imbens_manski(lower: float, upper: float, errors: tuple[float, float], conf_level: float) -> Segment:
    """Interval that holds the effect, not the whole identified set, at the level (Imbens & Manski 2004)."""
    level = check_level(conf_level)
    if max(errors) == 0:  # no draw moved a bound: the bounds themselves are all there is
        return Segment(low=lower, high=upper)
    width = (upper - lower) / max(errors)

    def gap(c: float) -> float:
        return float(stats.norm.cdf(c + width) - stats.norm.cdf(-c)) - level

    c = float(optimize.brentq(gap, 0.0, 10.0))
    return Segment(low=lower - c * errors[0], high=upper + c * errors[1])


def _two_rows(sample: _Enrolled, bounds: tuple[float, float], errors: tuple[float, float], outcome: str, treatment: str,
              method: str, cluster: str | None, transform: str, conf_level: float, question: str,
              assumptions: tuple[str, ...], details: tuple[tuple[str, object], ...], rule: str) -> Estimates:
    known = ~np.isnan(sample.y)
    treated = sample.offered[known]
    groups = cluster_counts(sample.clusters, sample.offered) if sample.clusters is not None else (None, None, None)
    counts = Counts(n=int(known.sum()), treated=int(treated.sum()), comparison=int((1 - treated).sum()),
                    units=int(known.sum()), units_treated=int(treated.sum()), clusters=groups[0],
                    clusters_treated=groups[1], clusters_comparison=groups[2])
    # Stata's bounds know of cells of one direction only, and of neither clusters nor the weights of losses
    plain = method == "lee_bounds" and cluster is None and not sample.cells.any() and np.ptp(sample.weights) == 0
    card = StandardErrorCard(formula=rule, correction="none", level=cluster or "the unit", df_rule="normal",
                             clusters_treated=groups[1] if groups[1] is not None else counts.treated,
                             clusters_comparison=groups[2] if groups[2] is not None else counts.comparison,
                             stata_call="leebounds y d, select(found) cieffect" if plain else "")
    if is_constant(sample.y[known]) and method == "lee_bounds":  # trimming the same values moves nothing
        bounds, errors = (0.0, 0.0), (0.0, 0.0)
    together = imbens_manski(*bounds, errors, conf_level)
    rows: list[Estimate] = []
    for name, value, error in zip(("lower", "upper"), bounds, errors, strict=True):
        estimate = make_estimate(
            outcome=outcome, term=name, method=method, inference=infer(value, error, None, conf_level),
            counts=counts, vcov="bootstrap", card=card, base=None, question=question, assumptions=assumptions,
            estimand="always_observed" if method == "lee_bounds" else "itt", transform=transform,
            dropped=sample.rows.dropped, share=sample.share, details=details,
            caveats=(*sample.caveats, *few_for_large_samples(counts.n if groups[0] is None else groups[0])))
        rows.append(replace(estimate, id=f"{outcome}/{method}/{name}", interval=(together,)))
    return Estimates(rows=tuple(rows))

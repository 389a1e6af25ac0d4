"""Optimal matching: the pairs, or sets of one against several, with the smallest total distance there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from impact.data.frame import as_names
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes
from impact.matching.assembly import (
    Found,
    Why,
    check_vcov,
    left_unequal,
    lonely,
    matched_estimate,
    nobody,
    set_card,
    set_inference,
    set_weights,
)
from impact.matching.distance import DISTANCES, SCORES, Metric, caliper_of, check_caliper, check_score, metric_of
from impact.matching.equivalents import GIVEN, matchit
from impact.matching.neighbours import BLOCK, TIE, Mask, cells_in_common
from impact.matching.sample import MatchedEstimate
from impact.matching.units import QUESTIONS, Units, cells_of, check_choice, check_flag, select_units
from impact.results import Caveat

if TYPE_CHECKING:
    import pandas as pd

    from impact.matching.propensity import PropensityScore

MOST_EDGES = 20_000_000  # possible matches held at once


def optimal_pairs(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], estimand: str = "att",
                  distance: str = "propensity", caliper: float | None = None, caliper_unit: str = "sd",
                  exact: Sequence[str] = (), bias_adjustment: bool = False, vcov: str | None = None,
                  score: PropensityScore | None = None, cluster: str | None = None, transform: str = "none",
                  conf_level: float = 0.95) -> MatchedEstimate:
    """Pair each unit with one of the other arm so that the sum of distances is the smallest possible.

    Parameters
    ----------
    data, outcome, treatment, covariates, distance, caliper, caliper_unit, exact, score, transform, conf_level
        As :func:`impact.matching.nearest_neighbour`. With a caliper or exact groups, as many pairs as possible are made,
        and among those the nearest.
    estimand : "att" (those who took part) or "atc" (the others).
    bias_adjustment : regression on the covariates within the matched sample.
    vcov : None clusters errors by pair (CR1S, df pairs − 1); any of classical, HC0 … CR3 by name.
    cluster : column of those who were chosen together (villages): errors are then clustered by pair and by it.

    Returns
    -------
    MatchedEstimate
        ``details`` holds ``total_distance``, in the unit of the distance.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.matching.nearest_neighbour`; too many possible pairs to weigh against each other.

    Notes
    -----
    Estimand: the effect on those matched; assumes selection on the covariates given. Rosenbaum (1989, JASA 84); solved
    exactly as an assignment problem (Jonker & Volgenant 1987). Errors: Abadie & Spiess (2022, JASA 117). Several
    pairings may have the same total distance; which one is found does not depend on the order of rows, save among units
    alike in every covariate, and then a caveat says so. Reference case: match_lalonde_optimal (R MatchIt 4.7.1, optmatch).
    """
    check_flag("bias_adjustment", bias_adjustment)
    check_choice("estimand", estimand, ("att", "atc"))
    units, metric, cells, reach = _prepared(data, outcome, treatment, covariates, exact, distance, caliper, caliper_unit,
                                            transform, cluster, score)
    kind = check_vcov(vcov, cluster)
    arm = 1 if estimand == "att" else 0
    mine, theirs = _canonical(units, arm), _canonical(units, 1 - arm)
    pairs = []
    for f, d, edges in _edges(metric, mine, theirs, cells, reach):
        pairs.append(_fewest_left_out(f, d, *edges))
    chosen = np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)
    if not len(chosen):
        raise nobody(caliper, exact)
    chosen = chosen[np.argsort(chosen[:, 0])]
    weights, sets = np.zeros(len(units.y)), np.full(len(units.y), -1, dtype=np.int64)
    for side in chosen.T:
        weights[side], sets[side] = 1.0, np.arange(len(chosen))
    adjust = units.x if bias_adjustment else None
    focal = np.flatnonzero(units.treated == arm)
    lost = np.zeros(len(units.y), dtype=bool)
    lost[focal] = weights[focal] == 0
    r_call = matchit("optimal", estimand, distance if score is None else f"{GIVEN}{distance}", caliper=caliper,
                     caliper_unit=caliper_unit, exact=as_names(exact))
    card = set_card(kind, "matched pair", len(chosen), "with regression adjustment" if bias_adjustment else
                    "no bias adjustment", r_call, units, bias_adjustment)
    total = _length(metric, chosen[:, 0], chosen[:, 1])
    limit = _limit(caliper, caliper_unit, as_names(exact), distance)
    return matched_estimate(units, Found(
        method="optimal_pairs", estimand=estimand, vcov=kind, card=card, weights=weights, sets=sets, lost=lost,
        inference=set_inference(units.y, units.treated, sets, weights, adjust, kind, conf_level, units.clusters),
        pairs=tuple((int(i), int(j), 1.0) for i, j in chosen), limit=limit,
        why=lonely(focal, np.flatnonzero(units.treated != arm), lost[focal], metric, cells, reach),
        score=metric.probability, place=metric.place,
        caveats=(*_twins(units, cells, chosen[:, 1]), *left_unequal(units, weights, adjust)),
        details=(("distance", distance), ("bias_adjusted", bias_adjustment), ("total_distance", total))))


def full_matching(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], estimand: str = "att",
                  distance: str = "propensity", caliper: float | None = None, caliper_unit: str = "sd",
                  exact: Sequence[str] = (), vcov: str | None = None, score: PropensityScore | None = None,
                  cluster: str | None = None, transform: str = "none",
                  conf_level: float = 0.95) -> MatchedEstimate:
    """Put every unit into a set of one treated and several comparison units, or the reverse, at the least total distance.

    Parameters
    ----------
    data, outcome, treatment, covariates, distance, caliper, caliper_unit, exact, score, transform, conf_level
        As :func:`impact.matching.nearest_neighbour`. Units without a possible counterpart are left out and counted.
    estimand : "att", "atc" or "ate": whose share of each set is the weight of its two arms.
    vcov : None clusters errors by matched set (CR1S, df sets − 1); any of classical, HC0 … CR3 by name.
    cluster : column of those who were chosen together (villages): errors are then clustered by set and by it.

    Returns
    -------
    MatchedEstimate
        ``details`` holds ``total_distance`` (sum over the matches within sets, in the unit of the distance), the number of
        sets and the size of the largest.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.matching.nearest_neighbour`; too many possible matches to weigh against each other.

    Notes
    -----
    Assumes selection on the covariates given. Rosenbaum (1991, JRSS B 53); Hansen (2004, JASA 99). Without limits on the
    size of sets, the optimal full match is the cheapest set of matches that covers every unit, and that reduces exactly to
    an assignment problem (Schrijver 2003, section 19.3): start from everybody's nearest, then pair where one match saves
    two. Errors: Abadie & Spiess (2022). Reference case: match_lalonde_full (R MatchIt 4.7.1, optmatch).
    """
    check_choice("estimand", estimand, tuple(QUESTIONS))
    units, metric, cells, reach = _prepared(data, outcome, treatment, covariates, exact, distance, caliper, caliper_unit,
                                            transform, cluster, score)
    kind = check_vcov(vcov, cluster)
    one, zero = _canonical(units, 1), _canonical(units, 0)
    found = [_cheapest_cover(metric, f, d, None if reach is None else float(reach))
             for f, d in _groups(one, zero, cells)]
    edges = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    if not len(edges):
        raise nobody(caliper, exact)
    sets = _components(edges, len(units.y))
    weights = np.where(sets >= 0, set_weights(sets, units.treated, estimand), 0.0)
    focal = np.ones(len(sets), dtype=bool) if estimand == "ate" else units.treated == (1 if estimand == "att" else 0)
    lost = focal & (sets < 0)
    sizes = np.bincount(sets[sets >= 0])
    limit = _limit(caliper, caliper_unit, as_names(exact), distance)
    card = set_card(kind, "matched set", len(sizes), "no bias adjustment",
                    matchit("full", estimand, distance if score is None else f"{GIVEN}{distance}", caliper=caliper,
                            caliper_unit=caliper_unit, exact=as_names(exact)), units)
    return matched_estimate(units, Found(
        method="full_matching", estimand=estimand, vcov=kind, card=card, weights=weights, sets=sets, lost=lost,
        inference=set_inference(units.y, units.treated, sets, weights, None, kind, conf_level, units.clusters),
        pairs=tuple((int(i), int(j), 1.0) for i, j in edges), limit=limit,
        caveats=left_unequal(units, weights, None),
        why=_why(units, metric, cells, reach, lost), score=metric.probability, place=metric.place,
        details=(("distance", distance), ("total_distance", _length(metric, edges[:, 0], edges[:, 1])),
                 ("sets", len(sizes)), ("largest_set", int(sizes.max())))))


def _prepared(data: pd.DataFrame, outcome: str, treatment: str, covariates: Sequence[str], exact: Sequence[str],
              distance: str, caliper: float | None, caliper_unit: str, transform: str,
              cluster: str | None, score: PropensityScore | None) -> tuple[Units, Metric, Codes | None, float | None]:
    check_choice("distance", distance, DISTANCES)
    check_caliper(caliper, caliper_unit)
    check_score(score, distance)
    units = select_units(data, outcome=outcome, treatment=treatment, covariates=covariates, exact=exact,
                         transform=transform, cluster=cluster, score=score)
    metric = metric_of(distance, units)
    reach = caliper_of(caliper, caliper_unit, metric)
    return units, metric, cells_of(units.rows, as_names(exact)), None if reach is None else reach + _grid(metric)


def _limit(caliper: float | None, caliper_unit: str, exact: tuple[str, ...], distance: str) -> str:
    measure = "the score" if distance in SCORES else "the distance"
    parts = [f"within the caliper of {caliper:g}{' standard deviations' if caliper_unit == 'sd' else ''} of {measure}"
             ] if caliper is not None else []
    return " and ".join([*parts, *([f"of the same {', '.join(exact)}"] if exact else [])])


def _canonical(units: Units, arm: int) -> Codes:
    """Positions of one arm in an order that follows from the covariates, not from the order of the rows."""
    mine = np.flatnonzero(units.treated == arm)
    return mine[np.lexsort(units.x[mine].T[::-1])].astype(np.int64)


def _groups(one: Codes, zero: Codes, cells: Codes | None) -> list[tuple[Codes, Codes]]:
    in_one, in_zero = (None, None) if cells is None else (cells[one], cells[zero])
    return [(one[f], zero[d]) for f, d in cells_in_common(in_one, in_zero, len(one), len(zero))]


def _grid(metric: Metric) -> float:
    """Step on which distances are weighed against each other: a power of two, about 1e-10 of the widest coordinate.

    Many pairings of equal total are there on a line. The order of rows moves scores by rounding, which would choose.
    """
    widest = float(np.ptp(metric.coordinates, axis=0).max(initial=0.0))
    return float(2.0 ** (np.ceil(np.log2(widest)) - 33)) if widest > 0 else 1.0


def _blocks(metric: Metric, f: Codes, d: Codes) -> Any:
    """Yield distances of focal units to all donors, a block of rows at a time: (start, distances on a grid)."""
    z, grid = metric.coordinates, _grid(metric)
    step = max(1, BLOCK // max(1, len(d) * z.shape[1]))
    for start in range(0, len(f), step):
        part = z[f[start:start + step]]
        gaps = np.sqrt(((part[:, None, :] - z[d][None, :, :]) ** 2).sum(axis=2))
        yield start, np.round(gaps / grid) * grid


def _edges(metric: Metric, one: Codes, zero: Codes, cells: Codes | None, reach: float | None) -> Any:
    """Yield the possible pairs of each exact group: focal units, donors, and (rows, columns, distances)."""
    for f, d in _groups(one, zero, cells):
        parts, total = [], 0
        for start, gaps in _blocks(metric, f, d):
            r, c = np.nonzero(gaps <= (np.inf if reach is None else reach))
            total += len(r)
            _refuse_many(total)
            parts.append((r + start, c, gaps[r, c]))
        yield f, d, tuple(np.concatenate(x) for x in zip(*parts, strict=True))


def _refuse_many(total: int) -> None:
    if total > MOST_EDGES:
        raise DesignError(Problem(
            where="data", what=f"more than {MOST_EDGES:,} possible matches are too many to weigh against each other",
            cure="Set a caliper, match exactly on a column, or use nearest_neighbour."), source="design")


def _assigned(rows: Codes, cols: Codes, cost: Array, n_rows: int, n_cols: int, alone: float) -> Codes:
    """Solve an assignment in which a row may stay alone at a price: (pairs, 2) of row and column.

    Each row has a column of its own that stands for staying alone. A constant on every cost changes nothing, since every
    row is assigned once, and keeps costs above 0, which the solver reads as 'no edge'.
    """
    lift = 1.0 - min(float(cost.min(initial=0.0)), alone)
    every = np.arange(n_rows)
    table = sparse.csr_matrix((np.concatenate([cost, np.full(n_rows, alone)]) + lift,
                               (np.concatenate([rows, every]), np.concatenate([cols, n_cols + every]))),
                              shape=(n_rows, n_cols + n_rows))
    r, c = min_weight_full_bipartite_matching(table)
    kept = c < n_cols
    return np.column_stack([r[kept], c[kept]]).astype(np.int64)


def _fewest_left_out(f: Codes, d: Codes, rows: Codes, cols: Codes, gaps: Array) -> Codes:
    """Pair as many as possible and, among such pairings, at the smallest total distance: positions (pairs, 2)."""
    dear = 1.0 + 2.0 * float(gaps.max(initial=0.0)) * min(len(f), len(d))  # no rearrangement is worth leaving one out
    found = _assigned(rows, cols, gaps, len(f), len(d), dear)
    return np.column_stack([f[found[:, 0]], d[found[:, 1]]])


def _cheapest_cover(metric: Metric, f: Codes, d: Codes, reach: float | None) -> Codes:
    """Matches of the smallest total distance that cover every unit with a possible counterpart: positions (matches, 2)."""
    near_f, near_d = np.full(len(f), np.inf), np.full(len(d), np.inf)
    who_f, who_d = np.zeros(len(f), dtype=np.int64), np.zeros(len(d), dtype=np.int64)
    for start, gaps in _blocks(metric, f, d):
        part = slice(start, start + len(gaps))
        who_f[part], near_f[part] = gaps.argmin(axis=1), gaps.min(axis=1)
        low = gaps.min(axis=0)
        better = low < near_d
        who_d[better], near_d[better] = gaps.argmin(axis=0)[better] + start, low[better]
    parts, total = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))], 0
    for start, gaps in _blocks(metric, f, d):
        saved = near_f[start:start + len(gaps), None] + near_d[None, :] - gaps
        worth = saved > TIE if reach is None else (saved > TIE) & (gaps <= reach)
        r, c = np.nonzero(worth)
        total += len(r)
        _refuse_many(total)
        parts.append((r + start, c, -saved[r, c]))
    rows, cols, cost = (np.concatenate(x) for x in zip(*parts, strict=True))
    paired = _assigned(rows, cols, cost, len(f), len(d), 0.0)
    limit = np.inf if reach is None else reach
    rest_f = np.setdiff1d(np.flatnonzero(near_f <= limit), paired[:, 0])
    rest_d = np.setdiff1d(np.flatnonzero(near_d <= limit), paired[:, 1])
    edges = np.concatenate([paired, np.column_stack([rest_f, who_f[rest_f]]), np.column_stack([who_d[rest_d], rest_d])])
    edges = _stars(np.unique(edges, axis=0))
    return np.column_stack([f[edges[:, 0]], d[edges[:, 1]]])


def _stars(edges: Codes) -> Codes:
    """Drop matches whose two ends are both covered by others (they cost nothing), so that each set has one centre."""
    degree = [np.bincount(edges[:, side], minlength=int(edges[:, side].max(initial=0)) + 1) for side in (0, 1)]
    kept = np.ones(len(edges), dtype=bool)
    for k in np.flatnonzero((degree[0][edges[:, 0]] > 1) & (degree[1][edges[:, 1]] > 1)):
        i, j = edges[k]
        if degree[0][i] > 1 and degree[1][j] > 1:
            kept[k] = False
            degree[0][i] -= 1
            degree[1][j] -= 1
    return edges[kept]


def _components(edges: Codes, n: int) -> Codes:
    """Number the sets that matches tie together: (n,) codes, −1 for units without a match."""
    links = sparse.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    labels = connected_components(links, directed=False)[1]
    out = np.full(n, -1, dtype=np.int64)
    used = np.unique(edges)
    out[used] = np.unique(labels[used], return_inverse=True)[1].ravel()
    return out


def _length(metric: Metric, one: Codes, zero: Codes) -> float:
    gaps = metric.coordinates[one] - metric.coordinates[zero]
    return float(np.sqrt((gaps**2).sum(axis=1)).sum() * metric.unit)


def _why(units: Units, metric: Metric, cells: Codes | None, reach: float | None, lost: Mask) -> tuple[Why, ...]:
    out: list[Why] = []
    for arm in (1, 0):
        mine, theirs = np.flatnonzero(units.treated == arm), np.flatnonzero(units.treated != arm)
        out += lonely(mine, theirs, lost[mine], metric, cells, reach)
    return tuple(out)


def _twins(units: Units, cells: Codes | None, chosen: Codes) -> tuple[Caveat, ...]:
    """Say how many partners have a twin, alike in every covariate, that was not chosen."""
    table = units.x if cells is None else np.column_stack([units.x, cells])
    donors = np.flatnonzero(units.treated == units.treated[chosen[0]])
    kind = np.unique(table[donors], axis=0, return_inverse=True)[1].ravel()
    picked = np.isin(donors, chosen)
    open_kinds = np.isin(kind, np.unique(kind[~picked]))
    count = int((picked & open_kinds).sum())
    if not count:
        return ()
    return (Caveat(code="row_order", text=f"{count} partners were chosen among units alike in every covariate because they "
                   "stand first in the data: another order of the rows may give another number.",
                   values=(("partners", count),)),)

"""Weights from a score, and stacked estimating equations: errors of an effect whose weights or models were estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import optimize, sparse

from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes

Rows = slice | Codes
ALONE = 1e-9  # share of the largest slope below which the other clusters say nothing of a parameter
SEPARATES = 1e-7  # a linear programme's optimum above this is no rounding noise


class Slope(Protocol):
    """Derivative of equations by parameters, summed over some rows; all where none are named."""

    def __call__(self, rows: Rows = ...) -> Array: ...  # noqa: D102


def products(left: Array, right: Array) -> Slope:
    """Derivative to which each row adds the product of its (k,) part of ``left`` and its (m,) part of ``right``: (k, m)."""
    return lambda rows=slice(None): left[rows].T @ right[rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Equations that define one set of parameters, given those of the blocks before it.

    Attributes
    ----------
    name : of the parameters.
    values : (n, k) each row's part of the k equations at their solution; the columns add to zero.
    slope : (k, k) derivative of the summed equations with respect to the block's own parameters.
    through : for each earlier block whose parameters enter, its name and the (k, k_other) derivative.
    """

    name: str
    values: Array
    slope: Slope
    through: tuple[tuple[str, Slope], ...] = ()


def influences(blocks: Sequence[Block], clusters: Codes | None = None) -> dict[str, Array]:
    """Solve stacked equations, one block after the other, for what each row, or each cluster, adds to each parameter.

    Parameters
    ----------
    blocks : in an order in which each leans on earlier ones alone.
    clusters : (n,) codes of rows that were drawn or assigned together, or None for independent rows.

    Returns
    -------
    dict
        By block, (n, k): to first order the estimation error of the parameters is the column sum. With clusters (G, k):
        the parameters less those without the cluster, by one Newton step.

    Notes
    -----
    M-estimation, Newey & McFadden (1994, Handbook of Econometrics 4), Stefanski & Boos (2002, American Statistician
    56): the sandwich of all equations at once. With slope A and values ψ the influence is −A⁻¹ψ; A is block triangular,
    so that substitution gives it without forming A. Clusters: −(A − A_g)⁻¹ψ_g, with the slope of the other clusters alone
    (Mancl & DeRouen 2001, Biometrics 57): a cluster pulls the fit towards itself, and few clusters much. Where the
    equations are linear in the parameters it is the jackknife itself. Reference cases: match_lalonde_ipw_*
    (std_error_mestimation), match_lalonde_cbps_att; by cluster, leaving each out (tests/test_matching_clusters.py).
    """
    found: dict[str, Array] = {}
    if clusters is None:
        for block in blocks:
            total = np.array(block.values, dtype=float)
            for name, slope in block.through:
                total += found[name] @ slope().T
            found[block.name] = -np.linalg.solve(block.slope(), total.T).T
        return found
    groups = np.split(np.argsort(clusters, kind="stable"), np.cumsum(np.bincount(clusters))[:-1])
    for block in blocks:
        whole, through = block.slope(), [(found[name], slope, slope()) for name, slope in block.through]
        out = np.empty((len(groups), len(whole)))
        for g, rows in enumerate(groups):
            total = block.values[rows].sum(axis=0)
            for moved, slope, all_of_it in through:
                total = total + (all_of_it - slope(rows)) @ moved[g]
            # what one cluster alone decides (its own yes/no covariate) nobody else can say: it stays as it is
            out[g] = -np.linalg.lstsq(whole - block.slope(rows), total, rcond=ALONE)[0]
        found[block.name] = out
    return found


def logit_block(name: str, design: Array, treated: Array, probability: Array, weights: Array) -> Block:
    """Lay out the score equations of a weighted logit: (n, k) design, (n,) of 0 and 1, fitted chances and weights."""
    return Block(name=name, values=design * (weights * (treated - probability))[:, None],
                 slope=products(-design * (weights * probability * (1.0 - probability))[:, None], design))


def linear_block(name: str, design: Array, residuals: Array, weights: Array) -> Block:
    """Lay out the normal equations of weighted least squares; rows that took no part have weight 0."""
    return Block(name=name, values=design * (weights * residuals)[:, None],
                 slope=products(-design * weights[:, None], design))


def mean_block(name: str, parts: Array, weights: Array, *through: tuple[str, Array, Array]) -> Block:
    """Lay out the equation of one weighted mean.

    Parameters
    ----------
    parts : (n,) each row's part, weight × (value − mean).
    weights : (n,) that the mean is divided by the sum of.
    through : name of an earlier block, and each row's derivative by its parameters: (n,) times (n, k).
    """
    return Block(name=name, values=parts[:, None], slope=products(-weights[:, None], np.ones((len(weights), 1))),
                 through=tuple((other, products(rows[:, None], by)) for other, rows, by in through))


def sampled_error(influence: Array, clustered: bool = False) -> float:
    """Standard error of a parameter from what each row, or each cluster, adds to it (:func:`influences`).

    Independent rows: root of the sum of squares. Clusters: the same with the factor (G − 1)/G of the jackknife.

    Raises
    ------
    DesignError
        With a single cluster.
    """
    if clustered and len(influence) < 2:
        raise DesignError(Problem(where="cluster", what="there is only one cluster", cure="Errors need clusters to differ: "
                                  "name the level at which some took part and others did not."), source="design")
    size = float(influence @ influence)
    return float(np.sqrt(size * (len(influence) - 1) / len(influence) if clustered else size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancing:
    """Weights that make each arm look like the estimand's units, as functions of the log odds of treatment.

    ``slopes`` are derivatives with respect to the log odds; ``tilt`` is what a unit of the population counts for.
    """

    one: Array
    zero: Array
    slope_one: Array
    slope_zero: Array
    tilt: Array


def balancing(estimand: str, log_odds: Array) -> Balancing:
    """Weights of Li, Morgan & Zaslavsky (2018, JASA 113): tilt/e for the treated, tilt/(1 − e) for the others."""
    odds = np.exp(log_odds)
    e, rest = odds / (1.0 + odds), 1.0 / (1.0 + odds)
    unit, none, low = np.ones(len(e)), np.zeros(len(e)), log_odds < 0
    one, slope_one, zero, slope_zero, tilt = {
        "att": (unit, none, odds, odds, e),
        "atc": (1.0 / odds, -1.0 / odds, unit, none, rest),
        "ate": (1.0 / e, -1.0 / odds, 1.0 / rest, odds, unit),
        "ato": (rest, -e * rest, e, e * rest, e * rest),
        "matching": (np.where(low, 1.0, 1.0 / odds), np.where(low, 0.0, -1.0 / odds), np.where(low, odds, 1.0),
                     np.where(low, odds, 0.0), np.minimum(e, rest)),
    }[estimand]
    return Balancing(one=one, zero=zero, slope_one=slope_one, slope_zero=slope_zero, tilt=tilt)


def optimal_bounds(probability: Array, sampling: Array, estimand: str) -> tuple[float, float]:
    """Scores between which the effect is most precisely estimable, (low, high); (0, 1) trims nobody.

    Notes
    -----
    Crump et al. (2009, Biometrika 96): keep 1/(e(1 − e)) ≤ γ with γ twice its mean over the units kept. With each unit
    counted by its chance of treatment the same argument gives 1/(1 − e) ≤ γ for the att, and its mirror for the atc.
    """
    e = probability if estimand != "atc" else 1.0 - probability
    cost = 1.0 / (e * (1.0 - e)) if estimand == "ate" else 1.0 / (1.0 - e)
    count = sampling if estimand == "ate" else sampling * e
    order = np.argsort(cost, kind="stable")
    mean = np.cumsum((count * cost)[order]) / np.cumsum(count[order])
    last = int(np.flatnonzero(cost[order] <= 2.0 * mean)[-1])
    if last == len(cost) - 1:
        return 0.0, 1.0
    bound = 2.0 * float(mean[last])
    if estimand == "ate":
        edge = 0.5 - float(np.sqrt(max(0.25 - 1.0 / bound, 0.0)))
        return edge, 1.0 - edge
    return (0.0, 1.0 - 1.0 / bound) if estimand == "att" else (1.0 / bound, 1.0)


def separating(columns: Array, treated: Array) -> list[int]:
    """List the columns that together tell the treated from the others without error, so that a logit has no solution.

    Parameters
    ----------
    columns : (n, k) on comparable scales, without a constant. treated : (n,) of 0 and 1.

    Returns
    -------
    list of int
        Empty where a logit has a solution. A single column that does it alone is preferred.

    Notes
    -----
    Albert & Anderson (1984, Biometrika 71); the linear programme of Konis (2007, Oxford): is there a direction along
    which no treated unit lies below, no other above, the dividing line, and some lie off it?
    """
    one, zero = columns[treated == 1], columns[treated == 0]
    alone = [j for j in range(columns.shape[1]) if np.ptp(columns[:, j]) > 0 and (
        one[:, j].min() >= zero[:, j].max() or one[:, j].max() <= zero[:, j].min())]
    if alone:
        return alone
    signed = np.column_stack([np.ones(len(columns)), columns]) * np.where(treated == 1, 1.0, -1.0)[:, None]
    found = optimize.linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1.0, 1.0),
                             method="highs")
    if not found.success or -found.fun <= SEPARATES:
        return []
    return [j for j in range(columns.shape[1]) if abs(found.x[j + 1]) > SEPARATES]


def separation(columns: Array, treated: Array) -> tuple[Array | None, bool]:
    """Find the direction that tells a part of the treated from the others without error, and whether it may tell all.

    Parameters
    ----------
    columns, treated : as for :func:`separating`.

    Returns
    -------
    (n,) or None, bool
        Place of each unit along the direction, comparison units at 0 or below and treated at 0 or above; None where there
        is none. True where some direction puts every unit off the dividing line (complete separation).

    Notes
    -----
    As :func:`separating`; complete separation is a linear programme of its own: the largest distance every unit can have.
    """
    sign = np.where(treated == 1, 1.0, -1.0)[:, None]
    table = np.column_stack([np.ones(len(columns)), columns])
    signed, k = table * sign, table.shape[1]
    found = optimize.linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1.0, 1.0),
                             method="highs")
    if not found.success or -found.fun <= SEPARATES:
        return None, False
    margin = optimize.linprog(np.append(np.zeros(k), -1.0), A_ub=np.column_stack([-signed, np.ones(len(signed))]),
                              b_ub=np.zeros(len(signed)), bounds=[(-1.0, 1.0)] * k + [(0.0, 1.0)], method="highs")
    return np.asarray(table @ found.x), bool(margin.success and -margin.fun > SEPARATES)


def hull_gap(points: Array, target: Array) -> Array:
    """Measure how far weighted means of points stay away from a target: 0 in each column where it can be reached.

    Parameters
    ----------
    points : (n, k) on comparable scales. target : (k,).

    Returns
    -------
    (k,) target less the nearest weighted mean (least sum of absolute gaps), by linear programming.
    """
    n, k = points.shape
    table = sparse.vstack([sparse.hstack([sparse.csr_matrix(points.T), sparse.eye(k), -sparse.eye(k)]),
                           sparse.csr_matrix(np.concatenate([np.ones(n), np.zeros(2 * k)])[None, :])]).tocsr()
    cost = np.concatenate([np.zeros(n), np.ones(2 * k)])
    found = optimize.linprog(cost, A_eq=table, b_eq=np.append(target, 1.0), bounds=(0.0, None), method="highs")
    return np.asarray(found.x[n:n + k] - found.x[n + k:]) if found.success else np.zeros(k)

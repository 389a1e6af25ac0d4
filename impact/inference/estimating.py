"""Weights from a score, and stacked estimating equations: errors of an effect whose weights or models were estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes

SEPARATES = 1e-7  # a linear programme's optimum above this is no rounding noise


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
    slope: Array
    through: tuple[tuple[str, Array], ...] = ()


def influences(blocks: Sequence[Block]) -> dict[str, Array]:
    """Solve stacked equations, one block after the other, for what each row adds to each parameter.

    Parameters
    ----------
    blocks : in an order in which each leans on earlier ones alone.

    Returns
    -------
    dict
        By block, (n, k): to first order the estimation error of the parameters is the column sum.

    Notes
    -----
    M-estimation, Newey & McFadden (1994, Handbook of Econometrics 4), Stefanski & Boos (2002, American Statistician
    56): the sandwich of all equations at once. With slope A and values ψ the influence is −A⁻¹ψ; A is block triangular,
    so that substitution gives it without forming A. Reference cases: match_lalonde_ipw_* (std_error_mestimation),
    match_lalonde_cbps_att.
    """
    found: dict[str, Array] = {}
    for block in blocks:
        total = np.array(block.values, dtype=float)
        for name, slope in block.through:
            total += found[name] @ slope.T
        found[block.name] = -np.linalg.solve(block.slope, total.T).T
    return found


def logit_block(name: str, design: Array, treated: Array, probability: Array, weights: Array) -> Block:
    """Lay out the score equations of a weighted logit: (n, k) design, (n,) of 0 and 1, fitted chances and weights."""
    return Block(name=name, values=design * (weights * (treated - probability))[:, None],
                 slope=-(design * (weights * probability * (1.0 - probability))[:, None]).T @ design)


def linear_block(name: str, design: Array, residuals: Array, weights: Array) -> Block:
    """Lay out the normal equations of weighted least squares; rows that took no part have weight 0."""
    return Block(name=name, values=design * (weights * residuals)[:, None],
                 slope=-(design * weights[:, None]).T @ design)


def mean_block(name: str, parts: Array, size: float, *through: tuple[str, Array]) -> Block:
    """Lay out the equation of one weighted mean.

    Parameters
    ----------
    parts : (n,) each row's part, weight × (value − mean).
    size : sum of the weights the mean is divided by.
    through : name and (k,) derivative of the summed parts with respect to an earlier block's parameters.
    """
    return Block(name=name, values=parts[:, None], slope=np.array([[-size]]),
                 through=tuple((other, np.atleast_2d(slope)) for other, slope in through))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledError:
    """A standard error from influences; df None is the normal law."""

    std_error: float
    df: float | None
    clusters: int | None


def sampled_error(influence: Array, clusters: Codes | None = None) -> SampledError:
    """Standard error of a parameter from what each row adds to it.

    Parameters
    ----------
    influence : (n,), scaled so that the column sum is the estimation error.
    clusters : (n,) codes of groups that were drawn or assigned together, or None for independent rows.

    Notes
    -----
    Independent rows: root of the sum of squares, no small-sample factor, normal law. Clusters: sums within clusters, the
    factor G/(G − 1), and Student's t with G − 1 df.
    """
    if clusters is None:
        return SampledError(std_error=float(np.sqrt(influence @ influence)), df=None, clusters=None)
    sums = np.bincount(clusters, weights=influence)
    groups = len(sums)
    if groups < 2:
        raise DesignError(Problem(where="cluster", what="there is only one cluster", cure="Errors need clusters to differ: "
                                  "name the level at which some took part and others did not."), source="design")
    return SampledError(std_error=float(np.sqrt(groups / (groups - 1) * (sums @ sums))), df=float(groups - 1),
                        clusters=groups)


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

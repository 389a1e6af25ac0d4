"""Two groups, two periods, with covariates: outcome regression, weighting and both together, with influence functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from impact.errors import DesignError
from impact.inference.linear import Array, Codes, independent_columns, least_squares

Mask = np.ndarray[Any, np.dtype[np.bool_]]
METHODS = ("reg", "ipw", "dr", "dr_improved")
TRIM = 0.995  # comparison units likelier treated than this get no weight, as R DRDID
CERTAIN = 0.999  # a fitted chance this near to one means no overlap, as R did
STEPS = 100
CLOSE = 1e-11


class NotEstimableError(Exception):
    """One comparison cannot be made; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An effect on the treated and what each row adds to its error.

    Attributes
    ----------
    estimate : in the outcome's unit.
    influence : (n,) with estimate − truth ≈ their sum, so that the variance is the sum of squares (over rows, or over
        clusters of summed rows). No small-sample factor.
    trimmed : comparison rows left without weight because they look almost surely treated.
    """

    estimate: float
    influence: Array
    trimmed: int = 0


@dataclass(frozen=True, slots=True)
class _Fitted:
    """An outcome regression on some rows, predicted for all, and how each row moved its coefficients."""

    rows: Codes
    values: Array
    moves: Array  # (rows, k)


@dataclass(frozen=True, slots=True)
class _Term:
    """One weighted mean in the estimate: its sign, weights, values, and the estimated parts it leans on."""

    sign: float
    weight: Array
    value: Array
    leans: tuple[tuple[_Fitted, float], ...] = ()
    tilted: bool = False


@dataclass(slots=True)
class _Score:
    """The chance of treatment: odds used as weights, and how each row moved the logit's coefficients."""

    odds: Array
    moves: Array | None
    trimmed: int = field(default=0)


def group_means(parts: Sequence[tuple[float, Array, Array | None]]) -> tuple[float, list[Array]]:
    """Add and subtract group means.

    Parameters
    ----------
    parts : (sign, (n,) values, (n,) weights or None) of each group.

    Returns
    -------
    float, list of (n,) arrays
        The signed sum of means and each group's influence, scaled as in :class:`Effect`.
    """
    total, influence = 0.0, []
    for sign, values, weights in parts:
        if weights is None:
            mean = float(values.mean())
            influence.append((values - mean) * (sign / len(values)))
        else:
            size = float(weights.sum())
            mean = float(weights @ values) / size
            influence.append((values - mean) * weights * (sign / size))
        total += sign * mean
    return total, influence


def panel_effect(change: Array, treated: Array, covariates: Array, weights: Array | None = None, *,
                 method: str = "dr") -> Effect:
    """Effect on the treated from each unit's change and its covariates before.

    Parameters
    ----------
    change : (n,) later less earlier outcome. treated : (n,) of 0 and 1.
    covariates : (n, c) from the earlier period; a constant is added, columns that repeat others are left out.
    weights : (n,) positive, or None.
    method : "reg" (changes of the others regressed on covariates), "ipw" (others weighted by the odds of treatment,
        weights normalised), "dr" (both; logit and least squares) or "dr_improved" (both; inverse probability tilting
        and weighted least squares).

    Raises
    ------
    NotEstimableError
        No overlap, or covariates that repeat each other among the comparison units.

    Notes
    -----
    Sant'Anna & Zhao (2020, Journal of Econometrics 219, section 3.1), weights normalised. The error of the improved
    estimator needs no correction for the estimated parts. Reference cases: did_mpdta_cs_reg_*, _ipw_*, _dr_* (R did 2.3.0
    and DRDID 1.2.3); the improved one: Python moderndid 0.2.0 (tests/test_doubly_robust.py).
    """
    w = np.ones(len(change)) if weights is None else weights
    basis = _basis(covariates)
    one, zero = w * treated, w * (1.0 - treated)
    score = _score(basis, treated, w, method)
    if method == "ipw":
        terms = [_Term(1.0, one, change), _Term(-1.0, zero * score.odds, change, tilted=True)]
        return _combine(terms, basis, score)
    improved = method == "dr_improved"
    fit = _outcome(basis, change, treated == 0, zero * score.odds if improved else w)
    leans = () if improved else ((fit, -1.0),)
    terms = [_Term(1.0, one, change - fit.values, leans)]
    if method != "reg":
        terms.append(_Term(-1.0, zero * score.odds, change - fit.values, leans, tilted=not improved))
    return _combine(terms, basis, score)


def cross_section_effect(outcome: Array, after: Array, treated: Array, covariates: Array, weights: Array | None = None, *,
                         method: str = "dr") -> Effect:
    """Effect on the treated from different units before and after.

    Parameters
    ----------
    outcome : (n,). after, treated : (n,) of 0 and 1.
    covariates, weights, method : as :func:`panel_effect`; covariates are each row's own.

    Notes
    -----
    Sant'Anna & Zhao (2020, section 3.1): the locally efficient doubly robust estimator and its improved form. The
    mix of covariates in each group must not change between the periods. Checked: Python drdid (the kernel of csdid 0.4.3)
    and, for the improved one, moderndid 0.2.0 (tests/test_doubly_robust.py).
    """
    w = np.ones(len(outcome)) if weights is None else weights
    basis = _basis(covariates)
    before = 1.0 - after
    one, zero = w * treated, w * (1.0 - treated)
    score = _score(basis, treated, w, method)
    if method == "ipw":
        return _combine([
            _Term(1.0, one * after, outcome), _Term(-1.0, one * before, outcome),
            _Term(-1.0, zero * score.odds * after, outcome, tilted=True),
            _Term(1.0, zero * score.odds * before, outcome, tilted=True)], basis, score)
    improved = method == "dr_improved"
    tilt = zero * score.odds if improved else w
    late, early = (_outcome(basis, outcome, (treated == 0) & (when == 1), tilt) for when in (after, before))
    if method == "reg":
        return _combine([
            _Term(1.0, one * after, outcome), _Term(-1.0, one * before, outcome),
            _Term(-1.0, one, late.values - early.values, ((late, 1.0), (early, -1.0)))], basis, score)
    mine_late, mine_early = (_outcome(basis, outcome, (treated == 1) & (when == 1), w) for when in (after, before))
    terms = []
    for when, sign, other, mine in ((after, 1.0, late, mine_late), (before, -1.0, early, mine_early)):
        rest, gap = outcome - other.values, mine.values - other.values
        on_other = () if improved else ((other, -1.0),)
        on_both = () if improved else ((mine, 1.0), (other, -1.0))
        terms += [_Term(sign, one * when, rest, on_other),
                  _Term(-sign, zero * score.odds * when, rest, on_other, tilted=not improved),
                  _Term(sign, one, gap, on_both), _Term(-sign, one * when, gap, on_both)]
    return _combine(terms, basis, score)


def _basis(covariates: Array) -> Array:
    """Orthonormal columns that span a constant and the covariates: every result depends on the span alone."""
    columns = covariates.reshape(len(covariates), -1)
    middle, scale = columns.mean(axis=0), columns.std(axis=0)
    design = np.column_stack([np.ones(len(columns)), (columns - middle) / np.where(scale > 0, scale, 1.0)])
    q, _ = np.linalg.qr(design[:, independent_columns(design)])
    return np.asarray(q * np.sqrt(len(columns)))


def _outcome(basis: Array, outcome: Array, rows: Mask, weights: Array) -> _Fitted:
    used = np.flatnonzero(rows & (weights > 0)).astype(np.int64)
    try:
        fit = least_squares(basis[used], outcome[used], [str(j) for j in range(basis.shape[1])], weights=weights[used])
    except DesignError:
        raise NotEstimableError(f"{len(used)} units are too few for {basis.shape[1]} regression coefficients") from None
    if fit.left_out:
        raise NotEstimableError("covariates repeat each other, or do not vary, within a group that the regression needs")
    moves = (fit.design * (weights[used] * fit.residuals)[:, None]) @ fit.bread
    return _Fitted(rows=used, values=basis @ fit.coefficients, moves=moves)


def _score(basis: Array, treated: Array, weights: Array, method: str) -> _Score:
    """Fit the odds of treatment; for "reg" there is nothing to fit."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if method == "reg":
        return _Score(odds=np.ones(len(treated)), moves=None)
    gamma = _logit(basis, treated, weights)
    if method == "dr_improved":
        gamma = _tilting(basis, treated, weights, gamma)
    chance = 1.0 / (1.0 + np.exp(-basis @ gamma))
    if chance.max() >= CERTAIN:
        raise NotEstimableError("covariates predict treatment (almost) perfectly for some: there is no overlap")
    spread = (basis * (weights * chance * (1 - chance))[:, None]).T @ basis
    moves = (basis * (weights * (treated - chance))[:, None]) @ np.linalg.inv(spread)
    cut = (treated == 0) & (chance >= TRIM)
    return _Score(odds=np.where(cut, 0.0, chance / (1 - chance)), moves=moves, trimmed=int(cut.sum()))


def _logit(basis: Array, treated: Array, weights: Array) -> Array:
    gamma = np.zeros(basis.shape[1])
    for _ in range(STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(basis @ gamma, -50, 50)))
        spread = (basis * (weights * chance * (1 - chance))[:, None]).T @ basis
        step = _solve(spread, basis.T @ (weights * (treated - chance)))
        gamma = gamma + step
        if np.abs(step).max() < CLOSE:
            return gamma
        if np.abs(gamma).max() > 50:
            break
    raise NotEstimableError("covariates predict treatment (almost) perfectly: there is no overlap")


def _tilting(basis: Array, treated: Array, weights: Array, gamma: Array) -> Array:
    """Odds exp(x'γ) under which the others' weighted covariate sums equal those of the treated (Graham et al. 2012)."""
    zero, target = weights * (1 - treated), basis.T @ (weights * treated)
    size = float((weights * treated).sum())

    def goal(g: Array) -> float:
        return float(target @ g - zero @ np.exp(np.minimum(basis @ g, 50.0)))

    for _ in range(STEPS):
        odds = zero * np.exp(np.minimum(basis @ gamma, 50.0))
        slope = target - basis.T @ odds
        if np.abs(slope).max() < CLOSE * size:
            return gamma
        step = _solve((basis * odds[:, None]).T @ basis, slope)
        length, here = 1.0, goal(gamma)
        while goal(gamma + length * step) < here - 1e-12 * abs(here) and length > 1e-8:
            length /= 2
        gamma = gamma + length * step
        if np.abs(length * step).max() < CLOSE:
            return gamma
    raise NotEstimableError("no weighting of the comparison units has the covariate means of the treated")


def _solve(matrix: Array, vector: Array) -> Array:
    try:
        return np.asarray(np.linalg.solve(matrix, vector))
    except np.linalg.LinAlgError:
        raise NotEstimableError("covariates predict treatment (almost) perfectly: there is no overlap") from None


def _combine(terms: list[_Term], basis: Array, score: _Score) -> Effect:
    """Add the weighted means, and by the chain rule what each row adds through the parts that were estimated."""
    estimate, influence = 0.0, np.zeros(len(basis))
    pull = np.zeros(basis.shape[1])
    pushes: dict[int, tuple[_Fitted, Array]] = {}
    for term in terms:
        total = float(term.weight.sum())
        if not total > 0:
            raise NotEstimableError("no comparison unit resembles the treated in its covariates")
        mean = float(term.weight @ term.value) / total
        own = term.weight * (term.value - mean) * (term.sign / total)
        estimate += term.sign * mean
        influence += own
        for fit, factor in term.leans:
            push = (term.weight @ basis) * (term.sign * factor / total)
            pushes[id(fit)] = (fit, pushes[id(fit)][1] + push if id(fit) in pushes else push)
        if term.tilted:
            pull += own @ basis
    for fit, push in pushes.values():
        influence[fit.rows] += fit.moves @ push
    if score.moves is not None and pull.any():
        influence += score.moves @ pull
    return Effect(estimate=estimate, influence=influence, trimmed=score.trimmed)

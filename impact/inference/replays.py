"""Re-randomisation of an estimator's own statistic: the lots are drawn again, and the estimator is run again on each draw.

What :mod:`impact.inference.randomisation` does in closed form for one coefficient of least squares, this does for any
estimator, draw by draw. An estimator that is linear in the outcome also has its confidence set by inversion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from impact.errors import DesignError, Problem
from impact.inference.assignment import Draw
from impact.inference.chance import check_draws, seeded
from impact.inference.inversion import ROUNDING, TIE, Curves, confidence_set, point_set, studentise
from impact.inference.linear import Array, Codes, Fit
from impact.inference.lots import Lots
from impact.inference.randomisation import smallest_p
from impact.inference.sandwich import sum_by_cluster
from impact.inference.wald import singular
from impact.results import Segment

DRAWS = 1_999
MOST_ENUMERATED = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Statistics of q numbers under one draw, for an outcome y and, where linear, for y − b·x with a shift x.

    Attributes
    ----------
    numerator : (q, 2) of the number in y, and less that in x; zero where there is no shift.
    variance : (q, 3) of the squared error as v0 + v1·b + v2·b².
    size : (q,) what numerator and error of y are made of: below 1e-10 of it there is only rounding.
    """

    numerator: Array
    variance: Array
    size: Array

    def at_zero(self) -> Array:
        """Studentised numbers of y itself, (q,)."""
        error = np.sqrt(np.maximum(self.variance[:, 0], 0.0))
        return np.array([float(studentise(*each)) for each in zip(self.numerator[:, 0], error, self.size, strict=True)])


Own = Callable[[Codes], Statistics]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Results for q numbers.

    Attributes
    ----------
    p_value : (q,) two-sided. draws : R, those in which the number exists; undefined : those in which it does not.
    enumerated : whether the draws are all there are. smallest_p : (q,) the least p-value these draws can give.
    observed, drawn : statistics of the draw that was made, and curves of the others, by number.
    """

    p_value: Array
    draws: int
    undefined: int
    enumerated: bool
    smallest_p: Array
    observed: Statistics
    drawn: tuple[Curves, ...]

    def confidence_set(self, j: int, conf_level: float) -> tuple[Segment, ...]:
        """All b for which 'everybody gained b·x' is not rejected for number j; its estimator must be linear."""
        n0, n1 = self.observed.numerator[j]
        v = self.observed.variance[j]
        if np.sqrt(max(v[0], 0.0)) <= ROUNDING * self.observed.size[j]:
            return point_set(float(-n0 / n1), float(self.p_value[j]), conf_level)
        seen = Curves(numerator=np.array([[n0, n1]]), variance=v[None, :])
        return confidence_set(self.drawn[j], seen, conf_level, enumerated=self.enumerated)


def plain(numbers: Sequence[float] | Array, errors: Sequence[float] | Array) -> Statistics:
    """Lay out numbers and their errors; without errors to divide by, give ones."""
    top, error = np.asarray(numbers, dtype=float), np.asarray(errors, dtype=float)
    nothing = np.zeros(len(top))
    return Statistics(numerator=np.column_stack([top, nothing]), variance=np.column_stack([error**2, nothing, nothing]),
                      size=np.abs(top) * ROUNDING)


def from_scores(numbers: Array, scores: Array, size: Array) -> Statistics:
    """Lay out numbers that are linear in the outcome.

    Parameters
    ----------
    numbers : (q, 2) of outcome and shift. scores : (q, G, 2), whose squares add up to the variance.
    size : (q,).
    """
    y, x = scores[:, :, 0], scores[:, :, 1]
    return Statistics(numerator=numbers * np.array([1.0, -1.0]), size=size, variance=np.column_stack(
        [(y**2).sum(axis=1), -2 * (y * x).sum(axis=1), (x**2).sum(axis=1)]))


def of_fit(fit: Fit, picks: Array, outcomes: Array, clusters: Codes | None) -> Statistics:
    """Statistics of contrasts of a regression, each over its cluster-robust error without a small-sample factor.

    Parameters
    ----------
    fit : gives design and weights. picks : (q, k). outcomes : (n, 2) outcome and shift.
    clusters : (n,) codes, or None where rows were drawn.
    """
    return from_scores(*_scored(fit, picks, outcomes, clusters))


def jointly(fit: Fit, picks: Array, outcome: Array, clusters: Codes | None) -> Statistics:
    """Statistic of several contrasts together: the root of their quadratic form in the errors of :func:`of_fit`.

    Raises
    ------
    DesignError
        When the contrasts, or their errors, repeat each other.
    """
    numbers, scores, _ = _scored(fit, picks, outcome[:, None], clusters)
    value, parts = numbers[:, 0], scores[:, :, 0]
    if singular(parts @ parts.T):
        raise DesignError(Problem(where="draw", what=f"the errors of {len(picks)} contrasts repeat each other",
                                  cure="Compare fewer groups."))
    return plain([float(np.sqrt(value @ np.linalg.solve(parts @ parts.T, value)))], [1.0])


def _scored(fit: Fit, picks: Array, outcomes: Array, clusters: Codes | None) -> tuple[Array, Array, Array]:
    """Contrasts (q, v), their scores by cluster (q, G, v) and what they are made of (q,), for outcomes (n, v)."""
    weights = np.ones(fit.n) if fit.weights is None else fit.weights
    weighted = fit.design * weights[:, None]
    beta = fit.bread @ (weighted.T @ outcomes)
    rest = outcomes - fit.design @ beta
    along = weighted @ (fit.bread @ picks.T)
    parts = along.T[:, :, None] * rest[None, :, :]
    if clusters is not None:
        groups = int(clusters.max()) + 1
        parts = np.stack([sum_by_cluster(clusters, part, groups) for part in parts])
    return picks @ beta, parts, np.linalg.norm(along, axis=0) * float(np.linalg.norm(outcomes[:, 0]))


def replay(own: Own, draw: Draw | Lots, observed: Codes, *, draws: int = DRAWS, seed: int = 0,
           most_enumerated: int = MOST_ENUMERATED) -> Replay:
    """Test that what was drawn changed nobody's outcome, by the estimator's own studentised numbers.

    Parameters
    ----------
    own : the statistics of q numbers for rows drawn so, (n,) codes; a DesignError says that they do not exist.
    draw : the declared draw. observed : (n,) codes of the draw that was made.
    draws, seed : number and seed of sampled draws. most_enumerated : with no more draws than this possible, all are used.

    Returns
    -------
    Replay
        Sampled: p = (1 + #≥)/(1 + R). Enumerated: p = #≥/R with the observed draw among them. Ties count, to 1e-10
        relative. p is never 0.

    Notes
    -----
    Draws in which the number does not exist are set aside: given that it does, all others are equally likely still, so
    that the test stays exact (Hennessy and others 2016, Journal of Causal Inference 4, on tests given part of the draw).
    """
    enumerated = draw.count() <= most_enumerated
    found = own(observed)
    kept: list[Statistics] = []
    undefined = 0
    for codes in _codes(draw, draws, seed, enumerated):
        try:
            again = own(codes)
            exists = bool(np.isfinite(again.numerator).all() and np.isfinite(again.variance).all())
        except (DesignError, np.linalg.LinAlgError):
            exists = False
        if exists:
            kept.append(again)
        else:
            undefined += 1
    limit = np.abs(found.at_zero()) * (1 - TIE)
    drawn = np.array([each.at_zero() for each in kept]).reshape(len(kept), len(limit))
    reached = (np.abs(drawn) >= limit).sum(axis=0)
    total = max(len(kept), 1)
    p = np.maximum(reached, 1) / total if enumerated else (1 + reached) / (1 + len(kept))
    curves = tuple(Curves(numerator=np.array([each.numerator[j] for each in kept]),
                          variance=np.array([each.variance[j] for each in kept])) for j in range(len(limit)))
    return Replay(p_value=p, draws=len(kept), undefined=undefined, enumerated=enumerated,
                  smallest_p=smallest_p(drawn, enumerated), observed=found, drawn=curves)


def _codes(draw: Draw | Lots, draws: int, seed: int, enumerated: bool) -> Iterable[Codes]:
    rng, draws = seeded(seed), check_draws(draws)
    if isinstance(draw, Lots):
        return draw.every() if enumerated else draw.sample(draws, rng)
    arms = draw.every() if enumerated else draw.sample(draws, rng)
    return chain.from_iterable(arms[i:i + 1, draw.cluster].astype(np.int64) for i in range(len(arms)))

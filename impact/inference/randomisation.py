"""Randomisation inference: the declared draw is made again, and the observed effect is held against the others.

Everything of length n is summed to clusters once; each further draw costs products of cluster length only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from impact.inference.assignment import Draw
from impact.inference.chance import check_draws, seeded
from impact.inference.inversion import TIE, Curves, confidence_set, perfect, point_set, studentise
from impact.inference.linear import Array, Codes
from impact.results import Segment

MOST_ENUMERATED = 20_000
DRAWS = 5_000
BLOCK = 6_000_000  # numbers held in memory at once
REPEATED = 1e-10  # share of what was drawn that covariates leave: below it the draw repeats them and has no effect


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomisationTest:
    """Results for q outcomes.

    Attributes
    ----------
    estimate : (q,) effect of treatment given the covariates, in outcome units.
    statistic : (q,) observed statistic.
    p_value : (q,) two-sided.
    drawn : (R, q) statistics of the draws, for joint tests over outcomes.
    draws : R. enumerated : whether R is all there are.
    smallest_p : (q,) the least p-value these draws can give: of all draws, the share that is as far out as the furthest.
    undefined : draws set aside since what they drew repeats the covariates, so that no effect exists in them.
    """

    estimate: Array
    statistic: Array
    p_value: Array
    drawn: Array
    draws: int
    enumerated: bool
    smallest_p: Array
    undefined: int = 0


class _Sums:
    """Sums to clusters of everything the statistic needs, after covariates are partialled out once.

    With weights every row stands multiplied by their root; they are held fixed, whatever is drawn.
    """

    def __init__(self, outcomes: Array, covariates: Array, draw: Draw, weights: Array | None = None) -> None:
        root = np.ones((len(outcomes), 1)) if weights is None else np.sqrt(weights)[:, None]
        outcomes = outcomes * root
        q, _ = np.linalg.qr(covariates * root)
        self.cluster, self.groups = draw.cluster, draw.groups
        # as many rows as clusters is not yet one row a cluster: a family's outcome may be known in some clusters only
        self.single = self.groups == len(q) and int(np.bincount(self.cluster, minlength=self.groups).max()) == 1
        self.members = sparse.csr_array((np.ones(len(q)), (self.cluster, np.arange(len(q)))), shape=(self.groups, len(q)))
        self.rest = outcomes - q @ (q.T @ outcomes)
        self.y = self.by_cluster(self.rest * root)
        self.z = self.by_cluster(q * root)
        self.n = np.bincount(self.cluster, weights=root[:, 0]**2, minlength=self.groups)
        self.zy = [self.by_cluster(q * self.rest[:, [j]]) for j in range(outcomes.shape[1])]
        # Σ over a cluster of the outer products of the covariate basis; a cluster of one row needs none of it
        self.zz = None if self.single else self._outer(q)
        self.width = max(self.groups, q.shape[1] ** 2)

    def by_cluster(self, values: Array) -> Array:
        """Sum (n, m) values to (G, m)."""
        if self.single:
            out = np.empty_like(values)
            out[self.cluster] = values
            return out
        return np.asarray(self.members @ values)

    def _outer(self, q: Array) -> Array:
        """Products q'q of each cluster, (G, k²): cluster by cluster, since those of every row would fill the memory."""
        order = np.argsort(self.cluster, kind="stable")
        ends = np.cumsum(np.bincount(self.cluster, minlength=self.groups))
        rows = q[order]
        out = np.empty((self.groups, q.shape[1], q.shape[1]))
        for g, (start, end) in enumerate(zip((0, *ends[:-1]), ends, strict=True)):
            np.matmul(rows[start:end].T, rows[start:end], out=out[g])
        return out.reshape(self.groups, -1)

    def effects(self, arms: Array) -> tuple[Array, Array, Array]:
        """For draws (R, G): projections (R, k), sums of squares of partialled treatment (R,), numerators (R, q)."""
        along = arms @ self.z
        square = arms @ self.n - (along**2).sum(axis=1)
        return along, square, arms @ self.y

    def treatment_squares(self, arms: Array, along: Array) -> Array:
        """Σ over each cluster of squared partialled treatment, (R, G)."""
        explained = along @ self.z.T
        if self.zz is None:
            own = explained**2 / self.n  # z is q·√w of the one row, n its w
        else:
            own = (along[:, :, None] * along[:, None, :]).reshape(len(along), -1) @ self.zz.T
        out: Array = arms * self.n - 2 * arms * explained + own
        return out


def _statistics(sums: _Sums, arms: Array, studentised: bool) -> tuple[Array, Array]:
    """Effects and statistics of each draw, (R, q) each."""
    along, square, top = sums.effects(arms)
    effect = top / square[:, None]
    if not studentised:
        return effect, effect
    squares = sums.treatment_squares(arms, along)
    out = np.empty_like(effect)
    for j in range(effect.shape[1]):
        scores = arms * sums.y[:, j] - along @ sums.zy[j].T - effect[:, [j]] * squares
        out[:, j] = studentise(top[:, j], np.sqrt((scores**2).sum(axis=1)), float(np.linalg.norm(sums.y[:, j])))
    return effect, out


def _exist(sums: _Sums, arms: Array) -> NDArray[np.bool_]:
    """Whether a draw's effect exists, (R,): not where the covariates account for all that was drawn."""
    return np.asarray(sums.effects(arms)[1] > REPEATED * (arms @ sums.n))


def _kept(arms: Array, exist: NDArray[np.bool_]) -> Array:
    return arms if exist.all() else arms[exist]


def _draws(draw: Draw, draws: int, seed: int, most: int) -> tuple[Array, bool]:
    rng, draws = seeded(seed), check_draws(draws)
    if draw.count() <= most:
        return draw.every(), True
    return draw.sample(draws, rng), False


def randomisation_test(outcomes: Array, draw: Draw, *, covariates: Array | None = None, studentised: bool = True,
                       draws: int = DRAWS, seed: int = 0, most_enumerated: int = MOST_ENUMERATED,
                       weights: Array | None = None) -> RandomisationTest:
    """Test that treatment changed nobody's outcome, by drawing treatment again as it was drawn.

    Parameters
    ----------
    outcomes : (n,) or (n, q), in their own units.
    draw : the declared assignment, see :func:`impact.inference.assignment.declared_draw`.
    covariates : (n, k) of full rank with an intercept or strata dummies; None is an intercept.
    studentised : whether the effect is divided by its cluster-robust error, which keeps the test valid for the mean
        effect too when effects differ (Wu & Ding 2021, JASA 116).
    draws, seed : number and seed of sampled draws.
    most_enumerated : with no more draws than this possible, all are used.
    weights : (n,) positive, of the rows; they stay as they are in every draw.

    Returns
    -------
    RandomisationTest
        Sampled: p = (1 + #≥)/(1 + R). Enumerated: p = #≥/R with the observed draw among them. Ties count, to 1e-10
        relative. p is never 0. Draws without an effect, in which the covariates account for all that was drawn, are set
        aside and counted, as :func:`impact.inference.replays.replay` does.

    Notes
    -----
    Fisher (1935); Imbens & Rubin (2015, Cambridge). Reference case: inf_ri_small_exact.
    """
    y = outcomes.reshape(len(outcomes), -1)
    sums = _Sums(y, np.ones((len(y), 1)) if covariates is None else covariates, draw, weights)
    every, enumerated = _draws(draw, draws, seed, most_enumerated)
    arms = _kept(every, _exist(sums, every))
    estimate, statistic = _statistics(sums, draw.arm[None, :], studentised)
    step = max(1, BLOCK // sums.width)
    drawn = np.concatenate([_statistics(sums, arms[i:i + step], studentised)[1] for i in range(0, len(arms), step)])
    return _tested(estimate[0], statistic[0], drawn, enumerated, len(every) - len(arms))


def _tested(estimate: Array, statistic: Array, drawn: Array, enumerated: bool, undefined: int) -> RandomisationTest:
    """Count the draws as large as what was observed; the observed one is always among all there are."""
    count, total = (np.abs(drawn) >= np.abs(statistic) * (1 - TIE)).sum(axis=0), len(drawn)
    p = np.maximum(count, 1) / max(total, 1) if enumerated else (1 + count) / (1 + total)
    return RandomisationTest(estimate=estimate, statistic=statistic, p_value=p, drawn=drawn, draws=total,
                             enumerated=enumerated, smallest_p=smallest_p(drawn, enumerated), undefined=undefined)


def smallest_p(drawn: Array, enumerated: bool) -> Array:
    """Least p-value that draws (R, q) can give; where halves were drawn each has a mirror, and two are furthest out."""
    size, total = np.abs(drawn), len(drawn)
    if not enumerated or not total:
        return np.full(drawn.shape[1], 1 / (1 + total))
    return np.asarray((size >= size.max(axis=0) * (1 - TIE)).sum(axis=0) / total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One outcome of a family: its rows among those drawn, its values there, and what is partialled out.

    Attributes
    ----------
    rows : (m,) positions among the n rows of the draw; outcomes may be missing on different rows.
    outcome : (m,) in its own unit. covariates : (m, k) of full rank, with an intercept.
    weights : (m,) positive, or None; they stay as they are in every draw.
    """

    rows: Codes
    outcome: Array
    covariates: Array
    weights: Array | None = None


def joint_randomisation(members: Sequence[Member], draw: Draw, *, draws: int = DRAWS, seed: int = 0,
                        most_enumerated: int = MOST_ENUMERATED) -> RandomisationTest:
    """Test several outcomes under the same draws, each on the rows where it is known; what step-down tests need.

    A draw in which the effect of any outcome does not exist is set aside for all.

    Parameters
    ----------
    members : the outcomes. draw : the assignment of all n rows. Others as :func:`randomisation_test`, studentised.

    Notes
    -----
    With outcomes known on the same rows and the same covariates this is :func:`randomisation_test`
    (tests/test_families.py).
    """
    every, enumerated = _draws(draw, draws, seed, most_enumerated)
    parts = [_Sums(member.outcome[:, None], member.covariates,
                   Draw(cluster=draw.cluster[member.rows], arm=draw.arm, stratum=draw.stratum), member.weights)
             for member in members]
    arms = _kept(every, np.logical_and.reduce([_exist(sums, every) for sums in parts]))
    found, observed, drawn = [], [], []
    for sums in parts:
        effect, statistic = _statistics(sums, draw.arm[None, :], True)
        step = max(1, BLOCK // sums.width)
        again = [_statistics(sums, arms[i:i + step], True)[1] for i in range(0, len(arms), step)]
        found.append(effect[0, 0])
        observed.append(statistic[0, 0])
        drawn.append(np.concatenate(again)[:, 0])
    return _tested(np.array(found), np.array(observed), np.column_stack(drawn), enumerated, len(every) - len(arms))


def randomisation_set(outcome: Array, draw: Draw, *, covariates: Array | None = None, studentised: bool = True,
                      draws: int = DRAWS, seed: int = 0, most_enumerated: int = MOST_ENUMERATED, conf_level: float = 0.95,
                      weights: Array | None = None, received: Array | None = None) -> tuple[Segment, ...]:
    """All effects b for which 'the effect is b for every unit' is not rejected; may be unbounded or disjoint.

    Parameters
    ----------
    outcome : (n,). Others as :func:`randomisation_test`.
    conf_level : a share.
    received : (n,) what the effect is per unit of, where it is not treatment as drawn but take-up: the set is then
        Anderson & Rubin's, of all b for which what was drawn has nothing to do with outcome − b·received.

    Notes
    -----
    The set holds if the effect is the same for every unit (or cluster); the studentised one is also valid for the mean
    effect in large samples. Found exactly, not on a grid: see :mod:`impact.inference.inversion`. With take-up: Imbens &
    Rosenbaum (2005, Journal of the Royal Statistical Society A 168).
    """
    both = np.column_stack([outcome, draw.arm[draw.cluster] if received is None else received])
    sums = _Sums(both, np.ones((len(both), 1)) if covariates is None else covariates, draw, weights)
    if perfect(sums.rest[:, 0], sums.rest[:, 1]):
        test = randomisation_test(outcome, draw, covariates=covariates, studentised=studentised, draws=draws, seed=seed,
                                  most_enumerated=most_enumerated, weights=weights)
        y, x = sums.rest.T
        return point_set(float(x @ y) / float(x @ x), float(test.p_value[0]), conf_level)
    arms, enumerated = _draws(draw, draws, seed, most_enumerated)
    arms = _kept(arms, _exist(sums, arms))
    step = max(1, BLOCK // sums.width)
    parts = [_curves(sums, arms[i:i + step], studentised) for i in range(0, len(arms), step)]
    curves = Curves(numerator=np.concatenate([c.numerator for c in parts]),
                    variance=np.concatenate([c.variance for c in parts]))
    return confidence_set(curves, _curves(sums, draw.arm[None, :], studentised), conf_level, enumerated=enumerated)


def _curves(sums: _Sums, arms: Array, studentised: bool) -> Curves:
    """Statistics of y − b·(what was received) under each draw, as functions of b."""
    along, square, top = sums.effects(arms)
    if not studentised:
        numerator = np.column_stack([top[:, 0], -top[:, 1]]) / square[:, None]
        return Curves(numerator=numerator, variance=np.tile([1.0, 0.0, 0.0], (len(arms), 1)))
    squares = sums.treatment_squares(arms, along)
    scores = [arms * sums.y[:, j] - along @ sums.zy[j].T - (top[:, [j]] / square[:, None]) * squares for j in (0, 1)]
    variance = np.column_stack([(scores[0] ** 2).sum(axis=1), -2 * (scores[0] * scores[1]).sum(axis=1),
                                (scores[1] ** 2).sum(axis=1)])
    return Curves(numerator=np.column_stack([top[:, 0], -top[:, 1]]), variance=variance)

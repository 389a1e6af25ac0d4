"""Wild cluster bootstrap with the null imposed: for p-values and intervals when clusters are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impact.inference.chance import check_draws, seeded
from impact.inference.inversion import TIE, Curves, confidence_set, perfect, point_set, studentise
from impact.inference.linear import Array, Codes
from impact.results import Segment

DRAWS = 9_999
MOST_ENUMERATED = 12  # clusters; 2^12 sign patterns
WEBB = np.sqrt(np.array([1.5, 1.0, 0.5]))
BLOCK = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WildBootstrap:
    """Results for q outcomes.

    Attributes
    ----------
    estimate, statistic : (q,) effect and its t, cluster-robust without small-sample factor (the factor cancels).
    p_value : (q,) counting draws strictly beyond the observed t, the convention of boottest and fwildclusterboot.
    p_value_ties : (q,) counting draws at least as large; the draw that repeats the data and its mirror are such ties.
    draws, enumerated : how many, and whether they are all sign patterns.
    """

    estimate: Array
    statistic: Array
    p_value: Array
    p_value_ties: Array
    draws: int
    enumerated: bool


class _Scores:
    """Cluster sums of one regression, from which each draw costs products of cluster length."""

    def __init__(self, outcomes: Array, treatment: Array, covariates: Array, cluster: Codes) -> None:
        q, _ = np.linalg.qr(covariates)
        groups = int(cluster.max()) + 1

        def by(values: Array) -> Array:
            return np.column_stack([np.bincount(cluster, weights=c, minlength=groups) for c in values.T])

        d = treatment - q @ (q.T @ treatment)
        u = outcomes - q @ (q.T @ outcomes)
        self.groups, self.square = groups, float(d @ d)
        self.effect = d @ u / self.square
        self.treat = np.column_stack([by(d[:, None] * q), by((d * d)[:, None])])  # G × (k+1): Σd·q, Σd²
        self.top = by(d[:, None] * u)  # G × q: Σd·u, the scores under the null of no effect
        self.basis = [by(q * u[:, [j]]) for j in range(u.shape[1])]  # G × k each: Σq·u
        self.null = np.column_stack([by(q * d[:, None]), by((d * d)[:, None])])
        residual = self.top - self.treat[:, [-1]] * self.effect
        self.error = np.sqrt((residual**2).sum(axis=0)) / self.square

    def squares(self, signs: Array, j: int) -> tuple[Array, Array]:
        """Numerator (R,) and summed squared scores (R,) of each draw for outcome j, signs (R, G)."""
        a = self.top[:, j]
        shift = np.column_stack([signs @ self.basis[j], signs @ a / self.square])
        scores = signs * a - shift @ self.treat.T
        return signs @ a, (scores**2).sum(axis=1)


def _signs(groups: int, draws: int, seed: int, weights: str) -> tuple[Array, bool]:
    if weights not in ("rademacher", "webb"):
        raise ValueError(f"weights must be 'rademacher' or 'webb', not {weights!r}")
    rng, draws = seeded(seed), check_draws(draws)
    if weights == "rademacher" and groups <= MOST_ENUMERATED:
        bits = (np.arange(2**groups)[:, None] >> np.arange(groups)[None, :]) & 1
        return np.asarray(1.0 - 2.0 * bits, dtype=float), True
    signs = np.asarray(2.0 * rng.integers(0, 2, (draws, groups)) - 1.0, dtype=float)
    if weights == "webb":
        signs *= WEBB[rng.integers(0, 3, (draws, groups))]
    return signs, False


def wild_cluster_bootstrap(outcomes: Array, treatment: Array, covariates: Array, cluster: Codes, *, draws: int = DRAWS,
                           seed: int = 0, weights: str = "rademacher") -> WildBootstrap:
    """Test a coefficient of zero by flipping restricted residuals cluster by cluster.

    Parameters
    ----------
    outcomes : (n,) or (n, q). treatment : (n,). covariates : (n, k) with the intercept.
    cluster : (n,) codes 0 … G−1.
    draws, seed : of the sampled signs; with Rademacher weights and at most 12 clusters all 2^G are used instead.
    weights : "rademacher" or "webb" (six points, for few clusters).

    Notes
    -----
    Cameron, Gelbach & Miller (2008, REStat 90); Roodman, MacKinnon, Nielsen & Webb (2019, Stata Journal 19) for the
    algebra. Reference case: inf_empluk_wcb.
    """
    y = outcomes.reshape(len(outcomes), -1)
    scores = _Scores(y, treatment, covariates, cluster)
    signs, enumerated = _signs(scores.groups, draws, seed, weights)
    size = np.linalg.norm(scores.top, axis=0)
    statistic = np.array([float(studentise(np.array([e * scores.square]), np.array([s * scores.square]), float(n))[0])
                          for e, s, n in zip(scores.effect, scores.error, size, strict=True)])
    above, ties = np.empty(y.shape[1]), np.empty(y.shape[1])
    for j in range(y.shape[1]):
        t = np.concatenate([_t(*scores.squares(signs[i:i + BLOCK], j), float(size[j]))
                            for i in range(0, len(signs), BLOCK)])
        above[j] = (t > abs(statistic[j]) * (1 + TIE)).mean()
        ties[j] = (t >= abs(statistic[j]) * (1 - TIE)).mean()
    return WildBootstrap(estimate=scores.effect, statistic=statistic, p_value=above, p_value_ties=ties,
                         draws=len(signs), enumerated=enumerated)


def _t(top: Array, squares: Array, size: float) -> Array:
    return np.abs(studentise(top, np.sqrt(squares), size))


def wild_cluster_set(outcome: Array, treatment: Array, covariates: Array, cluster: Codes, *, draws: int = DRAWS,
                     seed: int = 0, weights: str = "rademacher", conf_level: float = 0.95,
                     received: Array | None = None) -> tuple[Segment, ...]:
    """All coefficients the bootstrap test does not reject; arguments as :func:`wild_cluster_bootstrap`, one outcome.

    ``received``, (n,), is what the effect is per unit of where it is not treatment as drawn but take-up: the set is then
    Anderson & Rubin's, of all b for which treatment has nothing to do with outcome − b·received.

    Notes
    -----
    Under 'the coefficient is b' the restricted residuals are those of y − b·d: each draw's statistic is a line over the
    root of a parabola in b, and the set is found exactly (:mod:`impact.inference.inversion`). With take-up, residuals of
    the reduced form under b (Roodman and others 2019, on the test of Anderson & Rubin).
    """
    q, _ = np.linalg.qr(covariates)
    shift = treatment if received is None else received
    d, rest = shift - q @ (q.T @ shift), outcome - q @ (q.T @ outcome)
    if perfect(rest, d):
        test = wild_cluster_bootstrap(outcome, treatment, covariates, cluster, draws=draws, seed=seed, weights=weights)
        return point_set(float(d @ rest) / float(d @ d), float(test.p_value[0]), conf_level)
    scores = _Scores(np.column_stack([outcome, d]), treatment, covariates, cluster)
    signs, enumerated = _signs(scores.groups, draws, seed, weights)
    numerator, variance = np.empty((len(signs), 2)), np.empty((len(signs), 3))
    for i in range(0, len(signs), BLOCK):
        part = signs[i:i + BLOCK]
        own = [part * scores.top[:, j] - np.column_stack([part @ scores.basis[j], part @ scores.top[:, j] / scores.square])
               @ scores.treat.T for j in (0, 1)]
        numerator[i:i + BLOCK] = np.column_stack([part @ scores.top[:, 0], -(part @ scores.top[:, 1])])
        variance[i:i + BLOCK] = np.column_stack([(own[0] ** 2).sum(axis=1), -2 * (own[0] * own[1]).sum(axis=1),
                                                 (own[1] ** 2).sum(axis=1)])
    left = scores.top - scores.treat[:, [-1]] * scores.effect  # of take-up too; nothing is left of treatment itself
    if received is None:
        left[:, 1] = 0.0
    observed = Curves(numerator=np.array([[scores.effect[0], -scores.effect[1]]]) * scores.square, variance=np.array(
        [[float(left[:, 0] @ left[:, 0]), -2 * float(left[:, 0] @ left[:, 1]), float(left[:, 1] @ left[:, 1])]]))
    return confidence_set(Curves(numerator=numerator, variance=variance), observed, conf_level, enumerated=enumerated,
                          ties=False)

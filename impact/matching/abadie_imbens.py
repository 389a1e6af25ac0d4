"""Matching estimates with replacement: effect, regression bias adjustment and Abadie–Imbens standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impact.inference.linear import Array, Codes
from impact.matching.distance import whitened
from impact.matching.neighbours import Mask, Matches, nearest
from impact.matching.score import Score

NOTHING = 1e-12  # a factor this small multiplies a variance that need not be known


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One direction of matching: focal units, their donors, and who serves whom."""

    focal: Codes
    donors: Codes
    matches: Matches


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedEffect:
    """Effect and standard error, with how often each unit serves as a donor."""

    estimate: float
    std_error: float
    uses: Array
    df: float | None = None


def matched_effect(outcome: Array, treated: Array, sides: tuple[Side, ...], metric: Array,
                   adjust: Array | None, variance_matches: int, tolerance: float = 0.0,
                   clusters: Codes | None = None) -> MatchedEffect:
    """Average effect and its population standard error.

    Parameters
    ----------
    outcome, treated : (n,).
    sides : one side for att and atc, two for ate.
    metric : (n, p) coordinates, used to find same-arm neighbours for the conditional variance.
    adjust : (n, q) covariates of the bias adjustment, or None.
    variance_matches : same-arm neighbours for the variance; 0 assumes one variance for all.
    tolerance : of ties among those neighbours, in squared distance.
    clusters : (n,) codes of those chosen together, or None.

    Notes
    -----
    Abadie & Imbens (2006, Econometrica 74, Theorems 6 and 7) with fractional weights for ties; the score, where the
    metric is one, is treated as known. Checked: R Matching 4.10 (match_lalonde_ai_*), 1e-5.
    """
    pairs = tuple(_pairs(side, outcome, treated, adjust) for side in sides)
    gap = np.concatenate([np.asarray(p.by_focal)[side.matches.found] for p, side in zip(pairs, sides, strict=True)])
    effect, n = float(gap.mean()), len(gap)
    uses, squares, own = np.zeros(len(outcome)), np.zeros(len(outcome)), np.zeros(len(outcome))
    for side in sides:
        np.add.at(uses, side.donors, np.asarray(side.matches.weights.sum(axis=0)).ravel())
        np.add.at(squares, side.donors, np.asarray(side.matches.weights.power(2).sum(axis=0)).ravel())
        own[side.focal[side.matches.found]] = 1.0
    # a unit that is both focal and donor (ate) carries (1 + K)² − 1 − KK = K² + 2K − KK; a pure donor K² − KK
    factor = uses**2 + 2 * uses * own - squares
    if variance_matches == 0:
        spread = np.full(len(outcome), _one_variance(pairs, effect))
    else:
        spread = conditional_variance(outcome, treated, metric, variance_matches, np.abs(factor) > NOTHING,
                                      tolerance)
    variance = float(((gap - effect) ** 2).sum() + (factor * spread).sum()) / n**2
    df = None
    if clusters is not None:
        by_arm = [_summed(outcome, (uses + own) * (treated == arm), clusters) for arm in (1, 0)]
        groups = min(count for _, count in by_arm)
        df = float(groups - 1)
        shared = _dyadic(pairs, sides, effect, clusters) / n**2 * groups / max(df, 1.0)
        variance = max(variance, shared, sum(part for part, _ in by_arm))
    return MatchedEffect(estimate=effect, std_error=float(np.sqrt(max(variance, 0.0))), uses=uses, df=df)


def _summed(outcome: Array, weights: Array, clusters: Codes) -> tuple[float, int]:
    """Variance of one arm's weighted mean, deviations summed by cluster, G/(G − 1); and G."""
    used = weights > 0
    w = weights[used] / weights[used].sum()
    codes = np.unique(clusters[used], return_inverse=True)[1].ravel()
    groups = int(codes.max()) + 1
    sums = np.bincount(codes, weights=w * (outcome[used] - w @ outcome[used]))
    return float(sums @ sums) * groups / max(groups - 1, 1), groups


def _dyadic(pairs: tuple[_Pairs, ...], sides: tuple[Side, ...], effect: float, clusters: Codes) -> float:
    """Squared sum of the pairs' deviations over all two pairs that share a cluster on either side.

    Notes
    -----
    Fafchamps & Gubert (2007, Journal of Development Economics 83); Aronow, Samii & Assenova (2015, Political Analysis 23).
    A donor that serves twice shares its cluster with itself. Checked: by hand and by simulation
    (tests/test_matching_clusters.py).
    """
    size = int(clusters.max()) + 1
    total = np.zeros(size)
    value = np.concatenate([p.weight * (p.gap - effect) for p in pairs])
    tables = [side.matches.weights.tocoo() for side in sides]
    mine, theirs = (np.concatenate(parts) for parts in (
        [clusters[side.focal[t.row]] for side, t in zip(sides, tables, strict=True)],
        [clusters[side.donors[t.col]] for side, t in zip(sides, tables, strict=True)]))
    np.add.at(total, mine, value)
    apart = mine != theirs
    np.add.at(total, theirs[apart], value[apart])
    code = np.minimum(mine, theirs) * size + np.maximum(mine, theirs)
    both = np.bincount(np.unique(code[apart], return_inverse=True)[1].ravel(), weights=value[apart]) if apart.any() else (
        np.zeros(1))  # two pairs that share both clusters were counted twice
    return float((total**2).sum() - (both**2).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Signed treated-less-comparison gaps: one per matched pair with its weight, and their mean by focal unit."""

    gap: Array
    weight: Array
    by_focal: Array


def _pairs(side: Side, outcome: Array, treated: Array, adjust: Array | None) -> _Pairs:
    """Gaps of each focal unit and donor; with a regression adjustment where asked.

    Notes
    -----
    Bias adjustment: Abadie & Imbens (2011, section 3): a linear regression among donors, weighted by how often each
    serves, moves each donor's outcome to the focal unit's covariates.
    """
    sign = 1.0 if treated[side.focal[0]] == 1 else -1.0
    table = side.matches.weights.tocoo()
    mine, theirs = side.focal[table.row], side.donors[table.col]
    gap = outcome[mine] - outcome[theirs]
    if adjust is not None:
        uses = np.asarray(side.matches.weights.sum(axis=0)).ravel()
        used = side.donors[uses > 0]
        root = np.sqrt(uses[uses > 0])
        design = np.column_stack([np.ones(len(used)), adjust[used]])
        slope = np.linalg.lstsq(design * root[:, None], outcome[used] * root, rcond=None)[0][1:]
        gap = gap - (adjust[mine] - adjust[theirs]) @ slope
    gap = sign * gap
    by_focal: Array = np.zeros(len(side.focal))
    np.add.at(by_focal, table.row, table.data * gap)
    return _Pairs(gap=gap, weight=np.asarray(table.data), by_focal=by_focal)


def _one_variance(pairs: tuple[_Pairs, ...], effect: float) -> float:
    """Half the spread of the pairs' gaps around the effect: one conditional variance for all."""
    weight = np.concatenate([p.weight for p in pairs])
    gap = np.concatenate([p.gap for p in pairs])
    return float((weight * (gap - effect) ** 2).sum() / weight.sum() / 2)


def conditional_variance(outcome: Array, treated: Array, metric: Array, count: int, wanted: Mask | None = None,
                         tolerance: float = 0.0) -> Array:
    """Variance of the outcome given covariates and arm, (n,): sample variance of each unit and its nearest of the arm.

    Parameters
    ----------
    wanted : (n,) of True where it is needed, or None for all; elsewhere it is 0.
    tolerance : of ties, in squared distance.

    Notes
    -----
    With one neighbour this is (Y_i − Y_j)²/2, Abadie & Imbens (2006, equation 14); tied neighbours all join the
    sample, as in R Matching.
    """
    out = np.zeros(len(outcome))
    for arm in (0.0, 1.0):
        rows = np.flatnonzero(treated == arm)
        mine = rows if wanted is None else np.flatnonzero((treated == arm) & wanted)
        if len(rows) <= 1 or not len(mine):
            continue
        own = np.searchsorted(rows, mine)
        found = nearest(metric[mine], metric[rows], count, own=own, tolerance=tolerance)
        level = float(outcome[rows].mean())
        y, m = outcome[mine] - level, found.numbers
        mean = np.asarray(found.weights @ (outcome[rows] - level))
        square = np.asarray(found.weights @ (outcome[rows] - level) ** 2)
        total, squares = m * mean + y, m * square + y**2
        out[mine] = np.maximum(squares - total**2 / (m + 1.0), 0.0) / m
    return out


def score_estimation(outcome: Array, treated: Array, score: Score, metric: Array, covariates: Array, *, estimand: str,
                     effect: float, neighbours: int, variance_matches: int) -> float:
    """What estimating the propensity score adds to the variance of the effect; below zero for the ate.

    Parameters
    ----------
    score : a fitted logit with its design and covariance. metric : (n, 1) coordinates of the score.
    covariates : (n, p) as entered in the score.
    estimand, effect, neighbours : of the matching estimate. variance_matches : neighbours for conditional covariances,
        beside the unit itself.

    Notes
    -----
    Abadie & Imbens (2016, Econometrica 84): −c'Vc for the ate; −c'Vc + d'Vd for the att, where d is the
    derivative of the att by the score's coefficients. c uses covariances of covariates and outcome among neighbours on the
    score; d needs neighbours on the covariates themselves, here by Mahalanobis distance. For the atc the arms change
    places. Checked: Stata teffects psmatch on cattaneo2 (tests/test_matching_traps.py): ate to every printed digit, att to
    2 in 10,000. What is left is the choice of neighbours the paper leaves open. Every printed digit of that att comes back
    with c's level from the two nearest of each arm on the score, the unit itself left out, and d's from the nearest of the
    other arm on the covariates in the units they came in (the test does so; one number cannot prove that Stata does). Such
    a d changes with the unit of measure, so that Mahalanobis distance is kept here.
    """
    if score.design is None or score.covariance is None:
        raise ValueError("the score needs its design and covariance")
    flip = estimand == "atc"
    d = 1.0 - treated if flip else treated
    p = 1.0 - score.probability if flip else score.probability
    effect = -effect if flip else effect  # of the focal arm's state against the other
    x, density = score.design, p * (1.0 - p)
    sign = 2.0 * d - 1.0
    y = outcome - outcome.mean()
    gap = sign * (y - _other_arm(y, d, metric, neighbours))
    focal, other = (_covariance_near(y, x, d, metric, arm, variance_matches) for arm in (1.0, 0.0))
    if estimand == "ate":
        c = ((focal / p[:, None] + other / (1.0 - p)[:, None]) * density[:, None]).mean(axis=0)
        return -float(c @ score.covariance @ c)
    size = d.sum()
    c = (x * (density * (gap - effect))[:, None]).sum(axis=0) / size
    c = c + ((focal + (p / (1.0 - p))[:, None] * other) * density[:, None]).sum(axis=0) / size
    near = sign * (y - _other_arm(y, d, whitened(covariates, treated), variance_matches + 1))
    slope = (x * (density * (near - effect))[:, None]).sum(axis=0) / size
    return float(slope @ score.covariance @ slope - c @ score.covariance @ c)


def _other_arm(y: Array, d: Array, metric: Array, count: int) -> Array:
    """Mean outcome of each unit's nearest of the other arm: (n,)."""
    out = np.empty(len(y))
    for arm in (0.0, 1.0):
        mine, theirs = np.flatnonzero(d == arm), np.flatnonzero(d != arm)
        out[mine] = nearest(metric[mine], metric[theirs], count).weights @ y[theirs]
    return out


def _covariance_near(y: Array, x: Array, d: Array, metric: Array, arm: float, count: int) -> Array:
    """Covariance of covariates and outcome among the units of an arm nearest to each unit, itself included: (n, k)."""
    rows = np.flatnonzero(d == arm)
    out = np.empty(x.shape)
    table = np.column_stack([x[rows] * y[rows, None], x[rows], y[rows]])
    k = x.shape[1]
    for inside in (True, False):
        mine = rows if inside else np.flatnonzero(d != arm)
        found = nearest(metric[mine], metric[rows], count if inside else count + 1, self_match=inside)
        m = found.numbers[:, None].astype(float)
        total = np.asarray(found.weights @ table) * m
        if inside:
            total, m = total + table, m + 1.0
        product, means, level = total[:, :k], total[:, k:-1] / m, total[:, -1:] / m
        out[mine] = (product - m * means * level) / np.maximum(m - 1.0, 1.0)
    return out

"""How far from parallel the trends may be before a conclusion falls: the sets of Rambachan & Roth, on arrays.

Coefficients of an event study are ``before`` (earliest first, the reference period left out) and ``after``; the parameter
is a weighted sum of the later effects. Each coefficient is effect plus deviation from parallel trends; the sets hold the
parameter whatever the deviation, within what is allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import optimize, stats

from impact.errors import DesignError, Problem
from impact.inference.chance import seeded
from impact.inference.linear import Array

FIRST_STAGE = 0.1  # share of the error spent on the least favourable test, as the authors advise
SIMULATED = 10_000
MOST_AFTER = 7  # the dual has C(2m, m) corners for m later periods


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPath:
    """Coefficients of an event study around a reference period.

    Attributes
    ----------
    before, after : (b,) and (a,) coefficients, in time order; the reference period stands between them with value 0.
    covariance : (b + a, b + a) in that order. weights : (a,) of the parameter among the later effects.
    """

    before: Array
    after: Array
    covariance: Array
    weights: Array

    @property
    def estimate(self) -> float:
        """The parameter under parallel trends."""
        return float(self.weights @ self.after)

    @property
    def std_error(self) -> float:
        """Its standard error under parallel trends."""
        pick = np.concatenate([np.zeros(len(self.before)), self.weights])
        return math.sqrt(max(float(pick @ self.covariance @ pick), 0.0))


def critical_value(bias: float, alpha: float) -> float:
    """Quantile 1 − alpha of |N(bias, 1)|: what a fixed-length interval needs when the estimator may be biased so much."""
    return float(np.sqrt(stats.ncx2.ppf(1 - alpha, 1, bias**2))) if bias < 30 else bias + float(stats.norm.ppf(1 - alpha))


def smoothness_set(path: EventPath, bound: float, alpha: float = 0.05) -> tuple[float, float]:
    """Shortest fixed-length interval when the trend's slope may change by at most ``bound`` from period to period.

    Parameters
    ----------
    bound : largest change of slope, in outcome units per period²; 0 is a straight line of any slope.
    alpha : error, 0.05 for a 95 per cent interval.

    Notes
    -----
    Rambachan & Roth (2023, Review of Economic Studies 90), after Armstrong & Kolesár (2018). The estimator
    takes a weighted sum of the earlier coefficients off the parameter; its weights make a straight line harmless and
    minimise s·cv(bias/s), a convex problem. Reference case: bounds_honestdid_flci.
    """
    b, a = len(path.before), len(path.after)
    t_before, t_after = np.arange(-b, 0.0), np.arange(1, a + 1.0)
    fixed = sum(abs(float(path.weights @ np.maximum(t_after - s, 0))) for s in range(a))
    bends = np.array([np.maximum(s - t_before, 0) for s in range(-b + 1, 0)], dtype=float).reshape(-1, b)
    scale = path.std_error or 1.0

    def half(x: Array) -> float:
        full = np.concatenate([x[:b], path.weights])
        sd = math.sqrt(max(float(full @ path.covariance @ full), 1e-300))
        return sd * critical_value(bound * (fixed + float(x[b:].sum())) / sd, alpha) / scale

    line = float(path.weights @ t_after)
    start = np.zeros(b + len(bends))
    start[b - 1] = line  # the last earlier coefficient alone undoes a straight line
    start[b:] = np.abs(bends @ start[:b])
    constraints = [{"type": "eq", "fun": lambda x: float(x[:b] @ t_before) + line},
                   {"type": "ineq", "fun": lambda x: x[b:] - bends @ x[:b]},
                   {"type": "ineq", "fun": lambda x: x[b:] + bends @ x[:b]}]
    settings = {"ftol": 1e-12, "maxiter": 500}
    found = min((optimize.minimize(half, s, method="SLSQP", constraints=constraints, options=settings)
                 for s in (start, _least_variance(path, t_before, line, bends))), key=lambda r: float(r.fun))
    centre = path.estimate + float(found.x[:b] @ path.before)
    return centre - scale * float(found.fun), centre + scale * float(found.fun)


def _least_variance(path: EventPath, t_before: Array, line: float, bends: Array) -> Array:
    """Weights of least variance among those that undo a straight line: the other natural start of the search."""
    b = len(path.before)
    v_bb, v_ba = path.covariance[:b, :b], path.covariance[:b, b:]
    kkt = np.block([[v_bb, t_before[:, None]], [t_before[None, :], np.zeros((1, 1))]])
    solved = np.linalg.lstsq(kkt, np.concatenate([-v_ba @ path.weights, [-line]]), rcond=None)[0][:b]
    return np.concatenate([solved, np.abs(bends @ solved)])


def relative_magnitudes_set(path: EventPath, bound: float, alpha: float = 0.05, *, seed: int = 0,
                            precision: float = 1e-3) -> tuple[float | None, float | None]:
    """Set of parameter values when later deviations are at most ``bound`` times the largest seen before.

    Parameters
    ----------
    bound : largest change of the deviation between two later periods, in units of the largest such change before.
    alpha : error. seed : of the simulated critical value. precision : of the ends, as a share of the standard error.

    Returns
    -------
    (low, high)
        None where the set does not end within reach: twice what the earlier changes and their errors allow.

    Notes
    -----
    Rambachan & Roth (2023, section 3): the set is the union over which earlier change was the largest, up or down; each
    piece is tested by the conditional least-favourable hybrid of Andrews, Roth & Pakes (2023) on the later periods'
    moments. The linear programmes of the test are small, so that all corners of their duals are listed once and every
    maximum is a matrix product. Periods after the last one with a weight restrict nothing and are left out.
    Reference case: bounds_honestdid_rm.
    """
    path, unit = _needed(path), path.std_error
    if not unit > 0:
        raise DesignError(Problem(where="covariance", what="the coefficients have no error", cure="Trends cannot be "
                                  "examined without one."), source="design")
    if unit != 1.0:  # in units of its own error, so that no currency can make the algebra too large or too small
        own = EventPath(before=path.before / unit, after=path.after / unit, covariance=path.covariance / unit**2,
                        weights=path.weights)
        if abs(own.std_error - 1.0) < 1e-9:
            low, high = _relative(own, bound, alpha, seed, precision)
            return (None if low is None else low * unit), (None if high is None else high * unit)
    return _relative(path, bound, alpha, seed, precision)


def _relative(path: EventPath, bound: float, alpha: float, seed: int, precision: float) -> tuple[float | None,
                                                                                                 float | None]:
    """Find the set of one path in units of its own standard error."""
    if len(path.after) > MOST_AFTER:
        raise DesignError(Problem(
            where="parameter", what=f"it covers {len(path.after)} later periods; at most {MOST_AFTER} can be examined so",
            cure="Ask for the first later period, or for fewer."), source="design")
    places = [(s, sign) for s in range(len(path.before)) for sign in (1.0, -1.0)]
    pieces = [_Piece.of(path, bound, s, sign, alpha, seed) for s, sign in places]
    largest = float(np.abs(np.diff(np.append(path.before, 0.0))).max())
    reach = 20 * path.std_error * (1 + bound) + 2 * bound * len(path.after) * (largest + 20 * _spread(path))
    lows, highs = [], []
    for piece in pieces:
        low, high = piece.ends(path.estimate, reach, precision * path.std_error)
        lows.append(low)
        highs.append(high)
    known = [(low, high) for low, high in zip(lows, highs, strict=True) if not (low == math.inf and high == -math.inf)]
    if not known:  # every value rejected: the data contradict the bound itself
        return path.estimate, path.estimate
    low, high = min(k[0] for k in known), max(k[1] for k in known)
    return (None if math.isinf(low) else low), (None if math.isinf(high) else high)


def _spread(path: EventPath) -> float:
    return float(np.sqrt(np.diag(path.covariance)[: len(path.before)].max()))


def _needed(path: EventPath) -> EventPath:
    """Leave out the periods after the last one that the parameter speaks of."""
    b, last = len(path.before), int(np.flatnonzero(path.weights)[-1]) + 1
    return EventPath(before=path.before, after=path.after[:last], covariance=path.covariance[: b + last, : b + last],
                     weights=path.weights[:last])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Test of one parameter value given which earlier change was the largest, and its sign."""

    y: Array  # moments at parameter value 0
    slope: Array  # how they move with it
    covariance: Array
    corners: Array  # (V, m) corners of the dual
    first: float  # critical value of the least favourable test
    alpha: float

    @classmethod
    def of(cls, path: EventPath, bound: float, s: int, sign: float, alpha: float, seed: int) -> _Piece:
        b, a = len(path.before), len(path.after)
        change = np.diff(np.eye(b + 1 + a), axis=0)  # changes between neighbouring periods, the reference among them
        largest = sign * change[s]
        rows = np.vstack([change[b:] - bound * largest, -change[b:] - bound * largest])
        rows = np.delete(rows, b, axis=1)  # the reference period has no coefficient
        covariance = rows @ path.covariance @ rows.T
        size = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        pick = int(np.argmax(np.abs(path.weights)))
        basis = np.eye(a)  # parameter first, the other effects as nuisance
        basis[[0, pick]] = basis[[pick, 0]]
        basis[0] = path.weights
        moved = rows[:, b:] @ np.linalg.inv(basis)
        corners = _corners(moved[:, 1:], size)
        rng = seeded(seed)
        values, vectors = np.linalg.eigh(covariance)
        drawn = rng.standard_normal((SIMULATED, len(rows))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
        first = float(np.quantile((drawn @ corners.T).max(axis=1), 1 - FIRST_STAGE * alpha))
        return cls(y=rows @ np.concatenate([path.before, path.after]), slope=moved[:, 0], covariance=covariance,
                   corners=corners, first=first, alpha=alpha)

    def accepts(self, value: float) -> bool:
        """Whether the parameter may be this value: the hybrid of the least favourable and the conditional test."""
        y = self.y - self.slope * value
        heights = self.corners @ y
        best = int(np.argmax(heights))
        top = float(heights[best])
        if top > self.first:
            return False
        corner = self.corners[best]
        spread = float(corner @ self.covariance @ corner)
        if spread <= 1e-20:
            return top <= 0
        along = self.corners @ (self.covariance @ corner) / spread
        rest = heights - along * top
        below, above = along < 1 - 1e-9, along > 1 + 1e-9
        low = float((rest[below] / (1 - along[below])).max(initial=-math.inf))
        high = float((rest[above] / (1 - along[above])).min(initial=math.inf))
        level = (1 - self.alpha) / (1 - FIRST_STAGE * self.alpha)
        cut = max(_truncated_quantile(level, low, min(high, self.first), math.sqrt(spread)), 0.0)
        return top <= cut

    def ends(self, centre: float, reach: float, precision: float) -> tuple[float, float]:
        """First and last accepted value; (inf, −inf) where none is, infinite ends where the set goes on."""
        step = reach / 250
        grid = centre + step * np.arange(-250, 251)
        inside = np.array([self.accepts(float(v)) for v in grid])
        if not inside.any():
            return math.inf, -math.inf
        where = grid[inside]
        low = -math.inf if inside[0] else self._edge(float(where[0]), float(where[0]) - step, precision)
        high = math.inf if inside[-1] else self._edge(float(where[-1]), float(where[-1]) + step, precision)
        return low, high

    def _edge(self, inside: float, outside: float, precision: float) -> float:
        while abs(inside - outside) > precision:
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if self.accepts(middle) else (inside, middle)
        return inside


def _corners(nuisance: Array, size: Array) -> Array:
    """Corners of {λ ≥ 0, λ'nuisance = 0, λ'size = 1}: one candidate for each basis, kept where it is not negative."""
    m, k = nuisance.shape
    system, aim = np.column_stack([nuisance, size]).T, np.concatenate([np.zeros(k), [1.0]])
    found = []
    for rows in (np.array(chosen) for chosen in combinations(range(m), k + 1)):
        block = system[:, rows]
        if abs(np.linalg.det(block / np.maximum(np.abs(block).max(), 1e-300))) < 1e-12:
            continue
        part = np.linalg.solve(block, aim)
        if part.min() >= -1e-10:
            corner = np.zeros(m)
            corner[rows] = np.maximum(part, 0.0)
            found.append(corner)
    return np.unique(np.round(found, 12), axis=0)


def _truncated_quantile(level: float, low: float, high: float, sd: float) -> float:
    """Quantile of N(0, sd²) between low and high, by the tail that keeps digits."""
    if not low < high:
        return high
    a, b = low / sd, high / sd
    if a > 0:
        left, right = stats.norm.sf(a), stats.norm.sf(b)
        return float(sd * stats.norm.isf(left - level * (left - right)))
    left, right = stats.norm.cdf(a), stats.norm.cdf(b)
    return float(sd * stats.norm.ppf(left + level * (right - left)))


def detectable_slope(covariance: Array, times: Array, power: float = 0.8, alpha: float = 0.05, *, seed: int = 0) -> float:
    """Slope of a straight drift that earlier coefficients would have shown with this power.

    Parameters
    ----------
    covariance : (b, b) of the earlier coefficients. times : (b,) periods from the reference, negative.
    power : chance that any earlier coefficient differs from zero at ``alpha``, each by its own test.

    Notes
    -----
    Roth (2022, AER: Insights 4, section I): earlier differences that are not significant rule out only steeper drifts
    than this. By simulation with fixed draws, so that the same input gives the same number.
    """
    sd = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
    noise = seeded(seed).standard_normal((SIMULATED, len(sd))) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    cut = float(stats.norm.ppf(1 - alpha / 2))

    def seen(slope: float) -> float:
        return float((np.abs(noise + slope * times / sd) > cut).any(axis=1).mean()) - power

    top = float(sd.min())
    while seen(top) < 0:
        top *= 2
    return float(optimize.brentq(seen, 0.0, top, xtol=1e-6 * top)) if seen(0.0) < 0 else 0.0

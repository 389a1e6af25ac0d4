"""How strong a hidden cause would have to be: Rosenbaum bounds for matched pairs, and the E-value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import optimize, stats

from impact.data.frame import listed, number_problem, require_columns, rows_text
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array
from impact.results import Check

if TYPE_CHECKING:
    import pandas as pd

GAMMAS = tuple(round(1 + 0.1 * step, 1) for step in range(21))
EXACT = 50  # up to so many pairs the law of the rank sum is counted out instead of taken as normal
SCALES = ("risk_ratio", "odds_ratio", "standardised_difference")
UNTESTED = "No test can show that there is no such cause."
MOST_TIMES = 100.0  # an E-value beyond this is told as that


class Matched(Protocol):
    """What is needed of a matched sample: the table, its rows considered, their arms and the matches."""

    @property
    def frame(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def rows(self) -> np.ndarray[Any, np.dtype[np.int64]]: ...  # noqa: D102
    @property
    def treated(self) -> Array: ...  # noqa: D102
    @property
    def pairs(self) -> tuple[tuple[int, int, float], ...]: ...  # noqa: D102


def pair_outcomes(matched: Matched, outcome: str) -> tuple[Array, Array]:
    """Take the outcomes of matched pairs, treated and comparison, pair by pair.

    Parameters
    ----------
    matched : the ``.matched`` of an estimate by :func:`impact.matching.nearest_neighbour`.
    outcome : column of its table.

    Returns
    -------
    (n,), (n,)
        Outcomes of the treated and of their partners, as :func:`rosenbaum_bounds` takes them.

    Raises
    ------
    DesignError
        When a unit serves in several matches, or has several partners: the bounds are for pairs only.
    """
    require_columns(matched.frame, outcome=outcome)
    problem = number_problem(matched.frame, outcome)
    if problem is not None:
        raise DataError(problem, source="data")
    first = np.array([p[0] for p in matched.pairs], dtype=np.int64)
    second = np.array([p[1] for p in matched.pairs], dtype=np.int64)
    weight = np.array([p[2] for p in matched.pairs], dtype=float)
    used = np.concatenate([first, second])
    values, counts = np.unique(used, return_counts=True)
    again = values[counts > 1]
    if not len(first) or len(again) or (np.abs(weight - 1) > 1e-9).any():
        rows = f" (table {rows_text(matched.rows[again] + 1, 4)})" if len(again) else ""
        raise DesignError(Problem(
            where="matched", what=f"Rosenbaum bounds are for pairs, one treated with one comparison unit each; here "
            f"{len(again)} units stand in more than one match{rows}" if len(first) else "there are no matches",
            cure="Match with neighbours=1 and replace=False, or use e_value or robustness_value."),
            source="rosenbaum_bounds")
    y = matched.frame[outcome].to_numpy(dtype=float, na_value=np.nan)[matched.rows]
    turned = matched.treated[first] == 0  # the untreated are in front where they were the ones matched
    return y[np.where(turned, second, first)], y[np.where(turned, first, second)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RosenbaumBounds:
    """What could be concluded from matched pairs if a hidden cause had a hand in who took part.

    Attributes
    ----------
    gammas : how many times the odds of taking part may differ between two units that were matched; 1 is none.
    p_upper, p_lower : largest and smallest one-sided p-value at each.
    effect_low, effect_high : bounds of the Hodges–Lehmann estimate of one effect for all, in the outcome's unit.
    critical_gamma : the largest gamma at which the worst p-value is still at most ``alpha``; None where it is above
        ``alpha`` without any hidden cause.
    n_pairs, n_zero : pairs in all, and those without a difference, which do not enter the ranks.
    law : "exact" or "normal". alternative : "greater" or "less".
    """

    gammas: tuple[float, ...]
    p_upper: tuple[float, ...]
    p_lower: tuple[float, ...]
    effect_low: tuple[float, ...]
    effect_high: tuple[float, ...]
    critical_gamma: float | None
    p_value: float
    alpha: float
    n_pairs: int
    n_zero: int
    law: str
    alternative: str

    @property
    def reading(self) -> str:
        """What the bounds say, in words."""
        if self.critical_gamma is None:
            return (f"Even if nothing hidden decided who took part, the {self.n_pairs} pairs do not show an effect "
                    f"(one-sided p = {self.p_value:.3g}): there is nothing yet for a hidden cause to explain away.")
        return (f"The {self.n_pairs} pairs show an effect (one-sided p ≤ {self.alpha:g}) unless something hidden, that "
                f"also decides the outcome, made the odds of taking part differ more than {self.critical_gamma:.2f} times "
                f"between two units that look alike. {UNTESTED}")

    def tidy(self) -> pd.DataFrame:
        """One row a gamma; columns ``gamma p_lower p_upper effect_low effect_high``."""
        import pandas as pd

        return pd.DataFrame({"gamma": self.gammas, "p_lower": self.p_lower, "p_upper": self.p_upper,
                             "effect_low": self.effect_low, "effect_high": self.effect_high})

    def check(self, outcome: str = "") -> Check:
        """Put the bounds among the checks; no gamma is a threshold in the field, so none is held against them."""
        nothing = self.critical_gamma is None
        return Check(id="rosenbaum_bounds", title="A hidden cause behind the pairs",
                     verdict="not_applicable" if nothing else "pass",
                     word="nothing to explain away" if nothing else "examined", reason=self.reading, outcome=outcome,
                     measured=self.critical_gamma, measure="odds of taking part, times",
                     source="Rosenbaum (2002, Observational Studies, section 4.3)",
                     details=tuple(zip((f"{g:g}" for g in self.gammas), self.p_upper, strict=True)))


def rosenbaum_bounds(treated: Sequence[float] | Array, comparison: Sequence[float] | Array, *,
                     gammas: Sequence[float] = GAMMAS, alternative: str = "greater",
                     alpha: float = 0.05) -> RosenbaumBounds:
    """Bound the signed-rank test of matched pairs against a hidden cause of taking part.

    Parameters
    ----------
    treated, comparison : (n,) outcomes of the two units of each pair, in their own unit, pair by pair; from a matched
        sample with :func:`pair_outcomes`. Pairs one to one without replacement only.
    gammas : how many times the odds of taking part may differ within a pair, 1 or more.
    alternative : "greater" (the treated have more) or "less".
    alpha : level of the one-sided test for ``critical_gamma``.

    Returns
    -------
    RosenbaumBounds
        With ``.reading``, ``.tidy()`` and ``.check()``.

    Raises
    ------
    DesignError, DataError
        When the two do not form pairs, values are missing, or no pair has a difference.

    Notes
    -----
    Estimand: none; it bounds a test of 'no effect for anyone', and the effect if it is the same for everyone. Zero
    differences leave the ranks, ties share them. Up to 50 pairs the law of the rank sum is counted out; above it is taken
    as normal, without continuity correction, as R rbounds. Effects: quantiles 1/(1 + Γ) and Γ/(1 + Γ) of the averages of
    all two differences, zeros among them (an effect moves them off zero); where a stretch of effects will do, its end
    nearest to the estimate, as R rbounds, and for Γ = 1 its middle. At Γ = 1 alone rbounds leaves zeros out. Rosenbaum
    (2002, Observational Studies, section 4.3). Reference case: bounds_lalonde_rosenbaum (R rbounds 2.2).
    """
    if alternative not in ("greater", "less"):
        raise ValueError(f"alternative must be 'greater' or 'less', not {alternative!r}")
    levels = tuple(float(g) for g in gammas)
    if not levels or not all(math.isfinite(g) and g >= 1 for g in levels):
        raise ValueError("gammas must be numbers of 1 or more")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is a share below a half such as 0.05, not {alpha!r}")
    sign = 1.0 if alternative == "greater" else -1.0
    gaps = sign * _differences(treated, comparison)
    moved = gaps[gaps != 0]
    ranks = stats.rankdata(np.abs(moved))
    exact = len(moved) <= EXACT

    def tail(odds: float) -> float:
        return _tail(ranks, float(ranks[moved > 0].sum()), odds / (1 + odds), exact)

    ends = [(_walsh(gaps, g / (1 + g)), _walsh(gaps, 1 / (1 + g))) for g in levels]
    ends = ends if sign > 0 else [(-high, -low) for low, high in ends]
    return RosenbaumBounds(
        gammas=levels, p_upper=tuple(tail(g) for g in levels), p_lower=tuple(tail(1 / g) for g in levels),
        effect_low=tuple(low for low, _ in ends), effect_high=tuple(high for _, high in ends),
        critical_gamma=_critical(tail, alpha), p_value=tail(1.0), alpha=alpha, n_pairs=len(gaps),
        n_zero=len(gaps) - len(moved), law="exact" if exact else "normal", alternative=alternative)


def _differences(treated: Sequence[float] | Array, comparison: Sequence[float] | Array) -> Array:
    one, zero = np.asarray(treated, dtype=float), np.asarray(comparison, dtype=float)
    if one.ndim != 1 or one.shape != zero.shape:
        raise DesignError(Problem(
            where="pairs", what=f"{one.size} treated and {zero.size} comparison outcomes do not form pairs",
            cure="Rosenbaum bounds are for matches one to one without replacement: give one of each a pair."),
            source="rosenbaum_bounds")
    bad = np.flatnonzero(~(np.isfinite(one) & np.isfinite(zero))) + 1
    if len(bad):
        raise DataError(Problem(where="pairs", what=f"{len(bad)} have no outcome on one side (pair {listed(bad)})",
                                cure="Leave out both units of such a pair, and say so."), source="data")
    if not (one != zero).any():
        raise DesignError(Problem(where="pairs", what="no pair has a difference", cure="There is no effect to examine."),
                          source="rosenbaum_bounds")
    return np.asarray(one - zero)


def _tail(ranks: Array, found: float, chance: float, exact: bool) -> float:
    """Chance of a rank sum at least as large as found, where each pair is positive with this chance."""
    if not exact:
        spread = math.sqrt(chance * (1 - chance) * float((ranks**2).sum()))
        return float(stats.norm.sf((found - chance * float(ranks.sum())) / spread))
    steps = np.rint(2 * ranks).astype(int)  # shared ranks are halves
    law = np.zeros(int(steps.sum()) + 1)
    law[0] = 1.0
    for step in steps:
        law[step:] = (1 - chance) * law[step:] + chance * law[:-step]
        law[:step] *= 1 - chance
    return min(1.0, float(law[round(2 * found):].sum()))


def _critical(tail: Any, alpha: float) -> float | None:
    """Find the odds at which the worst p-value reaches the level."""
    if tail(1.0) > alpha:
        return None
    high = 2.0
    while tail(high) <= alpha:
        high *= 2
    return float(optimize.brentq(lambda g: tail(g) - alpha, 1.0, high, xtol=1e-12, rtol=1e-12))


def _walsh(gaps: Array, share: float) -> float:
    """Give the value with a share of the averages of all two differences (each with itself too) above it.

    It is found by halving an interval, which needs no list of all averages. Where a whole number of averages lies above,
    any value between two neighbours will do: the one nearer to the median is taken, at the median itself their middle.
    """
    d = np.sort(gaps)
    count = len(d) * (len(d) + 1) / 2 * share
    whole = round(count)
    if abs(count - whole) > 1e-9 * len(d):
        return _largest(d, math.ceil(count))
    if share != 0.5:
        return _largest(d, whole if share > 0.5 else whole + 1)
    return (_largest(d, whole) + _largest(d, whole + 1)) / 2


def _largest(d: Array, place: int) -> float:
    """The average of two differences that is at this place from the top."""
    low, high = float(d[0]), float(d[-1])

    def above(value: float) -> int:
        pairs = len(d) - np.searchsorted(d, 2 * value - d, side="right")
        return int((pairs.sum() + (d > value).sum()) // 2)

    if above(low) < place:
        return low
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return high
        low, high = (low, middle) if above(middle) < place else (middle, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class EValue:
    """How strongly a hidden cause must be linked with taking part and with the outcome to explain an effect away.

    Attributes
    ----------
    risk_ratio, conf_low, conf_high : the effect as a risk ratio (approximate for other scales); None where not given.
    point : the E-value of the effect: a risk ratio of 1 or more for both links.
    limit : the E-value of the interval's end nearest to no effect; 1 where the interval holds it, None without interval.
    scale : what was given.
    """

    risk_ratio: float
    conf_low: float | None
    conf_high: float | None
    point: float
    limit: float | None
    scale: str

    @property
    def reading(self) -> str:
        """What the E-value says, in words."""
        approximate = "" if self.scale == "risk_ratio" else " The risk ratio behind this is approximate."
        if self.limit == 1:
            return (f"The interval holds no effect as it is: there is nothing yet for a hidden cause to explain away (the "
                    f"E-value of the estimate itself is {_times(self.point)}).{approximate} {UNTESTED}")
        text = (f"To explain the whole effect away, a hidden cause would have to make both taking part and the outcome at "
                f"least {_times(self.point)} times as likely (or as unlikely), beyond the traits adjusted for")
        if self.limit is not None:
            text += f"; {_times(self.limit)} times would be enough for the interval to hold no effect"
        return f"{text}.{approximate} {UNTESTED}"

    def check(self, outcome: str = "") -> Check:
        """Put the E-value among the checks; no size of it is a threshold in the field, so none is held against it."""
        nothing = self.limit == 1
        return Check(id="e_value", title="A hidden cause of taking part and of the outcome",
                     verdict="not_applicable" if nothing else "pass",
                     word="nothing to explain away" if nothing else "examined", reason=self.reading, outcome=outcome,
                     measured=self.point, measure="risk ratio, both links",
                     source="VanderWeele & Ding (2017), Annals of Internal Medicine 167", details=(("limit", self.limit),))


def _times(value: float) -> str:
    """Beyond a hundred the number says no more than that it is large."""
    return f"{value:.2f}" if value <= MOST_TIMES else f"more than {MOST_TIMES:g}"


def e_value(estimate: float, *, scale: str = "risk_ratio", std_error: float | None = None, conf_low: float | None = None,
            conf_high: float | None = None, common: bool = False) -> EValue:
    """Say how strong a hidden cause would have to be to explain an effect away.

    Parameters
    ----------
    estimate : a risk ratio, an odds ratio, or a difference in standard deviations of the outcome.
    scale : "risk_ratio", "odds_ratio" or "standardised_difference".
    std_error : of a standardised difference; gives its interval.
    conf_low, conf_high : interval of a ratio.
    common : for an odds ratio, whether the outcome is found in more than 15 per cent of units; its root then stands for the
        risk ratio.

    Returns
    -------
    EValue
        With ``.reading`` and ``.check()``.

    Raises
    ------
    ValueError
        For a ratio that is not above zero, or limits that do not enclose the estimate.

    Notes
    -----
    E = RR + √(RR(RR − 1)), with RR turned over where below 1. Differences: RR ≈ exp(0.91 d), limits exp(0.91 d ± 1.78 SE).
    VanderWeele & Ding (2017, Annals of Internal Medicine 167, 268–274). It says nothing about how likely such a cause is,
    nor about any other fault. Reference case: bounds_evalue, with the published 7.26 and 3.00.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}, not {scale!r}")
    if scale == "standardised_difference":
        point, low, high = _from_difference(estimate, std_error, conf_low, conf_high)
    else:
        if std_error is not None:
            raise ValueError("a ratio takes conf_low= and conf_high=, not std_error=")
        point, low, high = _from_ratio(estimate, conf_low, conf_high, 0.5 if scale == "odds_ratio" and common else 1.0)
    near = low if point >= 1 else high
    reached = near is not None and (near <= 1 if point >= 1 else near >= 1)
    return EValue(risk_ratio=point, conf_low=low, conf_high=high, point=_both_links(point),
                  limit=None if near is None else 1.0 if reached else _both_links(near), scale=scale)


def _from_difference(estimate: float, std_error: float | None, conf_low: float | None,
                     conf_high: float | None) -> tuple[float, float | None, float | None]:
    if conf_low is not None or conf_high is not None:
        raise ValueError("a standardised difference takes std_error=, from which its interval follows")
    if not math.isfinite(estimate) or abs(estimate) > 100:
        raise ValueError(f"a difference in standard deviations is a number such as 0.3, not {estimate!r}")
    middle = 0.91 * estimate
    if std_error is None:
        return math.exp(middle), None, None
    if not 0 < std_error < 100:
        raise ValueError(f"std_error must be above zero, in standard deviations, not {std_error!r}")
    return math.exp(middle), math.exp(middle - 1.78 * std_error), math.exp(middle + 1.78 * std_error)


def _from_ratio(estimate: float, conf_low: float | None, conf_high: float | None,
                power: float) -> tuple[float, float | None, float | None]:
    if not all(x is None or (math.isfinite(x) and x > 0) for x in (estimate, conf_low, conf_high)):
        raise ValueError("ratios and their limits must be above zero")
    if not (conf_low or 0.0) <= estimate <= (conf_high or math.inf):
        raise ValueError("conf_low and conf_high must enclose the estimate")
    return estimate**power, None if conf_low is None else conf_low**power, None if conf_high is None else conf_high**power


def _both_links(ratio: float) -> float:
    size = max(ratio, 1 / ratio)
    return size + math.sqrt(size * (size - 1))

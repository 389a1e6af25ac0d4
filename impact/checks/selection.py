"""What hidden selection could do if it worked like the measured one: Oster's bounds, by the exact solution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impact.checks.columns import figure, read_complete, regress, unexplained
from impact.results import Check, Dropped

if TYPE_CHECKING:
    import pandas as pd

SHARE = 1.3  # Oster (2019): what nine in ten randomised results survive


@dataclass(frozen=True, slots=True, kw_only=True)
class OsterBounds:
    """What hidden causes would do to a regression if they worked like the measured ones.

    Attributes
    ----------
    beta_short, r2_short : effect and R² without traits; beta_full, r2_full : with them.
    r_max : R² that all causes, hidden ones too, would reach. delta : strength of hidden beside measured selection.
    beta_star : the effect then, by the exact solution; roots : all its real solutions, of which ``beta_star`` is one.
    beta_linear : the same by the linear approximation, which holds only where delta is 1 and selection is alike trait by
        trait; None where the traits explain nothing.
    target, delta_target : how strong hidden selection would have to be for the effect to be ``target``; None where no
        strength would do. Below zero: it would have to work against measured selection.
    """

    outcome: str
    treatment: str
    beta_short: float
    r2_short: float
    beta_full: float
    r2_full: float
    r_max: float
    delta: float
    beta_star: float
    roots: tuple[float, ...]
    beta_linear: float | None
    target: float
    delta_target: float | None
    n: int
    dropped: tuple[Dropped, ...] = ()

    @property
    def bounds(self) -> tuple[float, float]:
        """From the effect with traits to the effect if hidden causes are as strong as ``delta`` says, the smaller first."""
        return min(self.beta_full, self.beta_star), max(self.beta_full, self.beta_star)

    @property
    def holds_target(self) -> bool:
        """Whether the bounds hold the target effect, zero unless told otherwise."""
        return self.bounds[0] <= self.target <= self.bounds[1]

    @property
    def reading(self) -> str:
        """What the bounds say, in words."""
        low, high = self.bounds
        goal = "zero" if self.target == 0 else figure(self.target)
        need = "no strength of hidden selection would do" if self.delta_target is None else (
            f"hidden selection would have to be {abs(self.delta_target):.2f} times as strong as measured selection"
            f"{' and work against it' if self.delta_target < 0 else ''}")
        strength = "as strongly" if self.delta == 1 else f"{self.delta:g} times as strongly"
        holds = "holds" if self.holds_target else "does not hold"
        return (f"The traits moved the estimate from {figure(self.beta_short)} to {figure(self.beta_full)} and the "
                f"explained share of {self.outcome} from {self.r2_short:.1%} to {self.r2_full:.1%}. If hidden causes "
                f"select {strength} and all together explain {self.r_max:.1%}, the effect is {figure(self.beta_star)} "
                f"(exact solution): the range from {figure(low)} to {figure(high)} {holds} {goal}. For an effect of {goal} "
                f"{need}.")

    def check(self) -> Check:
        """Put the bounds among the checks: a concern where equal selection could give the target effect."""
        return Check(id="oster", title="Hidden causes as strong as the measured traits",
                     verdict="concern" if self.holds_target else "pass",
                     word="could explain it" if self.holds_target else "examined", reason=self.reading,
                     measured=self.delta_target, threshold=1.0, outcome=self.outcome,
                     measure="strength of hidden beside measured selection", source="Oster (2019), JBES 37",
                     details=(("beta_star", self.beta_star), ("r_max", self.r_max), ("delta", self.delta),
                              ("beta_linear_approximation", self.beta_linear)))


def oster(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], r_max: float | None = None,
          delta: float = 1.0, target: float = 0.0) -> OsterBounds:
    """Judge what hidden causes could do to an effect by what the measured traits did to it.

    Parameters
    ----------
    data : DataFrame, one row a unit; rows with an empty cell are left out of both regressions and counted.
    outcome, treatment : numeric columns. covariates : numeric columns measured before treatment.
    r_max : R² that hidden and measured causes would reach together; None is 1.3 times the R² with traits, at most 1.
    delta : strength of selection on hidden causes beside measured ones, above 0.
    target : the effect for which ``delta_target`` is found.

    Returns
    -------
    OsterBounds
        With ``.reading`` and ``.check()``.

    Raises
    ------
    DataError, DesignError
        Missing columns, text for numbers, an outcome or treatment that does not vary, a treatment the traits explain fully.
    ValueError
        For an ``r_max`` below the R² with traits or above 1, or a ``delta`` that is not above zero.

    Notes
    -----
    Oster (2019, Journal of Business & Economic Statistics 37): the exact effect is a root of a cubic
    (a quadratic where delta is 1). Among real roots those are taken that move the effect further the way the traits moved
    it (her assumption 3, as Stata psacalc), of these the nearest. The linear approximation
    b₁ − δ(b₀ − b₁)(Rmax − R₁)/(R₁ − R₀) is a special case and can lie far away: it is shown under its own name only. No
    sampling error is in these numbers.
    Reference case: bounds_lalonde_oster (R robomit 1.0.7).
    """
    if not (math.isfinite(delta) and delta > 0):
        raise ValueError(f"delta must be above zero, not {delta!r}")
    if not math.isfinite(target):
        raise ValueError(f"target must be a number, not {target!r}")
    x = read_complete(data, outcome, treatment, covariates)
    short = regress(x.outcome, x.treatment, names=[treatment], keep=[treatment])
    full = regress(x.outcome, x.traits, x.treatment, names=[*x.names, treatment], keep=[treatment])
    total = float(((x.outcome - x.outcome.mean()) ** 2).sum())
    r0, r1 = 1 - unexplained(short) / total, 1 - unexplained(full) / total
    limit = min(1.0, SHARE * r1) if r_max is None else float(r_max)
    if not r1 <= limit <= 1:
        raise ValueError(f"r_max must lie between the R² with traits, {r1:.4f}, and 1; it is {limit:.4f}")
    spread = float(((x.treatment - x.treatment.mean()) ** 2).sum())
    own = unexplained(regress(x.treatment, x.traits, names=x.names))
    b0, b1 = float(short.coefficients[-1]), float(full.coefficients[-1])
    terms = _Terms(move=b0 - b1, gained=(r1 - r0) * total, missing=(limit - r1) * total, spread=spread, own=own)
    roots = tuple(sorted(b1 - shift for shift in terms.shifts(delta)))
    ahead = [b for b in roots if (b - b1) * (b1 - b0) > 0] or list(roots)
    return OsterBounds(
        outcome=outcome, treatment=treatment, beta_short=b0, r2_short=r0, beta_full=b1, r2_full=r1, r_max=limit,
        delta=delta, beta_star=min(ahead, key=lambda b: abs(b - b1)), roots=roots, target=target,
        beta_linear=b1 - delta * (b0 - b1) * (limit - r1) / (r1 - r0) if r1 > r0 + 1e-12 else None,
        delta_target=terms.strength(b1 - target), n=full.n, dropped=x.dropped)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What Oster's equation is made of; sums of squares stand for variances, whose divisor cancels.

    ``move`` is the short less the full coefficient; ``gained`` and ``missing`` the outcome's variation the traits explain
    beyond the short regression, and hidden causes would; ``spread`` the treatment's, ``own`` what traits leave of it.
    """

    move: float
    gained: float
    missing: float
    spread: float
    own: float

    def strength(self, shift: float) -> float | None:
        """Find the delta that makes the bias equal to ``shift``."""
        a, s, t = self.move, self.spread, self.own
        top = shift * (self.gained * t + s * t * a**2) + 2 * shift**2 * t * a * s + shift**3 * (t * s - t**2)
        bottom = self.missing * (a * s + shift * (s - t)) + shift**2 * t * a * s + shift**3 * (t * s - t**2)
        size = abs(self.missing * a * s) + abs(self.missing * shift * (s - t)) + abs(shift**2 * t * a * s) + abs(
            shift**3 * (t * s - t**2))
        return None if abs(bottom) <= 1e-12 * size else top / bottom

    def shifts(self, delta: float) -> list[float]:
        """Find every bias that this delta can give, by the real roots of the cubic."""
        a, s, t = self.move, self.spread, self.own
        powers = [(delta - 1) * (t * s - t**2), (delta - 2) * t * a * s,
                  delta * self.missing * (s - t) - self.gained * t - s * t * a**2, delta * self.missing * a * s]
        if a == 0:  # traits that move nothing leave a root at no bias
            return [0.0]
        unit = abs(a)  # in units of the move the powers are of one size
        scaled = np.array([p * unit ** (3 - j) for j, p in enumerate(powers)])
        scaled[np.abs(scaled) < 1e-14 * np.abs(scaled).max()] = 0.0
        roots = np.roots(np.trim_zeros(scaled, "f"))
        real = roots[np.abs(roots.imag) < 1e-9 * np.maximum(1, np.abs(roots))].real
        return [float(r) * unit for r in real]

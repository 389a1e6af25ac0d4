"""How strong a left-out variable must be to overturn a regression: the robustness value of Cinelli and Hazlett."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from impact.checks.columns import Columns, figure, read_complete, regress, unexplained
from impact.data.frame import as_names, listed
from impact.errors import DesignError, Problem
from impact.inference.intervals import infer
from impact.inference.linear import Array
from impact.inference.sandwich import covariance
from impact.results import Check, Dropped

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A hidden cause so many times as strong as a measured trait, and the effect if it were left out.

    Attributes
    ----------
    label : the trait or group of traits; multiple : how many times as strong.
    r2_treatment, r2_outcome : share of what is left unexplained of taking part and of the outcome that it explains.
    estimate, std_error, statistic, conf_low, conf_high : with it taken into account; None where no such cause can exist,
        and ``reason`` says so.
    """

    label: str
    multiple: float
    r2_treatment: float | None = None
    r2_outcome: float | None = None
    estimate: float | None = None
    std_error: float | None = None
    statistic: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessValue:
    """How strong a left-out cause would have to be to overturn a regression.

    Attributes
    ----------
    estimate, std_error, statistic, df : of the regression, classical errors.
    partial_r2 : share of the outcome left unexplained by the traits that the treatment explains.
    value : the share of both taking part and the outcome that a cause must explain to lower the estimate by the share
        ``q``.
    value_alpha : the same for the interval at level 1 − alpha to reach it; 0 where it does so already.
    benchmarks : causes measured in multiples of named traits.
    """

    outcome: str
    treatment: str
    estimate: float
    std_error: float
    statistic: float
    df: int
    partial_r2: float
    value: float
    value_alpha: float
    q: float
    alpha: float
    benchmarks: tuple[Benchmark, ...]
    n: int
    dropped: tuple[Dropped, ...] = ()

    @property
    def reading(self) -> str:
        """What the robustness value says, in words."""
        goal = "bring the estimate to zero" if self.q == 1 else f"lower the estimate by {self.q:.0%}"
        text = (f"To {goal}, a hidden cause would have to explain at least {self.value:.1%} of what the traits leave "
                f"unexplained, both of who took part and of {self.outcome}; " + (
                    f"{self.value_alpha:.2%} would be enough for the {1 - self.alpha:.0%} interval to get there."
                    if self.value_alpha > 0 else f"the {1 - self.alpha:.0%} interval gets there without any."))
        if not self.benchmarks:
            return text + " Whether that is much cannot be said without a benchmark: name a trait, such as earlier sales."
        return " ".join([text, *(self._told(b) for b in self.benchmarks)])

    def _told(self, b: Benchmark) -> str:
        times = "as strong as" if b.multiple == 1 else f"{b.multiple:g} times as strong as"
        if b.estimate is None:
            return f"A cause {times} {b.label}: {b.reason}."
        of_outcome = "all that is left of the outcome, where its strength would ask for more" if b.r2_outcome == 1 else (
            f"{b.r2_outcome:.1%} of the outcome")
        turned = ": the sign would turn" if b.estimate * self.estimate < 0 else ""
        return (f"A cause {times} {b.label} ({b.r2_treatment:.1%} of taking part, {of_outcome}) would "
                f"move the estimate from {figure(self.estimate)} to {figure(b.estimate)}{turned}.")

    def check(self) -> Check:
        """Put it among the checks: a concern where a cause no stronger than a named trait would overturn the estimate."""
        enough = [b for b in self.benchmarks if b.multiple <= 1 and b.estimate is not None and
                  b.estimate * self.estimate <= 0]
        bare = not self.benchmarks
        lead = (f"One as strong as {listed((b.label for b in enough), 3)} would bring the estimate to zero or past it. "
                if enough else "")
        return Check(id="robustness_value", title="A left-out cause as strong as a measured trait",
                     verdict="not_applicable" if bare else "concern" if enough else "pass",
                     word="not benchmarked" if bare else "could explain it" if enough else "examined",
                     reason=lead + self.reading, measured=self.value, outcome=self.outcome,
                     measure="share of taking part and of the outcome explained",
                     source="Cinelli & Hazlett (2020), JRSS B 82",
                     details=(("value_alpha", self.value_alpha), ("partial_r2", self.partial_r2)))

    def tidy(self) -> pd.DataFrame:
        """One row a benchmark, with the fields of :class:`Benchmark` as columns."""
        import pandas as pd

        return pd.DataFrame([{name: getattr(b, name) for name in Benchmark.__slots__} for b in self.benchmarks],
                            columns=list(Benchmark.__slots__))


def robustness_value(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str],
                     benchmark_covariates: Sequence[str] | Mapping[str, Sequence[str]] = (),
                     multiples: Sequence[float] = (1.0,), q: float = 1.0, alpha: float = 0.05) -> RobustnessValue:
    """Say how strong a left-out cause would have to be to overturn a regression, and how that compares with a trait.

    Parameters
    ----------
    data : DataFrame, one row a unit; rows with an empty cell are left out and counted.
    outcome, treatment : numeric columns. covariates : numeric columns measured before treatment.
    benchmark_covariates : covariates to measure hidden causes by, each alone; or groups of them by name
        (``{"prior sales": ["sales_2019", "sales_2020"]}``). 'As strong as prior sales' can be said of these only.
    multiples : how many times as strong.
    q : share of the estimate to be explained away. alpha : one less the level of the interval.

    Returns
    -------
    RobustnessValue
        With ``.reading``, ``.tidy()`` (the benchmarks) and ``.check()``.

    Raises
    ------
    DataError, DesignError
        As :func:`oster`; also for a benchmark that is no covariate.

    Notes
    -----
    Cinelli & Hazlett (2020, Journal of the Royal Statistical Society B 82). Errors are classical: the
    algebra is that of partial R². With f = |t|/√df, RV = ½(√(f⁴ + 4f²) − f²). Reference case: bounds_lalonde_sensemakr (R
    sensemakr 0.1.6).
    """
    if not 0 < q <= 1 or not 0 < alpha < 1:
        raise ValueError("q is a share above 0 and up to 1, alpha a share between 0 and 1")
    if not all(math.isfinite(m) and m > 0 for m in multiples):
        raise ValueError("multiples must be above zero")
    groups = dict(benchmark_covariates) if isinstance(benchmark_covariates, Mapping) else {
        name: [name] for name in as_names(benchmark_covariates)}
    x = read_complete(data, outcome, treatment, covariates)
    stray = [name for names in groups.values() for name in as_names(names) if name not in x.names]
    if stray:
        raise DesignError(Problem(where="benchmark_covariates", what=f"'{stray[0]}' is not among the covariates",
                                  cure="A trait measures hidden causes only if the regression holds it."),
                          source="sensitivity")
    fit = regress(x.outcome, x.traits, x.treatment, names=[*x.names, treatment], keep=[treatment])
    cov = covariance(fit, "classical")
    estimate, error = float(fit.coefficients[-1]), cov.std_error(np.eye(fit.k)[-1])
    if infer(estimate, error, cov.residual_df).p_value is None:
        raise DesignError(Problem(where=f"column '{outcome}'", what="the regression explains it fully: nothing is left",
                                  cure="Look for a column that repeats the outcome."), source="sensitivity")
    t, df = estimate / error, cov.residual_df
    bounds = [_benchmark(x, name, as_names(names), float(m), estimate, error, df, alpha)
              for name, names in groups.items() for m in multiples]
    return RobustnessValue(
        outcome=outcome, treatment=treatment, estimate=estimate, std_error=error, statistic=t, df=df,
        partial_r2=t**2 / (t**2 + df), value=_robustness(t, df, q, 1.0), value_alpha=_robustness(t, df, q, alpha), q=q,
        alpha=alpha, benchmarks=tuple(bounds), n=fit.n, dropped=x.dropped)


def _robustness(t: float, df: int, q: float, alpha: float) -> float:
    f = q * abs(t) / math.sqrt(df)
    edge = abs(float(stats.t.ppf(alpha / 2, df - 1))) / math.sqrt(df - 1) if alpha < 1 else 0.0
    over = f - edge
    if over <= 0:
        return 0.0
    if edge > 0 and f > 1 / edge:  # a cause that explains the outcome fully would not do: the other bound is sharp
        return (f**2 - edge**2) / (1 + f**2)
    return 0.5 * (math.sqrt(over**4 + 4 * over**2) - over**2)


def _partial(y: Array, traits: Array, names: Sequence[str], without: Sequence[str], *more: Array) -> float:
    """Share of what the other columns leave unexplained that some columns explain."""
    rest = [j for j, name in enumerate(names) if name not in without]
    others = [f"m{j}" for j in range(len(more))]
    whole = unexplained(regress(y, *more, traits, names=[*others, *names]))
    less = unexplained(regress(y, *more, traits[:, rest], names=[*others, *(names[j] for j in rest)]))
    return max(0.0, (less - whole) / less)


def _benchmark(x: Columns, label: str, names: Sequence[str], multiple: float, estimate: float, error: float, df: int,
               alpha: float) -> Benchmark:
    of_treatment = _partial(x.treatment, x.traits, x.names, names)
    of_outcome = _partial(x.outcome, x.traits, x.names, names, x.treatment)
    odds = multiple * of_treatment / (1 - of_treatment) if of_treatment < 1 else math.inf
    if odds >= 1 or multiple * of_treatment >= 1:
        return Benchmark(label=label, multiple=multiple, reason="it would explain more than all of who took part, so there "
                         "can be none")
    both = multiple * of_treatment**2 / ((1 - multiple * of_treatment) * (1 - of_treatment))
    if both >= 1:
        return Benchmark(label=label, multiple=multiple, reason="it would be more than fully tied to the trait, so there "
                         "can be none")
    y = ((math.sqrt(multiple) + math.sqrt(both)) / math.sqrt(1 - both)) ** 2 * of_outcome / (1 - of_outcome)
    reason = "it would explain more than all of the outcome: taken as all" if y > 1 else ""
    y = min(y, 1.0)
    size = error * math.sqrt(df)
    moved = math.copysign(1.0, estimate) * (abs(estimate) - math.sqrt(y * odds / (1 - odds)) * size)
    spread = math.sqrt((1 - y) / (1 - odds)) * error * math.sqrt(df / (df - 1))
    known = infer(moved, spread, df - 1, 1 - alpha) if alpha <= 0.5 else None
    return Benchmark(label=label, multiple=multiple, r2_treatment=odds, r2_outcome=y, estimate=moved, std_error=spread,
                     statistic=moved / spread if spread > 0 else None, conf_low=known.conf_low if known else None,
                     conf_high=known.conf_high if known else None, reason=reason)

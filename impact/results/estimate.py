"""One effect with everything a reader may ask of it: interval, level, errors, losses, caveats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from impact.results.plots import Plot

TIDY = ("id", "outcome", "term", "method", "estimand", "estimate", "std_error", "statistic", "df", "p_value",
        "p_adjusted", "conf_low", "conf_high", "conf_level", "n", "n_treated", "n_clusters", "vcov", "unit",
        "comparison_mean", "period", "cohort", "horizon", "subgroup", "caveats")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caveat:
    """Something a reader must know about a number; it travels with it to the brief.

    ``code`` is stable (tests and translations use it), ``text`` is one English sentence, ``values`` the
    figures in it.
    """

    code: str
    text: str
    values: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One piece of a confidence set; None means it runs to infinity on that side."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardErrorCard:
    """How the standard error was made, so that an econometrician can remake it.

    ``level`` is the column at which errors are clustered (or 'unit'), ``correction`` names the small-sample
    factor and the count it uses, ``df_rule`` says where the degrees of freedom come from.
    """

    formula: str
    correction: str
    level: str
    df_rule: str
    clusters_treated: int | None = None
    clusters_comparison: int | None = None
    r_call: str = ""
    stata_call: str = ""

    def line(self, df: float | None = None) -> str:
        """Print the card as one line."""
        parts = [self.formula, self.correction, f"at the level of {self.level}"]
        if self.clusters_treated is not None:
            parts.append(f"{self.clusters_treated} treated / {self.clusters_comparison} comparison")
        parts.append(f"df {df:.1f} ({self.df_rule})" if df is not None else self.df_rule)
        calls = [f"R: {self.r_call}" if self.r_call else "", f"Stata: {self.stata_call}" if self.stata_call else ""]
        return "; ".join(p for p in [*parts, *calls] if p)


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentEffect:
    """The effect in per cent of what would have been: value, interval, and the mean it is a share of.

    ``base`` is the counterfactual mean in the outcome's unit; None for log outcomes, where the per cent is
    100·(exp(b) − 1) of the estimate and of the interval's two ends.
    """

    value: float
    low: float | None = None
    high: float | None = None
    base: float | None = None
    base_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Rows left out of one estimate, with the reason; row numbers count data rows from 1."""

    reason: str
    text: str
    n_rows: int
    n_units: int
    rows: tuple[int, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def lost(self) -> bool:
        """Whether anything is lost: rows that showed earlier trends, of units that stay in the effect, are not."""
        return self.reason != "earlier_only" or self.n_units > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One effect.

    ``estimate``, ``std_error`` and the interval are in the outcome's unit, or in natural log points where
    ``transform`` is 'log'. ``df`` is None where the normal distribution is used. A number that does not exist
    is None and ``reasons`` says why. The interval owns its level: ask for another by estimating again.
    """

    id: str
    outcome: str
    method: str
    estimand: str
    estimate: float
    conf_level: float
    n: int
    vcov: str
    term: str = ""
    std_error: float | None = None
    statistic: float | None = None
    df: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    p_family: str = ""
    conf_low: float | None = None
    conf_high: float | None = None
    interval: tuple[Segment, ...] = field(default=(), metadata={"of": Segment})
    n_treated: int | None = None
    n_comparison: int | None = None
    n_units: int | None = None
    n_units_treated: int | None = None
    n_clusters: int | None = None
    unit: str = ""
    transform: str = "none"
    comparison_mean: float | None = None
    comparison_label: str = ""
    outcome_sd: float | None = None
    effect_pct: PercentEffect | None = field(default=None, metadata={"of": PercentEffect})
    period: str | None = None
    cohort: str | None = None
    horizon: str | None = None
    subgroup: str | None = None
    role: str = ""
    question: str = ""
    assumptions: tuple[str, ...] = ()
    se_card: StandardErrorCard | None = field(default=None, metadata={"of": StandardErrorCard})
    dropped: tuple[Dropped, ...] = field(default=(), metadata={"of": Dropped})
    caveats: tuple[Caveat, ...] = field(default=(), metadata={"of": Caveat})
    reasons: tuple[tuple[str, str], ...] = ()
    details: tuple[tuple[str, Any], ...] = ()

    @property
    def headline(self) -> Estimate:
        """The effect itself, so that one effect and several are read alike."""
        return self

    @property
    def excludes_zero(self) -> bool:
        """Whether the confidence set leaves out zero (always False when there is no set)."""
        if not self.interval:
            return False
        return not any((s.low is None or s.low <= 0) and (s.high is None or s.high >= 0) for s in self.interval)

    @property
    def in_doubt(self) -> str:
        """Why an interval clear of zero is not enough: a p-value that a reader is given beside it does not agree.

        'lots' (a p-value by lot beside a usual interval), 'df' (the smaller of two counts of degrees of freedom), 'family'
        (several outcomes were tested), or nothing.
        """
        most = 1 - self.conf_level
        if self.has_caveat("randomisation_inference") and (self.p_value or 0.0) >= most:
            return "lots"
        careful = next((dict(c.values).get("p") for c in self.caveats if c.code == "blocked_df"), None)
        if careful is not None and careful >= most:
            return "df"
        return "family" if self.p_adjusted is not None and self.p_adjusted >= most else ""

    def has_caveat(self, code: str) -> bool:
        """Tell whether a caveat of this code is attached."""
        return any(caveat.code == code for caveat in self.caveats)

    def with_caveats(self, *caveats: Caveat) -> Estimate:
        """Return the same estimate with more caveats."""
        return replace(self, caveats=(*self.caveats, *caveats))

    def tidy(self) -> pd.DataFrame:
        """One row with the stable columns; shapes and names do not change between versions."""
        return Estimates(rows=(self,)).tidy()

    def plot(self) -> Plot:
        """Draw the effect with its interval."""
        return Estimates(rows=(self,)).plot("forest")

    def __str__(self) -> str:
        def show(x: float | None) -> str:
            return "not available" if x is None or not math.isfinite(x) else f"{x:.4g}"

        scale = " log points" if self.transform == "log" else f" {self.unit}" if self.unit else ""
        lines = [
            f"{self.outcome}: {show(self.estimate)}{scale}  [{self.estimand.upper()}, {self.method}]",
            f"  {self.conf_level:.0%} interval {show(self.conf_low)} to {show(self.conf_high)}, "
            f"std. error {show(self.std_error)}, p = {show(self.p_value)}, n = {self.n}",
        ]
        if self.effect_pct is not None:
            e = self.effect_pct
            base = f" of {show(e.base)}" if e.base is not None else ""
            lines.append(f"  in per cent{base}: {show(e.value)} ({show(e.low)} to {show(e.high)})")
        if self.se_card is not None:
            lines.append(f"  {self.se_card.line(self.df)}")
        lines += [f"  caveat: {caveat.text}" for caveat in self.caveats]
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Several effects of one call; the first is the one the question asked for."""

    rows: tuple[Estimate, ...] = field(default=(), metadata={"of": Estimate})

    @property
    def headline(self) -> Estimate:
        """The effect the question asked for."""
        return self.rows[0]

    def __iter__(self) -> Iterator[Estimate]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Estimate:
        return self.rows[index]

    def tidy(self) -> pd.DataFrame:
        """One row an effect, with the stable columns of :data:`TIDY`."""
        return tidy(self.rows)

    def plot(self, kind: str | None = None) -> Plot:
        """Draw the rows; ``kind`` is "event_study", "heat_map", "curve" or "forest", chosen by the rows when left out.

        See :func:`impact.results.plots.plot`.
        """
        from impact.results.plots import plot

        return plot(self, kind)

    def __str__(self) -> str:
        return "\n".join(str(row) for row in self.rows)

    __repr__ = __str__


def tidy(estimates: Iterable[Estimate]) -> pd.DataFrame:
    """Lay estimates out as a table, one row each, with the columns of :data:`TIDY`."""
    import pandas as pd

    def cell(estimate: Estimate, column: str) -> Any:
        if column == "caveats":
            return "; ".join(caveat.code for caveat in estimate.caveats)
        return getattr(estimate, column)

    return pd.DataFrame([{c: cell(e, c) for c in TIDY} for e in estimates], columns=list(TIDY))

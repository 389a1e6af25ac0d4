"""Builds the Estimate every family returns: percent, card, few-cluster caveats, reasons for what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from impact.inference.intervals import Inference
from impact.inference.linear import Array, Codes
from impact.results import Caveat, Dropped, Estimate, PercentEffect, Segment, StandardErrorCard

FEW_CLUSTERS = 6  # on either side: below it no clustered p-value is trusted
MANY_CLUSTERS = 40  # below, errors without a small-sample correction are named as such
LOW_DF = 4.0  # Satterthwaite df below this are unreliable (Pustejovsky & Tipton 2018, JBES 36)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """The mean the effect is a share of: what the treated would have had."""

    mean: float
    std_error: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows, units and clusters behind one estimate."""

    n: int
    treated: int | None = None
    comparison: int | None = None
    units: int | None = None
    units_treated: int | None = None
    clusters: int | None = None
    clusters_treated: int | None = None
    clusters_comparison: int | None = None


def cluster_counts(codes: Codes, treated: Array) -> tuple[int, int, int]:
    """Count clusters in all, with any treated row, and with any comparison row (a cluster may have both)."""
    return int(codes.max()) + 1, len(np.unique(codes[treated > 0])), len(np.unique(codes[treated <= 0]))


def percent_of_log(inference: Inference) -> PercentEffect:
    """Per cent from a difference in natural logs: 100·(exp(b) − 1), end points transformed likewise."""

    def change(x: float | None) -> float | None:
        return None if x is None or x > 700 else 100.0 * math.expm1(x)

    value = change(inference.estimate)
    return PercentEffect(value=value if value is not None else math.inf, low=change(inference.conf_low),
                         high=change(inference.conf_high), base_label="transformed from natural logs")


def percent_of_mean(inference: Inference, base: Counterfactual) -> tuple[PercentEffect | None, str]:
    """Per cent of the counterfactual mean, or the reason there is none."""
    if not math.isfinite(base.mean) or base.mean <= 0:
        return None, "the counterfactual mean is not above zero"
    if base.mean <= 2 * base.std_error:
        return None, "the counterfactual mean is within two standard errors of zero"

    def share(x: float | None) -> float | None:
        return None if x is None else 100.0 * x / base.mean

    return PercentEffect(value=100.0 * inference.estimate / base.mean, low=share(inference.conf_low),
                         high=share(inference.conf_high), base=base.mean, base_label=base.label), ""


def few_cluster_caveats(counts: Counts, df: float | None) -> list[Caveat]:
    """Say when clusters (units, where units were assigned) or degrees of freedom are too few to trust the p-value."""
    out = []
    noun, sides = "clusters", (counts.clusters_treated, counts.clusters_comparison)
    if None in sides:
        noun, sides = "units", (counts.treated, counts.comparison)
    elif counts.units is not None and counts.units == counts.clusters:
        noun = "units"
    if min((c for c in sides if c is not None), default=FEW_CLUSTERS) < FEW_CLUSTERS:
        out.append(Caveat(
            code="few_clusters", text=f"Only {sides[0]} treated and {sides[1]} comparison {noun}: too few {noun} to say "
            "how sure this number is.", values=(("treated", sides[0]), ("comparison", sides[1]))))
    if df is not None and df < LOW_DF:
        out.append(Caveat(code="low_df", text=f"The standard error rests on {df:.1f} degrees of freedom, fewer than "
                          f"{LOW_DF:.0f}: the interval and p-value are unreliable.", values=(("df", df),)))
    return out


def few_for_large_samples(clusters: int | None) -> list[Caveat]:
    """Say that an error made for many clusters (units, where they were drawn) is too small with few; fixed beforehand."""
    if clusters is None or clusters >= MANY_CLUSTERS:
        return []
    return [Caveat(code="few_clusters_large_sample", text="The standard error is made for many clusters or units, and "
                   f"there are {clusters}: it may be too small, and neither re-randomisation nor the wild bootstrap stands "
                   "beside it here.", values=(("clusters", clusters),))]


def make_estimate(*, outcome: str, method: str, estimand: str, inference: Inference, counts: Counts, vcov: str,
                  card: StandardErrorCard, base: Counterfactual | None, question: str, assumptions: Sequence[str],
                  transform: str = "none", outcome_sd: float | None = None, term: str = "",
                  dropped: Sequence[Dropped] = (), caveats: Sequence[Caveat] = (), period: str | None = None,
                  details: Sequence[tuple[str, object]] = (), share: bool = False) -> Estimate:
    """Put one effect together; the only place where an Estimate is built from its parts."""
    sides = (counts.clusters_treated, counts.clusters_comparison)
    if not inference.reason and min((s for s in sides if s is not None), default=2) < 2:
        inference = Inference(estimate=inference.estimate, conf_level=inference.conf_level,
                              reason="with one cluster on a side its luck cannot be told from the programme")
    reasons: list[tuple[str, str]] = []
    if inference.reason:
        reasons.append(("std_error", inference.reason))
    percent: PercentEffect | None = None
    if transform == "log":
        percent = percent_of_log(inference)
    elif share:
        reasons.append(("effect_pct", "a share moves in points"))
    elif base is not None:
        percent, why = percent_of_mean(inference, base)
        if why:
            reasons.append(("effect_pct", why))
    known = inference.conf_low is not None
    return Estimate(
        id=f"{outcome}/{method}", outcome=outcome, term=term, method=method, estimand=estimand,
        estimate=float(inference.estimate), std_error=inference.std_error, statistic=inference.statistic,
        df=inference.df, p_value=inference.p_value, conf_low=inference.conf_low, conf_high=inference.conf_high,
        conf_level=inference.conf_level,
        interval=(Segment(low=inference.conf_low, high=inference.conf_high),) if known else (),
        n=counts.n, n_treated=counts.treated, n_comparison=counts.comparison, n_units=counts.units,
        n_units_treated=counts.units_treated, n_clusters=counts.clusters, vcov=vcov,
        transform="share" if share and transform == "none" else transform,
        comparison_mean=float(base.mean) if base is not None and math.isfinite(base.mean) else None,
        comparison_label=base.label if base is not None else "", outcome_sd=outcome_sd, effect_pct=percent,
        period=period, question=question, assumptions=tuple(assumptions), se_card=card, dropped=tuple(dropped),
        caveats=(*caveats, *few_cluster_caveats(counts, inference.df if vcov in ("HC2", "HC3", "CR2", "CR3") else None)),
        reasons=tuple(reasons), details=tuple(details))


def is_share(values: Array) -> bool:
    """Whether an outcome is a yes/no coded 0 and 1, so that its mean is a share."""
    return bool(np.isin(values, (0.0, 1.0)).all())


def spread(values: Array) -> float | None:
    """Standard deviation of the comparison group's outcome, n − 1; None where it is zero or undefined."""
    if len(values) < 2:
        return None
    sd = float(np.std(values, ddof=1))
    return sd if math.isfinite(sd) and sd > 0 else None

"""One trial as arrays: the rows used, the offer, covariates, strata and clusters; shared by the regressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import (
    Selection,
    as_names,
    check_columns,
    check_weights,
    require_columns,
    transformed,
    with_missing_indicators,
)
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes, Fit
from impact.inference.report import Counts, cluster_counts
from impact.inference.sandwich import CLUSTERED, Covariance, covariance, satterthwaite_df
from impact.rct.assignment import check_assignment
from impact.results import Caveat, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd


@dataclass(slots=True, kw_only=True)
class Trial:
    """The rows of one estimate.

    Attributes
    ----------
    rows : which rows of the table are used, and why others are not.
    y, raw : (n,) outcome on the scale of analysis, and as it came. offered : (n,) of 0 and 1.
    extra, labels : (n, c) covariates with indicators for missing values, and their names.
    blocks, clusters, weights : (n,) or None.
    """

    rows: Selection
    y: Array
    raw: Array
    offered: Array
    extra: Array
    labels: list[str]
    blocks: Codes | None
    clusters: Codes | None
    weights: Array | None
    caveats: list[Caveat] = field(default_factory=list)

    def controls(self) -> tuple[Array, list[str]]:
        """Stratum dummies (all but the first) and covariates, with their names."""
        if self.blocks is None:
            return self.extra, list(self.labels)
        dummies = (self.blocks[:, None] == np.arange(1, int(self.blocks.max()) + 1)[None, :]).astype(float)
        return (np.column_stack([dummies, self.extra]),
                [*(f"stratum {j + 2}" for j in range(dummies.shape[1])), *self.labels])


def select_trial(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], strata: str | None,
                 cluster: str | None, weights: str | None, transform: str, baseline: str | None = None,
                 takeup: str | None = None) -> Trial:
    """Check the columns, leave out rows that cannot be used, and lay the rest out as arrays.

    Rows without outcome, offer, stratum, cluster, weight or take-up are left out and counted; a missing covariate
    costs no row.
    """
    covariates = as_names(covariates)
    require_columns(data, outcome=outcome, treatment=treatment, takeup=takeup, covariates=covariates, strata=strata,
                    cluster=cluster, weights=weights)
    check_columns(data, numbers=(outcome, *covariates, *(name for name in (weights, takeup) if name)),
                  zero_one=(treatment,))
    rows = Selection(data)
    for name, reason in ((treatment, "treatment"), (strata, "strata"), (cluster, "cluster"), (weights, "weight"),
                         (takeup, "takeup"), (outcome, "outcome")):
        if name is not None:
            rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    if weights is not None:
        check_weights(data, weights)
        rows.drop(data[weights] == 0, "weight_zero", f"{weights} is zero")
    frame, places = data.loc[rows.kept], rows.kept.nonzero()[0]
    if transform == "log" and baseline is not None:
        frame = frame.assign(**{baseline: _logged(frame[baseline].to_numpy(dtype=float), baseline, places)})
    extra, labels, missing = with_missing_indicators(frame, list(covariates))
    raw = rows.numbers(outcome)
    trial = Trial(
        rows=rows, raw=raw, y=transformed(raw, transform, outcome, places), offered=rows.numbers(treatment),
        extra=extra, labels=labels, blocks=rows.codes(strata) if strata is not None else None,
        clusters=rows.codes(cluster) if cluster is not None else None,
        weights=rows.numbers(weights) if weights is not None else None)
    check_assignment(trial.offered, trial.clusters)
    trial.caveats += [Caveat(code="covariate_missing", text=f"{count} missing values of {name} carry an indicator; no row "
                             "is lost for them.", values=((name, count),)) for name, count in missing.items()]
    return trial


def _logged(values: Array, name: str, places: Codes) -> Array:
    out = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    out[known] = transformed(values[known], "log", name, places[known])
    return out


def infer_last(fit: Fit, cov: Covariance, conf_level: float, *, clustered: bool) -> tuple[Inference, str]:
    """Test and interval of the last coefficient, and the rule of its df."""
    pick = np.zeros(fit.k)
    pick[-1] = 1.0
    if cov.kind not in CLUSTERED:
        df, rule = float(cov.residual_df), "n − k"
    elif cov.kind in ("CR2", "CR3"):
        df, rule = satterthwaite_df(fit, cov, pick), "Satterthwaite" if clustered else "Bell–McCaffrey"
    else:
        df, rule = float((cov.n_clusters or fit.n) - 1), "clusters − 1"
    return infer(float(fit.coefficients[-1]), cov.std_error(pick), df, conf_level), rule


def coefficients(fit: Fit, cov: Covariance) -> tuple[tuple[str, float, float], ...]:
    """Name, value and standard error of each coefficient but the strata's; they are no effects."""
    errors = np.sqrt(np.maximum(np.diag(cov.matrix), 0.0))
    return tuple((name, float(b), float(s)) for name, b, s in zip(fit.names, fit.coefficients, errors, strict=True)
                 if not name.startswith("stratum "))


def covariance_of(fit: Fit, trial: Trial, vcov: str | None) -> Covariance:
    """Covariance by name; None is CR2 at the level of the draw."""
    return covariance(fit, vcov or "CR2", trial.clusters)


_STATA = {"classical": "", "HC1": ", vce(robust)", "HC2": ", vce(hc2)", "HC3": ", vce(hc3)",
          "CR1S": ", vce(cluster g)", "CR2": ", vce(hc2 g, dfadjust)"}


def describe(fit: Fit, trial: Trial, kind: str, df_rule: str, cluster: str | None, *,
             instrumented: bool = False) -> tuple[Counts, StandardErrorCard]:
    """Count rows and clusters by arm, and print how the error was made with the R and Stata lines that remake it."""
    offered = int(trial.offered.sum())
    groups = cluster_counts(trial.clusters, trial.offered) if trial.clusters is not None else (
        None, offered, fit.n - offered)
    counts = Counts(n=fit.n, treated=offered, comparison=fit.n - offered, units=fit.n, units_treated=offered,
                    clusters=groups[0], clusters_treated=groups[1] if trial.clusters is not None else None,
                    clusters_comparison=groups[2] if trial.clusters is not None else None)
    unit_level = kind in ("CR2", "CR3") and trial.clusters is None
    formula = {"CR2": "HC2", "CR3": "HC3"}[kind] if unit_level else kind
    x = " + x" if fit.k > 2 else ""
    model = f"y ~ d{x} | z{x}" if instrumented else f"y ~ d{x}"
    options = [model, "clusters = g" if trial.clusters is not None else "clusters = id" if unit_level else "",
               "fixed_effects = ~s" if trial.blocks is not None else "",
               f"se_type = '{'stata' if kind == 'CR1S' else kind}'"]
    stata = f"{'ivregress 2sls y (d = z)' if instrumented else 'regress y d'}{' x' if x else ''}"
    card = StandardErrorCard(
        formula=f"{formula}, {'two-stage least squares' if instrumented else 'least squares'}",
        correction=f"full design matrix, {fit.k} coefficients", level=cluster or "the unit", df_rule=df_rule,
        clusters_treated=groups[1], clusters_comparison=groups[2],
        r_call=f"estimatr::{'iv' if instrumented else 'lm'}_robust({', '.join(o for o in options if o)})",
        stata_call=f"{stata}{' i.s' if trial.blocks is not None else ''}{_STATA[kind]}" if kind in _STATA and not (
            instrumented and kind in ("HC2", "HC3", "CR2")) else "")
    return counts, card


def describe_poisson(trial: Trial, k: int, cluster: str | None) -> tuple[Counts, StandardErrorCard]:
    """Count rows and clusters of a Poisson regression, and print how its error was made."""
    n, offered = len(trial.y), int(trial.offered.sum())
    groups = cluster_counts(trial.clusters, trial.offered) if trial.clusters is not None else (None, None, None)
    counts = Counts(n=n, treated=offered, comparison=n - offered, units=n, units_treated=offered, clusters=groups[0],
                    clusters_treated=groups[1], clusters_comparison=groups[2])
    clustered = trial.clusters is not None
    card = StandardErrorCard(
        formula="sandwich, Poisson quasi-likelihood",
        correction=f"(n − 1)/(n − k)·G/(G − 1), k = {k}" if clustered else f"n/(n − k), k = {k}",
        level=cluster or "the unit", df_rule="normal", clusters_treated=groups[1] or offered,
        clusters_comparison=groups[2] or n - offered,
        r_call=f"fixest::fepois(y ~ d + x, vcov = {'~g' if clustered else chr(39) + 'hetero' + chr(39)})",
        stata_call=f"poisson y d x, vce({'cluster g' if clustered else 'robust'})")
    return counts, card

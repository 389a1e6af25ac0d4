"""Randomised trials: regression of the outcome on the offer, with or without the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import Selection, check_columns, require_columns, transformed, with_missing_indicators
from impact.errors import DesignError, Problem
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes, Fit, least_squares
from impact.inference.report import Counterfactual, Counts, cluster_counts, is_share, make_estimate, spread
from impact.inference.sandwich import CLUSTERED, covariance, satterthwaite_df
from impact.rct.assignment import check_assignment, comparison_mean, shares_differ
from impact.rct.means import ASSUMPTIONS, QUESTION
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd


def ols(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str] = (),
        strata: str | None = None, cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
        transform: str = "none", conf_level: float = 0.95) -> Estimate:
    """Regress the outcome on the offer, covariates and strata.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (offered) and 0 (not).
    covariates : columns measured before the offer; a missing value gets an indicator, never a lost row.
    strata : column of the blocks of the draw; enters as one dummy a block.
    cluster : column of the groups that were drawn; leave out when units themselves were drawn.
    weights : column of positive sampling weights.
    vcov : "classical", "HC0" … "HC3", "CR0", "CR1", "CR1S", "CR2", "CR3"; None is CR2 with Satterthwaite df at the
        level of the draw (for units: HC2 with Bell–McCaffrey df).
    transform : "none" or "log".
    conf_level : a share.

    Returns
    -------
    Estimate
        The intention-to-treat effect. With strata whose shares differ it is overlap-weighted and says so.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.rct.difference_in_means`; also when the effect cannot be told apart from covariates.

    Notes
    -----
    Estimand: ITT. Assumes assignment by lot (within strata); covariates only sharpen the estimate (Freedman 2008;
    Lin 2013, section 4). Covariance: Pustejovsky & Tipton (2018). Reference cases: rct_jtrain2_dim_ols_hc2,
    rct_jtrain2_ancova_hc2, rct_tz_cluster_cr2, rct_tz_cluster_fe_cr2, against R estimatr 1.0.0.
    """
    return _regression(data, method="ols", outcome=outcome, treatment=treatment, covariates=covariates, strata=strata,
                       cluster=cluster, weights=weights, vcov=vcov, transform=transform, conf_level=conf_level)


def ancova(data: pd.DataFrame, *, outcome: str, treatment: str, baseline: str | None = None,
           covariates: Sequence[str] = (), strata: str | None = None, cluster: str | None = None,
           weights: str | None = None, vcov: str | None = None, transform: str = "none",
           conf_level: float = 0.95) -> Estimate:
    """Regress the outcome on the offer and its own baseline value (analysis of covariance).

    Parameters
    ----------
    baseline : column of the outcome before the offer, in the same unit; with ``transform="log"`` it is logged too.
    data, outcome, treatment, covariates, strata, cluster, weights, vcov, transform, conf_level
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimate
        The intention-to-treat effect given the baseline; a missing baseline gets an indicator, never a lost row.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.rct.ols`; also without a baseline or covariate to adjust for.

    Notes
    -----
    Estimand: ITT. More precise than a difference in changes when the outcome is not very persistent (McKenzie 2012,
    Journal of Development Economics 99, section 2). Reference case: rct_jtrain2_ancova_hc2.
    """
    if baseline is None and not covariates:
        raise DesignError(Problem(where="ancova", what="there is no baseline or covariate to adjust for",
                                  cure="Give baseline=, or use difference_in_means."), source="design")
    before = (baseline,) if baseline is not None else ()
    return _regression(data, method="ancova", outcome=outcome, treatment=treatment, covariates=(*before, *covariates),
                       strata=strata, cluster=cluster, weights=weights, vcov=vcov, transform=transform,
                       conf_level=conf_level, baseline=baseline)


def lin(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str] = (),
        strata: str | None = None, cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
        transform: str = "none", conf_level: float = 0.95) -> Estimate:
    """Regress the outcome on the offer, covariates and strata, each centred and interacted with the offer.

    Parameters
    ----------
    data, outcome, treatment, covariates, strata, cluster, weights, vcov, transform, conf_level
        As :func:`impact.rct.ols`; at least one covariate or the strata are needed.

    Returns
    -------
    Estimate
        The average intention-to-treat effect over all units, also where strata have different shares offered.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.rct.ols`; also without covariates and strata.

    Notes
    -----
    Estimand: ITT averaged over the sample (ATE of the offer). Covariates are centred at their mean over the rows
    analysed, so that the coefficient of the offer is that average; never less precise than the plain difference in
    large samples (Lin 2013, Annals of Applied Statistics 7, section 4). Reference cases: rct_jtrain2_lin_hc2,
    rct_alo_lin_hc2, rct_tz_lin_cr2 (R estimatr 1.0.0).
    """
    if not covariates and strata is None:
        raise DesignError(Problem(where="lin", what="there is no covariate or stratum to interact with",
                                  cure="Give covariates= or strata=, or use difference_in_means."), source="design")
    return _regression(data, method="lin", outcome=outcome, treatment=treatment, covariates=covariates, strata=strata,
                       cluster=cluster, weights=weights, vcov=vcov, transform=transform, conf_level=conf_level)


def _select(data: pd.DataFrame, outcome: str, treatment: str, covariates: Sequence[str], strata: str | None,
            cluster: str | None, weights: str | None) -> Selection:
    """Check the columns and leave out rows without outcome, treatment, stratum, cluster or weight."""
    require_columns(data, outcome=outcome, treatment=treatment, covariates=covariates, strata=strata, cluster=cluster,
                    weights=weights)
    check_columns(data, numbers=(outcome, *covariates, *((weights,) if weights else ())), zero_one=(treatment,))
    rows = Selection(data)
    for name, reason in ((treatment, "treatment"), (strata, "strata"), (cluster, "cluster"), (weights, "weight"),
                         (outcome, "outcome")):
        if name is not None:
            rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    if weights is not None:
        rows.drop(~(data[weights] > 0), "weight_not_positive", f"{weights} is zero or negative")
    return rows


def _regression(data: pd.DataFrame, *, method: str, outcome: str, treatment: str, covariates: Sequence[str],
                strata: str | None, cluster: str | None, weights: str | None, vcov: str | None, transform: str,
                conf_level: float, baseline: str | None = None) -> Estimate:
    rows = _select(data, outcome, treatment, covariates, strata, cluster, weights)
    frame = data.loc[rows.kept]
    treated, raw = rows.numbers(treatment), rows.numbers(outcome)
    y = transformed(raw, transform, outcome, rows.kept.nonzero()[0])
    blocks = rows.codes(strata) if strata is not None else None
    clusters = rows.codes(cluster) if cluster is not None else None
    check_assignment(treated, clusters)
    caveats: list[Caveat] = []
    interacted = method == "lin"
    if blocks is not None and not interacted and shares_differ(treated, blocks):
        caveats.append(Caveat(code="overlap_weighted", text="Strata have different shares offered: with one dummy a "
                              "stratum the effect gives more weight to strata with both arms well represented."))
    if transform == "log" and baseline is not None:
        frame = frame.assign(**{baseline: _log_baseline(frame[baseline].to_numpy(dtype=float), baseline,
                                                         rows.kept.nonzero()[0])})
    extra, labels, missing = with_missing_indicators(frame, list(covariates))
    caveats += [Caveat(code="covariate_missing", text=f"{count} missing values of {name} carry an indicator; no row is "
                       "lost for them.", values=((name, count),)) for name, count in missing.items()]
    w = rows.numbers(weights) if weights is not None else None
    fit = _fit(y, treated, extra, labels, blocks, w, treatment, interacted)
    kind = vcov or "CR2"
    inference, df_rule = _infer(fit, kind, clusters, conf_level)
    counts, card = _describe(fit, kind, df_rule, clusters, treated, cluster, strata)
    mean, error = comparison_mean(y, treated, transform)
    return make_estimate(
        outcome=outcome, term=treatment, method=method, estimand="itt", inference=inference, counts=counts, vcov=kind,
        card=card, base=Counterfactual(mean=mean, std_error=error, label="comparison mean"), question=QUESTION,
        assumptions=ASSUMPTIONS, transform=transform, outcome_sd=spread(y[treated == 0]), dropped=rows.dropped,
        caveats=caveats, share=is_share(raw),
        details=(("coefficients", _coefficients(fit, kind, clusters)), ("left_out", fit.left_out)))


def _log_baseline(values: Array, name: str, positions: Codes) -> Array:
    out = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    out[known] = transformed(values[known], "log", name, positions[known])
    return out


def _fit(y: Array, treated: Array, extra: Array, labels: list[str], blocks: Codes | None, weights: Array | None,
         treatment: str, interacted: bool) -> Fit:
    others, names = extra, list(labels)
    if blocks is not None:
        dummies = (blocks[:, None] == np.arange(1, int(blocks.max()) + 1)[None, :]).astype(float)
        others = np.column_stack([dummies, extra])
        names = [*(f"stratum {j + 2}" for j in range(dummies.shape[1])), *labels]
    if interacted:
        centred = others - np.average(others, axis=0, weights=weights)
        others = np.column_stack([centred, centred * treated[:, None]])
        names = [*names, *(f"{name} × {treatment}" for name in names)]
    # the question's column comes last in the rank test, so that one repeating strata or covariates is refused
    design = np.column_stack([np.ones(len(y)), others, treated])
    return least_squares(design, y, ["(intercept)", *names, treatment], weights=weights, must_keep=(treatment,))


def _infer(fit: Fit, kind: str, clusters: Codes | None, conf_level: float) -> tuple[Inference, str]:
    cov = covariance(fit, kind, clusters)
    pick = np.zeros(fit.k)
    pick[-1] = 1.0
    if kind not in CLUSTERED:
        df, rule = float(cov.residual_df), "n − k"
    elif kind in ("CR2", "CR3"):
        df = satterthwaite_df(fit, cov, pick)
        rule = "Satterthwaite" if clusters is not None else "Bell–McCaffrey"
    else:
        df, rule = float((cov.n_clusters or fit.n) - 1), "clusters − 1"
    return infer(float(fit.coefficients[-1]), cov.std_error(pick), df, conf_level), rule


def _coefficients(fit: Fit, kind: str, clusters: Codes | None) -> tuple[tuple[str, float, float], ...]:
    cov = covariance(fit, kind, clusters)
    errors = np.sqrt(np.maximum(np.diag(cov.matrix), 0.0))
    return tuple((name, float(b), float(s)) for name, b, s in zip(fit.names, fit.coefficients, errors, strict=True)
                 if not name.startswith("stratum "))


_STATA = {"classical": "", "HC1": ", vce(robust)", "HC2": ", vce(hc2)", "HC3": ", vce(hc3)",
          "CR1S": ", vce(cluster g)", "CR2": ", vce(hc2 g, dfadjust)"}


def _describe(fit: Fit, kind: str, df_rule: str, clusters: Codes | None, treated: Array, cluster: str | None,
              strata: str | None) -> tuple[Counts, StandardErrorCard]:
    groups = cluster_counts(clusters, treated) if clusters is not None else (None, None, None)
    offered = int(treated.sum())
    counts = Counts(n=fit.n, treated=offered, comparison=fit.n - offered, units=fit.n, units_treated=offered,
                    clusters=groups[0], clusters_treated=groups[1], clusters_comparison=groups[2])
    unit_level = kind in ("CR2", "CR3") and clusters is None
    formula = {"CR2": "HC2" if unit_level else "CR2", "CR3": "HC3" if unit_level else "CR3"}.get(kind, kind)
    regressors = "y ~ d + x" if fit.k > 2 else "y ~ d"
    args = [regressors, "clusters = g" if clusters is not None else "clusters = id" if unit_level else "",
            "fixed_effects = ~s" if strata else "", f"se_type = '{'stata' if kind == 'CR1S' else kind}'"]
    card = StandardErrorCard(
        formula=f"{formula}, least squares", correction=f"full design matrix, {fit.k} coefficients",
        level=cluster or "the unit", df_rule=df_rule,
        clusters_treated=groups[1] if groups[1] is not None else offered,
        clusters_comparison=groups[2] if groups[2] is not None else fit.n - offered,
        r_call=f"estimatr::lm_robust({', '.join(a for a in args if a)})",
        stata_call="" if kind not in _STATA else
        f"regress y d{' x' if fit.k > 2 else ''}{' i.s' if strata else ''}{_STATA[kind]}")
    return counts, card

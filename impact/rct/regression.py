"""Randomised trials: regression of the outcome on the offer, with or without the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import as_names, listed, rows_text
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes, Fit, centred
from impact.inference.replays import Own, Statistics, of_fit
from impact.inference.report import is_share, make_estimate, spread
from impact.inference.sandwich import Covariance, seen_share
from impact.rct.assignment import comparison_mean, overlap_weighted
from impact.rct.few import with_few_clusters
from impact.rct.means import ASSUMPTIONS, QUESTION
from impact.rct.trial import Trial, coefficients, covariance_of, describe, infer_last, picked, regress, select_trial
from impact.results import Estimate

if TYPE_CHECKING:
    import pandas as pd

SEEN = 0.999  # share of the variance that a standard error must see


def ols(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str] = (),
        strata: str | None = None, cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
        transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Regress the outcome on the offer, covariates and strata.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (offered) and 0 (not).
    covariates : columns measured before the offer; a missing value gets an indicator, never a lost row.
    strata : column of the blocks of the draw; enters as one dummy a block.
    cluster : column of the groups that were drawn; leave out when units themselves were drawn.
    weights : column of positive sampling weights; the comparison mean, of which per cent is taken, is weighted too.
    vcov : "classical", "HC0" … "HC3", "CR0", "CR1", "CR1S", "CR2", "CR3"; None is CR2 with Satterthwaite df at the
        level of the draw (for units: HC2 with Bell–McCaffrey df).
    transform : "none" or "log".
    conf_level : a share.
    seed : of the draws that take over where clusters are few (see Notes).

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
    Unless ``vcov`` is named: with fewer than 6 clusters on a side, or df below 4, p-value and interval come from
    re-randomisation of the draw (strata and clusters as given; sampling weights held). With fewer than 40 clusters or 20
    treated the wild cluster bootstrap is shown beside. Estimand: ITT. Assumes assignment by lot (within strata); covariates
    only sharpen the estimate (Freedman 2008; Lin 2013). Covariance: Pustejovsky & Tipton (2018). Reference cases:
    rct_jtrain2_dim_ols_hc2, rct_jtrain2_ancova_hc2, rct_tz_cluster_cr2, rct_tz_cluster_fe_cr2, against R estimatr 1.0.0.
    """
    return _regression(data, method="ols", outcome=outcome, treatment=treatment, covariates=covariates, strata=strata,
                       cluster=cluster, weights=weights, vcov=vcov, transform=transform, conf_level=conf_level,
                       seed=seed)


def ancova(data: pd.DataFrame, *, outcome: str, treatment: str, baseline: str | None = None,
           covariates: Sequence[str] = (), strata: str | None = None, cluster: str | None = None,
           weights: str | None = None, vcov: str | None = None, transform: str = "none",
           conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Regress the outcome on the offer and its own baseline value (analysis of covariance).

    Parameters
    ----------
    baseline : column of the outcome before the offer, in the same unit; with ``transform="log"`` it is logged too.
    data, outcome, treatment, covariates, strata, cluster, weights, vcov, transform, conf_level, seed
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
    Assumes assignment by lot (within strata); the baseline only sharpens the estimate.
    Estimand: ITT. More precise than a difference in changes when the outcome is not very persistent (McKenzie 2012,
    Journal of Development Economics 99). Reference case: rct_jtrain2_ancova_hc2.
    """
    if baseline is None and not covariates:
        raise DesignError(Problem(where="ancova", what="there is no baseline or covariate to adjust for",
                                  cure="Give baseline=, or use difference_in_means."), source="design")
    covariates = as_names(covariates)
    before = (baseline,) if baseline is not None else ()
    return _regression(data, method="ancova", outcome=outcome, treatment=treatment, covariates=(*before, *covariates),
                       strata=strata, cluster=cluster, weights=weights, vcov=vcov, transform=transform,
                       conf_level=conf_level, seed=seed, baseline=baseline)


def lin(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str] = (),
        strata: str | None = None, cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
        transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Regress the outcome on the offer, covariates and strata, each centred and interacted with the offer.

    Parameters
    ----------
    data, outcome, treatment, covariates, strata, cluster, weights, vcov, transform, conf_level, seed
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
    Assumes assignment by lot (within strata) and covariates measured before the offer.
    Estimand: ITT averaged over the sample (ATE of the offer). Covariates are centred at their mean over the rows
    analysed, so that the coefficient of the offer is that average; never less precise than the plain difference in
    large samples (Lin 2013, Annals of Applied Statistics 7). Few clusters: as :func:`impact.rct.ols`, with this
    regression run again on every draw. Reference cases: rct_jtrain2_lin_hc2,
    rct_alo_lin_hc2, rct_tz_lin_cr2 (R estimatr 1.0.0).
    """
    if not covariates and strata is None:
        raise DesignError(Problem(where="lin", what="there is no covariate or stratum to interact with",
                                  cure="Give covariates= or strata=, or use difference_in_means."), source="design")
    return _regression(data, method="lin", outcome=outcome, treatment=treatment, covariates=covariates, strata=strata,
                       cluster=cluster, weights=weights, vcov=vcov, transform=transform, conf_level=conf_level,
                       seed=seed)


def _regression(data: pd.DataFrame, *, method: str, outcome: str, treatment: str, covariates: Sequence[str],
                strata: str | None, cluster: str | None, weights: str | None, vcov: str | None, transform: str,
                conf_level: float, seed: int, baseline: str | None = None) -> Estimate:
    trial = select_trial(data, outcome=outcome, treatment=treatment, covariates=covariates, strata=strata,
                         cluster=cluster, weights=weights, transform=transform, baseline=baseline)
    interacted = method == "lin"
    if not interacted:
        trial.caveats += overlap_weighted(trial.offered, trial.blocks, clusters=trial.clusters, drawn=trial.drawn,
                                      weights=trial.weights)
    fit = _fit(trial, treatment, interacted)
    cov = covariance_of(fit, trial, vcov)
    if interacted:
        _refuse_unseen(trial, fit, cov)
    inference, df_rule = infer_last(fit, cov, conf_level, clustered=trial.clusters is not None)
    counts, card = describe(fit, trial, cov.kind, df_rule, cluster, form="interacted" if interacted else "")
    base = comparison_mean(trial.y, trial.offered, transform, weights=trial.weights, blocks=trial.blocks,
                           clusters=trial.clusters, overlap=not interacted)
    estimate = make_estimate(
        outcome=outcome, term=treatment, method=method, estimand="itt", inference=inference, counts=counts,
        vcov=cov.kind, card=card, base=base,
        question=QUESTION, assumptions=ASSUMPTIONS, transform=transform, outcome_sd=spread(trial.y[trial.offered == 0]),
        dropped=trial.rows.dropped, caveats=trial.caveats, share=is_share(trial.raw),
        details=(("coefficients", coefficients(fit, cov)), ("left_out", fit.left_out)))
    if vcov is not None:
        return estimate
    return with_few_clusters(estimate, outcome=trial.y, offered=trial.offered, controls=trial.controls()[0],
                             blocks=trial.blocks, clusters=trial.clusters, seed=seed, weights=trial.weights,
                             own=_own(trial, treatment) if interacted else None,
                             others=fit.design[:, :-1])


def _own(trial: Trial, treatment: str) -> Own:
    """Run the interacted regression again with the offer as drawn again."""
    both = np.column_stack([trial.y, trial.offered])

    def own(drawn: Codes) -> Statistics:
        fit = _fit(replace(trial, offered=drawn.astype(float)), treatment, True)
        return of_fit(fit, picked(fit, {treatment: 1.0})[None, :], both, trial.clusters)

    return own


def _refuse_unseen(trial: Trial, fit: Fit, cov: Covariance) -> None:
    """Refuse an error that misses rows fitted perfectly, such as the one treated unit of a stratum."""
    if cov.kind == "classical":  # it takes all units to vary alike, so that none need be seen
        return
    pick = picked(fit, {fit.names[-1]: 1.0})
    seen = seen_share(fit, covariance_of(fit, trial, "CR2"), pick)
    if seen >= SEEN:
        return
    weights = np.ones(fit.n) if fit.weights is None else fit.weights
    leverage = np.einsum("ij,jk,ik->i", fit.design, fit.bread, fit.design) * weights
    alone = np.flatnonzero((leverage > 1 - 1e-8) & (np.abs(fit.design @ (fit.bread @ pick)) > 1e-12))
    rows = f" ({rows_text(trial.rows.kept.nonzero()[0][alone] + 1)})" if len(alone) else ""
    raise DesignError(Problem(
        where="lin", what=f"its standard error cannot see {1 - seen:.0%} of its variance: units or clusters that stand "
        f"alone with their arm in a stratum or covariate cell are fitted perfectly{rows}",
        cure="Merge strata as the draw allows, leave the covariate out, or use ols or ancova."), source="design")


def _rare(trial: Trial, column: Array, name: str) -> bool:
    """Whether a column is our indicator of missing values and an arm has fewer than two: it has no slope by arm."""
    if not (name.endswith(" missing") and name.removesuffix(" missing") in trial.labels):
        return False
    return min(float(column[trial.offered == arm].sum()) for arm in (0, 1)) < 2


def _fit(trial: Trial, treatment: str, interacted: bool) -> Fit:
    used = trial
    if interacted:
        others, names = trial.controls()
        if not names:
            raise DesignError(Problem(where="lin", what="there is no covariate to interact with, and one stratum only",
                                      cure="Use difference_in_means."), source="design")
        centre = centred(others, trial.weights)
        both = [j for j, name in enumerate(names) if not _rare(trial, others[:, j], name)]
        used = replace(trial, extra=np.column_stack([centre, centre[:, both] * trial.offered[:, None]]), blocks=None,
                       labels=[*names, *(f"{names[j]} × {treatment}" for j in both)])
    fit = regress(used, {treatment: trial.offered})
    if fit.left_out:  # covariates that repeat each other are refused before: these do so within one arm only
        raise DesignError(Problem(where=f"columns {listed(fit.left_out)}", what="they repeat other columns within an arm",
                                  cure="Leave the covariate out, or use ols."), source="design")
    return fit

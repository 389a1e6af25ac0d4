"""Randomised trials with imperfect take-up: the effect on those whom the offer moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from impact.errors import DesignError, Problem
from impact.inference.fieller import fieller_set
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Fit
from impact.inference.report import Counterfactual, is_share, make_estimate, spread
from impact.inference.sandwich import Covariance, covariance
from impact.rct.assignment import overlap_weighted
from impact.rct.few import with_few_clusters
from impact.rct.trial import (
    Trial,
    contrast_df,
    covariance_of,
    describe,
    infer_last,
    is_constant,
    picked,
    regress,
    select_trial,
)
from impact.results import Caveat, Estimate, Segment

if TYPE_CHECKING:
    import pandas as pd

REDRAWN = ("The set is Anderson and Rubin's under the lots drawn again: it holds if the effect is the same for all who "
           "take part, however weak the offer.")
WEAK = 10.0  # first-stage F below which the usual interval is not trusted (Staiger & Stock 1997)
QUESTION = "the average effect of taking part, on those who took part because they were offered it (compliers)"
ASSUMPTIONS = (
    "Who was offered the programme was decided by lot.",
    "The offer changes the outcome only through taking part.",
    "Nobody takes part only because they were not offered it.",
    "One unit's offer does not change another unit's outcome.",
)


def late(data: pd.DataFrame, *, outcome: str, treatment: str, takeup: str, covariates: Sequence[str] = (),
         strata: str | None = None, cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
         transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Effect of taking part on compliers: take-up instrumented by the offer.

    Parameters
    ----------
    takeup : column of 1 (took part) and 0 (did not), for offered and not offered alike; or an amount taken, and then the
        effect is per unit of it (average causal response, Angrist & Imbens 1995).
    data, outcome, treatment, covariates, strata, cluster, weights, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`; ``treatment`` is the offer.

    Returns
    -------
    Estimate
        ``details`` holds the share the offer moved (``first_stage``) and its F (``first_stage_f``), the effect of the
        offer (``itt``), the compliance table (``compliance``) and the Anderson–Rubin set (``anderson_rubin``), which is
        valid however weak the offer is. With a first-stage F below 10 that set is the interval; it may be unbounded or
        in two pieces, and the p-value is that of the offer's effect.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.rct.ols`; also when the offer moves nobody's take-up.

    Notes
    -----
    Assumes assignment by lot, an offer that works through take-up alone, and nobody who takes part only if not offered.
    Estimand: LATE (Imbens & Angrist 1994, Econometrica 62). Two-stage least squares with one instrument
    (linearmodels' IV2SLS, weighted where weights are given); covariance as :func:`impact.rct.ols`, on the second stage's
    fitted regressors. Set: Anderson & Rubin (1949) with the same covariance. Few clusters, as :func:`impact.rct.ols` counts
    them: the p-value is that of drawing the offer again, and the interval the Anderson–Rubin set of that test, all effects
    b for which the offer drawn again has as much to do with y − b·take-up as the offer that was drawn (Imbens & Rosenbaum
    2005, Journal of the Royal Statistical Society A 168); it may be unbounded or in pieces. Reference cases:
    rct_college_iv_classical, rct_college_iv_hc1, rct_college_iv_hc2 (estimatr 1.0.0).
    """
    trial = select_trial(data, outcome=outcome, treatment=treatment, covariates=covariates, strata=strata,
                         cluster=cluster, weights=weights, transform=transform, takeup=takeup)
    took = trial.rows.numbers(takeup)
    trial.caveats += overlap_weighted(trial.offered, trial.blocks, clusters=trial.clusters, drawn=trial.drawn,
                                      weights=trial.weights)
    if not is_share(took):
        trial.caveats.append(Caveat(code="per_unit", text=f"{takeup} is an amount: the effect is per unit of it, averaged "
                                    "over those whom the offer moved (average causal response)."))
    first, reduced = regress(trial, {treatment: trial.offered}, took), regress(trial, {treatment: trial.offered})
    strength = infer_last(first, covariance_of(first, trial, vcov), conf_level, clustered=trial.clusters is not None)[0]
    if abs(strength.estimate) < 1e-12:
        raise DesignError(Problem(where=f"takeup '{takeup}'", what="the offer moved nobody's take-up",
                                  cure="Then there is no effect of taking part to estimate: report the effect of the "
                                       "offer."), source="design")
    fit = _second(trial, took, first, takeup)
    cov = covariance_of(fit, trial, vcov)
    inference, df_rule = infer_last(fit, cov, conf_level, clustered=trial.clusters is not None)
    flat = is_constant(trial.y)
    if flat:
        inference = infer(0.0, 0.0, None, conf_level)
    offer = infer_last(reduced, covariance_of(reduced, trial, vcov), conf_level, clustered=trial.clusters is not None)[0]
    segments = () if flat else _anderson_rubin(trial, first, reduced, cov, conf_level)
    f = strength.statistic**2 if strength.statistic is not None else math.inf
    counts, card = describe(fit, trial, cov.kind, df_rule, cluster, form="instrumented")
    estimate = make_estimate(
        outcome=outcome, term=takeup, method="late", estimand="late", inference=inference, counts=counts,
        vcov=cov.kind, card=card, base=_complier_base(trial, took, treatment, transform), question=QUESTION,
        assumptions=ASSUMPTIONS, transform=transform, outcome_sd=spread(trial.y[trial.offered == 0]),
        dropped=trial.rows.dropped, caveats=trial.caveats, share=is_share(trial.raw), details=(
            ("first_stage", strength.estimate), ("first_stage_f", f), ("itt", offer.estimate),
            ("compliance", _compliance(trial.offered, took)),
            ("anderson_rubin", tuple((s.low, s.high) for s in segments))))
    if f < WEAK and not flat:
        estimate = _weak(estimate, segments, offer, f)
    if vcov is not None:
        return estimate
    return with_few_clusters(estimate, outcome=trial.y, offered=trial.offered, controls=trial.controls()[0],
                             blocks=trial.blocks, clusters=trial.clusters, seed=seed, weights=trial.weights, received=took,
                             said=REDRAWN)


def _second(trial: Trial, took: Array, first: Fit, takeup: str) -> Fit:
    """Second stage: fitted take-up as regressor, coefficients by linearmodels, residuals from take-up itself."""
    from linearmodels.iv import IV2SLS

    fit = regress(trial, {takeup: took - first.residuals})
    found = IV2SLS(trial.y, fit.design[:, :-1], took, trial.offered, weights=trial.weights).fit(cov_type="unadjusted")
    beta = np.asarray(found.params, dtype=float)
    actual = np.column_stack([fit.design[:, :-1], took])
    return replace(fit, coefficients=beta, residuals=trial.y - actual @ beta)


def _anderson_rubin(trial: Trial, first: Fit, reduced: Fit, cov: Covariance, conf_level: float) -> tuple[Segment, ...]:
    """All effects b for which the offer has no effect on y − b·took, with the same covariance and df."""

    def meat(fit: Fit) -> Covariance:
        return covariance(fit, cov.kind, trial.clusters)

    pick = picked(first, {first.names[-1]: 1.0})
    together = replace(first, residuals=first.residuals + reduced.residuals)
    v_d, v_y, v_sum = (float(pick @ meat(fit).matrix @ pick) for fit in (first, reduced, together))
    v_yd = (v_sum - v_d - v_y) / 2
    df, _ = contrast_df(first, meat(first), pick, clustered=trial.clusters is not None)
    return fieller_set(float(reduced.coefficients[-1]), float(first.coefficients[-1]), v_y, v_yd, v_d,
                       float(stats.t(df).ppf(0.5 + conf_level / 2)))


def _compliance(offered: Array, took: Array) -> tuple[tuple[str, int], ...]:
    if not is_share(took):
        return ()
    cells = (("offered and took part", 1, 1), ("offered and did not", 1, 0), ("not offered and took part", 0, 1),
             ("not offered and did not", 0, 0))
    return tuple((name, int(((offered == z) & (took == d)).sum())) for name, z, d in cells)


def _complier_base(trial: Trial, took: Array, treatment: str, transform: str) -> Counterfactual | None:
    """Mean of compliers without the programme (Imbens & Rubin 1997; Abadie 2002): what their effect is a share of.

    With the strata, covariates and weights of the estimate itself.
    """
    if not is_share(took):
        return None
    offer, stayed, left = {treatment: trial.offered}, 1.0 - took, trial.y * (1.0 - took)
    share = -float(regress(trial, offer, stayed).coefficients[-1])
    if share <= 0:
        return None
    # the offer moves y·(1 − took) only through compliers who then take part: the ratio is their mean without it
    mean = float(regress(trial, offer, left).coefficients[-1]) / -share
    if transform == "log":
        return Counterfactual(mean=math.exp(mean), std_error=0.0, label="compliers without it (geometric mean)")
    rest = regress(trial, offer, left - mean * stayed)
    error = infer_last(rest, covariance_of(rest, trial, None), 0.95, clustered=trial.clusters is not None)[0].std_error
    return Counterfactual(mean=mean, std_error=(error or 0.0) / share, label="compliers without it")


def _weak(estimate: Estimate, segments: tuple[Segment, ...], offer: Inference, f: float) -> Estimate:
    """Let the Anderson–Rubin set be the interval where the offer moves take-up too little."""
    one = segments[0] if len(segments) == 1 else Segment()
    caveat = Caveat(code="weak_instrument", text=f"The offer moved take-up little (F = {f:.1f}, below {WEAK:.0f}): the "
                    "interval is the Anderson–Rubin set, which stays valid, and the p-value is that of the offer.",
                    values=(("f", f),))
    return replace(estimate, std_error=None, statistic=None, df=None, p_value=offer.p_value, conf_low=one.low,
                   conf_high=one.high, interval=segments, effect_pct=None, caveats=(*estimate.caveats, caveat),
                   reasons=(*estimate.reasons, ("std_error", "the offer moved take-up too little"),
                            ("effect_pct", "the offer moved take-up too little")))

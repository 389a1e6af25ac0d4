"""The effect as a share of what firms would have had: for outcomes, such as profit, whose mean may be near zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from impact.data.frame import as_names, listed
from impact.data.privacy import speakable
from impact.errors import DesignError, Problem
from impact.inference.beside import wild_contrast
from impact.inference.fieller import fieller_set
from impact.inference.intervals import Inference, check_level, infer
from impact.inference.linear import Codes, Fit, centred, least_squares
from impact.inference.replays import Statistics, of_fit
from impact.inference.report import make_estimate, spread
from impact.inference.sandwich import Covariance
from impact.rct.few import with_own_statistic
from impact.rct.means import ASSUMPTIONS
from impact.rct.trial import Trial, contrast_df, covariance_of, describe, picked, select_trial
from impact.results import Caveat, Estimate, PercentEffect, Segment, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("fieller", "delta")
NEAR = 2.0  # standard errors of the comparison mean below which a share of it is not stated
ZERO = 1e-12  # a mean this small beside the outcome's size is zero
QUESTION = ("the average effect of being offered the programme on all who were in the draw and were found again, as a "
            "share of the mean they would have had without it")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """The effect and the comparison mean, their variances, and the df of the effect and of the ratio."""

    effect: float
    mean: float
    v11: float
    v12: float
    v22: float
    df: float
    df_ratio: float
    rule: str

    @property
    def ratio(self) -> float:
        return self.effect / self.mean

    @property
    def mean_error(self) -> float:
        return math.sqrt(max(self.v22, 0.0))

    @property
    def ratio_error(self) -> float:
        """Standard error by the delta method."""
        r = self.ratio
        return math.sqrt(max(self.v11 - 2 * r * self.v12 + r**2 * self.v22, 0.0)) / abs(self.mean)


def ratio_effect(data: pd.DataFrame, *, outcome: str, treatment: str, method: str = "fieller",
                 covariates: Sequence[str] = (), strata: str | None = None, cluster: str | None = None,
                 weights: str | None = None, vcov: str | None = None, conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Effect of the offer divided by the comparison mean.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column in its own unit, such as money; it may be negative. The result has no unit.
    treatment : column of 1 (offered) and 0 (not).
    method : "fieller" or "delta" (symmetric, by the delta method; not to be trusted where the mean may be zero).
    covariates, strata, cluster, weights, vcov, conf_level, seed
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimate
        In shares: 0.12 is 12 per cent. ``interval`` of "fieller" is a set of shares, which is unbounded, or in two pieces,
        where the comparison mean may be zero; ``conf_low`` and ``conf_high`` are there only where it is one segment. Its
        p-value is that of the effect, and the set leaves out zero exactly when that p is below 1 − ``conf_level``.
        ``effect_pct`` is left out, with a reason and a caveat, where the mean is negative or within two standard errors of
        zero. ``details`` holds the effect, the mean, their covariance and the delta standard error.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`.
    DesignError
        As :func:`impact.rct.ols`; also when the comparison mean is exactly zero, or a stratum has fewer than two units
        (or clusters) in an arm.

    Notes
    -----
    Assumes assignment by lot and a comparison mean away from zero.
    Estimand: ITT over the mean without the offer. Both come from one regression in which covariates and strata are centred
    over the rows analysed and interacted with the offer (Lin 2013), so that the intercept is the predicted mean
    of everyone had nobody been offered the programme; covariates are taken as they are, not as drawn from a wider
    population. Set: Fieller (1954), with the covariance of :func:`impact.rct.ols` and the t quantile at the df of the
    effect (Satterthwaite's under CR2). Few clusters: the p-value, which is that of an effect of zero, comes from drawing
    again with this regression run on every draw; the set stays Fieller's and says so, since no sharp share of outcomes of
    either sign can be tested. The wild cluster bootstrap's p-value, of an effect of zero, is shown beside.
    The ratio of means is not the mean of firms' own ratios.
    Checked: by hand, by inverting the test on a grid, against R (clubSandwich 0.5.8) and statsmodels, and by simulation
    with a mean near zero (tests/test_ratio.py). Reference cases (effect and p-value): rct_jtrain2_dim_ols_hc2,
    rct_tz_dim_clustered, rct_tz_lin_cr2.
    """
    if method not in METHODS:
        raise ValueError(f"method must be 'fieller' or 'delta', not {method!r}")
    level = check_level(conf_level)
    trial = select_trial(data, outcome=outcome, treatment=treatment, covariates=as_names(covariates), strata=strata,
                         cluster=cluster, weights=weights, transform="none")
    _check_sides(trial, strata)
    fit = _centred(trial, treatment)
    cov = covariance_of(fit, trial, vcov)
    pair = _pair(fit, cov, trial, treatment, outcome)
    counts, card = describe(fit, trial, cov.kind, pair.rule, cluster,
                            form="interacted" if trial.labels or trial.blocks is not None else "")
    inference = infer(pair.ratio, pair.ratio_error, pair.df_ratio, level) if method == "delta" else _tested(pair, level)
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="ratio_effect", estimand="itt", inference=inference, counts=counts,
        vcov=cov.kind, card=_card(card, method), base=None, question=QUESTION, assumptions=ASSUMPTIONS,
        outcome_sd=spread(trial.y[trial.offered == 0]), dropped=trial.rows.dropped,
        caveats=[*trial.caveats, *_denominator_caveats(pair)], details=(
            ("ratio_by", method), ("effect", pair.effect), ("effect_std_error", math.sqrt(max(pair.v11, 0.0))),
            ("comparison_mean_std_error", pair.mean_error), ("covariance", pair.v12),
            ("delta_std_error", pair.ratio_error), ("left_out", fit.left_out)))
    estimate = replace(estimate, comparison_mean=pair.mean, comparison_label=(
        "comparison mean" if fit.k == 2 else "predicted mean of all without the offer"))
    if method == "fieller" and inference.p_value is not None and estimate.p_value is not None:
        estimate = _with_set(estimate, fieller_set(pair.effect, pair.mean, pair.v11, pair.v12, pair.v22, float(
            stats.t(pair.df).ppf(0.5 + level / 2))))
    estimate = _with_percent(estimate, pair)
    if vcov is not None or estimate.p_value is None:
        return estimate
    both = np.column_stack([trial.y, np.zeros(len(trial.y))])

    def own(drawn: Codes) -> Statistics:
        again = _centred(replace(trial, offered=drawn.astype(float)), treatment)
        return of_fit(again, picked(again, {treatment: 1.0})[None, :], both, trial.clusters)

    again = with_own_statistic(estimate, own, offered=trial.offered, blocks=trial.blocks, clusters=trial.clusters,
                               seed=seed)
    return wild_contrast(again, fit, picked(fit, {treatment: 1.0}), trial.clusters, seed, inverted=False)


def _card(card: StandardErrorCard, method: str) -> StandardErrorCard:
    """Say how the ratio was made; Stata makes it from the regression's two coefficients."""
    stata = f"{card.stata_call}; nlcom _b[d]/_b[_cons]" if card.stata_call and method == "delta" else card.stata_call
    return replace(card, r_call=f"{card.r_call} # coefficient d / (Intercept)",
                   formula=f"{card.formula}; ratio by {'Fieller' if method == 'fieller' else 'the delta method'}",
                   stata_call=stata)


def _check_sides(trial: Trial, strata: str | None) -> None:
    """Refuse strata (or a trial) without two drawn of each arm: one alone is fitted exactly and would count as certain."""
    blocks = trial.blocks if trial.blocks is not None else np.zeros(len(trial.y), dtype=np.int64)
    drawn = trial.clusters if trial.clusters is not None else np.arange(len(trial.y), dtype=np.int64)
    noun = "clusters" if trial.clusters is not None else "units"
    first = np.unique(np.column_stack([blocks, drawn, trial.offered.astype(np.int64)]), axis=0)
    counts = np.array([np.bincount(first[first[:, 2] == arm, 0], minlength=int(blocks.max()) + 1) for arm in (0, 1)])
    thin = np.flatnonzero(counts.min(axis=0) < 2)
    if len(thin) and strata is None:
        raise DesignError(Problem(where="treatment", what=f"{counts[1, 0]} treated and {counts[0, 0]} comparison {noun}: "
                                  "two on each side are needed for a standard error", cure="Add data."), source="design")
    if len(thin):
        values = trial.rows.column(strata or "")
        names = speakable(values.iloc[int(np.flatnonzero(blocks == j)[0])] for j in thin)
        raise DesignError(Problem(
            where=f"column '{strata}'", what=f"{len(thin)} of {counts.shape[1]} strata have fewer than two {noun} in an "
            f"arm ({listed(names)})", cure="Merge them with others as the draw allows, or leave them out and say so."),
            source="design")


def _centred(trial: Trial, treatment: str) -> Fit:
    """Regress on controls, the offer, and both interacted; controls centred, so that the intercept is a mean of all."""
    others, names = trial.controls()
    centre = centred(others, trial.weights)
    # the offer stands before its interactions: a covariate known in one arm only loses its interaction, not the effect
    design = np.column_stack([np.ones(len(trial.y)), centre, trial.offered, centre * trial.offered[:, None]])
    return least_squares(design, trial.y, ["(intercept)", *names, treatment, *(f"{n} × {treatment}" for n in names)],
                         weights=trial.weights, must_keep=(treatment,))


def _pair(fit: Fit, cov: Covariance, trial: Trial, treatment: str, outcome: str) -> _Pair:
    at = [fit.index(treatment), fit.index("(intercept)")]
    effect, mean = (float(fit.coefficients[j]) for j in at)
    size = float(np.abs(trial.y).max())
    if abs(mean) <= ZERO * size or size == 0:
        raise DesignError(Problem(where=f"column '{outcome}'", what="the comparison mean is zero",
                                  cure="There is nothing to take a share of: report the effect in its unit."),
                          source="design")
    v = cov.matrix[np.ix_(at, at)]
    df, rule = contrast_df(fit, cov, picked(fit, {treatment: 1.0}), clustered=trial.clusters is not None)
    ratio = picked(fit, {treatment: 1.0, "(intercept)": -effect / mean})
    return _Pair(effect=effect, mean=mean, v11=float(v[0, 0]), v12=float(v[0, 1]), v22=float(v[1, 1]), df=df,
                 df_ratio=contrast_df(fit, cov, ratio, clustered=trial.clusters is not None)[0], rule=rule)


def _tested(pair: _Pair, level: float) -> Inference:
    """Test of the effect; its p-value is that of a ratio of zero."""
    test = infer(pair.effect, math.sqrt(max(pair.v11, 0.0)), pair.df, level)
    return Inference(estimate=pair.ratio, conf_level=level, df=test.df, statistic=test.statistic, p_value=test.p_value,
                     reason=test.reason or "a Fieller set comes from a test, not from a standard error")


def _with_set(estimate: Estimate, segments: tuple[Segment, ...]) -> Estimate:
    one = segments[0] if len(segments) == 1 else Segment()
    return replace(estimate, interval=segments, conf_low=one.low, conf_high=one.high)


def _denominator_caveats(pair: _Pair) -> list[Caveat]:
    values = (("mean", pair.mean), ("std_error", pair.mean_error))
    out = []
    if pair.mean < 0:
        out.append(Caveat(code="comparison_mean_negative", text="The comparison mean is negative: a share of it turns the "
                          "sign of the effect around and is not to be read as growth or loss.", values=values))
    if abs(pair.mean) <= NEAR * pair.mean_error:
        out.append(Caveat(code="comparison_mean_near_zero", text="The comparison mean is within two standard errors of "
                          "zero: the share itself says little. A Fieller set, which may have no end or a gap, says "
                          "what can be said.", values=values))
    return out


def _with_percent(estimate: Estimate, pair: _Pair) -> Estimate:
    """State the share in per cent, or the reason why it is not stated."""
    why = "the counterfactual mean is not above zero" if pair.mean < 0 else (
        "the counterfactual mean is within two standard errors of zero" if pair.mean <= NEAR * pair.mean_error else "")
    if not why and estimate.interval and None in (estimate.conf_low, estimate.conf_high):
        why = "the confidence set has no end"
    if why:
        return replace(estimate, reasons=(*estimate.reasons, ("effect_pct", why)))
    low, high = (None if x is None else 100.0 * x for x in (estimate.conf_low, estimate.conf_high))
    return replace(estimate, effect_pct=PercentEffect(value=100.0 * estimate.estimate, low=low, high=high, base=pair.mean,
                                                      base_label=estimate.comparison_label))

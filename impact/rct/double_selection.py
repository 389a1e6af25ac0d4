"""Trials with many covariates: which of them to adjust for is chosen by a lasso, without looking at the effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from impact.data.frame import as_names
from impact.errors import DesignError, Problem
from impact.inference.linear import COLLINEAR, Array, Codes
from impact.inference.report import is_share, make_estimate, spread
from impact.rct.assignment import comparison_mean, overlap_weighted
from impact.rct.few import SAME, with_few_clusters
from impact.rct.means import ASSUMPTIONS, QUESTION
from impact.rct.trial import Trial, coefficients, covariance_of, describe, infer_last, regress, select_trial
from impact.results import Estimate

if TYPE_CHECKING:
    import pandas as pd

HELD = "The covariates chosen are held as they are in every draw: another draw might have chosen others."
SLACK = 1.1  # c of Belloni, Chernozhukov & Hansen
MISS = 0.1  # gamma is this over the logarithm of the number of units (clusters)
STARTERS = 5  # columns whose residuals start the loadings
ROUNDS = 15
SETTLED = 1e-5  # change of the residual spread, as a share of the outcome's, at which the loadings stand
SWEEPS = 20_000
OPTIMAL = 1e-10  # by how much, as a share of the spread of what is explained, the lasso's conditions may be missed


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What one lasso chose.

    Attributes
    ----------
    chosen : (p,) whether each column has a coefficient other than zero.
    coefficients : (p,) of the last lasso. penalty : (p,) λ·loading/(2n), what it weighed them with.
    level : λ. rounds : lassos run until the loadings stood.
    """

    chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]
    coefficients: Array
    penalty: Array
    level: float
    rounds: int


def post_double_selection(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str],
                          strata: str | None = None, cluster: str | None = None, weights: str | None = None,
                          vcov: str | None = None, always: Sequence[str] = (), transform: str = "none",
                          conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Regress the outcome on the offer and those of many covariates that predict the outcome or the offer.

    Parameters
    ----------
    covariates : columns measured before the offer, as many as you like, also more than units; a missing value gets an
        indicator, which is chosen or not like a covariate.
    always : columns that stay in whatever the lasso says, such as the baseline of the outcome; strata always stay.
    weights : column of positive sampling weights, in both lassos (rows times the root of their weight over its mean) and in
        the final regression. Rows repeated and integer weights give the same effect of what is chosen; the penalty counts
        rows.
    data, outcome, treatment, strata, cluster, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimate
        The intention-to-treat effect. ``details`` holds what the lasso of the outcome chose (``selected_by_outcome``), what
        that of the offer chose (``selected_by_treatment``), and the two penalty levels.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.rct.ols`; also without a covariate to choose from.

    Notes
    -----
    Assumes assignment by lot, and that few of the covariates matter.
    Estimand: ITT. Nothing is chosen by its effect on the estimate: one lasso explains the outcome by the covariates, one
    the offer, and the final least squares adjusts for whatever either chose (Belloni, Chernozhukov & Hansen 2014, Review of
    Economic Studies 81). In a trial the covariates only sharpen the estimate and guard against chance
    imbalance; what is needed besides the lot is that few of them matter. Penalty, as rlasso of R hdm: λ = 2c·√n·Φ⁻¹(1 −
    γ/(2p)), c = 1.1, γ = 0.1/log(n), loadings √(Σx²e²/n) from residuals e of least squares on what was chosen, begun with
    the five columns of highest correlation and half of λ, refined up to 15 times (Belloni, Chen, Chernozhukov & Hansen
    2012, Econometrica 80). With clusters the loadings add up x·e within them and γ =
    0.1/log(clusters) (Belloni, Chernozhukov, Hansen & Kozbur 2016, Journal of Business & Economic Statistics 34). Strata
    and ``always`` are taken out of both sides first, which leaves them unpenalised. With few clusters the choice rests on
    too little: ancova on the baseline is the better plan; the draw is then made again as in :func:`impact.rct.ols`, with
    the covariates that were chosen held as they are (nothing is chosen anew, so that the test is exact only if another draw
    would have chosen the same). Reference case: R hdm 0.3.2 rlassoEffect on jtrain2 and 401ksubs
    (tests/test_double_selection.py).
    """
    fixed, names = as_names(always), tuple(n for n in as_names(covariates) if n not in as_names(always))
    if not names:
        raise DesignError(Problem(where="post_double_selection", what="there is no covariate to choose from",
                                  cure="Give covariates=, or use ols or ancova."), source="design")
    trial = select_trial(data, outcome=outcome, treatment=treatment, covariates=(*fixed, *names), strata=strata,
                         cluster=cluster, weights=weights, transform=transform, may_repeat=True)
    trial.caveats += overlap_weighted(trial.offered, trial.blocks, clusters=trial.clusters, drawn=trial.drawn,
                                      weights=trial.weights)
    stays = np.array([label in fixed or label.removesuffix(" missing") in fixed for label in trial.labels])
    by_outcome, by_offer = _choices(trial, stays)
    pool = [label for label, stay in zip(trial.labels, stays, strict=True) if not stay]
    either = np.logical_or(by_outcome.chosen, by_offer.chosen)
    kept = stays.copy()
    kept[~stays] = either
    smaller = replace(trial, extra=trial.extra[:, kept],
                      labels=[label for label, keep in zip(trial.labels, kept, strict=True) if keep])
    chosen = (("selected_by_outcome", _named(pool, by_outcome)), ("selected_by_treatment", _named(pool, by_offer)),
              ("always", fixed), ("offered_for_selection", len(pool)), ("penalty_outcome", by_outcome.level),
              ("penalty_treatment", by_offer.level))
    return _estimate(smaller, outcome, treatment, cluster, vcov, transform, conf_level, chosen, seed)


def _estimate(trial: Trial, outcome: str, treatment: str, cluster: str | None, vcov: str | None, transform: str,
              conf_level: float, chosen: tuple[tuple[str, object], ...], seed: int) -> Estimate:
    fit = regress(trial, {treatment: trial.offered})
    cov = covariance_of(fit, trial, vcov)
    inference, rule = infer_last(fit, cov, conf_level, clustered=trial.clusters is not None)
    counts, card = describe(fit, trial, cov.kind, rule, cluster)
    card = replace(card, formula=f"{card.formula} after double selection",
                   r_call="hdm::rlassoEffect(x, y, d, method = 'double selection'), then " + card.r_call,
                   stata_call=f"pdslasso y d (x), then {card.stata_call}" if card.stata_call else "")
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="post_double_selection", estimand="itt", inference=inference, counts=counts,
        vcov=cov.kind, card=card, base=comparison_mean(trial.y, trial.offered, transform, weights=trial.weights,
                                                       blocks=trial.blocks, clusters=trial.clusters, overlap=True),
        question=QUESTION, assumptions=(*ASSUMPTIONS, "Few of the many covariates matter for the outcome or the offer."),
        transform=transform, outcome_sd=spread(trial.y[trial.offered == 0]), dropped=trial.rows.dropped,
        caveats=trial.caveats, share=is_share(trial.raw),
        details=(*chosen, ("coefficients", coefficients(fit, cov)), ("left_out", fit.left_out)))
    if vcov is not None:
        return estimate
    return with_few_clusters(estimate, outcome=trial.y, offered=trial.offered, controls=trial.controls()[0],
                             blocks=trial.blocks, clusters=trial.clusters, seed=seed, weights=trial.weights,
                             said=f"{SAME} {HELD}")


def _named(labels: list[str], choice: Choice) -> tuple[str, ...]:
    return tuple(label for label, one in zip(labels, choice.chosen, strict=True) if one)


def _choices(trial: Trial, stays: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Choice, Choice]:
    """Run the lasso of the outcome and that of the offer, with strata and what stays taken out."""
    unpenalised = replace(trial, extra=trial.extra[:, stays], labels=[""] * int(stays.sum())).controls()[0]
    root = np.ones(len(trial.y)) if trial.weights is None else np.sqrt(trial.weights / trial.weights.mean())
    base = np.column_stack([np.ones(len(trial.y)), unpenalised]) * root[:, None]

    def rest(values: Array) -> Array:
        return np.asarray(values - base @ np.linalg.lstsq(base, values, rcond=None)[0])

    x = trial.extra[:, ~stays] * root[:, None]
    left = rest(x)
    left[:, np.linalg.norm(left, axis=0) <= COLLINEAR * np.linalg.norm(x, axis=0)] = 0.0
    return (plug_in_lasso(left, rest(root * trial.y), clusters=trial.clusters),
            plug_in_lasso(left, rest(root * trial.offered), clusters=trial.clusters))


def plug_in_lasso(x: Array, y: Array, *, clusters: Codes | None = None) -> Choice:
    """Choose columns by a lasso whose penalty follows from the noise, not from cross-validation.

    Parameters
    ----------
    x : (n, p) columns with what stays in already taken out; a column of zeros is never chosen.
    y : (n,) likewise.
    clusters : (n,) codes, or None.

    Notes
    -----
    See :func:`post_double_selection`. Unlike rlasso the rule to stop is relative to the spread of y, so that the choice
    does not depend on the currency.
    """
    n, p = x.shape
    size, scale = np.sqrt((x**2).mean(axis=0)), float(np.sqrt((y**2).mean()))
    groups = n if clusters is None else int(clusters.max()) + 1
    level = 2 * SLACK * math.sqrt(n) * float(stats.norm.isf(MISS / max(math.log(groups), 1.0) / (2 * p)))
    live = size > 0
    nothing = Choice(chosen=np.zeros(p, dtype=bool), coefficients=np.zeros(p), penalty=np.full(p, np.inf), level=level,
                     rounds=0)
    if scale <= COLLINEAR or not live.any():
        return nothing
    z = x[:, live] / size[live]
    start = np.argsort(-np.abs(z.T @ y), kind="stable")[:STARTERS]
    loadings, before = _loadings(z, _refit(z[:, start], y), clusters), scale
    for rounds in range(1, ROUNDS + 1):
        penalty = level * loadings / (2 * n) * (0.5 if rounds == 1 else 1.0)
        beta = lasso(z, y, penalty)
        if not beta.any():
            break
        rest = _refit(z[:, beta != 0], y)
        loadings, after = _loadings(z, rest, clusters), float(np.sqrt((rest**2).mean()))
        if abs(after - before) < SETTLED * scale:
            break
        before = after
    every, weighed = np.zeros(p), np.full(p, np.inf)
    every[live], weighed[live] = beta / size[live], penalty * size[live]
    return Choice(chosen=every != 0, coefficients=every, penalty=weighed, level=level, rounds=rounds)


def _refit(x: Array, y: Array) -> Array:
    """Residuals of least squares on what was chosen."""
    return np.asarray(y - x @ np.linalg.lstsq(x, y, rcond=None)[0])


def _loadings(x: Array, residuals: Array, clusters: Codes | None) -> Array:
    """√(Σ(x·e)²/n), the products added up within clusters first."""
    products = x * residuals[:, None]
    if clusters is not None:
        sums = np.zeros((int(clusters.max()) + 1, x.shape[1]))
        np.add.at(sums, clusters, products)
        products = sums
    return np.asarray(np.sqrt((products**2).sum(axis=0) / len(x)))


def lasso(x: Array, y: Array, penalty: Array) -> Array:
    """Minimise Σ(y − xb)²/(2n) + Σ penalty_j·|b_j| by coordinate descent.

    Parameters
    ----------
    x : (n, p) columns, none all zero. y : (n,). penalty : (p,) at least 0.

    Raises
    ------
    DesignError
        When columns are so nearly copies of each other that the descent does not settle.

    Notes
    -----
    Friedman, Hastie & Tibshirani (2010, Journal of Statistical Software 33, covariance updates). It stops when
    the conditions of the minimum hold: x_j'(y − xb)/n equals penalty_j·sign(b_j) where b_j is not zero, and lies within
    ±penalty_j where it is; the problem is convex, so that nothing better exists.
    """
    n, p = x.shape
    gram, slope = x.T @ x / n, x.T @ y / n
    size, beta = np.diag(gram).copy(), np.zeros(p)
    near = OPTIMAL * float(np.sqrt((y**2).mean())) * np.sqrt(size)
    for _ in range(SWEEPS):
        missed = np.where(beta != 0, np.abs(slope - penalty * np.sign(beta)), np.maximum(np.abs(slope) - penalty, 0.0))
        wrong = missed > near
        if not wrong.any():
            return beta
        for j in np.flatnonzero(wrong | (beta != 0)):
            along = slope[j] + size[j] * beta[j]
            new = math.copysign(max(abs(along) - penalty[j], 0.0), along) / size[j]
            if new != beta[j]:
                slope -= gram[:, j] * (new - beta[j])
                beta[j] = new
    raise DesignError(Problem(where="covariates", what="some are so nearly copies of each other that the choice between "
                              "them does not settle", cure="Leave out near-copies, such as totals and their parts."),
                      source="design")

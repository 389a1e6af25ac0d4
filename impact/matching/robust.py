"""Regression adjustment, and its combination with weighting that is right when either model is (AIPW)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import listed
from impact.errors import DesignError, Problem
from impact.inference.chance import check_seed, seeded
from impact.inference.estimating import Balancing, Block, balancing, influences, linear_block, logit_block, mean_block
from impact.inference.intervals import check_level
from impact.inference.linear import Array, Codes, least_squares
from impact.matching.equivalents import TEFFECTS, weighted
from impact.matching.observed import (
    LOGIT,
    WORDS,
    Comparison,
    Means,
    arm_weights,
    comparison_estimate,
    fit_score,
    select_comparison,
)
from impact.matching.sample import MatchedEstimate
from impact.matching.units import ASSUMPTIONS, QUESTIONS, check_choice, need_both_arms, need_scikit_learn
from impact.results import Caveat

if TYPE_CHECKING:
    import pandas as pd

LEARNERS = ("parametric", "random_forest")
LINEAR = "Among participants and among the others, the mean outcome is linear in the covariates."
EITHER = f"Only one of these two need hold: {LOGIT[0].lower()}{LOGIT[1:-1]}; {LINEAR[0].lower()}{LINEAR[1:]}"
CLIP = 0.01  # a learner's chances nearer to 0 or 1 are set to this, counted and said
TREES, LEAF = 500, 5
PREDICTED = {"att": (0,), "atc": (1,), "ate": (1, 0)}  # the estimand's own arm needs no prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Fitted values for every row: log odds of treatment and mean outcome by arm; ``blocks`` where all rows served all."""

    log_odds: Array
    outcome: dict[int, Array]
    blocks: tuple[Block, ...] = ()
    clipped: int = 0


def aipw(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], estimand: str = "att",
         vcov: str | None = None, folds: int | None = None, learner: str = "parametric", seed: int = 0,
         cluster: str | None = None, weights: str | None = None, transform: str = "none",
         conf_level: float = 0.95) -> MatchedEstimate:
    """Predict outcomes by regression and correct what the prediction misses by weighting (doubly robust).

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (took part) and 0 (did not).
    covariates : columns measured before treatment; rows with a missing value are left out and counted. Text becomes one
        yes/no column for each of its words, and the estimate says so.
    estimand : "att" (those who took part), "atc" (the others) or "ate" (all).
    vcov : "M" (all estimated parts allowed for; needs folds=None), "IF" (influence function, models taken as known, right
        in large samples if both are). None is "M", and "IF" with folds.
    folds : None fits the models on all rows; a number of at least 2 fits them on the other folds (cross-fitting). Folds
        are drawn within arms, or by cluster, and do not hang on the order of the rows.
    learner : "parametric" (logit, and least squares by arm) or "random_forest" (of scikit-learn; needs folds).
    seed : of the folds and forests.
    cluster : column of groups that took part, or were sampled, together.
    weights : column of positive sampling weights; they enter models, means and errors.
    transform : "none" or "log".
    conf_level : a share.

    Returns
    -------
    MatchedEstimate
        An Estimate whose ``.matched`` holds the score and the inverse-probability weights, normalised within arms.

    Raises
    ------
    DataError
        Missing columns, numbers mixed with text, a treatment that is not 0/1, negative weights.
    DesignError
        One arm only, no more units than covariates, covariates that predict treatment perfectly or that do not vary in
        an arm (named).
    ImpactError
        A learner that needs scikit-learn where it is not installed.

    Notes
    -----
    Assumes selection on the covariates, and that the score or the outcome models are right. Robins, Rotnitzky & Zhao (1994,
    JASA 89); weights are not normalised, as there. Errors "M": the sandwich of all equations (Lunceford & Davidian 2004,
    section 3), right also if one model is wrong; "IF": root of the sum of squared influences. Cross-fitting: Chernozhukov
    et al. (2018, Econometrics Journal 21, section 5). With clusters each left out in turn and t with the clusters of the
    smaller side − 1, else normal (by simulation: tests/test_matching_clusters.py). Reference case: match_lalonde_aipw (base
    R, "IF").
    """
    _check(estimand, folds, learner, seed, vcov)
    check_level(conf_level)
    sample = select_comparison(data, outcome=outcome, treatment=treatment, covariates=covariates, cluster=cluster,
                               weights=weights, transform=transform)
    kind = vcov or ("M" if folds is None else "IF")
    models = _fit(sample, estimand) if folds is None else _cross_fit(sample, estimand, folds, learner, seed)
    balance = balancing(estimand, models.log_odds)
    _say_how(sample, models, folds, seed)
    means = _corrected(sample, models, balance, estimand, kind)
    score = 1.0 / (1.0 + np.exp(-models.log_odds))
    fitted = "as known" if kind == "IF" else "as estimated"
    return comparison_estimate(
        sample, means, outcome=outcome, treatment=treatment, method="aipw", estimand=estimand, score=score, vcov=kind,
        weights=arm_weights(sample, balance.one, balance.zero, float(sample.target(estimand).sum())),
        conf_level=conf_level, transform=transform, cluster=cluster,
        formula="M-estimation (sandwich of score, outcome models and means)" if kind == "M" else "influence function",
        correction=f"models treated {fitted}{'' if folds is None else f'; cross-fitted over {folds} folds'}",
        calls=weighted("", "aipw (y x) (d x)" if (estimand, kind) == ("ate", "M") else "", "ate", cluster=cluster,
                       weights=weights),
        assumptions=(*ASSUMPTIONS, EITHER if learner == "parametric" else "The learners come near the truth fast enough."),
        details=(("learner", learner), ("folds", folds), ("seed", None if folds is None else seed)))


def regression_adjustment(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str],
                          estimand: str = "att", cluster: str | None = None, weights: str | None = None,
                          transform: str = "none", conf_level: float = 0.95) -> MatchedEstimate:
    """Predict each unit's outcome with and without treatment by a regression in each arm, and average the difference.

    Parameters
    ----------
    data, outcome, treatment, covariates, estimand, cluster, weights, transform, conf_level
        As :func:`impact.matching.aipw`.

    Returns
    -------
    MatchedEstimate
        An Estimate whose ``.matched`` holds the weights the regression gives each row, sampling weights included: the
        effect is the difference of the means they make. Negative ones are counted and said.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.matching.aipw`; perfect separation only where it sets all units apart.

    Notes
    -----
    Assumes selection on the covariates and regressions that are right where they are used, also beyond the units they were
    fitted on. Errors: M-estimation with all regressions (Wooldridge 2010, section 21.3.2); with clusters G/(G − 1) and
    t with the clusters of the smaller side − 1, else normal (by simulation: tests/test_matching_clusters.py). Implied
    weights: Chattopadhyay & Zubizarreta (2023, Biometrika 110, section 3). Reference case:
    statsmodels TreatmentEffect.ra on lalonde (tests/test_aipw.py), att 1647.6; the ate equals impact.rct.lin.
    """
    _check(estimand, None, "parametric", 0, None)
    check_level(conf_level)
    sample = select_comparison(data, outcome=outcome, treatment=treatment, covariates=covariates, cluster=cluster,
                               weights=weights, transform=transform)
    basis, target = sample.basis, sample.target(estimand)
    predicted, blocks = _outcome_models(sample, PREDICTED[estimand])
    means, implied = [], np.zeros(len(sample.y))
    for arm in (1, 0):
        values = predicted.get(arm, sample.y)
        mean = float(target @ values / target.sum())
        through = ((f"outcome {arm}", target, basis),) if arm in predicted else ()
        blocks.append(mean_block(str(arm), target * (values - mean), target, *through))
        means.append(mean)
        rows = np.where(sample.treated == arm, sample.sampling, 0.0)
        implied += target if arm not in predicted else rows * (
            basis @ np.linalg.solve((basis * rows[:, None]).T @ basis, target @ basis))
    found = influences(blocks, sample.clusters)
    _say_negative(sample, implied)
    return comparison_estimate(
        sample, Means(means[0], means[1], found["1"][:, 0], found["0"][:, 0]), outcome=outcome, treatment=treatment,
        method="regression_adjustment", estimand=estimand, weights=implied, score=None, conf_level=conf_level,
        transform=transform, cluster=cluster, formula="M-estimation (sandwich of regressions and means)",
        correction="none", calls=weighted("", "ra (y x) (d)" if estimand in TEFFECTS else "", TEFFECTS.get(estimand, ""),
                                          cluster=cluster, weights=weights), assumptions=(*ASSUMPTIONS, LINEAR))


def _check(estimand: str, folds: int | None, learner: str, seed: int, vcov: str | None) -> None:
    if estimand not in QUESTIONS:
        raise ValueError(f"estimand must be one of {', '.join(QUESTIONS)}, not {estimand!r}")
    check_choice("learner", learner, LEARNERS)
    if folds is not None and (isinstance(folds, bool) or not isinstance(folds, int) or folds < 2):
        raise ValueError("folds must be None or a whole number of at least 2")
    check_seed(seed)
    if vcov not in (None, "M", "IF"):
        raise ValueError(f"vcov must be None, 'M' or 'IF', not {vcov!r}")
    if vcov == "M" and folds is not None:
        raise ValueError("vcov='M' needs folds=None: cross-fitted models have the influence-function error")
    if learner == "random_forest" and folds is None:
        raise ValueError("learner='random_forest' needs folds, e.g. 5: a forest must not predict the rows it was grown on")


def _say_how(sample: Comparison, models: Models, folds: int | None, seed: int) -> None:
    if folds is not None:
        sample.caveats.append(Caveat(code="one_split", text=f"The {folds} folds were drawn once, with seed {seed}: another "
                                     "draw gives a somewhat different number.", values=(("folds", folds), ("seed", seed))))
    if models.clipped:
        sample.caveats.append(Caveat(code="clipped_scores", text=f"{models.clipped} chances of taking part that the "
                                     f"learner put nearer than {CLIP:g} to 0 or 1 are set to {CLIP:g} from it.",
                                     values=(("units", models.clipped),)))


def _say_negative(sample: Comparison, implied: Array) -> None:
    count = int((implied < 0).sum())
    if count:
        share = float(-implied[implied < 0].sum() / np.abs(implied).sum())
        sample.caveats.append(Caveat(code="extrapolated", text=f"{count} units count negatively ({share:.0%} of all "
                              "weight): the regression reaches beyond the units it was fitted on.",
                              values=(("units", count), ("share", share))))


def _outcome_models(sample: Comparison, arms: Sequence[int]) -> tuple[dict[int, Array], list[Block]]:
    """Regress the outcome on the covariates in each arm; predict every row."""
    basis, predicted, blocks = sample.basis, {}, []
    for arm in arms:
        mine = sample.treated == arm
        coefficients = _regress(basis[mine], sample.y[mine], sample.sampling[mine], sample.names, arm)
        predicted[arm] = basis @ coefficients
        blocks.append(linear_block(f"outcome {arm}", basis, sample.y - predicted[arm],
                                   np.where(mine, sample.sampling, 0.0)))
    return predicted, blocks


def _regress(basis: Array, y: Array, sampling: Array, names: list[str], arm: int) -> Array:
    fit = least_squares(basis, y, ["(intercept)", *names], weights=sampling)
    if fit.left_out:
        raise DesignError(Problem(
            where="covariates", what=f"among the {len(y)} {WORDS[arm]} units {listed(fit.left_out)} cannot be told apart "
            "from the other covariates, or do not vary, so that no regression can predict by them",
            cure="Leave them out, or the units of the other side that differ in them."), source="design")
    return fit.coefficients


def _fit(sample: Comparison, estimand: str) -> Models:
    score = fit_score(sample)
    predicted, blocks = _outcome_models(sample, PREDICTED[estimand])
    first = logit_block("score", sample.basis, sample.treated, score.probability, sample.sampling)
    return Models(log_odds=score.linear, outcome=predicted, blocks=(first, *blocks))


def _corrected(sample: Comparison, models: Models, balance: Balancing, estimand: str, kind: str) -> Means:
    """Mean outcomes by arm: predictions averaged over the target plus the weighted residuals of the arm."""
    basis, target, means = sample.basis, sample.target(estimand), []
    blocks = list(models.blocks) if kind == "M" else []
    for arm, w, slope in ((1, balance.one, balance.slope_one), (0, balance.zero, balance.slope_zero)):
        mine = np.where(sample.treated == arm, sample.sampling, 0.0)
        fitted = models.outcome.get(arm)
        # the estimand's own arm needs no prediction: its units' outcomes are there to see
        values = target * sample.y if fitted is None else target * fitted + mine * w * (sample.y - fitted)
        mean = float(values.sum() / target.sum())
        parts = values - target * mean
        through = [] if fitted is None or kind == "IF" else [
            ("score", mine * slope * (sample.y - fitted), basis), (f"outcome {arm}", target - mine * w, basis)]
        blocks.append(mean_block(str(arm), parts, target, *through))
        means.append(mean)
    found = influences(blocks, sample.clusters)
    return Means(means[0], means[1], found["1"][:, 0], found["0"][:, 0])


def _cross_fit(sample: Comparison, estimand: str, folds: int, learner: str, seed: int) -> Models:
    """Predict each fold from models fitted on the others, rows first put into an order that follows from their values."""
    order = np.lexsort((sample.sampling, sample.y, sample.treated, *sample.covariates.T[::-1]))
    sample = replace(
        sample, y=sample.y[order], treated=sample.treated[order], covariates=sample.covariates[order],
        sampling=sample.sampling[order], clusters=None if sample.clusters is None else sample.clusters[order])
    n, arms, clipped = len(sample.y), PREDICTED[estimand], 0
    log_odds, predicted = np.zeros(n), {arm: np.zeros(n) for arm in arms}
    for train, test in _splits(sample, folds, seed):
        if learner == "random_forest":
            chance, outcomes = _forests(sample, train, test, arms, seed)
            bounded = np.clip(chance, CLIP, 1.0 - CLIP)
            clipped += int((bounded != chance).sum())
            log_odds[test] = np.log(bounded / (1.0 - bounded))
        else:
            log_odds[test], outcomes = _parametric(sample, train, test, arms)
        for arm in arms:
            predicted[arm][test] = outcomes[arm]
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return Models(log_odds=log_odds[back], outcome={arm: values[back] for arm, values in predicted.items()},
                  clipped=clipped)


def _splits(sample: Comparison, folds: int, seed: int) -> Iterator[tuple[Codes, Codes]]:
    """Draw folds within arms, or by cluster, and hand out training and test rows."""
    rng = seeded(seed)
    members = np.arange(len(sample.y)) if sample.clusters is None else sample.clusters
    groups = [np.arange(int(members.max()) + 1)] if sample.clusters is not None else [
        np.flatnonzero(sample.treated == arm) for arm in (1, 0)]
    fold = np.zeros(int(members.max()) + 1, dtype=np.int64)
    for group in groups:
        if len(group) < folds:
            what = f"{folds} folds for {len(group)} {'units of one arm' if sample.clusters is None else 'clusters'}"
            raise DesignError(Problem(where="folds", what=what, cure="Use fewer folds."), source="design")
        fold[group] = rng.permutation(np.arange(len(group)) % folds)
    for k in range(folds):
        test = fold[members] == k
        yield np.flatnonzero(~test).astype(np.int64), np.flatnonzero(test).astype(np.int64)


def _parametric(sample: Comparison, train: Codes, test: Codes, arms: Sequence[int]) -> tuple[Array, dict[int, Array]]:
    """Fit logit and least squares on the training rows: log odds and outcomes of the test rows."""
    part = replace(sample, y=sample.y[train], treated=sample.treated[train], covariates=sample.covariates[train],
                   sampling=sample.sampling[train])
    try:
        need_both_arms(part.treated)
        outcomes = {}
        for arm in arms:
            mine = train[part.treated == arm]
            outcomes[arm] = sample.basis[test] @ _regress(sample.basis[mine], sample.y[mine], sample.sampling[mine],
                                                          sample.names, arm)
        score = fit_score(part)
    except DesignError as failed:
        raise DesignError([Problem(where=p.where, what=f"in the rows that one fold is predicted from: {p.what}",
                                   cure=f"{p.cure} Or use fewer covariates or folds=None.") for p in failed.problems],
                          source="design") from None
    # the log odds are linear in the basis, so that least squares gives the logit's coefficients back
    gamma = np.linalg.lstsq(sample.basis[train], score.linear, rcond=None)[0]
    return sample.basis[test] @ gamma, outcomes


def _forests(sample: Comparison, train: Codes, test: Codes, arms: Sequence[int],
             seed: int) -> tuple[Array, dict[int, Array]]:
    """Grow forests on the training rows: chances and outcomes of the test rows."""
    need_scikit_learn("random_forest")
    need_both_arms(sample.treated[train])
    grower: Any = import_module("sklearn.ensemble")
    shape = {"n_estimators": TREES, "min_samples_leaf": LEAF, "random_state": seed, "n_jobs": 1}
    x, share = sample.covariates, sample.sampling
    chances = grower.RandomForestClassifier(**shape).fit(x[train], sample.treated[train], sample_weight=share[train])
    outcomes = {}
    for arm in arms:
        mine = train[sample.treated[train] == arm]
        trees = grower.RandomForestRegressor(**shape).fit(x[mine], sample.y[mine], sample_weight=share[mine])
        outcomes[arm] = np.asarray(trees.predict(x[test]))
    return np.asarray(chances.predict_proba(x[test])[:, 1]), outcomes

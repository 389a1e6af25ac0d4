"""Trials with outcomes that cannot be negative, zeros included: the effect in per cent by Poisson regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import listed, rows_text
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.intervals import infer
from impact.inference.linear import Array, Codes, independent_columns
from impact.inference.replays import Statistics, plain
from impact.inference.report import few_for_large_samples, make_estimate, spread
from impact.rct.assignment import comparison_mean, overlap_weighted
from impact.rct.few import with_own_statistic
from impact.rct.means import ASSUMPTIONS, QUESTION
from impact.rct.trial import Trial, describe_poisson, is_constant, select_trial
from impact.results import Estimate

if TYPE_CHECKING:
    import pandas as pd

STEPS = 100
CLOSE = 1e-12
SMALL = 1e-9  # of the mean outcome: a fitted mean below it may be on its way to zero for ever


def poisson(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str] = (),
            strata: str | None = None, cluster: str | None = None, weights: str | None = None,
            conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Effect of the offer in per cent of the comparison mean, for sales, hours or counts with zeros among them.

    Parameters
    ----------
    data, outcome, treatment, covariates, strata, cluster, weights, conf_level, seed
        As :func:`impact.rct.ols`; the outcome is zero or positive and need not be a whole number.

    Returns
    -------
    Estimate
        In log points, with ``effect_pct`` = 100·(exp(b) − 1): the per cent by which the mean, zeros included, is higher.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`; also for negative values, with their rows; nothing is clipped.
    DesignError
        When one arm has zeros only.

    Notes
    -----
    Assumes assignment by lot; the outcome need not be Poisson, only zero or above.
    Estimand: ratio of mean outcomes, offered over not offered (ITT). Needs the right mean only, not a Poisson
    distribution (Gourieroux, Monfort & Trognon 1984; Santos Silva & Tenreyro 2006, REStat 88). Errors: sandwich with
    n/(n − k), or by cluster with (n − 1)/(n − k)·G/(G − 1) and t(G − 1); normal otherwise, as fixest. Unlike log(1 + y)
    the result does not move with the currency. Few clusters: the p-value comes from drawing again, with this regression and
    its error run on every draw; the interval stays the usual one and says so. Reference case: rct_jtrain2_ppml (R fixest
    0.12.2).
    """
    trial = select_trial(data, outcome=outcome, treatment=treatment, covariates=covariates, strata=strata,
                         cluster=cluster, weights=weights, transform="none")
    _check_outcome(trial, outcome, strata)
    trial.caveats += overlap_weighted(trial.offered, trial.blocks, clusters=trial.clusters, drawn=trial.drawn,
                                      weights=trial.weights)
    others, _ = trial.controls()
    design = np.column_stack([np.ones(len(trial.y)), others, trial.offered])
    design = design[:, independent_columns(design)]
    beta = _fit(design, trial)
    error = _error(design, trial, beta)
    counts, card = describe_poisson(trial, design.shape[1], cluster)
    df = None if counts.clusters is None else float(counts.clusters - 1)
    inference = infer(0.0, 0.0, df, conf_level) if is_constant(trial.y) else infer(float(beta[-1]), error, df, conf_level)
    trial.caveats += few_for_large_samples(counts.n if counts.clusters is None else counts.clusters)
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="poisson", estimand="itt", inference=inference, counts=counts,
        vcov="HC1" if trial.clusters is None else "CR1S", card=card,
        base=comparison_mean(trial.y, trial.offered, "none", weights=trial.weights, blocks=trial.blocks,
                             clusters=trial.clusters, overlap=True), question=QUESTION,
        assumptions=(*ASSUMPTIONS, "The offer multiplies the mean by the same factor whatever the covariates."),
        transform="log", outcome_sd=spread(trial.y[trial.offered == 0]), dropped=trial.rows.dropped,
        caveats=trial.caveats)
    return _with_lots(estimate, trial, outcome, others, seed)


def _with_lots(estimate: Estimate, trial: Trial, outcome: str, others: Array, seed: int) -> Estimate:
    """Where few were drawn, take the p-value from this regression and its error on every draw."""
    if is_constant(trial.y):
        return estimate
    controls = np.column_stack([np.ones(len(trial.y)), others])
    controls = controls[:, independent_columns(controls)]

    def own(drawn: Codes) -> Statistics:
        again = replace(trial, offered=drawn.astype(float))
        _check_outcome(again, outcome, None)
        design = np.column_stack([controls, again.offered])
        beta = _fit(design, again)
        return plain(beta[-1:], [_error(design, again, beta)])

    return with_own_statistic(estimate, own, offered=trial.offered, blocks=trial.blocks, clusters=trial.clusters,
                              seed=seed)


def _check_outcome(trial: Trial, outcome: str, strata: str | None) -> None:
    below = np.flatnonzero(trial.y < 0)
    if len(below):
        rows = trial.rows.kept.nonzero()[0][below] + 1
        raise DataError(Problem(
            where=f"column '{outcome}'", what=f"{len(below)} values are negative (rows {listed(rows)})",
            cure="Profit can be negative: use difference_in_means or ancova; nothing is clipped to zero."), source="data")
    for arm, name in ((1, "offered"), (0, "comparison")):
        if not (trial.y[trial.offered == arm] > 0).any():
            raise DesignError(Problem(where=f"column '{outcome}'", what=f"all {name} units have zero",
                                      cure="A ratio of means does not exist: compare the shares above zero."),
                              source="design")
    if strata is not None and trial.blocks is not None:
        zero = [b for b in range(int(trial.blocks.max()) + 1) if not (trial.y[trial.blocks == b] > 0).any()]
        problems = [_of_zeros(trial, outcome, strata, b) for b in zero]
        if problems:
            raise DesignError(problems, source="design")


def _of_zeros(trial: Trial, outcome: str, strata: str, block: int) -> Problem:
    here = trial.blocks == block
    name = speakable(trial.rows.column(strata)[here].drop_duplicates())[0]
    return Problem(where=f"column '{outcome}'", what=f"every unit of stratum {name} has zero "
                   f"({rows_text(trial.rows.kept.nonzero()[0][here] + 1)})", cure="No ratio exists there: merge strata as "
                   "the draw allows, or use ols.")


def _fit(design: Array, trial: Trial) -> Array:
    """Poisson quasi-likelihood by Newton's method on a scaled outcome."""
    weights = np.ones(len(trial.y)) if trial.weights is None else trial.weights
    scale = float(np.average(trial.y, weights=weights))
    y = trial.y / scale
    beta = np.zeros(design.shape[1])
    for _ in range(STEPS):
        mean = np.exp(np.clip(design @ beta, -500, 500))
        try:
            step = np.linalg.solve((design * (weights * mean)[:, None]).T @ design, design.T @ (weights * (y - mean)))
        except np.linalg.LinAlgError:
            break
        beta = beta + step * min(1.0, 5.0 / max(float(np.abs(design @ step).max()), 1e-300))
        if float(np.abs(step).max()) < CLOSE:
            if float(mean.min()) < SMALL and separated(design, y):
                break  # what looked settled is rounding
            beta[0] += math.log(scale)
            return beta
    raise DesignError(Problem(where="poisson", what="the regression does not settle: a stratum or covariate predicts zeros "
                              "perfectly", cure="Merge small strata, or leave the covariate out."), source="design")


def separated(design: Array, outcome: Array) -> bool:
    """Whether some sum of columns is zero wherever the outcome is above zero, and below zero for some zeros, never above.

    Then the coefficients of a Poisson regression run to infinity (Correia, Guimarães & Zylkin 2019, arXiv:1903.01633).

    Parameters
    ----------
    design : (n, k) of full rank. outcome : (n,), zero or above.
    """
    from scipy import optimize

    size = np.abs(design).max(axis=0)
    scaled = design / np.where(size > 0, size, 1.0)
    zeros, others = scaled[outcome == 0], scaled[outcome > 0]
    if not len(zeros):
        return False
    found = optimize.linprog(zeros.sum(axis=0), A_ub=np.vstack([zeros, -zeros]), bounds=(None, None), b_ub=np.concatenate(
        [np.zeros(len(zeros)), np.ones(len(zeros))]), A_eq=others, b_eq=np.zeros(len(others)))
    return bool(found.status == 0 and found.fun < -0.5)


def _error(design: Array, trial: Trial, beta: Array) -> float:
    weights = np.ones(len(trial.y)) if trial.weights is None else trial.weights
    mean = np.exp(design @ beta)
    bread = np.linalg.inv((design * (weights * mean)[:, None]).T @ design)
    scores = design * (weights * (trial.y - mean))[:, None]
    n, k = design.shape
    factor = n / (n - k)
    if trial.clusters is not None:
        groups = int(trial.clusters.max()) + 1
        sums = np.zeros((groups, k))
        np.add.at(sums, trial.clusters, scores)
        scores, factor = sums, (n - 1) / (n - k) * groups / (groups - 1)
    return float(np.sqrt(factor * (bread @ (scores.T @ scores) @ bread)[-1, -1]))

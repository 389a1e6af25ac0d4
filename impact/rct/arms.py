"""Trials with several arms: every arm against every other, from one regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import listed, require_columns, rows_text
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.intervals import infer
from impact.inference.linear import Array, Fit, least_squares
from impact.inference.multiple import holm
from impact.inference.report import Counterfactual, Counts, is_share, make_estimate, spread
from impact.inference.sandwich import CLUSTERED, Covariance, satterthwaite_df
from impact.rct.assignment import comparison_mean, overlap_weighted
from impact.rct.trial import Trial, covariance_of, describe, select_trial
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

MOST_ARMS = 8
QUESTION = ("the average effect of being offered one arm rather than another, on all who were in the draw and were found "
            "again")
ASSUMPTIONS = (
    "Who was offered which arm was decided by lot.",
    "One unit's offer does not change another unit's outcome.",
    "Those found again are comparable between the arms.",
)


def multi_arm(data: pd.DataFrame, *, outcome: str, treatment: str, reference: Any, covariates: Sequence[str] = (),
              strata: str | None = None, cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
              transform: str = "none", conf_level: float = 0.95) -> Estimates:
    """Compare every two arms of a trial.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of the arm's name or number; 2 to 8 arms.
    reference : the value of the arm that stands for no programme.
    covariates, strata, cluster, weights, vcov, transform, conf_level
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimates
        One row a pair: first each arm against the reference, in the order of their names, then the arms against each
        other. ``term`` is 'a − b'; ``p_adjusted`` is Holm over all pairs.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.rct.ols`; also when the reference is not among the arms, an arm has fewer than two units (or
        clusters), or a cluster holds several arms.

    Notes
    -----
    Estimand: ITT of one arm against another. One regression with a dummy an arm, so that all pairs share rows, covariates
    and covariance (Imbens & Rubin 2015, section 9.6, without weighting by strata of different shares). Two arms give the
    numbers of :func:`impact.rct.ols` (tests/test_arms.py), whose reference cases carry over.
    """
    require_columns(data, treatment=treatment)
    arms = _arms(data, treatment, reference)
    offered = (data[treatment] != reference).astype(float).where(data[treatment].notna())
    trial = select_trial(data.assign(**{treatment: offered}), outcome=outcome, treatment=treatment, covariates=covariates,
                         strata=strata, cluster=cluster, weights=weights, transform=transform, arms=data[treatment])
    mine = data.loc[trial.rows.kept, treatment].to_numpy()
    _check_arms(trial, mine, arms, cluster)
    if any(overlap_weighted((mine == arm).astype(float), trial.blocks) for arm in arms):
        trial.caveats.append(Caveat(code="overlap_weighted", text="Strata have different shares in the arms: with one "
                                    "dummy "
                                    "a stratum, strata with all arms well represented count more."))
    others, names = trial.controls()
    dummies = np.column_stack([mine == arm for arm in arms[1:]]).astype(float)
    terms = [f"{treatment} = {arm}" for arm in arms[1:]]
    fit = least_squares(np.column_stack([np.ones(len(mine)), others, dummies]), trial.y, ["(intercept)", *names, *terms],
                        weights=trial.weights, must_keep=terms)
    cov = covariance_of(fit, trial, vcov)
    rows = [_contrast(fit, cov, trial, mine, arms, pair, outcome, cluster, transform, conf_level)
            for pair in sorted(combinations(range(len(arms)), 2), key=lambda p: (p[0] > 0, p))]
    return Estimates(rows=_adjusted(rows))


def _arms(data: pd.DataFrame, treatment: str, reference: Any) -> list[Any]:
    """List the arms, the reference first."""
    found = sorted(data[treatment].dropna().unique().tolist(), key=str)
    if not 2 <= len(found) <= MOST_ARMS:
        raise DataError(Problem(where=f"column '{treatment}'", what=f"it has {len(found)} values; 2 to {MOST_ARMS} arms "
                                "can be compared", cure="Name the column that says which arm a unit was drawn into."),
                        source="data")
    if reference not in found:
        raise DataError(Problem(where="reference", what=f"'{reference}' is not an arm of column '{treatment}'",
                                cure=f"Arms: {listed(found)}."), source="data")
    return [reference, *(arm for arm in found if arm != reference)]


def _check_arms(trial: Trial, mine: Any, arms: list[Any], cluster: str | None) -> None:
    """Refuse arms of fewer than two units (or clusters), naming them and their rows."""
    problems = []
    groups = trial.clusters if trial.clusters is not None else np.arange(len(mine))
    noun = "clusters" if cluster is not None else "units"
    for arm in arms:
        here = mine == arm
        count = len(np.unique(groups[here]))
        if count < 2:
            own = "" if cluster is None else ", ".join([*speakable(trial.rows.column(cluster)[here].unique()), ""])
            rows = f" ({own}{rows_text(trial.rows.kept.nonzero()[0][here] + 1)})" if count else ""
            problems.append(Problem(where=f"arm '{arm}'", what=f"{count} {noun} of it have the outcome{rows}; two are "
                                    "needed", cure="Leave the arm out."))
    if problems:
        raise DesignError(problems, source="design")


def _contrast(fit: Fit, cov: Covariance, trial: Trial, mine: Any, arms: list[Any], pair: tuple[int, int], outcome: str,
              cluster: str | None, transform: str, conf_level: float) -> Estimate:
    low, high = pair
    pick = np.zeros(fit.k)
    first = fit.k - (len(arms) - 1)
    pick[first + high - 1] = 1.0
    if low > 0:
        pick[first + low - 1] = -1.0
    if cov.kind in ("CR2", "CR3"):
        df, rule = satterthwaite_df(fit, cov, pick), "Satterthwaite" if trial.clusters is not None else "Bell–McCaffrey"
    else:
        df, rule = (float((cov.n_clusters or 2) - 1), "clusters − 1") if cov.kind in CLUSTERED else (
            float(cov.residual_df), "n − k")
    inference = infer(float(pick @ fit.coefficients), cov.std_error(pick), df, conf_level)
    one, zero = mine == arms[high], mine == arms[low]
    _, card = describe(fit, trial, cov.kind, rule, cluster)
    counts = _counts(trial, one, zero)
    card = replace(card, clusters_treated=counts.clusters_treated or counts.treated,
                   clusters_comparison=counts.clusters_comparison or counts.comparison)
    both = np.logical_or(one, zero)
    mean, error = comparison_mean(
        trial.y[both], one[both].astype(float), transform, weights=None if trial.weights is None else trial.weights[both],
        clusters=None if trial.clusters is None else np.unique(trial.clusters[both],
                                                               return_inverse=True)[1].astype(np.int64))
    base = Counterfactual(mean=mean, std_error=error, label=f"mean of {arms[low]}")
    estimate = make_estimate(
        outcome=outcome, term=f"{arms[high]} − {arms[low]}", method="multi_arm", estimand="itt", inference=inference,
        counts=counts, vcov=cov.kind, card=card, base=base,
        question=QUESTION, assumptions=ASSUMPTIONS, transform=transform, outcome_sd=spread(trial.y[zero]),
        dropped=trial.rows.dropped, caveats=trial.caveats, share=is_share(trial.raw))
    return replace(estimate, id=f"{outcome}/multi_arm/{arms[high]}-{arms[low]}")


def _counts(trial: Trial, one: Array, zero: Array) -> Counts:
    n_one, n_zero = int(one.sum()), int(zero.sum())
    groups = [len(np.unique(trial.clusters[side])) for side in (one, zero)] if trial.clusters is not None else [None, None]
    total = None if trial.clusters is None else len(np.unique(trial.clusters[np.logical_or(one, zero)]))
    return Counts(n=n_one + n_zero, treated=n_one, comparison=n_zero, units=n_one + n_zero, units_treated=n_one,
                  clusters=total, clusters_treated=groups[0], clusters_comparison=groups[1])


def _adjusted(rows: list[Estimate]) -> tuple[Estimate, ...]:
    known = [i for i, row in enumerate(rows) if row.p_value is not None]
    adjusted = dict(zip(known, holm([rows[i].p_value or 0.0 for i in known]), strict=True))
    family = f"{len(known)} pairs, Holm"
    return tuple(replace(row, p_adjusted=adjusted.get(i), p_family=family) for i, row in enumerate(rows))

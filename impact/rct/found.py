"""Trials in which not everybody was found again: those found stand in for those alike who were not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import (
    Selection,
    as_names,
    check_columns,
    listed,
    require_columns,
    transformed,
    with_missing_indicators,
)
from impact.errors import DesignError, Problem
from impact.inference.intervals import infer
from impact.inference.linear import Array, Codes, Fit, independent_columns, least_squares
from impact.inference.replays import Statistics, from_scores
from impact.inference.report import (
    Counterfactual,
    Counts,
    cluster_counts,
    few_for_large_samples,
    is_share,
    make_estimate,
    spread,
)
from impact.inference.sandwich import sum_by_cluster
from impact.rct.assignment import as_drawn, check_draw, overlap_weighted
from impact.rct.few import SAME, with_own_statistic
from impact.rct.trial import Mask, indicator_caveats, is_constant, keep_known, refuse_left_out
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

LEAST = 0.01  # chance of being found below which nobody found can stand in
LARGEST = 0.1  # share of an arm's weight one unit may carry …
TIMES = 5.0  # … unless that is less than this many times an equal share
FOUND_EITHER_WAY = ("Drawing again supposes that the offer did not change who was found; the chances are estimated on "
                    "every draw.")
CERTAIN = 1e-9  # a fitted chance this near to 1 is a coefficient on its way to infinity
QUESTION = "the average effect of being offered the programme, on all who were in the draw, found again or not"
ASSUMPTIONS = (
    "Who was offered the programme was decided by lot.",
    "One unit's offer does not change another unit's outcome.",
    "In each arm, among units alike in the predictors, whether a unit was found has nothing to do with its outcome.",
    "Every unit in the draw could have been found.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A model of who was found, on all units of the draw.

    Attributes
    ----------
    chance : (n,) of being found, given arm and predictors. own : (n,) sampling weights, mean one.
    influence : (n, a) by how much each unit moved the a coefficients of the model.
    design : (n, a) the columns the coefficients belong to, zero outside their own arm.
    """

    chance: Array
    own: Array
    influence: Array
    design: Array


def attrition_weighted(data: pd.DataFrame, *, outcome: str, treatment: str, predictors: Sequence[str],
                       covariates: Sequence[str] = (), strata: str | None = None, cluster: str | None = None,
                       weights: str | None = None, transform: str = "none", conf_level: float = 0.95,
                       seed: int = 0) -> Estimate:
    """Regress the outcome on the offer, each unit found standing for as many as were like it in the draw.

    Parameters
    ----------
    data : DataFrame, one row for each unit in the draw; the outcome is missing where a unit was not found.
    outcome : column, in its own unit. treatment : column of 1 (offered) and 0 (not).
    predictors : columns measured before the offer that tell who was found; a missing value gets an indicator. Where
        finding differed between strata, name what tells the strata apart.
    covariates : columns of the regression of the outcome, as in :func:`impact.rct.ols`.
    weights : column of positive sampling weights: they weigh the units in both logits, and a unit found counts by its own
        over its chance of being found.
    strata, cluster, transform, conf_level, seed
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimate
        The intention-to-treat effect on all in the draw. ``details`` holds the (weighted) shares found by arm, the largest
        weight as a share of its arm, the units the weighted sample is worth by arm (Kish) and the estimate that lets nobody
        stand in for others.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`.
    DesignError
        When nobody of an arm was found, a predictor tells perfectly who was found, a unit's chance of being found is below
        0.01, or one unit would carry more than a tenth of its arm (and five times an equal share).

    Notes
    -----
    Assumes assignment by lot and that, in each arm, units alike in the predictors were found whatever their outcome.
    Estimand: ITT on all units in the draw, if those not found are like those found who resemble them (missing at random;
    compare :func:`impact.rct.lee_bounds`, which needs no such thing). Chance of being found: a logit on the predictors in
    each arm apart; weights are one over it (Wooldridge 2007, Journal of Econometrics 141; Wooldridge 2010, MIT Press).
    Few clusters: drawing again, with both logits and the regression fitted on every draw; it supposes that the offer did
    not change who was found. Errors: sandwich of the stacked equations of both logits and the weighted regression, which
    allows for the chance being estimated; normal distribution, and sums over clusters with G/(G − 1) and t(G − 1) where
    given. Reference case: with predictors that form cells the arm means are those of the cells weighted by their size in
    the draw, exactly; errors against numeric derivatives of the stacked equations and a simulation (tests/test_found.py).
    """
    predictors, covariates = as_names(predictors), as_names(covariates)
    rows, offered, clusters, blocks = _draw(data, outcome, treatment, predictors, covariates, strata, cluster, weights)
    raw = rows.numbers(outcome)
    found, places = ~np.isnan(raw), rows.kept.nonzero()[0]
    sampling = np.ones(len(raw)) if weights is None else rows.numbers(weights) / rows.numbers(weights).mean()
    columns = with_missing_indicators(rows.data.loc[rows.kept], predictors)[:2]
    response, caveats = _response(columns, offered, found, places, sampling)
    _check_weights(1 / response.chance[found], offered[found])
    counted = sampling[found] / response.chance[found]
    y = transformed(raw[found], transform, outcome, places[found])
    rows.drop(data[outcome].isna(), "outcome_missing", f"{outcome} is missing; units found and alike stand in")
    extra, labels, missing = with_missing_indicators(data.loc[rows.kept], covariates)
    caveats += indicator_caveats(missing)
    if blocks is not None:
        dummies = (blocks[found][:, None] == np.arange(1, int(blocks.max()) + 1)[None, :]).astype(float)
        extra = np.column_stack([dummies, extra])
        labels = [*(f"stratum {j + 2}" for j in range(dummies.shape[1])), *labels]
        caveats += overlap_weighted(offered[found], blocks[found], clusters=clusters, drawn=as_drawn(
            data, data[treatment], str(strata), cluster), weights=counted)
    design, names = np.column_stack([np.ones(len(y)), extra, offered[found]]), ["(intercept)", *labels, treatment]
    fit = least_squares(design, y, names, weights=counted, must_keep=(treatment,))
    caveats += refuse_left_out(fit)
    plain = least_squares(design, y, names, weights=None if weights is None else sampling[found], must_keep=(treatment,))
    error = math.sqrt(max(float(stacked_covariance(fit, response, found, clusters)[-1, -1]), 0.0))
    side = offered[found] == 0
    counts, card = _described(offered, found, clusters, cluster)
    df = None
    if clusters is not None:
        groups = int(clusters.max()) + 1
        error, df = error * math.sqrt(groups / (groups - 1)), float(groups - 1)
    caveats += few_for_large_samples(int(found.sum()) if clusters is None else groups)
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="attrition_weighted", estimand="itt", vcov="stacked",
        inference=infer(float(fit.coefficients[-1]), error, df, conf_level), counts=counts, card=card,
        base=_base(y[side], counted[side], transform, None if clusters is None else clusters[found][side]),
        question=QUESTION, assumptions=ASSUMPTIONS, transform=transform,
        outcome_sd=spread(y[side]), dropped=rows.dropped, caveats=caveats, share=is_share(raw[found]),
        details=(*_details(counted, sampling, offered, found), ("unweighted", float(plain.coefficients[-1])),
                 ("left_out", fit.left_out)))
    if is_constant(y):
        return estimate

    def own(drawn: Codes) -> Statistics:
        arm = drawn.astype(float)
        again, _ = _response(columns, arm, found, places, sampling)
        _check_weights(1 / again.chance[found], arm[found])
        weighed = sampling[found] / again.chance[found]
        part = least_squares(np.column_stack([design[:, :-1], arm[found]]), y, names, weights=weighed,
                             must_keep=(treatment,))
        return _statistics(part, again, np.column_stack([y, offered[found]]), found, clusters)

    return with_own_statistic(estimate, own, offered=offered, blocks=blocks, clusters=clusters, seed=seed, inverted=True,
                              said=f"{SAME} {FOUND_EITHER_WAY}")


def _statistics(fit: Fit, response: Response, outcomes: Array, found: Mask, clusters: Codes | None) -> Statistics:
    """Effect on outcome and shift, (m, 2) of the units found, over the root of the sum of squared stacked scores."""
    weights = response.own[found] / response.chance[found]
    beta = fit.bread @ (fit.design * weights[:, None]).T @ outcomes
    rest = outcomes - fit.design @ beta
    last = fit.bread[:, -1]
    parts = np.column_stack([stacked_scores(fit, response, found, rest[:, i], clusters) @ last for i in (0, 1)])
    size = np.linalg.norm((fit.design * weights[:, None]) @ last) * np.linalg.norm(outcomes[:, 0])
    return from_scores(beta[-1:], parts[None, :, :], np.array([float(size)]))


def _draw(data: pd.DataFrame, outcome: str, treatment: str, predictors: Sequence[str], covariates: Sequence[str],
          strata: str | None, cluster: str | None, weights: str | None
          ) -> tuple[Selection, Array, Codes | None, Codes | None]:
    """Keep the units of the draw, found or not, and check that the comparison can be carried."""
    require_columns(data, outcome=outcome, treatment=treatment, predictors=predictors, covariates=covariates, strata=strata,
                    cluster=cluster, weights=weights)
    check_columns(data, numbers=(outcome, *predictors, *covariates, *as_names(weights)), zero_one=(treatment,),
                  complete=as_names(cluster))
    if not predictors:
        raise DesignError(Problem(where="predictors", what="none is named", cure="Name columns measured before the offer "
                                  "that tell who was found, or use ols."), source="design")
    rows = keep_known(data, ((treatment, "treatment"), (strata, "strata"), (weights, "weight")), weights)
    check_draw(rows, treatment=treatment, strata=strata, cluster=cluster)
    return (rows, rows.numbers(treatment), rows.codes(cluster) if cluster is not None else None,
            rows.codes(strata) if strata is not None else None)


def _response(predictors: tuple[Array, list[str]], offered: Array, found: Mask, places: Codes, own: Array
              ) -> tuple[Response, list[Caveat]]:
    """Model who was found in each arm apart; all that speaks against it is said at once."""
    columns, labels = predictors
    chance, problems = np.ones(len(offered)), []
    influences: list[Array] = []
    designs: list[Array] = []
    for arm, noun in ((1, "offered"), (0, "comparison")):
        side = offered == arm
        here = found[side]
        if not here.any():
            problems.append(Problem(where=f"{noun} units", what="nobody was found", cure="Nobody can stand in for them."))
        if here.all() or not here.any():
            continue
        perfect = _perfect(columns[side], labels, here)
        problems += [Problem(where=f"predictor '{name}'", what=f"among the {noun} units everybody, or nobody, was found on "
                             "one side of a value, so that no chance of being found can be estimated there",
                             cure="Merge its rare values, or leave it out.") for name in perfect]
        fitted = None if perfect else _logit(columns[side], here, own[side])
        if fitted is None:
            if not perfect:
                problems.append(Problem(where="predictors", what=f"among the {noun} units they tell together (almost) "
                                        "perfectly who was found", cure="Use fewer predictors, or merge rare values."))
            continue
        chance[side] = fitted[0]
        low = places[side][fitted[0] < LEAST] + 1
        if len(low):
            problems.append(Problem(where="predictors", what=f"{len(low)} {noun} units had a chance below {LEAST:g} of "
                                    f"being found (rows {listed(low)})", cure="Nobody found is like them: use lee_bounds, "
                                    "or fewer predictors."))
        for store, part in ((influences, fitted[1]), (designs, fitted[2])):
            whole = np.zeros((len(offered), part.shape[1]))
            whole[side] = part
            store.append(whole)
    if problems:
        raise DesignError(problems, source="design")
    nothing = np.empty((len(offered), 0))
    caveats = [] if influences else [Caveat(code="all_found", text="Everybody in the draw was found: the weights are one.")]
    return Response(chance=chance, own=own, influence=np.column_stack([nothing, *influences]),
                    design=np.column_stack([nothing, *designs])), caveats


def _perfect(columns: Array, labels: list[str], found: Mask) -> list[str]:
    """Name the columns that alone put all found, or all not found, on one side of a value."""
    out = []
    for j, label in enumerate(labels):
        yes, no = columns[found, j], columns[~found, j]
        if np.ptp(columns[:, j]) > 0 and (no.max() <= yes.min() or yes.max() <= no.min()):
            out.append(label)
    return out


def _logit(columns: Array, found: Mask, own: Array) -> tuple[Array, Array, Array] | None:
    """Chance of being found, influence of each unit on the coefficients, and the design; None where it does not exist."""
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning

    sd = columns.std(axis=0)
    z = np.column_stack([np.ones(len(columns)), (columns - columns.mean(axis=0)) / np.where(sd > 0, sd, 1.0)])
    z = z[:, independent_columns(z)]
    if len(z) <= z.shape[1]:
        return None
    y = found.astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # overflow on the way to None
        for stop in (ConvergenceWarning, PerfectSeparationWarning):
            warnings.simplefilter("error", stop)
        try:
            if np.ptp(own) == 0:
                fit = sm.Logit(y, z).fit(method="newton", maxiter=100, tol=1e-12, disp=0)
            else:
                fit = sm.GLM(y, z, family=sm.families.Binomial(), freq_weights=own).fit(maxiter=100, tol=1e-12)
        except (ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning, np.linalg.LinAlgError):
            return None
    p = np.asarray(fit.predict(z))
    if not np.isfinite(p).all() or p.max() > 1 - CERTAIN:
        return None
    information = (z * (own * p * (1 - p))[:, None]).T @ z
    return p, np.linalg.solve(information, (z * (own * (y - p))[:, None]).T).T, z


def stacked_covariance(fit: Fit, response: Response, found: Mask, clusters: Codes | None) -> Array:
    """Covariance of the weighted regression's coefficients, allowing for the chance of being found being estimated.

    Parameters
    ----------
    fit : regression on the units found, weighted by their own weight over their chance.
    response : on all n units of the draw. found : (n,) of booleans. clusters : (n,) codes, or None.

    Notes
    -----
    Newey & McFadden (1994, Handbook of Econometrics 4): a unit's influence on the regression is its own score plus what it
    does through the logit, whose derivative is −Σ x·e·(1 − p)/p·z' over the units found.
    """
    scores = stacked_scores(fit, response, found, fit.residuals, clusters)
    return np.asarray(fit.bread @ (scores.T @ scores) @ fit.bread)


def stacked_scores(fit: Fit, response: Response, found: Mask, residuals: Array, clusters: Codes | None) -> Array:
    """Scores of the weighted regression, by unit of the draw or summed to clusters, for some residuals of those found."""
    p = response.chance[found]
    weighted = fit.design * (response.own[found] * residuals / p)[:, None]
    through = -(weighted * (1 - p)[:, None]).T @ response.design[found]
    scores: Array = response.influence @ through.T
    scores[found] += weighted
    return scores if clusters is None else sum_by_cluster(clusters, scores, int(clusters.max()) + 1)


def _check_weights(weights: Array, offered: Array) -> None:
    problems = []
    for arm, noun in ((1, "offered"), (0, "comparison")):
        mine = weights[offered == arm]
        share = float(mine.max() / mine.sum())
        if share > max(LARGEST, TIMES / len(mine)):
            problems.append(Problem(where="predictors", what=f"one unit would carry {share:.0%} of the weight of the "
                                    f"{len(mine)} {noun} units found",
                                    cure="Use fewer predictors, merge rare values, or use lee_bounds."))
    if problems:
        raise DesignError(problems, source="design")


def _base(y: Array, weights: Array, transform: str, clusters: Codes | None) -> Counterfactual:
    """Weighted mean of the comparison units; for logs the geometric mean."""
    mean = float(np.average(y, weights=weights))
    if transform == "log":
        return Counterfactual(mean=math.exp(mean), std_error=0.0, label="comparison mean, weighted")
    groups = np.arange(len(y)) if clusters is None else clusters
    many = len(np.unique(groups))
    size = float(np.linalg.norm(np.bincount(groups, weights=weights * (y - mean)))) / float(weights.sum())
    return Counterfactual(mean=mean, label="comparison mean, weighted",
                          std_error=size * math.sqrt(many / (many - 1)) if many > 1 else math.inf)


def _details(weights: Array, own: Array, offered: Array, found: Mask) -> tuple[tuple[str, object], ...]:
    sides = [weights[offered[found] == arm] for arm in (1, 0)]
    shares = [float(np.average(found[offered == arm], weights=own[offered == arm])) for arm in (1, 0)]
    worth = [float(w.sum() ** 2 / (w @ w)) for w in sides]
    return (("share_found_treated", shares[0]), ("share_found_comparison", shares[1]),
            ("largest_weight_share", float(max(w.max() / w.sum() for w in sides))),
            ("effective_treated", worth[0]), ("effective_comparison", worth[1]))


def _described(offered: Array, found: Mask, clusters: Codes | None,
               cluster: str | None) -> tuple[Counts, StandardErrorCard]:
    """Count units found and clusters drawn, and print how the error was made."""
    treated = offered[found]
    groups = cluster_counts(clusters, offered) if clusters is not None else (None, None, None)
    counts = Counts(n=len(treated), treated=int(treated.sum()), comparison=int((1 - treated).sum()), units=len(treated),
                    units_treated=int(treated.sum()), clusters=groups[0], clusters_treated=groups[1],
                    clusters_comparison=groups[2])
    card = StandardErrorCard(
        formula="sandwich of stacked equations: logit of being found, weighted least squares",
        correction=f"{'G/(G − 1)' if cluster else 'none'}; allows for the estimated chance of being found",
        level=cluster or "the unit", df_rule="clusters − 1" if cluster else "normal",
        clusters_treated=groups[1] if groups[1] is not None else counts.treated,
        clusters_comparison=groups[2] if groups[2] is not None else counts.comparison,
        r_call="w <- 1/fitted(glm(found ~ d * x, binomial)); geex::m_estimate for both equations",
        stata_call="gmm, one equation for each logit and one for the weighted regression, " + (
            "vce(cluster g)" if cluster else "vce(robust)"))
    return counts, card

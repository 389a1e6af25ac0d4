"""Nearest-neighbour matching: each unit against the most similar units of the other arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import Selection, as_names, check_columns, require_columns, transformed
from impact.errors import DesignError, Problem
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes, least_squares
from impact.inference.report import Counterfactual, Counts, is_share, make_estimate, spread
from impact.inference.sandwich import covariance
from impact.matching.abadie_imbens import MatchedEffect, Side, matched_effect
from impact.matching.neighbours import greedy_pairs, nearest
from impact.matching.sample import MatchedEstimate, MatchedSample
from impact.matching.score import propensity
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

DISTANCES = ("propensity", "linear_propensity", "mahalanobis", "standardised_euclidean")
ASSUMPTIONS = (
    "Given the covariates matched on, who took part is unrelated to how they would have fared without.",
    "For each participant there are comparable others.",
    "One unit's participation does not change another unit's outcome.",
)
QUESTIONS = {
    "att": "the average effect on those who took part",
    "atc": "the average effect on those who did not take part, had they done so",
    "ate": "the average effect over all units in the data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Where units stand: coordinates whose Euclidean distance is the distance declared."""

    coordinates: Array
    score: Array | None
    largest_first: Array


def nearest_neighbour(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str],
                      estimand: str = "att", distance: str = "propensity", neighbours: int = 1, replace: bool = False,
                      caliper: float | None = None, exact: Sequence[str] = (), bias_adjustment: bool | None = None,
                      variance_matches: int = 1, transform: str = "none", conf_level: float = 0.95) -> MatchedEstimate:
    """Compare each unit with the most similar units of the other arm.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (took part) and 0 (did not).
    covariates : columns measured before treatment, numeric; rows with a missing value are left out and counted.
    estimand : "att" (those who took part), "atc" or "ate"; without replacement "att" or "atc".
    distance : "propensity" (logit score), "linear_propensity" (its log odds), "mahalanobis" (covariance within the
        arms, pooled, as R MatchIt), or "standardised_euclidean" (each covariate divided by its sample standard deviation).
    neighbours : how many; with replacement all that are tied share the weight.
    replace : whether a unit may serve several times. Without, the highest score (for the atc the lowest) chooses first;
        where the distance uses no score, whoever lies farthest from the other arm's mean.
    caliper : largest distance, in standard deviations of the score, or of the standardised covariates.
    exact : columns that must be equal within a match.
    bias_adjustment : regression adjustment for what matching leaves unequal; None is on with replacement and two or
        more continuous covariates.
    variance_matches : same-arm neighbours for the conditional variance; 0 assumes one variance for all.
    transform : "none" or "log".
    conf_level : a share.

    Returns
    -------
    MatchedEstimate
        An Estimate whose ``.matched`` is the matched sample.

    Raises
    ------
    DataError
        Missing columns, text for numbers, a treatment that is not 0/1.
    DesignError
        One arm only, covariates that predict treatment perfectly, nobody within the caliper.

    Notes
    -----
    Assumes selection on the covariates given. With replacement: Abadie & Imbens (2006, Econometrica 74) errors,
    2011 bias adjustment, normal distribution; an estimated score is treated as known. Without: errors clustered by
    matched set (Abadie & Spiess 2022, JASA 117, section 3). Reference cases: match_lalonde_ai_* (R Matching 4.10),
    match_lalonde_nn1 (R MatchIt 4.7.1).
    """
    covariates, exact = as_names(covariates), as_names(exact)
    _check_arguments(estimand, distance, neighbours, replace, variance_matches, caliper)
    rows = _select(data, outcome, treatment, covariates, exact)
    treated, raw = rows.numbers(treatment), rows.numbers(outcome)
    _need_both_arms(treated)
    y = transformed(raw, transform, outcome, rows.kept.nonzero()[0])
    x = np.column_stack([rows.numbers(c) for c in covariates])
    metric = _metric(distance, x, treated, list(covariates))
    cells = _cells(rows, exact)
    sides = tuple(_match(side, treated, metric, cells, neighbours, replace, caliper)
                  for side in {"att": (1,), "atc": (0,), "ate": (1, 0)}[estimand])
    unmatched = _drop_unmatched(rows, sides, limited=caliper is not None or bool(exact))
    adjust = x if _adjusting(bias_adjustment, x, replace) else None
    if replace:
        effect = matched_effect(y, treated, sides, metric.coordinates, adjust, variance_matches)
        inference = infer(effect.estimate, effect.std_error, None, conf_level)
        weights = _weights(effect, sides)
    else:
        weights = _pair_weights(sides[0], len(y))
        inference = _paired_inference(y, treated, sides[0], weights, adjust, conf_level)
    considered = np.flatnonzero(rows.kept | unmatched)
    unused = np.zeros(len(data), dtype=bool)
    unused[considered[weights == 0]] = True
    rows.drop(unused, "not_chosen", "comparison unit that is nobody's nearest neighbour")
    sample = MatchedSample(frame=data, rows=considered, treated=treated, weights=weights, score=metric.score,
                           pairs=_pairs(sides))
    return _estimate(outcome, treatment, estimand, inference, sample, y, rows, sides, adjust is not None, replace,
                     variance_matches, transform, is_share(raw), distance)


def _check_arguments(estimand: str, distance: str, neighbours: int, replace: bool, variance_matches: int,
                     caliper: float | None) -> None:
    if estimand not in QUESTIONS:
        raise ValueError(f"estimand must be one of {', '.join(QUESTIONS)}, not {estimand!r}")
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, not {distance!r}")
    if isinstance(neighbours, bool) or not isinstance(neighbours, int) or neighbours < 1:
        raise ValueError("neighbours must be a whole number of at least 1")
    if isinstance(variance_matches, bool) or not isinstance(variance_matches, int) or variance_matches < 0:
        raise ValueError("variance_matches must be a whole number of at least 0")
    if caliper is not None and not caliper > 0:
        raise ValueError("caliper must be above 0")
    if estimand == "ate" and not replace:
        raise ValueError("estimand='ate' needs replace=True: without replacement a unit serves once")


def _select(data: pd.DataFrame, outcome: str, treatment: str, covariates: Sequence[str],
            exact: Sequence[str]) -> Selection:
    if not covariates:
        raise DesignError(Problem(where="covariates", what="there is nothing to match on",
                                  cure="List columns measured before treatment."), source="design")
    require_columns(data, outcome=outcome, treatment=treatment, covariates=covariates, exact=exact)
    check_columns(data, numbers=(outcome, *covariates), zero_one=(treatment,))
    rows = Selection(data)
    for name, reason in ((treatment, "treatment"), (outcome, "outcome"), *((c, "covariate") for c in covariates),
                         *((c, "exact") for c in exact)):
        rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    return rows


def _need_both_arms(treated: Array) -> None:
    if len(treated) == 0 or treated.min() == treated.max():
        raise DesignError(Problem(
            where="treatment", what=f"all {len(treated)} units are {'treated' if treated.sum() else 'comparison'}",
            cure="An effect needs units of both kinds."), source="design")


def _metric(distance: str, x: Array, treated: Array, names: list[str]) -> Metric:
    if distance in ("propensity", "linear_propensity"):
        score = propensity(x, treated, names)
        value = score.probability if distance == "propensity" else score.linear
        unit = value.std(ddof=1)
        return Metric(coordinates=(value / unit)[:, None], score=score.probability, largest_first=value)
    if distance == "standardised_euclidean":
        sd = x.std(axis=0, ddof=1)
        z = x[:, sd > 0] / sd[sd > 0]
    else:
        within = x - np.where(treated[:, None] == 1, x[treated == 1].mean(axis=0), x[treated == 0].mean(axis=0))
        values, vectors = np.linalg.eigh(within.T @ within / max(len(x) - 2, 1))
        keep = values > values.max() * 1e-12
        z = x @ vectors[:, keep] / np.sqrt(values[keep])
    far = [((z - z[treated == arm].mean(axis=0)) ** 2).sum(axis=1) for arm in (0, 1)]
    return Metric(coordinates=z, score=None, largest_first=np.where(treated == 1, far[0], -far[1]))


def _cells(rows: Selection, exact: Sequence[str]) -> Codes | None:
    if not exact:
        return None
    table = np.column_stack([rows.codes(c) for c in exact])
    return np.unique(table, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _match(arm: int, treated: Array, metric: Metric, cells: Codes | None, neighbours: int, replace: bool,
           caliper: float | None) -> Side:
    focal, donors = np.flatnonzero(treated == arm), np.flatnonzero(treated != arm)
    z = metric.coordinates
    pick = (None, None) if cells is None else (cells[focal], cells[donors])
    if replace:
        found = nearest(z[focal], z[donors], neighbours, caliper=caliper, focal_cell=pick[0], donor_cell=pick[1])
    else:
        sign = -1.0 if arm == 1 else 1.0
        order = np.argsort(sign * metric.largest_first[focal], kind="stable").astype(np.int64)
        found = greedy_pairs(z[focal], z[donors], order, neighbours, caliper=caliper, focal_cell=pick[0],
                             donor_cell=pick[1])
    if not found.found.any():
        raise DesignError(Problem(where="caliper" if caliper else "exact", what="no unit has a match",
                                  cure="Widen the caliper, or match exactly on fewer columns."), source="design")
    return Side(focal=focal.astype(np.int64), donors=donors.astype(np.int64), matches=found)


def _drop_unmatched(rows: Selection, sides: tuple[Side, ...], *,
                    limited: bool) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Record focal units without a match; returns their mask over the whole table."""
    positions = np.flatnonzero(rows.kept)
    lost = np.zeros(len(rows.kept), dtype=bool)
    for side in sides:
        lost[positions[side.focal[~side.matches.found]]] = True
    rows.drop(lost, "no_match", "no comparable unit within the caliper or the exact groups" if limited
              else "no comparison unit was left to match")
    return lost


def _adjusting(asked: bool | None, x: Array, replace: bool) -> bool:
    if asked is not None:
        return asked
    continuous = sum(len(np.unique(column)) > 2 for column in x.T)
    return replace and continuous >= 2


def _weights(effect: MatchedEffect, sides: tuple[Side, ...]) -> Array:
    weights = effect.uses.copy()
    for side in sides:
        weights[side.focal[side.matches.found]] += 1.0
    return weights


def _pair_weights(side: Side, n: int) -> Array:
    weights = np.zeros(n)
    weights[side.focal[side.matches.found]] = 1.0
    weights[side.donors] = np.asarray(side.matches.weights.sum(axis=0)).ravel()
    return weights


def _paired_inference(y: Array, treated: Array, side: Side, weights: Array, adjust: Array | None,
                      conf_level: float) -> Inference:
    table = side.matches.weights.tocoo()
    sets = np.full(len(y), -1, dtype=np.int64)
    found = side.focal[side.matches.found]
    sets[found] = np.arange(len(found))
    sets[side.donors[table.col]] = sets[side.focal[table.row]]
    used = weights > 0
    columns = [np.ones(int(used.sum()))]
    if adjust is not None:
        columns += list((adjust[used] - adjust[used].mean(axis=0)).T)
    design = np.column_stack([*columns, treated[used]])
    fit = least_squares(design, y[used], [*(f"c{j}" for j in range(len(columns))), "treated"], weights=weights[used],
                        must_keep=("treated",))
    cov = covariance(fit, "CR1S", sets[used])
    pick = np.zeros(fit.k)
    pick[-1] = 1.0
    return infer(float(fit.coefficients[-1]), cov.std_error(pick), float((cov.n_clusters or 2) - 1), conf_level)


def _pairs(sides: tuple[Side, ...]) -> tuple[tuple[int, int, float], ...]:
    out = []
    for side in sides:
        table = side.matches.weights.tocoo()
        out += [(int(side.focal[r]), int(side.donors[c]), float(w))
                for r, c, w in zip(table.row, table.col, table.data, strict=True)]
    return tuple(out)


def _estimate(outcome: str, treatment: str, estimand: str, inference: Inference, sample: MatchedSample, y: Array,
              rows: Selection, sides: tuple[Side, ...], adjusted: bool, replace: bool, variance_matches: int,
              transform: str, share: bool, distance: str) -> MatchedEstimate:
    treated, used = sample.treated, sample.weights > 0
    n_treated, n_comparison = int((used & (treated == 1)).sum()), int((used & (treated == 0)).sum())
    groups = len(sides[0].matches.numbers[sides[0].matches.found])
    counts = Counts(n=n_treated + n_comparison, treated=n_treated, comparison=n_comparison, units=n_treated +
                    n_comparison, units_treated=n_treated, clusters=None if replace else groups)
    ties = sum(side.matches.with_ties for side in sides)
    caveats = [Caveat(code="selection_on_observables", text="Not randomised: participants and the others were "
                      "matched on the measured traits only; what was not measured, or not matched well, may still differ.")]
    lost = sum(loss.n_rows for loss in rows.dropped if loss.reason == "no_match")
    if lost:
        caveats.append(Caveat(code="unmatched", text=f"{lost} units have no match: the number is for the matched "
                              "ones only.",
                              values=(("units", lost),)))
    if ties:
        caveats.append(Caveat(code="ties", text=f"{ties} units have several equally near neighbours; all share the "
                              "weight.", values=(("units", ties),)))
    if replace and distance in ("propensity", "linear_propensity"):
        caveats.append(Caveat(code="score_known", text="The standard error treats the estimated propensity score as "
                              "known."))
    w = sample.weights * (treated == 0)
    mean, error = _base(y, treated, sample.weights, inference, estimand)
    label = {"att": "participants without the programme", "atc": "the others, as they are",
             "ate": "all without the programme"}[estimand]
    if transform == "log":
        mean, error, label = float(np.exp(mean)), 0.0, f"{label} (geometric mean)"
    base = Counterfactual(mean=mean, std_error=error, label=label)
    plain: Estimate = make_estimate(
        outcome=outcome, term=treatment, method="nearest_neighbour", estimand=estimand, inference=inference,
        counts=counts, vcov="AI" if replace else "CR1S", card=_card(replace, adjusted, variance_matches, groups),
        base=base, question=QUESTIONS[estimand], assumptions=ASSUMPTIONS, transform=transform,
        outcome_sd=spread(y[w > 0]), dropped=rows.dropped, caveats=caveats, share=share, details=(
            ("distance", distance), ("bias_adjusted", adjusted),
            ("effective_comparison", sample.effective_size(0))))
    return MatchedEstimate(**{f.name: getattr(plain, f.name) for f in fields(plain)}, matched=sample)


def _base(y: Array, treated: Array, weights: Array, inference: Inference, estimand: str) -> tuple[float, float]:
    """Mean without the programme, and its rough error, for the per cent."""
    if estimand == "att":
        arm = y[(treated == 1) & (weights > 0)]
        return float(arm.mean()) - inference.estimate, _error(arm)
    zero = (treated == 0) & (weights > 0)
    if estimand == "atc":
        return float(y[zero].mean()), _error(y[zero])
    return float(np.average(y[zero], weights=weights[zero])), _error(y[zero])


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")


def _card(replace: bool, adjusted: bool, variance_matches: int, groups: int) -> StandardErrorCard:
    extra = "with regression bias adjustment (Abadie & Imbens 2011)" if adjusted else "no bias adjustment"
    if replace:
        rule = f"{variance_matches} same-arm neighbour(s) for the variance" if variance_matches else (
            "one conditional variance for all")
        return StandardErrorCard(
            formula="Abadie & Imbens (2006), matching with replacement", correction=f"{rule}; {extra}",
            level="the unit", df_rule="normal",
            r_call=f"Matching::Match(Y, Tr, X, ties = TRUE, Var.calc = {variance_matches}, distance.tolerance = 1e-14"
                   + (", BiasAdjust = TRUE)" if adjusted else ")"),
            stata_call="")
    return StandardErrorCard(formula="CR1S by matched set (Abadie & Spiess 2022)", correction=extra,
                             level="the matched set", df_rule="sets − 1", clusters_treated=groups,
                             clusters_comparison=groups)

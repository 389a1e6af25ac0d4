"""Nearest-neighbour matching: each unit against the most similar units of the other arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import as_names
from impact.errors import DesignError, Problem
from impact.inference.chance import check_seed, seeded
from impact.inference.intervals import infer
from impact.inference.linear import Array, Codes
from impact.matching.abadie_imbens import MatchedEffect, Side, matched_effect, score_estimation
from impact.matching.assembly import (
    SETS_VCOV,
    Found,
    Why,
    left_unequal,
    lonely,
    matched_estimate,
    nobody,
    set_card,
    set_inference,
)
from impact.matching.distance import DISTANCES, SCORES, Metric, caliper_of, check_caliper, check_score, metric_of
from impact.matching.equivalents import GIVEN, matching, matchit, none
from impact.matching.neighbours import greedy_pairs, nearest
from impact.matching.sample import MatchedEstimate
from impact.matching.units import (
    QUESTIONS,
    Units,
    cells_of,
    check_choice,
    check_flag,
    continuous,
    select_units,
)
from impact.results import Caveat, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

    from impact.matching.propensity import PropensityScore

ORDERS = ("largest", "smallest", "data", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """The keywords of one call."""

    estimand: str
    distance: str
    neighbours: int
    replace: bool
    caliper: float | None
    caliper_unit: str
    exact: tuple[str, ...]
    order: str | None
    seed: int | None
    bias_adjustment: bool | None
    variance_matches: int
    estimated_score: bool
    tie_tolerance: float
    given: bool

    @property
    def called(self) -> str:
        """The distance, as calls of other packages are looked up by it."""
        return f"{GIVEN if self.given else ''}{self.distance}"

    @property
    def limit(self) -> str:
        """What may keep counterparts away, in words."""
        parts = []
        if self.caliper is not None:
            measure = "of the score" if self.distance in SCORES else "of the distance"
            unit = f" standard deviations {measure}" if self.caliper_unit == "sd" else f" {measure}"
            parts.append(f"within the caliper of {self.caliper:g}{unit}")
        if self.exact:
            parts.append(f"of the same {', '.join(self.exact)}")
        return " and ".join(parts)


def nearest_neighbour(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str],
                      estimand: str = "att", distance: str = "propensity", neighbours: int = 1, replace: bool = False,
                      caliper: float | None = None, caliper_unit: str = "sd", exact: Sequence[str] = (),
                      order: str | None = None, seed: int | None = None, bias_adjustment: bool | None = None,
                      variance_matches: int = 1, estimated_score: bool = False, tie_tolerance: float = 0.0,
                      score: PropensityScore | None = None, cluster: str | None = None, transform: str = "none",
                      conf_level: float = 0.95) -> MatchedEstimate:
    """Compare each unit with the most similar units of the other arm.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (took part) and 0 (did not).
    covariates : columns measured before treatment; rows with a missing value are left out and counted. Text becomes one
        yes/no column for each of its words, and the estimate says so; a column with one value only is left out and named.
    estimand : "att" (those who took part), "atc" or "ate"; without replacement "att" or "atc".
    distance : "propensity" (logit score), "linear_propensity" (its log odds), "mahalanobis" (covariance within the
        arms, pooled, as R MatchIt), "robust_mahalanobis" (of ranks), or "standardised_euclidean" (each covariate divided
        by its sample standard deviation).
    neighbours : how many; with replacement all that are tied share the weight.
    replace : whether a unit may serve several times.
    caliper : largest distance, in ``caliper_unit``. Units without a counterpart within it are left out, and the estimate
        says of how many it then speaks.
    caliper_unit : "sd" (standard deviations of the score over all units) or "units" (of the score, or of its log odds). For
        the other distances, whose covariates are standardised, the two are the same.
    exact : columns that must be equal within a match.
    order : who chooses first without replacement: "largest" or "smallest" (score first; where the distance uses no score,
        distance to the other arm's mean), "data" (as the rows stand) or "random" (with ``seed``). None is "largest" for the
        att; for the atc the smallest score, or again the largest distance.
    seed : of order="random"; nothing else draws.
    bias_adjustment : regression adjustment for what matching leaves unequal; None is on with two or more continuous
        covariates, unless ``estimated_score``, or where fewer units are matched than such a regression needs.
    variance_matches : same-arm neighbours for the conditional variance, which is the sample variance of the unit and those
        (as R Matching), with one neighbour the J/(J + 1) rule of Abadie & Imbens (2006), with more or ties not quite that
        rule; 0 assumes one variance for all.
    estimated_score : allow for the score having been estimated (Abadie & Imbens 2016); with replacement, a score as the
        distance, no caliper, no exact groups and no bias adjustment. It lowers the variance of the ate and may raise that
        of the att. Without it the score is treated as known, and the estimate says so.
    tie_tolerance : with replacement, squared distances (in standard deviations) this much beyond the nearest's count as
        ties; 0 merges equal distances only, 1e-5 is the default of R Matching.
    score : a :class:`PropensityScore` estimated from the same table (by a learner, cross-fitted, trimmed) that takes the
        place of the logit; rows it trimmed are left out, and the estimate says so.
    cluster : column of those who were chosen together (villages); errors then allow for it.
    transform : "none" or "log".
    conf_level : a share.

    Returns
    -------
    MatchedEstimate
        An Estimate whose ``.matched`` is the matched sample.

    Raises
    ------
    DataError
        Missing columns, numbers mixed with text, a treatment that is not 0/1.
    DesignError
        One arm only, covariates that predict treatment perfectly (named), more covariates than units of an arm, nobody
        within the caliper.

    Notes
    -----
    Assumes selection on the covariates given. With replacement: Abadie & Imbens (2006, Econometrica 74) errors,
    2011 bias adjustment, normal distribution. Without: errors clustered by matched set (Abadie & Spiess 2022, JASA
    117); equal distances go to the unit that stands first, and how often that decided is a caveat. No bootstrap: it
    is wrong for matching (Abadie & Imbens 2008). Reference cases: match_lalonde_ai_* (R Matching 4.10), match_lalonde_nn*
    (R MatchIt 4.7.1), Stata teffects psmatch (tests/test_matching_traps.py).
    """
    rules = _Rules(estimand=estimand, distance=distance, neighbours=neighbours, replace=replace, caliper=caliper,
                   caliper_unit=caliper_unit, exact=as_names(exact), order=order, seed=seed,
                   bias_adjustment=bias_adjustment, variance_matches=variance_matches, estimated_score=estimated_score,
                   tie_tolerance=tie_tolerance, given=score is not None)
    _check_rules(rules)
    check_score(score, distance)
    units = select_units(data, outcome=outcome, treatment=treatment, covariates=covariates, exact=exact,
                         transform=transform, cluster=cluster, score=score)
    metric = metric_of(distance, units)
    cells = cells_of(units.rows, rules.exact)
    arms = {"att": (1,), "atc": (0,), "ate": (1, 0)}[estimand]
    donors = min(int((units.treated != arm).sum()) for arm in arms)
    if neighbours > donors or variance_matches >= len(units.treated):
        raise DesignError(Problem(where="neighbours" if neighbours > donors else "variance_matches", what=f"{neighbours} "
                                  f"neighbours are asked for and {donors} units stand on the other "
                                  f"side" if neighbours > donors
                                  else f"{variance_matches} are asked for among {len(units.treated)} units",
                                  cure="Ask for fewer."), source="design")
    sides = tuple(_match(arm, units.treated, metric, cells, rules) for arm in arms)
    adjust = units.x if _adjusting(rules, units.x) else None
    found = (_with_replacement if replace else _without)(units, metric, cells, sides, adjust, rules, conf_level)
    return matched_estimate(units, found)


def _check_rules(rules: _Rules) -> None:
    check_choice("estimand", rules.estimand, tuple(QUESTIONS))
    check_choice("distance", rules.distance, DISTANCES)
    for name, value, least in (("neighbours", rules.neighbours, 1), ("variance_matches", rules.variance_matches, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}")
    check_caliper(rules.caliper, rules.caliper_unit)
    if rules.estimand == "ate" and not rules.replace:
        raise ValueError("estimand='ate' needs replace=True: without replacement a unit serves once")
    if rules.order is not None:
        check_choice("order", rules.order, ORDERS)
        if rules.replace:
            raise ValueError("order matters only without replacement: leave it out")
    if rules.seed is not None:
        check_seed(rules.seed)
    for name, flag in (("replace", rules.replace), ("bias_adjustment", rules.bias_adjustment),
                       ("estimated_score", rules.estimated_score)):
        check_flag(name, flag)
    if rules.order == "random" and rules.seed is None:
        raise ValueError("order='random' needs a seed")
    if rules.tie_tolerance < 0 or (rules.tie_tolerance > 0 and not rules.replace):
        raise ValueError("tie_tolerance must not be below 0, and is for replace=True: without, a unit has one partner")
    underived = (not rules.replace or rules.distance not in SCORES or rules.caliper is not None or rules.exact
                 or rules.bias_adjustment or rules.variance_matches == 0 or rules.tie_tolerance > 0
                 or rules.given)
    if rules.estimated_score and underived:
        raise ValueError("estimated_score needs replace=True, a score as the distance, variance_matches of at least 1, and "
                         "no caliper, exact, bias_adjustment, tie_tolerance or score: the correction is derived for that "
                         "alone")


def _match(arm: int, treated: Array, metric: Metric, cells: Codes | None, rules: _Rules) -> Side:
    focal, donors = np.flatnonzero(treated == arm), np.flatnonzero(treated != arm)
    z, caliper = metric.coordinates, caliper_of(rules.caliper, rules.caliper_unit, metric)
    pick = (None, None) if cells is None else (cells[focal], cells[donors])
    if rules.replace:
        found = nearest(z[focal], z[donors], rules.neighbours, caliper=caliper, focal_cell=pick[0], donor_cell=pick[1],
                        tolerance=rules.tie_tolerance)
    else:
        found = greedy_pairs(z[focal], z[donors], _order(arm, metric.largest_first[focal], metric.score is not None, rules),
                             rules.neighbours, caliper=caliper, focal_cell=pick[0], donor_cell=pick[1])
    if not found.found.any():
        raise nobody(rules.caliper, rules.exact)
    return Side(focal=focal.astype(np.int64), donors=donors.astype(np.int64), matches=found)


def _order(arm: int, value: Array, scored: bool, rules: _Rules) -> Codes:
    """Who chooses first: positions among the focal units."""
    if rules.order == "data":
        return np.arange(len(value), dtype=np.int64)
    if rules.order == "random":
        return seeded(rules.seed).permutation(len(value)).astype(np.int64)
    far = value if scored or arm == 1 else -value  # distances of the atc come with their sign turned
    down = rules.order == "largest" or (rules.order is None and (arm == 1 or not scored))
    return np.argsort(-far if down else far, kind="stable").astype(np.int64)


def _adjusting(rules: _Rules, x: Array) -> bool:
    if rules.bias_adjustment is not None:
        return rules.bias_adjustment
    return continuous(x) >= 2 and not rules.estimated_score


def _with_replacement(units: Units, metric: Metric, cells: Codes | None, sides: tuple[Side, ...], adjust: Array | None,
                      rules: _Rules, conf_level: float) -> Found:
    effect = matched_effect(units.y, units.treated, sides, metric.coordinates, adjust, rules.variance_matches,
                            rules.tie_tolerance, units.clusters)
    error, added = effect.std_error, None
    if rules.estimated_score and metric.score is not None:
        added = score_estimation(units.y, units.treated, metric.score, metric.coordinates, units.x,
                                 estimand=rules.estimand, effect=effect.estimate, neighbours=rules.neighbours,
                                 variance_matches=rules.variance_matches)
        error = float(np.sqrt(max(error**2 + added, 0.0)))
    caveats, ties = [], sum(side.matches.with_ties for side in sides)
    if ties:
        caveats.append(Caveat(code="ties", text=f"{ties} units have several equally near neighbours; all share the "
                              "weight.", values=(("units", ties),)))
    if metric.score is not None and added is None and not rules.given:
        caveats.append(Caveat(code="score_known", text="The standard error treats the estimated propensity score as "
                              "known."))
    weights = _weights(effect, sides)
    caveats += left_unequal(units, weights, adjust)
    details = () if added is None else (("std_error_score_known", effect.std_error),)
    shared = _shared(units, metric, cells, sides, adjust, rules, details)
    return Found(method="nearest_neighbour", estimand=rules.estimand, vcov="AI", weights=weights, sets=None,
                 inference=infer(effect.estimate, error, effect.df, conf_level), caveats=tuple(caveats),
                 card=_card(rules, adjust is not None, added, units.cluster), **shared)


def _without(units: Units, metric: Metric, cells: Codes | None, sides: tuple[Side, ...], adjust: Array | None,
             rules: _Rules, conf_level: float) -> Found:
    side = sides[0]
    weights, sets = pair_weights(side, len(units.y))
    groups = int(sets.max()) + 1
    if rules.bias_adjustment is None and adjust is not None and (weights > 0).sum() <= adjust.shape[1] + 2:
        adjust = None  # a regression needs more units than covariates
    caveats = () if not side.matches.by_order else (Caveat(
        code="row_order", text=f"{side.matches.by_order} partners were chosen among equally near ones because they stand "
        "first in the data: another order of the rows may give another number.",
        values=(("partners", side.matches.by_order),)),)
    return Found(method="nearest_neighbour", estimand=rules.estimand, vcov=SETS_VCOV, weights=weights, sets=sets,
                 inference=set_inference(units.y, units.treated, sets, weights, adjust, SETS_VCOV, conf_level,
                                         units.clusters),
                 caveats=(*caveats, *left_unequal(units, weights, adjust)),
                 card=set_card(SETS_VCOV, "matched set", groups, _extra(adjust is not None), _pairs_call(rules), units,
                               adjust is not None),
                 **_shared(units, metric, cells, sides, adjust, rules, (("order", rules.order or "default"),)))


def _shared(units: Units, metric: Metric, cells: Codes | None, sides: tuple[Side, ...], adjust: Array | None, rules: _Rules,
            details: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """What both ways of matching hand on."""
    lost, caliper = np.zeros(len(units.y), dtype=bool), caliper_of(rules.caliper, rules.caliper_unit, metric)
    why: list[Why] = []
    for side in sides:
        alone = ~side.matches.found
        lost[side.focal[alone]] = True
        why += lonely(side.focal, side.donors, alone, metric, cells, caliper)
    return {"lost": lost, "why": tuple(why), "limit": rules.limit, "score": metric.probability,
            "place": metric.place, "pairs": _pairs(sides),
            "details": (("distance", rules.distance), ("bias_adjusted", adjust is not None), *details,
                        ("total_distance", total_distance(metric, sides)))}


def total_distance(metric: Metric, sides: tuple[Side, ...]) -> float:
    """Sum of the distances within matches, weighted by how much each counts, in the unit of the distance."""
    total = 0.0
    for side in sides:
        table = side.matches.weights.tocoo()
        gaps = metric.coordinates[side.focal[table.row]] - metric.coordinates[side.donors[table.col]]
        total += float((np.sqrt((gaps**2).sum(axis=1)) * table.data).sum())
    return total * metric.unit


def _weights(effect: MatchedEffect, sides: tuple[Side, ...]) -> Array:
    weights = effect.uses.copy()
    for side in sides:
        weights[side.focal[side.matches.found]] += 1.0
    return weights


def pair_weights(side: Side, n: int) -> tuple[Array, Codes]:
    """Weights and matched sets of a match without replacement: each focal unit counts 1, its partners 1 together."""
    weights, sets = np.zeros(n), np.full(n, -1, dtype=np.int64)
    found = side.focal[side.matches.found]
    weights[found] = 1.0
    weights[side.donors] = np.asarray(side.matches.weights.sum(axis=0)).ravel()
    table = side.matches.weights.tocoo()
    sets[found] = np.arange(len(found))
    sets[side.donors[table.col]] = sets[side.focal[table.row]]
    return weights, sets


def _pairs(sides: tuple[Side, ...]) -> tuple[tuple[int, int, float], ...]:
    out: list[tuple[int, int, float]] = []
    for side in sides:
        table = side.matches.weights.tocoo()
        out += zip(side.focal[table.row].tolist(), side.donors[table.col].tolist(), table.data.tolist(), strict=True)
    return tuple(out)


def _extra(adjusted: bool) -> str:
    return "with regression bias adjustment (Abadie & Imbens 2011)" if adjusted else "no bias adjustment"


def _card(rules: _Rules, adjusted: bool, added: float | None, cluster: str | None) -> StandardErrorCard:
    m = rules.variance_matches
    if cluster is not None:
        return StandardErrorCard(
            formula=f"the largest of three: matched pairs that share a {cluster} (Fafchamps & Gubert 2007); each side's "
                    f"mean by {cluster}; Abadie & Imbens (2006)", correction=f"G/(G−1); {_extra(adjusted)}", level=cluster,
            df_rule="clusters of the smaller side − 1")
    rule = (f"{m} same-arm neighbour(s) for the variance, sampled with the unit and ties as R Matching does" if m else
            "one conditional variance for all")
    if added is not None:
        stata = {"att": ", atet", "ate": ""}.get(rules.estimand)
        return StandardErrorCard(
            formula="Abadie & Imbens (2016), matching on an estimated score, with replacement", level="the unit",
            correction=f"{rule}; {_extra(adjusted)}", df_rule="normal",
            stata_call="" if stata is None else f"teffects psmatch (y) (d x){stata or ','} vce(robust, nn({m + 1}))")
    return StandardErrorCard(
        formula="Abadie & Imbens (2006), matching with replacement", correction=f"{rule}; {_extra(adjusted)}",
        level="the unit", df_rule="normal",
        r_call=matching(rules.estimand, rules.called, neighbours=rules.neighbours, variance_matches=m,
                        tolerance=rules.tie_tolerance, adjusted=adjusted, caliper=rules.caliper,
                        caliper_unit=rules.caliper_unit, exact=rules.exact))


def _pairs_call(rules: _Rules) -> str:
    if rules.order == "random":
        return none("another package draws another order")
    if rules.distance not in SCORES and rules.order != "data":
        return none("MatchIt takes turns by the score alone, or as the rows stand")
    order = "" if rules.order is None else f', m.order = "{rules.order}"'
    return matchit("nearest", rules.estimand, rules.called, caliper=rules.caliper, caliper_unit=rules.caliper_unit,
                   exact=rules.exact, extra=f"ratio = {rules.neighbours}{order}")

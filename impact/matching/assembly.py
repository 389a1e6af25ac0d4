"""From matched sets or weights to the estimate every matching method returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from impact.data.frame import Selection
from impact.errors import DesignError, Problem
from impact.inference.intervals import Inference, check_level, infer
from impact.inference.linear import Array, Codes, Fit, least_squares
from impact.inference.report import (
    FEW_CLUSTERS,
    Counterfactual,
    Counts,
    cluster_counts,
    few_for_large_samples,
    make_estimate,
    spread,
)
from impact.inference.sandwich import CLUSTERED, VCOVS, covariance, satterthwaite_df
from impact.matching.distance import Metric
from impact.matching.neighbours import Mask, cells_in_common, nearest
from impact.matching.sample import KEPT, MatchedEstimate, MatchedSample, few_units
from impact.matching.support import BEYOND, TOLD_APART, Standing, outside_support
from impact.matching.units import ASSUMPTIONS, ONE_CLUSTER, QUESTIONS, Units, continuous, joint_codes
from impact.results import Caveat, Dropped, Estimate, StandardErrorCard

TRIMMED = "trimmed"  # reason of units left out by a score handed over
NOTHING = 1e-9  # standard deviations; a gap this small is rounding
SETS_VCOV = "CR1S"
TWO_WAY = ("CR0", "CR1", "CR1S")  # the covariances that add up over two ways of clustering
PAIRED = ("nearest_neighbour", "optimal_pairs")  # their sets are as many as the focal units matched
Why = tuple[str, str, Codes]  # reason, text, positions
WHO = {"att": "participants", "atc": "non-participants", "ate": "units"}
LABELS = {"att": "participants without the programme", "atc": "the others, as they are",
          "ate": "all without the programme"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a matching method found.

    Attributes
    ----------
    method, estimand : names. inference, vcov, card : the effect and how its error was made.
    weights : (n,). sets : (n,) codes of the matched sets, −1 where unmatched, or None with replacement.
    lost : (n,) of True for focal units without a counterpart. why : the same by reason. pairs : of positions.
    limit : words for what kept counterparts away ('within the caliper of 0.2'), or '' where donors ran out.
    score, place : of each unit; ``place`` where the method itself uses no score.
    """

    method: str
    estimand: str
    inference: Inference
    vcov: str
    card: StandardErrorCard
    weights: Array
    sets: Codes | None
    lost: Mask
    pairs: tuple[tuple[int, int, float], ...] = ()
    why: tuple[Why, ...] = ()
    limit: str = ""
    score: Array | None = None
    place: Standing | None = None
    caveats: tuple[Caveat, ...] = ()
    details: tuple[tuple[str, Any], ...] = ()


def set_inference(y: Array, treated: Array, sets: Codes, weights: Array, adjust: Array | None, vcov: str,
                  conf_level: float, clusters: Codes | None = None) -> Inference:
    """Weighted difference of means, or regression on covariates, with errors clustered by matched set.

    Notes
    -----
    Abadie & Spiess (2022, JASA 117): after matching without replacement units of one set are not independent,
    and errors clustered by set stay right even where the regression is not. CR1S has df sets − 1, as R MatchIt's vignette.
    With ``clusters`` (those chosen together, (n,)) two units may be alike by their set or by their cluster: variance by set
    plus by cluster less by both (Cameron, Gelbach & Miller 2011, JBES 29), never below the larger of the first two, and df
    the smallest count (sets, clusters of either side) − 1. By simulation with 10 and 20 villages:
    tests/test_matching_clusters.py.
    """
    used = (weights > 0) & (sets >= 0)
    if used.sum() <= (2 if adjust is None else 2 + adjust.shape[1]):
        raise DesignError(Problem(where="matches", what=f"{int(used.sum())} units are matched, too few to estimate by",
                                  cure="Widen the caliper or the bins, or match on fewer columns."), source="design")
    columns = [np.ones(int(used.sum()))]
    if adjust is not None:
        columns += list((adjust[used] - adjust[used].mean(axis=0)).T)
    design = np.column_stack([*columns, treated[used]])
    names = [*(f"c{j}" for j in range(len(columns))), "treated"]
    fit = least_squares(design, y[used], names, weights=weights[used], must_keep=("treated",))
    pick = np.zeros(fit.k)
    pick[-1] = 1.0
    effect = float(fit.coefficients[-1])
    codes = np.unique(sets[used], return_inverse=True)[1].ravel().astype(np.int64)
    groups = int(codes.max()) + 1
    if vcov in CLUSTERED and groups < 2:
        return Inference(estimate=effect, conf_level=check_level(conf_level),
                         reason="with one matched set, chance cannot be told from the programme")
    if clusters is not None:
        return _two_way(fit, pick, vcov, codes, clusters[used], treated[used], conf_level)
    cov = covariance(fit, vcov, codes if vcov in CLUSTERED else None)
    df = satterthwaite_df(fit, cov, pick) if vcov in ("CR2", "CR3") else (
        float(groups - 1) if vcov in CLUSTERED else float(fit.n - fit.k))
    return infer(effect, cov.std_error(pick), df, conf_level)


def _two_way(fit: Fit, pick: Array, vcov: str, sets: Codes, clusters: Codes, treated: Array,
             conf_level: float) -> Inference:
    """Error by set and by cluster of assignment; df from the side with fewer clusters, which has most of the luck."""
    ways = [np.unique(codes, return_inverse=True)[1].ravel().astype(np.int64) for codes in (sets, clusters)]
    counts = [int(ways[0].max()) + 1, *(len(np.unique(clusters[treated == arm])) for arm in (1, 0))]
    effect = float(pick @ fit.coefficients)
    if min(counts) < 2:
        return Inference(estimate=effect, conf_level=check_level(conf_level), reason=ONE_CLUSTER)
    by_set, by_cluster, by_both = (covariance(fit, vcov, codes).std_error(pick) ** 2
                                   for codes in (*ways, joint_codes(ways)))
    variance = max(by_set, by_cluster, by_set + by_cluster - by_both)
    return infer(effect, float(np.sqrt(variance)), float(min(counts) - 1), conf_level)


def set_card(vcov: str, noun: str, groups: int, correction: str, r_call: str, units: Units | None = None,
             adjusted: bool = False) -> StandardErrorCard:
    """Card of an error made from matched sets, and from the clusters of ``units`` where there are any.

    The call of R makes the match, that of Stata the estimate from it; Stata has CR1S alone with such weights.
    """
    if units is not None and units.cluster is not None:
        return StandardErrorCard(
            formula=f"{vcov} by {noun} and by {units.cluster}, two ways (Cameron, Gelbach & Miller 2011)",
            correction=f"{correction}; never below the error by {noun} or by {units.cluster} alone",
            level=f"the {noun} and {units.cluster}", df_rule="the smallest of sets and clusters on either side, − 1")
    if vcov not in CLUSTERED:
        return StandardErrorCard(formula=f"{vcov} of the weighted regression", correction=correction, level="the unit",
                                 df_rule="n − k", r_call=r_call)
    return StandardErrorCard(formula=f"{vcov} by {noun} (Abadie & Spiess 2022)", correction=correction, level=f"the {noun}",
                             df_rule="Satterthwaite" if vcov in ("CR2", "CR3") else "sets − 1", clusters_treated=groups,
                             clusters_comparison=groups, r_call=r_call,
                             stata_call="" if vcov != SETS_VCOV else
                             f"regress y d{' x' if adjusted else ''} [pweight = w], vce(cluster set)")


def check_vcov(vcov: str | None, cluster: str | None = None) -> str:
    """Return the covariance asked for, by default errors clustered by matched set."""
    if vcov is None:
        return SETS_VCOV
    if cluster is not None and vcov in VCOVS and vcov not in TWO_WAY:
        raise DesignError(Problem(where="vcov", what=f"{vcov} leaves out that '{cluster}' was chosen as a whole",
                                  cure=f"Leave vcov out, or take one of {', '.join(TWO_WAY)}: they cluster by matched set "
                                  f"and by '{cluster}'."), source="design")
    if vcov not in VCOVS:
        raise ValueError(f"vcov must be one of {', '.join(VCOVS)}, not {vcov!r}")
    return vcov


def set_weights(sets: Codes, treated: Array, estimand: str) -> Array:
    """Weights that give each set's two arms the share of it the estimand speaks of: (n,), 0 outside the sets.

    For the att a treated unit counts 1 and a comparison unit as many treated as it stands for: n1/n0 of its set.
    """
    inside = sets >= 0
    size = int(sets.max()) + 1
    one = np.bincount(sets[inside], weights=treated[inside], minlength=size)
    zero = np.bincount(sets[inside], weights=1.0 - treated[inside], minlength=size)
    goal = {"att": one, "atc": zero, "ate": one + zero}[estimand]
    weights = np.zeros(len(sets))
    share = np.where(treated == 1, (goal / one)[sets], (goal / zero)[sets])
    weights[inside] = share[inside]
    return weights


def lonely(focal: Codes, donors: Codes, unmatched: Mask, metric: Metric, cells: Codes | None,
           caliper: float | None) -> tuple[Why, ...]:
    """Say why focal units have no match: (reason, text, positions)."""
    if not unmatched.any():
        return ()
    alone = focal[unmatched]
    own, others = (None, None) if cells is None else (cells[alone], cells[donors])
    reachable = np.zeros(len(alone), dtype=bool)
    for mine, _ in cells_in_common(own, others, len(alone), len(donors)):
        reachable[mine] = True
    far = np.zeros(len(alone), dtype=bool)
    if caliper is not None:
        near = nearest(metric.coordinates[alone], metric.coordinates[donors], 1, caliper=caliper, focal_cell=own,
                       donor_cell=others)
        far = reachable & ~near.found
    return tuple((reason, text, alone[mask]) for reason, text, mask in (
        ("nobody_in_group", "nobody of the other arm in its exact group", ~reachable),
        ("beyond_caliper", "the nearest of the other arm lies beyond the caliper", far),
        ("none_left", "those near enough were all taken by others", reachable & ~far)) if mask.any())


def left_unequal(units: Units, weights: Array, adjust: Array | None, least: int = 2) -> tuple[Caveat, ...]:
    """Say that matched units are compared as they are where so many continuous covariates may leave them unequal.

    Abadie & Imbens (2006): with two or more the bias may outlast the error; by simulation such intervals cover
    0.88 to 0.90 (tests/reference/matching_simulation.csv).
    """
    if adjust is not None or continuous(units.x) < least:
        return ()
    one, zero = (np.average(units.x[units.treated == arm], axis=0, weights=weights[units.treated == arm])
                 for arm in (1, 0))
    spread = units.x[units.treated == 1].std(axis=0)
    gaps = np.abs(one - zero) / np.where(spread > 0, spread, np.inf)
    far = int(gaps.argmax())
    if gaps[far] <= NOTHING:
        return ()
    return (Caveat(code="not_bias_adjusted", text=f"What matching leaves unequal is not adjusted for (largest: "
                   f"{units.columns[far]}, {gaps[far]:.2f} standard deviations): the number carries that difference, and "
                   "the interval does not know of it.", values=(("largest", float(gaps[far])),)),)


def nobody(caliper: float | None, exact: Sequence[str]) -> DesignError:
    """Refuse a design in which no unit has a match."""
    where = "caliper" if caliper is not None else "exact"
    return DesignError(Problem(where=where, what="no unit has a match",
                               cure="Widen the caliper, or match exactly on fewer columns."), source="design")


def matched_estimate(units: Units, found: Found) -> MatchedEstimate:
    """Put together the estimate, its sample, its losses and what a reader must know."""
    rows, treated, weights = units.rows, units.treated, found.weights
    positions = np.flatnonzero(rows.kept)
    outside = tuple(Dropped(reason=reason, text=text, n_rows=len(p), n_units=len(p),
                            rows=tuple(int(r) + 1 for r in positions[p]))
                    for reason, text, p in (*found.why, *_beyond(found, treated)))
    outside = (*(lost for lost in rows.dropped if lost.reason == TRIMMED), *outside)
    lost = found.lost
    _drop(rows, positions, lost, "no_match", "no comparable unit within the caliper or the exact groups" if found.limit
          else "no comparison unit was left to match")
    _drop(rows, positions, (weights == 0) & ~lost, "not_chosen",
          "unit that is in no pair" if found.method == "optimal_pairs" else
          "comparison unit that is nobody's nearest neighbour" if found.method in PAIRED
          else "unit in a group without a unit of the other arm")
    sample = MatchedSample(frame=rows.data, rows=positions, treated=treated, weights=weights, score=found.score,
                           place=found.place,
                           pairs=found.pairs, sets=found.sets, outside=outside, treatment=units.treatment,
                           covariates=units.covariates, estimand=found.estimand)
    used = weights > 0
    one, zero = int((used & (treated == 1)).sum()), int((used & (treated == 0)).sum())
    groups = None if found.sets is None else len(np.unique(found.sets[used]))
    strata = groups if groups != 1 and found.method not in PAIRED else None
    said = (groups, strata, strata) if units.clusters is None else cluster_counts(
        np.unique(units.clusters[used], return_inverse=True)[1].ravel(), treated[used])
    counts = Counts(n=one + zero, treated=one, comparison=zero, units=one + zero, units_treated=one, clusters=said[0],
                    clusters_treated=said[1], clusters_comparison=said[2])
    card = found.card if units.clusters is None else replace(found.card, clusters_treated=said[1],
                                                             clusters_comparison=said[2])
    more = [] if units.clusters is None else few_for_large_samples(said[0])
    plain: Estimate = make_estimate(
        outcome=units.outcome, term=units.treatment, method=found.method, estimand=found.estimand,
        inference=found.inference, counts=counts, vcov=found.vcov, card=card, base=_base(units, found),
        question=_question(found, treated, lost), assumptions=ASSUMPTIONS, transform=units.transform,
        outcome_sd=spread(units.y[used & (treated == 0)]), dropped=rows.dropped,
        caveats=[*_caveats(units, found, lost), *more],
        share=units.share, details=(*found.details, ("effective_comparison", sample.effective_size(0))))
    return MatchedEstimate(**{f.name: getattr(plain, f.name) for f in fields(plain)}, matched=sample)


def _drop(rows: Selection, positions: Codes, mask: Mask, reason: str, text: str) -> None:
    whole = np.zeros(len(rows.kept), dtype=bool)
    whole[positions[mask]] = True
    rows.drop(whole, reason, text)


def _beyond(found: Found, treated: Array) -> tuple[Why, ...]:
    """Units compared although nobody of the other arm stands as far out as they do."""
    place = found.score if found.score is not None else None if found.place is None else found.place.value
    if place is None:
        return ()
    out = outside_support(place, treated, found.estimand)
    out = out[(found.weights[out] != 0) & ~found.lost[out]]
    return ((KEPT, BEYOND if found.place is None or found.place.chance else TOLD_APART, out),) if len(out) else ()


def _focal(estimand: str, treated: Array) -> int:
    return {"att": int(treated.sum()), "atc": int((1 - treated).sum())}.get(estimand, len(treated))


def _question(found: Found, treated: Array, lost: Mask) -> str:
    question = QUESTIONS[found.estimand]
    if not lost.any():
        return question
    whole = _focal(found.estimand, treated)
    return f"{question} and have a counterpart to be compared with ({whole - int(lost.sum())} of {whole})"


def _caveats(units: Units, found: Found, lost: Mask) -> list[Caveat]:
    caveats = [Caveat(code="selection_on_observables", text="Not randomised: participants and the others were "
                      "matched on the measured traits only; what was not measured, or not matched well, may still differ."),
               *units.caveats()]
    if units.clusters is None and (found.vcov == "AI" or found.method not in PAIRED):
        caveats += few_units(MatchedSample(frame=units.rows.data, rows=np.flatnonzero(units.rows.kept),
                                           treated=units.treated, weights=found.weights, score=None))
    gone, whole, who = int(lost.sum()), _focal(found.estimand, units.treated), WHO[found.estimand]
    if gone and found.limit:
        caveats.append(Caveat(
            code=f"{found.estimand}_of_matched", text=f"{gone} of {whole} {who} have no counterpart {found.limit} and are "
            f"left out: the number speaks of the other {whole - gone}, not of all {who}.",
            values=(("units", gone), ("of", whole))))
        if whole - gone < FEW_CLUSTERS:
            caveats.append(Caveat(
                code="few_matched", text=f"Only {whole - gone} of {whole} {who} are left {found.limit}: too few to say "
                "anything by. Widen the caliper or the bins, or match exactly on fewer columns.",
                values=(("units", whole - gone), ("of", whole))))
    elif gone:
        caveats.append(Caveat(code="unmatched", text=f"{gone} units have no match: the number is for the matched "
                              "ones only.", values=(("units", gone),)))
    return [*caveats, *found.caveats]


def _base(units: Units, found: Found) -> Counterfactual:
    """Mean without the programme, and its rough error, for the per cent."""
    y, treated, weights = units.y, units.treated, found.weights
    label, zero = LABELS[found.estimand], (treated == 0) & (weights > 0)
    if found.estimand == "att":
        arm = y[(treated == 1) & (weights > 0)]
        mean, error = float(arm.mean()) - found.inference.estimate, _error(arm)
    else:
        mean, error = float(np.average(y[zero], weights=weights[zero])), _error(y[zero])
    if units.transform == "log":
        mean, error, label = float(np.exp(mean)), 0.0, f"{label} (geometric mean)"
    return Counterfactual(mean=mean, std_error=error, label=label)


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")

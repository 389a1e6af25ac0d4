"""Comparison within strata: exact and coarsened exact matching, and subclasses of the propensity score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import holds_words, listed, number_problem
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array, Codes
from impact.inference.sandwich import CLUSTERED
from impact.matching.assembly import (
    Found,
    check_vcov,
    left_unequal,
    matched_estimate,
    set_card,
    set_inference,
    set_weights,
)
from impact.matching.distance import metric_of
from impact.matching.sample import MatchedEstimate
from impact.matching.support import standing
from impact.matching.units import QUESTIONS, Units, as_numbers, cells_of, check_choice, joint_codes, select_units
from impact.results import Caveat

if TYPE_CHECKING:
    import pandas as pd

    from impact.matching.propensity import PropensityScore

Bins = str | int | Sequence[float]
MOST_IN_STRATUM = 20  # units; by simulation (matching_simulation.csv) strata of 8 hold, strata of 80 cover 0.99
AUTOMATIC = "sturges"
AS_IT_IS = "exact"


def exact(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], estimand: str = "att",
          vcov: str | None = None, cluster: str | None = None, transform: str = "none",
          conf_level: float = 0.95) -> MatchedEstimate:
    """Compare units that are equal in every covariate.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit. treatment : column of 1 (took part) and 0 (did not).
    covariates : columns measured before treatment, numbers or text; rows with a missing value are left out and counted.
    estimand : "att" (those who took part), "atc" (the others) or "ate" (all): whose share of each stratum is its weight.
    vcov : None clusters errors by stratum (CR1S, df strata − 1); any of classical, HC0 … CR3 by name.
    cluster : column of those who were chosen together (villages): errors are then clustered by stratum and by it.
    transform : "none" or "log".
    conf_level : a share.

    Returns
    -------
    MatchedEstimate
        ``.matched.sets`` numbers the strata. Strata of one arm only are left out, and the estimate says of how many units
        it then speaks.

    Raises
    ------
    DataError
        Missing columns, a treatment that is not 0/1.
    DesignError
        One arm only, or no stratum with units of both.

    Notes
    -----
    Estimand: the effect on the units in strata with both arms; assumes that within a stratum who took part is unrelated to
    how they would have fared. Comparison units count n1/n0 of their stratum for the att. Errors: Abadie & Spiess (2022,
    JASA 117). Reference case: match_lalonde_exact (R MatchIt 4.7.1).
    """
    check_choice("estimand", estimand, tuple(QUESTIONS))
    units = select_units(data, outcome=outcome, treatment=treatment, covariates=covariates, transform=transform,
                         numeric=False, cluster=cluster)
    strata = cells_of(units.rows, units.covariates)
    return _within(units, strata, "exact", estimand, vcov, conf_level, limit=f"of the same {listed(units.covariates)}",
                   r_call=f'MatchIt::matchit(d ~ x, method = "exact", estimand = "{estimand.upper()}")')


def coarsened_exact(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], estimand: str = "att",
                    bins: Bins | Mapping[str, Bins] = AUTOMATIC, vcov: str | None = None, cluster: str | None = None,
                    transform: str = "none", conf_level: float = 0.95) -> MatchedEstimate:
    """Compare units whose covariates fall into the same bins.

    Parameters
    ----------
    data, outcome, treatment, covariates, estimand, vcov, cluster, transform, conf_level
        As :func:`impact.matching.exact`.
    bins : for all numeric covariates, or by name: "sturges" (1 + log2 n bins of equal width, rounded up, the automatic
        rule), a number of bins of equal width, a list of cut points in the covariate's unit (a value equal to a cut point
        belongs above it), or "exact". A covariate not named is automatic; text is always exact.

    Returns
    -------
    MatchedEstimate
        As :func:`impact.matching.exact`; ``details`` holds the bins of each covariate.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.matching.exact`; bins that name no covariate, or bin text.

    Notes
    -----
    Assumes that, within bins, who took part is unrelated to how they would have fared.
    Iacus, King & Porro (2012, Political Analysis 20). Coarser bins keep more units and leave them less alike: the choice is
    the analyst's, and made before outcomes are seen. Reference cases: match_lalonde_cem, match_lalonde_cem_cut (R MatchIt
    4.7.1).
    """
    check_choice("estimand", estimand, tuple(QUESTIONS))
    units = select_units(data, outcome=outcome, treatment=treatment, covariates=covariates, transform=transform,
                         numeric=False, cluster=cluster)
    rules = _rules(units, bins)
    codes, said = [], []
    for name in units.covariates:
        rule = rules[name]
        codes.append(units.rows.codes(name) if rule == AS_IT_IS else _binned(units.rows.numbers(name), rule, len(units.y)))
        said.append((f"bins {name}", rule if isinstance(rule, str | int) else tuple(float(x) for x in rule)))
    return _within(units, joint_codes(codes), "coarsened_exact", estimand, vcov, conf_level,
                   limit="in the same bins of the covariates", details=tuple(said),
                   r_call=f'MatchIt::matchit(d ~ x, method = "cem", estimand = "{estimand.upper()}"'
                          f"{_cutpoints({c: b for c, b in rules.items() if not holds_words(units.rows.data, c)})})")


def subclassification(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str],
                      estimand: str = "att", classes: int = 6, vcov: str | None = None,
                      score: PropensityScore | None = None, cluster: str | None = None, transform: str = "none",
                      conf_level: float = 0.95) -> MatchedEstimate:
    """Compare units within classes of the propensity score.

    Parameters
    ----------
    data, outcome, treatment, estimand, vcov, cluster, transform, conf_level
        As :func:`impact.matching.exact`.
    covariates : columns measured before treatment; text becomes one yes/no column for each of its words.
    score : as :func:`impact.matching.nearest_neighbour`.
    classes : how many, cut at quantiles of the scores of the units the estimand speaks of.

    Returns
    -------
    MatchedEstimate
        As :func:`impact.matching.exact`; ``.matched.score`` is the score.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.matching.nearest_neighbour`.

    Notes
    -----
    Assumes that, given the score, who took part is unrelated to how they would have fared.
    Rosenbaum & Rubin (1984, JASA 79). Units of one class still differ: five or six classes take away most, not all, of the
    difference in the score. A class without units of both arms is left out and counted. Errors are clustered by class,
    with few degrees of freedom; the score is treated as known. Reference case: match_lalonde_subclass6 (R MatchIt 4.7.1).
    """
    check_choice("estimand", estimand, tuple(QUESTIONS))
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise ValueError("classes must be a whole number of at least 2")
    units = select_units(data, outcome=outcome, treatment=treatment, covariates=covariates, transform=transform,
                         cluster=cluster, score=score)
    chance = metric_of("propensity", units).probability
    if chance is None:
        raise ValueError("subclassification needs a score")
    about = {"att": chance[units.treated == 1], "atc": chance[units.treated == 0]}.get(estimand, chance)
    inner = np.unique(np.quantile(about, np.linspace(0, 1, classes + 1)[1:-1]))
    strata = np.searchsorted(inner, chance, side="right").astype(np.int64)
    return _within(units, strata, "subclassification", estimand, vcov, conf_level, limit="in their class of the score",
                   score=chance, details=(("classes", len(inner) + 1),),
                   r_call=f'MatchIt::matchit(d ~ x, method = "subclass", subclass = {classes}, '
                          f'estimand = "{estimand.upper()}"{", distance = p" if score else ""})')


def _rules(units: Units, bins: Bins | Mapping[str, Bins]) -> dict[str, Bins]:
    """The rule of each covariate, checked; all problems at once."""
    given = dict(bins) if isinstance(bins, Mapping) else {}
    common: Bins = AUTOMATIC if isinstance(bins, Mapping) else bins
    problems = [Problem(where="bins", what=f"'{name}' is not one of the covariates",
                        cure=f"Covariates: {listed(units.covariates)}.") for name in given if name not in units.covariates]
    out: dict[str, Bins] = {}
    for name in units.covariates:
        text = number_problem(units.rows.data, name)
        rule = given.get(name, AS_IT_IS if text is not None else common)
        _check_rule(name, rule)
        if text is not None and (rule != AS_IT_IS or not holds_words(units.rows.data, name)):
            problems.append(text)
        out[name] = rule
    if problems:
        raise DataError(problems, source="design")
    return out


def _cutpoints(rules: Mapping[str, Bins]) -> str:
    """The bins of numbers as R MatchIt takes them: 0 is exact, and what is not named automatic."""
    said = []
    for name, rule in rules.items():
        if isinstance(rule, str):
            said += [f"{name} = 0"] if rule == AS_IT_IS else []
        elif isinstance(rule, int):
            said.append(f"{name} = {rule}")
        else:
            said.append(f"{name} = c({', '.join(f'{p:.12g}' for p in rule)})")
    return f", cutpoints = list({', '.join(said)})" if said else ""


def _check_rule(name: str, rule: Bins) -> None:
    wrong = ValueError(f"bins of {name} must be 'sturges', 'exact', a number of at least 2 or a list of cut points in "
                       f"rising order, not {rule!r}")
    if isinstance(rule, str):
        if rule not in (AUTOMATIC, AS_IT_IS):
            raise wrong
    elif isinstance(rule, bool | float) or (isinstance(rule, int) and rule < 2):
        raise wrong
    elif not isinstance(rule, int):
        points = np.asarray(rule, dtype=float)
        if points.ndim != 1 or not len(points) or not np.isfinite(points).all() or (np.diff(points) <= 0).any():
            raise wrong


def _binned(values: Array, rule: Bins, n: int) -> Codes:
    """Bin of each value: intervals closed below, the last closed on both sides."""
    if isinstance(rule, str | int):
        count = math.ceil(1 + math.log2(n)) if isinstance(rule, str) else rule
        points = np.linspace(values.min(), values.max(), count + 1)[1:-1]
    else:
        points = np.asarray(rule, dtype=float)
    return np.searchsorted(points, values, side="right").astype(np.int64)


def _counted(units: Units) -> Units:
    """Lay covariates that are compared as they stand out as numbers too, where they are numbers that vary."""
    if units.columns:
        return units
    names = [c for c in units.covariates if number_problem(units.rows.data, c) is None and c not in units.left_out]
    return replace(units, columns=tuple(names), x=as_numbers(units.rows, names, ())[0]) if names else units


def _within(units: Units, strata: Codes | None, method: str, estimand: str, vcov: str | None, conf_level: float, *,
            limit: str, r_call: str, score: Array | None = None,
            details: tuple[tuple[str, Any], ...] = ()) -> MatchedEstimate:
    """Weight, estimate and report any comparison within strata."""
    kind = check_vcov(vcov, units.cluster)
    units = _counted(units)
    place = None if score is not None or not units.columns else standing(units.x, units.treated, list(units.columns))
    if strata is None:
        raise ValueError("there are no strata")
    treated = units.treated
    codes = np.unique(strata, return_inverse=True)[1].ravel()
    one, zero = (np.bincount(codes, weights=treated == arm, minlength=int(codes.max()) + 1) for arm in (1, 0))
    both = (one > 0) & (zero > 0)
    if not both.any():
        raise DesignError(Problem(where="covariates", what=f"none of the {len(both)} strata has units of both arms",
                                  cure="Match on fewer covariates, or on wider bins."), source="design")
    number = np.where(both, np.cumsum(both) - 1, -1)
    sets = number[codes].astype(np.int64)
    weights = set_weights(sets, treated, estimand)
    focal = np.ones(len(sets), dtype=bool) if estimand == "ate" else treated == (1 if estimand == "att" else 0)
    lost = focal & (sets < 0)
    alone = np.flatnonzero(lost).astype(np.int64)
    why = (("no_counterpart_in_stratum", "nobody of the other arm in its stratum", alone),) if len(alone) else ()
    held = int((sets >= 0).sum()) / int(both.sum())
    caveats = left_unequal(units, weights, None, least=1)
    caveats += (Caveat(code="large_strata", text=f"The strata hold {held:.0f} units on average, and the error counts "
                      "differences between strata as chance: with so large strata the interval is usually too wide.",
                      values=(("units", held),)),) if kind in CLUSTERED and held > MOST_IN_STRATUM else ()
    card = set_card(kind, "stratum", int(both.sum()), "no bias adjustment", r_call, units)
    return matched_estimate(units, Found(
        method=method, estimand=estimand, vcov=kind, card=card, weights=weights, sets=sets, lost=lost, why=why, limit=limit,
        inference=set_inference(units.y, treated, sets, weights, None, kind, conf_level, units.clusters),
        score=score, place=place, caveats=caveats,
        details=(("strata", int(both.sum())), ("strata_of_one_arm", int((~both).sum())), *details)))

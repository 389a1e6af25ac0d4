"""Where units stand: coordinates whose Euclidean distance is the distance declared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from impact.inference.linear import Array
from impact.matching.score import Score, propensity
from impact.matching.support import Standing, standing
from impact.matching.units import Given, Units, check_choice, need_enough_units

DISTANCES = ("propensity", "linear_propensity", "mahalanobis", "robust_mahalanobis", "standardised_euclidean")
SCORES = ("propensity", "linear_propensity")
EDGE = 1e-9  # a learner may give 0 or 1, whose log odds are none
CALIPER_UNITS = ("sd", "units")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Coordinates of units.

    Attributes
    ----------
    coordinates : (n, p).
    score : fitted score, or None where the distance uses none.
    largest_first : (n,) who chooses first without replacement.
    unit : length of one coordinate in the unit of the distance: the score's standard deviation, else 1.
    """

    coordinates: Array
    score: Score | None
    largest_first: Array
    unit: float = 1.0
    place: Standing | None = None

    @property
    def probability(self) -> Array | None:
        """The score of each unit, where there is one."""
        return None if self.score is None else self.score.probability


def metric_of(distance: str, units: Units) -> Metric:
    """Lay units out in the metric declared.

    Notes
    -----
    Mahalanobis: covariance within the arms, pooled, generalised inverse, as R MatchIt 4. Robust: ranks, with the spread of
    tied ranks scaled up to that of untied ones, so that neither outliers nor rare traits rule (Rosenbaum 2010, Design of
    Observational Studies, section 9.3).
    """
    check_choice("distance", distance, DISTANCES)
    if units.given is None:
        need_enough_units(units)
    treated = units.treated
    if distance in SCORES:
        score = propensity(units.x, treated, list(units.columns)) if units.given is None else as_given(units.given)
        value = score.probability if distance == "propensity" else score.linear
        unit = float(value.std(ddof=1))
        if unit <= 0:  # covariates that say nothing: everybody stands on one spot
            unit = 1.0
        return Metric(coordinates=(value / unit)[:, None], score=score, largest_first=value, unit=unit)
    if distance == "standardised_euclidean":
        z = (units.x - units.x.mean(axis=0)) / units.x.std(axis=0, ddof=1)
    elif distance == "robust_mahalanobis":
        z = _ranked(units.x)
    else:
        z = whitened(units.x, treated)
    place = standing(units.x, treated, list(units.columns))  # no distance makes up for nobody being alike
    far = [((z - z[treated == arm].mean(axis=0)) ** 2).sum(axis=1) for arm in (0, 1)]
    return Metric(coordinates=z, score=None, largest_first=np.where(treated == 1, far[0], -far[1]), place=place)


def as_given(chance: Array) -> Score:
    """Take a score estimated elsewhere: (n,) chances between 0 and 1."""
    inside = np.clip(chance, EDGE, 1.0 - EDGE)
    return Score(probability=chance, linear=np.log(inside / (1.0 - inside)))


def check_score(given: Given | None, distance: str) -> None:
    """Refuse a score that the distance does not use."""
    if given is not None and distance not in SCORES:
        raise ValueError(f"score is for distance= {' and '.join(SCORES)}: {distance!r} does not use it")


def whitened(x: Array, treated: Array) -> Array:
    """Rotate and scale covariates so that Euclidean distance is Mahalanobis distance within the arms."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    within = x - np.where(treated[:, None] == 1, x[treated == 1].mean(axis=0), x[treated == 0].mean(axis=0))
    return _scaled(x, within.T @ within / max(len(x) - 2, 1))


def _ranked(x: Array) -> Array:
    ranks = stats.rankdata(x, axis=0)
    ranks = ranks - ranks.mean(axis=0)
    untied = np.arange(1, len(x) + 1).std(ddof=1)
    inflate = untied / ranks.std(axis=0, ddof=1)
    cov = ranks.T @ ranks / (len(x) - 1) * np.outer(inflate, inflate)
    return _scaled(ranks, cov)


def _scaled(x: Array, cov: Array) -> Array:
    """Coordinates x V^(-1/2), with the generalised inverse where V is singular."""
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    keep = values > values.max() * 1e-10
    return np.asarray(x @ vectors[:, keep] / np.sqrt(values[keep]))


def caliper_of(caliper: float | None, caliper_unit: str, metric: Metric) -> float | None:
    """Express a caliper in coordinates."""
    if caliper is None:
        return None
    return float(caliper) / (metric.unit if caliper_unit == "units" else 1.0)


def check_caliper(caliper: float | None, caliper_unit: str) -> None:
    """Refuse a caliper that is no distance."""
    check_choice("caliper_unit", caliper_unit, CALIPER_UNITS)
    if caliper is not None and (isinstance(caliper, bool) or not isinstance(caliper, int | float) or not caliper > 0):
        raise ValueError("caliper must be above 0")

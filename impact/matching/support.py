"""Common support: who has a like on the other side, and covariates that leave nobody one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from impact.errors import DesignError
from impact.inference.estimating import separating, separation
from impact.inference.linear import Array, Codes
from impact.inference.report import FEW_CLUSTERS
from impact.matching.score import LARGEST_SEARCH, propensity, separated

BEYOND = "kept, with a chance of taking part beyond that of every unit of the other side"
TOLD_APART = "kept, told apart by its covariates from every unit of the other side"
MANY = FEW_CLUSTERS  # units on each side from which complete separation is refused
RARE = 0.01  # covariates that tell the sides apart together are refused where chance would do so more rarely
SURE = 15.0  # log odds beyond which a fitted score is examined for perfect separation


@dataclass(frozen=True, slots=True)
class Standing:
    """Where each unit stands on the way from the comparison to the treated, (n,); ``chance`` where it is a fitted score."""

    value: Array
    chance: bool


def standing(covariates: Array, treated: Array, names: list[str]) -> Standing | None:
    """Place units by a logit of their covariates, or by the direction that tells a part of them apart without error.

    Parameters
    ----------
    covariates : (n, p) that vary. treated : (n,) of 0 and 1. names : (p,).

    Returns
    -------
    Standing or None
        None where no logit exists and the table is too large to search for the direction.

    Raises
    ------
    DesignError
        When the covariates, alone or together, tell all treated from all comparison units, and both sides hold at least
        ``MANY`` units: nobody has a like. They are named. With fewer units, or so many covariates together that ``RARE`` is
        passed, chance alone may do so: such units are named as told apart, and too few units are said of any estimate.

    Notes
    -----
    Chance: Cover (1965, IEEE Transactions on Electronic Computers 14), the share of all ways of dividing n points in
    general position in p dimensions that a plane can make; 13 units and 3 covariates 7 per cent, 100 units next to none.
    Albert & Anderson (1984, Biometrika 71): complete separation is refused; where only a part is told apart, a method
    without a score may still compare the rest, and that part stands beyond the other side's range.
    """
    try:
        score = propensity(covariates, treated, names)
        if np.abs(score.linear).max() <= SURE:
            return Standing(score.probability, True)
    except DesignError:
        score = None
    scale = covariates.std(axis=0)
    many = min(treated.sum(), (1 - treated).sum()) >= MANY
    z = (covariates - covariates.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    if z.size > LARGEST_SEARCH:
        found = [j for j in range(z.shape[1]) if _apart(z[:, j], treated)]
        if found and many:
            raise separated([names[j] for j in found])
        return None if score is None else Standing(score.probability, True)
    direction, complete = separation(z, treated)
    if complete and many:
        alone = [j for j in range(z.shape[1]) if _apart(z[:, j], treated)]
        if alone or by_chance(*z.shape) < RARE:
            raise separated([names[j] for j in alone or separating(z, treated)])
    if direction is None:
        return None if score is None else Standing(score.probability, True)
    return Standing(np.round(direction, 7), False)


def by_chance(units: int, covariates: int) -> float:
    """Share of the ways of dividing units into two sides that covariates together tell apart (Cover 1965, equation 5)."""
    ways = sum(math.comb(units - 1, k) for k in range(min(covariates, units - 1) + 1))
    return float(ways / 2 ** (units - 1))


def _apart(column: Array, treated: Array) -> bool:
    one, zero = column[treated == 1], column[treated == 0]
    return bool(one.min() > zero.max() or one.max() < zero.min())


def outside_support(place: Array, treated: Array, estimand: str) -> Codes:
    """Find units the estimand speaks of that stand outside the other arm's range: positions."""
    out = np.zeros(len(place), dtype=bool)
    for arm in {"att": (1,), "atc": (0,)}.get(estimand, (1, 0)):
        other = place[treated != arm]
        out |= (treated == arm) & ((place < other.min()) | (place > other.max()))
    return np.flatnonzero(out).astype(np.int64)

"""Who is matched to whom: nearest neighbours in a metric, ties averaged, or greedy pairs without replacement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from impact.inference.linear import Array, Codes

TIE = 1e-10  # distances this near to each other, relative to the spread, are the same
BLOCK = 4_000_000  # numbers held in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Weights of donors for each focal unit.

    Attributes
    ----------
    weights : sparse (focal × donors); each non-empty row sums to 1.
    numbers : (focal,) how many donors each focal unit has, ties included.
    with_ties : how many focal units have more donors than asked for.
    """

    weights: sparse.csr_matrix
    numbers: Codes
    with_ties: int

    @property
    def found(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which focal units have a match."""
        return self.numbers > 0


def nearest(focal: Array, donors: Array, count: int, *, caliper: float | None = None,
            focal_cell: Codes | None = None, donor_cell: Codes | None = None, self_match: bool = False) -> Matches:
    """Find the nearest donors of each focal unit with replacement, ties averaged.

    Parameters
    ----------
    focal, donors : (f, p) and (d, p) coordinates; distance is Euclidean.
    count : neighbours wanted; all donors as near as the last one are kept and share the weight.
    caliper : largest distance allowed, in the coordinates' unit.
    focal_cell, donor_cell : codes that must be equal (exact matching).
    self_match : whether the two sets are the same units, so that a unit is not its own neighbour.
    """
    rows, cols, vals = [], [], []
    numbers = np.zeros(len(focal), dtype=np.int64)
    ties = 0
    step = max(1, BLOCK // max(1, len(donors) * focal.shape[1]))
    for start in range(0, len(focal), step):
        part = focal[start:start + step]
        gaps = np.sqrt(np.maximum(((part[:, None, :] - donors[None, :, :]) ** 2).sum(axis=2), 0.0))
        if self_match:
            gaps[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        if focal_cell is not None and donor_cell is not None:
            gaps[focal_cell[start:start + step, None] != donor_cell[None, :]] = np.inf
        if caliper is not None:
            gaps[gaps > caliper] = np.inf
        wanted = min(count, gaps.shape[1])
        last = np.partition(gaps, wanted - 1, axis=1)[:, wanted - 1]
        near = (gaps <= np.where(np.isfinite(last), last + TIE, np.inf)[:, None]) & np.isfinite(gaps)
        size = near.sum(axis=1)
        numbers[start:start + step] = size
        ties += int((size > count).sum())
        r, c = np.nonzero(near)
        rows.append(r + start)
        cols.append(c)
        vals.append(_tie_weights(gaps, near, last, count)[r, c])
    shape = (len(focal), len(donors))
    weights = sparse.csr_matrix((np.concatenate(vals), (np.concatenate(rows), np.concatenate(cols))), shape=shape)
    return Matches(weights=weights, numbers=numbers, with_ties=ties)


def _tie_weights(gaps: Array, near: np.ndarray[tuple[int, int], np.dtype[np.bool_]], last: Array,
                 count: int) -> Array:
    """Equal weight for every donor kept, as Abadie & Imbens (2006) and R Matching do."""
    size = np.maximum(near.sum(axis=1), 1)
    return np.where(near, 1.0 / size[:, None], 0.0)


def greedy_pairs(focal: Array, donors: Array, order: Codes, count: int, *, caliper: float | None = None,
                 focal_cell: Codes | None = None, donor_cell: Codes | None = None) -> Matches:
    """Match without replacement, one focal unit after the other; an earlier match is never undone.

    Parameters
    ----------
    order : the order in which focal units choose. Equal distances go to the donor that stands first in the data.
    """
    free = np.ones(len(donors), dtype=bool)
    rows, cols, vals = [], [], []
    numbers = np.zeros(len(focal), dtype=np.int64)
    taken: list[list[int]] = [[] for _ in range(len(focal))]
    for _ in range(count):
        for i in order:
            allowed = free if focal_cell is None or donor_cell is None else free & (donor_cell == focal_cell[i])
            candidates = np.flatnonzero(allowed)
            if not len(candidates):
                continue
            gaps = np.sqrt(((donors[candidates] - focal[i]) ** 2).sum(axis=1))
            j = int(np.argmin(gaps))
            if caliper is not None and gaps[j] > caliper:
                continue
            taken[i].append(int(candidates[j]))
            free[candidates[j]] = False
    for i, mine in enumerate(taken):
        numbers[i] = len(mine)
        rows += [i] * len(mine)
        cols += mine
        vals += [1.0 / max(len(mine), 1)] * len(mine)
    weights = sparse.csr_matrix((vals, (rows, cols)), shape=(len(focal), len(donors)))
    return Matches(weights=weights, numbers=numbers, with_ties=0)

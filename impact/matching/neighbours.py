"""Who is matched to whom: nearest neighbours in a metric, ties averaged, or greedy pairs without replacement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes

TIE = 1e-10  # distances this near to each other, relative to the spread, are the same
BLOCK = 4_000_000  # numbers held in memory at once
MOST_TIES = 100_000_000  # matches kept at most: beyond it the covariates do not tell units apart

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Weights of donors for each focal unit.

    Attributes
    ----------
    weights : sparse (focal × donors); each non-empty row sums to 1.
    numbers : (focal,) how many donors each focal unit has, ties included.
    with_ties : how many focal units have more donors than asked for.
    by_order : how many donors were preferred to an equally near one only because they stand first in the data.
    """

    weights: sparse.csr_matrix
    numbers: Codes
    with_ties: int
    by_order: int = 0

    @property
    def found(self) -> Mask:
        """Which focal units have a match."""
        return self.numbers > 0


def cells_in_common(focal_cell: Codes | None, donor_cell: Codes | None, focal: int,
                    donors: int) -> Iterator[tuple[Codes, Codes]]:
    """Positions of focal units and donors, one exact group after the other; one group where none is declared."""
    if focal_cell is None or donor_cell is None:
        yield np.arange(focal, dtype=np.int64), np.arange(donors, dtype=np.int64)
        return
    by_focal, by_donor = np.argsort(focal_cell, kind="stable"), np.argsort(donor_cell, kind="stable")
    for cell in np.intersect1d(focal_cell, donor_cell):
        ends = [np.searchsorted(codes[order], [cell, cell + 1]) for codes, order in (
            (focal_cell, by_focal), (donor_cell, by_donor))]
        yield by_focal[slice(*ends[0])].astype(np.int64), by_donor[slice(*ends[1])].astype(np.int64)


def nearest(focal: Array, donors: Array, count: int, *, caliper: float | None = None,
            focal_cell: Codes | None = None, donor_cell: Codes | None = None, self_match: bool = False,
            own: Codes | None = None, tolerance: float = 0.0) -> Matches:
    """Find the nearest donors of each focal unit with replacement, ties averaged.

    Parameters
    ----------
    focal, donors : (f, p) and (d, p) coordinates; distance is Euclidean.
    count : neighbours wanted; all donors as near as the last one are kept and share the weight.
    caliper : largest distance allowed, in the coordinates' unit.
    focal_cell, donor_cell : codes that must be equal (exact matching).
    self_match : whether the two sets are the same units, so that a unit is not its own neighbour.
    own : (f,) position of each focal unit among the donors, where it is one of them.
    tolerance : squared distances this much beyond the last one's count as equally near.

    Notes
    -----
    A KD-tree, searched in blocks, so that memory does not grow with the product of the two sets. Every donor as near as
    the last one is weighted equally, as Abadie & Imbens (2006) and R Matching do.
    """
    if self_match and own is None:
        own = np.arange(len(focal), dtype=np.int64)
    parts: list[tuple[Codes, Codes]] = []
    total = 0
    for mine, theirs in cells_in_common(focal_cell, donor_cell, len(focal), len(donors)):
        tree = cKDTree(donors[theirs])
        step = max(1, BLOCK // max(1, (count + 2) * focal.shape[1]))
        for start in range(0, len(mine), step):
            part = mine[start:start + step]
            r, c = _search(tree, focal[part], count, caliper, None if own is None else own[part], tolerance)
            total += len(r)
            _refuse_many(total)
            parts.append((part[r], theirs[c]))
    rows = np.concatenate([r for r, _ in parts]) if parts else np.empty(0, dtype=np.int64)
    cols = np.concatenate([c for _, c in parts]) if parts else np.empty(0, dtype=np.int64)
    numbers = np.bincount(rows, minlength=len(focal)).astype(np.int64)
    weights = sparse.csr_matrix((1.0 / numbers[rows], (rows, cols)), shape=(len(focal), len(donors)))
    return Matches(weights=weights, numbers=numbers, with_ties=int((numbers > count).sum()))


def _search(tree: cKDTree, points: Array, count: int, caliper: float | None, own: Codes | None,
            tolerance: float) -> tuple[Codes, Codes]:
    """Rows and columns of the nearest donors of a block of points, every tie included."""
    n = tree.n
    wanted = min(count + 1 + (own is not None), n)
    gaps, who = tree.query(points, k=list(range(1, wanted + 1)))
    if own is not None:
        gaps = np.where(who == own[:, None], np.inf, gaps)
        order = np.argsort(gaps, axis=1, kind="stable")
        gaps, who = np.take_along_axis(gaps, order, axis=1), np.take_along_axis(who, order, axis=1)
    finite = np.isfinite(gaps)
    last = np.take_along_axis(gaps, np.minimum(count, np.maximum(finite.sum(axis=1), 1))[:, None] - 1, axis=1)[:, 0]
    reach = np.sqrt(last**2 + tolerance) + TIE
    reach = reach if caliper is None else np.minimum(reach, caliper)
    near = finite & (gaps <= reach[:, None])
    # the list may have cut off further ties where even its farthest entry is as near as the last one wanted
    farthest = np.where(finite, gaps, -np.inf).max(axis=1)
    cut = (farthest <= reach) if wanted < n else np.zeros(len(points), dtype=bool)
    near[cut] = False
    r, k = np.nonzero(near)
    c = who[r, k]
    again = np.flatnonzero(cut & (last <= reach))
    if len(again):
        more_r, more_c = _balls(tree, points[again], reach[again])
        more_r = again[more_r]
        if own is not None:
            other = more_c != own[more_r]
            more_r, more_c = more_r[other], more_c[other]
        r, c = np.concatenate([r, more_r]), np.concatenate([c, more_c])
    return r.astype(np.int64), c.astype(np.int64)


def _balls(tree: cKDTree, points: Array, reach: Array) -> tuple[Codes, Codes]:
    """Rows and columns of every donor within reach of each point; counted first, since ties may be many."""
    sizes = np.asarray(tree.query_ball_point(points, reach, return_length=True), dtype=np.int64)
    _refuse_many(int(sizes.sum()))
    found = []
    for part in np.split(np.arange(len(points)), np.flatnonzero(np.diff(np.cumsum(sizes) // BLOCK)) + 1):
        lists = tree.query_ball_point(points[part], reach[part], return_sorted=True)
        found.append(np.concatenate([np.asarray(x, dtype=np.int64) for x in lists]))
    return np.repeat(np.arange(len(points)), sizes), np.concatenate(found)


def _refuse_many(total: int) -> None:
    if total > MOST_TIES:
        raise DesignError(Problem(
            where="covariates", what="too many units are equally near to each other: the covariates do not tell them apart",
            cure="Match exactly or by strata, or add a covariate."), source="design")


def greedy_pairs(focal: Array, donors: Array, order: Codes, count: int, *, caliper: float | None = None,
                 focal_cell: Codes | None = None, donor_cell: Codes | None = None) -> Matches:
    """Match without replacement, one focal unit after the other; an earlier match is never undone.

    Parameters
    ----------
    order : the order in which focal units choose. Equal distances go to the donor that stands first in the data; how often
        that decided is counted in ``by_order``.

    Notes
    -----
    Exact in both cases: in one dimension donors stand in a sorted list from which those taken are unlinked, O(n log n);
    in several a KD-tree is asked for more neighbours until a free one is found, and is built anew when half are taken.
    """
    place = np.empty(len(focal), dtype=np.int64)
    place[order] = np.arange(len(order))
    rows: list[int] = []
    cols: list[int] = []
    arbitrary = 0
    for members, theirs in cells_in_common(focal_cell, donor_cell, len(focal), len(donors)):
        mine = members[np.argsort(place[members], kind="stable")]
        pick = _Line(donors[theirs, 0]) if focal.shape[1] == 1 else _Space(donors[theirs])
        for _ in range(count):
            for i in mine.tolist():
                j = pick.take(focal[i], caliper)
                if j >= 0:
                    rows.append(i)
                    cols.append(int(theirs[j]))
        arbitrary += pick.by_order()
    who, whom = np.array(rows, dtype=np.int64), np.array(cols, dtype=np.int64)
    numbers = np.bincount(who, minlength=len(focal)).astype(np.int64)
    weights = sparse.csr_matrix((1.0 / numbers[who], (who, whom)), shape=(len(focal), len(donors)))
    return Matches(weights=weights, numbers=numbers, with_ties=0, by_order=arbitrary)


class _Line:
    """Free donors on a line, linked to the next free ones on either side.

    Places are whole multiples of :data:`TIE`, so that equal distances are equal, whatever the order of the rows.
    """

    def __init__(self, places: Array) -> None:
        self.origin = float(places.mean())
        grid = self._grid(places)
        self.values, group = np.unique(grid, return_inverse=True)
        self.queue = np.argsort(group, kind="stable").tolist()
        ends = np.cumsum(np.bincount(group))
        self.start = [0, *ends[:-1].tolist()]
        self.head, self.end = list(self.start), ends.tolist()
        self.place = self.values.tolist()
        size = len(self.place)
        self.left, self.right = list(range(size + 1)), list(range(size + 1))  # left counts from 1; its 0 is the end
        self.equidistant = 0

    def _grid(self, places: Array) -> Codes:
        return np.rint((places - self.origin) / TIE).astype(np.int64)

    def _find(self, links: list[int], i: int) -> int:
        while links[i] != i:
            links[i] = links[links[i]]
            i = links[i]
        return i

    def take(self, point: Array, caliper: float | None) -> int:
        """Take the nearest free donor; -1 where none is left or near enough."""
        at = int(self._grid(point)[0])
        k = int(np.searchsorted(self.values, at))
        high = self._find(self.right, k)
        low = self._find(self.left, k) - 1
        size = len(self.place)
        up = self.place[high] - at if high < size else None
        down = at - self.place[low] if low >= 0 else None
        if up is None and down is None:
            return -1
        tied = up == down
        if tied:
            self.equidistant += 1
        first_low = tied and self.queue[self.head[low]] < self.queue[self.head[high]]
        g = low if up is None or (down is not None and down < up) or first_low else high
        if caliper is not None and abs(self.place[g] - at) * TIE > caliper:
            return -1
        j = self.queue[self.head[g]]
        self.head[g] += 1
        if self.head[g] == self.end[g]:
            self.right[g] = g + 1
            self.left[g + 1] = g
        return int(j)

    def by_order(self) -> int:
        """Donors taken from a spot where another one is left over, and choices between two equally near spots."""
        taken = [h - s for s, h, e in zip(self.start, self.head, self.end, strict=True) if s < h < e]
        return int(sum(taken)) + self.equidistant


class _Space:
    """Free donors in several dimensions."""

    FIRST = 8

    def __init__(self, places: Array) -> None:
        self.places = places
        self.free = np.ones(len(places), dtype=bool)
        self.arbitrary = 0
        self._build()

    def _build(self) -> None:
        self.members = np.flatnonzero(self.free)
        self.tree = cKDTree(self.places[self.members]) if len(self.members) else None
        self.left = len(self.members)

    def take(self, point: Array, caliper: float | None) -> int:
        """Take the nearest free donor; -1 where none is left or near enough."""
        if self.left * 2 < len(self.members) or self.left == 0:
            self._build()
        if self.tree is None:
            return -1
        k = min(self.FIRST, self.tree.n)
        while True:
            gaps, who = self.tree.query(point, k=list(range(1, k + 1)))
            who = self.members[who]
            free = self.free[who]
            if k == self.tree.n or (free.any() and gaps[-1] > gaps[int(free.argmax())] + TIE):
                break
            k = min(4 * k, self.tree.n)
        gap = float(gaps[int(free.argmax())])
        if caliper is not None and gap > caliper:
            return -1
        same = who[free & (gaps <= gap + TIE)]
        self.arbitrary += len(same) > 1
        j = int(same.min())
        self.free[j] = False
        self.left -= 1
        return j

    def by_order(self) -> int:
        """Choices between equally near donors."""
        return self.arbitrary

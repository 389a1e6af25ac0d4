"""How treatment was drawn, as something that can be drawn again: strata, clusters, pairs, several arms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes

FEW = 4  # rows named in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A declared assignment.

    Attributes
    ----------
    cluster : (n,) codes 0 … G−1 of what was drawn; each row its own code where units were drawn.
    arm : (G,) 1 where drawn into treatment, 0 where not.
    stratum : (G,) codes of the blocks within which the number drawn is fixed.

    Pairs are strata of two. With several arms, give the units of two of them: which two arms a unit could have been in
    is then held fixed, and the test of their contrast stays exact.
    """

    cluster: Codes
    arm: Array
    stratum: Codes

    @property
    def groups(self) -> int:
        """Number of units or clusters drawn."""
        return len(self.arm)

    def count(self) -> float:
        """How many different draws there could have been (may be infinite to floating point)."""
        logs = 0.0
        for n, m in self._blocks():
            logs += math.lgamma(n + 1) - math.lgamma(m + 1) - math.lgamma(n - m + 1)
        if logs > 40:
            return math.inf
        return float(math.prod(math.comb(n, m) for n, m in self._blocks()))

    def _blocks(self) -> list[tuple[int, int]]:
        sizes = np.bincount(self.stratum)
        drawn = np.bincount(self.stratum, weights=self.arm)
        return [(int(n), round(m)) for n, m in zip(sizes, drawn, strict=True)]

    def every(self) -> Array:
        """All draws, (R, G), the observed one included once."""
        members = [np.flatnonzero(self.stratum == s) for s in range(int(self.stratum.max()) + 1)]
        choices = [list(combinations(rows, m)) for rows, (_, m) in zip(members, self._blocks(), strict=True)]
        out = np.zeros((math.prod(len(c) for c in choices), self.groups))
        for r, picked in enumerate(product(*choices)):
            for rows in picked:
                out[r, list(rows)] = 1.0
        return out

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Draw again ``count`` times, (count, G)."""
        out = np.zeros((count, self.groups))
        lines = np.arange(count)[:, None]
        for s, (n, m) in enumerate(self._blocks()):
            rows = np.flatnonzero(self.stratum == s)
            if m in (0, n):
                out[:, rows] = float(m > 0)
                continue
            picked = np.argpartition(rng.random((count, n)), m - 1, axis=1)[:, :m]
            out[lines, rows[picked]] = 1.0
        return out


def declared_draw(treated: Array, *, strata: Codes | None = None, clusters: Codes | None = None) -> Draw:
    """Describe the draw behind an observed assignment.

    Parameters
    ----------
    treated : (n,) of 0 and 1.
    strata, clusters : (n,) codes, or None.

    Raises
    ------
    DesignError
        When a cluster holds both arms or lies in two strata, or when every stratum has one arm: then nothing was drawn.
    """
    cluster = np.arange(len(treated), dtype=np.int64) if clusters is None else clusters
    groups = int(cluster.max()) + 1
    size = np.bincount(cluster, minlength=groups)
    arm = np.bincount(cluster, weights=treated, minlength=groups) / size
    stratum = np.zeros(groups, dtype=np.int64)
    problems = []
    mixed = np.flatnonzero((arm > 0) & (arm < 1))
    if len(mixed):
        problems.append(Problem(where="cluster", what=f"{len(mixed)} clusters hold both treated and comparison units "
                                f"({few_rows(np.isin(cluster, mixed))})",
                                cure="Name the level at which treatment was drawn."))
    if strata is not None:
        stratum[cluster] = strata
        split = np.unique(cluster[stratum[cluster] != strata])
        if len(split):
            problems.append(Problem(where="strata", what=f"{len(split)} clusters lie in more than one stratum "
                                    f"({few_rows(np.isin(cluster, split))})",
                                    cure="A cluster is drawn within one stratum: correct the column."))
        stratum = np.unique(stratum, return_inverse=True)[1].astype(np.int64)
    draw = Draw(cluster=cluster, arm=arm, stratum=stratum)
    if not problems and draw.count() < 2:
        problems.append(Problem(where="strata", what="every stratum has units of one arm only",
                                cure="Then no other draw was possible: there is nothing to compare with."))
    if problems:
        raise DesignError(problems, source="draw")
    return draw


def few_rows(rows: NDArray[np.bool_]) -> str:
    """Name rows of arrays, counted from 1 among the rows used; callers with a table name its own rows before."""
    places = np.flatnonzero(rows) + 1
    more = f" and {len(places) - FEW} more" if len(places) > FEW else ""
    return f"used rows {', '.join(str(place) for place in places[:FEW])}{more}"

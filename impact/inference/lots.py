"""Lots with more than two sides, or with a second lot inside each cluster, as something that can be drawn again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from impact.inference.linear import Array, Codes

WHOLE = 1e-9  # a number of units this near to a whole one is whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Lots:
    """A draw of a label for each cluster and, inside clusters, of a share of their rows.

    Attributes
    ----------
    cluster : (n,) codes 0 … G−1.
    label : (G,) what each cluster drew, 0 … L−1.
    share : (G,) share of the cluster's rows that drew the inner lot: 0 or 1 where there was none.
    stratum : (G,) codes of the blocks within which clusters were drawn.

    Clusters of a stratum trade their labels, each with the share that came about under it; inside a cluster as many rows
    are drawn as that share says. Where it says no whole number, it is rounded up or down by lot. Clusters of one size
    make this exactly the draw that was made; between others the number of rows drawn inside is that of the share.
    """

    cluster: Codes
    label: Codes
    share: Array
    stratum: Codes

    def count(self) -> float:
        """How many draws there could have been, all equally likely; infinite where sizes differ and they are not."""
        sizes, logs = np.bincount(self.cluster), 0.0
        for rows in self._blocks():
            inner = (self.share[rows] > 0) & (self.share[rows] < 1)
            if inner.any() and np.ptp(sizes[rows]) > 0:
                return math.inf
            times = np.unique(self._packages()[rows], return_counts=True)[1]
            logs += math.lgamma(len(rows) + 1) - sum(math.lgamma(t + 1) for t in times)
            for n, share in zip(sizes[rows], self.share[rows], strict=True):
                m = round(share * n)
                logs += math.lgamma(n + 1) - math.lgamma(m + 1) - math.lgamma(n - m + 1)
        return math.inf if logs > 40 else float(round(math.exp(logs)))

    def _blocks(self) -> list[Codes]:
        return [np.flatnonzero(self.stratum == s) for s in np.unique(self.stratum)]

    def _packages(self) -> Codes:
        """Number the different pairs of label and share."""
        pairs = np.column_stack([self.label, np.round(self.share, 12)])
        return np.unique(pairs, axis=0, return_inverse=True)[1].ravel().astype(np.int64)

    def every(self) -> Iterator[Codes]:
        """All draws as codes of rows, label · 2 + inner lot, the observed one included once."""
        packages, blocks = self._packages(), self._blocks()
        first = {int(p): int(np.flatnonzero(packages == p)[0]) for p in np.unique(packages)}
        members = [np.flatnonzero(self.cluster == g) for g in range(len(self.label))]
        for arranged in product(*(_arrangements(sorted(packages[rows].tolist())) for rows in blocks)):
            donor = np.zeros(len(packages), dtype=np.int64)
            for rows, drawn in zip(blocks, arranged, strict=True):
                donor[rows] = [first[p] for p in drawn]
            inside = (combinations(rows, round(self.share[d] * len(rows))) for rows, d in zip(members, donor, strict=True))
            for picked in product(*inside):
                codes = 2 * self.label[donor][self.cluster]
                codes[[row for rows in picked for row in rows]] += 1
                yield codes

    def sample(self, count: int, rng: np.random.Generator) -> Iterator[Codes]:
        """Draw again ``count`` times."""
        blocks, sizes = self._blocks(), np.bincount(self.cluster)
        start = np.cumsum(sizes) - sizes
        for _ in range(count):
            donor = np.zeros(len(self.label), dtype=np.int64)
            for rows in blocks:
                donor[rows] = rng.permutation(rows)
            asked = self.share[donor] * sizes + WHOLE
            whole = np.floor(asked) + (rng.random(len(sizes)) < asked % 1 - 2 * WHOLE)
            order = np.lexsort((rng.random(len(self.cluster)), self.cluster))
            place = np.empty(len(order), dtype=np.int64)
            place[order] = np.arange(len(order)) - start[self.cluster[order]]
            yield 2 * self.label[donor][self.cluster] + (place < whole[self.cluster])


def _arrangements(things: list[int]) -> Iterator[tuple[int, ...]]:
    """Different orders of things, some of them alike."""
    if not things:
        yield ()
        return
    for thing in sorted(set(things)):
        rest = things.copy()
        rest.remove(thing)
        for others in _arrangements(rest):
            yield (thing, *others)


def observed_lots(cluster: Codes, label: Codes, given: Array, stratum: Codes | None = None) -> Lots:
    """Describe the lots behind observed codes of rows.

    Parameters
    ----------
    cluster : (n,) codes. label : (n,) what the row's cluster drew. given : (n,) of 0 and 1, the lot inside.
    stratum : (n,) codes of the draw of clusters, or None.
    """
    first = np.unique(cluster, return_index=True)[1]
    blocks = np.zeros(len(cluster), dtype=np.int64) if stratum is None else stratum
    return Lots(cluster=cluster, label=label[first].astype(np.int64), stratum=blocks[first],
                share=np.bincount(cluster, weights=given) / np.bincount(cluster))

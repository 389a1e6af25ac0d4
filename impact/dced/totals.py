"""Programme totals added up again from the interventions: scale, income and jobs, with overlaps and conventions.

*Scale* counts every enterprise once: over years, over interventions. *Jobs* that persist are not added again each year;
jobs kept stand apart from jobs created. *Income* adds up. An enterprise that two interventions count is deducted once, by
comparing ids, by a declared count or share, or, where nothing is known, the total is given between two bounds.

The bounds with pairwise overlaps alone are Bonferroni's (1936) from below, S1 − S2, and Hunter's (1976, Journal of
Applied Probability 13) from above, S1 less the overlaps along a spanning tree. The smallest total is never below the
largest part. With two interventions both are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from impact.programme.types import FTE_DAYS

BY_ID = "ids compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One intervention's share in a total: between ``low`` and ``high`` where years may repeat the same enterprises."""

    name: str
    low: float
    high: float
    ids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A total between two bounds, equal where it is exact, and how it came about."""

    low: float
    high: float
    parts: tuple[Part, ...] = ()
    deducted: tuple[str, ...] = field(default=())

    @property
    def exact(self) -> bool:
        """Whether both bounds are the same number."""
        return abs(self.high - self.low) <= 1e-9 * max(1.0, abs(self.high))


def jobs_from(days: float, people: float | None, fte_days: float = FTE_DAYS, *, above_one: bool = False) -> float:
    """Turn days of work of several people into full-time jobs: no more than there are people, unless declared."""
    jobs = days / fte_days
    return jobs if above_one or people is None else min(jobs, people)


def net_increase(participants: float, share_treated: float, share_comparison: float) -> float:
    """Give the net increase in the number who gained: N × (share treated − share comparison)."""
    return participants * (share_treated - share_comparison)


def over_years(name: str, by_year: Mapping[int, float], ids: Mapping[int, frozenset[str]] | None = None) -> Part:
    """Count an intervention's enterprises once over its years.

    With the ids of every year the count is exact; without, it lies between the largest year (all the same enterprises)
    and the sum of the years (all different).
    """
    if ids and set(ids) == set(by_year):
        together = frozenset().union(*ids.values())
        return Part(name=name, low=len(together), high=len(together), ids=together)
    values = list(by_year.values())
    return Part(name=name, low=max(values, default=0.0), high=sum(values))


def jobs_over_years(name: str, rows: Iterable[tuple[int, float, bool]]) -> Part:
    """Add the jobs of an intervention over years: (year, jobs, whether they are the same jobs as the year before).

    Jobs that persist are not added again, but for those of the first year on file. By hand: 10 new in 2023; in 2024 the
    same 10 and 4 new ones: 14, not 24.
    """
    known = list(rows)
    first = min((year for year, _, _ in known), default=0)
    total = sum(jobs for year, jobs, persists in known if not persists or year == first)
    return Part(name=name, low=total, high=total)


def added(parts: Sequence[Part], overlaps: Mapping[frozenset[str], tuple[float, float, str]] | None = None, *,
          floor: bool = True) -> Sum:
    """Add parts up, each overlap deducted once.

    Parameters
    ----------
    parts : one for each intervention.
    overlaps : for each pair of names the least and the most that both count, and how that is known. Pairs whose ids are
        both known are compared instead, unless more is declared: two partners may give one farm different codes. Pairs
        left out do not overlap.
    floor : whether no total can be below its largest part: true of counts, not of incomes, which may be losses.

    Returns
    -------
    Sum
        With both bounds. By hand: 100 and 80 with 30 in both make 150. Three of 100 with 20 in each pair make between
        240 (S1 − S2) and 260 (S1 less two pairs): the enterprises in all three are not known.
    """
    known = dict(overlaps or {})
    with_ids = [p for p in parts if p.ids is not None]
    for a, b in combinations(with_ids, 2):
        pair, shared = frozenset((a.name, b.name)), float(len((a.ids or frozenset()) & (b.ids or frozenset())))
        if pair not in known or known[pair][0] <= shared:
            known[pair] = (shared, shared, BY_ID)
    if parts and len(with_ids) == len(parts) and all(how == BY_ID for _, _, how in known.values()):
        union = len(frozenset().union(*(p.ids or frozenset() for p in parts)))
        both = sum(len(p.ids or ()) for p in parts) - union
        how = (f"{both:,.0f} counted twice, found by comparing ids",) if both else ("no id stands twice",)
        return Sum(low=union, high=union, parts=tuple(parts), deducted=how if len(parts) > 1 else ())
    known = {pair: value for pair, value in known.items() if value[1] > 0}
    names = {p.name for p in parts}
    pairs = {pair: value for pair, value in known.items() if pair <= names}
    low = sum(p.low for p in parts) - sum(most for _, most, _ in pairs.values())
    high = sum(p.high for p in parts) - _spanning({pair: few for pair, (few, _, _) in pairs.items()})
    least = max((p.low for p in parts), default=0.0) if floor else low
    told = tuple(f"{' and '.join(sorted(pair))}: {_between(few, most)} in both ({how})"
                 for pair, (few, most, how) in sorted(pairs.items(), key=lambda kv: sorted(kv[0])))
    return Sum(low=max(low, least), high=max(high, least), parts=tuple(parts), deducted=told)


def _spanning(weights: Mapping[frozenset[str], float]) -> float:
    """Give the weight of the heaviest forest: overlaps that can be deducted without deducting anyone twice."""
    root: dict[str, str] = {}

    def top(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    total = 0.0
    for pair, weight in sorted(weights.items(), key=lambda kv: (-kv[1], sorted(kv[0]))):
        a, b = sorted(pair)
        if top(a) != top(b):
            root[top(a)] = top(b)
            total += weight
    return total


def _between(least: float, most: float) -> str:
    return f"{least:,.6g}" if least == most else f"between {least:,.6g} and {most:,.6g}"

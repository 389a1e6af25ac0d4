"""A results chain read as a graph: what breaks the way from an activity to an impact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from impact.dced.wording import listed
from impact.study.types import CHAIN_LEVELS, ChainLevel


class BoxLike(Protocol):
    """A step of a chain, of a study or a programme."""

    @property
    def id(self) -> str:
        """Its name in the file."""
        ...

    @property
    def level(self) -> ChainLevel:
        """From activity to impact."""
        ...


class ArrowLike(Protocol):
    """A link of a chain, of a study or a programme."""

    @property
    def source(self) -> str:
        """Id of the box it leaves."""
        ...

    @property
    def target(self) -> str:
        """Id of the box it reaches."""
        ...


def counted(boxes: Sequence[BoxLike]) -> str:
    """Count the boxes by level: ``1 activity, 2 output``."""
    levels = [box.level for box in boxes]
    return ", ".join(f"{levels.count(level)} {level}" for level in CHAIN_LEVELS if level in levels)


def faults(boxes: Sequence[BoxLike], arrows: Sequence[ArrowLike]) -> list[str]:
    """List what is wrong with a chain as a graph: levels missing, loose or unreached boxes, jumps, falls, circles, ends."""
    return [*_missing_levels(boxes), *_loose_boxes(boxes, arrows), *_odd_arrows(boxes, arrows), *_dead_ends(boxes, arrows)]


def reached(arrows: Sequence[ArrowLike], start: str) -> set[str]:
    """Collect the boxes that arrows lead to from one box; the box itself only if a circle leads back."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        ahead = {arrow.target for arrow in arrows if arrow.source == here} - found
        found |= ahead
        waiting += sorted(ahead)
    return found


def _missing_levels(boxes: Sequence[BoxLike]) -> list[str]:
    lacking = [level for level in CHAIN_LEVELS if level not in {box.level for box in boxes}]
    return [f"No box at the level of {listed(lacking)}."] if lacking else []


def _loose_boxes(boxes: Sequence[BoxLike], arrows: Sequence[ArrowLike]) -> list[str]:
    joined = {end for arrow in arrows for end in (arrow.source, arrow.target)}
    loose = [box.id for box in boxes if box.id not in joined]
    return [f"No arrow touches {listed(loose)}."] if loose else []


def _odd_arrows(boxes: Sequence[BoxLike], arrows: Sequence[ArrowLike]) -> list[str]:
    rank = {box.id: CHAIN_LEVELS.index(box.level) for box in boxes}
    lost = [f"{a.source} → {a.target}" for a in arrows if a.source not in rank or a.target not in rank]
    rises = [(f"{a.source} → {a.target}", rank[a.target] - rank[a.source]) for a in arrows
             if a.source in rank and a.target in rank]
    jumps = [name for name, rise in rises if rise > 1]
    falls = [name for name, rise in rises if rise < 0]
    circle = [box.id for box in boxes if box.id in reached(arrows, box.id)]
    found = (("To a box that is not there runs", lost), ("A level is jumped by", jumps),
             ("To a lower level runs", falls), ("A circle runs through", circle))
    return [f"{text} {listed(names)}." for text, names in found if names]


def _dead_ends(boxes: Sequence[BoxLike], arrows: Sequence[ArrowLike]) -> list[str]:
    """Name the boxes no activity leads to, and those from which no way leads to an impact; loose ones are named already."""
    starts = {box.id for box in boxes if box.level == "activity"}
    impacts = {box.id for box in boxes if box.level == "impact"}
    joined = {end for arrow in arrows for end in (arrow.source, arrow.target)}
    fed = set().union(*(reached(arrows, start) for start in sorted(starts)))
    unfed = [b.id for b in boxes if b.id in joined and b.id not in fed | starts] if starts else []
    dead = [b.id for b in boxes if b.id not in impacts and not impacts & reached(arrows, b.id)
            and (b.id in joined or b.id in starts)]
    found = (("No way leads to an impact from", dead), ("No activity leads to", unfed))
    return [f"{text} {listed(names)}." for text, names in found if names]

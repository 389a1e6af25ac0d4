"""Which blocks stand in which of two columns, and how wide the columns are, so that both come out about as long.

Lengths are estimates in millimetres: they decide where a block goes, never whether it fits, which Typst measures.
"""

from __future__ import annotations

import itertools
from typing import Any

from impact.brief.figures import drawings
from impact.brief.theme import Layout

PAGE, GUTTER = 178.0, 8.0
RATIOS = ((1.0, 1.15), (1.0, 1.0), (1.15, 1.0), (1.3, 1.0))
WIDTH, HEAD, LINE, ROW, LETTERS, NAME = 85.0, 9.5, 3.9, 5.0, 60.0, 38


def halves(page: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Arrange the blocks of a page, in reading order down each column; the first block stands at the top left."""
    heights = _heights(page)
    names = list(heights)
    best = min(itertools.product((0, 1), repeat=len(names) - 1), key=lambda sides: _longest(names, (0, *sides), heights))
    left, right = ([n for n, side in zip(names, (0, *best), strict=True) if side == wanted] for wanted in (0, 1))
    return left, right


def _longest(names: list[str], sides: tuple[int, ...], heights: dict[str, float]) -> float:
    if len(set(sides)) < 2:
        return float("inf")
    return max(sum(heights[n] for n, side in zip(names, sides, strict=True) if side == wanted) for wanted in (0, 1))


def _heights(page: dict[str, Any]) -> dict[str, float]:
    """Estimate the height of each block, in reading order."""
    scenes = drawings(page)
    drawn = {p["name"]: HEAD + _figure(scenes[p["name"]]) + _lines(p["note"]) for p in page["pictures"]}
    first = next(iter(drawn), "")
    methods = page["methods"]
    blocks = {first: drawn[first]} if first else {}
    names = sum(ROW + _lines(row["name"][NAME:]) for row in methods["rows"])
    blocks["methods"] = HEAD + _lines(methods["caption"]) + names + _lines(methods["note"])
    if page["for_whom"]:
        figure = _figure(scenes["subgroups"]) if "subgroups" in scenes else 0.0
        blocks["subgroups"] = HEAD + figure + _lines(page["for_whom"]["note"])
    blocks["costs"] = HEAD + ROW * len(page["costs"]) + _lines(page["cost_note"])
    blocks |= {name: height for name, height in drawn.items() if name != first}
    if page["targets"]["rows"]:
        blocks["targets"] = HEAD + ROW * (1 + len(page["targets"]["rows"])) + _lines(page["targets"]["note"])
    return blocks


def _figure(scene: Any) -> float:
    return float(scene.height / scene.width * WIDTH)


def _lines(text: str) -> float:
    return LINE * -(-len(text) // LETTERS)


def ratio(page: dict[str, Any], layout: Layout) -> tuple[float, float]:
    """Choose how wide the challenge and what was done stand beside how we know."""
    body, facts = (point * 0.3528 for point in (layout.body, layout.facts_size))

    def height(texts: list[str], size: float, width: float) -> float:
        line = size * (0.72 + layout.lead)
        return sum(line * -(-len(t) // max(1, int(width / (0.46 * size)))) + 0.4 * line for t in texts)

    def longest(sides: tuple[float, float]) -> float:
        left, right = (side / sum(sides) * (PAGE - GUTTER) for side in sides)
        own = height([page["question"], *page["challenge"], page["done"]], body, left) + HEAD
        own += height([f["text"] for f in page["done_facts"]], facts, left - 18)
        return max(own, height([f["text"] for f in page["method"]], facts, right - 18))

    return min(RATIOS, key=longest)

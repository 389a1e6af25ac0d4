"""What was done to an outcome before any effect was estimated, step by step, so that an auditor can do it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOff:
    """The winsorising cut-offs of one round, from all its firms whatever their arm; None where that side is left alone."""

    round: str
    n: int
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """One step in the making of one column; steps follow each other in the order they were taken.

    ``rule`` is the step in words. ``n_rows`` counts the rows the rule speaks of, ``n_changed`` those whose value it
    changed; ``rows`` (from 1) names the former, and is empty where the rule speaks of every row with a value. ``code`` is
    the status a rule is about. Totals are sums over all rows with a value, before and after the step; a rate has none.
    """

    outcome: str
    column: str
    step: Literal["status", "recall", "deflate", "winsorise"]
    rule: str
    n_rows: int
    n_changed: int
    rows: tuple[int, ...] = ()
    code: str = ""
    cut_offs: tuple[CutOff, ...] = field(default=(), metadata={"of": CutOff})
    total_before: float | None = None
    total_after: float | None = None

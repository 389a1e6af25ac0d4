"""What a programme's effects cost: one figure with its set of values, in the record and on the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from impact.results.estimate import Caveat, Segment

MoneyKind = Literal["cost_per_participant", "cost_per_unit", "benefit_cost", "payback"]
MoneyState = Literal["plain", "bounded", "at_least", "at_most", "never", "no_figure", "not_computed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyFigure:
    """One figure of value for money.

    ``state`` says what may be printed: 'plain' (no interval belongs to it), 'bounded' (value and set), 'at_least' or
    'at_most' (one end of the set alone: the other is open), 'never' (no effect of the interval returns the cost),
    'no_figure' (the effect is on the wrong side of zero) or 'not_computed'; ``reason`` says in words why it is none of the
    first two. ``unit`` is the costs' currency, a ratio ('times the cost') or a length of time ('months'). ``basis`` holds
    the numbers it was made of.
    """

    id: str
    kind: MoneyKind
    state: MoneyState
    unit: str
    value: float | None = None
    interval: tuple[Segment, ...] = field(default=(), metadata={"of": Segment})
    conf_level: float | None = None
    outcome: str = ""
    estimate: str = ""
    reason: str = ""
    basis: tuple[tuple[str, Any], ...] = ()
    caveats: tuple[Caveat, ...] = field(default=(), metadata={"of": Caveat})

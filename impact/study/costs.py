"""What the programme cost, and what others gave beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from impact.study.types import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """One line of the budget or accounts."""

    item: Words
    amount: float
    year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What somebody else gave, in money or in kind; it is beside the lines and in no total of them."""

    source: Words = field(metadata={"key": "from"})
    kind: Literal["private", "public", "in_kind"]
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What the programme cost, in one currency and price year."""

    currency: str
    price_year: int
    per: Literal["offered", "taker"]
    participants: float
    lines: tuple[CostLine, ...] = field(metadata={"of": CostLine})
    contributions: tuple[Contribution, ...] = field(default=(), metadata={"of": Contribution})

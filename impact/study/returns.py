"""What a programme's money is set against: outcomes worth money or counted in jobs, and the rate of exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Another currency for readers: one unit of the costs' currency is worth ``rate`` of it on ``date``."""

    currency: str
    rate: float
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """An outcome that the cost is set against.

    ``counts`` is 'income' (money that comes in every ``period``) or 'unit' (a thing counted, as a full-time job).
    ``worth`` is the costs' currency for one unit of the outcome; ``horizon`` the number of periods the effect is taken to
    last, ``fading`` the share of it lost from one period to the next, ``discount`` a rate for one year.
    """

    outcome: str
    counts: Literal["income", "unit"]
    label: str | None = None
    worth: float = 1.0
    period: Literal["week", "month", "quarter", "year"] = "month"
    horizon: float | None = None
    fading: float | None = None
    discount: float = 0.0

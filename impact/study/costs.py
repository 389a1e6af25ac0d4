"""What the programme cost, what others gave beside it, and the outcomes the cost is set against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from impact.study.schema import Validation, did_you_mean, one_of
from impact.study.yaml_file import shown

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
class PriceLevel:
    """The level of prices in one year; only ratios between years count."""

    year: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Another currency for readers: one unit of the costs' currency was worth ``rate`` of it on ``date``."""

    currency: str
    rate: float
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """An outcome that the cost is set against.

    ``counts`` is 'income' (money that comes in every ``period``) or 'unit' (a thing counted, as a full-time job). The rest
    is for income: ``worth`` is the costs' currency for one unit of the outcome, as where firms earn in another one;
    ``horizon`` the number of periods the effect is taken to last, ``fading`` the share of it lost from one period to the
    next, ``discount`` a rate for one year.
    """

    outcome: str
    counts: Literal["income", "unit"]
    worth: float = 1.0
    period: Literal["week", "month", "quarter", "year"] = "month"
    horizon: float | None = None
    fading: float | None = None
    discount: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What the programme cost, in one currency and price year.

    ``index`` brings lines of other years to the price year; ``standard_error`` is that of the cost of one participant,
    where it was sampled; ``take_up`` the share of those offered who took part; ``left_out`` what is in no line.
    """

    currency: str
    price_year: int
    per: Literal["offered", "taker"]
    participants: float
    lines: tuple[CostLine, ...] = field(metadata={"of": CostLine})
    contributions: tuple[Contribution, ...] = field(default=(), metadata={"of": Contribution})
    index: tuple[PriceLevel, ...] = field(default=(), metadata={"of": PriceLevel})
    exchange: Exchange | None = field(default=None, metadata={"of": Exchange})
    standard_error: float | None = None
    take_up: float | None = None
    returns: tuple[Return, ...] = field(default=(), metadata={"of": Return})
    left_out: tuple[Words, ...] = ()

    @property
    def in_one_years_prices(self) -> bool:
        """Whether every line is of the price year or brought to it."""
        return bool(self.index) or {line.year for line in self.lines} <= {self.price_year}


def check_costs(v: Validation, tree: Mapping[str, Any]) -> None:
    """Hold the lines against the price index, and what the cost is set against against the declared outcomes."""
    costs = tree.get("costs")
    if not isinstance(costs, Mapping):
        return
    _check_years(v, costs)
    outcomes = {o["name"]: o for o in tree.get("outcomes") or [] if isinstance(o, Mapping) and o.get("name")}
    named: list[str] = []
    if costs.get("returns") and costs.get("participants") == 0:
        v.complain(("costs", "participants"), "a cost shared by nobody cannot be set against an effect",
                   "Write how many were reached, or leave returns out.")
    for i, declared in enumerate(costs.get("returns") or []):
        name = (declared or {}).get("outcome")
        if not name:
            continue
        path = ("costs", "returns", i)
        if name in named:
            v.complain((*path, "outcome"), f"'{shown(name)}' is declared twice", "Leave one of them out.")
        named.append(name)
        if name not in outcomes:
            v.complain((*path, "outcome"), f"'{shown(name)}' is not a declared outcome",
                       did_you_mean(name, outcomes) or f"Declared: {one_of(outcomes)}.")
        elif outcomes[name].get("transform") not in (None, "none"):
            v.complain((*path, "outcome"), f"'{shown(name)}' is analysed on another scale than its own unit",
                       "Declare the outcome a second time without transform, and name that one here.")
        if declared.get("counts") == "income":
            for key, cure in (("period", "Write week, month, quarter or year."), ("horizon", "Write for how many periods "
                              "the effect is taken to last: 24."), ("fading", "Write the share of it lost from one period "
                                                                    "to the next: 0.02, or 0.")):
                if declared.get(key) is None:
                    v.complain(path, f"income needs '{key}'", cure)
        elif declared.get("worth") is not None:
            v.complain((*path, "worth"), "'worth' belongs to income: a unit that is counted has a cost, and no price here",
                       "Delete this key, or write counts: income.")


def _check_years(v: Validation, costs: Mapping[str, Any]) -> None:
    years = {line["year"] for line in costs.get("lines") or [] if line and isinstance(line.get("year"), int)}
    base, levels = costs.get("price_year"), costs.get("index") or []
    known = {level["year"] for level in levels if level and level.get("year")}
    if not isinstance(base, int) or not years - {base} or not (levels or costs.get("returns")):
        return  # a plain total may add amounts as they stand, and says so
    missing = sorted({*years, base} - known)
    if missing:
        listed = ", ".join(str(year) for year in missing)
        told = ", ".join(str(year) for year in sorted(years))
        v.complain(("costs", "lines"),
                   f"there are amounts of {told} and the price year is {base}, but no price level of {listed}",
                   "Write index: [{year: 2023, value: 95.2}, {year: 2024, value: 100}] with every one of these years.")

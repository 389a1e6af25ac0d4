"""Value for money: what an effect cost, with the set of values the data leave open.

A ratio of a cost to an effect has no mean and no standard error when the effect may be zero, and the quantiles of simulated
ratios are not an interval for it. Sets are Fieller's instead: all ratios the data do not refuse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impact.results.estimate import Caveat, Estimate, Segment
from impact.results.money import MoneyFigure, MoneyKind, MoneyState

if TYPE_CHECKING:
    from impact.study.costs import Costs, Return
    from impact.study.types import Outcome, Study

PERIODS = {"week": 365.25 / 7, "month": 12.0, "quarter": 4.0, "year": 1.0}  # in one year
OF_THE_OFFER = ("itt",)
OF_TAKERS = ("late", "att")
OF_UNITS = (*OF_TAKERS, "atc", "ate", "ato", "matching")  # what taking part does to a unit, whichever units are meant
NO_MEAN = {  # methods whose number is no mean difference of one unit
    "dose_response": "the effect is for one more unit of the dose: the cost of that is not declared",
    "rank_test": "the effect is a shift by ranks, and a total cost buys a mean: use a method for means as primary",
    "worker_effects": "the effect is for one worker, and the cost for one firm"}
DOUBTS = {"lots": "the p-value by drawing again does not exclude zero",
          "df": "with the smaller count of degrees of freedom the effect is not clear of zero",
          "family": "once several outcomes are tested the effect is not clear of zero"}
ALL_POSSIBLE = "the effect's set is open on the side that counts: every value is possible"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """What one unit cost: the whole in prices of one year over the participants, on the denominator of the effect."""

    value: float
    total: float
    std_error: float | None = None
    caveats: tuple[Caveat, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What may be said of one figure, and why no more."""

    state: MoneyState
    value: float | None = None
    interval: tuple[Segment, ...] = ()
    reason: str = ""


def value_for_money(study: Study, estimates: tuple[Estimate, ...]) -> tuple[MoneyFigure, ...]:
    """Set the declared costs against the effects the study names.

    Parameters
    ----------
    study : with ``costs``; without, nothing is computed.
    estimates : of the record; the primary method's row of each outcome is used.

    Returns
    -------
    tuple of MoneyFigure
        Cost per participant; then for each declared return its cost per unit, and where it is income the benefit–cost
        ratio (with a horizon) and the payback time. In the currency and prices of ``costs``.

    Notes
    -----
    Fieller (1954, Journal of the Royal Statistical Society B 16). With a cost that is known the set is that of the effect
    turned over; with ``standard_error`` the cost has its own variance, independent of the effect's. Worked by hand in
    tests/test_costs.py: 200 dollars against 2.60 a week pay back in 76.9 weeks.
    """
    costs = study.costs
    if costs is None or costs.participants <= 0:
        return ()
    plain = unit_cost(costs)
    figures = [MoneyFigure(
        id="money/cost_per_participant", kind="cost_per_participant", state="plain", unit=costs.currency,
        value=plain.value, basis=(("total", plain.total), ("participants", costs.participants), ("per", costs.per)))]
    for declared in costs.returns:
        outcome = study.outcome(declared.outcome)
        estimate = next((e for e in estimates if e.outcome == outcome.name and e.role in ("primary", "secondary")), None)
        figures += _figures(costs, plain, declared, outcome, estimate, _take_up(costs, estimates))
    return tuple(figures)


def unit_cost(costs: Costs) -> UnitCost:
    """Bring every line to the price year by the declared index, add up, and divide by the participants."""
    index = {level.year: level.value for level in costs.index}
    base = index.get(costs.price_year, 1.0)
    total = math.fsum(line.amount * base / index.get(line.year, base) for line in costs.lines)
    return UnitCost(value=total / costs.participants, total=total, std_error=costs.standard_error)


def _take_up(costs: Costs, estimates: tuple[Estimate, ...]) -> float | None:
    """Take the declared share of takers, or the first stage of an estimate of the record."""
    if costs.take_up is not None:
        return costs.take_up
    found = (dict(e.details).get("first_stage") for e in estimates if e.estimand == "late" and not e.has_caveat("per_unit"))
    return next((float(share) for share in found if isinstance(share, (int, float)) and 0 < share <= 1), None)


def on_the_effects_denominator(plain: UnitCost, per: str, estimand: str, take_up: float | None) -> UnitCost | str:
    """Bring a cost to those the effect speaks of (all offered, or takers); where that cannot be done, say why."""
    if (per == "offered" and estimand in OF_THE_OFFER) or (per == "taker" and estimand in OF_UNITS):
        return plain
    if estimand not in (OF_TAKERS if per == "offered" else OF_THE_OFFER):
        of = "unit offered" if per == "offered" else per
        return f"the cost is per {of} and the effect is the {estimand.upper()}: they do not share a denominator"
    if take_up is None:
        return "the cost and the effect speak of different units (offered, taker) and the take-up is not stated"
    factor = take_up if per == "taker" else 1 / take_up
    whose = "A cost per taker is brought to the offer" if per == "taker" else "A cost per unit offered is brought to takers"
    caveat = Caveat(code="cost_by_take_up", text=f"{whose} by the take-up of {take_up:.0%}.", values=(
        ("take_up", take_up), ("per", per)))
    error = None if plain.std_error is None else plain.std_error * factor
    return UnitCost(value=plain.value * factor, total=plain.total, std_error=error, caveats=(caveat,))


def _figures(costs: Costs, plain: UnitCost, declared: Return, outcome: Outcome, estimate: Estimate | None,
             take_up: float | None) -> list[MoneyFigure]:
    kinds: list[MoneyKind] = ["cost_per_unit"]
    if declared.counts == "income":
        kinds += ["benefit_cost", "payback"]
    cost = _shared(plain, costs, outcome, estimate, take_up)
    if isinstance(cost, str) or estimate is None:
        return [_empty(kind, costs, declared, estimate, "not_computed", str(cost)) for kind in kinds]
    side = 1 if outcome.better == "higher" else -1
    return [_figure(kind, costs, cost, declared, estimate, side) for kind in kinds]


def _shared(plain: UnitCost, costs: Costs, outcome: Outcome, estimate: Estimate | None,
            take_up: float | None) -> UnitCost | str:
    if estimate is None:
        return "the record has no estimate of this outcome"
    if plain.total <= 0:
        return "the declared lines add up to nothing"
    if estimate.transform == "log":
        return "the effect is in logarithms: declare the outcome in its own unit to set a cost against it"
    if estimate.method in NO_MEAN:
        return NO_MEAN[estimate.method]
    if estimate.has_caveat("per_unit"):
        return "the effect is for one more unit of what was taken: the cost of that is not declared"
    if estimate.has_caveat("methods_disagree"):
        return "the methods disagree, and none of their numbers may be told alone"
    if not estimate.interval:
        return "the effect has no interval"
    if any(c.code in ("few_clusters", "low_df") for c in estimate.caveats):
        return "there are too few clusters to judge the effect by"
    return on_the_effects_denominator(plain, costs.per, estimate.estimand, take_up)


def _figure(kind: MoneyKind, costs: Costs, cost: UnitCost, declared: Return, estimate: Estimate,
            side: int) -> MoneyFigure:
    """Turn the effect's set into the set of one figure."""
    low, high = _ends(estimate, side)
    effect = estimate.estimate * side
    if high <= 0:
        why = "the effect's interval lies on the other side of zero: there is nothing the cost has bought"
        return _empty(kind, costs, declared, estimate, "no_figure", why)
    of = _scale(kind, cost.value, declared)
    if cost.std_error:  # zero is a cost that is known
        answer = _of_a_sampled_cost(kind, cost, declared, estimate, effect)
    elif kind == "benefit_cost":
        answer = _straight(of, effect, low, high)
    else:
        answer = _turned_over(of, effect, low, high, DOUBTS.get(estimate.in_doubt, ""))
    if answer.state == "not_computed":
        return _empty(kind, costs, declared, estimate, answer.state, answer.reason)
    basis = [("cost_per_unit", cost.value), ("effect", effect), ("worth", declared.worth)]
    assumed = [(name, getattr(declared, name)) for name in ("period", "horizon", "fading", "discount")]
    return MoneyFigure(
        id=f"money/{kind}/{declared.outcome}", kind=kind, state=answer.state, unit=_unit(kind, costs, declared),
        value=answer.value, interval=answer.interval, conf_level=estimate.conf_level, outcome=declared.outcome,
        estimate=estimate.id, basis=(*basis, *(assumed if kind != "cost_per_unit" else ())), caveats=cost.caveats,
        reason=answer.reason)


def _straight(of: Callable[[float], float], effect: float, low: float, high: float) -> _Answer:
    """Give a figure that grows with the effect: an open end of the effect stays open."""
    interval = (Segment(low=of(low) if math.isfinite(low) else None, high=of(high) if math.isfinite(high) else None),)
    if math.isfinite(low) and math.isfinite(high):
        return _Answer(state="bounded", value=of(effect), interval=interval)
    if math.isfinite(low):
        return _Answer(state="at_least", interval=interval, reason="the effect's interval has no upper end")
    if math.isfinite(high):
        return _Answer(state="at_most", interval=interval, reason="the effect's interval has no lower end")
    return _Answer(state="not_computed", reason=ALL_POSSIBLE)


def _turned_over(of: Callable[[float], float], effect: float, low: float, high: float, doubt: str) -> _Answer:
    """Give a figure that falls as the effect grows: it has no upper limit where the effect may be zero or not suffice."""
    least, most = of(high), of(low) if low > 0 and not doubt else math.inf
    if not math.isfinite(least):
        return _Answer(state="never", reason="even at the upper end of its interval the effect never returns the cost")
    if math.isfinite(most):
        return _Answer(state="bounded", value=of(effect), interval=(Segment(low=least, high=most),))
    if least <= 0:
        return _Answer(state="not_computed", reason=ALL_POSSIBLE)
    why = "the effect's interval holds zero" if low <= 0 else doubt or (
        "at the lower end of its interval the effect never returns the cost")
    return _Answer(state="at_least", interval=(Segment(low=least),), reason=f"{why}: no upper limit")


def _of_a_sampled_cost(kind: MoneyKind, cost: UnitCost, declared: Return, estimate: Estimate, effect: float) -> _Answer:
    """Give Fieller's set where the cost has an error of its own.

    The time to earn back hangs on the cost of one unit alone, and so its set is that set carried over; benefits over cost
    are a ratio to the cost, which is clear of zero.
    """
    from scipy import stats

    from impact.inference.fieller import fieller_set

    error, of_cost = estimate.std_error, cost.std_error or 0.0
    if error is None:
        return _Answer(state="not_computed", reason="the effect has no standard error")
    if any(c.code == "randomisation_inference" and "interval" not in dict(c.values) for c in estimate.caveats):
        return _Answer(state="not_computed", reason="the effect's interval comes from drawing again, and has no error to "
                       "set beside that of the cost")
    tail = (1 + estimate.conf_level) / 2
    critical = float(stats.norm.ppf(tail) if estimate.df is None else stats.t.ppf(tail, estimate.df))
    if cost.value <= critical * of_cost:
        return _Answer(state="not_computed", reason="the cost itself cannot be told apart from zero")
    gained, of_gained = effect * declared.worth, error * declared.worth
    if kind == "benefit_cost":
        years = lasting(declared.horizon or 0.0, declared)
        interval = fieller_set(gained * years, cost.value, (of_gained * years)**2, 0.0, of_cost**2, critical)
        return _Answer(state="bounded", value=gained * years / cost.value, interval=interval)
    interval = fieller_set(cost.value, gained, of_cost**2, 0.0, of_gained**2, critical)
    low = max((s.low for s in interval if s.low is not None), default=None)
    if low is None:
        return _Answer(state="not_computed", reason=ALL_POSSIBLE)
    doubt = DOUBTS.get(estimate.in_doubt, "")
    bounded = len(interval) == 1 and interval[0].high is not None and not doubt
    least, most = _carried(kind, declared, low, interval[0].high if bounded else None)
    if not math.isfinite(least):
        return _Answer(state="never", reason="even at the upper end of its interval the effect never returns the cost")
    if bounded and math.isfinite(most):
        value, _ = _carried(kind, declared, cost.value / gained, None)
        return _Answer(state="bounded", value=value, interval=(Segment(low=least, high=most),))
    why = "at the lower end of its interval the effect never returns the cost" if bounded else (
        doubt or "the effect's set holds zero")
    return _Answer(state="at_least", interval=(Segment(low=least),), reason=f"{why}: no upper limit")


def _carried(kind: MoneyKind, declared: Return, low: float, high: float | None) -> tuple[float, float]:
    """Carry the ends of a set of costs of one unit over to the figure asked for."""
    ends = (low, math.inf if high is None else high)
    return ends if kind == "cost_per_unit" else (payback(low, 1.0, declared), payback(ends[1], 1.0, declared))


def _ends(estimate: Estimate, side: int) -> tuple[float, float]:
    """Give the outermost ends of the effect's set in the good direction; an open end is infinite."""
    lows = [-math.inf if s.low is None else s.low for s in estimate.interval]
    highs = [math.inf if s.high is None else s.high for s in estimate.interval]
    low, high = min(lows), max(highs)
    return (low, high) if side > 0 else (-high, -low)


def _scale(kind: MoneyKind, cost: float, declared: Return) -> Callable[[float], float]:
    """Give the figure as a function of the effect."""
    if kind == "cost_per_unit":
        return lambda effect: cost / (effect * declared.worth)
    if kind == "benefit_cost":
        return lambda effect: effect * declared.worth * lasting(declared.horizon or 0.0, declared) / cost
    return lambda effect: payback(cost, effect * declared.worth, declared)


def rates(declared: Return) -> tuple[float, float]:
    """Give the share of the effect left after one period, discounted, and the discount factor of one period."""
    factor = (1 + declared.discount) ** (1 / PERIODS[declared.period])
    return (1 - (declared.fading or 0.0)) / factor, factor


def lasting(periods: float, declared: Return) -> float:
    """Add up what one unit of effect each period is worth over ``periods``: fading from the second on, discounted."""
    kept, factor = rates(declared)
    return periods / factor if kept == 1 else (1 - kept**periods) / (1 - kept) / factor


def payback(cost: float, effect: float, declared: Return) -> float:
    """Find the number of periods after which an effect each period has returned the cost; infinite if it never does."""
    if effect <= 0:
        return math.inf
    kept, factor = rates(declared)
    needed = cost / effect * factor
    if kept == 1:
        return needed
    if kept == 0:  # there is one period's effect, at its end
        return 1.0 if needed <= 1 else math.inf
    left = 1 - needed * (1 - kept)
    return math.log(left) / math.log(kept) if left > 0 else math.inf


def _unit(kind: MoneyKind, costs: Costs, declared: Return) -> str:
    if kind == "cost_per_unit":
        return costs.currency
    return "times the cost" if kind == "benefit_cost" else f"{declared.period}s"


def _empty(kind: MoneyKind, costs: Costs, declared: Return, estimate: Estimate | None, state: MoneyState,
           reason: str) -> MoneyFigure:
    return MoneyFigure(
        id=f"money/{kind}/{declared.outcome}", kind=kind, state=state, unit=_unit(kind, costs, declared),
        outcome=declared.outcome, estimate=estimate.id if estimate is not None else "", reason=reason)

"""From what firms reported to the outcome: status, recall, prices, cut-offs, in this order and blind to arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import listed, rows_text
from impact.errors import Problem
from impact.indicators.log import Log
from impact.indicators.prices import HOW, Deflator, months_of
from impact.indicators.status import States, counted
from impact.inference.linear import Array
from impact.results.cleaning import Cleaning, CutOff
from impact.study.construction import Construction, Recall, Winsorise
from impact.study.types import Outcome

if TYPE_CHECKING:
    import pandas as pd

DAYS_A_MONTH = 365.25 / 12
WINSORISED = "_winsorised"
BASELINE = "_baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The columns one outcome's construction makes, with each step noted, and what the data do not allow."""

    columns: dict[str, Array]
    cleaning: tuple[Cleaning, ...]
    problems: tuple[Problem, ...]


def construct(frame: pd.DataFrame, outcome: Outcome, *, states: States | None = None, deflator: Deflator | None = None,
              time: str | None = None, where: str = "outcomes") -> Built:
    """Make one outcome from the columns its construction names; the arm is not among them.

    Parameters
    ----------
    frame : the table as it came; only the columns that the construction names, the place and the interview date are read.
    outcome : with a construction.
    states : (n,) meanings of the status column (:func:`impact.indicators.status.states_of`); None where none is declared.
    deflator : prices; needed where the construction deflates.
    time : column of the round; cut-offs are taken per round.
    where : the outcome's place in the study file, for messages.

    Returns
    -------
    Built
        Column ``_name`` in the outcome's unit for one month and the price year; ``_name_winsorised`` where cut-offs are
        declared; the same with ``_baseline`` for the baseline, which has no status.

    Notes
    -----
    Order: status, recall, prices, cut-offs. A month has 365.25/12 days. Deflating multiplies by the price year's mean index
    of the place over its index in the month of the interview; zeros need no date. Cut-offs are quantiles of the constructed
    values of the round, zeros of closed firms among them (linear between order statistics: R type 7, numpy's default),
    pooled over arms. Reference case: worked by hand in tests/test_indicators.py.
    """
    rules = outcome.construction
    if rules is None:
        raise ValueError(f"outcome '{outcome.name}' has no construction")
    own = _one(frame, outcome.name, outcome.column, outcome.constructed, rules, states=states, deflator=deflator, time=time,
               recall=rules.recall, date=deflator.declared.date if deflator is not None else None,
               where=f"{where}.construction")
    if outcome.baseline is None:
        return own
    before = rules.baseline
    recall = before.recall if before is not None and before.recall is not None else rules.recall
    base = _one(frame, outcome.name, outcome.baseline, outcome.constructed + BASELINE, rules, states=None,
                deflator=deflator, time=time, recall=recall, date=before.date if before is not None else None,
                where=f"{where}.construction.baseline")
    return Built(columns=own.columns | base.columns, cleaning=own.cleaning + base.cleaning,
                 problems=own.problems + base.problems)


def _one(frame: pd.DataFrame, name: str, column: str, made: str, rules: Construction, *, states: States | None,
         deflator: Deflator | None, time: str | None, recall: Recall | None, date: str | None, where: str) -> Built:
    log = Log(outcome=name, column=made, summable=rules.kind != "rate", where=where)
    values = frame[column].to_numpy(dtype=float)
    if states is not None:
        values = counted(values, states, rules.kind, log)
    if recall is not None:
        values = _monthly(values, recall, frame, log)
    if rules.deflate and deflator is not None and date is not None:
        values = _real(values, deflator, date, frame, log)
    columns = {made: values}
    if rules.winsorise is not None:
        rounds = _rounds(frame, time)
        columns[made + WINSORISED] = _capped(values, rounds, rules.winsorise, log, made + WINSORISED)
    return Built(columns=columns, cleaning=tuple(log.steps), problems=tuple(log.problems))


def _monthly(values: Array, recall: Recall, frame: pd.DataFrame, log: Log) -> Array:
    """Bring amounts over a recall period to one month."""
    told = ~np.isnan(values)
    if recall.column is not None:
        months = frame[recall.column].to_numpy(dtype=float)
        bad = told & (values != 0) & ~(months > 0)
        if bad.any():
            log.refuse(".recall", f"{int(bad.sum())} amounts have no recall period above zero ("
                       f"{rows_text(np.flatnonzero(bad) + 1)})", f"Correct '{recall.column}': the months an amount covers.")
        rule = f"divided by the months it covers, column '{recall.column}'"
        divisor: Any = np.where(months > 0, months, np.nan)
    elif recall.months is not None:
        divisor, rule = float(recall.months), f"divided by {recall.months:g}: reported over {recall.months:g} month(s)"
    else:
        days = float(recall.days or DAYS_A_MONTH)
        divisor, rule = days / DAYS_A_MONTH, f"times 365.25/12 over {days:g}: reported over {days:g} day(s)"
    after = np.where(values == 0, 0.0, values / divisor)
    log.note("recall", f"brought to one month: {rule}", values, after, told, named=False)
    return after


def _real(values: Array, deflator: Deflator, date: str, frame: pd.DataFrame, log: Log) -> Array:
    """Bring amounts to the prices of the declared year, by place and month of the interview."""
    needed = ~np.isnan(values) & (values != 0)
    months, places = months_of(frame[date]), deflator.places(frame)
    undated = needed & np.array([not m for m in months])
    if undated.any():
        log.refuse(".deflate", f"column '{date}' has no date that can be read for {int(undated.sum())} amounts ("
                   f"{rows_text(np.flatnonzero(undated) + 1)})", HOW)
    factors = deflator.factors(places, months)
    without = needed & ~undated & np.isnan(factors)
    if without.any():
        rows = np.flatnonzero(without)
        missing = sorted({deflator.lacks(places[i], months[i]) for i in rows})
        log.refuse(".deflate", f"{deflator.declared.file} lacks {listed(missing)}: {len(rows)} amounts cannot be deflated "
                   f"({rows_text(rows + 1)})", "Add the index of these places and months.")
    after = np.where(needed, values * factors, values)
    declared = deflator.declared
    seal = f" (sha256 {deflator.sha256[:12]})" if deflator.sha256 else ""
    log.note("deflate", f"brought to the mean prices of {declared.year}: times the mean of '{declared.index}' in that year "
             f"over its value in the month of '{date}'" + (f", by '{declared.place}'" if declared.place else "")
             + f"; {declared.file}{seal}", values, after, needed, named=False)
    return after


def _rounds(frame: pd.DataFrame, time: str | None) -> np.ndarray[Any, np.dtype[np.object_]]:
    if time is None:
        return np.full(len(frame), "", dtype=object)
    return np.array([f"{float(t):.12g}" for t in frame[time]], dtype=object)


def _capped(values: Array, rounds: np.ndarray[Any, np.dtype[np.object_]], rules: Winsorise, log: Log, made: str) -> Array:
    """Set values beyond the cut-offs of their round to the cut-off."""
    after = values.copy()
    cut_offs = []
    for name in sorted(set(rounds)):
        here = (rounds == name) & ~np.isnan(values)
        if not here.any():
            continue
        low, high = (float(np.quantile(values[here], q)) if q is not None else None for q in (rules.lower, rules.upper))
        after[here] = np.clip(values[here], -np.inf if low is None else low, np.inf if high is None else high)
        cut_offs.append(CutOff(round=name, n=int(here.sum()), lower=low, upper=high))
    ends = [f"{word} the {100 * q:g}th percentile" for word, q in (("below", rules.lower), ("above", rules.upper))
            if q is not None]
    log.note("winsorise", f"values {' and '.join(ends)} of their round, over all firms whatever their arm, set to it; "
             "stands beside the level and is never used for totals", values, after, (after != values) & ~np.isnan(values),
             cut_offs=tuple(cut_offs), column=made)
    return after

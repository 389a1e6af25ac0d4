"""Who serves in a panel estimate: rows checked, first treated periods known, and everybody left out with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impact.data.arguments import check_roles
from impact.data.frame import Selection, as_names, check_columns, check_weights, counted, listed, require_columns
from impact.data.panel import CONTROL_GROUPS, EVEN, drop_singletons, select_panel, spacing, treatment_start
from impact.data.privacy import speakable
from impact.did.periods import between, check_anticipation, miscoded, uneven
from impact.errors import DataError, DesignError, Problem
from impact.inference.intervals import check_level
from impact.inference.linear import Array, Codes

if TYPE_CHECKING:
    import pandas as pd

UNBALANCED = ("within_cell", "balanced", "repeated_cross_section")
Mask = NDArray[np.bool_]
BEFORE = ("Difference-in-differences needs the same units before and after: add periods from before the programme; without "
          "them compare levels with similar untreated units (impact.matching).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a panel method was asked for, by its own keywords.

    ``paired`` is False where different units are surveyed in each period. ``by_cells`` says that cohorts and periods are
    compared cell by cell, False that each unit has a fixed effect; ``as_coded`` that ``treatment`` is a regressor as it
    stands and no start is read from it. ``even`` refuses periods that are not evenly coded, which horizons need.
    """

    outcome: str
    unit: str | None
    time: str
    first_treated: str | None = None
    treatment: str | None = None
    ever_treated: bool = False
    as_coded: bool = False
    control_group: str = "not_yet_treated"
    covariates: str | Sequence[str] = ()
    cluster: str | None = None
    weights: str | None = None
    transform: str = "none"
    conf_level: float = 0.95
    unbalanced: str = "within_cell"
    anticipation: float = 0
    season: int | None = None
    paired: bool = True
    by_cells: bool = False
    even: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Covariates as a tuple."""
        return as_names(self.covariates)

    @property
    def starts(self) -> str:
        """Name, for sentences, of the column of first treated periods."""
        return self.first_treated or f"first period with {self.treatment}"

    @property
    def follows(self) -> bool:
        """Whether units are followed over time, and serve by their changes."""
        return self.paired and self.unbalanced != "repeated_cross_section"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What some rows hold of each unit: (units,) first and last period, number of rows, and first treated period.

    Periods are infinite where a unit has no row, and the first treated one where it is never treated.
    """

    earliest: Array
    latest: Array
    count: Codes
    start: Array


@dataclass(slots=True, kw_only=True)
class Opened:
    """The rows one estimate may use.

    Attributes
    ----------
    asked : the call. rows : the selection with its ledger. first : (table's rows,) first treated period, infinity where
        never, or not by the end of the data. step : length of one period, in units of the time column.
    choices : (choice, units, rows) of each way to treat missing rows that the method has; empty where rows are different
        units. left : (treated, comparison) units not seen again before the last period. cohorts : (first treated, units) of
        all units with the outcome, before anybody is left out. served : (table's rows,) rows kept at the opening,
        before a method leaves out what it cannot use. units : (table's rows,) codes of units, −1 where not known.
    """

    asked: Asked
    rows: Selection
    first: Array
    step: float = 1.0
    choices: tuple[tuple[str, int, int], ...] = ()
    left: tuple[int, int] | None = None
    cohorts: tuple[tuple[float, int], ...] = ()
    served: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))
    units: Codes | None = None
    _when: Array | None = field(default=None, repr=False)
    # rows are only ever taken away, so that their number says which are left
    _periods: dict[int, Array] = field(default_factory=dict, repr=False)
    _seen: dict[int, Seen] = field(default_factory=dict, repr=False)

    @property
    def when(self) -> Array:
        """Period of every row of the table."""
        if self._when is None:
            self._when = self.rows.data[self.asked.time].to_numpy(dtype=float)
        return self._when

    def periods(self, kept: Mask | None = None) -> Array:
        """Sorted periods of the rows kept, or of those kept at an earlier time."""
        kept = self.rows.kept if kept is None else kept
        number = int(np.count_nonzero(kept))
        if number not in self._periods:
            self._periods[number] = np.sort(few(where(self.when, kept)))
        return self._periods[number]

    def seen(self, kept: Mask | None = None) -> Seen:
        """What the rows kept, or those kept at an earlier time, hold of each unit."""
        kept = self.rows.kept if kept is None else kept
        number = int(np.count_nonzero(kept))
        if number not in self._seen:
            self._seen[number] = _see(self, kept)
        return self._seen[number]

    def start_of(self, kept: Mask | None = None) -> Array:
        """First treated period of each unit (of each row, without a unit column) on rows kept now or at an earlier time."""
        if self.units is None:
            return where(self.first, self.rows.kept if kept is None else kept)
        seen = self.seen(kept)
        return seen.start[seen.count > 0]

    def move(self, first: Array) -> None:
        """Replace the first treated periods."""
        self.first = first
        self._seen.clear()


def open_panel(data: pd.DataFrame, asked: Asked) -> Opened:
    """Check a panel and leave out, with the reason, whoever can show no change.

    Raises
    ------
    ValueError
        For words that are no choice, one the method has no meaning for among them.
    DataError
        As :func:`impact.data.panel.select_panel`; clusters or weights that change within a unit.
    DesignError
        Nobody treated, nobody to compare with, or periods that cannot be counted.
    """
    _check_words(asked)
    require_columns(data, outcome=asked.outcome, unit=asked.unit, time=asked.time, first_treated=asked.first_treated,
                    treatment=asked.treatment, covariates=asked.names, cluster=asked.cluster, weights=asked.weights)
    starts = asked.first_treated
    if starts is None and asked.unit is not None and asked.treatment is not None:
        starts = asked.starts
        data = data.assign(**{starts: _begun(data, asked) if asked.as_coded else treatment_start(
            data, unit=asked.unit, time=asked.time, treatment=asked.treatment, ever_treated=asked.ever_treated)})
    found = select_panel(data, outcome=asked.outcome, unit=asked.unit, time=asked.time, first_treated=starts,
                         treatment=asked.treatment if asked.as_coded else None, covariates=asked.names,
                         cluster=asked.cluster, weights=asked.weights)
    if asked.weights is not None:
        check_weights(data, asked.weights)
    opened = Opened(asked=asked, rows=found.rows, first=found.first if found.first is not None else np.empty(0))
    need_rows(opened.rows)
    units = opened.units = opened.rows.codes_of_units() if asked.unit is not None else None
    if units is not None:
        need_constant(opened.rows, units, asked)
    _count_time(opened)
    if units is not None:
        _take_stock(opened)
    _leave_out(opened)
    _need_contrast(opened)
    opened.served = opened.rows.kept.copy()
    return opened


def _begun(data: pd.DataFrame, asked: Asked) -> pd.Series[float]:
    """First period in which the column is 1; it may be 0 again later."""
    check_columns(data, numbers=(asked.time,), zero_one=(str(asked.treatment),))
    on = data[asked.time].where(data[asked.treatment] == 1).groupby(data[asked.unit])
    start: pd.Series[float] = on.transform("min").astype(float)
    return start


def _check_words(asked: Asked) -> None:
    check_roles(outcome=asked.outcome, time=asked.time, unit_=asked.unit, first_treated_=asked.first_treated,
                treatment_=asked.treatment, cluster_=asked.cluster, weights_=asked.weights)
    if asked.control_group not in CONTROL_GROUPS:
        raise ValueError(f"control_group must be one of {', '.join(CONTROL_GROUPS)}, not {asked.control_group!r}")
    if asked.unbalanced not in UNBALANCED:
        raise ValueError(f"unbalanced must be one of {', '.join(UNBALANCED)}, not {asked.unbalanced!r}")
    if asked.unbalanced == "repeated_cross_section" and not asked.by_cells:
        raise ValueError("unbalanced='repeated_cross_section' has no meaning here: the method has a fixed effect for each "
                         "unit, and a unit seen once shows no change. Use within_cell or balanced, or group_time_att or "
                         "two_by_two, which can compare rows that are not paired")
    check_level(asked.conf_level)
    if (asked.first_treated is None) == (asked.treatment is None):
        raise ValueError("give exactly one of first_treated= and treatment=")
    if asked.unit is None and asked.paired:
        raise ValueError("a panel needs unit=; for different units in each period give panel=False")
    if asked.unit is None and asked.first_treated is None:
        raise ValueError("without unit= the start of treatment cannot be read from treatment=: give first_treated=")


def _count_time(opened: Opened) -> None:
    """Find the length of one period, and refuse relative time that cannot be counted."""
    asked, periods = opened.asked, opened.periods()
    opened.step = spacing(periods) or 1.0
    if _unknown(few(opened.start_of()), periods):
        opened.move(snapped(opened.first, periods, opened.step))
    known = few(opened.start_of())
    problem = miscoded(periods, asked.time)
    if problem is None and asked.even:
        problem = uneven(periods, known, asked.time, asked.starts)
    elif problem is None and asked.by_cells:
        problem = between(periods, known, asked.starts)
    if problem is not None:
        raise DesignError(problem, source="design")
    check_anticipation(asked.anticipation, periods, known, opened.step)


def _unknown(known: Array, periods: Array) -> bool:
    """Whether starts within the span of the periods equal none of them."""
    return not np.isin(known[(known >= periods[0]) & (known <= periods[-1])], periods).all()


def snapped(first: Array, periods: Array, step: float) -> Array:
    """Give starts that equal a period but for rounding that period's own value."""
    if not _unknown(few(first), periods):
        return first
    right = np.searchsorted(periods, first).clip(0, len(periods) - 1)
    left = (right - 1).clip(0)
    for near in (periods[left], periods[right]):
        first = np.where(np.abs(first - near) <= EVEN * step, near, first)
    return first


def need_rows(rows: Selection) -> None:
    """Refuse a table of which nothing is left."""
    if not rows.kept.any():
        raise DesignError(Problem(where="data", what="no row is complete", cure="See which columns are empty."),
                          source="design")


def need_constant(rows: Selection, units: Codes, asked: Asked) -> None:
    """Refuse clusters, and weights of units compared by their changes, that change within a unit; name the units."""
    problems, kept = [], rows.kept
    for name, cure in ((asked.cluster, "Cluster at the unit or at a level above it: errors may not be clustered below it."),
                       (asked.weights if asked.by_cells and asked.paired else None,
                        "A unit followed over time has one weight: repeat it on each of its rows.")):
        if name is None or name == asked.unit or not kept.any():
            continue
        values = codes_of(rows.data[name])[kept]
        own = np.empty(int(units.max()) + 1, dtype=np.int64)
        own[units[kept]] = values
        moved = own[units[kept]] != values
        if moved.any():
            names = list(dict.fromkeys(rows.data.loc[kept, asked.unit][moved]))
            more = ", which lie in more than one cluster" if name == asked.cluster else ""
            problems.append(Problem(where=f"column '{name}'", what=f"it changes within {counted(len(names), 'unit')} "
                                    f"({listed(speakable(names))}){more}", cure=cure))
    if problems:
        raise DataError(problems, source="data")


def codes_of(column: pd.Series[Any]) -> Codes:
    """Integer codes of a column, in order of appearance."""
    import pandas as pd

    return np.asarray(pd.factorize(column)[0], dtype=np.int64)


def few(values: Array) -> Array:
    """Distinct values, by hashing: sorting millions of rows for a dozen periods is slow."""
    import pandas as pd

    return np.asarray(pd.unique(values))


def where(values: Array, kept: Mask) -> Array:
    """Values on the rows kept, without a copy where all are."""
    return values if kept.all() else values[kept]


def _see(opened: Opened, kept: Mask) -> Seen:
    codes = opened.units if opened.units is not None else np.arange(len(kept), dtype=np.int64)
    count = int(codes.max(initial=-1)) + 1
    units, when, first = (codes, opened.when, opened.first) if kept.all() else (
        codes[kept], opened.when[kept], opened.first[kept])
    earliest, latest, start = np.full(count, np.inf), np.full(count, -np.inf), np.full(count, np.inf)
    np.minimum.at(earliest, units, when)
    np.maximum.at(latest, units, when)
    start[units] = first
    return Seen(earliest=earliest, latest=latest, count=np.bincount(units, minlength=count), start=start)


def _take_stock(opened: Opened) -> None:
    """Count cohorts before anybody is left out, and units that are not seen again."""
    seen, start = opened.seen(), opened.start_of()
    cohorts, sizes = np.unique(start[np.isfinite(start)], return_counts=True)
    opened.cohorts = tuple((float(g), int(n)) for g, n in zip(cohorts, sizes, strict=True))
    gone = (seen.count > 0) & (seen.latest < opened.periods()[-1])
    ever = np.isfinite(seen.start)
    if opened.asked.paired:
        opened.left = int((gone & ever).sum()), int((gone & ~ever).sum())


def _leave_out(opened: Opened) -> None:
    """Drop whoever cannot serve, and count what each way to treat missing rows would keep."""
    asked, rows, first, units = opened.asked, opened.rows, opened.first, opened.units
    if asked.as_coded:
        _choose(opened)
        return
    ahead = (asked.anticipation + EVEN) * opened.step
    begin, end = float(opened.periods()[0]), float(opened.periods()[-1])
    early = " (less the periods of anticipation)" if asked.anticipation else ""
    if units is not None and not asked.by_cells and asked.control_group == "never_treated":
        unseen = np.isfinite(first) & (first > opened.seen().latest[units]) & (units >= 0)
    else:
        unseen = np.isfinite(first) & (first > end + ahead) & (asked.control_group == "never_treated")
    rows.drop(first - ahead <= begin, "treated_from_start",
              f"first treated{early} in or before {begin:.12g}: no value before treatment")
    rows.drop(unseen, "treated_unseen", f"first treated after {end:.12g}: neither seen treated nor never treated"
              if asked.by_cells else "treated, and no value after")
    _choose(opened)
    if (few(opened.start_of()) > end + ahead).any():
        opened.move(np.where(opened.first > end + ahead, np.inf, opened.first))  # untreated throughout


def _choose(opened: Opened) -> None:
    """Count units and rows under each choice for missing rows, and keep those of the choice made."""
    asked, rows, units = opened.asked, opened.rows, opened.units
    if units is None or not rows.kept.any():
        return
    seen, width = opened.seen(), len(opened.periods())
    here = seen.count > 0
    late = here & (seen.earliest >= seen.start - (asked.anticipation + EVEN) * opened.step) & (not asked.as_coded)
    every = seen.count == width
    masks = {"within_cell": (seen.count > 1) & ~late, "balanced": every & ~late,
             "repeated_cross_section": np.ones(len(here), dtype=bool)}
    if asked.paired:
        opened.choices = tuple((name, int(np.count_nonzero(mask & here)), int(seen.count[mask].sum()))
                               for name, mask in masks.items() if asked.by_cells or name != "repeated_cross_section")
    if not asked.follows:
        return
    if late.any():
        rows.drop(late[units] & rows.kept, "seen_only_after", "treated, and no value before treatment")
    if (seen.count[~late] == 1).any():
        drop_singletons(rows)
    if asked.unbalanced == "balanced":
        rows.drop(~every[units], "not_in_all_periods", f"not measured in all {width} periods")


def _need_contrast(opened: Opened) -> None:
    """Refuse a table without treated or without comparison units."""
    asked, rows = opened.asked, opened.rows
    first = few(opened.start_of())
    early = sum(d.n_units for d in rows.dropped if d.reason in ("treated_from_start", "seen_only_after"))
    too_early = (f"all {early} treated units are already treated in the first period they are measured: nobody is left to "
                 "follow from before")
    problem = None
    if not len(first):
        once = any(d.reason == "seen_once" for d in rows.dropped)
        problem = Problem(where="data", what=too_early if early and not once else "no unit is measured in two periods",
                          cure=BEFORE)
        if asked.unbalanced == "balanced" and any(d.reason == "not_in_all_periods" for d in rows.dropped):
            problem = Problem(where="unbalanced", what="no unit is measured in every period", cure="Use within_cell, or "
                              "choose fewer periods.")
    elif asked.as_coded:
        return
    elif not (first <= opened.periods()[-1]).any():
        problem = Problem(where=f"column '{asked.starts}'", what=too_early if early else
                          "no unit is treated in the periods analysed: no unit is first treated after the first and by the "
                          "last of them", cure=BEFORE if early else
                          f"Check it against the periods in '{asked.time}': both are on one scale.")
    elif np.isfinite(first).all() and asked.control_group == "never_treated":
        problem = Problem(where="comparison", what="no never-treated unit is left that has the outcome in two periods",
                          cure="Find untreated units, or declare not_yet_treated if groups started at different times.")
    elif np.isfinite(first).all() and len(first) == 1:
        problem = Problem(where="comparison", what="no unit stays untreated, and all are first treated in the same period "
                          f"({first[0]:.12g}): nobody is left to compare with", cure="Find units treated later, or never, "
                          "measured in the same periods.")
    if problem is not None:
        raise DesignError(problem, source="design")

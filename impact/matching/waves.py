"""Outcomes of units before and after: from columns, or from rows followed over periods, to one complete row a unit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import Selection, check_columns, holds_words, listed, require_columns
from impact.data.panel import panel_problems
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array
from impact.results import Dropped

if TYPE_CHECKING:
    import pandas as pd

ARM = "_treated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """Units with every wave known.

    Attributes
    ----------
    frame : one row a unit, numbered from 0, with the columns that came and, for rows over periods, ``_treated``.
    treatment : its column of 0 and 1.
    earlier, before, after : (n, k), (n,), (n,) outcomes as they came, in their own unit; earlier ones first to last.
    names : of those waves, in that order.
    places : row numbers, from 1, in the table given, of each unit.
    dropped : rows left out so far.
    """

    frame: pd.DataFrame
    treatment: str
    earlier: Array
    before: Array
    after: Array
    names: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]
    dropped: tuple[Dropped, ...]

    @property
    def treated(self) -> Array:
        """1 for units that took part by the wave after, 0 for the others: (n,)."""
        return self.frame[self.treatment].to_numpy(dtype=float)

    def given(self, lost: Dropped) -> Dropped:
        """Say of which rows of the table given a loss speaks, where it numbers units."""
        rows = tuple(sorted(row for unit in lost.rows for row in self.places[unit - 1]))
        return replace(lost, rows=rows, n_rows=len(rows), n_units=len(lost.rows))


def side_by_side(data: pd.DataFrame, *, outcome: str, treatment: str, baseline: str, earlier: Sequence[str],
                 traits: Sequence[str], unit: str | None, cluster: str | None = None) -> Waves:
    """Read waves that stand in columns of one row a unit.

    Raises
    ------
    DataError
        Missing columns, text for numbers, a treatment that is not 0/1, a unit in two rows.
    """
    waves = (*earlier, baseline, outcome)
    _need_apart(waves)
    require_columns(data, outcome=outcome, treatment=treatment, baseline=baseline, earlier=earlier, covariates=traits,
                    unit=unit, cluster=cluster)
    check_columns(data, numbers=waves, zero_one=(treatment,), complete=() if cluster is None else (cluster,))
    if unit is not None and data[unit].duplicated(keep=False).any():
        twice = data.loc[data[unit].duplicated(), unit].drop_duplicates()
        raise DataError(Problem(where=f"column '{unit}'", what=f"{len(twice)} units stand in more than one row "
                                f"({listed(speakable(twice), 5)})", cure="Keep one row a unit, or give time=, before= and "
                                "after= for rows over periods."), source="data")
    rows = Selection(data)
    rows.drop(data[treatment].isna(), "treatment_missing", f"{treatment} is missing")
    for name, reason in ((outcome, "outcome"), (baseline, "baseline"), *((name, "earlier") for name in earlier)):
        rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    for name in traits:
        rows.drop(data[name].isna(), "covariate_missing", f"{name} is missing")
    frame = data.loc[rows.kept].reset_index(drop=True)
    table = frame[list(waves)].to_numpy(dtype=float)
    return Waves(frame=frame, treatment=treatment, earlier=table[:, :-2], before=table[:, -2], after=table[:, -1],
                 names=waves, places=tuple((int(r) + 1,) for r in np.flatnonzero(rows.kept)), dropped=tuple(rows.dropped))


def followed(data: pd.DataFrame, *, outcome: str, treatment: str | None, first_treated: str | None, unit: str, time: str,
             before: float, after: float, earlier: Sequence[float], traits: Sequence[str],
             cluster: str | None = None) -> Waves:
    """Read waves that stand in rows, one a unit and period; traits are those of the period before.

    Raises
    ------
    DataError
        Missing columns, text for numbers, a unit twice in a period, periods that are not in the data or not in order,
        a treatment that switches off again.
    """
    periods = tuple(float(t) for t in (*earlier, before, after))
    require_columns(data, outcome=outcome, treatment=treatment, first_treated=first_treated, unit=unit, time=time,
                    covariates=traits, cluster=cluster)
    first = [first_treated] if first_treated is not None else []
    data = data.reset_index(drop=True)  # rows are told by their place: labels may repeat
    clean = data.assign(**{name: data[name].replace(np.inf, np.nan) for name in first})
    words = [name for name in traits if holds_words(data, name)]
    check_columns(clean, numbers=(outcome, time, *first, *(name for name in traits if name not in words)),
                  zero_one=(treatment,) if treatment is not None else (), complete=() if cluster is None else (cluster,))
    problems = [*_period_problems(clean, time, periods),
                *panel_problems(clean, unit=unit, time=time, first_treated=first_treated)]
    if problems:
        raise DataError(problems, source="data")
    clean = clean.assign(**{ARM: _arms(clean, treatment, first_treated, unit, time, before, after)})
    rows = Selection(clean, units=unit)
    rows.drop(clean[unit].isna() | clean[time].isna(), "unit_missing", f"{unit} or {time} is missing")
    rows.drop(clean[ARM] == -1, "treated_before", "treated in the period before already")
    rows.drop(~clean[time].isin(periods), "period_not_used", "period that is not compared")
    rows.drop(clean[outcome].isna(), "outcome_missing", f"{outcome} is missing")
    lacks = clean[list(traits)].isna().any(axis=1) & (clean[time] == before) if len(traits) else clean[time].isna()
    at = clean[time] == after
    lacks = lacks | (clean[ARM].isna() & at)
    gone = clean.loc[lacks, unit]
    rows.drop(clean[unit].isin(gone), "covariate_missing", "a covariate, or whether it took part, is missing")
    seen = clean.loc[rows.kept].groupby(unit)[time].count()
    rows.drop(~clean[unit].isin(seen.index[seen == len(periods)]), "wave_missing", "not measured in every wave compared")
    kept = clean.loc[rows.kept]
    frame = kept[kept[time] == before].reset_index(drop=True)
    table = kept.pivot(index=unit, columns=time, values=outcome).reindex(index=frame[unit], columns=list(periods))
    arm = kept[kept[time] == after].set_index(unit)[ARM]
    frame[ARM] = frame[unit].map(arm).to_numpy(dtype=float)
    numbers = dict(zip(kept.index, np.flatnonzero(rows.kept) + 1, strict=True))
    own = {name: tuple(int(numbers[i]) for i in index) for name, index in kept.groupby(unit).groups.items()}
    values = table.to_numpy(dtype=float)
    return Waves(frame=frame, treatment=ARM, earlier=values[:, :-2], before=values[:, -2], after=values[:, -1],
                 names=tuple(f"{outcome} in {t:.12g}" for t in periods), places=tuple(own[u] for u in frame[unit]),
                 dropped=tuple(rows.dropped))


def _need_apart(waves: Sequence[str]) -> None:
    twice = sorted({name for name in waves if list(waves).count(name) > 1})
    if twice:
        raise DesignError([Problem(where="earlier" if name not in waves[-2:] else "baseline", what=f"'{name}' stands for "
                                   "two waves", cure="Each wave has its own column.") for name in twice], source="design")


def _period_problems(data: pd.DataFrame, time: str, periods: tuple[float, ...]) -> list[Problem]:
    known = set(data[time].dropna().unique())
    absent = [f"{t:.12g}" for t in periods if t not in known]
    out = [Problem(where=f"column '{time}'", what=f"it holds no period {listed(absent)}", cure="Periods: "
                   f"{listed(f'{t:.12g}' for t in sorted(known))}.")] if absent else []
    if any(later <= sooner for sooner, later in itertools.pairwise(periods)):
        out.append(Problem(where="earlier, before, after", what="the periods do not rise: "
                           f"{listed(f'{t:.12g}' for t in periods)}", cure="Give them from the first to the last."))
    return out


def _arms(data: pd.DataFrame, treatment: str | None, first_treated: str | None, unit: str, time: str, before: float,
          after: float) -> Array:
    """1 for units that took part by the period after, 0 for others, −1 for those treated by the period before."""
    if first_treated is not None:
        first = data[first_treated].to_numpy(dtype=float)
        return np.where(first <= before, -1.0, np.where(first <= after, 1.0, 0.0))
    column = data[treatment]
    arm = data[unit].map(column[data[time] == after].groupby(data[unit]).first())
    ever = data[unit].map(column[data[time] <= after].groupby(data[unit]).max())
    off = data.loc[(arm == 0) & (ever == 1), unit].drop_duplicates()
    if len(off):
        raise DataError(Problem(where=f"column '{treatment}'", what=f"treatment switches off again for {len(off)} units "
                                f"({listed(speakable(off))})", cure="Say who took part with 1 in the period after."),
                        source="data")
    return np.asarray(arm.to_numpy(dtype=float))

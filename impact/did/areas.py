"""The table behind synthetic controls: a balanced panel of areas, which of them were treated, and in which groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import transformed
from impact.data.panel import Panel, select_panel
from impact.data.privacy import speakable
from impact.did.opening import Asked, codes_of, need_constant, need_rows
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """A balanced table of areas by periods: comparison areas first.

    Attributes
    ----------
    values : (N, T) outcomes on the scale of analysis, comparison areas in the first rows.
    n0, t0 : comparison areas, and periods before the start. names : (N,) of the areas. when : (T,) periods.
    level : name of the column at which treatment was decided, "" where that is the area. groups : how many groups at that
        level were treated. others : positions of the comparison areas of each group without a treated area, group by group.
        touched : positions of all areas of each group with a treated one.
    """

    panel: Panel
    values: Array
    raw: Array
    n0: int
    t0: int
    names: list[str]
    when: Array
    level: str
    groups: int
    others: tuple[Codes, ...]
    touched: tuple[Codes, ...]

    @property
    def alike(self) -> bool:
        """Whether groups could change places: each is treated whole or not at all, and all have as many areas."""
        sizes = {len(group) for group in (*self.others, *self.touched)}
        return len(sizes) == 1 and all((group >= self.n0).all() for group in self.touched)

    @property
    def alone(self) -> bool:
        """Whether one area is treated, and every placebo is one area too."""
        return len(self.values) - self.n0 == 1 and all(len(group) == 1 for group in self.others)


def open_areas(data: pd.DataFrame, outcome: str, unit: str, time: str, first_treated: str, cluster: str | None,
               transform: str, name_areas: bool) -> Areas:
    """Select the complete rows of one start and lay them out as a table of areas by periods, comparison areas first."""
    panel = select_panel(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated, cluster=cluster)
    rows = panel.rows
    need_rows(rows)
    need_constant(rows, codes_of(data[unit]), Asked(outcome=outcome, unit=unit, time=time, first_treated=first_treated,
                                                    cluster=cluster))
    if panel.first is None:
        raise ValueError("first_treated is needed")
    starts = np.unique(panel.first[rows.kept & np.isfinite(panel.first)])
    when = np.unique(rows.numbers(time))
    _check_starts(starts, when, first_treated)
    _drop_gaps(panel, unit, len(when))
    table = rows.data.loc[rows.kept].assign(_first=panel.first[rows.kept])
    wide = table.pivot(index=unit, columns=time, values=outcome).sort_index()
    treated = np.isfinite(table.groupby(unit)["_first"].first().reindex(wide.index).to_numpy(dtype=float))
    if treated.sum() < 1 or (~treated).sum() < 2:
        raise DesignError(Problem(where="unit", what=f"{int(treated.sum())} treated and {int((~treated).sum())} other "
                                  "areas have every period", cure="One treated area and at least two others are needed in "
                                  "every period."), source="design")
    order = np.argsort(treated, kind="stable")
    raw = wide.to_numpy(dtype=float)[order]
    flat = transformed(raw.ravel(), transform, outcome)
    first = rows.data[unit].drop_duplicates()
    places = {area: f"area of row {place + 1}" for place, area in zip(first.index, first, strict=True)}
    names = [str(area) if name_areas else places[area] for area in wide.index[order]]
    level = "" if cluster in (None, unit) else str(cluster)
    own = codes_of(table.groupby(unit)[level].first().reindex(wide.index[order])) if level else np.arange(len(raw))
    n0 = int((~treated).sum())
    touched = np.unique(own[n0:])
    return Areas(panel=panel, values=flat.reshape(raw.shape), raw=raw, n0=n0, t0=int((when < starts[0]).sum()), names=names,
                 when=when, level=level, groups=len(touched),
                 others=tuple(np.flatnonzero(own[:n0] == g) for g in np.setdiff1d(own[:n0], touched)),
                 touched=tuple(np.flatnonzero(own == g) for g in touched))


def _check_starts(starts: Array, when: Array, first_treated: str) -> None:
    if len(starts) != 1:
        shown = ", ".join(f"{s:.12g}" for s in starts)
        raise DesignError(Problem(
            where="first_treated", what=f"{len(starts)} start periods ({shown}); one is needed" if len(starts) else
            "no area is ever treated", cure="Estimate each start apart, or use group_time_att." if len(starts) else
            f"Check '{first_treated}': it is empty on all complete rows."), source="design")
    if (when < starts[0]).sum() < 2 or (when >= starts[0]).sum() < 1:
        raise DesignError(Problem(where="time", what=f"{int((when < starts[0]).sum())} periods before and "
                                  f"{int((when >= starts[0]).sum())} after the start", cure="At least two earlier periods "
                                  "and one later are needed."), source="design")


def _drop_gaps(panel: Panel, unit: str, periods: int) -> None:
    """Leave out comparison areas without every period; a treated area with a gap is an error."""
    data, rows = panel.rows.data, panel.rows
    seen = data.loc[rows.kept, unit].value_counts()
    short = data[unit].isin(seen[seen < periods].index).to_numpy() & rows.kept
    treated = short & np.isfinite(np.asarray(panel.first))
    if treated.any():
        names = speakable(data.loc[treated, unit].drop_duplicates())
        raise DesignError(Problem(where=f"column '{unit}'", what=f"treated areas lack a period: {', '.join(names)}",
                                  cure="Fill the series, or shorten the periods for all."), source="design")
    rows.drop(short, "period_missing", "an area without every period cannot stand in the mix")

"""When covariates were measured, held against when the programme began: what came after may be its effect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import rows_text
from impact.errors import Problem

if TYPE_CHECKING:
    import pandas as pd

_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}-[0-9]{2})?\Z")
DAY, YEAR = 10, 4  # length of a date and of a year written out


def measured_late(frame: pd.DataFrame, measured: Iterable[tuple[str, str]], treated_on: str, treatment: str | None) -> (
        list[Problem]):
    """Find covariates measured after treatment began.

    Parameters
    ----------
    frame : the table.
    measured : (covariate, date) pairs; a date is written 2020-12-31 or 2020, or is the name of a column of such dates.
    treated_on : when treatment began, likewise.
    treatment : 0/1 column, or None; where ``treated_on`` is a column, only the treated are held against it.

    Returns
    -------
    list of Problem
        One for each covariate with a late value; a year against a date compares the years, so that what may have come
        before in the same year passes.
    """
    problems = []
    try:
        began = _moments(frame, treated_on)
    except ValueError as error:
        return [Problem(where="treated_on", what=str(error), cure="Write dates as 2021-03-01, or years.")]
    counts = np.ones(len(frame), dtype=bool)
    if treated_on in frame.columns and treatment is not None:
        counts = (frame[treatment] == 1).to_numpy()
    for name, date in measured:
        try:
            when = _moments(frame, date)
        except ValueError as error:
            problems.append(Problem(where=f"column '{name}'", what=str(error), cure="Write dates as 2020-12-31, or years."))
            continue
        late = np.array([_after(a, b) for a, b in zip(when, began, strict=True)], dtype=bool) & counts
        if name in frame.columns:
            late &= frame[name].notna().to_numpy()
        if late.any():
            first = int(np.flatnonzero(late)[0])
            problems.append(Problem(
                where=f"column '{name}'", what=f"it was measured after treatment began for {int(late.sum())} units "
                f"({rows_text(np.flatnonzero(late) + 1)}; {when[first]} after {began[first]})", cure="Adjust only for what "
                "was measured before: the programme may have changed it, and matching on it would hide the effect."))
    return problems


def is_moment(text: str) -> bool:
    """Whether a text is a date or a year, and so not the name of a column."""
    return bool(_DATE.match(text))


def _moments(frame: pd.DataFrame, date: str) -> list[str]:
    """Dates as text, one a row; empty where unknown."""
    import pandas as pd

    if is_moment(date):
        return [date] * len(frame)
    if date not in frame.columns:
        raise ValueError(f"'{date}' is neither a date, a year nor a column")
    column = frame[date]
    if pd.api.types.is_numeric_dtype(column):
        known = column.dropna()
        if not ((known >= 1800) & (known <= 2200)).all():
            raise ValueError(f"column '{date}' holds numbers that are no years")
        return ["" if pd.isna(x) else f"{int(x):04d}" for x in column]
    try:
        parsed = pd.to_datetime(column, format=None if pd.api.types.is_datetime64_any_dtype(column) else "%Y-%m-%d")
    except (ValueError, TypeError):
        raise ValueError(f"column '{date}' holds text that is no date such as 2020-12-31") from None
    return ["" if pd.isna(x) else x.date().isoformat() for x in parsed]


def _after(one: str, other: str) -> bool:
    if not one or not other:
        return False
    shared = YEAR if YEAR in (len(one), len(other)) else DAY
    return one[:shared] > other[:shared]

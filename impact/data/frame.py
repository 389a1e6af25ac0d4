"""From a table and column names to clean arrays, with every row left out counted and explained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.errors import DataError, Problem
from impact.inference.linear import Array, Codes
from impact.results import Dropped
from impact.study.schema import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 8
HUGE = 1e100  # squares of larger values overflow


@dataclass(slots=True)
class Selection:
    """Which rows of a table one estimate uses; losses are recorded in the order they were found."""

    data: pd.DataFrame
    units: str | None = None
    kept: np.ndarray[Any, np.dtype[np.bool_]] = field(init=False)
    dropped: list[Dropped] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = np.ones(len(self.data), dtype=bool)

    def drop(self, mask: Any, reason: str, text: str) -> None:
        """Leave rows out for one reason; rows already out keep their first reason."""
        lost = np.asarray(mask, dtype=bool) & self.kept
        if not lost.any():
            return
        self.kept &= ~lost
        rows = np.flatnonzero(lost)
        n_units = len(rows)
        if self.units is not None:
            column = self.data[self.units]
            n_units = int(column[lost].nunique() - column[lost & column.isin(column[self.kept])].nunique())
        self.dropped.append(Dropped(reason=reason, text=text, n_rows=len(rows), n_units=n_units,
                                    rows=tuple(int(r) + 1 for r in rows)))

    def column(self, name: str) -> pd.Series[Any]:
        """Return one column on the rows kept."""
        column: pd.Series[Any] = self.data.loc[self.kept, name]
        return column

    def numbers(self, name: str) -> Array:
        """Return one column on the rows kept, as floats."""
        return self.column(name).to_numpy(dtype=float)

    def codes(self, name: str) -> Codes:
        """Return one column on the rows kept, as integer codes 0 … G−1 in order of appearance of sorted values."""
        import pandas as pd

        return np.asarray(pd.factorize(self.column(name), sort=True)[0], dtype=np.int64)


def listed(names: Iterable[Any], most: int = MAX_SHOWN) -> str:
    """List a few names in a message: ``a, b, c and 4 more``."""
    shown = [str(name) for name in names]
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def as_names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Read one column's name, or several, as a tuple."""
    return () if names is None else (names,) if isinstance(names, str) else tuple(names)


def require_columns(data: pd.DataFrame, **roles: str | Sequence[str] | None) -> None:
    """Refuse names that are not columns, all at once.

    Parameters
    ----------
    data : table.
    roles : what each name is for: ``outcome="profit"``, ``covariates=["age"]``.

    Raises
    ------
    DataError
        Naming each missing column and the nearest existing one.
    """
    problems = []
    columns = [str(c) for c in data.columns]
    for role, given in roles.items():
        for name in as_names(given):
            if name not in columns:
                problems.append(Problem(
                    where=f"{role}", what=f"the data have no column '{name}'",
                    cure=did_you_mean(name, columns) or f"Columns: {listed(columns, 12)}."))
    if problems:
        raise DataError(problems, source="data")


def number_problem(data: pd.DataFrame, name: str) -> Problem | None:
    """Say why a column cannot be read as numbers, or nothing when it can."""
    import pandas as pd

    column = data[name]
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        values = column.dropna().to_numpy(dtype=float)
        if np.isfinite(values).all() and (np.abs(values) < HUGE).all():
            return None
        return Problem(where=f"column '{name}'", what="it holds infinite or absurdly large values",
                       cure="Set them to missing.")
    if pd.api.types.is_datetime64_any_dtype(column):
        return Problem(where=f"column '{name}'", what="it holds dates, not numbers",
                       cure="Write the period as a number, e.g. the year.")
    bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
    what = f"it holds text, not numbers ({int(bad.sum())} of {len(column)} rows)" if bad.any() else (
        "it holds numbers stored as text")
    return Problem(where=f"column '{name}'", what=what,
                   cure="Turn it into numbers and leave empty cells empty.")


def zero_one_problem(data: pd.DataFrame, name: str) -> Problem | None:
    """Say why a column is not a 0/1 indicator, or nothing when it is."""
    import pandas as pd

    column = data[name].dropna()
    if pd.api.types.is_bool_dtype(column):
        return None
    if not pd.api.types.is_numeric_dtype(column):
        words = sorted({str(x).strip().lower() for x in column.unique()[:50]})
        yes_no = set(words) <= {"yes", "no", "y", "n", "true", "false", "oui", "non", "si", "sí", "treated", "control"}
        return Problem(
            where=f"column '{name}'", what=f"it is coded in words ({listed(words, 4)}), not 0 and 1" if yes_no
            else "it is coded in words, not 0 and 1",
            cure="Code it 1 for yes (treated) and 0 for no.")
    others = sorted(set(column.unique()) - {0, 1})
    if others:
        return Problem(where=f"column '{name}'", what=f"it holds {len(others)} value(s) other than 0 and 1",
                       cure="Code it 1 for treated and 0 for comparison.")
    return None


def check_columns(data: pd.DataFrame, *, numbers: Iterable[str] = (), zero_one: Iterable[str] = ()) -> None:
    """Refuse columns of the wrong type, all at once."""
    found = [number_problem(data, name) for name in numbers] + [zero_one_problem(data, name) for name in zero_one]
    problems = [problem for problem in found if problem is not None]
    if problems:
        raise DataError(problems, source="data")


def check_weights(data: pd.DataFrame, name: str) -> None:
    """Refuse sampling weights below zero, or all zero."""
    values = data[name].dropna().to_numpy(dtype=float)
    bad = np.flatnonzero((data[name] < 0).to_numpy()) + 1
    if len(bad) or not (values > 0).any():
        raise DataError(Problem(
            where=f"column '{name}'", what=f"{len(bad)} weights are negative (rows {listed(bad)})" if len(bad)
            else "no weight is above zero", cure="A weight says how many units a row stands for."), source="data")


def transformed(values: Array, transform: str, name: str, rows: np.ndarray[Any, Any] | None = None) -> Array:
    """Apply the declared transform: 'none' or 'log' (natural; values must be positive).

    Raises
    ------
    DataError
        When a logarithm is asked of zero or negative values; nothing is clipped or shifted.
    """
    if transform == "none":
        return values
    if transform != "log":
        raise ValueError(f"transform must be 'none' or 'log', not {transform!r}")
    bad = np.flatnonzero(~(values > 0))
    if len(bad):
        where = rows[bad] + 1 if rows is not None else bad + 1
        raise DataError(Problem(
            where=f"column '{name}'", what=f"the logarithm needs values above 0; {len(bad)} rows have none "
            f"(rows {listed(where)})", cure="Use transform: none for this outcome, or correct the data."), source="data")
    return np.asarray(np.log(values))


def with_missing_indicators(data: pd.DataFrame, names: Sequence[str]) -> tuple[Array, list[str], dict[str, int]]:
    """Lay covariates out as columns without losing a row: a missing value becomes the mean plus an indicator.

    Returns
    -------
    (n, c) array, its column names, and how many values were missing by covariate.
    """
    columns, labels, missing = [], [], {}
    for name in names:
        values = data[name].to_numpy(dtype=float)
        gone = np.isnan(values)
        if len(values) and gone.all():
            raise DataError(Problem(where=f"column '{name}'", what="it is empty on every row used",
                                    cure="Leave it out: nothing can be adjusted for with it."), source="data")
        if gone.any():
            missing[name] = int(gone.sum())
            values = np.where(gone, np.nanmean(values), values)
        columns.append(values)
        labels.append(name)
        if gone.any():
            columns.append(gone.astype(float))
            labels.append(f"{name} missing")
    return (np.column_stack(columns) if columns else np.empty((len(data), 0))), labels, missing

"""From a table and column names to clean arrays, with every row left out counted and explained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.privacy import speakable
from impact.errors import DataError, Problem
from impact.inference.linear import Array, Codes
from impact.results import Dropped
from impact.study.schema import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 8
FEW = 4  # rows or groups listed where several lists stand in one sentence
YES_NO = {"yes", "no", "y", "n", "true", "false", "oui", "non", "si", "sí", "treated", "control"}
HUGE = 1e100  # squares of larger values overflow


@dataclass(slots=True)
class Selection:
    """Which rows of a table one estimate uses; losses are recorded in the order they were found."""

    data: pd.DataFrame
    units: str | None = None
    kept: np.ndarray[Any, np.dtype[np.bool_]] = field(init=False)
    dropped: list[Dropped] = field(default_factory=list)
    _codes: Codes | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.kept = np.ones(len(self.data), dtype=bool)

    def drop(self, mask: Any, reason: str, text: str) -> None:
        """Leave rows out for one reason; rows already out keep their first reason."""
        lost = np.asarray(mask, dtype=bool) & self.kept
        if not lost.any():
            return
        self.kept &= ~lost
        rows = tuple((np.flatnonzero(lost) + 1).tolist())
        n_units = len(rows)
        if self.units is not None:
            codes = self.codes_of_units()
            gone = np.zeros(int(codes.max()) + 2, dtype=bool)  # the last place is of rows without an id
            gone[np.compress(lost, codes)] = True
            gone[np.compress(self.kept, codes)] = False
            n_units = int(np.count_nonzero(gone[:-1]))
        self.dropped.append(Dropped(reason=reason, text=text, n_rows=len(rows), n_units=n_units, rows=rows))

    def codes_of_units(self) -> Codes:
        """Return integer codes of the units of all rows, −1 where the id is missing."""
        import pandas as pd

        if self._codes is None:
            self._codes = np.asarray(pd.factorize(self.data[self.units])[0], dtype=np.int64)
        return self._codes

    def column(self, name: str) -> pd.Series[Any]:
        """Return one column on the rows kept."""
        column: pd.Series[Any] = self.data.loc[self.kept, name]
        return column

    def numbers(self, name: str) -> Array:
        """Return one column on the rows kept, as floats."""
        if self.kept.all():
            return self.data[name].to_numpy(dtype=float, copy=True)
        return self.column(name).to_numpy(dtype=float)

    def codes(self, name: str) -> Codes:
        """Return one column on the rows kept, as integer codes 0 … G−1 in order of appearance of sorted values."""
        import pandas as pd

        column = self.data[name] if self.kept.all() else self.column(name)
        return np.asarray(pd.factorize(column, sort=True)[0], dtype=np.int64)


def places(mask: Any) -> Codes:
    """Positions of the rows where something holds; what compares with a missing value does not."""
    import pandas as pd

    return np.flatnonzero(pd.Series(mask).fillna(False).to_numpy(dtype=bool)).astype(np.int64)


def gaps_as_nan(data: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Write ids whose gaps compare as unknown (pandas' nullable types) with gaps that are unlike everything."""
    import pandas as pd

    open_ = [name for name in names if getattr(data[name].dtype, "na_value", None) is pd.NA]
    return data.assign(**{name: data[name].astype(object).where(data[name].notna(), np.nan) for name in open_})


def listed(names: Iterable[Any], most: int = MAX_SHOWN) -> str:
    """List a few names in a message: ``a, b, c and 4 more``."""
    shown = [str(name) for name in names]
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def counted(count: int, noun: str = "row") -> str:
    """Write a number with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def joined(parts: list[str], count: int) -> str:
    """Join parts of a message, saying how many of ``count`` are not shown."""
    return "; ".join(parts) + (f"; and {count - len(parts)} more" if count > len(parts) else "")


def rows_text(rows: Iterable[Any], most: int = MAX_SHOWN) -> str:
    """List a few rows by their number in the table: ``row 3``, ``rows 3, 5, 9 and 4 more``."""
    numbers = [int(row) for row in rows]
    return f"{'row' if len(numbers) == 1 else 'rows'} {listed(numbers, most)}"


ONE_NAME = ("outcome", "treatment", "takeup", "dose", "unit", "time", "round", "by", "strata", "cluster", "weights", "firm",
            "worker", "wage", "closed", "saturation", "encouragement")  # roles of one column in every method


def as_names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Read one column's name, or several, as a tuple."""
    return () if names is None else (names,) if isinstance(names, str) else tuple(names)


def require_columns(data: pd.DataFrame, **roles: str | Sequence[str] | None) -> None:
    """Refuse names that are not columns, all at once.

    Parameters
    ----------
    data : a table, or what was given for one.
    roles : what each name is for: ``outcome="profit"``, ``covariates=["age"]``.

    Raises
    ------
    DataError
        Naming each missing column and the nearest existing one; several columns, or names, for one; data that are no table.
    """
    if not hasattr(data, "columns"):
        raise DataError(Problem(where="data", what=f"a {type(data).__name__} is no table",
                                cure="Read the file first: pandas.read_csv('file.csv')."), source="data")
    problems = []
    columns = [str(c) for c in data.columns]
    for role, given in roles.items():
        if role in ONE_NAME and not isinstance(given, str | None):
            problems.append(Problem(where=role, what=f"it takes one name, not {given!r}", cure="Write one name in quotes."))
            continue
        for name in as_names(given):
            if columns.count(name) > 1:
                problems.append(Problem(where=f"column '{name}'", what=f"there are {columns.count(name)} of this name",
                                        cure="Keep one of them, or rename the others."))
            elif name not in columns:
                problems.append(Problem(where=f"{role}", what=f"the data have no column '{name}'",
                                        cure=did_you_mean(name, columns) or f"Columns: {listed(columns, 12)}."))
    if problems:
        raise DataError(problems, source="data")


def number_problem(data: pd.DataFrame, name: str) -> Problem | None:
    """Say why a column cannot be read as numbers, or nothing when it can."""
    import pandas as pd

    column = data[name]
    if pd.api.types.is_complex_dtype(column):
        return Problem(where=f"column '{name}'", what="it holds complex numbers", cure="Keep their real part.")
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        values = column.dropna().to_numpy(dtype=float)
        if np.isfinite(values).all() and (np.abs(values) < HUGE).all():
            return None
        wrong = column.notna() & ~(np.abs(column.to_numpy(dtype=float)) < HUGE)
        return Problem(where=f"column '{name}'", what="it holds infinite or absurdly large values "
                       f"({rows_text(np.flatnonzero(wrong) + 1)})", cure="Set them to missing.")
    if isinstance(column.dtype, pd.PeriodDtype) or pd.api.types.is_datetime64_any_dtype(column) or (
            pd.api.types.is_timedelta64_dtype(column)):
        return Problem(where=f"column '{name}'", what="it holds dates, not numbers",
                       cure="Write the period as a number, e.g. the year.")
    bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
    stored = "categories" if isinstance(column.dtype, pd.CategoricalDtype) else "text"
    what = f"it holds text, not numbers ({int(bad.sum())} of {len(column)} rows)" if bad.any() else (
        f"it holds numbers stored as {stored}" if stored == "categories" or column.map(
            lambda value: isinstance(value, str)).any() else
        "it holds numbers in a column that is not one of numbers (object)")
    text = bad if bad.any() else column.notna()
    return Problem(where=f"column '{name}'", what=f"{what}: {rows_text(np.flatnonzero(text) + 1)}",
                   cure=_how_to_number(column[text]))


def _how_to_number(texts: pd.Series[Any]) -> str:
    """Say what hinders texts from being numbers, without quoting any."""
    cells = texts.astype(str).str.strip()
    cells = cells[cells.str.len() <= 40]  # no number or date is longer
    if cells.str.fullmatch(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}( .*|T.*)?").any():
        return "Some are dates: write a number, such as the year or the days between, and leave empty cells empty."
    if cells.str.fullmatch(r"[-+−]?[\d.,'’\s]*\d[\d.,'’\s]*%?|[A-Za-z$€£]{1,4}\s*[-+−]?\d[\d.,\s]*"
                           r"|[-+−]?\d[\d.,\s]*[A-Za-z$€£]{1,4}").any():
        return ("Some are numbers with a comma, blank, unit or % in them: write each as 1234.5, and leave empty cells "
                "empty. Commas as decimal signs are read where semicolons part the columns.")
    return "Turn it into numbers and leave empty cells empty."


def holds_words(data: pd.DataFrame, name: str) -> bool:
    """Whether a column holds words only; numbers among them are a mistake, and said by the checks."""
    import pandas as pd

    column = data[name]
    if number_problem(data, name) is None or pd.api.types.is_numeric_dtype(column) or (
            pd.api.types.is_datetime64_any_dtype(column)):
        return False
    return not pd.to_numeric(column.dropna().astype(str), errors="coerce").notna().any()


def zero_one_problem(data: pd.DataFrame, name: str) -> Problem | None:
    """Say why a column is not a 0/1 indicator, or nothing when it is."""
    import pandas as pd

    column = data[name].dropna()
    if pd.api.types.is_bool_dtype(column) or column.map(lambda value: isinstance(value, bool)).all():
        return None
    if not pd.api.types.is_numeric_dtype(column):
        return _words_problem(data, name)
    counts = column.value_counts().sort_index()
    others = [value for value in counts.index if value not in (0, 1)]
    if not others:
        return None
    where = [rows_text(places(data[name] == value) + 1, FEW) for value in others[:FEW]]
    shown = joined([f"{value:.12g} in {counted(counts[value])} ({place})"
                     for value, place in zip(others, where, strict=False)], len(others))
    beside = " and ".join(f"{value} in {counted(counts.get(value, 0))}" for value in (0, 1) if value in counts.index)
    return Problem(where=f"column '{name}'", what=f"it holds {len(others)} value(s) other than 0 and 1: {shown}"
                   + (f"; beside {beside}" if beside else ""), cure=_recode(len(counts)))


def _recode(values: int) -> str:
    """Say how to code a treatment; several arms have their own method."""
    several = " A trial with several arms is for multi_arm." if 2 < values <= MAX_SHOWN else ""
    return f"Code it 1 for yes (treated) and 0 for no (comparison).{several}"


def _words_problem(data: pd.DataFrame, name: str) -> Problem:
    """Say that a 0/1 column is coded in words; words that could be names are not repeated."""
    column = data[name].dropna()
    values = column.unique()
    words = sorted({str(x).strip().lower() for x in values[:50]})
    what = "it is coded in words, not 0 and 1"
    if set(words) <= YES_NO:
        what = f"it is coded in words ({listed(words, 4)}), not 0 and 1"
    elif 2 < len(values) <= MAX_SHOWN:
        parts = []
        for value, label in zip(values, speakable(values), strict=True):
            rows = places(data[name] == value) + 1
            parts.append(f"{'a word' if label == 'id hidden' else label} in {counted(len(rows))} ({rows_text(rows, FEW)})")
        what = f"it is coded in {len(values)} words, not 0 and 1: {'; '.join(parts)}"
    return Problem(where=f"column '{name}'", what=what, cure=_recode(len(values)))


def missing_problem(data: pd.DataFrame, name: str) -> Problem | None:
    """Say which rows do not tell their cluster, or nothing when all do."""
    gone = np.flatnonzero(data[name].isna()) + 1
    if not len(gone):
        return None
    return Problem(where=f"column '{name}'", what=f"{counted(len(gone))} {'has' if len(gone) == 1 else 'have'} no value, "
                   f"so that their cluster is not known ({rows_text(gone)})", cure="Every row needs the group in which "
                   "treatment was decided: fill it in, or take the rows out and say so.")


def check_columns(data: pd.DataFrame, *, numbers: Iterable[str] = (), zero_one: Iterable[str] = (),
                  complete: Iterable[str] = ()) -> None:
    """Refuse columns of the wrong type, or with values missing where none may be (``complete``), all at once."""
    found = [number_problem(data, name) for name in numbers] + [zero_one_problem(data, name) for name in zero_one]
    found += [missing_problem(data, name) for name in complete]
    problems = [problem for problem in found if problem is not None]
    if problems:
        raise DataError(problems, source="data")


def weights_problem(data: pd.DataFrame, name: str) -> Problem | None:
    """Say which sampling weights are below zero, or that none is above; nothing when all can serve."""
    values = data[name].to_numpy(dtype=float)
    bad = np.flatnonzero(values < 0) + 1
    if len(bad):
        what = f"{len(bad)} weight{' is' if len(bad) == 1 else 's are'} negative ({rows_text(bad)})"
    elif not (values > 0).any():
        what = f"no weight is above zero ({rows_text(np.arange(1, len(values) + 1))})"
    else:
        return None
    return Problem(where=f"column '{name}'", what=what, cure="A weight says how many units a row stands for.")


def check_weights(data: pd.DataFrame, name: str) -> None:
    """Refuse sampling weights below zero, or all zero."""
    problem = weights_problem(data, name)
    if problem is not None:
        raise DataError(problem, source="data")


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

"""Prices: from a monthly index by place to the factor that brings an amount to the price year."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import number_problem, require_columns, rows_text
from impact.errors import DataError, Problem
from impact.inference.linear import Array
from impact.study.construction import Prices, as_code

if TYPE_CHECKING:
    import pandas as pd

_MONTH = re.compile(r"([0-9]{4}-(?:0[1-9]|1[0-2]))(?:-(?:0[1-9]|[12][0-9]|3[01])(?:[ T].*)?)?\Z")
HOW = "Write dates as 2024-03-15, months as 2024-03."


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflator:
    """Index by place and month, the price year's mean by place where its 12 months are there, and the file's hash."""

    declared: Prices
    index: dict[tuple[str, str], float]
    base: dict[str, float]
    sha256: str = ""

    def places(self, frame: pd.DataFrame) -> list[str]:
        """Read each row's place."""
        name = self.declared.place
        if name is None:
            return [""] * len(frame)
        return [as_code(x) if known else "" for x, known in zip(frame[name], frame[name].notna(), strict=True)]

    def factors(self, places: Iterable[str], months: Iterable[str]) -> Array:
        """Mean index of the price year over the index of the month, by place; NaN where the file lacks either."""
        nan = float("nan")
        return np.array([self.base.get(p, nan) / self.index.get((p, m), nan) for p, m in zip(places, months, strict=True)],
                        dtype=float)

    def lacks(self, place: str, month: str) -> str:
        """Say what is missing to deflate an amount of this place and month."""
        where = f"{place or 'a missing place'} " if self.declared.place else ""
        return f"{where}{month}" if (place, month) not in self.index else f"{where}the 12 months of {self.declared.year}"


def months_of(column: Iterable[Any]) -> list[str]:
    """Read dates as months, 2024-03; empty text where missing or not written year-month-day."""
    found = (_MONTH.match(str(x).strip()) for x in column)
    return [match[1] if match else "" for match in found]


def read_deflator(table: pd.DataFrame, declared: Prices, sha256: str = "") -> Deflator:
    """Read a price table.

    Parameters
    ----------
    table : one row a place and month, with the declared columns.
    declared : what the study file says of it. sha256 : its hash, for the notes.

    Raises
    ------
    DataError
        For missing columns, months that cannot be read or stand twice, and an index that is not above zero; rows count
        from 1 below the column names.
    """
    try:
        require_columns(table, **{"prices.place": declared.place, "prices.month": declared.month,
                                  "prices.index": declared.index})
    except DataError as error:
        raise DataError(error.problems, source=declared.file) from None
    months, where = months_of(table[declared.month]), f"{declared.file}, column "
    places = [as_code(x) for x in table[declared.place]] if declared.place else [""] * len(table)
    wrong = number_problem(table, declared.index)
    if wrong is not None:
        raise DataError(Problem(where=f"{where}'{declared.index}'", what=wrong.what, cure=wrong.cure), source=declared.file)
    values = table[declared.index].to_numpy(dtype=float)
    problems = []
    for bad, name, what, cure in (
            ([i + 1 for i, m in enumerate(months) if not m], declared.month, "rows have no readable month", HOW),
            (np.flatnonzero(~(values > 0)) + 1, declared.index, "rows have no index above zero", "Correct the index."),
            (_twice(places, months), declared.month, "rows repeat a place and month", "Keep one row a place and month.")):
        if len(bad):
            problems.append(Problem(where=where + f"'{name}'", what=f"{len(bad)} {what} ({rows_text(bad)})", cure=cure))
    if problems:
        raise DataError(problems, source=declared.file)
    index = dict(zip(zip(places, months, strict=True), (float(x) for x in values), strict=True))
    return Deflator(declared=declared, index=index, base=_base(index, declared.year), sha256=sha256)


def _twice(places: list[str], months: list[str]) -> list[int]:
    seen, out = set(), []
    for i, key in enumerate(zip(places, months, strict=True)):
        if key[1] and key in seen:
            out.append(i + 1)
        seen.add(key)
    return out


def _base(index: dict[tuple[str, str], float], year: int) -> dict[str, float]:
    """Mean of the price year, for each place whose 12 months are there; fewer have no mean to be trusted."""
    found: dict[str, list[float]] = {}
    for (place, month), value in index.items():
        if month.startswith(f"{year}-"):
            found.setdefault(place, []).append(value)
    return {place: float(np.mean(values)) for place, values in found.items() if len(values) == 12}

"""How large a table may be: by its cells, counted before they are made, for a small file may unpack to a huge table."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impact.errors import DataError, Problem
from impact.study.yaml_file import shown

if TYPE_CHECKING:
    import pandas as pd

MAX_CELLS = 200_000_000
MAX_UNPACKED = 2_000_000_000  # an .xlsx is a zip
MAX_PLAIN = 100_000_000  # up to here a workbook may unpack to any number of times its size
MAX_RATIO = 200  # tables pack perhaps 30 times
LAST_ROW = 1_048_576  # of an Excel sheet

_KEEP = "Keep only the rows and columns the study needs."


def refuse(path: Path, what: str, cure: str = "", where: str = "") -> DataError:
    """Make the error that names a data file; no cell is quoted."""
    name = shown(path.name)
    return DataError(Problem(where=where or name, what=what, cure=cure), source=name)


def check_cells(path: Path, rows: int, columns: int) -> None:
    """Refuse a table of more than :data:`MAX_CELLS` cells."""
    if rows * columns > MAX_CELLS:
        raise refuse(path, f"the table has {rows:,} rows and {columns:,} columns, more than {MAX_CELLS:,} cells", _KEEP)


def check_workbook(path: Path) -> None:
    """Refuse a workbook that unpacks to far more than it holds."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(item.file_size for item in archive.infolist())
    if unpacked > MAX_UNPACKED or unpacked > max(MAX_PLAIN, MAX_RATIO * path.stat().st_size):
        raise refuse(path, "the workbook is too large once unpacked", "Keep only the table in it.")


def filled_rows(path: Path, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Pass on the rows of a sheet that hold something, and stop at more of them, or more cells, than can be read."""
    cells = 0
    for number, row in enumerate(rows, 1):
        cells += len(row)
        if number > LAST_ROW:
            raise refuse(path, f"the first sheet names rows beyond {LAST_ROW:,}, the last that Excel has",
                         "Open it in Excel and save it again.")
        if cells > MAX_CELLS:
            raise refuse(path, f"the first sheet has more than {MAX_CELLS:,} cells, empty ones before the last of a row "
                         "included", _KEEP)
        if any(value is not None for value in row):
            yield row


def used_columns(path: Path, table: Sequence[tuple[Any, ...]]) -> list[int]:
    """Say which columns hold a name or a value; a stray cell far to the right makes one column, not thousands."""
    used = sorted({i for row in table for i, value in enumerate(row) if value is not None})
    check_cells(path, len(table), len(used))
    return used


def bounded(path: Path, read: Callable[..., Any], **options: Any) -> pd.DataFrame:
    """Read a Stata or SPSS file, no more of its rows than fit: how many it has, it may say wrongly."""
    columns = max(1, read(str(path), metadataonly=True)[1].number_columns)
    frame: pd.DataFrame = read(str(path), row_limit=MAX_CELLS // columns + 1, **options)[0]
    check_cells(path, len(frame), columns)
    return frame

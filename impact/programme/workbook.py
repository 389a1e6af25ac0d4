"""The filled Excel template read into the same plain values as programme.yaml; every message names sheet and row.

Cells are values, never formulas: a formula, a cell with an error, a macro file or a workbook that unpacks to more than
it could hold is refused. Nothing in the workbook is run, followed or worked out.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from impact.errors import Problem, StudyError
from impact.programme.disk import BROKEN, refusal
from impact.programme.form import MANY, Form
from impact.programme.sheets import FIRST, INTRODUCTION, LISTS, OWNER, Column, Sheet, all_sheets, single_values
from impact.study.schema import did_you_mean
from impact.study.yaml_file import UNREADABLE, Document, Path_, dotted, shown

MAX_SIZE = 20_000_000
MAX_PART = 20_000_000
MAX_ROWS = 5_001
MAX_COLUMNS = 80
MAX_CELL = 5_000
_YES = {"yes": True, "true": True, "no": False, "false": False}
_ASK = "Copy the cells and paste them as values (Paste special, Values)."


@dataclass(slots=True)
class SheetDocument(Document):
    """A parsed workbook: plain values, and the sheet and row in which each record stands."""

    places: dict[Path_, str] = field(default_factory=dict)

    def at(self, path: Path_) -> str:
        """Say where a value stands: ``sheet costs, row 7``."""
        return next((self.places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.places), "")

    def where(self, path: Path_) -> str:
        """Name a place as a reader finds it: ``sheet costs, row 7, amount``; a path inside a row becomes its column."""
        known = next((n for n in range(len(path), -1, -1) if path[:n] in self.places), 0)
        names = [part for part in path[known:] if isinstance(part, str)]
        return ", ".join(part for part in (self.at(path), dotted(tuple(names))) if part)

    def proposals(self, path: Path_) -> str:
        """A workbook carries no proposals."""
        return ""


def read_workbook(path: Path) -> SheetDocument:
    """Read a filled template; see the module.

    Raises
    ------
    StudyError
        When the file is missing, too large, no workbook, or holds what is never opened.
    """
    name = shown(path.name)
    document = SheetDocument(name=name, tree={})
    content = checked_bytes(path, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # openpyxl's own; a date that is none is told by its cell
        _read_sheets(document, content)
    return document


def _read_sheets(document: SheetDocument, content: bytes) -> None:
    import openpyxl

    name = document.name
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
    except Exception as error:  # the reading library raises anything on a damaged file
        raise _refuse(name, f"the file does not open as an Excel workbook ({type(error).__name__})",
                      "Open it in Excel or LibreOffice and save it again as .xlsx.") from None
    known = {sheet.name: sheet for sheet in all_sheets()}
    try:
        _sheet_names(document, book.sheetnames, known)
        if FIRST in book.sheetnames:
            _first(document, _grid(document, book[FIRST]))
        for sheet in all_sheets():
            if sheet.name in book.sheetnames:
                _table(document, sheet, _grid(document, book[sheet.name]))
    except (*BROKEN, SyntaxError, LookupError, TypeError, AttributeError, OverflowError) as error:  # of XML: SyntaxError
        raise _refuse(name, f"a sheet cannot be read ({type(error).__name__})",
                      "Open it in Excel or LibreOffice and save it again as .xlsx.") from None
    finally:
        book.close()


def _refuse(name: str, what: str, cure: str = "") -> StudyError:
    return StudyError(Problem(where=name, what=what, cure=cure), source=name)


def checked_bytes(path: Path, name: str) -> bytes:
    """Give the file's bytes; before any library reads it, refuse one that is too large, a bomb, or holds entities."""
    try:
        if not path.is_file():
            raise _refuse(name, "the file does not exist or is no regular file", "Check the path.")
        if path.stat().st_size > MAX_SIZE:
            raise _refuse(name, f"the file is larger than {MAX_SIZE:,} bytes", "Such a file holds words, not data.")
        what = refusal(path.resolve().parent, PurePosixPath(path.resolve().name))
        if what:
            raise _refuse(name, f"the file {what}")
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for entry in packed.infolist():
                _check_part(packed, entry, name)
        return content
    except BROKEN:
        raise _refuse(name, "the file does not open as an Excel workbook",
                      "Open it in Excel or LibreOffice and save it again as .xlsx.") from None


def _check_part(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> None:
    if "vbaproject" in entry.filename.lower():
        raise _refuse(name, "the workbook holds macros", "Save it as .xlsx, without macros.")
    if not entry.filename.lower().endswith((".xml", ".rels", ".vml")):
        return
    with packed.open(entry) as stream:
        content = stream.read(MAX_PART + 1)
    if len(content) > MAX_PART:
        raise _refuse(name, f"a part of the workbook unpacks to more than {MAX_PART:,} bytes", "Delete what is not needed.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or re.search(rb"<!\s*(DOCTYPE|ENTITY)", content, re.IGNORECASE):
        raise _refuse(name, "a part of the workbook defines entities, which Excel never writes",
                      "Make the file anew from the template.")


def _sheet_names(document: SheetDocument, names: list[str], known: dict[str, Sheet]) -> None:
    for name in names:
        if name not in known and name not in (FIRST, INTRODUCTION, LISTS):
            document.problems.append(Problem(
                where=f"sheet {shown(name)}", what="there is no such table",
                cure=did_you_mean(name, known) or "Delete the sheet, or take its name from the template."))
    if FIRST not in names:
        document.problems.append(Problem(where=document.name, what=f"the sheet '{FIRST}' is missing",
                                         cure="Start from the template: impact new my-programme --programme."))


def _grid(document: SheetDocument, sheet: Any) -> list[tuple[int, list[Any]]]:
    """Give the rows of a sheet that hold something, with their numbers; cells that may not be read are reported."""
    out: list[tuple[int, list[Any]]] = []
    sheet.reset_dimensions()  # what the file says of its size is not to be trusted
    for number, row in enumerate(sheet.iter_rows(max_row=MAX_ROWS + 1), 1):
        cells = list(row)
        if len(cells) > MAX_COLUMNS and any(cell.value is not None for cell in cells[MAX_COLUMNS:]):
            raise _refuse(document.name, f"row {number} of the sheet {shown(sheet.title)} has over {MAX_COLUMNS} columns",
                          "Delete the columns that are not of the template.")
        values = [_cell(document, sheet.title, number, cell) for cell in cells[:MAX_COLUMNS]]
        if any(value is not None for value in values):
            out.append((number, values))
        if number > MAX_ROWS:
            raise _refuse(document.name, f"the sheet {shown(sheet.title)} has more than {MAX_ROWS - 1:,} rows",
                          "Delete rows that are not needed, also empty ones that were formatted.")
    return out


def _cell(document: SheetDocument, title: str, row: int, cell: Any) -> Any:
    """Give one cell's value; a formula, an error and a text without end are reported and not read."""
    value = cell.value
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    where = f"sheet {shown(title)}, cell {cell.coordinate}"
    if cell.data_type == "f" or not isinstance(value, (str, int, float, bool, dt.datetime, dt.date, dt.time, dt.timedelta)):
        text = shown(str(getattr(value, "text", value)), 40)
        return _report(document, row, where, f"the cell holds a formula ({text}), which is never worked out here", _ASK)
    if cell.data_type == "e":
        return _report(document, row, where, f"the cell holds the error {shown(value)}", "Correct it, or empty the cell.")
    if isinstance(value, str) and len(value) > MAX_CELL:
        return _report(document, row, where, f"the text is longer than {MAX_CELL:,} characters", "Shorten it.")
    return value


def _report(document: SheetDocument, row: int, where: str, what: str, cure: str) -> Any:
    document.problems.append(Problem(where=f"{where.replace(', cell', f', row {row}, cell')}", what=what, cure=cure))
    return UNREADABLE


def _first(document: SheetDocument, grid: list[tuple[int, list[Any]]]) -> None:
    """Read the sheet of single values: key in the first column, value in the second."""
    known = {column.title: column for column in single_values()}
    for number, cells in grid[1:]:
        key, value = str(cells[0] or "").strip(), cells[1] if len(cells) > 1 else None
        if not key:
            continue
        if key not in known:
            document.problems.append(Problem(
                where=f"sheet {FIRST}, row {number}", what=f"unknown key '{shown(key)}'",
                cure=did_you_mean(key, known) or "Take the keys from the template."))
            continue
        keys = known[key].keys
        document.places[keys] = f"sheet {FIRST}, row {number}"
        _put(document.tree, keys, _converted(value, known[key].form))
    document.places.setdefault((), f"sheet {FIRST}")


def _heads(document: SheetDocument, sheet: Sheet, number: int, cells: list[Any]) -> list[Column | None]:
    known = {column.title: column for column in sheet.columns}
    out: list[Column | None] = []
    for cell in cells:
        title = str(cell).strip() if isinstance(cell, str) else ""
        column = known.get(title)
        if column is not None and column in out:
            document.problems.append(Problem(where=f"sheet {sheet.name}, row {number}",
                                             what=f"the column '{shown(title)}' stands twice", cure="Keep one of the two."))
            column = None
        elif column is None and cell is not None:
            document.problems.append(Problem(
                where=f"sheet {sheet.name}, row {number}", what=f"unknown column '{shown(str(cell))}'",
                cure=did_you_mean(title, known) or f"Take the headings from the template: {', '.join(known)}."))
        out.append(column)
    return out


def _table(document: SheetDocument, sheet: Sheet, grid: list[tuple[int, list[Any]]]) -> None:
    """Read one table: headings in its first row, one record a row."""
    if not grid:
        return
    heads = _heads(document, sheet, *grid[0])
    owners = _owners(document, sheet.table) if sheet.inner else {}
    for number, cells in grid[1:]:
        row: dict[str, Any] = {}
        filled = [(column, value) for column, value in zip(heads, cells, strict=False) if column and value is not None]
        for column, value in filled:
            _put(row, column.keys, _converted(value, column.form))
        if not row:
            continue
        where = f"sheet {sheet.name}, row {number}"
        path = _home(document, sheet, row, owners, where)
        if path is not None:
            document.places[path] = where


def _home(document: SheetDocument, sheet: Sheet, row: dict[str, Any], owners: dict[str, int], where: str) -> Path_ | None:
    """Put a row into its table, or into the record it belongs to; returns its path."""
    if not sheet.inner:
        rows = document.tree.setdefault(sheet.table, [])
        rows.append(row)
        return (sheet.table, len(rows) - 1)
    owner = row.pop(OWNER, None)
    if not isinstance(owner, str) or owner not in owners:
        what = f"'{OWNER}' is empty" if owner is None else f"'{shown(owner)}' is not a code of {sheet.table}"
        document.problems.append(Problem(where=where, what=what, cure=did_you_mean(owner or "", owners) or
                                         f"Write the code of the row of {sheet.table} it belongs to."))
        return None
    index = owners[owner]
    rows = document.tree[sheet.table][index].setdefault(sheet.inner, [])
    rows.append(row)
    return (sheet.table, index, sheet.inner, len(rows) - 1)


def _owners(document: SheetDocument, table: str) -> dict[str, int]:
    rows: Iterator[tuple[int, dict[str, Any]]] = enumerate(document.tree.get(table, []))
    out: dict[str, int] = {}
    for i, row in rows:
        if isinstance(row.get("id"), str):
            out.setdefault(row["id"], i)
    return out


def _put(values: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    """Set a value inside groups of keys; an empty cell sets nothing, so that it is 'not stated'."""
    if value is None:
        return
    for key in keys[:-1]:
        values = values.setdefault(key, {})
    values[keys[-1]] = value


def _converted(value: Any, shape: Form) -> Any:
    """Bring a cell to what the same key holds in YAML; what does not fit is left for the validator to name."""
    if value is None or value is UNREADABLE:
        return value
    if shape.kind == "boolean" and isinstance(value, str):
        return _YES.get(value.strip().lower(), value)
    if shape.kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if shape.kind in ("number", "integer", "boolean", "date", "choice"):
        return value
    if isinstance(value, dt.datetime):
        value = value.date() if value.time() == dt.time() else value
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.15g}"
    return value if isinstance(value, str) or shape.kind not in MANY else str(value)

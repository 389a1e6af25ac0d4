"""Excel in and out: nothing a cell holds is ever a formula, the same content gives the same bytes, bombs are refused."""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impact.errors import Problem, StudyError

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

MAX_ROWS, MAX_COLUMNS = 20_000, 60
MOST_IN_A_CELL = 30_000  # Excel keeps 32,767 characters
HEAD_ROOM = 5.0  # points below the head
LINE, TALLEST = 15.0, 409.0  # points: a line of 11-point letters, and the tallest row a sheet can have
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # wide ones: where East Asian text is typed


def neutral(value: Any) -> Any:
    """Keep a spreadsheet from reading a text as a formula; numbers stay numbers."""
    if isinstance(value, bool) or value is None or isinstance(value, (int, float)):
        return value
    text = _CONTROL.sub("\ufffd", str(value))[:MOST_IN_A_CELL]
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def new_workbook() -> Workbook:
    """Make an empty workbook."""
    from openpyxl import Workbook

    book = Workbook()
    book.properties.created = dt.datetime(2000, 1, 1)  # the clock has no part in a file
    book.remove(book.worksheets[0])
    return book


def write_rows(book: Workbook, title: str, rows: Iterable[Sequence[Any]], *, widths: Sequence[int] = (),
               head: bool = True) -> Worksheet:
    """Write one sheet: its first row stands still and filters the rest, long texts wrap."""
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    sheet: Worksheet = book.create_sheet(title)
    # in a sheet of names and what is said of them a number stands where the words do
    wrap = Alignment(wrap_text=True, vertical="top", horizontal=None if head else "left")
    for row in rows:
        sheet.append([neutral(value) for value in row])
    for line in sheet.iter_rows():
        for cell in line:
            cell.alignment = wrap
            if isinstance(cell.value, str):
                cell.data_type = "s"
    if head and sheet.max_row:
        for cell in sheet[1]:
            cell.font = Font(name="Calibri", bold=True, color="FFFFFF")
            cell.fill = PatternFill("solid", fgColor="123C5E")
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = sheet.dimensions
        sheet.print_title_rows = "1:1"
    for i, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(i)].width = width
    for i, values in enumerate(sheet.iter_rows(values_only=True), 1):
        sheet.row_dimensions[i].height = _height(values, widths) + (HEAD_ROOM if head and i == 1 else 0)
    return sheet


def _height(values: Sequence[Any], widths: Sequence[int]) -> float:
    """Make a row as tall as its longest text: not every program works it out when it opens a file."""
    lines = 1
    for i, value in enumerate(values):
        room = widths[i] if i < len(widths) else 12
        lines = max(lines, sum(-(-len(part) // max(1, room - 1)) or 1 for part in str(value or "").splitlines()))
    return min(LINE * lines, TALLEST)


def on_paper(sheet: Worksheet, *, left: str, middle: str = "") -> None:
    """Set a sheet up for printing: as wide as the paper, with words at the foot of every page."""
    from openpyxl.worksheet.properties import PageSetupProperties

    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    foot: Any = sheet.oddFooter
    foot.left.text, foot.center.text, foot.right.text = left, middle, "&P"


def stamp_sheets(book: Workbook, *, fictional: bool) -> None:
    """Say on every printed sheet what it is, and where the programme is made up."""
    for sheet in book.worksheets:
        on_paper(sheet, left="DCED self-check, not an audit", middle="FICTIONAL PROGRAMME" if fictional else "")


def saved(book: Workbook) -> bytes:
    """Save a workbook without the clock: the same content gives the same bytes."""
    from impact.programme.writing import settled

    raw = io.BytesIO()
    book.save(raw)
    return settled(raw.getvalue())


def open_rows(file: Path, names: Sequence[str], start: str = "") -> dict[str, list[tuple[int, list[Any]]]]:
    """Read the values of some sheets, each row with its number; formulas are read as what they last showed.

    ``start`` says how to get the sheet as it must be.

    Raises
    ------
    StudyError
        When the file is no workbook, too large once unpacked, or lacks one of the sheets.
    """
    from openpyxl import load_workbook

    from impact.programme.workbook import checked_bytes

    content = checked_bytes(file, file.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # openpyxl's own, as of dates that are none
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
            lacking = [name for name in names if name not in book.sheetnames]
            found = {name: [(i, list(row)) for i, row in enumerate(
                book[name].iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS, values_only=True), 1)]
                for name in names if name not in lacking}
            book.close()
    except Exception as error:  # the reading library raises anything on a damaged file
        what = f"the file does not open as an Excel workbook ({type(error).__name__})"
        raise StudyError(Problem(where=file.name, what=what, cure="Save it again as .xlsx."), source=file.name) from None
    if lacking:
        raise StudyError(Problem(where=file.name, what=f"the sheet {' and '.join(lacking)} is missing",
                                 cure=start or "Start from: impact audit --write-standard my-standard.xlsx."),
                         source=file.name)
    return found

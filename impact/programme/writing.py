"""A programme written out: as plain values, as YAML and as the Excel template; reading it back gives an equal programme."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

from impact.programme.form import MANY, Form, Record, forms
from impact.programme.sheets import (
    FIRST,
    INTRODUCTION,
    KEY_COLUMNS,
    LISTS,
    OWNER,
    Sheet,
    all_sheets,
    single_values,
)
from impact.programme.types import Programme

LINE = 116  # characters of a record that is written on one line
LONGEST_LIST = 255  # Excel's own limit for a list written into a rule
SPARE_ROWS = 200  # rows below the last one in which the lists of choices are offered
_MADE = dt.datetime(2000, 1, 1)  # a workbook records its date; the same contents must give the same bytes
_WIDTHS = {"text": 40, "texts": 30, "cites": 34, "serves": 40, "refs": 26, "file": 36, "link": 30}
_INTRODUCTION = (
    "This workbook describes one programme for its self-check against the DCED Standard. It is no audit and no rating.",
    "One sheet is one table. The headings are keys: do not change them. Point at a heading to see what to write.",
    "Bold headings must be filled in a row that is used. Leave empty what you do not know: it is then 'not stated'.",
    "Codes (id) are yours: letters, digits, - and _. Other sheets refer to them.",
    "A reference to a document is its code and the page, sheet or row: D07 p. 4. Several are parted by semicolons.",
    "Dates: 2026-11-21, or an Excel date. Numbers without units. Formulas are not read: paste them as values.",
    "Save it as programme.xlsx in the programme folder, then type: impact audit FOLDER",
)


def plain_values(record: Record) -> dict[str, Any]:
    """Give what a record states as plain values by key; what is not stated is left out."""
    out: dict[str, Any] = {}
    for key, (name, shape) in forms(type(record)).items():
        value = getattr(record, name)
        if value is None or value == ():
            continue
        if shape.kind == "records":
            out[key] = [plain_values(item) for item in value]
        elif shape.kind == "record":
            out[key] = plain_values(value)
        elif shape.kind in ("cites", "serves"):
            out[key] = [str(item) for item in value]
        else:
            out[key] = list(value) if isinstance(value, tuple) else value
    return out


def to_yaml(programme: Programme) -> str:
    """Write a programme as the text of programme.yaml: a table after the other, one record a line where it fits."""
    import yaml

    values = plain_values(programme)
    for holder, key in _dates(values, Programme):
        holder[key] = dt.date.fromisoformat(holder[key])
    parts, tables = [], {key: shape.help for key, (_, shape) in forms(Programme).items() if shape.kind == "records"}
    for key, value in values.items():
        node: Any = yaml.SafeDumper(io.StringIO(), sort_keys=False).represent_data({key: value})
        node.flow_style = False
        for _, inner in node.value:
            _fold(inner, 0)
            if key in tables:
                inner.flow_style = False
        head = f"\n# {tables[key]}\n" if key in tables else ""
        parts.append(head + yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=10_000))
    return "".join(parts)


def _fold(node: Any, indent: int) -> int:
    """Put what fits on one line on one line; returns the characters it would take there."""
    if not isinstance(node.value, list):
        return len(node.value)
    inner = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    width: int = sum(_fold(part, indent + 2) + 2 for part in inner)
    node.flow_style = width + indent <= LINE
    return width


def _dates(values: dict[str, Any], record: type) -> list[tuple[dict[str, Any], str]]:
    """Find every date, so that it is written bare and not in quotes."""
    found: list[tuple[dict[str, Any], str]] = []
    for key, (_, shape) in forms(record).items():
        if key not in values:
            continue
        if shape.kind == "date":
            found.append((values, key))
        elif shape.of is not None:
            for inner in values[key] if shape.kind == "records" else [values[key]]:
                found += _dates(inner, shape.of)
    return found


def to_workbook(programme: Programme | None = None) -> bytes:
    """Write a programme into the Excel template; an empty template when left out."""
    import openpyxl

    values = {} if programme is None else plain_values(programme)
    book = openpyxl.Workbook()
    book.properties.created = book.properties.modified = _MADE
    book.properties.creator = "impact"
    about: Any = book.active
    about.title = INTRODUCTION
    about.column_dimensions["A"].width = 120
    for line in _INTRODUCTION:
        about.append([line])
    _first(book.create_sheet(FIRST), values)
    for sheet in all_sheets():
        _table(book.create_sheet(sheet.name), sheet, values)
    stream = io.BytesIO()
    book.save(stream)
    return settled(stream.getvalue())


def settled(content: bytes) -> bytes:
    """Set the time stamps inside the file, so that the same programme gives the same bytes."""
    import re
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2000-01-01T00:00:00Z", part)
            new.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _first(page: Any, values: dict[str, Any]) -> None:
    """Write the sheet of single values: key, value, what to write."""
    from openpyxl.styles import Font

    for place, (title, width) in enumerate(zip(KEY_COLUMNS, (34, 60, 80), strict=True), 1):
        page.cell(1, place, title).font = Font(bold=True)
        page.column_dimensions[page.cell(1, place).column_letter].width = width
    for row, column in enumerate(single_values(), 2):
        page.cell(row, 1, column.title).font = Font(bold=column.form.essential)
        _write(page.cell(row, 2), _value(values, column.keys), column.form)
        page.cell(row, 3, _said(column.form))
        _offer(page, column.form, f"B{row}")
    page.freeze_panes = "A2"


def _table(page: Any, sheet: Sheet, values: dict[str, Any]) -> None:
    """Write one table: headings with their notes, rows, and the lists of choices."""
    from openpyxl.comments import Comment
    from openpyxl.styles import Alignment, Font, PatternFill

    rows = list(_rows(sheet, values))
    for place, column in enumerate(sheet.columns, 1):
        head = page.cell(1, place, column.title)
        head.font = Font(bold=column.form.essential)
        head.fill = PatternFill("solid", fgColor="DDE6EE")
        head.comment = Comment(_said(column.form), "impact", height=90, width=320)
        page.column_dimensions[head.column_letter].width = max(len(column.title) + 3, _WIDTHS.get(column.form.kind, 14))
        _offer(page, column.form, f"{head.column_letter}2:{head.column_letter}{len(rows) + SPARE_ROWS}")
    for number, row in enumerate(rows, 2):
        for place, column in enumerate(sheet.columns, 1):
            cell = page.cell(number, place)
            _write(cell, _value(row, column.keys), column.form)
            if isinstance(cell.value, str) and len(cell.value) > 50:
                cell.alignment = Alignment(wrap_text=True, vertical="top")
    page.freeze_panes = "B2"


def _rows(sheet: Sheet, values: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = values.get(sheet.table, [])
    if not sheet.inner:
        return rows
    return [{OWNER: row["id"], **inner} for row in rows for inner in row.get(sheet.inner, [])]


def _value(values: dict[str, Any], keys: tuple[str, ...]) -> Any:
    inner: Any = values
    for key in keys:
        inner = inner.get(key) if isinstance(inner, dict) else None
    return inner


def _said(shape: Form) -> str:
    """Say what to write: the help, then the words that may stand there."""
    told = [shape.help]
    if shape.choices:
        told.append(f"One of: {', '.join(shape.choices)}.")
    if shape.kind in ("ref", "refs"):
        told.append(f"Codes of: {', '.join(shape.to)}.")
    if shape.kind in MANY:
        told.append("Several are parted by semicolons.")
    if shape.essential:
        told.append("Must be filled in.")
    return " ".join(told)


def _write(cell: Any, value: Any, shape: Form) -> None:
    """Write one value; a text stays a text whatever it begins with, so that no spreadsheet ever works it out."""
    if value is None:
        return
    if shape.kind == "boolean":
        value = "yes" if value else "no"
    elif shape.kind in MANY:
        value = "; ".join(value)
    elif shape.kind == "date":
        cell.value = dt.date.fromisoformat(value)
        cell.number_format = "yyyy-mm-dd"
        return
    cell.value = value
    if isinstance(value, str):
        cell.data_type = "s"
        cell.quotePrefix = value[:1] in "=+-@"


def _offer(page: Any, shape: Form, cells: str) -> None:
    """Offer the words that may stand in a cell; a list of codes is the first column of the table they name."""
    from openpyxl.worksheet.datavalidation import DataValidation

    if shape.kind == "boolean" or shape.choices:
        words = shape.choices or ("yes", "no")
        source = f'"{",".join(words)}"'
        source = source if len(source) <= LONGEST_LIST else _listed(page.parent, words)
    elif shape.kind == "ref" and len(shape.to) == 1:
        source = f"'{shape.to[0]}'!$A$2:$A${SPARE_ROWS * 5}"
    else:
        return
    page.add_data_validation(DataValidation(
        type="list", formula1=source, allow_blank=True, showErrorMessage=True, sqref=cells,
        errorStyle="warning" if shape.kind == "ref" else "stop", errorTitle="Not in the list",
        error="Choose a word from the list, or enter the code in its own table first."))


def _listed(book: Any, words: tuple[str, ...]) -> str:
    """Put a long list of words into a column of the sheet of lists, once; returns where it stands."""
    page = book[LISTS] if LISTS in book.sheetnames else book.create_sheet(LISTS)
    page.sheet_state = "hidden"
    heads = [cell.value for cell in page[1]] if page["A1"].value else []
    place = heads.index(words[0]) + 1 if words[0] in heads else len(heads) + 1
    for row, word in enumerate(words, 1):
        page.cell(row, place, word)
    letter = page.cell(1, place).column_letter
    return f"'{LISTS}'!${letter}$1:${letter}${len(words)}"


"""A table of the Standard as an Excel sheet: one row an item, read into the same pass as YAML; and a sheet to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from impact.dced.workbooks import new_workbook, open_rows, saved, write_rows
from impact.errors import Problem, StudyError
from impact.study.yaml_file import Document, Path_

ABOUT, ITEMS = "about", "items"
HEAD = ("standard", "version", "version_date", "compiled")
COLUMNS = ("element_id", "element_title", "element_verified", "control_key", "control_id", "control_title", "status",
           "control_points", "control_verified", "control_note", "key", "id", "text", "evidence", "points", "verified")
_ELEMENT = {"element_id": "id", "element_title": "title", "element_verified": "title_verified"}
_CONTROL = {"control_key": "internal_key", "control_id": "id", "control_title": "title", "status": "status",
            "control_points": "points", "control_verified": "verified", "control_note": "note"}
_ITEM = {"key": "internal_key", "id": "id", "text": "text", "evidence": "evidence", "points": "points",
         "verified": "verified"}
_TEXTS = frozenset({"standard", "version", "version_date", "control_id", "id", "compiled"})


class _Sheet(Document):
    """A document whose places are rows of a sheet."""

    __slots__ = ()

    def where(self, path: Path_) -> str:
        row = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        name = next((str(p) for p in reversed(path) if isinstance(p, str)), "")
        return f"sheet {ITEMS}, row {row}, {name}" if row else f"sheet {ABOUT}, {name}" if name else self.name


def read_sheet(file: Path) -> Document:
    """Read an Excel table of the Standard into plain values, with the row of each item.

    Raises
    ------
    StudyError
        When the file is no workbook, is too large, or lacks a sheet or column.
    """
    sheets = open_rows(file, (ABOUT, ITEMS))
    document = _Sheet(name=file.name)
    tree: dict[str, Any] = {"warning": []}
    for _, cells in sheets[ABOUT]:
        name, value = ([*cells, None, None])[:2]
        if name == "warning" and value is not None:
            tree["warning"].append(str(value))
        elif name in HEAD and value is not None:
            tree[str(name)] = str(value)
    rows = sheets[ITEMS]
    header = [str(cell or "").strip() for cell in rows[0][1]] if rows else []
    lacking = [name for name in COLUMNS if name not in header and name not in ("control_note", "points", "control_points")]
    unknown = [name for name in header if name and name not in COLUMNS]
    if lacking or unknown:
        raise StudyError([
            *(Problem(where=f"sheet {ITEMS}", what=f"the column '{name}' is missing",
                      cure="Start from the sheet that comes with the tool.") for name in lacking),
            *(Problem(where=f"sheet {ITEMS}", what=f"unknown column '{name}'", cure="Delete it.") for name in unknown)],
            source=file.name)
    tree["elements"] = _nested(document, header, rows[1:])
    document.tree = tree
    return document


def _nested(document: Document, header: list[str], rows: list[tuple[int, list[Any]]]) -> list[dict[str, Any]]:
    """Fold rows into elements, control points and items; the first row of a group gives its own cells."""
    elements: list[dict[str, Any]] = []
    for number, cells in rows:
        row = {name: _value(name, cell) for name, cell in zip(header, cells, strict=False) if name}
        if all(value is None for value in row.values()):
            continue
        if not elements or elements[-1].get("id") != row.get("element_id"):
            elements.append({**_part(row, _ELEMENT), "control_points": []})
        here: Path_ = ("elements", len(elements) - 1)
        document.lines.setdefault(here, number)
        controls = elements[-1]["control_points"]
        if not controls or controls[-1].get("internal_key") != row.get("control_key"):
            controls.append({**_part(row, _CONTROL), "criteria": []})
        here = (*here, "control_points", len(controls) - 1)
        document.lines.setdefault(here, number)
        controls[-1]["criteria"].append(_part(row, _ITEM))
        document.lines[(*here, "criteria", len(controls[-1]["criteria"]) - 1)] = number
    return elements


def _part(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {key: row[name] for name, key in names.items() if row.get(name) is not None}


def _value(name: str, cell: Any) -> Any:
    if isinstance(cell, str):
        low = cell.strip().lower()
        if name.endswith("verified") and low in ("yes", "true", "no", "false"):
            return low in ("yes", "true")
        return cell.strip() or None
    if name in _TEXTS and cell is not None:
        return f"{cell:g}" if isinstance(cell, float) else str(cell)
    return cell


def standard_sheet(path: str | Path | None = None) -> bytes:
    """Write a table of the Standard as a workbook, to be corrected against the official sheet and handed back.

    Parameters
    ----------
    path : the table to start from; the one that comes with impact when left out.
    """
    from impact.dced.table import read_standard

    table = read_standard(path)
    book = new_workbook()
    write_rows(book, ABOUT, [*((name, getattr(table, name)) for name in HEAD),
                             *(("warning", line) for line in table.warning)])
    rows: list[tuple[Any, ...]] = [COLUMNS]
    for element in table.elements:
        for control in element.control_points:
            rows += [(element.id, element.title, _yes(element.title_verified), control.internal_key, control.id,
                      control.title, control.status, control.points, _yes(control.verified), control.note or None,
                      item.internal_key, item.id, item.text, item.evidence, item.points, _yes(item.verified))
                     for item in control.criteria]
    write_rows(book, ITEMS, rows, widths=(10, 30, 10, 16, 10, 40, 14, 10, 10, 30, 24, 10, 60, 40, 10, 10))
    return saved(book)


def _yes(value: bool) -> str:
    return "yes" if value else "no"

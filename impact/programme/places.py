"""Whether the page, sheet or row that a reference names is in its document, as far as the file itself can tell.

'Absent' is said only where the file shows it: a workbook without that sheet, a table with fewer rows, a text with fewer
lines or numbered pages. Pages of Word files depend on who prints them, so they are mostly 'unknown', which is no fault.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import unescape

from impact.programme.disk import BROKEN, MAX_PART, part

Found = Literal["there", "absent", "unknown"]
_PAGE = re.compile(r"\b(?:pp?\.|pages?)\s*(\d{1,5})(?:\s*[-–]\s*(\d{1,5}))?", re.IGNORECASE)
_ROW = re.compile(r"\b(?:rows?|lines?)\s*(\d{1,7})(?:\s*[-–]\s*(\d{1,7}))?", re.IGNORECASE)
_SHEET = re.compile(r"\bsheet\s+(?:'([^']{1,60})'|\"([^\"]{1,60})\"|(.{1,60}?))(?=\s*(?:,|\brows?\b|\blines?\b|$))",
                    re.IGNORECASE)
_LEAVES = re.compile(rb"/Type\s*/Pages\b[^>]{0,200}?/Count\s+(\d{1,6})")
_HEADING = re.compile(r"^(?:[^\S\n]|#)*page\s+(\d{1,5})\b", re.IGNORECASE | re.MULTILINE)
# No pattern below runs past the next '<': a file of unclosed tags would else be read once for each of them.
_ROWS = re.compile(rb"<row\b[^<>]*\br=\"(\d{1,7})\"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place as written: the last page and row it names, and the sheet; None where it names none."""

    page: int | None = None
    sheet: str | None = None
    row: int | None = None


def parse_place(text: str) -> Place:
    """Read 'p. 4', 'pages 2-3', 'row 7', 'rows 3-26' or 'sheet Costs row 9'; anything else cannot be looked up."""
    page, row, sheet = _PAGE.search(text), _ROW.search(text), _SHEET.search(text)
    return Place(page=int(page[2] or page[1]) if page else None, row=int(row[2] or row[1]) if row else None,
                 sheet=next((g.strip() for g in sheet.groups() if g), None) if sheet else None)


def find_place(path: Path, text: str) -> Found:
    """Say whether the place is in the file.

    Parameters
    ----------
    path : a file that :func:`impact.programme.disk.look` found 'there'.
    text : the place, as a reference names it.
    """
    place = parse_place(text)
    kind = path.suffix.lower()
    try:
        if kind == ".xlsx":
            return _in_workbook(path, place)
        if kind in (".txt", ".md", ".csv", ".tsv"):
            return _in_text(path, place)
        if kind == ".pdf" and place.page is not None:
            with path.open("rb") as stream:
                return _within(place.page, max((int(n) for n in _LEAVES.findall(stream.read(MAX_PART))), default=0))
        if kind == ".docx" and place.page is not None:
            return _in_word(path, place.page)
    except BROKEN:
        return "unknown"
    return "unknown"


def _within(number: int, last: int) -> Found:
    """Compare with the last one there is; 0 means that the file does not say."""
    if not last:
        return "unknown"
    return "there" if 1 <= number <= last else "absent"


def _in_text(path: Path, place: Place) -> Found:
    """Rows are lines; pages are those a text numbers itself ('Page 3: …'), or parts with form feeds."""
    if path.stat().st_size > MAX_PART:
        return "unknown"
    text = path.read_bytes().decode("utf-8", "replace")
    if place.row is not None:
        return _within(place.row, len(text.splitlines()))
    if place.page is None:
        return "unknown"
    headings = [int(number) for number in _HEADING.findall(text)]
    return _within(place.page, max([*headings, text.count("\f") + 1 if "\f" in text else 0]))


def _in_word(path: Path, page: int) -> Found:
    """A Word file shows a page if a heading numbers it; else only the count it saved of itself speaks."""
    with zipfile.ZipFile(path) as packed:
        body = part(packed, "word/document.xml").decode("utf-8", "replace")
        paragraphs = ("".join(re.findall(r"<w:t[^<>]*>([^<]*)", p)) for p in body.split("</w:p>"))
        headings = [int(m[1]) for m in map(_HEADING.match, paragraphs) if m]
        if headings:
            return _within(page, max(headings))
        saved = re.search(rb"<Pages>(\d{1,5})</Pages>", part(packed, "docProps/app.xml"))
        return "there" if saved and page <= int(saved[1]) else "unknown"


def _in_workbook(path: Path, place: Place) -> Found:
    if place.sheet is None and place.row is None:
        return "unknown"
    with zipfile.ZipFile(path) as packed:
        names = _sheets(packed)
        if place.sheet is not None and place.sheet.casefold() not in {name.casefold() for name in names}:
            return "absent"
        if place.row is None:
            return "there"
        wanted = [f for name, f in names.items() if place.sheet is None or name.casefold() == place.sheet.casefold()]
        parts = [part(packed, f) for f in wanted]
        rows = [int(r) for content in parts for r in _ROWS.findall(content)]
        cut = any(len(content) == MAX_PART for content in parts)  # its last rows were not read
        return "unknown" if cut and place.row > max(rows, default=0) else _within(place.row, max(rows, default=0))


def _sheets(packed: zipfile.ZipFile) -> dict[str, str]:
    """Map the sheets of a workbook to their parts."""
    book = part(packed, "xl/workbook.xml").decode("utf-8", "replace")
    links = part(packed, "xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    targets: dict[str, str] = {}
    for link in re.findall(r"<Relationship\b[^<>]*>", links):
        keys = dict(re.findall(r"\b(Id|Target)=\"([^\"]*)\"", link))
        targets[keys.get("Id", "")] = keys.get("Target", "")
    out: dict[str, str] = {}
    for sheet in re.findall(r"<sheet\b[^<>]*>", book):
        name, link = re.search(r"\bname=\"([^\"]*)\"", sheet), re.search(r"\br:id=\"([^\"]*)\"", sheet)
        if name and link:
            target = targets.get(link[1], "").lstrip("/")
            out[unescape(name[1], {"&quot;": '"'})] = target if target.startswith("xl/") else f"xl/{target}"
    return out

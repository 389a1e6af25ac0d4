"""A document without the names of those who wrote it: what office and PDF files record of people beside their text."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from impact.programme.disk import BROKEN, MAX_PART, OFFICE

_NAMES = re.compile(rb"(<(?P<tag>dc:creator|cp:lastModifiedBy|Manager|author|meta:initial-creator|meta:printed-by)"
                    rb"\b[^<>]{0,400}(?<!/)>)[^<]+(?=</(?P=tag)>)")
_MARKS = re.compile(rb"(\s(?:(?:w\d*:)?(?:author|initials|userId)|displayName)=)\"[^\"]+\"")
_PLACES = re.compile(r"docProps/(core|app)\.xml|meta\.xml|content\.xml|styles\.xml|word/\w+\.xml|"
                     r"xl/(comments/)?comments?\d*\.xml|xl/persons/\w+\.xml|ppt/(comments/\w+|commentAuthors)\.xml")
_PDF = re.compile(rb"(/Author\s*)(\((?:\\.|[^()\\]|\((?:\\.|[^()\\])*+\))*+\)|<[0-9A-Fa-f\s]+>)", re.DOTALL)
_PDF_LI = re.compile(rb"(<dc:creator>.{0,1000}?</dc:creator>)", re.DOTALL)


def without_authors(content: bytes, name: str) -> bytes:
    """Blank the names of authors, editors and commenters in a file's own records; its text stays as it is.

    Parameters
    ----------
    content : the file.
    name : its name, whose ending says what it is.

    Returns
    -------
    bytes
        The same object where there is nothing to blank, or the file does not open.
    """
    kind = Path(name).suffix.lower()
    if kind == ".pdf":
        content = _PDF.sub(lambda m: m[1] + m[2][:1] + b" " * (len(m[2]) - 2) + m[2][-1:], content)
        return _PDF_LI.sub(lambda m: re.sub(rb">[^<]+<", lambda t: b">" + b" " * (len(t[0]) - 2) + b"<", m[1]), content)
    if kind not in OFFICE or kind == ".zip":
        return content
    try:
        return _office(content)
    except BROKEN:
        return content


def _office(content: bytes) -> bytes:
    out, changed = io.BytesIO(), False
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            part = old.read(entry)
            if _PLACES.fullmatch(entry.filename) and len(part) <= MAX_PART:
                bare = _MARKS.sub(rb'\1""', _NAMES.sub(rb"\1", part))
                changed |= bare != part
                part = bare
            new.writestr(zipfile.ZipInfo(entry.filename, entry.date_time), part, entry.compress_type)
    return out.getvalue() if changed else content

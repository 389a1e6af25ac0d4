"""Documents on disk: whether a file may be looked at, what it is, and whether a place named in it is there.

Nothing is unpacked, run or followed: a document is looked at within fixed limits, and what is too large, leads out of
the folder or unpacks to far more than it holds is refused before it is opened.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

try:
    from lzma import LZMAError
except ImportError:  # Python can be built without it, and then unpacks nothing that needs it
    LZMAError = OSError  # type: ignore[misc, assignment]  # a stand-in for the tuple below

MAX_HASHED = 300_000_000  # bytes; a larger file is not read whole
MAX_PART = 50_000_000  # bytes of one part of an office file that is looked into
MAX_UNPACKED = 1_000_000_000
MAX_RATIO = 300  # an office file packs its text perhaps 30 times; a bomb 1,000 times
MAX_PARTS = 20_000
OFFICE = (".xlsx", ".docx", ".pptx", ".odt", ".ods", ".xlsm", ".zip")
# What reading a packed file raises where it is no zip, cut off, damaged inside a part, without a part, under a password,
# or packed in a way Python does not know.
BROKEN = (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, LZMAError)
TEXT = (".txt", ".md", ".csv", ".tsv", ".yaml", ".yml", ".json", ".html", ".htm")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """What is known of one document's file.

    Parameters
    ----------
    file : its name inside the programme folder.
    state : ``there``; ``missing``; ``empty`` (no bytes, or no text, cell or picture in it); ``damaged`` (it does not
        open as what its name says).
    why : the state in words, for ``empty`` and ``damaged``.
    size : bytes.
    sha256 : fingerprint; '' where the file is missing or too large to be read whole.
    written : date the file was last written on this disk; copying a folder may change it.
    created, saved : dates the office or PDF file itself records; '' where it records none.
    """

    file: str
    state: Literal["there", "missing", "empty", "damaged"]
    why: str = ""
    size: int = 0
    sha256: str = ""
    written: str = ""
    created: str = ""
    saved: str = ""


def refusal(folder: Path, inside: PurePosixPath) -> str:
    """Say why a file of the programme may not be looked at at all; '' if it may, or does not exist.

    Refused are names that lead out of the folder through a link, files that are no regular files, and packed files
    that unpack to far more than they hold.
    """
    root = folder.resolve()
    try:
        target = (root / inside).resolve()
        if not target.is_relative_to(root):
            return "is a link that leads out of the programme folder"
        if not target.exists():
            return ""
        if not stat.S_ISREG(target.stat().st_mode):
            return "is not a regular file"
    except (OSError, ValueError, RuntimeError):
        return "is a name this system cannot open"
    return _bomb(target) if target.suffix.lower() in OFFICE else ""


def _bomb(path: Path) -> str:
    """Say that a packed file unpacks to far more than it holds; '' if not, or if it does not open."""
    try:
        with zipfile.ZipFile(path) as packed:
            parts = packed.infolist()
    except BROKEN:
        return ""  # damaged: said by look()
    unpacked = sum(part.file_size for part in parts)
    held = max(1, path.stat().st_size)
    if unpacked > MAX_UNPACKED or len(parts) > MAX_PARTS or (unpacked > MAX_PART and unpacked > MAX_RATIO * held):
        return (f"unpacks to {unpacked:,} bytes in {len(parts):,} parts from {held:,} bytes, as a file made to exhaust a "
                "computer does; it is not opened")
    return ""


def look(folder: Path, file: str) -> FileState:
    """Look at one document's file; the name was checked by :func:`refusal` before."""
    path = folder / PurePosixPath(file.replace("\\", "/"))
    if refusal(folder, PurePosixPath(file.replace("\\", "/"))) or not path.is_file():
        return FileState(file=file, state="missing")
    try:
        with path.open("rb") as stream:
            stream.read(1)
    except OSError as error:
        return FileState(file=file, state="damaged", why=f"the file cannot be opened ({error.strerror}): perhaps another "
                         "program holds it, or it is locked")
    size = path.stat().st_size
    written = dt.datetime.fromtimestamp(path.stat().st_mtime, tz=dt.UTC).date().isoformat()
    if not size:
        return FileState(file=file, state="empty", why="the file holds nothing (0 bytes)", written=written)
    kind = path.suffix.lower()
    try:
        state, why, created, saved = _LOOKS.get(kind, _plain)(path)
    except BROKEN:
        state, why, created, saved = "damaged", f"the file does not open as {kind or 'what its name says'}", "", ""
    return FileState(file=file, state=state, why=why, size=size, sha256=fingerprint(path), written=written,
                     created=created, saved=saved)


def fingerprint(path: Path) -> str:
    """Give the sha256 of a file, as sha256sum would; '' for one too large to be read whole."""
    if path.stat().st_size > MAX_HASHED:
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def days_between(earlier: str, later: str) -> int:
    """Give the days from one date to another; 0 where one is none: a year alone, or what a file made up."""
    try:
        return (dt.date.fromisoformat(later) - dt.date.fromisoformat(earlier)).days
    except ValueError:
        return 0


def duplicates(states: Iterable[FileState]) -> tuple[tuple[FileState, ...], ...]:
    """Group files with the same contents under different names."""
    groups: dict[str, dict[str, FileState]] = {}
    for state in states:
        if state.state == "there" and state.sha256:
            groups.setdefault(state.sha256, {}).setdefault(state.file, state)
    return tuple(tuple(group.values()) for group in groups.values() if len(group) > 1)


_Look = tuple[Literal["there", "empty", "damaged"], str, str, str]


def _plain(path: Path) -> _Look:
    return "there", "", "", ""


def _text(path: Path) -> _Look:
    content = path.read_bytes() if path.stat().st_size <= MAX_PART else b"x"
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "damaged", "the file is not text, as its name says", "", ""
    return ("there", "", "", "") if content.strip() else ("empty", "the file holds only blanks", "", "")


def _pdf(path: Path) -> _Look:
    with path.open("rb") as stream:
        content = stream.read(MAX_PART)
    if content.lstrip()[:5] != b"%PDF-":
        return "damaged", "the file is not a PDF, as its name says", "", ""
    dates = [_pdf_date(content, key) for key in (b"/CreationDate", b"/ModDate")]
    return "there", "", dates[0], dates[1]


def _pdf_date(content: bytes, key: bytes) -> str:
    found = re.search(re.escape(key) + rb"\s*\(D:(\d{4})(\d{2})(\d{2})", content)
    return "-".join(part.decode() for part in found.groups()) if found else ""


def _office(path: Path) -> _Look:
    """Look into an office file: a text or cell somewhere, and the dates it records of itself."""
    with zipfile.ZipFile(path) as packed:
        names = set(packed.namelist())
        core = part(packed, "docProps/core.xml") if "docProps/core.xml" in names else b""
        created, saved = (_core_date(core, key) for key in (b"created", b"modified"))
        bodies = [n for n in names if n == "word/document.xml" or re.match(r"xl/worksheets/sheet\d+\.xml\Z", n)]
        if path.suffix.lower() in (".docx", ".xlsx") and not bodies:
            return "damaged", f"the file does not open as {path.suffix.lower()}", created, saved
        if bodies and not any(re.search(rb"<(w:t[ >]|w:drawing|v>|is>|f>|f )", part(packed, n)) for n in bodies):
            return "empty", "the file holds no text, number or picture", created, saved
        return "there", "", created, saved


def _core_date(core: bytes, key: bytes) -> str:
    found = re.search(rb"<dcterms:" + key + rb"[^<>]*>(\d{4}-\d{2}-\d{2})", core)
    return found[1].decode() if found else ""


def part(packed: zipfile.ZipFile, name: str) -> bytes:
    """Read one part of a packed file, up to the limit, whatever size it declares."""
    with packed.open(name) as stream:
        return stream.read(MAX_PART)


_LOOKS = {".pdf": _pdf, **dict.fromkeys(TEXT, _text), **dict.fromkeys(OFFICE, _office)}

"""The evidence room: registered documents by item with an index, packed, and nothing that holds personal data."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from impact.dced import workbooks
from impact.dced.authors import without_authors
from impact.dced.personal import signs, unsearched, without_signs
from impact.dced.types import Audit
from impact.errors import Problem, StudyError
from impact.programme.disk import BROKEN, look

if TYPE_CHECKING:
    from impact.programme.types import Document, Programme

FOLDER = "self-check-evidence-room"
INDEX = "self-check-index"
MAX_BYTES = 500_000_000
_EPOCH = (1980, 1, 1, 0, 0, 0)
PERSONAL = "holds personal data: stays with the programme"
UNSTATED = "the register does not say whether it holds personal data: stays out until it does (personal_data: false)"
LINK = "is kept elsewhere, at the link in the index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One document of the register: where it lies in the room, or why it does not.

    ``sha256`` and ``size`` are those of the file in the room. Where names of authors were taken out of it, ``original``
    is the fingerprint of the programme's own file. ``searched`` says whether the program could look for personal data.
    """

    id: str
    title: str
    kind: str
    file: str = ""
    link: str = ""
    sha256: str = ""
    size: int = 0
    why_not: str = ""
    original: str = ""
    searched: bool = True

    @property
    def note(self) -> str:
        """What a reader of the index must know of a file in the room."""
        told = ["Not searched for personal data, only declared free of them: look through it."] if not self.searched else []
        if self.original:
            told.append(f"Names of authors are taken out of this copy; the programme's own file has {self.original}.")
        return " ".join(told) if self.file else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One item of the Standard's table and the places in documents that show it.

    ``rows`` says that rows of the programme file itself are among the evidence; that file stays with the programme.
    """

    item: str
    id: str
    title: str
    verdict: str
    places: tuple[tuple[str, str], ...] = ()
    rows: bool = False

    @property
    def nothing(self) -> str:
        """What the index says where no document is named."""
        return "rows of the programme file alone" if self.rows else "no document named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What an evidence room holds, before it is packed."""

    programme: str
    as_of: str
    fictional: bool
    warning: tuple[str, ...]
    documents: tuple[Held, ...]
    index: tuple[IndexEntry, ...]


def furnish(programme: Programme, audit: Audit) -> tuple[Room, dict[str, Path]]:
    """Decide what goes into the room.

    Only documents that the register declares free of personal data go in, and of these only regular files inside the
    programme folder that show no sign of any (documents that were made public are not searched for signs). Names of
    authors that office and PDF files record are taken out of the copies. Everything else is listed in the index with the
    reason.

    Returns
    -------
    room : what the index tells.
    files : the file on disk by its name in the room.
    """
    found = [_hold(programme, document) for document in programme.documents]
    held = tuple(h for h, _ in found)
    _small_enough(sum(h.size for h in held))
    return Room(programme=programme.name, as_of=programme.as_of, fictional=bool(programme.simulated), warning=audit.warning,
                documents=held, index=tuple(_index(programme, audit))), {h.file: p for h, p in found if h.file and p}


def _hold(programme: Programme, document: Document) -> tuple[Held, Path | None]:
    """Look at one document and decide: its place in the room, or why it stays out."""
    path, state = None, None
    if document.file and programme.folder is not None:
        path = programme.folder / PurePosixPath(document.file.replace("\\", "/"))
        state = look(programme.folder, document.file)
    why = _why_not(document, state.state if state else "", state.why if state else "")
    if path and not why and not document.published and (sign := signs(path)):
        why = f"declared free of personal data, but {sign}: stays out until that is cleared"
    held = Held(id=document.id, title=without_signs(document.title), kind=document.kind, link=document.link or "",
                why_not=why)
    if why or path is None or state is None:
        return held, path
    if state.size > MAX_BYTES:
        _small_enough(state.size)
    content = without_authors(path.read_bytes(), path.name)
    mine = hashlib.sha256(content).hexdigest()
    return replace(held, file=f"documents/{document.id} {_named(path.name)}", sha256=mine, size=len(content),
                   original=state.sha256 if mine != state.sha256 else "",
                   searched=bool(document.published) or not unsearched(path)), path


def _named(name: str) -> str:
    """Write a file's name so that every system can unpack it, without an address or a number of a person."""
    return "".join("_" if c in '<>:"|?*' or not c.isprintable() else c for c in without_signs(name)).rstrip(" .")


def _why_not(document: Document, state: str, why: str) -> str:
    if document.personal_data:
        return PERSONAL
    if not document.file:
        return LINK if document.link else "has neither a file nor a link"
    if state != "there":
        return f"the file is {state}{f': {why}' if why else ''}"
    return UNSTATED if document.personal_data is None else ""


def _small_enough(size: int) -> None:
    if size > MAX_BYTES:
        raise StudyError(Problem(where="documents", what=f"the room would hold {size:,} bytes, more than {MAX_BYTES:,}",
                                 cure="Register links for the largest files, and give those on a disk."),
                         source="evidence room")


def _index(programme: Programme, audit: Audit) -> Iterator[IndexEntry]:
    """Put every cited place under its items: those the register names, and those the self-check found evidence in."""
    known = {d.id: d.id for d in programme.documents} | {d.file: d.id for d in programme.documents if d.file}
    for point in audit.points:
        places = dict.fromkeys((d.id, s.place) for d in programme.documents for s in d.serves
                               if s.item in (point.internal_key, point.internal_key.split(".")[0]))
        found = ((known.get(e.file) or known.get(e.file.split(" ", 1)[0]), e.place) for e in point.evidence)
        places |= dict.fromkeys((code, place) for code, place in found if code)
        yield IndexEntry(item=point.internal_key, id=point.id, title=point.title, verdict=point.verdict,
                         places=tuple(places), rows=any(e.file == programme.source for e in point.evidence))


def pack(room: Room, files: Mapping[str, Path], index_html: str) -> bytes:
    """Pack the room: the same documents give the same bytes; each file is read once and held against its hash.

    Raises
    ------
    StudyError
        When a document changed, or became a link, while the room was being packed.
    """
    packed = io.BytesIO()
    hashes = {h.file: h.original or h.sha256 for h in room.documents if h.file}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as room_file:
        for name, content in ((f"{INDEX}.html", index_html.encode()), (f"{INDEX}.xlsx", index_workbook(room))):
            room_file.writestr(zipfile.ZipInfo(f"{FOLDER}/{name}", _EPOCH), content, zipfile.ZIP_DEFLATED)
        for name, path in sorted(files.items()):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != hashes[name]:
                raise StudyError(Problem(where=str(path), what="the file changed while the room was being packed",
                                         cure="Close the programs that hold it, and try again."), source="evidence room")
            room_file.writestr(zipfile.ZipInfo(f"{FOLDER}/{name}", _EPOCH), without_authors(content, path.name),
                               zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def is_room(file: Path) -> bool:
    """Whether a file is an evidence room that was packed before."""
    try:
        with zipfile.ZipFile(file) as packed:
            return f"{FOLDER}/{INDEX}.html" in packed.namelist()
    except BROKEN:
        return False


def index_workbook(room: Room) -> bytes:
    """Write the index as a workbook: items with their places, and documents with their hashes."""
    book = workbooks.new_workbook()
    mark: list[tuple[Any, ...]] = [("", "FICTIONAL PROGRAMME")] if room.fictional else []
    about: list[tuple[Any, ...]] = [
        ("DCED self-check", "Evidence room. It is no audit and gives no rating."), *mark, ("programme", room.programme),
        ("as of", room.as_of), *(("warning", w) for w in room.warning)]
    workbooks.write_rows(book, "About", about, widths=(20, 110), head=False)
    titles = {d.id: d for d in room.documents}
    items = [("item", "key", "title", "self-check says", "document", "title of the document", "place", "file in the room")]
    for entry in room.index:
        items += [(entry.id, entry.item, entry.title, entry.verdict.replace("_", " "), code, titles[code].title,
                   place or "no place named", titles[code].file or titles[code].why_not)
                  for code, place in entry.places] or [
                      (entry.id, entry.item, entry.title, entry.verdict.replace("_", " "), "", "", entry.nothing, "")]
    workbooks.write_rows(book, "Items", items, widths=(8, 30, 60, 16, 12, 40, 20, 50))
    documents: list[tuple[Any, ...]] = [("document", "title", "kind", "file in the room", "bytes", "sha256", "link",
                                         "why not", "note")]
    documents += [(d.id, d.title, d.kind, d.file, d.size or "", d.sha256, d.link, d.why_not, d.note)
                  for d in room.documents]
    workbooks.write_rows(book, "Documents", documents, widths=(12, 50, 20, 50, 12, 70, 40, 50, 50))
    workbooks.stamp_sheets(book, fictional=room.fictional)
    return workbooks.saved(book)

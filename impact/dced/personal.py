"""Signs of personal data in a document that the register declares free of them: addresses, phones, columns of names."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from impact.dced.photographs import tells_place
from impact.programme.disk import BROKEN, OFFICE, TEXT, part

MAX_BYTES = 20_000_000
MAX_READ = 60_000_000  # bytes of one document once unpacked, files inside files included
HEAD_LINES = 20  # a table's headings may stand below a title
MOST_LINES = 500  # of a table, for what its entries look like
MOST_COLUMNS = 5_000
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+\.[\w.]+")
_PHONE = re.compile(r"(?:(?<!\w)\+|(?<![\w.,-])00)[1-9](?:[ ()./-]{0,2}\d){8,13}(?!\w)")
_HEAD = re.compile(
    r"(full|first|last|family|given|"
    r"(owner|respondent|worker|farmer|participant|beneficiary|trainee|enumerator)('?s)?) ?names?|"
    r"names? of (the )?(owner|respondent|worker|farmer|participant|beneficiary|trainee|person)s?|surname|"
    r"(mobile|cell|phone|telephone|tel|whatsapp)\.? ?(phone|numbers?|no\.?)|mobile|phone|telephone|tel\.?|whatsapp|"
    r"e-?mail( address)?|national id( number)?|id card( number)?|passport( number)?|date of birth|birth ?date|dob|"
    r"home address|gps( .*)?|latitude|longitude|nom de famille|nom et prénoms?|noms? complets?|prénoms?|téléphone|adresse|"
    r"nombre y apellidos?|apellidos?|teléfono|correo( electrónico)?|domicilio", re.IGNORECASE)
_PARTS = re.compile(r"word/(document|header\d*|footer\d*|comments|footnotes|endnotes)\.xml|content\.xml|styles\.xml|"
                    r"xl/(sharedStrings|worksheets/sheet\d+|(comments/)?comments?\d*|threadedComments/\w+)\.xml|"
                    r"ppt/(slides|notesSlides)/\w+\.xml|(word|xl|ppt)/(\w+/)?_rels/[\w.]+\.rels")
_ENDS = re.compile(r"</(?:si|is|text|w:p|a:p|text:p|text:h)>")
_TAG = re.compile(r"<[^<>]+>")
_MAIL_LINK = re.compile(r"mailto:[^\"?]{3,200}")
_STREAM = re.compile(rb"stream\r?\n")
_LITERAL = re.compile(rb"(?<!\\)\(((?:\\.|[^()\\])*+)\)", re.DOTALL)  # a bracket behind a backslash opens nothing
TAKEN = "\0coordinates"  # stands for what is not repeated
_PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".mp4", ".mov")
_TABLES = (".dta", ".sav", ".parquet")
_NAMED = re.compile(r"names?|noms?|nombres?", re.IGNORECASE)
_PERSON = re.compile(r"[^\W\d_][\w'’-]*\.?( [^\W\d_][\w'’-]*\.?){1,3}")


class _Room:
    """What may still be unpacked of one document, so that files packed inside files exhaust nothing."""

    def __init__(self) -> None:
        self.left = MAX_READ

    def take(self, content: bytes) -> bytes:
        self.left -= len(content)
        if self.left < 0:
            raise ValueError("unpacks to too much")
        return content


def signs(path: Path) -> str:
    """Say what in a file looks like personal data, without repeating it; '' where nothing does.

    A sign, not proof: only e-mail addresses, phone numbers with a country code and columns headed as names, phones or
    places are looked for, and coordinates that a camera wrote into a picture. Of a PDF only text that it holds as plain
    letters is seen; see :func:`unsearched`.
    """
    if path.stat().st_size > MAX_BYTES:
        if path.suffix.lower() in (*TEXT, *OFFICE, *_TABLES):
            return f"it is larger than {MAX_BYTES:,} bytes, too large to be searched"
        return ""
    try:
        for where, cell in _cells(path.name, path.read_bytes(), 2, _Room()):
            if cell is TAKEN:
                return f"{where} records the coordinates of where it was taken"
            if _EMAIL.search(cell):
                return f"{where} holds what looks like an e-mail address"
            if _PHONE.search(cell):
                return f"{where} holds what looks like a phone number"
            if _HEAD.fullmatch(cell.replace("_", " ").strip()):
                return f"{where} is headed like a column of personal data"
    except BROKEN:
        return "it does not open, or unpacks to too much, so that it could not be searched"
    return ""


def without_signs(text: str) -> str:
    """Take e-mail addresses and phone numbers out of a title or the name of a file that goes to others."""
    return _PHONE.sub("(number hidden)", _EMAIL.sub("(address hidden)", text))


def unsearched(path: Path) -> bool:
    """Whether a person must look through the file: a PDF, a picture, a recording or another kind that is not searched."""
    return path.suffix.lower() not in (*TEXT, *OFFICE, *_TABLES)


def _cells(name: str, content: bytes, depth: int, room: _Room) -> Iterator[tuple[str, str]]:
    """Give the pieces of text of a file, each with the words that say where it stands."""
    kind = PurePosixPath(name).suffix.lower()
    if kind in TEXT:
        yield from _lines(content, table=kind in (".csv", ".tsv", ".txt"))
    elif kind in OFFICE:
        yield from _packed(content, depth, room)
    elif kind == ".pdf":
        yield from (("a page", text) for text in _pages(content, room))
        yield from [("a picture in it", TAKEN)] * tells_place(content)
    elif kind in _TABLES:  # the names of columns stand in the file as plain letters
        words = re.findall(rb"[A-Za-z][A-Za-z_ ]{2,31}", content[:1_000_000])
        yield from (("a column", word.decode("ascii")) for word in words)
    elif kind in _PICTURES and tells_place(content):
        yield "the picture", TAKEN


def _lines(content: bytes, *, table: bool) -> Iterator[tuple[str, str]]:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16" if wide else "utf-8-sig", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        if "@" in line or "+" in line or "00" in line:  # nothing else can be an address or a number
            yield f"line {number}", line
        if table and number <= HEAD_LINES:
            yield from (("a column", cell) for cell in _row(line))
    if table and _lists_people([_row(line)[:MOST_COLUMNS] for line in text.splitlines()[:MOST_LINES]]):
        yield "a column", "full name"


def _row(line: str) -> list[str]:
    return [cell.strip('" ') for cell in re.split(r"[,;\t|]", line)]


def _lists_people(rows: list[list[str]]) -> bool:
    """Whether most entries below a heading that says no more than 'name' look like names of people."""
    for number, row in enumerate(rows[:HEAD_LINES]):
        for place in (i for i, cell in enumerate(row) if _NAMED.fullmatch(cell)):
            entries = [r[place] for r in rows[number + 1:] if len(r) > place and r[place]]
            people = [e for e in entries if _PERSON.fullmatch(e) and e.title() == e]
            if entries and len(people) > len(entries) / 2:
                return True
    return False


def _packed(content: bytes, depth: int, room: _Room) -> Iterator[tuple[str, str]]:
    """Go through an office file or packed folder, and through the files inside it."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        for name in sorted(packed.namelist()):
            if _PARTS.fullmatch(name):
                text = room.take(part(packed, name)).decode("utf-8", "replace")
                where = "a cell" if name.startswith("xl/") else "a paragraph"
                yield from (("a link", link) for link in _MAIL_LINK.findall(text))
                yield from ((where, _TAG.sub("", piece)) for piece in _ENDS.split(text))
            elif PurePosixPath(name).suffix.lower() in (*TEXT, *OFFICE, *_TABLES, *_PICTURES, ".pdf"):
                if not depth:
                    raise ValueError("packed too deep")
                yield from ((f"{where} of a file inside it", cell)
                            for where, cell in _cells(name, room.take(part(packed, name)), depth - 1, room))


def _pages(content: bytes, room: _Room) -> Iterator[str]:
    """Give the text a PDF writes with plain letters; most of its fonts number their letters, and those are not seen."""
    yield from (link.decode("latin-1") for link in re.findall(rb"mailto:[^)?>]{3,200}", content))
    pieces = content.split(b"endstream")[:-1]
    packed = [piece[found.end():] for piece in pieces if (found := _STREAM.search(piece))]
    for held in packed:
        try:
            stream = room.take(zlib.decompressobj().decompress(held, MAX_BYTES))
        except zlib.error:
            stream = held
        if b"Tj" in stream or b"TJ" in stream:
            yield "".join(text.decode("latin-1") for text in _LITERAL.findall(stream))
    if not packed:
        yield "".join(text.decode("latin-1") for text in _LITERAL.findall(content))

"""Signs of personal data in a document that the register declares free of them: addresses, phones, columns of names."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from impact.programme.disk import OFFICE, TEXT, part

MAX_BYTES = 20_000_000
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_PHONE = re.compile(r"(?<!\w)\+\d(?:[ ()./-]{0,2}\d){8,}(?!\w)")
_HEAD = re.compile(
    r"(full|first|last|family|given|owner'?s?|respondent'?s?|worker'?s?) ?_?names?|surname|"
    r"(mobile|phone|telephone|whatsapp)( ?_?(number|no\.?))?|e-?mail( address)?|national id( number)?|"
    r"passport( number)?|home address|gps|latitude|longitude|nom de famille|nom et prénom|prénoms?|téléphone|adresse|"
    r"nombre y apellidos?|apellidos?|teléfono|correo( electrónico)?|domicilio", re.IGNORECASE)
_PARTS = re.compile(r"word/(document|header\d*|footer\d*|comments)\.xml|"
                    r"xl/(sharedStrings|worksheets/sheet\d+|comments\d*)\.xml")
_TAG = re.compile(r"<[^>]+>")


def signs(path: Path) -> str:
    """Say what in a text, table or office file looks like personal data, without repeating it; '' where nothing does.

    A sign, not proof: only e-mail addresses, phone numbers with a country code and columns headed as names, phones or
    places are looked for. What a PDF or a picture holds is not seen.
    """
    for where, cell in _cells(path):
        if _EMAIL.search(cell):
            return f"{where} holds what looks like an e-mail address"
        if _PHONE.search(cell):
            return f"{where} holds what looks like a phone number"
        if _HEAD.fullmatch(cell.strip()):
            return f"{where} is headed like a column of personal data"
    return ""


def _cells(path: Path) -> Iterator[tuple[str, str]]:
    kind = path.suffix.lower()
    if path.stat().st_size > MAX_BYTES:
        return
    if kind in TEXT:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            yield f"line {number}", line
            if kind in (".csv", ".tsv") and number == 1:
                yield from (("a column", cell.strip('" ')) for cell in re.split(r"[,;\t]", line))
    elif kind in OFFICE:
        try:
            with zipfile.ZipFile(path) as packed:
                for name in sorted(packed.namelist()):
                    if _PARTS.fullmatch(name):
                        content = part(packed, name).decode("utf-8", "replace")
                        ends = r"</si>|</is>" if name.startswith("xl/") else r"</w:p>"
                        yield from (("a cell" if name.startswith("xl/") else "a paragraph", _TAG.sub("", text))
                                    for text in re.split(ends, content))
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError):
            return

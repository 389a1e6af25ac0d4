"""Files a person may go on writing in: whether somebody did, so that no run writes over their work."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from impact.errors import ImpactError, Problem
from impact.results.record import sha256

MAX_BYTES = 100_000_000
WORD_TEXT = "word/document.xml"
MARK = re.compile(rb"text sha256:([0-9a-f]{64})")
BROKEN = (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, NotImplementedError, EOFError,
          zipfile.BadZipFile, zlib.error)


def text_mark(document: bytes) -> str:
    """Write the mark a Word file carries of its own text; any program that saves the file again writes another text."""
    return f"text sha256:{sha256(document)}"


def cells_mark(cells: Iterable[Any]) -> str:
    """Sum up what is typed in a notebook's cells; running them changes nothing."""
    return sha256(json.dumps([[cell["cell_type"], "".join(cell["source"])] for cell in cells]))


def was_edited(file: Path) -> bool:
    """Whether a Word file or notebook holds anything but what this toolkit wrote there; False for other kinds of file."""
    kind = file.suffix.lower()
    if kind not in (".docx", ".ipynb") or not file.is_file():
        return False
    try:
        if file.stat().st_size > MAX_BYTES:
            return True
        if kind == ".ipynb":
            notebook = json.loads(file.read_text(encoding="utf-8"))
            return bool(notebook["metadata"]["impact"]["cells_sha256"] != cells_mark(notebook["cells"]))
        with zipfile.ZipFile(file) as parts:
            if any(parts.getinfo(name).file_size > MAX_BYTES for name in (WORD_TEXT, "docProps/core.xml")):
                return True
            carried = MARK.search(parts.read("docProps/core.xml"))
            return carried is None or carried[0].decode() != text_mark(parts.read(WORD_TEXT))
    except BROKEN:  # another program's file, or one that cannot be looked into: not ours to write over
        return True


def refuse_edited(files: Iterable[Path]) -> None:
    """Refuse to write over, or take away, what somebody has worked on.

    Raises
    ------
    ImpactError
        Naming every such file; nothing has been written then.
    """
    problems = [Problem(where=str(file), what="somebody has worked in this file since it was made, or impact never made it",
                        cure="Move it or give it another name, or write elsewhere with --out.")
                for file in files if was_edited(file)]
    if problems:
        raise ImpactError(problems, source="output")

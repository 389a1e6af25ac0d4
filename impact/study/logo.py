"""The logo of a brief: a small picture beside study.yaml that travels inside the record, so no file is looked up later."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from impact.study.schema import Validation, inside_folder
from impact.study.yaml_file import shown

if TYPE_CHECKING:
    from impact.study.types import Words

MOST_BYTES = 100_000
MOST_PIXELS = 2_000
PATH = ("brief", "logo", "file")
SIZE = f"Use a PNG or JPEG of at most {MOST_BYTES // 1000} KB and {MOST_PIXELS} pixels a side."


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture of the study's folder, and what it shows in words; ``data`` is its content in base64."""

    file: str
    alt: Words
    data: str | None = None

    @property
    def content(self) -> bytes:
        """The picture's bytes."""
        return base64.b64decode(self.data or "")

    @property
    def kind(self) -> Literal["png", "jpg"]:
        """The picture's format, by its content."""
        return "png" if self.content.startswith(b"\x89PNG") else "jpg"


def take_logo(v: Validation, tree: Any, folder: Path | None) -> None:
    """Read the picture into the study, or hold the one that a record brings against the same limits."""
    brief = tree.get("brief") if isinstance(tree, dict) else None
    logo = brief.get("logo") if isinstance(brief, dict) else None
    if not isinstance(logo, dict) or not isinstance(logo.get("file"), str):
        return
    if folder is None:
        content = _decoded(logo.get("data"))
    elif "data" in logo:
        v.complain(("brief", "logo", "data"), "the picture is read from its file", "Delete this key.")
        return
    else:
        content = _read(v, folder, logo["file"])
        if content is not None:
            logo["data"] = base64.b64encode(content).decode("ascii")
    if content is not None and not _fits(content):
        v.complain(PATH, f"'{shown(logo['file'])}' is too large, or no PNG or JPEG", SIZE)


def _decoded(data: Any) -> bytes | None:
    if data is None:
        return None
    try:
        return base64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read(v: Validation, folder: Path, name: str) -> bytes | None:
    parts = inside_folder(v, name, PATH)
    if parts is None:
        return None
    try:
        file = (folder / parts).resolve()
        if not file.is_relative_to(folder.resolve()) or not file.is_file():
            raise OSError
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        v.complain(PATH, f"'{shown(name)}' cannot be read in the study's folder", SIZE)
        return None


def _fits(content: bytes) -> bool:
    """Tell whether a picture is small and of a known format, reading no more than its header."""
    sides = _png_sides(content) or _jpeg_sides(content)
    return len(content) <= MOST_BYTES and sides is not None and all(0 < side <= MOST_PIXELS for side in sides)


def _png_sides(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or content[12:16] != b"IHDR" or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _jpeg_sides(content: bytes) -> tuple[int, int] | None:
    """Walk the segments of a JPEG to the one that states its size."""
    place = 2
    while content.startswith(b"\xff\xd8") and place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2:place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[place + 5:place + 9])
            return width, height
        if length < 2:
            return None
        place += 2 + length
    return None

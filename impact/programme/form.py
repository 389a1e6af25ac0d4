"""How one key of a programme file is described: its kind, its words for the officer, and what it refers to.

The types of :mod:`impact.programme.types` carry these descriptions in the metadata of their fields. The reader, the
Excel template and the skeleton are all made from them, so that a key is described in one place only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "id", "file", "link", "hash", "number", "integer", "boolean", "date", "choice", "texts", "refs",
               "ref", "cites", "item", "items", "serves", "record", "records"]
MANY = ("texts", "refs", "cites", "items", "serves", "records")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One key of a record.

    Parameters
    ----------
    kind : what may stand there. ``id`` names the record itself, ``ref`` and ``refs`` name records of the table ``to``;
        ``cites`` are places in documents ('D07 p. 4'), ``item`` and ``items`` keys of the Standard's table,
        ``serves`` an item and a place, ``record`` a group of keys and ``records`` a table inside the record.
    help : what to write, in an officer's words.
    essential : whether the record is refused without it.
    to : the tables a reference may point into.
    of : the type of what stands inside, for ``record`` and ``records``.
    """

    kind: Kind
    help: str
    essential: bool = False
    choices: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    of: type | None = None
    low: float = float("-inf")
    high: float = float("inf")
    key: str = ""


def entry(kind: Kind, help: str, *, essential: bool = False, choices: tuple[str, ...] = (), to: tuple[str, ...] | str = (),
         of: type | None = None, low: float = float("-inf"), high: float = float("inf"), key: str = "") -> Any:
    """Describe one field of a record; fields that are not essential are None, or empty, where nothing is stated."""
    described = Form(kind=kind, help=help, essential=essential, choices=choices, to=(to,) if isinstance(to, str) else to,
                     of=of, low=low, high=high, key=key)
    metadata = {"form": described}
    if essential and kind not in MANY:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=() if kind in MANY else None, metadata=metadata)


def forms(record: type) -> dict[str, tuple[str, Form]]:
    """Give the keys of a record type as they stand in a file, each with the name of its field and its description."""
    found = ((f.name, f.metadata.get("form")) for f in dataclasses.fields(record))
    return {shape.key or name: (name, shape) for name, shape in found if shape is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row of a table of the programme file; ``at`` says where it stands: 'line 12' or 'sheet Costs, row 7'."""

    at: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Cite:
    """A place in a registered document: ``document`` is its id, ``place`` the page, sheet or row; '' if none is named."""

    document: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.document} {self.place}".strip()


@dataclass(frozen=True, slots=True, order=True)
class Serves:
    """The item of the Standard's table a document serves, by key, and the page, sheet or row; '' if none is named."""

    item: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.item} {self.place}".strip()

"""How one key of a programme file is described: its kind, its words for the officer, and what it refers to.

The types of :mod:`impact.programme.types` carry these descriptions in the metadata of their fields. The reader, the
Excel template and the skeleton are all made from them, so that a key is described in one place only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

Kind = Literal["text", "id", "file", "link", "hash", "number", "integer", "boolean", "date", "choice", "texts", "refs",
               "ref", "cites", "item", "items", "serves", "record", "records"]
EVIDENCE = "Documents that show it, with page, sheet or row: D07 p. 4; D12 sheet Costs row 9."
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
    choices : the words a ``choice`` may be; those of the field's annotation where it names them.
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


def forms(record: type) -> Mapping[str, tuple[str, Form]]:
    """Give the keys of a record type as they stand in a file, each with the name of its field and its description."""
    return _forms(record)


@cache
def _forms(record: type) -> Mapping[str, tuple[str, Form]]:
    found = {f.name: f.metadata["form"] for f in dataclasses.fields(record) if "form" in f.metadata}
    annotations = get_type_hints(record)
    for name, shape in found.items():
        if shape.kind == "choice" and not shape.choices:
            found[name] = dataclasses.replace(shape, choices=_words(annotations[name]))
    return MappingProxyType({shape.key or name: (name, shape) for name, shape in found.items()})


def _words(annotation: Any) -> tuple[str, ...]:
    """Give the words of a Literal, alone or beside None."""
    return next(get_args(one) for one in (annotation, *get_args(annotation)) if get_origin(one) is Literal)


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

"""The sheets of the Excel template, made from the types: which sheets, which columns, and what each column means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from impact.programme.form import Form, forms
from impact.programme.types import Programme

FIRST = "programme"  # the sheet of single values: one a row, key and value
INTRODUCTION = "read me"
LISTS = "lists"  # choices too long to stand in a cell's own rule
OWNER = "belongs_to"
KEY_COLUMNS = ("key", "value", "what to write")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: ``keys`` lead from the row's record to the value, e.g. ('split', 'women')."""

    keys: tuple[str, ...]
    form: Form

    @property
    def title(self) -> str:
        """The column's heading: ``split.women``."""
        return ".".join(self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One sheet: a table of the programme, or the tables inside the records of another (``owner``), e.g. chains.boxes."""

    table: str
    inner: str = ""
    help: str = ""
    columns: tuple[Column, ...] = ()

    @property
    def name(self) -> str:
        """The sheet's name: ``chains`` or ``chains.boxes``."""
        return f"{self.table}.{self.inner}" if self.inner else self.table


def columns(record: type, before: tuple[str, ...] = ()) -> Iterator[Column]:
    """Give the columns of a record: its single values, those of the groups inside it, and its lists of codes or texts."""
    for key, (_, shape) in forms(record).items():
        if shape.kind == "record" and shape.of is not None:
            yield from columns(shape.of, (*before, key))
        elif shape.kind != "records":
            yield Column(keys=(*before, key), form=shape)


@cache
def all_sheets() -> tuple[Sheet, ...]:
    """List every sheet that holds a table, in the order of the template."""
    out: list[Sheet] = []
    for table, (_, shape) in forms(Programme).items():
        if shape.kind != "records" or shape.of is None:
            continue
        out.append(Sheet(table=table, help=shape.help, columns=tuple(columns(shape.of))))
        for inner, (_, inside) in forms(shape.of).items():
            if inside.kind == "records" and inside.of is not None:
                owner = Column(keys=(OWNER,), form=Form(
                    kind="ref", essential=True, to=(table,), help=f"Code of the row of {table} it belongs to."))
                out.append(Sheet(table=table, inner=inner, help=inside.help, columns=(owner, *columns(inside.of))))
    return tuple(out)


@cache
def single_values() -> tuple[Column, ...]:
    """List the values of the first sheet: the programme's own, and those of its conventions."""
    return tuple(columns(Programme))

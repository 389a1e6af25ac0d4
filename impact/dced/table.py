"""The Standard as replaceable data: a YAML table, read and validated in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from impact.dced.types import Status
from impact.errors import Problem, StudyError
from impact.study.schema import Field, Validation
from impact.study.types import build
from impact.study.yaml_file import Document, read_yaml

SHIPPED = Path(__file__).parent / "standard" / "v8.yaml"

_KEY_CURE = "Keep the internal_key of the table that comes with impact: the rules hold on to it."


def _text(cure: str = "", *, essential: bool = True) -> Field:
    return Field(kind="text", essential=essential, cure=cure)


def _list(of: Field, cure: str) -> Field:
    return Field(kind="list", essential=True, item=of, length=(1, 60), cure=cure)


_VERIFIED = Field(kind="boolean", essential=True,
                  cure="Write true only if a person compared it with the official text, else false.")
_KEY = Field(kind="name", essential=True, cure=_KEY_CURE)
_POINTS = Field(kind="number", low=0, high=10_000, cure="Write the points of the official sheet, or leave the key out.")
_CRITERION = Field(kind="map", essential=True, fields={
    "internal_key": _KEY, "id": _text("Put it in quotes, e.g. '1.1.a'."),
    "text": _text("Say what the item asks for."), "verified": _VERIFIED,
    "evidence": _text("Name the papers that would show it."), "points": _POINTS,
})
_CONTROL_POINT = Field(kind="map", essential=True, fields={
    "internal_key": _KEY, "id": _text("Put it in quotes, e.g. '1.1'."),
    "title": _text("Say what the point asks for."),
    "status": Field(kind="choice", essential=True, choices=("must", "recommended")), "verified": _VERIFIED,
    "note": _text(essential=False), "points": _POINTS,
    "criteria": _list(_CRITERION, "List the items of the control point."),
})
_ELEMENT = Field(kind="map", essential=True, fields={
    "id": Field(kind="integer", essential=True, low=1, high=99, cure="Write the element's number."),
    "title": _text("Write the element's title."), "title_verified": _VERIFIED,
    "control_points": _list(_CONTROL_POINT, "List the control points of the element."),
})
TABLE = Field(kind="map", essential=True, fields={
    "standard": _text("Name the Standard."), "version": _text("Name the version in quotes, e.g. 'VIII'."),
    "version_date": _text(essential=False), "compiled": _text(essential=False),
    "warning": Field(kind="list", essential=True, item=_text(), length=(0, 20),
                     cure="Say how far the table can be trusted; write [] if every line was checked."),
    "elements": _list(_ELEMENT, "List the elements."),
})


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One item of a control point, the papers that would show it, and its points in an official sheet that has them."""

    internal_key: str
    id: str
    text: str
    verified: bool
    evidence: str
    points: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPoint:
    """One control point of the Standard with its items; points only where an official sheet gives them."""

    internal_key: str
    id: str
    title: str
    status: Status
    verified: bool
    note: str = ""
    points: float | None = None
    criteria: tuple[Criterion, ...] = field(metadata={"of": Criterion})


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementRow:
    """One element of the Standard with its control points."""

    id: int
    title: str
    title_verified: bool
    control_points: tuple[ControlPoint, ...] = field(metadata={"of": ControlPoint})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """A table of the Standard, as its file gives it."""

    standard: str
    version: str
    version_date: str = ""
    compiled: str = ""
    warning: tuple[str, ...] = ()
    elements: tuple[ElementRow, ...] = field(metadata={"of": ElementRow})

    @property
    def verified(self) -> bool:
        """Whether a person compared every line with the official text."""
        return all(e.title_verified and c.verified and all(k.verified for k in c.criteria)
                   for e in self.elements for c in e.control_points)

    def keys(self) -> Iterator[str]:
        """Give every item's full key: ``rc_logic.own_chain``."""
        for element in self.elements:
            for control in element.control_points:
                yield from (f"{control.internal_key}.{item.internal_key}" for item in control.criteria)


def read_standard(path: str | Path | None = None) -> Standard:
    """Read and validate a table of the Standard.

    Parameters
    ----------
    path : a YAML file or an Excel sheet; the table of Version VIII that comes with impact when left out.

    Raises
    ------
    StudyError
        With every problem of the file at once: line, key, what is wrong, how to cure it.
    """
    file = SHIPPED if path is None else Path(path)
    if not file.is_file():
        raise StudyError(Problem(
            where=str(file), what="the table of the Standard does not exist or is a folder",
            cure="Give an Excel sheet, such as impact audit --write-standard sheet.xlsx makes, or a YAML file of the same "
                 "table."), source=file.name)
    document = _document(file)
    v = Validation(document=document, problems=list(document.problems), absent=[])
    clean = v.check(document.tree, TABLE, ())
    if isinstance(clean, dict):
        _refuse_doubles(v, clean)
        _refuse_uneven_points(v, clean)
    if v.problems:
        raise StudyError(v.problems, source=document.name)
    standard: Standard = build(Standard, clean)
    return standard


def _document(file: Path) -> Document:
    if file.suffix.lower() in (".xlsx", ".xlsm"):
        from impact.dced.sheet import read_sheet

        return read_sheet(file)
    return read_yaml(file)


def _refuse_uneven_points(v: Validation, tree: dict[str, object]) -> None:
    """Complain where the points of the items and of their control point tell different sums."""
    for i, element in enumerate(_rows(tree, "elements")):
        for j, control in enumerate(_rows(element, "control_points")):
            each = [item.get("points") for item in _rows(control, "criteria")]
            given = [p for p in each if isinstance(p, (int, float))]
            whole = control.get("points")
            here = ("elements", i, "control_points", j, "points")
            if given and len(given) < len(each):
                v.complain(here, "some items of this control point have points and some have none",
                           "Give each its points, or none.")
            elif given and isinstance(whole, (int, float)) and abs(sum(given) - whole) > 1e-9:
                v.complain(here, f"the items' points add up to {sum(given):g}, not {whole:g}", "Correct one of them.")


def _rows(owner: object, key: str) -> list[dict[str, object]]:
    """Give the groups of a list, with an empty one for whatever is reported as malformed already."""
    found = owner.get(key) if isinstance(owner, dict) else None
    return [row if isinstance(row, dict) else {} for row in found] if isinstance(found, list) else []


def _refuse_doubles(v: Validation, tree: dict[str, object]) -> None:
    """Complain of numbers and keys that stand twice; skips what is already reported as malformed."""
    numbers: list[object] = []
    keys: list[object] = []
    for i, element in enumerate(_rows(tree, "elements")):
        here = ("elements", i)
        _once(v, numbers, element.get("id"), (*here, "id"))
        for j, control in enumerate(_rows(element, "control_points")):
            there = (*here, "control_points", j)
            _once(v, keys, control.get("internal_key"), (*there, "internal_key"))
            inner: list[object] = []
            for k, item in enumerate(_rows(control, "criteria")):
                _once(v, inner, item.get("internal_key"), (*there, "criteria", k, "internal_key"))


def _once(v: Validation, seen: list[object], value: object, path: tuple[str | int, ...]) -> None:
    if value is None:
        return
    if value in seen:
        v.complain(path, f"'{value}' stands twice", "Give each its own.")
    seen.append(value)

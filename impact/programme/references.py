"""The parts of a programme file held against each other: codes, references, places, files, formulas and dates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impact.programme.arithmetic import NAME, FormulaError, evaluate, names
from impact.programme.disk import refusal
from impact.programme.form import Form, forms
from impact.programme.types import Programme
from impact.study.schema import Validation, did_you_mean, inside_folder
from impact.study.yaml_file import Path_, shown

IDENTIFIER = re.compile(r"[^\W_]\w*(?:-\w+)*\Z")
ITEM = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?\Z")
_HASH = re.compile(r"[0-9a-fA-F]{64}\Z")
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Given:
    """One value that a file gives: its path, its description, and the record's own values around it."""

    path: Path_
    shape: Form
    value: Any
    around: dict[str, Any]


def given(values: Any, record: type, path: Path_ = ()) -> Iterator[Given]:
    """Walk over every value of a validated file, with its description."""
    if not isinstance(values, dict):
        return
    for key, (_, shape) in forms(record).items():
        value, here = values.get(key), (*path, key)
        if value is None:
            continue
        yield Given(here, shape, value, values)
        if shape.of is None:
            continue
        if shape.kind == "record":
            yield from given(value, shape.of, here)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                yield from given(item, shape.of, (*here, i))


def check_references(v: Validation, clean: dict[str, Any], folder: Path | None) -> None:
    """Complain of every code, reference, file, formula and pair of dates that does not hold."""
    everything = list(given(clean, Programme))
    tables = _codes(v, everything)
    for one in everything:
        _one_entry(v, one)
        if one.shape.kind in _CHECKS:  # texts, numbers, dates and choices have been checked by the validator
            _CHECKS[one.shape.kind](v, one, tables, folder)
    for text in (one for one in everything if isinstance(one.value, str) or one.shape.kind == "texts"):
        _no_spreadsheet_formula(v, text)
    _chains(v, clean)
    _calculations(v, clean)
    _periods(v, everything)


def _codes(v: Validation, everything: list[Given]) -> dict[str, dict[str, Path_]]:
    """Collect the codes of every top-level table; complain of those that are malformed or stand twice."""
    tables: dict[str, dict[str, Path_]] = {}
    for one in (one for one in everything if one.shape.kind == "id" and isinstance(one.value, str)):
        code, table = one.value, ".".join(str(part) for part in one.path[:-2])
        if not IDENTIFIER.match(code) or len(code) > _LONGEST:
            v.complain(one.path, f"'{shown(code)}' is not a code",
                       f"Use letters, digits, - and _, at most {_LONGEST}, e.g. D07 or seeds_income.")
        known = tables.setdefault(table, {})
        if code in known:
            first = v.document.at(known[code]) or 'another place'
            v.complain(one.path, f"the code '{shown(code)}' already stands at {first}", "Give each its own.")
        known.setdefault(code, one.path)
    return tables


def _resolve(v: Validation, path: Path_, code: str, to: tuple[str, ...], tables: dict[str, dict[str, Path_]]) -> None:
    if any(code in tables.get(table, {}) for table in to):
        return
    known = [code for table in to for code in tables.get(table, {})]
    where = " or ".join(to)
    v.complain(path, f"'{shown(code)}' is not a code of {where}", did_you_mean(code, known) or
               (f"Add it under {to[0]}, or correct the code." if known else f"There is nothing under {where} yet: add it."))


def _ref(v: Validation, one: Given, tables: dict[str, dict[str, Path_]], folder: Path | None) -> None:
    for i, code in _entries(one):
        _resolve(v, one.path if i < 0 else (*one.path, i), code, one.shape.to, tables)


def _cites(v: Validation, one: Given, tables: dict[str, dict[str, Path_]], folder: Path | None) -> None:
    for i, text in _entries(one):
        _resolve(v, (*one.path, i), head(text), ("documents",), tables)


def _items(v: Validation, one: Given, tables: dict[str, dict[str, Path_]], folder: Path | None) -> None:
    for i, text in _entries(one):
        if not ITEM.match(head(text)):
            v.complain(one.path if i < 0 else (*one.path, i), f"'{shown(text)}' does not begin with the key of an item",
                       "Write a key of the Standard's table, e.g. rc_logic.own_chain or baseline.plan.")


def _file(v: Validation, one: Given, tables: dict[str, dict[str, Path_]], folder: Path | None) -> None:
    inside = inside_folder(v, one.value, one.path, noun="programme")
    if inside is None or folder is None:
        return
    what = refusal(folder, inside)
    if what:
        v.complain(one.path, f"'{shown(one.value)}' {what}", "Put the document itself into the programme folder.")


def _link(v: Validation, one: Given, tables: dict[str, dict[str, Path_]], folder: Path | None) -> None:
    if not re.match(r"https?://[^\s<>\"']+\Z", one.value):
        v.complain(one.path, f"'{shown(one.value)}' is not a web address", "Write it as https://…, or name a file instead.")


def _hash(v: Validation, one: Given, tables: dict[str, dict[str, Path_]], folder: Path | None) -> None:
    if not _HASH.match(one.value):
        v.complain(one.path, "this is not a sha256 fingerprint", "It has 64 digits and letters a to f; or leave it out.")


_CHECKS: dict[str, Callable[..., None]] = {
    "ref": _ref, "refs": _ref, "cites": _cites, "item": _items, "items": _items, "serves": _items, "file": _file,
    "link": _link, "hash": _hash}


def _entries(one: Given) -> list[tuple[int, str]]:
    """List the texts of a value with their place in the list; -1 for a single one."""
    values = list(enumerate(one.value)) if isinstance(one.value, list) else [(-1, one.value)]
    return [(i, text) for i, text in values if isinstance(text, str)]


def head(text: str) -> str:
    """Give the first word of a reference: the document's code or the item's key; a colon or comma after it is dropped."""
    words = text.split(maxsplit=1)
    return words[0].rstrip(":,") if words else ""


def _no_spreadsheet_formula(v: Validation, one: Given) -> None:
    for i, text in _entries(one):
        if text.lstrip().startswith("="):
            v.complain(one.path if i < 0 else (*one.path, i), f"the text begins with '=', as a spreadsheet formula: "
                       f"'{shown(text, 40)}'", "Leave the '=' out; nothing is ever worked out from a text.")


def _one_entry(v: Validation, one: Given) -> None:
    """An entry of a list holds no semicolon or line break: in a cell they part one entry from the next."""
    for i, text in _entries(one):
        if i >= 0 and (";" in text or len(text.splitlines()) > 1):
            v.complain((*one.path, i), f"the entry '{shown(text, 40)}' holds a semicolon or a line break",
                       "Make two entries of it, or write a comma.")


def _rows(values: Any, key: str) -> list[tuple[int, dict[str, Any]]]:
    found = values.get(key) if isinstance(values, dict) else None
    return [(i, row) for i, row in enumerate(found) if isinstance(row, dict)] if isinstance(found, list) else []


def _chains(v: Validation, clean: dict[str, Any]) -> None:
    """Ends of arrows are boxes of the same version; a box named elsewhere stands in a version of its intervention."""
    boxes: dict[str, set[str]] = {}
    for i, chain in _rows(clean, "chains"):
        own = [str(box.get("id")) for _, box in _rows(chain, "boxes")]
        boxes.setdefault(str(chain.get("intervention")), set()).update(own)
        for table in ("arrows", "assumptions"):
            for j, row in _rows(chain, table):
                for end in ("from", "to"):
                    if isinstance(row.get(end), str) and row[end] not in own:
                        v.complain(("chains", i, table, j, end), f"'{shown(row[end])}' is not a box of this version",
                                   did_you_mean(row[end], own) or "Add the box, or correct the code.")
    for table in ("attributions", "questions", "findings", "systemic"):
        for i, row in _rows(clean, table):
            owners = row.get("interventions") or [row.get("intervention")]
            known = set().union(*(boxes.get(str(owner), set()) for owner in owners))
            if isinstance(row.get("box"), str) and known and row["box"] not in known:
                v.complain((table, i, "box"), f"'{shown(row['box'])}' is not a box of this intervention's chain",
                           did_you_mean(row["box"], known) or "Add the box, or correct the code.")


def _calculations(v: Validation, clean: dict[str, Any]) -> None:
    """A formula can be read, its inputs are there, and it gives a number."""
    for table in ("projections", "attributions", "results"):
        for i, row in _rows(clean, table):
            inputs: dict[str, float] = {}
            for j, one in _rows(row, "inputs"):
                name, here = one.get("name"), (table, i, "inputs", j, "name")
                if not isinstance(name, str):
                    continue
                if not NAME.match(name):
                    v.complain(here, f"'{shown(name)}' cannot be used in a formula", "Use letters, digits and _.")
                elif name in inputs:
                    v.complain(here, f"the input '{shown(name)}' stands twice", "Give each its own name.")
                elif isinstance(one.get("value"), (int, float)):
                    inputs[name] = float(one["value"])
            formula = row.get("formula")
            if isinstance(formula, str) and not formula.lstrip().startswith("="):
                _formula(v, (table, i, "formula"), formula, inputs)


def _formula(v: Validation, path: Path_, formula: str, inputs: dict[str, float]) -> None:
    try:
        used = names(formula)
        lacking = [name for name in used if name not in inputs]
        if lacking and inputs:
            v.complain(path, f"the formula uses '{shown(lacking[0])}', which is not among the inputs",
                       did_you_mean(lacking[0], inputs) or "Add it under inputs, with its source.")
        elif not lacking:
            evaluate(formula, inputs)
    except FormulaError as problem:
        v.complain(path, str(problem), problem.cure)


def _periods(v: Validation, everything: list[Given]) -> None:
    """No period ends before it begins."""
    for one in everything:
        if one.path[-1] == "ends" and isinstance(one.value, str):
            begins = one.around.get("begins")
            if isinstance(begins, str) and begins > one.value:
                v.complain(one.path, f"it ends on {one.value}, before it begins on {begins}", "Correct one of the dates.")

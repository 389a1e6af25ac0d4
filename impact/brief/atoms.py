"""What every block of a brief is made of: numbers with their place in the record, quoted words, and sentences by key.

Nothing here is formatted and nothing is in a particular language but the officer's own words. Every number is taken from
the record through :func:`take`, so that its place in the record travels with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

from impact.errors import Problem, RenderError

Verdict = Literal["favourable", "unfavourable", "unclear", "corrected", "disagree", "too_few", "no_interval"]
CLEAR: tuple[Verdict, ...] = ("favourable", "unfavourable")
Kind = Literal["amount", "percent", "points", "count", "p", "level", "plain", "sd"]
JOINERS = "\u200c\u200d"
Form = Literal["size", "range", "range_unit", "signed", "signed_range", "full", "extent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number and where it stands in the record.

    ``path`` leads to it from the estimate named by ``estimate``, or from the evaluation where that is empty;
    ``derived`` says in words how it was worked out from several.
    """

    value: float
    kind: Kind
    path: str
    estimate: str = ""
    derived: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Words taken as they stand from the study file or the record, with their place there."""

    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Words the engine wrote into the record, in English; another language says them by code or by phrase.

    ``keys`` lead to their sentences in another language, the closest first, and ``values`` fill the gaps; ``phrase``
    tells that the words themselves are looked up first. Where nothing is found the words are those of the data, such as
    the name of an arm, and stand as they are.
    """

    text: str
    where: str
    keys: tuple[str, ...] = ()
    values: tuple[tuple[str, Any], ...] = ()
    phrase: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A sentence of the tool: a key of its word list, and what fills its gaps."""

    key: str
    values: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One piece of a confidence set; a missing end runs to infinity."""

    low: Number | None = None
    high: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An estimate on one scale: per cent, points of a share, or the outcome's unit."""

    estimate: str
    value: Number
    ranges: tuple[Range, ...]
    level: Number
    verdict: Verdict
    unit: Quote | Recorded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An effect put into words or signs: '25% lower', 'from 45% lower to 3% higher', '−25%'."""

    effect: Effect
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Several texts in a row."""

    parts: tuple[Value, ...]
    by: str = " "


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A sentence of the study file with numbers of the record in it; between them stand the officer's words."""

    parts: tuple[Value, ...]
    where: str


Value = Number | Quote | Recorded | Phrase | Said | Join | Written
Text = Quote | Recorded | Phrase | Join | Written


def quote(text: object, where: str) -> Quote:
    """Keep words as they stand, on one line, without characters that draw nothing or turn the direction of reading."""
    return Quote(text=one_line(text), where=where)


def one_line(text: object) -> str:
    """Put words on one line, without characters that draw nothing or turn the direction of reading.

    Joiners stay: scripts such as Arabic and Khmer are written with them.
    """
    clean = unicodedata.normalize("NFC", str(text))
    clean = "".join(c if c in JOINERS or unicodedata.category(c) not in ("Cc", "Cf") else " " if c.isspace() else ""
                    for c in clean)
    return re.sub(r"\s+", " ", clean).strip()


def say(key: str, **values: Value) -> Phrase:
    """Name a sentence of the word list and fill its gaps."""
    return Phrase(key=key, values=tuple(values.items()))


_STEP = re.compile(r"([a-z_0-9]+)(?:\[([^\]]*)\])?")


def _part(value: Any, name: str) -> Any:
    """Take a part by its name, or by the key it has in a file where that is no name in code."""
    if is_dataclass(value):
        name = next((f.name for f in fields(value) if f.metadata.get("key") == name), name)
    return getattr(value, name)


def _named(values: Any, key: str) -> Any:
    """Find the part of a name: among records by their id, outcome or name, among pairs by the first of the two."""
    if all(isinstance(v, tuple) for v in values):
        return dict(values).get(key)
    return next(v for v in values if key in (getattr(v, "id", None), getattr(v, "outcome", None), getattr(v, "name", None)))


def lookup(root: Any, path: str, estimate: str = "") -> Any:
    """Follow a path into a record: ``effect_pct.low`` of an estimate, ``flows[scrap].stages[analysed].units``."""
    value = root.estimate(estimate) if estimate else root
    for name, key in _STEP.findall(path):
        value = _named(value, name) if isinstance(value, tuple) else _part(value, name)
        if key.isdigit():
            value = value[int(key)]
        elif key:
            value = _named(value, key)
        if value is None:
            return None
    return value


def take(root: Any, path: str, kind: Kind, estimate: str = "") -> Number | None:
    """Take a number out of a record (an evaluation or an audit); None where the record has none."""
    value = lookup(root, path, estimate)
    return None if value is None else Number(value=float(value), kind=kind, path=path, estimate=estimate)


def need(root: Any, path: str, kind: Kind, estimate: str = "") -> Number:
    """Take a number that a sound record always has."""
    number = take(root, path, kind, estimate)
    if number is None:
        raise RenderError(Problem(where=f"results.json: {estimate or 'record'}", what=f"'{path}' has no value",
                                  cure="Run the study again: impact run PATH."), source="results.json")
    return number


def walk(block: Any, kind: type) -> Iterator[Any]:
    """Go through everything of one type inside a brief, in reading order."""
    if isinstance(block, kind):
        yield block
    if isinstance(block, tuple):
        for item in block:
            yield from walk(item, kind)
    elif is_dataclass(block) and not isinstance(block, type):
        for f in fields(block):
            yield from walk(getattr(block, f.name), kind)


def rewritten(block: Any, change: Callable[[Quote], Value]) -> Any:
    """Return a block with every quoted text in it changed; what holds none stays the same object."""
    if isinstance(block, Quote):
        return change(block)
    if isinstance(block, tuple):
        items = tuple(rewritten(item, change) for item in block)
        return items if any(a is not b for a, b in zip(items, block, strict=True)) else block
    if is_dataclass(block) and not isinstance(block, type):
        found = {f.name: (getattr(block, f.name), rewritten(getattr(block, f.name), change)) for f in fields(block)}
        new = {name: after for name, (before, after) in found.items() if after is not before}
        return replace(block, **new) if new else block
    return block

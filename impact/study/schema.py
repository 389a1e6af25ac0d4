"""What a study file may say, as data; and one pass that finds every disagreement with it."""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from impact.errors import Problem
from impact.study.yaml_file import UNREADABLE, Document, Path_, dotted, shown

LANGUAGES = ("en", "fr", "es")
NAME = re.compile(r"[a-z][a-z0-9_]{0,59}\Z")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
MAX_TEXT = 200_000  # characters: a logo of 100 KB, written as text, has 137,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key of a file: what may stand there and what to say when it does not.

    ``kind`` is one of text, words (text, or text per language), name, number, integer, boolean, value (text or
    number), date, choice, period, options, map, list, columns, bins (how covariates are coarsened), moment (a date, a year
    or a column of them), moments (one for each column). ``essential`` keys must be given; others may be absent
    or null.
    """

    kind: str
    essential: bool = False
    choices: tuple[str, ...] = ()
    fields: Mapping[str, Field] | None = None
    item: Field | None = None
    low: float = -math.inf
    high: float = math.inf
    length: tuple[int, int] = (0, 200)
    cure: str = ""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Suggest the known word nearest to a misspelt one, or nothing."""
    near = difflib.get_close_matches(shown(word), [str(k) for k in known], n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else ""


def one_of(choices: Iterable[str]) -> str:
    """List the allowed words: ``rct, did, matching``."""
    return ", ".join(choices)


@dataclass(slots=True)
class Validation:
    """The result of one pass: clean values, and every problem and absent key found on the way."""

    document: Document
    problems: list[Problem]
    absent: list[str]

    def complain(self, path: Path_, what: str, cure: str = "") -> None:
        """Record one problem at a path."""
        where = self.document.where(path) or self.document.name
        self.problems.append(Problem(where=where, what=shown(what, 300), cure=shown(cure, 1000)))

    def check(self, value: Any, field: Field, path: Path_) -> Any:
        """Return the value cleaned to its field's kind; record what is wrong with it."""
        if value is UNREADABLE:
            return None
        if value is None:
            if field.essential or not path:
                cure = f"{field.cure} {self.document.proposals(path)}".strip()
                self.complain(path, f"'{path[-1] if path else 'file'}' is empty", cure)
            return None
        return _CHECKS[field.kind](self, value, field, path)


def inside_folder(v: Validation, file: str, path: Path_, noun: str = "study") -> PurePosixPath | None:
    """Read the name of a file beside study.yaml or programme.yaml; None, and a problem, where it leads out of there."""
    parts = PurePosixPath(file.replace("\\", "/"))
    if not parts.is_absolute() and not PureWindowsPath(file).drive and ".." not in parts.parts:
        return parts
    v.complain(path, f"'{shown(file)}' leaves the {noun}'s folder",
               f"Copy the file beside {noun}.yaml and give its name alone.")
    return None


def _text(v: Validation, value: Any, field: Field, path: Path_) -> str | None:
    if isinstance(value, str):
        if CONTROL.search(value):
            v.complain(path, "the text holds a control character", "Type the text again without it.")
        elif len(value) > MAX_TEXT:
            v.complain(path, f"the text is longer than {MAX_TEXT:,} characters", "Shorten it.")
        elif value.strip():
            return value.strip()
        else:
            v.complain(path, "the text is empty", field.cure)
    elif isinstance(value, (list, dict)):
        v.complain(path, "one text is expected here, not a list or a group of keys", field.cure)
    else:
        v.complain(path, f"text is expected, got {_shown(value)}", "Put it in quotes.")
    return None


def _words(v: Validation, value: Any, field: Field, path: Path_) -> Any:
    if not isinstance(value, dict):
        return _text(v, value, field, path)
    fields = {language: Field(kind="text") for language in LANGUAGES}
    before = len(v.problems)
    texts = _map(v, value, Field(kind="map", fields=fields), path, note_absent=False)
    if len(v.problems) == before and not any((texts or {}).values()):
        v.complain(path, "the text is empty", field.cure or "Write it as {en: …, fr: …, es: …}.")
    return texts


def _name(v: Validation, value: Any, field: Field, path: Path_) -> str | None:
    text = _text(v, value, field, path)
    if text is not None and not NAME.match(text):
        v.complain(path, f"{_shown(text)} is not a short name",
                   "Use small letters, digits and _, beginning with a letter, e.g. scrap_rate.")
    return text


def _number(v: Validation, value: Any, field: Field, path: Path_) -> float | int | None:
    whole = field.kind == "integer"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        v.complain(path, f"a {'whole ' if whole else ''}number is expected, got {_shown(value)}", field.cure)
        return None
    if not field.low <= value <= field.high or value in (math.inf, -math.inf):
        limits = (f"at least {_limit(field.low)}" if field.low > -math.inf else "",
                  f"at most {_limit(field.high)}" if field.high < math.inf else "")
        wanted = " and ".join(text for text in limits if text) or "a plain number"
        v.complain(path, f"{_shown(value)} is not {wanted}", field.cure)
        return None
    return value


def _boolean(v: Validation, value: Any, field: Field, path: Path_) -> bool | None:
    if isinstance(value, bool):
        return value
    v.complain(path, f"true or false is expected, got {_shown(value)}", field.cure)
    return None


def _value(v: Validation, value: Any, field: Field, path: Path_) -> str | float | None:
    if isinstance(value, str):
        return _text(v, value, field, path)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    v.complain(path, f"a text or number is expected, got {_shown(value)}", field.cure)
    return None


def _date(v: Validation, value: Any, field: Field, path: Path_) -> str | None:
    if isinstance(value, dt.datetime):
        value = value.date()
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = dt.date.fromisoformat(value.strip())
    if isinstance(value, dt.date):
        return value.isoformat()
    v.complain(path, f"a date is expected, got {_shown(value)}", "Write it as 2026-11-21.")
    return None


def _choice(v: Validation, value: Any, field: Field, path: Path_) -> str | None:
    if isinstance(value, str) and value in field.choices:
        return value
    v.complain(path, f"{_shown(value)} is not one of {one_of(field.choices)}",
               did_you_mean(value, field.choices) or field.cure)
    return None


def _period(v: Validation, value: Any, field: Field, path: Path_) -> list[str] | None:
    ends = [_year_or_date(x) for x in value] if isinstance(value, list) else []
    if UNREADABLE in ends:
        return None
    if len(ends) != 2 or not all(ends):
        v.complain(path, "two years or two dates are expected", "Write it as [2024, 2025].")
        return None
    first, last = (str(x) for x in ends)
    shared = min(len(first), len(last))  # a year against a date: only the years can be compared
    if first[:shared] > last[:shared]:
        v.complain(path, "the period ends before it begins", "Put the earlier year first.")
    return [first, last]


def _year_or_date(value: Any) -> Any:
    """Return a year or date as text; text comes from a record, where dates were written out."""
    if isinstance(value, dt.datetime):
        value = value.date()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}", value.strip()):
        with contextlib.suppress(ValueError):
            return dt.date.fromisoformat(value.strip()).isoformat()
        return None
    if isinstance(value, (int, str)) and not isinstance(value, bool) and 1800 <= int(value) <= 2200:
        return str(int(value))
    return UNREADABLE if value is UNREADABLE else None


def _options(v: Validation, value: Any, field: Field, path: Path_) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        v.complain(path, "keywords are expected", "Write them as {periods: [1987, 1988]}.")
        return None

    def plain(x: Any, here: Path_) -> Any:
        if isinstance(x, list):
            return [plain(y, (*here, i)) for i, y in enumerate(x)]
        if isinstance(x, dt.date):
            return x.isoformat()
        if isinstance(x, dict) and len(here) == len(path) + 1:
            return {name: plain(y, (*here, name)) for name, y in x.items()}
        if isinstance(x, dict):
            v.complain(here, "groups of keys stand too deep here")
        elif isinstance(x, str):
            return _text(v, x, field, here)
        elif isinstance(x, float) and not math.isfinite(x):
            v.complain(here, f"{_shown(x)} is not a plain number", "Leave the option out if not wanted.")
        elif isinstance(x, (bool, int, float)) or x is None:
            return x
        elif x is not UNREADABLE:
            v.complain(here, f"{_shown(x)} is not a plain value")
        return None

    return {key: plain(x, (*path, key)) for key, x in value.items()}


def _list(v: Validation, value: Any, field: Field, path: Path_) -> list[Any] | None:
    if not isinstance(value, list):
        v.complain(path, f"a list is expected, got {_shown(value)}",
                   field.cure or "Write it as [first, second].")
        return None
    least, most = field.length
    if not least <= len(value) <= most:
        v.complain(path, f"the list has {len(value)} entries; {least} to {most} are allowed", field.cure)
    if field.item is None:
        raise TypeError("a list field needs an item")
    for i, x in enumerate(value):
        if x is None:
            v.complain((*path, i), "this entry of the list is empty",
                       field.item.cure or "Fill it in, or delete it.")
    return [v.check(x, field.item, (*path, i)) for i, x in enumerate(value)]


def _map(
    v: Validation, value: Any, field: Field, path: Path_, note_absent: bool = True
) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        v.complain(path, f"keys are expected here, got {_shown(value)}", field.cure)
        return None
    fields = field.fields or {}
    for key in value:
        if key not in fields:
            v.complain((*path, key), f"unknown key '{shown(key)}'",
                       did_you_mean(key, fields) or f"Allowed here: {one_of(fields)}.")
    out: dict[str, Any] = {}
    for key, sub in fields.items():
        if key in value:
            out[key] = v.check(value[key], sub, (*path, key))
        elif sub.essential:
            v.complain(path, f"'{key}' is missing", sub.cure)
        elif note_absent:
            v.absent.append(dotted((*path, key)))
    return out


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return f"the yes/no value {str(value).lower()}"
    if isinstance(value, (dict, list)):
        return "a group of keys" if isinstance(value, dict) else "a list"
    return f"'{shown(value)}'"


def _limit(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:g}"


def _columns(v: Validation, value: Any, field: Field, path: Path_) -> list[Any] | None:
    """Read one column's name, or a list of them, as a list."""
    return _list(v, [value] if isinstance(value, str) else value,
                 Field(kind="list", item=Field(kind="text", cure=field.cure), length=(0, 60), cure=field.cure), path)


def _bins(v: Validation, value: Any, field: Field, path: Path_) -> Any:
    """Read how covariates are coarsened: a rule for all, or one by covariate."""
    if isinstance(value, dict):
        return {key: _bins(v, x, field, (*path, key)) for key, x in value.items() if x is not None}
    before = len(v.problems)
    if isinstance(value, list):
        points = _list(v, value, Field(kind="list", item=Field(kind="number"), length=(1, 100), cure=field.cure), path)
        if len(v.problems) == before and points != sorted(set(points or [])):
            v.complain(path, "the cut points do not rise", "Write each once, the smallest first: [5, 10, 20].")
        return points
    if isinstance(value, str):
        return _choice(v, value, Field(kind="choice", choices=("sturges", "exact"), cure=field.cure), path)
    return _number(v, value, Field(kind="integer", low=2, high=1000, cure=field.cure), path)


def _moment(v: Validation, value: Any, field: Field, path: Path_) -> str | None:
    """Read a date, a year, or the name of a column that holds them."""
    if isinstance(value, dt.datetime | dt.date) or (isinstance(value, int) and not isinstance(value, bool)):
        found = _year_or_date(value) if not isinstance(value, int) or 1800 <= value <= 2200 else None
        if isinstance(found, str):
            return found
        v.complain(path, f"{_shown(value)} is neither a date nor a year", field.cure)
        return None
    return _text(v, value, field, path)


def _moments(v: Validation, value: Any, field: Field, path: Path_) -> dict[str, str | None] | None:
    if not isinstance(value, dict):
        v.complain(path, f"one date for each column is expected here, got {_shown(value)}", field.cure)
        return None
    return {str(key): _moment(v, x, field, (*path, key)) for key, x in value.items() if x is not None}


_CHECKS: dict[str, Any] = {
    "text": _text, "words": _words, "name": _name, "number": _number, "integer": _number, "boolean": _boolean,
    "date": _date, "choice": _choice, "period": _period, "options": _options, "list": _list, "map": _map,
    "columns": _columns, "value": _value, "bins": _bins, "moment": _moment, "moments": _moments,
}

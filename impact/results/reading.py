"""Read results.json back: whole, of the right shape and types, or refused in one sentence."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from impact.errors import Problem, StudyError
from impact.results.cleaning import Cleaning, CutOff
from impact.results.estimate import Caveat, Dropped, Estimate, PercentEffect, Segment, StandardErrorCard
from impact.results.evaluation import Check, Evaluation, Flow, Provenance, Stage, TrendPoint
from impact.results.money import MoneyFigure
from impact.results.record import FORMAT
from impact.study import study_from_mapping
from impact.study.schema import CONTROL
from impact.study.types import Study, build
from impact.study.yaml_file import shown

MAX_BYTES = 100_000_000
MOST = 1e300  # nothing that is measured comes near it
MADE_AGAIN = "Make it again with impact run; do not edit it by hand."
_TYPES = {t.__name__: t for t in (Caveat, Dropped, Estimate, PercentEffect, Segment, StandardErrorCard, Check, Flow,
                                  Provenance, Stage, TrendPoint, Cleaning, CutOff, MoneyFigure)}


class _MisfitError(Exception):
    """A value that does not fit its type; the message is its place in the record."""


def read_results(path: str | Path) -> Evaluation:
    """Read a results.json back; the micro-data are not needed.

    Parameters
    ----------
    path : the file, the folder that holds ``results.json``, or the folder of a study whose ``out`` holds it.

    Raises
    ------
    StudyError
        When the file is missing, is not a record of this toolkit, or was changed so that it cannot be read.
    """
    file = find_record(path)
    tree = _load(file)
    try:
        _fit(tree["study"]["slug"], str, "study.slug")
        study = study_from_mapping(tree["study"]["declared"], slug=tree["study"]["slug"])
        for f in fields(Evaluation):
            if f.name != "study":
                _fit(tree[f.name], _hints(Evaluation)[f.name], f.name)
        evaluation: Evaluation = build(Evaluation, {**tree, "study": study})
        for i, estimate in enumerate(evaluation.estimates):
            if not estimate.id or not 0 < estimate.conf_level < 1:
                raise _MisfitError(f"estimates[{i}].{'conf_level' if estimate.id else 'id'}")
    except _MisfitError as misfit:
        raise _refuse(file, f"'{misfit}' is not what a record holds there", MADE_AGAIN) from None
    except (KeyError, TypeError, AttributeError) as error:
        named = f" ({shown(str(error))})" if isinstance(error, KeyError) else ""
        raise _refuse(file, f"a part of the record is missing{named}", MADE_AGAIN) from None
    return evaluation


def find_record(path: str | Path) -> Path:
    """Find the record a path means: the file itself, or in a folder ``results.json``, then ``out/results.json``."""
    given = Path(path)
    if not given.is_dir():
        return given
    places = (given / "results.json", given / "out" / "results.json")
    return next((file for file in places if file.is_file()), places[0])


def record_of(given: Evaluation | str | Path) -> Evaluation:
    """Take a record as it is, or read it where a path is given.

    Raises
    ------
    TypeError
        When it is neither.
    """
    if isinstance(given, Evaluation):
        return given
    if isinstance(given, (str, Path)):
        return read_results(given)
    raise TypeError(f"evaluation must be an Evaluation, a results.json or its folder, not of type {type(given).__name__}"
                    + (". Estimate it first: impact.evaluate(study)" if isinstance(given, Study) else ""))


def _refuse(file: Path, what: str, cure: str) -> StudyError:
    return StudyError(Problem(where=shown(file, 300), what=what, cure=cure), source=shown(file.name))


def _load(file: Path) -> dict[str, Any]:
    try:
        if not file.exists():
            there = f"the folder holds no {file.name}" if file.parent.is_dir() and file.name == "results.json" else (
                "the file does not exist")
            raise _refuse(file, there, "Check the path, or run the study first: impact run PATH.")
        if not file.is_file():
            raise _refuse(file, "this is not a regular file", "Give the results.json that impact run wrote.")
        if file.suffix.lower() in (".yaml", ".yml"):
            raise _refuse(file, "this is a study file and not its record",
                          "Run it, then name the folder its results are in: impact run PATH.")
        if file.stat().st_size > MAX_BYTES:
            raise _refuse(file, "the file is too large to be a record", "Give the results.json that impact run wrote.")
        tree = json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise _refuse(file, f"the file cannot be read ({error.strerror})", "Check its permissions.") from None
    except (ValueError, RecursionError):
        raise _refuse(file, "the file is not readable JSON", "Give the results.json that impact run wrote.") from None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise _refuse(file, "this is not a results.json of this toolkit", "Give the file that impact run wrote.")
    return tree


def _no_number(name: str) -> float:
    """Refuse NaN and Infinity, which no record holds: a number that does not exist is null."""
    raise ValueError(name)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, localns=dict(_TYPES))


def _fit(value: Any, hint: Any, place: str) -> None:
    """Refuse a value that is not of its declared type, however deep."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return
        options = [h for h in inner if h is not type(None)]
        if len(options) == 1:
            _fit(value, options[0], place)
        elif not isinstance(value, (str, int, float, list)):
            raise _MisfitError(place)
    elif origin is tuple:
        if not isinstance(value, list):
            raise _MisfitError(place)
        pair = len(inner) > 1 and inner[1] is not Ellipsis
        if pair and len(value) != len(inner):
            raise _MisfitError(place)
        for i, item in enumerate(value):
            _fit(item, inner[i] if pair else inner[0], f"{place}[{i}]")
    elif origin is Literal:
        if value not in inner:
            raise _MisfitError(place)
    elif isinstance(hint, type) and is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise _MisfitError(place)
        for f in fields(hint):
            _fit(value[f.name], _hints(hint)[f.name], f"{place}.{f.name}")
    elif hint in (str, int, float, bool) and not _is(value, hint):
        raise _MisfitError(place)


def _is(value: Any, kind: type) -> bool:
    """Whether a plain value is of its type: a number of a size that can be, a text without signs that steer a screen."""
    if kind is str:
        return isinstance(value, str) and not CONTROL.search(value)
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    return isinstance(value, (int, float) if kind is float else int) and abs(value) <= MOST

"""From a study file to a Study: the whole file is checked in one pass, then its parts against each other."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from impact.errors import Problem, StudyError
from impact.study.consistency import cross_check
from impact.study.construction import UNIT_DEPENDENT, take_unit_dependent
from impact.study.contract import CONTRACT, FIRST_TREATED_RULE
from impact.study.logo import take_logo
from impact.study.schema import Validation
from impact.study.types import FirstTreatedRule, Study, build
from impact.study.yaml_file import MAX_DEPTH, Document, dotted, read_yaml, slug_of


def read_study(path: str | Path) -> Study:
    """Read and validate a study file.

    Parameters
    ----------
    path : the file, or the folder that holds ``study.yaml``.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        With every problem of the file at once: line, key, what is wrong, how to cure it.
    """
    file = Path(path)
    with contextlib.suppress(OSError, ValueError):  # an impossible path; read_yaml says so
        file = file / "study.yaml" if file.is_dir() else file
    document = read_yaml(file)
    return study_from(document, slug=_slug(file), folder=file.resolve().parent)


def study_of(given: Study | str | Path) -> Study:
    """Take a study as it is, or read it where a path is given.

    Raises
    ------
    TypeError
        When it is neither.
    """
    if isinstance(given, Study):
        return given
    if isinstance(given, (str, Path)):
        return read_study(given)
    raise TypeError(f"study must be a Study, a study file or its folder, not of type {type(given).__name__}")


def study_from(document: Document, *, slug: str, folder: Path | None = None) -> Study:
    """Validate a parsed document and build the study it declares."""
    v = Validation(document=document, problems=list(document.problems), absent=[])
    tree = document.tree
    rule = _take_rule(v, tree)
    take_unit_dependent(v, tree)
    take_logo(v, tree, folder)
    clean = v.check(tree, CONTRACT, ())
    if isinstance(clean, dict):
        if rule is not None and isinstance(clean.get("design"), dict):
            clean["design"]["first_treated"] = rule
            v.absent = [key for key in v.absent if key != "design.first_treated"]
        cross_check(v, clean)
    if v.problems:
        raise StudyError(sorted(v.problems, key=_line), source=document.name)
    study: Study = build(Study, {**clean, "slug": slug})
    lines = {dotted(path): line for path, line in document.lines.items() if path[:1] == ("analysis",)}
    beside = tuple(o for o in study.outcomes if o.transform in UNIT_DEPENDENT)
    values: dict[str, Any] = {"declared": clean, "absent": tuple(v.absent), "folder": folder, "lines": lines,
                              "outcomes": study.outcomes[:len(study.outcomes) - len(beside)], "transformed": beside}
    first = clean["design"].get("first_treated")
    if isinstance(first, Mapping):
        design = _replace(study.design, first_treated=build(FirstTreatedRule, first))
        values["design"] = design
    return _replace(study, **values)  # type: ignore[no-any-return]


def study_from_mapping(mapping: Mapping[str, Any], *, slug: str) -> Study:
    """Rebuild a study from the plain values kept in a record.

    Raises
    ------
    StudyError
        When the values are not those of a valid study.
    """
    return study_from(Document(name="results.json", tree=_plain(mapping)), slug=slug)


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise StudyError(Problem(where="study", what="the record is nested too deeply"),
                         source="results.json")
    if isinstance(value, Mapping):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    return value


def _replace(instance: Any, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(instance, **changes)


def _slug(file: Path) -> str:
    return slug_of(file.resolve().parent.name if file.name == "study.yaml" else file.stem, "study")


def _line(problem: Problem) -> int:
    found = re.match(r"line (\d+)", problem.where)
    return int(found[1]) if found else 0


def _take_rule(v: Validation, tree: Any) -> dict[str, Any] | None:
    """Validate the rule form of design.first_treated apart: the key may also hold a column's name."""
    design = tree.get("design") if isinstance(tree, dict) else None
    if not isinstance(design, dict) or not isinstance(design.get("first_treated"), dict):
        return None
    given = design.pop("first_treated")
    clean = v.check(given, FIRST_TREATED_RULE, ("design", "first_treated"))
    return clean if isinstance(clean, dict) else None

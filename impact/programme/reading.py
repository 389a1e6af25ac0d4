"""From a programme file to a Programme: the whole file in one pass, then its parts against each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from impact.errors import Problem, StudyError
from impact.programme.contract import keys_of, spread
from impact.programme.form import Cite, Record, Serves, forms
from impact.programme.references import check_references, head
from impact.programme.types import Programme
from impact.study.schema import Validation
from impact.study.yaml_file import Document, Limits, Path_, read_yaml, shown, slug_of

START = "impact new my-programme --programme"
LIMITS = Limits(size=4_000_000, nodes=200_000, noun="programme", start=START)
MOST_PROBLEMS = 300
DIGITS = 15  # significant ones of a number: what a spreadsheet keeps
NAMES = ("programme.yaml", "programme.xlsx")


def read_programme(path: str | Path) -> Programme:
    """Read and validate a programme.

    Parameters
    ----------
    path : programme.yaml, a filled Excel template, or the folder that holds one of them.

    Returns
    -------
    Programme

    Raises
    ------
    StudyError
        With every problem of the file at once: line, or sheet and row, key, what is wrong, how to cure it.
    """
    file = programme_file(path)
    if file.suffix.lower() == ".xlsx":
        from impact.programme.workbook import read_workbook

        document: Document = read_workbook(file)
    elif file.suffix.lower() in (".xls", ".xlsm", ".xlsb", ".ods", ".docx", ".pdf", ".csv"):
        name = shown(file.name)
        raise StudyError(Problem(where=name, what=f"a programme cannot be read from {file.suffix.lower()}",
                                 cure="Save it as .xlsx from the template, or write programme.yaml."), source=name)
    else:
        document = read_yaml(file, LIMITS)
    return programme_from(document, slug=_slug(file), folder=file.resolve().parent)


def programme_file(path: str | Path) -> Path:
    """Find the programme file: the path itself, or programme.yaml or programme.xlsx in a folder, but not both."""
    folder = Path(path)
    try:
        found = [folder / name for name in NAMES if (folder / name).is_file()] if folder.is_dir() else [folder]
    except (OSError, ValueError):  # an impossible path; the reader says so
        found = [folder]
    if len(found) == 1:
        return found[0]
    what = "the folder holds both programme.yaml and programme.xlsx" if found else "the folder holds no programme.yaml"
    cure = "Name the one that counts." if found else f"Make a programme with: {START}, or take stock: impact inventory"
    raise StudyError(Problem(where=shown(folder, 300), what=what, cure=cure), source=shown(folder.name) or "programme")


def programme_from(document: Document, *, slug: str = "programme", folder: Path | None = None) -> Programme:
    """Validate a parsed file and build the programme it declares."""
    v = Validation(document=document, problems=list(document.problems), absent=[])
    document.tree = spread(document.tree, Programme)
    clean = v.check(document.tree, keys_of(Programme), ())
    if isinstance(clean, dict):
        check_references(v, clean, folder)
    if v.problems:
        raise StudyError(_listed(v.problems, document.name), source=document.name)
    made: Programme = build(Programme, clean, document, (), slug=slug, source=document.name, folder=folder)
    return made


def build(record: type, values: dict[str, Any], document: Document, path: Path_, **beside: Any) -> Any:
    """Make a frozen record from validated values; every record inside it keeps where it stands."""
    given: dict[str, Any] = dict(beside)
    for key, (name, shape) in forms(record).items():
        value, here = values.get(key), (*path, key)
        if value is None:
            continue
        if shape.kind == "records" and shape.of is not None:
            given[name] = tuple(build(shape.of, item, document, (*here, i)) for i, item in enumerate(value))
        elif shape.kind == "record" and shape.of is not None:
            inner = build(shape.of, value, document, here)
            given[name] = inner if inner != shape.of() else None
        elif shape.kind in ("cites", "serves"):
            made = Cite if shape.kind == "cites" else Serves
            given[name] = tuple(made(head(text), _place(text)) for text in value)
        elif isinstance(value, str):
            given[name] = "\n".join(value.splitlines())  # line breaks of one kind only, as YAML and a cell keep them
        elif isinstance(value, float):
            given[name] = float(f"{value:.{DIGITS}g}")
        else:
            given[name] = tuple(value) if isinstance(value, list) else value
    if issubclass(record, Record):
        given["at"] = document.at(path)
    return record(**given)


def _place(text: str) -> str:
    words = text.split(maxsplit=1)
    return words[1].strip() if len(words) > 1 else ""


def _slug(file: Path) -> str:
    return slug_of(file.resolve().parent.name if file.name in NAMES else file.stem, "programme")


def _listed(problems: list[Problem], name: str) -> list[Problem]:
    """Sort the problems as a reader meets them; more than can be read in one go are counted."""
    found = sorted(problems, key=_order)
    rest = len(found) - MOST_PROBLEMS
    more = [Problem(where=name, what=f"{rest:,} further problems are not listed", cure="Put these right first.")]
    return found if rest <= 0 else found[:MOST_PROBLEMS] + more


def _order(problem: Problem) -> tuple[str, int]:
    """Sort problems as a reader meets them: by sheet, then by line or row."""
    found = re.match(r"(?:sheet ([^,]+), )?(?:line|row) (\d+)", problem.where)
    return (found[1] or "", int(found[2])) if found else ("", 0)

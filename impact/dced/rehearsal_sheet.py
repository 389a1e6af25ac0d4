"""The rehearsal's working sheet: written for the day, read back with its answers, every row held against what was asked."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impact.dced import workbooks
from impact.dced.rehearsal import NOTHING, PRODUCED, Rehearsal
from impact.errors import Problem, StudyError

ABOUT, REQUESTS, INTERVIEWS = "About", "Requests", "Interviews"
ASKED = ("code", "intervention", "what is asked", "what the programme file says", "where the register points")
TRIED = ("produced", "shown by", "date", "document and place shown", "remark")
GUIDE = ("code", "item", "intervention", "put to", "question")
SAID = ("answer", "judgement", "name", "role", "date", "written down by")
JUDGED = ("yes", "partly", "no")
HOW = ("Fill in the columns on the right. 'produced' is yes, partly or no; who showed it (by role), the date (2026-11-30), "
       "and the document with page, sheet or row stand beside it. Leave a row empty if it was not tried. Names stay in "
       "this sheet: the page made from it shows roles alone.")


START = "Write the sheet first: impact audit my-programme --rehearse --seed 7."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of one request: produced or not, by whom, when, and what was shown."""

    code: str
    produced: str
    by: str
    date: str
    shown: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a named person answered to one question of the guide."""

    code: str
    answer: str
    judgement: str
    by: str
    role: str
    date: str
    recorded_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers of one rehearsal; what was not tried or not asked is not among them."""

    tried: tuple[Tried, ...] = ()
    said: tuple[Said, ...] = ()


def rehearsal_workbook(rehearsal: Rehearsal, answers: Answers | None = None) -> bytes:
    """Write the working sheet; the same rehearsal gives the same bytes, and nothing in a cell is a formula."""
    answers = answers or Answers()
    tried, said = {a.code: a for a in answers.tried}, {a.code: a for a in answers.said}
    book = workbooks.new_workbook()
    workbooks.write_rows(book, ABOUT, _about(rehearsal), widths=(26, 90), head=False)
    rows: list[Sequence[Any]] = [(*ASKED, *TRIED)]
    names = {i.id: i.name for i in rehearsal.drawn}
    for request in rehearsal.requests:
        a = tried.get(request.code)
        rows.append((request.code, names.get(request.intervention, ""), request.ask, request.told,
                     "\n".join(p.text for p in request.papers) or NOTHING,
                     *((a.produced, a.by, a.date, a.shown, a.remark) if a else ("",) * len(TRIED))))
    sheet = workbooks.write_rows(book, REQUESTS, rows, widths=(7, 24, 40, 40, 45, 11, 20, 12, 32, 32))
    _choices(sheet, f"F2:F{len(rows)}", PRODUCED)
    rows = [(*GUIDE, *SAID)]
    for question in rehearsal.questions:
        b = said.get(question.code)
        rows.append((question.code, question.item, names.get(question.intervention, ""), question.who, question.text,
                     *((b.answer, b.judgement, b.by, b.role, b.date, b.recorded_by) if b else ("",) * len(SAID))))
    sheet = workbooks.write_rows(book, INTERVIEWS, rows, widths=(7, 28, 24, 24, 50, 50, 11, 20, 20, 12, 20))
    _choices(sheet, f"G2:G{len(rows)}", JUDGED)
    workbooks.stamp_sheets(book, fictional=rehearsal.fictional)
    return workbooks.saved(book)


def _about(rehearsal: Rehearsal) -> list[Sequence[Any]]:
    mark = [("", "FICTIONAL PROGRAMME")] if rehearsal.fictional else []
    return [("DCED self-check", "Rehearsal of an audit. It is no audit and gives no rating."), *mark,
            ("programme", rehearsal.programme), ("as of", rehearsal.as_of), ("seed", rehearsal.seed),
            ("drawn", ", ".join(i.id for i in rehearsal.drawn)), ("how to use it", HOW)]


def _choices(sheet: Any, cells: str, choices: Iterable[str]) -> None:
    from openpyxl.worksheet.datavalidation import DataValidation

    rule = DataValidation(type="list", formula1=f'"{",".join(choices)}"', allow_blank=True)
    sheet.add_data_validation(rule)
    rule.add(cells)


def read_answers(file: str | Path, rehearsal: Rehearsal) -> Answers:
    """Read the filled-in working sheet back.

    Raises
    ------
    StudyError
        When it is of another rehearsal, or rows are not filled in as they must be: all problems at once, each with sheet
        and row. 'Produced: yes' without a document and its page, sheet or row is refused, as is an answer without a
        name and a date.
    """
    path = Path(file)
    if not path.is_file():
        raise StudyError(Problem(where=str(path), what="there is no such file",
                                 cure=START), source=path.name)
    sheets = workbooks.open_rows(path, (ABOUT, REQUESTS, INTERVIEWS), START)
    _same(path, sheets[ABOUT], rehearsal)
    problems: list[Problem] = []
    asked = {r.code: r.ask for r in rehearsal.requests}
    guide = {q.code: q.text for q in rehearsal.questions}
    tried = _rows(sheets[REQUESTS], REQUESTS, (*ASKED, *TRIED), asked, "what is asked", TRIED, _tried, problems)
    said = _rows(sheets[INTERVIEWS], INTERVIEWS, (*GUIDE, *SAID), guide, "question", SAID, _said, problems)
    if problems:
        raise StudyError(problems, source=path.name)
    return Answers(tried=tuple(tried), said=tuple(said))


def _same(path: Path, rows: list[tuple[int, list[Any]]], rehearsal: Rehearsal) -> None:
    """Refuse the sheet of another rehearsal: its questions would be answered with another's answers."""
    stated = {_text(row[0]): _text(row[1]) for _, row in rows if len(row) > 1}
    expected = {"programme": rehearsal.programme, "as of": rehearsal.as_of, "seed": str(rehearsal.seed),
                "drawn": ", ".join(i.id for i in rehearsal.drawn)}
    problems = [Problem(where=f"sheet {ABOUT}, {key}", what=f"the sheet says {stated.get(key, '')!r}, this rehearsal "
                        f"{value!r}", cure="Use the sheet written with the same programme file, sample and seed.")
                for key, value in expected.items() if _bare(stated.get(key, "")) != _bare(value)]
    if problems:
        raise StudyError(problems, source=path.name)


def _rows(rows: list[tuple[int, list[Any]]], sheet: str, columns: Sequence[str], asked: Mapping[str, str], text: str,
          filled: Sequence[str], make: Callable[[str, dict[str, str]], Any], problems: list[Problem]) -> list[Any]:
    """Read one sheet's answered rows; ``make`` gives an answer or a list of (column, what, cure)."""
    head = [_text(cell) for cell in rows[0][1][:len(columns)]] if rows else []
    if head != list(columns):
        problems.append(Problem(where=f"sheet {sheet}, row 1", what="its columns are not those that were written",
                                cure="Write the sheet again, and copy the answers over."))
        return []
    found, seen = [], set()
    for number, cells in rows[1:]:
        row = dict(zip(columns, (_text(c) for c in [*cells, *[None] * len(columns)]), strict=False))
        where, code = f"sheet {sheet}, row {number}", row["code"]
        if not any(row[c] for c in filled):
            continue
        wrong: list[tuple[str, str]] = []
        if code not in asked or _bare(row[text]) != _bare(asked[code]):
            wrong = [(f"{code or 'no code'} is none of what was asked",
                      "Leave the columns on the left as they were written.")]
        elif code in seen:
            wrong = [(f"{code} is answered twice", "Keep one row.")]
        made = None if wrong else make(code, row)
        if isinstance(made, list):
            wrong = made
        problems += [Problem(where=where, what=what, cure=cure) for what, cure in wrong]
        if not wrong:
            seen.add(code)
            found.append(made)
    return found


def _tried(code: str, row: dict[str, str]) -> Tried | list[tuple[str, str]]:
    from impact.programme.places import Place, parse_place

    wrong = _named(row, "produced", PRODUCED, "shown by")
    if row["produced"].lower() in ("yes", "partly") and parse_place(row["document and place shown"]) == Place():
        wrong.append(("it was produced, but not said which document and where in it",
                      "Write the document and its page, sheet or row: D07 p. 4."))
    return wrong or Tried(code=code, produced=row["produced"].lower(), by=row["shown by"], date=row["date"],
                          shown=row["document and place shown"], remark=row["remark"])


def _said(code: str, row: dict[str, str]) -> Said | list[tuple[str, str]]:
    wrong = _named(row, "judgement", JUDGED, "name")
    if not row["answer"]:
        wrong.append(("the answer is missing", "Write what was said, in a sentence or two."))
    return wrong or Said(code=code, answer=row["answer"], judgement=row["judgement"].lower(), by=row["name"],
                         role=row["role"], date=row["date"], recorded_by=row["written down by"])


def _named(row: dict[str, str], column: str, choices: Sequence[str], name: str) -> list[tuple[str, str]]:
    wrong = []
    if row[column].lower() not in choices:
        wrong.append((f"{column} is {row[column]!r}", f"Write one of: {', '.join(choices)}."))
    if not row[name]:
        wrong.append((f"'{name}' is empty", "Write the name of the person." if name == "name" else
                      "Write who showed it, by role: field manager."))
    if not _is_date(row["date"]):
        wrong.append((f"date is {row['date']!r}", "Write it as 2026-11-30."))
    return wrong


def _is_date(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)) and bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _bare(text: str) -> str:
    """A text without the sign that keeps a cell from being read as a formula, and without its blanks."""
    return "".join(text.split()).lstrip("'")

"""The smaller pages beside the self-check: the rehearsal, the index of the evidence room, and the manager's one page."""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impact.dced import workbooks
from impact.dced.agenda import Due
from impact.dced.evidence_room import Held, IndexEntry, Room
from impact.dced.rehearsal import Rehearsal, Request
from impact.dced.rehearsal_sheet import Answers, Tried
from impact.dced.report import words
from impact.dced.report.html import UNNAMED, missing
from impact.dced.snapshots import WORDS, Progress
from impact.dced.types import EFFORTS, Audit, Gap, Verdict
from impact.dced.wording import listed, plural, shorten

if TYPE_CHECKING:
    from impact.programme.types import Programme

REHEARSAL = "self-check-rehearsal"
MANAGER = "self-check-manager.html"
CALENDAR = "self-check-calendar.xlsx"
SOON = 90
MOST_STEPS, MOST_DUE, MOST_MOVES, MOST_NAMED = 6, 6, 5, 2  # what fits one sheet of paper, each text at its longest
LONGEST_STEP, LONGEST_DUE, LONGEST_MISSING, LONGEST_NAME, MOST_MISSING = 100, 48, 70, 36, 1
_HERE = Path(__file__).parent
_PAGE = re.compile(r"p\. \d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    request: Request
    tried: Tried | None


def rehearsal_html(rehearsal: Rehearsal, answers: Answers | None = None) -> str:
    """Lay out the guide for the day or, with its answers, what could be produced and what could not."""
    tried = {a.code: a for a in answers.tried} if answers else {}
    said = {a.code: a for a in answers.said} if answers else {}
    lines = [_Line(request=r, tried=tried.get(r.code)) for r in rehearsal.requests]
    names = {i.id: i.name for i in rehearsal.drawn}
    return _page("rehearsal", "Rehearsal of an audit", rehearsal.programme, rehearsal, {
        "r": rehearsal, "answered": answers is not None, "tried": bool(tried),
        "words_of": {"yes": "produced", "partly": "partly produced", "no": "not produced"},
        "told": told(rehearsal, answers) if answers else "",
        "not_produced": [x for x in lines if x.tried and x.tried.produced != "yes"],
        "unregistered": [x for x in lines if x.tried and x.tried.produced != "no" and not x.request.ready],
        "unknown": [x for x in lines if x.tried and x.tried.produced != "no" and not _in_register(x.tried, rehearsal)],
        "groups": [(names[i], list(rows)) for i, rows in groupby(lines, key=lambda x: x.request.intervention)],
        "guide": [{"question": q, "said": said.get(q.code)} for q in rehearsal.questions]})


def _in_register(tried: Tried, rehearsal: Rehearsal) -> bool:
    """Whether what was shown begins with the code of a registered document, however its letters are written."""
    words = tried.shown.casefold().replace(",", " ").split()
    return bool(words) and words[0] in {code.casefold() for code in rehearsal.register}


def told(rehearsal: Rehearsal, answers: Answers) -> str:
    """Count what was produced: ``Of 11 requests: 7 produced, 1 partly, 2 not, 1 not tried.``"""
    count = {kind: sum(a.produced == kind for a in answers.tried) for kind in ("yes", "partly", "no")}
    return (f"Of {plural(len(rehearsal.requests), 'request')}: {count['yes']} produced, {count['partly']} partly, "
            f"{count['no']} not, {len(rehearsal.requests) - len(answers.tried)} not tried. Of "
            f"{plural(len(rehearsal.questions), 'question')}: {len(answers.said)} answered.")


def room_html(room: Room) -> str:
    """Lay out the index of the evidence room; links lead to the files beside it."""
    return _page("room", "Evidence room", room.programme, room, {
        "room": room, "inside": sum(bool(d.file) for d in room.documents),
        "unsearched": sum(bool(d.file) and not d.searched for d in room.documents),
        "shelves": [(entry, _by_document(room, entry)) for entry in room.index],
        "verdicts": words.VERDICT})


def _by_document(room: Room, entry: IndexEntry) -> list[tuple[Held, str]]:
    """Name each document of an item once, with its places."""
    places: dict[str, list[str]] = {}
    for code, place in entry.places:
        places.setdefault(code, []).append(place)
    return [(d, _gathered(sorted((p for p in places[d.id] if p), key=lambda p: (len(p), p))))
            for d in room.documents if d.id in places]


def _gathered(places: Sequence[str]) -> str:
    """Name pages together, 'pp. 2, 3, 5', and other places after them."""
    pages = [p.removeprefix("p. ") for p in places if _PAGE.fullmatch(p)]
    named = [f"{'p.' if len(pages) == 1 else 'pp.'} {', '.join(pages)}"] if pages else []
    return ", ".join([*named, *(p for p in places if not _PAGE.fullmatch(p))])


def manager_html(audit: Audit, agenda: Sequence[Due], progress: Progress) -> str:
    """Lay out the one page for the manager: where it stands, what to do first, what is late and what comes."""
    until = (datetime.date.fromisoformat(audit.as_of) + datetime.timedelta(days=SOON)).isoformat()
    together = _together(agenda)
    late = [d for d in together if d.late]
    soon = [d for d in together if not d.late and d.date <= until]
    steps = _steps(audit)
    moves = [replace(m, title=shorten(m.title)) for m in progress.moves[:MOST_MOVES]]
    laid = "it" if len(audit.flags) == 1 else "them"
    flags = f"{plural(len(audit.flags), 'document')} cannot carry what is put on {laid}." if audit.flags else ""
    return _page("manager", "One page for the manager", audit.study_title, audit, {
        "audit": audit, "progress": progress, "flags": flags, "steps": steps[:MOST_STEPS],
        "unsure": not all(point.verified for point in audit.points),
        "more": max(0, len(steps) - MOST_STEPS), "late": late[:MOST_DUE], "late_more": max(0, len(late) - MOST_DUE),
        "soon": soon[:MOST_DUE], "soon_more": max(0, len(soon) - MOST_DUE), "moves": moves,
        "moves_more": max(0, len(progress.moves) - MOST_MOVES), "words_of": WORDS, "verdicts": words.VERDICT,
        "one_page": True})


def _together(agenda: Sequence[Due]) -> list[Due]:
    """Name once what falls due on one day in several interventions."""
    groups: dict[tuple[str, str, str], list[Due]] = {}
    for due in agenda:
        groups.setdefault((due.date, due.what, due.owner), []).append(due)
    return [replace(same[0], what=shorten(same[0].what, LONGEST_DUE),
                    about=_names(d.about for d in same)) for same in groups.values()]


def calendar_workbook(programme: Programme, agenda: Sequence[Due], progress: Progress) -> bytes:
    """Write what falls due as a workbook, the earliest first, and every item that moved since the last snapshot."""
    book = workbooks.new_workbook()
    mark = [("", "FICTIONAL PROGRAMME")] if programme.simulated else []
    workbooks.write_rows(book, "Self-check", [("DCED self-check", "Calendar of what falls due"), *mark,
                                              ("programme", programme.name), ("as of", programme.as_of)],
                         widths=(20, 80), head=False)
    rows = [("date", "late", "what falls due", "concerns", "owner", "where it stands")]
    rows += [(d.date, "late" if d.late else "", d.what, d.about, d.owner or "nobody named", d.place) for d in agenda]
    workbooks.write_rows(book, "Calendar", rows, widths=(12, 8, 60, 24, 30, 24))
    if progress.since:
        moves = [("item", "what it asks", f"on {progress.since}", f"on {programme.as_of}", "moved", "why")]
        moves += [(m.internal_key, m.title, _verdict(m.before), _verdict(m.now), WORDS[m.direction], m.why)
                  for m in progress.moves]
        workbooks.write_rows(book, "What moved", moves, widths=(30, 50, 16, 16, 18, 80))
    workbooks.stamp_sheets(book, fictional=bool(programme.simulated))
    return workbooks.saved(book)


def _verdict(verdict: Verdict | None) -> str:
    return words.VERDICT[verdict] if verdict else "not in the table"


def _steps(audit: Audit) -> list[dict[str, str]]:
    """Name each cure of a must item once, the cheapest first: what is missing, the item, what it concerns, who mends it."""
    cures: dict[tuple[int, str], list[Gap]] = {}
    items: dict[str, str] = {}
    for point in audit.fix_first:
        for gap in point.gaps:
            if gap.fix:
                cures.setdefault((EFFORTS.index(gap.effort), gap.fix), []).append(gap)
                items.setdefault(gap.fix, point.id)
    return [{"fix": shorten(fix, LONGEST_STEP), "missing": missing(gaps, MOST_MISSING, LONGEST_MISSING),
             "about": " · ".join(x for x in (items[fix], _names((g.about for g in gaps), 1),
                                             _names((g.owner for g in gaps), 1) or UNNAMED) if x)}
            for (_, fix), gaps in sorted(cures.items(), key=lambda item: item[0][0])]


def _names(names: Iterable[str], most: int = MOST_NAMED) -> str:
    """Name what something concerns, or who mends it, each once."""
    return listed(dict.fromkeys(shorten(name, LONGEST_NAME) for name in names if name), most)


def _page(template: str, title: str, programme: str, subject: Any, values: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    style = (_HERE / "sheet.css").read_text(encoding="utf-8").strip()
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return environment.get_template(f"{template}.html.j2").render(
        title=title, programme=programme, as_of=subject.as_of, fictional=subject.fictional, style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
        not_an_audit=words.NOT_AN_AUDIT, unbroken=words.unbroken, **{"one_page": False, **values})

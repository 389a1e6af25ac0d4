"""The self-check as a workbook: a working list of gaps with owner and date, the items, and the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from impact.dced.report import words
from impact.dced.types import Audit
from impact.dced.workbooks import new_workbook, on_paper, saved, write_rows

TO_DO = ("Effort", "Owner", "Due", "Due is proposed", "Status", "Item", "Key", "Concerns", "Gap", "Next step", "Where",
         "Self-check", "Done on", "Note")
ITEMS = ("Element", "Element title", "Control point", "Status", "Item", "Key", "Number in the table", "Verified",
         "Self-check", "How it is known", "On file", "Gap or reason", "Next step", "Effort", "Owner", "Due",
         "For a person to judge", "Judged")
EVIDENCE = ("Key", "Item", "Concerns", "What it shows", "File", "Page, sheet, row or key")


def self_check_xlsx(audit: Audit) -> bytes:
    """Write a self-check as a workbook; no cell is ever a formula, and the same self-check gives the same bytes."""
    book = new_workbook()
    write_rows(book, "Self-check", _about(audit), widths=(34, 110), head=False)
    write_rows(book, "To do", [TO_DO, *_to_do(audit)], widths=(10, 22, 12, 10, 12, 40, 26, 22, 50, 50, 24, 14, 12, 30))
    write_rows(book, "Items", [ITEMS, *_items(audit)],
               widths=(8, 26, 36, 13, 44, 26, 10, 9, 14, 18, 60, 60, 50, 10, 22, 12, 44, 44))
    write_rows(book, "Evidence", [EVIDENCE, *_evidence(audit)], widths=(26, 44, 22, 70, 44, 30))
    if audit.flags:
        write_rows(book, "Documents", [("Document", "What was seen", "Where it is registered"),
                                       *((f.document, f.text, f.place) for f in audit.flags)], widths=(40, 80, 30))
    if audit.totals:
        write_rows(book, "Totals", [("Added up again from the interventions",), *((line,) for line in audit.totals)],
                   widths=(140,))
    for sheet in book.worksheets:
        on_paper(sheet, left="DCED self-check, not an audit", middle=" ".join(words.stamps(audit)))
    return saved(book)


def _about(audit: Audit) -> Iterator[tuple[Any, ...]]:
    yield "DCED self-check", audit.study_title
    yield from (("", stamp) for stamp in words.stamps(audit))
    yield "What it is not", words.NOT_AN_AUDIT
    yield "Held against", f"{audit.standard}, version {audit.version}"
    yield "As of", audit.as_of
    yield from (("How far the list can be trusted", line) for line in audit.warning)
    yield from (("Scope", line) for line in audit.scope)
    for element in audit.elements:
        yield f"{element.number} {element.title}", f"{element.sentence} ({words.counts(element)})"
    if aside := words.not_applicable(audit):
        yield "Counted aloud", aside
    yield from (("", line) for line in words.shares(audit))
    if audit.subject == "programme":
        yield "Not gameable", words.NOT_GAMEABLE
    yield from ((words.RECORD.get(name, name), value) for name, value in audit.record)


def _to_do(audit: Audit) -> Iterator[tuple[Any, ...]]:
    """Give the gaps in the order to take them: must items before recommended ones, the cheapest first, then by date."""
    order = list(words.EFFORT)
    rows = [(p, g) for p in audit.points for g in p.gaps]
    rows.sort(key=lambda pg: (pg[0].status != "must", order.index(pg[1].effort), pg[1].due, pg[0].internal_key))
    for p, g in rows:
        yield (words.EFFORT_SHORT[g.effort], g.owner, g.due, "yes" if g.due_proposed else "", p.status, p.title,
               p.internal_key, g.about, g.text, g.fix, g.place, words.VERDICT[p.verdict], "", "")


def _items(audit: Audit) -> Iterator[tuple[Any, ...]]:
    for e in audit.elements:
        for p in e.points:
            yield (e.number, e.title, p.control_point, p.status, p.title, p.internal_key, p.id,
                   "yes" if p.verified else "unverified", words.VERDICT[p.verdict], words.known(p), p.shows, p.gap,
                   p.next_step, words.EFFORT_SHORT[p.effort] if p.effort else "", p.owner, p.due, p.question, p.answer)


def _evidence(audit: Audit) -> Iterator[tuple[Any, ...]]:
    for p in audit.points:
        for e in p.evidence:
            yield p.internal_key, p.title, e.about, e.text, e.file, e.place

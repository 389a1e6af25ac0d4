"""From what a rule found, and what named people say, to one of five verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from impact.dced.dossier import Dossier, Found, Later, Settled
from impact.dced.items import MODES, QUESTIONS, tables
from impact.dced.rules import RULES
from impact.dced.table import ControlPoint, Criterion
from impact.dced.types import EFFORTS, Evidence, Gap, Known, Point, Verdict
from impact.dced.wording import capital, listed, shorten
from impact.programme.types import Answer, NotApplicable

NO_RULE = "This toolkit has no rule for this item of the table."
NOTHING = "Nothing is entered on this item."


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What named people said of an item: evidence, gaps, whether all it concerns is judged, and who said what."""

    evidence: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    complete: bool = False
    told: str = ""
    missing: str = ""


def judge(d: Dossier, control: ControlPoint, criterion: Criterion) -> Point:
    """Hold one item of the table against a programme."""
    key = f"{control.internal_key}.{criterion.internal_key}"
    blank = Point(internal_key=key, id=criterion.id, control_point=control.title, title=criterion.text,
                  status=control.status, verified=control.verified and criterion.verified, note=control.note,
                  verdict="needs_person", level="programme", mode=MODES.get(key, "asked"), question=QUESTIONS.get(key, ""))
    if key not in RULES:
        return replace(blank, reason=NO_RULE, question=f"Keep on file: {criterion.evidence}.")
    rows = [row for row in d.programme.not_applicable if row.item in (key, control.internal_key)]
    good = [row for row in rows if d.stated(row.reason) and row.by and row.date and row.date <= d.today]
    mine = d.for_item(key, good)
    whole = next((row for row in good if row.intervention is None), None)
    if whole is not None or (good and not mine.active and d.programme.in_scope):
        return replace(blank, verdict="not_applicable", known="declared_only", question="",
                       reason=" ".join(_excuse(d, row) for row in ([whole] if whole else good)))
    found = list(RULES[key](mine))
    refused = [mine.lacks("Said not to apply, but without a reason, a name or a date that has come.",
                          "Give all three, or take the entry out.", record=row) for row in rows if row not in good]
    point = _weighed(mine, blank, [*found, *refused])
    return replace(point, reason=" ".join([point.reason, *(_excuse(d, row) for row in good)]).strip(),
                   evidence=(*point.evidence, *_registered(mine)))


def _weighed(d: Dossier, blank: Point, found: list[Found]) -> Point:
    """Put together what the program saw and what people said."""
    heard = listen(d) if blank.mode != "program" else Heard(complete=True)
    evidence = tuple(f for f in found if isinstance(f, Evidence))
    gaps = sorted((*(f for f in found if isinstance(f, Gap)), *heard.gaps), key=lambda g: EFFORTS.index(g.effort))
    later = [f.text for f in found if isinstance(f, Later)]
    settled = [f.text for f in found if isinstance(f, Settled)]
    reason = f"Not due yet: {listed(later, most=6)}" if later else ""
    if blank.mode == "asked":
        evidence = (*evidence, *heard.evidence)
    point = replace(blank, evidence=evidence, gaps=tuple(gaps), reason=reason, answer=heard.told,
                    question="" if settled and not gaps else blank.question)
    complete = heard.complete or bool(settled and not gaps)
    verdict, known = _verdict(point, heard, complete, bool(later))
    if verdict == "gap" and not gaps:
        point = replace(point, gaps=(d.lacks(NOTHING, _enter(d), "ask"),))
    if verdict == "needs_person" and not complete:
        reason = " ".join(x for x in (reason, heard.missing) if x)
    return replace(point, verdict=verdict, known=known, reason=reason)


def _enter(d: Dossier) -> str:
    """Say where to enter what is missing altogether."""
    where = " and ".join(tables(d.key))
    first = "Enter the interventions first" if not d.programme.interventions else ""
    then = f"{'fill in' if first else 'Fill in'} {where}" if where else ""
    return f"{', then '.join(part for part in (first, then) if part) or 'Enter what there is'}."


def _verdict(point: Point, heard: Heard, complete: bool, later: bool) -> tuple[Verdict, Known | None]:
    """Choose the verdict: gaps first, then what waits for a person, then what is on file."""
    rests: Known = "checked" if point.mode == "program" else "declared_with_evidence"
    if point.gaps:
        said = point.mode == "asked" and bool(heard.told) and not point.evidence
        known: Known = "declared_only" if said or _all_declared(point.gaps) else "checked"
        part: Known = "declared_only" if said else rests if point.mode == "asked" else "checked"
        return ("partly", part) if point.evidence or said else ("gap", known)
    if point.evidence and complete:
        return "on_file", rests
    if not point.evidence and point.mode == "program":
        return ("needs_person", None) if later else ("gap", "checked")
    if not point.evidence and not later and point.mode == "partly":
        return "gap", "checked"
    return "needs_person", None


def _all_declared(gaps: Iterable[Gap]) -> bool:
    return all("declared only" in gap.text for gap in gaps)


def listen(d: Dossier) -> Heard:
    """Hear what named people answered on the item at hand; only one with name and date counts.

    An item on which only people can speak needs the paper of the talk as well: what is declared only is never on file.
    """
    rows = [a for a in d.programme.answers if a.item == d.key or d.key.startswith(f"{a.item}.")]
    evidence: list[Evidence] = []
    gaps: list[Gap] = []
    judged: set[str | None] = set()
    asked = MODES.get(d.key) == "asked"
    for row in rows:
        about = d.programme.intervention(row.intervention) if row.intervention else None
        who = _who(d, row.by, row.role)
        if not row.by or not row.date or row.judgement is None or row.date > d.today:
            gaps.append(d.lacks(f"An answer is entered without {_lacking(d, row)}: declared only.",
                                "Complete it: who judged, when, and yes, partly or no.", record=row, about=about))
            continue
        if row.judgement != "yes":
            said = f"{capital(who)} judged on {row.date}: {row.judgement}. {shorten(row.answer or '', 150)}".strip()
            gaps.append(d.lacks(said, "Mend what the answer names, and ask again.", "ask", record=row, about=about))
        if asked or row.evidence:
            proofs = list(d.proof(row.evidence, f"notes of the talk with {who}", record=row, about=about))
            evidence += [p for p in proofs if isinstance(p, Evidence)]
            gaps += [p for p in proofs if isinstance(p, Gap)]
        judged.add(row.intervention)
    unheard = [i.name for i in d.active if None not in judged and i.id not in judged]
    return Heard(evidence=tuple(evidence), gaps=tuple(gaps), complete=bool(judged) and not unheard,
                 told=" ".join(_told(d, row) for row in rows if row.by and row.date and row.judgement),
                 missing=f"Nobody has judged it yet for {listed(unheard)}." if judged and unheard else
                 "Nobody has judged it yet.")


def _lacking(d: Dossier, row: Answer) -> str:
    return listed([word for word, given in (("a name", row.by), ("a date", row.date), ("a judgement", row.judgement),
                                            ("a date that has come", not row.date or row.date <= d.today)) if not given])


def _who(d: Dossier, by: str | None, role: str | None = None) -> str:
    """Name by role who judged: the name stands in the programme file and goes no further."""
    known = (p.role for p in d.programme.staff if (by or "").strip().casefold() in (p.id, (p.name or p.id).casefold()))
    return role or next(known, "a person named in the programme file")


def _told(d: Dossier, row: Answer) -> str:
    who = f"{capital(_who(d, row.by, row.role))}, {row.date}"
    of = f" on {row.intervention}" if row.intervention else ""
    return f"{who}{of}: {row.judgement}. {shorten(row.answer or '', 200)}".strip()


def _excuse(d: Dossier, row: NotApplicable) -> str:
    of = f"{d.programme.intervention(row.intervention).name}: not" if row.intervention else "Not"
    return f"{of} applicable, says {_who(d, row.by)} on {row.date}: {shorten(row.reason or '', 200)}"


def _registered(d: Dossier) -> tuple[Evidence, ...]:
    """Name the documents the register puts under an item; they change no verdict, for anyone can write a key there."""
    out = []
    for document in d.programme.documents:
        for serves in document.serves:
            if d.serves((serves.item,)) and document.id not in d.shelf.faults and serves.place.strip():
                out.append(Evidence(text=f"Registered for this item: {shorten(document.title)}.", place=serves.place,
                                    file=f"{document.id} {document.file or document.link}"))
    return tuple(out)

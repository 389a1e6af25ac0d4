"""A rehearsal of the auditors' visit: interventions drawn by lot, what is asked for each, and where the register points."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from impact.dced.items import ASKED
from impact.dced.wording import shorten
from impact.errors import DesignError, Problem

if TYPE_CHECKING:
    from impact.dced.types import Audit
    from impact.programme.form import Cite
    from impact.programme.types import Figure, Intervention, Programme, Report, Result

Produced = Literal["yes", "partly", "no"]
PRODUCED: tuple[Produced, ...] = ("yes", "partly", "no")
NOTHING = "the register names nothing"
PARTNERS = frozenset({"rc_logic.partners_explain"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One place the register names for a request: the document, the page, sheet or row, and whether its file is there."""

    document: str
    title: str
    place: str
    file: str
    state: str

    @property
    def text(self) -> str:
        """The place in one line: ``D07 Baseline report, p. 4 (documents/baseline.docx)``."""
        where = self.place or "no page, sheet or row named"
        state = "" if self.state in ("there", "link") else f": {self.state}"
        return f"{self.document} {self.title}, {where} ({self.file or 'a link'}{state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing auditors ask to see. ``told`` is what the programme file says of it; ``papers`` where it points to."""

    code: str
    intervention: str
    ask: str
    told: str = ""
    papers: tuple[Paper, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether the register names a place in a file that is there."""
        return any(p.place and p.state in ("there", "link") for p in self.papers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of the interview guide: the item it serves, whom it is put to, and about which intervention."""

    code: str
    item: str
    intervention: str
    who: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What was drawn, what is asked for, and the interview guide. It rates nothing.

    ``drawn`` of ``eligible`` interventions by their codes; ``left_out`` says which were not in the draw and why;
    ``register`` holds the codes of all documents.
    """

    programme: str
    as_of: str
    fictional: bool
    seed: int
    drawn: tuple[Intervention, ...]
    eligible: int
    left_out: tuple[str, ...]
    requests: tuple[Request, ...]
    questions: tuple[Question, ...]
    register: frozenset[str] = frozenset()


def rehearse(programme: Programme, audit: Audit, *, sample: int = 3, seed: int) -> Rehearsal:
    """Draw interventions and write down what auditors would ask to see and to hear.

    Parameters
    ----------
    programme : as read from its file.
    audit : its self-check, for the questions it puts to named people.
    sample : how many interventions to draw; all, where there are no more than that. The Standard's own rule is not known
        to us, so that the number is the programme's to choose.
    seed : the same seed draws the same interventions on every machine: they are put in the order of the SHA-256 of seed
        and code.

    Raises
    ------
    DesignError
        When the sample is below one, or nothing in scope has begun.
    """
    eligible = [i for i in programme.in_scope if i.status != "planned"]
    if sample < 1:
        raise DesignError(Problem(where="--sample", what=f"{sample} interventions cannot be drawn",
                                  cure="Give a whole number from 1."), source="rehearsal")
    if not eligible:
        raise DesignError(Problem(where="interventions", what="no intervention in scope has begun",
                                  cure="Rehearse once the first one is active."), source="rehearsal")
    chosen = sorted(eligible, key=lambda i: _lot(seed, i.id))[:sample]
    drawn = tuple(i for i in programme.interventions if i in chosen)
    asked = (request for i in drawn for request in _asked_for(programme, i, seed))
    requests = tuple(Request(code=f"R{n:02d}", intervention=i, ask=ask, told=told, papers=papers)
                     for n, (i, ask, told, papers) in enumerate(asked, 1))
    questions = tuple(Question(code=f"Q{n:02d}", item=item, intervention=i, who=who, text=text)
                      for n, (item, i, who, text) in enumerate(_guide(programme, audit, drawn), 1))
    return Rehearsal(
        programme=programme.name, as_of=programme.as_of, fictional=bool(programme.simulated), seed=seed, drawn=drawn,
        eligible=len(eligible), requests=requests, questions=questions,
        register=frozenset(d.id for d in programme.documents),
        left_out=tuple(f"{i.name}: {'not begun' if i in programme.in_scope else i.scope_reason or 'out of scope'}"
                       for i in programme.interventions if i not in eligible))


def _lot(seed: int, code: str) -> str:
    return hashlib.sha256(f"{seed}:{code}".encode()).hexdigest()


_Asked = tuple[str, str, str, tuple[Paper, ...]]
_Figure = tuple["Report", "Figure", "Result"]


def _asked_for(programme: Programme, intervention: Intervention, seed: int) -> Iterator[_Asked]:
    """Go through what auditors ask of one intervention, in the order of a visit."""
    code = intervention.id
    figure = _drawn_figure(programme, code, seed)
    yield from _walk_back(programme, code, figure)
    yield from _chain_in_force(programme, code, figure)
    rounds = [r for r in programme.rounds if code in r.interventions]
    for ask, field in (("Show the sampling frame, and how the sample was drawn.", "sampling_frame"),
                       ("Show the cleaning log: what was changed in the data, by whom and why.", "cleaning_log")):
        cited = (c for r in rounds for c in getattr(r, field))
        yield code, ask, ", ".join(r.id for r in rounds), papers_of(programme, cited)
    named = {i.id: i.name for i in programme.interventions}
    overlaps = [o for o in programme.overlaps if code in (o.first, o.second)]
    yield (code, "Show how enterprises that two interventions both count were found and deducted.",
           "; ".join(f"{named[o.first]} and {named[o.second]}: {o.way}, {_clause(o.reason or 'no reason stated')}"
                     for o in overlaps),
           papers_of(programme, (c for o in overlaps for c in o.evidence)))
    projections = [p for p in programme.projections if programme.indicator(p.indicator).intervention == code]
    yield (code, "Show the history of a projection: values, reviews, and why it was changed or kept.",
           "; ".join(f"{p.id}: {', '.join(r.date for r in p.history) or 'no review noted'}" for p in projections),
           papers_of(programme, (c for p in projections for c in p.evidence)))
    decisions = [d for d in programme.decisions if code in d.interventions]
    yield (code, "Show a decision that followed from results, and what changed after it.",
           "; ".join(f"{d.date}: {_clause(shorten(d.text))}" for d in decisions),
           papers_of(programme, (c for d in decisions for c in d.evidence)))


def _clause(text: str) -> str:
    """Take the full stop off a sentence that stands in a list."""
    return text.rstrip().removesuffix(".")


def _chain_in_force(programme: Programme, code: str, figure: _Figure | None) -> Iterator[_Asked]:
    """Ask for the chain that held on the last day the reported figure covers; today's, where no figure was drawn."""
    that_day = figure[0].ends or figure[0].date if figure else None
    day = that_day or programme.as_of
    chain = programme.chain_on(code, day)
    cited = (c for version in programme.versions(code) for c in version.evidence)
    why = ", the last day of that report" if that_day else ""
    yield (code, f"Show the results chain in force on {day}{why}, and every other version.",
           f"version {chain.id} of {chain.date}: {chain.reason or 'no reason stated'}" if chain else "",
           papers_of(programme, cited))


def _drawn_figure(programme: Programme, code: str, seed: int) -> _Figure | None:
    """Pick one reported figure of an intervention by lot: a measured one first, then a share of a total or a projection."""

    def order(found: _Figure) -> tuple[bool, bool, str]:
        report, figure, result = found
        return (figure.shown_as == "projected", figure.traces_to != result.id,
                _lot(seed, f"{code}:{report.id}:{figure.label}:{figure.place}"))

    return min(_figures(programme, code), key=order, default=None)


def _walk_back(programme: Programme, code: str, drawn: _Figure | None) -> Iterator[_Asked]:
    """Ask for every paper from the page of the drawn figure to the questionnaire."""
    if drawn is None:
        yield (code, "Walk one reported figure back to the questionnaire.",
               "no reported figure traces to this intervention", ())
        return
    report, figure, result = drawn
    yield (code, f"Show “{shorten(figure.label, 70)}”, {figure.value:,.12g}, in the report.",
           f"{report.id}, {figure.place or 'no place named'}; shown as {figure.shown_as or 'not stated'}",
           _document(programme, report.document, figure.place))
    value = "no figure" if result.value is None else f"{result.value:,.12g}"
    told = f"{result.id}: {value}, {result.basis or 'basis not stated'}"
    yield (code, "Show the calculation behind it, with its inputs.",
           f"{told}{f'; {result.formula}' if result.formula else ''}",
           papers_of(programme, (*(c for t in programme.totals if t.id == figure.traces_to for c in t.evidence),
                                 *result.evidence, *(c for x in result.inputs for c in x.evidence))))
    attribution = next((a for a in programme.attributions if a.id == result.attribution), None)
    told = ""
    if attribution:
        method = (attribution.method or "method not stated").replace("_", " ")
        told = f"{method}: {attribution.reason or 'no reason stated'}"
    yield (code, "Show how the change was attributed, and why that way.", told,
           papers_of(programme, (*attribution.comparison, *attribution.evidence) if attribution else ()))
    named = (attribution.before, attribution.after) if attribution else ()
    rounds = [r for r in programme.rounds if r.id in named]
    for what, field in (("the data as analysed", "clean_data"), ("the data as collected", "raw_data"),
                        ("the questionnaire", "questionnaire")):
        yield (code, f"Show {what}.", ", ".join(r.id for r in rounds),
               papers_of(programme, (c for r in rounds for c in getattr(r, field))))


def _figures(programme: Programme, intervention: str) -> Iterator[_Figure]:
    """Go through the reported figures that trace to a result of an intervention, or to a total that it is a part of."""
    results = {r.id: r for r in programme.results if r.intervention == intervention}
    parts = {(programme.indicator(r.indicator).common, r.year): r for r in results.values()}
    found = {t.id: parts[t.common, t.year] for t in programme.totals if (t.common, t.year) in parts} | results
    for report in programme.reports:
        for figure in report.figures:
            if figure.traces_to in found:
                yield report, figure, found[figure.traces_to]


def papers_of(programme: Programme, cites: Iterable[Cite]) -> tuple[Paper, ...]:
    """Look up the places a record cites, each once, and whether their files are there."""
    from impact.programme.disk import look

    papers = []
    for cite in dict.fromkeys(cites):
        document = programme.document(cite.document)
        state = "link" if not document.file else "there"
        if document.file and programme.folder is not None:
            state = look(programme.folder, document.file).state
        papers.append(Paper(document=document.id, title=document.title, place=cite.place, file=document.file or "",
                            state=state))
    return tuple(papers)


def _document(programme: Programme, code: str | None, place: str | None) -> tuple[Paper, ...]:
    from impact.programme.form import Cite

    return papers_of(programme, (Cite(code, place or ""),)) if code else ()


def _guide(programme: Programme, audit: Audit, drawn: tuple[Intervention, ...]) -> Iterator[tuple[str, str, str, str]]:
    """Write the interview guide: what only talk can show, for each intervention drawn; what waits for judgement, once."""
    for intervention in drawn:
        owner = next((p.role for p in programme.staff if p.id == intervention.owner), "who answers for it")
        partner = intervention.partners[0] if intervention.partners else "a key partner (none is registered)"
        for item, text in ASKED.items():
            yield item, intervention.id, partner if item in PARTNERS else owner, text
    for point in audit.points:
        if point.verdict == "needs_person" and point.question and point.internal_key not in ASKED:
            yield point.internal_key, "", "a senior member of staff", point.question

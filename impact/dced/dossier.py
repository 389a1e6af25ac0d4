"""The whole programme under examination, and the small questions every rule asks of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from impact.dced.documents import Shelf
from impact.dced.types import DAYS, Effort, Evidence, Gap
from impact.dced.wording import capital, says_something, shorten
from impact.programme.types import (
    Chain,
    Cite,
    Conventions,
    Indicator,
    Intervention,
    Measurement,
    NotApplicable,
    Programme,
    Record,
)
from impact.results.evaluation import Evaluation

REVIEW_MONTHS = 12  # unverified default, where conventions.review_months is not declared
RULE_MONTHS = "12 months, an unverified default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Something that is planned and not due yet: neither evidence nor a gap."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The question put to a person does not arise; says why."""

    text: str


Found = Evidence | Gap | Later | Settled
# a page, row, slide, paragraph has its number; a sheet, chapter or annex may have a name: 'whole document' has neither
_NAMED = re.compile(
    r"\d|\b[ivxlc]+\b|\b(sheet|tab|annexe?|appendix|chapter|section|table|figure|column|heading|pp?\.|pages?|feuille|onglet|"
    r"chapitre|tableau|hoja|anexo|cap[ií]tulo|secci[oó]n|tabla|cuadro)\s+\S", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """A programme, its documents as they stand on disk and the records of its studies; rules read this and no more.

    ``active`` are the interventions the item at hand applies to: those in scope, less those a named person declared the
    item not applicable to.
    """

    programme: Programme
    shelf: Shelf
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    active: tuple[Intervention, ...] = ()
    key: str = ""

    def for_item(self, key: str, excused: Iterable[NotApplicable]) -> Dossier:
        """Narrow the programme to what one item applies to."""
        gone = {row.intervention for row in excused if row.intervention}
        return replace(self, key=key, active=tuple(i for i in self.programme.in_scope if i.id not in gone))

    @property
    def today(self) -> str:
        """The day for which everything is judged: the programme's own ``as_of``."""
        return self.programme.as_of

    @property
    def conventions(self) -> Conventions:
        """How the programme counts; nothing declared where the file has none."""
        return self.programme.conventions or Conventions()

    @property
    def review_months(self) -> float:
        """Most months between two reviews: declared, or the default."""
        return self.conventions.review_months or REVIEW_MONTHS

    @property
    def rule_of_months(self) -> str:
        """The same in words, with where it comes from."""
        declared = self.conventions.review_months
        return f"{declared:g} months, as declared" if declared else RULE_MONTHS

    def begun(self) -> tuple[Intervention, ...]:
        """Active interventions that have begun: a planned one has nothing to show of what comes after its start."""
        return tuple(i for i in self.active if self.has_begun(i))

    def has_begun(self, i: Intervention) -> bool:
        """Tell whether an intervention has begun: one called planned has, if its first day is past or it has results."""
        if i.begins and i.begins > self.today:
            return False
        return i.status != "planned" or bool(i.begins) or any(
            r.intervention == i.id and r.label != "projected" for r in self.programme.results)

    def chain(self, intervention: Intervention) -> Chain | None:
        """Give the version of the chain in force today."""
        return self.programme.chain_on(intervention.id, self.today)

    def indicators(self, intervention: Intervention) -> tuple[Indicator, ...]:
        """Give an intervention's indicators."""
        return tuple(i for i in self.programme.indicators if i.intervention == intervention.id)

    def key_indicators(self, intervention: Intervention) -> tuple[Indicator, ...]:
        """Give an intervention's key indicators: those marked key, and those added up where none says."""
        return tuple(i for i in self.indicators(intervention) if i.key or (i.key is None and i.common))

    def measured(self, indicator: Indicator, *kinds: str) -> tuple[Measurement, ...]:
        """Give an indicator's values that were measured by today, the oldest first."""
        rows = (m for m in self.programme.measurements if m.indicator == indicator.id and (not kinds or m.kind in kinds))
        done = (m for m in rows if m.measured and m.measured <= self.today and (m.value is not None or m.words))
        return tuple(sorted(done, key=lambda m: m.measured or ""))

    # -- saying what was found ------------------------------------------------------------------------------------

    def place(self, record: Record | None) -> str:
        """Say where a record stands: ``programme.yaml, line 12``."""
        return ", ".join(part for part in (self.programme.source, record.at if record else "") if part)

    def seen(self, text: str, record: Record | None = None, about: Intervention | None = None) -> Evidence:
        """State what the programme file itself shows."""
        return Evidence(text=text, file=self.programme.source, place=(record.at if record else "") or "whole file",
                        about=about.name if about else "")

    def lacks(self, text: str, fix: str, effort: Effort = "fill_in", *, record: Record | None = None,
              about: Intervention | None = None, owner: str | None = None, due: str | None = None) -> Gap:
        """State a gap, with who mends it and by when: declared, or proposed from ``as_of``."""
        task = next((t for t in self.programme.tasks if self.serves(t.items)), None)
        who = owner or (about.owner if about else None) or (task.person if task else None)
        declared = due or (task.due if task and task.due and task.due > self.today else None)
        return Gap(text=text, fix=fix, effort=effort, about=about.name if about else "", place=self.place(record),
                   owner=self.role(who), due=declared or self.after(DAYS[effort]), due_proposed=declared is None)

    def serves(self, items: Iterable[str]) -> bool:
        """Tell whether a list of items names the item at hand, or its control point."""
        return any(self.key == item or self.key.startswith(f"{item}.") for item in items)

    def role(self, person: str | None) -> str:
        """Name a member of staff by role; where nobody is named or the person left, who does results measurement."""
        if person and not self.left(self.programme.person(person).ends):
            return self.programme.person(person).role
        team = [p for p in self.programme.staff if p.team == "results_measurement" and not self.left(p.ends)]
        return team[0].role if len(team) == 1 else ""

    def left(self, ends: str | None) -> bool:
        """Tell whether somebody has left by today."""
        return bool(ends and ends < self.today)

    def after(self, days: int) -> str:
        """Give the date so many days after ``as_of``."""
        return (dt.date.fromisoformat(self.today) + dt.timedelta(days=days)).isoformat()

    def stated(self, text: str | None) -> bool:
        """Tell whether a text says something: 'none', 'not stated' and 'TBD' do not."""
        return bool(text) and says_something(text or "")

    # -- documents ------------------------------------------------------------------------------------------------

    def proof(self, cites: Iterable[Cite], what: str, *, record: Record | None = None, about: Intervention | None = None,
              before: str | None = None, owner: str | None = None) -> Iterator[Evidence | Gap]:
        """Hold a statement against the documents it cites: evidence for each that carries it, gaps where none does.

        A cite carries a statement if the document is there, is not empty, does not stand twice, names a page, sheet or
        row, is not dated in the future and, where ``before`` is given, is not younger than that day.
        """
        good: list[Evidence] = []
        bad: list[str] = []
        for cite in cites:
            document = self.programme.document(cite.document)
            fault = self.fault(cite, before)
            if fault:
                bad.append(f"{cite.document}: {fault}")
            else:
                good.append(Evidence(text=f"{capital(what)}: {shorten(document.title)}"
                                          f"{f', {document.date}' if document.date else ''}"
                                          f"{' (a link; not opened)' if not document.file else ''}.",
                                     file=f"{document.id} {document.file or document.link}", place=cite.place,
                                     about=about.name if about else ""))
        yield from good
        if bad:
            yield self.lacks(f"{capital(what)}: {'; '.join(bad)}.", "Put the document right, name its page, sheet or row, "
                             "or cite another.", "file", record=record, about=about, owner=owner)
        elif not good:
            yield self.lacks(f"{capital(what)}: declared only, no document shows it.",
                             "Register the document that shows it and cite its page, sheet or row.", "file",
                             record=record, about=about, owner=owner)

    def fault(self, cite: Cite, before: str | None = None) -> str:
        """Say why a cite carries nothing; '' if it carries its statement."""
        document = self.programme.document(cite.document)
        fault = self.shelf.faults.get(cite.document, "")
        if fault:
            return fault
        if not _NAMED.search(cite.place):
            said = f"‘{cite.place.strip()}’ names no page, sheet or row" if cite.place.strip() else ""
            return said or "no page, sheet or row is named"
        if (cite.document, cite.place) in self.shelf.absent:
            return f"the file has no ‘{cite.place}’"
        if document.date and document.date > self.today:
            return f"it bears a date to come ({document.date})"
        if before and not document.date:
            return f"its date is not registered, so that it may be younger than {before}"
        if before and document.date and document.date > before:
            return f"it is of {document.date}, younger than {before}"
        return ""

    def carried(self, cites: Iterable[Cite]) -> bool:
        """Tell whether at least one cite carries its statement."""
        return any(not self.fault(cite) for cite in cites)


def months_between(earlier: str, later: str) -> float:
    """Give the months between two dates, whole months and the rest as a part of one of 30.4375 days."""
    a, b = dt.date.fromisoformat(earlier), dt.date.fromisoformat(later)
    return (b.year - a.year) * 12 + b.month - a.month + (b.day - a.day) / 30.4375

"""A whole programme as its file declares it: frozen, every record with the place where it stands.

The nouns are spread over three modules by meaning and all importable from here: the register, interventions and
chains (:mod:`chain_types`), what is measured (:mod:`measure_types`), and what is reported, paid, used and by whom
(:mod:`report_types`). Dates are texts (2026-11-21), so that they compare and sort as they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from impact.programme.chain_types import (
    DOCUMENT_KINDS,
    Argument,
    Arrow,
    Assumption,
    Box,
    Chain,
    Displacement,
    Document,
    Intervention,
    Reached,
    Review,
)
from impact.programme.form import Cite, Record, Serves, entry, forms
from impact.programme.measure_types import (
    COMMON,
    Attribution,
    Baseline,
    Indicator,
    Input,
    Measurement,
    Projection,
    Result,
    Revision,
    Round,
    Split,
    Target,
)
from impact.programme.report_types import (
    Account,
    Answer,
    Circulation,
    Contribution,
    Cost,
    Decision,
    Figure,
    Finding,
    Guidance,
    Meeting,
    NotApplicable,
    Omission,
    Overlap,
    Person,
    QualityReview,
    Question,
    Rate,
    Report,
    Sustainability,
    Systemic,
    Task,
    Total,
    Training,
)

__all__ = [
    "COMMON", "DOCUMENT_KINDS", "FTE_DAYS",
    "Account", "Answer", "Argument", "Arrow", "Assumption", "Attribution", "Baseline", "Box", "Chain", "Circulation",
    "Cite", "Contribution", "Conventions", "Cost", "Decision", "Displacement", "Document", "Figure", "Finding", "Guidance",
    "Indicator", "Input", "Intervention", "LeftOut", "Measurement", "Meeting", "NotApplicable", "Omission", "Overlap",
    "Person", "Programme", "Projection", "QualityReview", "Question", "Rate", "Reached", "Record", "Report", "Result",
    "Review", "Revision", "Round", "Serves", "Split", "Sustainability", "Systemic", "Target", "Task", "Total", "Training",
]

FTE_DAYS = 240  # the convention usually quoted for one full-time job; unverified, so a programme declares its own


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut(Record):
    """Something the programme does that the self-check does not cover, and why."""

    what: str = entry("text", "What is left out: a component, a market, an intervention not started.", essential=True)
    reason: str | None = entry("text", "Why.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions(Record):
    """How the programme counts, declared once; None where it is not stated.

    ``fte_days`` are the days of work in a year that make one full-time job (:data:`FTE_DAYS` is the unverified
    default). ``jobs_above_one`` says that more than a year of days by one person counts as more than one job.
    """

    fte_days: float | None = entry("number", "Days of work in a year that make one full-time job, e.g. 240.", low=1,
                                   high=366)
    fte_source: str | None = entry("text", "Where that number comes from.")
    jobs_above_one: bool | None = entry("boolean", "Whether one person's days above a full year make more than one job.")
    owners: Literal["counted", "not_counted"] | None = entry("choice", "Whether owners' own work counts as jobs.")
    unpaid_family: Literal["counted", "not_counted"] | None = entry("choice", "Whether unpaid family work counts as jobs.")
    jobs_kept: Literal["apart", "not_counted"] | None = entry("choice", "How jobs that were kept, not created, are shown.")
    review_months: float | None = entry("number", "Most months between reviews of chains and projections, e.g. 12.", low=1,
                                       high=60)
    meeting_months: float | None = entry("number", "Most months between meetings that review results.", low=1, high=60)
    overlap_rule: str | None = entry("text", "How enterprises that two interventions count are found and deducted.")
    allocation_rule: str | None = entry("text", "How shared costs are split between components.")
    measurement_budget: float | None = entry("number", "Budget for results measurement, whole programme.", low=0)
    measurement_budget_evidence: tuple[Cite, ...] = entry("cites", "Where that budget stands: D30 p. 4.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme(Record):
    """One programme, as declared in programme.yaml or in the Excel template.

    ``as_of`` is the day for which everything is judged; the tool has no clock of its own. ``folder`` is where files
    are looked for, ``source`` the file that was read; neither is compared, so the same programme read from YAML and
    from Excel is equal. Every reference by code has been checked: :meth:`document` and its like always find it.
    """

    name: str = entry("text", "Name of the programme.", essential=True)
    as_of: str = entry("date", "Day for which the self-check is made.", essential=True)
    simulated: bool | None = entry("boolean", "Whether the whole programme is made up, for teaching or a test.")
    country: str | None = entry("text", "Country or countries.")
    donors: tuple[str, ...] = entry("texts", "Who pays.")
    project_number: str | None = entry("text", "Number in your files.")
    begins: str | None = entry("date", "First day of the programme.")
    ends: str | None = entry("date", "Last day of the programme.")
    currency: str | None = entry("text", "Currency of amounts that name no other, e.g. USD.")
    edition: str | None = entry("text", "Edition of the Standard you work by, e.g. VIII.")
    scope: str | None = entry("text", "What the self-check covers, in a sentence.")
    contact: str | None = entry("text", "Role that answers questions about this file.")
    conventions: Conventions | None = entry("record", "How the programme counts.", of=Conventions)
    left_out: tuple[LeftOut, ...] = entry("records", "What the self-check does not cover, and why.", of=LeftOut)
    staff: tuple[Person, ...] = entry("records", "Staff, by role.", of=Person)
    tasks: tuple[Task, ...] = entry("records", "Who does what in results measurement.", of=Task)
    trainings: tuple[Training, ...] = entry("records", "Trainings in results measurement.", of=Training)
    documents: tuple[Document, ...] = entry("records", "The register of documents.", of=Document)
    interventions: tuple[Intervention, ...] = entry("records", "The interventions.", of=Intervention)
    contributions: tuple[Contribution, ...] = entry("records", "What others gave.", of=Contribution)
    chains: tuple[Chain, ...] = entry("records", "Results chains, every version of each.", of=Chain)
    indicators: tuple[Indicator, ...] = entry("records", "The indicators.", of=Indicator)
    questions: tuple[Question, ...] = entry("records", "What is to be learned about how and why.", of=Question)
    rounds: tuple[Round, ...] = entry("records", "Rounds of data collection.", of=Round)
    measurements: tuple[Measurement, ...] = entry("records", "Values of indicators, and values due.", of=Measurement)
    targets: tuple[Target, ...] = entry("records", "Values that were promised.", of=Target)
    projections: tuple[Projection, ...] = entry("records", "Values that are expected, and how they are worked out.",
                                               of=Projection)
    attributions: tuple[Attribution, ...] = entry("records", "How each key change is attributed.", of=Attribution)
    results: tuple[Result, ...] = entry("records", "What interventions changed, by year.", of=Result)
    findings: tuple[Finding, ...] = entry("records", "What was learned about how and why.", of=Finding)
    systemic: tuple[Systemic, ...] = entry("records", "Wider changes, expected or seen.", of=Systemic)
    sustainability: tuple[Sustainability, ...] = entry("records", "Whether changes last.", of=Sustainability)
    omissions: tuple[Omission, ...] = entry("records", "Common indicators that are left out.", of=Omission)
    overlaps: tuple[Overlap, ...] = entry("records", "Enterprises that two interventions both count.", of=Overlap)
    totals: tuple[Total, ...] = entry("records", "Totals as the programme states them.", of=Total)
    costs: tuple[Cost, ...] = entry("records", "The cost ledger.", of=Cost)
    accounts: tuple[Account, ...] = entry("records", "What the accounts say was spent.", of=Account)
    rates: tuple[Rate, ...] = entry("records", "Exchange rates.", of=Rate)
    reports: tuple[Report, ...] = entry("records", "Annual reports and the figures printed in them.", of=Report)
    meetings: tuple[Meeting, ...] = entry("records", "Meetings that review results.", of=Meeting)
    decisions: tuple[Decision, ...] = entry("records", "Decisions that followed from results.", of=Decision)
    guidance: tuple[Guidance, ...] = entry("records", "Where the manual deals with each element.", of=Guidance)
    circulations: tuple[Circulation, ...] = entry("records", "When documents were given to staff.", of=Circulation)
    quality_reviews: tuple[QualityReview, ...] = entry("records", "Checks of the quality of measurement work.",
                                                      of=QualityReview)
    answers: tuple[Answer, ...] = entry("records", "Answers and judgements of named people.", of=Answer)
    not_applicable: tuple[NotApplicable, ...] = entry("records", "Items that do not apply, with reason and name.",
                                                     of=NotApplicable)
    slug: str = field(default="programme", compare=False)
    source: str = field(default="programme.yaml", compare=False)
    folder: Path | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        return (f"Programme {self.slug}: {self.name}, as of {self.as_of}; {len(self.interventions)} interventions, "
                f"{len(self.documents)} documents, {len(self.indicators)} indicators")

    @property
    def in_scope(self) -> tuple[Intervention, ...]:
        """Interventions the self-check covers; one that does not say counts as in."""
        return tuple(i for i in self.interventions if i.in_scope is not False)

    def document(self, identifier: str) -> Document:
        """Look a document up by its code."""
        return next(d for d in self.documents if d.id == identifier)

    def intervention(self, identifier: str) -> Intervention:
        """Look an intervention up by its code."""
        return next(i for i in self.interventions if i.id == identifier)

    def indicator(self, identifier: str) -> Indicator:
        """Look an indicator up by its code."""
        return next(i for i in self.indicators if i.id == identifier)

    def person(self, identifier: str) -> Person:
        """Look a member of staff up by the code."""
        return next(p for p in self.staff if p.id == identifier)

    def versions(self, intervention: str) -> tuple[Chain, ...]:
        """Every version of an intervention's chain, the oldest first."""
        return tuple(sorted((c for c in self.chains if c.intervention == intervention), key=lambda c: c.date))

    def chain_on(self, intervention: str, day: str) -> Chain | None:
        """Give the version in force on a day: the latest dated on or before it."""
        return next((c for c in reversed(self.versions(intervention)) if c.date <= day), None)

    def cites(self) -> Iterator[tuple[Record, str, Cite]]:
        """Walk over every reference to a document: the record, the name of its field, and the reference."""
        yield from _cites(self)


def _cites(record: Record) -> Iterator[tuple[Record, str, Cite]]:
    for name, shape in forms(type(record)).values():
        value = getattr(record, name)
        if shape.kind == "cites":
            yield from ((record, name, cite) for cite in value)
        elif shape.kind == "record" and value is not None:
            yield from _cites(value)
        elif shape.kind == "records":
            for item in value:
                yield from _cites(item)

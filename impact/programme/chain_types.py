"""Types of the register of documents, of interventions and of their results chains."""

from __future__ import annotations

from dataclasses import dataclass

from impact.programme.form import EVIDENCE, Cite, Record, Serves, entry
from impact.study.types import ChainLevel

DOCUMENT_KINDS = (
    "results_chain", "market_study", "intervention_plan", "measurement_plan", "projection_sheet", "baseline_report",
    "impact_report", "data", "questionnaire", "sampling_note", "cleaning_log", "terms_of_reference", "training_record",
    "interview_notes", "manual", "job_description", "organogram", "work_plan", "annual_report", "financial_report",
    "cost_table", "agreement", "minutes", "aggregation_sheet", "overlap_note", "strategy", "quality_review", "other")
STATUSES = ("planned", "active", "completed", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Record):
    """One document of the register: a file in the programme folder, or a link (recorded, never opened)."""

    id: str = entry("id", "Short code you choose, e.g. D07.", essential=True)
    title: str = entry("text", "Title of the document.", essential=True)
    kind: str = entry("choice", "What it is.", choices=DOCUMENT_KINDS, essential=True)
    file: str | None = entry("file", "File inside the programme folder, e.g. documents/baseline.docx.")
    link: str | None = entry("link", "Address, if it is kept elsewhere; it is written down and never opened.")
    date: str | None = entry("date", "Date the document bears.")
    owner: str | None = entry("ref", "Staff member who keeps it.", to="staff")
    version: str | None = entry("text", "Version, e.g. 2.1.")
    sha256: str | None = entry("hash", "Fingerprint of the file (sha256), if one was noted.")
    serves: tuple[Serves, ...] = entry("serves", "Items it shows, each with page, sheet or row: rc_logic.own_chain p. 2.")
    published: str | None = entry("date", "Date it was made public, if it was.")
    personal_data: bool | None = entry("boolean", "Whether it holds names, phones or other personal data.")
    simulated: bool | None = entry("boolean", "Whether its contents are made up, for teaching or a test.")
    note: str | None = entry("text", "Anything a reader should know.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Displacement(Record):
    """What was found about losses to competitors and people outside the programme."""

    risk: bool | None = entry("boolean", "Whether others may lose by it: yes or no.")
    text: str | None = entry("text", "Why, in a sentence.")
    indicator: str | None = entry("ref", "Indicator that measures it, if there is a risk.", to="indicators")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument(Record):
    """A question the analysis looked at (gender, lasting): the answer in a sentence, and where it is written."""

    text: str | None = entry("text", "What was found, in a sentence.")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached(Record):
    """How many enterprises or people an intervention reached, by sex of the owner; reached is no result yet."""

    total: float | None = entry("number", "How many were reached.", low=0)
    women: float | None = entry("number", "Of these, women.", low=0)
    men: float | None = entry("number", "Of these, men.", low=0)
    unknown: float | None = entry("number", "Of these, other or unknown.", low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention(Record):
    """One intervention: partners, dates, status, whether it is in the scope of the self-check, and its study.

    ``change_began`` is the day on which the change that is measured could first happen (the first training, the first
    loan): a baseline comes before it, which need not be before ``begins``. ``study`` and ``results`` are files in the
    programme folder, None until they exist. ``in_scope`` is None where it is not stated: it then counts as in.
    """

    id: str = entry("id", "Short code you choose, e.g. seeds.", essential=True)
    name: str = entry("text", "Name of the intervention.", essential=True)
    status: str = entry("choice", "Where it stands.", choices=STATUSES, essential=True)
    in_scope: bool | None = entry("boolean", "Whether the self-check covers it: yes or no.")
    scope_reason: str | None = entry("text", "If it is left out: why.")
    begins: str | None = entry("date", "Date it began or will begin.")
    ends: str | None = entry("date", "Date it ended or will end.")
    change_began: str | None = entry("date", "Date from which the change it aims at could first happen.")
    component: str | None = entry("text", "Component or market of the programme it belongs to.")
    area: str | None = entry("text", "Where it works; interventions in one area may share participants.")
    target_group: str | None = entry("text", "Who is to gain.")
    partners: tuple[str, ...] = entry("texts", "Partner organisations.")
    owner: str | None = entry("ref", "Staff member who answers for it.", to="staff")
    study: str | None = entry("file", "Its study file, e.g. interventions/seeds/study.yaml.")
    results: str | None = entry("file", "Its results.json, once it exists.")
    reached: Reached | None = entry("record", "How many were reached.", of=Reached)
    gender: Argument | None = entry("record", "What the analysis says about women and men.", of=Argument)
    lasting: Argument | None = entry("record", "Why the change can go on after support ends.", of=Argument)
    displacement: Displacement | None = entry("record", "Whether others may lose by it.", of=Displacement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box(Record):
    """One step of a results chain."""

    id: str = entry("id", "Short code, the same in every version, e.g. training.", essential=True)
    level: ChainLevel = entry("choice", "Its level.", essential=True)
    text: str = entry("text", "What happens or changes, in a few words.", essential=True)
    indicators: tuple[str, ...] = entry("refs", "Indicators that measure it.", to="indicators")
    key_change: bool | None = entry("boolean", "Whether it is a key change: one that is measured and attributed.")
    systemic: bool | None = entry("boolean", "Whether it is a wider change in the market: copying, crowding in.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow(Record):
    """One link of a results chain, and the documents that support it."""

    source: str = entry("text", "Code of the box it comes from.", essential=True, key="from")
    target: str = entry("text", "Code of the box it leads to.", essential=True, key="to")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption(Record):
    """What must hold for the chain to work; on one arrow (both ends named) or on the whole chain."""

    text: str = entry("text", "What must hold.", essential=True)
    source: str | None = entry("text", "Code of the box at the start of the arrow it concerns.", key="from")
    target: str | None = entry("text", "Code of the box at the end of that arrow.", key="to")
    checked: str | None = entry("date", "Date it was last checked.")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review(Record):
    """One review of a chain: whether it was changed, and why or why not."""

    date: str = entry("date", "Date of the review.", essential=True)
    changed: bool | None = entry("boolean", "Whether the chain was changed.")
    reason: str | None = entry("text", "Why it was changed, or left as it was.")
    by: tuple[str, ...] = entry("refs", "Staff who took part.", to="staff")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Record):
    """One version of one intervention's results chain; the version in force on a day is the latest dated before it."""

    id: str = entry("id", "Short code of this version, e.g. seeds_v2.", essential=True)
    intervention: str = entry("ref", "Intervention it belongs to.", to="interventions", essential=True)
    date: str = entry("date", "Date from which this version held.", essential=True)
    reason: str | None = entry("text", "Why it was drawn, or what changed since the version before and why.")
    agreed_by: tuple[str, ...] = entry("refs", "Staff who agreed it.", to="staff")
    evidence: tuple[Cite, ...] = entry("cites", "The drawing itself and its narrative: D03 p. 1.")
    boxes: tuple[Box, ...] = entry("records", "The steps, from activity to impact.", of=Box)
    arrows: tuple[Arrow, ...] = entry("records", "The links between the steps.", of=Arrow)
    assumptions: tuple[Assumption, ...] = entry("records", "What must hold.", of=Assumption)
    reviews: tuple[Review, ...] = entry("records", "Reviews of this version.", of=Review)

"""Types of how results are added up, paid for, explained, reported and used, and of the people who do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from impact.programme.form import EVIDENCE, Cite, Record, entry
from impact.programme.measure_types import Common, Split
from impact.study.types import ChainLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution(Record):
    """What a partner, another programme or the state gave to an intervention."""

    intervention: str = entry("ref", "Intervention.", to="interventions", essential=True)
    source: str = entry("text", "Who gave it.", essential=True, key="from")
    kind: Literal["private", "public", "in_kind"] = entry("choice", "private, public or in kind.", essential=True)
    amount: float | None = entry("number", "How much, if known.", low=0)
    currency: str | None = entry("text", "Currency, if not the programme's.")
    date: str | None = entry("date", "Date.")
    evidence: tuple[Cite, ...] = entry("cites", "Agreement or receipt: D21 p. 3.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost(Record):
    """One line of the cost ledger; what belongs to no single component has none."""

    date: str = entry("date", "Date, or the last day of the year it belongs to.", essential=True)
    item: str | None = entry("text", "What it was for.")
    component: str | None = entry("text", "Component or market; leave empty for overhead.")
    intervention: str | None = entry("ref", "Intervention, if it belongs to one.", to="interventions")
    purpose: Literal["activities", "results_measurement", "management"] | None = entry(
        "choice", "activities, results_measurement or management.")
    kind: Literal["budget", "actual"] = entry("choice", "budget or actual.", essential=True)
    amount: float = entry("number", "Amount.", essential=True)
    currency: str | None = entry("text", "Currency, if not the programme's.")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Record):
    """What the accounts or the report to the donor say was spent in a year; ``cumulative`` since the programme began."""

    year: int = entry("integer", "Year.", low=1900, high=2200, essential=True)
    amount: float = entry("number", "Spent in that year, in the programme's currency.", essential=True)
    cumulative: float | None = entry("number", "Spent since the programme began.")
    evidence: tuple[Cite, ...] = entry("cites", "Financial report: D30 p. 2.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Record):
    """What one unit of a currency was worth in the programme's currency, in a year."""

    currency: str = entry("text", "Currency, e.g. KES.", essential=True)
    year: int = entry("integer", "Year.", low=1900, high=2200, essential=True)
    rate: float = entry("number", "What one unit of it was worth in the programme's currency.", low=0, essential=True)
    source: str | None = entry("text", "Where the rate comes from.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap(Record):
    """Enterprises that two interventions both count: compared by id, as a share or a count, or declared not to exist.

    ``share`` is of the smaller of the two (0 to 1); ``count`` the number in both; ``none`` needs a reason.
    """

    first: str = entry("ref", "One intervention.", to="interventions", essential=True)
    second: str = entry("ref", "The other.", to="interventions", essential=True)
    common: Common | None = entry("choice", "Common indicator it concerns; empty for all.")
    way: Literal["ids", "share", "count", "none"] = entry(
        "choice", "ids: lists compared; share or count: estimated; none: no overlap.", essential=True)
    value: float | None = entry("number", "The share (0 to 1) or the count.", low=0)
    reason: str | None = entry("text", "How it was found out; for none: why there is no overlap.")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total(Record):
    """A programme total as the programme itself states it; ``year`` None means since the beginning."""

    id: str = entry("id", "Short code you choose.", essential=True)
    common: Common = entry("choice", "Common indicator.", essential=True)
    year: int | None = entry("integer", "Year; leave empty for the total since the beginning.", low=1900, high=2200)
    value: float = entry("number", "The total.", essential=True)
    indirect: bool | None = entry("boolean", "Whether it is the total of indirect results.")
    split: Split | None = entry("record", "The total by sex.", of=Split)
    population: str | None = entry("text", "Whom it covers.")
    method: str | None = entry("text", "How it was added up, overlaps deducted.")
    evidence: tuple[Cite, ...] = entry("cites", "Aggregation sheet: D40 sheet Total row 5.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Record):
    """One figure printed in a report, and what it traces to.

    ``traces_to`` is the id of a result, projection, attribution or total, of a round, or of a document.
    """

    label: str = entry("text", "What the report says it is.", essential=True)
    value: float = entry("number", "The figure as printed.", essential=True)
    unit: str | None = entry("text", "Its unit.")
    place: str | None = entry("text", "Where in the report: p. 7, table 2.")
    shown_as: Literal["measured", "projected", "estimated", "cost"] | None = entry("choice", "What the report calls it.")
    indicator: str | None = entry("ref", "Indicator.", to="indicators")
    common: Common | None = entry("choice", "Common indicator, for a programme total.")
    split: Split | None = entry("record", "The figure by sex, as printed.", of=Split)
    indirect: bool | None = entry("boolean", "Whether the report shows it as an indirect effect.")
    traces_to: str | None = entry("ref", "Code of the result, projection, total or document it comes from.",
                                 to=("results", "projections", "attributions", "totals", "rounds", "documents"))
    reason: str | None = entry("text", "If it differs from what it traces to: why (rounding, another date).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Record):
    """One annual report: what it covers, where its parts stand, and the figures printed in it."""

    id: str = entry("id", "Short code you choose, e.g. report_2025.", essential=True)
    document: str | None = entry("ref", "Document that holds it.", to="documents")
    begins: str | None = entry("date", "First day it covers.")
    ends: str | None = entry("date", "Last day it covers.")
    date: str | None = entry("date", "Date of the report.")
    components: tuple[str, ...] = entry("texts", "Components it covers; empty for all.")
    published: str | None = entry("date", "Date it was made public.")
    link: str | None = entry("link", "Public address; it is written down and never opened.")
    method_place: str | None = entry("text", "Where it explains how figures were made: p. 12.")
    costs_place: str | None = entry("text", "Where it shows costs.")
    contributions_place: str | None = entry("text", "Where it names what others contributed.")
    systemic_place: str | None = entry("text", "Where it tells of systemic or indirect effects.")
    figures: tuple[Figure, ...] = entry("records", "The figures printed in it.", of=Figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Record):
    """What is to be learned about how and why a change happens."""

    intervention: str = entry("ref", "Intervention.", to="interventions", essential=True)
    box: str | None = entry("text", "Box of the chain it concerns.")
    level: ChainLevel | None = entry("choice", "Level it concerns.")
    text: str = entry("text", "The question.", essential=True)
    method: str | None = entry("text", "How it is to be answered.")
    owner: str | None = entry("ref", "Staff member who sees to it.", to="staff")
    planned: str | None = entry("date", "When.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Record):
    """What was learned about how and why a change happens (or does not), and where it explains a number."""

    id: str = entry("id", "Short code you choose.", essential=True)
    intervention: str = entry("ref", "Intervention.", to="interventions", essential=True)
    box: str | None = entry("text", "Box of the chain it concerns.")
    text: str = entry("text", "What was found.", essential=True)
    date: str | None = entry("date", "Date.")
    method: str | None = entry("text", "How: interviews, focus groups, observation; with whom and how many.")
    round: str | None = entry("ref", "Round of collection it comes from.", to="rounds")
    evidence: tuple[Cite, ...] = entry("cites", "Notes or report: D33 p. 2.")
    used_in: tuple[Cite, ...] = entry("cites", "Where it is used to explain numbers: D34 p. 9.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemic(Record):
    """A wider change that is expected or seen: copying, crowding in, or another; each with its evidence."""

    id: str = entry("id", "Short code you choose.", essential=True)
    kind: Literal["copying", "crowding_in", "other"] = entry(
        "choice", "copying: others like the participants imitate; crowding_in: other providers enter; other.",
        essential=True)
    text: str = entry("text", "What is expected or was seen.", essential=True)
    component: str | None = entry("text", "Component or market.")
    interventions: tuple[str, ...] = entry("refs", "Interventions it follows from.", to="interventions")
    box: str | None = entry("text", "Box of the chain where it stands.")
    indicators: tuple[str, ...] = entry("refs", "Indicators that measure it.", to="indicators")
    plan: str | None = entry("text", "How and when it is to be measured.")
    double_counting: str | None = entry("text", "How double counting is avoided.")
    planned: str | None = entry("date", "Date the assessment is due.")
    assessed: str | None = entry("date", "Date it was assessed.")
    actors: str | None = entry("text", "Who changed, though not a partner or participant.")
    method: str | None = entry("text", "How it was assessed.")
    value: float | None = entry("number", "How many, or how much.")
    results: tuple[str, ...] = entry("refs", "Results it led to, marked as indirect.", to="results")
    contribution: str | None = entry("text", "Why the programme helped to cause it.")
    strategy: tuple[Cite, ...] = entry("cites", "Where it is planned: strategy or chain.")
    evidence: tuple[Cite, ...] = entry("cites", "What shows that it happened, or not.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustainability(Record):
    """What is known of whether an intervention's change goes on without support."""

    intervention: str = entry("ref", "Intervention.", to="interventions", essential=True)
    text: str = entry("text", "What is known.", essential=True)
    date: str | None = entry("date", "Date.")
    indicators: tuple[str, ...] = entry("refs", "Indicators that show it.", to="indicators")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting(Record):
    """A meeting in which results were reviewed."""

    id: str = entry("id", "Short code you choose.", essential=True)
    date: str = entry("date", "Date.", essential=True)
    kind: str | None = entry("text", "What it was, e.g. portfolio review.")
    evidence: tuple[Cite, ...] = entry("cites", "Minutes: D50 p. 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Record):
    """A decision that followed from results, and what changed after it."""

    id: str = entry("id", "Short code you choose.", essential=True)
    date: str = entry("date", "Date.", essential=True)
    text: str = entry("text", "What was decided.", essential=True)
    meeting: str | None = entry("ref", "Meeting it was taken in.", to="meetings")
    interventions: tuple[str, ...] = entry("refs", "Interventions it concerns.", to="interventions")
    followed_from: tuple[str, ...] = entry(
        "refs", "Codes of the results, findings, rounds, attributions or documents it followed from.",
        to=("results", "findings", "rounds", "attributions", "systemic", "documents"))
    changed: str | None = entry("text", "What changed after it.")
    changed_on: str | None = entry("date", "Date of that change.")
    by: str | None = entry("ref", "Staff member who answers for it.", to="staff")
    evidence: tuple[Cite, ...] = entry("cites", "Minutes, revised plan: D50 p. 2; D03 p. 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person(Record):
    """A member of staff, by role; a name is needed where the person answers questions or agrees to something."""

    id: str = entry("id", "Short code you choose, e.g. mel_manager.", essential=True)
    name: str | None = entry("text", "Name.")
    role: str = entry("text", "Role, e.g. results measurement manager.", essential=True)
    team: Literal["implementation", "results_measurement", "management", "finance"] | None = entry("choice", "Team.")
    senior: bool | None = entry("boolean", "Whether mid-level or senior.")
    begins: str | None = entry("date", "Date of joining.")
    ends: str | None = entry("date", "Date of leaving.")
    job_description: tuple[Cite, ...] = entry("cites", "Job description that names results measurement.")
    work_plan: tuple[Cite, ...] = entry("cites", "Work plan that holds results measurement tasks.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Record):
    """A results measurement task and the role that carries it; ``items`` are the items of the table it serves."""

    text: str = entry("text", "The task.", essential=True)
    person: str | None = entry("ref", "Staff member who has it now.", to="staff")
    items: tuple[str, ...] = entry("items", "Items it serves, e.g. rc_review or baseline.plan.")
    due: str | None = entry("date", "Next date it is due.")
    evidence: tuple[Cite, ...] = entry("cites", "Manual or job description: D01 p. 20.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Record):
    """A training in results measurement, or support on the job."""

    date: str = entry("date", "Date.", essential=True)
    kind: Literal["induction", "follow_up"] | None = entry("choice", "induction or follow_up.")
    topic: str | None = entry("text", "Topic.")
    people: tuple[str, ...] = entry("refs", "Who took part.", to="staff")
    evidence: tuple[Cite, ...] = entry("cites", "Attendance sheet, slides.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance(Record):
    """Where the manual deals with one element of the Standard."""

    element: int = entry("integer", "Number of the element.", low=1, high=99, essential=True)
    evidence: tuple[Cite, ...] = entry("cites", "Where: D01 p. 20.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Circulation(Record):
    """When a document was given to staff."""

    document: str = entry("ref", "Document.", to="documents", essential=True)
    date: str = entry("date", "Date.", essential=True)
    people: tuple[str, ...] = entry("refs", "Who received it.", to="staff")
    evidence: tuple[Cite, ...] = entry("cites", "Message or list.")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReview(Record):
    """A check of the quality of results measurement work, its finding, and what became of it."""

    subject: str = entry("ref", "Code of what was checked: a round, a chain, an intervention or a document.",
                        to=("rounds", "chains", "interventions", "documents", "attributions"), essential=True)
    date: str = entry("date", "Date of the check.", essential=True)
    by: str | None = entry("ref", "Staff member who checked.", to="staff")
    finding: str | None = entry("text", "What was found.")
    owner: str | None = entry("ref", "Staff member who puts it right.", to="staff")
    due: str | None = entry("date", "By when.")
    closed: str | None = entry("date", "Date it was put right.")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Record):
    """What a named person answered, or judged, about an item that no program can see."""

    item: str = entry("item", "Item of the table, e.g. rc_logic.staff_use.", essential=True)
    intervention: str | None = entry("ref", "Intervention it concerns; empty for the whole programme.", to="interventions")
    question: str | None = entry("text", "Question that was asked.")
    answer: str | None = entry("text", "Answer, in a sentence or two.")
    judgement: Literal["yes", "partly", "no"] | None = entry("choice", "Whether the item is met: yes, partly or no.")
    by: str | None = entry("text", "Name of the person who answered or judged.")
    role: str | None = entry("text", "Role of that person, e.g. manager of the seed company.")
    date: str | None = entry("date", "Date.")
    recorded_by: str | None = entry("text", "Name of the person who wrote it down.")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable(Record):
    """An item that is declared not to apply; it needs a reason and a name, and is counted aloud."""

    item: str = entry("item", "Item of the table, e.g. rc_displacement.analysed.", essential=True)
    intervention: str | None = entry("ref", "Intervention it concerns; empty for the whole programme.", to="interventions")
    reason: str | None = entry("text", "Why it does not apply.")
    by: str | None = entry("text", "Name of the person who says so.")
    date: str | None = entry("date", "Date.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Omission(Record):
    """A common indicator that is left out, with the reason; for one intervention or for the whole programme."""

    common: Common = entry("choice", "Common indicator that is left out.", essential=True)
    intervention: str | None = entry("ref", "Intervention; empty for the whole programme.", to="interventions")
    reason: str | None = entry("text", "Why.")
    evidence: tuple[Cite, ...] = entry("cites", "Where it is written: D01 p. 9.")

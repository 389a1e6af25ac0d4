"""Types of what is measured: indicators, rounds of collection, values, projections, attribution and results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from impact.programme.form import EVIDENCE, Cite, Record, entry
from impact.study.types import ChainLevel

Common = Literal["scale", "income", "jobs"]  # what adds up across a programme
COMMON: tuple[Common, ...] = get_args(Common)
ATTRIBUTION_METHODS = (
    "randomised_trial", "difference_in_difference", "matching", "comparison_group_after", "before_after",
    "before_after_opinion", "trend_analysis", "expert_views", "contribution_analysis")
_FORMULA = "How it is worked out from the inputs, e.g. farms * extra_income: numbers, names, + - * / ( ), min, max, round."


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Record):
    """A count or amount by sex; ``reason`` says why it cannot be split, where it is not."""

    women: float | None = entry("number", "Of these, women.")
    men: float | None = entry("number", "Of these, men.")
    unknown: float | None = entry("number", "Of these, other or unknown.")
    reason: str | None = entry("text", "If it is not split by sex: why.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline(Record):
    """The plan for an indicator's baseline."""

    planned: str | None = entry("date", "Date it is to be collected.")
    method: str | None = entry("text", "How, e.g. survey of 200 farms.")
    source: str | None = entry("text", "From whom or what.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator(Record):
    """One indicator of one intervention; ``common`` marks those that are added up across the programme."""

    id: str = entry("id", "Short code you choose, e.g. seeds_income.", essential=True)
    intervention: str = entry("ref", "Intervention it belongs to.", to="interventions", essential=True)
    name: str = entry("text", "What it is called.", essential=True)
    unit: str | None = entry("text", "What one unit is, e.g. USD per farm per year (2024 prices).")
    definition: str | None = entry("text", "What exactly is counted, and what is not.")
    population: str | None = entry("text", "Whom it covers, e.g. all farms that bought seed.")
    period: str | None = entry("text", "What time one value covers, e.g. the 12 months before the interview.")
    level: ChainLevel | None = entry("choice", "Its level in the chain.")
    nature: Literal["quantitative", "qualitative"] | None = entry("choice", "Numbers or descriptions.")
    key: bool | None = entry("boolean", "Whether it is a key indicator: it then needs a baseline and a projection.")
    common: Common | None = entry(
        "choice", "If it adds up across the programme: scale (enterprises that gain), income or jobs.")
    sustainability: bool | None = entry("boolean", "Whether it tells if the change will last.")
    systemic: bool | None = entry("boolean", "Whether it measures a wider change: copying, crowding in.")
    persons: bool | None = entry("boolean", "Whether it counts people or enterprises, so that it can be split by sex.")
    owner: str | None = entry("ref", "Staff member who sees that it is measured.", to="staff")
    method: str | None = entry("text", "How it is measured.")
    source: str | None = entry("text", "From whom or what.")
    frequency: str | None = entry("text", "How often.")
    baseline: Baseline | None = entry("record", "The plan for its baseline.", of=Baseline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round(Record):
    """One round of data collection, with the papers that show it was done well.

    ``responded`` of ``sampled`` units answered; ``unintended`` says what unintended effects were looked for and found.
    """

    id: str = entry("id", "Short code you choose, e.g. seeds_baseline.", essential=True)
    interventions: tuple[str, ...] = entry("refs", "Interventions it serves.", to="interventions")
    kind: Literal["baseline", "monitoring", "impact", "systemic"] = entry("choice", "What it is for.", essential=True)
    planned: str | None = entry("date", "Date it was or is planned for.")
    done: str | None = entry("date", "Date it was finished; leave empty if not yet.")
    owner: str | None = entry("ref", "Staff member who answers for it.", to="staff")
    cost: float | None = entry("number", "Planned cost, in the programme's currency.", low=0)
    sampled: float | None = entry("number", "How many units were to be asked.", low=0)
    responded: float | None = entry("number", "How many answered.", low=0)
    terms_of_reference: tuple[Cite, ...] = entry("cites", "Terms of reference.")
    sampling_frame: tuple[Cite, ...] = entry("cites", "List the sample was drawn from, and how it was drawn.")
    questionnaire: tuple[Cite, ...] = entry("cites", "Questionnaire or interview guide.")
    training: tuple[Cite, ...] = entry("cites", "Record of the enumerators' training.")
    raw_data: tuple[Cite, ...] = entry("cites", "Data as collected.")
    clean_data: tuple[Cite, ...] = entry("cites", "Data as analysed.")
    cleaning_log: tuple[Cite, ...] = entry("cites", "What was changed in the data, and why.")
    report: tuple[Cite, ...] = entry("cites", "Report of the round.")
    unintended: str | None = entry("text", "Unintended effects that were looked for, and what was found.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Record):
    """One value of an indicator, or one that is due: ``measured`` and ``value`` are None until it is done.

    A level, never a claim about cause: what the programme changed stands in :class:`Result`. ``retrospective`` holds
    the reason why a baseline was asked for afterwards.
    """

    indicator: str = entry("ref", "Indicator.", to="indicators", essential=True)
    kind: Literal["baseline", "progress", "final"] = entry("choice", "Baseline, progress or final.", essential=True)
    planned: str | None = entry("date", "Date it is due.")
    measured: str | None = entry("date", "Date it was measured.")
    value: float | None = entry("number", "The value, in the indicator's unit.")
    words: str | None = entry("text", "For a qualitative indicator: what was found.")
    split: Split | None = entry("record", "The value by sex.", of=Split)
    round: str | None = entry("ref", "Round of collection it comes from.", to="rounds")
    retrospective: str | None = entry("text", "If a baseline was asked for afterwards: why, and how recall was guarded.")
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Record):
    """One number of a calculation, under the name its formula uses, and where it comes from."""

    name: str = entry("text", "Name used in the formula, e.g. farms.", essential=True)
    value: float = entry("number", "Its value.", essential=True)
    unit: str | None = entry("text", "Its unit.")
    evidence: tuple[Cite, ...] = entry("cites", "Where it comes from: D07 p. 4.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision(Record):
    """An earlier or confirmed state of a projection: its date, its value then, and why it was changed or kept."""

    date: str = entry("date", "Date of the review.", essential=True)
    value: float | None = entry("number", "Value from that day on.")
    reason: str | None = entry("text", "Why it was changed, or kept.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection(Record):
    """What an indicator is expected to reach by a date, worked out from inputs by a formula."""

    id: str = entry("id", "Short code you choose.", essential=True)
    indicator: str = entry("ref", "Indicator.", to="indicators", essential=True)
    date: str | None = entry("date", "Date by which the value is expected.")
    value: float | None = entry("number", "Value expected, as the projection sheet prints it.")
    made: str | None = entry("date", "Date the projection was first made.")
    formula: str | None = entry("text", _FORMULA)
    inputs: tuple[Input, ...] = entry("records", "The numbers it rests on.", of=Input)
    assumptions: str | None = entry("text", "What it takes for granted.")
    evidence: tuple[Cite, ...] = entry("cites", "The projection sheet: D09 sheet Seeds row 4.")
    history: tuple[Revision, ...] = entry("records", "Its reviews since it was made.", of=Revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Record):
    """A value that was promised to a donor or a partner."""

    intervention: str | None = entry("ref", "Intervention; leave empty for the whole programme.", to="interventions")
    indicator: str | None = entry("ref", "Indicator; or name a common one beside.", to="indicators")
    common: Common | None = entry("choice", "Common indicator, for the whole programme.")
    date: str | None = entry("date", "Date by which it is promised.")
    value: float = entry("number", "Value promised.", essential=True)
    split: Split | None = entry("record", "The value by sex.", of=Split)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution(Record):
    """How one key change is attributed to the programme: the method, why it was chosen, and the calculation.

    The papers a method needs: ``comparison`` (who stands for 'without the programme'), ``before`` and ``after`` (two
    rounds), ``opinion`` (the question that was asked), ``series`` (at least several periods before). ``estimate`` is
    the id of an estimate in the intervention's results.json (``profit/ancova``); otherwise ``formula`` and ``inputs``
    give ``value``, which can then be worked out again.
    """

    id: str = entry("id", "Short code you choose.", essential=True)
    intervention: str = entry("ref", "Intervention.", to="interventions", essential=True)
    box: str | None = entry("text", "Box of the chain: the key change that is attributed.")
    indicator: str | None = entry("ref", "Indicator of the change.", to="indicators")
    method: str | None = entry("choice", "How the change is attributed.", choices=ATTRIBUTION_METHODS)
    reason: str | None = entry("text", "Why this method and no other.")
    other_causes: str | None = entry("text", "What else may have caused the change, and how that was dealt with.")
    chosen: str | None = entry("date", "Date the method was chosen.")
    planned: str | None = entry("date", "Date the assessment is due, if it is not done yet.")
    comparison: tuple[Cite, ...] = entry("cites", "Who stands for 'without the programme', and why.")
    before: str | None = entry("ref", "Round of collection before.", to="rounds")
    after: str | None = entry("ref", "Round of collection after.", to="rounds")
    opinion: tuple[Cite, ...] = entry("cites", "The question on causes, as it was asked.")
    series: tuple[Cite, ...] = entry("cites", "The data series behind a trend.")
    estimate: str | None = entry("text", "Number in the intervention's results.json, e.g. profit/ancova.")
    formula: str | None = entry("text", _FORMULA)
    inputs: tuple[Input, ...] = entry("records", "The numbers it rests on.", of=Input)
    value: float | None = entry("number", "Change attributed per unit, as the calculation gives it.")
    evidence: tuple[Cite, ...] = entry("cites", "The assessment: report, data and calculation.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Record):
    """One figure of what an intervention changed, in one year: the line from which totals are added up.

    ``value`` is the change that is attributed (``basis: attributable``) or the whole change seen (``gross``).
    ``persists`` says of jobs that they are the same jobs as the year before, which are not added again. For 'net
    increase in the number who gained', ``participants`` × (``share_treated`` − ``share_comparison``), shares from 0 to
    1. ``indirect`` marks results of copying and crowding in, which are totalled apart.
    """

    id: str = entry("id", "Short code you choose.", essential=True)
    intervention: str = entry("ref", "Intervention.", to="interventions", essential=True)
    indicator: str = entry("ref", "Indicator.", to="indicators", essential=True)
    year: int | None = entry("integer", "Year the figure belongs to.", low=1900, high=2200)
    value: float | None = entry("number", "The figure.")
    basis: Literal["attributable", "gross"] | None = entry(
        "choice", "attributable: what the programme changed; gross: the whole change seen.")
    label: Literal["measured", "projected", "estimated"] | None = entry(
        "choice", "Whether it was measured, projected or estimated.")
    split: Split | None = entry("record", "The figure by sex.", of=Split)
    population: str | None = entry("text", "Whom it covers, e.g. the 480 farms that bought seed.")
    covers: float | None = entry("number", "How many enterprises or people that is.", low=0)
    persists: bool | None = entry("boolean", "For jobs: whether they are the same jobs as in the year before.")
    kept: bool | None = entry("boolean", "For jobs: whether they were saved rather than created; shown apart.")
    days: float | None = entry("number", "For jobs: the days of work in that year from which they were made.", low=0)
    lost: float | None = entry("number", "For jobs: jobs lost, already deducted from the figure.", low=0)
    participants: float | None = entry("number", "For a net increase: how many took part.", low=0)
    share_treated: float | None = entry("number", "For a net increase: share that gained, of participants.", low=0, high=1)
    share_comparison: float | None = entry("number", "For a net increase: share that gained, of the comparison.", low=0,
                                           high=1)
    indirect: bool | None = entry("boolean", "Whether it comes from copying, crowding in or another indirect effect.")
    ids: str | None = entry("file", "File with one id per line of those who are counted (codes, no names).")
    attribution: str | None = entry("ref", "Attribution it follows from.", to="attributions")
    estimate: str | None = entry("text", "Number in the intervention's results.json, e.g. profit/ancova.")
    formula: str | None = entry("text", _FORMULA)
    inputs: tuple[Input, ...] = entry("records", "The numbers it rests on.", of=Input)
    evidence: tuple[Cite, ...] = entry("cites", EVIDENCE)

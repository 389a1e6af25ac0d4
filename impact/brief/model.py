"""What a brief says, before any layout: the blocks of its two pages, from the officer's words and numbers with a source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from impact.brief.atoms import (
    CLEAR,
    JOINERS,
    Effect,
    Form,
    Join,
    Kind,
    Number,
    Phrase,
    Quote,
    Range,
    Recorded,
    Said,
    Text,
    Value,
    Verdict,
    Written,
    lookup,
    need,
    one_line,
    quote,
    rewritten,
    say,
    take,
    walk,
)
from impact.study.wording import CAPTIONED, OWN_FACTS

__all__ = [
    "CLEAR", "JOINERS", "LIMITS", "Badge", "Benchmark", "Brief", "Chain", "ChainBox", "CheckLine", "Effect",
    "EventPoint", "EventStudy", "Fact", "FlowPanel", "FlowStep", "ForWhom", "Form", "Group", "GroupSplit", "Join",
    "Kind", "Lesson", "LogoPicture", "Message", "Method", "Number", "OpenResult", "Phrase", "Quote", "Range",
    "Recorded", "Result", "Said", "Series", "StandardElement", "StandardLine", "Status", "TargetLine", "Text", "Tile",
    "Trends", "Value", "Verdict", "Written", "limit_for", "lookup", "need", "one_line", "quote", "rewritten", "say", "take",
    "walk",
]

Status = Literal["clear", "adverse", "unclear", "too_few", "no_interval", "unmeasured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and what is said under it."""

    name: Text
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One point of the key box: a lead in bold and the sentence behind it."""

    lead: Text
    body: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One headline number with what it measures and what it is set against."""

    figure: Said | Number | Phrase
    label: Text
    note: Text
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainBox:
    """One step of the results chain, and whether this study measured it."""

    text: Quote
    status: Status
    finding: Said | None = None
    linked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The results chain as declared; ``more`` boxes are left out for want of room."""

    boxes: tuple[ChainBox, ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of the table and of the figure."""

    estimate: str
    label: Quote
    unit: Quote | Recorded
    primary: bool
    effect: Effect
    percent: Effect | None
    standard: Effect | None
    comparison: Number | None
    p: Number | None
    p_adjusted: Number | None
    n: Number
    provisional: bool
    missing: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Means of one outcome in one group, period by period."""

    name: Text
    periods: tuple[Text, ...]
    means: tuple[Number, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """How an outcome went in each group; ``baseline`` is the column behind 'before' where units are not followed."""

    outcome: Quote
    unit: Quote
    series: tuple[Series, ...]
    baseline: Quote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A known answer beside the estimate; ``comparable`` is it on the estimate's scale, None where the units disagree."""

    label: Quote
    value: Number
    unit: Quote
    source: Quote
    effect: Effect
    outcome: Quote
    difference: Number | None
    inside: bool | None
    comparable: Effect | None
    others: tuple[Effect, Effect] | None = None  # nearest below and furthest above it among the other methods' answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method's answer for the first primary outcome."""

    name: Text
    effect: Effect
    p: Number | None
    n: Number
    main: bool
    same: bool = True  # whether it answers the question of the main one


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """How one check came out, in its own word."""

    title: Text
    word: Text
    reason: Text
    verdict: Literal["pass", "concern", "fail", "not_applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """An implication the officer drew, with the finding it is tied to."""

    text: Text
    finding: Quote
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStep:
    """How many units are left at one stage."""

    name: Phrase
    units: Number
    split: Phrase | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPanel:
    """The way of units to the first primary outcome's estimate, and why some are not in it."""

    steps: tuple[FlowStep, ...]
    losses: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardElement:
    """One element of the Standard: how many of the items checked have evidence on file."""

    number: int
    title: Text
    on_file: Number | None
    checked: Number | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardLine:
    """For which elements the study puts evidence on file, counted; never a rating."""

    title: Text
    line: Text
    note: Text
    elements: tuple[StandardElement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """What kind of comparison the study rests on, in two words; drawn by lot or not."""

    word: Phrase
    strength: Literal["random", "quasi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The effect in one group of a declared subgroup."""

    name: Text
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSplit:
    """One outcome by one declared subgroup: the effect in each group, and the test of their difference."""

    outcome: Quote
    unit: Quote | Recorded
    label: Quote
    groups: tuple[Group, ...]
    p: Number | None
    told: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ForWhom:
    """The declared subgroups; ``note`` says what such a comparison cannot show, or why there is none."""

    splits: tuple[GroupSplit, ...]
    note: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLine:
    """The level participants were to reach, and the level they reached; neither is an effect."""

    label: Quote
    target: Number
    by: Text | None
    reached: Number | None
    met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPoint:
    """The effect at one distance from the start of treatment, and the band that holds for all distances at once."""

    horizon: Quote
    effect: Effect
    band: Range | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStudy:
    """Effects on one outcome by periods since treatment."""

    outcome: Quote
    unit: Quote | Recorded | None
    method: Text
    level: Number
    points: tuple[EventPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenResult:
    """What an uncertain result still says: what its intervals exclude, what was planned for, what was learned."""

    excludes: tuple[Text, ...]
    planned: tuple[Text, ...]
    learned: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoPicture:
    """The logo as the record carries it: base64 of a PNG or JPEG, and what it shows."""

    data: str
    kind: Literal["png", "jpg"]
    alt: Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """The two pages, block by block, in reading order."""

    language: str
    date: Quote
    record: str
    made_of: tuple[tuple[str, str], ...]  # SHA-256 of the data and of the study behind the record
    stamps: tuple[Literal["draft", "simulated", "provisional"], ...]
    series: Text
    kicker: Text | None
    title: Text
    bottom_line: Text
    meta: tuple[Fact, ...]
    messages: tuple[Message, ...]
    tiles: tuple[Tile, ...]
    question: Quote
    open_result: OpenResult | None
    challenge: Text
    done: Text
    done_facts: tuple[Fact, ...]
    badge: Badge
    method: tuple[Fact, ...]
    chain: Chain | None
    results: tuple[Result, ...]
    axis: Literal["percent", "sd", "none"]
    reading: tuple[Text, ...]
    trends: Trends | None
    event_study: EventStudy | None
    benchmark: Benchmark | None
    for_whom: ForWhom | None
    targets: tuple[TargetLine, ...]
    methods: tuple[Method, ...]
    costs: tuple[Fact, ...]
    cost_note: Text
    checks: tuple[CheckLine, ...]
    captions: tuple[tuple[str, Text], ...]  # the officer's own, by the block they stand under
    limits: tuple[Text, ...]
    lessons: tuple[Lesson, ...]
    flow: FlowPanel | None
    standard: StandardLine
    ethics: tuple[Fact, ...]
    sources: tuple[Text, ...]
    credits: tuple[Text, ...]
    disclaimer: Text | None
    logo: LogoPicture | None
    provenance: tuple[Fact, ...]
    contact: Text

    def __repr__(self) -> str:
        return f"Brief in {self.language} of {self.date.text}, made from record {self.record[:12]}"


# Soft limits in characters, by the key an officer would shorten; list positions are left out of the key.
LIMITS: dict[str, int] = {
    "title": 120, "question": 220, "programme.name": 70, "programme.country": 40, "programme.sector": 50,
    "programme.donor": 60, "intervention.description": 420, "intervention.target_group": 140,
    "intervention.dose": 140, "results_chain.boxes.text": 70, "outcomes.label": 60, "outcomes.unit": 60,
    "outcomes.measured": 40,
    "design.unit_label": 24, "data.source": 200, "costs.lines.item": 60, "benchmark.label": 70,
    "benchmark.source": 200, "benchmark.unit": 60, "ethics.consent": 110, "ethics.approval": 110,
    "ethics.registration": 110, "brief.title": 110, "brief.series": 60, "brief.challenge": 420,
    "brief.what_was_done": 420, "brief.implications.text": 210, "brief.authors": 70, "brief.contact": 80,
    "brief.learned": 200, "brief.disclaimer": 260, "brief.bottom_line": 420, "brief.limits": 240,
    **dict.fromkeys((f"brief.how_we_know.{name}" for name in OWN_FACTS), 200),
    **dict.fromkeys((f"brief.captions.{name}" for name in CAPTIONED), 160),
    "brief.overrides.name": 60, "brief.overrides.reason": 160,
    "brief.logo.alt": 80, "plan.record": 110, "outcomes.target.source": 60,
    "subgroups.label": 50, "subgroups.groups.label": 30, "costs.contributions.from": 40,
    "programme.project_number": 30, "costs.currency": 20, "costs.exchange.currency": 20, "costs.left_out": 60,
}


def limit_for(where: str) -> tuple[str, int] | None:
    """Return the key and the limit of a text's place in study.yaml; None for texts of the tool's own making."""
    if not where.startswith("study.yaml: "):
        return None
    key = re.sub(r"\[\d+\]", "", where.removeprefix("study.yaml: "))
    return (key, LIMITS[key]) if key in LIMITS else None

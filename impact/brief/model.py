"""What a brief says, before any layout: the officer's words, the tool's sentences, and numbers with their source.

Nothing here is formatted and nothing is in a particular language but the officer's own words. Every number is taken from
the record through :func:`take`, so that its place in the record travels with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from impact.errors import Problem, RenderError

Verdict = Literal["favourable", "unfavourable", "unclear", "corrected", "disagree", "too_few", "no_interval"]
Status = Literal["clear", "adverse", "unclear", "too_few", "no_interval", "unmeasured"]
CLEAR: tuple[Verdict, ...] = ("favourable", "unfavourable")
Kind = Literal["amount", "percent", "points", "count", "p", "level", "plain", "sd"]
JOINERS = "\u200c\u200d"
Form = Literal["size", "range", "range_unit", "signed", "signed_range", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number and where it stands in the record.

    ``path`` leads to it from the estimate named by ``estimate``, or from the evaluation where that is empty;
    ``derived`` says in words how it was worked out from several.
    """

    value: float
    kind: Kind
    path: str
    estimate: str = ""
    derived: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Words taken as they stand from the study file or the record, with their place there."""

    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Words the engine wrote into the record, in English; another language says them by code or by phrase.

    ``keys`` lead to their sentences in another language, the closest first, and ``values`` fill the gaps; ``phrase``
    tells that the words themselves are looked up first. Where nothing is found the words are those of the data, such as
    the name of an arm, and stand as they are.
    """

    text: str
    where: str
    keys: tuple[str, ...] = ()
    values: tuple[tuple[str, Any], ...] = ()
    phrase: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A sentence of the tool: a key of its word list, and what fills its gaps."""

    key: str
    values: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One piece of a confidence set; a missing end runs to infinity."""

    low: Number | None = None
    high: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An estimate on one scale: per cent, points of a share, or the outcome's unit."""

    estimate: str
    value: Number
    ranges: tuple[Range, ...]
    level: Number
    verdict: Verdict
    unit: Quote | Recorded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An effect put into words or signs: '25% lower', 'from 45% lower to 3% higher', '−25%'."""

    effect: Effect
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Several texts in a row."""

    parts: tuple[Value, ...]
    by: str = " "


Value = Number | Quote | Recorded | Phrase | Said | Join
Text = Quote | Recorded | Phrase | Join


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

    text: Quote
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
class StandardStrip:
    """Counts of evidence on file; never a rating."""

    title: Text
    note: Text
    elements: tuple[StandardElement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """The two pages, block by block, in reading order."""

    language: str
    date: Quote
    record: str
    stamps: tuple[Literal["draft", "simulated", "provisional"], ...]
    series: Text
    kicker: Quote | None
    title: Text
    bottom_line: Text
    meta: tuple[Fact, ...]
    messages: tuple[Message, ...]
    tiles: tuple[Tile, ...]
    question: Quote
    challenge: tuple[Text, ...]
    method: tuple[Fact, ...]
    chain: Chain | None
    results: tuple[Result, ...]
    axis: Literal["percent", "sd", "none"]
    reading: tuple[Text, ...]
    trends: Trends | None
    benchmark: Benchmark | None
    methods: tuple[Method, ...]
    costs: tuple[Fact, ...]
    cost_note: Text
    checks: tuple[CheckLine, ...]
    limits: tuple[Text, ...]
    lessons: tuple[Lesson, ...]
    flow: FlowPanel | None
    standard: StandardStrip
    ethics: tuple[Fact, ...]
    sources: tuple[Text, ...]
    provenance: tuple[Fact, ...]
    contact: Text


def quote(text: object, where: str) -> Quote:
    """Keep words as they stand, on one line, without characters that draw nothing or turn the direction of reading."""
    return Quote(text=one_line(text), where=where)


def one_line(text: object) -> str:
    """Put words on one line, without characters that draw nothing or turn the direction of reading.

    Joiners stay: scripts such as Arabic and Khmer are written with them.
    """
    clean = unicodedata.normalize("NFC", str(text))
    clean = "".join(c if c in JOINERS or unicodedata.category(c) not in ("Cc", "Cf") else " " if c.isspace() else ""
                    for c in clean)
    return re.sub(r"\s+", " ", clean).strip()


def say(key: str, **values: Value) -> Phrase:
    """Name a sentence of the word list and fill its gaps."""
    return Phrase(key=key, values=tuple(values.items()))


_STEP = re.compile(r"([a-z_0-9]+)(?:\[([^\]]*)\])?")


def lookup(root: Any, path: str, estimate: str = "") -> Any:
    """Follow a path into a record: ``effect_pct.low`` of an estimate, ``flows[scrap].stages[analysed].units``."""
    value = root.estimate(estimate) if estimate else root
    for name, key in _STEP.findall(path):
        value = getattr(value, name)
        if key.isdigit():
            value = value[int(key)]
        elif key:
            value = next(v for v in value if key in (getattr(v, "id", None), getattr(v, "outcome", None),
                                                      getattr(v, "name", None)))
        if value is None:
            return None
    return value


def take(root: Any, path: str, kind: Kind, estimate: str = "") -> Number | None:
    """Take a number out of a record (an evaluation or an audit); None where the record has none."""
    value = lookup(root, path, estimate)
    return None if value is None else Number(value=float(value), kind=kind, path=path, estimate=estimate)


def need(root: Any, path: str, kind: Kind, estimate: str = "") -> Number:
    """Take a number that a sound record always has."""
    number = take(root, path, kind, estimate)
    if number is None:
        raise RenderError(Problem(where=f"results.json: {estimate or 'record'}", what=f"'{path}' has no value",
                                  cure="Run the study again: impact run PATH."), source="results.json")
    return number


def walk(block: Any, kind: type) -> Iterator[Any]:
    """Go through everything of one type inside a brief, in reading order."""
    if isinstance(block, kind):
        yield block
    if isinstance(block, tuple):
        for item in block:
            yield from walk(item, kind)
    elif is_dataclass(block) and not isinstance(block, type):
        for f in fields(block):
            yield from walk(getattr(block, f.name), kind)


# Soft limits in characters, by the key an officer would shorten; list positions are left out of the key.
LIMITS: dict[str, int] = {
    "title": 120, "question": 220, "programme.name": 70, "programme.country": 40, "programme.sector": 50,
    "programme.donor": 60, "intervention.description": 420, "intervention.target_group": 140,
    "intervention.dose": 140, "results_chain.boxes.text": 70, "outcomes.label": 60, "outcomes.unit": 60,
    "design.unit_label": 24, "data.source": 200, "costs.lines.item": 60, "benchmark.label": 70,
    "benchmark.source": 200, "benchmark.unit": 60, "ethics.consent": 110, "ethics.approval": 110,
    "ethics.registration": 110, "brief.title": 110, "brief.series": 60, "brief.challenge": 420,
    "brief.what_was_done": 420, "brief.implications.text": 210, "brief.authors": 70, "brief.contact": 80,
}


def limit_for(where: str) -> tuple[str, int] | None:
    """Return the key and the limit of a text's place in study.yaml; None for texts of the tool's own making."""
    if not where.startswith("study.yaml: "):
        return None
    key = re.sub(r"\[\d+\]", "", where.removeprefix("study.yaml: "))
    return (key, LIMITS[key]) if key in LIMITS else None

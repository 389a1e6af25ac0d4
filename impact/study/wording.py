"""The officer's own words in the brief: what is written or put in place of the tool's, what is set aside by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from impact.study.logo import Logo
from impact.study.schema import Validation

if TYPE_CHECKING:
    from impact.study.types import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Implication:
    """What follows for action, tied to the outcome it follows from."""

    text: Words
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HowWeKnow:
    """Lines of 'How we know' in the officer's words, in place of the tool's."""

    design: Words | None = None
    who: Words | None = None
    estimand: Words | None = None
    estimator: Words | None = None
    assumption: Words | None = None
    data: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """A sentence under a block of the brief, before what the tool notes there."""

    chain: Words | None = None
    effects: Words | None = None
    table: Words | None = None
    benchmark: Words | None = None
    event_study: Words | None = None
    trends: Words | None = None
    subgroups: Words | None = None
    methods: Words | None = None
    costs: Words | None = None
    targets: Words | None = None
    checks: Words | None = None


OWN_FACTS = tuple(f.name for f in fields(HowWeKnow))  # lines of 'How we know' that may be rewritten
CAPTIONED = tuple(f.name for f in fields(Captions))  # blocks that may have a caption


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A sentence that stands although a rule of the claims check refuses it: who answers for it, why, since when."""

    sentence: str
    rule: str
    name: str
    reason: Words
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefSettings:
    """The officer's own words in the brief, and its date.

    ``limits`` are added to what the record says of itself and never stand in its place; ``bottom_line`` and the lines of
    ``how_we_know`` stand in place of the tool's.
    """

    date: str
    language: Literal["en", "fr", "es"] = "en"
    title: Words | None = None
    series: Words | None = None
    bottom_line: Words | None = None
    challenge: Words | None = None
    what_was_done: Words | None = None
    how_we_know: HowWeKnow | None = field(default=None, metadata={"of": HowWeKnow})
    learned: Words | None = None
    limits: tuple[Words, ...] = ()
    captions: Captions | None = field(default=None, metadata={"of": Captions})
    implications: tuple[Implication, ...] = field(default=(), metadata={"of": Implication})
    authors: tuple[Words, ...] = ()
    contact: str | None = None
    disclaimer: Words | None = None
    logo: Logo | None = field(default=None, metadata={"of": Logo})
    overrides: tuple[Override, ...] = field(default=(), metadata={"of": Override})


def check_overrides(v: Validation, tree: Mapping[str, Any]) -> None:
    """Refuse an override that is declared twice, or dated after the brief."""
    settings = tree.get("brief") or {}
    seen: set[tuple[Any, Any]] = set()
    for i, item in enumerate(settings.get("overrides") or []):
        if not isinstance(item, Mapping):
            continue
        pair = (item.get("sentence"), item.get("rule"))
        if None not in pair and pair in seen:
            v.complain(("brief", "overrides", i), "this sentence and rule are declared twice", "Delete one of the two.")
        seen.add(pair)
        day, date = item.get("date"), settings.get("date")
        if isinstance(day, str) and isinstance(date, str) and day > date:
            v.complain(("brief", "overrides", i, "date"), f"it is dated {day}, after the brief ({date})",
                       "Write the date on which it was decided.")

"""What a printed brief says, text by text: each with the numbers marked that it refers to, and the context it stands in.

A brief is said exactly as for print, on a page without limits, by a speaker that marks every number of the record and every
text of the study file. So nothing a reader sees goes unread: captions and texts that stand for pictures are among it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from impact.brief.claims.ladder import rung_of
from impact.brief.claims.setting import declared_figures, reference, splits
from impact.brief.claims.types import Block, Context, Reference, Shows, marked
from impact.brief.model import Brief, Effect, Number, Quote, Recorded, Said, Value, Written, rewritten
from impact.brief.page import present
from impact.brief.theme import LADDER
from impact.brief.view import BREAK, Speaker
from impact.results.evaluation import Evaluation
from impact.study.types import words

EVERYTHING = replace(LADDER[0], limits=999, checks=999, methods=999, reason=10**6, limit=10**6, rows=999, drawn=999,
                     pictures=9, splits=99)
# around a text of the study file: opening, its place, a bar, the text, its end
BEGIN, SIDE, FINISH = "\ue003", "\ue004", "\ue005"
SPAN = re.compile(f"{BEGIN}(\\d+){SIDE}([^{FINISH}]*){FINISH}")
OWN = "study.yaml: "
# what is no sentence: codes, names of columns and figures, and what only a program reads
SKIPPED = frozenset(("language", "colon", "heads", "stamps", "footer", "pages", "plain_title", "keywords", "authors",
                     "logo", "axis", "axis_kind", "sides", "columns", "legend", "mark", "status", "verdict",
                     "figure_column", "percent", "tile_size", "cells", "picture", "kind", "unit", "data", "strength",
                     "tail", "series", "halves", "ratio", "contact", "check_columns", "start", "verdict_word",
                     "finding", "benchmark", "event_study", "trends"))
# the tool's own blocks that tell how the study was made, and what others wrote
METHOD = ("checks", "methods", "targets", "open", "reading", "method", "flow", "ethics", "standard", "provenance",
          "meta", "checks_note", "badge", "costs", "cost_note")
TILE = ("figure", "label", "note")  # read as one sentence
LITERATURE = ("sources", "credits")
# texts of the study file by what kind of place they are; what is not here is a name, and those of NAMED are read as such
_OFFICERS: tuple[tuple[str, Block], ...] = (
    (r"brief\.(title|bottom_line|learned|limits)\b", "results"), (r"brief\.captions\b", "caption"),
    (r"brief\.implications\b", "recommendation"), (r"brief\.logo\.alt$", "alt"), (r"(question|title)$", "aims"),
    (r"brief\.challenge$", "background"), (r"brief\.(what_was_done|how_we_know|disclaimer)\b", "context"),
    (r"intervention\.(description|dose)$", "context"),
    (r"(data\.source|plan\.record|ethics\.\w+|costs\.left_out.*)$", "context"))
OFFICERS = tuple((re.compile(pattern), block) for pattern, block in _OFFICERS)
NAMED = re.compile(r"(outcomes|subgroups|benchmark)\b.*\b(label|unit)$|design\.unit_label\b")


def texts(brief: Brief, evaluation: Evaluation) -> Iterator[tuple[str, Context, str, str]]:
    """Go through everything a brief says, in reading order.

    Yields
    ------
    text, context, block, where
        ``text`` with marked references; ``block`` the place on the page; ``where`` the key of the study file, or of the
        tool's own words the place again.
    """
    speaker = Marked(brief, evaluation)
    page = present(rewritten(brief, speaker.placed), EVERYTHING, speaker)
    context = Context(
        language=brief.language, block="tool", rung=rung_of(evaluation).rung, references=tuple(speaker.references.values()),
        declared=declared_figures(evaluation.study), splits=splits(brief),
        programme=(words(evaluation.study.programme.name, brief.language),))
    for place, printed in _strings(page, ""):
        said = printed.replace(BREAK, "")  # a long word breaks anywhere in print, and would in the middle of a mark
        root = re.split(r"[.\[]", place)[0]
        for where, text in speaker.officers(said):
            kind = _kind(where) or ("label" if NAMED.match(where) else None)
            if kind is not None:
                yield text, replace(context, block=kind, finding=speaker.finding(where)), place, OWN + where
        block: Block = "method" if root in METHOD else "literature" if root in LITERATURE else "tool"
        yield SPAN.sub(lambda m: marked(m[2] or "–", "", "words"), _masked(said, speaker)), replace(
            context, block=block), place, place


def _masked(said: str, speaker: Marked) -> str:
    """Leave sentences of the officer out of the tool's own, and keep names."""
    return SPAN.sub(lambda m: " " if _kind(speaker.places[int(m[1])]) is not None else m[0], said)


def _kind(where: str) -> Block | None:
    return next((block for pattern, block in OFFICERS if pattern.match(where)), None)


def _strings(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value.strip():
        yield place, value
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _strings(item, f"{place}[{i}]")
    elif isinstance(value, dict) and set(value) >= set(TILE):
        yield place, f"{value['label']}: {value['figure']}; {value['note']}"
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in SKIPPED:
                yield from _strings(item, f"{place}.{name}" if place else name)


class Marked(Speaker):
    """Says a brief with a mark around each number of the record and each text of the study file."""

    def __init__(self, brief: Brief, evaluation: Evaluation) -> None:
        super().__init__(brief.language)
        self.evaluation, self.plain = evaluation, Speaker(brief.language)
        self.references: dict[str, Reference] = {}
        self.places: list[str] = []
        for r in sorted(brief.results, key=lambda r: not r.primary):
            self._refer(r.effect)

    # ---- texts of the study file
    def placed(self, q: Quote) -> Quote:
        """Put a mark with its place around a text of the study file."""
        if not q.where.startswith(OWN) or BEGIN in q.text:
            return q
        return replace(q, text=self._span(q.text, q.where))

    def _span(self, text: str, where: str) -> str:
        self.places.append(where.removeprefix(OWN))
        return f"{BEGIN}{len(self.places) - 1}{SIDE}{text}{FINISH}"

    def officers(self, said: str) -> list[tuple[str, str]]:
        """List the texts of the study file in what is said, each with its key."""
        return [(self.places[int(m[1])], m[2]) for m in SPAN.finditer(said)]

    def finding(self, where: str) -> str:
        """Give the outcome that an implication rests on."""
        index = re.match(r"brief\.implications\[(\d+)\]", where)
        return "" if index is None else self.evaluation.study.brief.implications[int(index[1])].finding

    def text(self, value: Value) -> str:
        """Say anything a block may hold, with its marks."""
        if isinstance(value, Written):
            return self._span("".join(SPAN.sub(lambda m: m[2], p.text) if isinstance(p, Quote) else self.text(p)
                                      for p in value.parts), value.where)
        if isinstance(value, Recorded):  # the engine's own words have tests of their own
            return marked(bare(super().text(value)), "", "words")
        return super().text(value)

    # ---- numbers
    def number(self, n: Number) -> str:
        """Say a number; one that is no effect is a figure of the record."""
        effect = n.estimate and re.match(r"(estimate|effect_pct\.value)$", n.path) and not n.derived
        shows: Shows = "percent" if effect and n.kind == "percent" else "effect" if effect else "figure"
        return marked(bare(self.plain.number(n)), self._key(n.estimate) if effect else "", shows)

    def said(self, value: Said) -> str:
        """Put an effect in words or signs."""
        words = bare(self.plain.said(value))
        interval = value.form in ("range", "range_unit", "signed_range", "full")
        return marked(words, self._refer(value.effect), "interval" if interval else _shows(value.effect))

    def signed(self, effect: Effect, places: int) -> str:
        """Write an estimate with its sign."""
        return marked(bare(self.plain.signed(effect, places)), self._refer(effect), _shows(effect))

    def signed_range(self, effect: Effect, places: int) -> str:
        """Write a confidence set in signs."""
        return marked(bare(self.plain.signed_range(effect, places)), self._refer(effect), "interval")

    def _refer(self, effect: Effect) -> str:
        """Keep what a sentence refers to, and give its key."""
        key = self._key(effect.estimate)
        if key not in self.references:
            self.references[key] = reference(self.evaluation, effect, key, self.plain)
        return key

    def _key(self, identifier: str) -> str:
        e = self.evaluation.estimate(identifier)
        return e.outcome if self.evaluation.main(e.outcome).id == identifier else identifier


def bare(text: str) -> str:
    """Take the marks of names out of what is said."""
    return SPAN.sub(lambda m: m[2], text)


def _shows(effect: Effect) -> Shows:
    return "percent" if effect.value.kind == "percent" else "effect"

"""What the engine wrote into the record, in English, made ready to be said in another language.

The record has codes: a caveat's, a check's id, word and verdict, the reason of a loss. Its sentence in another language is
looked up by code in ``messages/record``, and the record's own figures fill it. Words without a code (what a mean is of, an
assumption) are looked up as they stand. English keeps the record's own text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from impact.brief.model import Recorded, one_line
from impact.brief.words import GAP, fill_with, gaps, record_sentences
from impact.results.estimate import Caveat, Dropped, StandardErrorCard
from impact.results.evaluation import Check

PHRASE = "phrase."
FIGURE = re.compile(r"-?\d{1,3}(?:,\d{3})*(?:\.\d+)?")


def slug(text: str) -> str:
    """Turn a word of the record into a key: 'not examined' is not_examined."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


# ---- what the record holds -------------------------------------------------------------------------------------------
def caveat(c: Caveat) -> Recorded:
    """Take a caveat; its code leads to its sentence and its values fill it."""
    return Recorded(text=one_line(c.text), where="results.json: caveats", keys=(f"caveat.{c.code}", "caveat.other"),
                    values=(("code", c.code), *c.values))


def check_title(c: Check) -> Recorded:
    """Take what a check examines; where the words themselves are known they are closest."""
    return _of(c, c.title, f"{_id(c)}.title", "title.other", phrase=True)


def check_word(c: Check) -> Recorded:
    """Take the word a check came out with."""
    return _of(c, c.word, f"{_id(c)}.word", f"word.{slug(c.word)}", f"word.{c.verdict}")


def check_reason(c: Check) -> Recorded:
    """Take why a check came out so, by its word, else by its verdict."""
    return _of(c, c.reason, f"{_id(c)}.{slug(c.word)}", f"{_id(c)}.{c.verdict}", f"reason.{c.verdict}")


def check_source(c: Check) -> Recorded:
    """Take the paper or rule behind a check: a reference stands as it is, but for the words around it."""
    return _of(c, c.source.rstrip("."), phrase=True)


def _id(c: Check) -> str:
    """Name a check without the outcome or cohort it was made for."""
    name = c.id.partition(":")[0]
    return "check." + re.sub(r"^pretrend_[\d.]+$", "pretrend", name)


def _of(c: Check, text: str, *keys: str, phrase: bool = False) -> Recorded:
    values = (("id", c.id), ("measured", c.measured), ("threshold", c.threshold), ("cohort", c.id.rpartition("_")[2]),
              *c.details)
    return Recorded(text=one_line(text), where=f"results.json: checks[{c.id}]", keys=keys, values=values, phrase=phrase)


def loss(d: Dropped, where: str) -> Recorded:
    """Take why rows were left out: by the words, which name columns and periods, else by the reason."""
    return Recorded(text=one_line(d.text).rstrip("."), where=where, phrase=True, keys=(
        f"loss.{d.reason}", *(("loss.missing",) if re.search("missing|^no_", d.reason) else ()), "loss.other"),
        values=(("reason", d.reason),))


def card(c: StandardErrorCard, vcov: str, df: float | None, line: str) -> Recorded:
    """Take how a standard error was made, part by part."""
    where = "results.json: se_card"

    def part(text: str, key: str) -> Recorded:
        return fragment(text, where, key, "card.unsaid")

    return Recorded(text=one_line(line).rstrip("."), where=where, keys=("card.line",), values=(
        ("formula", part(c.formula, f"vcov.{slug(vcov)}")), ("correction", part(c.correction, "card.unsaid")),
        ("df_rule", part(c.df_rule, "card.unsaid")), ("level", fragment(c.level, where)), ("df", df),
        ("treated", c.clusters_treated), ("comparison", c.clusters_comparison)))


def fragment(text: str, where: str, *keys: str, values: tuple[tuple[str, Any], ...] = ()) -> Recorded:
    """Take words of the record that have no code: they are looked up as they stand, then by the keys."""
    return Recorded(text=one_line(text), where=where, keys=keys, values=values, phrase=True)


# ---- and how another language says it --------------------------------------------------------------------------------
def translated(r: Recorded, language: str, write: Callable[[Any, str], str]) -> str:
    """Say words of the record in one language.

    ``write`` puts a value into the language in the form a gap asks for. A sentence is said only where the record has every
    figure it needs.
    """
    sentences = record_sentences(language)
    if not sentences:
        return r.text
    if r.phrase:
        found = _phrase(r.text, language)
        if found is not None:
            template, parts = found
            return fill_with(template, lambda name, form: write(_value(parts[name], r.where), form))
    values = {name: value for name, value in r.values if value is not None}
    for key in r.keys:
        for template in sentences.get(key, ()):
            if set(gaps(template)) <= set(values):
                return fill_with(template, lambda name, form: write(values[name], form))
    return r.text


def _value(text: str, where: str) -> Any:
    """Read what stood in a gap of an English phrase: a figure, else words that may be a phrase themselves."""
    if FIGURE.fullmatch(text) and ("," in text or "." in text):
        return float(text.replace(",", ""))
    return fragment(text, where)


@functools.cache
def _phrases(language: str) -> tuple[Mapping[str, str], tuple[tuple[re.Pattern[str], str], ...]]:
    """Read the phrases of one language: those without gaps by their English, the others as patterns."""
    plain: dict[str, str] = {}
    patterns: list[tuple[re.Pattern[str], str]] = []
    for key, (said, *_) in record_sentences(language).items():
        if not key.startswith(PHRASE):
            continue
        english = key.removeprefix(PHRASE)
        if gaps(english):
            # pieces at odd places of the split are the names of the gaps
            pieces = re.split(GAP.pattern, english)
            pattern = "".join(re.escape(pieces[i]) if i % 3 == 0 else f"(?P<{pieces[i]}>.+?)" if i % 3 == 1 else ""
                              for i in range(len(pieces)))
            patterns.append((re.compile(pattern), said))
        else:
            plain[english] = said
    patterns.sort(key=lambda pair: -len(pair[0].pattern))
    return plain, tuple(patterns)


def _phrase(text: str, language: str) -> tuple[str, Mapping[str, str]] | None:
    plain, patterns = _phrases(language)
    if text in plain:
        return plain[text], {}
    for pattern, said in patterns:
        found = pattern.fullmatch(text)
        if found:
            return said, found.groupdict()
    return None


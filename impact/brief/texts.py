"""What makes a text unfit for a brief: too long for its place, a character no face draws, or not there in the language."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

from impact.brief.model import JOINERS, Brief, Quote, Recorded, Written, limit_for, lookup, walk
from impact.brief.view import Speaker
from impact.brief.words import LANGUAGES
from impact.errors import Problem, RenderError
from impact.study.contract import CONTRACT
from impact.study.schema import Field
from impact.study.types import Study, Words

FONTS = Path(__file__).parent / "fonts"
NAMES = {"en": "English", "fr": "French", "es": "Spanish"}
LONGER = 1.25  # French and Spanish say the same in more letters; what fits is measured on the page anyway
PROPER = ("brief.authors",)  # names of people stand as they are in every language
OWN = "study.yaml: "


def language_problems(language: str, where: str = "language") -> tuple[Problem, ...]:
    """Name a language that has no word list yet."""
    if language in LANGUAGES:
        return ()
    return (Problem(where=where, what=f"'{language}' is not available yet",
                    cure=f"Write one of: {', '.join(LANGUAGES)}."),)


# ---- the officer's own words, language by language -------------------------------------------------------------------
def untranslated(brief: Brief, study: Study) -> tuple[Problem, ...]:
    """Name every text of the study file that the brief uses and that is not there in the brief's language.

    A plain text is in the study's own language, ``brief.language``; a text per language holds those it names. Names of
    authors stand as they are.
    """
    problems: dict[str, Problem] = {}
    for key, value in _used(brief, study):
        own: dict[str, str] = {study.brief.language: value} if isinstance(value, str) else dict(value)
        if not own.get(brief.language, "").strip():
            there = ", ".join(f"{name}: …" for name in LANGUAGES if name in own)
            problems[key] = Problem(where=key, what=f"no {NAMES[brief.language]} text",
                                    cure=f"Write {{{there}, {brief.language}: …}}.")
    return tuple(problems.values())


def begun(brief: Brief, study: Study) -> tuple[str, ...]:
    """List the languages that some text of the brief is written in already."""
    found = {name for _, value in _used(brief, study) if not isinstance(value, str) for name, _ in value}
    return tuple(name for name in LANGUAGES if name in found)


def _used(brief: Brief, study: Study) -> Iterator[tuple[str, Words]]:
    """Go through the texts of the study file that a brief shows and that may be written per language, in its order."""
    keys = dict.fromkeys(q.where.removeprefix(OWN) for q in walk(brief, Quote) if q.where.startswith(OWN))
    for key in sorted(keys, key=_place):
        if _per_language(key) and re.sub(r"\[\d+\]", "", key) not in PROPER:
            value = lookup(study, key)
            if value:
                yield key, value


def _per_language(key: str) -> bool:
    """Tell whether the study file takes a text per language under a key such as ``outcomes[0].label``."""
    field: Field | None = CONTRACT
    for name, index in re.findall(r"(\w+)(\[\d+\])?", key):
        field = (field.fields or {}).get(name) if field else None
        if index and field is not None:
            field = field.item
    return field is not None and field.kind == "words"


def _place(key: str) -> tuple[tuple[int, int], ...]:
    """Tell where a key such as ``outcomes[0].label`` stands in a study file that keeps the order of the contract."""
    field: Field | None = CONTRACT
    place = []
    for name, index in re.findall(r"(\w+)(?:\[(\d+)\])?", key):
        names = list((field.fields or {}) if field else ())
        place.append((names.index(name) if name in names else len(names), int(index or 0)))
        field = (field.fields or {}).get(name) if field else None
        if index and field is not None:
            field = field.item
    return tuple(place)


# ---- length and characters -------------------------------------------------------------------------------------------
def length_problems(brief: Brief) -> tuple[Problem, ...]:
    """Name every text of the study file that is too long for its place, with the characters to cut."""
    problems: dict[str, Problem] = {}
    s = Speaker(brief.language)
    for text in (*walk(brief, Quote), *walk(brief, Written)):
        found, said = limit_for(text.where), text.text if isinstance(text, Quote) else s.text(text)
        if found is None:
            continue
        most = found[1] if brief.language == "en" else round(LONGER * found[1])
        over = len(said) - most
        if over > 0:
            problems[text.where] = Problem(
                where=text.where, what=f"{len(said)} characters, and the brief has room for {most}",
                cure=f"Cut {over} character{'' if over == 1 else 's'}.")
    return tuple(problems.values())


def character_problems(brief: Brief) -> tuple[Problem, ...]:
    """Name every character that no face can draw, with its field."""
    known, problems = covered(), {}
    for text in (*walk(brief, Quote), *walk(brief, Recorded)):
        for c in dict.fromkeys(c for c in text.text if ord(c) not in known and c not in JOINERS):
            problems[text.where, c] = Problem(
                where=text.where,
                what=f"the character '{c}' (U+{ord(c):04X}) cannot be printed: no face of the brief has it",
                cure="Write it in Latin, Greek, Cyrillic, Arabic or Khmer letters.")
    return tuple(problems.values())


def refuse(problems: tuple[Problem, ...]) -> None:
    """Stop with all problems at once, if there are any."""
    if problems:
        raise RenderError(problems, source="brief")


@functools.cache
def covered() -> frozenset[int]:
    """Read the code points that the brief's own faces all draw, or a face for another script does."""
    return frozenset().union(*(points(file) for file in FONTS.glob("coverage*.txt")))


@functools.cache
def points(file: Path) -> frozenset[int]:
    """Read a list of code points, as hexadecimal ranges."""
    found: set[int] = set()
    for line in file.read_text(encoding="ascii").split():
        first, _, last = line.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(found)

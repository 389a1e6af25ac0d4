"""What makes a text unfit for a brief: too long for its place, with a character no face can draw, in no known language."""

from __future__ import annotations

import functools
from pathlib import Path

from impact.brief.model import Brief, Quote, limit_for, walk
from impact.brief.words import LANGUAGES
from impact.errors import Problem, RenderError

FONTS = Path(__file__).parent / "fonts"


def language_problems(language: str, where: str = "language") -> tuple[Problem, ...]:
    """Name a language that has no word list yet."""
    if language in LANGUAGES:
        return ()
    return (Problem(where=where, what=f"'{language}' is not available yet",
                    cure=f"Write one of: {', '.join(LANGUAGES)}."),)


def length_problems(brief: Brief) -> tuple[Problem, ...]:
    """Name every text of the study file that is too long for its place, with the characters to cut."""
    problems: dict[str, Problem] = {}
    for text in walk(brief, Quote):
        found = limit_for(text.where)
        if found is not None and len(text.text) > found[1]:
            over = len(text.text) - found[1]
            problems[text.where] = Problem(
                where=text.where, what=f"{len(text.text)} characters, and the brief has room for {found[1]}",
                cure=f"Cut {over} character{'' if over == 1 else 's'}.")
    return tuple(problems.values())


def character_problems(brief: Brief) -> tuple[Problem, ...]:
    """Name every character that no face can draw, with its field."""
    known, problems = covered(), {}
    for text in walk(brief, Quote):
        for c in dict.fromkeys(c for c in text.text if ord(c) not in known):
            problems[text.where, c] = Problem(
                where=text.where,
                what=f"the character '{c}' (U+{ord(c):04X}) cannot be printed: no face of the brief has it",
                cure="Write it in Latin, Greek or Cyrillic letters.")
    return tuple(problems.values())


def refuse(problems: tuple[Problem, ...]) -> None:
    """Stop with all problems at once, if there are any."""
    if problems:
        raise RenderError(problems, source="brief")


@functools.cache
def covered() -> frozenset[int]:
    """Read the code points that every face of the brief can draw."""
    points: set[int] = set()
    for line in (FONTS / "coverage.txt").read_text(encoding="ascii").split():
        first, _, last = line.partition("-")
        points.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(points)

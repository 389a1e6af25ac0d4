"""The words of one language as the check reads them: lists beside this file, made into patterns once."""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RULES = Path(__file__).parent / "rules"
# a figure: digits or a reference that a sentence shows (a token of :mod:`impact.brief.claims.sentences`), or its word
FIGURE = r"(?:[€$£] ?)?(?:usd |us\$ ?|eur )?(?:\d[\d.,  ]*|‹\w\d+›)(?: ?(?:%|per cent|pour cent|por ciento|percent))?"
NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Patterns by the name of their list, and the sentences proposals are made of.

    Each list has two patterns: one that reads letters without their accents, one that needs them (aumentó is no aumento).
    """

    patterns: Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]]
    proposals: Mapping[str, str]

    def found(self, name: str, text: str) -> list[re.Match[str]]:
        """List the words of a list in a text of :func:`plain` letters, in its order; places are those of the text."""
        bare, accented = self.patterns[name]
        return sorted([*bare.finditer(unaccented(text)), *accented.finditer(text)], key=lambda m: m.start())

    def has(self, name: str, text: str) -> bool:
        """Tell whether a text holds a word of a list."""
        bare, accented = self.patterns[name]
        return bare.search(unaccented(text)) is not None or accented.search(text) is not None

    def without(self, name: str, text: str) -> str:
        """Blank the words of a list out of a text."""
        for m in reversed(self.found(name, text)):
            text = f"{text[:m.start()]} {text[m.end():]}"
        return re.sub(r" +", " ", text)

    def count(self, name: str, text: str) -> int:
        """Count the words of a list in a text."""
        return len(self.found(name, text))


@functools.cache
def words_of(language: str) -> Lexicon:
    """Read the lists of one language."""
    lists = tomllib.loads((RULES / f"{language}.toml").read_text(encoding="utf-8"))
    proposals = lists.pop("proposals")
    return Lexicon({name: (whole_words([p for p in pieces if not p.startswith("=")]),
                           whole_words([p[1:] for p in pieces if p.startswith("=")])) for name, pieces in lists.items()},
                   proposals)


def whole_words(pieces: list[str]) -> re.Pattern[str]:
    """Make one pattern of pieces, each a whole word or more; {n} in a piece stands for a figure."""
    if not pieces:
        return NEVER
    return re.compile(r"(?<!\w)(?:" + "|".join(piece.replace("{n}", FIGURE) for piece in pieces) + r")(?!\w)")


def plain(text: str) -> str:
    """Put text in small letters with straight apostrophes and plain spaces, so that lists stay short."""
    text = text.replace("’", "'").replace("ʼ", "'").replace("−", "-").replace("–", "-")
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return re.sub(r"\s+", " ", text.casefold()).strip()


@functools.lru_cache(maxsize=4096)
def unaccented(text: str) -> str:
    """Take the accents off, letter by letter, so that places stay what they are."""
    return "".join(unicodedata.normalize("NFD", c)[0] for c in text)

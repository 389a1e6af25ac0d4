"""How many words a text of ours may have, and the choice among ways to say it: the fullest that keeps to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from impact.brief.model import Message, Quote, Text
from impact.brief.view import Speaker

# Words of the title, of the bottom line and of one key finding, in English.
TITLE, LINE, FINDING = 14, 45, 30
# French and Spanish need articles and prepositions where English sets nouns side by side ('95% interval' is 'intervalle de
# confiance à 95 %'): the same sentence has about a quarter more words, and to say less would tell readers less.
LONGER = {"en": 1.0, "fr": 1.25, "es": 1.25}

Way = TypeVar("Way", Text, Message)


def count_words(text: str) -> int:
    """Count the words of a text: what stands between spaces and holds a letter or a digit.

    '–', ':' or '%' alone are no words; '1.79' and 'Owner's' are one each, and so is '12 345' with a space for thousands.
    """
    return sum(any(c.isalnum() for c in word) for word in re.sub(r"(?<=\d)[\u202f\u00a0](?=\d{3}\b)", "", text).split())


def most_words(most: int, language: str) -> int:
    """Give the limit of a language for what English says in ``most`` words."""
    return int(most * LONGER[language])


def fitting(ways: Sequence[Way], most: int, language: str) -> Way:
    """Choose the first way of saying something that keeps to the words it has; the shortest, where none does."""
    lengths = [_length(way, language) for way in ways]
    limit = most_words(most, language)
    return next((way for way, n in zip(ways, lengths, strict=True) if n <= limit), ways[lengths.index(min(lengths))])


def _length(way: Text | Message, language: str) -> int:
    speaker = Speaker(language)
    texts = (way.lead, way.body) if isinstance(way, Message) else (way,)
    return sum(count_words(speaker.text(text)) for text in texts)


def shortened(text: Text, language: str) -> tuple[Text, ...]:
    """Give shorter ways of a text: its leading sentences, and its first up to a semicolon; each a statement of its own."""
    said = Speaker(language).text(text)
    cuts = [m.start() for m in re.finditer(r"(?<=[.!?])\s", said)][::-1]
    ways = [said[:cut] for cut in cuts]
    clause = re.match(r"[^.;]{20,}(?=\s?;\s)", said)
    if clause:
        ways.append(clause[0] + ".")
    return tuple(Quote(text=way, where="results.json: caveats") for way in ways)

"""The sentences the tool writes into a brief: message files a language, read when it is first spoken."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

MESSAGES = Path(__file__).parent / "messages"
LANGUAGES = ("en", "fr", "es")  # each has its file of messages; a test holds their keys and gaps against each other
GAP = re.compile(r"\{(\w+)(?:\|(\w+))?\}")  # a name, and a form: a figure's in the record, or 'low' for a small initial


@functools.cache
def messages(language: str) -> Mapping[str, str]:
    """Read every sentence of one language, by key, gaps open."""
    with (MESSAGES / f"{language}.toml").open("rb") as file:
        return tomllib.load(file)


@functools.cache
def record_sentences(language: str) -> Mapping[str, tuple[str, ...]]:
    """Read what one language says for the English of the record, by key; of several sentences the fullest comes first.

    English has none: the record is in English.
    """
    file = MESSAGES / "record" / f"{language}.toml"
    if not file.exists():
        return {}
    return dict(_flat(tomllib.loads(file.read_text(encoding="utf-8")), ()))


def _flat(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*above, name))
        else:
            yield ".".join((*above, name)), tuple(value) if isinstance(value, list) else (value,)


def known(key: str) -> bool:
    """Tell whether there is a sentence of this key."""
    return key in messages("en")


def sentence(key: str, language: str) -> str:
    """Return the sentence of a key, gaps open."""
    return messages(language)[key]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill the gaps of a sentence in one pass: what fills a gap is never itself searched for gaps."""
    return fill_with(template, lambda name, form: lowered(values[name]) if form == "low" else values[name])


def lowered(text: str) -> str:
    """Begin words that stand inside a sentence with a small letter; abbreviations stay."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def fill_with(template: str, say: Callable[[str, str], str]) -> str:
    """Fill the gaps of a sentence in one pass, each by its name and the form it asks for."""
    return GAP.sub(lambda gap: say(gap[1], gap[2] or ""), template)


def gaps(template: str) -> tuple[str, ...]:
    """List the names of a sentence's gaps."""
    return tuple(gap[1] for gap in GAP.finditer(template))

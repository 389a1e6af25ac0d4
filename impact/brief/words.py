"""The sentences the tool writes into a brief: one message file a language, read when it is first spoken."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

MESSAGES = Path(__file__).parent / "messages"
LANGUAGES = ("en",)  # each has its file of messages; a test holds their keys and gaps against each other
_GAP = re.compile(r"\{(\w+)\}")


@functools.cache
def messages(language: str) -> Mapping[str, str]:
    """Read every sentence of one language, by key, gaps open."""
    with (MESSAGES / f"{language}.toml").open("rb") as file:
        return tomllib.load(file)


def known(key: str) -> bool:
    """Tell whether there is a sentence of this key."""
    return key in messages("en")


def sentence(key: str, language: str) -> str:
    """Return the sentence of a key, gaps open."""
    return messages(language)[key]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill the gaps of a sentence in one pass: what fills a gap is never itself searched for gaps."""
    return _GAP.sub(lambda gap: values[gap[1]], template)

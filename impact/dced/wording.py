"""Small words that rules and pages share: counting, listing, shortening, and telling silence from a statement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MOST_SHOWN = 90
_NOTHING = re.compile(
    r"\W*+(none|nil|null|n/?a|no|unknown|tbd|to ?do|pending|to be \w+.*|non précisé.*|no (indicado|disponible).*|"
    r"not (yet )?(stated|known|recorded|reported|available|given|applicable|documented|sought|obtained)\b.*)?\W*\Z",
    re.IGNORECASE | re.DOTALL)


def says_something(text: str) -> bool:
    """Tell whether a text says something: 'not stated', 'none' or 'TBD' do not."""
    return _NOTHING.match(text) is None


def shorten(text: str, most: int = MOST_SHOWN) -> str:
    """Cut a long text at a word, with an ellipsis; line breaks become spaces."""
    flat = " ".join(text.split())
    if len(flat) <= most:
        return flat
    head = flat[:most]
    return (head.rsplit(" ", 1)[0] if " " in head else head).rstrip(" ,;:.") + "…"


def capital(text: str) -> str:
    """Begin a text with a capital, whatever follows."""
    return text[:1].upper() + text[1:]


def plural(count: int, one: str, several: str = "") -> str:
    """Count things: ``1 arrow``, ``3 arrows``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def listed(items: Iterable[str], most: int = 5) -> str:
    """Join names with commas; more than ``most`` are counted instead of named."""
    names = list(items)
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def keys(path: str, indices: Sequence[int], key: str) -> str:
    """Name the keys to fill in: ``results_chain.arrows[0].evidence, ...arrows[2].evidence``."""
    return listed((f"{path}[{i}].{key}" for i in indices), most=4)

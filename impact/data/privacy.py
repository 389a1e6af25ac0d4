"""Ids may be spoken only where they are codes: names, phones and e-mail addresses never reach a message or a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_PERSONAL = re.compile(r"@|\s|^\+\d|^(?:\D*\d){8}|^\D*[^\W\d_]{3}\D*$|^\D*(?:[A-Z][a-z]|[^\W\d_a-zA-Z]{2})\D*$|"
                       r"[^\W\d_]{3,}.*[-._].*[^\W\d_]{3,}")
_RANDOM = re.compile(r"(?:uuid:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)  # as survey servers give


def speakable(ids: Iterable[Any]) -> list[str]:
    """Write ids as text; where any looks personal, all become 'id hidden'.

    An id is a short code with a digit in it (``410523``, ``F-017``, ``firm12``) or a random one (a UUID). Words without a
    digit, spaces, e-mail signs and eight digits or more, with letters or without, may be a name, an address, a phone, a
    passport, a date of birth or coordinates.
    """
    texts = [str(int(x)) if isinstance(x, float) and x.is_integer() and abs(x) < 1e15 else str(x) for x in ids]
    return ["id hidden"] * len(texts) if any(_PERSONAL.search(t) and not _RANDOM.fullmatch(t) for t in texts) else texts

"""Ids may be spoken only where they are codes: names, phones and e-mail addresses never reach a message or a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_PERSONAL = re.compile(r"@|\s|^\+?(?:[-./()]*\d){8,}[-./()]*$|^[^\d]*[^\W\d_]{3,}[^\d]*$|[^\W\d_]{3,}.*[-._].*[^\W\d_]{3,}")


def speakable(ids: Iterable[Any]) -> list[str]:
    """Write ids as text; where any looks personal, all become 'id hidden'.

    An id is a short code with a digit in it (``410523``, ``F-017``, ``firm12``). Words without a digit, spaces, e-mail
    signs and numbers of eight digits or more may be a name, an address or a phone.
    """
    texts = [str(int(x)) if isinstance(x, float) and x.is_integer() and abs(x) < 1e15 else str(x) for x in ids]
    return ["id hidden"] * len(texts) if any(_PERSONAL.search(text) for text in texts) else texts

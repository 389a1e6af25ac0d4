"""The officer's captions on the page: each leads what the tool itself notes under a block, and takes nothing of it away."""

from __future__ import annotations

from typing import Any

from impact.brief.model import Brief
from impact.brief.view import Speaker

PLAIN = {"effects": "drawn_note", "table": "reading", "costs": "cost_note", "checks": "checks_note"}
NESTED = {"chain": "chain", "subgroups": "for_whom", "methods": "methods", "targets": "targets"}


def captioned(page: dict[str, Any], brief: Brief, s: Speaker) -> dict[str, Any]:
    """Put each caption before the note of its block; a block that is not on the page has none."""
    page = dict(page)
    for name, text in brief.captions:
        said = s.text(text)
        if name in PLAIN:
            page[PLAIN[name]] = _led(said, page[PLAIN[name]])
        elif name in NESTED and page[NESTED[name]]:
            block = page[NESTED[name]]
            page[NESTED[name]] = {**block, "note": _led(said, block["note"])}
        elif name not in NESTED:
            page["pictures"] = [{**p, "note": _led(said, p["note"])} if p["name"] == name else p for p in page["pictures"]]
            if page["picture"] == name:
                page["picture_note"] = _led(said, page["picture_note"])
    return page


def _led(caption: str, note: str) -> str:
    """Set a caption before a note, closed by a full stop of its own."""
    closed = caption if caption.endswith((".", "!", "?", "…")) else f"{caption}."
    return f"{closed} {note}".rstrip()

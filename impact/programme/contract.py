"""The keys a programme file may have, made from the types; one place for the reader, the template and the skeleton."""

from __future__ import annotations

from functools import cache
from typing import Any

from impact.programme.arithmetic import LARGEST
from impact.programme.form import MANY, Form, forms
from impact.study.schema import Field

MOST_RECORDS = 5000
MOST_ENTRIES = 500
_PLAIN = {"number", "integer", "boolean", "date", "choice"}
_CURES = {
    "cites": "Write the document's code and the page, sheet or row: [D07 p. 4, D12 sheet Costs row 9].",
    "refs": "List codes: [D07, D12].", "texts": "List texts: [first, second].", "items": "List items: [rc_review].",
    "serves": "Write the item and the page, sheet or row: [rc_logic.own_chain p. 2].",
    "records": "Write a list; each entry begins with a dash.",
}


@cache
def keys_of(record: type) -> Field:
    """Give what a record may say, as the validator of study files reads it."""
    return Field(kind="map", fields={key: _field(shape) for key, (_, shape) in forms(record).items()},
                 cure=f"Allowed here: {', '.join(forms(record))}.")


def _field(shape: Form) -> Field:
    if shape.kind == "record" and shape.of is not None:
        inner = keys_of(shape.of)
        return Field(kind="map", fields=inner.fields, cure=inner.cure)
    if shape.kind == "records" and shape.of is not None:
        return Field(kind="list", essential=shape.essential, item=keys_of(shape.of), length=(0, MOST_RECORDS),
                     cure=_CURES["records"])
    if shape.kind in MANY:
        return Field(kind="list", essential=shape.essential, item=Field(kind="text", cure=_CURES[shape.kind]),
                     length=(0, MOST_ENTRIES), cure=_CURES[shape.kind])
    return Field(kind=shape.kind if shape.kind in _PLAIN else "text", essential=shape.essential, choices=shape.choices,
                 low=max(shape.low, -LARGEST), high=min(shape.high, LARGEST), cure=shape.help)


def spread(value: Any, record: type) -> Any:
    """Turn one text with semicolons into the list it stands for, as in a cell: 'D07 p. 4; D12 p. 1'."""
    if not isinstance(value, dict):
        return value
    out = dict(value)
    for key, (_, shape) in forms(record).items():
        inner = out.get(key)
        if shape.kind == "records" and shape.of is not None and isinstance(inner, list):
            out[key] = [spread(item, shape.of) for item in inner]
        elif shape.kind == "record" and shape.of is not None:
            out[key] = spread(inner, shape.of) if key in out else None
        elif shape.kind in MANY and isinstance(inner, str):
            out[key] = [part.strip() for part in inner.replace("\n", ";").split(";") if part.strip()]
    return {key: item for key, item in out.items() if key in value}

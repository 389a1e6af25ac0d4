"""The commented programme file that `impact new --programme` writes: every key of the types, with its words."""

from __future__ import annotations

import textwrap

from impact.programme.form import MANY, Form, forms
from impact.programme.types import Programme

HEAD = """\
# One programme, for its self-check against the DCED Standard: a self-check, no audit and no rating.
# Fill in name and as_of; then take the '#' away from the tables you can fill, one after the other, and copy the block
# from its dash on for every further entry. Leave out what you do not know: it is then 'not stated', and counts as a gap.
#   id           codes are yours: letters, digits, - and _. Other tables refer to them.
#   [D07 p. 4]   a place in a document: its code, then page, sheet or row. Without a place it shows nothing.
#   2026-11-21   dates. Files stay inside this folder. Links are written down and never opened.
# A table is easier in Excel? impact new my-programme --programme --excel
"""
DOCUMENTS = """\
Put the programme's documents into this folder and register them in the programme file, one entry under documents each.
"""
_ROOM = 34


def programme_skeleton() -> str:
    """Write the file: what must be filled in bare, everything else commented, table by table."""
    lines = [HEAD]
    for key, (_, shape) in forms(Programme).items():
        if shape.kind == "records" and shape.of is not None:
            lines += ["", f"# {shape.help}", f"# {key}:", *_record(shape.of, 0)]
        elif shape.kind == "record" and shape.of is not None:
            lines += [f"# {key}:{' ' * max(1, _ROOM - len(key) - 3)}# {shape.help}", *_keys(shape.of, 2)]
        else:
            lines.append(_line(key, shape, 0, bare=shape.essential))
    return "\n".join(lines) + "\n"


def _record(record: type, indent: int) -> list[str]:
    """Write one entry of a table, its first key behind the dash."""
    lines = _keys(record, indent + 2)
    return [f"# {' ' * indent}- {lines[0][2 + indent + 2:]}", *lines[1:]]


def _keys(record: type, indent: int) -> list[str]:
    lines: list[str] = []
    for key, (_, shape) in forms(record).items():
        if shape.of is None:
            lines.append(_line(key, shape, indent))
        elif shape.kind == "record":
            lines += [f"# {' ' * indent}{key}:{' ' * max(1, _ROOM - indent - len(key) - 3)}# {shape.help}",
                      *_keys(shape.of, indent + 2)]
        else:
            lines += [f"# {' ' * indent}{key}:{' ' * max(1, _ROOM - indent - len(key) - 3)}# {shape.help}",
                      *_record(shape.of, indent)]
    return lines


def _line(key: str, shape: Form, indent: int, bare: bool = False) -> str:
    """Write one key and its words; what does not fit goes on below, as a comment that stays one when '#' is taken away."""
    head = f"{'' if bare else '# '}{' ' * indent}{key}: {'[]' if shape.kind in MANY else 'null'}"
    words = f" One of: {', '.join(shape.choices)}." if shape.choices and ", ".join(shape.choices) not in shape.help else ""
    first, *rest = textwrap.wrap(shape.help + words + (" Must be filled in." if shape.essential else ""), 122 - _ROOM)
    below = f"# {' ' * (_ROOM - 2)}# "
    return "\n".join([f"{head}{' ' * max(1, _ROOM - len(head))}# {first}", *(below + line for line in rest)])

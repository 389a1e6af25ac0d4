"""Over time: one self-check held against an earlier one of the same programme, item by item."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from impact.dced.types import VERDICTS, Audit, Verdict
from impact.errors import Problem, StudyError

MAX_BYTES = 20_000_000
_STEPS: Mapping[str, int] = {"gap": 0, "partly": 1, "on_file": 2}
Direction = Literal["improved", "slipped", "changed", "new", "gone"]
DIRECTIONS: tuple[Direction, ...] = ("slipped", "improved", "changed", "new", "gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One item whose verdict differs: improved and slipped run over gap, partly and on file; any other step is 'changed'.

    ``new`` and ``gone`` are items that only one of the two tables of the Standard lists.
    """

    internal_key: str
    title: str
    before: Verdict | None
    now: Verdict | None
    direction: Direction
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What moved between two days; ``since`` is None where there is no earlier snapshot."""

    since: str | None
    moves: tuple[Move, ...] = ()

    def of(self, direction: Direction) -> tuple[Move, ...]:
        """Give the moves of one direction."""
        return tuple(m for m in self.moves if m.direction == direction)

    @property
    def sentence(self) -> str:
        """The counts in words: ``Since 2026-03-31: 4 items improved, 1 slipped.``"""
        if self.since is None:
            return "No earlier snapshot: this one is the first."
        told = ", ".join(f"{len(self.of(d))} {'item ' if len(self.of(d)) == 1 else 'items '}{WORDS[d]}"
                         for d in DIRECTIONS if self.of(d))
        return f"Since {self.since}: {told or 'no item moved'}."


WORDS: Mapping[Direction, str] = {
    "improved": "improved", "slipped": "slipped", "changed": "judged otherwise", "new": "new in the table",
    "gone": "no longer in the table"}


def snapshot_name(as_of: str) -> str:
    """Name the snapshot of a day: ``self-check-2026-06-30.json``."""
    return f"self-check-{as_of}.json"


def since_last(audit: Audit, folder: Path) -> Progress:
    """Hold a self-check against the latest earlier snapshot of the same programme in a folder.

    Parameters
    ----------
    audit : the self-check of today, which is the programme's ``as_of``.
    folder : where snapshots named ``self-check-DATE.json`` lie; it need not exist.

    Raises
    ------
    StudyError
        When that snapshot cannot be read, or is of another programme.
    """
    mine = snapshot_name(audit.as_of)
    earlier = sorted(f for f in folder.glob("self-check-????-??-??.json") if f.name < mine) if folder.is_dir() else []
    if not earlier:
        return Progress(since=None)
    before = _read(earlier[-1])
    if before.get("study_title") != audit.study_title:
        raise StudyError(Problem(where=str(earlier[-1]), what="this snapshot is of another programme",
                                 cure="Keep each programme's snapshots in a folder of their own."), source="snapshots")
    return compare(before, audit)


def compare(before: Mapping[str, Any], audit: Audit) -> Progress:
    """List what moved between an earlier self-check.json and a self-check; items are matched by their key."""
    old = {item["internal_key"]: item for element in before["elements"] for item in element["items"]}
    moves = []
    for point in audit.points:
        was = old.pop(point.internal_key, None)
        verdict: Verdict | None = was["verdict"] if was else None
        if verdict != point.verdict:
            why = point.gap if point.verdict in ("gap", "partly", "needs_person") else point.shows
            moves.append(Move(internal_key=point.internal_key, title=point.title, before=verdict, now=point.verdict,
                              direction=_direction(verdict, point.verdict), why=why))
    moves += [Move(internal_key=key, title=item["title"], before=item["verdict"], now=None, direction="gone")
              for key, item in old.items()]
    return Progress(since=str(before["as_of"]), moves=tuple(sorted(moves, key=lambda m: DIRECTIONS.index(m.direction))))


def _direction(before: Verdict | None, now: Verdict) -> Direction:
    if before is None:
        return "new"
    if before in _STEPS and now in _STEPS:
        return "improved" if _STEPS[now] > _STEPS[before] else "slipped"
    return "changed"


def _read(file: Path) -> dict[str, Any]:
    """Read one snapshot; anything but a self-check of this toolkit is refused."""
    refused = StudyError(Problem(where=str(file), what="this is no snapshot of a self-check that can be read",
                                 cure="Take it out of the folder, or make it again with impact audit."), source="snapshots")
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MAX_BYTES:
            raise refused
        content = json.loads(file.read_text(encoding="utf-8"))
        for element in content["elements"]:
            for item in element["items"]:
                told = all(isinstance(item[key], str) for key in ("internal_key", "title"))
                if not told or item["verdict"] not in VERDICTS:
                    raise refused
        if content["as_of"] != file.stem.removeprefix("self-check-"):
            raise refused
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise refused from None
    return dict(content)

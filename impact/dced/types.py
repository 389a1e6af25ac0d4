"""What a self-check says of each item of the Standard: on file, missing or not examined, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["on_file", "missing", "not_examined"]
Status = Literal["must", "recommended"]
Level = Literal["study", "programme"]
Effort = Literal["fill_in", "run_again", "collect"]
EFFORTS: tuple[Effort, ...] = ("fill_in", "run_again", "collect")

TIDY = ("element", "element_title", "internal_key", "id", "control_point", "title", "status", "verified",
        "level", "verdict", "evidence", "where", "gap", "fix", "effort")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One thing the record does not show: what, the cheapest cure, and what that takes."""

    text: str
    fix: str
    effort: Effort = "fill_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One item of the Standard's table, held against one study's record.

    ``internal_key`` is 'control point.criterion' and is stable; ``id`` is the number in the table and may
    change with it. ``verified`` is true only where the table says that both the control point and the
    criterion were checked against the Standard. ``evidence`` says what the record shows, also when that is not
    enough; ``where`` names the key of results.json that shows it; ``gap`` says what is missing, or why the item
    cannot be seen from one study; ``fix`` is the cheapest cure, and ``effort`` what it takes: a key of
    study.yaml to fill in, another run on the data at hand, or new data and documents (None unless the item is
    missing). ``gaps`` are the gaps of a missing item one by one.
    """

    internal_key: str
    id: str
    control_point: str
    title: str
    status: Status
    verified: bool
    verdict: Verdict
    level: Level
    evidence: str = ""
    where: str = ""
    gap: str = ""
    fix: str = ""
    effort: Effort | None = None
    gaps: tuple[Gap, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One of the Standard's elements with its items. Items are counted, never weighed."""

    number: int
    title: str
    title_verified: bool
    points: tuple[Point, ...] = ()

    def _with(self, verdict: Verdict) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.verdict == verdict)

    @property
    def on_file(self) -> int:
        """How many items the record gives evidence for."""
        return len(self._with("on_file"))

    @property
    def missing(self) -> int:
        """How many items the record could show and does not."""
        return len(self._with("missing"))

    @property
    def checked(self) -> int:
        """How many items were checked: on file and missing together."""
        return self.on_file + self.missing

    @property
    def not_examined(self) -> int:
        """How many items need more than one study's record."""
        return len(self._with("not_examined"))

    @property
    def sentence(self) -> str:
        """The counts in words: ``evidence on file for 5 of the 6 items checked``."""
        if not self.points:
            return "the table lists no item"
        if not self.checked:
            return "not examined: none of its items can be seen from one study"
        items = "item" if self.checked == 1 else "items"
        return f"evidence on file for {self.on_file} of the {self.checked} {items} checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A self-check of one study's record against a table of the DCED Standard.

    It is not an audit in the Standard's sense and rates nothing: only auditors approved by the DCED rate a
    programme. ``warning`` are the table's own words on how far it can be trusted; ``as_of`` is the date of
    the study file; ``record`` holds (name, value) pairs that identify the record: hashes and toolkit version.
    """

    standard: str
    version: str
    warning: tuple[str, ...]
    slug: str
    study_title: str
    programme: str
    language: str
    as_of: str
    elements: tuple[Element, ...]
    record: tuple[tuple[str, str], ...]
    simulated: bool | None
    status: Literal["draft", "final"]

    @property
    def points(self) -> tuple[Point, ...]:
        """All items, in the table's order."""
        return tuple(point for element in self.elements for point in element.points)

    @property
    def fix_first(self) -> tuple[Point, ...]:
        """Missing must items, cheapest first: a key to fill in, then another run, then new data or documents."""
        missing = [p for p in self.points if p.verdict == "missing" and p.status == "must"]
        return tuple(sorted(missing, key=lambda p: EFFORTS.index(p.effort or "collect")))

    def point(self, internal_key: str) -> Point:
        """Look an item up by its key: ``rc_logic.own_chain``."""
        return next(p for p in self.points if p.internal_key == internal_key)

    def tidy(self) -> pd.DataFrame:
        """One row an item, with the columns of :data:`TIDY`."""
        import pandas as pd

        def cell(element: Element, point: Point, column: str) -> object:
            if column == "element":
                return element.number
            return element.title if column == "element_title" else getattr(point, column)

        rows = [{c: cell(e, p, c) for c in TIDY} for e in self.elements for p in e.points]
        return pd.DataFrame(rows, columns=list(TIDY))

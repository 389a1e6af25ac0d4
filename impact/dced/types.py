"""What a self-check says of each item of the Standard: one of five verdicts, how it is known, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["on_file", "partly", "gap", "needs_person", "not_applicable"]
VERDICTS: tuple[Verdict, ...] = ("on_file", "partly", "gap", "needs_person", "not_applicable")
Known = Literal["checked", "declared_with_evidence", "declared_only"]
Status = Literal["must", "recommended"]
Level = Literal["study", "programme"]
Mode = Literal["program", "partly", "asked"]
Effort = Literal["fill_in", "ask", "file", "run_again", "collect"]
EFFORTS: tuple[Effort, ...] = ("fill_in", "ask", "file", "run_again", "collect")
"""From the cheapest to the dearest: write what is known, ask a person, find and register a document, run a study or
calculation again, collect new data."""
DAYS: Mapping[Effort, int] = {"fill_in": 14, "ask": 30, "file": 30, "run_again": 45, "collect": 120}
"""Days from the programme's ``as_of`` to the date proposed for a next step nobody has dated yet."""

TIDY = ("element", "element_title", "internal_key", "id", "control_point", "title", "status", "verified",
        "level", "mode", "verdict", "known", "shows", "file", "place", "gap", "next_step", "effort", "owner", "due")
GAPS = ("internal_key", "title", "status", "verdict", "about", "gap", "fix", "effort", "owner", "due", "due_proposed",
        "place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that is on file: what it shows, in which file, and at which page, sheet, row or key of it."""

    text: str
    file: str = ""
    place: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One thing that is not on file: what, the cheapest cure, what that takes, by whom and by when.

    ``about`` names the intervention or report it belongs to; ``place`` where to mend it. ``due_proposed`` tells a
    date counted from ``as_of`` by :data:`DAYS` from one that the programme set itself.
    """

    text: str
    fix: str
    effort: Effort = "fill_in"
    about: str = ""
    place: str = ""
    owner: str = ""
    due: str = ""
    due_proposed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One item of the Standard's table, held against one record.

    ``internal_key`` is 'control point.criterion' and is stable; ``id`` is the number in the table and may
    change with it. ``verified`` is true only where the table says that both the control point and the
    criterion were checked against the Standard. ``mode`` tells whether the program checks the item, checks a part
    of it and asks a person for the rest, or only asks. ``known`` says how the verdict is known: checked by the
    program, declared with evidence, or declared only; None where nobody has said anything yet. ``question`` is what
    a named person is asked to judge, ``answer`` what that person said, with name and date. ``reason`` says why an item
    was not examined or does not apply.
    """

    internal_key: str
    id: str
    control_point: str
    title: str
    status: Status
    verified: bool
    verdict: Verdict
    level: Level
    mode: Mode = "program"
    known: Known | None = None
    evidence: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    reason: str = ""
    question: str = ""
    answer: str = ""
    note: str = ""

    @property
    def shows(self) -> str:
        """What is on file, in one text."""
        return " ".join(e.text for e in self.evidence)

    @property
    def file(self) -> str:
        """The first file that holds evidence."""
        return self.evidence[0].file if self.evidence else ""

    @property
    def place(self) -> str:
        """The page, sheet, row or key of that file."""
        return self.evidence[0].place if self.evidence else ""

    @property
    def gap(self) -> str:
        """What is not on file, in one text; the reason where the item was not examined."""
        return " ".join(g.text for g in self.gaps) or self.reason

    @property
    def step(self) -> Gap | None:
        """The cheapest next step: the first of the gaps, which stand in the order of their effort."""
        return self.gaps[0] if self.gaps else None

    @property
    def next_step(self) -> str:
        """The cheapest next step in words."""
        return self.step.fix if self.step else ""

    @property
    def fix(self) -> str:
        """Every cure once, the cheapest first."""
        return " ".join(dict.fromkeys(g.fix for g in self.gaps))

    @property
    def effort(self) -> Effort | None:
        """What the cheapest next step takes."""
        return self.step.effort if self.step else None

    @property
    def owner(self) -> str:
        """Who takes the cheapest next step."""
        return self.step.owner if self.step else ""

    @property
    def due(self) -> str:
        """By when the cheapest next step is to be taken."""
        return self.step.due if self.step else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One of the Standard's elements with its items. Items are counted, never weighed."""

    number: int
    title: str
    title_verified: bool
    points: tuple[Point, ...] = field(default=(), metadata={"key": "items"})

    def count(self, verdict: Verdict) -> int:
        """How many items have this verdict."""
        return sum(point.verdict == verdict for point in self.points)

    @property
    def on_file(self) -> int:
        """How many items there is evidence on file for."""
        return self.count("on_file")

    @property
    def missing(self) -> int:
        """How many items have a gap, in whole or in part."""
        return self.count("partly") + self.count("gap")

    @property
    def checked(self) -> int:
        """How many items were checked: all that neither wait for a person nor are said not to apply."""
        return self.on_file + self.missing

    @property
    def not_examined(self) -> int:
        """How many items wait for a person, or for more than one study's record."""
        return self.count("needs_person")

    @property
    def sentence(self) -> str:
        """The counts in words: ``evidence on file for 5 of the 6 items checked``."""
        if not self.points:
            return "the table lists no item"
        if not self.checked:
            only_study = all(p.level == "programme" for p in self.points) and all(p.known is None for p in self.points)
            return ("not examined: none of its items can be seen from one study" if only_study
                    else "no item checked yet: each waits for a person or is said not to apply")
        items = "item" if self.checked == 1 else "items"
        return f"evidence on file for {self.on_file} of the {self.checked} {items} checked"


    @property
    def aside(self) -> str:
        """What the sentence does not count, aloud: ``2 more items wait for a person, 1 is said not to apply``."""
        waiting, gone = self.not_examined, self.count("not_applicable")
        told = [f"{waiting} more {'item waits' if waiting == 1 else 'items wait'} for a person"] if waiting else []
        told += [f"{gone} {'is' if gone == 1 else 'are'} said not to apply"] if gone else []
        return ", ".join(told) if self.checked else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One box of a results chain, coloured by what stands behind it."""

    id: str
    level: str
    text: str
    state: Literal["measured", "planned", "none", "activity"]
    told: str = ""
    leads_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPicture:
    """One intervention's results chain as the page draws it."""

    title: str
    owner: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One document that cannot carry the weight put on it: empty, twice the same, over-used, contradicted."""

    document: str
    kind: str
    text: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Points of a verified official sheet that have evidence on file; a self-check, not a rating."""

    status: Status
    on_file: float
    of: float
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A self-check of one study's record, or of a whole programme, against a table of the DCED Standard.

    It is not an audit in the Standard's sense and rates nothing: only auditors approved by the DCED rate a
    programme. ``warning`` are the table's own words on how far it can be trusted; ``as_of`` is the date the file
    states; ``record`` holds (name, value) pairs that identify what was read: hashes and toolkit version;
    ``scope`` are sentences on what is in and out; ``totals`` the sums recomputed, a sentence each; ``flags`` the
    documents that cannot carry what is put on them; ``shares`` are filled only by a table whose every line is verified and
    carries points.
    """

    standard: str
    version: str
    warning: tuple[str, ...]
    subject: Level = "study"
    slug: str
    study_title: str
    programme: str
    language: str
    as_of: str
    elements: tuple[Element, ...]
    record: tuple[tuple[str, str], ...]
    simulated: bool | None
    fictional: bool = False
    status: Literal["draft", "final"]
    scope: tuple[str, ...] = ()
    chains: tuple[ChainPicture, ...] = ()
    totals: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def points(self) -> tuple[Point, ...]:
        """All items, in the table's order."""
        return tuple(point for element in self.elements for point in element.points)

    @property
    def fix_first(self) -> tuple[Point, ...]:
        """Must items with a gap, cheapest first: a key to fill in comes before new data or documents."""
        missing = [p for p in self.points if p.verdict in ("partly", "gap") and p.status == "must"]
        return tuple(sorted(missing, key=lambda p: EFFORTS.index(p.effort or "collect")))

    def point(self, internal_key: str) -> Point:
        """Look an item up by its key: ``rc_logic.own_chain``."""
        return next(p for p in self.points if p.internal_key == internal_key)

    def tidy(self) -> pd.DataFrame:
        """One row an item, with the columns of :data:`TIDY`."""
        import pandas as pd

        rows = [{"element": e.number, "element_title": e.title, **{c: getattr(p, c) for c in TIDY[2:]}}
                for e in self.elements for p in e.points]
        return pd.DataFrame(rows, columns=list(TIDY))

    def gaps(self) -> pd.DataFrame:
        """One row a gap, with the columns of :data:`GAPS`: the working list."""
        import pandas as pd

        rows = [{"internal_key": p.internal_key, "title": p.title, "status": p.status, "verdict": p.verdict,
                 "gap": g.text, **{c: getattr(g, c) for c in GAPS if c not in ("gap",) and hasattr(g, c)}}
                for p in self.points for g in p.gaps]
        return pd.DataFrame(rows, columns=list(GAPS))

    def __repr__(self) -> str:
        counts = {word: sum(p.verdict == word for p in self.points) for word in VERDICTS}
        told = ", ".join(f"{n} {word.replace('_', ' ')}" for word, n in counts.items() if n)
        return f"Self-check of {self.slug} ({self.subject}; no audit, no rating): {told}"

    def _repr_html_(self) -> str:
        from impact.dced.report.glance import fragment

        return fragment(self)

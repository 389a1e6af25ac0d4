"""One look for every format: colours, faces, and the ladder of type sizes a brief is fitted with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from impact.results.palette import COLOURS

__all__ = ["COLOURS", "LADDER", "OTHER_SCRIPTS", "SANS", "SERIF", "Layout"]

SANS = "Brief Sans"
SERIF = "Brief Serif"
# faces for what the brief's own do not have: family, files, and the list of its code points
OTHER_SCRIPTS = (("Noto Sans Arabic", "NotoSansArabic", "coverage-arabic.txt"),
                 ("Noto Sans Khmer", "NotoSansKhmer", "coverage-khmer.txt"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One step of the ladder: type sizes in points, line and row spacing, and how much of the record is shown.

    ``body`` and ``small`` are in points, ``lead`` in em, ``gap`` (least space between rows) in millimetres.
    ``limits``, ``checks`` and ``methods`` say how many lines of each list are printed (what is left
    out is counted in words); ``reason`` and ``limit`` are the most characters of a check's reason and of a limit, of which
    whole sentences are printed or none;
    ``rows`` outcomes are in the table and ``drawn`` in the figure, every primary outcome besides; ``flow`` gives the flow
    of units a row of its own, else it is a line of how we know; at most ``pictures`` of trends, event study and benchmark
    and ``splits`` by subgroup are drawn; ``calls`` prints the commands that remake the standard error; ``estimand``
    says on page 1 too what is estimated, which always stands under the table; ``head`` is the
    size of the title, ``facts`` sets how we know in the small type, and ``whom`` says on page 1 too
    whether the declared groups differ.
    """

    name: str
    body: float
    small: float
    lead: float
    gap: float
    limits: int = 6
    checks: int = 6
    methods: int = 4
    reason: int = 400
    limit: int = 520
    rows: int = 10
    drawn: int = 8
    flow: bool = True
    pictures: int = 2
    splits: int = 3
    calls: bool = True
    estimand: bool = True
    head: float = 20.0
    facts: bool = False
    whom: bool = True

    @property
    def facts_size(self) -> float:
        """The type size of how we know, in points."""
        return self.small + 0.2 if self.facts else self.body


_TYPE = {"comfortable": (10.2, 8.5, 0.64, 5.0), "normal": (9.8, 8.3, 0.60, 4.2), "compact": (9.4, 8.0, 0.56, 3.4),
         "tight": (9.1, 7.8, 0.52, 2.6)}
_FIRST_SHORT: dict[str, Any] = {"flow": False, "drawn": 6, "head": 18.0, "facts": True}
_CONTENT: dict[str, dict[str, Any]] = {
    "": {},
    ", flow in a line": {"flow": False},
    ", short first page": _FIRST_SHORT,
    ", shorter lists": {**_FIRST_SHORT, "limits": 4, "checks": 5, "methods": 5, "reason": 200, "limit": 320, "pictures": 1,
                        "splits": 2, "rows": 8},
    ", shortest lists": {**_FIRST_SHORT, "limits": 3, "checks": 3, "methods": 4, "reason": 150, "limit": 240, "pictures": 1,
                         "splits": 2, "rows": 6, "calls": False},
}


def _step(size: str, content: str) -> Layout:
    body, small, lead, gap = _TYPE[size]
    return Layout(name=size + content, body=body, small=small, lead=lead, gap=gap, **_CONTENT[content])


# Larger type is given up before content is: a reader can hold the page nearer, not read what is not there.
LADDER: tuple[Layout, ...] = (
    *(_step(size, content) for size in ("comfortable", "normal") for content in ("", ", flow in a line")),
    *(_step(size, content) for content in (", flow in a line", ", short first page") for size in ("compact", "tight")),
    *(_step(size, content) for content in (", shorter lists", ", shortest lists")
      for size in ("normal", "compact", "tight")),
    *(Layout(name=f"densest{kept}", body=9.1, small=7.7, lead=0.50, gap=gap, limits=3, checks=3, methods=3, reason=reason,
             limit=limit, rows=6, drawn=drawn, flow=False, pictures=0 if "no picture" in kept else 1, splits=1,
             calls=False, head=head, facts=True, estimand="first page" not in kept, whom="first page" not in kept)
      for kept, gap, drawn, head, reason, limit in (
          ("", 2.0, 5, 17.0, 170, 240), (", few reasons", 2.0, 5, 17.0, 70, 120),
          (", shortest first page", 1.6, 3, 16.0, 170, 240),
          (", shortest first page, few reasons", 1.6, 3, 16.0, 70, 120),
          (", shortest first page, no picture, few reasons", 1.6, 3, 16.0, 70, 120))),
)

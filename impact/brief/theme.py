"""One look for every format: colours, faces, and the ladder of type sizes a brief is fitted with."""

from __future__ import annotations

from dataclasses import dataclass

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
    out is counted in words); ``reason`` and ``limit`` are the most characters of a check's reason and of a limit;
    ``drawn`` outcomes are in the figure, every primary outcome besides; ``calls`` prints the commands that remake the
    standard error; ``head`` is the size of the title, and ``facts`` sets how we know in the small type.
    """

    name: str
    body: float
    small: float
    lead: float
    gap: float
    limits: int = 6
    checks: int = 6
    methods: int = 4
    reason: int = 170
    limit: int = 260
    drawn: int = 10
    calls: bool = True
    head: float = 20.0
    facts: bool = False

    @property
    def facts_size(self) -> float:
        """The type size of how we know, in points."""
        return self.small + 0.2 if self.facts else self.body


_TYPE = (("comfortable", 10.2, 8.5, 0.64, 5.0), ("normal", 9.8, 8.3, 0.60, 4.2),
         ("compact", 9.4, 8.0, 0.56, 3.4), ("tight", 9.1, 7.8, 0.52, 2.6))
_CONTENT = (
    # name, limits, checks, methods, reason, limit, drawn, calls
    ("", 6, 6, 6, 170, 260, 10, True),
    (", shorter lists", 4, 5, 5, 120, 200, 8, True),
    (", shortest lists", 3, 3, 4, 90, 160, 6, False),
)

# Larger type is given up before content is: a reader can hold the page nearer, not read what is not there.
LADDER: tuple[Layout, ...] = (
    *(Layout(name=name + kept, body=body, small=small, lead=lead, gap=gap, limits=limits, checks=checks,
             methods=methods, reason=reason, limit=limit, drawn=drawn, calls=calls, head=20.0 if calls else 18.0,
             facts=not calls)
      for kept, limits, checks, methods, reason, limit, drawn, calls in _CONTENT
      for name, body, small, lead, gap in _TYPE),
    Layout(name="densest", body=9.1, small=7.7, lead=0.50, gap=2.0, limits=3, checks=3, methods=3, reason=70,
           limit=120, drawn=5, calls=False, head=17.0, facts=True),
)

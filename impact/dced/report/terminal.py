"""The self-check in a terminal: one line an element, and what to do first."""

from __future__ import annotations

from impact.dced.report import words
from impact.dced.types import Audit, Element


def summary_lines(self_check: Audit) -> tuple[str, ...]:
    """Give one line an element: ``5 Tracking costs and impact: evidence on file for 1 of the 1 item checked``."""
    def tail(element: Element) -> str:
        if not element.on_file:
            return ""
        kind = "simulated data" if self_check.simulated else "fictional" if self_check.fictional else ""
        return f" ({kind}: no evidence for a real programme)" if kind else ""

    return tuple(f"{element.number} {element.title}: {element.sentence}{tail(element)}"
                 for element in self_check.elements)


def programme_lines(self_check: Audit, most: int = 5) -> tuple[str, ...]:
    """Tell a whole programme: what kind of page this is, the elements by verdict, and the cheapest steps."""
    lines = ["DCED self-check of a programme (no audit, no rating)", *(f"  {s.lower()}" for s in words.stamps(self_check))]
    for element, line in zip(self_check.elements, summary_lines(self_check), strict=True):
        lines += [f"  {line}", f"      {words.counts(element)}"]
    aside = words.not_applicable(self_check)
    lines += [f"  {line}" for line in (*([aside] if aside else []), *words.shares(self_check))]
    steps = [(p, g) for p in self_check.fix_first for g in p.gaps[:1]]
    if steps:
        lines.append("  fix first:")
    for point, gap in steps[:most]:
        who = f"; owner {gap.owner}" if gap.owner else ""
        about = f"{gap.about}: " if gap.about else ""
        lines.append(f"    {about}{gap.text} {gap.fix} ({words.EFFORT_SHORT[gap.effort]}{who})  [{point.internal_key}]")
    if len(steps) > most:
        lines.append(f"    and {len(steps) - most} more items with gaps")
    return tuple(lines)

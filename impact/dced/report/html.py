"""The self-check as one HTML page: one script of its own, no request, the same bytes for the same record."""

from __future__ import annotations

import base64
import hashlib
from itertools import groupby
from pathlib import Path
from typing import Any

from impact.dced.report import words
from impact.dced.types import EFFORTS, VERDICTS, Audit, Element, Evidence, Gap, Level, Point
from impact.dced.wording import shorten
from impact.results.record import write_text

FILE = "self-check.html"
UNNAMED = "nobody named"
MOST_GAPS, LONGEST_GAP = 2, 220  # told before their cure; the items below have all of them in full
_HERE = Path(__file__).parent


def write_self_check(audit: Audit, out: str | Path) -> Path:
    """Write ``self-check.html``.

    Parameters
    ----------
    audit : the self-check of one record.
    out : the folder to write to, made if it does not exist; or a path that ends in ``.html``.

    Returns
    -------
    Path
        The file written. Nothing in it depends on the clock or the machine.

    Raises
    ------
    ImpactError
        When the file cannot be written.
    """
    path = Path(out)
    return write_text(path if path.suffix == ".html" else path / FILE, self_check_html(audit))


def self_check_html(audit: Audit) -> str:
    """Lay the self-check out as the text of one HTML page; every word of a study or table is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    style, script = _asset("self_check.css") + _foot(audit), _asset("self_check.js")
    return environment.get_template("self_check.html.j2").render(
        audit=audit, style=style, script=script, style_hash=_hash(style), script_hash=_hash(script),
        stamps=words.stamps(audit), words=words, verdicts=VERDICTS, fixes=_fixes(audit), owners=_owners(audit),
        elements=[_element(element, audit.subject) for element in audit.elements],
        chains=[_chain(chain) for chain in audit.chains],
        unsure=not all(point.verified for point in audit.points), shares=words.shares(audit),
        record=[(words.RECORD.get(name, name), value) for name, value in audit.record])


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8").strip()


def _foot(audit: Audit) -> str:
    """Put the stamps, which are words of ours alone, at the foot of every printed page."""
    stamps = " · ".join(words.stamps(audit))
    return f'\n@page{{@bottom-center{{content:"{stamps}";font:bold 8pt sans-serif;color:#944A02}}}}' if stamps else ""


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _fixes(audit: Audit) -> list[dict[str, Any]]:
    """Group the cures of must items by what they take; a cure that serves several items stands once."""
    groups = []
    for effort in EFFORTS:
        cures: dict[str, dict[str, Any]] = {}
        for point in audit.fix_first:
            for gap in point.gaps:
                if gap.effort == effort and gap.fix:
                    cure = cures.setdefault(gap.fix, {"fix": gap.fix, "gaps": [], "points": []})
                    cure["gaps"].append(gap)
                    if point not in cure["points"]:
                        cure["points"].append(point)
        if cures:
            groups.append({"title": words.EFFORT[effort], "cures": [_cure(cure) for cure in cures.values()]})
    return groups


def _cure(cure: dict[str, Any]) -> dict[str, Any]:
    """Tell a cure once: for which interventions, by whom, and by the first of its dates."""
    gaps: list[Gap] = cure["gaps"]
    due = min((gap.due for gap in gaps if gap.due), default="")
    proposed = all(gap.due_proposed for gap in gaps if gap.due == due)
    lacking = list(dict.fromkeys(shorten(gap.text, LONGEST_GAP) for gap in gaps if gap.text))
    more = len(lacking) - MOST_GAPS
    return {**cure, "lacking": " ".join(lacking[:MOST_GAPS]) + (f" And {more} more of the kind." if more > 0 else ""),
            "about": _named(gap.about for gap in gaps), "owners": _named(gap.owner for gap in gaps),
            "due": f"{due}{' (proposed)' if due and proposed else ''}"}


def _named(names: Any) -> str:
    return ", ".join(dict.fromkeys(name for name in names if name))


def _owners(audit: Audit) -> list[str]:
    return sorted({gap.owner or UNNAMED for point in audit.points for gap in point.gaps})


def _element(element: Element, subject: Level) -> dict[str, Any]:
    grouped = groupby(element.points, key=lambda p: (p.control_point, p.status, p.note))
    controls = [{"title": title, "status": status, "note": note, "points": [_point(p, element.number) for p in points]}
                for (title, status, note), points in grouped]
    return {"number": element.number, "title": element.title, "title_verified": element.title_verified,
            "sentence": element.sentence, "on_file": element.on_file,
            "aside": element.aside if subject == "programme" else "",
            "left_out": _left_out(element) if subject == "study" else "", "controls": controls}


def _point(point: Point, number: int) -> dict[str, Any]:
    """Lay one item out: its evidence and gaps by the intervention they belong to."""
    owners = sorted({gap.owner or UNNAMED for gap in point.gaps})
    return {"point": point, "element": number, "known": words.known(point), "owners": "|".join(owners),
            "evidence": _by_subject(point.evidence), "gaps": _by_subject(point.gaps)}


def _by_subject(items: tuple[Evidence, ...] | tuple[Gap, ...]) -> list[tuple[str, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(item.about, []).append(item)
    return list(groups.items())


def _chain(chain: Any) -> dict[str, Any]:
    levels = ("activity", "output", "outcome", "impact")
    names = {step.id: step.text for step in chain.steps}
    rows = [(level, [(s, [names.get(t, t) for t in s.leads_to]) for s in chain.steps if s.level == level])
            for level in levels]
    return {"title": chain.title, "owner": chain.owner, "rows": [row for row in rows if row[1]]}


def _left_out(element: Element) -> str:
    """Say how many items one study's record cannot show."""
    count = sum(p.level == "programme" and p.known is None and p.verdict == "needs_person" and bool(p.reason)
                for p in element.points)
    if not count or not element.checked:
        return ""
    return f"{count} more {'item needs' if count == 1 else 'items need'} the programme's own documents or staff."

"""The self-check as one HTML page: no script, no request, the same bytes for the same record."""

from __future__ import annotations

import base64
import hashlib
from itertools import groupby
from pathlib import Path
from typing import Any

from impact.dced.types import EFFORTS, Audit, Effort, Element, Point
from impact.results.record import write_text

FILE = "self-check.html"
WORDS = {"on_file": "on file", "missing": "missing", "not_examined": "not examined here"}
EFFORT_WORDS: dict[Effort, str] = {
    "fill_in": "A key to fill in: write it in study.yaml and run again",
    "run_again": "Another run on the data at hand",
    "collect": "New data, documents or field work",
}
RECORD_WORDS = {"toolkit": "Toolkit version", "data": "Data", "study_sha256": "Study file (SHA-256)",
                "data_sha256": "Data (SHA-256)"}
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
    style = (_HERE / "self_check.css").read_text(encoding="utf-8").strip()
    return environment.get_template("self_check.html.j2").render(
        audit=audit, style=style, style_hash=_hash(style), stamps=_stamps(audit), words=WORDS, fixes=_fixes(audit),
        elements=[_element(element) for element in audit.elements],
        unsure=not all(point.verified for point in audit.points),
        record=[(RECORD_WORDS.get(name, name), value) for name, value in audit.record])


def _hash(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")


def _stamps(audit: Audit) -> list[str]:
    draft = ["DRAFT"] if audit.status == "draft" else []
    return draft + (["SIMULATED DATA"] if audit.simulated else [])


def _fixes(audit: Audit) -> list[dict[str, Any]]:
    """Group the cures of missing must items by what they take; a cure that serves several items stands once."""
    groups = []
    for effort in EFFORTS:
        cures: dict[str, list[Point]] = {}
        for point in audit.fix_first:
            for gap in point.gaps:
                if gap.effort == effort and gap.fix:
                    served = cures.setdefault(gap.fix, [])
                    served += [point] if point not in served else []
        if cures:
            groups.append({"title": EFFORT_WORDS[effort], "cures": list(cures.items())})
    return groups


def _element(element: Element) -> dict[str, Any]:
    grouped = groupby(element.points, key=lambda p: (p.control_point, p.status, p.note))
    controls = [{"title": title, "status": status, "note": note, "points": list(points)}
                for (title, status, note), points in grouped]
    return {"number": element.number, "title": element.title, "title_verified": element.title_verified,
            "sentence": element.sentence, "on_file": element.on_file, "left_out": _left_out(element),
            "controls": controls}


def _left_out(element: Element) -> str:
    count = element.not_examined
    if not count or not element.checked:
        return ""
    return f"{count} more {'item needs' if count == 1 else 'items need'} the programme's own documents or staff."

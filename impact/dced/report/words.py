"""The words of the report for what the record keeps as codes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from impact.dced.types import Audit, Effort, Element, Known, Mode, Point, Verdict

if TYPE_CHECKING:
    from markupsafe import Markup

_WHOLE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b|\b(?:pp?\.|rows?) \d+(?:-\d+)?")
VERDICT: dict[Verdict, str] = {
    "on_file": "on file", "partly": "partly on file", "gap": "gap", "needs_person": "needs a person",
    "not_applicable": "not applicable",
}
VERDICT_TOLD: dict[Verdict, str] = {
    "on_file": "the evidence stands in a named file, at a named place",
    "partly": "some of it is on file; what is not stands under Gap",
    "gap": "it could be on file and is not",
    "needs_person": "nobody has judged it yet: a named person must",
    "not_applicable": "a named person says it does not apply, with a reason; it is counted apart",
}
KNOWN: dict[Known, str] = {
    "checked": "checked by program", "declared_with_evidence": "declared with evidence", "declared_only": "declared only",
}
MODE: dict[Mode, str] = {
    "program": "the program checks it", "partly": "the program checks a part, a person judges the rest",
    "asked": "only a person can say",
}
EFFORT: dict[Effort, str] = {
    "fill_in": "Fill in: write down what is known",
    "ask": "Ask: a named person judges, with date",
    "file": "File: find a paper, register it, name page, sheet or row",
    "run_again": "Run again: another run or calculation on the data at hand",
    "collect": "Collect: new data, documents or field work",
}
EFFORT_SHORT: dict[Effort, str] = {
    "fill_in": "fill in", "ask": "ask", "file": "file", "run_again": "run again", "collect": "collect",
}
RECORD = {"toolkit": "Toolkit version", "data": "Data", "study_sha256": "Study file (SHA-256)",
          "data_sha256": "Data (SHA-256)", "programme_file": "Programme file",
          "programme_sha256": "Programme file (SHA-256)", "documents": "Documents registered",
          "interventions": "Interventions"}
NOT_AN_AUDIT = ("It is not an audit and it gives no rating. Only auditors approved by the DCED rate a programme.")
NOT_GAMEABLE = (
    "This self-check is hard to please on purpose. A document that is empty, lost, made up or registered twice carries no "
    "evidence, and one cited for too many statements is named below. Evidence needs a page, sheet or row, and where the "
    "file can tell, it must be there. Dates that contradict the history of a file are shown. ‘Not applicable’ needs a "
    "reason and a name, and is counted aloud. What is declared only never counts as on file.")


def counts(element: Element) -> str:
    """Tell the items of an element by verdict, those of no item left out: ``7 on file, 2 partly on file, 1 gap``."""
    several = {"gap": "gaps", "needs_person": "need a person"}
    told = [(n, several.get(v, VERDICT[v]) if n > 1 else VERDICT[v]) for v in VERDICT if (n := element.count(v))]
    return ", ".join(f"{n} {word}" for n, word in told)


def not_applicable(audit: Audit) -> str:
    """Count aloud what is said not to apply."""
    n = sum(point.verdict == "not_applicable" for point in audit.points)
    if audit.subject == "study" or not n:
        return ""
    return f"{n} {'item is' if n == 1 else 'items are'} said not to apply; each gives its reason and who said so."


def unbroken(text: str) -> Markup:
    """Escape a text for a page and keep its dates, and the numbers of its pages and rows, on one line."""
    from markupsafe import Markup, escape

    return Markup(_WHOLE.sub(r'<span class="nobreak">\g<0></span>', str(escape(text))))


def known(point: Point) -> str:
    """Say how a verdict is known."""
    return KNOWN[point.known] if point.known else "not known yet"


def stamps(audit: Audit) -> tuple[str, ...]:
    """Words that stand on every page of a draft, of simulated data and of a fictional programme."""
    return tuple(word for word, so in (("DRAFT", audit.status == "draft"), ("SIMULATED DATA", bool(audit.simulated)),
                                       ("FICTIONAL PROGRAMME", audit.fictional)) if so)


def shares(audit: Audit) -> tuple[str, ...]:
    """Tell the shares of must and recommended points apart; only a table verified line by line fills them."""
    out = []
    for share in audit.shares:
        left = f"; {share.left_out} not applicable left out of both" if share.left_out else ""
        most = 100 if share.on_file >= share.of else 99  # never rounded up to all
        part = f" ({min(most, round(100 * share.on_file / share.of))} per cent)" if share.of else ""
        out.append(f"Self-check, {share.status} items: evidence on file for {share.on_file:g} of {share.of:g} points{part}"
                   f"{left}.")
    return tuple(out)

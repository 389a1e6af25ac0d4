"""Every file of a self-check, in memory, by name: each name and each page says 'self-check'."""

from __future__ import annotations

from typing import Any

from impact.dced.report import words
from impact.dced.report.html import FILE, self_check_html
from impact.dced.report.sheets import self_check_xlsx
from impact.dced.types import Audit, Element
from impact.results.record import plain, to_json

RECORD, WORKBOOK = "self-check.json", "self-check.xlsx"
FORMAT = 1


def outputs(audit: Audit) -> dict[str, str | bytes]:
    """Make self-check.html, self-check.xlsx and self-check.json; nothing is written."""
    return {FILE: self_check_html(audit), WORKBOOK: self_check_xlsx(audit), RECORD: self_check_json(audit)}


def self_check_json(audit: Audit) -> str:
    """Write a self-check as JSON: items with verdict, evidence and gaps; counts by element, never added up.

    Points of an official sheet are no part of it: what they come to stands on the page of whoever holds that sheet.
    """
    record = plain(audit)
    shares = record.pop("shares")
    head = {"what": "DCED self-check", "is": words.NOT_AN_AUDIT, "format": FORMAT}
    elements = [{**row, **_counts(element)} for row, element in zip(record.pop("elements"), audit.elements, strict=True)]
    return to_json({**head, **record, **({"self_check_shares": shares} if shares else {}), "elements": elements})


def _counts(element: Element) -> dict[str, Any]:
    return {"self_check": element.sentence, "counted": {v: element.count(v) for v in words.VERDICT}}

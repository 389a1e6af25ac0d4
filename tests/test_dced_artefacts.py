"""Each artefact of a complete programme is damaged in turn: exactly the items of the committed table change."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_programme import DOCUMENTS, checked, row, tree

from impact.dced.items import MODES
from impact.dced.rules import RULES

TABLE = Path(__file__).parent / "reference" / "dced_artefacts.csv"
Values = dict[str, Any]


def setting(table: str, code: str, **keys: Any) -> Callable[[Values], None]:
    """Change keys of one record; the value ... takes a key away."""
    def change(values: Values) -> None:
        record = row(values, table, code)
        for key, value in keys.items():
            if value is ...:
                record.pop(key, None)
            else:
                record[key] = value
    return change


def all_of(table: str, test: Callable[[Values], bool] = lambda r: True, **keys: Any) -> Callable[[Values], None]:
    """Change keys of every record of a table that passes a test."""
    def change(values: Values) -> None:
        for record in values[table]:
            if test(record):
                for key, value in keys.items():
                    if value is ...:
                        record.pop(key, None)
                    else:
                        record[key] = value
    return change


def emptied(table: str, test: Callable[[Values], bool] = lambda r: True) -> Callable[[Values], None]:
    """Take the records of a table away that pass a test."""
    def change(values: Values) -> None:
        values[table] = [record for record in values[table] if not test(record)]
    return change


def inside(table: str, code: str, key: str, index: int | None = None, **keys: Any) -> Callable[[Values], None]:
    """Change keys of the records inside a record: of one, or of all."""
    def change(values: Values) -> None:
        records = row(values, table, code)[key]
        for record in records if index is None else [records[index]]:
            for name, value in keys.items():
                if value is ...:
                    record.pop(name, None)
                else:
                    record[name] = value
    return change


def conventions(**keys: Any) -> Callable[[Values], None]:
    def change(values: Values) -> None:
        for key, value in keys.items():
            if value is ...:
                del values["conventions"][key]
            else:
                values["conventions"][key] = value
    return change


def no_chain(values: Values) -> None:
    """One intervention has no chain; what named its boxes names none."""
    values["chains"] = [c for c in values["chains"] if c["intervention"] != "loans"]


def measured(indicator: str, kind: str, **keys: Any) -> Callable[[Values], None]:
    return all_of("measurements", lambda m: m["indicator"] == indicator and m["kind"] == kind, **keys)


def said(item: str, **keys: Any) -> Callable[[Values], None]:
    return all_of("answers", lambda a: a["item"] == item, **keys)


def inputs(**values: float) -> list[dict[str, Any]]:
    return [{"name": name, "value": value, "evidence": ["D11 p. 5"]} for name, value in values.items()]


DAMAGES: dict[str, Callable[[Values], None]] = {
    "chain taken away": no_chain,
    "chain drawing not cited": setting("chains", "loans_v1", evidence=[]),
    "box left alone": lambda v: row(v, "chains", "loans_v1")["boxes"].append(
        {"id": "alone", "level": "output", "text": "Alone", "indicators": ["loans_sold"]}),
    "circle in the chain": lambda v: row(v, "chains", "loans_v1")["arrows"].append(
        {"from": "use", "to": "sell", "evidence": ["D03 p. 3"]}),
    "box nothing leads to": lambda v: (
        row(v, "chains", "loans_v1")["boxes"].append(
            {"id": "new", "level": "outcome", "text": "From nowhere", "indicators": ["loans_uses"]}),
        row(v, "chains", "loans_v1")["arrows"].append({"from": "new", "to": "earn", "evidence": ["D03 p. 3"]})),
    "box that leads nowhere": lambda v: (
        row(v, "chains", "loans_v1")["boxes"].append(
            {"id": "new", "level": "outcome", "text": "To nowhere", "indicators": ["loans_uses"]}),
        row(v, "chains", "loans_v1")["arrows"].append({"from": "sell", "to": "new", "evidence": ["D03 p. 3"]})),
    "level jumped": lambda v: row(v, "chains", "loans_v1")["arrows"].append(
        {"from": "train", "to": "use", "evidence": ["D03 p. 3"]}),
    "box without indicator": inside("chains", "loans_v1", "boxes", 1, indicators=[]),
    "link without source": inside("chains", "loans_v1", "arrows", 0, evidence=[]),
    "link cites a younger paper": inside("chains", "loans_v1", "arrows", 0, evidence=["D11 p. 2"]),
    "link cites no page": inside("chains", "loans_v1", "arrows", 0, evidence=["D03"]),
    "link cites a place that is none": inside("chains", "loans_v1", "arrows", 0, evidence=["D03 whole document"]),
    "assumptions taken away": setting("chains", "loans_v1", assumptions=[]),
    "assumption never checked": inside("chains", "loans_v1", "assumptions", checked=...),
    "review left out": lambda v: row(v, "chains", "loans_v1")["reviews"].pop(0),
    "review without reason": inside("chains", "loans_v1", "reviews", 0, reason=...),
    "version without reason": setting("chains", "seeds_v2", reason=...),
    "gender not stated": setting("interventions", "loans", gender=...),
    "lasting not stated": setting("interventions", "loans", lasting=...),
    "displacement not stated": setting("interventions", "loans", displacement=...),
    "indicator without definition": setting("indicators", "loans_sold", definition=...),
    "another unit for a common indicator": setting("indicators", "loans_income", unit="KES a year"),
    "common indicator no longer one": setting("indicators", "loans_jobs", common=..., key=True),
    "sustainability indicator unmarked": setting("indicators", "loans_goes_on", sustainability=False),
    "questions on how and why taken away": emptied("questions", lambda q: q["intervention"] == "loans"),
    "FTE days not declared": conventions(fte_days=...),
    "projection taken away": emptied("projections", lambda p: p["id"] == "loans_p_income"),
    "projection formula broken": setting("projections", "loans_p_income", formula="before - more"),
    "projection input without source": inside("projections", "loans_p_income", "inputs", 0, evidence=[]),
    "projection never reviewed": setting("projections", "loans_p_income", history=[]),
    "projection far off and not revised": setting("projections", "loans_p_income", date="2026-01-31", value=1000,
                                                  formula="before * more / 28", history=[]),
    "baseline date taken away": measured("loans_income", "baseline", measured=...),
    "baseline after the change": measured("loans_income", "baseline", measured="2024-08-01"),
    "baseline plan taken away": setting("indicators", "loans_income", baseline=...),
    "baseline questionnaire lost": setting("rounds", "loans_baseline", questionnaire=[]),
    "impact data lost": setting("rounds", "loans_impact", raw_data=[], clean_data=[]),
    "indicator without owner": setting("indicators", "loans_sold", owner=...),
    "indicator nobody measured": emptied("measurements", lambda m: m["indicator"] == "loans_sold"),
    "unintended effects not asked": setting("rounds", "loans_impact", unintended=...),
    "finding taken away": emptied("findings", lambda f: f["id"] == "loans_f_use"),
    "method not named": setting("attributions", "loans_a_use", method=...),
    "comparison not named": setting("attributions", "loans_a_use", comparison=[]),
    "assessment does not recompute": setting("attributions", "loans_a_use", value=55),
    "assessment is the whole change": setting("attributions", "loans_a_use", value=50, formula="end - start",
                                              inputs=inputs(end=60, start=10)),
    "other causes not considered": setting("attributions", "loans_a_use", other_causes=...),
    "assessment paper not cited": setting("attributions", "loans_a_use", evidence=[]),
    "result follows from nothing": setting("results", "loans_r_income", attribution=..., formula=..., inputs=[]),
    "gross change called attributable": setting("results", "loans_r_income", value=120000, formula="farms * more * 4"),
    "gross change of the assessed indicator": lambda v: (
        row(v, "attributions", "loans_a_earn").update(indicator="loans_uses"),
        row(v, "results", "loans_r_income").update(formula="farms * gross", inputs=inputs(farms=600, gross=50))),
    "income worked out from another number": setting("results", "loans_r_income", inputs=inputs(farms=250, more=120)),
    "income printed straight from a survey": inside("reports", "report_2025", "figures", 1, traces_to="loans_impact"),
    "number who gained without a comparison": setting("results", "loans_r_scale", share_comparison=...),
    "gross result printed": lambda v: (setting("results", "loans_r_income", basis="gross")(v),
                                       inside("reports", "report_2025", "figures", 1, traces_to="loans_r_income",
                                              value=30000)(v)),
    "systemic change taken away": emptied("systemic"),
    "systemic change without plan": setting("systemic", "copying_seeds", plan=...),
    "systemic change overdue": setting("systemic", "copying_seeds", assessed=...),
    "contribution to systemic change not argued": setting("systemic", "copying_seeds", contribution=...),
    "cost year taken away": emptied("costs", lambda c: c["date"].startswith("2024")),
    "cost line too high": lambda v: v["costs"][0].update(amount=50000),
    "allocation rule taken away": conventions(allocation_rule=...),
    "accounts not cited": all_of("accounts", lambda a: a["year"] == 2025, evidence=[]),
    "total too high": setting("totals", "T_scale", value=600, split={"women": 300, "men": 300}),
    "total without population": setting("totals", "T_scale", population=...),
    "result without population": setting("results", "loans_r_scale", population=...),
    "list of codes lost": setting("results", "loans_r_scale", ids="documents/codes.txt"),
    "list of codes shorter than the figure": setting("results", "loans_r_scale", ids="documents/D11.md"),
    "jobs from days by another rule": setting("results", "loans_r_jobs", days=1500),
    "overlap taken away": emptied("overlaps"),
    "overlap without reason or paper": all_of("overlaps", way="none", value=..., reason=..., evidence=[]),
    "report of a year taken away": emptied("reports", lambda r: r["id"] == "report_2024"),
    "report figure traces to nothing": inside("reports", "report_2025", "figures", 1, traces_to=...),
    "report figure differs": inside("reports", "report_2025", "figures", 1, value=66000),
    "projection shown as measured": inside("reports", "report_2025", "figures", 1, traces_to="loans_p_income", value=380,
                                           shown_as="measured"),
    "contributions not reported": setting("reports", "report_2025", contributions_place=...),
    "partner's contribution taken away": emptied("contributions", lambda c: c["intervention"] == "loans"),
    "split by sex does not add up": setting("results", "loans_r_scale", split={"women": 150, "men": 100}),
    "systemic part of the report taken away": setting("reports", "report_2025", systemic_place=...),
    "report not published": setting("reports", "report_2025", published=...),
    "meetings taken away": emptied("meetings", lambda m: m["id"] in ("M1", "M2")),
    "decision follows from nothing": setting("decisions", "dec1", followed_from=[]),
    "task with nobody": all_of("tasks", lambda t: t["person"] == "measurer", person=...),
    "task with one who left": setting("staff", "field_loans", ends="2025-12-31"),
    "job description lost": setting("staff", "field_loans", job_description=[]),
    "induction left out": emptied("trainings", lambda t: t["kind"] == "induction"),
    "measurement budget too small": conventions(measurement_budget=15000),
    "guidance on an element missing": emptied("guidance", lambda g: g["element"] == 4),
    "manual not circulated": emptied("circulations"),
    "quality check left out": emptied("quality_reviews", lambda q: q["subject"] == "loans_impact"),
    "work plan lost": setting("staff", "field_loans", work_plan=[]),
    "interview answer taken away": emptied("answers", lambda a: a["item"] == "rc_logic.staff_use"),
    "interview without notes": said("rc_logic.staff_use", evidence=[]),
    "judgement without a name": said("attribution.method", by=...),
    "judgement says no": said("attribution.method", judgement="no"),
    "not applicable without a name": lambda v: v.update(not_applicable=[
        {"item": "systemic_plan.described", "reason": "None is expected."}]),
}
PAPERS: dict[str, dict[str, str]] = {
    "baseline of loans empty": {"D09": ""},
    "market study of loans empty": {"D03": " \n"},
    "cleaning log empty": {"D15": ""},
    "manual empty": {"D01": ""},
    "annual report empty": {"D22": ""},
    "aggregation sheet a copy of the overlap note": dict.fromkeys(("D18", "D17"), "the same words\n" * 30),
    "aggregation sheet cut short": {"D17": "Rows 2 to 4 are not here any more"},
}


def expected() -> dict[str, tuple[str, frozenset[str]]]:
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return {r["damage"]: (r["artefact"], frozenset(r["items"].split())) for r in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return checked(tmp_path_factory.mktemp("whole"))


def changed(before, after) -> frozenset[str]:
    return frozenset(a.internal_key for a, b in zip(before.points, after.points, strict=True)
                     if (a.verdict, a.gaps) != (b.verdict, b.gaps))


def test_a_complete_programme_has_every_item_on_file(whole):
    assert {p.internal_key: (p.verdict, p.gap) for p in whole.points if p.verdict != "on_file"} == {}
    assert whole.flags == ()


@pytest.mark.parametrize("damage", [*DAMAGES, *PAPERS])
def test_a_damaged_artefact_changes_exactly_its_items(damage, whole, tmp_path):
    found = checked(tmp_path, DAMAGES.get(damage), PAPERS.get(damage))
    assert changed(whole, found) == expected()[damage][1]
    for point in found.points:
        if point.internal_key in expected()[damage][1]:
            assert point.verdict in ("partly", "gap", "needs_person")
            assert point.gaps or point.verdict == "needs_person"


def test_the_table_lists_every_damage_and_reaches_every_item():
    table = expected()
    assert set(table) == {*DAMAGES, *PAPERS}
    assert all(artefact for artefact, _ in table.values())
    reached = frozenset().union(*(items for _, items in table.values()))
    assert reached <= set(MODES)
    asked_only = {key for key, mode in MODES.items() if mode == "asked"} - reached
    assert set(RULES) - reached == asked_only  # the other three items only people can speak of follow the same rule


def test_every_document_of_the_complete_programme_is_used():
    assert set(DOCUMENTS) <= {word.split()[0] for word in str(tree()).replace("'", " ").replace("[", " ").split("D")
                              for word in [f"D{word}"] if word[1:3].isdigit()}

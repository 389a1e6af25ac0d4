"""A small programme in which every item of the table has its evidence on file; made up, and marked so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from impact.dced import Audit, audit
from impact.dced.items import QUESTIONS

TODAY = "2026-06-30"
NAMES = {"seeds": "Better seeds", "loans": "Small loans"}
STAFF = ("manager", "measurer", "field_seeds", "field_loans")
DOCUMENTS: dict[str, tuple[str, str, str]] = {  # id: title, kind, date
    "D01": ("Results measurement manual", "manual", "2024-02-01"),
    "D02": ("Market study of farm inputs", "market_study", "2023-10-15"),
    "D03": ("Study of small lenders", "market_study", "2023-11-10"),
    "D04": ("Chain of better seeds", "results_chain", "2024-03-01"),
    "D05": ("Chain of small loans", "results_chain", "2024-03-02"),
    "D06": ("Chain of better seeds, revised", "results_chain", "2025-03-01"),
    "D07": ("Projections", "projection_sheet", "2024-03-15"),
    "D08": ("Baseline of seeds", "baseline_report", "2024-04-20"),
    "D09": ("Baseline of loans", "baseline_report", "2024-04-25"),
    "D10": ("Impact study of seeds", "impact_report", "2026-03-01"),
    "D11": ("Impact study of loans", "impact_report", "2026-03-05"),
    "D12": ("Field papers of both rounds", "questionnaire", "2024-04-01"),
    "D13": ("Data of the baseline", "data", "2024-04-30"),
    "D14": ("Data of the impact round", "data", "2026-02-20"),
    "D15": ("Cleaning log", "cleaning_log", "2026-02-25"),
    "D16": ("Interview notes", "interview_notes", "2026-02-10"),
    "D17": ("Aggregation sheet", "aggregation_sheet", "2026-03-20"),
    "D18": ("Overlap note", "overlap_note", "2026-03-18"),
    "D19": ("Accounts 2024", "financial_report", "2025-02-15"),
    "D20": ("Accounts 2025", "financial_report", "2026-02-15"),
    "D21": ("Annual report 2024", "annual_report", "2025-03-31"),
    "D22": ("Annual report 2025", "annual_report", "2026-03-31"),
    "D23": ("Agreements with partners", "agreement", "2024-02-20"),
    "D24": ("Minutes of portfolio reviews", "minutes", "2026-04-15"),
    "D25": ("Market strategy", "strategy", "2024-02-25"),
    "D26": ("Systemic change assessment", "impact_report", "2026-03-10"),
    "D27": ("Job descriptions", "job_description", "2024-01-20"),
    "D28": ("Work plans", "work_plan", "2026-01-15"),
    "D29": ("Training records", "training_record", "2025-02-10"),
    "D30": ("Budget", "cost_table", "2024-01-10"),
    "D31": ("Quality checks", "quality_review", "2026-03-12"),
    "D32": ("Minutes of chain reviews", "minutes", "2026-03-02"),
}


def tree() -> dict[str, Any]:
    """Make the complete programme as plain values, to be changed at will."""
    out: dict[str, Any] = {
        "name": "Rural Enterprise Programme (made up)", "as_of": TODAY, "simulated": True, "country": "Nowhere",
        "donors": ["A made-up donor"], "project_number": "P-1", "begins": "2024-01-01", "ends": "2027-12-31",
        "currency": "USD", "edition": "VIII", "scope": "All interventions that have begun.",
        "conventions": {
            "fte_days": 240, "fte_source": "Manual", "jobs_above_one": False, "owners": "counted",
            "unpaid_family": "not_counted", "jobs_kept": "apart", "review_months": 12, "meeting_months": 12,
            "overlap_rule": "Lists are compared by a sample each year; the share in both is deducted.",
            "allocation_rule": "Shared costs by direct costs.", "measurement_budget": 60000,
            "measurement_budget_evidence": ["D30 p. 2"]},
        "staff": [{"id": name, "name": f"Name of {name}", "role": f"Role of {name}", "senior": True, "begins": "2024-01-05",
                   "team": "results_measurement" if name == "measurer" else
                   "management" if name == "manager" else "implementation",
                   "job_description": [f"D27 p. {n}"], "work_plan": [f"D28 p. {n}"]} for n, name in enumerate(STAFF, 1)],
        "tasks": [{"text": f"Task of {name}", "person": name, "items": ["monitoring.plan"]} for name in STAFF],
        "trainings": [{"date": "2024-02-10", "kind": "induction", "people": list(STAFF), "evidence": ["D29 p. 1"]},
                      {"date": "2025-02-10", "kind": "follow_up", "people": list(STAFF), "evidence": ["D29 p. 3"]}],
        "documents": [{"id": name, "title": title, "kind": kind, "date": date, "file": f"documents/{name}.md",
                       "version": "1.0", "owner": "measurer"} for name, (title, kind, date) in DOCUMENTS.items()],
        "interventions": [], "contributions": [], "chains": [], "indicators": [], "questions": [], "rounds": [],
        "measurements": [], "projections": [], "attributions": [], "results": [], "findings": [], "sustainability": [],
        "systemic": [{
            "id": "copying_seeds", "kind": "copying", "text": "Farms that bought nothing copy the seed.",
            "interventions": ["seeds", "loans"], "box": "copy", "indicators": ["seeds_copying"],
            "plan": "Survey of neighbours in 2026.", "double_counting": "Farms on the buyers' lists are left out.",
            "planned": "2026-02-01", "assessed": "2026-03-10", "actors": "Farms beside those that bought.",
            "method": "Survey of 100 neighbours.", "value": 60, "contribution": "Neighbours name the plots they saw.",
            "strategy": ["D25 p. 4"], "evidence": ["D26 p. 3"]}],
        "overlaps": [{"first": "seeds", "second": "loans", "way": "share", "value": 0.1,
                      "reason": "Asked in a sample of 80.",
                      "evidence": ["D18 p. 1"]}],
        "totals": [
            {"id": "T_scale", "common": "scale", "value": 570, "split": {"women": 285, "men": 285},
             "population": "Farms and firms with a gain", "method": "Sum less overlap", "evidence": ["D17 row 2"]},
            {"id": "T_income", "common": "income", "value": 57000, "population": "The same", "method": "Sum less overlap",
             "evidence": ["D17 row 3"]},
            {"id": "T_jobs", "common": "jobs", "value": 13.3, "split": {"women": 5, "men": 8.3}, "population": "Workers",
             "method": "Sum less overlap", "evidence": ["D17 row 4"]}],
        "costs": [{"date": f"{year}-12-31", "item": item, "component": component, "purpose": purpose, "kind": "actual",
                   "amount": amount} for year in (2024, 2025) for item, component, purpose, amount in (
                       ("Seeds", "Farming", "activities", 40000), ("Loans", "Finance", "activities", 30000),
                       ("Surveys", None, "results_measurement", 10000), ("Office", None, "management", 20000))]
        + [{"date": "2026-05-31", "item": "Seeds", "component": "Farming", "purpose": "activities", "kind": "actual",
            "amount": 20000}],
        "accounts": [{"year": 2024, "amount": 100000, "cumulative": 100000, "evidence": ["D19 p. 2"]},
                     {"year": 2025, "amount": 100000, "cumulative": 200000, "evidence": ["D20 p. 2"]}],
        "reports": [_report(2024, "D21", []), _report(2025, "D22", [
            _figure("Enterprises that gained", 570, "T_scale", "estimated", common="scale",
                    split={"women": 285, "men": 285}),
            _figure("Extra income", 57000, "T_income", "estimated", common="income"),
            _figure("Jobs", 13.3, "T_jobs", "estimated", common="jobs", split={"women": 5, "men": 8.3}),
            _figure("Spent so far", 200000, "D20", "cost")])],
        "meetings": [{"id": f"M{n}", "date": date, "kind": "portfolio review", "evidence": [f"D24 p. {n}"]}
                     for n, date in enumerate(("2024-06-15", "2025-05-15", "2026-04-15"), 1)],
        "decisions": [{"id": "dec1", "date": "2026-04-15", "text": "Stop the loans of the second kind.", "meeting": "M3",
                       "followed_from": ["loans_impact"], "changed": "The second kind was closed.",
                       "changed_on": "2026-05-10", "by": "manager", "evidence": ["D24 p. 4"]}],
        "guidance": [{"element": n, "evidence": [f"D01 p. {10 + n}"]} for n in range(1, 8)],
        "circulations": [{"document": "D01", "date": "2024-02-05", "people": list(STAFF), "evidence": ["D29 p. 9"]}],
        "quality_reviews": [{"subject": f"{name}_{kind}", "date": "2026-03-12", "by": "manager",
                             "finding": "Two forms were not dated.", "owner": "measurer", "due": "2026-04-30",
                             "closed": "2026-04-10", "evidence": [f"D31 p. {n}"]}
                            for n, (name, kind) in enumerate(((a, b) for a in NAMES for b in ("baseline", "impact")), 1)],
        "answers": [{"item": item, "question": question, "answer": "It holds.", "judgement": "yes", "by": "Ann Example",
                     "role": "adviser", "date": "2026-06-01", "recorded_by": "Ben Example", "evidence": [f"D16 p. {n}"]}
                    for n, (item, question) in enumerate(QUESTIONS.items(), 1)],
    }
    for name in NAMES:
        _add(out, name)
    out["measurements"].append({"indicator": "seeds_copying", "kind": "final", "measured": "2026-03-10", "value": 60,
                                "evidence": ["D26 p. 2"]})
    return out


def _report(year: int, document: str, figures: list[dict[str, Any]]) -> dict[str, Any]:
    figures = figures or [_figure("Spent in the year", 100000, "D19", "cost")]
    return {"id": f"report_{year}", "document": document, "begins": f"{year}-01-01", "ends": f"{year}-12-31",
            "date": f"{year + 1}-03-31", "published": f"{year + 1}-04-10", "link": f"https://example.org/report-{year}",
            "method_place": "p. 12", "costs_place": "p. 9", "contributions_place": "p. 10", "systemic_place": "p. 11",
            "figures": figures}


def _figure(label: str, value: float, traces_to: str, shown_as: str, **more: Any) -> dict[str, Any]:
    return {"label": label, "value": value, "place": "p. 7", "shown_as": shown_as, "traces_to": traces_to, **more}


def _add(out: dict[str, Any], name: str) -> None:
    """Add one intervention with its chain, indicators, rounds, values, projections, assessments and results."""
    seeds = name == "seeds"
    owner, study = f"field_{name}", "D02" if seeds else "D03"
    out["interventions"].append({
        "id": name, "name": NAMES[name], "status": "active", "in_scope": True, "begins": "2024-03-01",
        "change_began": "2024-06-01", "component": "Farming" if seeds else "Finance", "area": "North",
        "target_group": "Small farms", "partners": ["A company"], "owner": owner,
        "reached": {"total": 500, "women": 250, "men": 250},
        "gender": {"text": "Women sow and men buy.", "evidence": [f"{study} p. 5"]},
        "lasting": {"text": "The company earns on each sale.", "evidence": [f"{study} p. 6"]},
        "displacement": {"risk": False, "text": "Demand is larger than supply.", "evidence": [f"{study} p. 7"]}})
    out["contributions"].append({"intervention": name, "from": "A company", "kind": "private", "amount": 5000,
                                 "date": "2024-05-01", "evidence": [f"D23 p. {1 + seeds}"]})
    first = _chain(name, f"{name}_v1", "2024-03-05", "D04" if seeds else "D05", study, "First drawing.")
    first["reviews"] = [_review("2025-03-01", seeds, 1)]
    out["chains"].append(first)
    if seeds:
        second = _chain(name, "seeds_v2", "2025-03-05", "D06", study, "The company now trains the shops itself.")
        second["reviews"] = [_review("2026-02-20", False, 2)]
        out["chains"].append(second)
    else:
        first["reviews"].append(_review("2026-02-21", False, 3))
    out["indicators"] += _indicators(name, owner)
    out["questions"] += [{"intervention": name, "level": level, "text": f"How do farms come to {level}?", "owner": owner,
                          "method": "Interviews"} for level in ("outcome", "impact")]
    out["rounds"] += [_round(name, "baseline", "2024-04-15", "D08" if seeds else "D09", owner),
                      _round(name, "impact", "2026-02-15", "D10" if seeds else "D11", owner)]
    for indicator, before, after in (("uses", 10, 60), ("scale", 0, 330), ("income", 100, 400), ("jobs", 0, 7.5),
                                     ("goes_on", 0, 1), ("sold", 0, 50)):
        out["measurements"] += [
            {"indicator": f"{name}_{indicator}", "kind": kind, "planned": planned, "measured": measured, "value": value,
             "round": f"{name}_{source}", "evidence": [f"{paper} p. {len(indicator)}"]}
            for kind, planned, measured, value, source, paper in (
                ("baseline", "2024-04-15", "2024-04-15", before, "baseline", "D08" if seeds else "D09"),
                ("final", "2026-02-15", "2026-02-15", after, "impact", "D10" if seeds else "D11"))]
    for indicator, value, inputs in (("scale", 320, {"farms": 400, "share": 0.8}),
                                     ("income", 380, {"before": 100, "more": 280}),
                                     ("jobs", 8, {"shops": 4, "each": 2})):
        a, b = inputs
        out["projections"].append({
            "id": f"{name}_p_{indicator}", "indicator": f"{name}_{indicator}", "date": "2026-12-31", "value": value,
            "made": "2024-03-15", "formula": f"{a} {'+' if indicator == 'income' else '*'} {b}",
            "inputs": [{"name": k, "value": v, "evidence": [f"{study} p. 8"]} for k, v in inputs.items()],
            "assumptions": "Prices stay as they are.", "evidence": [f"D07 row {len(indicator)}"],
            "history": [{"date": day, "value": value, "reason": "Sales are as expected."}
                        for day in ("2025-03-01", "2026-02-20")]})
    out["attributions"] += _attributions(name, seeds)
    out["results"] += _results(name)
    out["findings"] += [{"id": f"{name}_f_{box}", "intervention": name, "box": box, "text": "Farms saw it at neighbours.",
                         "date": "2026-02-10", "method": "12 interviews", "round": f"{name}_impact",
                         "evidence": [f"D16 p. {40 + seeds}"], "used_in": [f"{'D10' if seeds else 'D11'} p. 9"]}
                        for box in ("use", "earn")]
    out["sustainability"].append({"intervention": name, "text": "The company goes on.", "date": "2026-02-10",
                                  "indicators": [f"{name}_goes_on"], "evidence": [f"D16 p. {50 + seeds}"]})


def _review(date: str, changed: bool, page: int) -> dict[str, Any]:
    return {"date": date, "changed": changed, "reason": "The shops are now trained by the company." if changed
            else "Nothing new was learned.", "by": ["measurer"], "evidence": [f"D32 p. {page}"]}


def _chain(name: str, version: str, date: str, drawing: str, study: str, reason: str) -> dict[str, Any]:
    boxes = [("train", "activity", "Shops are trained", []), ("sell", "output", "Shops sell it", [f"{name}_sold"]),
             ("use", "outcome", "Farms use it", [f"{name}_uses", f"{name}_goes_on"]),
             ("earn", "impact", "Farms earn more", [f"{name}_scale", f"{name}_income", f"{name}_jobs"])]
    chain: dict[str, Any] = {
        "id": version, "intervention": name, "date": date, "reason": reason, "agreed_by": ["measurer"],
        "evidence": [f"{drawing} p. 1"],
        "boxes": [{"id": b, "level": level, "text": text, "indicators": marks, "key_change": level in ("outcome", "impact")}
                  for b, level, text, marks in boxes],
        "arrows": [{"from": a, "to": b, "evidence": [f"{study} p. {n}"]}
                   for n, (a, b) in enumerate((("train", "sell"), ("sell", "use"), ("use", "earn")), 1)],
        "assumptions": [{"text": "Farms trust the shops", "from": "sell", "to": "use", "checked": "2026-02-10",
                         "evidence": [f"{study} p. 4"]}]}
    if name == "seeds":
        chain["boxes"].append({"id": "copy", "level": "outcome", "text": "Neighbours copy it", "systemic": True,
                               "indicators": ["seeds_copying"]})
        chain["arrows"] += [{"from": "use", "to": "copy", "evidence": [f"{study} p. 9"]},
                            {"from": "copy", "to": "earn", "evidence": [f"{study} p. 10"]}]
    return chain


def _indicators(name: str, owner: str) -> list[dict[str, Any]]:
    rows: list[tuple[str, str, str, dict[str, Any]]] = [
        ("sold", "output", "bags a year", {}), ("uses", "outcome", "farms of 100", {}),
        ("goes_on", "outcome", "1 or 0", {"sustainability": True}),
        ("scale", "impact", "enterprises", {"common": "scale", "key": True, "persons": True}),
        ("income", "impact", "USD a year, 2024 prices", {"common": "income", "key": True}),
        ("jobs", "impact", "full-time jobs", {"common": "jobs", "key": True, "persons": True})]
    if name == "seeds":
        rows.append(("copying", "outcome", "farms", {"systemic": True}))
    made = [{"id": f"{name}_{short}", "intervention": name, "name": f"{NAMES[name]}: {short}", "unit": unit,
             "definition": f"What counts as {short}", "population": "Farms that bought", "period": "12 months",
             "level": level, "nature": "quantitative", "owner": owner, "method": "Survey", "source": "Farms",
             "frequency": "Every two years",
             "baseline": {"planned": "2024-04-15", "method": "Survey of 200 farms", "source": "Farms"}, **more}
            for short, level, unit, more in rows]
    for one in made[6:]:
        del one["baseline"]  # neighbours were not asked before
    return made


def _round(name: str, kind: str, done: str, paper: str, owner: str) -> dict[str, Any]:
    late = kind == "impact"
    return {"id": f"{name}_{kind}", "interventions": [name], "kind": kind, "planned": done, "done": done, "owner": owner,
            "cost": 8000, "sampled": 200, "responded": 180, "terms_of_reference": ["D12 p. 1"],
            "sampling_frame": ["D12 p. 2"], "questionnaire": ["D12 p. 3"], "training": ["D29 p. 5"],
            "raw_data": [f"{'D14' if late else 'D13'} sheet raw"],
            "clean_data": [f"{'D14' if late else 'D13'} sheet clean"],
            "cleaning_log": ["D15 p. 1"], "report": [f"{paper} p. 1"], "unintended": "Asked; some farms sold land."}


def _attributions(name: str, seeds: bool) -> list[dict[str, Any]]:
    paper = "D10" if seeds else "D11"
    return [{"id": f"{name}_a_{box}", "intervention": name, "box": box, "indicator": f"{name}_{indicator}",
             "method": "difference_in_difference", "reason": "Farms in other districts could not buy.",
             "other_causes": "A good harvest reached both groups.", "chosen": "2024-03-10",
             "comparison": [f"{paper} p. 4"], "before": f"{name}_baseline", "after": f"{name}_impact",
             "formula": "change - change_elsewhere", "value": value,
             "inputs": [{"name": "change", "value": value + 10, "evidence": [f"{paper} p. 5"]},
                        {"name": "change_elsewhere", "value": 10, "evidence": [f"{paper} p. 6"]}],
             "evidence": [f"{paper} p. 7"]} for box, indicator, value in (("use", "uses", 40), ("earn", "income", 100))]


def _results(name: str) -> list[dict[str, Any]]:
    base = {"intervention": name, "year": 2025, "basis": "attributable", "label": "estimated", "covers": 400,
            "attribution": f"{name}_a_earn"}
    number = "D10" if name == "seeds" else "D11"

    def inputs(**values: float) -> list[dict[str, Any]]:
        return [{"name": key, "value": value, "evidence": [f"{number} p. 8"]} for key, value in values.items()]

    return [
        {**base, "id": f"{name}_r_scale", "indicator": f"{name}_scale", "value": 300,
         "split": {"women": 150, "men": 150}, "population": f"Farms that bought {name}", "participants": 500,
         "share_treated": 0.6, "share_comparison": 0.5, "formula": "n * share", "inputs": inputs(n=500, share=0.6)},
        {**base, "id": f"{name}_r_income", "indicator": f"{name}_income", "value": 30000, "formula": "farms * more",
         "population": f"Farms that bought {name}", "inputs": inputs(farms=300, more=100)},
        {**base, "id": f"{name}_r_jobs", "indicator": f"{name}_jobs", "value": 7, "days": 1680,
         "split": {"women": 3, "men": 4}, "population": "Workers", "covers": 20, "formula": "days / year",
         "inputs": inputs(days=1680, year=240)}]


ROWS = "".join(f"Row {number}\n" for number in range(4, 31))  # so that the rows the programme names are there


def write(values: dict[str, Any], folder: Path, contents: dict[str, str] | None = None) -> Path:
    """Write a programme and its documents to a folder; ``contents`` replaces what stands in a document."""
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    changed = contents or {}
    for name, (title, _, date) in DOCUMENTS.items():
        text = changed.get(name, f"# {title}\n\n{date}. Paper {name} of a made-up programme.\n" + ROWS)
        (folder / "documents" / f"{name}.md").write_text(text, encoding="utf-8")
    file = folder / "programme.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


def checked(folder: Path, change: Callable[[dict[str, Any]], None] | None = None,
            contents: dict[str, str] | None = None) -> Audit:
    """Check the complete programme, or one that was changed."""
    values = tree()
    if change is not None:
        change(values)
    return audit(write(values, folder, contents))


def row(values: dict[str, Any], table: str, code: str) -> dict[str, Any]:
    """Find a record of a table by its code."""
    return next(r for r in values[table] if r.get("id") == code)


def conventions_gone(values: dict[str, Any]) -> None:
    """Leave several items with gaps of several owners: no conventions, no work plans, no chain of loans."""
    del values["conventions"]
    for person in values["staff"]:
        del person["work_plan"]
    values["chains"] = [c for c in values["chains"] if c["intervention"] != "loans"]
    values["answers"] = values["answers"][5:]

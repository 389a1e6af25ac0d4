"""The items of the table by key: what the program checks alone, and what it asks a named person to judge.

Keys are 'control point.criterion' of the table, never its numbers: an official sheet may renumber and reword at will.
"""

from __future__ import annotations

from impact.dced.types import Mode

BY_PROGRAM: tuple[str, ...] = (
    "rc_logic.own_chain", "rc_research.assumptions", "rc_review.yearly", "ind_each_change.every_step",
    "ind_aggregable.shared_set", "ind_sustainability.continue_without_support", "projections.dated_values",
    "projections.reviewed", "baseline.plan", "baseline.before_change", "monitoring.plan", "attribution.attributable",
    "systemic_plan.described", "costs.by_year", "aggregate_impact.documented", "cost_allocation.by_component",
    "annual_report.each_year", "report_gender.by_sex", "publish.public",
)
"""Nineteen items the program checks alone."""

IN_PART: dict[str, str] = {
    "rc_logic.steps": "Read the chain aloud: does each step follow from the one before, with nothing left out?",
    "rc_research.links_evidence": "Would a sceptical reader be convinced by the papers behind the main links?",
    "rc_research.gender": "Does the analysis say how women and men take part and gain, and does it shape the intervention?",
    "rc_research.lasting": "Does the analysis say who will pay for and carry the change once support ends?",
    "rc_review.reasons": "Do the reasons written at each review explain what was changed or left as it was?",
    "rc_displacement.analysed": "Were the likely losers looked for, and are they dealt with in the measurement?",
    "ind_each_change.precise": "Is each indicator right for its step, and would two people measure it the same way?",
    "ind_qualitative.how_and_why": "Do the questions on how and why reach the steps where the change could fail?",
    "ind_aggregable.omissions_justified": "Is the reason for leaving out a common indicator convincing?",
    "projections.documented": "Are the assumptions behind the projections reasonable and their sources sound?",
    "baseline.practice": "Were sample, questions and field work of the baseline good enough to rely on?",
    "monitoring.practice": "Were sample, questions, training and cleaning good enough to rely on?",
    "monitoring.how_and_why": "Do the findings on how and why explain the numbers?",
    "monitoring.unintended": "Were staff and partners asked what else happened, good or bad?",
    "attribution.method": "Is the method right for the kind of change, its size and its timing?",
    "attribution.carried_out": "Can another person follow the calculation, and were other causes thought through?",
    "systemic_plan.measurement_plan": "Will the plan show wider change without counting anyone twice?",
    "systemic_assess.measured": "Do the methods suit the wider changes that were looked at?",
    "systemic_assess.contribution": "Is the programme's part in the wider change argued against other explanations?",
    "costs.complete": "Are all costs in, staff and head office too, and can the accounts show them?",
    "aggregate_impact.overlaps": "Are all overlaps known, also those between interventions in one area?",
    "annual_report.told_apart": "Does a reader see at once what was measured, what is projected and how it is known?",
    "contributions.named": "Are all others who helped bring the change about named?",
    "report_systemic.section": "Are wider effects told apart from direct ones, in plain words?",
    "use_in_management.decisions": "Did results lead to the decisions on file, or were they written up afterwards?",
    "resources.responsibilities": "Do all staff, not only the results measurement team, know their tasks?",
    "resources.able_staff": "Can staff do their results measurement tasks, and whom do they ask?",
    "resources.budget": "Is the budget enough for what the measurement plan promises?",
    "managed.guidance": "Is the guidance used, and does practice follow it?",
    "managed.quality": "Are weaknesses found by the quality checks put right?",
    "managed.everyday": "Do implementing staff do results measurement as part of their work?",
}
"""Thirty-one items the program checks in part, and the question it puts to a named person."""

ASKED: dict[str, str] = {
    "rc_logic.staff_use": "Ask two or three staff to draw an intervention's chain: do they know it and use it?",
    "rc_logic.partners_explain": "Ask a key partner what leads to what: do they explain the logic in their own words?",
    "ind_each_change.staff_understand": "Ask staff what each key indicator means and how it is measured.",
    "use_in_management.examples": "Ask staff for a decision taken because of results: can they name one, with its papers?",
}
"""Four items only a conversation can show."""

PEOPLE_ASKED = frozenset(ASKED)
QUESTIONS: dict[str, str] = {**IN_PART, **ASKED}
MODES: dict[str, Mode] = {**dict.fromkeys(BY_PROGRAM, "program"), **dict.fromkeys(IN_PART, "partly"),
                          **dict.fromkeys(ASKED, "asked")}

TABLES: dict[str, tuple[str, ...]] = {
    "rc_logic": ("chains.boxes", "chains.arrows"), "rc_research.links_evidence": ("chains.arrows", "chains.assumptions"),
    "rc_research.assumptions": ("chains.assumptions",), "rc_research.gender": ("interventions.gender",),
    "rc_research.lasting": ("interventions.lasting",), "rc_review": ("chains.reviews", "chains.reason"),
    "rc_displacement": ("interventions.displacement",),
    "ind_each_change": ("indicators", "chains.boxes"), "ind_qualitative": ("questions",),
    "ind_aggregable.shared_set": ("indicators.common",), "ind_aggregable.omissions_justified": ("omissions",),
    "ind_sustainability": ("indicators.sustainability",), "projections": ("projections",),
    "baseline.plan": ("indicators.baseline",), "baseline.before_change": ("measurements",),
    "baseline.practice": ("rounds",), "monitoring.plan": ("measurements.planned",), "monitoring.practice": ("rounds",),
    "monitoring.how_and_why": ("findings",),
    "monitoring.unintended": ("rounds.unintended",), "attribution": ("attributions",),
    "attribution.attributable": ("results.basis",), "systemic_plan": ("systemic",), "systemic_assess": ("systemic",),
    "costs": ("costs", "accounts"), "cost_allocation": ("costs.component",),
    "aggregate_impact": ("results", "totals"), "aggregate_impact.overlaps": ("overlaps",), "annual_report": ("reports",),
    "contributions": ("contributions",), "report_gender": ("results.split",), "report_systemic": ("reports",),
    "publish": ("documents.published",), "use_in_management": ("decisions", "meetings"), "resources": ("staff", "tasks"),
    "resources.budget": ("conventions.measurement_budget",), "managed": ("guidance", "quality_reviews"),
}
"""Where in the programme file an item is entered, by its key or by that of its control point."""


def tables(key: str) -> tuple[str, ...]:
    """Name the tables, and the columns in them, that an item is read from; none for an item of another table."""
    return TABLES.get(key) or TABLES.get(key.split(".", maxsplit=1)[0], ())

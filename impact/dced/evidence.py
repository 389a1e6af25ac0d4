"""Which rule judges which item of the Standard, and which items one study cannot show.

Keys are 'control point.criterion' of the table, never its numbers. An item of a replaced table that stands in
neither list is shown as not examined, and says so.
"""

from __future__ import annotations

from dataclasses import replace

from impact.dced import chain_rules, measurement_rules, reporting_rules
from impact.dced.finding import Case, Finding, Rule, run_again
from impact.dced.table import ControlPoint, Criterion
from impact.dced.types import EFFORTS, Gap, Point

RULES: dict[str, Rule] = {
    "rc_logic.own_chain": chain_rules.own_chain,
    "rc_logic.steps": chain_rules.steps,
    "rc_research.links_evidence": chain_rules.links_evidence,
    "rc_research.assumptions": chain_rules.assumptions,
    "ind_each_change.every_step": chain_rules.every_step,
    "ind_each_change.precise": chain_rules.precise,
    "baseline.before_change": measurement_rules.before_change,
    "monitoring.practice": measurement_rules.collection,
    "attribution.method": measurement_rules.method,
    "attribution.carried_out": measurement_rules.carried_out,
    "attribution.attributable": measurement_rules.attributable,
    "costs.by_year": reporting_rules.costs_by_year,
    "annual_report.told_apart": reporting_rules.told_apart,
    "report_gender.by_sex": reporting_rules.by_sex,
}

RESTS_ON_DATA = frozenset({
    "baseline.before_change", "monitoring.practice", "attribution.method", "attribution.carried_out",
    "attribution.attributable", "annual_report.told_apart", "report_gender.by_sex",
})
"""Items whose evidence is the data themselves: simulated data can never be evidence for them."""

PAPERS = "Needs the programme's own documents; this page reads one study."
PEOPLE = "Only a conversation with staff or partners can show this; this page reads one study."
NO_RULE = "This toolkit has no rule for this item of the table."

PROGRAMME: dict[str, str] = {
    "rc_logic.staff_use": PEOPLE,
    "rc_logic.partners_explain": PEOPLE,
    "rc_research.gender": PAPERS,
    "rc_research.lasting": PAPERS,
    "rc_review.yearly": PAPERS,
    "rc_review.reasons": PAPERS,
    "rc_displacement.analysed": PAPERS,
    "ind_each_change.staff_understand": PEOPLE,
    "ind_qualitative.how_and_why": PAPERS,
    "ind_aggregable.shared_set": PAPERS,
    "ind_aggregable.omissions_justified": PAPERS,
    "ind_sustainability.continue_without_support": PAPERS,
    "projections.dated_values": PAPERS,
    "projections.documented": PAPERS,
    "projections.reviewed": PAPERS,
    "baseline.plan": PAPERS,
    "baseline.practice": PAPERS,
    "monitoring.plan": PAPERS,
    "monitoring.how_and_why": PAPERS,
    "monitoring.unintended": PAPERS,
    "systemic_plan.described": PAPERS,
    "systemic_plan.measurement_plan": PAPERS,
    "systemic_assess.measured": PAPERS,
    "systemic_assess.contribution": PAPERS,
    "costs.complete": PAPERS,
    "aggregate_impact.documented": PAPERS,
    "aggregate_impact.overlaps": PAPERS,
    "cost_allocation.by_component": PAPERS,
    "annual_report.each_year": PAPERS,
    "contributions.named": PAPERS,
    "report_systemic.section": PAPERS,
    "publish.public": PAPERS,
    "use_in_management.decisions": PAPERS,
    "use_in_management.examples": PEOPLE,
    "resources.responsibilities": PAPERS,
    "resources.able_staff": PAPERS,
    "resources.budget": PAPERS,
    "managed.guidance": PAPERS,
    "managed.quality": PAPERS,
    "managed.everyday": PAPERS,
}

SIMULATED = Gap(
    text="The data are simulated: they are no evidence for a real programme.",
    fix="Run the study on data collected from real units, with data.simulated: false.", effort="collect")
UNSAID = Gap(
    text="Whether the data are real or simulated is not stated, so they cannot count as evidence.",
    fix="Fill in data.simulated in study.yaml: false if people or firms were asked.")
EXERCISE = "The data of this study are simulated: this shows an exercise, not a real programme."


def judge(case: Case, control: ControlPoint, criterion: Criterion) -> Point:
    """Hold one item of the table against one record."""
    key = f"{control.internal_key}.{criterion.internal_key}"
    blank = Point(internal_key=key, id=criterion.id, control_point=control.title, title=criterion.text,
                  status=control.status, verified=control.verified and criterion.verified, note=control.note,
                  verdict="not_examined", level="programme")
    rule = RULES.get(key)
    if rule is None:
        fix = f"Keep on file: {criterion.evidence}" if key in PROGRAMME else ""
        return replace(blank, gap=PROGRAMME.get(key, NO_RULE), fix=fix)
    finding = _guarded(case, key, rule(case))
    gaps = tuple(sorted(finding.gaps, key=lambda gap: EFFORTS.index(gap.effort)))
    return replace(blank, verdict="missing" if gaps else "on_file", level="study",
                   evidence=" ".join(finding.evidence), where=finding.where, gaps=gaps, effort=finding.effort,
                   gap=" ".join(gap.text for gap in gaps), fix=" ".join(dict.fromkeys(gap.fix for gap in gaps)))


def _guarded(case: Case, key: str, finding: Finding) -> Finding:
    """Refuse data that are simulated, or may be, as evidence; mark what is declared in such a study."""
    if key in RESTS_ON_DATA and case.simulated is not False:
        return Finding(where="provenance.simulated", gaps=(SIMULATED if case.simulated else UNSAID,))
    if not finding.evidence and not finding.gaps:
        return Finding(where=finding.where, gaps=(run_again("The record shows nothing on this."),))
    if case.simulated and finding.evidence:
        return Finding(where=finding.where, evidence=(*finding.evidence, EXERCISE), gaps=finding.gaps)
    return finding

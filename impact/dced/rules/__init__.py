"""Rules on a whole programme, one for each item of the table, by element; keys are those of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from impact.dced.dossier import Dossier, Found
from impact.dced.rules import (
    aggregating,
    attributing,
    chains,
    costs,
    indicators,
    managing,
    measuring,
    projections,
    reporting,
    wider,
)

Rule = Callable[[Dossier], Iterator[Found]]


def only_people_can_say(d: Dossier) -> Iterator[Found]:
    """Nothing for a program to see: the answers of named people decide."""
    yield from ()


RULES: dict[str, Rule] = {
    "rc_logic.own_chain": chains.own_chain,
    "rc_logic.steps": chains.steps,
    "rc_logic.staff_use": only_people_can_say,
    "rc_logic.partners_explain": only_people_can_say,
    "rc_research.links_evidence": chains.links_evidence,
    "rc_research.assumptions": chains.assumptions,
    "rc_research.gender": chains.gender,
    "rc_research.lasting": chains.lasting,
    "rc_review.yearly": chains.yearly,
    "rc_review.reasons": chains.reasons,
    "rc_displacement.analysed": chains.displacement,
    "ind_each_change.every_step": indicators.every_step,
    "ind_each_change.precise": indicators.precise,
    "ind_each_change.staff_understand": only_people_can_say,
    "ind_qualitative.how_and_why": indicators.how_and_why,
    "ind_aggregable.shared_set": indicators.shared_set,
    "ind_aggregable.omissions_justified": indicators.omissions_justified,
    "ind_sustainability.continue_without_support": indicators.continue_without_support,
    "projections.dated_values": projections.dated_values,
    "projections.documented": projections.documented,
    "projections.reviewed": projections.reviewed,
    "baseline.plan": measuring.baseline_plan,
    "baseline.before_change": measuring.before_change,
    "baseline.practice": measuring.baseline_practice,
    "monitoring.plan": measuring.plan,
    "monitoring.practice": measuring.practice,
    "monitoring.how_and_why": measuring.findings,
    "monitoring.unintended": measuring.unintended,
    "attribution.method": attributing.method,
    "attribution.carried_out": attributing.carried_out,
    "attribution.attributable": attributing.attributable,
    "systemic_plan.described": wider.described,
    "systemic_plan.measurement_plan": wider.measurement_plan,
    "systemic_assess.measured": wider.measured,
    "systemic_assess.contribution": wider.contribution,
    "costs.by_year": costs.by_year,
    "costs.complete": costs.complete,
    "aggregate_impact.documented": aggregating.documented,
    "aggregate_impact.overlaps": aggregating.overlaps,
    "cost_allocation.by_component": costs.by_component,
    "annual_report.each_year": reporting.each_year,
    "annual_report.told_apart": reporting.told_apart,
    "contributions.named": reporting.contributions,
    "report_gender.by_sex": reporting.by_sex,
    "report_systemic.section": reporting.systemic_section,
    "publish.public": reporting.public,
    "use_in_management.decisions": managing.decisions,
    "use_in_management.examples": only_people_can_say,
    "resources.responsibilities": managing.responsibilities,
    "resources.able_staff": managing.able_staff,
    "resources.budget": managing.budget,
    "managed.guidance": managing.guidance,
    "managed.quality": managing.quality,
    "managed.everyday": managing.everyday,
}

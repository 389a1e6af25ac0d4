"""Which rule judges which item of the Standard from one study's record, and which items one study cannot show.

Keys are 'control point.criterion' of the table, never its numbers. An item of a replaced table that stands in
neither list waits for a person, and says so.
"""

from __future__ import annotations

from dataclasses import replace

from impact.dced.items import MODES, PEOPLE_ASKED, QUESTIONS
from impact.dced.study import chain, measurement, reporting
from impact.dced.study.case import Case, Finding, Rule, run_again
from impact.dced.table import ControlPoint, Criterion
from impact.dced.types import EFFORTS, Evidence, Gap, Point

RULES: dict[str, Rule] = {
    "rc_logic.own_chain": chain.own_chain,
    "rc_logic.steps": chain.steps,
    "rc_research.links_evidence": chain.links_evidence,
    "rc_research.assumptions": chain.assumptions,
    "ind_each_change.every_step": chain.every_step,
    "ind_each_change.precise": chain.precise,
    "baseline.before_change": measurement.before_change,
    "monitoring.practice": measurement.collection,
    "attribution.method": measurement.method,
    "attribution.carried_out": measurement.carried_out,
    "attribution.attributable": measurement.attributable,
    "costs.by_year": reporting.costs_by_year,
    "annual_report.told_apart": reporting.told_apart,
    "report_gender.by_sex": reporting.by_sex,
}

RESTS_ON_DATA = frozenset({
    "baseline.before_change", "monitoring.practice", "attribution.method", "attribution.carried_out",
    "attribution.attributable", "annual_report.told_apart", "report_gender.by_sex",
})
"""Items whose evidence is the data themselves: simulated data can never be evidence for them."""

PAPERS = "Not examined: it needs the programme's own documents, and this page reads one study."
PEOPLE = "Not examined: only a conversation with staff or partners can show it, and this page reads one study."
NO_RULE = "This toolkit has no rule for this item of the table."

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
                  verdict="needs_person", level="programme", mode=MODES.get(key, "asked"))
    rule = RULES.get(key)
    if rule is None:
        return replace(blank, reason=_beyond(key), question=QUESTIONS.get(key) or f"Keep on file: {criterion.evidence}.")
    finding = guarded(case, key, rule(case))
    gaps = tuple(sorted((replace(gap, place=gap.place or finding.where) for gap in finding.gaps),
                        key=lambda gap: EFFORTS.index(gap.effort)))
    evidence = tuple(Evidence(text=text, file="results.json", place=finding.where) for text in finding.evidence)
    return replace(blank, verdict="on_file" if not gaps else "partly" if evidence else "gap", level="study",
                   known="checked", evidence=evidence, gaps=gaps, question=QUESTIONS.get(key, ""))


def _beyond(key: str) -> str:
    """Say why one study's record cannot show an item."""
    return NO_RULE if key not in MODES else PEOPLE if key in PEOPLE_ASKED else PAPERS


def guarded(case: Case, key: str, finding: Finding) -> Finding:
    """Refuse data that are simulated, or may be, as evidence; mark what is declared in such a study."""
    if key in RESTS_ON_DATA and case.simulated is not False:
        return Finding(where="provenance.simulated", gaps=(SIMULATED if case.simulated else UNSAID,))
    if not finding.evidence and not finding.gaps:
        return Finding(where=finding.where, gaps=(run_again("The record shows nothing on this."),))
    if case.simulated and finding.evidence:
        return Finding(where=finding.where, evidence=(*finding.evidence, EXERCISE), gaps=finding.gaps)
    return finding

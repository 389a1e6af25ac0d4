"""What the terminal says of a study and of a run: short, in an officer's words."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from impact.data import Sample
from impact.results import Estimate, Evaluation
from impact.study import Study, words
from impact.study.types import FirstTreatedRule, Outcome

_DID, _CROSS = {"design.time", "design.first_treated", "design.comparison"}, {"design.treatment"}
_DATA = {"data.file", "data.package", "data.dataset"}
BESIDE = {"rct": _DATA | _DID, "matching": _DATA | _DID | {"design.assignment"},
          "did": _DATA | _CROSS | {"design.assignment", "design.covariates"}}  # keys that do not apply to a kind
CONTRASTS = ("multi_arm", "factorial", "spillover", "saturation", "quantile_effects")  # several numbers, one of them told
KINDS = {"rct": "randomised trial", "did": "difference-in-differences", "matching": "matched comparison"}


def number(x: float | None, digits: int = 3) -> str:
    """Show a number to a few significant digits, with thousands apart and a true minus."""
    if x is None:
        return "unbounded"
    text = f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.{digits}g}"
    return text.replace("-", "−")


def design_line(study: Study) -> str:
    """Say in one line how the design was understood."""
    design = study.design
    unit = words(design.unit_label[-1])
    about = str(dict(study.analysis.primary.options).get("estimand", design.estimand))  # ato and matching stand there
    parts = [KINDS[design.kind], f"estimand {about.upper()}"]
    rule = design.first_treated
    if isinstance(rule, FirstTreatedRule):
        parts.append(f"treated from the first {design.time} with {rule.first_period_of} = 1"
                     + (" on ('ever treated')" if design.ever_treated else ""))
    elif rule:
        parts.append(f"first treated in {rule}")
    if design.treatment:
        parts.append(f"treated where {design.treatment} = 1")
    if design.kind == "did":
        parts.append(f"comparison: {(design.comparison or 'never_treated').replace('_', ' ')} {unit}")
    parts.append(f"treatment decided by {design.assigned_by.replace('row_number', 'unit')}")
    return "; ".join(parts)


def study_summary(study: Study, sample: Sample) -> str:
    """Tell the design, the data and the outcomes as understood, before anything is estimated."""
    units = sample.units()
    treated = int((units["treated"] == 1).sum())
    noun = words(study.design.unit_label[-1])
    lines = [words(study.title), f"  design    {design_line(study)}",
             f"  data      {sample.label}: {len(units)} {noun} ({treated} treated, {len(units) - treated} not), "
             f"{sample.rows} rows"]
    for i, outcome in enumerate(sample.study.outcomes):
        known = int(sample.frame[outcome.column].notna().sum())
        lines.append(f"  {'outcomes' if i == 0 else '':9s} {outcome.role}: {words(outcome.label)} ({words(outcome.unit)}), "
                     f"{outcome.better} is better, {known} of {sample.rows} rows known")
    if study.absent:
        shown = [key for key in study.absent if "[" not in key and key not in BESIDE[study.design.kind]][:6]
        if shown:
            lines.append(f"  not stated {', '.join(shown)}")
    return "\n".join(lines)


def effect_line(estimate: Estimate, outcome: Outcome, noun: str = "units") -> str:
    """Tell one effect with its interval, in per cent where the outcome is in logs."""
    level = f"{estimate.conf_level:.0%}"
    percent = estimate.effect_pct
    if estimate.transform == "log" and percent is not None:
        text = f"{_signed(percent.value)}% ({level} interval {_signed(percent.low)}% to {_signed(percent.high)}%)"
    else:
        unit = estimate.unit or words(outcome.unit)
        text = (f"{_signed(estimate.estimate)} {unit} ({level} interval {_signed(estimate.conf_low)} to "
                f"{_signed(estimate.conf_high)})")
    few = (estimate.has_caveat("few_clusters") or estimate.has_caveat("low_df")) and not estimate.has_caveat(
        "randomisation_inference")
    if estimate.conf_low is None and estimate.conf_high is None and not estimate.interval:
        text = text.split(f" ({level}")[0] + " (no interval)"
    p = ""
    if estimate.p_value is not None and not few:
        p = ", p < 0.001" if estimate.p_value < 0.001 else f", p = {estimate.p_value:.3f}"
    mark = "  PROVISIONAL" if estimate.has_caveat("provisional") else ""
    if estimate.has_caveat("methods_disagree"):
        mark += "  COMPARISONS DISAGREE: none of them alone"
    if few:
        mark += f"  TOO FEW {_few(estimate, noun)} TO SAY"
    contrast = f", {estimate.term}" if estimate.method in CONTRASTS and estimate.term else ""
    return f"{words(outcome.label)}{contrast}: {text}{p}{mark}"


def _few(estimate: Estimate, noun: str) -> str:
    """Name what there is too little of: clusters, or single units where each is its own."""
    alone = estimate.n_clusters is None or estimate.n_clusters == estimate.n_units
    return noun.upper() if alone else "CLUSTERS"


def _signed(x: float | None) -> str:
    return ("+" if x is not None and x > 0 else "") + number(x)


def run_summary(evaluation: Evaluation, out: Path, made: Collection[str] = ("brief.html",), language: str = "en") -> str:
    """Tell the design, the units used and lost, the main effects, and which file to open."""
    study = evaluation.study
    noun = words(study.design.unit_label[-1])
    lines = [words(study.title, language), f"  design    {design_line(study)}"]
    for i, outcome in enumerate(study.primaries):
        flow = evaluation.flow(outcome.name)
        enrolled, analysed = flow.stage("enrolled"), flow.stage("analysed")
        lost = "; ".join(f"{loss.n_units or f'{loss.n_rows} rows'} ({loss.text})" for loss in flow.losses
                         if loss.lost)
        lines.append(f"  {noun if i == 0 else '':9s} {analysed.units} of {enrolled.units} used"
                     + (f"; lost: {lost}" if lost else "; none lost"))
    for i, outcome in enumerate(study.primaries):
        lines.append(f"  {'effect' if i == 0 else '':9s} {effect_line(evaluation.main(outcome.name), outcome, noun)}")
    card = evaluation.headline.se_card
    if card is not None:
        lines.append(f"  errors    {card.formula}; level: {card.level}")
    if evaluation.provenance.simulated:
        lines.append("  SIMULATED data: no firm or person was asked")
    briefs = [name for name in made if name.startswith("brief.")]
    first = "brief.html" if "brief.html" in briefs else next(iter(briefs), "results.json")
    lines.append(f"open {out / first}")
    return "\n".join(lines)

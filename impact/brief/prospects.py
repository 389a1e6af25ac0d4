"""Records of a study before it has a result: empty, to look at its texts, and the best it could come to, for its claims."""

from __future__ import annotations

from dataclasses import replace

from impact.results.estimate import Estimate, PercentEffect, Segment
from impact.results.evaluation import Check, Evaluation, Flow, Provenance, Stage
from impact.results.money import MoneyFigure, MoneyKind
from impact.study.costs import Return
from impact.study.types import Outcome, Study

MEAN, SIZE, WIDTH, SMALL, UNITS = 986.5, 45.75, 31.25, 1e-6, 9731  # figures of no study: a text would hardly hold them
# checks that a rung rests on, by kind of design; a trial's record of the draw is declared, not hoped for
CHECKS = {"rct": ("balance", "attrition"), "matching": ("balance", "overlap", "attrition", "comparisons_agree"),
          "did": ("pretrend_group_time", "sensitivity", "attrition")}
WORDS = {"balance": "alike"}


def without_numbers(study: Study) -> Evaluation:
    """Make a record in which every declared outcome has an estimate and no estimate says anything."""
    provenance = Provenance(toolkit="", study_sha256="", data_sha256="", data_label="", data_rows=0, data_columns=0,
                            seed=study.analysis.seed, command=f"impact run {study.slug}")
    return Evaluation(study=study, estimates=tuple(_estimate(study, o) for o in study.outcomes), provenance=provenance)


def at_best(study: Study) -> tuple[Evaluation, ...]:
    """Make the records a study would hope for: every check passed, and effects that are clear, or clearly next to nothing.

    Figures are made up; no sentence with them is ever printed.
    """
    empty = without_numbers(study)
    clear, none = (tuple(_told(e, study, *ends) for e in empty.estimates) for ends in (
        (SIZE, SIZE - WIDTH, SIZE + WIDTH), (0.0, -SMALL, SMALL)))
    flows = tuple(Flow(outcome=o.name, stages=tuple(
        Stage(name=name, units=UNITS, rows=UNITS, treated=UNITS // 2, comparison=UNITS - UNITS // 2)
        for name in ("enrolled", "assigned", "found", "analysed"))) for o in study.outcomes)
    checks = tuple(_passed(name) for name in CHECKS[study.design.kind])
    if study.design.assignment is not None and study.design.assignment.record:
        checks = (_passed("draw_record"), *checks)
    record = replace(empty, flows=flows, checks=checks, money=tuple(_money(study)))
    return replace(record, estimates=clear), replace(record, estimates=none)


def _estimate(study: Study, outcome: Outcome) -> Estimate:
    method = study.analysis.primary.method
    return Estimate(id=f"{outcome.name}/{method}", outcome=outcome.name, method=method, estimand=study.design.estimand,
                    estimate=0.0, conf_level=study.analysis.conf_level, n=0, vcov="", role=outcome.role)


def _told(e: Estimate, study: Study, value: float, low: float, high: float) -> Estimate:
    share = 1 / MEAN if study.outcome(e.outcome).is_log else 1.0
    sign = 1 if study.outcome(e.outcome).better == "higher" else -1
    low, high = sorted((sign * low * share, sign * high * share))
    value = sign * value * share
    percent = PercentEffect(value=100 * value / MEAN, low=100 * low / MEAN, high=100 * high / MEAN, base=MEAN)
    return replace(e, estimate=value, conf_low=low, conf_high=high, interval=(Segment(low=low, high=high),), n=UNITS,
                   n_units=UNITS, p_value=0.0123, p_adjusted=0.0123, comparison_mean=MEAN, effect_pct=percent,
                   transform="log" if study.outcome(e.outcome).is_log else "none", outcome_sd=MEAN)


def _passed(name: str) -> Check:
    return Check(id=name, title=name, verdict="pass", word=WORDS.get(name, "examined"), reason="", measured=0.0)


def _money(study: Study) -> list[MoneyFigure]:
    """Give every figure of value for money that the study asks for; its value is nobody's."""
    if study.costs is None:
        return []
    figures = [MoneyFigure(id="money/cost_per_participant", kind="cost_per_participant", state="plain", value=MEAN,
                           unit=study.costs.currency, basis=(("total", MEAN * UNITS),))]
    return [*figures, *(_figure(kind, r) for r in study.costs.returns for kind in _kinds(r))]


def _kinds(declared: Return) -> tuple[MoneyKind, ...]:
    return ("cost_per_unit", "benefit_cost", "payback") if declared.counts == "income" else ("cost_per_unit",)


def _figure(kind: MoneyKind, declared: Return) -> MoneyFigure:
    return MoneyFigure(id=f"money/{kind}/{declared.outcome}", kind=kind, state="bounded", unit="", value=SIZE,
                       interval=(Segment(low=SIZE - WIDTH, high=SIZE + WIDTH),), outcome=declared.outcome)

"""What was found, on the scales readers see: effects with their confidence sets, and the verdict on each."""

from __future__ import annotations

import math
from typing import Literal

from impact.brief.model import Effect, Kind, Number, Quote, Range, Recorded, Result, Text, Verdict, need, quote, say, take
from impact.brief.translation import fragment
from impact.brief.words import known
from impact.results.estimate import Estimate, Segment
from impact.results.evaluation import Evaluation
from impact.study.types import Outcome, words

LARGEST_LOG = 600.0  # exp of more than this is no number


def plain_range(evaluation: Evaluation, e: Estimate, kind: Kind) -> tuple[Range, ...]:
    """Give the pieces of an effect's confidence set on its own scale."""
    if e.interval:
        return tuple(
            Range(low=take(evaluation, f"interval[{i}].low", kind, e.id),
                  high=take(evaluation, f"interval[{i}].high", kind, e.id)) for i in range(len(e.interval)))
    if e.conf_low is None and e.conf_high is None:
        return ()
    return (Range(low=take(evaluation, "conf_low", kind, e.id), high=take(evaluation, "conf_high", kind, e.id)),)


def _percent_range(evaluation: Evaluation, e: Estimate) -> tuple[Range, ...]:
    percent = e.effect_pct
    if percent is None:
        return ()
    if not e.interval:
        if percent.low is None and percent.high is None:
            return ()
        return (Range(low=take(evaluation, "effect_pct.low", "percent", e.id),
                      high=take(evaluation, "effect_pct.high", "percent", e.id)),)
    if len(e.interval) == 1:
        piece = e.interval[0]  # an end the record has no per cent of is open, or worked out below
        if (piece.low is None or percent.low is not None) and (piece.high is None or percent.high is not None):
            return (Range(low=None if piece.low is None else take(evaluation, "effect_pct.low", "percent", e.id),
                          high=None if piece.high is None else take(evaluation, "effect_pct.high", "percent", e.id)),)
    if e.transform != "log" and not percent.base:
        return ()
    return tuple(Range(low=_percent_end(e, s.low), high=_percent_end(e, s.high)) for s in e.interval)


def _percent_end(e: Estimate, x: float | None) -> Number | None:
    """Put one end of a confidence set in per cent; an end beyond all measure is no bound."""
    if x is None or (e.transform == "log" and x > LARGEST_LOG):
        return None
    base = e.effect_pct.base if e.effect_pct is not None else None
    value, rule = ((100 * math.expm1(x), "100·(exp(b) − 1) of an end of the interval") if e.transform == "log" or not base
                   else (100 * x / base, "100·b / effect_pct.base of an end of the interval"))
    return Number(value=value, kind="percent", path="interval", estimate=e.id, derived=rule)


def one_side(e: Estimate) -> bool:
    """Tell whether the whole confidence set lies on one side of zero."""
    pieces = [(s.low, s.high) for s in e.interval] or [(e.conf_low, e.conf_high)]
    above = all(low is not None and low > 0 for low, _ in pieces)
    below = all(high is not None and high < 0 for _, high in pieces)
    return (above or below) and (e.excludes_zero or not e.interval)


def too_few(e: Estimate) -> bool:
    """Tell whether an interval rests on too few clusters, and no drawing of lots anew has taken its place."""
    return (e.has_caveat("few_clusters") or e.has_caveat("low_df")) and not e.has_caveat("randomisation_inference")


def verdict(e: Estimate, outcome: Outcome) -> Verdict:
    """Judge one effect by its interval, then by its adjusted p; the direction that counts as good is declared."""
    if too_few(e):
        return "too_few"
    if e.has_caveat("methods_disagree"):
        return "disagree"
    if not e.interval and e.conf_low is None and e.conf_high is None:
        return "no_interval"
    if not one_side(e) or e.in_doubt in ("lots", "df"):
        return "unclear"
    if e.in_doubt == "family":
        return "corrected"
    return "favourable" if (e.estimate > 0) == (outcome.better == "higher") else "unfavourable"


def equivalent(evaluation: Evaluation, e: Estimate) -> bool:
    """Tell whether the whole interval lies within the differences that the study file declares to count as none.

    The smallest effect a study was planned to find is no such bound: what is too small to be found may still matter.
    """
    bounds = evaluation.study.outcome(e.outcome).equivalence
    own = (Segment(low=e.conf_low, high=e.conf_high),) if e.conf_low is not None or e.conf_high is not None else ()
    pieces = e.interval or own
    return bounds is not None and bool(pieces) and e.transform != "log" and all(
        s.low is not None and s.high is not None and bounds[0] < s.low and s.high < bounds[1] for s in pieces)


def unit_of(e: Estimate, study_index: int, outcome: Outcome, language: str) -> Quote | Recorded:
    """Take the unit of a number: the outcome's own, unless the record gives it another (for each unit of a dose)."""
    own = words(outcome.unit)
    if e.unit and e.unit != own:
        return fragment(e.unit.replace(own.partition(" (")[0], words(outcome.unit, language).partition(" (")[0], 1),
                        "results.json: unit")
    return quote(words(outcome.unit, language), f"study.yaml: outcomes[{study_index}].unit")


def _is_share(e: Estimate) -> bool:
    """A share is kept between 0 and 1; readers see it in per cent and its change in points."""
    return e.transform == "share"


def percent_effect(evaluation: Evaluation, e: Estimate, outcome: Outcome) -> Effect | None:
    """Put an effect in per cent of the comparison mean, or of itself for logs; None where the record has no per cent."""
    value = take(evaluation, "effect_pct.value", "percent", e.id) if e.effect_pct is not None else None
    if value is None:
        return None
    return Effect(estimate=e.id, value=value, ranges=_percent_range(evaluation, e), level=level(evaluation, e),
                  verdict=verdict(e, outcome))


def level(evaluation: Evaluation, e: Estimate) -> Number:
    """Take the level of an estimate's interval."""
    return need(evaluation, "conf_level", "level", e.id)


def main_effect(evaluation: Evaluation, e: Estimate, outcome: Outcome, unit: Quote | Recorded) -> Effect:
    """Put an effect on the scale readers see first: per cent for logs, points for shares, else the outcome's unit."""
    if outcome.is_log or e.transform == "log" or e.method == "ratio_effect":
        percent = percent_effect(evaluation, e, outcome)
        if percent is not None:
            return percent
        unit = fragment("log points", "results.json: transform") if e.method != "ratio_effect" else unit
    share = _is_share(e)
    kind: Kind = "points" if share else "amount"
    value = need(evaluation, "estimate", kind, e.id)
    return Effect(estimate=e.id, value=value, ranges=plain_range(evaluation, e, kind), level=level(evaluation, e),
                  verdict=verdict(e, outcome), unit=None if share else unit)


def standard_effect(evaluation: Evaluation, e: Estimate, outcome: Outcome) -> Effect | None:
    """Put an effect in standard deviations of its outcome; None where the record has no standard deviation."""
    sd = e.outcome_sd
    if sd is None or not sd > 0:
        return None

    def scaled(x: float, path: str) -> Number:
        return Number(value=x / sd, kind="sd", path=path, estimate=e.id, derived=f"{path} / outcome_sd")

    pieces = [(s.low, s.high) for s in e.interval] or [(e.conf_low, e.conf_high)]
    ranges = tuple(Range(low=None if low is None else scaled(low, "interval"),
                         high=None if high is None else scaled(high, "interval")) for low, high in pieces
                   if e.interval or low is not None or high is not None)
    return Effect(estimate=e.id, value=scaled(e.estimate, "estimate"), ranges=ranges, level=level(evaluation, e),
                  verdict=verdict(e, outcome))


def results(evaluation: Evaluation, language: str) -> tuple[Result, ...]:
    """Lay out every outcome of the record, primaries first, each kind in declared order."""
    known = {e.outcome for e in evaluation.estimates if e.role in ("primary", "secondary")}
    order = [(i, o) for i, o in enumerate(evaluation.study.outcomes) if o.name in known]
    order.sort(key=lambda pair: pair[1].role != "primary")
    return tuple(_result(evaluation, i, o, language) for i, o in order)


def _result(evaluation: Evaluation, index: int, outcome: Outcome, language: str) -> Result:
    e = evaluation.main(outcome.name)
    label = quote(words(outcome.label, language), f"study.yaml: outcomes[{index}].label")
    unit = unit_of(e, index, outcome, language)
    count = need(evaluation, "n_units" if e.n_units is not None else "n", "count", e.id)
    missing = tuple(
        say("read.missing", label=label, what=_field(what),
            why=fragment(why.rstrip("."), "results.json: reasons"))
        for what, why in e.reasons if what != "effect_pct")  # the table shows that there is none
    return Result(
        estimate=e.id, label=label, unit=unit, primary=outcome.role == "primary",
        effect=main_effect(evaluation, e, outcome, unit), percent=percent_effect(evaluation, e, outcome),
        standard=standard_effect(evaluation, e, outcome),
        comparison=take(evaluation, "comparison_mean", "points" if _is_share(e) else "amount", e.id),
        p=take(evaluation, "p_value", "p", e.id), p_adjusted=take(evaluation, "p_adjusted", "p", e.id), n=count,
        provisional=e.has_caveat("provisional"), missing=missing)


def _field(name: str) -> Text:
    return say(f"field.{name}") if known(f"field.{name}") else fragment(name.replace("_", " "), "results.json: reasons")


def axis_of(rows: tuple[Result, ...]) -> Literal["percent", "sd", "none"]:
    """Choose the figure's axis: per cent if every outcome has one, else standard deviations, else none."""
    if all(r.percent is not None for r in rows):
        return "percent"
    return "sd" if any(r.standard is not None for r in rows) else "none"

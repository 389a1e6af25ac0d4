"""What the study is, how it was made and what it leaves open: the blocks around the findings."""

from __future__ import annotations

from impact.brief.claims.ladder import rung_of
from impact.brief.columns import worded
from impact.brief.findings import CONTRASTS, compared, contrast, unit_noun
from impact.brief.model import (
    Fact,
    FlowPanel,
    FlowStep,
    Join,
    Number,
    Phrase,
    Quote,
    Text,
    quote,
    say,
    take,
)
from impact.brief.translation import fragment, loss
from impact.brief.words import known
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation
from impact.study.types import ROW_NUMBER, Study, Words, words
from impact.study.wording import CAPTIONED

ESTIMANDS = {**CONTRASTS, "pooled_rounds": "rounds", "rank_test": "shift"}  # told by the method, more closely than declared
RANDOM_RULES = ("simple", "blocked", "clustered", "pairs")


def own(value: Words | str | None, key: str, language: str) -> Quote | None:
    """Take the officer's words of one key of study.yaml; None where there are none."""
    text = words(value, language)
    return quote(text, f"study.yaml: {key}") if text.strip() else None


def stated(evaluation: Evaluation, value: Words | str | None, key: str, language: str) -> Text:
    """Take the officer's words of one key, or say 'not stated' (key left out) or 'none' (key set to null)."""
    given = own(value, key, language)
    if given is not None:
        return given
    return say("none_given" if evaluation.study.state(key) == "null" else "not_stated")


def day(date: str, where: str = "study.yaml: brief.date", *, short: bool = False) -> Phrase:
    """Write an ISO date in words; short ones are for a narrow column."""
    year, month, number = date[:10].split("-")
    key = "day.short" if short else "day.first" if number == "01" else "day"
    name = f"month.short.{month}" if short else f"month.{month}"
    return say(key, day=quote(int(number), where), month=say(name), year=quote(year, where))


def method(evaluation: Evaluation, language: str) -> tuple[Fact, ...]:
    """Say how we know: design, who, the question in words, estimator, data, plan and loss."""
    study, e = evaluation.study, evaluation.headline
    who = compared(evaluation, language)
    kind = say(f"design.{study.design.kind}")
    rule = study.design.assignment.rule if study.design.assignment else None
    design = (say("design.rule", design=kind, rule=say(f"rule.{rule}"), compared=who)
              if rule in RANDOM_RULES else say("design.line", design=kind, compared=who))
    facts: list[tuple[str, Text]] = [("fact.design", design), ("fact.who", _who(evaluation, e, language)),
             ("fact.estimand", estimand(evaluation, language)), ("fact.estimator", _estimator(evaluation, e, language)),
             ("fact.assumption", _assumption(e)),
             ("fact.data", data_line(evaluation, language))]
    facts = [(name, _rewritten(study, name, language) or text) for name, text in facts]
    facts += [("fact.rung", _rung(evaluation)), ("fact.plan", _plan(study, language))]
    if flow(evaluation, language) is None:  # where there is one, it stands below with every loss and its reason
        facts.append(("fact.loss", say("loss.unknown")))
    return tuple(Fact(name=say(name), text=text) for name, text in facts)


def _rewritten(study: Study, name: str, language: str) -> Text | None:
    """Take the officer's own line of 'How we know', if there is one."""
    line = name.removeprefix("fact.")
    return own(getattr(study.brief.how_we_know, line, None), f"brief.how_we_know.{line}", language)


def _rung(evaluation: Evaluation) -> Text:
    """Say how far the comparison carries words of cause, and what it lacks for the next rung."""
    found = rung_of(evaluation)
    lacking = tuple(r for r in found.reasons if not r.key.endswith(".holds"))
    return Join(parts=(say("rung.lacking", rung=found.name), *lacking), by=" ") if lacking else found.name


def _plan(study: Study, language: str) -> Text:
    """Say when the plan was frozen; without one, that nothing kept outcomes from being chosen by their results."""
    if study.plan is None:
        return say("plan.none")
    record = own(study.plan.record, "plan.record", language)
    frozen = day(study.plan.frozen, "study.yaml: plan.frozen")
    return say("plan.at", day=frozen, record=record) if record else say("plan.frozen", day=frozen)


def with_own_limits(lines: tuple[Text, ...], study: Study, language: str) -> tuple[Text, ...]:
    """Put the limits the officer adds behind the gravest of the record; none of the record's goes for them."""
    found = (own(text, f"brief.limits[{i}]", language) for i, text in enumerate(study.brief.limits))
    added = tuple(text for text in found if text is not None)
    if lines == (say("limit.none"),):
        return added or lines
    return (*lines[:1], *added, *lines[1:])


def captions(study: Study, language: str) -> tuple[tuple[str, Text], ...]:
    """Take the officer's captions, by the block they stand under."""
    given = study.brief.captions
    found = ((name, own(getattr(given, name, None), f"brief.captions.{name}", language)) for name in CAPTIONED)
    return tuple((name, text) for name, text in found if text is not None)


def _who(evaluation: Evaluation, e: Estimate, language: str) -> Phrase:
    units = unit_noun(evaluation, language)
    n = take(evaluation, "n_units" if e.n_units is not None else "n", "count", e.id)
    treated = take(evaluation, "n_units_treated" if e.n_units_treated is not None else "n_treated", "count", e.id)
    if n is None:
        return say("not_stated")
    if treated is None or treated.value > n.value:
        return say("who", n=n, units=units)
    key = {"multi_arm": "who.one", "factorial": "who.one", "dose_response": "who.dose", "spillover": "who.market",
           "saturation": "who.market"}.get(e.method, "who.split")
    rest = Number(value=n.value - treated.value, kind="count", path=n.path, estimate=e.id,
                  derived=f"{n.path} − {treated.path}")
    return say(key, n=n, units=units, treated=treated, comparison=rest, **contrast(evaluation, e))


def estimand(evaluation: Evaluation, language: str) -> Phrase:
    """Say in words what is estimated."""
    design, e = evaluation.study.design, evaluation.headline
    key = ESTIMANDS.get(e.method, design.estimand) if design.kind == "rct" else design.estimand
    key = e.estimand if e.estimand in ("ato", "matching") else key
    text = say(f"estimand.{key}.{design.weighting}" if key in ("worker", "incumbent") else f"estimand.{key}",
               units=unit_noun(evaluation, language), unit=unit_noun(evaluation, language, 0), **contrast(evaluation, e))
    if design.ever_treated:
        return say("estimand.ever", estimand=text, unit=unit_noun(evaluation, language, 0))
    return text


def method_name(name: str) -> Text:
    """Name a method in words; its own name where the word list has none."""
    return say(f"method.{name}") if known(f"method.{name}") else quote(
        name.replace("_", " ").capitalize(), "results.json: method")


def _assumption(e: Estimate) -> Text:
    """Quote what the comparison rests on; the first assumption of an estimate is the one that identifies it."""
    return fragment(e.assumptions[0].rstrip("."), "results.json: assumptions") if e.assumptions else say("not_stated")


def _estimator(evaluation: Evaluation, e: Estimate, language: str) -> Phrase:
    name, design = method_name(e.method), evaluation.study.design
    level = e.se_card.level if e.se_card is not None else design.assigned_by
    if e.vcov == "placebo":
        return say("estimator.rank" if e.std_error is None else "estimator.placebo", method=name)
    if level in (design.unit, "unit", "the unit", ROW_NUMBER):
        return say("estimator.unit", method=name, unit=unit_noun(evaluation, language, 0))
    return say("estimator", method=name, level=fragment(level, "results.json: se_card.level"))


def data_line(evaluation: Evaluation, language: str) -> Phrase:
    """Say which data were used and how many rows they have."""
    data = evaluation.study.data
    if simulated(evaluation):
        text: Text = say("data.simulated", units=unit_noun(evaluation, language))
    elif data.package:
        text = say("data.package", dataset=quote(data.dataset or "", "study.yaml: data.dataset"),
                   package=quote(data.package, "study.yaml: data.package"))
    else:
        text = say("data.file", file=quote(data.file or "", "study.yaml: data.file"))
    rows = take(evaluation, "provenance.data_rows", "count")
    return say("data.size", data=text, rows=rows) if rows is not None else say("not_stated")


def simulated(evaluation: Evaluation) -> bool:
    """Tell whether the record or the study says that the data were made by a program."""
    return evaluation.provenance.simulated is True or evaluation.study.data.simulated is True


def flow(evaluation: Evaluation, language: str) -> FlowPanel | None:
    """Follow the units from the file to the first primary outcome's estimate."""
    name = evaluation.study.primaries[0].name
    record = next((f for f in evaluation.flows if f.outcome == name and f.stages), None)
    if record is None:
        return None
    steps = []
    for stage in record.stages:
        path = f"flows[{name}].stages[{stage.name}]"
        units = take(evaluation, f"{path}.units", "count")
        treated, comparison = (take(evaluation, f"{path}.{arm}", "count") for arm in ("treated", "comparison"))
        split = say("flow.split", treated=treated, comparison=comparison) if treated and comparison else None
        if units is not None:
            steps.append(FlowStep(name=say(f"flow.{stage.name}"), units=units, split=split))
    losses: list[Text] = []
    for i, lost in enumerate(record.losses):
        unit = "n_units" if lost.n_units else "n_rows"
        n = take(evaluation, f"flows[{name}].losses[{i}].{unit}", "count")
        if n is not None and n.value and lost.lost:
            losses.append(say("flow.loss" if lost.n_units else "flow.loss.rows", n=n,
                              units=unit_noun(evaluation, language, 0 if n.value == 1 else 1),
                              text=loss(worded(lost, evaluation, language), f"results.json: flows[{name}].losses")))
    return FlowPanel(steps=tuple(steps), losses=tuple(losses))

"""What the programme is and what it did: the strip, the challenge, what was done for whom at what cost."""

from __future__ import annotations

from impact.brief.facts import day, own, stated
from impact.brief.model import Badge, Fact, Join, Number, Phrase, Text, Value, quote, say, take
from impact.brief.translation import caveat
from impact.results.evaluation import Evaluation
from impact.study.costs import Costs, Return
from impact.study.types import words


def meta(evaluation: Evaluation, language: str) -> tuple[Fact, ...]:
    """Give programme, donor, project number, period and status."""
    study = evaluation.study
    period = study.programme.period
    span: Text = say("not_stated")
    if period is not None:
        ends = [quote(p, "study.yaml: programme.period") for p in period]
        span = ends[0] if ends[0] == ends[1] else say("from_to", first=ends[0], last=ends[1])
    return tuple(Fact(name=say(f"fact.{name}"), text=text) for name, text in (
        ("programme", stated(evaluation, study.programme.name, "programme.name", language)),
        ("donor", stated(evaluation, study.programme.donor, "programme.donor", language)),
        ("project", stated(evaluation, study.programme.project_number, "programme.project_number", language)),
        ("period", span), ("status", say(f"status.{study.status}"))))


def badge(evaluation: Evaluation) -> Badge:
    """Say in two words what kind of comparison this is."""
    kind = evaluation.study.design.kind
    return Badge(word=say(f"badge.{kind}"), strength="random" if kind == "rct" else "quasi")


def challenge(evaluation: Evaluation, language: str) -> Text:
    """Give the challenge in the officer's words, or as not stated."""
    return own(evaluation.study.brief.challenge, "brief.challenge", language) or say("challenge.absent")


def done(evaluation: Evaluation, language: str) -> tuple[Text, tuple[Fact, ...]]:
    """Give what was done in the officer's words; beside it dose, number reached, cost and what others gave."""
    study = evaluation.study
    description = study.intervention.description if study.intervention else None
    text = own(study.brief.what_was_done, "brief.what_was_done", language) or own(
        description, "intervention.description", language) or say("done.absent")
    dose = study.intervention.dose if study.intervention else None
    facts: list[tuple[str, Text | None]] = [
        ("dose", own(dose, "intervention.dose", language)), ("reached", _reached(evaluation))]
    if study.costs is not None:
        total, _, each = sums(evaluation, study.costs)
        currency = quote(study.costs.currency, "study.yaml: costs.currency")
        facts.append(("cost", say(f"cost.each.{study.costs.per}", currency=currency, x=total, each=each) if each else say(
            "money", currency=currency, x=total)))
        facts.append(("others", _contributions(evaluation, study.costs, language)))
    return text, tuple(Fact(name=say(f"fact.{name}"), text=said) for name, said in facts if said is not None)


def _reached(evaluation: Evaluation) -> Phrase | None:
    intervention = evaluation.study.intervention
    if intervention is None or intervention.reached is None:
        return None
    total, women, men = reached_parts(evaluation)
    if total is None:
        return None
    key = "split" if women and men else "women" if women else "men" if men else ""
    return say(f"reached.{key}" if key else "reached",
               **{name: n for name, n in (("total", total), ("women", women), ("men", men)) if n is not None})


def reached_parts(evaluation: Evaluation) -> tuple[Number | None, Number | None, Number | None]:
    """Give those reached: in all, women, men; each None where the study does not declare it."""
    path = "study.intervention.reached"
    total, women, men = (take(evaluation, f"{path}.{name}", "count") for name in ("total", "women", "men"))
    if total is None and women is not None and men is not None:
        total = Number(value=women.value + men.value, kind="count", path=path, derived="women + men")
    return total, women, men


def _contributions(evaluation: Evaluation, known: Costs, language: str) -> Text | None:
    """Name what others gave beside the costs."""
    currency = quote(known.currency, "study.yaml: costs.currency")
    given: list[Phrase] = []
    for i, line in enumerate(known.contributions):
        amount = take(evaluation, f"study.costs.contributions[{i}].amount", "amount")
        if amount is not None:
            who = quote(words(line.source, language), f"study.yaml: costs.contributions[{i}].from")
            given.append(say("cost.given", who=who, currency=currency, x=amount, kind=say(f"cost.kind.{line.kind}")))
    return Join(parts=tuple(given), by="; ") if given else None


def sums(evaluation: Evaluation, known: Costs) -> tuple[Number, Number | None, Number | None]:
    """Add up the lines: the total, the participants, and the total by participant."""
    participants = take(evaluation, "study.costs.participants", "count")
    made = next((f for f in evaluation.money if f.kind == "cost_per_participant"), None)
    if made is None:
        return Number(value=sum(line.amount for line in known.lines), kind="amount", path="study.costs.lines",
                      derived="sum of the amounts of study.costs.lines"), participants, None
    total = Number(value=float(dict(made.basis)["total"]), kind="amount", path="money[0].basis",
                   derived="study.costs.lines in prices of study.costs.price_year, added up")
    return total, participants, take(evaluation, "money[0].value", "amount")


def costs(evaluation: Evaluation, language: str) -> tuple[tuple[Fact, ...], Text]:
    """Give the costs as reported, or 'not reported'; nothing is valued that the record does not value."""
    known = evaluation.study.costs
    if known is None:
        return (Fact(name=say("cost.absent"), text=say("not_reported")),), say("cost.note.absent")
    currency = quote(known.currency, "study.yaml: costs.currency")
    total, participants, each = sums(evaluation, known)
    facts = [Fact(name=say("cost.total"), text=say("money", currency=currency, x=total))]
    if participants is not None:
        facts.append(Fact(name=say("cost.participants"), text=say("number", x=participants)))
    if each is not None:
        name = "cost.participant.taker" if known.per == "taker" else "cost.participant"
        facts.insert(0, Fact(name=say(name), text=say("money", currency=currency, x=each)))
    facts += _against(evaluation, known, language)
    note: Text = say("cost.note", currency=currency, year=quote(known.price_year, "study.yaml: costs.price_year"))
    if not known.in_one_years_prices:
        years = [quote(year, "study.yaml: costs.lines") for year in sorted({line.year for line in known.lines})]
        note = say("cost.note.mixed", currency=currency, years=Join(parts=tuple(years), by=", "))
    if not known.returns:
        note = Join(parts=(note, say("cost.note.unvalued")))
    if known.contributions:
        given = Number(value=sum(line.amount for line in known.contributions), kind="amount",
                       path="study.costs.contributions", derived="sum of the amounts of study.costs.contributions")
        facts.append(Fact(name=say("cost.others"), text=say("money", currency=currency, x=given)))
        note = Join(parts=(note, say("cost.note.others")))
    return tuple(facts), Join(parts=(note, *_conventions(evaluation, known, language)))


def _against(evaluation: Evaluation, known: Costs, language: str) -> list[Fact]:
    """Set the cost against the outcomes the study names: what the record holds, with its set, and no more."""
    facts = []
    for i, figure in enumerate(evaluation.money):
        declared = next((r for r in known.returns if r.outcome == figure.outcome), None)
        if declared is not None:
            gaps = _gaps(evaluation, known, declared, language)
            facts.append(Fact(name=say(f"cost.{figure.kind}.{declared.counts}", **gaps), text=_figure(evaluation, i, gaps)))
    return facts


def money_figure(evaluation: Evaluation, outcome: str, kind: str, language: str) -> Phrase | None:
    """Say one figure of value for money as the record allows; None where it has none of that kind."""
    known = evaluation.study.costs
    index = next((i for i, f in enumerate(evaluation.money) if (f.outcome, f.kind) == (outcome, kind)), None)
    if known is None or index is None:
        return None
    declared = next(r for r in known.returns if r.outcome == outcome)
    return _figure(evaluation, index, _gaps(evaluation, known, declared, language))


def _gaps(evaluation: Evaluation, known: Costs, declared: Return, language: str) -> dict[str, Value]:
    index = [o.name for o in evaluation.study.outcomes].index(declared.outcome)
    label = words(evaluation.study.outcomes[index].label, language)
    gaps: dict[str, Value] = {
        "label": quote(label, f"study.yaml: outcomes[{index}].label"),
        "currency": quote(known.currency, "study.yaml: costs.currency"), "periods": say(f"periods.{declared.period}")}
    horizon = take(evaluation, f"study.costs.returns[{known.returns.index(declared)}].horizon", "plain")
    return gaps if horizon is None else {**gaps, "horizon": horizon}


def _figure(evaluation: Evaluation, i: int, gaps: dict[str, Value]) -> Phrase:
    """Say one figure as its state allows."""
    figure = evaluation.money[i]
    if figure.state in ("never", "no_figure", "not_computed"):
        return say(f"cost.{figure.state}")
    form = {"payback": "time", "benefit_cost": "ratio"}.get(figure.kind, "money")
    low, high = (take(evaluation, f"money[{i}].interval[0].{end}", "amount") for end in ("low", "high"))
    value = take(evaluation, f"money[{i}].value", "amount")
    if figure.state == "at_least" and low is not None:
        return say(f"cost.at_least.{form}", x=low, **gaps)
    if figure.state == "at_most" and high is not None:
        return say(f"cost.at_most.{form}", x=high, **gaps)
    if value is None or low is None or high is None:
        return say("cost.not_computed")
    return say(f"cost.bounded.{form}", x=value, low=low, high=high, **gaps)


def _conventions(evaluation: Evaluation, known: Costs, language: str) -> list[Text]:
    """Say what the figures take for granted, how cost and effect came to speak of the same units, what is in no line."""
    notes: list[Text] = [caveat(c) for figure in evaluation.money for c in figure.caveats]
    for i, declared in enumerate(known.returns):
        if declared.counts == "income" and declared.fading is not None:
            shares = {name: Number(value=share * 100, kind="percent", path=f"study.costs.returns[{i}].{name}",
                                   derived="× 100") for name, share in (("fading", declared.fading),
                                                                        ("discount", declared.discount))}
            notes.append(say("cost.note.lasting", period=say(f"period.{declared.period}"), **shares))
    if known.exchange is not None:
        rate = Number(value=known.exchange.rate, kind="plain", path="study.costs.exchange.rate")
        notes.append(say("cost.note.exchange", one=quote(known.currency, "study.yaml: costs.currency"), rate=rate,
                         other=quote(known.exchange.currency, "study.yaml: costs.exchange.currency"),
                         date=day(known.exchange.date)))
    if known.left_out:
        items = tuple(quote(words(item, language), f"study.yaml: costs.left_out[{i}]")
                      for i, item in enumerate(known.left_out))
        notes.append(say("cost.note.left_out", items=Join(parts=items, by=", ")))
    elif known.returns and evaluation.study.state("costs.left_out") == "absent":
        notes.append(say("cost.note.left_out.absent"))
    return list(dict.fromkeys(notes))

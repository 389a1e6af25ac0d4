"""What was found, in words: the sentences of title, bottom line, key box and tiles, over every outcome of the record."""

from __future__ import annotations

from dataclasses import replace

from impact.brief.model import (
    CLEAR,
    Benchmark,
    Effect,
    Form,
    Join,
    Message,
    Number,
    Phrase,
    Quote,
    Result,
    Said,
    Text,
    Tile,
    Value,
    Verdict,
    quote,
    say,
    take,
)
from impact.brief.translation import fragment
from impact.brief.words import known, sentence
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation
from impact.study.types import words

MOST_NAMED = 3
MOST_IN_LINE = 4  # primary outcomes told one by one in the bottom line; beyond, they are counted there
CONTRASTS = {"encouragement": "encouraged", "multi_arm": "arm", "factorial": "factor", "spillover": "market",
             "saturation": "market", "dose_response": "dose", "quantile_effects": "quantile", "worker_effects": "worker",
             "worker_composition": "incumbent"}
LONG_TITLE = 56  # characters of two labels, beyond which a title that names both would run over three lines


# ---- who is compared with whom ---------------------------------------------------------------------------------------
def unit_noun(evaluation: Evaluation, language: str, number: int = 1) -> Quote:
    """Give the noun for the unit studied, singular (0) or plural (1)."""
    design = evaluation.study.design
    if evaluation.study.state("design.unit_label") != "given":
        return quote(sentence(("unit.one", "unit.many")[number], language), "design.unit_label")
    return quote(words(design.unit_label[number], language), f"study.yaml: design.unit_label[{number}]")


def groups(evaluation: Evaluation, language: str) -> tuple[Phrase, Phrase]:
    """Name the two groups of the comparison that the headline makes."""
    kind, units = evaluation.study.design.kind, unit_noun(evaluation, language)
    arm = _did_comparison(evaluation) if kind == "did" else "comparison"
    e = evaluation.headline
    name = CONTRASTS.get(e.method, "late" if e.estimand == "late" else kind) if kind == "rct" else kind
    gaps = {"units": units, **contrast(evaluation, e)}
    return say(f"group.{name}.treated", **gaps), say(f"group.{name}.{arm}", **gaps)


def contrast(evaluation: Evaluation, e: Estimate) -> dict[str, Value]:
    """Name what one row of a method sets against what: the arm or place, the arm of reference, the dose."""
    calls = (evaluation.study.analysis.primary, *evaluation.study.analysis.robustness)
    mine = [dict(c.options) for c in calls if c.method == e.method]
    references = [str(options["reference"]) for options in mine if "reference" in options]
    zero = next((name for name in references if e.term.endswith(f" − {name}")), "".join(references[:1]))
    dose = e.term.partition(" per unit of ")[2] or next((str(options["dose"]) for options in mine if "dose" in options), "")
    return {"one": fragment(e.term.removesuffix(f" − {zero}").replace("_", " "), "results.json: term"),
            "zero": quote(zero.replace("_", " "), "study.yaml: analysis.primary.options.reference"),
            "dose": quote(dose.replace("_", " "), "study.yaml: analysis.primary.options.dose")}


def _did_comparison(evaluation: Evaluation) -> str:
    """Two-by-two compares as declared; fixed effects over staggered starts compare with units not in it yet too."""
    e, declared = evaluation.headline, evaluation.study.design.comparison
    if e.method == "two_by_two":
        return declared or "never_treated"
    return "not_yet_treated" if e.has_caveat("provisional") else declared or "comparison"


def compared(evaluation: Evaluation, language: str) -> Phrase:
    """Say who is set against whom."""
    treated, comparison = groups(evaluation, language)
    key = "compared.did" if evaluation.study.design.kind == "did" else "compared"
    return say(key, treated=treated, comparison=comparison)


def said(effect: Effect, form: Form) -> Said:
    """Put an effect in words or signs."""
    return Said(effect=effect, form=form)


def _state(v: Verdict) -> str:
    return "clear" if v in CLEAR else v


def _count(n: int) -> Number:
    return Number(value=n, kind="count", path="estimates", derived="a count of outcomes")


def _labels(rows: list[Result], by: Phrase | None = None) -> Join:
    if by is None:
        return Join(parts=tuple(r.label for r in rows), by=", ")
    return Join(parts=tuple(part for r in rows for part in (by, r.label))[1:], by="")


def _all_open(rows: list[Result]) -> bool:
    """Tell whether there are several outcomes and on each of them the data cannot tell."""
    return len(rows) > 1 and all(r.effect.verdict == "unclear" for r in rows)


# ---- title and bottom line -------------------------------------------------------------------------------------------
def title(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> Text:
    """State every declared primary outcome as it came out: by name where there are few, else counted."""
    primaries = [r for r in rows if r.primary]
    if len(primaries) == 1:
        r = primaries[0]
        state, where = _state(r.effect.verdict), _where(evaluation, language)
        named = ".of" if state == "unclear" and where.key == "title.where" else ""  # an arm or a dose is named always
        return say(f"title.{state}{named}", label=r.label, treated=groups(evaluation, language)[0], where=where,
                   size=said(r.effect, "size"), range=said(r.effect, "range_unit"))
    if len(primaries) == 2 and _all_open(primaries):
        return say("title.open", labels=_labels(primaries, say("and")))
    if len(primaries) == 2 and sum(len(r.label.text) for r in primaries) <= LONG_TITLE:
        return Join(by="; ", parts=tuple(_finding(r, "title.part") for r in primaries))
    return _counts(primaries)


def _where(evaluation: Evaluation, language: str) -> Phrase:
    """Say in few words where an effect was found: the bottom line below names both groups in full."""
    treated = groups(evaluation, language)[0]
    short = treated.key.replace("group.", "title.where.").removesuffix(".treated")
    whole = evaluation.headline.estimand in ("att", "itt")  # of others 'participants' would say too much or too little
    return say(short) if whole and known(short) else say("title.where", treated=treated)


def _counts(primaries: list[Result]) -> Join:
    """Count how all the primary outcomes came out; nothing is left out of the count."""
    found = [r.effect.verdict for r in primaries]
    good, bad = found.count("favourable"), found.count("unfavourable")
    key = "title.many" if good and bad else "title.many.good" if good else "title.many.bad" if bad else "title.many.neither"
    parts: list[Value] = [say(key, n=_count(len(found)), good=_count(good), bad=_count(bad))]
    for key, states in (("title.many.open", ("unclear", "corrected", "disagree")), ("title.many.few", ("too_few",)),
                        ("title.many.none", ("no_interval",))):
        n = sum(state in states for state in found)
        if n:
            parts.append(say(key, n=_count(n)))
    return Join(by="; ", parts=tuple(parts))


def _finding(r: Result, stem: str, **more: Value) -> Phrase:
    e = r.effect
    form: Form = "range_unit" if stem == "title.part" else "range"  # no size before it that has the unit
    return say(f"{stem}.{_state(e.verdict)}", label=r.label, size=said(e, "size"), range=said(e, form),
               level=e.level, verdict=say(f"verdict.{e.verdict}"), **more)


def _short_line(r: Result) -> Phrase:
    """Say one of two outcomes in a line: estimate, interval in signs and verdict."""
    e = r.effect
    if e.verdict not in (*CLEAR, "unclear"):
        return _finding(r, "line")
    return say("line.clear", label=r.label, size=said(e, "size"), range=said(e, "signed_range"), level=e.level,
               verdict=say(f"verdict.{e.verdict}"))


def _sentence(*parts: Value, by: str = "; ") -> Join:
    return Join(parts=(Join(parts=parts, by=by), say("stop")), by="")


def bottom_line(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> Text:
    """Say who was compared with whom, and how every primary outcome came out."""
    first = say("line.compared", n=rows[0].n, units=unit_noun(evaluation, language),
                compared=compared(evaluation, language))
    primaries = [r for r in rows if r.primary]
    if len(primaries) == 1:
        return Join(parts=(first, _finding(primaries[0], "line")))
    if len(primaries) == 2:
        return Join(parts=(first, *map(_short_line, primaries)))
    if len(primaries) <= MOST_IN_LINE:
        return Join(parts=(first, _sentence(*(_finding(r, "title.part") for r in primaries))))
    bad = [r for r in primaries if r.effect.verdict == "unfavourable"]
    named = (say("line.unfavourable", labels=_labels(bad)),) if bad else ()
    return Join(parts=(first, _sentence(_counts(primaries)), *named))


# ---- key box ---------------------------------------------------------------------------------------------------------
def messages(evaluation: Evaluation, rows: tuple[Result, ...], known: Benchmark | None,
             limit: Message | None) -> tuple[Message, ...]:
    """Write the key box: the primaries, the secondaries counted, a known answer, the first limit."""
    primaries, others = [r for r in rows if r.primary], [r for r in rows if not r.primary]
    named = primaries if len(primaries) <= 2 else primaries[:1]
    points = [Message(lead=say("key.open.lead", labels=_labels(named, say("and"))), body=say("key.open"))] if (
        _all_open(named)) else [_primary_message(evaluation, r) for r in named]
    rest = primaries[len(named):]
    if rest:
        points.append(Message(lead=say("key.primaries.lead", n=_count(len(rest))),
                              body=_sentence(*(_finding(r, "title.part") for r in rest))))
    if others:
        points.append(_others(others))
    if known is not None:
        points.append(_known_message(known))
    return (*points, limit) if limit is not None else tuple(points)


def _primary_message(evaluation: Evaluation, r: Result) -> Message:
    outcome = evaluation.study.outcome(evaluation.estimate(r.estimate).outcome)
    extra: dict[str, Value] = {"better": say(f"better.{outcome.better}")}
    if r.p_adjusted is not None:
        extra["p"] = r.p_adjusted
    state = _state(r.effect.verdict)
    lead = say(f"key.{state}.lead", label=r.label, size=said(r.effect, "size"))
    return Message(lead=lead, body=_finding(r, "key", **extra))


def _known_message(b: Benchmark) -> Message:
    if b.comparable is None:
        body = say("key.benchmark.units", label=b.label, value=b.value, unit=b.unit)
    elif b.inside is None:
        body = say("key.benchmark.plain", label=b.label, value=said(b.comparable, "signed"), ours=said(b.effect, "signed"))
    else:
        body = say("key.benchmark", label=b.label, value=said(b.comparable, "signed"), ours=said(b.effect, "signed"),
                   level=b.effect.level, difference=_away(b),
                   inside=say("benchmark.inside" if b.inside else "benchmark.outside"))
    return Message(lead=say("key.benchmark.lead"), body=body)


def _away(b: Benchmark) -> Value:
    """How far this study's answer is from the known one; there is one wherever they have one scale."""
    if b.comparable is None or b.difference is None:
        return say("none")
    return said(replace(b.comparable, value=b.difference, ranges=()), "signed")


def _others(others: list[Result]) -> Message:
    clear = [r for r in others if r.effect.verdict in CLEAR]
    bad = [r for r in clear if r.effect.verdict == "unfavourable"]
    corrected = say("key.corrected.words" if any(r.p_adjusted is not None for r in others) else "key.corrected.not")
    if len(others) == 1:
        lead = say("key.one.lead", state=say(f"key.one.{_state(others[0].effect.verdict)}"), corrected=corrected)
    else:
        lead = say("key.others.mixed.lead" if bad else "key.others.lead" if clear else "key.others.none.lead",
                   n=_count(len(others)), k=_count(len(clear)), bad=_count(len(bad)), corrected=corrected)
    named = sorted(clear, key=lambda r: r.effect.verdict != "unfavourable")[:MOST_NAMED]  # adverse ones are never cut first
    parts: list[Value] = [say("key.other", label=r.label, size=said(r.effect, "size"), range=said(r.effect, "range"))
                          for r in named]
    if len(clear) > MOST_NAMED:
        parts.append(say("key.more", n=_count(len(clear) - MOST_NAMED)))
    body: list[Value] = [_sentence(*parts)] if parts else []
    for key, states in (("key.others.open", ("unclear", "corrected", "disagree")), ("key.others.few", ("too_few",)),
                        ("key.others.no_interval", ("no_interval",))):
        left = [r for r in others if r.effect.verdict in states]
        if left and len(others) <= 2 * MOST_NAMED:
            body.append(say(key, labels=_labels(left)))
        elif left and key != "key.others.open":
            body.append(say(f"{key}.count", n=_count(len(left))))
    return Message(lead=lead, body=Join(parts=tuple(body)))


# ---- tiles -----------------------------------------------------------------------------------------------------------
def tiles(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> tuple[Tile, ...]:
    """Choose three headline numbers; the first is always the first declared primary outcome."""
    primaries, others = [r for r in rows if r.primary], [r for r in rows if not r.primary]
    chosen = [_outcome_tile(evaluation, r, language) for r in primaries[:3]]
    flow = _flow_tile(evaluation, language)
    if len(chosen) < 2 and others:
        chosen.append(_outcome_tile(evaluation, others[0], language))
    if flow is not None and len(chosen) < 3:
        chosen.append(flow)
    if len(chosen) < 3 and rows[0].comparison is not None and not evaluation.study.outcome(
            evaluation.headline.outcome).is_log:
        base = evaluation.headline.comparison_label
        mean = say("tile.base.label", label=rows[0].label) if "mean" in base or not base else say(
            "tile.base.other", label=rows[0].label, base=fragment(base, "results.json: comparison_label"))
        chosen.append(Tile(figure=rows[0].comparison, label=mean,
                           note=say("tile.unit.note", unit=rows[0].unit)))
    if len(chosen) < 3 and len(others) > 1:
        chosen.append(_outcome_tile(evaluation, others[1], language))
    return tuple(chosen)


def _outcome_tile(evaluation: Evaluation, r: Result, language: str) -> Tile:
    e = evaluation.estimate(r.estimate)
    effect = r.effect
    if not effect.ranges:
        note: Phrase = say("verdict.too_few" if effect.verdict == "too_few" else "tile.note.no_interval")
    else:
        note = say("tile.note", level=effect.level, range=said(effect, "signed_range"),
                   verdict=say(f"verdict.{effect.verdict}"))
    if effect.unit is not None:
        note = say("pair", name=effect.unit, text=note)
    note = say("tile.against", note=note, comparison=groups(evaluation, language)[1])
    when = e.horizon or e.period
    if when:
        note = say("tile.horizon", note=note, horizon=fragment(when, "results.json: horizon"))
    if r.provisional:
        note = say("tile.provisional", note=note)
    return Tile(figure=said(effect, "signed"), label=r.label, note=note, verdict=effect.verdict)


def _flow_tile(evaluation: Evaluation, language: str) -> Tile | None:
    name = evaluation.study.primaries[0].name
    flow = next((f for f in evaluation.flows if f.outcome == name), None)
    if flow is None or len(flow.stages) < 2:
        return None
    first, last = flow.stages[0], flow.stages[-1]
    n, whole = (take(evaluation, f"flows[{name}].stages[{s.name}].units", "count") for s in (last, first))
    if n is None or whole is None:
        return None
    lost = Number(value=whole.value - n.value, kind="count", path=whole.path, derived=f"{whole.path} − {n.path}")
    note = say("tile.analysed.note", lost=lost) if lost.value else say("tile.whole.note")
    return Tile(figure=say("tile.analysed", n=n, enrolled=whole),
                label=say("tile.analysed.label", units=unit_noun(evaluation, language)), note=note)

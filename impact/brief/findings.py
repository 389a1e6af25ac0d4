"""What was found, in words: the sentences of title, bottom line, key box and tiles, over every outcome of the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from impact.brief.brevity import FINDING, LINE, TITLE, fitting
from impact.brief.effects import equivalent
from impact.brief.model import (
    CLEAR,
    Benchmark,
    Effect,
    Form,
    ForWhom,
    GroupSplit,
    Join,
    Message,
    Number,
    Phrase,
    Quote,
    Result,
    Said,
    Text,
    Value,
    Verdict,
    quote,
    say,
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
OPEN_STATES = ("unclear", "corrected", "disagree")  # there is an interval, and nothing to tell from it
LEAST_POINTS, MOST_POINTS = 3, 5  # of the key box
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
        return fitting(_titles_of_one(evaluation, primaries[0], language), TITLE, language)
    ways: list[Text] = []
    if len(primaries) == 2 and _all_open(primaries):
        ways = [say("title.open", labels=_labels(primaries, say("and")))]
    elif len(primaries) == 2 and sum(len(r.label.text) for r in primaries) <= LONG_TITLE:
        ways = [Join(by="; ", parts=tuple(_part(r) for r in primaries)),
                Join(by="; ", parts=tuple(_part(r, sizes=False) for r in primaries))]
    return fitting([*ways, _counts(primaries), _counts(primaries, short=True)], TITLE, language)


def _titles_of_one(evaluation: Evaluation, r: Result, language: str) -> list[Text]:
    """Give titles for one primary outcome, the fullest first; an arm or a dose is named as long as there is room."""
    e, state, where = r.effect, _state(r.effect.verdict), _where(evaluation, language)
    apart = where.key == "title.where"
    keys = [f"title.{state}.of" if state == "unclear" and apart else f"title.{state}"]
    if apart:
        keys += ["title.part.verdict.of"] if state == "clear" else ["title.open.of"] if state in OPEN_STATES else []
    keys += ["title.disagree.short"] if state == "disagree" else []
    keys += {"clear": ["title.part.clear", "title.part.verdict"], "unclear": ["title.part.open"],
             "corrected": ["title.part.open"], "no_interval": ["title.part.no_interval", "title.part.verdict"],
             "too_few": ["title.part.too_few", "title.part.too_few.short"]}.get(
        state, [f"title.part.{state}"])
    return [say(key, label=r.label, treated=groups(evaluation, language)[0], where=where, size=said(e, "size"),
                range=said(e, "range_unit"), verdict=say(f"verdict.{e.verdict}")) for key in keys]


def _part(r: Result, *, sizes: bool = True) -> Phrase:
    """Say in few words how one of several outcomes came out, with its size or by its verdict alone."""
    if r.effect.verdict == "unclear":
        return say("title.part.open", label=r.label)
    if not sizes and r.effect.verdict in CLEAR:
        return say("title.part.verdict", label=r.label, verdict=say(f"verdict.{r.effect.verdict}"))
    return _finding(r, "title.part")


def _where(evaluation: Evaluation, language: str) -> Phrase:
    """Say in few words where an effect was found: the bottom line below names both groups in full."""
    treated = groups(evaluation, language)[0]
    short = treated.key.replace("group.", "title.where.").removesuffix(".treated")
    whole = evaluation.headline.estimand in ("att", "itt")  # of others 'participants' would say too much or too little
    return say(short) if whole and known(short) else say("title.where", treated=treated)


def _counts(primaries: list[Result], *, short: bool = False) -> Join:
    """Count how all the primary outcomes came out; nothing is left out of the count."""
    found = [r.effect.verdict for r in primaries]
    good, bad = found.count("favourable"), found.count("unfavourable")
    key = "title.many" if good and bad else "title.many.good" if good else "title.many.bad" if bad else "title.many.neither"
    parts: list[Value] = [say(key, n=_count(len(found)), good=_count(good), bad=_count(bad))]
    left = [("title.many.rest", tuple(set(found) - {*CLEAR}))] if short else [
        ("title.many.open", OPEN_STATES), ("title.many.few", ("too_few",)), ("title.many.none", ("no_interval",))]
    for key, states in left:
        n = sum(state in states for state in found)
        if n:
            parts.append(say(key, n=_count(n)))
    return Join(by="; ", parts=tuple(parts))


def _grouped(rows: list[Result], *, sizes: bool, named: Sequence[Verdict] | None = None) -> list[Value]:
    """Say how outcomes came out, those that came out alike in one breath; with sizes, what is clear stands by itself.

    Outcomes of the verdicts ``named`` are named and the others counted; left out, all are named.
    """
    parts: list[Value] = [_part(r) for r in rows if r.effect.verdict in CLEAR] if sizes else []
    states = dict.fromkeys(r.effect.verdict for r in sorted(rows, key=lambda r: r.effect.verdict != "unfavourable"))
    for state in states:
        alike = [r for r in rows if r.effect.verdict == state]
        if not sizes or state not in CLEAR:
            parts.append(say("title.part.group", labels=_labels(alike), verdict=say(f"verdict.{state}"))
                         if named is None or state in named else
                         say("title.part.count", n=_count(len(alike)), verdict=say(f"verdict.{state}")))
    return parts


def _finding(r: Result, stem: str, **more: Value) -> Phrase:
    e = r.effect
    form: Form = "range_unit" if stem == "title.part" else "range"  # no size before it that has the unit
    return say(f"{stem}.{_state(e.verdict)}", label=r.label, size=said(e, "size"), range=said(e, form),
               level=e.level, verdict=say(f"verdict.{e.verdict}"), **more)


def _short_line(r: Result, *, bare: bool = False) -> Phrase:
    """Say an outcome in a line: estimate, interval in signs and verdict; bare, the level was said just before."""
    e = r.effect
    if e.verdict not in (*CLEAR, "unclear"):
        return _finding(r, "line")
    return say("line.bare" if bare else "line.clear", label=r.label, size=said(e, "size"), range=said(e, "signed_range"),
               level=e.level, verdict=say(f"verdict.{e.verdict}"))


def _sentence(*parts: Value, by: str = "; ") -> Join:
    return Join(parts=(Join(parts=parts, by=by), say("stop")), by="")


def bottom_line(evaluation: Evaluation, rows: tuple[Result, ...], language: str) -> Text:
    """Say who was compared with whom, and how every primary outcome came out."""
    treated, comparison = groups(evaluation, language)
    who: dict[str, Value] = {"n": rows[0].n, "units": unit_noun(evaluation, language)}
    heads = [say("line.compared", **who, compared=compared(evaluation, language)),
             say("line.compared", **who, compared=say("compared", treated=treated, comparison=comparison)),
             say("line.analysed", **who)]
    told = _told([r for r in rows if r.primary])
    pairs = [*product(told, heads[:2]), *product(told, heads[2:])]
    return fitting([Join(parts=(head, *body)) for body, head in pairs], LINE, language)


def _told(primaries: list[Result]) -> list[Sequence[Value]]:
    """Give ways of saying how all the primary outcomes came out, the fullest first; what is adverse is never left out."""
    bad = [r for r in primaries if r.effect.verdict == "unfavourable"]
    counted: list[Sequence[Value]] = [(_sentence(_counts(primaries)), *_adverse(bad, n)) for n in (len(bad), MOST_NAMED, 1)]
    counted.append((_sentence(_counts(primaries, short=True)),))
    by_verdict: list[Sequence[Value]] = [tuple(_sentence(_part(r, sizes=False)) for r in primaries)]
    if len(primaries) == 1:
        return [(_finding(primaries[0], "line"),), (_short_line(primaries[0]),), *by_verdict]
    if len(primaries) == 2:
        first, second = primaries
        sized = tuple(_short_line(r) if r.effect.verdict in CLEAR else _sentence(_part(r)) for r in primaries)
        return [tuple(map(_short_line, primaries)), (_short_line(first), _short_line(second, bare=True)), sized,
                *by_verdict, *counted]
    if len(primaries) <= MOST_IN_LINE:
        return [(_sentence(*(_finding(r, "title.part") for r in primaries)),),
                *((_sentence(*_grouped(primaries, sizes=sizes)),) for sizes in (True, False)), *counted]
    return counted


def _adverse(bad: list[Result], most: int) -> tuple[Value, ...]:
    """Name the adverse outcomes; of more than ``most`` the further ones are counted."""
    more = (say("key.more", n=_count(len(bad) - most)),) if len(bad) > most else ()
    return (say("line.unfavourable", labels=Join(parts=(_labels(bad[:most]), *more), by=", ")),) if bad else ()


# ---- key box ---------------------------------------------------------------------------------------------------------
def messages(evaluation: Evaluation, rows: tuple[Result, ...], known: Benchmark | None,
             limit: Message | None, language: str, whom: ForWhom | None = None) -> tuple[Message, ...]:
    """Write the key box: the primaries, the secondaries counted, a known answer, for whom, the first limit.

    There are three points at least and five at most.
    """
    primaries, others = [r for r in rows if r.primary], [r for r in rows if not r.primary]
    named = primaries if len(primaries) <= 2 else primaries[:1]
    alike = _all_open(named) and not any(equivalent(evaluation, evaluation.estimate(r.estimate)) for r in named)
    ways = [_both_open(named)] if alike else [_primary_messages(evaluation, r) for r in named]
    if primaries[len(named):]:
        ways.append(_rest(primaries[len(named):]))
    if others:
        ways.append(_others(others))
    if known is not None:
        ways.append(_known_messages(known))
    points = [fitting(each, FINDING, language) for each in ways]
    if whom is not None and whom.splits and len(points) + (limit is not None) < MOST_POINTS:
        points.append(fitting(_whom_messages(whom, len(primaries) > 1), FINDING, language))
    if len(points) + (limit is not None) < LEAST_POINTS and not others:
        points.append(Message(lead=say("key.alone.lead"), body=say("key.alone")))
    if limit is None and len(points) < LEAST_POINTS:
        limit = Message(lead=say("key.limits.lead"), body=say("limit.none"))
    return (*points, limit) if limit is not None else tuple(points)


def _both_open(named: list[Result]) -> list[Message]:
    lead = say("key.open.lead", labels=_labels(named, say("and")))
    return [Message(lead=lead, body=say(key)) for key in ("key.open", "key.open.short")]


def _primary_messages(evaluation: Evaluation, r: Result) -> list[Message]:
    """Give ways of telling one primary outcome, the fullest first; the estimate and its interval are in each."""
    outcome = evaluation.study.outcome(evaluation.estimate(r.estimate).outcome)
    e, state = r.effect, _state(r.effect.verdict)
    extra: dict[str, Value] = {"better": say(f"better.{outcome.better}")}
    if r.p_adjusted is not None:
        extra["p"] = r.p_adjusted
    equal = state == "unclear" and equivalent(evaluation, evaluation.estimate(r.estimate))
    whole = _finding(r, "key", **extra)
    ways = [Message(lead=say(f"key.{state}.lead", label=r.label, size=said(e, "size")),
                    body=replace(whole, key="key.unclear.equal") if equal else whole)]
    lead = "unclear" if state == "corrected" else state
    forms: tuple[Form, ...] = ("size", "signed")
    return [*ways, *(
        Message(lead=say(f"key.{state if form == 'size' else lead}.lead", label=r.label, size=said(e, form)),
                body=say(f"key.{state}{'.equal' if equal else ''}.short", size=said(e, form), level=e.level,
                         range=said(e, "signed_range"), verdict=say(f"verdict.{e.verdict}"), **extra)) for form in forms)]


def _rest(rest: list[Result]) -> list[Message]:
    """Give ways of telling the primary outcomes after the first: one by one, then alike ones together, then counted."""
    bodies: list[Sequence[Value]] = [[_finding(r, "title.part") for r in rest], _grouped(rest, sizes=True),
                                     _grouped(rest, sizes=False)]
    bodies += [_grouped(rest, sizes=False, named=("unfavourable",)), _grouped(rest, sizes=False, named=())]
    return [Message(lead=say("key.primaries.lead", n=_count(len(rest))), body=_sentence(*parts)) for parts in bodies]


def _known_messages(b: Benchmark) -> list[Message]:
    if b.comparable is None:
        bodies = [say("key.benchmark.units", label=b.label, value=b.value, unit=b.unit)]
    else:
        bodies = [say("key.benchmark.plain", label=b.label, value=said(b.comparable, "signed"),
                      ours=said(b.effect, "signed"))]
        if b.inside is not None:
            bodies.insert(0, say("key.benchmark", label=b.label, value=said(b.comparable, "signed"),
                                 ours=said(b.effect, "signed"), level=b.effect.level, difference=_away(b),
                                 inside=say("benchmark.inside" if b.inside else "benchmark.outside")))
    return [Message(lead=say("key.benchmark.lead"), body=body) for body in bodies]


def _whom_messages(whom: ForWhom, several: bool) -> list[Message]:
    """Say whether the declared groups differ in the first primary outcome; those that do with their effects, with room."""
    first = whom.splits[0].outcome
    splits = [split for split in whom.splits if split.outcome == first]
    lead = say("key.whom.lead.of", outcome=first) if several else say("key.whom.lead")
    states = {key: [s for s in splits if isinstance(s.told, Phrase) and s.told.key == f"split.{key}"]
              for key in ("differ", "open", "few")}

    def body(told: bool) -> Join:
        differ: list[Value] = [say("key.whom.differ", labels=s.label, groups=Join(by="; ", parts=tuple(
            say("pair", name=g.name, text=said(g.effect, "signed")) for g in s.groups)))
            for s in states["differ"]] if told else [say("key.whom.differ.short", labels=_names(states["differ"]))]
        rest: list[Value] = [say(f"key.whom.{key}", labels=_names(states[key])) for key in ("open", "few") if states[key]]
        return Join(parts=(*(differ if states["differ"] else ()), *rest))

    return [Message(lead=lead, body=body(told)) for told in ((True, False) if states["differ"] else (False,))]


def _names(splits: list[GroupSplit]) -> Join:
    return Join(parts=tuple(split.label for split in splits), by=", ")


def _away(b: Benchmark) -> Value:
    """How far this study's answer is from the known one; there is one wherever they have one scale."""
    if b.comparable is None or b.difference is None:
        return say("none")
    return said(replace(b.comparable, value=b.difference, ranges=()), "signed")


def _others(others: list[Result]) -> list[Message]:
    """Give ways of telling the secondary outcomes: all are counted, some of the clear ones told, the others named."""
    clear = sorted((r for r in others if r.effect.verdict in CLEAR),
                   key=lambda r: r.effect.verdict != "unfavourable")  # adverse ones are never cut first
    bad = [r for r in clear if r.effect.verdict == "unfavourable"]
    corrected = say("key.corrected.words" if any(r.p_adjusted is not None for r in others) else "key.corrected.not")
    if len(others) == 1:
        lead = say("key.one.lead", state=say(f"key.one.{_state(others[0].effect.verdict)}"), corrected=corrected)
    else:
        lead = say("key.others.mixed.lead" if bad else "key.others.lead" if clear else "key.others.none.lead",
                   n=_count(len(others)), k=_count(len(clear)), bad=_count(len(bad)), corrected=corrected)
    forms: tuple[Form, ...] = ("range", "signed_range")
    told = dict.fromkeys(min(n, len(clear)) for n in range(MOST_NAMED, -1, -1))
    bodies = [(*_clear_ones(clear, n, form, by_name=by_name), *left)
              for n, left, by_name, form in product(told, _open_ones(others), (True, False), forms)]
    return [Message(lead=lead, body=Join(parts=body)) for body in bodies]


def _clear_ones(clear: list[Result], most: int, form: Form, *, by_name: bool) -> tuple[Value, ...]:
    """Tell the first of the clear outcomes with their intervals; the others are named or counted."""
    parts: list[Value] = [say("key.other", label=r.label, size=said(r.effect, "size"), range=said(r.effect, form))
                          for r in clear[:most]]
    rest = clear[most:]
    if rest and (parts or by_name):  # how many are clear stands before them
        parts.append(say("key.also", labels=_labels(rest)) if by_name and len(rest) <= MOST_NAMED and parts else
                     _labels(rest) if by_name and len(rest) <= MOST_NAMED else say("key.more", n=_count(len(rest))))
    return (_sentence(*parts),) if parts else ()


def _open_ones(others: list[Result]) -> list[tuple[Value, ...]]:
    """Name the outcomes that are not clear where there are few, then only count those without a judgement, then neither."""
    few: list[Value] = []
    many: list[Value] = []
    for key, states in (("key.others.open", OPEN_STATES), ("key.others.few", ("too_few",)),
                        ("key.others.no_interval", ("no_interval",))):
        left = [r for r in others if r.effect.verdict in states]
        if left and len(others) <= 2 * MOST_NAMED:
            few.append(say(key, labels=_labels(left)))
        if left and key != "key.others.open":
            many.append(say(f"{key}.count", n=_count(len(left))))
    return list(dict.fromkeys((tuple(few) or tuple(many), tuple(many), ())))

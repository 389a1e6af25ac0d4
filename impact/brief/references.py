"""Numbers in an officer's sentences: ``{profit.effect}`` is looked up by its exact key and stays a number of the record.

A key is compared as text and never taken apart, called or formatted by the language. What it stands for is an atom with
its place in the record, so that one formatter writes it, in the language of the brief, like every other number.

Of every declared outcome, here ``profit``:

- ``profit.effect``: how far the two groups are apart, without sign or unit: 12.4, 25%, 5.2 points. The sentence says which
  way, and is held against the interval.
- ``profit.size``: the same with its direction and unit: 12.4 USD a month higher.
- ``profit.interval``: the interval in words: from 2.1 to 22.7 higher.
- ``profit.effect_pct``, ``profit.interval_pct``: both in per cent of the comparison mean.
- ``profit.level``: the level of the interval: 95%.
- ``profit.comparison_mean``: the mean it is set against, without a unit.
- ``profit.p``, ``profit.p_adjusted``: the p-value, and the one that allows for several outcomes.
- ``profit.n``: how many units were analysed.
- ``profit.cost_per_unit``, ``profit.benefit_cost``, ``profit.payback``: value for money, each with its set of values.

Of the study: ``n.enrolled``, ``n.assigned``, ``n.found``, ``n.analysed``, ``n.treated``, ``n.comparison`` (of the first
primary outcome), ``n.reached``, ``n.reached_women``, ``n.reached_men``; ``costs.total``, ``costs.per_participant`` (both
with their currency) and ``costs.participants``. ``{{`` and ``}}`` are braces that stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from impact.brief.model import Brief, Form, Quote, Result, Said, Value, Written, quote, rewritten, say, take
from impact.brief.programme import money_figure, reached_parts, sums
from impact.errors import Problem
from impact.results.evaluation import Evaluation
from impact.study.schema import did_you_mean, one_of
from impact.study.types import Study, words
from impact.study.yaml_file import shown

OF_AN_OUTCOME = ("effect", "size", "interval", "effect_pct", "interval_pct", "level", "comparison_mean", "p", "p_adjusted",
                 "n")
STAGES = ("enrolled", "assigned", "found", "analysed")
REACHED = ("reached", "reached_women", "reached_men")
COSTS = ("total", "per_participant", "participants")
INTERVALS = ("interval", "interval_pct")
# sentences of a study file; what is no sentence is a name, and holds no number
SENTENCES = re.compile(r"study\.yaml: (intervention\.(description|dose)|data\.source|plan\.record|costs\.left_out\[\d+\]"
                       r"|ethics\.\w+|brief\.(title|bottom_line|challenge|what_was_done|learned|disclaimer"
                       r"|(how_we_know|captions)\.\w+|limits\[\d+\]|implications\[\d+\]\.text))$")
BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
LEADING = "study.yaml: "


def keys(study: Study) -> tuple[str, ...]:
    """List the keys of the numbers that a study's sentences may name, before anything is estimated."""
    found = [f"{o.name}.{field}" for o in study.outcomes for field in OF_AN_OUTCOME]
    if study.costs is not None:
        for declared in study.costs.returns:
            kinds = ("cost_per_unit", "benefit_cost", "payback") if declared.counts == "income" else ("cost_per_unit",)
            found += [f"{declared.outcome}.{kind}" for kind in kinds]
    found += [f"n.{stage}" for stage in (*STAGES, "treated", "comparison")]
    reached = study.intervention.reached if study.intervention is not None else None
    if reached is not None:
        declared_of = {"reached": reached.total if reached.total is not None or None in (reached.women, reached.men) else 0,
                       "reached_women": reached.women, "reached_men": reached.men}
        found += [f"n.{name}" for name in REACHED if declared_of[name] is not None]
    return tuple(found + [f"costs.{name}" for name in COSTS]) if study.costs is not None else tuple(found)


def with_numbers(brief: Brief, evaluation: Evaluation, *, before: bool = False) -> tuple[Brief, tuple[Problem, ...]]:
    """Look up every number that the officer's sentences name.

    Parameters
    ----------
    brief : the blocks with the sentences as the study file has them.
    evaluation : the record the numbers are taken from.
    before : whether there is no result yet: keys are looked at, and a number the record does not have is left as its key.

    Returns
    -------
    Brief
        With each such sentence as a :class:`~impact.brief.atoms.Written`.
    tuple of Problem
        Keys that do not exist, numbers the record does not have, braces that stand alone: all of them, by field.
    """
    study, problems = evaluation.study, dict[tuple[str, str], Problem]()
    known = keys(study)

    def read(text: Quote) -> Value:
        if not text.where.startswith(LEADING) or not BRACES.search(text.text):
            return text
        if not SENTENCES.match(text.where):
            for key in (hit[1] for hit in BRACES.finditer(text.text) if hit[1] in known):
                problems[text.where, key] = Problem(
                    where=text.where, what=f"{{{key}}} stands in a name, and a name holds no number",
                    cure="Write the number in a sentence: brief.challenge, brief.bottom_line, brief.limits and the like.")
            return text
        sentence, lacking = written(text, brief, evaluation)
        for key in lacking:
            if key not in known:
                problems[text.where, key] = _unknown(study, known, text.where, key)
            elif not before:
                problems[text.where, key] = _lacking(evaluation, text.where, key)
        return sentence

    return rewritten(brief, read), (*tuple(problems.values()), *_unprotected(study, brief.language))


def written(text: Quote, brief: Brief, evaluation: Evaluation) -> tuple[Written, tuple[str, ...]]:
    """Put the numbers a sentence names into it; those there are not stay keys, and are listed."""
    parts: list[Value] = []
    lacking: list[str] = []
    known = keys(evaluation.study)
    for piece, key in pieces(text.text):
        number = _number(brief, evaluation, key) if key in known and key is not None else None
        parts.append(number or Quote(text=piece, where=text.where))
        if key is not None and number is None:
            lacking.append(key)
    return Written(parts=tuple(parts), where=text.where), tuple(lacking)


def pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Cut a sentence at its references: words with None, and a reference with its key (one brace alone: itself)."""
    start, plain = 0, ""
    for hit in BRACES.finditer(text):
        plain += text[start:hit.start()]
        start = hit.end()
        if hit[0] in ("{{", "}}"):
            plain += hit[0][0]
            continue
        if plain:
            yield plain, None
        plain = ""
        yield hit[0], hit[0] if hit[1] is None else hit[1]
    if plain + text[start:]:
        yield plain + text[start:], None


def _number(brief: Brief, evaluation: Evaluation, key: str) -> Value | None:
    """Look one known key up; None where the record has no such number."""
    name, _, field = key.rpartition(".")
    outcomes = {evaluation.estimate(r.estimate).outcome: r for r in brief.results}
    if name in outcomes and field in OF_AN_OUTCOME:
        return _of_outcome(outcomes[name], field)
    if name == "costs":
        return _cost(evaluation, field)
    if name == "n":
        return _count(evaluation, field)
    return money_figure(evaluation, name, field, brief.language)


def _of_outcome(r: Result, field: str) -> Value | None:
    if field == "size":
        return Said(effect=r.effect, form="size")
    if field in ("effect", "interval", "effect_pct", "interval_pct"):
        effect = r.percent if field.endswith("_pct") else replace(r.effect, unit=None)  # the sentence has its own unit
        form: Form = "extent" if field.startswith("effect") else "range"
        return None if effect is None else Said(effect=effect, form=form)
    found: dict[str, Value | None] = {"level": r.effect.level, "comparison_mean": r.comparison, "p": r.p,
                                      "p_adjusted": r.p_adjusted, "n": r.n}
    return found[field]


def _cost(evaluation: Evaluation, field: str) -> Value | None:
    known = evaluation.study.costs
    if known is None:
        return None
    total, participants, each = sums(evaluation, known)
    if field == "participants":
        return participants
    x = total if field == "total" else each
    return None if x is None else say("money", currency=quote(known.currency, "study.yaml: costs.currency"), x=x)


def _count(evaluation: Evaluation, field: str) -> Value | None:
    if field in REACHED:
        return reached_parts(evaluation)[REACHED.index(field)]
    name = evaluation.study.primaries[0].name
    stages = next((tuple(s.name for s in f.stages) for f in evaluation.flows if f.outcome == name), ())
    stage, part = (field, "units") if field in STAGES else ("analysed", field)
    return take(evaluation, f"flows[{name}].stages[{stage}].{part}", "count") if stage in stages else None


# ---- what is wrong with a reference ----------------------------------------------------------------------------------
def _unknown(study: Study, known: tuple[str, ...], where: str, key: str) -> Problem:
    if key in ("{", "}"):
        return Problem(where=where, what=f"the brace {key} stands alone",
                       cure=f"Write {key}{key} for the sign itself, or {{{known[0]}}} for a number.")
    return Problem(where=where, what=f"there is no number {{{shown(key)}}}",
                   cure=" ".join(part for part in (did_you_mean(key, known), _listed(study, known)) if part))


def _listed(study: Study, known: tuple[str, ...]) -> str:
    """List the keys in short: fields of outcomes once for all of them."""
    names = {o.name for o in study.outcomes}
    money = [key for key in known if key.partition(".")[0] in names and key.rpartition(".")[2] not in OF_AN_OUTCOME]
    rest = [key for key in known if key.rpartition(".")[0] in ("n", "costs") and key not in money]
    return (f"There are {one_of(OF_AN_OUTCOME)} of each outcome ({one_of(o.name for o in study.outcomes)}), written "
            f"{{{study.outcomes[0].name}.effect}}; {one_of([*money, *rest])}. Write {{{{ and }}}} for braces themselves.")


def _lacking(evaluation: Evaluation, where: str, key: str) -> Problem:
    name, _, field = key.rpartition(".")
    own = next((e for e in evaluation.estimates if e.outcome == name and e.role in ("primary", "secondary")), None)
    why = dict(own.reasons).get("effect_pct" if field == "interval_pct" else field, "") if own is not None else ""
    return Problem(where=where, what=f"the record has no number {{{key}}}{f': {why}' if why else ''}".rstrip("."),
                   cure="Take the reference out of the sentence.")


def _unprotected(study: Study, language: str) -> tuple[Problem, ...]:
    """Name the primary outcomes that a bottom line of the officer's leaves out, null and adverse ones included."""
    text = words(study.brief.bottom_line, language)
    if not text.strip():
        return ()
    named = {key for _, key in pieces(text) if key is not None}
    return tuple(
        Problem(where="study.yaml: brief.bottom_line",
                what=f"it does not say how the primary outcome '{o.name}' came out, and a bottom line tells every one",
                cure=f"Write {{{o.name}.interval}} into it, with {{{o.name}.size}} where it is clear of zero; or leave "
                     "brief.bottom_line out.")
        for o in study.primaries if not any(f"{o.name}.{ends}" in named for ends in INTERVALS))

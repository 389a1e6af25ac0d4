"""From the saved record to a brief: an Evaluation (and an Audit) in, typed blocks out; no data frame, no estimator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from impact.brief import colophon, evidence, facts, findings, headline, periods, programme, promises
from impact.brief.approval import approved, foreseen
from impact.brief.effects import axis_of, results
from impact.brief.limitations import first_limit, limits
from impact.brief.model import Brief, Join, Text, quote, say
from impact.brief.prospects import at_best, without_numbers
from impact.brief.references import with_numbers
from impact.brief.subgroups import for_whom
from impact.brief.texts import begun, character_problems, language_problems, length_problems, refuse, untranslated
from impact.errors import Problem, RenderError
from impact.results.evaluation import Evaluation
from impact.results.reading import record_of
from impact.results.record import evaluation_to_json, sha256
from impact.study.types import Study, words

if TYPE_CHECKING:
    from impact.dced import Audit

Stamp = Literal["draft", "simulated", "provisional"]


def compose(evaluation: Evaluation | str | Path, audit: Audit | None = None, *, language: str | None = None) -> Brief:
    """Put a saved record into the blocks of a two-page brief.

    Parameters
    ----------
    evaluation : Evaluation
        The record of one evaluation, its results.json, or the folder that holds it; the micro-data are not needed.
    audit : Audit, optional
        The self-check against the DCED Standard. Without it the strip says that none was run.
    language : str, optional
        ``"en"``, ``"fr"`` or ``"es"``; left out, the study's own ``brief.language``.

    Returns
    -------
    Brief
        Frozen blocks. Every number carries the id of its estimate or its place in the record.

    Raises
    ------
    RenderError
        When a text of the study file is not there in the language, is longer than its place allows or names a number that
        is not there (every such text is named), the record has no estimate of a declared primary outcome, or the language
        is not available.
    StudyError
        When a sentence says more than the design, the interval or the plan carries: every such sentence, with the rule and
        a sentence that passes. No argument leaves this check out.
    """
    record = record_of(evaluation)
    return approved(assembled(record, audit, language=language), record)


def assembled(evaluation: Evaluation, audit: Audit | None = None, *, language: str | None = None) -> Brief:
    """Put a record into blocks with its texts checked, and its sentences not yet held against its numbers."""
    if audit is not None and not hasattr(audit, "elements"):
        raise TypeError(f"audit must be what impact.audit(evaluation) returns or None, not of type {type(audit).__name__}; "
                        "a folder goes to out=")
    language = language or evaluation.study.brief.language
    refuse(language_problems(language))
    _check_primaries(evaluation)
    refuse(_unfounded(evaluation.study, evaluation))
    brief, problems = with_numbers(_blocks(evaluation, audit, language), evaluation)
    refuse((*untranslated(brief, evaluation.study), *problems, *length_problems(brief)))
    return brief


def check_texts(study: Study, *, every_language: bool = False, language: str | None = None) -> tuple[Problem, ...]:
    """Find what in a study's own texts would stop its brief, before there is any result.

    The blocks are put together as for a brief, around a record without numbers.

    Parameters
    ----------
    study : Study
    every_language : bool
        Look at every language that some text is written in already; else at the study's own, ``brief.language``, alone.
    language : str, optional
        The language the brief is asked for in, to be looked at instead of the study's own.

    Returns
    -------
    tuple of Problem
        Texts that are not there in a language; texts too long for their place, with the characters to cut; numbers that no
        study of this kind has; characters no face can draw; a language that is not available yet. Where there is none of
        these, sentences that no result of the study could carry.
    """
    own, record = language or study.brief.language, without_numbers(study)
    unknown = language_problems(own, "language" if language else "study.yaml: brief.language")
    if unknown:
        return unknown
    first = _blocks(record, None, own)
    others = [name for name in begun(first, study) if name != own] if every_language else []
    problems: list[Problem] = []
    for blocks in (first, *(_blocks(record, None, name) for name in others)):
        brief, unknown = with_numbers(blocks, record, before=True)
        problems += unknown
        problems += [*untranslated(brief, study), *length_problems(brief), *character_problems(brief)]
        if not problems:
            records = at_best(study)
            problems += foreseen([(with_numbers(_blocks(r, None, blocks.language), r, before=True)[0], r) for r in records])
    return tuple(dict.fromkeys(problems))


def _blocks(evaluation: Evaluation, audit: Audit | None, language: str) -> Brief:
    study = evaluation.study
    rows = results(evaluation, language)
    lines = limits(evaluation, language)
    bottom = facts.own(study.brief.bottom_line, "brief.bottom_line", language) or findings.bottom_line(
        evaluation, rows, language)
    known = evidence.benchmark(evaluation, rows, language)
    whom = for_whom(evaluation, language)
    costs, cost_note = programme.costs(evaluation, language)
    done, done_facts = programme.done(evaluation, language)
    return Brief(
        language=language, date=quote(study.brief.date, "study.yaml: brief.date"),
        record=sha256(evaluation_to_json(evaluation)),
        made_of=(("data", evaluation.provenance.data_sha256), ("study", evaluation.provenance.study_sha256)),
        stamps=_stamps(evaluation), series=_series(evaluation, language),
        kicker=facts.own(study.brief.title, "brief.title", language),
        title=findings.title(evaluation, rows, language), bottom_line=bottom,
        meta=programme.meta(evaluation, language),
        messages=findings.messages(evaluation, rows, known, first_limit(evaluation, lines, language), language, whom),
        tiles=headline.tiles(evaluation, rows, language),
        question=quote(words(study.question, language), "study.yaml: question"),
        open_result=promises.open_result(evaluation, rows, language),
        challenge=programme.challenge(evaluation, language), done=done, done_facts=done_facts,
        badge=programme.badge(evaluation), method=facts.method(evaluation, language),
        chain=evidence.chain(evaluation, rows, language), results=rows, axis=axis_of(rows),
        reading=evidence.reading(evaluation, rows, language), trends=periods.trends(evaluation, language),
        event_study=periods.event_study(evaluation, language), benchmark=known, for_whom=whom,
        targets=promises.targets(evaluation, language), methods=evidence.methods(evaluation, language),
        costs=costs, cost_note=cost_note, checks=evidence.checks(evaluation, language),
        captions=facts.captions(study, language), limits=facts.with_own_limits(lines, study, language),
        lessons=evidence.lessons(evaluation, rows, language), flow=facts.flow(evaluation, language),
        standard=evidence.standard(audit), ethics=colophon.ethics(evaluation, language),
        sources=colophon.sources(evaluation, language), credits=colophon.credit_lines(evaluation, language),
        disclaimer=colophon.disclaimer(evaluation, language), logo=colophon.logo_picture(evaluation, language),
        provenance=colophon.provenance(evaluation, language),
        contact=facts.own(study.brief.contact, "brief.contact", language) or say("contact.none"))


def _check_primaries(evaluation: Evaluation) -> None:
    known = {e.outcome for e in evaluation.estimates if e.role in ("primary", "secondary")}
    missing = [o.name for o in evaluation.study.primaries if o.name not in known]
    if missing:
        raise RenderError(
            [Problem(where=f"outcome '{name}'", what="the record has no estimate of this declared primary outcome",
                     cure="Run the study again: impact run PATH.") for name in missing], source="results.json")


def _unfounded(study: Study, evaluation: Evaluation) -> tuple[Problem, ...]:
    """Name the implications that rest on an outcome which the record has no estimate of."""
    known = {e.outcome for e in evaluation.estimates if e.role in ("primary", "secondary")}
    return tuple(
        Problem(where=f"study.yaml: brief.implications[{i}]", what=f"it rests on '{item.finding}', and the record has no "
                "estimate of that outcome", cure="Tie it to an outcome that was estimated, or take it out.")
        for i, item in enumerate(study.brief.implications) if item.finding not in known)


def _stamps(evaluation: Evaluation) -> tuple[Stamp, ...]:
    stamps: list[Stamp] = []
    if evaluation.study.status != "final":
        stamps.append("draft")
    if facts.simulated(evaluation):
        stamps.append("simulated")
    if any(c.code == "provisional" for c in evaluation.caveats) or any(
            e.has_caveat("provisional") for e in evaluation.estimates if e.role in ("primary", "secondary")):
        stamps.append("provisional")
    return tuple(stamps)


def _series(evaluation: Evaluation, language: str) -> Text:
    study = evaluation.study
    first = facts.own(study.brief.series, "brief.series", language) or say("series.default")
    parts: list[Text] = [first]
    for value, key in ((study.programme.sector, "programme.sector"), (study.programme.country, "programme.country")):
        words_given = facts.own(value, key, language)
        if words_given is not None:
            parts.append(words_given)
    return Join(parts=tuple(parts), by=" · ")

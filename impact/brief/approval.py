"""Whether a brief may be printed: no sentence says more than its numbers carry, or somebody answers for it by name.

Sentences with words of the study file are held against its numbers each time. The tool's own are made from the record,
and tests hold them against the same rules: what an officer cannot rewrite must not stop a brief.

There is no way around the check but an override in the study file. It names the sentence, the rule, a person and a reason,
stands in the record with the rest of the study, and is printed in the brief.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from impact.brief.claims import Claim, examine
from impact.brief.facts import day, own
from impact.brief.model import Brief, Fact, Quote, Written, lookup, one_line, quote, say, walk
from impact.brief.references import pieces, written
from impact.brief.view import Speaker
from impact.errors import Problem, StudyError
from impact.results.evaluation import Evaluation
from impact.study.types import Study, words
from impact.study.wording import Override

OWN = "study.yaml: "
LOG = logging.getLogger("impact.brief")  # the command line prints what it says, and mutes it
OF_RESULTS = ("direction",)  # what only a result can tell
STAND = "What is to stand all the same needs a name and a reason under brief.overrides, by sentence and rule."


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A refused sentence that an override lets stand, and the override's place in the study file."""

    claim: Claim
    override: Override
    index: int


def approved(brief: Brief, evaluation: Evaluation) -> Brief:
    """Return a brief that may be printed, with every override that it needed told in it and logged.

    Raises
    ------
    StudyError
        With every sentence that says more than its numbers carry: the sentence, the rule, and one that passes.
    """
    refused, stand = judged(brief, evaluation)
    if refused:
        raise StudyError(_problems([(claim, claim.sentence) for claim in refused]), source="brief")
    for s in stand:
        LOG.warning(_logged(s.override, brief.language))
    return replace(brief, provenance=(*brief.provenance, *_lines(stand, brief.language)))


def judged(brief: Brief, evaluation: Evaluation) -> tuple[tuple[Claim, ...], tuple[SetAside, ...]]:
    """Hold the officer's sentences of a brief against its numbers: those refused, and those that an override lets stand."""
    declared = _overrides(brief, evaluation)
    refused: list[Claim] = []
    stand: list[SetAside] = []
    for claim in (c for c in examine(brief, evaluation) if c.where.startswith(OWN)):
        found = next((i for i, (text, o) in enumerate(declared) if o.rule == claim.rule and text == _plain(claim.sentence)),
                     None)
        if found is None:
            refused.append(claim)
        else:
            stand.append(SetAside(claim=claim, override=declared[found][1], index=found))
    return tuple(refused), tuple(stand)


def set_aside(brief: Brief, evaluation: Evaluation) -> tuple[str, ...]:
    """Say for a log what each override did, or that nothing needed it."""
    _, stand = judged(brief, evaluation)
    used = {s.index: s.claim for s in stand}
    return tuple(
        _logged(o, brief.language) if i in used else
        f"override   not needed for this brief: {o.rule}, “{o.sentence}”"
        for i, o in enumerate(evaluation.study.brief.overrides))


def _logged(o: Override, language: str) -> str:
    return f"override   {o.rule}, by {o.name}: {words(o.reason, language)} “{o.sentence}”"


def foreseen(records: Sequence[tuple[Brief, Evaluation]]) -> tuple[Problem, ...]:
    """Name the sentences that no result of a study could carry, before there is one.

    Parameters
    ----------
    records : a brief and its record for every result the study could hope for; a sentence is refused where each of them
        refuses it. What hangs on the direction of an effect waits for the result.
    """
    refused: dict[tuple[str, str, str], Claim] = {}
    seen = []
    for brief, evaluation in records:
        raw = {(c.where, _as_written(c, brief, evaluation.study), c.rule): c for c in judged(brief, evaluation)[0]}
        seen.append(({text.where for kind in (Quote, Written) for text in walk(brief, kind)}, raw))
        refused = {**raw, **refused}
    return _problems([
        (claim, sentence) for (where, sentence, rule), claim in refused.items()
        if rule not in OF_RESULTS and not _answered(sentence, rule, records[0][1].study)
        and all((where, sentence, rule) in raw or where not in printed for printed, raw in seen)])


def _problems(refused: Sequence[tuple[Claim, str]]) -> tuple[Problem, ...]:
    """Tell each sentence once, with every rule it breaks and a sentence that passes."""
    told: dict[tuple[str, str], list[Claim]] = {}
    for claim, sentence in refused:
        told.setdefault((claim.where, sentence), []).append(claim)
    problems = [
        Problem(where=where, what=f"“{sentence}” is refused. {' '.join(f'[{c.rule}] {c.why}' for c in claims)}",
                cure=f"Write: “{claims[0].proposal}”") for (where, sentence), claims in told.items()]
    return (*problems[:-1], *(replace(p, cure=f"{p.cure} {STAND}") for p in problems[-1:]))


def _plain(text: str) -> str:
    """Bring a sentence to plain spaces, as it is copied from a page or a terminal."""
    return re.sub(r"\s+", " ", re.sub(r"[\u2068\u2069\u200b]", "", one_line(text))).strip()


def _overrides(brief: Brief, evaluation: Evaluation) -> list[tuple[str, Override]]:
    """List the overrides with their sentences as they read; one may be copied with its references or without."""
    speaker = Speaker(brief.language)
    declared = evaluation.study.brief.overrides
    told = (written(quote(o.sentence, f"{OWN}brief.overrides"), brief, evaluation)[0] for o in declared)
    return [(_plain(speaker.text(text)), o) for text, o in zip(told, declared, strict=True)]


def _lines(stand: Sequence[SetAside], language: str) -> Iterator[Fact]:
    for s in stand:
        where = f"{OWN}brief.overrides[{s.index}]"
        reason = own(s.override.reason, f"brief.overrides[{s.index}].reason", language) or say("not_stated")
        yield Fact(name=say("proof.override"), text=say(
            "override", sentence=quote(s.claim.sentence, where), rule=quote(s.claim.rule, where), reason=reason,
            name=quote(s.override.name, f"{where}.name"), day=day(s.override.date, where)))


# ---- before there is a result ----------------------------------------------------------------------------------------
def _as_written(claim: Claim, brief: Brief, study: Study) -> str:
    """Put the references back where made-up numbers stand in a refused sentence."""
    text = _plain(claim.sentence)
    speaker = Speaker(brief.language)
    for sentence in walk(brief, Written):
        if sentence.where != claim.where:
            continue
        raw = one_line(words(lookup(study, claim.where.removeprefix(OWN)), brief.language))
        pairs = [(_plain(speaker.text(part)), f"{{{key}}}")
                 for part, (_, key) in zip(sentence.parts, pieces(raw), strict=False) if key is not None]
        for said, key in sorted(pairs, key=lambda pair: -len(pair[0])):
            text = text.replace(said, key)
    return text


def _answered(sentence: str, rule: str, study: Study) -> bool:
    """Tell whether an override speaks of a sentence, its numbers written out or as references."""
    pattern = re.compile("".join(".+?" if key is not None else re.escape(words_) for words_, key in pieces(sentence)))
    return any(o.rule == rule and pattern.fullmatch(_plain(o.sentence)) for o in study.brief.overrides)

"""Every sentence of a brief, held against the numbers it refers to."""

from __future__ import annotations

from impact.brief.claims import blocks
from impact.brief.claims.lexicon import words_of
from impact.brief.claims.proposals import proposal
from impact.brief.claims.rules import broken
from impact.brief.claims.sentences import MARK, read, split
from impact.brief.claims.types import Claim, Context
from impact.brief.model import Brief
from impact.results.evaluation import Evaluation


def examine(brief: Brief, evaluation: Evaluation) -> tuple[Claim, ...]:
    """Find every sentence of a brief that says more than its design, its interval or its plan carries.

    Parameters
    ----------
    brief : as :func:`impact.compose` makes it, in any of its languages; the officer's texts are already in it.
    evaluation : the record that it was made from.

    Returns
    -------
    tuple of Claim
        In reading order, a sentence once for each rule it breaks; empty where the brief may be printed. A text of the study
        file that stands in several places is told once.
    """
    found: dict[tuple[str, str, str], Claim] = {}
    for text, context, block, where in blocks.texts(brief, evaluation):
        for claim in examine_text(text, context, block=block, where=where):
            found.setdefault((claim.where, claim.sentence, claim.rule), claim)
    return tuple(found.values())


def examine_text(text: str, context: Context, *, block: str = "", where: str = "") -> tuple[Claim, ...]:
    """Hold every sentence of a text with :func:`marked` references against one context."""
    return tuple(claim for part in split(text) for claim in examine_sentence(part, context, block=block, where=where))


def examine_sentence(sentence: str, context: Context, *, block: str = "", where: str = "") -> tuple[Claim, ...]:
    """Hold one sentence against its context.

    Parameters
    ----------
    sentence : with :func:`marked` references.
    context : where it stands and what it may refer to.
    block, where : of the claims that come of it.
    """
    words = words_of(context.language)
    told = read(sentence, context, words)
    claims = []
    for rule, why, references in broken(told, context, words):
        written, marks = proposal(rule, told, references, context, words)
        claims.append(Claim(block=block or context.block, where=where, sentence=told.shown, rule=rule, why=why,
                            proposal=written, reads=MARK.sub(lambda m: m[2], marks)))
    return tuple(claims)

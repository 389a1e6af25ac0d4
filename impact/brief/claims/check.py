"""Every sentence of a brief, held against the numbers it refers to."""

from __future__ import annotations

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
    return ()


def examine_sentence(sentence: str, context: Context) -> tuple[Claim, ...]:
    """Hold one sentence against its context.

    Parameters
    ----------
    sentence : with :func:`marked` references.
    context : where it stands and what it may refer to.
    """
    return ()

"""What the check of words works with: rungs of attribution, what a sentence may refer to, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from impact.brief.atoms import Phrase, Verdict

Block = Literal["results", "caption", "tool", "alt", "recommendation", "aims", "context", "background", "chain", "label",
                "quote", "literature", "method"]
# what a reference shows: the size of an effect, in per cent, its whole interval, a figure that is no effect; or words that
# are not to be read
Shows = Literal["effect", "percent", "interval", "figure", "words"]

# around a reference in a text: its opening, the key, a bar, what is shown, its end; officers' texts cannot hold these signs
OPEN, BAR, CLOSE = "\ue000", "\ue001", "\ue002"


class Rung(IntEnum):
    """How far a comparison carries words of cause; a higher one carries all that a lower one does."""

    OPINION = 1
    BEFORE_AFTER = 2
    MATCHED = 3
    QUASI_NOT_EXAMINED = 4
    QUASI_EXAMINED = 5
    TRIAL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """On which rung a study's answer for one outcome stands, and why; the sentences are keys of the word list.

    ``name`` says the rung, ``reasons`` what put the answer there, one sentence a condition, what is lacking first.
    """

    rung: Rung
    name: Phrase
    reasons: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One estimate that a sentence may refer to.

    Attributes
    ----------
    key : by which a text refers to it: the outcome's name, or the id of a further estimate.
    label : the outcome in the language of the brief.
    verdict : of the interval, after correction (``impact.brief.effects.verdict``).
    direction : of the estimate: 1 higher, -1 lower, 0 neither.
    better : 1 where higher is better, -1 where lower is.
    rung : of the comparison behind it.
    caused : whether 'caused' is allowed: the offer's effect in a trial, clear of zero, losses bounded on one side of it.
    has_percent : whether it has a per cent: not of a mean near zero or below.
    equivalent : whether the interval lies within bounds that were declared to count as no difference.
    open_words : 'from 8 lower to 18 higher', in the language of the brief.
    primary : whether its outcome is a declared primary one.
    """

    key: str
    label: str = ""
    verdict: Verdict = "unclear"
    direction: int = 0
    better: int = 1
    rung: Rung = Rung.OPINION
    caused: bool = False
    has_percent: bool = True
    equivalent: bool = False
    open_words: str = ""
    primary: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One declared subgroup: the words of its groups, and the outcomes on which the test of their difference finds one."""

    label: str
    groups: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """All that a sentence is judged by.

    Attributes
    ----------
    language : "en", "fr" or "es".
    block : what kind of place it stands in. ``results`` speak of what was found, ``caption`` is a line under a block, on
        what was found or on the block itself, ``tool`` are results in the tool's own sentences, ``alt`` texts that stand
        for a picture, ``aims`` what was intended or asked, ``context`` what was done and how, ``background`` the problem
        before it, ``method`` the tool's words on how the study was made, ``chain`` and ``label`` names of steps and
        outcomes, ``quote`` words of a named person, ``literature`` others' findings.
    rung : of the study, where the sentence refers to no estimate.
    references : what it may refer to, and what a proposal may be made of; the first is the first primary outcome.
    declared : figures written in the study file, as their digits; a bare figure among them is no finding.
    splits : the declared subgroups.
    finding : of a recommendation: the key of the reference it rests on; empty where it rests on none.
    programme : names of the programme, beside the usual words for one.
    """

    language: str
    block: Block
    rung: Rung = Rung.OPINION
    references: tuple[Reference, ...] = ()
    declared: frozenset[str] = field(default_factory=frozenset)
    splits: tuple[Split, ...] = ()
    finding: str = ""
    programme: tuple[str, ...] = ()

    def reference(self, key: str) -> Reference | None:
        """Look a reference up by its key."""
        return next((r for r in self.references if r.key == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence that says more than its numbers carry.

    Attributes
    ----------
    block : the place in the brief: "title", "learned", "messages[0].body".
    where : ``study.yaml: brief.learned`` for an officer's text, else the key of the tool's sentence.
    sentence : as it reads. rule : its id, stable.
    why : one sentence in English. proposal : a sentence that passes, in the language of the brief, its numbers written as
        references ({profit.effect}); ``reads`` is the same as a reader would see it.
    """

    block: str
    where: str
    sentence: str
    rule: str
    why: str
    proposal: str
    reads: str = ""


def marked(shown: str, key: str, shows: Shows = "effect") -> str:
    """Put the marks of a reference around what it shows: 'profit' and 'interval' around 'from 2 lower to 9 higher'."""
    return f"{OPEN}{key}.{shows}{BAR}{shown}{CLOSE}"

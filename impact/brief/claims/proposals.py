"""A sentence that passes, in place of one that was refused: the finding itself, in its own words and numbers."""

from __future__ import annotations

import re

from impact.brief.atoms import CLEAR
from impact.brief.claims.lexicon import Lexicon, plain, unaccented
from impact.brief.claims.sentences import Sentence
from impact.brief.claims.types import Context, Reference, Rung, marked
from impact.brief.words import fill


def proposal(rule: str, sentence: Sentence, references: tuple[Reference, ...], context: Context,
             w: Lexicon) -> tuple[str, str]:
    """Write a sentence for the officer to take, and the same with marked references.

    Returns
    -------
    written, marked
        ``written`` has its numbers as references ({profit.effect}); ``marked`` is what :func:`examine_sentence` reads.
    """
    if context.block == "label":
        return (_measured(sentence, w),) * 2
    r = _target(sentence, references, context)
    if r is None or r.verdict in ("too_few", "no_interval", "disagree"):
        return w.proposals["nothing"], w.proposals["nothing"]
    template = w.proposals[_form(rule, r, context)]
    written, told = ({"label": r.label or r.key, "effect": effect, "interval": interval} for effect, interval in (
        (f"{{{r.key}.size}}", f"{{{r.key}.interval}}"),
        (marked("…", r.key, "effect"), marked(r.open_words or "…", r.key, "interval"))))
    told["label"] = marked(told["label"], "", "words")
    return fill(template, written), fill(template, told)


def _measured(sentence: Sentence, w: Lexicon) -> str:
    """Keep of a name what stands before the cause it gives."""
    before = next((sentence.shown[:hit.start()].strip(" ,:-–") for hit in w.found("credit", plain(sentence.shown))), "")
    return before or w.proposals["plain"]


def _form(rule: str, r: Reference, context: Context) -> str:
    """Choose the sentence: by where it stands, how the finding came out, and what was wrong."""
    clear = r.verdict in CLEAR
    if context.block == "context":
        return "aim"
    if context.block == "recommendation":
        return "advice" if clear else "advice_open"
    if not clear:
        return "open"
    if rule == "cause":
        return "matched" if r.rung <= Rung.MATCHED else "estimated"
    return {"percent": "no_percent", "gross": "gross", "forecast": "here", "subgroup": "whole"}.get(rule, "clear")


def _target(sentence: Sentence, references: tuple[Reference, ...], context: Context) -> Reference | None:
    """Find what the sentence speaks of: its reference, the outcome whose words it has, its finding, the first primary."""
    if references:
        return references[0]
    text = unaccented(plain(sentence.shown))
    best = max(((_shared(r.label, text), -i) for i, r in enumerate(context.references)), default=(0, 0))
    if best[0]:
        return context.references[-best[1]]
    return context.reference(context.finding) or next(iter(context.references), None)


def _shared(label: str, text: str) -> int:
    """Count the words of a label that a text has, by their first letters, so that endings do not count."""
    stems = [word[:max(4, len(word) - 3)] for word in re.findall(r"\w{4,}", unaccented(plain(label)))]
    return sum(bool(re.search(rf"(?<!\w){re.escape(stem)}", text)) for stem in stems)

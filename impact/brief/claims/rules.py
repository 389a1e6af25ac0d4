"""What each rule refuses; every rule reads one clause in its context and says why, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

from impact.brief.atoms import CLEAR
from impact.brief.claims.lexicon import Lexicon, plain, unaccented
from impact.brief.claims.sentences import TOKEN, Clause, Sentence
from impact.brief.claims.types import Block, Context, Reference, Rung

Rule = Callable[[Clause, Sentence, Context, Lexicon], str]

FINDINGS: tuple[Block, ...] = ("results", "caption", "tool", "alt")
SPOKEN: tuple[Block, ...] = (*FINDINGS, "recommendation")  # what a reader takes as said by the study
FREE: tuple[Block, ...] = ("quote", "literature", "aims")
BARE = re.compile(r"(?<![\w‹])\d[\d.,  ]*\d|(?<![\w‹])\d")
YEAR = re.compile(r"(?:19|20)\d\d")
DATE = re.compile(r"\d{1,2}(?:st|nd|rd|th|er|o)? (?:de )?[a-z]{3,10}\.?(?: (?:de )?(?:19|20)\d\d)?|\d{4}-\d\d(?:-\d\d)?"
                  r"|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}")
MONTHS = re.compile(r"jan|f[ei]b|fev|mar|apr|avr|abr|ma[iy]|jun|jui|jul|aug|ao[uû]|ago|sep|oct|nov|dec|ene|dic")
BRACKETS = re.compile(r"\([^()]*\)")
CENT = re.compile(r"\d ?(?:%|per ?cent|pour cent|por ciento)|\d ?points?\b|\d ?puntos?\b")


def exempt(clause: Clause, sentence: Sentence, w: Lexicon) -> bool:
    """Tell whether a clause claims nothing: it asks, doubts, intends, warns, or reports others' findings."""
    intended = w.has("aim", clause.text) and not asserted(clause.text, w)
    return sentence.question or sentence.cited or intended or _doubted(clause.text, w)


def _doubted(text: str, w: Lexicon) -> bool:
    """Tell whether a text doubts; not where it first says, outside a question, what came about."""
    doubts = w.found("uncertain", text)
    before = text[:doubts[0].start()] if doubts else ""
    return bool(doubts) and (not asserted(before, w) or w.has("asked", before))


def asserted(text: str, w: Lexicon) -> bool:
    """Tell whether a text says that something came about, beyond naming what was hoped for."""
    return any(not w.has("hoped", hit[0]) for hit in w.found("assertion", text))


def changes(text: str, w: Lexicon) -> bool:
    """Tell whether a text speaks of change or of one thing being more or better than another."""
    return any(w.has(name, text) for name in ("up", "down", "good", "bad", "other"))


def unreferenced(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse a change, or any statement on an outcome, that no estimate stands behind."""
    text = clause.text
    if context.block not in SPOKEN or clause.told or exempt(clause, sentence, w):
        return ""
    both = w.has("alike", text) and not w.has("cause", text)  # what happened to both groups is no result of one
    if both or (w.has("convention", text) and not asserted(text, w)):
        return ""
    if context.block == "tool":  # it counts and names by verdict what the record holds
        text = w.without("verdict", text)
    found = w.has("assertion", text) or (context.block != "recommendation" and (
        changes(text, w) or _stated(text, sentence, context, w)))
    return "It tells a change, or how an outcome stands, and no estimate is referred to." if found else ""


def _stated(text: str, sentence: Sentence, context: Context, w: Lexicon) -> bool:
    """Tell whether a text says anything of people, firms or outcomes, but how they were measured or who said so."""
    if not w.has("verb", text) or w.has("measure", text) or (sentence.spoken and w.has("saying", text)):
        return False
    # what a programme is may be said, not what it did; and what a block shows
    described = w.has("programme", text) or context.block in ("tool", "caption")
    return w.has("outcome", text) or w.has("actors", text) or not described


def cause(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse words of cause above the rung; in a text around the study, any result of the programme."""
    if context.block in (*FREE, "chain", "method") or exempt(clause, sentence, w):
        return ""
    if context.block == "label":
        return _named(clause.text, context, w)
    if context.block in ("context", "background"):
        return _smuggled(clause.text, context, w)
    rung = min((r.rung for r in clause.references), default=context.rung)
    credited = rung < Rung.TRIAL and context.block != "tool" and bool(clause.references) and _credited(clause.text, w)
    if not (w.has("cause", clause.text) or _acted(clause.text, context, w) or credited) or w.has("opinion", clause.text):
        return ""
    if w.has("estimated", clause.text) and rung >= Rung.QUASI_EXAMINED:
        return ""
    if rung < Rung.TRIAL:
        return "Words of cause are for trials with a record of the draw; this comparison stands lower on the ladder."
    if clause.references and not all(r.caused for r in clause.references):
        return ("'Caused' is for the offer's effect, clear of zero after correction, with bounds on losses on one side of "
                "zero.")
    return ""


def _acted(text: str, context: Context, w: Lexicon) -> bool:
    """Tell whether the programme is said to have moved something: its name before a verb that takes an object."""
    return any(_programme(text[:verb.start()], context, w) for verb in w.found("transitive", text))


def _credited(text: str, w: Lexicon) -> bool:
    """Tell whether the programme stands in a sentence as more than who had it: not 'with the offer', 'in the programme'."""
    if w.has("linked", text):
        return False
    return w.has("opening", text) or any(not w.has("beside", text[:hit.start()].rstrip()) for hit in w.found("own", text))


def _programme(text: str, context: Context, w: Lexicon) -> bool:
    """Tell whether a text names the programme, by a usual word for one or by its own name; the background by 'the' one."""
    usual = w.has("own" if context.block == "background" else "programme", text)
    return usual or any(name in text for name in map(plain, context.programme))


def _named(text: str, context: Context, w: Lexicon) -> str:
    """Find the programme as the cause in the name of an outcome or a group, which stands beside every number of it."""
    text = BRACKETS.sub(" ", text)  # a unit or how it was measured: '(score from 0 to 10)'
    if w.has("opinion", text) or not (_owed(text, context, w) or _acted(text, context, w)):
        return ""
    return "A name says what was measured, not what brought it about."


def _owed(text: str, context: Context, w: Lexicon) -> bool:
    """Tell whether a text gives credit to the programme, not to what was lacking of it."""
    return any(_programme(text[hit.end():], context, w) and not w.has("missing", text[hit.end():])
               for hit in w.found("credit", text))


def _smuggled(text: str, context: Context, w: Lexicon) -> str:
    """Find a result of the programme in a text around the study."""
    told = _programme(text, context, w) and w.has("assertion", text) and not w.has("missing", text)
    return ("A result of the programme stands in a text that describes it; results have their own blocks and numbers."
            if _owed(text, context, w) or told else "")


def no_effect(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse 'no effect' and its kin unless the interval lies within declared bounds."""
    if context.block not in SPOKEN or exempt(clause, sentence, w):
        return ""
    weak = w.has("weak_no_effect", clause.text)
    if not weak and not w.has("no_effect", clause.text):
        return ""
    if clause.references and all(r.equivalent for r in clause.references):
        return ""
    if weak and "interval" in clause.shows:
        return ""
    return ("That nothing changed is a claim of its own: an interval that holds zero does not show it, one within bounds "
            "declared to count as no difference does.")


def percent(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse a per cent without its base, or of a mean near zero."""
    if context.block not in SPOKEN or exempt(clause, sentence, w):
        return ""
    if "percent" in clause.shows and not all(r.has_percent for r in clause.references):
        return "The mean it would be a per cent of lies at or near zero: there is no per cent of it."
    bare = CENT.search(TOKEN.sub(" ", clause.text))
    if context.block != "tool" and bare and not w.has("base", clause.text):
        return "A per cent says nothing without what it is a share of."
    return ""


def up_to(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse the best case told as if it were the effect."""
    if context.block in FREE or not w.has("up_to", clause.text) or sentence.cited:
        return ""
    if context.block not in SPOKEN and not (_programme(clause.text, context, w) and w.has("assertion", clause.text)):
        return ""
    return "'Up to' tells the best case as if it were the effect."


def significance(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse words of significance or proof where no interval is shown, or where it holds zero."""
    if context.block not in SPOKEN or exempt(clause, sentence, w) or not w.has("significance", clause.text):
        return ""
    if "interval" in clause.shows and all(r.verdict in CLEAR for r in clause.references):
        return ""
    return "Significance, proof or effectiveness is claimed where the interval should stand."


def direction(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse a direction, or a worth, that the interval does not support."""
    if context.block not in SPOKEN or not clause.references or exempt(clause, sentence, w):
        return ""
    text = clause.text
    up, down, good, bad = (w.has(name, text) for name in ("up", "down", "good", "bad"))
    named = " ".join(plain(r.label) for r in clause.references)  # 'still open' is what it is about, not what it did
    acts = context.block != "tool" and any(
        not w.has("copula", hit[0]) and hit[0] not in named for hit in w.found("verb", text))
    some = up or down or good or bad or acts or w.has("other", text) or w.has("cause", text)
    for r in clause.references:
        if r.verdict not in CLEAR and not r.equivalent and some:
            return f"The interval of {r.label or r.key} does not tell higher from lower."
        if r.verdict not in CLEAR:
            continue
        if up != down and (1 if up else -1) != r.direction and len(clause.references) == 1:
            return f"{r.label or r.key} went the other way."
        worth = 1 if r.verdict == "favourable" else -1
        if good != bad and (1 if good else -1) != worth and len(clause.references) == 1:
            return f"{r.label or r.key} came out {'well' if worth > 0 else 'badly'}, and the words say the reverse."
    return ""


def subgroup(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse a contrast of groups that was not declared, or whose test finds no difference."""
    text = clause.text
    if context.block not in SPOKEN or exempt(clause, sentence, w):
        return ""
    declared = {unaccented(plain(name)): s for s in context.splits for name in s.groups}
    named = [s for name, s in declared.items() if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", unaccented(text))]
    groups = max(w.count("groups", text), len(named))
    compared = groups > 1 and w.has("contrast", text) and (changes(text, w) or clause.told)
    focused = groups > 0 and w.has("focus", text)
    if not compared and not focused:
        return ""
    keys = {r.key for r in clause.references}
    if named and all(keys and keys <= set(s.differs) for s in named):
        return ""
    return ("The test of the difference between these groups finds none, or was not made." if named else
            "These groups were not declared as subgroups before the results.")


def forecast(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse what will be, and sums over people who were not studied."""
    text = clause.text
    if context.block not in SPOKEN or exempt(clause, sentence, w):
        return ""
    speaks = w.has("outcome", text) or w.has("actors", text) or changes(text, w) or clause.told
    if w.has("future", text) and speaks:
        return "It tells what will be; the study measured what was."
    if context.block != "recommendation" and w.has("beyond", text) and speaks:
        return "It speaks of people or firms outside the group studied."
    return ""


def gross(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse a change over time that stands for an effect."""
    text = clause.text
    if context.block not in SPOKEN or "effect" in clause.shows or exempt(clause, sentence, w):
        return ""
    moved = w.has("assertion", text) if context.block == "recommendation" else changes(text, w)
    over_time = w.has("passage", text) or (moved and w.has("gross", text))
    if over_time and w.has("outcome", text) and not w.has("comparison", text):
        return "A change over time is no effect: what would have happened without the programme is not taken off."
    return ""


def untied(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse advice that rests on no finding."""
    if context.block == "recommendation":
        return "" if context.finding else "A recommendation names the finding it rests on (brief.implications[].finding)."
    told = clause.told or exempt(clause, sentence, w)
    if context.block in ("results", "caption") and not told and w.has("advice", clause.text):
        return "Advice stands among the recommendations, tied to its finding."
    return ""


def figure(clause: Clause, sentence: Sentence, context: Context, w: Lexicon) -> str:
    """Refuse a figure typed by hand in a block of results, except years, dates and figures of the study file."""
    if context.block not in ("results", "caption", "alt", "recommendation") or sentence.cited:
        return ""
    text = TOKEN.sub(" ", clause.text)
    text = DATE.sub(lambda m: " " if MONTHS.search(m[0]) or "-" in m[0] or "/" in m[0] else m[0], text)
    typed = [n for n in (m[0].strip(" .,") for m in BARE.finditer(text))
             if not YEAR.fullmatch(n) and digits(n) not in context.declared]
    return f"'{typed[0]}' is typed by hand: a number in a text of results is a reference." if typed else ""


def digits(text: str) -> str:
    """Write a figure without marks of thousands, with a point for decimals: '2,214' and '2 214' are 2214, '1,5' is 1.5."""
    text = re.sub(r"[  ]", "", text)
    text = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", text).replace(",", ".")
    return re.sub(r"(\.\d*?)0+$", r"\1", text).rstrip(".") if "." in text else text


# in the order in which they are told: the gravest first
RULES: dict[str, Rule] = {
    "up_to": up_to, "forecast": forecast, "gross": gross, "no_effect": no_effect, "direction": direction, "cause": cause,
    "subgroup": subgroup, "percent": percent, "significance": significance, "figure": figure, "untied": untied,
    "unreferenced": unreferenced}


def broken(sentence: Sentence, context: Context, w: Lexicon) -> list[tuple[str, str, tuple[Reference, ...]]]:
    """List the rules a sentence breaks: id, why, and the references of the clause that breaks it."""
    if context.block in FREE:
        return []
    found: dict[str, tuple[str, tuple[Reference, ...]]] = {}
    for rule, refuses in RULES.items():
        for clause in sentence.clauses:
            why = refuses(clause, sentence, context, w)
            if why and rule not in found:
                found[rule] = (why, clause.references)
    return [(rule, why, references) for rule, (why, references) in found.items()]

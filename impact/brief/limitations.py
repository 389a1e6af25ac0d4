"""What a study cannot say, gravest first: caveats, checks that raise a concern or were not made, and keys left out."""

from __future__ import annotations

import re
from dataclasses import replace

from impact.brief.brevity import FINDING, fitting, shortened
from impact.brief.columns import worded
from impact.brief.effects import too_few
from impact.brief.model import Join, Message, Phrase, Recorded, Text, Value, need, quote, say
from impact.brief.translation import caveat as recorded_caveat
from impact.brief.translation import check_reason, check_title, check_word
from impact.results.estimate import Caveat
from impact.results.evaluation import Check, Evaluation
from impact.study.types import words

PROVISIONAL, TOO_FEW = 0, 1  # ranks of caveats that stand before the checks
# checks by how much hangs on them; the others follow as recorded
GRAVEST = ("draw_record", "comparisons_agree", "balance", "overlap", "attrition")


def caveats(evaluation: Evaluation) -> list[tuple[int, str, Caveat]]:
    """List every caveat once with its rank, gravest first, and its outcome where it belongs to one alone.

    The order is: provisional numbers, too few clusters, the first primary outcome, other primaries, the study as a whole,
    secondaries.
    """
    study = evaluation.study
    seen: dict[tuple[str, str], tuple[int, str, Caveat]] = {}
    found: list[tuple[int, str, Caveat]] = [(4, "", c) for c in evaluation.caveats]
    for e in evaluation.estimates:
        if e.role not in ("primary", "secondary"):
            continue
        own = 2 if e.outcome == study.primaries[0].name else 3 if e.role == "primary" else 5
        found += [(TOO_FEW if too_few(e) and c.code in ("few_clusters", "low_df") else own, e.outcome, c)
                  for c in e.caveats]
    for rank, outcome, c in found:
        rank = PROVISIONAL if c.code == "provisional" else rank  # noqa: PLW2901 - a rank of its own
        key = (c.code, c.text)
        before = seen.get(key, (rank, outcome, c))
        seen[key] = (min(rank, before[0]), before[1] if before[1] == outcome else "", c)
    return sorted(seen.values(), key=lambda item: item[0])


def limits(evaluation: Evaluation, language: str) -> tuple[Text, ...]:
    """List what the study cannot say."""
    known = caveats(evaluation)
    lines = [_caveat(evaluation, outcome, c, language) for rank, outcome, c in known if rank <= TOO_FEW]
    poor, unseen = poor_checks(evaluation), [c for c in evaluation.checks if c.verdict == "not_applicable"]
    if poor:
        lines.append(say("limit.check", checks=Join(parts=tuple(
            say("check", title=titled(evaluation, c, language), word=check_word(c)) for c in poor), by="; ")))
    if unseen:
        lines.append(say("limit.unexamined", checks=Join(by="; ", parts=tuple(
            {(c.title, c.word): _unseen(c) for c in unseen}.values()))))
    lines += [_caveat(evaluation, outcome, c, language) for rank, outcome, c in known if rank > TOO_FEW]
    absent = _absent(evaluation)
    if absent:
        lines.append(say("limit.absent", names=Join(parts=absent, by=", ")))
    return tuple(lines) or (say("limit.none"),)


def first_limit(evaluation: Evaluation, lines: tuple[Text, ...], language: str) -> Message | None:
    """Say the gravest limit for the key box, and there too that the groups are not alike where they are not.

    Where its words are too many for the box, its leading sentences or clause stand there; page 2 has it in full.
    """
    first, poor = lines[0], poor_checks(evaluation)
    if first == say("limit.none"):
        return None
    unlike = next((c for c in poor if c.id == "balance"), None)
    lead = say("key.limit.lead")
    if isinstance(first, Phrase) and first.key == "limit.check":
        gravest = worded(poor[0], evaluation, language)
        named: dict[str, Value] = {"title": titled(evaluation, gravest, language), "word": check_word(gravest)}
        ways: list[Text] = [say("limit.check.first", **named, reason=_losses(evaluation, poor[0]) or check_reason(gravest)),
                *(say("limit.check.first", **named, reason=part) for part in shortened(check_reason(gravest), language)),
                say("limit.check.short", **named)]
        unlike = None if poor[0] is unlike else unlike
    elif isinstance(first, Phrase) and first.key == "read.provisional":
        lead, first = say("key.provisional.lead"), Join(parts=(dict(first.values)["text"],))
        ways = [first, *shortened(first, language)]
    else:
        ways = [first, *shortened(first, language)]
    if unlike is not None:
        also = say("limit.check.short", title=titled(evaluation, unlike, language), word=check_word(unlike))
        ways = [Join(parts=(way, also)) for way in ways]
    return fitting([Message(lead=lead, body=way) for way in (*ways, say("key.limit.long"))], FINDING, language)


def _losses(evaluation: Evaluation, c: Check) -> Phrase | None:
    """Say in few words what was lost and what to expect of it; page 2 holds the rule it was judged by."""
    if c.id.partition(":")[0] != "attrition":
        return None
    place = f"checks[{evaluation.checks.index(c)}]"
    told = dict(c.details)
    if c.measured is None or None in (told.get("lost_treated"), told.get("lost_comparison")):
        return None
    return say(f"key.limit.losses.{c.verdict}", lost=need(evaluation, f"{place}.measured", "points"),
               treated=need(evaluation, f"{place}.details[lost_treated]", "points"),
               comparison=need(evaluation, f"{place}.details[lost_comparison]", "points"))


def poor_checks(evaluation: Evaluation) -> list[Check]:
    """List the checks that failed or raise a concern, those that most hangs on first."""
    def weight(c: Check) -> tuple[bool, int]:
        return c.verdict != "fail", GRAVEST.index(c.id) if c.id in GRAVEST else len(GRAVEST)

    return sorted((c for c in evaluation.checks if c.verdict in ("concern", "fail")), key=weight)


def titled(evaluation: Evaluation, c: Check, language: str) -> Text:
    """Name a check, with its outcome where the same check was made for several."""
    names = [o.name for o in evaluation.study.outcomes]
    several = len({other.outcome for other in evaluation.checks if other.title == c.title}) > 1
    if not several or c.outcome not in names:
        return check_title(c)
    index = names.index(c.outcome)
    label = quote(words(evaluation.study.outcomes[index].label, language), f"study.yaml: outcomes[{index}].label")
    return say("check.of", title=check_title(c), outcome=label)


def _unseen(c: Check) -> Text:
    title = check_title(c)
    return say("check.alone", title=title) if c.word == "not examined" else say(
        "check", title=title, word=check_word(c))


def _caveat(evaluation: Evaluation, outcome: str, caveat: Caveat, language: str) -> Text:
    text = recorded_caveat(worded(caveat, evaluation, language))
    if caveat.code == "provisional":
        return say("read.provisional", text=_without_word(text))
    if not outcome or len(evaluation.study.outcomes) == 1:
        return text
    index = [o.name for o in evaluation.study.outcomes].index(outcome)
    label = words(evaluation.study.outcomes[index].label, language)
    return say("limit.outcome", label=quote(label, f"study.yaml: outcomes[{index}].label"), text=text)


def _without_word(text: Recorded) -> Recorded:
    """Take off a leading 'Provisional:', which our own sentence says already."""
    rest = re.sub(r"^provisional:\s*", "", text.text, flags=re.IGNORECASE)
    return replace(text, text=rest[:1].upper() + rest[1:])


def _absent(evaluation: Evaluation) -> tuple[Value, ...]:
    keys = (("programme.donor", "donor"), ("costs", "costs"), ("results_chain", "chain"), ("data.source", "source"),
            ("ethics", "ethics"), ("ethics.consent", "consent"), ("intervention.reached", "reached"),
            ("plan", "plan"), ("subgroups", "subgroups"))
    missing = [name for key, name in keys if evaluation.study.state(key) == "absent"]
    if "ethics" in missing and "consent" in missing:
        missing.remove("consent")
    if not any(o.measured for o in evaluation.study.outcomes) and not any(
            e.horizon or e.period for e in evaluation.estimates if e.role in ("primary", "secondary")):
        missing.append("measured")
    if not any(o.target for o in evaluation.study.outcomes):
        missing.append("targets")
    return tuple(say(f"absent.{name}") for name in missing)

"""For whom: effects in the groups that were declared before the results, and the test of their difference."""

from __future__ import annotations

from impact.brief.effects import main_effect, too_few, unit_of
from impact.brief.facts import own
from impact.brief.model import ForWhom, Group, GroupSplit, Join, Number, Quote, Text, Value, need, quote, say, take
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation
from impact.study.construction import as_code
from impact.study.types import Outcome, Subgroup, words


def for_whom(evaluation: Evaluation, language: str) -> ForWhom | None:
    """Set the groups of each declared subgroup beside each other, for every primary outcome; None if none is declared."""
    study = evaluation.study
    if not study.subgroups:
        return None
    splits = [found for outcome in study.primaries for index, group in enumerate(study.subgroups)
              if (found := _split(evaluation, outcome, index, group, language)) is not None]
    first = {split.label: split for split in reversed(splits)}
    splits.sort(key=lambda split: split is not first[split.label])  # one of each before the others
    if splits:
        return ForWhom(splits=tuple(splits), note=say("for_whom.note"))
    labels: list[Value] = [_label(g, i, language) for i, g in enumerate(study.subgroups)]
    return ForWhom(splits=(), note=say("for_whom.none", labels=Join(parts=tuple(labels), by=", ")))


def _label(group: Subgroup, index: int, language: str) -> Quote:
    return quote(words(group.label, language), f"study.yaml: subgroups[{index}].label")


def _split(evaluation: Evaluation, outcome: Outcome, index: int, declared: Subgroup, language: str) -> GroupSplit | None:
    rows = [e for e in evaluation.estimates if e.outcome == outcome.name and e.role == "subgroup"
            and f"/subgroups/{declared.name}/" in e.id]
    inside = [e for e in rows if e.term.startswith("in ")]
    between = [e for e in rows if " − " in e.term]
    if not inside:
        return None
    place = evaluation.study.outcomes.index(outcome)
    unit = unit_of(inside[0], place, outcome, language)
    groups = tuple(Group(name=_name(declared, index, e.term.removeprefix("in "), language),
                         effect=main_effect(evaluation, e, outcome, unit)) for e in inside)
    p = _test(evaluation, between, len(inside))
    few = any(too_few(e) for e in (*inside, *between[:1]))
    level = need(evaluation, "conf_level", "level", inside[0].id)
    told: Text = say("split.few") if few or p is None else say(
        "split.differ" if p.value < 1 - level.value else "split.open", p=p)
    return GroupSplit(outcome=quote(words(outcome.label, language), f"study.yaml: outcomes[{place}].label"), unit=unit,
                      label=_label(declared, index, language), groups=groups, p=None if few else p, told=told)


def _name(declared: Subgroup, index: int, value: str, language: str) -> Text:
    """Name a group as declared; else the subgroup's value as it stands in the data."""
    for i, group in enumerate(declared.groups):
        if as_code(group.value) == value:
            found = own(group.label, f"subgroups[{index}].groups[{i}].label", language)
            if found is not None:
                return found
    found = quote(value, "results.json: term")
    return say("split.value", value=found) if value.replace(".", "", 1).isdigit() else found


def _test(evaluation: Evaluation, between: list[Estimate], groups: int) -> Number | None:
    """Take the p-value of the difference between two groups, or of the joint test of more."""
    if not between:
        return None
    path = "p_value" if groups == 2 else "details[joint].p_value"
    return take(evaluation, path, "p", between[0].id)

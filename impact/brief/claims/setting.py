"""What sentences of one brief are held against: its estimates, its subgroups, the figures its study file declares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from impact.brief.claims.ladder import caused, rung_of
from impact.brief.claims.rules import digits
from impact.brief.claims.types import Reference, Split
from impact.brief.effects import equivalent
from impact.brief.model import Brief, Effect, Quote, Said
from impact.brief.view import Speaker
from impact.results.evaluation import Evaluation
from impact.study.types import Study, words

FIGURES = re.compile(r"\d[\d.,  ]*\d|\d")
# texts whose figures are findings to be told, not facts declared
TOLD = ("brief", "results_chain", "title", "question")


def reference(evaluation: Evaluation, effect: Effect, key: str, speaker: Speaker) -> Reference:
    """Gather what a sentence about one effect may say."""
    e = evaluation.estimate(effect.estimate)
    outcome = evaluation.study.outcome(e.outcome)
    value, shown = effect.value.value, speaker.said(Said(effect=effect, form="range_unit"))
    return Reference(
        key=key, label=words(outcome.label, speaker.language), verdict=effect.verdict,
        direction=(value > 0) - (value < 0), better=1 if outcome.better == "higher" else -1,
        rung=rung_of(evaluation, e.outcome).rung, caused=caused(evaluation, e), equivalent=equivalent(evaluation, e),
        has_percent=e.effect_pct is not None or e.transform == "log", open_words=shown,
        primary=outcome.role == "primary")


def splits(brief: Brief) -> tuple[Split, ...]:
    """List the declared subgroups, and on which outcomes the test of their difference finds one."""
    if brief.for_whom is None:
        return ()
    found: dict[str, Split] = {}
    names = {r.label.text: r.estimate.partition("/")[0] for r in brief.results}
    for split in brief.for_whom.splits:
        level = split.groups[0].effect.level.value
        before = found.get(split.label.text)
        differs = split.p is not None and split.p.value < 1 - level
        found[split.label.text] = Split(
            label=split.label.text, groups=tuple(g.name.text for g in split.groups if isinstance(g.name, Quote)),
            differs=(*(before.differs if before else ()), *([names[split.outcome.text]] if differs else [])))
    return tuple(found.values())


def declared_figures(study: Study) -> frozenset[str]:
    """List the figures of a study file: its numbers, those in its texts of fact, and shares as per cent."""
    own = {k: v for k, v in study.declared.items() if k not in TOLD}
    return frozenset(_figures([own, study.analysis.conf_level]))


def _figures(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _figures(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _figures(item)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, (int, float)):
        yield digits(f"{value:.12g}")
        if 0 < abs(value) < 1:
            yield digits(f"{100 * value:.12g}")
    else:
        yield from (digits(m[0]) for m in FIGURES.finditer(str(value)))

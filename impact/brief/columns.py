"""Names of columns in what the engine wrote: an outcome has its label on the page, any other column is quoted as one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, TypeVar

from impact.brief.words import fill, sentence
from impact.results.estimate import Caveat, Dropped
from impact.results.evaluation import Check, Evaluation
from impact.study.types import Study, words

# A name no sentence has by itself is looked for everywhere: 're75' or 'sales_0', not 'age'.
NAME = re.compile(r"(?<![\w.={])(?<!\w\()(?=\w*[\d_])[A-Za-z]\w*(?![\w=(]|\.\w)")
# Where a check or a loss lists names, any declared one is: 'scrap is missing', '; age, black stay apart', 'by 0.15 (age)'.
LISTED = re.compile(r"^\w+(?= is missing)|(?<=; )\w+(?:, \w+)*(?= (?:stays? apart|differs? more))|(?<=\d \()\w+(?=\)\.?$)|"
                    r"(?<=most without )\w+")

Item = TypeVar("Item", Check, Caveat, Dropped)


def worded(item: Item, evaluation: Evaluation, language: str) -> Item:
    """Name columns in words in a check, a caveat or a loss; the record keeps their names."""
    def told(value: Any) -> Any:
        return in_words(value, evaluation.study, language) if isinstance(value, str) else value

    def pairs(values: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
        return tuple((name, told(value)) for name, value in values)

    if isinstance(item, Check):
        return replace(item, reason=told(item.reason), details=pairs(item.details))
    return replace(item, text=told(item.text), values=pairs(item.values)) if isinstance(item, Caveat) else replace(
        item, text=told(item.text))


def in_words(text: str, study: Study, language: str) -> str:
    """Put labels of outcomes for their columns, and 'column x' for any other column the study declares."""
    labels = {o.column: words(o.label, language) for o in study.outcomes}
    others = {*study.design.covariates, *(o.baseline for o in study.outcomes), *(s.column for s in study.subgroups),
              study.design.unit, study.design.treatment, study.design.time, study.design.assigned_by}

    def name(m: re.Match[str]) -> str:
        found = m[0]
        if found in labels:
            return labels[found]
        before = m.string[:m.start()].rstrip().rpartition(" ")[2].lstrip("(").casefold()
        column = sentence("column", language)
        quoted = before == fill(column, {"name": ""}).strip()
        return fill(column, {"name": found}) if found in others and not quoted else found

    return NAME.sub(name, LISTED.sub(lambda listed: re.sub(r"\w+", name, listed[0]), text))

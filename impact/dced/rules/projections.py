"""Element 2, last part: projected values with dates, worked out again, reviewed and held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from impact.dced.dossier import Dossier, Found, months_between
from impact.dced.wording import capital, listed, shorten
from impact.programme.arithmetic import FormulaError, evaluate, names
from impact.programme.types import Indicator, Input, Intervention, Projection, Record

ROUNDING = 0.005  # a printed figure may be rounded: half a per cent is taken as the same number
FAR = 0.25  # an actual a quarter off its projection calls for a revision, or a word why not


def dated_values(d: Dossier) -> Iterator[Found]:
    """Every key quantitative indicator carries a projected value, with its unit and a date within the intervention."""
    yield from no_key(d)
    for i, indicator, rows in _key(d):
        if not rows:
            yield d.lacks(f"{indicator.name}: no projection.", "Project its value to a date, from inputs and a formula.",
                          "ask", record=indicator, about=i, owner=indicator.owner)
        for row in rows:
            missing = [name for name, given in (("value", row.value is not None), ("date", row.date),
                                                ("unit", d.stated(indicator.unit))) if not given]
            if missing:
                yield d.lacks(f"{indicator.name}: the projection {row.id} has no {listed(missing)}.", "Fill it in.",
                              record=row, about=i, owner=indicator.owner)
            elif i.begins and row.date and row.date < i.begins:
                yield d.lacks(f"{indicator.name}: projected to {row.date}, before the intervention began on {i.begins}.",
                              "Correct one of the dates.", record=row, about=i, owner=indicator.owner)
            else:
                yield d.seen(f"{indicator.name}: {row.value:,.6g} {indicator.unit} by {row.date}.", row, i)


def no_key(d: Dossier) -> Iterator[Found]:
    """Say of each intervention without a key indicator that there is nothing to look at: silence is no evidence."""
    for i in d.active:
        if not d.key_indicators(i):
            yield d.lacks("None of its indicators is marked as a key indicator.", "Mark the indicators of its key changes "
                          "as key.", record=i, about=i)


def documented(d: Dossier) -> Iterator[Found]:
    """Every projection is worked out again from its inputs and formula; inputs have sources, assumptions are written.

    Not of key indicators alone: a printed value that its formula does not give misleads whatever it is called.
    """
    for i, indicator, rows in _projected(d):
        for row in rows:
            yield from recomputed(d, i, row, row.formula, row.inputs, row.value, f"{indicator.name}, projection {row.id}")
            if not d.stated(row.assumptions):
                yield d.lacks(f"{indicator.name}: what projection {row.id} takes for granted is not written.",
                              "Write down its assumptions.", record=row, about=i, owner=indicator.owner)
            yield from d.proof(row.evidence, f"projection sheet of {indicator.name}", record=row, about=i,
                               owner=indicator.owner)


def reviewed(d: Dossier) -> Iterator[Found]:
    """Every projection was reviewed within the declared months, with reasons, and held against what was measured."""
    for i, indicator, rows in _key(d):
        for row in rows:
            if row.made is None:
                yield d.lacks(f"{indicator.name}: when projection {row.id} was made is not stated.", "Fill in its date.",
                              record=row, about=i, owner=indicator.owner)
                continue
            history = sorted((r for r in row.history if r.date <= d.today), key=lambda r: r.date)
            days = [row.made, *(r.date for r in history)]
            end = min(d.today, row.date) if row.date else d.today
            marks = [*days, end] if end > days[-1] else days
            for a, b in pairwise(marks):
                if months_between(a, b) > d.review_months:
                    yield d.lacks(f"{indicator.name}: projection {row.id} was not reviewed from {a} to {b}, more than "
                                  f"{d.rule_of_months}.", "Review it now; note date, value and reason.", "ask",
                                  record=row, about=i, owner=indicator.owner)
            for revision in history:
                if not d.stated(revision.reason):
                    yield d.lacks(f"{indicator.name}: the review of {revision.date} gives no reason.",
                                  "Write down why the projection was changed or kept.", record=revision, about=i)
            if all(months_between(a, b) <= d.review_months for a, b in pairwise(marks)):
                yield d.seen(f"{indicator.name}: made {row.made}, reviewed "
                             f"{listed((r.date for r in history), most=6) or 'not yet; none is due'}.", row, i)
            yield from _against_actual(d, i, indicator, row)


def recomputed(d: Dossier, i: Intervention, record: Record, formula: str | None, inputs: Sequence[Input],
               value: float | None, what: str) -> Iterator[Found]:
    """Work a calculation out again and hold it against the value that is printed."""
    what = capital(what)
    if not formula or not inputs:
        yield d.lacks(f"{what}: no formula with inputs, so that it cannot be worked out again.",
                      "Enter the formula and its inputs, each with its source.", "ask", record=record, about=i)
        return
    try:
        found = evaluate(formula, {x.name: x.value for x in inputs})
        used = set(names(formula))
    except FormulaError as problem:
        yield d.lacks(f"{what}: its formula cannot be worked out: {problem}.", problem.cure or "Correct the formula.",
                      "run_again", record=record, about=i)
        return
    if not used:
        yield d.lacks(f"{what}: the formula is a number and uses no input.", "Write how the number is worked out.",
                      record=record, about=i)
    elif value is None or not same(found, value):
        printed = "no value is printed" if value is None else f"{value:,.6g} is printed"
        yield d.lacks(f"{what}: worked out again it is {found:,.6g}, but {printed}.",
                      "Correct the formula, an input or the printed value.", "run_again", record=record, about=i)
    else:
        yield d.seen(f"{what}: worked out again, {shorten(formula, 60)} = {found:,.6g}.", record, i)
    for x in inputs:
        if not d.carried(x.evidence):
            yield from (g for g in d.proof(x.evidence, f"{what}: input {x.name}", record=x, about=i) if not _good(g))


def same(found: float, printed: float) -> bool:
    """Tell whether a figure worked out again is the printed one, as far as rounding lets one see."""
    return abs(found - printed) <= ROUNDING * max(abs(found), abs(printed)) + 1e-9


def _good(found: object) -> bool:
    return not hasattr(found, "fix")


def _against_actual(d: Dossier, i: Intervention, indicator: Indicator, row: Projection) -> Iterator[Found]:
    actual = next((m for m in reversed(d.measured(indicator, "progress", "final")) if m.value is not None), None)
    if actual is None or actual.value is None or not row.value or not actual.measured:
        return
    off = (actual.value - row.value) / abs(row.value)
    told = f"{indicator.name}: {row.value:,.6g} projected to {row.date}, {actual.value:,.6g} measured on {actual.measured}"
    revised = any(r.date >= actual.measured for r in row.history if r.date <= d.today)
    passed = actual.kind == "final" or bool(row.date and row.date <= actual.measured)
    if passed and abs(off) > FAR and not revised:
        yield d.lacks(f"{told}: far apart, and the projection was not looked at again since.",
                      "Review the projection and write down why it was missed.", "ask", record=row, about=i,
                      owner=indicator.owner)
    else:
        yield d.seen(f"{told}{'; reviewed since' if revised else ''}.", actual, i)


def _key(d: Dossier) -> Iterator[tuple[Intervention, Indicator, tuple[Projection, ...]]]:
    """Give every key quantitative indicator with its projections; an intervention without any is a gap elsewhere."""
    for i in d.active:
        for indicator in d.key_indicators(i):
            if indicator.nature != "qualitative":
                yield i, indicator, tuple(p for p in d.programme.projections if p.indicator == indicator.id)


def _projected(d: Dossier) -> Iterator[tuple[Intervention, Indicator, tuple[Projection, ...]]]:
    """Give every indicator that has projections, key or not."""
    for i in d.active:
        for indicator in d.indicators(i):
            if rows := tuple(p for p in d.programme.projections if p.indicator == indicator.id):
                yield i, indicator, rows

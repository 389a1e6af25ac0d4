"""What plots say of estimates: units, intervals in signs and in words, names of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from impact.results.plots.sheet import Ends, Numbers, clean

if TYPE_CHECKING:
    from impact.results.estimate import Estimate

TOLD = 24  # rows spelt out in the text for those who do not see the plot
LONGEST = 100  # characters of a row's name
NAMED = 12  # rows listed in one sentence of it
SCALES = {"log": "log points", "share": "share (0 to 1)"}
PLACES = ("cohort", "period", "horizon", "subgroup")
# methods whose function's name, read with spaces, is not how the field calls them
METHODS = {"group_time_att": "group-time effects", "sun_abraham": "Sun and Abraham", "two_by_two": "two by two",
           "two_way_fixed_effects": "two-way fixed effects", "synthetic_did": "synthetic DiD",
           "aipw": "doubly robust (AIPW)", "late": "effect on compliers"}


def finite(x: float | None) -> float | None:
    """Give the number; None where it is infinite or none."""
    return x if x is not None and math.isfinite(x) else None


def is_number(text: str) -> bool:
    """Whether a period or horizon is written as a number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def pieces(e: Estimate) -> tuple[Ends, ...]:
    """Pieces of an estimate's interval; none where there is no interval."""
    if e.interval:
        return tuple((finite(s.low), finite(s.high)) for s in e.interval)
    low, high = finite(e.conf_low), finite(e.conf_high)
    return () if low is None or high is None else ((low, high),)


def holds_zero(found: Sequence[Ends]) -> bool:
    """Whether any piece holds zero."""
    return any((low is None or low <= 0) and (high is None or high >= 0) for low, high in found)


def hollow(e: Estimate) -> bool:
    """Whether the mark is hollow: the interval holds zero, or there is none."""
    return not pieces(e) or holds_zero(pieces(e))


def known(e: Estimate) -> bool:
    """Whether there is a number to draw."""
    return math.isfinite(e.estimate)


def missing(e: Estimate) -> bool:
    """Whether a row is zero by construction: a number without an interval."""
    return e.estimate == 0 and not pieces(e)


def scale(e: Estimate) -> str:
    """Name the unit an effect is drawn in."""
    return SCALES.get(e.transform) or clean(e.unit) or "in the unit of its column"


def level(rows: Iterable[Estimate]) -> str:
    """Name the intervals: '95% interval', or 'interval' where rows differ in their level."""
    levels = {e.conf_level for e in rows}
    return f"{100 * levels.pop():.6g}% interval" if len(levels) == 1 else "interval"


def numbers_of(rows: Iterable[Estimate]) -> Numbers:
    """Choose one way to write these estimates and their intervals."""
    return Numbers(x for e in rows for x in (e.estimate, *(x for ends in pieces(e) for x in ends)))


def whole(x: float) -> str:
    """Write a number of periods with its sign: −2, 0, +1."""
    return ("−" if x < 0 else "+" if x > 0 else "") + f"{abs(x):.12g}"


def in_signs(e: Estimate, numbers: Numbers) -> str:
    """Write an estimate with its interval: +2.9 (+2.4 to +3.4)."""
    if not known(e):
        return "no estimate"
    return f"{numbers.write(e.estimate)} ({' or '.join(piece(p, numbers) for p in pieces(e)) or 'no interval'})"


def piece(ends: Ends, numbers: Numbers) -> str:
    """Write one piece of an interval."""
    low, high = ends
    if low is None:
        return "any value" if high is None else f"below {numbers.write(high)}"
    return f"above {numbers.write(low)}" if high is None else f"{numbers.write(low)} to {numbers.write(high)}"


def verdict(e: Estimate) -> str:
    """Say where the interval lies, or why there is none."""
    found = pieces(e)
    if not known(e) or not found:
        return reason(e)
    if holds_zero(found):
        return "the interval holds zero"
    sides = {low is not None and low > 0 for low, _ in found}
    return "the interval leaves out zero" + ("" if len(sides) > 1 else ", above it" if True in sides else ", below it")


def reason(e: Estimate) -> str:
    """Say why a number is missing."""
    given = dict(e.reasons)
    return clean(given.get("estimate") or given.get("std_error") or "the record gives no reason")


def sentence(words: str) -> list[str]:
    """Make a sentence of words that may lack their capital and full stop; nothing of nothing."""
    text = clean(words)
    return [text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")] if text else []


def hollow_words(rows: Sequence[Estimate]) -> str:
    """Say what a hollow mark means among these rows."""
    lost = any(known(e) and not pieces(e) for e in rows)
    return "hollow: the interval holds zero" + (", or there is none" if lost else "")


def told(rows: Iterable[tuple[str, Estimate]], numbers: Numbers) -> list[str]:
    """Spell rows out: name, number with interval, and where the interval lies."""
    return [f"{name}: {in_signs(e, numbers)}, {verdict(e)}." for name, e in rows]


def enumerated(items: Sequence[str]) -> str:
    """Join sentences; what is beyond the most is counted."""
    more = f" And {len(items) - TOLD} more." if len(items) > TOLD else ""
    return " ".join(items[:TOLD]) + more


def held(rows: Sequence[tuple[str, Estimate]]) -> list[str]:
    """Count and name the rows whose interval holds zero, in a sentence."""
    shown = [(name, e) for name, e in rows if known(e) and pieces(e)]
    mine = [name for name, e in shown if hollow(e)]
    if len(shown) < 2:
        return []
    if not mine:
        return [f"All {len(shown)} intervals leave out zero."]
    more = f" and {len(mine) - NAMED} more" if len(mine) > NAMED else ""
    return [f"{len(mine)} of {len(shown)} intervals hold zero: {'; '.join(mine[:NAMED])}{more}."]


def bound_of(e: Estimate) -> float | None:
    """Give the bound a row of a sensitivity analysis allows; None where it assumes parallel trends."""
    found = next((dict(c.values).get("bound") for c in e.caveats if c.code == "trends_may_part"), None)
    return None if found is None else float(found)


def asked(rows: Sequence[Estimate]) -> list[str]:
    """Say what rows below each other are of: the first one's question, unless each method answers its own."""
    if len({e.method for e in rows}) > 1 and len({e.question for e in rows}) > 1:
        return ["Several methods, one data set: the numbers differ because they answer different questions."]
    return sentence(rows[0].question)


def _place(e: Estimate, name: str) -> str:
    """Name one of the places of an estimate: its cohort, single period, horizon or subgroup."""
    value = clean(getattr(e, name) or "")
    if name == "cohort":
        return f"first treated {value}" if value else ""
    if name == "period":
        dated = len(value) > 3 or not is_number(value)  # 2004, 2004-06; a round or a period that is counted is not a date
        return (f"in {value}" if dated else f"period {value}") if value and "–" not in value else ""
    if name == "horizon" and is_number(value):
        away = float(value)
        words = f"{abs(away):.12g} {'before' if away < 0 else 'after'} first treatment" if away else "at first treatment"
        return "" if e.cohort else words  # cohort and period say it already
    return value if name == "subgroup" else ""


def _method(e: Estimate) -> str:
    return METHODS.get(e.method) or clean(e.method).replace("_", " ")


def labels(rows: Sequence[Estimate]) -> list[str]:
    """Name rows by what tells them apart."""
    apart = {name for name in (*PLACES, "term", "method", "estimand") if len({getattr(e, name) for e in rows}) > 1}
    placed = any(_place(e, name) for e in rows for name in PLACES if name in apart)
    again = len(rows) > 1 and all(e.id.startswith(f"{rows[0].id}/") for e in rows[1:])

    def of(e: Estimate) -> str:
        parts = [_place(e, name) for name in PLACES if name in apart]
        parts = [part for part in parts if part]
        if not parts and "subgroup" in apart:  # groups stand beside their difference
            parts = [f"difference, {clean(e.term)}"]
        if not parts and e is rows[0] and (placed or again):
            return "average" if placed else "the estimate itself"
        if not parts:
            parts = [clean(e.term)] if "term" in apart else []
        parts += [_method(e)] if "method" in apart else []
        parts += [clean(e.estimand).upper()] if "estimand" in apart and not parts else []
        return ", ".join(part for part in parts if part) or clean(e.term) or _method(e)

    return [name if len(name) <= LONGEST else name[:LONGEST - 1].rstrip() + "…" for name in map(of, rows)]

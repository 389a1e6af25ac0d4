"""Element 1: every intervention's results chain, what it rests on, and how it is kept up to date."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from impact.dced.dossier import Dossier, Found, Settled, months_between
from impact.dced.graph import counted, faults
from impact.dced.wording import listed, plural, shorten
from impact.programme.types import Argument, Chain, Intervention

NO_CHAIN = "Draw the chain with the team, and enter its boxes and arrows under chains."
AFTER_REVIEW_MONTHS = 3  # a change decided in a review is drawn within a quarter


def own_chain(d: Dossier) -> Iterator[Found]:
    """Every intervention in scope has a chain in force today, with the paper it is drawn on."""
    for i in d.active:
        chain = d.chain(i)
        if chain is None or not chain.boxes:
            yield d.lacks("No results chain is in force.", NO_CHAIN, "ask", record=i, about=i)
            continue
        yield d.seen(f"Chain {chain.id} of {chain.date}: {plural(len(chain.boxes), 'box', 'boxes')} "
                     f"({counted(chain.boxes)}) and {plural(len(chain.arrows), 'arrow')}.", chain, i)
        yield from d.proof(chain.evidence, f"drawing of chain {chain.id}", record=chain, about=i)


def steps(d: Dossier) -> Iterator[Found]:
    """Every chain, read as a graph, leads from each activity to an impact without a break, jump or circle."""
    yield from _without(d)
    for i, chain in _chains(d):
        wrong = faults(chain.boxes, chain.arrows)
        if wrong:
            yield d.lacks(f"Chain {chain.id}: {' '.join(wrong)}",
                          "Mend the boxes and arrows of the chain, and say why in a "
                          "new version.", "fill_in", record=chain, about=i)
        else:
            yield d.seen(f"Chain {chain.id}: all four levels are there, no box stands alone, no arrow jumps a level or "
                         "closes a circle.", chain, i)


def links_evidence(d: Dossier) -> Iterator[Found]:
    """Every arrow and assumption cites documents that open and are not younger than the version that cites them."""
    yield from _without(d)
    for i, chain in _chains(d):
        for arrow in chain.arrows:
            yield from d.proof(arrow.evidence, f"link {arrow.source} → {arrow.target}", record=arrow, about=i,
                               before=chain.date)
        for row in chain.assumptions:
            if row.evidence:
                yield from d.proof(row.evidence, f"assumption “{shorten(row.text, 50)}”", record=row, about=i,
                                   before=chain.date)


def assumptions(d: Dossier) -> Iterator[Found]:
    """Every chain lists its assumptions, each with a source and the day it was last checked."""
    yield from _without(d)
    for i, chain in _chains(d):
        if not chain.assumptions:
            yield d.lacks(f"Chain {chain.id} lists no assumption.", "Write down what must hold for the chain to work.",
                          "ask", record=chain, about=i)
        for row in chain.assumptions:
            missing = [name for name, given in (("a source", row.evidence), ("the day it was checked", row.checked))
                       if not given]
            if missing:
                yield d.lacks(f"Assumption “{shorten(row.text, 60)}” lacks {' and '.join(missing)}.",
                              "Cite where it comes from and write when it was last checked.", record=row, about=i)
            elif row.checked and row.checked > d.today:
                yield d.lacks(f"Assumption “{shorten(row.text, 60)}” is said to be checked on {row.checked}, a day to "
                              "come.",
                              "Correct the date.", record=row, about=i)
            else:
                yield d.seen(f"Assumption “{shorten(row.text, 60)}”, checked {row.checked}.", row, i)


def gender(d: Dossier) -> Iterator[Found]:
    """The analysis behind each intervention looks at women and men."""
    for i in d.active:
        yield from _argument(d, i, i.gender, "women and men")


def lasting(d: Dossier) -> Iterator[Found]:
    """The analysis behind each intervention looks at whether the change can go on after support ends."""
    for i in d.active:
        yield from _argument(d, i, i.lasting, "whether the change can last")


def yearly(d: Dossier) -> Iterator[Found]:
    """No more than the declared months lie between two reviews of a chain, and between the last one and today."""
    yield from _without(d)
    for i, _ in _chains(d):
        versions = [v for v in d.programme.versions(i.id) if v.date <= d.today]
        reviews = [r for v in versions for r in v.reviews if r.date <= d.today]
        end = min(d.today, i.ends) if i.ends else d.today
        days = sorted({v.date for v in versions} | {r.date for r in reviews})
        marks = [*days, end] if end > days[-1] else days
        long = [(a, b) for a, b in pairwise(marks) if months_between(a, b) > d.review_months]
        for a, b in long:
            until = "today" if b == d.today else "its end" if b == end else b
            yield d.lacks(f"From {a} to {until} the chain was not reviewed: more than {d.rule_of_months}.",
                          "Review the chain with the team now and note date, reason and minutes.", "ask",
                          record=versions[-1], about=i)
        if not long:
            yield d.seen(f"Drawn or reviewed on {listed(days, most=8)}; at most {d.rule_of_months}, between two.",
                         versions[-1], i)
        for review in reviews:
            yield from d.proof(review.evidence, f"review of {review.date}", record=review, about=i)


def reasons(d: Dossier) -> Iterator[Found]:
    """Every review says why the chain was changed or left, and every new version says what changed and why."""
    yield from _without(d)
    for i, _ in _chains(d):
        versions = [v for v in d.programme.versions(i.id) if v.date <= d.today]
        for older, newer in pairwise(versions):
            told = _difference(older, newer)
            if d.stated(newer.reason):
                yield d.seen(f"Version {newer.id} of {newer.date} ({told}): {shorten(newer.reason or '', 120)}", newer, i)
            else:
                yield d.lacks(f"Version {newer.id} of {newer.date} gives no reason for what changed ({told}).",
                              "Write down why the chain was changed.", "ask", record=newer, about=i)
        for review in (r for v in versions for r in v.reviews if r.date <= d.today):
            followed = any(0 <= months_between(review.date, v.date) <= AFTER_REVIEW_MONTHS for v in versions)
            if not d.stated(review.reason):
                yield d.lacks(f"The review of {review.date} gives no reason why the chain was changed or left.",
                              "Write the reason down, from the minutes.", record=review, about=i)
            elif review.changed and not followed:
                yield d.lacks(f"The review of {review.date} says the chain was changed, but no version of the next "
                              f"{AFTER_REVIEW_MONTHS} months is on file.", "Enter the version that followed.",
                              "file", record=review, about=i)
            else:
                yield d.seen(f"Review of {review.date}: {'changed' if review.changed else 'left as it was'}; "
                             f"{shorten(review.reason or '', 100)}", review, i)
        if len(versions) == 1 and not versions[0].reviews:
            if months_between(versions[0].date, d.today) <= d.review_months:
                yield Settled(text=f"{i.name}: no review is due yet; the chain is of {versions[0].date}.")
                yield d.seen(f"First version, of {versions[0].date}; no review is due yet.", versions[0], i)
            else:
                yield d.lacks("No review of the chain is on file, so no reason either.", "Review the chain with the team "
                              "and note the reason for changing or leaving it.", "ask", record=versions[0], about=i)


def displacement(d: Dossier) -> Iterator[Found]:
    """The risk that others lose was looked at for each intervention, and is measured where there is one."""
    for i in d.active:
        row = i.displacement
        if row is None or row.risk is None or not d.stated(row.text):
            yield d.lacks("Whether others may lose by it is not stated.", "Say under displacement whether there is a risk, "
                          "and why.", "ask", record=row or i, about=i)
            continue
        if row.risk and row.indicator is None:
            yield d.lacks("There is a risk that others lose, but no indicator measures it.",
                          "Name the indicator that measures it, or plan one.", record=row, about=i)
        yield from d.proof(row.evidence, f"losses to others ({'a risk' if row.risk else 'no risk seen'})", record=row,
                           about=i)


def _chains(d: Dossier) -> list[tuple[Intervention, Chain]]:
    """Give each intervention with its chain, where it has one."""
    return [(i, chain) for i in d.active if (chain := d.chain(i)) is not None and chain.boxes]


def _without(d: Dossier) -> Iterator[Found]:
    """Say of each intervention without a chain that there is nothing to look at: silence is no evidence."""
    have = {i.id for i, _ in _chains(d)}
    for i in (i for i in d.active if i.id not in have):
        yield d.lacks("There is no chain in force to hold this against.", NO_CHAIN, "ask", record=i, about=i)


def _argument(d: Dossier, i: Intervention, row: Argument | None, topic: str) -> Iterator[Found]:
    if row is None or not d.stated(row.text):
        yield d.lacks(f"Nothing is stated on {topic}.", "Say in a sentence what the analysis found, and cite where.", "ask",
                      record=row or i, about=i)
    else:
        yield from d.proof(row.evidence, f"{topic}: “{shorten(row.text or '', 80).rstrip('.')}”", record=row, about=i)


def _difference(older: Chain, newer: Chain) -> str:
    """Tell what boxes and arrows a new version adds and drops."""
    before, after = {b.id for b in older.boxes}, {b.id for b in newer.boxes}
    links = ({(a.source, a.target) for a in older.arrows}, {(a.source, a.target) for a in newer.arrows})
    reworded = [b.id for b in newer.boxes for o in older.boxes if b.id == o.id and (b.text, b.level) != (o.text, o.level)]
    parts = [f"{word} {listed(sorted(names))}" for word, names in
             (("adds", after - before), ("drops", before - after), ("rewords", set(reworded))) if names]
    if links[0] != links[1]:
        parts.append(f"{plural(len(links[0] ^ links[1]), 'arrow')} changed")
    return "; ".join(parts) or "the same boxes and arrows"

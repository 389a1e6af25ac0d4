"""Element 5, impact: programme totals that follow from the interventions, with overlaps taken off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from impact.dced.adding import NOUN, declared_overlap, read_ids, same_place, total
from impact.dced.dossier import Dossier, Found, Later, Settled
from impact.dced.rules.projections import ROUNDING, same
from impact.dced.totals import jobs_from
from impact.dced.wording import listed
from impact.programme.types import FTE_DAYS, Intervention, Overlap, Result


def documented(d: Dossier) -> Iterator[Found]:
    """Every total the programme states follows from its interventions, by a written method, and says whom it covers."""
    found = [r for r in d.programme.results if r.basis == "attributable"]
    if not d.programme.totals:
        yield Later(text="No result is entered yet, so there is nothing to add up.") if not found else d.lacks(
            "Results are entered, but no programme total.", "Enter the totals as the aggregation sheet gives them.", "file")
    for row in d.programme.totals:
        again = total(d, row.common, row.year, indirect=bool(row.indirect))
        name = f"{row.common.capitalize()} {row.year or 'since the beginning'}{', indirect' if row.indirect else ''}"
        slack = ROUNDING * abs(row.value)
        if not again.rows:
            yield d.lacks(f"{name}: {row.value:,.6g} is stated, but no attributable result stands behind it.",
                          "Enter the results it adds up.", record=row)
        elif again.sum.low - slack <= row.value <= again.sum.high + slack:
            yield d.seen(f"{name}: {row.value:,.6g} {NOUN[row.common]} is stated, {again.told} worked out again from "
                         f"{again.covered} of {again.of} interventions begun.", row)
        else:
            yield d.lacks(f"{name}: {row.value:,.6g} is stated, but the interventions add up to {again.told}"
                          f"{f' (left out: {listed(again.left_out)})' if again.left_out else ''}.",
                          "Correct the total, or the result that is missing or counted twice.", "run_again", record=row)
        lacking = [word for word, given in (("how it was added up", d.stated(row.method)),
                                            ("whom it covers", d.stated(row.population))) if not given]
        if lacking:
            yield d.lacks(f"{name}: {listed(lacking)} is not stated.", "Fill it in under totals.", record=row)
        yield from d.proof(row.evidence, f"aggregation of {row.common}", record=row)
    yield from _covered(d)
    yield from _lists(d)
    yield from _days(d)


def _covered(d: Dossier) -> Iterator[Found]:
    """Every figure that goes into a total says whom it covers."""
    mine = {i.id: i for i in d.active}
    for row in d.programme.results:
        counts = row.basis == "attributable" and row.value is not None and d.programme.indicator(row.indicator).common
        if counts and row.intervention in mine and not d.stated(row.population):
            yield d.lacks(f"Result {row.id}: whom it covers is not stated, so neither is it of the total.",
                          "Fill in its population.", record=row, about=mine[row.intervention])


def _lists(d: Dossier) -> Iterator[Found]:
    """Hold a number of enterprises against the list of codes it names."""
    mine = {i.id: i for i in d.active}
    for row in (r for r in d.programme.results if r.ids and r.intervention in mine):
        about, listed_ids = mine[row.intervention], read_ids(d, row)
        if listed_ids is None:
            yield d.lacks(f"Result {row.id}: its list of codes, {row.ids}, is not there or cannot be read.",
                          "Put the list back, or take its name out.", "file", record=row, about=about)
        elif row.value is not None and not same(len(listed_ids), row.value):
            yield d.lacks(f"Result {row.id}: {row.value:,.6g} is entered, its list {row.ids} holds "
                          f"{len(listed_ids):,} different codes.", "Correct the figure or the list.", "run_again",
                          record=row, about=about)


def _days(d: Dossier) -> Iterator[Found]:
    """Hold jobs against the days of work they were made from."""
    c = d.conventions
    fte = c.fte_days or FTE_DAYS
    for row in d.programme.results:
        if row.days is None or row.value is None:
            continue
        jobs = jobs_from(row.days, row.covers, fte, above_one=bool(c.jobs_above_one)) - (row.lost or 0)
        if not same(jobs, row.value):
            yield d.lacks(f"Result {row.id}: {row.days:,.12g} days of work at {fte:g} days a job make {jobs:,.6g} jobs, "
                          f"but {row.value:,.6g} is entered.",
                          "Turn days into jobs by the declared convention; one person's days "
                          "make no more than one job unless declared.", "run_again", record=row)


def overlaps(d: Dossier) -> Iterator[Found]:
    """Interventions that may share enterprises say how many both count, and how that is known."""
    counted = {r.intervention for r in d.programme.results if d.programme.indicator(r.indicator).common}
    pairs = [(a, b) for a, b in combinations([i for i in d.active if i.id in counted], 2)]
    if not d.stated(d.conventions.overlap_rule) and pairs:
        yield d.lacks("How enterprises that two interventions count are found and deducted is not written.",
                      "Write the rule under conventions.overlap_rule.", record=d.conventions)
    elif pairs:
        yield d.seen(f"Rule: {d.conventions.overlap_rule}", d.conventions)
    for a, b in pairs:
        row = declared_overlap(d, a.id, b.id, "scale")
        if row is not None:
            yield from _declared(d, row, a, b)
        elif same_place(a, b) and not _both_ids(d, a, b):
            yield d.lacks(f"{a.name} and {b.name} work in {a.area}: how many enterprises both count is not stated.",
                          "Compare their lists by id; or ask a sample, and enter the share.", "run_again", record=a)
        elif same_place(a, b):
            yield d.seen(f"{a.name} and {b.name}: compared by id.", a)
    if not counted:
        yield Later(text="No result is entered yet, so nothing can be counted twice.")
    elif not pairs:
        yield Settled(text="Fewer than two interventions have results, so none can overlap.")
        yield d.seen("Fewer than two interventions have results that add up: nothing can be counted twice.")


def _declared(d: Dossier, row: Overlap, a: Intervention, b: Intervention) -> Iterator[Found]:
    name = f"{a.name} and {b.name}"
    if row.way == "none" and not d.stated(row.reason):
        yield d.lacks(f"{name}: said not to overlap, without a reason.", "Say how that is known.", record=row)
    elif row.way in ("share", "count") and row.value is None:
        yield d.lacks(f"{name}: the {row.way} that both count is not stated.", "Fill in the value.", record=row)
    elif row.way == "ids" and row.value is None and not _both_ids(d, a, b):
        yield d.lacks(f"{name}: said to be compared by id, but the lists are not on file.",
                      "Name the lists of codes under results, or enter how many are in both.", "file", record=row)
    elif row.way == "ids" and row.value is not None and _both_ids(d, a, b) and not same(_shared(d, a, b), row.value):
        yield d.lacks(f"{name}: {row.value:,.0f} are said to be in both, the lists share {_shared(d, a, b):,.0f}.",
                      "Correct the number.", "run_again", record=row)
    else:
        said = "none" if row.way == "none" else f"{row.value:,.6g}" if row.value is not None else "by id"
        yield d.seen(f"{name}: {said} in both ({row.way}){f'; {row.reason}' if row.reason else ''}", row)
    yield from d.proof(row.evidence, f"overlap of {name}", record=row)


def _both_ids(d: Dossier, a: Intervention, b: Intervention) -> bool:
    return all(_ids(d, i) is not None for i in (a, b))


def _shared(d: Dossier, a: Intervention, b: Intervention) -> float:
    return len((_ids(d, a) or frozenset()) & (_ids(d, b) or frozenset()))


def _ids(d: Dossier, i: Intervention) -> frozenset[str] | None:
    rows: list[Result] = [r for r in d.programme.results if r.intervention == i.id
                          and d.programme.indicator(r.indicator).common == "scale"]
    lists = [found for r in rows if (found := read_ids(d, r)) is not None]
    return frozenset().union(*lists) if rows and len(lists) == len(rows) else None

"""Element 4: the wider changes that are expected, how they are to be measured, and what was seen of them."""

from __future__ import annotations

from collections.abc import Iterator

from impact.dced.dossier import Dossier, Found, Later
from impact.dced.wording import listed, shorten
from impact.programme.types import Box, Systemic

KIND = {"copying": "Copying", "crowding_in": "Crowding in", "other": "Another wider change"}


def described(d: Dossier) -> Iterator[Found]:
    """Every component has its expected wider changes described, placed in a chain or strategy, with indicators."""
    rows = _rows(d)
    for component in sorted({i.component or "" for i in d.active}):
        if not any(_covers(d, row, component) for row in rows):
            yield d.lacks(f"{component or 'The programme'}: no wider change is described.",
                          "Say which copying, crowding in or other wider change is expected, and where the chain or "
                          "strategy shows it; or declare the item not applicable, with reason and name.", "ask")
    for row in rows:
        placed = any(b.systemic and (row.box in (None, b.id)) for i in d.active for b in _boxes(d, i.id))
        marked = row.indicators or [x.id for i in d.active if i.id in row.interventions for x in d.indicators(i)
                                    if x.systemic]
        if row.strategy:
            yield from d.proof(row.strategy, f"{KIND[row.kind].lower()} ({row.id}) in the strategy", record=row)
        elif placed:
            yield d.seen(f"{KIND[row.kind]} ({row.id}) stands in the chain: {shorten(row.text, 80)}", row)
        else:
            yield d.lacks(f"{KIND[row.kind]} ({row.id}) stands in no chain and no strategy.",
                          "Draw it as a box marked systemic, or cite the strategy.", record=row)
        if not marked:
            yield d.lacks(f"{KIND[row.kind]} ({row.id}) has no indicator.",
                          "Name the indicators that would show it.", "ask",
                          record=row)


def measurement_plan(d: Dossier) -> Iterator[Found]:
    """Every expected wider change says how and when it is measured, and how nobody is counted twice."""
    for row in _rows(d):
        lacking = [word for word, given in (("how it is measured", d.stated(row.plan)),
                                            ("when", row.planned or row.assessed),
                                            ("how double counting is avoided", d.stated(row.double_counting)))
                   if not given]
        if lacking:
            yield d.lacks(f"{KIND[row.kind]} ({row.id}): {listed(lacking)} is not stated.", "Fill it in under systemic.",
                          "ask", record=row)
        else:
            yield d.seen(f"{KIND[row.kind]} ({row.id}): {shorten(row.plan or '', 70)}; double counting: "
                         f"{shorten(row.double_counting or '', 70)}", row)


def measured(d: Dossier) -> Iterator[Found]:
    """Every wider change that is due was assessed among those who are not partners, by a stated method, with papers."""
    for row in _rows(d):
        name = f"{KIND[row.kind]} ({row.id})"
        if not row.assessed or row.assessed > d.today:
            if row.planned and row.planned >= d.today:
                yield Later(text=f"{name}: due {row.planned}.")
            else:
                yield d.lacks(f"{name}: not "
                              f"assessed{f', though due {row.planned}' if row.planned else ', and no date is set'}.",
                              "Assess it, or set a date.", "collect", record=row, due=row.planned)
            continue
        told = (("who changed", d.stated(row.actors)), ("by which method", d.stated(row.method)))
        lacking = [word for word, given in told if not given]
        if lacking:
            yield d.lacks(f"{name}: {listed(lacking)} is not stated.", "Fill it in under systemic.", record=row)
        yield from d.proof(row.evidence, f"{name}, assessed {row.assessed}", record=row)


def contribution(d: Dossier) -> Iterator[Found]:
    """Of every wider change that was assessed it is argued, with evidence, why the programme helped to cause it."""
    rows = [row for row in _rows(d) if row.assessed and row.assessed <= d.today]
    for row in rows:
        if d.stated(row.contribution):
            yield d.seen(f"{KIND[row.kind]} ({row.id}): {shorten(row.contribution or '', 110)}", row)
            yield from d.proof(row.evidence, f"the programme's part in {row.id}", record=row)
        else:
            yield d.lacks(f"{KIND[row.kind]} ({row.id}): why the programme helped to cause it is not written.",
                          "Argue it against other explanations, and cite what shows it.", "ask", record=row)
    if not rows and _rows(d):
        yield Later(text="No wider change has been assessed yet.")


def _rows(d: Dossier) -> list[Systemic]:
    known = {i.id for i in d.active}
    return [row for row in d.programme.systemic if not row.interventions or known & set(row.interventions)]


def _covers(d: Dossier, row: Systemic, component: str) -> bool:
    of = {d.programme.intervention(name).component or "" for name in row.interventions}
    return row.component == component or component in of or (row.component is None and not row.interventions)


def _boxes(d: Dossier, intervention: str) -> list[Box]:
    chain = d.programme.chain_on(intervention, d.today)
    return list(chain.boxes) if chain else []

"""Element 2, first part: an indicator for every change, common ones that add up, questions on how and why."""

from __future__ import annotations

from collections.abc import Iterator

from impact.dced.dossier import Dossier, Found, Settled
from impact.dced.wording import listed, plural, shorten
from impact.programme.types import COMMON, FTE_DAYS, Intervention

NEEDED = ("unit", "definition", "population", "period", "level")


def every_step(d: Dossier) -> Iterator[Found]:
    """Every box above activity names at least one indicator."""
    for i in d.active:
        chain = d.chain(i)
        above = [b for b in chain.boxes if b.level != "activity"] if chain else []
        if not above:
            yield d.lacks("There is no chain with a box above activity, so no change to measure.",
                          "Draw the chain first.", "ask", record=chain or i, about=i)
            continue
        bare = [b for b in above if not b.indicators]
        if len(bare) < len(above):
            yield d.seen(f"{len(above) - len(bare)} of {plural(len(above), 'box', 'boxes')} above activity "
                         f"{'has' if len(above) - len(bare) == 1 else 'have'} an indicator.", chain, i)
        for box in bare:
            yield d.lacks(f"The box “{box.text}” has no indicator.", "Choose one with the team and name it in the box.",
                          "ask", record=box, about=i)


def precise(d: Dossier) -> Iterator[Found]:
    """Every indicator has unit, definition, population, period and level, and the level is that of its box."""
    for i in d.active:
        levels = _levels(d, i)
        clear = 0
        for indicator in d.indicators(i):
            missing = [name for name in NEEDED if not d.stated(getattr(indicator, name))
                       and not (name == "unit" and indicator.nature == "qualitative")]
            if missing:
                yield d.lacks(f"{indicator.name}: {listed(missing)} not stated.",
                              "Fill in what is missing under indicators.",
                              record=indicator, about=i, owner=indicator.owner)
            elif indicator.level not in levels.get(indicator.id, {indicator.level}):
                boxes = listed(sorted(str(x) for x in levels[indicator.id]))
                yield d.lacks(f"{indicator.name} is an indicator of {indicator.level} but measures a box of {boxes}.",
                              "Choose an indicator of the box's own level.", "ask", record=indicator, about=i,
                              owner=indicator.owner)
            else:
                clear += 1
        if clear:
            yield d.seen(f"{plural(clear, 'indicator')} with unit, definition, population, period and level.",
                         d.indicators(i)[0], i)
        elif not d.indicators(i):
            yield d.lacks("No indicator is declared.", "Declare the indicators of its chain.", "ask", record=i, about=i)


def how_and_why(d: Dossier) -> Iterator[Found]:
    """Each intervention names what is to be learned about how and why, at outcome and impact level."""
    for i in d.active:
        chain = d.chain(i)
        levels = {b.id: b.level for b in chain.boxes} if chain else {}
        questions = [q for q in d.programme.questions if q.intervention == i.id]
        asked = {q.level or levels.get(q.box or "") for q in questions}
        asked |= {x.level for x in d.indicators(i) if x.nature == "qualitative"}
        lacking = [level for level in ("outcome", "impact") if level not in asked]
        if questions and len(lacking) < 2:
            yield d.seen(f"{plural(len(questions), 'question')} on how and why, at the level of "
                         f"{listed(sorted(str(x) for x in asked if x))}.", questions[0], i)
        if lacking:
            yield d.lacks(f"No question on how and why at the level of {listed(lacking)}.",
                          "Write down what must be learned there, how and by whom.", "ask", record=i, about=i)


def shared_set(d: Dossier) -> Iterator[Found]:
    """The common indicators have one unit and definition everywhere, and how they are counted is declared."""
    for i in d.active:
        used = {str(x.common) for x in d.indicators(i) if x.common}
        if used:
            yield d.seen(f"Uses the common indicators {listed(sorted(used))}.", i, i)
        else:
            yield d.lacks("None of its indicators is a common one.", "Mark the indicators that add up across the programme "
                          "as scale, income or jobs, or say under omissions why there is none.", record=i, about=i)
    for common in COMMON:
        rows = [x for i in d.active for x in d.indicators(i) if x.common == common]
        for name in ("unit", "definition"):
            told: dict[str, list[str]] = {}
            for x in rows:
                told.setdefault(" ".join((getattr(x, name) or "").casefold().split()), []).append(x.id)
            told.pop("", None)
            if len(told) > 1:
                apart = "; ".join(f"“{shorten(text, 60)}” ({listed(ids, most=3)})" for text, ids in told.items())
                yield d.lacks(f"{common.capitalize()} has {len(told)} different {name}s: {apart}.", f"Agree one {name} and "
                              "use it everywhere, or do not add these up.", "ask", record=rows[0])
    yield from _conventions(d)


def _conventions(d: Dossier) -> Iterator[Found]:
    """Tell how jobs are counted: what is declared, and what is taken as a default that nobody verified."""
    jobs = any(x.common == "jobs" for i in d.active for x in d.indicators(i))
    if not jobs:
        return
    c = d.conventions
    days = f"{c.fte_days:g} days of work a year make one full-time job, as declared" if c.fte_days else (
        f"{FTE_DAYS} days of work a year make one full-time job: the default, unverified")
    above = "counts" if c.jobs_above_one else "does not count"
    said = {"counted": "counted", "not_counted": "not counted", None: "not stated"}
    kept = {"apart": "shown apart", "not_counted": "not counted", None: "not stated"}
    yield d.seen(f"How jobs are counted: {days}; more than a year of days {above} as more than one job; owners "
                 f"{said[c.owners]}; unpaid family work {said[c.unpaid_family]}; jobs kept {kept[c.jobs_kept]}.", c)
    lacking = [name for name in ("fte_days", "owners", "unpaid_family", "jobs_kept") if getattr(c, name) is None]
    if lacking:
        yield d.lacks(f"How jobs are counted is not declared: {listed(lacking)}.",
                      "Fill it in under conventions; everyone then counts alike.", record=c)


def omissions_justified(d: Dossier) -> Iterator[Found]:
    """A common indicator that an intervention leaves out is left out for a written reason."""
    rows = d.programme.omissions
    missing = [(i, common) for i in d.active for common in COMMON
               if common not in {x.common for x in d.indicators(i)}]
    if not missing and d.active:
        yield d.seen("Every intervention uses all three common indicators: none is left out.")
        yield Settled(text="No common indicator is left out.")
    for i, common in missing:
        row = next((o for o in rows if o.common == common and o.intervention in (i.id, None)), None)
        if row is None or not d.stated(row.reason):
            yield d.lacks(f"{common.capitalize()} is left out and no reason is written.",
                          "Say why under omissions, and cite "
                          "where it is written; or add the indicator.", "ask", record=row or i, about=i)
        else:
            yield from d.proof(row.evidence, f"why {common} is left out", record=row, about=i)


def continue_without_support(d: Dossier) -> Iterator[Found]:
    """Each intervention has an indicator at output or outcome level that tells whether the change will last."""
    for i in d.active:
        marked = [x for x in d.indicators(i) if x.sustainability]
        fitting = [x for x in marked if (_levels(d, i).get(x.id) or {x.level}) & {"output", "outcome"}]
        if fitting:
            yield d.seen(f"Tells whether the change lasts: {listed(x.name for x in fitting)}.", fitting[0], i)
        elif marked:
            yield d.lacks(f"{listed(x.name for x in marked)} is not at output or outcome level, where partners and the "
                          "market show whether the change goes on.", "Choose one at the level of partners or the market.",
                          "ask", record=marked[0], about=i)
        else:
            yield d.lacks("No indicator tells whether the change will last.",
                          "Mark or choose one, e.g. whether partners go "
                          "on selling without support.", "ask", record=i, about=i)


def _levels(d: Dossier, i: Intervention) -> dict[str, set[str | None]]:
    """Give the levels of the boxes each indicator measures."""
    chain = d.chain(i)
    out: dict[str, set[str | None]] = {}
    for box in chain.boxes if chain else ():
        for name in box.indicators:
            out.setdefault(name, set()).add(box.level)
    return out

"""Element 7: results used in decisions, people and money for measurement, guidance and quality."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from impact.dced.dossier import Dossier, Found, months_between
from impact.dced.wording import listed, plural, shorten
from impact.programme.types import Decision, Person

ELEMENTS = range(1, 8)


def decisions(d: Dossier) -> Iterator[Found]:
    """Results are reviewed at set times, with minutes; each decision names what it followed from and what changed."""
    p = d.programme
    most = d.conventions.meeting_months or d.review_months
    rule = f"{most:g} months{'' if d.conventions.meeting_months else ' (unverified default)'}"
    days = sorted(m.date for m in p.meetings if m.date <= d.today)
    if not days:
        yield d.lacks("No meeting that reviewed results is on file.", "Enter the meetings, with their minutes.", "file")
    end = min(d.today, p.ends) if p.ends else d.today
    marks = sorted({*days, end, *([p.begins] if p.begins else [])})
    for a, b in pairwise(marks) if days else ():
        if months_between(a, b) > most:
            yield d.lacks(f"From {a} to {b} no meeting reviewed results: more than {rule}.",
                          "Hold one and keep its minutes.", "ask")
    for meeting in (m for m in p.meetings if m.date <= d.today):
        yield from d.proof(meeting.evidence, f"minutes of {meeting.date}", record=meeting)
    if not p.decisions:
        yield d.lacks("No decision that followed from results is on file.",
                      "Enter what was decided because of results, and what changed after it.", "ask")
    for row in p.decisions:
        yield from _decision(d, row)


def _decision(d: Dossier, row: Decision) -> Iterator[Found]:
    lacking = [word for word, given in (("what it followed from", row.followed_from), ("what changed after it",
                                                                                       d.stated(row.changed))) if not given]
    if lacking:
        yield d.lacks(f"Decision {row.id} (“{shorten(row.text, 60)}”): {listed(lacking)} is not stated.",
                      "Fill it in under decisions.", "ask", record=row, owner=row.by)
    elif row.changed_on and row.changed_on < row.date:
        yield d.lacks(f"Decision {row.id} is of {row.date}, but what changed after it is dated {row.changed_on}.",
                      "Correct one of the dates.", record=row, owner=row.by)
    else:
        yield d.seen(f"Decision of {row.date}: {shorten(row.text, 80)} It followed from {listed(row.followed_from)}; then: "
                     f"{shorten(row.changed or '', 80)}", row)
    yield from d.proof(row.evidence, f"decision {row.id}", record=row, owner=row.by)


def responsibilities(d: Dossier) -> Iterator[Found]:
    """Every task in results measurement is with somebody who is still there; job descriptions name it."""
    tasks = d.programme.tasks
    if not tasks:
        yield d.lacks("No task in results measurement is given to anyone.", "List the tasks and who has each.", "ask")
    for row in tasks:
        if row.person is None:
            yield d.lacks(f"Nobody has the task “{shorten(row.text, 60)}”.", "Give it to somebody.", "ask", record=row)
        elif d.left(d.programme.person(row.person).ends):
            person = d.programme.person(row.person)
            yield d.lacks(f"The task “{shorten(row.text, 60)}” is with the {person.role}, who left on {person.ends}.",
                          "Give it to somebody else.", "ask", record=row)
        else:
            yield d.seen(f"{shorten(row.text, 60)}: {d.role(row.person)}.", row)
    for person in _staff(d):
        yield from d.proof(person.job_description, f"job description of the {person.role}", record=person, owner=person.id)


def able_staff(d: Dossier) -> Iterator[Found]:
    """Everyone with a task in results measurement had an induction and some support since."""
    for person in _with_tasks(d):
        rows = [t for t in d.programme.trainings if person.id in t.people and t.date <= d.today]
        kinds = {t.kind for t in rows}
        lacking = [word for word, kind in (("induction", "induction"), ("support since", "follow_up")) if kind not in kinds]
        new = person.begins and months_between(person.begins, d.today) < d.review_months
        if "support since" in lacking and new:
            lacking.remove("support since")  # somebody who just joined
        if lacking:
            yield d.lacks(f"{person.role}: no {' and no '.join(lacking)} on file.",
                          "Hold it, or enter it with its attendance sheet.", "file", record=person, owner=person.id)
        else:
            yield d.seen(f"{person.role}: trained on {listed(t.date for t in rows)}.", person)
    for training in (t for t in d.programme.trainings if t.date <= d.today):
        yield from d.proof(training.evidence, f"training of {training.date}", record=training)
    if not _with_tasks(d):
        yield d.lacks("Nobody has a task in results measurement, so nobody's training can be seen.",
                      "List the tasks first.",
                      "ask")


def budget(d: Dossier) -> Iterator[Found]:
    """There is a budget for results measurement, and it holds what was spent and what the planned rounds cost."""
    c, p = d.conventions, d.programme
    if c.measurement_budget is None:
        yield d.lacks("The budget for results measurement is not stated.", "Enter it under conventions, with its place.",
                      "file", record=p.conventions)
        return
    from impact.dced.rules.costs import amount_in

    spent = sum(amount_in(d, x) or 0 for x in p.costs if x.kind == "actual" and x.purpose == "results_measurement"
                and x.date <= d.today)
    ahead = [r for r in p.rounds if not r.done]
    bare = [r.id for r in ahead if r.cost is None]
    needed = spent + sum(r.cost or 0 for r in ahead)
    if bare:
        yield d.lacks(f"Planned rounds without a cost: {listed(bare)}.", "Enter what each is to cost.", record=ahead[0])
    told = (f"{c.measurement_budget:,.0f} in the budget; {spent:,.0f} spent and {needed - spent:,.0f} for "
            f"{plural(len(ahead), 'planned round')}")
    if needed > c.measurement_budget:
        yield d.lacks(f"{told}: more than the budget.",
                      "Raise the budget or plan fewer or cheaper rounds.", "ask", record=c)
    else:
        yield d.seen(f"{told}.", c)
    yield from d.proof(c.measurement_budget_evidence, "budget for results measurement", record=c)


def guidance(d: Dossier) -> Iterator[Found]:
    """A manual, dated and with a version, deals with every element, and every member of staff was given it."""
    manuals = [x for x in d.programme.documents if x.kind == "manual"]
    good = [x for x in manuals if x.date and x.version and x.id not in d.shelf.faults]
    for row in manuals:
        if row not in good:
            why = d.shelf.faults.get(row.id) or "its date or version is not stated"
            yield d.lacks(f"Manual {row.id}: {why}.", "Put the entry in the register right.", "file", record=row)
    if not manuals:
        yield d.lacks("No manual is registered.", "Register the manual, with date and version.", "file")
    written = {g.element: g for g in d.programme.guidance}
    lacking = [str(n) for n in ELEMENTS if n not in written]
    if lacking:
        yield d.lacks(f"Where the manual deals with element {listed(lacking, most=7)} is not stated.",
                      "Name the place under guidance, or write that part.", "file")
    for number in sorted(written):
        yield from d.proof(written[number].evidence, f"guidance on element {number}", record=written[number])
    reached = {name for c in d.programme.circulations if c.document in {x.id for x in good} and c.date <= d.today
               for name in c.people}
    without = [x.role for x in _staff(d) if x.id not in reached]
    if without and good:
        yield d.lacks(f"Not known to have been given the manual: {listed(without)}.", "Give it to them and enter it under "
                      "circulations.", "ask")
    elif good and _staff(d):
        yield d.seen(f"Manual {good[-1].id}, version {good[-1].version} of {good[-1].date}, was given to all "
                     f"{len(_staff(d))} members of staff.", good[-1])


def quality(d: Dossier) -> Iterator[Found]:
    """Every finished round was checked for quality; findings have an owner and a date, and are closed in time."""
    rows = [q for q in d.programme.quality_reviews if q.date <= d.today]
    checked = {q.subject for q in rows}
    for r in (r for r in d.programme.rounds if r.done and r.done <= d.today):
        if r.id not in checked:
            yield d.lacks(f"Round {r.id} was not checked for quality.",
                          "Let somebody who did not run it check it, and enter "
                          "the finding.", "ask", record=r, owner=r.owner)
    for q in rows:
        if q.closed is None and d.stated(q.finding) and (q.owner is None or q.due is None):
            yield d.lacks(f"The finding of {q.date} on {q.subject} is open and has no "
                          f"{'owner' if q.owner is None else 'date'}.", "Name who puts it right, and by when.", record=q)
        elif q.closed is None and q.due and q.due < d.today:
            yield d.lacks(f"The finding of {q.date} on {q.subject} was to be put right by {q.due} and is open.",
                          "Put it right, or set a new date and say why.", "ask", record=q, owner=q.owner, due=q.due)
        else:
            state = f"closed {q.closed}" if q.closed else f"open, due {q.due}" if q.due else "nothing to put right"
            yield d.seen(f"{q.subject}, checked {q.date}: {shorten(q.finding or 'no finding', 70)}; {state}.", q)
        yield from d.proof(q.evidence, f"quality check of {q.subject}", record=q, owner=q.owner)
    if not rows:
        yield d.lacks("No quality check is on file.", "Check one round and one chain, and enter what was found.", "ask")


def everyday(d: Dossier) -> Iterator[Found]:
    """The work plans of implementing staff hold tasks in results measurement."""
    people = [x for x in _staff(d) if x.team == "implementation"]
    if not people:
        yield d.lacks("No implementing staff are entered.", "Enter staff by team.")
    for person in people:
        yield from d.proof(person.work_plan, f"work plan of the {person.role}", record=person, owner=person.id)


def _staff(d: Dossier) -> list[Person]:
    """Staff who are there today."""
    return [x for x in d.programme.staff if not d.left(x.ends) and not (x.begins and x.begins > d.today)]


def _with_tasks(d: Dossier) -> list[Person]:
    named = {t.person for t in d.programme.tasks}
    return [x for x in _staff(d) if x.id in named]

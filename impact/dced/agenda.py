"""What falls due and when: measurements, reviews, reports and tasks, counted from the day the programme states."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impact.dced.wording import shorten

if TYPE_CHECKING:
    from impact.programme.types import Indicator, Programme

YEAR = 12
"""Months between reviews and between reports where a programme declares no other number: from memory of the Standard's
guidance, not verified."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Due:
    """One thing that falls due: ``date`` as 2026-11-30, ``late`` when that day is before the programme's ``as_of``."""

    date: str
    what: str
    about: str = ""
    owner: str = ""
    late: bool = False
    place: str = ""


def falls_due(programme: Programme) -> tuple[Due, ...]:
    """List everything a programme file says is due and not done, the earliest first.

    Interventions out of scope or stopped are left out, and reviews of completed ones. Dates that follow from a rule (a
    chain is reviewed every year) are counted from the last review.
    """
    found = (*_measured(programme), *_collected(programme), *_explained(programme), *_reviewed(programme),
             *_managed(programme))
    names = {i.id: i.name for i in programme.interventions}

    def named(codes: str) -> str:
        return ", ".join(names.get(code, code) for code in codes.split(", "))

    return tuple(sorted(
        Due(date=d.date, what=d.what, about=named(d.about), owner=_role(programme, d.owner), late=d.date < programme.as_of,
            place=d.place) for d in found))


def months_later(day: str, months: float) -> str:
    """Add months to a date; the last day of a shorter month stands for days it lacks."""
    date = datetime.date.fromisoformat(day)
    total = date.year * 12 + date.month - 1 + round(months)
    first = datetime.date(total // 12, total % 12 + 1, 1)
    last = (datetime.date(first.year + first.month // 12, first.month % 12 + 1, 1) - datetime.timedelta(days=1)).day
    return first.replace(day=min(date.day, last)).isoformat()


def _role(programme: Programme, code: str) -> str:
    """Name a member of staff by role: a list that is passed around holds no names."""
    return next((p.role for p in programme.staff if p.id == code), "")


def _running(programme: Programme, code: str, *, reviewed: bool = False) -> bool:
    """Tell whether an intervention is in scope and still goes on (completed ones are still measured)."""
    over = ("stopped", "completed", "planned") if reviewed else ("stopped",)
    return any(i.id == code and i.status not in over for i in programme.in_scope)


def _measured(programme: Programme) -> Iterator[Due]:
    for m in programme.measurements:
        indicator = programme.indicator(m.indicator)
        if m.planned and not m.measured and _running(programme, indicator.intervention):
            yield _measure(indicator, m.kind, m.planned, m.at)
    for indicator in programme.indicators:
        planned = indicator.baseline.planned if indicator.baseline else None
        # what the programme changed is worked out from other values and needs no value from before
        known = any(m.indicator == indicator.id and m.kind == "baseline" for m in programme.measurements) or any(
            r.indicator == indicator.id for r in programme.results)
        if planned and not known and _running(programme, indicator.intervention):
            yield _measure(indicator, "baseline", planned, indicator.at)


def _measure(indicator: Indicator, kind: str, planned: str, place: str) -> Due:
    return Due(date=planned, what=f"Measure {indicator.name} ({kind} value)", about=indicator.intervention,
               owner=indicator.owner or "", place=place)


def _collected(programme: Programme) -> Iterator[Due]:
    for r in programme.rounds:
        if r.planned and not r.done and (not r.interventions or any(_running(programme, i) for i in r.interventions)):
            yield Due(date=r.planned, what=f"Collect {r.id} ({r.kind} round)", about=", ".join(r.interventions),
                      owner=r.owner or "", place=r.at)
    for a in programme.attributions:
        if a.planned and a.value is None and not a.estimate and _running(programme, a.intervention):
            yield Due(date=a.planned, what=f"Assess what the programme changed ({a.id})", about=a.intervention,
                      owner=_owner(programme, a.intervention), place=a.at)
    for s in programme.systemic:
        if s.planned and not s.assessed:
            yield Due(date=s.planned, what=f"Assess the wider change: {shorten(s.text, 60)}",
                      about=", ".join(s.interventions), place=s.at)


def _explained(programme: Programme) -> Iterator[Due]:
    for q in programme.questions:
        answered = any(f.intervention == q.intervention and f.box == q.box for f in programme.findings)
        if q.planned and not answered and _running(programme, q.intervention):
            yield Due(date=q.planned, what=f"Find out: {shorten(q.text, 70)}", about=q.intervention, owner=q.owner or "",
                      place=q.at)


def _reviewed(programme: Programme) -> Iterator[Due]:
    months = programme.conventions.review_months if programme.conventions else None
    for intervention in programme.in_scope:
        versions = programme.versions(intervention.id)
        if not versions or not _running(programme, intervention.id, reviewed=True):
            continue
        dates = [v.date for v in versions] + [r.date for v in versions for r in v.reviews]
        yield Due(date=months_later(max(dates), months or YEAR), what="Review the results chain", about=intervention.id,
                  owner=intervention.owner or "", place=versions[-1].at)
    for p in programme.projections:
        indicator = programme.indicator(p.indicator)
        last = max((x for x in (p.made, *(r.date for r in p.history)) if x), default=None)
        ahead = not p.date or p.date > programme.as_of
        if last and ahead and _running(programme, indicator.intervention, reviewed=True):
            yield Due(date=months_later(last, months or YEAR), what=f"Review the projection of {indicator.name}",
                      about=indicator.intervention, owner=indicator.owner or "", place=p.at)


def _managed(programme: Programme) -> Iterator[Due]:
    every = programme.conventions.meeting_months if programme.conventions else None
    if every and programme.meetings:
        last = max(programme.meetings, key=lambda m: m.date)
        yield Due(date=months_later(last.date, every), what="Meet to review results", place=last.at)
    ends = [(r.ends, r.at) for r in programme.reports if r.ends]
    if ends and (not programme.ends or max(ends)[0] < programme.ends):
        yield Due(date=months_later(max(ends)[0], YEAR), what="Report results and costs of the year that ends",
                  place=max(ends)[1])
    for t in programme.tasks:
        if t.due:
            yield Due(date=t.due, what=shorten(t.text, 80), owner=t.person or "", place=t.at)
    for q in programme.quality_reviews:
        if q.due and not q.closed:
            yield Due(date=q.due, what=f"Put right: {shorten(q.finding or q.subject, 70)}", about=q.subject,
                      owner=q.owner or "", place=q.at)


def _owner(programme: Programme, intervention: str) -> str:
    return programme.intervention(intervention).owner or ""

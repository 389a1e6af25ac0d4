"""Element 3, first part: baselines, the measurement plan, sound data collection, findings on how and why."""

from __future__ import annotations

from collections.abc import Iterator

from impact.dced.dossier import Dossier, Found, Later
from impact.dced.rules.chains import NO_CHAIN
from impact.dced.rules.projections import no_key
from impact.dced.rules.studies import from_study
from impact.dced.wording import listed, shorten
from impact.programme.types import Indicator, Intervention, Round

PAPERS = {"sampling_frame": "sampling frame", "questionnaire": "questionnaire", "training": "training of enumerators",
          "raw_data": "raw data", "clean_data": "cleaned data", "cleaning_log": "cleaning log"}
LEAST_RESPONSE = 0.7  # a response below this asks for a word on who is missing; a choice of ours, not the Standard's


def baseline_plan(d: Dossier) -> Iterator[Found]:
    """Every key indicator says when, how and from whom its baseline is taken."""
    yield from no_key(d)
    for i, x in _key(d):
        plan = x.baseline
        missing = [name for name in ("planned", "method", "source") if plan is None or not getattr(plan, name)]
        if missing:
            yield d.lacks(f"{x.name}: {listed(missing)} of the baseline not stated.", "Fill it in under the indicator's "
                          "baseline.", record=plan or x, about=i, owner=x.owner)
        elif plan is not None:
            yield d.seen(f"{x.name}: baseline planned for {plan.planned}, {shorten(plan.method or '', 60)}.", plan, i)


def before_change(d: Dossier) -> Iterator[Found]:
    """Every key indicator has a baseline older than the change it measures; a justified recalled one is accepted."""
    yield from no_key(d)
    for i, x in _key(d):
        began = i.change_began or i.begins
        rows = d.measured(x, "baseline")
        if began is None:
            yield d.lacks(f"{x.name}: when the change could first happen is not stated.", "Fill in change_began of the "
                          "intervention: the first training, loan or sale.", record=i, about=i)
        elif not rows:
            yield from _no_baseline(d, i, x, began)
        for m in rows if began else ():
            if m.measured and began and m.measured < began:
                yield d.seen(f"{x.name}: measured {m.measured}, before the change could begin on {began}.", m, i)
            elif d.stated(m.retrospective):
                yield d.seen(f"{x.name}: asked for afterwards, on {m.measured}; justified: "
                             f"{shorten(m.retrospective or '', 90)}", m, i)
            else:
                yield d.lacks(f"{x.name}: the baseline of {m.measured} was taken after the change could begin on {began}.",
                              "Look for earlier records of the same units; or say under retrospective why it was asked for "
                              "afterwards and how recall was guarded.", "ask", record=m, about=i, owner=x.owner)
            yield from d.proof(m.evidence, f"baseline of {x.name}", record=m, about=i, owner=x.owner)
    yield from from_study(d, "baseline.before_change", gaps=False)


def _no_baseline(d: Dossier, i: Intervention, x: Indicator, began: str) -> Iterator[Found]:
    planned = x.baseline.planned if x.baseline else None
    if began > d.today and planned and planned >= d.today:
        yield Later(text=f"{i.name}, {x.name}: baseline due {planned}, the change begins {began}.")
    elif began > d.today:
        yield d.lacks(f"{x.name}: no baseline yet, and the change begins on {began}.", "Take the baseline before that day.",
                      "collect", record=x, about=i, owner=x.owner, due=began)
    else:
        yield d.lacks(f"{x.name}: no baseline was measured.", "Look for records from before "
                      f"{began}; or ask for it afterwards, guard against recall error and say why.", "collect", record=x,
                      about=i, owner=x.owner)


def baseline_practice(d: Dossier) -> Iterator[Found]:
    """The baseline rounds have their papers: frame, questionnaire, training, data, cleaning log, response."""
    for i in d.active:
        rounds = _rounds(d, i, "baseline")
        if not rounds and d.key_indicators(i):
            due = [x.baseline.planned for x in d.key_indicators(i) if x.baseline and x.baseline.planned]
            if due and min(due) >= d.today:
                yield Later(text=f"{i.name}: the baseline is due {min(due)}.")
            else:
                yield d.lacks("No finished baseline round is entered.", "Enter the round with its papers under rounds.",
                              record=i, about=i)
        for row in rounds:
            yield from _papers(d, i, row)


def plan(d: Dossier) -> Iterator[Found]:
    """Every indicator says how, how often, by whom and from which source; what is overdue is listed."""
    for i in d.active:
        for x in d.indicators(i):
            missing = [word for word, name in (("how", "method"), ("how often", "frequency"), ("by whom", "owner"),
                                               ("from which source", "source")) if not d.stated(getattr(x, name))]
            if missing:
                yield d.lacks(f"{x.name}: {listed(missing)} it is measured is not stated.", "Fill it in under indicators.",
                              record=x, about=i, owner=x.owner)
            else:
                yield d.seen(f"{x.name}: {shorten(x.method or '', 50)}, {x.frequency}, {d.role(x.owner)}.", x, i)
            yield from _overdue(d, i, x)


def _overdue(d: Dossier, i: Intervention, x: Indicator) -> Iterator[Found]:
    rows = [m for m in d.programme.measurements if m.indicator == x.id]
    late = [m for m in rows if not m.measured and m.planned and m.planned < d.today]
    for m in late:
        yield d.lacks(f"{x.name}: its {m.kind} measurement was due {m.planned} and is not entered.",
                      "Measure it, or enter what was measured.", "collect", record=m, about=i, owner=x.owner, due=m.planned)
    worked_out = any(r.indicator == x.id for r in d.programme.results)
    if not rows and not worked_out and i.status in ("active", "completed"):
        yield d.lacks(f"{x.name}: nobody measured it and no measurement is planned.", "Plan a measurement with its date.",
                      record=x, about=i, owner=x.owner)


def practice(d: Dossier) -> Iterator[Found]:
    """Rounds after the baseline have their papers; a study's own record is held against the rules for one study."""
    for i in d.begun():
        rounds = _rounds(d, i, "monitoring", "impact")
        for row in rounds:
            yield from _papers(d, i, row)
        if not rounds:
            ahead = sorted(r.planned for r in d.programme.rounds if i.id in r.interventions and r.kind != "baseline"
                           and not r.done and r.planned and r.planned >= d.today)
            if ahead:
                yield Later(text=f"{i.name}: the next round is due {ahead[0]}.")
            elif i.id not in d.evaluations:
                yield d.lacks("No round of data collection after the baseline is done or planned.",
                              "Plan one under rounds, with date, owner and cost.", record=i, about=i)
    yield from from_study(d, "monitoring.practice")


def findings(d: Dossier) -> Iterator[Found]:
    """Every key change that was measured has findings on how and why, used where numbers are explained."""
    for i in d.begun():
        chain = d.chain(i)
        boxes = [b for b in chain.boxes if b.level in ("outcome", "impact")] if chain else []
        if not boxes:
            yield d.lacks("There is no chain in force, so no key change to explain.", NO_CHAIN, "ask", record=i, about=i)
        key = [b for b in boxes if b.key_change] or boxes
        seen = {b.id: any(d.measured(x, "progress", "final") for x in d.indicators(i) if x.id in b.indicators) for b in key}
        for box in key:
            rows = [f for f in d.programme.findings if f.intervention == i.id and f.box == box.id]
            if not rows and not seen[box.id]:
                yield Later(text=f"{i.name}, “{box.text}”: not measured yet, so nothing to explain.")
            elif not rows:
                yield d.lacks(f"“{box.text}” was measured, but no finding says how or why it came about.",
                              "Interview some who changed and some who did not, and enter what was found.", "collect",
                              record=box, about=i)
            for row in rows:
                yield from d.proof(row.evidence, f"finding {row.id}", record=row, about=i)
                yield from d.proof(row.used_in, f"where finding {row.id} explains numbers", record=row, about=i)


def unintended(d: Dossier) -> Iterator[Found]:
    """Every round after the baseline says what unintended effects were looked for."""
    for i in d.begun():
        rounds = _rounds(d, i, "monitoring", "impact", "systemic")
        for row in rounds:
            if d.stated(row.unintended) or (row.unintended or "").strip().lower().startswith("none"):
                yield d.seen(f"Round {row.id}: {shorten(row.unintended or '', 100)}", row, i)
            else:
                yield d.lacks(f"Round {row.id}: what unintended effects were looked for is not stated.",
                              "Say what was asked and what was found, good or bad, or that nothing was.", "ask", record=row,
                              about=i, owner=row.owner)
        if not rounds:
            yield Later(text=f"{i.name}: no round after the baseline yet.")


def _papers(d: Dossier, i: Intervention, row: Round) -> Iterator[Found]:
    """Hold one finished round against its papers and its response."""
    missing = [word for name, word in PAPERS.items() if not getattr(row, name)]
    for name, word in PAPERS.items():
        if getattr(row, name):
            yield from d.proof(getattr(row, name), f"{word} of round {row.id}", record=row, about=i, owner=row.owner)
    if missing:
        yield d.lacks(f"Round {row.id} lacks {listed(missing, most=6)}.", "Find these papers and cite them in the round.",
                      "file", record=row, about=i, owner=row.owner)
    if row.sampled is None or row.responded is None:
        yield d.lacks(f"Round {row.id}: how many were to be asked and how many answered is not stated.",
                      "Fill in sampled and responded.", record=row, about=i, owner=row.owner)
    elif row.responded > row.sampled:
        yield d.lacks(f"Round {row.id}: {row.responded:,.0f} answered of {row.sampled:,.0f} asked.",
                      "Correct one of the two.",
                      record=row, about=i, owner=row.owner)
    else:
        low = row.sampled and row.responded / row.sampled < LEAST_RESPONSE
        yield d.seen(f"Round {row.id}, {row.done}: {row.responded:,.0f} of {row.sampled:,.0f} answered"
                     f"{'; few enough to ask who is missing' if low else ''}.", row, i)


def _rounds(d: Dossier, i: Intervention, *kinds: str) -> list[Round]:
    return [r for r in d.programme.rounds if i.id in r.interventions and r.kind in kinds and r.done and r.done <= d.today]


def _key(d: Dossier) -> Iterator[tuple[Intervention, Indicator]]:
    for i in d.active:
        yield from ((i, x) for x in d.key_indicators(i))


"""Element 6: annual reports, what their figures trace to, who contributed, women and men, wider effects, publication."""

from __future__ import annotations

from collections.abc import Iterator

from impact.dced.dossier import Dossier, Found, Later, months_between
from impact.dced.rules.projections import same
from impact.dced.wording import listed, plural
from impact.programme.types import Figure, Record, Report, Result, Split

FIRST_REPORT_MONTHS = 12
GRACE_MONTHS = 6  # a year's report may take half a year to write; a choice of ours, not the Standard's


def each_year(d: Dossier) -> Iterator[Found]:
    """A report on every component is on file for every year that ended at least half a year ago."""
    rows = _reports(d)
    for row in rows:
        yield from _document(d, row)
    since = d.programme.begins
    if since is None:
        yield d.lacks("When the programme began is not stated, so that a missing report would not be noticed.",
                      "Fill in begins.")
    end = min(d.today, d.programme.ends) if d.programme.ends else d.today
    covered = since
    for row in sorted(rows, key=lambda r: r.begins or ""):
        if covered and row.begins and row.ends and row.begins > covered and months_between(covered, row.begins) > 1:
            yield d.lacks(f"No report covers the time from {covered} to {row.begins}.",
                          "Find the report and register it, or write what is known.", "file", record=row)
        if row.ends and row.ends > (covered or ""):
            covered = row.ends
    if covered and months_between(covered, end) > FIRST_REPORT_MONTHS + GRACE_MONTHS:
        yield d.lacks(f"No report covers the time from {covered} on.", "Write the annual report.", "collect")
    elif not rows and since:
        yield Later(text=f"The first report is due within {FIRST_REPORT_MONTHS + GRACE_MONTHS} months of {since}.")
    known = {i.component for i in d.active if i.component}
    for row in rows:
        left = sorted(known - set(row.components)) if row.components else []
        if left:
            yield d.lacks(f"Report {row.id} leaves out {listed(left)}.",
                          "Report on every component, or say why one is left out.", "ask", record=row)


def told_apart(d: Dossier) -> Iterator[Found]:
    """Every figure of a report traces to what it comes from, is called what it is, and the method is explained."""
    yield from _unreadable(d)
    for row in _readable(d):
        lacking = [word for word, given in (("how figures were made", row.method_place), ("costs", row.costs_place))
                   if not d.stated(given)]
        if lacking:
            yield d.lacks(f"Report {row.id}: where it shows {listed(lacking)} is not stated.",
                          "Name the page, or add it to the next report.", "file", record=row)
        if not row.figures:
            yield d.lacks(f"Report {row.id}: none of its figures is entered.",
                          "Enter the figures it prints, each with what it comes from.", "file", record=row)
        good = [f for f in row.figures if not _untraced(d, f)]
        if good:
            yield d.seen(f"Report {row.id}: {plural(len(good), 'figure')} of {len(row.figures)} traced to a result, "
                         "projection, total, round or document.", row)
        for figure in row.figures:
            problem = _untraced(d, figure)
            if problem:
                yield d.lacks(f"Report {row.id}, “{figure.label}” ({figure.value:,.6g}): {problem}.",
                              "Trace it to where it comes from and correct it, or explain the difference.", "run_again",
                              record=figure)


def _untraced(d: Dossier, figure: Figure) -> str:
    """Say why a printed figure cannot be traced; '' where it can."""
    if figure.shown_as is None:
        return "whether it is measured, projected, estimated or a cost is not stated"
    if figure.traces_to is None:
        return "it traces to nothing"
    if not d.stated(figure.place):
        return "its page is not named"
    found = _sources(d, figure.traces_to)
    source = next((s for s in found if s[1] in (None, figure.shown_as)), found[0] if found else None)
    if source is None:
        shelf = d.shelf.faults.get(figure.traces_to)
        return f"it traces to {figure.traces_to}, which carries no evidence: {shelf}" if shelf else ""
    value, label = source
    if value is not None and not same(value, figure.value) and not d.stated(figure.reason):
        return f"{figure.traces_to}, which it traces to, says {value:,.6g}"
    if label and figure.shown_as != label and "cost" not in (figure.shown_as, label):
        return f"the report calls it {figure.shown_as}, but {figure.traces_to} is {label}"
    return ""


def _sources(d: Dossier, identifier: str) -> list[tuple[float | None, str | None]]:
    """Find value and kind of what a figure traces to; none of a document or a round, which hold no one value.

    A code is unique within its table alone, so that a result and a projection may both answer to it.
    """
    p = d.programme
    return [*((r.value, r.label) for r in p.results if r.id == identifier),
            *((x.value, "projected") for x in p.projections if x.id == identifier),
            *((a.value, None) for a in p.attributions if a.id == identifier),
            *((t.value, None) for t in p.totals if t.id == identifier)]


def contributions(d: Dossier) -> Iterator[Found]:
    """Every report names what others contributed; each contribution has its amount and its paper."""
    yield from _unreadable(d)
    for row in _readable(d):
        if d.stated(row.contributions_place):
            yield d.seen(f"Report {row.id} names contributions: {row.contributions_place}.", row)
        else:
            yield d.lacks(f"Report {row.id}: where it names what others contributed is not stated.",
                          "Name the page, or add it to the next report.", "file", record=row)
    for i in d.begun():
        given = [c for c in d.programme.contributions if c.intervention == i.id]
        if i.partners and not given:
            yield d.lacks(f"It has {plural(len(i.partners), 'partner')}, but no contribution is entered.",
                          "Enter what partners and others gave, in kind too.", "ask", record=i, about=i)
        for gift in given:
            if gift.amount is None and gift.kind != "in_kind":
                yield d.lacks(f"The contribution of {gift.source} has no amount.", "Enter it, from the agreement.", "ask",
                              record=gift, about=i)
            yield from d.proof(gift.evidence, f"contribution of {gift.source}", record=gift, about=i)


def by_sex(d: Dossier) -> Iterator[Found]:
    """Every figure that counts people or enterprises is split by sex, the parts add up, or it says why it is not."""
    rows: list[tuple[str, float | None, Split | None, Record]] = [
        (f"Result {r.id}", r.value, r.split, r) for r in d.programme.results if _counts_people(d, r)]
    rows += [(f"Total {t.id}", t.value, t.split, t) for t in d.programme.totals if t.common in ("scale", "jobs")]
    rows += [(f"Report {report.id}, “{f.label}”", f.value, f.split, f) for report in _reports(d) for f in report.figures
             if f.common in ("scale", "jobs") or (f.indicator and d.programme.indicator(f.indicator).persons)]
    for name, value, split, record in rows:
        parts = [x for x in (split.women, split.men, split.unknown) if x is not None] if split else []
        if split is not None and d.stated(split.reason) and not parts:
            yield d.seen(f"{name}: not split by sex, because {split.reason}", record)
        elif split is None or split.women is None or split.men is None:
            yield d.lacks(f"{name} is not split by sex, and no reason is given.",
                          "Enter women and men, or say why they cannot be told apart.", "ask", record=record)
        elif value is not None and not same(sum(parts), value):
            yield d.lacks(f"{name}: women, men and unknown add up to {sum(parts):,.6g}, not {value:,.6g}.",
                          "Correct the split.", "run_again", record=record)
        else:
            yield d.seen(f"{name}: {split.women:,.6g} women and {split.men:,.6g} men.", record)
    if not rows:
        yield Later(text="No result is entered yet.")


def _counts_people(d: Dossier, row: Result) -> bool:
    indicator = d.programme.indicator(row.indicator)
    return row.value is not None and bool(indicator.persons or (indicator.persons is None
                                                                and indicator.common in ("scale", "jobs")))


def systemic_section(d: Dossier) -> Iterator[Found]:
    """Reports tell of wider effects in a part of their own, and never add them to direct ones."""
    yield from _unreadable(d)
    seen = any(row.assessed and row.assessed <= d.today for row in d.programme.systemic)
    reports = _readable(d)
    for row in reports[-1:] if seen else ():
        if d.stated(row.systemic_place):
            yield d.seen(f"Report {row.id} tells of wider effects: {row.systemic_place}.", row)
        else:
            yield d.lacks(f"Report {row.id}: where it tells of wider effects is not stated.",
                          "Name the page, or add a part to the next report.", "file", record=row)
    kinds = {r.id: bool(r.indirect) for r in d.programme.results} | {t.id: bool(t.indirect) for t in d.programme.totals}
    for row in reports:
        for figure in row.figures:
            kind = kinds.get(figure.traces_to or "")
            if kind is not None and kind != bool(figure.indirect):
                yield d.lacks(f"Report {row.id}, “{figure.label}”: shown as {'indirect' if figure.indirect else 'direct'}, "
                              f"but {figure.traces_to} is {'indirect' if kind else 'direct'}.",
                              "Keep direct and indirect apart.", "run_again", record=figure)
    if not seen:
        yield Later(text="No wider change has been assessed yet, so there is none to report.")
    elif not reports:
        yield d.lacks("Wider changes were assessed, but no report is on file.", "Write the annual report.", "collect")


def public(d: Dossier) -> Iterator[Found]:
    """The latest report can be read by anyone: when and where it was published is on file."""
    yield from _unreadable(d)
    rows = _readable(d)
    good = [row for row in rows if row.published and row.published <= d.today and (row.link or row.document)]
    if good:
        yield d.seen(f"Report {good[-1].id} was published on {good[-1].published}"
                     f"{f' at {good[-1].link}' if good[-1].link else ''} (not opened by this program).", good[-1])
    if rows and rows[-1] not in good:
        yield d.lacks(f"When and where the latest report, {rows[-1].id}, was published is not stated.",
                      "Publish it, and enter date and address.", "file", record=rows[-1])
    if not rows:
        yield d.lacks("No report is on file, so none can be published.", "Write the annual report.", "collect")


def _reports(d: Dossier) -> list[Report]:
    rows = [r for r in d.programme.reports if not (r.date and r.date > d.today)]
    return sorted(rows, key=lambda r: (r.ends or r.date or "", r.id))


def _readable(d: Dossier) -> list[Report]:
    """Reports whose document is there and can be read; pages of another show nothing."""
    return [r for r in _reports(d) if r.document and r.document not in d.shelf.faults]


def _unreadable(d: Dossier) -> Iterator[Found]:
    for row in (r for r in _reports(d) if r not in _readable(d)):
        why = d.shelf.faults.get(row.document or "") or "it names no document"
        yield d.lacks(f"Report {row.id} shows nothing: {why}.", "Put the document right.", "file", record=row)


def _document(d: Dossier, row: Report) -> Iterator[Found]:
    """Hold one report against the document it is said to be."""
    time = f"{row.begins or '?'} to {row.ends or '?'}"
    fault = d.shelf.faults.get(row.document or "", "")
    if row.document is None:
        yield d.lacks(f"Report {row.id} names no document.", "Register the report and name it.", "file", record=row)
    elif fault:
        yield d.lacks(f"Report {row.id}: {row.document}: {fault}.", "Put the document right.", "file", record=row)
    elif not row.begins or not row.ends:
        yield d.lacks(f"Report {row.id}: the time it covers is not stated.", "Fill in begins and ends.", record=row)
    else:
        document = d.programme.document(row.document)
        yield d.seen(f"Report {row.id} on {time}: {document.title}, {document.file or document.link}.", row)


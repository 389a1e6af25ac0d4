"""Element 3, last part: a method for each key change, carried out so that it can be followed, and no gross figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isclose

from impact.dced.dossier import Dossier, Found, Later
from impact.dced.rules.projections import recomputed, same
from impact.dced.rules.studies import from_study
from impact.dced.totals import net_increase
from impact.dced.wording import listed, shorten
from impact.programme.types import Attribution, Box, Intervention, Result
from impact.results.estimate import Estimate

NEEDS: dict[str, tuple[str, ...]] = {
    "randomised_trial": ("comparison", "after"), "difference_in_difference": ("comparison", "before", "after"),
    "matching": ("comparison", "after"), "comparison_group_after": ("comparison", "after"),
    "before_after": ("before", "after"), "before_after_opinion": ("before", "after", "opinion"),
    "trend_analysis": ("series",), "expert_views": ("evidence",), "contribution_analysis": ("evidence",)}
DESIGNS = {"rct": "randomised_trial", "did": "difference_in_difference", "matching": "matching"}  # by design.kind
NEED_WORDS = {"comparison": "who stands for ‘without the programme’", "before": "a round before", "after": "a round after",
              "opinion": "the question on causes", "series": "the data series", "evidence": "the papers of the assessment"}


def method(d: Dossier) -> Iterator[Found]:
    """Every key change has a method that suits the data it has, and a reason for choosing it."""
    for i in d.active:
        boxes = _key_changes(d, i)
        rows = [a for a in d.programme.attributions if a.intervention == i.id]
        if not boxes:
            yield d.lacks("No key change is marked in the chain, so no method can be held against one.",
                          "Mark the boxes that are measured and attributed as key_change.", "ask", record=d.chain(i) or i,
                          about=i)
        for box in boxes:
            mine = [a for a in rows if a.box == box.id or (a.box is None and a.indicator in box.indicators)]
            if not mine:
                yield d.lacks(f"“{box.text}”: no attribution method is chosen.", "Choose one for this change and say why.",
                              "ask", record=box, about=i)
            for row in mine:
                yield from _suits(d, i, box, row)
    yield from from_study(d, "attribution.method", gaps=False)


def _suits(d: Dossier, i: Intervention, box: Box, row: Attribution) -> Iterator[Found]:
    """Say whether a method is named, explained, and has what it needs once its assessment is done."""
    missing = [word for word, given in (("the method", row.method), ("the reason for it", d.stated(row.reason)))
               if not given]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        yield d.lacks(f"“{box.text}”: {' and '.join(missing)} {verb} not stated.", "Fill it in under attributions.", "ask",
                      record=row, about=i)
        return
    name = _words(row.method)
    lacking = [] if not _done(d, row) or _in_record(d, row) else [
        word for need, word in NEED_WORDS.items() if need in NEEDS[row.method or ""] and not getattr(row, need)]
    if lacking:
        yield d.lacks(f"“{box.text}”: {name} needs {listed(lacking)}, which is not entered.",
                      "Enter it; or choose a method the data allow, and say so.", "ask", record=row, about=i)
    else:
        yield d.seen(f"“{box.text}”: {name}, because {shorten(row.reason or '', 100)}", row, i)


def carried_out(d: Dossier) -> Iterator[Found]:
    """Every finished assessment can be worked out again, considers other causes and has its papers.

    An effect that is not clear of zero, or a study too small to see one, is an honest finding and no gap.
    """
    for i in d.begun():
        for row in (a for a in d.programme.attributions if a.intervention == i.id):
            what = f"assessment {row.id}"
            if not _done(d, row):
                yield Later(text=f"{i.name}, {what}: due {row.planned}.") if row.planned and row.planned >= d.today else (
                    d.lacks(f"{what.capitalize()} was due {row.planned or 'on no stated day'} and is not done.",
                            "Carry it out, or set a new date and say why.", "collect", record=row, about=i,
                            due=row.planned))
                continue
            yield from _figured(d, i, row, what)
            if d.stated(row.other_causes):
                yield d.seen(f"{what.capitalize()}, other causes: {shorten(row.other_causes or '', 100)}", row, i)
            else:
                yield d.lacks(f"{what.capitalize()}: what else may have caused the change is not stated.",
                              "Say what else may have caused it and how that was dealt with.", "ask", record=row, about=i)
            yield from d.proof(row.evidence, what, record=row, about=i)
    yield from from_study(d, "attribution.carried_out")


def _figured(d: Dossier, i: Intervention, row: Attribution, what: str) -> Iterator[Found]:
    """Hold the value of an assessment against its study's record, or against its own formula and inputs."""
    what = what.capitalize()
    known = recorded(d, row.intervention, row.estimate)
    if known is not None:
        yield from _as_recorded(d, i, row, known, what)
    elif row.estimate and i.id in d.evaluations:
        yield d.lacks(f"{what}: its study's record holds no estimate {row.estimate}.",
                      "Name an estimate of the record, as impact trace lists them.", record=row, about=i)
    else:
        yield from recomputed(d, i, row, row.formula, row.inputs, row.value, what)
    if own_change(d, row):
        yield d.lacks(f"{what}: its method is said to be {_words(row.method)}, but it is the whole change of those who "
                      "took part, worked out from nothing else.", "Take off what would have changed anyway, by the method "
                      "that is named; or name the method that was used, and why.", "run_again", record=row, about=i)


def _as_recorded(d: Dossier, i: Intervention, row: Attribution, known: Estimate, what: str) -> Iterator[Found]:
    """Hold method and value against the design and the estimate of the study's record."""
    kind = d.evaluations[i.id].study.design.kind
    if row.method is not None and row.method != DESIGNS[kind]:
        yield d.lacks(f"{what}: its method is said to be {_words(row.method)}, that of its study's record is "
                      f"{_words(DESIGNS[kind])}.",
                      "Name the method that was used, and why; or the assessment it belongs to.", record=row, about=i)
    given = [x.value for x in row.inputs] if row.formula else [row.value] if row.value is not None else []
    if given and not any(_agree(number, value) for number in _numbers(known) for value in given):
        told = "no number" if known.estimate is None else f"{known.estimate:,.6g}"
        uses = f"its formula does not use it: {told}" if row.formula else f"the record gives {told} for it"
        yield d.lacks(f"{what}: {'worked out' if row.formula else f'{row.value:,.6g} is entered'} from estimate "
                      f"{known.id}, but {uses}.", "Take the value from the record, or correct the code of the estimate.",
                      "run_again", record=row, about=i)
        return
    aside = "" if known.role in ("primary", "secondary") else ", not the one the study declared before it began"
    yield d.seen(f"{what}: estimate {known.id} of its study's record{aside}.", row, i)
    if row.formula:
        yield from recomputed(d, i, row, row.formula, row.inputs, row.value, what)


def attributable(d: Dossier) -> Iterator[Found]:
    """Every figure given as a result is what the programme changed, worked out from an assessment; none is gross."""
    shown = {f.traces_to for r in d.programme.reports for f in r.figures}
    yield from _printed(d)
    for i in d.active:
        rows = [r for r in d.programme.results if r.intervention == i.id]
        for row in rows:
            yield from _one(d, i, row, row.id in shown)
        if not rows and any(d.measured(x, "final") for x in d.key_indicators(i)):
            yield d.lacks("It was measured, but no attributable figure is entered.",
                          "Enter what the programme changed under "
                          "results, with the assessment it follows from.", "run_again", record=i, about=i)
        elif not rows:
            yield Later(text=f"{i.name}: no result yet.")
    yield from from_study(d, "attribution.attributable")


def _one(d: Dossier, i: Intervention, row: Result, shown: bool) -> Iterator[Found]:
    name = f"Result {row.id} ({d.programme.indicator(row.indicator).name}, {row.year or 'no year'})"
    if row.basis is None:
        yield d.lacks(f"{name}: whether it is attributable or gross is not stated.",
                      "Fill in its basis.", record=row, about=i)
    elif row.basis == "gross":
        yield d.lacks(f"{name}: the whole change seen, and a report prints it: gross change is no result of the programme.",
                      "Take off what would have changed anyway, by the method chosen for this change, and correct the "
                      "report.", "run_again", record=row, about=i) if shown else d.seen(
                          f"{name}: gross, kept for comparison, printed in no report.", row, i)
    elif row.label == "projected":
        yield d.seen(f"{name}: a projection, labelled so.", row, i)
    elif row.indirect:
        yield from _indirect(d, i, row, name)
    elif _is_whole_change(d, row):
        yield d.lacks(f"{name}: called attributable, but it is the whole change from baseline to last measurement.",
                      "Take off what would have changed anyway, by the method chosen for this change.", "run_again",
                      record=row, about=i)
    elif not row.attribution and not row.estimate:
        yield d.lacks(f"{name}: called attributable, but it follows from no assessment.",
                      "Name the attribution it follows from.", record=row, about=i)
    else:
        if row.formula:
            yield from recomputed(d, i, row, row.formula, row.inputs, row.value, name)
            yield from _rests_on(d, i, row, name)
        counts = d.programme.indicator(row.indicator).common == "scale"
        if row.participants is not None and row.share_treated is not None:
            yield from _gross_count(d, i, row, name)
        elif counts and row.formula:
            yield d.lacks(f"{name}: how many took part and which share of them gained is not stated, so the net increase "
                          "cannot be told beside the gross count.", "Enter participants, share_treated and "
                          "share_comparison.", record=row, about=i)
        elif not row.formula:
            yield from _follows(d, i, row, name)


def _printed(d: Dossier) -> Iterator[Found]:
    """Say of each common indicator a report prints from a round or a paper that nothing takes off what came anyway."""
    p = d.programme
    valued = {r.id for r in p.results} | {t.id for t in p.totals} | {x.id for x in p.projections}
    papers = {r.id for r in p.rounds} | {x.id for x in p.documents}
    bare = papers - valued - {a.id for a in p.attributions}  # a code is unique within its table alone
    for report in p.reports:
        for f in report.figures:
            common = f.common or (p.indicator(f.indicator).common if f.indicator else None)
            if common and f.shown_as in ("measured", "estimated") and f.traces_to in bare:
                yield d.lacks(f"Report {report.id}, “{f.label}” ({f.value:,.6g}): it comes straight from {f.traces_to}, so "
                              "that nothing shows which part of it the programme caused.", "Trace it to a result or total "
                              "that follows from an assessment; if there is none, it is gross change: correct the report.",
                              "run_again", record=f)


def _rests_on(d: Dossier, i: Intervention, row: Result, name: str) -> Iterator[Found]:
    """Hold the inputs of an income, or of a figure on the assessment's own indicator, against what was assessed."""
    source = _source(d, row)
    known = recorded(d, row.intervention, row.estimate)
    value = known.estimate if known is not None else source.value if source is not None else None
    same_kind = d.programme.indicator(row.indicator).common == "income" or (
        source is not None and source.indicator == row.indicator)
    if value is None or not (row.estimate or same_kind):
        return
    numbers = _numbers(known) if known is not None else (value,)
    if not any(_agree(number, x) for number in numbers for x in (row.value, *(x.value for x in row.inputs))):
        yield d.lacks(f"{name}: it is said to follow from {row.estimate or row.attribution}, which gives {value:,.6g}, but "
                      "no input is that number.", "Work it out from what was assessed, or name the assessment it follows "
                      "from.", "run_again", record=row, about=i)


def _indirect(d: Dossier, i: Intervention, row: Result, name: str) -> Iterator[Found]:
    """Hold an indirect result against the assessment of the wider change it comes from."""
    source = next((s for s in d.programme.systemic if row.id in s.results and s.assessed and s.assessed <= d.today), None)
    if source is not None and d.stated(source.contribution):
        yield d.seen(f"{name}: indirect, from the assessment of {source.id} on {source.assessed}.", row, i)
    else:
        yield d.lacks(f"{name}: indirect, but no assessment of a wider change leads to it and argues the programme's part.",
                      "Name it among the results of a systemic change that was assessed.", record=row, about=i)


def _gross_count(d: Dossier, i: Intervention, row: Result, name: str) -> Iterator[Found]:
    """Hold a number who gained against N × share treated; the net increase is told apart from it."""
    n, share = row.participants or 0.0, row.share_treated or 0.0
    if row.value is None or abs(n * share - row.value) > max(1.0, 0.005 * abs(row.value)):
        yield d.lacks(f"{name}: {n:,.6g} × {share:.6g} makes {n * share:,.6g}, but {row.value or 0:,.6g} is entered.",
                      "Correct the figure, the number who took part or the share.", "run_again", record=row, about=i)
    elif row.share_comparison is None:
        yield d.lacks(f"{name}: the share that gained of the comparison is not stated, so the net increase cannot be told "
                      "beside the gross count.", "Enter share_comparison.", record=row, about=i)
    else:
        net = net_increase(n, share, row.share_comparison)
        yield d.seen(f"{name}: gross count of those who gained; apart from it, the net increase is {n:,.6g} × "
                     f"({share:.6g} − {row.share_comparison:.6g}) = {net:,.6g}.", row, i)


def _is_whole_change(d: Dossier, row: Result) -> bool:
    """Tell whether a figure is last measurement less baseline, of one unit or of all it covers, by another method.

    A figure of more units than it says it covers is held against the numbers it was worked out from, unless one of
    them is what was assessed.
    """
    source = _source(d, row)
    # scale is by its nature a count of those who gained; the net increase stands apart from it
    if d.programme.indicator(row.indicator).common == "scale" or not row.value:
        return False
    if source is not None and (source.method or "").startswith("before_after"):
        return False  # its reason says why nothing else explains the change
    if _makes(d, row.indicator, row.value, (1.0, row.covers or 1.0)):
        return True
    given = (row.value, *(x.value for x in row.inputs))
    if source is not None and not own_change(d, source) and (source.value is None or any(
            _agree(source.value, x) for x in given)):
        return False
    about = (row.indicator, *([source.indicator] if source is not None and source.indicator else []))
    many = (1.0, row.covers or 1.0, *(x.value for x in row.inputs))
    return any(_makes(d, name, row.value, many) for name in about)


def _makes(d: Dossier, identifier: str, value: float, many: Iterable[float]) -> bool:
    """Tell whether a value is the whole change of an indicator, of one unit or of one of several numbers of units."""
    ends = _ends(d, identifier)
    return ends is not None and any(same(value, (ends[1] - ends[0]) * n) for n in many)


def own_change(d: Dossier, row: Attribution) -> bool:
    """Tell whether an assessment is the change of those who took part and rests on nothing else, by another method.

    Its inputs must be the very numbers that were measured: a comparison that stood still may come near them.
    """
    if (row.method or "").startswith("before_after") or not row.indicator or row.value is None or _in_record(d, row):
        return False
    ends = _ends(d, row.indicator)
    if ends is None or not same(row.value, ends[1] - ends[0]):
        return False
    return bool(row.inputs) and all(any(isclose(x.value, y) for y in (*ends, row.value)) for x in row.inputs)


def _ends(d: Dossier, identifier: str) -> tuple[float, float] | None:
    """Give baseline and last measurement of an indicator, where both are there and differ."""
    indicator = d.programme.indicator(identifier)
    first = next((m.value for m in d.measured(indicator, "baseline") if m.value is not None), None)
    last = next((m.value for m in reversed(d.measured(indicator, "progress", "final")) if m.value is not None), None)
    return None if first is None or last is None or first == last else (first, last)


def _source(d: Dossier, row: Result) -> Attribution | None:
    return next((a for a in d.programme.attributions if a.id == row.attribution), None)


def _numbers(known: Estimate) -> tuple[float, ...]:
    """Give an estimate as a figure may use it: in its own unit, and in per cent of what would have been."""
    share = known.effect_pct.value if known.effect_pct else None
    return (*(() if known.estimate is None else (known.estimate,)), *(() if share is None else (share, share / 100)))


def _agree(found: float | None, value: float | None) -> bool:
    return found is not None and value is not None and same(found, value)


def _words(method: str | None) -> str:
    return (method or "a method not stated").replace("_", " ")


def _follows(d: Dossier, i: Intervention, row: Result, name: str) -> Iterator[Found]:
    """Hold a result without a formula of its own against the assessment or estimate it names."""
    source = _source(d, row)
    if row.estimate and recorded(d, i.id, row.estimate) is None:
        yield d.lacks(f"{name}: the intervention's record holds no estimate {row.estimate}.",
                      "Name an estimate of the record.", record=row, about=i)
    elif source is not None and not _done(d, source):
        yield d.lacks(f"{name}: it follows from assessment {source.id}, which is not done.",
                      "Label it projected until the assessment is done.", record=row, about=i)
    else:
        yield d.lacks(f"{name}: how the figure follows from {row.attribution or row.estimate} is not written.",
                      "Enter the formula and its inputs, e.g. change_per_farm * farms.", record=row, about=i)


def _key_changes(d: Dossier, i: Intervention) -> list[Box]:
    chain = d.chain(i)
    return [b for b in chain.boxes if b.key_change] if chain else []


def _done(d: Dossier, row: Attribution) -> bool:
    """Tell whether an assessment was carried out: it gives a number, an estimate or papers."""
    return bool(row.value is not None or row.estimate or row.evidence)


def _in_record(d: Dossier, row: Attribution) -> bool:
    return recorded(d, row.intervention, row.estimate) is not None


def recorded(d: Dossier, intervention: str, estimate: str | None) -> Estimate | None:
    """Give an estimate of an intervention's record by its code; None where there is none."""
    evaluation = d.evaluations.get(intervention)
    return next((e for e in evaluation.estimates if e.id == estimate), None) if evaluation and estimate else None

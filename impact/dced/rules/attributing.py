"""Element 3, last part: a method for each key change, carried out so that it can be followed, and no gross figures."""

from __future__ import annotations

from collections.abc import Iterator

from impact.dced.dossier import Dossier, Found, Later
from impact.dced.rules.projections import recomputed, same
from impact.dced.rules.studies import from_study
from impact.dced.totals import net_increase
from impact.dced.wording import listed, shorten
from impact.programme.types import Attribution, Box, Intervention, Result

NEEDS: dict[str, tuple[str, ...]] = {
    "randomised_trial": ("comparison", "after"), "difference_in_difference": ("comparison", "before", "after"),
    "matching": ("comparison", "after"), "comparison_group_after": ("comparison", "after"),
    "before_after": ("before", "after"), "before_after_opinion": ("before", "after", "opinion"),
    "trend_analysis": ("series",), "expert_views": ("evidence",), "contribution_analysis": ("evidence",)}
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
    name = (row.method or "").replace("_", " ")
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
            if _in_record(d, row):
                yield d.seen(f"{what.capitalize()}: estimate {row.estimate} of its study's record.", row, i)
            elif row.estimate and i.id in d.evaluations:
                yield d.lacks(f"{what.capitalize()}: its study's record holds no estimate {row.estimate}.",
                              "Name an estimate of the record, as impact trace lists them.", record=row, about=i)
            else:
                yield from recomputed(d, i, row, row.formula, row.inputs, row.value, what)
            if d.stated(row.other_causes):
                yield d.seen(f"{what.capitalize()}, other causes: {shorten(row.other_causes or '', 100)}", row, i)
            else:
                yield d.lacks(f"{what.capitalize()}: what else may have caused the change is not stated.",
                              "Say what else may have caused it and how that was dealt with.", "ask", record=row, about=i)
            yield from d.proof(row.evidence, what, record=row, about=i)
    yield from from_study(d, "attribution.carried_out")


def attributable(d: Dossier) -> Iterator[Found]:
    """Every figure given as a result is what the programme changed, worked out from an assessment; none is gross."""
    shown = {f.traces_to for r in d.programme.reports for f in r.figures}
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
    elif row.formula:
        yield from recomputed(d, i, row, row.formula, row.inputs, row.value, name)
    elif row.participants is not None and row.share_treated is not None:
        yield from _gross_count(d, i, row, name)
    else:
        yield from _follows(d, i, row, name)


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
    """Tell whether a figure is last measurement less baseline, of one unit or of all it covers, by another method."""
    indicator = d.programme.indicator(row.indicator)
    first = next((m.value for m in d.measured(indicator, "baseline") if m.value is not None), None)
    last = next((m.value for m in reversed(d.measured(indicator, "progress", "final")) if m.value is not None), None)
    source = next((a for a in d.programme.attributions if a.id == row.attribution), None)
    # scale is by its nature a count of those who gained; the net increase stands apart from it
    if indicator.common == "scale" or first is None or last is None or not row.value or first == last:
        return False
    if source is not None and (source.method or "").startswith("before_after"):
        return False  # its reason says why nothing else explains the change
    return any(same(row.value, (last - first) * n) for n in (1.0, row.covers or 1.0))


def _follows(d: Dossier, i: Intervention, row: Result, name: str) -> Iterator[Found]:
    """Hold a result without a formula of its own against the assessment or estimate it names."""
    source = next((a for a in d.programme.attributions if a.id == row.attribution), None)
    evaluation = d.evaluations.get(i.id)
    known = {e.id for e in evaluation.estimates} if evaluation else set()
    if row.estimate and row.estimate not in known:
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
    evaluation = d.evaluations.get(row.intervention)
    return bool(row.estimate and evaluation and any(e.id == row.estimate for e in evaluation.estimates))


"""What the rules on one study say, where an intervention has a record of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from impact.dced.dossier import Dossier, Found
from impact.dced.study.case import Case
from impact.dced.study.judging import RULES, guarded
from impact.dced.types import Evidence


def from_study(d: Dossier, key: str, *, gaps: bool = True) -> Iterator[Found]:
    """Apply one rule on a study to every active intervention with a results.json.

    Of a programme that says it is made up as a whole, simulated data are part of the fiction; of any other they are no
    evidence, here as in a study's own report. Without ``gaps`` the programme's own entries decide what is missing, and the
    study adds what it shows.
    """
    for i in d.active:
        if i.id in d.unreadable:
            yield d.lacks(f"Its record {i.results} cannot be read: {d.unreadable[i.id]}", "Run the study again with impact "
                          "run, and name the results.json it writes.", "run_again", record=i, about=i)
        evaluation = d.evaluations.get(i.id)
        if evaluation is None:
            continue
        case = Case(evaluation=evaluation)
        fiction = bool(d.programme.simulated and case.simulated)
        finding = RULES[key](case) if fiction else guarded(case, key, RULES[key](case))
        for text in finding.evidence:
            yield Evidence(text=text, file=i.results or "results.json", place=finding.where, about=i.name)
        for gap in finding.gaps if gaps else ():
            mine = d.lacks(gap.text, gap.fix, gap.effort, record=i, about=i)
            yield replace(mine, place=f"{i.results}: {finding.where}")

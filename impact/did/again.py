"""The same estimate made again: false start dates, untouched outcomes, without a cohort or the largest unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import as_names, check_columns, require_columns
from impact.data.panel import EVEN, spacing
from impact.did.listing import part_lines
from impact.did.opening import snapped
from impact.errors import DataError, DesignError, Problem
from impact.inference.intervals import is_number
from impact.results import Check, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

Estimator = Callable[..., Any]
OF_OUR_CUT = ("not_seen_again", "unbalanced")  # rows after the true start are left out here, and nobody left the panel
Part = tuple[str, "pd.DataFrame", dict[str, Any]]  # name, rows, and keywords that differ


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeAgain(Estimates):
    """Row 0 is the estimate itself; the others are the same made again. ``check`` says in a sentence what they show.

    ``left_out`` names what could not be estimated, and why.
    """

    check: Check | None = field(default=None, metadata={"of": Check})
    left_out: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        head = self.headline
        rows = [replace(row, caveats=tuple(c for c in row.caveats if not head.has_caveat(c.code))) for row in self.rows[1:]]
        lines = [*part_lines(rows, ["term"], said=head),
                 *(f"  {name}: not estimated: {why}" for name, why in self.left_out)]
        return "\n".join([str(head), *lines, *([f"{self.check.title}: {self.check.word}. {self.check.reason}"]
                                              if self.check is not None else [])])

    __repr__ = __str__


def placebo_dates(estimator: Estimator, data: pd.DataFrame, *, shifts: Sequence[float] = (1, 2),
                  **keywords: Any) -> MadeAgain:
    """Pretend that treatment began earlier, on the rows before it did: an effect then would be none of the programme's.

    Parameters
    ----------
    estimator : a function of impact.did that takes ``first_treated``, such as :func:`impact.did.group_time_att`.
    data : as for the estimator. shifts : by how many periods the start is moved back.
    keywords : of the estimator, ``outcome``, ``time`` and ``first_treated`` among them.

    Returns
    -------
    MadeAgain
        A row a shift, with estimand "placebo". Verdict 'concern' when an interval leaves out zero.

    Raises
    ------
    DataError, DesignError
        As the estimator on the data as they are. A shift that cannot be estimated is named in ``left_out``.

    Notes
    -----
    Estimand: zero, by construction. Assumes that nothing anticipates the programme at the dates tried.
    Rows from the true start on, and periods after the last start, are left out, so that no effect of the programme can
    enter; ``periods`` of a two-by-two move along. A placebo that finds nothing in
    few periods proves little. Reference case: by hand, tests/test_again.py.
    """
    _need(keywords, "time", "first_treated")
    if isinstance(shifts, int | float) or not all(is_number(s) and 0 < s < np.inf for s in shifts):
        raise ValueError(f"shifts are numbers of periods above 0, such as (1, 2), not {shifts!r}")
    real = estimator(data, **keywords).headline
    start, time = str(keywords["first_treated"]), str(keywords["time"])
    first = data[start].astype(float)
    known = np.sort(data[time].dropna().unique().astype(float))
    step = spacing(known) or 1.0
    ahead = float(keywords.get("anticipation", 0)) * step
    last, at = first[first <= known[-1] + EVEN * step].max(), data[time] + ahead + EVEN * step
    earlier = data[~(at >= first) & ~(at >= last)]  # what may already act is left out
    cohort = earlier[start].astype(float).replace([np.inf, -np.inf], np.nan)
    if not earlier.groupby(cohort)[time].nunique().max() > 1:
        lost = [(f"start moved {s:g} earlier", "there is one period before treatment, and a false start needs two")
                for s in shifts]
        return _placebos(real, [], lost, "placebo_dates", "False start dates", "false starts")

    def moved(shift: float) -> Part:
        back = ahead + shift * step
        pair = {"periods": [float(t) for t in snapped(np.array(keywords["periods"], dtype=float) - back, known, step)]
                } if keywords.get("periods") is not None else {}
        return (f"start moved {shift:g} earlier",
                earlier.assign(**{start: snapped(cohort.to_numpy() - back, known, step)}), pair)

    rows, lost = _each(estimator, keywords, (moved(s) for s in shifts))
    rows = [replace(row, estimand="placebo", question=f"a false effect: the {row.term}, on rows before treatment",
                    caveats=tuple(c for c in row.caveats if c.code not in OF_OUR_CUT)) for row in rows]
    return _placebos(real, rows, lost, "placebo_dates", "False start dates", "false starts")


def placebo_outcomes(estimator: Estimator, data: pd.DataFrame, *, outcomes: Sequence[str], **keywords: Any) -> MadeAgain:
    """Estimate 'effects' on outcomes that the programme cannot have changed.

    Parameters
    ----------
    estimator, data, keywords : as :func:`placebo_dates`. outcomes : columns that the programme does not touch.

    Returns
    -------
    MadeAgain
        A row an outcome, with estimand "placebo". Verdict 'concern' when an interval leaves out zero.

    Notes
    -----
    Estimand: the estimate's own, on outcomes it cannot move. Assumes that the programme does not touch them. Reference
    case: by hand, tests/test_again.py.
    """
    names = as_names(outcomes)
    if keywords.get("outcome") in names:
        raise ValueError("outcomes are columns the programme does not touch; "
                         f"{keywords['outcome']!r} is the outcome itself")
    require_columns(data, outcomes=names)
    real = estimator(data, **keywords).headline
    rows, lost = [], []
    for name in names:
        found, why = _try(estimator, data, {**keywords, "outcome": name})
        if found is None:
            lost.append((name, why))
            continue
        rows.append(replace(found, term=f"on {name}", id=f"{found.id}/placebo", estimand="placebo",
                            question=f"a false effect: {name} is not touched by the programme"))
    return _placebos(real, rows, lost, "placebo_outcomes", "Outcomes the programme does not touch", "such outcomes")


def leave_one_cohort_out(estimator: Estimator, data: pd.DataFrame, **keywords: Any) -> MadeAgain:
    """Make the estimate again without each cohort in turn: does one of them carry it?

    Parameters
    ----------
    estimator, data, keywords : as :func:`placebo_dates`.

    Returns
    -------
    MadeAgain
        A row a cohort left out. Verdict 'concern' when the sign turns or the estimate moves by more than one standard
        error.

    Notes
    -----
    Estimand: the estimate's own, on the rows that stay. Assumes what the estimate assumes. Reference case: by hand,
    tests/test_again.py.
    """
    _need(keywords, "first_treated")
    real, start = estimator(data, **keywords).headline, str(keywords["first_treated"])
    first = data[start].astype(float).replace([np.inf, -np.inf], np.nan)
    cohorts = sorted(first.dropna().unique())
    if len(cohorts) < 2:
        raise DesignError(Problem(where=f"column '{start}'", what="there is one cohort only", cure="Nothing can be left "
                                  "out."),
                          source="design")
    parts: Iterable[Part] = ((f"without those first treated in {g:.12g}", data[~(first == g)], {}) for g in cohorts)
    return _moved(real, estimator, keywords, parts, "leave_one_cohort_out", "One cohort left out at a time", "cohort")


def drop_the_largest(estimator: Estimator, data: pd.DataFrame, *, size: str | None = None, most: int = 3,
                     **keywords: Any) -> MadeAgain:
    """Make the estimate again without the largest unit, the two largest, and so on: does one firm carry it?

    Parameters
    ----------
    estimator, data, keywords : as :func:`placebo_dates`, with ``unit``.
    size : column by which units are large, by its mean; the outcome when left out. most : how many are left out at most.

    Returns
    -------
    MadeAgain
        A row a number left out. Verdict as :func:`leave_one_cohort_out`. No unit is named.

    Notes
    -----
    Estimand: the estimate's own, on the rows that stay. Assumes what the estimate assumes. Reference case: by hand,
    tests/test_again.py.
    """
    _need(keywords, "unit", "outcome")
    if not is_number(most) or most < 1 or most != int(most):
        raise ValueError(f"most is a whole number of units from 1 up, not {most!r}")
    unit, column = str(keywords["unit"]), size or str(keywords["outcome"])
    require_columns(data, unit=unit, size=column)
    check_columns(data, numbers=(column,))
    means = data.groupby(unit, sort=True)[column].mean().sort_values(ascending=False, kind="stable")
    if len(means) <= most + 2:
        raise DataError(Problem(where=f"column '{unit}'", what=f"there are {len(means)} units", cure="Too few to leave any "
                                "out."), source="data")
    parts: Iterable[Part] = (
        (f"without the {k} largest" if k > 1 else "without the largest", data[~data[unit].isin(means.index[:k])], {})
        for k in range(1, most + 1))
    return _moved(estimator(data, **keywords).headline, estimator, keywords, parts, "drop_the_largest",
                  "The largest units left out", "unit")


def _need(keywords: dict[str, Any], *names: str) -> None:
    """Refuse a call without the estimator's keywords that say what is to be changed."""
    missing = [name for name in names if keywords.get(name) is None]
    if missing:
        raise ValueError(f"give {', '.join(f'{name}=' for name in missing)}: without it there is nothing to change"
                         f"{' (a start read from treatment= cannot be moved)' if 'treatment' in keywords else ''}")


def amount(value: float, transform: str) -> str:
    """Write an effect for a sentence: per cent for logs, a true minus."""
    text = f"{100 * np.expm1(value):+,.1f}%" if transform == "log" else _three_digits(value)
    return text.replace("-", "−")


def _three_digits(value: float) -> str:
    """Write three digits, zeros at the end too ('2.90' beside '2.57'), and all those before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def _try(estimator: Estimator, data: pd.DataFrame, keywords: dict[str, Any]) -> tuple[Estimate | None, str]:
    try:
        found: Estimate = estimator(data, **keywords).headline
    except (DataError, DesignError) as error:
        return None, error.reason
    if found.std_error is None:
        return None, dict(found.reasons).get("std_error", "it has no standard error")
    return found, ""


def _each(estimator: Estimator, keywords: dict[str, Any], parts: Iterable[Part]) -> tuple[
        list[Estimate], list[tuple[str, str]]]:
    rows, lost = [], []
    for name, table, other in parts:
        found, why = _try(estimator, table, {**keywords, **other})
        if found is None:
            lost.append((name, why))
        else:
            rows.append(replace(found, term=name, id=f"{found.id}/{name}"))
    return rows, lost


def _placebos(real: Estimate, rows: list[Estimate], lost: list[tuple[str, str]], code: str, title: str,
              noun: str) -> MadeAgain:
    wrong = [row for row in rows if row.excludes_zero]
    few = [row for row in rows if row.has_caveat("few_clusters")]
    largest = max((row.estimate for row in rows), key=abs, default=None)
    if not rows:
        check = Check(id=f"{code}:{real.outcome}", title=title, outcome=real.outcome, verdict="not_applicable",
                      word="not examined", reason=f"None could be estimated: "
                      f"{lost[0][1] if lost else 'nothing was asked for'}.")
    elif few and len(few) == len(rows):  # no interval here is to be trusted
        check = Check(id=f"{code}:{real.outcome}", title=title, outcome=real.outcome, verdict="not_applicable",
                      word="not examined", reason=f"Too few clusters or units on a side to say; the largest in size of "
                      f"{len(rows)} {noun} is {amount(largest or 0.0, real.transform)}.")
    else:
        reason = (f"{len(wrong)} of {len(rows)} {noun} show an 'effect' whose interval leaves out zero"
                  f"{' (' + wrong[0].term + ')' if wrong else ''}; the largest in size is "
                  f"{amount(largest or 0.0, real.transform)}, against {amount(real.estimate, real.transform)} for the "
                  "estimate itself.")
        check = Check(id=f"{code}:{real.outcome}", title=title, outcome=real.outcome, reason=reason,
                      measured=float(len(wrong)),
                      verdict="concern" if wrong else "pass", word="moved" if wrong else "examined", threshold=0.0,
                      measure="placebos whose interval leaves out zero")
    return MadeAgain(rows=(real, *rows), check=check, left_out=tuple(lost))


def _moved(real: Estimate, estimator: Estimator, keywords: dict[str, Any], parts: Iterable[Part], code: str, title: str,
           noun: str) -> MadeAgain:
    rows, lost = _each(estimator, keywords, parts)
    error = real.std_error
    if not rows or not error:
        reason = "It could not be estimated again: " + (lost[0][1] if lost else "there is no standard error to judge "
                                                        "by") + "."
        check = Check(id=f"{code}:{real.outcome}", title=title, outcome=real.outcome, verdict="not_applicable",
                      word="not examined", reason=reason)
        return MadeAgain(rows=(real, *rows), check=check, left_out=tuple(lost))
    far = max(rows, key=lambda row: abs(row.estimate - real.estimate))
    gap = abs(far.estimate - real.estimate) / error
    turned = real.excludes_zero and any(row.estimate * real.estimate < 0 for row in rows)
    least, most = (amount(pick(r.estimate for r in rows), real.transform) for pick in (min, max))
    reason = (f"Made again it lies between {least} and {most}; the estimate is {amount(real.estimate, real.transform)}; "
              f"it moves most {far.term} (by {gap:.2g} standard error{'' if f'{gap:.2g}' == '1' else 's'})"
              f"{'; the sign turns' if turned else ''}.")
    check = Check(id=f"{code}:{real.outcome}", title=title, outcome=real.outcome, reason=reason, measured=gap,
                  threshold=1.0,
                  verdict="concern" if turned or gap > 1 else "pass", word=f"rests on one {noun}" if turned or gap > 1 else
                  "holds", measure="standard errors")
    return MadeAgain(rows=(real, *rows), check=check, left_out=tuple(lost))

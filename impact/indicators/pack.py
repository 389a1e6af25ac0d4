"""The small-firm outcome pack applied to one study: every declared outcome made, its steps noted, the raw columns kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import listed, number_problem
from impact.errors import DataError, Problem
from impact.indicators.construction import BASELINE, construct
from impact.indicators.prices import Deflator, read_deflator
from impact.indicators.status import States, states_of, status_problems, survival
from impact.inference.linear import Array
from impact.results import Caveat
from impact.results.cleaning import Cleaning
from impact.study.types import ROW_NUMBER, Outcome, Study

if TYPE_CHECKING:
    import pandas as pd

SURVIVAL = "_in_business"
ANY_POSITIVE = "_any_positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constructed:
    """A study whose outcomes name the columns made for them, the table with those columns added, and the steps."""

    study: Study
    frame: pd.DataFrame = field(repr=False)
    cleaning: tuple[Cleaning, ...]


def has_constructions(study: Study) -> bool:
    """Whether any outcome is made rather than taken as it stands."""
    return any(outcome.construction is not None for outcome in study.outcomes)


def construct_outcomes(study: Study, frame: pd.DataFrame, *, prices: pd.DataFrame | None = None,
                       prices_sha256: str = "") -> Constructed:
    """Make the outcomes of a study from its data, blind to arm.

    Parameters
    ----------
    study : as read; outcomes without a construction are left alone.
    frame : the table as it came; its columns are kept as they are.
    prices : the table of ``study.prices.file``, where prices are declared; prices_sha256 : its hash, for the notes.

    Returns
    -------
    Constructed
        With ``_name`` and, as declared, ``_name_winsorised``, ``_name_baseline``, ``_name_any_positive`` and
        ``_in_business`` added to the table. No step is given the treatment: its columns are taken away before the first.

    Raises
    ------
    DataError
        With every problem at once: status values in no list, rows without status, values of firms not found, amounts
        without a recall period, a date or a price, columns that already have the name of one to be made. Columns that are
        missing or hold text are left to :func:`impact.data.agreement.disagreements`.
    """
    problems: list[Problem] = []
    blind = frame.drop(columns=[name for name in _arms(study) if name in frame])
    states = _states(study, blind, problems)
    deflator = _deflator(study, prices, prices_sha256, problems)
    made: dict[str, Array] = {}
    names: list[str] = []
    cleaning: list[Cleaning] = []
    time = study.design.time
    if time is not None and (time not in blind or number_problem(blind, time) is not None):
        time = None
    for i, outcome in _buildable(study, blind):
        built = construct(blind, outcome, states=states, deflator=deflator, time=time, where=f"outcomes[{i}]")
        columns = built.columns | _any_positive(outcome, built.columns)
        names += columns
        made |= columns
        cleaning += built.cleaning
        problems += built.problems
    if states is not None:
        names.append(SURVIVAL)
        made[SURVIVAL] = survival(states, _found(study, blind))
    problems += _name_problems(study, names, frame)
    if problems:
        raise DataError(problems, source="data")
    return Constructed(study=_pointed(study), frame=frame.assign(**made), cleaning=tuple(cleaning))


def _name_problems(study: Study, made: list[str], frame: pd.DataFrame) -> list[Problem]:
    """Refuse to make a column over another, or under the name of another outcome."""
    others = [f"_{outcome.name}" for outcome in study.outcomes if outcome.construction is None]
    twice = sorted({name.removeprefix("_") for name in made if made.count(name) > 1 or name in others})
    taken = [name for name in made if name in frame]
    out = []
    if twice:
        out.append(Problem(where="outcomes", what=f"what is made of one outcome has the name of another: {listed(twice)}",
                           cure="Give the outcome another name."))
    if taken:
        out.append(Problem(where="data", what=f"columns to be made are there already: {listed(taken)}",
                           cure="Rename them in the data."))
    return out


def _arms(study: Study) -> tuple[str, ...]:
    """Columns that tell who was treated, or when."""
    first = study.design.first_treated
    names = (study.design.treatment, first if isinstance(first, str) or first is None else first.first_period_of)
    return tuple(name for name in names if name)


def _states(study: Study, frame: pd.DataFrame, problems: list[Problem]) -> States | None:
    declared = study.firm_status
    if declared is None or declared.column not in frame:
        return None
    states = states_of(frame, declared)
    design = study.design
    panel = design.kind == "did" and design.unit in frame and design.time in frame and design.unit != ROW_NUMBER
    problems += status_problems(frame, declared, states, unit=design.unit if panel else None,
                                time=design.time if panel else None)
    return states


def _deflator(study: Study, prices: pd.DataFrame | None, sha256: str, problems: list[Problem]) -> Deflator | None:
    if study.prices is None:
        return None
    if prices is None:
        raise ValueError("the study declares prices: give their table")
    try:
        return read_deflator(prices, study.prices, sha256)
    except DataError as error:  # told among the problems of the data, and the price file is another
        file = f"{study.prices.file}, "
        problems += [p if p.where.startswith(file) else replace(p, where=file + p.where) for p in error.problems]
        return None


def _buildable(study: Study, frame: pd.DataFrame) -> Iterator[tuple[int, Outcome]]:
    """Yield outcomes whose columns are all there; agreement with the study file is examined elsewhere."""
    for i, outcome in enumerate(study.outcomes):
        rules = outcome.construction
        if rules is None:
            continue
        recalls = [r.column for r in (rules.recall, rules.baseline.recall if rules.baseline else None) if r is not None]
        numbers = [name for name in (outcome.column, outcome.baseline, *recalls) if name]
        others = [rules.baseline.date if rules.baseline is not None else None]
        if rules.deflate and study.prices is not None:
            others += [study.prices.date, study.prices.place]
        if all(n in frame for n in (*numbers, *(o for o in others if o))) and all(
                number_problem(frame, n) is None for n in numbers):
            yield i, outcome


def _found(study: Study, frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether a row has an answer to any outcome that is made: it was found, wherever it had moved."""
    columns = [o.column for o in study.outcomes if o.construction is not None and o.column in frame]
    return np.asarray(frame[columns].notna().any(axis=1), dtype=bool)


def _any_positive(outcome: Outcome, columns: dict[str, Array]) -> dict[str, Array]:
    rules = outcome.construction
    if rules is None or not rules.money or rules.kind == "rate":
        return {}
    ends = [outcome.constructed] + ([outcome.constructed + BASELINE] if outcome.baseline is not None else [])
    return {end + ANY_POSITIVE: np.where(np.isnan(columns[end]), np.nan, (columns[end] > 0).astype(float)) for end in ends}


def _pointed(study: Study) -> Study:
    """Point outcomes, and covariates that are their baselines, at the columns made for them."""
    baselines = {o.baseline: o.constructed + BASELINE for o in study.outcomes if o.construction is not None and o.baseline}
    outcomes = tuple(
        o if o.construction is None
        else replace(o, column=o.constructed, baseline=o.constructed + BASELINE if o.baseline is not None else None)
        for o in study.outcomes)
    made = {o.column: o for o in study.outcomes if o.construction is not None}
    beside = tuple(o if o.column not in made else replace(
        o, column=made[o.column].constructed, baseline=made[o.column].constructed + BASELINE
        if o.baseline is not None and made[o.column].baseline is not None else o.baseline) for o in study.transformed)
    covariates = tuple(baselines.get(name, name) for name in study.design.covariates)
    return replace(study, outcomes=outcomes, transformed=beside, design=replace(study.design, covariates=covariates))


def cleaning_caveats(cleaning: Sequence[Cleaning], outcome: Outcome, *, status_declared: bool = True) -> tuple[Caveat, ...]:
    """What a reader of one outcome's effect must know of its making: firms closed, merged, not found, and cut-offs."""
    rules = outcome.construction
    if rules is None:
        return ()
    steps = {step.code: step for step in cleaning if step.outcome == outcome.name and step.code}
    rate = rules.kind == "rate"
    texts = (
        ("not_found", "not_found", "{n} rows are of firms not found: they are missing and do not count as zero; bounds, "
         "where they are given, say what that could hide."),
        ("closed_verified", "survivors_only" if rate else "closed_as_zero",
         "{n} rows are of firms whose closure was verified: the outcome does not exist there, so this compares "
         "survivors; see the effect on survival, and bounds where they are given." if rate
         else "{n} rows are of firms whose closure was verified: they count as zero."),
        ("merged", "merged_left_out", "{n} rows are of firms that merged into another: their amounts are not their own and "
         "are left out."),
    )
    out = [Caveat(code=code, text=(text.replace("{n} rows are of firms", "1 row is of a firm") if steps[key].n_rows == 1
                                   else text.replace("{n}", str(steps[key].n_rows))), values=(("rows", steps[key].n_rows),))
           for key, code, text in texts if key in steps]
    if not status_declared:
        out.append(Caveat(code="status_not_declared", text="No firm_status is declared: firms that closed and firms that "
                          "were not found cannot be told apart."))
    return tuple(out)

"""From a declared study to its sample: the table, checked against the study, with the columns the design needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from impact.data.agreement import disagreements
from impact.data.frame import listed
from impact.data.sources import Source, load_source
from impact.errors import DataError, Problem
from impact.inference.linear import Array
from impact.results.cleaning import Cleaning
from impact.results.record import sha256
from impact.study.read import study_of
from impact.study.types import ROW_NUMBER, DataSource, FirstTreatedRule, Study

if TYPE_CHECKING:
    import pandas as pd

UNIT = "_unit"
FIRST_TREATED = "_first_treated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The data of one study, after validation.

    Attributes
    ----------
    study : what is declared; an outcome with a construction names the column that was made for it.
    frame : the table, with ``_unit`` where rows are units, for panels ``_first_treated`` (missing where never treated), and
        the columns that were made (``_profit``); private.
    unit, treatment, first_treated, cluster : names of the columns the estimators take; ``cluster`` is None where
        units themselves were assigned.
    sha256, label, rows, columns : the identity of the table as it came.
    cleaning : each step in the making of outcomes, in order.
    """

    study: Study
    frame: pd.DataFrame = field(repr=False)
    unit: str
    cluster: str | None
    treatment: str | None
    first_treated: str | None
    sha256: str
    label: str
    rows: int
    columns: int
    cleaning: tuple[Cleaning, ...] = ()

    def __repr__(self) -> str:
        return f"Sample of {self.study.slug}: {self.label}, {self.rows} rows, {self.columns} columns"

    def units(self) -> pd.DataFrame:
        """One row a unit: ``unit`` and ``treated`` (1, 0, or missing where not known)."""
        if self.first_treated is not None:
            ever = self.frame.groupby(self.unit)[self.first_treated].first().notna().astype(float)
            return ever.rename("treated").rename_axis("unit").reset_index()
        if self.treatment is None:
            raise ValueError("a sample without time needs a treatment column")
        table = self.frame[[self.unit, self.treatment]].drop_duplicates(self.unit)
        return table.set_axis(["unit", "treated"], axis=1)


def load_sample(study: Study | str | Path, data: pd.DataFrame | None = None) -> Sample:
    """Load a study's data and hold them against what it declares.

    Parameters
    ----------
    study : a study read by :func:`impact.read_study`; or a study file, or the folder that holds one.
    data : a table to use instead of the declared source; its rows must be those the study means.

    Returns
    -------
    Sample

    Raises
    ------
    DataError
        With every disagreement at once: missing columns, text where numbers are needed, a treatment that is not 0/1
        or switches off, units seen twice in a period, errors clustered below the level of assignment, firms without a
        status, amounts without a price, and so on.
    """
    declared = study_of(study)
    source = load_source(declared) if data is None else _given(data)
    study, frame, cleaning = _agreed(declared, source)
    design = study.design
    if design.unit == ROW_NUMBER:
        frame[UNIT] = np.arange(1, len(frame) + 1)
    first = None
    if design.kind == "did":
        frame[FIRST_TREATED] = first_treated(study, frame)
        first = FIRST_TREATED
    level = design.assigned_by
    return Sample(
        study=study, frame=frame, unit=UNIT if design.unit == ROW_NUMBER else design.unit,
        cluster=None if level in (design.unit, ROW_NUMBER) else level,
        treatment=design.treatment, first_treated=first, sha256=source.sha256, label=source.label, rows=source.rows,
        columns=source.columns, cleaning=cleaning)


def _agreed(study: Study, source: Source) -> tuple[Study, pd.DataFrame, tuple[Cleaning, ...]]:
    """Hold the data against the study, make the outcomes that are declared to be made, and hold those against it too."""
    from impact.indicators.pack import construct_outcomes, has_constructions  # reads frames through this package

    problems = disagreements(study, source.frame)
    built = None
    if has_constructions(study):
        try:
            prices = _prices(study)
            built = construct_outcomes(study, source.frame, prices=prices.frame if prices is not None else None,
                                       prices_sha256=prices.sha256 if prices is not None else "")
        except DataError as error:
            problems += error.problems
    if not problems and built is not None:
        problems = disagreements(built.study, built.frame)
    if problems:
        raise DataError(problems, source=source.label)
    return (built.study, built.frame, built.cleaning) if built is not None else (study, source.frame.copy(), ())


def _prices(study: Study) -> Source | None:
    """Load the declared price table, by the same rules as the data."""
    if study.prices is None:
        return None
    try:
        return load_source(replace(study, data=DataSource(file=study.prices.file)))
    except DataError as error:
        problems = [replace(p, where="prices.file") if p.where == "data.file" else p for p in error.problems]
        raise DataError(problems, source=error.source) from None


def first_treated(study: Study, frame: pd.DataFrame) -> Array:
    """First treated period of each row's unit, NaN where never treated, by the declared column or rule."""
    design = study.design
    if isinstance(design.first_treated, FirstTreatedRule):
        on = frame[frame[design.first_treated.first_period_of] == 1]
        begin = on.groupby(design.unit)[str(design.time)].min()
        return frame[design.unit].map(begin).to_numpy(dtype=float)
    column = frame[design.first_treated].replace([np.inf, -np.inf], np.nan)
    return column.to_numpy(dtype=float)


def _given(data: pd.DataFrame) -> Source:
    if not hasattr(data, "columns"):
        raise TypeError(f"data must be a pandas DataFrame, not of type {type(data).__name__}; a file is named in the study "
                        "file, under data.file")
    if len(data) == 0:
        raise DataError(Problem(where="data", what="the table has no rows"), source="data")
    frame = data.reset_index(drop=True)
    frame.columns = frame.columns.map(str)
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise DataError(Problem(where="data", what=f"columns stand twice: {listed(twice)}",
                                cure="Give each column its own name."), source="data")
    content = frame.to_csv(index=False, lineterminator="\n").encode()
    return Source(frame=frame, sha256=sha256(content), label="table given", rows=len(frame),
                  columns=len(frame.columns))

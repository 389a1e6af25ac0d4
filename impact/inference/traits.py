"""Covariates as traits to compare: numbers as they are, words by level, empty cells as a level of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import number_problem
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array, least_squares

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 30  # a column of more words is a name or an id, not a trait


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """One column to compare: (n,) values, NaN where not known; 1 and 0 for a level."""

    name: str
    level: str
    values: Array
    n_missing: int


def read_traits(frame: pd.DataFrame, covariates: Sequence[str], categorical: Sequence[str]) -> list[Trait]:
    """Read columns as traits.

    Parameters
    ----------
    frame : the rows compared. covariates : columns, in the order shown.
    categorical : those of them that are coded as numbers and are names of groups.

    Raises
    ------
    DataError
        For dates, numbers stored as text, infinite values and columns of more than 30 words, all at once.
    """
    stray = [name for name in categorical if name not in covariates]
    if stray:
        raise ValueError(f"categorical names columns that are not covariates: {', '.join(stray)}")
    traits: list[Trait] = []
    problems: list[Problem] = []
    for name in dict.fromkeys(covariates):
        words = name in categorical or _is_words(frame[name])
        problem = _levels_problem(frame, name) if words else number_problem(frame, name)
        if problem is not None:
            problems.append(problem)
        else:
            traits += _levels(frame[name], name) if words else _numbers(frame[name], name)
    if problems:
        raise DataError(problems, source="data")
    return traits


def _is_words(column: pd.Series) -> bool:
    """Whether a column holds words: not numbers, dates, or numbers stored as text."""
    import pandas as pd

    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return True
    api = pd.api.types
    if api.is_numeric_dtype(kind) or api.is_bool_dtype(kind) or api.is_datetime64_any_dtype(kind):
        return False
    known = column.dropna().astype(str)  # True and False beside empty cells are words, as wherever covariates are read
    return bool(len(known)) and bool(pd.to_numeric(known, errors="coerce").isna().any())


def _levels_problem(frame: pd.DataFrame, name: str) -> Problem | None:
    count = int(frame[name].nunique())
    if count <= MOST_LEVELS:
        return None
    return Problem(where=f"column '{name}'", what=f"it holds {count} different values: too many to compare one by one",
                   cure="Group them into a few kinds, or leave the column out; turn what is a number into a number.")


def _named(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _levels(column: pd.Series, name: str) -> list[Trait]:
    gone = column.isna().to_numpy()
    texts = np.array([_named(v) for v in column.astype(object)], dtype=object)
    known = sorted({t for t, g in zip(texts, gone, strict=True) if not g})
    out = [Trait(name=name, level=level, values=((texts == level) & ~gone).astype(float), n_missing=int(gone.sum()))
           for level in known]
    return out + _missing(name, gone, "missing" if "missing" not in known else "empty cell")


def _numbers(column: pd.Series, name: str) -> list[Trait]:
    values = column.to_numpy(dtype=float, na_value=np.nan)
    gone = np.isnan(values)
    out = [Trait(name=name, level="", values=values, n_missing=int(gone.sum()))]
    return out if gone.all() else out + _missing(name, gone, "missing")


def _missing(name: str, gone: np.ndarray[tuple[int], np.dtype[np.bool_]], level: str) -> list[Trait]:
    count = int(gone.sum())
    return [Trait(name=name, level=level, values=gone.astype(float), n_missing=count)] if count else []


def missing_shares(traits: Sequence[Trait]) -> list[str]:
    """Say which traits have empty cells and how they are shown; nothing where there are none."""
    counts = {t.name: t.n_missing for t in traits if t.n_missing}
    if not counts:
        return []
    listed = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return [f"Empty cells are a level of their own, 'missing': {listed}. Means of numbers are over the units whose value "
            "is known, shares of levels over all units."]


def prognostic_score(frame: pd.DataFrame, outcome: str, traits: Sequence[Trait], treated: Array) -> Array:
    """Predict the outcome without the programme: least squares on the traits among the comparison units.

    Parameters
    ----------
    frame, traits : the rows compared, and what they are compared on. treated : (n,) of 1 and 0.
    outcome : column; comparison units where it is empty do not enter the fit, and all units are predicted.

    Raises
    ------
    DesignError
        When too few comparison units have a known outcome.
    """
    y = frame[outcome].to_numpy(dtype=float, na_value=np.nan)
    fitted = (treated == 0) & ~np.isnan(y)
    columns = [np.ones(len(y))]
    for trait in traits:
        known = trait.values[fitted & ~np.isnan(trait.values)]
        if len(known):
            columns.append(np.where(np.isnan(trait.values), known.mean(), trait.values))
    design = np.column_stack(columns)
    names = [str(j) for j in range(design.shape[1])]
    try:
        fit = least_squares(design[fitted], y[fitted], names)
    except DesignError as error:
        raise DesignError(Problem(where=f"prognostic, column '{outcome}'", what=f"among the comparison units with a known "
                          f"outcome, {error.problems[0].what}", cure="Name fewer traits, or leave prognostic= out."),
                          source="balance") from None
    kept = [int(name) for name in fit.names]
    return np.asarray(design[:, kept] @ fit.coefficients)

"""The complete rows of a regression that is to be examined, and what it leaves unexplained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import Selection, as_names, check_columns, require_columns
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Fit, least_squares
from impact.results import Dropped

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Outcome and treatment (n,), traits (n, k) and their names, and the rows left out."""

    outcome: Array
    treatment: Array
    traits: Array
    names: tuple[str, ...]
    dropped: tuple[Dropped, ...]


def read_complete(data: pd.DataFrame, outcome: str, treatment: str, covariates: Sequence[str]) -> Columns:
    """Take the rows without an empty cell; refuse columns of no use, and an outcome or treatment that is constant."""
    names = as_names(covariates)
    require_columns(data, outcome=outcome, treatment=treatment, covariates=names)
    check_columns(data, numbers=dict.fromkeys((outcome, treatment, *names)))
    if not names or {outcome, treatment} & set(names):
        raise DesignError(Problem(
            where="covariates", what="no trait is named" if not names else "the outcome or the treatment is among them",
            cure="Name columns measured before the programme: what hidden causes could do is judged by what these do."),
            source="sensitivity")
    rows = Selection(data)
    for name in dict.fromkeys((outcome, treatment, *names)):
        rows.drop(data[name].isna(), f"no_{name}", f"{name} is missing")
    columns = [rows.numbers(name) for name in (outcome, treatment, *names)]
    problems = [Problem(where=f"column '{name}'", what=f"it has one value only in the {len(values)} complete rows",
                        cure="An effect needs it to vary.")
                for name, values in zip((outcome, treatment), columns, strict=False)
                if not len(values) or values.min() == values.max()]
    if problems:
        raise DesignError(problems, source="sensitivity")
    return Columns(outcome=columns[0], treatment=columns[1], traits=np.column_stack(columns[2:]), names=names,
                   dropped=tuple(rows.dropped))


def regress(y: Array, *columns: Array, names: Sequence[str], keep: Sequence[str] = ()) -> Fit:
    """Regress on an intercept and columns."""
    return least_squares(np.column_stack([np.ones(len(y)), *columns]), y, ["(intercept)", *names], must_keep=keep)


def unexplained(fit: Fit) -> float:
    """Sum of squares a regression leaves."""
    return float(fit.residuals @ fit.residuals)


def figure(x: float) -> str:
    """Write an effect in a sentence: three digits, thousands apart, a true minus."""
    return (f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}").replace("-", "−")

"""Weighted least squares on arrays: the one regression under every family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from impact.errors import DesignError, Problem

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
PERFECT = 1e-13  # residuals this small beside the outcome are rounding
COLLINEAR = 1e-9  # share of a column's length left after projecting on the columns before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A least-squares fit.

    Attributes
    ----------
    names : k names, in the order of the coefficients.
    coefficients : (k,) in outcome units per unit of the regressor.
    residuals : (n,) in outcome units.
    design : (n, k) regressors kept, full column rank.
    weights : (n,) or None.
    bread : (k, k) inverse of X'WX.
    left_out : names of columns that are combinations of earlier ones.
    """

    names: tuple[str, ...]
    coefficients: Array
    residuals: Array
    design: Array
    weights: Array | None
    bread: Array
    left_out: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Rows used."""
        return int(self.design.shape[0])

    @property
    def k(self) -> int:
        """Coefficients estimated."""
        return int(self.design.shape[1])

    def index(self, name: str) -> int:
        """Position of a coefficient."""
        return self.names.index(name)


def independent_columns(design: Array, sizes: Array | None = None) -> list[int]:
    """List the columns that are not combinations of the columns before them, in order.

    ``sizes`` are the columns' lengths before effects were taken out of them: what is left may be rounding noise.
    """
    kept: list[int] = []
    basis = np.empty((design.shape[0], 0))
    for j in range(design.shape[1]):
        column = design[:, j]
        size = float(np.linalg.norm(column))
        if size <= (COLLINEAR * sizes[j] if sizes is not None else 0.0):
            continue
        rest = column / size
        for _ in range(2):  # projecting twice keeps the test exact when columns are nearly parallel
            rest = rest - basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > COLLINEAR:
            kept.append(j)
            basis = np.column_stack([basis, rest / length])
    return kept


def centred(columns: Array, weights: Array | None = None) -> Array:
    """Take its (weighted) mean out of each column, (n, k); there may be no column."""
    w = np.ones(len(columns)) if weights is None else weights
    return np.asarray(columns - w @ columns / w.sum())


def least_squares(design: Array, outcome: Array, names: Sequence[str], *, weights: Array | None = None,
                  must_keep: Sequence[str] = (), sizes: Array | None = None) -> Fit:
    """Regress an outcome on a design.

    Parameters
    ----------
    design : (n, k) regressors; a column that repeats earlier ones is left out and named in ``left_out``.
    outcome : (n,) in its own unit.
    names : k names.
    weights : (n,) positive, or None.
    sizes : (k,) lengths of the columns before effects were absorbed, or None.
    must_keep : names whose coefficient is the question; it is an error when they repeat other columns.

    Returns
    -------
    Fit

    Raises
    ------
    DesignError
        When fewer rows than coefficients are left, or a ``must_keep`` column repeats others.

    Notes
    -----
    Checked against statsmodels and against R estimatr 1.0.0 (tests/test_reference.py).
    """
    x = np.asarray(design, dtype=float)
    y = np.asarray(outcome, dtype=float)
    scale = np.sqrt(weights) if weights is not None else np.ones(len(y))
    kept = independent_columns(x * scale[:, None], sizes)
    lost = [names[j] for j in range(x.shape[1]) if j not in kept]
    for name in must_keep:
        if name in lost:
            raise DesignError(Problem(
                where=f"column '{name}'", what="its effect cannot be told apart from the other columns",
                cure="It does not vary, or it repeats a stratum or covariate: leave one of them out."))
    x = np.ascontiguousarray(x[:, kept])
    if x.shape[0] <= x.shape[1]:
        raise DesignError(Problem(
            where="data", what=f"{x.shape[0]} rows are too few to estimate {x.shape[1]} coefficients",
            cure="Use fewer covariates or strata, or more data."))
    q, r = np.linalg.qr(x * scale[:, None])
    # BLAS itself, since LAPACK's triangular solver wakes all threads even for a handful of columns
    solved = linalg.blas.dtrsm(1.0, r, np.column_stack([q.T @ (y * scale), np.eye(x.shape[1])]))
    coefficients, inverse = np.ascontiguousarray(solved[:, 0]), np.ascontiguousarray(solved[:, 1:])
    residuals = y - x @ coefficients
    if np.abs(residuals).max() <= PERFECT * np.abs(y).max():
        residuals = np.zeros_like(y)  # what is left of a perfect fit is rounding, and rounding has no standard error
    return Fit(names=tuple(names[j] for j in kept), coefficients=coefficients, residuals=residuals,
               design=x, weights=weights, bread=inverse @ inverse.T, left_out=tuple(lost))

"""Unit and period effects taken out together, without a column for each period: what large panels need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg

from impact.did.effects import fit_within, sums_by
from impact.inference.linear import COLLINEAR, Array, Codes, Fit, least_squares
from impact.inference.sandwich import Covariance, covariance

MOST_PLACES = 4  # units × periods for each row; a sparser table has a column for each period instead
BLOCK = 1_024  # rows; here and below einsum stands where BLAS would start threads that wait for each other
SINGULAR = 1e-9  # smallest over largest eigenvalue of the periods' normal equations, below which some repeat others


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorbed:
    """A regression beside unit and period effects.

    Attributes
    ----------
    names : (k,) the periods but the first, then the other regressors, less those ``left_out``. n : rows.
    coefficients, bread : (k,), and (k, k) the inverse of X'WX, both after unit effects are taken out.
    scores : (units, k) each unit's sum of weighted regressors times residuals.
    """

    names: tuple[str, ...]
    coefficients: Array
    bread: Array
    scores: Array
    n: int
    left_out: tuple[str, ...] = ()

    @property
    def k(self) -> int:
        """Coefficients, unit effects not among them."""
        return len(self.names)

    def by_cluster(self, units: Codes, clusters: Codes) -> Array:
        """Sum the scores of the units in each cluster: (clusters, k). Both arguments are (n,) codes of the rows."""
        if units is clusters:
            return self.scores
        cluster_of = np.empty(len(self.scores), dtype=np.int64)
        cluster_of[units] = clusters
        return sums_by(cluster_of, self.scores, int(clusters.max()) + 1)

    def covariance(self, kind: str, units: Codes, clusters: Codes) -> Covariance:
        """CR0, CR1 or CR1S of all coefficients; K counts period effects, not the unit effects nested in the cluster."""
        scores = self.by_cluster(units, clusters)
        # the kernel sums design times residual within clusters: here the sums are at hand
        fit = Fit(names=self.names, coefficients=self.coefficients, residuals=np.ones(len(scores)), design=scores,
                  weights=None, bread=self.bread)
        cov = covariance(fit, "CR0" if kind == "CR0" else "CR1")
        factor = (self.n - 1) / (self.n - self.k - 1) if kind == "CR1S" else 1.0
        return Covariance(kind=kind, matrix=cov.matrix * factor, n_clusters=len(scores), residual_df=self.n - self.k)


def absorb(y: Array, columns: Sequence[Array], labels: Sequence[str], units: Codes, when: Array,
           weights: Array | None = None, must_keep: Sequence[str] = ()) -> Absorbed:
    """Least squares beside unit and period effects.

    Parameters
    ----------
    y : (n,) outcome. columns, labels : (n,) regressors and their names. units, when : (n,) codes, and periods.
    weights : (n,) positive, or None. must_keep : labels that may not be left out as combinations of others.

    Raises
    ------
    DesignError
        As :func:`impact.inference.linear.least_squares`.
    """
    found = sweep(y, columns, labels, units, when, weights, must_keep)
    if found is not None:
        return found
    periods = np.unique(when)
    names = [*period_names(periods), *labels]
    design = np.column_stack([(when[:, None] == periods[None, 1:]).astype(float), *columns])
    fit = fit_within(y, design, names, units, weights, must_keep)
    residual = fit.residuals if weights is None else fit.residuals * weights
    return Absorbed(names=fit.names, coefficients=fit.coefficients, bread=fit.bread, n=fit.n, left_out=fit.left_out,
                    scores=sums_by(units, fit.design * residual[:, None], int(units.max()) + 1))


def sweep(y: Array, columns: Sequence[Array], labels: Sequence[str], units: Codes, when: Array,
          weights: Array | None = None, must_keep: Sequence[str] = ()) -> Absorbed | None:
    """As :func:`absorb`, by arrays of units by periods; None where periods repeat each other or most places are empty.

    Notes
    -----
    Period effects solve the normal equations left once unit effects are out, exactly and whatever rows are missing; then
    the outcome is regressed on the other regressors, all without either effect (Frisch, Waugh & Lovell). The coefficients
    of the periods and their covariance follow from the partitioned inverse. Reference case: full dummies
    (tests/test_did.py, tests/test_imputed.py, tests/test_did_properties.py).
    """
    grid = _lay_out(units, when, weights)
    if grid is None or len(y) <= len(grid.periods) - 1 + len(columns):
        return None
    outcome, swept = grid.sweep(y), [grid.sweep(c) for c in columns]
    rest, path = outcome.rest, outcome.path
    beta, spread, paths = np.empty(0), np.empty((0, 0)), np.empty((len(path), 0))
    kept: list[int] = []
    left_out: tuple[str, ...] = ()
    if columns:
        fit = _regress(swept, rest, labels, grid.weights, must_keep)
        kept, left_out = [labels.index(name) for name in fit.names], fit.left_out
        swept, beta, spread = [swept[j] for j in kept], fit.coefficients, fit.bread
        for column, value in zip(swept, beta, strict=True):
            rest = rest - value * column.rest
        paths = np.column_stack([np.empty((len(path), 0)), *(column.path for column in swept)])
    weighted = rest if grid.weights is None else rest * grid.weights
    # residuals sum to zero within a unit, so a period's column meets them as it is
    scores = [weighted[:, 1:], *((np.einsum("ij,ij->i", c.rest, weighted) + np.einsum("ij,j->i", weighted, c.path))[:, None]
                                 for c in swept)]
    along = paths[1:] @ spread
    bread = np.block([[grid.inverse + along @ paths[1:].T, -along], [-along.T, spread]])
    return Absorbed(names=(*period_names(grid.periods), *(labels[j] for j in kept)), n=len(y),
                    left_out=left_out, bread=bread, coefficients=np.concatenate([(path - paths @ beta)[1:], beta]),
                    scores=np.column_stack(scores))


def _regress(columns: Sequence[_Swept], y: Array, labels: Sequence[str], weights: Array | None,
             must_keep: Sequence[str]) -> Fit:
    """Least squares of one swept table on others; the triangle of their QR has the same coefficients as all their rows."""
    stack = np.column_stack([table.ravel() for table in (*(c.rest for c in columns), y)])
    if weights is not None:
        stack *= np.sqrt(weights.ravel())[:, None]
    triangle = _triangle(stack)
    return least_squares(triangle[:, :-1], triangle[:, -1], labels, must_keep=must_keep,
                         sizes=np.array([c.size for c in columns]))


def _triangle(table: Array) -> Array:
    """R of a tall table's QR, by blocks of rows that fit in the cache."""
    rows, width = table.shape
    whole = rows // BLOCK * BLOCK
    parts = np.asarray(np.linalg.qr(table[:whole].reshape(-1, BLOCK, width), mode="r")).reshape(-1, width)
    return np.asarray(np.linalg.qr(np.concatenate([parts, table[whole:]]), mode="r"))


def period_names(periods: Array) -> list[str]:
    """Name the period effects: each sorted period but the first."""
    return [f"period {t:.12g}" for t in periods[1:]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Swept:
    """What both effects leave of a column, its period coefficients (the first 0), its length once unit means are out."""

    rest: Array
    path: Array
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Rows as (units, periods).

    ``place`` is each row's place, None where rows stand in order; ``weights`` (units, periods), 0 where there is no row,
    None where all are 1; ``share`` each unit's weights as shares; ``inverse`` (T − 1, T − 1) of the normal equations.
    """

    periods: Array
    shape: tuple[int, int]
    place: Codes | None
    weights: Array | None
    share: Array
    inverse: Array

    def sweep(self, values: Array) -> _Swept:
        """Take both effects out of (n,) values; a column that unit means take up but for rounding becomes zeros."""
        table = _spread(values, self.place, self.shape)
        if self.weights is None:
            out = table - (np.einsum("ij->i", table) / self.shape[1])[:, None]
            sums = np.einsum("ij->j", out)
        else:
            out = table - np.einsum("ij,ij->i", table, self.share)[:, None]
            out *= self.weights > 0
            sums = np.einsum("ij,ij->j", out, self.weights)
        path = np.append(0.0, self.inverse @ sums[1:])
        size = _length(out, self.weights)
        if size <= COLLINEAR * _length(table, self.weights):
            return _Swept(rest=np.zeros(self.shape), path=np.zeros(self.shape[1]), size=0.0)
        if self.weights is None:
            out -= path - path.mean()
        else:
            out -= (path[None, :] - np.einsum("ij,j->i", self.share, path)[:, None]) * (self.weights > 0)
        return _Swept(rest=out, path=path, size=size)


def _length(table: Array, weights: Array | None) -> float:
    return math.sqrt(np.einsum("ij,ij->", table, table if weights is None else table * weights))


def _spread(values: Array, place: Codes | None, shape: tuple[int, int]) -> Array:
    if place is None:
        return values.reshape(shape)
    out = np.zeros(shape)
    out.ravel()[place] = values
    return out


def _lay_out(units: Codes, when: Array, weights: Array | None) -> _Grid | None:
    count = int(units.max()) + 1
    width, order = len(units) // count, None
    periods = when[:width]
    regular = len(units) == count * width and bool((np.diff(periods) > 0).all()) and bool(
        (units.reshape(count, width) == np.arange(count)[:, None]).all()) and bool(
        (when.reshape(count, width) == periods[None, :]).all())
    if not regular:
        at, periods = pd.factorize(when, sort=True)
        width = len(periods)
        if count * width > MOST_PLACES * len(units):
            return None
        order = np.asarray(units * width + at, dtype=np.int64)
    shape = (count, width)
    full = weights is None and len(units) == count * width
    table = None if full else _spread(np.ones(len(units)) if weights is None else weights, order, shape)
    if table is None:
        share, normal = np.full((1, width), 1 / width), count * (np.eye(width) - 1 / width)
    else:
        share = table / np.einsum("ij->i", table)[:, None]
        normal = np.diag(np.einsum("ij->j", table)) - table.T @ share
    normal = (normal + normal.T)[1:, 1:] / 2
    values = np.linalg.eigvalsh(normal) if width > 1 else np.zeros(1)
    if values[0] <= SINGULAR * values[-1]:
        return None
    return _Grid(periods=np.asarray(periods, dtype=float), shape=shape, place=order, weights=table, share=share,
                 inverse=np.asarray(linalg.inv(normal)))

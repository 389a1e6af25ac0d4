"""Effects by horizon from one regression: a row each, their average, and a band that holds for all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from impact.did.averages import horizon_question
from impact.did.effects import Story, infer_along, tell
from impact.did.layout import Layout
from impact.did.opening import Mask
from impact.did.wild import beside
from impact.inference.linear import Array, Codes, Fit
from impact.inference.sandwich import Covariance
from impact.results import Estimate, Estimates

DRAWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """One horizon: its number, name, place among the coefficients, and the treated rows measured there."""

    value: float
    name: str
    place: int
    rows: Mask


def uniform_critical(matrix: Array, df: float | None, conf_level: float, seed: int) -> float:
    """Critical value with which all intervals hold at once.

    Parameters
    ----------
    matrix : (k, k) covariance of the coefficients.
    df : of Student's t, or None for the normal.
    conf_level : a share. seed : of the draws.

    Notes
    -----
    Plug-in sup-t band: quantile of the largest |t| among draws from the estimated joint normal, divided by a chi of the
    same df so that few clusters widen it as they widen the pointwise intervals. Montiel Olea & Plagborg-Møller (2019,
    Journal of Applied Econometrics 34). Never below the pointwise value.
    """
    size = np.sqrt(np.diag(matrix))
    matrix, size = matrix[np.ix_(size > 0, size > 0)], size[size > 0]
    pointwise = float((stats.norm if df is None else stats.t(df)).ppf(0.5 + conf_level / 2))
    if len(size) < 2:
        return pointwise
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((DRAWS, len(size))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    top = np.abs(draws).max(axis=1)
    if df is not None:
        top = top / np.sqrt(rng.chisquare(df, DRAWS) / df)
    return max(float(np.quantile(top, conf_level)), pointwise)


def by_horizon(lay: Layout, story: Story, fit: Fit, cov: Covariance, horizons: Sequence[Horizon], *, clusters: Codes,
               question: str, reference: float, seed: int) -> Estimates:
    """Row 0 the average of the effects at horizons from 0 on, each counted once; then a row a horizon with its band."""
    places = [h.place for h in horizons]
    df = float((cov.n_clusters or 2) - 1)
    critical = uniform_critical(cov.matrix[np.ix_(places, places)], df, lay.conf_level, seed)
    late = [h for h in horizons if h.value >= 0]
    pick = np.zeros(fit.k)
    pick[[h.place for h in late]] = 1 / len(late)
    counted = sum((h.rows / h.rows.sum() for h in late), np.zeros(lay.n))
    if lay.weights is not None:
        counted = counted * lay.weights
    row = tell(lay, story, infer_along(fit, cov, pick, lay.conf_level), rows=np.asarray(counted > 0), by_row=counted,
               question=question, period=lay.span, details=(("reference", reference), ("band_critical", critical)))
    return Estimates(rows=(beside(row, fit, pick, clusters, seed),
                           *(_row(lay, story, fit, cov, h, critical) for h in horizons)))


def _row(lay: Layout, story: Story, fit: Fit, cov: Covariance, at: Horizon, critical: float) -> Estimate:
    pick = np.zeros(fit.k)
    pick[at.place] = 1.0
    made = tell(lay, story, infer_along(fit, cov, pick, lay.conf_level), rows=at.rows, question=horizon_question(at.value),
                term=at.name, name=f"{at.value:.12g}", estimand="att" if at.value >= 0 else "placebo",
                horizon=f"{at.value:.12g}")
    if made.std_error is None:
        return made
    reach = critical * made.std_error
    return replace(made, details=(*made.details, ("band_low", made.estimate - reach), ("band_high", made.estimate + reach)))

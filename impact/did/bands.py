"""Effects by horizon from one regression: a row each, their average, and a band that holds for all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from impact.did.effects import Story, infer_along, tell
from impact.did.estimands import horizon_question
from impact.did.layout import Layout
from impact.did.listing import Averages
from impact.did.multiplier import uniform_critical, with_band
from impact.did.opening import Mask
from impact.did.wild import beside
from impact.inference.linear import Codes, Fit
from impact.inference.sandwich import Covariance
from impact.results import Estimate, Estimates


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """One horizon: its number, name, place among the coefficients, and the treated rows measured there."""

    value: float
    name: str
    place: int
    rows: Mask


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
    call = story.card.r_call
    mean = replace(story, card=replace(story.card, r_call=call and f"{call} # mean of its coefficients from horizon 0 on"))
    row = tell(lay, mean, infer_along(fit, cov, pick, lay.conf_level), rows=np.asarray(counted > 0), by_row=counted,
               question=question, period=lay.span, details=(("reference", reference), ("band_critical", critical)))
    return Averages(rows=(beside(row, fit, pick, clusters, seed),
                           *(_row(lay, story, fit, cov, h, critical) for h in horizons)))


def _row(lay: Layout, story: Story, fit: Fit, cov: Covariance, at: Horizon, critical: float) -> Estimate:
    pick = np.zeros(fit.k)
    pick[at.place] = 1.0
    made = tell(lay, story, infer_along(fit, cov, pick, lay.conf_level), rows=at.rows, question=horizon_question(at.value),
                term=at.name, name=f"{at.value:.12g}", estimand="att" if at.value >= 0 else "placebo",
                horizon=f"{at.value:.12g}")
    return with_band(made, critical)

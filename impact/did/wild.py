"""The wild cluster bootstrap beside a combination of coefficients."""

from __future__ import annotations

import numpy as np

from impact.inference.beside import wild_beside
from impact.inference.linear import Array, Codes, Fit
from impact.results import Estimate


def beside(estimate: Estimate, fit: Fit, pick: Array, clusters: Codes, seed: int) -> Estimate:
    """Show the wild cluster bootstrap beside pick'β, by the rule of :func:`impact.inference.beside.wild_beside`.

    The design is rewritten so that the combination is itself a coefficient; nothing else of the fit changes. Weighted
    fits are scaled by the root of their weights first. Below six clusters on a side the bootstrap is no help either.
    """
    card = estimate.se_card
    if card is None or card.clusters_treated is None or card.clusters_comparison is None or (
            estimate.std_error is None or estimate.has_caveat("few_clusters")):
        return estimate
    scale = np.ones(fit.n) if fit.weights is None else np.sqrt(fit.weights)
    design = fit.design * scale[:, None]
    j = int(np.argmax(np.abs(pick)))
    column = design[:, j] / pick[j]
    others = np.delete(design - column[:, None] * pick[None, :], j, axis=1)
    return wild_beside(estimate, outcome=(fit.design @ fit.coefficients + fit.residuals) * scale, treatment=column,
                       controls=others, clusters=clusters, treated=card.clusters_treated,
                       comparison=card.clusters_comparison, seed=seed)

"""The wild cluster bootstrap beside a combination of coefficients."""

from __future__ import annotations

from impact.inference.beside import wild_contrast
from impact.inference.linear import Array, Codes, Fit
from impact.results import Estimate


def beside(estimate: Estimate, fit: Fit, pick: Array, clusters: Codes, seed: int) -> Estimate:
    """Show the wild cluster bootstrap beside pick'β; below six clusters on a side it is no help either."""
    if estimate.std_error is None or estimate.has_caveat("few_clusters"):
        return estimate
    return wild_contrast(estimate, fit, pick, clusters, seed)

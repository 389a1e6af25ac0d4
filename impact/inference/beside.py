"""The wild cluster bootstrap shown beside an estimate whose clusters are few; a rule fixed before results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from impact.inference.bootstrap import wild_cluster_bootstrap, wild_cluster_set
from impact.inference.linear import Array, Codes, Fit
from impact.results import Caveat, Estimate, Segment

WILD_CLUSTERS = 40  # in all
WILD_TREATED = 20
FLAT = 1e-13  # an outcome that varies by no more than this share of its size does not vary


def wild_beside(estimate: Estimate, *, outcome: Array, treatment: Array, controls: Array, clusters: Codes,
                treated: int, comparison: int, seed: int, received: Array | None = None,
                inverted: bool = True) -> Estimate:
    """Add the bootstrap's p-value and set below 40 clusters in all or 20 treated; otherwise return the estimate as it is.

    Parameters
    ----------
    estimate : with its usual p-value, which stays.
    outcome, treatment : (n,), controls : (n, k) of full rank; effects nested in the clusters may have been taken out.
    clusters : (n,) codes. treated, comparison : clusters on each side; with one on a side nothing is added.
    seed : of sampled signs.
    received : (n,) take-up, where the estimate is the effect of it: the set is then Anderson & Rubin's.
    inverted : whether the test turned around is a set of the number itself, and shown.
    """
    codes = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    total = min(treated + comparison, int(codes.max()) + 1)  # a cluster may stand on both sides
    if min(treated, comparison) < 2 or not (total < WILD_CLUSTERS or treated < WILD_TREATED):
        return estimate
    test = wild_cluster_bootstrap(outcome, treatment, controls, codes, seed=seed)
    segments: tuple[Segment, ...] = wild_cluster_set(
        outcome, treatment, controls, codes, seed=seed, conf_level=estimate.conf_level,
        received=received) if inverted else ()
    # ties count here, so that no p is smaller than the sign patterns or draws can give
    p = float(test.p_value_ties[0]) if test.enumerated else max(float(test.p_value_ties[0]), 1 / (1 + test.draws))
    shown = "p below 0.001" if p < 0.001 else f"p = {p:.3f}"
    caveat = Caveat(code="wild_bootstrap", text=f"With {treated} treated and {comparison} comparison clusters the wild "
                    f"cluster bootstrap is shown beside: {shown} ({test.draws:,} "
                    f"{'sign patterns, all' if test.enumerated else 'draws'}).", values=(("p", p), ("draws", test.draws)))
    held = (("wild_set", tuple((s.low, s.high) for s in segments)),) if inverted else ()
    return replace(estimate, caveats=(*estimate.caveats, caveat), details=(*estimate.details, ("wild_p", p), *held))


def wild_contrast(estimate: Estimate, fit: Fit, pick: Array, clusters: Codes | None, seed: int, *,
                  inverted: bool = True) -> Estimate:
    """Show the wild cluster bootstrap beside pick'β, by the rule of :func:`wild_beside`.

    The design is rewritten so that the combination is itself a coefficient; nothing else of the fit changes. Weighted
    fits are scaled by the root of their weights first.

    Parameters
    ----------
    estimate : whose card counts the clusters on each side; without a p-value it is returned as it is.
    fit : (n, k), whose weights stay. pick : (k,). clusters : (n,) codes, or None where units were drawn.
    seed, inverted : as :func:`wild_beside`.
    """
    card, outcome = estimate.se_card, fit.design @ fit.coefficients + fit.residuals
    if clusters is None or card is None or card.clusters_treated is None or card.clusters_comparison is None or (
            estimate.p_value is None or float(np.ptp(outcome)) <= FLAT * float(np.abs(outcome).max())):
        return estimate
    scale = np.ones(fit.n) if fit.weights is None else np.sqrt(fit.weights)
    design = fit.design * scale[:, None]
    j = int(np.argmax(np.abs(pick)))
    column = design[:, j] / pick[j]
    others = np.delete(design - column[:, None] * pick[None, :], j, axis=1)
    return wild_beside(estimate, outcome=outcome * scale, treatment=column, controls=others, clusters=clusters,
                       treated=card.clusters_treated, comparison=card.clusters_comparison, seed=seed, inverted=inverted)

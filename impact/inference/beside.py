"""The wild cluster bootstrap shown beside an estimate whose clusters are few; a rule fixed before results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from impact.inference.bootstrap import wild_cluster_bootstrap, wild_cluster_set
from impact.inference.linear import Array, Codes
from impact.results import Caveat, Estimate

WILD_CLUSTERS = 40  # in all
WILD_TREATED = 20


def wild_beside(estimate: Estimate, *, outcome: Array, treatment: Array, controls: Array, clusters: Codes,
                treated: int, comparison: int, seed: int) -> Estimate:
    """Add the bootstrap's p-value and set below 40 clusters in all or 20 treated; otherwise return the estimate as it is.

    Parameters
    ----------
    estimate : with its usual p-value, which stays.
    outcome, treatment : (n,), controls : (n, k) of full rank; effects nested in the clusters may have been taken out.
    clusters : (n,) codes. treated, comparison : clusters on each side; with one on a side nothing is added.
    seed : of sampled signs.
    """
    if min(treated, comparison) < 2 or not (treated + comparison < WILD_CLUSTERS or treated < WILD_TREATED):
        return estimate
    codes = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    test = wild_cluster_bootstrap(outcome, treatment, controls, codes, seed=seed)
    segments = wild_cluster_set(outcome, treatment, controls, codes, seed=seed, conf_level=estimate.conf_level)
    # ties count here, so that no p is smaller than the sign patterns or draws can give
    p = float(test.p_value_ties[0]) if test.enumerated else max(float(test.p_value_ties[0]), 1 / (1 + test.draws))
    shown = "p below 0.001" if p < 0.001 else f"p = {p:.3f}"
    caveat = Caveat(code="wild_bootstrap", text=f"With {treated} treated and {comparison} comparison clusters the wild "
                    f"cluster bootstrap is shown beside: {shown} ({test.draws:,} "
                    f"{'sign patterns, all' if test.enumerated else 'draws'}).", values=(("p", p), ("draws", test.draws)))
    return replace(estimate, caveats=(*estimate.caveats, caveat), details=(
        *estimate.details, ("wild_p", p), ("wild_set", tuple((s.low, s.high) for s in segments))))

"""Randomised trials: the difference between those offered and those not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import as_names, check_columns, require_columns, transformed
from impact.inference.contrasts import difference
from impact.inference.intervals import infer
from impact.inference.report import is_share, make_estimate, spread
from impact.rct.assignment import check_draw, check_pairs, comparison_mean, drop_broken_pairs
from impact.rct.few import with_few_clusters
from impact.rct.trial import count_sides, keep_known
from impact.results import Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "the average effect of being offered the programme, on all who were in the draw and were found again"
ASSUMPTIONS = (
    "Who was offered the programme was decided by lot.",
    "One unit's offer does not change another unit's outcome.",
    "Those found again are comparable between the two groups.",
)


def difference_in_means(data: pd.DataFrame, *, outcome: str, treatment: str, strata: str | None = None,
                        cluster: str | None = None, weights: str | None = None, pairs: bool = False,
                        transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Difference in mean outcome between units offered the programme and units not offered it.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (offered) and 0 (not).
    strata : column of the blocks within which the draw was made; needed when shares offered differ by block.
    cluster : column of the groups that were drawn; leave out when units themselves were drawn.
    weights : column of positive sampling weights: means are weighted (Hájek), and strata and pairs count by the sum of
        their weights.
    pairs : True when each stratum is a pair, one drawn and one not.
    transform : "none" or "log" (effects then read in per cent).
    conf_level : a share, 0.95 by default.
    seed : of the draws that take over where clusters are few, as :func:`impact.rct.ols` says.

    Returns
    -------
    Estimate
        The intention-to-treat effect, in the outcome's unit (log points for "log").

    Raises
    ------
    DataError
        For missing columns, text where numbers are needed, a treatment that is not 0/1, a row without its cluster.
    DesignError
        When an arm, stratum or set of clusters is too small for a standard error, or a cluster holds both arms or lies in
        two strata; the message names them and their rows.

    Notes
    -----
    Estimand: intention to treat (ITT), the average over the units in the draw. Assumes assignment by lot.
    Neyman (1923); Imbens & Rubin (2015, Cambridge) for blocks and pairs; CR2 for clusters
    (Pustejovsky & Tipton 2018), and for weighted means, where each unit is its own cluster if units were drawn.
    Reference cases: rct_jtrain2_dim_welch, rct_tz_dim_clustered, rct_tz_dim_block_clustered, against R estimatr 1.0.0;
    weights by hand (tests/test_trial_weights.py).
    """
    require_columns(data, outcome=outcome, treatment=treatment, strata=strata, cluster=cluster, weights=weights)
    check_columns(data, numbers=(outcome, *as_names(weights)), zero_one=(treatment,), complete=as_names(cluster))
    rows = keep_known(data, ((treatment, "treatment"), (strata, "strata"), (weights, "weight"), (outcome, "outcome")),
                      weights)
    if pairs and strata is not None:
        drop_broken_pairs(rows, strata, treatment, cluster)
    treated = rows.numbers(treatment)
    raw = rows.numbers(outcome)
    y = transformed(raw, transform, outcome, rows.kept.nonzero()[0])
    blocks = rows.codes(strata) if strata is not None else None
    clusters = rows.codes(cluster) if cluster is not None else None
    sampling = rows.numbers(weights) if weights is not None else None
    check_draw(rows, treatment=treatment, strata=strata, cluster=cluster, least=0 if pairs else 2)
    if pairs and strata is not None:
        check_pairs(rows, strata, treatment, cluster)
    found = difference(y, treated, blocks=blocks, clusters=clusters, pairs=pairs, weights=sampling)
    inference = infer(found.estimate, found.std_error, found.df, conf_level)
    counts = count_sides(treated > 0, treated <= 0, clusters)
    card = StandardErrorCard(
        formula=found.formula, correction=found.correction, level=cluster or "the unit", df_rule=found.df_rule,
        clusters_treated=counts.clusters_treated or counts.treated,
        clusters_comparison=counts.clusters_comparison or counts.comparison, r_call=found.r_call,
        stata_call="" if blocks is not None or clusters is not None else "ttest y, by(d) welch" if sampling is None else
        "regress y d [pw=w], vce(hc2, dfadjust)")
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="difference_in_means", estimand="itt", inference=inference,
        counts=counts, vcov=found.vcov, card=card, question=QUESTION,
        base=comparison_mean(y, treated, transform, weights=sampling, blocks=blocks, clusters=clusters),
        assumptions=ASSUMPTIONS, transform=transform, outcome_sd=spread(y[treated == 0]), dropped=rows.dropped,
        share=is_share(raw))
    dummies = np.empty((len(y), 0)) if blocks is None else np.asarray(
        blocks[:, None] == np.arange(1, int(blocks.max()) + 1)[None, :], dtype=float)
    return with_few_clusters(estimate, outcome=y, offered=treated, controls=dummies, blocks=blocks, clusters=clusters,
                             weighted=sampling is not None, seed=seed, weights=sampling)

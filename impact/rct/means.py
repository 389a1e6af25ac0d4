"""Randomised trials: the difference between those offered and those not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import as_names, check_columns, require_columns, transformed
from impact.inference.contrasts import Contrast, difference
from impact.inference.intervals import infer
from impact.inference.linear import Array, Codes
from impact.inference.replays import Own, Statistics, from_scores
from impact.inference.report import is_share, make_estimate, spread
from impact.inference.sandwich import sum_by_cluster
from impact.rct.assignment import check_draw, check_pairs, comparison_mean, drop_broken_pairs
from impact.rct.few import with_few_clusters
from impact.rct.trial import count_sides, keep_known
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

CLEARLY = 0.8  # of the counted degrees of freedom: below it Satterthwaite's are said beside
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
    Within strata df are the number drawn less two a stratum; where Satterthwaite's (of the same number as a coefficient,
    Lin 2013) are clearly fewer, the caveat ``blocked_df`` gives the p-value with those, and a verdict needs both.
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
        stata_call="" if blocks is not None else "ttest y, by(d) welch" if sampling is None and clusters is None else
        f"regress y d{'' if sampling is None else ' [pw=w]'}, vce(hc2{'' if clusters is None else ' g'}, dfadjust)")
    careful = _careful(found, conf_level)
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="difference_in_means", estimand="itt", inference=inference,
        counts=counts, vcov=found.vcov, card=card, question=QUESTION,
        base=comparison_mean(y, treated, transform, weights=sampling, blocks=blocks, clusters=clusters),
        assumptions=ASSUMPTIONS, transform=transform, outcome_sd=spread(y[treated == 0]), dropped=rows.dropped,
        caveats=careful, share=is_share(raw))
    dummies = np.empty((len(y), 0)) if blocks is None else np.asarray(
        blocks[:, None] == np.arange(1, int(blocks.max()) + 1)[None, :], dtype=float)
    own = None if blocks is None else _own(np.column_stack([y, treated]), blocks, clusters, pairs, sampling)
    return with_few_clusters(estimate, outcome=y, offered=treated, controls=dummies, blocks=blocks, clusters=clusters,
                             seed=seed, weights=sampling, own=own,
                             others=None if pairs or blocks is None else _others(dummies, treated, sampling))


def _others(dummies: Array, treated: Array, weights: Array | None) -> Array:
    """Columns beside which the coefficient of the offer is the blocks' average (Lin 2013)."""
    if not dummies.shape[1]:  # strata of one level are no strata
        return np.ones((len(treated), 1))
    centred = dummies - np.average(dummies, axis=0, weights=weights)
    return np.column_stack([np.ones(len(treated)), centred, centred * treated[:, None]])


def _careful(found: Contrast, conf_level: float) -> list[Caveat]:
    """Say what p is with Satterthwaite's degrees of freedom, where those counted from the draw are clearly more."""
    if found.careful_df is None or not found.careful_df < CLEARLY * found.df:
        return []
    p = infer(found.estimate, found.std_error, found.careful_df, conf_level).p_value
    if p is None:
        return []
    shown = "p below 0.001" if p < 0.001 else f"p = {p:.3f}"
    return [Caveat(code="blocked_df", text=f"The p-value and the interval count {found.df:.0f} degrees of freedom, those "
                   f"of the draw, and the error carries about {found.careful_df:.1f} (Satterthwaite): blocks have few on a "
                   f"side, or clusters of unlike size. With the smaller number {shown}.",
                   values=(("df", found.careful_df), ("p", p)))]


def _own(both: Array, blocks: Codes, clusters: Codes | None, pairs: bool, weights: Array | None) -> Own:
    """Difference of means by block, averaged by the blocks' sizes, over its error within blocks or between pairs.

    ``both`` is (n, 2), outcome and shift; sampling weights weigh means and sizes. The error is the printed one,
    but that the clusters of an arm count by their number where CR2 allows for their sizes.
    """
    members = np.arange(len(both), dtype=np.int64) if clusters is None else clusters
    weigh = np.ones(len(both)) if weights is None else weights / weights.mean()
    size = np.bincount(blocks, weights=weigh)
    first = np.unique(members, return_index=True)[1]

    def own(drawn: Codes) -> Statistics:
        cell = 2 * blocks + drawn
        count = np.bincount(cell, weights=weigh, minlength=2 * len(size))
        mean = sum_by_cluster(cell, both * weigh[:, None], len(count)) / np.where(count > 0, count, 1.0)[:, None]
        along = weigh * (size[blocks] / len(both)) * (2.0 * drawn - 1.0) / count[cell]
        gaps = mean[1::2] - mean[::2]
        number = (size / len(both)) @ gaps
        if pairs:
            scores = (size / len(both))[:, None] * (gaps - number) * np.sqrt(len(size) / (len(size) - 1))
        else:
            held = np.bincount(cell[first], minlength=len(count))
            factor = np.sqrt(held / np.maximum(held - 1, 1))[cell]
            scores = sum_by_cluster(members, (along * factor)[:, None] * (both - mean[cell]), len(first))
        return from_scores(number[None, :], scores[None, :, :],
                           np.array([float(np.linalg.norm(along) * np.linalg.norm(both[:, 0]))]))

    return own

"""Few clusters: re-randomisation takes over the p-value, and the wild cluster bootstrap is shown beside.

Which p-value is primary is a rule fixed before results, not a choice made after seeing them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from impact.inference.assignment import declared_draw
from impact.inference.beside import wild_beside
from impact.inference.linear import Array, Codes, Fit, independent_columns
from impact.inference.randomisation import randomisation_set, randomisation_test
from impact.inference.report import FEW_CLUSTERS, LOW_DF
from impact.rct.trial import is_constant
from impact.results import Caveat, Estimate, PercentEffect, Segment

Mask = NDArray[np.bool_]

NOT_REDRAWN = Caveat(code="not_redrawn", text="Drawing the lots again would speak of another average than the one printed "
                     "(it "
                     "weighs strata or units otherwise): the usual p-value and interval stand, and few were drawn.")


def with_few_clusters(estimate: Estimate, *, outcome: Array, offered: Array, controls: Array, blocks: Codes | None,
                      clusters: Codes | None, weighted: bool, seed: int, weights: Array | None = None,
                      among: Mask | None = None) -> Estimate:
    """Apply the rule for few clusters to an estimate of a drawn offer.

    Parameters
    ----------
    estimate : with its usual p-value and interval.
    outcome, offered : (n,). controls : (n, c) strata dummies and covariates, without the intercept.
    blocks, clusters : (n,) codes of the draw, or None.
    weighted : with sampling weights the draw is not replayed; with ``weights`` the wild bootstrap is still shown.
    seed : of sampled draws.
    among : (n,) where some rows had no part in this draw (they got another arm, which they keep); None is all.

    Returns
    -------
    Estimate
        Below 6 clusters (or units, where they were drawn) on a side, or df below 4: p-value and interval by
        re-randomisation. Below 40 clusters in all or 20 treated: the wild cluster bootstrap in ``details`` and as a caveat.
    """
    if is_constant(outcome) or (weighted and weights is None):
        return estimate  # nothing varies, so there is nothing to draw again
    drawn = clusters if clusters is not None else np.arange(len(outcome), dtype=np.int64)
    arm = np.bincount(drawn, weights=offered) > 0
    took = arm if among is None else np.bincount(drawn, weights=among) > 0
    treated = int(arm.sum())
    comparison = len(arm) - treated if among is None else int((took & ~arm).sum())
    strata = blocks if among is None else _held(blocks, among)
    design = np.column_stack([np.ones(len(outcome)), controls])
    design = design[:, independent_columns(design)]
    out = estimate
    root = np.ones(len(outcome)) if weights is None else np.sqrt(weights)
    few = min(treated, comparison) < FEW_CLUSTERS or (estimate.df is not None and estimate.df < LOW_DF)
    if not _same_number(estimate, outcome * root, offered * root, design * root[:, None]):
        return estimate.with_caveats(NOT_REDRAWN) if few else estimate
    if few and not weighted and _drawable(offered, strata):
        out = _randomised(out, outcome, offered, design, strata, clusters, seed)
    if clusters is None:
        return out
    return wild_beside(out, outcome=outcome * root, treatment=offered * root, controls=design * root[:, None],
                       clusters=clusters, treated=treated, comparison=comparison, seed=seed)


def _same_number(estimate: Estimate, outcome: Array, offered: Array, design: Array) -> bool:
    """Whether the coefficient that is drawn again is the estimate itself; strata of different shares part them."""
    q, _ = np.linalg.qr(design)
    rest = offered - q @ (q.T @ offered)
    again = float(rest @ outcome) / float(rest @ rest)
    return abs(again - estimate.estimate) <= 1e-7 * max(float(np.abs(outcome).max()), abs(again))


def together(fit: Fit, one: str, zero: str | None) -> tuple[Array, Array]:
    """Write a contrast of two coefficients as one column, and the other columns as they are when it is zero.

    Returns
    -------
    (n,) column of ``one``; (n, k − 1) the others, in which ``one`` shares the coefficient of ``zero`` (None: of the
    reference).
    """
    at = fit.index(one)
    column, others = fit.design[:, at], fit.design.copy()
    if zero is not None:
        others[:, fit.index(zero)] += column
    return column, np.delete(others, at, axis=1)


def _held(blocks: Codes | None, among: Mask) -> Codes:
    """Put the rows without part in the draw into a stratum in which nothing is drawn."""
    codes = np.zeros(len(among), dtype=np.int64) if blocks is None else blocks
    return np.where(among, codes, codes.max() + 1)


def _drawable(offered: Array, blocks: Codes | None) -> bool:
    """Whether any stratum has both arms, so that another draw was possible."""
    codes = np.zeros(len(offered), dtype=np.int64) if blocks is None else blocks
    return len(np.unique(np.column_stack([codes, offered]), axis=0)) > len(np.unique(codes))


def _randomised(estimate: Estimate, outcome: Array, offered: Array, design: Array, blocks: Codes | None,
                clusters: Codes | None, seed: int) -> Estimate:
    draw = declared_draw(offered, strata=blocks, clusters=clusters)
    test = randomisation_test(outcome, draw, covariates=design, seed=seed)
    segments = randomisation_set(outcome, draw, covariates=design, seed=seed, conf_level=estimate.conf_level)
    one = segments[0] if len(segments) == 1 else Segment()
    noun = "clusters" if clusters is not None else "units"
    how = "all" if test.enumerated else "sampled"
    caveat = Caveat(
        code="randomisation_inference", text=f"Few {noun} were drawn: the p-value and the interval come from drawing "
        f"again ({test.draws:,} draws, {how}; smallest possible p {test.smallest_p:.3g}). The interval holds if the effect "
        "is the same for all.", values=(("draws", test.draws), ("smallest_p", test.smallest_p)))
    return replace(estimate, p_value=float(test.p_value[0]), conf_low=one.low, conf_high=one.high, interval=segments,
                   statistic=None, df=None, effect_pct=_rescaled(estimate, one),
                   caveats=(*(c for c in estimate.caveats if c.code not in ("few_clusters", "low_df")), caveat),
                   reasons=(*estimate.reasons, ("df", "the p-value comes from re-randomisation")))


def _rescaled(estimate: Estimate, one: Segment) -> PercentEffect | None:
    """Carry the new interval over to per cent."""
    percent = estimate.effect_pct
    if percent is None:
        return None
    if estimate.transform == "log":
        ends = [None if x is None else float(100 * np.expm1(x)) for x in (one.low, one.high)]
    else:
        ends = [None if x is None or percent.base is None else 100 * x / percent.base for x in (one.low, one.high)]
    return replace(percent, low=ends[0], high=ends[1])

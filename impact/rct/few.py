"""Few clusters: re-randomisation takes over the p-value, and the wild cluster bootstrap is shown beside.

Which p-value is primary is a rule fixed before results, not a choice made after seeing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from impact.errors import DesignError
from impact.inference.assignment import Draw, declared_draw
from impact.inference.beside import wild_beside
from impact.inference.linear import Array, Codes, Fit, independent_columns
from impact.inference.lots import Lots
from impact.inference.randomisation import randomisation_set, randomisation_test
from impact.inference.replays import DRAWS, Own, replay
from impact.inference.report import FEW_CLUSTERS, LOW_DF, few_for_large_samples
from impact.inference.wald import WaldTest
from impact.rct.trial import is_constant
from impact.results import Caveat, Estimate, PercentEffect, Segment, StandardErrorCard

Mask = NDArray[np.bool_]
WORDS = ("few_clusters", "low_df", "few_clusters_large_sample", "blocked_df")  # what a p-value by lot takes the place of
SAME = "The interval holds if the effect is the same for all."


def with_few_clusters(estimate: Estimate, *, outcome: Array, offered: Array, controls: Array, blocks: Codes | None,
                      clusters: Codes | None, seed: int, weights: Array | None = None, among: Mask | None = None,
                      own: Own | None = None, received: Array | None = None, said: str = SAME,
                      beside: bool = True, others: Array | None = None) -> Estimate:
    """Apply the rule for few clusters to an estimate of a drawn offer.

    Parameters
    ----------
    estimate : with its usual p-value and interval.
    outcome, offered : (n,). controls : (n, c) strata dummies and covariates, without the intercept.
    blocks, clusters : (n,) codes of the draw, or None.
    seed : of sampled draws.
    weights : (n,) positive, or None; they are the same in every draw.
    among : (n,) where some rows had no part in this draw (they got another arm, which they keep); None is all.
    own : the estimator's statistics for rows drawn so, with the observed offer as shift; it is drawn again where the
        estimate is not the coefficient of the offer given the controls (interactions, strata of different shares).
    received : (n,) take-up, where the estimate is the effect of it: the set is then Anderson & Rubin's.
    said : under what the interval holds, and what else is held fixed.
    beside : whether the wild cluster bootstrap is shown too.
    others : (n, k) the other columns, of full rank, of the regression whose coefficient of ``offered`` the number of
        ``own`` is; None where it is no coefficient.

    Returns
    -------
    Estimate
        Below 6 clusters (or units, where they were drawn) on a side, or df below 4: p-value and interval by
        re-randomisation. Below 40 clusters in all or 20 treated: the wild cluster bootstrap in ``details`` and as a caveat.
    """
    if is_constant(outcome):
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
    few = is_few(estimate) or min(treated, comparison) < FEW_CLUSTERS or (estimate.df is not None and estimate.df < LOW_DF)
    if own is not None and not _same_number(estimate, outcome * root, offered * root, design * root[:, None]):
        out = with_own_statistic(out, own, offered=offered, blocks=strata, clusters=clusters, seed=seed, inverted=True,
                                 said=said)
        if others is None:
            return wanting_many(out, clusters)
        design = others
    elif few and drawable(offered, strata):
        draw = declared_draw(offered, strata=strata, clusters=clusters)
        out = _randomised(out, outcome, draw, design, weights, received, seed, clusters is not None, said)
    if clusters is None or not beside:
        return out
    return wild_beside(out, outcome=outcome * root, treatment=offered * root, controls=design * root[:, None],
                       clusters=clusters, treated=treated, comparison=comparison, seed=seed,
                       received=None if received is None else received * root)


def wanting_many(estimate: Estimate, clusters: Codes | None) -> Estimate:
    """Say that an error wants many clusters, where neither drawing again nor the wild bootstrap stands beside it."""
    if clusters is None or estimate.has_caveat("randomisation_inference"):
        return estimate
    return replace(estimate, caveats=(*estimate.caveats, *few_for_large_samples(len(np.unique(clusters)))))


def is_few(estimate: Estimate) -> bool:
    """Whether an estimate carries the words that its clusters (units) or degrees of freedom are too few."""
    return estimate.has_caveat("few_clusters") or estimate.has_caveat("low_df")


def was_few(estimate: Estimate) -> bool:
    """Whether few were drawn, whether or not the lots have been drawn again for the estimate."""
    return is_few(estimate) or estimate.has_caveat("randomisation_inference")


def with_own_draws(rows: Sequence[Estimate], own: Own, draw: Draw | Lots, observed: Codes, *, seed: int,
                   by_cluster: bool, inverted: Sequence[bool] | None = None, said: str = SAME,
                   draws: int = DRAWS, holds: str = "") -> list[Estimate]:
    """Take the p-values of those rows whose clusters are few from drawing again and estimating again on each draw.

    Parameters
    ----------
    rows : estimates, in the order of the numbers of ``own``.
    own, draw, observed, seed, draws : as :func:`impact.inference.replays.replay`.
    by_cluster : whether clusters were drawn, not units.
    inverted : by row, whether the interval is the test turned around; otherwise the usual one stays, and it is said.
    said : under what an inverted interval holds, or what the p-value supposes.
    holds : what is said beside inverted intervals alone, where some rows keep their usual one.
    """
    if not any(is_few(row) for row in rows):
        return list(rows)
    test = replay(own, draw, observed, draws=draws, seed=seed)
    if test.draws < 2:
        return list(rows)
    out = []
    for j, row in enumerate(rows):
        turned = inverted is None or inverted[j]
        segments = test.confidence_set(j, row.conf_level) if turned and is_few(row) else None
        told = f"{said} {holds}" if segments is not None else said
        how = _Drawn(draws=test.draws, enumerated=test.enumerated, smallest_p=float(test.smallest_p[j]),
                     by_cluster=by_cluster, undefined=test.undefined)
        out.append(_by_lot(row, float(test.p_value[j]), segments, how, told) if is_few(row) else row)
    return out


def with_own_statistic(estimate: Estimate, own: Own, *, offered: Array, blocks: Codes | None, clusters: Codes | None,
                       seed: int, inverted: bool = False, said: str = "") -> Estimate:
    """Draw one offer again, where few were drawn, for the estimator's own statistic.

    ``offered``, ``blocks`` and ``clusters`` are those of the rows of the draw; others as :func:`with_own_draws`.
    """
    if not is_few(estimate) or not drawable(offered, blocks):
        return estimate
    draw = declared_draw(offered, strata=blocks, clusters=clusters)
    return with_own_draws([estimate], own, draw, offered.astype(np.int64), seed=seed, by_cluster=clusters is not None,
                          inverted=(inverted,), said=said)[0]


def together_by_lot(test: WaldTest, own: Own, *, offered: Array, blocks: Codes | None, clusters: Codes | None,
                    seed: int) -> tuple[WaldTest, str]:
    """Put the p-value of drawing again in the place of a joint test's; returns the test and how it was made.

    ``own`` gives one number; others as :func:`with_own_statistic`. Where no draw or no number exists the test stays.
    """
    if not drawable(offered, blocks):
        return test, ""
    draw = declared_draw(offered, strata=blocks, clusters=clusters)
    try:
        found = replay(own, draw, offered.astype(np.int64), seed=seed)
    except DesignError:
        return test, ""
    if found.draws < 2:
        return test, ""
    said = f"by drawing again, {found.draws:,} draws, {'all' if found.enumerated else 'sampled'}"
    return WaldTest(statistic=None, df_num=test.df_num, df_denom=None, p_value=float(found.p_value[0]), kind="lots"), said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """How often the lots were drawn again, and what for."""

    draws: int
    enumerated: bool
    smallest_p: float
    by_cluster: bool
    undefined: int = 0


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


def without(held: Array, base: Array, values: Array, weights: Array | None) -> Array:
    """Take the effects of some columns out of outcomes, as estimated beside the columns that stay.

    Parameters
    ----------
    held : (n, m) columns. base : (n, k) the others. values : (n, v). weights : (n,) positive, or None.
    """
    root = np.ones((len(values), 1)) if weights is None else np.sqrt(weights)[:, None]
    found = np.linalg.lstsq(np.column_stack([base, held]) * root, values * root, rcond=None)[0]
    return np.asarray(values - held @ found[base.shape[1]:])


def _held(blocks: Codes | None, among: Mask) -> Codes:
    """Put the rows without part in the draw into a stratum in which nothing is drawn."""
    codes = np.zeros(len(among), dtype=np.int64) if blocks is None else blocks
    return np.where(among, codes, codes.max() + 1)


def drawable(offered: Array, blocks: Codes | None) -> bool:
    """Whether any stratum has both arms, so that another draw was possible."""
    codes = np.zeros(len(offered), dtype=np.int64) if blocks is None else blocks
    return len(np.unique(np.column_stack([codes, offered]), axis=0)) > len(np.unique(codes))


def _randomised(estimate: Estimate, outcome: Array, draw: Draw, design: Array, weights: Array | None,
                received: Array | None, seed: int, by_cluster: bool, said: str) -> Estimate:
    test = randomisation_test(outcome, draw, covariates=design, seed=seed, weights=weights)
    if test.draws < 2:
        return estimate
    segments = randomisation_set(outcome, draw, covariates=design, seed=seed, conf_level=estimate.conf_level,
                                 weights=weights, received=received)
    return _by_lot(estimate, float(test.p_value[0]), segments, _Drawn(
        draws=test.draws, enumerated=test.enumerated, smallest_p=float(test.smallest_p[0]), by_cluster=by_cluster,
        undefined=test.undefined), said)


def _by_lot(estimate: Estimate, p: float, segments: tuple[Segment, ...] | None, how: _Drawn, said: str) -> Estimate:
    """Put a p-value by lot in the place of the usual one, with the set of the same test where there is one."""
    noun = "clusters" if how.by_cluster else "units"
    count = f"{how.draws:,} draws, {'all' if how.enumerated else 'sampled'}; smallest possible p {how.smallest_p:.3g}"
    from_lots = "p-value and the interval come" if segments is not None else "p-value comes"
    text = f"Few {noun} were drawn: the {from_lots} from drawing again ({count})."
    if segments is None:
        text += (" The interval is the usual one: the two come from different arguments and may disagree; with few "
                 f"{noun} the p-value decides.")
    if how.undefined:
        draws, are = ("draw", "is") if how.undefined == 1 else ("draws", "are")
        text += f" {how.undefined:,} further {draws} in which the number does not exist {are} set aside."
    caveat = Caveat(code="randomisation_inference", text=f"{text} {said}".strip(), values=(
        ("draws", how.draws), ("smallest_p", how.smallest_p),
        *((("undefined", how.undefined),) if how.undefined else ()),
        *((("interval", "usual"),) if segments is None else ())))
    kept = tuple(c for c in estimate.caveats if c.code not in WORDS)
    reasons = tuple(r for r in estimate.reasons if r[0] != "statistic")
    out = replace(estimate, p_value=p, statistic=None, caveats=(*kept, caveat),
                  se_card=_drawn_card(estimate.se_card, segments is not None))
    if segments is None:
        return replace(out, reasons=(*reasons, ("statistic", "the p-value comes from re-randomisation")))
    one = segments[0] if len(segments) == 1 else Segment()
    return replace(out, conf_low=one.low, conf_high=one.high, interval=segments, df=None,
                   effect_pct=_rescaled(estimate, one),
                   reasons=(*reasons, ("df", "the p-value comes from re-randomisation")))


def _drawn_card(card: StandardErrorCard | None, interval: bool) -> StandardErrorCard | None:
    """Say on the lines of R and Stata that they remake the standard error, and what draws the lots again."""
    if card is None:
        return None
    said = f"p{' and interval' if interval else ''}: draw again, "
    r, stata = card.r_call, card.stata_call
    return replace(card, r_call=f"{r}{'; ' if ' # ' in r else ' # '}{said}ri2::conduct_ri" if r else "",
                   stata_call=f"{stata}{'; ' if ' // ' in stata else ' // '}{said}ritest" if stata else "")


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

"""Earlier periods under assumptions other than parallel trends: growth in per cent, and gaps between two kinds of units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impact.did import counts, triple
from impact.did.again import amount
from impact.did.effects import fit_within, sums_by, within
from impact.did.layout import Layout, compact
from impact.did.opening import Asked, Mask
from impact.did.periods import uneven
from impact.did.pretest import largest_difference, leads_of, said
from impact.inference.linear import Array, Codes, independent_columns
from impact.results import Check

if TYPE_CHECKING:
    import pandas as pd

GROWTH = "Earlier growth, treated against comparison"
GAPS = "Earlier moves of the gap between affected and unaffected"
ROTH = "Roth (2022), AER: Insights 4: a test of earlier trends has little power"
Found = tuple[Array, Array]  # differences at the leads, and what each cluster adds to them


def earlier_growth(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
                   control_group: str = "not_yet_treated", covariates: Sequence[str] = (), cluster: str | None = None,
                   weights: str | None = None, unbalanced: str = "within_cell") -> Check:
    """Compare growth before treatment, in per cent: what :func:`impact.did.poisson` assumes to be alike.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, control_group, covariates, cluster, weights, unbalanced
        As :func:`impact.did.poisson`.

    Returns
    -------
    Check
        'examined' or 'drift seen' from the ratios of ratios of the last periods before treatment (four at most) against
        still earlier ones, all at once; 'not examined' with one earlier period, with periods that are not evenly spaced,
        or with fewer than six units or clusters on a side. Units with zeros only before treatment show no growth and are
        left out.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.did.poisson`.

    Notes
    -----
    Estimand: ratios of growth in periods before treatment, 1 under parallel growth. Assumes no anticipation then. Poisson
    regression with unit and period effects on untreated rows only, with a dummy for each lead: exp(b) is the growth of
    units treated later, from the still earlier periods to that lead, over the growth of the others, and the test is of
    b = 0 for all leads. Parallel growth is not parallel change in units: where one
    holds, the other in general does not (Roth & Sant'Anna 2023, Econometrica 91). Large firms weigh most: with 48 firms of
    very different size it rejected equal growth 14 times in 100 at 10 per cent. Reference case: by hand,
    tests/test_earlier.py.
    """
    lay = counts.lay_out_counts(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, control_group=control_group,
        covariates=covariates, cluster=cluster, weights=weights, unbalanced=unbalanced))
    free = rows_of(lay, ~lay.treated)
    free = rows_of(free, np.bincount(free.units, weights=free.y)[free.units] > 0)  # zeros only: growth cannot be seen
    free.asked = replace(free.asked, transform="log")  # the coefficients are in log points, the outcome as it came
    return _examined(free, _growth, identifier="earlier_growth", title=GROWTH, sides=_ever(free),
                     what="how {noun}s treated later and the others grew")


def earlier_gaps(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str, affected: str,
                 control_group: str = "never_treated", covariates: Sequence[str] = (), cluster: str | None = None,
                 weights: str | None = None, unbalanced: str = "within_cell", transform: str = "none") -> Check:
    """Compare, before treatment, moves of the gap between affected and unaffected units in the two groups.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, affected, control_group, covariates, cluster, weights, unbalanced,
    transform
        As :func:`impact.did.triple_difference`, whose assumption this looks at.

    Returns
    -------
    Check
        As :func:`earlier_growth`.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.did.triple_difference`.

    Notes
    -----
    Estimand: triple differences in periods before treatment, zero under the method's assumption. Assumes no anticipation
    then. The triple difference itself, with false starts in the last periods before treatment (four at most), on the
    periods before treatment only. Reference case: by hand, tests/test_earlier.py.
    """
    lay, mine = triple.lay_out_groups(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, control_group=control_group,
        covariates=covariates, cluster=cluster, weights=weights, unbalanced=unbalanced, transform=transform), affected)
    before = _seen_twice(lay, lay.when < lay.first.min())
    sub, mine = rows_of(lay, before), mine[before]
    ever = _ever(sub)
    sides = ever + 2 * (np.bincount(sub.units, weights=mine) > 0) if sub.clusters is sub.units else ever

    def fit(part: Layout, leads: Sequence[float]) -> Found:
        return _gaps(part, mine, leads)

    return _examined(sub, fit, identifier="earlier_gaps", title=GAPS, sides=sides,
                     what="how the gap between affected and unaffected units moved, in the treated group against the "
                     "comparison group,")


def rows_of(lay: Layout, keep: Mask) -> Layout:
    """Keep the marked rows, and no unit that is then left with a single one: it says nothing of change."""
    keep = _seen_twice(lay, keep)
    units = compact(lay.units[keep])
    return replace(lay, y=lay.y[keep], raw=lay.raw[keep], when=lay.when[keep], first=lay.first[keep],
                   treated=lay.treated[keep], units=units,
                   clusters=units if lay.clusters is lay.units else compact(lay.clusters[keep]),
                   weights=None if lay.weights is None else lay.weights[keep], extra=lay.extra[keep])


def _seen_twice(lay: Layout, keep: Mask) -> Mask:
    """Take the mark off rows that are the only marked one of their unit."""
    seen = np.bincount(lay.units[keep], minlength=int(lay.units.max(initial=-1)) + 1)
    return np.asarray(keep & (seen[lay.units] > 1))


def _ever(lay: Layout) -> Codes:
    """Whether each cluster has a unit treated sooner or later."""
    return (np.bincount(lay.clusters, weights=lay.ever) > 0).astype(np.int64)


def _examined(lay: Layout, fit: Callable[[Layout, Sequence[float]], Found], *, identifier: str, title: str, what: str,
              sides: Codes) -> Check:
    noun = "unit" if lay.clusters is lay.units else "cluster"
    problem = uneven(np.unique(lay.when), lay.first, lay.asked.time, lay.asked.starts) if lay.n else None
    leads = [] if problem is not None else leads_of(lay.horizon, None)
    if not leads:
        return Check(id=identifier, title=title, verdict="not_applicable", word="not examined", outcome=lay.outcome,
                     source=ROTH, reason=f"{problem.where}: {problem.what}." if problem is not None else
                     "One earlier period only: how they moved before cannot be seen.")
    values, influence = fit(lay, leads)
    test = largest_difference(values, influence, np.repeat(sides[:, None], len(leads), axis=1))
    named = [f"{amount(value, lay.asked.transform)} ({-h:.12g} before treatment, against still earlier periods)"
             for h, value in zip(leads, values, strict=True)]
    return said(test, named, identifier=identifier, title=title, outcome=lay.outcome, source=ROTH, noun=noun,
                what=what.replace("{noun}", noun))


def _growth(lay: Layout, leads: Sequence[float]) -> Found:
    dummies, _ = lay.period_dummies()
    columns = (lay.horizon[:, None] == np.array(leads)[None, :]).astype(float)
    design = np.column_stack([dummies, lay.extra, columns])
    kept = independent_columns(within(design, lay.units, lay.weights), np.linalg.norm(design, axis=0))
    counts.need_told_apart(kept, range(design.shape[1] - len(leads), design.shape[1]))
    design = within(design[:, kept], lay.units, None)
    beta, mean = counts.fit_poisson(lay, design)
    return beta[-len(leads):], counts.influence_of(lay, design, mean)[:, -len(leads):]


def _gaps(lay: Layout, affected: Array, leads: Sequence[float]) -> Found:
    columns = (lay.ever * affected)[:, None] * (lay.horizon[:, None] == np.array(leads)[None, :])
    names = [f"lead {h:.12g}" for h in leads]
    design, labels = triple.design_of(lay, affected)
    fit = fit_within(lay.y, np.column_stack([design, columns]), [*labels, *names], lay.units, lay.weights, must_keep=names)
    scores = fit.design * (fit.residuals if fit.weights is None else fit.weights * fit.residuals)[:, None]
    influence = sums_by(lay.clusters, scores, int(lay.clusters.max()) + 1) @ fit.bread
    return fit.coefficients[-len(leads):], influence[:, -len(leads):]

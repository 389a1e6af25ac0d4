"""Difference-in-differences in per cent, for outcomes that cannot be negative: Poisson with unit and period effects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import listed
from impact.data.panel import drop_singletons
from impact.did.calls import fixest, poisson_in_stata
from impact.did.effects import Story, staggered, sums_by, tell, within
from impact.did.estimands import QUESTIONS
from impact.did.layout import Layout, lay_out
from impact.did.opening import Asked, Opened, open_panel
from impact.errors import DataError, DesignError, Problem
from impact.inference.intervals import infer
from impact.inference.linear import Array, independent_columns
from impact.inference.report import Counterfactual, few_for_large_samples
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

STEPS = 100
CLOSE = 1e-11
VANISHING = 1e-8  # share of its unit's mean at which a fitted mean is on its way to zero: no finite effect fits
ASSUMPTIONS = (
    "Without the programme, treated and comparison units would have grown by the same per cent (parallel growth, not "
    "parallel changes).",
    "Units did not change their outcome before treatment because they expected it.",
    "One unit's treatment does not change another unit's outcome.",
    "Treatment multiplies the mean by the same factor in all treated units and periods.",
)


def poisson(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
            control_group: str = "not_yet_treated", covariates: Sequence[str] = (), cluster: str | None = None,
            weights: str | None = None, unbalanced: str = "within_cell", conf_level: float = 0.95) -> Estimate:
    """Effect in per cent of what would have been, for sales, hours or counts with zeros among them.

    Parameters
    ----------
    data, unit, time, first_treated, control_group, covariates, cluster, weights, unbalanced, conf_level
        As :func:`impact.did.imputation`.
    outcome : column, zero or positive; it need not be a whole number.

    Returns
    -------
    Estimate
        In log points, with ``effect_pct`` = 100·(exp(b) − 1), zeros included. Units with zeros only are in ``dropped``. It
        carries the caveat ``parallel_growth``, and ``provisional`` with several first treated periods.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`; also for negative values, with their rows; nothing is clipped.
    DesignError
        When treated units have zeros only, before or after their start, or something else predicts zeros perfectly.

    Notes
    -----
    Estimand: proportional ATT (ratio of the treated's mean to what it would have been) when the ratio is the same for all.
    Assumes parallel growth, which differs from parallel trends in levels unless groups start alike (Wooldridge 2023,
    Econometrics Journal 26, section 2; Chen & Roth 2024, QJE 139). Quasi-likelihood: needs the right mean only,
    not a Poisson distribution; no incidental-parameter bias (Wooldridge 1999, Journal of Econometrics 90). Errors: sandwich
    by cluster, (N−1)/(N−K)·G/(G−1), K without effects nested in the cluster, normal distribution, as fixest's fepois.
    Reference case: none stored for panels (rct_jtrain2_ppml is the same likelihood); statsmodels with full dummies, to
    1e-8 (tests/test_did_counts.py).
    """
    lay = lay_out_counts(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates, cluster=cluster,
        control_group=control_group, weights=weights, conf_level=conf_level, unbalanced=unbalanced))
    dummies, _ = lay.period_dummies()
    design = np.column_stack([dummies, lay.extra, lay.treated.astype(float)])
    kept = independent_columns(within(design, lay.units, lay.weights), np.linalg.norm(design, axis=0))
    need_told_apart(kept, [design.shape[1] - 1])
    design = within(design[:, kept], lay.units, None)  # unit effects take up the rest, and exp stays in range
    beta, mean = fit_poisson(lay, design)
    error = _error(lay, design, mean)
    inference = infer(float(beta[-1]), error, None, lay.conf_level)
    lay.asked = replace(lay.asked, transform="log")  # the coefficient is in log points, the outcome as it came
    story = Story(method="poisson", vcov="CR1S", assumptions=ASSUMPTIONS, card=_card(lay), caveats=(
        Caveat(code="parallel_growth", text="The comparison's growth in per cent, not its change in units, stands for what "
               "treated units would have seen."), *staggered(lay.first),
        *few_for_large_samples(int(lay.clusters.max()) + 1)))
    treated = lay.treated
    w = None if lay.weights is None else lay.weights[treated]
    level = float(np.average(lay.y[treated], weights=w)) * math.exp(-float(beta[-1]))
    base = Counterfactual(mean=level, std_error=0.0, label="treated units without treatment")
    return tell(lay, story, inference, rows=treated, question=QUESTIONS["poisson"][""], period=lay.span, base=base)


def lay_out_counts(data: pd.DataFrame, asked: Asked) -> Layout:
    """Check a panel of an outcome that cannot be negative, and lay it out."""
    opened = open_panel(data, asked)
    _drop_zeros(opened, asked.outcome, str(asked.unit), asked.time)
    lay = lay_out(opened)
    _need_positive(lay)
    return lay


def need_told_apart(kept: Sequence[int], wanted: Iterable[int]) -> None:
    """Refuse where a column of interest is a combination of the others."""
    if not set(wanted) <= set(kept):
        raise DesignError(Problem(where="treatment", what="its effect cannot be told apart from the period effects",
                                  cure="Units that stay untreated, measured in the same periods, are needed."),
                          source="design")


def _drop_zeros(opened: Opened, outcome: str, unit: str, time: str) -> None:
    """Refuse negative values; leave out units and periods with zeros only, which say nothing of a ratio."""
    rows = opened.rows
    values = rows.numbers(outcome)
    below = np.flatnonzero(values < 0)
    if len(below):
        raise DataError(Problem(
            where=f"column '{outcome}'", what=f"{len(below)} values are negative (rows "
            f"{listed(rows.kept.nonzero()[0][below] + 1)})", cure="A ratio of means needs values of 0 or more: use another "
            "method for this outcome; nothing is clipped to zero."), source="data")
    for column, reason, text in ((unit, "unit_all_zero", f"{outcome} is 0 in all its periods: growth cannot be seen"),
                                 (time, "period_all_zero", f"{outcome} is 0 for all units in that period")):
        top = rows.column(outcome).groupby(rows.column(column)).max()
        rows.drop(rows.data[column].isin(top.index[top == 0]) & rows.kept, reason, text)
    drop_singletons(rows)


def _need_positive(lay: Layout) -> None:
    problems = []
    before = lay.ever & ~lay.treated
    for rows, name in ((lay.treated, "treated rows"), (before, "rows of treated units before their start")):
        if not (lay.y[rows] > 0).any():
            problems.append(Problem(where=f"column '{lay.outcome}'", what=f"all {name} that are left have zero",
                                    cure="A ratio of means does not exist: compare the shares above zero."))
    if problems:
        raise DesignError(problems, source="design")


def fit_poisson(lay: Layout, design: Array) -> tuple[Array, Array]:
    """Poisson quasi-likelihood by Newton's method, unit effects concentrated out: coefficients and fitted means."""
    w = np.ones(lay.n) if lay.weights is None else lay.weights
    total = np.bincount(lay.units, weights=w * lay.y).astype(float)
    beta = np.zeros(design.shape[1])
    mean = _means(lay, design, beta, w, total)
    for _ in range(STEPS):
        centred = within(design, lay.units, w * mean)
        try:
            step = np.linalg.solve((centred * (w * mean)[:, None]).T @ centred, centred.T @ (w * (lay.y - mean)))
        except np.linalg.LinAlgError:
            break
        beta = beta + step * min(1.0, 5.0 / max(float(np.abs(design @ step).max()), 1e-300))
        mean = _means(lay, design, beta, w, total)
        if float(np.abs(design @ step).max()) < CLOSE:
            vanishing = mean < VANISHING * (total / np.bincount(lay.units))[lay.units]
            if vanishing.any():
                break
            return beta, mean
    raise DesignError(Problem(where="poisson", what="the regression does not settle: a cohort, period or covariate "
                              "predicts zeros perfectly", cure="Leave it out."), source="design")


def _means(lay: Layout, design: Array, beta: Array, w: Array, total: Array) -> Array:
    """Fitted means that sum to each unit's own total."""
    raw = np.exp(np.clip(design @ beta, -500, 500))
    return np.asarray(raw * (total / np.bincount(lay.units, weights=w * raw))[lay.units])


def influence_of(lay: Layout, design: Array, mean: Array) -> Array:
    """What each cluster adds to each coefficient's error: (clusters, k), without small-sample factor."""
    w = np.ones(lay.n) if lay.weights is None else lay.weights
    centred = within(design, lay.units, w * mean)
    bread = np.linalg.inv((centred * (w * mean)[:, None]).T @ centred)
    return sums_by(lay.clusters, centred * (w * (lay.y - mean))[:, None], int(lay.clusters.max()) + 1) @ bread


def _error(lay: Layout, design: Array, mean: Array) -> float:
    groups, k = int(lay.clusters.max()) + 1, design.shape[1]
    factor = (lay.n - 1) / (lay.n - k - 1) * groups / (groups - 1)  # K: coefficients, periods and no unit effects
    return math.sqrt(factor) * float(np.linalg.norm(influence_of(lay, design, mean)[:, -1]))


def _card(lay: Layout) -> StandardErrorCard:
    return StandardErrorCard(
        formula="sandwich by cluster, Poisson quasi-likelihood with unit and period effects",
        correction="(N−1)/(N−K)·G/(G−1), K without effects nested in the cluster", level=lay.level, df_rule="normal",
        r_call=fixest(lay, "d", function="fepois"), stata_call=poisson_in_stata(lay))

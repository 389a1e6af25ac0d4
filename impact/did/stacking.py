"""Stacked difference-in-differences: each cohort beside its own clean comparison, in the same window around its start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import listed
from impact.data.panel import ASSUMPTIONS
from impact.did.bands import Horizon, by_horizon
from impact.did.calls import fixest
from impact.did.effects import Story, clustered, fit_within, regression_card
from impact.did.estimands import stacked_question
from impact.did.events import check_reference
from impact.did.layout import Layout, compact, lay_out
from impact.did.opening import Asked, Mask, Opened, open_panel
from impact.errors import DesignError, Problem
from impact.inference.intervals import is_number
from impact.inference.linear import Array, Codes
from impact.results import Caveat, Estimates, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

EDGE = 1e-9  # tenths of a year have no exact sums


def stacked(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str, window: tuple[int, int],
            control_group: str = "not_yet_treated", reference: int = -1, corrective_weights: bool = True,
            covariates: Sequence[str] = (), cluster: str | None = None, weights: str | None = None,
            unbalanced: str = "within_cell", transform: str = "none", conf_level: float = 0.95,
            seed: int = 0) -> Estimates:
    """Stack one data set a cohort, each with units untreated through its window, and estimate all in one regression.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, covariates, cluster, weights, unbalanced, transform, conf_level
        As :func:`impact.did.imputation`.
    window : first and last horizon, (-3, 2): below 0 and 0 or above, in periods. A cohort enters only when the
        data hold its whole window; the others are in ``dropped``.
    control_group : "not_yet_treated" (never treated, or first treated after the window's end) or "never_treated".
    reference : the horizon all others are compared with, inside the window and below 0.
    corrective_weights : weigh comparison units so that each stack's share among them is its share among the treated;
        False weighs stacks by the variance of treatment in them, which is no average of units.
    seed : of the uniform band and of the wild cluster bootstrap beside row 0.

    Returns
    -------
    Estimates
        Row 0 the average over horizons from 0 on; then a row a horizon with its uniform band in ``details``. ``n``
        counts rows of the stack, in which a comparison unit may stand several times.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`.
    DesignError
        When no cohort has its whole window and a clean comparison, or periods are not evenly coded.

    Notes
    -----
    Estimand: trimmed aggregate ATT, cohorts by their numbers of treated units, the same cohorts at every horizon (Wing,
    Freedman & Hollingsworth 2024, NBER 32054); without corrective weights the variance-weighted average
    of Cengiz, Dube, Lindner & Zipperer (2019, QJE 134). Assumes parallel trends within each window and no
    anticipation. Effects for unit by stack, and for horizon (by stack without corrective weights). Errors: CR1S by unit (or
    ``cluster``), so that a unit in several stacks is one cluster; t(G−1). Reference case: none stored; by hand, as the
    weighted mean of two-by-two differences, and with one cohort as :func:`event_study` (tests/test_stacking.py).
    """
    _check_window(window, reference)
    opened = open_panel(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates, cluster=cluster,
        control_group=control_group, weights=weights, transform=transform, conf_level=conf_level, unbalanced=unbalanced,
        even=True))
    around = (window[0] * opened.step, window[1] * opened.step)
    cohorts, caveats = _drop_untouched(opened, window, around)
    lay = lay_out(opened)
    stack = _stack(lay, cohorts, around)
    wide = stack.layout
    check_reference(float(reference), np.unique(stack.horizon[stack.treated]))
    if corrective_weights:
        wide.weights = _corrected(stack)
    values = [float(h) for h in range(window[0], window[1] + 1) if h != reference and (stack.horizon == h).any()]
    names = [f"horizon {h:.12g}" for h in values]
    columns = (stack.treated[:, None] & (stack.horizon[:, None] == np.array(values)[None, :])).astype(float)
    effects = _effects(stack.horizon, stack.number)  # stacks meet good and bad years at different horizons
    fit = fit_within(wide.y, np.column_stack([effects, wide.extra, columns]),
                     [*(f"effect {j}" for j in range(effects.shape[1])), *wide.labels, *names], stack.member, wide.weights,
                     must_keep=names)
    horizons = [Horizon(value=h, name=f"{h:.12g}", place=fit.index(name), rows=stack.treated & (stack.horizon == h))
                for h, name in zip(values, names, strict=True)]
    sets = int(stack.number.max()) + 1
    story = Story(method="stacked", vcov="CR1S", assumptions=ASSUMPTIONS, caveats=caveats,
                  card=_card(lay, corrective_weights, reference))
    return by_horizon(wide, story, fit, clustered(fit, wide, period_effects=sets), horizons, clusters=wide.clusters,
                      question=stacked_question("corrected" if corrective_weights else "variance", int(window[1]),
                                                control_group),
                      reference=float(reference), seed=seed)


def _check_window(window: tuple[int, int], reference: int) -> None:
    if not (len(window) == 2 and window[0] < 0 <= window[1]):
        raise ValueError(f"window is (first, last) horizon, below 0 and 0 or above, not {window!r}")
    if not is_number(reference) or not window[0] <= reference < 0:
        raise ValueError(f"reference is a horizon of the window below 0, not {reference!r}")


@dataclass(slots=True, kw_only=True)
class _Stack:
    """Rows of all stacks: the layout with repeated rows, stack numbers, unit-by-stack codes, horizons, who is treated."""

    layout: Layout
    number: Codes
    member: Codes
    horizon: Array
    treated: Mask


def _clean(units: Codes, first: Array, when: Array, cohort: float, window: tuple[float, float], control_group: str) -> Mask:
    """Rows of one cohort's stack: itself and units untreated through the window, seen twice within the window."""
    other = np.isinf(first) if control_group == "never_treated" else first > cohort + window[1] + EDGE
    use = (when >= cohort + window[0] - EDGE) & (when <= cohort + window[1] + EDGE) & ((first == cohort) | other)
    return np.asarray(use & (np.bincount(units, weights=use)[units] > 1))


def _entering(units: Codes, first: Array, when: Array, window: tuple[float, float], control_group: str) -> list[float]:
    """List the cohorts whose whole window is in the data, with a comparison in each of its periods."""
    periods = np.unique(when)
    out = []
    for cohort in np.unique(first[np.isfinite(first)]):
        wanted = periods[(periods >= cohort + window[0] - EDGE) & (periods <= cohort + window[1] + EDGE)]
        use = _clean(units, first, when, float(cohort), window, control_group)
        whole = periods.min() <= cohort + window[0] + EDGE and periods.max() >= cohort + window[1] - EDGE
        if whole and all(np.isin(wanted, when[use & side]).all() for side in (first == cohort, first != cohort)):
            out.append(float(cohort))
    return out


def _drop_untouched(opened: Opened, window: tuple[int, int],
                    around: tuple[float, float]) -> tuple[list[float], tuple[Caveat, ...]]:
    """Leave out rows no stack uses, with the reason; return the cohorts that enter, and a caveat where some do not."""
    rows, control_group = opened.rows, opened.asked.control_group
    first, now, units = opened.first[rows.kept], opened.when[rows.kept], rows.codes(str(opened.asked.unit))
    cohorts, seen = _entering(units, first, now, around, control_group), np.unique(first[np.isfinite(first)])
    if not cohorts:
        raise DesignError(Problem(
            where="window", what=f"no cohort has data from {-window[0]} periods before to {window[1]} after its start, "
            f"with units untreated throughout (periods {now.min():.12g} to {now.max():.12g}; first treated "
            f"{listed(f'{t:.12g}' for t in seen)})", cure="Make the window shorter."), source="design")
    places, out = np.flatnonzero(rows.kept), np.zeros((2, len(rows.kept)), dtype=bool)
    used = np.any([_clean(units, first, now, cohort, around, control_group) for cohort in cohorts], axis=0)
    out[0, places] = ~used & np.isfinite(first) & ~np.isin(first, cohorts)
    out[1, places] = ~used
    rows.drop(out[0], "cohort_trimmed", "its cohort is not seen in the whole window with a clean comparison")
    rows.drop(out[1], "outside_window", "not within the window of a cohort it can be compared with, or alone in it")
    if len(seen) == len(cohorts):
        return cohorts, ()
    return cohorts, (Caveat(
        code="trimmed_cohorts", text=f"{len(cohorts)} of {len(seen)} groups by first treated period have the whole window "
        f"and are in the number: {listed(f'{c:.12g}' for c in cohorts)}.",
        values=(("in", len(cohorts)), ("out", len(seen) - len(cohorts)))),)


def _stack(lay: Layout, cohorts: list[float], around: tuple[float, float]) -> _Stack:
    control = lay.asked.control_group
    places = [np.flatnonzero(_clean(lay.units, lay.first, lay.when, cohort, around, control)) for cohort in cohorts]
    rows = np.concatenate(places)
    number = np.repeat(np.arange(len(cohorts)), [len(p) for p in places]).astype(np.int64)
    start = np.array(cohorts)[number]
    treated = lay.first[rows] == start
    member = np.unique(number * (int(lay.units.max()) + 1) + lay.units[rows], return_inverse=True)[1].astype(np.int64)
    horizon = np.round((lay.when[rows] - start) / lay.step, 9)
    wide = replace(
        lay, y=lay.y[rows], raw=lay.raw[rows], when=lay.when[rows], first=np.where(treated, start, np.inf),
        treated=treated & (horizon >= 0), units=compact(lay.units[rows]), clusters=compact(lay.clusters[rows]),
        weights=None if lay.weights is None else lay.weights[rows], extra=lay.extra[rows])
    return _Stack(layout=wide, number=number, member=member, horizon=horizon, treated=treated)


def _corrected(stack: _Stack) -> Array:
    """Weights of comparison rows: the stack's share of treated rows over its share of comparison rows, by horizon."""
    w = np.ones(len(stack.number)) if stack.layout.weights is None else stack.layout.weights
    horizons, at = np.unique(stack.horizon, return_inverse=True)
    cell = at * (int(stack.number.max()) + 1) + stack.number
    size = len(horizons) * (int(stack.number.max()) + 1)
    shares = []
    for side in (stack.treated, ~stack.treated):
        one = np.bincount(cell, weights=w * side, minlength=size)
        whole = np.bincount(at, weights=w * side, minlength=len(horizons))
        shares.append(one[cell] / whole[at])
    return np.asarray(w * np.where(stack.treated, 1.0, shares[0] / shares[1]))


def _effects(horizon: Array, number: Codes) -> Array:
    """Dummies of horizons, within each stack number, all but the first of each."""
    values = np.unique(horizon)[1:]
    return np.column_stack([(number == s) & (horizon == h) for s in np.unique(number) for h in values]).astype(float)


def _card(lay: Layout, corrective: bool, reference: int) -> StandardErrorCard:
    return regression_card(
        lay, "unit-by-stack and stack-by-horizon effects", fixest(
            lay, f"i(horizon, treated, ref = {reference})", "unit^stack + stack^horizon", weighted=corrective,
            made=("cohort_trimmed", "outside_window")))

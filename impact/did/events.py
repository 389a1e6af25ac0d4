"""Two-way fixed effects with a coefficient for each period before and after treatment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from impact.data.arguments import check_flags
from impact.data.frame import listed
from impact.data.panel import ASSUMPTIONS
from impact.did.bands import Horizon, by_horizon
from impact.did.calls import fixest
from impact.did.effects import Story, clustered, fit_within, regression_card, staggered
from impact.did.estimands import QUESTIONS
from impact.did.layout import Layout, lay_out
from impact.did.opening import Asked, Opened, open_panel
from impact.errors import DesignError, Problem
from impact.inference.intervals import is_number
from impact.inference.linear import Array, Fit
from impact.results import Caveat, Estimates

if TYPE_CHECKING:
    import pandas as pd


def event_study(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
                control_group: str = "not_yet_treated", reference: int = -1, window: tuple[int, int] | None = None,
                bin_ends: bool = True, covariates: Sequence[str] = (), cluster: str | None = None,
                weights: str | None = None, unbalanced: str = "within_cell", transform: str = "none",
                conf_level: float = 0.95, seed: int = 0) -> Estimates:
    """Regress on unit effects, period effects and one dummy for each horizon but the reference.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, control_group, covariates, cluster, weights, unbalanced, transform, conf_level
        As :func:`impact.did.imputation`.
    reference : the horizon all others are compared with, below 0, in periods: the shortest step of ``time`` is one.
    window : first and last horizon of their own, (-4, 3); with ``bin_ends`` the first also holds all earlier and the last
        all later ones, else rows of treated units outside are left out. None gives every horizon its own coefficient.
    seed : of the uniform band and of the wild cluster bootstrap beside row 0.

    Returns
    -------
    Estimates
        Row 0 the average over horizons from 0 on; then a row a horizon, with ``band_low`` and ``band_high`` in ``details``:
        the band that holds for all horizons at once. With several first treated periods it carries ``provisional``.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`.
    DesignError
        When no unit is measured at the reference, periods are not evenly coded, or, without never-treated units, the
        horizons cannot be told from period effects.

    Notes
    -----
    Estimand: ATT by horizon when all units start together or effects follow the same path in all cohorts; otherwise each
    coefficient mixes horizons and cohorts (Sun & Abraham 2021, Journal of Econometrics 225). Assumes
    parallel trends and no anticipation; a binned end assumes a constant effect inside it. Errors: CR1S, t(G−1). Band:
    Montiel Olea & Plagborg-Møller (2019), 20,000 seeded draws. Reference case: none stored; with one cohort it is
    :func:`sun_abraham`, else statsmodels with full dummies (tests/test_events.py).
    """
    check_flags(bin_ends=bin_ends)
    if not is_number(reference) or not reference < 0:
        raise ValueError(f"reference is a horizon before treatment, below 0, not {reference!r}")
    if window is not None and not (len(window) == 2 and window[0] <= reference and window[1] >= 0):
        raise ValueError(f"window is (first, last) horizon, holding the reference {reference} and 0, not {window!r}")
    opened = open_panel(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates, cluster=cluster,
        control_group=control_group, weights=weights, transform=transform, conf_level=conf_level, unbalanced=unbalanced,
        even=True))
    if window is not None and not bin_ends:
        _trim(opened, window)
    lay = lay_out(opened)
    ends = (float(window[0]), float(window[1])) if window is not None else (-np.inf, np.inf)
    at = np.where(lay.ever, np.clip(lay.horizon, *ends), np.nan)
    known = np.unique(at[lay.ever])
    check_reference(float(reference), known)
    values = [float(h) for h in known if h != reference]
    fit = _fit(lay, at, values)
    horizons = [Horizon(value=h, name=_name(h, lay, ends), place=fit.index(f"horizon {h:.12g}"), rows=at == h)
                for h in values]
    if not any(h.value >= 0 for h in horizons):
        raise DesignError(Problem(where="window", what="no treated row is left after the start", cure="Widen the window."),
                          source="design")
    story = Story(
        method="event_study", vcov="CR1S", assumptions=ASSUMPTIONS, caveats=tuple(_mixed(lay)),
        card=regression_card(
            lay, "unit and period effects", fixest(lay, f"i(horizon, ever, ref = {reference})")))
    return by_horizon(lay, story, fit, clustered(fit, lay), horizons, clusters=lay.clusters, reference=float(reference),
                      question=QUESTIONS["event_study"][""], seed=seed)


def check_reference(reference: float, known: Array) -> None:
    """Refuse a reference at which no treated unit is measured."""
    if reference not in known:
        raise DesignError(Problem(
            where="reference", what=f"no treated unit is measured at horizon {reference:.12g}",
            cure=f"Horizons with data: {listed((f'{h:.12g}' for h in known), 12)}."), source="design")


def _trim(opened: Opened, window: tuple[int, int]) -> None:
    horizon = np.round((opened.when - opened.first) / opened.step, 9)
    opened.rows.drop(np.isfinite(horizon) & ((horizon < window[0]) | (horizon > window[1])), "outside_window",
                    f"more than {-window[0]} before or {window[1]} after first treatment")


def _fit(lay: Layout, at: Array, values: list[float]) -> Fit:
    dummies, labels = lay.period_dummies()
    names = [f"horizon {h:.12g}" for h in values]
    columns = (at[:, None] == np.array(values)[None, :]).astype(float)
    try:
        return fit_within(lay.y, np.column_stack([dummies, lay.extra, columns]), [*labels, *lay.labels, *names], lay.units,
                          lay.weights, must_keep=names)
    except DesignError as error:
        alone = np.setdiff1d(lay.when, lay.when[~lay.ever])
        if not lay.ever.all():
            raise DesignError(Problem(
                where="comparison", what="no never-treated unit is measured in "
                f"{listed(f'{t:.12g}' for t in alone)}" if len(alone) else error.problems[0].what,
                cure="Leave those periods out, or bin the ends with window=."), source="design") from error
        raise DesignError(Problem(
            where="comparison", what="no unit stays untreated, so a straight line in the horizon cannot be told from unit "
            "and period effects", cure="Bin the ends with window=, or use imputation or sun_abraham."),
            source="design") from error


def _name(horizon: float, lay: Layout, ends: tuple[float, float]) -> str:
    span = lay.horizon[lay.ever]
    if horizon == ends[0] and (span < horizon).any():
        return f"{horizon:.12g} or earlier"
    return f"{horizon:.12g} or later" if horizon == ends[1] and (span > horizon).any() else f"{horizon:.12g}"


def _mixed(lay: Layout) -> list[Caveat]:
    return [Caveat(code=c.code, text="Provisional: treatment began in several periods, and a coefficient for one horizon "
                   "then also holds effects of other horizons and cohorts (Sun & Abraham 2021); read it beside sun_abraham "
                   "or imputation.", values=c.values) for c in staggered(lay.first)]

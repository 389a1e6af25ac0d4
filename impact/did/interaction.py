"""Interaction-weighted event study: effects by cohort from one regression, then averaged by the cohorts' shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import listed
from impact.data.panel import ASSUMPTIONS, drop_singletons
from impact.did.averages import CellEffects, CellTable, average, number_cells, overall_of
from impact.did.calls import fixest
from impact.did.effects import Story, clustered, fit_within, regression_card
from impact.did.estimands import QUESTIONS
from impact.did.layout import lay_out
from impact.did.opening import Asked, Opened, open_panel
from impact.did.wild import beside
from impact.errors import DesignError, Problem
from impact.inference.intervals import is_number
from impact.results import Caveat

if TYPE_CHECKING:
    import pandas as pd


def sun_abraham(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
                control_group: str = "not_yet_treated", reference: int = -1, covariates: Sequence[str] = (),
                cluster: str | None = None, weights: str | None = None, unbalanced: str = "within_cell",
                transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> CellEffects:
    """Regress on a dummy for each cohort and horizon beside unit and period effects; average cohorts by their shares.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, covariates, cluster, weights, unbalanced, transform, conf_level
        As :func:`impact.did.imputation`.
    control_group : "never_treated" demands units never treated; with "not_yet_treated", where there are none, the cohort
        treated last is the comparison and periods from its start on are left out. Never-treated units serve alone where
        there are any.
    reference : the horizon left out, -1 for the last period before treatment; below 0, in periods.
    seed : of the wild cluster bootstrap, shown beside row 0 with fewer than 40 clusters or 20 treated.

    Returns
    -------
    CellEffects
        Row 0 is the average over all treated rows; ``.aggregate("dynamic")`` gives horizons, those before treatment too.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`.
    DesignError
        When no unit is measured at the reference, no comparison is left, or periods are not evenly coded.

    Notes
    -----
    Estimand: ATT by cohort and horizon, averaged by shares of treated rows; effects may differ between cohorts and grow.
    Assumes parallel trends and no anticipation. Sun & Abraham (2021, Journal of Econometrics 225). Errors:
    CR1S, t(G−1), from the regression's covariance with the shares taken as given, as fixest does: the sampling of shares
    is not in them. Reference case: did_mpdta_sunab (R fixest 0.12.2).
    """
    if not is_number(reference) or not reference < 0:
        raise ValueError(f"reference is a horizon before treatment, below 0, not {reference!r}")
    opened = open_panel(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates, cluster=cluster,
        control_group=control_group, weights=weights, transform=transform, conf_level=conf_level, unbalanced=unbalanced,
        even=True))
    last = _drop_without_comparison(opened, float(reference))
    lay = lay_out(opened)
    marked = lay.ever & (lay.first != last) & (lay.horizon != reference)
    cohort, period, size, of_row = number_cells(lay, marked)
    columns = (of_row[:, None] == np.arange(len(size))[None, :]).astype(float)
    names = [f"{c:.12g} in {t:.12g}" for c, t in zip(cohort, period, strict=True)]
    dummies, labels = lay.period_dummies()
    fit = fit_within(lay.y, np.column_stack([dummies, lay.extra, columns]), [*labels, *lay.labels, *names], lay.units,
                     lay.weights, must_keep=names)
    cov = clustered(fit, lay)
    cells = CellTable(cohort=cohort, period=period, size=size, effect=fit.coefficients[-len(size):], of_row=of_row,
                  matrix=cov.matrix[-len(size):, -len(size):], df=float((cov.n_clusters or 2) - 1), step=lay.step)
    call = fixest(lay, f"sunab(first, time, ref.p = {reference * lay.step:g})")
    story = Story(
        method="sun_abraham", vcov="CR1S", assumptions=ASSUMPTIONS, caveats=_last(last),
        card=regression_card(lay, "cohort-by-horizon effects, shares taken as given", f"summary({call}, agg = 'att')"
                             if call and not np.isfinite(last) else ""))
    pick = overall_of(cells, "simple", [])
    row = average(lay, story, cells, pick, question=QUESTIONS["sun_abraham"]["simple"],
                  details=(("reference", float(reference)),))
    whole = np.append(np.zeros(fit.k - len(size)), pick)
    return CellEffects(rows=(beside(row, fit, whole, lay.clusters, seed),), cells=cells, layout=lay, story=story)


def _last(last: float) -> tuple[Caveat, ...]:
    return () if np.isinf(last) else (Caveat(
        code="last_cohort", text=f"No unit stays untreated: units first treated in {last:.12g} are the comparison, and "
        "periods from then on are left out.", values=(("cohort", last),)),)


def _drop_without_comparison(opened: Opened, reference: float) -> float:
    """Leave out rows that compare with nothing; return the cohort that stands for the comparison (infinity: never)."""
    rows, start, when = opened.rows, opened.first, opened.when
    last = float(start[rows.kept].max())
    if np.isfinite(last):
        rows.drop(when >= last, "no_comparison", f"from {last:.12g} on every unit is treated: nothing to compare with")
    _drop_without_reference(opened, last, reference)
    measured = np.unique(when[rows.kept & (start == last)])
    rows.drop(~np.isin(when, measured), "no_comparison", "no comparison unit is measured in that period")
    drop_singletons(rows)
    first, now = start[rows.kept], when[rows.kept]
    if not ((now >= first) & (first != last)).any() or not (first == last).any():
        raise DesignError(Problem(where="comparison", what="no treated period is left in which other units are untreated",
                                  cure="Find units that stay untreated longer, measured in the same periods."),
                          source="design")
    return last


def _drop_without_reference(opened: Opened, last: float, reference: float) -> None:
    """Leave out cohorts not measured in the reference period."""
    rows, start = opened.rows, opened.first
    treated = rows.kept & np.isfinite(start) & (start != last)
    horizon = np.round((opened.when - start) / opened.step, 9)
    have = np.unique(start[treated & (horizon == reference)])
    known = np.unique(horizon[treated])
    if not len(have):
        raise DesignError(Problem(
            where="reference", what=f"no treated unit is measured at horizon {reference:.12g}",
            cure=f"Horizons with data: {listed((f'{h:.12g}' for h in known), 12)}."), source="design")
    rows.drop(treated & ~np.isin(start, have), "no_reference",
              f"first treated in a period whose horizon {reference:.12g} is not in the data")

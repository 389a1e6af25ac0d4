"""Difference-in-differences by two-way fixed effects: unit and period effects, one treatment column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impact.data.arguments import check_flags
from impact.data.frame import counted, listed
from impact.data.panel import ASSUMPTIONS
from impact.data.privacy import speakable
from impact.did.absorption import sweep
from impact.did.calls import fixest, two_way_in_stata
from impact.did.effects import staggered, weighted, within
from impact.did.estimands import QUESTIONS
from impact.did.layout import Layout, lay_out
from impact.did.notes import undated
from impact.did.opening import Asked, open_panel
from impact.errors import DesignError, Problem
from impact.inference.beside import WILD_CLUSTERS, WILD_TREATED, wild_beside
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes, Fit, least_squares
from impact.inference.report import Counts, cluster_counts, make_estimate, spread
from impact.inference.sandwich import CLUSTERED, Covariance, check_clustered, covariance, satterthwaite_df
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

MOST_DUMMIES = 3_000  # HC2 and HC3 need the full design matrix, unit dummies included


def two_way_fixed_effects(data: pd.DataFrame, *, outcome: str, unit: str, time: str, treatment: str | None = None,
                          first_treated: str | None = None, control_group: str = "not_yet_treated",
                          ever_treated: bool = False, covariates: Sequence[str] = (), cluster: str | None = None,
                          weights: str | None = None, unbalanced: str = "within_cell", vcov: str | None = None,
                          transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Regress the outcome on treatment with a fixed effect for each unit and each period.

    Parameters
    ----------
    data : DataFrame, one row a unit and period.
    outcome : column, in its own unit.
    unit : id column. time : numeric column of the period.
    treatment : 0/1 column that may differ by period; one that switches off counts as it is coded, and the caveat
        ``switches_off`` names its units, unless ``ever_treated`` says that treatment lasts from its start on; or
    first_treated : column of the first treated period, the same on all rows of a unit, missing or infinite where
        never treated (then treatment is 1 from that period on). Give exactly one of the two.
    control_group : "never_treated" demands units never treated among those used and leaves out treated units not seen
        after their start; "not_yet_treated" does not. With several start dates the regression uses units not yet treated,
        and units already treated, in either case.
    covariates : columns that vary over time; they must not be changed by the treatment.
    cluster : column of the level at which treatment was decided; the unit when left out.
    weights : column of positive weights. unbalanced : as :func:`impact.did.imputation`.
    vcov : any of :data:`impact.inference.VCOVS`; None is CR1S as in fixest.
    transform : "none" or "log".
    conf_level : a share.
    seed : of the wild cluster bootstrap, shown beside with fewer than 40 clusters or 20 treated unless ``vcov`` is named.

    Returns
    -------
    Estimate
        With more than one first treated period it carries the caveat ``provisional``: effects that differ between
        early and late groups can enter with negative weights.

    Raises
    ------
    DataError
        Missing columns, text for numbers, a unit twice in a period, clusters that cut through a unit.
    DesignError
        When no unit changes treatment, or nothing is left to compare.

    Notes
    -----
    Estimand: ATT when effects are the same for all and constant over time; otherwise a weighted average (Goodman-Bacon
    2021, section 2; de Chaisemartin & D'Haultfœuille 2020). Assumes parallel trends. Default errors: CR1S,
    (N−1)/(N−K)·G/(G−1), K without effects nested in the cluster, t(G−1). Reference cases: did_jtrain_twfe_iid and
    did_jtrain_twfe_cluster (R fixest 0.12.2); Wooldridge, Econometric Analysis, jtrain example.
    """
    check_flags(ever_treated=ever_treated)
    if vcov is not None and cluster is not None:
        check_clustered(vcov, cluster)
    coded = treatment is not None and not ever_treated
    lay = lay_out(open_panel(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, treatment=treatment, ever_treated=ever_treated,
        as_coded=coded, control_group=control_group, covariates=covariates, cluster=cluster, weights=weights,
        transform=transform, conf_level=conf_level, unbalanced=unbalanced)))
    y, when, units, clusters, w, extra = lay.y, lay.when, lay.units, lay.clusters, lay.weights, lay.extra
    d = lay.rows.numbers(str(treatment)) if coded else lay.treated.astype(float)
    term = treatment or "treated"
    _need_change(d, units)
    by_unit = _per_unit(units, d)
    # where all are treated sooner or later, the periods before stand for the comparison
    groups = cluster_counts(clusters, d if by_unit.all() else by_unit[units])
    kind, show_wild = vcov or "CR1S", vcov is None and w is None and (
        groups[1] + groups[2] < WILD_CLUSTERS or groups[1] < WILD_TREATED)
    found = _swept(y, d, extra, lay.labels, units, when, w, kind, term, clusters) if not show_wild else None
    if found is None:
        found = _dense(y, d, extra, lay.labels, units, when, w, kind, term, clusters)
    inference, df_rule = _infer(found, kind, conf_level)
    off = _switched_off(lay, d, term) if coded else []
    counts = Counts(n=len(y), treated=int(d.sum()), comparison=int(len(y) - d.sum()), units=len(by_unit),
                    units_treated=int(by_unit.sum()), clusters=groups[0], clusters_treated=groups[1],
                    clusters_comparison=groups[2])
    estimate = make_estimate(
        outcome=outcome, term=term, method="two_way_fixed_effects", estimand="att", inference=inference, counts=counts,
        vcov=kind, card=_card(lay, kind, df_rule, groups),
        base=lay.base(d == 1, inference.estimate), assumptions=ASSUMPTIONS, transform=transform,
        question=QUESTIONS["two_way_fixed_effects"]["as_coded" if off else ""] + weighted(lay),
        outcome_sd=spread(y[d == 0]), dropped=lay.rows.dropped, period=lay.span,
        caveats=(*staggered(lay.first if first_treated is not None else _starts(lay)), *off, *lay.notes),
        share=lay.share, details=(("coefficients", _coefficients(found)), ("left_out", found.left_out), *lay.record))
    fit = found.fit
    if fit is None or not show_wild or estimate.has_caveat("few_clusters"):
        return estimate  # below six clusters on a side the bootstrap is no help either
    return wild_beside(estimate, outcome=fit.design @ fit.coefficients + fit.residuals, treatment=fit.design[:, -1],
                       controls=fit.design[:, :-1], clusters=clusters, treated=groups[1], comparison=groups[2], seed=seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Coefficients, the treatment's last; ``scale`` of errors that count absorbed effects; ``free``: rows less effects."""

    names: tuple[str, ...]
    coefficients: Array
    cov: Covariance
    left_out: tuple[str, ...]
    scale: float = 1.0
    free: int = 1
    fit: Fit | None = None


def _switched_off(lay: Layout, d: Array, column: str) -> list[Caveat]:
    """Name the units whose treatment is 0 again after its start."""
    off = (d == 0) & (lay.when > lay.first)
    if not off.any():
        return []
    names = lay.rows.column(str(lay.asked.unit))[off].drop_duplicates()
    return [Caveat(code="switches_off", text=f"Treatment switches off again for {counted(len(names), 'unit')} "
                   f"({listed(speakable(names))}) and is taken as coded in '{column}': its effect is taken to end with it. "
                   "ever_treated=True gives the effect of ever having been treated.", values=(("units", len(names)),))]


def _per_unit(units: Codes, d: Array) -> Array:
    ever = np.zeros(int(units.max()) + 1)
    np.maximum.at(ever, units, d)
    return ever


def _need_change(d: Array, units: Codes) -> None:
    ever = _per_unit(units, d)
    if not ever.any() or (ever.all() and len(ever) == 1):
        raise DesignError(Problem(where="treatment", what="no unit is treated in the periods analysed" if not ever.any()
                                  else "one unit is too few", cure="Check the treatment column and the periods."),
                          source="design")


def _fit(y: Array, d: Array, extra: Array, covariates: list[str], units: Codes, when: Array, weights: Array | None,
         vcov: str, term: str) -> tuple[Fit, int]:
    """Least squares with period dummies; unit effects absorbed, or entered where leverage needs them.

    Returns the fit and the number of unit effects absorbed (0 where they are columns).
    """
    periods = np.unique(when)
    dummies = (when[:, None] == periods[None, 1:]).astype(float)
    names = [*(f"{t:.12g}" for t in periods[1:]), *covariates, term]
    design = np.column_stack([dummies, extra, d])
    full = vcov in ("HC2", "HC3") or (weights is not None and vcov in ("CR2", "CR3"))
    if not full:
        return least_squares(within(design, units, weights), within(y, units, weights), names, weights=weights,
                             must_keep=(term,), sizes=np.linalg.norm(design, axis=0)), int(units.max()) + 1
    count = int(units.max()) + 1
    if count > MOST_DUMMIES:
        raise DesignError(Problem(where="vcov", what=f"{vcov} here needs a column for each of {count:,} units",
                                  cure="Use CR1S or CR2."), source="design")
    own = (units[:, None] == np.arange(count)[None, :]).astype(float)
    return least_squares(np.column_stack([own, design]), y, [*(f"unit {j}" for j in range(count)), *names],
                         weights=weights, must_keep=(term,)), 0


def _swept(y: Array, d: Array, extra: Array, covariates: list[str], units: Codes, when: Array, weights: Array | None,
           vcov: str, term: str, clusters: Codes) -> _Found | None:
    """Both sets of effects taken out together, where the error needs no leverage; None where that cannot be done."""
    if vcov not in ("CR0", "CR1", "CR1S"):
        return None
    fit = sweep(y, [*extra.T, d], [*covariates, term], units, when, weights, must_keep=(term,))
    if fit is None:
        return None
    return _Found(names=tuple(name.removeprefix("period ") for name in fit.names), coefficients=fit.coefficients,
                  cov=fit.covariance(vcov, units, clusters), left_out=fit.left_out)


def _dense(y: Array, d: Array, extra: Array, covariates: list[str], units: Codes, when: Array, weights: Array | None,
           vcov: str, term: str, clusters: Codes) -> _Found:
    fit, absorbed = _fit(y, d, extra, covariates, units, when, weights, vcov, term)
    # K counts the period effects and not the unit effects, which are nested in the cluster
    cov = covariance(fit, vcov, clusters if vcov in CLUSTERED else None, count=fit.k + 1)
    free = fit.n - fit.k - absorbed
    scale = math.sqrt((fit.n - fit.k) / max(free, 1)) if absorbed and vcov in ("classical", "HC1") else 1.0
    return _Found(names=fit.names, coefficients=fit.coefficients, cov=cov, left_out=fit.left_out, scale=scale, free=free,
                  fit=fit)


def _infer(found: _Found, vcov: str, conf_level: float) -> tuple[Inference, str]:
    pick = np.zeros(len(found.names))
    pick[-1] = 1.0
    value, error = float(found.coefficients[-1]), found.cov.std_error(pick) * found.scale
    if vcov not in CLUSTERED:
        if found.free <= 0:
            raise DesignError(Problem(where="data", what="no degrees of freedom are left", cure="Use more periods."),
                              source="design")
        return infer(value, error, float(found.free), conf_level), "N − K, all effects counted"
    if vcov in ("CR2", "CR3") and found.fit is not None:
        return infer(value, error, satterthwaite_df(found.fit, found.cov, pick), conf_level), "Satterthwaite"
    return infer(value, error, float((found.cov.n_clusters or 2) - 1), conf_level), "clusters − 1"


def _coefficients(found: _Found) -> tuple[tuple[str, float, float], ...]:
    errors = found.scale * np.sqrt(np.maximum(np.diag(found.cov.matrix), 0.0))
    return tuple((name, float(b), float(s)) for name, b, s in zip(found.names, found.coefficients, errors, strict=True)
                 if not name.startswith("unit "))


def _card(lay: Layout, vcov: str, df_rule: str, groups: tuple[int, int, int]) -> StandardErrorCard:
    correction = {"CR1S": "(N−1)/(N−K)·G/(G−1), K without effects nested in the cluster", "CR1": "G/(G−1)",
                  "CR2": "Bell–McCaffrey adjustment, unit effects absorbed", "classical": "N − K, all effects counted",
                  "HC1": "N/(N−K), all effects counted"}.get(vcov, "none")
    clustered = vcov in CLUSTERED
    return StandardErrorCard(
        formula=f"{vcov}, unit and period fixed effects", correction=correction,
        level=lay.level if clustered else "the row", df_rule=df_rule, clusters_treated=groups[1] if clustered else None,
        clusters_comparison=groups[2] if clustered else None,
        r_call=fixest(lay, "d", vcov=vcov), stata_call=two_way_in_stata(lay) if vcov == "CR1S" else "")


def _starts(lay: Layout) -> Array:
    """Starts of rows whose unit was seen untreated in the period before: elsewhere the first treated row is none."""
    unsure = undated(lay.rows, lay.first, lay.asked.time)[lay.rows.codes_of_units()[lay.rows.kept]]
    return np.where(unsure, np.inf, lay.first)

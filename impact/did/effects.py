"""What panel regressions share: fixed effects taken out, clustered errors, and one number put together with its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from impact.did.layout import Layout
from impact.did.opening import Mask
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes, Fit, least_squares
from impact.inference.report import Counterfactual, Counts, make_estimate
from impact.inference.sandwich import Covariance, covariance
from impact.results import Caveat, Estimate, StandardErrorCard


def within(values: Array, units: Codes, weights: Array | None) -> Array:
    """Subtract each unit's (weighted) mean from its rows."""
    w = np.ones(len(units)) if weights is None else weights
    total = np.bincount(units, weights=w)
    columns = values.reshape(len(units), -1)
    if not columns.shape[1]:
        return values
    means = np.column_stack([np.bincount(units, weights=w * c) for c in columns.T]) / total[:, None]
    return np.asarray((columns - means[units]).reshape(values.shape))


def fit_within(y: Array, design: Array, names: Sequence[str], units: Codes, weights: Array | None = None,
               must_keep: Sequence[str] = ()) -> Fit:
    """Least squares with a fixed effect for each unit, taken out by demeaning."""
    return least_squares(within(design, units, weights), within(y, units, weights), names, weights=weights,
                         must_keep=must_keep, sizes=np.linalg.norm(design, axis=0))


def clustered(fit: Fit, lay: Layout, clusters: Codes | None = None, period_effects: int = 1) -> Covariance:
    """CR1S as fixest: K counts period effects (all levels of each set) and not the unit effects nested in the cluster."""
    return covariance(fit, "CR1S", lay.clusters if clusters is None else clusters, count=fit.k + period_effects)


def infer_along(fit: Fit, cov: Covariance, pick: Array, conf_level: float) -> Inference:
    """Inference on one combination of coefficients, with clusters − 1 degrees of freedom."""
    return infer(float(pick @ fit.coefficients), cov.std_error(pick), float((cov.n_clusters or 2) - 1), conf_level)


def regression_card(lay: Layout, what: str, r_call: str, stata_call: str = "") -> StandardErrorCard:
    """Say how CR1S errors of a panel regression were made."""
    return StandardErrorCard(formula=f"CR1S, {what}", correction="(N−1)/(N−K)·G/(G−1), K without effects nested in the "
                             "cluster", level=lay.level, df_rule="clusters − 1", r_call=r_call, stata_call=stata_call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The words all numbers of one call share."""

    method: str
    vcov: str
    card: StandardErrorCard
    assumptions: tuple[str, ...]
    caveats: tuple[Caveat, ...] = ()


def tell(lay: Layout, story: Story, inference: Inference, *, rows: Mask, question: str, term: str = "treated",
         name: str = "", estimand: str = "att", by_row: Array | None = None, caveats: Sequence[Caveat] = (),
         details: Sequence[tuple[str, object]] = (), cohort: str | None = None, period: str | None = None,
         horizon: str | None = None, base: Counterfactual | None = None, counts: Counts | None = None) -> Estimate:
    """Put one number of a panel together; ``rows`` are the treated rows it speaks of, ``name`` the tail of its id.

    The call's own number, which has no ``name``, also carries what must be known of the rows.
    """
    counts = counts or lay.counts(rows)
    if not name:
        caveats, details = (*caveats, *lay.notes), (*details, *lay.record)
    question += weighted(lay)
    card = replace(story.card, clusters_treated=counts.clusters_treated, clusters_comparison=counts.clusters_comparison)
    made = make_estimate(
        outcome=lay.asked.outcome, term=term, method=story.method, estimand=estimand, inference=inference, counts=counts,
        vcov=story.vcov, card=card, base=base or lay.base(rows, inference.estimate, by_row), question=question,
        assumptions=story.assumptions, transform=lay.asked.transform, outcome_sd=lay.control_sd, dropped=lay.rows.dropped,
        caveats=(*story.caveats, *caveats), period=period, details=details, share=lay.share)
    return replace(made, id=made.id + (f"/{name}" if name else ""), cohort=cohort, horizon=horizon)


def weighted(lay: Layout) -> str:
    """Say in a question that observations count by their weights, where they do."""
    return " (observations count by their weights)" if lay.asked.weights is not None else ""


def sums_by(codes: Codes, values: Array, groups: int) -> Array:
    """Sum rows of (n, k) values within groups: (groups, k)."""
    if not values.shape[1]:
        return np.empty((groups, 0))
    return np.column_stack([np.bincount(codes, weights=c, minlength=groups) for c in values.T])


def staggered(first: Array) -> list[Caveat]:
    """Say that two-way fixed effects are provisional when treatment began in several periods."""
    cohorts = np.unique(first[np.isfinite(first)])
    if len(cohorts) < 2:
        return []
    names = [f"{c:.12g}" for c in cohorts]
    when = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) < 4 else f"{len(names)} periods"
    return [Caveat(code="provisional", text=f"Provisional: treatment began in {when}, and two-way fixed effects then "
                   "compare late groups with groups already treated; if effects differ between groups or grow, the "
                   "average can mislead.", values=(("cohorts", len(cohorts)),))]

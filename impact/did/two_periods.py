"""Difference-in-differences with two periods: the change among the treated less the change among the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import Selection, transformed
from impact.data.panel import ASSUMPTIONS, CONTROL_GROUPS, counterfactual, select_panel
from impact.errors import DesignError, Problem
from impact.inference.contrasts import difference
from impact.inference.intervals import infer
from impact.inference.linear import Array, Codes
from impact.inference.report import Counts, cluster_counts, is_share, make_estimate, spread
from impact.results import Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "the average effect, in the second period, on units first treated between the two periods"


def two_by_two(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
               periods: Sequence[float] | None = None, control_group: str = "never_treated",
               cluster: str | None = None, transform: str = "none", conf_level: float = 0.95) -> Estimate:
    """Change from the first to the second period among units treated in between, less the comparison's change.

    Parameters
    ----------
    data : DataFrame, one row a unit and period.
    outcome : column, in its own unit.
    unit : id column. time : numeric column of the period.
    first_treated : column of the first treated period, missing or infinite where never treated.
    periods : the two periods; may be left out when the data hold exactly two.
    control_group : "never_treated", or "not_yet_treated" (treated after the second period, or never).
    cluster : column of the level at which treatment was decided; leave out when that is the unit.
    transform : "none" or "log" (then changes are growth rates).
    conf_level : a share.

    Returns
    -------
    Estimate
        The effect on the treated in the second period; units not measured in both periods are in ``dropped``.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`.
    DesignError
        When a period is not in the data, or a group has fewer than two units.

    Notes
    -----
    Estimand: ATT in the second period. Assumes parallel changes and no anticipation. The standard error is that of
    a difference in mean changes: Neyman with Welch df, or CR2 by cluster. Angrist & Pischke (2009, section 5.2).
    Reference case: did_jtrain_scrap_firstdiff_welch (R estimatr 1.0.0).
    """
    if control_group not in CONTROL_GROUPS:
        raise ValueError(f"control_group must be one of {', '.join(CONTROL_GROUPS)}, not {control_group!r}")
    panel = select_panel(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated, cluster=cluster)
    before, after = _two_periods([float(t) for t in panel.rows.column(time).unique()], periods, time)
    rows = panel.rows
    if panel.first is None:
        raise ValueError("first_treated is needed")
    when = rows.data[time].to_numpy(dtype=float)
    rows.drop(~np.isin(when, (before, after)), "other_period", f"not measured in {before:.12g} or {after:.12g}")
    rows.drop(panel.first <= before, "treated_from_start", f"treated in or before {before:.12g}: no value before treatment")
    if control_group == "never_treated":
        rows.drop((panel.first > after) & np.isfinite(panel.first), "treated_later",
                  f"treated after {after:.12g}: neither treated yet nor never treated")
    _need_both(rows, unit)
    change, treated, post, raw, clusters = _changes(rows, outcome, unit, time, panel.first, after, cluster, transform)
    if len(np.unique(treated)) < 2:
        raise DesignError(Problem(
            where="treatment", what=f"{int(treated.sum())} treated and {int((1 - treated).sum())} comparison units are "
            f"measured in both {before:.12g} and {after:.12g}", cure="Choose other periods or another comparison group."),
            source="design")
    found = difference(change, treated, clusters=clusters)
    inference = infer(found.estimate, found.std_error, found.df, conf_level)
    groups = cluster_counts(clusters, treated) if clusters is not None else (None, None, None)
    n_treated = int(treated.sum())
    counts = Counts(n=2 * len(change), treated=2 * n_treated, comparison=2 * (len(change) - n_treated),
                    units=len(change), units_treated=n_treated, clusters=groups[0] or len(change),
                    clusters_treated=groups[1] if groups[1] is not None else n_treated,
                    clusters_comparison=groups[2] if groups[2] is not None else len(change) - n_treated)
    card = StandardErrorCard(
        formula=f"{found.formula}, of changes", correction=found.correction, level=cluster or unit,
        df_rule=found.df_rule, clusters_treated=counts.clusters_treated,
        clusters_comparison=counts.clusters_comparison, r_call=found.r_call.replace("y ~", "change ~"))
    return make_estimate(
        outcome=outcome, term="treated", method="two_by_two", estimand="att", inference=inference, counts=counts,
        vcov=found.vcov, card=card, base=counterfactual(post[treated == 1], found.estimate, transform),
        question=QUESTION, assumptions=ASSUMPTIONS, transform=transform, outcome_sd=spread(post[treated == 0]),
        dropped=rows.dropped, period=f"{before:.12g}–{after:.12g}", share=is_share(raw))


def _two_periods(known: Sequence[float], given: Sequence[float] | None, time: str) -> tuple[float, float]:
    periods = sorted(float(t) for t in known)
    chosen = sorted(float(t) for t in given) if given is not None else periods
    if len(chosen) != 2:
        raise DesignError(Problem(where="periods", what=f"two periods are needed, {len(chosen)} are "
                                  f"{'given' if given is not None else 'in the data'}",
                                  cure="Write periods: [first, second]."), source="design")
    for t in chosen:
        if t not in periods:
            raise DesignError(Problem(where="periods", what=f"no usable row has {time} = {t:.12g}",
                                      cure=f"Periods with data: {', '.join(f'{p:.12g}' for p in periods)}."),
                              source="design")
    return chosen[0], chosen[1]


def _need_both(rows: Selection, unit: str) -> None:
    seen = rows.column(unit).value_counts()
    once = rows.data[unit].isin(seen[seen < 2].index)
    rows.drop(once & rows.kept, "seen_once", "measured in one of the two periods only")
    if not rows.kept.any():
        raise DesignError(Problem(where="data", what="no unit is measured in both periods",
                                  cure="Choose other periods."), source="design")


def _changes(rows: Selection, outcome: str, unit: str, time: str, first: Array, after: float,
             cluster: str | None, transform: str) -> tuple[Array, Array, Array, Array, Codes | None]:
    """One change a unit: (change, treated, second-period outcome, raw outcomes, cluster codes or None)."""
    codes, when = rows.codes(unit), rows.numbers(time)
    raw = rows.numbers(outcome)
    y = transformed(raw, transform, outcome, rows.kept.nonzero()[0])
    late = when == after
    order_late, order_early = np.argsort(codes[late], kind="stable"), np.argsort(codes[~late], kind="stable")
    post, pre = y[late][order_late], y[~late][order_early]
    treated = (first[rows.kept][late][order_late] <= after).astype(float)
    clusters = rows.codes(cluster)[late][order_late] if cluster not in (None, unit) else None
    return post - pre, treated, post, raw, clusters

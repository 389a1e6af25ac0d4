"""Difference-in-differences with two periods: the change among the treated less the change among the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.arguments import check_flags
from impact.data.frame import Selection, as_names, transformed
from impact.data.panel import ASSUMPTIONS, CONTROL_GROUPS, Panel, counterfactual, select_panel
from impact.did.doubly_robust import METHODS, NotEstimableError, cross_section_effect, group_means, panel_effect
from impact.did.estimands import two_by_two_question
from impact.did.notes import leavers_note, unbalanced_note
from impact.did.opening import UNBALANCED, Asked, Opened, codes_of, need_constant, need_rows
from impact.did.periods import between_seasons
from impact.errors import DesignError, Problem
from impact.inference.contrasts import difference
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes, least_squares
from impact.inference.report import Counts, cluster_counts, few_for_large_samples, is_share, make_estimate, spread
from impact.inference.sandwich import covariance, satterthwaite_df
from impact.results import Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

R_CALLS = {
    "dr_improved": "DRDID::drdid('y', 't', 'unit', 'd', ~ x, data, panel = PANEL, estMethod = 'imp')",
    "dr": "DRDID::drdid('y', 't', 'unit', 'd', ~ x, data, panel = PANEL, estMethod = 'trad')",
    "reg": "DRDID::ordid('y', 't', 'unit', 'd', ~ x, data, panel = PANEL)",
    "ipw": "DRDID::ipwdid('y', 't', 'unit', 'd', ~ x, data, panel = PANEL, normalized = TRUE)",
}
STATA = {"dr_improved": "drimp", "dr": "dripw", "reg": "reg", "ipw": "stdipw"}


def two_by_two(data: pd.DataFrame, *, outcome: str, unit: str | None = None, time: str, first_treated: str,
               periods: Sequence[float] | None = None, control_group: str = "never_treated",
               covariates: Sequence[str] = (), method: str = "dr_improved", cluster: str | None = None,
               weights: str | None = None, unbalanced: str = "within_cell", panel: bool = True, transform: str = "none",
               conf_level: float = 0.95) -> Estimate:
    """Change from the first to the second period among units treated in between, less the comparison's change.

    Parameters
    ----------
    data : DataFrame, one row a unit and period (or, with ``panel=False``, a unit surveyed once).
    outcome : column, in its own unit.
    unit : id column; may be left out for repeated cross-sections. time : numeric column of the period.
    first_treated : column of the first treated period, missing or infinite where never treated.
    periods : the two periods; may be left out when the data hold exactly two.
    control_group : "never_treated", or "not_yet_treated" (treated after the second period, or never).
    covariates : numeric columns; a panel takes them from the first period.
    method : with covariates, "dr_improved" (doubly robust, also in its standard error), "dr" (the traditional doubly
        robust estimator), "reg" or "ipw"; without covariates all are differences of means.
    cluster : column of the level at which treatment was decided; leave out when that is the unit.
    weights : column of positive weights, in a panel constant within a unit.
    unbalanced : how units measured in one of the two periods serve: not at all ("within_cell" and "balanced", which are
        the same with two periods) or by their rows ("repeated_cross_section", every row of both periods, errors by unit).
    panel : False where different units are surveyed in each period; rows of the same ``unit`` then share an error.
    transform : "none" or "log" (then changes are growth rates).
    conf_level : a share.

    Returns
    -------
    Estimate
        The effect on the treated in the second period; in a panel units not measured in both periods are in ``dropped``.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`.
    DesignError
        When a period is not in the data, a group has fewer than two units, or covariates leave nobody comparable.

    Notes
    -----
    Estimand: ATT in the second period. Assumes parallel changes (given covariates) and no anticipation; in repeated
    cross-sections also that the kind of units surveyed in each group stays the same. Without covariates and weights: Neyman
    with Welch df, or CR2 by cluster (panel); CR2 with Satterthwaite df on the four cells (cross-sections). Angrist &
    Pischke (2009, section 5.2). With them: influence functions, normal distribution; Sant'Anna & Zhao (2020, Journal of
    Econometrics 219). Reference cases: did_jtrain_scrap_firstdiff_welch (R estimatr 1.0.0); did_mpdta_cs_reg_never,
    _ipw_never and _dr_never cell by cell (R DRDID 1.2.3, tests/test_doubly_robust.py).
    """
    if control_group not in CONTROL_GROUPS:
        raise ValueError(f"control_group must be one of {', '.join(CONTROL_GROUPS)}, not {control_group!r}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    check_flags(panel=panel)
    if panel and unit is None:
        raise ValueError("a panel needs unit=; for different units in each period give panel=False")
    if unbalanced not in UNBALANCED:
        raise ValueError(f"unbalanced must be one of {', '.join(UNBALANCED)}, not {unbalanced!r}")
    covariates = as_names(covariates)
    asked = Asked(outcome=outcome, unit=unit, time=time, first_treated=first_treated, control_group=control_group,
                  covariates=covariates, cluster=cluster, weights=weights, transform=transform, conf_level=conf_level,
                  unbalanced=unbalanced, paired=panel, by_cells=True)
    found = select_panel(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates,
                         cluster=cluster, weights=weights)
    need_rows(found.rows)
    if unit is not None:
        need_constant(found.rows, codes_of(data[unit]), asked)
    before, after = _two_periods([float(t) for t in found.rows.column(time).unique()], periods, time)
    _choose(found, time, before, after, control_group)
    opened = _stock(found, asked, after)
    if asked.follows:
        _need_both(found.rows, str(unit), before)
    sample = (_paired(found, outcome, str(unit), time, after, covariates, cluster, weights, transform) if asked.follows else
              _pooled(found, outcome, unit, time, after, covariates, cluster, weights, transform))
    _need_two_groups(sample, before, after, asked.follows, found.rows)
    inference, vcov, card = _infer(sample, method, conf_level, cluster or unit or "the row")
    later = _later_of_treated(sample)
    return make_estimate(
        outcome=outcome, term="treated", method="two_by_two", estimand="att", inference=inference, counts=_counts(sample),
        vcov=vcov, card=card, base=counterfactual(later, inference.estimate, transform),
        question=two_by_two_question("panel" if asked.follows else "rows", control_group),
        assumptions=_assumptions(bool(covariates), asked.follows), transform=transform,
        outcome_sd=spread(sample.later[sample.treated[sample.after] == 0]), dropped=found.rows.dropped,
        period=f"{before:.12g}–{after:.12g}", share=is_share(sample.raw),
        caveats=(*unbalanced_note(opened), *leavers_note(opened),
                 *between_seasons(before, after, time, np.unique(opened.when[np.isfinite(opened.when)])),
                 *(few_for_large_samples(_counts(sample).clusters) if vcov == "influence" else ())),
        details=(("unbalanced", unbalanced if opened.choices else "not a panel"),
                 ("unbalanced_choices", opened.choices), ("not_seen_again", opened.left)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Units with their change (panel), or single rows of both periods.

    ``after`` picks the entries with an outcome in the second period, ``later`` holds it; ``clusters`` is None where entries
    stand alone.
    """

    panel: bool
    y: Array
    treated: Array
    after: np.ndarray[Any, np.dtype[np.bool_]]
    later: Array
    raw: Array
    x: Array
    weights: Array | None
    clusters: Codes | None


def _later_of_treated(sample: _Sample) -> Array:
    """Later outcomes of the treated: with weights of the same spread, about their weighted mean."""
    mine = sample.treated[sample.after] == 1
    values: Array = sample.later[mine]
    if sample.weights is None:
        return values
    middle = float(np.average(values, weights=sample.weights[sample.after][mine]))
    return np.asarray(values + (middle - float(values.mean())))


def _stock(found: Panel, asked: Asked, after: float) -> Opened:
    """Count units of the two periods under each choice for missing rows, and those not seen again in the second."""
    rows, first = found.rows, found.first if found.first is not None else np.empty(0)
    opened = Opened(asked=asked, rows=rows, first=first)
    if asked.unit is None or not asked.paired or not rows.kept.any():
        return opened
    units, late = codes_of(rows.column(asked.unit)), rows.numbers(asked.time) == after
    seen, again = np.bincount(units), np.bincount(units, weights=late) > 0
    start = np.full(len(seen), np.inf)
    start[units] = first[rows.kept]
    both = (int((seen == 2).sum()), 2 * int((seen == 2).sum()))
    opened.choices = (("within_cell", *both), ("balanced", *both), ("repeated_cross_section", len(seen), int(seen.sum())))
    opened.left = int((~again & (start <= after)).sum()), int((~again & (start > after)).sum())
    return opened


def _choose(found: Panel, time: str, before: float, after: float, control_group: str) -> None:
    """Keep the two periods' rows and the groups that answer the question."""
    rows, first = found.rows, found.first if found.first is not None else np.empty(0)
    when = rows.data[time].to_numpy(dtype=float)
    rows.drop(~np.isin(when, (before, after)), "other_period", f"not measured in {before:.12g} or {after:.12g}")
    rows.drop(first <= before, "treated_from_start", f"treated in or before {before:.12g}: no value before treatment")
    if control_group == "never_treated":
        rows.drop((first > after) & np.isfinite(first), "treated_later",
                  f"treated after {after:.12g}: neither treated yet nor never treated")


def _need_two_groups(sample: _Sample, before: float, after: float, panel: bool, rows: Selection) -> None:
    sides = [sample.after] if panel else [sample.after, ~sample.after]
    if all(len(np.unique(sample.treated[side])) == 2 for side in sides):
        return
    counts = [f"{int(sample.treated[side].sum())} treated and {int((1 - sample.treated[side]).sum())} comparison"
              for side in sides]
    what = (f"{counts[0]} units are measured in both {before:.12g} and {after:.12g}" if panel else
            f"{counts[1]} rows stand in {before:.12g}, {counts[0]} in {after:.12g}")
    raise DesignError(Problem(where="treatment", what=what + _early(rows, before), cure="Choose other periods or another "
                              "comparison group; units treated from the first period on need an earlier one."),
                      source="design")


def _early(rows: Selection, before: float) -> str:
    """Say how many units were treated already."""
    count = sum(d.n_units for d in rows.dropped if d.reason == "treated_from_start")
    return f"; {count} are already treated in or before {before:.12g}" if count else ""


def _assumptions(covariates: bool, panel: bool) -> tuple[str, ...]:
    first = ASSUMPTIONS[0].replace("comparison units", "comparison units with the same covariates") if covariates else (
        ASSUMPTIONS[0])
    return (first, *ASSUMPTIONS[1:], *(() if panel else (
        "The kind of units surveyed in each group does not change between periods.",)))


def _counts(sample: _Sample) -> Counts:
    n, n_treated = len(sample.treated), int(sample.treated.sum())
    groups = (n, n_treated, n - n_treated)
    if sample.clusters is not None:
        groups = cluster_counts(sample.clusters, sample.treated)
    rows = 2 if sample.panel else 1
    return Counts(n=rows * n, treated=rows * n_treated, comparison=rows * (n - n_treated),
                  units=n if sample.panel else None, units_treated=n_treated if sample.panel else None, clusters=groups[0],
                  clusters_treated=groups[1], clusters_comparison=groups[2])


def _infer(sample: _Sample, method: str, conf_level: float, level: str) -> tuple[Inference, str, StandardErrorCard]:
    """Choose the error by what there is: means of changes, four cells, or influence functions."""
    groups = _counts(sample)
    sides: dict[str, Any] = {"clusters_treated": groups.clusters_treated, "clusters_comparison": groups.clusters_comparison}
    if sample.x.shape[1] or sample.weights is not None:
        return _by_influence(sample, method, conf_level, StandardErrorCard(
            formula="influence functions", correction="no small-sample factor", level=level, df_rule="normal distribution",
            **sides, r_call=_in_r(sample, method), stata_call=_in_stata(sample, method)))
    if sample.panel:
        found = difference(sample.y, sample.treated, clusters=sample.clusters)
        return infer(found.estimate, found.std_error, found.df, conf_level), found.vcov, StandardErrorCard(
            formula=f"{found.formula}, of changes", correction=found.correction, level=level, df_rule=found.df_rule,
            **sides, r_call=found.r_call.replace("y ~", "change ~"))
    after = sample.after.astype(float)
    fit = least_squares(np.column_stack([np.ones(len(after)), sample.treated, after, sample.treated * after]), sample.y,
                        ("intercept", "group", "after", "treated"), must_keep=("treated",))
    cov = covariance(fit, "CR2", sample.clusters)
    pick = np.array([0.0, 0.0, 0.0, 1.0])
    alone = sample.clusters is None
    return (infer(float(fit.coefficients[3]), cov.std_error(pick), satterthwaite_df(fit, cov, pick), conf_level),
            "HC2" if alone else "CR2", StandardErrorCard(
                formula="HC2, four cells" if alone else "CR2, four cells", correction="Bell–McCaffrey adjustment",
                level=level, df_rule="Bell–McCaffrey" if alone else "Satterthwaite", **sides,
                r_call="estimatr::lm_robust(y ~ group * after" + (")" if alone else ", clusters = g, se_type = 'CR2')")))


def _in_r(sample: _Sample, method: str) -> str:
    """Call of R's DRDID; it has no clusters."""
    weights = ", weightsname = 'w'" * (sample.weights is not None)
    call = R_CALLS[method].replace("PANEL", f"{'TRUE' if sample.panel else 'FALSE'}{weights}")
    return "" if sample.clusters is not None else call if sample.x.shape[1] else call.replace("~ x", "~ 1")


def _in_stata(sample: _Sample, method: str) -> str:
    x, weights = " x" * bool(sample.x.shape[1]), " [iw=w]" * (sample.weights is not None)
    return (f"drdid y{x}{weights}, {'ivar(unit) ' * sample.panel}time(t) tr(d) {STATA[method]}"
            f"{' cluster(g)' * (sample.clusters is not None)}")


def _by_influence(sample: _Sample, method: str, conf_level: float,
                  card: StandardErrorCard) -> tuple[Inference, str, StandardErrorCard]:
    after = sample.after.astype(float)
    try:
        if not sample.x.shape[1]:
            effect, influence = _means(sample)
        elif sample.panel:
            found = panel_effect(sample.y, sample.treated, sample.x, sample.weights, method=method)
            effect, influence = found.estimate, found.influence
        else:
            found = cross_section_effect(sample.y, after, sample.treated, sample.x, sample.weights, method=method)
            effect, influence = found.estimate, found.influence
    except NotEstimableError as error:
        raise DesignError(Problem(where="covariates", what=str(error), cure="Leave out covariates that define who was "
                                  "treated or repeat each other, or find a better comparison group."),
                          source="design") from None
    summed = influence if sample.clusters is None else np.bincount(sample.clusters, weights=influence)
    return infer(effect, float(np.sqrt(summed @ summed)), None, conf_level), "influence", card


def _means(sample: _Sample) -> tuple[float, Array]:
    """Weighted differences of means, and each entry's influence."""
    influence = np.zeros(len(sample.y))
    masks = [(1.0 if arm else -1.0, sample.treated == arm) for arm in (1, 0)]
    if not sample.panel:
        masks = [(sign * when, mask & (sample.after if when > 0 else ~sample.after)) for sign, mask in masks
                 for when in (1.0, -1.0)]
    effect, parts = group_means([(sign, sample.y[mask], sample.weights[mask] if sample.weights is not None else None)
                                 for sign, mask in masks])
    for (_, mask), part in zip(masks, parts, strict=True):
        influence[mask] = part
    return effect, influence


def _two_periods(known: Sequence[float], given: Sequence[float] | None, time: str) -> tuple[float, float]:
    periods = sorted(float(t) for t in known)
    chosen = sorted(float(t) for t in given) if given is not None else periods
    if len(chosen) != 2:
        raise DesignError(Problem(where="periods", what=f"two periods are needed, {len(chosen)} are "
                                  f"{'given' if given is not None else 'in the data'}",
                                  cure="Write periods: [first, second]."), source="design")
    if chosen[0] == chosen[1]:
        raise DesignError(Problem(where="periods", what=f"both are {chosen[0]:.12g}", cure="Write the period before and "
                                  "the one "
                                  "after: periods: [first, second]."), source="design")
    for t in chosen:
        if t not in periods:
            raise DesignError(Problem(where="periods", what=f"no usable row has {time} = {t:.12g}",
                                      cure=f"Periods with data: {', '.join(f'{p:.12g}' for p in periods)}."),
                              source="design")
    return chosen[0], chosen[1]


def _need_both(rows: Selection, unit: str, before: float) -> None:
    seen = rows.column(unit).value_counts()
    once = rows.data[unit].isin(seen[seen < 2].index)
    rows.drop(once & rows.kept, "seen_once", "measured in one of the two periods only")
    if not rows.kept.any():
        raise DesignError(Problem(
            where="data", what=f"no unit that is untreated in the first period is measured in both{_early(rows, before)}",
            cure="Choose other periods, with one from before the programme."), source="design")


def _paired(found: Panel, outcome: str, unit: str, time: str, after: float, covariates: Sequence[str],
            cluster: str | None, weights: str | None, transform: str) -> _Sample:
    """One change a unit, with its covariates before."""
    rows, first = found.rows, found.first if found.first is not None else np.empty(0)
    codes, late = rows.codes(unit), rows.numbers(time) == after
    raw = rows.numbers(outcome)
    y = transformed(raw, transform, outcome, rows.kept.nonzero()[0])
    last = np.flatnonzero(late)[np.argsort(codes[late], kind="stable")]
    begin = np.flatnonzero(~late)[np.argsort(codes[~late], kind="stable")]
    return _Sample(
        panel=True, y=y[last] - y[begin], treated=(first[rows.kept][last] <= after).astype(float),
        after=np.ones(len(last), dtype=bool), later=y[last], raw=raw,
        x=np.column_stack([rows.numbers(c)[begin] for c in covariates]) if covariates else np.empty((len(last), 0)),
        weights=rows.numbers(weights)[begin] if weights is not None else None,
        clusters=rows.codes(cluster)[last] if cluster is not None and cluster != unit else None)


def _pooled(found: Panel, outcome: str, unit: str | None, time: str, after: float, covariates: Sequence[str],
            cluster: str | None, weights: str | None, transform: str) -> _Sample:
    """Single rows of both periods."""
    rows, first = found.rows, found.first if found.first is not None else np.empty(0)
    raw = rows.numbers(outcome)
    y = transformed(raw, transform, outcome, rows.kept.nonzero()[0])
    late = rows.numbers(time) == after
    level = cluster if cluster is not None else unit
    return _Sample(
        panel=False, y=y, treated=(first[rows.kept] <= after).astype(float), after=late, later=y[late], raw=raw,
        x=np.column_stack([rows.numbers(c) for c in covariates]) if covariates else np.empty((len(y), 0)),
        weights=rows.numbers(weights) if weights is not None else None,
        clusters=rows.codes(level) if level is not None else None)

"""Effects by cohort and period when units are first treated at different times (Callaway & Sant'Anna 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.arguments import check_flags
from impact.did.aggregation import KINDS
from impact.did.arrangement import Arrangement, arrange
from impact.did.calls import group_time_calls
from impact.did.cells import Cells, Comparison, estimate_cells, plan
from impact.did.estimands import group_time_question
from impact.did.group_effects import GroupTimeEffects, Report, group_time_effects
from impact.did.layout import Layout, lay_out
from impact.did.multiplier import DRAWS
from impact.did.opening import Asked, open_panel
from impact.did.standing import count_entered, leave_out, no_base_note
from impact.errors import DesignError, Problem
from impact.inference.report import FEW_CLUSTERS, few_for_large_samples, spread
from impact.results import Caveat, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("reg", "ipw", "dr")
SMALL = 20  # treated units or clusters of a start date, below which errors without small-sample factor are too small
COVERED = "in simulations a 95% interval held the truth 91 to 95 times in 100 with 10 firms a start date, 90 to 93 with 7"


def group_time_att(data: pd.DataFrame, *, outcome: str, unit: str | None = None, time: str,
                   first_treated: str | None = None, treatment: str | None = None, ever_treated: bool = False,
                   control_group: str = "not_yet_treated", method: str = "dr", covariates: Sequence[str] = (),
                   cluster: str | None = None,
                   weights: str | None = None, anticipation: float = 0, base_period: str = "varying",
                   season: int | None = None, unbalanced: str = "within_cell", panel: bool = True, transform: str = "none",
                   conf_level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> GroupTimeEffects:
    """Effect on each cohort in each period, against units not treated by then, and their averages.

    Parameters
    ----------
    data : DataFrame, one row a unit and period (or, with ``panel=False``, a unit surveyed once).
    outcome : column, in its own unit.
    unit : id column; may be left out for repeated cross-sections. time : numeric column of the period.
    first_treated : column of the first treated period, the same on all rows of a unit, missing or infinite where never
        treated; or
    treatment : 0/1 column that may differ by period. One that switches off is refused, unless ``ever_treated`` says that a
        unit counts as treated from its start on. Give exactly one of the two.
    control_group : "not_yet_treated" (never, or later than both periods compared) or "never_treated".
    method : with covariates, "dr" (doubly robust), "reg" (outcome regression) or "ipw" (weighting by the odds of
        treatment); without covariates all three are differences of means.
    covariates : numeric columns; a panel takes them from the earlier period of each comparison, as R did.
    cluster : column of the level at which treatment was decided; the unit when left out.
    weights : column of positive weights, constant within a unit.
    anticipation : whole number of periods before treatment in which it may already act.
    base_period : before treatment, compare each period with the one before it ("varying"), or all with the last one
        before treatment ("universal", which sensitivity analyses need).
    season : length of the seasonal cycle in periods, such as 4 for quarters: each period is then compared with one
        of the same season, or the caveat ``season`` says where not.
    unbalanced : how units with missing rows serve: "within_cell" (all pairs of each comparison), "balanced" (only units
        seen in every period) or "repeated_cross_section" (every row, pairs or not). A unit without the row its comparison
        starts from is not in that effect, but keeps its weight in its cohort's share of the averages.
    panel : False where different units are surveyed in each period; rows of the same ``unit`` then share an error.
    transform : "none" or "log".
    conf_level : a share. draws, seed : of the bands' bootstrap.

    Returns
    -------
    GroupTimeEffects
        Row 0 is the average over treated units and periods; then each cohort and period with its N, or the reason why it
        cannot be estimated. ``.aggregate("simple"|"dynamic"|"group"|"calendar")``, ``.covariance("dynamic")``. Intervals
        stand alone; the uniform band is in each row's details.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`; also clusters or weights that change within a unit, and a treatment
        that switches off.
    DesignError
        Nobody treated after the first period, nobody to compare with, or no effect that can be estimated.

    Notes
    -----
    Estimand: ATT(g, t), the effect in t on units first treated in g, and its averages. Assumes parallel trends (given
    covariates) between each cohort and its comparison, and no anticipation beyond what is declared. Callaway & Sant'Anna
    (2021, Journal of Econometrics 225, sections 2–4); kernels of Sant'Anna & Zhao (2020). Errors: influence functions,
    summed by cluster, no small-sample factor, normal distribution; below 20 treated units (clusters) a start date they are
    somewhat too small, and ``small_cohorts`` says so. Too few clusters (``few_clusters``) are judged by all treated ones
    in an average, since their luck is averaged, and by the fewest comparison ones of any of its cells: an early cell that
    borrows those treated later makes no late cell surer. An average with a cell that rests on one treated or comparison
    cluster (unit) has no standard error. Counts are of rows and units in effects after treatment. Where nobody is never
    treated, the last cohort serves as comparison only. Units first treated after the last period are never-treated for
    "not_yet_treated" and left out for "never_treated". Reference cases: did_mpdta_cs_* and did_jtrain_cs_* (R did 2.3.0;
    tests/test_group_time.py).
    """
    check_flags(panel=panel, ever_treated=ever_treated)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    lay = lay_out(open_panel(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, treatment=treatment, ever_treated=ever_treated,
        control_group=control_group, covariates=covariates, cluster=cluster, weights=weights, anticipation=anticipation,
        season=season, unbalanced=unbalanced, paired=panel, transform=transform, conf_level=conf_level, by_cells=True)))
    layout = arrange(lay)
    spent = None if np.isinf(layout.first).any() else float(layout.cohorts[-1])
    comparisons = plan(layout.periods, layout.cohorts, base_period=base_period, anticipation=anticipation, season=season,
                       spent=spent, step=lay.step)
    cells = estimate_cells(layout, comparisons, never_only=control_group == "never_treated", anticipation=anticipation,
                           method=method)
    _need_effects(cells)
    counts = count_entered(lay, cells.entered)
    baseless = leave_out(layout, cells)
    report = Report(
        outcome=outcome, periods=layout.periods, step=lay.step, conf_level=conf_level, draws=draws, seed=seed,
        transform=transform, share=lay.share, outcome_sd=spread(lay.y[cells.used & ~lay.treated]), counts=counts,
        card=_card(lay, method, base_period, cells),
        dropped=tuple(lay.rows.dropped), details=_details(lay, cells, season),
        caveats=(*_caveats(lay, cells, comparisons), *no_base_note(baseless), *_small_cohorts(layout, cells),
                 *_small_comparison(layout, cells), *few_for_large_samples(counts.clusters)),
        covariates=bool(lay.labels), repeated=not layout.wide, noun=_noun(lay), anticipation=anticipation,
        questions={kind: group_time_question(kind, control_group=control_group, anticipation=anticipation, season=season,
                                             weighted=weights is not None, rows=unit is None) for kind in KINDS})
    return group_time_effects(cells, report)


def _need_effects(cells: Cells) -> None:
    """Refuse where no effect after treatment can be estimated, saying why for each kind of reason."""
    if (cells.grid.known & cells.grid.after).any():
        return
    reasons = dict.fromkeys(cell.reason for cell, after in zip(cells.cells, cells.grid.after, strict=True) if after)
    raise DesignError(
        [Problem(where="effects after treatment", what=f"none can be estimated: {reason}", cure="Use another comparison "
                 "group, fewer covariates, or more periods.") for reason in reasons], source="design")


def _noun(lay: Layout) -> str:
    """Name the level of assignment in a sentence."""
    if lay.asked.cluster in (None, lay.asked.unit):
        return "unit" if lay.asked.unit is not None else "row"
    return str(lay.asked.cluster)


def _card(lay: Layout, method: str, base_period: str, cells: Cells) -> StandardErrorCard:
    r_call, stata_call = group_time_calls(lay, method, base_period)
    used = cells.grid.known & cells.grid.after
    others = {cell.groups[1] for cell, use in zip(cells.cells, used, strict=True) if use}
    return StandardErrorCard(
        formula="influence functions of the group-time effects, shares of cohorts estimated",
        correction="no small-sample factor" + ", comparison counted where fewest" * (len(others) > 1), level=lay.level,
        df_rule="normal distribution", r_call=r_call, stata_call=stata_call)


def _details(lay: Layout, cells: Cells, season: int | None) -> tuple[tuple[str, Any], ...]:
    return (*lay.record, ("season", season), ("cells", len(cells.cells)),
            ("cells_without_effect", int((~cells.grid.known).sum())))


def _caveats(lay: Layout, cells: Cells, comparisons: Sequence[Comparison]) -> tuple[Caveat, ...]:
    out = [*lay.notes]
    apart = [c for c in comparisons if not c.same_season and not c.reason]
    if apart:
        out.append(Caveat(code="season", text=f"{len(apart)} of {len(comparisons)} comparisons are with another season, "
                          "because the cohort has no earlier period of the same season.", values=(("cells", len(apart)),)))
    trimmed = sum(c.trimmed for c in cells.cells)
    if trimmed:
        out.append(Caveat(code="trimmed", text=f"In all comparisons together {trimmed} comparison units look almost surely "
                          "treated and have no weight.", values=(("units", trimmed),)))
    return tuple(out)


def _small_cohorts(layout: Arrangement, cells: Cells) -> list[Caveat]:
    """Say where start dates in the effect hold too few treated units or clusters for errors without small-sample factor."""
    noun = "units" if layout.layout.asked.cluster in (None, layout.layout.asked.unit) else "clusters"
    sizes = [_size(layout, float(g)) for g in np.unique(cells.grid.cohort[cells.grid.known & cells.grid.after])]
    few = sum(size < SMALL for size in sizes)
    if not few:
        return []
    said = f"{few} of {len(sizes)} start dates have" if len(sizes) > 1 else "The start date has"
    return [Caveat(code="small_cohorts", text=f"{said} fewer than {SMALL} treated {noun}: the interval is somewhat too "
                   f"narrow ({COVERED}).", values=(("cohorts", few), ("fewest", min(sizes))))]


def _small_comparison(layout: Arrangement, cells: Cells) -> list[Caveat]:
    """Say where effects are compared with too few units or clusters for errors without small-sample factor."""
    noun = "units" if layout.layout.asked.cluster in (None, layout.layout.asked.unit) else "clusters"
    used = cells.grid.known & cells.grid.after
    fewest = min(cell.groups[1] for cell, use in zip(cells.cells, used, strict=True) if use)
    if not FEW_CLUSTERS <= fewest < SMALL:  # below, nothing is read off the interval
        return []
    return [Caveat(code="small_comparison", text=f"Effects are compared with as few as {fewest} {noun}, fewer than "
                   f"{SMALL}: the interval is somewhat too narrow (in simulations with 7 comparison districts and many "
                   "treated ones a 95% interval held the truth about 91 times in 100).", values=(("fewest", fewest),))]


def _size(layout: Arrangement, cohort: float) -> int:
    """Treated units (clusters, or rows of repeated cross-sections) with one start date."""
    mine = layout.first == cohort
    return int(mine.sum()) if layout.level is None else len(np.unique(layout.level[mine]))

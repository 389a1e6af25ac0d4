"""Triple differences: the change among affected treated units, less that of others there, less the same elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import check_columns, counted, listed, require_columns
from impact.data.panel import drop_singletons
from impact.data.privacy import speakable
from impact.did.calls import fixest
from impact.did.effects import Story, clustered, fit_within, infer_along, regression_card, tell
from impact.did.estimands import QUESTIONS
from impact.did.layout import Layout, lay_out
from impact.did.opening import Asked, Opened, open_panel
from impact.did.wild import beside
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array
from impact.results import Caveat, Estimate

if TYPE_CHECKING:
    import pandas as pd

ASSUMPTIONS = (
    "Without the programme, the gap between affected and unaffected units would have moved alike in the treated and the "
    "comparison group.",
    "Units did not change their outcome before treatment because they expected it.",
    "Unaffected units, and units of the comparison group, are not touched by the programme.",
)


def triple_difference(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str, affected: str,
                      control_group: str = "never_treated", covariates: Sequence[str] = (), cluster: str | None = None,
                      weights: str | None = None, unbalanced: str = "within_cell", transform: str = "none",
                      conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Difference-in-differences among the affected, less that among the unaffected.

    Parameters
    ----------
    data, outcome, unit, time, covariates, cluster, weights, unbalanced, transform, conf_level
        As :func:`impact.did.imputation`. ``cluster`` is usually the group the programme was given to (district, state).
    first_treated : first treated period of the unit's group, on all rows of all its units, affected or not; missing or
        infinite in the comparison group. One period only.
    affected : 0/1 column, constant within a unit: whom the programme is for, known in both groups.
    control_group : "never_treated" leaves out units of the treated group that are not seen after its start;
        "not_yet_treated" keeps them. The comparison group is never treated in either case.
    seed : of the wild cluster bootstrap, shown beside with fewer than 40 clusters or 20 treated.

    Returns
    -------
    Estimate
        ``n_treated`` and ``n_units_treated`` count affected units of the treated group, from its start on; all other rows
        and units are the comparison. The caveat ``four_groups`` and ``details`` say how many units each group has.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`; also when ``affected`` is not 0/1 or changes within a unit.
    DesignError
        Several first treated periods, or one of the four groups is empty.

    Notes
    -----
    Estimand: ATT on affected units of the treated group, mean over its treated periods. Assumes that the gap between
    affected and unaffected would have moved alike in both groups: weaker than parallel trends in each (Olden & Møen 2022,
    Econometrics Journal 25). Regression with effects for unit, group by period and affected by period (Gruber
    1994, AER 84, equation 1, with unit effects). Several start dates are refused: with them this is not the difference of
    two difference-in-differences, and pooling not-yet-treated groups is biased (Ortiz-Villavicencio & Sant'Anna 2025).
    Covariates enter with one slope. Errors: CR1S, K counts the independent period effects, t(G−1). Reference case: none
    stored; by hand, as the difference of two two-by-twos, and statsmodels with full dummies (tests/test_triple.py).
    """
    lay, mine = lay_out_groups(data, Asked(
        outcome=outcome, unit=unit, time=time, first_treated=first_treated, covariates=covariates, cluster=cluster,
        control_group=control_group, weights=weights, transform=transform, conf_level=conf_level, unbalanced=unbalanced),
        affected)
    treated = lay.treated * mine
    design, names = design_of(lay, mine)
    fit = fit_within(lay.y, np.column_stack([design, treated]), [*names, "treated"], lay.units, lay.weights,
                     must_keep=("treated",))
    pick = np.eye(fit.k)[-1]
    cells = _cells(lay, mine)
    story = Story(method="triple_difference", vcov="CR1S", assumptions=ASSUMPTIONS,
                  card=regression_card(lay, "unit, group-by-period and affected-by-period effects",
                                       fixest(lay, "d", "unit + group^time + affected^time")))
    made = tell(lay, story, infer_along(fit, clustered(fit, lay), pick, conf_level), rows=treated == 1,
                question=QUESTIONS["triple_difference"][""], period=lay.span, caveats=[_four_groups(cells)],
                counts=replace(lay.counts(treated == 1), comparison=int((treated == 0).sum())),
                details=(("cells", cells),))
    return beside(made, fit, pick, lay.clusters, seed)


def lay_out_groups(data: pd.DataFrame, asked: Asked, affected: str) -> tuple[Layout, Array]:
    """Check a panel of four groups and lay it out: the layout, and who is affected, (n,) of 0 and 1."""
    require_columns(data, affected=affected)
    check_columns(data, zero_one=(affected,))
    opened = open_panel(data, asked)
    _check_affected(opened, str(asked.unit), affected)
    lay = lay_out(opened)
    mine = opened.rows.numbers(affected)
    _check_groups(lay, mine, asked.starts)
    return lay, mine


def design_of(lay: Layout, affected: Array) -> tuple[Array, list[str]]:
    """Columns beside unit effects: periods, group by period and affected by period, and covariates; and their names."""
    dummies, labels = lay.period_dummies()
    group = lay.ever.astype(float)
    return np.column_stack([dummies, dummies * group[:, None], dummies * affected[:, None], lay.extra]), [
        *labels, *(f"{x}, treated group" for x in labels), *(f"{x}, affected" for x in labels), *lay.labels]


def _check_affected(opened: Opened, unit: str, affected: str) -> None:
    """Refuse a mark that moves within a unit; leave out rows without it."""
    rows = opened.rows
    moving = rows.data.loc[rows.kept].groupby(unit)[affected].nunique(dropna=True)
    moving = moving[moving > 1]
    if len(moving):
        raise DataError(Problem(
            where=f"column '{affected}'", what=f"it changes over time for {counted(len(moving), 'unit')} "
            f"({listed(speakable(moving.index))})", cure="Mark whom the programme is for by a trait from before it, the "
            "same on all rows of a unit."), source="data")
    rows.drop(rows.data[affected].isna(), "affected_missing", f"{affected} is missing")
    drop_singletons(rows)


def _check_groups(lay: Layout, affected: Array, first_treated: str) -> None:
    starts = np.unique(lay.first[lay.ever])
    problems = []
    if len(starts) > 1:
        problems.append(Problem(
            where=f"column '{first_treated}'", what=f"treatment began in several periods "
            f"({listed(f'{t:.12g}' for t in starts)}), and triple differences are then no difference of two "
            "difference-in-differences", cure="Keep one start date and groups never treated, one date at a time."))
    for ever, side in ((True, "treated"), (False, "comparison")):
        for mark, who in ((1, "affected"), (0, "unaffected")):
            if not ((lay.ever == ever) & (affected == mark)).any():
                cure = (f"'{first_treated}' must name the start of the unit's group, for unaffected units too." if ever and
                        not mark else "Triple differences compare four groups: find units of each.")
                problems.append(Problem(where="comparison", what=f"no {who} unit of the {side} group is in the data",
                                        cure=cure))
    if problems:
        raise DesignError(problems, source="design")


def _four_groups(cells: Sequence[tuple[str, float, float, int]]) -> Caveat:
    """Say how many units each of the four groups has, and which of them are counted as treated."""
    sizes = [units for _, _, _, units in cells]
    return Caveat(code="four_groups", text=f"Counted as treated are the {sizes[0]} affected units of the treated group. "
                  f"The other {sum(sizes[1:])} are the comparison: {sizes[1]} unaffected units of the treated group, "
                  f"{sizes[2]} affected and {sizes[3]} unaffected units of the comparison group. Clusters are counted by "
                  "group.", values=tuple((name, units) for name, _, _, units in cells))


def _cells(lay: Layout, affected: Array) -> tuple[tuple[str, float, float, int], ...]:
    """Mean before and after the start in each of the four groups, with its units."""
    start = float(lay.first[lay.ever].min())
    out = []
    for ever, side in ((True, "treated"), (False, "comparison")):
        for mark, who in ((1, "affected"), (0, "unaffected")):
            rows = (lay.ever == ever) & (affected == mark)
            before, after = (lay.y[rows & ((lay.when >= start) == late)] for late in (False, True))
            out.append((f"{side}, {who}", float(before.mean()) if len(before) else np.nan,
                        float(after.mean()) if len(after) else np.nan, len(np.unique(lay.units[rows]))))
    return tuple(out)

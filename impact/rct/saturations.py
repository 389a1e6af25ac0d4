"""Trials that draw for each cluster the share of its units to be invited: effects by saturation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import places, rows_text
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes
from impact.rct.cells import (
    CellRegression,
    Recipe,
    Sides,
    one_armed,
    regress_on_cells,
    select_cells,
    thin,
    uneven_caveats,
    varying,
)
from impact.rct.trial import Trial
from impact.rct.two_level import CONTROL, LOT, ONCE, SEEN, WHOLE, both_levels, control_mean, misplaced
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 10


def saturation(data: pd.DataFrame, *, outcome: str, treatment: str, cluster: str, saturation: str,
               covariates: Sequence[str] = (), strata: str | None = None, weights: str | None = None,
               vcov: str | None = None, transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimates:
    """Effects by how many were invited, where the share invited was itself drawn for each cluster.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (unit invited) and 0 (not).
    cluster : column of the groups that were drawn.
    saturation : column of the share drawn for the cluster, 0 to 1 (0: pure control; not the share that came about).
    covariates, strata, weights, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`; ``strata`` are those of the draw of clusters.

    Returns
    -------
    Estimates
        ``total`` (the headline), ``treated`` and ``untreated`` pooled over positive saturations; the slopes of the effects
        on treated and untreated in the saturation (per 1.00, from nobody to everybody), where two or more levels allow it;
        then each level's effects on treated and untreated, all against pure control. ``details`` of the headline list the
        levels: share, clusters, units treated, units untreated, weight.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`.
    DesignError
        Without pure control clusters; with shares outside 0 to 1, or varying within clusters; with treated units at 0 or
        untreated at 1; with a level of which fewer than two clusters hold treated (untreated) units. All at once.

    Notes
    -----
    Assumes that levels and invitations were drawn by lot, and no effects between clusters.
    Estimands (Baird, Bohren, McIntosh & Özler 2018, Review of Economics and Statistics 100), at level p: a(p),
    treated against pure control; b(p), untreated against pure control; total p·a(p) + (1 − p)·b(p). Pooled: their
    average over positive levels, each with the share of the clusters (found again) that drew it, so that each cell counts
    as designed and not by how many of its units were sampled; without covariates that is the regression weighted by the
    inverse of the probability of each cell. Slopes: of the line through the levels' effects, with the same weights.
    One regression with a dummy a cell; CR2 by cluster. One positive level gives the numbers of :func:`spillover`.
    Few clusters: as there, levels being drawn again among clusters.
    Reference case: by hand, and the weighted regression (tests/test_two_level.py).
    """
    trial = select_cells(data, outcome=outcome, roles={treatment: "treatment", saturation: "saturation"},
                         zero_one=(treatment,), covariates=covariates, strata=strata, cluster=cluster, weights=weights,
                         transform=transform)
    share, given = np.round(trial.rows.numbers(saturation), 9), trial.rows.numbers(treatment)
    levels = [float(level) for level in np.unique(share[share > 0])]
    groups = _saturation_groups(share, given, levels)
    problems = _saturation_problems(data, treatment, saturation, levels) or thin(trial, groups, SEEN)
    problems = [*varying(data, (saturation, strata), cluster, ONCE), *problems] or one_armed(
        trial, [((saturation,), cluster)], strata)
    if problems:
        raise DesignError(problems, source="design")
    asked = data[saturation].astype(float).round(9)
    trial.caveats += uneven_caveats(
        trial, {f"{level:g}": (share == level).astype(float) for level in (0.0, *levels)},
        {f"{level:g}": (asked == level).where(asked.notna()) for level in (0.0, *levels)}, "saturations", strata, cluster)
    regression = regress_on_cells(
        trial, {name: rows for name, rows in groups.items() if name != CONTROL}, outcome=outcome, method="saturation",
        cluster=cluster, vcov=vcov, transform=transform, conf_level=conf_level)
    drawn = _drawn_shares(trial, share, levels)
    found = [*_pooled(regression, groups, drawn), *_slopes(regression, groups, drawn), *_by_level(regression, groups)]
    if vcov is None:
        label = np.searchsorted(np.array([0.0, *levels]), share).astype(np.int64)
        rows = both_levels(regression, [row for row, _ in found], [picks for _, picks in found], label, given,
                           lambda codes: _dummies(codes, levels, regression), seed)
    else:
        rows = [row for row, _ in found]
    return Estimates(rows=tuple(rows))


def _sum_of(picks: Mapping[str, float]) -> Recipe:
    """Write a weighted sum of cells' coefficients out."""
    return Recipe("factor(cell)", "", f"{' + '.join(f'{weight:.6g}·[{cell}]' for cell, weight in picks.items())}, "
                  "clubSandwich::linear_contrast")


Found = list[tuple[Estimate, dict[str, float]]]  # rows, each with the coefficients it is a sum of


def _dummies(codes: Codes, levels: Sequence[float], regression: CellRegression) -> dict[str, Array]:
    """Lay out the cells of codes 2·level + treated, those that the regression has."""
    cells = {_at(side, level): (codes == 2 * (i + 1) + (side == "treated")).astype(float)
             for i, level in enumerate(levels) for side in ("treated", "untreated")}
    return {name: rows for name, rows in cells.items() if name in regression.fit.names}


def _at(side: str, level: float) -> str:
    return f"{side} at {level:.9g}"


def _saturation_groups(share: Array, given: Array, levels: Sequence[float]) -> dict[str, Array]:
    groups = {CONTROL: (share == 0).astype(float)}
    for level in levels:
        groups[_at("treated", level)] = (share == level) * given
        if level < 1:
            groups[_at("untreated", level)] = (share == level) * (1 - given)
    return groups


def _saturation_problems(data: pd.DataFrame, treatment: str, saturation: str, levels: Sequence[float]) -> list[Problem]:
    column = data[saturation]
    out = [*misplaced(data, treatment, column == 0, 1, "treated in clusters with saturation 0"),
           *misplaced(data, treatment, column == 1, 0, "untreated in clusters with saturation 1")]
    outside = places((column < 0) | (column > 1)) + 1
    if len(outside):
        out.append(Problem(where=f"column '{saturation}'", what=f"{len(outside)} rows lie outside 0 to 1 "
                           f"({rows_text(outside)})", cure="Write thirty per cent as 0.3."))
    elif not 1 <= len(levels) <= MOST_LEVELS:
        out.append(Problem(where=f"column '{saturation}'", what=f"it has {len(levels)} positive levels; 1 to {MOST_LEVELS} "
                           "can be compared", cure="Write the share that was drawn, not the share that came about."))
    return out


def _drawn_shares(trial: Trial, share: Array, levels: Sequence[float]) -> dict[float, float]:
    """Share of the clusters with a positive saturation that drew each level."""
    codes = trial.clusters if trial.clusters is not None else np.arange(len(share))
    counts = [len(np.unique(codes[share == level])) for level in levels]
    return {level: count / sum(counts) for level, count in zip(levels, counts, strict=True)}


def _pooled(regression: CellRegression, groups: Mapping[str, Array], drawn: Mapping[float, float]) -> Found:
    """Total, effect on the treated and on the untreated, each level counting as often as it was drawn."""
    control = groups[CONTROL]
    base = control_mean(regression, control)
    picks: dict[str, dict[str, float]] = {"total": {}, "treated": {}, "untreated": {}}
    below = sum(weight for level, weight in drawn.items() if level < 1)
    for level, weight in drawn.items():
        picks["total"][_at("treated", level)] = weight * level
        picks["treated"][_at("treated", level)] = weight
        if level < 1:
            picks["total"][_at("untreated", level)] = weight * (1 - level)
            picks["untreated"][_at("untreated", level)] = weight / below
    texts = {
        "total": ("tce", "the average effect of the programme on all eligible units of a cluster that takes part"),
        "treated": ("itt", "the average effect on the treated, of their own treatment and of others'"),
        "untreated": ("snt", "the average effect on the untreated of others in their cluster being treated (spillover)"),
    }
    out: Found = []
    for name, (estimand, question) in texts.items():
        if not picks[name]:
            continue
        rows = np.asarray(sum(groups[cell] for cell in picks[name]))
        caveats, details = _levels(regression, groups, drawn) if name == "total" else ((), ())
        out.append((regression.row(
            picks[name], Sides(rows, control, base), _sum_of(picks[name]), term=name, name=name, estimand=estimand,
            question=f"{question}, over the saturations as drawn", caveats=caveats, details=details,
            assumptions=(*LOT, *WHOLE) if name == "total" else LOT), picks[name]))
    return out


def _levels(regression: CellRegression, groups: Mapping[str, Array],
            drawn: Mapping[float, float]) -> tuple[tuple[Caveat, ...], tuple[tuple[str, object], ...]]:
    """What the headline says of the levels: a caveat where there is one only, and their table."""
    nobody, table = np.zeros(regression.fit.n), []
    for level, weight in drawn.items():
        treated, untreated = groups[_at("treated", level)], groups.get(_at("untreated", level), nobody)
        clusters = regression.counts(Sides(treated, untreated)).clusters
        table.append((level, clusters, int(treated.sum()), int(untreated.sum()), weight))
    caveat = Caveat(code="one_saturation", text="One positive saturation was drawn: how effects move with the saturation "
                    "cannot be seen.")
    return (caveat,) if len(drawn) == 1 else (), (("levels", tuple(table)),)


def _slopes(regression: CellRegression, groups: Mapping[str, Array], drawn: Mapping[float, float]) -> Found:
    """Slope of the line through the levels' effects, levels weighted as drawn."""
    out: Found = []
    for side in ("treated", "untreated"):
        levels = np.array([level for level in drawn if _at(side, level) in groups])
        if len(levels) < 2:
            continue
        weights = np.array([drawn[level] for level in levels])
        distance = levels - np.average(levels, weights=weights)
        steps = weights * distance / float(weights @ distance**2)
        # a slope has no arms: levels above the average stand on one side, those below on the other
        above, below = (np.asarray(sum(groups[_at(side, level)] for level in levels[chosen]))
                        for chosen in (distance > 0, distance <= 0))
        picks = {_at(side, level): float(step) for level, step in zip(levels, steps, strict=True)}
        out.append((regression.row(
            picks, Sides(above, below), _sum_of(picks), term=f"slope, {side}", name=f"slope-{side}", estimand="slope",
            question=f"by how much the effect on the {side} changes as the share invited in the cluster goes from 0 to 1, "
            "if it moves in a straight line", assumptions=LOT), picks))
    return out


def _by_level(regression: CellRegression, groups: Mapping[str, Array]) -> Found:
    base = control_mean(regression, groups[CONTROL])
    out: Found = []
    for cell in regression.fit.names[-(len(groups) - 1):]:
        side, level = cell.split(" at ")
        recipe = Recipe("factor(cell)", "i.cell", f"coefficient {cell}")
        out.append((regression.row(
            {cell: 1.0}, Sides(groups[cell], groups[CONTROL], base), recipe, term=cell, name=f"{side}-{level}",
            estimand="itt" if side == "treated" else "snt", assumptions=LOT,
            question=f"the average effect on the {side} where a share of {level} of the cluster was treated"), {cell: 1.0}))
    return out

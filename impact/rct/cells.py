"""One regression on dummies of cells (arms, combinations of offers, saturations), and every contrast read from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from impact.data.draws import draw_problems
from impact.data.frame import FEW, as_names, check_columns, listed, require_columns, rows_text
from impact.data.privacy import speakable
from impact.errors import Problem
from impact.inference.assignment import Draw
from impact.inference.beside import wild_contrast
from impact.inference.linear import Array, Codes, Fit, least_squares
from impact.inference.lots import Lots
from impact.inference.replays import Statistics, of_fit
from impact.inference.report import Counterfactual, Counts, is_share, make_estimate, spread
from impact.inference.sandwich import Covariance
from impact.rct.assignment import as_drawn, drop_broken_pairs, overlap_weighted
from impact.rct.few import together, with_few_clusters, with_own_draws, without
from impact.rct.trial import (
    Trial,
    count_sides,
    covariance_of,
    describe,
    infer_contrast,
    is_constant,
    keep_known,
    lay_out,
    picked,
    refuse_left_out,
    regress,
)
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd


MOVES = 1e-9  # a contrast that a shift moves by less is not moved


class Recipe(NamedTuple):
    """The right-hand side that remakes a contrast in R and in Stata, and where it stands in R's result."""

    r: str
    stata: str
    reads: str


class Sides(NamedTuple):
    """Which rows a contrast sets against which, and the mean it is a share of."""

    one: Array
    zero: Array
    base: Counterfactual | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRegression:
    """One regression on dummies of cells, from which every contrast between cells is read with the same covariance.

    Attributes
    ----------
    trial, fit, cov : the rows, the regression and its covariance.
    outcome, method, cluster, transform, conf_level : as the caller named them.
    """

    trial: Trial
    fit: Fit
    cov: Covariance
    outcome: str
    method: str
    cluster: str | None
    transform: str
    conf_level: float

    def row(self, picks: Mapping[str, float], sides: Sides, recipe: Recipe, *, term: str, name: str, estimand: str,
            question: str, assumptions: Sequence[str], caveats: Sequence[Caveat] = (), period: str | None = None,
            details: Sequence[tuple[str, object]] = ()) -> Estimate:
        """Put one contrast together as an Estimate; ``name`` ends its id."""
        trial = self.trial
        inference, rule = infer_contrast(self.fit, self.cov, picked(self.fit, picks), self.conf_level,
                                         clustered=trial.clusters is not None)
        counts = self.counts(sides)
        estimate = make_estimate(
            outcome=self.outcome, term=term, method=self.method, estimand=estimand, inference=inference, counts=counts,
            vcov=self.cov.kind, card=self._card(counts, rule, recipe), base=sides.base, question=question,
            assumptions=assumptions, transform=self.transform, outcome_sd=spread(trial.y[sides.zero > 0]),
            dropped=trial.rows.dropped, caveats=(*trial.caveats, *caveats), share=is_share(trial.raw), period=period,
            details=details)
        return replace(estimate, id=f"{self.outcome}/{self.method}/{name}")

    def counts(self, sides: Sides) -> Counts:
        """Rows and clusters on each side."""
        return count_sides(sides.one > 0, sides.zero > 0, self.trial.clusters)

    def with_few(self, estimate: Estimate, sides: Sides, one: str, zero: str | None, seed: int) -> Estimate:
        """Apply the rule for few clusters to a contrast of two arms of the draw; who got another arm keeps it.

        ``one`` and ``zero`` are coefficients; None is the reference.
        """
        treatment, controls = together(self.fit, one, zero)
        return with_few_clusters(
            estimate, outcome=self.trial.y, offered=treatment, controls=controls[:, 1:], blocks=self.trial.blocks,
            clusters=self.trial.clusters, seed=seed, weights=self.trial.weights, among=(sides.one > 0) | (sides.zero > 0))

    def redrawn(self, rows: Sequence[Estimate], picks: Sequence[Mapping[str, float]], draw: Draw | Lots, observed: Codes,
                cells: Callable[[Codes], Mapping[str, Array]], *, shift: Array, seed: int, said: str,
                held: Array | None = None, holds: str = "") -> list[Estimate]:
        """Draw again for contrasts of cells, with this regression run on every draw.

        Parameters
        ----------
        rows, picks : contrasts and their coefficients. draw, observed : of rows, as codes.
        cells : from codes of rows to the columns that are drawn: the dummies of all cells but the reference.
        shift : (n,) what 'everybody gained one' adds; contrasts it does not move keep their usual interval.
        said : what was drawn and under what the answer holds. holds : as :func:`impact.rct.few.with_own_draws`.
        held : (n, m) what else the draw did, taken out at its estimate: columns that the regression has on every draw
            and that the contrasts do not see, so that it need not be put back as drawn again.
        """
        trial = self.trial
        if is_constant(trial.y):
            return list(rows)
        both, names = np.column_stack([trial.y, shift]), self.fit.names
        base = self.base(cells(observed))
        if held is not None:
            both = without(held, base, both, trial.weights)

        def own(codes: Codes) -> Statistics:
            fit = self.again(base, cells(codes))
            return of_fit(fit, np.array([picked(fit, each) for each in picks]), both, trial.clusters)

        weights = np.ones(self.fit.n) if self.fit.weights is None else self.fit.weights
        moved = self.fit.bread @ ((self.fit.design * weights[:, None]).T @ shift)
        turned = [abs(sum(w * moved[names.index(name)] for name, w in each.items())) > MOVES for each in picks]
        return with_own_draws(rows, own, draw, observed, seed=seed, by_cluster=trial.clusters is not None,
                              inverted=turned, said=said, holds=holds)

    def beside(self, rows: Sequence[Estimate], picks: Sequence[Mapping[str, float]], seed: int) -> list[Estimate]:
        """Show the wild cluster bootstrap beside contrasts where clusters are few."""
        return [wild_contrast(row, self.fit, picked(self.fit, pick), self.trial.clusters, seed)
                for row, pick in zip(rows, picks, strict=True)]

    def base(self, drawn: Iterable[str]) -> Array:
        """Columns of the regression that no draw changes."""
        apart = set(drawn)
        return self.fit.design[:, [j for j, name in enumerate(self.fit.names) if name not in apart]]

    def again(self, base: Array, columns: Mapping[str, Array]) -> Fit:
        """Regress on the columns of :meth:`base` and on others as drawn again, which stand last."""
        names = [name for name in self.fit.names if name not in columns]
        return least_squares(np.column_stack([base, *columns.values()]), self.trial.y, [*names, *columns],
                             weights=self.trial.weights, must_keep=list(columns))

    def _card(self, counts: Counts, rule: str, recipe: Recipe) -> StandardErrorCard:
        _, card = describe(self.fit, self.trial, self.cov.kind, rule, self.cluster, r=recipe.r, stata=recipe.stata)
        return replace(card, r_call=f"{card.r_call} # {recipe.reads}",
                       clusters_treated=counts.clusters_treated or counts.treated,
                       clusters_comparison=counts.clusters_comparison or counts.comparison)


def select_cells(data: pd.DataFrame, *, outcome: str, roles: Mapping[str, str], zero_one: Sequence[str],
                 covariates: Sequence[str], strata: str | None, cluster: str | None, weights: str | None,
                 transform: str, halves: str | None = None) -> Trial:
    """Lay out the rows of a trial whose treatment takes several columns.

    ``roles`` gives the reason a row is left out where a column is missing; whether the cells can be compared is for the
    caller to check. ``halves`` is the offer by which pairs were drawn: half a pair is left out and counted.
    """
    covariates = as_names(covariates)
    require_columns(data, outcome=outcome, treatments=tuple(roles), covariates=covariates, strata=strata, cluster=cluster,
                    weights=weights)
    check_columns(data, zero_one=zero_one, numbers=(outcome, *(name for name in roles if name not in zero_one), *covariates,
                                                    *as_names(weights)), complete=as_names(cluster))
    known = (*roles.items(), (strata, "strata"), (weights, "weight"), (outcome, "outcome"))
    rows = keep_known(data, known, weights)
    if halves is not None and strata is not None:
        drop_broken_pairs(rows, strata, halves, cluster)
    return lay_out(rows, outcome=outcome, offered=rows.numbers(next(iter(roles))), covariates=covariates, strata=strata,
                   cluster=cluster, weights=weights, transform=transform)


def regress_on_cells(trial: Trial, dummies: Mapping[str, Array], *, outcome: str, method: str, cluster: str | None,
                     vcov: str | None, transform: str, conf_level: float) -> CellRegression:
    """Regress the outcome on strata, covariates and the dummies of all cells but the reference."""
    fit = regress(trial, dummies)
    trial.caveats += [caveat for caveat in refuse_left_out(fit) if caveat not in trial.caveats]
    return CellRegression(trial=trial, fit=fit, cov=covariance_of(fit, trial, vcov), outcome=outcome, method=method,
                          cluster=cluster, transform=transform, conf_level=conf_level)


def mean_over(trial: Trial, parts: Sequence[tuple[float, Array]], label: str, transform: str) -> Counterfactual:
    """Weighted average of the means of groups of rows, with sampling weights; for logs the geometric mean.

    Its error is that of what was drawn: rows of one cluster stand together, in whichever of the groups they are.
    """
    weights = np.ones(len(trial.y)) if trial.weights is None else trial.weights
    groups = np.arange(len(trial.y), dtype=np.int64) if trial.clusters is None else trial.clusters
    mean, scores, alone = 0.0, np.zeros(len(trial.y)), False
    for share, rows in parts:
        w = np.where(rows > 0, weights, 0.0) / float(weights[rows > 0].sum())
        own, members = float(w @ trial.y), len(np.unique(groups[rows > 0]))
        mean += share * own
        factor = math.sqrt(members / (members - 1)) if members > 1 else 0.0
        scores += share * factor * w * (trial.y - own)
        alone = alone or members < 2
    if transform == "log":
        return Counterfactual(mean=math.exp(mean), std_error=0.0, label=f"{label} (geometric mean)")
    error = math.inf if alone else float(np.linalg.norm(np.bincount(groups, weights=scores)))
    return Counterfactual(mean=mean, std_error=error, label=label)


def uneven_caveats(trial: Trial, cells: Mapping[str, Array], drawn: Mapping[str, Any], noun: str, strata: str | None,
                   cluster: str | None) -> list[Caveat]:
    """Say that strata count unevenly where they have different shares in the cells.

    Parameters
    ----------
    cells : (n,) of 0 and 1 a cell, of the rows used. drawn : by the same names, (N,) of all rows of the table, with gaps
        where it is not known.
    """
    if strata is None:
        return []
    data = trial.rows.data
    found = [caveat for name, rows in cells.items() for caveat in overlap_weighted(
        rows, trial.blocks, f"in the {noun}", clusters=trial.clusters, weights=trial.weights,
        drawn=as_drawn(data, drawn[name], strata, cluster))]
    if all(c.values for c in found):
        return sorted(found, key=lambda c: -float(dict(c.values)["moved"]))[:1]
    return [Caveat(code="overlap_weighted", text=f"Strata have different shares in the {noun}: with each stratum "
                   f"compared within itself, strata with all {noun} well represented count more.")]


def thin(trial: Trial, cells: Mapping[str, Array], cure: str) -> list[Problem]:
    """List the cells without two units, or two clusters that hold them."""
    groups = trial.clusters if trial.clusters is not None else np.arange(len(trial.y))
    noun, numbers = "cluster" if trial.clusters is not None else "unit", np.flatnonzero(trial.rows.kept) + 1
    problems = []
    for name, rows in cells.items():
        count = len(np.unique(groups[rows > 0]))
        if count < 2:
            problems.append(Problem(where=f"cell {name}", cure=cure, what="it is empty: no unit of it has the outcome"
                                    if not count else f"only one {noun} of it has the outcome "
                                    f"({rows_text(numbers[rows > 0], FEW)}); two are needed"))
    return problems


def one_armed(trial: Trial, drawn: Sequence[tuple[Sequence[str], str | None]], strata: str | None) -> list[Problem]:
    """List the strata in which nothing varies of what was drawn: there is nothing to compare within them.

    ``drawn`` holds the columns of each lot with the column of its clusters, None where units were drawn; of several
    columns it is their combinations that vary.
    """
    if strata is None:
        return []
    data, out = trial.rows.data, []
    for columns, cluster in drawn:
        labels = data[columns[0]] if len(columns) == 1 else data[list(columns)].map(lambda value: f"{value:g}").agg(
            " and ".join, axis=1)
        out += draw_problems(trial.rows, treatment=columns[0], strata=strata, cluster=cluster, arms=labels)
    return out


def varying(data: pd.DataFrame, columns: Sequence[str | None], group: str, cure: str,
            noun: str = "cluster") -> list[Problem]:
    """List columns that were decided by group and yet vary inside groups, with the rows of these groups."""
    problems = []
    for name in columns:
        if name is not None and len(ids := changing(data, name, group)):
            rows = rows_text(np.flatnonzero(data[group].isin(ids)) + 1)
            problems.append(Problem(where=f"column '{name}'", cure=cure, what=f"it varies within {len(ids)} "
                                    f"{noun}{'' if len(ids) == 1 else 's'} ({listed(speakable(ids))}; {rows})"))
    return problems


def changing(data: pd.DataFrame, name: str, group: str) -> pd.Index[Any]:
    """Ids of the groups in which a column takes more than one value; missing values do not count."""
    values = data.groupby(group, sort=True)[name].nunique()
    return values.index[values > 1]

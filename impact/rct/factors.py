"""Trials that cross several offers: what each adds on average, how they work together, what each does alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from impact.data.frame import (
    Selection,
    as_names,
    check_columns,
    check_weights,
    listed,
    require_columns,
    transformed,
    with_missing_indicators,
)
from impact.data.privacy import speakable
from impact.errors import DesignError, Problem
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Fit, least_squares
from impact.inference.multiple import holm
from impact.inference.report import Counterfactual, Counts, is_share, make_estimate, spread
from impact.inference.sandwich import CLUSTERED, Covariance, satterthwaite_df
from impact.rct.assignment import shares_differ
from impact.rct.trial import Trial, covariance_of, describe, refuse_left_out
from impact.results import Caveat, Estimate, Estimates, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

MOST_FACTORS = 4
ASSUMPTIONS = (
    "Which offers a unit got was decided by lot, each offer crossed with the others.",
    "One unit's offers do not change another unit's outcome.",
    "Those found again are comparable between the cells.",
)


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

    def infer(self, picks: Mapping[str, float]) -> tuple[Inference, str]:
        """Test and interval of a weighted sum of coefficients, and the rule of its df."""
        pick = np.zeros(self.fit.k)
        for name, weight in picks.items():
            pick[self.fit.index(name)] = weight
        if self.cov.kind in ("CR2", "CR3"):
            df = satterthwaite_df(self.fit, self.cov, pick)
            rule = "Satterthwaite" if self.trial.clusters is not None else "Bell–McCaffrey"
        elif self.cov.kind in CLUSTERED:
            df, rule = float((self.cov.n_clusters or self.fit.n) - 1), "clusters − 1"
        else:
            df, rule = float(self.cov.residual_df), "n − k"
        return infer(float(pick @ self.fit.coefficients), self.cov.std_error(pick), df, self.conf_level), rule

    def row(self, picks: Mapping[str, float], sides: Sides, recipe: Recipe, *, term: str, name: str, estimand: str,
            question: str, assumptions: Sequence[str], caveats: Sequence[Caveat] = (), period: str | None = None,
            details: Sequence[tuple[str, object]] = ()) -> Estimate:
        """Put one contrast together as an Estimate; ``name`` ends its id."""
        trial = self.trial
        inference, rule = self.infer(picks)
        counts = self.counts(sides)
        estimate = make_estimate(
            outcome=self.outcome, term=term, method=self.method, estimand=estimand, inference=inference, counts=counts,
            vcov=self.cov.kind, card=self._card(counts, rule, recipe), base=sides.base, question=question,
            assumptions=assumptions, transform=self.transform, outcome_sd=spread(trial.y[sides.zero > 0]),
            dropped=trial.rows.dropped, caveats=(*trial.caveats, *caveats), share=is_share(trial.raw), period=period,
            details=details)
        return replace(estimate, id=f"{self.outcome}/{self.method}/{name}")

    def counts(self, sides: Sides) -> Counts:
        """Rows and clusters on each side; a cluster may stand on both."""
        one, zero = sides.one > 0, sides.zero > 0
        n_one, n_zero, codes = int(one.sum()), int(zero.sum()), self.trial.clusters
        groups = [None if codes is None else len(np.unique(codes[rows])) for rows in (one | zero, one, zero)]
        return Counts(n=n_one + n_zero, treated=n_one, comparison=n_zero, units=n_one + n_zero, units_treated=n_one,
                      clusters=groups[0], clusters_treated=groups[1], clusters_comparison=groups[2])

    def _card(self, counts: Counts, rule: str, recipe: Recipe) -> StandardErrorCard:
        _, card = describe(self.fit, self.trial, self.cov.kind, rule, self.cluster)
        more = self.fit.k > 2
        own = self.trial.extra.shape[1] > 0
        r = card.r_call.replace(f"y ~ d{' + x' if more else ''}", f"y ~ {recipe.r}{' + x' if own else ''}", 1)
        stata = card.stata_call.replace(f"regress y d{' x' if more else ''}",
                                        f"regress y {recipe.stata}{' x' if own else ''}", 1)
        return replace(card, r_call=f"{r} # {recipe.reads}",
                       stata_call=stata if recipe.stata else "",
                       clusters_treated=counts.clusters_treated or counts.treated,
                       clusters_comparison=counts.clusters_comparison or counts.comparison)


def select_cells(data: pd.DataFrame, *, outcome: str, roles: Mapping[str, str], zero_one: Sequence[str],
                 covariates: Sequence[str], strata: str | None, cluster: str | None, weights: str | None,
                 transform: str) -> Trial:
    """Lay out the rows of a trial whose treatment takes several columns.

    ``roles`` gives the reason a row is left out where a column is missing; whether the cells can be compared is for the
    caller to check.
    """
    covariates = as_names(covariates)
    require_columns(data, outcome=outcome, treatment=tuple(roles), covariates=covariates, strata=strata, cluster=cluster,
                    weights=weights)
    check_columns(data, zero_one=zero_one, numbers=(outcome, *(name for name in roles if name not in zero_one), *covariates,
                                                    *as_names(weights)), complete=as_names(cluster))
    rows = Selection(data)
    for name, reason in (*roles.items(), (strata, "strata"), (weights, "weight"), (outcome, "outcome")):
        if name is not None:
            rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    if weights is not None:
        check_weights(data, weights)
        rows.drop(data[weights] == 0, "weight_zero", f"{weights} is zero")
    extra, labels, missing = with_missing_indicators(data.loc[rows.kept], list(covariates))
    raw = rows.numbers(outcome)
    caveats = [Caveat(code="covariate_missing", text=f"{count} missing values of {name} carry an indicator; no row is lost "
                      "for them.", values=((name, count),)) for name, count in missing.items()]
    return Trial(rows=rows, raw=raw, y=transformed(raw, transform, outcome, rows.kept.nonzero()[0]),
                 offered=rows.numbers(next(iter(roles))), extra=extra, labels=labels,
                 blocks=rows.codes(strata) if strata is not None else None,
                 clusters=rows.codes(cluster) if cluster is not None else None,
                 weights=rows.numbers(weights) if weights is not None else None, caveats=caveats)


def regress_on_cells(trial: Trial, dummies: Mapping[str, Array], *, outcome: str, method: str, cluster: str | None,
                     vcov: str | None, transform: str, conf_level: float) -> CellRegression:
    """Regress the outcome on strata, covariates and the dummies of all cells but the reference."""
    others, names = trial.controls()
    design = np.column_stack([np.ones(len(trial.y)), others, *dummies.values()])
    fit = least_squares(design, trial.y, ["(intercept)", *names, *dummies], weights=trial.weights, must_keep=list(dummies))
    trial.caveats += refuse_left_out(fit)
    return CellRegression(trial=trial, fit=fit, cov=covariance_of(fit, trial, vcov), outcome=outcome, method=method,
                          cluster=cluster, transform=transform, conf_level=conf_level)


def mean_over(trial: Trial, parts: Sequence[tuple[float, Array]], label: str, transform: str) -> Counterfactual:
    """Weighted average of the means of some groups of rows, with sampling weights; for logs the geometric mean."""
    weights = np.ones(len(trial.y)) if trial.weights is None else trial.weights
    mean = variance = 0.0
    for share, rows in parts:
        y, w = trial.y[rows > 0], weights[rows > 0]
        mean += share * float(np.average(y, weights=w))
        deviation = float(y.std(ddof=1)) if len(y) > 1 else math.inf
        variance += (share * deviation) ** 2 * float((w**2).sum() / w.sum() ** 2)
    if transform == "log":
        return Counterfactual(mean=math.exp(mean), std_error=0.0, label=f"{label} (geometric mean)")
    return Counterfactual(mean=mean, std_error=math.sqrt(variance), label=label)


def factorial(data: pd.DataFrame, *, outcome: str, treatments: Sequence[str], covariates: Sequence[str] = (),
              strata: str | None = None, cluster: str | None = None, within: Sequence[str] = (), weights: str | None = None,
              vcov: str | None = None, transform: str = "none", conf_level: float = 0.95) -> Estimates:
    """Effects in a trial that crosses two to four offers.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatments : two to four columns of 1 (offered) and 0 (not); every combination of them was drawn.
    cluster : column of the groups that were drawn.
    within : those of ``treatments`` that were drawn among units inside clusters; all others must not vary inside them.
    covariates, strata, weights, vcov, transform, conf_level
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimates
        First the main effect of each offer (the first is the headline), then each two-way interaction 'a × b', then each
        offer 'alone' against the cell with no offer. ``p_adjusted`` is Holm over main effects and interactions, the
        declared family; the effects of offers alone stand outside it. ``details`` of the headline hold the cells.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`.
    DesignError
        When a cell has fewer than two units (or clusters), each named; when an offer not in ``within`` varies inside
        clusters, which are named; when treatments are not two to four different columns.

    Notes
    -----
    Estimands, with m(cell) the mean outcome had all units been in that cell. Main effect: the average over the cells of
    the other offers, each with the same weight whatever its size, of m(with) − m(without). Interaction: the difference of
    differences [m(1,1) − m(0,1)] − [m(1,0) − m(0,0)], averaged likewise over the cells of the remaining offers. These are
    the coefficients of a regression with all interactions and offers coded −1/2 and 1/2. The main effect is the factorial
    effect of Dasgupta, Pillai & Rubin (2015, JRSS B 77, section 2); their interaction is half of ours. Main effects are not
    the effect against nothing: that is the row 'alone' (Muralidharan, Romero & Wüthrich 2025, Review of Economics and
    Statistics 107: leaving interactions out, or keeping them only when significant, gives wrong inference unless they
    are zero). Covariance as :func:`impact.rct.ols`. Reference case: inf_tz_clubsandwich_cr2 (R clubSandwich 0.5.8), and
    statsmodels' saturated regression (tests/test_factors.py).
    """
    treatments = as_names(treatments)
    _check_names(treatments, as_names(within), cluster)
    trial = select_cells(data, outcome=outcome, roles=dict.fromkeys(treatments, "treatment"), zero_one=treatments,
                         covariates=covariates, strata=strata, cluster=cluster, weights=weights, transform=transform)
    given = np.column_stack([trial.rows.numbers(name) for name in treatments])
    cells = {cell: (given == np.array(cell)).all(axis=1).astype(float) for cell in product((0, 1), repeat=len(treatments))}
    problems = [] if cluster is None else varying(
        data, [*(name for name in treatments if name not in as_names(within)), strata], cluster,
        "Correct it. An offer drawn among units inside clusters is named in within=.")
    labelled = {_label(treatments, cell): rows for cell, rows in cells.items()}
    problems += thin(trial, labelled, "Every combination of the offers is needed: use multi_arm where some were not drawn, "
                     "or leave an offer out.")
    if problems:
        raise DesignError(problems, source="design")
    if trial.blocks is not None and any(shares_differ(rows, trial.blocks) for rows in cells.values()):
        trial.caveats.append(Caveat(code="overlap_weighted", text="Strata have different shares in the cells: with one "
                                    "dummy a stratum, strata with all cells well represented count more."))
    table = ("cells", tuple((name, int(rows.sum()), float(trial.y[rows > 0].mean())) for name, rows in labelled.items()))
    labelled.pop(_label(treatments, (0,) * len(treatments)))
    regression = regress_on_cells(trial, labelled, outcome=outcome, method="factorial", cluster=cluster, vcov=vcov,
                                  transform=transform, conf_level=conf_level)
    each = range(len(treatments))
    alone = [_alone(regression, cells, treatments, j) for j in each]
    family = [_main(regression, cells, treatments, j, alone[j].estimate, (table,) if j == 0 else ()) for j in each]
    family += [_interaction(regression, cells, treatments, pair) for pair in combinations(each, 2)]
    return Estimates(rows=(*_adjusted(family), *alone))


def _check_names(treatments: Sequence[str], within: Sequence[str], cluster: str | None) -> None:
    problems = []
    if not 2 <= len(set(treatments)) == len(treatments) <= MOST_FACTORS:
        problems.append(Problem(where="treatments", what=f"2 to {MOST_FACTORS} different columns are needed, not "
                                f"{len(treatments)} ({', '.join(treatments)})", cure="Name each offer's column once."))
    if set(within) - set(treatments):
        problems.append(Problem(where="within", what=f"{', '.join(sorted(set(within) - set(treatments)))} is not among the "
                                "treatments", cure="Name offers that were drawn inside clusters."))
    if within and (cluster is None or set(within) >= set(treatments)):
        problems.append(Problem(where="within", what="no offer is left that was drawn by cluster", cure="Leave out within= "
                                "and cluster= where all offers were drawn among units."))
    if problems:
        raise DesignError(problems, source="design")


Cells = Mapping[tuple[int, ...], Array]


def _label(treatments: Sequence[str], cell: tuple[int, ...]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(treatments, cell, strict=True))


def thin(trial: Trial, cells: Mapping[str, Array], cure: str) -> list[Problem]:
    """List the cells without two units, or two clusters that hold them."""
    groups = trial.clusters if trial.clusters is not None else np.arange(len(trial.y))
    noun = "cluster" if trial.clusters is not None else "unit"
    problems = []
    for name, rows in cells.items():
        count = len(np.unique(groups[rows > 0]))
        if count < 2:
            problems.append(Problem(where=f"cell {name}", cure=cure, what="it is empty: no unit of it has the outcome"
                                    if not count else f"only one {noun} of it has the outcome; two are needed"))
    return problems


def varying(data: pd.DataFrame, columns: Sequence[str | None], group: str, cure: str,
            noun: str = "cluster") -> list[Problem]:
    """List columns that were decided by group and yet vary inside groups."""
    problems = []
    for name in columns:
        ids = changing(data, name, group) if name is not None else []
        if ids:
            problems.append(Problem(where=f"column '{name}'", cure=cure, what=f"it varies within {len(ids)} "
                                    f"{noun}{'' if len(ids) == 1 else 's'} ({listed(ids)})"))
    return problems


def changing(data: pd.DataFrame, name: str, group: str) -> list[str]:
    """Ids of the groups in which a column takes more than one value; missing values do not count."""
    values = data.groupby(group, sort=True)[name].nunique()
    return speakable(values.index[values > 1])


def _centred(count: int) -> list[str]:
    return [f"I({letter} - 0.5)" for letter in "abcd"[:count]]


def _main(regression: CellRegression, cells: Cells, treatments: Sequence[str], j: int, alone: float,
          details: Sequence[tuple[str, object]]) -> Estimate:
    """Average effect of one offer over the cells of the others."""
    k, name = len(treatments), treatments[j]
    rest = " and ".join(t for t in treatments if t != name)
    share = 1 / 2 ** (k - 1)
    picks = {_label(treatments, c): (2 * c[j] - 1) * share for c in cells if any(c)}
    base = mean_over(regression.trial, [(share, rows) for c, rows in cells.items() if not c[j]],
                     f"mean of the cells without {name}, each counting the same", regression.transform)
    with_it = np.asarray(sum(rows for c, rows in cells.items() if c[j]))
    caveat = Caveat(
        code="averaged_over_cells", text=f"The main effect of {name} is averaged over the cells of {rest}, each counting "
        f"the same. It is not the effect of {name} against nothing, which is the row '{name} alone'. A regression without "
        "interactions answers neither question when the offers work differently together.", values=(("alone", alone),))
    coded = _centred(k)
    return regression.row(
        picks, Sides(with_it, 1 - with_it, base), Recipe(" * ".join(coded), "", f"coefficient {coded[j]}"), term=name,
        name=name, estimand="main", assumptions=ASSUMPTIONS, caveats=(caveat,), details=details,
        question=f"the average effect of being offered {name}, over the cells of {rest}, each cell counting the same")


def _interaction(regression: CellRegression, cells: Cells, treatments: Sequence[str], pair: tuple[int, int]) -> Estimate:
    """Difference of differences of two offers, averaged over the cells of the others."""
    (i, j), k = pair, len(treatments)
    a, b = treatments[i], treatments[j]
    picks = {_label(treatments, c): (2 * c[i] - 1) * (2 * c[j] - 1) / 2 ** (k - 2) for c in cells if any(c)}
    both = np.asarray(sum(rows for c, rows in cells.items() if c[i] and c[j]))
    caveat = Caveat(code="interaction_power", text="Few trials are large enough to see how offers work together: an "
                    "interaction that is not told apart from zero does not show that there is none.")
    coded = _centred(k)
    return regression.row(
        picks, Sides(both, 1 - both), Recipe(" * ".join(coded), "", f"coefficient {coded[i]}:{coded[j]}"),
        term=f"{a} × {b}", name=f"{a}-{b}", estimand="interaction", assumptions=ASSUMPTIONS, caveats=(caveat,),
        question=f"how much more (or less) the offer of {a} does where {b} is offered too than where it is not")


def _alone(regression: CellRegression, cells: Cells, treatments: Sequence[str], j: int) -> Estimate:
    """Effect of one offer alone against no offer."""
    k, name = len(treatments), treatments[j]
    letters = "abcd"[:k]
    cell = tuple(int(i == j) for i in range(k))
    none = cells[(0,) * k]
    caveat = Caveat(code="outside_family", text="The p-value is not adjusted: the declared family holds the main effects "
                    "and interactions.")
    return regression.row(
        {_label(treatments, cell): 1.0}, Sides(cells[cell], none, mean_over(
            regression.trial, [(1.0, none)], "mean without any offer", regression.transform)),
        Recipe(" * ".join(letters), "##".join(f"i.{x}" for x in letters), f"coefficient {letters[j]}"),
        term=f"{name} alone", name=f"{name}-alone", estimand="itt", assumptions=ASSUMPTIONS, caveats=(caveat,),
        question=f"the average effect of being offered {name} alone rather than nothing")


def _adjusted(rows: Sequence[Estimate]) -> list[Estimate]:
    known = [i for i, row in enumerate(rows) if row.p_value is not None]
    adjusted = dict(zip(known, holm([rows[i].p_value or 0.0 for i in known]), strict=True))
    family = f"{len(known)} main effects and interactions, Holm"
    return [replace(row, p_adjusted=adjusted.get(i), p_family=family) for i, row in enumerate(rows)]

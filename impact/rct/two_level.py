"""Trials that draw clusters and then units inside them: the effect on the invited, the spillover, and the total."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import as_names, check_columns, listed, places, require_columns, rows_text
from impact.data.privacy import speakable
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes
from impact.inference.lots import observed_lots
from impact.inference.report import Counterfactual
from impact.rct.assignment import as_drawn, overlap_weighted
from impact.rct.cells import (
    CellRegression,
    Recipe,
    Sides,
    changing,
    mean_over,
    one_armed,
    regress_on_cells,
    select_cells,
    thin,
    varying,
)
from impact.rct.trial import Trial
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

OVERSAMPLED = 0.05  # difference between the sample's and the population's share invited that a reader is told of
LOT = (
    "Which clusters take part was decided by lot, and so was who is invited inside them.",
    "Nothing spills over from one cluster to another.",
    "Those found again are comparable between the groups.",
)
WHOLE = ("Invited and not invited units that were observed stand for all invited and all not invited units of the treated "
         "clusters.",)
CONTROL = "in clusters not drawn"
BOTH_LEVELS = ("Clusters were drawn again, each with the share invited that came with its lot, and then units inside them.")
SAME_TAKING_PART = "The interval holds if the effect is the same for all in clusters that take part."
ONCE = "A cluster was drawn once: repeat its value on each of its rows."
SEEN = ("Code the treatment 0, not empty, where nobody was invited. Where these units were not surveyed, spillover and "
        "total cannot be seen: use ols with cluster=.")


def spillover(data: pd.DataFrame, *, outcome: str, treatment: str, cluster: str, cluster_treatment: str,
              population_share: float | str | None = None, population: str | None = None, covariates: Sequence[str] = (),
              strata: str | None = None, weights: str | None = None, vcov: str | None = None, transform: str = "none",
              conf_level: float = 0.95, seed: int = 0) -> Estimates:
    """Effect on the invited, spillover on the others and total, where clusters were drawn and units inside them invited.

    Parameters
    ----------
    data : DataFrame, one row a unit: invited and not invited units of treated clusters, and units of clusters not drawn.
    outcome : column, in its own unit.
    treatment : column of 1 (unit invited) and 0 (not); 0 in clusters not drawn.
    cluster : column of the groups (markets, villages) that were drawn.
    cluster_treatment : column of 1 (cluster drawn to take part) and 0 (not).
    population_share : share of the eligible units of treated clusters who were invited, in the population, between 0 and
        1; or a column with one share for each treated cluster, of which the average over treated clusters is used.
    population : column of the number of eligible units of each cluster, by which a column of shares is averaged.
    covariates, strata, weights, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`; ``strata`` are those of the draw of clusters.

    Returns
    -------
    Estimates
        ``total`` (the headline) per eligible unit of a treated cluster; ``invited`` and ``not invited``, each against units
        of clusters not drawn; ``invited − not invited`` inside treated clusters. ``details`` of the headline hold the share
        used and the share in the sample.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`.
    DesignError
        Without a population share, or with one not between 0 and 1; with invited units in clusters not drawn, clusters
        both drawn and not, strata of one arm, or fewer than two clusters that hold one of the three groups. All at once,
        named.

    Notes
    -----
    Assumes that clusters, and units in them, were drawn by lot, and no effects between clusters.
    Estimands (Baird, Bohren, McIntosh & Özler 2018, Review of Economics and Statistics 100): intention to
    treat a (invited against pure control), spillover on the non-treated b, and total causal effect s·a + (1 − s)·b at the
    share s of the population that was invited. The sample's share cannot stand in for s: invited units are mostly sampled
    more densely, and the total would lean towards them. s counts as known. Of a column of shares the average is used; the
    total then holds where effects do not go with the share. One regression on two dummies, CR2 by cluster. Few clusters:
    both lots are drawn again, with this regression run on every draw; units found stand for the units of the inner lot; the
    wild cluster bootstrap is shown beside.
    Design as McKenzie & Puerto (2021, American Economic Journal: Applied Economics 13). Reference case: by hand, and the
    regression of the outcome on z and d − s·z, whose first coefficient is the total (tests/test_two_level.py).
    """
    shares = population_share if isinstance(population_share, str) else None
    require_columns(data, population_share=shares, population=population)
    check_columns(data, numbers=(*as_names(shares), *as_names(population)))
    trial = select_cells(data, outcome=outcome, roles={treatment: "treatment", cluster_treatment: "cluster_treatment"},
                         zero_one=(treatment, cluster_treatment), covariates=covariates, strata=strata, cluster=cluster,
                         weights=weights, transform=transform, halves=cluster_treatment)
    drawn, given = trial.rows.numbers(cluster_treatment), trial.rows.numbers(treatment)
    groups = {"invited": drawn * given, "not invited": drawn * (1 - given), CONTROL: 1 - drawn}
    share, found, problems = _population_share(trial, drawn, cluster, population_share, population)
    problems += [*varying(data, (cluster_treatment, strata), cluster, ONCE), *thin(trial, groups, SEEN),
                 *misplaced(data, treatment, data[cluster_treatment] == 0, 1, "invited in clusters that were not drawn")]
    problems = problems or one_armed(trial, [((cluster_treatment,), cluster)], strata)
    if problems:
        raise DesignError(problems, source="design")
    if strata is not None:
        trial.caveats += overlap_weighted(
            drawn, trial.blocks, "of clusters drawn", clusters=trial.clusters, weights=trial.weights,
            drawn=as_drawn(data, data[cluster_treatment], strata, cluster))
    regression = regress_on_cells(
        trial, {name: rows for name, rows in groups.items() if name != CONTROL}, outcome=outcome, method="spillover",
        cluster=cluster, vcov=vcov, transform=transform, conf_level=conf_level)
    rows = [_total(regression, groups, share, found), *_against_control(regression, groups), _inside(regression, groups)]
    if vcov is not None:
        return Estimates(rows=tuple(rows))
    picks: list[dict[str, float]] = [{"invited": share, "not invited": 1 - share}, {"invited": 1.0}, {"not invited": 1.0},
                                     {"invited": 1.0, "not invited": -1.0}]
    return Estimates(rows=tuple(both_levels(
        regression, rows, picks, drawn.astype(np.int64), given, lambda codes: {
            "invited": (codes == 3).astype(float), "not invited": (codes == 2).astype(float)}, seed)))


def both_levels(regression: CellRegression, rows: Sequence[Estimate], picks: Sequence[Mapping[str, float]], label: Codes,
                given: Array, cells: Callable[[Codes], Mapping[str, Array]], seed: int) -> list[Estimate]:
    """Where clusters are few, draw clusters again and then units inside them, with the wild bootstrap beside.

    Parameters
    ----------
    label : (n,) whole number of what the row's cluster drew, 0 for nothing. given : (n,) of 0 and 1, whether invited.
    cells : from codes 2·label + given to the dummies of the regression.
    """
    trial = regression.trial
    if trial.clusters is None:
        return list(rows)
    lots = observed_lots(trial.clusters, label, given, trial.blocks)
    again = regression.redrawn(rows, picks, lots, 2 * label + given.astype(np.int64), cells,
                               shift=(label > 0).astype(float), seed=seed, said=BOTH_LEVELS, holds=SAME_TAKING_PART)
    return regression.beside(again, picks, seed)


def _population_share(trial: Trial, drawn: Array, cluster: str, given: float | str | None,
                      population: str | None) -> tuple[float, tuple[float, ...], list[Problem]]:
    """Find the share of eligible units invited, the shares of the clusters it is an average of, and what is wrong."""
    if given is None:
        return np.nan, (), [Problem(
            where="population_share", what="the share of the eligible units of treated clusters who were invited is not "
            "stated, and the sample cannot tell it: invited units are mostly sampled more densely than the others, so the "
            "total would lean towards them", cure="Take it from the listing or census the draw was made from, e.g. 0.3.")]
    if not isinstance(given, str):
        problems = [] if population is None else [Problem(
            where="population", what="one population_share needs no averaging", cure="Leave population= out, or give "
            "population_share= as a column with one share for each cluster.")]
        return float(given), (), [*problems, *_share_problems([float(given)], "population_share", [])]
    frame = trial.rows.data.loc[trial.rows.kept].loc[drawn > 0]
    problems, columns = [], (given, *as_names(population))
    for name in columns:
        ids = speakable(changing(frame, name, cluster))
        empty = speakable(frame.groupby(cluster)[name].count().loc[lambda count: count == 0].index)
        if ids or empty:
            problems.append(Problem(where=f"column '{name}'", what=f"{len(ids)} treated clusters have several values of it "
                                    f"and {len(empty)} have none ({listed([*ids, *empty])})",
                                    cure="Repeat one number on every row of a cluster."))
    values = frame.groupby(cluster)[list(columns)].first()
    sizes = values[population].to_numpy(dtype=float) if population is not None else np.ones(len(values))
    if (sizes <= 0).any():
        problems.append(Problem(where=f"column '{population}'", what="it is zero or negative for "
                                f"{listed(speakable(values.index[sizes <= 0]))}", cure="Count the eligible units."))
    found = values[given].to_numpy(dtype=float)
    problems += _share_problems(found, f"column '{given}'", speakable(values.index))
    return (np.nan if problems else float(np.average(found, weights=sizes))), tuple(map(float, found)), problems


def _share_problems(shares: Sequence[float] | Array, where: str, ids: Sequence[str]) -> list[Problem]:
    # a column's missing shares have their own problem
    wrong = [i for i, share in enumerate(shares) if not 0 < share < 1 and not (ids and np.isnan(share))]
    if not wrong:
        return []
    values = listed(f"{shares[i]:g}" + (f" in {ids[i]}" if ids else "") for i in wrong)
    return [Problem(where=where, what=f"a share lies between 0 and 1, not {values}",
                    cure="Write thirty per cent as 0.3. Where all were invited, ols with cluster= is the effect.")]


def misplaced(data: pd.DataFrame, treatment: str, where: pd.Series[bool], value: int, what: str) -> list[Problem]:
    """List the rows whose invitation contradicts what was drawn for their cluster."""
    rows = places(where & (data[treatment] == value)) + 1
    if not len(rows):
        return []
    return [Problem(where=f"column '{treatment}'", what=f"{len(rows)} unit{' is' if len(rows) == 1 else 's are'} {what} "
                    f"({rows_text(rows)})",
                    cure="Write what the draw decided; who took part is another column, for late.")]


def _total(regression: CellRegression, groups: Mapping[str, Array], share: float, found: tuple[float, ...]) -> Estimate:
    """Total causal effect per eligible unit of a treated cluster, at the population's share invited."""
    control = groups[CONTROL]
    sample = float(groups["invited"].sum() / (1 - control).sum())
    caveats = []
    if abs(sample - share) > OVERSAMPLED:
        caveats.append(Caveat(
            code="sample_share", text=f"Of the treated clusters' units a share of {sample:.2f} was invited in the sample, "
            f"of {share:.2f} in the population: the total uses the population's.",
            values=(("sample", sample), ("population", share))))
    if found and max(found) - min(found) > OVERSAMPLED:
        caveats.append(Caveat(
            code="shares_vary", text=f"The share invited runs from {min(found):.2f} to {max(found):.2f} between treated "
            f"clusters. The total uses their average, {share:.2f}, which is right where effects do not go with the share.",
            values=(("low", min(found)), ("high", max(found)))))
    return regression.row(
        {"invited": share, "not invited": 1 - share}, Sides(1 - control, control, control_mean(regression, control)),
        Recipe(f"z + I(d - {share:.12g} * z)", "", "coefficient z"), term="total", name="total", estimand="tce",
        question="the average effect of the programme on all eligible units of a cluster that takes part, where a share of "
        f"{share:.2g} of them is invited",
        assumptions=(*LOT, *WHOLE, "The declared share of eligible units invited is right."), caveats=caveats,
        details=(("population_share", share), ("sample_share", sample)))


def control_mean(regression: CellRegression, control: Array) -> Counterfactual:
    """Mean of units in clusters not drawn."""
    return mean_over(regression.trial, [(1.0, control)], "mean of units in clusters not drawn", regression.transform)


def _against_control(regression: CellRegression, groups: Mapping[str, Array]) -> list[Estimate]:
    control = groups[CONTROL]
    texts = {
        "invited": ("itt", "I(z * d)", "the average effect on those invited, of their own invitation and of others' in "
                    "their cluster"),
        "not invited": ("snt", "I(z * (1 - d))", "the average effect on those not invited of others in their cluster being "
                        "invited (spillover)"),
    }
    return [regression.row(
        {name: 1.0}, Sides(groups[name], control, control_mean(regression, control)),
        Recipe("I(z * d) + I(z * (1 - d))", "1.z#1.d 1.z#0.d", f"coefficient {coefficient}"), term=name,
        name=name.replace(" ", "-"), estimand=estimand, question=question, assumptions=LOT)
        for name, (estimand, coefficient, question) in texts.items()]


def _inside(regression: CellRegression, groups: Mapping[str, Array]) -> Estimate:
    """Invited less not invited inside treated clusters."""
    caveat = Caveat(code="both_affected", text="Inside treated clusters both groups live with the programme: their "
                    "difference is the effect of an own invitation there, not the effect of the programme.")
    base = mean_over(regression.trial, [(1.0, groups["not invited"])], "mean of units not invited in treated clusters",
                     regression.transform)
    return regression.row(
        {"invited": 1.0, "not invited": -1.0}, Sides(groups["invited"], groups["not invited"], base),
        Recipe("z + d", "z d", "coefficient d"), term="invited − not invited", name="inside", estimand="within",
        question="the average difference an own invitation makes in clusters where others are invited", assumptions=LOT,
        caveats=(caveat,))

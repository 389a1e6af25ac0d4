"""Trials with several arms: every arm against every other, from one regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import listed, require_columns, rows_text
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array
from impact.rct.assignment import comparison_mean
from impact.rct.cells import CellRegression, Recipe, Sides, regress_on_cells, uneven_caveats
from impact.rct.trial import Trial, select_trial, with_holm
from impact.results import Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

MOST_ARMS = 8
QUESTION = ("the average effect of being offered one arm rather than another, on all who were in the draw and were found "
            "again")
ASSUMPTIONS = (
    "Who was offered which arm was decided by lot.",
    "One unit's offer does not change another unit's outcome.",
    "Those found again are comparable between the arms.",
)


def multi_arm(data: pd.DataFrame, *, outcome: str, treatment: str, reference: Any, covariates: Sequence[str] = (),
              strata: str | None = None, cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
              transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimates:
    """Compare every two arms of a trial.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of the arm's name or number; 2 to 8 arms.
    reference : the value of the arm that stands for no programme.
    covariates, strata, cluster, weights, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimates
        One row a pair: first each arm against the reference, in the order of their names, then the arms against each
        other. ``term`` is 'a − b'; ``p_adjusted`` is Holm over all pairs.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.rct.ols`; also when the reference is not among the arms, an arm has fewer than two units (or
        clusters), or a cluster holds several arms.

    Notes
    -----
    Assumes that arms were drawn by lot and that one unit's arm changes nobody else's outcome.
    Estimand: ITT of one arm against another. One regression with a dummy an arm, so that all pairs share rows, covariates
    and covariance (Imbens & Rubin 2015, Cambridge, without weighting by strata of different shares). Few clusters: as
    :func:`impact.rct.ols`, pair by pair; the draw is made again between the two arms, and who got another arm keeps it,
    which is exact for 'one arm does to each unit what the other does'. Two arms give the numbers of :func:`impact.rct.ols`
    (tests/test_arms.py). Reference cases: those of :func:`impact.rct.ols`, rct_jtrain2_dim_ols_hc2 among them.
    """
    require_columns(data, treatment=treatment)
    arms = _arms(data, treatment, reference)
    offered = (data[treatment] != reference).astype(float).where(data[treatment].notna())
    trial = select_trial(data.assign(**{treatment: offered}), outcome=outcome, treatment=treatment, covariates=covariates,
                         strata=strata, cluster=cluster, weights=weights, transform=transform, arms=data[treatment])
    mine = data.loc[trial.rows.kept, treatment].to_numpy()
    _check_arms(trial, mine, arms, cluster)
    inside = {f"{treatment} = {arm}": (mine == arm).astype(float) for arm in arms}
    names = list(inside)
    trial.caveats += uneven_caveats(trial, inside, {f"{treatment} = {arm}": (data[treatment] == arm).where(
        data[treatment].notna()) for arm in arms}, "arms", strata, cluster)
    regression = regress_on_cells(trial, {name: inside[name] for name in names[1:]}, outcome=outcome, method="multi_arm",
                                  cluster=cluster, vcov=vcov, transform=transform, conf_level=conf_level)
    rows = [_contrast(regression, inside, arms, names, pair, None if vcov is not None else seed)
            for pair in sorted(combinations(range(len(arms)), 2), key=lambda p: (p[0] > 0, p))]
    return Estimates(rows=tuple(with_holm(rows, "pairs")))


def _arms(data: pd.DataFrame, treatment: str, reference: Any) -> list[Any]:
    """List the arms, the reference first."""
    found = sorted(data[treatment].dropna().unique().tolist(), key=str)
    if not 2 <= len(found) <= MOST_ARMS:
        raise DataError(Problem(where=f"column '{treatment}'", what=f"it has {len(found)} values; 2 to {MOST_ARMS} arms "
                                "can be compared", cure="Name the column that says which arm a unit was drawn into."),
                        source="data")
    if len({str(arm) for arm in found}) < len(found):
        raise DataError(Problem(where=f"column '{treatment}'", what="it writes one arm in two ways, as a number and as "
                                f"text ({listed(map(repr, found))})", cure="Write each arm in one way."), source="data")
    if reference not in found:
        raise DataError(Problem(where="reference", what=f"'{reference}' is not an arm of column '{treatment}'",
                                cure=f"Arms: {listed(found)}."), source="data")
    return [reference, *(arm for arm in found if arm != reference)]


def _check_arms(trial: Trial, mine: Any, arms: list[Any], cluster: str | None) -> None:
    """Refuse arms of fewer than two units (or clusters), naming them and their rows."""
    problems = []
    groups = trial.clusters if trial.clusters is not None else np.arange(len(mine))
    noun = "clusters" if cluster is not None else "units"
    for arm in arms:
        here = mine == arm
        count = len(np.unique(groups[here]))
        if count < 2:
            own = "" if cluster is None else ", ".join([*speakable(trial.rows.column(cluster)[here].unique()), ""])
            rows = f" ({own}{rows_text(trial.rows.kept.nonzero()[0][here] + 1)})" if count else ""
            problems.append(Problem(where=f"arm '{arm}'", what=f"{count} {noun} of it have the outcome{rows}; two are "
                                    "needed", cure="Leave the arm out."))
    if problems:
        raise DesignError(problems, source="design")


def _contrast(regression: CellRegression, inside: Mapping[str, Array], arms: Sequence[Any], names: Sequence[str],
              pair: tuple[int, int], seed: int | None) -> Estimate:
    """Compare two arms by their places; with a seed, where clusters are few, by drawing again between these two."""
    trial, (low, high) = regression.trial, pair
    one, zero = inside[names[high]], inside[names[low]]
    pair_ = (one + zero) > 0
    codes = [None if c is None else np.unique(c[pair_], return_inverse=True)[1].astype(np.int64)
             for c in (trial.blocks, trial.clusters)]
    base = comparison_mean(trial.y[pair_], one[pair_], regression.transform, blocks=codes[0], clusters=codes[1],
                           weights=None if trial.weights is None else trial.weights[pair_], overlap=True,
                           label=f"mean of {arms[low]}")
    sides = Sides(one, zero, base)
    picks = {names[high]: 1.0} if low == 0 else {names[high]: 1.0, names[low]: -1.0}
    recipe = Recipe("factor(arm)", "i.arm", f"coefficient of arm {arms[high]}") if low == 0 else Recipe(
        "factor(arm)", "", f"coefficient of arm {arms[high]} less that of {arms[low]}, clubSandwich::linear_contrast")
    row = regression.row(picks, sides, recipe, term=f"{arms[high]} − {arms[low]}", name=f"{arms[high]}-{arms[low]}",
                         estimand="itt", question=QUESTION, assumptions=ASSUMPTIONS)
    if seed is None:
        return row
    return regression.with_few(row, sides, names[high], names[low] if low else None, seed)

"""One regression with everything interacted with the group, and the difference of two groups' effects by lot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from impact.inference.linear import Array, Codes, Fit, least_squares
from impact.inference.replays import Statistics, jointly, of_fit
from impact.inference.wald import WaldTest
from impact.rct.few import together_by_lot, with_own_statistic, without
from impact.rct.trial import Trial, is_constant
from impact.results import Estimate

CONSTANT = ("It supposes that the offer does the same to all within a group; what is drawn again is whether groups differ, "
            "with the effect common to all groups taken as estimated, so that the p-value is nearly but not wholly exact.")


def regress_by_group(trial: Trial, names: list[str], group: Codes, treatment: str) -> Fit:
    """Regress with an intercept, controls and an effect for each group; the effects come last."""
    others, labels = trial.controls()
    columns, terms, effects = [], [], []
    for j, name in enumerate(names):
        inside = (group == j).astype(float)
        columns += [inside[:, None], others * inside[:, None]]
        terms += [name, *(f"{label} in {name}" for label in labels)]
        effects.append(trial.offered * inside)
    asked = [f"{treatment} in {name}" for name in names]
    return least_squares(np.column_stack([*columns, *effects]), trial.y, [*terms, *asked], weights=trial.weights,
                         must_keep=asked)


def difference_by_lot(row: Estimate, trial: Trial, fit: Fit, names: list[str], group: Codes, j: int, seed: int) -> Estimate:
    """Where few were drawn, draw again under one effect that is the same in all groups, as estimated from all together.

    Parameters
    ----------
    row : the effect in group ``j`` less that in the first. fit : of :func:`regress_by_group`, effects last.
    group : (n,) numbers of the groups. seed : of sampled draws.

    Notes
    -----
    The difference does not move when one amount is added to all who are drawn, so that it is enough to take the common
    effect from those who were offered. Where a cluster (unit) has one group, how many of a group were drawn is held fixed.
    """
    first = fit.k - len(names)
    if row.p_value is None or is_constant(trial.y):
        return row
    mine = trial.offered * (group == j)
    both = without(trial.offered[:, None], fit.design[:, :first], np.column_stack([trial.y, mine]), trial.weights)
    pick = np.eye(len(names))[j] - np.eye(len(names))[0]

    def own(drawn: Codes) -> Statistics:
        again = regress_by_group(replace(trial, offered=drawn.astype(float)), names, group, "offer")
        return of_fit(again, _last(again, pick[None, :]), both, trial.clusters)

    return with_own_statistic(row, own, offered=trial.offered, blocks=_held(trial, group), clusters=trial.clusters,
                              seed=seed, inverted=True, said=CONSTANT)


def same_by_lot(test: WaldTest, trial: Trial, fit: Fit, names: list[str], group: Codes, seed: int) -> tuple[WaldTest, str]:
    """Draw again for the joint test that all groups have the same effect, as :func:`difference_by_lot` does for two."""
    if is_constant(trial.y):
        return test, ""
    base = fit.design[:, :fit.k - len(names)]
    outcome = without(trial.offered[:, None], base, trial.y[:, None], trial.weights)[:, 0]
    picks = np.eye(len(names))[1:] - np.eye(len(names))[0]

    def own(drawn: Codes) -> Statistics:
        again = regress_by_group(replace(trial, offered=drawn.astype(float)), names, group, "offer")
        return jointly(again, _last(again, picks), outcome, trial.clusters)

    return together_by_lot(test, own, offered=trial.offered, blocks=_held(trial, group), clusters=trial.clusters, seed=seed)


def _last(fit: Fit, picks: Array) -> Array:
    """Lay contrasts of the last coefficients out over all, (q, k)."""
    return np.column_stack([np.zeros((len(picks), fit.k - picks.shape[1])), picks])


def _held(trial: Trial, group: Codes) -> Codes | None:
    """Strata of the draw, parted by group where every cluster (unit) has one group only."""
    if trial.clusters is not None:
        first = np.unique(trial.clusters, return_index=True)[1]
        if (group != group[first][trial.clusters]).any():
            return trial.blocks
    return group if trial.blocks is None else trial.blocks * (int(group.max()) + 1) + group

"""What the draw implies for an estimate: shares by stratum, clusters that were drawn whole, comparison means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.draws import draw_problems
from impact.data.frame import MAX_SHOWN, Selection, rows_text
from impact.data.privacy import speakable
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes
from impact.inference.report import Counterfactual
from impact.results import Caveat

if TYPE_CHECKING:
    import pandas as pd

MOVED = 0.02  # share of the weight that may move between strata before it is said


def shares_differ(treated: Array, strata: Codes) -> bool:
    """Whether the share offered the programme differs between strata by more than a hundredth.

    A draw of a fixed share rounds to whole units, so strata of a few units may differ by one unit and no more.
    """
    sizes = np.bincount(strata)
    offered = np.bincount(strata, weights=treated)
    overall = float(treated.mean())
    return bool((np.abs(offered - overall * sizes) > np.maximum(1.0, 0.01 * sizes)).any())


def overlap_weighted(offered: Array, strata: Codes | None, what: str = "offered", *, clusters: Codes | None = None,
                     drawn: tuple[Array, Codes] | None = None, weights: Array | None = None) -> list[Caveat]:
    """Say that strata dummies weigh strata by their overlap, where shares differ between them.

    Parameters
    ----------
    offered, strata : (n,) of the rows used, which weigh. what : the words for their share.
    clusters : (n,) the groups that were drawn: a draw is even or not in clusters, whatever their sizes.
    drawn : offer and stratum of every unit (or cluster) drawn, also of those not found again; None is those of the rows.
    weights : (n,) of the rows, or None.
    """
    if strata is None or not _uneven(offered, strata, weights):
        return []
    if drawn is None:
        first = np.arange(len(strata)) if clusters is None else np.unique(clusters, return_index=True)[1]
        drawn = offered[first], strata[first]
    if _uneven(*drawn):
        return [Caveat(code="overlap_weighted", text=f"Strata have different shares {what}: with each stratum compared "
                       "within itself the effect gives more weight to strata with both arms well represented.")]
    moved = moved_weight(offered, strata, weights)
    if moved <= MOVED:
        return []
    return [Caveat(code="overlap_weighted", values=(("moved", moved),), text="Strata were drawn alike, and yet their rows "
                   f"have different shares {what}, by sizes of groups, weights or who was found again: with each stratum "
                   f"compared within itself {moved:.0%} of the weight moves to strata with both arms well represented.")]


def _uneven(offered: Array, strata: Codes, weights: Array | None = None) -> bool:
    return shares_differ(offered, strata) or moved_weight(offered, strata, weights) > MOVED


def moved_weight(values: Array, strata: Codes, weights: Array | None = None) -> float:
    """Share of the weight that stratum dummies move between strata; 0 where nothing varies within any.

    Least squares weighs strata by their size times the variance of what was drawn, an offer or an amount.
    """
    w = np.ones(len(values)) if weights is None else weights
    sizes = np.bincount(strata, weights=w).astype(float)
    centre = np.bincount(strata, weights=w * values) / np.where(sizes > 0, sizes, 1.0)
    overlap = np.bincount(strata, weights=w * (values - centre[strata]) ** 2)
    if overlap.sum() <= 0:
        return 0.0
    return float(0.5 * np.abs(overlap / overlap.sum() - sizes / sizes.sum()).sum())


def as_drawn(data: pd.DataFrame, drawn: Any, strata: str, cluster: str | None) -> tuple[Array, Codes]:
    """Lot and stratum of every unit (or cluster) of the table whose two are known, found again or not.

    ``drawn`` is (N,): 1 and 0, an amount, or whether a unit drew one of several; of a cluster its mean stands.
    """
    import pandas as pd

    member = np.arange(len(data)) if cluster is None else data[cluster].to_numpy()
    table = pd.DataFrame({"lot": np.asarray(drawn, dtype=float), "stratum": data[strata].to_numpy(), "member": member})
    known = table.dropna().groupby("member", sort=False).agg({"lot": "mean", "stratum": "first"})
    return known["lot"].to_numpy(), known["stratum"].factorize()[0].astype(np.int64)


def check_draw(rows: Selection, *, treatment: str, strata: str | None = None, cluster: str | None = None,
               arms: Any = None, least: int = 1) -> None:
    """Refuse rows that could not have been drawn as declared, naming clusters, strata and rows.

    Parameters
    ----------
    rows : the rows used. treatment, strata, cluster : columns.
    arms, least : as :func:`impact.data.draws.draw_problems`.

    Raises
    ------
    DesignError
        One arm only; a cluster with several arms or in several strata; one cluster on a side; a stratum with one arm.
    """
    problems = _one_arm(rows.numbers(treatment)) or draw_problems(
        rows, treatment=treatment, strata=strata, cluster=cluster, arms=arms, least=least)
    if problems:
        raise DesignError(problems, source="design")


def drop_broken_pairs(rows: Selection, strata: str, treatment: str, cluster: str | None) -> None:
    """Leave out who lost the other half of a drawn pair: a pair speaks only when both halves were found again.

    A pair is a stratum in which one unit (or cluster) was drawn and one was not; other strata stay as they are.
    """
    drawn, found = (_halves(data, strata, treatment, cluster) for data in (rows.data, rows.data[rows.kept]))
    pairs = drawn.index[(drawn == 1).all(axis=1)]
    whole = found.index[(found == 1).all(axis=1)]
    rows.drop(rows.data[strata].isin(pairs[~pairs.isin(whole)]), "partner_missing", "the other half of its pair is missing")


def check_pairs(rows: Selection, strata: str, treatment: str, cluster: str | None) -> None:
    """Refuse pairs that are not one treated and one comparison, naming them and their rows."""
    found = _halves(rows.data[rows.kept], strata, treatment, cluster)
    wrong: Sequence[Any] = list(found.index[(found != 1).any(axis=1)])
    if not wrong:
        return
    column, place = rows.data[strata].to_numpy(), np.flatnonzero(rows.kept)
    parts = [f"pair {label} ({rows_text(place[column[place] == pair] + 1)})"
             for pair, label in zip(wrong[:MAX_SHOWN], speakable(wrong[:MAX_SHOWN]), strict=True)]
    more = f"; and {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else ""
    raise DesignError(Problem(
        where=f"column '{strata}'", what=f"{'; '.join(parts)}{more}: not one treated and one comparison",
        cure="Correct the pairs, or declare blocks instead of pairs."), source="design")


def _halves(data: pd.DataFrame, strata: str, treatment: str, cluster: str | None) -> pd.DataFrame:
    """Count units (or clusters) of each arm by stratum."""
    import pandas as pd

    member = np.arange(len(data)) if cluster is None else data[cluster].to_numpy()
    table = pd.DataFrame({"stratum": data[strata].to_numpy(), "arm": data[treatment].to_numpy(dtype=float),
                          "member": member})
    counts = table.dropna().groupby(["stratum", "arm"])["member"].nunique().unstack(fill_value=0)
    return counts.reindex(columns=[0.0, 1.0], fill_value=0)


def _one_arm(treated: Array) -> list[Problem]:
    if len(treated) and treated.min() != treated.max():
        return []
    return [Problem(where="treatment", what=f"all {len(treated)} units are {'treated' if treated.sum() else 'comparison'}"
                    if len(treated) else "no unit has both a treatment and an outcome",
                    cure="An effect needs units of both kinds with the outcome measured.")]


def comparison_mean(outcome: Array, treated: Array, transform: str, *, weights: Array | None = None,
                    blocks: Codes | None = None, clusters: Codes | None = None, overlap: bool = False,
                    label: str = "comparison mean") -> Counterfactual:
    """Mean of the comparison, over the units the effect is an average over, and its standard error.

    Parameters
    ----------
    outcome, treated : (n,) on the scale of analysis. weights : (n,) sampling weights, or None.
    blocks : (n,) strata: the comparison's means are averaged over strata as the effects are, by size or, with ``overlap``
        (one dummy a stratum), by size × share × (1 − share).
    clusters : (n,) at which the error is made.

    label : what the mean is called.

    Returns
    -------
    Counterfactual
        For logs the geometric mean, in the outcome's own unit, with an error of 0.
    """
    w = np.ones(len(outcome)) if weights is None else weights
    zero = treated == 0
    share = w.copy()
    if blocks is not None:
        size: Array = np.bincount(blocks, weights=w).astype(float)
        offered = np.bincount(blocks, weights=w * treated) / size
        target = size * offered * (1 - offered)
        target = target if overlap and target.sum() > 0 else size
        others = np.bincount(blocks, weights=w * zero)
        share = w * (target / np.where(others > 0, others, 1.0))[blocks]
    share = np.where(zero, share, 0.0) / share[zero].sum()
    mean = float(share @ outcome)
    error = _mean_error(outcome, share, mean, zero, blocks, clusters)
    if transform == "log":
        mean, error = math.exp(mean), 0.0
    return Counterfactual(mean=mean, std_error=error, label=label)


def _mean_error(outcome: Array, share: Array, mean: float, zero: Array, blocks: Codes | None,
                clusters: Codes | None) -> float:
    """Error of a weighted mean of comparison rows, within strata; a stratum's only unit (cluster) is held to the whole."""
    strata = np.zeros(len(outcome), dtype=np.int64) if blocks is None else blocks
    groups = np.arange(len(outcome), dtype=np.int64) if clusters is None else clusters
    total = np.bincount(strata, weights=share)
    centre = np.bincount(strata, weights=share * outcome) / np.where(total > 0, total, 1.0)
    home = np.zeros(int(groups.max()) + 1, dtype=np.int64)
    home[groups[zero]] = strata[zero]
    members = np.bincount(home[np.unique(groups[zero])], minlength=len(total))
    if members.sum() < 2:
        return math.inf
    centre = np.where(members > 1, centre, mean)
    scores = np.bincount(groups, weights=share * (outcome - centre[strata]), minlength=len(home))
    factor = np.where(members > 1, members / np.maximum(members - 1, 1), 1.0)
    return math.sqrt(float((scores**2 * factor[home]).sum()))

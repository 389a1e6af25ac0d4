"""Entropy balancing: weights that make the means of one arm equal those of the units the effect speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import listed
from impact.errors import DesignError, Problem
from impact.inference.estimating import Block, Slope, hull_gap, influences, mean_block, products
from impact.inference.intervals import check_level
from impact.inference.linear import Array, independent_columns
from impact.matching.equivalents import none, weighted
from impact.matching.observed import WORDS, Comparison, Means, arm_weights, comparison_estimate, select_comparison
from impact.matching.sample import MatchedEstimate
from impact.matching.units import ASSUMPTIONS, QUESTIONS, check_flag
from impact.results import Caveat

if TYPE_CHECKING:
    import pandas as pd

BALANCED = 1e-6  # largest difference of means, in standard deviations, at which balance is claimed
TIGHT = 1e-11  # what the search aims at
STEPS = 200
VANISHED = 1e-8  # share of the variance before weighting
SAME = 1e-13  # variance, in squared standard deviations of all rows, below which the units of an arm do not differ
OUT_OF_REACH = 1e-7  # a gap this large, in standard deviations, is no rounding noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Balanced:
    """Weights that balance.

    Attributes
    ----------
    weights : (n,) adding to 1. dual : (k,) multipliers of the columns.
    imbalance : largest difference of a weighted mean from its target, checked on the weights.
    """

    weights: Array
    dual: Array
    imbalance: float


def balancing_weights(columns: Array, base: Array) -> Balanced:
    """Find the weights nearest to the base weights under which every column has mean 0.

    Parameters
    ----------
    columns : (n, k) covariates less their targets, on comparable scales.
    base : (n,) positive.

    Notes
    -----
    Hainmueller (2012, Political Analysis 20): least Kullback–Leibler distance; its dual, log Σ base·exp(x'λ),
    is convex and is solved by Newton's method with a line search. Nothing is claimed here: where no weights exist the
    search ends with an ``imbalance`` that the caller must look at.
    """
    x, log_base, dual = columns, np.log(base / base.sum()), np.zeros(columns.shape[1])
    value, w = _dual_value(x, log_base, dual)
    for _ in range(STEPS):
        slope = w @ x
        if np.abs(slope).max() < TIGHT:
            break
        # least squares, as columns may repeat each other within this arm
        root = x * np.sqrt(w)[:, None]
        move = -np.linalg.lstsq(root.T @ root - np.outer(slope, slope), slope, rcond=1e-13)[0]
        length, promised = 1.0, float(slope @ move)
        while True:
            new, w_new = _dual_value(x, log_base, dual + length * move)
            # a step within rounding error of the optimum is judged by the slope, as the value no longer can
            if new <= value + 1e-4 * length * promised or np.abs(w_new @ x).max() < np.abs(slope).max() / 2:
                break
            length /= 2
            if length < 1e-10:
                break
        if length < 1e-10:
            break
        dual, value, w = dual + length * move, new, w_new
    return Balanced(weights=w, dual=dual, imbalance=float(np.abs(w @ x).max()))


def _dual_value(x: Array, log_base: Array, dual: Array) -> tuple[float, Array]:
    """Return the dual and its weights; the largest exponent is taken out first, so that nothing overflows."""
    exponent = log_base + x @ dual
    top = float(exponent.max())
    raw = np.exp(exponent - top)
    total = float(raw.sum())
    return top + float(np.log(total)), raw / total


def entropy_balance(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], estimand: str = "att",
                    moments: int = 1, base_weights: str | None = None, fixed_target: bool = False,
                    cluster: str | None = None, weights: str | None = None, transform: str = "none",
                    conf_level: float = 0.95) -> MatchedEstimate:
    """Compare means after weighting units so that covariate means are exactly those of the units the effect speaks of.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (took part) and 0 (did not).
    covariates : columns measured before treatment; rows with a missing value are left out and counted. Text becomes one
        yes/no column for each of its words, and the estimate says so.
    estimand : "att" (the others are weighted to the participants), "atc" (the reverse) or "ate" (both to all units).
    moments : 1 balances means, 2 also squares, 3 also cubes; yes/no covariates need the first alone.
    base_weights : column of positive numbers, one for every unit, from which the weights depart as little as possible;
        None is equal weights.
    fixed_target : leave out of the error that the means to be reached are estimated, as R WeightIt does. The outcomes of
        the units they come from vary with them, so that such an interval is usually too wide.
    cluster : column of groups that took part, or were sampled, together.
    weights : column of positive sampling weights; they enter targets, weights and errors.
    transform : "none" or "log".
    conf_level : a share.

    Returns
    -------
    MatchedEstimate
        An Estimate whose ``.matched`` holds the weights. The imbalance left, measured on the weights, is in ``details``.

    Raises
    ------
    DataError
        Missing columns, numbers mixed with text, a treatment that is not 0/1, negative weights.
    DesignError
        One arm only, no more units than covariates, or targets that no weighting reaches: the covariates are named.

    Notes
    -----
    Assumes that, given the covariates, who took part is unrelated to how they would have fared, and that either the
    outcome without the programme is linear in what is balanced, or the log odds of taking part are (Zhao & Percival 2017,
    Journal of Causal Inference 5). Weights: Hainmueller (2012, Political Analysis 20). Balance is claimed only where every
    difference of means is below 1e-6 standard deviations. Errors: M-estimation with the dual parameters and, unless
    ``fixed_target``, the targets; with clusters each left out in turn and t with the clusters of the smaller side − 1,
    else normal (by simulation: tests/test_matching_clusters.py). Reference cases: match_lalonde_ebal_att, _ate (R WeightIt
    1.3.0, whose errors hold targets fixed), match_lalonde_cbps_att (the same att weights; its error allows for the
    targets), match_lalonde_ebalance_pkg.
    """
    if estimand not in QUESTIONS:
        raise ValueError(f"estimand must be one of {', '.join(QUESTIONS)}, not {estimand!r}")
    if isinstance(moments, bool) or moments not in (1, 2, 3):
        raise ValueError(f"moments must be 1, 2 or 3, not {moments!r}")
    check_flag("fixed_target", fixed_target)
    check_level(conf_level)
    sample = select_comparison(data, outcome=outcome, treatment=treatment, covariates=covariates, cluster=cluster,
                               weights=weights, transform=transform, base_weights=base_weights)
    base = sample.rows.numbers(base_weights) if base_weights is not None else np.ones(len(sample.y))
    features, names = _features(sample, moments)
    target = sample.target(estimand)
    columns = features - target @ features / target.sum()
    arms = {"att": (0,), "atc": (1,)}.get(estimand, (1, 0))
    factor = np.ones(len(sample.y))
    for arm in arms:
        mine = sample.treated == arm
        factor[mine] = _tilt(sample, columns, names, target, base, arm)
    shown = arm_weights(sample, factor, factor, float(target.sum()))
    means = _means(sample, columns, target, shown, arms, fixed_target)
    if fixed_target:
        sample.caveats.append(Caveat(code="fixed_target", text="The error takes the means to be reached as given: the "
                                     "interval is usually too wide."))
    imbalance = max(float(np.abs(shown[sample.treated == arm] @ columns[sample.treated == arm]).max()) for arm in arms)
    return comparison_estimate(
        sample, means, outcome=outcome, treatment=treatment, method="entropy_balance", estimand=estimand, weights=shown,
        score=None, conf_level=conf_level, transform=transform, cluster=cluster,
        formula="M-estimation (sandwich of dual parameters and means)",
        correction=f"allows for the estimated weights{'; targets treated as given' if fixed_target else ' and targets'}",
        calls=_calls(estimand, moments, fixed_target, base_weights, cluster, weights),
        assumptions=(*ASSUMPTIONS, "The outcome, or the log odds of taking part, is linear in what is balanced."),
        details=(("moments", moments), ("balanced", tuple(names)), ("largest_imbalance", imbalance / float(target.sum()))))


def _calls(estimand: str, moments: int, fixed: bool, base_weights: str | None, cluster: str | None,
           weights: str | None) -> tuple[str, str]:
    """WeightIt's ebal holds the targets fixed; its cbps makes the same weights of one arm, and allows for the targets."""
    if base_weights is not None or not (fixed or (moments == 1 and estimand != "ate")):
        return none("WeightIt's error of such weights is another" if base_weights else
                    "WeightIt's error takes the means to be reached as given"), ""
    powers = f", moments = {moments}" if moments > 1 else ""
    return weighted(f'method = "{"ebal" if fixed else "cbps"}", estimand = "{estimand.upper()}"{powers}', "", "",
                    cluster=cluster, weights=weights)


def _features(sample: Comparison, moments: int) -> tuple[Array, list[str]]:
    """Lay out covariates and their powers, standardised, without those that repeat others: (n, k) and names."""
    z, columns, names = sample.basis[:, 1:], [], []
    if moments == 1:
        return z, list(sample.names)
    for power, word in ((1, ""), (2, " squared"), (3, " cubed"))[:moments]:
        columns += [z[:, j] ** power for j in range(z.shape[1])]
        names += [f"{name}{word}" for name in sample.names]
    table = np.column_stack(columns)
    table = (table - table.mean(axis=0)) / np.where(table.std(axis=0) > 0, table.std(axis=0), 1.0)
    kept = [j - 1 for j in independent_columns(np.column_stack([np.ones(len(table)), table])) if j > 0]
    return table[:, kept], [names[j] for j in kept]


def _tilt(sample: Comparison, columns: Array, names: list[str], target: Array, base: Array, arm: int) -> Array:
    """Find the weights of one arm before sampling weights, (n_arm,); refuse where balance is not reached."""
    mine = sample.treated == arm
    counted = (sample.sampling * base)[mine]
    found = balancing_weights(columns[mine], counted)
    if not found.imbalance < BALANCED or _on_edge(columns[mine], counted / counted.sum(), found.weights):
        raise DesignError(_unreachable(sample, columns, names, target, arm), source="design")
    return np.asarray(found.weights / sample.sampling[mine])


def _on_edge(points: Array, base: Array, weights: Array) -> bool:
    """Tell whether balance came only by weights that vanish: along some direction nothing varies any more."""
    before, after = (((points - w @ points) * w[:, None]).T @ (points - w @ points) for w in (base, weights))
    values, vectors = np.linalg.eigh(before)
    kept = values > SAME
    white = vectors[:, kept] / np.sqrt(values[kept])
    return bool(kept.any() and np.linalg.eigvalsh(white.T @ after @ white)[0] < VANISHED)


def _unreachable(sample: Comparison, columns: Array, names: list[str], target: Array, arm: int) -> list[Problem]:
    """Say which targets no weighting of an arm reaches, or reaches with weights of zero alone."""
    mine, word = sample.treated == arm, WORDS[arm]
    points, size = columns[mine], int((sample.treated == arm).sum())
    low, high = points.min(axis=0), points.max(axis=0)
    cure = "Leave out units unlike any of the other side, or balance on fewer covariates or moments."
    met = np.maximum(np.abs(low), np.abs(high)) <= OUT_OF_REACH
    alone = [j for j in range(len(names)) if not met[j] and (low[j] >= -OUT_OF_REACH or high[j] <= OUT_OF_REACH)]
    problems = []
    for j in alone:
        edge = low[j] <= OUT_OF_REACH and high[j] >= -OUT_OF_REACH
        what = f"no weighting of the {size} {word} units reaches its target" if not edge else (
            f"the {size} {word} units reach its target only if all that differ from it count for nothing")
        if names[j] in sample.names:
            x = sample.covariates[:, sample.names.index(names[j])]
            aim = x.mean() + x.std() * (target @ sample.basis[:, 1 + sample.names.index(names[j])]) / target.sum()
            what += f": a mean of {aim:.6g}, while theirs run from {x[mine].min():.6g} to {x[mine].max():.6g}"
        problems.append(Problem(where=f"column '{names[j]}'", what=what, cure=cure))
    if problems:
        return problems
    gap = np.flatnonzero(np.abs(hull_gap(points, np.zeros(len(names)))) > OUT_OF_REACH)
    together = listed([f"'{names[j]}'" for j in gap]) if len(gap) else "the covariates"
    how = "" if len(gap) else ", except with weights of zero for some of them"
    return [Problem(where="covariates", what=f"no weighting of the {size} {word} units reaches the targets of {together} "
                    f"together with the others{how}", cure=cure)]


def _means(sample: Comparison, columns: Array, target: Array, weights: Array, arms: tuple[int, ...],
           fixed: bool) -> Means:
    """Weighted means of the arms, and their influences through dual parameters and targets."""
    k, blocks, means = columns.shape[1], [], []
    if not fixed:
        blocks.append(Block(name="target", values=columns * target[:, None], slope=_each(target, np.eye(k))))
    for arm in (1, 0):
        w = np.where(sample.treated == arm, weights, 0.0)
        mean = float(w @ sample.y / w.sum())
        parts, through = w * (sample.y - mean), []
        if arm in arms:
            tilted = columns * w[:, None]
            used = _free(tilted.T @ columns, columns[sample.treated == arm])
            moved = () if fixed else (("target", _each(w, np.eye(k)[used])),)
            blocks.append(Block(name=f"dual {arm}", values=tilted[:, used], through=moved,
                                slope=products(tilted[:, used], columns[:, used])))
            through = [(f"dual {arm}", parts, columns[:, used])]
        blocks.append(mean_block(str(arm), parts, w, *through))
        means.append(mean)
    found = influences(blocks, sample.clusters)
    return Means(means[0], means[1], found["1"][:, 0], found["0"][:, 0])


def _each(weights: Array, columns: Array) -> Slope:
    """Derivative of weighted gaps from targets by the targets: each row takes its weight from every column."""
    return lambda rows=slice(None): -weights[rows].sum() * columns


def _free(curve: Array, mine: Array) -> list[int]:
    """List columns with a multiplier of their own: within an arm some may repeat others."""
    if np.linalg.matrix_rank(curve, hermitian=True) == len(curve):
        return list(range(len(curve)))
    return [j - 1 for j in independent_columns(np.column_stack([np.ones(len(mine)), mine])) if j > 0]

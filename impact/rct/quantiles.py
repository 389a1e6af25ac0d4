"""Effects on the distribution: how far the quantiles of the offered and of the others lie apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from impact.data.frame import as_names
from impact.errors import DesignError, Problem
from impact.inference.assignment import declared_draw
from impact.inference.chance import check_draws, seeded
from impact.inference.intervals import NOISE, Inference, check_level
from impact.inference.linear import Array, Codes, Fit
from impact.inference.replays import Statistics, plain
from impact.inference.report import Counterfactual, Counts, cluster_counts, is_share, make_estimate, spread
from impact.rct.few import is_few, wanting_many, with_own_draws
from impact.rct.means import ASSUMPTIONS
from impact.rct.trial import Trial, is_constant, regress, select_trial, with_holm
from impact.results import Caveat, Estimate, Estimates, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 999
MASS = 0.05  # share of an arm at one value, at the quantile, above which the quantile cannot move smoothly
TAIL = 5  # rows beyond a quantile below which a bootstrap cannot see its spread
CELL = 5  # units or clusters of an arm in a stratum below which redrawing within strata understates the spread
LEVEL = 1e-12  # of the summed weight: weights that reach the quantile up to rounding do reach it
WHOLE = 500  # rows up to which a quantile regression is solved at once

Quantiles = Callable[[Array], Array]  # weights (n,) -> (q, 3): effect, quantile of the offered, of the others


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bootstrap:
    """Redrawn effects, (draws, q), and redrawn comparison quantiles, (draws, q)."""

    effects: Array
    bases: Array
    pooled: bool


def quantile_effects(data: pd.DataFrame, *, outcome: str, treatment: str, quantiles: Sequence[float] = (0.25, 0.5, 0.75),
                     covariates: Sequence[str] = (), strata: str | None = None, cluster: str | None = None,
                     weights: str | None = None, draws: int = DRAWS, seed: int = 0,
                     conf_level: float = 0.95) -> Estimates:
    """Differences between the quantiles of the outcome with and without the offer.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit; not a yes/no. treatment : column of 1 (offered) and 0 (not).
    quantiles : shares strictly between 0 and 1, each once.
    covariates : columns measured before the offer. With them the effect is on the quantile at given covariates, which is
        another number than without; a missing value gets an indicator, never a lost row.
    strata : column of the blocks of the draw. Without covariates each arm is weighted to the strata of everyone; with
        covariates strata enter as dummies.
    cluster : column of the groups that were drawn; they are redrawn whole.
    weights : column of positive sampling weights.
    draws, seed : of the bootstrap, and of drawing again where few were drawn. conf_level : a share.

    Returns
    -------
    Estimates
        One row a quantile, the median first where it is asked for (row 0 is the headline), the others in the order given.
        ``comparison_mean`` is the comparison group's quantile, as its label says. ``p_adjusted`` is Holm over the
        quantiles.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`.
    DesignError
        As :func:`impact.rct.ols`; also for a yes/no outcome, a stratum with one arm, or one unit on a side.

    Notes
    -----
    Assumes assignment by lot; nothing is assumed of who stands where in both arms.
    Estimand: the quantile treatment effect, a difference between two distributions. It is the effect on the firm at that
    quantile only if the offer leaves the ranks of firms as they are. Without covariates: difference of the arms' inverse
    distribution functions, the least value at or below which the share lies (type 1 of Hyndman & Fan 1996), a solution of
    the quantile regression on the offer; with strata, weights as Firpo (2007, Econometrica 75) with the strata's
    shares. With covariates: quantile regression (Koenker & Bassett 1978), solved exactly as a linear programme; where
    several lines fit equally well, one of them. Interval: percentiles of ``draws`` bootstrap draws of units (whole clusters
    where given) within arm and stratum; p-value: twice the smaller share of draws on either side of zero, (1 + #)/(1 + R).
    With fewer than 5 drawn in an arm of a stratum they are redrawn within arms over all strata, which is cautious. Few
    clusters (or units): the p-value comes from drawing the offer again, exact for 'the offer changed nobody'; its statistic
    is the effect itself, since its only error is the bootstrap's. The interval stays the bootstrap's and says so.
    Reference case: the Tanzanian trial in R (quantreg 5.94), tests/test_quantiles.py, which also has simulations: with 75
    units or 20 clusters an arm the interval covers 0.94 to 0.98 where 0.95 is asked.
    """
    level = check_level(conf_level)
    shares = _check_asked(quantiles, draws, level)
    trial = select_trial(data, outcome=outcome, treatment=treatment, covariates=as_names(covariates), strata=strata,
                         cluster=cluster, weights=weights, transform="none")
    _check_trial(trial, outcome)
    estimator, base = _estimator(trial, treatment, shares)
    found = estimator(base)
    redrawn = _bootstrap(estimator, trial, base, draws, seed)
    rows = [_row(trial, shares[j], found[j], redrawn, j, base, level, outcome=outcome, cluster=cluster)
            for j in range(len(shares))]
    rows = [wanting_many(row, trial.clusters) for row in _with_lots(rows, trial, treatment, shares, draws, seed)]
    return Estimates(rows=tuple(with_holm(rows, "quantiles")))


def _estimator(trial: Trial, treatment: str, shares: Sequence[float]) -> tuple[Quantiles, Array]:
    """Lay out the estimator for the offer as it stands, and the weights it starts from."""
    base = np.ones(len(trial.y)) if trial.weights is None else trial.weights
    if trial.labels:
        fit = regress(trial, {treatment: trial.offered})  # lays out the design, the offer last
        return _regression(fit, trial.y, shares, base), base
    return _difference(trial.y, trial.offered, shares), base * _to_strata(trial, base)


def _with_lots(rows: list[Estimate], trial: Trial, treatment: str, shares: Sequence[float], draws: int,
               seed: int) -> list[Estimate]:
    """Where few were drawn, take the p-values from the quantiles on every draw of the offer."""
    if not is_few(rows[0]) or is_constant(trial.y):
        return rows

    def own(drawn: Codes) -> Statistics:
        estimator, base = _estimator(replace(trial, offered=drawn.astype(float)), treatment, shares)
        return plain(estimator(base)[:, 0], np.ones(len(shares)))

    draw = declared_draw(trial.offered, strata=trial.blocks, clusters=trial.clusters)
    return with_own_draws(rows, own, draw, trial.offered.astype(np.int64), seed=seed, draws=draws,
                          by_cluster=trial.clusters is not None, inverted=[False] * len(rows), said="")


def _check_asked(quantiles: Sequence[float], draws: int, level: float) -> list[float]:
    """Order the quantiles, the median first; refuse what is none, and draws too few for the level."""
    asked = [float(q) for q in quantiles]
    if not asked or len(set(asked)) < len(asked) or not all(0 < q < 1 for q in asked):
        raise ValueError(f"quantiles are shares strictly between 0 and 1, each once, not {quantiles!r}")
    check_draws(draws, math.ceil(2 / (1 - level) - 1e-9) - 1, f"for an interval of {level:.12g}")
    return sorted(asked, key=lambda q: q != 0.5)


def _end(draws: int, level: float) -> int:
    """Place, from either end, of the ordered draw that bounds the interval."""
    return math.floor((draws + 1) * (1 - level) / 2 + 1e-9)


def _check_trial(trial: Trial, outcome: str) -> None:
    problems = []
    if is_share(trial.raw):
        problems.append(Problem(where=f"column '{outcome}'", what="it is a yes/no, which has no quantiles to compare",
                                cure="Use difference_in_means or ols: they compare the shares."))
    sides = [int((trial.offered == arm).sum()) for arm in (1, 0)]
    if min(sides) < 2:
        problems.append(Problem(where="treatment", what=f"{sides[0]} treated and {sides[1]} comparison units: two on each "
                                "side are needed", cure="Add data."))
    if trial.blocks is not None:
        most = int(trial.blocks.max()) + 1
        held = [np.bincount(trial.blocks[trial.offered == arm], minlength=most) for arm in (1, 0)]
        alone = int((np.minimum(*held) == 0).sum())
        if alone:
            problems.append(Problem(where="strata", what=f"{alone} of {len(held[0])} strata have units of one arm only",
                                    cure="Merge them with others as the draw allows, or leave them out and say so."))
    if problems:
        raise DesignError(problems, source="design")


# ---- the estimators


def weighted_quantiles(ordered: Array, weights: Array, shares: Sequence[float]) -> Array:
    """Invert the distribution function: the least value at or below which each share of the weight lies.

    Parameters
    ----------
    ordered : (n,) values in ascending order. weights : (n,) not negative, in the same order, not all zero.
    shares : strictly between 0 and 1.
    """
    reached = np.cumsum(weights)
    total = reached[-1]
    # rows without weight never come first: the sum does not grow on them
    return np.asarray(ordered[np.searchsorted(reached, (np.asarray(shares) - LEVEL) * total)], dtype=float)


def _difference(y: Array, offered: Array, shares: Sequence[float]) -> Quantiles:
    arms = [np.flatnonzero(offered == arm) for arm in (1, 0)]
    places = [rows[np.argsort(y[rows], kind="stable")] for rows in arms]
    ordered = [y[rows] for rows in places]

    def estimate(weights: Array) -> Array:
        one, zero = (weighted_quantiles(values, weights[rows], shares)
                     for values, rows in zip(ordered, places, strict=True))
        return np.column_stack([one - zero, one, zero])

    return estimate


def _to_strata(trial: Trial, weights: Array) -> Array:
    """Factors that give each arm the strata of everyone."""
    if trial.blocks is None:
        return np.ones(len(weights))
    sums = [np.bincount(trial.blocks[trial.offered == arm], weights=weights[trial.offered == arm],
                        minlength=int(trial.blocks.max()) + 1) for arm in (0, 1)]
    return np.asarray((sums[0] + sums[1])[trial.blocks] / np.where(
        trial.offered == 1, sums[1][trial.blocks], sums[0][trial.blocks]))


def _regression(fit: Fit, y: Array, shares: Sequence[float], weights: Array) -> Quantiles:
    starts = [quantile_regression(fit.design, y, weights, q) for q in shares]

    def estimate(used: Array) -> Array:
        effects = [quantile_regression(fit.design, y, used, q, start=start)[-1]
                   for q, start in zip(shares, starts, strict=True)]
        return np.column_stack([effects, np.full((len(shares), 2), np.nan)])

    return estimate


def quantile_regression(design: Array, outcome: Array, weights: Array, share: float, *,
                        start: Array | None = None) -> Array:
    """Coefficients that minimise the weighted sum of (share − 1[u < 0])·u over residuals u.

    Parameters
    ----------
    design : (n, k). outcome : (n,). weights : (n,) not negative. share : strictly between 0 and 1.
    start : (k,) coefficients thought to be near; with many rows it saves work and does not change the minimum.

    Notes
    -----
    The dual linear programme (Koenker 2005, Cambridge), by HiGHS. With a start, rows far above or below it are added up
    into one row each, and the programme is solved again on all rows if one of them turns out to lie on the other side
    (Portnoy & Koenker 1997, Statistical Science 12).
    """
    used = weights > 0
    x, y, w = design[used], outcome[used], weights[used]
    if start is None or len(y) <= WHOLE:
        return _programme(x * w[:, None], y * w, share)
    rest = y - x @ start
    near = min(WHOLE + math.ceil(4 * len(y) ** (2 / 3)), len(y)) - 1
    width = np.partition(np.abs(rest), near)[near]
    middle, above, below = np.abs(rest) <= width, rest > width, rest < -width
    parts = [(x[middle] * w[middle, None], y[middle] * w[middle]),
             *(((w[far] @ x[far])[None, :], np.array([w[far] @ y[far]])) for far in (above, below) if far.any())]
    found = _programme(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), share)
    again = y - x @ found
    if (again[above] < 0).any() or (again[below] > 0).any():
        return _programme(x * w[:, None], y * w, share)
    return found


def _programme(x: Array, y: Array, share: float) -> Array:
    """Maximise y'a subject to X'a = (1 − share)·X'1 and 0 ≤ a ≤ 1; the coefficients are its multipliers."""
    size = np.sqrt((x**2).mean(axis=0))
    size[size == 0] = 1.0
    scale = float(np.abs(y).max()) or 1.0
    scaled = x / size
    found = optimize.linprog(-y / scale, A_eq=scaled.T, b_eq=(1 - share) * scaled.sum(axis=0), bounds=(0, 1),
                             method="highs")
    if found.status != 0:
        raise DesignError(Problem(where="quantiles", what=f"the quantile regression at {share:g} could not be solved",
                                  cure="Use fewer covariates, or none."), source="design")
    return np.asarray(-found.eqlin.marginals * scale / size, dtype=float)


# ---- the bootstrap


def _bootstrap(estimator: Quantiles, trial: Trial, weights: Array, draws: int, seed: int) -> _Bootstrap:
    """Redraw units, or whole clusters, within arm and stratum; rows drawn twice weigh twice."""
    rng = seeded(seed)
    member = trial.clusters if trial.clusters is not None else np.arange(len(trial.y), dtype=np.int64)
    count = int(member.max()) + 1
    arm = np.zeros(count)
    arm[member] = trial.offered
    block = np.zeros(count, dtype=np.int64)
    if trial.blocks is not None:
        block[member] = trial.blocks
    cells = (block * 2 + arm).astype(np.int64)
    pooled = trial.blocks is not None and int(np.bincount(cells)[np.unique(cells)].min()) < CELL
    pools = _pools(trial.y, member, arm.astype(np.int64) if pooled else cells)
    results = np.empty((draws, *estimator(weights).shape))
    for i in range(draws):
        times = np.zeros(count)
        for pool in pools:
            times[pool] = np.bincount(rng.integers(0, len(pool), len(pool)), minlength=len(pool))
        results[i] = estimator(weights * times[member])
    return _Bootstrap(effects=results[:, :, 0], bases=results[:, :, 2], pooled=pooled)


def _pools(y: Array, member: Codes, cells: Codes) -> list[Codes]:
    """List what is drawn by cell, ordered by outcome, so that neither the order of rows nor names of clusters matter."""
    low, high = np.full(len(cells), np.inf), np.full(len(cells), -np.inf)
    np.minimum.at(low, member, y)
    np.maximum.at(high, member, y)
    order = np.lexsort((np.bincount(member, minlength=len(cells)), high, low))
    return [order[cells[order] == cell] for cell in np.unique(cells)]


def _infer(estimate: float, redrawn: Array, level: float) -> Inference:
    """Bootstrap standard error, percentile interval, and the p-value that agrees with the interval."""
    error = float(redrawn.std(ddof=1))
    if error <= NOISE * abs(estimate) or error == 0:
        return Inference(estimate=estimate, conf_level=level, reason="the quantiles are the same in every bootstrap draw: "
                         "the outcome has too much mass at one value")
    ordered, end = np.sort(redrawn), _end(len(redrawn), level)
    tail = min(int((redrawn <= 0).sum()), int((redrawn >= 0).sum()))
    p = min(1.0, 2 * (1 + tail) / (1 + len(redrawn)))
    return Inference(estimate=estimate, conf_level=level, std_error=error, p_value=p,
                     conf_low=float(ordered[end - 1]), conf_high=float(ordered[-end]))


# ---- the rows


def quantile_name(share: float) -> str:
    """Name a quantile in words: median, 25th percentile, or its share."""
    if share == 0.5:
        return "median"
    hundredth = round(100 * share, 9)
    if hundredth != int(hundredth):
        return f"quantile at {share:.12g}"
    n = int(hundredth)
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending} percentile"


def _row(trial: Trial, share: float, found: Array, redrawn: _Bootstrap, j: int, weights: Array, level: float, *,
         outcome: str, cluster: str | None) -> Estimate:
    name, adjusted = quantile_name(share), bool(trial.labels)
    inference = _infer(float(found[0]), redrawn.effects[:, j], level)
    given = " among units with the same covariates" if adjusted else ""
    question = (f"how far the {name} of the outcome of those offered the programme lies from the {name} of those not "
                f"offered it{given}; it is not the effect on the unit that stands at the {name}")
    base = None if adjusted else Counterfactual(
        mean=float(found[2]), std_error=float(redrawn.bases[:, j].std(ddof=1)), label=f"comparison group's {name}")
    counts, card = _described(trial, share, len(redrawn.effects), redrawn.pooled, cluster)
    details: list[tuple[str, object]] = [("quantile", share), ("draws", len(redrawn.effects))]
    if not adjusted:
        details += [("quantile_treated", float(found[1])), ("quantile_comparison", float(found[2]))]
    estimate = make_estimate(
        outcome=outcome, term=name, method="quantile_effects", estimand="qte", inference=inference, counts=counts,
        vcov="bootstrap", card=card, base=base, question=question, assumptions=ASSUMPTIONS,
        outcome_sd=spread(trial.y[trial.offered == 0]), dropped=trial.rows.dropped,
        caveats=[*trial.caveats, *_caveats(trial, share, weights, redrawn.pooled, adjusted)], details=details)
    reasons = [*estimate.reasons, ("statistic", "the p-value comes from the bootstrap"),
               *([("effect_pct", "at given covariates there is no single comparison quantile")] if adjusted else [])]
    return replace(estimate, id=f"{outcome}/quantile_effects/{100 * share:.12g}", reasons=tuple(reasons))


def _described(trial: Trial, share: float, draws: int, pooled: bool,
               cluster: str | None) -> tuple[Counts, StandardErrorCard]:
    n, one = len(trial.y), int(trial.offered.sum())
    groups = cluster_counts(trial.clusters, trial.offered) if trial.clusters is not None else (None, None, None)
    counts = Counts(n=n, treated=one, comparison=n - one, units=n, units_treated=one, clusters=groups[0],
                    clusters_treated=groups[1], clusters_comparison=groups[2])
    what = "whole clusters" if cluster else "units"
    within = "arm and stratum" if trial.blocks is not None and not pooled else "arm"
    terms = ["d", *(["x"] if trial.labels else []), *(["factor(s)"] if trial.blocks is not None and trial.labels else [])]
    weighted = trial.weights is not None or (trial.blocks is not None and not trial.labels)
    card = StandardErrorCard(
        formula=f"bootstrap, {draws:,} draws", correction=f"{what} redrawn within {within}, percentile interval",
        level=cluster or "the unit", df_rule="no distribution assumed",
        clusters_treated=one if groups[1] is None else groups[1],
        clusters_comparison=n - one if groups[2] is None else groups[2],
        r_call=f"quantreg::rq(y ~ {' + '.join(terms)}, tau = {share:.12g}{', weights = w' if weighted else ''})"
        " # its estimate",
        stata_call="" if weighted or len(terms) > 2 else
        f"qreg y {' '.join(terms)}, quantile({share:.12g}) // its estimate")
    return counts, card


def _caveats(trial: Trial, share: float, weights: Array, pooled: bool, adjusted: bool) -> list[Caveat]:
    out = []
    name = quantile_name(share)
    for arm, who in ((1, "treated"), (0, "comparison")):
        y, w = trial.y[trial.offered == arm], weights[trial.offered == arm]
        order = np.argsort(y, kind="stable")
        value = float(weighted_quantiles(y[order], w[order], [share])[0])
        mass = float(w[y == value].sum() / w.sum())
        if mass > MASS:
            out.append(Caveat(
                code="mass_at_quantile", text=f"{mass:.0%} of the {who} group have exactly {value:.4g}, where its {name} "
                "lies: the quantile moves in jumps, and the bootstrap's interval and p-value are rough.",
                values=(("group", who), ("value", value), ("share", mass))))
        beyond = min(share, 1 - share) * len(y)
        if beyond < TAIL:
            out.append(Caveat(
                code="extreme_quantile", text=f"About {beyond:.1f} of the {len(y)} {who} units lie beyond the {name}: too "
                "few for the bootstrap to see how far it could move.", values=(("group", who), ("beyond", beyond))))
    if pooled:
        out.append(Caveat(code="strata_pooled", text=f"Some strata have fewer than {CELL} drawn in an arm: the bootstrap "
                          "redraws within arms over all strata, so that the interval is if anything too wide.",
                          values=(("least", CELL),)))
    if adjusted:
        out.append(Caveat(code="conditional_quantile", text=f"With covariates this is the difference at the {name} among "
                          "units with the same covariates, not at the quantile of all units.", values=()))
    return out

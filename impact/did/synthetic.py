"""One or few treated areas: synthetic control and synthetic difference-in-differences, with placebo inference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from impact.did.areas import Areas, open_areas
from impact.errors import DesignError, Problem
from impact.inference.chance import check_draws, seeded
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes
from impact.inference.report import Counterfactual, Counts, is_share, make_estimate, spread
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

FEW_PERIODS = 5  # with fewer earlier periods a good fit before is cheap, and promises little after
EXACT = 1e-4  # share of the noise level below which earlier gaps are rounding
LEAST_DRAWS = 19  # the fewest among which one is beyond 5 per cent
MOST_GROUPS = 2000  # placebo groups of several areas are all used up to this many
TINY = 1e-6  # share of the noise level that ridge keeps where the method itself has none, as in the authors' code
ASSUMPTIONS = (
    "Without the programme, the treated area would have gone on as the weighted others did.",
    "The other areas were not touched by the programme.",
    "Nobody changed course before the start because they expected it.",
)
IN_PARALLEL = (
    "Without the programme, the treated area would have moved in parallel with the weighted others.",
    *ASSUMPTIONS[1:],
)
SC_QUESTION = ("the average effect on the treated area in the periods after the start, against the mix of other areas that "
               "followed it most closely before")
SDID_QUESTION = ("the average effect on the treated area in the periods after the start, against a mix of other areas that "
                 "moved in parallel with it before, with more weight on the earlier periods most like the later ones")


def synthetic_control(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
                      cluster: str | None = None, transform: str = "none", conf_level: float = 0.95,
                      draws: int = 200, seed: int = 0, name_areas: bool = False) -> Estimate:
    """Compare a treated area with the mix of other areas that followed it most closely before the start.

    Parameters
    ----------
    data : DataFrame, one row an area and period. outcome : column, in its own unit.
    unit, time : columns of the area and of the period.
    first_treated : column of the first treated period, missing or infinite for the other areas; one start only.
    cluster : column of the level at which treatment was decided, such as the district of firms; the area when left out.
        Placebos are then whole clusters without a treated area, as many as were treated.
    transform : "none" or "log". conf_level : a share.
    draws, seed : of placebo groups where several areas (clusters) are treated and more than 2,000 groups of as many could
        be; with fewer each is used once.
    name_areas : whether the weights are listed with the areas' names (a province or district), and not with the number of
        their first row; leave it False where a unit is a person or firm.

    Returns
    -------
    Estimate
        Average gap after the start. The p-value is the rank of its ratio of squared gaps after and before among the same
        ratios of all other areas, each treated in turn as if it were the one; its least value is 1/(areas). With several
        treated areas it is the rank among groups of as many, drawn from all areas, each set against all outside it; None
        where groups are of unlike sizes. No standard error and no interval exist: only the rank. ``details`` holds
        weights, gaps and placebos.

    Raises
    ------
    DataError
        As :func:`impact.did.two_by_two`.
    DesignError
        With several starts, fewer than two other areas or two earlier periods, or gaps in the treated area's series.

    Notes
    -----
    Assumes that the mix of other areas that tracked the treated before would have tracked it after.
    Estimand: ATT of the treated area(s). Weights are not negative, sum to one, and are found exactly (a simplex
    least-squares problem as non-negative least squares). Abadie, Diamond & Hainmueller (2010, JASA 105, sections 2 and 3),
    outcomes of all earlier periods as predictors. Several treated areas are averaged first, and ranked as in a
    permutation test of no effect anywhere (Firpo & Possebom 2018, Journal of Causal Inference 6). Reference case:
    did_prop99_synthdid (sc: the exact solution is −19.51; the R package stops early at −19.62).
    """
    areas = open_areas(data, outcome, unit, time, first_treated, cluster, transform, name_areas)
    _need_more_others(areas)
    weigh = _weigher(areas, intercept=False, ridge=TINY)
    found = _gaps(areas.values, areas.n0, weigh)
    least = EXACT * _noise(areas.values[: areas.n0, : areas.t0])
    placebos, counted = _in_turn(areas, weigh), 1
    if not areas.alone:
        placebos, counted = _among_all(areas, weigh, draws, seed)
    ranks = np.array([_ratio(p, areas.t0, least) for p in placebos])
    beyond = int((ranks >= _ratio(found, areas.t0, least) * (1 - 1e-10)).sum())
    p = (counted + beyond) / (counted + len(ranks)) if areas.alike else None
    effect = float(found[areas.t0:].mean())
    inference = Inference(estimate=effect, conf_level=conf_level, p_value=p, reason="a synthetic control has no standard "
                          "error: only its rank among other areas" if areas.alike else "groups of unlike sizes cannot "
                          "change places, so that a rank among them would not be fair: use synthetic_did")
    card = _card("rank of the ratio of gaps after and before, among all areas", areas,
                 "Synth::synth(...); SCtools::mspe.test(...)", "synth y y(...), trunit() trperiod()")
    details = (*_details(areas, weigh(areas.values, areas.n0)), ("gaps", _dated(areas, found)),
               ("placebo_effects", tuple(float(x[areas.t0:].mean()) for x in placebos)))
    return _estimate(areas, "synthetic_control", outcome, inference, card, SC_QUESTION, transform, details,
                     _fit_caveats(areas, found, len(ranks) + counted - 1))


def synthetic_did(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
                  cluster: str | None = None, transform: str = "none", conf_level: float = 0.95, draws: int = 200,
                  seed: int = 0, name_areas: bool = False) -> Estimate:
    """Difference-in-differences with weights on areas and on periods chosen so that the past runs in parallel.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, cluster, transform, conf_level, draws, seed, name_areas
        As :func:`synthetic_control`.

    Returns
    -------
    Estimate
        The standard error is the spread of placebo effects among the other areas (normal interval): it holds if the
        treated area's luck is like theirs. ``details`` holds both sets of weights, the rank of the effect and the gaps,
        whose mean after the start is the effect.

    Raises
    ------
    DataError, DesignError
        As :func:`synthetic_control`; also when not more areas are untreated than treated.

    Notes
    -----
    Assumes that the weighted others would have moved in parallel with the treated.
    Estimand: ATT. Arkhangelsky, Athey, Hirshberg, Imbens & Wager (2021, AER 111, algorithms 1 and 4); ridge
    (N₁T₁)^¼ times the spread of yearly changes. Weights by an exact solver. Reference case: did_prop99_synthdid.
    """
    areas = open_areas(data, outcome, unit, time, first_treated, cluster, transform, name_areas)
    _need_more_others(areas)
    effect, omega, lam = _double(areas.values, areas.n0, areas.t0)
    others = areas.values[: areas.n0]
    placebos = np.array([_double(np.vstack([np.delete(others, g, axis=0), others[g]]), areas.n0 - len(g), areas.t0)[0]
                         for g in _groups(areas, draws, seed)])
    error = math.sqrt(float(((placebos - placebos.mean()) ** 2).mean()))
    inference = infer(effect, error, None, conf_level)
    rank = float((1 + (np.abs(placebos) >= abs(effect) * (1 - 1e-10)).sum()) / (1 + len(placebos)))
    card = _card("spread of placebo effects among the other areas", areas,
                 "synthdid::vcov(synthdid_estimate(...), method = 'placebo')", "sdid y unit time d, vce(placebo)")
    apart = areas.values[areas.n0:].mean(axis=0) - omega @ others  # a constant gap is allowed for
    details = (*_details(areas, omega), ("time_weights", _dated(areas, lam)),
               ("gaps", _dated(areas, apart - lam @ apart[: areas.t0])),
               ("placebo_rank_p", rank), ("placebo_effects", tuple(float(x) for x in placebos)))
    return _estimate(areas, "synthetic_did", outcome, inference, card, SDID_QUESTION, transform, details, [])


def simplex_weights(columns: Array, target: Array, ridge: float, *, intercept: bool) -> Array:
    """Weights w ≥ 0 with sum 1 that minimise ‖columns·w − target‖² + ridge²·rows·‖w‖².

    Parameters
    ----------
    columns : (m, k). target : (m,). ridge : in units of the outcome. intercept : whether a common shift is free.

    Notes
    -----
    Since the weights sum to one, the residual is (columns − target)·w; a minimiser over w ≥ 0 of that and (Σw − 1)²,
    brought to sum one, meets the conditions of the constrained problem exactly, so that non-negative least squares
    (Lawson & Hanson 1974, chapter 23) solves it.
    """
    if intercept:
        columns, target = columns - columns.mean(axis=0), target - target.mean()
    gaps = columns - target[:, None]
    scale = float(np.abs(gaps).max()) or 1.0
    k = columns.shape[1]
    stacked = np.vstack([gaps / scale, ridge * math.sqrt(len(target)) / scale * np.eye(k), np.ones((1, k))])
    aim = np.zeros(len(stacked))
    aim[-1] = 1.0
    weights, _ = optimize.nnls(stacked, aim, maxiter=100 * k)
    return np.asarray(weights / weights.sum())


def _weigher(areas: Areas, *, intercept: bool, ridge: float) -> Callable[[Array, int], Array]:
    noise = _noise(areas.values[: areas.n0, : areas.t0])

    def weigh(values: Array, n0: int) -> Array:
        target = values[n0:, : areas.t0].mean(axis=0)
        return simplex_weights(values[:n0, : areas.t0].T, target, ridge * noise, intercept=intercept)

    return weigh


def _noise(before: Array) -> float:
    """Spread of changes from period to period in the comparison areas."""
    return float(np.diff(before, axis=1).std(ddof=1)) if before.shape[1] > 1 and before.size > 2 else 0.0


def _gaps(values: Array, n0: int, weigh: Callable[[Array, int], Array]) -> Array:
    weights = weigh(values, n0)
    return np.asarray(values[n0:].mean(axis=0) - weights @ values[:n0])


def _ratio(gaps: Array, t0: int, least: float) -> float:
    """Squared gaps after over before; a fit closer than ``least`` is exact, and what is left of its gaps is rounding."""
    before = max(float((gaps[:t0] ** 2).mean()), least**2)
    return float((gaps[t0:] ** 2).mean()) / before if before > 0 else math.inf


def _in_turn(areas: Areas, weigh: Callable[[Array, int], Array]) -> list[Array]:
    """Gaps of every other area, treated in turn as if it were the one; the treated area stands in no mix."""
    others = areas.values[: areas.n0]
    return [_gaps(np.vstack([np.delete(others, g, axis=0), others[g]]), areas.n0 - len(g), weigh) for g in areas.others]


def _among_all(areas: Areas, weigh: Callable[[Array, int], Array], draws: int, seed: int) -> tuple[list[Array], int]:
    """Gaps of groups of as many areas (clusters) as were treated, drawn from all, each against all areas outside it.

    Every group once where that is few enough, the treated one among them (0 to be counted besides); otherwise seeded
    draws (1: the treated group itself). Mixes may hold treated areas: under no effect anywhere they are like the others.
    """
    groups, k = (*areas.others, *areas.touched), areas.groups
    if math.comb(len(groups), k) <= MOST_GROUPS:
        chosen, counted = list(combinations(range(len(groups)), k)), 0
    else:
        draws = check_draws(draws, LEAST_DRAWS)
        rng = seeded(seed)
        chosen = [tuple(rng.choice(len(groups), k, replace=False)) for _ in range(draws)]
        counted = 1
    out = []
    for picked in chosen:
        mine = np.concatenate([groups[j] for j in picked])
        rest = np.delete(areas.values, mine, axis=0)
        out.append(_gaps(np.vstack([rest, areas.values[mine]]), len(rest), weigh))
    return out, counted


def _double(values: Array, n0: int, t0: int) -> tuple[float, Array, Array]:
    """Effect, area weights and period weights of one table whose first n0 rows are comparison areas."""
    n1, t1 = len(values) - n0, values.shape[1] - t0
    noise = _noise(values[:n0, :t0])
    omega = simplex_weights(values[:n0, :t0].T, values[n0:, :t0].mean(axis=0), (n1 * t1) ** 0.25 * noise, intercept=True)
    lam = simplex_weights(values[:n0, :t0], values[:n0, t0:].mean(axis=1), TINY * noise, intercept=True)
    rows = np.concatenate([-omega, np.full(n1, 1 / n1)])
    columns = np.concatenate([-lam, np.full(t1, 1 / t1)])
    return float(rows @ values @ columns), omega, lam


def _need_more_others(areas: Areas) -> None:
    if len(areas.others) <= areas.groups:
        noun = f"groups by '{areas.level}'" if areas.level else "areas"
        raise DesignError(Problem(where=f"column '{areas.level}'" if areas.level else "unit", what=f"{len(areas.others)} "
                                  f"other and {areas.groups} treated {noun}: placebo groups need more others than treated",
                                  cure=f"Add {noun} that were not treated."), source="design")


def _groups(areas: Areas, draws: int, seed: int) -> list[Codes]:
    """Placebo groups of as many areas (clusters) as were treated: each once, or seeded draws of several."""
    if areas.groups == 1:
        return list(areas.others)
    draws = check_draws(draws, LEAST_DRAWS)
    rng = seeded(seed)
    return [np.concatenate([areas.others[j] for j in rng.choice(len(areas.others), areas.groups, replace=False)])
            for _ in range(draws)]


def _dated(areas: Areas, values: Sequence[float] | Array) -> tuple[tuple[str, float], ...]:
    return tuple((f"{t:.12g}", float(v)) for t, v in zip(areas.when, values, strict=False))


def _details(areas: Areas, weights: Array) -> tuple[tuple[str, object], ...]:
    named = sorted(zip(areas.names, weights, strict=False), key=lambda pair: (-pair[1], pair[0]))
    return (("weights", tuple((name, float(w)) for name, w in named if w > 1e-6)), ("earlier_periods", areas.t0))


def _card(formula: str, areas: Areas, r_call: str, stata_call: str) -> StandardErrorCard:
    noun = f"groups by {areas.level}" if areas.level else "areas"
    return StandardErrorCard(formula=formula, correction="no correction", level=areas.level or "the area",
                             df_rule="normal" if "spread" in formula else f"{len(areas.others)} placebo {noun}",
                             clusters_treated=areas.groups, clusters_comparison=len(areas.others),
                             r_call="" if areas.level else r_call, stata_call="" if areas.level else stata_call)


def _fit_caveats(areas: Areas, gaps: Array, placebos: int) -> list[Caveat]:
    before, after = math.sqrt(float((gaps[: areas.t0] ** 2).mean())), abs(float(gaps[areas.t0:].mean()))
    among = f"{areas.n0} other areas" if areas.alone else f"{len(areas.values)} areas"
    out = [] if not areas.alike else [Caveat(
        code="smallest_p", text=f"With {placebos} placebos among {among} the smallest possible p-value is "
        f"{1 / (placebos + 1):.3g}.", values=(("smallest_p", 1 / (placebos + 1)),))]
    if before > 0.5 * after:
        out.append(Caveat(code="poor_fit", text=f"The mix missed the treated area by {before:.3g} on average before the "
                          f"start, against a gap of {after:.3g} after: it is a poor stand-in.",
                          values=(("before", before), ("after", after))))
    return out


def _estimate(areas: Areas, method: str, outcome: str, inference: Inference, card: StandardErrorCard, question: str,
              transform: str, details: tuple[tuple[str, object], ...], caveats: list[Caveat]) -> Estimate:
    treated = len(areas.values) - areas.n0
    after = areas.values[areas.n0:, areas.t0:].mean()
    level = float(after) - inference.estimate
    within = f", in {areas.groups} and {len(areas.others)} groups by {areas.level}" if areas.level else ""
    few = Caveat(code="few_units", text=f"{treated} treated {'area' if treated == 1 else 'areas'} and {areas.n0} others"
                 f"{within}: whatever else happened there at the time cannot be told from the programme.",
                 values=(("treated", treated), ("comparison", areas.n0)))
    if areas.t0 < FEW_PERIODS:
        caveats = [*caveats, Caveat(code="few_periods", text=f"Only {areas.t0} earlier periods: a close fit before the "
                                    "start says little.", values=(("periods", areas.t0),))]
    return make_estimate(
        outcome=outcome, method=method, estimand="att", inference=inference, vcov="placebo", card=card, question=question,
        counts=Counts(n=areas.values.size, units=len(areas.values), units_treated=treated),
        base=Counterfactual(mean=math.exp(level) if transform == "log" else level, std_error=0.0,
                            label="treated area without treatment"),
        assumptions=IN_PARALLEL if method == "synthetic_did" else ASSUMPTIONS, transform=transform,
        outcome_sd=spread(areas.values[: areas.n0].ravel()),
        dropped=areas.panel.rows.dropped, caveats=[few, *caveats], share=is_share(areas.raw.ravel()), details=details,
        period=f"{areas.when[0]:.12g}–{areas.when[-1]:.12g}")

"""Were the groups alike before: standardised differences, distributions, prognostic score and joint test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.draws import draw_problems
from impact.data.frame import Selection, as_names, check_columns, require_columns, rows_text
from impact.errors import DataError, DesignError, Problem
from impact.inference.assignment import declared_draw
from impact.inference.chance import check_draws
from impact.inference.linear import Array, Codes, least_squares
from impact.inference.multiple import TIE
from impact.inference.randomisation import randomisation_test, smallest_p
from impact.inference.sandwich import covariance
from impact.inference.traits import Trait, missing_shares, prognostic_score, read_traits
from impact.inference.wald import wald_test
from impact.inference.worth import effective_size
from impact.results.balance import DENOMINATORS, BalanceRow, BalanceTable, Gap, JointTest

if TYPE_CHECKING:
    import pandas as pd

MATCHED_LIMIT = 0.10  # standard deviations; Austin (2009, Statistics in Medicine 28)
TRIAL_LIMIT = 0.25  # Imbens & Rubin (2015, section 14.2): beyond it regression adjustment leans on the model
NONE = Gap(mean_treated=None, mean_comparison=None, smd=None, variance_ratio=None, ecdf_mean=None, ecdf_max=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """The rows with a known arm."""

    rows: Selection
    frame: pd.DataFrame
    treated: Array
    weights: Array | None
    strata: Codes | None
    clusters: Codes | None


def balance_table(data: pd.DataFrame, *, treatment: str, covariates: Sequence[str], weights: Array | str | None = None,
                  denominator: str = "pooled", categorical: Sequence[str] = (), prognostic: str | None = None,
                  strata: str | None = None, cluster: str | None = None, randomised: bool = False, draws: int = 0,
                  seed: int = 0, implied: bool = False) -> BalanceTable:
    """Lay treated and comparison units side by side, trait by trait.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    treatment : column of 1 and 0; rows where it is empty are left out, and a note says how many.
    covariates : columns measured before treatment. Numbers are compared by their mean; words by the share of each level.
        Empty cells are a level of their own.
    weights : (n,) matching weights, 0 where a unit was not chosen, or the column that holds them; None leaves out 'after'.
    denominator : whose spread a difference is measured in: "treated", "comparison" or "pooled". Always that of the sample
        before weighting, so that before and after have one measure.
    categorical : covariates that are coded as numbers and are names of groups (sector codes).
    prognostic : outcome column; adds the balance of the outcome that the traits predict without the programme.
    strata, cluster : columns of the draw, or of the level at which treatment was decided; used by the joint test.
    randomised : True for a trial. It changes the words, and lets the draw be made again.
    draws : how many times the declared draw is made again for a joint p-value that needs no large sample; 0 leaves it out.
        Where fewer draws are possible in all, all are used.
    seed : of the draws.
    implied : whether the weights are those a regression implies, some of which may be below zero. Weighted means exist
        then; weighted variances, distributions and the joint test do not.

    Returns
    -------
    BalanceTable
        Frozen; ``.tidy()``, ``.to_excel(path)``, ``.to_word(path)``, ``.to_latex()`` and ``.points()`` for a love plot.

    Raises
    ------
    DataError, DesignError
        Missing columns, a treatment that is not 0/1, a trait of more than 30 words, dates, weights below zero, one arm
        only, a draw that cannot have been made as declared.

    Notes
    -----
    Yes/no traits and levels use p(1 − p) and have no variance ratio; numbers use n − 1, with weights
    Σw(x − m)²/(1 − Σw²), w summing to 1, as R MatchIt and cobalt. eCDF statistics are over all distinct values of the
    sample before weighting, as R MatchIt. Prognostic score: least squares of the outcome on the traits among unweighted
    comparison units, predicted for all (Hansen 2008, Biometrika 95; Stuart, Lee & Leacy 2013, Journal of Clinical
    Epidemiology 66).
    Joint test: treatment is regressed on all traits (strata as dummies); clusters CR2 with the HTZ law, units the plain F,
    because a drawn treatment varies alike whatever the traits (with 40 units and 4 traits, one skewed, it rejects 4 in 100
    draws at the 5 per cent level, HC2's F 16). Draws: the Mahalanobis distance between the groups' means, its place among
    the distances of re-made draws (Hansen & Bowers 2008, Statistical Science 23; Morgan & Rubin 2012, Annals of Statistics
    40); it does not use weights.
    In a matched sample the joint test is reported and is no verdict: it weakens as units are left out, whether or not the
    groups grow alike (Imai, King & Stuart 2008, JRSS A 171, 'the balance test fallacy').
    Reference cases: match_lalonde_balance and rct_jtrain2_balance (R cobalt 4.5.5), and the tables printed in the vignette
    of R MatchIt, before and after pair matching (tests/test_balance.py).
    """
    if denominator not in DENOMINATORS:
        raise ValueError(f"denominator must be one of {', '.join(DENOMINATORS)}, not {denominator!r}")
    if draws and not randomised:
        raise ValueError("draws= makes the declared draw again: that is for a trial, randomised=True")
    draws = check_draws(draws, 0)
    covariates, categorical = as_names(covariates), as_names(categorical)
    sample = _select(data, treatment, covariates, weights, prognostic, strata, cluster, randomised, implied)
    traits = read_traits(sample.frame, covariates, categorical)
    rows = [_row(t, sample, denominator) for t in traits]
    if prognostic is not None:
        score = prognostic_score(sample.frame, prognostic, traits, sample.treated)
        rows.append(_row(Trait(name=f"prognostic score ({prognostic})", level="", values=score, n_missing=0), sample,
                         denominator))
    w = sample.weights
    joint = _joint(sample, traits, draws, seed) if w is None or (w >= 0).all() else JointTest(
        statistic=None, df_num=0, df_denom=None, p_value=None, kind="", reason="some weights are below zero")
    size = [None if w is None else effective_size(w[sample.treated == a]) for a in (1, 0)]
    return BalanceTable(
        rows=tuple(rows), treatment=treatment, denominator=denominator, n_treated=int(sample.treated.sum()),
        n_comparison=int((1 - sample.treated).sum()), effective_treated=size[0], effective_comparison=size[1], joint=joint,
        notes=_notes(sample, traits, joint, denominator, randomised, prognostic))


def _select(data: pd.DataFrame, treatment: str, covariates: Sequence[str], weights: Array | str | None,
            prognostic: str | None, strata: str | None, cluster: str | None, randomised: bool,
            signed: bool = False) -> _Sample:
    require_columns(data, treatment=treatment, covariates=covariates, prognostic=prognostic, strata=strata, cluster=cluster,
                    weights=weights if isinstance(weights, str) else None)
    column = [weights] if isinstance(weights, str) else []
    check_columns(data, zero_one=(treatment,), numbers=[*column, *([prognostic] if prognostic is not None else [])])
    if not covariates:
        raise DesignError(Problem(where="covariates", what="no trait is named", cure="Name columns measured before the "
                                  "programme."), source="balance")
    for name, role in ((treatment, "treatment"), (prognostic, "outcome")):
        if name in covariates:
            raise DesignError(Problem(where="covariates", what=f"'{name}' is the {role} itself",
                                      cure="Name columns measured before the programme."), source="balance")
    rows = Selection(data)
    rows.drop(data[treatment].isna(), "no_arm", "the arm is not known")
    given = data[weights].to_numpy(dtype=float) if isinstance(weights, str) else (
        None if weights is None else np.asarray(weights, dtype=float))
    problems = [] if given is None else _weight_problems(given, rows, treatment, signed)
    for name in (strata, cluster):
        if name is None:
            continue
        gone = np.flatnonzero(data[name].isna() & rows.kept) + 1
        if len(gone):
            problems.append(Problem(where=f"column '{name}'", what=f"it is empty in {rows_text(gone)}",
                                    cure="Fill it in, or take the rows out and say so."))
    arms = rows.numbers(treatment)
    if not len(arms) or arms.min() == arms.max():
        problems.append(Problem(where=f"column '{treatment}'", what=f"all {len(arms)} units are of one arm",
                                cure="A comparison needs units of both."))
    elif randomised and not problems:
        problems += draw_problems(rows, treatment=treatment, strata=strata, cluster=cluster, least=0)
    if problems:
        raise DataError(problems, source="data")
    return _Sample(rows=rows, frame=data.loc[rows.kept].reset_index(drop=True), treated=arms,
                   weights=None if given is None else given[rows.kept],
                   strata=rows.codes(strata) if strata is not None else None,
                   clusters=rows.codes(cluster) if cluster is not None else None)


def _weight_problems(given: Array, rows: Selection, treatment: str, signed: bool) -> list[Problem]:
    if given.shape != (len(rows.data),):
        raise ValueError(f"weights must hold one number a row: {len(rows.data)}, not {given.shape}")
    bad = np.flatnonzero(rows.kept & ~((signed | (given >= 0)) & np.isfinite(given))) + 1
    if len(bad):
        return [Problem(where="weights", what=f"{rows_text(bad)} have a weight that is empty, infinite or below zero",
                        cure="A weight says what a unit counts for; 0 where it was not chosen.")]
    arms = rows.data[treatment].to_numpy(dtype=float, na_value=np.nan)
    empty = [word for arm, word in ((1, "treated"), (0, "comparison")) if not (given[arms == arm] > 0).any()]
    return [Problem(where="weights", what=f"no {word} unit has a weight above zero", cure="Without one there is nobody to "
                    "compare.") for word in empty]


def compare_traits(data: pd.DataFrame, *, treatment: str, covariates: Sequence[str], weights: Array | None,
                   denominator: str, implied: bool = False) -> list[BalanceRow]:
    """Compare traits as :func:`balance_table` does, without what stands around its rows."""
    sample = _select(data, treatment, covariates, weights, None, None, None, False, signed=implied)
    return [_row(trait, sample, denominator) for trait in read_traits(sample.frame, covariates, ())]


def _row(trait: Trait, sample: _Sample, denominator: str) -> BalanceRow:
    x, d = trait.values, sample.treated
    known = ~np.isnan(x)
    arms = [known & (d == arm) for arm in (1, 0)]
    if not all(a.any() for a in arms):
        word = "treated" if not arms[0].any() else "comparison"
        return BalanceRow(covariate=trait.name, level=trait.level, n_missing=trait.n_missing, before=NONE,
                          after=NONE if sample.weights is not None else None, reason=f"no {word} unit has a known value")
    yes_no = trait.level != "" or bool(np.isin(x[known], (0.0, 1.0)).all())
    one = np.ones(len(x))
    variances = [_variance(x[a], one[a], yes_no) for a in arms]
    scale = {"treated": variances[0], "comparison": variances[1], "pooled": sum(variances) / 2}[denominator]
    gaps = [_gap(x, arms, w, math.sqrt(scale) if math.isfinite(scale) else math.nan, yes_no)
            for w in (one, sample.weights) if w is not None]
    reason = "" if all(g.smd is not None for g in gaps) else (
        "the groups differ and the denominator does not vary: take another one" if scale == 0 else
        "too few known values for a spread")
    return BalanceRow(covariate=trait.name, level=trait.level, n_missing=trait.n_missing, before=gaps[0],
                      after=gaps[1] if len(gaps) > 1 else None, reason=reason)


def _gap(x: Array, arms: Sequence[Any], weights: Array, scale: float, yes_no: bool) -> Gap:
    if not all((weights[a] > 0).any() for a in arms):
        return NONE
    means = [float(np.average(x[a], weights=weights[a])) for a in arms]
    if any((weights[a] < 0).any() for a in arms):  # no distribution has such weights
        gap = means[0] - means[1]
        return replace(NONE, mean_treated=means[0], mean_comparison=means[1], smd=gap / scale if scale > 0 else None)
    spread = [_variance(x[a], weights[a], yes_no) for a in arms]
    gap = means[0] - means[1]
    if abs(gap) <= 1e-12 * max(map(abs, means)):
        gap = 0.0  # rounding, not a difference
    distance = _ecdf_distance(x, arms, weights)
    ratio = spread[0] / spread[1] if not yes_no and spread[1] > 0 and math.isfinite(spread[0]) else None
    return Gap(mean_treated=means[0], mean_comparison=means[1],
               smd=gap / scale if scale > 0 else 0.0 if gap == 0 and scale == 0 else None, variance_ratio=ratio,
               ecdf_mean=float(distance.max()) if yes_no else float(distance.mean()), ecdf_max=float(distance.max()))


def _variance(x: Array, weights: Array, yes_no: bool) -> float:
    """p(1 − p) of a share; else the unbiased variance, with weights scaled to sum to 1: Σw(x − m)²/(1 − Σw²)."""
    used = x[weights > 0]
    if yes_no and len(used) and used.min() == used.max():
        return 0.0  # and not what rounding makes of it
    w = weights / weights.sum()
    mean = float(w @ x)
    if yes_no:
        return max(mean * (1 - mean), 0.0)
    left = 1 - float(w @ w)
    return float(w @ (x - mean) ** 2) / left if left > 1e-12 else math.nan


def _ecdf_distance(x: Array, arms: Sequence[Any], weights: Array) -> Array:
    """Vertical distance of the two distribution functions at each distinct value."""
    points, place = np.unique(x[arms[0] | arms[1]], return_inverse=True)
    where = np.zeros(len(x), dtype=np.int64)
    where[arms[0] | arms[1]] = place
    sums = [np.cumsum(np.bincount(where[a], weights=weights[a] / weights[a].sum(), minlength=len(points))) for a in arms]
    return np.asarray(np.abs(sums[0] - sums[1]))


def _joint(sample: _Sample, traits: Sequence[Trait], draws: int, seed: int) -> JointTest:
    """Regress treatment on all traits; one level of each trait is left out by the rank test."""
    w = sample.weights
    use = np.ones(len(sample.treated), dtype=bool) if w is None or draws else w > 0
    columns = [t.values for t in traits if not np.isnan(t.values).all()]
    x = np.column_stack([np.where(np.isnan(c), np.nanmean(c), c) for c in columns] or [np.zeros(len(use))])[use]
    controls = np.ones((len(x), 1)) if sample.strata is None else np.eye(int(sample.strata.max()) + 1)[sample.strata[use]]
    controls = controls[:, controls.any(axis=0)]
    count = controls.shape[1]
    names = [*(f"b{j}" for j in range(count)), *(f"x{j}" for j in range(x.shape[1]))]
    try:
        fit = least_squares(np.column_stack([controls, x]), sample.treated[use], names,
                            weights=w[use] if w is not None and not draws else None)
        kept = [j for j, name in enumerate(fit.names) if name.startswith("x")]
        if not kept:
            return JointTest(statistic=None, df_num=0, df_denom=None, p_value=None, kind="",
                             reason="no trait varies" + ("" if sample.strata is None else " within strata"))
        codes = None
        if sample.clusters is not None:
            codes = np.unique(sample.clusters[use], return_inverse=True)[1].astype(np.int64)
        test = wald_test(fit, covariance(fit, "classical" if codes is None else "CR2", codes), np.eye(fit.k)[kept])
    except DesignError as error:
        return JointTest(statistic=None, df_num=0, df_denom=None, p_value=None, kind="", reason=error.problems[0].what)
    found = JointTest(statistic=test.statistic, df_num=test.df_num, df_denom=test.df_denom, p_value=test.p_value,
                      kind=test.kind, reason=test.reason)
    return _redrawn(found, sample, fit.design[:, kept], controls, draws, seed) if draws else found


def _redrawn(joint: JointTest, sample: _Sample, traits: Array, controls: Array, draws: int, seed: int) -> JointTest:
    """Make the draw again: whitened traits have differences of means whose squares sum to Mahalanobis' distance."""
    basis, _ = np.linalg.qr(controls)
    white, _ = np.linalg.qr(traits - basis @ (basis.T @ traits))
    draw = declared_draw(sample.treated, strata=sample.strata, clusters=sample.clusters)
    test = randomisation_test(white * math.sqrt(len(white) - controls.shape[1]), draw, covariates=controls,
                              studentised=False, draws=draws, seed=seed, most_enumerated=draws)
    found, drawn = float((test.estimate**2).sum()), (test.drawn**2).sum(axis=1)
    count = int((drawn >= found * (1 - TIE)).sum())
    p = count / test.draws if test.enumerated else (1 + count) / (1 + test.draws)
    return replace(joint, distance=math.sqrt(found), p_redrawn=p, draws=test.draws, enumerated=test.enumerated,
                   smallest_p=float(smallest_p(drawn[:, None], test.enumerated)[0]))


def _notes(sample: _Sample, traits: Sequence[Trait], joint: JointTest, denominator: str, randomised: bool,
           prognostic: str | None) -> tuple[str, ...]:
    """Sentences under the table: the measure, what is missing, the limits, the joint test."""
    out = [f"Standardised differences are in units of {DENOMINATORS[denominator]}"
           f"{' before weighting' if sample.weights is not None else ''}; for yes/no traits and levels √(p(1 − p))."]
    out += missing_shares(traits)
    if prognostic is not None:
        out.append(f"The prognostic score is the {prognostic} that the traits predict, by least squares among the "
                   "comparison units: a difference in it is one to be expected in the outcome without any programme.")
    if randomised:
        out.append("The groups were drawn by lot: differences are chance, and no limit is held against them.")
    elif sample.weights is not None:
        out.append(f"After matching, differences above {MATCHED_LIMIT:g} count as not alike (Austin 2009); above "
                   f"{TRIAL_LIMIT:g} regression cannot be relied on to mend them (Imbens & Rubin 2015, section 14.2).")
    out.append(_joint_words(joint, randomised))
    for lost in sample.rows.dropped:
        out.append(f"Left out: {rows_text(lost.rows)}, {lost.text}.")
    return tuple(out)


def _joint_words(joint: JointTest, randomised: bool) -> str:
    if joint.p_value is None:
        text = f"Joint test of all traits: none ({joint.reason})."
    else:
        p = "p < 0.001" if joint.p_value < 0.001 else f"p = {joint.p_value:.3f}"
        text = (f"Joint test of all traits: F({joint.df_num}, {joint.df_denom:.1f}) = {joint.statistic:.2f}, {p}"
                f"{' (clusters, CR2 and HTZ)' if joint.kind == 'HTZ' else ''}.")
    if joint.p_redrawn is not None:
        text += (f" Making the draw again {joint.draws} times{' (all there are)' if joint.enumerated else ''}: p = "
                 f"{joint.p_redrawn:.3g}.")
    return text + ("" if randomised else " Not randomised: reported, and no verdict.")

"""The propensity score as a result of its own: score of each row, how well it tells the arms apart, and who is trimmed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from impact.errors import DesignError, Problem
from impact.inference.chance import check_seed, seeded
from impact.inference.estimating import optimal_bounds
from impact.inference.linear import Array, Codes
from impact.matching.neighbours import Mask
from impact.matching.score import propensity
from impact.matching.units import (
    Units,
    check_choice,
    need_both_arms,
    need_enough_units,
    need_scikit_learn,
    select_units,
)
from impact.results import Caveat, Dropped

if TYPE_CHECKING:
    import pandas as pd

LEARNERS = ("logit", "lasso", "random_forest", "boosting")
SCORE_ESTIMANDS = ("att", "atc", "ate")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PropensityScore:
    """Scores of the rows used.

    Attributes
    ----------
    rows : (n,) positions in the table given. treated : (n,) of 0 and 1.
    score : (n,) chance of treatment; after trimming, of the score fitted again on the rows kept (missing elsewhere).
    first_score : (n,) the score that decided who is trimmed.
    kept : (n,) of True where the score lies within ``bounds``.
    bounds : (low, high) of the trimming rule; (0, 1) keeps all. rule : that rule in words.
    auc : chance that a treated unit's score is above a comparison unit's, ties one half: 0.5 tells nothing apart, 1 leaves
        nobody to compare with. It is no mark of quality: what counts is balance.
    outside : share of treated units whose score lies beyond every comparison unit's, and the reverse.
    learner, folds : how it was fitted; with ``folds`` above 1 each row's score comes from a fit without its fold.
    coefficients : (name, log odds per standard deviation) of the logit.
    dropped : rows left out, by reason.
    """

    frame: pd.DataFrame = field(repr=False)
    rows: Codes
    treated: Array
    score: Array
    first_score: Array
    kept: Mask
    bounds: tuple[float, float]
    rule: str
    auc: float
    outside: tuple[float, float]
    learner: str
    folds: int
    coefficients: tuple[tuple[str, float], ...] = ()
    dropped: tuple[Dropped, ...] = ()
    caveats: tuple[Caveat, ...] = ()

    def __repr__(self) -> str:
        return (f"PropensityScore by {self.learner}: {len(self.score)} rows ({int(self.treated.sum())} treated), "
                f"{int(self.kept.sum())} kept ({self.rule}), AUC {self.auc:.3f}")

    def data(self) -> pd.DataFrame:
        """Return the rows kept, with their score in column ``propensity_score``."""
        out: pd.DataFrame = self.frame.iloc[self.rows[self.kept]].copy()
        out["propensity_score"] = self.score[self.kept]
        return out


def propensity_score(data: pd.DataFrame, *, treatment: str, covariates: Sequence[str], learner: str = "logit",
                     folds: int | None = None, trim: str | float | None = None, estimand: str = "ate",
                     seed: int | None = None) -> PropensityScore:
    """Estimate each row's chance of treatment given its covariates.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    treatment : column of 1 (took part) and 0 (did not).
    covariates : columns measured before treatment; rows with a missing value are left out and counted. Text becomes one
        yes/no column for each of its words.
    learner : "logit" (statsmodels, no penalty); with scikit-learn, on standardised covariates: "lasso" (cross-validated
        logit), "random_forest" or "boosting".
    folds : fits on the other folds for each row; None is 1 (no folds) for the logit and 5 for the other learners, whose
        scores on their own training rows would be too near to 0 and 1.
    trim : None; "crump" keeps the scores between which the effect is most precisely estimable; a share such as 0.1 keeps
        scores from it to one minus it (the rule of thumb of Crump et al.). The score is fitted again on the rows kept.
    estimand : "ate", "att" (only high scores go) or "atc" (only low ones), for the trimming.
    seed : of the folds and of learners that draw; needed where either is used.

    Returns
    -------
    PropensityScore

    Raises
    ------
    DataError
        Missing columns, numbers mixed with text, a treatment that is not 0/1.
    DesignError
        One arm only, covariates that predict treatment perfectly (named), nobody left after trimming.
    ImpactError
        A learner that needs scikit-learn where it is not installed.

    Notes
    -----
    ``nearest_neighbour``, ``optimal_pairs``, ``full_matching`` and ``subclassification`` take the result as ``score=``.
    Weights by a learner's score alone have no error that is known to hold: ``aipw(folds=5, learner="random_forest")`` has.
    Estimand: none; the chance of taking part. Assumes nothing of outcomes.
    Rosenbaum & Rubin (1983, Biometrika 70). Trimming: Crump, Hotz, Imbens & Mitnik (2009, Biometrika 96; 0.1 to 0.9 is
    their rule of thumb). Folds follow from the covariates and the seed, not from the order of the rows. Reference case:
    match_lalonde_crump.
    """
    _check(learner, folds, trim, estimand, seed)
    units = select_units(data, outcome=None, treatment=treatment, covariates=covariates)
    need_enough_units(units)
    count = folds if folds is not None else (1 if learner == "logit" else 5)
    first, coefficients = _fitted(units, learner, count, seed)
    low, high, rule = _bounds(first, trim, estimand)
    kept = (first >= low) & (first <= high)
    score, caveats = first, units.caveats()
    if not kept.all():
        score, coefficients = _again(units, kept, learner, count, seed)
        one, zero = (int(((units.treated == arm) & ~kept).sum()) for arm in (1, 0))
        caveats.append(Caveat(
            code="trimmed_scores", text=f"{one} treated and {zero} comparison units whose estimated chance of taking part "
            f"lies outside {low:.3g} to {high:.3g} are left out: what follows speaks of the units kept.",
            values=(("treated", one), ("comparison", zero), ("low", low), ("high", high))))
    positions = np.flatnonzero(units.rows.kept).astype(np.int64)
    lost = np.zeros(len(units.rows.kept), dtype=bool)
    lost[positions[~kept]] = True
    units.rows.drop(lost, "trimmed", f"chance of taking part below {low:.3g} or above {high:.3g}")
    d, s = units.treated[kept], score[kept]
    return PropensityScore(
        frame=data, rows=positions, treated=units.treated, score=score, first_score=first, kept=kept, bounds=(low, high),
        rule=rule, auc=_auc(s, d), outside=_outside(s, d), learner=learner, folds=count, coefficients=coefficients,
        dropped=tuple(units.rows.dropped), caveats=tuple(caveats))


def _check(learner: str, folds: int | None, trim: str | float | None, estimand: str, seed: int | None) -> None:
    check_choice("learner", learner, LEARNERS)
    check_choice("estimand", estimand, SCORE_ESTIMANDS)
    if folds is not None and (isinstance(folds, bool) or not isinstance(folds, int) or folds < 1):
        raise ValueError("folds must be a whole number of at least 1")
    if trim is not None and (isinstance(trim, bool) or not (
            trim == "crump" or (isinstance(trim, int | float) and 0 < trim < 0.5))):
        raise ValueError(f"trim must be None, 'crump' or a share between 0 and 0.5, not {trim!r}")
    if seed is not None:
        check_seed(seed)
    elif learner != "logit" or (folds or 1) > 1:
        raise ValueError("seed is needed: folds and this learner draw at random")


def _fitted(units: Units, learner: str, folds: int, seed: int | None) -> tuple[Array, tuple[tuple[str, float], ...]]:
    """Scores of all rows, and the coefficients of a logit fitted once."""
    need_both_arms(units.treated)
    if learner == "logit" and folds == 1:
        fit = propensity(units.x, units.treated, list(units.columns))
        return fit.probability, fit.named
    small = int(min(units.treated.sum(), (1 - units.treated).sum()))
    if folds > small:
        raise DesignError(Problem(where="folds", what=f"{folds} folds for {small} units of the smaller arm",
                                  cure="Use fewer folds, so that each has units of both arms."), source="design")
    # rows are put into an order that follows from the covariates, so that folds and draws do not hang on the table's
    order = np.lexsort((units.treated, *units.x.T[::-1]))
    x, d = units.x[order], units.treated[order]
    fold, out = _folds(d, folds, seed), np.empty(len(d))
    for k in range(folds):
        test = fold == k
        train = ~test if folds > 1 else test
        out[test] = _predicted(x[train], d[train], x[test], learner, seed, list(units.columns))
    score = np.empty(len(d))
    score[order] = out
    return score, ()


def _folds(treated: Array, folds: int, seed: int | None) -> Codes:
    """Fold of each row, drawn within each arm."""
    rng = seeded(seed)
    out = np.empty(len(treated), dtype=np.int64)
    for arm in (0, 1):
        mine = np.flatnonzero(treated == arm)
        out[mine] = rng.permutation(np.arange(len(mine)) % folds)
    return out


def _predicted(x: Array, treated: Array, new: Array, learner: str, seed: int | None, names: list[str]) -> Array:
    """Fit one learner and predict; covariates are standardised by the rows it learns from."""
    spread = x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    z, at = (x - x.mean(axis=0)) / spread, (new - x.mean(axis=0)) / spread
    if learner == "logit":
        return propensity(z, treated, names).predict(at)
    model = _learner(learner, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on parameters and convergence; the score is judged by its diagnostics
        return np.asarray(model.fit(z, treated.astype(np.int64)).predict_proba(at)[:, 1], dtype=float)


def _learner(learner: str, seed: int | None) -> Any:
    need_scikit_learn(learner)
    from sklearn import ensemble, linear_model

    if learner == "lasso":
        return linear_model.LogisticRegressionCV(l1_ratios=(1.0,), solver="saga", Cs=20, cv=5, scoring="neg_log_loss",
                                                 max_iter=5_000, random_state=seed)
    if learner == "random_forest":
        return ensemble.RandomForestClassifier(n_estimators=500, min_samples_leaf=10, random_state=seed)
    return ensemble.GradientBoostingClassifier(n_estimators=200, learning_rate=0.05, max_depth=3, min_samples_leaf=10,
                                               subsample=0.5, random_state=seed)


def _bounds(score: Array, trim: str | float | None, estimand: str) -> tuple[float, float, str]:
    if trim is None:
        return 0.0, 1.0, "no trimming"
    if isinstance(trim, str):
        low, high = optimal_bounds(score, np.ones(len(score)), estimand)
        return low, high, f"optimal bounds {low:.3g} to {high:.3g} (Crump et al. 2009)"
    low, high = (0.0 if estimand == "att" else float(trim)), (1.0 if estimand == "atc" else 1.0 - float(trim))
    return low, high, f"scores from {low:.3g} to {high:.3g} (rule of thumb, Crump et al. 2009)"


def _again(units: Units, kept: Mask, learner: str, folds: int,
           seed: int | None) -> tuple[Array, tuple[tuple[str, float], ...]]:
    """Fit the score again on the rows kept; rows trimmed have none."""
    if not kept.any():
        raise DesignError(Problem(where="trim", what="no unit has a score within the bounds", cure="Trim less: treated and "
                                  "comparison units hardly overlap."), source="design")
    part = replace(units, treated=units.treated[kept], x=units.x[kept])
    score = np.full(len(kept), np.nan)
    score[kept], coefficients = _fitted(part, learner, folds, seed)
    return score, coefficients


def _auc(score: Array, treated: Array) -> float:
    one = int(treated.sum())
    ranks = stats.rankdata(np.round(score, 12))
    return float((ranks[treated == 1].sum() - one * (one + 1) / 2) / (one * (len(treated) - one)))


def _outside(score: Array, treated: Array) -> tuple[float, float]:
    """Shares of treated and of comparison units whose score lies beyond the other arm's range."""
    one, zero = score[treated == 1], score[treated == 0]
    return (float(((one < zero.min()) | (one > zero.max())).mean()),
            float(((zero < one.min()) | (zero > one.max())).mean()))

"""Weighting by the inverse of the chance of treatment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import as_names
from impact.inference.estimating import Balancing, balancing, influences, logit_block, mean_block, optimal_bounds
from impact.inference.intervals import check_level
from impact.matching.equivalents import TEFFECTS, none, weighted
from impact.matching.observed import (
    LOGIT,
    WEIGHTED_QUESTIONS,
    Comparison,
    Means,
    arm_weights,
    comparison_estimate,
    fit_score,
    lay_out,
    select_comparison,
)
from impact.matching.sample import MatchedEstimate
from impact.matching.score import Score
from impact.matching.units import ASSUMPTIONS, check_flag
from impact.results import Caveat

if TYPE_CHECKING:
    import pandas as pd


def inverse_probability(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str],
                        estimand: str = "att", stabilised: bool = False, trim: str | float | None = None,
                        cluster: str | None = None, weights: str | None = None, transform: str = "none",
                        conf_level: float = 0.95) -> MatchedEstimate:
    """Compare means after weighting each unit by the inverse of its chance of being where it is.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatment : column of 1 (took part) and 0 (did not).
    covariates : columns measured before treatment; rows with a missing value are left out and counted. Text becomes one
        yes/no column for each of its words, and the estimate says so.
    estimand : "att" (those who took part), "atc" (the others), "ate" (all), "ato" (overlap weights) or "matching"
        (matching weights); the last two speak of units for whom taking part was open.
    stabilised : scale the weights of each arm to the number of its own units instead of the number of units the estimand
        speaks of. Weights are normalised within arms for every estimand, so that the effect is the same either way.
    trim : None; "crump" leaves out scores beyond the optimal bounds; a share such as 0.1 leaves out scores below it or
        above one minus it. For the att only high scores go, for the atc only low ones. The score is fitted again on the
        units kept; which were kept is treated as given.
    cluster : column of groups that took part, or were sampled, together.
    weights : column of positive sampling weights; they enter score, means and errors.
    transform : "none" or "log".
    conf_level : a share.

    Returns
    -------
    MatchedEstimate
        An Estimate whose ``.matched`` holds weights and score. Units outside the other arm's range of scores, effective
        sizes and the largest share of one unit are in ``details``.

    Raises
    ------
    DataError
        Missing columns, numbers mixed with text, a treatment that is not 0/1, negative weights.
    DesignError
        One arm only, no more units than covariates, covariates that predict treatment perfectly (named).

    Notes
    -----
    Assumes that, given the covariates, who took part is unrelated to how they would have fared, and a logit that is right.
    Means are normalised (Hájek). Errors: M-estimation that allows for the estimated score (Lunceford & Davidian 2004,
    Statistics in Medicine 23, section 3); with clusters each left out in turn and t with the clusters of the smaller side
    − 1, else normal (by simulation: tests/test_matching_clusters.py). Overlap weights: Li, Morgan & Zaslavsky (2018);
    matching weights: Li & Greene (2013). Trimming: Crump, Hotz, Imbens & Mitnik (2009, Biometrika 96, section 4).
    Reference cases: match_lalonde_ipw_att, _ate, _ato (R WeightIt 1.3.0), match_lalonde_crump.
    """
    if estimand not in WEIGHTED_QUESTIONS:
        raise ValueError(f"estimand must be one of {', '.join(WEIGHTED_QUESTIONS)}, not {estimand!r}")
    check_trim(trim, estimand)
    check_flag("stabilised", stabilised)
    check_level(conf_level)
    sample = select_comparison(data, outcome=outcome, treatment=treatment, covariates=covariates, cluster=cluster,
                               weights=weights, transform=transform)
    score = fit_score(sample)
    if trim is not None:
        said = _trim(sample, score, trim, estimand)
        sample = lay_out(sample.rows, outcome, treatment, list(as_names(covariates)), cluster, weights, transform)
        sample.caveats += said
        score = fit_score(sample)
    balance = balancing(estimand, score.linear)
    means = _weighted_means(sample, score, balance)
    size = float(sample.sampling @ balance.tilt)
    shown = arm_weights(sample, balance.one, balance.zero, None if stabilised else size)
    return comparison_estimate(
        sample, means, outcome=outcome, treatment=treatment, method="inverse_probability", estimand=estimand,
        weights=shown, score=score.probability, conf_level=conf_level, transform=transform, cluster=cluster,
        formula="M-estimation (sandwich of score and means)", correction="allows for the estimated score",
        calls=_calls(estimand, trim is not None, cluster, weights), assumptions=(*ASSUMPTIONS, LOGIT),
        details=(("stabilised", stabilised), ("trim", trim)))


def _calls(estimand: str, trimmed: bool, cluster: str | None, weights: str | None) -> tuple[str, str]:
    if trimmed:
        return none("other programs fit the score once, before units are left out"), ""
    name, option = {"matching": "ATM"}.get(estimand, estimand.upper()), TEFFECTS.get(estimand, "")
    return weighted(f'method = "glm", estimand = "{name}"', "ipw (y) (d x)" if option else "", option, cluster=cluster,
                    weights=weights)


def check_trim(trim: str | float | None, estimand: str) -> None:
    """Refuse a trimming rule that is none, or where the weights make it idle."""
    if trim is None:
        return
    if isinstance(trim, bool) or not (trim == "crump" or (isinstance(trim, int | float) and 0 < trim < 0.5)):
        raise ValueError(f"trim must be None, 'crump' or a share between 0 and 0.5, not {trim!r}")
    if estimand in ("ato", "matching"):
        raise ValueError(f"trim is for att, atc and ate: with estimand={estimand!r} no unit's weight can be large")


def _trim(sample: Comparison, score: Score, trim: str | float, estimand: str) -> list[Caveat]:
    """Leave out units beyond the bounds, and say of whom the number now speaks."""
    if isinstance(trim, str):
        low, high = optimal_bounds(score.probability, sample.sampling, estimand)
    else:
        low, high = 0.0 if estimand == "att" else float(trim), 1.0 if estimand == "atc" else 1.0 - float(trim)
    out = (score.probability < low) | (score.probability > high)
    if not out.any():
        return []
    lost = np.zeros(len(sample.rows.kept), dtype=bool)
    lost[sample.positions[out]] = True
    sample.rows.drop(lost, "trimmed", f"chance of taking part below {low:.3g} or above {high:.3g}")
    treated = int(sample.treated[out].sum())
    return [Caveat(code="trimmed_scores", text=f"{treated} treated and {int(out.sum()) - treated} comparison units whose "
                  f"estimated chance of taking part lies outside {low:.3g} to {high:.3g} are left out: the number speaks "
                  "of the units kept, and no longer of all.",
                  values=(("treated", treated), ("comparison", int(out.sum()) - treated), ("low", low), ("high", high)))]


def _weighted_means(sample: Comparison, score: Score, balance: Balancing) -> Means:
    basis, means = sample.basis, []
    blocks = [logit_block("score", basis, sample.treated, score.probability, sample.sampling)]
    for name, arm, w, slope in (("one", sample.treated, balance.one, balance.slope_one),
                                ("zero", 1.0 - sample.treated, balance.zero, balance.slope_zero)):
        weight = sample.sampling * arm * w
        mean = float(weight @ sample.y / weight.sum())
        pull = sample.sampling * arm * slope * (sample.y - mean)
        blocks.append(mean_block(name, weight * (sample.y - mean), weight, ("score", pull, basis)))
        means.append(mean)
    found = influences(blocks, sample.clusters)
    return Means(means[0], means[1], found["one"][:, 0], found["zero"][:, 0])

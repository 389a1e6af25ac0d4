"""How the outcome moves with the amount of programme received; an effect only where the amount was drawn by lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import as_names, check_columns, listed, places, require_columns
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array, Codes, Fit
from impact.inference.lots import observed_lots
from impact.inference.report import FEW_CLUSTERS, Counts, is_share, make_estimate, spread
from impact.rct.assignment import MOVED, as_drawn, comparison_mean, moved_weight
from impact.rct.cells import CellRegression, Sides, one_armed, regress_on_cells, varying
from impact.rct.few import with_few_clusters
from impact.rct.trial import Trial, count_sides, describe, infer_contrast, keep_known, lay_out, picked, with_holm
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

SHAPES = ("linear", "quadratic", "levels")
MOST_LEVELS = 8
DRAWN = (
    "How much each unit was to receive was decided by lot.",
    "One unit's dose does not change another unit's outcome.",
    "Those found again are comparable between doses.",
)
SLOPE = "The interval holds if each unit of the dose adds the same for all."
PART = "The rest of the curve is taken as estimated; the interval holds if the curve is the same for all."
NOT_DRAWN = (
    "Nothing here removes what else differs between units with a larger and a smaller dose: who received more was not "
    "decided by lot.",
)


@dataclass(slots=True, kw_only=True)
class _Dosed:
    """A trial whose arms are amounts: ``offered`` of the trial says who had any."""

    trial: Trial
    dose: Array
    drawn: bool
    outcome: str
    name: str
    cluster: str | None
    vcov: str | None
    transform: str
    conf_level: float

    @property
    def mean(self) -> float:
        """Mean dose of the rows used, weighted as they are."""
        return float(np.average(self.dose, weights=self.trial.weights))


def dose_response(data: pd.DataFrame, *, outcome: str, dose: str, treatment: str | None = None,
                  dose_drawn: bool | None = None, covariates: Sequence[str] = (), baseline: str | None = None,
                  strata: str | None = None, cluster: str | None = None, weights: str | None = None,
                  vcov: str | None = None, shape: str = "linear", transform: str = "none", conf_level: float = 0.95,
                  seed: int = 0) -> Estimates:
    """Regress the outcome on the amount of programme: days of training, size of a grant, number of visits.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    dose : column of the amount, 0 for none, in its own unit; never negative.
    treatment : column of 1 (offered) and 0 (not), where there is one: those not offered must have no dose, and an empty
        dose of theirs counts as 0.
    dose_drawn : True when the amount itself was decided by lot, False when units or staff chose it. Must be said: it
        decides whether the numbers are effects or associations.
    baseline : column of the outcome before; it enters as a covariate, and in logs with ``transform="log"``.
    shape : "linear" (one slope), "quadratic" (the slope may change with the dose) or "levels" (each amount against none).
    covariates, strata, cluster, weights, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`; where the dose was drawn, the cluster is the level at which it was.

    Returns
    -------
    Estimates
        Row 0 is the slope, in outcome units per unit of dose; for "quadratic" it is the slope averaged over the doses of
        the units used, which is the slope at their mean dose. Then, for "quadratic", the two coefficients; for "levels",
        each amount against none, with p-values adjusted over the levels (Holm). ``estimand`` is 'itt' where the dose was
        drawn and 'association' where it was not.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`; also for negative doses, and for doses of units that were not offered any.
    DesignError
        When it is not said whether the dose was drawn, the dose does not vary, a cluster holds several doses of a draw by
        cluster or lies in several strata, a stratum has one dose of a draw, or the shape needs more
        (or fewer) different amounts than there are.

    Notes
    -----
    Assumes that the dose was decided by lot; where it was not, the number is an association and is called so.
    Drawn: the slope is the effect of one unit more of dose, averaged over the doses drawn with the weights of least squares
    (Angrist & Krueger 1999, Handbook of Labor Economics 3A); levels are effects of each amount. Not drawn: the numbers
    describe who received how much and stay an association whatever the covariates (caveat ``association_only``); a dose
    that came with an offer by lot is better served by :func:`impact.rct.late` with the amount as take-up. The mean dose
    counts as fixed. Covariance as :func:`impact.rct.ols`; contrasts with their own df. With few clusters the wild cluster
    bootstrap stands beside, and where the dose was drawn the amounts are drawn again
    among units or clusters (the parts of a curve with the other part as estimated; a level against none as
    :func:`impact.rct.multi_arm`). An association
    has no draw to make again, and its words stand. Reference case: with
    doses 0 and 1 :func:`impact.rct.ols`; R clubSandwich 0.5.8 (tests/test_dose.py).
    """
    if not isinstance(dose_drawn, bool | np.bool_):
        raise DesignError(Problem(
            where="dose_drawn", what="it is not said whether the dose was decided by lot" if dose_drawn is None
            else "it must be true or false", cure="Write true if the amount itself was drawn, false if units or staff "
            "chose it; what was not drawn is reported as an association."), source="design")
    if shape not in SHAPES:
        raise ValueError(f"shape must be one of {', '.join(SHAPES)}, not {shape!r}")
    names = (*as_names(baseline), *(n for n in as_names(covariates) if n != baseline))
    trial, amount = _select(data, outcome, dose, treatment, names, baseline, strata, cluster, weights, transform)
    sample = _Dosed(trial=trial, dose=amount, drawn=bool(dose_drawn), outcome=outcome, name=dose, cluster=cluster,
                    vcov=vcov, transform=transform, conf_level=conf_level)
    _check(sample, shape, strata)
    mean = sample.mean
    away = sample.dose - mean  # measured from its mean, the first coefficient is the slope there
    fit = _fit(sample, {f"{dose}²": away**2, dose: away} if shape == "quadratic" else {dose: away})
    at_mean = "average slope" if shape == "quadratic" else "slope"
    head = _row(sample, fit, {dose: 1.0}, f"{at_mean} per unit of {dose}", _slope_question(sample, shape))
    curve = [(f"{dose}, linear part", {dose: 1.0, f"{dose}²": -2 * mean}), (f"{dose}, squared part", {f"{dose}²": 1.0})]
    question = "how the curve of the outcome over the dose is made up; no number of its own"
    parts = [_row(sample, fit, picks, term, question, part=True) for term, picks in curve if shape == "quadratic"]
    if vcov is None and sample.drawn:
        head, *parts = _drawn_again(sample, fit, [head, *parts], [{dose: 1.0}, *(picks for _, picks in curve)], mean, seed)
    if vcov is None:
        head, *parts = fit.beside([head, *parts], [{dose: 1.0}, *(picks for _, picks in curve[:len(parts)])], seed)
    rows = [replace(head, details=(*head.details, ("mean_dose", mean), ("shape", shape), ("dose_drawn", sample.drawn),
                                           ("left_out", fit.fit.left_out))), *parts]
    if shape == "levels":
        rows += _levels(sample, seed)
    return Estimates(rows=tuple(rows))


def _select(data: pd.DataFrame, outcome: str, dose: str, treatment: str | None, names: Sequence[str], baseline: str | None,
            strata: str | None, cluster: str | None, weights: str | None, transform: str) -> tuple[Trial, Array]:
    """Check the columns and lay the rows with outcome and dose out as arrays."""
    require_columns(data, outcome=outcome, dose=dose, treatment=treatment, covariates=names, strata=strata, cluster=cluster,
                    weights=weights)
    check_columns(data, numbers=(outcome, dose, *names, *as_names(weights)), zero_one=as_names(treatment),
                  complete=as_names(cluster))
    if treatment is not None:
        _check_offer(data, dose, treatment)
        data = data.assign(**{dose: data[dose].astype(float).mask((data[treatment] == 0) & data[dose].isna(), 0.0)})
    below = places(data[dose] < 0) + 1
    if len(below):
        raise DataError(Problem(where=f"column '{dose}'", what=f"{len(below)} doses are negative (rows {listed(below)})",
                                cure="A dose is an amount received: 0 for none."), source="data")
    known = ((treatment, "treatment"), (strata, "strata"), (weights, "weight"), (dose, "dose"), (outcome, "outcome"))
    rows = keep_known(data, known, weights)
    amount = rows.numbers(dose)
    return lay_out(rows, outcome=outcome, offered=(amount > 0).astype(float), covariates=names, strata=strata,
                   cluster=cluster, weights=weights, transform=transform, baseline=baseline), amount


def _check_offer(data: pd.DataFrame, dose: str, treatment: str) -> None:
    crossed = places((data[treatment] == 0) & (data[dose] > 0)) + 1
    if len(crossed):
        raise DataError(Problem(
            where=f"column '{dose}'",
            what=f"{len(crossed)} units that were not offered have a dose (rows {listed(crossed)})",
            cure=f"Correct '{dose}' or '{treatment}'; where units took part without an offer use late(takeup='{dose}')."),
            source="data")


def _check(sample: _Dosed, shape: str, strata: str | None) -> None:
    amounts, trial = np.unique(sample.dose), sample.trial
    place, problems = f"dose '{sample.name}'", []
    need = 3 if shape == "quadratic" else 2
    if len(amounts) < need:
        problems.append(Problem(
            where=place, what=f"it has {len(amounts)} different amounts on the rows used; shape '{shape}' needs {need}",
            cure="Use shape='linear'." if len(amounts) > 1 else "Without differences there is nothing to compare."))
    if shape == "levels":
        problems += _level_problems(sample, amounts, place)
    if sample.drawn and sample.cluster is not None:
        problems += varying(trial.rows.data, (sample.name,), sample.cluster,
                            "Then the dose was not drawn at this level: name the level at which it was.")
    if strata is not None and sample.cluster is not None:
        problems += varying(trial.rows.data, (strata,), sample.cluster,
                            "A cluster is drawn within one stratum: correct it.")
    if sample.drawn and trial.clusters is not None and int(trial.clusters.max()) + 1 == len(amounts):
        problems.append(Problem(where=f"column '{sample.cluster}'", what=f"each of the {len(amounts)} amounts has one "
                                "cluster: its own luck cannot be told from the dose",
                                cure="Two clusters with one of the amounts are needed."))
    if sample.drawn:
        problems = problems or one_armed(trial, [((sample.name,), sample.cluster)], strata)
    if problems:
        raise DesignError(problems, source="design")
    if strata is not None:
        trial.caveats += _uneven(sample, strata)


def _uneven(sample: _Dosed, strata: str) -> list[Caveat]:
    """Say that strata in which doses vary more count more; judged by the doses drawn, where they were."""
    trial = sample.trial
    moved = 0.0 if trial.blocks is None else moved_weight(sample.dose, trial.blocks, trial.weights)
    if moved <= MOVED:
        return []
    tail = "with each stratum compared within itself"
    if sample.drawn and moved_weight(*as_drawn(trial.rows.data, trial.rows.data[sample.name], strata,
                                               sample.cluster)) <= MOVED:
        return [Caveat(code="overlap_weighted", values=(("moved", moved),), text="Strata were drawn alike, and yet doses "
                       "are spread differently over their rows, by sizes of groups, weights or who was found again: "
                       f"{tail} {moved:.0%} of the weight moves to strata in which doses differ more.")]
    return [Caveat(code="overlap_weighted", text=f"Doses are spread differently over the strata: {tail} the numbers give "
                   "more weight to strata in which doses differ more.")]


def _level_problems(sample: _Dosed, amounts: Array, place: str) -> list[Problem]:
    """Say why amounts cannot be compared with none one by one."""
    if len(amounts) > MOST_LEVELS:
        return [Problem(where=place, what=f"it has {len(amounts)} different amounts; levels are for at most {MOST_LEVELS}",
                        cure="Use shape='linear', or group the amounts as they were drawn.")]
    if not (amounts == 0).any():
        return [Problem(where=place, what="no unit has a dose of 0 to compare the levels with",
                        cure="Use shape='linear'.")]
    clusters = sample.trial.clusters
    groups, noun = (np.arange(len(sample.dose)), "units") if clusters is None else (clusters, "clusters")
    sizes = {float(a): len(np.unique(groups[sample.dose == a])) for a in amounts}
    return [Problem(where=place, what=f"{size} {noun} have the amount {amount:g}; two are needed",
                    cure="Group it with the next amount.") for amount, size in sizes.items() if size < 2]


def _fit(sample: _Dosed, columns: Mapping[str, Array]) -> CellRegression:
    return regress_on_cells(sample.trial, columns, outcome=sample.outcome, method="dose_response", cluster=sample.cluster,
                            vcov=sample.vcov, transform=sample.transform, conf_level=sample.conf_level)


def _slope_question(sample: _Dosed, shape: str) -> str:
    over = ", at the mean dose" if shape == "quadratic" else ""
    if sample.drawn:
        return (f"the average effect of one more unit of {sample.name}{over}, on all who were in the draw and were found "
                "again")
    return (f"how much the outcome differs on average for each unit of {sample.name} more{over}: an association between "
            "units that received more and less, not an effect of receiving more")


def _row(sample: _Dosed, regression: CellRegression, contrast: Mapping[str, float], term: str, question: str, *,
         level: float | None = None, part: bool = False) -> Estimate:
    """Estimate one combination of coefficients: a slope, an amount (``level``) against none, or a part of the curve."""
    trial, fit, cov = sample.trial, regression.fit, regression.cov
    inference, rule = infer_contrast(fit, cov, picked(fit, contrast), sample.conf_level,
                                     clustered=trial.clusters is not None)
    r, stata = _shape(fit, level, None if part else sample.mean)
    counts, card = describe(fit, trial, cov.kind, rule, sample.cluster, r=r, stata=stata)
    mine = Counts(n=fit.n, units=fit.n, clusters=counts.clusters)
    if level is not None:
        mine = _level_counts(trial, sample.dose, level)
        card = replace(card, r_call=f"{card.r_call} # coefficient factor(d){level:g}",
                       clusters_treated=mine.clusters_treated or mine.treated,
                       clusters_comparison=mine.clusters_comparison or mine.comparison)
    none = trial.offered == 0
    base = None
    if none.sum() > 1 and not part:
        base = comparison_mean(trial.y, trial.offered, sample.transform, weights=trial.weights, clusters=trial.clusters,
                               label="mean of units with no dose")
    estimate = make_estimate(
        outcome=sample.outcome, term=term, method="dose_response", estimand="itt" if sample.drawn else "association",
        inference=inference, counts=mine, vcov=cov.kind, card=card, base=base, question=question,
        assumptions=DRAWN if sample.drawn else NOT_DRAWN, transform=sample.transform, outcome_sd=spread(trial.y[none]),
        dropped=trial.rows.dropped, caveats=(*trial.caveats, *_caveats(sample, level)), share=is_share(trial.raw))
    if level is None:
        estimate = replace(estimate, n_treated=counts.treated, n_comparison=counts.comparison,
                           n_units_treated=counts.units_treated)
    return replace(estimate, id=f"{sample.outcome}/dose_response/{term}")


def _shape(fit: Fit, level: float | None, mean: float | None) -> tuple[str, str]:
    """Write the dose in R's and in Stata's words: by level, squared (about its mean, where given) or in a straight line."""
    if level is not None:
        return "factor(d)", "i.d"
    if not fit.names[-2].endswith("²"):
        return "d", "d"
    return ("d + I(d^2)", "c.d##c.d") if mean is None else (f"I(d - {mean:.12g}) + I((d - {mean:.12g})^2)", "")


def _level_counts(trial: Trial, dose: Array, level: float) -> Counts:
    total = None if trial.clusters is None else int(trial.clusters.max()) + 1
    return replace(count_sides(dose == level, dose == 0, trial.clusters), n=len(dose), units=len(dose), clusters=total)


def _caveats(sample: _Dosed, level: float | None) -> list[Caveat]:
    trial, out = sample.trial, []
    if not sample.drawn:
        out.append(Caveat(code="association_only", text=f"{sample.name} was not decided by lot: units that received more "
                          "may differ in other ways, and this number is an association, not an effect."))
    total = len(sample.dose) if trial.clusters is None else int(trial.clusters.max()) + 1
    if level is None and total < 2 * FEW_CLUSTERS:
        noun = "units" if trial.clusters is None else "clusters"
        out.append(Caveat(code="few_clusters", text=f"Only {total} {noun}: too few {noun} to say how sure this number is.",
                          values=(("clusters", total),)))
    return out


def _drawn_again(sample: _Dosed, regression: CellRegression, rows: list[Estimate], picks: Sequence[Mapping[str, float]],
                 mean: float, seed: int) -> list[Estimate]:
    """Where few were drawn, draw the amounts again; of a curve each number with what else it is made of as estimated."""
    trial, dose = sample.trial, sample.dose
    amounts, label = np.unique(dose, return_inverse=True)
    if len(amounts) == 2:  # one lot of two sides: as ols
        return [with_few_clusters(
            rows[0], outcome=trial.y / np.ptp(amounts), offered=label.astype(float), controls=trial.controls()[0],
            blocks=trial.blocks, clusters=trial.clusters, seed=seed, weights=trial.weights, beside=False)]
    drawn = np.arange(len(dose), dtype=np.int64) if trial.clusters is None else trial.clusters
    lots = observed_lots(drawn, label.astype(np.int64), np.zeros(len(dose)), trial.blocks)

    def columns(codes: Codes) -> dict[str, Array]:
        away = amounts[codes // 2] - mean
        return {sample.name: away} if len(rows) == 1 else {f"{sample.name}²": away**2, sample.name: away}

    # what each number counts in units of, and the other part of the curve, which it does not see
    away = dose - mean
    ways = [(away, away**2), (dose, dose**2), (dose**2, dose)] if len(rows) > 1 else [(dose, None)]
    return [regression.redrawn([row], [pick], lots, 2 * label.astype(np.int64), columns, shift=shift, seed=seed,
                               said=SLOPE if other is None else PART, held=None if other is None else other[:, None])[0]
            for row, pick, (shift, other) in zip(rows, picks, ways, strict=False)]


def _levels(sample: _Dosed, seed: int) -> list[Estimate]:
    """Compare each amount with none, from one regression."""
    amounts = [float(a) for a in np.unique(sample.dose) if a != 0]
    names = [f"{sample.name} = {a:g}" for a in amounts]
    fit = _fit(sample, {name: (sample.dose == amount).astype(float) for amount, name in zip(amounts, names, strict=True)})
    rows = []
    for amount, name in zip(amounts, names, strict=True):
        question = (f"the average effect of {amount:g} of {sample.name} rather than none" if sample.drawn else
                    f"how much the outcome of units with {amount:g} of {sample.name} differs from that of units with none: "
                    "an association, not an effect")
        row = _row(sample, fit, {name: 1.0}, f"{name} − none", question, level=amount)
        sides = Sides((sample.dose == amount).astype(float), (sample.dose == 0).astype(float))
        if sample.vcov is None:
            row = fit.with_few(row, sides, name, None, seed) if sample.drawn else fit.beside([row], [{name: 1.0}], seed)[0]
        rows.append(row)
    return with_holm(rows, "levels")

"""One trial as arrays: the rows used, the offer, covariates, strata and clusters; shared by the regressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impact.data.frame import (
    Selection,
    as_names,
    check_columns,
    check_weights,
    listed,
    require_columns,
    transformed,
    with_missing_indicators,
)
from impact.errors import DesignError, Problem
from impact.inference.intervals import Inference, infer
from impact.inference.linear import COLLINEAR, Array, Codes, Fit, independent_columns, least_squares
from impact.inference.multiple import holm
from impact.inference.report import Counts, few_for_large_samples
from impact.inference.sandwich import CLUSTERED, Covariance, check_clustered, covariance, satterthwaite_df
from impact.rct.assignment import as_drawn, check_draw, drop_broken_pairs
from impact.rct.equivalents import Model, poisson_lines, r_line, stata_line
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]
SEEN = 1e-6  # the part of a repeated column's length that another column must make up to be named


@dataclass(slots=True, kw_only=True)
class Trial:
    """The rows of one estimate.

    Attributes
    ----------
    rows : which rows of the table are used, and why others are not.
    y, raw : (n,) outcome on the scale of analysis, and as it came. offered : (n,) of 0 and 1.
    extra, labels : (n, c) covariates with indicators for missing values, and their names.
    blocks, clusters, weights : (n,) or None.
    drawn : offer and stratum of all that were drawn, where there are strata; also of those not found again.
    """

    rows: Selection
    y: Array
    raw: Array
    offered: Array
    extra: Array
    labels: list[str]
    blocks: Codes | None
    clusters: Codes | None
    weights: Array | None
    drawn: tuple[Array, Codes] | None = None
    caveats: list[Caveat] = field(default_factory=list)

    def controls(self) -> tuple[Array, list[str]]:
        """Stratum dummies (all but the first) and covariates, with their names."""
        if self.blocks is None:
            return self.extra, list(self.labels)
        dummies = (self.blocks[:, None] == np.arange(1, int(self.blocks.max()) + 1)[None, :]).astype(float)
        return (np.column_stack([dummies, self.extra]),
                [*(f"stratum {j + 2}" for j in range(dummies.shape[1])), *self.labels])


def select_trial(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], strata: str | None,
                 cluster: str | None, weights: str | None, transform: str, baseline: str | None = None,
                 takeup: str | None = None, arms: Any = None, may_repeat: bool = False) -> Trial:
    """Check the columns and the draw, leave out rows that cannot be used, and lay the rest out as arrays.

    Rows without outcome, offer, stratum, weight or take-up are left out and counted, and so is the half of a pair whose
    other half is missing; a missing covariate costs no row.

    Parameters
    ----------
    arms : (n,) the arm of each row of the table where there are several; ``treatment`` then is 0 in the reference arm.
    may_repeat : let covariates repeat each other (a method that chooses among them); elsewhere they are refused by name.

    Raises
    ------
    DataError
        As :func:`impact.rct.difference_in_means`; also for weights below zero or all zero.
    DesignError
        As :func:`impact.rct.assignment.check_draw`; also when a covariate repeats others, the strata or the offer.
    """
    covariates = as_names(covariates)
    require_columns(data, outcome=outcome, treatment=treatment, takeup=takeup, covariates=covariates, strata=strata,
                    cluster=cluster, weights=weights)
    check_columns(data, numbers=(outcome, *covariates, *(name for name in (weights, takeup) if name)),
                  zero_one=(treatment,), complete=(cluster,) if cluster is not None else ())
    rows = keep_known(data, ((treatment, "treatment"), (strata, "strata"), (weights, "weight"), (takeup, "takeup"),
                             (outcome, "outcome")), weights)
    if strata is not None and arms is None:
        drop_broken_pairs(rows, strata, treatment, cluster)
    check_draw(rows, treatment=treatment, strata=strata, cluster=cluster, arms=arms)
    trial = lay_out(rows, outcome=outcome, offered=rows.numbers(treatment), covariates=covariates, strata=strata,
                    cluster=cluster, weights=weights, transform=transform, baseline=baseline,
                    apart=None if may_repeat else treatment)
    trial.drawn = as_drawn(data, data[treatment], strata, cluster) if strata is not None else None
    return trial


def keep_known(data: pd.DataFrame, roles: Iterable[tuple[str | None, str]], weights: str | None = None) -> Selection:
    """Keep the rows on which every column named is known; ``roles`` pairs a column with its word in the ledger."""
    rows = Selection(data)
    for name, role in roles:
        if name is not None:
            rows.drop(data[name].isna(), f"{role}_missing", f"{name} is missing")
    if weights is not None:
        check_weights(data, weights)
        rows.drop(data[weights] == 0, "weight_zero", f"{weights} is zero")
    return rows


def lay_out(rows: Selection, *, outcome: str, offered: Array, covariates: Sequence[str], strata: str | None,
            cluster: str | None, weights: str | None, transform: str, baseline: str | None = None,
            apart: str | None = None) -> Trial:
    """Lay the rows kept out as arrays.

    ``baseline`` is the covariate that is logged with the outcome; ``apart`` names the offer where covariates that repeat
    each other, the strata or it are refused.
    """
    frame, places = rows.data.loc[rows.kept], rows.kept.nonzero()[0]
    if transform == "log" and baseline is not None:
        frame = frame.assign(**{baseline: _logged(frame[baseline].to_numpy(dtype=float), baseline, places)})
    extra, labels, missing = with_missing_indicators(frame, list(covariates))
    raw = rows.numbers(outcome)
    trial = Trial(rows=rows, raw=raw, y=transformed(raw, transform, outcome, places), offered=offered, extra=extra,
                  labels=labels, blocks=rows.codes(strata) if strata is not None else None,
                  clusters=rows.codes(cluster) if cluster is not None else None,
                  weights=rows.numbers(weights) if weights is not None else None, caveats=indicator_caveats(missing))
    if apart is not None:
        trial.caveats += _refuse_repeats(trial, apart, missing)
    return trial


def indicator_caveats(missing: Mapping[str, int]) -> list[Caveat]:
    """Say which covariates were missing, and on how many rows."""
    return [Caveat(code="covariate_missing", text=f"{count} missing values of {name} carry an indicator; no row is lost "
                   "for them.", values=((name, count),)) for name, count in missing.items()]


def _refuse_repeats(trial: Trial, treatment: str, missing: Mapping[str, int]) -> list[Caveat]:
    """Refuse covariates that repeat each other, the strata or the offer; a repeated indicator is taken out and told.

    Indicators of missing values are ours, so that they are judged after all covariates: of two that are alike one stays.
    """
    if not trial.labels:
        return []
    indicators = [j + 1 for j, name in enumerate(trial.labels[:-1]) if name in missing and
                  trial.labels[j + 1] == f"{name} missing"]
    offer = len(trial.labels)
    order = [*(j for j in range(offer) if j not in indicators), *indicators, offer]
    columns = np.column_stack([trial.extra, trial.offered])
    sizes, within = np.linalg.norm(columns, axis=0), _within(columns, trial.blocks)
    kept = [order[i] for i in independent_columns(within[:, order], sizes[order])]
    names, problems, caveats = [*trial.labels, treatment], [], []
    for place, j in enumerate(order):
        if j in kept:
            continue
        repeated = _repeated(within, j, [i for i in order[:place] if i in kept], COLLINEAR * sizes[j], names)
        constant = np.ptp(columns[:, j]) <= COLLINEAR * sizes[j]
        said = f"it repeats {listed(repeated)}" if repeated else (
            "it has the same value on every row used" if constant else
            "it has one value in each stratum: the strata stand for it already")
        if j in indicators:
            caveats.append(Caveat(code="indicator_repeated", text=f"The indicator '{names[j]}' is left out: {said}."))
        elif j == offer:
            problems.append(Problem(where=f"column '{treatment}'", what="its effect cannot be told apart from the other "
                                    f"columns: {said}", cure=f"Leave {listed(repeated)} out."))
        else:
            problems.append(Problem(where=f"column '{names[j]}'", what=said, cure="Leave it out: nothing more can be "
                                    "adjusted for with it."))
    if problems:
        raise DesignError(problems, source="design")
    stays = [j for j in range(offer) if j in kept]
    trial.extra, trial.labels = trial.extra[:, stays], [trial.labels[j] for j in stays]
    return caveats


def _within(columns: Array, blocks: Codes | None) -> Array:
    """Take the mean out of each column, within blocks where there are any."""
    if blocks is None:
        return np.asarray(columns - columns.mean(axis=0))
    sums = np.zeros((int(blocks.max()) + 1, columns.shape[1]))
    np.add.at(sums, blocks, columns)
    return np.asarray(columns - (sums / np.bincount(blocks)[:, None])[blocks])


def _repeated(within: Array, j: int, earlier: list[int], noise: float, names: list[str]) -> list[str]:
    """Name the earlier columns of which a column is a combination; none where it is constant."""
    size = float(np.linalg.norm(within[:, j]))
    if size <= noise:
        return []
    shares = np.linalg.lstsq(within[:, earlier], within[:, j], rcond=None)[0] * np.linalg.norm(within[:, earlier], axis=0)
    return [names[i] for i, share in zip(earlier, shares, strict=True) if abs(share) > SEEN * size]


def _logged(values: Array, name: str, places: Codes) -> Array:
    out = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    out[known] = transformed(values[known], "log", name, places[known])
    return out


def is_constant(values: Array) -> bool:
    """Whether all values are the same, up to rounding: then there is no effect to put an error to."""
    return float(np.ptp(values)) <= 1e-13 * float(np.abs(values).max(initial=0.0))


def regress(trial: Trial, columns: Mapping[str, Array], outcome: Array | None = None) -> Fit:
    """Regress the outcome (or another one) on strata, covariates and the named columns that are the question.

    These stand last, in the rank test too, so that one that repeats strata or covariates is refused.
    """
    others, names = trial.controls()
    y = trial.y if outcome is None else outcome
    return least_squares(np.column_stack([np.ones(len(y)), others, *columns.values()]), y,
                         ["(intercept)", *names, *columns], weights=trial.weights, must_keep=list(columns))


def picked(fit: Fit, weights: Mapping[str, float]) -> Array:
    """Lay a weighted sum of coefficients out as a contrast, (k,)."""
    pick = np.zeros(fit.k)
    for name, weight in weights.items():
        pick[fit.index(name)] = weight
    return pick


def contrast_df(fit: Fit, cov: Covariance, pick: Array, *, clustered: bool) -> tuple[float, str]:
    """Degrees of freedom of a contrast, and their rule."""
    if cov.kind not in CLUSTERED:
        return float(cov.residual_df), "n − k"
    if cov.kind in ("CR2", "CR3"):
        return satterthwaite_df(fit, cov, pick), "Satterthwaite" if clustered else "Bell–McCaffrey"
    return float((cov.n_clusters or fit.n) - 1), "clusters − 1"


def infer_contrast(fit: Fit, cov: Covariance, pick: Array, conf_level: float, *, clustered: bool) -> tuple[Inference, str]:
    """Test and interval of a contrast of the coefficients, and the rule of its df."""
    df, rule = contrast_df(fit, cov, pick, clustered=clustered)
    return infer(float(pick @ fit.coefficients), cov.std_error(pick), df, conf_level), rule


def infer_last(fit: Fit, cov: Covariance, conf_level: float, *, clustered: bool) -> tuple[Inference, str]:
    """Test and interval of the last coefficient, and the rule of its df."""
    return infer_contrast(fit, cov, picked(fit, {fit.names[-1]: 1.0}), conf_level, clustered=clustered)


def with_holm(rows: Sequence[Estimate], noun: str) -> list[Estimate]:
    """Adjust the p-values of rows that form one family; ``noun`` says what they are."""
    known = [i for i, row in enumerate(rows) if row.p_value is not None]
    adjusted = dict(zip(known, holm([rows[i].p_value or 0.0 for i in known]), strict=True))
    return [replace(row, p_adjusted=adjusted.get(i), p_family=f"{len(known)} {noun}, Holm") for i, row in enumerate(rows)]


def count_sides(one: Mask, zero: Mask, clusters: Codes | None) -> Counts:
    """Count rows and clusters on each side; a cluster may stand on both."""
    n_one, n_zero = int(one.sum()), int(zero.sum())
    groups = [None if clusters is None else len(np.unique(clusters[rows])) for rows in (one | zero, one, zero)]
    return Counts(n=n_one + n_zero, treated=n_one, comparison=n_zero, units=n_one + n_zero, units_treated=n_one,
                  clusters=groups[0], clusters_treated=groups[1], clusters_comparison=groups[2])


def refuse_left_out(fit: Fit) -> list[Caveat]:
    """Refuse covariates that repeated other columns of a regression; a repeated indicator of ours is told and no more."""
    ours = [name for name in fit.left_out if name.endswith(" missing") or name.startswith("stratum ")]
    lost = [name for name in fit.left_out if name not in ours]
    if lost:
        raise DesignError([Problem(where=f"column '{name}'", what="it repeats other columns, or has the same value on "
                                   "every row used", cure="Leave it out: nothing more can be adjusted for with it.")
                           for name in lost], source="design")
    return [Caveat(code="indicator_repeated", text=f"The indicator '{name}' is left out: it repeats another column.")
            for name in ours if name.endswith(" missing")]


def coefficients(fit: Fit, cov: Covariance) -> tuple[tuple[str, float, float], ...]:
    """Name, value and standard error of each coefficient but the strata's; they are no effects."""
    errors = np.sqrt(np.maximum(np.diag(cov.matrix), 0.0))
    return tuple((name, float(b), float(s)) for name, b, s in zip(fit.names, fit.coefficients, errors, strict=True)
                 if not name.startswith("stratum "))


def covariance_of(fit: Fit, trial: Trial, vcov: str | None) -> Covariance:
    """Covariance by name; None is CR2 at the level of the draw, and of clusters only clustered ones will do."""
    if vcov is not None and trial.clusters is not None:
        check_clustered(vcov, "the groups that were drawn")
    return covariance(fit, vcov or "CR2", trial.clusters)


def describe(fit: Fit, trial: Trial, kind: str, df_rule: str, cluster: str | None, *, form: str = "",
             **said: str) -> tuple[Counts, StandardErrorCard]:
    """Count rows and clusters by arm, and print how the error was made with the R and Stata lines that remake it.

    With few clusters an error made for many is said to be one among the trial's caveats. ``form`` and ``said`` are those of
    :class:`impact.rct.equivalents.Model` that the trial does not tell.
    """
    counts = count_sides(trial.offered > 0, trial.offered <= 0, trial.clusters)
    if kind in ("CR0", "CR1", "CR1S") and not any(c.code == "few_clusters_large_sample" for c in trial.caveats):
        trial.caveats += few_for_large_samples(counts.clusters)
    unit_level = kind in ("CR2", "CR3") and trial.clusters is None
    formula = {"CR2": "HC2", "CR3": "HC3"}[kind] if unit_level else kind
    model = model_of(trial, kind, form=form, **said)
    card = StandardErrorCard(
        formula=f"{formula}, {'two-stage least squares' if form == 'instrumented' else 'least squares'}",
        correction=f"full design matrix, {fit.k} coefficients", level=cluster or "the unit", df_rule=df_rule,
        clusters_treated=counts.clusters_treated or counts.treated,
        clusters_comparison=counts.clusters_comparison or counts.comparison,
        r_call=r_line(model), stata_call=stata_line(model))
    return counts, card


def model_of(trial: Trial, kind: str, **said: str) -> Model:
    """Tell the R and Stata lines what the trial has: covariates and strata are written only where there are some."""
    has = {"covariates": "x" if trial.labels else "", "strata": "s" if trial.blocks is not None else ""}
    named = {key: value for key, value in said.items() if has.get(key) != ""}
    return Model(kind=kind, clustered=trial.clusters is not None, weighted=trial.weights is not None, **{**has, **named})


def describe_poisson(trial: Trial, k: int, cluster: str | None) -> tuple[Counts, StandardErrorCard]:
    """Count rows and clusters of a Poisson regression, and print how its error was made."""
    counts = count_sides(trial.offered > 0, trial.offered <= 0, trial.clusters)
    clustered = trial.clusters is not None
    r_call, stata_call = poisson_lines(model_of(trial, "sandwich"))
    card = StandardErrorCard(
        formula="sandwich, Poisson quasi-likelihood",
        correction=f"(n − 1)/(n − k)·G/(G − 1), k = {k}" if clustered else f"n/(n − k), k = {k}",
        level=cluster or "the unit", df_rule="clusters − 1" if clustered else "normal",
        clusters_treated=counts.clusters_treated or counts.treated,
        clusters_comparison=counts.clusters_comparison or counts.comparison, r_call=r_call, stata_call=stata_call)
    return counts, card

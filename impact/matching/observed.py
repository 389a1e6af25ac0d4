"""What all comparisons by weighting share: rows and traits, the score, each arm's weights, the estimate they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import (
    Selection,
    as_names,
    check_columns,
    check_weights,
    counted,
    listed,
    require_columns,
    rows_text,
    transformed,
)
from impact.errors import DataError, DesignError, Problem
from impact.inference.estimating import sampled_error, separating
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes, independent_columns
from impact.inference.report import (
    Counterfactual,
    Counts,
    cluster_counts,
    few_for_large_samples,
    is_share,
    make_estimate,
    spread,
)
from impact.inference.worth import equal_units
from impact.matching.sample import KEPT, MatchedEstimate, MatchedSample, few_units
from impact.matching.score import Score, propensity
from impact.matching.support import BEYOND, SURE, TOLD_APART, Standing, outside_support, standing
from impact.matching.units import ONE_CLUSTER, QUESTIONS, as_numbers, in_words, need_both_arms, said_encoded
from impact.results import Caveat, Dropped, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

WEIGHTED_QUESTIONS = {**QUESTIONS, "ato": "the average effect where taking part was most open: units count the more, the "
                      "nearer their chance of taking part is to one half",
                      "matching": "the average effect on those for whom there are counterparts on both sides"}
WITHOUT = {"att": "participants without the programme", "atc": "the others, as they are",
           "ate": "all without the programme", "ato": "those for whom taking part was open, without the programme",
           "matching": "those with counterparts, without the programme"}
LOGIT = "A logit of the covariates describes the chance of taking part."
WORDS = {1: "treated", 0: "comparison"}
LARGE_SHARE, LARGE_TIMES = 0.05, 3.0  # one unit with this share of its arm's weight, and so many equal shares, is said


@dataclass(slots=True, kw_only=True)
class Comparison:
    """The rows of one comparison on observed traits.

    Attributes
    ----------
    rows : which rows of the table are used, and why others are not.
    y, raw : (n,) outcome on the scale of analysis, and as it came. treated : (n,) of 0 and 1.
    covariates : (n, p), and their names; none is constant or repeats others. left_out : those that were. declared : the
        columns they come from.
    sampling : (n,) sampling weights, 1 where none are given. clusters : (n,) codes, or None.
    """

    rows: Selection
    y: Array
    raw: Array
    treated: Array
    covariates: Array
    names: list[str]
    left_out: list[str]
    declared: tuple[str, ...]
    sampling: Array
    weighted: bool
    clusters: Codes | None
    caveats: list[Caveat] = field(default_factory=list)

    @property
    def positions(self) -> Codes:
        """Places of the rows used in the table, from 0."""
        return np.flatnonzero(self.rows.kept).astype(np.int64)

    @property
    def basis(self) -> Array:
        """A constant and the covariates, standardised: (n, 1 + p)."""
        x = self.covariates
        return np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])

    def target(self, estimand: str) -> Array:
        """Sampling weights of the units an att, atc or ate speaks of; 0 for the others: (n,)."""
        return self.sampling * {"att": self.treated, "atc": 1.0 - self.treated}.get(estimand, np.ones(len(self.y)))


def select_comparison(data: pd.DataFrame, *, outcome: str, treatment: str, covariates: Sequence[str], cluster: str | None,
                      weights: str | None, transform: str, base_weights: str | None = None) -> Comparison:
    """Check columns, leave out rows that cannot be used, and lay the rest out.

    Raises
    ------
    DataError
        Missing columns, text for numbers, a treatment that is not 0/1, negative weights, the outcome among the covariates.
    DesignError
        One arm only, no covariate that varies, or no more units in an arm than coefficients.
    """
    covariates = as_names(covariates)
    if not covariates:
        raise DesignError(Problem(where="covariates", what="there is nothing to compare like with like on",
                                  cure="List columns measured before treatment."), source="design")
    require_columns(data, outcome=outcome, treatment=treatment, covariates=covariates, cluster=cluster, weights=weights,
                    base_weights=base_weights)
    twice = [Problem(where=f"column '{name}'", what=f"it is the {role} and a covariate too", cure="It cannot be both.")
             for name, role in ((outcome, "outcome"), (treatment, "treatment")) if name in covariates]
    if twice:
        raise DataError(twice, source="data")
    counted = tuple(name for name in (weights, base_weights) if name is not None)
    plain = tuple(c for c in covariates if not in_words(data, c))
    check_columns(data, numbers=(outcome, *plain, *counted), zero_one=(treatment,),
                  complete=(cluster,) if cluster is not None else ())
    rows = Selection(data)
    for name, reason in ((treatment, "treatment"), (outcome, "outcome"), *((c, "covariate") for c in covariates),
                         *((name, "weight") for name in counted)):
        rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    for name in counted:
        check_weights(data, name)
        rows.drop(data[name] == 0, "weight_zero", f"{name} is zero")
    return lay_out(rows, outcome, treatment, list(covariates), cluster, weights, transform)


def lay_out(rows: Selection, outcome: str, treatment: str, covariates: list[str], cluster: str | None,
             weights: str | None, transform: str) -> Comparison:
    """Lay the rows kept out as arrays, traits without constants and repeats."""
    treated, raw = rows.numbers(treatment), rows.numbers(outcome)
    need_both_arms(treated, rows.dropped)
    words = tuple(c for c in covariates if in_words(rows.data, c))
    table, behind, labels = _table(rows, covariates, words)
    scale = table.std(axis=0)
    varies = scale > 1e-12 * np.abs(table).max(axis=0)
    z = np.where(varies, (table - table.mean(axis=0)) / np.where(varies, scale, 1.0), 0.0)
    kept = [j - 1 for j in independent_columns(np.column_stack([np.ones(len(z)), z]))[1:]]
    names = [labels[j] for j in kept]
    found = {behind[j] for j in kept}  # of a text's columns the last repeats the others, and is not missed
    left_out = [c for c in covariates if c not in found]
    if not kept:
        raise DesignError(Problem(where="covariates", what=f"{listed(covariates)} have one value on every row used",
                                  cure="List columns in which units differ."), source="design")
    _need_enough(treated, len(kept))
    out = Comparison(rows=rows, raw=raw, y=transformed(raw, transform, outcome, rows.kept.nonzero()[0]), treated=treated,
                     covariates=table[:, kept], names=names, left_out=left_out, declared=tuple(dict.fromkeys(covariates)),
                     weighted=weights is not None,
                     sampling=rows.numbers(weights) if weights is not None else np.ones(len(raw)),
                     clusters=rows.codes(cluster) if cluster is not None else None)
    if left_out:
        out.caveats.append(Caveat(code="covariates_left_out", text=f"{listed(left_out)}: constant, or a combination of "
                                  "other covariates, so that nothing more is adjusted for with it.",
                                  values=(("covariates", len(left_out)),)))
    out.caveats += said_encoded(words)
    return out


def _table(rows: Selection, covariates: list[str], words: tuple[str, ...]) -> tuple[Array, list[str], list[str]]:
    """Covariates as columns of numbers, the covariate behind each, and a name of its own for each."""
    parts, behind, labels = [], [], []
    for name in covariates:
        found = as_numbers(rows, (name,), words)[0]
        parts.append(found)
        behind += [name] * found.shape[1]
        labels += [name] if name not in words else [
            f"{name}: {word}" for word in sorted(set(rows.column(name).astype(str)))]
    return np.column_stack(parts), behind, labels


def _need_enough(treated: Array, count: int) -> None:
    problems = [Problem(where="covariates", what=f"{count} covariate{'' if count == 1 else 's'} for {size} {word} "
                        f"unit{'' if size == 1 else 's'}: there must be more units than covariates and a constant on each "
                        "side", cure="List only the few covariates that decide who takes part and matter for the outcome.")
                for size, word in ((int(treated.sum()), "treated"), (int((1 - treated).sum()), "comparison"))
                if size <= count + 1]
    if problems:
        raise DesignError(problems, source="design")


@dataclass(frozen=True, slots=True)
class Means:
    """Mean outcome with and without treatment, and what each row (n,) or cluster (G,) adds to their estimation error."""

    one: float
    zero: float
    influence_one: Array
    influence_zero: Array


def comparison_estimate(sample: Comparison, means: Means, *, outcome: str, treatment: str, method: str, estimand: str,
                        weights: Array, score: Array | None, conf_level: float, transform: str, cluster: str | None,
                        formula: str, correction: str, calls: tuple[str, str], assumptions: Sequence[str], vcov: str = "M",
                        details: Sequence[tuple[str, Any]] = ()) -> MatchedEstimate:
    """Put together the estimate of any comparison on observed traits, with its sample and what a reader must know."""
    place = Standing(score, True) if score is not None else standing(sample.covariates, sample.treated, sample.names)
    error, base_error = (sampled_error(part, sample.clusters is not None) for part in (
        means.influence_one - means.influence_zero, means.influence_zero))
    label, zero = WITHOUT[estimand], means.zero
    if transform == "log":
        zero, base_error, label = float(np.exp(zero)), 0.0, f"{label} (geometric mean)"
    treated, n = sample.treated, len(sample.y)
    found = (None, None, None) if sample.clusters is None else cluster_counts(sample.clusters, treated)
    counts = Counts(n=n, treated=int(treated.sum()), comparison=int((1 - treated).sum()), units=n,
                    units_treated=int(treated.sum()), clusters=found[0], clusters_treated=found[1],
                    clusters_comparison=found[2])
    kept = MatchedSample(frame=sample.rows.data, rows=sample.positions, treated=treated, weights=weights, score=score,
                         place=None if score is not None else place,
                         outside=_outside(sample, place, estimand), treatment=treatment, estimand=estimand,
                         covariates=sample.declared)
    card = StandardErrorCard(
        formula=formula, correction=correction + ("" if cluster is None else f"; each {cluster} left out in turn, "
                                                      "one step of the equations, (G − 1)/G"), level=cluster or "the unit",
        df_rule="normal" if cluster is None else "clusters of the smaller side − 1", clusters_treated=found[1],
        clusters_comparison=found[2], r_call=calls[0], stata_call=calls[1])
    shown, caveats = _diagnostics(sample, kept, estimand)
    plain: Estimate = make_estimate(
        outcome=outcome, term=treatment, method=method, estimand=estimand, counts=counts, vcov=vcov, card=card,
        inference=_inference(means.one - means.zero, error, found[1:], conf_level),
        base=Counterfactual(mean=zero, std_error=base_error, label=label), question=WEIGHTED_QUESTIONS[estimand],
        assumptions=assumptions, transform=transform, outcome_sd=spread(sample.y[treated == 0]),
        dropped=sample.rows.dropped, caveats=caveats, share=is_share(sample.raw), details=(*details, *shown))
    return MatchedEstimate(**{f.name: getattr(plain, f.name) for f in fields(plain)}, matched=kept)


def _inference(effect: float, std_error: float, sides: tuple[int | None, ...], conf_level: float) -> Inference:
    """Interval of an effect; with clusters df come from the side with fewer, which has most of the luck.

    By simulation with 10 villages that took part and 20 others (tests/test_matching_clusters.py): all clusters − 1 is too
    many, and the side's own hold.
    """
    counts = [count for count in sides if count is not None]
    if not counts:
        return infer(effect, std_error, None, conf_level)
    if min(counts) < 2:
        return Inference(estimate=effect, conf_level=conf_level, reason=ONE_CLUSTER)
    return infer(effect, std_error, float(min(counts) - 1), conf_level)


def _diagnostics(sample: Comparison, kept: MatchedSample, estimand: str) -> tuple[list[tuple[str, Any]], list[Caveat]]:
    """Effective sizes, largest shares and units outside the support, and the caveats that follow."""
    caveats = [Caveat(code="selection_on_observables", text="Not randomised: participants and the others were made alike "
                      "in the measured traits only; what was not measured may still differ."), *sample.caveats]
    shown: list[tuple[str, Any]] = []
    for arm, word in WORDS.items():
        mine = np.flatnonzero(sample.treated == arm)
        share = np.abs(kept.weights[mine]) / np.abs(kept.weights[mine]).sum()
        top = int(share.argmax())
        shown += [(f"effective_{word}", kept.effective_size(arm)), (f"largest_share_{word}", float(share[top]))]
        if share[top] > max(LARGE_SHARE, LARGE_TIMES / len(mine)):
            row = int(sample.positions[mine[top]]) + 1
            caveats.append(Caveat(code="large_weight", text=f"One {word} unit (row {row}) carries {share[top]:.0%} of the "
                                  "weight of its side, which is worth "
                                  f"{equal_units(kept.effective_size(arm))}: the number leans on it.",
                                  values=(("row", row), ("share", float(share[top])))))
    if kept.score is not None:
        outside = outside_support(kept.score, sample.treated, estimand)
        shown.append(("outside_support", len(outside)))
        if len(outside):
            have = "has" if len(outside) == 1 else "have"
            caveats.append(Caveat(code="outside_support", text=f"{counted(len(outside), 'unit')} "
                                  f"({rows_text(sample.positions[outside] + 1)}) {have} a chance of taking part beyond "
                                  "that of every unit of the other side: what is said of such units leans on few, and the "
                                  "interval may be somewhat too short.", values=(("units", len(outside)),)))
    if sample.clusters is None:
        caveats += few_units(kept)
    return shown, caveats + few_for_large_samples(None if sample.clusters is None else int(sample.clusters.max()) + 1)


def _outside(sample: Comparison, place: Standing | None, estimand: str) -> tuple[Dropped, ...]:
    """Units without a like on the other side: those trimmed, and those kept with a score beyond the other side's."""
    out = [lost for lost in sample.rows.dropped if lost.reason == "trimmed"]
    found = np.empty(0, dtype=np.int64) if place is None else outside_support(place.value, sample.treated, estimand)
    if len(found):
        rows = tuple(int(r) + 1 for r in sample.positions[found])
        out.append(Dropped(reason=KEPT, text=BEYOND if place is None or place.chance else TOLD_APART,
                           n_rows=len(rows), n_units=len(rows), rows=rows))
    return tuple(out)


def fit_score(sample: Comparison) -> Score:
    """Fit the logit score on the sampling weights, or name the covariates that predict treatment perfectly."""
    try:
        score = propensity(sample.covariates, sample.treated, sample.names)
    except DesignError:
        _refuse_separation(sample, certain=True)
        raise
    if np.abs(score.linear).max() > SURE:
        _refuse_separation(sample, certain=False)
    if not sample.weighted:
        return score
    import statsmodels.api as sm

    basis, share = sample.basis, sample.sampling / sample.sampling.mean()
    fit = sm.GLM(sample.treated, basis, family=sm.families.Binomial(), freq_weights=share).fit(tol=1e-12, maxiter=100)
    linear = np.asarray(basis @ fit.params)
    return Score(probability=1.0 / (1.0 + np.exp(-linear)), linear=linear)


def _refuse_separation(sample: Comparison, *, certain: bool) -> None:
    found = separating(sample.basis[:, 1:], sample.treated)
    if not found and not certain:
        return
    names = [f"'{sample.names[j]}'" for j in found]
    who = f"column {names[0]}" if len(names) == 1 else "covariates"
    what = "they predict treatment (almost) perfectly: no comparable unit is left"
    if names:
        what = (f"{'its values' if len(names) == 1 else listed(names) + ' together'} predict who took part without error, "
                "for all units or for a part of them: there no comparable unit is left")
    raise DesignError(Problem(where=who, what=what, cure="Leave out a covariate that defines who was treated, or the units "
                              "without counterparts, or find a better comparison group."), source="design")


def arm_weights(sample: Comparison, one: Array, zero: Array, size: float | None) -> Array:
    """Weights normalised alike for every estimand: each arm's add to ``size``, or to its own sampling weights (None)."""
    out = np.zeros(len(sample.y))
    for arm, w in ((sample.treated == 1, one), (sample.treated == 0, zero)):
        own = (sample.sampling * w)[arm]
        out[arm] = own / own.sum() * (sample.sampling[arm].sum() if size is None else size)
    return out

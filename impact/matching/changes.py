"""Matched difference-in-differences, beside the two comparisons it must be read with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import Selection, as_names, transformed
from impact.errors import DesignError, Problem
from impact.inference.intervals import Inference, check_level, infer
from impact.inference.linear import Array, Codes, least_squares
from impact.inference.report import Counterfactual, Counts, cluster_counts, is_share, make_estimate, spread
from impact.inference.sandwich import covariance, satterthwaite_df
from impact.matching.assembly import SETS_VCOV, set_inference
from impact.matching.gaps import Row, disagreement, figure, gap_between, numbered
from impact.matching.nearest import nearest_neighbour
from impact.matching.pairs import full_matching, optimal_pairs
from impact.matching.sample import MatchedEstimate
from impact.matching.units import ONE_CLUSTER, QUESTIONS, check_choice, select_units
from impact.matching.waves import Waves, followed, side_by_side
from impact.results import Caveat, Estimate, Estimates, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

WAYS: dict[str, Callable[..., MatchedEstimate]] = {
    "nearest_neighbour": nearest_neighbour, "optimal_pairs": optimal_pairs, "full_matching": full_matching}
MATCH_ON = ("traits", "trends", "baseline_outcome")
CHANGE, AFTER, BEFORE, EARLIER, TREND = "_change", "_after", "_before", "_earlier", "_trend"
ONE_SIDE = "One unit's participation does not change another unit's outcome."
ASSUMES = {
    "matched_did": "Without the programme, participants and the others of the same {on} would have changed by the same "
                   "amount.",
    "plain_did": "Without the programme, participants and the others would have changed by the same amount.",
    "lagged_matching": "Among units alike in traits and in the outcome before, who took part is unrelated to how they "
                       "would have fared without.",
}
ALIKE = 0.1  # standard deviations of the treated; Austin (2009, Statistics in Medicine 28)
ON = {"traits": "stable traits", "trends": "stable traits and earlier trends", "baseline_outcome": "outcome before"}


def matched_did(data: pd.DataFrame, *, outcome: str, treatment: str | None = None, covariates: Sequence[str] = (),
                baseline: str | None = None, unit: str | None = None, time: str | None = None,
                first_treated: str | None = None, before: float | None = None, after: float | None = None,
                earlier: Sequence[Any] = (), match_on: str = "traits", method: str = "full_matching",
                distance: str = "propensity", caliper: float | None = None, caliper_unit: str = "sd",
                exact: Sequence[str] = (), estimand: str = "att", cluster: str | None = None, transform: str = "none",
                conf_level: float = 0.95) -> Estimates:
    """Compare changes among matched units, beside plain difference-in-differences and matching on the outcome before.

    Parameters
    ----------
    data : DataFrame, one row a unit with the waves in columns (``baseline``), or one row a unit and period (``time``).
    outcome : column, in its own unit; with ``baseline`` the one measured after.
    treatment : column of 1 (took part by the wave after) and 0; or, for rows over periods, ``first_treated``, the first
        treated period, empty where never.
    covariates : stable traits, measured before and not moved by the outcome; for rows over periods, those of ``before``.
    baseline : column of the outcome before, where waves are columns.
    unit, time, before, after : id, period, and the two periods compared, where waves are rows.
    earlier : columns (or periods) of waves before the baseline, first to last.
    match_on : "traits"; "trends" (traits, and the changes between two or more ``earlier`` waves); or "baseline_outcome",
        the trap below, which is done only when asked for by this name and then carries a caveat.
    method : "full_matching", which leaves nobody without a counterpart where many took part, "nearest_neighbour" (pairs
        without replacement) or "optimal_pairs".
    distance, caliper, caliper_unit, exact : as :func:`impact.matching.nearest_neighbour`.
    estimand : "att" only: changes are compared for those who took part.
    cluster : column of those who were chosen together (villages; for rows over periods, that of ``before``): all three
        rows' errors and those of their differences then allow for it.
    transform : "none" or "log" (of every wave).
    conf_level : a share.

    Returns
    -------
    Estimates
        Row 0 the matched difference-in-differences; then ``plain_did``, all units and no matching; then
        ``lagged_matching``, matched on the covariates and on every wave before, levels compared after. ``details`` of row 0
        holds ``gaps``: for each two rows their names, difference, its standard error, interval, and whether they
        disagree. Where any two disagree every row carries the caveat ``methods_disagree`` and none may be told alone.

    Raises
    ------
    DataError
        Missing columns, text for numbers, a treatment that is not 0/1, a unit twice in a period.
    DesignError
        One arm only, no match; an outcome wave among the covariates; "trends" with fewer than two earlier waves.

    Notes
    -----
    Assumes that those who took part and their matches would have changed alike without the programme (row 0), that both
    groups would have (``plain_did``), or that units alike in the traits and in every wave before would have come out alike
    (``lagged_matching``). Estimand: ATT. Matched changes are compared as they are, without regression adjustment.
    Why it is no default. The outcome before holds luck that passes. Units matched on it are those whose luck was unlike
    that of their group, and as luck passes they drift back to their own group's mean: with parallel trends and no effect,
    matching then shows (1 − ρ) times the gap between the groups' means, where ρ is the outcome's correlation over time
    within groups. Differencing afterwards changes nothing: among units matched exactly, the difference in changes is the
    difference in levels. Stable traits hold no such luck, nor do trends that end before the baseline wave; trends up to the
    baseline would share its luck. Chabé-Ferret (2017, TSE working paper 17-824); Daw & Hatfield (2018, Health Services
    Research 53); Ham & Miratrix (2024, Annals of Applied Statistics 18).
    But where the outcome before is itself what made units take part, plain differences mislead and matching on it does not
    (where its passing part alone did, neither is right). If one of the two worlds holds, the effect tends to lie
    between the two numbers (Ding & Li 2019, Political Analysis 27).
    Two rows disagree if their difference exceeds its own bound, the t quantile of ``conf_level`` times its standard error,
    or if they have opposite signs and at least one interval leaves out zero.
    Errors: a unit's waves are one change, so that errors by matched set hold its waves together too (CR1S, Abadie & Spiess
    2022); plain: HC2 with Bell–McCaffrey df. With ``cluster`` by set and by cluster, as all matching by sets, and CR2.
    Differences between rows: √(a² + b² − 2rab) of the rows' own errors a and b,
    where r is the correlation of what each unit adds to either number: its weight times what the matching leaves of its
    outcome (Abadie & Imbens 2006, section 3, for why that part alone is chance), allowing for an estimated score (2016). It
    lies between |a − b| and a + b; df of the smaller number of sets. With ``cluster`` what units add is summed by cluster
    first, and df are at most the clusters of the smaller side − 1. Where the score is the distance the rows' errors take it
    as known, and are somewhat long; where partners run out what stays unequal is no chance, and the difference tells it.
    Reference case: worked by hand, and by simulation (tests/test_changes.py).
    """
    check_choice("match_on", match_on, MATCH_ON)
    check_choice("method", method, tuple(WAYS))
    check_choice("estimand", estimand, ("att",))
    check_level(conf_level)
    traits, must = as_names(covariates), as_names(exact)
    waves = _read(data, outcome, treatment, first_treated, baseline, unit, time, before, after, earlier, (*traits, *must),
                  cluster)
    _check_matching(match_on, traits, must, waves, outcome)
    levels = [transformed(column, transform, name) for column, name in zip(
        (*waves.earlier.T, waves.before, waves.after), waves.names, strict=True)]
    frame, past, trends = _laid_out(waves, levels)
    on = {"traits": traits, "trends": (*traits, *trends), "baseline_outcome": (*traits, BEFORE)}[match_on]
    rules: dict[str, Any] = {"treatment": waves.treatment, "distance": distance, "caliper": caliper,
                             "caliper_unit": caliper_unit, "exact": must, "cluster": cluster, "conf_level": conf_level}
    way, change = WAYS[method], levels[-1] - levels[-2]
    clusters = None if cluster is None else Selection(frame).codes(cluster)
    rows = (_matched("matched_did", way(frame, outcome=CHANGE, covariates=on, **rules), change, frame, clusters),
            _plain(waves, change, conf_level, clusters),
            _matched("lagged_matching", way(frame, outcome=AFTER, covariates=(*traits, *past), **rules), levels[-1], frame,
                     clusters))
    gaps = tuple(gap_between(one, two, waves.treated, conf_level) for k, one in enumerate(rows) for two in rows[k + 1:])
    said = (("match_on", match_on), ("matching", method), ("gaps", gaps))
    told = disagreement(gaps, conf_level)
    return Estimates(rows=tuple(_estimate(row, waves, levels, outcome, transform, match_on, said if k == 0 else (), told,
                                          cluster) for k, row in enumerate(rows)))


def _read(data: pd.DataFrame, outcome: str, treatment: str | None, first_treated: str | None, baseline: str | None,
          unit: str | None, time: str | None, before: float | None, after: float | None, earlier: Sequence[Any],
          traits: Sequence[str], cluster: str | None) -> Waves:
    traits = tuple(dict.fromkeys(traits))
    if time is None and baseline is None:
        raise DesignError(Problem(where="baseline", what="matched_did compares changes, and no outcome before is named",
                                  cure="Name its column (in a study file outcomes[].baseline); or give time=, before= and "
                                  "after= for rows over periods."), source="design")
    if time is None:
        if baseline is None or treatment is None or first_treated is not None or before is not None or after is not None:
            raise ValueError("waves in columns take treatment= and baseline=; waves in rows take unit=, time=, before= and "
                             "after=")
        return side_by_side(data, outcome=outcome, treatment=treatment, baseline=baseline, earlier=as_names(earlier),
                            traits=traits, unit=unit, cluster=cluster)
    if unit is None or before is None or after is None or baseline is not None or (treatment is None) == (
            first_treated is None):
        raise ValueError("waves in rows take unit=, time=, before=, after= and one of treatment= and first_treated=; a "
                         "baseline= column is for waves in columns")
    return followed(data, outcome=outcome, treatment=treatment, first_treated=first_treated, unit=unit, time=time,
                    before=before, after=after, earlier=tuple(earlier), traits=traits, cluster=cluster)


def _check_matching(match_on: str, traits: Sequence[str], exact: Sequence[str], waves: Waves, outcome: str) -> None:
    """Refuse to match on a wave of the outcome unasked, and on trends that cannot be seen."""
    problems = [Problem(where="covariates", what=f"'{name}' is the outcome at an earlier time: matching on it and then "
                        "taking changes makes the drift back to each group's mean look like an effect (regression to the "
                        "mean)",
                        cure="Leave it out: the row lagged_matching matches on it and compares levels.")
                for name in dict.fromkeys((*traits, *exact)) if name in (*waves.names, outcome)]
    if match_on == "trends" and waves.earlier.shape[1] < 2:
        problems.append(Problem(where="match_on", what="trends need two or more waves earlier than the baseline; there are "
                                f"{waves.earlier.shape[1]}", cure="Name them in earlier, or write match_on: traits. A "
                                "trend that ends in the baseline would share its luck."))
    if not traits and match_on == "traits":
        problems.append(Problem(where="covariates", what="there is nothing to match on", cure="List stable traits measured "
                                "before."))
    if problems:
        raise DesignError(problems, source="design")


def _laid_out(waves: Waves, levels: Sequence[Array]) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Add the waves on the scale of analysis, their change, and trends of the earlier ones."""
    past = [f"{EARLIER}_{k + 1}" for k in range(len(levels) - 2)]
    columns = dict(zip((*past, BEFORE, AFTER), levels, strict=True)) | {CHANGE: levels[-1] - levels[-2]}
    trends = [f"{TREND}_{k + 1}" for k in range(len(past) - 1)]
    columns |= {name: levels[k + 1] - levels[k] for k, name in enumerate(trends)}
    return waves.frame.assign(**columns), [*past, BEFORE], trends


def _matched(method: str, found: MatchedEstimate, y: Array, frame: pd.DataFrame,
             clusters: Codes | None) -> Row:
    sample = found.matched
    if sample is None or sample.sets is None:
        raise ValueError("changes are compared within matched sets")
    x = select_units(frame, outcome=None, treatment=sample.treatment, covariates=sample.covariates).x
    error = set_inference(y, sample.treated, sample.sets, sample.weights, None, SETS_VCOV, found.conf_level, clusters)
    return Row(method=method, y=y, weights=sample.weights, sets=sample.sets, x=x, matched=found, clusters=clusters,
               inference=error)


def _plain(waves: Waves, y: Array, conf_level: float, clusters: Codes | None) -> Row:
    """Least squares of the change on taking part, all units; CR2 by cluster where some were chosen together."""
    d = waves.treated
    fit = least_squares(np.column_stack([np.ones(len(d)), d]), y, ("(intercept)", "treated"), must_keep=("treated",))
    pick = np.array([0.0, 1.0])
    # each unit its own cluster: CR2 is then HC2, and carries what Bell and McCaffrey's df are made of
    cov = covariance(fit, "CR2", clusters)
    effect = float(fit.coefficients[1])
    if clusters is not None and min(cluster_counts(clusters, d)[1:]) < 2:
        found = Inference(estimate=effect, conf_level=conf_level, reason=ONE_CLUSTER)
    else:
        found = infer(effect, cov.std_error(pick), satterthwaite_df(fit, cov, pick), conf_level)
    return Row(method="plain_did", y=y, weights=np.ones(len(y)), sets=np.arange(len(y), dtype=np.int64),
                x=np.empty((len(y), 0)), inference=found, clusters=clusters)


def _estimate(row: Row, waves: Waves, levels: Sequence[Array], outcome: str, transform: str, match_on: str,
              details: tuple[tuple[str, Any], ...], told: Sequence[Caveat], cluster: str | None) -> Estimate:
    """Report one row; its per cent is of what participants would have had after, whatever was compared."""
    d = waves.treated
    used = row.weights > 0
    one, zero = int((used & (d == 1)).sum()), int((used & (d == 0)).sum())
    arm = levels[-1][used & (d == 1)]
    mean, label = float(arm.mean()) - row.inference.estimate, "participants without the programme"
    error = float(arm.std(ddof=1) / np.sqrt(len(arm))) if len(arm) > 1 else float("inf")
    if transform == "log":
        mean, error, label = float(np.exp(mean)), 0.0, f"{label} (geometric mean)"
    plain, found = row.matched is None, row.matched
    groups = (None if plain else len(np.unique(row.sets[row.sets >= 0])), None, None) if row.clusters is None else (
        cluster_counts(numbered(row.clusters[used]), d[used]))
    card = _card(row, cluster, groups[1:])
    plain_estimate = make_estimate(
        outcome=outcome, method=row.method, estimand="att", inference=row.inference, term="took part",
        counts=Counts(n=one + zero, treated=one, comparison=zero, units=one + zero, units_treated=one,
                      clusters=groups[0], clusters_treated=groups[1], clusters_comparison=groups[2]),
        vcov=("HC2" if cluster is None else "CR2") if plain else SETS_VCOV, card=card,
        base=Counterfactual(mean=mean, std_error=error, label=label),
        question=QUESTIONS["att"] if found is None else found.question, transform=transform,
        assumptions=(ASSUMES[row.method].replace("{on}", ON[match_on]), ONE_SIDE),
        outcome_sd=spread(levels[-1][used & (d == 0)]),
        dropped=(*waves.dropped, *(waves.given(lost) for lost in (found.dropped if found is not None else ()))),
        caveats=[*told, *_caveats(row, match_on), *_apart(row, levels[-2], d)], details=details,
        share=is_share(waves.after) and is_share(waves.before))
    if found is None or found.matched is None:
        return plain_estimate
    sample = replace(found.matched, outside=tuple(waves.given(lost) for lost in found.matched.outside))
    return MatchedEstimate(**{f.name: getattr(plain_estimate, f.name) for f in fields(plain_estimate)}, matched=sample)


def _card(row: Row, cluster: str | None, sides: tuple[int | None, int | None]) -> StandardErrorCard:
    once = "a unit's two waves are one change"
    if row.matched is not None and row.matched.se_card is not None:
        card = row.matched.se_card
        return replace(card, correction=once) if row.method == "matched_did" else card
    call = "estimatr::lm_robust(I(after - before) ~ d"
    if cluster is None:
        return StandardErrorCard(formula="HC2 of the change on taking part", correction=once, level="the unit",
                                 df_rule="Bell–McCaffrey", stata_call="regress change d, vce(hc2, dfadjust)",
                                 r_call=f'{call}, clusters = id, se_type = "CR2")')
    return StandardErrorCard(formula="CR2 of the change on taking part", correction=once, level=cluster,
                             df_rule="Bell–McCaffrey", clusters_treated=sides[0], clusters_comparison=sides[1],
                             r_call=f'{call}, clusters = {cluster}, se_type = "CR2")')


def _caveats(row: Row, match_on: str) -> list[Caveat]:
    """Say what the row takes on trust, and what became of units and covariates on the way."""
    trust = {"matched_did": f"Not randomised: participants and the others were matched on {ON[match_on]} and are taken to "
             "have moved in parallel without the programme.",
             "plain_did": "Not randomised: participants and all others are taken to have moved in parallel without the "
             "programme.",
             "lagged_matching": "Not randomised: units were matched on their traits and their outcome before; where the "
             "groups have different lasting levels, some drift back to them is counted as an effect."}[row.method]
    out = [Caveat(code="selection_on_observables" if row.method == "lagged_matching" else "parallel_assumed", text=trust)]
    if row.method == "matched_did" and match_on == "baseline_outcome":
        out.append(Caveat(code="regression_to_the_mean", text="Matched on the outcome before and then differenced, as "
                          "asked for by name: units drift back to their own group's mean, and that drift is in this "
                          "number."))
    kept = () if row.matched is None else row.matched.caveats
    out += [replace(c, text=_spoken(c.text)) for c in kept
            if c.code not in ("selection_on_observables", "few_clusters", "low_df")]
    return out


def _apart(row: Row, before: Array, d: Array) -> list[Caveat]:
    """Say that the outcome before stays apart after matching on it, where it does."""
    if row.method != "lagged_matching":
        return []
    one, zero = (np.where(d == arm, row.weights, 0.0) for arm in (1, 0))
    spread_treated = float(before[d == 1].std(ddof=1)) if (d == 1).sum() > 1 else 0.0
    gap = float(one @ before / one.sum() - zero @ before / zero.sum())
    if spread_treated <= 0 or abs(gap) <= ALIKE * spread_treated:
        return []
    return [Caveat(code="baseline_not_alike", text=f"After matching on it the outcome before stays {figure(gap)} apart, "
                   f"{abs(gap) / spread_treated:.2f} standard deviations: part of this number is that difference.",
                   values=(("gap", gap),))]


def _spoken(text: str) -> str:
    """Say the made columns in words."""
    for name, words in ((CHANGE, "the change"), (BEFORE, "the outcome before"), (AFTER, "the outcome after"),
                        (EARLIER, "an earlier outcome"), (TREND, "an earlier trend")):
        text = re.sub(rf"{name}(_\d+)?", words, text)
    return text

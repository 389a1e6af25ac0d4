"""Trials measured several times after the offer: the pooled effect, the effect in each round, and whether they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import Selection, as_names, check_columns, listed, require_columns
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.assignment import declared_draw
from impact.inference.linear import Array, Codes, least_squares
from impact.inference.replays import Statistics, jointly
from impact.inference.sandwich import CLUSTERED, VCOVS
from impact.inference.wald import WaldTest, wald_test
from impact.rct.assignment import comparison_mean, overlap_weighted
from impact.rct.cells import CellRegression, Recipe, Sides, varying
from impact.rct.few import drawable, is_few, together_by_lot, with_few_clusters, without
from impact.rct.trial import Trial, coefficients, covariance_of, is_constant, select_trial
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

QUESTION = ("the average effect of being offered the programme over the rounds after it, on all who were in the draw and "
            "were found again in any of them")
ASSUMPTIONS = (
    "Who was offered the programme was decided by lot.",
    "One unit's offer does not change another unit's outcome.",
    "Those found again are comparable between offered and not offered in every round.",
)
ROUND = ("The interval holds if the effect in this round is the same for all; effects in other rounds are taken as "
         "estimated.")
ONCE = "It was decided, or measured, before the first round: repeat one value on each of the unit's rows."


def pooled_rounds(data: pd.DataFrame, *, outcome: str, treatment: str, unit: str, round: str, baseline: str | None = None,
                  covariates: Sequence[str] = (), strata: str | None = None, cluster: str | None = None,
                  weights: str | None = None, vcov: str | None = None, transform: str = "none", conf_level: float = 0.95,
                  seed: int = 0) -> Estimates:
    """Effect of the offer over several rounds of measurement after it.

    Parameters
    ----------
    data : DataFrame, one row a unit and round, rounds after the offer only.
    outcome : column, in its own unit.
    treatment : column of 1 (offered) and 0 (not), the same on all rows of a unit.
    unit : column of the unit's id. round : column of the round's number, date or name.
    baseline : column of the outcome before the offer, the same on all rows of a unit; its slope may differ by round. With
        ``transform="log"`` it is logged too.
    covariates : columns measured before the offer, the same on all rows of a unit.
    cluster : column of the groups that were drawn, each unit in one of them; leave out when units themselves were drawn.
    strata, weights, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimates
        First the pooled effect; then one row a round, with ``period``. ``details`` of the first hold the joint test that
        the rounds' effects are the same, and how many units were seen in all rounds and in some.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`; also when a unit stands twice in a round, or its offer, baseline, covariates, stratum or
        cluster change between rows; units named.
    DesignError
        As :func:`impact.rct.ols`; also when a round repeats the baseline, or has one arm only.

    Notes
    -----
    Assumes assignment by lot before the rounds that are pooled.
    Estimand: ITT averaged over rounds; a unit counts as often as it was seen. Regression on the offer, one dummy a round,
    the baseline by round, strata and covariates; errors clustered by unit, or by ``cluster`` (CR2). Several rounds average
    out noise that does not last (McKenzie 2012, Journal of Development Economics 99). Effects by round come from
    the same regression with the offer by round. Whether they differ: HTZ test of Pustejovsky & Tipton (2018) for CR2.
    Few clusters: the pooled effect as :func:`impact.rct.ols`; that of a round, and the test that rounds differ, by drawing
    again with the other rounds' effects, or the common one, taken as estimated; the wild cluster bootstrap is shown beside
    the pooled effect and each round's.
    One round gives the numbers of :func:`impact.rct.ols`, or :func:`impact.rct.ancova` with a baseline, whose reference
    cases carry over: Reference case: rct_jtrain2_ancova_hc2; statsmodels for several (tests/test_rounds.py).
    """
    before, covariates = as_names(baseline), as_names(covariates)
    trial = _select(data, outcome, treatment, unit, round, before, covariates, strata, cluster, weights, transform)
    names, member = _rounds(trial, round)
    caveats, details, counts = _seen(trial, unit, len(names))
    once = counts[0] == len(trial.y)
    _check_rounds(trial, names, member, round, outcome, baseline, None if once else vcov)
    alone = once and cluster is None  # one row a unit: units are their own clusters, as in ols
    pooled = _pooled(replace(trial, clusters=None) if alone else trial, names, member, before, treatment, outcome,
                     None if alone else cluster or unit, vcov, transform, conf_level)
    rows, test = _by_round(pooled, names, member, treatment, baseline is not None, None if vcov is not None else seed)
    details += (*test[1], ("coefficients", coefficients(pooled.fit, pooled.cov)), ("left_out", pooled.fit.left_out))
    recipe = _recipe(len(names), baseline is not None, "d")
    headline = _row(pooled, np.ones(len(trial.y)), {treatment: 1.0}, treatment, None, recipe, QUESTION,
                    (*caveats, *test[0]), details)
    headline = replace(headline, id=f"{outcome}/pooled_rounds", n_units=counts[0], n_units_treated=counts[1])
    if vcov is None:
        headline = _few(headline, pooled, seed)
    return Estimates(rows=(headline, *rows))


def _select(data: pd.DataFrame, outcome: str, treatment: str, unit: str, round: str, before: Sequence[str],
            covariates: Sequence[str], strata: str | None, cluster: str | None, weights: str | None,
            transform: str) -> Trial:
    """Check units and rounds, and lay the rows out; the ledger counts units as well as rows."""
    require_columns(data, outcome=outcome, treatment=treatment, unit=unit, round=round, baseline=before,
                    covariates=covariates, strata=strata, cluster=cluster, weights=weights)
    check_columns(data, complete=(unit,))
    problems = _twice(data, unit, round)
    problems += varying(data, [treatment, *before, *covariates, strata, cluster], unit, ONCE, "unit")
    if problems:
        raise DataError(problems, source="data")
    known, offer = data[round].notna(), data[treatment]
    offer = (offer.astype(float) if offer.dtype == bool else offer).where(known)  # a yes/no column has no place for a gap
    trial = select_trial(data.assign(**{treatment: offer}), outcome=outcome, treatment=treatment,
                         covariates=(*before, *covariates), strata=strata, cluster=cluster or unit, weights=weights,
                         transform=transform, baseline=before[0] if before else None)
    trial.caveats += overlap_weighted(trial.offered, trial.blocks, clusters=trial.clusters, drawn=trial.drawn,
                                      weights=trial.weights)
    ledger = Selection(data, units=unit)
    ledger.drop(~known, "round_missing", f"{round} is missing")
    for lost in trial.rows.dropped:
        mask = np.zeros(len(data), dtype=bool)
        mask[np.array(lost.rows) - 1] = True
        ledger.drop(mask, lost.reason, lost.text)
    trial.rows = ledger
    return trial


def _twice(data: pd.DataFrame, unit: str, round: str) -> list[Problem]:
    known = data.dropna(subset=[unit, round])
    pairs = known.loc[known.duplicated([unit, round], keep=False), [unit, round]].drop_duplicates()
    if not len(pairs):
        return []
    named = [f"{u} in round {_name(t)}" for u, t in zip(speakable(pairs[unit]), pairs[round], strict=True)]
    what = f"{len(pairs)} unit{' stands' if len(pairs) == 1 else 's stand'} more than once in a round ({listed(named)})"
    return [Problem(where=f"columns '{unit}' and '{round}'", what=what, cure="Keep one row for each unit and round.")]


def _name(value: Any) -> str:
    """Write a round's number, date or name."""
    if hasattr(value, "date"):
        return str(value.date())
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _rounds(trial: Trial, round: str) -> tuple[list[str], Array]:
    """List the rounds in order, and which rows each holds: (n, R) of 0 and 1."""
    column = trial.rows.column(round)
    values = column.unique().tolist()
    numbers = all(isinstance(value, int | float) for value in values)
    values = sorted(values) if numbers else sorted(values, key=str)
    member = np.column_stack([(column == value).to_numpy(dtype=float) for value in values])
    return [_name(value) for value in values], member


def _check_rounds(trial: Trial, names: Sequence[str], member: Array, round: str, outcome: str, baseline: str | None,
                  vcov: str | None) -> None:
    """Refuse rounds without both arms, a round before the offer, and errors that take rounds for independent."""
    problems = []
    for j, name in enumerate(names):
        mine = member[:, j] > 0
        offered = int(trial.offered[mine].sum())
        if offered in (0, int(mine.sum())):
            problems.append(Problem(where=f"column '{round}'", what=f"all {int(mine.sum())} rows of round {name} are "
                                    f"{'treated' if offered else 'comparison'}", cure="Leave it out, or merge rounds."))
        if baseline is None or np.ptp(trial.raw[mine]) == 0:
            continue
        first = trial.rows.numbers(baseline)[mine]
        known = ~np.isnan(first)
        if known.any() and (first[known] == trial.raw[mine][known]).all():
            problems.append(Problem(where=f"column '{round}'", what=f"in round {name} '{outcome}' equals '{baseline}' on "
                                    "every row", cure="That is the round before the offer: leave its rows out."))
    if vcov is not None and vcov in VCOVS and vcov not in CLUSTERED:
        problems.append(Problem(where="vcov", what=f"{vcov} takes the rounds of one unit for independent",
                                cure=f"Use {', '.join(CLUSTERED)}."))
    if problems:
        raise DesignError(problems, source="design")


def _seen(trial: Trial, unit: str, rounds: int) -> tuple[list[Caveat], tuple[tuple[str, object], ...], tuple[int, int]]:
    """Say how many units were seen in all rounds and in some."""
    codes = trial.rows.codes(unit)
    times = np.bincount(codes)
    units, always = len(times), int((times == rounds).sum())
    details = (("rounds", rounds), ("units_in_all_rounds", always), ("units_in_some_rounds", units - always))
    caveats = [] if always == units else [Caveat(
        code="rounds_unbalanced", text=f"{always} of {units} units were seen in all {rounds} rounds, {units - always} in "
        "some: a unit counts as often as it was seen.", values=(("all", always), ("some", units - always)))]
    return caveats, details, (units, len(np.unique(codes[trial.offered > 0])))


def _pooled(trial: Trial, names: Sequence[str], member: Array, before: Sequence[str], treatment: str, outcome: str,
            level: str | None, vcov: str | None, transform: str, conf_level: float) -> CellRegression:
    """Regress the outcome on the offer, rounds, the baseline by round, strata and covariates."""
    own = [j for j, label in enumerate(trial.labels) if label in before or label in [f"{name} missing" for name in before]]
    rest = [j for j in range(len(trial.labels)) if j not in own]
    less = replace(trial, extra=trial.extra[:, rest], labels=[trial.labels[j] for j in rest])
    slopes = [trial.extra[:, j] * member[:, t] for j in own for t in range(len(names))]
    named = [f"{trial.labels[j]} in round {name}" if len(names) > 1 else trial.labels[j] for j in own for name in names]
    others, labels = replace(trial, extra=np.column_stack([*slopes, less.extra]), labels=[*named, *less.labels]).controls()
    design = np.column_stack([np.ones(len(trial.y)), member[:, 1:], others, trial.offered])
    labels = ["(intercept)", *(f"round {name}" for name in names[1:]), *labels, treatment]
    fit = least_squares(design, trial.y, labels, weights=trial.weights, must_keep=(treatment,))
    return CellRegression(trial=less, fit=fit, cov=covariance_of(fit, less, vcov), outcome=outcome, method="pooled_rounds",
                          cluster=level, transform=transform, conf_level=conf_level)


Said = tuple[tuple[Caveat, ...], tuple[tuple[str, object], ...]]


def _few(row: Estimate, pooled: CellRegression, seed: int) -> Estimate:
    """Apply the rule for few clusters to the effect over all rounds."""
    trial = pooled.trial
    return with_few_clusters(row, outcome=trial.y, offered=trial.offered, controls=pooled.fit.design[:, 1:-1],
                             blocks=trial.blocks, clusters=trial.clusters, seed=seed, weights=trial.weights)


def _by_round(pooled: CellRegression, names: Sequence[str], member: Array, treatment: str, baseline: bool,
              seed: int | None) -> tuple[list[Estimate], Said]:
    """Effects by round from one regression with the offer by round, and the test that they are the same."""
    trial = pooled.trial
    terms = [f"{treatment} in round {name}" for name in names]
    fit = least_squares(np.column_stack([pooled.fit.design[:, :-1], member * trial.offered[:, None]]), trial.y,
                        [*pooled.fit.names[:-1], *terms], weights=trial.weights, must_keep=terms)
    regression = replace(pooled, fit=fit, cov=covariance_of(fit, trial, pooled.cov.kind))
    recipe = _recipe(len(names), baseline, "d:factor(t)")
    rows = [_row(regression, member[:, j], {term: 1.0}, term, names[j], recipe, "the average effect of being offered the "
                 f"programme in round {names[j]}, on all who were in the draw and were found again in it")
            for j, term in enumerate(terms)]
    if seed is None:
        return rows, _differ(regression, terms, member, None)
    if len(rows) == 1:
        return [_few(rows[0], pooled, seed)], _differ(regression, terms, member, None)
    few = any(is_few(row) for row in rows)
    again = regression.beside(_rounds_by_lot(rows, regression, terms, member, seed), [{term: 1.0} for term in terms], seed)
    return again, _differ(regression, terms, member, seed if few else None)


def _rounds_by_lot(rows: list[Estimate], regression: CellRegression, terms: Sequence[str], member: Array,
                   seed: int) -> list[Estimate]:
    """Where few were drawn, draw the offer again for one round after the other, the others' effects as estimated."""
    trial = regression.trial
    if not any(is_few(row) for row in rows) or not drawable(trial.offered, trial.blocks):
        return rows
    draw = declared_draw(trial.offered, strata=trial.blocks, clusters=trial.clusters)
    columns = member * trial.offered[:, None]
    return [regression.redrawn(
        [row], [{term: 1.0}], draw, trial.offered.astype(np.int64), lambda codes: _offers(terms, member, codes),
        shift=columns[:, j], seed=seed, said=ROUND, held=np.delete(columns, j, axis=1))[0]
        for j, (row, term) in enumerate(zip(rows, terms, strict=True))]


def _offers(terms: Sequence[str], member: Array, offered: Array | Codes) -> dict[str, Array]:
    """Columns of the offer by round."""
    return {term: member[:, j] * offered for j, term in enumerate(terms)}


def _recipe(rounds: int, baseline: bool, offer: str) -> Recipe:
    if rounds == 1:
        return Recipe("d + b" if baseline else "d", "d b" if baseline else "d", "coefficient d")
    stata = "d" if offer == "d" else "1.d#i.t"
    return Recipe(f"{offer} + factor(t){' + b:factor(t)' if baseline else ''}",
                  f"{stata} i.t{' c.b#i.t' if baseline else ''}", f"coefficient {offer}")


def _row(regression: CellRegression, used: Array, picks: dict[str, float], term: str, period: str | None, recipe: Recipe,
         question: str, caveats: Sequence[Caveat] = (), details: Sequence[tuple[str, object]] = ()) -> Estimate:
    trial = regression.trial
    here, one, zero = used > 0, used * trial.offered, used * (1 - trial.offered)
    codes = [None if c is None else np.unique(c[here], return_inverse=True)[1].astype(np.int64)
             for c in (trial.blocks, trial.clusters)]
    sides = Sides(one, zero, comparison_mean(
        trial.y[here], trial.offered[here], regression.transform, blocks=codes[0], clusters=codes[1], overlap=True,
        weights=None if trial.weights is None else trial.weights[here]))
    return regression.row(picks, sides, recipe, term=term, name=f"{period}", estimand="itt", question=question,
                          assumptions=ASSUMPTIONS, caveats=caveats, period=period, details=details)


def _differ(regression: CellRegression, terms: Sequence[str], member: Array, seed: int | None) -> Said:
    """Test that all rounds have the same effect; with a seed by drawing again, the common effect as estimated."""
    k, rounds = regression.fit.k, len(terms)
    if rounds == 1:
        return (), ()
    contrasts = np.zeros((rounds - 1, k))
    contrasts[:, k - rounds] = -1.0
    contrasts[np.arange(rounds - 1), np.arange(k - rounds + 1, k)] = 1.0
    test, how = wald_test(regression.fit, regression.cov, contrasts), ""
    if seed is not None and not is_constant(regression.trial.y):
        test, how = _same_by_lot(test, regression, terms, member, contrasts, seed)
    details = (("rounds_test", (("statistic", test.statistic), ("df_num", test.df_num), ("df_denom", test.df_denom),
                                ("p_value", test.p_value), ("kind", test.kind))),)
    if test.p_value is None:
        text = f"Whether the effect differs between rounds cannot be tested: {test.reason}."
    else:
        shown = "p below 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}"
        text = (f"Joint test that the effect is the same in all {rounds} rounds: {shown}"
                f"{f' ({how})' if how else ''}. A high p does not show that it is.")
    return (Caveat(code="rounds_test", text=text, values=(("p", test.p_value),)),), details


def _same_by_lot(test: WaldTest, regression: CellRegression, terms: Sequence[str], member: Array, contrasts: Array,
                 seed: int) -> tuple[WaldTest, str]:
    trial, base = regression.trial, regression.base(terms)
    outcome = without(trial.offered[:, None], base, trial.y[:, None], trial.weights)[:, 0]

    def own(drawn: Codes) -> Statistics:
        return jointly(regression.again(base, _offers(terms, member, drawn)), contrasts, outcome, trial.clusters)

    return together_by_lot(test, own, offered=trial.offered, blocks=trial.blocks, clusters=trial.clusters, seed=seed)

"""Workers of firms that were offered a programme: each worker counts once, or each firm does, as declared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import as_names, check_columns, listed, require_columns
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.intervals import NOISE, infer
from impact.inference.linear import Array, Codes
from impact.inference.report import cluster_counts, is_share, make_estimate, spread
from impact.inference.sandwich import CLUSTERED
from impact.rct.assignment import check_draw, comparison_mean, overlap_weighted
from impact.rct.few import with_few_clusters
from impact.rct.trial import Trial, coefficients, count_sides, covariance_of, describe, infer_last, regress, select_trial
from impact.results import Caveat, Estimate, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

WEIGHTINGS = ("worker", "firm")
LARGE_SHARE = 0.10  # of the workers in one firm: its own luck weighs heavily
UNEQUAL = 1.5  # times the share that firms of equal size would have
QUESTION = {
    "worker": "the average effect on a worker of the firm's being offered the programme: every worker measured counts once",
    "firm": "the average over firms of the effect on the mean of a firm's workers: every firm measured counts once",
}
ASSUMPTIONS = (
    "Which firms were offered the programme was decided by lot.",
    "One firm's offer does not change the workers of another firm.",
    "Workers measured are comparable between the two groups: the offer did not change who they are.",
)


def unseen_composition(baseline: str | None, without: int = 0) -> tuple[Caveat, ...]:
    """Say that a difference between workers measured at the end alone may come from who works there.

    ``without`` counts workers without a value of the ``baseline``: they may have come since.
    """
    if baseline is None:
        who = "Workers are measured at the end alone"
    elif without:
        who = f"{without} workers have no {baseline} and may have come since the draw"
    else:
        return ()
    return (Caveat(code="composition_unseen", text=f"{who}: the difference may come from who works there (who left, who "
                   "was hired), not from what the same people get. 'Wages rose' or 'fell' may not be said from it alone; "
                   "worker_composition follows workers over two rounds.", values=(("workers", without),)),)


def worker_effects(data: pd.DataFrame, *, outcome: str, treatment: str, firm: str, weighting: str | None = None,
                   covariates: Sequence[str] = (), baseline: str | None = None, strata: str | None = None,
                   cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
                   transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimate:
    """Effect on workers of a programme that was offered to their firms.

    Parameters
    ----------
    data : DataFrame, one row a worker.
    outcome : column of the worker, in its own unit.
    treatment : column of 1 (the firm was offered) and 0 (not), the same for all workers of a firm.
    firm : column of the firm's id.
    weighting : "worker" (every worker counts once: the effect on a worker) or "firm" (every firm counts once: the mean of
        the firms' effects). They differ where effects differ by the size of firms, so there is no default.
    covariates, baseline : columns measured before the offer; a missing value gets an indicator, never a lost row.
    strata : column of the blocks of the draw; enters as one dummy a block.
    cluster : column of the groups that were drawn, where the draw was above firms (whole markets, say); never below.
    weights : column of sampling weights of workers. With "worker" a worker stands for that many. With "firm" they weigh the
        workers within each firm, and each firm still counts once.
    vcov : "CR0", "CR1", "CR1S", "CR2" or "CR3"; None is CR2 with Satterthwaite df.
    transform : "none" or "log". conf_level : a share.
    seed : of the draws that take over where firms are few, as :func:`impact.rct.ols` says.

    Returns
    -------
    Estimate
        The intention-to-treat effect, clustered by firm (or ``cluster``). ``n`` counts workers, ``n_clusters`` what was
        drawn; ``details`` hold firms and workers on each side and the largest firm's share of the workers.

    Raises
    ------
    DesignError
        Without a weighting; when treatment, stratum or cluster differ within a firm (the firms are named); with errors
        not clustered; as :func:`impact.rct.ols`.
    DataError
        As :func:`impact.rct.ols`; also for workers without their firm, and firms without their cluster.

    Notes
    -----
    Assumes that firms were offered by lot, and that the offer did not change who is measured.
    Estimand: ITT, averaged over workers or over firms (Kahan, Li, Copas & Harhay 2023, International Journal of
    Epidemiology 52, on the two; Su & Ding 2021, Journal of the Royal Statistical Society B 83, for their regressions).
    "firm" gives a worker the weight one over the number of workers measured in the firm. Where covariates are the same for
    all workers of a firm this is least squares on firm means, and is done there, with the leverage of firms; otherwise it
    is weighted least squares with CR2 by firm (Pustejovsky & Tipton 2018, JBES 36). Few firms: the draw is replayed as
    in :func:`impact.rct.ols`, with the weights held. "worker" counts workers measured: where a fixed
    number was interviewed in each firm, give ``weights``. A programme that changes who works at a firm changes who is
    measured: see :func:`impact.rct.worker_composition`. Reference case: tests/test_workers.py (by hand; R clubSandwich
    0.5.8).
    """
    check_weighting(weighting)
    covariates = (*as_names(baseline), *as_names(covariates))
    require_columns(data, outcome=outcome, treatment=treatment, firm=firm, covariates=covariates, strata=strata,
                    cluster=cluster, weights=weights)
    check_columns(data, zero_one=(treatment,))
    check_firms(data, firm=firm, treatment=treatment, strata=strata, cluster=cluster)
    if vcov is not None and vcov not in CLUSTERED:
        raise DesignError(Problem(where="vcov", what=f"'{vcov}' treats workers of one firm as independent, and firms were "
                                  "offered the programme", cure=f"Use one of {', '.join(CLUSTERED)}."), source="design")
    trial = select_trial(data, outcome=outcome, treatment=treatment, covariates=covariates, strata=strata, cluster=firm,
                         weights=weights, transform=transform, baseline=baseline)
    firms = trial.clusters if trial.clusters is not None else np.arange(len(trial.y))
    if cluster is not None:
        check_draw(trial.rows, treatment=treatment, strata=strata, cluster=cluster)
        trial.clusters = trial.rows.codes(cluster)
    sizes = np.bincount(firms, weights=trial.weights).astype(float)
    if weighting == "firm":
        trial.weights = (1.0 if trial.weights is None else trial.weights) / sizes[firms]
    trial.caveats += _size_caveats(sizes, str(weighting))
    trial.caveats += unseen_composition(baseline, 0 if baseline is None else int(
        data.loc[trial.rows.kept, baseline].isna().sum()))
    estimate = _estimate(trial, firms, outcome=outcome, treatment=treatment, level=cluster or firm, vcov=vcov,
                         weighting=str(weighting), transform=transform, conf_level=conf_level, seed=seed)
    return replace(estimate, id=f"{outcome}/worker_effects/{weighting}",
                   details=(*_sides(trial, firms, sizes, str(weighting)), *estimate.details))


def check_weighting(weighting: str | None) -> None:
    """Refuse an estimate on workers whose weighting is not declared."""
    if weighting is None:
        raise DesignError(Problem(
            where="weighting", what="it is not declared whether each worker or each firm counts once, and they answer "
            "different questions: 'worker' is the average effect on a worker, so that large firms count for more; 'firm' "
            "is the average over firms of the effect on their workers, so that each firm counts the same",
            cure="Write weighting='worker' or weighting='firm', as was planned before the data came."), source="design")
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting must be 'worker' or 'firm', not {weighting!r}")


def check_firms(data: pd.DataFrame, *, firm: str, treatment: str, strata: str | None, cluster: str | None) -> None:
    """Refuse what differs within a firm although it was decided for the whole firm, and firms without their cluster."""
    problems = []
    known = data[data[firm].notna()]
    whole = ((treatment, "treatment", "Then treatment was not decided for whole firms: use the methods for single units, "
              "or correct the rows."), (strata, "stratum", "A firm is drawn within one stratum: correct the column."))
    for name, noun, cure in whole:
        if name is not None and name != firm and len(several := _varying(known, firm, name)):
            problems.append(Problem(where=f"column '{name}'", what=f"the {noun} differs between workers of {len(several)} "
                                    f"firms ({listed(speakable(several))})", cure=cure))
    if cluster is not None and cluster != firm:
        problems += _cluster_problems(known, firm, cluster)
    if problems:
        raise DesignError(problems, source="design")
    if cluster is not None:
        lost = known.loc[known[cluster].isna(), firm].drop_duplicates()
        if len(lost):
            raise DataError(Problem(where=f"column '{cluster}'", what=f"{len(lost)} firms have rows without it "
                                    f"({listed(speakable(lost))})", cure="Every firm needs the group in which treatment "
                                    "was decided."), source="data")


def _varying(data: pd.DataFrame, group: str, name: str) -> list[object]:
    """List the groups in which a column takes more than one value."""
    counts = data.groupby(group)[name].nunique()
    return list(counts.index[counts > 1])


def _cluster_problems(known: pd.DataFrame, firm: str, cluster: str) -> list[Problem]:
    cut = _varying(known, firm, cluster)
    if not cut:
        return []
    if not _varying(known, cluster, firm):
        return [Problem(where=f"cluster '{cluster}'", what=f"it is finer than the firm, for which treatment was decided "
                        f"({listed(speakable(cut))} hold several)", cure=f"Errors are clustered by '{firm}', or above it.")]
    return [Problem(where=f"cluster '{cluster}'", what=f"it cuts through {len(cut)} firms ({listed(speakable(cut))})",
                    cure="A firm lies in one group of the draw: correct the column, or leave cluster out to cluster by "
                         "firm.")]


def unnumbered(problem: Problem) -> Problem:
    """Take row numbers out of a message about rows laid out from others: they are not those of the table given."""
    return replace(problem, what=re.sub(r" \(rows? [^()]*\)", "", problem.what))


def varies(frame: pd.DataFrame, name: str, strata: str | None) -> bool:
    """Whether there is something to adjust for: a baseline that differs between rows, within strata where there are any."""
    if name not in frame:
        return False
    groups = frame.groupby(strata)[name] if strata is not None else frame.assign(one=1).groupby("one")[name]
    return bool((groups.nunique() > 1).any())


def _size_caveats(sizes: Array, weighting: str) -> list[Caveat]:
    share = float(sizes.max() / sizes.sum())
    if share <= LARGE_SHARE or share <= UNEQUAL / len(sizes):
        return []
    how = ("counts for as much here, so its own luck weighs heavily" if weighting == "worker"
           else f"counts as one of {len(sizes)} firms here, so its workers count for little")
    return [Caveat(code="unequal_firms", text=f"The largest firm holds {share:.0%} of the workers and {how}. Counting each "
                   f"{'firm' if weighting == 'worker' else 'worker'} once answers another question and differs where the "
                   "effect differs with the size of firms.", values=(("share", share), ("firms", len(sizes))))]


def _sides(trial: Trial, firms: Codes, sizes: Array, weighting: str) -> tuple[tuple[str, object], ...]:
    _, treated, comparison = cluster_counts(firms, trial.offered)
    workers = int(trial.offered.sum())
    return (("weighting", weighting), ("firms", (("treated", treated), ("comparison", comparison))),
            ("workers", (("treated", workers), ("comparison", len(firms) - workers))),
            ("largest_firm_share", float(sizes.max() / sizes.sum())))


def _estimate(trial: Trial, firms: Codes, *, outcome: str, treatment: str, level: str, vcov: str | None, weighting: str,
              transform: str, conf_level: float, seed: int) -> Estimate:
    trial.caveats += overlap_weighted(trial.offered, trial.blocks, clusters=trial.clusters, drawn=trial.drawn,
                                      weights=trial.weights)
    used = one_row_a_firm(trial, firms) if weighting == "firm" and _same_within(trial.extra, firms) else trial
    fit = regress(used, {treatment: used.offered})
    cov = covariance_of(fit, used, vcov)
    inference, df_rule = infer_last(fit, cov, conf_level, clustered=True)
    if np.abs(fit.residuals).max() <= NOISE * np.abs(used.y).max():  # rounding is no spread
        inference = infer(inference.estimate, 0.0, None, conf_level)
    _, card = describe(fit, used, cov.kind, df_rule, level, data="" if used is trial else "firm_means")
    counts = count_sides(trial.offered > 0, trial.offered <= 0, trial.clusters)
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="worker_effects", estimand="itt", inference=inference, counts=counts,
        vcov=cov.kind, card=_card(card, trial, used, weighting), base=comparison_mean(used.y, used.offered, transform,
                                                                                      weights=used.weights,
                                                                                      blocks=used.blocks,
                                clusters=used.clusters, overlap=True),
        question=QUESTION[weighting], assumptions=ASSUMPTIONS, transform=transform,
        outcome_sd=spread(trial.y[trial.offered == 0]), dropped=trial.rows.dropped, caveats=trial.caveats,
        share=is_share(trial.raw), details=(("coefficients", coefficients(fit, cov)), ("left_out", fit.left_out)))
    if vcov is not None or estimate.std_error is None:
        return estimate
    return with_few_clusters(estimate, outcome=used.y, offered=used.offered, controls=used.controls()[0],
                             blocks=used.blocks, clusters=used.clusters, seed=seed, weights=used.weights)


def _same_within(values: Array, groups: Codes) -> bool:
    """Whether every column has one value in each group."""
    first = np.unique(groups, return_index=True)[1]
    return bool((values == values[first][groups]).all())


def one_row_a_firm(trial: Trial, firms: Codes) -> Trial:
    """Collapse workers to their firms' (weighted) means; least squares on them is the firm-weighted regression.

    Covariates must not vary within a firm: then the normal equations of both regressions are the same.
    """
    first = np.unique(firms, return_index=True)[1]
    weights = np.ones(len(firms)) if trial.weights is None else trial.weights
    means = np.bincount(firms, weights=weights * trial.y) / np.bincount(firms, weights=weights)
    return replace(trial, y=means, offered=trial.offered[first], extra=trial.extra[first], weights=None,
                   blocks=_pick(trial.blocks, first), clusters=_pick(trial.clusters, first))


def _pick(codes: Codes | None, rows: Codes) -> Codes | None:
    return None if codes is None else codes[rows]


def _card(card: StandardErrorCard, trial: Trial, used: Trial, weighting: str) -> StandardErrorCard:
    """Say on which rows and with which weights the error was made."""
    if used is not trial:
        return replace(card, formula=f"{card.formula} on firm means",
                       stata_call=f"{card.stata_call} // on firm means" if card.stata_call else "")
    if trial.weights is None:
        return card
    how = "1/workers measured in the firm" if weighting == "firm" else "sampling weights"
    return replace(card, formula=f"{card.formula}, weights {how}", stata_call="")

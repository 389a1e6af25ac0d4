"""When the workforce changes: what a programme for firms did to pay, and what it did to who works there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impact.data.frame import Selection, as_names, check_columns, listed, require_columns
from impact.data.privacy import speakable
from impact.errors import DataError, DesignError, Problem
from impact.inference.linear import Array, Codes
from impact.inference.report import is_share
from impact.rct.assignment import drop_broken_pairs
from impact.rct.regression import ancova, ols
from impact.rct.workers import (
    check_firms,
    check_weighting,
    check_workers,
    rounds_of,
    unnumbered,
    varies,
    worker_effects,
)
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]
UNEVEN = 0.05  # difference between the two groups in the share lost

FOLLOWED = (
    "Which firms were offered the programme was decided by lot.",
    "One firm's offer does not change the workers of another firm.",
    "Workers of the baseline not found again would have been like those found, in both groups.",
)
WHOLE = FOLLOWED[:2]
MIXED = (*WHOLE, "Different people are compared: it is an effect on pay only if the offer left who they are unchanged.")
SELECTED = Caveat(
    code="selected_after_draw", text="Only those who stayed are compared, and the programme may have changed who stays: "
    "this is no effect on a group fixed before the draw.")
DIFFERENT = Caveat(
    code="different_people", text="New workers of offered and of other firms are different people, hired after the draw: "
    "the difference mixes what is paid with who is hired.")
COMPOSITION = Caveat(
    code="composition", text="This compares everyone at the firms at endline: it mixes changes in pay with changes in who "
    "works there. 'Wages fell' (or rose) may not be said from this number.")
# term: estimand, assumptions, question, caveats
PEOPLE: dict[str, tuple[str, tuple[str, ...], str, tuple[Caveat, ...]]] = {
    "incumbents": ("itt", FOLLOWED, "the average effect of the firm's being offered the programme on the pay of those who "
                   "worked there at baseline, wherever they are now", ()),
    "stayers": ("stayers", MIXED, "the difference in pay between those who stayed at offered firms and those who stayed at "
                "the others, given their own pay at baseline", (SELECTED,)),
    "new_hires": ("new hires", MIXED, "the difference in pay between those who joined offered firms after the baseline and "
                  "those who joined the others", (DIFFERENT,)),
    "endline_cross_section": ("endline cross-section", MIXED, "the difference in pay at endline between whoever then works "
                              "at offered firms and whoever works at the others", (COMPOSITION,)),
}
# term: why a firm may have no value, question
FIRMS: dict[str, tuple[str, str]] = {
    "wage_bill": ("the wages of all its workers at endline are missing",
                  "the average effect of the offer on what a firm pays to all its workers together"),
    "employment": ("", "the average effect of the offer on the number of workers of a firm"),
    "stayers_baseline": ("nobody with a known baseline wage stayed", "the average effect of the offer on which workers a "
                         "firm keeps: what they earned at baseline, given the baseline mean of all its workers"),
    "separation_rate": ("it had no worker at baseline who could be followed",
                        "the average effect of the offer on the share of a firm's baseline workers who have left it"),
    "hiring_rate": ("it had no worker at baseline to count new ones against",
                    "the average effect of the offer on a firm's new workers per worker it had at baseline"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workforce:
    """Two rounds of workers held against each other.

    Attributes
    ----------
    data : the table, with treatment, stratum and cluster of each row's firm. firm, treatment, worker, wage, traits, closed,
        strata, cluster : its columns; drawn : those of firm, treatment, stratum and cluster.
    at : (n,) 0 for rows of the baseline, 1 of the endline, −1 for rows left out; losses : masks, codes and words for why.
    pay, again : (n,) wage of the row; for rows of the baseline the same worker's at endline.
    named, person : (n,) whether the row has a worker's id; whether it stands for a worker at all (an id or a wage).
    who : (n,) masks: incumbents, stayers, leavers, movers, interviewed among rows of the baseline; hires, everyone among
        rows of the endline.
    firms : one row a firm of the study: treatment, stratum, cluster, whether it closed or was not found.
    """

    data: pd.DataFrame
    firm: str
    treatment: str
    worker: str
    wage: str
    traits: tuple[str, ...]
    closed: str | None
    strata: str | None
    cluster: str | None
    drawn: list[str]
    at: Codes
    losses: list[tuple[Mask, str, str]]
    pay: Array
    again: Array
    named: Mask
    person: Mask
    who: dict[str, Mask]
    firms: pd.DataFrame

    def arms(self) -> tuple[Mask, Mask]:
        """Whether each row's firm was offered the programme; whether it was not."""
        arm = self.data[self.treatment].to_numpy(dtype=float)
        return arm == 1, arm == 0

    def selection(self, units: str) -> Selection:
        """Return the rows that can be used at all, with losses counted in workers or in firms."""
        rows = Selection(self.data, units=units)
        for mask, reason, text in self.losses:
            rows.drop(mask, reason, text)
        return rows

    def keep_pairs(self, rows: Selection) -> None:
        """Leave out firms that lost the other half of the pair they were drawn in."""
        if self.strata is not None:
            drop_broken_pairs(rows, self.strata, self.treatment, self.cluster or self.firm)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What every row of one call shares; ``sums`` holds what the workers of each firm add up to."""

    force: Workforce
    sums: pd.DataFrame
    weighting: str
    conf_level: float
    seed: int


def worker_composition(data: pd.DataFrame, *, firm: str, treatment: str, worker: str, round: str, wage: str,
                       before: Any = 0, after: Any = 1, traits: Sequence[str] = (), closed: str | None = None,
                       strata: str | None = None, cluster: str | None = None, weighting: str | None = None,
                       conf_level: float = 0.95, seed: int = 0) -> Estimates:
    """Tell what a programme for firms did to workers' pay apart from what it did to who works there.

    Parameters
    ----------
    data : DataFrame, one row a worker and round. The firms of the study are those with a row at baseline; a row without
        worker and wage says that a firm had no worker in that round. A worker of the baseline who left and was interviewed
        again has a row at endline with the wage there and the new firm, if any.
    firm, worker, round : columns of the ids (a worker's is the same in both rounds, and no other worker has it) and of the
        round. before, after : values of ``round`` at baseline and at endline; other rounds are left out and counted.
    treatment : column of 1 (the firm was offered) and 0 (not).
    wage : column, in one unit throughout.
    traits : columns of numbers, or of 0 and 1, that say who works there: female, age, schooling.
    closed : column of 1 where a firm closed; then other firms without a row at endline count as not found. Without it they
        count as having no workers, and a caveat says how many.
    strata, cluster, weighting, conf_level, seed : as :func:`impact.rct.worker_effects`; ``weighting`` concerns the rows on
        workers, the others have one row a firm.

    Returns
    -------
    Estimates
        ``term`` says which: ``incumbents`` (the headline: workers of the baseline wherever they are, leavers included,
        given their own baseline wage), ``stayers``, ``new_hires``, ``wage_bill`` and ``employment`` (a firm's, given its
        own at baseline), ``workforce_…`` (a firm's mean of each trait at endline, given its own), ``stayers_baseline``
        (what those who stayed earned before), ``separation_rate``, ``hiring_rate``, and last ``endline_cross_section``.
        The headline's ``details`` hold headcounts by arm, the shares lost, and the rows that could not be estimated.

    Raises
    ------
    DataError
        For missing columns or rounds, a worker twice in a round or at two firms in it, a closed firm with workers.
    DesignError
        As :func:`impact.rct.worker_effects`.

    Notes
    -----
    Estimand: ITT for ``incumbents`` and for the rows on firms, groups fixed before the draw. Stayers and new hires are not
    (Rosenbaum 1984, Journal of the Royal Statistical Society A 147, on adjusting for what treatment changed). Workers
    without an id cannot be followed; they count in the wage bill, employment, traits and cross-section. A firm's wage bill
    is its headcount times the mean wage known there. Reference case: tests/test_workers.py (every row by hand).
    """
    check_weighting(weighting)
    traits = as_names(traits)
    require_columns(data, firm=firm, treatment=treatment, worker=worker, round=round, wage=wage, traits=traits,
                    closed=closed, strata=strata, cluster=cluster)
    check_columns(data, numbers=(wage, *traits), zero_one=(treatment, *as_names(closed)))
    force = _linked(data.reset_index(drop=True), round, before, after, firm=firm, treatment=treatment, worker=worker,
                    wage=wage, traits=traits, closed=closed, strata=strata, cluster=cluster)
    plan = _Plan(force=force, sums=_sums(force), weighting=str(weighting), conf_level=conf_level, seed=seed)
    try:
        rows, gaps = [_incumbents(plan)], []
    except DesignError as error:
        raise DesignError([unnumbered(problem) for problem in error.problems], source=error.source) from None
    for term in ("stayers", "new_hires", "wage_bill", "employment", *(f"workforce_{name}" for name in traits),
                 "stayers_baseline", "separation_rate", "hiring_rate", "endline_cross_section"):
        try:
            rows.append(_workers(plan, term) if term in PEOPLE else _firms(plan, term))
        except (DesignError, DataError) as error:
            gaps.append((term, "; ".join(unnumbered(problem).what for problem in error.problems)))
    head = replace(rows[0], details=(*rows[0].details, ("headcounts", _headcounts(force)), ("not_estimated", tuple(gaps))))
    if gaps:
        head = head.with_caveats(Caveat(code="not_estimated", text="Not estimated: " + "; ".join(
            f"{term} ({why})" for term, why in gaps) + ".", values=tuple(gaps)))
    return Estimates(rows=(head, *rows[1:]))


def _incumbents(plan: _Plan) -> Estimate:
    """Estimate the headline, and say who was lost."""
    force = plan.force
    everyone = force.who["incumbents"]
    lost = everyone & np.isnan(force.again)
    shares = [float(lost[side].sum() / max(1, int(side.sum()))) for side in (everyone & arm for arm in force.arms())]
    estimate = _workers(plan, "incumbents")
    by_arm = (("treated", shares[0]), ("comparison", shares[1]))
    estimate = replace(estimate, details=(*estimate.details, ("share_lost", by_arm)))
    if not lost.any():
        return estimate
    tail = "; the two differ, so that those found may not be comparable: show bounds (lee_bounds)." if (
        abs(shares[0] - shares[1]) > UNEVEN) else "."
    return estimate.with_caveats(Caveat(
        code="attrition", text=f"{int(lost.sum())} of {int(everyone.sum())} workers of the baseline have no wage at "
        f"endline: {shares[0]:.0%} of those at offered firms, {shares[1]:.0%} of the others{tail}", values=by_arm))


def _workers(plan: _Plan, term: str) -> Estimate:
    """Estimate one row on workers: those of the baseline given their own wage then, or those at the firms at endline."""
    force, wage = plan.force, plan.force.wage
    followed = term in ("incumbents", "stayers")
    who = force.who["everyone" if term == "endline_cross_section" else "hires" if term == "new_hires" else term]
    pay, start = force.again if followed else force.pay, f"{wage} at baseline"
    rows = force.selection(force.worker)
    mine = force.at == (0 if followed else 1)
    rows.drop(mine & ~force.person, "no_worker", "the row names a firm and no worker")
    if term != "endline_cross_section":
        rows.drop(mine & ~force.named, "worker_missing", f"{force.worker} is missing: cannot be followed")
    if followed:
        rows.drop(who & ~force.who["interviewed"], "not_interviewed", "no row at endline")
    rows.drop(who & np.isnan(pay), "wage_missing", f"{wage} is missing at endline")
    rows.kept &= who
    force.keep_pairs(rows)
    kept = rows.kept
    frame = force.data.loc[kept, force.drawn].assign(**{wage: pay[kept], start: force.pay[kept]})
    adjust = followed and varies(frame, start, force.strata)
    found = worker_effects(frame, outcome=wage, treatment=force.treatment, firm=force.firm, weighting=plan.weighting,
                           baseline=start if adjust else None, strata=force.strata, cluster=force.cluster,
                           conf_level=plan.conf_level, seed=plan.seed)
    estimand, assumptions, question, caveats = PEOPLE[term]
    return _told(replace(found, estimand=estimand), force, term, assumptions, question, rows, caveats)


def _told(found: Estimate, force: Workforce, term: str, assumptions: tuple[str, ...], question: str, rows: Selection,
          caveats: tuple[Caveat, ...]) -> Estimate:
    """Give an estimate its words, and the ledger in the rows of the table given."""
    return replace(found, id=f"{force.wage}/worker_composition/{term}", term=term, method="worker_composition",
                   question=question, assumptions=assumptions, dropped=tuple(rows.dropped),
                   caveats=(*caveats, *found.caveats))


def _firms(plan: _Plan, term: str) -> Estimate:
    """Estimate one row on firms: one row a firm, given its own baseline where there is one."""
    force, firms = plan.force, plan.force.firms
    trait = term.removeprefix("workforce_") if term.startswith("workforce_") else None
    share = term.endswith("_rate") or (trait is not None and is_share(force.data[trait].dropna().to_numpy(dtype=float)))
    what = f"the share with {trait} = 1" if share else f"the mean {trait}"
    text, question = FIRMS.get(term, (f"{trait} is known for none of its workers at endline",
                                      f"the average effect of the offer on {what} among a firm's workers at endline"))
    y, of_firm = plan.sums[term], force.data[force.firm]
    rows = force.selection(force.firm)
    rows.drop(of_firm.isin(firms.index[firms["not found"]]), "firm_not_found", "the firm was not found at endline")
    rows.drop(of_firm.isin(y.index[y.isna()]), "no_value", text)
    force.keep_pairs(rows)
    y = y[y.notna() & y.index.isin(of_firm[rows.kept])]
    if len(y) and y.nunique() == 1:
        raise DesignError(Problem(where=term, what=f"it is {y.iloc[0]:.6g} for every firm"), source="design")
    outcome = f"{trait} of the workforce" if trait else f"{term.replace('_', ' ')} of the firm"
    frame = firms.loc[y.index].reset_index()[force.drawn].assign(**{outcome: y.to_numpy()})
    before = f"{outcome} before"
    options: dict[str, Any] = {
        "outcome": outcome, "treatment": force.treatment, "strata": force.strata, "cluster": force.cluster or force.firm,
        "conf_level": plan.conf_level, "seed": plan.seed}
    if f"{term} before" in plan.sums:
        frame[before] = plan.sums.loc[y.index, f"{term} before"].to_numpy()
    found = ancova(frame, baseline=before, **options) if varies(frame, before, force.strata) else ols(frame, **options)
    if share:
        found = replace(found, transform="share", effect_pct=None, reasons=(
            *(r for r in found.reasons if r[0] != "effect_pct"), ("effect_pct", "a share moves in points")))
    return _told(found, force, term, WHOLE, question, rows, _firm_caveats(plan, term))


def _firm_caveats(plan: _Plan, term: str) -> tuple[Caveat, ...]:
    """Say which firms count with no workers and whether that was declared, and which wages were not known."""
    force, out = plan.force, []
    unknown = int((force.who["everyone"] & np.isnan(force.pay)).sum())
    if term == "wage_bill" and unknown:
        out.append(Caveat(code="wage_missing", text=f"{unknown} workers at endline have no wage and count at the mean of "
                          "their firm.", values=(("workers", unknown),)))
    empty = force.firms.loc[plan.sums["employment"] == 0, force.treatment].to_numpy()
    sides = [int(np.sum(empty == arm)) for arm in (1, 0)]
    if term in ("wage_bill", "employment") and any(sides):
        guess = "" if force.closed else (" A firm without a row at endline counts so too: give closed= where some were not "
                                         "visited.")
        out.append(Caveat(code="counted_as_zero", text=f"{sides[0]} offered and {sides[1]} other firms have no worker at "
                          f"endline and count as zero.{guess}", values=(("treated", sides[0]), ("comparison", sides[1]))))
    return tuple(out)


def _headcounts(force: Workforce) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
    """Count workers by arm: where those of the baseline are, and who is new."""
    who, found = force.who, ~np.isnan(force.again)
    kinds = (("incumbents", who["incumbents"]), ("stayers", who["stayers"]), ("leavers_found", who["leavers"] & found),
             ("leavers_not_found", who["leavers"] & ~found), ("moved_within_study", who["movers"]),
             ("at_firms_not_found", who["incumbents"] & ~who["stayers"] & ~who["leavers"]), ("new_hires", who["hires"]),
             ("endline_without_id", who["everyone"] & ~force.named))
    return tuple((name, tuple((kind, int((mask & arm).sum())) for kind, mask in kinds))
                 for name, arm in zip(("treated", "comparison"), force.arms(), strict=True))


def _linked(data: pd.DataFrame, round: str, before: Any, after: Any, *, firm: str, treatment: str, worker: str, wage: str,
            traits: tuple[str, ...], closed: str | None, strata: str | None, cluster: str | None) -> Workforce:
    """Hold the two rounds against each other, and refuse what cannot be linked."""
    at, losses = rounds_of(data, round, before, after, firm)
    check_workers(data[at >= 0], firm=firm, worker=worker, round=round)
    of_firm, pay, named = data[firm], data[wage].to_numpy(dtype=float), data[worker].notna().to_numpy()
    first, last = (data[named & (at == i)].set_index(worker) for i in (0, 1))
    home, now = data[worker].map(first[firm]), data[worker].map(last[firm])
    came = home.notna().to_numpy()
    nowhere = data[worker].isin(data.loc[losses[-1][0], worker]).to_numpy()  # at baseline, at a firm not written down
    elsewhere = (at == 1) & came & (of_firm != home).to_numpy()  # such a row may carry the treatment of either firm
    study = of_firm.isin(of_firm[at == 0]).to_numpy()
    losses.append(((at == 1) & ~study & ~came, "not_in_study", "neither followed from baseline nor at a firm of the study"))
    drawn = list(dict.fromkeys(name for name in (firm, treatment, strata, cluster) if name is not None))
    firms = _decided(data[(at >= 0) & study & ~elsewhere], drawn, firm, treatment, strata, cluster, closed)
    for name, reason in ((treatment, "treatment_missing"), *(((strata, "strata_missing"),) if strata else ())):
        gone = firms.index[firms[name].isna()] if name in firms else []
        losses.append((of_firm.isin(gone).to_numpy() & ~elsewhere, reason, f"{name} of the firm is missing"))
        firms = firms.drop(index=gone)
    here, person = of_firm.isin(firms.index).to_numpy(), named | ~np.isnan(pay)
    interviewed = (at == 0) & named & data[worker].isin(last.index).to_numpy()
    incumbent, everyone = (at == 0) & named & here, (at == 1) & person & here
    stayer = incumbent & (now == of_firm).to_numpy()
    mover = incumbent & ~stayer & now.isin(firms.index).to_numpy()
    again = np.where(interviewed, data[worker].map(last[wage]).to_numpy(dtype=float), np.nan)
    seen = firms.index.isin(of_firm[at == 1])
    shut = (firms[closed] == 1).to_numpy() if closed is not None else ~seen
    _check_shut(firms.index[shut], of_firm[everyone])
    firms = firms.assign(**{"not found": ~seen & ~shut})
    known = ~of_firm.isin(firms.index[firms["not found"]]).to_numpy()
    who = {"incumbents": incumbent, "stayers": stayer, "movers": mover, "interviewed": interviewed, "everyone": everyone,
           "leavers": incumbent & ~stayer & (known | mover | ~np.isnan(again)),
           "hires": everyone & named & (home != of_firm).to_numpy() & ~nowhere}
    data = data.assign(**{name: of_firm.astype(object).map(firms[name]) for name in drawn[1:]})
    return Workforce(data=data, firm=firm, treatment=treatment, worker=worker, wage=wage, traits=traits, closed=closed,
                     strata=strata, cluster=cluster, drawn=drawn, at=at, losses=losses, pay=pay, again=again, named=named,
                     person=person, who=who, firms=firms)


def _decided(rows: pd.DataFrame, drawn: list[str], firm: str, treatment: str, strata: str | None, cluster: str | None,
             closed: str | None) -> pd.DataFrame:
    """One row a firm with what was decided for all of it."""
    if cluster is not None and cluster != firm:
        rows = rows.assign(**{cluster: rows[cluster].fillna(rows.groupby(firm)[cluster].transform("first"))})
    check_firms(rows, firm=firm, treatment=treatment, strata=strata, cluster=cluster)
    firms = rows.groupby(firm)[drawn[1:]].first()
    return firms if closed is None else firms.assign(**{closed: rows.groupby(firm)[closed].max()})


def _check_shut(shut: pd.Index[Any], of_firm: pd.Series[Any]) -> None:
    busy = shut[shut.isin(of_firm)]
    if len(busy):
        raise DataError(Problem(where="closed", what=f"{len(busy)} firms closed and have workers at endline "
                                f"({listed(speakable(busy))})", cure="Correct one or the other."), source="data")


def _sums(force: Workforce) -> pd.DataFrame:
    """Add workers up to their firms: heads, wage bills, traits, who left and who came."""
    data, firm, firms, who = force.data, force.firm, force.firms, force.who
    start = (force.at == 0) & force.person & data[firm].isin(firms.index).to_numpy()

    def mean(name: str, mask: Mask) -> pd.Series[Any]:
        return data[mask].groupby(firm)[name].mean().astype(float).reindex(firms.index)

    def heads(mask: Mask) -> pd.Series[Any]:
        return data[mask].groupby(firm).size().astype(float).reindex(firms.index, fill_value=0.0)

    count, wage = [heads(start), heads(who["everyone"])], [mean(force.wage, start), mean(force.wage, who["everyone"])]
    bills = [(n * m).where(n > 0, 0.0) for n, m in zip(count, wage, strict=True)]
    columns = {"wage_bill before": bills[0], "wage_bill": bills[1], "employment before": count[0], "employment": count[1],
               "stayers_baseline before": mean(force.wage, who["incumbents"]),
               "stayers_baseline": mean(force.wage, who["stayers"]),
               "separation_rate": 1 - heads(who["stayers"]) / heads(who["incumbents"]).replace(0, np.nan),
               "hiring_rate": heads(who["hires"]) / count[0].replace(0, np.nan)}
    for name in force.traits:
        columns |= {f"workforce_{name} before": mean(name, start), f"workforce_{name}": mean(name, who["everyone"])}
    out = firms[[]].assign(**columns)
    late = [name for name in columns if not name.endswith(" before")]
    out.loc[firms["not found"], late] = np.nan
    return out

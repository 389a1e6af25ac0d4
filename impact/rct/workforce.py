"""When the workforce changes: what a programme for firms did to pay, and what it did to who works there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import Selection, as_names, check_columns, require_columns
from impact.errors import DataError, DesignError, Problem
from impact.inference.report import is_share
from impact.rct.linkage import Workforce, link_rounds, sum_to_firms
from impact.rct.regression import ancova, ols
from impact.rct.workers import check_weighting, unnumbered, varies, worker_effects
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

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
        Caveats of the headline put the firms' rows and the cross-section beside it.
        The headline's ``details`` hold headcounts by arm, the shares lost, and the rows that could not be estimated.

    Raises
    ------
    DataError
        For missing columns or rounds, a worker twice in a round or at two firms in it, a closed firm with workers.
    DesignError
        As :func:`impact.rct.worker_effects`.

    Notes
    -----
    Assumes that firms were offered by lot and, for the headline, that those not found again are like those found.
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
    force = link_rounds(data.reset_index(drop=True), round, before, after, firm=firm, treatment=treatment, worker=worker,
                        wage=wage, traits=traits, closed=closed, strata=strata, cluster=cluster)
    plan = _Plan(force=force, sums=sum_to_firms(force), weighting=str(weighting), conf_level=conf_level, seed=seed)
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
    return Estimates(rows=(head.with_caveats(*_who_works_there(rows[1:])), *rows[1:]))


def _who_works_there(rows: Sequence[Estimate]) -> tuple[Caveat, ...]:
    """Put what the offer did to firms and their workforce, and the mixed comparison, beside the pay of the incumbents."""
    def told(row: Estimate) -> str:
        ends = "" if row.conf_low is None or row.conf_high is None else f" ({row.conf_low:.3g} to {row.conf_high:.3g})"
        return f"{row.estimate:+.3g}{ends}"

    firms = [row for row in rows if row.term in FIRMS or row.term.startswith("workforce_")]
    out = [Caveat(code="who_works_there", text="Who works there changed by: " + "; ".join(
        f"{row.term.replace('_', ' ')} {told(row)}" for row in firms) + ".",
        values=tuple((row.term, row.estimate) for row in firms))] if firms else []
    out += [Caveat(code="cross_section_beside", text=f"Everyone at the firms at endline compared gives {told(row)}: that "
                   "mixes pay with who works there.", values=((row.term, row.estimate),))
            for row in rows if row.term == "endline_cross_section"]
    return tuple(out)


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
                   caveats=(*caveats, *(c for c in found.caveats if c.code != "composition_unseen")))


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

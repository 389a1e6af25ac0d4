"""Rules on costs, on what is reported, and on women and men."""

from __future__ import annotations

import re
from collections import defaultdict

from impact.dced.study.case import Case, Finding, fill_in, run_again
from impact.dced.types import Gap
from impact.dced.wording import listed, plural
from impact.results.estimate import Estimate
from impact.study.types import Subgroup, words

ADD_COSTS = "Add costs: to study.yaml with currency, price_year, per, participants and one line a year and item."
_BY_SEX = re.compile(
    r"(?<![a-z])(sex|gender|women|woman|female|men|man|male|femmes?|hommes?|sexe|genre|mujer(es)?|hombres?|sexo|"
    r"género)(?![a-z])", re.IGNORECASE)


def costs_by_year(case: Case) -> Finding:
    """Costs are declared for each year of the programme, in one currency and price year."""
    costs, period, where = case.study.costs, case.study.programme.period, "study.declared.costs"
    if costs is None:
        return Finding(where=where, gaps=(_no_costs(case),))
    by_year: dict[int, float] = defaultdict(float)
    for line in costs.lines:
        by_year[line.year] += line.amount
    running, parts = 0.0, []
    for year in sorted(by_year):
        running += by_year[year]
        parts.append(f"{year}: {by_year[year]:,.0f} (since the start {running:,.0f})")
    seen = (f"{plural(len(costs.lines), 'line')} in {case.text(costs.currency)}, prices of {costs.price_year}. "
            f"{listed(parts, most=6)}. Whether they agree with the accounts is not examined here.",)
    if period is None:
        return Finding(where=where, evidence=seen, gaps=(fill_in(
            "The years of the programme are not stated, so a year without costs would not be noticed.",
            "programme.period: [first year, last year]"),))
    empty = [str(y) for y in range(int(period[0][:4]), int(period[1][:4]) + 1) if y not in by_year]
    gap = fill_in(f"No cost is stated for {listed(empty)}.",
                  "costs.lines for the missing years (0 where nothing was spent)")
    return Finding(where=where, evidence=seen, gaps=(gap,) if empty else ())


def _no_costs(case: Case) -> Gap:
    said = "not reported (null)" if case.study.state("costs") == "null" else "not stated"
    return Gap(text=f"Costs are {said} in the study file.", fix=ADD_COSTS)


def told_apart(case: Case) -> Finding:
    """Every declared outcome is on record whatever it shows, with its method; costs stand beside it."""
    outcomes = case.study.outcomes
    have = [e for e in (case.estimate(o.name) for o in outcomes) if e is not None]
    lack = [case.text(o.label) for o in outcomes if case.estimate(o.name) is None]
    unclear = sum(not e.excludes_zero for e in have)
    evidence, gaps = [], []
    if have:
        null = f" (for {unclear} of them the interval includes zero)" if unclear else ""
        evidence.append(f"{len(have)} of {plural(len(outcomes), 'declared outcome')} on record{null}. Every figure is "
                        "measured, none is projected, and each names its method and how its error was made.")
    if lack:
        gaps.append(run_again(f"Declared but not on record: {listed(lack)}.",
                              "Run the study again; an outcome that cannot be estimated should say why."))
    if case.study.costs is None:
        gaps.append(_no_costs(case))
    else:
        evidence.append("Costs stand in the same record.")
    return Finding(where="estimates", evidence=tuple(evidence), gaps=tuple(gaps))


def by_sex(case: Case) -> Finding:
    """Women and men are counted among those reached, and effects are estimated for each."""
    group = next((s for s in case.study.subgroups if _BY_SEX.search(" ".join(_names(s)).replace("_", " "))), None)
    split = [e for e in case.evaluation.estimates if group is not None and _belongs(case, e, group)]
    found = [_reached(case)]
    if group is None:
        found.append(run_again("No effect is split by the sex of the person or owner.",
                               "Add subgroups: [{name: sex, column: …, label: …}] to study.yaml, if the data hold the "
                               "column, and run again."))
    elif not split:
        found.append(run_again(f"The subgroup {case.text(group.label)} is declared, but the record has no effect "
                               "for it."))
    else:
        found.append(f"{plural(len(split), 'effect')} on record for {case.text(group.label)}.")
    return Finding.of("study.declared.intervention.reached, estimates", found)


def _reached(case: Case) -> str | Gap:
    """Tell how many women and men were reached, if both are stated and agree with the count of all."""
    intervention = case.study.intervention
    reached = intervention.reached if intervention else None
    if reached is None or reached.women is None or reached.men is None:
        return fill_in("How many women and men were reached is not stated.",
                       "intervention.reached: {total: , women: , men: }")
    if reached.total is not None and reached.women + reached.men > reached.total:
        return Gap(text=f"Women ({reached.women:,.0f}) and men ({reached.men:,.0f}) reached are more than all reached "
                        f"({reached.total:,.0f}).", fix="Correct intervention.reached in study.yaml.")
    return f"Reached: {reached.women:,.0f} women and {reached.men:,.0f} men."


def _names(group: Subgroup) -> tuple[str, ...]:
    return group.name, group.column, *(words(group.label, code) for code in ("en", "fr", "es"))


def _belongs(case: Case, estimate: Estimate, group: Subgroup) -> bool:
    """Tell whether an estimate is of this subgroup; where one is declared, every subgroup estimate is."""
    if not estimate.subgroup:
        return False
    return len(case.study.subgroups) == 1 or any(name and name in estimate.subgroup for name in _names(group))

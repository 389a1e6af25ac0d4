"""What a reader must know of the rows behind a panel estimate: missing rows, exits, thin cohorts, the calendar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from impact.data.frame import Selection, counted, listed
from impact.data.panel import EVEN
from impact.did.opening import Mask, Opened
from impact.did.periods import calendar_caveats
from impact.inference.linear import Array, Codes
from impact.results import Caveat

WORDS = {"within_cell": "each comparison uses all units seen in its two periods",
         "balanced": "only units seen in every period are used",
         "repeated_cross_section": "rows count whether or not the unit is seen in both periods"}
WITH_EFFECTS = {**WORDS, "within_cell": "all units seen in at least two periods are used"}
Thin = tuple[float, float, int, int, str]  # first treated, period, its units seen, units untreated then, what is thin


def notes_of(opened: Opened, thin: Sequence[Thin]) -> list[Caveat]:
    """List the caveats of one estimate's rows, thin cells among them."""
    asked = opened.asked
    periods = opened.periods()
    out = []
    if asked.ever_treated and asked.treatment is not None and not asked.as_coded:
        out.append(Caveat(code="ever_treated", text=f"A unit counts as treated from its first period with "
                          f"{asked.treatment} = 1 on, also where treatment switched off again: this is the effect of ever "
                          "having been treated."))
    out += _dates_note(opened)
    out += unbalanced_note(opened)
    out += leavers_note(opened)
    out += calendar_caveats(periods, opened.step, asked.time, asked.season)
    if not asked.as_coded:
        out += _cohort_notes(opened, thin)
    return out


def undated(rows: Selection, first: Array, time: str) -> Mask:
    """Mark units (by code) treated in the first row seen after a gap: the row of the period before it is not there.

    ``first`` is (rows kept,); whether the outcome was measured before does not matter, the row says that it was untreated.
    """
    units, when = rows.codes_of_units(), rows.data[time].to_numpy(dtype=float)
    periods = np.unique(when[~np.isnan(when)])
    start = np.full(int(units.max(initial=-1)) + 1, np.inf)
    start[units[rows.kept]] = first
    last = np.searchsorted(periods, start) - 1  # the place of the period before
    before = (units >= 0) & (np.searchsorted(periods, when) == last[units])
    return np.asarray(np.isfinite(start) & (start > periods[0]) & (np.bincount(units[before], minlength=len(start)) == 0))


def _dates_note(opened: Opened) -> list[Caveat]:
    """Say how many starts read from the treatment column may lie earlier, and how many units never were untreated."""
    asked, out = opened.asked, []
    if asked.unit is not None and asked.treatment is not None and not asked.as_coded:
        number = int(undated(opened.rows, opened.first[opened.rows.kept], asked.time).sum())
        treated = int(np.isfinite(opened.start_of()).sum())
        if number:
            out.append(Caveat(
                code="start_not_seen", text=f"{number} of {counted(treated, 'treated unit')} "
                f"{'has' if number == 1 else 'have'} no row in the period before the first one with {asked.treatment} = 1: "
                "treatment may have begun earlier, and the unit stand in the wrong group. first_treated= takes the true "
                "start where it is known.", values=(("units", number), ("treated", treated))))
    early = sum(d.n_units for d in opened.rows.dropped if d.reason == "treated_from_start")
    if early:
        noun = "row" if asked.unit is None else "unit"
        out.append(Caveat(code="treated_from_start", text=f"{counted(early, noun)} treated from the start "
                          f"{'is' if early == 1 else 'are'} left out: nothing was measured before their treatment, and the "
                          "number does not speak of them.", values=(("units", early),)))
    return out


def record_of(opened: Opened, thin: Sequence[Thin]) -> tuple[tuple[str, object], ...]:
    """List the details of one estimate's rows: the choice for missing rows with counts, exits, cohorts and thin cells."""
    asked = opened.asked
    used = _units(opened, opened.rows.kept)
    cohorts = tuple((g, used.get(g, 0), n) for g, n in opened.cohorts)
    return (("unbalanced", asked.unbalanced if opened.choices else "not a panel"), ("unbalanced_choices", opened.choices),
            ("not_seen_again", opened.left), ("period_length", opened.step), ("cohort_units", cohorts),
            ("thin_cells", tuple(thin)))


def unbalanced_note(opened: Opened) -> list[Caveat]:
    """Say which choice for missing rows was made, and how many units and rows each would keep."""
    if len({rows for _, _, rows in opened.choices}) < 2:
        return []
    words = (WORDS if opened.asked.by_cells else WITH_EFFECTS)[opened.asked.unbalanced]
    kept = "; ".join(f"{name.replace('_', ' ')}: {units:,} units, {rows:,} rows" for name, units, rows in opened.choices)
    return [Caveat(code="unbalanced", text=f"Not every unit is seen in every period; {words}. What each choice would keep: "
                   f"{kept}.", values=tuple((name, rows) for name, _, rows in opened.choices))]


def leavers_note(opened: Opened) -> list[Caveat]:
    """Say how many units are not seen again, and that a missing row is not taken for a closed firm."""
    if opened.left is None or not sum(opened.left):
        return []
    treated, others = opened.left
    return [Caveat(code="not_seen_again", text=f"{treated + others} {'unit' if treated + others == 1 else 'units'} "
                   f"({treated} treated, {others} comparison) {'is' if treated + others == 1 else 'are'} not "
                   "measured again before the last period. Their later rows are taken as missing, not as zero: a missing "
                   "row does not say that a firm closed. Closures that are known belong in the data with what closing "
                   "means for the outcome, as firm_status in a study does.",
                   values=(("treated", treated), ("comparison", others)))]


def _units(opened: Opened, kept: Mask) -> dict[float, int]:
    """Units (rows, without a unit column) of each cohort on rows kept now or at the opening, by first treated period."""
    start = opened.start_of(kept)
    cohorts, sizes = np.unique(start[np.isfinite(start)], return_counts=True)
    return {float(g): int(n) for g, n in zip(cohorts, sizes, strict=True)}


def _alone(opened: Opened, kept: Mask, used: dict[float, int]) -> list[float]:
    """First treated periods of one unit, or of one cluster where treatment was decided above the unit."""
    asked = opened.asked
    if asked.cluster in (None, asked.unit):
        return [g for g, n in used.items() if n == 1]
    first, clusters = opened.first[kept], opened.rows.data[asked.cluster].to_numpy()[kept]
    return [g for g in used if (mine := clusters[first == g]).size and (mine == mine[0]).all()]


def thin_cells(opened: Opened) -> list[Thin]:
    """List cohort–periods from the start on that have one unit, or no untreated unit beside them, each with its N."""
    if opened.asked.as_coded:
        return []
    kept = opened.served
    used, out = _units(opened, kept), []
    alone = _alone(opened, kept, used)
    ahead = (opened.asked.anticipation + EVEN) * opened.step
    periods, cohorts = opened.periods(kept), sorted(used)
    at = np.searchsorted(periods, opened.when[kept])
    of = np.searchsorted(np.array([*cohorts, np.inf]), opened.first[kept] if opened.units is None else
                         opened.seen(kept).start)
    of = of if opened.units is None else of[opened.units[kept]]
    table = np.bincount(of * len(periods) + at, minlength=(len(cohorts) + 1) * len(periods)).reshape(-1, len(periods))
    for j, g in enumerate(cohorts):
        for k, t in enumerate(periods):
            others = _untreated(table[:, k], cohorts, float(t) + ahead, opened.asked.control_group)
            why = [*(["one unit"] if g in alone else []), *(["no comparison"] if not others else [])]
            if t >= g and why and table[j, k]:
                out.append((g, float(t), int(table[j, k]), others, " and ".join(why)))
    return out


def _untreated(column: Codes, cohorts: list[float], t: float, control_group: str) -> int:
    """Units measured in a period and untreated then."""
    later = 0 if control_group == "never_treated" else sum(int(n) for n, g in zip(column, cohorts, strict=False) if g > t)
    return later + int(column[-1])


def _cohort_notes(opened: Opened, thin: Sequence[Thin]) -> list[Caveat]:
    """Say which cohorts are one unit, have one earlier period or no comparison, each with its N."""
    out, used = [], _units(opened, opened.served)
    asked = opened.asked
    alone = [f"{g:.12g}" for g in _alone(opened, opened.served, used) if asked.follows]
    noun = "unit" if asked.cluster in (None, asked.unit) else asked.cluster
    if alone:
        out.append(Caveat(code="one_unit", text=f"One {noun} alone was first treated in {listed(alone)}: its luck cannot "
                          "be told from the programme, and no standard error shows it.", values=(("cohorts", len(alone)),)))
    periods = opened.periods(opened.served)
    single = [f"{g:.12g} ({n} unit{'s' * (n != 1)})" for g, n in used.items() if (periods < g).sum() == 1]
    if single:
        out.append(Caveat(code="one_earlier_period", text=f"Units first treated in {listed(single)} are seen in one period "
                          "before treatment: their earlier trend cannot be looked at.", values=(("cohorts", len(single)),)))
    bare = [f"{g:.12g} in {t:.12g} ({n} unit{'s' * (n != 1)})" for g, t, n, others, _ in thin if not others]
    if bare and not opened.asked.by_cells:  # there each cell is a row with its reason
        out.append(Caveat(code="no_comparison", text=f"No untreated unit is measured beside units first treated in "
                          f"{listed(bare, 4)}: no effect can be read there from units untreated at the time.",
                          values=(("cells", len(bare)),)))
    return out

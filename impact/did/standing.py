"""Who stands in effects by cohort and period: counts, the ledger of those who do not, and treated units without a base."""

from __future__ import annotations

import numpy as np

from impact.data.frame import counted
from impact.did.arrangement import Arrangement
from impact.did.cells import Cells
from impact.did.layout import Layout, distinct
from impact.did.opening import Mask
from impact.inference.report import Counts
from impact.results import Caveat


def count_entered(lay: Layout, entered: Mask) -> Counts:
    """Rows, units and clusters in effects after treatment; treated are rows from the first treated period on."""
    mine, n = lay.treated & entered, int(entered.sum())
    treated = int(mine.sum())
    return Counts(n=n, treated=treated, comparison=n - treated,
                  units=distinct(lay.units, entered) if lay.asked.unit is not None else None,
                  units_treated=distinct(lay.units, mine) if lay.asked.follows else None,
                  clusters=distinct(lay.clusters, entered), clusters_treated=distinct(lay.clusters, mine))


def leave_out(layout: Arrangement, cells: Cells) -> int:
    """Enter rows that stand in no effect after treatment in the ledger, with the reason.

    Returns
    -------
    int
        Treated units that no effect holds, because they have no value in any period their cohort is compared with.
    """
    lay = layout.layout
    last = float(lay.first.max())  # infinity where some are never treated
    out = ~cells.entered
    whole = layout.complete or not layout.wide
    baseless = np.zeros(lay.n, dtype=bool) if whole else _without_base(layout, cells)[lay.units]
    serves = np.zeros(int(lay.units.max()) + 1, dtype=bool)
    serves[lay.units[cells.entered]] = True
    base = out & baseless & (lay.treated | ~serves[lay.units])

    def drop(rows: Mask, reason: str, text: str) -> None:
        mask = np.zeros(len(kept), dtype=bool)
        mask[places] = rows
        lay.rows.drop(mask, reason, text)

    kept, places = lay.rows.kept, np.flatnonzero(lay.rows.kept)
    drop(out & (lay.when >= last), "no_comparison", f"from {last:.12g} on every unit is treated: nothing to compare with")
    drop(base, "no_base_period", "no value in the base period, with which later ones are compared")
    drop(out & cells.used, "earlier_only", "used to look at earlier trends only, not in the effect")
    drop(out, "in_no_comparison", "stands in no comparison of a cohort and period that can be estimated")
    return distinct(lay.units, baseless & lay.ever)


def no_base_note(units: int) -> list[Caveat]:
    """Say how many treated units have no base and still weigh."""
    if not units:
        return []
    has, stand = ("has", "is") if units == 1 else ("have", "are")
    return [Caveat(code="no_base_period", text=f"{counted(units, 'treated unit')} {has} no value in the base period and "
                   f"{stand} in no effect; the size of their start date, which weighs averages, counts them still, as in "
                   "R's did.",
                   values=(("units", units),))]


def _without_base(layout: Arrangement, cells: Cells) -> Mask:
    """Whether a unit has no value in any base of an effect after treatment: of its cohort, or of all if never treated."""
    lacks = np.zeros(len(layout.first), dtype=bool)
    wanted = cells.grid.known & cells.grid.after
    bases = {(c.comparison.cohort, c.comparison.base) for c, want in zip(cells.cells, wanted, strict=True) if want}
    for g in (*{cohort for cohort, _ in bases}, np.inf):
        at = sorted({base for cohort, base in bases if g in (cohort, np.inf)})
        mine = np.flatnonzero(layout.first == g)
        lacks[mine] = ~np.isfinite(layout.y[at][:, mine]).any(axis=0)
    own = np.empty(len(lacks), dtype=bool)
    here = layout.row >= 0
    own[layout.layout.units[layout.row[here]]] = np.broadcast_to(lacks, layout.row.shape)[here]
    return own

"""What a two-way fixed effects coefficient is made of: every two-by-two comparison with its weight."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import listed, transformed
from impact.data.panel import select_panel
from impact.data.privacy import speakable
from impact.did.effects import fit_within
from impact.did.opening import Mask
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes
from impact.results import Dropped

if TYPE_CHECKING:
    import pandas as pd

    from impact.results.plots import Plot

KINDS = ("treated vs never treated", "earlier vs later treated", "later vs earlier treated", "treated vs always treated")
FORBIDDEN = KINDS[2:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One two-by-two comparison: whose change against whose, its estimate and its share of the coefficient.

    ``treated`` and ``comparison`` are first treated periods, 'never' or 'always'; ``kind`` is one of
    :data:`impact.did.decomposition.KINDS`; ``estimate`` is in the outcome's unit.
    """

    kind: str
    treated: str
    comparison: str
    estimate: float
    weight: float
    n_treated: int
    n_comparison: int

    @property
    def forbidden(self) -> bool:
        """Whether units already treated stand for the comparison."""
        return self.kind in FORBIDDEN


@dataclass(frozen=True, slots=True, kw_only=True)
class BaconDecomposition:
    """The comparisons behind one coefficient; weights sum to 1, and the weighted sum is the coefficient.

    Attributes
    ----------
    rows : one a comparison, ordered by kind. twfe : the two-way fixed effects coefficient, from its own regression.
    n, n_units : rows and units used. dropped : rows left out and why.
    """

    outcome: str
    rows: tuple[Comparison, ...]
    twfe: float
    n: int
    n_units: int
    dropped: tuple[Dropped, ...] = ()

    @property
    def forbidden_weight(self) -> float:
        """Share of the coefficient that compares with units already treated."""
        return float(sum(row.weight for row in self.rows if row.forbidden))

    @property
    def without_forbidden(self) -> float | None:
        """Weighted average of the comparisons with units not yet or never treated; None where there is none."""
        clean = [row for row in self.rows if not row.forbidden]
        total = sum(row.weight for row in clean)
        return float(sum(row.weight * row.estimate for row in clean) / total) if total > 0 else None

    def by_kind(self) -> tuple[tuple[str, float, float], ...]:
        """Each kind with its total weight and its weighted mean estimate."""
        out = []
        for kind in KINDS:
            mine = [row for row in self.rows if row.kind == kind]
            weight = sum(row.weight for row in mine)
            if weight > 0:
                out.append((kind, float(weight), float(sum(r.weight * r.estimate for r in mine) / weight)))
        return tuple(out)

    def tidy(self) -> pd.DataFrame:
        """One row a comparison: kind, treated, comparison, estimate, weight, n_treated, n_comparison, forbidden."""
        import pandas as pd

        names = ("kind", "treated", "comparison", "estimate", "weight", "n_treated", "n_comparison", "forbidden")
        return pd.DataFrame([{name: getattr(row, name) for name in names} for row in self.rows], columns=list(names))

    def plot(self) -> Plot:
        """Draw each comparison's estimate against its weight, and the coefficient they add up to."""
        from impact.results.plots import plot

        return plot(self, "scatter")

    def __str__(self) -> str:
        lines = [f"{self.outcome}: two-way fixed effects {self.twfe:.4g}, of which {self.forbidden_weight:.0%} compares "
                 "with units already treated"]
        return "\n".join([*lines, *(f"  {kind}: weight {weight:.3f}, average {value:.4g}"
                                    for kind, weight, value in self.by_kind())])

    __repr__ = __str__


def bacon_decomposition(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
                        balanced: bool = False, always_treated: bool = True,
                        transform: str = "none") -> BaconDecomposition:
    """Split a two-way fixed effects coefficient into all its two-by-two comparisons.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, transform
        As :func:`impact.did.two_way_fixed_effects`, without covariates and weights, for which the split does not hold.
    balanced : leave out units not measured in every period, and say so in ``dropped``; False refuses an unbalanced panel.
    always_treated : keep units treated in every period as a comparison, as the regression on a treatment column does; False
        leaves them out, as :func:`two_way_fixed_effects` with ``first_treated`` does.

    Returns
    -------
    BaconDecomposition
        Every comparison with estimate, weight and kind; 'later vs earlier treated' and 'treated vs always treated' are the
        forbidden ones, whose comparison's own effect is taken for a trend.

    Raises
    ------
    DataError
        As :func:`impact.did.two_way_fixed_effects`.
    DesignError
        An unbalanced panel, or fewer than two groups by first treated period.

    Notes
    -----
    Assumes nothing: it is an identity of the numbers in the table.
    No estimand of its own: it says which averages the coefficient is an average of. Goodman-Bacon (2021, Journal of
    Econometrics 225, theorem 1, equations 10a–10g). Reference cases: did_mpdta_bacon, did_jtrain_bacon (R bacondecomp
    0.1.3).
    """
    panel = select_panel(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated)
    rows, start = panel.rows, panel.first
    if start is None:
        raise ValueError("first_treated is needed")
    if not always_treated and rows.kept.any():
        rows.drop(start <= rows.column(time).min(), "treated_from_start", "no value before treatment")
    _balance(panel.rows, unit, time, balanced)
    raw, when, first = rows.numbers(outcome), rows.numbers(time), start[rows.kept]
    y, units = transformed(raw, transform, outcome, rows.kept.nonzero()[0]), rows.codes(unit)
    periods = np.unique(when)
    first = np.where(first > periods[-1], np.inf, np.where(first <= periods[0], -np.inf, first))
    groups = _groups(first, y, when, periods)
    found = [row for one, two in combinations(groups, 2) for row in _pair(one, two, periods)]
    if not found:
        raise DesignError(Problem(
            where=f"column '{first_treated}'", what="all units have the same treatment in every period: there is nothing "
            "to compare", cure="Two groups with different first treated periods are needed, one of them within the data."),
            source="design")
    total = sum(row.weight for row in found)
    found = sorted(found, key=lambda row: KINDS.index(row.kind))
    return BaconDecomposition(
        outcome=outcome, twfe=_two_way(y, when, periods, first, units), n=len(y), n_units=int(units.max()) + 1,
        dropped=tuple(rows.dropped), rows=tuple(Comparison(
            kind=r.kind, treated=r.treated, comparison=r.comparison, estimate=r.estimate, weight=r.weight / total,
            n_treated=r.n_treated, n_comparison=r.n_comparison) for r in found))


def _balance(rows: Any, unit: str, time: str, balanced: bool) -> None:
    """Hold the panel to one row for each unit and period."""
    if not rows.kept.any():
        raise DesignError(Problem(where="data", what="no usable row is left", cure="Check the outcome's missing values."),
                          source="design")
    seen = rows.column(unit).value_counts()
    full = int(rows.column(time).nunique())
    short = seen.index[seen < full]
    if len(short) and not balanced:
        raise DesignError(Problem(
            where="data", what=f"{len(short)} of {len(seen)} units are not measured in all {full} periods "
            f"({listed(sorted(speakable(short)), 5)}); the decomposition holds for balanced panels only",
            cure="Use balanced=True, which leaves them out and says so, or choose periods in which all are measured."),
            source="design")
    rows.drop(rows.data[unit].isin(short), "unbalanced", f"not measured in all {full} periods")
    if not rows.kept.any():
        raise DesignError(Problem(where="data", what=f"no unit is measured in all {full} periods",
                                  cure="Choose fewer periods."), source="design")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """One group by first treated period: its units, share of periods treated, and mean outcome by period."""

    first: float
    units: int
    treated: float
    means: Array

    @property
    def name(self) -> str:
        return "never" if self.first == np.inf else "always" if self.first == -np.inf else f"{self.first:.12g}"

    def change(self, before: Mask, after: Mask) -> float:
        return float(self.means[after].mean() - self.means[before].mean())


def _groups(first: Array, y: Array, when: Array, periods: Array) -> list[_Group]:
    out = []
    for start in np.unique(first):
        mine = first == start
        at = np.searchsorted(periods, when[mine])
        units = int(mine.sum()) // len(periods)
        out.append(_Group(first=float(start), units=units, treated=float((periods >= start).mean()),
                          means=np.bincount(at, weights=y[mine]) / units))
    return out


def _pair(early: _Group, late: _Group, periods: Array) -> list[Comparison]:
    """List the comparisons between two groups, the first treated earlier; weights up to the common factor 1/V(D)."""
    size = early.units + late.units
    share = early.units / size
    mix, d_early, d_late = share * (1 - share) * size**2, early.treated, late.treated
    out = []
    if np.isfinite(early.first):  # its start is a change that the later group does not make
        before, after = periods < early.first, (periods >= early.first) & (periods < late.first)
        weight = mix * (d_early - d_late) * (1 - d_early)  # with a never-treated group d_late is 0
        out.append(_comparison(KINDS[0] if late.first == np.inf else KINDS[1], early, late, before, after, weight))
    if np.isfinite(late.first):  # the later start, against a group treated throughout
        before, after = (periods >= early.first) & (periods < late.first), periods >= late.first
        weight = mix * d_late * (d_early - d_late)
        out.append(_comparison(KINDS[3] if early.first == -np.inf else KINDS[2], late, early, before, after, weight))
    return out


def _comparison(kind: str, treated: _Group, other: _Group, before: Mask, after: Mask, weight: float) -> Comparison:
    return Comparison(kind=kind, treated=treated.name, comparison=other.name, weight=weight, n_treated=treated.units,
                      n_comparison=other.units, estimate=treated.change(before, after) - other.change(before, after))


def _two_way(y: Array, when: Array, periods: Array, first: Array, units: Codes) -> float:
    dummies = (when[:, None] == periods[None, 1:]).astype(float)
    design = np.column_stack([dummies, when >= first])
    fit = fit_within(y, design, [*(f"period {t:.12g}" for t in periods[1:]), "treated"], units, must_keep=("treated",))
    return float(fit.coefficients[-1])

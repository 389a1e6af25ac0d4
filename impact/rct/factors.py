"""Trials that cross several offers: what each adds on average, how they work together, what each does alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import as_names
from impact.errors import DesignError, Problem
from impact.inference.assignment import declared_draw
from impact.inference.linear import Array, Codes
from impact.inference.lots import observed_lots
from impact.rct.cells import (
    CellRegression,
    Recipe,
    Sides,
    mean_over,
    one_armed,
    regress_on_cells,
    select_cells,
    thin,
    uneven_caveats,
    varying,
)
from impact.rct.few import drawable, is_few
from impact.rct.trial import with_holm
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

MOST_FACTORS = 4
OFFER = ("The other offers are held as they are; the interval holds if this offer adds the same for all, whatever else "
         "they got.")
ALONE = ("All other effects of the offers are taken as estimated, and every effect as the same for all, so that the "
         "p-value is nearly but not wholly exact.")
ASSUMPTIONS = (
    "Which offers a unit got was decided by lot, each offer crossed with the others.",
    "One unit's offers do not change another unit's outcome.",
    "Those found again are comparable between the cells.",
)


def factorial(data: pd.DataFrame, *, outcome: str, treatments: Sequence[str], covariates: Sequence[str] = (),
              strata: str | None = None, cluster: str | None = None, within: Sequence[str] = (), weights: str | None = None,
              vcov: str | None = None, transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimates:
    """Effects in a trial that crosses two to four offers.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit.
    treatments : two to four columns of 1 (offered) and 0 (not); every combination of them was drawn.
    cluster : column of the groups that were drawn.
    within : those of ``treatments`` that were drawn among units inside clusters; all others must not vary inside them.
    covariates, strata, weights, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimates
        First the main effect of each offer (the first is the headline), then each two-way interaction 'a × b', then each
        offer 'alone' against the cell with no offer. ``p_adjusted`` is Holm over main effects and interactions, the
        declared family; the effects of offers alone stand outside it. ``details`` of the headline hold the cells.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`.
    DesignError
        When a cell has fewer than two units (or clusters), each named; when an offer not in ``within`` varies inside
        clusters, which are named; when treatments are not two to four different columns.

    Notes
    -----
    Assumes that each offer was drawn by lot and changes nobody else's outcome.
    Estimands, with m(cell) the mean outcome had all units been in that cell. Main effect: the average over the cells of
    the other offers, each with the same weight whatever its size, of m(with) − m(without). Interaction: the difference of
    differences [m(1,1) − m(0,1)] − [m(1,0) − m(0,0)], averaged likewise over the cells of the remaining offers. These are
    the coefficients of a regression with all interactions and offers coded −1/2 and 1/2. The main effect is the factorial
    effect of Dasgupta, Pillai & Rubin (2015, JRSS B 77); their interaction is half of ours. Main effects are not
    the effect against nothing: that is the row 'alone' (Muralidharan, Romero & Wüthrich 2025, Review of Economics and
    Statistics 107: leaving interactions out, or keeping them only when significant, gives wrong inference unless they
    are zero). Covariance as :func:`impact.rct.ols`. Few clusters: the rows 'alone' compare two arms of the draw and follow
    :func:`impact.rct.multi_arm`. For a main effect its own offer is drawn again with the others held as they are, which
    is exact for 'this offer does nothing, whatever the others'; with ``within`` the rows 'alone' go the same way. For an
    interaction both offers are drawn again (one drawn inside clusters: what was drawn there), with all effects but the
    interaction taken as estimated; so for a main effect whose offer does not vary in any stratum given the others. The wild
    cluster bootstrap is shown beside them all.
    Reference case: inf_tz_clubsandwich_cr2 (R clubSandwich 0.5.8), and statsmodels' saturated regression
    (tests/test_factors.py).
    """
    treatments = as_names(treatments)
    _check_names(treatments, as_names(within), cluster)
    trial = select_cells(data, outcome=outcome, roles=dict.fromkeys(treatments, "treatment"), zero_one=treatments,
                         covariates=covariates, strata=strata, cluster=cluster, weights=weights, transform=transform)
    given = np.column_stack([trial.rows.numbers(name) for name in treatments])
    cells = {cell: (given == np.array(cell)).all(axis=1).astype(float) for cell in product((0, 1), repeat=len(treatments))}
    problems = [] if cluster is None else varying(
        data, [*(name for name in treatments if name not in as_names(within)), strata], cluster,
        "Correct it. An offer drawn among units inside clusters is named in within=.")
    labelled = {_label(treatments, cell): rows for cell, rows in cells.items()}
    problems += thin(trial, labelled, "Every combination of the offers is needed: use multi_arm where some were not drawn, "
                     "or leave an offer out.")
    levels = [(tuple(name for name in treatments if (name in as_names(within)) == inside), None if inside else cluster)
              for inside in (False, True)]
    problems = problems or one_armed(trial, [level for level in levels if level[0]], strata)
    if problems:
        raise DesignError(problems, source="design")
    offers = data[list(treatments)]
    drawn = {_label(treatments, cell): offers.eq(list(cell), axis=1).all(axis=1).where(offers.notna().all(axis=1))
             for cell in cells}
    trial.caveats += uneven_caveats(trial, labelled, drawn, "cells", strata, cluster)
    table = ("cells", tuple((name, int(rows.sum()), float(trial.y[rows > 0].mean())) for name, rows in labelled.items()))
    labelled.pop(_label(treatments, (0,) * len(treatments)))
    regression = regress_on_cells(trial, labelled, outcome=outcome, method="factorial", cluster=cluster, vcov=vcov,
                                  transform=transform, conf_level=conf_level)
    each = range(len(treatments))
    pairs = list(combinations(each, 2))
    alone = [_alone(regression, cells, treatments, j, None if vcov is not None or as_names(within) else seed) for j in each]
    main = [_main(regression, cells, treatments, j, alone[j].estimate, (table,) if j == 0 else ()) for j in each]
    both = [_interaction(regression, cells, treatments, pair) for pair in pairs]
    if vcov is None:
        lots = _Crossed(regression, treatments, given.astype(np.int64), tuple(t in as_names(within) for t in treatments))
        for j in each:
            main[j], *rest = lots.offer([main[j], *([alone[j]] if any(lots.inside) else [])], j, seed)
            alone[j] = rest[0] if rest else alone[j]
        both = [lots.effect(row, pair, seed) for row, pair in zip(both, pairs, strict=True)]
        main = regression.beside(main, [_picks(treatments, (j,)) for j in each], seed)
        both = regression.beside(both, [_picks(treatments, pair) for pair in pairs], seed)
        if any(lots.inside):  # otherwise two arms of one draw, with theirs beside
            alone = regression.beside(alone, [{_label(treatments, _only(j, len(treatments))): 1.0} for j in each], seed)
    return Estimates(rows=(*with_holm([*main, *both], "main effects and interactions"), *alone))


def _check_names(treatments: Sequence[str], within: Sequence[str], cluster: str | None) -> None:
    problems = []
    if not 2 <= len(set(treatments)) == len(treatments) <= MOST_FACTORS:
        problems.append(Problem(where="treatments", what=f"2 to {MOST_FACTORS} different columns are needed, not "
                                f"{len(treatments)} ({', '.join(treatments)})", cure="Name each offer's column once."))
    if set(within) - set(treatments):
        problems.append(Problem(where="within", what=f"{', '.join(sorted(set(within) - set(treatments)))} is not among the "
                                "treatments", cure="Name offers that were drawn inside clusters."))
    if within and (cluster is None or set(within) >= set(treatments)):
        problems.append(Problem(where="within", what="no offer is left that was drawn by cluster", cure="Leave out within= "
                                "and cluster= where all offers were drawn among units."))
    if problems:
        raise DesignError(problems, source="design")


Cells = Mapping[tuple[int, ...], Array]


def _label(treatments: Sequence[str], cell: tuple[int, ...]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(treatments, cell, strict=True))


def _only(j: int, count: int) -> tuple[int, ...]:
    """Cell of those who got one offer and no other."""
    return tuple(int(i == j) for i in range(count))


def _centred(count: int) -> list[str]:
    return [f"I({letter} - 0.5)" for letter in "abcd"[:count]]


def _offered(treatments: Sequence[str]) -> list[tuple[int, ...]]:
    """List the cells but the one without any offer, as the regression has them."""
    return [cell for cell in product((0, 1), repeat=len(treatments)) if any(cell)]


def _picks(treatments: Sequence[str], some: tuple[int, ...]) -> dict[str, float]:
    """Lay the effect of some offers out over the cells: of one its main effect, of two their interaction."""
    return {_label(treatments, c): math.prod(2 * c[i] - 1 for i in some) / 2 ** (len(treatments) - len(some))
            for c in _offered(treatments)}


@dataclass(frozen=True, slots=True)
class _Crossed:
    """The lots of a trial that crosses offers; ``inside`` says which of the (n, k) ``given`` were drawn in clusters."""

    regression: CellRegression
    treatments: Sequence[str]
    given: Codes
    inside: tuple[bool, ...]

    def offer(self, rows: list[Estimate], j: int, seed: int) -> list[Estimate]:
        """Where few were drawn, draw one offer again and hold the others: its main effect and, second, it alone."""
        mine = self._level(self.inside[j])
        strata = self._strata(self.inside[j], [i for i in mine if i != j])
        offered, clusters = self.given[:, j], None if self.inside[j] else self.regression.trial.clusters
        if not any(is_few(row) for row in rows):
            return rows
        if not drawable(offered.astype(float), strata):
            return [self.effect(rows[0], (j,), seed), *rows[1:]]
        cell = _only(j, len(self.treatments))
        picks = [_picks(self.treatments, (j,)), {_label(self.treatments, cell): 1.0}][:len(rows)]
        draw = declared_draw(offered.astype(float), strata=strata, clusters=clusters)
        return self.regression.redrawn(rows, picks, draw, offered, lambda codes: self._cells([j], codes[:, None]),
                                       shift=offered.astype(float), seed=seed, said=OFFER)

    def effect(self, row: Estimate, some: tuple[int, ...], seed: int) -> Estimate:
        """Where few were drawn, draw all offers of one level again for the effect of some, others' effects as estimated."""
        inside = any(self.inside[i] for i in some)
        mine = self._level(inside)
        combined, at = np.unique(self.given[:, mine], axis=0, return_inverse=True)
        label, clusters = at.ravel().astype(np.int64), self.regression.trial.clusters
        drawn = np.arange(len(label), dtype=np.int64) if inside or clusters is None else clusters
        if not is_few(row):
            return row
        lots = observed_lots(drawn, label, np.zeros(len(label)), self._strata(inside, []))
        centred = self.given - 0.5
        others = [np.prod(centred[:, held], axis=1) for size in range(1, len(self.treatments) + 1)
                  for held in combinations(range(len(self.treatments)), size) if held != some]
        return self.regression.redrawn(
            [row], [_picks(self.treatments, some)], lots, 2 * label,
            lambda codes: self._cells(mine, combined[codes // 2]), shift=np.prod(centred[:, some], axis=1), seed=seed,
            said=ALONE, held=np.column_stack(others))[0]

    def _level(self, inside: bool) -> list[int]:
        return [i for i, within in enumerate(self.inside) if within == inside]

    def _strata(self, inside: bool, held: list[int]) -> Codes | None:
        """Blocks in which offers were drawn, parted by the offers of the same draw that are held."""
        trial = self.regression.trial
        blocks = trial.clusters if inside else trial.blocks
        parts = [*([] if blocks is None else [blocks]), *(self.given[:, i] for i in held)]
        return None if not parts else np.unique(
            np.column_stack(parts), axis=0, return_inverse=True)[1].ravel().astype(np.int64)

    def _cells(self, places: list[int], drawn: Codes) -> dict[str, Array]:
        """Dummies of the cells with some offers, (n, places), as drawn again."""
        given = self.given.copy()
        given[:, places] = drawn
        return {_label(self.treatments, cell): (given == np.array(cell)).all(axis=1).astype(float)
                for cell in _offered(self.treatments)}


def _main(regression: CellRegression, cells: Cells, treatments: Sequence[str], j: int, alone: float,
          details: Sequence[tuple[str, object]]) -> Estimate:
    """Average effect of one offer over the cells of the others."""
    k, name = len(treatments), treatments[j]
    rest = " and ".join(t for t in treatments if t != name)
    share, picks = 1 / 2 ** (k - 1), _picks(treatments, (j,))
    base = mean_over(regression.trial, [(share, rows) for c, rows in cells.items() if not c[j]],
                     f"mean of the cells without {name}, each counting the same", regression.transform)
    with_it = np.asarray(sum(rows for c, rows in cells.items() if c[j]))
    caveat = Caveat(
        code="averaged_over_cells", text=f"The main effect of {name} is averaged over the cells of {rest}, each counting "
        f"the same. It is not the effect of {name} against nothing, which is the row '{name} alone'. A regression without "
        "interactions answers neither question when the offers work differently together.", values=(("alone", alone),))
    coded = _centred(k)
    return regression.row(
        picks, Sides(with_it, 1 - with_it, base), Recipe(" * ".join(coded), "", f"coefficient {coded[j]}"), term=name,
        name=name, estimand="main", assumptions=ASSUMPTIONS, caveats=(caveat,), details=details,
        question=f"the average effect of being offered {name}, over the cells of {rest}, each cell counting the same")


def _interaction(regression: CellRegression, cells: Cells, treatments: Sequence[str], pair: tuple[int, int]) -> Estimate:
    """Difference of differences of two offers, averaged over the cells of the others."""
    (i, j), k = pair, len(treatments)
    a, b = treatments[i], treatments[j]
    both = np.asarray(sum(rows for c, rows in cells.items() if c[i] and c[j]))
    caveat = Caveat(code="interaction_power", text="Few trials are large enough to see how offers work together: an "
                    "interaction that is not told apart from zero does not show that there is none.")
    coded = _centred(k)
    return regression.row(
        _picks(treatments, pair), Sides(both, 1 - both),
        Recipe(" * ".join(coded), "", f"coefficient {coded[i]}:{coded[j]}"),
        term=f"{a} × {b}", name=f"{a}-{b}", estimand="interaction", assumptions=ASSUMPTIONS, caveats=(caveat,),
        question=f"how much more (or less) the offer of {a} does where {b} is offered too than where it is not")


def _alone(regression: CellRegression, cells: Cells, treatments: Sequence[str], j: int,
           seed: int | None) -> Estimate:
    """Effect of one offer alone against no offer; with a seed, where clusters are few, by drawing again."""
    k, name = len(treatments), treatments[j]
    letters = "abcd"[:k]
    cell = _only(j, k)
    none = cells[(0,) * k]
    caveat = Caveat(code="outside_family", text="The p-value is not adjusted: the declared family holds the main effects "
                    "and interactions.")
    sides = Sides(cells[cell], none, mean_over(regression.trial, [(1.0, none)], "mean without any offer",
                                               regression.transform))
    row = regression.row(
        {_label(treatments, cell): 1.0}, sides,
        Recipe(" * ".join(letters), "##".join(f"i.{x}" for x in letters), f"coefficient {letters[j]}"),
        term=f"{name} alone", name=f"{name}-alone", estimand="itt", assumptions=ASSUMPTIONS, caveats=(caveat,),
        question=f"the average effect of being offered {name} alone rather than nothing")
    return row if seed is None else regression.with_few(row, sides, _label(treatments, cell), None, seed)

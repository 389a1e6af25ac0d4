"""What matching keeps: weights, sets, score, who is left out and why, and the effective sample size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.errors import DataError, Problem
from impact.inference.linear import Array, Codes
from impact.inference.worth import effective_size, equal_units
from impact.results import Caveat, Dropped, Estimate

if TYPE_CHECKING:
    import pandas as pd

    from impact.matching.support import Standing
    from impact.results.balance import BalanceTable
    from impact.results.plots import Plot

MANY_UNITS = 40.0  # as for clusters
KEPT = "outside_support"
DENOMINATORS = {"att": "treated", "atc": "comparison"}  # of the units the estimand speaks of; pooled for the others


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedSample:
    """The sample behind a matching estimate.

    Attributes
    ----------
    rows : (n,) positions in the table given, of the rows considered.
    treated : (n,) of 0 and 1.
    weights : (n,) what each row counts for; 0 where unmatched. Treated rows count 1 for the att.
    score : (n,) propensity score, or None where the distance uses none.
    pairs : (treated position, comparison position, weight) of each match; for the atc the first is the comparison unit.
    sets : (n,) number of the matched set or stratum, −1 where unmatched; None with replacement.
    outside : units the estimand speaks of that have no counterpart, by reason; row numbers count from 1. Units kept
        although they stand beyond all of the other side are there too, as "outside_support", and the text says so.
    place : where units stand by a logit of their covariates, where the method itself uses no score.
    treatment, covariates : column names, for balance tables. estimand : of whom the weights speak.
    """

    frame: pd.DataFrame = field(repr=False)
    rows: np.ndarray[Any, np.dtype[np.int64]]
    treated: Array
    weights: Array
    score: Array | None
    pairs: tuple[tuple[int, int, float], ...] = field(repr=False, default=())
    sets: Codes | None = field(repr=False, default=None)
    outside: tuple[Dropped, ...] = ()
    place: Standing | None = field(repr=False, default=None)
    treatment: str = ""
    covariates: tuple[str, ...] = ()
    estimand: str = "att"

    def __repr__(self) -> str:
        used = [f"{int(((self.treated == arm) & (self.weights > 0)).sum())} of {int((self.treated == arm).sum())} {name}"
                for arm, name in ((1, "treated"), (0, "comparison"))]
        return f"MatchedSample ({self.estimand}): {' and '.join(used)} units used"

    def effective_size(self, arm: int) -> float:
        """Effective sample size of one arm (:func:`impact.inference.worth.effective_size`)."""
        return effective_size(self.weights[self.treated == arm])

    @property
    def standing(self) -> Array | None:
        """Score of each unit, or where it stands by its covariates, (n,); None where neither can be said."""
        return self.score if self.place is None else self.place.value

    @property
    def denominator(self) -> str:
        """Whose spread differences are measured in: of the units the estimand speaks of, before matching."""
        return DENOMINATORS.get(self.estimand, "pooled")

    def data(self) -> pd.DataFrame:
        """Return the matched rows with their weight (``matching_weight``), matched set and score, where there are any.

        Raises
        ------
        DataError
            When the table has a column of one of these names already: it would be lost.
        """
        kept = self.weights != 0
        added = {"matching_weight": self.weights, "matched_set": self.sets, "propensity_score": self.score}
        added = {name: values[kept] for name, values in added.items() if values is not None}
        if taken := [name for name in added if name in self.frame.columns]:
            raise DataError([Problem(where=f"column '{name}'", what="the table has one of this name, which would be lost",
                                     cure=f"Rename it: data.rename(columns={{'{name}': 'my_{name}'}}).") for name in taken],
                            source="data")
        out: pd.DataFrame = self.frame.iloc[self.rows[kept]].copy()
        return out.assign(**added)

    def balance(self, **options: Any) -> BalanceTable:
        """Lay out how alike the groups are before and after matching or weighting.

        Parameters
        ----------
        options : of :func:`impact.checks.balance_table`, such as ``prognostic="profit"``. Unless told otherwise differences
            are in standard deviations of the units the estimand speaks of, before matching.
        """
        from impact.inference.balance import balance_table

        given: dict[str, Any] = {"denominator": self.denominator,
                                 "covariates": list(self.covariates)}
        return balance_table(self.frame.iloc[self.rows], treatment=self.treatment, weights=self.weights,
                             implied=bool((self.weights < 0).any()), **(given | options))

    def love_plot(self, **options: Any) -> Plot:
        """Draw the standardised differences before (hollow) and after (filled), with the limits 0.1 and 0.25.

        ``options`` are those of :meth:`balance`.
        """
        return self.balance(**options).plot()

    def overlap_plot(self) -> Plot:
        """Draw the chance of taking part in both groups, all units (outlined) and weighted (filled).

        Units whose chance lies beyond that of every unit of the other side are told apart. Where the comparison uses no
        score, a logit of its covariates is fitted for the picture alone, and the picture says so.

        Raises
        ------
        DesignError
            Where the covariates predict taking part perfectly, so that no such score exists.
        """
        from impact.results.plots import overlap_plot

        score, made = self.score, self.score is None
        if score is None and self.place is not None and self.place.chance:
            score = self.place.value
        if score is None:
            from impact.matching.score import propensity
            from impact.matching.units import select_units

            units = select_units(self.frame.iloc[self.rows], outcome=None, treatment=self.treatment,
                                 covariates=self.covariates)
            score = propensity(units.x, units.treated, list(units.columns)).probability
        return overlap_plot(score.tolist(), self.treated.tolist(), self.weights.tolist(), treatment=self.treatment,
                            made=made, lost=[(lost.n_units, lost.text) for lost in self.outside if lost.reason != KEPT])


def few_units(sample: MatchedSample) -> list[Caveat]:
    """Say that an error and its normal law are made for large samples, and a side is worth few units.

    The rule is fixed before results; with 29 participants intervals cover about 0.93 (tests/reference/
    matching_simulation.csv).
    """
    least = min(sample.effective_size(arm) for arm in (1, 0))
    if least >= MANY_UNITS:
        return []
    return [Caveat(code="few_units_large_sample", text="The standard error is made for large samples, and one side is "
                   f"worth {equal_units(least)}: the interval may be somewhat too short.",
                   values=(("effective", least),))]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedEstimate(Estimate):
    """An estimate that carries the sample it was matched from; the record keeps the numbers, not the rows."""

    matched: MatchedSample | None = field(default=None, metadata={"record": False}, compare=False)

    __repr__ = Estimate.__repr__

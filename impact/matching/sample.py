"""What matching keeps: weights, sets, score, who is left out and why, and the effective sample size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.inference.linear import Array, Codes
from impact.results import Caveat, Dropped, Estimate

if TYPE_CHECKING:
    import pandas as pd

MANY_UNITS = 40.0  # as for clusters


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
    outside : units the estimand speaks of that have no counterpart, by reason; row numbers count from 1.
    treatment, covariates : column names, for balance tables.
    """

    frame: pd.DataFrame = field(repr=False)
    rows: np.ndarray[Any, np.dtype[np.int64]]
    treated: Array
    weights: Array
    score: Array | None
    pairs: tuple[tuple[int, int, float], ...] = field(repr=False, default=())
    sets: Codes | None = field(repr=False, default=None)
    outside: tuple[Dropped, ...] = ()
    treatment: str = ""
    covariates: tuple[str, ...] = ()

    def effective_size(self, arm: int) -> float:
        """Effective sample size of one arm: (Σw)² / Σw², the equal-weight rows that carry as much information."""
        w = self.weights[self.treated == arm]
        return float(w.sum() ** 2 / (w**2).sum()) if (w > 0).any() else 0.0

    def data(self) -> pd.DataFrame:
        """Return the matched rows with their weight (``matching_weight``), matched set and score, where there are any."""
        kept = self.weights != 0
        out: pd.DataFrame = self.frame.iloc[self.rows[kept]].copy()
        out["matching_weight"] = self.weights[kept]
        if self.sets is not None:
            out["matched_set"] = self.sets[kept]
        if self.score is not None:
            out["propensity_score"] = self.score[kept]
        return out

    def balance(self, table: Callable[..., Any], **options: Any) -> Any:
        """Lay out how alike the groups are before and after matching.

        Parameters
        ----------
        table : a function of a table and ``treatment``, ``covariates`` and ``weights``, such as
            ``impact.checks.balance_table``; it is handed every row considered, with weight 0 where unmatched.
        options : passed on to it; matching compares in standard deviations of the treated: ``denominator="treated"``.
        """
        return table(self.frame.iloc[self.rows], treatment=self.treatment, covariates=list(self.covariates),
                     weights=self.weights, **options)


def few_units(sample: MatchedSample) -> list[Caveat]:
    """Say that an error and its normal law are made for large samples, and a side is worth few units.

    The rule is fixed before results; with 29 participants intervals cover about 0.93 (tests/reference/
    matching_simulation.csv).
    """
    least = min(sample.effective_size(arm) for arm in (1, 0))
    if least >= MANY_UNITS:
        return []
    return [Caveat(code="few_units_large_sample", text="The standard error is made for large samples, and one side is "
                   f"worth {least:.0f} units of equal weight: the interval may be somewhat too short.",
                   values=(("effective", least),))]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedEstimate(Estimate):
    """An estimate that carries the sample it was matched from; the record keeps the numbers, not the rows."""

    matched: MatchedSample | None = field(default=None, metadata={"record": False}, compare=False)

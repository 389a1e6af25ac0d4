"""What matching keeps: weights, pairs, score and the effective sample size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.inference.linear import Array
from impact.results import Estimate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedSample:
    """The sample behind a matching estimate.

    Attributes
    ----------
    rows : (n,) positions in the table given, of the rows considered.
    treated : (n,) of 0 and 1.
    weights : (n,) what each row counts for; 0 where unmatched. Treated rows count 1 for the att.
    score : (n,) propensity score, or None where the distance uses none.
    pairs : (treated position, comparison position, weight) of each match.
    """

    frame: pd.DataFrame = field(repr=False)
    rows: np.ndarray[Any, np.dtype[np.int64]]
    treated: Array
    weights: Array
    score: Array | None
    pairs: tuple[tuple[int, int, float], ...] = field(repr=False, default=())

    def effective_size(self, arm: int) -> float:
        """Effective sample size of one arm: (Σw)² / Σw², the equal-weight rows that carry as much information."""
        w = self.weights[self.treated == arm]
        return float(w.sum() ** 2 / (w**2).sum()) if (w > 0).any() else 0.0

    def data(self) -> pd.DataFrame:
        """Return the matched rows with their weight (column ``matching_weight``) and score."""
        kept = self.weights > 0
        out = self.frame.iloc[self.rows[kept]].copy()
        out["matching_weight"] = self.weights[kept]
        if self.score is not None:
            out["propensity_score"] = self.score[kept]
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedEstimate(Estimate):
    """An estimate that carries the sample it was matched from; the record keeps the numbers, not the rows."""

    matched: MatchedSample | None = field(default=None, metadata={"record": False}, compare=False)

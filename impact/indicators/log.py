"""The notes taken while one column is made: each step with its rule, rows and totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from impact.errors import Problem
from impact.inference.linear import Array
from impact.results.cleaning import Cleaning, CutOff


@dataclass(slots=True, kw_only=True)
class Log:
    """Steps and problems of one column, in the order they came."""

    outcome: str
    column: str
    summable: bool
    where: str
    steps: list[Cleaning] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, step: Literal["status", "recall", "deflate", "winsorise"], rule: str, before: Array, after: Array,
             touched: Any, *, code: str = "", cut_offs: tuple[CutOff, ...] = (), named: bool = True,
             column: str | None = None) -> None:
        """Note one step; ``touched`` marks the rows its rule speaks of, ``named`` says whether they are listed."""
        changed = ~((before == after) | (np.isnan(before) & np.isnan(after)))
        touched = np.asarray(touched, dtype=bool)
        self.steps.append(Cleaning(
            outcome=self.outcome, column=column or self.column, step=step, rule=rule, n_rows=int(touched.sum()),
            n_changed=int(changed.sum()), rows=tuple(int(r) + 1 for r in np.flatnonzero(touched)) if named else (),
            code=code, cut_offs=cut_offs, total_before=self._total(before), total_after=self._total(after)))

    def refuse(self, key: str, what: str, cure: str) -> None:
        """Note one problem at a key of the outcome's declaration."""
        self.problems.append(Problem(where=f"{self.where}{key}", what=what, cure=cure))

    def _total(self, values: Array) -> float | None:
        return float(np.nansum(values)) if self.summable else None

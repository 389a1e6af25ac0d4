"""Covariates must be older than the programme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from impact.data.dates import measured_late
from impact.results import Check

if TYPE_CHECKING:
    import pandas as pd


def measured_before(data: pd.DataFrame, *, measured_on: Mapping[str, str], treated_on: str,
                    treatment: str | None = None) -> Check:
    """Examine whether covariates were measured before treatment began.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    measured_on : for each covariate a date (2020-12-31), a year (2020), or the column of such dates.
    treated_on : when treatment began: a date, a year, or the column of each unit's date.
    treatment : 0/1 column; where ``treated_on`` is a column, only the treated are held against it.

    Returns
    -------
    Check
        Fails where a covariate with a value was measured later: the programme may have changed it, and adjusting for it
        hides part of the effect (Rosenbaum 1984, JRSS A 147). A study refuses such a covariate.
    """
    late = measured_late(data, measured_on.items(), treated_on, treatment)
    told = "; ".join(f"{p.where}: {p.what}" for p in late)
    return Check(id="measured_before", title="Covariates are older than the programme",
                 verdict="fail" if late else "pass", word="measured after" if late else "measured before",
                 reason=f"{told}." if late else f"{len(measured_on)} covariates were measured before treatment began, "
                 "as their dates say.", measured=float(len(late)), threshold=0.0, measure="covariates measured after",
                 source="Rosenbaum (1984), JRSS A 147, 656–666")

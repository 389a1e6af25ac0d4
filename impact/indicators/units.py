"""log(1 + y) and asinh where somebody asks for them: the same effect in two currency units, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import as_names, check_columns, listed, require_columns, rows_text
from impact.errors import DataError, DesignError, Problem
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

ROLE = "unit_dependent"
FUNCTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "asinh": ("asinh(y)", np.arcsinh), "log1p": ("log(1 + y)", np.log1p)}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDependentEffects(Estimates):
    """The same comparison in several currency units; none of them answers the question, so there is no headline."""

    __repr__ = Estimates.__repr__

    @property
    def headline(self) -> Estimate:
        """Refused: which of the rows is the effect depends on the currency unit.

        Raises
        ------
        DesignError
            Always.
        """
        raise DesignError(Problem(where=self.rows[0].term, what="what depends on the currency unit is no headline",
                                  cure="Use the level, the share above zero and the ratio."), source="headline")


def unit_dependent_effects(data: pd.DataFrame, *, outcome: str, estimate: Callable[..., Any], treatment: str | None = None,
                           function: str = "asinh", units: Sequence[float] = (1, 1000), baseline: str | None = None,
                           **keywords: Any) -> UnitDependentEffects:
    """Effect on asinh(y) or log(1 + y), in one row for each currency unit.

    Parameters
    ----------
    data : DataFrame.
    outcome : column of money, in the currency.
    treatment : column the estimator takes as ``treatment``; leave out for one that takes none.
    estimate : an estimator of the toolkit, such as :func:`impact.rct.ols`, called with ``outcome`` and ``treatment``.
    function : "asinh" or "log1p".
    units : how much of the currency makes one unit: 1 and 1,000 compare shillings with thousands of shillings.
    baseline : column of money before the programme for an estimator that takes one; it goes through the same function in
        the same unit.
    keywords : passed on to the estimator.

    Returns
    -------
    UnitDependentEffects
        Rows in the order of ``units``, role and caveat ``unit_dependent``; they have no per cent, and asking for their
        headline is refused. ``details`` holds 100·(exp(b) − 1), the 'per cent' such an effect is wrongly read as.

    Raises
    ------
    DataError
        For missing columns, text, and with log1p for negative amounts, with their rows.
    ValueError
        For another function, fewer than two units, or units that are not above zero or stand twice.

    Notes
    -----
    Estimand: the estimator's, of a function of the outcome; assumes what the estimator assumes, and answers no question by
    itself. Where the programme moves firms from zero to something, the average effect on a function that behaves like the
    logarithm takes any size as the unit changes (Chen & Roth 2024, Quarterly Journal of Economics 139); with no
    zeros and large amounts the rows agree. Reference case: worked by hand in tests/test_indicators.py.
    """
    if function not in FUNCTIONS:
        raise ValueError(f"function must be one of {listed(FUNCTIONS)}, not {function!r}")
    sizes = [float(u) for u in units]
    if len(set(sizes)) < 2 or len(set(sizes)) < len(sizes) or not all(np.isfinite(u) and u > 0 for u in sizes):
        raise ValueError("units must be two or more different numbers above 0")
    money = (outcome, *as_names(baseline))
    require_columns(data, outcome=outcome, treatment=treatment, baseline=baseline)
    check_columns(data, numbers=money)
    problems = [Problem(where=f"column '{name}'", cure="log(1 + y) needs zero or more; nothing is clipped.",
                        what=f"{len(below)} values are negative ({rows_text(below)})") for name in money
                if len(below := np.flatnonzero((data[name] < 0).to_numpy()) + 1)]
    if function == "log1p" and problems:
        raise DataError(problems, source="data")
    shown, apply = FUNCTIONS[function]
    made = {name: f"_{function}{'_baseline' if i else ''}" for i, name in enumerate(money)}
    keywords |= {key: value for key, value in (("treatment", treatment), ("baseline", made.get(str(baseline))))
                 if value is not None}
    found = [estimate(data.assign(**{new: apply(data[name] / size) for name, new in made.items()}), outcome=made[outcome],
                      **keywords).headline for size in sizes]
    told = "; ".join(f"{row.estimate:.3g} in units of {size:,.12g}" for row, size in zip(found, sizes, strict=True))
    caveat = Caveat(code=ROLE, text=f"The effect on {shown} depends on the currency unit: {told}. It is no per cent.",
                    values=tuple((f"unit {size:.12g}", row.estimate) for row, size in zip(found, sizes, strict=True)))
    return UnitDependentEffects(rows=tuple(
        _worded(row, outcome, shown, function, size, caveat) for row, size in zip(found, sizes, strict=True)))


def _worded(row: Estimate, outcome: str, shown: str, function: str, size: float, caveat: Caveat) -> Estimate:
    read = 100.0 * float(np.expm1(min(row.estimate, 700.0)))
    return replace(
        row, id=f"{outcome}/{function}/{size:.12g}", outcome=outcome, term=f"{function}, unit of {size:.12g}", role=ROLE,
        unit=f"points of {shown}, y in units of {size:,.12g}", transform="none", effect_pct=None,
        reasons=(*row.reasons, ("effect_pct", "an effect that depends on the currency unit is no per cent")),
        caveats=(*row.caveats, caveat), details=(*row.details, ("wrongly_read_as_per_cent", read)))

"""Several defensible numbers from one data set, side by side, each with the question it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from impact.data.frame import counted
from impact.errors import DataError, DesignError
from impact.results import Estimates

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("group_time_att", "imputation", "sun_abraham", "two_way_fixed_effects", "stacked", "two_by_two")
ROWS = ("group_time_att", "two_by_two")  # they can compare rows that are not paired
WHY = ("These numbers differ because they answer different questions: which units and periods count, and for how much. "
       "None is the right one for all purposes; the plan says beforehand which is the headline.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Estimates):
    """One row a method. ``left_out`` names methods that cannot be used on these data, and why."""

    left_out: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        logs = ", effects in log points" if self.rows[0].transform == "log" else ""
        lines = [f"{self.rows[0].outcome}: one data set, {counted(len(self.rows), 'question')}{logs}"]
        for row in self.rows:
            span = "no interval" if row.conf_low is None or row.conf_high is None else (
                f"{row.conf_level:.0%} {row.conf_low:.4g} to {row.conf_high:.4g}")
            mark = "   PROVISIONAL" if row.has_caveat("provisional") else ""
            lines += [f"  {row.method:24s} {row.estimate:10.4g}   {span}   n = {row.n}{mark}", f"      {row.question}"]
        lines += [f"  {name:24s} not estimated: {why}" for name, why in self.left_out]
        return "\n".join([*lines, WHY])

    __repr__ = __str__


def compare(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
            methods: Sequence[str] = METHODS, window: tuple[int, int] | None = None,
            periods: tuple[float, float] | None = None, control_group: str = "not_yet_treated",
            covariates: Sequence[str] = (), cluster: str | None = None, weights: str | None = None,
            unbalanced: str = "within_cell", transform: str = "none", conf_level: float = 0.95,
            seed: int = 0) -> Comparison:
    """Estimate by several methods and say what each number means.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, control_group, covariates, cluster, weights, unbalanced, transform,
    conf_level, seed
        As :func:`impact.did.group_time_att`; each method gets those it takes.
    methods : names of impact.did, in the order of printing; the first is row 0.
    window : horizons of ``stacked``. periods : the two periods of ``two_by_two``. Without them these two are left out.

    Returns
    -------
    Comparison
        One row a method; printing it shows effect, interval and question, and PROVISIONAL beside a number that compares
        with units already treated. A method that cannot be used is named with its reason.

    Raises
    ------
    ValueError
        For a name that is no method.
    DesignError
        When no method can be used.

    Notes
    -----
    Estimand and what each assumes: the method's own, named in its row.
    Reference case: each row is the method's own call (tests/test_again.py); five numbers on mpdta: −0.0365 (two-way
    fixed effects), −0.0477 (imputation), −0.0400 (group-time).
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ValueError(f"methods are {', '.join(METHODS)}, not {unknown[0]!r}")
    given: dict[str, Any] = {
        "outcome": outcome, "unit": unit, "time": time, "first_treated": first_treated, "window": window,
        "periods": periods,
        "control_group": control_group, "covariates": tuple(covariates) or None, "cluster": cluster, "weights": weights,
        "unbalanced": unbalanced, "transform": transform, "conf_level": conf_level, "seed": seed}
    family, rows, lost, errors = import_module("impact.did"), [], [], []
    for name in methods:
        function = getattr(family, name)
        taken = signature(function).parameters
        keywords = {key: value for key, value in given.items() if key in taken and value is not None}
        missing = [p.name for p in taken.values() if p.default is p.empty and p.name not in ("data", *keywords)]
        if missing or (name == "two_by_two" and periods is None):
            lost.append((name, f"{missing[0] if missing else 'periods'}= is not given"))
            continue
        if unbalanced == "repeated_cross_section" and name not in ROWS:
            lost.append((name, "it has a fixed effect for each unit, and cannot take rows that are not paired"))
            continue
        try:
            rows.append(function(data, **keywords).headline)
        except (DataError, DesignError) as error:
            lost.append((name, error.reason))
            errors.append(error)
    if not rows:
        if errors:
            raise errors[0]
        raise ValueError("none of these methods can be used with the keywords given")
    return Comparison(rows=tuple(rows), left_out=tuple(lost))

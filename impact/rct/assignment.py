"""What the draw implies for an estimate: shares by stratum, clusters that were drawn whole, comparison means."""

from __future__ import annotations

import math

import numpy as np

from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes


def shares_differ(treated: Array, strata: Codes) -> bool:
    """Whether the share offered the programme differs between strata by more than a hundredth.

    A draw of a fixed share rounds to whole units, so strata of a few units may differ by one unit and no more.
    """
    sizes = np.bincount(strata)
    offered = np.bincount(strata, weights=treated)
    overall = float(treated.mean())
    return bool((np.abs(offered - overall * sizes) > np.maximum(1.0, 0.01 * sizes)).any())


def check_assignment(treated: Array, clusters: Codes | None) -> None:
    """Refuse a comparison the draw cannot carry: one arm only, or clusters with both arms in them."""
    problems = []
    if treated.min(initial=1.0) == treated.max(initial=0.0) or len(treated) == 0:
        problems.append(Problem(
            where="treatment", what=f"all {len(treated)} units are {'treated' if treated.sum() else 'comparison'}"
            if len(treated) else "no unit has both a treatment and an outcome",
            cure="An effect needs units of both kinds with the outcome measured."))
    if clusters is not None and not problems:
        sizes = np.bincount(clusters)
        offered = np.bincount(clusters, weights=treated)
        mixed = int(((offered > 0) & (offered < sizes)).sum())
        if mixed:
            problems.append(Problem(
                where="cluster", what=f"{mixed} clusters hold both treated and comparison units",
                cure="Then treatment was not decided at this level: name the level at which it was drawn."))
        sides = [int((offered == sizes).sum()), int((offered == 0).sum())]
        if not mixed and min(sides) < 2:
            problems.append(Problem(
                where="cluster", what=f"{sides[0]} treated and {sides[1]} comparison clusters: two on each side are needed",
                cure="With one cluster on a side, its own luck cannot be told from the programme."))
    if problems:
        raise DesignError(problems, source="design")


def comparison_mean(outcome: Array, treated: Array, transform: str) -> tuple[float, float]:
    """Comparison mean and its standard error; for logs the geometric mean, in the outcome's own unit."""
    zero = outcome[treated == 0]
    mean = float(zero.mean())
    error = float(zero.std(ddof=1) / math.sqrt(len(zero))) if len(zero) > 1 else math.inf
    return (math.exp(mean), 0.0) if transform == "log" else (mean, error)

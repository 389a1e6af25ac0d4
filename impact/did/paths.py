"""Effects by periods since treatment as one path with its covariance, which what trends may do to it is read from."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from impact.did.honest import EventPath
from impact.did.opening import Mask
from impact.errors import DesignError, Problem
from impact.inference.linear import Array, Codes
from impact.results import Estimate, Estimates

PARAMETERS = ("first", "average")
NO_CURE = "Nothing in the data mends this: say so."


class Dynamic(Protocol):
    """Effects that can be averaged by periods since treatment, with their covariance."""

    def aggregate(self, kind: str) -> Estimates:
        """Average by kind; row 0 is the overall average."""
        ...

    def covariance(self, kind: str) -> Array:
        """Covariance of the components of :meth:`aggregate`."""
        ...


def event_path(effects: Dynamic, parameter: str = "average") -> tuple[EventPath, Estimate, Array]:
    """Coefficients around the reference period, the overall estimate, and the distances of the coefficients from it."""
    if not (hasattr(effects, "aggregate") and hasattr(effects, "covariance")):
        raise _refused("effects", "they carry no covariance by periods since treatment",
                       "Give the result of group_time_att with base_period='universal'.")
    if parameter not in PARAMETERS:
        raise ValueError(f"parameter must be one of {', '.join(PARAMETERS)}, not {parameter!r}")
    table, covariance = effects.aggregate("dynamic"), effects.covariance("dynamic")
    base, parts = table.headline, table.rows[1:]
    fixed = np.asarray(np.diag(covariance) <= 0)
    _need_errors(base, parts, fixed)
    horizon = np.array([float(row.horizon or "nan") for row in parts])
    value = np.array([row.estimate for row in parts])
    reference = np.flatnonzero(fixed & (horizon < 0) & (value == 0))
    if len(reference) != 1:
        raise _several_references(dict(getattr(effects, "headline", base).details).get("season"))
    start = float(horizon[reference[0]])
    seen = ~fixed & np.isfinite(value)
    before, after = np.flatnonzero(seen & (horizon < start)), np.flatnonzero(seen & (horizon > start))
    _need_steps(horizon, start, before, after)
    if np.linalg.matrix_rank(covariance[np.ix_(before, before)]) < len(before):
        raise _refused("cluster", f"{len(before)} earlier coefficients rest on fewer independent clusters or units than "
                       "that", "Too few clusters or units to say how far trends part.")
    effect = horizon[after] >= 0
    weights = effect / effect.sum() if parameter == "average" else (np.cumsum(effect) * effect == 1).astype(float)
    if parameter == "first":  # its own words, counts and counterfactual mean, beside what must be known of the rows
        base = replace(parts[after[int(np.argmax(weights))]], caveats=base.caveats)
    order = np.concatenate([before, after])
    path = EventPath(before=value[before], after=value[after], covariance=covariance[np.ix_(order, order)],
                     weights=np.asarray(weights, dtype=float))
    return path, base, horizon[order] - start


def _refused(where: str, what: str, cure: str) -> DesignError:
    return DesignError(Problem(where=where, what=what, cure=cure), source="design")


def _need_errors(base: Estimate, parts: tuple[Estimate, ...], fixed: Mask) -> None:
    """Refuse effects whose errors nobody can read: of too few clusters or units, or of one."""
    if base.has_caveat("few_clusters"):
        card = base.se_card
        sides = f"{card.clusters_treated} treated and {card.clusters_comparison} comparison" if card else "so few"
        raise _refused("cluster", f"{sides} clusters or units are too few to say how far trends part", NO_CURE)
    lone = [dict(row.reasons).get("std_error") for row, zero in zip(parts, fixed, strict=True) if not zero]
    if any(lone):
        raise _refused("cluster", str(next(filter(None, lone))), NO_CURE)


def _several_references(season: object) -> DesignError:
    """Say why coefficients that are not all compared with one period cannot be read as a path."""
    if season is None:
        return _refused("base_period", "earlier coefficients are not all compared with one reference period",
                        "Estimate again with base_period='universal'.")
    return _refused("season", f"with season={season} each season has a reference period of its own, and how far trends "
                    "part between neighbouring periods cannot be said", "Estimate once more without season=, with "
                    "base_period='universal'; what is said then speaks of that estimate, in which seasons are mixed.")


def _need_steps(horizon: Array, start: float, before: Codes, after: Codes) -> None:
    """Refuse a path with fewer than two earlier coefficients, none later, or steps of unlike length."""
    if len(before) < 2:
        had = len(before) + 1
        there = "is 1 period" if had == 1 else f"are {had} periods"
        raise _refused("time", f"there {there} before treatment, and three are needed to say how far trends "
                       "part", "Use more earlier periods.")
    if not len(after):
        raise _refused("time", "no coefficient after treatment is left", "Use more earlier periods.")
    steps = np.diff(np.sort(np.concatenate([horizon[before], [start], horizon[after]])))
    if not np.allclose(steps, steps[0], rtol=1e-6):
        raise _refused("time", "the coefficients are not evenly spaced, and what trends may do between neighbouring "
                       "periods cannot be compared", "Number the periods 1, 2, 3, or leave out those beyond the gap.")

"""Differences between comparisons that answer one question: their error, and whether the comparisons disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from impact.inference.intervals import Inference, infer
from impact.inference.linear import Array, Codes
from impact.inference.report import cluster_counts
from impact.matching.sample import MatchedEstimate
from impact.results import Caveat

Gap = tuple[str, str, float, float | None, float | None, float | None, bool]
NAMED = {"matched_did": "matched DiD", "plain_did": "plain DiD", "lagged_matching": "matching on the outcome before"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One of the three comparisons: the outcome it compares (n,), its weights and sets, and the matching behind it.

    ``x`` (n, p) are the covariates matched on, text as one column a word; none where all units are compared. ``clusters``
    (n,) are codes of those chosen together.
    """

    method: str
    y: Array
    weights: Array
    sets: Codes
    x: Array
    inference: Inference
    clusters: Codes | None = None
    matched: MatchedEstimate | None = None


def _scores(row: Row, d: Array) -> Array:
    """What each unit adds to the error of a weighted difference in means: (n,).

    Matching takes out what its distance explains: what is left is the outcome less its line, among the comparison units
    matched (weighted), in the log odds of the score, or in the covariates where the distance uses no score. An estimated
    score takes out more: what the scores of its logit explain of that (Abadie & Imbens 2016, Econometrica 84).
    """
    found = None if row.matched is None or row.matched.matched is None else row.matched.matched.score
    on = row.x if found is None else np.log(found / (1.0 - found))[:, None]
    zero = np.where(d == 0, row.weights, 0.0)
    left = _residual(row.y, np.column_stack([np.ones(len(d)), on]), np.sqrt(zero))
    out = np.zeros(len(d))
    for arm, sign in ((1.0, 1.0), (0.0, -1.0)):
        share = np.where(d == arm, row.weights, 0.0) / row.weights[d == arm].sum()
        out += sign * share * (left - share @ left)
    if found is None:
        return out
    return _residual(out, (d - found)[:, None] * np.column_stack([np.ones(len(d)), row.x]), np.ones(len(d)))


def _residual(y: Array, x: Array, root: Array) -> Array:
    """What a line in x (n, p), fitted with weights ``root``², leaves of y: (n,)."""
    out: Array = y - x @ np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    return out


def gap_between(one: Row, two: Row, d: Array, conf_level: float) -> Gap:
    """Difference of two rows with its error and interval, and whether they disagree."""
    first, second = _scores(one, d), _scores(two, d)
    if one.clusters is not None:
        codes = one.clusters
        first, second = (np.bincount(codes, weights=part).astype(float) for part in (first, second))
    size = float(np.sqrt((first @ first) * (second @ second)))
    together = float(first @ second) / size if size > 0 else 0.0
    a, b = (row.inference.std_error for row in (one, two))
    error = None if a is None or b is None else float(np.sqrt(max(a * a + b * b - 2 * together * a * b, 0.0)))
    count = min(_groups(row, d) for row in (one, two))
    gap = one.inference.estimate - two.inference.estimate
    found = (Inference(estimate=gap, conf_level=conf_level, reason="a comparison has no standard error") if error is None
             else infer(gap, error, max(count - 1, 1), conf_level))
    apart = found.conf_low is not None and found.conf_high is not None and not found.conf_low <= 0 <= found.conf_high
    clear = any(r.inference.conf_low is not None and r.inference.conf_high is not None
                and not r.inference.conf_low <= 0 <= r.inference.conf_high for r in (one, two))
    opposite = one.inference.estimate * two.inference.estimate < 0 and clear
    return (NAMED[one.method], NAMED[two.method], gap, found.std_error, found.conf_low, found.conf_high, apart or opposite)


def _groups(row: Row, d: Array) -> int:
    """How many independent groups a row rests on: its sets, or the fewer clusters of either side."""
    used = (row.weights > 0) & (row.sets >= 0)
    sides = () if row.clusters is None else cluster_counts(numbered(row.clusters[used]), d[used])[1:]
    return int(min((len(np.unique(row.sets[used])), *sides)))


def numbered(codes: Codes) -> Codes:
    """Number the codes that occur from 0."""
    return np.unique(codes, return_inverse=True)[1].ravel().astype(np.int64)


def disagreement(gaps: Sequence[Gap], conf_level: float) -> list[Caveat]:
    """Say which comparisons disagree, so that none is told alone."""
    wrong = [g for g in gaps if g[6]]
    if not wrong:
        return []
    parts = []
    for one, two, gap, _, low, high, _ in wrong:
        around = "" if low is None or high is None else f" ({conf_level:.0%} interval {figure(low)} to {figure(high)})"
        parts.append(f"{one} less {two} is {figure(gap)}{around}")
    said = "; ".join(parts)
    return [Caveat(code="methods_disagree", text="The comparisons disagree, and none of the numbers may be told alone: the "
                   f"data cannot say whose assumption holds. {said[:1].upper()}{said[1:]}.",
                   values=tuple((f"{g[0]} − {g[1]}", g[2]) for g in wrong))]


def figure(x: float) -> str:
    """Write a number to three digits."""
    return f"{x:.3g}".replace("-", "−")

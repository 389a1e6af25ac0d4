"""Where difference-in-differences holds and where it fails on firm panels: bias, coverage, size, tests of earlier trends.

``nice -n 15 python tests/test_did_simulation.py [WORD ...] [--methods METHOD ...]`` makes ``reference/did_simulation.csv``
again (cells whose name holds a word, or all: about 25 minutes of one core; all methods, or those whose name begins so, on
the same draws); ``pytest -m slow`` remakes part of it.

Firms start in two to four waves, half are never treated, eight years. Effects differ by wave (the first gains most), by
firm, and grow by half of the first year's effect each year. Shocks last (autocorrelation one half), in "heavy" cells with
Student's t of 3 degrees of freedom, as log sales have. Coverage: how often the 95 % interval holds the average effect on
the rows it speaks of. Rejection: how often 'no effect' is rejected at 5 %, on the same draws, when the programme is idle.
``passing``: how often the test of earlier trends finds nothing; ``bias_passing`` and ``coverage_passing`` hold for those
panels alone (Roth 2022).
"""

from __future__ import annotations

import argparse
import contextlib
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support_tables import REFERENCE, read_table, write_table

from impact.did import group_time_att, imputation, stacked, sun_abraham, two_way_fixed_effects
from impact.did.honest import relative_magnitudes_set, smoothness_set
from impact.did.paths import event_path
from impact.errors import DesignError
from impact.results import Check


def one_thread() -> contextlib.AbstractContextManager[object]:
    """Keep to one thread where threadpoolctl is installed."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1)


STORE = REFERENCE / "did_simulation.csv"
SEED = 20261203
FIELDS = ("cell", "method", "firms", "waves", "outcome", "variant", "replications", "refused", "truth", "bias",
          "bias_to_spread", "error_to_spread", "coverage", "rejection", "mc_error", "passing", "bias_passing",
          "coverage_passing", "flags", "verdict", "weak_because")
YEARS = np.arange(1, 9)
WAVES = {1: (5,), 2: (4, 6), 3: (4, 5, 6), 4: (3, 4, 5, 6)}
WINDOW = (-2, 2)
LASTING, SHOCK = 0.5, 0.5
SETS = ("sensitivity_relative_1", "sensitivity_straight_line")
DRAWS = 999  # of the law of the largest earlier difference
ROBUST = 200  # replications of the sets that allow for trends that part, which are slow
CAREFUL = 0.10  # a drift is called seen below this p
EARLY = "earlier trends rejected too often"
TOO_SURE = {"rejects too often", "covers too rarely"}
# what each caveat of an estimate warns its reader of
WARNED = {"provisional": {"biased", *TOO_SURE}, "small_cells": TOO_SURE, "small_cohorts": TOO_SURE,
          "few_clusters_large_sample": TOO_SURE, "thin_cells": TOO_SURE, "low_df": TOO_SURE,
          "wild_bootstrap": TOO_SURE, "few_clusters": {EARLY, *TOO_SURE}, "unbalanced": set(), "cells_missing": set(),
          "not_imputed": set(), "trimmed_cohorts": set()}


@dataclass(frozen=True)
class Cell:
    """One kind of panel.

    ``missing`` is a share of rows lost at random; ``exit`` how firms close ("unrelated" or "related" to the year's outcome,
    or "prevented" by the programme, which keeps open firms that would have closed in a bad year)
    and ``closed`` what then stands in the table ("row missing" or "zero"); ``drift`` what treated firms gain on the others
    each year, in shock deviations; ``districts`` in which all firms start together; ``shared`` the size of good and bad
    years that all firms share.
    """

    firms: int
    waves: int = 3
    outcome: str = "normal"
    replications: int = 500
    missing: float = 0.0
    exit: str = ""
    closed: str = ""
    drift: float = 0.0
    districts: int = 0
    shared: float = 0.0

    @property
    def variant(self) -> str:
        if self.districts:
            return f"{self.districts} districts"
        if self.exit:
            return f"exit {self.exit}, {self.closed}"
        if self.drift:
            return f"drift {self.drift:g}"
        if self.shared:
            return "good and bad years"
        return f"{self.missing:.0%} of rows missing" if self.missing else "complete"

    @property
    def name(self) -> str:
        return f"{self.variant}, {self.firms} firms, {self.waves} waves, {self.outcome}"


CELLS = {cell.name: cell for cell in [
    *(Cell(n, outcome=tails) for n in (42, 60, 150, 400) for tails in ("normal", "heavy")),
    *(Cell(150, waves) for waves in (2, 4)), Cell(150, shared=2.0),
    *(Cell(n, outcome="heavy", missing=0.1) for n in (42, 60, 150, 400)),
    *(Cell(150, exit=why, closed=how) for why in ("unrelated", "related", "prevented") for how in ("row missing", "zero")),
    *(Cell(150, drift=slope) for slope in (0.1, 0.2)), Cell(400, drift=0.1, replications=300),
    Cell(120, 2, districts=8), Cell(240, 2, districts=16, replications=300), Cell(600, 2, districts=40, replications=300),
]}


@dataclass(frozen=True)
class Firms:
    """Potential outcomes of one draw, (n, 8) without and with the programme; first treated year (infinity: never)."""

    first: np.ndarray
    district: np.ndarray
    without: np.ndarray
    treated: np.ndarray
    lost: np.ndarray


def effects_of(cell: Cell) -> np.ndarray:
    """Effect by wave and year: 0.5, … 0.3 in the first year of each wave, half as much more each year; zero before."""
    first = np.array(WAVES[cell.waves])
    base = np.linspace(0.5, 0.3, len(first)) * SHOCK
    since = YEARS[None, :] - first[:, None]
    return np.where(since >= 0, base[:, None] * (1 + 0.5 * since), 0.0)


def shocks(shape: tuple[int, int], rng: np.random.Generator, heavy: bool) -> np.ndarray:
    """Shocks that last, with the same spread in each year."""
    fresh = rng.standard_t(3, shape) / math.sqrt(3) if heavy else rng.normal(size=shape)
    out = np.empty(shape)
    out[:, 0] = fresh[:, 0]
    for t in range(1, shape[1]):
        out[:, t] = LASTING * out[:, t - 1] + math.sqrt(1 - LASTING**2) * fresh[:, t]
    return out * SHOCK


def draw(cell: Cell, rng: np.random.Generator, firms: int | None = None) -> Firms:
    """Draw firms; waves are of equal size, and without exit the treated are larger than the others."""
    n = firms or cell.firms
    groups = cell.districts or n
    first = np.repeat([np.inf, *map(float, WAVES[cell.waves])], [groups - cell.waves * (groups // 2 // cell.waves)] +
                      [groups // 2 // cell.waves] * cell.waves)
    district = np.repeat(np.arange(groups), n // groups)
    first = first[district]
    level = rng.normal(2.0, 1.0, n) + (0.0 if cell.exit else 0.5 * np.isfinite(first))
    without = level[:, None] + 0.05 * YEARS + shocks((n, 8), rng, cell.outcome == "heavy")
    if cell.districts:
        without = without + shocks((groups, 8), rng, False)[district]
    without = without + cell.drift * SHOCK * (YEARS - 1) * np.isfinite(first)[:, None]
    if cell.shared:
        without = without + cell.shared * SHOCK * rng.normal(size=8)
    wave = np.searchsorted(WAVES[cell.waves], first)
    gain = np.vstack([effects_of(cell), np.zeros(8)])[wave] * (1 + 0.5 * rng.normal(size=(n, 1)))
    luck = rng.random((n, 8))
    paths = [without, without + gain]
    kept_open = 3 * gain if cell.exit == "prevented" else 0 * gain
    gone = [closed(path - level[:, None] + help_, luck, cell.exit)
            for path, help_ in zip(paths, (0 * gain, kept_open), strict=True)]
    if cell.closed == "zero":
        paths = [np.where(out, 0.0, path) for path, out in zip(paths, gone, strict=True)]
        gone = [np.zeros((n, 8), dtype=bool)] * 2
    absent = rng.random((n, 8)) < cell.missing
    return Firms(first, district, paths[0], paths[1], np.array([absent | out for out in gone]))


def closed(fall: np.ndarray, luck: np.ndarray, why: str) -> np.ndarray:
    """Whether a firm has closed by each year: 5 % a year, or in a year far below its usual level, never reported."""
    if not why:
        return np.zeros(fall.shape, dtype=bool)
    chance = np.full(fall.shape, 0.05) if why == "unrelated" else 1 / (1 + np.exp(4.0 + 5.0 * fall))
    chance[:, 0] = 0.0
    return np.logical_or.accumulate(luck < chance, axis=1)


def table(firms: Firms, on: bool) -> pd.DataFrame:
    """The table an evaluator has, with the programme working or doing nothing."""
    n = len(firms.first)
    first = np.where(np.isfinite(firms.first), firms.first, np.nan)
    data = pd.DataFrame({"firm": np.repeat(np.arange(n), 8), "year": np.tile(YEARS, n), "first": np.repeat(first, 8),
                         "district": np.repeat(firms.district, 8), "y": (firms.treated if on else firms.without).ravel()})
    return data[~firms.lost[int(on)].ravel()].reset_index(drop=True)


@cache
def true_cells(name: str) -> np.ndarray:
    """Average effect by wave and year: as built in, or, where closures count as zero, from 400,000 firms."""
    cell = CELLS[name]
    if cell.closed != "zero":
        return effects_of(cell)
    big = draw(cell, np.random.default_rng(SEED), 400_000)
    gap = big.treated - big.without
    return np.array([gap[big.first == g].mean(axis=0) for g in WAVES[cell.waves]])


def truth_of(cell: Cell, firms: Firms, method: str) -> float:
    """The average effect on the rows a method speaks of; group-time effects weigh waves by their firms."""
    first = np.array(WAVES[cell.waves])
    effect, since = true_cells(cell.name), YEARS[None, :] - first[:, None]
    seen = np.array([(~firms.lost[1][firms.first == g]).sum(axis=0) for g in first]).astype(float)
    if method.startswith("group_time"):
        seen = np.ones_like(seen)
    if method == "stacked":
        inside = first[:, None] + WINDOW[1] <= YEARS[-1]
        parts = [np.where((since == h) & inside, seen, 0.0) for h in range(WINDOW[1] + 1)]
        return float(np.mean([(p * effect).sum() / p.sum() for p in parts]))
    if method.startswith("sensitivity"):
        return float(np.mean([effect[since == h].mean() for h in range(int(since.max()) + 1)]))
    return float((seen * effect)[since >= 0].sum() / seen[since >= 0].sum())


NAMES = {"outcome": "y", "unit": "firm", "time": "year", "first_treated": "first"}
Found = tuple[Any, bool | None]  # an estimate, and whether the test of earlier trends found nothing
Method = Callable[..., Found]


def by_groups(data: pd.DataFrame, cluster: str | None, test: bool, unbalanced: str) -> Found:
    found = group_time_att(data, **NAMES, cluster=cluster, unbalanced=unbalanced, draws=DRAWS if test else 1)
    return found.headline, quiet(found.pretrend) if test else None


def quiet(check: Check) -> bool | None:
    """Whether earlier trends were examined and no drift seen; None where they could not be examined."""
    return None if check.verdict == "not_applicable" else check.verdict == "pass"


def by_imputation(data: pd.DataFrame, cluster: str | None, test: bool) -> Found:
    found = imputation(data, **NAMES, cluster=cluster, leads=None if test else 0)
    return found.headline, quiet(found.pretrend) if test else None


METHODS: dict[str, Method] = {
    "two_way_fixed_effects": lambda t, c, _: (two_way_fixed_effects(t, **NAMES, cluster=c), None),
    "two_way_cr2": lambda t, c, _: (two_way_fixed_effects(t, **NAMES, cluster=c, vcov="CR2"), None),
    "group_time_within_cell": partial(by_groups, unbalanced="within_cell"),
    "group_time_balanced": partial(by_groups, unbalanced="balanced"),
    "group_time_cross_section": partial(by_groups, unbalanced="repeated_cross_section"),
    "imputation": by_imputation,
    "imputation_leave_out": lambda t, c, _: (imputation(t, **NAMES, cluster=c, leads=0, leave_out=True).headline, None),
    "sun_abraham": lambda t, c, _: (sun_abraham(t, **NAMES, cluster=c).headline, None),
    "stacked": lambda t, c, _: (stacked(t, **NAMES, cluster=c, window=WINDOW).headline, None),
}


def methods_for(cell: Cell) -> list[str]:
    gaps = cell.missing or cell.closed == "row missing"
    left_out = {"group_time_balanced", "group_time_cross_section"} if not gaps else set()
    if not cell.districts:
        left_out.add("two_way_cr2")
    return [m for m in METHODS if m not in left_out]


class Tally:
    """What one method answered over the replications."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self.errors: list[float] = []
        self.truths: list[float] = []
        self.held: list[bool] = []
        self.rejected: list[bool] = []
        self.passed: list[bool | None] = []  # None: earlier trends could not be examined
        self.flags: dict[str, int] = {}
        self.refused = 0

    def add(self, found: Any, nothing: Any, truth: float, passed: bool | None) -> None:
        self.gaps.append(found.estimate - truth)
        self.truths.append(truth)
        self.errors.append(found.std_error)
        self.held.append(found.conf_low <= truth <= found.conf_high)
        self.rejected.append(nothing.excludes_zero)
        self.passed.append(passed)
        for code in {c.code for c in found.caveats}:
            self.flags[code] = self.flags.get(code, 0) + 1

    def row(self, cell: Cell, method: str) -> dict[str, str]:
        n, gaps, passed = len(self.gaps), np.array(self.gaps), np.array([p is True for p in self.passed])
        examined = sum(p is not None for p in self.passed)
        spread = float(gaps.std(ddof=1))
        out = {"cell": cell.name, "method": method, "firms": cell.firms, "waves": cell.waves, "outcome": cell.outcome,
               "variant": cell.variant, "replications": n + self.refused, "refused": self.refused,
               "truth": f"{np.mean(self.truths):.3f}", "bias": f"{gaps.mean():.3f}",
               "bias_to_spread": f"{gaps.mean() / spread:.2f}",
               "error_to_spread": f"{np.mean(self.errors) / spread:.2f}", "coverage": f"{np.mean(self.held):.3f}",
               "rejection": f"{np.mean(self.rejected):.3f}", "mc_error": f"{math.sqrt(0.05 * 0.95 / n):.4f}",
               "passing": "", "bias_passing": "", "coverage_passing": "",
               "flags": " ".join(sorted(c for c, k in self.flags.items() if k >= 0.9 * n and c in WARNED))}
        if examined > n / 2:
            out["passing"] = f"{passed.sum() / examined:.3f}"
            if passed.sum() >= 30:
                out |= {"bias_passing": f"{gaps[passed].mean():.3f}",
                        "coverage_passing": f"{np.array(self.held)[passed].mean():.3f}"}
        return with_verdict({k: str(v) for k, v in out.items()})


def simulate(name: str, wanted: Sequence[str] = ("",)) -> list[dict[str, str]]:
    """Run one cell: every method (whose name begins so) on the same draws, with the programme working and doing nothing."""
    with one_thread():  # matrices are small: threads would wait for each other
        return _simulate(name, tuple(wanted))


def _simulate(name: str, wanted: tuple[str, ...]) -> list[dict[str, str]]:
    cell, rng = CELLS[name], np.random.default_rng([SEED, zlib.crc32(name.encode())])
    cluster = "district" if cell.districts else None
    tallies = {method: Tally() for method in methods_for(cell) if method.startswith(wanted)}
    sets = {kind: [] for kind in SETS if kind.startswith(wanted)} if cell.drift else {}
    for run in range(cell.replications):
        firms = draw(cell, rng)
        with_it, without = table(firms, True), table(firms, False)
        for method, tally in tallies.items():
            try:
                found, passed = METHODS[method](with_it, cluster, True)
                nothing, _passed = METHODS[method](without, cluster, False)
            except DesignError:
                tally.refused += 1
                continue
            tally.add(found, nothing, truth_of(cell, firms, method), passed)
        if sets and run < ROBUST:
            for kind, row in zip(SETS, robust(cell, firms, with_it, without), strict=True):
                sets[kind].append(row)
    return [*(tally.row(cell, method) for method, tally in tallies.items()),
            *(robust_row(cell, kind, rows) for kind, rows in sets.items())]


def robust(cell: Cell, firms: Firms, with_it: pd.DataFrame, without: pd.DataFrame) -> list[tuple[bool, bool]]:
    """Sets that allow for trends that part: whether they hold the truth, and leave out zero where there is no effect."""
    truth = truth_of(cell, firms, "sensitivity")
    paths = [event_path(group_time_att(t, **NAMES, base_period="universal", draws=1))[0] for t in (with_it, without)]
    out = []
    for find in (partial(relative_magnitudes_set, bound=1.0), partial(smoothness_set, bound=0.0)):
        (low, high), (null_low, null_high) = (find(path) for path in paths)
        out.append(((low is None or low <= truth) and (high is None or truth <= high),
                    (null_low is not None and null_low > 0) or (null_high is not None and null_high < 0)))
    return out


def robust_row(cell: Cell, kind: str, rows: list[tuple[bool, bool]]) -> dict[str, str]:
    held, rejected = (np.array(x) for x in zip(*rows, strict=True))
    out = {"cell": cell.name, "method": kind, "firms": cell.firms, "waves": cell.waves, "outcome": cell.outcome,
           "variant": cell.variant, "replications": len(rows), "refused": 0,
           "truth": f"{truth_of(cell, draw(cell, np.random.default_rng(1)), 'sensitivity'):.3f}",
           "bias": "", "bias_to_spread": "", "error_to_spread": "", "coverage": f"{held.mean():.3f}",
           "rejection": f"{rejected.mean():.3f}", "mc_error": f"{math.sqrt(0.05 * 0.95 / len(rows)):.4f}", "passing": "",
           "bias_passing": "", "coverage_passing": "", "flags": "trends_may_part"}
    return with_verdict({k: str(v) for k, v in out.items()})


def verdict(row: dict[str, str]) -> str:
    """Name a line: within 2 points (and two Monte-Carlo errors) of what is promised, or how it fails.

    Biased: by more than a quarter of the estimates' spread, and two Monte-Carlo errors of the mean.
    """
    error, coverage, rejection = (float(row[k]) for k in ("mc_error", "coverage", "rejection"))
    room, words = 0.02 + 2 * error, []
    replications = int(row["replications"]) - int(row["refused"])
    if row["bias_to_spread"] and abs(float(row["bias_to_spread"])) > 0.25 + 2 / math.sqrt(replications):
        words.append("biased")
    if rejection > 0.05 + room:
        words.append("rejects too often")
    if coverage < 0.95 - room:
        words.append("covers too rarely")
    if row["passing"] and not row["variant"].startswith("drift"):
        promised = 1 - CAREFUL
        if float(row["passing"]) < promised - 0.02 - 2 * math.sqrt(promised * (1 - promised) / replications):
            words.append(EARLY)
    if rejection < 0.02 and coverage > 0.975:
        words.append("cautious")
    return ", ".join(words) or "holds"


def with_verdict(row: dict[str, str]) -> dict[str, str]:
    words = verdict(row)
    return row | {"verdict": words, "weak_because": "" if words == "holds" else weak_because(row, words)}


def weak_because(row: dict[str, str], words: str) -> str:
    """Say why a line fails where no caveat of the estimate itself says so."""
    warned = set().union(*(WARNED.get(code, set()) for code in row["flags"].split()))
    if row["method"].startswith("sensitivity") and words != "cautious":
        return "its covariance is taken as known, and comes from few firms in each wave"
    if words == "cautious":
        return ("its errors count good and bad years that all firms share" if row["method"] == "stacked" and
                row["variant"].startswith("good and bad") else "")
    if row["variant"].startswith("drift"):
        return "trends are not parallel; hidden_drift and sensitivity say what that may do, and the interval cannot"
    reasons = []
    for word in words.split(", "):
        if word in warned or word == "cautious":
            continue
        if word == EARLY:
            reasons.append("few firms or clusters in each wave")
        elif "exit" in row["variant"] and "row missing" in row["variant"]:
            reasons.append("the programme keeps open firms that close elsewhere: closures verified belong in as zeros")
        elif row["method"].startswith(("group", "imputation")):
            reasons.append("errors without small-sample factor, few treated firms or clusters in each wave")
        else:
            reasons.append("few treated firms or clusters in each wave and year")
    return "; ".join(dict.fromkeys(reasons))


def stored() -> list[dict[str, str]]:
    return read_table(STORE)


def lines(variant: str = "", method: str = "", **wanted: object) -> list[dict[str, str]]:
    """Stored lines whose variant and method begin so, and whose other fields are as wanted."""
    return [r for r in stored() if r["variant"].startswith(variant) and r["method"].startswith(method) and
            all(r[k] == str(v) for k, v in wanted.items())]


ROBUST_TO_STAGGERING = ("group_time", "imputation", "sun_abraham", "stacked")


def test_every_cell_has_its_lines_and_every_line_its_cell():
    expected = [(name, method) for name, cell in CELLS.items() for method in (
        *methods_for(cell), *(SETS if cell.drift else ()))]
    assert [(r["cell"], r["method"]) for r in stored()] == expected
    assert all(int(r["replications"]) == (ROBUST if r["method"].startswith("sens") else CELLS[r["cell"]].replications)
               for r in stored())


def test_each_verdict_follows_from_its_numbers():
    for row in stored():
        assert with_verdict(row) == row, (row["cell"], row["method"])


def test_what_fails_is_flagged_by_a_caveat_or_named_as_weak():
    for row in stored():
        warned = set().union(*(WARNED.get(code, set()) for code in row["flags"].split()))
        open_words = set(row["verdict"].split(", ")) - warned - {"holds", "cautious"}
        assert not open_words or row["weak_because"], (row["cell"], row["method"], open_words)


def test_two_way_fixed_effects_are_off_when_effects_grow_and_say_so():
    found = [r for r in lines(method="two_way_fixed_effects") if r["variant"] in ("complete", "10% of rows missing")]
    assert found
    for row in found:
        assert float(row["bias"]) < -0.05
        assert "biased" in row["verdict"]
        assert "provisional" in row["flags"]


@pytest.mark.parametrize("method", ROBUST_TO_STAGGERING)
def test_the_others_are_not_and_keep_their_coverage(method):
    for row in (*lines("complete", method), *lines("10%", method), *lines("exit unrelated", method)):
        assert "biased" not in row["verdict"]
        if int(row["firms"]) >= 150:
            assert not TOO_SURE & set(row["verdict"].split(", ")), row


def test_passing_a_test_of_earlier_trends_is_no_proof_and_allowing_for_drift_is():
    for method in ("group_time", "imputation"):
        row = lines("drift 0.1", method, firms=150)[0]  # leave-out errors have the same test of earlier trends
        assert float(row["passing"]) > 0.5  # the test seldom sees the drift
        assert float(row["coverage"]) < 0.8
        assert float(row["coverage_passing"]) < 0.8
        # more power with a larger drift, and with more firms
        assert float(lines("drift 0.2", method)[0]["passing"]) < float(row["passing"])
        assert float(lines("drift 0.1", method, firms=400)[0]["passing"]) < float(row["passing"])
    assert all(not TOO_SURE & set(row["verdict"].split(", ")) for row in lines("drift", "sensitivity_relative"))
    assert all(float(row["coverage"]) > 0.85 for row in lines("drift", "sensitivity_straight"))


def test_verified_closures_count_as_zero_where_the_programme_keeps_firms_open():
    room = 3 / math.sqrt(500)  # Monte-Carlo errors of the mean
    for method in ROBUST_TO_STAGGERING:
        zero, missing = lines("exit prevented, zero", method)[0], lines("exit prevented, row missing", method)[0]
        assert float(missing["bias_to_spread"]) < -room
        assert abs(float(zero["bias_to_spread"])) < room


def test_few_districts_are_flagged_and_their_errors_are_too_small():
    few = lines("8 districts")
    assert few
    assert all("few_clusters" in row["flags"] for row in few)
    assert "covers too rarely" in lines("8 districts", "imputation")[0]["verdict"]
    assert not TOO_SURE & set(lines("40 districts", "group_time")[0]["verdict"].split(", "))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, c in CELLS.items() if c.firms <= 120 and not c.missing])
def test_a_cell_is_made_again(name):
    assert simulate(name) == [row for row in stored() if row["cell"] == name]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--methods", nargs="+", default=[""])
    asked = parser.parse_args()
    old = {(line["cell"], line["method"]): line for line in (stored() if STORE.exists() else [])}
    for wanted_cell in [name for name in CELLS if not asked.words or any(word in name for word in asked.words)]:
        for made in simulate(wanted_cell, asked.methods):
            print({k: v for k, v in made.items() if v and k not in ("firms", "waves", "outcome", "variant")}, flush=True)
            old[wanted_cell, made["method"]] = made
        write_table(STORE, FIELDS, (with_verdict(old[name, method]) for name in CELLS for method in (*METHODS, *SETS)
                                    if (name, method) in old))

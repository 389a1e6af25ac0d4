"""Size and coverage of the errors this toolkit prints, by simulation; the results are kept in reference/simulation.json.

Make them again with ``python tests/test_simulation.py``; ``pytest -m slow`` runs every cell and compares.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from impact.did import two_by_two, two_way_fixed_effects
from impact.matching import nearest_neighbour
from impact.rct import ancova, difference_in_means
from impact.results import Estimate

STORE = Path(__file__).parent / "reference" / "simulation.json"
LEVEL = 0.95
NEAR = 0.015  # a cell is sound when coverage is this near to 0.95, give or take two Monte-Carlo errors
SMALL = 0.25  # and when the bias is smaller than this share of the estimates' spread
SEED = 20240501


@dataclass(frozen=True)
class Cell:
    """One design: how a sample is drawn, how it is estimated, the true effect, and the caveat a weak cell must carry."""

    what: str
    draw: Callable[[np.random.Generator], pd.DataFrame]
    estimate: Callable[[pd.DataFrame], Estimate]
    truth: float
    replications: int
    weak: str = ""


def two_arms(n1: int, n0: int, spread1: float = 1.0, skewed: bool = False) -> Callable[[np.random.Generator], pd.DataFrame]:
    def draw(rng: np.random.Generator) -> pd.DataFrame:
        noise = rng.lognormal(size=n1 + n0) - math.exp(0.5) if skewed else rng.normal(size=n1 + n0)
        d = np.repeat([1.0, 0.0], [n1, n0])
        return pd.DataFrame({"d": d, "y": 2.0 * d + noise * np.where(d == 1, spread1, 1.0)})
    return draw


def markets(treated: int, others: int, sizes: tuple[int, ...], share: float = 0.2) -> Callable[
        [np.random.Generator], pd.DataFrame]:
    """Markets drawn whole; ``share`` is the intra-cluster correlation; a baseline explains part of the outcome."""
    def draw(rng: np.random.Generator) -> pd.DataFrame:
        count = treated + others
        size = np.resize(sizes, count)
        market = np.repeat(np.arange(count), size)
        d = np.repeat(rng.permutation(np.repeat([1.0, 0.0], [treated, others])), size)
        n = len(market)
        common = rng.normal(0, math.sqrt(share), count)[market]
        before = rng.normal(size=n) + common
        y = 0.5 * d + 0.6 * before + common + rng.normal(0, math.sqrt(1 - share), n)
        return pd.DataFrame({"market": market, "d": d, "before": before, "y": y})
    return draw


def firms_over_years(treated: int, others: int, years: int = 6, memory: float = 0.6) -> Callable[
        [np.random.Generator], pd.DataFrame]:
    """Firms whose shocks fade slowly; treatment starts half-way."""
    def draw(rng: np.random.Generator) -> pd.DataFrame:
        n, start = treated + others, years // 2 + 1
        shocks = rng.normal(size=(n, years))
        noise = np.empty((n, years))
        noise[:, 0] = shocks[:, 0] / math.sqrt(1 - memory**2)
        for t in range(1, years):
            noise[:, t] = memory * noise[:, t - 1] + shocks[:, t]
        first = np.where(np.arange(n) < treated, float(start), np.nan)
        firm, year = np.repeat(np.arange(n), years), np.tile(np.arange(1, years + 1), n)
        on = (year >= np.nan_to_num(first, nan=np.inf)[firm]) * 1.0
        y = rng.normal(0, 2, n)[firm] + 0.3 * year + 1.0 * on + noise.ravel()
        return pd.DataFrame({"firm": firm, "year": year, "first": first[firm], "y": y})
    return draw


def volunteers(n: int) -> Callable[[np.random.Generator], pd.DataFrame]:
    """Participation depends on two traits that also drive the outcome; the effect is 1 for everybody."""
    def draw(rng: np.random.Generator) -> pd.DataFrame:
        x = rng.normal(size=(n, 2))
        d = (rng.uniform(size=n) < 1 / (1 + np.exp(1.0 - 0.5 * x[:, 0] - 0.5 * x[:, 1]))) * 1.0
        y = d + x[:, 0] + 0.5 * x[:, 1] + rng.normal(size=n)
        return pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "d": d, "y": y})
    return draw


def welch(data: pd.DataFrame) -> Estimate:
    return difference_in_means(data, outcome="y", treatment="d")


def by_market(data: pd.DataFrame) -> Estimate:
    return ancova(data, outcome="y", treatment="d", baseline="before", cluster="market", vcov="CR2")


def redrawn(data: pd.DataFrame) -> Estimate:
    return ancova(data, outcome="y", treatment="d", baseline="before", cluster="market")


def effects(data: pd.DataFrame) -> Estimate:
    return two_way_fixed_effects(data, outcome="y", unit="firm", time="year", first_treated="first")


def changes(data: pd.DataFrame) -> Estimate:
    return two_by_two(data, outcome="y", unit="firm", time="year", first_treated="first", periods=[3, 4])


def neighbours(**options: object) -> Callable[[pd.DataFrame], Estimate]:
    def estimate(data: pd.DataFrame) -> Estimate:
        return nearest_neighbour(data, outcome="y", treatment="d", covariates=["x1", "x2"], **options)
    return estimate


REPLACE = {"distance": "standardised_euclidean", "replace": True}
CELLS = {
    "welch_20_20": Cell("20 and 20 firms, normal", two_arms(20, 20), welch, 2.0, 10_000),
    "welch_10_40_unequal": Cell("10 treated firms with three times the spread, 40 others", two_arms(10, 40, 3.0), welch,
                                2.0, 10_000),
    "welch_30_30_skewed": Cell("30 and 30 firms, lognormal", two_arms(30, 30, skewed=True), welch, 2.0, 10_000),
    "welch_10_100_skewed": Cell("10 treated and 100 other firms, lognormal", two_arms(10, 100, skewed=True), welch, 2.0,
                                10_000, weak="not detected by a caveat: a skewed outcome and few treated"),
    "ancova_cr2_12": Cell("12 markets of 10, half drawn", markets(6, 6, (10,)), by_market, 0.5, 10_000),
    "ancova_cr2_12_uneven": Cell("12 markets of 4 to 40, half drawn", markets(6, 6, (4, 8, 12, 40)), by_market, 0.5,
                                 10_000),
    "ancova_cr2_4_of_20": Cell("4 of 20 markets of 10 drawn", markets(4, 16, (10,)), by_market, 0.5, 10_000),
    "ancova_cr2_2_of_12": Cell("2 of 12 markets of 10 drawn", markets(2, 10, (10,)), by_market, 0.5, 10_000,
                               weak="few_clusters"),
    "ancova_redrawn_2_of_12": Cell("2 of 12 markets of 10 drawn, by drawing the lots again", markets(2, 10, (10,)), redrawn,
                                   0.5, 600),
    "twfe_cr1s_20_20": Cell("20 treated and 20 other firms, six years, autocorrelated", firms_over_years(20, 20), effects,
                            1.0, 4_000),
    "twfe_cr1s_8_8": Cell("8 treated and 8 other firms, six years, autocorrelated", firms_over_years(8, 8), effects, 1.0,
                          4_000),
    "twfe_cr1s_4_30": Cell("4 treated and 30 other firms, six years, autocorrelated", firms_over_years(4, 30), effects, 1.0,
                           4_000, weak="few_clusters"),
    "two_by_two_8_30": Cell("8 treated and 30 other firms, two years", firms_over_years(8, 30), changes, 1.0, 4_000),
    "matching_att_200": Cell("200 firms, ATT, two traits, bias adjusted", volunteers(200), neighbours(**REPLACE), 1.0,
                             2_000),
    "matching_att_200_four": Cell("200 firms, ATT, four neighbours, bias adjusted", volunteers(200),
                                  neighbours(**REPLACE, neighbours=4), 1.0, 2_000),
    "matching_ate_300": Cell("300 firms, ATE, two traits, bias adjusted", volunteers(300),
                             neighbours(**REPLACE, estimand="ate"), 1.0, 2_000),
    "matching_score_300": Cell("300 firms, ATT, propensity score with replacement, no adjustment", volunteers(300),
                               neighbours(replace=True, bias_adjustment=False), 1.0, 2_000),
    "matching_pairs_200": Cell("200 firms, ATT, pairs without replacement, bias adjusted", volunteers(200), neighbours(),
                               1.0, 2_000),
    "matching_pairs_200_plain": Cell("200 firms, ATT, pairs without replacement, no adjustment", volunteers(200),
                                     neighbours(bias_adjustment=False), 1.0, 2_000, weak="not_bias_adjusted"),
}


def simulate(name: str) -> dict[str, object]:
    """Run one cell: coverage of the true effect, size of the test of it, and how the error compares to the spread."""
    cell = CELLS[name]
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    found, errors, covered, codes = [], [], 0, set()
    for _ in range(cell.replications):
        e = cell.estimate(cell.draw(rng))
        found.append(e.estimate)
        errors.append(e.std_error)
        covered += any((s.low is None or s.low <= cell.truth) and (s.high is None or cell.truth <= s.high)
                       for s in e.interval)
        codes |= {c.code for c in e.caveats}
    coverage, spread = covered / cell.replications, float(np.std(found, ddof=1))
    return {
        "what": cell.what, "replications": cell.replications, "coverage": round(coverage, 4),
        "size": round(1 - coverage, 4), "mc_error": round(math.sqrt(LEVEL * (1 - LEVEL) / cell.replications), 4),
        "bias_to_spread": round((float(np.mean(found)) - cell.truth) / spread, 3),
        "error_to_spread": round(float(np.mean(errors)) / spread, 3), "caveats": sorted(codes), "weak": cell.weak}


def sound(result: dict[str, object]) -> bool:
    return abs(result["coverage"] - LEVEL) <= NEAR + 2 * result["mc_error"] and abs(result["bias_to_spread"]) <= SMALL


def kept() -> dict[str, dict[str, object]]:
    return json.loads(STORE.read_text(encoding="utf-8"))["cells"]


def test_every_cell_has_its_committed_result():
    assert set(kept()) == set(CELLS)
    for name, result in kept().items():
        assert (result["what"], result["replications"]) == (CELLS[name].what, CELLS[name].replications), name


def test_every_weak_cell_is_named_as_weak_and_no_sound_one_is():
    for name, result in kept().items():
        assert sound(result) == (not CELLS[name].weak), name


def test_a_weak_cell_carries_its_caveat_or_says_that_none_sees_it():
    for name, result in kept().items():
        weak = CELLS[name].weak
        assert not weak or weak in result["caveats"] or "not detected" in weak, name


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_size_and_coverage_are_as_committed(name):
    made, before = simulate(name), kept()[name]
    print(f"\n{name}: coverage {made['coverage']:.4f}, size {made['size']:.4f} (Monte-Carlo error {made['mc_error']:.4f})")
    assert made["coverage"] == pytest.approx(before["coverage"], abs=3 * before["mc_error"])
    assert made["caveats"] == before["caveats"]


def write() -> None:
    """Run every cell and keep the results."""
    head = ("Coverage of 95 per cent intervals at the true effect, and size of the two-sided test of the true effect at "
            "5 per cent (one less the coverage). mc_error is the Monte-Carlo error at 0.95; bias and the mean standard "
            "error are shares of the estimates' spread.")
    with ProcessPoolExecutor() as workers:
        cells = dict(zip(CELLS, workers.map(simulate, CELLS), strict=True))
    content = {"about": head, "seed": SEED, "cells": cells}
    STORE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()

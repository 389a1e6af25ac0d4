"""Speed and memory of matching, each as a ratio to a named peer in the same run.

Run with ``pytest -m benchmark -s tests/benchmarks``; nothing here asserts seconds or ratios, it prints them. What is
asserted is that the pairs are those of the peer.
"""

import shutil
import subprocess
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from impact.matching import nearest_neighbour
from impact.matching.neighbours import TIE, greedy_pairs, nearest
from impact.matching.pairs import full_matching, optimal_pairs

pytestmark = pytest.mark.benchmark


def places(controls: int, treated: int, traits: int):
    """Comparison and treated units, these somewhat apart."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(controls, traits)), rng.normal(size=(treated, traits)) + 0.25


def clocked(task):
    start = time.perf_counter()
    out = task()
    return out, time.perf_counter() - start


def ruler(focal, donors, order):
    """Greedy pairs by measuring every free donor each time: O(n²), equal distances to the first in the data."""
    free, out = np.ones(len(donors), dtype=bool), []
    for i in order:
        gap = np.where(free, np.abs(donors[:, 0] - focal[i, 0]), np.inf)
        j = int(np.flatnonzero(gap <= gap.min() + TIE)[0])
        free[j] = False
        out.append((int(i), j))
    return out


def matchit(n: int) -> str:
    """R MatchIt on the same task, where it is there."""
    if shutil.which("Rscript") is None:
        return "R MatchIt: not present"
    script = (f"if (!requireNamespace('MatchIt', quietly = TRUE)) {{ cat('not present') }} else {{ set.seed(1); n <- {n}; "
              "d <- data.frame(d = rep(0:1, c(n, n / 10)), x = rnorm(n + n / 10)); "
              "cat(system.time(MatchIt::matchit(d ~ x, d))[['elapsed']], 's') }")
    done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=False)
    return f"R MatchIt: {done.stdout.strip() or 'failed'}"


@pytest.mark.parametrize("rounded", [None, 2], ids=["continuous", "tied"])
def test_greedy_pairs_on_a_score_against_measuring_every_one(rounded):
    donors, focal = (x if rounded is None else x.round(rounded) for x in places(100_000, 10_000, 1))
    order = np.argsort(-focal[:, 0], kind="stable")
    found, ours = clocked(lambda: greedy_pairs(focal, donors, order, 1))
    few = 1_000
    pairs, part = clocked(lambda: ruler(focal, donors, order[:few]))
    table = found.weights.tocoo()
    mine = dict(zip(table.row.tolist(), table.col.tolist(), strict=True))
    assert all(mine[i] == j for i, j in pairs)
    theirs = part * len(focal) / few
    print(f"\n10,000 treated, 100,000 others, no replacement ({'ties' if rounded else 'no ties'}): {ours:.2f} s; measuring "
          f"every one (numpy, {few:,} scaled up): {theirs:.0f} s; ratio {theirs / ours:.0f}; {matchit(100_000)}")


def test_the_whole_call_on_a_score():
    donors, focal = places(100_000, 10_000, 6)
    data = pd.DataFrame(np.vstack([donors, focal]), columns=[*"abcefg"]).assign(
        d=np.repeat([0, 1], [100_000, 10_000]), y=np.random.default_rng(2).normal(size=110_000))
    for options in ({}, {"replace": True}):
        e, ours = clocked(lambda options=options: nearest_neighbour(data, outcome="y", treatment="d",
                                                                    covariates=[*"abcefg"], **options))
        print(f"\n110,000 rows, score, match and error {options}: {ours:.1f} s ({e.n_treated:,} treated matched)")


def test_mahalanobis_with_replacement_on_a_million_controls_in_bounded_memory():
    donors, focal = places(1_000_000, 20_000, 6)
    tracemalloc.start()
    found, ours = clocked(lambda: nearest(focal, donors, 1))
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    few = 100
    squares = (donors**2).sum(axis=1)
    best, part = clocked(lambda: [int((squares - 2 * donors @ point).argmin()) for point in focal[:few]])
    assert found.weights.indices[:few].tolist() == best
    theirs = part * len(focal) / few
    table = len(focal) * len(donors) * 8 / 1e6
    print(f"\n20,000 treated, 1,000,000 others, 6 traits, replacement: {ours:.1f} s and {peak:.0f} MB of arrays beyond the "
          f"data (the table of all distances: {table:,.0f} MB); all distances in turn (numpy, {few} scaled up): "
          f"{theirs:.0f} s; ratio {theirs / ours:.0f}")


def test_greedy_pairs_in_several_dimensions():
    donors, focal = places(100_000, 10_000, 6)
    order = np.argsort(-(focal**2).sum(axis=1), kind="stable")
    _, ours = clocked(lambda: greedy_pairs(focal, donors, order, 1))
    few = 200
    free, start = np.ones(len(donors), dtype=bool), time.perf_counter()
    for i in order[:few]:
        free[int(np.where(free, ((donors - focal[i]) ** 2).sum(axis=1), np.inf).argmin())] = False
    theirs = (time.perf_counter() - start) * len(focal) / few
    print(f"\n10,000 treated, 100,000 others, 6 traits, no replacement: {ours:.1f} s; measuring every one (numpy, {few} "
          f"scaled up): {theirs:.0f} s; ratio {theirs / ours:.0f}")


@pytest.mark.parametrize("method", [optimal_pairs, full_matching])
def test_optimal_matching_of_a_thousand(method):
    donors, focal = places(4_000, 1_000, 3)
    data = pd.DataFrame(np.vstack([donors, focal]), columns=[*"abc"]).assign(
        d=np.repeat([0, 1], [4_000, 1_000]), y=np.random.default_rng(2).normal(size=5_000))
    e, ours = clocked(lambda: method(data, outcome="y", treatment="d", covariates=[*"abc"]))
    print(f"\n1,000 treated, 4,000 others, {method.__name__}: {ours:.1f} s, total distance "
          f"{dict(e.details)['total_distance']:.4f}")

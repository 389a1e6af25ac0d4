"""Speed and memory of matching, each as a ratio to a named peer in the same run.

Run with ``pytest -m benchmark -s tests/benchmarks``; nothing here asserts seconds or ratios, it prints them. What is
asserted is that the pairs are those of the peer.
"""

import shutil
import subprocess
import sys
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


MATCHIT = """
if (!requireNamespace("MatchIt", quietly = TRUE)) { cat("absent"); quit() }
args <- commandArgs(TRUE)
d <- read.csv(args[1])
took <- system.time(m <- MatchIt::matchit(d ~ score, d, distance = d$score, m.order = "largest"))[["elapsed"]]
free <- which(d$d == 0)
first <- head(which(d$d == 1)[order(-d$score[d$d == 1])], as.integer(args[3]))
ruler <- integer(0)
for (i in first) {
  k <- which.min(abs(d$score[free] - d$score[i]))
  ruler <- c(ruler, free[k])
  free <- free[-k]
}
p <- m$match.matrix[, 1]
write.csv(data.frame(i = first, ruler = ruler, matchit = as.integer(p[as.character(first)])), args[2], row.names = FALSE)
total <- sum(abs(d$score[as.integer(names(p))] - d$score[as.integer(p)]))
cat(took, as.character(packageVersion("MatchIt")), total)
"""


def test_pairs_without_replacement_against_matchit(tmp_path):
    """The same scores in both programs: 10,000 treated, 100,000 others, no caliper, the largest score first.

    The pairs must be those of a search with a ruler in R. MatchIt's own are counted against it: version 4.5.1 does not
    always take the nearest (tests/benchmarks/README.md).
    """
    if shutil.which("Rscript") is None:
        pytest.skip("R is not on this machine")
    donors, focal = places(100_000, 10_000, 1)
    score = 1 / (1 + np.exp(1 - np.r_[donors[:, 0], focal[:, 0]]))
    d = np.repeat([0, 1], [100_000, 10_000])
    pd.DataFrame({"d": d, "score": score}).to_csv(tmp_path / "scores.csv", index=False, float_format="%.17g")
    (tmp_path / "match.R").write_text(MATCHIT, encoding="utf-8")
    done = subprocess.run(["Rscript", str(tmp_path / "match.R"), str(tmp_path / "scores.csv"), str(tmp_path / "pairs.csv"),
                           "2000"], capture_output=True, text=True, check=False)
    if "absent" in done.stdout or done.returncode:
        pytest.skip("MatchIt is not in this R: apt-get install r-cran-matchit")
    theirs, version, total = done.stdout.split()
    one, zero = score[d == 1][:, None], score[d == 0][:, None]
    found, ours = clocked(lambda: greedy_pairs(one, zero, np.argsort(-one[:, 0], kind="stable"), 1))
    table = found.weights.tocoo()
    mine = {100_001 + int(i): 1 + int(j) for i, j in zip(table.row, table.col, strict=True)}
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    apart = int((pairs["ruler"] != pairs["matchit"]).sum())
    length = float(np.abs(one[table.row, 0] - zero[table.col, 0]).sum())
    print(f"\n10,000 treated, 100,000 others, no replacement, given scores: {ours:.2f} s; MatchIt {version}: {theirs} s; "
          f"ratio {float(theirs) / ours:.0f}; total distance {length:.4f}, MatchIt {float(total):.4f}; of the first "
          f"{len(pairs):,} pairs none differs from a search with a ruler, of MatchIt's {apart:,}")
    assert [mine[i] for i in pairs["i"]] == pairs["ruler"].tolist()


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
          f"every one (numpy, {few:,} scaled up): {theirs:.0f} s; ratio {theirs / ours:.0f}")


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


MILLION = """
import re, time
import numpy as np, pandas as pd
from impact.matching import nearest_neighbour
rng, names = np.random.default_rng(1), [*"abcefg"]
x = np.vstack([rng.normal(size=(1_000_000, 6)), rng.normal(size=(20_000, 6)) + 0.25])
data = pd.DataFrame(x, columns=names).assign(d=np.repeat([0.0, 1.0], [1_000_000, 20_000]), y=rng.normal(size=1_020_000))
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1e3
before = peak()
start = time.perf_counter()
e = nearest_neighbour(data, outcome="y", treatment="d", covariates=names, distance="mahalanobis", replace=True)
print(time.perf_counter() - start, before, peak(), e.n_treated)
"""


def test_the_whole_call_on_a_million_controls_and_its_peak_memory():
    """In a process of its own (Linux), by its own high-water mark: ``getrusage`` starts a child with its parent's."""
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True)
    seconds, before, peak, treated = map(float, done.stdout.split())
    print(f"\n{treated:,.0f} treated, 1,000,000 others, 6 traits, Mahalanobis, replacement, bias adjustment and error: "
          f"{seconds:.0f} s; peak resident memory {peak:,.0f} MB, of which {before:,.0f} MB before the call (Python and "
          "the data); the table of all distances would be 160,000 MB")
    assert peak < 4_000


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

"""Speed of re-randomisation and of the wild cluster bootstrap, each as a ratio to a named peer in the same run.

Run with ``pytest -m benchmark -s tests/benchmarks``; nothing here asserts seconds or ratios, it prints them.
"""

import time

import numpy as np
import pandas as pd
import pytest

from impact.inference.assignment import declared_draw
from impact.inference.bootstrap import wild_cluster_bootstrap
from impact.inference.randomisation import randomisation_test

pytestmark = pytest.mark.benchmark


def trial(units: int, clusters: int, strata: int, outcomes: int):
    """Outcomes, arm, stratum and cluster of a stratified cluster-randomised trial with five covariates."""
    rng = np.random.default_rng(20240501)
    cluster = np.unique(np.sort(rng.integers(0, clusters, units)), return_inverse=True)[1]
    count = cluster.max() + 1
    stratum = np.arange(count) % strata
    arm = (np.arange(count) // strata % 2).astype(float)
    x = rng.normal(size=(units, 5))
    y = rng.normal(size=(units, outcomes)) + rng.normal(size=(count, outcomes))[cluster]
    y += x @ rng.normal(size=(5, outcomes))
    return y, arm, stratum, cluster, np.column_stack([np.eye(strata)[stratum[cluster]], x])


def test_draws_against_refitting_each_draw():
    y, arm, stratum, cluster, controls = trial(20_000, 1_000, 50, 10)
    draw = declared_draw(arm[cluster], strata=stratum[cluster], clusters=cluster)
    start = time.perf_counter()
    randomisation_test(y, draw, covariates=controls, draws=5_000, seed=1)
    ours = time.perf_counter() - start
    few = 5
    start = time.perf_counter()
    for arms in draw.sample(few, np.random.default_rng(1)):
        design = np.column_stack([controls, arms[cluster]])
        bread = np.linalg.inv(design.T @ design)
        beta = bread @ (design.T @ y)
        for j in range(y.shape[1]):
            scores = np.zeros((len(arms), design.shape[1]))
            np.add.at(scores, cluster, design * (y[:, j] - design @ beta[:, j])[:, None])
            _ = np.sqrt((bread @ scores.T @ scores @ bread)[-1, -1])
    theirs = (time.perf_counter() - start) / few * 5_000
    print(f"\n5,000 draws x 10 outcomes x 20,000 units: {ours:.2f} s; refitting each draw (numpy, {few} draws scaled up): "
          f"{theirs:.0f} s; ratio {theirs / ours:.0f}")


def test_wild_bootstrap_against_wildboottest():
    peer = pytest.importorskip("wildboottest.wildboottest", reason="the peer wildboottest is not installed")
    y, arm, _, cluster, controls = trial(20_000, 1_000, 1, 10)
    d = arm[cluster]
    start = time.perf_counter()
    wild_cluster_bootstrap(y, d, controls, cluster, draws=9_999, seed=1)
    ours = time.perf_counter() - start
    names = [f"x{i}" for i in range(controls.shape[1])]
    design = pd.DataFrame(np.column_stack([d, controls]), columns=["d", *names])
    restriction = np.zeros(design.shape[1])
    restriction[0] = 1.0
    seconds = []
    for j in range(2):  # the first call compiles; the second is counted
        start = time.perf_counter()
        test = peer.WildboottestCL(X=design, Y=y[:, j], cluster=pd.Series(cluster), R=restriction, B=9_999, seed=1,
                                   parallel=False)
        test.get_scores(bootstrap_type="11", impose_null=True)
        test.get_weights(weights_type="rademacher")
        test.get_numer()
        test.get_denom()
        test.get_tboot()
        test.get_vcov()
        test.get_tstat()
        test.get_pvalue(pval_type="two-tailed")
        seconds.append(time.perf_counter() - start)
    print(f"\n9,999 draws x 10 outcomes x 1,000 clusters: {ours:.2f} s; wildboottest, 10 times one outcome: "
          f"{10 * seconds[1]:.1f} s; ratio {10 * seconds[1] / ours:.0f}")

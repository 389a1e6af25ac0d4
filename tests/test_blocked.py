"""Blocks of clusters: Satterthwaite's degrees of freedom beside those counted from the draw, and the errors beside."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from impact.brief.effects import verdict
from impact.inference.contrasts import difference
from impact.inference.linear import least_squares
from impact.inference.sandwich import covariance, satterthwaite_df
from impact.rct import difference_in_means, late, lin, ols, ratio_effect

ASKED = {"outcome": "y", "treatment": "d", "cluster": "market"}


def blocks_of_markets(seed, blocks=4, markets=8, drawn=2, spread=1.0, effect=0.0):
    """Blocks of markets of unlike size, some of each drawn."""
    rng = np.random.default_rng(seed)
    rows = []
    for b in range(blocks):
        treated = rng.choice(markets, drawn, replace=False)
        for m in range(markets):
            n = int(np.clip(rng.lognormal(2, spread), 2, 60))
            rows.append(pd.DataFrame({"block": b, "market": f"{b}-{m}", "d": int(m in treated), "w": rng.uniform(1, 3, n),
                                      "x": rng.normal(size=n), "y": 9 + rng.normal() + rng.normal(size=n) + effect * (
                                          m in treated)}))
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_the_careful_degrees_of_freedom_are_those_of_the_same_number_as_a_coefficient(clustered, weighted):
    data = blocks_of_markets(3)
    y, d, block = data["y"].to_numpy(), data["d"].to_numpy(dtype=float), data["block"].to_numpy()
    codes = pd.factorize(data["market"])[0].astype(np.int64) if clustered else np.arange(len(data), dtype=np.int64)
    w = data["w"].to_numpy() if weighted else None
    dummies = (block[:, None] == np.arange(1, 4)).astype(float)
    centred = dummies - np.average(dummies, axis=0, weights=w)
    design = np.column_stack([np.ones(len(y)), centred, centred * d[:, None], d])
    fit = least_squares(design, y, [f"c{j}" for j in range(8)], weights=w)
    cov, pick = covariance(fit, "CR2", codes), np.eye(8)[-1]
    found = difference(y, d, blocks=block, clusters=codes if clustered else None, weights=w)
    assert found.estimate == pytest.approx(fit.coefficients[-1])
    assert found.std_error == pytest.approx(cov.std_error(pick))
    assert found.careful_df == pytest.approx(satterthwaite_df(fit, cov, pick))
    assert found.df == (4 * 8 if clustered else len(y)) - 8


def test_clearly_fewer_degrees_of_freedom_are_said_beside_and_a_verdict_needs_both():
    data = blocks_of_markets(3)
    e = difference_in_means(data, **ASKED, strata="block")
    said = dict(next(c for c in e.caveats if c.code == "blocked_df").values)
    assert said["df"] < 0.8 * e.df == pytest.approx(0.8 * 24)
    assert said["p"] == pytest.approx(2 * stats.t.sf(abs(e.estimate) / e.std_error, said["df"]))
    assert e.has_caveat("wild_bootstrap")  # of the same number as a coefficient

    class Better:
        better = "higher"

    def shifted(by):
        return difference_in_means(data.assign(y=data["y"] + by * data["d"]), **ASKED, strata="block")

    between = next(f for by in np.arange(0, 4, 0.02) if (f := shifted(by)).estimate > 0 and f.p_value < 0.05)
    assert dict(next(c for c in between.caveats if c.code == "blocked_df").values)["p"] > 0.05
    assert verdict(between, Better()) == "unclear"
    assert verdict(shifted(9.0), Better()) == "favourable"


def test_even_blocks_of_units_say_nothing_more():
    data = pd.DataFrame({"block": np.repeat(np.arange(4), 10), "d": np.tile([0, 1], 20), "y": np.arange(40.0) % 7})
    assert not difference_in_means(data, outcome="y", treatment="d", strata="block").has_caveat("blocked_df")


def test_an_error_for_many_clusters_is_said_to_be_one_or_has_the_bootstrap_beside():
    data = blocks_of_markets(5, blocks=3, drawn=4, spread=0.3).assign(took=lambda t: (t["d"] * (t.index % 3 > 0)))
    many = "few_clusters_large_sample"
    for e in (lin(data, **ASKED, covariates=["x"]), ols(data, **ASKED, covariates=["x"]),
              late(data, **ASKED, takeup="took"), ratio_effect(data, **ASKED)):
        assert e.has_caveat("wild_bootstrap")
        assert not e.has_caveat(many)
    for e in (ols(data, **ASKED, vcov=kind) for kind in ("CR0", "CR1", "CR1S")):
        assert [c.code for c in e.caveats].count(many) == 1
    assert not ols(data, **ASKED, vcov="CR2").has_caveat(many)
    wide = blocks_of_markets(5, blocks=6, drawn=4, spread=0.3)
    assert not ols(wide, **ASKED, vcov="CR1").has_caveat(many)


@pytest.mark.parametrize("drawn", [3, 10])  # few clusters, drawn again, and enough of them, with the bootstrap beside
def test_strata_of_one_level_are_no_strata(drawn):
    data = blocks_of_markets(3, blocks=1, markets=2 * drawn, drawn=drawn)
    alone, blocked = difference_in_means(data, **ASKED), difference_in_means(data, **ASKED, strata="block")
    assert blocked.estimate == pytest.approx(alone.estimate, rel=1e-12)
    assert blocked.std_error == pytest.approx(alone.std_error, rel=1e-9)
    assert blocked.has_caveat("randomisation_inference") == alone.has_caveat("randomisation_inference") == (drawn == 3)

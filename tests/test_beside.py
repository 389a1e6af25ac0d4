"""The wild cluster bootstrap beside contrasts: as the test of one coefficient, turned around, wherever it belongs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from impact import rct
from impact.inference.bootstrap import wild_cluster_bootstrap
from impact.inference.linear import Array


def markets(groups: int = 14, size: int = 10, seed: int = 0) -> pd.DataFrame:
    """Markets of which every other was drawn, with take-up, doses, invitations inside and sampling weights."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), size)
    d = (g % 2).astype(float)
    y = 10 + rng.normal(0, 1, groups)[g] + d + rng.normal(0, 2, len(g))
    return pd.DataFrame({
        "g": g, "d": d, "y": y, "w": rng.uniform(0.5, 3, len(g)), "b": rng.integers(0, 2, len(g)).astype(float),
        "took": d * (rng.random(len(g)) < 0.7), "invited": d * (rng.random(len(g)) < 0.5), "unit": np.arange(len(g)) // 2,
        "round": np.arange(len(g)) % 2, "dose": d * (1 + g // 2 % 2), "share": np.where(d == 0, 0, 0.25 + g // 2 % 2 / 2)})


def p_of(y: Array, treatment: Array, controls: Array, g: Array) -> float:
    return float(wild_cluster_bootstrap(y, treatment, controls, g).p_value_ties[0])


def beside(row) -> float:
    return dict(row.details)["wild_p"]


def test_a_contrast_is_the_test_of_one_coefficient():
    """total = s·a + (1 − s)·b is the coefficient of z beside d − s·z (tests/test_two_level.py)."""
    data = markets()
    total, *_ = rct.spillover(data, outcome="y", treatment="invited", cluster_treatment="d", population_share=0.3,
                              cluster="g").rows
    z, d = data["d"].to_numpy(), data["invited"].to_numpy()
    assert beside(total) == pytest.approx(p_of(data["y"].to_numpy(), z, np.column_stack(
        [np.ones(len(data)), d - 0.3 * z]), data["g"].to_numpy()), abs=1e-12)


def test_a_weighted_slope_is_tested_on_rows_times_the_root_of_their_weights():
    data = markets()
    row = rct.dose_response(data, outcome="y", dose="dose", dose_drawn=True, cluster="g", weights="w").headline
    root = np.sqrt(data["w"].to_numpy())
    assert beside(row) == pytest.approx(p_of(data["y"].to_numpy() * root, data["dose"].to_numpy() * root, root[:, None],
                                             data["g"].to_numpy()), abs=1e-12)


@pytest.mark.parametrize("weights", [None, "w"])
def test_the_set_of_take_up_is_what_the_test_does_not_reject(weights):
    """Turned around by hand: the offer against y − b·take-up, just inside and just outside both ends."""
    data = markets()
    row = rct.late(data, outcome="y", treatment="d", takeup="took", cluster="g", weights=weights)
    ((low, high),) = dict(row.details)["wild_set"]
    root = np.ones(len(data)) if weights is None else np.sqrt(data["w"].to_numpy())
    y, took, d = (data[name].to_numpy() * root for name in ("y", "took", "d"))

    def strict(b: float) -> float:
        return float(wild_cluster_bootstrap(y - b * took, d, root[:, None], data["g"].to_numpy()).p_value[0])

    assert low < row.estimate < high
    assert beside(row) == pytest.approx(p_of(y, d, root[:, None], data["g"].to_numpy()), abs=1e-12)
    step = 1e-4 * (high - low)
    assert min(strict(low + step), strict(high - step)) > 0.05 - 2e-4
    assert max(strict(low - step), strict(high + step)) <= 0.05 + 2e-4


def test_full_take_up_gives_the_set_of_the_offer():
    data = markets().assign(took=lambda frame: frame["d"])
    late = dict(rct.late(data, outcome="y", treatment="d", takeup="took", cluster="g").details)["wild_set"]
    offer = dict(rct.ols(data, outcome="y", treatment="d", cluster="g").details)["wild_set"]
    assert np.allclose(late, offer, rtol=1e-9)


CALLS = {
    "quadratic": lambda d, **k: rct.dose_response(d, outcome="y", dose="dose", dose_drawn=True, shape="quadratic", **k),
    "not drawn": lambda d, **k: rct.dose_response(d, outcome="y", dose="dose", dose_drawn=False, shape="levels", **k),
    "spillover": lambda d, **k: rct.spillover(d, outcome="y", treatment="invited", cluster_treatment="d",
                                              population_share=0.5, **k),
    "saturation": lambda d, **k: rct.saturation(d, outcome="y", treatment="invited", saturation="share", **k),
    "factorial": lambda d, **k: rct.factorial(d, outcome="y", treatments=["d", "b"], within=["b"], **k),
    "rounds": lambda d, **k: rct.pooled_rounds(d, outcome="y", treatment="d", unit="unit", round="round", **k),
    "subgroups": lambda d, **k: rct.subgroups(d, outcome="y", treatment="d", by="b", **k),
    "ratio": lambda d, **k: rct.ratio_effect(d, outcome="y", treatment="d", **k),
    "late": lambda d, **k: rct.late(d, outcome="y", treatment="d", takeup="took", **k),
}


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("name", CALLS)
def test_it_stands_beside_every_row_of_least_squares_with_few_clusters_and_none_with_many(name, weights):
    found = CALLS[name](markets(), cluster="g", weights=weights)
    rows = found.rows if hasattr(found, "rows") else (found,)
    assert all(row.has_caveat("wild_bootstrap") and 0 < beside(row) <= 1 for row in rows)
    assert not any(row.has_caveat("few_clusters_large_sample") for row in rows)
    named = CALLS[name](markets(), cluster="g", weights=weights, vcov="CR2")
    assert not named.headline.has_caveat("wild_bootstrap")
    assert not CALLS[name](markets(groups=80, size=4), cluster="g", weights=weights).headline.has_caveat("wild_bootstrap")


def test_a_constant_outcome_has_nothing_to_flip():
    data = markets().assign(y=3.0)
    for name in ("spillover", "factorial", "rounds", "subgroups"):
        assert not CALLS[name](data, cluster="g").headline.has_caveat("wild_bootstrap")


def test_an_error_made_for_many_clusters_says_so_where_nothing_stands_beside():
    data = markets()
    data.loc[data.index % 9 == 0, "y"] = np.nan
    found = (rct.lee_bounds(data, outcome="y", treatment="d", cluster="g", draws=99),
             rct.manski_bounds(data, outcome="y", treatment="d", cluster="g", low=0, high=20, draws=99),
             rct.quantile_effects(data, outcome="y", treatment="d", cluster="g", draws=99))
    for rows in found:
        assert all(row.has_caveat("few_clusters_large_sample") for row in rows.rows)
    many = rct.lee_bounds(markets(groups=80, size=4), outcome="y", treatment="d", cluster="g", draws=99)
    assert not many.headline.has_caveat("few_clusters_large_sample")

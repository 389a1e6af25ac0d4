"""Strata are judged by what was drawn, the weight that moves between them by the rows that weigh."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from impact import rct
from impact.rct.assignment import moved_weight


def drawn_alike(seed: int = 1) -> pd.DataFrame:
    """Four strata of forty units, in each the same numbers in every arm, cell and dose."""
    rng = np.random.default_rng(seed)
    n = 160
    return pd.DataFrame({
        "s": np.repeat(range(4), 40), "d": np.tile([0.0, 1.0], 80), "arm": np.tile([0, 1, 2, 0], 40),
        "b": np.tile([0.0, 0.0, 1.0, 1.0], 40), "dose": np.tile(np.arange(4.0), 40), "by": np.tile([0] * 4 + [1] * 4, 20),
        "x": rng.normal(size=n), "y": rng.normal(5, 1, n)})


UNITS = {
    "ols": lambda data: rct.ols(data, outcome="y", treatment="d", strata="s").headline,
    "multi_arm": lambda data: rct.multi_arm(data, outcome="y", treatment="arm", reference=0, strata="s").headline,
    "factorial": lambda data: rct.factorial(data, outcome="y", treatments=["d", "b"], strata="s").headline,
    "dose": lambda data: rct.dose_response(data, outcome="y", dose="dose", dose_drawn=True, strata="s").headline,
    "subgroups": lambda data: rct.subgroups(data, outcome="y", treatment="d", by="by", strata="s")[1],
    "attrition": lambda data: rct.attrition_weighted(data, outcome="y", treatment="d", predictors=["x"], strata="s"),
}


def told(row):
    return next((c for c in row.caveats if c.code == "overlap_weighted"), None)


@pytest.mark.parametrize("method", UNITS)
def test_who_was_found_again_does_not_make_a_draw_uneven(method):
    data = drawn_alike()
    assert told(UNITS[method](data)) is None
    lost = data["y"].mask((data["s"] == 0) & (data["d"] == 1) & (data.index % 5 < 3))
    lost = lost.mask((data["s"] == 3) & (data["d"] == 0) & (data.index % 5 < 3))
    if method == "dose":  # what counts is how far doses lie apart
        lost = data["y"].mask((data["s"] == 0) & data["dose"].isin([0, 3]) & (data.index % 5 < 3))
    found = told(UNITS[method](data.assign(y=lost)))
    assert "drawn alike" in found.text
    assert 0.02 < dict(found.values)["moved"] < 0.3


def test_a_draw_that_was_uneven_is_called_so():
    data = drawn_alike()
    data["d"] = np.where(data["s"] == 0, (data.index % 10 == 0).astype(float), data["d"])
    for method in ("ols", "attrition"):
        found = told(UNITS[method](data.assign(y=data["y"].mask(data.index % 13 == 0))))
        assert "have different shares offered" in found.text
        assert "drawn alike" not in found.text


def clusters_of_unlike_size() -> pd.DataFrame:
    """Six clusters a stratum, three of them drawn; in two strata one side is four times as large."""
    rng = np.random.default_rng(2)
    s, d = np.repeat(range(4), 6), np.tile([0, 1], 12)
    g = np.repeat(np.arange(24), np.where((s == 0) & (d == 1) | (s == 3) & (d == 0), 32, 8))
    inside = np.arange(len(g)) % 2
    return pd.DataFrame({"g": g, "s": s[g], "d": d[g].astype(float), "invited": (d[g] * inside).astype(float),
                         "w": np.where(np.bincount(g)[g] > 8, 0.25, 1.0), "share": d[g] / 2,
                         "y": rng.normal(size=24)[g] + rng.normal(size=len(g))})


def test_the_sizes_of_clusters_move_weight_in_every_method_and_weights_take_it_back():
    data = clusters_of_unlike_size()
    same = {"outcome": "y", "cluster": "g", "strata": "s"}
    calls = (lambda **k: rct.ols(data, treatment="d", **same, **k),
             lambda **k: rct.spillover(data, treatment="invited", cluster_treatment="d", population_share=0.5, **same, **k),
             lambda **k: rct.saturation(data, treatment="invited", saturation="share", **same, **k),
             lambda **k: rct.late(data.assign(took=data["invited"]), treatment="d", takeup="took", **same, **k))
    for call in calls:
        assert "drawn alike" in told(call().headline).text
        assert told(call(weights="w").headline) is None


def test_each_firm_counted_once_has_no_weight_that_moves_with_its_size():
    data = clusters_of_unlike_size()
    same = {"outcome": "y", "treatment": "d", "firm": "g", "strata": "s"}
    assert "drawn alike" in told(rct.worker_effects(data, weighting="worker", **same)).text
    assert told(rct.worker_effects(data, weighting="firm", **same)) is None


def test_saturations_that_differ_between_strata_are_told():
    data = clusters_of_unlike_size()
    data["share"] = data["d"] * np.where(data["s"] < 2, 0.25, 0.75)
    found = rct.saturation(data, outcome="y", treatment="invited", saturation="share", cluster="g", strata="s").headline
    assert "different shares in the saturations" in told(found).text


def test_the_weight_that_moves_is_that_of_least_squares():
    """Stratum effects averaged with size times variance are the coefficient with stratum dummies; half the gap is moved."""
    rng = np.random.default_rng(3)
    s, dose, w = np.repeat(range(3), 20), rng.integers(0, 5, 60).astype(float), rng.uniform(0.5, 2, 60)
    effect = np.array([1.0, 2.0, 4.0])
    data = pd.DataFrame({"s": s, "dose": dose, "w": w, "y": effect[s] * dose})
    sizes = np.bincount(s, weights=w)
    found = rct.dose_response(data, outcome="y", dose="dose", dose_drawn=False, strata="s", weights="w").headline
    variance = np.array([np.cov(dose[s == j], aweights=w[s == j], ddof=0) for j in range(3)])
    share = sizes * variance / (sizes @ variance)
    assert found.estimate == pytest.approx(share @ effect)
    assert moved_weight(dose, s, w) == pytest.approx(0.5 * np.abs(share - sizes / sizes.sum()).sum())

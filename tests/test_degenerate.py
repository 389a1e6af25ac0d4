"""Outcomes without noise: a constant, a perfect separation, a stratum that repeats. Rounding is no evidence."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from impact import rct
from impact.errors import DesignError
from impact.inference.assignment import declared_draw
from impact.inference.bootstrap import wild_cluster_bootstrap, wild_cluster_set
from impact.inference.indices import inverse_covariance_index
from impact.inference.randomisation import randomisation_set, randomisation_test
from impact.results import Segment

WHOLE = (Segment(),)


def table(value: float) -> pd.DataFrame:
    return pd.DataFrame({"y": value, "d": [0.0, 1.0] * 20, "x": np.arange(40.0), "block": np.arange(40) % 5,
                         "market": np.repeat(range(10), 4), "offered": np.repeat(range(10), 4) % 2 * 1.0})


@pytest.mark.parametrize("value", [0.1, 1234.56, -7.3, 0.0])
def test_a_constant_outcome_has_no_p_value(value):
    data = table(value).assign(block=lambda d: np.arange(40) // 8)
    made = [rct.difference_in_means(data, outcome="y", treatment="d"),
            rct.difference_in_means(data, outcome="y", treatment="d", strata="block"),
            rct.difference_in_means(data, outcome="y", treatment="offered", cluster="market"),
            rct.ols(data, outcome="y", treatment="d"), rct.ols(data, outcome="y", treatment="offered", cluster="market"),
            rct.ancova(data, outcome="y", treatment="d", baseline="x"),
            rct.lin(data, outcome="y", treatment="d", covariates=["x"])]
    for e in made:
        assert e.p_value is None
        assert e.interval == ()
        assert "does not vary" in dict(e.reasons)["std_error"]


@pytest.mark.parametrize(("y", "d"), [([0] * 5 + [1] * 3, [1] * 5 + [0] * 3), ([1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0,
                                                                                                       0]),
                                      ([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]), ([1, 1, 0, 0, 1, 0], [1, 1, 1, 0, 0, 0])])
def test_re_randomisation_of_yes_and_no_by_counting_all_draws(y, d):
    """The statistic is the difference over its error; without spread in both arms it is infinite."""
    y, d = np.array(y, float), np.array(d, float)
    n, m = len(y), int(d.sum())

    def statistic(rows):
        one = np.isin(np.arange(n), rows)
        gap = y[one].mean() - y[~one].mean()
        spread = np.sqrt(((y[one] - y[one].mean()) ** 2).sum() / one.sum() ** 2
                         + ((y[~one] - y[~one].mean()) ** 2).sum() / (~one).sum() ** 2)
        return abs(gap) / spread if spread > 1e-12 else np.inf if abs(gap) > 1e-12 else 0.0

    every = np.array([statistic(rows) for rows in combinations(range(n), m)])
    mine = statistic(np.flatnonzero(d))
    assert randomisation_test(y, declared_draw(d)).p_value[0] == pytest.approx((every >= mine * (1 - 1e-10)).mean())


def test_the_set_of_a_perfect_separation_is_one_point_or_everything():
    """20 draws of 3 of 6: p = 2/20 at every effect but 1, so at 95 % nothing is left out and at 85 % all but one."""
    y = d = np.array([1.0, 1, 1, 0, 0, 0])
    assert randomisation_set(y, declared_draw(d)) == WHOLE
    (one,) = randomisation_set(y, declared_draw(d), conf_level=0.85)
    assert (one.low, one.high) == pytest.approx((1.0, 1.0))


def test_a_perfect_separation_is_re_randomised_and_not_called_constant():
    data = pd.DataFrame({"y": [0.0] * 5 + [1.0] * 3, "d": [1] * 5 + [0] * 3})
    for e in (rct.ols(data, outcome="y", treatment="d"), rct.difference_in_means(data, outcome="y", treatment="d")):
        assert e.p_value == pytest.approx(1 / 56)


def test_the_bootstrap_of_a_perfect_separation_counts_ties_and_never_warns():
    market = np.repeat(range(8), 3)
    y = (market < 4) * 1.0
    test = wild_cluster_bootstrap(y, y, np.ones((24, 1)), market)
    assert test.p_value_ties[0] == pytest.approx(2 / 256)
    (one,) = wild_cluster_set(y, y, np.ones((24, 1)), market)
    assert (one.low, one.high) == pytest.approx((1.0, 1.0))


def test_an_index_of_repeated_outcomes_names_the_repeat():
    z = np.random.default_rng(1).normal(size=(30, 2))
    with pytest.raises(DesignError, match="outcome 3 of the index"):
        inverse_covariance_index(np.column_stack([z, z[:, 0] * 2 + 1]), np.arange(30) < 15)


@pytest.mark.parametrize("value", [5.0, 1234567.89])
def test_a_constant_outcome_has_no_effect_of_taking_part_nor_a_ratio_nor_bounds_of_rounding(value):
    rng = np.random.default_rng(2)
    d = np.arange(200) % 2 * 1.0
    data = pd.DataFrame({"y": value, "d": d, "took": d * (rng.random(200) < 0.7)})
    for e in (rct.late(data, outcome="y", treatment="d", takeup="took"),
              rct.encouragement(data, outcome="y", encouragement="d", takeup="took").headline,
              rct.poisson(data, outcome="y", treatment="d")):
        assert e.p_value is None
        assert e.interval == ()
        assert len(dict(e.reasons)) == len(e.reasons)
    data.loc[::7, "y"] = np.nan
    for row in rct.lee_bounds(data, outcome="y", treatment="d"):
        assert row.estimate == 0
        assert row.p_value is None


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("groups", [10, 40])
def test_one_stratum_is_no_stratum(groups, weights):
    rng = np.random.default_rng(8)
    market = np.repeat(np.arange(groups), 3)
    data = pd.DataFrame({"market": market, "d": (market % 2).astype(float), "one": "north", "w": 2.0,
                         "x": rng.normal(size=len(market)), "y": rng.normal(size=len(market))})
    asked = {"outcome": "y", "treatment": "d", "cluster": "market", "weights": weights}
    for function, more in ((rct.difference_in_means, {}), (rct.ols, {}), (rct.lin, {"covariates": ["x"]}),
                           (rct.ratio_effect, {})):
        plain, one = function(data, **asked, **more), function(data, **asked, **more, strata="one")
        assert (one.estimate, one.std_error) == (pytest.approx(plain.estimate), pytest.approx(plain.std_error))
        assert one.has_caveat("wild_bootstrap") == plain.has_caveat("wild_bootstrap")
    with pytest.raises(DesignError, match="one stratum only"):
        rct.lin(data, **asked, strata="one")

"""Several arms: every pair from one regression."""

import numpy as np
import pandas as pd
import pytest

from impact.errors import DataError, DesignError
from impact.rct import multi_arm, ols


@pytest.fixture
def trial():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"village": np.repeat(np.arange(30), 6)})
    frame["arm"] = np.array(["none", "grant", "training"])[frame["village"] % 3]
    frame["size"] = rng.normal(size=180)
    effect = frame["arm"].map({"none": 0.0, "grant": 1.0, "training": 3.0})
    frame["profit"] = 10 + effect + frame["size"] + rng.normal(size=180) + rng.normal(size=30)[frame["village"]]
    return frame


def test_every_pair_stands_once_the_reference_first(trial):
    rows = multi_arm(trial, outcome="profit", treatment="arm", reference="none", cluster="village")
    assert [r.term for r in rows] == ["grant − none", "training − none", "training − grant"]
    assert len({r.id for r in rows}) == 3
    means = trial.groupby("arm")["profit"].mean()
    assert [r.estimate for r in rows] == [pytest.approx(x) for x in (
        means["grant"] - means["none"], means["training"] - means["none"], means["training"] - means["grant"])]
    assert rows[2].estimate == pytest.approx(rows[1].estimate - rows[0].estimate)
    assert [(r.n_clusters, r.n) for r in rows] == [(20, 120)] * 3


@pytest.mark.parametrize("vcov", [None, "HC2", "CR1S"])
def test_two_arms_are_ordinary_least_squares(trial, vcov):
    two = trial[trial["arm"] != "training"].assign(d=lambda f: (f["arm"] == "grant") * 1)
    cluster = None if vcov == "HC2" else "village"
    options = {"outcome": "profit", "covariates": ["size"], "cluster": cluster, "vcov": vcov or "CR2"}
    pair = multi_arm(two, treatment="arm", reference="none", **options).headline
    plain = ols(two, treatment="d", **options)
    for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "comparison_mean", "n", "n_treated"):
        assert getattr(pair, name) == pytest.approx(getattr(plain, name)), name


def test_another_reference_flips_the_sign_and_nothing_else(trial):
    first = multi_arm(trial, outcome="profit", treatment="arm", reference="none", covariates=["size"], cluster="village")
    other = multi_arm(trial, outcome="profit", treatment="arm", reference="grant", covariates=["size"], cluster="village")
    a, b = first[0], next(r for r in other if r.term == "none − grant")
    assert b.estimate == pytest.approx(-a.estimate)
    assert (b.std_error, b.df, b.p_adjusted) == tuple(pytest.approx(x) for x in (a.std_error, a.df, a.p_adjusted))


def test_p_values_are_adjusted_over_all_pairs(trial):
    rows = multi_arm(trial, outcome="profit", treatment="arm", reference="none", cluster="village")
    assert all(r.p_adjusted >= r.p_value for r in rows)
    assert {r.p_family for r in rows} == {"3 pairs, Holm"}


@pytest.mark.parametrize(("change", "error", "said"), [
    ({"reference": "nothing"}, DataError, "is not an arm"),
    ({"treatment": "size"}, DataError, "arms can be compared"),
    ({"cluster": "half"}, DesignError, "more than one arm"),
])
def test_what_cannot_be_compared_is_refused(trial, change, error, said):
    data = trial.assign(half=trial["village"].where(trial["arm"] == "none", 100 + trial["village"] // 3))
    with pytest.raises(error, match=said):
        multi_arm(data, **({"outcome": "profit", "treatment": "arm", "reference": "none"} | change))


def test_an_arm_of_one_village_is_refused(trial):
    data = trial[(trial["arm"] != "grant") | (trial["village"] == 1)]
    with pytest.raises(DesignError, match="1 clusters of it"):
        multi_arm(data, outcome="profit", treatment="arm", reference="none", cluster="village")

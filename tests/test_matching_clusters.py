"""Matching where villages were chosen, and where nobody has a like."""

import numpy as np
import pandas as pd
import pytest

from impact import DesignError, matching
from impact.checks import balance, overlap

CALL = {"outcome": "y", "treatment": "d", "covariates": ["x0", "x1"]}
METHODS = [("nearest_neighbour", {"replace": True}), ("nearest_neighbour", {}), ("optimal_pairs", {}),
           ("full_matching", {}), ("subclassification", {}), ("coarsened_exact", {"bins": 4})]


def villages(seed, groups=30, size=15, chosen=10, luck=0.6):
    r = np.random.default_rng(seed)
    v = np.repeat(np.arange(groups), size)
    treated = np.zeros(groups)
    treated[r.choice(groups, chosen, replace=False)] = 1
    x = r.normal(size=(groups * size, 2))
    y = x.sum(axis=1) + luck * r.normal(size=groups)[v] + r.normal(size=groups * size)
    return pd.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "d": treated[v].astype(int), "y": y, "v": v})


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_intervals_hold_where_villages_were_chosen(method, options):
    # of 300 samples 0.95 to 0.99 cover; without the villages 0.62 to 0.73
    found = [getattr(matching, method)(villages(s), **CALL, **options, cluster="v") for s in range(60)]
    assert np.mean([e.conf_low <= 0 <= e.conf_high for e in found]) >= 0.88
    e = found[0]
    plain = getattr(matching, method)(villages(0), **CALL, **options)
    assert e.estimate == plain.estimate
    assert e.std_error >= plain.std_error * (1 - 1e-12)
    assert (e.se_card.clusters_treated, e.n_clusters) == (10, e.matched.data()["v"].nunique())
    assert "v" in e.se_card.level


def test_few_villages_are_said():
    e = matching.full_matching(villages(1, groups=10, chosen=4), **CALL, cluster="v")
    assert e.has_caveat("few_clusters")


@pytest.mark.parametrize(("method", "options"), [
    ("nearest_neighbour", {"distance": "mahalanobis", "replace": True}), ("nearest_neighbour", {"distance": "mahalanobis"}),
    ("full_matching", {"distance": "mahalanobis"}), ("optimal_pairs", {"distance": "mahalanobis"}),
    ("subclassification", {}), ("coarsened_exact", {"bins": 2}), ("inverse_probability", {}), ("aipw", {}),
    ("regression_adjustment", {}), ("entropy_balance", {})])
def test_nobody_alike_is_refused_with_the_covariate(method, options):
    data = villages(2).assign(x1=lambda t: t["x1"] + 20 * t["d"])
    with pytest.raises(DesignError, match="x1"):
        getattr(matching, method)(data, **CALL, **options)


def test_overlap_and_balance_can_fail():
    d = np.repeat([1.0, 0.0], 20)
    assert overlap(np.where(d == 1, 0.9, 0.1), d).verdict == "fail"
    data = pd.DataFrame({"d": d, "x": np.r_[np.arange(20) + 15.0, np.arange(20)]})
    assert balance(data, treatment="d", covariates=["x"], weights=np.ones(40)).verdict == "fail"


def test_cross_fitting_does_not_hang_on_the_order_of_rows():
    data = villages(3)
    mixed = data.sample(frac=1, random_state=1)
    one, two = (matching.aipw(t, **CALL, folds=4) for t in (data, mixed))
    assert one.estimate == pytest.approx(two.estimate, rel=1e-9)

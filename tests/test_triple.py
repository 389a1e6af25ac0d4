"""Triple differences: by hand, as two difference-in-differences, full dummies, and the designs it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from impact.did.triple import triple_difference
from impact.did.two_way import two_way_fixed_effects
from impact.errors import DataError, DesignError
from impact.inference.linear import independent_columns

close = pytest.approx
NAMES = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first", "affected": "women_owned"}


def by_hand() -> pd.DataFrame:
    """One firm in each group changes by 9 (treated, affected), 4 (treated, not), 3 (others, affected) and 1."""
    return pd.DataFrame({"firm": np.repeat(["TA1", "TU1", "CA1", "CU1"], 2), "year": [1, 2] * 4,
                         "first": [2.0] * 4 + [np.nan] * 4, "women_owned": [1, 1, 0, 0] * 2,
                         "profit": [1.0, 10, 2, 6, 3, 6, 4, 5]})


def firms(units: int = 60, periods: int = 5, seed: int = 4) -> pd.DataFrame:
    """Firms in 20 districts, ten with the programme from year 3; affected firms there gain 5."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(units), periods)
    year = np.tile(np.arange(1, periods + 1), units)
    district = number % 20
    first = np.where(district % 2 == 0, 3.0, np.nan)
    women = (number // 20) % 2
    profit = number + year * (1 + (district % 2 == 0) + 2 * women) + 5 * women * (year >= first)
    profit = profit + rng.normal(size=len(year))
    return pd.DataFrame({"firm": [f"F{i:03d}" for i in number], "year": year, "district": district, "first": first,
                         "women_owned": women, "profit": profit})


def test_four_groups_worked_by_hand():
    e = triple_difference(pd.concat([by_hand(), by_hand().assign(firm=lambda d: d["firm"] + "b")]), **NAMES)
    assert e.estimate == close((9 - 4) - (3 - 1))
    assert e.std_error is None  # nothing varies within a group, and no number is made of it
    assert (e.n, e.n_treated, e.n_units_treated) == (16, 2, 2)
    cells = {name: (before, after, units) for name, before, after, units in dict(e.details)["cells"]}
    assert cells["treated, affected"] == (1, 10, 2)
    assert e.comparison_mean == close(10 - 3)


def test_it_is_the_difference_of_two_difference_in_differences():
    data = firms()
    plain = {key: value for key, value in NAMES.items() if key != "affected"}
    parts = [two_way_fixed_effects(data[data["women_owned"] == mark], **plain).estimate for mark in (1, 0)]
    e = triple_difference(data, **NAMES)
    assert e.estimate == close(parts[0] - parts[1])
    assert abs(e.estimate - 5) < 4 * e.std_error
    # one group's own trend and the affected's own trend are in the data, and neither is in the estimate
    assert abs(parts[0] - 5) > 1


@pytest.mark.parametrize("weights", [None, "w"])
def test_unbalanced_as_full_dummies(weights):
    sm = pytest.importorskip("statsmodels.api")
    data = firms().drop(index=[3, 50, 77]).reset_index(drop=True)
    data["x"] = np.random.default_rng(1).normal(size=len(data))
    data["w"] = np.linspace(1, 3, len(data))
    group = np.where(data["first"].notna(), "t", "c") + data["year"].astype(str)
    mark = data["women_owned"].astype(str) + data["year"].astype(str)
    effects = np.column_stack([pd.get_dummies(group), pd.get_dummies(mark)]).astype(float)
    d = (data["year"] >= data["first"]) * data["women_owned"]
    x = np.column_stack([pd.get_dummies(data["firm"]), effects, data["x"], d]).astype(float)
    x = x[:, independent_columns(x)]
    fit = sm.WLS(data["profit"].to_numpy(), x, weights=data["w"] if weights else np.ones(len(data))).fit(
        cov_type="cluster", cov_kwds={"groups": data["district"].to_numpy()})
    e = triple_difference(data, **NAMES, covariates=["x"], weights=weights, cluster="district")
    n, k = x.shape
    inside = 3 * 4 + 2 + 1  # three sets of period effects beside the constant, the covariate, the effect
    assert e.estimate == close(fit.params[-1], rel=1e-8)
    assert e.std_error == close(fit.bse[-1] * np.sqrt((n - k) / (n - inside)), rel=1e-8)
    assert (e.df, e.n_clusters, e.se_card.clusters_treated, e.se_card.clusters_comparison) == (19, 20, 10, 10)


def test_the_bootstrap_stands_beside_few_districts_and_too_few_are_said():
    data = firms()
    assert triple_difference(data, **NAMES, cluster="district").has_caveat("wild_bootstrap")
    few = triple_difference(data.assign(district=data["district"] % 4), **NAMES, cluster="district")
    assert few.has_caveat("few_clusters")


def test_staggered_starts_are_refused_with_the_reason():
    data = firms()
    data.loc[data["district"] == 4, "first"] = 4.0
    with pytest.raises(DesignError, match=r"treatment began in several periods \(3, 4\)") as caught:
        triple_difference(data, **NAMES)
    assert "no difference of two difference-in-differences" in str(caught.value)


def test_all_four_groups_are_needed():
    data = firms()
    own = data.assign(first=data["first"].where(data["women_owned"] == 1))
    with pytest.raises(DesignError, match="no unaffected unit of the treated group") as caught:
        triple_difference(own, **NAMES)
    assert "for unaffected units too" in str(caught.value)
    with pytest.raises(DesignError, match="no affected unit of the comparison group"):
        triple_difference(data[data["first"].notna() | (data["women_owned"] == 0)], **NAMES)


def test_the_mark_must_be_a_constant_0_or_1():
    data = firms()
    moving = data.copy()
    moving.loc[2, "women_owned"] = 1 - moving.loc[2, "women_owned"]
    with pytest.raises(DataError, match=r"it changes over time for 1 unit \(F000\)"):
        triple_difference(moving, **NAMES)
    with pytest.raises(DataError, match="coded in words"):
        triple_difference(data.assign(women_owned=data["women_owned"].map({0: "no", 1: "yes"})), **NAMES)
    with pytest.raises(DataError, match="no column 'women'"):
        triple_difference(data, **(NAMES | {"affected": "women"}))
    gone = data.assign(women_owned=data["women_owned"].astype(float).mask(data["firm"] == "F001"))
    assert [(x.reason, x.n_rows) for x in triple_difference(gone, **NAMES).dropped] == [("affected_missing", 5)]


def test_properties():
    data = firms().drop(index=[4, 17, 33])
    e = triple_difference(data, **NAMES, seed=1)
    for other in (data.sample(frac=1, random_state=2), data.assign(firm=data["firm"].str[::-1]),
                  data.assign(year=data["year"] + 10, first=data["first"] + 10), data.assign(profit=data["profit"] - 77)):
        again = triple_difference(other, **NAMES, seed=1)
        assert (again.estimate, again.std_error) == close((e.estimate, e.std_error), rel=1e-8)

"""Several arms: every pair from one regression."""

from itertools import combinations, product

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


@pytest.fixture
def few():
    """Fourteen villages in two districts, three arms: 5, 5 and 4 villages."""
    rng = np.random.default_rng(21)
    village = np.repeat(np.arange(14), [3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4])
    frame = pd.DataFrame({"village": village, "district": village // 7})
    frame["arm"] = np.array(["none", "grant", "training", "none", "grant", "none", "training",
                             "grant", "none", "training", "grant", "none", "grant", "training"])[village]
    frame["size"] = rng.normal(size=len(frame))
    effect = frame["arm"].map({"none": 0.0, "grant": 1.0, "training": 2.0})
    frame["profit"] = 5 + effect + frame["size"] + rng.normal(size=len(frame)) + 0.7 * rng.normal(size=14)[village]
    return frame


def studentised(frame, one, zero, others, strata):
    """Slope of the dummy of one arm beside dummies of the others, over its clustered error; by the textbook formula."""
    columns = [np.ones(len(frame)), frame["size"], *((frame["now"] == arm).astype(float) for arm in others)]
    columns += [(frame["district"] == 1).astype(float)] if strata else []
    design = np.column_stack([*columns, (frame["now"] == one).astype(float)])
    bread = np.linalg.inv(design.T @ design)
    slope = bread @ design.T @ frame["profit"].to_numpy()
    scores = pd.DataFrame(design * (frame["profit"].to_numpy() - design @ slope)[:, None]).groupby(
        frame["village"].to_numpy()).sum().to_numpy()
    return slope[-1] / np.sqrt((bread @ scores.T @ scores @ bread)[-1, -1])


def replayed(frame, one, zero, others, strata):
    """Share of all assignments of two arms to the villages that got either, with a statistic as large as the one seen."""
    drawn = frame.drop_duplicates("village").set_index("village")
    place = drawn["district"] if strata else drawn["district"] * 0
    pair = drawn.index[drawn["arm"].isin([one, zero])]
    parts = []
    for d in sorted(place.unique()):
        here = [v for v in pair if place[v] == d]
        parts.append([(here, chosen) for chosen in combinations(here, sum(drawn.loc[here, "arm"] == one))])
    found = []
    for draw in product(*parts):
        now = drawn["arm"].copy()
        for here, chosen in draw:
            now[here] = zero
            now[list(chosen)] = one
        found.append(abs(studentised(frame.assign(now=frame["village"].map(now)), one, zero, others, strata)))
    seen = abs(studentised(frame.assign(now=frame["arm"]), one, zero, others, strata))
    return np.mean(np.array(found) >= seen * (1 - 1e-10)), len(found)


@pytest.mark.parametrize("strata", [None, "district"])
def test_few_villages_are_drawn_again_between_the_two_arms_and_the_third_keeps_its_own(few, strata):
    rows = multi_arm(few, outcome="profit", treatment="arm", reference="none", covariates=["size"], cluster="village",
                     strata=strata)
    usual = multi_arm(few, outcome="profit", treatment="arm", reference="none", covariates=["size"], cluster="village",
                      strata=strata, vcov="CR2")
    pairs = [("grant", "none", ["training"]), ("training", "none", ["grant"]), ("training", "grant", ["none"])]
    for row, plain, (one, zero, others) in zip(rows, usual, pairs, strict=True):
        p, draws = replayed(few, one, zero, others, strata)
        assert row.p_value == pytest.approx(p, abs=1e-12)
        assert dict(next(c for c in row.caveats if c.code == "randomisation_inference").values)["draws"] == draws
        assert (row.estimate, row.std_error) == (pytest.approx(plain.estimate), pytest.approx(plain.std_error))
        assert row.df is None
        assert not row.has_caveat("few_clusters")
        assert plain.has_caveat("few_clusters")  # a covariance asked for by name is kept
        assert any((s.low is None or s.low <= row.estimate) and (s.high is None or row.estimate <= s.high)
                   for s in row.interval)
    holm = sorted(r.p_value for r in rows)
    assert min(r.p_adjusted for r in rows) == pytest.approx(min(1.0, 3 * holm[0]))


def test_two_arms_with_few_villages_are_ordinary_least_squares(few):
    two = few[few["arm"] != "training"].assign(d=lambda f: (f["arm"] == "grant") * 1)
    options = {"outcome": "profit", "covariates": ["size"], "cluster": "village", "strata": "district"}
    pair = multi_arm(two, treatment="arm", reference="none", **options).headline
    plain = ols(two, treatment="d", **options)
    assert plain.has_caveat("randomisation_inference")
    for name in ("estimate", "std_error", "p_value", "conf_low", "conf_high"):
        assert getattr(pair, name) == pytest.approx(getattr(plain, name)), name
    assert [c.code for c in pair.caveats] == [c.code for c in plain.caveats]
    assert dict(pair.details)["wild_p"] == pytest.approx(dict(plain.details)["wild_p"])


def test_a_pair_that_no_district_drew_together_keeps_its_usual_p_and_says_so(few):
    data = few.assign(district=(few["village"] > 8).astype(int))
    data["arm"] = np.where(data["district"] == 0, np.where(data["village"] % 2, "grant", "none"),
                           np.where(data["village"] % 2, "training", "none"))
    rows = multi_arm(data, outcome="profit", treatment="arm", reference="none", cluster="village", strata="district")
    apart = next(r for r in rows if r.term == "training − grant")
    assert apart.has_caveat("few_clusters")
    assert not apart.has_caveat("randomisation_inference")
    assert rows[0].has_caveat("randomisation_inference")


def test_the_comparison_mean_uses_the_sampling_weights(trial):
    data = trial.assign(w=1.0 + trial["village"] % 4)
    row = multi_arm(data, outcome="profit", treatment="arm", reference="none", cluster="village", weights="w").headline
    none = data[data["arm"] == "none"]
    assert row.comparison_mean == pytest.approx(np.average(none["profit"], weights=none["w"]))
    assert row.effect_pct.value == pytest.approx(100 * row.estimate / row.comparison_mean)


def test_an_arm_written_in_two_ways_is_refused(trial):
    data = trial.assign(arm=[1 if i % 3 else "1" if i % 2 else 0 for i in range(len(trial))])
    with pytest.raises(DataError, match="writes one arm in two ways"):
        multi_arm(data, outcome="profit", treatment="arm", reference=0)

"""Matching where villages were chosen, and where nobody has a like."""

import numpy as np
import pandas as pd
import pytest

from impact import DataError, DesignError, matching
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


def chosen_by_trait(seed, groups=40, size=15, chosen=8):
    """Villages chosen by a trait of theirs, which is what most programmes do."""
    r = np.random.default_rng(seed)
    v, trait = np.repeat(np.arange(groups), size), r.normal(size=groups)
    treated = np.zeros(groups)
    treated[r.choice(groups, chosen, replace=False, p=np.exp(0.8 * trait) / np.exp(0.8 * trait).sum())] = 1
    x1 = r.normal(size=groups * size)
    y = trait[v] + x1 + 0.6 * r.normal(size=groups)[v] + r.normal(size=groups * size)
    return pd.DataFrame({"x0": trait[v], "x1": x1, "d": treated[v].astype(int), "y": y, "v": v})


WEIGHTS = ["inverse_probability", "entropy_balance", "aipw", "regression_adjustment"]


@pytest.mark.parametrize("method", WEIGHTS)
@pytest.mark.parametrize("chosen", [10, 5])
def test_weights_count_the_villages_of_the_smaller_side(method, chosen):
    found = [getattr(matching, method)(villages(s, chosen=chosen), **CALL, cluster="v") for s in range(80)]
    assert np.mean([e.conf_low <= 0 <= e.conf_high for e in found]) >= 0.9
    assert {e.df for e in found} == {chosen - 1.0}
    assert found[0].se_card.df_rule == "clusters of the smaller side − 1"
    assert "each v left out in turn" in found[0].se_card.correction


@pytest.mark.parametrize("method", WEIGHTS)
def test_intervals_hold_where_villages_were_chosen_by_a_trait_of_theirs(method):
    # of 200 samples 0.94, 0.92, 0.97 and 0.97 cover, the errors 0.9 to 1.2 of the spread; with the plain sandwich, sums by
    # village and G/(G − 1), it was 0.855, 0.86, 0.905 and 0.935, and 0.65 to 0.79
    found = []
    for s in range(60):
        try:
            found.append(getattr(matching, method)(chosen_by_trait(s), **CALL, estimand="ate", cluster="v"))
        except DesignError:
            assert method == "entropy_balance"  # a mean of 8 villages that no weights move so far
    assert np.mean([e.conf_low <= 0 <= e.conf_high for e in found]) >= 0.88
    spread = np.std([e.estimate for e in found])
    assert np.mean([e.std_error for e in found]) >= 0.8 * spread


@pytest.mark.parametrize("estimand", ["att", "ate"])
@pytest.mark.parametrize(("method", "near"), [("regression_adjustment", 1e-9), ("inverse_probability", 0.05),
                                               ("entropy_balance", 0.05), ("aipw", 0.05)])
def test_the_error_by_village_is_that_of_leaving_each_out(method, near, estimand):
    """The jackknife itself where all equations are linear, and one step of it elsewhere: near it with 80 villages."""
    data, call = chosen_by_trait(2, groups=80, chosen=30, size=6), CALL | {"estimand": estimand}
    e = getattr(matching, method)(data, **call, cluster="v")
    without = np.array([getattr(matching, method)(data[data["v"] != v], **call).estimate for v in range(80)])
    jackknife = np.sqrt(79 / 80 * ((without - e.estimate) ** 2).sum())
    assert e.std_error == pytest.approx(jackknife, rel=near)


def test_a_trait_of_one_village_alone_does_not_upset_the_error():
    data = villages(3).assign(own=lambda t: (t["v"] == t.loc[t["d"] == 0, "v"].iloc[0]).astype(float))
    call = CALL | {"covariates": ["x0", "x1", "own"], "estimand": "atc"}
    e = matching.regression_adjustment(data, **CALL | {"estimand": "atc"}, cluster="v")
    with pytest.raises(DesignError, match="own"):
        matching.regression_adjustment(data, **call, cluster="v")  # no treated unit has it
    part = matching.regression_adjustment(data, **call | {"estimand": "att"}, cluster="v")
    assert 0.5 < part.std_error / e.std_error < 2


@pytest.mark.parametrize("method", ["inverse_probability", "entropy_balance", "aipw", "regression_adjustment",
                                    "full_matching"])
def test_one_village_that_took_part_has_no_interval(method):
    e = getattr(matching, method)(villages(1, chosen=1), **CALL, cluster="v")
    assert (e.std_error, e.conf_low, e.p_value) == (None, None, None)
    assert np.isfinite(e.estimate)


def brute(gaps, mine, theirs, weights):
    """Fafchamps and Gubert, term by term: products of deviations of any two pairs with a cluster in common."""
    deviations = weights * (gaps - np.average(gaps, weights=weights))
    return sum(one * two for one, a, b in zip(deviations, mine, theirs, strict=True)
               for two, c, d in zip(deviations, mine, theirs, strict=True) if {a, b} & {c, d})


def test_the_dyadic_error_by_hand():
    """Three participants in two villages, three others in two: gaps 1, 2 and 6, deviations −2, −1 and 3.

    Pairs 1 and 2 share village A, pairs 2 and 3 village D; 1 and 3 nothing: 4 + 1 + 9 + 2·2 − 2·3 = 12.
    """
    from impact.matching.abadie_imbens import Side, _dyadic, _pairs
    from impact.matching.neighbours import nearest

    y = np.array([1.0, 2.0, 6.0, 0.0, 0.0, 0.0])
    d = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    place = np.array([[1.0], [2.0], [3.0], [1.0], [2.0], [3.0]])
    village = np.array([0, 0, 1, 2, 3, 3])
    one, zero = np.arange(3), np.arange(3, 6)
    side = Side(focal=one, donors=zero, matches=nearest(place[one], place[zero], 1))
    assert _dyadic((_pairs(side, y, d, None),), (side,), 3.0, village) == pytest.approx(12.0, rel=1e-12)
    # pairs within one village, and two pairs that share both villages, count once
    for codes in (np.array([0, 0, 1, 0, 2, 1]), np.array([0, 0, 1, 2, 2, 3]), np.zeros(6, dtype=np.int64)):
        by_hand = brute(y[one] - y[zero], codes[one], codes[zero], np.ones(3))
        assert _dyadic((_pairs(side, y, d, None),), (side,), 3.0, codes) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("estimand", ["att", "ate"])
def test_the_dyadic_error_term_by_term(estimand):
    data = villages(4, groups=6, size=5, chosen=3)
    e = matching.nearest_neighbour(data, **CALL, replace=True, neighbours=2, estimand=estimand, bias_adjustment=False,
                                   cluster="v")
    one, zero, weights = (np.array(part) for part in zip(*e.matched.pairs, strict=True))
    y, v = data["y"].to_numpy(), data["v"].to_numpy()
    sign = data["d"].to_numpy()[one] * 2 - 1
    shared = brute(sign * (y[one] - y[zero]), v[one], v[zero], weights) / weights.sum() ** 2 * 3 / 2
    largest = max(shared, matching.nearest_neighbour(data, **CALL, replace=True, neighbours=2, estimand=estimand,
                                                     bias_adjustment=False).std_error ** 2)
    assert e.std_error**2 >= largest * (1 - 1e-12)
    from impact.matching.abadie_imbens import _summed

    m = e.matched
    means = sum(_summed(y, m.weights * (m.treated == arm), v)[0] for arm in (1, 0))
    assert e.std_error**2 == pytest.approx(max(largest, means), rel=1e-9)


def waves(seed):
    r = np.random.default_rng(seed)
    data = villages(seed)
    level = r.normal(size=30)[data["v"]]
    return data.assign(before=10 + data["x0"] + level + r.normal(size=len(data)), after=lambda t: t["y"] + 10 + level)


@pytest.mark.parametrize("method", ["full_matching", "nearest_neighbour"])
def test_changes_of_villages_hold(method):
    # of 150 samples 0.93 to 0.98 cover, and 0.67 to 0.81 without the villages
    call = {"outcome": "after", "baseline": "before", "treatment": "d", "covariates": ["x0", "x1"], "method": method}
    found = [matching.matched_did(waves(s), **call, cluster="v") for s in range(40)]
    held = np.mean([[e.conf_low <= 0 <= e.conf_high for e in rows] for rows in found], axis=0)
    assert (held >= 0.85).all(), held
    rows, plain = found[0], matching.matched_did(waves(0), **call)
    assert [e.estimate for e in rows] == [e.estimate for e in plain]
    assert [e.vcov for e in rows] == ["CR1S", "CR2", "CR1S"]
    assert [(e.n_clusters, e.se_card.clusters_treated) for e in rows] == [(e.matched.data()["v"].nunique() if e.method !=
                                                                           "plain_did" else 30, 10) for e in rows]
    assert (rows[0].df, rows[2].df) == (9.0, 9.0)
    gaps = np.array([[g[2] for g in dict(rows.headline.details)["gaps"]] for rows in found])
    errors = np.array([[g[3] for g in dict(rows.headline.details)["gaps"]] for rows in found])
    assert (errors.mean(axis=0) >= 0.75 * gaps.std(axis=0)).all()


def test_changes_of_villages_in_rows_are_those_in_columns():
    wide = waves(3).assign(id=range(450))
    rows = pd.concat([wide.assign(t=1, y=wide["before"], d=0), wide.assign(t=2, y=wide["after"])])
    call = {"covariates": ["x0", "x1"], "cluster": "v"}
    one = matching.matched_did(wide, outcome="after", baseline="before", treatment="d", **call)
    two = matching.matched_did(rows, outcome="y", unit="id", time="t", treatment="d", before=1, after=2, **call)
    assert [e.estimate for e in two] == pytest.approx([e.estimate for e in one])
    assert [e.std_error for e in two] == pytest.approx([e.std_error for e in one])
    with pytest.raises(DataError, match="cluster is not known"):
        matching.matched_did(wide.assign(v=lambda t: t["v"].where(t["id"] > 3)), outcome="after", baseline="before",
                             treatment="d", **call)


def test_changes_with_one_village_have_no_interval():
    data = waves(1).assign(d=lambda t: (t["v"] == 0).astype(int))
    rows = matching.matched_did(data, outcome="after", baseline="before", treatment="d", covariates=["x0"], cluster="v")
    assert [e.std_error for e in rows] == [None] * 3


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


def test_one_pair_is_too_few_and_says_how_to_have_more():
    data = pd.DataFrame({"d": [1, 1, 1, 0, 0, 0], "x": [0.0, 20, 40, 0.1, 10, 30], "y": [1.0, 2, 3, 4, 5, 6]})
    call = {"outcome": "y", "treatment": "d", "covariates": ["x"], "distance": "standardised_euclidean", "caliper": 0.1}
    for method in ("optimal_pairs", "nearest_neighbour", "full_matching"):
        with pytest.raises(DesignError, match=r"2 units are matched, too few to estimate by.*Widen the caliper"):
            getattr(matching, method)(data, **call)


@pytest.mark.parametrize("method", ["nearest_neighbour", "exact", "inverse_probability", "matched_did"])
@pytest.mark.parametrize(("data", "options", "said"), [
    ([1, 2], {}, "a list is no table"), (pd.concat([villages(1), villages(1)[["y"]]], axis=1), {}, "2 of this name"),
    (villages(1), {"outcome": ["y"]}, "it takes one name")])
def test_what_is_no_table_or_no_name_says_where_and_what(method, data, options, said):
    more = {"baseline": "x1", "covariates": ["x0"]} if method == "matched_did" else {}
    with pytest.raises(DataError, match=said):
        getattr(matching, method)(data, **CALL | more | options)


@pytest.mark.parametrize(("method", "options"), [
    ("nearest_neighbour", {"replace": "no"}), ("nearest_neighbour", {"order": "random", "seed": "a"}),
    ("optimal_pairs", {"bias_adjustment": "no"}), ("inverse_probability", {"stabilised": "no"}),
    ("entropy_balance", {"fixed_target": "no"}), ("aipw", {"seed": 1.5})])
def test_words_for_yes_and_no_are_refused(method, options):
    with pytest.raises(ValueError, match="must be"):
        getattr(matching, method)(villages(1), **CALL, **options)


def test_what_chance_may_tell_apart_is_not_refused():
    """Cover (1965): of the 16 ways to divide 4 points on a line 2 · 4 are cuts; in a plane 14."""
    from impact.matching.support import RARE, by_chance

    assert by_chance(4, 1) == 8 / 16
    assert by_chance(4, 2) == 14 / 16
    assert by_chance(13, 3) == 2 * (1 + 12 + 66 + 220) / 2**13
    r = np.random.default_rng(0)
    refused = 0
    for _ in range(60):  # 8 and 7 firms, 5 traits that say nothing: 21 of 100 such samples can be cut by a plane
        data = pd.DataFrame(r.normal(size=(15, 5)), columns=list("abcef")).assign(d=np.arange(15) % 2, y=r.normal(size=15))
        try:
            e = matching.full_matching(data, outcome="y", treatment="d", covariates=list("abcef"), distance="mahalanobis")
            assert e.has_caveat("few_units_large_sample")
        except DesignError:
            refused += 1
    assert refused == 0
    assert by_chance(15, 5) > RARE
    data = data.assign(a=lambda t: t["a"] + 20 * t["d"])  # one trait alone: that is no chance
    with pytest.raises(DesignError, match="column 'a'"):
        matching.full_matching(data, outcome="y", treatment="d", covariates=list("abcef"), distance="mahalanobis")


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

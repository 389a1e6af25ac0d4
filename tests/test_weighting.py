"""Weighting by the score: cells worked by hand, R's numbers, errors by moving each row's weight, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.treatment.treatment_effects import TreatmentEffect
from support_shared import shared
from support_studies import cross_section

from impact import matching
from impact.errors import DataError, DesignError
from impact.inference.estimating import Block, hull_gap, influences, optimal_bounds, products, sampled_error, separating
from impact.matching.weighting import inverse_probability

close = pytest.approx
TRAITS = ["age", "educ", "race_black", "race_hispan", "married", "nodegree", "re74", "re75"]
EARNINGS = {"outcome": "re78", "treatment": "treat", "covariates": TRAITS}
CALL = {"outcome": "profit", "treatment": "joined", "covariates": ["age", "size"]}
ESTIMANDS = ("att", "atc", "ate", "ato", "matching")
# WeightIt 1.3.0 and estimatr 1.0.0: estimate, M-estimation error, effective sizes, largest raw weight of a comparison
STORED = {
    "att": (1214.07122089147, 798.154644465816, 185, 99.8153863006343, 3.74322174705456),
    "ate": (224.676308271437, 876.193252730021, 58.3266614799115, 329.007759387642, 4.74322174705456),
    "ato": (1242.20063127236, 738.749054638025, 145.635948489085, 166.101430572428, 0.789172833713503),
}


def lalonde() -> pd.DataFrame:
    data = shared("lalonde")
    return data.assign(**{f"race_{r}": (data["race"] == r) * 1 for r in ("black", "hispan", "white")})


def joined(n: int = 60, seed: int = 1) -> pd.DataFrame:
    """Firms that chose to join: larger ones more often."""
    data, rng = cross_section(n, seed), np.random.default_rng(seed + 100)
    chance = 1 / (1 + np.exp(-(data["size"] - 10) / 8))
    return data.assign(joined=(rng.random(n) < chance) * 1.0, weight=rng.uniform(0.5, 2, n))


def unmoved(method, data: pd.DataFrame, **call):
    """Hold that order, names and units of measure change nothing, and that the arms turned around change the sign."""
    plain = method(data, **call)
    others = {
        "order": data.sample(frac=1, random_state=3),
        "labels": data.assign(market=data["market"].map(lambda m: f"m{99 - m}")),
        "measure": data.assign(age=1e6 + 12e4 * data["age"], size=-data["size"] / 1e3),
    }
    for name, other in others.items():
        e = method(other, **call)
        assert (e.estimate, e.std_error) == close((plain.estimate, plain.std_error), rel=1e-7), name
    turned = {"att": "atc", "atc": "att"}.get(call["estimand"], call["estimand"])
    mirror = method(data.assign(joined=1 - data["joined"]), **call | {"estimand": turned})
    assert (mirror.estimate, mirror.std_error) == close((-plain.estimate, plain.std_error))
    return plain


def moved(method, data: pd.DataFrame, call: dict, step: float = 1e-4) -> float:
    """Standard error with no formula: the effect's derivative in each row's sampling weight, squared and added."""
    start = data["weight"] if "weights" in call else pd.Series(1.0, index=data.index)
    total = 0.0
    for i in data.index:
        up, down = (method(data.assign(w=start.where(data.index != i, start[i] * (1 + sign * step))),
                           **call | {"weights": "w"}).estimate for sign in (1, -1))
        total += ((up - down) / (2 * step)) ** 2
    return math.sqrt(total)


def test_one_trait_with_two_values_is_a_mean_over_cells():
    # x=0: treated 5, others 2 and 4; x=1: treated 8 and 10, other 6: effects 2 and 3
    data = pd.DataFrame({"x": [0, 1, 1, 0, 0, 1], "d": [1, 1, 1, 0, 0, 0], "y": [5, 8, 10, 2, 4, 6]}, dtype=float)
    fit = {e: inverse_probability(data, outcome="y", treatment="d", covariates=["x"], estimand=e) for e in ESTIMANDS}
    assert fit["att"].estimate == close((1 * 2 + 2 * 3) / 3)
    assert fit["atc"].estimate == close((2 * 2 + 1 * 3) / 3)
    assert fit["ate"].estimate == close((3 * 2 + 3 * 3) / 6)
    assert fit["ato"].estimate == close(2.5)  # both cells have e(1 − e) = 2/9 and three units
    assert fit["matching"].estimate == close(2.5)
    assert fit["att"].matched.weights == close([1, 1, 1, 0.5, 0.5, 2])
    # influences: treated y − cell mean of others − 8/3, others minus odds × (y − their cell mean), all over 3
    parts = [2 - 8 / 3, 2 - 8 / 3, 4 - 8 / 3, 0.5, -0.5, 0]
    assert fit["att"].std_error == close(math.sqrt(sum(p**2 for p in parts)) / 3)
    assert fit["att"].comparison_mean == close(fit["att"].effect_pct.base) == close(23 / 3 - 8 / 3)


@pytest.mark.parametrize("estimand", STORED)
def test_stored_r_numbers(estimand):
    # match_lalonde_ipw_*: tolerance of the cases 1e-5
    e = inverse_probability(lalonde(), **EARNINGS, estimand=estimand)
    estimate, error, ess_one, ess_zero, largest = STORED[estimand]
    assert (e.estimate, e.std_error) == close((estimate, error), rel=1e-6)
    assert (e.matched.effective_size(1), e.matched.effective_size(0)) == close((ess_one, ess_zero), rel=1e-6)
    s = e.matched.score[e.matched.treated == 0]
    raw = {"att": s / (1 - s), "ate": 1 / (1 - s), "ato": s}[estimand]
    assert raw.max() == close(largest, rel=1e-6)
    assert dict(e.details)["largest_share_comparison"] == close(largest / raw.sum(), rel=1e-6)
    assert (e.vcov, e.df) == ("M", None)


def test_errors_that_take_weights_as_known_are_what_r_calls_hc0():
    # match_lalonde_ipw_att, std_error_hc0: weighted least squares with the same weights
    m = inverse_probability(lalonde(), **EARNINGS).matched
    fit = sm.WLS(m.frame["re78"], sm.add_constant(m.treated), weights=m.weights).fit(cov_type="HC0")
    assert fit.bse.iloc[1] == close(824.051711383397, rel=1e-6)


def test_scores_kept_between_a_tenth_and_nine_tenths():
    # match_lalonde_crump
    e = inverse_probability(lalonde(), **EARNINGS, estimand="ate", trim=0.1)
    assert (e.n, e.estimate) == (341, close(1155.09132343998, rel=1e-6))
    assert sum(d.n_rows for d in e.dropped if d.reason == "trimmed") == 273
    assert dict(next(c for c in e.caveats if c.code == "trimmed_scores").values)["comparison"] == 263


def test_statsmodels_generalised_method_of_moments_gives_the_same_error():
    data = lalonde()
    x = data[TRAITS].astype(float)
    x = sm.add_constant((x - x.mean()) / x.std())
    score = sm.Logit(data["treat"], x).fit(disp=0, method="newton", tol=1e-12)
    peer = TreatmentEffect(sm.OLS(data["re78"], x), data["treat"], results_select=score)
    theirs = peer.ipw(return_results=True, effect_group=0, disp=0).results_gmm
    e = inverse_probability(data, **EARNINGS, estimand="atc")
    assert (e.estimate, e.std_error) == close((theirs.params[0], theirs.bse[0]), rel=1e-6)


@pytest.mark.parametrize("estimand", ["att", "ate", "ato"])
@pytest.mark.parametrize("options", [{}, {"weights": "weight"}])
def test_the_error_is_what_moving_each_rows_weight_does(estimand, options):
    data = joined(40)
    call = CALL | options | {"estimand": estimand}
    by_quotient = moved(inverse_probability, data, call)  # of differences, good to five digits
    assert inverse_probability(data, **call).std_error == close(by_quotient, rel=1e-5)


def test_a_weight_of_two_is_the_row_twice():
    data = joined().assign(weight=lambda d: 1.0 + (d.index % 3 == 0))
    twice = data.loc[data.index.repeat(data["weight"].astype(int))]
    once = inverse_probability(data, **CALL, weights="weight")
    both = inverse_probability(twice, **CALL, cluster="firm")
    assert both.estimate == close(once.estimate)
    assert both.std_error == close(inverse_probability(data, **CALL, weights="weight", cluster="firm").std_error)
    assert both.df == min(data["joined"].sum(), 60 - data["joined"].sum()) - 1  # the smaller side"s


def test_clusters_sum_what_their_rows_add():
    data = joined()
    alone, by_market = inverse_probability(data, **CALL), inverse_probability(data, **CALL, cluster="market")
    assert by_market.estimate == alone.estimate
    assert (by_market.n_clusters, by_market.se_card.clusters_treated, by_market.df) == (15, 14, 13)  # 14 hold participants
    assert by_market.std_error != close(alone.std_error)
    assert by_market.has_caveat("few_clusters_large_sample")
    many = joined(3000)
    each = inverse_probability(many, **CALL, cluster="firm")
    # a cluster each: left out in turn, against the sandwich; the two agree as the units grow
    assert each.std_error == close(inverse_probability(many, **CALL).std_error, rel=0.02)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_nothing_depends_on_order_labels_or_units_of_measure(estimand):
    data = joined()
    plain = inverse_probability(data, **CALL, estimand=estimand, cluster="market")
    others = {
        "order": data.sample(frac=1, random_state=3),
        "labels": data.assign(market=data["market"].map(lambda m: f"m{99 - m}")),
        "measure": data.assign(age=1e6 + 12e4 * data["age"], size=-data["size"] / 1e3),
        "index": data.set_index(pd.Index(range(1000, 1060))),
    }
    for name, other in others.items():
        e = inverse_probability(other, **CALL, estimand=estimand, cluster="market")
        assert (e.estimate, e.std_error) == close((plain.estimate, plain.std_error), rel=1e-7), name
    tenfold = inverse_probability(data.assign(profit=10 * data["profit"]), **CALL, estimand=estimand, cluster="market")
    assert (tenfold.estimate, tenfold.std_error) == close((10 * plain.estimate, 10 * plain.std_error))
    turned = {"att": "atc", "atc": "att"}.get(estimand, estimand)
    mirror = inverse_probability(data.assign(joined=1 - data["joined"]), **CALL, estimand=turned, cluster="market")
    assert (mirror.estimate, mirror.std_error) == close((-plain.estimate, plain.std_error))


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_weights_are_normalised_alike_for_every_estimand(estimand):
    m = inverse_probability(joined(), **CALL, estimand=estimand).matched
    one, zero = m.weights[m.treated == 1].sum(), m.weights[m.treated == 0].sum()
    assert one == close(zero)
    count = {"att": m.treated.sum(), "atc": (1 - m.treated).sum(), "ate": 60}
    if estimand in count:
        assert one == close(count[estimand])
    y = m.frame["profit"].to_numpy()
    means = [np.average(y[m.treated == a], weights=m.weights[m.treated == a]) for a in (1, 0)]
    assert inverse_probability(joined(), **CALL, estimand=estimand).estimate == close(means[0] - means[1])


def test_stabilised_weights_count_the_arms_own_units_and_change_no_effect():
    plain, stable = (inverse_probability(joined(), **CALL, estimand="ate", stabilised=s) for s in (False, True))
    m = stable.matched
    assert (stable.estimate, stable.std_error) == (plain.estimate, plain.std_error)
    assert [m.weights[m.treated == a].sum() for a in (1, 0)] == close([m.treated.sum(), (1 - m.treated).sum()])


def test_the_score_is_not_regularised_and_balances_the_covariates_it_must():
    # the logit's first-order conditions: a penalty would break them; overlap weights then balance means exactly
    data = lalonde()
    m = inverse_probability(data, **EARNINGS, estimand="ato").matched
    x = data[TRAITS].to_numpy(dtype=float)
    assert np.abs((m.treated - m.score) @ (x / x.std(axis=0))).max() < 1e-6
    means = [np.average(x[m.treated == a], axis=0, weights=m.weights[m.treated == a]) for a in (1, 0)]
    assert means[0] == close(means[1], rel=1e-6)


def test_optimal_bounds_leave_the_least_variance():
    rng = np.random.default_rng(1)
    e = np.sort(rng.beta(0.5, 0.8, 400)).clip(1e-4, 1 - 1e-4)
    w = np.ones(400)

    def variance(low, high, estimand):  # of the effect on the units kept, up to a constant (Crump et al. 2009)
        k = e[(e >= low) & (e <= high)]
        tilt = {"ate": np.ones(len(k)), "att": k, "atc": 1 - k}[estimand]
        return (tilt**2 / (k * (1 - k))).sum() / tilt.sum() ** 2

    for estimand in ("ate", "att", "atc"):
        best = variance(*optimal_bounds(e, w, estimand), estimand)
        cuts = [(a if estimand != "att" else 0, 1 - a if estimand != "atc" else 1) for a in np.linspace(0, 0.45, 4000)]
        # the rule equates means of a population; among 400 units it may keep one unit more or less than the best cut
        assert best <= min(variance(*c, estimand) for c in cuts) * 1.005
    low, high = optimal_bounds(e, w, "ate")
    kept = e[(e >= low) & (e <= high)]
    assert 1 / (low * high) == close(2 * (1 / (kept * (1 - kept))).mean())
    assert optimal_bounds(np.linspace(0.3, 0.7, 50), np.ones(50), "ate") == (0, 1)


def test_trimming_by_the_optimal_rule_says_of_whom_the_number_speaks():
    data = lalonde()
    e = inverse_probability(data, **EARNINGS, estimand="ate", trim="crump")
    said = dict(next(c for c in e.caveats if c.code == "trimmed_scores").values)
    assert said["low"] == close(1 - said["high"])
    assert e.n + sum(d.n_rows for d in e.dropped) == len(data)
    assert 0.05 < said["low"] < 0.15  # Crump et al. (2009): 0.1 is a good approximation to most optimal bounds
    high = inverse_probability(data, **EARNINGS, trim=0.3)
    assert high.matched.frame.loc[[r - 1 for d in high.dropped for r in d.rows], "race_black"].all()
    untouched = inverse_probability(joined(), **CALL, estimand="ate", trim=0.001)
    assert not untouched.has_caveat("trimmed_scores")


def test_a_unit_that_carries_much_weight_is_named():
    data = joined(60)
    data.loc[7, ["size", "joined"]] = [19.0, 0]  # a large firm that stayed out
    e = inverse_probability(data, **CALL)
    said = dict(next(c for c in e.caveats if c.code == "large_weight").values)
    assert said["row"] == 8
    assert said["share"] == close(dict(e.details)["largest_share_comparison"])
    assert not inverse_probability(lalonde(), **EARNINGS).has_caveat("large_weight")


def test_units_beyond_the_other_sides_scores_are_counted():
    e = inverse_probability(lalonde(), **EARNINGS)
    s, d = e.matched.score, e.matched.treated
    count = (s[d == 1] > s[d == 0].max()).sum() + (s[d == 1] < s[d == 0].min()).sum()
    assert dict(e.details)["outside_support"] == count
    told = next(c.text for c in e.caveats if c.code == "outside_support")
    assert told.startswith(f"{count} units (rows " if count > 1 else "1 unit (row ")


def test_every_row_is_used_or_counted_once():
    data = joined()
    data.loc[[0, 7], "profit"] = np.nan
    data.loc[9, "age"] = np.nan
    data.loc[11, "weight"] = 0.0
    e = inverse_probability(data, **CALL, weights="weight")
    rows = [r for d in e.dropped for r in d.rows]
    assert sorted(rows) == [1, 8, 10, 12]
    assert (e.n, len(e.matched.weights), len(e.matched.data())) == (56, 56, 56)


def test_logged_and_yes_no_outcomes_say_their_unit():
    data = joined().assign(open=lambda d: (d["profit"] > 70) * 1)
    logged = inverse_probability(data, **CALL, transform="log")
    assert logged.effect_pct.value == close(100 * math.expm1(logged.estimate))
    share = inverse_probability(data, **CALL | {"outcome": "open"})
    assert (share.transform, share.effect_pct) == ("share", None)


def test_covariates_that_add_nothing_are_left_out_and_said():
    data = joined().assign(one=3.0, again=lambda d: 2 * d["size"] - 1)
    e = inverse_probability(data, **CALL | {"covariates": ["age", "size", "one", "again"]})
    assert e.estimate == close(inverse_probability(data, **CALL).estimate)
    assert "one, again" in next(c for c in e.caveats if c.code == "covariates_left_out").text


def test_perfect_separation_names_the_covariate():
    data = joined()
    for z in (data["joined"] * 10 + data["size"] / 100,  # complete
              data["joined"] * (data["size"] > 10)):  # nobody with 1 stayed out
        with pytest.raises(DesignError, match="column 'z': its values predict who took part without error"):
            inverse_probability(data.assign(z=z), **CALL | {"covariates": ["age", "z"]})
    a = np.random.default_rng(1).normal(size=60)
    hidden = data.assign(a=a, b=(data["joined"] - 0.5) * 0.2 + a)  # only the difference of both tells
    with pytest.raises(DesignError, match="'a', 'b' together predict who took part"):
        inverse_probability(hidden, **CALL | {"covariates": ["a", "b"]})
    with pytest.raises(DataError, match="column 'joined': it is the treatment and a covariate"):
        inverse_probability(data, **CALL | {"covariates": ["age", "joined"]})


def test_designs_that_cannot_answer_are_refused():
    data = joined(20)
    many = data.assign(**{f"x{j}": np.random.default_rng(j).normal(size=20) for j in range(12)})
    with pytest.raises(DesignError, match=r"12 covariates for 1?[0-9] treated units"):
        inverse_probability(many, **CALL | {"covariates": [f"x{j}" for j in range(12)]})
    with pytest.raises(DesignError, match="all 20 units are comparison"):
        inverse_probability(data.assign(joined=0), **CALL)
    with pytest.raises(DesignError, match="one value on every row"):
        inverse_probability(data.assign(age=1), **CALL | {"covariates": ["age"]})
    with pytest.raises(DesignError, match="nothing to compare"):
        inverse_probability(data, **CALL | {"covariates": []})
    with pytest.raises(DesignError, match="only one cluster"):
        inverse_probability(data.assign(all="a"), **CALL, cluster="all")
    with pytest.raises(DataError, match="it holds text"):
        inverse_probability(data.assign(age=np.where(np.arange(len(data)) % 2, "old", "12")), **CALL)
    with pytest.raises(DataError, match="Did you mean 'size'"):
        inverse_probability(data, **CALL | {"covariates": ["sise"]})
    with pytest.raises(DataError, match="negative"):
        inverse_probability(data.assign(weight=-1.0), **CALL, weights="weight")
    with pytest.raises(DataError, match="no value, so that their cluster is not known"):
        inverse_probability(data.assign(market=np.nan), **CALL, cluster="market")
    for wrong in ({"estimand": "late"}, {"trim": 0.5}, {"trim": "best"}, {"trim": True}, {"trim": 0.1, "estimand": "ato"},
                  {"conf_level": 95}, {"transform": "sqrt"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            inverse_probability(data, **CALL, **wrong)


def test_stacked_equations_worked_by_hand():
    # a mean m of x, then b with Σ(y − b·m) = 0: b = ȳ/m̄, and the delta method gives (y − ȳ)/m̄ − ȳ(x − x̄)/x̄², over n
    x, y = np.array([1.0, 2, 3, 6]), np.array([2.0, 1, 5, 4])
    b = y.mean() / x.mean()
    one = np.ones((4, 1))
    blocks = [Block(name="m", values=(x - x.mean())[:, None], slope=products(-one, one)),
              Block(name="b", values=(y - b * x.mean())[:, None], slope=products(-x.mean() * one, one),
                    through=(("m", products(-b * one, one)),))]
    found = influences(blocks)
    assert found["b"][:, 0] == close(((y - y.mean()) / x.mean() - y.mean() * (x - x.mean()) / x.mean() ** 2) / 4)
    # without the first two the mean is 4.5, without the others 1.5, and b stays 1
    found = influences(blocks, np.array([0, 0, 1, 1]))
    assert found["m"][:, 0] == close([3 - 4.5, 3 - 1.5])
    assert found["b"][:, 0] == close([0, 0], abs=1e-12)
    assert sampled_error(found["m"][:, 0], True) == close(math.sqrt((1.5**2 + 1.5**2) / 2))


def test_linear_programmes_find_separation_and_gaps():
    x = np.array([[0.0, 0], [1, 1], [2, 0], [3, 1]])
    assert separating(x, np.array([0, 0, 1, 1])) == [0]
    assert separating(x, np.array([0, 1, 1, 0])) == []
    assert hull_gap(np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([0.2, 0.3])) == close(np.zeros(2), abs=1e-9)
    assert np.abs(hull_gap(np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([0.8, 0.5]))).sum() == close(0.3)


def drawn(rng: np.random.Generator, n: int, clusters: int = 0) -> tuple[pd.DataFrame, dict[str, float]]:
    """Firms that join by their traits, with effects that grow with size; the truths are of the law they are drawn from."""
    market = np.arange(n) % clusters if clusters else np.arange(n)
    shared = rng.normal(0, 0.5, n)[market]
    x = rng.normal(size=(n, 2))
    chance = 1 / (1 + np.exp(-(-0.5 + 0.7 * x[:, 0] - 0.4 * x[:, 1])))
    d = (rng.random(n) < chance) * 1.0
    gain = 1 + 0.5 * x[:, 0]
    y = 2 + x @ [1.0, 0.5] + d * gain + shared * bool(clusters) + rng.normal(size=n)
    data = pd.DataFrame({"age": x[:, 0], "size": x[:, 1], "joined": d, "profit": y, "market": market})
    truth = {"att": np.average(gain, weights=chance), "atc": np.average(gain, weights=1 - chance), "ate": 1.0,
             "ato": np.average(gain, weights=chance * (1 - chance))}
    return data, truth


def coverage(method, estimand: str, *, clusters: int = 0, n: int = 400, replications: int = 600, **options) -> float:
    """Share of 95 per cent intervals that hold the truth of the law the firms are drawn from."""
    _, law = drawn(np.random.default_rng(0), 1_000_000)
    held = 0
    for seed in range(replications):
        data, _ = drawn(np.random.default_rng(seed + 1), n, clusters)
        e = method(data, **CALL, estimand=estimand, cluster="market" if clusters else None, **options)
        held += e.conf_low <= law[estimand] <= e.conf_high
    return held / replications


@pytest.mark.slow
@pytest.mark.parametrize(("estimand", "clusters"), [("att", 0), ("atc", 0), ("ate", 0), ("ato", 0), ("att", 60),
                                                    ("ate", 60)])
def test_intervals_hold_the_truth(estimand, clusters):
    # 600 replications: Monte-Carlo error 0.009 at 0.95; the bounds are three of them, and a little below for large weights
    share = coverage(inverse_probability, estimand, clusters=clusters)
    print(f"\ninverse_probability {estimand}, {clusters} clusters: {share:.3f}")
    assert 0.915 <= share <= 0.977


@pytest.mark.parametrize(("method", "options", "r", "stata"), [
    ("inverse_probability", {}, 'method = "glm", estimand = "ATT"', "teffects ipw (y) (d x), atet"),
    ("inverse_probability", {"weights": "weight", "estimand": "ate"}, 'method = "glm", estimand = "ATE", s.weights = w',
     "teffects ipw (y) (d x) [pweight = w], ate"),
    ("inverse_probability", {"trim": 0.05}, "no equivalent call", ""),
    ("inverse_probability", {"cluster": "market"}, "no equivalent call", ""),
    ("entropy_balance", {}, 'method = "cbps", estimand = "ATT"', ""),
    ("entropy_balance", {"fixed_target": True, "moments": 2}, 'method = "ebal", estimand = "ATT", moments = 2', ""),
    ("entropy_balance", {"estimand": "ate"}, "no equivalent call", ""),
    ("entropy_balance", {"base_weights": "weight"}, "no equivalent call", ""),
    ("aipw", {"estimand": "ate"}, "", "teffects aipw (y x) (d x), ate"), ("aipw", {"estimand": "ate", "folds": 2}, "", ""),
    ("regression_adjustment", {"weights": "weight"}, "", "teffects ra (y x) (d) [pweight = w], atet"),
    ("regression_adjustment", {"cluster": "market"}, "no equivalent call", "")])
def test_a_card_prints_a_call_only_where_it_makes_estimate_and_error(method, options, r, stata):
    data = joined().assign(weight=lambda d: 1.0 + (d.index % 3 == 0))
    card = getattr(matching, method)(data, **CALL, **options).se_card
    assert r in card.r_call
    assert bool(card.r_call) == bool(r)
    assert card.stata_call == stata


def test_the_call_for_pairs_holds_the_covariates_adjusted_for():
    data = joined()
    calls = [matching.optimal_pairs(data, **CALL, **options).se_card.stata_call for options in (
        {}, {"bias_adjustment": True}, {"vcov": "CR2"})]
    assert calls == [f"regress y d{x} [pweight = w], vce(cluster set)" for x in ("", " x")] + [""]

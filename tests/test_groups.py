"""Effects by group and the difference between groups, from one fully interacted regression."""

import math

import numpy as np
import pandas as pd
import pytest
from support_shared import shared

from impact.errors import DataError, DesignError
from impact.inference import holm
from impact.rct import ancova, ols
from impact.rct.groups import subgroups

SAME = ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high", "n", "n_treated", "n_clusters",
        "comparison_mean", "outcome_sd")


def tanzania():
    data = shared("tanzania_training").dropna(subset=["lnisales0911f"])
    return data.assign(school=np.select([data["educ"] < 7, data["educ"] == 7], ["a", "b"], "c"))


@pytest.fixture
def trial():
    """60 villages of 6 firms; three sizes of firm within every village; small firms gain 4, others nothing."""
    rng = np.random.default_rng(12)
    frame = pd.DataFrame({"village": np.repeat(np.arange(60), 6)})
    frame["offered"] = frame["village"] % 2
    frame["zone"] = np.array(["east", "west", "north"])[(frame["village"] // 20).to_numpy()]
    frame["size"] = np.tile(["small", "small", "middle", "middle", "large", "large"], 60)
    frame["age"] = rng.normal(40, 10, 360)
    frame["weight"] = rng.uniform(0.5, 2, 360)
    frame["before"] = rng.normal(10, 2, 360)
    effect = np.where(frame["size"] == "small", 4.0, 0.0) * frame["offered"]
    frame["profit"] = 3 + frame["before"] + 0.1 * frame["age"] + effect + rng.normal(0, 2, 360) + rng.normal(size=60)[
        frame["village"]]
    return frame


@pytest.fixture
def two(trial):
    return trial[trial["size"] != "middle"]


ASKED = {"outcome": "profit", "treatment": "offered", "by": "size"}


def test_by_hand_eight_firms():
    # small: means 9 and 5, effect 4; large: 6 and 5, effect 1; difference small − large = 3
    # HC2 variances of means, s²/2: small 2/2 = 1 and 2/2 = 1; large 2/2 = 1 and 8/2 = 4
    data = pd.DataFrame({"size": ["small"] * 4 + ["large"] * 4, "offered": [1, 1, 0, 0] * 2,
                         "profit": [8.0, 10, 4, 6, 5, 7, 3, 7]})
    rows = subgroups(data, vcov="CR2", **ASKED)
    assert [r.term for r in rows] == ["small − large", "in large", "in small"]
    assert [r.subgroup for r in rows] == [None, "large", "small"]
    assert [r.estimate for r in rows] == [pytest.approx(x) for x in (3, 1, 4)]
    assert [r.std_error for r in rows] == [pytest.approx(math.sqrt(x)) for x in (7, 5, 2)]
    assert [r.df for r in rows] == [pytest.approx(x) for x in (4, 2, 2)]  # Bell–McCaffrey, four means of two
    assert dict(rows.headline.details)["overall"] == pytest.approx(2.5)


# R 4.2.2, clubSandwich 0.5.8, 602 rows, clusters mecid, vcovCR(type = "CR2"): coef_test(test = "Satterthwaite") of
# lm(lnisales0911f ~ factor(male) + dtreat:factor(male)[, each also times age]), and linear_contrast of the two effects
IN_R = [
    ((), [(0.309518297802096, 0.190518101792509, 50.1562562620486, 0.11051343419486),
          (-0.0280310250294958, 0.101125330418993, 46.5451370453359, 0.782860887321271),
          (0.2814872727726004, 0.178609973501662, 40.0483751494194, 0.122896012059278)]),
    (("age",), [(0.314632221435097, 0.191867492695764, 50.0702472755805, 0.107306790191794),
                (-0.0334370182979569, 0.100439394269177, 46.6737097002004, 0.740694954907725),
                (0.2811952031371404, 0.178841725768058, 39.9881483226668, 0.123757782709341)]),
]


@pytest.mark.parametrize(("covariates", "numbers"), IN_R)
def test_the_tanzanian_trial_by_sex_is_that_of_r(covariates, numbers):
    rows = subgroups(tanzania(), outcome="lnisales0911f", treatment="dtreat", by="male", cluster="mecid",
                     covariates=covariates)
    assert [r.term for r in rows] == ["1 − 0", "in 0", "in 1"]
    for made, stored in zip(rows, numbers, strict=True):
        assert (made.estimate, made.std_error, made.df, made.p_value) == tuple(pytest.approx(x, rel=1e-6) for x in stored)


def test_three_groups_and_their_joint_test_are_those_of_r():
    # as above, by schooling below, at and above seven years; Wald_test(test = "HTZ") of both differences
    rows = subgroups(tanzania(), outcome="lnisales0911f", treatment="dtreat", by="school", cluster="mecid")
    stored = [(-0.0977562575113063, 0.560406209681059, 10.0360071217265),
              (-0.1808727492124427, 0.540351516444804, 11.0001445596432),
              (0.2162012228598795, 0.531549636207132, 9.24701339186526),
              (0.1184449653485732, 0.117540550963397, 48.40868633485140),
              (0.0353284736474368, 0.154800238949869, 43.98168330970412)]
    assert [r.term for r in rows] == ["b − a", "c − a", "in a", "in b", "in c"]
    for made, numbers in zip(rows, stored, strict=True):
        assert (made.estimate, made.std_error, made.df) == tuple(pytest.approx(x, rel=1e-6) for x in numbers)
    joint = dict(dict(rows.headline.details)["joint"])
    assert (joint["statistic"], joint["df_denom"], joint["p_value"]) == tuple(pytest.approx(x, rel=1e-6) for x in (
        0.140138641405419, 20.444805933599149, 0.870065526149251))
    assert rows.headline.has_caveat("joint_test")


@pytest.mark.parametrize("options", [
    {}, {"cluster": "village"}, {"covariates": ["age"]}, {"strata": "zone", "cluster": "village"},
    {"weights": "weight", "cluster": "village"}, {"vcov": "classical"}, {"vcov": "HC1"},
    {"covariates": ["age", "before"], "strata": "zone", "cluster": "village", "weights": "weight"}])
def test_each_group_is_the_regression_on_that_group_alone(trial, options):
    rows = subgroups(trial, **ASKED, **options)
    for row in rows:
        if row.subgroup is None:
            continue
        alone = ols(trial[trial["size"] == row.subgroup], outcome="profit", treatment="offered", **options)
        assert row.estimate == pytest.approx(alone.estimate)
        if options.get("vcov") is None:  # CR2 and its df too; other errors count all rows or coefficients
            for name in SAME:
                assert getattr(row, name) == pytest.approx(getattr(alone, name)), name
            assert row.effect_pct.value == pytest.approx(alone.effect_pct.value)


def test_the_baseline_enters_as_in_ancova(trial):
    rows = subgroups(trial, **ASKED, baseline="before", cluster="village")
    alone = ancova(trial[trial["size"] == "small"], outcome="profit", treatment="offered", baseline="before",
                   cluster="village")
    assert (rows[-1].estimate, rows[-1].std_error) == (pytest.approx(alone.estimate), pytest.approx(alone.std_error))
    logs = subgroups(trial, **ASKED, baseline="before", transform="log", cluster="village")
    alone = ancova(trial[trial["size"] == "small"], outcome="profit", treatment="offered", baseline="before",
                   transform="log", cluster="village")
    assert (logs[-1].estimate, logs[-1].effect_pct.value) == (
        pytest.approx(alone.estimate), pytest.approx(alone.effect_pct.value))
    assert logs.headline.effect_pct is None


def test_a_difference_is_the_coefficient_of_the_product_in_a_plain_regression(two):
    sm = pytest.importorskip("statsmodels.formula.api")
    row = subgroups(two, **ASKED, cluster="village", vcov="CR1S").headline
    peer = sm.ols("profit ~ offered * small", two.assign(small=(two["size"] == "small") * 1)).fit(
        cov_type="cluster", cov_kwds={"groups": two["village"]}, use_t=True)
    assert (row.estimate, row.std_error, row.p_value) == tuple(pytest.approx(float(x["offered:small"])) for x in (
        peer.params, peer.bse, peer.pvalues))


def test_a_difference_takes_account_of_villages_that_hold_both_groups(two):
    # a shock to a village moves both its groups alike, so that differences are surer than independent groups would be
    shocked = two.assign(profit=two["profit"] + 20 * np.random.default_rng(3).normal(size=60)[two["village"]])
    rows = subgroups(shocked, **ASKED, cluster="village")
    assert rows.headline.std_error < 0.3 * math.hypot(rows[1].std_error, rows[2].std_error)


def test_two_groups_have_a_joint_test_equal_to_the_difference(two):
    rows = subgroups(two, **ASKED, cluster="village")
    joint = dict(dict(rows.headline.details)["joint"])
    assert (joint["p_value"], joint["df_denom"]) == (pytest.approx(rows.headline.p_value), pytest.approx(rows.headline.df))
    assert joint["statistic"] == pytest.approx(rows.headline.statistic**2)
    assert not rows.headline.has_caveat("joint_test")
    assert rows.headline.p_adjusted is None


def test_p_values_are_adjusted_over_groups_and_over_differences(trial):
    rows = subgroups(trial, **ASKED, cluster="village")
    assert [r.p_family for r in rows] == ["2 differences, Holm"] * 2 + ["3 groups, Holm"] * 3
    assert [r.p_adjusted for r in rows] == [*holm([rows[j].p_value for j in (0, 1)]),
                                            *holm([rows[j].p_value for j in (2, 3, 4)])]
    assert len({r.id for r in rows}) == 5


def test_neither_row_order_nor_village_names_nor_currency_matter(trial):
    first = subgroups(trial, **ASKED, cluster="village", covariates=["age"])
    other = trial.sample(frac=1, random_state=4).assign(
        village=lambda f: "v" + (99 - f["village"]).astype(str), profit=lambda f: 100 * f["profit"])
    for a, b in zip(first, subgroups(other, **ASKED, cluster="village", covariates=["age"]), strict=True):
        assert (a.term, a.n) == (b.term, b.n)
        assert (100 * a.estimate, 100 * a.std_error, a.df, a.p_value) == tuple(pytest.approx(x) for x in (
            b.estimate, b.std_error, b.df, b.p_value))


@pytest.mark.parametrize(("values", "names"), [([1.0, 2.0], ["1", "2"]), ([True, False], ["False", "True"]),
                                               ([0, 10], ["0", "10"])])
def test_groups_are_named_as_a_reader_writes_them(two, values, names):
    coded = two.assign(size=np.where(two["size"] == "small", values[0], values[1]))
    assert [r.subgroup for r in subgroups(coded, **ASKED)][1:] == names


def test_a_missing_group_has_a_line_of_its_own_in_the_ledger(two):
    two = two.reset_index(drop=True).astype({"offered": float})
    two.loc[[4, 9], "size"] = None
    two.loc[[2, 9], "offered"] = np.nan
    two.loc[[5], "profit"] = np.nan
    rows = subgroups(two, **ASKED)
    for row in rows:
        assert {(x.reason, x.rows, x.n_rows) for x in row.dropped} == {
            ("treatment_missing", (3, 10), 2), ("subgroup_missing", (5,), 1), ("outcome_missing", (6,), 1)}
    assert rows[1].n + rows[2].n == rows.headline.n == len(two) - 4
    gone = subgroups(two.assign(offered=lambda f: f["offered"].fillna(0)), **ASKED)
    assert [(x.reason, x.rows) for x in gone.headline.dropped] == [("subgroup_missing", (5, 10)), ("outcome_missing", (6,))]


def test_a_yes_no_offer_and_a_yes_no_outcome_are_read(two):
    rows = subgroups(two.assign(offered=two["offered"] == 1, profit=(two["profit"] > 17) * 1), **ASKED)
    assert {r.transform for r in rows} == {"share"}
    assert rows.headline.estimate == pytest.approx(rows[2].estimate - rows[1].estimate)


def test_a_missing_covariate_costs_no_row(two):
    holes = two.assign(age=two["age"].mask((two["size"] == "small") & (two["village"] % 7 == 0)))
    rows = subgroups(holes, **ASKED, covariates=["age"], cluster="village")
    alone = ols(holes[holes["size"] == "small"], outcome="profit", treatment="offered", covariates=["age"],
                cluster="village")
    assert rows.headline.n == len(holes)
    assert (rows[2].estimate, rows[2].std_error) == (pytest.approx(alone.estimate), pytest.approx(alone.std_error))


def test_small_groups_are_flagged_and_drawn_again_within_the_group(two):
    thin = two[(two["size"] != "small") | (two["village"] < 9)]
    rows = subgroups(thin, **ASKED, cluster="village")
    difference, large, small = rows
    assert [r.has_caveat("subgroup_small") for r in rows] == [True, False, True]
    assert difference.has_caveat("randomisation_inference")
    assert small.has_caveat("randomisation_inference")
    assert not large.has_caveat("few_clusters")
    alone = ols(thin[thin["size"] == "small"], outcome="profit", treatment="offered", cluster="village")
    assert (small.p_value, small.conf_low, small.conf_high) == (alone.p_value, pytest.approx(alone.conf_low),
                                                                pytest.approx(alone.conf_high))
    assert difference.has_caveat("subgroup_small")
    named = subgroups(thin, **ASKED, cluster="village", vcov="CR2")
    assert not named[2].has_caveat("randomisation_inference")


def test_one_cluster_of_a_group_on_a_side_gives_no_error_and_says_why(two):
    alone = two[(two["size"] != "small") | (two["village"] % 2 == 0) | (two["village"] == 1)]
    rows = subgroups(alone, **ASKED, cluster="village")
    assert (rows[0].std_error, rows[0].p_value, rows[0].interval) == (None, None, ())
    assert "one cluster of a group on a side" in dict(rows[0].reasons)["std_error"]
    assert dict(rows[0].details)["joint_reason"] == "a group has too few on a side"
    assert rows[1].std_error is not None


def test_few_villages_show_the_wild_bootstrap_beside_the_difference(two):
    few = two[two["village"] < 20]
    row = subgroups(few, **ASKED, cluster="village").headline
    assert row.has_caveat("wild_bootstrap")
    found = dict(row.details)
    assert 0 < found["wild_p"] < 1
    ((low, high),) = found["wild_set"]
    assert low < row.estimate < high


def test_a_difference_that_could_not_be_found_is_called_so_and_one_that_could_is_not(two):
    row = subgroups(two, **ASKED, cluster="village").headline
    least = 2.8 * row.std_error
    overall = dict(row.details)["overall"]
    assert row.has_caveat("subgroup_not_powered") == (least > abs(overall))
    planned = subgroups(two, **ASKED, cluster="village", planned_mde=0.9 * least).headline
    (caveat,) = (c for c in planned.caveats if c.code == "subgroup_not_powered")
    assert dict(caveat.values) == {"detectable": pytest.approx(least), "planned": 0.9 * least}
    assert "says nothing about how large the true difference is" in caveat.text
    coarse = subgroups(two, **ASKED, cluster="village", planned_mde=1.1 * least).headline
    assert not coarse.has_caveat("subgroup_not_powered")
    noisy = two.assign(profit=two["profit"] + np.random.default_rng(1).normal(0, 60, len(two)))
    assert subgroups(noisy, **ASKED).headline.has_caveat("subgroup_not_powered")


def test_strata_with_different_shares_are_called_overlap_weighted(trial):
    more = (trial["zone"] == "east") & (trial["village"] % 4 == 1)
    uneven = trial.assign(offered=((trial["village"] % 2 == 0) | more) * 1)
    rows = subgroups(uneven, **ASKED, strata="zone", cluster="village")
    assert all(r.has_caveat("overlap_weighted") for r in rows if r.subgroup)


@pytest.mark.parametrize(("options", "model"), [
    ({}, "lm_robust(y ~ factor(by) + {}, clusters = id, se_type = 'CR2')"),
    ({"covariates": ["age"], "cluster": "village", "strata": "zone"},
     "lm_robust(y ~ {} + factor(by):x, clusters = g, fixed_effects = ~interaction(s, by), se_type = 'CR2')")])
def test_the_card_gives_the_line_of_r_that_remakes_it(trial, options, model):
    """Run beside estimatr 1.0.0: the coefficient named has the number, its error and df."""
    rows = subgroups(trial, **ASKED, **options).rows
    for row in rows:
        group = row.subgroup or row.term.partition(" − ")[0]
        effect = "factor(by):d" if row.subgroup else "d + factor(by):d"
        assert row.se_card.r_call == f"estimatr::{model.replace('{}', effect)} # coefficient factor(by){group}:d"


@pytest.mark.parametrize(("change", "options", "error", "said"), [
    ({}, {"by": "sizes"}, DataError, "no column 'sizes'"),
    ({}, {"by": "age"}, DataError, "2 to 8 groups"),
    ({"size": "one"}, {}, DataError, "it has 1 values"),
    ({}, {"by": "offered"}, DataError, "is the treatment"),
    ({}, {"by": "profit"}, DataError, "is the outcome"),
    ({"offered": lambda f: f["offered"] * (f["size"] != "small")}, {}, DesignError, "group 'small': all its 120 units are"),
    ({"offered": lambda f: np.where(f["offered"] == 1, "yes", "no")}, {}, DataError, "coded in words"),
    ({"zone": lambda f: f["zone"] + f["offered"].astype(str)}, {"strata": "zone"}, DesignError, "(?s)told apart|stratum"),
    ({"age": lambda f: np.where(f["size"] == "small", f["offered"], f["age"])}, {"covariates": ["age"]}, DesignError,
     "'offered in small': its effect cannot be told apart"),
    ({}, {"planned_mde": -1.0}, ValueError, "planned_mde"), ({}, {"conf_level": 95}, ValueError, "conf_level"),
    ({}, {"group": "size"}, TypeError, "group")])
def test_what_cannot_be_answered_is_refused(trial, change, options, error, said):
    with pytest.raises(error, match=said):
        subgroups(trial.assign(**change), **{**ASKED, **options})


def test_a_group_its_coefficients_fit_exactly_is_refused(two):
    tiny = pd.concat([two[two["size"] == "large"], two[two["size"] == "small"].iloc[[0, 1, 2, 3]]])
    with pytest.raises(DesignError, match="group 'small': 4 rows are too few to estimate its 4 coefficients"):
        subgroups(tiny, **ASKED, covariates=["age", "before"])


def test_the_caller_s_table_is_left_as_it_was(trial):
    before = trial.copy()
    subgroups(trial, **ASKED)
    pd.testing.assert_frame_equal(trial, before)


@pytest.mark.slow
@pytest.mark.parametrize(("villages", "spans"), [(16, True), (16, False), (60, True)])
def test_the_interaction_is_found_as_often_as_it_should_be(villages, spans):
    # no difference between groups, effect 1 in both; villages hold both groups, or one each; unequal spread
    rng, total, rejected = np.random.default_rng(21), 3000, 0
    village = np.repeat(np.arange(villages), 4)
    offered = village % 2
    size = np.tile([0, 0, 0, 1], villages) if spans else (village // 2) % 2
    for _ in range(total):
        y = offered + (1 + size) * rng.normal(size=len(village)) + rng.normal(size=villages)[village]
        data = pd.DataFrame({"v": village, "d": offered, "s": size, "y": y})
        rejected += subgroups(data, outcome="y", treatment="d", by="s", cluster="v", vcov="CR2").headline.p_value < 0.05
    error = math.sqrt(0.05 * 0.95 / total)
    print(f"\n{villages} villages, spanning {spans}: size {rejected / total:.4f} (Monte-Carlo error {error:.4f})")
    assert abs(rejected / total - 0.05) < 0.015 + 2 * error

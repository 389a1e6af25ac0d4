"""Several rounds after the offer: pooled, by round, and whether rounds differ."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from impact.errors import DataError, DesignError
from impact.rct import ancova, ols
from impact.rct.rounds import pooled_rounds

COLUMNS = {"outcome": "profit", "treatment": "offered", "unit": "firm", "round": "wave"}
# four firms in two rounds
SMALL = pd.DataFrame({
    "firm": ["f1", "f1", "f2", "f2", "f3", "f3", "f4", "f4"], "wave": [1, 2] * 4,
    "offered": [1, 1, 1, 1, 0, 0, 0, 0], "profit": [13.0, 18, 15, 16, 10, 9, 12, 13],
})
FIELDS = ("estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high", "comparison_mean", "outcome_sd",
          "n", "n_treated", "n_comparison", "n_clusters", "vcov", "n_units", "effect_pct", "transform")


@pytest.fixture
def panel():
    rng = np.random.default_rng(21)
    firms = pd.DataFrame({"firm": np.arange(90), "market": np.arange(90) // 3})
    firms["offered"] = firms["market"] % 2
    firms["district"] = firms["market"] // 2 % 3
    firms["age"] = rng.normal(size=90)
    firms["before"] = 10 + rng.normal(size=90)
    firms["lasting"] = rng.normal(size=90) + 0.5 * firms["before"]
    long = firms.merge(pd.DataFrame({"wave": [1, 2, 3]}), how="cross")
    long["profit"] = 10 + 0.5 * long["offered"] * long["wave"] + long["lasting"] + 0.3 * long["wave"] + rng.normal(size=270)
    return long.drop(index=[4, 60, 61, 200]).reset_index(drop=True)


def balanced(panel):
    return panel[panel.groupby("firm")["wave"].transform("size") == 3]


def test_four_firms_by_hand():
    rows = pooled_rounds(SMALL, **COLUMNS, vcov="CR0")
    # round means: offered 14 and 17, others 11 and 11; balanced rounds, so that pooled is their average
    assert [r.term for r in rows] == ["offered", "offered in round 1", "offered in round 2"]
    assert [r.period for r in rows] == [None, "1", "2"]
    assert [r.estimate for r in rows] == [pytest.approx(x) for x in (4.5, 3.0, 6.0)]
    # firm sums of residuals, pooled: f1 −1 + 1 = 0, f2 0, f3 −1 − 2 = −3, f4 3; each side divides by its 4 rows
    assert rows[0].std_error == pytest.approx(np.sqrt((0 + 0 + 9 + 9) / 16))
    # round 1: residuals −1, 1 and −1, 1 over 2 rows a side; round 2: 1, −1 and −2, 2
    assert [r.std_error for r in rows][1:] == [pytest.approx(1.0), pytest.approx(np.sqrt((1 + 1 + 4 + 4) / 4))]
    assert [(r.n, r.n_treated, r.n_units, r.n_clusters) for r in rows] == [(8, 4, 4, 4), (4, 2, 4, 4), (4, 2, 4, 4)]
    details = dict(rows.headline.details)
    assert (details["rounds"], details["units_in_all_rounds"], details["units_in_some_rounds"]) == (2, 4, 0)
    assert not rows.headline.has_caveat("rounds_unbalanced")


@pytest.mark.parametrize("baseline", [None, "before"])
@pytest.mark.parametrize("cluster", [None, "market"])
def test_pooled_and_by_round_are_statsmodels_clustered(panel, baseline, cluster):
    rows = pooled_rounds(panel, **COLUMNS, baseline=baseline, covariates=["age"], cluster=cluster, strata="district",
                         vcov="CR1S")
    slopes = " + before:C(wave)" if baseline else ""
    options = {"cov_type": "cluster", "cov_kwds": {"groups": panel[cluster or "firm"]}, "use_t": True}
    fit = smf.ols(f"profit ~ offered + C(wave) + C(district) + age{slopes}", panel).fit(**options)
    row = rows.headline
    assert (row.estimate, row.std_error, row.p_value) == tuple(
        pytest.approx(f["offered"], rel=1e-8) for f in (fit.params, fit.bse, fit.pvalues))
    fit = smf.ols(f"profit ~ 0 + C(wave) + offered:C(wave) + C(district) + age{slopes}", panel).fit(**options)
    for j, row in enumerate(list(rows)[1:]):
        name = f"offered:C(wave)[{j + 1}]"
        assert (row.estimate, row.std_error, row.p_value) == tuple(
            pytest.approx(f[name], rel=1e-8) for f in (fit.params, fit.bse, fit.pvalues))
    names = [f"offered:C(wave)[{j}]" for j in (1, 2, 3)]
    together = fit.f_test([[float(x == names[j]) - float(x == names[0]) for x in fit.params.index] for j in (1, 2)])
    # a naive F of the same covariance and the same contrasts; HTZ multiplies it by (η − q + 1)/η
    test = dict(dict(rows.headline.details)["rounds_test"])
    eta = test["df_denom"] + test["df_num"] - 1
    assert test["statistic"] * eta / test["df_denom"] == pytest.approx(float(together.fvalue), rel=1e-7)
    assert (test["df_num"], test["kind"]) == (2, "HTZ")


def test_two_rounds_differ_as_one_contrast_does(panel):
    two = panel[panel["wave"] < 3]
    rows = pooled_rounds(two, **COLUMNS)
    test = dict(dict(rows.headline.details)["rounds_test"])
    late = two.assign(late=(two["wave"] == 2) * 1, both=lambda f: f["late"] * f["offered"])
    gap = ols(late, outcome="profit", treatment="offered", covariates=["late", "both"], cluster="firm", vcov="CR2")
    value = {name: (b, s) for name, b, s in dict(gap.details)["coefficients"]}["both"]
    assert rows[2].estimate - rows[1].estimate == pytest.approx(value[0])
    assert test["statistic"] == pytest.approx((value[0] / value[1]) ** 2)
    caveat = next(c for c in rows.headline.caveats if c.code == "rounds_test")
    assert dict(caveat.values)["p"] == test["p_value"]


@pytest.mark.parametrize("vcov", [None, "CR1S", "HC2", "HC1", "classical"])
@pytest.mark.parametrize("options", [
    {}, {"covariates": ["age"]}, {"baseline": "before"}, {"cluster": "market"}, {"weights": "w"},
    {"baseline": "before", "covariates": ["age"], "strata": "district"}, {"baseline": "before", "transform": "log"},
])
def test_one_round_is_ols_or_ancova(panel, vcov, options):
    one = panel[panel["wave"] == 2].assign(w=lambda f: 1 + f["firm"] % 3)
    one.loc[one.index[[3, 17]], "before"] = np.nan
    one.loc[one.index[5], "profit"] = np.nan
    if "cluster" in options and vcov in ("HC2", "HC1", "classical"):  # rows of one cluster are not independent
        for method, call in ((pooled_rounds, COLUMNS), (ols, {"outcome": "profit", "treatment": "offered"})):
            with pytest.raises(DesignError, match="clusters are given"):
                method(one, **call, **options, vcov=vcov)
        return
    mine = pooled_rounds(one, **COLUMNS, **options, vcov=vcov)
    plain = (ancova if "baseline" in options else ols)(one, outcome="profit", treatment="offered", **options, vcov=vcov)
    for name in FIELDS:
        assert getattr(mine.headline, name) == getattr(plain, name), name
    for name in ("coefficients", "left_out"):
        assert dict(mine.headline.details)[name] == dict(plain.details)[name]
    assert mine.headline.se_card.level == plain.se_card.level
    assert mine.headline.se_card.df_rule == plain.se_card.df_rule
    assert mine.headline.dropped == plain.dropped
    codes = [c.code for c in plain.caveats]
    assert [c.code for c in mine.headline.caveats] == codes
    assert len(mine) == 2
    assert mine[1].estimate == pytest.approx(plain.estimate)
    assert "rounds_test" not in dict(mine.headline.details)


@pytest.mark.parametrize("count", [12, 40])
def test_few_units_or_clusters_follow_the_rule_of_ols(panel, count):
    one = panel[(panel["wave"] == 1) & (panel["firm"] < count)]
    options = {"outcome": "profit", "treatment": "offered", "cluster": "market"}
    mine = pooled_rounds(one, **(COLUMNS | options)).headline
    plain = ols(one, **options)
    assert (mine.p_value, mine.interval, [c.code for c in mine.caveats]) == (
        plain.p_value, plain.interval, [c.code for c in plain.caveats])
    several = pooled_rounds(panel[panel["firm"] < count], **COLUMNS, cluster="market").headline
    assert several.has_caveat("randomisation_inference") == (count == 12)
    assert several.has_caveat("wild_bootstrap")


def test_a_baseline_slope_of_its_own_in_each_round(panel):
    long = balanced(panel)
    rows = pooled_rounds(long, **COLUMNS, baseline="before")
    # with every covariate by round, each round stands alone
    for wave, row in zip((1, 2, 3), list(rows)[1:], strict=True):
        alone = ancova(long[long["wave"] == wave], outcome="profit", treatment="offered", baseline="before")
        assert row.estimate == pytest.approx(alone.estimate)
        assert row.comparison_mean == pytest.approx(alone.comparison_mean)


def test_clustering_by_unit_is_wider_than_taking_rows_for_independent(panel):
    rows = pooled_rounds(panel, **COLUMNS)
    naive = ols(panel, outcome="profit", treatment="offered", vcov="HC2")
    assert rows.headline.std_error > 1.2 * naive.std_error
    assert (rows.headline.se_card.level, rows.headline.n_clusters) == ("firm", panel["firm"].nunique())


def test_units_not_always_seen_are_told(panel):
    row = pooled_rounds(panel, **COLUMNS).headline
    details = dict(row.details)
    times = panel["firm"].value_counts()
    assert (details["units_in_all_rounds"], details["units_in_some_rounds"]) == ((times == 3).sum(), (times < 3).sum())
    assert row.has_caveat("rounds_unbalanced")
    assert (row.n_units, row.n_units_treated) == (90, panel.loc[panel["offered"] == 1, "firm"].nunique())


def test_the_ledger_counts_rows_and_units(panel):
    data = panel.astype({"wave": float})
    data.loc[0, "wave"], data.loc[[6, 7], "profit"] = np.nan, np.nan
    data.loc[data["firm"] == 4, "profit"] = np.nan
    row = pooled_rounds(data, **COLUMNS).headline
    lost = data["profit"].isna()
    assert [(d.reason, d.n_rows, d.n_units) for d in row.dropped] == [("round_missing", 1, 0), (
        "outcome_missing", int(lost.sum()), 1)]
    assert row.n == len(data) - 1 - lost.sum()


def test_rounds_may_have_names_or_dates(panel):
    words = {1: "a: midline", 2: "b: endline", 3: "c: follow-up"}
    plain = pooled_rounds(panel, **COLUMNS)
    for other, names in ((panel["wave"].map(words), list(words.values())),
                         (pd.to_datetime({"year": 2020 + panel["wave"], "month": 5, "day": 1}),
                          ["2021-05-01", "2022-05-01", "2023-05-01"])):
        rows = pooled_rounds(panel.assign(wave=other), **COLUMNS)
        assert [r.period for r in rows] == [None, *names]
        assert [r.estimate for r in rows] == [pytest.approx(r.estimate) for r in plain]
        assert len({r.id for r in rows}) == 4


@pytest.mark.parametrize("change", ["order", "labels", "scale"])
def test_what_does_not_matter_does_not_move_the_numbers(panel, change):
    other, factor = {"order": (panel.sample(frac=1, random_state=1), 1.0),
                     "labels": (panel.assign(firm=500 - panel["firm"]), 1.0),
                     "scale": (panel.assign(profit=7 * panel["profit"], before=7 * panel["before"]), 7.0)}[change]
    for one, two in zip(pooled_rounds(panel, **COLUMNS, baseline="before"),
                        pooled_rounds(other, **COLUMNS, baseline="before"), strict=True):
        assert two.estimate == pytest.approx(factor * one.estimate)
        assert two.std_error == pytest.approx(factor * one.std_error)
        assert two.df == pytest.approx(one.df)


def test_logs_take_the_baseline_along(panel):
    rows = pooled_rounds(panel, **COLUMNS, baseline="before", transform="log", vcov="CR0")
    logged = panel.assign(y=np.log(panel["profit"]), x=np.log(panel["before"]))
    fit = smf.ols("y ~ offered + C(wave) + x:C(wave)", logged).fit()
    assert rows.headline.estimate == pytest.approx(fit.params["offered"])
    assert rows.headline.effect_pct.value == pytest.approx(100 * np.expm1(fit.params["offered"]))


def test_cards_say_how_to_remake_the_number(panel):
    rows = pooled_rounds(panel, **COLUMNS, baseline="before", covariates=["age"])
    assert rows[0].se_card.r_call == (
        "estimatr::lm_robust(y ~ d + factor(t) + b:factor(t) + x, clusters = g, se_type = 'CR2') # coefficient d")
    assert rows[1].se_card.stata_call == "regress y 1.d#i.t i.t c.b#i.t x, vce(hc2 g, dfadjust)"
    assert all(r.question and r.assumptions for r in rows)


def test_doubled_rows_and_changing_columns_come_at_once_with_units():
    data = pd.concat([SMALL, SMALL.iloc[[2]]], ignore_index=True)
    data["place"], data["first"] = ["p1"] * 8 + ["p2"], 5
    data.loc[0, "offered"], data.loc[4, "first"] = 0, 6
    with pytest.raises(DataError) as caught:
        pooled_rounds(data, **COLUMNS, cluster="place", baseline="first")
    text = str(caught.value)
    assert "1 unit stands more than once in a round (f2 in round 1)" in text
    assert "column 'offered': it varies within 1 unit (f1; rows " in text
    assert "column 'first': it varies within 1 unit (f3; rows " in text
    assert "column 'place': it varies within 1 unit (f2; rows " in text
    assert len(caught.value.problems) == 4


def test_names_of_people_are_not_repeated():
    data = SMALL.assign(firm=SMALL["firm"].map({"f1": "Amina Odhiambo", "f2": "B", "f3": "C", "f4": "D"}))
    data.loc[0, "offered"] = 0
    with pytest.raises(DataError, match="id hidden"):
        pooled_rounds(data, **COLUMNS)


@pytest.mark.parametrize(("change", "options", "error", "said"), [
    ({"firm": None}, {}, DataError, "column 'firm': 8 rows have no value"),
    ({"wave": [1, 2, 1, 2, 1, 3, 1, 3]}, {}, DesignError, "all 2 rows of round 2 are treated"),
    ({"first": SMALL["profit"].where(SMALL["wave"] == 1).ffill()}, {"baseline": "first"}, DesignError,
     "in round 1 'profit' equals 'first' on every row"),
    ({}, {"vcov": "HC2"}, DesignError, "HC2 takes the rounds of one unit for independent"),
    ({}, {"baseline": "none"}, DataError, "no column 'none'"),
    ({"market": ["m1"] * 2 + ["m2"] * 4 + ["m3"] * 2}, {"cluster": "market"}, DesignError, "both treated and comparison"),
    ({"offered": 1}, {}, DesignError, "all 8 units are treated"),
])
def test_what_cannot_be_estimated_is_refused(change, options, error, said):
    with pytest.raises(error, match=said):
        pooled_rounds(SMALL.assign(**change), **COLUMNS, **options)


def test_yes_no_offers_and_repeated_row_labels_are_fine(panel):
    plain = pooled_rounds(panel.assign(wave=panel["wave"].where(panel.index > 1)), **COLUMNS)
    odd = panel.assign(offered=panel["offered"] == 1, wave=panel["wave"].where(panel.index > 1))
    odd.index = [7] * len(odd)
    for one, two in zip(plain, pooled_rounds(odd, **COLUMNS), strict=True):
        assert (one.estimate, one.std_error, one.dropped) == (two.estimate, two.std_error, two.dropped)


def test_a_share_moves_in_points(panel):
    row = pooled_rounds(panel.assign(profit=(panel["profit"] > 15) * 1.0), **COLUMNS).headline
    assert (row.transform, row.effect_pct) == ("share", None)


def test_unknown_values_and_keywords():
    with pytest.raises(ValueError, match="vcov must be one of"):
        pooled_rounds(SMALL, **COLUMNS, vcov="robust")
    with pytest.raises(TypeError, match="unexpected keyword"):
        pooled_rounds(SMALL, **COLUMNS, time="wave")

"""Crossed offers: main effects, interactions and offers alone."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from support_shared import shared

from impact.errors import DataError, DesignError
from impact.inference.multiple import holm
from impact.rct import multi_arm, ols
from impact.rct.factors import factorial

# four cells of unequal size; their means are 10 (neither), 13 (grant), 12 (training) and 20 (both)
SMALL = pd.DataFrame({
    "training": [0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1],
    "grant": [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
    "profit": [8.0, 9.0, 11.0, 12.0, 11.0, 13.0, 12.0, 14.0, 19.0, 20.0, 21.0],
})


@pytest.fixture
def crossed():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(list(product((0, 1), repeat=3)) * 24, columns=["a", "b", "c"])
    frame = frame.iloc[:-7].reset_index(drop=True)  # cells of unequal size
    frame["village"] = np.arange(len(frame)) // 16 * 8 + np.arange(len(frame)) % 8
    frame["size"] = rng.normal(size=len(frame))
    frame["profit"] = (10 + frame["a"] + 2 * frame["b"] - frame["a"] * frame["b"] + frame["c"] * frame["a"] + frame["size"]
                       + rng.normal(size=len(frame)) + rng.normal(size=400)[frame["village"]])
    return frame


def test_four_cells_by_hand():
    rows = factorial(SMALL, outcome="profit", treatments=["training", "grant"])
    assert [r.term for r in rows] == ["training", "grant", "training × grant", "training alone", "grant alone"]
    # training: ((20 − 13) + (12 − 10))/2; grant: ((20 − 12) + (13 − 10))/2; together: (20 − 13) − (12 − 10)
    assert [r.estimate for r in rows] == [pytest.approx(x) for x in (4.5, 5.5, 5.0, 2.0, 3.0)]
    # HC2 of a cell's mean is its variance with n − 1, over n: 10/3/4, 2/2, 2/2, 1/3
    parts = np.array([10 / 3 / 4, 1.0, 1.0, 1 / 3])
    main, alone = np.sqrt(parts.sum() / 4), np.sqrt(parts[0] + parts[1])
    assert [r.std_error for r in rows] == [pytest.approx(x) for x in (main, main, 2 * main, alone, alone)]
    assert rows.headline.comparison_mean == pytest.approx((10 + 13) / 2)
    assert rows[3].comparison_mean == pytest.approx(10)
    assert rows[2].comparison_mean is None
    assert [(r.n_treated, r.n_comparison) for r in rows] == [(5, 6), (5, 6), (3, 8), (2, 4), (2, 4)]
    assert dict(rows.headline.details)["cells"] == (
        ("training = 0, grant = 0", 4, 10.0), ("training = 0, grant = 1", 2, 13.0),
        ("training = 1, grant = 0", 2, 12.0), ("training = 1, grant = 1", 3, 20.0))


def test_main_effect_is_not_that_of_the_regression_without_interactions():
    main = factorial(SMALL, outcome="profit", treatments=["training", "grant"]).headline
    short = ols(SMALL, outcome="profit", treatment="training", covariates=["grant"])
    assert abs(main.estimate - short.estimate) > 0.1
    assert main.has_caveat("averaged_over_cells")


@pytest.mark.parametrize(("vcov", "kind"), [("HC1", "HC1"), ("HC3", "HC3"), ("classical", "nonrobust")])
@pytest.mark.parametrize("k", [2, 3])
def test_cells_are_statsmodels_saturated_regression(crossed, vcov, kind, k):
    names = ["a", "b", "c"][:k]
    rows = factorial(crossed, outcome="profit", treatments=names, covariates=["size"], vcov=vcov)
    coded = smf.ols("profit ~ size + " + " * ".join(f"I({x} - 0.5)" for x in names), crossed).fit(cov_type=kind, use_t=True)
    plain = smf.ols("profit ~ size + " + " * ".join(names), crossed).fit(cov_type=kind, use_t=True)
    pairs = [(x, y) for i, x in enumerate(names) for y in names[i + 1:]]
    wanted = [*((coded, f"I({x} - 0.5)") for x in names), *((coded, f"I({x} - 0.5):I({y} - 0.5)") for x, y in pairs),
              *((plain, x) for x in names)]
    assert len(rows) == len(wanted)
    for row, (fit, name) in zip(rows, wanted, strict=True):
        assert row.estimate == pytest.approx(fit.params[name], rel=1e-9), row.term
        assert row.std_error == pytest.approx(fit.bse[name], rel=1e-9), row.term
        assert row.p_value == pytest.approx(fit.pvalues[name], rel=1e-8), row.term
        assert row.df == fit.df_resid


def test_clustered_errors_are_statsmodels(crossed):
    drawn = crossed.assign(a=crossed["village"] % 2)
    rows = factorial(drawn, outcome="profit", treatments=["a", "b"], cluster="village", within=["b"], vcov="CR1S")
    fit = smf.ols("profit ~ I(a - 0.5) * I(b - 0.5)", drawn).fit(cov_type="cluster", cov_kwds={"groups": drawn["village"]})
    assert [r.std_error for r in rows][:3] == [pytest.approx(x) for x in fit.bse.iloc[1:]]
    assert [r.estimate for r in rows][:3] == [pytest.approx(x) for x in fit.params.iloc[1:]]


def test_clusters_and_satterthwaite_as_clubsandwich():
    # case inf_tz_clubsandwich_cr2 (clubSandwich 0.5.8): lnisales0911f ~ dtreat * male + sales08a by mecid, CR2. Male was
    # not drawn, but the algebra is that of an offer drawn inside clusters
    data = shared("tanzania_training")
    rows = factorial(data, outcome="lnisales0911f", treatments=["dtreat", "male"], covariates=["sales08a"], cluster="mecid",
                     within=["male"])
    stored = {
        "dtreat alone": (0.0215190880388037, 0.0854074883283358, 46.4728538336665, -0.150350078139659, 0.193388254217266,
                         0.802184594018023),
        "dtreat × male": (0.251942132127678, 0.158625725638142, 50.201809695654, -0.06663528339693, 0.570519547652285,
                          0.118501965160107),
    }
    for row in rows:
        if row.term in stored:
            mine = (row.estimate, row.std_error, row.df, row.conf_low, row.conf_high, row.p_value)
            assert mine == pytest.approx(stored[row.term], rel=1e-6), row.term
    # the main effect is the effect alone and half of the interaction
    found = {row.term: row.estimate for row in rows}
    assert found["dtreat"] == pytest.approx(0.0215190880388037 + 0.251942132127678 / 2, rel=1e-6)


def test_holm_runs_over_main_effects_and_interactions_alone(crossed):
    rows = factorial(crossed, outcome="profit", treatments=["a", "b", "c"])
    family = list(rows)[:6]
    assert [r.p_adjusted for r in family] == holm([r.p_value for r in family])
    assert {r.p_family for r in family} == {"6 main effects and interactions, Holm"}
    assert [(r.p_adjusted, r.has_caveat("outside_family")) for r in list(rows)[6:]] == [(None, True)] * 3


def test_four_offers_and_distinct_ids():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(list(product((0, 1), repeat=4)) * 4, columns=list("abcd"))
    frame["y"] = rng.normal(size=64) + frame["d"]
    rows = factorial(frame, outcome="y", treatments=list("abcd"))
    assert len(rows) == len({r.id for r in rows}) == 4 + 6 + 4
    means = frame.groupby(["a", "b", "c", "d"])["y"].mean()
    assert rows[3].estimate == pytest.approx(means.xs(1, level="d").mean() - means.xs(0, level="d").mean())


def test_cards_say_how_to_remake_the_number(crossed):
    rows = factorial(crossed, outcome="profit", treatments=["a", "b"], covariates=["size"], vcov="HC3")
    assert rows[0].se_card.r_call == ("estimatr::lm_robust(y ~ I(a - 0.5) * I(b - 0.5) + x, se_type = 'HC3') "
                                      "# coefficient I(a - 0.5)")
    assert rows[3].se_card.stata_call == "regress y i.a##i.b x, vce(hc3)"
    assert all(r.question and r.assumptions and r.se_card for r in rows)


@pytest.mark.parametrize("change", ["order", "labels", "scale", "first"])
def test_what_does_not_matter_does_not_move_the_numbers(crossed, change):
    options = {"outcome": "profit", "treatments": ["a", "b"], "covariates": ["size"], "cluster": "village",
               "within": ["b"]}
    crossed = crossed.assign(a=crossed["village"] % 2)
    first = factorial(crossed, **options)
    other, factor, place = crossed, 1.0, [0, 1, 2, 3, 4]
    if change == "order":
        other = crossed.sample(frac=1, random_state=3)
    elif change == "labels":
        other = crossed.assign(village=-crossed["village"])
    elif change == "scale":
        other, factor = crossed.assign(profit=1000 * crossed["profit"]), 1000.0
    else:
        options["treatments"], place = ["b", "a"], [1, 0, 2, 4, 3]
    second = factorial(other, **options)
    for i, row in enumerate(second):
        same = first[place[i]]
        assert row.estimate == pytest.approx(factor * same.estimate)
        assert row.std_error == pytest.approx(factor * same.std_error)
        assert row.p_value == pytest.approx(same.p_value)


def test_a_missing_covariate_costs_no_row_and_a_missing_offer_is_told(crossed):
    data = crossed.astype({"a": float})
    data.loc[3, "size"], data.loc[5, "a"], data.loc[8, "profit"] = np.nan, np.nan, np.nan
    row = factorial(data, outcome="profit", treatments=["a", "b"], covariates=["size"]).headline
    assert [(d.reason, d.rows) for d in row.dropped] == [("treatment_missing", (6,)), ("outcome_missing", (9,))]
    assert row.n == len(data) - 2
    assert row.has_caveat("covariate_missing")


def test_logs_are_per_cent_of_the_geometric_mean():
    row = factorial(SMALL, outcome="profit", treatments=["training", "grant"], transform="log")[3]
    logs = np.log(SMALL["profit"])
    cell = (SMALL["training"] == 1) & (SMALL["grant"] == 0)
    none = (SMALL["training"] == 0) & (SMALL["grant"] == 0)
    gap = logs[cell].mean() - logs[none].mean()
    assert (row.estimate, row.effect_pct.value) == (pytest.approx(gap), pytest.approx(100 * np.expm1(gap)))
    assert row.comparison_mean == pytest.approx(np.exp(logs[none].mean()))


def test_sampling_weights_weigh_within_cells():
    weights = np.array([1.0, 1, 1, 5, 1, 3, 1, 1, 1, 1, 2])
    rows = factorial(SMALL.assign(w=weights), outcome="profit", treatments=["training", "grant"], weights="w", vcov="HC1")
    mean = SMALL.assign(w=weights).groupby(["training", "grant"])[["profit", "w"]].apply(
        lambda f: np.average(f["profit"], weights=f["w"]))
    assert rows[3].estimate == pytest.approx(mean[1, 0] - mean[0, 0])
    assert rows[3].comparison_mean == pytest.approx(mean[0, 0])
    assert rows.headline.estimate == pytest.approx((mean[1, 1] - mean[0, 1] + mean[1, 0] - mean[0, 0]) / 2)


def test_strata_with_other_shares_are_told(crossed):
    even = crossed.assign(s=np.arange(len(crossed)) // 8 % 3)
    odd = crossed.assign(s=np.where((crossed["a"] == 1) & (np.arange(len(crossed)) % 3 > 0), 1, 0))
    assert not factorial(even, outcome="profit", treatments=["a", "b"], strata="s").headline.has_caveat("overlap_weighted")
    assert factorial(odd, outcome="profit", treatments=["a", "b"], strata="s").headline.has_caveat("overlap_weighted")


def test_an_empty_cell_is_named_and_all_problems_come_at_once():
    data = SMALL.assign(village=[1, 1, 2, 2, 1, 3, 4, 4, 5, 5, 6])
    data = data[~((data["training"] == 1) & (data["grant"] == 1))]
    with pytest.raises(DesignError) as caught:
        factorial(data, outcome="profit", treatments=["training", "grant"], cluster="village")
    text = str(caught.value)
    assert "cell training = 1, grant = 1: it is empty" in text
    assert "cell training = 0, grant = 1: only one cluster of it has the outcome (row" in text
    assert "column 'training': it varies within 1 cluster (1; rows " in text
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(("change", "error", "said"), [
    ({"treatments": ["training"]}, DesignError, "2 to 4 different columns"),
    ({"treatments": ["training", "training"]}, DesignError, "different columns"),
    ({"treatments": ["training", "loan"]}, DataError, "no column 'loan'"),
    ({"treatments": ["training", "profit"]}, DataError, "other than 0 and 1"),
    ({"within": ["loan"]}, DesignError, "loan is not among the treatments"),
    ({"within": ["grant"]}, DesignError, "no offer is left that was drawn by cluster"),
])
def test_what_cannot_be_estimated_is_refused(change, error, said):
    with pytest.raises(error, match=said):
        factorial(SMALL, **({"outcome": "profit", "treatments": ["training", "grant"]} | change))


def test_unknown_keywords_are_errors():
    with pytest.raises(TypeError, match="unexpected keyword"):
        factorial(SMALL, outcome="profit", treatments=["training", "grant"], treatment="training")


def villages(rng, count=18):
    """Eighteen villages, four or five a cell."""
    village = np.repeat(np.arange(count), 4)
    frame = pd.DataFrame({"village": village, "a": village % 2, "b": village // 2 % 2, "u": np.arange(len(village)) % 2})
    frame["size"] = rng.normal(size=len(frame))
    frame["profit"] = 10 + frame["a"] + frame["size"] + rng.normal(size=len(frame)) + rng.normal(size=count)[village]
    return frame


def test_with_few_villages_an_offer_alone_is_drawn_again_as_between_two_arms():
    frame = villages(np.random.default_rng(3))
    options = {"outcome": "profit", "covariates": ["size"], "cluster": "village"}
    rows = {r.term: r for r in factorial(frame, treatments=["a", "b"], **options)}
    cells = frame.assign(cell=frame["a"].astype(str) + frame["b"].astype(str))
    arms = {r.term: r for r in multi_arm(cells, treatment="cell", reference="00", **options)}
    for alone, pair in (("a alone", "10 − 00"), ("b alone", "01 − 00")):
        assert rows[alone].has_caveat("randomisation_inference")
        for name in ("estimate", "std_error", "p_value", "conf_low", "conf_high"):
            assert getattr(rows[alone], name) == pytest.approx(getattr(arms[pair], name)), (alone, name)
    named = factorial(frame, treatments=["a", "b"], vcov="CR2", **options)
    assert all(r.has_caveat("few_clusters") and not r.has_caveat("randomisation_inference") for r in named[3:])


def test_with_few_villages_averages_are_drawn_again():
    frame = villages(np.random.default_rng(3), 10)
    options = {"outcome": "profit", "cluster": "village"}
    crossed_by_village = factorial(frame, treatments=["a", "b"], **options)
    assert [r.has_caveat("randomisation_inference") for r in crossed_by_village] == [True] * 5
    inside = factorial(frame, treatments=["a", "u"], within=["u"], **options)
    # all ten villages hold both values of u: its main effect rests on all of them
    assert [r.has_caveat("randomisation_inference") for r in inside] == [True, False, True, True, True]
    assert not any(r.has_caveat("few_clusters") for r in (*crossed_by_village, *inside))

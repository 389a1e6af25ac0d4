"""Bad input to a trial: each mistake is refused with the rows, and with the stratum's or cluster's own name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from impact import rct
from impact.data.sample import load_sample
from impact.errors import DataError, DesignError, ImpactError
from impact.evaluation import evaluate
from impact.inference.contrasts import difference
from tests.support_studies import PROFIT, cross_section, declare

close = pytest.approx
OWN: dict[str, dict[str, Any]] = {
    "ancova": {"baseline": "profit_0"}, "lin": {"covariates": ["size"]}, "late": {"takeup": "took"},
    "multi_arm": {"reference": 0.0}, "lee_bounds": {"draws": 9}}
EVERY = ("difference_in_means", "ols", "ancova", "lin", "late", "poisson", "multi_arm", "lee_bounds")
WEIGHTED = ("ols", "ancova", "lin", "late", "poisson", "multi_arm")
CLUSTERED: dict[str, Any] = {"treatment": "market_offered", "cluster": "market"}


def firms() -> pd.DataFrame:
    """Forty firms; ``stratum`` S0 to S3 of ten, ``market`` M00 to M09 of four, some of those offered take part."""
    data = cross_section()
    return data.assign(stratum=[f"S{i}" for i in data["sector"]], market=[f"M{i:02d}" for i in data["market"]], w=1.0,
                       took=lambda d: d["offered"] * (d.index % 3 > 0), market_took=lambda d: d["market_offered"])


def refused(method: str, data: pd.DataFrame, **options: Any) -> str:
    """The message of a refusal, which always has a cure and the exit code of a mistake in study or data."""
    given = {"outcome": "profit", "treatment": "offered"} | OWN.get(method, {}) | options
    if method == "late" and given["treatment"] != "offered":
        given["takeup"] = given["treatment"]
    with pytest.raises(ImpactError) as caught:
        getattr(rct, method)(data, **given)
    assert caught.value.exit_code == 2
    assert all(p.where and p.what and p.cure for p in caught.value.problems)
    return str(caught.value)


def refused_in_a_study(data: pd.DataFrame, method: str = "ols", options: dict[str, Any] | None = None,
                       outcomes: list[dict[str, Any]] | None = None, **design: Any) -> str:
    with pytest.raises(ImpactError) as caught:
        evaluate(declare("rct", method=method, options=options, outcomes=outcomes, **design), data)
    assert caught.value.exit_code == 2
    return str(caught.value)


def says(text: str, *parts: str) -> None:
    for part in parts:
        assert part in text, text
    assert not re.search(r"(block|stratum|cluster|pair|cell) \d\b", text)  # codes say nothing to the owner of the table
    assert "nan" not in text.lower()


# ---- strata with one arm


@pytest.mark.parametrize("method", EVERY)
def test_a_stratum_with_one_arm_is_named_with_its_rows(method):
    data = firms()
    data.loc[[1, 3, 5], "stratum"] = "B7"
    told = "3 units of arm 1" if method == "multi_arm" else "3 treated"
    says(refused(method, data, strata="stratum"), f"stratum B7 has {told}", "(rows 2, 4, 6)", "Merge strata")


@pytest.mark.parametrize("method", ["difference_in_means", "ols", "ancova", "lin", "late", "poisson", "multi_arm"])
def test_a_stratum_that_lost_one_arm_says_which_rows_were_left_out_and_why(method):
    data = firms()
    data.loc[[30, 32, 34, 36, 38], "profit"] = np.nan
    text = refused(method, data, strata="stratum")
    says(text, "stratum S3 has 5", "(rows 32, 34, 36, 38 and 1 more)", "after 5 rows of it were left out (profit is "
         "missing: rows 31, 33, 35, 37 and 1 more)")


def test_bounds_name_the_cell_of_which_nobody_was_found():
    data = firms()
    data.loc[[30, 32, 34, 36, 38], "profit"] = np.nan
    says(refused("lee_bounds", data, strata="stratum"), "cell stratum = S3", "nobody of the comparison was found",
         "rows 31, 33, 35, 37 and 1 more without outcome")


def test_a_stratum_with_one_arm_is_refused_before_a_study_is_run():
    data = firms()
    data.loc[[1, 3, 5], "stratum"] = "B7"
    design = {"assignment": {"rule": "blocked", "strata": "stratum"}}
    with pytest.raises(DataError) as caught:
        load_sample(declare("rct", **design), data)
    says(str(caught.value), "design.assignment.strata, column 'stratum'", "stratum B7 has 3 treated units (rows 2, 4, 6)")
    lost = firms()
    lost.loc[[30, 32, 34, 36, 38], "profit"] = np.nan
    text = refused_in_a_study(lost, **design)
    says(text, "outcome 'profit', ols", "stratum S3", "after 5 rows of it were left out")


def test_a_stratum_too_small_for_an_error_of_the_difference_is_named():
    data = firms()
    data.loc[[0, 1, 2], "stratum"] = "B7"
    says(refused("difference_in_means", data, strata="stratum"), "stratum B7 has 1 treated, 2 comparison units "
         "(rows 1, 2, 3)", "two on each side are needed")
    assert rct.ols(data, outcome="profit", treatment="offered", strata="stratum").n == 40
    whole = data.assign(stratum=np.where(data.index < 12, "S1", "S2"))
    says(refused("difference_in_means", whole, strata="stratum", **CLUSTERED), "stratum S1 has 1 treated, 2 comparison "
         "clusters (rows 1, 2, 3, 4 and 8 more)")


def test_names_that_look_like_a_persons_are_hidden_and_the_rows_stay():
    data = firms()
    data.loc[[1, 3, 5], "stratum"] = "Amina Yusuf"
    text = refused("ols", data, strata="stratum")
    says(text, "rows 2, 4, 6")
    assert "Amina" not in text


def test_many_strata_are_listed_in_part():
    data = firms().assign(stratum=[f"S{i // 2}" if i < 20 else "T1" for i in range(40)],
                          offered=lambda d: (d.index // 2 % 2) * 1.0)
    text = refused("ols", data, strata="stratum")
    says(text, "stratum S0 has 2 comparison units (rows 1, 2); stratum S1 has 2 treated units (rows 3, 4)", "; and 6 more")


def test_the_kernel_names_rows_of_its_arrays():
    y, d = np.arange(7.0), np.array([1.0, 0, 1, 0, 1, 1, 0])
    with pytest.raises(DesignError, match="the block of used rows 5, 6, 7"):
        difference(y, d, blocks=np.array([0, 0, 0, 0, 1, 1, 1]))


# ---- pairs


def test_half_a_pair_is_in_the_ledger_of_a_regression_as_of_the_difference():
    data = firms().assign(pair=lambda d: d.index // 2)
    data.loc[2, "profit"] = np.nan
    e = rct.ols(data, outcome="profit", treatment="offered", strata="pair", vcov="HC2")
    paired = rct.difference_in_means(data, outcome="profit", treatment="offered", strata="pair", pairs=True)
    assert [(d.reason, d.rows) for d in e.dropped] == [("outcome_missing", (3,)), ("partner_missing", (4,))]
    assert [(d.reason, d.rows) for d in paired.dropped] == [(d.reason, d.rows) for d in e.dropped]
    assert e.estimate == close(paired.estimate)
    assert e.std_error == close(paired.std_error)  # HC2 with pair dummies is the spread of the pair differences


def test_a_wrong_pair_is_named():
    data = firms().assign(pair=[f"P{i // 2}" for i in range(40)],
                          offered=lambda d: np.where(d.index == 4, 1, d["offered"]))
    says(refused("difference_in_means", data, strata="pair", pairs=True), "pair P2 (rows 5, 6)",
         "not one treated and one comparison")
    whole = firms().assign(pair=[f"P{i // 8}" for i in range(40)])
    whole.loc[16:19, "pair"] = "P3"
    says(refused("difference_in_means", whole, strata="pair", pairs=True, **CLUSTERED), "pair P2 (rows 21, 22, 23, 24)",
         "pair P3 (rows 17, 18, 19, 20, 25, 26, 27, 28 and 4 more)")


# ---- clusters


@pytest.mark.parametrize("method", EVERY)
def test_a_cluster_in_two_strata_is_named_with_its_rows(method):
    # markets of four over strata of ten: the third market lies across the first two strata
    says(refused(method, firms(), strata="stratum", **CLUSTERED), "2 clusters hold rows of more than one stratum",
         "M02 (stratum S0 in rows 9, 10; stratum S1 in rows 11, 12)", "M07 (stratum S2 in rows 29, 30; stratum S3 in rows")


@pytest.mark.parametrize("method", EVERY)
def test_a_cluster_split_between_arms_is_named_with_its_rows(method):
    data = firms()
    data.loc[5, "market_offered"] = 0.0
    told = "more than one arm: M01 (1.0 in rows 5, 7, 8; 0.0 in row 6)" if method == "multi_arm" else (
        "both treated and comparison units: M01 (treated in rows 5, 7, 8; comparison in row 6)")
    says(refused(method, data, **CLUSTERED), f"1 cluster holds {told}")


@pytest.mark.parametrize("method", [m for m in EVERY if m != "multi_arm"])
def test_one_cluster_on_a_side_is_named_with_its_rows(method):
    data = firms()
    data["market"] = np.where(data["market_offered"] == 1, "M1", data["market"])
    says(refused(method, data, **CLUSTERED), "1 treated and 5 comparison clusters: two on each side are needed",
         "the treated one is M1 (rows 5, 6, 7, 8 and 16 more)")


def test_an_arm_of_one_cluster_is_named_with_its_rows():
    data = firms()
    data["market"] = np.where(data["market_offered"] == 1, "M1", data["market"])
    says(refused("multi_arm", data, **CLUSTERED), "arm '1.0'", "1 clusters of it have the outcome (M1, rows 5, 6, 7, 8",
         "two are needed")


@pytest.mark.parametrize("method", EVERY)
def test_rows_without_a_cluster_are_named(method):
    data = firms()
    data.loc[[4, 9], "market"] = None
    says(refused(method, data, **CLUSTERED), "column 'market': 2 rows have no value", "(rows 5, 10)", "Every row needs")


def test_clusters_are_named_by_a_study_too():
    drawn = {"assigned_by": "market", "treatment": "market_offered",
             "assignment": {"rule": "clustered", "cluster": "market"}}
    data = firms()
    data.loc[5, "market_offered"] = 0.0
    says(refused_in_a_study(data, **drawn), "design.assigned_by, column 'market'", "1 group holds both treated and "
         "comparison units: M01 (treated in rows 5, 7, 8; comparison in row 6)")
    gone = firms()
    gone.loc[[4, 9], "market"] = None
    says(refused_in_a_study(gone, **drawn), "2 rows have no value (rows 5, 10)")
    across = drawn | {"assignment": {"rule": "clustered", "cluster": "market", "strata": "stratum"}}
    says(refused_in_a_study(firms(), **across), "design.assignment.strata, column 'stratum'",
         "M02 (stratum S0 in rows 9, 10; stratum S1 in rows 11, 12)")
    alone = firms().assign(market=lambda d: np.where(d["market_offered"] == 1, "M1", d["market"]))
    says(refused_in_a_study(alone, **drawn), "1 treated and 5 comparison groups: two on each side are needed",
         "M1 (rows 5, 6")


# ---- treatment and outcome


@pytest.mark.parametrize("method", [m for m in EVERY if m != "multi_arm"])
def test_three_treatment_values_are_counted_and_sent_to_multi_arm(method):
    data = firms().assign(offered=lambda d: np.where(d.index % 8 == 7, 2.0, d["offered"]))
    says(refused(method, data), "2 in 5 rows (rows 8, 16, 24, 32 and 1 more); beside 0 in 20 rows and 1 in 15 rows",
         "multi_arm")


def test_three_treatment_values_in_words_and_in_a_study():
    data = firms().assign(offered=lambda d: [f"T{i % 3}" for i in d.index])
    says(refused("ols", data), "coded in 3 words, not 0 and 1: T0 in 14 rows (rows 1, 4, 7, 10 and 10 more); T1 in 13 rows",
         "multi_arm")
    names = firms().assign(offered=lambda d: [("Amina", "Brian", "Chege")[i % 3] for i in d.index])
    text = refused("ols", names)
    says(text, "a word in 14 rows (rows 1, 4")
    assert "Amina" not in text
    numbers = firms().assign(offered=lambda d: d.index % 3)
    says(refused_in_a_study(numbers), "design.treatment", "2 in 13 rows (rows 3, 6, 9, 12 and 9 more)", "multi_arm")


@pytest.mark.parametrize("method", EVERY)
def test_text_in_an_outcome_is_named_by_its_rows(method):
    data = firms().assign(profit=lambda d: [f"{x:g}" if i not in (3, 8) else "about 70" for i, x in enumerate(d["profit"])])
    text = refused(method, data)
    says(text, "text, not numbers (2 of 40 rows): rows 4, 9")
    assert "about 70" not in text
    says(refused_in_a_study(data), "outcomes[0].column", "rows 4, 9")
    says(refused(method, data.assign(profit=[np.inf if i == 6 else 1.0 * i for i in range(40)])), "(row 7)")


# ---- weights


@pytest.mark.parametrize("method", WEIGHTED)
def test_weights_below_zero_or_all_zero_are_named_by_their_rows(method):
    data = firms()
    data.loc[[2, 7], "w"] = -1.0
    says(refused(method, data, weights="w"), "2 weights are negative (rows 3, 8)")
    says(refused(method, data.assign(w=0.0), weights="w"), "no weight is above zero (rows 1, 2, 3, 4, 5, 6, 7, 8 and 32")


def test_weights_of_a_study_are_examined_with_its_data():
    data = firms()
    data.loc[2, "w"] = -1.0
    with pytest.raises(DataError, match=r"design.sampling.weight, column 'w': 1 weight is negative \(row 3\)"):
        load_sample(declare("rct", method="ols", sampling={"weight": "w"}), data)
    says(refused_in_a_study(data, options={"weights": "w"}), "1 weight is negative (row 3)")


# ---- covariates that repeat each other


@pytest.mark.parametrize("method", WEIGHTED)
@pytest.mark.parametrize(("columns", "said"), [
    ({"again": lambda d: 3 * d["size"] - 2}, "column 'again': it repeats size"),
    ({"again": lambda d: d["size"] - 0.5 * d["age"]}, "column 'again': it repeats age, size"),
    ({"again": 7.0}, "column 'again': it has the same value on every row used"),
    ({"again": lambda d: d["sector"] ** 2.0}, "column 'again': it has one value in each stratum"),
    ({"again": lambda d: 1 - d["offered"]}, "its effect cannot be told apart from the other columns: it repeats again"),
])
def test_covariates_that_repeat_others_are_named(method, columns, said):
    says(refused(method, firms().assign(**columns), covariates=["age", "size", "again"], strata="stratum"), said)


def test_all_repeats_come_at_once_and_a_study_says_so_too():
    data = firms().assign(a=lambda d: 2 * d["size"], b=lambda d: d["age"] + 1)
    text = refused("ols", data, covariates=["size", "age", "a", "b"])
    says(text, "2 problems", "column 'a': it repeats size", "column 'b': it repeats age")
    says(refused_in_a_study(data, covariates=["size", "a"]), "outcome 'profit', ols, column 'a': it repeats size")
    says(refused("ancova", data, covariates=["profit_0"]), "column 'profit_0': it repeats profit_0")


def test_constant_among_the_rows_used_is_a_repeat_though_it_varies_in_the_table():
    data = firms().assign(mark=lambda d: (d.index == 5) * 1.0)
    data.loc[5, "profit"] = np.nan
    says(refused("ols", data, covariates=["mark"]), "column 'mark': it has the same value on every row used")


def test_two_covariates_missing_on_the_same_rows_share_one_indicator_and_say_so():
    data = firms()
    data.loc[[3, 8], ["size", "age"]] = np.nan
    e = rct.ols(data, outcome="profit", treatment="offered", covariates=["size", "age"], vcov="HC1")
    assert e.n == 40
    assert [c.text for c in e.caveats if c.code == "indicator_repeated"] == [
        "The indicator 'age missing' is left out: it repeats size missing."]
    assert sum(c.code == "covariate_missing" for c in e.caveats) == 2
    import statsmodels.api as sm

    gone = data["size"].isna()
    x = pd.DataFrame({"d": data["offered"], "size": data["size"].fillna(data["size"].mean()),
                      "age": data["age"].fillna(data["age"].mean()), "gone": gone * 1.0})
    theirs = sm.OLS(data["profit"], sm.add_constant(x)).fit(cov_type="HC1")
    assert (e.estimate, e.std_error) == (close(theirs.params["d"]), close(theirs.bse["d"]))


def test_a_declared_column_that_says_what_is_missing_outranks_the_automatic_indicator():
    data = firms()
    data.loc[[3, 8], "size"] = np.nan
    e = rct.ols(data.assign(unknown=data["size"].isna() * 1.0), outcome="profit", treatment="offered",
                covariates=["size", "unknown"])
    same = rct.ols(data, outcome="profit", treatment="offered", covariates=["size"])
    assert (e.estimate, e.std_error) == (close(same.estimate), close(same.std_error))
    assert e.has_caveat("indicator_repeated")


def test_a_covariate_missing_in_one_whole_stratum_keeps_the_rows():
    data = firms()
    data.loc[data["stratum"] == "S1", "size"] = np.nan
    e = rct.ols(data, outcome="profit", treatment="offered", covariates=["size"], strata="stratum")
    assert e.n == 40
    assert e.has_caveat("indicator_repeated")


def test_a_covariate_known_in_one_arm_only_cannot_be_told_from_the_offer():
    data = firms().assign(size=lambda d: d["size"].where(d["offered"] == 0))
    says(refused("ols", data, covariates=["size"]), "column 'offered'", "it repeats size missing")


def test_covariates_that_repeat_each_other_within_one_arm_are_refused_by_lin():
    data = firms()
    one, zero = data["offered"] == 1, data["offered"] == 0
    elsewhere = data["age"] - data["age"][zero].mean() + 2 * data["size"][zero].mean()
    data["other"] = np.where(one, 2 * data["size"], elsewhere)  # its mean is twice that of size: centring does not help
    assert data["other"].mean() == close(2 * data["size"].mean())
    assert rct.ols(data, outcome="profit", treatment="offered", covariates=["size", "other"]).n == 40
    says(refused("lin", data, covariates=["size", "other"]), "columns other × offered", "within an arm")


# ---- what stays in the ledger


def test_a_missing_offer_stratum_or_outcome_stays_a_counted_loss():
    data = firms()
    data.loc[0, "offered"] = np.nan
    data.loc[1, "stratum"] = None
    data.loc[2, "profit"] = np.nan
    for method in (rct.difference_in_means, rct.ols):
        e = method(data, outcome="profit", treatment="offered", strata="stratum")
        assert [(d.reason, d.rows) for d in e.dropped] == [
            ("treatment_missing", (1,)), ("strata_missing", (2,)), ("outcome_missing", (3,))]


def test_several_arms_need_two_in_each_stratum_and_not_the_reference():
    data = firms().assign(arm=lambda d: [("T1", "T2")[i % 2] if s == "S3" else ("C0", "T1", "T2")[i % 3]
                                         for i, s in enumerate(d["stratum"])])
    rows = rct.multi_arm(data, outcome="profit", treatment="arm", reference="C0", strata="stratum")
    assert [r.term for r in rows] == ["T1 − C0", "T2 − C0", "T2 − T1"]
    data.loc[data["stratum"] == "S3", "arm"] = "T1"
    says(refused("multi_arm", data, treatment="arm", reference="C0", strata="stratum"), "stratum S3 has 10 units of arm T1",
         "(rows 31, 32, 33, 34 and 6 more)")
    says(refused("multi_arm", data, treatment="arm", reference="C0", cluster="market"), "8 clusters hold more than one arm"
         ": M00 (C0 in rows 1, 4; T1 in row 2; T2 in row 3)", "and 4 more")


def test_labels_may_mix_numbers_and_words():
    data = firms()
    data["stratum"] = [i if i % 2 else f"S{i}" for i in data["sector"]]
    assert rct.ols(data, outcome="profit", treatment="offered", strata="stratum").n == 40
    data.loc[[1, 3, 5], "stratum"] = 77
    for method in ("difference_in_means", "ols"):
        says(refused(method, data, strata="stratum"), "stratum 77 has 3 treated")
    pairs = firms().assign(pair=[i // 2 if i % 4 < 2 else f"P{i // 2}" for i in range(40)])
    pairs.loc[2, "profit"] = np.nan
    for method in (rct.difference_in_means, rct.ols):
        extra = {"pairs": True} if method is rct.difference_in_means else {}
        e = method(pairs, outcome="profit", treatment="offered", strata="pair", **extra)
        assert e.dropped[-1].rows == (4,)


def test_categories_and_repeated_index_labels_make_no_difference():
    data = firms()
    data["stratum"] = pd.Categorical(data["stratum"], categories=["S0", "S1", "S2", "S3", "unused"])
    data.index = [0] * len(data)
    e = rct.ols(data, outcome="profit", treatment="offered", strata="stratum")
    same = rct.ols(firms(), outcome="profit", treatment="offered", strata="stratum")
    assert (e.estimate, e.std_error) == (same.estimate, same.std_error)


def test_a_declared_study_of_good_data_runs_as_before():
    design = {"assignment": {"rule": "blocked", "strata": "stratum"}}
    study = declare("rct", method="ols", covariates=["size"], outcomes=[PROFIT | {"baseline": "profit_0"}], **design)
    assert evaluate(study, firms()).headline.n == 40


@pytest.mark.parametrize("kind", ["classical", "HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize("method", ["ols", "ancova", "lin", "late", "multi_arm", "ratio_effect", "subgroups"])
def test_an_error_that_takes_rows_for_independent_is_refused_where_clusters_were_drawn(method, kind):
    own = {**OWN, "subgroups": {"by": "stratum"}, "late": {"takeup": "market_took"}}.get(method, {})
    call = getattr(rct, method)
    with pytest.raises(DesignError, match="'" + kind + "' takes the rows within one cluster") as caught:
        call(firms(), outcome="profit", **CLUSTERED, **own, vcov=kind)
    assert "CR2" in caught.value.problems[0].cure
    assert call(firms(), outcome="profit", **CLUSTERED, **own, vcov="CR1S")


def two_levels() -> pd.DataFrame:
    """Twelve markets of four firms in three areas, with offers to markets and to firms inside them."""
    m, i = np.repeat(np.arange(12), 4), np.tile(np.arange(4), 12)
    d = (m % 2).astype(float)
    y = 50 + np.sin(1.7 * np.arange(48)) + m % 5 + 2 * d
    return pd.DataFrame({"profit": y, "market": [f"M{k:02d}" for k in m], "area": np.array(["A1", "A2", "A3"])[m // 4],
                         "drawn": d, "invited": d * (i % 2), "grant": (i % 2).astype(float),
                         "share": np.where(d == 0, 0.0, np.where(m % 4 == 1, 0.5, 0.25)), "dose": d * (1 + m % 4 // 2)})


SEVERAL: dict[str, dict[str, Any]] = {
    "spillover": {"treatment": "invited", "cluster_treatment": "drawn", "population_share": 0.5},
    "saturation": {"treatment": "invited", "saturation": "share"},
    "factorial": {"treatments": ["drawn", "grant"], "within": ["grant"]},
    "dose_response": {"dose": "dose", "dose_drawn": True},
}


def refused_with(method: str, data: pd.DataFrame) -> str:
    with pytest.raises(DesignError) as caught:
        getattr(rct, method)(data, outcome="profit", strata="area", cluster="market", **SEVERAL[method])
    return str(caught.value)


@pytest.mark.parametrize("method", SEVERAL)
def test_a_stratum_in_which_nothing_was_drawn_is_refused_by_methods_of_several_offers(method):
    data = two_levels()
    getattr(rct, method)(data, outcome="profit", strata="area", cluster="market", **SEVERAL[method])
    west = data["area"] == "A3"
    alone = data.assign(drawn=data["drawn"].mask(west, 1.0), dose=data["dose"].mask(west, 2.0),
                        share=data["share"].mask(west, 0.5), invited=data["invited"].mask(west, data["grant"]))
    says(refused_with(method, alone), "stratum A3 has 4 clusters of arm", "rows 33, 34, 35, 36",
         "nothing to compare within it")


@pytest.mark.parametrize("method", SEVERAL)
def test_a_cluster_in_two_strata_is_refused_by_methods_of_several_offers(method):
    data = two_levels()
    data.loc[0, "area"] = "A2"
    text = refused_with(method, data)
    assert "'area'" in text
    assert "M00" in text


def test_one_cluster_for_each_dose_is_refused():
    data = two_levels()
    data = data[data["market"].isin(["M00", "M01"])].assign(area="A1")
    says(refused_with("dose_response", data), "each of the 2 amounts has one cluster")


def test_half_a_pair_of_markets_is_left_out_and_counted():
    """Pairs of markets, of which one lost a market: what is left is the trial without that pair."""
    data = two_levels().assign(pair=lambda d: [f"P{int(name[1:]) // 2}" for name in d["market"]])
    lost = data.assign(profit=data["profit"].where(data["market"] != "M03"))
    asked = {"outcome": "profit", "strata": "pair", "cluster": "market", **SEVERAL["spillover"]}
    found, without = rct.spillover(lost, **asked).headline, rct.spillover(data[data["pair"] != "P1"], **asked).headline
    assert found.estimate == close(without.estimate)
    assert {loss.reason: loss.n_rows for loss in found.dropped} == {"outcome_missing": 4, "partner_missing": 4}


def gappy() -> pd.DataFrame:
    """Sixty units in twenty clusters of three, with gaps in what was drawn, received and measured."""
    rng = np.random.default_rng(12)
    market = np.repeat(np.arange(20), 3)
    data = pd.DataFrame({"market": market, "share": np.array([0.0, 0.5])[market % 2], "drawn": (market % 2).astype(float),
                         "dose": (market % 4).astype(float), "profit": rng.normal(size=60), "size": rng.normal(size=60)})
    data["invited"] = data["drawn"] * (np.arange(60) % 3 < 2)
    data.loc[[4, 20], "profit"], data.loc[[7, 9], "size"] = np.nan, np.nan
    return data


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
@pytest.mark.parametrize(("method", "options", "gap"), [
    ("dose_response", {"dose": "dose", "dose_drawn": True}, "dose"),
    ("saturation", {"treatment": "invited", "saturation": "share"}, "share"),
    ("spillover", {"treatment": "invited", "cluster_treatment": "drawn", "population_share": 2 / 3}, "drawn"),
    ("ols", {"treatment": "drawn", "covariates": ["size"]}, "drawn")])
def test_pandas_nullable_columns_give_the_same_numbers(method, options, gap, backend):
    if backend == "pyarrow":
        pytest.importorskip("pyarrow")
    data = gappy()
    data.loc[data["market"] == 6, gap] = np.nan
    given = {"outcome": "profit", "cluster": "market"} | options
    plain = getattr(rct, method)(data, **given).headline
    other = getattr(rct, method)(data.convert_dtypes(dtype_backend=backend), **given).headline
    assert (other.n, other.estimate, other.std_error, other.p_value) == (
        plain.n, close(plain.estimate), close(plain.std_error), close(plain.p_value))
    assert [(d.reason, d.rows) for d in other.dropped] == [(d.reason, d.rows) for d in plain.dropped]


def test_a_negative_dose_and_a_third_value_are_named_beside_gaps():
    data = gappy().convert_dtypes()
    data.loc[3, "dose"], data.loc[5, "dose"] = pd.NA, -2
    with pytest.raises(DataError, match=re.escape("1 doses are negative (rows 6)")):
        rct.dose_response(data, outcome="profit", dose="dose", dose_drawn=True, cluster="market")
    data = gappy().convert_dtypes()
    data.loc[3, "drawn"], data.loc[5, "drawn"] = pd.NA, 2
    with pytest.raises(DataError, match="2 in 1 row"):
        rct.ols(data, outcome="profit", treatment="drawn")


@pytest.mark.parametrize("role", ["treatment", "strata", "cluster", "weights"])
@pytest.mark.parametrize("method", ["difference_in_means", "ols", "lee_bounds"])
def test_a_list_where_one_column_is_meant(method, role):
    assert f"{role}: it takes one name, not ['market']" in refused(method, firms(), **{role: ["market"]})


def test_numbers_in_an_object_column_are_not_called_text():
    data = firms().assign(profit=lambda d: d["profit"].astype(object).where(d.index != 2, None))
    said = refused("ols", data)
    assert "object" in said
    assert "text" not in said

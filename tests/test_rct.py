"""Trials: the estimate, what it rests on, and every row that is left out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from support_studies import cross_section

from impact import rct
from impact.errors import DataError, DesignError
from impact.inference.contrasts import difference
from impact.rct import ancova, difference_in_means, ols

close = pytest.approx


@pytest.fixture
def firms():
    return cross_section()


def test_welch_on_six_firms_worked_by_hand():
    # offered 2 4 6, others 1 2 3: 4 - 2 = 2, SE² = 4/3 + 1/3, df 50/17; in per cent of the comparison mean 2: 100
    data = pd.DataFrame({"offered": [1, 1, 1, 0, 0, 0], "profit": [2.0, 4, 6, 1, 2, 3]})
    welch = difference(data["profit"].to_numpy(), data["offered"].to_numpy(dtype=float))
    assert (welch.estimate, welch.std_error, welch.df) == close((2.0, math.sqrt(5 / 3), 50 / 17))
    e = difference_in_means(data, outcome="profit", treatment="offered")
    assert (e.estimate, e.std_error, e.effect_pct.value) == close((2.0, math.sqrt(5 / 3), 100.0))
    # three a side are too few for Welch: of the 20 draws, those with |t| at least 2/sqrt(5/3) are counted
    assert e.has_caveat("randomisation_inference")
    assert e.df is None
    assert e.p_value * 20 == close(round(e.p_value * 20))


def test_the_per_cent_is_of_the_comparison_mean(firms):
    e = difference_in_means(firms, outcome="profit", treatment="offered")
    base = firms.loc[firms["offered"] == 0, "profit"].mean()
    assert e.comparison_mean == close(base)
    assert e.effect_pct.value == close(100 * e.estimate / base)
    assert (e.effect_pct.low, e.effect_pct.high) == close((100 * e.conf_low / base, 100 * e.conf_high / base))


@pytest.mark.parametrize("shift", [-200.0, -70.0])
def test_there_is_no_per_cent_of_a_mean_that_is_not_clearly_above_zero(firms, shift):
    e = difference_in_means(firms.assign(profit=firms["profit"] + shift), outcome="profit", treatment="offered")
    assert e.effect_pct is None
    assert "effect_pct" in dict(e.reasons)


def test_a_share_moves_in_points(firms):
    e = difference_in_means(firms.assign(open=(firms["profit"] > 70) * 1), outcome="open", treatment="offered")
    assert e.transform == "share"
    assert e.effect_pct is None
    assert dict(e.reasons)["effect_pct"] == "a share moves in points"


def test_a_log_effect_reads_in_per_cent_through_the_exponential(firms):
    e = difference_in_means(firms, outcome="profit", treatment="offered", transform="log")
    assert e.effect_pct.value == close(100 * math.expm1(e.estimate))
    assert e.effect_pct.low == close(100 * math.expm1(e.conf_low))
    geometric = math.exp(np.log(firms.loc[firms["offered"] == 0, "profit"]).mean())
    assert e.comparison_mean == close(geometric)


def test_the_logarithm_of_zero_is_refused_with_its_rows(firms):
    firms.loc[[3, 8], "profit"] = [0.0, -1.0]
    firms.loc[0, "profit"] = np.nan
    with pytest.raises(DataError, match=r"rows 4, 9"):
        difference_in_means(firms, outcome="profit", treatment="offered", transform="log")
    with pytest.raises(DataError, match=r"rows 6\)"):
        ancova(cross_section().assign(profit_0=lambda d: d["profit_0"].where(d.index != 5, 0.0),
                                      profit=lambda d: d["profit"].where(d.index != 1)),
               outcome="profit", treatment="offered", baseline="profit_0", transform="log")


def test_least_squares_agrees_with_statsmodels(firms):
    x = sm.add_constant(firms[["offered", "age", "size"]])
    for kind in ("HC1", "HC2", "HC3"):
        e = ols(firms, outcome="profit", treatment="offered", covariates=["age", "size"], vcov=kind)
        theirs = sm.OLS(firms["profit"], x).fit(cov_type=kind, use_t=True)
        assert (e.estimate, e.std_error, e.p_value) == close(
            (theirs.params["offered"], theirs.bse["offered"], theirs.pvalues["offered"]))
    clustered = ols(firms, outcome="profit", treatment="market_offered", cluster="market", vcov="CR1S")
    theirs = sm.OLS(firms["profit"], sm.add_constant(firms["market_offered"])).fit(
        cov_type="cluster", cov_kwds={"groups": firms["market"]}, use_t=True)
    assert (clustered.std_error, clustered.p_value) == close((theirs.bse.iloc[1], theirs.pvalues.iloc[1]))


def test_weights_agree_with_statsmodels_and_rows_without_weight_are_counted(firms):
    firms["w"] = np.linspace(0.0, 3, len(firms))
    e = ols(firms, outcome="profit", treatment="offered", weights="w", vcov="HC1")
    used = firms[firms["w"] > 0]
    theirs = sm.WLS(used["profit"], sm.add_constant(used["offered"]), weights=used["w"]).fit(cov_type="HC1")
    assert (e.estimate, e.std_error) == close((theirs.params.iloc[1], theirs.bse.iloc[1]))
    assert [d.rows for d in e.dropped] == [(1,)]


def test_without_a_choice_errors_are_hc2_by_unit_and_cr2_by_cluster(firms):
    unit = ols(firms, outcome="profit", treatment="offered", covariates=["size"])
    named = ols(firms, outcome="profit", treatment="offered", covariates=["size"], vcov="HC2")
    assert unit.vcov == "CR2"
    assert unit.std_error == close(named.std_error)
    assert named.df == 37
    assert unit.df < 37
    group = ols(firms, outcome="profit", treatment="market_offered", cluster="market")
    assert (group.vcov, group.n_clusters, group.se_card.level) == ("CR2", 10, "market")
    assert (group.se_card.clusters_treated, group.se_card.clusters_comparison) == (5, 5)
    assert group.se_card.stata_call.startswith("regress y d, vce(hc2 g, dfadjust)")
    assert group.has_caveat("randomisation_inference")


def test_one_treated_unit_gives_no_certainty(firms):
    alone = firms.assign(offered=(firms.index == 3) * 1)
    e = ols(alone, outcome="profit", treatment="offered")
    assert e.has_caveat("randomisation_inference")
    assert e.p_value >= 1 / len(alone)
    with pytest.raises(DesignError, match="two on each side"):
        difference_in_means(alone, outcome="profit", treatment="offered")
    enough = firms.assign(offered=(firms.index % 6 == 0) * 1)
    assert not ols(enough, outcome="profit", treatment="offered").has_caveat("randomisation_inference")


def test_a_missing_baseline_costs_no_row(firms):
    firms.loc[:4, "profit_0"] = np.nan
    e = ancova(firms, outcome="profit", treatment="offered", baseline="profit_0")
    assert e.n == 40
    assert e.dropped == ()
    assert dict(c.values[0] for c in e.caveats if c.code == "covariate_missing") == {"profit_0": 5}


def test_every_row_left_out_is_counted_with_its_first_reason(firms):
    firms.loc[0, ["offered", "profit"]] = np.nan
    firms.loc[1:3, "profit"] = np.nan
    firms["sector"] = firms["sector"].where(~firms.index.isin([5, 6]))
    e = difference_in_means(firms, outcome="profit", treatment="offered", strata="sector")
    assert [(d.reason, d.rows) for d in e.dropped] == [
        ("treatment_missing", (1,)), ("strata_missing", (6, 7)), ("outcome_missing", (2, 3, 4))]
    assert e.n + sum(d.n_rows for d in e.dropped) == 40


def test_a_pair_that_lost_one_half_is_left_out_and_counted():
    firms = cross_section(8).assign(pair=np.arange(8) // 2)
    firms.loc[2, "profit"] = np.nan
    e = difference_in_means(firms, outcome="profit", treatment="offered", strata="pair", pairs=True)
    assert [(d.reason, d.rows) for d in e.dropped] == [("outcome_missing", (3,)), ("partner_missing", (4,))]
    gaps = [firms["profit"][i + 1] - firms["profit"][i] for i in (0, 4, 6)]
    assert (e.estimate, e.std_error) == close((np.mean(gaps), np.std(gaps, ddof=1) / math.sqrt(3)))
    assert e.p_value * 8 == close(round(e.p_value * 8))  # three pairs: eight draws


def test_a_pair_drawn_wrongly_is_refused_not_dropped():
    firms = cross_section(8).assign(pair=np.arange(8) // 2, offered=[1, 1, 0, 1, 0, 1, 0, 1])
    with pytest.raises(DesignError, match=r"pair 0 \(rows 1, 2\)"):
        difference_in_means(firms, outcome="profit", treatment="offered", strata="pair", pairs=True)


def test_strata_with_different_shares_are_weighted_by_size_or_say_what_they_are():
    firms = cross_section().assign(offered=lambda d: np.where(d["sector"] == 0, d.index % 5 == 0, d.index % 2))
    blocked = difference_in_means(firms, outcome="profit", treatment="offered", strata="sector")
    effects = [g.loc[g["offered"] == 1, "profit"].mean() - g.loc[g["offered"] == 0, "profit"].mean()
               for _, g in firms.groupby("sector")]
    assert blocked.estimate == close(np.mean(effects))  # four strata of ten
    assert not blocked.has_caveat("overlap_weighted")
    assert ols(firms, outcome="profit", treatment="offered", strata="sector").has_caveat("overlap_weighted")
    assert not ols(cross_section(), outcome="profit", treatment="offered", strata="sector").has_caveat("overlap_weighted")


def test_a_repeated_covariate_is_refused_by_name(firms):
    with pytest.raises(DesignError, match="column 'again': it repeats size"):
        ols(firms.assign(again=2 * firms["size"] - 1), outcome="profit", treatment="offered",
            covariates=["size", "age", "again"])


def test_a_covariate_that_repeats_the_offer_is_refused(firms):
    with pytest.raises(DesignError, match="cannot be told apart"):
        ols(firms.assign(again=1 - firms["offered"]), outcome="profit", treatment="offered", covariates=["again"])
    with pytest.raises(DesignError, match="nothing to compare within it"):
        ols(firms, outcome="profit", treatment="market_offered", strata="market")


def test_designs_that_cannot_answer_are_refused(firms):
    with pytest.raises(DesignError, match="10 clusters hold both"):
        difference_in_means(firms, outcome="profit", treatment="offered", cluster="market")
    with pytest.raises(DesignError, match="all 40 units are treated"):
        ols(firms.assign(offered=1), outcome="profit", treatment="offered")
    with pytest.raises(DesignError, match="no unit has both"):
        ols(firms.assign(profit=np.nan), outcome="profit", treatment="offered")
    with pytest.raises(DesignError, match="no baseline or covariate"):
        ancova(firms, outcome="profit", treatment="offered")
    with pytest.raises(DesignError, match=r"stratum 1 has 2 treated, 1 comparison units \(rows 38, 39, 40\)"):
        difference_in_means(firms.assign(block=(firms.index > 36) * 1), outcome="profit", treatment="offered",
                            strata="block")


def test_tables_that_cannot_be_read_are_refused_with_all_problems_at_once(firms):
    with pytest.raises(DataError) as caught:
        ols(firms, outcome="profits", treatment="offer", covariates=["aeg", "size"])
    assert [p.where for p in caught.value.problems] == ["outcome", "treatment", "covariates"]
    assert "Did you mean 'profit'?" in str(caught.value)
    with pytest.raises(DataError) as caught:
        ols(firms.assign(offered=np.where(firms["offered"] == 1, "yes", "no"), profit=firms["profit"].astype(str) + " USD"),
            outcome="profit", treatment="offered")
    assert len(caught.value.problems) == 2
    with pytest.raises(TypeError, match="clusters"):
        ols(firms, outcome="profit", treatment="offered", clusters="market")
    with pytest.raises(ValueError, match="vcov must be one of"):
        ols(firms, outcome="profit", treatment="offered", vcov="robust")


def test_an_outcome_that_does_not_vary_has_no_invented_p_value(firms):
    e = difference_in_means(firms.assign(profit=5.0), outcome="profit", treatment="offered")
    assert (e.estimate, e.p_value, e.conf_low) == (0.0, None, None)
    assert "std_error" in dict(e.reasons)


def test_the_table_given_is_not_changed(firms):
    before = firms.copy()
    ancova(firms, outcome="profit", treatment="offered", baseline="profit_0", covariates=["size"], transform="log")
    pd.testing.assert_frame_equal(firms, before)


@pytest.mark.parametrize("method", ["ols", "ancova", "lin", "late", "subgroups", "poisson", "dose_response"])
def test_with_sampling_weights_per_cent_is_of_the_weighted_mean(firms, method):
    data = firms.assign(w=1.0 + np.arange(len(firms)) % 4, before=firms["profit"] + np.sin(np.arange(len(firms))),
                        region=np.arange(len(firms)) // 4 % 2)
    more = {"ancova": {"baseline": "before"}, "lin": {"covariates": ["before"]}, "late": {"takeup": "offered"},
            "subgroups": {"by": "region"}, "dose_response": {"dose": "offered", "dose_drawn": True}}.get(method, {})
    if method != "dose_response":
        more["treatment"] = "offered"
    found = getattr(rct, method)(data, outcome="profit", weights="w", **more)
    e = found if method not in ("subgroups", "dose_response") else found[-1]
    none = data[(data["offered"] == 0) & ((data["region"] == 1) | (method != "subgroups"))]
    base = np.average(none["profit"], weights=none["w"])
    assert e.comparison_mean == close(base)
    if method != "poisson":
        assert e.effect_pct.value == close(100 * e.estimate / base)
    even = getattr(rct, method)(data.assign(w=2.0), outcome="profit", weights="w", **more)
    plain = getattr(rct, method)(data, outcome="profit", **more)
    pairs = [(even, plain)] if found is e else zip(even, plain, strict=True)
    assert all(a.comparison_mean == close(b.comparison_mean) for a, b in pairs if b.comparison_mean is not None)

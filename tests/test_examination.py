"""What is examined beside an effect speaks of that effect: its method, its units, its estimand, its assumption."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support_studies import PROFIT, cross_section, declare, panel

from impact.brief.facts import _estimator
from impact.brief.periods import trends
from impact.brief.view import Speaker
from impact.checks import overlap, pretrends
from impact.credibility import _of_the_primary, _with_its_sign
from impact.errors import DesignError, StudyError
from impact.evaluation import evaluate
from impact.results import Check, Estimate, Segment

JOBS = PROFIT | {"name": "jobs", "column": "jobs", "label": "Jobs", "unit": "persons"}


def compared(n: int = 160, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = cross_section(n, seed)
    data["offered"] = (rng.random(n) < 1 / (1 + np.exp(1.0 - 0.12 * (data["size"] - 10)))) * 1.0
    data["sector"] = np.where(data["sector"] % 2 == 0, "food", "wood")
    return data


def check(evaluation, identifier: str):
    return next(c for c in evaluation.checks if c.id == identifier)


@pytest.mark.parametrize("estimand", ["att", "atc", "ate"])
@pytest.mark.parametrize("method", ["regression_adjustment", "entropy_balance", "inverse_probability", "aipw"])
def test_weighting_and_regression_are_examined_in_their_own_words(method, estimand):
    made = evaluate(declare("matching", method=method, estimand=estimand), compared())
    balance, alike = check(made, "balance"), check(made, "overlap")
    assert balance.title == ("Groups alike after regression" if method == "regression_adjustment" else
                             "Groups alike after weighting")
    assert ("by construction" in balance.reason) == (method in ("entropy_balance", "regression_adjustment"))
    assert alike.verdict in ("pass", "concern")
    assert not any("matched on" in a for a in made.headline.assumptions)


def test_overlap_looks_from_the_side_the_effect_speaks_of():
    """Ten treated at low scores, a hundred others up to high ones: for the treated there are likes, for the others not."""
    score = np.r_[np.linspace(0.1, 0.3, 10), np.linspace(0.05, 0.9, 100)]
    treated = np.r_[np.ones(10), np.zeros(100)]
    weights = np.ones(110)
    assert overlap(score, treated, weights=weights).verdict == "pass"
    other = overlap(score, treated, weights=weights, estimand="atc")
    assert other.verdict == "fail"  # most of the others have no like
    assert other.measured == pytest.approx(((score[10:] < 0.1) | (score[10:] > 0.3)).mean())
    assert "treated units used carry as much information as 10" in other.reason
    both = overlap(score, treated, weights=weights, estimand="ate")
    assert both.measured == other.measured
    none = overlap(None, treated, weights=weights)
    assert "No score is used" in none.reason


def test_each_primary_outcome_is_examined_on_its_own_units():
    data = compared().assign(jobs=lambda d: d["profit"] / 10)
    data.loc[(data["offered"] == 0) & (data["age"] < 15), "jobs"] = np.nan
    made = evaluate(declare("matching", outcomes=[PROFIT, JOBS]), data)
    assert check(made, "balance").outcome == ""
    assert check(made, "balance:jobs").outcome == "jobs"
    assert check(made, "balance:jobs").measured != check(made, "balance").measured
    same = evaluate(declare("matching", outcomes=[PROFIT, JOBS]), compared().assign(jobs=lambda d: d["profit"] / 10))
    assert [c.id for c in same.checks if c.id.startswith("balance")] == ["balance"]


def test_words_serve_as_covariates_where_levels_are_matched():
    study = declare("matching", method="exact", covariates=["sector"])
    assert evaluate(study, compared()).headline.n > 0


def test_robustness_is_of_the_printed_number():
    """Two-by-two in 2003-2004 answers for one cohort; what is made again is that number, and trends say whose they are."""
    data = panel(units=60, periods=6, starts=(2004.0, 2005.0))  # three periods before treatment, for drift to be told
    made = evaluate(declare("did", method="two_by_two", options={"periods": [2003, 2004]}), data)
    again = check(made, "drop_the_largest:profit")
    assert f"the estimate is {made.headline.estimate:.3g}" in again.reason
    drift = check(made, "sensitivity:profit")
    assert drift.verdict == "not_applicable" or "periods since treatment is" in drift.reason
    assert len({c.id for c in made.checks}) == len(made.checks)


def test_options_shared_with_group_time_effects_are_taken_over():
    data = panel(units=30, starts=(2002.0, 2003.0)).assign(x=lambda d: np.arange(len(d)) % 7 * 1.0)
    study = declare("did", method="imputation", options={"cluster": "district"})
    made = evaluate(study, data.assign(district=lambda d: d["firm"].str[1:].astype(int) // 3))
    dynamic = made.estimate("profit/group_time_att/dynamic")
    assert dynamic.se_card.level == "district"


@pytest.mark.parametrize("method", ["poisson", "triple_difference", "synthetic_did", "synthetic_control"])
def test_methods_with_another_assumption_have_it_examined(method):
    data = panel(units=60, periods=6, starts=(2004.0,))
    if method.startswith("synthetic"):
        data.loc[data["firm"] != "F001", ["first", "grant"]] = [np.nan, 0.0]
    options = {"affected": "affected"} if method == "triple_difference" else {}
    data["affected"] = (data["firm"].str[1:].astype(int) % 4 < 2) * 1.0
    made = evaluate(declare("did", method=method, options=options), data)
    assert not any(c.id.startswith("pretrend") for c in made.checks)
    found = check(made, {"poisson": "earlier_growth:profit", "triple_difference": "earlier_gaps:profit"}.get(
        method, "earlier_fit:profit"))
    assert found.verdict in ("pass", "concern")
    assert {"poisson": "units treated later and the others grew were looked at",
            "triple_difference": "how the gap between affected and unaffected units moved, in the treated group against",
            }.get(method, "earlier periods the mix missed the treated area") in found.reason
    assert check(made, "placebo_dates:profit").word == "examined" if method != "synthetic_control" else True


@pytest.mark.parametrize("method", ["two_by_two", "two_way_fixed_effects", "event_study", "group_time_att", "imputation",
                                    "sun_abraham", "stacked"])
def test_methods_that_rest_on_parallel_trends_have_all_earlier_differences_tested_at_once(method):
    data = panel(units=60, periods=7, starts=(2004.0, 2005.0))
    options = {"two_by_two": {"periods": [2003, 2004]}, "stacked": {"window": [-1, 1]}}.get(method, {})
    made = evaluate(declare("did", method=method, options=options), data)
    joint = check(made, "pretrend_imputation:profit" if method == "imputation" else "pretrend_group_time:profit")
    assert joint.word in ("examined", "drift seen")
    assert "For all of them together p = " in joint.reason
    assert check(made, "sensitivity_smoothness:profit").reason.count("steady drift apart") == 1
    assert check(made, "placebo_dates:profit").word in ("examined", "moved")
    assert len({c.id for c in made.checks}) == len(made.checks)


def test_each_primary_outcome_has_its_own_earlier_trends():
    data = panel(units=40, periods=6, starts=(2005.0,)).assign(jobs=lambda d: d["profit"] / 10)
    made = evaluate(declare("did", method="group_time_att", outcomes=[PROFIT, JOBS | {"name": "staff"}]), data)
    assert check(made, "pretrend_2005").outcome == "profit"
    assert check(made, "pretrend_2005:staff").outcome == "staff"
    assert len({c.id for c in made.checks}) == len(made.checks)


def test_one_earlier_period_is_not_examined_and_one_start_is_no_gap():
    made = evaluate(declare("did", method="group_time_att"), panel(units=40, periods=3, starts=(2002.0,)))
    for name in ("pretrend_2002", "pretrend_group_time:profit", "sensitivity:profit", "hidden_drift:profit",
                 "placebo_dates:profit"):
        assert (check(made, name).verdict, check(made, name).word) == ("not_applicable", "not examined")
    assert "there is 1 period before treatment, and three are needed" in check(made, "sensitivity:profit").reason
    assert check(made, "leave_one_cohort_out:profit").word == "one start"
    assert check(made, "forbidden_comparisons:profit").word == "none"


def test_earlier_steps_are_judged_together_and_few_units_say_too_few():
    rng = np.random.default_rng(8)
    seen = 0
    for _ in range(60):
        data = panel(units=24, periods=7, starts=(2007.0,)).assign(profit=lambda d: rng.normal(size=len(d)))
        found = evaluate_trend(data)
        seen += found.word == "drift seen"
    assert seen / 60 < 0.10 + 3 * (0.09 / 60) ** 0.5  # five steps a draw: looked at one by one they would show in a third
    few = evaluate_trend(panel(units=10, periods=5, starts=(2004.0,)))
    assert few.word == "not examined"
    assert few.reason.startswith("Too few to say: fewer than 6 units first treated in 2004")
    clustered = pretrends(panel(units=40, periods=5, starts=(2004.0,)).assign(
        district=lambda d: d["firm"].str[1:].astype(int) % 2 * 10 + d["firm"].str[1:].astype(int) % 4 // 2),
        outcome="profit", unit="firm", time="year", first_treated="first", cluster="district")[0]
    assert clustered.reason.startswith("Too few to say: fewer than 6 clusters")


def evaluate_trend(data: pd.DataFrame):
    return pretrends(data, outcome="profit", unit="firm", time="year", first_treated="first")[0]


def test_plain_trends_are_not_held_against_a_method_with_covariates_and_stop_before_anticipation():
    data = panel(units=40, periods=6, starts=(2005.0,)).assign(x=lambda d: d["firm"].str[1:].astype(float))
    made = evaluate(declare("did", method="group_time_att", options={"covariates": ["x"]}), data)
    assert check(made, "pretrend").word == "not examined"
    jump = data.copy()
    jump.loc[jump["year"] == jump["first"] - 1, "profit"] += 5
    told = evaluate(declare("did", method="group_time_att", options={"anticipation": 1}), jump)
    assert check(told, "pretrend_2005").word == "examined"


def test_wrong_studies_are_refused_where_they_are_wrong():
    with pytest.raises(StudyError, match="'ate' needs matches for both sides"):
        declare("matching", method="optimal_pairs", estimand="ate")
    with pytest.raises(StudyError, match=r"both are 2001"):
        declare("did", method="two_by_two", options={"periods": [2001, 2001]})  # told before any data are seen
    with pytest.raises(DesignError, match=r"options.covariates: exact needs it"):
        evaluate(declare("matching", method="exact", options={"covariates": []}), compared())
    with pytest.raises(DesignError, match="600 neighbours") as error:
        evaluate(declare("matching", options={"neighbours": 600, "replace": True}), compared())
    assert "_first_treated" not in str(error.value)


def leaving(*, periods: int = 6) -> pd.DataFrame:
    """A panel in which every firm reports at first; 12 of 30 treated firms, but 2 of 30 others, leave before the end."""
    data = panel(units=60, periods=periods, starts=(2003.0,))
    firms = data.drop_duplicates("firm")
    treated = firms["firm"][firms["first"].notna()]
    others = firms["firm"][firms["first"].isna()]
    gone = [*treated[:12], *others[:2]]
    return data[~(data["firm"].isin(gone) & (data["year"] == data["year"].max()))]


def test_firms_that_leave_are_losses_though_they_reported_at_first():
    data = leaving()
    found = check(evaluate(declare("did"), data), "attrition")
    last = data["year"].max()
    start = data.drop_duplicates("firm").set_index("firm")["first"].notna()
    gone = ~start.index.isin(data.loc[data["year"] == last, "firm"])
    told = dict(found.details)
    assert found.verdict in ("concern", "fail")
    assert found.measured == pytest.approx(gone.mean())
    assert told["lost_treated"] == pytest.approx(gone[start].mean())
    assert told["lost_comparison"] == pytest.approx(gone[~start].mean())
    assert f"not measured in the last period, {last:.12g}" in found.reason


def test_who_never_reported_is_told_beside_those_who_left():
    data = leaving()
    never = data["firm"].unique()[-3:]
    data = data.assign(profit=data["profit"].mask(data["firm"].isin(never)))
    found = check(evaluate(declare("did"), data), "attrition")
    assert "(3 of them never)" in found.reason
    whole = panel(units=60, periods=6, starts=(2003.0,))
    only = whole.assign(profit=whole["profit"].mask(whole["firm"].isin(never)))
    assert "never reported it" in check(evaluate(declare("did"), only), "attrition").reason
    assert check(evaluate(declare("did"), whole), "attrition").word == "none in the file"


def test_losses_of_two_periods_are_those_of_the_second():
    data = leaving()
    years = sorted(data["year"].unique())
    made = evaluate(declare("did", method="two_by_two", options={"periods": [int(years[0]), int(years[-2])]}), data)
    assert check(made, "attrition").word == "none in the file"


def crossed(own: float, other: float, *, method: str = "imputation") -> tuple[Check, Check]:
    """Checks of trends beside a primary effect that is ``own`` errors large, made on one that is ``other`` errors large."""
    def made(name: str, size: float) -> Estimate:
        low, high = 3 * size - 2 * 3, 3 * size + 2 * 3
        return Estimate(id=f"profit/{name}", outcome="profit", term="treated", method=name, estimand="att", n=90,
                        estimate=3 * size, std_error=3.0, vcov="CR1S", conf_level=0.95, conf_low=low, conf_high=high,
                        interval=(Segment(low=low, high=high),))

    mine, theirs = made(method, own), made("group_time_att", other)
    word = "fragile" if theirs.excludes_zero else "nothing to overturn"
    found = Check(id="sensitivity:profit", title="If trends were not parallel", word=word, reason="The sign stands.",
                  verdict="concern" if theirs.excludes_zero else "not_applicable",
                  measured=0.5 if theirs.excludes_zero else None)
    drift = Check(id="hidden_drift:profit", title="Drift", verdict="pass", word="examined", reason="A drift of 2.")
    return (_with_its_sign(found, mine, theirs, "average"), _of_the_primary(drift, mine, theirs.estimate, "average"))


@pytest.mark.parametrize("method", ["imputation", "group_time_att"])
def test_a_sign_the_primary_estimate_does_not_have_cannot_fall(method):
    robust, drift = crossed(own=1.0, other=3.0, method=method)
    assert (robust.verdict, robust.word, robust.measured) == ("not_applicable", "nothing to overturn", None)
    assert "primary method's estimate has an interval that holds zero" in robust.reason
    beside = "The average of group-time effects over periods since treatment is 9.00, the primary method's estimate 3.00."
    said = "A drift of 2." if method == "group_time_att" else "On group-time effects: a drift of 2."
    assert drift.reason == f"{said} {beside}"


@pytest.mark.parametrize("method", ["imputation", "group_time_att"])
def test_a_sign_that_only_the_primary_estimate_has_is_not_examined(method):
    robust, _ = crossed(own=3.0, other=1.0, method=method)
    assert (robust.verdict, robust.word) == ("not_applicable", "not examined")
    assert robust.reason.startswith("The average of group-time effects over periods since treatment has an interval that")
    both, drift = crossed(own=3.0, other=3.0, method=method)
    assert (both.verdict, both.word, both.measured) == ("concern", "fragile", 0.5)
    if method == "group_time_att":
        assert (both.reason, drift.reason) == ("The sign stands.", "A drift of 2.")
    neither, _ = crossed(own=1.0, other=1.0, method=method)
    assert (neither.word, neither.reason) == ("nothing to overturn", "The sign stands.")


@pytest.mark.parametrize("named", [True, False])
def test_a_lone_area_is_drawn_where_areas_may_be_named_and_one_line_alone_never(named):
    data = panel(units=24, periods=8, starts=(2006.0,))
    data["grant"] *= data["firm"] == "F001"
    made = evaluate(declare("did", method="synthetic_did", options={"name_areas": named}), data)
    groups = {p.group for p in made.trends}
    assert groups == ({"never treated", "first treated 2006"} if named else {"never treated"})
    assert (trends(made, "en") is None) is not named
    assert made.headline.assumptions[0].startswith("Without the programme, the treated area would have moved in parallel")
    said = Speaker("en").text(_estimator(made, made.headline, "en"))
    assert said.endswith("error from the spread of effects among placebo areas")

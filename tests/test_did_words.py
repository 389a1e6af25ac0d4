"""What a difference-in-differences estimate says of itself: calls to remake it, start dates, who is left out, words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from impact.did import (
    compare,
    event_study,
    group_time_att,
    imputation,
    leave_one_cohort_out,
    placebo_dates,
    poisson,
    sensitivity,
    stacked,
    sun_abraham,
    two_by_two,
    two_way_fixed_effects,
    unbalanced_agreement,
)
from impact.did.fragility import _breakdown
from impact.errors import DataError, DesignError
from impact.results import Estimate

KEYS = {"outcome": "y", "unit": "firm", "time": "t", "first_treated": "first"}
WITHOUT = {k: v for k, v in KEYS.items() if k != "first_treated"}
FEW = {"cluster": "village", "weights": "w"}


def panel(n=120, cohorts=(4.0, 6.0, np.nan), miss=0.0, seed=1, years=8):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        first, level, w = cohorts[i % len(cohorts)], rng.normal(10, 1), rng.uniform(0.5, 2)
        rows += [{"firm": i, "t": t, "first": first, "village": i % 20, "w": w, "x": rng.normal(),
                  "y": level + 0.2 * t + (t >= first) + rng.normal(0, 0.5)} for t in range(1, years + 1)]
    data = pd.DataFrame(rows)
    data["on"] = (data["t"] >= data["first"]).astype(float)
    return data[rng.random(len(data)) >= miss].reset_index(drop=True)


def head(found):
    return found if isinstance(found, Estimate) else found.headline


def texts(found, code):
    return [c.text for c in head(found).caveats if c.code == code]


@pytest.mark.parametrize(("function", "options"), [
    (two_way_fixed_effects, {}), (event_study, {}), (sun_abraham, {}), (poisson, {}), (stacked, {"window": (-2, 1)})])
def test_calls_name_the_clusters_and_weights_of_the_estimate(function, options):
    plain = head(function(panel(), **KEYS, **options)).se_card
    assert "vcov = ~unit" in plain.r_call
    found = head(function(panel(), **KEYS, **options, **FEW, covariates=["x"])).se_card
    assert "vcov = ~g" in found.r_call
    assert "weights = ~w" in found.r_call
    assert " + x | unit" in found.r_call
    assert "cluster" not in found.stata_call or "g)" in found.stata_call


def test_calls_of_two_way_errors_without_an_equal_in_r_are_not_made_up():
    calls = {kind: two_way_fixed_effects(panel(), **KEYS, vcov=kind).se_card.r_call
             for kind in ("CR2", "HC1", "CR1", "CR0", "classical")}
    assert calls["CR2"] == ""
    assert calls["HC1"].endswith("vcov = 'hetero')")
    assert calls["classical"].endswith("vcov = 'iid')")
    assert "adj = FALSE)" in calls["CR1"]
    assert "cluster.adj = FALSE" in calls["CR0"]


def test_calls_of_imputation_name_clusters_and_weights():
    card = head(imputation(panel(), **KEYS, **FEW)).se_card
    assert card.r_call.endswith("wname = 'w', cluster_var = 'g')")
    assert "[aw=w]" in card.stata_call
    assert "cluster(g)" in card.stata_call


def test_calls_of_group_time_effects_are_those_that_give_the_number():
    whole = head(group_time_att(panel(), **KEYS, **FEW)).se_card
    assert "weightsname = 'w', clustervars = 'g', bstrap = TRUE" in whole.r_call
    assert whole.stata_call == ("csdid y [iw=w], ivar(unit) time(t) gvar(first) method(dripw) notyet cluster(g); "
                                "estat simple")
    gaps = panel(miss=0.1)
    cards = {u: head(group_time_att(gaps, **KEYS, unbalanced=u)).se_card
             for u in ("within_cell", "balanced", "repeated_cross_section")}
    assert (cards["within_cell"].r_call, cards["within_cell"].stata_call) == ("", "")  # R forms no pairs of a gappy panel
    assert "allow_unbalanced_panel" not in cards["balanced"].r_call
    assert "panel = TRUE, allow_unbalanced_panel = TRUE" in cards["repeated_cross_section"].r_call
    assert head(group_time_att(panel(), **KEYS, season=2)).se_card.r_call == ""


def test_calls_of_two_by_two_know_that_r_has_no_clusters():
    options = {**KEYS, "covariates": ["x"], "periods": (3, 4)}
    data = panel(cohorts=(4.0, np.nan))
    assert "weightsname = 'w'" in two_by_two(data, **options, weights="w").se_card.r_call
    card = two_by_two(data, **options, cluster="village").se_card
    assert card.r_call == ""
    assert card.stata_call.endswith("cluster(g)")


def test_one_declared_start_is_one_start_whatever_rows_are_missing():
    gaps = panel(cohorts=(5.0, np.nan), miss=0.15)
    assert texts(two_way_fixed_effects(gaps, **KEYS), "provisional") == []
    assert texts(two_way_fixed_effects(gaps, **WITHOUT, treatment="on"), "provisional") == []
    two = texts(two_way_fixed_effects(panel(miss=0.15), **WITHOUT, treatment="on"), "provisional")
    assert len(two) == 1
    assert "began in 4 and 6," in two[0]


def test_starts_that_may_lie_earlier_are_counted():
    data = panel(cohorts=(5.0, np.nan))
    lost = data[~(data["firm"].isin([0, 2, 4]) & (data["t"] == 4))]
    told = texts(group_time_att(lost, **WITHOUT, treatment="on"), "start_not_seen")
    assert len(told) == 1
    assert told[0].startswith("3 of 60 treated units")
    assert texts(group_time_att(lost, **KEYS), "start_not_seen") == []
    unmeasured = data.assign(y=data["y"].where(~((data["firm"] == 0) & (data["t"] == 4))))
    assert texts(group_time_att(unmeasured, **WITHOUT, treatment="on"), "start_not_seen") == []  # the row shows the date


def test_units_treated_from_the_start_are_told_with_their_number():
    data = panel(cohorts=(1.0, 5.0, np.nan))
    for function in (group_time_att, imputation):
        assert texts(function(data, **KEYS), "treated_from_start")[0].startswith("40 units treated from the start are")
    assert texts(group_time_att(panel(), **KEYS), "treated_from_start") == []


def test_a_breakdown_is_rounded_down():
    start = head(group_time_att(panel(), **KEYS))
    for edge in (0.4999, 0.5001, 1.3, 0.018):
        found = _breakdown(start, lambda bound, edge=edge: (edge - bound, 10.0))
        assert edge - 0.02 <= found < edge


def test_the_cure_of_year_quarters_names_the_season():
    quarters = panel().assign(t=lambda d: 10 * (2020 + (d["t"] - 1) // 4) + (d["t"] - 1) % 4 + 1, first=20213.0)
    with pytest.raises(DesignError, match="season=4"):
        group_time_att(quarters, **KEYS)


def test_sensitivity_of_seasons_does_not_advise_what_was_done():
    data = panel(cohorts=(9.0, np.nan), years=12)
    with pytest.raises(DesignError) as error:
        sensitivity(group_time_att(data, **KEYS, season=4, base_period="universal"))
    assert "without season=" in str(error.value)


def test_compare_takes_weights_and_the_choice_for_missing_rows():
    gaps = panel(miss=0.1)
    found = compare(gaps, **KEYS, methods=("group_time_att", "imputation"), weights="w", unbalanced="balanced")
    assert found.rows[0].estimate == group_time_att(gaps, **KEYS, weights="w", unbalanced="balanced").headline.estimate
    assert found.rows[1].estimate == imputation(gaps, **KEYS, weights="w", unbalanced="balanced").headline.estimate
    rows = compare(gaps, **KEYS, methods=("group_time_att", "imputation"), unbalanced="repeated_cross_section")
    assert [name for name, _ in rows.left_out] == ["imputation"]


def test_false_starts_do_not_speak_of_the_rows_cut_for_them():
    for row in placebo_dates(group_time_att, panel(), shifts=(1,), **KEYS).rows[1:]:
        assert not row.has_caveat("not_seen_again")
        assert not row.has_caveat("unbalanced")
    assert "by 1 standard errors" not in leave_one_cohort_out(group_time_att, panel(), **KEYS).check.reason


@pytest.mark.parametrize(("years", "start", "told"), [(8, 0, True), (5, 0, True), (4, 0, False), (8, 2010, False)])
def test_numbered_periods_without_a_season_are_told(years, start, told):
    data = panel(years=years, cohorts=(3.0, 4.0, np.nan))
    data[["t", "first"]] += start
    for function in (group_time_att, imputation):
        assert function(data, **KEYS).headline.has_caveat("season_not_declared") == told
    pair = two_by_two(data, **KEYS, periods=(2 + start, 4 + start))
    assert pair.has_caveat("season_not_declared") == told
    if told:
        assert f"{2 + start} and {4 + start} may be of different seasons" in str(pair)
        assert not group_time_att(data, **KEYS, season=4).headline.has_caveat("season_not_declared")


def test_effects_print_one_card_and_one_line_a_part():
    e = group_time_att(panel(miss=0.1), **KEYS, season=4, base_period="universal")
    for found in (e, e.aggregate("dynamic"), e.aggregate("calendar")):
        text = str(found)
        assert text.startswith(str(found.headline) + "\n")
        assert text.count("no small-sample factor") == 1
    lines = str(e).splitlines()
    assert [line.split() for line in lines if line.split()[:2] == ["4", "4"]] == [
        ["4", "4", f"{r.estimate:.4g}", f"{r.conf_low:.4g}", "to", f"{r.conf_high:.4g}",
             *(f"{dict(r.details)['band_low']:.4g} to {dict(r.details)['band_high']:.4g}".split()), str(r.n)]
        for r in e if (r.cohort, r.period) == ("4", "4")]
    assert all(any(c.text in line for line in lines) for r in e for c in r.caveats)


def test_small_start_dates_do_not_count_one_that_only_serves_as_comparison():
    short = panel(n=60, cohorts=(4.0, 6.0))
    few = {c.code: dict(c.values) for c in group_time_att(short[short.firm < 40], **KEYS).headline.caveats}
    assert "small_cohorts" not in few  # 20 units in each, and the second is compared with only
    left = short[(short["first"] == 4) | (short["firm"] < 10)]
    assert not group_time_att(left, **KEYS).headline.has_caveat("small_cohorts")
    turned = short[(short["first"] == 6) | (short["firm"] < 10)]
    assert dict(next(c.values for c in group_time_att(turned, **KEYS).headline.caveats if c.code == "small_cohorts")
                ) == {"cohorts": 1, "fewest": 5}


@pytest.mark.parametrize(("wrong", "said"), [
    ({"outcome": None}, "outcome must be the name of one column"), ({"outcome": ["y"]}, "the name of one column"),
    ({"time": None}, "time must be the name of one column"), ({"unit": 3}, "unit must be the name of one column"),
    ({"seed": "x"}, "seed must be a whole number"), ({"seed": -1}, "seed must be a whole number"),
    ({"panel": "no"}, "panel must be True or False"), ({"ever_treated": "no"}, "ever_treated must be True or False"),
    ({"conf_level": "high"}, "conf_level is a share"), ({"anticipation": "1"}, "anticipation must be zero or a whole")])
def test_wrong_arguments_are_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        group_time_att(panel(), **{**KEYS, **wrong})


def test_what_is_no_table_is_named():
    with pytest.raises(DataError, match="a str is no table"):
        group_time_att("firms.csv", **KEYS)


@pytest.mark.parametrize(("function", "wrong", "said"), [
    (event_study, {"bin_ends": "no"}, "bin_ends must be"), (event_study, {"reference": "a"}, "reference is a horizon"),
    (sun_abraham, {"reference": "a"}, "reference is a horizon"), (imputation, {"leads": "a"}, "leads"),
    (stacked, {"window": (-2, 1), "reference": "a"}, "reference is a horizon")])
def test_wrong_horizons_are_named(function, wrong, said):
    with pytest.raises(ValueError, match=said):
        function(panel(), **KEYS, **wrong)


def test_rows_that_showed_earlier_trends_are_in_the_ledger_and_no_loss():
    dropped = {d.reason: d for d in group_time_att(panel(cohorts=(6.0, np.nan)), **KEYS).headline.dropped}
    assert (dropped["earlier_only"].n_units, dropped["earlier_only"].lost) == (0, False)
    assert dropped["earlier_only"].n_rows == 120 * 4  # periods 1 to 4 of 8
    assert replace(dropped["earlier_only"], n_units=1).lost
    assert all(d.lost for d in group_time_att(panel(miss=0.2), **KEYS).headline.dropped if d.reason != "earlier_only")


def test_one_unit_without_a_base_is_told_in_the_singular():
    data = panel()
    gone = data[~((data.firm == 0) & (data.t == 3))]
    text = next(c.text for c in group_time_att(gone, **KEYS).headline.caveats if c.code == "no_base_period")
    assert text.startswith("1 treated unit has no value in the base period and is in no effect")


@pytest.mark.parametrize("function", [two_way_fixed_effects, imputation, sun_abraham, event_study])
def test_calls_end_where_r_would_use_units_left_out_here(function):
    early = panel(cohorts=(1.0, 4.0, np.nan))  # fixest keeps units treated throughout, and gives another number
    late = panel(cohorts=(4.0, 99.0, np.nan))
    for data, options in ((early, {}), (late, {"control_group": "never_treated"})):
        card = head(function(data, **KEYS, **options)).se_card
        assert (card.r_call, card.stata_call) == ("", "")
    blank = panel()
    blank.loc[3, "y"] = np.nan  # all programs leave that row out
    assert head(function(blank, **KEYS)).se_card.r_call


def test_calls_of_group_time_effects_end_where_r_takes_later_units_for_never_treated():
    late = panel(cohorts=(4.0, 99.0, np.nan))
    assert head(group_time_att(late, **KEYS, control_group="never_treated")).se_card.r_call == ""
    assert head(group_time_att(late, **KEYS)).se_card.r_call


@pytest.mark.parametrize(("options", "said"), [
    ({}, "against units untreated by then"), ({"control_group": "never_treated"}, "against units never treated"),
    ({"anticipation": 1}, "leaving out 1 period of anticipation"), ({"season": 2}, "earlier period of the same season"),
    ({"weights": "w"}, "weighted by the weights of the units"),
    ({"unit": None, "panel": False}, "weighted by the number of rows")])
def test_a_group_time_effect_says_what_it_was_compared_with(options, said):
    data = panel().assign(w=2.0)
    found = group_time_att(data, **{**KEYS, **options})
    assert said in found.headline.question
    expected = "earlier than 1 period before treatment" if "anticipation" in options else "outcome before treatment"
    assert expected in found.headline.assumptions[1]


def test_periods_before_treatment_are_no_effects():
    data = panel()
    rows = group_time_att(data, **KEYS, base_period="universal").aggregate("dynamic").rows[1:]
    for row in rows:
        before = float(row.horizon) < 0
        assert row.estimand == ("placebo" if before else "att")
        assert ("where there can be no effect" in row.question) == before
    ahead = group_time_att(data, **KEYS, anticipation=1)
    asked = {row.horizon: row.question for row in ahead.aggregate("dynamic").rows[1:]}
    assert "may already have acted" in asked["-1"]
    assert {row.estimand for row in ahead.rows[1:] if float(row.horizon) < -1} == {"placebo"}


def test_two_periods_name_their_comparison():
    data = panel()
    for group, said in (("never_treated", "units never treated"), ("not_yet_treated", "units untreated in both periods")):
        assert said in two_by_two(data, **KEYS, periods=(3, 4), control_group=group).question


def test_weighted_observations_are_said():
    data = panel().assign(w=2.0)
    assert "count by their weights" in imputation(data, **KEYS, weights="w").headline.question
    assert "count by their weights" not in imputation(data, **KEYS).headline.question


def test_rows_by_horizon_are_told_apart_in_print():
    data = panel()
    for found in (event_study(data, **KEYS, window=(-3, 1)), stacked(data, **KEYS, window=(-2, 1)),
                  imputation(data, **KEYS).aggregate("dynamic"), sun_abraham(data, **KEYS).aggregate("dynamic")):
        lines = str(found).splitlines()
        assert sum("std. error" in line for line in lines) == 1  # one card for all
        assert any(line.split()[:2] == ["horizon", "estimate"] for line in lines)
        assert len(lines) < 25
    assert "-3 or earlier" in str(event_study(data, **KEYS, window=(-3, 1)))
    assert "band for all at once" in str(event_study(data, **KEYS))


def test_many_cells_print_a_part_and_say_where_the_others_are():
    found = group_time_att(panel(n=200, cohorts=(*(float(g) for g in range(3, 15)), np.nan), miss=0.3, years=16), **KEYS)
    lines = str(found).splitlines()
    assert len(found) > 150
    assert len(lines) < 75
    assert any(f"and {len(found) - 1 - 40} more: tidy() lists all of them" in line for line in lines)
    assert max(map(len, lines)) < 700


def test_what_trends_may_do_prints_its_sentence():
    effects = group_time_att(panel(), **KEYS, base_period="universal")
    found, made = sensitivity(effects), placebo_dates(group_time_att, panel(), **KEYS)
    assert found.check.reason in str(found)
    assert str(found).count("caveat:") == len(found.headline.caveats)
    assert made.check.reason in str(made)
    assert "start moved 1 earlier" in str(made)


def test_why_nothing_can_be_estimated_names_the_column():
    data = panel().assign(first=lambda d: d["first"] + 0.5)
    left = dict(compare(data, **KEYS).left_out)
    assert left["group_time_att"].startswith("column 'first': it names 4.5")
    assert "no unit is measured" not in left["group_time_att"].split(":")[0]


def test_calls_of_an_average_are_those_of_that_average():
    data = panel()
    found = group_time_att(data, **KEYS)
    for kind, estat in (("dynamic", "event"), ("group", "group"), ("calendar", "calendar")):
        whole, part = (row.se_card for row in found.aggregate(kind).rows[:2])
        assert whole.r_call.endswith(f"type = '{kind}') # overall.att")
        assert f"type = '{kind}') # att.egt, egt = " in part.r_call
        assert part.stata_call.endswith(f"estat {estat}")
    cell = found.rows[1].se_card
    assert cell.r_call.startswith("did::att_gt(")
    assert "# group " in cell.r_call
    early = group_time_att(data, **KEYS, base_period="universal").aggregate("dynamic")[1].se_card
    assert (bool(early.r_call), early.stata_call) == (True, "")  # csdid's leads are steps
    made = imputation(data, **KEYS).aggregate("dynamic")
    assert "horizon = TRUE) # term 0" in made[1].se_card.r_call
    assert made[1].se_card.stata_call.endswith("allhorizons // tau0")
    apart = sun_abraham(data, **KEYS)
    rows = {row.horizon: row.se_card.r_call for row in apart.aggregate("dynamic").rows[1:]}
    assert rows["0"].startswith("fixest::feols(y ~ sunab(")
    assert rows["0"].endswith("# time::0")
    for effects in (imputation(data, **KEYS), apart):
        assert effects.headline.se_card.r_call
        for kind in ("dynamic", "group", "calendar"):
            assert effects.aggregate(kind).headline.se_card.r_call == ""  # neither program has that average


def test_stacks_name_their_comparison():
    data = panel()
    for group, said in (("never_treated", "units never treated"), ("not_yet_treated", "untreated through the window")):
        assert said in head(stacked(data, **KEYS, window=(-1, 0), control_group=group)).question


@pytest.mark.parametrize("estimate", [
    two_way_fixed_effects, lambda d, **k: two_by_two(d, **k, periods=(3, 4)), group_time_att, imputation, sun_abraham,
    lambda d, **k: event_study(d, **k, window=(-2, 1)), lambda d, **k: stacked(d, **k, window=(-2, 1)), poisson])
def test_weighted_numbers_say_that_they_are_and_stand_beside_a_weighted_mean(estimate):
    """The treated's mean less the effect is what they would have had: both have the same weights."""
    data = panel()
    data["w"] = np.where(data["firm"] % 2 == 0, 3.0, 1.0)
    data["y"] = 10.0 + 6 * (data["firm"] % 2 == 0) + (data["t"] >= data["first"])  # heavy firms have more, the effect is 1
    made = estimate(data, **KEYS, weights="w")
    row = made if isinstance(made, Estimate) else made.headline
    assert "weight" in row.question
    if row.transform == "none":
        assert row.estimate == pytest.approx(1.0)
        assert row.comparison_mean == pytest.approx((3 * 16 + 10) / 4, abs=0.2)


def test_the_answers_to_missing_rows_are_in_the_unit_of_the_estimate():
    data = panel(miss=0.2).assign(y=lambda d: np.exp(d["y"] / 10))
    logs = unbalanced_agreement(data, **KEYS, transform="log")
    own = group_time_att(data, **KEYS, transform="log").headline
    assert f"within cell {100 * np.expm1(own.estimate):+.3g}% (" in logs.reason
    falls = unbalanced_agreement(data.assign(y=-data["y"]), **KEYS)
    assert "within cell −" in falls.reason


def test_three_starts_are_listed_as_a_sentence_lists_them():
    three = two_way_fixed_effects(panel(cohorts=(3.0, 4.0, 6.0, np.nan)), **KEYS)
    assert "began in 3, 4 and 6, and two-way" in texts(three, "provisional")[0]


def test_the_comparison_of_group_time_effects_is_counted_where_it_is_smallest_and_says_so():
    waves = group_time_att(panel(), **KEYS).headline.se_card
    assert (waves.clusters_treated, waves.clusters_comparison) == (80, 40)  # 80 and 40 stand beside the first wave
    assert waves.correction.endswith("comparison counted where fewest")
    never = group_time_att(panel(), **KEYS, control_group="never_treated").headline.se_card
    assert (never.clusters_comparison, never.correction) == (40, "no small-sample factor")

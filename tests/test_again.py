"""An estimate made again: false starts, untouched outcomes, parts left out; and several methods side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from support_shared import minimum_wages

from impact import did
from impact.did import (
    compare,
    drop_the_largest,
    group_time_att,
    imputation,
    leave_one_cohort_out,
    placebo_dates,
    placebo_outcomes,
    synthetic_did,
    two_by_two,
    two_way_fixed_effects,
)
from impact.errors import DataError, DesignError

KEYS = {"outcome": "y", "unit": "firm", "time": "year", "first_treated": "first"}


def firms(n: int = 60, effect: float = 2.0, drift: float = 0.0, seed: int = 1) -> pd.DataFrame:
    """Firms over six years, two cohorts (2003, 2004) and a third never treated; a drift parts the treated from 2000 on."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        first = (np.nan, 2003.0, 2004.0)[i % 3]
        level = rng.normal(10, 2)
        for year in range(2000, 2006):
            on = float(year >= first)
            rows.append({"firm": f"F{i:03d}", "year": year, "first": first, "size": level,
                         "rain": (i // 3 * 7 + year * 3) % 5, "y": level + 0.5 * (year - 2000) + effect * on
                         + drift * (year - 2000) * (i % 3 > 0) + rng.normal(0, 0.5)})
    return pd.DataFrame(rows)


def test_a_false_start_by_hand():
    """Two groups, three years, start in the third: one year earlier is the change from the first year to the second."""
    table = pd.DataFrame({"firm": np.repeat(list("abcdef"), 3), "year": [1, 2, 3] * 6,
                          "first": np.repeat([3.0, 3, 3, np.nan, np.nan, np.nan], 3),
                          "y": [0.0, 1, 9, 1, 3, 8, 2, 4, 9, 5, 5, 6, 6, 7, 8, 7, 9, 9]})
    made = placebo_dates(group_time_att, table, shifts=[1], **KEYS)
    changes = np.array([1.0, 2, 2]), np.array([0.0, 1, 2])
    assert made[1].estimate == pytest.approx(changes[0].mean() - changes[1].mean())
    assert made.headline.estimate == pytest.approx(group_time_att(table, **KEYS).headline.estimate)
    assert made[1].estimand == "placebo"
    assert made[1].term == "start moved 1 earlier"


def test_false_starts_of_a_two_by_two_move_its_periods_and_those_of_a_mix_keep_a_balanced_table():
    data = firms().query("first != 2004 or year < 2004")
    made = placebo_dates(two_by_two, data[data["first"] != 2004], shifts=[1, 2], periods=[2002, 2003], **KEYS)
    wide = data[data["first"] != 2004].pivot(index="firm", columns="year", values="y")
    treated = data.groupby("firm")["first"].first().reindex(wide.index).notna()
    for row, (early, late) in zip(made.rows[1:], ((2001, 2002), (2000, 2001)), strict=True):
        change = wide[late] - wide[early]
        assert row.estimate == pytest.approx(change[treated].mean() - change[~treated].mean())
    one = firms().query("firm == 'F001' or first != first")
    mix = placebo_dates(synthetic_did, one, shifts=[1], **KEYS)
    assert mix.check.word == "examined"
    assert mix[1].period == "2000–2002"  # nothing from the true start on, of anybody


def test_a_false_start_needs_two_periods_before_the_true_one():
    data = firms()
    data = data[(data["first"] != 2004) & (data["year"] >= 2002)]
    check = placebo_dates(imputation, data, **KEYS).check
    assert check.word == "not examined"
    assert check.reason == "None could be estimated: there is one period before treatment, and a false start needs two."


def test_no_drift_passes_and_a_drift_is_found():
    calm = placebo_dates(imputation, firms(), shifts=[1, 2], **KEYS)
    assert calm.check.verdict == "pass"
    assert "0 of 2 false starts show" in calm.check.reason
    drifting = placebo_dates(imputation, firms(drift=0.6), shifts=[1, 2], **KEYS)
    assert (drifting.check.verdict, drifting.check.word) == ("concern", "moved")


def test_a_shift_beyond_the_data_is_named_and_not_silent():
    made = placebo_dates(group_time_att, firms(), shifts=[1, 40], **KEYS)
    assert len(made) == 2
    assert made.left_out[0][0] == "start moved 40 earlier"
    assert made.left_out[0][1]
    none = placebo_dates(group_time_att, firms(), shifts=[40], **KEYS)
    assert (none.check.verdict, none.check.word) == ("not_applicable", "not examined")


def test_outcomes_the_programme_does_not_touch():
    made = placebo_outcomes(group_time_att, firms(), outcomes=["rain"], **KEYS)
    assert made[1].estimate == pytest.approx(0.0, abs=1e-12)  # rain falls alike on all three groups
    assert made.check.verdict == "pass"
    assert made[1].term == "on rain"
    assert made[1].estimate == pytest.approx(group_time_att(firms(), **{**KEYS, "outcome": "rain"}).headline.estimate)
    data = firms()
    data["copy"] = data["y"]
    assert placebo_outcomes(group_time_att, data, outcomes=["rain", "copy"], **KEYS).check.verdict == "concern"
    with pytest.raises(DataError, match="no column 'rains'"):
        placebo_outcomes(group_time_att, data, outcomes=["rains"], **KEYS)


def test_one_cohort_left_out_at_a_time():
    data = firms()
    made = leave_one_cohort_out(group_time_att, data, **KEYS)
    assert [row.term for row in made][1:] == ["without those first treated in 2003", "without those first treated in 2004"]
    assert made[1].estimate == pytest.approx(group_time_att(data[data["first"] != 2003], **KEYS).headline.estimate)
    assert made.check.verdict == "pass"
    data.loc[(data["first"] == 2004) & (data["year"] >= 2004), "y"] += 20
    carried = leave_one_cohort_out(group_time_att, data, **KEYS)
    assert (carried.check.verdict, carried.check.word) == ("concern", "rests on one cohort")
    with pytest.raises(DesignError, match="one cohort only"):
        leave_one_cohort_out(group_time_att, data[data["first"] != 2003], **KEYS)


def test_the_largest_firms_left_out_without_naming_them():
    data = firms()
    giant = data["firm"] == "F001"  # treated from 2003
    data.loc[giant, "y"] += 500.0
    data.loc[giant & (data["year"] >= 2003), "y"] += 200.0
    made = drop_the_largest(group_time_att, data, most=2, **KEYS)
    assert [row.term for row in made][1:] == ["without the largest", "without the 2 largest"]
    assert made[1].estimate == pytest.approx(group_time_att(data[~giant], **KEYS).headline.estimate)
    assert made.check.measured > 0.9
    assert "F001" not in made.check.reason + str(made)
    with pytest.raises(DataError, match="there are 4 units"):
        drop_the_largest(group_time_att, data[data["firm"] < "F004"], **KEYS)


def test_side_by_side_each_row_is_the_methods_own_call():
    data = firms()
    made = compare(data, **KEYS, methods=("group_time_att", "imputation", "sun_abraham", "two_way_fixed_effects", "stacked",
                                          "two_by_two"), window=(-2, 1))
    by = {row.method: row.estimate for row in made}
    assert by["group_time_att"] == group_time_att(data, **KEYS).headline.estimate
    assert by["two_way_fixed_effects"] == two_way_fixed_effects(data, **KEYS).estimate
    assert by["stacked"] == did.stacked(data, **KEYS, window=(-2, 1)).headline.estimate
    assert made.left_out == (("two_by_two", "periods= is not given"),)
    shown = str(made)
    assert all(row.question in shown for row in made)
    assert "they answer different questions" in shown
    assert "two_by_two" in shown
    assert [line.split()[0] for line in shown.splitlines() if line.endswith("PROVISIONAL")] == ["two_way_fixed_effects"]
    assert "log points" not in shown
    logs = compare(data.assign(y=np.exp(data["y"] / 10)), **KEYS, transform="log", methods=["imputation"])
    assert str(logs).startswith("y: one data set, 1 question, effects in log points")


def test_a_picture_of_several_methods_names_each_by_its_own_name_and_asks_no_single_question():
    data = firms()
    alt = compare(data, **KEYS).plot().alt
    assert "group-time effects:" in alt
    assert "average" not in alt
    words = [text.get_text() for text in compare(data, **KEYS).plot().figure.findobj(Text)]
    assert any("different questions" in line for line in words)
    again = placebo_dates(group_time_att, data, **KEYS).plot().alt
    assert "the estimate itself:" in again


def test_five_defensible_numbers_on_one_data_set():
    made = compare(minimum_wages(), outcome="lemp", unit="countyreal", time="year", first_treated="g",
                   control_group="never_treated")
    found = {row.method: row.estimate for row in made}
    # R bacondecomp 0.1.3, didimputation 0.3.0 and fixest 0.12.2 (its sunab is the group-time average), cases did_mpdta_*
    assert found["two_way_fixed_effects"] == pytest.approx(-0.0365489366740669, rel=1e-6)
    assert found["imputation"] == pytest.approx(-0.0477099151094743, rel=1e-6)
    assert found["group_time_att"] == pytest.approx(-0.0399512751551737, rel=1e-6)


def test_what_is_no_method_is_an_error():
    with pytest.raises(ValueError, match="not 'did_multiplegt'"):
        compare(firms(), **KEYS, methods=["did_multiplegt"])
    with pytest.raises(ValueError, match="none of these methods"):
        compare(firms(), **KEYS, methods=["two_by_two"])
    everyone = firms().assign(first=1999.0)
    with pytest.raises(DesignError):
        compare(everyone, **KEYS, methods=["group_time_att", "imputation"])


@pytest.mark.parametrize(("call", "said"), [
    (lambda data, keys: placebo_dates(group_time_att, data, shifts=(0,), **keys), "above 0"),
    (lambda data, keys: placebo_dates(group_time_att, data, shifts=2, **keys), "above 0"),
    (lambda data, keys: placebo_dates(group_time_att, data, **{k: v for k, v in keys.items() if k != "first_treated"},
                                      treatment="d"), "first_treated=.*cannot be moved"),
    (lambda data, keys: leave_one_cohort_out(group_time_att, data, **{k: v for k, v in keys.items()
                                                                      if k != "first_treated"}), "first_treated="),
    (lambda data, keys: drop_the_largest(group_time_att, data, most=0, **keys), "from 1 up"),
    (lambda data, keys: placebo_outcomes(group_time_att, data, outcomes=keys["outcome"], **keys), "the outcome itself")])
def test_what_cannot_be_made_again_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call(firms(), KEYS)


def test_size_that_is_no_number_is_named():
    with pytest.raises(DataError, match="it holds text"):
        drop_the_largest(group_time_att, firms().assign(big="yes"), size="big", **KEYS)

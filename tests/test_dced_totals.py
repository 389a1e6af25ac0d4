"""Totals worked by hand: every enterprise once, jobs that persist once, income added, overlaps off, days into jobs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_programme import TODAY, checked, row, tree, write

from impact.dced.adding import total, total_lines
from impact.dced.programme import dossier
from impact.dced.totals import Part, added, jobs_from, jobs_over_years, net_increase, over_years
from impact.programme import read_programme


def part(name: str, n: float, ids: str = "") -> Part:
    return Part(name=name, low=n, high=n, ids=frozenset(ids) if ids else None)


def pair(a: str, b: str, n: float, most: float | None = None) -> dict:
    return {frozenset((a, b)): (n, n if most is None else most, "declared")}


# -- days into jobs: 240 days a year are one job, the default ------------------------------------------------------


def test_days_of_several_people_make_no_more_jobs_than_people():
    assert jobs_from(1680, 20) == 7  # 1,680 / 240
    assert jobs_from(1680, 5) == 5
    assert jobs_from(1680, 5, above_one=True) == 7
    assert jobs_from(1680, None) == 7
    assert jobs_from(1680, 20, fte_days=280) == 6


# -- over years ----------------------------------------------------------------------------------------------------


def test_jobs_that_persist_are_not_added_again():
    rows = [(2023, 10, False), (2024, 10, True), (2024, 4, False), (2025, 14, True)]
    assert jobs_over_years("a", rows) == part("a", 14)  # 10 + 4; not 10 + 14 + 14
    assert jobs_over_years("a", [(2024, 10, True)]) == part("a", 10)  # the first year on file is where they begin


def test_enterprises_of_several_years_are_counted_once():
    bounds = over_years("a", {2023: 100, 2024: 120})
    assert (bounds.low, bounds.high) == (120, 220)  # all the same, or all different
    by_id = over_years("a", {2023: 3, 2024: 3}, {2023: frozenset("xyz"), 2024: frozenset("yzv")})
    assert by_id.low == by_id.high == 4  # x y z v


# -- overlaps ------------------------------------------------------------------------------------------------------


def test_two_interventions_with_thirty_in_both():
    both = added([part("a", 100), part("b", 80)], pair("a", "b", 30))
    assert both.exact
    assert both.high == 150
    assert both.deducted == ("a and b: 30 in both (declared)",)


def test_without_overlap_parts_add_up():
    assert added([part("a", 100), part("b", 80)]).high == 180
    assert added([]).high == 0


def test_an_unknown_overlap_is_bounded():
    both = added([part("a", 100), part("b", 80)], pair("a", "b", 0, 80))
    assert (both.low, both.high) == (100, 180)


def test_three_with_twenty_in_each_pair_lie_between_240_and_260():
    pairs = pair("a", "b", 20) | pair("b", "c", 20) | pair("a", "c", 20)
    three = added([part("a", 100), part("b", 100), part("c", 100)], pairs)
    assert (three.low, three.high) == (240, 260)  # nobody in all three, or the same twenty in all
    assert not three.exact


def test_ids_are_compared():
    found = added([part("a", 3, "xyz"), part("b", 3, "yzv"), part("c", 2, "zw")])
    assert found.exact
    assert found.high == 5  # x y z v w; 8 less 3
    assert found.deducted == ("3 counted twice, found by comparing ids",)


def test_a_declared_overlap_larger_than_that_of_the_ids_counts():
    found = added([part("a", 3, "xyz"), part("b", 3, "uvw")], pair("a", "b", 1))  # other codes for one farm
    assert found.high == found.low == 5


def test_ids_of_two_and_a_declared_third():
    found = added([part("a", 3, "xyz"), part("b", 3, "yzv"), part("c", 10)], pair("a", "c", 1))
    assert found.high == 13  # 16 less 2 by id less 1 declared
    assert found.low == 13


def test_income_may_be_a_loss():
    assert added([part("a", 100), part("b", -30)], floor=False).high == 70


@settings(max_examples=200, deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 12), min_size=1), min_size=1, max_size=5))
def test_the_bounds_hold_the_true_number(sets):
    true = len(frozenset().union(*sets))
    parts = [part(str(i), len(s)) for i, s in enumerate(sets)]
    pairs = {frozenset((str(i), str(j))): (float(len(a & b)), float(len(a & b)), "")
             for (i, a), (j, b) in itertools.combinations(enumerate(sets), 2)}
    bounded = added(parts, pairs)
    assert bounded.low <= true <= bounded.high
    assert added([Part(name=p.name, low=p.low, high=p.high, ids=frozenset(map(str, s)))
                  for p, s in zip(parts, sets, strict=True)]).high == true
    if len(sets) <= 2:
        assert bounded.exact


# -- the number who gained -----------------------------------------------------------------------------------------


def test_net_increase():
    assert net_increase(500, 0.60, 0.45) == pytest.approx(75)
    assert net_increase(500, 0.40, 0.45) == pytest.approx(-25)


# -- a programme's file --------------------------------------------------------------------------------------------


def programme(folder, change=lambda values: None, files: dict[str, str] | None = None):
    values = tree()
    change(values)
    file = write(values, folder)
    for name, text in (files or {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    return dossier(read_programme(file))


def test_totals_of_the_small_programme_by_hand(tmp_path):
    d = programme(tmp_path)
    assert total(d, "scale").told == "570"  # 300 + 300 less a tenth of 300
    assert total(d, "income").told == "57,000"  # 30,000 + 30,000 less a tenth
    assert total(d, "jobs").told == "13.3"  # 7 + 7 less a tenth of 7
    assert (total(d, "scale").covered, total(d, "scale").of) == (2, 2)
    lines = " ".join(total_lines(d))
    assert "gross count: 600" in lines  # 2 × 500 × 0.6
    assert "net increase in the number who gained, N × (share treated − share comparison): 100" in lines  # 2 × 500 × 0.1
    assert "It covers Farms that bought seeds, Farms that bought loans" in lines
    assert "240 days make one job (declared)" in lines


def test_what_is_added_up_is_named_by_its_unit_once(tmp_path):
    lines = list(total_lines(programme(tmp_path)))
    assert any("direct results: 57,000 USD a year, 2024 prices, from 2 of 2" in line for line in lines)
    assert any("direct results: 13.3 full-time jobs, from 2 of 2" in line for line in lines)


def test_those_who_gained_are_told_by_year_where_there_are_several(tmp_path):
    def change(values):
        values["results"].append({**row(values, "results", "seeds_r_scale"), "id": "seeds_24", "year": 2024})

    lines = [line for line in total_lines(programme(tmp_path, change)) if line.startswith("Number who gained")]
    assert [line.split(".")[0] for line in lines] == [
        "Number who gained in 2024, gross count: 300",
        "Number who gained in 2025, gross count: 600, overlaps not taken off"]


def test_the_default_of_240_days_is_said_to_be_unverified(tmp_path):
    d = programme(tmp_path, lambda v: v["conventions"].pop("fte_days"))
    assert any("240 days make one job (default, unverified)" in line for line in total_lines(d))


def test_income_and_jobs_add_up_where_only_scale_overlaps(tmp_path):
    d = programme(tmp_path, lambda v: v["overlaps"][0].update(common="scale"))
    assert [total(d, c).told for c in ("scale", "income", "jobs")] == ["570", "60,000", "14"]


def test_an_overlap_nobody_declared_is_bounded_in_one_area_only(tmp_path):
    d = programme(tmp_path / "a", lambda v: v.update(overlaps=[]))
    assert total(d, "scale").told == "between 300 and 600"
    d = programme(tmp_path / "b", lambda v: (v.update(overlaps=[]), v["interventions"][0].update(area="South")))
    assert total(d, "scale").told == "600"


def test_lists_of_codes_are_compared(tmp_path):
    def change(values):
        values["overlaps"] = []
        for name, n in (("seeds", 4), ("loans", 3)):
            row(values, "results", f"{name}_r_scale").update(ids=f"{name}.txt", value=n)

    d = programme(tmp_path, change, {"seeds.txt": "f1\nf2\nf3\nf4\n", "loans.txt": "f4\nf5\nf6\n\n"})
    assert total(d, "scale").told == "6"


def test_gross_projected_kept_and_indirect_figures_are_no_part_of_the_total(tmp_path):
    def change(values):
        base = row(values, "results", "seeds_r_scale")
        jobs = row(values, "results", "seeds_r_jobs")
        values["results"] += [{**base, "id": "x1", "basis": "gross"}, {**base, "id": "x2", "label": "projected"},
                              {**base, "id": "x3", "indirect": True}, {**jobs, "id": "x4", "kept": True}]

    d = programme(tmp_path, change)
    assert total(d, "scale").told == "570"
    assert total(d, "scale", indirect=True).told == "300"
    assert set(total(d, "scale").left_out) == {"x1 (gross or not stated)", "x2 (a projection)"}
    assert total(d, "jobs").told == "13.3"
    assert any("7 kept, apart" in line for line in total_lines(d))


def test_one_year_and_all_years(tmp_path):
    def change(values):
        values["overlaps"] = [{**values["overlaps"][0], "way": "none", "value": None}]
        for r in [r for r in values["results"] if r["intervention"] == "seeds"]:
            values["results"].append({**r, "id": f"{r['id']}_24", "year": 2024, "persists": False})
        row(values, "results", "seeds_r_jobs").update(persists=True)

    d = programme(tmp_path, change)
    assert total(d, "jobs").told == "14"  # the seven of 2025 are those of 2024
    assert total(d, "jobs", 2025).told == "14"
    assert total(d, "income").told == "90,000"
    assert total(d, "scale").told == "between 600 and 900"


def test_an_intervention_out_of_scope_is_in_no_total(tmp_path):
    d = programme(tmp_path, lambda v: row(v, "interventions", "loans").update(in_scope=False, scope_reason="Closed"))
    assert total(d, "scale").told == "300"


def test_the_stated_total_is_held_against_the_bounds(tmp_path):
    found = checked(tmp_path / "a", lambda v: (v.update(overlaps=[]), row(v, "totals", "T_scale").update(value=290)))
    assert "add up to between 300 and 600" in found.point("aggregate_impact.documented").gap
    assert found.as_of == TODAY

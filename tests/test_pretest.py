"""The joint test of earlier periods: by hand, and its size beside that of Wald tests.

``nice -n 15 python tests/test_pretest.py`` makes ``reference/pretest_size.csv`` again (about five minutes of one core):
how often
each test rejects at 10 % where trends are parallel, on the firms of tests/test_did_simulation.py.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import test_did_simulation as simulation
from scipy import stats
from support_tables import REFERENCE, read_table, write_table

from impact.did import group_time_att, imputation
from impact.did.multiplier import largest_of
from impact.did.pretest import largest_difference, leads_of, said

STORE = REFERENCE / "pretest_size.csv"
REPLICATIONS = 600
LEVEL = 0.10
FIELDS = ("firms", "districts", "waves", "outcome", "missing", "replications", "differences", "smaller_side",
          "group_time_wald", "group_time", "imputation_f", "imputation", "mc_error")
CELLS = [
    *(simulation.Cell(n, 1) for n in (12, 20, 40, 60)), *(simulation.Cell(n, 3) for n in (42, 60, 150)),
    simulation.Cell(60, 3, outcome="heavy"), simulation.Cell(60, 3, outcome="heavy", missing=0.1),
    *(simulation.Cell(5 * g, 1, districts=g) for g in (12, 20, 40)),
    *(simulation.Cell(5 * g, 2, districts=g) for g in (24, 40, 60))]


def size_of(cell: simulation.Cell) -> dict[str, str]:
    """Shares of rejections at 10 % where the programme does nothing and trends are parallel."""
    rng = np.random.default_rng([simulation.SEED, cell.firms, cell.waves, cell.districts])
    hits, seen = [], None
    for _ in range(REPLICATIONS):
        table = simulation.table(simulation.draw(cell, rng), on=False)
        keywords = simulation.NAMES | ({"cluster": "district"} if cell.districts else {})
        seen = group_time_att(table, **keywords, draws=999).pretrend
        other = imputation(table, **keywords).pretrend
        wald = dict(seen.details).get("pretrend_wald_r_did", (0, 0, math.nan))[2]
        hits.append([p < LEVEL for p in (wald, seen.measured, dict(other.details).get("F_p", math.nan), other.measured)])
    shares = dict(zip(FIELDS[8:12], np.mean(hits, axis=0), strict=True))
    return {k: str(v) for k, v in {
        "firms": cell.firms, "districts": cell.districts or "", "waves": cell.waves, "outcome": cell.outcome,
        "missing": cell.missing, "replications": REPLICATIONS, "differences": dict(seen.details)["tested"],
        "smaller_side": dict(seen.details)["fewest"], **{k: f"{v:.3f}" for k, v in shares.items()},
        "mc_error": f"{math.sqrt(LEVEL * (1 - LEVEL) / REPLICATIONS):.4f}"}.items()}


def stored() -> list[dict[str, str]]:
    return read_table(STORE)


def test_one_difference_is_welchs_t_test():
    rng = np.random.default_rng(1)
    one, zero = rng.normal(0.8, 1, 7), rng.normal(0, 3, 11)
    influence = np.concatenate([(one - one.mean()) / 7, -(zero - zero.mean()) / 11])[:, None]
    sides = np.repeat([True, False], [7, 11])[:, None]
    found = largest_difference(np.array([one.mean() - zero.mean()]), influence, sides, draws=99_999)
    welch = stats.ttest_ind(one, zero, equal_var=False).pvalue
    assert -stats.norm.ppf(welch / 2) == pytest.approx(found.statistic, rel=1e-9)
    assert found.p == pytest.approx(welch, abs=0.005)  # 99,999 draws: Monte-Carlo error 0.0014
    assert (found.tested, found.left_out, found.fewest, found.place) == (1, 0, 7, 0)
    large = largest_difference(1e90 * np.array([one.mean() - zero.mean()]), 1e90 * influence, sides, draws=99)
    assert large.statistic == pytest.approx(found.statistic)


def test_independent_differences_are_sidaks_and_repeated_ones_are_one():
    rng = np.random.default_rng(2)
    block = rng.normal(size=(20, 1))
    influence = np.kron(np.eye(3), block - block.mean())
    sides = np.tile(np.repeat([True, False], 10), 3)[:, None].repeat(3, axis=1)
    values = np.array([0.1, -6.0, 0.5])
    found = largest_difference(values, influence, sides, draws=99_999)
    alone = 2 * stats.norm.sf(found.statistic)
    assert found.place == 1
    # three Monte-Carlo errors of a share in 99,999 draws: at most 0.005
    assert found.p == pytest.approx(1 - (1 - alone) ** 3, abs=0.005)
    same = largest_difference(np.full(3, -6.0), np.repeat(influence[:, 1:2], 3, axis=1), sides, draws=99_999)
    assert same.p == pytest.approx(alone, abs=0.005)
    assert largest_of(np.diag([1.0, 0.0]), draws=5, seed=0).shape == (5,)


def test_differences_with_fewer_than_six_on_a_side_are_left_out_and_all_of_them_say_too_few():
    rng = np.random.default_rng(3)
    influence = rng.normal(size=(20, 2))
    sides = np.column_stack([np.arange(20) < 5, np.arange(20) < 8])
    found = largest_difference(np.array([50.0, 0.1]), influence, sides)
    assert (found.tested, found.left_out, found.fewest, found.place) == (1, 1, 8, 1)
    words = {"identifier": "x", "title": "t", "outcome": "y", "noun": "cluster", "source": "s"}
    told = said(found, ["a lot", "a little"], **words)
    assert told.word == "examined"
    assert "moved is a little. Its p = " in told.reason
    assert "With 8 clusters on the smaller side only a large one would show." in told.reason
    assert "1 more difference with fewer than 6 clusters on a side is not tested" in told.reason
    none = said(largest_difference(np.array([50.0]), influence[:, :1], sides[:, :1]), ["a lot"], **words)
    assert (none.verdict, none.word) == ("not_applicable", "not examined")
    assert none.reason.startswith("Too few clusters to say")


def test_units_that_add_nothing_do_not_count_and_rounding_is_nothing():
    influence = np.r_[np.random.default_rng(4).normal(size=14), np.full(30, 1e-17)][:, None]
    sides = np.r_[np.arange(14) < 7, np.ones(30, dtype=bool)][:, None]
    assert largest_difference(np.ones(1), influence, sides).fewest == 7


def test_the_last_periods_before_treatment_are_leads():
    horizon = np.array([-np.inf, -1.0, -2, -3, -4, -5, -6])
    assert leads_of(horizon, None) == [-1, -2, -3, -4]
    assert leads_of(horizon[:4], None) == [-1, -2]
    assert leads_of(horizon[:2], None) == []
    assert leads_of(horizon, 1) == [-1]


def test_the_verdict_follows_the_test_that_keeps_its_size_and_the_wald_test_is_kept_for_comparison():
    """A draw of true parallel trends on which the chi-square test of R did sees a drift, with 10 firms a wave."""
    cell = simulation.Cell(60, 3)
    rng = np.random.default_rng(1)
    for _ in range(40):
        table = simulation.table(simulation.draw(cell, rng), on=False)
        check = group_time_att(table, **simulation.NAMES).pretrend
        statistic, df, p = dict(check.details)["pretrend_wald_r_did"]
        assert p == pytest.approx(stats.chi2.sf(statistic, df))
        if p < 0.05 and check.measured > 0.15:
            break
    else:
        pytest.fail("no such draw")
    assert (check.verdict, check.word, df) == ("pass", "examined", 9)
    assert "With 10 units on the smaller side only a large one would show" in check.reason


def test_moves_are_the_long_differences_whatever_the_base():
    cell = simulation.Cell(60, 2)
    table = simulation.table(simulation.draw(cell, np.random.default_rng(4)), on=True)
    steps, long = (group_time_att(table, **simulation.NAMES, base_period=base, control_group="never_treated").pretrend
                   for base in ("varying", "universal"))
    assert steps.reason == long.reason
    assert dict(steps.details)["largest"] == pytest.approx(dict(long.details)["largest"])
    wide = table.pivot(index="firm", columns="year", values="y")
    first = table.groupby("firm")["first"].first()
    moves = {(g, t): (wide[g - 1] - wide[t])[first == g].mean() - (wide[g - 1] - wide[t])[first.isna()].mean()
             for g in (4, 6) for t in range(1, g - 1)}
    assert dict(long.details)["tested"] == len(moves)
    text = steps.reason.partition("clearest is ")[2]
    assert any(text.startswith(f"{value:.3g} (units first treated in {g}, between {t} and {g - 1})".replace("-", "−", 1)
                               if value < 0 else f"{value:.3g} (units first treated in {g}, between {t} and {g - 1})")
               for (g, t), value in moves.items())


def test_periods_in_which_it_may_already_act_are_not_earlier_ones():
    cell = simulation.Cell(60, 1)
    table = simulation.table(simulation.draw(cell, np.random.default_rng(4)), on=False)
    table.loc[table["year"] == table["first"] - 1, "y"] += 5
    for base in ("varying", "universal"):
        early = group_time_att(table, **simulation.NAMES, anticipation=1, base_period=base).pretrend
        assert early.verdict == "pass"
        assert group_time_att(table, **simulation.NAMES, base_period=base).pretrend.verdict == "concern"


def test_a_slow_drift_shows_in_long_moves_more_often_than_in_steps():
    """Forty panels with a drift of 0.2 shock deviations a year: steps alone would show it in a quarter of them."""
    cell, rng, seen = simulation.Cell(150, drift=0.2), np.random.default_rng(7), 0
    for _ in range(40):
        table = simulation.table(simulation.draw(cell, rng), on=False)
        seen += group_time_att(table, **simulation.NAMES, draws=999).pretrend.verdict == "concern"
    assert seen >= 20


def test_every_cell_is_stored_and_the_test_keeps_its_size_where_wald_tests_do_not():
    rows = stored()
    assert [(r["firms"], r["districts"], r["waves"], r["outcome"], r["missing"]) for r in rows] == [
        (str(c.firms), str(c.districts or ""), str(c.waves), c.outcome, str(c.missing)) for c in CELLS]
    for row in rows:
        room = 0.02 + 2 * float(row["mc_error"])
        assert float(row["group_time"]) <= LEVEL + room, row
        assert float(row["imputation"]) <= LEVEL + room, row
        assert float(row["group_time_wald"]) >= float(row["group_time"]) - room
    small = [r for r in rows if int(r["smaller_side"]) <= 10]
    assert min(float(r["group_time_wald"]) for r in small) > 0.2
    assert min(float(r["imputation_f"]) - float(r["imputation"]) for r in small) > -0.01


@pytest.mark.slow
def test_a_cell_is_made_again():
    assert size_of(CELLS[1]) == stored()[1]


if __name__ == "__main__":
    made = []
    with simulation.one_thread():
        for wanted in CELLS:
            made.append(size_of(wanted))
            print(made[-1], flush=True)
    write_table(STORE, FIELDS, made)

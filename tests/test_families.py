"""Families of outcomes: declared in the study, adjusted on the design's own re-randomisations, summed up by an index."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from support_studies import PROFIT, cross_section, declare

from impact.errors import StudyError
from impact.evaluation import evaluate
from impact.families import families_of
from impact.inference import holm
from impact.inference.assignment import declared_draw
from impact.inference.indices import inverse_covariance_index
from impact.inference.multiple import as_min_p, sharpened_q, step_down
from impact.inference.randomisation import Member, joint_randomisation, randomisation_test
from impact.rct import difference_in_means

SALES = PROFIT | {"name": "sales", "column": "sales", "label": "Sales"}
HOURS = PROFIT | {"name": "hours", "column": "hours", "label": "Hours", "role": "secondary", "better": "lower"}
STAFF = PROFIT | {"name": "staff", "column": "staff", "label": "Staff", "role": "secondary"}
OUTCOMES = [PROFIT, SALES, HOURS, STAFF]


def firms(n: int = 40, effect: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    data = cross_section(n)
    data["sales"] = (2 * data["profit"] + rng.normal(0, 5, n) + effect * data["offered"]).round(3)
    data["hours"] = rng.normal(40, 5, n).round(3)
    data["staff"] = rng.normal(5, 2, n).round(3)
    return data


def family(adjust: str, outcomes: tuple[str, ...] = ("profit", "sales"), name: str = "income", **more) -> dict:
    return {"name": name, "outcomes": list(outcomes), "adjust": adjust, **more}


def p_values(evaluation, *names):
    return [evaluation.main(name).p_value for name in names], [evaluation.main(name).p_adjusted for name in names]


def test_outcomes_in_no_family_are_adjusted_with_their_role():
    study = declare("rct", outcomes=OUTCOMES, families=[family("sharpened_q", ("hours", "staff"), "work")])
    assert [(f.name, f.outcomes, f.adjust) for f in families_of(study)] == [
        ("work", ("hours", "staff"), "sharpened_q"), ("primary", ("profit", "sales"), "holm")]
    evaluation = evaluate(study, firms())
    raw, adjusted = p_values(evaluation, "hours", "staff")
    assert adjusted == sharpened_q(raw)
    raw, adjusted = p_values(evaluation, "profit", "sales")
    assert adjusted == holm(raw)
    assert evaluation.main("profit").p_family == "2 primary, Holm"
    assert evaluation.main("staff").p_family == "2 work, sharpened q"


def test_romano_wolf_by_hand_on_six_firms():
    """Twenty draws of 3 of 6; the largest of two studentised differences in each, held against the observed."""
    y = np.array([[1.0, 5.0], [2.0, 3.0], [3.0, 9.0], [7.0, 4.0], [8.0, 8.0], [9.5, 7.0]])
    offered = np.array([0, 0, 0, 1, 1, 1.0])

    def statistic(rows, column):
        d = np.zeros(6)
        d[list(rows)] = 1
        z = y[:, column] - y[:, column].mean()
        top = (d - 0.5) @ z
        effect = top / 1.5
        return top / np.sqrt((((d - 0.5) * (z - effect * (d - 0.5))) ** 2).sum())

    draws = np.array([[statistic(rows, j) for j in (0, 1)] for rows in combinations(range(6), 3)])
    observed = np.array([statistic((3, 4, 5), j) for j in (0, 1)])
    assert abs(observed[0]) > abs(observed[1])
    first = (np.abs(draws).max(axis=1) >= abs(observed[0]) - 1e-9).mean()
    second = max(first, (np.abs(draws[:, 1]) >= abs(observed[1]) - 1e-9).mean())
    made = evaluate(declare("rct", outcomes=[PROFIT, SALES], families=[family("romano_wolf")]), pd.DataFrame(
        {"firm": list("abcdef"), "offered": offered, "profit": y[:, 0], "sales": y[:, 1]}))
    raw, adjusted = p_values(made, "profit", "sales")
    assert adjusted == pytest.approx([max(first, raw[0]), max(second, raw[1])])
    assert made.main("profit").p_family == "2 income, Romano–Wolf, all 20 draws of the lots"


def test_minimum_p_by_hand():
    """Four draws of two outcomes on different scales: each statistic becomes the share of draws at least as large."""
    drawn = np.array([[4.0, 10.0], [3.0, 40.0], [2.0, 30.0], [1.0, 20.0]])
    observed, turned = as_min_p([4.0, 30.0], drawn)
    assert observed == pytest.approx([1 - 1 / 4, 1 - 2 / 4])
    assert turned == pytest.approx(1 - np.array([[1, 4], [2, 1], [3, 2], [4, 3]]) / 4)
    # profit: three draws have some p at or below 1/4? draws 1 and 2 do; sales alone: two of four are at least 30
    assert step_down(list(observed), turned, enumerated=True) == pytest.approx([0.5, 0.5])


def test_joint_draws_equal_single_ones_where_all_is_known():
    data = firms()
    draw = declared_draw(data["offered"].to_numpy())
    y = data[["profit", "sales"]].to_numpy()
    one = np.ones((len(y), 1))
    rows = np.arange(len(y))
    members = [Member(rows=rows, outcome=y[:, j], covariates=one) for j in (0, 1)]
    joint = joint_randomisation(members, draw, draws=500, seed=3)
    single = randomisation_test(y, draw, draws=500, seed=3)
    assert joint.drawn == pytest.approx(single.drawn)
    assert joint.p_value == pytest.approx(single.p_value)
    assert joint.estimate == pytest.approx(single.estimate)


def test_step_down_keeps_rows_that_one_outcome_lacks():
    """A missing outcome costs its own rows only, and the draw stays that of all firms."""
    data = firms()
    data.loc[[0, 1, 2], "sales"] = np.nan
    made = evaluate(declare("rct", outcomes=OUTCOMES, families=[family("romano_wolf")]), data)
    assert (made.main("profit").n, made.main("sales").n) == (40, 37)
    offered = data["offered"].to_numpy()
    draw = declared_draw(offered)
    known = np.flatnonzero(data["sales"].notna())
    members = [Member(rows=np.arange(40), outcome=data["profit"].to_numpy(), covariates=np.ones((40, 1))),
               Member(rows=known, outcome=data["sales"].to_numpy()[known], covariates=np.ones((37, 1)))]
    test = joint_randomisation(members, draw, seed=1)
    found = step_down(list(test.statistic), test.drawn)
    raw, adjusted = p_values(made, "profit", "sales")
    assert adjusted == pytest.approx([max(p, q) for p, q in zip(raw, found, strict=True)])


@pytest.mark.parametrize("adjust", ["westfall_young", "romano_wolf"])
def test_step_down_follows_the_draw_by_clusters_and_strata(adjust):
    data = firms(48)
    data["region"] = data["market"] // 6
    study = declare("rct", outcomes=[PROFIT, SALES], families=[family(adjust)], treatment="market_offered",
                    assigned_by="market", assignment={"rule": "clustered", "cluster": "market", "strata": "region"})
    made = evaluate(study, data)
    raw, adjusted = p_values(made, "profit", "sales")
    assert all(0 < p <= q <= 1 for p, q in zip(raw, adjusted, strict=True))
    assert "draws of the lots" in made.main("profit").p_family
    assert "400" in made.main("profit").p_family  # C(6, 3) × C(6, 3)


def test_step_down_is_no_stricter_than_holm_on_two_copies_of_an_outcome():
    data = firms()
    data["sales"] = 3 * data["profit"] + 7
    made = evaluate(declare("rct", outcomes=[PROFIT, SALES], families=[family("romano_wolf")]), data)
    raw, adjusted = p_values(made, "profit", "sales")
    assert adjusted[0] == pytest.approx(adjusted[1])
    assert raw[0] < 0.5
    assert adjusted[0] < 1.5 * raw[0] + 0.01 < holm(raw)[0] + 0.01


@pytest.mark.slow
@pytest.mark.parametrize("adjust", ["westfall_young", "romano_wolf", "holm"])
def test_familywise_error_is_kept_under_no_effect(adjust):
    """2,000 trials of 30 firms with four related outcomes and no effect: the share with any finding stays at 5 %."""
    wrong = 0
    for seed in range(2000):
        rng = np.random.default_rng([7, seed])
        common = rng.normal(size=30)
        offered = rng.permutation(np.repeat([0.0, 1.0], 15))
        y = np.column_stack([common + rng.lognormal(size=30) for _ in range(4)])
        if adjust == "holm":
            data = pd.DataFrame(y).assign(d=offered)
            data.columns = [*"wxyz", "d"]
            values = holm([difference_in_means(data, outcome=c, treatment="d").p_value for c in "wxyz"])
        else:
            test = randomisation_test(y, declared_draw(offered), draws=199, seed=seed)
            observed, drawn = as_min_p(list(test.statistic), test.drawn) if adjust == "westfall_young" else (
                test.statistic, test.drawn)
            values = step_down(list(observed), drawn)
        wrong += min(values) <= 0.05
    assert wrong / 2000 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)


def test_an_index_is_estimated_with_the_primary_method():
    data = firms(effect=4.0)
    made = evaluate(declare("rct", outcomes=OUTCOMES, families=[family("holm", index="inverse_covariance"), family(
        "benjamini_hochberg", ("hours", "staff"), "work", index="mean")]), data)
    index = made.estimate("income/difference_in_means")
    values = inverse_covariance_index(data[["profit", "sales"]].to_numpy(), data["offered"].to_numpy() == 0).values
    assert index.role == "index"
    assert index.estimate == pytest.approx(difference_in_means(
        data.assign(i=values), outcome="i", treatment="offered").estimate)
    # fewer hours count as better: the sign of that outcome is turned
    work = made.estimate("work/difference_in_means")
    z = (data[["hours", "staff"]] - data.loc[data.offered == 0, ["hours", "staff"]].mean()) / data.loc[
        data.offered == 0, ["hours", "staff"]].std()
    by_hand = (z["staff"] - z["hours"]) / 2
    assert work.estimate == pytest.approx(by_hand[data.offered == 1].mean() - by_hand[data.offered == 0].mean())
    assert work.unit == "standard deviations of the comparison group"


@pytest.mark.parametrize(("families", "words"), [
    ([family("holm", ("profit", "profits"))], "'profits' is not a declared outcome. Did you mean 'profit'?"),
    ([family("holm", ("profit",))], "the primary outcomes are not all in one family"),
    ([family("benjamini_hochberg")], "primaries need the chance of any false finding limited"),
    ([family("holm", ("profit", "sales", "hours"))], "primary and secondary outcomes stand in one family"),
    ([family("holm"), family("holm", ("sales",), "b")], "'sales' is already in the family 'income'"),
    ([family("holm", name="hours")], "'hours' is the name of another outcome"),
    ([family("holm"), family("holm", ("hours",))], "'income' is the name of another family"),
    ([family("bonferroni")], "'bonferroni' is not one of holm"),
    ([family("holm", ("profit", "sales")), family("holm", ("hours",), "b", index="mean")], "an index sums up two outcomes"),
])
def test_families_that_cannot_hold_are_refused(families, words):
    with pytest.raises(StudyError) as error:
        declare("rct", outcomes=OUTCOMES, families=families)
    assert words in str(error.value)


def test_lots_are_not_drawn_again_where_nothing_was_drawn():
    with pytest.raises(StudyError, match="nothing was drawn in a matching study"):
        declare("matching", outcomes=[PROFIT, SALES], families=[family("romano_wolf")])


@pytest.mark.parametrize("adjust", ["romano_wolf", "westfall_young"])
def test_sampling_weights_are_held_in_every_draw_of_a_family(adjust):
    """Twenty draws of 3 of 6, by weighted means and their errors; sales of one firm are missing and keep their own rows."""
    y = np.array([[1.0, 5.0], [2.0, 3.0], [3.0, np.nan], [7.0, 4.0], [8.0, 8.0], [9.5, 7.0]])
    weight, offered = np.array([1.0, 2, 3, 1, 4, 2]), np.array([0, 0, 0, 1, 1, 1.0])

    def statistic(rows, column):
        known = ~np.isnan(y[:, column])
        top = bottom = 0.0
        for arm, sign in ((1, 1), (0, -1)):
            mine = known & (np.isin(np.arange(6), rows) == arm)
            w, values = weight[mine], y[mine, column]
            mean = (w * values).sum() / w.sum()
            top += sign * mean
            bottom += ((w * (values - mean)) ** 2).sum() / w.sum() ** 2
        return top / np.sqrt(bottom)

    draws = np.abs([[statistic(rows, j) for j in (0, 1)] for rows in combinations(range(6), 3)])
    observed = np.abs([statistic((3, 4, 5), j) for j in (0, 1)])
    if adjust == "westfall_young":
        observed, draws = (1 - np.array([[(draws[:, j] >= v[j] * (1 - 1e-10)).mean() for j in (0, 1)] for v in rows])
                           for rows in (observed[None, :], draws))
        observed = observed[0]
    first, second = np.argsort(-observed, kind="stable")
    found = np.empty(2)
    found[first] = (draws.max(axis=1) >= observed[first] - 1e-10).mean()
    found[second] = max(found[first], (draws[:, second] >= observed[second] - 1e-10).mean())
    study = declare("rct", outcomes=[PROFIT, SALES], families=[family(adjust)], method="ols", sampling={"weight": "w"})
    made = evaluate(study, pd.DataFrame({"firm": list("abcdef"), "offered": offered, "profit": y[:, 0], "sales": y[:, 1],
                                         "w": weight}))
    raw, adjusted = p_values(made, "profit", "sales")
    assert adjusted == pytest.approx([max(p, q) for p, q in zip(raw, found, strict=True)])
    assert made.main("profit").p_value == pytest.approx((np.abs(
        [statistic(rows, 0) for rows in combinations(range(6), 3)]) >= abs(statistic((3, 4, 5), 0)) - 1e-10).mean())
    assert not made.main("sales").has_caveat("family_statistic")
    assert "all 20 draws of the lots" in made.main("profit").p_family


def test_even_weights_are_none_and_a_weight_of_zero_costs_its_row():
    data = firms(30).assign(w=3.0, zero=lambda f: np.where(f.index == 4, 0.0, 3.0))

    def adjusted(frame, **more):
        study = declare("rct", outcomes=[PROFIT, SALES], families=[family("romano_wolf")], method="ols", **more)
        return p_values(evaluate(study, frame), "profit", "sales")[1]

    assert adjusted(data, sampling={"weight": "w"}) == adjusted(data)
    lacking = data.assign(**{name: data[name].mask(data.index == 4) for name in ("profit", "sales")})
    assert adjusted(data, sampling={"weight": "zero"}) == adjusted(lacking)


def test_as_many_known_rows_as_clusters_is_not_one_row_a_cluster():
    """20 markets of two rows; an outcome known on 20 rows of the first ten markets: sums are by market all the same."""
    rng = np.random.default_rng(8)
    cluster = np.repeat(np.arange(20), 2)
    offered = (cluster % 2).astype(float)
    y = rng.normal(size=40) + 1.5 * offered
    draw = declared_draw(offered, clusters=cluster.astype(np.int64))
    rows = np.arange(20)
    test = joint_randomisation([Member(rows=rows, outcome=y[:20], covariates=np.ones((20, 1)))], draw, draws=200, seed=1)
    assert test.estimate[0] == pytest.approx(y[:20][offered[:20] == 1].mean() - y[:20][offered[:20] == 0].mean())
    assert np.isfinite(test.statistic[0])


def test_lots_drawn_again_for_another_number_are_said_to_be_so():
    rng = np.random.default_rng(9)
    rows = [{"block": s, "offered": float(i < treated), "gain": gain} for s, (treated, gain) in enumerate(
        ((4, 2.0), (36, 2.0), (20, -2.0))) for i in range(40)]
    data = pd.DataFrame(rows).assign(firm=lambda d: np.arange(len(d)))
    for name in ("profit", "sales"):
        data[name] = data["gain"] * data["offered"] + rng.normal(size=len(data))
    plan = {"outcomes": [PROFIT, SALES], "families": [family("romano_wolf")],
            "assignment": {"rule": "blocked", "strata": "block"}}
    blocked = evaluate(declare("rct", **plan), data).main("profit")
    assert blocked.has_caveat("family_statistic")
    assert not evaluate(declare("rct", method="ols", **plan), data).main("profit").has_caveat("family_statistic")

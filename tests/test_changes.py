"""Matched difference-in-differences: by hand, its three comparisons beside each other, the trap, and the study file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import impact
from impact.brief import compose
from impact.brief.page import present
from impact.brief.theme import LADDER
from impact.checks import comparisons_agree
from impact.errors import DataError, DesignError, StudyError
from impact.matching import full_matching, matched_did, nearest_neighbour
from impact.study import study_from_mapping

close = pytest.approx
# two participants, each with one comparison unit of its own age, and a third comparison unit far away
SMALL = pd.DataFrame({"took": [1, 1, 0, 0, 0], "age": [20, 50, 20, 50, 90], "size": [1, 4, 1, 4, 9],
                      "before": [10, 30, 12, 26, 50], "after": [17, 36, 14, 29, 51]}).astype(float)
SMALL_CALL = {"outcome": "after", "baseline": "before", "treatment": "took", "covariates": ["age"],
              "distance": "mahalanobis", "method": "nearest_neighbour"}


def firms(seed: int = 1, n: int = 400, gap: float = -1.0, dip: float = 0.0, trend: float = 0.0) -> pd.DataFrame:
    """Firms without any effect: lasting levels that differ by ``gap``, or entry by the outcome before (``dip``)."""
    rng = np.random.default_rng(seed)
    took = (rng.uniform(size=n) < 0.3).astype(float)
    age, level = rng.normal(size=n), rng.normal(size=n)
    luck = rng.normal(size=n)
    if dip:
        took = (level + 0.5 * age + luck + rng.normal(size=n) < dip).astype(float)
    level = level + gap * took + 0.5 * age
    return pd.DataFrame({"took": took, "age": age, "size": rng.integers(0, 5, n).astype(float),
                         "first": level + rng.normal(size=n), "second": level + rng.normal(size=n),
                         "before": level + luck, "after": level + trend + rng.normal(size=n)})


CALL = {"outcome": "after", "baseline": "before", "treatment": "took", "covariates": ["age", "size"]}


def long(data: pd.DataFrame) -> pd.DataFrame:
    """The same firms, one row a firm and year, in no order."""
    parts = [data[["age", "size"]].assign(firm=[f"F{i}" for i in data.index], year=year, sales=data[name],
                                          took=data["took"] * (year == 2023),
                                          start=data["took"].map({1.0: 2022.0, 0.0: np.nan}))
             for year, name in ((2019, "first"), (2020, "second"), (2021, "before"), (2023, "after"))]
    return pd.concat(parts).sample(frac=1, random_state=3).reset_index(drop=True)


LONG = {"outcome": "sales", "unit": "firm", "time": "year", "before": 2021, "after": 2023, "covariates": ["age", "size"]}


# ---- by hand


def test_three_comparisons_by_hand():
    rows = matched_did(SMALL, **SMALL_CALL)
    assert [e.method for e in rows] == ["matched_did", "plain_did", "lagged_matching"]
    # changes: participants 7 and 6, partners 2 and 3, the third 1
    assert rows[0].estimate == close((5 + 3) / 2)
    assert rows[1].estimate == close(6.5 - 2)
    # residuals ±0.5 and ∓0.5: within pairs u = (7 − 6.5) − (2 − 2.5) = 1 and −1, over two pairs; CR1S: 3/2 · 2/1
    assert rows[0].std_error == close(np.sqrt((1 + 1) / 4 * 3 / 2 * 2))
    assert rows[1].std_error == close(np.sqrt(0.5 / 2 + 1 / 3))  # HC2 is each arm's own variance over its size
    # age and the outcome before: 10 is nearest to 12 of the same age, 30 to 26
    assert rows[2].estimate == close((3 + 7) / 2)
    # what participants would have had: 26.5 less the effect
    assert [e.comparison_mean for e in rows] == close([22.5, 22.0, 21.5])
    assert rows[0].effect_pct.value == close(400 / 22.5)
    assert [(e.n, e.n_treated, e.n_clusters) for e in rows] == [(4, 2, 2), (5, 2, None), (4, 2, 2)]
    assert rows[1].vcov == "HC2"
    assert rows[1].se_card.r_call.endswith('clusters = id, se_type = "CR2")')  # of units, whose df are Bell and McCaffrey's
    assert [len(e.assumptions) for e in rows] == [2, 2, 2]
    assert len({e.assumptions[0] for e in rows}) == 3


def test_the_error_of_a_difference_by_hand():
    """Errors a = √(3/2) and b = √(7/12), and what each unit adds, worked on paper."""
    rows = matched_did(SMALL, **SMALL_CALL)
    # matched on age: the partners' changes 2 and 3 lie on a line in age, so that nothing of them is left: their
    # participants' 7 − 2 and 6 − 3 are left, ±1 about their mean over two participants
    one = np.array([1, -1, 0, 0, 0]) / 2
    # all units as they are: 7 and 6 about 6.5, and 2, 3, 1 about 2 over three
    two = np.array([0.25, -0.25, 0, -1 / 3, 1 / 3])
    r = one @ two / np.sqrt((one @ one) * (two @ two))
    gap = dict(rows[0].details)["gaps"][0]
    assert gap[:2] == ("matched DiD", "plain DiD")
    assert gap[2] == close(4 - 4.5)
    assert gap[3] == close(np.sqrt(3 / 2 + 7 / 12 - 2 * r * np.sqrt(3 / 2 * 7 / 12)))


@pytest.mark.parametrize("method", ["nearest_neighbour", "full_matching", "optimal_pairs"])
@pytest.mark.parametrize("distance", ["propensity", "mahalanobis"])
def test_a_difference_is_no_surer_or_less_sure_than_its_rows_allow(method, distance):
    rows = matched_did(firms(seed=4, n=200), **CALL, method=method, distance=distance)
    error = {"matched DiD": rows[0].std_error, "plain DiD": rows[1].std_error,
             "matching on the outcome before": rows[2].std_error}
    gaps = dict(rows[0].details)["gaps"]
    assert len(gaps) == 3
    for one, two, _, found, *_ in gaps:
        assert abs(error[one] - error[two]) <= found <= error[one] + error[two]


def test_errors_of_differences_are_as_wide_as_the_differences_vary():
    """All three rows right, 300 draws: mean error over true spread, and how often two rows disagree."""
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x, lasting = rng.normal(size=(2, 300))
        took = (rng.uniform(size=300) < 1 / (1 + np.exp(0.8 - 0.7 * x))).astype(float)
        waves = [10 + x + lasting + 0.7 * rng.normal(size=300) for _ in range(2)]
        data = pd.DataFrame({"took": took, "age": x, "before": waves[0], "after": waves[1]})
        rows = matched_did(data, outcome="after", baseline="before", treatment="took", covariates=["age"])
        found.append([(g[2], g[3], g[6]) for g in dict(rows[0].details)["gaps"]])
    gaps, errors, apart = np.moveaxis(np.array(found, dtype=float), 2, 0)
    ratio = errors.mean(axis=0) / gaps.std(axis=0, ddof=1)
    assert ratio == close(np.ones(3), abs=0.12)  # the spread of 300 draws is itself known to 0.04
    assert (apart.mean(axis=0) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)).all()
    assert apart.mean() > 0.02


def test_rows_are_those_of_the_matching_they_are_made_of():
    data = firms().assign(change=lambda t: t["after"] - t["before"])
    rows = matched_did(data, **CALL, method="nearest_neighbour")
    own = {"treatment": "took", "distance": "propensity"}
    plain = {**own, "bias_adjustment": False}  # matched changes are compared as they are
    changes = nearest_neighbour(data, outcome="change", covariates=["age", "size"], **plain)
    levels = nearest_neighbour(data, outcome="after", covariates=["age", "size", "before"], **plain)
    for mine, theirs in ((rows[0], changes), (rows[2], levels)):
        assert (mine.estimate, mine.std_error, mine.df) == close((theirs.estimate, theirs.std_error, theirs.df))
    full = matched_did(data, **CALL, caliper=0.2)
    again = full_matching(data, outcome="change", covariates=["age", "size"], caliper=0.2, **own)
    assert full[0].estimate == close(again.estimate)
    assert dict(full.headline.details)["matching"] == "full_matching"


# ---- rows and columns


@pytest.mark.parametrize("arm", ["took", "start"])
@pytest.mark.parametrize("options", [{}, {"match_on": "trends"}])
def test_waves_in_rows_are_waves_in_columns(arm, options):
    data = firms(n=120)
    years = {"earlier": [2019, 2020]} if options else {}
    columns = {"earlier": ["first", "second"]} if options else {}
    role = {"treatment": "took"} if arm == "took" else {"first_treated": "start"}
    rows = matched_did(long(data), **LONG, **role, **years, **options)
    wide = matched_did(data, **CALL, **columns, **options)
    assert [e.estimate for e in rows][:2] == close([e.estimate for e in wide][:2])
    assert rows[2].estimate == close(wide[2].estimate)
    assert rows[0].n == wide[0].n


def test_losses_are_counted_in_the_rows_given():
    data = firms(n=80)
    wide = data.copy()
    wide.loc[3, "before"] = np.nan
    wide.loc[7, "age"] = np.nan
    first = matched_did(wide, **CALL)[0]
    assert [(x.reason, x.rows) for x in first.dropped][:2] == [("baseline_missing", (4,)), ("covariate_missing", (8,))]
    everybody = set(range(1, 81))
    lost = {r for x in first.dropped for r in x.rows}
    assert len(everybody - lost) == first.n
    table = long(data)
    gone = table.index[(table["firm"] == "F5") & (table["year"] == 2023)][0]
    table.loc[gone, "sales"] = np.nan
    found = matched_did(table, **LONG, first_treated="start")
    reasons = {x.reason: x for x in found[1].dropped}
    assert reasons["outcome_missing"].rows == (gone + 1,)
    assert reasons["wave_missing"].n_units == 1
    assert reasons["period_not_used"].n_rows == 160
    assert found[1].n == 79
    lost = {r for x in found[0].dropped for r in x.rows}
    assert len(table) - len(lost) == 2 * found[0].n


def test_units_treated_before_are_left_out_and_said():
    table = long(firms(n=80)).assign(start=lambda t: t["start"].where(t["firm"] != "F2", 2020.0))
    found = matched_did(table, **LONG, first_treated="start")
    assert next(x for x in found[1].dropped if x.reason == "treated_before").n_units == 1


def test_logs_are_changes_in_logs_of_each_wave():
    data = firms().assign(after=lambda t: np.exp(t["after"]), before=lambda t: np.exp(t["before"]))
    rows = matched_did(data, **CALL, transform="log")
    assert rows[1].estimate == close(matched_did(firms(), **CALL)[1].estimate)
    assert rows[1].effect_pct.value == close(100 * np.expm1(rows[1].estimate))
    with pytest.raises(DataError, match="logarithm needs values above 0"):
        matched_did(firms(), **CALL, transform="log")


# ---- the trap


def test_differencing_after_matching_exactly_on_the_outcome_before_changes_nothing():
    data = firms().assign(before=lambda t: t["before"].round(), took_=0)
    rows = matched_did(data, outcome="after", baseline="before", treatment="took", covariates=[],
                       match_on="baseline_outcome", distance="mahalanobis", caliper=1e-9)
    assert rows[0].estimate == close(rows[2].estimate)
    assert rows[0].has_caveat("regression_to_the_mean")
    assert not rows[1].has_caveat("regression_to_the_mean")


@pytest.mark.parametrize(("name", "where"), [("before", "covariates"), ("after", "covariates"), ("before", "exact")])
def test_matching_on_the_outcome_before_is_refused_unless_asked_by_name(name, where):
    change = {"covariates": ["age", name]} if where == "covariates" else {"exact": [name]}
    with pytest.raises((DesignError, DataError), match="regression to the mean"):
        matched_did(firms(), **{**CALL, **change})


def test_trends_need_two_waves_before_the_baseline():
    with pytest.raises(DesignError, match="two or more waves earlier than the baseline; there are 1"):
        matched_did(firms(), **CALL, match_on="trends", earlier=["second"])
    rows = matched_did(firms(), **CALL | {"covariates": []}, match_on="trends", earlier=["first", "second"])
    assert rows[0].matched.covariates == ("_trend_1",)
    assert rows[2].matched.covariates == ("_earlier_1", "_earlier_2", "_before")
    assert "_" not in "".join(c.text for e in rows for c in e.caveats)


@pytest.mark.parametrize(("change", "said"), [
    ({"baseline": None}, "no outcome before is named"), ({"baseline": "after"}, "stands for two waves"),
    ({"covariates": []}, "nothing to match on"), ({"covariates": ["agee"]}, "age"),
])
def test_what_cannot_be_compared_is_refused(change, said):
    with pytest.raises((DesignError, DataError), match=said):
        matched_did(firms(), **CALL | change)


@pytest.mark.parametrize("change", [{"match_on": "luck"}, {"method": "exact"}, {"estimand": "ate"}, {"before": 1},
                                    {"conf_level": 2}, {"treatment": None}])
def test_keywords_that_make_no_sense(change):
    with pytest.raises(ValueError, match=r"must be one of|waves in columns|conf_level"):
        matched_did(firms(), **CALL | change)


def test_mistakes_in_periods_are_told():
    table = long(firms(n=40))
    with pytest.raises(DataError, match="it holds no period 2022"):
        matched_did(table, **LONG | {"after": 2022}, treatment="took")
    with pytest.raises(DataError, match="do not rise"):
        matched_did(table, **LONG | {"before": 2023, "after": 2021}, treatment="took")
    with pytest.raises(DataError, match="switches off again"):
        matched_did(table.assign(took=1.0 * (table["firm"].isin(["F1", "F2"]) & (table["year"] != 2023))), **LONG,
                    treatment="took")
    with pytest.raises(DataError, match="stand in more than one row"):
        matched_did(pd.concat([table, table.head(1)]), **LONG, treatment="took")
    with pytest.raises(DataError, match="stand in more than one row"):
        matched_did(firms().assign(id=1), **CALL, unit="id")


# ---- when the numbers disagree


def test_none_stands_alone_where_they_disagree():
    rows = matched_did(firms(), **CALL)
    assert all(e.has_caveat("methods_disagree") for e in rows)
    check = comparisons_agree(rows.headline)
    assert (check.verdict, check.word) == ("concern", "disagree")
    assert "plain DiD less matching on the outcome before" in check.reason
    gaps = dict(rows.headline.details)["gaps"]
    for _, _, gap, error, low, high, wrong in gaps:
        assert wrong == (not low <= 0 <= high)
        assert low < gap < high
        assert error > 0
    same = matched_did(firms(gap=0.0, seed=4), **CALL)
    assert not any(e.has_caveat("methods_disagree") for e in same)
    assert comparisons_agree(same.headline).verdict == "pass"


def test_opposite_signs_disagree_where_one_is_clear_of_zero():
    from impact.inference.intervals import infer
    from impact.matching.gaps import Row, gap_between
    from impact.matching.waves import side_by_side

    data = firms(n=60)
    waves = side_by_side(data, outcome="after", treatment="took", baseline="before", earlier=(), traits=("age",), unit=None)
    sets, weights = np.arange(60), np.ones(60)
    y = (data["after"] - data["before"]).to_numpy()

    def row(estimate: float, error: float) -> Row:
        return Row(method="plain_did", y=y, weights=weights, sets=sets, x=np.empty((60, 0)),
                    inference=infer(estimate, error, None))

    # the same scores: their difference has no error of its own, and signs decide
    assert gap_between(row(1.0, 0.2), row(-0.1, 1.0), waves.treated, 0.95)[6]
    assert not gap_between(row(0.1, 0.2), row(-0.1, 1.0), waves.treated, 0.95)[6]
    assert not gap_between(row(1.0, 0.2), row(0.1, 1.0), waves.treated, 0.95)[6]


def test_pairs_that_run_out_of_like_partners_say_that_the_outcome_before_stays_apart():
    data = firms(gap=0.0, dip=-0.5)
    rows = matched_did(data, **CALL, method="nearest_neighbour")
    assert rows[2].has_caveat("baseline_not_alike")
    assert not rows[0].has_caveat("baseline_not_alike")
    sample, y = rows[2].matched, data["before"].to_numpy()
    one, zero = (np.average(y[sample.treated == a], weights=sample.weights[sample.treated == a]) for a in (1, 0))
    assert dict(next(c for c in rows[2].caveats if c.code == "baseline_not_alike").values)["gap"] == close(one - zero)


# ---- the study file


def keys(**options) -> dict:
    return {
        "schema": 1, "title": "Firms", "question": "Do firms sell more?", "status": "final",
        "programme": {"name": "P", "country": "X", "sector": None, "donor": None, "project_number": None,
                      "period": [2021, 2023]},
        "data": {"file": "firms.csv", "simulated": True, "source": "made"},
        "design": {"kind": "matching", "estimand": "att", "unit": "row_number", "unit_label": ["firm", "firms"],
                   "treatment": "took", "assigned_by": "row_number", "covariates": ["age", "size", "before"],
                   "assignment": None, "sampling": None},
        "outcomes": [{"name": "sales", "column": "after", "label": "Sales", "unit": "USD", "role": "primary",
                      "better": "higher", "baseline": "before"}],
        "subgroups": [],
        "analysis": {"primary": {"method": "matched_did", "options": options},
                     "robustness": [{"method": "nearest_neighbour", "options": {"replace": True}},
                                    {"method": "nearest_neighbour", "options": {"replace": True, "neighbours": 3}}],
                     "conf_level": 0.95, "seed": 1},
        "brief": {"date": "2026-11-21", "language": "en", "title": None, "series": None, "implications": [],
                  "challenge": None, "what_was_done": None, "authors": [], "contact": None}}


@pytest.mark.parametrize(("gap", "word"), [(-1.0, "disagree"), (0.0, "agree")])
def test_a_study_shows_all_three_and_its_brief_none_alone(gap, word):
    evaluation = impact.evaluate(study_from_mapping(keys(), slug="firms"), firms(gap=gap))
    roles = {e.id: e.role for e in evaluation.estimates}
    assert roles == {"sales/matched_did": "primary", "sales/plain_did": "robustness", "sales/lagged_matching": "robustness",
                     "sales/nearest_neighbour": "robustness", "sales/nearest_neighbour/2": "robustness"}
    assert evaluation.headline.estimate == close(matched_did(firms(gap=gap), **CALL).headline.estimate)
    found = {c.id: c for c in evaluation.checks}
    assert found["comparisons_agree"].word == word
    assert "before" not in dict(found["balance"].details)  # differences are taken of it
    # hidden causes are weighed on a regression of the changes, by hand: least squares on taking part, age and size
    data = firms(gap=gap)
    x = np.column_stack([np.ones(len(data)), data[["took", "age", "size"]]])
    slope = np.linalg.lstsq(x, data["after"] - data["before"], rcond=None)[0][1]
    assert f"same traits ({slope:.3g};".replace("-", "−") in found["oster:sales"].reason
    assert "change in after" in found["oster:sales"].reason
    told = present(compose(evaluation), LADDER[0])
    assert ("the comparisons disagree, no one number can be told" in told["title"]) == (word == "disagree")
    names = [row["name"] for row in told["methods"]["rows"]]
    resting = ("if alike units change alike", "if both groups change alike", "if alike before means alike after")
    assert all(any(what in name for name in names) for what in resting)  # each with what it assumes
    assert len(compose(evaluation).methods) == 5


def test_a_study_file_that_asks_for_what_there_is_not():
    broken = keys(match_on="luck")
    with pytest.raises(StudyError, match="not one of traits, trends, baseline_outcome"):
        study_from_mapping(broken, slug="firms")
    bare = keys()
    bare["outcomes"][0]["baseline"] = None
    with pytest.raises(DesignError, match="no outcome before is named"):
        impact.evaluate(study_from_mapping(bare, slug="firms"), firms())
    trends = keys(match_on="trends", earlier=["first", "third"])
    with pytest.raises(DataError, match="no column 'third'"):
        impact.evaluate(study_from_mapping(trends, slug="firms"), firms())


# ---- what each is right about, by simulation


def drawn(draws: int, **world) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of the three rows and of the trap, and which pairs disagree, in worlds without an effect."""
    numbers, wrong = [], []
    for seed in range(draws):
        data = firms(seed=1000 + seed, n=300, **world)
        rows = matched_did(data, **CALL)
        trap = matched_did(data, **CALL, match_on="baseline_outcome")[0]
        numbers.append([*(e.estimate for e in rows), trap.estimate])
        wrong.append([g[6] for g in dict(rows.headline.details)["gaps"]])
    return np.array(numbers), np.array(wrong)


@pytest.mark.slow
def test_regression_to_the_mean_is_shown_as_an_effect_by_what_matches_on_the_past():
    numbers, wrong = drawn(300, gap=-1.0)
    mean, error = numbers.mean(axis=0), numbers.std(axis=0) / np.sqrt(len(numbers))
    assert abs(mean[0]) < 3 * error[0]  # matched on stable traits
    assert abs(mean[1]) < 3 * error[1]  # plain
    # (1 − ρ) times the gap, ρ = ½ given age: −0.5; pairs are not exact, so that a part is made of what matching leaves
    assert mean[2] < -0.4
    assert mean[3] < -0.2
    assert wrong[:, 2].mean() > 0.5


@pytest.mark.slow
def test_plain_differences_are_what_errs_where_the_outcome_before_made_firms_enter():
    numbers, wrong = drawn(300, gap=0.0, dip=-0.5)
    mean = numbers.mean(axis=0)
    assert min(mean[0], mean[1]) > 0.7  # the bad year passes and is taken for an effect
    assert abs(mean[2]) < 0.25  # sets are near, not exact: at the edge of the overlap the outcome before stays apart
    assert wrong[:, 2].mean() > 0.5


@pytest.mark.slow
def test_where_all_are_right_they_seldom_disagree():
    _, wrong = drawn(400, gap=0.0)
    assert (wrong.mean(axis=0) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)).all()


def test_a_negative_control_is_no_change_since_another_outcomes_baseline():
    data = firms().assign(rent=lambda t: 5.0 + t["size"])
    with pytest.raises(DesignError, match="changes since 'before', which is no earlier wave"):
        impact.checks.negative_control(matched_did, data, outcomes=["rent"],
                                       **{key: value for key, value in CALL.items() if key != "outcome"})
    tree = keys()
    tree["analysis"] |= {"sensitivity": {"negative_controls": ["rent"]}}
    made = impact.evaluate(study_from_mapping(tree, slug="firms"), data)
    found = {c.id: c for c in made.checks}["negative_control:sales"]
    assert (found.verdict, found.word) == ("not_applicable", "not examined")
    assert "changes since 'before'" in found.reason
    assert impact.checks.negative_control(full_matching, data, outcomes=["rent"], treatment="took",
                                          covariates=["age"]).estimates.headline.outcome == "rent"

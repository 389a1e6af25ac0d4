"""Small-firm outcomes: every step worked by hand, blind to arm, and unmoved by the currency."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from support_studies import PROFIT, declare, panel

from impact import rct
from impact.data import load_sample
from impact.errors import DataError, DesignError, StudyError
from impact.evaluation import evaluate
from impact.indicators import (
    cleaning_caveats,
    construct,
    construct_outcomes,
    money_outcomes,
    programme_total,
    read_deflator,
    states_of,
    survival,
    unit_dependent_effects,
)
from impact.indicators import pack as pack_module
from impact.results.cleaning import Cleaning, CutOff
from impact.results.reading import _fit, _hints
from impact.results.record import plain
from impact.study import Study, read_study, study_from_mapping
from impact.study.types import Prices, build

STATUS = {"column": "status", "codes": {"operating": [1], "closed_verified": [2], "closed_season": [3], "moved": [4],
                                        "merged": [5], "not_found": ["9", 99]}}
FLOW = {"kind": "flow", "money": True, "winsorise": None}
WAGE = {"name": "wage", "column": "wage", "label": "Monthly wage", "unit": "USD a month", "role": "secondary",
        "better": "higher"}


def study_of(*outcomes: dict[str, Any], status: dict[str, Any] | None = STATUS, prices: dict[str, Any] | None = None,
             kind: str = "rct", **more: Any) -> Study:
    """A study whose outcomes have constructions."""
    tree = copy.deepcopy(dict(declare(kind, **more).declared)) | {"outcomes": copy.deepcopy(list(outcomes))}
    tree |= ({"firm_status": status} if status else {}) | ({"prices": prices} if prices else {})
    return study_from_mapping(tree, slug="toy")


def complaints(*outcomes: dict[str, Any], **more: Any) -> str:
    with pytest.raises(StudyError) as caught:
        study_of(*outcomes, **more)
    return str(caught.value)


def refusals(study: Study, data: pd.DataFrame, **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        construct_outcomes(study, data, **more)
    assert all(p.where and p.what and p.cure for p in caught.value.problems)
    return str(caught.value)


def firms() -> pd.DataFrame:
    """Eight firms, one of each status; amounts cover three months."""
    return pd.DataFrame({
        "firm": [f"F{i}" for i in range(1, 9)], "offered": [1, 0, 1, 0, 1, 0, 1, 0],
        "status": [1, 1, 2, 2, 3, 4, 5, 9],
        "profit": [300.0, np.nan, np.nan, 60.0, 0.0, 90.0, 900.0, np.nan],
        "wage": [30.0, 20.0, np.nan, 10.0, 12.0, 15.0, 50.0, np.nan]})


def steps(cleaning: tuple[Cleaning, ...], outcome: str = "profit") -> dict[str, Cleaning]:
    return {step.code or step.step: step for step in cleaning if step.outcome == outcome}


# ---- what became of a firm


def test_a_flow_by_hand_status_by_status():
    study = study_of(PROFIT | {"construction": FLOW | {"recall": {"months": 3}}})
    data = firms()
    built = construct_outcomes(study, data)
    assert built.frame["_profit"].tolist()[:1] == [100.0]
    expected = [100.0, np.nan, 0.0, 0.0, 0.0, 30.0, np.nan, np.nan]
    np.testing.assert_array_equal(built.frame["_profit"], expected)
    np.testing.assert_array_equal(built.frame["profit"], data["profit"])  # the raw column is kept
    assert built.study.outcomes[0].column == "_profit"
    assert study.outcomes[0].column == "profit"
    found = steps(built.cleaning)
    closed = found["closed_verified"]
    assert (closed.rows, closed.n_rows, closed.n_changed) == ((3, 4), 2, 2)
    assert "1 had reported another amount" in closed.rule
    assert (closed.total_before, closed.total_after) == (1350.0, 1290.0)  # 300+60+0+90+900, then without the 60
    assert (found["merged"].rows, found["merged"].total_after) == ((7,), 390.0)
    assert (found["closed_season"].rows, found["closed_season"].n_changed) == ((5,), 0)
    assert (found["moved"].rows, found["not_found"].rows, found["no_answer"].rows) == ((6,), (8,), (2,))
    recall = found["recall"]
    assert (recall.n_rows, recall.rows, recall.total_before, recall.total_after) == (5 + 0, (), 390.0, 130.0)
    assert [s.step for s in built.cleaning] == ["status"] * 6 + ["recall"]


def test_a_rate_exists_in_firms_at_work_only():
    study = study_of(PROFIT | {"construction": None}, WAGE | {"construction": {"kind": "rate"}})
    built = construct_outcomes(study, firms())
    np.testing.assert_array_equal(built.frame["_wage"], [30, 20, np.nan, np.nan, 12, 15, np.nan, np.nan])
    assert steps(built.cleaning, "wage")["closed_verified"].total_after is None  # a rate has no total
    assert built.study.outcomes[0].column == "profit"
    caveats = {c.code: c for c in cleaning_caveats(built.cleaning, built.study.outcomes[1])}
    assert set(caveats) == {"not_found", "survivors_only", "merged_left_out"}
    assert caveats["survivors_only"].values == (("rows", 2),)
    assert cleaning_caveats(built.cleaning, built.study.outcomes[0]) == ()


def test_a_total_such_as_fte_is_zero_when_closed():
    jobs = WAGE | {"name": "fte", "column": "wage", "label": "Jobs", "unit": "FTE", "construction": {"kind": "total"}}
    built = construct_outcomes(study_of(PROFIT | {"construction": FLOW}, jobs), firms())
    np.testing.assert_array_equal(built.frame["_fte"], [30, 20, 0, 0, 12, 15, np.nan, np.nan])
    assert {c.code for c in cleaning_caveats(built.cleaning, built.study.outcomes[1])} == {
        "closed_as_zero", "not_found", "merged_left_out"}


def test_in_business_by_hand():
    study = study_of(PROFIT | {"construction": FLOW})
    data = firms()
    built = construct_outcomes(study, data)
    np.testing.assert_array_equal(built.frame["_in_business"], [1, 1, 0, 0, 1, 1, 1, np.nan])
    data.loc[5, "profit"] = np.nan  # moved, and no answer to any made outcome: not followed
    built = construct_outcomes(study, data)
    assert np.isnan(built.frame.loc[5, "_in_business"])
    assert steps(built.cleaning)["not_found"].rows == (6, 8)


def test_status_in_words_numbers_and_as_floats():
    status = build(type(study_of(PROFIT | {"construction": FLOW}).firm_status), {
        "column": "status", "codes": {"operating": ["open", 1], "closed_verified": [2]}})
    data = pd.DataFrame({"status": ["open ", "1", 1.0, 2, None, "shut"]})
    assert states_of(data, status).tolist() == ["operating", "operating", "operating", "closed_verified", "", ""]
    np.testing.assert_array_equal(survival(states_of(data, status), np.zeros(6, dtype=bool)), [1, 1, 1, 0, np.nan, np.nan])


def test_without_status_nothing_is_guessed():
    built = construct_outcomes(study_of(PROFIT | {"construction": FLOW}, status=None), firms())
    np.testing.assert_array_equal(built.frame["_profit"], firms()["profit"])
    assert "_in_business" not in built.frame
    found = cleaning_caveats(built.cleaning, built.study.outcomes[0], status_declared=False)
    assert [c.code for c in found] == ["status_not_declared"]


def test_status_problems_come_with_rows_and_all_at_once():
    data = firms().assign(profit=lambda d: d["profit"].fillna(1.0))
    data["status"] = [1, None, 2, 7, 8, 4, 5, 9]
    text = refusals(study_of(PROFIT | {"construction": FLOW}), data)
    assert "rows have no status (row 2)" in text
    assert "2 value(s) stand in no list of codes (7, 8): rows 4, 5" in text
    assert "1 rows of firms not found have a value (row 8)" in text


def test_a_column_of_names_is_not_told():
    data = pd.concat([firms()] * 3, ignore_index=True)
    data["status"] = [f"Owner {i}" for i in range(24)]
    text = refusals(study_of(PROFIT | {"construction": FLOW}), data.assign(profit=1.0))
    assert "Owner" not in text
    assert "24 value(s) stand in no list" in text


def test_a_panel_may_not_forget_closed_firms():
    study = study_of(PROFIT | {"construction": FLOW}, kind="did")
    data = panel(units=4, periods=3).assign(status=1)
    last = (data["firm"] == "F001") & (data["year"] == 2003)
    data.loc[(data["firm"] == "F001") & (data["year"] == 2002), "status"] = 2
    text = refusals(study, data[~last].reset_index(drop=True))
    assert "1 firms are closed in their last row and have no later row (row 5)" in text
    data.loc[last, "status"] = 2
    assert construct_outcomes(study, data).frame.loc[last, "_profit"].tolist() == [0.0]


# ---- recall


@pytest.mark.parametrize(("recall", "factor"), [({"months": 3}, 1 / 3), ({"days": 7}, 365.25 / 84), ({"months": 0.5}, 2.0)])
def test_recall_is_brought_to_one_month(recall, factor):
    data = pd.DataFrame({"profit": [0.0, 12.0, -6.0, np.nan]})
    study = study_of(PROFIT | {"construction": FLOW | {"recall": recall}}, status=None)
    built = construct(data, study.outcomes[0])
    np.testing.assert_allclose(built.columns["_profit"], [0.0, 12 * factor, -6 * factor, np.nan], rtol=1e-15)


def test_recall_by_firm_and_its_bad_rows():
    study = study_of(PROFIT | {"construction": FLOW | {"recall": {"column": "months"}}}, status=None)
    data = pd.DataFrame({"profit": [12.0, 12.0, 0.0, np.nan], "months": [3.0, 1.0, np.nan, np.nan]})
    np.testing.assert_array_equal(construct(data, study.outcomes[0]).columns["_profit"], [4.0, 12.0, 0.0, np.nan])
    text = refusals(study, data.assign(months=[0.0, np.nan, 1.0, 1.0]))
    assert "outcomes[0].construction.recall: 2 amounts have no recall period above zero (rows 1, 2)" in text


# ---- prices

INDEX = pd.DataFrame([{"town": town, "month": f"{year}-{month:02d}", "cpi": level + step * (12 * (year - 2023) + month - 1)}
                      for town, level, step in (("A", 100.0, 0.0), ("B", 100.0, 1.0)) for year in (2023, 2024)
                      for month in range(1, 13)])
PRICES = {"file": "prices.csv", "place": "town", "date": "asked", "index": "cpi", "year": 2023}
REAL = FLOW | {"deflate": True}


def dated(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"town": ["A", "B", "B", "B"], "asked": ["2024-03-15", "2023-01-02", "2024-07", None],
                         "profit": [100.0, 100.0, 118.0, 0.0]} | columns)


def test_prices_by_hand():
    study = study_of(PROFIT | {"construction": REAL}, status=None, prices=PRICES)
    built = construct_outcomes(study, dated(), prices=INDEX, prices_sha256="abcdef0123456789")
    # A never moves. B: 2023 is 100 … 111, mean 105.5; January 2023 is 100, July 2024 is 118; a zero needs no date.
    np.testing.assert_allclose(built.frame["_profit"], [100.0, 105.5, 105.5, 0.0], rtol=1e-15)
    step = steps(built.cleaning)["deflate"]
    assert (step.n_rows, step.n_changed, step.total_before, step.total_after) == (3, 2, 318.0, 311.0)
    assert "mean prices of 2023" in step.rule
    assert "sha256 abcdef012345" in step.rule


def test_one_index_for_all_and_dates_of_any_type():
    one = {key: value for key, value in PRICES.items() if key != "place"}
    study = study_of(PROFIT | {"construction": REAL}, status=None, prices=one)
    national = INDEX[INDEX["town"] == "B"].drop(columns="town")
    data = dated(asked=pd.to_datetime(["2024-07-01", "2024-07-31", "2024-07-15", None]))
    built = construct_outcomes(study, data, prices=national)
    np.testing.assert_allclose(built.frame["_profit"], np.array([100, 100, 118, 0]) * 105.5 / 118)


def test_missing_places_months_and_dates_name_their_rows():
    study = study_of(PROFIT | {"construction": REAL}, status=None, prices=PRICES)
    data = dated(town=["A", "C", None, "B"], asked=["15/03/2024", "2023-01-02", "2023-01-02", "2030-01-01"],
                 profit=[1.0, 1.0, 1.0, 1.0])
    text = refusals(study, data, prices=INDEX)
    assert "column 'asked' has no date that can be read for 1 amounts (row 1)" in text
    assert "prices.csv lacks B 2030-01, C 2023-01, a missing place 2023-01: 3 amounts cannot be deflated (rows 2, 3" in text
    incomplete = INDEX[~((INDEX["town"] == "B") & (INDEX["month"] == "2023-05"))]
    assert "lacks B the 12 months of 2023" in refusals(study, dated(), prices=incomplete)


@pytest.mark.parametrize(("change", "said"), [
    (lambda t: t.drop(columns="cpi"), "prices.index: the data have no column 'cpi'"),
    (lambda t: t.assign(cpi=t["cpi"].where(t.index != 4, 0.0)), "1 rows have no index above zero (row 5)"),
    (lambda t: t.assign(cpi="x"), "it holds text"),
    (lambda t: t.assign(month=t["month"].where(t.index != 2, "March")), "1 rows have no readable month (row 3)"),
    (lambda t: pd.concat([t, t.iloc[:1]], ignore_index=True), "1 rows repeat a place and month (row 49)"),
])
def test_price_tables_that_cannot_serve(change, said):
    declared = Prices(**PRICES)
    with pytest.raises(DataError) as caught:
        read_deflator(change(INDEX), declared)
    assert said in str(caught.value)


def test_what_is_wrong_with_the_price_file_is_told_of_the_price_file():
    study = study_of(PROFIT | {"construction": REAL}, status=None, prices=PRICES)
    text = refusals(study, dated(), prices=INDEX.rename(columns={"town": "place"}))
    assert "prices.csv, prices.place: the data have no column 'town'" in text
    assert refusals(study, dated(), prices=INDEX.assign(cpi="x")).count("prices.csv") == 1


def test_the_price_file_is_read_beside_the_study(tmp_path):
    study = study_of(PROFIT | {"construction": REAL}, status=None, prices=PRICES)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(plain(study.declared)))))
    data = pd.concat([dated()] * 3, ignore_index=True)
    data = data.assign(firm=[f"F{i}" for i in range(12)], offered=[0, 1] * 6, asked="2024-07-09", profit=np.arange(12.0))
    data.to_csv(tmp_path / "firms.csv", index=False)
    with pytest.raises(DataError, match=r"prices\.csv: the file does not exist"):
        load_sample(read_study(tmp_path))
    INDEX.to_csv(tmp_path / "prices.csv", index=False)
    sample = load_sample(read_study(tmp_path))
    assert sample.frame["_profit"].iloc[1] == pytest.approx(105.5 / 118)
    assert sample.cleaning[0].step == "deflate"
    assert "sha256" in sample.cleaning[0].rule
    with pytest.raises(DataError, match=r"prices\.file: the folder of this study is not known"):
        load_sample(replace(study, folder=None), data)


# ---- cut-offs


def test_cut_offs_by_hand_per_round_and_over_both_arms():
    rules = FLOW | {"winsorise": {"upper": 0.75, "lower": 0.25}}
    study = study_of(PROFIT | {"construction": rules}, kind="did")
    data = pd.DataFrame({"firm": list("abcde") * 2, "year": [1.0] * 5 + [2.0] * 5, "status": 1, "grant": 0,
                         "profit": [1.0, 2, 3, 4, 100, 10, 20, 30, 40, np.nan]})
    built = construct_outcomes(study, data)
    # Round 1: quartiles of 1 2 3 4 100 are 2 and 4. Round 2: of 10 20 30 40 they are 17.5 and 32.5.
    np.testing.assert_array_equal(built.frame["_profit_winsorised"], [2, 2, 3, 4, 4, 17.5, 20, 30, 32.5, np.nan])
    np.testing.assert_array_equal(built.frame["_profit"], data["profit"])
    step = steps(built.cleaning)["winsorise"]
    assert step.cut_offs == (CutOff(round="1", n=5, lower=2.0, upper=4.0), CutOff(round="2", n=4, lower=17.5, upper=32.5))
    assert (step.column, step.rows, step.n_changed) == ("_profit_winsorised", (1, 5, 6, 9), 4)
    assert (step.total_before, step.total_after) == (210.0, 115.0)


def test_zeros_of_closed_firms_belong_to_the_distribution():
    study = study_of(PROFIT | {"construction": FLOW | {"winsorise": {"upper": 0.5}}})
    data = pd.DataFrame({"status": [2, 2, 1, 1, 1], "profit": [np.nan, np.nan, 4.0, 6.0, 8.0], "offered": 0})
    built = construct_outcomes(study, data)
    np.testing.assert_array_equal(built.frame["_profit_winsorised"], [0, 0, 4, 4, 4])


# ---- blind to arm


def everything() -> tuple[Study, pd.DataFrame]:
    """Two hundred firms with every rule declared, of which some close, vanish, merge and move."""
    rng = np.random.default_rng(11)
    n = 200
    status = rng.choice([1, 2, 3, 4, 5, 9], n, p=[0.7, 0.12, 0.05, 0.04, 0.02, 0.07])
    offered = np.arange(n) % 2
    base = np.exp(rng.normal(5, 1, n))
    profit = np.where(rng.random(n) < 0.1, 0.0, base * np.exp(rng.normal(0.2 * offered, 0.5, n)))
    hidden = np.isin(status, (2, 9))
    data = pd.DataFrame({
        "firm": [f"F{i:03d}" for i in range(n)], "offered": offered, "status": status, "town": rng.choice(["A", "B"], n),
        "asked": rng.choice(["2024-03-15", "2024-11-02"], n), "asked_0": "2023-02-01", "profit_0": base.round(6),
        "profit": np.where(hidden, np.nan, profit).round(6),
        "wage": np.where(hidden, np.nan, rng.normal(300, 30, n)).round(6)})
    rules = REAL | {"recall": {"days": 7}, "winsorise": {"upper": 0.99}, "baseline": {"recall": {"months": 1},
                                                                                      "date": "asked_0"}}
    study = study_of(PROFIT | {"baseline": "profit_0", "construction": rules},
                     WAGE | {"construction": {"kind": "rate", "money": True, "winsorise": {"upper": 0.95}}},
                     prices=PRICES, method="ancova")
    return study, data


def test_one_row_and_a_made_baseline_are_told_in_words():
    rows = firms().assign(firm=lambda t: t["firm"], profit_0=np.arange(8.0) + 10)
    study = study_of(PROFIT | {"baseline": "profit_0", "construction": FLOW}, method="ols")
    found = cleaning_caveats(construct_outcomes(study, rows).cleaning, study.outcomes[0])
    assert [c.text.partition(":")[0] for c in found if c.code == "not_found"] == ["1 row is of a firm not found"]
    assert [c.text.partition(" of firms")[0] for c in found if c.code == "closed_as_zero"] == ["2 rows are"]
    balance = next(c for c in evaluate(study, rows).checks if c.id == "balance")
    assert "Profit before" in balance.reason
    assert "_profit" not in balance.reason


def test_permuting_the_arms_changes_nothing():
    study, data = everything()
    rng = np.random.default_rng(5)
    first = construct_outcomes(study, data, prices=INDEX)
    for _ in range(3):
        again = construct_outcomes(study, data.assign(offered=rng.permutation(data["offered"])), prices=INDEX)
        assert again.cleaning == first.cleaning
        pd.testing.assert_frame_equal(again.frame.drop(columns="offered"), first.frame.drop(columns="offered"))


@pytest.mark.parametrize("kind", ["rct", "did"])
def test_no_step_is_given_the_arm(monkeypatch, kind):
    seen = []

    def spy(frame, *rest, **more):
        seen.append(set(frame.columns))
        return construct(frame, *rest, **more)

    monkeypatch.setattr(pack_module, "construct", spy)
    study, data = everything()
    if kind == "did":
        study = study_of(PROFIT | {"construction": FLOW}, kind="did")
        data = panel().assign(status=1)
    construct_outcomes(study, data, prices=INDEX)
    assert seen
    assert not any({"offered", "grant"} & columns for columns in seen)


def test_rows_in_another_order_give_the_same_columns():
    study, data = everything()
    first = construct_outcomes(study, data, prices=INDEX).frame.set_index("firm")
    order = np.random.default_rng(3).permutation(len(data))
    again = construct_outcomes(study, data.iloc[order].reset_index(drop=True), prices=INDEX).frame.set_index("firm")
    pd.testing.assert_frame_equal(again.loc[first.index], first, rtol=1e-12)


# ---- the currency


def numbers(study: Study, data: pd.DataFrame) -> dict[str, Any]:
    """The per cent of each line of the blocks, and the effect itself for shares."""
    built = construct_outcomes(study, data, prices=INDEX)
    out: dict[str, Any] = {}
    for line in money_outcomes(built.study, built.frame):
        assert line.call is not None
        column, baseline = line.outcome.column, line.outcome.baseline
        if line.call.method == "lee_bounds":
            rows = rct.lee_bounds(built.frame, outcome=column, treatment="offered", draws=99, seed=1)
            base = built.frame.loc[built.frame["offered"] == 0, column].mean()
            out["wage/bounds"] = [row.estimate / base for row in rows]
            continue
        extra: dict[str, Any] = {"baseline": baseline} if line.call.method == "ancova" else {}
        extra |= {key: list(value) for key, value in line.call.options}
        method = getattr(__import__(f"impact.rct.{'ratio' if line.call.method == 'ratio_effect' else 'regression'}",
                                    fromlist=["x"]), line.call.method)
        found = method(built.frame, outcome=column, treatment="offered", **extra)
        share = line.measure in ("survival", "any_positive")
        out[line.outcome.name] = [found.estimate, found.conf_low, found.p_value] if share else [
            found.effect_pct.value, found.effect_pct.low, found.effect_pct.high, found.p_value]
    return out


@pytest.mark.parametrize("rate", [130.0, 1 / 655.957])
def test_another_currency_moves_no_per_cent(rate):
    study, data = everything()
    money = ["profit", "profit_0", "wage"]
    first, again = numbers(study, data), numbers(study, data.assign(**{name: data[name] * rate for name in money}))
    assert list(first) == ["in_business", "profit_any_positive", "profit", "profit_winsorised", "profit_ratio", "wage",
                           "wage_winsorised", "wage/bounds"]
    for name, values in first.items():
        assert again[name] == pytest.approx(values, rel=1e-8), name


# ---- what is shown of money


def test_the_blocks_and_their_methods():
    study, data = everything()
    built = construct_outcomes(study, data, prices=INDEX)
    lines = money_outcomes(built.study, built.frame)
    assert [(x.parent, x.measure, x.outcome.column, x.call.method, x.is_main) for x in lines] == [
        ("", "survival", "_in_business", "ols", False),
        ("profit", "any_positive", "_profit_any_positive", "ols", False),  # baselines are all above zero
        ("profit", "level", "_profit", "ancova", True),
        ("profit", "winsorised", "_profit_winsorised", "ancova", False),
        ("profit", "ratio", "_profit", "ratio_effect", False),
        ("wage", "level", "_wage", "ols", True), ("wage", "winsorised", "_wage_winsorised", "ols", False),
        ("wage", "bounds", "_wage", "lee_bounds", False)]
    assert lines[4].call.options == (("covariates", ("_profit_baseline",)),)
    assert lines[3].outcome.baseline == "_profit_baseline_winsorised"
    assert dict(lines[1].outcome.label)["en"] == "Profit above zero"
    np.testing.assert_array_equal(built.frame["_profit_any_positive"].dropna(), built.frame["_profit"].dropna() > 0)


def test_a_line_without_variation_has_a_reason_and_no_method():
    study = study_of(PROFIT | {"construction": FLOW}, method="poisson")
    data = firms().assign(status=1, profit=np.arange(1.0, 9.0))
    built = construct_outcomes(study, data)
    lines = {x.measure: x for x in money_outcomes(built.study, built.frame)}
    assert (lines["survival"].call, lines["survival"].reason) == (None, "it is the same for all firms")
    assert lines["any_positive"].call is None
    assert lines["level"].call.method == "poisson"
    assert "winsorised" not in lines


def test_shares_of_a_poisson_study_and_lines_of_a_panel():
    study = study_of(PROFIT | {"construction": FLOW}, method="poisson")
    built = construct_outcomes(study, firms())
    assert {x.measure: x.call.method for x in money_outcomes(built.study, built.frame)} == {
        "survival": "ols", "any_positive": "ols", "level": "poisson", "ratio": "ratio_effect"}
    study = study_of(PROFIT | {"construction": FLOW}, kind="did")
    built = construct_outcomes(study, panel().assign(status=1))
    last = money_outcomes(built.study, built.frame)[-1]
    assert (last.measure, last.call) == ("ratio", None)
    assert "per cent of what would have been" in last.reason


def test_a_log_outcome_shows_its_level_beside():
    study = study_of(PROFIT | {"transform": "log", "construction": FLOW})
    built = construct_outcomes(study, firms())
    level = next(x for x in money_outcomes(built.study, built.frame) if x.measure == "level")
    assert (level.is_main, level.outcome.name, level.outcome.transform) == (False, "profit_level", None)


# ---- totals


def test_totals_by_hand():
    study = study_of(PROFIT | {"construction": FLOW | {"recall": {"months": 3}, "winsorise": {"upper": 0.5}}},
                     WAGE | {"construction": {"kind": "rate", "money": True, "winsorise": None}})
    built = construct_outcomes(study, firms().assign(stands_for=2.0))
    profit, wage = built.study.outcomes
    total = programme_total(built.frame, outcome=profit)
    assert (total.total, total.n, total.unit) == (130.0, 5, "USD a month")  # 100 + 0 + 0 + 0 + 30
    assert total.dropped[0].rows == (2, 7, 8)
    offered = programme_total(built.frame, outcome=profit, among=built.frame["offered"] == 1, weights="stands_for")
    assert (offered.total, offered.n, offered.dropped[0].rows) == (200.0, 3, (7,))
    for outcome, said in ((replace(profit, column="_profit_winsorised"), "never summed"), (wage, "a rate has no total"),
                          (replace(profit, column="profit"), "made by its construction")):
        with pytest.raises(DesignError, match=said):
            programme_total(built.frame, outcome=outcome)
    lines = {x.measure: x.outcome for x in money_outcomes(built.study, built.frame)}
    with pytest.raises(DesignError, match="never summed"):
        programme_total(built.frame, outcome=lines["winsorised"])
    with pytest.raises(ValueError, match="one value a row"):
        programme_total(built.frame, outcome=profit, among=[True])


# ---- log(1 + y) and asinh


def test_two_units_by_hand():
    # Two of four comparison firms at zero, one of four offered firms: asinh moves with the unit.
    data = pd.DataFrame({"d": [0] * 4 + [1] * 4, "y": [0.0, 0.0, 50.0, 100.0, 0.0, 60.0, 50.0, 100.0]})
    found = unit_dependent_effects(data, outcome="y", treatment="d", estimate=rct.difference_in_means)
    by_hand = [np.arcsinh(60 / u) / 4 for u in (1, 1000)]  # the arms differ by one firm: 60 instead of 0
    assert [row.estimate for row in found] == pytest.approx(by_hand, rel=1e-12)
    assert found[0].estimate > 50 * found[1].estimate
    assert [row.id for row in found] == ["y/asinh/1", "y/asinh/1000"]
    for row in found:
        assert row.role == "unit_dependent"
        assert row.has_caveat("unit_dependent")
        assert row.effect_pct is None
        assert dict(row.reasons)["effect_pct"]
        assert "1.2 in units of 1; 0.015 in units of 1,000" in row.caveats[-1].text
        assert dict(row.details)["wrongly_read_as_per_cent"] == pytest.approx(100 * np.expm1(row.estimate))
    with pytest.raises(DesignError, match="no headline"):
        _ = found.headline
    logs = unit_dependent_effects(data, outcome="y", treatment="d", estimate=rct.ols, function="log1p", units=(1, 130))
    assert [row.estimate for row in logs] == pytest.approx([np.log1p(60) / 4, np.log1p(60 / 130) / 4], rel=1e-12)


def test_what_the_two_units_refuse():
    data = pd.DataFrame({"d": [0, 1, 0, 1], "y": [1.0, -2.0, 3.0, -4.0]})
    with pytest.raises(DataError, match=r"2 values are negative \(rows 2, 4\)"):
        unit_dependent_effects(data, outcome="y", treatment="d", estimate=rct.ols, function="log1p")
    with pytest.raises(DataError, match="no column 'z'"):
        unit_dependent_effects(data, outcome="z", treatment="d", estimate=rct.ols)
    with pytest.raises(ValueError, match="function must be one of"):
        unit_dependent_effects(data, outcome="y", treatment="d", estimate=rct.ols, function="log")
    for units in ((1,), (1, 1), (1, 0), (1, float("inf"))):
        with pytest.raises(ValueError, match="units must be"):
            unit_dependent_effects(data, outcome="y", treatment="d", estimate=rct.ols, units=units)


@pytest.mark.parametrize("transform", ["asinh", "log1p", "log(1 + y)", "IHS"])
def test_a_headline_in_asinh_is_refused_with_the_reason(transform):
    text = complaints(PROFIT | {"transform": transform}, status=None)
    assert "depends on the currency" in text
    assert "Chen & Roth 2024" in text
    assert "poisson" in text
    assert "1 problem\n" in text


# ---- the study file


@pytest.mark.parametrize(("rules", "more", "said"), [
    ({"kind": "flow", "money": True}, {}, "'winsorise' is missing: cut-offs are named before results"),
    ({"kind": "total", "recall": {"months": 3}}, {}, "a total is counted at the interview"),
    ({"kind": "flow", "recall": {"months": 3, "days": 7}}, {}, "say one of months, days or column"),
    ({"kind": "flow", "recall": {}}, {}, "say one of months, days or column"),
    ({"kind": "flow", "winsorise": {}}, {}, "no cut-off is named"),
    ({"kind": "flow", "winsorise": {"upper": 0.4}}, {}, "'0.4' is not at least 0.5"),
    ({"kind": "flow", "deflate": True}, {}, "only money is deflated"),
    (REAL, {}, "there are no prices to deflate with"),
    (FLOW, {"prices": PRICES}, "prices are declared, and no outcome is deflated"),
    ({"kind": "stock"}, {}, "'stock' is not one of flow, total, rate"),
    ({"kind": "flow", "baseline": {"date": "x"}}, {}, "the outcome has no baseline"),
    ({"kind": "flow", "recall": {"column": "offered"}}, {}, "'offered' tells who was treated: cleaning is blind to it"),
    ({"kind": "flow"}, {"status": STATUS | {"column": "offered"}}, "firm_status.column: 'offered' tells who was treated"),
    ({"kind": "flow"}, {"status": {"column": "s", "codes": {"operating": [1, 2], "not_found": [2.0]}}},
     "'2.0' is listed twice: under operating and under not_found"),
    ({"kind": "flow"}, {"status": {"column": "s", "codes": {"operating": []}}}, "the list has 0 entries"),
    ({"kind": "flow"}, {"status": {"column": "s", "codes": {"open": [1]}}}, "unknown key 'open'"),
    (REAL, {"prices": PRICES | {"file": "../prices.csv"}}, "prices.file: '../prices.csv' leaves the study's folder"),
    (REAL, {"prices": PRICES | {"file": "prices.txt"}}, "prices.file: 'prices.txt' is not a file type"),
    (REAL, {"prices": PRICES | {"year": "2023"}}, "a whole number is expected"),
])
def test_declarations_that_disagree(rules, more, said):
    assert said in complaints(PROFIT | {"construction": rules}, **more)


def test_an_outcome_must_say_what_it_is_in_a_closed_firm():
    assert "'construction' is missing: firm_status is declared" in complaints(PROFIT)
    assert study_of(PROFIT | {"construction": None}).outcomes[0].construction is None


def test_a_baseline_must_come_to_the_same_unit():
    outcome = PROFIT | {"baseline": "profit_0"}
    text = complaints(outcome | {"construction": REAL | {"recall": {"column": "m"}}}, prices=PRICES)
    assert "the baseline's recall period is not stated" in text
    assert "the baseline's interview date is not stated" in text


def test_the_declaration_survives_its_record():
    study, _ = everything()
    again = study_from_mapping(json.loads(json.dumps(plain(study.declared))), slug=study.slug)
    assert again == study
    assert again.firm_status.meanings()["99"] == "not_found"
    assert again.outcomes[0].construction.winsorise.upper == 0.99


# ---- the sample


def test_a_sample_names_the_made_columns_and_keeps_the_declared_study():
    study, data = everything()
    study = study_of(PROFIT | {"baseline": "profit_0", "construction": FLOW | {"recall": {"months": 3}}},
                     covariates=["profit_0"])
    sample = load_sample(study, data)
    assert (sample.study.outcomes[0].column, sample.study.outcomes[0].baseline) == ("_profit", "_profit_baseline")
    assert sample.study.design.covariates == ("_profit_baseline",)
    assert sample.study.declared == study.declared
    np.testing.assert_allclose(sample.frame["_profit_baseline"], data["profit_0"] / 3)
    assert sample.cleaning
    assert load_sample(declare("rct"), data).cleaning == ()


def test_data_problems_of_the_pack_come_with_all_others():
    study = study_of(PROFIT | {"construction": FLOW | {"recall": {"column": "monts"}}}, covariates=["aeg"])
    _, data = everything()
    with pytest.raises(DataError) as caught:
        load_sample(study, data.assign(status=data["status"].replace(2, 7), months=1))
    assert [p.where for p in caught.value.problems] == [
        "design.covariates[0]", "outcomes[0].construction.recall.column", "firm_status.column, column 'status'"]
    assert "Did you mean 'months'?" in str(caught.value)


def test_values_are_examined_once_they_are_made():
    study = study_of(PROFIT | {"transform": "log", "construction": FLOW})
    data = firms().assign(profit=[5.0, 6, np.nan, np.nan, 7, 8, 9, np.nan])
    with pytest.raises(DataError, match=r"'_profit': the logarithm needs values above 0; 2 rows have none \(rows 3, 4\)"):
        load_sample(study, data)
    wages = study_of(PROFIT | {"construction": FLOW}, WAGE | {"transform": "log", "construction": {"kind": "rate"}})
    data["wage"] = [1.0, 2, 0, 0, 3, 4, 5, np.nan]  # zeros of closed firms: undefined, so no log of zero is asked for
    assert load_sample(wages, data).study.outcomes[1].column == "_wage"
    with pytest.raises(DataError, match="columns to be made are there already: _profit"):
        load_sample(study_of(PROFIT | {"construction": FLOW}), firms().assign(_profit=1.0))
    clash = study_of(PROFIT | {"construction": FLOW}, WAGE | {"name": "in_business", "construction": None})
    with pytest.raises(DataError, match="what is made of one outcome has the name of another: in_business"):
        load_sample(clash, firms())


def test_a_closed_firm_is_no_attrition_and_a_lost_one_is():
    study = study_of(PROFIT | {"construction": FLOW}, method="difference_in_means")
    sample = load_sample(study, firms())
    estimate = rct.difference_in_means(sample.frame, outcome="_profit", treatment="offered")
    # offered: 300, 0 (closed), 0 (season); comparison: 0 (closed, its 60 not used), 90; merged, silent and lost left out
    assert estimate.estimate == pytest.approx(100.0 - 45.0)
    assert estimate.dropped[0].rows == (2, 7, 8)


def test_steps_fit_into_a_record():
    study, data = everything()
    cleaning = construct_outcomes(study, data, prices=INDEX).cleaning
    kept = json.loads(json.dumps(plain(cleaning)))
    for i, step in enumerate(kept):
        _fit(step, Cleaning, f"cleaning[{i}]")
    assert _hints(Cleaning)["cut_offs"] == tuple[CutOff, ...]
    again = tuple(build(Cleaning, step) for step in kept)
    assert [a.rule for a in again] == [c.rule for c in cleaning]
    assert again[-1].cut_offs[0].upper == pytest.approx(cleaning[-1].cut_offs[0].upper, rel=1e-11)
    assert plain(construct_outcomes(study, data, prices=INDEX).cleaning) == plain(cleaning)

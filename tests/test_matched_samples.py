"""What every matching and weighting estimate hands on: its sample, balance, and the two plots."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from impact import matching
from impact.checks import balance_table
from impact.errors import DesignError
from impact.results.plots import love_plot, overlap_plot

close = pytest.approx


def firms(n: int = 240, traits: int = 3, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, traits))
    took = (rng.uniform(size=n) < 1 / (1 + np.exp(1.0 - x[:, 0]))).astype(float)
    data = pd.DataFrame(x, columns=[f"trait_{k}" for k in range(traits)])
    return data.assign(took=took, profit=x[:, 0] + took + rng.normal(size=n), start=x[:, 0] + rng.normal(size=n))


CALL = {"outcome": "profit", "treatment": "took", "covariates": ["trait_0", "trait_1", "trait_2"]}
METHODS = {
    "nearest_neighbour": {}, "nearest_neighbour with": {"replace": True}, "nearest_neighbour mahalanobis": {
        "distance": "mahalanobis", "caliper": 0.5}, "optimal_pairs": {}, "full_matching": {},
    "coarsened_exact": {"bins": 3}, "subclassification": {}, "inverse_probability": {}, "inverse_probability crump": {
        "trim": 0.1}, "entropy_balance": {}, "aipw": {}, "regression_adjustment": {}}


ONE_SIDED = {  # without replacement a unit serves once, and there are more comparison units than participants to serve them
    "nearest_neighbour": ["att"], "optimal_pairs": ["att"], "nearest_neighbour mahalanobis": ["att", "atc"]}


@pytest.mark.parametrize(("name", "estimand"), [
    (name, estimand) for name in METHODS for estimand in ONE_SIDED.get(name, ["att", "atc", "ate"])])
def test_every_estimate_has_its_sample(name, estimand):
    method = name.split()[0]
    data = firms()
    e = getattr(matching, method)(data, **CALL, estimand=estimand, **METHODS[name])
    sample = e.matched
    assert (sample.treatment, sample.covariates, sample.estimand) == ("took", tuple(CALL["covariates"]), estimand)
    back = sample.data()
    assert len(back) == int((sample.weights != 0).sum())
    assert back["matching_weight"].to_numpy() == close(sample.weights[sample.weights != 0])
    assert set(data.columns) <= set(back.columns)
    d, w = sample.treated, sample.weights
    for arm in (0, 1):
        assert sample.effective_size(arm) == close(w[d == arm].sum() ** 2 / (w[d == arm] ** 2).sum())
    table = sample.balance()
    assert table.denominator == {"att": "treated", "atc": "comparison", "ate": "pooled"}[estimand]
    first, x = table.rows[0], data["trait_0"].to_numpy()[sample.rows]
    means = [np.average(x[d == a], weights=w[d == a]) for a in (1, 0)]
    spread = {"att": x[d == 1].var(ddof=1), "atc": x[d == 0].var(ddof=1),
              "ate": (x[d == 1].var(ddof=1) + x[d == 0].var(ddof=1)) / 2}[estimand]
    assert first.after.smd == close((means[0] - means[1]) / np.sqrt(spread), abs=1e-9)
    love, chances = sample.love_plot(), sample.overlap_plot()
    assert len(love.figure.axes) == 2
    assert "trait_0" in love.alt
    assert ("a logit of its covariates" in chances.alt) == (sample.score is None)
    if sample.score is not None:
        for arm in (0, 1):
            mine, theirs = sample.score[d == arm], sample.score[d != arm]
            beyond = int(((mine < theirs.min()) | (mine > theirs.max())).sum())
            word = "treated" if arm else "comparison"
            assert f"{beyond} of {len(mine)} {word}" in chances.alt or "within the range of the other side" in chances.alt


def test_units_beyond_the_other_sides_scores_are_named_by_row():
    data = firms()
    data.loc[data.index[data["took"] == 1][:2], "trait_0"] = 6.0
    e = matching.inverse_probability(data, **CALL)
    out = {x.reason: x for x in e.matched.outside}
    score, d = e.matched.score, e.matched.treated
    found = np.flatnonzero((d == 1) & ((score > score[d == 0].max()) | (score < score[d == 0].min()))) + 1
    assert out["outside_support"].rows == tuple(found)
    assert len(found) == 2
    trimmed = matching.inverse_probability(data, **CALL, trim=0.2)
    assert next(x for x in trimmed.matched.outside if x.reason == "trimmed").rows == next(
        x for x in trimmed.dropped if x.reason == "trimmed").rows
    # a match says who has none, and why
    pairs = matching.nearest_neighbour(data, **CALL, caliper=0.02)
    assert {x.reason for x in pairs.matched.outside} <= {"beyond_caliper", "none_left"}
    assert "Left out, " in pairs.matched.overlap_plot().alt


def test_weights_implied_by_a_regression_have_means_and_nothing_more():
    data = firms(60)
    table = matching.regression_adjustment(data, **CALL).matched.balance()
    assert (matching.regression_adjustment(data, **CALL).matched.weights < 0).any()
    assert all(r.after.smd == close(0.0, abs=1e-9) for r in table.rows)
    assert {r.after.variance_ratio for r in table.rows} == {None}
    assert table.joint.reason == "some weights are below zero"
    assert all(r.before.variance_ratio is not None for r in table.rows)


@pytest.mark.parametrize("name", [name for name in METHODS if "mahalanobis" not in name])
def test_text_is_laid_out_by_level_whatever_the_method(name):
    data = firms(400)
    data["trade"] = np.array(["food", "tailor", "wood"])[np.digitize(data["trait_1"], [-0.4, 0.4])]
    call = CALL | {"covariates": ["trait_0", "trade"]}
    sample = getattr(matching, name.split()[0])(data, **call, **METHODS[name]).matched
    assert sample.covariates == ("trait_0", "trade")
    rows = {row.label: row for row in sample.balance().rows}
    assert list(rows) == ["trait_0", "trade: food", "trade: tailor", "trade: wood"]
    wood, d, w = data["trade"].to_numpy()[sample.rows] == "wood", sample.treated, sample.weights
    assert rows["trade: wood"].after.mean_comparison == close(np.average(wood[d == 0], weights=w[d == 0]))
    if name == "entropy_balance":
        assert rows["trade: wood"].after.smd == close(0.0, abs=1e-9)
    assert sample.love_plot() is not None
    assert sample.overlap_plot() is not None


def test_matched_changes_have_their_sample_too():
    e = matching.matched_did(firms(), **CALL, baseline="start")[0]
    assert e.matched.love_plot().alt.count("→") == 3


# ---- what the plots say and draw


def marks(plot) -> list[tuple[float, str, bool]]:
    """Place on the axis, colour, and whether hollow, of each mark of the panel."""
    out = []
    for line in plot.figure.axes[1].lines:
        if line.get_marker() not in ("none", "None", "", None):
            out.append((float(line.get_xdata()[0]), line.get_markeredgecolor(), line.get_markerfacecolor() == "#FFFFFF"))
    return out


def dashed(plot) -> list[float]:
    return [float(line.get_xdata()[0]) for line in plot.figure.axes[1].lines
            if line.get_linestyle() == "--" and float(line.get_xdata()[0]) > 0]


def test_love_plot_draws_each_difference_before_and_after():
    e = matching.nearest_neighbour(firms(), **CALL)
    table = e.matched.balance()
    plot = table.plot()
    drawn = marks(plot)
    rows = sorted(table.rows, key=lambda r: -abs(r.before.smd))
    assert [x for x, _, hollow in drawn if hollow] == close([abs(r.before.smd) for r in rows])
    assert [x for x, _, hollow in drawn if not hollow] == close([abs(r.after.smd) for r in rows])
    red = [abs(r.after.smd) > 0.1 for r in rows]
    assert [colour == "#A3262A" for _, colour, hollow in drawn if not hollow] == red
    assert dashed(plot) == [0.1, 0.25]
    for r in rows:
        assert f"{r.label}: {r.before.smd:+.2f} → ".replace("-", "−") in plot.alt


def test_in_a_trial_no_limits_are_drawn():
    plot = love_plot(balance_table(firms(), treatment="took", covariates=CALL["covariates"], randomised=True))
    assert dashed(plot) == []
    assert all(hollow for *_, hollow in marks(plot))
    assert "→" not in plot.alt


def test_empty_cells_and_levels_stand_in_the_love_plot():
    data = firms().assign(sector=lambda t: np.where(t.index % 3 == 0, "food & <drink>", "metal"))
    data.loc[4:9, "trait_1"] = np.nan
    plot = love_plot(balance_table(data, treatment="took", covariates=["trait_0", "trait_1", "sector"],
                                   weights=np.ones(len(data)), prognostic="profit"))
    assert "trait_1: missing" in plot.alt
    assert "sector: food & <drink>" in plot.alt
    assert plot.alt.rindex("prognostic score") > plot.alt.rindex("sector: metal")


@pytest.mark.parametrize("count", [1, 3, 25])
def test_nothing_is_clipped_and_nothing_lies_on_another(count):
    names = [("A name as long as officers write them, of a trait of the firm, " if k % 2 else "t") + str(k)
             for k in range(count)]
    data = firms(traits=max(count, 3)).rename(columns={f"trait_{k}": name for k, name in enumerate(names)})
    e = matching.nearest_neighbour(data, outcome="profit", treatment="took", covariates=names, replace=True)
    for plot in (e.matched.love_plot(prognostic="profit"), e.matched.overlap_plot()):
        figure = plot.figure
        figure.canvas.draw()
        page = figure.bbox
        boxes = [t.get_window_extent() for axes in figure.axes for t in axes.texts if t.get_text()]
        for one in boxes:
            assert one.x0 >= page.x0 - 1
            assert one.x1 <= page.x1 + 1
            assert one.y0 >= page.y0 - 1
            assert one.y1 <= page.y1 + 1
        for i, one in enumerate(boxes):
            for two in boxes[i + 1:]:
                across = min(one.x1, two.x1) - max(one.x0, two.x0)
                up = min(one.y1, two.y1) - max(one.y0, two.y0)
                assert across <= 1 or up <= 3, (one, two)


def test_overlap_shares_add_up_and_sides_are_back_to_back():
    plot = overlap_plot([0.1, 0.2, 0.6, 0.3, 0.5, 0.9], [0, 0, 0, 1, 1, 1], [1, 0, 2, 1, 1, 1], treatment="took")
    assert "1 of 3 treated and 2 of 3 comparison units have a chance beyond" in plot.alt
    heights = {}
    for patch in plot.figure.axes[1].patches:
        side = "up" if patch.get_y() >= 0 and patch.get_height() > 0 else "down"
        heights.setdefault((side, patch.get_facecolor()[:3] if patch.get_facecolor()[3] else "outline"), []).append(
            patch.get_height())
    assert sum(heights["up", "outline"]) == close(100)
    assert sum(heights["down", "outline"]) == close(100)
    inside = overlap_plot([0.2, 0.4, 0.2, 0.4], [0, 0, 1, 1], [1, 1, 1, 1])
    assert "within the range of the other side" in inside.alt


def test_plots_are_saved_with_their_words_and_the_same_each_time(tmp_path):
    sample = matching.nearest_neighbour(firms(), **CALL).matched
    for name, make in (("love", sample.love_plot), ("overlap", sample.overlap_plot)):
        text = make().save(tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert text == make().save(tmp_path / f"{name}2.svg").read_text(encoding="utf-8")
        assert re.search(r"<desc id=[^>]+>[^<]{80,}</desc>", text)
        assert make().save(tmp_path / f"{name}.png").read_bytes() == make().save(tmp_path / f"{name}2.png").read_bytes()


def test_no_picture_of_a_score_that_does_not_exist():
    data = firms().assign(kind=lambda t: np.where(t["took"] == 1, "in", "out"))
    data.loc[[0, 1], "kind"] = "in"
    e = matching.exact(data.assign(kind=np.where(np.arange(240) % 2, "a", "b")), outcome="profit", treatment="took",
                       covariates=["kind"])
    assert "made for the picture alone" in e.matched.overlap_plot().alt
    split = data.assign(far=lambda t: t["took"] * 10 + t["trait_0"].clip(-1, 1))
    with pytest.raises(DesignError, match="'far': its values predict treatment"):
        matching.nearest_neighbour(split, outcome="profit", treatment="took", covariates=["far"], distance="mahalanobis",
                                   replace=True)

"""Few clusters: every estimator's p-value against all draws by plain loops, with its statistic in closed form."""

from dataclasses import replace
from itertools import combinations, permutations, product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from impact.brief.effects import verdict
from impact.inference.lots import observed_lots
from impact.rct import (
    attrition_weighted,
    difference_in_means,
    dose_response,
    encouragement,
    factorial,
    late,
    lin,
    ols,
    poisson,
    pooled_rounds,
    post_double_selection,
    quantile_effects,
    ratio_effect,
    saturation,
    spillover,
    subgroups,
)

GROUPS = 8


def market_data(seed=3, groups=GROUPS, size=6):
    """Eight markets of unlike size, four of them drawn; two districts of four with one and three drawn."""
    rng = np.random.default_rng(seed)
    sizes = size + np.arange(groups) % 3
    market = np.repeat(np.arange(groups), sizes)
    n = len(market)
    frame = pd.DataFrame({"market": market, "x": rng.normal(size=n).round(3), "w": rng.integers(1, 4, n).astype(float)})
    frame["d"] = np.isin(market, [1, 4, 5, 6]).astype(int)
    frame["district"] = market // 4
    frame["group"] = np.where(np.arange(n) % 2, "small", "large")
    frame["took"] = np.where(rng.random(n) < 0.2 + 0.6 * frame["d"], 1, 0)
    frame["y"] = (20 + 3 * frame["d"] + 2 * frame["x"] + rng.normal(size=groups)[market] + rng.normal(size=n)).round(3)
    return frame


@pytest.fixture
def frame():
    return market_data()


def draws(frame, strata=None):
    """All assignments of rows, as many markets of each stratum drawn as were."""
    first = frame.groupby("market").first()
    blocks = np.zeros(len(first)) if strata is None else first[strata].to_numpy()
    parts = [list(combinations(np.flatnonzero(blocks == b), int(first["d"].to_numpy()[blocks == b].sum())))
             for b in np.unique(blocks)]
    for picked in product(*parts):
        yield np.isin(frame["market"], [g for rows in picked for g in rows]).astype(float)


def share(statistic, observed, every):
    """p-value by counting, the number of draws, and the p-value of the draw that is furthest out."""
    found = np.array([abs(statistic(d)) for d in every])
    least = np.mean(found >= found.max() * (1 - 1e-10))
    return np.mean(found >= abs(statistic(observed)) * (1 - 1e-10)), len(found), least


def slope(design, y, cluster, weights=None, pick=None):
    """A contrast (the last coefficient) over its cluster-robust error, by the textbook's loops."""
    w = np.ones(len(y)) if weights is None else weights
    pick = np.eye(design.shape[1])[-1] if pick is None else pick
    bread = np.linalg.inv((design.T * w) @ design)
    beta = bread @ ((design.T * w) @ y)
    meat = np.zeros_like(bread)
    for g in np.unique(cluster):
        s = (design[cluster == g].T * w[cluster == g]) @ (y - design @ beta)[cluster == g]
        meat += np.outer(s, s)
    return pick @ beta / np.sqrt(pick @ bread @ meat @ bread @ pick)


def check(estimate, statistic, frame, strata=None, usual=False):
    d = frame["d"].to_numpy(dtype=float)
    p, count, least = share(statistic, d, draws(frame, strata))
    said = next(c for c in estimate.caveats if c.code == "randomisation_inference")
    assert estimate.p_value == pytest.approx(p, abs=1e-12)
    values = dict(said.values)
    assert values["draws"] == count
    assert values["smallest_p"] == pytest.approx(least)
    assert (values.get("interval") == "usual") == usual
    assert ("different arguments" in said.text) == usual
    assert not estimate.has_caveat("few_clusters")
    assert not estimate.has_caveat("few_clusters_large_sample")
    return p


ASKED = {"outcome": "y", "treatment": "d", "cluster": "market"}


def test_weights_are_held_in_every_draw(frame):
    x, w, g = frame["x"].to_numpy(), frame["w"].to_numpy(), frame["market"].to_numpy()
    y = frame["y"].to_numpy()

    def by_hand(d):
        return slope(np.column_stack([np.ones(len(d)), x, d]), y, g, w)

    e = ols(frame, **ASKED, covariates=["x"], weights="w")
    check(e, by_hand, frame)
    # the set is that of the same test: one step inside its ends is not rejected, one step outside is
    for edge, inward in ((e.conf_low, 1e-6), (e.conf_high, -1e-6)):
        ps = [share(lambda d, b=b: slope(np.column_stack([np.ones(len(d)), x, d]), y - b * frame["d"].to_numpy(), g, w),
                    frame["d"].to_numpy(dtype=float), draws(frame))[0] for b in (edge + inward, edge - inward)]
        assert ps[0] > 0.05 >= ps[1]
    doubled = ols(frame.assign(w=7 * frame["w"]), **ASKED, covariates=["x"], weights="w")
    assert (doubled.p_value, doubled.conf_low) == (e.p_value, pytest.approx(e.conf_low))
    even = ols(frame.assign(w=2.0), **ASKED, covariates=["x"], weights="w")
    plain = ols(frame, **ASKED, covariates=["x"])
    assert (even.p_value, even.conf_high) == (plain.p_value, pytest.approx(plain.conf_high))


@pytest.mark.parametrize("weights", [None, "w"])
def test_the_effect_of_taking_part_has_the_set_of_the_offers_draws(frame, weights):
    y, took, g = (frame[c].to_numpy(dtype=float) for c in ("y", "took", "market"))
    w = None if weights is None else frame["w"].to_numpy()

    def at(b):
        return lambda d: slope(np.column_stack([np.ones(len(d)), d]), y - b * took, g, w)

    e = late(frame, **ASKED, takeup="took", weights=weights)
    check(e, at(0.0), frame)
    ws = np.ones(len(y)) if w is None else w
    d = frame["d"].to_numpy()
    gap = [np.average(v[d == 1], weights=ws[d == 1]) - np.average(v[d == 0], weights=ws[d == 0]) for v in (y, took)]
    assert e.estimate == pytest.approx(gap[0] / gap[1])  # Wald's ratio
    ends = [x for s in e.interval for x in (s.low, s.high)]
    assert any(x is not None for x in ends)
    for s in e.interval:
        for edge, inward in ((s.low, 1e-6), (s.high, -1e-6)):
            if edge is not None:
                ps = [share(at(edge + step), d.astype(float), draws(frame))[0] for step in (inward, -inward)]
                assert ps[0] > 0.05 >= ps[1]
    same = encouragement(frame.rename(columns={"d": "e"}), outcome="y", encouragement="e", takeup="took", cluster="market",
                         weights=weights)
    assert (same.headline.p_value, same.headline.interval) == (e.p_value, e.interval)


def test_an_offer_that_moved_few_has_a_set_without_end():
    frame = market_data(seed=8)
    frame["took"] = (np.arange(len(frame)) % 5 < 1 + (frame["d"] * (frame["market"] == 1))).astype(int)
    e = late(frame, **ASKED, takeup="took")
    assert e.has_caveat("randomisation_inference")
    assert None in [x for s in e.interval for x in (s.low, s.high)]


def two_districts():
    """Two districts of five markets, two drawn in one and three in the other."""
    frame = market_data(groups=10)
    return frame.assign(district=frame["market"] // 5, d=np.isin(frame["market"], [0, 1, 5, 6, 8]).astype(int))


def test_interacted_regression_over_districts_of_unlike_shares():
    frame = two_districts()
    y, x, g, s = (frame[c].to_numpy(dtype=float) for c in ("y", "x", "market", "district"))
    controls = np.column_stack([s - s.mean(), x - x.mean()])

    def by_hand(d):
        return slope(np.column_stack([np.ones(len(d)), controls, controls * d[:, None], d]), y, g)

    e = lin(frame, **ASKED, covariates=["x"], strata="district")
    check(e, by_hand, frame, "district")
    assert any((p.low is None or p.low <= e.estimate) and (p.high is None or e.estimate <= p.high) for p in e.interval)


def test_blocks_of_unlike_shares_use_the_printed_statistic():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"market": np.arange(11), "district": [0] * 5 + [1] * 6,
                          "d": [1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0], "y": rng.normal(size=11) + 5})
    y, s = frame["y"].to_numpy(), frame["district"].to_numpy()

    def by_hand(d):
        top = bottom = 0.0
        for b, share_ in ((0, 5 / 11), (1, 6 / 11)):
            one, zero = y[(s == b) & (d == 1)], y[(s == b) & (d == 0)]
            top += share_ * (one.mean() - zero.mean())
            bottom += share_**2 * (one.var(ddof=1) / len(one) + zero.var(ddof=1) / len(zero))
        return top / np.sqrt(bottom)

    e = difference_in_means(frame, outcome="y", treatment="d", strata="district")
    check(e, by_hand, frame, "district")
    assert by_hand(frame["d"].to_numpy()) == pytest.approx(e.estimate / e.std_error)  # what is printed
    for edge, inward in ((e.conf_low, 1e-6), (e.conf_high, -1e-6)):
        moved = [difference_in_means(frame.assign(y=frame["y"] - (edge + step) * frame["d"]), outcome="y", treatment="d",
                                     strata="district").p_value for step in (inward, -inward)]
        assert moved[0] > 0.05 >= moved[1]


def test_pairs_of_unlike_size():
    rng = np.random.default_rng(6)
    market = np.repeat(np.arange(14), rng.integers(2, 7, 14))
    frame = pd.DataFrame({"market": market, "district": market // 2, "d": market % 2,
                          "y": rng.normal(size=len(market)) + 3 * (market % 2) + market // 2})
    frame = frame[frame["district"] < 5].assign(d=lambda f: f["d"])
    y, s = frame["y"].to_numpy(), frame["district"].to_numpy()
    size = np.bincount(s) / len(s)

    def by_hand(d):
        gap = np.array([y[(s == b) & (d == 1)].mean() - y[(s == b) & (d == 0)].mean() for b in range(5)])
        mean = size @ gap
        return mean / np.sqrt(5 / 4 * (size**2 @ (gap - mean) ** 2))

    e = difference_in_means(frame, **ASKED, strata="district", pairs=True)
    check(e, by_hand, frame, "district")
    assert by_hand(frame["d"].to_numpy()) == pytest.approx(e.estimate / e.std_error)


def arm_parts(values, d, g):
    """Sums over clusters of the deviations from the arm's mean, each arm's beside its size."""
    for arm in (1, 0):
        inside = d == arm
        rest = np.where(inside, values - values[inside].mean(), 0.0)
        yield np.bincount(g, weights=rest), inside.sum(), values[inside].sum(), values[inside].mean()


def test_poisson_draws_its_own_ratio_again(frame):
    y, g = frame["y"].to_numpy(), frame["market"].to_numpy()

    def by_hand(d):
        one, zero = arm_parts(y, d, g)
        return np.log(one[3] / zero[3]) / np.sqrt((one[0]**2).sum() / one[2]**2 + (zero[0]**2).sum() / zero[2]**2)

    e = poisson(frame, **ASKED)
    check(e, by_hand, frame, usual=True)
    assert e.conf_low is not None
    in_cents = poisson(frame.assign(y=100 * frame["y"]), **ASKED)
    assert in_cents.p_value == e.p_value


@pytest.mark.parametrize("method", ["fieller", "delta"])
def test_a_share_of_the_mean_has_the_p_of_its_effect(frame, method):
    y, g = frame["y"].to_numpy(), frame["market"].to_numpy()

    def by_hand(d):
        one, zero = arm_parts(y, d, g)
        return (one[3] - zero[3]) / np.sqrt((one[0]**2).sum() / one[1]**2 + (zero[0]**2).sum() / zero[1]**2)

    check(ratio_effect(frame, **ASKED, method=method), by_hand, frame, usual=True)


def test_medians_are_drawn_again(frame):
    y = frame["y"].to_numpy()

    def median(values):
        return np.sort(values)[int(np.ceil(len(values) / 2)) - 1]

    rows = quantile_effects(frame, **ASKED, quantiles=(0.5, 0.25), draws=99)
    check(rows.headline, lambda d: median(y[d == 1]) - median(y[d == 0]), frame, usual=True)
    assert max(r.p_adjusted for r in rows) <= 1
    assert min(r.p_adjusted for r in rows) == pytest.approx(min(1.0, 2 * min(r.p_value for r in rows)))


def test_those_found_stand_in_on_every_draw():
    frame = market_data(size=10)
    frame["cell"] = np.arange(len(frame)) % 2
    frame.loc[(frame.index % 5 == 0) & (frame["cell"] == 1) | (frame.index % 7 == 0), "y"] = np.nan
    y, c, g = frame["y"].to_numpy(), frame["cell"].to_numpy(), frame["market"].to_numpy()

    def by_hand(d):
        means, parts = [], np.zeros(GROUPS)
        for arm in (1, 0):
            inside, influence, mean = d == arm, np.zeros(len(y)), {}
            for k in (0, 1):
                mean[k] = np.nanmean(y[inside & (c == k)])
            mu = sum((inside & (c == k)).sum() * mean[k] for k in (0, 1)) / inside.sum()
            for i in np.flatnonzero(inside):
                same = inside & (c == c[i])
                chance = (~np.isnan(y[same])).mean()
                influence[i] = (0 if np.isnan(y[i]) else (y[i] - mean[c[i]]) / chance) + mean[c[i]] - mu
            means.append(mu)
            parts += (1 if arm else -1) * np.bincount(g, weights=influence) / inside.sum()
        return (means[0] - means[1]) / np.sqrt((parts**2).sum())

    e = attrition_weighted(frame, **ASKED, predictors=["cell"])
    check(e, by_hand, frame)
    assert "did not change who was found" in next(c.text for c in e.caveats if c.code == "randomisation_inference")


def test_after_selection_the_chosen_covariates_are_held(frame):
    rng = np.random.default_rng(1)
    many = frame.assign(**{f"z{j}": rng.normal(size=len(frame)) for j in range(12)})
    many["y"] += 4 * many["z3"]
    e = post_double_selection(many, **ASKED, covariates=[f"z{j}" for j in range(12)])
    details = dict(e.details)
    chosen = sorted({*details["selected_by_outcome"], *details["selected_by_treatment"]})
    assert "z3" in chosen
    y, g, x = many["y"].to_numpy(), many["market"].to_numpy(), many[chosen].to_numpy()
    check(e, lambda d: slope(np.column_stack([np.ones(len(d)), x, d]), y, g), many)
    assert "held as they are" in next(c.text for c in e.caveats if c.code == "randomisation_inference")


def test_a_difference_between_groups_is_drawn_again_under_one_effect(frame):
    y, g = frame["y"].to_numpy(), frame["market"].to_numpy()
    small, seen = (frame["group"] == "small").to_numpy(dtype=float), frame["d"].to_numpy(dtype=float)
    base = np.column_stack([1 - small, small])
    common = np.linalg.lstsq(np.column_stack([base, seen]), y, rcond=None)[0][-1]

    def by_hand(d):
        again = y - common * seen + common * d  # everybody has the common effect, whoever is drawn
        return slope(np.column_stack([base, d * (1 - small), d * small]), again, g, pick=np.array([0, 0, -1.0, 1.0]))

    e = subgroups(frame, outcome="y", treatment="d", by="group", cluster="market").headline
    check(e, by_hand, frame)
    assert "one group" not in e.term
    assert any((p.low is None or p.low <= e.estimate) and (p.high is None or e.estimate <= p.high) for p in e.interval)


def two_levels(seed=5):
    """Four markets of three firms, two drawn, one firm of each invited."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"market": np.repeat(np.arange(4), 3)})
    frame["z"] = np.isin(frame["market"], [1, 2]).astype(int)
    frame["d"] = (frame["z"] == 1) & (frame.index % 3 == 1)
    frame["d"] = frame["d"].astype(int)
    frame["y"] = (10 + 2 * frame["d"] + rng.normal(size=12)).round(3)
    return frame


def test_spillover_draws_markets_and_then_firms_inside_them():
    frame = two_levels()
    y, g = frame["y"].to_numpy(), frame["market"].to_numpy()
    rows = spillover(frame, outcome="y", treatment="d", cluster="market", cluster_treatment="z", population_share=0.4)
    picks = {"total": [0, 0.4, 0.6], "invited": [0, 1, 0], "not invited": [0, 0, 1], "invited − not invited": [0, 1, -1]}

    def statistic(drawn, invited, pick):
        z = np.isin(g, drawn)
        d = np.isin(np.arange(12), invited)
        return slope(np.column_stack([np.ones(12), z & d, z & ~d]).astype(float), y, g, pick=np.array(pick, dtype=float))

    for row in rows:
        found = [abs(statistic(drawn, invited, picks[row.term])) for drawn in combinations(range(4), 2)
                 for invited in product(*(np.flatnonzero(g == m) for m in drawn))]
        seen = abs(statistic((1, 2), (4, 7), picks[row.term]))
        assert len(found) == 54
        assert row.p_value == pytest.approx(np.mean(np.array(found) >= seen * (1 - 1e-10)), abs=1e-12), row.term
        values = dict(next(c for c in row.caveats if c.code == "randomisation_inference").values)
        assert values["draws"] == 54
        assert (values.get("interval") == "usual") == (row.term == "invited − not invited")


def test_saturations_are_drawn_again_among_markets():
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"market": np.repeat(np.arange(6), 2)})
    frame["p"] = frame["market"].map({0: 0.0, 1: 0.0, 2: 0.5, 3: 0.5, 4: 1.0, 5: 1.0})
    frame["d"] = np.where(frame["p"] == 1, 1, np.where((frame["p"] == 0.5) & (frame.index % 2 == 0), 1, 0))
    frame["y"] = rng.normal(size=12).round(3) + frame["d"]
    y, g = frame["y"].to_numpy(), frame["market"].to_numpy()
    e = saturation(frame, outcome="y", treatment="d", cluster="market", saturation="p").headline

    def statistic(levels, inside):
        p, d = np.array(levels)[g], np.zeros(12)
        d[p == 1] = 1
        d[list(inside)] = 1
        cells = [(p == 0.5) * d, (p == 0.5) * (1 - d), (p == 1) * 1.0]
        return slope(np.column_stack([np.ones(12), *cells]), y, g, pick=np.array([0, 0.25, 0.25, 0.5]))

    found = [abs(statistic(levels, inside)) for levels in set(permutations([0.0, 0.0, 0.5, 0.5, 1.0, 1.0]))
             for inside in product(*(np.flatnonzero(g == m) for m in range(6) if levels[m] == 0.5))]
    seen = abs(statistic((0.0, 0.0, 0.5, 0.5, 1.0, 1.0), (4, 6)))
    assert len(found) == 360
    assert e.p_value == pytest.approx(np.mean(np.array(found) >= seen * (1 - 1e-10)), abs=1e-12)


def counted(estimate, found, seen, usual=False):
    """Hold a p-value by lot against statistics of all draws."""
    found = np.abs(np.array(found))
    said = next(c for c in estimate.caveats if c.code == "randomisation_inference")
    assert estimate.p_value == pytest.approx(np.mean(found >= abs(seen) * (1 - 1e-10)), abs=1e-12), estimate.term
    assert dict(said.values)["draws"] == len(found)
    assert (dict(said.values).get("interval") == "usual") == usual
    assert not estimate.has_caveat("few_clusters")
    assert not estimate.has_caveat("low_df")


def ends_are_where_the_p_changes(estimate, p_at):
    """One step inside each end of the set is not rejected, one step outside is; ``p_at`` moves the outcome."""
    assert estimate.interval
    for s in estimate.interval:
        for edge, inward in ((s.low, 1e-6), (s.high, -1e-6)):
            if edge is not None:
                assert p_at(edge + inward) > 0.05 >= p_at(edge - inward)


def crossed_markets(seed=2):
    """Ten markets crossed over two offers, three of them with both and three with none."""
    rng = np.random.default_rng(seed)
    market = np.repeat(np.arange(10), 3 + np.arange(10) % 2)
    frame = pd.DataFrame({"market": market, "x": rng.normal(size=len(market)).round(3),
                          "w": rng.integers(1, 4, len(market)).astype(float)})
    frame["a"] = np.isin(market, [0, 1, 2, 6, 7]).astype(int)
    frame["b"] = np.isin(market, [0, 1, 2, 8, 9]).astype(int)
    frame["y"] = (9 + 2 * frame["a"] - frame["b"] + frame["x"] + rng.normal(size=len(market))).round(3)
    return frame


def cell_design(base, a, b):
    """Other columns, then cells 10, 01 and 11."""
    return np.column_stack([base, a * (1 - b), (1 - a) * b, a * b])


@pytest.mark.parametrize("weights", [None, "w"])
def test_a_main_effect_draws_its_offer_and_holds_the_other(weights):
    frame = crossed_markets()
    y, x, g, a, b = (frame[c].to_numpy(dtype=float) for c in ("y", "x", "market", "a", "b"))
    w = None if weights is None else frame["w"].to_numpy()
    base = np.column_stack([np.ones(len(y)), x])
    rows = {r.term: r for r in factorial(frame, outcome="y", treatments=["a", "b"], covariates=["x"], cluster="market",
                                         weights=weights)}
    every = [np.isin(g, [*one, *two]).astype(float) for one in combinations([0, 1, 2, 8, 9], 3)
             for two in combinations([3, 4, 5, 6, 7], 2)]

    def statistic(drawn, outcome):
        return slope(cell_design(base, drawn, b), outcome, g, w, pick=np.array([0, 0, 0.5, -0.5, 0.5]))

    counted(rows["a"], [statistic(d, y) for d in every], statistic(a, y))

    def p_at(effect):
        found = np.abs([statistic(d, y - effect * a) for d in every])
        return np.mean(found >= abs(statistic(a, y - effect * a)) * (1 - 1e-10))

    ends_are_where_the_p_changes(rows["a"], p_at)
    turned = [np.isin(g, [*one, *two]).astype(float) for one in combinations([0, 1, 2, 6, 7], 3)
              for two in combinations([3, 4, 5, 8, 9], 2)]

    def other(drawn):
        return slope(cell_design(base, a, drawn), y, g, w, pick=np.array([0, 0, -0.5, 0.5, 0.5]))

    counted(rows["b"], [other(d) for d in turned], other(b))


def test_an_interaction_draws_both_offers_with_their_own_effects_as_estimated():
    frame = crossed_markets().query("market < 8")
    frame = frame.assign(district=frame["market"] // 4, a=frame["market"] // 2 % 2, b=frame["market"] % 2)
    y, g, s, a, b = (frame[c].to_numpy(dtype=float) for c in ("y", "market", "district", "a", "b"))
    row = factorial(frame, outcome="y", treatments=["a", "b"], strata="district", cluster="market")[2]
    base = np.column_stack([np.ones(len(y)), s])
    own = np.linalg.lstsq(np.column_stack([base, a, b]), y, rcond=None)[0][-2:]

    def statistic(one, two, outcome=y, own=own):  # both effects taken off as they were given, and put on as drawn again
        again = outcome - own[0] * a - own[1] * b + own[0] * one + own[1] * two
        return slope(cell_design(base, one, two), again, g, pick=np.array([0, 0, -1.0, -1.0, 1.0]))

    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
    every = [np.array([*first, *second], dtype=float)[g.astype(int)].T for first in permutations(cells)
             for second in permutations(cells)]
    assert len(every) == 576
    counted(row, [statistic(*drawn) for drawn in every], statistic(a, b))
    assert "nearly but not wholly exact" in next(c.text for c in row.caveats if c.code == "randomisation_inference")

    def p_at(effect):  # everybody's offers work together by so much
        moved = y - effect * (a - 0.5) * (b - 0.5)
        less = np.linalg.lstsq(np.column_stack([base, a, b]), moved, rcond=None)[0][-2:]
        found = np.abs([statistic(*drawn, moved, less) for drawn in every])
        return np.mean(found >= abs(statistic(a, b, moved, less)) * (1 - 1e-10))

    ends_are_where_the_p_changes(row, p_at)



def test_an_offer_that_cannot_move_alone_is_drawn_with_the_other():
    """Pairs of markets with (neither, both), (one, other) or (both, first): given the second, the first is fixed."""
    cells = [(0, 0), (1, 1), (1, 0), (0, 1)] * 2 + [(1, 1), (1, 0)]
    frame = crossed_markets().assign(pair=lambda f: f["market"] // 2)
    frame["a"], frame["b"] = np.array(cells)[frame["market"]].T
    y, g, pair, a, b = (frame[c].to_numpy(dtype=float) for c in ("y", "market", "pair", "a", "b"))
    row = factorial(frame, outcome="y", treatments=["a", "b"], strata="pair", cluster="market").headline
    base = (pair[:, None] == np.arange(5)).astype(float)
    others = np.linalg.lstsq(np.column_stack([base, b, (a - 0.5) * (b - 0.5)]), y, rcond=None)[0][-2:]

    def statistic(one, two):
        again = (y - others[0] * b - others[1] * (a - 0.5) * (b - 0.5) + others[0] * two
                 + others[1] * (one - 0.5) * (two - 0.5))
        return slope(cell_design(base, one, two), again, g, pick=np.array([0] * 5 + [0.5, -0.5, 0.5]))

    found = []
    for turned in product((0, 1), repeat=5):
        drawn = [cells[m ^ 1] if turned[m // 2] else cells[m] for m in range(10)]
        found.append(statistic(*np.array(drawn, dtype=float)[g.astype(int)].T))
    counted(row, found, statistic(a, b))


def test_an_offer_drawn_inside_markets_is_drawn_inside_them_again():
    frame = two_levels(seed=7).rename(columns={"z": "a"})
    frame["u"] = (frame.index % 3 == frame["market"] % 3).astype(int)
    y, g, a, u = (frame[c].to_numpy(dtype=float) for c in ("y", "market", "a", "u"))
    rows = {r.term: r for r in factorial(frame, outcome="y", treatments=["a", "u"], within=["u"], cluster="market")}
    one = np.ones((12, 1))
    markets = [np.isin(g, drawn).astype(float) for drawn in combinations(range(4), 2)]
    firms = [np.isin(np.arange(12), drawn).astype(float) for drawn in product(*(np.flatnonzero(g == m) for m in range(4)))]
    main, alone = np.array([0, 0.5, -0.5, 0.5]), np.array([0, 1.0, 0, 0])
    for term, pick in (("a", main), ("a alone", alone)):
        counted(rows[term], [slope(cell_design(one, d, u), y, g, pick=pick) for d in markets],
                slope(cell_design(one, a, u), y, g, pick=pick))
    for term, pick in (("u", main[[0, 2, 1, 3]]), ("u alone", np.array([0, 0, 1.0, 0]))):
        counted(rows[term], [slope(cell_design(one, a, d), y, g, pick=pick) for d in firms],
                slope(cell_design(one, a, u), y, g, pick=pick))
    own = np.linalg.lstsq(np.column_stack([one, a, u]), y, rcond=None)[0][2]
    both = np.array([0, -1.0, -1.0, 1.0])
    counted(rows["a × u"], [slope(cell_design(one, a, d), y - own * u + own * d, g, pick=both) for d in firms],
            slope(cell_design(one, a, u), y, g, pick=both))


def waves(seed=4):
    """Eight markets in two rounds, some firms seen once."""
    frame = market_data(seed=seed, size=3)
    frame["firm"] = np.arange(len(frame))
    both = pd.concat([frame.assign(wave=1), frame.assign(wave=2, y=frame["y"] + frame["d"] + frame["x"])])
    return both[(both["firm"] % 5 > 0) | (both["wave"] == 1)].reset_index(drop=True)


def test_the_effect_in_a_round_is_drawn_again_with_the_other_rounds_effect_as_estimated():
    frame = waves()
    y, x, g, d = (frame[c].to_numpy(dtype=float) for c in ("y", "x", "market", "d"))
    second = (frame["wave"] == 2).to_numpy(dtype=float)
    found = pooled_rounds(frame, **ASKED, unit="firm", round="wave", covariates=["x"])
    base = np.column_stack([np.ones(len(y)), second, x])
    check(found.headline, lambda drawn: slope(np.column_stack([base, drawn]), y, g), frame)
    for row, mine, other in ((found[1], 1 - second, second), (found[2], second, 1 - second)):
        def at(effect, mine=mine, other=other):
            moved = y - effect * d * mine
            held = np.linalg.lstsq(np.column_stack([base, other * d]), moved, rcond=None)[0][-1]
            return lambda drawn: slope(np.column_stack([base, drawn * other, drawn * mine]),
                                       moved - held * d * other + held * drawn * other, g)
        check(row, at(0.0), frame)
        ends_are_where_the_p_changes(row, lambda effect, at=at: share(at(effect), d, draws(frame))[0])
    common = np.linalg.lstsq(np.column_stack([base, d]), y, rcond=None)[0][-1]

    def differ(drawn):
        return slope(np.column_stack([base, drawn * (1 - second), drawn * second]), y - common * d + common * drawn, g,
                     pick=np.array([0, 0, 0, -1.0, 1.0]))

    test = dict(dict(found.headline.details)["rounds_test"])
    assert test["p_value"] == pytest.approx(share(differ, d, draws(frame))[0], abs=1e-12)
    assert (test["kind"], test["statistic"]) == ("lots", None)
    assert "by drawing again, 70 draws, all" in next(c.text for c in found.headline.caveats if c.code == "rounds_test")
    once = pooled_rounds(frame[frame["wave"] == 1], **ASKED, unit="firm", round="wave")
    assert (once[1].p_value, once[1].interval) == (once.headline.p_value, once.headline.interval)
    named = pooled_rounds(frame, **ASKED, unit="firm", round="wave", vcov="CR2")
    assert all(r.has_caveat("few_clusters") for r in named)
    assert dict(dict(named.headline.details)["rounds_test"])["kind"] == "HTZ"


def joint(design, y, cluster, picks):
    """Quadratic form of several contrasts in their cluster-robust errors, by loops."""
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ design.T @ y
    meat = np.zeros_like(bread)
    for g in np.unique(cluster):
        s = design[cluster == g].T @ (y - design @ beta)[cluster == g]
        meat += np.outer(s, s)
    value = picks @ beta
    return value @ np.linalg.inv(picks @ bread @ meat @ bread @ picks.T) @ value


def test_the_joint_test_of_groups_is_drawn_again_under_one_effect():
    frame = market_data(size=9)
    frame["group"] = np.array(["a", "b", "c"])[np.arange(len(frame)) % 3]
    y, g, d = (frame[c].to_numpy(dtype=float) for c in ("y", "market", "d"))
    inside = np.column_stack([(frame["group"] == k).to_numpy(dtype=float) for k in "abc"])
    common = np.linalg.lstsq(np.column_stack([inside, d]), y, rcond=None)[0][-1]
    picks = np.array([[0, 0, 0, -1.0, 1, 0], [0, 0, 0, -1.0, 0, 1]])

    def by_hand(drawn):
        return joint(np.column_stack([inside, inside * drawn[:, None]]), y - common * d + common * drawn, g, picks)

    headline = subgroups(frame, outcome="y", treatment="d", by="group", cluster="market").headline
    test = dict(dict(headline.details)["joint"])
    assert test["p_value"] == pytest.approx(share(by_hand, d, draws(frame))[0], abs=1e-12)
    assert (test["test"], test["df_num"], test["df_denom"]) == ("lots", 2, None)
    assert "by drawing again, 70 draws, all" in next(c.text for c in headline.caveats if c.code == "joint_test")
    two = subgroups(frame[frame["group"] != "c"], outcome="y", treatment="d", by="group", cluster="market").headline
    assert dict(dict(two.details)["joint"])["p_value"] == two.p_value  # one difference is its own joint test
    named = subgroups(frame, outcome="y", treatment="d", by="group", cluster="market", vcov="CR2").headline
    assert dict(dict(named.details)["joint"])["test"] == "HTZ"


def dosed(amounts, seed=11):
    rng = np.random.default_rng(seed)
    market = np.repeat(np.arange(len(amounts)), 2 + np.arange(len(amounts)) % 2)
    frame = pd.DataFrame({"market": market, "days": np.array(amounts, dtype=float)[market]})
    frame["y"] = (5 + 0.2 * frame["days"] - 0.004 * frame["days"]**2 + rng.normal(size=len(market))).round(3)
    return frame


DOSES = {"outcome": "y", "dose": "days", "cluster": "market"}


def test_drawn_doses_are_drawn_again():
    frame = dosed([0, 10, 0, 20, 10, 30])
    y, g, dose = (frame[c].to_numpy(dtype=float) for c in ("y", "market", "days"))
    every = [np.array(drawn)[frame["market"]] for drawn in sorted(set(permutations([0.0, 10, 0, 20, 10, 30])))]
    assert len(every) == 180
    one = np.ones(len(y))

    def line(drawn, outcome=y):
        return slope(np.column_stack([one, drawn]), outcome, g)

    row = dose_response(frame, **DOSES, dose_drawn=True).headline
    counted(row, [line(drawn) for drawn in every], line(dose))

    def p_at(effect):
        found = np.abs([line(drawn, y - effect * dose) for drawn in every])
        return np.mean(found >= abs(line(dose, y - effect * dose)) * (1 - 1e-10))

    ends_are_where_the_p_changes(row, p_at)
    # of a curve: the number, what else the curve is made of, and the number's place in powers of the dose
    mean, curve = dose.mean(), dose_response(frame, **DOSES, dose_drawn=True, shape="quadratic")
    for row, other, pick in ((curve[0], lambda v: (v - mean)**2, [0, 1, 2 * mean]), (curve[1], lambda v: v**2, [0, 1, 0]),
                             (curve[2], lambda v: v, [0, 0, 1])):
        rest = np.linalg.lstsq(np.column_stack([one, other(dose)]), y, rcond=None)[0][-1]

        def part(drawn, other=other, rest=rest, pick=pick):
            again = y - rest * other(dose) + rest * other(drawn)
            return slope(np.column_stack([one, drawn, drawn**2]), again, g, pick=np.array(pick))

        counted(row, [part(drawn) for drawn in every], part(dose))
    said = dose_response(frame, **DOSES, dose_drawn=False).headline
    assert said.has_caveat("few_clusters")
    assert not said.has_caveat("randomisation_inference")
    assert dose_response(frame, **DOSES, dose_drawn=True, vcov="CR2").headline.has_caveat("few_clusters")


def test_levels_of_a_dose_are_drawn_again_pair_by_pair():
    frame = dosed([0, 10, 20, 20, 10, 0, 0])
    y, g, dose = (frame[c].to_numpy(dtype=float) for c in ("y", "market", "days"))
    rows = dose_response(frame, **DOSES, dose_drawn=True, shape="levels")
    for row, amount, clusters in ((rows[1], 10, [0, 1, 4, 5, 6]), (rows[2], 20, [0, 2, 3, 5, 6])):
        def statistic(drawn, amount=amount):
            other = (dose == 30 - amount).astype(float)
            return slope(np.column_stack([np.ones(len(y)), other, drawn]), y, g)

        counted(row, [statistic(np.isin(g, drawn).astype(float)) for drawn in combinations(clusters, 2)],
                statistic((dose == amount).astype(float)))


def test_two_amounts_have_the_p_and_the_interval_of_ols():
    frame = market_data(groups=9).assign(days=lambda f: 30.0 * f["d"])
    for options in ({}, {"weights": "w"}, {"covariates": ["x"]}):
        mine = dose_response(frame, **DOSES, dose_drawn=True, **options).headline
        plain = ols(frame, **ASKED, **options)
        assert mine.has_caveat("randomisation_inference")
        assert mine.p_value == plain.p_value
        assert (mine.conf_low, mine.conf_high) == tuple(
            None if x is None else pytest.approx(x / 30) for x in (plain.conf_low, plain.conf_high))


def test_lots_of_two_levels_keep_what_was_drawn():
    cluster = np.repeat(np.arange(5), [3, 3, 3, 4, 5])
    label = np.array([0, 1, 1, 2, 0])[cluster]
    given = np.array([0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    stratum = np.array([0, 0, 0, 1, 1])[cluster]
    lots = observed_lots(cluster, label, given, stratum)
    assert lots.count() == 3 * (3 * 3) * 2
    every = [tuple(codes) for codes in lots.every()]
    assert len(every) == len(set(every)) == 54
    assert tuple(2 * label + given) in every
    again = [tuple(codes) for codes in lots.sample(4000, np.random.default_rng(1))]
    assert set(again) <= set(every)
    assert len(set(again)) == 54
    # sizes differ and a share cannot be met: rounded by lot, never more than a unit off
    uneven = observed_lots(cluster, np.array([0, 1, 1, 0, 0])[cluster], given * (label == 1))
    assert uneven.count() == float("inf")
    for codes in uneven.sample(200, np.random.default_rng(2)):
        drawn = np.bincount(cluster, weights=codes == 3)
        whole = np.bincount(cluster, weights=codes >= 2)
        assert sorted((whole > 0).tolist()) == [False, False, False, True, True]
        assert (drawn <= np.ceil(whole / 3)).all()


def test_draws_in_which_the_number_does_not_exist_are_set_aside():
    """One of six markets alone sells anything among those not drawn with it: no ratio exists on some draws."""
    frame = pd.DataFrame({"market": np.repeat(np.arange(6), 2), "d": np.repeat([1, 1, 1, 0, 0, 0], 2),
                          "y": [3.0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0]})
    e = poisson(frame, **ASKED)
    values = dict(next(c for c in e.caveats if c.code == "randomisation_inference").values)
    assert (values["draws"], values["undefined"]) == (12, 8)  # both selling markets on one side: 2·C(4, 1) of 20
    assert e.p_value >= 1 / 12


@pytest.mark.parametrize("run", [
    lambda f: lin(f, **ASKED, covariates=["x"]),
    lambda f: poisson(f, **ASKED, covariates=["x"]),
    lambda f: late(f, **ASKED, takeup="took", weights="w"),
    lambda f: subgroups(f, outcome="y", treatment="d", by="group", cluster="market").headline])
def test_neither_order_nor_names_nor_units_matter(frame, run):
    mixed = frame.sample(frac=1, random_state=2)
    mixed = mixed.assign(market=mixed["market"].map(lambda g: f"m{(5 * g + 3) % GROUPS}"), y=1000 * mixed["y"])
    e, again = run(frame), run(mixed)
    assert again.p_value == pytest.approx(e.p_value, abs=1e-12)
    scale = 1 if e.method == "poisson" else 1000
    assert (again.conf_low, again.conf_high) == tuple(
        None if x is None else pytest.approx(scale * x, rel=1e-6) for x in (e.conf_low, e.conf_high))


def test_a_covariance_asked_for_by_name_is_kept(frame):
    for e in (late(frame, **ASKED, takeup="took", vcov="CR1"), lin(frame, **ASKED, covariates=["x"], vcov="CR1"),
              ratio_effect(frame, **ASKED, vcov="CR1")):
        assert e.has_caveat("few_clusters")
        assert not e.has_caveat("randomisation_inference")


def test_a_verdict_needs_a_usual_interval_and_the_p_value_by_lot(frame):
    e = poisson(frame.assign(y=frame["y"] + 30 * frame["d"]), **ASKED)
    outcome = SimpleNamespace(better="higher")
    assert e.excludes_zero
    assert (e.p_value < 0.05, verdict(e, outcome)) == (True, "favourable")
    assert verdict(replace(e, p_value=0.2), outcome) == "unclear"


def rejected(make, count):
    """Share of trials without effect, five markets a side, rejected at 5 per cent."""
    ps = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        market = np.repeat(np.arange(10), 6)
        drawn = rng.permutation(10)[:5]
        frame = pd.DataFrame({"market": market, "d": np.isin(market, drawn).astype(int),
                              "x": rng.normal(size=60), "group": np.where(np.arange(60) % 2, "b", "a")})
        noise = rng.normal(size=10)[market] + rng.normal(size=60)
        ps.append(make(frame, noise, rng).p_value)
    return np.mean(np.array(ps) <= 0.05)


@pytest.mark.slow
def test_size_with_five_markets_a_side_by_simulation():
    """The level of 252 draws is 12/252 = 0.048."""
    def counts(frame, noise, rng):
        return poisson(frame.assign(y=np.exp(noise)), **ASKED)

    def moved(frame, noise, rng):
        took = (rng.random(60) < 0.2 + 0.5 * frame["d"]).astype(int)
        return late(frame.assign(y=noise, took=took), **ASKED, takeup="took")

    def between(frame, noise, rng):  # an effect that is the same in both groups
        return subgroups(frame.assign(y=noise + 2 * frame["d"] + rng.normal(size=10)[frame["market"]] * (
            frame["group"] == "b")), outcome="y", treatment="d", by="group", cluster="market").headline

    def jointly(frame, noise, rng):  # the same effect in three groups, whose luck differs by market
        three = frame.assign(group=np.array(["a", "b", "c"])[np.arange(60) % 3])
        three["y"] = noise + 2 * frame["d"] + rng.normal(size=10)[frame["market"]] * (three["group"] == "b")
        row = subgroups(three, outcome="y", treatment="d", by="group", cluster="market").headline
        return SimpleNamespace(p_value=dict(dict(row.details)["joint"])["p_value"])

    def second(frame, noise, rng):  # an effect in the first round alone, covariates pooled over rounds
        both = pd.concat([frame.assign(firm=np.arange(60), wave=t, y=noise + 2 * frame["d"] * (t < 2) + rng.normal(size=60))
                          for t in (1, 2)])
        return pooled_rounds(both, **ASKED, unit="firm", round="wave", covariates=["x"])[2]

    for make, count in ((moved, 400), (counts, 200), (between, 200), (jointly, 200), (second, 200)):
        rate, error = rejected(make, count), np.sqrt(0.048 * 0.952 / count)
        print(make.__name__, count, rate, error)
        assert abs(rate - 0.048) < 3 * error, (make.__name__, rate)

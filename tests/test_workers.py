"""Firms and their workers: two weightings that are declared, and pay told apart from who works there."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from impact.errors import DataError, DesignError
from impact.inference.linear import least_squares
from impact.inference.sandwich import covariance
from impact.rct.means import difference_in_means
from impact.rct.regression import ancova, ols
from impact.rct.workers import worker_effects
from impact.rct.workforce import worker_composition

SIZES = [1, 2, 3, 4, 5, 6, 7, 3]


@pytest.fixture
def staff():
    """The made-up table of the R script below: 8 firms of 1 to 7 workers."""
    firm = np.repeat(np.arange(1, 9), SIZES)
    i = np.arange(1, len(firm) + 1)
    d = (firm % 2 == 0) * 1
    x = np.round(np.sin(i) * 3 + firm / 4, 3)
    return pd.DataFrame({"firm": firm, "d": d, "x": x,
                         "y": np.round(10 + 0.7 * d + 0.5 * x + np.cos(3 * firm) + np.sin(7 * i), 3)})


@pytest.fixture
def many():
    """48 firms of very different size in 16 towns, the effect larger in large firms."""
    rng = np.random.default_rng(7)
    size = rng.integers(2, 20, 48)
    firm = np.repeat(np.arange(48), size)
    town = firm // 3
    frame = pd.DataFrame({"firm": [f"F{j:02d}" for j in firm], "town": town, "block": town % 2,
                          "d": np.isin(town, rng.permutation(16)[:8]) * 1, "size": size[firm]})
    frame["age"] = rng.normal(35, 8, len(frame)).round()
    frame["pay_0"] = 100 + frame["age"] + rng.normal(0, 10, len(frame))
    frame["pay"] = frame["pay_0"] + frame["d"] * size[firm] + rng.normal(0, 6, 48)[firm] + rng.normal(0, 5, len(frame))
    return frame


def effect(frame, weighting, **options):
    return worker_effects(frame, **{"outcome": "y", "treatment": "d", "firm": "firm"} | options, weighting=weighting)


# ---- two questions, two numbers

def test_by_hand_each_worker_or_each_firm_counts_once():
    frame = pd.DataFrame({"firm": ["F1"] * 3 + ["F2"] + ["F3"] * 2 + ["F4"], "d": [1] * 4 + [0] * 3,
                          "y": [10, 11, 12, 3, 4, 6, 1]})
    worker, firm = effect(frame, "worker"), effect(frame, "firm")
    assert worker.estimate == pytest.approx(36 / 4 - 11 / 3)
    assert firm.estimate == pytest.approx((11 + 3) / 2 - (5 + 1) / 2)
    assert (worker.comparison_mean, firm.comparison_mean) == (pytest.approx(11 / 3), pytest.approx(3))
    details = dict(firm.details)
    assert details["firms"] == (("treated", 2), ("comparison", 2))
    assert details["workers"] == (("treated", 4), ("comparison", 3))
    assert details["largest_firm_share"] == pytest.approx(3 / 7)
    assert worker.question != firm.question
    assert (worker.n, worker.n_clusters, worker.id, firm.id) == (7, 4, "y/worker_effects/worker", "y/worker_effects/firm")
    assert worker.se_card.level == firm.se_card.level == "firm"


# Rscript: n <- c(1,2,3,4,5,6,7,3); g <- rep(1:8, n); i <- seq_along(g); d <- as.numeric(g %% 2 == 0)
# x <- round(sin(i)*3 + g/4, 3); y <- round(10 + 0.7*d + 0.5*x + cos(3*g) + sin(7*i), 3)
# f <- lm(y ~ d + x, weights = 1/n[g]); clubSandwich::coef_test(f, vcovCR(f, cluster = g, type = "CR2"))
# the second on firm means: lm(y ~ d, aggregate(cbind(y, d) ~ g, FUN = mean)); the third lm(y ~ d + x)
@pytest.mark.parametrize(("weighting", "covariates", "values"), [
    ("firm", ["x"], (2.53004156253, 0.321520544139, 3.73314052328)),
    ("firm", [], (2.6293625, 0.759122002997, 6.0)),
    ("worker", ["x"], (2.46189555535, 0.183000789931, 4.54953130702)),
])
def test_estimate_error_and_df_are_clubsandwichs(staff, weighting, covariates, values):
    e = effect(staff, weighting, covariates=covariates, vcov="CR2")
    assert (e.estimate, e.std_error, e.df) == pytest.approx(values, rel=1e-10)


def test_each_firm_once_is_the_plain_difference_of_firm_means(many):
    means = many.groupby("firm", as_index=False)[["pay", "d"]].mean()
    plain = difference_in_means(means, outcome="pay", treatment="d")
    e = effect(many, "firm", outcome="pay")
    assert (e.estimate, e.std_error) == pytest.approx((plain.estimate, plain.std_error), rel=1e-12)
    assert (e.n, e.n_clusters) == (len(many), 48)
    as_rows = ols(means, outcome="pay", treatment="d")
    assert (e.df, e.p_value, e.conf_low) == pytest.approx((as_rows.df, as_rows.p_value, as_rows.conf_low), rel=1e-10)


@pytest.mark.parametrize("covariates", [["size"], ["age"], ["age", "size"]])
def test_each_firm_once_is_least_squares_with_one_over_its_workers(many, covariates):
    e = effect(many, "firm", outcome="pay", covariates=covariates, strata="block")
    weights = (1 / many["firm"].map(many["firm"].value_counts())).to_numpy()
    design = np.column_stack([np.ones(len(many)), many["block"], many[covariates], many["d"]])
    fit = least_squares(design, many["pay"].to_numpy(), [str(j) for j in range(design.shape[1])], weights=weights)
    assert e.estimate == pytest.approx(fit.coefficients[-1], rel=1e-10)
    if "age" in covariates:
        cov = covariance(fit, "CR2", pd.factorize(many["firm"])[0])
        assert e.std_error == pytest.approx(float(np.sqrt(cov.matrix[-1, -1])), rel=1e-10)


def test_each_worker_once_is_the_clustered_regression(many):
    e = effect(many, "worker", outcome="pay", baseline="pay_0", covariates=["age"], strata="block")
    plain = ancova(many, outcome="pay", treatment="d", baseline="pay_0", covariates=["age"], strata="block", cluster="firm")
    for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "n_clusters", "n"):
        assert getattr(e, name) == pytest.approx(getattr(plain, name), rel=1e-12), name


def test_a_draw_above_firms_sets_the_level(many):
    e = effect(many, "worker", outcome="pay", cluster="town")
    plain = ols(many, outcome="pay", treatment="d", cluster="town")
    assert (e.std_error, e.df, e.n_clusters) == (pytest.approx(plain.std_error), pytest.approx(plain.df), 16)
    means = many.groupby("firm", as_index=False)[["pay", "d", "town"]].mean()
    firm = effect(many, "firm", outcome="pay", cluster="town")
    plain = ols(means, outcome="pay", treatment="d", cluster="town")
    assert (firm.estimate, firm.std_error, firm.p_value) == pytest.approx((plain.estimate, plain.std_error, plain.p_value))
    assert dict(firm.details)["firms"] == (("treated", 24), ("comparison", 24))


def test_the_two_differ_where_effects_differ_by_size(many):
    worker, firm = (effect(many, w, outcome="pay", baseline="pay_0") for w in ("worker", "firm"))
    sizes = many.drop_duplicates("firm")["size"]
    assert worker.estimate - firm.estimate > 2
    assert worker.conf_low < (sizes**2).sum() / sizes.sum() < worker.conf_high
    assert firm.conf_low < sizes.mean() < firm.conf_high


# ---- sampling weights

def test_sampling_weights_stand_for_workers_or_weigh_within_firms(staff):
    w = staff.assign(w=np.arange(len(staff)) % 3 + 1)
    copies = w.loc[w.index.repeat(w["w"])].reset_index(drop=True)
    assert effect(w, "worker", weights="w").estimate == pytest.approx(effect(copies, "worker").estimate)
    assert effect(w, "worker", weights="w", covariates=["x"]).estimate == pytest.approx(
        effect(copies, "worker", covariates=["x"]).estimate)
    means = w.groupby("firm").apply(lambda f: np.average(f["y"], weights=f["w"]))
    offered = means.index % 2 == 0
    assert effect(w, "firm", weights="w").estimate == pytest.approx(means[offered].mean() - means[~offered].mean())
    assert effect(w.assign(w=w["w"] * w["firm"]), "firm", weights="w", covariates=["x"]).estimate == pytest.approx(
        effect(copies, "firm", covariates=["x"]).estimate)


def test_sampling_weights_of_workers_are_held_in_every_draw(staff):
    weighted = staff.assign(w=np.arange(len(staff)) % 3 + 1.0)
    e = effect(weighted, "worker", weights="w")
    assert e.has_caveat("wild_bootstrap")
    assert e.p_value == pytest.approx(by_force(staff, weighted["w"].to_numpy(), np.empty((len(staff), 0))), abs=1e-12)
    same = effect(staff.assign(w=2), "worker", weights="w")
    assert dict(same.details)["wild_p"] == dict(effect(staff, "worker").details)["wild_p"]


# ---- few firms

def by_force(frame, weights, controls):
    """Replay every draw of 4 of 8 firms: the share with a studentised effect at least as large."""
    y, codes = frame["y"].to_numpy(), frame["firm"].to_numpy() - 1
    found = []
    for drawn in combinations(range(8), 4):
        d = np.isin(codes, drawn) * 1.0
        names = [str(j) for j in range(controls.shape[1] + 2)]
        fit = least_squares(np.column_stack([np.ones(len(y)), controls, d]), y, names, weights=weights)
        # the studentised statistic: cluster sums of the treatment left over, times residuals
        w = np.ones(len(y)) if weights is None else weights
        aside = least_squares(np.column_stack([np.ones(len(y)), controls]), d, names[:-1], weights=weights).residuals
        scores = np.bincount(codes, weights=w * aside * fit.residuals)
        found.append((drawn, abs((w * aside) @ y / np.sqrt((scores**2).sum()))))
    mine = dict(found)[(1, 3, 5, 7)]
    return np.mean([t >= mine * (1 - 1e-10) for _, t in found])


@pytest.mark.parametrize("weighting", ["worker", "firm"])
@pytest.mark.parametrize("covariates", [[], ["x"]])
def test_few_firms_are_drawn_again(staff, weighting, covariates):
    noisy = staff.assign(y=staff["y"] + 2 * np.sin(5 * staff["firm"]))
    e = effect(noisy, weighting, covariates=covariates)
    weights = (1 / np.array(SIZES))[noisy["firm"] - 1] if weighting == "firm" else None
    assert e.p_value == pytest.approx(by_force(noisy, weights, noisy[covariates].to_numpy()), abs=1e-12)
    assert 0.02 < e.p_value < 0.9
    assert e.has_caveat("randomisation_inference")
    assert e.has_caveat("wild_bootstrap")
    assert e.conf_low < e.estimate < e.conf_high


# ---- what must be declared, and what is refused

def test_the_weighting_must_be_declared(staff):
    with pytest.raises(DesignError, match="not declared whether each worker or each firm counts once") as caught:
        worker_effects(staff, outcome="y", treatment="d", firm="firm")
    assert "weighting='worker' or weighting='firm'" in str(caught.value)
    with pytest.raises(DesignError, match="different questions"):
        effect(staff, None)
    with pytest.raises(ValueError, match="'worker' or 'firm', not 'both'"):
        effect(staff, "both")
    with pytest.raises(TypeError, match="unexpected keyword"):
        effect(staff, "firm", no_such_keyword=1)


def test_what_differs_within_a_firm_is_refused_by_name(staff):
    mixed = staff.copy()
    mixed.loc[[1, 6], "d"] = 1 - mixed.loc[[1, 6], "d"]
    mixed["block"] = np.where(mixed.index == 10, 2, 1)
    with pytest.raises(DesignError) as caught:
        effect(mixed, "worker", strata="block")
    assert "treatment differs between workers of 2 firms (2, 4)" in str(caught.value)
    assert "stratum differs between workers of 1 firms (5)" in str(caught.value)
    named = mixed.assign(firm=mixed["firm"].map(lambda j: f"Asha Tailoring {j}"))
    with pytest.raises(DesignError, match=r"2 firms \(id hidden, id hidden\)"):
        effect(named, "worker")


def test_clusters_below_or_across_firms_are_refused(staff):
    with pytest.raises(DesignError, match="finer than the firm"):
        effect(staff.assign(team=staff.index), "worker", cluster="team")
    with pytest.raises(DesignError, match=r"it cuts through \d firms \(2, 3"):
        effect(staff.assign(town=staff.index % 4), "worker", cluster="town")
    with pytest.raises(DataError, match=r"1 firms have rows without it \(3\)"):
        effect(staff.assign(town=(staff["firm"] // 2).where(staff["firm"] != 3)), "worker", cluster="town")
    with pytest.raises(DesignError, match="both treated and comparison"):
        effect(staff.assign(town=(staff["firm"] + 1) // 2), "worker", cluster="town")
    with pytest.raises(DesignError, match="treats workers of one firm as independent"):
        effect(staff, "worker", vcov="HC2")
    with pytest.raises(DataError, match="no column 'firmm'"):
        effect(staff, "worker", firm="firmm")
    with pytest.raises(DesignError, match="two on each side"):
        effect(staff[staff["firm"].isin([1, 2, 3])], "firm")


def test_rows_left_out_are_in_the_ledger_and_a_missing_baseline_costs_none(many):
    frame = many.copy()
    frame.loc[1, "pay"] = np.nan
    frame.loc[2, "d"] = np.nan
    frame.loc[3, "pay_0"] = np.nan
    for weighting in ("worker", "firm"):
        e = effect(frame, weighting, outcome="pay", baseline="pay_0")
        assert {(d.reason, d.rows) for d in e.dropped} == {
            ("treatment_missing", (3,)), ("outcome_missing", (2,))}
        assert e.has_caveat("covariate_missing")
        assert e.n == len(many) - 2
    with pytest.raises(DataError, match=r"'firm'.*row 5"):
        effect(many.assign(firm=many["firm"].where(many.index != 4)), "worker", outcome="pay")


def test_unequal_firms_are_told(staff, many):
    frame = staff[staff["firm"].isin([1, 2, 3, 4])]
    worker, firm = effect(frame, "worker"), effect(frame, "firm")
    told = next(c for c in worker.caveats if c.code == "unequal_firms")
    assert dict(told.values) == {"share": pytest.approx(0.4), "firms": 4}
    assert "weighs heavily" in told.text
    assert "counts as one of 4 firms" in next(c for c in firm.caveats if c.code == "unequal_firms").text
    assert not effect(many, "worker", outcome="pay").has_caveat("unequal_firms")
    even = pd.DataFrame({"firm": np.repeat(range(6), 4), "d": np.repeat([1, 0], 12), "y": np.sin(np.arange(24))})
    assert not effect(even, "worker").has_caveat("unequal_firms")


def test_logs_are_taken_of_workers_not_of_firm_means(many):
    e = effect(many, "firm", outcome="pay", transform="log", baseline="pay_0")
    logs = many.assign(pay=np.log(many["pay"]), pay_0=np.log(many["pay_0"]))
    plain = effect(logs, "firm", outcome="pay", baseline="pay_0")
    assert e.estimate == pytest.approx(plain.estimate)
    assert e.effect_pct.value == pytest.approx(100 * np.expm1(e.estimate))
    assert e.comparison_mean == pytest.approx(np.exp(plain.comparison_mean))
    means = effect(logs, "firm", outcome="pay")
    assert effect(many, "firm", outcome="pay", transform="log").estimate == pytest.approx(means.estimate)


def test_a_yes_no_of_workers_moves_in_points(many):
    e = effect(many.assign(high=(many["pay"] > 140) * 1), "firm", outcome="high")
    assert e.transform == "share"
    assert e.effect_pct is None


@pytest.mark.parametrize("weighting", ["worker", "firm"])
def test_order_labels_and_units_do_not_matter(many, weighting):
    options = {"outcome": "pay", "baseline": "pay_0", "strata": "block"}
    e = effect(many, weighting, **options)
    other = many.sample(frac=1, random_state=1)
    other["firm"] = other["firm"].map({f: f"G{j}" for j, f in enumerate(sorted(many["firm"].unique(), reverse=True))})
    again = effect(other.assign(pay=other["pay"] * 10, pay_0=other["pay_0"] + 5), weighting, **options)
    assert (again.estimate, again.std_error) == pytest.approx((10 * e.estimate, 10 * e.std_error))
    assert (again.df, again.p_value) == pytest.approx((e.df, e.p_value))


def test_strata_with_different_shares_say_what_they_are(many):
    frame = many.assign(block=(many["town"] < 4) * 1)
    frame["d"] = np.where(frame["town"] < 4, (frame["town"] < 3) * 1, (frame["town"] < 7) * 1)
    assert effect(frame, "worker", outcome="pay", strata="block").has_caveat("overlap_weighted")


# ---- when the workforce changes: six firms, every row by hand

def rows_of(table):
    return pd.DataFrame(table, columns=["firm", "d", "worker", "round", "wage", "female"])


@pytest.fixture
def six():
    """Each firm has a (10, a woman) and b (20, a man) at baseline. T3a and C2b are not found; T2b and C3a work elsewhere;
    C3 closed, and C3b moved to C1."""
    start = [(f, int(f[0] == "T"), f"{f}{w}", 0, wage, female) for f in ("T1", "T2", "T3", "C1", "C2", "C3")
             for w, wage, female in (("a", 10, 1), ("b", 20, 0))]
    return rows_of([*start, ("T1", 1, "T1a", 1, 12, 1), ("T1", 1, "T1b", 1, 23, 0), ("T1", 1, "n1", 1, 8, 1),
                    ("T2", 1, "T2a", 1, 11, 1), (None, 1, "T2b", 1, 24, 0), ("T2", 1, "n2", 1, 6, 1),
                    ("T2", 1, "n3", 1, 9, 0), ("T3", 1, "T3b", 1, 22, 0),
                    ("C1", 0, "C1a", 1, 10, 1), ("C1", 0, "C1b", 1, 20, 0), ("C1", 0, "C3b", 1, 19, 0),
                    ("C2", 0, "C2a", 1, 11, 1), ("C2", 0, "m1", 1, 15, 0), ("X9", np.nan, "C3a", 1, 9, 1)])


def compose(frame, weighting="worker", **options):
    found = worker_composition(frame, **{"firm": "firm", "treatment": "d", "worker": "worker", "round": "round",
                                         "wage": "wage", "traits": ["female"]} | options, weighting=weighting)
    return {e.term: e for e in found}


HAND = {
    # 18.4 − 13.8 less the slope (138 + 114)/(120 + 120) = 1.05 times 16 − 14
    "incumbents": 18.4 - 13.8 - 1.05 * 2,
    # 17 − 41/3 less the slope (110 + 190/3)/(100 + 200/3) = 1.04 times 15 − 40/3
    "stayers": 17 - 41 / 3 - 1.04 * (15 - 40 / 3),
    "new_hires": (8 + 6 + 9) / 3 - (19 + 15) / 2,
    "wage_bill": (43 + 26 + 22) / 3 - (49 + 26 + 0) / 3,
    "employment": (3 + 3 + 1) / 3 - (3 + 2 + 0) / 3,
    "workforce_female": (2 / 3 + 2 / 3 + 0) / 3 - (1 / 3 + 1 / 2) / 2,
    "stayers_baseline": (15 + 10 + 20) / 3 - (15 + 10) / 2,
    "separation_rate": (0 + 0.5 + 0.5) / 3 - (0 + 0.5 + 1) / 3,
    "hiring_rate": (0.5 + 1 + 0) / 3 - (0.5 + 0.5 + 0) / 3,
    "endline_cross_section": 91 / 7 - 75 / 5,
}


def test_every_row_by_hand(six):
    rows = compose(six)
    assert list(rows) == list(HAND)
    for term, value in HAND.items():
        assert rows[term].estimate == pytest.approx(value, abs=1e-12), term
    assert len({e.id for e in rows.values()}) == len(HAND)
    head = dict(rows["incumbents"].details)
    assert dict(head["headcounts"])["treated"] == (
        ("incumbents", 6), ("stayers", 4), ("leavers_found", 1), ("leavers_not_found", 1), ("moved_within_study", 0),
        ("at_firms_not_found", 0), ("new_hires", 3), ("endline_without_id", 0))
    assert dict(head["headcounts"])["comparison"] == (
        ("incumbents", 6), ("stayers", 3), ("leavers_found", 2), ("leavers_not_found", 1), ("moved_within_study", 1),
        ("at_firms_not_found", 0), ("new_hires", 2), ("endline_without_id", 0))
    assert head["share_lost"] == (("treated", pytest.approx(1 / 6)), ("comparison", pytest.approx(1 / 6)))
    assert head["not_estimated"] == ()


def test_by_firm_only_the_rows_on_workers_change(six):
    worker, firm = compose(six), compose(six, "firm")
    assert firm["endline_cross_section"].estimate == pytest.approx((43 / 3 + 26 / 3 + 22) / 3 - (49 / 3 + 13) / 2)
    assert firm["new_hires"].estimate == pytest.approx((8 + 7.5) / 2 - (19 + 15) / 2)
    for term in HAND:
        if term not in ("incumbents", "stayers", "new_hires", "endline_cross_section"):
            assert firm[term].estimate == worker[term].estimate
            assert firm[term].n == worker[term].n <= 6


def test_each_row_says_what_it_may_be_read_as(six):
    rows = compose(six)
    assert rows["stayers"].has_caveat("selected_after_draw")
    assert rows["new_hires"].has_caveat("different_people")
    last = rows["endline_cross_section"]
    assert last.estimand == "endline cross-section"
    assert "'Wages fell' (or rose) may not be said" in next(c for c in last.caveats if c.code == "composition").text
    assert rows["incumbents"].estimand == rows["wage_bill"].estimand == "itt"
    assert not rows["incumbents"].has_caveat("composition")
    told = next(c for c in rows["incumbents"].caveats if c.code == "attrition")
    assert "2 of 12 workers" in told.text
    assert "bounds" not in told.text
    assert [(d.reason, d.rows) for d in rows["incumbents"].dropped] == [("not_interviewed", (5, 10))]
    assert [(d.reason, d.n_units) for d in rows["workforce_female"].dropped] == [("no_value", 1)]
    assert rows["separation_rate"].effect_pct is None
    assert rows["workforce_female"].transform == "share"
    for e in rows.values():
        assert e.question
        assert e.assumptions
        assert e.se_card.level == "firm"
        assert e.has_caveat("randomisation_inference") or e.p_value is None, e.term


def test_a_closed_firm_counts_as_zero_and_one_not_visited_is_left_out(six):
    told = next(c for c in compose(six)["wage_bill"].caveats if c.code == "counted_as_zero")
    assert dict(told.values) == {"treated": 0, "comparison": 1}
    assert "closed=" in told.text
    shut = compose(six.assign(closed=(six["firm"] == "C3") * 1), closed="closed")
    assert "closed=" not in next(c for c in shut["wage_bill"].caveats if c.code == "counted_as_zero").text
    for term, value in HAND.items():
        assert shut[term].estimate == pytest.approx(value, abs=1e-12), term
    away = compose(six.assign(closed=0), closed="closed")
    assert away["wage_bill"].estimate == pytest.approx(91 / 3 - 75 / 2)
    assert away["separation_rate"].estimate == pytest.approx(1 / 3 - 0.5 / 2)
    assert [(d.reason, d.n_units, d.rows) for d in away["employment"].dropped] == [("firm_not_found", 1, (11, 12))]
    assert away["incumbents"].estimate == pytest.approx(HAND["incumbents"])
    empty = compose(pd.concat([six.assign(closed=0), rows_of([("C3", 0, None, 1, np.nan, np.nan)])], ignore_index=True),
                    closed="closed")
    assert empty["wage_bill"].estimate == pytest.approx(HAND["wage_bill"])
    assert ("no_worker", (27,)) in [(d.reason, d.rows) for d in empty["endline_cross_section"].dropped]
    with pytest.raises(DataError, match=r"1 firms closed and have workers at endline \(C1\)"):
        compose(six.assign(closed=(six["firm"] == "C1") * 1), closed="closed")


def test_rows_that_cannot_be_linked_are_in_the_ledger(six):
    odd = pd.concat([six, rows_of([
        ("T1", 1, None, 1, 50, 1),          # a worker without an id: paid, and cannot be followed
        ("C1", 0, "m2", 1, np.nan, 0),      # a new worker whose wage is missing
        ("Z1", 1, "z", 1, 99, 0),           # a firm that was not there at baseline
        ("C1", 0, "late", 2, 70, 0),        # another round
        ("C1", 0, "never", np.nan, 70, 0),
        (None, 1, "lost", 0, 10, 1),        # a baseline worker of no known firm, now at T3
        ("T3", 1, "lost", 1, 40, 1),
        ("U1", np.nan, "u", 0, 10, 1), ("U1", np.nan, "u", 1, 10, 1)])], ignore_index=True)
    rows = compose(odd)
    base = {("round_missing", (31,)), ("other_round", (30,)), ("firm_missing", (32,)), ("not_in_study", (29,)),
            ("treatment_missing", (34, 35))}
    ledger = {term: {(d.reason, d.rows) for d in e.dropped} for term, e in rows.items()}
    assert all(base <= found for found in ledger.values())
    assert ledger["incumbents"] - base == {("not_interviewed", (5, 10))}
    assert ledger["new_hires"] - base == {("worker_missing", (27,)), ("wage_missing", (28,))}
    assert ledger["endline_cross_section"] - base == {("wage_missing", (28,))}
    assert rows["incumbents"].estimate == pytest.approx(HAND["incumbents"])
    assert rows["new_hires"].estimate == pytest.approx(HAND["new_hires"])
    assert rows["endline_cross_section"].estimate == pytest.approx((91 + 50 + 40) / 9 - 15)
    assert rows["employment"].estimate == pytest.approx((4 + 3 + 2) / 3 - (4 + 2 + 0) / 3)
    assert rows["wage_bill"].estimate == pytest.approx((93 + 26 + 62) / 3 - (4 * 49 / 3 + 26) / 3)
    assert dict(next(c for c in rows["wage_bill"].caveats if c.code == "wage_missing").values) == {"workers": 1}
    counts = dict(dict(rows["incumbents"].details)["headcounts"])
    assert dict(counts["treated"])["endline_without_id"] == 1


def test_doubled_workers_and_firms_with_two_treatments_are_refused_by_name(six):
    twice = pd.concat([six, six.iloc[[12]], rows_of([("C1", 0, "n2", 1, 5, 0)])], ignore_index=True)
    with pytest.raises(DataError) as caught:
        compose(twice)
    assert "1 workers stand in more than one row of one round (T1a in 1)" in str(caught.value)
    assert "1 workers stand at two firms of one round (n2 in 1)" in str(caught.value)
    mixed = six.copy()
    mixed.loc[0, "d"] = 0
    with pytest.raises(DesignError, match=r"1 firms \(T1\)"):
        compose(mixed)
    # the row of one who moved may carry the treatment of the firm left
    moved = six.copy()
    moved.loc[moved["worker"].eq("C3b") & moved["round"].eq(1), "d"] = 1
    assert compose(moved)["wage_bill"].estimate == pytest.approx(HAND["wage_bill"])
    with pytest.raises(DataError, match="no row has the value 2023"):
        compose(six, before=2023)
    with pytest.raises(DataError, match="same round"):
        compose(six, before=1)
    with pytest.raises(DesignError, match="different questions"):
        compose(six, None)


def test_a_row_that_cannot_be_estimated_is_told(six):
    rows = compose(six[six["worker"] != "n1"])
    assert "new_hires" not in rows
    told = dict(dict(rows["incumbents"].details)["not_estimated"])
    assert "1 treated and 2 comparison" in told["new_hires"]
    assert rows["incumbents"].has_caveat("not_estimated")


def test_where_nothing_changes_there_is_nothing_to_doubt(six):
    start = six[six["round"] == 0]
    rows = compose(pd.concat([start, start.assign(round=1)], ignore_index=True))
    told = dict(dict(rows["incumbents"].details)["not_estimated"])
    assert told["separation_rate"] == "it is 0 for every firm"
    assert told["employment"] == "it is 2 for every firm"
    assert rows["stayers"].estimate == pytest.approx(0, abs=1e-9)
    assert rows["incumbents"].std_error is rows["incumbents"].p_value is None
    level = pd.DataFrame({"firm": np.repeat(range(6), 3), "d": np.repeat([1, 0], 9), "y": 5.0, "x": np.arange(18) % 5})
    for weighting in ("worker", "firm"):
        e = effect(level, weighting, covariates=["x"])
        assert e.estimate == pytest.approx(0, abs=1e-12)
        assert "std_error" in dict(e.reasons)


def test_messages_do_not_number_the_rows_laid_out_inside(six):
    blocks = six.assign(block=six["firm"].map({"T1": "A", "T2": "A", "C1": "A", "T3": "B", "C2": "B", "C3": "B"}))
    head = compose(blocks, strata="block")["incumbents"]
    told = dict(dict(head.details)["not_estimated"])
    assert "stratum B has 1 comparison" in told["new_hires"]
    assert "row" not in told["new_hires"]
    lost = blocks[~((blocks["round"] == 1) & blocks["worker"].isin(["T3b"]))]
    with pytest.raises(DesignError, match="stratum B has 2 comparison") as caught:
        compose(lost, strata="block")
    assert "(row" not in str(caught.value)


def test_columns_of_categories_are_read_like_text(six):
    texts = compose(six)
    for term, e in compose(six.astype({"firm": "category", "worker": "category"})).items():
        assert e.estimate == pytest.approx(texts[term].estimate), term


def test_half_a_pair_that_is_lost_takes_the_other_along_and_is_in_the_ledger(six):
    pairs = six.assign(pair=six["firm"].str[1], closed=0)
    pairs.loc[pairs["firm"] == "X9", "pair"] = None
    rows = compose(pairs, strata="pair", closed="closed", weighting="firm")
    assert rows["employment"].estimate == pytest.approx((3 + 3) / 2 - (3 + 2) / 2)
    reasons = {d.reason: d.rows for d in rows["employment"].dropped}
    assert reasons == {"firm_not_found": (11, 12), "partner_missing": (5, 6, 20)}


def test_losses_that_differ_call_for_bounds(six):
    fewer = six[~((six["worker"] == "C1a") & (six["round"] == 1))]
    told = next(c for c in compose(fewer)["incumbents"].caveats if c.code == "attrition")
    assert "17% of those at offered firms, 33% of the others; the two differ" in told.text


# ---- when the workforce changes: a made-up world whose truth is known

def world(seed=1, firms=60, traits=True):
    """Everybody's pay rises by exactly 1 at offered firms, which hire the low-paid; some of both leave."""
    rng = np.random.default_rng(seed)
    offered = np.isin(np.arange(firms), rng.permutation(firms)[:firms // 2]) * 1
    table = []
    for j in range(firms):
        own, d = rng.normal(0, 2), offered[j]
        for i in range(rng.integers(4, 12)):
            pay = 30 + own + rng.normal(0, 3)
            later = pay + d + rng.normal(0, 0.5)
            left, found = rng.random() < 0.2, rng.random() < 0.9
            table.append((f"F{j}", d, f"F{j}w{i}", 0, pay, rng.random() < 0.4))
            if found:
                table.append((None if left else f"F{j}", d, f"F{j}w{i}", 1, later, rng.random() < 0.4))
        for i in range(rng.integers(1, 3) + 4 * d):
            low = 15 if d else 30
            table.append((f"F{j}", d, f"F{j}n{i}", 1, low + own + d + rng.normal(0, 3), rng.random() < (0.8 if d else 0.4)))
    return rows_of(table).astype({"female": float})


@pytest.mark.parametrize("weighting", ["worker", "firm"])
def test_the_cross_section_falls_though_everyone_gains(weighting):
    rows = compose(world(), weighting)
    for term in ("incumbents", "stayers"):
        assert rows[term].conf_low < 1 < rows[term].conf_high
        assert rows[term].estimate == pytest.approx(1, abs=0.25)  # the truth, within sampling error
    assert rows["endline_cross_section"].conf_high < -2
    assert rows["new_hires"].conf_high < -10
    assert rows["wage_bill"].conf_low > 0
    assert rows["employment"].outcome == "employment of the firm"
    assert rows["employment"].conf_low < 4 < rows["employment"].conf_high
    assert rows["workforce_female"].conf_low > 0
    assert rows["hiring_rate"].conf_low > 0
    assert rows["separation_rate"].conf_low < 0 < rows["separation_rate"].conf_high
    assert not rows["incumbents"].has_caveat("randomisation_inference")


def test_identities_of_firms():
    frame = world()
    rows = compose(frame)
    now = frame[(frame["round"] == 1) & frame["firm"].notna()]
    firms = now.groupby("firm").agg(d=("d", "first"), bill=("wage", "sum"), heads=("wage", "size"), mean=("wage", "mean"))
    before = frame[frame["round"] == 0].groupby("firm")["wage"].agg(["sum", "size"])
    firms = firms.join(before).reset_index()
    assert firms["bill"].to_numpy() == pytest.approx((firms["heads"] * firms["mean"]).to_numpy())
    for term, y, x in (("wage_bill", "bill", "sum"), ("employment", "heads", "size")):
        plain = ancova(firms, outcome=y, treatment="d", baseline=x)
        assert (rows[term].estimate, rows[term].std_error, rows[term].df) == pytest.approx(
            (plain.estimate, plain.std_error, plain.df)), term
    counts = dict(dict(rows["incumbents"].details)["headcounts"])
    for arm, d in (("treated", 1), ("comparison", 0)):
        here = dict(counts[arm])
        assert here["incumbents"] == here["stayers"] + here["leavers_found"] + here["leavers_not_found"]
        assert here["stayers"] + here["new_hires"] == int(firms.loc[firms["d"] == d, "heads"].sum())


def test_same_rows_in_another_order_same_numbers(six):
    one, two = compose(six), compose(six.sample(frac=1, random_state=3))
    for term, e in one.items():
        assert two[term].estimate == pytest.approx(e.estimate)
        assert two[term].p_value == e.p_value
    again = compose(six.assign(firm=six["firm"].map({f: f"{j}" for j, f in enumerate(six["firm"].dropna().unique())})))
    assert again["wage_bill"].estimate == pytest.approx(one["wage_bill"].estimate)


def test_strata_and_a_higher_cluster_reach_every_row(six):
    frame = world(firms=64)
    number = frame["firm"].str[1:].astype(float)
    frame = frame.assign(block=number % 2)
    plain, blocked = compose(frame), compose(frame, strata="block")
    assert plain["employment"].estimate != blocked["employment"].estimate
    frame["town"] = frame["d"] * 100 + number % 12
    towns = compose(frame, cluster="town")
    assert all(e.se_card.level == "town" and e.n_clusters <= 24 for e in towns.values())
    with pytest.raises(DesignError, match="cuts through"):
        compose(frame.assign(town=np.arange(len(frame)) % 3), cluster="town")


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["worker", "firm"])
def test_intervals_cover_the_declared_question(weighting):
    # 30 firms, effects that grow with size: nominal 0.95; 500 worlds give a Monte-Carlo error of 0.010
    rng = np.random.default_rng(11)
    size = np.array([2, 3, 5, 8, 12] * 6)
    firm = np.repeat(np.arange(30), size)
    truth = (size**2).sum() / size.sum() if weighting == "worker" else size.mean()
    inside = 0
    for _ in range(500):
        d = np.isin(np.arange(30), rng.permutation(30)[:15])
        x = rng.normal(size=len(firm))
        y = 20 + x + rng.normal(0, 2, 30)[firm] + rng.normal(size=len(firm)) + (d * size)[firm]
        frame = pd.DataFrame({"firm": firm, "d": d[firm] * 1, "x": x, "y": y})
        e = effect(frame, weighting, covariates=["x"], vcov="CR2")
        inside += e.conf_low < truth < e.conf_high
    assert 0.92 <= inside / 500 <= 0.99


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_nullable_columns_compose_the_same_workforce(six, backend):
    if backend == "pyarrow":
        pytest.importorskip("pyarrow")
    known = six.assign(firm=six["firm"].map({f: i for i, f in enumerate(sorted(six["firm"].dropna().unique()))}),
                       worker=six["worker"].factorize()[0])
    plain, other = compose(known), compose(known.convert_dtypes(dtype_backend=backend))
    assert other.keys() == plain.keys()
    for term, row in plain.items():
        assert (other[term].estimate, other[term].n) == (pytest.approx(row.estimate), row.n)
    gap = known.convert_dtypes(dtype_backend=backend)
    gap.loc[len(gap)] = [pd.NA, pd.NA, 99, pd.NA, 5, 1]
    assert compose(gap)["incumbents"].estimate == pytest.approx(plain["incumbents"].estimate)

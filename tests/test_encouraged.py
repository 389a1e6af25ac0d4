"""Encouragement designs: three numbers on the same units, by hand, against ols, late, linearmodels and stored R output."""

import numpy as np
import pandas as pd
import pytest

from impact.errors import DataError, DesignError
from impact.rct import late, ols
from impact.rct.encouraged import encouragement


@pytest.fixture
def trial():
    rng = np.random.default_rng(3)
    n = 600
    frame = pd.DataFrame({"invited": np.arange(n) % 2, "size": rng.normal(size=n), "town": np.arange(n) // 12})
    kind = rng.choice(["complier", "never", "always"], size=n, p=[0.5, 0.3, 0.2])
    frame["took"] = np.where(kind == "always", 1, np.where(kind == "never", 0, frame["invited"]))
    frame["profit"] = 10 + 2 * frame["took"] + 3 * (kind == "always") + frame["size"] + rng.normal(size=n)
    return frame


def run(frame, **options):
    return encouragement(frame, outcome="profit", encouragement="invited", takeup="took", **options)


def test_by_hand():
    # invited: 3 of 4 take part, mean outcome 5; not invited: 1 of 4, mean 3: (5 − 3)/(3/4 − 1/4) = 4
    frame = pd.DataFrame({"invited": [1, 1, 1, 1, 0, 0, 0, 0], "took": [1, 1, 1, 0, 1, 0, 0, 0],
                          "profit": [8.0, 6.0, 4.0, 2.0, 6.0, 3.0, 2.0, 1.0]})
    complier, first, itt = run(frame)
    assert (complier.estimate, first.estimate, itt.estimate) == (pytest.approx(4), pytest.approx(0.5), pytest.approx(2))
    # variances of take-up 1/4 each over 4: F = 0.25/(1/16 + 1/16) = 2
    assert dict(first.details)["first_stage_f"] == pytest.approx(2)
    assert complier.has_caveat("weak_encouragement")


@pytest.mark.parametrize("options", [{}, {"covariates": ["size"]}, {"covariates": ["size"], "vcov": "HC1"}])
def test_the_rows_are_late_and_ols(trial, options):
    rows = run(trial, **options)
    parts = (late(trial, outcome="profit", treatment="invited", takeup="took", **options),
             ols(trial, outcome="took", treatment="invited", **options),
             ols(trial, outcome="profit", treatment="invited", **options))
    for row, part in zip(rows, parts, strict=True):
        for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "n", "n_treated", "vcov"):
            assert getattr(row, name) == getattr(part, name), name
    assert rows[0].estimate == pytest.approx(rows[2].estimate / rows[1].estimate)
    assert [r.id for r in rows] == ["profit/encouragement/complier", "profit/encouragement/takeup",
                                    "profit/encouragement/itt"]
    assert [r.estimand for r in rows] == ["late", "first_stage", "itt"]
    assert rows[1].transform == "share"
    assert any("exclusion" in a for a in rows.headline.assumptions)
    assert any("monotonicity" in a for a in rows.headline.assumptions)
    assert not any("exclusion" in a for a in rows[2].assumptions)


def test_the_three_rows_speak_of_the_same_units_and_lose_none_unsaid(trial):
    holes = trial.astype({"took": float})
    holes.loc[[0, 5], "profit"] = np.nan
    holes.loc[[7], "took"] = np.nan
    holes.loc[[9, 11], "size"] = np.nan
    rows = run(holes, covariates=["size"])
    assert {r.n for r in rows} == {len(trial) - 3}
    assert all(sorted(x for d in r.dropped for x in d.rows) == [1, 6, 8] for r in rows)
    assert rows[0].estimate == pytest.approx(rows[2].estimate / rows[1].estimate)


def test_a_pair_that_lost_a_half_is_left_out_of_all_three(trial):
    paired = trial.assign(pair=np.arange(len(trial)) // 2, took=trial["took"].astype(bool))
    paired.loc[4, "profit"] = np.nan
    rows = run(paired, strata="pair", vcov="HC1")
    assert {r.n for r in rows} == {len(trial) - 2}
    assert [d.reason for d in rows[2].dropped] == ["outcome_missing", "partner_missing"]
    assert rows[0].estimate == pytest.approx(rows[2].estimate / rows[1].estimate)


def test_strength_decides_the_caveat(trial):
    assert not run(trial).headline.has_caveat("weak_encouragement")
    rng = np.random.default_rng(2)
    for share, weak in ((0.12, True), (0.05, True)):
        took = np.where(rng.random(len(trial)) < share, trial["invited"], np.arange(len(trial)) // 2 % 2)
        rows = run(trial.assign(took=took))
        f = dict(rows[1].details)["first_stage_f"]
        assert (f < 23.1) == weak
        assert rows.headline.has_caveat("weak_encouragement") == weak
        assert rows[1].has_caveat("weak_encouragement")
        assert not rows[2].has_caveat("weak_encouragement")
        assert rows.headline.has_caveat("weak_instrument") == (f < 10)


def test_f_is_the_robust_f_of_linearmodels(trial):
    iv = pytest.importorskip("linearmodels.iv")
    x = pd.DataFrame({"one": 1.0, "size": trial["size"]})
    fit = iv.IV2SLS(trial["profit"], x, trial["took"], trial["invited"]).fit(cov_type="robust", debiased=True)
    rows = run(trial, covariates=["size"], vcov="HC1")
    assert rows.headline.std_error == pytest.approx(fit.std_errors["took"])
    assert dict(rows[1].details)["first_stage_f"] == pytest.approx(
        fit.first_stage.individual["took"].tstats["invited"] ** 2)


# rct_college_iv_classical and rct_college_iv_hc2 (R estimatr 1.0.0 iv_robust); schooling is an amount
STORED = {"classical": (0.124164241344779, 0.0499558031916827, 0.0262130949112514, 0.222115387778306),
          "HC2": (0.124164241344779, 0.0492278302789062, 0.0276404722492837, 0.220688010440273)}


@pytest.mark.parametrize("vcov", STORED)
def test_college_gives_the_stored_numbers(vcov):
    data = pytest.importorskip("causaldata").close_college.load_pandas().data.reset_index(drop=True)
    others = ["exper", "black", "south", "married", "smsa"]
    data = data.dropna(subset=["lwage", "educ", "nearc4", *others])
    rows = encouragement(data, outcome="lwage", encouragement="nearc4", takeup="educ", covariates=others, vcov=vcov)
    e = rows.headline
    assert (e.estimate, e.std_error, e.conf_low, e.conf_high) == tuple(pytest.approx(x, rel=1e-6) for x in STORED[vcov])
    assert rows[1].term == "effect on amount"
    assert rows[1].transform == "none"


def test_clusters_are_kept(trial):
    data = trial.assign(invited=trial["town"] % 2)
    rng = np.random.default_rng(1)
    data["took"] = np.where(rng.random(len(data)) < 0.7, data["invited"], 0)
    rows = run(data, cluster="town")
    assert {r.n_clusters for r in rows} == {50}
    assert {r.se_card.level for r in rows} == {"town"}


def test_row_order_labels_and_scale_change_nothing(trial):
    e = run(trial, covariates=["size"]).headline
    mixed = run(trial.sample(frac=1, random_state=1), covariates=["size"]).headline
    scaled = run(trial.assign(profit=trial["profit"] * 1000), covariates=["size"]).headline
    assert (mixed.estimate, mixed.std_error) == (pytest.approx(e.estimate), pytest.approx(e.std_error))
    assert (scaled.estimate, scaled.std_error) == (pytest.approx(1000 * e.estimate), pytest.approx(1000 * e.std_error))


def test_what_cannot_be_used_is_refused_by_its_name(trial):
    with pytest.raises(DataError, match="encouragement: the data have no column 'invite'"):
        encouragement(trial, outcome="profit", encouragement="invite", takeup="took")
    with pytest.raises(DataError, match="other than 0 and 1"):
        run(trial.assign(invited=trial["town"]))
    with pytest.raises(DesignError, match="moved nobody"):
        run(trial.assign(took=np.arange(len(trial)) // 2 % 2))
    with pytest.raises(TypeError, match="unexpected keyword"):
        run(trial, treatment="invited")

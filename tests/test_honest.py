"""When trends may part: the intervals of Rambachan & Roth, the breakdown value, and drift that goes unseen."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from support_shared import shared

from impact.did.fragility import hidden_drift, sensitivity
from impact.did.group_time import group_time_att
from impact.did.honest import (
    EventPath,
    _corners,
    critical_value,
    detectable_slope,
    relative_magnitudes_set,
    smoothness_set,
)
from impact.errors import DesignError
from impact.results import Caveat, Estimate, Estimates

# cases bounds_honestdid_rm and bounds_honestdid_flci: R HonestDiD 0.2.6, Benzarti & Carloni, first later period
RELATIVE = [(0.5, 0.118, 0.271), (1.0, 0.067, 0.318), (1.5, 0.013, 0.37), (2.0, -0.042, 0.424)]
SMOOTH = [(0.0, 0.131411315971182, 0.216169648216959), (0.01, 0.154965267080778, 0.270384530326524),
          (0.02, 0.17730108790011, 0.315956468194738), (0.03, 0.189404464434399, 0.348547750039193),
          (0.04, 0.179441807763583, 0.358510406710009), (0.05, 0.169444000142493, 0.368508214331099)]


@pytest.fixture(scope="module")
def restaurants() -> EventPath:
    table = shared("honestdid_bc_beta")
    return EventPath(before=table.loc[table.period == "pre", "beta"].to_numpy(),
                     after=table.loc[table.period == "post", "beta"].to_numpy(),
                     covariance=shared("honestdid_bc_sigma").to_numpy(), weights=np.eye(4)[0])


def path(before, after, sd=1.0, weights=None) -> EventPath:
    n = len(before) + len(after)
    return EventPath(before=np.array(before, float), after=np.array(after, float), covariance=sd**2 * np.eye(n),
                     weights=np.eye(len(after))[0] if weights is None else np.array(weights, float))


@pytest.mark.parametrize(("bound", "low", "high"), RELATIVE)
def test_relative_magnitudes_as_honestdid(restaurants, bound, low, high):
    # bound of the case: the package simulates its critical values and searches a grid
    assert relative_magnitudes_set(restaurants, bound) == pytest.approx((low, high), abs=0.004)


@pytest.mark.parametrize(("bound", "low", "high"), SMOOTH)
def test_smoothness_as_honestdid(restaurants, bound, low, high):
    """Bound of the case: 0.001, because the package simulates the quantile of |N(b, 1)| that is exact here."""
    assert smoothness_set(restaurants, bound) == pytest.approx((low, high), abs=0.001)


def test_the_original_interval(restaurants):
    reach = stats.norm.ppf(0.975) * restaurants.std_error
    assert (restaurants.estimate - reach, restaurants.estimate + reach) == pytest.approx(
        (0.158774942807651, 0.233147292681241))


def test_the_shortest_interval_is_found(restaurants):
    """A direct search over the free weights, from many starts, finds nothing shorter."""
    t, bends = np.arange(-4, 0), np.array([np.maximum(s - np.arange(-4, 0), 0) for s in range(-3, 0)])

    def half(z):
        v = np.append(z, 1 + z @ t[:-1])
        full = np.concatenate([v, restaurants.weights])
        sd = np.sqrt(full @ restaurants.covariance @ full)
        return sd * critical_value(0.02 * (1 + np.abs(bends @ v).sum()) / sd, 0.05)

    best = min(optimize.minimize(half, np.random.default_rng(s).normal(0, 0.5, 3), method="Nelder-Mead",
                                 options={"maxiter": 5000, "xatol": 1e-9, "fatol": 1e-12}).fun for s in range(10))
    low, high = smoothness_set(restaurants, 0.02)
    assert (high - low) / 2 == pytest.approx(best, rel=1e-6)


def test_a_straight_line_is_undone_by_hand():
    """One earlier coefficient of −2 (two lower a period) and a first effect of 5: the line explains 2 of it."""
    low, high = smoothness_set(path([-2.0], [5.0], sd=0.1), 0.0)
    assert (low + high) / 2 == pytest.approx(3.0)  # 5 − 2
    assert (high - low) / 2 == pytest.approx(stats.norm.ppf(0.975) * 0.1 * np.sqrt(2), rel=1e-6)


def test_relative_magnitudes_without_noise_is_the_identified_set():
    """Earlier changes of 1 and −3 (to the reference at 0): the largest is 3, so the effect of 10 may be off by 3·bound."""
    low, high = relative_magnitudes_set(path([2.0, 3.0], [10.0], sd=1e-4), 0.5)
    assert (low, high) == pytest.approx((10 - 1.5, 10 + 1.5), abs=1e-3)  # 1.96 errors of 1e-4


def test_corners_meet_their_constraints_and_give_the_maximum_of_the_linear_programme():
    rng = np.random.default_rng(2)
    nuisance, size = rng.normal(size=(8, 3)), rng.uniform(0.5, 2, 8)
    nuisance = np.vstack([nuisance[:4], -nuisance[:4]])
    corners = _corners(nuisance, size)
    assert corners.min() >= 0
    assert corners @ nuisance == pytest.approx(0, abs=1e-9)
    assert corners @ size == pytest.approx(1)
    y = rng.normal(size=8)
    primal = optimize.linprog(np.r_[1.0, np.zeros(3)], A_ub=-np.column_stack([size, nuisance]), b_ub=-y,
                              bounds=[(None, None)] * 4)
    assert (corners @ y).max() == pytest.approx(primal.fun)


def test_folded_normal_quantiles_by_hand():
    assert critical_value(0.0, 0.05) == pytest.approx(stats.norm.ppf(0.975))
    c = critical_value(1.3, 0.1)
    assert stats.norm.cdf(c - 1.3) - stats.norm.cdf(-c - 1.3) == pytest.approx(0.9)


def test_detectable_slope_by_hand_with_one_coefficient():
    """One coefficient at −1 with sd 0.5: |N(2γ, 1)| > 1.96 with chance 0.8."""
    slope = detectable_slope(np.array([[0.25]]), np.array([-1.0]))
    exact = optimize.brentq(lambda g: stats.norm.sf(1.959964 - 2 * g) + stats.norm.cdf(-1.959964 - 2 * g) - 0.8, 0, 5)
    assert slope == pytest.approx(exact, abs=0.02)  # 10,000 fixed draws


def test_wider_bounds_never_give_shorter_sets(restaurants):
    for make, bounds in ((relative_magnitudes_set, (0.0, 0.3, 0.9, 1.7)), (smoothness_set, (0.0, 0.02, 0.06, 0.2))):
        lengths = [high - low for low, high in (make(restaurants, b) for b in bounds)]
        assert all(a <= b + 1e-4 for a, b in itertools.pairwise(lengths))


def test_rescaled_outcomes_rescale_the_sets(restaurants):
    large = EventPath(before=130 * restaurants.before, after=130 * restaurants.after,
                      covariance=130**2 * restaurants.covariance, weights=restaurants.weights)
    assert np.array(relative_magnitudes_set(large, 1.0)) / 130 == pytest.approx(relative_magnitudes_set(restaurants, 1.0),
                                                                                  abs=1e-6)
    assert np.array(smoothness_set(large, 2.6)) / 130 == pytest.approx(smoothness_set(restaurants, 0.02), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("bound", [0.5, 1.0])
def test_the_set_covers_when_the_deviation_is_as_large_as_allowed(bound):
    """The largest earlier change is 1; the later deviation is the bound times it: 1,000 draws, sd of a coefficient 0.5."""
    held = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        before = np.array([-1.0, 0.0, 0.0]) + rng.normal(0, 0.5, 3)
        after = np.array([2.0 + bound, 2.0]) + rng.normal(0, 0.5, 2)
        low, high = relative_magnitudes_set(path(before, after, sd=0.5), bound, precision=0.02)
        held += (low is None or low <= 2.0) and (high is None or high >= 2.0)
    assert held / 1000 >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 1000)


class Fixed:
    """Effects by horizon with a covariance, as an estimator gives them."""

    def __init__(self, before, after, sd=0.5, varying=False):
        self.values = [*before, 0.0, *after]
        self.start = -len(before) - 1
        self.sd, self.varying = sd, varying

    def aggregate(self, kind):
        rows = [Estimate(id="y/e", outcome="y", method="group_time_att", estimand="att", estimate=float(np.mean(
            self.values[-self.start:])), conf_level=0.95, n=10, vcov="influence")]
        rows += [Estimate(id=f"y/e/{i}", outcome="y", method="group_time_att", estimand="att", estimate=v, conf_level=0.95,
                          n=10, vcov="influence", horizon=str(self.start + i)) for i, v in enumerate(self.values)]
        return Estimates(rows=tuple(rows))

    def covariance(self, kind):
        out = self.sd**2 * np.eye(len(self.values))
        if not self.varying:
            out[-self.start - 1, -self.start - 1] = 0
        return out


def test_a_firm_result_and_a_fragile_one_in_words():
    firm = sensitivity(Fixed([0.1, -0.1, 0.05], [9.0, 9.5], sd=0.1))
    assert firm.check.verdict == "pass"
    assert firm.breakdown is None
    assert "The sign stands even if" in firm.check.reason
    fragile = sensitivity(Fixed([1.0, -1.0, 1.0], [2.0, 2.5], sd=0.3))
    assert fragile.check.verdict == "concern"
    assert 0 <= fragile.breakdown < 1
    assert f"no more than {fragile.breakdown:g} times" in fragile.check.reason or fragile.breakdown == 0
    assert [row.term for row in fragile][:2] == ["parallel trends", "later deviations at most 0.5 times the largest before"]
    assert fragile[1].interval[0].low < fragile[0].interval[0].low


def test_no_conclusion_cannot_fall():
    made = sensitivity(Fixed([0.1, -0.1], [0.2], sd=0.5))
    assert (made.check.verdict, made.breakdown) == ("not_applicable", 0.0)


def test_smoothness_counts_in_standard_errors():
    made = sensitivity(Fixed([0.1, 0.0], [5.0], sd=0.2), kind="smoothness", parameter="first", bounds=[1.0])
    again = smoothness_set(path([0.1, 0.0], [5.0], sd=0.2), 0.2)
    assert (made[1].conf_low, made[1].conf_high) == pytest.approx(again)


@pytest.mark.parametrize(("effects", "words"), [
    (Fixed([0.1], [1.0]), "2 periods before treatment, and three"),
    (Fixed([0.1, 0.2], [1.0], varying=True), "base_period='universal'"),
    (Fixed([0.1, 0.2], [1.0] * 11), "at most 7")])
def test_what_cannot_be_examined_is_said(effects, words):
    with pytest.raises(DesignError) as error:
        sensitivity(effects)
    assert words in str(error.value)


def test_unknown_kinds_are_errors():
    with pytest.raises(ValueError, match="relative_magnitudes, smoothness"):
        sensitivity(Fixed([0.1, 0.2], [1.0]), kind="sd")
    with pytest.raises(ValueError, match="first, average"):
        sensitivity(Fixed([0.1, 0.2], [1.0]), parameter="last")


def test_hidden_drift_says_what_earlier_periods_rule_out():
    check = hidden_drift(Fixed([0.0, 0.0], [0.3], sd=0.5))
    assert check.verdict == "concern"  # a drift that would go unseen is larger than the effect
    assert check.measured == pytest.approx(detectable_slope(0.25 * np.eye(2), np.array([-2.0, -1.0])))
    assert hidden_drift(Fixed([0.0, 0.0], [9.0], sd=0.1)).verdict == "pass"


@pytest.mark.parametrize("power", [0, 1, 1.5, 80, "high"])
def test_a_power_that_is_no_chance_is_refused(power):
    with pytest.raises(ValueError, match="power is a chance"):
        hidden_drift(Fixed([0.0, 0.0], [0.3]), power=power)


@pytest.mark.parametrize("look", [sensitivity, hidden_drift])
@pytest.mark.parametrize("level", [0, 1, 95, "high"])
def test_a_level_that_is_no_share_is_refused(look, level):
    with pytest.raises(ValueError, match="conf_level is a share"):
        look(Fixed([0.0, 0.0], [0.3]), conf_level=level)


def test_hidden_drift_names_its_test_and_few_units():
    class Few(Fixed):
        def aggregate(self, kind):
            table = super().aggregate(kind)
            head = table.headline.with_caveats(Caveat(code="small_cohorts", text="", values=()))
            return Estimates(rows=(head, *table.rows[1:]))

    many, few = hidden_drift(Fixed([0.0, 0.0], [0.3])), hidden_drift(Few([0.0, 0.0], [0.3]))
    assert "at least one of the 2 earlier differences clear of zero (at 5%, each on its own)" in many.reason
    assert "could have stayed hidden" not in many.reason
    assert "a larger drift than this could have stayed hidden" in few.reason


def test_the_first_period_has_its_own_words_and_per_cent():
    rng = np.random.default_rng(3)
    data = pd.DataFrame([{"firm": i, "t": t, "first": (5.0, np.nan)[i % 2], "y": 10 + 5 * (t - 5) * (t > 5) + 3.0 * (
        t >= 5 and i % 2 == 0) + rng.normal(0, 0.3)} for i in range(60) for t in range(1, 9)])
    effects = group_time_att(data, outcome="y", unit="firm", time="t", first_treated="first", base_period="universal")
    first, average = (sensitivity(effects, parameter=p, bounds=[1.0]) for p in ("first", "average"))
    own = next(row for row in effects.aggregate("dynamic").rows[1:] if row.horizon == "0")
    assert first.headline.question == own.question
    assert first.headline.effect_pct.base == pytest.approx(own.effect_pct.base)  # 10, where later periods stand at 25
    assert first[1].effect_pct.base == pytest.approx(own.effect_pct.base)
    assert average.headline.effect_pct.base > 1.5 * own.effect_pct.base
    assert [c.code for c in first.headline.caveats] == [c.code for c in average.headline.caveats]

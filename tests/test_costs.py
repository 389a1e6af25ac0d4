"""Value for money, worked by hand: prices of one year, one denominator, and sets where an effect may be zero."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from support_records import STUDY, estimate, sample_evaluation

from impact.brief import compose
from impact.brief.claims import examine
from impact.brief.page import present
from impact.brief.theme import LADDER
from impact.costs import lasting, on_the_effects_denominator, payback, unit_cost, value_for_money
from impact.errors import StudyError
from impact.results import Caveat, Segment
from impact.results.reading import read_results
from impact.results.record import evaluation_to_json
from impact.study import study_from_mapping
from impact.study.costs import Return

WEEKLY = {"outcome": "profit", "counts": "income", "period": "week", "horizon": 104, "fading": 0}
PROFIT = {"name": "profit", "column": "profit", "label": "Profit", "unit": "USD a week", "role": "primary",
          "better": "higher"}


def declared(**costs):
    """A trial with costs of 200 dollars for each firm offered."""
    known = {"currency": "USD", "price_year": 2024, "per": "offered", "participants": 50,
             "lines": [{"item": "Grants", "amount": 10_000, "year": 2024}], "returns": [WEEKLY], **costs}
    outcomes = [dict(PROFIT, name=r["outcome"], **r.pop("as", {})) for r in map(dict, known["returns"])] or [PROFIT]
    known["returns"] = [{k: v for k, v in r.items() if k != "as"} for r in known["returns"]]
    design = {"kind": "rct", "estimand": "itt", "unit": "firm", "treatment": "offered", "assigned_by": "firm"}
    return study_from_mapping({**STUDY, "outcomes": outcomes, "design": design, "results_chain": None, "costs": known,
                               "analysis": {"primary": {"method": "ols"}, "seed": 1},
                               "brief": {"date": "2026-11-21"}}, slug="s")


def found(study, effect, low, high, **changes):
    """The figures for an effect with an interval, by kind."""
    name = study.costs.returns[0].outcome
    row = estimate(name, effect, (high - low) / 2 / 2.006 if math.isfinite(high - low) else 1.0, role="primary",
                   **{"method": "ols", "estimand": "itt", "interval": (Segment(
                       low=low if math.isfinite(low) else None, high=high if math.isfinite(high) else None),), **changes})
    return {f.kind: f for f in value_for_money(study, (row,))}


def test_two_hundred_dollars_and_two_sixty_a_week_are_earned_back_in_seventy_seven_weeks():
    figures = found(declared(), 2.60, 1.0, 4.0)
    assert figures["cost_per_participant"].value == 200
    assert figures["payback"].value == pytest.approx(76.92307692307692)
    assert (figures["payback"].interval[0].low, figures["payback"].interval[0].high) == pytest.approx((50, 200))
    assert figures["cost_per_unit"].value == pytest.approx(200 / 2.6)
    ratio = figures["benefit_cost"]
    assert (ratio.value, ratio.interval[0].low, ratio.interval[0].high) == pytest.approx((1.352, 0.52, 2.08))
    assert figures["payback"].unit == "weeks"


def test_an_interval_that_holds_zero_gives_a_least_cost_and_no_upper_limit():
    figures = found(declared(), 1.0, -2.0, 4.0)
    for kind in ("cost_per_unit", "payback"):
        assert (figures[kind].state, figures[kind].value) == ("at_least", None)
        assert (figures[kind].interval[0].low, figures[kind].interval[0].high) == (pytest.approx(50), None)
    assert figures["benefit_cost"].interval[0].low == pytest.approx(-2 * 104 / 200)  # a ratio to the cost has both ends


def test_an_effect_on_the_other_side_of_zero_has_no_figure():
    figures = found(declared(), -3.0, -4.0, -1.0)
    assert {f.state for k, f in figures.items() if k != "cost_per_participant"} == {"no_figure"}
    lower = declared(returns=[{**WEEKLY, "counts": "unit", "as": {"better": "lower"}}])
    assert found(lower, -3.0, -4.0, -1.0)["cost_per_unit"].value == pytest.approx(200 / 3)


def test_an_open_end_stays_open():
    figures = found(declared(), 2.0, 1.0, math.inf)
    assert (figures["cost_per_unit"].interval[0].low, figures["cost_per_unit"].interval[0].high) == (0, 200)
    assert found(declared(), 2.0, -math.inf, 4.0)["cost_per_unit"].state == "at_least"


def test_fading_and_discount_are_those_of_a_sum_by_hand():
    kept = Return(outcome="profit", counts="income", period="month", horizon=24, fading=0.03, discount=0.1)
    month = 1.1 ** (1 / 12)
    by_hand = sum(0.97 ** (t - 1) / month**t for t in range(1, 25))
    assert lasting(24, kept) == pytest.approx(by_hand, rel=1e-12)
    assert payback(by_hand * 5, 5, kept) == pytest.approx(24, rel=1e-12)
    forever = 1 / (1 - 0.97 / month) / month  # what the whole future adds up to
    assert math.isinf(payback(forever * 5 * 1.0001, 5, kept))


def test_an_effect_that_fades_too_fast_is_never_earned_back():
    figures = found(declared(returns=[{**WEEKLY, "fading": 0.015}]), 2.6, 1.0, 4.0)
    assert figures["payback"].state == "at_least"  # at the lower end 67 dollars come back in all, not 200; at the upper 267
    assert figures["payback"].interval[0].low == pytest.approx(math.log(1 - 50 * 0.015) / math.log(0.985))
    assert figures["payback"].interval[0].high is None
    assert "at the lower end of its interval" in figures["payback"].reason
    none = found(declared(returns=[{**WEEKLY, "fading": 0.02}]), 2.6, 1.0, 4.0)["payback"]
    assert (none.state, none.interval) == ("never", ())  # at the upper end all the future adds up to 4 / 0.02


def test_an_effect_of_one_period_is_earned_back_in_it_or_never():
    once = Return(outcome="profit", counts="income", period="week", horizon=104, fading=1.0)
    assert lasting(104, once) == 1
    assert (payback(3.0, 4.0, once), payback(4.0, 4.0, once), payback(5.0, 4.0, once)) == (1.0, 1.0, math.inf)


def test_a_cost_of_nothing_is_set_against_nothing():
    figures = found(declared(lines=[{"item": "Free", "amount": 0, "year": 2024}]), 2.6, 1.0, 4.0)
    assert figures["cost_per_participant"].value == 0
    assert {f.state for k, f in figures.items() if k != "cost_per_participant"} == {"not_computed"}


@pytest.mark.parametrize(("ends", "state", "words"), [
    ((1.0, math.inf), "at_least", "at least 0.520; no upper limit"),
    ((-math.inf, 4.0), "at_most", "at most 2.08; no lower limit")])
def test_benefits_over_cost_have_the_ends_that_the_effect_has(ends, state, words):
    study = declared()
    figure = found(study, 2.6, *ends)["benefit_cost"]
    assert (figure.state, figure.value) == (state, None)
    assert words in told(study, (estimate("profit", 2.6, 1.0, role="primary", method="ols", estimand="itt", interval=(
        Segment(low=ends[0] if math.isfinite(ends[0]) else None, high=ends[1] if math.isfinite(ends[1]) else None),)),))


def test_an_open_interval_around_zero_says_nothing_of_a_cost():
    assert found(declared(), 2.0, -1.0, math.inf)["cost_per_unit"].state == "not_computed"


def told(study, rows):
    """What the brief says of costs, in small letters."""
    evaluation = replace(sample_evaluation("rct"), study=study, estimates=rows, flows=(), trends=(), checks=(),
                         money=value_for_money(study, rows))
    brief = compose(evaluation)
    assert examine(brief, evaluation) == ()  # what the tool writes passes its own check
    return [f["text"].replace("\u00a0", " ").lower() for f in present(brief, LADDER[0])["costs"]]


def test_lines_of_other_years_are_brought_to_the_price_year():
    study = declared(lines=[{"item": "a", "amount": 900, "year": 2022}, {"item": "b", "amount": 1100, "year": 2024}],
                     index=[{"year": 2022, "value": 90}, {"year": 2024, "value": 110}])
    assert unit_cost(study.costs).total == pytest.approx(900 * 110 / 90 + 1100)


@pytest.mark.parametrize(("per", "estimand", "take_up", "expected"), [
    ("offered", "itt", None, 200), ("taker", "itt", 0.4, 80), ("offered", "late", 0.4, 500), ("taker", "att", None, 200)])
def test_cost_and_effect_share_one_denominator(per, estimand, take_up, expected):
    plain = unit_cost(declared(per=per).costs)
    cost = on_the_effects_denominator(plain, per, estimand, take_up)
    assert cost.value == pytest.approx(expected)
    assert bool(cost.caveats) == (expected != 200)


def test_a_denominator_that_is_not_shared_is_said_and_nothing_is_computed():
    figures = found(declared(per="taker"), 2.6, 1.0, 4.0)
    assert figures["payback"].state == "not_computed"
    assert "take-up is not stated" in figures["payback"].reason
    assert found(declared(), 2.6, 1.0, 4.0, estimand="ate")["payback"].state == "not_computed"


def test_a_cost_that_was_sampled_has_fiellers_set():
    study = declared(standard_error=20.0, returns=[{**WEEKLY, "counts": "unit"}])
    figure = found(study, 4.0, 2.0, 6.0)["cost_per_unit"]
    critical, error = stats.t.ppf(0.975, 53), 2 / 2.006
    grid = np.linspace(1, 400, 400_000)  # steps of 0.001, hence the bound below
    inside = grid[(200 - 4 * grid) ** 2 <= critical**2 * (20**2 + grid**2 * error**2)]
    assert (figure.interval[0].low, figure.interval[0].high) == pytest.approx((inside[0], inside[-1]), abs=2e-3)
    assert figure.value == pytest.approx(50)


def test_benefits_over_a_sampled_cost_and_its_payback_have_fiellers_set_too():
    """Both ends solve Fieller's equation; without fading the time to earn back is the cost over the effect of a week."""
    study = declared(standard_error=20.0)
    figures = found(study, 4.0, 2.0, 6.0)
    critical, error = stats.t.ppf(0.975, 53), 2 / 2.006
    ratio = figures["benefit_cost"]
    assert (ratio.state, ratio.value) == ("bounded", pytest.approx(104 * 4 / 200))
    for end in (ratio.interval[0].low, ratio.interval[0].high):
        assert (416 - 200 * end) ** 2 == pytest.approx(critical**2 * (104**2 * error**2 + end**2 * 20**2))
    known = found(declared(), 4.0, 2.0, 6.0)["benefit_cost"].interval[0]
    assert ratio.interval[0].low < known.low < known.high < ratio.interval[0].high
    back, unit = figures["payback"], figures["cost_per_unit"]
    assert (back.state, back.value, back.interval) == ("bounded", pytest.approx(50), unit.interval)


def test_fading_carries_the_set_of_a_sampled_cost_over_to_time():
    study = declared(standard_error=20.0, returns=[{**WEEKLY, "fading": 0.015}])
    figures = found(study, 4.0, 2.0, 6.0)
    low, high = figures["cost_per_unit"].interval[0].low, figures["cost_per_unit"].interval[0].high
    assert high * 0.015 > 1  # what comes back in all is the effect over 0.015: at the lower end less than the cost
    assert (figures["payback"].state, figures["payback"].value) == ("at_least", None)
    assert figures["payback"].interval[0].low == pytest.approx(math.log(1 - low * 0.015) / math.log(0.985))
    never = declared(standard_error=20.0, returns=[{**WEEKLY, "fading": 0.2}])
    assert found(never, 4.0, 2.0, 6.0)["payback"].state == "never"


def test_a_cost_that_was_sampled_widens_every_figure_or_has_none():
    study = declared(standard_error=20.0)
    critical, error = stats.t.ppf(0.975, 53), 3 / 2.006
    unclear = found(study, 1.0, -2.0, 4.0)["cost_per_unit"]
    r = unclear.interval[0].low  # the end solves Fieller's equation with the cost's own variance
    assert unclear.state == "at_least"
    assert (200 - r) ** 2 == pytest.approx(critical**2 * (20**2 + r**2 * error**2))
    assert r < found(declared(), 1.0, -2.0, 4.0)["cost_per_unit"].interval[0].low
    vague = found(declared(standard_error=150.0), 4.0, 2.0, 6.0)["cost_per_unit"]
    assert (vague.state, vague.interval) == ("not_computed", ())
    assert found(declared(standard_error=0.0), 2.6, 1.0, 4.0)["payback"].value == pytest.approx(200 / 2.6)


def test_the_set_is_no_quantile_of_simulated_ratios():
    """With an effect near zero simulated ratios change sign: their quantiles would give a lower end below zero."""
    rng = np.random.default_rng(1)
    simulated = np.quantile(200 / rng.normal(1.0, 1.5, 100_000), [0.025, 0.975])
    figure = found(declared(), 1.0, 1.0 - 2.006 * 1.5, 1.0 + 2.006 * 1.5)["cost_per_unit"]
    assert simulated[0] < 0 < figure.interval[0].low
    assert figure.interval[0].high is None


@pytest.mark.parametrize("caveat", ["few_clusters", "low_df"])
def test_too_few_clusters_give_no_figure(caveat):
    figures = found(declared(), 2.6, 1.0, 4.0, caveats=(Caveat(code=caveat, text="Few."),))
    assert figures["payback"].state == "not_computed"


@pytest.mark.parametrize(("costs", "words"), [
    ({"lines": [{"item": "a", "amount": 1, "year": 2022}]}, "no price level of 2022, 2024"),
    ({"returns": [{"outcome": "profit", "counts": "income", "period": "week"}]}, "income needs 'horizon'"),
    ({"returns": [{"outcome": "profit", "counts": "unit", "worth": 2}]}, "'worth' belongs to income"),
    ({"returns": [{**WEEKLY, "as": {"transform": "log"}}]}, "another scale than its own unit"),
    ({"participants": 0}, "shared by nobody"),
    ({"per": None}, "'per' is empty")])
def test_what_does_not_fit_is_refused(costs, words):
    with pytest.raises(StudyError, match=words):
        declared(**costs)


def test_a_plain_total_of_several_years_says_that_it_is_one():
    study = declared(lines=[{"item": "a", "amount": 1, "year": 2022}, {"item": "b", "amount": 2, "year": 2024}], returns=[])
    evaluation = replace(sample_evaluation("rct"), study=study, flows=(), trends=(), checks=(), estimates=(
        estimate("profit", 1.0, 0.5, role="primary", method="ols", estimand="itt"),))
    evaluation = replace(evaluation, money=value_for_money(study, evaluation.estimates))
    assert "amounts of 2022, 2024 as they stand" in present(compose(evaluation), LADDER[0])["cost_note"]


def test_an_outcome_nobody_declared_is_refused():
    study = declared().declared
    twice = {**study, "costs": {**study["costs"], "returns": [WEEKLY, {"outcome": "profit", "counts": "unit"}]}}
    with pytest.raises(StudyError, match="'profit' is declared twice"):
        study_from_mapping(twice, slug="s")
    study = {**study, "costs": {**study["costs"], "returns": [{**WEEKLY, "outcome": "jobs"}]}}
    with pytest.raises(StudyError, match="'jobs' is not a declared outcome"):
        study_from_mapping(study, slug="s")


@pytest.mark.parametrize(("ends", "words"), [
    ((1.0, 4.0), ["76.9 weeks (50.0 to 200)", "1.35 (0.520 to 2.08)"]),
    ((-2.0, 4.0), ["at least USD 50.0; no upper limit", "at least 50.0 weeks; no upper limit"]),
    ((-4.0, -1.0), ["no figure: the interval lies on the other side of zero"])])
def test_the_brief_says_what_the_record_holds(ends, words, tmp_path):
    study = declared(left_out=["Firms' own time"], exchange={"currency": "EUR", "rate": 0.9, "date": "2024-12-31"})
    effect = 2.6 if ends[1] > 0 else -2.6
    row = estimate("profit", effect, 0.7, role="primary", method="ols", estimand="itt",
                   interval=(Segment(low=ends[0], high=ends[1]),))
    base = sample_evaluation("rct")
    evaluation = replace(base, study=study, estimates=(row,), flows=(), trends=(), checks=(),
                         money=value_for_money(study, (row,)))
    page = present(compose(evaluation), LADDER[0])
    told = [f["text"].replace("\u00a0", " ").lower() for f in page["costs"]]
    assert all(any(w.lower() in t for t in told) for w in words), told
    assert "Firms' own time" in page["cost_note"]
    assert "USD 1 = EUR 0.9 on 31 December 2024" in page["cost_note"].replace("\u00a0", " ")
    (tmp_path / "results.json").write_text(evaluation_to_json(evaluation), encoding="utf-8")
    assert evaluation_to_json(read_results(tmp_path)) == evaluation_to_json(evaluation)


def test_the_brief_says_how_a_cost_per_taker_came_to_the_offer_and_what_is_in_no_line():
    study = declared(per="taker", take_up=0.4)
    row = estimate("profit", 2.6, 0.7, role="primary", method="ols", estimand="itt", interval=(Segment(low=1.0, high=4.0),))
    evaluation = replace(sample_evaluation("rct"), study=study, estimates=(row,), flows=(), trends=(), checks=(),
                         money=value_for_money(study, (row,)))
    note = present(compose(evaluation), LADDER[0])["cost_note"].replace("\u00a0", " ")
    assert note.count("A cost per taker is brought to the offer by the take-up of 40%.") == 1
    assert "In no line: not stated." in note
    assert next(f for f in evaluation.money if f.kind == "payback").value == pytest.approx(0.4 * 200 / 2.6)
    nothing = present(compose(replace(evaluation, study=declared(per="taker", take_up=0.4, left_out=[]))), LADDER[0])
    assert "not stated" not in nothing["cost_note"]


def doubted(code, **values):
    return {"caveats": (Caveat(code=code, text="t", values=tuple(values.items())),)}


@pytest.mark.parametrize(("changes", "words"), [
    ({"p_adjusted": 0.07}, "several outcomes"), (doubted("blocked_df", df=3.0, p=0.08), "smaller count"),
    ({"p_value": 0.06, **doubted("randomisation_inference", interval="usual")}, "drawing again")])
def test_a_cost_has_no_upper_limit_where_the_words_cannot_tell(changes, words):
    for study, least in ((declared(), 50), (declared(standard_error=10), 45)):
        for kind in ("cost_per_unit", "payback"):
            figure = found(study, 2.6, 1.0, 4.0, **changes)[kind]
            assert (figure.state, figure.value, figure.interval[0].high) == ("at_least", None, None)
            assert least <= figure.interval[0].low <= 50
            assert words in figure.reason
        same = found(study, 2.6, 1.0, 4.0, p_adjusted=0.03)["cost_per_unit"]
        assert same.state == "bounded"


def test_an_interval_by_lot_has_no_error_to_set_beside_that_of_the_cost():
    lots = {"p_value": 0.01, "df": None, **doubted("randomisation_inference", draws=70)}
    assert found(declared(), 2.6, 1.0, 4.0, **lots)["cost_per_unit"].state == "bounded"
    sampled = found(declared(standard_error=10), 2.6, 1.0, 4.0, **lots)
    assert {sampled[kind].state for kind in ("cost_per_unit", "benefit_cost", "payback")} == {"not_computed"}
    assert "drawing again" in sampled["cost_per_unit"].reason


@pytest.mark.parametrize(("changes", "words"), [
    ({"method": "dose_response"}, "unit of the dose"), ({"method": "rank_test"}, "shift"), ({"method": "worker_effects"},
                                                                                            "worker"),
    ({"estimand": "late", **doubted("per_unit")}, "unit of what was taken"),
    (doubted("methods_disagree"), "disagree")])
def test_what_is_no_mean_of_one_unit_carries_no_cost(changes, words):
    figure = found(declared(), 2.6, 1.0, 4.0, **changes)["cost_per_unit"]
    assert figure.state == "not_computed"
    assert words in figure.reason


@pytest.mark.parametrize("estimand", ["qte", "main", "tce", "slope", "always_observed"])
@pytest.mark.parametrize("per", ["offered", "taker"])
def test_other_estimands_share_no_denominator_with_a_cost(per, estimand):
    figure = found(declared(per=per, take_up=0.5), 2.6, 1.0, 4.0, estimand=estimand)["cost_per_unit"]
    assert figure.state == "not_computed"
    assert "denominator" in figure.reason


def test_an_amount_moved_is_no_take_up():
    study = declared(per="taker")
    rows = [estimate("profit", 2.6, 0.7, role="primary", method="ols", estimand="itt"),
            estimate("profit", 5.2, 1.4, role="robustness", method="late", estimand="late",
                     details=(("first_stage", 0.5),))]
    assert value_for_money(study, tuple(rows))[1].value == pytest.approx(200 * 0.5 / 2.6)
    hours = [rows[0], rows[1].with_caveats(Caveat(code="per_unit", text="t"))]
    assert "take-up is not stated" in value_for_money(study, tuple(hours))[1].reason

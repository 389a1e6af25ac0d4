"""The ladder of attribution: one damaged check is one rung, and 'caused' is for few."""

from dataclasses import replace

import pytest
from support_records import estimate, sample_evaluation

from impact.brief.claims import Rung, rung_of
from impact.brief.claims.ladder import bounds_agree, caused
from impact.brief.facts import method
from impact.brief.view import Speaker
from impact.brief.words import LANGUAGES
from impact.results.evaluation import Check


def check(name, verdict="pass", word="examined", **more):
    return Check(id=name, title=name, verdict=verdict, word=word, reason=f"{name}.", **more)


SOUND = {
    "rct": (check("draw_record", word="stated"), check("balance", word="alike"),
            check("attrition", word="few", measured=0.05, outcome="scrap_rate")),
    "did": (check("pretrend_1988", outcome="scrap_rate"), check("pretrend_group_time:scrap_rate", outcome="scrap_rate"),
            check("sensitivity:scrap_rate", word="holds", measured=1.4, outcome="scrap_rate"),
            check("attrition", word="few", measured=0.05, outcome="scrap_rate")),
    "matching": (check("balance", word="alike"), check("overlap", word="overlap"),
                 check("attrition", word="few", measured=0.05, outcome="scrap_rate")),
}
TOP = {"rct": Rung.TRIAL, "did": Rung.QUASI_EXAMINED, "matching": Rung.MATCHED}
UNSEEN = {"verdict": "not_applicable", "word": "not examined", "measured": None}
DAMAGE = [
    ("rct", "draw_record", {"verdict": "concern", "word": "not stated"}),
    ("rct", "attrition", {"verdict": "concern", "word": "may be uneven"}),
    ("rct", "attrition", {"verdict": "fail", "word": "too many"}),
    ("rct", "attrition", UNSEEN),
    ("did", "pretrend_1988", {"verdict": "concern", "word": "drift seen"}),
    ("did", "pretrend_group_time:scrap_rate", {"verdict": "concern", "word": "drift seen"}),
    ("did", "pretrend_group_time:scrap_rate", UNSEEN),
    ("did", "sensitivity:scrap_rate", {"verdict": "concern", "word": "fragile", "measured": 0.4}),
    ("did", "sensitivity:scrap_rate", UNSEEN),
    ("did", "attrition", {"verdict": "fail", "word": "uneven"}),
    ("did", "attrition", UNSEEN),
    ("matching", "balance", {"verdict": "concern", "word": "not alike"}),
    ("matching", "balance", UNSEEN),
    ("matching", "overlap", {"verdict": "fail", "word": "no overlap"}),
    ("matching", "overlap", UNSEEN),
    ("matching", "attrition", {"verdict": "concern", "word": "may be uneven"}),
]


def record(kind, checks=None, **changes):
    return sample_evaluation(kind, checks=SOUND[kind] if checks is None else checks, **changes)


def damaged(kind, name, changes):
    return tuple(replace(c, **changes) if c.id == name else c for c in SOUND[kind])


@pytest.mark.parametrize("kind", TOP)
def test_a_sound_record_stands_on_the_rung_of_its_design(kind):
    assert rung_of(record(kind)).rung is TOP[kind]


@pytest.mark.parametrize(("kind", "name", "changes"), DAMAGE)
def test_one_damaged_check_is_exactly_one_rung(kind, name, changes):
    found = rung_of(record(kind, damaged(kind, name, changes)))
    assert found.rung == TOP[kind] - 1
    assert found.reasons[0].key.endswith("not_examined" if changes is UNSEEN else "fails")  # what is lacking comes first


@pytest.mark.parametrize(("kind", "name"), [("rct", "attrition"), ("rct", "draw_record"), ("did", "attrition"),
                                            ("did", "sensitivity:scrap_rate"), ("matching", "overlap")])
def test_a_check_that_is_not_in_the_record_was_not_made(kind, name):
    assert rung_of(record(kind, tuple(c for c in SOUND[kind] if c.id != name))).rung == TOP[kind] - 1


def test_chance_differences_stay_where_the_draw_is_on_record_and_cost_a_rung_where_it_is_not():
    chance = damaged("rct", "balance", {"word": "chance differences"})
    assert rung_of(record("rct", chance)).rung is Rung.TRIAL
    assert "rung.chance.holds" in [r.key for r in rung_of(record("rct", chance)).reasons]
    without = tuple(replace(c, verdict="concern", word="not stated") if c.id == "draw_record" else c for c in chance)
    assert rung_of(record("rct", without)).rung is Rung.QUASI_NOT_EXAMINED
    alike = damaged("rct", "draw_record", {"verdict": "concern", "word": "not stated"})
    assert rung_of(record("rct", alike)).rung is Rung.QUASI_EXAMINED


def bounds(low, high):
    return tuple(estimate("scrap_rate", b, None, log=True, role="bounds", method="lee_bounds", id=f"scrap_rate/lee/{b}")
                 for b in (low, high))


@pytest.mark.parametrize(("verdict", "ends", "rung"), [
    ("concern", (-0.5, -0.1), Rung.TRIAL), ("concern", (-0.5, 0.1), Rung.QUASI_EXAMINED),
    ("concern", (), Rung.QUASI_EXAMINED),
    ("fail", (-0.5, -0.1), Rung.QUASI_EXAMINED)])
def test_losses_of_concern_are_met_by_bounds_on_one_side_and_a_failure_by_nothing(verdict, ends, rung):
    base = record("rct", damaged("rct", "attrition", {"verdict": verdict, "word": "may be uneven"}))
    made = replace(base, estimates=(*base.estimates, *(bounds(*ends) if ends else ())))
    assert rung_of(made).rung is rung


def test_what_could_not_be_examined_of_trends_counts_once_and_what_failed_counts_each_time():
    both = tuple(replace(c, **UNSEEN) if c.id != "attrition" else c for c in SOUND["did"])
    assert rung_of(record("did", both)).rung is Rung.QUASI_NOT_EXAMINED
    fails = tuple(replace(c, verdict="concern", word="fragile") if c.id != "attrition" else c for c in SOUND["did"])
    assert rung_of(record("did", fails)).rung is Rung.MATCHED


def test_an_effect_that_is_not_clear_has_no_sign_to_lose():
    nothing = damaged("did", "sensitivity:scrap_rate", {"verdict": "not_applicable", "word": "nothing to overturn"})
    assert rung_of(record("did", nothing)).rung is Rung.QUASI_EXAMINED


def test_a_comparison_never_falls_below_a_stated_counterfactual():
    none = record("matching", ())
    assert rung_of(none).rung is Rung.BEFORE_AFTER


def clear_trial(**changes):
    base = record("rct")
    e = estimate("scrap_rate", -0.5, 0.1, log=True, role="primary", method="ancova", **{"estimand": "itt", **changes})
    return replace(base, estimates=(e, *base.estimates[1:], *bounds(-0.6, -0.3)))


def test_caused_is_for_the_offers_clear_effect_in_a_trial_with_bounds_on_one_side():
    sound = clear_trial()
    assert caused(sound, sound.headline)
    for other in (clear_trial(estimand="late"), clear_trial(p_adjusted=0.2), clear_trial(conf_low=-1.0, conf_high=0.1,
                                                                                       interval=())):
        assert not caused(other, other.headline)
    crossing = replace(sound, estimates=(*sound.estimates[:-2], *bounds(-0.6, 0.1)))
    assert not caused(crossing, crossing.headline)
    unbounded = replace(sound, estimates=sound.estimates[:-2])
    assert not bounds_agree(unbounded, unbounded.headline)
    assert not caused(unbounded, unbounded.headline)
    whole = replace(unbounded, checks=damaged("rct", "attrition", {
        "verdict": "not_applicable", "word": "none in the file", "measured": 0.0}))
    assert caused(whole, whole.headline)
    fallen = replace(sound, checks=damaged("rct", "draw_record", {"verdict": "concern", "word": "not stated"}))
    assert not caused(fallen, fallen.headline)


@pytest.mark.parametrize("kind", TOP)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rung_and_its_reasons_have_words(kind, language):
    for checks in (SOUND[kind], ()):
        found = rung_of(record(kind, checks))
        told = [Speaker(language).text(part) for part in (found.name, *found.reasons)]
        assert all(told)
        assert len(told) > 2


@pytest.mark.parametrize(("language", "name", "word", "lacking"), [
    ("en", "Counts as", "Trial with a record of the draw", "Losses of units may bias the answer."),
    ("fr", "Vaut comme", "Essai dont le tirage est attesté", "Les pertes"),
    ("es", "Vale como", "Ensayo con registro del sorteo", "Las pérdidas")])
def test_the_brief_prints_the_rung_and_what_the_next_one_lacks(language, name, word, lacking):
    def line(checks):
        found = next(f for f in method(record("rct", checks), language) if f.name.key == "fact.rung")
        return Speaker(language).text(found.name), Speaker(language).text(found.text)

    assert line(SOUND["rct"]) == (name, word)
    fallen = line(damaged("rct", "attrition", {"verdict": "concern", "word": "may be uneven"}))[1]
    assert word not in fallen
    assert lacking in fallen
    assert fallen.count(".") == 2  # the rung, and one thing it lacks

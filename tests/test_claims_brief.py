"""Whole briefs held against their numbers: the tool's own sentences pass, an officer's bad one is found where it stands."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
from support_briefs import rich, uncertain
from support_records import sample_evaluation

from impact.brief.claims import examine
from impact.brief.composition import assembled
from impact.brief.words import LANGUAGES
from impact.dced import audit
from impact.errors import StudyError
from impact.evaluation import evaluate
from impact.study import read_study, study_from_mapping

ROOT = Path(__file__).parents[1]
DESIGNS = sorted(folder.name for folder in (ROOT / "designs").iterdir() if folder.is_dir())


def declared_as(evaluation, language="en", **texts):
    """The same record of a study whose brief has other texts."""
    values = copy.deepcopy(dict(evaluation.study.declared))
    values["brief"] = {**values["brief"], "language": language, **texts}
    return replace(evaluation, study=study_from_mapping(values, slug=evaluation.study.slug))


def claims(evaluation, language="en"):
    return examine(assembled(evaluation, language=language), evaluation)


@pytest.fixture(scope="module", params=DESIGNS)
def design(request):
    return evaluate(read_study(ROOT / "designs" / request.param))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_designs_brief_passes(design, language):
    told = declared_as(design, language)
    assert examine(assembled(told, audit(told)), told) == ()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("make", [rich, uncertain])
def test_what_the_tool_writes_of_a_full_and_of_an_open_study_passes(make, language):
    told = declared_as(make(), language, learned=None, implications=[], title=None, challenge=None, what_was_done=None)
    assert claims(told, language) == ()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["rct", "did", "matching"])
def test_a_key_longer_than_a_column_is_still_looked_up(kind, language):
    """A long word breaks anywhere in print; the mark of a number among its letters must not."""
    told = declared_as(sample_evaluation(kind), language, implications=[], challenge=None, what_was_done=None)
    assert "training_hours" in {e.outcome for e in told.estimates}
    assert claims(told, language) == ()


def named(label, groups=None):
    """The full study with another name for its first outcome."""
    base = rich()
    values = copy.deepcopy(dict(base.study.declared))
    values["outcomes"][0]["label"] = label
    if groups is not None:
        values["subgroups"][0]["label"] = groups
    return replace(base, study=study_from_mapping(values, slug=base.study.slug))


def test_names_are_read_where_they_stand_in_title_and_tiles():
    found = [c for c in claims(named("Profit gains thanks to coaching")) if c.where.startswith("study.yaml")]
    assert [(c.where, c.rule) for c in found] == [("study.yaml: outcomes[0].label", "cause")]
    assert found[0].proposal == "Profit gains"
    assert claims(named(found[0].proposal)) == ()
    assert [c.rule for c in claims(named("Profit", "Growth caused by the voucher"))] == ["cause"]


@pytest.mark.parametrize("label", ["Days lost due to illness", "Gains in profit", "Jobs created", "Still open",
                                   "Worked in the last 7 days", "Confidence, as owners report thanks to the coaching"])
def test_a_name_of_what_was_measured_passes(label):
    assert claims(named(label)) == ()


BAD = "Thanks to the programme, incomes soared."
PLACES = [
    ({"title": "Coaching lifted incomes"}, "brief.title", "unreferenced"),
    ({"limits": [BAD]}, "brief.limits[0]", "unreferenced"),
    ({"captions": {"effects": BAD}}, "brief.captions.effects", "unreferenced"),
    ({"captions": {"table": "Sales doubled in two years."}}, "brief.captions.table", "unreferenced"),
    ({"bottom_line": "Profit rose by {profit.size} ({profit.interval}) and firms stayed open, {open_now.size} "
                     "({open_now.interval})."}, "brief.bottom_line", "direction"),
    ({"challenge": "The programme has transformed the lives of its owners."}, "brief.challenge", "cause"),
    ({"what_was_done": "Coaching raised profit in every market."}, "brief.what_was_done", "cause"),
    ({"disclaimer": "The programme raised incomes."}, "brief.disclaimer", "cause"),
    ({"how_we_know": {"data": "Interviews showed that the grants increased incomes"}}, "brief.how_we_know.data", "cause"),
    ({"implications": [{"text": "Coaching raised profit, so coach every owner.", "finding": "profit"}]},
     "brief.implications[0].text", "unreferenced"),
]


@pytest.mark.parametrize(("texts", "where", "rule"), PLACES, ids=[where for _, where, _ in PLACES])
def test_a_bad_sentence_is_found_where_it_stands(texts, where, rule):
    found = claims(declared_as(rich(), **texts))
    assert (f"study.yaml: {where}", rule) in [(claim.where, claim.rule) for claim in found]
    for claim in found:
        assert claim.sentence
        assert claim.why
        assert claim.proposal
        assert not any(sign in claim.sentence + claim.reads for sign in "\ue000\ue001\ue002\ue003\ue004\ue005")


def test_what_was_learned_of_an_open_result_is_read_too():
    found = claims(declared_as(uncertain(), learned="Advice had no effect on profit."))
    assert [(c.where, c.rule) for c in found] == [("study.yaml: brief.learned", "no_effect"),
                                                  ("study.yaml: brief.learned", "unreferenced")]
    assert found[0].proposal == "Monthly profit: could not tell: {profit.interval}."
    assert found[0].reads.startswith("Monthly profit: could not tell: from ")


@pytest.mark.parametrize("make", [rich, uncertain])
@pytest.mark.parametrize("bad", [
    BAD, "Sales rose by {sales.effect} because of the coaching.", "There was no effect on sales.",
    "Women gained more than men.", "Profits will grow further.", "Up to 50% of firms hired staff.",
    "Monthly profit rose from 98 to 121 since the baseline."])
def test_a_proposal_taken_over_passes(make, bad):
    evaluation = make()
    found = [c for c in claims(declared_as(evaluation, limits=[bad])) if c.where == "study.yaml: brief.limits[0]"]
    assert found
    for proposal in dict.fromkeys(c.proposal for c in found):
        assert [c for c in claims(declared_as(evaluation, limits=[proposal])) if "limits" in c.where] == []


def test_numbers_of_the_record_carry_an_officers_sentence():
    good = "Monthly profit was {profit.effect} USD higher with the offer ({profit.interval})."
    assert [c for c in claims(declared_as(rich(), limits=[good])) if "limits" in c.where] == []
    wrong = "Monthly profit was {profit.effect} USD lower with the offer ({profit.interval})."
    assert [c.rule for c in claims(declared_as(rich(), limits=[wrong])) if "limits" in c.where] == ["direction"]


def bounded(ends, sentence="There was no difference in monthly profit ({profit.interval}).", make=uncertain):
    """A study that declares which differences in profit count as none."""
    base = make()
    values = copy.deepcopy(dict(base.study.declared))
    values["outcomes"][0]["equivalence"] = ends
    values["brief"] = {**values["brief"], "limits": [sentence]}
    return replace(base, study=study_from_mapping(values, slug=base.study.slug))


def test_no_difference_is_for_an_interval_within_declared_bounds():
    low, high = (uncertain().headline.interval[0].low, uncertain().headline.interval[0].high)

    def rules(ends):
        return [c.rule for c in claims(bounded(ends)) if "limits" in c.where]

    assert rules([low - 1, high + 1]) == []
    for ends in (None, [low - 1, high - 0.01], [low + 0.01, high + 1]):
        assert "no_effect" in rules(ends)


def test_the_effect_a_study_was_planned_to_find_is_no_bound_of_no_difference():
    base = bounded(None)
    values = copy.deepcopy(dict(base.study.declared))
    values["plan"] = {"frozen": "2024-02-12", "minimum_detectable_effect": {"profit": 1000}}
    planned = replace(base, study=study_from_mapping(values, slug=base.study.slug))
    assert "no_effect" in [c.rule for c in claims(planned) if "limits" in c.where]


@pytest.mark.parametrize(("ends", "changes", "words"), [
    ([1, 5], {}, "zero is not between them"), ([5, -5], {}, "zero is not between them"),
    ([-5, 5], {"transform": "log"}, "another scale"), ([-5], {}, "equivalence"), (["low", 5], {}, "equivalence")])
def test_bounds_that_are_none_are_refused(ends, changes, words):
    values = copy.deepcopy(dict(uncertain().study.declared))
    values["outcomes"][0] |= {"equivalence": ends, **changes}
    with pytest.raises(StudyError, match=words):
        study_from_mapping(values, slug="s")


def test_caused_is_held_against_the_record():
    told = "The offer caused monthly profit to be {profit.effect} USD higher ({profit.interval})."
    assert [c for c in claims(declared_as(rich(), limits=[told])) if "limits" in c.where] == []
    base = declared_as(rich(), limits=[told])
    without = replace(base, checks=tuple(replace(c, verdict="concern", word="not stated") if c.id == "draw_record" else c
                                         for c in base.checks))
    found = [c for c in claims(without) if "limits" in c.where]
    assert [c.rule for c in found] == ["cause"]
    assert found[0].proposal == "Monthly profit: {profit.size} ({profit.interval}), an estimated difference."


def test_figures_of_the_study_file_may_be_written_and_others_not():
    assert [c for c in claims(declared_as(rich(), limits=["The voucher of USD 120 was for training only."]))
            if "limits" in c.where] == []
    found = claims(declared_as(rich(), limits=["The voucher of USD 135 was for training only."]))
    assert [c.rule for c in found if "limits" in c.where] == ["figure"]


def test_a_text_that_stands_twice_is_told_once_and_the_order_is_that_of_the_page():
    found = claims(declared_as(rich(), limits=[BAD, BAD], title="Coaching lifted incomes"))
    keys = [(c.where, c.sentence, c.rule) for c in found]
    assert len(keys) == len(set(keys))
    assert keys[0][0] == "study.yaml: brief.title"


def test_the_same_brief_is_told_the_same():
    told = declared_as(rich(), limits=[BAD])
    assert claims(told) == claims(told)


def test_an_interval_within_declared_bounds_is_not_said_to_be_no_evidence():
    low, high = (uncertain().headline.interval[0].low, uncertain().headline.interval[0].high)

    def told(ends):
        brief = str(assembled(bounded(ends, "None.")).messages)  # a whole brief is shown in a few words
        return [brief.count(f"key='{key}") for key in ("key.unclear.equal", "key.open.lead'")]

    assert told([low - 1, high + 1]) == [1, 0]  # both primaries are open, and one is told apart
    assert told([low - 1, high - 0.01]) == [0, 1]

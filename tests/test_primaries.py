"""Primary outcomes are protected: title, bottom line and first tile speak of them all, however they came out."""

import dataclasses
import itertools

import pytest
from support_pages import page_of, plain
from support_records import PROVENANCE, STUDY, estimate, sample_evaluation
from test_brief_numbers import docx_words, html_words, pdf_words

from impact.brief import compose, render_docx, render_html, render_pdf
from impact.brief.claims import examine
from impact.brief.page import present
from impact.brief.theme import LADDER
from impact.brief.view import Speaker
from impact.brief.words import LANGUAGES
from impact.errors import RenderError

BASE, ERROR = 20.0, 1.0
STATES = {"good": (5.0, 0.001), "bad": (-5.0, 0.001), "open": (0.5, 0.6), "corrected": (2.5, 0.08)}  # effect, adjusted p
SAID = {"good": "5.00 USD a month higher", "bad": "5.00 USD a month lower", "open": "the data cannot tell",
        "corrected": "the data cannot tell"}


def record(states, secondary=("good",) * 3, language="en", **changes):
    """A record whose primary outcomes come out as named, beside striking secondary ones; more is better."""
    roles = [("primary", s) for s in states] + [("secondary", s) for s in secondary]
    outcomes = [{"name": f"o{i}", "column": f"o{i}", "label": f"Outcome {chr(65 + i)}", "unit": "USD a month", "role": role,
                 "better": "higher"} for i, (role, _) in enumerate(roles)]
    rows = tuple(estimate(f"o{i}", STATES[state][0], ERROR, base=BASE, role=role, p_adjusted=STATES[state][1])
                 for i, (role, state) in enumerate(roles))
    study = {"outcomes": outcomes, "results_chain": None, "brief": {"date": "2026-11-21", "language": language,
                                                                    "title": "What coaching did"}}
    return sample_evaluation(study=study, estimates=rows, flows=(), trends=(), **changes)


@pytest.mark.parametrize("state", STATES)
def test_one_primary_outcome_is_title_bottom_line_and_first_tile(state):
    page = page_of(record([state]))
    for text in (page["title"], page["bottom_line"]):
        assert "Outcome A" in text
    assert SAID[state] in plain(page["title"])
    assert not any(f"Outcome {x}" in page["title"] + page["bottom_line"] for x in "BCD")
    assert page["tiles"][0]["label"] == "Outcome A"
    assert page["tiles"][0]["hollow"] == (state in ("open", "corrected"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("states", [*itertools.product(STATES, repeat=2), *((s,) for s in STATES)], ids="-".join)
def test_what_the_tool_writes_of_any_outcome_passes_its_own_check(states, language):
    evaluation = record(states, language=language)
    assert examine(compose(evaluation), evaluation) == ()


@pytest.mark.parametrize("states", list(itertools.product(STATES, repeat=2)), ids="-".join)
def test_of_two_each_is_said_in_title_and_bottom_line(states):
    page = page_of(record(states))
    title, line = plain(page["title"]), plain(page["bottom_line"])
    for name, state in zip("AB", states, strict=True):
        assert f"Outcome {name}" in line
        assert f"Outcome {name}" in title
        if state in ("good", "bad"):
            assert f"Outcome {name}: {SAID[state]}" in line
            verdict = "favourable" if state == "good" else "unfavourable"
            assert any(f"Outcome {name}: {said}" in title for said in (SAID[state], verdict))
    assert [t["label"] for t in page["tiles"][:2]] == ["Outcome A", "Outcome B"]


def test_of_seven_the_title_counts_all_and_the_bottom_line_names_the_adverse():
    page = page_of(record(["open", "good", "bad", "open", "corrected", "bad", "good"]))
    assert plain(page["title"]) == "Of 7 primary outcomes, 2 favourable, 2 unfavourable; on 3 the data cannot tell"
    assert "Unfavourable: Outcome C, Outcome F." in plain(page["bottom_line"])
    assert page["tiles"][0]["label"] == "Outcome A"


def test_every_primary_outcome_is_shown_at_every_step_of_the_ladder():
    states = ["open", "bad", "open", "corrected", "open", "open", "bad"]
    brief = compose(record(states, secondary=["good"] * 9))
    primaries = [f"Outcome {x}" for x in "ABCDEFG"]
    for layout in LADDER:
        page = present(brief, layout)
        for rows in (page["results"], page["drawn"]):
            assert [r["label"] for r in rows if r["primary"]] == primaries
    pdf, layout = render_pdf(brief)
    for words in (pdf_words(pdf), html_words(render_html(brief, layout)), docx_words(render_docx(brief, layout))):
        assert all(name in plain(words) for name in primaries)


def test_words_follow_the_adjusted_p():
    """An interval clear of zero is not enough where several primary outcomes are tested."""
    alone = record(["corrected"])
    plain_p = dataclasses.replace(alone, estimates=tuple(dataclasses.replace(e, p_adjusted=None) for e in alone.estimates))
    assert "2.50 USD a month higher" in plain(page_of(plain_p)["title"])
    for states in (["corrected"], ["corrected", "good"], ["corrected", "corrected", "bad"]):
        page = page_of(record(states))
        assert "2.50 USD a month higher" not in plain(page["title"])
        assert "cannot tell" in plain(page["title"])
        assert page["tiles"][0]["hollow"]
        assert page["results"][0]["verdict"] == "corrected"
        assert page["drawn"][0]["mark"] == "ring"


def test_a_level_of_its_own_is_the_one_the_adjusted_p_is_held_against():
    evaluation = record(["corrected", "good"])
    wide = dataclasses.replace(evaluation, estimates=tuple(
        dataclasses.replace(e, conf_level=0.9) for e in evaluation.estimates))
    assert "2.50 USD a month higher" in plain(page_of(wide)["title"])  # 0.08 is below 0.1


def test_the_officers_own_title_stands_over_the_finding_and_not_in_its_place():
    page = page_of(record(["bad"]))
    assert page["kicker"] == "WHAT COACHING DID"
    assert SAID["bad"] in plain(page["title"])


def test_a_record_that_lacks_a_declared_primary_outcome_has_no_brief():
    evaluation = record(["good", "bad"])
    cut = dataclasses.replace(evaluation, estimates=evaluation.estimates[:1])
    with pytest.raises(RenderError, match="o1"):
        compose(cut)


@pytest.mark.parametrize("language", ["fr", "es"])
def test_null_and_adverse_are_told_in_every_language(language):
    brief = compose(record(["open", "bad"], language=language))
    s = Speaker(language)
    told = plain(s.text(brief.title))
    assert "Outcome A" in told
    assert {"fr": "Outcome B : 5,00 USD a month de moins", "es": "Outcome B: 5,00 USD a month menos"}[language] in told


def test_the_sample_study_has_no_plan_and_says_so():
    assert "plan" not in STUDY
    lines = {f["name"]: plain(f["text"]) for f in page_of(sample_evaluation(provenance=PROVENANCE))["method"]}
    assert lines["Plan"] == "Outcomes were not fixed in advance"

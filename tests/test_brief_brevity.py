"""What is read first is short: the words of title, bottom line and key findings, and what is never lost to them."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pytest
from support_briefs import rich, uncertain, with_primaries
from support_records import STUDY, estimate, sample_evaluation

import impact
from impact.brief import compose
from impact.brief.brevity import FINDING, LINE, TITLE, count_words, fitting, most_words, shortened
from impact.brief.limitations import first_limit, limits
from impact.brief.model import Quote, say
from impact.brief.page import present
from impact.brief.theme import LADDER
from impact.brief.view import Speaker
from impact.brief.words import LANGUAGES
from impact.library import list_designs
from impact.results.estimate import Caveat
from impact.results.evaluation import Evaluation

DESIGNS = Path(__file__).parents[1] / "designs"
STATES = {"favourable": (12.0, 2.0), "unfavourable": (-12.0, 2.0), "unclear": (1.0, 2.0), "corrected": (5.0, 2.0),
          "too_few": (5.0, 2.0), "no_interval": (5.0, None), "disagree": (5.0, 2.0)}
CAVEATS = {"too_few": "few_clusters", "disagree": "methods_disagree"}


@functools.cache
def record(name: str) -> Evaluation:
    made = {"rich": rich, "uncertain": uncertain}
    return made[name]() if name in made else impact.evaluate(impact.read_study(DESIGNS / name))


def spoken(evaluation: Evaluation, language: str) -> dict:
    """Say a brief in a language; the officer's texts of these records are not all there in each, our words are."""
    study = evaluation.study

    def own(value):
        if isinstance(value, str):
            return tuple((name, value) for name in LANGUAGES)
        return value

    def translated(block):
        if isinstance(block, tuple):
            return tuple(translated(item) for item in block)
        if not dataclasses.is_dataclass(block):
            return block
        hints = {f.name: str(f.type) for f in dataclasses.fields(block)}
        return dataclasses.replace(block, **{
            name: own(getattr(block, name)) if "Words" in kind and isinstance(getattr(block, name), str) else
            tuple(own(x) for x in getattr(block, name)) if "tuple[Words" in kind else translated(getattr(block, name))
            for name, kind in hints.items() if name not in ("states", "problems")})

    brief = compose(dataclasses.replace(evaluation, study=translated(study)), language=language)
    return present(brief, LADDER[0])


def assert_short(page: dict, language: str) -> None:
    assert count_words(page["title"]) <= most_words(TITLE, language), page["title"]
    assert count_words(page["bottom_line"]) <= most_words(LINE, language), page["bottom_line"]
    assert 3 <= len(page["messages"]) <= 5
    for found in page["messages"]:
        told = f"{found['lead']} {found['body']}"
        assert count_words(told) <= most_words(FINDING, language), told


def in_state(state: str, primaries: int = 1, secondaries: int = 0, label: str = "Outcome {}",
             unit: str = "USD a month") -> Evaluation:
    """A record in which every outcome came out in one way."""
    b, se = STATES[state]
    caveats = (Caveat(code=CAVEATS[state], text="Read with care."),) if state in CAVEATS else ()
    outcomes = [{**STUDY["outcomes"][0], "name": f"o{i}", "transform": "none", "label": label.format(i), "unit": unit,
                 "role": "primary" if i < primaries else "secondary", "better": "higher"}
                for i in range(primaries + secondaries)]
    estimates = tuple(dataclasses.replace(
        estimate(o["name"], b, se, role=o["role"], base=100.0, p_adjusted=0.2 if state == "corrected" else 0.001),
        caveats=caveats) for o in outcomes)
    return sample_evaluation(study={"outcomes": outcomes, "results_chain": None, "brief": {"date": "2026-11-21"}},
                             estimates=estimates, flows=(), trends=(), checks=())


@pytest.mark.parametrize(("text", "words"), [
    ("Sales: 12% higher", 3), ("−52% to +4%", 3), ("a – b", 2), ("29\u00a0% de moins", 3), ("12\u202f345 firms", 2),
    ("Owner's hours (a week)", 4), ("", 0), ("100\u00a0USD a month", 4)])
def test_words_are_counted_as_a_reader_would(text, words):
    assert count_words(text) == words


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [*list_designs(), "rich", "uncertain"])
def test_what_is_read_first_is_short(name, language):
    evaluation = record(name)
    assert_short(spoken(evaluation, language), language)
    for primaries in (n for n in (1, 2, 3, 6, 10) if n <= len(evaluation.study.outcomes)):
        assert_short(spoken(with_primaries(evaluation, primaries), language), language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("label", "unit"), [
    ("Outcome {}", "USD a month"),
    ("Monthly wages of those employed by firm {}", "thousand US dollars a year at 1982 prices")])
@pytest.mark.parametrize(("primaries", "secondaries"), [(1, 0), (2, 0), (2, 9), (1, 3), (4, 1), (6, 12)])
@pytest.mark.parametrize("state", STATES)
def test_every_way_to_come_out_is_short_and_counted(state, primaries, secondaries, label, unit, language):
    evaluation = in_state(state, primaries, secondaries, label, unit)
    page = spoken(evaluation, language)
    assert_short(page, language)
    verdicts = {r["verdict"] for r in page["results"]}
    assert verdicts == {state}
    if language == "en" and state == "unfavourable":  # named or counted in the title, named in the bottom line
        assert "unfavourable" in page["title"] or "lower" in page["title"]
        assert label.format(0).split("{")[0] in page["bottom_line"]


def test_an_adverse_result_is_told_first_and_the_others_by_name():
    others = spoken(rich(), "en")["messages"][2]
    assert others["lead"] == "Of 10 secondary outcomes, 3 clear of zero after correction, 1 unfavourable."
    body = others["body"].replace("\u00a0", " ")
    assert body == ("Owner's hours at work: 4.69 hours a week higher (+3.09 to +6.28); also Business practices, "
                    "Accidents at work.")


def test_a_title_of_two_has_no_range_and_drops_sizes_before_it_drops_an_outcome():
    titles = [spoken(with_primaries(record(name), 2), "en")["title"].replace("\u00a0", " ")
              for name in ("rich", "michigan-training-grants")]
    assert titles == ["Monthly profit: 8.4 USD a month higher; Business still open: the data cannot tell",
                      "Scrap rate: the data cannot tell; Training per worker: favourable"]


def test_one_finding_alone_says_that_nothing_else_was_measured():
    told = [m["lead"] for m in spoken(in_state("favourable"), "en")["messages"]]
    assert told[1] == "Nothing else was measured."
    assert len(told) == 3  # and a limit


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_limit_of_many_words_keeps_its_first_statement(language):
    long = Caveat(code="unheard_of", text=" ".join(["Units were lost"] * 5) + "; " + " ".join(["and so on"] * 9) + ".")
    endless = Caveat(code="unheard_of", text=" ".join(["units were lost"] * 15) + ".")
    for caveat in (long, endless):
        evaluation = dataclasses.replace(in_state("unclear"), caveats=(caveat,), estimates=tuple(
            dataclasses.replace(e, caveats=()) for e in in_state("unclear").estimates))
        found = first_limit(evaluation, limits(evaluation, language), language)
        speaker = Speaker(language)
        assert count_words(f"{speaker.text(found.lead)} {speaker.text(found.body)}") <= most_words(FINDING, language)


def test_the_fullest_way_that_fits_is_chosen_and_else_the_shortest():
    ways = [Quote(text=text, where="") for text in ("one two three four", "one two three", "one", "one two")]
    assert [fitting(ways, n, "en").text for n in (4, 3, 2, 0)] == ["one two three four", "one two three", "one", "one"]
    assert fitting(ways, 3, "fr") == ways[1]  # 3.75 words: 3
    assert [q.text for q in shortened(Quote(text="A first one. A second; with more.", where=""), "en")] == ["A first one."]
    assert shortened(say("key.open.short"), "en") == ()

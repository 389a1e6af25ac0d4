"""Tiles, units in brackets, names of columns and bounds: what stands beside a number on the page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support_briefs import declaration, rich
from support_pages import page_of, plain
from support_records import sample_evaluation

import impact
from impact.brief import compose
from impact.brief.columns import in_words
from impact.brief.view import beside
from impact.brief.words import LANGUAGES
from impact.errors import RenderError
from impact.study import read_study, study_from_mapping

DESIGNS = Path(__file__).parents[1] / "designs"


def test_a_tile_has_value_unit_interval_number_comparison_and_horizon():
    tiles = [(plain(t["figure"]), t["label"], plain(t["note"])) for t in page_of(rich())["tiles"]]
    assert tiles[0] == ("+8.4", "Monthly profit", "USD a month (2024 prices): 95% interval +2.6 to +14.2: favourable; "
                        "n = 906, against firms not offered it, 12 months after the offer")
    assert tiles[1][2] == "95% interval −0.1 to +9.7: could not tell; n = 906, against firms not offered it"
    assert tiles[2][1] == "Business practices"  # an outcome in declared order comes before a count
    assert not any("not stated" in note for *_, note in tiles)


def test_a_horizon_that_nothing_states_is_a_limit_and_no_word_of_a_tile():
    values = declaration()
    del values["outcomes"][0]["measured"]
    silent = dataclasses.replace(rich(), study=study_from_mapping(values, slug="a"))
    assert any("when outcomes were measured" in text for text in page_of(silent)["limits"])
    assert not any("when outcomes were measured" in text for text in page_of(rich())["limits"])
    assert page_of(silent)["tiles"][0]["note"].endswith("not offered it")
    with_periods = page_of(sample_evaluation())  # states its own
    assert not any("when outcomes" in text for text in with_periods["limits"])


def test_the_time_of_measurement_is_a_text_per_language_and_is_checked_like_one():
    values = declaration()
    values["outcomes"][0]["measured"] = {"en": "a year after", "fr": "un an après", "es": ""}
    with pytest.raises(impact.StudyError, match=r"outcomes\[0\].measured"):
        study_from_mapping(values, slug="a")
    values["outcomes"][0]["measured"] = {"en": "a year after", "fr": "un an après"}
    study = study_from_mapping(values, slug="a")
    assert page_of(dataclasses.replace(rich(), study=study))["tiles"][0]["note"].endswith("a year after")
    values["outcomes"][0]["measured"] = "12 months after " + "x " * 40
    with pytest.raises(RenderError, match=r"outcomes\[0\].measured"):
        compose(dataclasses.replace(rich(), study=study_from_mapping(values, slug="a")))
    values["outcomes"][0]["measured"] = 12
    with pytest.raises(impact.StudyError, match=r"outcomes\[0\].measured"):
        study_from_mapping(values, slug="a")


def test_units_with_brackets_stand_behind_a_comma():
    assert (beside("firms"), beside("USD (2024 prices)")) == (" (firms)", ", USD (2024 prices)")
    page = page_of(rich())
    assert page["results"][0]["label"] + page["results"][0]["unit"] == "Monthly profit, USD a month (2024 prices)"
    assert "((" not in str(page)
    assert not [text for text in str(page).split("'") if "(USD a month (" in text]
    assert page["methods"]["caption"] == "Monthly profit, USD a month (2024 prices)"
    assert page["for_whom"]["splits"][0]["outcome"] == "Monthly profit, USD a month (2024 prices)"


@pytest.mark.parametrize(("text", "said"), [
    ("re75 stays apart, the largest by 0.15 (re75)", "column re75 stays apart, the largest by 0.15 (column re75)"),
    ("the effect on re78 is 2.8", "the effect on Real earnings in 1978 is 2.8"),
    ("re78 is missing", "Real earnings in 1978 is missing"), ("column re75", "column re75"),
    ("age and married differ", "age and married differ"), ("see design.re75 or f(re75)", "see design.re75 or f(re75)"),
    ("9 of 10 traits; married differs more", "9 of 10 traits; column married differs more"),
    ("8 of 9; age, re75 stay apart, the largest by 0.15 (age)",
     "8 of 9; column age, column re75 stay apart, the largest by 0.15 (column age)"),
    ("it moves most without black: 1.5", "it moves most without column black: 1.5"),
    ("re75=1", "re75=1"), ("2.8 in 1978", "2.8 in 1978")])
def test_columns_have_their_labels_or_are_quoted_as_columns(text, said):
    assert in_words(text, read_study(DESIGNS / "nsw-matched-comparison"), "en") == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_loss_and_the_errors_name_no_column(language):
    evaluation = impact.evaluate(read_study(DESIGNS / "michigan-training-grants"))
    page = page_of(evaluation, language)
    shown = plain(" ".join([*(m["text"] for m in page["method"]), page["flow"]["left"], page["reading"]]))
    told, noun = {"en": ("Scrap rate is missing", "firm"), "fr": ("Taux de rebut", "entreprise"),
                  "es": ("Tasa de desechos", "empresa")}[language]
    assert told in shown
    assert noun in page["reading"]
    assert "scrap is" not in shown
    assert "fcode" not in shown.partition(page["method"][-1]["text"])[0] + page["reading"].partition("To remake")[0]


@pytest.mark.parametrize(("language", "words"), [("en", "with chance, from"), ("fr", "avec le hasard, de"),
                                                 ("es", "con el azar, de")])
def test_bounds_are_told_with_their_interval(language, words):
    rng = np.random.default_rng(5)
    offered = rng.permutation([0, 1] * 300)
    data = pd.DataFrame({"firm": range(600), "offered": offered, "profit": 100 + 8 * offered + rng.normal(0, 20, 600)})
    data.loc[rng.random(600) < np.where(offered == 1, 0.1, 0.25), "profit"] = np.nan
    values = {"schema": 1, "title": "A trial", "question": "Did it?", "status": "final",
              "programme": {"name": "P", "country": "C"}, "data": {"file": "a.csv", "simulated": False},
              "design": {"kind": "rct", "estimand": "itt", "unit": "firm", "treatment": "offered", "assigned_by": "firm"},
              "outcomes": [{"name": "profit", "column": "profit", "label": "Profit", "unit": "USD", "role": "primary",
                            "better": "higher"}],
              "analysis": {"primary": {"method": "difference_in_means"}, "seed": 1,
                           "robustness": [{"method": "lee_bounds"}]},
              "brief": {"date": "2026-11-21", "language": language}}
    evaluation = impact.evaluate(study_from_mapping(values, slug="a"), data)
    rows = [e for e in evaluation.estimates if e.method == "lee_bounds"]
    low, high = (e.estimate for e in rows)
    around = rows[0].interval[0]
    assert around.low < low < high < around.high
    reading = plain(page_of(evaluation, language)["reading"])
    assert words in reading
    for end in (low, high, around.low, around.high):
        assert f"{abs(end):.1f}".replace(".", "." if language == "en" else ",") in reading

"""Small rules of the brief's wording and layout: units, points, counts of none, dates, and what stands where."""

import dataclasses
import io
import re

import pytest
from support_briefs import declaration, rich, uncertain
from support_pages import plain
from support_records import sample_evaluation
from test_briefs_render import many

from impact.brief import compose, figures, render_docx, render_html, render_pdf
from impact.brief import model as m
from impact.brief.composition import check_texts
from impact.brief.drawing import text_width
from impact.brief.page import present
from impact.brief.texts import FONTS
from impact.brief.theme import LADDER
from impact.brief.view import Speaker
from impact.study import study_from_mapping

WIDE = LADDER[0]


def spoken(make, language):
    """A brief of a whole simulated study whose texts are taken to be of one language."""
    values = declaration()
    learned = {"learned": "Visits took place as planned."} if make is uncertain else {}
    values["brief"] = {**values["brief"], "language": language, **learned}
    return compose(dataclasses.replace(make(), study=study_from_mapping(values, slug="coaching-vouchers")))


def size_of(value, kind, language, unit=None):
    number = m.Number(value=value, kind=kind, path="estimate", estimate="a")
    level = m.Number(value=0.95, kind="level", path="conf_level", estimate="a")
    effect = m.Effect(estimate="a", value=number, ranges=(), level=level, verdict="unclear",
                      unit=None if unit is None else m.quote(unit, "study.yaml: outcomes[0].unit"))
    return plain(Speaker(language).said(m.Said(effect=effect, form="size")))


# ---- words -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("unit", "words"), [
    ("USD a month (2024 prices)", "2.50 USD a month higher"), ("a year", "2.50 higher a year"),
    ("per worker", "2.50 higher per worker"), ("score from 0 to 10", "2.50 higher (score from 0 to 10)"),
    ("index of practices", "2.50 higher (index of practices)"), ("annual leave days", "2.50 annual leave days higher")])
def test_a_unit_stands_where_it_reads_well(unit, words):
    assert size_of(2.5, "amount", "en", unit) == words


@pytest.mark.parametrize(("language", "value", "words"), [
    ("fr", 0.015, "1,5 point de plus"), ("fr", -0.0199, "2,0 points de moins"), ("fr", 0.02, "2,0 points de plus"),
    ("fr", 0.0, "0,0"), ("en", 0.015, "1.5 points higher"), ("es", 0.015, "1,5 puntos más")])
def test_french_has_the_singular_below_two(language, value, words):
    told = size_of(value, "points", language)
    assert told == words or (value == 0 and "point" not in told)


def test_a_count_of_none_is_left_out():
    titles = {"fr": "Résultats principaux : 4, favorables : 1 ; impossible de trancher : 3",
              "en": "Of 4 primary outcomes, 1 favourable; on 3 the data cannot tell"}
    evaluation = many(4, primaries=4)
    for language, title in titles.items():
        told = compose(dataclasses.replace(evaluation, estimates=tuple(
            dataclasses.replace(e, estimate=b, conf_low=b - 4, conf_high=b + 4)
            for e, b in zip(evaluation.estimates, (-9.0, 1.0, 1.0, 1.0), strict=True))), language="en")
        assert plain(Speaker(language).text(told.title)) == title
        assert "0" not in plain(Speaker(language).text(told.title))


def test_a_check_made_for_several_outcomes_names_its_outcome():
    page = present(compose(uncertain()), WIDE)
    losses = [c["title"] for c in page["checks"] if c["title"].startswith("Losses of units")]
    assert losses == ["Losses of units – Monthly profit", "Losses of units – Business still open"]
    assert "losses of units – Monthly profit (may be uneven)" in page["limits"][0]


@pytest.mark.parametrize(("language", "first", "last"), [
    ("en", "130 by 31 Dec 2025", "6.00"), ("fr", "130 au 31 déc. 2025", "6,00"), ("es", "130 al 31 dic. 2025", "6,00")])
def test_a_target_has_its_date_where_it_has_one(language, first, last):
    rows = present(spoken(rich, language), WIDE)["targets"]["rows"]
    assert (plain(rows[0]["target"]), plain(rows[-1]["target"])) == (first, last)


@pytest.mark.parametrize(("language", "name"), [("en", "Remake"), ("fr", "Refaire"), ("es", "Rehacer")])
def test_the_command_names_no_language_that_is_the_studys_own(language, name):
    told = {f["name"]: f["text"] for f in present(spoken(rich, language), WIDE)["provenance"]}
    assert told[name] == "impact run coaching-vouchers"  # test_languages holds the command of the others


def test_losses_are_told_in_the_key_box_with_what_to_expect_of_them():
    limit = plain(present(compose(uncertain()), WIDE)["messages"][-1]["body"])
    assert re.fullmatch(r"Losses of units – Monthly profit: may be uneven\. [\d.]+% of units lost: [\d.]+% of the treated, "
                        r"[\d.]+% of the comparison\. Bias cannot be ruled out\.", limit)


# ---- what stands where -----------------------------------------------------------------------------------------------
def test_every_outcomes_tile_says_against_whom():
    tiles = present(compose(rich()), WIDE)["tiles"]
    assert [plain(t["note"]).count("against firms not offered it") for t in tiles] == [1, 1, 1]
    staggered = present(compose(sample_evaluation()), WIDE)["tiles"]
    assert ["1988" in plain(t["note"]) for t in staggered[:2]] == [True, True]


def test_paper_has_a_split_of_each_declared_subgroup_and_the_screen_all():
    brief = compose(rich())
    pdf, layout = render_pdf(brief)
    told = present(brief, layout)["for_whom"]
    assert [s["label"] for s in told["splits"]] == ["Sex of the owner", "Size of the firm"]
    assert plain(told["note"]).endswith("2 of 4 splits shown.")
    page = render_html(brief, layout)
    screen, paper = page.split('<div class="screen">')[1].split('<div class="paper">')
    assert (screen.count("Cannot tell groups apart"), "splits shown" in screen) == (8, False)  # drawn, and in words
    assert "splits shown" in plain(paper.split("</section>")[0])
    assert pdf == render_pdf(brief, ladder=(layout,))[0]


def test_problems_of_a_language_stand_in_the_order_of_the_study_file():
    values = declaration()
    values["title"] = {"en": "A", "fr": "A"}
    values["question"] = {"en": "Why?", "fr": "Pourquoi ?"}
    found = [p.where for p in check_texts(study_from_mapping(values, slug="a"), every_language=True) if "French" in p.what]
    place = {name: i for i, name in enumerate(("programme", "intervention", "results_chain", "data", "design", "outcomes",
                                               "subgroups", "plan", "costs", "ethics", "brief"))}
    order = [place[re.split(r"[.\[]", where)[0]] for where in found]
    assert len(found) > 40
    assert order == sorted(order)
    labels = [int(i) for i in re.findall(r"outcomes\[(\d+)\]\.label", " ".join(found))]
    assert labels == sorted(labels) == list(range(12))


def test_the_phones_figure_says_what_its_figures_are_in():
    page = present(compose(rich()), WIDE)
    assert "own unit" in page["figure_column"]
    assert plain(page["figure_column"]) in plain(figures.effects_narrow(page).svg("a"))


def test_pictures_of_the_word_file_stand_inside_its_margins():
    import docx

    brief = compose(rich())
    document = docx.Document(io.BytesIO(render_docx(brief, LADDER[-2])))  # the last step that draws a picture
    room = document.sections[0].page_width - document.sections[0].left_margin - document.sections[0].right_margin
    places = list(document.element.body.iter(docx.oxml.ns.qn("wp:inline")))
    assert len(places) == 5
    for place in places:
        assert [place.get(f"dist{side}") for side in "TBLR"] == ["0"] * 4
        assert int(place.extent.cx) <= room
    logo = next(s for s in document.inline_shapes if s._inline.docPr.get("title") == "Ministry of Trade of Example")
    assert logo.height.mm <= 11.01
    assert logo.width.mm <= 32.01
    assert logo.width / logo.height == pytest.approx(90 / 54, rel=0.01)  # of whole units of the page


def test_a_first_page_with_room_is_set_in_full():
    pdf, layout = render_pdf(compose(uncertain()))
    assert not layout.facts
    assert pdf == render_pdf(compose(uncertain()), ladder=(layout,))[0]


def test_three_checks_stand_in_three_columns():
    assert present(compose(rich()), dataclasses.replace(WIDE, checks=3))["check_columns"] == 3
    assert present(compose(rich()), dataclasses.replace(WIDE, checks=4))["check_columns"] == 2


def test_an_option_of_the_command_is_not_broken_after_its_dashes():
    record = dataclasses.replace(uncertain(), provenance=dataclasses.replace(
        uncertain().provenance, command="impact run a --out b"))
    page = render_html(compose(record))
    assert '<span class="whole">--out</span> b' in page


def test_widths_of_letters_are_not_guessed_much_too_narrow():
    font = pytest.importorskip("fontTools.ttLib").TTFont(FONTS / "BriefSans-Bold.ttf")
    em, widths = font["head"].unitsPerEm, font["hmtx"]
    narrow = {chr(code) for code, name in font.getBestCmap().items()
              if chr(code).isalpha() and widths[name][0] / em > 1.3 * text_width(chr(code), 1, bold=True)}
    assert narrow <= {"ﬃ", "ﬄ"}

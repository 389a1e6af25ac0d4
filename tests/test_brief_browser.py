"""The brief's page in a real browser: it asks for nothing, can be read by everyone, and prints on two sheets."""

import dataclasses
import io

import pytest
from support_briefs import declaration, rich, uncertain
from support_pages import needs_browser
from support_records import STUDY, sample_evaluation

from impact.brief import render_brief
from impact.dced import audit
from impact.study import study_from_mapping

pytestmark = needs_browser


@pytest.fixture(scope="module", params=["did", "rct", "matching"])
def page_file(request, tmp_path_factory):
    file = tmp_path_factory.mktemp(request.param) / "brief.html"
    file.write_text(str(render_brief(sample_evaluation(request.param), formats=("html",))["html"]), encoding="utf-8")
    return file


def test_the_page_asks_for_nothing_and_says_nothing_wrong(browser, page_file):
    page = browser.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(page_file.as_uri())
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
    assert said == []
    page.close()


@pytest.mark.parametrize("width", [1280, 768, 360])
def test_axe_finds_nothing_and_no_line_runs_off_the_screen(browser, page_file, width):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(bypass_csp=True, viewport={"width": width, "height": 900})  # axe is a script put in
    page = context.new_page()
    page.goto(page_file.as_uri())
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:120]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_the_page_prints_on_two_sheets_with_its_heads_in_order(browser, page_file):
    from pypdf import PdfReader

    page = browser.new_page()
    page.goto(page_file.as_uri())
    sheets = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True, print_background=True))).pages
    heads = page.locator("h1, h2").all_text_contents()
    assert len(sheets) == 2
    assert heads.index("What was found") < heads.index("Results in full") < heads.index("Check this brief")
    page.close()


@pytest.mark.parametrize("language", ["en", "fr", "es"])
@pytest.mark.parametrize("make", [rich, uncertain])
def test_a_full_brief_prints_on_two_sheets_in_longer_languages_too(browser, make, language, tmp_path):
    from pypdf import PdfReader

    values = declaration()  # its texts are taken to be of that language
    values["brief"] = {**values["brief"], "language": language, "learned": "Visits took place as planned."}
    evaluation = dataclasses.replace(make(), study=study_from_mapping(values, slug="a"))
    file = tmp_path / "brief.html"
    file.write_text(str(render_brief(evaluation, audit(evaluation), formats=("html",))["html"]), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    assert len(PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True, print_background=True))).pages) == 2
    page.close()


@pytest.mark.parametrize("make", [rich, uncertain])
def test_a_full_brief_does_not_scroll_sideways_on_a_phone(browser, make, tmp_path):
    file = tmp_path / "brief.html"
    file.write_text(str(render_brief(make(), formats=("html",))["html"]), encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_a_word_of_another_script_that_does_not_end_breaks_on_a_phone(browser, tmp_path):
    outcomes = [{**o, "label": "\u1780" * 36} for o in STUDY["outcomes"]]
    file = tmp_path / "brief.html"
    file.write_text(str(render_brief(sample_evaluation(study={"outcomes": outcomes}), formats=("html",))["html"]),
                    encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 740})
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()

"""The self-check in a real browser: filters work, nothing leaves the page, everyone can read it, it prints well."""

from __future__ import annotations

import io
import unicodedata

import pytest
from support_pages import needs_browser
from support_programme import checked, conventions_gone
from test_dced import declared, record

from impact.dced import audit
from impact.dced.report.html import self_check_html

pytestmark = needs_browser


@pytest.fixture(scope="module")
def programme(tmp_path_factory):
    return checked(tmp_path_factory.mktemp("programme"), conventions_gone)


@pytest.fixture(scope="module", params=["programme", "study"])
def found(request, programme):
    return programme if request.param == "programme" else audit(record(declared(costs=None, subgroups=[])))


@pytest.fixture(scope="module")
def file(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "self-check.html"
    path.write_text(self_check_html(found), encoding="utf-8")
    return path


@pytest.fixture
def page(browser, file):
    window = browser.new_page()
    window.goto(file.as_uri())
    yield window
    window.close()


def shown(page) -> set[str]:
    return set(page.eval_on_selector_all("details.item", "all => all.filter(d => d.checkVisibility()).map(d => d.id)"))


def _wait(page, place: str, text: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(place)).to_have_text(text)


def bare(text: str) -> str:
    """Take out what paper changes: ligatures, line breaks, hyphens."""
    return "".join(unicodedata.normalize("NFKC", text).split()).replace("-", "")


def test_the_page_asks_for_nothing_and_says_nothing_wrong(browser, file):
    page = browser.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    page.select_option("select[name=verdict]", "partly")
    page.click("#open-all")
    page.wait_for_load_state("networkidle")
    assert asked == [file.as_uri()]
    assert said == []
    page.close()


def test_no_other_script_can_run(page):
    assert page.evaluate("""() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';
                              document.body.append(s); return window.ran === undefined }""")


@pytest.mark.parametrize("name", ["element", "status", "verdict", "owner"])
def test_each_filter_shows_exactly_its_items(page, found, name):
    options = page.eval_on_selector_all(f"select[name={name}] option", "all => all.map(o => o.value)")
    assert options[0] == ""
    for value in options[1:]:
        page.select_option(f"select[name={name}]", value)
        wanted = {p.internal_key for e in found.elements for p in e.points
                  if {"element": str(e.number), "status": p.status, "verdict": p.verdict}.get(name) == value
                  or (name == "owner" and value in {g.owner or "nobody named" for g in p.gaps})}
        assert shown(page) == wanted
        assert page.inner_text("#shown") == f"{len(wanted)} of {len(found.points)} items shown"
        assert page.eval_on_selector_all("section.element", "all => all.filter(s => s.checkVisibility()).length") == len(
            {e.number for e in found.elements if any(p.internal_key in wanted for p in e.points)})
    page.click("button[type=reset]")
    _wait(page, "#shown", "54 of 54 items shown")
    assert len(shown(page)) == 54


def test_filters_work_together(page, found):
    page.select_option("select[name=status]", "must")
    page.select_option("select[name=verdict]", "on_file")
    assert shown(page) == {p.internal_key for p in found.points if p.status == "must" and p.verdict == "on_file"}


def test_an_item_opens_its_evidence_by_keyboard(page, found):
    point = next(p for p in found.points if p.verdict == "on_file")
    inside = page.locator(f"[id='{point.internal_key}'] .shows")
    assert not inside.is_visible()
    page.focus(f"[id='{point.internal_key}'] summary")
    page.keyboard.press("Enter")
    assert inside.is_visible()
    assert point.evidence[0].text in inside.inner_text()
    assert point.evidence[0].place in inside.inner_text()
    page.keyboard.press("Enter")
    assert not inside.is_visible()


def test_a_link_to_a_filtered_item_shows_and_opens_it(page, found):
    point = found.fix_first[0]
    page.select_option("select[name=verdict]", "not_applicable")
    assert shown(page) == set()
    page.click(f"#fix-first a[href='#{point.internal_key}'] >> nth=0")
    _wait(page, "#shown", "54 of 54 items shown")
    assert page.evaluate("k => document.getElementById(k).open", point.internal_key)
    assert len(shown(page)) == 54


def test_every_control_can_be_reached_by_keyboard_and_has_a_name(page):
    page.focus("select[name=element]")
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.id || "
                                     "document.activeElement.type"))
    assert reached == ["status", "verdict", "owner", "reset", "open-all", "close-all"]


@pytest.mark.parametrize("width", [1280, 768, 360])
@pytest.mark.parametrize("opened", [False, True])
def test_axe_finds_nothing_and_no_line_runs_off_the_screen(browser, file, width, opened):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(bypass_csp=True, viewport={"width": width, "height": 900})  # axe is a script put in
    page = context.new_page()
    page.goto(file.as_uri())
    if opened:
        page.click("#open-all")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:160]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_paper_holds_every_gap_and_says_self_check_on_every_sheet(page, found):
    from pypdf import PdfReader

    sheets = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True, print_background=True))).pages
    texts = [bare(s.extract_text()) for s in sheets]
    assert 3 <= len(sheets) <= 20
    assert all("DCEDselfcheck" in text for text in texts)
    if found.fictional:
        assert all("FICTIONALPROGRAMME" in text for text in texts)
    whole = "".join(texts)
    assert [p.title for p in found.points if bare(p.title) not in whole] == []
    assert [g.fix for p in found.fix_first for g in p.gaps if bare(g.fix) not in whole] == []


def test_open_items_print_their_evidence(page):
    from pypdf import PdfReader

    short = len(PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages)
    page.click("#open-all")
    assert len(PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages) > short


def test_the_page_can_be_read_without_its_script(browser, file, found):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert not page.locator("#filters").is_visible()
    assert page.locator("details.item").count() == len(found.points)
    context.close()

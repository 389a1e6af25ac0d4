"""Every ready-made design runs, answers what is known, and has its committed brief."""

import re
from pathlib import Path

import pytest
from pypdf import PdfReader

import impact
from impact.brief import compose, render_html, render_pdf
from impact.library import list_designs

ROOT = Path(__file__).parents[1]
SLUGS = list_designs()


@pytest.fixture(scope="module")
def evaluations():
    return {slug: impact.evaluate(impact.read_study(ROOT / "designs" / slug)) for slug in SLUGS}


@pytest.fixture(scope="module")
def briefs(evaluations):
    out = {}
    for slug, evaluation in evaluations.items():
        brief = compose(evaluation, impact.audit(evaluation))
        pdf, layout = render_pdf(brief)
        out[slug] = (pdf, render_html(brief, layout))
    return out


def text_of(pdf: bytes | Path, tmp_path: Path) -> list[str]:
    file = pdf if isinstance(pdf, Path) else tmp_path / "brief.pdf"
    if isinstance(pdf, bytes):
        file.write_bytes(pdf)
    return [without_hashes(" ".join(page.extract_text().split())) for page in PdfReader(file).pages]


def without_hashes(text: str) -> str:
    """Leave hashes of the record out: another processor may differ in the last digits the record keeps."""
    return re.sub(r"\b[0-9a-f]{10,64}\b", "hash", text)


def test_there_are_designs_for_each_family(evaluations):
    assert {e.study.design.kind for e in evaluations.values()} == {"rct", "did", "matching"}


@pytest.mark.parametrize("slug", SLUGS)
def test_each_design_has_its_readme_and_its_row(slug):
    assert (ROOT / "designs" / slug / "README.md").stat().st_size > 500
    assert slug in (ROOT / "designs" / "README.md").read_text()


@pytest.mark.parametrize("slug", SLUGS)
def test_each_design_has_a_two_page_brief_that_is_committed(slug, briefs, tmp_path):
    pdf, html = briefs[slug]
    now = text_of(pdf, tmp_path)
    assert len(now) == 2
    assert now == text_of(ROOT / "briefs" / f"{slug}.pdf", tmp_path)
    kept = (ROOT / "briefs" / f"{slug}.html").read_text(encoding="utf-8")
    assert words_of(html) == words_of(kept)


def words_of(html: str) -> str:
    body = re.sub(r"<style.*?</style>", "", html, flags=re.S)
    return without_hashes(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def test_michigan_shows_the_loss_and_what_was_not_examined(evaluations, briefs, tmp_path):
    evaluation = evaluations["michigan-training-grants"]
    flow = evaluation.flow("scrap_rate")
    assert (flow.stage("enrolled").units, flow.stage("analysed").units) == (157, 54)
    assert evaluation.headline.method == "group_time_att"
    assert not evaluation.headline.has_caveat("provisional")
    assert evaluation.estimate("scrap_rate/two_way_fixed_effects").has_caveat("provisional")
    titles = {c.title: c.word for c in evaluation.checks}
    assert titles["If trends were not parallel"] == "not examined"  # one earlier coefficient
    assert titles["One cohort left out at a time"] == "rests on one cohort"
    words = {c.id: c.word for c in evaluation.checks}
    assert words["pretrend_1988"] == "not examined"
    pages = text_of(briefs["michigan-training-grants"][0], tmp_path)
    assert not any("PROVISIONAL" in page for page in pages)
    assert "54" in pages[0]
    assert "157" in pages[0]
    assert not re.search(r"passed", " ".join(pages), flags=re.I)


def test_nsw_gives_the_published_difference(evaluations):
    assert evaluations["nsw-job-training"].headline.estimate == pytest.approx(1.79434307310111, rel=1e-9)


def test_matching_stands_beside_its_benchmark(evaluations, briefs, tmp_path):
    evaluation = evaluations["nsw-matched-comparison"]
    assert evaluation.study.benchmark is not None
    assert evaluation.study.benchmark.value == 1.794
    assert "1.79" in " ".join(text_of(briefs["nsw-matched-comparison"][0], tmp_path))

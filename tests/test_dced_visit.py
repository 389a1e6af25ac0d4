"""What stands beside a programme's self-check: rehearsal, evidence room, agenda, what moved, the manager's page."""

import dataclasses
import hashlib
import html
import io
import json
import re
import struct
import zipfile
import zlib

import pytest
from openpyxl import Workbook, load_workbook
from support_pages import needs_browser
from support_records import sample_evaluation

from impact.cli import main
from impact.dced import audit, workbooks
from impact.dced.agenda import Due, falls_due, months_later
from impact.dced.evidence_room import FOLDER, furnish, pack
from impact.dced.personal import signs
from impact.dced.programme import _measure
from impact.dced.rehearsal import rehearse
from impact.dced.rehearsal_sheet import Answers, Said, Tried, read_answers, rehearsal_workbook
from impact.dced.report.beside import _gathered, calendar_workbook, manager_html, rehearsal_html, room_html, told
from impact.dced.report.html import self_check_html
from impact.dced.report.words import unbroken
from impact.dced.snapshots import Move, Progress, compare, since_last, snapshot_name
from impact.dced.types import EFFORTS, Flag, Gap
from impact.errors import DesignError, StudyError
from impact.programme import read_programme
from impact.programme.report_types import Total
from impact.results.record import evaluation_to_json, to_json

PROGRAMME = """
name: Seeds and tools
as_of: 2026-06-30
simulated: true
conventions: {review_months: 6, meeting_months: 3}
staff:
  - {id: mel, name: A. Person, role: results measurement manager}
documents:
  - {id: D1, title: Chains, kind: results_chain, file: docs/chains.txt, personal_data: false,
     serves: ["rc_logic.own_chain p. 1"]}
  - {id: D2, title: Baseline data, kind: data, file: docs/raw.csv, personal_data: true}
  - {id: D3, title: Projections, kind: projection_sheet, file: docs/projections.csv, personal_data: false}
  - {id: D4, title: Interviews, kind: interview_notes, file: docs/notes.txt}
  - {id: D5, title: Report 2025, kind: annual_report, link: "https://example.org/report", personal_data: false}
  - {id: D6, title: List of firms, kind: sampling_note, file: docs/list.csv, personal_data: false}
  - {id: D7, title: Lost paper, kind: minutes, file: docs/lost.txt, personal_data: false}
interventions:
  - {id: seeds, name: Seeds, status: active, owner: mel, partners: [Seed House]}
  - {id: tools, name: Tools, status: completed}
  - {id: fairs, name: Fairs, status: planned}
  - {id: loans, name: Loans, status: active, in_scope: false, scope_reason: begun by an earlier programme}
indicators:
  - {id: income, intervention: seeds, name: Income, unit: USD, owner: mel, baseline: {planned: 2025-02-01}}
chains:
  - {id: v1, intervention: seeds, date: 2025-01-10, reason: first, evidence: [D1 p. 1],
     boxes: [{id: a, level: activity, text: Sell seed}, {id: b, level: impact, text: Income grows, indicators: [income]}],
     arrows: [{from: a, to: b}], reviews: [{date: 2025-12-31, changed: false, reason: still true}]}
rounds:
  - {id: base, interventions: [seeds], kind: baseline, planned: 2025-01-15, done: 2025-02-01, sampling_frame: [D6 row 1],
     questionnaire: [D4], raw_data: [D2 row 2]}
  - {id: end, interventions: [seeds], kind: impact, planned: 2026-09-01, owner: mel}
measurements:
  - {indicator: income, kind: baseline, measured: 2025-01-31, value: 100, round: base}
  - {indicator: income, kind: progress, planned: 2026-05-01}
attributions:
  - {id: att, intervention: seeds, method: before_after, reason: nothing else changed, before: base, after: end, value: 3}
results:
  - {id: r1, intervention: seeds, indicator: income, year: 2025, value: 30, basis: gross, attribution: att,
     evidence: [D3 row 2]}
reports:
  - {id: rep, document: D5, begins: 2025-01-01, ends: 2025-12-31,
     figures: [{label: Income gained, value: 30, place: p. 7, shown_as: measured, traces_to: r1}]}
meetings: [{id: m1, date: 2026-01-15}]
decisions: [{id: d1, date: 2026-02-01, text: Sell smaller bags, meeting: m1, interventions: [seeds], evidence: [D7 p. 1]}]
tasks: [{text: Update the manual, person: mel, due: 2026-07-31}]
"""


@pytest.fixture
def folder(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "programme.yaml").write_text(PROGRAMME, encoding="utf-8")
    for name, text in {"chains.txt": "sell seed, income grows", "raw.csv": "id,phone\n1,+254 700 123 456\n",
                       "projections.csv": "farms,income\n10,3\n", "notes.txt": "asked ten farms",
                       "list.csv": "firm,First name\nF1,x\n"}.items():
        (docs / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def programme(folder):
    return read_programme(folder)


@pytest.fixture(scope="module")
def checked():
    """A self-check to stand beside: what it says of items does not matter here."""
    return audit(sample_evaluation())


# ---- the draw


def test_the_same_seed_draws_the_same_interventions_whatever_their_order(programme, checked):
    first = rehearse(programme, checked, sample=1, seed=7)
    turned = dataclasses.replace(programme, interventions=programme.interventions[::-1])
    assert [i.id for i in rehearse(turned, checked, sample=1, seed=7).drawn] == [i.id for i in first.drawn]
    drawn = {rehearse(programme, checked, sample=1, seed=s).drawn[0].id for s in range(20)}
    assert drawn == {"seeds", "tools"}  # never one that has not begun or is out of scope


def test_who_is_not_in_the_draw_is_said_with_the_reason(programme, checked):
    found = rehearse(programme, checked, sample=5, seed=1)
    assert (len(found.drawn), found.eligible) == (2, 2)
    assert found.left_out == ("Fairs: not begun", "Loans: begun by an earlier programme")


@pytest.mark.parametrize("sample", [0, -1])
def test_an_empty_sample_is_refused(programme, checked, sample):
    with pytest.raises(DesignError, match="cannot be drawn"):
        rehearse(programme, checked, sample=sample, seed=1)


def test_a_programme_that_has_not_begun_is_told_so(programme, checked):
    none = dataclasses.replace(programme, interventions=programme.interventions[2:3])
    with pytest.raises(DesignError, match="no intervention in scope has begun"):
        rehearse(none, checked, seed=1)


# ---- what is asked


def test_a_reported_figure_is_walked_back_to_the_questionnaire(programme, checked):
    asked = [r for r in rehearse(programme, checked, sample=2, seed=7).requests if r.intervention == "seeds"]
    places = {r.ask: [(p.document, p.place, p.state) for p in r.papers] for r in asked}
    assert places["Show “Income gained”, 30, in the report."] == [("D5", "p. 7", "link")]
    assert places["Show the calculation behind it, with its inputs."] == [("D3", "row 2", "there")]
    assert places["Show the data as collected."] == [("D2", "row 2", "there")]
    assert places["Show the questionnaire."] == [("D4", "", "there")]
    assert places["Show the sampling frame, and how the sample was drawn."] == [("D6", "row 1", "there")]
    assert places["Show the cleaning log: what was changed in the data, by whom and why."] == []
    assert places["Show a decision that followed from results, and what changed after it."] == [("D7", "p. 1", "missing")]
    ready = {r.ask for r in asked if r.ready}
    assert "Show the questionnaire." not in ready  # no page named
    assert "Show a decision that followed from results, and what changed after it." not in ready  # no file
    assert "Show the results chain in force on 2025-12-31, the last day of that report, and every other version." in ready


def test_what_was_measured_is_walked_back_before_what_was_projected_and_a_share_of_a_total(programme, checked):
    report, total = programme.reports[0], Total(id="all", common="income", year=2025, value=30)
    measured = report.figures[0]
    projected = [dataclasses.replace(measured, label=f"Income expected {n}", shown_as="projected") for n in range(20)]
    summed = dataclasses.replace(measured, label="All income", traces_to="all")
    indicators = tuple(dataclasses.replace(i, common="income") for i in programme.indicators)

    def first(*figures):
        changed = dataclasses.replace(programme, indicators=indicators, totals=(total,),
                                      reports=(dataclasses.replace(report, figures=figures),))
        return next(r.ask for r in rehearse(changed, checked, sample=2, seed=7).requests if r.intervention == "seeds")

    assert "“Income gained”" in first(*projected, summed, measured)
    assert "“All income”" in first(*projected, summed)
    assert "“Income expected" in first(*projected)


def test_a_large_figure_is_asked_for_as_it_is_printed(programme, checked):
    report = programme.reports[0]
    large = dataclasses.replace(report.figures[0], value=1_234_567)
    changed = dataclasses.replace(programme, reports=(dataclasses.replace(report, figures=(large,)),),
                                  results=(dataclasses.replace(programme.results[0], value=1_234_567.25),))
    asked = rehearse(changed, checked, sample=2, seed=7).requests
    assert asked[0].ask == "Show “Income gained”, 1,234,567, in the report."
    assert "r1: 1,234,567.25, gross" in {r.told for r in asked}


def test_the_guide_puts_talk_to_the_right_people(programme, checked):
    guide = [q for q in rehearse(programme, checked, sample=2, seed=7).questions if q.intervention == "seeds"]
    assert {q.item: q.who for q in guide} == {
        "rc_logic.staff_use": "results measurement manager", "rc_logic.partners_explain": "Seed House",
        "ind_each_change.staff_understand": "results measurement manager",
        "use_in_management.examples": "results measurement manager"}


# ---- the working sheet, out and back


def fill(content, cells):
    book = load_workbook(io.BytesIO(content))
    for sheet, row, column, value in cells:
        book[sheet].cell(row, column).value = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_answers_come_back_as_they_were_written(programme, checked, tmp_path):
    found = rehearse(programme, checked, sample=2, seed=7)
    content = rehearsal_workbook(found)
    assert content == rehearsal_workbook(found)
    file = tmp_path / "self-check-rehearsal.xlsx"
    shown = Tried(code="R01", produced="yes", by="B. Doe", date="2026-07-02", shown="D5 p. 7")
    lost = dataclasses.replace(shown, code="R02", produced="no", shown="", remark="on a lost laptop")
    said = Said(code="Q01", answer="Drew it from memory", judgement="yes", by="C. Roe", role="officer",
                date="2026-07-02", recorded_by="B. Doe")
    answers = Answers(tried=(shown, lost), said=(said,))
    file.write_bytes(rehearsal_workbook(found, answers))
    assert read_answers(file, found) == answers
    assert told(found, answers).startswith(f"Of {len(found.requests)} requests: 1 produced, 0 partly, 1 not")
    page = rehearsal_html(found, answers)
    assert page.index("What could not be produced") < page.index("on a lost laptop") < page.index("Interview guide")
    assert "FICTIONAL PROGRAMME" in page
    assert "Drew it from memory" in page
    assert "B. Doe" not in page  # names stay in the sheet
    assert "C. Roe" not in page
    assert "Nothing was tried." in rehearsal_html(found, Answers())
    for place, known in (("D1 p. 7", True), ("d1, p. 7", True), ("D01 p. 7", False), ("the drawer, p. 7", False)):
        page = rehearsal_html(found, Answers(tried=(dataclasses.replace(shown, shown=place), lost)))
        assert ("Shown under a code that the register does not hold" not in page) is known


def test_every_row_that_is_not_filled_in_as_it_must_be_is_named_at_once(programme, checked, tmp_path):
    found = rehearse(programme, checked, sample=2, seed=7)
    file = tmp_path / "sheet.xlsx"
    file.write_bytes(fill(rehearsal_workbook(found), [
        ("Requests", 2, 6, "perhaps"), ("Requests", 3, 6, "yes"), ("Requests", 3, 7, "B. Doe"),
        ("Requests", 3, 8, "2026-02-30"), ("Requests", 3, 9, "an e-mail of May"),
        ("Requests", 4, 3, "Show something else"), ("Requests", 4, 6, "no"), ("Interviews", 2, 7, "yes")]))
    with pytest.raises(StudyError) as refused:
        read_answers(file, found)
    told = [(p.where, p.what) for p in refused.value.problems]
    assert told == [
        ("sheet Requests, row 2", "produced is 'perhaps'"), ("sheet Requests, row 2", "'shown by' is empty"),
        ("sheet Requests, row 2", "date is ''"), ("sheet Requests, row 3", "date is '2026-02-30'"),
        ("sheet Requests, row 3", "it was produced, but not said which document and where in it"),
        ("sheet Requests, row 4", "R03 is none of what was asked"),
        ("sheet Interviews, row 2", "'name' is empty"), ("sheet Interviews, row 2", "date is ''"),
        ("sheet Interviews, row 2", "the answer is missing")]


def test_the_sheet_of_another_rehearsal_is_refused(programme, checked, tmp_path):
    file = tmp_path / "sheet.xlsx"
    file.write_bytes(rehearsal_workbook(rehearse(programme, checked, sample=2, seed=7)))
    with pytest.raises(StudyError, match="the sheet says '7', this rehearsal '8'"):
        read_answers(file, rehearse(programme, checked, sample=2, seed=8))
    with pytest.raises(StudyError, match="there is no such file"):
        read_answers(tmp_path / "none.xlsx", rehearse(programme, checked, sample=2, seed=8))


def test_nothing_in_the_sheet_is_a_formula(programme, checked):
    hostile = dataclasses.replace(programme, decisions=(dataclasses.replace(programme.decisions[0], text="=cmd()"),),
                                  name="=HYPERLINK(1)")
    book = load_workbook(io.BytesIO(rehearsal_workbook(rehearse(hostile, checked, sample=2, seed=7))))
    cells = [c for sheet in book for row in sheet.iter_rows() for c in row if isinstance(c.value, str)]
    assert all(c.data_type != "f" for c in cells)
    assert not [c.value for c in cells if c.value.startswith("=")]


# ---- the evidence room


def test_the_room_holds_nothing_with_personal_data_and_says_why_each_paper_is_out(programme, checked):
    room, files = furnish(programme, checked)
    why = {d.id: d.why_not for d in room.documents}
    assert sorted(files) == ["documents/D1 chains.txt", "documents/D3 projections.csv"]
    assert why["D2"] == "holds personal data: stays with the programme"
    assert "does not say whether it holds personal data" in why["D4"]
    assert why["D5"] == "is kept elsewhere, at the link in the index"
    assert why["D6"] == ("declared free of personal data, but a column is headed like a column of personal data: stays out "
                         "until that is cleared")
    assert why["D7"] == "the file is missing"
    content = pack(room, files, room_html(room))
    assert content == pack(room, files, room_html(room))
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert sorted(packed.namelist()) == [
            f"{FOLDER}/documents/D1 chains.txt", f"{FOLDER}/documents/D3 projections.csv",
            f"{FOLDER}/self-check-index.html", f"{FOLDER}/self-check-index.xlsx"]
        page = packed.read(f"{FOLDER}/self-check-index.html").decode()
        assert not any(b"700 123" in packed.read(name) for name in packed.namelist())
    assert 'href="documents/D1%20chains.txt"' in page
    assert next(d.sha256 for d in room.documents if d.id == "D1") in page
    own = next(s for s in room.index if s.item == "rc_logic.own_chain")
    assert ("D1", "p. 1") in own.places


def test_a_file_that_changes_while_it_is_packed_is_not_packed(programme, checked, folder):
    room, files = furnish(programme, checked)
    (folder / "docs" / "chains.txt").write_text("something else", encoding="utf-8")
    with pytest.raises(StudyError, match="changed while the room was being packed"):
        pack(room, files, "")


def test_a_public_document_may_name_whom_to_write_to(programme, checked, folder):
    (folder / "docs" / "chains.txt").write_text("write to office@example.org", encoding="utf-8")
    assert "documents/D1 chains.txt" not in furnish(programme, checked)[1]
    made_public = dataclasses.replace(programme.documents[0], published="2026-01-01")
    public = dataclasses.replace(programme, documents=(made_public,))
    assert list(furnish(public, checked)[1]) == ["documents/D1 chains.txt"]


def test_titles_and_names_of_files_in_the_room_hold_no_address_and_unpack_anywhere(programme, checked, folder):
    name = 'list <of> "a.b@example.org": +254 700 123 456?.txt'
    (folder / "docs" / name).write_text("Page 1\n", encoding="utf-8")
    one = dataclasses.replace(programme.documents[0], file=f"docs/{name}", title="Talk with jo.doe@example.org",
                              published=None)
    room, files = furnish(dataclasses.replace(programme, documents=(one,)), checked)
    assert list(files) == ["documents/D1 list _of_ _(address hidden)__ (number hidden)_.txt"]
    assert room.documents[0].title == "Talk with (address hidden)"
    assert "jo.doe" not in room_html(room)


def test_signs_of_personal_data_are_found_and_never_repeated(tmp_path):
    texts = {"a.txt": "call +254 (700) 123-456 now", "b.csv": "id;Téléphone\n1;x\n", "c.md": "to jo.doe@example.org"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert signs(tmp_path / name)
        assert "254" not in signs(tmp_path / name)
        assert "jo.doe" not in signs(tmp_path / name)
    book = Workbook()
    book.active.append(["id", "Respondent's name"])
    book.save(tmp_path / "d.xlsx")
    assert "column of personal data" in signs(tmp_path / "d.xlsx")
    (tmp_path / "e.csv").write_text("name,value\nfarms,1250\nincome in 2026,+12345\np,0.001234567891\n", encoding="utf-8")
    (tmp_path / "f.txt").write_text("call 00221 77 123 45 67", encoding="utf-8")
    assert "phone" in signs(tmp_path / "f.txt")
    assert signs(tmp_path / "e.csv") == ""


def test_the_index_names_the_documents_that_the_self_check_found_evidence_in(programme):
    shelves = {s.item: s for s in furnish(programme, audit(programme))[0].index}
    assert ("D1", "p. 1") in shelves["rc_logic.own_chain"].places
    assert ("D2", "row 2") in {place for s in shelves.values() for place in s.places}  # cited, and under no ‘serves’
    assert all(s.places or s.rows for s in shelves.values() if s.verdict == "on_file")


@pytest.mark.parametrize(("name", "content"), [
    ("wide.csv", "id\tPhone\n1\t77\n".encode("utf-16")), ("marked.csv", b"\xef\xbb\xbfFull name,x\na,1\n"),
    ("titled.csv", b"Farmers of 2025\nid;Phone number\n1;77\n"), ("people.csv", b"id,name\n1,Jo Doe\n2,An Other\n"),
    ("plain.pdf", b"%PDF-1.4\nBT (to jo@example.org) Tj ET\n"),
    ("packed.pdf", b"%PDF-1.4\nstream\n" + zlib.compress(b"BT (to jo@example.org) Tj ET") + b"\nendstream\n"),
    ("big.csv", b"id,x\n" + b"1,2\n" * 5_000_001), ("table.dta", b"<stata_dta>\0id\0\0full_name\0phone\0"),
])
def test_signs_are_found_in_whatever_form_a_file_takes(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert signs(tmp_path / name)
    assert "jo@" not in signs(tmp_path / name)


def test_signs_are_found_in_comments_links_slides_and_files_inside_files(tmp_path):
    parts = {"a.xlsx": ("xl/comments/comment1.xml", "<comment><text><t>+221 77 123 45 67</t></text></comment>"),
             "b.xlsx": ("xl/worksheets/_rels/sheet1.xml.rels", '<Relationship Target="mailto:jo@example.org"/>'),
             "c.pptx": ("ppt/slides/slide1.xml", "<a:p><a:t>jo@example.org</a:t></a:p>"),
             "d.odt": ("content.xml", "<text:p>jo@example.org</text:p>"), "e.zip": ("in/list.csv", "Full name,x\na,1\n"),
             "f.docx": ("word/embeddings/list.csv", "id,Telephone\n1,77\n")}
    for name, (inside, text) in parts.items():
        with zipfile.ZipFile(tmp_path / name, "w") as packed:
            packed.writestr(inside, text)
        assert signs(tmp_path / name), name


def exif(order, tag):
    """A TIFF record of one entry."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}LHHHLL", 8, 1, tag, 4, 1, 26)


@pytest.mark.parametrize(("name", "before"), [
    ("a.jpg", b"\xff\xd8\xff\xe1\x00\x22Exif\0\0"), ("b.png", b"\x89PNG\r\n\x1a\n\0\0\0\x1aeXIf"), ("c.tif", b""),
    ("d.pdf", b"%PDF-1.4\nstream\n\xff\xd8\xff\xe1\x00\x22Exif\0\0")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_picture_that_says_where_it_was_taken_stays_out(name, before, order, tmp_path):
    (tmp_path / name).write_bytes(before + exif(order, 0x8825))
    assert "coordinates of where it was taken" in signs(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "report.docx", "w") as packed:
        packed.write(tmp_path / name, f"word/media/{name}")
    assert "coordinates" in signs(tmp_path / "report.docx")
    for harmless in (exif(order, 0x0112), b"II*\0\xff\xff\xff\xff", b"MM\0", b"no record"):
        (tmp_path / name).write_bytes(before + harmless)
        assert signs(tmp_path / name) == ""


def test_a_document_made_to_exhaust_the_search_stays_out(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", (b"x" * 99 + b"\n") * 200_000)
    with zipfile.ZipFile(tmp_path / "nested.zip", "w") as packed:
        for n in range(4):
            packed.writestr(f"{n}.zip", inner.getvalue())
    stream = b"stream\n" + zlib.compress(b"x" * 19_000_000) + b"\nendstream\n"
    (tmp_path / "stream.pdf").write_bytes(b"%PDF-1.4\n" + stream * 4)
    (tmp_path / "word.txt").write_text("a" * 2_000_000)
    assert "unpacks to too much" in signs(tmp_path / "nested.zip")
    assert "unpacks to too much" in signs(tmp_path / "stream.pdf")
    assert signs(tmp_path / "word.txt") == ""


def test_authors_are_taken_out_of_the_copy_and_both_fingerprints_are_told(programme, checked, folder):
    book = Workbook()
    book.active.append(["farms", 3])
    book.properties.creator = book.properties.lastModifiedBy = "Jo Doe"
    book.save(folder / "docs" / "costs.xlsx")
    (folder / "docs" / "scan.pdf").write_bytes(b"%PDF-1.4\n<</Author (M\\(s\\) (consultant) Jo Doe)>>\n%%EOF")
    first, second = (dataclasses.replace(programme.documents[0], file=f"docs/{name}")
                     for name in ("costs.xlsx", "scan.pdf"))
    both = dataclasses.replace(programme, documents=(first, dataclasses.replace(second, id="D9")))
    room, files = furnish(both, checked)
    with zipfile.ZipFile(io.BytesIO(pack(room, files, room_html(room)))) as packed:
        for held in room.documents:
            content = packed.read(f"{FOLDER}/{held.file}")
            assert hashlib.sha256(content).hexdigest() == held.sha256 != held.original
            assert b"Jo Doe" not in content
        core = zipfile.ZipFile(io.BytesIO(packed.read(f"{FOLDER}/documents/D1 costs.xlsx"))).read("docProps/core.xml")
        assert b"Jo Doe" not in core
        page = packed.read(f"{FOLDER}/self-check-index.html").decode()
    assert "1 could not be searched for personal data" in page
    assert hashlib.sha256((folder / "docs" / "scan.pdf").read_bytes()).hexdigest() in page


def test_the_room_writes_over_nothing_but_an_earlier_room(folder, capsys):
    room = folder / "out.zip"
    assert main(["audit", str(folder), "--evidence-room", str(room)]) == 0
    assert main(["audit", str(folder), "--evidence-room", str(room)]) == 0
    before = (folder / "programme.yaml").read_bytes()
    (folder / "other.zip").write_bytes(b"mine")
    for target in ("programme.yaml", "other.zip"):
        assert main(["audit", str(folder), "--evidence-room", str(folder / target)]) == 2
    assert "does not end in .zip" in capsys.readouterr().err
    assert (folder / "programme.yaml").read_bytes() == before
    assert (folder / "other.zip").read_bytes() == b"mine"


# ---- what falls due


def test_what_falls_due_is_counted_from_the_day_the_programme_states(programme):
    assert [(d.date, d.what, d.owner, d.late) for d in falls_due(programme)] == [
        ("2026-04-15", "Meet to review results", "", True),
        ("2026-05-01", "Measure Income (progress value)", "results measurement manager", True),
        ("2026-06-30", "Review the results chain", "results measurement manager", False),
        ("2026-07-31", "Update the manual", "results measurement manager", False),
        ("2026-09-01", "Collect end (impact round)", "results measurement manager", False),
        ("2026-12-31", "Report results and costs of the year that ends", "", False)]


@pytest.mark.parametrize(("day", "months", "later"), [
    ("2024-01-31", 1, "2024-02-29"), ("2025-08-31", 6, "2026-02-28"), ("2025-12-31", 12, "2026-12-31"),
    ("2025-03-15", 22, "2027-01-15")])
def test_months_are_added_by_the_calendar(day, months, later):
    assert months_later(day, months) == later


# ---- over time


def snapshot(audit):
    return json.loads(to_json(audit))


def moved(audit, key, verdict):
    elements = tuple(dataclasses.replace(e, points=tuple(
        dataclasses.replace(p, verdict=verdict) if p.internal_key == key else p for p in e.points)) for e in audit.elements)
    return dataclasses.replace(audit, elements=elements)


def test_items_improve_and_slip_and_what_is_judged_otherwise_is_neither(checked):
    key = "rc_logic.own_chain"
    earlier = dataclasses.replace(checked, as_of="2026-03-31")
    for before, now, direction in (("gap", "on_file", "improved"), ("on_file", "partly", "slipped"),
                                   ("needs_person", "on_file", "changed"), ("on_file", "not_applicable", "changed")):
        progress = compare(snapshot(moved(earlier, key, before)), moved(checked, key, now))
        assert [(m.internal_key, m.before, m.now, m.direction) for m in progress.moves] == [(key, before, now, direction)]
    assert compare(snapshot(earlier), checked).sentence == "Since 2026-03-31: no item moved."


def test_only_an_earlier_snapshot_of_the_same_programme_counts(checked, tmp_path):
    now = dataclasses.replace(checked, as_of="2026-06-30")
    assert since_last(now, tmp_path / "none") == Progress(since=None)
    for day in ("2025-12-31", "2026-03-31", "2026-06-30", "2026-09-30"):
        text = to_json(dataclasses.replace(now, as_of=day))
        (tmp_path / snapshot_name(day)).write_text(text, encoding="utf-8")
    assert since_last(now, tmp_path).since == "2026-03-31"
    other = to_json(dataclasses.replace(now, as_of="2026-03-31", study_title="Another"))
    (tmp_path / snapshot_name("2026-03-31")).write_text(other, encoding="utf-8")
    with pytest.raises(StudyError, match="of another programme"):
        since_last(now, tmp_path)
    item = '{"elements": [{"items": [{"internal_key": 1}]}], "as_of": "x"}'
    told = to_json(dataclasses.replace(now, as_of="2026-03-31"))
    for broken in ("{", "[]", '{"elements": 3}', item, "[" * 100_000, told.replace('"on_file"', '"rated 99"'),
                   told.replace("2026-03-31", "<b>")):
        (tmp_path / snapshot_name("2026-03-31")).write_text(broken, encoding="utf-8")
        with pytest.raises(StudyError, match="no snapshot of a self-check that can be read"):
            since_last(now, tmp_path)


# ---- the pages


def test_the_managers_page_names_once_what_falls_due_in_several_places(checked):
    many = [Due(date="2026-05-01", what="Measure income " + "at length " * 20, about=f"i{n}", owner="officer", late=True)
            for n in range(30)]
    page = manager_html(checked, many, Progress(since=None))
    assert page.count("2026-05-01") == 1
    assert "i0, i1 and 28 more" in page


def crowded(checked):
    """A self-check with far more to say than one sheet holds."""
    gap = Gap(text="It is not on file.", fix="", about="")
    gaps = tuple(dataclasses.replace(gap, fix=f"{n} find the paper " + "and register it " * 20,
                                     about=f"Intervention {n} of the hills") for n in range(40))
    elements = tuple(dataclasses.replace(e, points=tuple(
        dataclasses.replace(p, verdict="gap", status="must", gaps=gaps) for p in e.points)) for e in checked.elements)
    due = [Due(date=f"2026-{m:02d}-01", what=f"Measure {m} " + "income of farms " * 9, about=f"intervention_{m}",
               owner="Results measurement officer", late=m < 7) for m in range(1, 13)]
    moves = tuple(Move(internal_key=p.internal_key, title=p.title, before="on_file", now="gap", direction="slipped")
                  for p in checked.points)
    progress = Progress(since="2026-03-31", moves=moves)
    return dataclasses.replace(checked, elements=elements, as_of="2026-07-01"), due, progress


@needs_browser
def test_the_pages_ask_for_nothing_and_the_managers_fits_one_sheet(browser, programme, checked, tmp_path):
    from pypdf import PdfReader

    pages = {"manager": manager_html(checked, falls_due(programme), since_last(checked, tmp_path)),
             "manager of much": manager_html(*crowded(checked)),
             "rehearsal": rehearsal_html(rehearse(programme, checked, sample=2, seed=7)),
             "room": room_html(furnish(programme, checked)[0])}
    for name, text in pages.items():
        assert "self-check" in text
        file = tmp_path / f"{name}.html"
        file.write_text(text, encoding="utf-8")
        page, asked, said = browser.new_page(), [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, said=said: said.append(message.text))
        page.goto(file.as_uri())
        assert asked == [file.as_uri()]
        assert said == []
        if "manager" in name:
            content = page.pdf(prefer_css_page_size=True, print_background=True)
            assert len(PdfReader(io.BytesIO(content)).pages) == 1
        page.close()


def test_every_move_stands_with_its_reason_in_the_workbook_whatever_the_page_has_room_for(programme, checked):
    moves = tuple(Move(internal_key=f"k{n}", title=f"Item {n}", before="on_file", now="gap", direction="slipped",
                       why=f"=lost {n}") for n in range(9))
    book = load_workbook(io.BytesIO(calendar_workbook(programme, (), Progress(since="2026-03-31", moves=moves))))
    rows = list(book["What moved"].iter_rows(min_row=2, values_only=True))
    assert rows[8] == ("k8", "Item 8", "on file", "gap", "slipped", "'=lost 8")
    assert "What moved" not in load_workbook(io.BytesIO(calendar_workbook(programme, (), Progress(since=None)))).sheetnames
    page = manager_html(checked, (), Progress(since="2026-03-31", moves=moves))
    assert "and 4 more; every one with its reason in self-check-calendar.xlsx" in page
    flagged = dataclasses.replace(checked, flags=(Flag(document="D1", kind="fault", text="is empty."),))
    assert "1 document cannot carry what is put on it." in manager_html(flagged, (), Progress(since=None))


# ---- the command


def test_one_command_rehearses_packs_and_keeps_a_snapshot(folder, capsys):
    out = folder / "out"
    words = ["audit", str(folder), "--out", str(out)]
    assert main([*words, "--rehearse", "--sample", "2", "--seed", "7", "--evidence-room", str(folder / "room.zip")]) == 0
    told = capsys.readouterr().out
    assert "No earlier snapshot" in told
    assert "2 things are late" in told
    assert sorted(p.name for p in out.iterdir()) == [
        "self-check-calendar.xlsx", "self-check-manager.html", "self-check-rehearsal.html", "self-check-rehearsal.xlsx",
        "self-check-snapshots", "self-check.html", "self-check.json", "self-check.xlsx"]
    assert [p.name for p in (out / "self-check-snapshots").iterdir()] == ["self-check-2026-06-30.json"]
    with zipfile.ZipFile(folder / "room.zip") as packed:
        assert len(packed.namelist()) == 4
    later = (folder / "programme.yaml").read_text(encoding="utf-8").replace("as_of: 2026-06-30", "as_of: 2026-09-30")
    (folder / "programme.yaml").write_text(later, encoding="utf-8")
    assert main(words) == 0
    assert "Since 2026-06-30:" in capsys.readouterr().out


def test_a_filled_in_sheet_is_read_and_never_written_over(folder, capsys):
    words = ["audit", str(folder), "--out", str(folder / "out"), "--rehearse", "--seed", "7"]
    assert main(words) == 0
    sheet = folder / "out" / "self-check-rehearsal.xlsx"
    before = sheet.read_bytes()
    assert main(words) == 2
    assert "a rehearsal's sheet lies there already" in "".join(capsys.readouterr())
    assert main([*words, "--answers", str(sheet)]) == 0
    assert sheet.read_bytes() == before
    page = (folder / "out" / "self-check-rehearsal.html").read_text(encoding="utf-8")
    assert "0 produced, 0 partly, 0 not" in page


@pytest.mark.parametrize(("words", "said"), [
    (["--rehearse"], "no seed is given"), (["--sample", "3"], "it goes with --rehearse alone"),
    (["--rehearse", "--seed", "1", "--sample", "0"], "0 interventions cannot be drawn")])
def test_options_that_do_not_fit_are_refused_before_anything_is_written(folder, capsys, words, said):
    assert main(["audit", str(folder), "--out", str(folder / "out"), *words]) == 2
    assert said in "".join(capsys.readouterr())
    assert not (folder / "out").exists()


def test_a_study_has_no_rehearsal_and_no_room(tmp_path, capsys):
    (tmp_path / "results.json").write_text(evaluation_to_json(sample_evaluation()), encoding="utf-8")
    assert main(["audit", str(tmp_path), "--rehearse", "--seed", "1", "--evidence-room", "out.zip"]) == 2
    told = "".join(capsys.readouterr())
    assert told.count("it goes with a programme") == 3


def test_a_printed_sheet_repeats_its_head():
    book = workbooks.new_workbook()
    listed = workbooks.write_rows(book, "A", [("what", "why"), ("x", "y")], widths=(20, 40))
    facts = workbooks.write_rows(book, "C", [("seed", 7)], widths=(20, 80), head=False)
    assert [sheet.print_title_rows for sheet in (listed, facts)] == ["$1:$1", None]
    assert facts["B1"].alignment.horizontal == "left"


def test_a_step_is_told_with_the_gap_it_mends_and_by_name(programme, checked, tmp_path):
    page = manager_html(checked, falls_due(programme), since_last(checked, tmp_path))
    step = min((g for p in checked.fix_first for g in p.gaps if g.fix), key=lambda g: EFFORTS.index(g.effort))
    for text in (page, self_check_html(checked)):
        lines = html.unescape(re.sub(r"</?span[^>]*>", "", text))
        assert 0 < lines.index(step.text[:40]) < lines.index(step.fix[:40])
    names = {i.id: i.name for i in programme.interventions}
    assert not {d.about for d in falls_due(programme)} & set(names)
    assert {d.about for d in falls_due(programme)} & set(names.values())


def test_pages_of_a_document_are_named_together_and_not_torn_apart():
    assert _gathered(("p. 2", "p. 13", "rows 3-26")) == "pp. 2, 13, rows 3-26"
    assert _gathered(("p. 2",)) == "p. 2"
    assert unbroken("<b> due 2027-01-15, p. 5") == (
        '&lt;b&gt; due <span class="nobreak">2027-01-15</span>, <span class="nobreak">p. 5</span>')


def test_a_unit_that_begins_with_a_number_does_not_run_into_it():
    assert _measure(1, "1 yes, 0 no") == "1 (1 yes, 0 no)"
    assert _measure(0.62, "share of farms (0 to 1)") == "0.62, share of farms (0 to 1)"
    assert _measure(1240, "USD a year") == "1,240 USD a year"


def test_rows_are_as_tall_as_their_longest_text():
    book = workbooks.new_workbook()
    sheet = workbooks.write_rows(book, "A", [("what", "why"), ("x" * 95, "short"), ("one\ntwo", ""), ("y" * 9999, "")],
                                 widths=(20, 10))
    assert [sheet.row_dimensions[i].height for i in (1, 2, 3, 4)] == [20, 75, 30, 409]  # the head has some room below it

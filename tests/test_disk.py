"""Documents on disk: what each state means, and what the files say of themselves."""

import datetime as dt
import hashlib
import zipfile
from pathlib import PurePosixPath

import docx
import openpyxl
import pytest
from support_programmes import damaged_inside

from impact.dced.authors import without_authors
from impact.dced.personal import signs
from impact.programme import disk
from impact.programme.disk import duplicates, look
from impact.programme.places import find_place
from impact.programme.recognition import guess


def made(folder, name, content=b""):
    (folder / name).write_bytes(content)
    return look(folder, name)


@pytest.mark.parametrize(("name", "content", "state"), [
    ("a.txt", b"FICTIONAL", "there"), ("a.txt", b"", "empty"), ("a.txt", b" \n\t ", "empty"),
    ("a.csv", b"\0\0\1\2x", "damaged"),
    ("a.txt", "text".encode("utf-16"), "there"), ("a.pdf", b"%PDF-1.4 ...", "there"), ("a.pdf", b"<html>", "damaged"),
    ("a.docx", b"PK\x03\x04", "damaged"), ("a.xlsx", b"not packed", "damaged"), ("a.jpg", b"\xff\xd8", "there")])
def test_states(name, content, state, tmp_path):
    found = made(tmp_path, name, content)
    assert found.state == state
    assert bool(found.why) == (state in ("empty", "damaged"))
    assert found.sha256 == (hashlib.sha256(content).hexdigest() if content else "")


def test_missing_folders_and_paths_outside_are_missing(tmp_path):
    (tmp_path / "x").mkdir()
    assert look(tmp_path, "no.txt").state == "missing"
    assert look(tmp_path, "x").state == "missing"
    assert look(tmp_path / "x", "../no.txt").state == "missing"


def test_office_files_tell_their_dates_and_whether_they_hold_anything(tmp_path):
    file = docx.Document()
    file.core_properties.created = file.core_properties.modified = dt.datetime(2024, 3, 1)
    file.save(tmp_path / "empty.docx")
    file.add_paragraph("FICTIONAL")
    file.save(tmp_path / "full.docx")
    assert look(tmp_path, "empty.docx").state == "empty"
    full = look(tmp_path, "full.docx")
    assert (full.state, full.created, full.saved) == ("there", "2024-03-01", "2024-03-01")
    book = openpyxl.Workbook()
    book.save(tmp_path / "empty.xlsx")
    book.active["A1"] = 5
    book.save(tmp_path / "full.xlsx")
    assert look(tmp_path, "empty.xlsx").state == "empty"
    assert look(tmp_path, "full.xlsx").state == "there"
    pdf = made(tmp_path, "a.pdf", b"%PDF-1.4 /CreationDate (D:20240115120000Z) /ModDate(D:20240220)")
    assert (pdf.created, pdf.saved) == ("2024-01-15", "2024-02-20")


def test_a_renamed_package_is_damaged(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as packed:
        packed.writestr("hello.txt", "FICTIONAL")
    assert look(tmp_path, "a.docx").state == "damaged"


@pytest.mark.parametrize(("name", "body"), [("a.docx", "word/document.xml"), ("a.xlsx", "xl/worksheets/sheet1.xml")])
@pytest.mark.parametrize("properties", [False, True], ids=["body", "properties"])
def test_a_file_damaged_inside_a_part_is_said_to_be_and_stops_nothing(name, body, properties, tmp_path):
    file, book = docx.Document(), openpyxl.Workbook()
    file.add_paragraph("FICTIONAL")
    book.active["A1"] = 5
    (file if name == "a.docx" else book).save(tmp_path / name)
    content = damaged_inside((tmp_path / name).read_bytes(), "docProps/core.xml" if properties else body)
    state = made(tmp_path, name, content)
    assert (state.state, state.why) == ("damaged", f"the file does not open as {name[1:]}")
    assert guess(tmp_path, PurePosixPath(name)).state.state == "damaged"
    assert without_authors(content, name) is content
    if not properties:
        assert find_place(tmp_path / name, "p. 1, row 1") == "unknown"
        assert "could not be searched" in signs(tmp_path / name)


def test_equal_files_are_grouped_and_empty_ones_are_not(tmp_path):
    states = [made(tmp_path, f"{name}.txt", content) for name, content in
              (("a", b"same"), ("b", b"same"), ("c", b"other"), ("d", b""), ("e", b""))]
    assert [[s.file for s in group] for group in duplicates([*states, states[0]])] == [["a.txt", "b.txt"]]


def test_a_file_too_large_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MAX_HASHED", 3)
    assert made(tmp_path, "a.jpg", b"12345").sha256 == ""

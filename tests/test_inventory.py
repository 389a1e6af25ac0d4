"""Taking stock of an inherited drive: a messy folder gives a programme file that reads, and nothing in it is changed."""

import datetime as dt
import hashlib
import os
import zipfile
from pathlib import Path, PurePosixPath

import docx
import openpyxl
import pytest
from support_programmes import EXAMPLES

from impact.cli import main
from impact.errors import StudyError
from impact.programme import read_programme
from impact.programme.inventory import take_inventory
from impact.programme.recognition import guess, readable
from impact.programme.stocktaking import fixes, inventory_lines, overdue, write_proposal
from impact.programme.writing import to_yaml


def word(path, text="FICTIONAL text", author="Ines Fictional", day=dt.datetime(2024, 3, 1), title=""):
    file = docx.Document()
    file.core_properties.author, file.core_properties.created, file.core_properties.title = author, day, title
    file.add_paragraph(text) if text else None
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)


@pytest.fixture
def drive(tmp_path):
    """An inherited, half-empty drive, fictional: odd names, copies, empty files, links, a pipe, a lock file."""
    root = tmp_path / "Old Drive (Coast programme)"
    beans = root / "Interventions" / "01_Bean seed"
    word(beans / "Results chain Bean seed v2 2024-02-10.docx")
    word(beans / "Baseline report_beans 15.06.2023.docx", author="Tomas Fictional", title="Baseline of bean farms")
    (beans / "baseline data raw 2023.csv").write_text("code,income\nF1,20\n")
    milk = root / "Interventions" / "02 Lait - centres de collecte"
    milk.mkdir()
    (milk / "Plan d'intervention_2025-01-20.md").write_text("FICTIONAL plan")
    (milk / "Étude de marché 2024-11-03.txt").write_text("FICTIONAL étude", encoding="utf-8")
    poultry = root / "Poultry"
    word(poultry / "Questionnaire poultry.docx", author="openpyxl")
    (poultry / "Sampling 2025-05-05.txt").write_text("FICTIONAL")
    admin = root / "Admin"
    admin.mkdir()
    (admin / "MEL Manual v1.1 2023-01-31.md").write_text("FICTIONAL manual")
    (admin / "copy of MEL Manual.md").write_text("FICTIONAL manual")
    (admin / "Annual Report 2023.txt").write_text("FICTIONAL report")
    (admin / "Portfolio review minutes 2025-07-11.txt").write_text("")
    (admin / "xyz.bin").write_bytes(b"\x00\x01")
    (admin / "=cmd.txt").write_text("FICTIONAL")
    (admin / "bad\x07name.txt").write_text("FICTIONAL")
    (admin / "~$lock.docx").write_text("x")
    (admin / ".hidden").write_text("x")
    book = openpyxl.Workbook()
    book.active["A1"] = "FICTIONAL costs"
    book.save(admin / "Budget and costs.xlsx")
    (admin / "broken.docx").write_bytes(b"PK not a file")
    (tmp_path / "outside.txt").write_text("not of this drive")
    (admin / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(admin / "pipe.txt")
    return root


def contents(root):
    return {f.relative_to(root).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(root.rglob("*"))
            if f.is_file() and not f.is_symlink()}


def test_a_messy_drive_is_understood(drive):
    found = take_inventory(drive, "2026-06-30")
    assert [(i.id, i.name) for i in found.programme.interventions] == [
        ("bean_seed", "Bean seed"), ("lait_centres_de_collecte", "Lait - centres de collecte"), ("poultry", "Poultry")]
    kinds = {d.file.rsplit("/", 1)[1]: d.kind for d in found.programme.documents}
    assert kinds["Results chain Bean seed v2 2024-02-10.docx"] == "results_chain"
    assert kinds["Baseline report_beans 15.06.2023.docx"] == "baseline_report"
    assert kinds["baseline data raw 2023.csv"] == "data"
    assert kinds["Plan d'intervention_2025-01-20.md"] == "intervention_plan"
    assert kinds["Étude de marché 2024-11-03.txt"] == "market_study"
    assert kinds["MEL Manual v1.1 2023-01-31.md"] == "manual"
    assert kinds["Annual Report 2023.txt"] == "annual_report"
    assert kinds["Budget and costs.xlsx"] == "cost_table"
    assert kinds["xyz.bin"] == "other"
    baseline = next(d for d in found.programme.documents if d.kind == "baseline_report")
    assert (baseline.title, baseline.date) == ("Baseline of bean farms", "2023-06-15")
    assert {p.name for p in found.programme.staff} >= {"Ines Fictional", "Tomas Fictional"}
    assert found.programme.person(baseline.owner).name == "Tomas Fictional"
    assert next(d for d in found.programme.documents if d.kind == "results_chain").version == "2"
    assert [r.id for r in found.programme.reports] == ["report_2023"]


def test_what_is_unfit_is_named_and_left_alone(drive):
    found = take_inventory(drive, "2026-06-30")
    refused = dict(found.refused)
    assert "leads out of the programme folder" in refused["Admin/link.txt"]
    assert "not a regular file" in refused["Admin/pipe.txt"]
    assert "rename it" in refused["Admin/bad\\x07name.txt"]
    assert "not followed" in refused["elsewhere"]
    assert not any("lock" in g.file or "hidden" in g.file for g in found.guesses)
    states = {g.file: g.state.state for g in found.guesses}
    assert states["Admin/broken.docx"] == "damaged"
    assert states["Admin/Portfolio review minutes 2025-07-11.txt"] == "empty"
    assert found.twins == (("Poultry/Sampling 2025-05-05.txt", "Admin/=cmd.txt"),
                           ("Admin/MEL Manual v1.1 2023-01-31.md", "Admin/copy of MEL Manual.md"))


def test_overdue_and_the_ten_cheapest_fixes(drive):
    found = take_inventory(drive, "2026-06-30")
    late = overdue(found)
    assert "No annual report found for 2024, 2025." in late
    assert any("Bean seed: the results chain is of 2024-02-10" in line for line in late)
    listed = fixes(found)
    assert len(listed) == 10
    assert list(listed) == sorted(listed)
    told = " ".join(fix.text for fix in listed)
    for part in ("Keep one of 2 equal files", "Replace Admin/broken.docx", "Say who keeps", "Write the date of"):
        assert part in told
    assert "weeks" not in {fix.effort for fix in listed}


def test_the_proposal_reads_back_and_nothing_is_changed_or_overwritten(drive, capsys):
    before = contents(drive)
    assert main(["inventory", str(drive), "--as-of", "2026-06-30"]) == 0
    assert main(["inventory", str(drive), "--as-of", "2026-06-30"]) == 0
    told = capsys.readouterr().out
    after = contents(drive)
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == ["programme-proposed-2.xlsx", "programme-proposed-2.yaml",
                                                "programme-proposed.xlsx", "programme-proposed.yaml"]
    assert after["programme-proposed.yaml"] == after["programme-proposed-2.yaml"]
    from_yaml, from_excel = (read_programme(drive / f"programme-proposed.{kind}") for kind in ("yaml", "xlsx"))
    assert from_yaml == from_excel
    assert from_yaml == take_inventory(drive, "2026-06-30").programme
    for part in ("Interventions proposed: 3", "results chain: 1", "Overdue", "The cheapest fixes", "open "):
        assert part in told


def test_without_a_date_the_latest_document_is_the_day(drive, tmp_path):
    found = take_inventory(drive)
    assert found.as_of == max(g.date for g in found.guesses if g.date)
    assert not found.declared
    assert "another with --as-of" in inventory_lines(found)[0]
    (tmp_path / "bare").mkdir()
    with pytest.raises(StudyError, match="no document"):
        take_inventory(tmp_path / "bare")
    (tmp_path / "bare" / "a.txt").write_text("FICTIONAL")
    with pytest.raises(StudyError, match="bears a date"):
        take_inventory(tmp_path / "bare")
    with pytest.raises(StudyError, match="no such folder"):
        take_inventory(tmp_path / "none")


def test_the_command_refuses_in_words(drive, tmp_path, capsys):
    assert main(["inventory", str(tmp_path / "none")]) == 2
    assert main(["inventory", str(drive), "--as-of", "yesterday"]) == 2
    told = capsys.readouterr().err
    assert "there is no such folder" in told
    assert "'yesterday' is not a date" in told


def test_an_example_is_recognised_from_its_files_alone():
    programme = read_programme(EXAMPLES / "nearly-ready")
    found = take_inventory(EXAMPLES / "nearly-ready")
    assert {i.id for i in found.programme.interventions} == {i.id for i in programme.interventions}
    declared = {d.file: d.kind for d in programme.documents}
    proposed = {d.file: d.kind for d in found.programme.documents}
    right = sum(proposed.get(file) == kind for file, kind in declared.items())
    assert right >= 0.9 * len(declared)
    assert len({i.study for i in found.programme.interventions}) == 4  # three studies, and None


def test_a_proposal_is_written_to_another_folder(drive, tmp_path):
    files = write_proposal(take_inventory(drive), tmp_path / "out")
    assert [f.name for f in files] == ["programme-proposed.yaml", "programme-proposed.xlsx"]
    assert files[0].read_text(encoding="utf-8").endswith(to_yaml(take_inventory(drive).programme))


@pytest.mark.parametrize(("name", "title"), [("01_Bean seed", "Bean seed"), ("plan_v2_2024-01-05", "Plan"),
                                             ("2024", "2024"), ("=x", "X"), ("éTUDE", "ÉTUDE"), ("", "Untitled")])
def test_titles_from_names(name, title):
    assert readable(name) == title


def test_a_packed_bomb_is_not_opened(drive):
    with zipfile.ZipFile(drive / "Admin" / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("docProps/core.xml", b"\0" * 80_000_000)
    found = take_inventory(drive)
    assert "made to exhaust a computer" in dict(found.refused)["Admin/bomb.docx"]
    assert guess(drive, next(iter(map(type(drive), ["Admin/xyz.bin"])))).kind == "other"


@pytest.mark.parametrize(("name", "kind"), [
    ("ToR endline.docx", "terms_of_reference"), ("ToRs survey firm.md", "terms_of_reference"),
    ("TdR.md", "terms_of_reference"), ("ToC seeds.md", "results_chain"),
    ("TOC.md", "results_chain"), ("Endline report.md", "impact_report")])
def test_short_forms_are_known_in_whatever_letters(name, kind, tmp_path):
    assert kind_of(tmp_path, name) == kind


def kind_of(folder, name):
    (folder / name).write_text("FICTIONAL")
    return guess(folder, PurePosixPath(name)).kind


def test_a_copy_that_keeps_the_date_of_its_model_is_not_dated_by_it(tmp_path):
    word(tmp_path / "Contract 2023.docx", day=dt.datetime(2013, 12, 23))
    word(tmp_path / "Agreement.docx", day=dt.datetime(2024, 2, 1))
    assert guess(tmp_path, PurePosixPath("Contract 2023.docx")).date == ""
    assert guess(tmp_path, PurePosixPath("Agreement.docx")).date == "2024-02-01"


def test_old_reading_makes_no_report_overdue_and_a_report_of_a_year_is_written_after_it(tmp_path):
    (tmp_path / "Annual report 2024.md").write_text("FICTIONAL report")
    (tmp_path / "Reading on beans 2009-05-01.md").write_text("FICTIONAL reading")
    found = take_inventory(tmp_path)
    assert found.as_of == "2024-12-31"
    assert overdue(found) == ()


def test_what_is_not_walked_into_or_does_not_open_is_said(drive, monkeypatch):
    deep = drive.joinpath(*["down"] * 17)
    deep.mkdir(parents=True)
    (drive / ".cache").mkdir()
    locked, opens = drive / "Admin" / "Budget and costs.xlsx", Path.open

    def held(self, *arguments, **named):
        if self == locked:
            raise PermissionError(13, "Permission denied")
        return opens(self, *arguments, **named)

    monkeypatch.setattr(Path, "open", held)
    found = take_inventory(drive, "2026-06-30")
    refused = dict(found.refused)
    assert refused[".cache"] == "is a hidden folder"
    assert refused["/".join(["down"] * 16)] == "lies more than 15 folders deep"
    state = next(g.state for g in found.guesses if g.file.endswith("costs.xlsx"))
    assert (state.state, state.why) == ("damaged", "the file cannot be opened (Permission denied): perhaps another program "
                                        "holds it, or it is locked")


def test_the_terminal_names_nobody(drive):
    told = "\n".join(inventory_lines(take_inventory(drive, "2026-06-30")))
    assert "person_1: " in told
    assert "Ines Fictional" not in told


def test_signs_in_what_a_file_says_of_itself_reach_no_proposal(tmp_path):
    core = '<dc:creator>Jo\x1b[2J Doe</dc:creator><dc:title>Report\x07 \x9b of 2025</dc:title>'
    with zipfile.ZipFile(tmp_path / "2025-01-02 annual report.docx", "w") as packed:
        packed.writestr("docProps/core.xml", core)
        packed.writestr("word/document.xml", "<w:t>x</w:t>")
    found = take_inventory(tmp_path)
    assert found.programme.documents[0].title == "Report of 2025"
    assert [p.name for p in found.programme.staff] == ["Jo [2J Doe"]
    yaml_file, book = write_proposal(found, tmp_path / "out")
    assert read_programme(yaml_file) == read_programme(book)

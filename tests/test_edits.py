"""Nobody's work in a Word file or a notebook is written over or taken away by a run."""

import shutil

import docx
import nbformat
import pytest
from support_records import sample_evaluation
from support_run import run_once

import impact
from impact.cli import main
from impact.results.edits import was_edited


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small study run once."""
    return run_once(tmp_path_factory.mktemp("work") / "my-study")


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "my-study")
    return tmp_path / "my-study"


def work_in(file):
    """Add a sentence, as an officer would, and save."""
    if file.suffix == ".docx":
        document = docx.Document(str(file))
        document.paragraphs[0].add_run(" and what we think of it")
        document.save(str(file))
    else:
        notebook = nbformat.read(file, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell("1 + 1"))
        nbformat.write(notebook, file)
    return file.read_bytes()


def test_a_word_file_somebody_worked_in_stays(copy, capsys):
    file = copy / "out" / "brief.docx"
    assert not was_edited(file)
    assert main(["run", str(copy), "--no-notebook"]) == 0  # what the tool wrote, it writes again
    mine = work_in(file)
    assert was_edited(file)
    record = (copy / "out" / "results.json").read_bytes()
    (copy / "study.yaml").write_text((copy / "study.yaml").read_text().replace("seed: 1", "seed: 2"))
    capsys.readouterr()
    for words in (["run", copy, "--no-notebook"], ["run", copy, "--no-notebook", "--formats", "pdf"], ["brief", copy]):
        assert main([str(word) for word in words]) == 2
        assert f"{file}: somebody has worked in this file" in capsys.readouterr().err
    assert (file.read_bytes(), (copy / "out" / "results.json").read_bytes()) == (mine, record)
    assert main(["brief", str(copy), "--formats", "pdf"]) == 0  # writes another file
    assert main(["run", str(copy), "--no-notebook", "--out", str(copy / "again")]) == 0
    file.rename(copy / "out" / "brief of the team.docx")
    assert main(["run", str(copy), "--no-notebook"]) == 0


def test_a_word_file_somebody_worked_in_is_current_and_said_to_be_edited(copy, capsys):
    work_in(copy / "out" / "brief.docx")
    capsys.readouterr()
    assert main(["brief", "--verify", str(copy / "out" / "brief.docx")]) == 0
    assert "edited: somebody has worked in the Word file" in capsys.readouterr().out
    assert main(["brief", "--verify", str(copy / "out" / "brief.pdf")]) == 0
    assert "edited" not in capsys.readouterr().out


def test_a_notebook_somebody_worked_in_stays_and_one_that_was_run_again_does_not(copy, capsys):
    assert main(["notebook", str(copy)]) == 0
    file = copy / "out" / "analysis.ipynb"
    again = nbformat.read(file, as_version=4)
    for cell in again.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = 99, []
    nbformat.write(again, file)
    assert not was_edited(file)
    mine = work_in(file)
    for words in (["notebook", copy], ["run", copy], ["run", copy, "--no-notebook"]):
        assert main([str(word) for word in words]) == 2
    assert file.read_bytes() == mine
    assert "analysis.ipynb" in capsys.readouterr().err


def test_python_writes_over_nobodys_work_either(tmp_path):
    evaluation = sample_evaluation()
    (file,) = impact.write_brief(evaluation, out=tmp_path, formats=("docx",))
    assert impact.write_brief(evaluation, out=tmp_path, formats=("docx",)) == (file,)
    mine = work_in(file)
    with pytest.raises(impact.ImpactError, match="somebody has worked in this file"):
        impact.write_brief(evaluation, out=tmp_path)
    assert file.read_bytes() == mine
    assert [p.name for p in tmp_path.iterdir()] == ["brief.docx"]


@pytest.mark.parametrize("content", [b"", b"PK", b"{}", b"[1]", b'{"metadata": {"impact": 3}, "cells": []}'])
@pytest.mark.parametrize("name", ["brief.docx", "analysis.ipynb"])
def test_what_cannot_be_looked_into_is_not_ours_to_write_over(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert was_edited(tmp_path / name)


def test_other_kinds_of_file_and_files_that_are_not_there_hold_nobodys_work(tmp_path):
    (tmp_path / "brief.pdf").write_text("mine")
    assert not was_edited(tmp_path / "brief.pdf")
    assert not was_edited(tmp_path / "brief.docx")

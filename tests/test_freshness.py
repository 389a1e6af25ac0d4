"""A brief that no longer matches its data says so; two records are set side by side; a figure is walked back."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from support_records import sample_evaluation

from impact.brief import FORMATS
from impact.cli import main
from impact.errors import StudyError
from impact.freshness import diff, read_hashes, trace, verify
from impact.results import read_results
from impact.results.record import evaluation_to_json, sha256

STUDY = """\
schema: 1
title: A trial
question: Did the offer help?
status: final
programme: {name: P, country: C}
data: {file: firms.csv, simulated: true}
design: {kind: rct, estimand: itt, unit: firm, treatment: offered, assigned_by: firm}
outcomes:
  - {name: profit, column: profit, label: Profit, unit: USD a month, role: primary, better: higher}
analysis: {primary: {method: ols}, seed: 1}
brief: {date: 2026-11-21}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small study run once, with its brief in every format."""
    folder = tmp_path_factory.mktemp("study")
    rows = [{"firm": i, "offered": i % 2, "profit": 100 + 7 * (i % 5) + 12 * (i % 2)} for i in range(40)]
    pd.DataFrame(rows).to_csv(folder / "firms.csv", index=False)
    (folder / "study.yaml").write_text(STUDY)
    assert main(["run", str(folder), "--no-notebook"]) == 0
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "study")
    return tmp_path / "study"


def change_one_row(folder):
    lines = (folder / "firms.csv").read_text().splitlines()
    lines[3] = lines[3].rsplit(",", 1)[0] + ",999"
    (folder / "firms.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_carries_the_hashes_of_record_data_and_study(finished, kind):
    evaluation = read_results(finished / "out")
    assert read_hashes(finished / "out" / f"brief.{kind}") == {
        "record": sha256(evaluation_to_json(evaluation)), "data": evaluation.provenance.data_sha256,
        "study": evaluation.provenance.study_sha256}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_brief_is_current_until_one_row_changes(copy, kind, capsys):
    file = copy / "out" / f"brief.{kind}"
    assert main(["brief", "--verify", str(file)]) == 0
    assert ": current" in capsys.readouterr().out
    change_one_row(copy)
    assert main(["brief", "--verify", str(file)]) == 1
    told = capsys.readouterr().out
    assert ": STALE" in told
    assert "changed: the data on this computer now" in told
    assert "the study file on" not in told


def test_a_comment_changes_nothing_and_a_key_does(copy):
    file = copy / "study.yaml"
    file.write_text("# a remark\n" + STUDY)
    assert verify(copy / "out" / "brief.pdf").current
    file.write_text(STUDY.replace("seed: 1", "seed: 2"))
    assert any("the study file on this computer now" in line for line in verify(copy / "out" / "brief.pdf").lines)


def test_a_new_record_makes_the_old_brief_stale(copy, tmp_path):
    old = tmp_path / "old.html"
    shutil.copy(copy / "out" / "brief.html", old)
    change_one_row(copy)
    assert main(["run", str(copy), "--no-notebook"]) == 0
    verdict = verify(old, copy / "out" / "results.json")
    assert not verdict.current
    assert {line.split(" ")[2] for line in verdict.lines if line.startswith("changed")} == {"data", "record"}


def test_a_brief_alone_has_nothing_to_be_held_against(copy, tmp_path):
    shutil.copy(copy / "out" / "brief.docx", tmp_path / "brief.docx")
    with pytest.raises(StudyError, match="nothing to hold it against"):
        verify(tmp_path / "brief.docx")


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 no hash", b"PK\x03\x04 broken"])
@pytest.mark.parametrize("name", ["brief.pdf", "brief.docx", "missing.pdf"])
def test_what_is_no_brief_is_refused(tmp_path, capsys, content, name):
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(content)
    assert main(["brief", "--verify", str(tmp_path / name)]) == 2
    assert "Give a brief" in capsys.readouterr().err


def test_numbers_that_changed_are_listed_with_their_cause(copy, tmp_path, capsys):
    shutil.copy(copy / "out" / "results.json", tmp_path / "old.json")
    change_one_row(copy)
    assert main(["run", str(copy), "--no-notebook"]) == 0
    capsys.readouterr()
    assert main(["brief", "--diff", str(tmp_path / "old.json"), str(copy / "out" / "results.json")]) == 1
    told = capsys.readouterr().out
    assert "the data differ" in told
    assert "profit/ols.estimate: " in told
    causes, changes = diff(tmp_path / "old.json", tmp_path / "old.json")
    assert (causes, changes) == ((), ())


def test_a_number_changed_by_hand_has_no_cause_but_the_hand(tmp_path):
    evaluation = sample_evaluation()
    for name, record in (("old", evaluation), ("new", replace(evaluation, estimates=(
            replace(evaluation.estimates[0], estimate=0.5), *evaluation.estimates[1:])))):
        (tmp_path / f"{name}.json").write_text(evaluation_to_json(record), encoding="utf-8")
    causes, changes = diff(tmp_path / "old.json", tmp_path / "new.json")
    assert "was edited" in causes[0]
    assert [(c.where.rpartition(".")[2], c.new) for c in changes] == [("estimate", 0.5)]


def test_a_figure_is_walked_back_to_its_file(finished, capsys):
    assert main(["trace", "profit.conf_low", "--results", str(finished / "out")]) == 0
    told = capsys.readouterr().out
    evaluation = read_results(finished / "out")
    for words in ("profit/ols.conf_low = ", "impact.rct.ols()", "40 rows", "column     profit", "firms.csv",
                  evaluation.provenance.data_sha256, "ledger.csv"):
        assert words in told
    assert str(finished) not in told.replace(f"open {finished}", "")


@pytest.mark.parametrize("figure", ["sales", "profit.colour", "profit.conf_low.x"])
def test_a_figure_the_record_does_not_have_is_refused(finished, figure):
    with pytest.raises(StudyError, match=r"no such figure|has no number"):
        trace(read_results(finished / "out"), figure)


def test_hostile_records_are_refused(copy, capsys):
    content = json.loads((copy / "out" / "results.json").read_text())
    content["estimates"] = "none"
    (copy / "out" / "results.json").write_text(json.dumps(content))
    assert main(["brief", "--verify", str(copy / "out" / "brief.pdf")]) == 2
    assert "results.json" in capsys.readouterr().err

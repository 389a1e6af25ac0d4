"""What a terminal brings: mistyped words, closed pipes, full disks, Ctrl-C, and the wrong file for a command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support_run import run_once

from impact.cli import main
from impact.results.record import write_all
from impact.study.yaml_file import typed

ROOT = Path(__file__).parents[1]
@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small study run once."""
    return run_once(tmp_path_factory.mktemp("work") / "my-study")


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "my-study")
    return tmp_path / "my-study"


def told(capsys, *argv):
    """Run a command that is refused: exit code 2, one problem a line, no traceback."""
    capsys.readouterr()
    try:
        code = main([str(word) for word in argv])
    except SystemExit as left:
        code = left.code
    shown = capsys.readouterr()
    assert code == 2, shown
    assert "problem" in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    return shown.err


# ---- words -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("words", "said"), [
    (["runn", "x"], "impact: 'runn' is not one of new, inventory, check, run, brief, trace, audit, notebook, designs. "
                    "Did you mean run?"),
    (["run", "x", "--langage", "fr"], "--langage fr: there is no such option. Did you mean --language?"),
    (["run", "x", "--lang", "fr"], "--lang fr: there is no such option. Did you mean --language?"),  # no half names
    (["run"], "impact run: PATH is missing. Type: impact run --help"),
    (["check", "my", "study"], "study: it is one word too many. Put a name with blanks in quotes."),
    (["new", "x", "--kind", "rtc"], "--kind: 'rtc' is not one of rct, did, matching. Did you mean rct?"),
    (["audit", "x", "--seed", "y"], "--seed: invalid int value: 'y'. Type: impact audit --help"),
    (["run", "x", "--formats", "odt"], "impact run"),
])
def test_a_mistyped_word_is_told_like_every_other_mistake(words, said, capsys, copy):
    assert said in told(capsys, *[copy if word == "x" and "run" in words[:1] else word for word in words])


def test_a_name_is_written_as_it_can_be_typed():
    assert typed("my-study") == "my-study"
    assert typed("étude/été_1") == "étude/été_1"
    assert typed("étude 1") == '"étude 1"'
    assert typed("C:\\studies\\one") == '"C:\\studies\\one"'
    assert typed('a "b" $c') == "'a \"b\" $c'"
    assert typed("-x") == '"-x"'


# ---- the wrong file for a command --------------------------------------------------------------------------------------

def test_the_record_is_found_from_the_studys_folder(copy, capsys):
    for words in (["audit", copy], ["brief", copy], ["trace", "profit", "--results", copy],
                  ["brief", "--diff", copy, copy / "out"],
                  ["brief", "--verify", copy / "out" / "brief.pdf", "--results", copy]):
        assert main([str(word) for word in words]) == 0
    assert sorted(p.name for p in copy.iterdir()) == ["firms.csv", "out", "study.yaml"]  # outputs lie beside the record
    assert str(copy / "out" / "self-check.html") in capsys.readouterr().out


def test_a_command_names_what_it_was_given_and_which_command_takes_it(copy, tmp_path, capsys):
    assert main(["new", str(tmp_path / "prog"), "--programme"]) == 0
    assert "this is a record, and no study file" in told(capsys, "run", copy / "out" / "results.json")
    assert f"impact new my-study --kind rct --data {copy / 'firms.csv'}" in told(capsys, "check", copy / "firms.csv")
    assert "the folder holds the record of a study" in told(capsys, "run", copy / "out")
    assert f"impact audit {tmp_path / 'prog'}" in told(capsys, "run", tmp_path / "prog")
    assert "this is the file of a programme" in told(capsys, "check", tmp_path / "prog" / "programme.yaml")
    assert "this is a study file and not its record" in told(capsys, "audit", copy / "study.yaml")
    assert "there is no such record or programme" in told(capsys, "audit", tmp_path / "no")
    (tmp_path / "empty").mkdir()
    assert "the folder holds no results.json" in told(capsys, "brief", tmp_path / "empty")


def test_a_file_that_may_not_be_read_is_not_called_something_else(copy, capsys, monkeypatch):
    read = Path.read_text

    def refuse(self, *a, **k):
        if self.name == "results.json":
            raise PermissionError(13, "Permission denied", str(self))
        return read(self, *a, **k)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert "the file cannot be read (Permission denied)" in told(capsys, "audit", copy)


def test_a_folder_that_may_not_be_entered_is_named(capsys, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", "locked/programme.yaml")

    monkeypatch.setattr("impact.cli.auditing.is_programme", refuse)
    assert "locked/programme.yaml: it cannot be read or written (Permission denied)" in told(capsys, "audit", ".")


# ---- pipes, disks, Ctrl-C ----------------------------------------------------------------------------------------------

@pytest.mark.skipif(os.name != "posix", reason="pipes close otherwise on Windows")
@pytest.mark.parametrize("words", ["designs", "audit {}", "check {}", "trace profit --results {}", "brief {}", "--help",
                                   "brief --verify {}/out/brief.pdf"])
def test_a_reader_that_has_seen_enough_is_no_error(words, finished):
    read, write = os.pipe()
    os.close(read)  # whoever was to read is gone
    done = subprocess.run([sys.executable, "-m", "impact", *(word.format(finished) for word in words.split())],
                          stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_told():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "impact", "designs"], stdout=full, stderr=subprocess.PIPE, text=True,
                              cwd=ROOT)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="Windows sends no such signal to one process")
@pytest.mark.parametrize("when", ["impact.study.read", "nbclient.client"])  # while loading; and once the notebook runs
def test_ctrl_c_stops_without_a_traceback_and_writes_nothing(when, copy):
    shutil.rmtree(copy / "out")
    code = ("import sys, threading, time, os, signal\nfrom impact.cli import main\n"
            f"def stop():\n while {when!r} not in sys.modules: time.sleep(0.001)\n"
            f" time.sleep({0 if 'study' in when else 1.5})\n os.kill(os.getpid(), signal.SIGINT)\n"
            "threading.Thread(target=stop, daemon=True).start()\n"
            f"sys.exit(main(['run', {str(copy)!r}]))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 130, done.stderr
    assert "stopped; nothing was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (copy / "out").exists()


def test_ctrl_c_between_two_files_brings_the_old_ones_back(tmp_path, monkeypatch):
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("old")
    two.write_text("old")
    replace, seen = os.replace, []

    def stop(source, target):
        seen.append(target)
        if Path(target) == two:
            monkeypatch.setattr(os, "replace", replace)
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_all({one: "new", two: "new"})
    assert (one.read_text(), two.read_text()) == ("old", "old")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.txt", "two.txt"]


def test_a_file_where_the_outputs_should_go_is_said_to_be_one(copy, capsys):
    assert "(a file of this name is there)" in told(capsys, "run", copy, "--out", copy / "firms.csv", "--no-notebook")

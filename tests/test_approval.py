"""No brief is printed whose sentences say more than its numbers carry, unless somebody answers for it by name, in print."""

import dataclasses
import inspect
import json
from pathlib import Path

import pytest
import yaml
from support_briefs import declaration, firms, rich, uncertain
from support_pages import plain
from test_brief_numbers import docx_words, html_words, pdf_words

import impact
from impact.brief import compose, render_brief, render_docx, render_html, render_pdf, write_brief
from impact.brief.approval import set_aside
from impact.brief.composition import assembled, check_texts
from impact.cli import main
from impact.errors import RenderError, StudyError
from impact.results.record import evaluation_to_json
from impact.study import study_from_mapping

UNREFERENCED = "Firms that were coached earned far more."
BEST_CASE = "Owners earn up to {profit.effect} more."


def declared(language="en", **settings):
    values = declaration()
    values["brief"] = {**values["brief"], "language": language, **settings}
    return study_from_mapping(values, slug="coaching-vouchers")


def record(make=rich, language="en", **settings):
    return dataclasses.replace(make(), study=declared(language, **settings))


def refusals(evaluation, **arguments):
    with pytest.raises(StudyError) as caught:
        compose(evaluation, **arguments)
    assert caught.value.exit_code == 2
    return caught.value.problems


def override(sentence, rule, **changes):
    return {"sentence": sentence, "rule": rule, "name": "A. Dey, head of evaluation", "date": "2026-11-20",
            "reason": "The ministry's own wording, agreed with it.", **changes}


# ---- a sentence that is refused --------------------------------------------------------------------------------------
def test_every_refused_sentence_is_named_with_its_rule_and_one_that_passes():
    found = refusals(record(limits=[UNREFERENCED], captions={"effects": BEST_CASE},
                            implications=[{"text": "Scale it up: profit fell by {profit.effect}.", "finding": "profit"}]))
    told = {p.where.removeprefix("study.yaml: brief."): p for p in found}
    assert set(told) == {"limits[0]", "captions.effects", "implications[0].text"}
    assert "[unreferenced]" in told["limits[0]"].what
    assert "[up_to]" in told["captions.effects"].what
    assert "[direction]" in told["implications[0].text"].what
    assert UNREFERENCED in told["limits[0]"].what
    assert all("Write: “" in p.cure and "{profit." in p.cure for p in found)


def test_what_is_proposed_passes_when_it_is_taken():
    evaluation = record(captions={"effects": BEST_CASE})
    proposal = refusals(evaluation)[0].cure.partition("“")[2].partition("”")[0]
    compose(record(captions={"effects": proposal}))


@pytest.mark.parametrize("formats", [("pdf",), ("docx",), ("html",)])
def test_every_way_to_a_brief_is_refused_and_nothing_is_written(formats, tmp_path):
    evaluation = record(captions={"effects": BEST_CASE})
    for write in (lambda: render_brief(evaluation, formats=formats),
                  lambda: write_brief(evaluation, out=tmp_path / "out", formats=formats)):
        with pytest.raises(StudyError, match=r"captions\.effects"):
            write()
    assert not (tmp_path / "out").exists()


def test_no_argument_leaves_the_check_out():
    for function in (impact.compose, impact.write_brief, render_brief):
        assert set(inspect.signature(function).parameters) <= {"evaluation", "audit", "out", "formats", "language"}
    from impact.cli import build_parser

    words = build_parser().format_help() + "".join(
        p.format_help() for a in build_parser()._subparsers._group_actions for p in a.choices.values())
    assert not any(word in words for word in ("--force", "--skip", "--no-check", "--ignore"))


def test_the_command_that_writes_again_is_refused_too(tmp_path, capsys):
    for name, evaluation in (("good", record()), ("bad", record(captions={"effects": BEST_CASE}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(evaluation_to_json(evaluation), encoding="utf-8")
    assert main(["brief", str(tmp_path / "good"), str(tmp_path / "bad")]) == 2
    assert "captions.effects" in capsys.readouterr().err
    assert not list(tmp_path.glob("*/brief.*"))


@pytest.fixture
def folder(tmp_path):
    def write(**settings):
        values = declaration()
        values["brief"] = {**values["brief"], "logo": None, **settings}
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
        firms(14.0).to_csv(tmp_path / "firms.csv", index=False)
        return tmp_path

    return write


def test_run_refuses_and_leaves_no_folder(folder, capsys):
    place = folder(implications=[{"text": "Stop: profit fell by {profit.effect}.", "finding": "profit"}])
    assert main(["check", str(place)]) == 0  # which way it went is not told before there is a result
    assert "direction" not in "".join(capsys.readouterr())
    assert main(["run", str(place), "--no-notebook"]) == 2
    assert "[direction]" in capsys.readouterr().err
    assert not (place / "out").exists()


# ---- before there is a result ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("settings", "where", "rule"), [
    ({"captions": {"table": BEST_CASE}}, "brief.captions.table", "up_to"),
    ({"limits": [UNREFERENCED]}, "brief.limits[0]", "unreferenced"),
    ({"learned": UNREFERENCED}, "brief.learned", "unreferenced"),
    ({"limits": ["Sales were 14 higher: {sales.interval}."]}, "brief.limits[0]", "figure")])
def test_what_no_result_could_carry_is_refused_before_there_is_one(settings, where, rule):
    found = check_texts(declared(**settings))
    assert [(p.where, f"[{rule}]" in p.what) for p in found] == [(f"study.yaml: {where}", True)]
    assert "986" not in found[0].what + found[0].cure  # no made-up figure is ever told
    assert "45.8" not in found[0].what + found[0].cure


@pytest.mark.parametrize("text", [
    "Profit rose by {profit.effect} ({profit.interval}).", "Profit fell by {profit.effect} ({profit.interval}).",
    "The offer raised profit by {profit.effect} ({profit.interval}).", "Profit: {profit.size}."])
def test_what_some_result_could_carry_waits_for_it(text):
    assert check_texts(declared(captions={"table": text})) == ()


def test_cause_is_refused_at_once_where_no_result_could_reach_the_rung():
    text = "The grant caused profit to be {profit.effect} higher ({profit.interval})."
    values = declaration()
    values["brief"] = {**values["brief"], "captions": {"table": text}}
    assert check_texts(study_from_mapping(values, slug="a")) == ()
    values["design"] = {**values["design"], "assignment": {**values["design"]["assignment"], "record": None}}
    assert "[cause]" in check_texts(study_from_mapping(values, slug="a"))[0].what  # a trial without a record of its draw
    values["design"] = {"kind": "matching", "estimand": "att", "unit": "firm", "treatment": "offered",
                        "assigned_by": "firm", "covariates": ["female", "profit_0"]}
    values["analysis"] = {"primary": {"method": "nearest_neighbour"}, "seed": 1}
    values["subgroups"] = []
    assert "[cause]" in check_texts(study_from_mapping(values, slug="a"))[0].what


def test_check_refuses_in_every_language_that_is_written(folder, capsys):
    place = folder(captions={"table": {"en": "All outcomes.", "fr": "Les bénéfices ont fortement augmenté."}})
    assert main(["check", str(place)]) == 2
    told = capsys.readouterr().err
    assert "no French text" in told  # the other texts; sentences are looked at once all of them are there


# ---- overrides -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("language", "word"), [("en", "Override"), ("fr", "Dérogation"), ("es", "Excepción")])
def test_an_override_is_printed_with_name_and_reason_in_every_format(language, word):
    text = {"en": BEST_CASE, "fr": "Les patrons gagnent jusqu'à {profit.effect} de plus.",
            "es": "Los dueños ganan hasta {profit.effect} más."}[language]
    found = refusals(record(language=language, captions={"effects": text}))
    rules = [part.partition("]")[0] for part in found[0].what.split("[")[1:]]
    evaluation = record(language=language, captions={"effects": text}, overrides=[override(text, rule) for rule in rules])
    brief = compose(evaluation)
    pdf, layout = render_pdf(brief)
    shown = plain(found[0].what.partition("“")[2].partition("”")[0])
    for words in (pdf_words(pdf), html_words(render_html(brief, layout)), docx_words(render_docx(brief, layout))):
        said = plain(" ".join(words.split()))
        for part in (word, "A. Dey, head of evaluation", "The ministry's own wording, agreed with it.", rules[0]):
            assert part in said, part
        assert said.count(shown) >= 2  # where it stands, and where it is answered for
    kept = json.loads(evaluation_to_json(evaluation))
    assert "A. Dey, head of evaluation" in json.dumps(kept)


@pytest.mark.parametrize("change", [{"rule": "cause"}, {"sentence": "Owners earn up to much more."}])
def test_an_override_is_for_one_sentence_and_one_rule(change):
    settings = {"captions": {"effects": BEST_CASE}}
    refusals(record(**settings, overrides=[override(BEST_CASE, "up_to") | change]))
    compose(record(**settings, overrides=[override(BEST_CASE, "up_to")]))


def test_an_override_may_be_copied_from_the_refusal_or_from_the_study_file():
    settings = {"captions": {"effects": BEST_CASE}}
    shown = refusals(record(**settings))[0].what.partition("“")[2].partition("”")[0]
    assert "{" not in shown
    for sentence in (shown, BEST_CASE):
        compose(record(**settings, overrides=[override(sentence, "up_to")]))
        assert check_texts(declared(**settings, overrides=[override(sentence, "up_to")])) == ()
    refusals(record(uncertain, **settings, overrides=[override(shown, "up_to")]))  # nobody answered for other numbers


def test_overrides_are_logged_with_name_and_reason_and_those_without_use_too(folder, capsys):
    place = folder(captions={"effects": BEST_CASE}, overrides=[override(BEST_CASE, "up_to"), override("Gone.", "cause")])
    assert main(["run", str(place), "--no-notebook", "--formats", "html"]) == 0
    told = capsys.readouterr().out
    assert "override   up_to, by A. Dey, head of evaluation: The ministry's own wording, agreed with it." in told
    assert f"with it. “{BEST_CASE}”" in told
    assert "override   not needed for this brief: cause, “Gone.”" in told
    page = plain(html_words((place / "out" / "brief.html").read_text(encoding="utf-8")))
    assert "A. Dey" in page
    assert "Gone." not in page
    assert "A. Dey" in (place / "out" / "results.json").read_text(encoding="utf-8")
    assert main(["brief", str(place / "out"), "--out", str(place / "again"), "--formats", "html"]) == 0
    assert "override   up_to, by A. Dey" in capsys.readouterr().out
    assert (place / "again" / "brief.html").read_bytes() == (place / "out" / "brief.html").read_bytes()


def test_an_unused_override_changes_no_brief():
    usual, evaluation = record(), record(overrides=[override("Gone.", "cause")])
    assert compose(evaluation).provenance[3:] == compose(usual).provenance[3:]
    assert "not needed" in set_aside(assembled(evaluation), evaluation)[0]


@pytest.mark.parametrize(("changes", "words"), [
    ({"name": None}, "'name' is empty"), ({"reason": ""}, "the text is empty"), ({"date": "2027-01-01"}, "after the brief"),
    ({"until": "2027"}, "unknown key 'until'")])
def test_an_override_without_a_name_or_a_reason_is_none(changes, words):
    with pytest.raises(StudyError, match=words):
        declared(overrides=[override(BEST_CASE, "up_to", **changes)])
    with pytest.raises(StudyError, match="declared twice"):
        declared(overrides=[override(BEST_CASE, "up_to"), override(BEST_CASE, "up_to")])


def test_the_briefs_of_this_folder_stand_on_no_override():
    for file in Path(__file__).parents[1].glob("designs/*/study.yaml"):
        assert "overrides" not in file.read_text(encoding="utf-8")


def test_what_an_override_lets_stand_is_logged_from_python_too(caplog, capsys, tmp_path):
    told = record(limits=[UNREFERENCED], overrides=[override(UNREFERENCED, "unreferenced")])
    compose(told)
    lines = [r.getMessage() for r in caplog.records if r.name == "impact.brief"]
    assert len(lines) == 1
    assert all(part in lines[0] for part in ("unreferenced", "A. Dey", "The ministry's own wording", UNREFERENCED))
    caplog.clear()
    compose(record())
    assert not caplog.records


def test_an_implication_on_an_outcome_without_an_estimate_is_refused_and_not_dropped():
    base = record(implications=[{"text": "Measure sales again.", "finding": "sales"}])
    assert compose(base).lessons
    without = dataclasses.replace(base, estimates=tuple(e for e in base.estimates if e.outcome != "sales"))
    with pytest.raises(RenderError, match=r"brief\.implications\[0\]: it rests on 'sales', and the record has no estimate"):
        compose(without)

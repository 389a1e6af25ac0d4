"""The self-check of a programme: verdicts and how they are known, honesty, what cannot be gamed, and every output."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path

import openpyxl
import pytest
import yaml
from support_programme import TODAY, checked, conventions_gone, row, tree, write
from test_dced import RATING, declared, estimate, record, shipped, text_of

import impact
from impact.cli import main
from impact.dced import audit
from impact.dced.items import MODES, QUESTIONS, TABLES, tables
from impact.dced.report.beside import manager_html
from impact.dced.report.html import self_check_html
from impact.dced.report.sheets import self_check_xlsx
from impact.dced.report.terminal import programme_lines
from impact.dced.report.write import outputs
from impact.dced.rules import RULES
from impact.dced.sheet import standard_sheet
from impact.dced.snapshots import Progress
from impact.dced.table import SHIPPED, read_standard
from impact.dced.workbooks import neutral
from impact.errors import StudyError
from impact.programme.form import forms
from impact.programme.types import Programme
from impact.results.record import evaluation_to_json


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return checked(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def gappy(tmp_path_factory):
    return checked(tmp_path_factory.mktemp("gappy"), conventions_gone)


# -- one rule an item, one verdict of five -------------------------------------------------------------------------


def test_every_item_of_the_table_has_one_rule():
    assert list(RULES) == list(read_standard().keys())
    assert len(RULES) == 54
    assert set(QUESTIONS) == {key for key, mode in MODES.items() if mode != "program"}


def test_how_each_item_is_known(whole):
    for point in whole.points:
        assert point.known == ("checked" if MODES[point.internal_key] == "program" else "declared_with_evidence")
        assert point.evidence
        assert all(e.text and e.file and e.place for e in point.evidence)
        assert bool(point.answer) == (point.mode != "program") or point.question == ""


def test_every_gap_says_what_to_do_who_does_it_and_by_when(gappy):
    gaps = [(p, g) for p in gappy.points for g in p.gaps]
    assert len(gaps) > 10
    for point, gap in gaps:
        assert gap.text
        assert gap.fix
        assert gap.place.startswith("programme.yaml")
        assert gap.owner, (point.internal_key, gap)
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", gap.due)
        assert gap.due > TODAY or not gap.due_proposed
    assert [g.effort for p in gappy.points for g in p.gaps[:1]] == [p.effort for p in gappy.points if p.gaps]


def test_where_nothing_is_entered_the_cure_names_the_table(tmp_path):
    (tmp_path / "programme.yaml").write_text("name: New\nas_of: 2026-06-30\n", encoding="utf-8")
    found = audit(tmp_path)
    empty = [(p, g) for p in found.points for g in p.gaps if g.text.startswith("Nothing is entered")]
    assert len(empty) > 30
    for point, gap in empty:
        assert gap.fix == f"Enter the interventions first, then fill in {' and '.join(tables(point.internal_key))}."
    for place in {place for places in TABLES.values() for place in places}:
        form = forms(Programme)[place.split(".")[0]][1]
        assert "." not in place or place.split(".")[1] in forms(form.of), place
    assert set(TABLES) <= {*RULES, *(key.split(".")[0] for key in RULES)}


def test_what_to_fix_says_what_is_wrong_and_who_mends_it(gappy):
    page, sheet = text_of(self_check_html(gappy)), text_of(manager_html(gappy, [], Progress(since=None)))
    for point in gappy.fix_first:
        for gap in point.gaps[:1]:
            assert gap.text[:30] in page.split("Fix first")[1].split("Results chains")[0]
    steps = sheet.split("Cheapest next steps")[1]
    first = gappy.fix_first[0].gaps[0]
    assert first.text[:30] in steps
    assert first.owner in steps
    assert "unverified" in sheet


def test_gaps_stand_in_the_order_of_their_effort(gappy):
    order = ["fill_in", "ask", "file", "run_again", "collect"]
    for point in gappy.points:
        efforts = [order.index(g.effort) for g in point.gaps]
        assert efforts == sorted(efforts)


def test_a_judgement_nobody_made_waits_for_a_person(tmp_path):
    found = checked(tmp_path, lambda v: v.update(answers=[]))
    for point in found.points:
        if point.mode == "asked":
            assert (point.verdict, point.known) == ("needs_person", None)
        elif point.mode == "program":
            assert point.verdict == "on_file"
        else:
            assert point.verdict == "needs_person" or point.question == ""  # or the question does not arise
        if point.verdict == "needs_person":
            assert "Nobody has judged it yet" in point.reason
            assert point.question


def test_what_is_declared_only_is_never_on_file(tmp_path):
    def no_paper(values):
        for answer in values["answers"]:
            answer.pop("evidence")
        for intervention in values["interventions"]:
            intervention["gender"].pop("evidence")

    found = checked(tmp_path, no_paper)
    for key in ("rc_logic.staff_use", "rc_logic.partners_explain", "use_in_management.examples"):
        point = found.point(key)
        assert (point.verdict, point.known) == ("partly", "declared_only")
    assert (found.point("rc_research.gender").verdict, found.point("rc_research.gender").known) == ("gap", "declared_only")
    assert not [p for p in found.points if p.known == "declared_only" and p.verdict == "on_file"]


@pytest.mark.parametrize("lost", ["by", "date", "judgement"])
def test_a_judgement_needs_name_date_and_verdict(lost, tmp_path):
    def change(values):
        for answer in values["answers"]:
            if answer["item"] == "attribution.method":
                del answer[lost]

    point = checked(tmp_path, change).point("attribution.method")
    assert point.verdict == "partly"
    assert "declared only" in point.gap


def test_a_talk_that_shows_only_a_part_is_declared_with_its_notes(tmp_path):
    def change(values):
        for answer in values["answers"]:
            if answer["item"] == "rc_logic.staff_use":
                answer.update(judgement="partly", answer="Two of three drew the chain.")

    point = checked(tmp_path, change).point("rc_logic.staff_use")
    assert (point.verdict, point.known) == ("partly", "declared_with_evidence")
    assert "Adviser judged on 2026-06-01: partly. Two of three drew the chain." in point.gap


def test_who_judged_is_named_by_role_and_never_by_name(tmp_path):
    def change(values):
        person = next(p for p in values["staff"] if p.get("name"))
        for answer in values["answers"]:
            answer.update(by=person["name"])
            answer.pop("role", None)
        values["not_applicable"] = [{"item": "publish.public", "reason": "By law.", "by": person["name"],
                                     "date": "2026-06-01"}]
        told.update(person)

    told = {}
    found = checked(tmp_path, change)
    assert found.point("rc_logic.staff_use").answer.startswith(f"{told['role']}, 2026-06-01: yes.")
    assert f"says {told['role']} on 2026-06-01" in found.point("publish.public").reason
    assert told["name"] not in "".join(str(p) for p in found.points)


def test_nobody_who_left_is_asked_to_mend_anything(tmp_path):
    def change(values):
        row(values, "staff", "field_loans")["ends"] = "2026-01-31"
        row(values, "interventions", "loans")["gender"] = None

    found = checked(tmp_path, change)
    assert {g.owner for g in found.point("rc_research.gender").gaps} == {"Role of measurer"}


def test_a_study_alone_has_no_share_whatever_the_sheet(tmp_path):
    found = audit(record(), standard=table(verified(), tmp_path))
    assert found.shares == ()
    assert not RATING.search(text_of(outputs(found)["self-check.html"]))


def test_a_judgement_for_one_intervention_leaves_the_other_open(tmp_path):
    def change(values):
        for answer in values["answers"]:
            if answer["item"] == "attribution.method":
                answer["intervention"] = "seeds"

    point = checked(tmp_path, change).point("attribution.method")
    assert point.verdict == "needs_person"
    assert "Small loans" in point.reason
    assert "Better seeds" not in point.reason


def test_not_applicable_needs_a_reason_and_a_name_and_is_counted_aloud(tmp_path):
    said = {"item": "rc_displacement.analysed", "reason": "Nothing is sold.", "by": "Ann Example", "date": "2026-06-01"}
    found = checked(tmp_path / "a", lambda v: v.update(not_applicable=[said]))
    point = found.point("rc_displacement.analysed")
    assert point.verdict == "not_applicable"
    assert "says a person named in the programme file on 2026-06-01: Nothing is sold." in point.reason
    assert "1 item is said not to apply" in " ".join(programme_lines(found))
    assert "1 item is said not to apply" in outputs(found)["self-check.html"]
    assert "10 of the 10 items checked" in found.elements[0].sentence
    for lost in ("reason", "by", "date"):
        row_ = {k: v for k, v in said.items() if k != lost}
        point = checked(tmp_path / lost, lambda v, r=row_: v.update(not_applicable=[r])).point("rc_displacement.analysed")
        assert point.verdict == "partly"
        assert "without a reason, a name or a date" in point.gap


def test_what_the_counts_leave_out_is_told_beside_them(tmp_path):
    def change(values):
        values["answers"] = [a for a in values["answers"] if not a["item"].startswith(("use_in", "managed.everyday"))]
        values["not_applicable"] = [{"item": "costs", "reason": "No money of its own.", "by": "Ann Example",
                                     "date": "2026-06-01"}]

    found = checked(tmp_path, change)
    asides = {e.number: e.aside for e in found.elements if e.aside}
    assert asides == {5: "2 are said not to apply", 7: "3 more items wait for a person"}
    html = text_of(outputs(found)["self-check.html"])
    assert html.count("evidence on file for 5 of the 5 items checked (fictional); 3 more items wait for a person") == 1
    assert "no evidence for a real programme); 2 are said not to apply." in html


def test_not_applicable_to_one_intervention_leaves_the_others(tmp_path):
    def change(values):
        del row(values, "interventions", "loans")["displacement"]
        values["not_applicable"] = [{"item": "rc_displacement.analysed", "intervention": "loans", "reason": "No market.",
                                     "by": "Ann Example", "date": "2026-06-01"}]

    point = checked(tmp_path, change).point("rc_displacement.analysed")
    assert point.verdict == "on_file"
    assert "Small loans: not applicable, says a person named in the programme file" in point.reason
    assert {e.about for e in point.evidence} <= {"Better seeds", ""}


def test_a_planned_measurement_is_no_gap_before_its_day(tmp_path):
    def change(values):
        later = row(values, "interventions", "loans")
        later.update(status="planned", begins="2026-09-01", change_began="2027-01-01")
        for m in values["measurements"]:
            if m["indicator"].startswith("loans"):
                m.update(planned="2026-12-01")
                m.pop("measured")
                m.pop("value")
        for x in values["indicators"]:
            if x["intervention"] == "loans":
                x["baseline"]["planned"] = "2026-12-01"
        for r in values["rounds"]:
            if r["interventions"] == ["loans"]:
                r.update(planned="2026-12-01")
                r.pop("done")

    found = checked(tmp_path, change)
    assert found.point("baseline.before_change").gaps == ()
    assert "baseline due 2026-12-01" in found.point("baseline.before_change").reason
    assert found.point("monitoring.plan").verdict == "on_file"


def test_calling_a_running_intervention_planned_hides_nothing(tmp_path):
    def change(values):
        row(values, "rounds", "loans_impact").update(cleaning_log=[])
        row(values, "interventions", "loans").update(status="planned")

    found = checked(tmp_path, change)
    assert "lacks cleaning log" in found.point("monitoring.practice").gap
    assert "from 2 of 2 interventions begun" in " ".join(found.totals)


def test_out_of_scope_is_told_with_its_reason_and_not_examined(tmp_path):
    def change(values):
        loans = row(values, "interventions", "loans")
        loans.update(in_scope=False, scope_reason="It was closed in 2025")
        del loans["gender"]

    found = checked(tmp_path, change)
    assert found.point("rc_research.gender").verdict == "on_file"
    assert "Out: Small loans: It was closed in 2025." in found.scope
    assert len(found.chains) == 1


def test_an_empty_programme_has_nothing_on_file(tmp_path):
    file = tmp_path / "programme.yaml"
    file.write_text("name: Bare\nas_of: 2026-06-30\ninterventions:\n- {id: a, name: A, status: active}\n", encoding="utf-8")
    found = audit(file)
    assert not [p.internal_key for p in found.points if p.verdict == "on_file"]
    assert {p.verdict for p in found.points} <= {"gap", "partly", "needs_person"}
    assert all(p.gaps or p.reason for p in found.points)


# -- a study inside a programme ------------------------------------------------------------------------------------


def with_study(folder: Path, evaluation, **more):
    def change(values):
        row(values, "interventions", "loans").update(results="interventions/loans/results.json")
        row(values, "attributions", "loans_a_earn").update(estimate="scrap_rate/two_way_fixed_effects", formula=None,
                                                           inputs=None, value=None)
        values.update(more)

    (folder / "interventions" / "loans").mkdir(parents=True)
    (folder / "interventions" / "loans" / "results.json").write_text(evaluation_to_json(evaluation), encoding="utf-8")
    return checked(folder, change)


def test_the_rules_on_one_study_are_used_where_there_is_a_record(tmp_path):
    found = with_study(tmp_path, record(), simulated=False)
    point = found.point("attribution.carried_out")
    assert point.verdict == "on_file"
    mine = [e for e in point.evidence if e.file == "interventions/loans/results.json"]
    assert any("1 check of the method examined" in e.text for e in mine)
    assert {e.about for e in mine} == {"Small loans"}
    assert "estimate scrap_rate/two_way_fixed_effects of its study's record" in point.shows


def test_an_honest_null_is_no_gap(tmp_path):
    null = (estimate("scrap_rate", "primary", estimate=0.01, conf_low=-0.5, conf_high=0.52),
            *record().estimates[1:])
    found = with_study(tmp_path, record(estimates=null), simulated=False)
    assert {found.point(f"attribution.{k}").verdict for k in ("method", "carried_out", "attributable")} == {"on_file"}


def of_record(folder: Path, **keys):
    """Check a programme whose assessment rests on a record that says 1.5, by difference in difference."""
    def rows():
        values = tree()["attributions"]
        next(r for r in values if r["id"] == "loans_a_earn").update(
            {"estimate": "scrap_rate/two_way_fixed_effects", "formula": None, "inputs": None, "value": 1.5, **keys})
        return values

    one = (estimate("scrap_rate", "primary", estimate=1.5, conf_low=0.5, conf_high=2.5), *record().estimates[1:])
    return with_study(folder, record(estimates=one), simulated=False, attributions=rows()).point("attribution.carried_out")


def test_an_assessment_is_held_against_its_record(tmp_path):
    assert of_record(tmp_path / "same").verdict == "on_file"
    assert "400 is entered from estimate scrap_rate/two_way_fixed_effects, but the record gives 1.5" in of_record(
        tmp_path / "value", value=400).gap
    assert "its method is said to be randomised trial, that of its study's record is difference in difference" in of_record(
        tmp_path / "method", method="randomised_trial").gap
    unused = of_record(tmp_path / "formula", formula="a", inputs=[{"name": "a", "value": 9, "evidence": ["D11 p. 5"]}],
                       value=9)
    assert "its formula does not use it: 1.5" in unused.gap


def test_simulated_data_are_no_evidence_in_a_programme_that_calls_itself_real(tmp_path):
    found = with_study(tmp_path, record(declared(data__simulated=True)), simulated=False)
    assert "The data are simulated" in found.point("attribution.carried_out").gap
    assert found.simulated
    assert "SIMULATED DATA" in outputs(found)["self-check.html"]


def test_a_record_that_cannot_be_read_is_a_gap(tmp_path):
    found = with_study(tmp_path, record(), simulated=False)
    (tmp_path / "interventions" / "loans" / "results.json").write_text("{", encoding="utf-8")
    found = audit(tmp_path)
    assert "cannot be read" in found.point("attribution.carried_out").gap


# -- not gameable --------------------------------------------------------------------------------------------------


def test_empty_duplicated_lost_and_back_dated_documents_are_shown(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["made", "up"])
    book.save(tmp_path / "late.xlsx")  # created today, by its own word

    def change(values):
        values["documents"][16].update(file="late.xlsx", date="2024-05-01")
        values["documents"][24].update(file="documents/nowhere.md")
        values["documents"][29].update(sha256="0" * 64)

    found = checked(tmp_path, change, {"D09": "", "D28": "same", "D29": "same"})
    told: dict[str, str] = {}
    for flag in found.flags:
        name = flag.document.split()[0]
        told[name] = f"{told.get(name, '')} {flag.text}"
    assert "holds nothing" in told["D09"]
    assert "same file as D28, registered twice" in told["D29"]
    assert "the file is not there" in told["D25"]
    assert "bears the date 2024-05-01, but the file says it was" in told["D17"]
    assert "has changed since its fingerprint was registered" in told["D30"]
    html = outputs(found)["self-check.html"]
    assert "Not gameable" in html
    assert all(flag.text.rstrip(".") in html.replace("&#39;", "'") for flag in found.flags)


def test_one_link_registered_twice_carries_nothing_the_second_time(tmp_path):
    def change(values):
        for name, link in (("D02", "https://example.org/Study"), ("D03", "https://example.org/study/")):
            document = row(values, "documents", name)
            document.update(link=link)
            del document["file"]

    found = checked(tmp_path, change)
    assert [f.text for f in found.flags] == ["carries no evidence: it is the same link as D02, registered twice."]
    assert "D03: it is the same link as D02" in found.point("rc_research.links_evidence").gap


@pytest.mark.parametrize(("place", "named"), [
    ("p. 4", True), ("sheet Costs row 9", True), ("sheet raw", True), ("annex B", True), ("p. iv", True), ("page 3", True),
    ("slide 12", True), ("whole document", False), ("somewhere", False), ("see report", False), ("passim", False)])
def test_a_place_names_a_page_sheet_or_row(place, named, tmp_path):
    found = checked(tmp_path, lambda v: row(v, "interventions", "loans")["gender"].update(evidence=[f"D03 {place}"]))
    assert ("names no page, sheet or row" in found.point("rc_research.gender").gap) is not named


def test_another_edition_is_told(tmp_path, whole):
    assert not any("edition" in line for line in whole.scope)
    found = checked(tmp_path, lambda v: v.update(edition="VII"))
    assert any("works by edition VII of the Standard; this is held against version VIII" in line for line in found.scope)


def test_a_row_that_is_not_in_the_file_carries_nothing(tmp_path):
    found = checked(tmp_path, lambda v: row(v, "totals", "T_scale").update(evidence=["D17 row 400"]))
    assert "D17: the file has no ‘row 400’" in found.point("aggregate_impact.documented").gap
    assert [f.text for f in found.flags] == ["has no ‘row 400’, which is cited."]


def test_a_page_that_carries_too_much_is_shown(tmp_path):
    def change(values):
        for person in values["staff"]:
            person["job_description"] = person["work_plan"] = ["D27 p. 1"]

    found = checked(tmp_path, change)
    assert ["8 statements rest on its place ‘p. 1’" in f.text for f in found.flags] == [True]


def test_a_key_in_the_register_changes_no_verdict(tmp_path):
    def change(values):
        values["documents"][0]["serves"] = [f"{key} p. 1" for key in MODES]
        conventions_gone(values)

    plainly = checked(tmp_path / "a", conventions_gone)
    served = checked(tmp_path / "b", change)
    assert [p.verdict for p in plainly.points] == [p.verdict for p in served.points]
    assert "Registered for this item: Results measurement manual." in served.point("rc_logic.steps").shows


def test_evidence_from_the_future_counts_for_nothing(tmp_path):
    found = checked(tmp_path, lambda v: row(v, "documents", "D06").update(date="2027-01-01"))
    assert "bears a date to come" in found.point("rc_logic.own_chain").gap
    assert any("after 2026-06-30, the day of this self-check" in f.text for f in found.flags)


# -- honesty -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["whole", "gappy"])
def test_nothing_looks_like_a_rating(name, request):
    found = request.getfixturevalue(name)
    files = outputs(found)
    html = files["self-check.html"]
    body = text_of(html).replace(NOT_AUDITED, "")
    assert not RATING.search(re.sub(r"<script>.*?</script>", "", body))
    assert not RATING.search(" ".join(programme_lines(found)).replace("no rating", ""))
    kept = json.loads(files["self-check.json"])
    assert {key for key in keys(kept) if re.search("point|score|rating|percent|weight|share", key)} == {"control_point"}
    assert not re.search(r"%|per ?cent", files["self-check.json"])
    for element in found.elements:
        assert re.fullmatch(r"evidence on file for \d+ of the \d+ items? checked", element.sentence)


def keys(tree_) -> set[str]:
    """All keys of a record, however deep."""
    if isinstance(tree_, dict):
        return set(tree_) | {k for value in tree_.values() for k in keys(value)}
    return {k for value in tree_ for k in keys(value)} if isinstance(tree_, list) else set()


NOT_AUDITED = "It is not an audit and it gives no rating. Only auditors approved by the DCED rate a programme."


def test_every_file_says_self_check_shows_the_warning_and_that_it_is_made_up(whole):
    for name, content in outputs(whole).items():
        assert name.startswith("self-check")
        text = sheet_text(content) if isinstance(content, bytes) else content
        assert "DCED self-check" in text
        assert "None of them is verified" in text
        assert "FICTIONAL" in text or '"fictional": true' in text
    assert all("fictional: no evidence for a real programme" in line for line in programme_lines(whole)
               if "evidence on file for" in line)


def sheet_text(content: bytes) -> str:
    book = openpyxl.load_workbook(io.BytesIO(content))
    return "\n".join(str(c) for s in book.worksheets for r in s.iter_rows(values_only=True) for c in r if c is not None)


def verified(**more) -> dict:
    """The shipped table as if a person had compared every line and copied the points."""
    values = shipped()
    for element in values["elements"]:
        element["title_verified"] = True
        for control in element["control_points"]:
            control["verified"] = True
            control["points"] = 20
            for item in control["criteria"]:
                item["verified"] = True
    return {**values, "warning": [], **more}


def table(values: dict, folder: Path) -> Path:
    path = folder / "table.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path


def test_points_of_an_unverified_sheet_are_shown_nowhere(tmp_path):
    values = verified()
    values["elements"][3]["control_points"][0]["criteria"][0]["verified"] = False
    found = audit(write(tree(), tmp_path / "folder"), standard=table(values, tmp_path))
    assert found.shares == ()
    files = outputs(found)
    assert not RATING.search(text_of(files["self-check.html"]).replace(NOT_AUDITED, ""))
    assert "of 380" not in sheet_text(files["self-check.xlsx"])
    assert not [k for k in keys(json.loads(files["self-check.json"])) if "points" in k or "share" in k]


def test_a_verified_sheet_shows_must_and_recommended_apart_as_a_self_check(tmp_path):
    def change(values):
        conventions_gone(values)
        values["answers"] = tree()["answers"]
        values["chains"] = tree()["chains"]
        values["not_applicable"] = [{"item": "publish.public", "reason": "By law.", "by": "Ann Example",
                                     "date": "2026-06-01"}]

    values = tree()
    change(values)
    found = audit(write(values, tmp_path), standard=table(verified(), tmp_path))
    must, recommended = found.shares
    # nineteen must control points of 20; without conventions and work plans these have a gap in at least one item:
    # ind_aggregable (days of a job), aggregate_impact (overlap rule), resources (budget), managed (work plans)
    assert (must.status, must.of, must.on_file, must.left_out) == ("must", 380, 300, 0)
    # six recommended; publish is not applicable, cost_allocation lacks its rule
    assert (recommended.status, recommended.of, recommended.on_file, recommended.left_out) == ("recommended", 100, 80, 1)
    html = outputs(found)["self-check.html"]
    assert "Self-check, must items: evidence on file for 300 of 380 points (79 per cent)." in html
    assert "Self-check, recommended items: evidence on file for 80 of 100 points (80 per cent); 1 not applicable" in html
    assert "of 480" not in html
    assert 'class="tag"' not in html


def test_points_of_items_count_only_what_is_wholly_on_file(tmp_path):
    values = verified()
    for element in values["elements"]:
        for control in element["control_points"]:
            control.pop("points")
            for item in control["criteria"]:
                item["points"] = 10
    found = audit(write(tree() | {"answers": []}, tmp_path), standard=table(values, tmp_path))
    on_file = sum(p.verdict == "on_file" for p in found.points if p.status == "must")
    assert found.shares[0].on_file == 10 * on_file
    assert found.shares[0].of == 10 * sum(p.status == "must" for p in found.points)


def test_points_that_do_not_add_up_are_refused(tmp_path):
    values = verified()
    items = values["elements"][0]["control_points"][0]["criteria"]
    for item in items:
        item["points"] = 4
    with pytest.raises(StudyError, match="add up to 16, not 20"):
        read_standard(table(values, tmp_path))
    del items[0]["points"]
    with pytest.raises(StudyError, match="some items of this control point have points and some have none"):
        read_standard(table(values, tmp_path))


# -- another table -------------------------------------------------------------------------------------------------


def test_the_table_as_an_excel_sheet_reads_back_the_same(tmp_path):
    file = tmp_path / "sheet.xlsx"
    file.write_bytes(standard_sheet())
    assert read_standard(file) == read_standard()
    assert standard_sheet() == standard_sheet()


def test_an_official_sheet_may_renumber_and_reword(tmp_path, whole):
    book = openpyxl.load_workbook(io.BytesIO(standard_sheet(table(verified(), tmp_path))))
    sheet = book["items"]
    head = [cell.value for cell in sheet[1]]
    for line in sheet.iter_rows(min_row=2):
        line[head.index("id")].value = f"Z.{line[0].row}"
        line[head.index("text")].value = f"Official words {line[0].row}"
    book.save(tmp_path / "official.xlsx")
    found = audit(write(tree(), tmp_path), standard=tmp_path / "official.xlsx")
    assert [p.verdict for p in found.points] == [p.verdict for p in whole.points]
    assert found.points[0].title == "Official words 2"
    assert found.shares[0].of == 380


def test_problems_of_a_sheet_name_its_rows(tmp_path):
    book = openpyxl.load_workbook(io.BytesIO(standard_sheet()))
    sheet = book["items"]
    head = [cell.value for cell in sheet[1]]
    sheet.cell(4, head.index("status") + 1).value = "musst"
    sheet.cell(5, head.index("key") + 1).value = "own_chain"
    sheet.cell(7, head.index("text") + 1).value = None
    sheet.cell(2, head.index("status") + 1).value = "musst"
    book.save(tmp_path / "broken.xlsx")
    with pytest.raises(StudyError) as caught:
        read_standard(tmp_path / "broken.xlsx")
    said = str(caught.value)
    assert "sheet items, row 2, status: 'musst' is not one of must, recommended" in said
    assert "sheet items, row 5, internal_key: 'own_chain' stands twice" in said
    assert "row 7" in said


@pytest.mark.parametrize("content", [b"", b"no workbook", b"PK\x03\x04broken"])
def test_what_is_no_workbook_is_refused_in_words(content, tmp_path):
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(StudyError, match="does not open as an Excel workbook"):
        read_standard(tmp_path / "t.xlsx")


def test_a_sheet_that_unpacks_without_end_or_defines_entities_is_refused(tmp_path):
    for name, part, content in (("bomb", "xl/sharedStrings.xml", b" " * 70_000_000),
                                ("laughs", "xl/workbook.xml", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x/>')):
        file = tmp_path / f"{name}.xlsx"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(part, content)
        with pytest.raises(StudyError, match=r"unpacks to|entities"):
            read_standard(file)


# -- outputs -------------------------------------------------------------------------------------------------------


def test_no_cell_of_the_workbook_is_a_formula(tmp_path):
    evil = '+HYPERLINK("http://example.org","click")'

    def change(values):
        conventions_gone(values)
        values["interventions"][0]["name"] = evil
        values["staff"][0]["role"] = "@SUM(A1)"
        row(values, "indicators", "loans_sold").update(name="-2+3", definition=None)

    content = outputs(checked(tmp_path, change))["self-check.xlsx"]
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [c for s in book.worksheets for r in s.iter_rows() for c in r if c.value is not None]
    assert not [c for c in cells if c.data_type == "f"]
    assert not [c for c in cells if isinstance(c.value, str) and c.value.lstrip()[:1] in "=+-@"]
    assert any(c.value == f"'{evil}" for c in cells)


@pytest.mark.parametrize(("value", "safe"), [
    ("=1+1", "'=1+1"), ("  =1", "'  =1"), ("@x", "'@x"), ("\t=x", "'\t=x"), ("plain", "plain"), (-5, -5), (2.5, 2.5),
    (None, None), ("a\x00b", "a\ufffdb")])
def test_cells_are_neutralised(value, safe):
    assert neutral(value) == safe


def test_the_working_list_holds_every_gap_the_cheapest_must_items_first(gappy):
    book = openpyxl.load_workbook(io.BytesIO(self_check_xlsx(gappy)))
    rows = list(book["To do"].iter_rows(min_row=2, values_only=True))
    assert len(rows) == sum(len(p.gaps) for p in gappy.points) == len(gappy.gaps())
    statuses = [r[4] for r in rows]
    assert statuses == sorted(statuses)  # must before recommended
    order = ["fill in", "ask", "file", "run again", "collect"]
    efforts = [order.index(r[0]) for r in rows if r[4] == "must"]
    assert efforts == sorted(efforts)
    assert len(list(book["Items"].iter_rows(min_row=2))) == 54


def test_the_record_says_what_the_page_says(gappy):
    told = json.loads(outputs(gappy)["self-check.json"])
    assert told["what"] == "DCED self-check"
    items = [item for element in told["elements"] for item in element["items"]]
    assert [i["internal_key"] for i in items] == [p.internal_key for p in gappy.points]
    assert [i["verdict"] for i in items] == [p.verdict for p in gappy.points]
    for element, mine in zip(told["elements"], gappy.elements, strict=True):
        assert element["self_check"] == mine.sentence
        assert sum(element["counted"].values()) == len(mine.points)


def test_the_same_programme_gives_the_same_bytes(tmp_path):
    write(tree(), tmp_path)
    code = ("import sys, hashlib; from impact.dced import audit; from impact.dced.report.write import outputs\n"
            "for name, c in outputs(audit(sys.argv[1])).items():\n"
            " print(name, hashlib.sha256(c if isinstance(c, bytes) else c.encode()).hexdigest())")
    told = {subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True,
                           cwd=Path(__file__).parents[1], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}).stdout
            for seed in ("1", "2")}
    assert len(told) == 1
    assert told.pop().count("self-check.") == 3


def test_a_notebook_shows_counts_chains_and_words_never_a_script(gappy, tmp_path):
    html = gappy._repr_html_()
    assert "DCED self-check" in html
    assert "FICTIONAL PROGRAMME" in html
    assert "None of them is verified" in html
    assert "Shops are trained" in html
    assert "#EAF2F4" in html
    assert "<script" not in html
    assert "%" not in html
    hostile = checked(tmp_path, lambda v: v["chains"][0]["boxes"][0].update(text="<img src=x onerror=alert(1)>"))
    assert "<img" not in hostile._repr_html_()
    assert list(gappy.gaps().columns)[:4] == ["internal_key", "title", "status", "verdict"]
    assert len(gappy.tidy()) == 54


def test_boxes_are_coloured_by_what_stands_behind_them(tmp_path):
    def change(values):
        box = values["chains"][-1]["boxes"]
        box[1]["indicators"] = []
        for m in values["measurements"]:
            if m["indicator"] in ("loans_uses", "loans_goes_on"):
                m["evidence"] = []

    found = checked(tmp_path, change)
    states = {step.id: step.state for step in found.chains[-1].steps}
    assert states == {"train": "activity", "sell": "none", "use": "planned", "earn": "measured"}


def test_hostile_texts_are_escaped(tmp_path):
    evil = "<script>alert(1)</script>{{ 7*7 }}{% raw %}'\"><img src=x onerror=alert(2)>"

    def change(values):
        conventions_gone(values)
        values["name"] = evil
        values["staff"][0]["role"] = evil
        values["interventions"][1]["name"] = evil
        values["documents"][0]["title"] = evil

    html = outputs(checked(tmp_path, change))["self-check.html"]
    assert html.count("<script") == 1
    assert "<img" not in html
    assert "&lt;script&gt;" in html


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command_writes_its_files_and_says_which_to_open(tmp_path, capsys):
    write(tree(), tmp_path)
    assert main(["audit", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("DCED self-check of a programme (no audit, no rating)")
    assert said.rstrip().endswith(f"open {tmp_path / 'out' / 'self-check.html'}")
    assert {f.name for f in (tmp_path / "out").iterdir()} == {
        "self-check.html", "self-check.json", "self-check.xlsx", "self-check-manager.html", "self-check-calendar.xlsx",
        "self-check-snapshots"}


def test_a_projection_of_any_indicator_is_worked_out_again(tmp_path):
    values = tree()
    projection = values["projections"][0]
    next(i for i in values["indicators"] if i["id"] == projection["indicator"])["key"] = False
    projection["value"] *= 2
    found = audit(write(values, tmp_path)).point("projections.documented")
    assert any("worked out again it is" in gap.text for gap in found.gaps)


def test_strict_exits_with_one_when_a_must_item_has_a_gap(tmp_path, capsys):
    file = write(tree(), tmp_path)
    assert main(["audit", str(file), "--strict"]) == 0
    values = tree()
    values["systemic"][0].pop("plan")  # a recommended item alone
    write(values, tmp_path)
    assert main(["audit", str(file), "--strict"]) == 0
    write(tree() | {"meetings": [], "decisions": []}, tmp_path)
    assert main(["audit", str(file), "--strict"]) == 1
    assert main(["audit", str(file)]) == 0
    assert "fix first" in capsys.readouterr().out


def test_a_standard_can_be_given(tmp_path, capsys):
    file = write(tree(), tmp_path)
    (tmp_path / "mine.xlsx").write_bytes(standard_sheet(table(verified(version="IX"), tmp_path)))
    assert main(["audit", str(file), "--standard", str(tmp_path / "mine.xlsx")]) == 0
    assert "Self-check, must items: evidence on file for 380 of 380 points" in capsys.readouterr().out


def test_the_table_can_be_written_corrected_and_handed_back(tmp_path, capsys):
    sheet = tmp_path / "mine.xlsx"
    assert main(["audit", "--write-standard", str(sheet)]) == 0
    assert capsys.readouterr().out.rstrip().endswith(f"open {sheet}")
    assert main(["audit", str(write(tree(), tmp_path)), "--standard", str(sheet)]) == 0
    assert main(["audit", "--write-standard", str(tmp_path / "mine.yaml")]) == 2
    assert main(["audit", "--write-standard", str(sheet)]) == 2  # perhaps corrected already
    assert main(["audit"]) == 2
    assert "neither a record nor a programme is named" in capsys.readouterr().err


def test_a_folder_with_two_programme_files_is_refused(tmp_path, capsys):
    write(tree(), tmp_path)
    shutil.copy(tmp_path / "programme.yaml", tmp_path / "programme.xlsx")
    assert main(["audit", str(tmp_path)]) == 2
    assert "both programme.yaml and programme.xlsx" in capsys.readouterr().err


def test_a_broken_programme_is_refused_with_all_its_problems(tmp_path, capsys):
    values = tree()
    values["measurements"][0]["indicator"] = "nowhere"
    values["staff"][0]["teem"] = "x"
    assert main(["audit", str(write(values, tmp_path))]) == 2
    said = capsys.readouterr().err
    assert "nowhere" in said
    assert "teem" in said
    assert "Traceback" not in said


def test_audit_takes_a_programme_that_was_read(tmp_path, whole):
    from impact.programme import read_programme

    file = write(tree(), tmp_path)
    again = audit(read_programme(file))
    assert [p.verdict for p in again.points] == [p.verdict for p in whole.points]
    assert replace(impact.audit(file), record=()) == replace(again, record=())


def test_the_shipped_table_holds_no_points():
    assert "points:" not in SHIPPED.read_text(encoding="utf-8").replace("control_points:", "")


# -- whatever is left out ------------------------------------------------------------------------------------------


def stripped(programme):
    """Leave each optional key out of every record of its table in turn, and each table as a whole."""
    for table_ in fields(programme):
        records = getattr(programme, table_.name)
        if table_.metadata.get("form") is None or (not isinstance(records, tuple) and records is None):
            continue
        looked_up = ("staff", "documents", "indicators", "interventions")  # a reader refuses codes that name nothing
        if table_.default is not MISSING and table_.name not in looked_up:
            yield table_.name, replace(programme, **{table_.name: table_.default})
        if isinstance(records, tuple) and records and is_dataclass(records[0]):
            for key in (f for f in fields(records[0]) if f.default is not MISSING and f.name != "at"):
                bare = tuple(replace(r, **{key.name: key.default}) for r in records)
                yield f"{table_.name}.{key.name}", replace(programme, **{table_.name: bare})


def test_no_key_that_is_left_out_stops_the_self_check(tmp_path):
    from impact.dced.programme import audit_programme
    from impact.programme import read_programme

    programme = read_programme(write(tree(), tmp_path))
    standard = read_standard()
    seen = 0
    for name, bare in stripped(programme):
        found = audit_programme(bare, standard)
        seen += 1
        for point in found.points:
            assert point.verdict != "on_file" or (point.evidence and not point.gaps), (name, point.internal_key)
            assert point.verdict not in ("partly", "gap") or point.gaps, (name, point.internal_key)
            assert point.verdict != "needs_person" or (point.reason and not point.gaps), (name, point.internal_key)
    assert seen > 150

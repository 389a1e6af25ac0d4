"""The brief's blocks one by one, on whole simulated studies and on records made by hand."""

from __future__ import annotations

import base64
import dataclasses
import io
import itertools
import json
import math
import re

import pytest
from pypdf import PdfReader
from support_briefs import declaration, firms, png, rich, uncertain
from support_pages import plain
from support_records import PROVENANCE, STUDY, estimate, mapping, sample_evaluation

import impact
from impact.brief import check_texts, compose, figures, render_html, render_pdf
from impact.brief import model as m
from impact.brief.drawing import tint
from impact.brief.packing import halves
from impact.brief.page import present
from impact.brief.theme import COLOURS, LADDER
from impact.errors import RenderError, StudyError
from impact.results.estimate import Caveat, Segment
from impact.results.evaluation import Check, TrendPoint
from impact.results.record import evaluation_to_json
from impact.study import read_study, study_from_mapping

WIDE = LADDER[0]


def page_of(evaluation, layout=WIDE):
    return present(compose(evaluation), layout)


def pages_of(pdf: bytes) -> list[str]:
    from pypdf import PdfReader

    return [plain(re.sub(r"\s+", " ", page.extract_text())) for page in PdfReader(io.BytesIO(pdf)).pages]


@pytest.fixture(scope="module")
def full():
    brief = compose(rich(), impact.audit(rich()))
    pdf, layout = render_pdf(brief)
    return brief, pdf, layout, render_html(brief, layout)


def one(b: float, se: float | None, **changes):
    """A record with one outcome in levels, in US dollars."""
    outcome = {**STUDY["outcomes"][0], "transform": "none", "label": "Profit", "unit": "USD a month", "better": "higher",
               **changes.pop("outcome", {})}
    study = {"outcomes": [outcome], "results_chain": None, "brief": {"date": "2026-11-21"}, **changes.pop("study", {})}
    e = estimate("scrap_rate", b, se, role="primary", base=100.0, **changes)
    return sample_evaluation(study=study, estimates=(e,), flows=(), trends=(), checks=())


# ---- whole studies ---------------------------------------------------------------------------------------------------
def test_a_study_that_declares_everything_fits_on_two_pages(full):
    pages = pages_of(full[1])
    assert len(pages) == 2
    for word in ("Saway Enterprise Programme", "Example Development Fund", "EX-2024-117", "2024 to 2025", "Draft",
                 "Randomised trial", "Eight coaching visits", "USD 257 for each offered", "Ministry of Trade",
                 "Frozen 12 February 2024"):
        assert word in pages[0], word
    for word in ("For whom", "Women", "Targets and levels reached", "A level is not an effect", "Given by others",
                 "provides evidence for elements", "views in this brief", "of 10 secondary outcomes shown",
                 "Check this brief", "impact run coaching-vouchers"):
        assert word in pages[1], word
    for stamp in ("DRAFT", "SIMULATED DATA"):
        assert all(stamp in page for page in pages)


@pytest.mark.parametrize("language", ["fr", "es"])
def test_longer_languages_fit_too(language):
    values = declaration()
    values["brief"] = {**values["brief"], "language": language}
    evaluation = dataclasses.replace(rich(), study=study_from_mapping(values, slug="a"))
    brief = compose(evaluation, impact.audit(evaluation))
    assert len(pages_of(render_pdf(brief)[0])) == 2
    last = present(brief, LADDER[-1])
    assert len(last["method"]) == len(present(brief, LADDER[-4])["method"]) - 1  # what is estimated stands under the table
    assert last["reading"].startswith(present(brief, WIDE)["reading"][:40])


@pytest.mark.parametrize("make", [rich, uncertain])
def test_every_number_is_where_it_says_it_is(make):
    evaluation = make()
    numbers = list(m.walk(compose(evaluation), m.Number))
    assert len(numbers) > 150
    for n in numbers:
        if not n.derived:
            assert n.value == m.lookup(evaluation, n.path, n.estimate), n


def test_the_pdf_is_made_to_both_standards_and_to_the_byte(full):
    pikepdf = pytest.importorskip("pikepdf")
    brief, pdf, layout, _ = full
    assert render_pdf(brief, ladder=(layout,))[0] == pdf
    with pikepdf.open(io.BytesIO(pdf)) as file, file.open_metadata() as metadata:
        assert (metadata["pdfuaid:part"], metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("1", "2", "A")
        assert file.Root.MarkInfo.Marked


def test_what_a_program_made_says_so_whatever_the_study_says():
    evaluation = sample_evaluation(provenance=dataclasses.replace(PROVENANCE, simulated=True))
    assert evaluation.study.data.simulated is False
    assert "SIMULATED DATA" in page_of(evaluation)["stamps"]


# ---- strip, badge, what was done -------------------------------------------------------------------------------------
def test_the_strip_names_programme_donor_project_period_and_status():
    strip = {f["name"]: f["text"] for f in page_of(rich())["meta"]}
    assert strip == {"Programme": "Saway Enterprise Programme", "Donor": "Example Development Fund",
                     "Project": "EX-2024-117", "Period": "2024 to 2025", "Status": "Draft"}
    bare = sample_evaluation(study={"programme": {"name": "P", "country": "C", "donor": None}})
    strip = {f["name"]: f["text"] for f in page_of(bare)["meta"]}
    assert (strip["Donor"], strip["Project"], strip["Status"]) == ("None given", "Not stated", "Final")


@pytest.mark.parametrize(("kind", "word", "strength"), [
    ("rct", "Randomised trial", "random"), ("did", "Quasi-experiment", "quasi"), ("matching", "Quasi-experiment", "quasi")])
def test_the_badge_says_whether_lots_were_drawn(kind, word, strength):
    assert page_of(sample_evaluation(kind))["badge"] == {"word": word, "strength": strength}


def test_what_was_done_has_dose_reach_by_sex_cost_and_what_others_gave():
    facts = {f["name"]: plain(f["text"]) for f in page_of(rich())["done_facts"]}
    assert facts == {
        "Dose": "Eight coaching visits in four months; a voucher of USD 120",
        "Reached": "520 (268 women, 252 men): reached, not analysed",
        "Cost": "USD 133,400 in all, USD 257 for each offered",
        "Others gave": "Ministry of Trade, USD 18,000 (public); Owners' own time, USD 9,500 (in kind)"}
    told = {f["name"]: f["text"] for f in page_of(rich())["costs"]}
    assert told["Total cost"] == "USD\u00a0133,400"  # what others gave is beside it
    assert told["Given by others"] == "USD\u00a027,500"
    assert "beside the total, not in it" in page_of(rich())["cost_note"]
    assert page_of(sample_evaluation(study={"intervention": None}))["done_facts"] == []


def test_missing_costs_are_said_to_be_missing():
    page = page_of(sample_evaluation())
    assert page["costs"] == [{"name": "Costs", "text": "Not reported"}]
    assert "Cost" not in {f["name"] for f in page["done_facts"]}


# ---- an uncertain result ---------------------------------------------------------------------------------------------
def test_an_uncertain_result_has_a_layout_of_its_own():
    page = page_of(uncertain())
    assert page["title"] == "Monthly profit and Business still open: the data cannot tell"
    assert page["tiles"][0]["hollow"]
    told = [plain(t) for t in page["open"]["excludes"]]
    assert re.fullmatch(r"Monthly profit: more than [\d.]+ USD a month lower, and more than [\d.]+ USD a month higher\.",
                        told[0])
    assert page["open"]["learned"].startswith("Visits took place as planned")
    brief = compose(uncertain())
    pdf, layout = render_pdf(brief)
    pages = pages_of(pdf)
    assert len(pages) == 2
    html = render_html(brief, layout)
    for head in ("What the interval leaves out", "What the study was planned to find", "What was learned"):
        assert head in pages[0]
        assert head in html


def test_a_clear_primary_outcome_keeps_the_tiles():
    assert page_of(rich())["open"] is None
    assert page_of(one(30.0, 5.0))["open"] is None


PLAN = {"frozen": "2024-05-03", "record": "Registry 7"}


@pytest.mark.parametrize(("size", "words"), [
    (5, "The interval still holds differences of that size, higher and lower."),
    (11, "The interval still holds that much higher, not that much lower."),
    (30, "The interval holds no difference of that size.")])
def test_the_planned_smallest_effect_is_held_against_the_interval(size, words):
    plan = {**PLAN, "minimum_detectable_effect": {"scrap_rate": size}}
    evaluation = one(2.0, 5.0, study={"plan": plan})  # an interval from −8.03 to 12.03
    assert [plain(t) for t in page_of(evaluation)["open"]["planned"]] == [f"Profit: {size} USD a month or more. {words}"]


def test_no_smallest_effect_is_ever_worked_out_from_the_error_that_came():
    silent = one(2.0, 5.0)
    assert page_of(silent)["open"]["planned"] == ["No frozen plan states it, and it is never worked out from the result."]
    planned = one(2.0, 5.0, study={"plan": PLAN})
    assert page_of(planned)["open"]["planned"] == ["The plan frozen 3 May 2024 states no smallest difference for it."]
    for evaluation in (silent, planned):
        assert not any("2.8" in plain(t) or "14" in t for t in page_of(evaluation)["open"]["planned"])
    assert {f["name"]: f["text"] for f in page_of(planned)["method"]}["Plan"] == "Frozen 3 May 2024: Registry 7"


def test_a_plan_in_units_is_not_held_against_an_interval_in_per_cent():
    study = {"outcomes": STUDY["outcomes"][:1], "results_chain": None, "brief": {"date": "2026-11-21"},
             "plan": {**PLAN, "minimum_detectable_effect": {"scrap_rate": 0.5}}}
    evaluation = sample_evaluation(study=study, estimates=(estimate("scrap_rate", -0.1, 0.2, log=True, role="primary"),))
    assert "they are not compared" in page_of(evaluation)["open"]["planned"][0]


@pytest.mark.parametrize(("pieces", "words"), [
    ((Segment(),), "Nothing: the interval has no bound on either side."),
    ((Segment(low=-4.0),), "All differences but those from 4.0 USD a month lower, with no bound above."),
    ((Segment(high=-2.0), Segment(low=3.0)), "All differences but those in two pieces: with no bound below, up to "
     "2.0 USD a month lower; or from 3.0 USD a month higher, with no bound above.")])
def test_open_and_broken_sets_say_what_they_leave_out(pieces, words):
    low, high = (pieces[0].low, pieces[0].high) if len(pieces) == 1 else (None, None)
    evaluation = one(5.0, 2.0, interval=pieces, conf_low=low, conf_high=high, effect_pct=None)
    brief = compose(evaluation)
    assert [re.sub(r"(\d)\.00\b", r"\1.0", plain(t)) for t in present(brief, WIDE)["open"]["excludes"]] == [words]
    assert len(pages_of(render_pdf(brief)[0])) == 2


def test_too_few_clusters_and_no_interval_leave_nothing_out():
    few = one(9.0, 1.0, caveats=(Caveat(code="few_clusters", text="Only 3."),))
    assert "with so few clusters" in page_of(few)["open"]["excludes"][0]
    assert page_of(one(9.0, None))["open"]["excludes"] == ["Nothing: there is no interval."]
    assert "once several outcomes" in page_of(one(12.0, 5.0, p_adjusted=0.2))["open"]["excludes"][0]


def test_open_marks_are_hollow_and_as_dark_as_others():
    assert tint("unclear") == COLOURS["ink"]
    for row in (r for r in page_of(uncertain())["results"] if r["verdict"] == "unclear"):
        assert row["mark"] == "ring"
    shapes = {i["fill"] for i in figures.effects(page_of(uncertain())).items if i["k"] == "ring"}
    assert shapes == {COLOURS["ink"]}


# ---- for whom --------------------------------------------------------------------------------------------------------
def test_declared_subgroups_stand_side_by_side_with_their_test():
    evaluation = rich()
    found = page_of(evaluation)["for_whom"]
    assert [(s["outcome"].partition(",")[0].partition(" (")[0], s["label"]) for s in found["splits"]] == [
        ("Monthly profit", "Sex of the owner"), ("Monthly profit", "Size of the firm"),
        ("Business still open", "Sex of the owner")]
    assert "3 of 4 splits shown." in plain(found["note"])
    assert [g["name"] for g in found["splits"][0]["groups"]] == ["Men", "Women"]
    assert [g["name"] for g in found["splits"][1]["groups"]] == ["value 0", "value 1"]
    rows = {e.id: e for e in evaluation.estimates}
    p = rows["profit/subgroups/sex/1-0"].p_value
    assert plain(found["splits"][0]["told"]) == f"Cannot tell groups apart (p = {p:.3f})"
    assert "not shown to be alike" in found["note"]
    brief = compose(evaluation)
    assert brief.for_whom.splits[0].p.value == p


def test_groups_that_differ_are_said_to_and_thin_ones_are_not_judged():
    evaluation = rich()

    def changed(**values):
        return dataclasses.replace(evaluation, estimates=tuple(
            dataclasses.replace(e, **values) if e.id == "profit/subgroups/sex/1-0" else e for e in evaluation.estimates))

    assert plain(page_of(changed(p_value=0.01))["for_whom"]["splits"][0]["told"]) == "Groups differ (p = 0.010)"
    few = changed(caveats=(Caveat(code="few_clusters", text="Few."),))
    assert page_of(few)["for_whom"]["splits"][0]["told"] == "Too few to tell groups apart"


def test_more_than_two_groups_are_judged_by_their_joint_test():
    names = ("a", "b", "c")
    rows = [estimate("scrap_rate", 5.0 * i, 2.0, role="subgroup", method="subgroups", id=f"scrap_rate/subgroups/zone/{x}",
                     term=f"in {x}") for i, x in enumerate(names)]
    joint = (("joint", (("statistic", 3.0), ("p_value", 0.031))),)
    rows.insert(0, estimate("scrap_rate", 5.0, 3.0, role="subgroup", method="subgroups", term="b − a", details=joint,
                            id="scrap_rate/subgroups/zone/b-a"))
    base = one(2.0, 5.0, study={"subgroups": [{"name": "zone", "column": "zone", "label": "Zone"}]})
    evaluation = dataclasses.replace(base, estimates=(*base.estimates, *rows))
    split = compose(evaluation).for_whom.splits[0]
    assert (split.p.value, split.p.path) == (0.031, "details[joint].p_value")
    assert m.lookup(evaluation, split.p.path, split.p.estimate) == 0.031
    assert "Groups differ (p = 0.031)" in plain(page_of(evaluation)["for_whom"]["splits"][0]["told"])


def test_subgroups_the_record_does_not_hold_are_said_to_be_missing():
    study = {"subgroups": [{"name": "size", "column": "size", "label": "Size of the firm"}]}
    found = page_of(sample_evaluation(study=study))["for_whom"]
    assert found["splits"] == []
    assert found["note"] == "Declared, but the record has no difference by group: Size of the firm."
    render_pdf(compose(sample_evaluation(study=study)))
    assert page_of(sample_evaluation())["for_whom"] is None


# ---- targets ---------------------------------------------------------------------------------------------------------
def test_a_target_is_held_against_the_level_of_participants_and_not_an_effect():
    evaluation = rich()
    found = page_of(evaluation)["targets"]
    level = next(p.mean for p in evaluation.trends if (p.outcome, p.group, p.period) == ("profit", "treated", "after"))
    row = found["rows"][0]
    assert (row["label"], row["target"], row["level"], row["word"]) == (
        "Monthly profit", "130 by 31 Dec 2025", f"{level:.0f}", "not at target")
    assert found["rows"][1]["target"].startswith("85.0%")
    assert found["note"].endswith("A level is not an effect.")
    assert page_of(sample_evaluation())["targets"]["rows"] == []


@pytest.mark.parametrize(("better", "value", "word"), [
    ("lower", 3.5, "at target"), ("lower", 3.0, "not at target"), ("higher", 3.0, "at target"),
    ("higher", 9.0, "not at target")])
def test_the_good_direction_decides_whether_a_target_is_reached(better, value, word):
    points = tuple(TrendPoint(outcome="scrap_rate", group=g, period=p, mean=x, n=n) for g, p, x, n in (
        ("first treated 1988", "1988", 9.0, 10), ("first treated 1988", "1989", 3.0, 30),
        ("first treated 1989", "1989", 4.0, 10), ("never treated", "1989", 1.0, 50)))
    outcomes = [{**STUDY["outcomes"][0], "better": better, "target": {"value": value}}, *STUDY["outcomes"][1:]]
    brief = compose(sample_evaluation(study={"outcomes": outcomes}, trends=points))
    assert brief.targets[0].reached.value == 3.25  # (30·3 + 10·4) / 40, the last year of the treated cohorts
    assert present(brief, WIDE)["targets"]["rows"][0]["word"] == word


def test_a_target_without_a_level_on_record_is_left_open():
    outcomes = [{**STUDY["outcomes"][0], "target": {"value": 2.0}}, *STUDY["outcomes"][1:]]
    row = page_of(sample_evaluation(study={"outcomes": outcomes}, trends=()))["targets"]["rows"][0]
    assert (row["level"], row["word"]) == ("n/a", "not in the record")


# ---- figures ---------------------------------------------------------------------------------------------------------
def dynamic(horizons, *, se=0.1, **changes):
    return tuple(estimate("scrap_rate", 0.05 * h, None if h == -1 else se, log=True, role="part", method="group_time_att",
                          id=f"scrap_rate/group_time_att/dynamic/{h}", term=f"dynamic {h}", horizon=str(h),
                          **({"effect_pct": None, "estimate": 0.0} if h == -1 else {}), **changes) for h in horizons)


def test_effects_by_period_are_drawn_where_the_record_has_them():
    base = sample_evaluation()
    evaluation = dataclasses.replace(base, estimates=(*base.estimates, *dynamic((2, -2, -1, 0, 1))))
    brief = compose(evaluation)
    page = present(brief, WIDE)
    assert [p["name"] for p in page["pictures"]] == ["event_study", "trends"]
    assert [p["horizon"] for p in page["event_study"]["points"]] == ["-2", "-1", "0", "1", "2"]
    assert page["event_study"]["points"][1]["ranges"] == []
    assert page["event_study"]["points"][4]["value"] == pytest.approx(10.517, abs=1e-3)  # 100·(exp(0.1) − 1)
    assert "periods since the start" in page["pictures"][0]["note"]
    words = [i["t"] for i in figures.event_study(page).items if i["k"] == "text"]
    assert {"−2", "0", "start"} <= set(words)
    assert len(pages_of(render_pdf(brief)[0])) == 2
    assert compose(base).event_study is None
    few = dataclasses.replace(base, estimates=(*base.estimates, *dynamic((0, 1))))
    assert compose(few).event_study is None


def test_the_band_for_all_periods_at_once_is_drawn_beside_the_intervals():
    base = sample_evaluation()
    reach = (("band_low", -0.3), ("band_high", 0.4))
    page = page_of(dataclasses.replace(base, estimates=(*base.estimates, *dynamic((-2, -1, 0, 1), details=reach))))
    points = page["event_study"]["points"]
    assert [p["band"] for p in points if p["horizon"] == "-1"] == [None]
    assert points[0]["band"] == pytest.approx([100 * math.expm1(-0.3), 100 * math.expm1(0.4)])
    assert "each on its own (thick) and all at once (thin)" in page["pictures"][0]["note"]
    thin = [i for i in figures.event_study(page).items if i["k"] == "line" and i["sw"] == 0.6]
    assert len(thin) == 3
    plain = page_of(dataclasses.replace(base, estimates=(*base.estimates, *dynamic((-2, -1, 0, 1)))))
    assert "each on its own." in plain["pictures"][0]["note"]


def test_long_intervals_of_periods_become_arrows():
    base = sample_evaluation()
    rows = (*dynamic((-2, 0, 1)), *dynamic((2,), interval=(Segment(low=-9.0),), conf_low=-9.0, conf_high=None))
    page = page_of(dataclasses.replace(base, estimates=(*base.estimates, *rows)))
    assert "up" in {i["k"] for i in figures.event_study(page).items}


def test_a_link_moved_only_where_both_its_ends_are_clear():
    page = page_of(rich())
    status = [b["status"] for b in page["chain"]["boxes"]]
    assert [b["moved"] for b in page["chain"]["boxes"]] == [False] + [
        {a, b} == {"clear"} for a, b in itertools.pairwise(status)]
    chain = {"boxes": [{"id": "a", "level": "output", "text": "A", "indicator": "training_hours"},
                       {"id": "b", "level": "outcome", "text": "B", "indicator": "training_hours"}],
             "arrows": [{"from": "a", "to": "b"}]}
    moved = page_of(sample_evaluation(study={"results_chain": chain}))
    assert [b["moved"] for b in moved["chain"]["boxes"]] == [False, True]
    assert "right" in {i["k"] for i in figures.chain(moved).items}
    assert "right" not in {i["k"] for i in figures.chain(page_of(uncertain())).items}
    assert "Results chain. A: measured and clear." in figures.chain(moved).alt


def test_every_figure_has_its_words_and_is_drawn_inside_its_frame():
    base = sample_evaluation()
    event = dataclasses.replace(base, estimates=(*base.estimates, *dynamic((-2, -1, 0, 1))))
    for evaluation in (rich(), uncertain(), event):
        for name, scene in figures.drawings(page_of(evaluation)).items():
            assert len(scene.alt) > 20, name
            assert scene.svg(name).count("<text") == sum(i["k"] == "text" for i in scene.items)
            for i in scene.items:
                assert -0.5 <= i["x"] <= scene.width + 0.5, (name, i)
                assert -0.5 <= i["y"] <= scene.height + 0.5, (name, i)


def luminance(colour: str) -> float:
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_what_is_written_stands_out_in_grey_too():
    for ink in ("ink", "navy", "teal", "mute", "red"):
        for ground in ("#FFFFFF", COLOURS["tint"], COLOURS["zebra"]):
            assert (luminance(ground) + 0.05) / (luminance(COLOURS[ink]) + 0.05) >= 4.5, (ink, ground)
    assert (luminance(COLOURS["sand"]) + 0.05) / (luminance(COLOURS["amber"]) + 0.05) >= 4.5


def test_colour_is_never_the_only_sign():
    """Verdicts are told apart by their mark, lines of a trend by theirs, with all colours taken away."""
    marks = {verdict: page_of(one(b, 5.0))["results"][0]["mark"] for verdict, b in
             (("favourable", 30.0), ("unfavourable", -30.0), ("unclear", 1.0))}
    assert len(set(marks.values())) == 3
    shapes = [i["k"] for i in figures.trends(page_of(sample_evaluation())).items if i["k"] not in ("line", "text")]
    assert len(set(shapes)) == 2


def test_the_two_columns_come_out_about_as_long():
    page = page_of(rich())
    left, right = halves(page)
    assert sorted(left + right) == ["costs", "methods", "subgroups", "targets", "trends"]
    assert left[0] == "trends"
    assert page["halves"] == [left, right]


# ---- outcomes --------------------------------------------------------------------------------------------------------
def test_a_study_without_outcomes_is_refused():
    with pytest.raises(StudyError, match="the list has 0 entries"):
        study_from_mapping(mapping(outcomes=[]), slug="a")


def test_twelve_outcomes_are_counted_and_primaries_stand_in_declared_order(full):
    page = present(full[0], LADDER[-4])
    assert [r["label"] for r in page["results"]][:2] == ["Monthly profit", "Business still open"]
    assert len(page["results"]) == 6
    assert "4 of 10 secondary outcomes shown; the others are in results.json." in plain(page["reading"])
    assert page["drawn_note"] == "1 further outcome is in the table on page 2."


# ---- credits and logo ------------------------------------------------------------------------------------------------
def test_the_logo_travels_in_the_record(full, tmp_path):
    values = declaration()
    del values["brief"]["logo"]["data"]
    (tmp_path / "study.yaml").write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "logo.png").write_bytes(png())
    study = read_study(tmp_path)
    assert study.brief.logo.content == png()
    (tmp_path / "results.json").write_text(evaluation_to_json(dataclasses.replace(rich(), study=study)), encoding="utf-8")
    (tmp_path / "logo.png").unlink()
    assert impact.read_results(tmp_path).study.brief.logo.content == png()
    _, pdf, _, html = full
    data = base64.b64encode(png()).decode()
    assert f'<img class="logo" src="data:image/png;base64,{data}" alt="Ministry of Trade' in html
    assert "//" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    pikepdf = pytest.importorskip("pikepdf")
    with pikepdf.open(io.BytesIO(pdf)) as file:
        assert len(file.pages[0].images) == 1
    assert compose(sample_evaluation()).logo is None


JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b08003000400101") + b"\x11\x00" + b"\xff\xd9"


@pytest.mark.parametrize(("content", "what"), [
    (png(3000, 10), "too large, or no PNG or JPEG"), (b"GIF89a" + b"0" * 40, "too large, or no PNG or JPEG"),
    (png() + b"0" * 100_000, "too large, or no PNG or JPEG"), (b"<svg/>", "too large, or no PNG or JPEG"),
    (None, "cannot be read in the study's folder"), (JPEG, "")])
def test_a_logo_is_small_and_of_a_known_format(tmp_path, content, what):
    values = declaration()
    values["brief"] = {**values["brief"], "logo": {"file": "logo.png", "alt": "Us"}}
    (tmp_path / "study.yaml").write_text(json.dumps(values), encoding="utf-8")
    if content is not None:
        (tmp_path / "logo.png").write_bytes(content)
    if not what:
        assert read_study(tmp_path).brief.logo.kind == "jpg"
        return
    with pytest.raises(StudyError, match=what) as caught:
        read_study(tmp_path)
    assert len(caught.value.problems) == 1
    assert "brief.logo.file" in str(caught.value)


def test_a_damaged_logo_is_named_and_not_the_texts():
    brief = compose(sample_evaluation())
    logo = m.LogoPicture(data=base64.b64encode(png()[:40]).decode(), kind="png", alt=m.quote("Us", "brief.logo.alt"))
    with pytest.raises(RenderError, match=r"brief\.logo\.file: the picture is damaged"):
        render_pdf(dataclasses.replace(brief, logo=logo))


@pytest.mark.parametrize("key", ["costs.currency", "costs.left_out[0]", "costs.exchange.currency"])
def test_words_of_costs_that_are_too_long_are_named_before_there_is_a_result(key):
    values = declaration()
    costs = values["costs"] | {"exchange": {"currency": "EUR", "rate": 0.9, "date": "2024-12-31"}}
    if key == "costs.currency":
        costs["currency"] = "x" * 5000
    elif key == "costs.left_out[0]":
        costs["left_out"] = ["x" * 5000]
    else:
        costs["exchange"]["currency"] = "x" * 5000
    found = check_texts(study_from_mapping(values | {"costs": costs}, slug="a"))
    assert f"study.yaml: {key}" in {p.where for p in found}


@pytest.mark.parametrize("name", ["../logo.png", "/etc/passwd", "C:\\logo.png"])
def test_a_logo_stays_in_the_folder_and_brings_no_content_of_its_own(tmp_path, name):
    values = declaration()
    values["brief"] = {**values["brief"], "logo": {"file": name, "alt": "Us"}}
    (tmp_path / "study.yaml").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(StudyError, match="leaves the study's folder"):
        read_study(tmp_path)
    values["brief"]["logo"] = {"file": "logo.png", "alt": "Us", "data": "aGk="}
    (tmp_path / "study.yaml").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(StudyError, match="the picture is read from its file"):
        read_study(tmp_path)


def test_a_record_with_a_broken_logo_is_refused():
    values = declaration()
    values["brief"]["logo"]["data"] = "bm8gcGljdHVyZQ=="
    with pytest.raises(StudyError, match="no PNG or JPEG"):
        study_from_mapping(values, slug="a")


def test_credits_name_authors_and_carry_the_disclaimer():
    page = page_of(rich())
    assert page["credits"] == ["Authors: Example Institute for Evaluation.", "Donor: Example Development Fund."]
    assert page["disclaimer"].startswith("The views in this brief")
    assert page_of(sample_evaluation(study={"brief": {"date": "2026-11-21"}}))["credits"][0] == "Authors: not stated."


# ---- the study's keys ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("change", "expected"), [
    ({"plan": {"frozen": "2024-02-12", "minimum_detectable_effect": {"profits": 9}}},
     "'profits' is not a declared outcome"),
    ({"plan": {"frozen": "2024-02-12", "minimum_detectable_effect": {"profit": -9}}}, "a size above 0 is expected"),
    ({"plan": {"frozen": "2024-02-12", "minimum_detectable_effect": {"profit": "nine"}}}, "a size above 0 is expected"),
    ({"plan": {"frozen": "2027-02-12"}}, "after the brief"), ({"plan": {"record": "x"}}, "'frozen' is missing"),
    ({"costs": {**declaration()["costs"], "contributions": [{"from": "A", "kind": "gift", "amount": 3}]}},
     "'gift' is not one of private, public, in_kind"),
    ({"costs": {**declaration()["costs"], "contributions": [{"from": "A", "kind": "public", "amount": -3}]}},
     "'-3' is not at least 0")])
def test_what_is_promised_must_agree_with_the_study(change, expected):
    with pytest.raises(StudyError, match=re.escape(expected)) as caught:
        study_from_mapping(declaration(**change), slug="a")
    assert len(caught.value.problems) == 1


def test_texts_of_the_new_keys_have_their_limits():
    values = declaration()
    values["brief"] |= {"disclaimer": "d" * 261, "learned": "l" * 201}
    values["plan"] = {"frozen": "2024-02-12", "record": "r" * 111}
    values["costs"]["contributions"][0]["from"] = "f" * 41
    found = {p.where: p.cure for p in check_texts(study_from_mapping(values, slug="a"))}
    assert found == {f"study.yaml: {key}": "Cut 1 character." for key in (
        "brief.disclaimer", "brief.learned", "plan.record", "costs.contributions[0].from")}


def test_what_is_left_out_of_the_study_file_is_named():
    line = page_of(one(2.0, 5.0), dataclasses.replace(WIDE, limits=20, limit=900))["limits"][-1]
    for name in ("plan frozen before the results", "subgroups", "targets"):
        assert name in line
    with pytest.raises(RenderError):
        compose(sample_evaluation(estimates=()))


@pytest.mark.parametrize("make", [rich, uncertain])
def test_no_text_of_the_page_is_clipped(make):
    evaluation = make()
    brief = compose(evaluation, impact.audit(evaluation))
    for layout in (LADDER[0], LADDER[len(LADDER) // 2], LADDER[-1]):
        page = present(brief, layout)
        page.pop("provenance")  # where the first letters of a hash stand, and say so
        words = [item["t"] for scene in figures.drawings(page).values() for item in scene.items if item["k"] == "text"]
        assert "…" not in str(page) + "".join(words)
        full = [check["reason"] for check in present(brief, LADDER[0])["checks"]]  # there every reason is whole
        cut = any(check["reason"] != reason for check, reason in zip(page["checks"], full, strict=False))
        assert ("easons in full" in page["checks_note"]) == cut


def test_page_one_says_for_whom_where_groups_were_declared():
    evaluation = rich()
    found = {m["lead"]: plain(m["body"]) for m in page_of(evaluation)["messages"]}
    apart = "the data cannot tell the groups apart."
    assert found["For whom, Monthly profit."] == f"Sex of the owner, Size of the firm: {apart}"
    clear = dataclasses.replace(evaluation, estimates=tuple(
        dataclasses.replace(e, p_value=0.01) if e.id == "profit/subgroups/sex/1-0" else e for e in evaluation.estimates))
    found = {m["lead"]: plain(m["body"]) for m in page_of(clear)["messages"]}
    rows = {e.id: e for e in evaluation.estimates}
    men, women = (rows[f"profit/subgroups/sex/{k}"].estimate for k in (0, 1))
    assert found["For whom, Monthly profit."] == (
        f"Sex of the owner: the groups differ (Men: {men:+.1f}; Women: {women:+.1f}). "
        f"Size of the firm: {apart}")
    assert not any(m["lead"].startswith("For whom") for m in page_of(sample_evaluation())["messages"])


def test_an_adverse_outcome_is_the_last_to_leave_the_figure():
    page = present(compose(rich()), LADDER[-1])
    assert [r["label"] for r in page["drawn"]] == ["Monthly profit", "Business still open", "Owner's hours at work"]


def test_lists_whose_items_hold_commas_are_parted_by_semicolons():
    titles = ("If trends drifted apart, steadily or not", "Earlier trend, first treated 1988")
    unseen = tuple(Check(id=f"c{i}", title=title, verdict="not_applicable", word="not examined", reason="No data.")
                   for i, title in enumerate(titles))
    lines = page_of(dataclasses.replace(sample_evaluation(), checks=unseen))["limits"]
    assert "Not examined: if trends drifted apart, steadily or not; earlier trend, first treated 1988." in map(plain, lines)


def test_one_source_of_several_checks_is_named_once():
    twice = tuple(Check(id=f"pretrend_{year}", title=f"Earlier trend, first treated {year}", verdict="pass",
                        word="examined", reason="Alike.", source="Roth (2022), AER: Insights 4") for year in (1988, 1989))
    page = page_of(dataclasses.replace(sample_evaluation(), checks=twice))
    assert sum("Roth (2022)" in line for line in page["sources"]) == 1


def test_figures_of_ten_digits_still_make_two_pages():
    table = firms(14.0)
    for column in ("profit", "profit_0"):
        table[column] *= 4.1e7
    values = declaration()
    values["outcomes"][0] |= {"unit": "VND a month (2024 prices)", "target": {"value": 130 * 4.1e7}}
    values["plan"]["minimum_detectable_effect"]["profit"] = 9 * 4.1e7
    evaluation = impact.evaluate(study_from_mapping(values, slug="coaching-vouchers"), table)
    pdf, _ = render_pdf(compose(evaluation, impact.audit(evaluation)))
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 2

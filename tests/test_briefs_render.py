"""Two pages from a saved record: what they must say, where every number comes from, and what they must never do."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
import subprocess
from pathlib import Path

import pytest
from support_pages import CHROMIUM, needs_browser
from support_records import (
    CHECKS,
    FLOWS,
    KIND_CAVEATS,
    MATCHING,
    PROVENANCE,
    STUDY,
    estimate,
    sample_evaluation,
)

from impact.brief import check_texts, compose, figures, render_html, render_pdf, write_brief
from impact.brief import model as m
from impact.brief.drawing import Scene, clamped, interval_bar
from impact.brief.page import _drawn, present, whole
from impact.brief.pdf import _overfull
from impact.brief.texts import covered, points
from impact.brief.theme import LADDER, OTHER_SCRIPTS
from impact.brief.words import LANGUAGES, messages, record_sentences
from impact.costs import value_for_money
from impact.errors import ImpactError, RenderError
from impact.results.estimate import Caveat, PercentEffect, Segment
from impact.results.evaluation import Check, TrendPoint
from impact.results.reading import read_results
from impact.results.record import evaluation_to_json, sha256

HOSTILE = '#read("x") $x$ </svg><script>alert(1)</script> {{7*7}} {label} @ref *b* \\ `c`'
ESCAPED = HOSTILE.replace("{", "{{").replace("}", "}}")  # in sentences a brace is written twice: else it is a number's
PRIMARY = {"role": "primary"}


def pages_of(pdf: bytes) -> list[str]:
    from pypdf import PdfReader

    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(io.BytesIO(pdf)).pages]


def text_of(html: str) -> str:
    """The words of a page, without its style sheet and tags."""
    import html as library

    body = re.sub(r"<style>.*?</style>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", library.unescape(re.sub(r"<[^>]+>", " ", body)))


def many(n: int, *, primaries: int = 1, label: str = "Outcome number {}", unit: str = "USD a month", **changes):
    """A record with n outcomes in levels."""
    outcomes = [{"name": f"o{i}", "column": f"o{i}", "label": label.format(i), "unit": unit,
                 "role": "primary" if i < primaries else "secondary", "better": "higher" if i % 3 else "lower"}
                for i in range(n)]
    estimates = tuple(
        estimate(f"o{i}", 1.7 * (i - 3) + 0.3, 2.0, base=20.0, role="primary" if i < primaries else "secondary",
                 p_adjusted=0.04) for i in range(n))
    study = {"outcomes": outcomes, "results_chain": None, "brief": {"date": "2026-11-21"}, **changes.pop("study", {})}
    return sample_evaluation(study=study, estimates=estimates, flows=(), trends=(), **changes)


def one(b: float, se: float | None, **changes):
    """A record whose one outcome, in logs, has this estimate."""
    study = {"outcomes": STUDY["outcomes"][:1], "brief": {"date": "2026-11-21"}, **changes.pop("study", {})}
    return sample_evaluation(study=study, estimates=(estimate("scrap_rate", b, se, log=True, role="primary", **changes),))


RECORDS = {
    "did": lambda: sample_evaluation("did"),
    "rct": lambda: sample_evaluation("rct"),
    "matching": lambda: sample_evaluation("matching"),
    "one outcome": lambda: many(1),
    "nine outcomes": lambda: many(9),
    "twenty outcomes, four primary": lambda: many(20, primaries=4),
    "nine long labels": lambda: many(9, label="A rather long label, measured twice in one year, no. {}",
                                     unit="US dollars a month (2024 prices, trimmed at 1 in 100)"),
    "many caveats": lambda: sample_evaluation(checks=CHECKS * 3, caveats=tuple(
        Caveat(code=f"c{i}", text=f"Caveat {i} says at some length what a reader should keep in mind when the estimate is "
                                  "used for another year, another place or another kind of firm.") for i in range(12))),
    "nothing but one number": lambda: one(-0.3, None),
}


@pytest.fixture(scope="module")
def brief():
    return compose(sample_evaluation())


@pytest.fixture(scope="module")
def rendered(brief):
    pdf, layout = render_pdf(brief)
    return pdf, layout, render_html(brief, layout)


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_gives_exactly_two_pages(name):
    pdf, _ = render_pdf(compose(RECORDS[name]()))
    assert len(pages_of(pdf)) == 2


def test_the_same_record_gives_the_same_bytes(rendered):
    pdf, layout, html = rendered
    again = compose(sample_evaluation())
    assert render_pdf(again) == (pdf, layout)
    assert render_html(again, layout) == html


def test_a_record_read_back_gives_the_same_bytes(rendered, tmp_path):
    (tmp_path / "results.json").write_text(evaluation_to_json(sample_evaluation()), encoding="utf-8")
    pdf, layout = render_pdf(compose(read_results(tmp_path)))
    assert (pdf, layout) == rendered[:2]


def test_the_pdf_is_tagged_and_carries_the_hash_of_the_record(rendered):
    pikepdf = pytest.importorskip("pikepdf")
    with pikepdf.open(io.BytesIO(rendered[0])) as pdf:
        assert pdf.Root.MarkInfo.Marked
        assert str(pdf.Root.Lang) == "en"
        with pdf.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
            assert sha256(evaluation_to_json(sample_evaluation())) in str(metadata["pdf:Keywords"])
            assert "the data cannot tell" in metadata["dc:title"]
        kinds, pictures = [], []

        def visit(node):
            if isinstance(node, pikepdf.Array):
                for item in node:
                    visit(item)
            elif isinstance(node, pikepdf.Dictionary) and "/S" in node:
                kinds.append(str(node.S))
                if str(node.S) == "/Figure":
                    pictures.append(str(node.get("/Alt", "")))
                if "/K" in node:
                    visit(node.K)

        visit(pdf.Root.StructTreeRoot.K)
    assert kinds.count("/H1") == 1
    assert kinds.count("/H2") >= 12
    assert {"/Table", "/TH", "/L", "/Figure"} <= set(kinds)
    assert all(pictures)
    assert any("−25% (−45% to +3%), could not tell" in alt.replace("\u00a0", " ") for alt in pictures)


# ---- every number has its place in the record ------------------------------------------------------------------------
@pytest.mark.parametrize("name", RECORDS)
def test_every_number_is_where_it_says_it_is(name):
    evaluation = RECORDS[name]()
    numbers = list(m.walk(compose(evaluation), m.Number))
    assert numbers
    for n in numbers:
        if not n.derived:
            assert n.value == m.lookup(evaluation, n.path, n.estimate), n
        elif n.estimate:
            evaluation.estimate(n.estimate)


@pytest.mark.parametrize("name", ["did", "nine outcomes"])
def test_every_figure_of_the_table_comes_from_the_record(name):
    evaluation = RECORDS[name]()
    page = present(compose(evaluation), LADDER[0])
    record = json.loads(evaluation_to_json(evaluation))
    known: list[float] = []

    def gather(value):
        if isinstance(value, dict):
            for item in value.values():
                gather(item)
        elif isinstance(value, list):
            for item in value:
                gather(item)
        elif isinstance(value, (int, float)):
            known.append(float(value))

    gather(record["estimates"])
    printed = [text for row in page["results"] for cell in row["cells"] for text in re.findall(r"[−+<]?[\d.,]+", cell)]
    assert len(printed) > 6 * len(page["results"])
    for text in printed:
        value = float(text.replace("−", "-").replace(",", "").lstrip("<"))
        places = len(text.partition(".")[2])
        if text.startswith("<"):
            assert any(0 <= k < value for k in known)
        else:
            assert any(round(k, places) == value for k in known), text


# ---- what is said ----------------------------------------------------------------------------------------------------
def test_an_inconclusive_primary_outcome_is_said_as_such(brief, rendered):
    page = present(brief, LADDER[0])
    assert page["title"] == "Scrap rate: the data cannot tell, from 45% lower to 3% higher"
    assert "firms in the programme" in page["bottom_line"]  # which says of whom
    assert page["tiles"][0]["figure"] == "−25%"
    assert "could not tell" in page["tiles"][0]["note"]
    assert page["results"][0]["mark"] == "ring"
    for text in (*[" ".join(pages_of(rendered[0]))], text_of(rendered[2])):
        assert "no effect" not in text.lower()
        assert "from 45% lower to 3% higher" in text


@pytest.mark.parametrize(("b", "mark", "word"), [(-0.4, "dot", "favourable"), (0.4, "diamond", "unfavourable"),
                                                 (0.1, "ring", "could not tell")])
def test_the_declared_direction_decides_what_is_favourable(b, mark, word):
    row = present(compose(one(b, 0.1)), LADDER[0])["results"][0]
    assert (row["mark"], row["verdict_word"]) == (mark, word)


def test_a_primary_that_fails_its_correction_is_not_called_clear():
    brief = compose(one(-0.4, 0.15, p_adjusted=0.08))
    assert brief.results[0].effect.verdict == "corrected"
    assert "cannot tell" in present(brief, LADDER[0])["title"]


def test_a_set_on_both_sides_of_zero_has_no_direction():
    pieces = (Segment(low=None, high=-0.2), Segment(low=0.3, high=None))
    brief = compose(one(0.5, 0.1, interval=pieces))
    assert sample_evaluation().headline.excludes_zero is False
    assert brief.results[0].effect.verdict == "unclear"
    render_pdf(brief)


@pytest.mark.parametrize("code", ["few_clusters", "low_df"])
def test_too_few_clusters_are_never_called_clear(code):
    few, drawn = Caveat(code=code, text="Only 3 treated clusters."), Caveat(code="randomisation_inference", text="Lots.")
    chain = {"boxes": STUDY["results_chain"]["boxes"][:3], "arrows": []}
    evaluation = one(-0.9, 0.1, caveats=(few,), study={"results_chain": chain})
    brief = compose(evaluation)
    page = present(brief, LADDER[0])
    assert brief.results[0].effect.verdict == "too_few"
    assert page["title"] == "Scrap rate among firms in the programme: too few clusters or units to say"
    assert page["tiles"][0]["hollow"]
    assert page["tiles"][0]["note"].startswith("95%\u00a0interval −67%\u00a0to\u00a0−50%: too few clusters or units to say")
    assert page["messages"][0]["lead"] == "Scrap rate: too few clusters or units to say."
    assert (page["chain"]["boxes"][2]["mark"], page["chain"]["boxes"][2]["word"]) == (
        "ring", "measured, too few clusters or units to say")
    row = page["results"][0]
    assert (row["mark"], row["tags"]) == ("ring", ["too few clusters or units to say"])
    assert row["cells"][2] == "−67%\u00a0to\u00a0−50%"
    assert page["legend"]["unclear"] == "too few clusters or units to say"
    assert page["limits"][0] == "Only 3 treated clusters."
    text = " ".join(pages_of(render_pdf(brief)[0]))
    assert not re.search(r"measured and clear|so this is favourable|: favourable", text)
    assert compose(one(-0.9, 0.1, caveats=(few, drawn))).results[0].effect.verdict == "favourable"


def test_an_estimate_without_an_interval_is_hollow_and_said_to_be_so():
    page = present(compose(one(-0.9, None)), LADDER[0])
    assert page["results"][0]["mark"] == "ring"
    assert page["tiles"][0]["hollow"]
    assert page["legend"]["unclear"] == "no interval"
    assert page["results"][0]["tags"] == ["no interval to judge by"]


OPEN = {
    "below": ((Segment(high=-0.2),), "with no bound below, up to 18% lower", "no bound below, up to −18%"),
    "above": ((Segment(low=0.3),), "from 35% higher, with no bound above", "from +35%, no bound above"),
    "both": ((Segment(),), "with no bound below or above", "no bound below or above"),
    "pieces": ((Segment(high=-0.2), Segment(low=0.3)),
               "in two pieces: with no bound below, up to 18% lower; or from 35% higher, with no bound above",
               "in two pieces: no bound below, up to −18%; or from +35%, no bound above"),
}


@pytest.mark.parametrize("name", OPEN)
def test_open_and_broken_intervals_are_put_in_words(name):
    pieces, words, cell = OPEN[name]
    low, high = (pieces[0].low, pieces[0].high) if len(pieces) == 1 else (None, None)
    percent = PercentEffect(value=65.0, low=None if low is None else 100 * math.expm1(low),
                            high=None if high is None else 100 * math.expm1(high))
    evaluation = one(0.5, 0.1, interval=pieces, conf_low=low, conf_high=high, effect_pct=percent)
    brief = compose(evaluation)
    page = present(brief, LADDER[0])
    assert page["results"][0]["cells"][2].replace("\u00a0", " ") == cell
    said = "interval in two pieces: no bound below, up to −18%; or from +35%, no bound above" if name == "pieces" else words
    assert said in page["bottom_line"].replace("\u00a0", " ")  # 45 words do not hold both pieces in full
    pdf, layout = render_pdf(brief)
    assert cell.split(", ")[0] in pages_of(pdf)[1].replace("\u00a0", " ")
    render_html(brief, layout)


def test_open_intervals_of_outcomes_in_levels_and_their_per_cent_are_put_in_words():
    evaluation = many(2)
    first = dataclasses.replace(evaluation.estimates[0], interval=(Segment(high=-2.0), Segment(low=4.0)), conf_low=None,
                                conf_high=None)
    second = dataclasses.replace(evaluation.estimates[1], interval=(Segment(low=1.0),), conf_low=1.0, conf_high=None)
    brief = compose(dataclasses.replace(evaluation, estimates=(first, second)))
    cells = [row["cells"][2] for row in present(brief, LADDER[0])["results"]]
    assert [c.replace("\u00a0", " ") for c in cells] == [
        "in two pieces: no bound below, up to −2.00; or from +4.00, no bound above", "from +1.00, no bound above"]
    assert [(r.low and r.low.value, r.high and r.high.value) for r in brief.results[0].percent.ranges] == [
        (None, -10.0), (20.0, None)]
    render_pdf(brief)


@pytest.mark.parametrize("size", [0.0, 1e-300, 5e-324, 1e-13, 1e-8, 1e12, 1e300, 1.7e308])
def test_no_magnitude_breaks_a_figure(size):
    evaluation = many(2)
    estimates = tuple(dataclasses.replace(
        e, estimate=b, interval=(Segment(low=-size, high=size),), conf_low=-size, conf_high=size, comparison_mean=size,
        effect_pct=None, outcome_sd=1.0) for e, b in zip(evaluation.estimates, (size, -size / 2), strict=True))
    brief = compose(dataclasses.replace(evaluation, estimates=estimates))
    _, layout = render_pdf(brief)
    html = render_html(brief, layout)
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"base64,[A-Za-z0-9+/=]+", "", html))
    for text in (*present(brief, layout)["results"][0]["cells"],):
        assert 0 < len(text) < 30


def test_an_axis_has_two_marks_at_least_and_covers_its_range():
    for low, high in ((0, 0), (1e300, 1e300), (-1e308, 1.7e308), (0, 5e-324), (-3, 8), (1e9, 1e9 + 1e-4)):
        marks = figures.ticks(low, high)
        assert marks[0] < marks[-1]
        assert all(abs(m) < 1e302 for m in marks)
    assert figures.ticks(-3, 8) == [-4, -2, 0, 2, 4, 6, 8]


def test_a_log_outcome_prints_per_cent_with_transformed_ends(brief):
    cells = present(brief, LADDER[0])["results"][0]["cells"]
    assert cells[1:3] == ["−25%", "−45%\u00a0to\u00a0+3%"]


def test_a_share_moves_in_points():
    outcome = {**STUDY["outcomes"][0], "transform": "none", "label": "In paid work", "unit": "share of people",
               "better": "higher"}
    e = estimate("scrap_rate", 0.052, 0.02, role="primary", transform="share", comparison_mean=0.613, effect_pct=None)
    page = present(compose(sample_evaluation(
        study={"outcomes": [outcome], "brief": {"date": "2026-11-21"}}, estimates=(e,))), LADDER[0])
    assert page["results"][0]["cells"][:3] == ["61.3%", "+5.2\u00a0points", "+1.2\u00a0to\u00a0+9.2"]
    assert page["title"].startswith("In paid work: 5.2\u00a0points higher among")


def test_all_primaries_stand_in_the_title_in_declared_order():
    page = present(compose(many(2, primaries=2)), LADDER[0])
    assert page["title"].index("Outcome number 0") < page["title"].index("Outcome number 1")
    four = present(compose(many(6, primaries=4)), LADDER[0])
    assert "Of 4 primary outcomes" in four["title"]
    assert all(f"Outcome number {i}" in four["bottom_line"] for i in range(4))


def test_no_primary_is_cut_and_every_outcome_counts():
    few = Caveat(code="few_clusters", text="Only 3 treated clusters.")
    evaluation = many(20, primaries=12, label="Item {}")
    verdicts = [1.0] * 9 + [-9.0] * 2 + [9.0]
    primaries = tuple(dataclasses.replace(
        estimate(e.outcome, b, 2.0, base=20.0, **PRIMARY), caveats=(few,) if i == 11 else ())
        for i, (e, b) in enumerate(zip(evaluation.estimates[:12], verdicts, strict=True)))
    brief = compose(dataclasses.replace(evaluation, estimates=(*primaries, *evaluation.estimates[12:])))
    page = present(brief, LADDER[-1])
    bad = sum(r.effect.verdict == "unfavourable" for r in brief.results if r.primary)
    good = sum(r.effect.verdict == "favourable" for r in brief.results if r.primary)
    assert (good, bad) == (1, 1)
    assert page["title"] == "Of 12 primary outcomes, 1 favourable, 1 unfavourable; 10 open"  # 14 words at most
    assert ("Of 12 primary outcomes, 1 favourable, 1 unfavourable; on 9 the data cannot tell; on 1 too few clusters or "
            "units to say. Unfavourable: Item 10.") in page["bottom_line"]
    # thirty words do not hold twelve names: what is adverse is named, the others are counted, and the table has them all
    assert page["messages"][0]["lead"].startswith("Item 0:")
    assert page["messages"][1]["body"] == ("Item 10: unfavourable; 8 could not tell; 1 favourable; "
                                           "1 too few clusters or units to say.")
    assert [r["label"] for r in page["results"]] == [f"Item {i}" for i in range(12)]
    assert len(page["drawn"]) == 12
    assert "0 of 8 secondary outcomes shown; the others are in results.json." in page["reading"]
    assert "Of 8 secondary outcomes" in page["messages"][2]["lead"]
    assert page["drawn_note"] == ""
    assert "9 of 19 secondary outcomes shown" in present(compose(many(20)), LADDER[0])["reading"]


def test_primaries_that_do_not_fit_are_an_error_and_not_a_gap():
    with pytest.raises(RenderError, match="fewer primary outcomes"):
        render_pdf(compose(many(40, primaries=40)))


def test_the_officers_title_stands_above_the_finding_and_never_in_its_place():
    found = present(compose(sample_evaluation()), LADDER[0])["title"]
    brief = compose(sample_evaluation(study={"brief": {**STUDY["brief"], "title": "What the grants did"}}))
    page = present(brief, LADDER[0])
    assert (page["kicker"], page["title"], page["plain_title"]) == ("WHAT THE GRANTS DID", found, found)
    pdf, layout = render_pdf(brief)
    html = render_html(brief, layout)
    first = pages_of(pdf)[0].replace("\u00a0", " ")
    assert first.index("WHAT THE GRANTS DID") < first.index("Scrap rate: the data cannot tell")
    assert re.findall(r"<h1>(.*?)</h1>", html) == [found]
    assert '<p class="kicker">WHAT THE GRANTS DID</p><h1>' in html


def test_no_sentence_of_ours_claims_a_cause():
    forbidden = re.compile(r"\b(raised?|increased?|reduced?|improved?|boost\w*|caus\w+|thanks to|led to|no effect)\b", re.I)
    assert [key for key, text in messages("en").items() if forbidden.search(text)] == []


def test_every_sentence_is_in_every_language():
    for language in LANGUAGES:
        assert set(messages(language)) == set(messages("en"))


def test_caveats_reach_the_brief_most_important_first(brief):
    lines = present(brief, LADDER[0])["limits"]
    assert lines[0].startswith("PROVISIONAL: ")
    assert any(line.startswith("Scrap rate: 103 of 157 firms") for line in lines)
    assert any("Firms applied for grants" in line for line in lines)
    short = present(compose(RECORDS["many caveats"]()), LADDER[-1])["limits"]
    assert short[-1].endswith("more in results.json.")


def test_limits_are_told_gravest_first_and_the_assumption_stands_in_the_method_box():
    few = Caveat(code="few_clusters", text="Only 3 treated clusters.")
    evaluation = one(-0.3, 0.1, caveats=(Caveat(code="ties", text="Some ties."), few, *KIND_CAVEATS["did"]),
                     study={"ethics": None, "programme": {"name": "P", "country": "C"}})
    page = present(compose(evaluation), LADDER[0])
    kinds = ["PROVISIONAL: ", "Only 3", "Checks of concern: firms lost (large loss); enough firms",
             "Not examined: trends before the grant.", "Some ties.", "Firms applied", "Not stated in the study file: donor"]
    assert len(page["limits"][:6]) == 6
    lines = present(compose(evaluation), dataclasses.replace(LADDER[0], limits=9))["limits"]
    assert [line[:len(k)] for line, k in zip(lines, kinds, strict=True)] == kinds
    rests = {f["name"]: f["text"] for f in page["method"]}["It rests on"]
    assert rests == "Without the programme, treated and comparison units would have moved in parallel"


def test_the_groups_are_those_the_estimate_compares():
    staggered = present(compose(sample_evaluation()), LADDER[0])["bottom_line"]
    assert "firms in the programme, followed before and after, set against firms not in it yet or never" in staggered
    for comparison, words in (("never_treated", "firms never in it"), ("not_yet_treated", "firms not in it yet or never")):
        study = {"design": {**STUDY["design"], "comparison": comparison}}
        e = sample_evaluation(study=study)
        plain = dataclasses.replace(e, estimates=tuple(dataclasses.replace(x, method="two_by_two") for x in e.estimates))
        assert f"set against {words}." in present(compose(plain), LADDER[0])["bottom_line"]


def test_a_mean_is_called_geometric_for_log_outcomes_only(brief):
    reading = present(brief, LADDER[0])["reading"]
    assert "Comparison mean: treated units without treatment. " in reading
    assert "Geometric mean (logs): Scrap rate, Employment, Sales." in reading


def test_before_and_after_are_told_apart_where_units_are_not_followed():
    outcomes = [{**STUDY["outcomes"][0], "baseline": "scrap87"}, *STUDY["outcomes"][1:]]
    points = tuple(TrendPoint(outcome="scrap_rate", group=g, period=p, mean=m, n=20)
                   for g, p, m in (("treated", "before", 4.0), ("treated", "after", 3.0)))
    page = present(compose(sample_evaluation("rct", study={"outcomes": outcomes}, trends=points)), LADDER[0])
    assert page["picture_note"] == ("Means, items scrapped per 100 made. Before: baseline value; "
                                    "after: Scrap rate.")


def test_the_third_stage_of_the_flow_is_that_the_outcome_is_known(brief):
    assert [step["name"] for step in present(brief, LADDER[0])["flow"]["steps"]][2] == "outcome known"


def test_checks_keep_their_own_word(brief):
    lines = {c["title"]: c["word"] for c in present(brief, LADDER[0])["checks"]}
    assert lines["Trends before the grant"] == "not examined"
    assert "passed" not in lines.values()


def test_what_is_not_stated_is_said_not_to_be(rendered):
    text = " ".join(pages_of(rendered[0]))
    assert "Not reported" in text
    bare = one(-0.3, 0.1, study={"ethics": None, "programme": {"name": "P", "country": "C"}})
    page = present(compose(bare), LADDER[0])
    assert page["meta"][2]["text"] == "Not stated"
    assert "donor" in page["limits"][-1]
    assert page["lessons"] == []


def test_reached_is_not_analysed():
    evaluation = sample_evaluation(study={"intervention": {"reached": {"total": 1200, "women": 640, "men": 560}}})
    facts = {f["name"]: f["text"] for f in present(compose(evaluation), LADDER[0])["done_facts"]}
    assert facts["Reached"] == "1,200 (640 women, 560 men): reached, not analysed"


def test_costs_are_divided_by_participants_and_nothing_more():
    costs = {"currency": "USD", "price_year": 2024, "per": "offered", "participants": 50,
             "lines": [{"item": "training", "amount": 9000, "year": 2024}, {"item": "staff", "amount": 1000, "year": 2024}]}
    evaluation = sample_evaluation(study={"costs": costs})
    evaluation = dataclasses.replace(evaluation, money=value_for_money(evaluation.study, evaluation.estimates))
    facts = {f["name"]: f["text"] for f in present(compose(evaluation), LADDER[0])["costs"]}
    assert facts == {"Cost per participant": "USD\u00a0200", "Total cost": "USD\u00a010,000", "Participants": "50"}


EARNINGS = {"name": "earnings", "column": "re78", "label": "Real earnings", "unit": "thousand US dollars",
            "role": "primary", "better": "higher"}
KNOWN = {"value": 1.794, "unit": "thousand US dollars", "label": "The randomised trial of the same participants",
         "source": "Dehejia and Wahba (1999)."}


def matched(*, outcome=None, checks=(), log=False, **known):
    """A matched comparison with a known answer beside it."""
    return sample_evaluation("matching", study={
        "design": MATCHING, "outcomes": [{**EARNINGS, **(outcome or {})}], "results_chain": None,
        "benchmark": {**KNOWN, **known}, "brief": {"date": "2026-11-21"}}, flows=(), trends=(), checks=checks,
        estimates=(estimate("earnings", 0.2 if log else 1.62, 0.7, log=log, method="nearest_neighbour", **PRIMARY),))


def test_a_benchmark_stands_beside_the_estimate_with_the_difference():
    page = present(compose(matched()), LADDER[0])
    assert page["picture"] == "benchmark"
    assert "Estimate minus benchmark: −0.17." in page["picture_note"]
    assert "includes the benchmark" in page["picture_note"]
    assert page["benchmark"]["value"] == 1.794
    render_pdf(compose(matched()))


def test_the_key_box_holds_the_benchmark_and_a_failed_balance_check():
    unlike = Check(id="balance", title="Groups alike after matching", verdict="concern", word="not alike",
                   reason="Far apart.")
    thin = Check(id="overlap", title="Comparable units exist", verdict="fail", word="thin", reason="Few.")
    page = present(compose(matched(checks=(unlike,))), LADDER[0])
    told = {m["lead"]: m["body"] for m in page["messages"]}
    assert told["Beside a known answer."].replace("\u00a0", " ") == (
        "The randomised trial of the same participants: +1.79. This study: +1.62, −0.174 from it; its "
        "95% interval includes that answer.")
    assert told["First limit."] == "Groups alike after matching: not alike. Far apart."
    both = {m["lead"]: m["body"] for m in present(compose(matched(checks=(unlike, thin))), LADDER[0])["messages"]}
    assert both["First limit."] == "Comparable units exist: thin. Few. Groups alike after matching: not alike."


@pytest.mark.parametrize("change", [
    {"unit": "euro"}, {"unit": "per cent", "value": 30}, {"log": True, "outcome": {"transform": "log"}}])
def test_a_benchmark_in_another_unit_or_scale_is_told_in_its_own_words(change):
    brief = compose(matched(**change))
    page = present(brief, LADDER[0])
    unit, value = change.get("unit", KNOWN["unit"]), "30" if "value" in change else "1.794"
    assert page["benchmark"]["value"] is None
    assert page["benchmark"]["text"] == f"{value}\u00a0{unit}"
    assert "no difference is taken" in page["picture_note"]
    assert "minus" not in page["picture_note"]
    assert f"{value} {unit}; another unit or scale" in page["messages"][1]["body"].replace("\u00a0", " ")
    assert not [i for i in figures.benchmark(page).items if i["k"] == "square"]
    render_pdf(brief)


def test_the_self_check_counts_and_never_rates():
    @dataclasses.dataclass(frozen=True)
    class Point:
        verified: bool = False

    @dataclasses.dataclass(frozen=True)
    class Element:
        number: int
        title: str
        on_file: int
        checked: int
        points: tuple = (Point(),)

    @dataclasses.dataclass(frozen=True)
    class Audit:
        version: str
        elements: tuple

    elements = tuple(Element(i, f"Element {i}", min(i, 3), 0 if i == 4 else 5) for i in range(1, 8))
    strip = present(compose(sample_evaluation(), Audit("VIII", elements)), LADDER[0])["standard"]
    assert strip["elements"][2]["short"] == "3 of 5 on file"
    assert strip["elements"][2]["long"] == "evidence on file for 3 of the 5 items checked"
    assert strip["elements"][3]["short"] == "not examined in one study"
    words = json.dumps(strip).lower()
    assert not re.search(r"\b(met|gap|score|pass|fail)\b|%", words)
    assert "paraphrased" in strip["note"]
    assert strip["line"].replace("\u00a0", " ") == ("This study provides evidence for elements 1 Element 1 (1 of 5 items); "
                             "2 Element 2 (2 of 5 items); 3 Element 3 (3 of 5 items); 5 Element 5 (3 of 5 items); "
                             "6 Element 6 (3 of 5 items); 7 Element 7 (3 of 5 items).")
    assert "No self-check was run" in present(compose(sample_evaluation()), LADDER[0])["standard"]["line"]


# ---- stamps ----------------------------------------------------------------------------------------------------------
def test_stamps_stand_on_both_pages_of_both_formats():
    evaluation = sample_evaluation(study={"status": "draft"}, provenance=dataclasses.replace(PROVENANCE, simulated=True))
    brief = compose(evaluation)
    pdf, layout = render_pdf(brief)
    html = render_html(brief, layout)
    for stamp in ("DRAFT", "SIMULATED", "PROVISIONAL"):
        assert all(stamp in page for page in pages_of(pdf))
        assert len(re.findall(rf'<span class="stamp">{stamp}', html)) == 2


def test_provisional_stands_in_stamp_tile_and_table(brief):
    page = present(brief, LADDER[0])
    assert "PROVISIONAL" in page["stamps"]
    assert "PROVISIONAL" in page["tiles"][0]["note"]
    assert "PROVISIONAL" in page["reading"]
    assert page["results"][0]["tags"] == ["PROVISIONAL"]
    trial = present(compose(sample_evaluation("rct")), LADDER[0])
    assert "PROVISIONAL" not in json.dumps(trial)
    assert KIND_CAVEATS["rct"] == ()


# ---- safety ----------------------------------------------------------------------------------------------------------
def hostile():
    outcomes = [{**o, "label": HOSTILE[i * 4:i * 4 + 50]} for i, o in enumerate(STUDY["outcomes"])]
    return sample_evaluation(
        study={"title": HOSTILE, "question": HOSTILE, "outcomes": outcomes,
               "programme": {"name": HOSTILE[:70], "country": "C"},
               "brief": {**STUDY["brief"], "title": ESCAPED, "challenge": ESCAPED, "contact": HOSTILE[:70]}},
        checks=(Check(id="x", title=HOSTILE, verdict="fail", word=HOSTILE, reason=HOSTILE),),
        caveats=(Caveat(code="x", text=HOSTILE),))


def test_hostile_text_is_printed_as_it_stands():
    brief = compose(hostile())
    pdf, layout = render_pdf(brief)
    first = pages_of(pdf)[0].replace("\u200b", "")
    assert '#read("x") $x$' in first
    assert "{{7*7}} {label}" in first
    html = render_html(brief, layout)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html.replace("\u200b", "")
    assert html.count("<svg") == html.count("</svg>")
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", html, flags=re.S)[0]


def test_the_page_fetches_and_runs_nothing(rendered):
    html = rendered[2]
    assert "default-src 'none'" in html
    assert "<script" not in html.lower()
    assert not re.search(r"\son\w+\s*=|javascript:|<(link|iframe|object|embed|img|base|form)\b", html, re.I)
    assert re.findall(r"(?:https?:)?//[\w.]+", re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)) == []
    assert set(re.findall(r"url\((.{5})", html)) == {"data:"}
    assert len(html) < 250_000


def test_characters_no_face_can_draw_are_named_with_their_field():
    evaluation = sample_evaluation(study={"brief": {**STUDY["brief"], "challenge": "Firms in 漢口."}})
    with pytest.raises(RenderError, match=r"brief\.challenge: the character '漢' \(U\+6F22\)"):
        render_pdf(compose(evaluation))


def test_invisible_and_direction_characters_are_taken_out():
    evaluation = sample_evaluation(study={"brief": {**STUDY["brief"], "title": "Gra\u202ents\u200b and\n\nscrap"}})
    assert compose(evaluation).kicker.text == "Grants and scrap"


def test_the_list_of_characters_holds_for_every_face():
    pytest.importorskip("brotli")  # web faces are packed with it
    ttfont = pytest.importorskip("fontTools.ttLib").TTFont
    folder = Path(__file__).parent.parent / "impact" / "brief" / "fonts"
    others = {file: points(folder / coverage) for _, file, coverage in OTHER_SCRIPTS}
    for face in folder.glob("*.ttf"):
        known = next((others[file] for file in others if face.name.startswith(file)), points(folder / "coverage.txt"))
        assert known <= set(ttfont(face).getBestCmap()), face
        if face.with_suffix(".woff2").exists() and not face.name.startswith("Brief"):
            assert known <= set(ttfont(face.with_suffix(".woff2")).getBestCmap()), face
    assert covered() == points(folder / "coverage.txt").union(*others.values())
    for language in LANGUAGES:
        told = [*messages(language).values(), *(text for texts in record_sentences(language).values() for text in texts)]
        assert {ord(c) for text in told for c in text} <= points(folder / "coverage.txt")


# ---- fit -------------------------------------------------------------------------------------------------------------
def test_long_texts_are_all_named_with_their_keys_before_a_page_is_set():
    study = {"brief": {**STUDY["brief"], "challenge": "word " * 100, "title": "t" * 130}}
    with pytest.raises(RenderError) as caught:
        compose(sample_evaluation(study=study))
    text = str(caught.value)
    assert "2 problems" in text
    assert "study.yaml: brief.challenge: 499 characters, and the brief has room for 420. Cut 79 characters." in text
    assert "study.yaml: brief.title: 130 characters" in text


def test_the_texts_of_a_study_are_checked_before_there_is_a_result():
    wrong = {"challenge": "word " * 100, "title": "t" * 130, "what_was_done": "Firms in 漢口."}
    study = sample_evaluation(study={"brief": {**STUDY["brief"], **wrong}}).study
    found = {(p.where, p.cure) for p in check_texts(study)}
    assert ("study.yaml: brief.challenge", "Cut 79 characters.") in found
    assert ("study.yaml: brief.title", "Cut 20 characters.") in found
    assert {w for w, _ in found} == {f"study.yaml: brief.{key}" for key in wrong}
    assert [check_texts(RECORDS[name]().study) for name in RECORDS] == [()] * len(RECORDS)


@pytest.mark.parametrize("kind", ["did", "rct", "matching"])
def test_what_the_check_finds_is_what_the_brief_refuses(kind):
    long = "l" * 61
    outcomes = [{**o, "label": long + str(i)} for i, o in enumerate(STUDY["outcomes"])]
    evaluation = sample_evaluation(kind, study={"outcomes": outcomes, "benchmark": {**KNOWN, "label": "b" * 71}})
    with pytest.raises(RenderError) as caught:
        compose(evaluation)
    assert set(caught.value.problems) == set(check_texts(evaluation.study))
    assert len(caught.value.problems) == 5


def test_a_brief_that_cannot_fit_names_the_section(monkeypatch):
    monkeypatch.setitem(m.LIMITS, "brief.challenge", 9000)
    study = {"brief": {**STUDY["brief"], "challenge": "Many firms say so. " * 130}}
    named = r"page 1: \d+ mm too long.*Cut about \d+ characters from challenge \(brief\.challenge"
    with pytest.raises(RenderError, match=named):
        render_pdf(compose(sample_evaluation(study=study)))


def test_advice_asks_for_no_more_than_a_text_holds():
    brief = compose(sample_evaluation())
    one_result = dataclasses.replace(brief.results[0], label=m.Quote(text="Ab", where="study.yaml: outcomes[0].label"))
    many = dataclasses.replace(brief, results=(one_result,) * 12)
    section = {"width": 178.0, "row": 0, "height": 80.0, "id": "effects"}
    fit = [{"page": 1, "room": 268.0, "need": 293.0, "sections": [section]}]
    (problem,) = _overfull(fit, LADDER[-1], many)
    assert problem.cure == "About 6 primary outcomes fit; 12 are declared."  # labels of two characters have none to give
    long = dataclasses.replace(one_result, label=m.Quote(text="x" * 52, where="study.yaml: outcomes[3].label"))
    (problem,) = _overfull(fit, LADDER[-1], dataclasses.replace(many, results=(*many.results[:-1], long)))
    assert "(study.yaml: outcomes[3].label)" in problem.cure
    assert "Cut about 40 characters from effects" in problem.cure  # 52 less the 12 a label keeps


@pytest.mark.parametrize(("low", "high", "shown"), [
    (None, -2.0, (-1.0, -1.0, True, False)), (4.0, None, (1.0, 1.0, False, True)), (3.0, 4.0, (1.0, 1.0, False, True)),
    (-0.5, 0.5, (-0.5, 0.5, False, False)), (-3.0, 0.5, (-1.0, 0.5, True, False)), (0.5, None, (0.5, 1.0, False, True))])
def test_a_piece_of_an_interval_stays_inside_the_axis(low, high, shown):
    assert clamped(low, high, (-1.0, 1.0)) == shown
    scene = Scene(100, "", "")
    row = {"verdict": "unclear", "mark": "ring", "value": 0.0, "ranges": [[low, high]]}
    interval_bar(scene, row, 5, lambda x: 50 + 40 * x, (-1.0, 1.0))
    assert all(10 <= item["x"] <= 90 for item in scene.items)
    assert all(item["x"] < item["x2"] or (item["x"] == item["x2"] and item["y"] < item["y2"])
               for item in scene.items if item["k"] == "line")


def test_a_text_of_the_record_is_kept_in_whole_sentences():
    text = "Lost: 5% (see p. 4. Then more). The rest stayed, cf. J. Angrist et al. Others left."
    assert whole(text, 100) == text
    assert whole(text, 80) == "Lost: 5% (see p. 4. Then more). The rest stayed, cf. J. Angrist et al. Others left."[:31]
    assert whole(text, 30) == ""


def test_clear_secondary_outcomes_are_drawn_before_open_ones():
    rows = [{"primary": i == 0, "verdict": v, "i": i}
            for i, v in enumerate(("unclear", "unclear", "favourable", "unclear", "unfavourable"))]
    assert [r["i"] for r in _drawn(rows, 3)] == [0, 2, 4]
    assert [r["i"] for r in _drawn(rows, 4)] == [0, 1, 2, 4]


def test_a_record_without_its_primary_estimate_is_refused():
    with pytest.raises(RenderError, match="no estimate of this declared primary outcome"):
        compose(sample_evaluation(estimates=()))


def test_a_brief_needs_no_flow_check_or_chain():
    evaluation = one(-0.3, 0.1, study={"results_chain": None})
    bare = dataclasses.replace(evaluation, flows=(), checks=(), trends=(), caveats=())
    pages = pages_of(render_pdf(compose(bare))[0])
    assert "Not stated: the study file declares no results chain." in pages[0]
    assert "No check is in the record." in pages[1]
    assert FLOWS


# ---- files -----------------------------------------------------------------------------------------------------------
def test_write_brief_writes_every_format(tmp_path, rendered):
    paths = write_brief(sample_evaluation(), out=tmp_path / "new")
    assert [p.name for p in paths] == ["brief.pdf", "brief.docx", "brief.html"]
    assert paths[0].read_bytes() == rendered[0]
    assert paths[2].read_text(encoding="utf-8") == rendered[2]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["brief.docx", "brief.html", "brief.pdf"]
    assert write_brief(sample_evaluation(), out=tmp_path, formats=("html",)) == (tmp_path / "brief.html",)


@pytest.mark.parametrize("wrong", [{"formats": ("pdf", "odt")}, {"language": "pt"}, {"formats": ()}])
def test_what_is_not_available_is_refused_and_nothing_is_written(tmp_path, wrong):
    (tmp_path / "brief.pdf").write_text("before")
    with pytest.raises(RenderError, match=r"not available yet|no format"):
        write_brief(sample_evaluation(), out=tmp_path, **wrong)
    assert (tmp_path / "brief.pdf").read_text() == "before"


def test_a_failure_leaves_old_files_as_they_were(tmp_path):
    (tmp_path / "brief.pdf").write_text("before")
    bad = sample_evaluation(study={"brief": {**STUDY["brief"], "challenge": "漢"}})
    with pytest.raises(ImpactError):
        write_brief(bad, out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["brief.pdf"]
    assert (tmp_path / "brief.pdf").read_text() == "before"


@needs_browser
@pytest.mark.parametrize("name", ["did", "nine outcomes", "many caveats", "nine long labels"])
def test_the_page_prints_on_two_sheets(name, tmp_path):
    brief = compose(RECORDS[name]())
    _, layout = render_pdf(brief)
    (tmp_path / "brief.html").write_text(render_html(brief, layout), encoding="utf-8")
    subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--disable-background-networking", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}",
         f"--print-to-pdf={tmp_path / 'out.pdf'}", "--no-pdf-header-footer", str(tmp_path / "brief.html")],
        check=True, capture_output=True, timeout=120)
    printed = pages_of((tmp_path / "out.pdf").read_bytes())
    assert len(printed) == 2
    assert "Results in full" in printed[1]


def test_every_sentence_the_code_asks_for_exists():
    folder = Path(m.__file__).parent
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py") if path.name != "words.py")
    asked = set(re.findall(r'(?:say|word)\(\s*"([\w.]+)"', code))
    assert asked - set(messages("en")) == set()
    assert len(asked) > 60

"""Numbers in an officer's sentences: looked up by exact key, told by the brief's formatter, or refused."""

import dataclasses
import functools
import re

import pytest
from support_briefs import declaration, rich, uncertain
from support_pages import plain
from test_brief_numbers import docx_words, html_words, pdf_words, tokens

from impact.brief import compose, render_docx, render_html, render_pdf
from impact.brief import model as m
from impact.brief.composition import check_texts
from impact.brief.page import present
from impact.brief.references import keys
from impact.brief.theme import LADDER
from impact.brief.view import Speaker
from impact.cli import main
from impact.errors import RenderError
from impact.study import study_from_mapping


def declared(language="en", **settings):
    values = declaration()
    values["brief"] = {**values["brief"], "language": language, **settings}
    return study_from_mapping(values, slug="coaching-vouchers")


def told(make=rich, language="en", **settings):
    return compose(dataclasses.replace(make(), study=declared(language, **settings)))


def page_of(brief):
    return present(brief, LADDER[0])


# ---- what a reference becomes ----------------------------------------------------------------------------------------
def test_a_reference_reads_as_the_number_does_elsewhere_in_the_brief():
    brief = told(challenge="Effect {profit.effect}; {profit.size}; {profit.interval}; {profit.level}.")
    row, effect = page_of(brief)["results"][0], brief.results[0].effect
    s = Speaker("en")
    words = plain(page_of(brief)["challenge"][0])
    assert plain(row["cells"][1]).lstrip("+") in words
    assert plain(s.said(m.Said(effect=effect, form="size"))) in words
    low, high = (s.figure(n.value, 1) for n in (effect.ranges[0].low, effect.ranges[0].high))
    assert f"from {low} to {high} higher" in words
    assert "95%" in words
    assert "{" not in words


def test_every_key_of_a_study_that_declares_everything_has_a_number_or_is_named():
    lacking = []
    for key in keys(declared()):
        try:
            brief = told(challenge=f"Here: {{{key}}}")
        except RenderError as error:
            lacking.append((key, error.problems))
            continue
        assert re.fullmatch(r"Here: [^{}]+", plain(page_of(brief)["challenge"][0])), key
        written = next(m.walk(brief.challenge, m.Written))
        assert next(iter((*m.walk(written, m.Number), *m.walk(written, m.Phrase)))) is not None
    # a share of firms has no per cent, and there is one p-value to a family of one
    assert [k for k, _ in lacking if k.startswith("profit.")] == []
    assert {k.rpartition(".")[2] for k, _ in lacking} <= {"effect_pct", "interval_pct", "p_adjusted"}
    assert all(len(found) == 1 and f"no number {{{k}}}" in found[0].what for k, found in lacking)


def test_a_reference_is_a_number_of_the_record_with_its_estimate():
    brief = told(what_was_done="{n.reached} owners; profit was {profit.size} ({profit.interval}), mean "
                               "{profit.comparison_mean}, p = {profit.p}.")
    written = brief.done
    assert isinstance(written, m.Written)
    assert written.where == "study.yaml: brief.what_was_done"
    evaluation = dataclasses.replace(rich(), study=declared())
    for n in m.walk(written, m.Number):
        assert n.path
        if n.estimate:
            assert n.estimate == evaluation.main("profit").id
        if not n.derived:
            assert m.lookup(evaluation, n.path, n.estimate) == n.value, n


def test_every_format_says_the_same_number_and_no_other():
    brief = told(what_was_done="Of {n.enrolled} firms, {n.analysed} were analysed; each cost {costs.per_participant}.")
    pdf, layout = render_pdf(brief)
    wanted = tokens(plain(present(brief, layout)["done"]))
    assert wanted == {"960", "906", "257"}
    for words in (pdf_words(pdf), html_words(render_html(brief, layout)), docx_words(render_docx(brief, layout))):
        assert re.search(r"Of\s960\sfirms,\s906\swere\sanalysed;\seach\scost\sUSD\s257\.", plain(words))


@pytest.mark.parametrize(("language", "words"), [
    ("en", "USD 133,400; 8.4 (from 2.6 to 14.2 higher)"), ("fr", "133 400 USD; 8,4 (de 2,6 à 14,2 de plus)"),
    ("es", "USD 133 400; 8,4 (de 2,6 a 14,2 más)")])
def test_the_formatter_of_the_language_writes_it(language, words):
    brief = told(language=language, challenge="{costs.total}; {profit.effect} ({profit.interval})")
    assert plain(page_of(brief)["challenge"][0]) == words


def test_a_sentence_keeps_its_first_letter_and_its_spaces():
    brief = told(challenge="{n.enrolled} firms  were asked. eBay was not.")
    assert plain(page_of(brief)["challenge"][0]) == "960 firms were asked. eBay was not."


# ---- what is refused -------------------------------------------------------------------------------------------------
def problems_of(**settings):
    with pytest.raises(RenderError) as caught:
        told(**settings)
    return caught.value.problems


@pytest.mark.parametrize("hostile", ["{p.effect.__class__}", "{profit.effect.__class__}", "{0}", "{}", "{profit.effect!r}",
                                     "{profit.effect:.2f}", "{profit[effect]}", "{ profit.effect }", "{Profit.effect}"])
def test_what_is_not_a_key_to_the_letter_is_refused_and_named(hostile):
    found = problems_of(challenge=f"Read {hostile} here.")
    assert [p.where for p in found] == ["study.yaml: brief.challenge"]
    assert f"there is no number {hostile}" in found[0].what
    assert "comparison_mean" in found[0].cure


def test_a_name_holds_no_number_and_stands_as_it_is():
    values = declaration()
    values["outcomes"][2]["label"] = "Practices {p.effect.__class__}"
    brief = compose(dataclasses.replace(rich(), study=study_from_mapping(values, slug="a")))
    assert "Practices {p.effect.__class__}" in [r["label"] for r in page_of(brief)["results"]]
    values["outcomes"][2]["label"] = "Practices {profit.effect}"
    with pytest.raises(RenderError, match=r"outcomes\[2\]\.label: \{profit\.effect\} stands in a name"):
        compose(dataclasses.replace(rich(), study=study_from_mapping(values, slug="a")))


def test_all_of_it_is_told_at_once_with_the_nearest_key():
    found = problems_of(challenge="{profit.efect} and {n.analyzed}, a lone { too", what_was_done="{costs.each}",
                        learned="}", implications=[{"text": "Keep {sales.effekt}.", "finding": "sales"}], limits=["{x}"])
    assert len(found) == 7 - 1  # 'learned' is read in an uncertain result alone
    cures = {p.where: p.cure for p in found}
    assert "Did you mean 'sales.effect'?" in cures["study.yaml: brief.implications[0].text"]
    told_of = [p for p in found if p.where.endswith("challenge")]
    assert "Did you mean 'profit.effect'?" in told_of[0].cure
    assert "Did you mean 'n.analysed'?" in told_of[1].cure
    assert told_of[2].what == "the brace { stands alone"
    assert all(p.cure for p in found)


def test_braces_written_twice_are_braces():
    brief = told(challenge="A set {{1, 2}} and {{profit.effect}}; {{{n.enrolled}}}.")
    assert plain(page_of(brief)["challenge"][0]) == "A set {1, 2} and {profit.effect}; {960}."


def test_a_number_the_record_does_not_have_is_named_with_its_reason():
    found = problems_of(challenge="{open_now.effect_pct} and {profit.effect_pct}")
    assert [p.what.partition("}")[0] for p in found] in (["the record has no number {open_now.effect_pct"], [])


def test_keys_are_checked_before_anything_is_estimated():
    study = declared(challenge="{profit.efect}", what_was_done="{profit.payback}", limits=["{n.reached}, {profit.effect}"])
    found = check_texts(study)
    assert sorted(p.where for p in found) == ["study.yaml: brief.challenge", "study.yaml: brief.what_was_done"]
    assert "no number {profit.payback}" in next(p.what for p in found if "done" in p.where)  # no return is declared
    assert check_texts(declared(challenge="{profit.effect}, {costs.total}, {n.treated}")) == ()


def test_check_and_run_refuse_it_as_a_problem_of_the_study_file(tmp_path, capsys):
    import yaml
    from support_briefs import firms

    values = declaration()
    values["brief"]["challenge"] = "Owners earn {profit.mean}."
    values["brief"]["logo"] = None
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    firms(14.0).to_csv(tmp_path / "firms.csv", index=False)
    for command in ("check", "run"):
        assert main([command, str(tmp_path)]) == 2
        assert "brief.challenge: there is no number {profit.mean}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---- sentences in place of the tool's --------------------------------------------------------------------------------
BOTTOM = ("Of {n.analysed} firms, those offered coaching had a profit {profit.size} ({profit.interval}); the share still "
          "open could not be told apart: {open_now.interval}.")


def test_a_bottom_line_of_the_officers_stands_in_all_formats():
    brief = told(bottom_line=BOTTOM)
    pdf, layout = render_pdf(brief)
    page = present(brief, layout)
    assert plain(page["bottom_line"]).startswith("Of 906 firms, those offered coaching had a profit ")
    assert page["columns"][-1] == "Firms"  # the noun of the last column does not hang on the tool's own sentence
    for words in (pdf_words(pdf), html_words(render_html(brief, layout)), docx_words(render_docx(brief, layout))):
        assert "those offered coaching had" in plain(" ".join(words.split()))


@pytest.mark.parametrize(("text", "left"), [
    ("Profit was {profit.size} ({profit.interval}).", ["open_now"]),
    ("Firms did well.", ["profit", "open_now"]),
    ("Profit {profit.size}; open {open_now.interval}.", ["profit"]),
    ("Practices {practices.size} ({practices.interval}).", ["profit", "open_now"])])
def test_a_bottom_line_that_leaves_a_primary_outcome_out_is_refused(text, left):
    found = problems_of(bottom_line=text)
    assert [re.search("'(.*)'", p.what)[1] for p in found] == left
    assert check_texts(declared(bottom_line=text)) == found


def test_lines_of_how_we_know_are_rewritten_and_the_plan_is_not():
    own = {"design": "A public lottery among markets.", "assumption": "The lottery was fair.", "data": None}
    brief = told(how_we_know=own)
    lines = {f["name"]: plain(f["text"]) for f in page_of(brief)["method"]}
    assert (lines["Design"], lines["It rests on"]) == ("A public lottery among markets.", "The lottery was fair.")
    assert lines["Plan"].startswith("Frozen 12 February 2024")
    assert page_of(brief)["badge"]["word"] == page_of(told())["badge"]["word"]


def test_limits_are_added_and_take_none_away():
    usual = told(uncertain)
    brief = told(uncertain, limits=["Sales of {n.analysed} firms alone."], learned="As planned.")
    assert [t for t in brief.limits if not isinstance(t, m.Written)] == list(usual.limits)
    assert brief.limits[0] == usual.limits[0]
    assert plain(Speaker("en").text(brief.limits[1])) == "Sales of 454 firms alone."


def test_captions_lead_the_notes_of_their_blocks():
    captions = {"effects": "Profit first", "table": "All twelve outcomes.", "costs": "Prices of 2024.",
                "checks": "As planned.", "chain": "Five steps, four arrows.", "subgroups": "Men and women.",
                "methods": "Four ways.", "targets": "Levels."}
    usual, page = page_of(told()), page_of(told(captions=captions))
    assert page["reading"] == f"All twelve outcomes. {usual['reading']}"
    assert page["drawn_note"] == f"Profit first. {usual['drawn_note']}".rstrip()
    assert page["cost_note"].startswith("Prices of 2024. ")
    assert page["checks_note"].startswith("As planned.")
    for name, block in (("chain", "chain"), ("subgroups", "for_whom"), ("methods", "methods"), ("targets", "targets")):
        assert page[block]["note"] == f"{captions[name]} {usual[block]['note']}".rstrip()
    pdf, layout = render_pdf(told(captions=captions))
    for words in (pdf_words(pdf), html_words(render_html(told(captions=captions), layout)),
                  docx_words(render_docx(told(captions=captions), layout))):
        assert all(text.rstrip(".") in plain(" ".join(words.split())) for name, text in captions.items()), words


def test_texts_of_another_language_are_asked_for():
    study = declared(bottom_line={"en": BOTTOM}, limits=["One."], captions={"effects": "Two."})
    where = {p.where for p in check_texts(study, language="fr")}
    assert {"brief.bottom_line", "brief.limits[0]", "brief.captions.effects"} <= where


def test_a_caption_in_each_language(tmp_path):
    study = declared("fr", captions={"effects": {"en": "Firms: {n.analysed}", "fr": "Entreprises : {n.analysed}"}})
    page = page_of(compose(dataclasses.replace(rich(), study=study)))
    assert plain(page["drawn_note"]).startswith("Entreprises : 906.")


# ---- primary outcomes are protected ----------------------------------------------------------------------------------
@functools.cache
def without_plan():
    values = declaration(plan=None)
    del values["plan"]
    return values


@pytest.mark.parametrize(("language", "words"), [
    ("en", "Outcomes were not fixed in advance"), ("fr", "Les résultats à mesurer n’ont pas été fixés à l’avance"),
    ("es", "Los resultados a medir no se fijaron de antemano")])
@pytest.mark.parametrize("make", [rich, uncertain])
def test_without_a_frozen_plan_the_brief_says_that_outcomes_were_not_fixed(make, language, words):
    values = {**without_plan()}
    values["brief"] = {**values["brief"], "language": language, "learned": "x"}
    brief = compose(dataclasses.replace(make(), study=study_from_mapping(values, slug="a")))
    pdf, layout = render_pdf(brief)
    for text in (pdf_words(pdf), html_words(render_html(brief, layout)), docx_words(render_docx(brief, layout))):
        assert words in plain(" ".join(text.split()))
    assert words not in plain(html_words(render_html(told(make, language, learned="x"), layout)))

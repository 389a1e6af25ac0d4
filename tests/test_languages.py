"""Briefs in French and Spanish, and officers' texts in other scripts: nothing missing, nothing left in English."""

import ast
import html
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support_records import STUDY, estimate, sample_evaluation

from impact.brief import check_texts, compose, render_html, render_pdf
from impact.brief import model as m
from impact.brief.drawing import Scene
from impact.brief.facts import day
from impact.brief.page import present
from impact.brief.raster import scene_png
from impact.brief.texts import FONTS
from impact.brief.theme import LADDER
from impact.brief.translation import caveat, check_reason, check_title, check_word, fragment, loss, slug, translated
from impact.brief.view import Speaker, figure, keep_together, p_value
from impact.brief.words import LANGUAGES, gaps, messages, record_sentences
from impact.dced import audit
from impact.errors import RenderError
from impact.evaluation import evaluate
from impact.results.estimate import Caveat, Dropped
from impact.results.evaluation import Check
from impact.study import read_study, study_from_mapping
from impact.study.contract import CONTRACT
from impact.study.methods import METHODS

ROOT = Path(__file__).parents[1]
OTHERS = tuple(language for language in LANGUAGES if language != "en")
NBSP, THIN = "\u00a0", "\u202f"
CAUSAL = {
    "fr": r"\b(a causé|a entraîné|a provoqué|grâce au programme|aucun effet|sans effet|pas d’effet|prouvent?|démontrent?|"
          r"inefficace)\b",
    "es": r"\b(causó|provocó|gracias al programa|ningún efecto|sin efecto|no tuvo efecto|prueban? que|demuestran?|"
          r"ineficaz)\b",
}


# ---- the message files -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_every_sentence_with_the_same_gaps(language):
    english, own = messages("en"), messages(language)
    assert list(own) == list(english)
    assert {k: sorted(set(gaps(v))) for k, v in own.items()} == {k: sorted(set(gaps(v))) for k, v in english.items()}
    same = {k for k in own if own[k] == english[k] and re.search("[a-z]{4}", re.sub(r"{\w+}", "", own[k]))}
    alike = {"fact.programme", "method.imputation", "check", "check.alone", "points", "point",
             "amount.point", "unit.scale", "proof.date", "rule.simple",
             "cost.participants", "status.final", "amount.points", "cost.kind.public", "target.column.level"}
    assert same <= alike


def test_the_sentences_of_the_record_are_the_same_in_every_language():
    def shape(language):
        return {key: [sorted(set(gaps(text))) for text in texts] for key, texts in record_sentences(language).items()}

    assert shape("fr") == shape("es")
    assert record_sentences("en") == {}


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_says_more_than_a_comparison(language):
    told = [*messages(language).items(), *((k, t) for k, ts in record_sentences(language).items() for t in ts)]
    assert [key for key, text in told if re.search(CAUSAL[language], text, re.I)] == []


# ---- every code of the engine has its sentence -----------------------------------------------------------------------
def calls(name):
    for file in sorted((ROOT / "impact").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = getattr(node, "func", None)
            if getattr(called, "id", getattr(called, "attr", "")) == name:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def strings(node):
    """The texts an expression may give; what is filled in later stands as 7."""
    if node is None:
        return []
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(v.value if isinstance(v, ast.Constant) else "7" for v in node.values)]
    if isinstance(node, ast.IfExp):
        return [*strings(node.body), *strings(node.orelse)]
    return []


def keyword(node, name):
    return next((k.value for k in node.keywords if k.arg == name), None)


def caveat_codes():
    """Code, names of its figures where they can be read, and where it stands."""
    for where, node in calls("Caveat"):
        values = keyword(node, "values")
        pairs = values.elts if isinstance(values, ast.Tuple) else []
        names = {e.elts[0].value for e in pairs if isinstance(e, ast.Tuple) and isinstance(e.elts[0], ast.Constant)}
        code = keyword(node, "code")
        text = strings(code)
        if isinstance(code, ast.JoinedStr):
            text = [text[0].replace("7", e) for e in ("att", "atc", "ate")]
        yield from ((c, names, where) for c in text)
    for code in ("unit_dependent", "not_found", "survivors_only", "closed_as_zero", "merged_left_out"):  # codes with a name
        yield code, set(), "indicators"


def test_every_caveat_of_the_engine_has_its_sentence():
    for language in OTHERS:
        known, missing = record_sentences(language), []
        for code, names, where in caveat_codes():
            options = known.get(f"caveat.{code}", ())
            if not any(set(gaps(text)) <= names for text in options):
                missing.append(f"[caveat] {code} ({', '.join(sorted(names))}): {where}")
        assert missing == [], f"messages/record/{language}.toml lacks:\n" + "\n".join(missing)


def test_every_check_of_the_engine_has_its_title_words_and_reasons():
    ids, words = {}, {}
    for where, node in calls("Check"):
        for name in strings(keyword(node, "id")):
            if not name.startswith("7"):
                ids[name.partition(":")[0].removesuffix("_7")] = where
        words |= {slug(w): where for w in strings(keyword(node, "word")) if "7" not in w}
    for name in ("_placebos", "_moved", "_tried"):
        for where, node in calls(name):
            ids |= {t: where for a in node.args for t in strings(a) if re.fullmatch(r"[a-z_]+_[a-z_]+", t)}
            words |= {f"rests_on_one_{t}": where for t in strings(node.args[-1]) if name == "_moved"}
    for name in ("said", "_examined"):
        ids |= {t: where for where, node in calls(name) for t in strings(keyword(node, "identifier"))}
    ids |= {"sensitivity_smoothness": "fragility"}  # named after the kind of deviation
    assert {"earlier_growth", "earlier_gaps", "pretrend_group_time", "pretrend_imputation"} <= set(ids)
    for language in OTHERS:
        known = record_sentences(language)
        missing = [f"[check.{i}] title: {where}" for i, where in ids.items() if f"check.{i}.title" not in known]
        missing += [f"[word] {w}: {where}" for w, where in words.items() if f"word.{w}" not in known]
        assert missing == [], f"messages/record/{language}.toml lacks:\n" + "\n".join(missing)
    assert len(ids) > 18
    assert len(words) > 18


def spoken(text, language, *keys):
    """What a text of the record becomes; None where nothing is known for it."""
    unsaid = m.Recorded(text=text, where="", keys=keys, phrase=True)
    said = translated(unsaid, language, lambda value, form: "7")
    return said if said != text or any(k in record_sentences(language) for k in keys) else None


def plain(language):
    return {key.removeprefix("phrase.") for key in record_sentences(language) if key.startswith("phrase.")}


def test_every_reason_of_a_loss_has_its_words():
    found = {}
    for name in ("drop", "_drop"):
        for where, node in calls(name):
            for reason in (t for a in node.args for t in strings(a)[:1] if re.fullmatch(r"[a-z0-9_]+", t)):
                found[reason] = where
    for language in OTHERS:
        known = record_sentences(language)
        missing = [f"[loss] {reason}: {where}" for reason, where in found.items()
                   if f"loss.{reason}" not in known and not re.search("missing|^no_7", reason)]
        assert missing == [], f"messages/record/{language}.toml lacks:\n" + "\n".join(missing)
    assert len(found) > 25


def test_words_of_the_record_without_a_code_are_known_as_they_stand():
    found = {}
    for where, node in calls("Counterfactual"):
        found |= {t.removesuffix(" (geometric mean)"): where for t in strings(keyword(node, "label"))
                  if t.removesuffix(" (geometric mean)") != "7"}
    for file in (ROOT / "impact").rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and re.search(
                    r"ASSUMPTIONS|^EXACT$|^LOT$|^(NOT_)?DRAWN$", getattr(node.targets[0], "id", "")):
                found |= {t.rstrip("."): f"{file.name}, assumption" for t in strings(node.value.elts[0])}
    for label in ("comparison mean", "comparison median"):
        found[label] = "label"
    found |= {element["title"]: "dced" for element in elements()}
    found |= {name.replace("_", " "): f"option of {method}" for kind in METHODS.values() for method, options in kind.items()
              for name in options}
    for language in OTHERS:
        known = plain(language)
        missing = [f"[phrase] {text}: {where}" for text, where in found.items()
                   if text not in known and spoken(text, language) is None]
        assert missing == [], f"messages/record/{language}.toml lacks:\n" + "\n".join(missing)


def elements():
    import yaml

    table = yaml.safe_load((ROOT / "impact" / "dced" / "standard" / "v8.yaml").read_text(encoding="utf-8"))
    return table["elements"]


# ---- how codes are said ----------------------------------------------------------------------------------------------
def test_a_code_is_said_with_the_records_own_figures_and_the_fullest_sentence_it_can_fill():
    fr, es, en = Speaker("fr"), Speaker("es"), Speaker("en")
    many = Caveat(code="few_clusters", text="Only 1200 treated.", values=(("treated", 1200), ("comparison", 7)))
    assert en.text(caveat(many)) == "Only 1200 treated."
    assert f"1{THIN}200" in fr.text(caveat(many))
    assert "1200" in es.text(caveat(many))  # four digits stand together in Spanish
    bare = Caveat(code="few_clusters", text="Too few.")
    assert fr.text(caveat(bare)).startswith("Trop peu de grappes")
    strange = Caveat(code="made_up", text="Something new.")
    assert "made_up" in es.text(caveat(strange))
    assert "Something" not in es.text(caveat(strange))


def test_a_check_is_said_by_its_word_and_verdict():
    fr = Speaker("fr")
    c = Check(id="attrition", title="Losses of units", verdict="fail", word="uneven", reason="Many.", measured=0.661,
              details=(("lost_treated", 0.5), ("lost_comparison", 0.75), ("difference", -0.165)))
    assert fr.text(check_title(c)) == "Pertes d’unités"
    assert fr.text(check_word(c)) == "inégales"
    assert fr.text(check_reason(c)).startswith(f"Unités perdues : 66,1{NBSP}% ; 50,0{NBSP}% du groupe traité")
    assert "−16,5 points" in fr.text(check_reason(c))
    old = Check(id="attrition", title="t", verdict="fail", word="uneven", reason="Many.", measured=0.5)
    assert fr.text(check_reason(old)) == f"Unités perdues : 50,0{NBSP}%. Il faut s’attendre à un biais."
    new = Check(id="brand_new", title="Brand new", verdict="concern", word="so so", reason="Because.")
    assert [fr.text(f(new)) for f in (check_title, check_word, check_reason)] == [
        "Vérification brand_new", "préoccupant", "Détails dans results.json."]
    trend = Check(id="pretrend_1989", title="Earlier trend, first treated 1989", verdict="concern", word="x", reason="x")
    assert Speaker("es").text(check_title(trend)) == "Tendencias anteriores, tratamiento desde 1989"


def test_words_without_a_code_are_said_as_patterns_and_names_of_the_data_stay():
    fr = Speaker("fr")
    assert fr.text(fragment("first treated 1988", "")) == "traitées à partir de 1988"
    assert fr.text(fragment("25th percentile", "")) == "25e centile"
    assert fr.text(fragment("comparison group's median", "")) == "groupe de comparaison, médiane"
    assert fr.text(fragment("bootstrap_arm", "")) == "bootstrap_arm"
    assert fr.text(fragment("Cash and training", "")) == "Cash and training"
    lost = Dropped(reason="outcome_missing", text="scrap is missing", n_rows=1, n_units=1)
    assert fr.text(loss(lost, "")) == "valeur manquante : scrap"
    other = Dropped(reason="outcome_missing", text="something unheard of", n_rows=1, n_units=1)
    assert fr.text(loss(other, "")) == "valeur manquante"


# ---- numbers, dates, lines -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("value", "places", "en", "fr", "es"), [
    (-1234567.891, 2, "−1,234,567.89", f"−1{THIN}234{THIN}567,89", f"−1{THIN}234{THIN}567,89"),
    (1234, 0, "1,234", f"1{THIN}234", "1234"), (12345, 0, "12,345", f"12{THIN}345", f"12{THIN}345"),
    (0.5, 1, "0.5", "0,5", "0,5"), (-0.001, 1, "0.0", "0,0", "0,0"), (1.5e13, 0, "1.5e13", "1,5e13", "1,5e13")])
def test_numbers_take_the_marks_of_the_language(value, places, en, fr, es):
    assert [figure(value, places, language) for language in ("en", "fr", "es")] == [en, fr, es]


def test_p_values_levels_and_dates_take_the_form_of_the_language():
    assert [p_value(0.0001, language) for language in ("en", "fr", "es")] == ["<0.001", "<0,001", "<0,001"]
    level = m.Number(value=0.95, kind="level", path="")
    assert [Speaker(language).number(level) for language in ("en", "fr", "es")] == ["95%", f"95{NBSP}%", f"95{NBSP}%"]
    for date, told in (("2026-03-03", ["3 March 2026", "3 mars 2026", "3 de marzo de 2026"]),
                       ("2026-03-01", ["1 March 2026", "1er mars 2026", "1 de marzo de 2026"])):
        assert [Speaker(language).text(day(date)) for language in ("en", "fr", "es")] == told


def test_marks_keep_to_their_words():
    assert keep_together("Écart : 25 points ; « oui » ?", "fr") == "Écart_: 25_points_; «_oui_»_?".replace("_", NBSP)
    assert keep_together("1 : 2 points (95% interval)", "en") == f"1 : 2{NBSP}points (95%{NBSP}interval)"


@pytest.mark.parametrize(("low", "high", "en", "fr", "es"), [
    (-45, 3, "from 45% lower to 3% higher", "de 45_% de moins à 3_% de plus", "de 45_% menos a 3_% más"),
    (-45, -30, "from 45% to 30% lower", "de 45_% à 30_% de moins", "de 45_% a 30_% menos"),
    (30, 45, "from 30% to 45% higher", "de 30_% à 45_% de plus", "de 30_% a 45_% más")])
def test_ranges_say_their_direction_in_each_language(low, high, en, fr, es):
    def n(x):
        return m.Number(value=x, kind="percent", path="")

    effect = m.Effect(estimate="", value=n((low + high) / 2), ranges=(m.Range(low=n(low), high=n(high)),),
                      level=m.Number(value=0.95, kind="level", path=""), verdict="unclear")
    said = [Speaker(x).said(m.Said(effect=effect, form="range")) for x in ("en", "fr", "es")]
    assert said == [en, fr.replace("_", NBSP), es.replace("_", NBSP)]


# ---- the officer's own words -----------------------------------------------------------------------------------------
TEXTS = {"fr": "Texte à nous", "es": "Texto nuestro"}


def in_three(value, field):
    """Give every text of a study file that may be per language a French and a Spanish wording."""
    if value is None:
        return None
    if field.kind == "words":
        return value if isinstance(value, dict) else {"en": value, **TEXTS}
    if field.kind == "list" and field.item is not None and isinstance(value, (list, tuple)):
        return [in_three(item, field.item) for item in value]
    if field.kind == "map" and isinstance(value, dict):
        known = field.fields or {}
        return {key: in_three(item, known[key]) if key in known else item for key, item in value.items()}
    return value


def translated_record(evaluation):
    declared = in_three(dict(evaluation.study.declared), CONTRACT)
    study = replace(study_from_mapping(declared, slug=evaluation.study.slug), folder=evaluation.study.folder)
    return replace(evaluation, study=study)


def test_every_text_that_is_not_there_in_the_language_is_named_at_once():
    with pytest.raises(RenderError) as caught:
        compose(sample_evaluation(), language="fr")
    named = {problem.where for problem in caught.value.problems}
    assert {"outcomes[0].label", "outcomes[3].unit", "question", "design.unit_label[0]", "results_chain.boxes[2].text",
            "brief.implications[1].text", "programme.country"} <= named
    assert "brief.authors[0]" not in named  # names of people stand as they are
    assert "outcomes[0].label: no French text. Write {en: …, fr: …}." in str(caught.value)
    for language in OTHERS:
        assert compose(translated_record(sample_evaluation()), language=language).language == language


def test_a_plain_text_is_in_the_studys_own_language():
    study = {"brief": {**STUDY["brief"], "language": "fr"}}
    assert compose(sample_evaluation(study=study)).language == "fr"
    with pytest.raises(RenderError, match=r"question: no English text\. Write \{fr: …, en: …\}"):
        compose(sample_evaluation(study=study), language="en")


def test_a_language_once_begun_is_looked_at_by_the_check_alone():
    study = sample_evaluation(study={"title": {"en": "T", "fr": "T"}, "question": {"en": "Q?", "fr": "Q ?"}}).study
    assert check_texts(study) == ()
    found = check_texts(study, every_language=True)
    assert "outcomes[0].label" in {p.where for p in found}
    assert {p.what for p in found} == {"no French text"}


def test_a_noun_that_is_not_declared_is_said_in_the_language():
    design = {key: value for key, value in STUDY["design"].items() if key != "unit_label"}
    record = translated_record(sample_evaluation(study={"design": design}))
    assert "54 unités" in present(compose(record, language="fr"), LADDER[0])["bottom_line"]


# ---- nothing is left in English --------------------------------------------------------------------------------------
ENGLISH = re.compile(
    r"\b(the|of|and|is|are|was|were|with|from|which|that|this|these|by|to|in which|interval|analysed|comparison|outcomes?|"
    r"treated|not|no difference|firms?|difference|errors|level|before|after|higher|lower|cannot|years?|share|mean|unit|"
    r"programme of|missing|examined|clusters?)\b", re.IGNORECASE)
NAMES = re.compile(  # works and journals are called what they are called; the rest is the data's
    r"What Works Clearinghouse \(2020\), Standards Handbook|Journal of [A-Z]\w+( [A-Z]\w+)*|Annals of Internal Medicine|"
    r"Statistics in Medicine|Observational Studies|ILR Review|AER: Insights|results\.json|impact \d[\d.]*|"
    r"impact run [\w-]+(?:- [\w-]+)*|"  # a long slug goes on in the next line
    r"wild bootstrap|\b(re7\d|lasso)\b|R \S+::.*?\)|Stata .*")


def designs():
    return [pytest.param(f.parent.name, id=f.parent.name) for f in sorted((ROOT / "designs").glob("*/study.yaml"))]


def pdf_text(pdf):
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 2
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in reader.pages))


def html_text(page):
    shown = re.sub(r"<style>.*?</style>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", shown)))


def left_in_english(text):
    return sorted({found[0].lower() for found in ENGLISH.finditer(NAMES.sub(" ", text))})


@pytest.fixture(scope="module")
def records():
    kept = {}

    def record(name):
        if name not in kept:
            from impact.data.sources import missing_package

            study = read_study(ROOT / "designs" / name)
            if missing_package(study) is not None:
                pytest.skip("the data are in a package that is not installed")
            kept[name] = evaluate(study)
        return kept[name]

    return record


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", designs())
def test_a_brief_of_a_design_has_two_pages_and_no_english_left(records, name, language):
    record = translated_record(records(name))
    brief = compose(record, audit(record), language=language)
    pdf, layout = render_pdf(brief)
    page = render_html(brief, layout)
    broken = name.replace("-", r"-[\s-]*")  # the command is set over two lines where it is long
    assert left_in_english(re.sub(rf"impact\s+run\s+{broken}", " ", pdf_text(pdf))) == []
    assert left_in_english(html_text(page)) == []
    assert f'<html lang="{language}">' in page
    assert f"impact run {name} --language {language}" in re.sub(r"\s+", " ", html_text(page))
    assert not re.search(r"\d\.\d", NAMES.sub(" ", re.sub(r"SHA-256 \S+|\b14\.[23]|4\.[14]", " ", html_text(page))))


@pytest.mark.parametrize("language", OTHERS)
def test_the_michigan_design_has_its_own_words_in_three_languages(records, language):
    record = records("michigan-training-grants")
    assert check_texts(record.study, every_language=True) == ()
    pdf, _ = render_pdf(compose(record, audit(record), language=language))
    assert {"fr": "Taux de rebut", "es": "Tasa de desechos"}[language] in pdf_text(pdf)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("kind", ["did", "rct", "matching"])
def test_records_of_every_kind_leave_no_english(kind, language):
    late = [estimate("scrap_rate", 1.0, 0.4, method=method, role="robustness", id=f"scrap_rate/{method}/x")
            for method in ("two_by_two", "ols")]
    record = translated_record(sample_evaluation(kind))
    told_as = {"horizon": None, "p_family": "3 secondary, Benjamini–Hochberg"}  # as the engine words them
    rows = tuple(replace(e, **told_as) for e in (*record.estimates, *late))
    record = replace(record, estimates=rows, trends=())
    brief = compose(record, language=language)
    page = present(brief, LADDER[0])
    page["reading"] = re.sub(r"(Pour refaire|Para rehacerlo).*", "", page["reading"])
    shown = " ".join(str(v) for k, v in page.items() if k not in ("contact", "keywords", "trends", "picture"))
    keys = r"'[a-z_]+':|'(favourable|unfavourable|unclear|clear|adverse|unmeasured|too_few|no_interval|corrected|dot|ring)'"
    assert left_in_english(re.sub(keys, " ", shown)) == [], shown


# ---- other scripts ---------------------------------------------------------------------------------------------------
SCRIPTS = {
    "Arabic": ("نسبة الهدر", "هل خفضت منحة التدريب نسبة الهدر في 54 شركة؟", ["شركة", "شركات"]),
    "Khmer": ("អត្រាកាកសំណល់", "តើជំនួយបណ្តុះបណ្តាលបានកាត់បន្ថយអត្រាកាកសំណល់ដែរឬទេ?", ["សហគ្រាស", "សហគ្រាស"]),
}


def in_script(name, **more):
    label, question, noun = SCRIPTS[name]
    outcomes = [{**o, "label": f"{label} {i}"} for i, o in enumerate(STUDY["outcomes"])]
    return sample_evaluation(study={"question": question, "outcomes": outcomes,
                                    "design": {**STUDY["design"], "unit_label": noun},
                                    "brief": {**STUDY["brief"], "challenge": f"{question} {question}", **more}})


@pytest.mark.parametrize("name", SCRIPTS)
def test_officers_texts_in_other_scripts_render_on_two_pages(name):
    brief = compose(in_script(name))
    pdf, layout = render_pdf(brief)
    assert f"NotoSans{name}".encode() in pdf
    pdf_text(pdf)
    page = render_html(brief, layout)
    assert f'font-family:"Noto Sans {name}"' in page
    assert [other for other in SCRIPTS if other != name and f'@font-face{{font-family:"Noto Sans {other}"' in page] == []
    assert SCRIPTS[name][1] in html_text(page)
    assert '@font-face{font-family:"Noto' not in render_html(compose(sample_evaluation()))


@pytest.mark.parametrize(("name", "two"), [("Arabic", "شر"), ("Khmer", "កង")])
def test_pictures_of_the_word_file_have_letters_of_other_scripts(name, two):
    def drawn(letter):
        scene = Scene(100, "a", "b")
        scene.height = 30
        scene.text(10, 20, letter, size=16)
        return scene_png(scene, 40, dots=72)

    assert drawn(two[0]) != drawn(two[1])  # a missing face draws the same empty box for both


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed: it says where words end")
@pytest.mark.parametrize("letter", ["W", "Ж", "É", "ß", "ក", "م"])
def test_a_word_longer_than_a_column_breaks_in_every_script(letter, tmp_path):
    outcomes = [{**o, "label": letter * 36, "unit": letter * 30} for o in STUDY["outcomes"]]
    brief = compose(sample_evaluation(study={"outcomes": outcomes, "question": letter * 20,
                                             "brief": {**STUDY["brief"], "challenge": letter * 30}}))
    file = tmp_path / "brief.pdf"
    file.write_bytes(render_pdf(brief)[0])
    places = subprocess.run(["pdftotext", "-bbox", str(file), "-"], check=True, capture_output=True, text=True).stdout
    ends = [float(end) for end in re.findall(r'xMax="([\d.]+)"', places)]
    assert max(ends) < (210 - 16) / 25.4 * 72 + 1  # the right margin, in points


def test_breaks_stand_in_words_no_column_holds_and_spare_marks_and_khmer():
    assert keep_together("institutionnellement", "fr").count("\u200b") == 2
    assert keep_together("a" * 19 + " d'entreprise", "fr").count("\u200b") == 0
    assert keep_together("Ж" * 58, "en").count("\u200b") == 8
    assert "\u200b\u0301" not in keep_together("e\u0301" * 30, "en")
    assert keep_together("ក" * 58, "en").count("\u200b") == 0  # its faces' own rules break it


def test_words_from_right_to_left_are_shielded_in_a_sentence():
    s = Speaker("en")
    assert s.text(m.quote("شركات", "x")) == "\u2068شركات\u2069"
    assert s.text(m.quote("firms", "x")) == "firms"


def test_a_letter_no_face_has_is_named_with_its_field():
    with pytest.raises(RenderError, match=r"brief\.challenge: the character 'አ' \(U\+12A0\)"):
        render_pdf(compose(in_script("Arabic", challenge="አማርኛ")))


def test_faces_of_other_scripts_have_their_licence_and_list_of_characters():
    for name in SCRIPTS:
        assert (FONTS / f"OFL-noto_sans_{name.lower()}.txt").exists()
        assert (FONTS / f"coverage-{name.lower()}.txt").exists()
        assert f"NotoSans{name}" in (FONTS / "README.md").read_text(encoding="utf-8")

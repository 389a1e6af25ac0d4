"""The public functions take a path where a result goes in, and name what they were given where neither fits."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from support_run import run_once

import impact
from impact.results.record import evaluation_to_json

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_once(tmp_path_factory.mktemp("work") / "my-study")


def test_a_path_goes_wherever_its_result_goes(folder, tmp_path):
    study = impact.read_study(folder)
    record = evaluation_to_json(impact.evaluate(study))
    for given in (str(folder), folder, folder / "study.yaml"):
        assert evaluation_to_json(impact.evaluate(given)) == record
        assert impact.load_sample(given).sha256 == impact.load_sample(study).sha256
    table = pd.read_csv(folder / "firms.csv")
    assert impact.evaluate(folder, table).headline.estimate == impact.evaluate(study, table).headline.estimate
    for given in (str(folder), folder / "out", folder / "out" / "results.json"):
        assert impact.compose(given).record == impact.compose(impact.read_results(given)).record
        assert impact.audit(given).slug == "my-study"
        (file,) = impact.write_brief(given, out=tmp_path, formats=("html",))
        content = file.read_bytes()
        (file,) = impact.write_brief(impact.evaluate(study), out=tmp_path, formats=("html",))
        assert file.read_bytes() == content


@pytest.mark.parametrize("given", [None, 3, {"title": "A"}, pd.DataFrame({"a": [1]})], ids=lambda x: type(x).__name__)
@pytest.mark.parametrize(("name", "wanted"), [
    ("evaluate", "study must be a Study, a study file or its folder"),
    ("load_sample", "study must be a Study, a study file or its folder"),
    ("compose", "evaluation must be an Evaluation, a results.json or its folder"),
    ("write_brief", "evaluation must be an Evaluation, a results.json or its folder"),
    ("audit", "what must be an Evaluation, a Programme or the path of either"),
])
def test_anything_else_is_a_mistake_that_names_it(name, wanted, given):
    with pytest.raises(TypeError, match=f"{wanted}, not of type {type(given).__name__}"):
        getattr(impact, name)(given)


def test_what_was_swapped_is_named(folder):
    study = impact.read_study(folder)
    with pytest.raises(TypeError, match=r"not of type Study\. Estimate it first: impact\.evaluate\(study\)"):
        impact.compose(study)
    with pytest.raises(TypeError, match="a folder goes to out="):
        impact.write_brief(impact.evaluate(study), "out")
    with pytest.raises(TypeError, match="data must be a pandas DataFrame, not of type str; a file is named in the study"):
        impact.evaluate(study, "firms.csv")


def test_a_path_with_nothing_there_is_refused_in_a_sentence(tmp_path):
    for name in ("evaluate", "load_sample", "read_study", "compose", "write_brief", "audit", "read_results",
                 "read_programme"):
        with pytest.raises(impact.StudyError, match="does not exist"):
            getattr(impact, name)(tmp_path / "no")


@pytest.mark.parametrize(("name", "slug", "command"), [
    ("étude 1", "etude-1", 'impact run "étude 1"'), ("Ma Étude", "ma-etude", 'impact run "Ma Étude"'),
    ("my-study", "my-study", "impact run my-study"), ("ការសិក្សា", "study", 'impact run "ការសិក្សា"')])
def test_the_command_that_makes_a_record_again_names_the_folder_as_it_is(name, slug, command, folder, tmp_path):
    shutil.copytree(folder, tmp_path / name)
    evaluation = impact.evaluate(tmp_path / name)
    assert evaluation.study.slug == slug
    assert evaluation.provenance.command == command


def test_what_a_notebook_shows_of_a_result_is_short(folder):
    study = impact.read_study(folder)
    evaluation = impact.evaluate(study)
    self_check = impact.audit(evaluation)
    programme = impact.read_programme(ROOT / "examples" / "programmes" / "with-gaps")
    table = pd.read_csv(folder / "firms.csv").assign(age=lambda d: d.firm % 7)
    matched = impact.matching.nearest_neighbour(table, outcome="profit", treatment="offered", covariates=["age"])
    score = impact.matching.propensity_score(table, treatment="offered", covariates=["age"])
    shown = {"Study my-study: A trial": study, "Sample of my-study: firms.csv, 40 rows": impact.load_sample(study),
             "Evaluation of my-study: ": evaluation, "profit: 12 ": evaluation.headline,
             "Self-check of my-study (study; no audit, no rating): ": self_check,
             "Brief in en of 2026-11-21": impact.compose(evaluation, self_check), "Programme with-gaps: ": programme,
             "Self-check of with-gaps (programme; ": impact.audit(programme), "profit: ": matched,
             "MatchedSample (att): 20 of 20 treated and 20 of 20 comparison units used": matched.matched,
             "PropensityScore by logit: 40 rows (20 treated), 40 kept (no trimming)": score}
    for words, value in shown.items():
        assert repr(value).startswith(words), repr(value)[:200]
        assert len(repr(value)) < 2_500, words
    assert repr(evaluation).endswith(str(evaluation.headline))

"""The public functions take a path where a result goes in, and name what they were given where neither fits."""

import shutil

import pandas as pd
import pytest
from support_run import run_once

import impact
from impact.results.record import evaluation_to_json


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

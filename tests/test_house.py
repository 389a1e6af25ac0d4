"""Rules of the house: imports point down, the import is light, names and wheel are as promised."""

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import impact
from impact.study.methods import METHODS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "impact"
LAYERS = {
    "errors": 0, "study": 0, "results": 0, "programme": 0,
    "inference": 1, "data": 1, "indicators": 1, "costs": 1,
    "rct": 2, "did": 2, "matching": 2, "checks": 2,
    "dced": 3, "brief": 4,
    "evaluation": 5, "calls": 5, "examination": 5, "credibility": 5, "unmeasured": 5, "known": 5, "families": 5,
    "freshness": 5, "origin": 5, "library": 5,
    "notebook": 6, "cli": 6, "__main__": 6, "__init__": 6,
}
ALLOWED = {"programme": {"errors", "study", "results"},
           "dced": {"errors", "study", "results", "programme"}, "brief": {"errors", "study", "results", "dced"}}
HEAVY = ("numpy", "pandas", "scipy", "statsmodels", "matplotlib", "typst", "jinja2", "sklearn", "docx", "nbformat")


def imported(file: Path) -> set[str]:
    """Rooms of the house a module imports, type-only imports included."""
    out = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "impact":
            parts = node.module.split(".")
            out |= {parts[1]} if len(parts) > 1 else {a.name for a in node.names if a.name in LAYERS}
        elif isinstance(node, ast.Import):
            out |= {a.name.split(".")[1] for a in node.names if a.name.startswith("impact.")}
    return out


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = [f for f in sorted(PACKAGE.rglob("*.py")) if "_designs" not in f.parts]


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_point_down(file):
    here = room(file)
    if file == PACKAGE / "__init__.py":
        return  # the front door names every room, lazily
    for other in imported(file) - {here}:
        assert LAYERS[other] <= LAYERS[here], f"{here} imports {other}, which lies above it"
        if LAYERS[here] == LAYERS[other] == 2:
            pytest.fail(f"{here} and {other} are siblings and must not see each other")
        if here in ALLOWED:
            assert other in ALLOWED[here], f"{here} works from the record alone and must not import {other}"


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_modules_are_small(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_public_function_shares_its_modules_name():
    for file in MODULES:
        names = {n.name for n in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)}
        assert file.stem not in names, file


def loaded_by(code: str) -> list[str]:
    script = f"import sys\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return ast.literal_eval(done.stdout.strip().splitlines()[-1])


def test_import_impact_is_light():
    assert loaded_by("import impact; impact.read_study; impact.StudyError") == []


def test_help_is_light():
    assert loaded_by("from impact.cli import main\ntry:\n main(['--help'])\nexcept SystemExit:\n pass") == []


def test_public_names_are_reachable():
    for name in impact.__all__:
        assert getattr(impact, name) is not None
    assert set(impact.__all__) <= set(dir(impact))
    with pytest.raises(AttributeError):
        _ = impact.no_such_name


def test_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert impact.__version__ == project["version"]
    assert f"version: {impact.__version__}" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.parametrize("kind", METHODS)
def test_methods_a_study_may_name_are_the_functions_and_keywords(kind):
    module = getattr(impact, kind)
    apart = {"propensity_score", "aggregate_benchmark",  # their tables have another shape
             "bacon_decomposition", "compare", "drop_the_largest", "hidden_drift", "leave_one_cohort_out", "placebo_dates",
             "placebo_outcomes", "sensitivity", "unbalanced_agreement", "earlier_gaps",
             "earlier_growth"}  # these examine an estimate
    assert set(METHODS[kind]) == {n for n in module.__all__ if inspect.isfunction(getattr(module, n))} - apart
    set_by_the_study = {"data", "outcome", "treatment", "unit", "time", "first_treated", "transform", "conf_level",
                        "estimand", "control_group", "seed", "firm", "weighting", "encouragement", "worker", "wage",
                        "before", "after",  # periods in rows: a matching study has one row a unit
                        "score"}  # a result of Python, which no file holds
    for name, options in METHODS[kind].items():
        keywords = set(inspect.signature(getattr(module, name)).parameters)
        assert set(options) == keywords - (set_by_the_study - set(options)), name


@pytest.mark.parametrize("name", [(k, m) for k in METHODS for m in METHODS[k]], ids=lambda p: f"{p[0]}.{p[1]}")
def test_unknown_keywords_are_errors(name):
    kind, method = name
    with pytest.raises(TypeError, match="unexpected keyword"):
        getattr(getattr(impact, kind), method)(None, no_such_keyword=1)


def test_public_estimators_document_estimand_assumptions_and_proof():
    for kind, methods in METHODS.items():
        for method in methods:
            text = inspect.getdoc(getattr(getattr(impact, kind), method)) or ""
            for part in ("Parameters", "Returns", "Raises", "Reference case"):
                assert part in text or "As :func:" in text, f"{kind}.{method} lacks {part}"


PUBLIC = [f"{kind}.{name}" for kind in METHODS for name in getattr(impact, kind).__all__
          if inspect.isfunction(getattr(getattr(impact, kind), name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_says_its_estimand_its_assumptions_and_a_reference_that_exists(name):
    kind, function = name.split(".")
    text = " ".join((inspect.getdoc(getattr(getattr(impact, kind), function)) or "").split())
    for part in ("stimand", "ssum"):
        assert part in text, f"{name} does not speak of its {part}"
    proof = re.search(r"Reference cases?\b[^:]*: (.*)", text)
    assert proof is not None, f"{name} names no reference case"
    files = [*(ROOT / "tests").glob("*.py"), *(p for p in (ROOT / "tests" / "reference").rglob("*") if p.is_file())]
    known = {p.relative_to(ROOT).as_posix() for p in files}
    written = "".join(p.read_text(encoding="utf-8", errors="ignore") for p in files if p.name != "test_house.py")
    named = [*re.findall(r"tests/test_\w+\.py", proof[1]), *re.findall(r"\b(?:rct|did|match|bounds|inf|mt)_\w+", proof[1])]
    assert named or ":func:" in proof[1], f"{name} names no file or case"
    for case in named:
        assert case in known or case in written, f"{name} names {case}, which is not there"


DOCUMENTED = [*PUBLIC, *(f"{room}.{name}" for room in ("checks", "inference") for name in getattr(impact, room).__all__
                         if inspect.isfunction(getattr(getattr(impact, room), name)))]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_keyword_of_a_public_function_is_explained_and_no_other(name):
    room, function = name.split(".")
    keywords = set(inspect.signature(getattr(getattr(impact, room), function)).parameters)
    text = inspect.getdoc(getattr(getattr(impact, room), function)) or ""
    if "Parameters\n" not in text:
        assert "As :func:" in text, f"{name} explains no keyword"
        return
    part = re.split(r"\n\w[\w ]*\n-{3,}\n", text.split("Parameters\n----------\n")[1])[0]
    heads = re.findall(r"(?m)^(\*{0,2}\w+(?:, \*{0,2}\w+)*) :", part)
    listed = {word.lstrip("*") for head in heads for word in head.split(", ")}
    assert listed <= keywords, f"{name} explains {listed - keywords}, which it does not take"
    lacking = {word for word in keywords if not re.search(rf"\b{word}\b", part)}
    assert not lacking or "as :func:" in part, f"{name} does not explain {lacking}"


def test_the_project_speaks_of_itself_alone():
    banned = ("../shared/", "TODO", "FIXME", "session")
    for file in [*MODULES, *PACKAGE.rglob("*.j2"), *PACKAGE.rglob("*.typ"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        text = file.read_text(encoding="utf-8")
        for word in banned:
            assert word not in text, f"{file}: {word}"


def test_no_rows_of_data_are_committed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.splitlines():
        if name in [f"tests/reference/{made}.csv" for made in (
                "monte_carlo", "did_simulation", "matching_simulation", "pretest_size", "dced_artefacts")]:
            continue  # results and tables of our own, no data
        if name.startswith("examples/programmes/"):
            continue  # made up by hand or program, and small: tests/test_programme_examples.py looks
        assert not name.endswith((".csv", ".dta", ".sav", ".xlsx", ".parquet", ".pkl")), name
        assert "/out/" not in name


def test_example_notebooks_are_kept_without_outputs():
    for file in (ROOT / "examples").glob("*.ipynb"):
        for cell in json.loads(file.read_text())["cells"]:
            assert cell.get("outputs", []) == []
            assert cell.get("execution_count") is None


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return next(out.glob("*.whl"))


def test_the_wheel_holds_the_package_and_the_designs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"impact"}
    for needed in ("impact/py.typed", "impact/_designs/michigan-training-grants/study.yaml",
                   "impact/dced/standard/v8.yaml", "impact/brief/brief.typ", "impact/brief/brief.html.j2",
                   "impact/brief/fonts/BriefSans-Regular.ttf"):
        assert needed in names
    assert not [n for n in names if "/out/" in n or n.endswith((".ipynb", ".csv"))]
    assert [n for n in names if n.endswith(".woff2")]
    assert [n for n in names if "OFL" in n]


def test_the_wheel_installed_elsewhere_runs_a_design_by_slug(wheel, tmp_path):
    target, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target),
                    str(wheel)], check=True)
    code = (f"import sys; sys.path.insert(0, {str(target)!r}); import impact; assert {str(target)!r} in impact.__file__; "
            "from impact.cli import main; sys.exit(main(['run', 'michigan-training-grants', '--no-notebook']))")
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (work / "out" / "michigan-training-grants" / "brief.pdf").exists()
    assert not list(target.rglob("out"))

"""What README, CONTRIBUTING and CHANGELOG say is so: commands, functions, keys, files, links and layers."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
import yaml
from test_house import LAYERS

import impact
from impact.brief.references import COSTS, OF_AN_OUTCOME, REACHED, STAGES
from impact.cli import build_parser
from impact.dced.table import SHIPPED

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING, CHANGELOG = ((ROOT / name).read_text(encoding="utf-8")
                                   for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))
PAGES = [*ROOT.glob("*.md"), *(ROOT / "designs").rglob("*.md"), *(ROOT / "briefs").glob("*.md"),
         *(ROOT / "examples").glob("*.md"), *(ROOT / "examples" / "programmes").glob("*/README.md")]


def commands() -> list[str]:
    """Every command line a page shows, in a block or in a sentence."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = "\n".join(re.findall(r"```(?:bash|bat|sh)\n(.*?)```", text, re.DOTALL))
        found += [part.strip() for line in blocks.splitlines() for part in line.partition("#")[0].split("&&")]
        found += [" ".join(words.split()) for words in re.findall(r"`(impact [^`]+)`", text)]
    lines = [line.removeprefix("python -m ") for line in found]
    return sorted({line for line in lines if line.startswith("impact ") and "…" not in line})


@pytest.mark.parametrize("line", commands())
def test_every_command_shown_is_one_there_is(line, capsys):
    words = shlex.split(line.partition("|")[0])[1:]
    try:
        build_parser().parse_args(words)
    except SystemExit:  # a sentence may name a command without what it takes
        assert re.search("is missing|expected (one|2) argument", capsys.readouterr().err), line
    for word in words:
        if word.startswith(("designs/", "examples/")) and "<" not in word:
            assert (ROOT / word).exists(), line


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_and_picture_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_tables_of_functions_are_the_functions():
    table = README[README.index("## What it estimates today"):README.index("Each number is held")]
    named = set(re.findall(r"`([a-z_]+)`", table))
    public = {name: getattr(getattr(impact, kind), name) for kind in ("rct", "did", "matching", "checks")
              for name in getattr(impact, kind).__all__}
    assert named <= set(public)
    inner = {"pair_outcomes"}  # serves a check
    assert {name for name, what in public.items() if inspect.isfunction(what)} - named == inner


def test_the_keys_of_numbers_are_the_keys():
    text = README[README.index("Keys are `{profit.size}`"):README.index("Every sentence is read before")]
    value = ("cost_per_unit", "benefit_cost", "payback")
    assert set(re.findall(r"`\{([\w.]+)\}`", text)) == {
        *(f"profit.{key}" for key in (*OF_AN_OUTCOME, *value)), *(f"costs.{key}" for key in COSTS),
        *(f"n.{key}" for key in (*STAGES, "treated", "comparison", *REACHED))}


def test_the_layers_on_paper_are_the_layers_enforced():
    block = CONTRIBUTING[CONTRIBUTING.index("```\n6 "):]
    block = block[:block.index("```", 3)]
    told = {}
    for line in block.splitlines():
        if found := re.match(r"([0-6])  ([a-z_· ]+)", line):
            told |= {name: int(found[1]) for name in re.findall(r"[a-z_]+", re.split(r" {3,}", found[2])[0])}
    assert told == {name: layer for name, layer in LAYERS.items() if not name.startswith("__")}
    rooms = {p.name.removesuffix(".py") for p in (ROOT / "impact").iterdir()
             if (p.suffix == ".py" or (p / "__init__.py").exists()) and not p.name.startswith("_")}
    assert rooms == set(told)


def test_files_named_in_contributing_exist():
    named = re.findall(r"`((?:[a-z_]+/)+[\w{},.]*)`", CONTRIBUTING)
    assert len(named) > 15
    for name in named:
        stem, brace, rest = name.partition("{")
        endings = [f"{stem}{one}{rest.partition('}')[2]}" for one in rest.partition("}")[0].split(",")] if brace else [name]
        for path in endings:
            places = [ROOT / path, ROOT / "impact" / path, ROOT / "impact" / "brief" / path, ROOT / "examples" / path]
            assert path == "impact/_designs" or any(p.exists() for p in places), path


def test_every_version_says_which_numbers_change():
    versions = re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]
    assert versions
    for text in versions:
        assert "### Numbers that change\n" in text, text.splitlines()[0]


def test_the_items_of_the_standard_are_as_many_as_told():
    table = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    count = sum(len(point["criteria"]) for element in table["elements"] for point in element["control_points"])
    assert f"against {count}\n  items" in CHANGELOG

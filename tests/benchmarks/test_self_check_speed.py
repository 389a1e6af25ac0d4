"""Speed of the self-check of a large programme: 40 interventions, 300 documents; seconds printed, none asserted.

Run with ``pytest -m benchmark -s tests/benchmarks/test_self_check_speed.py``. The peer is PyYAML reading the same file in
the same run: whoever checks a programme must at least read it.
"""

import copy
import re
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from support_programme import DOCUMENTS, tree

from impact.dced import audit
from impact.dced.report.write import outputs
from impact.programme import read_programme

pytestmark = pytest.mark.benchmark

INTERVENTIONS, PAPERS = 40, 300
SHARED = ("documents", "staff", "tasks", "trainings", "costs", "accounts", "reports", "totals", "overlaps", "meetings",
          "decisions", "guidance", "circulations", "answers", "conventions")


def large(folder: Path) -> Path:
    """Write the small programme twenty times over, each copy with codes of its own, and 300 papers."""
    out = tree()
    pattern = re.compile(r"^(seeds|loans|copying_seeds)(?=$|_)")

    def renamed(value, n: int):
        if isinstance(value, str):
            return pattern.sub(rf"\g<1>{n}", value)
        if isinstance(value, list):
            return [renamed(x, n) for x in value]
        return {k: renamed(x, n) for k, x in value.items()} if isinstance(value, dict) else value

    small = copy.deepcopy(out)
    for n in range(1, INTERVENTIONS // 2):
        for key, value in small.items():
            if isinstance(value, list) and key not in (*SHARED, "donors"):
                out[key] += renamed([{**x, "owner": x["owner"]} if "owner" in x else x for x in value], n)
        for i in out["interventions"][-2:]:
            i["area"] = f"District {n}"
    owners = {s["id"] for s in out["staff"]}
    for key in ("interventions", "indicators", "questions", "rounds"):
        for x in out[key]:
            x["owner"] = x["owner"] if x["owner"] in owners else "measurer"
    names = list(DOCUMENTS)
    for n in range(len(names), PAPERS):
        base = out["documents"][n % len(names)]
        out["documents"].append({**base, "id": f"X{n}", "file": f"documents/X{n}.md"})
    (folder / "documents").mkdir()
    for document in out["documents"]:
        (folder / document["file"]).write_text(f"# {document['id']}\n" + f"Made-up words of {document['id']}. " * 4000,
                                               encoding="utf-8")
    file = folder / "programme.yaml"
    file.write_text(yaml.safe_dump(out, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


def seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def test_forty_interventions_and_three_hundred_documents(tmp_path):
    file = large(tmp_path)
    read = seconds(lambda: read_programme(file))
    programme = read_programme(file)
    assert len(programme.interventions) == INTERVENTIONS
    assert len(programme.documents) == PAPERS
    first = seconds(lambda: audit(programme))
    tracemalloc.start()
    found = audit(programme)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    write = seconds(lambda: outputs(found))
    peer = seconds(lambda: yaml.safe_load(file.read_text(encoding="utf-8")))
    sizes = ", ".join(f"{name} {len(content) / 1e6:.1f} MB" for name, content in outputs(found).items())
    print(f"\n{INTERVENTIONS} interventions, {PAPERS} documents, {file.stat().st_size / 1e6:.1f} MB of YAML")
    print(f"reading {read:.1f} s, checking {first:.1f} s (peak {peak / 1e6:.0f} MB), writing {write:.1f} s: {sizes}")
    print(f"PyYAML reads the same file in {peer:.1f} s: checking and writing take {(first + write) / peer:.1f} times that")
    print({v: sum(p.verdict == v for p in found.points) for v in ("on_file", "partly", "gap", "needs_person")})

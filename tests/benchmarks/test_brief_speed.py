"""Speed of one brief and of sixty, in every format, as a ratio to Chromium printing the same page in the same run.

Run with ``pytest -m benchmark -s tests/benchmarks/test_brief_speed.py``: it prints seconds and ratios, asserting none.
"""

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from support_records import sample_evaluation

from impact.brief import FORMATS, render_brief

pytestmark = pytest.mark.benchmark

CHROMIUM = shutil.which("chromium")
SET = 60


def seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def printed(page: Path, out: Path) -> None:
    subprocess.run([str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                    f"--user-data-dir={out.parent / 'profile'}", f"--print-to-pdf={out}", "--no-pdf-header-footer",
                    str(page)], check=True, capture_output=True, timeout=120)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: there is nothing to set the times against")
def test_one_brief_and_sixty(tmp_path):
    evaluation = sample_evaluation()
    first = seconds(lambda: render_brief(evaluation))  # with every library and face still to be read
    each = {name: min(seconds(lambda name=name: render_brief(evaluation, formats=(name,))) for _ in range(3))
            for name in FORMATS}
    one = min(seconds(lambda: render_brief(evaluation)) for _ in range(3))
    records = [replace(evaluation, study=replace(evaluation.study, slug=f"study-{i}", question=f"Question {i}?"))
               for i in range(SET)]
    sixty = seconds(lambda: [render_brief(record) for record in records])
    page = tmp_path / "brief.html"
    page.write_text(str(render_brief(evaluation, formats=("html",))["html"]), encoding="utf-8")
    peer = min(seconds(lambda: printed(page, tmp_path / "peer.pdf")) for _ in range(3))
    formats = ", ".join(f"{name} {took:.2f} s" for name, took in each.items())
    print(f"\nfirst brief, all formats: {first:.2f} s; then {one:.2f} s ({formats})")
    print(f"{SET} briefs, all formats: {sixty:.1f} s, {sixty / one:.1f} times one")
    print(f"Chromium prints the page alone in {peer:.2f} s: a PDF here takes {each['pdf'] / peer:.2f} times that")

"""A small trial in a folder of its own, run as a user would."""

from pathlib import Path

import pandas as pd

from impact.cli import main

STUDY = """\
schema: 1
title: A trial
question: Did the offer help?
programme: {name: P, country: C}
data: {file: firms.csv, simulated: true}
design: {kind: rct, estimand: itt, unit: firm, treatment: offered, assigned_by: firm}
outcomes:
  - {name: profit, column: profit, label: Profit, unit: USD a month, role: primary, better: higher}
analysis: {primary: {method: difference_in_means}, seed: 1}
brief: {date: 2026-11-21}
"""


def run_once(folder: Path) -> Path:
    """Make the study folder with its data, and run it without a notebook."""
    folder.mkdir()
    rows = [{"firm": i, "offered": i % 2, "profit": 100 + 7 * (i % 5) + 12 * (i % 2)} for i in range(40)]
    pd.DataFrame(rows).to_csv(folder / "firms.csv", index=False)
    (folder / "study.yaml").write_text(STUDY)
    assert main(["run", str(folder), "--no-notebook"]) == 0
    return folder

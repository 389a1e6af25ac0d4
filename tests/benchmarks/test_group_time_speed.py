"""Speed and memory of group-time effects with uniform bands, as ratios to named peers in the same run.

Run with ``pytest -m benchmark -s tests/benchmarks/test_group_time_speed.py``; nothing here asserts seconds or ratios, it
prints them. The environment variable ``UNITS`` makes the panel smaller than 500,000 units.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support_timing import seconds

from impact.did.group_time import group_time_att

pytestmark = pytest.mark.benchmark

UNITS = int(os.environ.get("UNITS", "500000"))
PERIODS, DRAWS = 8, 999


def panel(units: int) -> pd.DataFrame:
    """Four cohorts and never-treated units over eight periods; 0 stands for never, as the peers have it."""
    rng = np.random.default_rng(1)
    first = rng.choice((0, 4, 5, 6, 7), units, p=[0.4, 0.15, 0.15, 0.15, 0.15])
    periods = np.arange(1, PERIODS + 1)
    y = rng.normal(size=(units, 1)) + 0.1 * periods + rng.normal(size=(units, PERIODS))
    y += 0.5 * ((periods >= first[:, None]) & (first[:, None] > 0))
    return pd.DataFrame({"unit": np.repeat(np.arange(units), PERIODS), "t": np.tile(periods, units),
                         "g": np.repeat(first, PERIODS), "y": y.ravel()})


def ours(data: pd.DataFrame):
    effects = group_time_att(data, outcome="y", unit="unit", time="t", first_treated="first", control_group="never_treated",
                             draws=DRAWS)
    return effects, effects.aggregate("dynamic")


def report(peer: str, mine: float, theirs: float) -> None:
    print(f"\n{UNITS:,} units x {PERIODS} periods, {DRAWS} draws: {mine:.2f} s; {peer}: {theirs:.2f} s; "
          f"ratio {theirs / mine:.1f}")


def test_against_csdid():
    peer = pytest.importorskip("csdid.att_gt", reason="the peer csdid is not installed")
    data = panel(UNITS)
    mine = data.assign(first=data["g"].where(data["g"] > 0))
    ours(panel(500).assign(first=lambda d: d["g"].where(d["g"] > 0)))  # imports are not counted on either side

    def theirs():
        fit = peer.ATTgt("y", "t", "unit", "g", data, control_group="nevertreated", cband=True, biters=DRAWS)
        return fit.fit(est_method="reg", bstrap=True)

    report("csdid", seconds(lambda: ours(mine)), seconds(theirs, 1))


def test_against_diff_diff():
    peer = pytest.importorskip("diff_diff", reason="the peer diff-diff is not installed")
    data = panel(UNITS)
    mine = data.assign(first=data["g"].where(data["g"] > 0))
    ours(panel(500).assign(first=lambda d: d["g"].where(d["g"] > 0)))
    found = {}

    def theirs():
        found["peer"] = peer.CallawaySantAnna(n_bootstrap=DRAWS, seed=1).fit(data, "y", "unit", "t", "g")

    report("diff-diff", seconds(lambda: found.update(mine=ours(mine)[0])), seconds(theirs))
    cell = next(r for r in found["mine"].rows[1:] if (r.cohort, r.period) == ("5", "6"))
    assert cell.estimate == pytest.approx(found["peer"].group_time_effects[(5, 6)]["effect"], rel=1e-9)


def test_memory_beyond_the_data():
    """In a process of its own (Linux): the peak after estimating less the peak when the table stands."""
    code = (f"import re, sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            "from test_group_time_speed import ours, panel\n"
            "ours(panel(500).assign(first=lambda d: d['g'].where(d['g'] > 0)))\n"
            f"data = panel({UNITS})\ndata['first'] = data['g'].where(data['g'] > 0)\n"
            "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1e6\n"
            "before = peak()\nours(data)\nprint(peak() - before, before)\n")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    more, before = (float(x) for x in out.stdout.split())
    print(f"\n{UNITS:,} units x {PERIODS} periods: {more:.2f} GB beyond the {before:.2f} GB with the table made")

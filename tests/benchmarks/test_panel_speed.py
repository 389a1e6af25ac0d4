"""Speed of two-way fixed effects and of imputation, as ratios to named peers in the same run.

Run with ``pytest -m benchmark -s tests/benchmarks/test_panel_speed.py``; nothing here asserts seconds or ratios, it prints
them, once both sides have given the same numbers. The environment variable ``UNITS`` makes the first panel smaller than
125,000 units.
"""

import os
import warnings

import numpy as np
import pandas as pd
import pytest
from support_timing import seconds

from impact.did import imputation, two_way_fixed_effects

pytestmark = pytest.mark.benchmark

UNITS = int(os.environ.get("UNITS", "125000"))
PERIODS = 8
NAMES = {"outcome": "y", "unit": "unit", "time": "t"}


def panel(units: int) -> pd.DataFrame:
    """Four cohorts and never-treated units over eight periods; in ``g`` 0 stands for never, as a peer has it."""
    rng = np.random.default_rng(1)
    first = rng.choice((0, 4, 5, 6, 7), units, p=[0.4, 0.15, 0.15, 0.15, 0.15])
    periods = np.arange(1, PERIODS + 1)
    on = (periods >= first[:, None]) & (first[:, None] > 0)
    y = rng.normal(size=(units, 1)) + 0.1 * periods + rng.normal(size=(units, PERIODS)) + 0.5 * on
    return pd.DataFrame({"unit": np.repeat(np.arange(units), PERIODS), "t": np.tile(periods, units), "y": y.ravel(),
                         "g": np.repeat(first, PERIODS), "d": on.ravel().astype(int)}).assign(
                             first=lambda table: table["g"].where(table["g"] > 0))


def with_gaps(data: pd.DataFrame) -> pd.DataFrame:
    """Names of units in words, and a tenth of the rows missing."""
    kept = data[np.random.default_rng(2).random(len(data)) > 0.1].reset_index(drop=True)
    return kept.assign(unit=[f"F{u:07d}" for u in kept["unit"]])


def test_two_way_fixed_effects_against_pyfixest():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pytest.importorskip("pyfixest", reason="the peer pyfixest is not installed")
    data, found = panel(UNITS), {}

    def ours(table: pd.DataFrame = data) -> None:
        found["ours"] = two_way_fixed_effects(table, **NAMES, treatment="d")

    def theirs(table: pd.DataFrame = data) -> None:
        found["theirs"] = peer.feols("y ~ d | unit + t", table, vcov={"CRV1": "unit"})

    small = panel(500)  # imports and compilation are not counted on either side
    seconds(lambda: (ours(small), theirs(small)), 1)
    mine, yours = seconds(ours, 5), seconds(theirs, 5)
    e, peers = found["ours"], found["theirs"]
    assert e.estimate == pytest.approx(float(peers.coef()["d"]), rel=1e-7)
    assert e.std_error == pytest.approx(float(peers.se()["d"]), rel=1e-7)
    print(f"\ntwo-way fixed effects, {len(data):,} rows, clustered: {mine:.2f} s; pyfixest: {yours:.2f} s; "
          f"ratio {yours / mine:.1f}")


@pytest.mark.parametrize("gaps", [False, True])
def test_imputation_against_diff_diff(gaps):
    peer = pytest.importorskip("diff_diff", reason="the peer diff-diff is not installed")
    data, found = panel(5_000), {}
    if gaps:
        data = with_gaps(data)

    def ours(leads: int | None = 0) -> None:
        found["ours"] = imputation(data, **NAMES, first_treated="first", leads=leads)

    def theirs() -> None:
        found["theirs"] = peer.ImputationDiD().fit(data, "y", "unit", "t", "g")

    seconds(lambda: (ours(None), theirs()), 1)
    mine, yours, tested = seconds(ours, 15), seconds(theirs, 15), seconds(lambda: ours(None), 15)
    e, peers = found["ours"].headline, found["theirs"]
    assert e.estimate == pytest.approx(peers.overall_att, rel=1e-7)
    assert e.std_error == pytest.approx(peers.overall_se, rel=1e-7)
    what = f"{len(data):,} rows{', gaps, ids in words' if gaps else ''}"
    test = f"with the test of earlier trends {1000 * tested:.0f} ms"
    print(f"\nimputation, {what}: {1000 * mine:.0f} ms ({test}); diff-diff: "
          f"{1000 * yours:.0f} ms; ratio {yours / mine:.1f} ({yours / tested:.1f})")

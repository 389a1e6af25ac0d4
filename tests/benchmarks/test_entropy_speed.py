"""Speed of entropy balancing, as a ratio to scipy's BFGS on the same dual in the same run.

Run with ``pytest -m benchmark -s tests/benchmarks/test_entropy_speed.py``: it prints seconds and ratios, asserting none.
"""


import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from support_timing import seconds

from impact.matching.entropy import balancing_weights, entropy_balance

pytestmark = pytest.mark.benchmark

ROWS, COVARIATES = 100_000, 20
NAMES = [f"x{j}" for j in range(COVARIATES)]


def firms(kind: str) -> pd.DataFrame:
    """Traits that push firms into a programme: normal, skewed as wages are, or sales of twenty quarters in a row."""
    rng = np.random.default_rng(20261122)
    x = rng.normal(size=(ROWS, COVARIATES))
    x = x.cumsum(axis=1) / 3 + rng.normal(size=(ROWS, 1)) if kind == "lags" else x + rng.normal(size=(ROWS, 1))
    push = 0.25 * (x[:, :6].sum(axis=1) - x[:, 6:12].sum(axis=1)) - 1
    treated = (rng.random(ROWS) < 1 / (1 + np.exp(-push))) * 1.0
    x = np.exp(x / 2) if kind == "skewed" else x
    return pd.DataFrame(x, columns=NAMES).assign(treated=treated, profit=x[:, 0] + treated + rng.normal(size=ROWS))


@pytest.mark.parametrize("kind", ["normal", "skewed", "lags"])
def test_newton_against_bfgs_on_the_same_dual(kind):
    data = firms(kind)
    x = data[NAMES].to_numpy()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    one = data["treated"].to_numpy() == 1
    columns, base = np.ascontiguousarray(x[~one] - x[one].mean(axis=0)), np.ones(int((~one).sum()))

    def dual(multipliers):
        exponent = columns @ multipliers
        top = exponent.max()
        raw = np.exp(exponent - top)
        return top + np.log(raw.sum()), raw @ columns / raw.sum()

    def theirs():
        return optimize.minimize(dual, np.zeros(COVARIATES), jac=True, method="BFGS", options={"gtol": 1e-9})

    mine, peer = seconds(lambda: balancing_weights(columns, base)), seconds(theirs)
    ours, found = balancing_weights(columns, base), theirs()
    whole = seconds(lambda: entropy_balance(data, outcome="profit", treatment="treated", covariates=NAMES), 1)
    print(f"\n{ROWS:,} rows x {COVARIATES} covariates ({kind}): dual {mine:.2f} s, imbalance "
          f"{ours.imbalance:.0e}; scipy BFGS {peer:.2f} s, {found.nit} steps, imbalance {np.abs(found.jac).max():.0e}; "
          f"ratio {peer / mine:.1f}; the whole estimate {whole:.2f} s")
    assert ours.imbalance < 1e-6
    assert ours.dual == pytest.approx(found.x, abs=1e-4)

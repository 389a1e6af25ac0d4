"""Where each error of matching and weighting holds and where it fails: coverage by simulation.

``python tests/test_matching_simulation.py`` makes ``reference/matching_simulation.csv`` again; ``pytest -m slow`` remakes
part of it. Coverage is how often the 95 % interval holds the average effect of the law the firms are drawn from; effects
grow with a trait, so that those who take part gain more than the others would.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support_tables import REFERENCE, make_again, read_table

from impact import matching

STORE = REFERENCE / "matching_simulation.csv"
SEED = 20261123
REPLICATIONS = 2_000
FIELDS = ("cell", "method", "estimand", "law", "units", "replications", "truth", "bias_to_spread", "error_to_spread",
          "coverage", "mc_error", "verdict", "caveat")
SMALL = 0.25  # bias below this share of the estimates' spread takes little from coverage


@dataclass(frozen=True)
class Cell:
    """One line of the table: the law firms are drawn from, the method, and the caveat of a cell that fails."""

    name: str
    method: str
    estimand: str
    law: str = "smooth"
    units: int = 500
    caveat: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def firms(law: str, n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Firms, the effect on each and its chance of taking part.

    smooth: two normal traits, a logit score, noise that grows with a trait, effects 1 + 0.5 of a trait. steady: the same
    with one effect for all, for methods that leave firms out. cells: traits with few values. markets: 60 markets that take
    part and fare together.
    """
    market = np.zeros(n, dtype=np.int64)
    if law == "cells":
        x = np.column_stack([rng.integers(0, 3, n), rng.integers(0, 2, n)]).astype(float)
    else:
        x = rng.normal(size=(n, 2))
    common = np.zeros(n)
    if law == "markets":
        market = rng.integers(0, 60, n)
        x[:, 0] = 0.6 * rng.normal(size=60)[market] + 0.8 * x[:, 0]
        common = 0.5 * rng.normal(size=60)[market]
    chance = 1 / (1 + np.exp(1 - 0.5 * (x - x.mean(axis=0) * (law == "cells")).sum(axis=1)))
    if law == "markets":  # who takes part goes by market, beside the traits
        pull = rng.normal(size=60)[market] * 0.5
        chance = 1 / (1 + np.exp(1 - 0.5 * x.sum(axis=1) - pull))
    d = (rng.random(n) < chance).astype(float)
    gain = np.ones(n) if law == "steady" else 1.0 + 0.5 * x[:, 0]
    y = x.sum(axis=1) + d * gain + common + rng.normal(size=n) * (1 + 0.3 * np.abs(x[:, 0]))
    return pd.DataFrame({"age": x[:, 0], "size": x[:, 1], "joined": d, "profit": y, "market": market}), gain, chance


@cache
def truth(law: str, estimand: str) -> float:
    """Average effect of the law, over so many firms that its own error does not count."""
    _, gain, p = firms(law, 4_000_000, np.random.default_rng([SEED, 1]))
    weight = {"att": p, "atc": 1 - p, "ate": np.ones(len(p)), "ato": p * (1 - p), "matching": np.minimum(p, 1 - p)}
    return float(np.average(gain, weights=weight[estimand]))


def _cells() -> dict[str, Cell]:
    nn, made = "nearest_neighbour", []

    def add(name: str, method: str, estimands: str, caveat: str = "", law: str = "smooth", units: int = 500,
            **options: Any) -> None:
        made.extend(Cell(name=f"{name}_{e}", method=method, estimand=e, law=law, units=units, caveat=caveat,
                         options=options) for e in estimands.split())

    add("score_replace", nn, "att atc ate", replace=True)
    add("score_replace_unadjusted", nn, "att", replace=True, bias_adjustment=False)
    add("score_replace_one_variance", nn, "att", replace=True, variance_matches=0)
    add("score_replace_estimated", nn, "att atc ate", replace=True, estimated_score=True)
    add("score_replace_100", nn, "att", "few_units_large_sample", units=100, replace=True)
    add("mahalanobis_replace", nn, "att ate", replace=True, distance="mahalanobis")
    add("mahalanobis_replace_4", nn, "att", replace=True, distance="mahalanobis", neighbours=4)
    add("mahalanobis_replace_unadjusted", nn, "att", replace=True, distance="mahalanobis", bias_adjustment=False)
    add("score_pairs", nn, "att")
    add("score_pairs_unadjusted", nn, "att", "not_bias_adjusted", bias_adjustment=False)
    add("score_pairs_caliper", nn, "att", law="steady", caliper=0.2)
    add("score_pairs_caliper_unadjusted", nn, "att", "not_bias_adjusted", law="steady", caliper=0.2, bias_adjustment=False)
    add("optimal_pairs", "optimal_pairs", "att", "not_bias_adjusted")
    add("optimal_pairs_adjusted", "optimal_pairs", "att", bias_adjustment=True)
    add("full", "full_matching", "att ate")
    add("exact", "exact", "att atc ate", "large_strata", law="cells")
    add("coarsened", "coarsened_exact", "att", law="steady")
    add("coarsened_cells", "coarsened_exact", "att", "large_strata", law="cells", bins="exact")
    add("classes_6", "subclassification", "att ate", "large_strata")
    add("classes_20", "subclassification", "att", "large_strata", units=2_000, classes=20)
    add("weights", "inverse_probability", "att ato matching")
    add("weights", "inverse_probability", "atc ate", "outside_support")
    add("weights_100", "inverse_probability", "att", units=100)
    add("weights_markets", "inverse_probability", "att", law="markets", cluster="market")
    add("weights_markets", "inverse_probability", "ate", "outside_support", law="markets", cluster="market")
    add("entropy", "entropy_balance", "att atc ate")
    add("entropy_2", "entropy_balance", "att", moments=2)
    add("entropy_100", "entropy_balance", "att", "few_units_large_sample", units=100)
    add("entropy_fixed_target", "entropy_balance", "att", "fixed_target", fixed_target=True)
    add("entropy_markets", "entropy_balance", "att", law="markets", cluster="market")
    add("aipw", "aipw", "att atc ate")
    add("aipw_influence", "aipw", "ate", vcov="IF")
    add("aipw_folds", "aipw", "att ate", folds=5)
    add("aipw_100", "aipw", "att", "few_units_large_sample", units=100)
    add("aipw_markets", "aipw", "ate", law="markets", cluster="market")
    add("regression", "regression_adjustment", "att atc ate")
    add("regression_100", "regression_adjustment", "att", units=100)
    return {cell.name: cell for cell in made}


CELLS = _cells()
# for those who did not take part, at 0.932: a little short, and nothing in one data set tells it
WITHOUT = ("score_replace_estimated_atc", "entropy_atc")
CALL = {"outcome": "profit", "treatment": "joined", "covariates": ["age", "size"]}


def one(cell: Cell, data: pd.DataFrame) -> matching.MatchedEstimate:
    return getattr(matching, cell.method)(data, **CALL, estimand=cell.estimand, **cell.options)


def simulate(name: str) -> dict[str, object]:
    """Run one cell."""
    cell = CELLS[name]
    effect = truth(cell.law, cell.estimand)
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    found = []
    for _ in range(REPLICATIONS):
        e = one(cell, firms(cell.law, cell.units, rng)[0])
        found.append((e.estimate, e.std_error, e.conf_low <= effect <= e.conf_high))
    estimate, error, held = np.array(found, dtype=float).T
    spread = float(estimate.std(ddof=1))
    share, bias = round(float(held.mean()), 4), round((float(estimate.mean()) - effect) / spread, 3)
    mc_error = round(math.sqrt(0.05 * 0.95 / REPLICATIONS), 4)
    return {"cell": name, "method": cell.method, "estimand": cell.estimand, "law": cell.law, "units": cell.units,
            "replications": REPLICATIONS, "truth": f"{effect:.3f}", "bias_to_spread": f"{bias:.3f}",
            "error_to_spread": f"{float(error.mean()) / spread:.3f}", "coverage": f"{share:.4f}",
            "mc_error": f"{mc_error:.4f}", "verdict": verdict(share, bias, mc_error), "caveat": cell.caveat}


def verdict(coverage: float, bias: float, mc_error: float) -> str:
    """Name a cell by its Monte-Carlo error: within three of them of 95 per cent it holds.

    Below, but within a point and two errors, it covers a little too rarely; further off too rarely, and why.
    """
    if coverage > 0.95 + 3 * mc_error:
        return "cautious"
    if coverage >= 0.95 - 3 * mc_error:
        return "holds"
    if coverage >= 0.95 - 0.01 - 2 * mc_error:
        return "a little too rarely"
    return "covers too rarely: bias" if abs(bias) > SMALL else "covers too rarely: error"


def test_every_cell_has_its_line_and_every_line_its_cell():
    assert [row["cell"] for row in stored()] == list(CELLS)
    assert all(int(row["replications"]) == REPLICATIONS for row in stored())


def test_each_verdict_follows_from_its_numbers():
    for row in stored():
        made = verdict(float(row["coverage"]), float(row["bias_to_spread"]), float(row["mc_error"]))
        assert row["verdict"] == made, row["cell"]


def test_no_default_fails_and_no_interval_is_far_too_short():
    """What fails are choices: pairs without adjustment, strata of many firms, few firms, weights beyond the support."""
    by = {row["cell"]: row for row in stored()}
    for name in ("score_replace_att", "score_replace_ate", "mahalanobis_replace_att", "score_pairs_att", "full_att",
                 "weights_att", "entropy_att", "aipw_att", "regression_att", "score_replace_estimated_att"):
        assert by[name]["verdict"] == "holds", name
    assert all(float(row["coverage"]) > 0.9 for row in stored() if row["caveat"] != "not_bias_adjusted")


@pytest.mark.parametrize("name", [n for n, c in CELLS.items() if c.caveat])
def test_a_cell_that_fails_says_so_in_every_estimate(name):
    cell, rng = CELLS[name], np.random.default_rng([SEED, zlib.crc32(name.encode())])
    told = [one(cell, firms(cell.law, cell.units, rng)[0]).has_caveat(cell.caveat) for _ in range(40)]
    assert np.mean(told) >= 0.95, np.mean(told)


def test_what_fails_has_its_caveat():
    for row in stored():
        assert row["verdict"] == "holds" or row["caveat"] or row["cell"] in WITHOUT, row
        assert row["caveat"] == CELLS[row["cell"]].caveat


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CELLS)[::6])
def test_a_cell_is_made_again(name):
    row = next(r for r in stored() if r["cell"] == name)
    made = {k: str(v) for k, v in simulate(name).items()}
    for key in FIELDS:
        if key in ("coverage", "bias_to_spread", "error_to_spread"):  # a tie in the last digit may turn another way
            assert float(made[key]) == pytest.approx(float(row[key]), abs=0.002)
        else:
            assert made[key] == row[key]


def stored() -> list[dict[str, str]]:
    return read_table(STORE)


if __name__ == "__main__":
    make_again(simulate, CELLS, STORE, FIELDS)

"""Where each error of a trial holds and where it fails, on firm data with heavy tails: size and coverage by simulation.

``python tests/test_monte_carlo.py`` makes ``reference/monte_carlo.csv`` again; ``pytest -m slow`` remakes part of it.
Size is how often 'no effect' is rejected at 5 % when the programme changes nobody's outcome; coverage how often the
95 % interval holds the average effect when effects differ between firms and grow with their size.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from support_tables import REFERENCE, make_again, read_table

from impact.errors import DesignError
from impact.inference import covariance, infer, least_squares, satterthwaite_df
from impact.inference.assignment import declared_draw
from impact.inference.bootstrap import wild_cluster_bootstrap
from impact.inference.contrasts import difference
from impact.inference.randomisation import randomisation_test
from impact.rct import ancova, difference_in_means, late, lin

STORE = REFERENCE / "monte_carlo.csv"
SEED = 20261122
FIELDS = ("cell", "method", "units", "clusters", "treated", "outcome", "replications", "size", "coverage", "mc_error",
          "bias_to_spread", "verdict")
EFFECT = 0.5  # mean effect, in standard deviations of a normal outcome; in medians of a heavy-tailed one

Answer = tuple[float, bool, bool]  # estimate, whether zero is rejected, whether the truth is held
Method = Callable[[pd.DataFrame, float], Answer]


@dataclass(frozen=True)
class Cell:
    """One line of the table: how firms are drawn, and how the effect is found."""

    method: str
    units: int
    clusters: int
    treated: int
    outcome: str
    replications: int
    takeup: float = 1.0
    blocks: int = 0

    @property
    def name(self) -> str:
        groups = f"_{self.treated}of{self.clusters}" if self.clusters else ""
        share = f"_takeup{self.takeup:g}" if self.takeup < 1 else ""
        within = f"_in{self.blocks}" if self.blocks else ""
        return f"{self.method}_{self.units}{groups}{within}_{self.outcome}{share}"


def firms(cell: Cell, effect: float, rng: np.random.Generator) -> tuple[pd.DataFrame, float]:
    """Firms with a baseline, in markets where the cell has them; the truth is the mean effect of these firms.

    Heavy tails: lognormal with sigma 1.2, a tenth of the firms at zero. Markets share a tenth of the (log) spread and
    differ in size, more so in blocks, each of which draws as many. The effect of a firm grows with its baseline.
    """
    n = cell.units
    market = np.arange(n)
    if cell.clusters:
        weights = rng.dirichlet(np.full(cell.clusters, 1.0 if cell.blocks else 4.0))
        market = np.concatenate([np.arange(cell.clusters), rng.choice(cell.clusters, n - cell.clusters, p=weights)])
    common = rng.normal(0, math.sqrt(0.1), int(market.max()) + 1)[market] if cell.clusters else np.zeros(n)
    lasting, before, after = rng.normal(size=(3, n))
    low = math.sqrt(0.5)
    x, y = common + low * (lasting + before), common + low * (lasting + after)
    if cell.outcome == "heavy":
        x, y = np.exp(1.2 * x) * (rng.random(n) > 0.1), np.exp(1.2 * y) * (rng.random(n) > 0.1)
        gain = effect * (0.5 + 0.5 * x / math.exp(0.72))
    else:
        gain = effect * (1 + 0.5 * x)
    groups = cell.clusters or n
    parts = max(cell.blocks, 1)
    lots = np.repeat([1.0, 0.0], [cell.treated // parts, (groups - cell.treated) // parts])
    drawn = np.concatenate([rng.permutation(lots) for _ in range(parts)])[market]
    taken = drawn * (rng.random(n) < cell.takeup)
    truth = float(gain.mean()) if cell.takeup == 1 else effect  # compliers are drawn at random here
    if cell.takeup < 1:
        gain = np.full(n, effect)
    return pd.DataFrame({"market": market, "block": market // (groups // parts), "d": drawn, "took": taken,
                         "before": x, "y": y + taken * gain}), truth


def of(e: object, truth: float) -> Answer:
    held = any((s.low is None or s.low <= truth) and (s.high is None or truth <= s.high) for s in e.interval)
    return e.estimate, e.excludes_zero, held


def cr2(data: pd.DataFrame, truth: float) -> Answer:
    """The bare kernel, which also answers where the estimators refuse: one treated market."""
    d, codes = data["d"].to_numpy(), data["market"].to_numpy()
    fit = least_squares(np.column_stack([np.ones(len(d)), d]), data["y"].to_numpy(), ("one", "d"))
    cov = covariance(fit, "CR2", codes)
    pick = np.array([0.0, 1.0])
    i = infer(float(fit.coefficients[1]), cov.std_error(pick), satterthwaite_df(fit, cov, pick))
    if i.conf_low is None:
        return i.estimate, False, True
    return i.estimate, not i.conf_low <= 0 <= i.conf_high, i.conf_low <= truth <= i.conf_high


def blocked(data: pd.DataFrame, truth: float) -> Answer:
    """The blocks' average by the degrees of freedom counted from the draw."""
    c = difference(data["y"].to_numpy(), data["d"].to_numpy(), blocks=data["block"].to_numpy(),
                   clusters=data["market"].to_numpy())
    i = infer(c.estimate, c.std_error, c.df)
    return i.estimate, not i.conf_low <= 0 <= i.conf_high, i.conf_low <= truth <= i.conf_high


def redrawn(data: pd.DataFrame, truth: float) -> Answer:
    """Re-randomisation, studentised; an effect is held when the same test does not reject it."""
    draw = declared_draw(data["d"].to_numpy(), clusters=data["market"].to_numpy())
    d = data["d"].to_numpy()
    test = randomisation_test(np.column_stack([data["y"], data["y"] - truth * d]), draw, draws=999, seed=1,
                              most_enumerated=2_000)
    return float(test.estimate[0]), bool(test.p_value[0] <= 0.05), bool(test.p_value[1] > 0.05)


def wild(data: pd.DataFrame, truth: float) -> Answer:
    d, codes, one = data["d"].to_numpy(), data["market"].to_numpy(), np.ones((len(data), 1))
    y = data["y"].to_numpy()
    zero = wild_cluster_bootstrap(y, d, one, codes, draws=999, seed=1)
    there = wild_cluster_bootstrap(y - truth * d, d, one, codes, draws=999, seed=1)
    gap = float(y[d == 1].mean() - y[d == 0].mean())
    return gap, bool(zero.p_value_ties[0] <= 0.05), bool(there.p_value_ties[0] > 0.05)


METHODS: dict[str, Method] = {
    "difference_in_means": lambda t, b: of(difference_in_means(t, outcome="y", treatment="d"), b),
    "ancova": lambda t, b: of(ancova(t, outcome="y", treatment="d", baseline="before"), b),
    "lin": lambda t, b: of(lin(t, outcome="y", treatment="d", covariates=["before"]), b),
    "late": lambda t, b: of(late(t, outcome="y", treatment="d", takeup="took"), b),
    "cr2": cr2, "randomisation": redrawn, "wild_bootstrap": wild,
    "blocked": blocked,
}


def _cells() -> dict[str, Cell]:
    out = [Cell(m, n, 0, n // 2, tails, 10_000) for m in ("difference_in_means", "ancova", "lin")
           for n in (30, 60, 200) for tails in ("normal", "heavy")]
    sizes = [(g, t) for g in (8, 20, 60) for t in (1, 3, g // 2)]
    out += [Cell("cr2", 10 * g, g, t, tails, 10_000) for g, t in sizes for tails in ("normal", "heavy")]
    out += [Cell(m, 10 * g, g, t, "heavy", 2_000) for m in ("randomisation", "wild_bootstrap") for g, t in sizes]
    out += [Cell("late", n, 0, n // 2, tails, 4_000, takeup) for n in (100, 400) for takeup in (0.8, 0.2)
            for tails in ("normal", "heavy")]
    out += [Cell("blocked", 320, 32, 8, tails, 1_000, blocks=4) for tails in ("normal", "heavy")]
    return {cell.name: cell for cell in out}


CELLS = _cells()


def simulate(name: str) -> dict[str, object]:
    """Run one cell twice, without and with an effect."""
    cell = CELLS[name]
    method = METHODS[cell.method]
    rejected = held = 0
    gaps = []
    for effect, run in ((0.0, 0), (EFFECT, 1)):
        rng = np.random.default_rng([SEED, zlib.crc32(name.encode()), run])
        for _ in range(cell.replications):
            data, truth = firms(cell, effect, rng)
            estimate, rejects, holds = method(data, truth)
            if run:
                held += holds
                gaps.append(estimate - truth)
            else:
                rejected += rejects
    size, coverage = round(rejected / cell.replications, 4), round(held / cell.replications, 4)
    error = round(math.sqrt(0.05 * 0.95 / cell.replications), 4)  # a verdict is on the numbers as printed
    spread = float(np.std(gaps, ddof=1))
    centre = float(np.mean(gaps))
    if cell.method == "late":  # a ratio has no mean when the offer moves few: its middle is what can be centred
        centre, spread = float(np.median(gaps)), float(np.subtract(*np.percentile(gaps, [75, 25])) / 1.349)
    return {"cell": name, "method": cell.method, "units": cell.units, "clusters": cell.clusters, "treated": cell.treated,
            "outcome": cell.outcome, "replications": cell.replications, "size": f"{size:.4f}",
            "coverage": f"{coverage:.4f}", "mc_error": f"{error:.4f}", "bias_to_spread": f"{centre / spread:.3f}",
            "verdict": verdict(size, coverage, error)}


def verdict(size: float, coverage: float, error: float) -> str:
    """Name a cell: within a point (and two Monte-Carlo errors) of what is promised, or on which side it fails."""
    room = 0.01 + 2 * error
    words = []
    if size > 0.05 + room:
        words.append("rejects too often")
    if coverage < 0.95 - room:
        words.append("covers too rarely")
    if size < 0.05 - room - 1e-9 or (size < 0.02 and coverage > 0.975):
        words.append("cautious")
    return ", ".join(words) or "holds"


def stored() -> list[dict[str, str]]:
    return read_table(STORE)


def test_every_cell_has_its_line_and_every_line_its_cell():
    assert [row["cell"] for row in stored()] == list(CELLS)
    for row in stored():
        assert int(row["replications"]) == CELLS[row["cell"]].replications


def test_each_verdict_follows_from_its_numbers():
    for row in stored():
        assert row["verdict"] == verdict(float(row["size"]), float(row["coverage"]), float(row["mc_error"])), row["cell"]


def test_one_treated_market_is_refused_where_the_table_shows_that_its_error_fails():
    failing = [row for row in stored() if row["method"] == "cr2" and row["treated"] == "1"]
    assert failing
    assert all("covers too rarely" in row["verdict"] or "cautious" in row["verdict"] or
               "rejects too often" in row["verdict"] for row in failing)
    data, _ = firms(CELLS["cr2_80_1of8_normal"], 0.0, np.random.default_rng(1))
    with pytest.raises(DesignError, match="two on each side"):
        difference_in_means(data, outcome="y", treatment="d", cluster="market")


def test_re_randomisation_keeps_its_size_everywhere():
    assert all(float(row["size"]) <= 0.05 + 3 * float(row["mc_error"]) for row in stored()
               if row["method"] == "randomisation")


def test_the_degrees_of_freedom_counted_in_uneven_blocks_reject_too_often_and_the_caveat_says_so():
    assert {row["verdict"] for row in stored() if row["method"] == "blocked"} == {
        "rejects too often, covers too rarely"}
    data, _ = firms(CELLS["blocked_320_8of32_in4_normal"], 0.0, np.random.default_rng(1))
    assert difference_in_means(data, outcome="y", treatment="d", strata="block", cluster="market").has_caveat("blocked_df")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, c in CELLS.items() if c.units <= 80 and c.method != "lin"])
def test_a_cell_is_made_again(name):
    row = next(r for r in stored() if r["cell"] == name)
    made = simulate(name)
    assert {k: str(v) for k, v in made.items()} == row


if __name__ == "__main__":
    make_again(simulate, CELLS, STORE, FIELDS)

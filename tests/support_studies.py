"""Small studies declared in place, for tests that pass their own table."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd

from impact.study import study_from_mapping
from impact.study.types import Study

DESIGNS: dict[str, dict[str, Any]] = {
    "rct": {"kind": "rct", "estimand": "itt", "unit": "firm", "treatment": "offered", "assigned_by": "firm",
            "unit_label": ["firm", "firms"], "assignment": {"rule": "simple", "record": "list of the draw"}},
    "did": {"kind": "did", "estimand": "att", "unit": "firm", "time": "year", "assigned_by": "firm",
            "unit_label": ["firm", "firms"], "comparison": "never_treated",
            "first_treated": {"first_period_of": "grant", "later_zeros": "refuse"}},
    "matching": {"kind": "matching", "estimand": "att", "unit": "firm", "treatment": "offered", "assigned_by": "firm",
                 "unit_label": ["firm", "firms"], "covariates": ["age", "size"]},
}
METHODS = {"rct": "difference_in_means", "did": "two_way_fixed_effects", "matching": "nearest_neighbour"}
PROFIT = {"name": "profit", "column": "profit", "label": "Profit", "unit": "USD a month", "role": "primary",
          "better": "higher"}
JTRAIN = {"unit": "fcode", "assigned_by": "fcode", "first_treated": {"first_period_of": "grant",
                                                                     "later_zeros": "stay_treated"}}
SCRAP = {"name": "scrap_rate", "column": "scrap", "label": "Scrap rate", "unit": "items scrapped per 100 made",
         "role": "primary", "better": "lower", "transform": "log"}
HOURS = {"name": "training", "column": "hrsemp", "label": "Training", "unit": "hours a year", "role": "secondary",
         "better": "higher"}


def declare(kind: str, *, outcomes: list[dict[str, Any]] | None = None, method: str | None = None,
            options: dict[str, Any] | None = None, robustness: list[dict[str, Any]] | None = None,
            families: list[dict[str, Any]] | None = None, subgroups: list[dict[str, Any]] | None = None,
            top: dict[str, Any] | None = None, **design: Any) -> Study:
    """A valid study of one kind; keywords replace keys of its design, ``top`` adds keys of the file."""
    primary: dict[str, Any] = {"method": method or METHODS[kind]} | ({"options": options} if options else {})
    return study_from_mapping({
        "schema": 1, "title": "A study", "question": "Did it work?", "programme": {"name": "P", "country": "Kenya"},
        "data": {"file": "firms.csv", "simulated": False}, "design": copy.deepcopy(DESIGNS[kind]) | design,
        "outcomes": copy.deepcopy(outcomes or [PROFIT]),
        "analysis": {"primary": primary, "seed": 1, "robustness": robustness or []} | (
            {"families": families} if families else {}),
        "brief": {"date": "2026-11-21"}} | ({"subgroups": subgroups} if subgroups else {}) | (top or {}), slug=f"a-{kind}")


def cross_section(n: int = 40, seed: int = 1) -> pd.DataFrame:
    """Firms with an id, an offer, traits, a market of four firms drawn together, and profit."""
    rng = np.random.default_rng(seed)
    market = np.arange(n) // 4
    size = rng.normal(10, 3, n).round(3)
    offered = (np.arange(n) % 2).astype(float)
    return pd.DataFrame({
        "firm": [f"F{i:03d}" for i in range(n)], "market": market, "market_offered": (market % 2).astype(float),
        "offered": offered, "age": rng.integers(1, 30, n).astype(float), "size": size, "sector": np.arange(n) // 10,
        "profit_0": (50 + size + rng.normal(0, 3, n)).round(3),
        "profit": (60 + 4 * offered + size + rng.normal(0, 4, n)).round(3)})


def panel(units: int = 12, periods: int = 4, seed: int = 1, starts: tuple[float, ...] = (2003.0,)) -> pd.DataFrame:
    """Firms over years; every other firm is treated from one of the starts on."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(units):
        first = starts[(i // 2) % len(starts)] if i % 2 else np.nan
        level = rng.normal(0, 3)
        for year in range(2001, 2001 + periods):
            on = float(year >= first) if i % 2 else 0.0
            rows.append({"firm": f"F{i:03d}", "district": i // 4, "year": year, "first": first, "grant": on,
                         "profit": round(50 + level + 2 * (year - 2001) + 3 * on + rng.normal(0, 1), 6)})
    return pd.DataFrame(rows)

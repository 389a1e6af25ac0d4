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


def dosed_firms(n: int = 120, seed: int = 3) -> pd.DataFrame:
    """A trial of firms with everything a method may ask for: arms, crossed offers, take-up, doses, markets, a baseline."""
    rng = np.random.default_rng(seed)
    i = np.arange(n)
    offered, training, grant = (i % 2).astype(float), (i // 2 % 2).astype(float), (i // 4 % 2).astype(float)
    took = offered * (rng.random(n) < 0.8) + (1 - offered) * (rng.random(n) < 0.1)
    size = rng.normal(10, 3, n).round(2)
    before = (50 + size + rng.normal(0, 6, n)).round(2)
    amount = np.array([0.0, 100.0, 200.0])[i % 3] * offered
    hours = np.where(took * offered > 0, rng.integers(1, 20, n), 0).astype(float)
    profit = (20 + 0.8 * before + 5 * took + 0.01 * amount + 2 * training + 3 * grant + rng.normal(0, 6, n)).round(2)
    data = pd.DataFrame({
        "firm": [f"F{k:03d}" for k in i], "market": [f"M{k // 6:02d}" for k in i],
        "market_offered": (i // 6 % 2).astype(float), "offered": offered,
        "arm": np.array(["none", "training", "grant"])[i % 3], "any_arm": (i % 3 > 0).astype(float),
        "training": training, "grant": grant,
        "any_offer": np.maximum(training, grant), "took": took, "amount": amount, "hours": hours,
        "sector": np.array(["food", "tailors"])[(rng.random(n) < 0.4).astype(int)],
        "age": rng.integers(1, 30, n).astype(float), "size": size, "profit_0": before, "profit": profit,
        "hired": (rng.random(n) < 0.3 + 0.2 * took).astype(float), "staff": rng.integers(1, 9, n).astype(float)})
    data.loc[[4, 17, 40, 41], "profit"] = np.nan
    data.loc[7, "profit_0"] = np.nan
    return data


def drawn_markets(groups: int = 30, size: int = 8, seed: int = 4, levels: tuple[float, ...] = (0.0, 0.5)) -> pd.DataFrame:
    """Markets drawn into shares invited, and firms invited inside them."""
    rng = np.random.default_rng(seed)
    market, place = np.repeat(np.arange(groups), size), np.tile(np.arange(size), groups)
    share = np.array(levels)[market % len(levels)]
    invited = (place < share * size).astype(float)
    profit = 40 + rng.normal(0, 2, groups)[market] + 6 * invited + 2 * (share > 0) + rng.normal(0, 5, len(market))
    data = pd.DataFrame({
        "firm": [f"F{k:03d}" for k in range(len(market))], "market": [f"M{k:02d}" for k in market], "share": share,
        "market_offered": (share > 0).astype(float), "invited": invited,
        "age": rng.integers(1, 30, len(market)).astype(float), "profit": profit.round(2)})
    data.loc[[3, 12], "profit"] = np.nan
    return data


def followed_firms(n: int = 60, waves: int = 3, seed: int = 5) -> pd.DataFrame:
    """The firms of a trial over several rounds after the offer; some are missed in some."""
    firms, rng = dosed_firms(n, seed), np.random.default_rng(seed)
    rounds = []
    for wave in range(1, waves + 1):
        profit = 20 + 0.8 * firms["profit_0"].fillna(60) + 3 * firms["offered"] + wave + rng.normal(0, 6, n)
        rounds.append(firms.assign(wave=wave, profit=profit.round(2).mask(rng.random(n) < 0.1)))
    return pd.concat(rounds, ignore_index=True)


def workers_of_firms(firms: int = 40, seed: int = 6) -> pd.DataFrame:
    """Workers of firms of different sizes; every other firm is offered."""
    rng = np.random.default_rng(seed)
    rows = []
    for f in range(firms):
        level = rng.normal(0, 10)
        for w in range(int(rng.integers(2, 12))):
            rows.append({"worker": f"W{f:02d}{w:02d}", "firm": f"F{f:02d}", "offered": float(f % 2),
                         "wage_0": round(100 + level + rng.normal(0, 10), 1),
                         "wage": round(105 + level + 6 * (f % 2) + rng.normal(0, 10), 1)})
    return pd.DataFrame(rows)


def workers_twice(firms: int = 40, seed: int = 6) -> pd.DataFrame:
    """Workers of firms in two rounds: some left, some were not found, some came; offered firms lose low earners."""
    rng = np.random.default_rng(seed)
    rows = []
    for f in range(firms):
        level, offered = rng.normal(0, 10), float(f % 2)
        firm = {"firm": f"F{f:02d}", "offered": offered}
        for w in range(int(rng.integers(3, 10))):
            pay = round(100 + level + rng.normal(0, 10), 1)
            who = {"worker": f"W{f:02d}{w:02d}", "female": float(w % 2), "wage": pay}
            rows.append(firm | who | {"wave": "before"})
            luck, later = rng.uniform(), round(pay + 5 + 2 * offered + rng.normal(0, 5), 1)
            if luck < 0.7 + 0.1 * (pay > 100) * offered:
                rows.append(firm | who | {"wave": "after", "wage": later})
            elif luck < 0.9:  # left and was interviewed elsewhere
                rows.append(who | {"firm": None, "offered": np.nan, "wave": "after", "wage": later - 3})
        rows += [firm | {"worker": f"N{f:02d}{w}", "female": 1.0, "wave": "after",
                         "wage": round(90 + level + rng.normal(0, 10), 1)} for w in range(int(rng.integers(0, 4)))]
    return pd.DataFrame(rows)

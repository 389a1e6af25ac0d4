"""Whole simulated studies for tests of the brief: one that declares everything, one whose result is uncertain."""

from __future__ import annotations

import base64
import dataclasses
import functools
import struct
import zlib
from typing import Any

import numpy as np
import pandas as pd

import impact
from impact.results.evaluation import Evaluation
from impact.study import study_from_mapping

SECONDARY = (
    ("practices", "Business practices", "score from 0 to 10", 5.0, 1.6, 0.55),
    ("sales", "Monthly sales", "USD a month (2024 prices)", 900.0, 400.0, 40.0),
    ("workers", "Paid workers", "workers", 3.1, 1.8, 0.1),
    ("hours", "Owner's hours at work", "hours a week", 49.0, 12.0, 2.6),
    ("formal", "Formally registered", "share of firms", 0.22, 0.0, 0.02),
    ("savings", "Savings", "USD (2024 prices)", 240.0, 150.0, 18.0),
    ("credit", "Owes a loan", "share of firms", 0.3, 0.0, 0.0),
    ("wages", "Wage of a worker", "USD a month (2024 prices)", 82.0, 25.0, 1.0),
    ("accidents", "Accidents at work", "a year", 0.9, 0.8, -0.15),
    ("stress", "Owner's stress", "score from 0 to 40", 17.0, 6.0, 0.3),
)


def png(width: int = 90, height: int = 54) -> bytes:
    """A small picture: two bands of colour."""
    rows = b"".join(b"\0" + (b"\x12\x3c\x5e" if y < height // 2 else b"\x0b\x71\x70") * width for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def firms(gain: float, *, n: int = 960, seed: int = 7) -> pd.DataFrame:
    """Firms in markets drawn by lot within districts; profit rises by ``gain`` where offered, more for women."""
    rng = np.random.default_rng(seed)
    market = np.repeat(np.arange(n // 12), 12)
    district = market // 10
    offered_market = np.concatenate([rng.permutation([1] * 5 + [0] * 5) for _ in range(market.max() // 10 + 1)])
    offered = offered_market[market]
    female = rng.integers(0, 2, n)
    level = rng.normal(0, 12, market.max() + 1)[market] + rng.normal(0, 30, n)
    before = 110 + 0.8 * level + rng.normal(0, 15, n)
    table = pd.DataFrame({
        "firm": [f"f{i}" for i in range(n)], "market": market, "district": district, "offered": offered, "female": female,
        "large": (rng.random(n) < 0.35).astype(int), "profit_0": before,
        "profit": 112 + level + offered * (gain + 0.5 * gain * (female - 0.5)) + rng.normal(0, 15, n),
        "open_now": (rng.random(n) < 0.81 + 0.06 * offered * (gain > 5)).astype(float)})
    for name, _, unit, mean, sd, effect in SECONDARY:
        if unit.startswith("share"):
            table[name] = (rng.random(n) < mean + effect * offered).astype(float)
        else:
            table[name] = mean + sd * rng.normal(0, 1, n) + effect * offered * (gain > 5)
    lost = rng.random(n) < 0.05
    table.loc[lost, ["profit", "open_now", *(s[0] for s in SECONDARY)]] = np.nan
    return table


def declaration(**changes: Any) -> dict[str, Any]:
    """A study file's values with every key the brief has a place for."""
    outcomes = [
        {"name": "profit", "column": "profit", "label": "Monthly profit", "unit": "USD a month (2024 prices)",
         "role": "primary", "better": "higher", "baseline": "profit_0", "measured": "12 months after the offer",
         "target": {"value": 130, "by": "2025-12-31", "source": "Logframe"}},
        {"name": "open_now", "column": "open_now", "label": "Business still open", "unit": "share of firms",
         "role": "primary", "better": "higher", "target": {"value": 0.85, "by": "2025-12-31"}},
        *({"name": name, "column": name, "label": label, "unit": unit, "role": "secondary",
           "better": "lower" if name in ("hours", "accidents", "stress") else "higher"}
          for name, label, unit, *_ in SECONDARY)]
    outcomes[2]["target"] = {"value": 6}
    values: dict[str, Any] = {
        "schema": 1, "status": "draft", "title": "Coaching and vouchers for small firms",
        "question": "Did an offer of coaching and a training voucher raise the profit of small firms?",
        "programme": {"name": "Saway Enterprise Programme", "country": "Republic of Example", "sector": "small enterprises",
                      "donor": "Example Development Fund", "project_number": "EX-2024-117", "period": ["2024", "2025"]},
        "intervention": {"description": None, "target_group": "Owners of firms with up to ten workers.",
                         "dose": "Eight coaching visits in four months; a voucher of USD 120",
                         "reached": {"total": 520, "women": 268, "men": 252}},
        "results_chain": {
            "boxes": [{"id": "offer", "level": "activity", "text": "Voucher and coaching"},
                      {"id": "practice", "level": "output", "text": "Better business practices", "indicator": "practices"},
                      {"id": "stay", "level": "outcome", "text": "Businesses stay open", "indicator": "open_now"},
                      {"id": "profit", "level": "outcome", "text": "Higher profit", "indicator": "profit"},
                      {"id": "jobs", "level": "impact", "text": "More paid work", "indicator": "workers"}],
            "arrows": [{"from": a, "to": b} for a, b in (("offer", "practice"), ("practice", "stay"), ("stay", "profit"),
                                                         ("profit", "jobs"))]},
        "data": {"file": "firms.csv", "simulated": True, "source": "Simulated: seeded draws, no firm was asked"},
        "design": {"kind": "rct", "estimand": "itt", "unit": "firm", "unit_label": ["firm", "firms"],
                   "treatment": "offered",
                   "assigned_by": "market", "covariates": ["female"],
                   "assignment": {"rule": "clustered", "strata": "district", "cluster": "market", "probability": 0.5,
                                  "record": "List of the draw, seed 7"}},
        "outcomes": outcomes,
        "subgroups": [{"name": "sex", "column": "female", "label": "Sex of the owner",
                       "groups": [{"value": 0, "label": "Men"}, {"value": 1, "label": "Women"}]},
                      {"name": "size", "column": "large", "label": "Size of the firm"}],
        "plan": {"frozen": "2024-02-12", "record": "Example registry EX-0000",
                 "minimum_detectable_effect": {"profit": 9, "open_now": 0.06}},
        "analysis": {"primary": {"method": "ols"}, "seed": 20240212,
                     "robustness": [{"method": "ancova"}, {"method": "lin"}, {"method": "difference_in_means"}]},
        "costs": {"currency": "USD", "price_year": 2024, "per": "offered", "participants": 520,
                  "lines": [{"item": "Coaching", "amount": 71000, "year": 2024},
                            {"item": "Vouchers", "amount": 62400, "year": 2024}],
                  "contributions": [{"from": "Ministry of Trade", "kind": "public", "amount": 18000},
                                    {"from": "Owners' own time", "kind": "in_kind", "amount": 9500}]},
        "ethics": {"consent": "Signed by each owner before the first visit", "approval": "Example Ethics Board 24-031",
                   "registration": "Example registry EX-0000"},
        "brief": {
            "date": "2026-11-21", "series": "Evidence brief 07", "title": "What coaching and vouchers did",
            "challenge": "Four in ten young firms in Saway close within three years. Owners say that they lack advice more "
                         "than money, yet most support is offered as credit.",
            "what_was_done": "Owners in markets drawn by lot were offered a voucher for any accredited course and visits "
                             "by a coach, a business owner from the district. No cash grant was given.",
            "implications": [
                {"text": "If coaching is offered again, keep the visits by local owners and record practices each quarter.",
                 "finding": "practices"},
                {"text": "If longer hours are a concern, ask owners about them before the programme grows.",
                 "finding": "hours"}],
            "learned": None, "authors": ["Example Institute for Evaluation"], "contact": "evaluation@example.org",
            "disclaimer": "The views in this brief are those of the authors and not of the Example Development Fund.",
            "logo": {"file": "logo.png", "alt": "Ministry of Trade of Example",
                     "data": base64.b64encode(png()).decode("ascii")}}}
    return {**values, **changes}


@functools.cache
def rich() -> Evaluation:
    """A record of a simulated trial that declares everything; some outcomes come out clear."""
    return impact.evaluate(study_from_mapping(declaration(), slug="coaching-vouchers"), firms(14.0))


@functools.cache
def uncertain() -> Evaluation:
    """The same trial with no effect on the primary outcomes, and what its authors learned."""
    values = declaration()
    values["brief"] = {**values["brief"], "learned": "Visits took place as planned, so weak delivery is not the reason: "
                                                     "advice alone did not show in profit."}
    return impact.evaluate(study_from_mapping(values, slug="coaching-vouchers"), firms(0.0, n=480, seed=3))


def with_primaries(evaluation: Evaluation, n: int) -> Evaluation:
    """The same record with its first ``n`` outcomes declared primary and the others secondary."""
    outcomes = tuple(dataclasses.replace(o, role="primary" if i < n else "secondary")
                     for i, o in enumerate(evaluation.study.outcomes))
    roles = {o.name: o.role for o in outcomes}
    estimates = tuple(dataclasses.replace(e, role=roles[e.outcome]) if e.role in ("primary", "secondary") else e
                      for e in evaluation.estimates)
    return dataclasses.replace(evaluation, study=dataclasses.replace(evaluation.study, outcomes=outcomes),
                               estimates=estimates)

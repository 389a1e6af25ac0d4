"""A small programme written in place, for tests that change one thing of it."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples" / "programmes"
SMALL = """\
name: Small programme
as_of: 2026-06-30
donors: [Fund A, Fund B]
project_number: '007'
begins: 2024-01-01
ends: 2026-12-31
currency: USD
conventions: {fte_days: 240, owners: not_counted, jobs_above_one: false}
staff:
- {id: mel, name: Ines Fictional, role: Results measurement manager}
documents:
- {id: D01, title: Market study, kind: market_study, file: documents/market.txt, date: 2024-01-15, owner: mel,
   serves: [rc_research.gender p. 2]}
- {id: D02, title: Projections, kind: projection_sheet, link: 'https://example.org/sheet', version: '1.10'}
interventions:
- id: seed
  name: Seed
  status: active
  begins: 2024-02-01
  reached: {total: 40, women: 25, men: 15}
  gender: {text: Looked at, evidence: D01 p. 1; D02 sheet Women row 3}
indicators:
- {id: seed_income, intervention: seed, name: Income, unit: USD a year, baseline: {planned: 2024-02-01}, key: true}
chains:
- id: seed_v1
  intervention: seed
  date: 2024-02-01
  boxes:
  - {id: act, level: activity, text: 'Dealers are trained, in pairs'}
  - {id: gain, level: impact, text: Farms earn more, indicators: [seed_income]}
  arrows:
  - {from: act, to: gain, evidence: [D01 p. 3]}
  reviews:
  - {date: 2025-01-20, changed: false, reason: '-5 per cent only', by: [mel]}
projections:
- id: p1
  indicator: seed_income
  date: 2025-12-31
  value: 4200.5
  formula: farms * extra * (1 - 12.5%) + 0.5
  inputs: [{name: farms, value: 40}, {name: extra, value: 120, unit: USD, evidence: [D01 p. 4]}]
  history: [{date: 2025-01-20, value: 4200.5, reason: kept}]
answers:
- {item: rc_logic.staff_use, by: Ines Fictional, date: 2026-05-01, judgement: yes, answer: They do}
""".replace("judgement: yes", "judgement: 'yes'")


def write(folder: Path, text: str = SMALL) -> Path:
    """Write the programme and its one document into a folder; returns programme.yaml."""
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    (folder / "documents" / "market.txt").write_text("Page 1: FICTIONAL market study\n", encoding="utf-8")
    (folder / "programme.yaml").write_text(text, encoding="utf-8")
    return folder / "programme.yaml"


def damaged_inside(content, name):
    """Spoil the packed bytes of one part, as a failing disk does; the list of parts stays whole."""
    spoilt = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        entry = packed.getinfo(name)
        start = entry.header_offset + 30 + len(name) + int.from_bytes(content[entry.header_offset + 28:][:2], "little")
        spoilt[start:start + entry.compress_size] = b"\xff" * entry.compress_size
    with zipfile.ZipFile(io.BytesIO(spoilt)) as packed, pytest.raises(zlib.error):
        packed.read(name)
    return bytes(spoilt)

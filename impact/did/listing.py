"""Effects by cohort and period as lines of text: one line each, under a common card."""

from __future__ import annotations

import math
from collections.abc import Sequence

from impact.results import Estimate


def part_lines(rows: Sequence[Estimate]) -> list[str]:
    """Write what each row is of, its estimate, interval and rows of data; below, reasons and caveats of single rows."""
    if not rows:
        return []
    first = rows[0]
    keys = ["cohort", "period"] if first.cohort and first.horizon else [
        "horizon" if first.horizon else "cohort" if first.cohort else "period"]
    table = [[*keys, "estimate", f"{first.conf_level:.0%} interval", "n"]]
    notes: dict[str, list[str]] = {}
    for row in rows:
        place = [str(getattr(row, key)) for key in keys]
        texts = [why for name, why in row.reasons if name in ("estimate", "std_error")][:1] + [c.text for c in row.caveats]
        for text in texts:
            notes.setdefault(text, []).append(" in ".join(place))
        interval = "" if row.conf_low is None else f"{_shown(row.conf_low)} to {_shown(row.conf_high)}"
        table.append([*place, _shown(row.estimate), interval, str(row.n)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return [*lines, *(f"  {', '.join(places)}: {text}" for text, places in notes.items())]


def _shown(x: float | None) -> str:
    return "–" if x is None or not math.isfinite(x) else f"{x:.4g}"

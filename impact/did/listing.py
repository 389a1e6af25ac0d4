"""An overall number and its parts as lines of text: one line each, under a common card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from impact.data.frame import counted, listed
from impact.results import Estimate, Estimates

MOST_LINES = 40  # parts printed; all of them stand in tidy()
MOST_NOTES = 12
PLACES = 6  # named beside one note


@dataclass(frozen=True, slots=True, kw_only=True)
class Averages(Estimates):
    """An overall average and its parts: printed as the average with its card, and one line a part."""

    def __str__(self) -> str:
        return "\n".join([str(self.headline), *part_lines(self.rows[1:], said=self.headline)])

    __repr__ = __str__


def part_lines(rows: Sequence[Estimate], keys: Sequence[str] = (), *, said: Estimate) -> list[str]:
    """Write what each row is of, its estimate, interval, band and rows of data; below, reasons and caveats of single rows.

    ``keys`` are the fields that tell rows apart: left out, those of averages by cohort, period or horizon. Of caveats those
    that ``said``, printed above, does not carry.
    """
    if not rows:
        return []
    first, known = rows[0], {c.text for c in said.caveats}
    keys = keys or (["cohort", "period"] if first.cohort and first.horizon else [
        "horizon" if first.horizon else "cohort" if first.cohort else "period"])
    reach = "on a side" if dict(said.details).get("bands_by_side") else "for all"
    bands = [f"band {reach} at once"] if any("band_low" in dict(row.details) for row in rows) else []
    table = [[*keys, "estimate", f"{first.conf_level:.0%} interval", *bands, "n"]]
    notes: dict[str, list[str]] = {}
    for row in rows:
        place, details = [_place(row, key) for key in keys], dict(row.details)
        texts = [why for name, why in row.reasons if name in ("estimate", "std_error")][:1]
        texts += [c.text for c in row.caveats if c.text not in known]
        for text in texts:
            notes.setdefault(text, []).append(" in ".join(place))
        table.append([*place, _shown(row.estimate), _ends(row.conf_low, row.conf_high), *(
            [_ends(details.get("band_low"), details.get("band_high"))] if bands else []), str(row.n)])
    lost, table = len(table) - 1 - MOST_LINES, table[:MOST_LINES + 1]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    if lost > 0:
        lines.append(f"  and {lost} more: tidy() lists all of them, plot() draws them.")
    lines += [f"  {'all' if len(places) == len(rows) > 1 else listed(places, PLACES)}: {text}"
              for text, places in list(notes.items())[:MOST_NOTES]]
    more = len(notes) - MOST_NOTES
    if more > 0:
        lines.append(f"  and {counted(more, 'more note')} on single rows, in their reasons and caveats.")
    return lines


def _place(row: Estimate, key: str) -> str:
    """Name a row: a binned end of the window by its words, the reference of its own comparison as it stands."""
    value = str(getattr(row, key))
    return row.term if key == "horizon" and row.term.startswith(f"{value} or ") else value


def _shown(x: float | None) -> str:
    return "–" if x is None or not math.isfinite(x) else f"{x:.4g}"


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None and high is None else (f"{'no lower limit' if low is None else _shown(low)} to "
                                                    f"{'no upper limit' if high is None else _shown(high)}")

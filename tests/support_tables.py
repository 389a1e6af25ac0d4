"""Stored tables of simulations: read, written, and made again in whole or in part from the command line."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

REFERENCE = Path(__file__).parent / "reference"


def read_table(file: Path) -> list[dict[str, str]]:
    """Read the lines of a stored table as text."""
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_table(file: Path, fields: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table, with the same bytes for the same lines."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def make_again(simulate: Callable[[str], Mapping[str, object]], cells: Iterable[str], file: Path,
               fields: Sequence[str]) -> None:
    """Simulate the cells whose names hold a word of the command line, all without one, and store each as it comes."""
    os.nice(10)
    wanted = [name for name in cells if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    old = {row["cell"]: row for row in read_table(file)} if file.exists() else {}
    with ProcessPoolExecutor(2) as pool:
        for result in pool.map(simulate, wanted):
            print(result, flush=True)
            old[str(result["cell"])] = {k: str(v) for k, v in result.items()}
            write_table(file, fields, (old[name] for name in cells if name in old))

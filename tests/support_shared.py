"""The data sets of the reference cases: read in place, never copied; their tests skip where the files are not at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"


def shared(name: str) -> pd.DataFrame:
    """Read a data set: ``lalonde``, ``tanzania_training`` (which cannot be redistributed), ``prop99`` and others."""
    path = REFERENCE / "data" / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{name}.csv is not on this machine: it is read in place from {path.parent}, never copied")
    return pd.read_csv(path)


def minimum_wages() -> pd.DataFrame:
    """Counties of Callaway and Sant'Anna (2021), mpdta, with the year of the first rise in ``g``, missing for none."""
    return shared("mpdta").assign(g=lambda d: d["first.treat"].replace(0, np.nan).astype(float))

"""What drawing by chance needs: a seed, and a number of draws, that make sense."""

from __future__ import annotations

from typing import Any

import numpy as np

from impact.inference.intervals import is_number


def check_seed(seed: Any) -> int:
    """Return a seed that starts a draw: a whole number of at least 0."""
    if not is_number(seed) or seed < 0 or seed != int(seed):
        raise ValueError(f"seed must be a whole number of at least 0, not {seed!r}")
    return int(seed)


def check_draws(draws: Any, least: int = 1, why: str = "") -> int:
    """Return a number of draws that is at least ``least``; ``why`` says what so many are needed for."""
    if not is_number(draws) or draws < least or draws != int(draws):
        raise ValueError(f"draws must be a whole number, at least {least}{f' {why}' if why else ''}, not {draws!r}")
    return int(draws)


def seeded(seed: Any) -> np.random.Generator:
    """Start draws from a seed."""
    return np.random.default_rng(check_seed(seed))

"""What weighted rows are worth: the equal-weight units that carry as much information."""

from __future__ import annotations

from impact.inference.linear import Array


def effective_size(weights: Array) -> float:
    """Effective sample size (Σw)² / Σw² of one arm's weights (n,), Kish (1965, Survey Sampling, section 11.7).

    Weights keep their sign: those a regression implies may lie below zero, and a mean made with them varies by
    Σw² / (Σw)² of one unit's variance. Sizes of weights without their sign would hide what extrapolation costs.
    """
    total = float((weights**2).sum())
    return float(weights.sum() ** 2) / total if total > 0 else 0.0


def equal_units(size: float) -> str:
    """Say an effective size in words, such as '19 units of equal weight'."""
    number = f"{size:.0f}"
    return f"{number} unit of equal weight" if number == "1" else f"{number} units of equal weight"

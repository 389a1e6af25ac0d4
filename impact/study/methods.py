"""Which methods a study may name, and with which keywords; a test holds this table to the functions."""

from __future__ import annotations

RANDOMISED = ("covariates", "strata", "cluster", "weights", "vcov")

METHODS: dict[str, dict[str, tuple[str, ...]]] = {
    "rct": {
        "difference_in_means": ("strata", "cluster", "pairs"),
        "ols": RANDOMISED,
        "ancova": (*RANDOMISED, "baseline"),
        "lin": RANDOMISED,
        "late": (*RANDOMISED, "takeup"),
    },
    "did": {
        "two_way_fixed_effects": ("covariates", "cluster", "weights", "vcov"),
        "two_by_two": ("periods", "cluster"),
    },
    "matching": {
        "nearest_neighbour": ("covariates", "distance", "neighbours", "replace", "caliper", "exact",
                              "bias_adjustment", "variance_matches"),
    },
}

DEFAULT_ESTIMANDS: dict[str, tuple[str, ...]] = {
    "rct": ("itt", "ate", "late"), "did": ("att",), "matching": ("att", "atc", "ate"),
}

"""Which methods a study may name, and the kind of each keyword; a test holds this table to the functions."""

from __future__ import annotations

from impact.study.schema import Field

_COLUMN = Field(kind="text", cure="Name one column of the data.")
_COLUMNS = Field(kind="columns", cure="List columns of the data: [age, size].")
_VCOV = Field(kind="choice", choices=("classical", "HC0", "HC1", "HC2", "HC3", "CR0", "CR1", "CR1S", "CR2", "CR3"))
_DRAWS = Field(kind="integer", low=99, high=100_000, cure="Give a whole number of draws, e.g. 999.")
_YES_NO = Field(kind="boolean", cure="Write true or false.")

_REGRESSION = {"covariates": _COLUMNS, "strata": _COLUMN, "cluster": _COLUMN, "weights": _COLUMN, "vcov": _VCOV}

METHODS: dict[str, dict[str, dict[str, Field]]] = {
    "rct": {
        "difference_in_means": {"strata": _COLUMN, "cluster": _COLUMN, "pairs": _YES_NO},
        "ols": _REGRESSION,
        "ancova": {**_REGRESSION, "baseline": _COLUMN},
        "lin": _REGRESSION,
        "poisson": {name: field for name, field in _REGRESSION.items() if name != "vcov"},
        "multi_arm": {**_REGRESSION, "treatment": Field(kind="text", essential=True, cure="Name the column of the arms."),
                      "reference": Field(kind="value", essential=True, cure="Give the value of the comparison arm.")},
        "lee_bounds": {"strata": _COLUMN, "tighten": _COLUMNS, "cluster": _COLUMN, "draws": _DRAWS},
        "manski_bounds": {"low": Field(kind="number", essential=True, cure="Give the least value it can take, e.g. 0."),
                          "high": Field(kind="number", essential=True, cure="Give the largest value it can take, e.g. 1."),
                          "strata": _COLUMN, "cluster": _COLUMN, "draws": _DRAWS},
        "late": {**_REGRESSION, "takeup": Field(kind="text", essential=True, cure="Name the column of who took part.")},
    },
    "did": {
        "two_way_fixed_effects": {"covariates": _COLUMNS, "cluster": _COLUMN, "weights": _COLUMN, "vcov": _VCOV},
        "two_by_two": {
            "periods": Field(kind="list", item=Field(kind="number", essential=True), length=(2, 2),
                             cure="Write it as [1987, 1988]."),
            "cluster": _COLUMN},
    },
    "matching": {
        "nearest_neighbour": {
            "covariates": _COLUMNS,
            "distance": Field(kind="choice", choices=("propensity", "linear_propensity", "mahalanobis",
                                                      "standardised_euclidean")),
            "neighbours": Field(kind="integer", low=1, high=1000), "replace": _YES_NO,
            "caliper": Field(kind="number", low=1e-12, cure="Give it in standard deviations, above 0."),
            "exact": _COLUMNS, "bias_adjustment": _YES_NO,
            "variance_matches": Field(kind="integer", low=0, high=1000)},
    },
}

BESIDE = ("lee_bounds", "manski_bounds", "subgroups")  # these stand beside an effect and are none themselves

DEFAULT_ESTIMANDS: dict[str, tuple[str, ...]] = {
    "rct": ("itt", "ate", "late"), "did": ("att",), "matching": ("att", "atc", "ate"),
}

"""Which methods a study may name, and the kind of each keyword; a test holds this table to the functions."""

from __future__ import annotations

from dataclasses import replace

from impact.study.schema import Field

_COLUMN = Field(kind="text", cure="Name one column of the data.")
_COLUMNS = Field(kind="columns", cure="List columns of the data: [age, size].")
_VCOV = Field(kind="choice", choices=("classical", "HC0", "HC1", "HC2", "HC3", "CR0", "CR1", "CR1S", "CR2", "CR3"))
_DRAWS = Field(kind="integer", low=99, high=100_000, cure="Give a whole number of draws, e.g. 999.")
_YES_NO = Field(kind="boolean", cure="Write true or false.")

_NEEDED = Field(kind="text", essential=True, cure="Name one column of the data.")
_ROUND = Field(kind="value", cure="Give the value of the round column, as the data have it.")
_NUMBERS = Field(kind="list", item=Field(kind="number", essential=True, low=1e-6, high=1 - 1e-6), length=(1, 20),
                 cure="List shares between 0 and 1: [0.25, 0.5, 0.75].")
_REGRESSION = {"covariates": _COLUMNS, "strata": _COLUMN, "cluster": _COLUMN, "weights": _COLUMN, "vcov": _VCOV}
_UNBALANCED = Field(kind="choice", choices=("within_cell", "balanced"))
_PANEL = {"covariates": _COLUMNS, "cluster": _COLUMN, "weights": _COLUMN, "unbalanced": _UNBALANCED}
_ANY_ROWS = Field(kind="choice", choices=("within_cell", "balanced", "repeated_cross_section"))
_HORIZON = Field(kind="integer", low=-1000, high=-1, cure="Write a period before treatment, e.g. -1.")
_WINDOW = Field(kind="list", item=Field(kind="integer", essential=True), length=(2, 2), cure="Write it as [-3, 4].")
_DISTANCE = Field(kind="choice", choices=("propensity", "linear_propensity", "mahalanobis", "robust_mahalanobis",
                                          "standardised_euclidean"))
_CALIPER = Field(kind="number", low=1e-12, cure="Give it in standard deviations, above 0.")
_CALIPER_UNIT = Field(kind="choice", choices=("sd", "units"))
_PAIRS = {"covariates": _COLUMNS, "distance": _DISTANCE, "caliper": _CALIPER, "caliper_unit": _CALIPER_UNIT,
          "exact": _COLUMNS, "vcov": _VCOV}
_WEIGHTED = {"covariates": _COLUMNS, "cluster": _COLUMN, "weights": _COLUMN}

BOUNDS = ("lee_bounds", "manski_bounds")

METHODS: dict[str, dict[str, dict[str, Field]]] = {
    "rct": {
        "difference_in_means": {"strata": _COLUMN, "cluster": _COLUMN, "weights": _COLUMN, "pairs": _YES_NO},
        "ols": _REGRESSION,
        "ancova": {**_REGRESSION, "baseline": _COLUMN},
        "lin": _REGRESSION,
        "poisson": {name: field for name, field in _REGRESSION.items() if name != "vcov"},
        "multi_arm": {**_REGRESSION, "treatment": Field(kind="text", essential=True, cure="Name the column of the arms."),
                      "reference": Field(kind="value", essential=True, cure="Give the value of the comparison arm.")},
        "lee_bounds": {"strata": _COLUMN, "tighten": _COLUMNS, "cluster": _COLUMN, "weights": _COLUMN, "draws": _DRAWS},
        "manski_bounds": {"low": Field(kind="number", essential=True, cure="Give the least value it can take, e.g. 0."),
                          "high": Field(kind="number", essential=True, cure="Give the largest value it can take, e.g. 1."),
                          "strata": _COLUMN, "cluster": _COLUMN, "weights": _COLUMN, "draws": _DRAWS},
        "factorial": {**_REGRESSION, "treatments": Field(kind="columns", essential=True, cure="List the columns of the two "
                                                         "to four offers: [training, grant]."), "within": _COLUMNS},
        "spillover": {**{k: f for k, f in _REGRESSION.items() if k != "cluster"}, "cluster": _COLUMN,
                      "cluster_treatment": _NEEDED, "population": _COLUMN,
                      "population_share": Field(kind="value", cure="Give the share of eligible units invited, or its "
                                                "column.")},
        "saturation": {**_REGRESSION, "saturation": _NEEDED},
        "pooled_rounds": {**_REGRESSION, "baseline": _COLUMN, "round": _NEEDED},
        "encouragement": {**_REGRESSION, "takeup": _NEEDED},
        "dose_response": {**_REGRESSION, "baseline": _COLUMN, "dose": _NEEDED,
                          "dose_drawn": Field(kind="boolean", essential=True, cure="true if the dose was drawn by lot."),
                          "shape": Field(kind="choice", choices=("linear", "quadratic", "levels"))},
        "post_double_selection": {**_REGRESSION, "always": _COLUMNS},
        "quantile_effects": {**{k: f for k, f in _REGRESSION.items() if k != "vcov"}, "quantiles": _NUMBERS,
                             "draws": _DRAWS},
        "ratio_effect": {**_REGRESSION, "method": Field(kind="choice", choices=("fieller", "delta"))},
        "subgroups": {**_REGRESSION, "by": _NEEDED, "baseline": _COLUMN, "planned_mde": Field(kind="number", low=1e-12)},
        "attrition_weighted": {"predictors": Field(kind="columns", essential=True, cure="List columns measured before: "
                                                   "[age, size]."),
                               **{name: field for name, field in _REGRESSION.items() if name != "vcov"}},
        "exact_share_test": {"strata": _COLUMN, "cluster": _COLUMN},
        "rank_test": {"strata": _COLUMN, "cluster": _COLUMN},
        "worker_effects": {**_REGRESSION, "baseline": _COLUMN},
        "worker_composition": {"round": _NEEDED, "before": _ROUND, "after": _ROUND, "traits": _COLUMNS, "closed": _COLUMN,
                               "strata": _COLUMN, "cluster": _COLUMN},
        "late": {**_REGRESSION, "takeup": Field(kind="text", essential=True, cure="Name the column of who took part.")},
    },
    "did": {
        "two_way_fixed_effects": {**_PANEL, "vcov": _VCOV, "ever_treated": _YES_NO},
        "two_by_two": {
            **_PANEL, "periods": Field(kind="list", item=Field(kind="number", essential=True), length=(2, 2),
                                       cure="Write it as [1987, 1988]."),
            "method": Field(kind="choice", choices=("dr_improved", "dr", "reg", "ipw")), "panel": _YES_NO,
            "unbalanced": _ANY_ROWS},
        "group_time_att": {
            **_PANEL, "method": Field(kind="choice", choices=("dr", "reg", "ipw")), "ever_treated": _YES_NO,
            "anticipation": Field(kind="integer", low=0, high=1000), "season": Field(kind="integer", low=2, high=366),
            "base_period": Field(kind="choice", choices=("varying", "universal")), "panel": _YES_NO, "draws": _DRAWS,
            "unbalanced": _ANY_ROWS},
        "event_study": {**_PANEL, "reference": _HORIZON, "window": _WINDOW, "bin_ends": _YES_NO},
        "imputation": {**_PANEL, "leave_out": _YES_NO, "leads": Field(kind="integer", low=0, high=100)},
        "sun_abraham": {**_PANEL, "reference": _HORIZON},
        "stacked": {**_PANEL, "window": replace(_WINDOW, essential=True), "reference": _HORIZON,
                    "corrective_weights": _YES_NO},
        "triple_difference": {**_PANEL, "affected": _NEEDED},
        "poisson": _PANEL,
        "synthetic_control": {"cluster": _COLUMN, "name_areas": _YES_NO, "draws": _DRAWS},
        "synthetic_did": {"cluster": _COLUMN, "name_areas": _YES_NO, "draws": _DRAWS},
    },
    "matching": {
        "optimal_pairs": {**_PAIRS, "cluster": _COLUMN, "bias_adjustment": _YES_NO},
        "full_matching": {**_PAIRS, "cluster": _COLUMN},
        "matched_did": {**{k: f for k, f in _PAIRS.items() if k != "vcov"}, "cluster": _COLUMN, "baseline": _COLUMN,
                        "earlier": _COLUMNS,
                        "match_on": Field(kind="choice", choices=("traits", "trends", "baseline_outcome")),
                        "method": Field(kind="choice", choices=("nearest_neighbour", "optimal_pairs", "full_matching"))},
        "exact": {"covariates": _COLUMNS, "cluster": _COLUMN, "vcov": _VCOV},
        "coarsened_exact": {"covariates": _COLUMNS, "cluster": _COLUMN, "vcov": _VCOV,
                            "bins": Field(kind="bins", cure="Write sturges, exact, a number of bins or cut points, or one "
                                          "of these for each covariate: {age: [20, 30, 40], sector: exact}.")},
        "subclassification": {"covariates": _COLUMNS, "cluster": _COLUMN, "vcov": _VCOV,
                              "classes": Field(kind="integer", low=2, high=1000)},
        "inverse_probability": {**_WEIGHTED, "stabilised": _YES_NO,
                                "estimand": Field(kind="choice", choices=("ato", "matching")),  # none of a study's own
                                "trim": Field(kind="value", cure="Write crump, or a share such as 0.05.")},
        "entropy_balance": {**_WEIGHTED, "moments": Field(kind="integer", low=1, high=3), "base_weights": _COLUMN,
                            "fixed_target": _YES_NO},
        "aipw": {**_WEIGHTED, "vcov": Field(kind="choice", choices=("M", "IF")),
                 "folds": Field(kind="integer", low=2, high=100),
                 "learner": Field(kind="choice", choices=("parametric", "random_forest"))},
        "regression_adjustment": _WEIGHTED,
        "nearest_neighbour": {
            "covariates": _COLUMNS, "cluster": _COLUMN,
            "distance": _DISTANCE, "caliper_unit": _CALIPER_UNIT,
            "order": Field(kind="choice", choices=("largest", "smallest", "data", "random")),
            "estimated_score": _YES_NO, "tie_tolerance": Field(kind="number", low=0),
            "neighbours": Field(kind="integer", low=1, high=1000), "replace": _YES_NO,
            "caliper": _CALIPER,
            "exact": _COLUMNS, "bias_adjustment": _YES_NO,
            "variance_matches": Field(kind="integer", low=0, high=1000)},
    },
}

BESIDE = ("lee_bounds", "manski_bounds", "subgroups", "ratio_effect")  # these stand beside an effect
ONE_DIFFERENCE = ("difference_in_means", "ols", "ancova", "lin", "poisson", "late", "encouragement", "attrition_weighted",
                  "post_double_selection", "exact_share_test", "rank_test", "worker_effects")  # lots can be drawn again
WORKERS = ("worker_effects", "worker_composition")  # these know of firms and their workers
FOLLOWED = ("worker_composition",)  # a row for each worker and round: who stayed, left and came
COMPLIERS = ("late", "encouragement")  # these speak of those whom the offer moved

DEFAULT_ESTIMANDS: dict[str, tuple[str, ...]] = {
    "rct": ("itt", "ate", "late"), "did": ("att",), "matching": ("att", "atc", "ate"),
}

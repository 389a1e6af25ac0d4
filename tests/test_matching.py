"""Nearest neighbours: matches worked by hand, who serves whom, and every unit left out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from support_studies import cross_section

from impact.errors import DataError, DesignError
from impact.matching import inverse_probability, nearest_neighbour
from impact.matching.score import propensity

close = pytest.approx
ONE_TRAIT = {"outcome": "y", "treatment": "d", "covariates": ["x"], "distance": "standardised_euclidean",
             "bias_adjustment": False}


def table(treated: dict[float, float], others: dict[float, float]) -> pd.DataFrame:
    """Units by place x and outcome y."""
    rows = [(x, y, 1) for x, y in treated.items()] + [(x, y, 0) for x, y in others.items()]
    return pd.DataFrame(rows, columns=["x", "y", "d"], dtype=float)


def test_tied_neighbours_share_the_weight():
    # the one treated at 0 has equally near others at -1 and 1: 10 - (4 + 8) / 2 = 4
    e = nearest_neighbour(table({0: 10}, {-1: 4, 1: 8}), **ONE_TRAIT, replace=True)
    assert e.estimate == close(4.0)
    assert e.matched.weights == close([1, 0.5, 0.5])
    assert dict(next(c for c in e.caveats if c.code == "ties").values) == {"units": 1}


def test_the_standard_error_of_a_donor_who_serves_twice_worked_by_hand():
    # treated 5 at 0 and 9 at 2, the other at 1 has 2, one far away has 6: gaps 3 and 7, effect 5, Σ(gap - 5)² = 8;
    # the donor serves K = 2 times, ΣK² over matches 2: factor 4 - 2 = 2; its variance (2 - 6)²/2 = 8: (8 + 2·8)/2² = 6
    data = table({0: 5, 2: 9}, {1: 2, 100: 6})
    e = nearest_neighbour(data, **ONE_TRAIT, replace=True)
    assert (e.estimate, e.std_error, e.df) == close((5.0, math.sqrt(6), None))
    # one variance for all: half the mean squared deviation of the gaps, 8/2/2 = 2: (8 + 2·2)/2² = 3
    assert nearest_neighbour(data, **ONE_TRAIT, replace=True, variance_matches=0).std_error == close(math.sqrt(3))


def test_the_bias_adjustment_moves_a_donor_along_the_regression_line():
    # donors used (0, 1) and (10, 11) lie on y = 1 + x; treated at 1 and 8 would have 2 and 9: effects 3 and 4
    data = table({1: 5, 8: 13}, {0: 1, 10: 11, 50: 0})
    assert nearest_neighbour(data, **ONE_TRAIT, replace=True).estimate == close((4 + 2) / 2)
    assert nearest_neighbour(data, **ONE_TRAIT | {"bias_adjustment": True}, replace=True).estimate == close((3 + 4) / 2)


def test_each_estimand_averages_over_its_own_units():
    data = table({0: 5, 2: 9}, {0: 1, 3: 4, 4: 5})
    att = nearest_neighbour(data, **ONE_TRAIT, replace=True)
    atc = nearest_neighbour(data, **ONE_TRAIT, replace=True, estimand="atc")
    ate = nearest_neighbour(data, **ONE_TRAIT, replace=True, estimand="ate")
    assert att.estimate == close(((5 - 1) + (9 - 4)) / 2)
    assert atc.estimate == close(((5 - 1) + (9 - 4) + (9 - 5)) / 3)
    assert ate.estimate == close((2 * att.estimate + 3 * atc.estimate) / 5)
    assert [e.comparison_label.split()[0] for e in (att, atc, ate)] == ["participants", "the", "all"]


def test_without_replacement_the_farthest_out_chooses_first_and_no_donor_serves_twice():
    # distance from the others' mean: the treated at 9 chooses first and takes 8; the one at 7 is left with 1
    e = nearest_neighbour(table({7: 20, 9: 30}, {8: 10, 1: 4, 0: 0}), **ONE_TRAIT)
    assert e.estimate == close(((30 - 10) + (20 - 4)) / 2)
    assert {(i, j) for i, j, _ in e.matched.pairs} == {(1, 2), (0, 3)}
    assert [(d.reason, d.rows) for d in e.dropped] == [("not_chosen", (5,))]


def test_pairs_have_the_standard_error_of_their_differences():
    # differences 4, 7, 4: mean 5, variance 3, SE² = 1; clustering by pair gives it with (N−1)/(N−2)·G/(G−1) = 5/4·3/2
    e = nearest_neighbour(table({0: 5, 10: 9, 20: 8}, {1: 1, 11: 2, 21: 4}), **ONE_TRAIT)
    assert (e.estimate, e.df, e.n_clusters) == (close(5.0), 2, 3)
    assert e.std_error == close(math.sqrt(6 / 9 * 5 / 4 * 3 / 2))


def test_a_caliper_and_exact_groups_leave_out_who_has_no_counterpart_and_count_them():
    data = table({0: 5, 50: 9}, {1: 1, 2: 3}).assign(town=["a", "a", "b", "a"])
    near = nearest_neighbour(data, **ONE_TRAIT, replace=True, caliper=0.5)
    assert near.estimate == close(4.0)
    assert [(d.reason, d.rows) for d in near.dropped] == [("no_match", (2,)), ("not_chosen", (4,))]
    same = nearest_neighbour(data, **ONE_TRAIT, replace=True, exact=["town"])
    assert same.estimate == close(((5 - 3) + (9 - 3)) / 2)
    with pytest.raises(DesignError, match="no unit has a match"):
        nearest_neighbour(data, **ONE_TRAIT, caliper=1e-6)


@pytest.mark.parametrize("options", [{}, {"replace": True}, {"replace": True, "caliper": 0.1}, {"neighbours": 2},
                                     {"replace": True, "estimand": "ate"}, {"exact": ["sector"], "estimand": "atc"}])
def test_every_row_is_used_or_counted_once(options):
    data = cross_section(60).assign(offered=lambda d: (d["size"] + np.sin(d.index) * 4 > 11) * 1.0)
    data.loc[[0, 7], "profit"] = np.nan
    data.loc[9, "age"] = np.nan
    e = nearest_neighbour(data, outcome="profit", treatment="offered", covariates=["age", "size"], **options)
    assert e.n + sum(d.n_rows for d in e.dropped) == 60
    rows = [r for d in e.dropped for r in d.rows]
    assert len(rows) == len(set(rows))
    used = e.matched.data()
    assert len(used) == e.n
    assert set(used.index + 1).isdisjoint(rows)


def test_the_effective_size_is_the_square_of_the_sum_over_the_sum_of_squares():
    e = nearest_neighbour(table({0: 5, 1: 6, 10: 9}, {0: 2, 10: 6}), **ONE_TRAIT, replace=True)
    assert e.matched.effective_size(0) == close((2 + 1) ** 2 / (4 + 1))


def test_the_score_agrees_with_a_generalised_linear_model_on_dollar_sized_covariates():
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.normal(40, 10, 300), rng.exponential(20_000, 300)])
    d = (rng.uniform(size=300) < 1 / (1 + np.exp(2 - 0.03 * x[:, 0] - 2e-5 * x[:, 1]))) * 1.0
    theirs = sm.GLM(d, sm.add_constant(x / [1, 1e4]), family=sm.families.Binomial()).fit(tol=1e-12)
    score = propensity(x, d, ["age", "sales"])
    assert score.probability == close(theirs.fittedvalues, rel=1e-8)
    repeated = propensity(np.column_stack([x, x[:, 0]]), d, ["age", "sales", "age again"])
    assert repeated.left_out == ("age again",)
    assert repeated.probability == close(score.probability)


def test_mahalanobis_does_not_depend_on_units_of_measure_or_mixing_of_traits():
    data = cross_section(60)
    call = {"outcome": "profit", "treatment": "offered", "distance": "mahalanobis", "replace": True,
            "bias_adjustment": False}
    plain = nearest_neighbour(data, covariates=["age", "size"], **call)
    mixed = data.assign(a=data["age"] * 1000 + data["size"], b=data["size"] - data["age"])
    assert nearest_neighbour(mixed, covariates=["a", "b"], **call).estimate == close(plain.estimate)


def test_the_caveat_that_nobody_drew_lots_is_always_there():
    e = nearest_neighbour(cross_section(), outcome="profit", treatment="offered", covariates=["size"], replace=True)
    assert e.has_caveat("selection_on_observables")
    assert e.has_caveat("score_known")


def test_designs_that_cannot_answer_are_refused():
    data = cross_section()
    call = {"outcome": "profit", "treatment": "offered"}
    with pytest.raises(DesignError, match="predict treatment"):
        nearest_neighbour(data.assign(z=data["offered"] * 10 + data["size"] / 100), covariates=["z"], **call)
    with pytest.raises(DesignError, match="nothing to match on"):
        nearest_neighbour(data, covariates=[], **call)
    with pytest.raises(DesignError, match="all 40 units are comparison"):
        nearest_neighbour(data.assign(offered=0), covariates=["size"], **call)
    for method in (nearest_neighbour, inverse_probability):
        with pytest.raises(DesignError, match=r"no row is left: left out were size is missing \(40 rows\)"):
            method(data.assign(size=np.nan), covariates=["size"], **call)
        gone = data.assign(size=data["size"].where(data["offered"] == 0))
        with pytest.raises(DesignError, match=r"all 20 units are comparison: left out were size is missing \(20 rows\)"):
            method(gone, covariates=["size"], **call)
    with pytest.raises(DataError, match="Did you mean 'size'"):
        nearest_neighbour(data, covariates=["sise"], **call)
    for wrong in ({"estimand": "late"}, {"distance": "cosine"}, {"neighbours": 0}, {"neighbours": True}, {"caliper": 0},
                  {"variance_matches": -1}, {"estimand": "ate"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            nearest_neighbour(data, covariates=["size"], **call, **wrong)

"""Scores estimated beforehand, by a learner or trimmed, handed over to what matches on a score."""

from __future__ import annotations

import numpy as np
import pytest
from test_matching_traps import made

from impact import matching
from impact.errors import DesignError
from impact.matching import full_matching, nearest_neighbour, propensity_score

close = pytest.approx
SCORED = [("nearest_neighbour", {}), ("nearest_neighbour", {"replace": True, "estimand": "ate"}),
          ("nearest_neighbour", {"distance": "linear_propensity", "caliper": 0.3}), ("optimal_pairs", {}),
          ("full_matching", {"distance": "linear_propensity"}), ("subclassification", {"classes": 4})]


@pytest.mark.parametrize(("method", "options"), SCORED)
def test_the_logit_handed_over_gives_the_same_match(method, options):
    call = made(300)
    score = propensity_score(call["data"], treatment="d", covariates=call["covariates"])
    own, given = (getattr(matching, method)(**call, **options, **more) for more in ({}, {"score": score}))
    assert (given.estimate, given.std_error) == close((own.estimate, own.std_error))
    assert given.matched.pairs == own.matched.pairs
    assert given.has_caveat("score_given")
    assert not given.has_caveat("score_known")
    assert "distance = p" in given.se_card.r_call or "distance = qlogis(p)" in given.se_card.r_call or (
        "X = p" in given.se_card.r_call)


@pytest.mark.parametrize(("method", "options"), SCORED)
def test_a_learners_trimmed_score_decides_who_is_matched(method, options):
    pytest.importorskip("sklearn")
    call = made(300)
    data = call["data"].assign(y=call["data"]["y"].mask(np.arange(300) == 5), a=call["data"]["a"].mask(np.arange(300) == 9))
    score = propensity_score(data, treatment="d", covariates=call["covariates"], learner="boosting", folds=4, seed=1,
                             trim=0.15)
    e = getattr(matching, method)(**call | {"data": data}, **options, score=score)
    lost = {d.reason: d.rows for d in e.dropped}
    assert lost["outcome_missing"] == (6,)
    assert lost["covariate_missing"] == (10,)
    assert len(lost["trimmed"]) == (~score.kept).sum() - (6 in next(d.rows for d in score.dropped if d.reason == "trimmed"))
    assert ("trimmed", lost["trimmed"]) in [(d.reason, d.rows) for d in e.matched.outside]
    assert {"score_given", "trimmed_scores"} <= {c.code for c in e.caveats}
    assert "boosting" in next(c.text for c in e.caveats if c.code == "score_given")
    place = dict(zip(score.rows.tolist(), score.score.tolist(), strict=True))
    assert e.matched.score == close([place[row] for row in e.matched.rows])
    if method == "nearest_neighbour" and not options:  # by brute force, the largest score first
        s, d = e.matched.score, e.matched.treated
        free, partner = set(np.flatnonzero(d == 0)), {}
        for i in sorted(np.flatnonzero(d == 1), key=lambda i: -s[i]):
            if free:
                partner[i] = min(free, key=lambda j: (abs(s[i] - s[j]), j))
                free.remove(partner[i])
        assert {i: j for i, j, _ in e.matched.pairs} == partner


def test_a_score_of_something_else_is_refused():
    call = made(120)
    data = call["data"].assign(e=lambda t: 1 - t["d"])
    score = propensity_score(data, treatment="d", covariates=call["covariates"])
    call = call | {"data": data}
    assert nearest_neighbour(**call | {"data": data.copy()}, score=score).n > 0
    with pytest.raises(DesignError, match="another table"):
        nearest_neighbour(**call | {"data": data.iloc[1:]}, score=score)
    with pytest.raises(DesignError, match="another treatment"):
        nearest_neighbour(**call | {"treatment": "e"}, score=score)
    with pytest.raises(ValueError, match="'mahalanobis' does not use it"):
        full_matching(**call, distance="mahalanobis", score=score)
    with pytest.raises(ValueError, match="estimated_score needs"):
        nearest_neighbour(**call, replace=True, estimated_score=True, score=score)

"""Matching and weighting: functions of a table and column names."""

from impact.matching.changes import matched_did
from impact.matching.entropy import entropy_balance
from impact.matching.nearest import nearest_neighbour
from impact.matching.pairs import full_matching, optimal_pairs
from impact.matching.propensity import PropensityScore, propensity_score
from impact.matching.robust import aipw, regression_adjustment
from impact.matching.sample import MatchedEstimate, MatchedSample
from impact.matching.strata import coarsened_exact, exact, subclassification
from impact.matching.weighting import inverse_probability

__all__ = ["MatchedEstimate", "MatchedSample", "PropensityScore", "aipw", "coarsened_exact", "entropy_balance", "exact",
           "full_matching", "inverse_probability", "matched_did", "nearest_neighbour", "optimal_pairs", "propensity_score",
           "regression_adjustment", "subclassification"]

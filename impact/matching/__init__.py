"""Matching estimators: functions of a table and column names."""

from impact.matching.nearest import nearest_neighbour
from impact.matching.sample import MatchedEstimate, MatchedSample

__all__ = ["MatchedEstimate", "MatchedSample", "nearest_neighbour"]

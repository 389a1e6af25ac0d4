"""What an evaluation found: estimates, checks, the flow of units, and the record that keeps them."""

from impact.results.cleaning import Cleaning, CutOff
from impact.results.estimate import Caveat, Dropped, Estimate, Estimates, PercentEffect, Segment, StandardErrorCard
from impact.results.evaluation import Check, Evaluation, Flow, Provenance, Stage, TrendPoint
from impact.results.reading import read_results

__all__ = ["Caveat", "Check", "Cleaning", "CutOff", "Dropped", "Estimate", "Estimates", "Evaluation", "Flow",
           "PercentEffect", "Provenance", "Segment", "Stage", "StandardErrorCard", "TrendPoint", "read_results"]

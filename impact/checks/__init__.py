"""Checks of what an effect rests on; each returns a verdict, what was measured, the threshold and the reason."""

from impact.checks.baseline import balance, draw_record
from impact.checks.comparisons import comparisons_agree
from impact.checks.hidden import e_value, pair_outcomes, rosenbaum_bounds
from impact.checks.losses import attrition
from impact.checks.omitted import robustness_value
from impact.checks.placebos import leave_one_covariate_out, negative_control
from impact.checks.selection import oster
from impact.checks.support import overlap
from impact.checks.timing import measured_before
from impact.checks.trends import pretrends
from impact.inference.balance import balance_table

__all__ = ["attrition", "balance", "balance_table", "comparisons_agree", "draw_record", "e_value",
           "leave_one_covariate_out", "measured_before", "negative_control", "oster", "overlap", "pair_outcomes", "pretrends",
           "robustness_value", "rosenbaum_bounds"]

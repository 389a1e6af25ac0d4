"""Difference-in-differences: functions of a table and column names."""

from impact.did.again import drop_the_largest, leave_one_cohort_out, placebo_dates, placebo_outcomes
from impact.did.benchmark import aggregate_benchmark
from impact.did.comparison import compare
from impact.did.counts import poisson
from impact.did.decomposition import bacon_decomposition
from impact.did.earlier import earlier_gaps, earlier_growth
from impact.did.events import event_study
from impact.did.fragility import hidden_drift, sensitivity
from impact.did.group_time import group_time_att
from impact.did.imputed import imputation
from impact.did.interaction import sun_abraham
from impact.did.stacking import stacked
from impact.did.synthetic import synthetic_control, synthetic_did
from impact.did.triple import triple_difference
from impact.did.two_periods import two_by_two
from impact.did.two_way import two_way_fixed_effects
from impact.did.unbalanced import unbalanced_agreement

__all__ = ["aggregate_benchmark", "bacon_decomposition", "compare", "drop_the_largest", "earlier_gaps", "earlier_growth",
           "event_study", "group_time_att", "hidden_drift", "imputation", "leave_one_cohort_out", "placebo_dates",
           "placebo_outcomes", "poisson", "sensitivity", "stacked", "sun_abraham", "synthetic_control", "synthetic_did",
           "triple_difference", "two_by_two", "two_way_fixed_effects", "unbalanced_agreement"]

"""Estimators for randomised trials: functions of a table and column names."""

from impact.rct.arms import multi_arm
from impact.rct.bounds import lee_bounds, manski_bounds
from impact.rct.complier import late
from impact.rct.counts import poisson
from impact.rct.dose import dose_response
from impact.rct.double_selection import post_double_selection
from impact.rct.encouraged import encouragement
from impact.rct.factors import factorial
from impact.rct.found import attrition_weighted
from impact.rct.groups import subgroups
from impact.rct.means import difference_in_means
from impact.rct.quantiles import quantile_effects
from impact.rct.ratio import ratio_effect
from impact.rct.regression import ancova, lin, ols
from impact.rct.rounds import pooled_rounds
from impact.rct.saturations import saturation
from impact.rct.small import exact_share_test, rank_test
from impact.rct.two_level import spillover
from impact.rct.workers import worker_effects
from impact.rct.workforce import worker_composition

__all__ = ["ancova", "attrition_weighted", "difference_in_means", "dose_response", "encouragement", "exact_share_test",
           "factorial", "late", "lee_bounds", "lin", "manski_bounds", "multi_arm", "ols", "poisson", "pooled_rounds",
           "post_double_selection", "quantile_effects", "rank_test", "ratio_effect", "saturation", "spillover", "subgroups",
           "worker_composition", "worker_effects"]

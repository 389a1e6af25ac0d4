"""Estimators for randomised trials: functions of a table and column names."""

from impact.rct.arms import multi_arm
from impact.rct.bounds import lee_bounds, manski_bounds
from impact.rct.complier import late
from impact.rct.counts import poisson
from impact.rct.means import difference_in_means
from impact.rct.regression import ancova, lin, ols

__all__ = ["ancova", "difference_in_means", "late", "lee_bounds", "lin", "manski_bounds", "multi_arm", "ols", "poisson"]

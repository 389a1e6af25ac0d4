"""Difference-in-differences estimators: functions of a panel and column names."""

from impact.did.two_periods import two_by_two
from impact.did.two_way import two_way_fixed_effects

__all__ = ["two_by_two", "two_way_fixed_effects"]

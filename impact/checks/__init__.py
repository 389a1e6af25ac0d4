"""Checks of what an effect rests on; each returns a verdict, what was measured, the threshold and the reason."""

from impact.checks.baseline import balance, balance_table, draw_record
from impact.checks.losses import attrition
from impact.checks.support import overlap
from impact.checks.trends import pretrends

__all__ = ["attrition", "balance", "balance_table", "draw_record", "overlap", "pretrends"]

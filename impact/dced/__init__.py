"""Self-check of one study's record against the DCED Standard: on file, missing, and what mends it."""

from impact.dced.assess import audit, summary_lines
from impact.dced.page import write_self_check
from impact.dced.types import Audit, Element, Point

__all__ = ["Audit", "Element", "Point", "audit", "summary_lines", "write_self_check"]

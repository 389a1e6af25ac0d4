"""Self-check against the DCED Standard, of one study or a whole programme: on file, missing, and what mends it."""

from impact.dced.assess import audit
from impact.dced.report.html import write_self_check
from impact.dced.report.terminal import summary_lines
from impact.dced.types import Audit, Element, Evidence, Gap, Point

__all__ = ["Audit", "Element", "Evidence", "Gap", "Point", "audit", "summary_lines", "write_self_check"]

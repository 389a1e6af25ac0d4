"""Impact evaluation for enterprise programmes: declare once, estimate, audit, and tell it in two pages.

Names are loaded when they are first used, so that ``import impact`` is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from impact.errors import DataError, DesignError, ImpactError, RenderError, StudyError

if TYPE_CHECKING:
    from impact import checks, did, inference, matching, rct
    from impact.brief import compose, write_brief
    from impact.data import load_sample
    from impact.dced import audit
    from impact.evaluation import evaluate
    from impact.programme import read_programme
    from impact.results import read_results
    from impact.study import read_study

__version__ = "0.1.0"

_FUNCTIONS = {
    "read_study": "impact.study", "load_sample": "impact.data", "evaluate": "impact.evaluation",
    "read_results": "impact.results", "audit": "impact.dced", "compose": "impact.brief",
    "write_brief": "impact.brief", "read_programme": "impact.programme",
}
_MODULES = ("rct", "did", "matching", "checks", "inference")

__all__ = ["DataError", "DesignError", "ImpactError", "RenderError", "StudyError", "audit", "checks", "compose", "did",
           "evaluate", "inference", "load_sample", "matching", "rct", "read_programme", "read_results", "read_study",
           "write_brief"]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    if name in _MODULES:
        return import_module(f"impact.{name}")
    raise AttributeError(f"module 'impact' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

"""What was promised before the results: targets, and a plan that was frozen; and how they must agree with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from impact.study.schema import Validation, did_you_mean, one_of
from impact.study.yaml_file import shown

if TYPE_CHECKING:
    from impact.study.types import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The level of an outcome that participants were to reach, in the outcome's unit; a level, not an effect."""

    value: float
    by: str | None = None
    source: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An analysis plan frozen before the results, and the smallest effects the study was planned to find.

    ``minimum_detectable_effect`` pairs names of outcomes with sizes in the outcome's unit, without a sign.
    """

    frozen: str
    record: Words | None = None
    minimum_detectable_effect: tuple[tuple[str, float], ...] = ()

    def smallest(self, outcome: str) -> float | None:
        """Return the planned smallest effect of one outcome; None where the plan states none."""
        return dict(self.minimum_detectable_effect).get(outcome)


def _check_bounds(v: Validation, tree: Mapping[str, Any]) -> None:
    for i, outcome in enumerate(tree.get("outcomes") or []):
        ends = (outcome or {}).get("equivalence")
        if not isinstance(ends, list) or len(ends) != 2 or None in ends:
            continue
        path = ("outcomes", i, "equivalence")
        if not ends[0] < 0 < ends[1]:
            v.complain(path, f"the differences that count as none run from {shown(ends[0])} to {shown(ends[1])}, and "
                       "zero is not between them", "Write the lower end below zero and the upper one above it: [-5, 5].")
        elif outcome.get("transform") not in (None, "none"):
            v.complain(path, "the outcome is analysed on another scale than its own unit",
                       "Leave equivalence out, or transform.")


def check_promises(v: Validation, tree: Mapping[str, Any]) -> None:
    """Hold the plan against the declared outcomes and the date of the brief, and bounds of no difference against zero."""
    _check_bounds(v, tree)
    plan = tree.get("plan")
    if not isinstance(plan, Mapping):
        return
    names = [o["name"] for o in tree.get("outcomes") or [] if isinstance(o, Mapping) and o.get("name")]
    for name, size in (plan.get("minimum_detectable_effect") or {}).items():
        path = ("plan", "minimum_detectable_effect", name)
        if name not in names:
            v.complain(path, f"'{shown(name)}' is not a declared outcome",
                       did_you_mean(name, names) or f"Declared: {one_of(names)}.")
        elif isinstance(size, bool) or not isinstance(size, (int, float)) or not size > 0:
            v.complain(path, f"a size above 0 is expected, got '{shown(size)}'",
                       "Write it in the outcome's unit and without a sign, as the plan states it.")
    date = (tree.get("brief") or {}).get("date")
    if isinstance(date, str) and isinstance(plan.get("frozen"), str) and plan["frozen"] > date:
        v.complain(("plan", "frozen"), f"the plan is dated {plan['frozen']}, after the brief ({date})",
                   "Write the date on which it was frozen.")

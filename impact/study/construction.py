"""How an outcome is made from what firms reported: what a study may declare of it, and how its parts must agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

from impact.study.schema import Validation, one_of
from impact.study.yaml_file import Path_, shown

STATUSES = ("operating", "closed_verified", "closed_season", "moved", "merged", "not_found")
UNIT_DEPENDENT = ("asinh", "log1p")  # their effect depends on the currency unit
_NAMES = dict.fromkeys(("asinh", "arcsinh", "ihs"), "asinh") | dict.fromkeys(
    ("log1p", "log(1+y)", "log(y+1)", "ln(1+y)", "ln(y+1)"), "log1p")


def as_code(value: Any) -> str:
    """Write a code as text, so that 2, 2.0 and '2' are the same code, and true is 1."""
    if isinstance(value, Real):
        return f"{float(value):.15g}"
    return str(value).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmStatus:
    """The column that says what became of each firm, and which of its values mean what."""

    column: str
    codes: tuple[tuple[str, tuple[str | float, ...]], ...]

    def meanings(self) -> dict[str, str]:
        """Map each value of the column, as text, to one of :data:`STATUSES`."""
        return {as_code(value): status for status, values in self.codes for value in values}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A monthly price index: amounts are brought to the mean prices of ``year`` in the place of the interview.

    ``place`` is a column of the data and of the file, ``date`` the interview date in the data, ``month`` and ``index``
    columns of the file. Without ``place`` there is one index for all.
    """

    file: str
    date: str
    index: str
    year: int
    place: str | None = None
    month: str = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """The time a reported amount covers: a number of months or days, or a column of months."""

    months: float | None = None
    days: float | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Winsorise:
    """Shares of the round's distribution beyond which values are set to the cut-off."""

    upper: float | None = None
    lower: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineConstruction:
    """What differs for the baseline: its own recall period and interview date."""

    recall: Recall | None = field(default=None, metadata={"of": Recall})
    date: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Construction:
    """How one outcome is made: a flow or total is zero in a closed firm, a rate is undefined there."""

    kind: Literal["flow", "total", "rate"]
    recall: Recall | None = field(default=None, metadata={"of": Recall})
    deflate: bool = False
    winsorise: Winsorise | None = field(default=None, metadata={"of": Winsorise})
    money: bool = False
    baseline: BaselineConstruction | None = field(default=None, metadata={"of": BaselineConstruction})


def take_unit_dependent(v: Validation, tree: Any) -> None:
    """Refuse log(1 + y) and asinh of a primary outcome, with the reason; a secondary one is shown in two units."""
    outcomes = tree.get("outcomes") if isinstance(tree, dict) else None
    outcomes = outcomes if isinstance(outcomes, list) else []
    for i, outcome in enumerate(outcomes):
        given = outcome.get("transform") if isinstance(outcome, dict) else None
        name = _NAMES.get(given.strip().lower().replace(" ", "")) if isinstance(given, str) else None
        if name is not None and outcome.get("role") == "secondary":
            outcome["transform"] = name
            _check_beside(v, outcomes, i)
        elif name is not None:
            outcome["transform"] = None
            v.complain(("outcomes", i, "transform"), f"'{shown(given)}' is refused: its effect depends on the currency: "
                       "counting in cents or in thousands gives another size (Chen & Roth 2024, 'Logs with zeros?', "
                       "Quarterly Journal of Economics 139)",
                       "Leave transform out and declare construction: {kind: flow, money: true, winsorise: {upper: 0.99}}: "
                       "the effect is then given in money, as a share above zero and in per cent of the comparison mean "
                       "(or name poisson as method). To show it all the same, declare it as a further outcome with role: "
                       "secondary: two currency units are then printed side by side, and neither is a headline.")


def _check_beside(v: Validation, outcomes: list[Any], i: int) -> None:
    """A transformed outcome stands after the others, and is made of one of them as it is."""
    if any(isinstance(o, dict) and o.get("transform") not in UNIT_DEPENDENT and _NAMES.get(str(o.get("transform"))) is None
           for o in outcomes[i + 1:]):
        v.complain(("outcomes", i, "transform"), "an outcome shown in two currency units stands after all others",
                   "Move it to the end of outcomes.")
    if outcomes[i].get("construction") is not None:
        v.complain(("outcomes", i, "construction"), "it is made of another outcome, construction and all",
                   "Delete this key; name in column the column that the other outcome names.")


def check_construction(v: Validation, tree: Mapping[str, Any]) -> None:
    """Check firm_status, prices and each outcome's construction against each other."""
    status, prices = tree.get("firm_status"), tree.get("prices")
    outcomes = [(i, o) for i, o in enumerate(tree.get("outcomes") or []) if isinstance(o, Mapping)]
    if isinstance(status, Mapping):
        _check_codes(v, status.get("codes") or {})
        for i, outcome in outcomes:
            if "construction" not in outcome and outcome.get("transform") not in UNIT_DEPENDENT:
                v.complain(("outcomes", i), "'construction' is missing: firm_status is declared, and nothing says what "
                           "this outcome is in a closed firm",
                           "Write construction: {kind: flow} (or total: zero when closed; rate: undefined when closed), or "
                           "construction: null to take the column as it stands.")
    built = [(i, o) for i, o in outcomes if isinstance(o.get("construction"), Mapping)]
    for i, outcome in built:
        _check_one(v, ("outcomes", i, "construction"), outcome["construction"], outcome, prices)
    if isinstance(prices, Mapping) and not any(o["construction"].get("deflate") for _, o in built):
        v.complain(("prices",), "prices are declared, and no outcome is deflated",
                   "Write deflate: true in the construction of money outcomes, or delete prices.")
    _check_blind(v, tree, built)


def _check_codes(v: Validation, codes: Mapping[str, Any]) -> None:
    seen: dict[str, str] = {}
    for status, values in codes.items():
        for j, value in enumerate(values or []):
            code = as_code(value)
            if value is not None and code in seen:
                v.complain(("firm_status", "codes", status, j), f"'{shown(value)}' is listed twice: under {seen[code]} and "
                           f"under {status}", "Each value means one thing: keep it in one list.")
            seen.setdefault(code, status)


def _check_one(v: Validation, path: Path_, rules: Mapping[str, Any], outcome: Mapping[str, Any], prices: Any) -> None:
    recall, before = rules.get("recall"), rules.get("baseline")
    _check_recall(v, (*path, "recall"), recall)
    if recall and rules.get("kind") == "total":
        v.complain((*path, "recall"), "a total is counted at the interview and has no recall period",
                   "Write kind: flow, or leave recall out.")
    if rules.get("deflate") and not rules.get("money"):
        v.complain((*path, "deflate"), "only money is deflated", "Add money: true, or leave deflate out.")
    if rules.get("deflate") and not prices:
        v.complain((*path, "deflate"), "there are no prices to deflate with",
                   "Write prices: {file: prices.csv, place: district, date: interview_date, index: cpi, year: 2024}.")
    if rules.get("money") and "winsorise" not in rules:
        v.complain(path, "'winsorise' is missing: cut-offs are named before results are seen",
                   "Write winsorise: {upper: 0.99}, or winsorise: null to show no capped version.")
    capped = rules.get("winsorise")
    if isinstance(capped, Mapping) and capped.get("upper") is None and capped.get("lower") is None:
        v.complain((*path, "winsorise"), "no cut-off is named", "Write winsorise: {upper: 0.99}.")
    _check_before(v, path, rules, outcome, before if isinstance(before, Mapping) else {})
    if before and not outcome.get("baseline"):
        v.complain((*path, "baseline"), "the outcome has no baseline", "Name its column, or delete this key.")


def _check_recall(v: Validation, path: Path_, recall: Any) -> None:
    if isinstance(recall, Mapping) and sum(recall.get(key) is not None for key in ("months", "days", "column")) != 1:
        v.complain(path, "say one of months, days or column",
                   "Write recall: {months: 3}, {days: 7} or {column: recall_months}.")


def _check_before(v: Validation, path: Path_, rules: Mapping[str, Any], outcome: Mapping[str, Any],
                  before: Mapping[str, Any]) -> None:
    """Ask for what brings the baseline to the same unit as the outcome."""
    _check_recall(v, (*path, "baseline", "recall"), before.get("recall"))
    if not outcome.get("baseline"):
        return
    if (rules.get("recall") or {}).get("column") and not before.get("recall"):
        v.complain(path, "the baseline's recall period is not stated",
                   "Write baseline: {recall: {months: 1}}, or {recall: {column: …}}, so that both are for one month.")
    if rules.get("deflate") and not before.get("date"):
        v.complain(path, "the baseline's interview date is not stated, and without it it cannot be deflated",
                   "Write baseline: {date: column}.")


def _check_blind(v: Validation, tree: Mapping[str, Any], built: list[tuple[int, Any]]) -> None:
    """Refuse rules that look at the arm: cleaning is blind to it."""
    design = tree.get("design") or {}
    first = design.get("first_treated")
    arms = {design.get("treatment"), first.get("first_period_of") if isinstance(first, Mapping) else first} - {None}
    named: list[tuple[Path_, Any]] = [(("firm_status", "column"), (tree.get("firm_status") or {}).get("column"))]
    named += [(("prices", key), (tree.get("prices") or {}).get(key)) for key in ("place", "date")]
    for i, outcome in built:
        rules = outcome["construction"]
        for keys, part in ((("recall",), rules), (("baseline", "recall"), rules.get("baseline") or {})):
            named.append((("outcomes", i, "construction", *keys, "column"), (part.get("recall") or {}).get("column")))
        named.append((("outcomes", i, "construction", "baseline", "date"), (rules.get("baseline") or {}).get("date")))
    for path, name in named:
        if name is not None and name in arms:
            v.complain(path, f"'{shown(name)}' tells who was treated: cleaning is blind to it",
                       f"Name another column than {one_of(sorted(str(a) for a in arms))}.")

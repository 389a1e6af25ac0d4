"""Families of outcomes in a study file: each outcome in one family, primaries in one, and rules that keep the promise."""

from __future__ import annotations

from typing import Any

from impact.study.schema import Validation, did_you_mean, one_of
from impact.study.yaml_file import Path_, shown

FAMILYWISE = ("holm", "westfall_young", "romano_wolf")
REDRAWN = ("westfall_young", "romano_wolf")  # these draw the lots again, so there must have been a draw


def check_families(v: Validation, families: list[Any], outcomes: list[Any], kind: str | None) -> None:
    """Complain of families that name unknown outcomes, overlap, mix roles, or promise less than primaries need."""
    roles = {o["name"]: o.get("role") for o in outcomes if isinstance(o, dict) and o.get("name")}
    taken: dict[str, str] = {}
    names: list[str] = []
    for i, family in enumerate(families):
        here: Path_ = ("analysis", "families", i)
        if not isinstance(family, dict):
            continue
        name = family.get("name")
        if name and (name in names or name in roles):
            other = "family" if name in names else "outcome"
            v.complain((*here, "name"), f"'{shown(name)}' is the name of another {other}", "Give each its own name.")
        names.append(str(name))
        members = [m for m in family.get("outcomes") or [] if m]
        _check_members(v, members, roles, taken, str(name), (*here, "outcomes"))
        _check_rule(v, family, {roles[m] for m in members if m in roles}, kind, here)
    primaries = [name for name, role in roles.items() if role == "primary"]
    homes = {taken.get(name, "") for name in primaries}
    if len(homes) > 1:
        v.complain(("analysis", "families"), "the primary outcomes are not all in one family",
                   f"Error over all primaries is kept together: list {one_of(primaries)} in one family, or in none.")


def _check_members(v: Validation, members: list[str], roles: dict[str, Any], taken: dict[str, str], name: str,
                   here: Path_) -> None:
    for j, member in enumerate(members):
        if member not in roles:
            v.complain((*here, j), f"'{shown(member)}' is not a declared outcome",
                       did_you_mean(member, roles) or f"Declared: {one_of(roles)}.")
        elif member in taken:
            v.complain((*here, j), f"'{shown(member)}' is already in the family '{shown(taken[member])}'",
                       "An outcome belongs to one family.")
        else:
            taken[member] = name


def _check_rule(v: Validation, family: dict[str, Any], roles: set[Any], kind: str | None, here: Path_) -> None:
    rule = family.get("adjust")
    if roles == {"primary", "secondary"}:
        v.complain((*here, "outcomes"), "primary and secondary outcomes stand in one family",
                   "Make one family of the primaries and others of secondaries.")
    elif rule and "primary" in roles and rule not in FAMILYWISE:
        v.complain((*here, "adjust"), f"'{rule}' limits the share of false findings, and primaries need the chance of any "
                   "false finding limited", f"Write one of {one_of(FAMILYWISE)}.")
    if rule in REDRAWN and kind not in (None, "rct"):
        v.complain((*here, "adjust"), f"'{rule}' draws the lots again, and nothing was drawn in a {kind} study",
                   "Write holm, or benjamini_hochberg for secondaries.")
    if family.get("index") and len(family.get("outcomes") or []) < 2:
        v.complain((*here, "index"), "an index sums up two outcomes or more", "Leave it out, or list more outcomes.")

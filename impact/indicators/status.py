"""What became of each firm, and what that makes of an outcome: the codes, their rules, and what they may not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import listed, rows_text
from impact.errors import Problem
from impact.indicators.log import Log
from impact.inference.linear import Array
from impact.study.construction import FirmStatus, as_code
from impact.study.yaml_file import shown

if TYPE_CHECKING:
    import pandas as pd

States = np.ndarray[Any, np.dtype[np.object_]]
MOST_CODES = 12  # a column with more values that no list holds is not a status column: it may hold names


def states_of(frame: pd.DataFrame, declared: FirmStatus) -> States:
    """Read each row's status as a declared meaning; empty text where the value is missing or in no list."""
    meanings = declared.meanings()
    column = frame[declared.column]
    known = column.notna().to_numpy()
    return np.array([meanings.get(as_code(x), "") if k else "" for x, k in zip(column, known, strict=True)], dtype=object)


def status_problems(frame: pd.DataFrame, declared: FirmStatus, states: States, *, unit: str | None = None,
                    time: str | None = None) -> list[Problem]:
    """List rows without a status, values that no list holds, and closed firms that a panel then forgets."""
    where = f"firm_status.column, column '{declared.column}'"
    column, out = frame[declared.column], []
    missing = column.isna().to_numpy()
    if missing.any():
        rows = np.flatnonzero(missing) + 1
        out.append(Problem(where=where, what=f"{len(rows)} rows have no status ({rows_text(rows)})",
                           cure="Write for each firm whether it was operating, closed or not found."))
    strange = (states == "") & ~missing
    if strange.any():
        rows = np.flatnonzero(strange) + 1
        values = sorted({shown(as_code(x)) for x in column[strange]})
        told = f" ({listed(values)})" if len(values) <= MOST_CODES else ""
        out.append(Problem(where=where, what=f"{len(values)} value(s) stand in no list of codes{told}: {rows_text(rows)}",
                           cure="Add each to the list it belongs to, or correct the data."
                           if told else "Is this the column of the status?"))
    return out + (_forgotten(frame, states, where, unit, time) if unit and time else [])


def _forgotten(frame: pd.DataFrame, states: States, where: str, unit: str, time: str) -> list[Problem]:
    """Find firms whose last row is a closure although later periods were asked: their zeros would be lost."""
    last = frame[time] == frame.groupby(unit)[time].transform("max")
    gone = (last & (frame[time] < frame[time].max())).to_numpy() & (states == "closed_verified")
    if not gone.any():
        return []
    rows = np.flatnonzero(gone) + 1
    return [Problem(where=where, what=f"{len(rows)} firms are closed in their last row and have no later row ("
                    f"{rows_text(rows)}): their zeros would be lost", cure="Add the later rows with the status found "
                    "then: closed where that was checked, not found where not.")]


def counted(values: Array, states: States, kind: str, log: Log) -> Array:
    """Apply the rule of each status to a reported outcome, and note rows and counts.

    Parameters
    ----------
    values : (n,) as reported, missing where not answered.
    states : (n,) meanings of the status column.
    kind : "flow", "total" or "rate".
    log : takes the notes.
    """
    values = np.array(values, dtype=float)
    told = ~np.isnan(values)
    unfound = (states == "not_found") & told
    if unfound.any():
        log.refuse("", f"{int(unfound.sum())} rows of firms not found have a value "
                   f"({rows_text(np.flatnonzero(unfound) + 1)})", "Correct the status or the values.")
    closed = states == "closed_verified"
    if closed.any():
        after = np.where(closed, np.nan if kind == "rate" else 0.0, values)
        replaced = int((closed & told & (values != 0)).sum())
        rule = "closed, verified: " + ("undefined, so left out" if kind == "rate" else "counts as zero")
        if replaced:
            rule += f"; {replaced} had reported another amount, which is not used"
        log.note("status", rule, values, after, closed, code="closed_verified")
        values = after
    merged = states == "merged"
    if merged.any():
        after = np.where(merged, np.nan, values)
        log.note("status", "merged into another firm: its amounts are not its own, so left out", values, after, merged,
                 code="merged")
        values = after
    for code, rule in (("closed_season", "closed for the season: counts as reported, zero only where zero was reported"),
                       ("moved", "moved and followed: counts as reported")):
        here = (states == code) & (told if code == "moved" else True)
        if here.any():
            log.note("status", rule, values, values, here, code=code)
    lost = (states == "not_found") | ((states == "moved") & ~told)
    if lost.any():
        log.note("status", "not found, or moved and not followed: missing, which is attrition and not zero", values, values,
                 lost, code="not_found")
    silent = np.isin(states, ("operating", "closed_season")) & ~told
    if silent.any():
        log.note("status", "interviewed and not answered: stays missing", values, values, silent, code="no_answer")
    return values


def survival(states: States, found: np.ndarray[Any, np.dtype[np.bool_]]) -> Array:
    """Whether each firm is still in business: 1, 0 where closure was verified, missing where not known.

    A firm closed for the season is in business; a merger is no death of a firm (Eurostat–OECD 2007); one that moved is in
    business where it was followed (``found``).
    """
    out = np.full(len(states), np.nan)
    out[np.isin(states, ("operating", "closed_season", "merged")) | ((states == "moved") & found)] = 1.0
    out[states == "closed_verified"] = 0.0
    return out

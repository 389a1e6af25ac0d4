"""Why rows could not have been drawn as declared: clusters of two arms, strata of one, an arm of one cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import FEW, Selection, counted, joined, rows_text
from impact.data.privacy import speakable
from impact.errors import Problem

if TYPE_CHECKING:
    import pandas as pd


def draw_problems(rows: Selection, *, treatment: str, strata: str | None = None, cluster: str | None = None,
                  arms: Any = None, least: int = 1, noun: str = "cluster") -> list[Problem]:
    """List why the rows kept could not have been drawn as declared, naming the clusters, strata and rows.

    Parameters
    ----------
    rows : the rows, without missing values in the columns named.
    treatment : column of 0 and 1. strata, cluster : columns of the draw, or None.
    arms : (n,) the arm of each row of the table, where treatment has several; None is ``treatment``.
    least : how many units (clusters, where given) each stratum needs on each side; 0 leaves that to the caller.
    noun : the word for a cluster.
    """
    table = _drawn(rows, treatment, strata, cluster, arms)
    split, alone = [], []
    if cluster is not None:
        split += _split(table, "arm", f"column '{cluster}'", noun, "both treated and comparison units" if arms is None
                        else "more than one arm", "Then treatment was not decided at this level: name the level at "
                        "which it was drawn.")
        if strata is not None:
            split += _split(table, "stratum", f"column '{strata}'", noun, "rows of more than one stratum",
                            "A cluster is drawn within one stratum: correct the column.")
        alone = _lonely(table, cluster, noun) if arms is None else []
    thin = _thin_strata(rows, table, strata, least, noun) if strata is not None and least else []
    return split or alone + thin


def _drawn(rows: Selection, treatment: str, strata: str | None, cluster: str | None, arms: Any) -> pd.DataFrame:
    """Lay out number, arm, stratum and cluster of the rows kept."""
    import pandas as pd

    arm = rows.column(treatment).map({0: "comparison", 1: "treated"}).to_numpy() if arms is None else (
        np.asarray(arms, dtype=object)[rows.kept])
    row = np.flatnonzero(rows.kept) + 1
    return pd.DataFrame({"row": row, "arm": arm, "stratum": rows.column(strata).to_numpy() if strata else 0,
                         "member": rows.column(cluster).to_numpy() if cluster else row, "clustered": cluster is not None})


def _split(table: pd.DataFrame, by: str, where: str, noun: str, what: str, cure: str) -> list[Problem]:
    """Find clusters that are not of one arm, or not of one stratum."""
    several = table.groupby("member", sort=False)[by].nunique()
    bad = several.index[several > 1]
    if not len(bad):
        return []
    parts = []
    for cluster, label in zip(bad[:FEW], speakable(bad[:FEW]), strict=True):
        mine = table[table["member"] == cluster]
        values = mine[by].drop_duplicates()
        names = values if by == "arm" else [f"stratum {name}" for name in speakable(values)]
        places = [f"{name} in {rows_text(mine.loc[mine[by] == value, 'row'], FEW)}"
                  for value, name in zip(values, names, strict=True)]
        parts.append(f"{label} ({'; '.join(places)})")
    verb = "holds" if len(bad) == 1 else "hold"
    return [Problem(where=where, what=f"{counted(len(bad), noun)} {verb} {what}: {joined(parts, len(bad))}", cure=cure)]


def _lonely(table: pd.DataFrame, cluster: str, noun: str) -> list[Problem]:
    """Find an arm of one cluster: its own luck cannot be told from the programme."""
    members = {arm: table.loc[table["arm"] == arm, "member"].unique() for arm in ("treated", "comparison")}
    if min(map(len, members.values())) >= 2 or not all(map(len, members.values())):
        return []
    alone = [f"the {arm} one is {speakable(m)[0]} ({rows_text(table.loc[table['member'] == m[0], 'row'], FEW)})"
             for arm, m in members.items() if len(m) == 1]
    sides = f"{len(members['treated'])} treated and {len(members['comparison'])} comparison {noun}s"
    return [Problem(where=f"column '{cluster}'", what=f"{sides}: two on each side are needed; {', '.join(alone)}",
                    cure=f"With one {noun} on a side, its own luck cannot be told from the programme.")]


def _thin_strata(rows: Selection, table: pd.DataFrame, strata: str, least: int, noun: str) -> list[Problem]:
    """Find strata without ``least`` units (clusters) of both arms."""
    unit = f"{noun}s" if table["clustered"].any() else "units"
    sizes = table.groupby(["stratum", "arm"], sort=False)["member"].nunique().unstack(fill_value=0)
    arms = sizes.reindex(columns=["treated", "comparison"], fill_value=0) if least > 1 else sizes
    thin = sizes.index[(arms < least).any(axis=1) if least > 1 else (sizes > 0).sum(axis=1) < 2]
    parts = []
    for stratum, label in zip(thin[:FEW], speakable(thin[:FEW]), strict=True):
        mine = table[table["stratum"] == stratum]
        shown = ("treated", "comparison") if least > 1 else mine["arm"].unique()
        own = all(arm in ("treated", "comparison") for arm in shown)
        counts = [(mine.loc[mine["arm"] == arm, "member"].nunique(), arm) for arm in shown]
        found = ", ".join(f"{n} {arm}" for n, arm in counts) + f" {unit}" if own else ", ".join(
            f"{n} {unit} of arm {speakable([arm])[0]}" for n, arm in counts)
        parts.append(f"stratum {label} has {found} ({rows_text(mine['row'], FEW)})"
                     f"{_losses(rows, strata, stratum)}")
    if not parts:
        return []
    need = "two on each side are needed for a standard error" if least > 1 else "there is nothing to compare within it"
    return [Problem(where=f"column '{strata}'", what=f"{joined(parts, len(thin))}: {need}",
                    cure="Merge strata as the draw allows, or leave such a stratum out and say so.")]


def _losses(rows: Selection, strata: str, stratum: Any) -> str:
    """Say which rows of a stratum were left out before, and why: the draw may have had both arms."""
    values = rows.data[strata].to_numpy()
    lost = [(d.text, [r for r in d.rows if values[r - 1] == stratum]) for d in rows.dropped]
    told = [f"{text}: {rows_text(mine, FEW)}" for text, mine in lost if mine]
    count = sum(len(mine) for _, mine in lost)
    verb = "was" if count == 1 else "were"
    return f", after {counted(count)} of it {verb} left out ({'; '.join(told)})" if told else ""

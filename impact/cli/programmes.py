"""The commands that start a whole programme, or take stock of an inherited one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from impact.errors import Problem, StudyError
from impact.results.record import write_all
from impact.study.yaml_file import shown, typed


def new_programme(path: str | Path, *, excel: bool = False) -> str:
    """Make a folder with a commented programme file, or the Excel template; returns what to tell the user.

    Raises
    ------
    StudyError
        When something in the way would be overwritten.
    """
    from impact.programme.skeleton import DOCUMENTS, programme_skeleton
    from impact.programme.writing import to_workbook

    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(Problem(where=shown(folder, 300), what="something of this name exists and is not empty",
                                 cure="Choose another name; or, to read what is there: impact inventory "
                                 f"{typed(folder)}"), source="impact new")
    file = folder / ("programme.xlsx" if excel else "programme.yaml")
    write_all({file: to_workbook() if excel else programme_skeleton(), folder / "documents" / "README.txt": DOCUMENTS})
    return (f"Made {shown(folder, 300)} for a programme: a self-check, no audit and no rating.\nFill in name and as_of, "
            f"then the tables you can, and type: impact audit {typed(folder)}\nOpen {shown(file, 300)}")


def stocktake(path: str | Path, *, out: str | None = None, as_of: str | None = None) -> str:
    """Take stock of a folder and write the proposed programme beside it; returns what to tell the user."""
    from impact.programme.inventory import take_inventory
    from impact.programme.stocktaking import inventory_lines, write_proposal

    if as_of is not None:
        try:
            as_of = dt.date.fromisoformat(as_of).isoformat()
        except ValueError:
            raise StudyError(Problem(where="--as-of", what=f"'{shown(as_of)}' is not a date",
                                     cure="Write it as 2026-06-30."), source="impact inventory") from None
    inventory = take_inventory(path, as_of)
    files = write_proposal(inventory, Path(out) if out else Path(path))
    told = "Nothing was changed or overwritten. Check the proposal, then save it as programme.yaml or programme.xlsx."
    return "\n".join([*inventory_lines(inventory), "", told, *(f"open {shown(file, 300)}" for file in files)])

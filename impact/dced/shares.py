"""Must and recommended points with evidence on file, apart; only of a table verified line by line that carries points."""

from __future__ import annotations

from collections.abc import Sequence

from impact.dced.table import ControlPoint, Standard
from impact.dced.types import Element, Point, Share, Status


def shares_of(elements: Sequence[Element], table: Standard) -> tuple[Share, ...]:
    """Add the points of items on file, must and recommended apart; nothing where any line of the table is unverified.

    An item's points count where all of it is on file: what is on file in part counts nothing. Where the sheet gives
    points to control points alone, a control point counts when all its items are on file: how auditors spread them over
    items is not known here. What is said not to apply is left out of both sides, and counted.
    """
    controls = [control for element in table.elements for control in element.control_points]
    if not table.verified or not controls or not all(_has_points(control) for control in controls):
        return ()
    points = {point.internal_key: point for element in elements for point in element.points}
    statuses: tuple[Status, ...] = ("must", "recommended")
    return tuple(_share(status, [c for c in controls if c.status == status], points) for status in statuses)


def _has_points(control: ControlPoint) -> bool:
    return control.points is not None or all(item.points is not None for item in control.criteria)


def _share(status: Status, controls: Sequence[ControlPoint], points: dict[str, Point]) -> Share:
    on_file = of = 0.0
    left_out = 0
    for control in controls:
        rows = [(points[f"{control.internal_key}.{item.internal_key}"], item.points) for item in control.criteria]
        applies = [(point, value) for point, value in rows if point.verdict != "not_applicable"]
        left_out += len(rows) - len(applies)
        if all(value is not None for _, value in rows):
            of += sum(value or 0 for _, value in applies)
            on_file += sum(value or 0 for point, value in applies if point.verdict == "on_file")
        elif applies and control.points is not None:
            of += control.points
            on_file += control.points if all(point.verdict == "on_file" for point, _ in applies) else 0
    return Share(status=status, on_file=on_file, of=of, left_out=left_out)

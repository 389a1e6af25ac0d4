"""From a figure to a PNG, drawn by Typst with the brief's own faces, for documents that hold pictures only."""

from __future__ import annotations

import json
from pathlib import Path

from impact.brief.figures import Scene
from impact.brief.texts import FONTS
from impact.brief.theme import OTHER_SCRIPTS, SANS

HERE = Path(__file__).parent
DOTS_PER_INCH = 300


def scene_png(scene: Scene, width: float, *, dots: float = DOTS_PER_INCH) -> bytes:
    """Draw a scene at ``width`` millimetres; the same bytes for the same scene and version of Typst."""
    import typst

    faces = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
    names = json.dumps([SANS, *(family for family, _, _ in OTHER_SCRIPTS)])
    inputs = {"scene": json.dumps(scene.for_typst()), "faces": names, "width": f"{width:.3f}"}
    return typst.compile(str(HERE / "figure.typ"), root=str(HERE), font_paths=faces, format="png", ppi=dots,
                         sys_inputs=inputs)

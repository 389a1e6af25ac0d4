"""From a brief to one self-contained page: no script, nothing fetched, two A4 pages when printed."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

from impact.brief import figures
from impact.brief.model import Brief
from impact.brief.page import present
from impact.brief.texts import FONTS, character_problems, points, refuse
from impact.brief.theme import COLOURS, LADDER, OTHER_SCRIPTS, SANS, SERIF, Layout

HERE = Path(__file__).parent
FACES = ((SANS, 400, "normal", "BriefSans-Regular"), (SANS, 400, "italic", "BriefSans-Italic"),
         (SANS, 600, "normal", "BriefSans-SemiBold"), (SANS, 700, "normal", "BriefSans-Bold"),
         (SERIF, 700, "normal", "BriefSerif-Bold"))

# Browsers set the same text a little longer than Typst does: print a touch smaller and closer than the step that fitted.
PRINT_SCALE = 0.945


def render_html(brief: Brief, layout: Layout = LADDER[-1]) -> str:
    """Write a brief as one HTML file.

    Parameters
    ----------
    brief : Brief
    layout : Layout
        The step :func:`render_pdf` found, so that the page prints on two sheets as well and shows the same content.

    Returns
    -------
    str
        The same text for the same brief. It holds its fonts and figures, has no script, and its content security policy
        lets it fetch nothing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    refuse(character_problems(brief))
    page = present(brief, layout)
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    scenes: dict[str, figures.Scene] = {**figures.drawings(page), "effects_narrow": figures.effects_narrow(page)}
    whole = _all_splits(brief, layout)
    if whole is not None:
        scenes["subgroups_whole"] = figures.subgroups(page | {"for_whom": whole})
    drawn = {name: Markup(scene.svg(f"figure-{name.replace('_', '-')}")) for name, scene in scenes.items()}
    return environment.get_template("brief.html.j2").render(
        V=page, H=page["heads"], C=COLOURS, figures=drawn, whole=whole,
        faces=_faces(_used(page)), print=_print(layout),
        others=[family for family, _, _ in OTHER_SCRIPTS])


def _all_splits(brief: Brief, layout: Layout) -> dict[str, Any] | None:
    """Say every split by subgroup, for screens, where paper has room for some only."""
    count = len(brief.for_whom.splits) if brief.for_whom is not None else 0
    if count <= layout.splits:
        return None
    whole: dict[str, Any] = present(brief, replace(layout, splits=count))["for_whom"]
    return whole


def _print(layout: Layout) -> dict[str, float]:
    return {"body": round(layout.body * PRINT_SCALE, 2), "small": round(layout.small * PRINT_SCALE, 2),
            "head": round(layout.head * 0.97, 2), "facts": round(layout.facts_size * PRINT_SCALE, 2),
            "line": round(0.69 + layout.lead, 2), "gap": round(layout.gap * 0.45, 2), "stack": round(layout.gap * 0.8, 2)}


def _used(value: Any) -> frozenset[int]:
    """Collect the code points of all strings of a page."""
    if isinstance(value, str):
        return frozenset(map(ord, value))
    if isinstance(value, dict):
        value = list(value.values())
    return frozenset().union(*map(_used, value)) if isinstance(value, list) else frozenset()


def _faces(used: frozenset[int]) -> list[dict[str, Any]]:
    """Pack the brief's own faces, and those of other scripts where the page has letters of theirs."""
    others = [(family, weight, "normal", f"{file}-{name}") for family, file, coverage in OTHER_SCRIPTS
              if used & points(FONTS / coverage) for weight, name in ((400, "Regular"), (700, "Bold"))]
    return [{"family": family, "weight": weight, "style": style,
             "data": base64.b64encode((FONTS / f"{name}.woff2").read_bytes()).decode("ascii")}
            for family, weight, style, name in (*FACES, *others)]

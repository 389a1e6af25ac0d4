"""From a brief to a tagged PDF of exactly two A4 pages, or an error that names what is too long."""

from __future__ import annotations

import base64
import datetime
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from impact.brief.figures import drawings
from impact.brief.model import Brief
from impact.brief.page import present
from impact.brief.texts import FONTS, character_problems, refuse
from impact.brief.theme import COLOURS, LADDER, OTHER_SCRIPTS, SANS, SERIF, Layout
from impact.errors import Problem, RenderError

HERE = Path(__file__).parent
POINT = 0.3528  # millimetres
SPARE = 6.0  # millimetres that a fuller first page leaves: browsers set it a little longer
LEAST = 12  # characters that a label keeps
ROW = 4.75  # millimetres of an outcome in the figure
STANDARDS = ["ua-1", "a-2a"]

# Sections whose length an officer can change, with the keys to shorten.
OWN_TEXT = {
    "title": "outcomes[].label or brief.title", "key": "outcomes[].label and unit, or fewer primary outcomes",
    "challenge": "brief.challenge, brief.what_was_done or question",
    "chain": "results_chain.boxes[].text", "effects": "outcomes[].label, or fewer primary outcomes",
    "table": "outcomes[].label and unit, or fewer primary outcomes",
    "lessons": "brief.implications[].text", "tiles": "outcomes[].label and unit",
    "sources": "data.source, ethics, brief.authors or brief.disclaimer", "benchmark": "benchmark.label and source",
    "subgroups": "subgroups[].label and groups", "targets": "outcomes[].label, or fewer targets",
}
FROM_RECORD = {
    "method": "how we know", "event_study": "effects over time", "trends": "the trends",
    "methods": "other methods and costs",
    "costs": "value for money", "checks": "the checks", "limits": "what the study cannot say", "flow": "the flow of units",
    "standard": "the self-check",
}


def render_pdf(brief: Brief, *, ladder: tuple[Layout, ...] = LADDER) -> tuple[bytes, Layout]:
    """Set a brief as PDF/UA-1 on two A4 pages.

    Parameters
    ----------
    brief : Brief
    ladder : tuple of Layout
        Steps tried in order, the roomiest first.

    Returns
    -------
    pdf : bytes
        The same bytes for the same brief and the same version of Typst.
    layout : Layout
        The step that fitted, with more splits by subgroup where there is room; :func:`render_html` prints on two pages
        with it.

    Raises
    ------
    RenderError
        When the brief does not fit at the last step (the sections to shorten are named, with the characters to cut), or
        a text has a character the faces lack.
    """
    refuse(character_problems(brief))
    compiler = _compiler()
    fit: list[dict[str, Any]] = []
    for layout in ladder:
        pdf, fit = _compile(compiler, brief, layout)
        if _fits(fit):
            fuller = _with_first_page(compiler, brief, layout) or (pdf, layout)
            return _with_splits(compiler, brief, fuller[1]) or fuller
    raise RenderError(_overfull(fit, ladder[-1], brief), source="brief")


def _fits(fit: list[dict[str, Any]]) -> bool:
    return fit[-1]["pages"] == 2 and all(page["need"] <= page["room"] + 0.01 for page in fit)


def _with_first_page(compiler: Any, brief: Brief, layout: Layout) -> tuple[bytes, Layout] | None:
    """Set the brief with the first page in full, where it was the second that asked for less."""
    for kept in ({"facts": False, "head": LADDER[0].head, "drawn": LADDER[0].drawn}, {"facts": False}):
        fuller = replace(layout, **kept)
        if fuller != layout:
            pdf, fit = _compile(compiler, brief, fuller)
            if _fits(fit) and fit[0]["room"] - fit[0]["need"] >= SPARE:
                return pdf, fuller
    return None


def _with_splits(compiler: Any, brief: Brief, layout: Layout) -> tuple[bytes, Layout] | None:
    """Set the brief with a split for each declared subgroup, or as many as there is room for beyond the layout's own."""
    declared = len({split.label for split in brief.for_whom.splits}) if brief.for_whom is not None else 0
    for splits in range(declared, layout.splits, -1):
        fuller = replace(layout, splits=splits)
        pdf, fit = _compile(compiler, brief, fuller)
        if _fits(fit):
            return pdf, fuller
    return None


def _compiler() -> Any:
    import typst

    faces = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
    return typst.Compiler(str(HERE / "brief.typ"), root=str(HERE), font_paths=faces, ignore_system_fonts=True)


def _compile(compiler: Any, brief: Brief, layout: Layout) -> tuple[bytes, list[dict[str, Any]]]:
    import typst

    page = present(brief, layout)
    others = [family for family, _, _ in OTHER_SCRIPTS]
    logo = [] if brief.logo is None else list(base64.b64decode(brief.logo.data))
    inputs = {
        "page": json.dumps(page), "logo": json.dumps(logo),
        "figures": json.dumps({name: s.for_typst() for name, s in drawings(page).items()}),
        "theme": json.dumps({"colours": COLOURS, "sans": [SANS, *others], "serif": [SERIF, *others], "body": layout.body,
                             "small": layout.small, "head": layout.head, "facts": layout.facts_size,
                             "lead": layout.lead, "gap": layout.gap}),
    }
    try:
        pdf, _ = compiler.compile_with_warnings(
            format="pdf", sys_inputs=inputs, pdf_standards=STANDARDS, timestamp=_timestamp(brief))
        fit = json.loads(compiler.query("<fit>", field="value"))
    except typst.TypstError as error:
        if logo and "decode image" in str(error):
            raise RenderError(Problem(where="study.yaml: brief.logo.file", what="the picture is damaged",
                                      cure="Open it in the program it came from and save it again."),
                              source="brief") from None
        raise RenderError(Problem(where="brief.pdf", what=f"the page could not be set ({error})",
                                  cure="Look for unusual characters in the texts of study.yaml."),
                          source="brief") from None
    return pdf, fit


def _timestamp(brief: Brief) -> int:
    """Date the file by the brief's own date, so that no clock is read."""
    day = datetime.date.fromisoformat(brief.date.text[:10])
    return int(datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC).timestamp())


def _overfull(fit: list[dict[str, Any]], layout: Layout, brief: Brief) -> list[Problem]:
    """Name the sections that can win the space back, the longest first, with about how many characters to cut."""
    line, letter = layout.body * POINT * (0.72 + layout.lead), layout.body * POINT * 0.46
    spare, problems = _spare(brief), []
    for page in fit:
        over = page["need"] - page["room"]
        if over <= 0:
            continue
        advice: list[str] = []
        won = 0.0
        for section, can_win in _gains(page["sections"], line):
            name = section["id"]
            cut = math.ceil(min(over, can_win) / line) * int(section["width"] / letter)
            kept = min(cut, spare.get(name, cut))
            if kept >= LEAST and len(advice) < 3:
                where = OWN_TEXT.get(name) or FROM_RECORD[name]
                advice.append(f"Cut about {kept} characters from {name} ({where}).")
                won = max(won, min(over, can_win) * kept / cut)
        if won < over:
            advice = [*_fewer(brief, over), *advice]
        problems.append(Problem(
            where=f"page {page['page']}", what=f"{math.ceil(over)} mm too long at the smallest type",
            cure=" Or: ".join(advice) or "Shorten the longest texts."))
    return problems or [Problem(where="brief.pdf", what="the brief does not fit on two pages",
                                cure="Shorten the longest texts of study.yaml.")]


def _spare(brief: Brief) -> dict[str, int]:
    """Count the characters that the texts of a section could give up: a label keeps some, a paragraph more."""
    page = present(brief, LADDER[-1])

    def spare(texts: list[str], least: int) -> int:
        return sum(max(0, len(text) - least) for text in texts)

    labels = spare([r.label.text for r in brief.results if r.primary], LEAST)
    table = spare([text for r in page["results"] for text in (r["label"], r["unit"])], LEAST)
    return {"title": labels, "key": labels, "effects": labels, "tiles": labels, "table": table,
            "targets": spare([r["label"] for r in page["targets"]["rows"]], LEAST),
            "challenge": spare([page["question"], *page["challenge"], page["done"]], 60),
            "sources": spare([fact["text"] for fact in page["ethics"]] + [page["disclaimer"]], LEAST),
            "chain": spare([box["text"] for box in page["chain"]["boxes"]], LEAST),
            "lessons": spare([lesson["text"] for lesson in page["lessons"]], 60)}


def _fewer(brief: Brief, over: float) -> list[str]:
    """Say how many primary outcomes there is room for, by the height of a row of the figure."""
    primary = [r for r in brief.results if r.primary]
    fit = len(primary) - math.ceil(over / ROW)
    if fit < 1 or len(primary) < 2:
        return []
    longest = max(primary, key=lambda r: len(r.label.text)).label
    named = f" The longest label is '{longest.text}' ({longest.where})." if len(longest.text) > 2 * LEAST else ""
    return [f"About {fit} primary outcomes fit; {len(primary)} are declared.{named}"]


def _gains(sections: list[dict[str, Any]], line: float) -> list[tuple[dict[str, Any], float]]:
    """Find what each section could give back: in a row of two, only what it stands above its neighbour."""
    rows: dict[int, list[dict[str, Any]]] = {}
    for section in sections:
        rows.setdefault(section["row"], []).append(section)
    found = []
    for cells in rows.values():
        tall = sorted(cells, key=lambda cell: -cell["height"])
        floor = tall[1]["height"] if len(tall) > 1 else tall[0]["height"] * 0.5
        if tall[0]["height"] - floor >= line:
            found.append((tall[0], tall[0]["height"] - floor))
    return sorted(found, key=lambda pair: (pair[0]["id"] not in OWN_TEXT, -pair[1]))

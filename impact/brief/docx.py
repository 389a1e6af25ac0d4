"""From a brief to an editable Word file: real styles and tables, headings that navigation finds, figures as pictures."""

from __future__ import annotations

import base64
from typing import Any

from impact.brief import figures
from impact.brief.model import Brief
from impact.brief.page import present
from impact.brief.paper import GUTTER, WIDTH, Paper
from impact.brief.raster import scene_png
from impact.brief.texts import character_problems, refuse
from impact.brief.theme import LADDER, Layout
from impact.brief.view import NBSP

SIGNS = {"full": "●", "dot": "●", "half": "◐", "diamond": "◆", "cross": "✕", "ring": "○", "empty": "○"}
TINT = {"favourable": "navy", "unfavourable": "red"}
LOGO = (32.0, 11.0)  # millimetres at most, as in the PDF


def render_docx(brief: Brief, layout: Layout = LADDER[-1]) -> bytes:
    """Write a brief as a Word file.

    Word breaks lines by the reader's own faces, so two pages are aimed at and not promised: page 2 begins with a page
    break, and page 1 leaves room. The PDF is the record.

    Parameters
    ----------
    brief : Brief
    layout : Layout
        The step :func:`render_pdf` found, so that the file shows the same content.

    Returns
    -------
    bytes
        The same bytes for the same brief and the same versions of python-docx and Typst.

    Raises
    ------
    RenderError
        When a text has a character the faces lack.
    """
    refuse(character_problems(brief))
    page = present(brief, layout)
    paper = Paper(page["language"], layout, page["colon"])
    drawn = figures.drawings(page)
    before, _, after = page["pages"][0].partition("1")
    paper.margins(page["series"], "   ".join(page["stamps"]), f"{page['contact']} · {page['footer']}", (before, after))
    _first(paper, page, drawn)
    _second(paper, page, drawn)
    return paper.save(title=page["plain_title"], subject=page["bottom_line"], authors=page["authors"],
                      keywords=page["keywords"], date=brief.date.text)


# ---- page 1 ------------------------------------------------------------------------------------------------------------
def _first(paper: Paper, page: dict[str, Any], drawn: dict[str, figures.Scene]) -> None:
    heads = page["heads"]
    if page["kicker"]:
        paper.text(page["kicker"], "Kicker")
    paper.text(page["title"], "Title")
    paper.text(page["bottom_line"], "Subtitle")
    _meta(paper, page)
    paper.head(heads["key"], style="Panel Head")
    for message in page["messages"]:
        paragraph = paper.text(message["lead"], "Panel Point", bold=True)
        paper.run(paragraph, " " + message["body"])
    _tiles(paper, page)
    paper.columns(2)
    paper.head(heads["problem"])
    paper.run(paper.text("", "Normal"), page["question"], italic=True)
    for text in page["challenge"]:
        paper.text(text)
    paper.head(heads["done"])
    paper.text(page["done"])
    paper.facts(page["done_facts"])
    paper.next_column()
    paper.head(heads["method"])
    sign = SIGNS["full" if page["badge"]["strength"] == "random" else "half"]
    paper.text(f"{sign} {page['badge']['word']}", "Fact", bold=True, colour="navy")
    paper.facts(page["method"])
    paper.columns(1)
    if page["flow"]["steps"]:
        paper.head(heads["flow"])
        _flow(paper, page)
    paper.head(heads["chain"])
    _chain(paper, page, drawn)
    paper.head(heads["effects"])
    paper.picture(scene_png(drawn["effects"], WIDTH), WIDTH, title=heads["effects"], alt=page["effects_alt"])
    _legend(paper, page)


def _meta(paper: Paper, page: dict[str, Any]) -> None:
    items, logo = page["meta"], page["logo"]
    beside = [LOGO[0] + 2] if logo else []
    table = paper.table(1, [(WIDTH - sum(beside)) / len(items)] * len(items) + beside, title=page["series"])
    if logo:
        paper.picture(base64.b64decode(logo["data"]), LOGO[0], title=logo["alt"], alt=logo["alt"], tallest=LOGO[1],
                      cell=table.rows[0].cells[-1])
    for cell, item in zip(table.rows[0].cells, items, strict=False):
        paper.cell(cell, item["name"], "Cell Note")
        paper.cell(cell, item["text"], bold=True)


def _tiles(paper: Paper, page: dict[str, Any]) -> None:
    tiles, left = page["tiles"] if page["open"] is None else page["tiles"][:1], page["open"]
    heads = page["heads"]
    beside = [] if left is None else [(heads["excluded"], left["excludes"]), (heads["planned"], left["planned"]),
                                      (heads["learned"], [left["learned"]])]
    paper.gap()
    count = len(tiles) + len(beside)
    table = paper.table(1, [WIDTH / count] * count, title=heads["key"])
    for cell, tile in zip(table.rows[0].cells, tiles, strict=False):
        paper.edge(cell, top=("navy", 14))
        sign = SIGNS["ring"] + " " if tile["hollow"] else ""
        paper.cell(cell, sign + tile["figure"], "Big Number")
        paper.cell(cell, tile["label"], bold=True)
        paper.cell(cell, tile["note"], "Cell Note")
    for cell, (head, texts) in zip(table.rows[0].cells[len(tiles):], beside, strict=True):
        paper.edge(cell, top=("navy", 6))
        paper.cell(cell, head, bold=True, colour="navy")
        for text in texts:
            paper.cell(cell, text)


def _flow(paper: Paper, page: dict[str, Any]) -> None:
    steps = page["flow"]["steps"]
    table = paper.table(1, [WIDTH / len(steps)] * len(steps), title=page["heads"]["flow"])
    for i, (cell, step) in enumerate(zip(table.rows[0].cells, steps, strict=True)):
        paragraph = paper.cell(cell, ("→ " if i else "") + step["n"], bold=True, colour="navy")
        paper.run(paragraph, "  " + step["name"])
        if step["split"]:
            paper.cell(cell, step["split"], "Cell Note")
    paper.text(page["flow"]["left"], "Note")


def _chain(paper: Paper, page: dict[str, Any], drawn: dict[str, figures.Scene]) -> None:
    chain = page["chain"]
    if "chain" in drawn:
        paper.picture(scene_png(drawn["chain"], WIDTH), WIDTH, title=page["heads"]["chain"], alt=chain["alt"])
    note = " ".join(text for text in (chain["legend"], chain["note"]) if text)
    if note:
        paper.text(note, "Note")


def _legend(paper: Paper, page: dict[str, Any]) -> None:
    legend = page["legend"]
    parts = [f"{SIGNS[mark]} {legend[name]}" for mark, name in
             (("dot", "favourable"), ("diamond", "unfavourable"), ("ring", "unclear"))]
    if legend["corrected"]:
        parts.append(f"{SIGNS['ring']} {legend['corrected']}")
    notes = [legend["primary"], *([page["drawn_note"]] if page["drawn_note"] else [])]
    paper.text("    ".join([*parts, *notes]), "Note")


# ---- page 2 ------------------------------------------------------------------------------------------------------------
def _second(paper: Paper, page: dict[str, Any], drawn: dict[str, figures.Scene]) -> None:
    heads = page["heads"]
    paper.head(heads["table"], new_page=True)
    _results(paper, page)
    paper.columns(2)
    half = (WIDTH - GUTTER) / 2
    for column, names in enumerate(page["halves"]):
        if column:
            paper.next_column()
        for name in names:
            _half(paper, page, drawn, name, half)
    paper.columns(1)
    paper.head(heads["checks"])
    paper.columns(page["check_columns"])
    _checks(paper, page)
    if page["checks_note"]:
        paper.columns(1)
        paper.text(page["checks_note"], "Note")
    paper.columns(2)
    _lists(paper, page)
    paper.columns(1)
    paper.head(heads["standard"])
    _standard(paper, page)
    paper.columns(3)
    _foot(paper, page)


def _results(paper: Paper, page: dict[str, Any]) -> None:
    columns, rows = page["columns"], page["results"]
    shares = [3.4, 1.1, 1.35, 1.6, *([0.85] if len(columns) == 8 else []), 0.6, 0.75,
              max(0.7, 0.095 * max(map(len, columns[-1].split())))]
    table = paper.table(1 + len(rows), [WIDTH * s / sum(shares) for s in shares], title=page["heads"]["table"])
    for i, (cell, head) in enumerate(zip(table.rows[0].cells, columns, strict=True)):
        paper.cell(cell, head, "Cell Head", right=i > 0)
        paper.edge(cell, bottom=("navy", 8))
    paper.repeat(table.rows[0])
    for number, (cells, row) in enumerate(zip(table.rows[1:], rows, strict=True)):
        label, *others = cells.cells
        paragraph = paper.cell(label, row["label"], bold=row["primary"] or None)
        paper.run(paragraph, row["unit"], colour="mute")
        for tag in row["tags"]:
            paper.run(paragraph, f" {tag}", bold=True, colour="amber")
        for i, (cell, text) in enumerate(zip(others, row["cells"], strict=True)):
            effect = i == 1
            sign = SIGNS[row["mark"]] + NBSP if effect else ""
            paper.cell(cell, sign + text, bold=effect or None, right=True,
                       colour=TINT.get(row["verdict"], "mute") if effect else "")
        for cell in cells.cells:
            if number % 2 == 0:
                paper.fill(cell, "zebra")
            if number == len(rows) - 1:
                paper.edge(cell, bottom=("navy", 8))
    paper.text(page["reading"], "Note")


def _half(paper: Paper, page: dict[str, Any], drawn: dict[str, figures.Scene], name: str, width: float) -> None:
    """Write one block of half a page's width."""
    paper.head(page["heads"][name])
    if name == "methods":
        _methods(paper, page, width)
    elif name == "costs":
        _pairs(paper, page["costs"], width, page["heads"]["costs"])
        paper.text(page["cost_note"], "Note")
    elif name == "targets":
        _targets(paper, page, width)
    else:
        told = page["for_whom"] if name == "subgroups" else next(p for p in page["pictures"] if p["name"] == name)
        if name in drawn:
            paper.picture(scene_png(drawn[name], width), width, title=page["heads"][name], alt=told["alt"])
        paper.text(told["note"], "Note")


def _targets(paper: Paper, page: dict[str, Any], width: float) -> None:
    targets = page["targets"]
    table = paper.table(1 + len(targets["rows"]), [width * s for s in (0.3, 0.3, 0.18, 0.22)],
                        title=page["heads"]["targets"], pad=0.6)
    paper.repeat(table.rows[0])
    for cell, text in zip(table.rows[0].cells, targets["columns"], strict=True):
        paper.cell(cell, text, bold=True, colour="navy")
    for row, target in zip(table.rows[1:], targets["rows"], strict=True):
        for cell, key in zip(row.cells, ("label", "target", "level", "word"), strict=True):
            sign = f"{SIGNS[target['mark']]} " if key == "word" else ""
            paper.cell(cell, sign + target[key], bold=key == "level" or None)
            paper.edge(cell, bottom=("line", 4))
    paper.text(targets["note"], "Note")


def _methods(paper: Paper, page: dict[str, Any], width: float) -> None:
    methods = page["methods"]
    paper.text(methods["caption"], "Note")
    widths = [width * 0.5, width * 0.18, width * 0.32]
    table = paper.table(len(methods["rows"]), widths, title=page["heads"]["methods"], pad=0.6)
    for row, method in zip(table.rows, methods["rows"], strict=True):
        name, effect, interval = row.cells
        paper.cell(name, method["name"], bold=method["main"] or None)
        paper.cell(effect, method["effect"], bold=True, right=True)
        paper.cell(interval, method["interval"], right=True)
        for cell in row.cells:
            paper.edge(cell, bottom=("line", 4))
    if methods["note"]:
        paper.text(methods["note"], "Note")


def _pairs(paper: Paper, items: list[dict[str, str]], width: float, title: str) -> None:
    if not items:
        return
    table = paper.table(len(items), [width * 0.6, width * 0.4], title=title, pad=0.6)
    for row, item in zip(table.rows, items, strict=True):
        paper.cell(row.cells[0], item["name"])
        paper.cell(row.cells[1], item["text"], bold=True, colour="navy", right=True)
        for cell in row.cells:
            paper.edge(cell, bottom=("line", 4))


def _checks(paper: Paper, page: dict[str, Any]) -> None:
    for check in page["checks"]:
        paragraph = paper.text(f"{SIGNS[check['mark']]} {check['title']}", "Fact", bold=True)
        paragraph.paragraph_format.keep_together = True  # in one column
        paper.run(paragraph, f"{page['colon']}{check['word']}. ")
        if check["reason"]:
            paper.run(paragraph, check["reason"], colour="mute")


def _lists(paper: Paper, page: dict[str, Any]) -> None:
    paper.head(page["heads"]["limits"])
    for text in page["limits"]:
        paper.text(text, "List Bullet")
    paper.next_column()
    paper.head(page["heads"]["lessons"])
    for lesson in page["lessons"]:
        paragraph = paper.text(lesson["text"], "List Bullet")
        paper.run(paragraph, f" ({lesson['finding']})", colour="mute")
    if not page["lessons"]:
        paper.text(page["lessons_none"])


def _standard(paper: Paper, page: dict[str, Any]) -> None:
    paper.text(page["standard"]["line"])
    if page["standard"]["note"]:
        paper.text(page["standard"]["note"], "Note")


def _foot(paper: Paper, page: dict[str, Any]) -> None:
    paper.head(page["heads"]["ethics"])
    paper.facts(page["ethics"], "Note")
    paper.next_column()
    paper.head(page["heads"]["credits"])
    for text in (*page["credits"], *([page["disclaimer"]] if page["disclaimer"] else []), *page["sources"]):
        paper.text(text, "Note")
    paper.next_column()
    paper.head(page["heads"]["provenance"])
    paper.facts(page["provenance"], "Note")

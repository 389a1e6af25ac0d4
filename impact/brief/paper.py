"""What a Word file is made of: styles an officer can change in one place, columns, tables, pictures, and stable bytes."""

from __future__ import annotations

import datetime
import io
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from typing import Any

from impact.brief.theme import COLOURS, Layout
from impact.brief.view import ISOLATE, RELEASE
from impact.results.edits import WORD_TEXT, text_mark

FACE, TITLE_FACE = "Calibri", "Cambria"  # on every Word; Carlito and Caladea stand in under LibreOffice
MARGIN = 16.0  # millimetres at the sides
WIDTH = 210 - 2 * MARGIN
PAGE_HEIGHT = 297.0
GUTTER = 8.0  # between two columns
HANG = 4.0  # of the text of a list behind its mark
POINT = 20  # twentieths, Word's unit of length
SHIELDED = re.compile(f"{ISOLATE}[^{RELEASE}]*{RELEASE}")
# The order in which the schema (ECMA-376, part 1, section 17) wants the parts of an element, as far as they occur here.
ORDER = {
    "pPr": ("pStyle", "keepNext", "keepLines", "pageBreakBefore", "widowControl", "numPr", "pBdr", "shd", "tabs", "bidi",
            "spacing", "ind", "contextualSpacing", "jc", "outlineLvl", "rPr", "sectPr"),
    "rPr": ("rStyle", "rFonts", "b", "bCs", "i", "iCs", "caps", "color", "spacing", "kern", "sz", "szCs", "rtl", "cs",
            "lang"),
    "tblPr": ("tblStyle", "tblW", "jc", "tblInd", "tblBorders", "tblLayout", "tblCellMar", "tblLook", "tblCaption"),
    "tcPr": ("tcW", "gridSpan", "vMerge", "tcBorders", "shd", "tcMar", "vAlign"),
    "sectPr": ("headerReference", "footerReference", "type", "pgSz", "pgMar", "pgNumType", "cols", "titlePg", "docGrid"),
}


class Paper:
    """A Word document being written from top to bottom, in one column or in several."""

    def __init__(self, language: str, layout: Layout, colon: str = ": ") -> None:
        import docx
        from docx.shared import Mm

        self.language, self.colon = language, colon
        self._column_begins = self._column_ends = False
        self.page = docx.Document()
        self.section = self.page.sections[0]
        self.section.page_width, self.section.page_height = Mm(210), Mm(PAGE_HEIGHT)
        self.section.left_margin = self.section.right_margin = Mm(MARGIN)
        self.section.top_margin, self.section.bottom_margin = Mm(16), Mm(13)
        self.section.header_distance = self.section.footer_distance = Mm(6)
        self._styles(layout)

    # ---- styles ------------------------------------------------------------------------------------------------------
    def _styles(self, layout: Layout) -> None:
        body, small = layout.body - 0.6, layout.small - 0.4
        self._style("Normal", body, after=2)
        self._style("Title", layout.head - 1, "navy", bold=True, after=3, face=TITLE_FACE, line=0.95)
        self._style("Subtitle", body + 0.8, "mute", after=3)
        head = self._style("Heading 1", body + 1.6, "teal", bold=True, before=layout.gap * 1.1 + 2.5, after=2.5)
        head.paragraph_format.keep_with_next = True
        self._edge(head.element.get_or_add_pPr(), "w:pBdr", bottom=("teal", 8))
        for name in ("Title", "Subtitle"):
            properties = self.page.styles[name].element.get_or_add_pPr()
            for border in properties.findall(_q("w:pBdr")):
                properties.remove(border)
        self._hang(self._style("List Bullet", body, after=1.2))
        self._style("Note", small, "mute", after=1.5, base="Normal")
        self._style("Cell", small + 0.5, after=0, base="Normal")
        self._style("Cell Note", small, "mute", after=0, base="Cell")
        self._style("Cell Head", small + 0.3, "navy", bold=True, after=0, base="Cell")
        self._style("Big Number", 18, "navy", bold=True, after=0, line=0.95, base="Normal")
        self._style("Kicker", small, "teal", bold=True, after=1, base="Normal")
        self._style("Fact", body, after=1.2, base="Normal")
        self._panel("Panel Head", "Heading 1", "navy")
        self._panel("Panel Point", "List Bullet", "")

    def _style(self, name: str, size: float, colour: str = "ink", *, bold: bool | None = None, before: float = 0,
               after: float = 0, line: float = 1.0, face: str = FACE, base: str = "") -> Any:
        from docx.enum.style import WD_STYLE_TYPE
        from docx.shared import Pt, RGBColor

        styles = self.page.styles
        style = styles[name] if name in [s.name for s in styles] else styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        if base:
            style.base_style = styles[base]
        style.font.name, style.font.size, style.font.bold = face, Pt(size), bold
        style.font.italic, style.font.color.rgb = False, RGBColor.from_string(COLOURS[colour].lstrip("#"))
        run = style.element.get_or_add_rPr()
        faces = run.get_or_add_rFonts()
        for attribute in [a for a in faces.attrib if "heme" in a]:  # a theme's face would win over ours
            del faces.attrib[attribute]
        for attribute in ("ascii", "hAnsi", "cs", "eastAsia"):
            faces.set(_q(f"w:{attribute}"), face)
        for tag in ("w:spacing", "w:kern", "w:szCs", "w:bCs"):
            for old in run.findall(_q(tag)):
                run.remove(old)
        _add(run, "w:szCs", val=int(2 * size))  # letters of other scripts have a size and a weight of their own
        if bold:
            _add(run, "w:bCs")
        if name == "Normal":
            for old in run.findall(_q("w:lang")):
                run.remove(old)
            _add(run, "w:lang", val=self.language)
        form = style.paragraph_format
        form.space_before, form.space_after, form.line_spacing = Pt(before), Pt(after), line
        return style

    def _hang(self, style: Any) -> None:
        """Let the text of a list stand a little behind its mark, where the template leaves twice the room."""
        from docx.shared import Mm

        style.paragraph_format.left_indent, style.paragraph_format.first_line_indent = Mm(HANG), -Mm(HANG)

    def _panel(self, name: str, base: str, colour: str) -> None:
        """Make a style on a tinted ground with an edge at its left, otherwise as its base."""
        from docx.enum.style import WD_STYLE_TYPE
        from docx.shared import RGBColor

        style = self.page.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = self.page.styles[base]
        properties = style.element.get_or_add_pPr()
        self._edge(properties, "w:pBdr", left=("teal", 36))
        _add(properties.find(_q("w:pBdr")), "w:bottom", val="nil")
        _add(properties, "w:shd", val="clear", color="auto", fill=COLOURS["tint"].lstrip("#"))
        if colour:
            style.font.color.rgb = RGBColor.from_string(COLOURS[colour].lstrip("#"))
        style.quick_style = True

    # ---- text --------------------------------------------------------------------------------------------------------
    def text(self, words: str, style: str = "Normal", *, bold: bool | None = None, colour: str = "",
             into: Any = None) -> Any:
        """Write one paragraph; ``into`` is an empty paragraph to fill instead of adding one."""
        paragraph = self.page.add_paragraph(style=style) if into is None else into
        if into is not None:
            paragraph.style = self.page.styles[style]
        self.run(paragraph, words, bold=bold, colour=colour)
        return paragraph

    def run(self, paragraph: Any, words: str, *, bold: bool | None = None, italic: bool | None = None,
            colour: str = "") -> None:
        """Add words to a paragraph; a text that begins from the right turns the paragraph."""
        from docx.shared import RGBColor

        run = paragraph.add_run(words)
        run.bold, run.italic = bold, italic
        if colour:
            run.font.color.rgb = RGBColor.from_string(COLOURS[colour].lstrip("#"))
        if from_right(words):
            _add(run._r.get_or_add_rPr(), "w:rtl")
            if len(paragraph.runs) == 1:
                _add(paragraph._p.get_or_add_pPr(), "w:bidi")

    def head(self, words: str, *, new_page: bool = False, style: str = "Heading 1") -> None:
        """Write a section head in the body, where Word's navigation finds it."""
        from docx.enum.text import WD_BREAK
        from docx.shared import Pt

        paragraph = self.page.add_paragraph(style=style)
        if self._column_ends:  # at the end of the last paragraph it would leave an empty line on top
            paragraph.add_run().add_break(WD_BREAK.COLUMN)
        if self._column_ends or self._column_begins:  # the room above a column is left once, before the columns begin
            paragraph.paragraph_format.space_before = Pt(0)
        self._column_ends = self._column_begins = False
        paragraph.add_run(words)
        if new_page:
            paragraph.paragraph_format.page_break_before = True

    def facts(self, items: Sequence[dict[str, str]], style: str = "Fact") -> None:
        """Write names and what is said under each, one paragraph a pair."""
        for item in items:
            paragraph = self.text(item["name"] + self.colon, style, bold=True, colour="navy")
            self.run(paragraph, item["text"])

    def gap(self, points: float = 3) -> None:
        """Leave a little room: two tables in a row would be one."""
        from docx.enum.text import WD_LINE_SPACING
        from docx.shared import Pt

        form = self.page.add_paragraph(style="Note").paragraph_format
        form.space_after, form.line_spacing_rule, form.line_spacing = Pt(0), WD_LINE_SPACING.EXACTLY, Pt(points)

    # ---- columns -----------------------------------------------------------------------------------------------------
    def columns(self, count: int) -> None:
        """Go on in ``count`` columns from here, on the same page."""
        from docx.enum.section import WD_SECTION

        if count > 1:
            self.gap(5)
        self._column_begins, self._column_ends = count > 1, False
        section = self.page.add_section(WD_SECTION.CONTINUOUS)
        for old in section._sectPr.findall(_q("w:cols")):
            section._sectPr.remove(old)
        _add(section._sectPr, "w:cols", num=count, space=int(GUTTER / 25.4 * 72 * POINT), equalWidth=1)

    def next_column(self) -> None:
        """Let the next head begin the next column."""
        self._column_ends = True

    # ---- tables and pictures -------------------------------------------------------------------------------------------
    def table(self, rows: int, widths: Sequence[float], *, title: str, pad: float = 1.2) -> Any:
        """Make a table of fixed widths in millimetres; ``title`` is read to those who do not see it."""
        from docx.enum.table import WD_TABLE_ALIGNMENT
        from docx.shared import Mm

        table = self.page.add_table(rows, len(widths))
        table.alignment, table.autofit = WD_TABLE_ALIGNMENT.CENTER, False
        margins = _add(table._tbl.tblPr, "w:tblCellMar")
        for side, room in (("top", 0.35), ("left", pad), ("bottom", 0.35), ("right", pad)):
            _add(margins, f"w:{side}", w=int(room / 25.4 * 72 * POINT), type="dxa")
        _add(table._tbl.tblPr, "w:tblCaption", val=title)
        for column, width in zip(table.columns, widths, strict=True):
            column.width = Mm(width)
            for cell in column.cells:
                cell.width = Mm(width)
        return table

    def cell(self, cell: Any, words: str, style: str = "Cell", *, bold: bool | None = None, colour: str = "",
             right: bool = False) -> Any:
        """Write a paragraph into a cell, the first into the one it has."""
        from docx.enum.text import WD_ALIGN_PARAGRAPH

        first = cell.paragraphs[0]
        into = first if not first.runs else cell.add_paragraph()
        paragraph = self.text(words, style, bold=bold, colour=colour, into=into)
        if right:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        return paragraph

    def fill(self, cell: Any, colour: str) -> None:
        """Colour the ground of a cell."""
        _add(cell._tc.get_or_add_tcPr(), "w:shd", val="clear", color="auto", fill=COLOURS[colour].lstrip("#"))

    def edge(self, cell: Any, **sides: tuple[str, int]) -> None:
        """Draw edges of a cell: side=(colour, eighths of a point)."""
        self._edge(cell._tc.get_or_add_tcPr(), "w:tcBorders", **sides)

    def _edge(self, properties: Any, tag: str, **sides: tuple[str, int]) -> None:
        borders = _add(properties, tag)
        for side in ("top", "left", "bottom", "right"):
            if side in sides:
                colour, size = sides[side]
                _add(borders, f"w:{side}", val="single", sz=size, space=2 if tag == "w:pBdr" else 0,
                     color=COLOURS[colour].lstrip("#"))

    def repeat(self, row: Any) -> None:
        """Make a row the head of its table on every page."""
        _add(row._tr.get_or_add_trPr(), "w:tblHeader")

    def picture(self, png: bytes, width: float, *, title: str, alt: str, tallest: float = PAGE_HEIGHT,
                cell: Any = None) -> None:
        """Place a picture at most ``width`` by ``tallest`` millimetres large, with what it shows in words."""
        from docx.shared import Mm

        paragraph = self.page.add_paragraph() if cell is None else cell.paragraphs[0]
        run = paragraph.add_run()
        shape = run.add_picture(io.BytesIO(png), width=Mm(width))
        if shape.height > Mm(tallest):
            shape.width, shape.height = Mm(shape.width.mm * tallest / shape.height.mm), Mm(tallest)
        for side in ("distT", "distB", "distL", "distR"):  # left out, LibreOffice takes 3 mm at each side
            shape._inline.set(side, "0")
        properties = run._r.find(".//" + _q("wp:docPr"))
        properties.set("descr", alt)
        properties.set("title", title)

    # ---- header, footer, file ------------------------------------------------------------------------------------------
    def margins(self, series: str, stamps: str, foot: str, page: tuple[str, str]) -> None:
        """Write what stands on every page: series and stamps above, contact, record and page number below."""
        from docx.enum.text import WD_TAB_ALIGNMENT
        from docx.shared import Mm

        for area in (self.section.header, self.section.footer):
            area.paragraphs[0].style = self.page.styles["Note"]
            area.paragraphs[0].paragraph_format.tab_stops.add_tab_stop(Mm(WIDTH), WD_TAB_ALIGNMENT.RIGHT)
        top, bottom = self.section.header.paragraphs[0], self.section.footer.paragraphs[0]
        self.run(top, series, bold=True, colour="navy")
        self.run(top, "\t" + stamps, bold=True, colour="amber")
        self.run(bottom, f"{foot}\t{page[0]}")
        _add(bottom._p, "w:fldSimple", instr="PAGE")
        self.run(bottom, page[1])

    def save(self, *, title: str, subject: str, authors: Sequence[str], keywords: Sequence[str], date: str) -> bytes:
        """Give the file's bytes: the same for the same content, dated by the brief and not by a clock."""
        about = self.page.core_properties
        about.title, about.subject, about.author = title[:255], subject[:255], ", ".join(authors)[:255]
        about.language, about.comments = self.language, ""
        hashes = [word for word in keywords if " sha256:" in word]  # Word takes 255 characters a property
        about.keywords = ", ".join(word for word in keywords if word not in hashes[1:])[:255]
        about.last_modified_by, about.revision = "impact", 1
        about.created = about.modified = datetime.datetime.fromisoformat(date[:10])
        raw = io.BytesIO()
        self.page.save(raw)
        with zipfile.ZipFile(raw) as parts:
            about.identifier = ", ".join([*hashes[1:], text_mark(parts.read(WORD_TEXT))])
        raw = io.BytesIO()
        self.page.save(raw)
        return steady(raw.getvalue())


def steady(content: bytes) -> bytes:
    """Write a zip file again with fixed times, so that the same parts give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            new.writestr(entry, old.read(name))
    return out.getvalue()


def from_right(words: str) -> bool:
    """Tell whether a text begins, after signs and figures, with letters that run from the right.

    Words shielded inside a sentence of ours do not turn it; a text that is nothing else is theirs.
    """
    ours = SHIELDED.sub("", words)
    words = ours if any(unicodedata.bidirectional(c) in ("L", "R", "AL") for c in ours) else words
    return next((unicodedata.bidirectional(c) in ("R", "AL") for c in words
                 if unicodedata.bidirectional(c) in ("L", "R", "AL")), False)


def _q(name: str) -> str:
    from docx.oxml.ns import qn

    return str(qn(name))


def _add(parent: Any, tag: str, **attributes: object) -> Any:
    """Add an element where its schema wants it: Word refuses files in which the parts of one element stand in disorder."""
    from docx.oxml import OxmlElement

    element = OxmlElement(tag)
    for name, value in attributes.items():
        element.set(_q(f"w:{name}"), str(value))
    order = ORDER.get(parent.tag.rpartition("}")[2], ())
    after = order[order.index(tag.removeprefix("w:")) + 1:] if tag.removeprefix("w:") in order else ()
    later = next((child for child in parent if child.tag.rpartition("}")[2] in after), None)
    if later is None:
        parent.append(element)
    else:
        later.addprevious(element)
    return element

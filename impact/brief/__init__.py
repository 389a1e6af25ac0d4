"""A saved record told in two pages: one content model, as a tagged PDF, a Word file and a self-contained page."""

from impact.brief.composition import check_texts, compose
from impact.brief.docx import render_docx
from impact.brief.html import render_html
from impact.brief.model import Brief
from impact.brief.pdf import render_pdf
from impact.brief.write import FORMATS, check_formats, render_brief, write_brief

__all__ = ["FORMATS", "Brief", "check_formats", "check_texts", "compose", "render_brief", "render_docx", "render_html",
           "render_pdf", "write_brief"]

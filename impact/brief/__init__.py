"""A saved record told in two pages: one content model, a tagged PDF and a self-contained page for the browser."""

from impact.brief.composition import check_texts, compose
from impact.brief.html import render_html
from impact.brief.model import Brief
from impact.brief.pdf import render_pdf
from impact.brief.write import FORMATS, write_brief

__all__ = ["FORMATS", "Brief", "check_texts", "compose", "render_html", "render_pdf", "write_brief"]

"""x"""
from impact.brief.model import Brief
from impact.brief.theme import Layout
def render_html(brief: Brief, layout: Layout) -> str:
    return ""

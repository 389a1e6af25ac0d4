"""From a saved record to files: every format is rendered in memory before the first file is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from impact.brief.composition import compose
from impact.brief.docx import render_docx
from impact.brief.html import render_html
from impact.brief.pdf import render_pdf
from impact.brief.texts import language_problems, refuse
from impact.errors import Problem, RenderError
from impact.results.edits import refuse_edited
from impact.results.evaluation import Evaluation
from impact.results.reading import record_of
from impact.results.record import write_all

if TYPE_CHECKING:
    from impact.dced import Audit

FORMATS = ("pdf", "docx", "html")


def write_brief(evaluation: Evaluation | str | Path, audit: Audit | None = None, out: str | Path = ".",
                formats: Sequence[str] = FORMATS, language: str | None = None) -> tuple[Path, ...]:
    """Write the two-page evidence brief of a saved record.

    Parameters
    ----------
    evaluation : Evaluation
        The record, as :func:`impact.evaluate` returns it; or its results.json, or the folder that holds it.
    audit : Audit, optional
        The self-check against the DCED Standard; without it the brief says that none was run.
    out : path
        The folder for ``brief.pdf``, ``brief.docx`` and ``brief.html``; it is made if need be.
    formats : sequence of str
        Any of ``"pdf"``, ``"docx"`` and ``"html"``. The PDF is the record; the Word file is for editing and the page for
        screens.
    language : str, optional
        ``"en"``, ``"fr"`` or ``"es"``; left out, the study's own ``brief.language``.

    Returns
    -------
    tuple of Path
        The files written, in the order of ``formats``.

    Raises
    ------
    RenderError
        When a format or language is not available, a text is too long or has a character no face can draw, or the brief
        does not fit on two pages. Nothing is written then, and files already there stay as they are.
    ImpactError
        When a Word file of this name was edited since it was made.
    """
    evaluation = record_of(evaluation)
    refuse_edited(Path(out) / f"brief.{name}" for name in check_formats(formats))
    pages = render_brief(evaluation, audit, formats=formats, language=language)
    files = {Path(out) / f"brief.{name}": content for name, content in pages.items()}
    write_all(files)
    return tuple(files)


def render_brief(evaluation: Evaluation, audit: Audit | None = None, *, formats: Sequence[str] = FORMATS,
                 language: str | None = None) -> dict[str, str | bytes]:
    """Make a brief in memory, by format; nothing is written. See :func:`write_brief`."""
    wanted = check_formats((formats,) if isinstance(formats, str) else formats)
    refuse(language_problems(language) if language else ())
    brief = compose(evaluation, audit, language=language)
    pdf, layout = render_pdf(brief)  # finds the layout that fits, for every format
    pages: dict[str, str | bytes] = {}
    for name in wanted:
        pages[name] = pdf if name == "pdf" else render_docx(brief, layout) if name == "docx" else render_html(brief, layout)
    return pages


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Return the formats asked for, each once, or name those there are not."""
    wanted = tuple(dict.fromkeys(name.strip() for name in formats if name.strip()))
    cure = f"Write any of: {', '.join(FORMATS)}."
    unknown = [Problem(where="formats", what=f"'{name}' is no format of a brief", cure=cure)
               for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise RenderError(unknown or Problem(where="formats", what="no format is asked for", cure=cure), source="brief")
    return wanted

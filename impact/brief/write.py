"""From a saved record to files: every format is rendered in memory before the first file is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from impact.brief.composition import compose
from impact.brief.html import render_html
from impact.brief.pdf import render_pdf
from impact.brief.texts import language_problems, refuse
from impact.errors import Problem, RenderError
from impact.results.evaluation import Evaluation
from impact.results.record import write_text

if TYPE_CHECKING:
    from impact.dced import Audit

FORMATS = ("pdf", "html")


def write_brief(evaluation: Evaluation, audit: Audit | None = None, out: str | Path = ".",
                formats: Sequence[str] = FORMATS, language: str | None = None) -> tuple[Path, ...]:
    """Write the two-page evidence brief of a saved record.

    Parameters
    ----------
    evaluation : Evaluation
        The record, as :func:`impact.evaluate` returns it or :func:`impact.read_results` reads it.
    audit : Audit, optional
        The self-check against the DCED Standard; without it the brief says that none was run.
    out : path
        The folder for ``brief.pdf`` and ``brief.html``; it is made if need be.
    formats : sequence of str
        Any of ``"pdf"`` and ``"html"``.
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
    """
    wanted = (formats,) if isinstance(formats, str) else tuple(dict.fromkeys(formats))
    _check_formats(wanted)
    refuse(language_problems(language) if language else ())
    brief = compose(evaluation, audit, language=language)
    pdf, layout = render_pdf(brief)
    pages: dict[str, str | bytes] = {"pdf": pdf}
    if "html" in wanted:
        pages["html"] = render_html(brief, layout)
    return tuple(write_text(Path(out) / f"brief.{name}", pages[name]) for name in wanted)


def _check_formats(wanted: Sequence[str]) -> None:
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        problems = [Problem(where="formats", what=f"'{name}' is not available yet",
                            cure=f"Write any of: {', '.join(FORMATS)}.") for name in unknown]
        raise RenderError(problems or Problem(where="formats", what="no format is asked for",
                                              cure=f"Write any of: {', '.join(FORMATS)}."), source="brief")

"""The balance table: each trait in both groups, the joint test, and the pages for Excel, Word and LaTeX."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impact.errors import Problem, RenderError
from impact.results.plots.sheet import clean
from impact.results.record import write_text

if TYPE_CHECKING:
    import pandas as pd

    from impact.results.plots import Plot

DENOMINATORS = {
    "treated": "the standard deviation of the treated",
    "comparison": "the standard deviation of the comparison units",
    "pooled": "the root of the mean of both groups' variances",
}
HEADINGS = ("Treated", "Comparison", "Standardised difference", "Variance ratio", "eCDF mean", "eCDF largest")
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can hold: files carry no time, so that they stay the same bytes
STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
         "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "<": "$<$", ">": "$>$", "√": r"$\surd$",
         "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How the two groups differ on one trait; None where a number does not exist.

    Attributes
    ----------
    mean_treated, mean_comparison : in the trait's unit; shares from 0 to 1 for yes/no traits and levels.
    smd : difference of the means in standard deviations of the sample before weighting.
    variance_ratio : treated over comparison; None for yes/no traits.
    ecdf_mean, ecdf_max : mean and largest vertical distance between the two distribution functions, from 0 to 1.
    """

    mean_treated: float | None
    mean_comparison: float | None
    smd: float | None
    variance_ratio: float | None
    ecdf_mean: float | None
    ecdf_max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRow:
    """One trait, or one level of it, before weighting and (where there are weights) after.

    ``level`` is empty for numbers; a category, or 'missing' for the units whose value is not known. ``n_missing`` counts
    the trait's empty cells. ``reason`` says why a standardised difference is missing.
    """

    covariate: str
    level: str
    n_missing: int
    before: Gap
    after: Gap | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """The trait and its level in one name."""
        return f"{self.covariate}: {self.level}" if self.level else self.covariate

    @property
    def now(self) -> Gap:
        """The comparison that counts: after weighting where there are weights."""
        return self.after if self.after is not None else self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTest:
    """All traits at once: does the treatment follow from them?

    Attributes
    ----------
    statistic, df_num, df_denom, p_value : F scale; None where there is no test, and ``reason`` says why.
    kind : "HTZ" (approximate Hotelling T², with clusters) or "Naive-F" (the plain F, n − k).
    distance : Mahalanobis distance between the groups' means (within strata); None unless the draw was made again.
    p_redrawn : share of re-made draws with a distance at least as large; draws, enumerated, smallest_p : of those draws.
    """

    statistic: float | None
    df_num: int
    df_denom: float | None
    p_value: float | None
    kind: str
    reason: str = ""
    distance: float | None = None
    p_redrawn: float | None = None
    draws: int = 0
    enumerated: bool = False
    smallest_p: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTable:
    """Traits of treated and comparison units side by side; see :func:`impact.checks.balance_table`.

    Attributes
    ----------
    rows : one a trait or level, in the order asked for; the prognostic score last.
    treatment : the column; denominator : one of "treated", "comparison", "pooled".
    n_treated, n_comparison : units; effective_treated, effective_comparison : equal-weight units that carry as much
        information as the weighted ones, None without weights.
    joint : the joint test. notes : sentences that belong under the table.
    """

    rows: tuple[BalanceRow, ...]
    treatment: str
    denominator: str
    n_treated: int
    n_comparison: int
    joint: JointTest
    effective_treated: float | None = None
    effective_comparison: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def weighted(self) -> bool:
        """Whether the table has an 'after'."""
        return self.effective_treated is not None

    @property
    def largest(self) -> BalanceRow | None:
        """The trait that lies furthest apart (after weighting where there are weights); None where none can be told."""
        known = [r for r in self.rows if r.now.smd is not None]
        return max(known, key=lambda r: abs(r.now.smd or 0.0), default=None)

    def points(self) -> tuple[tuple[str, float | None, float | None], ...]:
        """Label, standardised difference before, and after (None without weights) of each row: what a love plot draws."""
        return tuple((r.label, r.before.smd, r.after.smd if r.after is not None else None) for r in self.rows)

    def plot(self) -> Plot:
        """Draw a love plot: how far apart the groups are on each trait, before weighting and after.

        See :func:`impact.results.plots.love_plot`.
        """
        from impact.results.plots import love_plot

        return love_plot(self)

    def tidy(self) -> pd.DataFrame:
        """One row a trait or level; columns ``covariate level n_missing``, the six of :class:`Gap` ending in ``_before``
        and in ``_after`` (empty without weights), and ``reason``.
        """
        import pandas as pd

        names = [f.name for f in fields(Gap)]
        return pd.DataFrame([
            {"covariate": r.covariate, "level": r.level, "n_missing": r.n_missing}
            | {f"{name}_{when}": getattr(gap, name) if gap is not None else None
               for when, gap in (("before", r.before), ("after", r.after)) for name in names} | {"reason": r.reason}
            for r in self.rows]).astype({f"{name}_{when}": float for when in ("before", "after") for name in names})

    def to_excel(self, path: str | Path) -> Path:
        """Write the table as a workbook: numbers as numbers, and no text that a spreadsheet could run as a formula.

        Raises
        ------
        ImpactError
            When the file cannot be written.
        """
        import openpyxl
        from openpyxl.styles import Alignment, Font

        book = openpyxl.Workbook()
        page: Any = book.active
        page.title = "Balance"
        page.append([harmless(x) for x in self._headings()])
        for line in self._lines():
            page.append([harmless(x) if isinstance(x, str) else x for x in line])
        for cell in page[1]:
            cell.font, cell.alignment = Font(bold=True), Alignment(wrap_text=True, vertical="top")
        for cells in page.iter_rows(min_row=2, min_col=3):
            for cell in cells:
                cell.number_format = "0.000"
        page.append([])
        for words in self.notes:
            page.append([harmless(words)])
        for column, width in zip("ABCDEFGHIJKLMN", (22, 16, *[13] * 12), strict=True):
            page.column_dimensions[column].width = width
        page.freeze_panes = "C2"
        return _save(Path(path), book, ".xlsx")

    def to_word(self, path: str | Path) -> Path:
        """Write the table as a Word document, one page wide.

        Raises
        ------
        ImpactError
            When python-docx is not installed, or the file cannot be written.
        """
        try:
            import docx
            from docx.enum.section import WD_ORIENT
            from docx.shared import Pt
        except ImportError:
            raise RenderError(Problem(where="to_word", what="Word files need python-docx, which is not installed",
                                      cure="pip install python-docx"), source="balance table") from None
        page = docx.Document()
        core = page.core_properties
        core.author, core.comments, core.title = "", "", "Balance table"
        section = page.sections[0]
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = section.page_height, section.page_width
        page.add_heading("Treated and comparison units side by side", level=1)
        lines = [self._headings(), *([_shown(x) for x in line] for line in self._lines())]
        table = page.add_table(rows=len(lines), cols=len(lines[0]), style="Light List")
        cells = table._cells  # one look at all of them: asking cell by cell takes minutes in a long table
        for cell, words in zip(cells, (x for line in lines for x in line), strict=True):
            cell.text = clean(words)
            for run in cell.paragraphs[0].runs:
                run.font.size = Pt(8)
        for words in self.notes:
            page.add_paragraph(clean(words)).runs[0].font.size = Pt(9)
        return _save(Path(path), page, ".docx")

    def to_latex(self) -> str:
        """Write the table as a LaTeX tabular with lines of the package booktabs; every sign of the text is escaped."""
        head = self._headings()
        lines = [" & ".join(_latex(x) for x in head),
                 *(" & ".join(_latex(_shown(x)) for x in line) for line in self._lines())]
        notes = [rf"\multicolumn{{{len(head)}}}{{p{{\linewidth}}}}{{\footnotesize {_latex(words)}}} \\"
                 for words in self.notes]
        return "\n".join(["% needs \\usepackage{booktabs}", rf"\begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}", r"\toprule",
                          lines[0] + r" \\", r"\midrule", *(line + r" \\" for line in lines[1:]), r"\bottomrule", *notes,
                          r"\end{tabular}", ""])

    def _headings(self) -> list[str]:
        if not self.weighted:
            return ["Trait", "Level", *HEADINGS]
        return ["Trait", "Level", *(f"{h}, {when}" for when in ("before", "after") for h in HEADINGS)]

    def _lines(self) -> list[list[str | float | None]]:
        names = [f.name for f in fields(Gap)]
        return [[r.covariate, r.level, *(getattr(gap, name) for gap in (r.before, r.after) if gap is not None
                                         for name in names)] for r in self.rows]


def harmless(text: str) -> str:
    """Keep a spreadsheet from reading a text as a formula, and leave out signs no file can hold."""
    words = clean(text)
    return f"'{words}" if words[:1] in ("=", "+", "-", "@") else words


def _shown(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "–"
    return (f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3f}"
            ).replace("-", "−")


def _latex(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in clean(text))


def _save(path: Path, document: Any, ending: str) -> Path:
    """Write a document without times in it, so that the same table is the same bytes."""
    if path.suffix.lower() != ending:
        raise ValueError(f"this file ends in {ending}: {path.name!r}")
    made, out = io.BytesIO(), io.BytesIO()
    document.save(made)
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            content = old.read(item)
            if item.filename == "docProps/core.xml":
                content = STAMP.sub(b"2000-01-01T00:00:00Z", content)
            entry = zipfile.ZipInfo(item.filename, FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, content)
    return write_text(path, out.getvalue())

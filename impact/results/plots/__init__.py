"""Plots of results: chosen by what the rows hold, with words for those who do not see them, saved as SVG or PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from impact.results.estimate import Estimates
from impact.results.plots.charts import curve, event_study, forest
from impact.results.plots.groups import love, overlap
from impact.results.plots.means import trends
from impact.results.plots.panels import Decomposition, heat_map, is_cell, scatter
from impact.results.plots.sheet import look, to_png, to_svg
from impact.results.plots.wording import bound_of, is_number, known, scale
from impact.results.record import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from impact.results.balance import BalanceTable
    from impact.results.evaluation import Evaluation

CHARTS: dict[str, Callable[[Estimates], tuple[Figure, str]]] = {
    "event_study": event_study, "heat_map": heat_map, "curve": curve, "forest": forest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot and its words.

    Attributes
    ----------
    figure : matplotlib Figure, to be shown or changed further.
    alt : what it shows, with its numbers, for those who do not see it; it travels in the file.
    """

    figure: Figure = field(repr=False, compare=False)
    alt: str

    def save(self, path: str | Path) -> Path:
        """Write the plot to a file, whole or not at all.

        Parameters
        ----------
        path : a name ending in .svg or .png. The same result gives the same bytes.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            When the name ends otherwise.
        ImpactError
            When the file cannot be written.
        """
        file = Path(path)
        if file.suffix.lower() not in (".svg", ".png"):
            raise ValueError(f"a plot is saved as .svg or .png, not {file.suffix or 'without an ending'!r}: {file.name!r}")
        return write_text(file, self._repr_svg_() if file.suffix.lower() == ".svg" else self._repr_png_())

    def _repr_svg_(self) -> str:
        return to_svg(self.figure, self.alt)

    def _repr_png_(self) -> bytes:
        return to_png(self.figure, self.alt)


def plot(result: Estimates | Decomposition, kind: str | None = None) -> Plot:
    """Draw a result.

    Parameters
    ----------
    result : estimates of one outcome, or the decomposition of a two-way fixed effects coefficient.
    kind : "event_study" (effects by periods since treatment, with the band for all at once), "heat_map" (by first treated
        period and period), "curve" (a sensitivity analysis: interval against bound), "scatter" (a decomposition: estimate
        against weight) or "forest" (each row with its interval). None chooses by what the rows hold.

    Returns
    -------
    Plot
        ``.figure``, ``.alt`` and ``.save(path)``; shown by itself at the end of a notebook's cell. Marks are hollow where
        the interval holds zero or there is none.

    Raises
    ------
    ValueError
        For a kind the rows cannot give, several outcomes or several units in one result, or no number to draw.
    """
    if not isinstance(result, Estimates):
        _check_kind(kind, ["scatter"])
        return _made(lambda: scatter(result))
    _check_rows(result)
    possible = kinds_of(result)
    _check_kind(kind, possible)
    return _made(lambda: CHARTS[kind or possible[0]](result))


def cohort_trends(evaluation: Evaluation, outcome: str | None = None) -> Plot:
    """Draw the raw means of one outcome by group and period; see :meth:`impact.results.Evaluation.plot`."""
    return _made(lambda: trends(evaluation, outcome))


def love_plot(table: BalanceTable) -> Plot:
    """Draw how far apart the groups are on each trait.

    Parameters
    ----------
    table : a balance table; with weights, before is hollow, after filled, and the limits 0.1 and 0.25 are drawn.
    """
    return _made(lambda: love(table))


def overlap_plot(score: Sequence[float], treated: Sequence[float], weights: Sequence[float], *,
                 treatment: str = "treatment", made: bool = False, lost: Sequence[tuple[int, str]] = ()) -> Plot:
    """Draw the chances of taking part in both groups back to back.

    Parameters
    ----------
    score, treated, weights : (n,) estimated chance, arm as 1 and 0, and what each unit counts for.
    treatment : name of the arm's column. made : whether the score was fitted for the picture alone.
    lost : units left without a counterpart: how many, and why.
    """
    return _made(lambda: overlap(score, treated, weights, treatment=treatment, made=made, lost=lost))


def kinds_of(result: Estimates) -> list[str]:
    """List the kinds of plot the rows can give, the most telling first; all rows but the first must be of its sort."""
    rest, cells = result.rows[1:] or result.rows, [(e.cohort, e.period) for e in result if is_cell(e)]
    horizons = [e.horizon for e in result if e.horizon is not None and is_number(e.horizon)]
    out = ["curve"] if bound_of(result.headline) is None and all(bound_of(e) is not None for e in rest) else []
    out += ["heat_map"] if all(map(is_cell, rest)) and len(set(cells)) == len(cells) else []
    every = all(e.horizon is not None and is_number(e.horizon) for e in rest)
    return [*out, *(["event_study"] if every and len(set(horizons)) == len(horizons) else []), "forest"]


def _check_kind(kind: str | None, possible: list[str]) -> None:
    if kind is not None and kind not in possible:
        raise ValueError(f"kind must be one of {', '.join(possible)} for these rows, not {kind!r}")


def _check_rows(result: Estimates) -> None:
    """Refuse rows that have no common axis."""
    if not any(known(e) for e in result):
        raise ValueError("no row has an estimate: there is nothing to draw")
    for what, found in (("outcomes", dict.fromkeys(e.outcome for e in result)),
                        ("units", dict.fromkeys(scale(e) for e in result if known(e)))):
        if len(found) > 1:
            raise ValueError(f"one plot has one axis, and these rows have {len(found)} {what} ({', '.join(found)}): choose "
                             "the rows of one of them with impact.results.Estimates(rows=...)")


def _made(draw: Callable[[], tuple[Figure, str]]) -> Plot:
    with look():
        figure, alt = draw()
    return Plot(figure=figure, alt=alt)

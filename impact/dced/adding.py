"""The programme's totals, added up again from the results its file gives for each intervention."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from impact.dced.dossier import Dossier
from impact.dced.totals import Part, Sum, added, jobs_over_years, net_increase, over_years
from impact.dced.wording import listed, plural, shorten
from impact.programme.types import COMMON, FTE_DAYS, Intervention, Overlap, Result

NOUN = {"scale": "enterprises that gained", "income": "income", "jobs": "full-time jobs"}
MOST_IDS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """One total added up again, and what it covers."""

    common: str
    year: int | None
    indirect: bool
    sum: Sum
    rows: tuple[Result, ...]
    covered: int
    of: int
    left_out: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The total in words, between its bounds where it is not exact."""
        if self.sum.exact:
            return f"{self.sum.high:,.6g}"
        return f"between {self.sum.low:,.6g} and {self.sum.high:,.6g}"


def total(d: Dossier, common: str, year: int | None = None, *, indirect: bool = False) -> Recomputed:
    """Add one common indicator up over interventions, of one year or since the beginning.

    Only attributable figures count that were measured or estimated: gross figures and projections are left out and told.
    """
    mine = {i.id: i for i in d.programme.in_scope}
    rows = [r for r in d.programme.results
            if r.intervention in mine and d.programme.indicator(r.indicator).common == common
            and bool(r.indirect) == indirect and r.value is not None and (year is None or r.year == year)
            and not (common == "jobs" and r.kept)]
    good = [r for r in rows if r.basis == "attributable" and r.label != "projected"]
    parts = [part for i in mine.values() if (part := _part(d, i, common, [r for r in good if r.intervention == i.id]))]
    summed = added(parts, overlaps(d, parts, common), floor=common != "income")
    out = tuple(f"{r.id} ({'a projection' if r.label == 'projected' else 'gross or not stated'})"
                for r in rows if r not in good)
    begun = [i for i in mine.values() if d.has_begun(i)]
    return Recomputed(common=common, year=year, indirect=indirect, sum=summed, rows=tuple(good), left_out=out,
                      covered=len({r.intervention for r in good}), of=len(begun))


def overlaps(d: Dossier, parts: list[Part], common: str) -> dict[frozenset[str], tuple[float, float, str]]:
    """Give for each pair of parts how much both count: declared, or between nothing and all where nobody knows.

    Enterprises are counted once, so two interventions in one area that declare nothing are bounded. Income and jobs add up:
    each intervention claims its own gain, and something is taken off only where the programme declares it.
    """
    by_name = {i.id: i for i in d.programme.in_scope}
    out: dict[frozenset[str], tuple[float, float, str]] = {}
    for a, b in combinations(parts, 2):
        row = declared_overlap(d, a.name, b.name, common)
        pair = frozenset((a.name, b.name))
        smaller = (min(abs(a.low), abs(b.low)), min(abs(a.high), abs(b.high)))
        if row is not None and row.way != "none" and row.value is not None:
            share = row.value if row.way == "share" else _share_of(d, row, common)
            if row.way != "share" and common == "scale":
                out[pair] = (row.value, row.value, "declared")
            elif share is not None:
                out[pair] = (share * smaller[0], share * smaller[1], "declared as a share of the smaller")
            else:
                out[pair] = (0.0, smaller[1], "declared, but not for this indicator")
        elif row is None and common == "scale" and same_place(by_name[a.name], by_name[b.name]):
            out[pair] = (0.0, smaller[1], "one area, overlap not known")
    return out


def declared_overlap(d: Dossier, first: str, second: str, common: str) -> Overlap | None:
    """Find what is declared of a pair: for this common indicator, else for all."""
    rows = [o for o in d.programme.overlaps if {o.first, o.second} == {first, second} and o.common in (common, None)]
    return next((o for o in rows if o.common == common), rows[0] if rows else None)


def same_place(a: Intervention, b: Intervention) -> bool:
    """Tell whether two interventions work in one area, so that they may share participants."""
    return bool(a.area and b.area and a.area.casefold().strip() == b.area.casefold().strip())


def total_lines(d: Dossier) -> Iterator[str]:
    """Tell every total that can be added up, direct and indirect apart, with what it covers and leaves out."""
    for common in COMMON:
        for indirect in (False, True):
            found = total(d, common, indirect=indirect)
            if not found.rows:
                continue
            kind = "indirect results, apart" if indirect else "direct results"
            yield (f"{common.capitalize()} since the beginning, {kind}: {found.told} {_counted(d, found)}"
                   f", from {found.covered} of {plural(found.of, 'intervention')} begun. {_covers(found)}"
                   f"{_deducted(found)}{_left_out(found)}{_jobs_told(d, found) if common == 'jobs' else ''}".strip())
    yield from _net_lines(d)


def _net_lines(d: Dossier) -> Iterator[str]:
    """Tell the gross count and, apart, the net increase; of each year where one intervention has several."""
    rows = [r for i in d.programme.in_scope for r in d.programme.results if r.intervention == i.id
            and not r.indirect and None not in (r.participants, r.share_treated, r.share_comparison)]
    several = len({r.intervention for r in rows}) < len(rows)
    for year in sorted({r.year or 0 for r in rows}) if several else [None]:
        mine = [r for r in rows if year is None or (r.year or 0) == year]
        if mine:
            yield _net_line(mine, f" in {year}" if year else "")


def _net_line(rows: list[Result], when: str) -> str:
    gross = net = 0.0
    parts = []
    for r in rows:
        n, treated, other = r.participants or 0.0, r.share_treated or 0.0, r.share_comparison or 0.0
        gross, net = gross + n * treated, net + net_increase(n, treated, other)
        parts.append(f"{r.id}: {n:,.6g} × ({treated:.6g} − {other:.6g}) = {net_increase(n, treated, other):,.6g}")
    aside = ", overlaps not taken off" if len(rows) > 1 else ""
    return (f"Number who gained{when}, gross count: {gross:,.0f}{aside}. Apart from it, the net increase in the number who "
            f"gained, N × (share treated − share comparison): {net:,.0f} ({listed(parts, most=8)}).")


def _part(d: Dossier, i: Intervention, common: str, rows: list[Result]) -> Part | None:
    if not rows:
        return None
    if common == "jobs":
        return jobs_over_years(i.id, ((r.year or 0, r.value or 0.0, bool(r.persists)) for r in rows))
    by_year: dict[int, float] = defaultdict(float)
    for r in rows:
        by_year[r.year or 0] += r.value or 0.0
    if common == "income":
        whole = sum(by_year.values())
        return Part(name=i.id, low=whole, high=whole)
    ids: dict[int, frozenset[str]] = {}
    for r in rows:
        found = read_ids(d, r)
        if found is not None:
            ids[r.year or 0] = ids.get(r.year or 0, frozenset()) | found
    complete = all(read_ids(d, r) is not None for r in rows)
    return over_years(i.id, by_year, ids if complete else None)


def read_ids(d: Dossier, row: Result) -> frozenset[str] | None:
    """Read the list of codes behind a figure; None where there is none that can be read."""
    if not row.ids:
        return None
    folder = (d.programme.folder or Path()).resolve()
    file = (folder / row.ids).resolve()
    try:
        if not file.is_relative_to(folder) or not file.is_file() or file.stat().st_size > MOST_IDS:
            return None
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return frozenset(line.strip() for line in lines if line.strip())


def _share_of(d: Dossier, row: Overlap, common: str) -> float | None:
    """Turn a count of enterprises in both into a share of the smaller intervention; None where its size is not known."""
    if common == "scale" or row.value is None:
        return None
    sizes = [part.high for part in total(d, "scale").sum.parts if part.name in (row.first, row.second)]
    return min(1.0, row.value / min(sizes)) if len(sizes) == 2 and min(sizes) > 0 else None


def _counted(d: Dossier, found: Recomputed) -> str:
    """Name what is added up: enterprises, or the unit of the indicator, so that an amount has its money and year."""
    units = sorted({str(d.programme.indicator(r.indicator).unit) for r in found.rows
                    if d.programme.indicator(r.indicator).unit})
    return listed(units, most=2) if units and found.common == "income" else NOUN[found.common]


def _covers(found: Recomputed) -> str:
    people = list(dict.fromkeys(shorten(r.population, 50) for r in found.rows if r.population))
    return f"It covers {listed(people, most=4)}. " if people else "Whom it covers is not stated. "


def _deducted(found: Recomputed) -> str:
    return f"Overlaps: {listed(found.sum.deducted, most=6)}. " if found.sum.deducted else ""


def _left_out(found: Recomputed) -> str:
    return f"Left out: {listed(found.left_out, most=6)}. " if found.left_out else ""


def _jobs_told(d: Dossier, found: Recomputed) -> str:
    c = d.conventions
    kept = sum(r.value or 0 for r in d.programme.results if r.kept and bool(r.indirect) == found.indirect)
    again = sum(r.value or 0 for r in found.rows if r.persists)
    lost = sum(r.lost or 0 for r in found.rows)
    parts = [f"{c.fte_days or FTE_DAYS:g} days make one job ({'declared' if c.fte_days else 'default, unverified'})"]
    parts += [f"{again:,.6g} that persist are not added again"] if again else []
    parts += [f"{lost:,.6g} lost are deducted already"] if lost else []
    parts += [f"{kept:,.6g} kept, apart"] if kept and c.jobs_kept != "not_counted" else []
    return f"{'; '.join(parts)}."

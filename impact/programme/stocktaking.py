"""What an inventory tells: documents by kind, who keeps what, what is overdue, and the ten cheapest fixes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from impact.programme.disk import days_between
from impact.programme.inventory import Inventory, papers_of
from impact.programme.types import DOCUMENT_KINDS
from impact.programme.writing import to_workbook, to_yaml
from impact.results.record import write_all
from impact.study.yaml_file import shown

MOST_FIXES = 10
OLD_DAYS = 366  # a chain or plan older than a year was to be reviewed
_PAPERS = {"results_chain": "a results chain", "baseline_report": "a baseline report", "projection_sheet": "projections",
           "measurement_plan": "a measurement plan", "impact_report": "an impact assessment"}
_PROGRAMME = {"manual": "a results measurement manual", "cost_table": "a cost table", "annual_report": "an annual report",
              "aggregation_sheet": "a sheet that adds up results", "minutes": "minutes of a review of results"}
_OF_THE_PROGRAMME = (  # papers as old as the programme, not older reading
    *_PAPERS, *_PROGRAMME, "intervention_plan", "agreement", "work_plan", "financial_report")
PROPOSED = "programme-proposed"


@dataclass(frozen=True, slots=True, order=True)
class Fix:
    """One thing to do: ``hours`` is a rough guess that orders the list, shown as words."""

    hours: float
    text: str

    @property
    def effort(self) -> str:
        """The guess in words."""
        steps = ((1, "minutes"), (4, "an hour or two"), (12, "a day"))
        return next((words for most, words in steps if self.hours < most), "weeks")


def overdue(inventory: Inventory) -> tuple[str, ...]:
    """Say what should have been there by now: reports of past years, chains and plans that nobody touched for a year."""
    out: list[str] = []
    last = int(inventory.as_of[:4]) - 1
    years = {g.year for g in inventory.guesses if g.kind == "annual_report" and g.year}
    dated = [int(g.date[:4]) for g in inventory.guesses if g.date and g.kind in _OF_THE_PROGRAMME]
    first = min([*dated, *(y for y in years if y)], default=last + 1)
    missing = [str(year) for year in range(max(first, last - 10), last + 1) if year not in years]
    if missing:
        out.append(f"No annual report found for {', '.join(missing)}.")
    for intervention in inventory.programme.interventions:
        for kind, noun in (("results_chain", "results chain"), ("intervention_plan", "intervention plan"),
                           ("projection_sheet", "projections")):
            days = [g.date for g in papers_of(inventory, intervention) if g.kind == kind and g.date]
            if days and days_between(max(days), inventory.as_of) > OLD_DAYS:
                out.append(f"{intervention.name}: the {noun} {'are' if noun[-1] == 's' else 'is'} of {max(days)}, more "
                           f"than a year before {inventory.as_of}, and no later version or review was found.")
    return tuple(out)


def fixes(inventory: Inventory) -> tuple[Fix, ...]:
    """List what to do, the cheapest first; the first :data:`MOST_FIXES` of them."""
    return tuple(sorted(set(_fixes(inventory))))[:MOST_FIXES]


def _fixes(inventory: Inventory) -> Iterator[Fix]:
    documents = inventory.programme.documents
    for group in inventory.twins:
        yield Fix(0.1, f"Keep one of {len(group)} equal files: {', '.join(shown(f) for f in group[:3])}.")
    for g in inventory.guesses:
        if g.state.state != "there":
            yield Fix(0.3, f"Replace {shown(g.file)}: {g.state.why}.")
    yield from _counted(0.2, [d.file or "" for d in documents if not d.date], "Write the date of")
    yield from _counted(0.3, [d.file or "" for d in documents if not d.owner], "Say who keeps")
    yield from _counted(0.4, list(inventory.unclear), "Say what it is:")
    yield from _counted(0.5, [name for name, _ in inventory.refused], "Look at what was not opened:")
    if not inventory.programme.interventions:
        yield Fix(1, "Enter the interventions: no folder looks like one.")
    else:
        yield Fix(0.4, "Enter status, dates and scope of each intervention under interventions.")
    have = Counter(g.kind for g in inventory.guesses if g.state.state == "there")
    for kind, noun in _PROGRAMME.items():
        if not have[kind]:
            yield Fix(2 if kind in ("minutes", "cost_table") else 8, f"Find or write {noun}: none was found.")
    for intervention in inventory.programme.interventions:
        own = {g.kind for g in papers_of(inventory, intervention) if g.state.state == "there"}
        for kind, noun in _PAPERS.items():
            if kind not in own:
                hours = {"results_chain": 3, "measurement_plan": 6, "projection_sheet": 8}.get(kind, 80)
                yield Fix(hours, f"{intervention.name}: find or make {noun}; none was found.")


def _counted(hours: float, files: list[str], verb: str) -> Iterator[Fix]:
    if files:
        rest = f" and {len(files) - 3} more" if len(files) > 3 else ""
        yield Fix(hours, f"{verb} {', '.join(shown(f) for f in files[:3])}{rest}.")


def inventory_lines(inventory: Inventory) -> tuple[str, ...]:
    """Tell the inventory in lines for the terminal."""
    programme = inventory.programme
    said = "as you said" if inventory.declared else "the latest date on any document; another with --as-of"
    lines = [f"Inventory of {shown(programme.name)}, as of {inventory.as_of} ({said})",
             "All of it is guessed from names of files and folders and from what office files say of themselves.", "",
             f"Interventions proposed: {len(programme.interventions)}"]
    for intervention in programme.interventions:
        own = papers_of(inventory, intervention)
        lines.append(f"  {shown(intervention.name)} ({intervention.id}): {len(own)} document{'s' if len(own) != 1 else ''}")
    kinds = Counter(d.kind for d in programme.documents)
    lines += ["", f"Documents registered: {len(programme.documents)} of {len(inventory.guesses)} files looked at"]
    lines += [f"  {kind.replace('_', ' ')}: {kinds[kind]}" for kind in DOCUMENT_KINDS if kinds[kind]]
    owners = Counter(d.owner for d in programme.documents)
    lines += ["", "Who keeps what (authors named by the files; their names stand under staff in the proposal)"]
    lines += [f"  {p.id}: {owners[p.id]}" for p in programme.staff]
    lines += [f"  nobody named: {owners[None]}"] if owners[None] else []
    lines += _section("Equal files", [", ".join(shown(f) for f in group) for group in inventory.twins])
    lines += _section("Not looked at", [f"{name} {why}" for name, why in inventory.refused])
    lines += _section("Overdue", list(overdue(inventory)))
    lines += _section("The cheapest fixes", [f"{fix.text} ({fix.effort})" for fix in fixes(inventory)])
    return tuple(lines)


def _section(title: str, items: list[str]) -> list[str]:
    return ["", title, *(f"  {item}" for item in items)] if items else []


def write_proposal(inventory: Inventory, out: Path) -> tuple[Path, ...]:
    """Write the proposed programme as YAML and Excel, beside anything that is there already; nothing is overwritten."""
    number = 1
    while any((out / f"{_stem(number)}.{kind}").exists() for kind in ("yaml", "xlsx")):
        number += 1
    head = ("# Proposed by impact inventory from names and properties of files. Every line is a guess: check it,\n"
            "# correct it, fill in what is missing, and save it as programme.yaml in the programme folder.\n")
    files: dict[Path, str | bytes] = {out / f"{_stem(number)}.yaml": head + to_yaml(inventory.programme),
                                      out / f"{_stem(number)}.xlsx": to_workbook(inventory.programme)}
    write_all(files)
    return tuple(files)


def _stem(number: int) -> str:
    return PROPOSED if number == 1 else f"{PROPOSED}-{number}"

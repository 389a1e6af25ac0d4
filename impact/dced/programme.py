"""A whole programme held against the table: its file, its documents on disk and the records of its studies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from impact.dced.adding import total_lines
from impact.dced.documents import Shelf, shelve
from impact.dced.dossier import Dossier
from impact.dced.judging import judge
from impact.dced.shares import shares_of
from impact.dced.table import Standard
from impact.dced.types import Audit, ChainPicture, Element, Step
from impact.dced.wording import listed, plural
from impact.errors import ImpactError
from impact.programme.types import Box, Intervention, Programme
from impact.results import read_results
from impact.results.evaluation import Evaluation
from impact.results.record import sha256


def audit_programme(programme: Programme, table: Standard) -> Audit:
    """Hold a programme against a table of the Standard."""
    d = dossier(programme)
    elements = tuple(
        Element(number=row.id, title=row.title, title_verified=row.title_verified,
                points=tuple(judge(d, control, item) for control in row.control_points for item in control.criteria))
        for row in table.elements)
    return Audit(
        standard=table.standard, version=table.version, warning=table.warning, subject="programme", slug=programme.slug,
        study_title=programme.name, programme=", ".join(programme.donors) or programme.name, language="en",
        as_of=programme.as_of, elements=elements, record=tuple(_record(programme)), simulated=_simulated(d),
        fictional=bool(programme.simulated), status="final",
        scope=(*_scope(programme), *_edition(programme, table)), chains=tuple(_chains(d)), totals=tuple(total_lines(d)),
        shares=shares_of(elements, table), flags=d.shelf.flags)


def dossier(programme: Programme) -> Dossier:
    """Gather what the rules read: every document is looked at once, every study's record read once."""
    shelf: Shelf = shelve(programme)
    evaluations: dict[str, Evaluation] = {}
    unreadable: dict[str, str] = {}
    for i in programme.in_scope:
        if i.results:
            try:
                evaluations[i.id] = read_results((programme.folder or Path()) / i.results)
            except ImpactError as error:
                unreadable[i.id] = " ".join(str(problem) for problem in error.problems)
    return Dossier(programme=programme, shelf=shelf, evaluations=evaluations, unreadable=unreadable,
                   active=programme.in_scope)


def _simulated(d: Dossier) -> bool | None:
    """Tell whether any study of a programme that calls itself real rests on simulated data; its evidence is refused."""
    if d.programme.simulated:
        return None  # the fiction is told in its own words
    said = [e.provenance.simulated or e.study.data.simulated for e in d.evaluations.values()]
    return True if said and all(said) else None


def _record(programme: Programme) -> Iterator[tuple[str, str]]:
    """Identify what was read, so that another reader can tell whether it is the same."""
    from impact import __version__

    file = (programme.folder or Path()) / programme.source
    yield "toolkit", __version__
    yield "programme_file", programme.source
    if file.is_file():
        yield "programme_sha256", sha256(file.read_bytes())
    yield "interventions", str(len(programme.interventions))
    yield "documents", str(len(programme.documents))


def _scope(programme: Programme) -> Iterator[str]:
    """Tell what is in and what is out, with the reason for each."""
    if programme.scope:
        yield programme.scope
    names = listed((i.name for i in programme.in_scope), most=40)
    yield f"In: {plural(len(programme.in_scope), 'intervention')}: {names}." if names else "In: no intervention is entered."
    for i in programme.interventions:
        if i.in_scope is False:
            yield f"Out: {i.name}: {(i.scope_reason or 'no reason is given').rstrip('.')}."
    for row in programme.left_out:
        yield f"Out: {row.what}: {(row.reason or 'no reason is given').rstrip('.')}."


def _edition(programme: Programme, table: Standard) -> Iterator[str]:
    """Tell that the programme works by another edition than the table's."""
    if programme.edition and programme.edition.split()[-1].casefold() != table.version.split()[-1].casefold():
        yield (f"The programme works by edition {programme.edition} of the Standard; this is held against version "
               f"{table.version}. Another edition is another table: see --standard.")


def _chains(d: Dossier) -> Iterator[ChainPicture]:
    for i in d.programme.in_scope:
        chain = d.chain(i)
        if chain is not None and chain.boxes:
            ahead = {b.id: tuple(a.target for a in chain.arrows if a.source == b.id) for b in chain.boxes}
            yield ChainPicture(title=i.name, owner=d.role(i.owner),
                               steps=tuple(_step(d, i, box, ahead[box.id]) for box in chain.boxes))


def _measure(value: float, unit: str) -> str:
    """Write a value with its unit; a unit that is a sentence of its own ('1 yes, 0 no') is told apart from the number."""
    number = f"{value:,.6g}"
    if unit[:1].isdigit():
        return f"{number} ({unit})"
    return f"{number}, {unit}" if unit.startswith("share") else f"{number} {unit}".strip()


def _step(d: Dossier, i: Intervention, box: Box, ahead: tuple[str, ...]) -> Step:
    """Colour one box: measured where a dated value with evidence that carries it is on file."""
    mine = [x for x in d.indicators(i) if x.id in box.indicators]
    values = [(x, m) for x in mine for m in d.measured(x) if d.carried(m.evidence)]
    if values:
        x, m = values[-1]
        said = _measure(m.value, x.unit or "") if m.value is not None else "described in words"
        return Step(id=box.id, level=box.level, text=box.text, state="measured", leads_to=ahead,
                    told=f"{x.name}: {said}, {m.kind} of {m.measured}")
    if mine:
        return Step(id=box.id, level=box.level, text=box.text, state="planned", leads_to=ahead,
                    told=f"{listed((x.name for x in mine), most=2)}: no value with evidence yet")
    bare = box.level == "activity"
    return Step(id=box.id, level=box.level, text=box.text, state="activity" if bare else "none", leads_to=ahead,
                told="" if bare else "no indicator")

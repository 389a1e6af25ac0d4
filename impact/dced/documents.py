"""Registered documents as they stand on disk, and which of them cannot carry what is put on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from impact.dced.types import Flag
from impact.dced.wording import plural
from impact.programme.disk import FileState, days_between, look
from impact.programme.places import find_place
from impact.programme.types import Document, Programme

OVERUSED_PLACE = 6  # statements that may rest on one page, sheet or row before it is shown as over-used
OVERUSED_DOCUMENT = 25  # the same of a document that is cited without naming a place
SLACK_DAYS = 31  # a paper may be finished within a month of the date it bears


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What is known of every registered document: ``faults`` say why one carries no evidence.

    ``absent`` are places that were named and are not in their file, as far as the file itself can tell.
    """

    faults: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[tuple[str, str]] = frozenset()


def shelve(programme: Programme) -> Shelf:
    """Look at every registered document once: is it there, is it empty, does it stand twice, do its dates agree."""
    faults: dict[str, str] = {}
    flags: list[Flag] = []
    hashes: dict[str, str] = {}
    first: dict[str, str] = {}
    folder = programme.folder or Path()
    for document in programme.documents:
        state = look(folder, document.file) if document.file else None
        fault = _fault(programme, document, state)
        mark = _mark(document, state)
        if not fault and mark:
            twin = first.setdefault(mark, document.id)
            same = f"it is the same {'file' if state else 'link'} as {twin}, registered twice"
            fault = same if twin != document.id else ""
        if fault:
            faults[document.id] = fault
            flags.append(_flag(programme, document, "no_evidence", f"carries no evidence: {fault}."))
        if state and state.sha256:
            hashes[document.id] = state.sha256
        flags += [_flag(programme, document, "dates", text) for text in _contradictions(programme, document, state)]
    absent = frozenset(_absent(programme, faults))
    known = {document.id: document for document in programme.documents}
    flags += [_flag(programme, known[name], "place", f"has no ‘{place}’, which is cited.")
              for name, place in sorted(absent)]
    return Shelf(faults=faults, flags=(*flags, *_overused(programme)), hashes=hashes, absent=absent)


def _absent(programme: Programme, faults: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Look up every place that is cited, once, in the files that are there."""
    files = {d.id: d.file for d in programme.documents if d.file and d.id not in faults}
    folder = programme.folder or Path()
    for cite in {cite for _, _, cite in programme.cites()}:
        if cite.document in files and cite.place.strip():
            file = folder / PurePosixPath(files[cite.document].replace("\\", "/"))
            if find_place(file, cite.place) == "absent":
                yield cite.document, cite.place


def _fault(programme: Programme, document: Document, state: FileState | None) -> str:
    """Say why a document cannot carry evidence, taken alone; '' where it can. A link is recorded and never opened."""
    if state is None:
        return "" if document.link else "neither a file nor a link is registered"
    if state.state != "there":
        return "the file is not there" if state.state == "missing" else state.why or f"the file is {state.state}"
    return "its contents are made up" if document.simulated and not programme.simulated else ""


def _mark(document: Document, state: FileState | None) -> str:
    """Give what two entries of one paper share: the fingerprint of the file, or the address where there is none."""
    return state.sha256 if state else (document.link or "").strip().rstrip("/").casefold()


def _contradictions(programme: Programme, document: Document, state: FileState | None) -> list[str]:
    """List what the dates of a document say against each other."""
    out = []
    if document.date and document.date > programme.as_of:
        out.append(f"bears the date {document.date}, after {programme.as_of}, the day of this self-check.")
    if document.date and state and state.created and days_between(document.date, state.created) > SLACK_DAYS:
        out.append(f"bears the date {document.date}, but the file says it was created on {state.created}.")
    if document.date and state and state.saved and days_between(document.date, state.saved) > SLACK_DAYS:
        out.append(f"bears the date {document.date}, but the file says it was last saved on {state.saved}.")
    if document.sha256 and state and state.sha256 and document.sha256.lower() != state.sha256:
        out.append("has changed since its fingerprint was registered.")
    return out


def _overused(programme: Programme) -> list[Flag]:
    """Flag a place that more statements rest on than one page can carry."""
    rests: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record, name, cite in programme.cites():
        rests[cite.document, cite.place.strip().casefold()].add(f"{record.at} {name}")
    known = {document.id: document for document in programme.documents}
    out = []
    for (identifier, place), statements in sorted(rests.items()):
        most = OVERUSED_PLACE if place else OVERUSED_DOCUMENT
        if len(statements) > most and identifier in known:
            where = f"its place ‘{place}’" if place else "it, with no place named,"
            out.append(_flag(programme, known[identifier], "overused",
                             f"{plural(len(statements), 'statement')} rest on {where}: look whether it shows them all."))
    return out


def _flag(programme: Programme, document: Document, kind: str, text: str) -> Flag:
    return Flag(document=f"{document.id} {document.title}", kind=kind, text=text,
                place=f"{programme.source}, {document.at}" if document.at else programme.source)

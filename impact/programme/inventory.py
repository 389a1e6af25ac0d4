"""Taking stock of an inherited drive: what is there, what it probably is, and a programme file proposed from it.

Everything is a guess from the names of files and folders and from what office files say of themselves. Nothing is
moved, changed or overwritten; links are not followed; what may not be looked at is listed and left alone.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from impact.errors import Problem, StudyError
from impact.programme.disk import duplicates, refusal
from impact.programme.recognition import GENERAL, Guess, guess, plain, readable
from impact.programme.types import Document, Intervention, Person, Programme, Report
from impact.study.yaml_file import shown

MAX_FILES = 5_000
MAX_DEPTH = 15
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOISE = re.compile(r"^(~\$|\.|thumbs\.db$|desktop\.ini$|programme(-proposed.*)?\.(yaml|xlsx)$)", re.IGNORECASE)
_GROUPS = re.compile(r"^(interventions?|projects?|components?|markets?|sectors?|projets?|proyectos?)$")
_SPEAKING = frozenset({  # kinds of which two in one folder make it look like an intervention
    "results_chain", "intervention_plan", "measurement_plan", "projection_sheet", "baseline_report", "impact_report",
    "questionnaire", "market_study", "agreement", "data", "sampling_note", "interview_notes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a drive holds and the programme proposed from it.

    Parameters
    ----------
    programme : the proposal; it reads back without a problem.
    guesses : one for each file that was looked at.
    twins : groups of files with the same contents; the first of each is registered.
    refused : (file, why) of what was not looked at.
    unclear : files whose kind no name gives away.
    as_of : the day for which things are overdue; ``declared`` says whether it was given or is the latest date found.
    """

    programme: Programme
    guesses: tuple[Guess, ...]
    twins: tuple[tuple[str, ...], ...]
    refused: tuple[tuple[str, str], ...]
    unclear: tuple[str, ...]
    as_of: str
    declared: bool


def take_inventory(folder: str | Path, as_of: str | None = None) -> Inventory:
    """Take stock of a folder and propose a programme.

    Parameters
    ----------
    folder : the drive or folder that was inherited.
    as_of : the day for which things are judged, 2026-06-30; the latest date on any document when left out.

    Raises
    ------
    StudyError
        When it is no folder, holds nothing that can be looked at, or more than can be read.
    """
    root = Path(folder)
    if not root.is_dir():
        raise _refuse(root, "there is no such folder", "Give the folder to take stock of.")
    refused: list[tuple[str, str]] = []
    guesses = tuple(guess(root, inside) for inside in _files(root, refused))
    if not guesses:
        raise _refuse(root, "the folder holds no document", "Give another folder.")
    dates = [g.date or f"{g.year}-12-31" for g in guesses if g.date or (g.year and g.kind == "annual_report")]
    day = as_of or max(dates, default="")
    if not day:
        raise _refuse(root, "no document bears a date, so it cannot be said what is overdue", "Add --as-of 2026-06-30.")
    known = {g.file: g for g in guesses}
    twins = tuple(tuple(sorted((state.file for state in group), key=lambda file: _rank(known[file])))
                  for group in duplicates(g.state for g in guesses))
    later = {file for group in twins for file in group[1:]}
    kept = tuple(g for g in guesses if g.file not in later)
    return Inventory(programme=_proposal(root, kept, day), guesses=guesses, twins=twins, refused=tuple(refused), as_of=day,
                     unclear=tuple(g.file for g in kept if g.kind == "other"), declared=as_of is not None)


def _rank(g: Guess) -> tuple[bool, bool, bool, str]:
    """Put the file first that says most of itself: a kind, a date, and not that it is a copy."""
    return g.kind == "other", not g.date, bool(re.search(r"\bcop(y|ie|ia)\b", plain(g.file))), g.file


def _refuse(root: Path, what: str, cure: str) -> StudyError:
    return StudyError(Problem(where=shown(root, 300), what=what, cure=cure), source="impact inventory")


def _files(root: Path, refused: list[tuple[str, str]]) -> Iterator[PurePosixPath]:
    """Walk over the files in a fixed order; what may not be looked at is noted."""
    count = 0

    def locked(error: OSError) -> None:
        name = Path(error.filename or root).relative_to(root).as_posix()
        refused.append((shown(name, 200), "is a folder that cannot be opened"))

    for place, folders, files in os.walk(root, followlinks=False, onerror=locked):
        here = Path(place).relative_to(root)
        left = {name: why for name in folders if (why := _left(Path(place) / name, len(here.parts)))}
        refused += [(shown((here / name).as_posix(), 200), why) for name, why in sorted(left.items())]
        folders[:] = sorted(name for name in folders if name not in left)
        for name in sorted(files):
            inside = PurePosixPath(here.as_posix()) / name
            if _NOISE.match(name):
                continue
            count += 1
            if count > MAX_FILES:
                raise _refuse(root, f"the folder holds more than {MAX_FILES:,} files", "Take stock of one part at a time.")
            why = _unfit(root, inside)
            if why:
                refused.append((shown(str(inside), 200), why))
            else:
                yield inside


def _left(folder: Path, depth: int) -> str:
    """Say why a folder is not walked into; '' if it is."""
    if folder.is_symlink():
        return "is a link to a folder, which is not followed"
    if folder.name.startswith("."):
        return "is a hidden folder"
    if _CONTROL.search(folder.name):
        return "has a name that cannot be written in a register: rename it"
    return f"lies more than {MAX_DEPTH} folders deep" if depth >= MAX_DEPTH else ""


def _unfit(root: Path, inside: PurePosixPath) -> str:
    name = str(inside)
    if _CONTROL.search(name) or len(name) > 400 or name.startswith("=") or "\\" in name:
        return "has a name that cannot be written in a register: rename it"
    return refusal(root, inside)


def _proposal(root: Path, kept: tuple[Guess, ...], day: str) -> Programme:
    """Make the programme: people from authors, interventions from folders, documents from files."""
    staff = _people(kept)
    interventions = _interventions(kept)
    by_author = {person.name: person.id for person in staff}
    documents = tuple(Document(
        id=f"D{n:03d}", title=g.title, kind=g.kind, file=g.file, date=g.date or None, version=g.version or None,
        owner=by_author.get(g.author), sha256=g.state.sha256 or None, note=_note(g)) for n, g in enumerate(kept, 1))
    reports = {g.year: Report(id=f"report_{g.year}", document=d.id, begins=f"{g.year}-01-01", ends=f"{g.year}-12-31",
                              date=d.date)
               for d, g in zip(documents, kept, strict=True) if g.kind == "annual_report" and g.year and not g.state.why}
    return Programme(
        name=readable(root.resolve().name), as_of=day, staff=staff, documents=documents, interventions=interventions,
        reports=tuple(reports[year] for year in sorted(reports, key=str)), slug="proposed", folder=root)


def _note(g: Guess) -> str:
    grounds = ["Proposed from the file's name and properties; check it"]
    if g.state.state != "there":
        grounds.append(g.state.why)
    if not g.date:
        grounds.append(f"no date found (last written on this disk {g.state.written})")
    return "; ".join(grounds) + "."


def _people(kept: Iterable[Guess]) -> tuple[Person, ...]:
    counts = Counter(g.author for g in kept if g.author)
    return tuple(Person(id=f"person_{n}", name=name, role="Author of documents: fill in the role")
                 for n, name in enumerate(sorted(counts, key=lambda a: (-counts[a], a)), 1))


def _interventions(kept: tuple[Guess, ...]) -> tuple[Intervention, ...]:
    """Propose the folders that look like an intervention: below a folder of interventions, or with papers of one."""
    places: dict[PurePosixPath, list[Guess]] = {}
    for g in kept:
        for place in PurePosixPath(g.file).parents:
            if place.name:
                places.setdefault(place, []).append(g)
    chosen: list[PurePosixPath] = []
    for place in sorted(places, key=lambda p: (len(p.parts), str(p))):
        if any(place.is_relative_to(above) for above in chosen):
            continue
        if _looks_like_one(place, places[place]):
            chosen.append(place)
    out: dict[str, Intervention] = {}
    for place in sorted(chosen, key=str):
        code = re.sub(r"[^a-z0-9]+", "_", plain(readable(place.name))).strip("_")[:36] or "intervention"
        code = code if code not in out else f"{code}_{len(out) + 1}"
        files = {PurePosixPath(g.file).name: g.file for g in places[place]}
        owner = Counter(g.author for g in places[place] if g.author).most_common(1)
        people = {p.name: p.id for p in _people(kept)}
        out[code] = Intervention(id=code, name=readable(place.name), status="active", study=files.get("study.yaml"),
                                 results=files.get("results.json"), owner=people[owner[0][0]] if owner else None)
    return tuple(out.values())


def _looks_like_one(place: PurePosixPath, inside: list[Guess]) -> bool:
    if GENERAL.match(plain(readable(place.name))) or re.fullmatch(r"[\d\W_]*", place.name):
        return False
    if place.parent.name and _GROUPS.match(plain(readable(place.parent.name))):
        return True
    names = {PurePosixPath(g.file).name for g in inside}
    return "study.yaml" in names or len({g.kind for g in inside} & _SPEAKING) > 1


def papers_of(inventory: Inventory, intervention: Intervention) -> tuple[Guess, ...]:
    """Give the files that lie in an intervention's folder, or carry its name."""
    words = plain(intervention.name)
    return tuple(g for g in inventory.guesses
                 if any(plain(readable(p.name)) == words for p in PurePosixPath(g.file).parents if p.name)
                 or re.search(rf"\b{re.escape(words)}\b", plain(PurePosixPath(g.file).stem)))

"""The command that holds a record or a programme against the Standard, and what can be made beside it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from impact.dced import audit, summary_lines
from impact.dced.assess import is_programme
from impact.errors import Problem, StudyError
from impact.results.reading import find_record
from impact.results.record import write_all, write_text

if TYPE_CHECKING:
    from impact.dced.types import Audit
    from impact.programme.types import Programme

SNAPSHOTS = "self-check-snapshots"
Files = dict[Path, str | bytes]


def command_audit(arguments: argparse.Namespace) -> int:
    """Hold a record, or a whole programme, against the Standard; a self-check, no rating."""
    from impact.cli.commands import ensure_writable
    from impact.dced.report.write import outputs

    if arguments.write_standard:
        return _standard_sheet(arguments)
    if not arguments.path:
        raise StudyError(Problem(where="impact audit", what="neither a record nor a programme is named",
                                 cure="Write: impact audit my-programme, or impact audit results.json."),
                         source="impact audit")
    path = Path(arguments.path)
    if not path.exists():
        raise StudyError(Problem(where=arguments.path, what="there is no such record or programme",
                                 cure="Write: impact audit my-programme; or, after impact run my-study: impact audit "
                                 "my-study."), source="impact audit")
    programme = None
    _options_that_fit(arguments, programme=is_programme(path))
    if is_programme(path):
        from impact.programme import read_programme

        programme = read_programme(path)
    self_check = audit(programme or path, standard=arguments.standard)
    place = path if programme else find_record(path)
    out = Path(arguments.out) if arguments.out else place if place.is_dir() else place.parent
    files: Files = {out / name: content for name, content in outputs(self_check).items()}
    told = ["DCED self-check of one study (no audit, no rating)", *(f"  {line}" for line in summary_lines(self_check))]
    opened = [out / "self-check.html"]
    if programme:
        told = _beside(programme, self_check, out, files)
        opened += _asked_for(programme, self_check, out, files, arguments)
    for folder in dict.fromkeys(target.parent for target in files):
        ensure_writable(folder)
    write_all(files)
    print("\n".join([*told, *(f"open {target}" for target in opened)]))
    return 1 if arguments.strict and self_check.fix_first else 0


def _options_that_fit(arguments: argparse.Namespace, *, programme: bool) -> None:
    """Refuse options that go with a programme, or with a rehearsal, where there is none."""
    given = {"--rehearse": arguments.rehearse, "--sample": arguments.sample is not None,
             "--seed": arguments.seed is not None,
             "--answers": arguments.answers, "--evidence-room": arguments.evidence_room}
    problems = []
    if not programme:
        problems = [Problem(where=name, what="it goes with a programme, and this is the record of one study",
                            cure="Name a programme.yaml, a programme.xlsx or their folder.")
                    for name, there in given.items() if there]
    elif arguments.rehearse and arguments.seed is None:
        problems = [Problem(where="--rehearse", what="no seed is given, so that nobody could draw the same ones again",
                            cure="Add --seed with any whole number, such as --seed 7.")]
    elif not arguments.rehearse:
        problems = [Problem(where=name, what="it goes with --rehearse alone", cure="Add --rehearse.")
                    for name in ("--sample", "--seed", "--answers") if given[name]]
    if problems:
        raise StudyError(problems, source="impact audit")


def _beside(programme: Programme, self_check: Audit, out: Path, files: Files) -> list[str]:
    """Add the manager's page, the calendar and the snapshot of the day; returns what the terminal tells."""
    from impact.dced.agenda import falls_due
    from impact.dced.report.beside import CALENDAR, MANAGER, calendar_workbook, manager_html
    from impact.dced.report.terminal import programme_lines
    from impact.dced.report.write import RECORD
    from impact.dced.snapshots import since_last, snapshot_name

    progress, due = since_last(self_check, out / SNAPSHOTS), falls_due(programme)
    files[out / MANAGER] = manager_html(self_check, due, progress)
    files[out / CALENDAR] = calendar_workbook(programme, due, progress)
    files[out / SNAPSHOTS / snapshot_name(self_check.as_of)] = files[out / RECORD]
    late = sum(d.late for d in due)
    return [*programme_lines(self_check), progress.sentence,
            *([f"{late} {'thing is' if late == 1 else 'things are'} late: see {out / CALENDAR}"] if late else [])]


def _asked_for(programme: Programme, self_check: Audit, out: Path, files: Files,
               arguments: argparse.Namespace) -> list[Path]:
    """Add the rehearsal and the evidence room where they were asked for; returns what to open."""
    opened = []
    if arguments.rehearse:
        from impact.dced.rehearsal import rehearse
        from impact.dced.rehearsal_sheet import read_answers, rehearsal_workbook
        from impact.dced.report.beside import REHEARSAL, rehearsal_html

        drawn = rehearse(programme, self_check, sample=3 if arguments.sample is None else arguments.sample,
                         seed=arguments.seed)
        answers = read_answers(arguments.answers, drawn) if arguments.answers else None
        sheet = out / f"{REHEARSAL}.xlsx"
        if answers is None and sheet.exists():
            raise StudyError(Problem(where=str(sheet), what="a rehearsal's sheet lies there already, perhaps with answers",
                                     cure=f"Read it with --answers {sheet.name}, or move it away."), source="impact audit")
        if answers is None:
            files[sheet] = rehearsal_workbook(drawn)
            opened.append(sheet)
        files[out / f"{REHEARSAL}.html"] = rehearsal_html(drawn, answers)
        opened.append(out / f"{REHEARSAL}.html")
    if arguments.evidence_room:
        from impact.dced.evidence_room import furnish, pack
        from impact.dced.report.beside import room_html

        target = _room_file(Path(arguments.evidence_room))
        room, papers = furnish(programme, self_check)
        files[target] = pack(room, papers, room_html(room))
        opened.append(Path(arguments.evidence_room))
    return opened


def _room_file(file: Path) -> Path:
    """Refuse a name for the room that would write over anything but an earlier room."""
    from impact.dced.evidence_room import is_room

    if file.suffix.lower() != ".zip":
        raise StudyError(Problem(where="--evidence-room", what=f"'{file.name}' does not end in .zip",
                                 cure="Write: --evidence-room out.zip."), source="impact audit")
    if (file.exists() or file.is_symlink()) and not is_room(file):
        raise StudyError(Problem(where="--evidence-room", what=f"{file} is there already and is no evidence room",
                                 cure="Choose another name; nothing was changed."), source="impact audit")
    return file


def _standard_sheet(arguments: argparse.Namespace) -> int:
    """Write the table of the Standard as a workbook that --standard reads back."""
    from impact.dced.sheet import standard_sheet

    file = Path(arguments.write_standard)
    if file.suffix.lower() != ".xlsx":
        raise StudyError(Problem(where="--write-standard", what=f"'{file.name}' does not end in .xlsx",
                                 cure="Write: impact audit --write-standard my-standard.xlsx."), source="impact audit")
    if file.exists() or file.is_symlink():
        raise StudyError(Problem(where="--write-standard", what=f"{file} is there already",
                                 cure="Choose another name; nothing was changed."), source="impact audit")
    write_text(file, standard_sheet(arguments.standard))
    print(f"Correct it against the official sheet, then: impact audit my-programme --standard {file}\nopen {file}")
    return 0

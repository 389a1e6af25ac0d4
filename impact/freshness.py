"""Whether a brief is current, what changed between two records, and where a figure comes from."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impact.errors import ImpactError, Problem, StudyError
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation
from impact.results.reading import read_results
from impact.results.record import evaluation_to_json, sha256, study_hash

HASH = re.compile(rb"(record|data|study) sha256:([0-9a-f]{64})")
MAX_BYTES = 100_000_000
COMPARED = ("estimate", "std_error", "p_value", "p_adjusted", "conf_low", "conf_high", "n", "n_treated", "n_units",
            "comparison_mean")
WHAT = {"record": "the record", "data": "the data", "study": "the study file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a brief is current, and in a sentence each what it was held against and what differs."""

    current: bool
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One number that is not what it was: its place, both values, None where one record has no such number."""

    where: str
    old: float | None
    new: float | None


def read_hashes(file: str | Path) -> dict[str, str]:
    """Read the hashes a brief carries: of its record, its data and its study.

    Raises
    ------
    StudyError
        When the file is missing, too large, or carries none.
    """
    path = Path(file)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _refuse(path, "the file is too large to be a brief")
        content = path.read_bytes()
        if path.suffix.lower() == ".docx":
            with zipfile.ZipFile(path) as parts:
                entry = parts.getinfo("docProps/core.xml")
                content = parts.read(entry) if entry.file_size < MAX_BYTES else b""
    except (OSError, zipfile.BadZipFile, KeyError):
        raise _refuse(path, "the file cannot be read as a brief") from None
    found = {kind.decode(): value.decode() for kind, value in HASH.findall(content)}
    if "record" not in found:
        raise _refuse(path, "the file carries no hash of a record")
    return found


def _refuse(path: Path, what: str) -> StudyError:
    return StudyError(Problem(where=str(path), what=what,
                              cure="Give a brief.pdf, brief.docx or brief.html of this toolkit."), source="brief")


def verify(file: str | Path, results: str | Path | None = None) -> Verdict:
    """Hold a brief against its record, and against the study and data on this computer where they are found.

    Parameters
    ----------
    file : a brief in any format.
    results : its results.json or the folder that holds it; None looks beside the brief.

    Returns
    -------
    Verdict
        ``current`` where nothing that was found differs.
    """
    carried = read_hashes(file)
    place = Path(results) if results is not None else Path(file).parent
    lines, found = [], {}
    record = place / "results.json" if place.is_dir() else place
    if results is not None or record.exists():
        evaluation = read_results(record)
        made = evaluation.provenance
        found = {"record": sha256(evaluation_to_json(evaluation)), "data": made.data_sha256, "study": made.study_sha256}
        lines += _differences(carried, found, f"in {record}")
    now, told = _now(record.parent)
    lines += [*_differences(carried, now, "on this computer now"), *told]
    differs = any(line.startswith("changed") for line in lines)
    if not found and not now:
        raise StudyError(Problem(where=str(file), what="there is nothing to hold it against: no results.json and no "
                                 "study.yaml beside it", cure="Add --results FILE."), source="brief")
    held = [name for name, known in ((f"the record {record}", found), ("the study file and its data", now)) if known]
    return Verdict(current=not differs, lines=(f"held against {' and '.join(held)}", *lines))


def _differences(carried: dict[str, str], found: dict[str, str], where: str) -> list[str]:
    return [f"changed: {WHAT[kind]} {where} is not the one the brief was made from ({carried[kind][:12]}… then, "
            f"{found[kind][:12]}… now)" for kind in ("study", "data", "record")
            if kind in carried and kind in found and carried[kind] != found[kind]]


def _now(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Hash the study and data a record in ``folder`` was made from, where they stand in it or above it."""
    from impact.data import load_sample
    from impact.study import read_study

    for place in (folder, folder.parent):
        file = place / "study.yaml"
        if file.is_file():
            try:
                study = read_study(file)
                hashes = {"study": study_hash(study)}
                return hashes | {"data": load_sample(study).sha256}, []
            except ImpactError as error:
                first = error.problems[0] if error.problems else None
                why = f" ({first.where}: {first.what})" if first else ""
                return {}, [f"changed: the study in {place} can no longer be run{why}"]
    return {}, []


# ---- two records ---------------------------------------------------------------------------------------------------------
def diff(old: str | Path, new: str | Path) -> tuple[tuple[str, ...], tuple[Change, ...]]:
    """List the numbers that differ between two records, and what may have caused it.

    Returns
    -------
    causes : sentences: the data, the study file or the toolkit's version differ.
    changes : every number that is not the same, to 12 significant digits; numbers only one record has included.
    """
    before, after = read_results(old), read_results(new)
    one, two = before.provenance, after.provenance
    causes = [words for same, words in (
        (one.data_sha256 == two.data_sha256, "the data differ"),
        (one.study_sha256 == two.study_sha256, "the study file differs"),
        (one.toolkit == two.toolkit, f"the toolkit differs ({one.toolkit}, then {two.toolkit})")) if not same]
    first, second = dict(_numbers(before)), dict(_numbers(after))
    places = dict.fromkeys([*first, *second])
    changes = tuple(Change(where=p, old=first.get(p), new=second.get(p)) for p in places if first.get(p) != second.get(p))
    if changes and not causes:
        causes = ["the study file, the data and the toolkit are the same: one of the records was edited, or made with "
                  "other versions of its libraries (environment.json)"]
    return tuple(causes), changes


def _numbers(evaluation: Evaluation) -> Iterator[tuple[str, float]]:
    for e in evaluation.estimates:
        for name in COMPARED:
            value = getattr(e, name)
            if value is not None:
                yield f"{e.id}.{name}", float(f"{value:.12g}")
    for flow in evaluation.flows:
        for stage in flow.stages:
            yield f"flow of {flow.outcome}, {stage.name}", float(stage.units)
    for c in evaluation.checks:
        if c.measured is not None:
            yield f"check {c.id}{f' of {c.outcome}' if c.outcome else ''}", float(f"{c.measured:.12g}")


# ---- one figure ----------------------------------------------------------------------------------------------------
def trace(evaluation: Evaluation, figure: str) -> tuple[str, ...]:
    """Walk one figure back: from its id to the method, the sample and its rows, the source file and its hash.

    Parameters
    ----------
    figure : the id of an estimate (``profit/ancova``), an outcome's name, or either with a number of it
        (``profit.conf_low``).

    Raises
    ------
    StudyError
        When the record has no such figure; near ids are named.
    """
    name, _, part = figure.partition(".")
    estimate = next((e for e in evaluation.estimates if name in (e.id, e.outcome)), None)
    if estimate is None:
        ids = ", ".join(e.id for e in evaluation.estimates[:8])
        raise StudyError(Problem(where=figure, what="the record has no such figure", cure=f"Write one of: {ids}."),
                         source="trace")
    value: Any = getattr(estimate, part or "estimate", None) if part in ("", *COMPARED) else None
    if value is None:
        raise StudyError(Problem(where=figure, what=f"{estimate.id} has no number '{part}'",
                                 cure=f"Write one of: {', '.join(COMPARED)}."), source="trace")
    return tuple(_steps(evaluation, estimate, part or "estimate", value))


def _steps(evaluation: Evaluation, e: Estimate, part: str, value: float) -> Iterator[str]:
    made = evaluation.provenance
    call = next((c for c in (evaluation.study.analysis.primary, *evaluation.study.analysis.robustness)
                 if c.method == e.method), None)
    options = ", ".join(f"{key}={value!r}" for key, value in call.options) if call is not None else ""
    yield f"figure     {e.id}.{part} = {value:.12g}{f' {e.unit}' if e.unit else ''}"
    yield f"method     impact.{evaluation.study.design.kind}.{e.method}({options}); {e.estimand.upper()}; role {e.role}"
    if e.se_card is not None:
        yield f"errors     {e.se_card.line(e.df)}"
    flow = next((f for f in evaluation.flows if f.outcome == e.outcome), None)
    if flow is not None:
        yield "sample     " + ", then ".join(f"{s.units} units {s.name} ({s.rows} rows)" for s in flow.stages)
    yield f"used       {e.n} rows" + (f", {e.n_units} units" if e.n_units is not None else "")
    for loss in e.dropped:
        rows = ", ".join(str(r) for r in loss.rows[:10]) + (" …" if len(loss.rows) > 10 else "")
        yield f"left out   {loss.n_rows} rows: {loss.text}{f' (rows {rows})' if rows else ''}"
    outcome = next((o for o in evaluation.study.outcomes if o.name == e.outcome), None)
    if outcome is not None:
        yield f"column     {outcome.column}" + (f", baseline {outcome.baseline}" if outcome.baseline else "")
    yield f"data       {made.data_label}, {made.data_rows} rows × {made.data_columns} columns, SHA-256 {made.data_sha256}"
    yield f"study      SHA-256 {made.study_sha256}; {made.toolkit}; seed {made.seed}"
    yield f"again      {made.command}"

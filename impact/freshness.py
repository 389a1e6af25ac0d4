"""Whether a brief is current, and what changed between two records."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impact.errors import ImpactError, Problem, StudyError
from impact.programme.disk import BROKEN
from impact.results.cleaning import Cleaning
from impact.results.edits import was_edited
from impact.results.evaluation import Evaluation
from impact.results.reading import find_record, read_results
from impact.results.record import evaluation_to_json, sha256, study_hash
from impact.study.types import Study

HASH = re.compile(rb"(record|data|study) sha256:([0-9a-f]{64})")
PRICES = re.compile(r"\(sha256 ([0-9a-f]{12})\)")
MAX_BYTES = 100_000_000
COMPARED = ("estimate", "std_error", "p_value", "p_adjusted", "conf_low", "conf_high", "n", "n_treated", "n_units",
            "comparison_mean")
MAIN = ("primary", "secondary")
CALLED = (*MAIN, "robustness")  # rows of a method that the study file names
NAMING = ("label", "unit", "better", "target")  # keys of an outcome that move no number
WHAT = {"study": "the study file", "data": "the data", "prices": "the price table", "record": "the record"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a brief is current, and in a sentence each what it was held against and what differs."""

    current: bool
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One number that is not what it was: its place, both values, None where one record has no such number.

    ``cause`` names what may have moved it ('data', 'study file', 'price table', 'toolkit version'), those ruled out that it
    does not rest on; empty where nothing that is on record did.
    """

    where: str
    old: float | None
    new: float | None
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One number of a record, and what of its study it rests on; ``call`` is the method the study file names for it."""

    value: float
    outcome: str = ""
    parts: tuple[Any, ...] = ()
    call: str = ""


def read_hashes(file: str | Path) -> dict[str, str]:
    """Read the hashes a brief carries: of its record, its data and its study.

    Raises
    ------
    StudyError
        When the file is missing, too large, or carries none.
    """
    path = Path(file)
    try:
        if path.exists() and not path.is_file():
            raise _refuse(path, "this is not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise _refuse(path, "the file is too large to be a brief")
        content = path.read_bytes()
        if path.suffix.lower() == ".docx":
            with zipfile.ZipFile(path) as parts:
                entry = parts.getinfo("docProps/core.xml")
                content = parts.read(entry) if entry.file_size < MAX_BYTES else b""
    except BROKEN:  # not there, no zip, cut off, or under a password
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
        ``current`` where nothing that was found differs; what could not be looked at is said.

    Raises
    ------
    StudyError
        When the file is no brief, the record cannot be read, or there is nothing to hold the brief against.
    """
    carried = read_hashes(file)
    place = Path(results) if results is not None else Path(file).parent
    lines, held = [], []
    record = find_record(place)
    if results is not None or record.exists():
        evaluation = read_results(record)
        made = evaluation.provenance
        found = {"record": sha256(evaluation_to_json(evaluation)), "data": made.data_sha256, "study": made.study_sha256}
        lines += _differences(carried, found, f"in {record}")
        held.append(f"the record {record}")
        carried |= _prices(evaluation.cleaning)
    study = next((folder / "study.yaml" for folder in (record.parent, record.parent.parent)
                  if (folder / "study.yaml").is_file()), None)
    if study is not None:
        now, told = _now(study)
        lines += [*_differences(carried, now, "on this computer now"), *told]
        held.append(f"{study}{' and its data' if 'data' in now else ''}")
    else:
        lines.append("not held against the study and its data: there is no study.yaml beside the record or above it")
    if not held:
        raise StudyError(Problem(where=str(file), what="there is nothing to hold it against: no results.json and no "
                                 "study.yaml beside it", cure="Add --results FILE."), source="brief")
    current = not any(line.startswith("changed") for line in lines)
    if was_edited(Path(file)):
        lines.append("edited: somebody has worked in the Word file since it was made; their words are held against nothing")
    return Verdict(current=current, lines=(f"held against {' and '.join(held)}", *lines))


def _differences(carried: dict[str, str], found: dict[str, str], where: str) -> list[str]:
    return [f"changed: {WHAT[kind]} {where} is not the one the brief was made from ({carried[kind][:12]}… then, "
            f"{found[kind][:12]}… now)" for kind in WHAT
            if kind in carried and kind in found and carried[kind] != found[kind]]


def _prices(cleaning: tuple[Cleaning, ...]) -> dict[str, str]:
    """Find the hash of the price table in what is said of deflating, the one place where a record keeps it."""
    found = next((hit[1] for c in cleaning if c.step == "deflate" and (hit := PRICES.search(c.rule))), None)
    return {} if found is None else {"prices": found}


def _now(file: Path) -> tuple[dict[str, str], list[str]]:
    """Hash a study, its data and its price table as they are now, and say what of it could not be looked at."""
    from impact.data import load_sample
    from impact.data.sources import missing_package
    from impact.study import read_study

    hashes: dict[str, str] = {}
    try:
        study = read_study(file)
        hashes = {"study": study_hash(study)}
        lacking = missing_package(study)
        if lacking is not None:
            return hashes, [f"not held against the data: {lacking.what}"]
        sample = load_sample(study)
        return hashes | {"data": sample.sha256} | _prices(sample.cleaning), []
    except ImpactError as error:
        why = "".join(f" ({problem.where}: {problem.what})" for problem in error.problems[:1])
        return hashes, [f"changed: {file} can no longer be run{why}"]


# ---- two records ---------------------------------------------------------------------------------------------------------
def diff(old: str | Path, new: str | Path) -> tuple[tuple[str, ...], tuple[Change, ...]]:
    """List the numbers that differ between two records, each with what may have moved it.

    Parameters
    ----------
    old, new : results.json, or the folders that hold them.

    Returns
    -------
    causes : sentences: the data, the price table, the study file or the toolkit's version differ.
    changes : numbers of estimates, flows, checks, means over time and value for money that are not the same to 12
        significant digits, or that only one record has.

    Raises
    ------
    StudyError
        When a record cannot be read.
    """
    before, after = read_results(old), read_results(new)
    one, two = before.provenance, after.provenance
    differ = {name: words for same, name, words in (
        (one.data_sha256 == two.data_sha256, "data", "the data differ"),
        (_prices(before.cleaning) == _prices(after.cleaning), "price table", "the price table differs"),
        (one.study_sha256 == two.study_sha256, "study file", "the study file differs"),
        (one.toolkit == two.toolkit, "toolkit version", f"the toolkit differs ({one.toolkit}, then {two.toolkit})"))
        if not same}
    causes = list(differ.values())
    first, second = dict(_numbers(before)), dict(_numbers(after))
    changes = tuple(
        Change(where=p, old=a.value if a else None, new=b.value if b else None,
               cause=" or ".join(_causes(a, b, before.study, after.study, tuple(differ))))
        for p in dict.fromkeys([*first, *second])
        for a, b in [(first.get(p), second.get(p))] if a is None or b is None or a.value != b.value)
    if changes and not causes:
        causes = ["the study file, the data and the toolkit are the same: one of the records was edited, or made with "
                  "other versions of its libraries (environment.json)"]
    return tuple(causes), changes


def _causes(old: _Held | None, new: _Held | None, before: Study, after: Study, differ: tuple[str, ...]) -> list[str]:
    """Name what may have moved one number: of all that differs, what it rests on."""
    held = old or new
    if held is None:
        return []
    other = after if new is None else before
    if (old is None or new is None) and not _asked_for(held, other):
        return ["study file"]  # the other study never asks for it
    same = old is not None and new is not None and old.parts == new.parts
    ruled_out = {"study file"} if same else set()
    if not held.outcome:
        ruled_out |= {"data"}  # a plain sum of declared costs
    if not any(_deflated(study, held.outcome) for study in (before, after)):
        ruled_out |= {"price table"}
    return [name for name in differ if name not in ruled_out]


def _asked_for(held: _Held, study: Study) -> bool:
    """Tell whether a study declares the outcome and the method behind a number."""
    names = {o.name for o in study.outcomes} | {f.name for f in study.analysis.families}
    calls = {c.method for c in (study.analysis.primary, *study.analysis.robustness)}
    return (not held.outcome or held.outcome in names) and (not held.call or held.call in calls)


def _deflated(study: Study, outcome: str) -> bool:
    made = next((o.construction for o in study.outcomes if o.name == outcome), None)
    return made is not None and made.deflate is True


def _rests_on(study: Study, outcome: str, *, main: bool = False, all_outcomes: bool = False) -> tuple[Any, ...]:
    """Take what a study declares that a number of one outcome hangs on; texts move none."""
    told = study.declared
    outcomes = {o["name"]: {k: v for k, v in o.items() if k not in NAMING} for o in told["outcomes"]}
    analysis = {k: v for k, v in told["analysis"].items() if not main or k not in ("robustness", "sensitivity", "families")}
    design = {k: v for k, v in told["design"].items() if k != "unit_label"}
    data = {k: v for k, v in told["data"].items() if k != "source"}
    return (design, data, told.get("prices"), told.get("subgroups"), analysis,
            outcomes if all_outcomes or outcome not in outcomes else outcomes[outcome])


def _numbers(evaluation: Evaluation) -> Iterator[tuple[str, _Held]]:
    """List the numbers of a record by their place, to 12 significant digits."""
    study = evaluation.study

    def held(value: float, outcome: str, *also: Any, call: str = "", **of: bool) -> _Held:
        parts = (*_rests_on(study, outcome, **of), *also)
        return _Held(value=float(f"{value:.12g}"), outcome=outcome, parts=parts, call=call)

    for e in evaluation.estimates:
        call = e.method if e.role in CALLED else ""
        for name in COMPARED:
            value = getattr(e, name)
            if value is not None:
                family = name == "p_adjusted"
                yield f"{e.id}.{name}", held(value, e.outcome, call=call, main=e.role in MAIN and not family,
                                             all_outcomes=family)
    for flow in evaluation.flows:
        for stage in flow.stages:
            yield f"flow of {flow.outcome}, {stage.name}", held(stage.units, flow.outcome, main=True)
    for c in evaluation.checks:
        if c.measured is not None:
            yield f"check {c.id}{f' of {c.outcome}' if c.outcome else ''}", held(
                c.measured, c.outcome or study.primaries[0].name, study.declared.get("plan"), all_outcomes=True)
    for p in evaluation.trends:
        yield f"mean of {p.outcome}, {p.group}, {p.period}", held(p.mean, p.outcome, main=True)
    costs = study.declared.get("costs")
    for m in evaluation.money:
        ends = [(end, x) for s in m.interval for end, x in (("low", s.low), ("high", s.high))]
        for name, value in (("value", m.value), *ends):
            if value is not None:
                yield f"{m.id}.{name}", (held(value, m.outcome, costs) if m.outcome else _Held(value=value, parts=(costs,)))

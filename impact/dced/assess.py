"""From one saved record, or a whole programme, to its self-check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from impact.dced.pictures import study_chain
from impact.dced.study.case import Case
from impact.dced.study.judging import judge
from impact.dced.table import ElementRow, Standard, read_standard
from impact.dced.types import Audit, Element
from impact.results import read_results
from impact.results.evaluation import Evaluation
from impact.study.types import words

if TYPE_CHECKING:
    from impact.programme import Programme

PROGRAMME_FILES = ("programme.yaml", "programme.xlsx")


def audit(what: Evaluation | Programme | str | Path, standard: str | Path | None = None) -> Audit:
    """Say which items of the DCED Standard there is evidence on file for: of one study, or of a whole programme.

    The result counts and never weighs: it is a self-check, and only auditors approved by the DCED rate a
    programme. Of a study nothing but the saved record is read, so the micro-data are not needed; of a programme, its
    file, the documents it registers and the results.json of its interventions.

    Parameters
    ----------
    what : an Evaluation, a results.json, the folder that holds one; or a Programme, a programme.yaml, its Excel
        template, or the folder that holds either.
    standard : a YAML table of the shape of ``impact/dced/standard/v8.yaml``, or an Excel sheet of the same columns;
        the table that comes with impact when left out.

    Raises
    ------
    StudyError
        When the record, the programme or the table cannot be read; all problems of a file come at once.
    """
    table = read_standard(standard)
    if isinstance(what, Evaluation):
        return _audit_study(what, table)
    if isinstance(what, (str, Path)) and not is_programme(Path(what)):
        return _audit_study(read_results(what), table)
    from impact.dced.programme import audit_programme
    from impact.programme import read_programme
    from impact.programme.types import Programme

    programme = read_programme(what) if isinstance(what, (str, Path)) else what
    if not isinstance(programme, Programme):
        raise TypeError(f"what must be an Evaluation, a Programme or the path of either, not of type {type(what).__name__}")
    return audit_programme(programme, table)


def is_programme(path: Path) -> bool:
    """Tell whether a path names or holds a programme file, rather than the record of one study."""
    if path.is_dir():
        return any((path / name).is_file() for name in PROGRAMME_FILES)
    return path.name != "study.yaml" and path.suffix.lower() in (".yaml", ".yml", ".xlsx")


def _audit_study(evaluation: Evaluation, table: Standard) -> Audit:
    """Hold one study's record against the table."""
    case = Case(evaluation=evaluation)
    study, made = evaluation.study, evaluation.provenance
    language = study.brief.language
    elements = tuple(_element(case, row) for row in table.elements)
    return Audit(
        standard=table.standard, version=table.version, warning=table.warning, slug=study.slug,
        study_title=words(study.title, language), programme=words(study.programme.name, language),
        language=language, as_of=study.brief.date, elements=elements,
        record=(("toolkit", made.toolkit), ("data", made.data_label), ("study_sha256", made.study_sha256),
                ("data_sha256", made.data_sha256)),
        simulated=case.simulated, status=study.status, chains=study_chain(case))


def _element(case: Case, row: ElementRow) -> Element:
    points = tuple(judge(case, control, item) for control in row.control_points for item in control.criteria)
    return Element(number=row.id, title=row.title, title_verified=row.title_verified, points=points)

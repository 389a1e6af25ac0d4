"""From one saved record to its self-check."""

from __future__ import annotations

from pathlib import Path

from impact.dced.evidence import judge
from impact.dced.finding import Case
from impact.dced.table import ElementRow, read_standard
from impact.dced.types import Audit, Element
from impact.results import read_results
from impact.results.evaluation import Evaluation
from impact.study.types import words


def audit(evaluation_or_folder: Evaluation | str | Path, standard: str | Path | None = None) -> Audit:
    """Say which items of the DCED Standard one study's record gives evidence for.

    The result counts and never weighs: it is a self-check, and only auditors approved by the DCED rate a
    programme. Nothing but the saved record is read, so the micro-data are not needed.

    Parameters
    ----------
    evaluation_or_folder : an Evaluation, a results.json, or the folder that holds one.
    standard : a YAML table of the shape of ``impact/dced/standard/v8.yaml``; that table when left out.

    Raises
    ------
    StudyError
        When the record or the table cannot be read; a table's problems come all at once.
    """
    evaluation = (evaluation_or_folder if isinstance(evaluation_or_folder, Evaluation)
                  else read_results(evaluation_or_folder))
    table = read_standard(standard)
    case = Case(evaluation=evaluation)
    study, made = evaluation.study, evaluation.provenance
    language = study.brief.language
    return Audit(
        standard=table.standard, version=table.version, warning=table.warning, slug=study.slug,
        study_title=words(study.title, language), programme=words(study.programme.name, language),
        language=language, as_of=study.brief.date,
        elements=tuple(_element(case, row) for row in table.elements),
        record=(("toolkit", made.toolkit), ("data", made.data_label), ("study_sha256", made.study_sha256),
                ("data_sha256", made.data_sha256)),
        simulated=case.simulated, status=study.status)


def _element(case: Case, row: ElementRow) -> Element:
    points = tuple(judge(case, control, item) for control in row.control_points for item in control.criteria)
    return Element(number=row.id, title=row.title, title_verified=row.title_verified, points=points)


def summary_lines(self_check: Audit) -> tuple[str, ...]:
    """Give one line an element: ``5 Tracking costs and impact: evidence on file for 1 of the 1 item checked``."""
    def tail(element: Element) -> str:
        return " (simulated data: no evidence for a real programme)" if self_check.simulated and element.on_file else ""

    return tuple(f"{element.number} {element.title}: {element.sentence}{tail(element)}"
                 for element in self_check.elements)

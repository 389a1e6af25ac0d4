"""The ready-made designs: in the wheel beside the code, in a checkout beside the package."""

from __future__ import annotations

from pathlib import Path

from impact.errors import Problem, StudyError
from impact.study.contract import FILE_TYPES
from impact.study.schema import did_you_mean, one_of
from impact.study.yaml_file import shown, typed

_PACKAGE = Path(__file__).resolve().parent


def designs_folder() -> Path:
    """Return the folder that holds one folder a design."""
    shipped = _PACKAGE / "_designs"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "designs"


def list_designs() -> list[str]:
    """List the slugs of the ready-made designs, in alphabetical order."""
    folder = designs_folder()
    return sorted(p.parent.name for p in folder.glob("*/study.yaml")) if folder.is_dir() else []


def _something_else(given: Path) -> Problem | None:
    """Name what a path holds, and the command that takes it, where that is no study."""
    from impact.dced.assess import PROGRAMME_FILES

    name = shown(given, 300)
    if given.is_dir():
        if (given / "study.yaml").exists():
            return None
        if any((given / file).is_file() for file in PROGRAMME_FILES):
            return Problem(where=name, what="the folder holds a programme, and no study",
                           cure=f"Write: impact audit {typed(given)}")
        if (given / "results.json").is_file():
            return Problem(where=name, what="the folder holds the record of a study, and no study.yaml",
                           cure=f"Name the study's own folder; or write: impact brief {typed(given)}")
        return None
    kind = given.suffix.lower()
    if given.name in PROGRAMME_FILES:
        return Problem(where=name, what="this is the file of a programme, and no study",
                       cure=f"Write: impact audit {typed(given)}")
    if kind == ".json":
        return Problem(where=name, what="this is a record, and no study file",
                       cure=f"Name the study's own folder; or write: impact brief {typed(given)}")
    if kind in (*FILE_TYPES, ".tsv", ".xls"):
        return Problem(where=name, what="this is a data file, and no study file",
                       cure=f"Start a study with it: impact new my-study --kind rct --data {typed(given)}")
    return None


def find_study(path_or_slug: str) -> tuple[Path, Path]:
    """Find a study by path or by the slug of a ready-made design.

    Returns
    -------
    (file, out)
        The study file, and the folder its outputs go to unless another is asked for: ``out`` beside the study, or
        ``./out/<slug>`` for a design that ships in the package.

    Raises
    ------
    StudyError
        When neither exists.
    """
    given = Path(path_or_slug)
    if given.exists():
        if (other := _something_else(given)) is not None:
            raise StudyError(other, source="study")
        file = given / "study.yaml" if given.is_dir() else given
        shipped = (_PACKAGE / "_designs").resolve() in file.resolve().parents
        return file, Path("out") / file.resolve().parent.name if shipped else file.parent / "out"
    slugs = list_designs()
    slug = path_or_slug.rstrip("/\\").replace("\\", "/").removeprefix("designs/")
    if slug in slugs:
        return designs_folder() / slug / "study.yaml", Path("out") / slug
    raise StudyError(Problem(
        where=path_or_slug, what="there is no such study file, folder or ready-made design",
        cure=did_you_mean(slug, slugs) or f"Ready-made designs: {one_of(slugs) or 'none found'}. Or make your own: "
             "impact new my-study --kind rct --data firms.csv"), source="study")

"""The ready-made designs: in the wheel beside the code, in a checkout beside the package."""

from __future__ import annotations

from pathlib import Path

from impact.errors import Problem, StudyError
from impact.study.schema import did_you_mean, one_of

_PACKAGE = Path(__file__).resolve().parent


def designs_folder() -> Path:
    """Return the folder that holds one folder a design."""
    shipped = _PACKAGE / "_designs"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "designs"


def list_designs() -> list[str]:
    """List the slugs of the ready-made designs, in alphabetical order."""
    folder = designs_folder()
    return sorted(p.parent.name for p in folder.glob("*/study.yaml")) if folder.is_dir() else []


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

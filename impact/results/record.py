"""results.json: written so that the same study and data give the same bytes, and read back whole."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from impact.errors import ImpactError, Problem
from impact.results.evaluation import Evaluation
from impact.study.types import Study

FORMAT = 3


def plain(value: Any) -> Any:
    """Turn a record into plain values: floats to 12 significant digits, no NaN, mappings in a fixed order."""
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else None
    if isinstance(value, Study):
        return {"slug": value.slug, "declared": plain(value.declared)}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.metadata.get("key", f.name): plain(getattr(value, f.name)) for f in fields(value)
                if f.metadata.get("record", True)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item"):  # numpy scalars that reached a record
        return plain(value.item())
    raise TypeError(f"{type(value).__name__} cannot stand in a record")


def to_json(value: Any) -> str:
    """Write a record as JSON text, byte for byte the same for the same content."""
    return json.dumps(plain(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def sha256(content: bytes | str) -> str:
    """Hash bytes or text, as sha256sum would."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def study_hash(study: Study) -> str:
    """Hash what the study declares, whatever its comments, order of keys or spacing."""
    return sha256(json.dumps(plain(study.declared), ensure_ascii=False, sort_keys=True))


def evaluation_to_json(evaluation: Evaluation) -> str:
    """Write an evaluation as the text of results.json."""
    return to_json({"format": FORMAT, **plain(evaluation)})


def write_text(path: Path, content: str | bytes) -> Path:
    """Write one file whole or not at all; see :func:`write_all`."""
    write_all({path: content})
    return path


def write_all(files: Mapping[Path, str | bytes], *, remove: Iterable[Path] = ()) -> None:
    """Write several files, all or none: to temporary files first, then renamed; on failure the old ones come back.

    Parameters
    ----------
    files : content by path.
    remove : files to take away in the same step, where they exist.

    Raises
    ------
    ImpactError
        Naming the file that cannot be written; every file is then as it was.
    """
    made: dict[Path, Path] = {}
    kept: dict[Path, Path | None] = {}
    path = Path()
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(0, "there is a folder of this name")
            made[path] = _temporary(path, content)
        for path in (*files, *remove):
            kept[path] = _aside(path)
            if path in made:
                os.replace(made[path], path)
    except (OSError, KeyboardInterrupt) as error:
        for target, backup in kept.items():
            target.unlink(missing_ok=True)
            if backup is not None:
                os.replace(backup, target)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ImpactError(
            Problem(where=str(path), what=f"the file cannot be written ({error.strerror})",
                    cure="Choose another folder with --out, or close the program that holds the file."),
            source="output") from None
    finally:
        for leftover in (*made.values(), *(b for b in kept.values() if b is not None)):
            leftover.unlink(missing_ok=True)


def _temporary(path: Path, content: str | bytes) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)
    os.chmod(name, 0o644)
    return Path(name)


def _aside(path: Path) -> Path | None:
    """Move a file that exists out of the way, to be brought back if a later one fails."""
    if not path.exists():
        return None
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        os.replace(path, name)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)

"""results.json: written so that the same study and data give the same bytes, and read back whole."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from impact.errors import ImpactError, Problem
from impact.results.evaluation import Evaluation
from impact.study.types import Study

FORMAT = 1


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
    """Write a file whole or not at all: to a temporary file beside it, then rename."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ImpactError(
            Problem(where=str(path), what=f"the file cannot be written ({error.strerror})",
                    cure="Choose another folder with --out, or close the program that holds the file."),
            source="output") from None
    return path

"""Read YAML safely: size, depth and alias limits, duplicate keys found, and the line of every key kept."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impact.errors import Problem, StudyError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_ALIASES = 20
MAX_NODES = 20_000

Path_ = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """A parsed file: plain values, and the line on which each key or item begins."""

    name: str
    tree: Any = None
    lines: dict[Path_, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def where(self, path: Path_) -> str:
        """Name a place as a reader finds it: ``line 3, design.kind``."""
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        return ", ".join(part for part in (f"line {line}" if line else "", dotted(path)) if part)


def dotted(path: Path_) -> str:
    """Write a path as ``outcomes[0].unit``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(path: Path) -> Document:
    """Parse a YAML file into plain values without running anything in it.

    Raises
    ------
    StudyError
        When the file is missing, empty, too large, not text, or not YAML.
    """
    name = path.name
    if not path.exists():
        raise StudyError(
            Problem(where=str(path), what="the file does not exist",
                    cure="Check the path, or make a study with: impact new my-study --kind rct --data firms.csv"),
            source=name)
    if path.is_dir():
        raise StudyError(Problem(where=str(path), what="this is a folder, not a file"), source=name)
    if path.stat().st_size > MAX_BYTES:
        raise StudyError(Problem(where=name, what=f"the file is larger than {MAX_BYTES:,} bytes",
                                 cure="A study file holds words, not data."), source=name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise StudyError(Problem(where=name, what="the file is not UTF-8 text",
                                 cure="Save it as UTF-8 in your editor."), source=name) from None
    except OSError as error:
        raise StudyError(Problem(where=name, what=f"the file cannot be read ({error.strerror})"),
                         source=name) from None
    if not text.strip():
        raise StudyError(Problem(where=name, what="the file is empty",
                                 cure="Start from: impact new my-study --kind rct --data firms.csv"), source=name)
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str = "study.yaml") -> Document:
    """Parse YAML text; see :func:`read_yaml`."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f"line {mark.line + 1}" if mark else name
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StudyError(Problem(where=where, what=f"this is not valid YAML: {what}",
                                 cure="Check the indentation, colons and quotes on this line and the one above."),
                         source=name) from None
    except RecursionError:
        raise StudyError(Problem(where=name, what="the file is nested too deeply"), source=name) from None
    document = Document(name=name)
    document.tree = _Reader(document).value(node, (), 0)
    return document


class _Reader:
    """Turns YAML nodes into values; stops at the limits."""

    def __init__(self, document: Document) -> None:
        import yaml

        self.yaml = yaml
        self.document = document
        self.constructor = yaml.constructor.SafeConstructor()
        self.seen: set[int] = set()
        self.aliases = 0
        self.nodes = 0

    def refuse(self, node: Any, what: str) -> StudyError:
        return StudyError(Problem(where=f"line {node.start_mark.line + 1}", what=what), source=self.document.name)

    def value(self, node: Any, path: Path_, depth: int) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise self.refuse(node, "the file is nested too deeply or too long")
        if id(node) in self.seen:
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise self.refuse(node, f"the file uses more than {MAX_ALIASES} aliases (*name)")
        self.seen.add(id(node))
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, self.yaml.MappingNode):
            return self.mapping(node, path, depth)
        if isinstance(node, self.yaml.SequenceNode):
            return [self.value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        return self.scalar(node)

    def mapping(self, node: Any, path: Path_, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(getattr(key_node, "value", "?"))
            here = (*path, key)
            line = key_node.start_mark.line + 1
            if key in out:
                self.document.problems.append(Problem(
                    where=f"line {line}, {dotted(here)}",
                    what=f"this key already stands on line {self.document.lines[here]}",
                    cure="Keep one of the two."))
                continue
            self.document.lines[here] = line
            out[key] = self.value(value_node, here, depth + 1)
        return out

    def scalar(self, node: Any) -> Any:
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise self.refuse(node, f"tags such as {node.tag} are not allowed; a study file holds plain values")
        try:
            value = self.constructor.construct_object(node)
        except (self.yaml.YAMLError, ValueError):
            raise self.refuse(node, f"'{node.value}' cannot be read as a value. Put it in quotes") from None
        if isinstance(value, (str, int, float, bool, dt.date)) or value is None:
            return value
        raise self.refuse(node, f"'{node.value}' is not text, a number, a date or yes/no")

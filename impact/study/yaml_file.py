"""Read YAML safely: size, depth and alias limits, duplicate keys found, and the line of every key kept."""

from __future__ import annotations

import re
import shlex
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impact.errors import Problem, StudyError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_ALIASES = 20
MAX_NODES = 20_000
QUICK = 50_000  # characters from which the C library reads
MAX_VALUE = 100  # characters of a number, date or yes/no: far more than any of them needs
MAX_INTEGER = 10**18

Path_ = tuple[str | int, ...]
_CANDIDATES = "# candidates:"
_YAML = "tag:yaml.org,2002:"
_SCALARS = {"str": "text", "null": "empty", "bool": "yes or no", "int": "a number that can be kept exactly",
            "float": "a number", "timestamp": "a date"}


class Unreadable:
    """Stands in the tree where a value could not be read; the problem is reported already."""


UNREADABLE = Unreadable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a file is read, and what is told of it: ``start`` makes a new one, ``noun`` names it."""

    size: int = MAX_BYTES
    nodes: int = MAX_NODES
    start: str = "impact new my-study --kind rct --data firms.csv"
    noun: str = "study"


STUDY_FILE = Limits()


@dataclass(slots=True)
class Document:
    """A parsed file: plain values, and the line on which each key or item begins.

    ``candidates`` holds the lines that carry a comment of proposals, as ``impact new`` writes them.
    """

    name: str
    tree: Any = None
    lines: dict[Path_, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    candidates: frozenset[int] = frozenset()

    def at(self, path: Path_) -> str:
        """Say where a value stands: ``line 3``; for one that is absent, where the nearest thing above it stands."""
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        return f"line {line}" if line else ""

    def where(self, path: Path_) -> str:
        """Name a place as a reader finds it: ``line 3, design.kind``."""
        return ", ".join(part for part in (self.at(path), dotted(path)) if part)

    def proposals(self, path: Path_) -> str:
        """Say where the proposals for an empty key stand: in the comment just below it, if there is one."""
        line = self.lines.get(path, 0) + 1
        return f"Candidates stand on line {line}." if line in self.candidates else ""


def shown(value: Any, limit: int = 60) -> str:
    """Write a value so that it can stand in one line of a message: short, no control characters."""
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "a very large number"  # Python refuses to write out more than 4,300 digits
    text = value if isinstance(value, str) else str(value)
    text = text if len(text) <= limit else f"{text[:limit]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def slug_of(name: str, instead: str) -> str:
    """Write a name in plain small letters, figures and hyphens; ``instead`` where none of it can be so written."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or instead


def typed(path: Any) -> str:
    """Write a path as it can be typed after a command, under Windows as well: in double quotes where it needs any."""
    text = shown(path, 300)
    if re.fullmatch(r"[\w./:+,@=][\w./:+,@=-]*", text):
        return text
    return shlex.quote(text) if set(text) & set('"$`!') else f'"{text}"'


def dotted(path: Path_) -> str:
    """Write a path as ``outcomes[0].unit``."""
    text = ""
    for part in path:
        word = f"[{part}]" if isinstance(part, int) else shown(part)
        text += f".{word}" if text and not isinstance(part, int) else word
    return text


def read_yaml(path: Path, limits: Limits = STUDY_FILE) -> Document:
    """Parse a YAML file into plain values without running anything in it.

    Raises
    ------
    StudyError
        When the file is missing, empty, too large, not text, or not YAML.
    """
    name = shown(path.name)

    def refuse(what: str, cure: str = "", where: str = name) -> StudyError:
        return StudyError(Problem(where=where, what=what, cure=cure), source=name)

    try:
        if path.is_dir():
            raise refuse("this is a folder, not a file", where=shown(path, 300))
        if path.exists() and not path.is_file():
            raise refuse("this is not a regular file", where=shown(path, 300))
        with path.open("rb") as stream:
            content = stream.read(limits.size + 1)
        text = content.decode("utf-8-sig") if len(content) <= limits.size else ""
    except UnicodeDecodeError:
        raise refuse("the file is not UTF-8 text", "Save it as UTF-8 in your editor.") from None
    except (FileNotFoundError, ValueError):  # ValueError: a NUL in the path
        raise refuse("the file does not exist",
                     f"Check the path, or make a {limits.noun} with: {limits.start}",
                     where=shown(path, 300)) from None
    except OSError as error:
        raise refuse(f"the file cannot be read ({error.strerror})") from None
    if len(content) > limits.size:
        raise refuse(f"the file is larger than {limits.size:,} bytes", f"A {limits.noun} file holds words, not data.")
    return parse_yaml(text, name, limits)


def parse_yaml(text: str, name: str = "study.yaml", limits: Limits = STUDY_FILE) -> Document:
    """Parse YAML text; see :func:`read_yaml`."""
    import yaml

    try:
        node = _quickly(text) or yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise StudyError(_syntax_problem(error, name), source=name) from None
    except RecursionError:
        raise StudyError(Problem(where=name, what="the file is nested too deeply"), source=name) from None
    except (ValueError, OverflowError):  # PyYAML's own slip: an escape such as "\UFFFFFFFF"
        raise StudyError(Problem(where=name, what="the file holds an escape (\\U…) that is not a character",
                                 cure="Write the character itself."), source=name) from None
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value.strip()):
        raise StudyError(
            Problem(where=name, what="the file is empty",
                    cure=f"Start from: {limits.start}"), source=name)
    hints = (i for i, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith(_CANDIDATES))
    document = Document(name=name, candidates=frozenset(hints))
    document.tree = _Reader(document, limits).value(node, (), 0)
    return document


def _quickly(text: str) -> Any:
    """Compose a long file with the C library, ten times faster; None where it is short, deep, faulty or not installed.

    The slower reader then says what is wrong. Depth is counted first, without building anything.
    """
    import yaml

    if len(text) < QUICK or not getattr(yaml, "__with_libyaml__", False):
        return None
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                return None
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError):
        return None


def _syntax_problem(error: Any, name: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or (str(error).splitlines() or ["unreadable"])[0]
    cure = "Check the indentation, colons and quotes on this line and the one above."
    if "'\\t'" in what:
        what, cure = "a tab stands where YAML wants spaces", "Indent with spaces, never with the tab key."
    elif "mapping values are not allowed" in what:
        cure = "A text that holds a colon needs quotes; if not, check the indentation here and above."
    return Problem(where=f"line {mark.line + 1}" if mark else name,
                   what=f"this is not valid YAML: {shown(what, 200)}", cure=cure)


class _Reader:
    """Turns YAML nodes into values; stops at the limits, and notes what cannot be read."""

    def __init__(self, document: Document, limits: Limits) -> None:
        import yaml

        self.yaml = yaml
        self.document = document
        self.limits = limits
        self.constructor = yaml.constructor.SafeConstructor()
        self.seen: set[int] = set()
        self.aliases = 0
        self.nodes = 0

    def refuse(self, node: Any, what: str) -> StudyError:
        """Make the error that ends the reading: a limit is passed."""
        return StudyError(Problem(where=f"line {node.start_mark.line + 1}", what=what),
                          source=self.document.name)

    def note(self, path: Path_, what: str, cure: str = "") -> Unreadable:
        """Record a value that cannot be read, and go on, so that all problems come at once."""
        self.document.problems.append(Problem(where=self.document.where(path), what=what, cure=cure))
        return UNREADABLE

    def value(self, node: Any, path: Path_, depth: int, repeated: bool = False) -> Any:
        """Read one node; ``repeated`` says that it stands inside an alias, which was counted once already."""
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > self.limits.nodes:
            raise self.refuse(node, "the file is nested too deeply or too long")
        if id(node) in self.seen and not repeated:
            repeated = True
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise self.refuse(node, f"the file uses more than {MAX_ALIASES} aliases (*name)")
        self.seen.add(id(node))
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, self.yaml.MappingNode) and node.tag == f"{_YAML}map":
            return self.mapping(node, path, depth, repeated)
        if isinstance(node, self.yaml.SequenceNode) and node.tag == f"{_YAML}seq":
            return [self.value(item, (*path, i), depth + 1, repeated) for i, item in enumerate(node.value)]
        return self.scalar(node, path)

    def mapping(self, node: Any, path: Path_, depth: int, repeated: bool) -> dict[str, Any]:
        """Read a group of keys; of a key that stands twice the first is kept."""
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            kind = key_node.tag.removeprefix(_YAML)
            if not isinstance(key_node, self.yaml.ScalarNode) or kind not in (*_SCALARS, "merge", "value"):
                self.document.problems.append(
                    Problem(where=f"line {line}", what="a key must be one plain word",
                            cure="Write it as key: value, without tags or brackets before the colon."))
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in out:
                self.document.problems.append(Problem(
                    where=f"line {line}, {dotted(here)}",
                    what=f"this key already stands on line {self.document.lines[here]}",
                    cure="Keep one of the two."))
                continue
            self.document.lines[here] = line
            out[key] = self.value(value_node, here, depth + 1, repeated)
        return out

    def scalar(self, node: Any, path: Path_) -> Any:
        """Read a text, number, date or yes/no."""
        kind = node.tag.removeprefix(_YAML)
        if kind not in _SCALARS or not isinstance(node, self.yaml.ScalarNode):
            if kind in ("merge", "value"):  # a bare << or =, which YAML gives a meaning of its own
                return self.note(path, f"'{shown(node.value)}' has a special meaning in YAML",
                                 "Put it in quotes.")
            return self.note(path, f"tags such as {shown(node.tag)} are not allowed",
                             f"A {self.limits.noun} file holds plain values: remove the tag.")
        if kind == "str":
            return str(node.value)
        try:
            if len(node.value) > MAX_VALUE:
                raise ValueError
            value = self.constructor.construct_object(node)
            if isinstance(value, int) and abs(value) > MAX_INTEGER:
                raise ValueError
        except (self.yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError):
            noun = _SCALARS[kind]
            cure = "Write a date as 2026-11-21" if kind == "timestamp" else "Correct it"
            return self.note(path, f"'{shown(node.value)}' is not {noun}",
                             f"{cure}, or put it in quotes if it is text.")
        return value

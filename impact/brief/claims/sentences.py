"""From a text with marked references to sentences and clauses that rules can read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

from impact.brief.claims.lexicon import Lexicon, plain
from impact.brief.claims.types import BAR, CLOSE, OPEN, Context, Reference, Shows

MARK = re.compile(f"{OPEN}([^{BAR}]*){BAR}([^{CLOSE}]*){CLOSE}")
TOKENS: dict[str, str] = {"effect": "e", "percent": "p", "interval": "i", "figure": "f", "words": "w"}
TOKEN = re.compile(r"‹(\w)(\d+)›")
# a full stop ends a sentence before a capital, a figure or an opening mark; not after an initial or a short form
END = re.compile(r"(?<=[.!?…])(?<!\b[A-Z]\.)(?<!\bal\.)(?<!\bvs\.)(?<!\bcf\.)(?<!\bNo\.)(?<!\bex\.)"
                 rf"(?<!\be\.g\.)(?<!\bi\.e\.)[»”\"')]* +(?=[«“\"'(¿¡]?[ {chr(0xa0)}]?[^\W_a-zà-ÿ]|{OPEN})")
QUOTED = re.compile(r"«[^»]*»|“[^”]*”|\"[^\"]*\"")
# an author and a year: Blattman et al. (2014), Gertler and Martinez (2016)
AUTHOR = re.compile(r"([A-ZÀ-Ý][\w’'-]+)(?: (?:and|&|et|y|e) [A-ZÀ-Ý][\w’'-]+| et al\.?)?,? \((?:19|20)\d\d[a-z]?\)")
QUESTION = re.compile(r"[?？]\s*[»”\"]?\s*$")


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence that says one thing: plain text in which references are tokens, and those references."""

    text: str
    references: tuple[Reference, ...] = ()
    shows: frozenset[str] = frozenset()

    @property
    def told(self) -> bool:
        """Whether an effect stands in it, in any form."""
        return bool(self.shows & {"effect", "percent", "interval"})


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as it reads and as rules read it; quoted words of a named person are left out of ``clauses``."""

    shown: str
    whole: Clause
    clauses: tuple[Clause, ...]
    question: bool = False
    spoken: bool = False
    cited: bool = False


def split(text: str) -> list[str]:
    """Cut a marked text into sentences; what a reference shows is never cut."""
    held: list[str] = []

    def hold(m: re.Match[str]) -> str:
        held.append(m[0])
        return f"{OPEN}{len(held) - 1}{CLOSE}"

    parts = END.split(re.sub(f"{OPEN}[^{CLOSE}]*{CLOSE}", hold, text))
    return [part for part in (re.sub(f"{OPEN}(\\d+){CLOSE}", lambda m: held[int(m[1])], p).strip() for p in parts) if part]


def read(text: str, context: Context, lexicon: Lexicon) -> Sentence:
    """Read one sentence with marked references."""
    found: list[tuple[Reference, str]] = []

    def token(m: re.Match[str]) -> str:
        key, _, shows = m[1].rpartition(".")
        if shows not in get_args(Shows):
            key, shows = m[1], "effect"
        reference = context.reference(key) or Reference(key=key, rung=context.rung, verdict="no_interval")
        found.append((reference, shows))
        return f"‹{TOKENS[shows]}{len(found) - 1}›"

    shown = MARK.sub(lambda m: m[2], text)
    tokens = MARK.sub(token, text)
    outside = QUOTED.sub(" ", tokens)
    spoken = outside != tokens and lexicon.has("saying", plain(outside))
    body = lexicon.without("idle", plain(outside if spoken else tokens))
    return Sentence(shown=shown, whole=_clause(body, found), question=bool(QUESTION.search(body)), spoken=spoken,
                    cited=_cited(shown, body, lexicon),
                    clauses=tuple(_clause(part, found) for part in _parts(body, lexicon)))


def _cited(shown: str, body: str, lexicon: Lexicon) -> bool:
    """Tell whether a sentence reports others' findings, by an author and a year or by a word for such work."""
    author = AUTHOR.search(shown)
    name = plain(author[1]) if author else ""
    named = bool(name) and not any(lexicon.has(kind, name) for kind in ("outcome", "actors", "programme"))
    return named or lexicon.has("cited", body)


def _parts(body: str, lexicon: Lexicon) -> list[str]:
    """Cut a sentence where another statement begins."""
    cuts = [m.start() for m in lexicon.found("but", body) if body[:m.start()].endswith(", ")]
    cuts += [m.end() for m in re.finditer("; | [-—] ", body)]
    edges = [0, *sorted(cuts), len(body)]
    return [part for a, b in pairwise(edges) if (part := body[a:b].strip(" ;,-—"))]


def _clause(text: str, found: list[tuple[Reference, str]]) -> Clause:
    mine = [found[int(n)] for _, n in TOKEN.findall(text)]
    effects = tuple(dict.fromkeys(r for r, shows in mine if shows in ("effect", "percent", "interval")))
    return Clause(text=text, references=effects, shows=frozenset(shows for _, shows in mine))

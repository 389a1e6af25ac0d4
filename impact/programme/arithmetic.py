"""A small, safe arithmetic for projections and calculations: nothing but numbers, names and the signs below.

Grammar: numbers (1250, 0.35, 2.5e3, 12%), names of inputs, ``+ - * / ^`` (``**`` is the same), brackets, and the functions
min(a, b, …), max(a, b, …) and round(a) or round(a, digits), which rounds half away from zero as spreadsheets do. Signs on
which spreadsheets and mathematics disagree (``-2^2``, ``2^3^2``) are refused until brackets say what is meant. Length,
depth and size are limited, so that no formula can stall or crash the tool.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from impact.study.yaml_file import shown

MAX_LENGTH = 1000
MAX_TOKENS = 300
MAX_DEPTH = 30
MAX_POWER = 100
LARGEST = 1e15
_TOKEN = re.compile(r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)|(?P<name>[^\W\d]\w*)"
                    r"|(?P<sign>\*\*|[-+*/^(),%]))")
NAME = re.compile(r"[^\W\d]\w{0,59}\Z")
FUNCTIONS = {"min": (1, 50), "max": (1, 50), "round": (1, 2)}  # least and most arguments
_PRIMARY = "a number, a name or a bracket"


class FormulaError(ValueError):
    """What is wrong with a formula, as a sentence without its full stop; ``cure`` says how to put it right."""

    def __init__(self, what: str, cure: str = "") -> None:
        self.cure = cure
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a formula: a number, a name, or a sign or function with what it is applied to."""

    sign: str
    number: float = 0.0
    name: str = ""
    parts: tuple[Node, ...] = ()


def evaluate(formula: str, inputs: Mapping[str, float]) -> float:
    """Work a formula out.

    Parameters
    ----------
    formula : e.g. ``farms * extra_income * (1 - 20%)``.
    inputs : a number for each name the formula uses.

    Raises
    ------
    FormulaError
        When it cannot be read, names an unknown input, divides by zero or leaves the numbers that can be trusted.
    """
    return _value(parse(formula), {unicodedata.normalize("NFC", k): v for k, v in inputs.items()})


def names(formula: str) -> tuple[str, ...]:
    """List the inputs a formula uses, each once, in the order in which they first stand."""

    def walk(node: Node) -> Iterator[str]:
        if node.sign == "name":
            yield node.name
        for part in node.parts:
            yield from walk(part)

    return tuple(dict.fromkeys(walk(parse(formula))))


def parse(formula: str) -> Node:
    """Read a formula; see the module's grammar. Raises FormulaError."""
    if len(formula) > MAX_LENGTH:
        raise FormulaError(f"the formula is longer than {MAX_LENGTH:,} characters", "Split it into several inputs.")
    reader = _Reader(_tokens(unicodedata.normalize("NFC", formula)))
    node = reader.total(0)
    if reader.here is not None:
        raise FormulaError(f"'{shown(reader.here[1])}' stands where the formula should end or go on with a sign")
    return node


def _tokens(text: str) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    place, text = 0, text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            sign = text[place:].lstrip()[:1]
            raise FormulaError(f"'{shown(sign)}' has no meaning in a formula",
                                 "Use numbers, names of inputs, + - * / ^ ( ), min, max and round.")
        kind = found.lastgroup or ""
        out.append((kind, "^" if found[kind] == "**" else found[kind]))
        place = found.end()
        if len(out) > MAX_TOKENS:
            raise FormulaError(f"the formula has more than {MAX_TOKENS} parts", "Split it into several inputs.")
    return out


class _Reader:
    """Reads tokens from left to right; one method a rule of the grammar."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.place = 0

    @property
    def here(self) -> tuple[str, str] | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self, *signs: str) -> str:
        """Take the next token if it is one of the signs; '' if not."""
        if self.here is not None and self.here[0] == "sign" and self.here[1] in signs:
            self.place += 1
            return self.tokens[self.place - 1][1]
        return ""

    def total(self, depth: int) -> Node:
        return self.chain(self.product, ("+", "-"), depth)

    def product(self, depth: int) -> Node:
        return self.chain(self.signed, ("*", "/"), depth)

    def chain(self, rule: Callable[[int], Node], signs: tuple[str, ...], depth: int) -> Node:
        parts, between = [rule(depth)], []
        while sign := self.take(*signs):
            between.append(sign)
            parts.append(rule(depth))
        return Node("".join(between), parts=tuple(parts)) if between else parts[0]

    def signed(self, depth: int) -> Node:
        sign = self.take("+", "-")
        if not sign:
            return self.power(depth)
        if self.here in (("sign", "+"), ("sign", "-")):
            raise FormulaError("two signs stand side by side", "Write brackets: a - (-b).")
        node = self.power(depth)
        if node.sign == "^":
            raise FormulaError("a minus before a power can be read in two ways", "Write (-2)^2 or -(2^2).")
        return Node("negative", parts=(node,)) if sign == "-" else node

    def power(self, depth: int) -> Node:
        base = self.percent(depth)
        if not self.take("^"):
            return base
        sign = self.take("-")
        exponent = self.percent(depth)
        if self.take("^"):
            raise FormulaError("a power of a power can be read in two ways", "Write brackets: (2^3)^2 or 2^(3^2).")
        return Node("^", parts=(base, Node("negative", parts=(exponent,)) if sign else exponent))

    def percent(self, depth: int) -> Node:
        node = self.single(depth)
        return Node("%", parts=(node,)) if self.take("%") else node

    def single(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise FormulaError("the formula has too many brackets inside each other", "Split it into several inputs.")
        if self.here is None:
            raise FormulaError(f"the formula ends where {_PRIMARY} should follow")
        kind, text = self.here
        self.place += 1
        if kind == "number":
            return Node("number", number=_bounded(float(text)))
        if kind == "name":
            return self.call(text, depth) if text in FUNCTIONS else self.named(text)
        if text == "(":
            node = self.total(depth + 1)
            if not self.take(")"):
                raise FormulaError("a bracket is opened and not closed")
            return Node("bracket", parts=(node,))
        raise FormulaError(f"'{text}' stands where {_PRIMARY} should")

    def named(self, text: str) -> Node:
        if self.take("("):
            raise FormulaError(f"'{shown(text)}' is not a function that can be used", "Use min, max or round.")
        return Node("name", name=text)

    def call(self, text: str, depth: int) -> Node:
        least, most = FUNCTIONS[text]
        if not self.take("("):
            raise FormulaError(f"'{text}' needs brackets", f"Write {text}(a, b).")
        parts = [self.total(depth + 1)]
        while self.take(","):
            parts.append(self.total(depth + 1))
        if not self.take(")"):
            raise FormulaError("a bracket is opened and not closed")
        if not least <= len(parts) <= most:
            raise FormulaError(f"'{text}' takes {least} to {most} values, not {len(parts)}")
        return Node(text, parts=tuple(parts))


def _value(node: Node, inputs: Mapping[str, float]) -> float:
    if node.sign == "number":
        return node.number
    if node.sign == "name":
        if node.name not in inputs:
            raise FormulaError(f"'{shown(node.name)}' is not among the inputs", "Add it under inputs, with its source.")
        return _bounded(float(inputs[node.name]))
    values = [_value(part, inputs) for part in node.parts]
    if node.sign in _SIMPLE:
        return _bounded(_SIMPLE[node.sign](values))
    if node.sign == "^":
        return _power(*values)
    if node.sign == "round":
        return _rounded(*values)
    total = values[0]
    for sign, value in zip(node.sign, values[1:], strict=True):
        total = _bounded(_apply(sign, total, value))
    return total


_SIMPLE: dict[str, Callable[[list[float]], float]] = {
    "negative": lambda v: -v[0], "%": lambda v: v[0] / 100, "bracket": lambda v: v[0], "min": min, "max": max}


def _apply(sign: str, left: float, right: float) -> float:
    if sign == "/" and right == 0:
        raise FormulaError("the formula divides by zero", "Correct the input that is zero, or the formula.")
    if sign == "/" and abs(right) < 1 and abs(left) > LARGEST * abs(right):
        return math.inf  # said in plain words by _bounded
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / right if right else 0.0}[sign]


def _power(base: float, exponent: float) -> float:
    if abs(exponent) > MAX_POWER:
        raise FormulaError(f"the power {exponent:g} is larger than {MAX_POWER}", "Correct the exponent.")
    if base == 0 and exponent < 0:
        raise FormulaError("the formula divides by zero", "Correct the input that is zero, or the formula.")
    if base < 0 and exponent != int(exponent):
        raise FormulaError("a negative number is raised to a power that is not whole")
    try:
        return _bounded(float(base**exponent))
    except OverflowError:
        return _bounded(math.inf)


def _rounded(value: float, digits: float = 0.0) -> float:
    if digits != int(digits) or not -12 <= digits <= 12:
        raise FormulaError(f"a number cannot be rounded to {digits:g} digits", "Give a whole number from -12 to 12.")
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-int(digits)), rounding=ROUND_HALF_UP))


def _bounded(value: float) -> float:
    if not abs(value) <= LARGEST:
        raise FormulaError("a number of the formula passes 1,000,000,000,000,000 (a thousand million million)",
                             "Look for a wrong unit, input or power.")
    return value

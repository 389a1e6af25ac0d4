"""From the parts of a brief to strings of one language: the only place that formats numbers."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from impact.brief.model import Effect, Join, Kind, Number, Quote, Range, Recorded, Said, Value, Written
from impact.brief.translation import fragment, translated
from impact.brief.words import fill, sentence

NBSP = "\u00a0"
MINUS = "\u2212"
BREAK = "\u200b"
ISOLATE, RELEASE = "\u2068", "\u2069"  # around words that run from right to left inside a sentence that does not
# A narrow column holds 19 letters; lines break at a hyphen or slash, and between the words of Khmer, without our help.
UNBROKEN = re.compile(r"[^\W\d_\u1780-\u17ff]{20,}|[^\s/\-\u1780-\u17ff]{28,}")
PIECE = 7  # letters, so that a piece of the widest ones fits too
MARKS = ("Mn", "Mc", "Me", "Cf")
MOST_DECIMALS = 6
LONG_NUMBER = 1e12  # from here on a number is written with a power of ten


def decimals(values: Iterable[float], kind: Kind) -> int:
    """Choose one number of decimals for figures that stand together: about three digits, and nothing rounds to zero."""
    sizes = [abs(v) for v in values if math.isfinite(v) and v != 0]
    if not sizes or kind == "count":
        return 0
    top = max(sizes)
    if kind in ("percent", "points"):
        places = 0 if kind == "percent" and top >= 20 else 1
    elif kind == "sd":
        places = 2
    else:
        places = max(0, 2 - math.floor(math.log10(top)))
    while places < MOST_DECIMALS and any(round(size, places) == 0 for size in sizes):
        places += 1
    return min(places, MOST_DECIMALS)


def figure(value: float, places: int, language: str, *, sign: bool = False) -> str:
    """Write a number with a true minus, the thousands and decimal marks of a language and a fixed number of decimals."""
    before = MINUS if value < 0 else "+" if sign else ""
    if not abs(value) < LONG_NUMBER:
        return before + power(abs(value), language)
    digits = f"{abs(value):.{places}f}"
    text = _marked(digits, language)
    return text if float(digits) == 0 else before + text


def _marked(digits: str, language: str) -> str:
    """Put the marks of a language into plain digits: 12345.6 is 12,345.6 or 12 345,6."""
    whole, _, rest = digits.partition(".")
    if len(whole) >= int(sentence("format.thousands.from", language)):
        whole = f"{int(whole):,}".replace(",", sentence("format.thousands", language))
    return whole + (sentence("format.decimal", language) + rest if rest else "")


def percent(text: str, language: str) -> str:
    """Put the sign of per cent behind a figure: 25% or 25 %."""
    return fill(sentence("format.percent", language), {"x": text})


def power(value: float, language: str) -> str:
    """Write a number too long or too small for plain figures: 1.5e12, 1e−8."""
    text = re.sub(r"e\+?(-?)0*(\d)", lambda m: f"e{MINUS if m[1] else ''}{m[2]}", f"{value:.3g}")
    return text.replace(".", sentence("format.decimal", language))


def p_value(value: float, language: str) -> str:
    """Write a p-value with three decimals; never as zero."""
    return f"<{figure(0.001, 3, language)}" if value < 0.001 else figure(value, 3, language)


def scaled(number: Number) -> float:
    """Put a number on the scale it is read on: points are 100 times a share."""
    return number.value * 100 if number.kind == "points" else number.value


class Speaker:
    """Turns the parts of a brief into strings of one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def word(self, key: str, **values: str) -> str:
        """Say a sentence of the word list."""
        return fill(sentence(key, self.language), values)

    def text(self, value: Value) -> str:
        """Say anything a block may hold."""
        if isinstance(value, Quote):
            return isolated(value.text)
        if isinstance(value, Recorded):
            return isolated(translated(value, self.language, self.filled))
        if isinstance(value, Number):
            return self.number(value)
        if isinstance(value, Said):
            return self.said(value)
        if isinstance(value, Written):
            return isolated("".join(p.text if isinstance(p, Quote) else self.text(p) for p in value.parts))
        if isinstance(value, Join):
            by = {"; ": "by.semicolon", ", ": "by.comma"}.get(value.by)
            return (self.word(by) if by else value.by).join(self.text(part) for part in value.parts)
        return self.word(value.key, **{name: self.text(v) for name, v in value.values})

    def filled(self, value: Any, form: str) -> str:
        """Write a value of the record in the form a sentence about it asks for.

        ``form`` is "percent" or "points" (of a share), "p", "year" (no mark of thousands), "two" (decimals), or none: whole
        numbers are counts, others have about three digits.
        """
        if isinstance(value, str):
            return self.text(fragment(value, ""))
        if isinstance(value, (Quote, Recorded, Number)):
            return self.text(value)
        if form == "year" or isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"{value:.12g}" if isinstance(value, float) else str(value)
        if form == "p":
            return p_value(value, self.language)
        if form in ("percent", "points"):
            text = self.figure(100 * value, decimals([100 * value], "percent" if form == "percent" else "points"))
            return percent(text, self.language) if form == "percent" else text
        if form == "two":
            return self.figure(value, 2)
        return self.figure(value, 0 if float(value).is_integer() else decimals([value], "amount"))

    def figure(self, value: float, places: int, *, sign: bool = False) -> str:
        """Write a number with the marks of this language."""
        return figure(value, places, self.language, sign=sign)

    def number(self, n: Number) -> str:
        """Write one number on its own."""
        if n.kind == "p":
            return p_value(n.value, self.language)
        if n.kind == "level":
            return percent(_marked(f"{n.value * 100:g}", self.language), self.language)
        value = scaled(n)
        if n.kind == "plain":  # as declared, to the last digit
            return self.figure(value, len(f"{value:.{MOST_DECIMALS}f}".rstrip("0").partition(".")[2]))
        text = self.figure(value, decimals([value], n.kind))
        return percent(text, self.language) if n.kind in ("percent", "points") else text

    def said(self, value: Said) -> str:
        """Put an effect in words or signs."""
        effect = value.effect
        places = effect_decimals(effect)
        if value.form == "size":
            return self._size(effect.value, effect, places)
        if value.form == "extent":
            return self._with_unit(abs(scaled(effect.value)), effect, places) + self._behind(effect)
        if value.form == "signed":
            return self.signed(effect, places)
        if value.form == "signed_range":
            return self.signed_range(effect, places)
        if value.form == "full":
            return self.word("full", value=self.signed(effect, places), range=self.signed_range(effect, places))
        return self._range_words(effect, places, unit=value.form == "range_unit")

    def signed(self, effect: Effect, places: int) -> str:
        """Write the estimate with its sign: −25%, +5.2 points, +1.79."""
        text = self.figure(scaled(effect.value), places, sign=True)
        kind = effect.value.kind
        return percent(text, self.language) if kind == "percent" else (
            text + NBSP + self.points(scaled(effect.value), places) if kind == "points" else text)

    def points(self, value: float, places: int) -> str:
        """Say 'points' of a figure as written: some languages have the singular below two."""
        many = abs(round(value, places)) >= float(sentence("points.from", self.language))
        return self.word("points" if many else "point")

    def signed_range(self, effect: Effect, places: int) -> str:
        """Write the confidence set in signs: −45% to +3%; an open end and several pieces are said to be so."""

        def end(n: Number | None) -> str:
            text = self.figure(scaled(n), places, sign=True) if n else ""
            return percent(text, self.language) if text and effect.value.kind == "percent" else text

        def piece(r: Range) -> str:
            low, high = end(r.low), end(r.high)
            if low and high:
                return self.word("signed.both", low=low, high=high).replace(" ", NBSP)
            return self.word("signed.below", high=high) if high else (
                self.word("signed.above", low=low) if low else self.word("signed.none"))

        return self._pieces([piece(r) for r in effect.ranges])

    def _pieces(self, pieces: list[str]) -> str:
        if len(pieces) <= 1:
            return pieces[0] if pieces else self.word("range.missing")
        return self.word("range.pieces", n=self._number_of(pieces), pieces=self.word("range.or").join(pieces))

    def _number_of(self, pieces: Sequence[object]) -> str:
        return self.word("range.two") if len(pieces) == 2 else str(len(pieces))

    def column(self, effect: Effect) -> str:
        """Write an effect with its interval for the narrow column of the figure; the table spells pieces out."""
        places = effect_decimals(effect)
        told = self.signed_range(effect, places) if len(effect.ranges) <= 1 else self.word(
            "signed.pieces.short", n=self._number_of(effect.ranges))
        return f"{self.signed(effect, places)} ({told})"

    def _size(self, n: Number, effect: Effect, places: int) -> str:
        value = scaled(n)
        if round(value, places) == 0:
            return self.word("size.same") if n is effect.value else self._with_unit(0, effect, places)
        x = self._with_unit(abs(value), effect, places)
        return self.word("size.lower" if value < 0 else "size.higher", x=x) + self._behind(effect)

    def _with_unit(self, value: float, effect: Effect, places: int) -> str:
        text = self.figure(value, places)
        if effect.value.kind == "percent":
            return percent(text, self.language)
        if effect.value.kind == "points":
            return text + NBSP + self.points(value, places)
        return f"{text}{NBSP}{short_unit(self.text(effect.unit))}" if effect.unit and not self._behind(effect) else text

    def _behind(self, effect: Effect) -> str:
        """Give a unit that reads ill between a figure and its direction: '0.5 higher (score from 0 to 10)'."""
        if effect.unit is None or effect.value.kind in ("percent", "points"):
            return ""
        unit = short_unit(self.text(effect.unit))
        if re.match(rf"({sentence('unit.rate', self.language)})\s", unit, re.IGNORECASE):
            return f" {unit}"
        return f" ({unit})" if re.match(rf"({sentence('unit.scale', self.language)})\b", unit, re.IGNORECASE) else ""

    def _range_words(self, effect: Effect, places: int, *, unit: bool) -> str:
        if not effect.ranges:
            return self.word("range.missing")
        said_elsewhere = effect.unit is not None and not unit  # beside the size, and long to say twice more

        def size(n: Number, *, bare: bool = False) -> str:
            x = abs(scaled(n))
            return self.figure(x, places) if bare or said_elsewhere else self._with_unit(x, effect, places)

        def end(n: Number, *, bare: bool = False) -> str:
            text, value = size(n, bare=bare), scaled(n)
            return text if round(value, places) == 0 else self.word("size.lower" if value < 0 else "size.higher", x=text)

        def piece(r: Range) -> str:
            if r.low and r.high:
                one_side = scaled(r.low) * scaled(r.high) > 0
                bare = effect.unit is not None or (one_side and effect.value.kind == "points")
                if one_side:  # say the direction once
                    return self.word("range.both.lower" if scaled(r.low) < 0 else "range.both.higher",
                                     low=size(r.low, bare=bare), high=size(r.high))
                return self.word("range.both", low=end(r.low, bare=bare), high=end(r.high))
            if r.high:
                return self.word("range.below", high=end(r.high))
            return self.word("range.above", low=end(r.low)) if r.low else self.word("range.none")

        bounded = any(end for r in effect.ranges for end in (r.low, r.high))
        return self._pieces([piece(r) for r in effect.ranges]) + (
            self._behind(effect) if bounded and not said_elsewhere else "")


def short_unit(unit: str) -> str:
    """Drop what a unit says in brackets at its end: 'USD a month (2024 prices)' reads 'USD a month'."""
    return re.sub(r"\s*\([^()]*\)$", "", unit) or unit


def beside(unit: str) -> str:
    """Set a unit behind what it measures: in brackets, or after a comma where it has brackets of its own."""
    return f", {unit}" if "(" in unit else f" ({unit})"


def effect_decimals(effect: Effect) -> int:
    """Choose the decimals of an effect and its interval together."""
    ends = [n for r in effect.ranges for n in (r.low, r.high) if n]
    return decimals([scaled(n) for n in (effect.value, *ends)], effect.value.kind)


def isolated(text: str) -> str:
    """Shield words that run from right to left, so that figures beside them keep their place."""
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        return ISOLATE + text + RELEASE
    return text


@functools.cache
def _rules(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """What stands together in a language: figures and units, words and figures, and marks that begin or end no line."""
    units, words_, opens, closes = (sentence(f"keep.{name}", language) for name in ("units", "words", "opens", "closes"))
    rules = [(rf"(?<=\d) (?=({units}|%)(\W|$))", NBSP), (rf"\b({words_}) (?=[=<]?\s?\d)", rf"\1{NBSP}")]
    if opens:
        rules.append((rf"(?<=[{opens}]) ", NBSP))
    if closes:
        rules.append((rf" (?=[{closes}](\s|$|[.,)]))", NBSP))
    return tuple((re.compile(pattern), by) for pattern, by in rules)


def keep_together(text: str, language: str) -> str:
    """Hold a number to its unit and a mark to its word, and let words longer than a column break."""
    for pattern, by in _rules(language):
        text = pattern.sub(by, text)
    text = re.sub(r"(\d%) (interval)", rf"\1{NBSP}\2", text)
    return UNBROKEN.sub(lambda m: _breakable(m[0]), text)


def _breakable(word: str) -> str:
    """Put points where a line may break into a word no column holds; marks stay with the letter they stand on."""
    return "".join(BREAK + c if i and i % PIECE == 0 and unicodedata.category(c) not in MARKS else c
                   for i, c in enumerate(word))

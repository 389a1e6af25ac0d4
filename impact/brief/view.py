"""From the parts of a brief to strings of one language: the only place that formats numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from impact.brief.model import Effect, Join, Kind, Number, Quote, Range, Said, Value
from impact.brief.words import fill, sentence

NBSP = "\u00a0"
MINUS = "\u2212"
BREAK = "\u200b"
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


def figure(value: float, places: int, *, sign: bool = False) -> str:
    """Write a number with a true minus, thousands commas and a fixed number of decimals."""
    if not abs(value) < LONG_NUMBER:
        return (MINUS if value < 0 else "+" if sign else "") + power(abs(value))
    text = f"{abs(value):,.{places}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def power(value: float) -> str:
    """Write a number too long or too small for plain figures: 1.5e12, 1e−8."""
    return re.sub(r"e\+?(-?)0*(\d)", lambda m: f"e{MINUS if m[1] else ''}{m[2]}", f"{value:.3g}")


def p_value(value: float) -> str:
    """Write a p-value with three decimals; never as zero."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


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
            return value.text
        if isinstance(value, Number):
            return self.number(value)
        if isinstance(value, Said):
            return self.said(value)
        if isinstance(value, Join):
            return value.by.join(self.text(part) for part in value.parts)
        return self.word(value.key, **{name: self.text(v) for name, v in value.values})

    def number(self, n: Number) -> str:
        """Write one number on its own."""
        if n.kind == "p":
            return p_value(n.value)
        if n.kind == "level":
            return f"{n.value * 100:g}%"
        value = scaled(n)
        if n.kind == "plain":  # as declared, to the last digit
            return figure(value, len(f"{value:.{MOST_DECIMALS}f}".rstrip("0").partition(".")[2]))
        text = figure(value, decimals([value], n.kind))
        return text + "%" if n.kind in ("percent", "points") else text

    def said(self, value: Said) -> str:
        """Put an effect in words or signs."""
        effect = value.effect
        places = effect_decimals(effect)
        if value.form == "size":
            return self._size(effect.value, effect, places)
        if value.form == "signed":
            return self.signed(effect, places)
        if value.form == "signed_range":
            return self.signed_range(effect, places)
        if value.form == "full":
            return self.word("full", value=self.signed(effect, places), range=self.signed_range(effect, places))
        return self._range_words(effect, places, unit=value.form == "range_unit")

    def signed(self, effect: Effect, places: int) -> str:
        """Write the estimate with its sign: −25%, +5.2 points, +1.79."""
        return figure(scaled(effect.value), places, sign=True) + self._tail(effect)

    def _tail(self, effect: Effect) -> str:
        kind = effect.value.kind
        return "%" if kind == "percent" else NBSP + self.word("points") if kind == "points" else ""

    def signed_range(self, effect: Effect, places: int) -> str:
        """Write the confidence set in signs: −45% to +3%; an open end and several pieces are said to be so."""
        tail = "%" if effect.value.kind == "percent" else ""

        def piece(r: Range) -> str:
            low = figure(scaled(r.low), places, sign=True) + tail if r.low else ""
            high = figure(scaled(r.high), places, sign=True) + tail if r.high else ""
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
        return self.word("size.lower" if value < 0 else "size.higher", x=self._with_unit(abs(value), effect, places))

    def _with_unit(self, value: float, effect: Effect, places: int) -> str:
        text = figure(value, places)
        if effect.value.kind == "percent":
            return text + "%"
        if effect.value.kind == "points":
            return text + NBSP + self.word("points")
        return f"{text}{NBSP}{short_unit(effect.unit.text)}" if effect.unit else text

    def _range_words(self, effect: Effect, places: int, *, unit: bool) -> str:
        if not effect.ranges:
            return self.word("range.missing")
        said_elsewhere = effect.unit is not None and not unit  # beside the size, and long to say twice more

        def end(n: Number, *, bare: bool = False) -> str:
            value = scaled(n)
            zero = round(value, places) == 0
            text = figure(abs(value), places) if bare or said_elsewhere else self._with_unit(abs(value), effect, places)
            return text if zero else self.word("size.lower" if value < 0 else "size.higher", x=text)

        def piece(r: Range) -> str:
            if r.low and r.high:
                one_side = scaled(r.low) * scaled(r.high) > 0
                bare = effect.unit is not None or (one_side and effect.value.kind == "points")
                low, high = end(r.low, bare=bare), end(r.high)
                if one_side:  # say the direction once
                    low = low.rsplit(" ", 1)[0]
                return self.word("range.both", low=low, high=high)
            if r.high:
                return self.word("range.below", high=end(r.high))
            return self.word("range.above", low=end(r.low)) if r.low else self.word("range.none")

        return self._pieces([piece(r) for r in effect.ranges])


def short_unit(unit: str) -> str:
    """Drop what a unit says in brackets at its end: 'USD a month (2024 prices)' reads 'USD a month'."""
    return re.sub(r"\s*\([^()]*\)$", "", unit) or unit


def effect_decimals(effect: Effect) -> int:
    """Choose the decimals of an effect and its interval together."""
    ends = [n for r in effect.ranges for n in (r.low, r.high) if n]
    return decimals([scaled(n) for n in (effect.value, *ends)], effect.value.kind)


def keep_together(text: str) -> str:
    """Hold a number to its unit, and let words longer than a column break."""
    text = re.sub(r"(?<=\d) (?=(per cent|points?|SD|rows|%)(\W|$))", NBSP, text)
    text = re.sub(r"\b(p|n|df|first|Page) (?=[=<]?\s?\d)", lambda m: m[1] + NBSP, text)
    text = re.sub(r"(\d%) (interval)", rf"\1{NBSP}\2", text)
    # lines may break at a hyphen or slash anyway; only longer unbroken runs get break points of ours
    return re.sub(r"[!-,.0-~]{28,}", lambda m: BREAK.join(re.findall(r".{1,14}", m[0])), text)

"""The arithmetic of projections: worked by hand, against Python's own, and what it refuses."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impact.programme.arithmetic import FormulaError, evaluate, names

BY_HAND = {"1 + 2 * 3": 7, "(1 + 2) * 3": 9, "10 - 4 - 3": 3, "12 / 4 / 3": 1, "2 ^ 3": 8, "2 ** -1": 0.5, "(-2) ^ 2": 4,
           "-(2 ^ 2)": -4, "-3 + 5": 2, "3 - -2": 5, "20%": 0.2, "250 * (1 - 20%)": 200, "1.5e3": 1500, ".5": 0.5,
           "round(2.5)": 3, "round(-2.5)": -3, "round(2.345, 2)": 2.35, "round(1234, -2)": 1200, "min(3, 1, 2)": 1,
           "max(3, 1 + 4, 2)": 5, "+4": 4, "farms * extra": 480.0, "été + farms": 43}


@pytest.mark.parametrize("formula", BY_HAND)
def test_worked_by_hand(formula):
    assert evaluate(formula, {"farms": 40, "extra": 12, "été": 3}) == pytest.approx(BY_HAND[formula], rel=1e-15)


@pytest.mark.parametrize(("formula", "told"), [
    ("1 / 0", "divides by zero"), ("a / (b - b)", "divides by zero"), ("0 ^ -1", "divides by zero"),
    ("9 ^ 99", "passes 1,000,000,000,000,000"), ("2 ^ 101", "the power 101 is larger than 100"),
    ("9 ^ 9 ^ 9", "can be read in two ways"), ("-2 ^ 2", "can be read in two ways"), ("1e999", "passes"),
    ("1e10 * 1e10", "passes"), ("1 / 1e-300", "passes"), ("(-8) ^ 0.5", "not whole"), ("c + 1", "'c' is not among"),
    ("", "ends where"), ("1 +", "ends where"), ("(1", "not closed"), ("1)", "should end"), ("1 2", "should end"),
    ("min()", "stands where"), ("min", "needs brackets"), ("round(1, 2, 3)", "takes 1 to 2"), ("round(1, 99)", "99 digits"),
    ("eval(1)", "not a function"), ("__import__('os')", "'''"), ("a.b", "'.' has no meaning"), ("a[0]", "'['"),
    ("a if b else 1", "should end"), ("lambda: 1", "has no meaning"), ("=a+b", "'='"), ("1,000", "should end"),
    ("(" * 40 + "1" + ")" * 40, "too many brackets"), ("1+" * 400 + "1", "more than 300 parts"), ("9" * 2000, "longer"),
    ("1" * 400, "passes"), ("--1", "side by side")])
def test_refused_in_words(formula, told):
    with pytest.raises(FormulaError) as caught:
        evaluate(formula, {"a": 1, "b": 2})
    assert told in str(caught.value)


def test_names_stand_once_in_their_order():
    assert names("b * (a + b) - min(c, 2)") == ("b", "a", "c")


@st.composite
def expressions(draw, depth=0):
    """Text of an expression over numbers and two names, and Python's text for the same."""
    if depth > 3 or draw(st.booleans()):
        decimals = st.floats(0.01, 999).map(lambda x: round(x, 2))
        return str(draw(st.one_of(st.integers(0, 999), decimals, st.sampled_from("ab"))))
    kind = draw(st.sampled_from(["+", "-", "*", "/", "(", "neg", "min", "max"]))
    left, right = draw(expressions(depth=depth + 1)), draw(expressions(depth=depth + 1))
    return {"(": f"({left})", "neg": f"(-({left}))", "min": f"min({left}, {right})",
            "max": f"max({left}, {right})"}.get(kind, f"{left} {kind} {right}")


@given(expressions(), st.floats(-1000, 1000), st.floats(0.1, 1000))
def test_agrees_with_python(text, a, b):
    try:
        expected = eval(text, {"__builtins__": {}, "min": min, "max": max}, {"a": a, "b": b})
    except ZeroDivisionError:
        with pytest.raises(FormulaError, match="divides by zero"):
            evaluate(text, {"a": a, "b": b})
        return
    try:
        assert math.isclose(evaluate(text, {"a": a, "b": b}), expected, rel_tol=1e-12, abs_tol=1e-12)
    except FormulaError as error:
        assert "passes" in str(error)  # noqa: PT017 - a step passed the largest number, though the end may not


@given(st.one_of(st.text(max_size=60), st.text(alphabet="0123456789.+-*/^()%, ab", max_size=40)))
def test_any_text_gives_a_number_or_a_sentence(text):
    try:
        assert math.isfinite(evaluate(text, {"a": 2.0}))
    except FormulaError as error:
        assert str(error)  # noqa: PT017 - nothing else may be raised


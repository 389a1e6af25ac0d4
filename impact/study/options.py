"""What the options of one method must say together; each alone is held to its kind in :mod:`impact.study.methods`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from impact.errors import Problem
from impact.study.types import MethodCall, Study

Options = Mapping[str, Any]
Found = Iterator[tuple[str, str, str]]  # the option, what is wrong, the cure

CLUSTERED = ("CR0", "CR1", "CR1S", "CR2", "CR3")
UNCLUSTERED = ("classical", "HC0", "HC1", "HC2", "HC3")
SCORES = ("propensity", "linear_propensity")
SHARE_OR_CRUMP = "Write crump, or a share above 0 and below 0.5, such as 0.05."
CUT_OFFS = "Write sturges, exact, or a whole number of bins such as 5."


def option_problems(method: str, options: Options, conf_level: float, cluster: str | None = None) -> Found:
    """Yield what is wrong with the values of a method's options before any data are seen.

    Parameters
    ----------
    method, options : as declared, each option of its kind; None and missing options are the method's own choice.
    conf_level : of the study; quantile intervals need draws enough for it.
    cluster : the column of the groups that were assigned, where the method clusters its errors by it.
    """
    kind = options.get("vcov")
    if cluster and kind in UNCLUSTERED and _CHECKS.get(method) is not _together:
        yield ("vcov", f"'{kind}' takes the units within one '{cluster}' for independent, and whole groups were assigned",
               f"Write one of {', '.join(CLUSTERED)}, or leave it out.")
    check = _CHECKS.get(method)
    if check is not None:
        yield from check({key: value for key, value in options.items() if value is not None}, conf_level)


def option_named(study: Study, call: MethodCall, problem: Problem) -> Problem | None:
    """Put a problem that an option of the study file made where its owner finds it: line, key.

    Parameters
    ----------
    study : as read, with its file's lines.
    call : the method that met it, with the options declared.
    problem : its ``where`` is ``options`` (the option is then looked for in the text) or begins with an option's name.

    Returns
    -------
    Problem or None
        None where the problem is not one of an option.
    """
    declared = (study.analysis.primary, *study.analysis.robustness)
    at = next((i for i, mine in enumerate(declared) if mine == call), 0)
    options = dict(declared[at].options)
    head = re.match(r"(?:options\.)?(\w*)", problem.where)
    key = head[1] if head else ""
    if problem.where == "options":
        named = [(found.start(), name) for name in options if (found := re.search(rf"\b{re.escape(name)}\b", problem.what))]
        key = min(named)[1] if named else ""
    elif key not in options and not problem.where.startswith("options."):
        return None
    path = "analysis.primary" if at == 0 else f"analysis.robustness[{at - 1}]"
    parts = [path, f"{path}.options", *([f"{path}.options.{key}"] if key else [])]
    line = next((study.lines[part] for part in reversed(parts) if part in study.lines), None)
    where = parts[-1] if options or key else path
    return replace(problem, where=f"line {line}, {where}" if line else where)


def _quantiles(o: Options, level: float) -> Found:
    asked = o.get("quantiles")
    if isinstance(asked, list) and len(set(asked)) < len(asked):
        yield "quantiles", "a quantile stands twice", "Write each once: [0.25, 0.5, 0.75]."
    least = math.ceil(2 / (1 - level) - 1e-9) - 1
    if isinstance(o.get("draws"), int) and o["draws"] < least:
        yield ("draws", f"{o['draws']} draws are too few for an interval at {100 * level:g} per cent",
               f"Write {least} or more, or leave it out.")


def _limits(o: Options, _: float) -> Found:
    if {"low", "high"} <= set(o) and not o["low"] < o["high"]:
        yield "low", f"the least value, {o['low']:g}, is not below the largest, {o['high']:g}", "Put the smaller first."


def _together(o: Options, _: float) -> Found:
    if o.get("vcov", "CR2") not in CLUSTERED:
        yield ("vcov", f"'{o['vcov']}' takes the workers of one firm, or the rounds of one unit, for independent",
               f"Write one of {', '.join(CLUSTERED)}, or leave it out.")


def _share_invited(o: Options, _: float) -> Found:
    share = o.get("population_share")
    if isinstance(share, int | float) and not 0 < share < 1:
        yield ("population_share", f"a share lies between 0 and 1, not {share:g}",
               "Write thirty per cent as 0.3. Where all were invited, ols is the effect.")
    if isinstance(share, int | float) and "population" in o:
        yield "population", "one population_share needs no averaging", "Leave population out."


def _two_periods(o: Options, _: float) -> Found:
    periods = o.get("periods")
    if isinstance(periods, list) and len(periods) == 2 and None not in periods and periods[0] == periods[1]:
        yield "periods", f"both are {periods[0]:.12g}", "Write the period before and the one after: [1987, 1988]."


def _event_window(o: Options, _: float) -> Found:
    window, reference = o.get("window"), o.get("reference", -1)
    if isinstance(window, list) and not (window[0] <= reference and window[1] >= 0):
        yield ("window", f"it must hold the reference, {reference}, and 0", "Write the first and the last "
               "horizon: [-3, 4].")


def _stack_window(o: Options, _: float) -> Found:
    window, reference = o.get("window"), o.get("reference", -1)
    if not isinstance(window, list):
        return
    if not window[0] < 0 <= window[1]:
        yield "window", "it must begin below 0 and end at 0 or above", "Write the first and the last horizon: [-3, 4]."
    elif reference < window[0]:
        yield "reference", f"{reference} lies outside the window", f"Write a horizon from {window[0]} to -1."


def _trim(o: Options, _: float) -> Found:
    trim = o.get("trim")
    if trim is not None and trim != "crump" and not (isinstance(trim, int | float) and 0 < trim < 0.5):
        yield "trim", f"{_text(trim)} is no rule to leave units out by", SHARE_OR_CRUMP
    elif trim is not None and "estimand" in o:
        yield "trim", f"with estimand {o['estimand']} no unit's weight can be large", "Leave trim or estimand out."


def _bins(o: Options, _: float) -> Found:
    bins = o.get("bins")
    if isinstance(bins, (Mapping, list)):
        return  # by covariate, or as cut points: what needs the data is said with them
    if bins is not None and bins not in ("sturges", "exact") and not (isinstance(bins, int) and bins >= 2):
        yield "bins", f"{_text(bins)} is no rule for bins", CUT_OFFS


def _robust(o: Options, _: float) -> Found:
    if o.get("vcov") == "M" and "folds" in o:
        yield "vcov", "'M' needs models fitted once, and folds are given", "Leave folds out, or write vcov: IF."
    if o.get("learner") == "random_forest" and "folds" not in o:
        yield "learner", "a forest must not predict the rows it was grown on", "Add folds: 5."


def _nearest(o: Options, _: float) -> Found:
    replace = bool(o.get("replace"))
    if "order" in o and replace:
        yield "order", "it matters only without replacement", "Leave order out, or write replace: false."
    if o.get("tie_tolerance", 0) > 0 and not replace:
        yield "tie_tolerance", "without replacement a unit has one partner", "Add replace: true, or leave it out."
    others = [key for key in ("caliper", "exact", "bias_adjustment", "tie_tolerance") if o.get(key)]
    if o.get("estimated_score") and (not replace or o.get("distance", SCORES[0]) not in SCORES or others
                                     or o.get("variance_matches", 1) == 0):
        yield ("estimated_score", "the correction is derived for matching on the score with replacement and nothing else",
               "Write replace: true, a score as the distance, variance_matches of at least 1, and leave out caliper, "
               "exact, bias_adjustment and tie_tolerance.")


def _text(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"


_CHECKS: dict[str, Callable[[Options, float], Found]] = {
    "quantile_effects": _quantiles, "manski_bounds": _limits, "worker_effects": _together, "pooled_rounds": _together,
    "spillover": _share_invited, "two_by_two": _two_periods, "event_study": _event_window, "stacked": _stack_window,
    "inverse_probability": _trim,
    "coarsened_exact": _bins, "aipw": _robust, "nearest_neighbour": _nearest,
}

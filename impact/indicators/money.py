"""What is shown of each money outcome: survival, anything at all, the level raw and capped, the ratio; and its totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from impact.data.frame import Selection, as_names
from impact.errors import DesignError, Problem
from impact.indicators.construction import BASELINE, WINSORISED
from impact.indicators.pack import ANY_POSITIVE, SURVIVAL
from impact.inference.linear import Array
from impact.results import Dropped
from impact.study.schema import LANGUAGES
from impact.study.types import MethodCall, Outcome, Study, Words, words

if TYPE_CHECKING:
    import pandas as pd

MEANLESS = ("poisson", "quantile_effects", "rank_test")  # methods that say nothing of a share
ADJUSTING = ("ols", "ancova", "lin", "poisson")
Measure = Literal["survival", "any_positive", "level", "winsorised", "ratio", "bounds"]
_NAMES = {
    "survival": (("en", "Still in business"), ("fr", "Encore en activité"), ("es", "Sigue en actividad")),
    "any_positive": (("en", "{} above zero"), ("fr", "{} au-dessus de zéro"), ("es", "{} por encima de cero")),
    "level": (("en", "{}"), ("fr", "{}"), ("es", "{}")),
    "winsorised": (("en", "{}, extremes capped"), ("fr", "{}, extrêmes plafonnés"), ("es", "{}, extremos acotados")),
    "ratio": (("en", "{}, ratio"), ("fr", "{}, rapport"), ("es", "{}, razón")),
    "bounds": (("en", "{}, bounds"), ("fr", "{}, bornes"), ("es", "{}, cotas")),
}
_SHARE = (("en", "share of firms"), ("fr", "part des entreprises"), ("es", "proporción de empresas"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """One line of a money outcome's block: what to estimate, and how.

    ``outcome`` names the column; ``call`` the method; ``parent`` the declared outcome, empty for survival, which all share.
    ``is_main`` marks the line that the primary method estimates anyway. ``reason`` says why a line has no number.
    """

    parent: str
    measure: Measure
    outcome: Outcome
    call: MethodCall | None
    is_main: bool = False
    reason: str = ""


def money_outcomes(study: Study, frame: pd.DataFrame) -> tuple[Derived, ...]:
    """List what is shown of each money outcome.

    Parameters
    ----------
    study, frame : of a sample (:func:`impact.load_sample`), whose outcomes are made.

    Returns
    -------
    tuple of Derived
        Survival once where a status is declared; then for each money outcome whether it is above zero, its level raw and
        winsorised, and the ratio of means. A rate has no zero in a closed firm: its level among survivors, winsorised, and
        bounds. Estimates of these lines have role ``derived`` (bounds: ``bounds``): they belong to no family and are never
        the headline.
    """
    money = [o for o in study.outcomes if o.construction is not None and o.construction.money]
    out = []
    if money and SURVIVAL in frame:
        shared = replace(money[0], name=SURVIVAL.removeprefix("_"), label=_NAMES["survival"], baseline=None)
        out.append(_line(study, frame, shared, "survival", SURVIVAL, parent=""))
    for outcome in money:
        out += _block(study, frame, outcome)
    return tuple(out)


def _block(study: Study, frame: pd.DataFrame, outcome: Outcome) -> list[Derived]:
    rate = outcome.construction is not None and outcome.construction.kind == "rate"
    out = [] if rate else [_line(study, frame, outcome, "any_positive", outcome.constructed + ANY_POSITIVE)]
    out.append(_line(study, frame, outcome, "level", outcome.constructed))
    if outcome.constructed + WINSORISED in frame:
        out.append(_line(study, frame, outcome, "winsorised", outcome.constructed + WINSORISED))
    last: Measure = "bounds" if rate else "ratio"
    line = _line(study, frame, outcome, last, outcome.constructed)
    if study.design.kind == "rct":
        call = MethodCall(method="lee_bounds") if rate else _ratio_call(study, outcome)
        out.append(replace(line, call=call if not line.reason else None))
    elif not rate:
        out.append(replace(line, call=None, reason="the level's effect in per cent of what would have been is it"))
    return out


def _line(study: Study, frame: pd.DataFrame, outcome: Outcome, measure: Measure, column: str,
          parent: str | None = None) -> Derived:
    share = measure in ("survival", "any_positive")
    baseline = _baseline(outcome, measure, frame)
    main = measure == "level" and not outcome.is_log
    name = outcome.name if main or measure in ("survival", "bounds") else f"{outcome.name}_{measure}"
    made = replace(outcome, name=name, column=column, baseline=baseline, role="secondary", transform=None,
                   construction=None, label=_named(outcome.label, measure), unit=_SHARE if share else outcome.unit,
                   better="higher" if measure == "survival" else outcome.better)
    known = frame[column].dropna()
    reason = "" if known.nunique() > 1 else "it is the same for all firms" if len(known) else "no firm has a value"
    return Derived(parent=outcome.name if parent is None else parent, measure=measure, outcome=made,
                   call=None if reason else _call(study, made, share), reason=reason, is_main=main)


def _baseline(outcome: Outcome, measure: Measure, frame: pd.DataFrame) -> str | None:
    """Find the baseline that belongs to a line, where it varies."""
    tail = {"any_positive": ANY_POSITIVE, "level": "", "winsorised": WINSORISED}.get(measure)
    name = f"{outcome.constructed}{BASELINE}{tail}"
    if outcome.baseline is None or tail is None or name not in frame or frame[name].nunique() < 2:
        return None
    return name


def _call(study: Study, outcome: Outcome, share: bool) -> MethodCall:
    """Choose the primary method, or least squares where it cannot serve: no baseline to adjust for, a share in logs."""
    primary = study.analysis.primary
    options = tuple((key, value) for key, value in primary.options if key != "baseline" or value is None)
    given = dict(options)
    bare = primary.method == "ancova" and given.get("baseline", outcome.baseline) is None and not given.get(
        "covariates", study.design.covariates)
    return MethodCall(method="ols" if bare or (share and primary.method in MEANLESS) else primary.method, options=options)


def _ratio_call(study: Study, outcome: Outcome) -> MethodCall:
    """Adjust the ratio as the primary method adjusts the level, so that both tell of one comparison."""
    primary = study.analysis.primary
    given = dict(primary.options)
    covariates: tuple[str, ...] = ()
    if primary.method in ADJUSTING:
        before = given.get("baseline", outcome.baseline) if primary.method == "ancova" else None
        covariates = tuple(as_names(given.get("covariates", study.design.covariates)))
        covariates = tuple(dict.fromkeys((*((before,) if before else ()), *covariates)))
    kept = tuple((key, value) for key, value in primary.options if key in ("strata", "cluster", "weights", "vcov"))
    return MethodCall(method="ratio_effect", options=(("covariates", covariates), *kept))


def _named(label: Words, measure: Measure) -> Words:
    texts = dict(_NAMES[measure])
    return tuple((language, texts[language].replace("{}", words(label, language))) for language in LANGUAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeTotal:
    """A sum over firms, with the firms whose amount is not known and so is not in it."""

    outcome: str
    unit: str
    total: float
    n: int
    dropped: tuple[Dropped, ...] = ()


def programme_total(frame: pd.DataFrame, *, outcome: Outcome, among: Sequence[bool] | Array | None = None,
                    weights: str | None = None) -> ProgrammeTotal:
    """Sum an outcome over firms, extremes and all: cut-offs belong to averages, never to totals.

    Parameters
    ----------
    frame, outcome : of a sample; the outcome is a flow or total, made by its construction.
    among : (n,) which rows count, e.g. those of firms in the programme in the last round; all where left out.
    weights : column of how many firms a row stands for.

    Returns
    -------
    ProgrammeTotal
        In the outcome's unit; verified closures are in it as zero, firms not found are not and are counted in ``dropped``.

    Raises
    ------
    DesignError
        For a winsorised column, whose sum lacks the amounts above the cut-off; for a rate, which has no sum; and for an
        outcome without a construction, whose closed firms are not told apart.

    Notes
    -----
    Estimand: the sum itself; it is not attributed to the programme. Reference case: worked by hand in
    tests/test_indicators.py.
    """
    kind = outcome.construction.kind if outcome.construction is not None else None
    if outcome.column.endswith(WINSORISED):
        raise _refused(outcome, "a winsorised column is never summed: the amounts above the cut-off would be lost",
                       f"Use '{outcome.column.removesuffix(WINSORISED)}'.")
    if kind is None or outcome.column != outcome.constructed:
        raise _refused(outcome, "only an outcome made by its construction is summed",
                       "Declare construction: {kind: flow} (or total) and take the outcome from the sample's study.")
    if kind == "rate":
        raise _refused(outcome, "a rate has no total", "Sum what it is a rate of.")
    rows = Selection(frame)
    if among is not None:
        mask = np.asarray(among, dtype=bool)
        if mask.shape != (len(frame),):
            raise ValueError(f"among needs one value a row: {len(frame)}, not {mask.shape}")
        rows.kept &= mask
    rows.drop(frame[outcome.column].isna(), "outcome_missing", "the amount is not known: not found, or not answered")
    if weights is not None:
        rows.drop(frame[weights].isna(), "weights_missing", f"{weights} is missing")
    values = rows.numbers(outcome.column)
    times: Any = rows.numbers(weights) if weights is not None else 1.0
    return ProgrammeTotal(outcome=outcome.name, unit=words(outcome.unit), total=float(np.sum(values * times)),
                          n=len(values), dropped=tuple(rows.dropped))


def _refused(outcome: Outcome, what: str, cure: str) -> DesignError:
    return DesignError(Problem(where=f"outcome '{outcome.name}', column '{outcome.column}'", what=what, cure=cure),
                       source="programme_total")

"""Estimates that should show nothing, and estimates with one trait left out: two ways to shake a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from impact.checks.columns import figure
from impact.data.frame import as_names
from impact.errors import DesignError, Problem
from impact.inference.multiple import holm
from impact.results import Check, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

Estimator = Callable[..., Estimate | Estimates]
CHANGES = ("matched_did",)  # methods whose baseline= is subtracted, not adjusted for
FAMILY = "Holm, negative-control outcomes"


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeControls:
    """Effects on outcomes that the programme cannot have changed.

    ``estimates`` carry p-values adjusted over all of them (Holm); ``alpha`` is the level they are read at.
    """

    estimates: Estimates
    alpha: float

    @property
    def seen(self) -> tuple[Estimate, ...]:
        """Those on which an effect is seen, which cannot be one of the programme."""
        return tuple(e for e in self.estimates if e.p_adjusted is not None and e.p_adjusted <= self.alpha)

    @property
    def untold(self) -> tuple[Estimate, ...]:
        """Those without a p-value."""
        return tuple(e for e in self.estimates if e.p_adjusted is None)

    @property
    def reading(self) -> str:
        """What the placebo effects say, in words."""
        parts = [f"{e.outcome} {_told(e)}" for e in self.estimates]
        text = f"Outcomes the programme cannot have changed: {'; '.join(parts)}. "
        if self.seen:
            names = ", ".join(e.outcome for e in self.seen)
            return text + (f"On {names} an 'effect' is seen (p ≤ {self.alpha:g} after Holm): the groups "
                           "differed in some other way, and the effect on the real outcome may hold that too.")
        if len(self.untold) == len(self.estimates):
            return text + "None of them has a p-value, so that nothing can be told."
        return text + "No effect is seen where none can be; differences within these intervals cannot be ruled out."

    def tidy(self) -> pd.DataFrame:
        """One row an outcome, with the stable columns of estimates."""
        return self.estimates.tidy()

    def check(self) -> Check:
        """Put it among the checks: a concern where an effect is seen on an outcome that cannot have one."""
        known = [e.p_adjusted for e in self.estimates if e.p_adjusted is not None]
        return Check(id="negative_control", title="Outcomes the programme cannot have changed",
                     verdict="concern" if self.seen else "pass" if known else "not_applicable",
                     word="effect seen" if self.seen else "examined" if known else "not examined", reason=self.reading,
                     measured=min(known, default=None), threshold=self.alpha, measure="smallest p-value, Holm",
                     source="Lipsitch, Tchetgen Tchetgen & Cohen (2010), Epidemiology 21",
                     details=tuple((e.outcome, e.estimate) for e in self.estimates))


def negative_control(estimator: Estimator, data: pd.DataFrame, *, outcomes: Sequence[str], alpha: float = 0.05,
                     **options: Any) -> NegativeControls:
    """Estimate effects on outcomes the programme cannot have changed.

    Parameters
    ----------
    estimator : the function that made the real effect, as :func:`impact.matching.nearest_neighbour`.
    data : its table.
    outcomes : columns such as last year's sales, or a cost the programme does not touch, that are not among the traits
        adjusted for.
    alpha : level for p-values adjusted over all of them.
    options : everything else the estimator was given (``treatment=``, ``covariates=`` …), the outcome left out.

    Returns
    -------
    NegativeControls
        ``.estimates`` in the order of ``outcomes``, ``.reading``, ``.tidy()`` and ``.check()``.

    Raises
    ------
    DesignError
        Without an outcome, or where one is adjusted for: then it is alike by construction and tests nothing; or where the
        method would take its change since another outcome's baseline.

    Notes
    -----
    Lipsitch, Tchetgen Tchetgen & Cohen (2010, Epidemiology 21, 383–388); for earlier outcomes Imbens & Rubin (2015, section
    21.3). That no effect is seen is no proof. Reference case: worked by hand in tests/test_hidden.py.
    """
    names = as_names(outcomes)
    adjusted = {*as_names(options.get("covariates")), options.get("baseline")}
    taken = [name for name in names if name in adjusted]
    if not names or taken:
        what = f"'{taken[0]}' is adjusted for, and so alike by construction" if taken else "none is named"
        raise DesignError(Problem(where="outcomes", what=what, cure="Take it out of the covariates for this test." if taken
                                  else "Name one the programme cannot have changed."), source="negative control")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is a share such as 0.05, not {alpha!r}")
    found = [estimator(data, outcome=name, **options).headline for name in names]
    if options.get("baseline") is not None and any(e.method in CHANGES for e in found):
        raise DesignError(Problem(where="outcomes", what=f"the method takes changes since '{options['baseline']}', which "
                                  "is no earlier wave of these", cure="Compare levels of them, by the matching alone, or "
                                  "give rows over periods."), source="negative control")
    known = [i for i, e in enumerate(found) if e.p_value is not None]
    for i, p in zip(known, holm([found[i].p_value or 0.0 for i in known]), strict=True):
        found[i] = replace(found[i], p_adjusted=p, p_family=FAMILY)
    return NegativeControls(estimates=Estimates(rows=tuple(found)), alpha=alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An effect with all traits (``estimates.headline``), then with one of them left out at a time, in order."""

    estimates: Estimates
    covariates: tuple[str, ...]

    @property
    def turning(self) -> tuple[str, ...]:
        """Traits without which the sign turns, or zero enters or leaves the interval."""
        whole, *others = self.estimates
        return tuple(name for name, e in zip(self.covariates, others, strict=True)
                     if e.estimate * whole.estimate < 0
                     or (bool(e.interval and whole.interval) and e.excludes_zero != whole.excludes_zero))

    @property
    def reading(self) -> str:
        """What leaving traits out does, in words."""
        whole, *others = self.estimates
        moves = [abs(e.estimate - whole.estimate) for e in others]
        far = moves.index(max(moves))
        text = (f"With all {len(self.covariates)} traits the effect on {whole.outcome} is {_told(whole)}. Leaving one out, "
                f"it moves most without {self.covariates[far]}: {_told(others[far])}. ")
        if self.turning:
            them = "it" if len(self.turning) == 1 else "them"
            return text + ("The conclusion (sign, or zero inside or outside the interval) changes without "
                           f"{', '.join(self.turning)}: it hangs on having measured {them}.")
        return text + "The conclusion does not hang on any one of them; traits nobody measured are not examined by this."

    def tidy(self) -> pd.DataFrame:
        """One row an estimate, with the stable columns of estimates."""
        return self.estimates.tidy()

    def check(self) -> Check:
        """Put it among the checks: a concern where the conclusion hangs on one trait."""
        whole, *others = self.estimates
        return Check(id="leave_one_covariate_out", title="One trait left out at a time", outcome=whole.outcome,
                     verdict="concern" if self.turning else "pass", word="hangs on one trait" if self.turning else "steady",
                     reason=self.reading, measured=max(abs(e.estimate - whole.estimate) for e in others),
                     measure="largest move of the effect, in its unit",
                     details=tuple((name, e.estimate) for name, e in zip(self.covariates, others, strict=True)))


def leave_one_covariate_out(estimator: Estimator, data: pd.DataFrame, *, covariates: Sequence[str],
                            **options: Any) -> LeftOut:
    """Estimate again with each trait left out in turn.

    Parameters
    ----------
    estimator : the function that made the effect. data : its table.
    covariates : the traits; two or more.
    options : everything else the estimator was given (``outcome=``, ``treatment=`` …).

    Returns
    -------
    LeftOut
        ``.estimates`` (the full one first), ``.reading``, ``.tidy()`` and ``.check()``.

    Raises
    ------
    DesignError
        With fewer than two traits; and whatever the estimator raises.

    Notes
    -----
    A trait that moves the effect much shows how much depends on measured traits, not what unmeasured ones would do: for
    that see :func:`robustness_value`. Reference case: worked by hand in tests/test_hidden.py.
    """
    names = tuple(dict.fromkeys(as_names(covariates)))
    if len(names) < 2:
        raise DesignError(Problem(where="covariates", what=f"{len(names)} trait is too few to leave one out",
                                  cure="Name two or more."), source="leave one out")
    rows = [estimator(data, covariates=list(names), **options).headline]
    for name in names:
        e = estimator(data, covariates=[other for other in names if other != name], **options).headline
        rows.append(replace(e, id=f"{e.id}/without {name}", term=f"{e.term} without {name}".strip()))
    return LeftOut(estimates=Estimates(rows=tuple(rows)), covariates=names)


def _told(e: Estimate) -> str:
    if e.conf_low is None or e.conf_high is None:
        return f"{figure(e.estimate)} (no interval)"
    return f"{figure(e.estimate)} ({e.conf_level:.0%} interval {figure(e.conf_low)} to {figure(e.conf_high)})"

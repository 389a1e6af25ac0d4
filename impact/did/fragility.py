"""What if trends were not parallel: intervals that allow for it, where a conclusion falls, and hidden drift."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from impact.did.again import amount
from impact.did.honest import EventPath, detectable_slope, relative_magnitudes_set, smoothness_set
from impact.did.listing import part_lines
from impact.did.paths import Dynamic, event_path
from impact.inference.intervals import check_level, infer, is_number
from impact.results import Caveat, Check, Estimate, Estimates, PercentEffect, Segment, StandardErrorCard

BOUNDS = {"relative_magnitudes": (0.5, 1.0, 1.5, 2.0), "smoothness": (0.5, 1.0, 2.0)}
MOST = 5.0  # a conclusion that stands five times the earlier deviations is said to stand beyond that
Interval = Callable[[float], tuple[float | None, float | None]]
TITLES = {"relative_magnitudes": "If trends were not parallel", "smoothness": "If trends drifted apart, steadily or not"}
ROTH = "Roth (2022), AER: Insights 4"
RAMBACHAN = "Rambachan & Roth (2023), Review of Economic Studies 90"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity(Estimates):
    """Rows: parallel trends first, then one a bound. ``breakdown`` is the bound at which zero enters the interval.

    ``breakdown`` is 0 where the interval holds zero under parallel trends already, and None beyond the largest bound tried.
    """

    breakdown: float | None = None
    check: Check | None = field(default=None, metadata={"of": Check})

    def __str__(self) -> str:
        rows = [replace(row, reasons=(), caveats=()) for row in self.rows[1:]]  # their caveat repeats the term
        return "\n".join([str(self.headline), *part_lines(rows, ["term"], said=self.headline), *(
            [f"{self.check.title}: {self.check.word}. {self.check.reason}"] if self.check is not None else [])])

    __repr__ = __str__


def sensitivity(effects: Dynamic, *, kind: str = "relative_magnitudes", bounds: Sequence[float] | None = None,
                parameter: str = "average", conf_level: float = 0.95, seed: int = 0) -> Sensitivity:
    """Intervals for an effect when trends may have parted, and how far they may part before the conclusion falls.

    Parameters
    ----------
    effects : result of :func:`impact.did.group_time_att` with ``base_period="universal"``.
    kind : "relative_magnitudes": later deviations from parallel trends are at most ``bound`` times the largest seen before;
        "smoothness": the slope of the deviation changes by at most ``bound`` standard errors of the effect a period.
    bounds : values to print; by default 0.5, 1, 1.5, 2 (relative magnitudes) or 0.5, 1, 2 (smoothness).
    parameter : "average" of the effects since treatment, or the "first" of them.
    conf_level : a share. seed : of the simulated critical values.

    Returns
    -------
    Sensitivity
        Row 0 assumes parallel trends; the others have no point estimate of their own (the same is printed) but a
        robust interval. ``.breakdown`` and ``.check`` say in words how fragile the conclusion is.

    Raises
    ------
    DesignError
        With fewer than two earlier coefficients, a base period that varies, or more than ten later periods in the
        parameter.

    Notes
    -----
    Estimand: the estimate's own, as a set.
    Assumes that deviations are bounded as said, and coefficients normal with the covariance of the influence functions.
    Rambachan & Roth (2023): conditional least-favourable hybrid (section 3) and optimal fixed-length intervals.
    Reference cases: bounds_honestdid_rm, bounds_honestdid_flci (R HonestDiD 0.2.6).
    """
    if kind not in BOUNDS:
        raise ValueError(f"kind must be one of {', '.join(BOUNDS)}, not {kind!r}")
    wanted = BOUNDS[kind] if bounds is None else tuple(float(b) for b in bounds)
    if not all(np.isfinite(b) and b >= 0 for b in wanted):
        raise ValueError("bounds are numbers from 0 up")
    alpha = 1 - check_level(conf_level)
    path, base, _ = event_path(effects, parameter)
    scale = 1.0 if kind == "relative_magnitudes" else path.std_error

    def interval(bound: float) -> tuple[float | None, float | None]:
        if kind == "smoothness":
            return smoothness_set(path, bound * scale, alpha)
        return relative_magnitudes_set(path, bound, alpha, seed=seed)

    start = _under_parallel_trends(path, base, conf_level)
    rows = [start, *(_row(start, kind, float(b), interval(float(b))) for b in wanted)]
    value = _breakdown(start, interval)
    return Sensitivity(rows=tuple(rows), breakdown=value, check=_check(start, kind, value, len(path.before), parameter))


def hidden_drift(effects: Dynamic, *, power: float = 0.8, conf_level: float = 0.95, seed: int = 0) -> Check:
    """Say which straight drift apart the earlier periods would have missed, and what it would do to the estimate.

    Parameters
    ----------
    effects : as :func:`sensitivity`. power : chance of detection, a share. conf_level : of the tests of earlier periods.
    seed : of the draws behind that chance.

    Returns
    -------
    Check
        ``measured`` is the drift a period, in the outcome's unit, that would have been seen with this power; the reason
        says how large a bias that drift leaves in the average effect. The verdict is 'concern' when that bias is larger
        than the effect found: earlier periods then say little.

    Notes
    -----
    Estimand: none; the drift that earlier periods could not have shown. Assumes a straight drift and normal coefficients
    whose covariance is known; with few units or clusters it is not, and the reason says so. Roth (2022, section I).
    Reference case: by hand with independent coefficients, tests/test_honest.py.
    """
    if not is_number(power) or not 0 < power < 1:
        raise ValueError(f"power is a chance above 0 and below 1, such as 0.8, not {power!r}")
    check_level(conf_level)
    path, base, times = event_path(effects, "average")
    b = len(path.before)
    slope = detectable_slope(path.covariance[:b, :b], times[:b], power, 1 - conf_level, seed=seed)
    bias = slope * float(path.weights @ times[b:])
    large = abs(bias) > abs(path.estimate)
    said, made, found = (amount(x, base.transform) for x in (slope, bias, path.estimate))
    reason = (f"A straight drift apart of {said} a period would have moved at least one of the {b} earlier differences "
              f"clear of zero (at {1 - conf_level:.0%}, each on its own) with {power:.0%} chance; a smaller one may have "
              f"gone unseen. Such a drift alone would make an effect of {made} out of nothing; the average over "
              f"periods since treatment is {found}.{_few(base)}")
    return Check(id=f"hidden_drift:{base.outcome}", title="Drift that earlier periods could have shown",
                 outcome=base.outcome, verdict="concern" if large else "pass",
                 word="little ruled out" if large else "examined", reason=reason, measured=slope,
                 measure="outcome units a period", source=ROTH, details=(("bias", bias), ("power", power)))


def _few(base: Estimate) -> str:
    """Say that the drift is understated where the errors of the earlier differences are too small."""
    if not any(base.has_caveat(code) for code in ("small_cohorts", "small_comparison", "few_clusters_large_sample")):
        return ""
    return (" With so few treated or comparison units or clusters the errors of the earlier differences are somewhat too "
            "small, so that a larger drift than this could have stayed hidden.")


def _under_parallel_trends(path: EventPath, base: Estimate, conf_level: float) -> Estimate:
    found = infer(path.estimate, path.std_error, None, conf_level)
    return replace(base, id=f"{base.outcome}/sensitivity/parallel", method="sensitivity", term="parallel trends",
                   estimate=found.estimate, std_error=found.std_error, statistic=found.statistic, df=None,
                   p_value=found.p_value, conf_low=found.conf_low, conf_high=found.conf_high, conf_level=found.conf_level,
                   interval=(Segment(low=found.conf_low, high=found.conf_high),) if found.conf_low is not None else (),
                   effect_pct=_percent(base, found.estimate, found.conf_low, found.conf_high), details=())


def _percent(base: Estimate, value: float, low: float | None, high: float | None) -> PercentEffect | None:
    old = base.effect_pct
    if old is None:
        return None

    def share(x: float | None) -> float | None:
        if x is None or (old.base is not None and old.base <= 0):
            return None
        return float(100 * np.expm1(x)) if base.transform == "log" else 100 * x / (old.base or 1.0)

    found = share(value)
    return None if found is None else replace(old, value=found, low=share(low), high=share(high))


def _row(start: Estimate, kind: str, bound: float, ends: tuple[float | None, float | None]) -> Estimate:
    low, high = ends
    words = (f"later deviations at most {bound:g} times the largest before" if kind == "relative_magnitudes" else
             f"the slope changes by at most {bound:g} standard errors a period")
    card = StandardErrorCard(
        formula="conditional least-favourable hybrid" if kind == "relative_magnitudes" else "optimal fixed-length interval",
        correction="full covariance of the coefficients", level=start.se_card.level if start.se_card else "the unit",
        df_rule="normal", r_call="HonestDiD::createSensitivityResults" +
        ("_relativeMagnitudes(b, V, ...)" if kind == "relative_magnitudes" else "(b, V, ...)"), stata_call="honestdid")
    caveat = Caveat(code="trends_may_part", text=f"This interval allows for trends that part: {words}.",
                    values=(("bound", bound),))
    return replace(start, id=f"{start.outcome}/sensitivity/{kind}/{bound:g}", term=words, std_error=None, statistic=None,
                   p_value=None, conf_low=low, conf_high=high, interval=(Segment(low=low, high=high),), se_card=card,
                   vcov="robust set", effect_pct=_percent(start, start.estimate, low, high),
                   caveats=(*start.caveats, caveat),
                   reasons=(("std_error", "a set that allows for deviations has no standard error"),))


def _breakdown(start: Estimate, interval: Interval) -> float | None:
    """Largest bound at which zero stays outside, by halving; 0 where it is inside already, None where it never enters."""
    def outside(bound: float) -> bool:
        low, high = interval(bound)
        return (low is not None and low > 0) or (high is not None and high < 0)

    if not start.excludes_zero or not outside(0.0):
        return 0.0
    if outside(MOST):
        return None
    low, high = 0.0, MOST
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if outside(middle) else (low, middle)
    return math.floor(100 * low + 1e-9) / 100  # down, so that the interval at the bound named does not hold zero


def _check(start: Estimate, kind: str, value: float | None, earlier: int, parameter: str) -> Check:
    code = "sensitivity" if kind == "relative_magnitudes" else f"sensitivity_{kind}"
    told: dict[str, Any] = {"id": f"{code}:{start.outcome}", "title": TITLES[kind], "outcome": start.outcome,
            "source": RAMBACHAN, "measure": "times the largest earlier deviation" if kind == "relative_magnitudes" else
            "standard errors of the effect a period"}
    if value == 0.0 and not start.excludes_zero:
        words = "The interval holds zero under parallel trends already, so there is no conclusion that could fall."
        return Check(**told, verdict="not_applicable", word="nothing to overturn", reason=words)
    words = (_relative(value, earlier) if kind == "relative_magnitudes" else
             _bending(value, start.std_error or 0.0, start.transform))
    if parameter == "first":
        words = f"For the effect in the first period: {words[:1].lower()}{words[1:]}"
    firm = value is None or value >= 1
    return Check(**told, verdict="pass" if firm else "concern", word="holds" if firm else "fragile", reason=words,
                 measured=value, threshold=1.0)


def _relative(value: float | None, earlier: int) -> str:
    if value == 0.0:
        return "The sign falls as soon as any parting of trends is allowed."
    if value is None:
        return (f"The sign stands even if later trends parted by {MOST:g} times the largest change seen between "
                "neighbouring earlier periods.")
    return (f"The sign stands as long as later trends part by no more than {value:g} times the largest change seen "
            f"between neighbouring earlier periods ({earlier} earlier coefficients).")


def _bending(value: float | None, error: float, transform: str) -> str:
    """Say how far a drift may bend, in the outcome's unit."""
    if value == 0.0:
        return "The sign falls once a steady drift apart, carried on from before treatment, is allowed for."
    most = MOST if value is None else value
    size = amount(most * error, transform).lstrip("+")
    if value is None:
        return ("Allowing for a steady drift apart the sign stands, even if the drift's pace changed by "
                f"{size} from one period to the next.")
    return ("Allowing for a steady drift apart the sign stands, as long as the drift's pace changes by no more than "
            f"{size} from one period to the next ({value:g} standard errors of the effect).")

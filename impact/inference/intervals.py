"""From a standard error and its df to a statistic, a p-value and an interval that owns its level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from scipy import stats

NOISE = 1e-10  # a standard error this small beside its estimate is rounding noise, not precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """A number with its sampling error; ``df`` None means the normal distribution.

    A field that cannot be computed is None and ``reason`` says why.
    """

    estimate: float
    conf_level: float
    std_error: float | None = None
    df: float | None = None
    statistic: float | None = None
    p_value: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    reason: str = ""


def is_number(value: object) -> bool:
    """Tell whether a value is one real number, of Python or numpy."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_level(conf_level: float) -> float:
    """Return a confidence level that makes sense, as a share such as 0.95."""
    if not is_number(conf_level) or not 0.5 <= conf_level < 1:
        raise ValueError(f"conf_level is a share such as 0.95, not {conf_level!r}")
    return float(conf_level)


def infer(estimate: float, std_error: float, df: float | None, conf_level: float = 0.95) -> Inference:
    """Two-sided test of zero and symmetric interval.

    Parameters
    ----------
    estimate, std_error : in the same unit.
    df : Student t degrees of freedom; None for the normal.
    conf_level : a share, 0.95 for 95 per cent.
    """
    level = check_level(conf_level)
    if not (math.isfinite(std_error) and std_error > NOISE * abs(estimate)):
        return Inference(estimate=estimate, conf_level=level,
                         reason="the standard error is zero or cannot be computed: the outcome does not vary enough")
    if df is not None and not (math.isfinite(df) and df > 0):
        return Inference(estimate=estimate, conf_level=level, std_error=std_error,
                         reason="there are no degrees of freedom left")
    law = stats.norm if df is None else stats.t(df)
    statistic = estimate / std_error
    reach = float(law.ppf(0.5 + level / 2)) * std_error
    return Inference(estimate=estimate, conf_level=level, std_error=std_error, df=df, statistic=statistic,
                     p_value=float(2 * law.sf(abs(statistic))), conf_low=estimate - reach, conf_high=estimate + reach)

"""Were the groups alike before: standardised differences and variance ratios by covariate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.frame import check_columns, require_columns
from impact.inference.linear import Array
from impact.results import Check

if TYPE_CHECKING:
    import pandas as pd

MATCHED_LIMIT = 0.10  # standard deviations; Austin (2009, Statistics in Medicine 28)
TRIAL_LIMIT = 0.25  # Imbens & Rubin (2015, section 14.2): beyond it regression adjustment leans on the model


def balance_table(data: pd.DataFrame, *, treatment: str, covariates: Sequence[str], weights: Array | None = None,
                  denominator: str = "pooled") -> pd.DataFrame:
    """Means by arm, standardised difference and variance ratio of each covariate.

    Parameters
    ----------
    data : DataFrame, one row a unit; missing values are left out covariate by covariate.
    treatment : column of 1 and 0.
    covariates : numeric columns measured before treatment.
    weights : (n,) matching weights, or None. The denominator stays that of the unweighted data.
    denominator : "pooled" (root of the mean of the two arms' variances) or "treated".

    Returns
    -------
    DataFrame
        Columns ``covariate mean_treated mean_comparison smd variance_ratio n_missing``; differences in standard
        deviations. Yes/no covariates use p(1 − p) and have no variance ratio.

    Notes
    -----
    Reference cases: rct_jtrain2_balance and match_lalonde_balance (R cobalt).
    """
    import pandas as pd

    require_columns(data, treatment=treatment, covariates=covariates)
    check_columns(data, numbers=covariates, zero_one=(treatment,))
    if denominator not in ("pooled", "treated"):
        raise ValueError(f"denominator must be 'pooled' or 'treated', not {denominator!r}")
    treated = data[treatment].to_numpy(dtype=float)
    w = np.ones(len(data)) if weights is None else weights
    rows = [_row(name, data[name].to_numpy(dtype=float), treated, w, denominator) for name in covariates]
    return pd.DataFrame(rows, columns=["covariate", "mean_treated", "mean_comparison", "smd", "variance_ratio",
                                       "n_missing"])


def _row(name: str, values: Array, treated: Array, weights: Array, denominator: str) -> dict[str, object]:
    known = ~np.isnan(values)
    yes_no = bool(np.isin(values[known], (0.0, 1.0)).all())
    arms = [known & (treated == arm) for arm in (1, 0)]

    def variance(rows: Any) -> float:
        x = values[rows]
        if yes_no:
            return float(x.mean() * (1 - x.mean())) if len(x) else math.nan
        return float(x.var(ddof=1)) if len(x) > 1 else math.nan

    means = [float(np.average(values[a], weights=weights[a])) if weights[a].sum() > 0 else math.nan for a in arms]
    variances = [variance(a) for a in arms]
    scale = math.sqrt(variances[0] if denominator == "treated" else (variances[0] + variances[1]) / 2)
    gap = means[0] - means[1]
    ratio = variances[0] / variances[1] if not yes_no and variances[1] > 0 else math.nan
    return {"covariate": name, "mean_treated": means[0], "mean_comparison": means[1],
            "smd": gap / scale if scale > 0 else (0.0 if gap == 0 else math.nan), "variance_ratio": ratio,
            "n_missing": int((~known).sum())}


def balance(data: pd.DataFrame, *, treatment: str, covariates: Sequence[str], weights: Array | None = None,
            randomised: bool = False, remedy: str = "") -> Check:
    """Examine whether treated and comparison units were alike before.

    Parameters
    ----------
    data, treatment, covariates, weights : as :func:`balance_table`.
    randomised : True for a trial: then an imbalance is chance and never fails the trial.
    remedy : what is done about a chance imbalance, as the end of a sentence ('the estimate adjusts for them').

    Returns
    -------
    Check
        ``measured`` is the largest absolute standardised difference, in standard deviations.
    """
    title = "Groups alike at the start" if randomised else "Groups alike after matching" if weights is not None else (
        "Groups alike before the programme")
    if not covariates:
        return Check(id="balance", title=title, verdict="not_applicable", word="not examined",
                     reason="No covariate measured before the programme was declared.", measure="standard deviations")
    table = balance_table(data, treatment=treatment, covariates=covariates, weights=weights,
                          denominator="pooled" if randomised else "treated")
    limit = TRIAL_LIMIT if randomised else MATCHED_LIMIT
    gaps = [(str(name), float(smd)) for name, smd in zip(table["covariate"], table["smd"], strict=True)]
    over = [name for name, smd in gaps if not abs(smd) <= limit]
    known = [(abs(smd), name) for name, smd in gaps if not math.isnan(smd)]
    largest, where = max(known, default=(None, ""))
    count = f"{len(table) - len(over)} of {len(table)} traits within {limit:g} standard deviations"
    if not over:
        reason = f"{count}; the largest difference is {largest:.2f} ({where})."
    elif randomised:
        reason = f"{count}; {', '.join(over[:4])} differ{'s' if len(over) == 1 else ''} more, which in a draw is chance" \
                 f"{'; ' + remedy if remedy else ''}."
    else:
        reason = f"{count}; {', '.join(over[:4])} stay{'s' if len(over) == 1 else ''} apart, the largest by " \
                 f"{largest if largest is not None else math.nan:.2f} ({where})."
    return Check(
        id="balance", title=title, verdict="pass" if not over or randomised else "concern",
        word="alike" if not over else "chance differences" if randomised else "not alike", reason=reason,
        measured=largest, threshold=limit, measure="standard deviations, largest absolute difference",
        source="Imbens & Rubin (2015, section 14.2)" if randomised else "Austin (2009), Statistics in Medicine 28",
        details=tuple(gaps))


def draw_record(record: str, rule: str | None) -> Check:
    """Examine whether the draw is proved: by its record, never by balance.

    Parameters
    ----------
    record : what the study file says of the record of the draw; empty when it says nothing.
    rule : the declared rule of assignment, or None.
    """
    title = "Record of the draw"
    if record and rule:
        return Check(id="draw_record", title=title, verdict="pass", word="stated", source="design.assignment",
                     reason=f"Rule: {rule}. Record: {record}")
    missing = " and ".join(x for x, known in (("its rule", rule), ("its record", record)) if not known)
    return Check(id="draw_record", title=title, verdict="concern", word="not stated", source="design.assignment",
                 reason=f"The study calls itself randomised and does not state {missing} (design.assignment).")

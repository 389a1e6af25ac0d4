"""Encouragement designs: the lot decides who is encouraged, and everybody may choose to take part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from impact.data.frame import as_names, check_columns, require_columns
from impact.inference.report import is_share
from impact.rct.complier import late
from impact.rct.regression import ols
from impact.results import Caveat, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

STRONG = 23.1  # first-stage F from which the bias is at most a tenth (Montiel Olea & Pflueger 2013, one instrument)
NOMINAL = 104.7  # first-stage F from which an ordinary 95 per cent interval holds its level (Lee and others 2022)
COMPLIER_QUESTION = ("the average effect of taking part, on those who took part because they were encouraged (compliers); "
                     "it says nothing of those who would take part anyway or never")
TAKEUP_QUESTION = "by how much being encouraged changed taking part, on all who were in the draw"
ITT_QUESTION = "the average effect of being encouraged, whether or not a unit then took part, on all who were in the draw"
ASSUMPTIONS = (
    "Who was encouraged was decided by lot.",
    "The encouragement changes the outcome only through taking part: no advice, money or attention reached the encouraged "
    "otherwise (exclusion).",
    "Nobody stays away because they were encouraged (monotonicity).",
    "One unit's encouragement does not change another unit's taking part or outcome.",
    "Those found again are comparable between the two groups.",
)
BY_LOT = (ASSUMPTIONS[0], *ASSUMPTIONS[3:])


def encouragement(data: pd.DataFrame, *, outcome: str, encouragement: str, takeup: str, covariates: Sequence[str] = (),
                  strata: str | None = None, cluster: str | None = None, weights: str | None = None,
                  vcov: str | None = None, transform: str = "none", conf_level: float = 0.95, seed: int = 0) -> Estimates:
    """Effect of taking part where encouragement to take part was drawn and taking part was free.

    Parameters
    ----------
    encouragement : column of 1 (encouraged) and 0 (not), as drawn.
    takeup : column of 1 (took part) and 0 (did not), for encouraged and others alike; or an amount taken.
    data, outcome, covariates, strata, cluster, weights, vcov, transform, conf_level, seed
        As :func:`impact.rct.ols`.

    Returns
    -------
    Estimates
        Three rows on the same units: the effect of taking part on compliers (:func:`impact.rct.late`), the effect of the
        encouragement on taking part (a share, or in units of an amount; ``details`` has its ``first_stage_f``), and the
        effect of the encouragement on the outcome. The first is the third over the second.

    Raises
    ------
    DataError, DesignError
        As :func:`impact.rct.late`; also when the encouragement moves nobody.

    Notes
    -----
    Assumes an encouragement drawn by lot that moves take-up one way, and outcomes through take-up alone.
    Estimands: LATE, first stage, ITT (Imbens & Angrist 1994, Econometrica 62; Duflo, Glennerster & Kremer 2007,
    Handbook of Development Economics 4). F is the squared robust t of the first stage, which with one instrument is the
    effective F of Montiel Olea & Pflueger (2013, JBES 31). Below 23.1, their bound for a bias of a tenth, the caveat
    ``weak_encouragement`` is set and names the Anderson–Rubin set, which needs no strength; below 10 that set is the
    interval. An ordinary 95 per cent interval holds its level whatever the data only from 104.7 on (Lee, McCrary, Moreira &
    Porter 2022, AER 112); that F is in ``details`` as ``nominal_f``. Reference cases: rct_college_iv_classical,
    rct_college_iv_hc2, and the reduced and first stage against :func:`impact.rct.ols` (tests/test_encouraged.py).
    """
    covariates = as_names(covariates)
    require_columns(data, outcome=outcome, encouragement=encouragement, takeup=takeup, covariates=covariates, strata=strata,
                    cluster=cluster, weights=weights)
    check_columns(data, zero_one=(encouragement,), numbers=(takeup,))
    shared: dict[str, Any] = {"treatment": encouragement, "covariates": covariates, "strata": strata, "cluster": cluster,
              "weights": weights, "vcov": vcov, "conf_level": conf_level}
    complier = late(data, outcome=outcome, takeup=takeup, transform=transform, **shared)
    known = data[[outcome, takeup]].notna().all(axis=1)  # all three speak of the same rows
    found = data.assign(**{name: data[name].astype(float).where(known) for name in (outcome, takeup)})
    first = ols(found, outcome=takeup, seed=seed, **shared)
    itt = ols(found, outcome=outcome, transform=transform, seed=seed, **shared)
    f = dict(complier.details)["first_stage_f"]
    amount = not is_share(found.loc[known, takeup].to_numpy())
    complier = replace(complier, question=COMPLIER_QUESTION, assumptions=ASSUMPTIONS,
                       details=(*complier.details, ("nominal_f", NOMINAL)))
    first = replace(first, outcome=takeup, question=TAKEUP_QUESTION, assumptions=BY_LOT, estimand="first_stage",
                    unit=f"units of {takeup}" if amount else "share who took part", details=(*first.details,
                                                                                             ("first_stage_f", f)))
    itt = replace(itt, question=ITT_QUESTION, assumptions=BY_LOT)
    if f < STRONG:
        complier, first = (row.with_caveats(_weak(complier, f)) for row in (complier, first))
    terms = ("complier effect", f"effect on {'amount' if amount else 'taking part'}", "effect of encouragement")
    return Estimates(rows=tuple(
        replace(row, id=f"{outcome}/encouragement/{slug}", term=term, method="encouragement", dropped=complier.dropped)
        for row, term, slug in zip((complier, first, itt), terms, ("complier", "takeup", "itt"), strict=True)))


def _weak(complier: Estimate, f: float) -> Caveat:
    """Say that the encouragement moved few, and what set holds all the same."""
    sets = dict(complier.details)["anderson_rubin"]
    shown = " or ".join(f"{'minus infinity' if low is None else f'{low:.4g}'} to "
                        f"{'infinity' if high is None else f'{high:.4g}'}" for low, high in sets) or "empty"
    return Caveat(code="weak_encouragement", text=f"The encouragement moved taking part weakly (robust F = {f:.1f}, below "
                  f"{STRONG}): the effect on compliers leans towards the plain comparison of those who took part with "
                  f"those who did not, and its usual interval may be too short. The Anderson–Rubin set holds all the "
                  f"same: {shown}.",
                  values=(("f", f), ("threshold", STRONG)))

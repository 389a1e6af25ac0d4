"""Small trials: exact tests of a share and of ranks, where units themselves were drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import Selection, check_columns, require_columns
from impact.errors import DesignError, Problem
from impact.inference.exact import fisher_exact_table, rank_sum_exact
from impact.inference.intervals import Inference, check_level
from impact.inference.linear import Array
from impact.inference.report import make_estimate, spread
from impact.inference.shares import newcombe_interval
from impact.rct.assignment import check_draw, comparison_mean
from impact.rct.means import QUESTION
from impact.rct.trial import count_sides, keep_known
from impact.results import Caveat, Estimate, Segment, StandardErrorCard

if TYPE_CHECKING:
    import pandas as pd

EXACT = (
    "Who was offered the programme was decided by lot, unit by unit, with the number offered fixed.",
    "One unit's offer does not change another unit's outcome.",
    "Those found again are comparable between the two groups.",
)
SHIFT_QUESTION = ("by how much being offered the programme moved the outcome, the same for every unit (the median of all "
                  "differences between an offered and a comparison unit), on all who were in the draw and were found again")
ONE_SHIFT = ("The offer moves every unit's outcome by the same amount (for the shift and its interval; the p-value needs "
             "no such thing).")
NO_ERROR = "an exact test and its interval need no standard error"


def exact_share_test(data: pd.DataFrame, *, outcome: str, treatment: str, strata: str | None = None,
                     cluster: str | None = None, conf_level: float = 0.95) -> Estimate:
    """Difference between two shares, with Fisher's exact p-value and an interval that holds in small samples.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column of 1 (yes) and 0 (no). treatment : column of 1 (offered) and 0 (not).
    strata, cluster : refused where given, with the method to use instead.
    conf_level : a share.

    Returns
    -------
    Estimate
        The difference of shares, in points as a share of 1. ``details`` holds the table and the conditional odds ratio with
        its exact interval.

    Raises
    ------
    DataError
        As :func:`impact.rct.difference_in_means`; also when the outcome is not 0/1.
    DesignError
        With strata or clusters, or with one arm only.

    Notes
    -----
    Assumes a draw by lot of single units, with the number offered fixed.
    Estimand: ITT. p: Fisher (1935), exact for 'the offer changed nobody's answer'. Interval: Newcombe (1998, Statistics in
    Medicine 17, 873–890, method 10), from the Wilson interval of each share; it does not come from the test, so that at the
    margin the two may differ. Reference cases: inf_tz_fisher_exact (base R 4.2.2); 56 of 70 against 48 of 80 gives 0.0524
    to 0.3339 (Newcombe 1998, table II).
    """
    _refuse_groups("exact_share_test", strata, cluster)
    rows, y, offered = _two_groups(data, outcome, treatment, zero_one=True)
    one, zero = (y[offered == arm] for arm in (1, 0))
    low, high = newcombe_interval(float(one.sum()), len(one), float(zero.sum()), len(zero), conf_level)
    table = ((int(one.sum()), int(zero.sum())), (int((1 - one).sum()), int((1 - zero).sum())))
    test = fisher_exact_table(table, conf_level)
    card = StandardErrorCard(
        formula="Newcombe's interval from two Wilson intervals; Fisher's exact p", correction="none", level="the unit",
        df_rule="exact", clusters_treated=len(one), clusters_comparison=len(zero),
        r_call="fisher.test(table(y, d)); DescTools::BinomDiffCI(x1, n1, x0, n0, method = 'score')",
        stata_call="tabulate y d, exact; rdci")
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="exact_share_test", estimand="itt", vcov="exact", card=card,
        inference=Inference(estimate=float(one.mean() - zero.mean()), conf_level=check_level(conf_level),
                            p_value=test.p_value, conf_low=low, conf_high=high, reason=NO_ERROR),
        counts=count_sides(offered > 0, offered <= 0, None), base=comparison_mean(y, offered, "none"),
        question=QUESTION, assumptions=EXACT, outcome_sd=spread(zero), dropped=rows.dropped, share=True,
        details=(("table", table), ("odds_ratio", _finite(test.odds_ratio)), ("odds_ratio_low", test.low),
                 ("odds_ratio_high", _finite(test.high))))
    return _exact(estimate)


def rank_test(data: pd.DataFrame, *, outcome: str, treatment: str, strata: str | None = None, cluster: str | None = None,
              conf_level: float = 0.95) -> Estimate:
    """Shift of the outcome by ranks, with an exact p-value and interval that no extreme value can sway.

    Parameters
    ----------
    data : DataFrame, one row a unit; at most 200 with the outcome.
    outcome : column, in its own unit. treatment : column of 1 (offered) and 0 (not).
    strata, cluster : refused where given, with the method to use instead.
    conf_level : a share.

    Returns
    -------
    Estimate
        The Hodges–Lehmann shift, in the outcome's unit. ``details`` holds Mann–Whitney's U, the share of pairs in which the
        offered unit is higher, the level the interval attains and the smallest p these units can give. With too few units
        for the level the interval is unbounded and says so.

    Raises
    ------
    DataError
        As :func:`impact.rct.difference_in_means`.
    DesignError
        With strata or clusters, with one arm only, or with more than 200 units.

    Notes
    -----
    Assumes a draw by lot of single units, with the number offered fixed.
    Estimand: ITT as one shift for all units; the p-value also holds without that, for 'the offer changed nobody's outcome'.
    Wilcoxon (1945); Hodges & Lehmann (1963, Annals of Mathematical Statistics 34). Ties share their ranks; the interval
    then has at least its level, and may end at 0 where the p-value, which is exact, is below one minus the level.
    Reference cases: inf_jtrain_wilcoxon_exact (exactRankTests 0.8.35), R 4.2.2 wilcox.test (tests/test_exact.py).
    """
    _refuse_groups("rank_test", strata, cluster)
    rows, y, offered = _two_groups(data, outcome, treatment, zero_one=False)
    test = rank_sum_exact(y, offered, conf_level)
    zero, counts = y[offered == 0], count_sides(offered > 0, offered <= 0, None)
    pairs = float(offered.sum() * (1 - offered).sum())
    caveats = []
    if test.tied:
        caveats.append(Caveat(code="ties", text="Some outcomes are equal and share their ranks: the p-value counts them "
                              "so and decides about zero; the interval has at least its level and may touch zero still."))
    if test.low is None:
        caveats.append(Caveat(code="level_unattainable", text=f"{counts.treated} treated and {counts.comparison} "
                              f"comparison units are too few for an interval at {conf_level:.0%}: no shift is excluded.",
                              values=(("smallest_p", test.smallest_p),)))
    r_call = "wilcox.test(y[d == 1], y[d == 0], conf.int = TRUE, exact = TRUE)"
    card = StandardErrorCard(
        formula="Wilcoxon rank sum, all draws counted", correction="mid-ranks at ties", level="the unit", df_rule="exact",
        clusters_treated=counts.treated, clusters_comparison=counts.comparison,
        r_call="exactRankTests::wilcox.exact(y ~ d)" if test.tied else r_call, stata_call="ranksum y, by(d) exact")
    estimate = make_estimate(
        outcome=outcome, term=treatment, method="rank_test", estimand="itt", vcov="exact", card=card, base=None,
        inference=Inference(estimate=test.shift, conf_level=check_level(conf_level), p_value=test.p_value,
                            conf_low=test.low, conf_high=test.high, reason=NO_ERROR),
        counts=counts, question=SHIFT_QUESTION,
        assumptions=(*EXACT, ONE_SHIFT),
        outcome_sd=spread(zero), dropped=rows.dropped, caveats=caveats,
        details=(("u", test.statistic), ("share_higher", test.statistic / pairs), ("attained_level", test.attained_level),
                 ("smallest_p", test.smallest_p)))
    if test.low is None:
        estimate = replace(estimate, interval=(Segment(),))
    return replace(_exact(estimate), comparison_mean=float(np.median(zero)), comparison_label="comparison median",
                   reasons=(*estimate.reasons, ("effect_pct", "a shift by ranks is not a share of a mean")))


def _refuse_groups(method: str, strata: str | None, cluster: str | None) -> None:
    problems = [Problem(
        where=f"{role} '{name}'", what=f"{method} counts draws of single units, and this draw was made by {role}",
        cure=f"Use difference_in_means with {role}='{name}'; with few {noun} it draws again exactly as declared.")
        for role, name, noun in (("strata", strata, "units"), ("cluster", cluster, "clusters")) if name is not None]
    if problems:
        raise DesignError(problems, source="design")


def _two_groups(data: pd.DataFrame, outcome: str, treatment: str, *, zero_one: bool) -> tuple[Selection, Array, Array]:
    require_columns(data, outcome=outcome, treatment=treatment)
    check_columns(data, numbers=() if zero_one else (outcome,), zero_one=(treatment, *((outcome,) if zero_one else ())))
    rows = keep_known(data, ((treatment, "treatment"), (outcome, "outcome")))
    check_draw(rows, treatment=treatment)
    return rows, rows.numbers(outcome), rows.numbers(treatment)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _exact(estimate: Estimate) -> Estimate:
    """Take back the caveat that units are few: an exact test is made for few units."""
    kept: Sequence[Caveat] = [c for c in estimate.caveats if c.code != "few_clusters"]
    return replace(estimate, caveats=tuple(kept))

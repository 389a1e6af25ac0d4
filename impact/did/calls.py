"""Calls of R and Stata that give the same number, in generic names; empty where there is none.

Names stand for the reader's own columns: y the outcome, d the treatment, x covariates, w weights, g the clusters where they
are not the units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from impact.results import StandardErrorCard

if TYPE_CHECKING:
    from impact.did.layout import Layout

# covariance, and how fixest is told: its default counts period effects and not those nested in the cluster
SMALL_SAMPLE = {"CR1S": "", "CR1": ", ssc = fixest::ssc(adj = FALSE)",
                "CR0": ", ssc = fixest::ssc(adj = FALSE, cluster.adj = FALSE)"}
ALSO_THEIRS = ("weight_not_positive", "unit_all_zero", "period_all_zero")  # besides missing values
UNCLUSTERED = {"classical": "'iid'", "HC1": "'hetero'"}


def same_rows(lay: Layout, made: Sequence[str] = ()) -> bool:
    """Whether R and Stata, given the whole table, use the rows used here: they leave out missing values, nobody else.

    ``made`` are reasons that hold of a table which the reader first has to make, such as stacks.
    """
    return all(d.reason.endswith("_missing") or d.reason in ALSO_THEIRS or d.reason in made for d in lay.rows.dropped)


def errors_by(lay: Layout) -> str:
    """Generic name of the clusters."""
    return "unit" if lay.asked.cluster in (None, lay.asked.unit) else "g"


def fixest(lay: Layout, term: str, effects: str = "unit + time", *, function: str = "feols", vcov: str = "CR1S",
           weighted: bool = False, made: Sequence[str] = ()) -> str:
    """Call of fixest for one regression; ``weighted`` where the method makes weights of its own; ``made`` as above."""
    if not same_rows(lay, made):
        return ""
    if vcov not in SMALL_SAMPLE and vcov not in UNCLUSTERED:
        return ""
    weights = ", weights = ~w" if weighted or lay.asked.weights else ""
    errors = UNCLUSTERED.get(vcov, f"~{errors_by(lay)}{SMALL_SAMPLE.get(vcov, '')}")
    return f"fixest::{function}(y ~ {term}{' + x' * bool(lay.labels)} | {effects}{weights}, vcov = {errors})"


def two_way_in_stata(lay: Layout) -> str:
    """Call of Stata for two-way fixed effects with CR1S; weights may differ within a unit, which xtreg refuses."""
    x, level = " x" * bool(lay.labels), errors_by(lay)
    if not same_rows(lay):
        return ""
    if lay.asked.weights:
        return f"reghdfe y d{x} [pw=w], absorb(unit time) vce(cluster {level})"
    return f"xtreg y d{x} i.time, fe vce(cluster {level})"


def poisson_in_stata(lay: Layout) -> str:
    """Call of Stata for Poisson regression."""
    if not same_rows(lay):
        return ""
    weights = " [pw=w]" * bool(lay.asked.weights)
    return f"ppmlhdfe y d{' x' * bool(lay.labels)}{weights}, absorb(unit time) cluster({errors_by(lay)})"


def imputation_calls(lay: Layout, leave_out: bool) -> tuple[str, str]:
    """Calls of R and Stata for imputation; R has no leave-out errors."""
    if not same_rows(lay):
        return "", ""
    own, weights = errors_by(lay) == "unit", bool(lay.asked.weights)
    r = ("didimputation::did_imputation(data, yname = 'y', gname = 'first', tname = 'time', idname = 'unit'"
         f"{', first_stage = ~ x | unit + time' * bool(lay.labels)}{', wname = ' + repr('w') if weights else ''}"
         f"{'' if own else ', cluster_var = ' + repr('g')})")
    stata = (f"did_imputation y unit time first{' [aw=w]' * weights}, autosample{' controls(x)' * bool(lay.labels)}"
             f"{'' if own else ' cluster(g)'} avgeffectsby(first time){' leaveout' * leave_out}")
    return ("" if leave_out else r), stata


def group_time_calls(lay: Layout, method: str, base_period: str) -> tuple[str, str]:
    """Calls of R and Stata for the overall group-time effect.

    R's did compares either units seen in every period or, with ``allow_unbalanced_panel``, single rows: the pairs of each
    comparison of a panel with gaps it does not form. Neither program keeps the season.
    """
    import pandas as pd

    asked = lay.asked
    whole = lay.n == (int(lay.units.max()) + 1) * len(pd.unique(lay.when))
    gaps = not whole or (asked.unbalanced == "balanced" and any(d.reason == "not_in_all_periods" for d in lay.rows.dropped))
    again = not asked.paired and asked.unit is not None and int(lay.units.max()) + 1 < lay.n
    late = any(d.reason == "treated_unseen" for d in lay.rows.dropped)  # R's did takes them for never treated
    if asked.season is not None or late or again or (asked.paired and gaps and asked.unbalanced == "within_cell"):
        return "", ""
    control = "nevertreated" if asked.control_group == "never_treated" else "notyettreated"
    clusters, weights, x = asked.cluster not in (None, asked.unit), bool(asked.weights), bool(lay.labels)
    rows = asked.unbalanced == "repeated_cross_section" and asked.paired and gaps
    parts = [f"xformla = ~ {'x' if x else '1'}", f"est_method = '{method}'", f"control_group = '{control}'",
             f"base_period = '{base_period}'", f"anticipation = {asked.anticipation:g}",
             f"panel = {'TRUE' if asked.paired else 'FALSE'}", *_given(("allow_unbalanced_panel = TRUE", rows), (
                 "weightsname = 'w'", weights), ("clustervars = 'g'", clusters)),
             f"bstrap = {'TRUE' if clusters else 'FALSE'}"]  # R clusters above the unit in its bootstrap only
    r = f"did::aggte(did::att_gt('y', 't', 'unit', 'first', data, {', '.join(parts)}), type = 'simple')"
    if asked.anticipation or (asked.paired and gaps):
        return r, ""
    kernel = {"dr": "dripw", "reg": "reg", "ipw": "stdipw"}[method]
    options = [*_given(("ivar(unit)", asked.paired)), "time(t)", "gvar(first)", f"method({kernel})", *_given(
        ("notyet", control == "notyettreated"), ("cluster(g)", clusters))]
    return r, f"csdid y{' x' * x}{' [iw=w]' * weights}, {' '.join(options)}; estat simple"


def group_time_part(card: StandardErrorCard, kind: str, place: str = "", *, before: bool = False) -> StandardErrorCard:
    """Point the calls of the overall group-time effect at another average, at one part of it (``place``) or at a cell.

    ``before`` treatment Stata's cells are steps from period to period: with a universal base they are not ours.
    """
    r, stata = card.r_call, card.stata_call
    if kind == "cell":
        r, stata = r.removeprefix("did::aggte(").removesuffix(", type = 'simple')"), stata.removesuffix("; estat simple")
    else:
        r = r.replace("type = 'simple'", f"type = '{kind}'")
        stata = stata.replace("estat simple", f"estat {'event' if kind == 'dynamic' else kind}")
    told = place if kind == "cell" else f"att.egt, egt = {place}" if place else "overall.att" * (kind != "simple")
    return replace(card, r_call=f"{r} # {told}" if r and told else r,
                   stata_call="" if before and "'universal'" in card.r_call else stata)


def cell_average_part(card: StandardErrorCard, method: str, kind: str, place: float | None) -> StandardErrorCard:
    """Point the calls of the overall effect at another average: both programs give effects by horizon, and no other.

    ``place`` is the distance from the start in units of time; None is an average over parts.
    """
    r, stata = card.r_call, card.stata_call
    if kind == "simple":
        return card
    if kind != "dynamic" or place is None or not r + stata:
        return replace(card, r_call="", stata_call="")
    if method == "sun_abraham":
        call = r.removeprefix("summary(").removesuffix(", agg = 'att')")
        return replace(card, r_call=f"{call} # time::{place:.12g}")
    return replace(card, r_call=f"{r[:-1]}, horizon = TRUE) # term {place:.12g}" if r else "",
                   stata_call=f"{stata} allhorizons // tau{place:.12g}" if stata else "")


def _given(*options: tuple[str, bool]) -> Sequence[str]:
    return [text for text, wanted in options if wanted]

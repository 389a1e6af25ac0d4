"""Parallel trends before treatment: examined where there is more than one earlier period, never 'passed'."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from impact.data.frame import transformed
from impact.data.panel import EVEN, Panel, select_panel, spacing
from impact.inference.contrasts import difference
from impact.inference.intervals import Inference, infer
from impact.inference.report import FEW_CLUSTERS
from impact.results import Check

if TYPE_CHECKING:
    import pandas as pd

DRIFT = 0.10  # p-value below which an earlier drift is called seen; lenient, because such tests are weak
SOURCE = "Roth (2022), AER: Insights 4: a test of earlier trends has little power"


def pretrends(data: pd.DataFrame, *, outcome: str, unit: str, time: str, first_treated: str,
              control_group: str = "never_treated", cluster: str | None = None, transform: str = "none",
              conf_level: float = 0.95, anticipation: float = 0) -> tuple[Check, ...]:
    """Compare changes between adjacent earlier periods, one check for each group by first treated period.

    Parameters
    ----------
    data, outcome, unit, time, first_treated, control_group, cluster, transform, conf_level
        As :func:`impact.did.two_by_two`.
    anticipation : periods before treatment in which it may already act; they are not compared.

    Returns
    -------
    tuple of Check
        ``not_applicable`` with the word 'not examined' where a group has one earlier period, or fewer than six units (or
        clusters) on a side; otherwise 'examined' or 'drift seen': the smallest p-value, times the number of steps looked
        at. ``measured`` is the difference in change it belongs to, told with an interval that holds for all steps.
    """
    panel = select_panel(data, outcome=outcome, unit=unit, time=time, first_treated=first_treated, cluster=cluster)
    if panel.first is None:
        raise ValueError("first_treated is needed")
    first = panel.first[panel.rows.kept]
    checks = []
    for cohort in np.unique(first[np.isfinite(first)]):
        checks.append(_cohort(panel, float(cohort), outcome, unit, time, control_group, cluster, transform, conf_level,
                              anticipation))
    return tuple(checks)


def _cohort(panel: Panel, cohort: float, outcome: str, unit: str, time: str, control_group: str, cluster: str | None,
            transform: str, conf_level: float, anticipation: float) -> Check:
    rows = panel.rows
    first = panel.first[rows.kept] if panel.first is not None else np.empty(0)
    frame = rows.data.loc[rows.kept, [unit, time]].assign(
        _y=transformed(rows.numbers(outcome), transform, outcome, rows.kept.nonzero()[0]), _first=first,
        _g=rows.codes(cluster) if cluster not in (None, unit) else 0)
    ahead = (anticipation + EVEN) * (spacing(np.unique(frame[time])) or 1.0)
    earlier = np.unique(frame.loc[(frame["_first"] == cohort) & (frame[time] < cohort - ahead), time])
    name = f"Earlier trend, first treated {cohort:.12g}"
    identifier = f"pretrend_{cohort:.12g}"
    if len(earlier) < 2:
        return _not_examined(identifier, name, outcome, f"{'One earlier period' if len(earlier) else 'No earlier period'}"
                             f" only for units first treated in {cohort:.12g}: whether they moved in parallel before "
                             "cannot be seen.")
    found: list[tuple[str, Inference]] = []
    clustered = cluster not in (None, unit)
    for early, late in pairwise(earlier):
        wide = frame[frame[time].isin((early, late))].pivot(index=unit, columns=time, values="_y").dropna()
        start = frame.drop_duplicates(unit).set_index(unit).loc[wide.index]
        treated = (start["_first"] == cohort).to_numpy(dtype=float)
        other = np.isinf(start["_first"]) if control_group == "never_treated" else start["_first"] > cohort
        use = (treated == 1) | other.to_numpy()
        change = (wide[late] - wide[early]).to_numpy()[use]
        d = treated[use]
        clusters = np.unique(start["_g"].to_numpy()[use], return_inverse=True)[1].astype(np.int64) if clustered else None
        own = np.arange(len(d)) if clusters is None else clusters
        if min(len(np.unique(own[d == side])) for side in (0, 1)) < FEW_CLUSTERS:
            continue
        gap = difference(change, d, clusters=clusters)
        found.append((f"{early:.12g}–{late:.12g}", infer(gap.estimate, gap.std_error, gap.df, conf_level)))
    known = [(label, i) for label, i in found if i.p_value is not None]
    if not known:
        return _not_examined(identifier, name, outcome, f"Too few to say: fewer than {FEW_CLUSTERS} "
                             f"{'clusters' if clustered else 'units'} first treated in {cohort:.12g}, or as few others, "
                             "are measured in two adjacent earlier periods.")
    return _examined(identifier, name, outcome, known, transform)


def _not_examined(identifier: str, title: str, outcome: str, reason: str) -> Check:
    return Check(id=identifier, title=title, verdict="not_applicable", word="not examined", reason=reason,
                 outcome=outcome, source=SOURCE)


def _examined(identifier: str, title: str, outcome: str, found: list[tuple[str, Inference]], transform: str) -> Check:
    label, worst = min(found, key=lambda pair: pair[1].p_value if pair[1].p_value is not None else 1.0)
    p = min(1.0, len(found) * (worst.p_value if worst.p_value is not None else 1.0))

    def show(x: float | None) -> str:
        if x is None:
            return "unknown"
        text = f"{100 * np.expm1(x):.0f}%" if transform == "log" else f"{x:.3g}"
        return text.replace("-", "−")

    drift, level = p < DRIFT, worst.conf_level
    # the largest of several was picked: its interval has to hold for all of them, as the test does
    joint = infer(worst.estimate, worst.std_error or 0.0, worst.df, 1 - (1 - level) / len(found))
    interval = f"{show(joint.conf_low)} to {show(joint.conf_high)}{' for all steps at once' if len(found) > 1 else ''}"
    most = f", where the {len(found)} steps differ most" if len(found) > 1 else ""
    reason = (f"Before treatment ({label}{most}) these units' change differed from the comparison's by "
              f"{show(worst.estimate)} ({level:.0%} interval {interval}); " + (
                  "a drift before treatment is seen." if drift else
                  "a drift inside that interval cannot be ruled out."))
    return Check(id=identifier, title=title, verdict="concern" if drift else "pass",
                 word="drift seen" if drift else "examined", reason=reason, outcome=outcome,
                 measured=worst.estimate, threshold=DRIFT, measure="largest earlier difference in change, outcome's unit "
                 "or log points; threshold is a p-value", source=SOURCE,
                 details=tuple((name, i.estimate) for name, i in found))

"""What surrounds the effects of one study: checks, the flow of units, trends, and the ledger of rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from impact import checks
from impact.data.privacy import speakable
from impact.data.sample import Sample
from impact.dced.workbooks import neutral
from impact.inference.linear import Array, Codes
from impact.matching import MatchedEstimate
from impact.results import Check, Dropped, Estimate, Evaluation, Flow, Stage, TrendPoint
from impact.study.methods import FOLLOWED
from impact.study.types import ROW_NUMBER, Outcome, words

SMALLEST_CELL = 5  # a mean of fewer units would tell of single firms
# methods that rest on the plain trends of the groups being parallel; the others assume something else of the past
PLAIN_TRENDS = ("two_way_fixed_effects", "two_by_two", "group_time_att", "event_study", "imputation", "sun_abraham",
                "stacked")
WEIGHTING = ("inverse_probability", "entropy_balance", "aipw")
EQUAL = ("entropy_balance", "regression_adjustment")  # means of covariates are made equal by construction
EARLIER = ", before"  # after an outcome's column: the same worker's value in the earlier round
DRAWN = "_drawn"  # column of who lives in a cluster that was drawn


def examine(sample: Sample, estimates: Sequence[Estimate]) -> tuple[Check, ...]:
    """Run the checks of the design's family on the primary outcomes."""
    sample, design = _examined(sample), sample.study.design
    out: list[Check] = []
    if design.kind == "rct":
        assignment = design.assignment
        proof = checks.draw_record(words(assignment.record if assignment else None),
                                   assignment.rule if assignment else None)
        out.append(proof)
        once = sample.frame.drop_duplicates(sample.unit)  # rounds repeat what was measured before
        said = _said(sample)
        out.append(checks.balance(once.rename(columns=said), treatment=str(sample.treatment), randomised=True,
                                  on_record=proof.verdict == "pass",
                                  covariates=[said.get(name, name) for name in _before(sample)],
                                  remedy=_remedy(sample, estimates)))
    if design.kind == "matching":
        out += _matching(sample, estimates)
    for outcome in sample.study.primaries:
        found, treated, groups = _found(sample, outcome)
        what = "not found again"
        if design.kind == "did":
            found, what = _at_the_end(sample, outcome, found)
        out.append(checks.attrition(found, treated, outcome=outcome.name, what=what,
                                    unknown=len(sample.units()) - len(treated), clusters=groups,
                                    conf_level=sample.study.analysis.conf_level))
        if design.kind == "did":
            out += [replace(c, outcome=outcome.name) for c in _earlier_trends(sample, outcome)]
    return _told_apart(out)


def _told_apart(checks_made: Sequence[Check]) -> tuple[Check, ...]:
    """Let the id of a check name its outcome where an earlier check of another outcome goes by the same."""
    seen: set[str] = set()
    out = []
    for check in checks_made:
        mine = replace(check, id=f"{check.id}:{check.outcome}") if check.id in seen and check.outcome else check
        seen.add(mine.id)
        out.append(mine)
    return tuple(out)


def _earlier_trends(sample: Sample, outcome: Outcome) -> Sequence[Check]:
    """Compare plain earlier trends where the primary method rests on them; say so where it rests on something else."""
    design, primary = sample.study.design, sample.study.analysis.primary
    options = dict(primary.options)
    if primary.method not in PLAIN_TRENDS:
        return ()
    weight = design.sampling.weight if design.sampling else None
    if options.get("covariates", design.covariates) or options.get("weights", weight):
        return (Check(id="pretrend", title="Earlier trends", verdict="not_applicable", word="not examined",
                      outcome=outcome.name, reason="The method compares units with the same covariates, or weighs them; "
                      "whether those moved in parallel before is not what plain earlier trends show."),)
    return checks.pretrends(
        sample.frame, outcome=outcome.column, unit=sample.unit, time=str(design.time),
        first_treated=str(sample.first_treated), control_group=design.comparison or "never_treated",
        cluster=sample.cluster, transform=outcome.transform or "none", conf_level=sample.study.analysis.conf_level,
        anticipation=float(options.get("anticipation", 0)))


def _remedy(sample: Sample, estimates: Sequence[Estimate]) -> str:
    """Say whether the declared methods adjust for chance differences at the start."""
    first = sample.study.primaries[0].name
    adjusting = [e.role for e in estimates if e.outcome == first and len(dict(e.details).get("coefficients", ())) > 2]
    if "primary" in adjusting:
        return "the estimate adjusts for it"
    return "an estimate that adjusts for it stands beside" if adjusting else "no estimate here adjusts for it"


def _before(sample: Sample) -> list[str]:
    """Columns measured before the programme: declared covariates and the primaries' baselines."""
    names = [*sample.study.design.covariates, *(o.baseline for o in sample.study.primaries if o.baseline),
             *(name for o in sample.study.primaries if (name := o.column + EARLIER) in sample.frame)]
    return list(dict.fromkeys(names))


def _said(sample: Sample) -> dict[str, str]:
    """Words for baselines that were made of reports, or taken from the round before: no file has a column of that name."""
    made = {name: f"{words(o.label)} before" for o in sample.study.outcomes for name in (o.baseline, o.column + EARLIER)
            if name and (name.startswith("_") or name.endswith(EARLIER))}
    return {name: label for name, label in made.items() if name in sample.frame and label not in sample.frame}


def _matching(sample: Sample, estimates: Sequence[Estimate]) -> list[Check]:
    """Balance and overlap of each primary outcome's own units; once where they are the same."""
    design = sample.study.design
    out: list[Check] = []
    seen: list[tuple[bytes, bytes]] = []
    treatment = str(design.treatment)
    for estimate in (e for e in estimates if e.role == "primary"):
        covariates = list(design.covariates)
        if estimate.method == "matched_did":
            found = checks.comparisons_agree(estimate)
            out.append(replace(found, id=f"{found.id}:{found.outcome}") if out else found)
            before = sample.study.outcome(estimate.outcome).baseline  # differences are taken of it: it is not made alike
            covariates = [name for name in covariates if name != before]
        matched = estimate.matched if isinstance(estimate, MatchedEstimate) else None
        if matched is None:
            return [checks.balance(sample.frame, treatment=treatment, covariates=covariates)]
        key = (matched.rows.tobytes(), matched.weights.tobytes())
        if key in seen:
            continue
        name = estimate.outcome if seen else ""
        seen.append(key)
        after = "regression" if estimate.method == "regression_adjustment" else (
            "weighting" if estimate.method in WEIGHTING else "matching")
        pair = [checks.balance(matched.frame.iloc[matched.rows], treatment=treatment, covariates=covariates,
                                weights=matched.weights, after=after, denominator=matched.denominator,
                                made_equal=estimate.method in EQUAL, outcome=name),
                 checks.overlap(matched.standing, matched.treated, weights=matched.weights, estimand=estimate.estimand,
                                outcome=name)]
        out += [replace(check, id=f"{check.id}:{name}") if name else check for check in pair]
    return out


def _found(sample: Sample, outcome: Outcome) -> tuple[Array, Array, Codes | None]:
    """For each enrolled unit with a known arm: whether its outcome is ever known, its arm, and the cluster drawn."""
    units = sample.units()
    known = sample.frame.groupby(sample.unit)[outcome.column].apply(lambda column: column.notna().any())
    keep = units["treated"].notna()
    found = units.loc[keep, "unit"].map(known).to_numpy(dtype=float)
    treated = units.loc[keep, "treated"].to_numpy(dtype=float)
    if sample.cluster is None:
        return found, treated, None
    groups = units.loc[keep, "unit"].map(sample.frame.groupby(sample.unit)[sample.cluster].first())
    return found, treated, np.asarray(groups.factorize()[0], dtype=np.int64)


def _at_the_end(sample: Sample, outcome: Outcome, ever: Array) -> tuple[Array, str]:
    """For each unit with a known arm, whether its outcome is known in the last period, and what became of the others.

    ``ever`` says whose outcome is known at some time: where units are not followed, that is all that can be asked.
    """
    design, options = sample.study.design, dict(sample.study.analysis.primary.options)
    if design.unit == ROW_NUMBER or options.get("panel") is False:
        return ever, "never reported it"
    frame, time = sample.frame, str(design.time)
    known = frame[frame[outcome.column].notna()]
    if options.get("periods"):
        known = known[known[time].isin(options["periods"])]
    last = known[time].max()
    units = sample.units()
    stayed = units.loc[units["treated"].notna(), "unit"].isin(known.loc[known[time] == last, sample.unit])
    found: Array = np.where(stayed, 1.0, 0.0)
    gone = int((ever > found).sum())
    if not gone:
        return found, "never reported it"
    never = int((ever == 0).sum())
    return found, f"not measured in the last period, {last:.12g}{f' ({never} of them never)' if never else ''}"


def flow_of(sample: Sample, outcome: Outcome, estimate: Estimate) -> Flow:
    """Follow units from the file to one estimate: enrolled, assigned, found, analysed.

    In a trial, units analysed are all that the estimate did not leave out, those too that its first contrast sets aside.
    """
    sample = _examined(sample)
    units = sample.units()
    found, treated, _ = _found(sample, outcome)
    rows = len(sample.frame)
    known = int(sample.frame[outcome.column].notna().sum())
    stages = (
        Stage(name="enrolled", units=len(units), rows=rows, treated=int((units["treated"] == 1).sum()),
              comparison=int((units["treated"] == 0).sum())),
        Stage(name="assigned", units=len(treated), rows=rows, treated=int(treated.sum()),
              comparison=int((1 - treated).sum())),
        Stage(name="found", units=int(found.sum()), rows=known, treated=int((found * treated).sum()),
              comparison=int((found * (1 - treated)).sum())),
        _analysed(sample, estimate) if sample.study.design.kind == "rct" else
        Stage(name="analysed", units=estimate.n_units or estimate.n, rows=estimate.n,
              treated=estimate.n_units_treated,
              comparison=(estimate.n_units or estimate.n) - (estimate.n_units_treated or 0)),
    )
    return Flow(outcome=outcome.name, stages=stages, losses=_losses(sample, estimate))


def _losses(sample: Sample, estimate: Estimate) -> tuple[Dropped, ...]:
    """Losses among the rows of the flow; where workers are followed, those are the rows of the round before."""
    if sample.study.analysis.primary.method not in FOLLOWED:
        return estimate.dropped
    mine = set(sample.frame.index + 1)
    kept = [(loss, tuple(row for row in loss.rows if row in mine)) for loss in estimate.dropped]
    return tuple(replace(loss, rows=rows, n_rows=len(rows), n_units=len(rows)) for loss, rows in kept if rows)


def _analysed(sample: Sample, estimate: Estimate) -> Stage:
    """Count what is left in a trial's regression, by the arm drawn."""
    lost = [row - 1 for loss in _losses(sample, estimate) for row in loss.rows]
    followed = sample.study.analysis.primary.method in FOLLOWED  # rows then go by the labels they had in the whole table
    left = sample.frame.drop(index=lost if followed else sample.frame.index[lost])
    arms = left.drop_duplicates(sample.unit)[sample.treatment]
    return Stage(name="analysed", units=len(arms), rows=len(left), treated=int((arms == 1).sum()),
                 comparison=int((arms == 0).sum()))


def as_drawn(sample: Sample) -> Sample:
    """Where clusters were drawn and units invited inside them, look at all units of the clusters drawn as treated."""
    call = sample.study.analysis.primary
    column = dict(call.options).get({"spillover": "cluster_treatment", "saturation": "saturation"}.get(call.method, ""))
    if column is None:
        return sample
    share = sample.frame[column]
    drawn = (share > 0).astype(float).where(share.notna())
    return replace(sample, treatment=DRAWN, frame=sample.frame.assign(**{DRAWN: drawn}))


def _examined(sample: Sample) -> Sample:
    """The table that flows and checks look at: of units as they were drawn, of followed workers as they were before."""
    return _followed(sample) if sample.study.analysis.primary.method in FOLLOWED else as_counted(sample)


def _followed(sample: Sample) -> Sample:
    """One row for each worker of the earlier round, with the outcomes of the later one and their own earlier values."""
    options = dict(sample.study.analysis.primary.options)
    frame, rounds = sample.frame.reset_index(drop=True), sample.frame[options["round"]].to_numpy()
    before, after = (rounds == options.get(key, default) for key, default in (("before", 0), ("after", 1)))
    named = frame[sample.unit].notna().to_numpy()
    later = frame[after & named].drop_duplicates(sample.unit).set_index(sample.unit)
    start = frame[before & named]
    made = {o.column: start[sample.unit].map(later[o.column]) for o in sample.study.outcomes}
    made |= {o.column + EARLIER: start[o.column] for o in sample.study.outcomes}
    return replace(sample, frame=start.assign(**made))


def as_counted(sample: Sample) -> Sample:
    """Count as treated whom the primary method's number speaks of; in triple differences affected units alone."""
    call = sample.study.analysis.primary
    if call.method != "triple_difference" or sample.first_treated is None:
        return as_drawn(sample)
    start = sample.frame[sample.first_treated].where(sample.frame[dict(call.options)["affected"]] == 1)
    return replace(sample, frame=sample.frame.assign(**{sample.first_treated: start}))


def trends_of(sample: Sample, outcomes: Iterable[Outcome]) -> tuple[TrendPoint, ...]:
    """Mean of each outcome by group and period, in its own unit; cells of few units, unless areas, are left out."""
    sample, design = _examined(sample), sample.study.design
    out: list[TrendPoint] = []
    for outcome in outcomes:
        if design.kind == "did":
            columns = [(str(design.time), outcome.column)]
        else:
            own = outcome.column + EARLIER if outcome.column + EARLIER in sample.frame else outcome.baseline
            columns = [("before", own)] if own else []
            columns.append(("after", outcome.column))
        for period, column in columns:
            out += _means(sample, outcome.name, period, str(column))
    return tuple(out)


def _means(sample: Sample, name: str, period: str, column: str) -> list[TrendPoint]:
    frame = sample.frame[sample.frame[column].notna()]
    if sample.first_treated is not None:
        first = frame[sample.first_treated]
        group = first.map(lambda t: f"first treated {t:.12g}").where(first.notna(), "never treated")
        keys = [(str(g), f"{t:.12g}", part) for (g, t), part in frame.groupby([group, frame[period]])[column]]
    else:
        label = frame[sample.treatment].map({1: "treated", 0: "comparison"})
        keys = [(str(g), period, part) for g, part in frame.groupby(label)[column]]
    # areas that the study declares may be named are no single firms
    least = 1 if dict(sample.study.analysis.primary.options).get("name_areas") else SMALLEST_CELL
    return [TrendPoint(outcome=name, group=g, period=t, mean=float(part.mean()), n=len(part))
            for g, t, part in keys if len(part) >= least]


def ledger(sample: Sample, evaluation: Evaluation) -> str:
    """List every row left out of every estimate, with unit, period and reason, as CSV text.

    The ledger stays with the data: it holds ids, which the record does not. Ids that look personal are hidden.
    """
    design = sample.study.design
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["estimate", "row", "unit", "period", "reason"])
    ids = speakable(sample.frame[sample.unit]) if design.unit != ROW_NUMBER else [""] * len(sample.frame)
    when = [f"{t:.12g}" for t in sample.frame[design.time]] if design.time else [""] * len(sample.frame)
    for estimate in evaluation.estimates:
        for loss in estimate.dropped:
            for row in loss.rows:
                writer.writerow([estimate.id, row, neutral(ids[row - 1]), when[row - 1], neutral(loss.text)])
    return stream.getvalue()

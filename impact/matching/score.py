"""The propensity score: the chance of treatment given covariates, by logistic regression."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from impact.data.frame import listed
from impact.errors import DesignError, Problem
from impact.inference.estimating import separating
from impact.inference.linear import Array, independent_columns

LARGEST_SEARCH = 2_000_000  # numbers in the table searched for the covariates that separate; larger ones are not named


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A fitted score.

    Attributes
    ----------
    probability : (n,) between 0 and 1.
    linear : (n,) log odds.
    left_out : covariates that repeat others.
    design : (n, k) a constant and the standardised covariates kept, or None.
    covariance : (k, k) inverse information of the coefficients of ``design``, or None.
    named : coefficient of each covariate kept, in log odds per standard deviation.
    predictor : centres, scales and coefficients (0 for those left out), for :meth:`predict`.
    """

    probability: Array
    linear: Array
    left_out: tuple[str, ...] = ()
    design: Array | None = None
    covariance: Array | None = None
    named: tuple[tuple[str, float], ...] = ()
    predictor: tuple[Array, Array, Array] | None = None

    def predict(self, covariates: Array) -> Array:
        """Scores of other rows with the same covariates."""
        if self.predictor is None:
            raise ValueError("this score cannot be carried to other rows")
        centre, scale, slope = self.predictor
        linear = np.column_stack([np.ones(len(covariates)), (covariates - centre) / scale]) @ slope
        return np.asarray(1.0 / (1.0 + np.exp(-linear)))


def propensity(covariates: Array, treated: Array, names: list[str]) -> Score:
    """Fit a logit of treatment on covariates (statsmodels, Newton), without any penalty.

    Raises
    ------
    DesignError
        When covariates predict treatment perfectly, so that no comparable unit exists; they are named.

    Notes
    -----
    Covariates are standardised before the fit for numerical safety; the fitted probabilities do not depend on it.
    Checked: R glm through match_lalonde_ai_ps_att_tightties (tests/test_reference.py).
    """
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning

    centre, scale = covariates.mean(axis=0), covariates.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    z = (covariates - centre) / scale
    design = np.column_stack([np.ones(len(z)), z])
    kept = independent_columns(design)
    x = design[:, kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflow on the way to the refusal below
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("error", PerfectSeparationWarning)
        try:
            result = Logit(treated, x).fit(method="newton", maxiter=100, tol=1e-12, disp=0)
        except (ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning, np.linalg.LinAlgError):
            raise _refusal(x[:, 1:], treated, [names[j - 1] for j in kept[1:]]) from None
    linear = np.asarray(x @ result.params)
    if not np.isfinite(linear).all():
        raise _refusal(x[:, 1:], treated, [names[j - 1] for j in kept[1:]])
    probability = 1.0 / (1.0 + np.exp(-linear))
    information = (x * (probability * (1.0 - probability))[:, None]).T @ x
    slope = np.zeros(design.shape[1])
    slope[kept] = result.params
    return Score(probability=probability, linear=linear, design=x, covariance=np.linalg.inv(information),
                 named=tuple((names[j - 1], float(slope[j])) for j in kept[1:]), predictor=(centre, scale, slope),
                 left_out=tuple(names[j - 1] for j in range(1, design.shape[1]) if j not in kept))


def _refusal(columns: Array, treated: Array, names: list[str]) -> DesignError:
    """Say that the covariates predict treatment perfectly, naming those that do."""
    found = separating(columns, treated) if columns.size <= LARGEST_SEARCH else []
    return separated([names[j] for j in found])


def separated(names: list[str]) -> DesignError:
    """Refuse covariates, named where known, that predict treatment perfectly."""
    named = list(dict.fromkeys(names))
    where = f"column '{named[0]}'" if len(named) == 1 else "covariates"
    who = "its values" if len(named) == 1 else f"{listed(named)} together" if named else "they"
    return DesignError(Problem(
        where=where, what=f"{who} predict treatment (almost) perfectly, for all units or a part of them: no comparable "
        "unit is left there", cure="Leave out covariates that define who was treated, or the units without counterparts, "
        "or find a better comparison group."), source="design")

"""CR2 on the full design, one dummy a stratum, with and without weights, against R clubSandwich.

Numbers: R 4.2.2, clubSandwich 0.5.8, printed by ``tests/reference/weighted_cr2.R``: ``vcovCR(lm(y ~ factor(s) + x + d,
weights = w), cluster, "CR2")``, whose default for weights is the identity working model, ``coef_test`` and ``Wald_test``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support_shared import shared

from impact import rct
from impact.inference.linear import least_squares
from impact.inference.sandwich import covariance, satterthwaite_df
from impact.inference.wald import wald_test

# (data, weights): {coefficient: (estimate, standard error, df)}, and HTZ of both: (F, denominator df, p)
STORED = {
    ("tanzania", "none"): ((0.000133861110679217, 4.43536190276517e-05, 4.79974732559517),
                           (0.128284696874092, 0.0795417172784401, 44.9747430882698),
                           (5.14610482855943, 11.0741792058127, 0.0262788408807871)),
    ("tanzania", "across"): ((0.000127308150271237, 4.95676699808274e-05, 3.53483863798882),
                             (0.119529123364076, 0.0814822852736087, 44.9925840469429),
                             (3.56368871777763, 8.2455464830734, 0.0766720644798724)),
    ("tanzania", "whole"): ((0.000155902270060019, 3.53767659931673e-05, 14.7465140073076),
                            (0.0994056832433562, 0.0830730867938443, 30.992566047731),
                            (9.51506823174462, 23.5722630940696, 0.000934496814266366)),
    ("tanzania", "rows"): ((0.000127308150271237, 4.80529180820925e-05, 3.70904651316236),
                           (0.119529123364076, 0.0854206966539005, 377.833023961173),
                           (4.75750181841777, 9.84273009830067, 0.0358429270992407)),
    ("insurance", "none"): ((0.229109933233134, 0.0463321172687123, 102.716525613418),
                            (0.00585872814321077, 0.0265762527852564, 141.440535430066),
                            (12.1945230940035, 120.451515114061, 1.50399323555867e-05)),
    ("insurance", "across"): ((0.234332531331366, 0.0507050415289834, 90.3163651524739),
                              (0.00663435008105909, 0.0298478359354021, 138.215450268821),
                              (10.6403943033161, 111.331402745788, 5.90625377349737e-05)),
    ("insurance", "whole"): ((0.227201882437803, 0.0517303678650566, 68.2432984264013),
                             (0.011053734982554, 0.0290598736815541, 98.0975744273837),
                             (9.69426702025733, 80.6292298041453, 0.000168721998617442)),
}
NAMES = {"tanzania": {"outcome": "lnisales0911f", "covariates": ["sales08a"], "treatment": "dtreat", "strata": "cell",
                      "cluster": "mecid"},
         "insurance": {"outcome": "takeup_survey", "covariates": ["risk_averse"], "treatment": "intensive",
                       "strata": "village", "cluster": "address"}}


def table(name: str) -> pd.DataFrame:
    """A data set with two columns of weights: ``across`` varies within clusters, ``whole`` is one value a cluster."""
    if name == "tanzania":
        data = shared("tanzania_training").dropna(subset=["lnisales0911f"]).reset_index(drop=True)
        data["cell"], data["whole"] = data["branch"] * 100 + data["hid"] % 100, 1.0 + data["mecid"] % 3
    else:
        data = pytest.importorskip("causaldata").social_insure.load_pandas().data.reset_index(drop=True)
        data["whole"] = 1.0 + data["address"].str.len() % 3
    return data.assign(across=0.5 + np.arange(len(data)) % 7 / 4)


@pytest.mark.parametrize("case", STORED, ids=" ".join)
def test_weighted_cr2_with_one_dummy_a_stratum_is_that_of_clubsandwich(case):
    data, names, weights = table(case[0]), NAMES[case[0]], case[1]
    covariate, offer, joint = STORED[case]
    dummies = pd.get_dummies(data[names["strata"]], drop_first=True).to_numpy(dtype=float)
    x = np.column_stack([np.ones(len(data)), dummies, data[names["covariates"]], data[names["treatment"]]])
    labels = ["one", *(f"s{j}" for j in range(dummies.shape[1])), "x", "d"]
    w = None if weights == "none" else data["across" if weights == "rows" else weights].to_numpy()
    fit = least_squares(x, data[names["outcome"]].to_numpy(dtype=float), labels, weights=w)
    codes = None if weights == "rows" else np.unique(data[names["cluster"]], return_inverse=True)[1]
    cov = covariance(fit, "CR2", codes)
    picks = np.eye(fit.k)[[-2, -1]]
    for pick, (estimate, error, df) in zip(picks, (covariate, offer), strict=True):
        assert (pick @ fit.coefficients, cov.std_error(pick), satterthwaite_df(fit, cov, pick)) == pytest.approx(
            (estimate, error, df), rel=1e-6)
    both = wald_test(fit, cov, picks)
    assert (both.statistic, both.df_denom, both.p_value) == pytest.approx(joint, rel=1e-6)


# households, not villages' addresses, were drawn in the insurance data: the public functions refuse those clusters
@pytest.mark.parametrize("case", [case for case in STORED if case[0] == "tanzania"], ids=" ".join)
def test_the_public_regression_gives_these_numbers(case):
    names = dict(NAMES[case[0]])
    if case[1] == "rows":
        del names["cluster"]
    weights = {"none": None, "rows": "across"}.get(case[1], case[1])
    e = rct.ols(table(case[0]), **names, weights=weights)
    assert (e.vcov, e.estimate, e.std_error, e.df) == ("CR2", *(pytest.approx(v, rel=1e-6) for v in STORED[case][1]))

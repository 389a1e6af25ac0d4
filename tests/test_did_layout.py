"""What all panel estimates share: missing rows, who stands in a comparison, exits, thin cohorts, calendars, sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from support_studies import declare

from impact import did
from impact.data.panel import spacing
from impact.did.estimands import QUESTIONS
from impact.errors import DataError, DesignError
from impact.evaluation import evaluate
from impact.results import Estimate

close = pytest.approx
NAMES = {"outcome": "y", "unit": "firm", "time": "year", "first_treated": "first"}
METHODS: dict[str, Callable[..., object]] = {
    "two_by_two": partial(did.two_by_two, periods=[2002, 2003]), "event_study": did.event_study,
    "two_way_fixed_effects": did.two_way_fixed_effects, "sun_abraham": did.sun_abraham, "imputation": did.imputation,
    "stacked": partial(did.stacked, window=(-2, 1)), "poisson": did.poisson,
    "triple_difference": partial(did.triple_difference, affected="affected"), "group_time_att": did.group_time_att}
WITH_EFFECTS = [name for name in METHODS if name not in ("two_by_two", "group_time_att")]
PLAIN = [name for name in METHODS if name not in ("two_by_two", "triple_difference")]


def panel(starts: tuple[float, ...] = (np.nan, 2003.0, 2005.0), units: int = 60, years: int = 8, seed: int = 1,
          effect: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(units):
        first, level = starts[i % len(starts)], rng.normal(20, 2)
        rows += [{"firm": f"F{i:03d}", "year": 2000 + t, "first": first, "affected": (i // len(starts)) % 2,
                  "y": level + 0.3 * t + effect * (2000 + t >= first) + rng.normal(0, 0.7)} for t in range(years)]
    return pd.DataFrame(rows)


def data_for(name: str, **more: object) -> pd.DataFrame:
    return panel(starts=(np.nan, 2003.0), **more) if name == "triple_difference" else panel(**more)


def with_gaps(data: pd.DataFrame) -> pd.DataFrame:
    """One firm in ten lacks a year; the first firm is seen once."""
    number = data["firm"].str[1:].astype(int)
    gone = (number % 10 == 4) & (data["year"] == 2003) | (number == 0) & (data["year"] != 2002)
    return data[~gone].reset_index(drop=True)


def head(found: object) -> Estimate:
    return found.headline


@pytest.mark.parametrize("name", METHODS)
def test_each_choice_for_missing_rows_is_recorded_and_counted(name):
    data = with_gaps(data_for(name))
    by_default, balanced = (head(METHODS[name](data, **NAMES, **more)) for more in ({}, {"unbalanced": "balanced"}))
    assert head(METHODS[name](data, **NAMES, unbalanced="within_cell")) == by_default
    details = dict(by_default.details)
    assert details["unbalanced"] == "within_cell"
    kept = {choice: (units, rows) for choice, units, rows in details["unbalanced_choices"]}
    assert dict(balanced.details)["unbalanced"] == "balanced"
    text = next(c.text for c in by_default.caveats if c.code == "unbalanced")
    for choice, (units, rows) in kept.items():
        assert f"{choice.replace('_', ' ')}: {units} units, {rows} rows" in text
    if name == "two_by_two":  # of periods 2002 and 2003 alone
        used = data[data["year"].isin((2002, 2003)) & ~(data["first"] > 2003)]
        seen = used.groupby("firm").size()
        assert kept == {"within_cell": (int((seen == 2).sum()), 2 * int((seen == 2).sum())),
                        "balanced": kept["within_cell"], "repeated_cross_section": (len(seen), len(used))}
        assert (by_default.n_units, by_default.n) == kept["within_cell"]
        return
    assert kept["within_cell"] == (59, 59 * 8 - 6)
    assert kept["balanced"] == (53, 53 * 8)
    if name != "stacked":
        early = sum(d.n_rows for d in balanced.dropped if d.reason == "earlier_only")  # in no effect after treatment
        assert (balanced.n_units, balanced.n + early) == kept["balanced"]
        assert early == (2 * 53 if name == "group_time_att" else 0)  # the base of those of 2003 is 2002
        assert by_default.n_units == 59
    assert "not_in_all_periods" in {d.reason for d in balanced.dropped}


@pytest.mark.parametrize("name", METHODS)
def test_balanced_is_the_estimate_on_units_seen_in_every_period(name):
    data = with_gaps(data_for(name))
    whole = data[data.groupby("firm")["year"].transform("size") == 8]
    one = head(METHODS[name](whole, **NAMES))
    other = head(METHODS[name](data, **NAMES, unbalanced="balanced")) if name != "two_by_two" else one
    assert (other.estimate, other.std_error, other.n) == close((one.estimate, one.std_error, one.n))


@pytest.mark.parametrize("name", WITH_EFFECTS)
def test_rows_without_pairs_are_refused_by_name_where_each_unit_has_an_effect(name):
    with pytest.raises(ValueError, match="unbalanced='repeated_cross_section' has no meaning here"):
        METHODS[name](data_for(name), **NAMES, unbalanced="repeated_cross_section")
    with pytest.raises(ValueError, match="unbalanced must be one of"):
        METHODS[name](data_for(name), **NAMES, unbalanced="drop")


def test_two_by_two_may_use_every_row():
    data = with_gaps(panel())
    e = did.two_by_two(data, **NAMES, periods=[2002, 2003], unbalanced="repeated_cross_section")
    used = data[data["year"].isin((2002, 2003)) & ~(data["first"] > 2003)]
    mean = used.groupby([used["first"].notna(), "year"])["y"].mean()
    assert e.estimate == close(mean[True, 2003] - mean[True, 2002] - mean[False, 2003] + mean[False, 2002])
    assert (e.n, e.vcov, e.se_card.level) == (len(used), "CR2", "firm")
    assert dict(e.details)["not_seen_again"] == (2, 3)
    same = did.two_by_two(panel(), **NAMES, periods=[2002, 2003], unbalanced="repeated_cross_section")
    assert same.estimate == close(did.two_by_two(panel(), **NAMES, periods=[2002, 2003]).estimate)


@pytest.mark.parametrize("name", METHODS)
def test_agreement_is_examined_for_every_method(name):
    data = data_for(name)
    whole = did.unbalanced_agreement(data, estimator=METHODS[name], **NAMES)
    assert (whole.verdict, whole.word) == ("not_applicable", "nothing missing")
    high = data.groupby("firm")["y"].transform("mean") > data["y"].mean()
    lost = data[~(high & (data["year"] == 2003) & data["first"].notna())].reset_index(drop=True)
    lost.loc[lost["firm"].isin(lost.loc[lost["year"] == 2003, "firm"]) & (lost["year"] >= 2003) & lost["first"].notna(),
             "y"] += 6  # units without a gap gain more
    check = did.unbalanced_agreement(lost, estimator=METHODS[name], **NAMES)
    assert check.threshold == 0.5
    if name == "two_by_two":
        assert {choice for choice, _ in check.details} == {"within_cell", "balanced", "repeated_cross_section"}
    else:
        assert (check.verdict, check.word) == ("concern", "answers differ")
        assert check.measured > 0.5


@pytest.mark.parametrize("name", METHODS)
def test_agreement_is_examined_for_every_primary_of_a_study(name):
    data = with_gaps(data_for(name)).rename(columns={"y": "profit"})
    options = {"two_by_two": {"periods": [2002, 2003]}, "stacked": {"window": [-2, 1]},
               "triple_difference": {"affected": "affected"}}.get(name, {})
    found = evaluate(declare("did", method=name, options=options, first_treated="first"), data)
    check = next(c for c in found.checks if c.id == "unbalanced_agreement:profit")
    assert check.verdict in ("pass", "concern")
    assert "59" in check.reason or name == "two_by_two"


def test_rows_that_serve_no_comparison_are_in_the_ledger_and_not_in_n():
    data = panel(starts=(2003.0, 2005.0))
    e = did.group_time_att(data, **NAMES).headline
    # effects of those of 2003 in 2003 and 2004, against 2002
    assert (e.n, e.n_treated, e.n_units, e.n_units_treated) == (60 * 3, 60, 60, 30)
    assert [(d.reason, d.n_rows, d.n_units) for d in e.dropped] == [("no_comparison", 180, 0), ("earlier_only", 120, 0)]
    assert "from 2005 on every unit is treated" in e.dropped[0].text
    assert e.n + sum(d.n_rows for d in e.dropped) == len(data)
    # without a base period a pair is in no comparison
    gap = panel().query("not (firm == 'F001' and year == 2002)")
    used = did.group_time_att(gap, **NAMES, base_period="universal").headline
    assert [(d.reason, d.n_rows, d.n_units) for d in used.dropped] == [
        ("no_base_period", 7, 1), ("earlier_only", 2 * 59, 0)]  # of the others the two periods before 2002
    assert used.n + 7 + 2 * 59 == len(gap)


@pytest.mark.parametrize("name", PLAIN)
def test_thin_cohorts_are_said_with_their_numbers(name):
    data = panel().assign(first=lambda d: d["first"].where(d["firm"] != "F002", 2004.0))
    e = head(METHODS[name](data, **NAMES))
    assert "One unit alone was first treated in 2004" in next(c.text for c in e.caveats if c.code == "one_unit")
    assert np.isfinite(e.estimate)
    assert {g: (used, among) for g, used, among in dict(e.details)["cohort_units"]}[2004.0] == (1, 1)
    more = {"window": (-1, 1)} if name == "stacked" else {}
    late = head(METHODS[name](panel()[lambda d: d["year"] > 2001], **NAMES, **more))
    assert "first treated in 2003 (20 units)" in next(c.text for c in late.caveats if c.code == "one_earlier_period")


@pytest.mark.parametrize("name", [n for n in PLAIN if n not in ("stacked", "event_study")])
def test_cells_without_a_comparison_are_named_with_their_units(name):
    bare = panel(starts=(2003.0, 2005.0))
    found = METHODS[name](bare, **NAMES)
    everyone = head(found)
    if name != "group_time_att":  # there they are rows
        assert "2003 in 2005 (30 units)" in next(c.text for c in everyone.caveats if c.code == "no_comparison")
    cells = {(g, t): (n, others, why) for g, t, n, others, why in dict(everyone.details)["thin_cells"]}
    assert cells[2003.0, 2006.0] == (30, 0, "no comparison")
    assert (2003.0, 2004.0) not in cells
    rows = [found] if isinstance(found, Estimate) else [*found]
    assert all(np.isfinite(row.estimate) or dict(row.reasons)["estimate"] for row in rows)


@pytest.mark.parametrize("name", METHODS)
def test_units_that_leave_are_counted_and_missing_rows_are_not_closed_firms(name):
    data = data_for(name)
    end = 2003 if name == "two_by_two" else 2006
    gone = data["firm"].isin(["F000", "F001", "F003"]) & (data["year"] >= end)
    e = head(METHODS[name](data[~gone], **NAMES))
    text = next(c.text for c in e.caveats if c.code == "not_seen_again")
    counts = (2, 1) if name == "triple_difference" else (1, 2)
    assert text.startswith(f"3 units ({counts[0]} treated, {counts[1]} comparison)")
    assert "not as zero" in text
    assert dict(e.details)["not_seen_again"] == counts
    assert not head(METHODS[name](data, **NAMES)).has_caveat("not_seen_again")


def numbers(name: str, data: pd.DataFrame, **more: object) -> tuple[list[float], list[str | None]]:
    found = METHODS[name](data, **NAMES, **more)
    rows = [found] if isinstance(found, Estimate) else [*found]
    if hasattr(found, "aggregate"):
        rows += [row for kind in ("dynamic", "group", "calendar") for row in found.aggregate(kind)]
    return [x for r in rows for x in (r.estimate, r.std_error or 0.0, r.n)], [r.horizon for r in rows]


@pytest.mark.parametrize("step", [0.5, 0.25, 0.1, 1 / 12, 2, 5])
@pytest.mark.parametrize("name", PLAIN)
def test_one_period_is_the_spacing_of_the_calendar(name, step):
    data = panel()
    coded = data.assign(year=2019 + (data["year"] - 2000) * step, first=2019 + (data["first"] - 2000) * step)
    (one, horizons), (other, named) = numbers(name, data), numbers(name, coded)
    assert other == close(one, rel=1e-6, nan_ok=True)
    assert named == horizons
    e = head(METHODS[name](coded, **NAMES))
    assert f"One period is {step:.9g} of 'year'" in next(c.text for c in e.caveats if c.code == "calendar")
    assert dict(e.details)["period_length"] == close(step)
    assert e.has_caveat("seasons_mixed") == (step < 1)
    assert not head(METHODS[name](data, **NAMES)).has_caveat("calendar")


def test_anticipation_counts_periods_and_must_be_possible():
    data = panel(starts=(np.nan, 2003.0))
    halves = data.assign(year=data["year"] / 2, first=data["first"] / 2)
    one, other = (did.group_time_att(d, **NAMES, anticipation=1).headline for d in (data, halves))
    assert (one.estimate, one.std_error) == close((other.estimate, other.std_error))
    for wrong in (0.5, -1, True, np.inf):
        with pytest.raises(ValueError, match="whole number of periods"):
            did.group_time_att(data, **NAMES, anticipation=wrong)
    assert np.isfinite(did.group_time_att(data, **NAMES, anticipation=2).headline.estimate)
    with pytest.raises(DesignError, match="Values possible here: 0 to 2"):
        did.group_time_att(data, **NAMES, anticipation=3)


def test_leads_beyond_the_data_are_refused_with_those_possible():
    data = panel(starts=(np.nan, 2003.0))
    assert len(did.imputation(data, **NAMES, leads=2).earlier) == 2
    with pytest.raises(DesignError, match="Values possible here: 0 to 2"):
        did.imputation(data, **NAMES, leads=3)
    for wrong in (-1, 1.5, True):
        with pytest.raises(ValueError, match="leads is a whole number"):
            did.imputation(data, **NAMES, leads=wrong)


@pytest.mark.parametrize("name", [n for n in METHODS if n != "two_by_two"])
@pytest.mark.parametrize(("periods", "words"), [
    ([202009, 202010, 202011, 202012, 202101, 202102, 202103, 202104], "not evenly coded"),
    ([20191, 20192, 20193, 20194, 20201, 20202, 20203, 20204], "not evenly coded"),
    ([2000, 2001, 2002, 2003, 2004.37, 2005.37, 2006.37, 2007.37], "not evenly coded")])
def test_calendars_on_no_even_scale_are_refused(name, periods, words):
    data = data_for(name)
    code = dict(zip(range(2000, 2008), periods, strict=True))
    with pytest.raises(DesignError, match=words) as error:
        METHODS[name](data.assign(year=data["year"].map(code), first=data["first"].map(code)), **NAMES)
    assert "Number the periods 1, 2, 3" in str(error.value)


def test_spacing():
    assert spacing(np.array([2000.0, 2002, 2005])) == 1
    assert spacing(np.array([2000.0, 2002, 2006])) == 2
    assert spacing(np.array([0.1, 0.2, 0.30000000000000004, 0.5])) == close(0.1)
    assert spacing(np.array([2019.0, 2019.3, 2020])) is None
    assert spacing(np.array([2019.0, 2019.0 + 1e-9, 2020])) is None
    assert spacing(np.array([7.0])) == 1


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_quarters_are_compared_with_the_same_quarter(scale):
    data = panel(starts=(np.nan, 2005.0), years=10)
    swing = data.assign(y=data["y"] + 3 * (data["year"] % 4 == 1) * data["first"].notna())  # of the treated alone
    plain, felt = (d.assign(year=2000 + (d["year"] - 2000) * scale, first=2000 + (d["first"] - 2000) * scale)
                   for d in (data, swing))
    kept = [did.group_time_att(d, **NAMES, season=4) for d in (plain, felt)]
    assert [r.estimate for r in kept[1]] == close([r.estimate for r in kept[0]], nan_ok=True)
    for row in kept[0].rows[1:]:
        if np.isfinite(row.estimate):
            apart = (float(row.period) - float(dict(row.details)["base_period"])) / scale
            assert (apart % 4 == 0) != row.has_caveat("season")
    assert not kept[0].headline.has_caveat("seasons_mixed")
    loose = [did.group_time_att(d, **NAMES).headline for d in (plain, felt)]
    assert abs(loose[1].estimate - loose[0].estimate) > 0.5
    assert loose[0].has_caveat("seasons_mixed") == (scale < 1)


def test_two_periods_of_different_seasons_are_said():
    data = panel(starts=(np.nan, 2003.0)).assign(year=lambda d: d["year"] / 4, first=lambda d: d["first"] / 4)
    one = did.two_by_two(data, **NAMES, periods=[500.5, 501.25])
    assert one.has_caveat("seasons_mixed")
    assert not did.two_by_two(data, **NAMES, periods=[500.5, 501.5]).has_caveat("seasons_mixed")


def test_no_two_estimands_read_alike():
    sentences = [text for kinds in QUESTIONS.values() for text in kinds.values()]
    assert len(set(sentences)) == len(sentences)
    assert set(QUESTIONS) == {n for n, f in vars(did).items() if callable(f) and "unbalanced" in signature(f).parameters
                              and signature(f).return_annotation != "Check"} - {"compare"}  # those examine estimates
    found = did.compare(panel(), **NAMES, window=(-2, 1), periods=(2002, 2003))
    questions = [row.question for row in found]
    assert len(questions) == 6
    assert len(set(questions)) == 6
    text = {row.method: row.question for row in found}
    assert "each observation counting once" in text["imputation"]
    assert "share of the treated observations" in text["sun_abraham"]
    assert "weighted by the number of units" in text["group_time_att"]
    for kind in ("simple", "dynamic", "group", "calendar"):
        asked = [f(panel(), **NAMES).aggregate(kind)[0].question for f in (did.group_time_att, did.imputation,
                                                                           did.sun_abraham)]
        assert all(a != b for a, b in pairwise(sorted(asked)))


def test_the_words_on_weights_are_true():
    data = panel(starts=(np.nan, 2003.0, 2003.0, 2005.0))
    imputed = did.imputation(data, **NAMES)
    size, effect = imputed.cells.size, imputed.cells.effect
    assert imputed.headline.estimate == close((size * effect).sum() / size.sum())
    made = did.sun_abraham(data, **NAMES)
    late = made.cells.after
    shares = made.cells.size[late] / (data["year"] >= data["first"]).sum()
    assert made.headline.estimate == close(shares @ made.cells.effect[late])
    cells = [r for r in did.group_time_att(data, **NAMES).rows[1:] if float(r.horizon) >= 0]
    units = np.array([r.n_units_treated for r in cells])
    assert did.group_time_att(data, **NAMES).headline.estimate == close(
        np.array([r.estimate for r in cells]) @ units / units.sum())


def test_a_treatment_that_switches_off_is_said_or_declared():
    data = panel(starts=(np.nan, 2003.0)).assign(on=lambda d: (d["year"] >= d["first"]) * 1.0)
    names = {k: v for k, v in NAMES.items() if k != "first_treated"}
    assert not did.two_way_fixed_effects(data, **names, treatment="on").has_caveat("switches_off")
    data.loc[(data["firm"] == "F001") & (data["year"] == 2006), "on"] = 0.0
    e = did.two_way_fixed_effects(data, **names, treatment="on")
    assert "for 1 unit (F001)" in next(c.text for c in e.caveats if c.code == "switches_off")
    assert "taken to end when it is switched off" in e.question
    ever = did.two_way_fixed_effects(data, **names, treatment="on", ever_treated=True)
    assert ever.has_caveat("ever_treated")
    lasting = did.two_way_fixed_effects(data, **NAMES)
    assert (ever.estimate, ever.std_error) == close((lasting.estimate, lasting.std_error))
    with pytest.raises(DataError, match=r"switches off again for 1 unit \(F001\)"):
        did.group_time_att(data, **names, treatment="on")


def test_triple_differences_count_the_same_in_the_estimate_and_in_the_flow():
    data = panel(starts=(np.nan, 2003.0)).rename(columns={"y": "profit"})
    found = evaluate(declare("did", method="triple_difference", options={"affected": "affected"}, first_treated="first"),
                     data)
    e = found.headline
    treated = data["first"].notna() & (data["affected"] == 1)
    assert e.n_units_treated == data.loc[treated, "firm"].nunique() == 15
    assert e.n_treated == int((treated & (data["year"] >= data["first"])).sum())
    assert e.n_treated + e.n_comparison == e.n
    assert [(s.treated, s.comparison) for s in found.flows[0].stages] == [(15, 45)] * 4
    text = next(c.text for c in e.caveats if c.code == "four_groups")
    assert "the 15 affected units of the treated group" in text
    assert "The other 45 are the comparison: 15 unaffected units of the treated group, 15 affected and 15" in text
    assert [units for _, _, _, units in dict(e.details)["cells"]] == [15, 15, 15, 15]

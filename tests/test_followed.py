"""Workers followed over two rounds from a study file, and what is said where they were not followed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import yaml
from support_studies import workers_of_firms, workers_twice

from impact import rct
from impact.brief import compose
from impact.brief.model import Recorded, walk
from impact.cli import main
from impact.errors import DataError, StudyError
from impact.evaluation import evaluate
from impact.study import study_from_mapping

WAGE = {"name": "wage", "column": "wage", "label": "Monthly wage", "unit": "USD a month", "role": "primary",
        "better": "higher"}
TREE: dict[str, Any] = {
    "schema": 1, "title": "Workers", "question": "What came of their pay?", "programme": {"name": "P", "country": "Kenya"},
    "data": {"file": "workers.csv", "simulated": True},
    "design": {"kind": "rct", "estimand": "itt", "unit": "worker", "unit_label": ["worker", "workers"],
               "treatment": "offered", "assigned_by": "firm", "firm": "firm", "weighting": "firm"},
    "outcomes": [WAGE],
    "analysis": {"primary": {"method": "worker_composition", "options": {
        "round": "wave", "before": "before", "after": "after", "traits": ["female"]}}, "seed": 1},
    "brief": {"date": "2026-11-21"}}


def tree(**changes: Any) -> dict[str, Any]:
    """The study above; keys with two underscores reach inside (``design__unit``)."""
    out = copy.deepcopy(TREE)
    for key, value in changes.items():
        *path, last = key.split("__")
        inside = out
        for part in path:
            inside = inside[part]
        inside[last] = value
    return out


def study(**changes: Any) -> Any:
    return study_from_mapping(tree(**changes), slug="workers")


def problems(**changes: Any) -> list[str]:
    with pytest.raises(StudyError) as caught:
        study(**changes)
    return [str(p) for p in caught.value.problems]


def test_the_record_holds_every_row_of_the_plain_call():
    data = workers_twice()
    found = evaluate(study(), data)
    plain = rct.worker_composition(data, firm="firm", treatment="offered", worker="worker", round="wave", before="before",
                                   after="after", wage="wage", traits=["female"], weighting="firm", cluster="firm", seed=1)
    assert [(e.term, e.estimate, e.std_error) for e in found.estimates] == [
        (e.term, e.estimate, e.std_error) for e in plain.rows]
    assert [e.id for e in found.estimates][:3] == ["wage/worker_composition", "wage/worker_composition/stayers",
                                                   "wage/worker_composition/new_hires"]
    units = {e.term: e.unit for e in found.estimates}
    assert units["wage_bill"] == "USD a month per firm"
    assert units["employment"] == "workers a firm"
    assert units["workforce_female"] == "share of workers"


def test_the_flow_and_the_checks_are_of_the_workers_of_the_baseline():
    data = workers_twice()
    found = evaluate(study(), data)
    start = data[data.wave == "before"]
    again = start.worker.isin(data.loc[data.wave == "after", "worker"])
    stages = {s.name: s for s in found.flows[0].stages}
    assert (stages["enrolled"].units, stages["found"].units) == (len(start), int(again.sum()))
    assert stages["analysed"].units == found.headline.n
    assert stages["enrolled"].treated == int(start.offered.sum())
    assert "not_interviewed" in {loss.reason for loss in found.flows[0].losses}
    points = {(p.group, p.period): p.mean for p in found.trends}
    assert points["treated", "before"] == pytest.approx(start.loc[start.offered == 1, "wage"].mean())
    stay = data[(data.wave == "after") & data.worker.isin(start.worker[start.offered == 1])]
    assert points["treated", "after"] == pytest.approx(stay.wage.mean())


def test_what_changed_in_the_workforce_is_said_with_its_numbers_and_reaches_the_brief():
    found = evaluate(study(), workers_twice())
    caveats = {c.code: c.text for c in found.headline.caveats}
    rows = {e.term: e for e in found.estimates}
    for term in ("wage_bill", "employment", "separation_rate", "hiring_rate", "workforce_female"):
        assert f"{term.replace('_', ' ')} {rows[term].estimate:+.3g} (" in caveats["who_works_there"]
    assert f"{rows['endline_cross_section'].estimate:+.3g} (" in caveats["cross_section_beside"]
    told = {quoted.text for quoted in walk(compose(found), Recorded)}
    assert {caveats["who_works_there"], caveats["cross_section_beside"]} <= told
    assert "composition_unseen" not in {c.code for e in found.estimates for c in e.caveats}


def test_rows_without_an_id_or_a_firm_are_no_mistake_here():
    data = workers_twice()
    data.loc[len(data)] = {"firm": "F00", "offered": 0.0, "wave": "after"}  # a firm's row without a worker
    data.loc[len(data)] = {"firm": "F01", "offered": 1.0, "wave": "after", "wage": 80.0, "female": 1.0}
    assert evaluate(study(), data).headline.estimate == pytest.approx(evaluate(study(), workers_twice()).headline.estimate)


def test_what_is_not_declared_is_asked_for_in_plain_words(tmp_path, capsys):
    bare = {"method": "worker_composition"}
    assert "'round' is missing: worker_composition needs it" in problems(analysis__primary=bare)[0]
    assert "'firm' is missing" in problems(design__firm=None, design__weighting=None, design__assigned_by="worker")[0]
    assert "'weighting' is missing" in problems(design__weighting=None)[0]
    assert "cannot follow a worker" in problems(design__unit="row_number")[0]
    assert "leave baseline out" in problems(outcomes=[WAGE | {"baseline": "wage_0"}])[0].lower()
    assert "subgroups are compared" in problems(subgroups=[{"name": "sex", "column": "female", "label": "Sex"}])[0]
    assert "tables of another shape" in problems(analysis__robustness=[{"method": "ols"}])[0]
    beside = tree(analysis__robustness=[TREE["analysis"]["primary"]])
    beside["analysis"]["primary"] = {"method": "worker_effects"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(beside, sort_keys=False))
    workers_twice().to_csv(tmp_path / "workers.csv", index=False)
    assert main(["check", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "line " in told
    assert "analysis.robustness[0].method: worker_composition and worker_effects read tables of another shape" in told


def test_data_that_cannot_be_linked_are_refused_with_the_workers():
    data = workers_twice()
    twice = data.assign(worker=data.worker.where(data.index != data.index[data.wave == "after"][1], "W0000"))
    with pytest.raises(Exception, match=r"stand in more than one row of one round|stand at two firms"):
        evaluate(study(), twice)
    with pytest.raises(DataError, match="the data have no column 'wage2'"):
        evaluate(study(outcomes=[WAGE | {"column": "wage2"}]), data)
    with pytest.raises(Exception, match="no row has the value 'later'"):
        evaluate(study(analysis__primary={"method": "worker_composition", "options": {
            "round": "wave", "before": "before", "after": "later"}}), data)


def test_wages_may_not_be_said_to_have_moved_from_an_endline_cross_section():
    """Workers measured at the end alone: every method's number carries the caveat, and so does the brief."""
    data = workers_of_firms()
    main_method = {"method": "worker_effects"}
    found = evaluate(study(analysis__primary=main_method, analysis__robustness=[{"method": "ols"}]), data)
    assert [e.has_caveat("composition_unseen") for e in found.estimates] == [True, True]
    text = next(c.text for c in found.headline.caveats if c.code == "composition_unseen")
    assert "who works there" in text
    assert text in {quoted.text for quoted in walk(compose(found), Recorded)}
    with_baseline = study(analysis__primary=main_method, outcomes=[WAGE | {"baseline": "wage_0"}])
    assert not evaluate(with_baseline, data).headline.has_caveat("composition_unseen")
    some = data.assign(wage_0=data.wage_0.where(np.arange(len(data)) % 9 > 0))
    said = next(c for c in evaluate(with_baseline, some).headline.caveats if c.code == "composition_unseen")
    assert dict(said.values)["workers"] == int(some.wage_0.isna().sum())

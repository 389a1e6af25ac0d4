"""Bounds under attrition: by hand, at ties, in cells, and against the stored values."""


import numpy as np
import pandas as pd
import pytest
from support_shared import shared

from impact.errors import DataError, DesignError
from impact.rct import difference_in_means, lee_bounds, manski_bounds
from impact.rct.bounds import imbens_manski


def table(treated, comparison):
    return pd.DataFrame({"d": [1] * len(treated) + [0] * len(comparison), "y": [*treated, *comparison]}, dtype=float)


def test_lee_by_hand():
    # found: 4 of 4 treated, 3 of 4 comparison: a quarter of the treated, one unit, is trimmed
    rows = lee_bounds(table([1, 2, 3, 6], [1, 2, 3, np.nan]), outcome="y", treatment="d", draws=19)
    assert [r.estimate for r in rows] == [pytest.approx(2 - 2), pytest.approx(11 / 3 - 2)]
    assert dict(rows[0].details)["trim_share"] == pytest.approx(0.25)
    assert dict(rows[0].details)["trimmed_group"] == "treated"
    assert [r.id for r in rows] == ["y/lee_bounds/lower", "y/lee_bounds/upper"]


def test_lee_trims_a_fraction_of_the_marginal_unit():
    # found: 3 of 3 treated, 4 of 5 comparison: a fifth of 3 units, 0.6 of one, is trimmed
    rows = lee_bounds(table([1, 2, 9], [2, 2, 2, 2, np.nan]), outcome="y", treatment="d", draws=19)
    assert rows[0].estimate == pytest.approx((1 + 2 + 0.4 * 9) / 2.4 - 2)
    assert rows[1].estimate == pytest.approx((9 + 2 + 0.4 * 1) / 2.4 - 2)


def test_without_attrition_the_bounds_meet_at_the_difference():
    rng = np.random.default_rng(1)
    frame = table(rng.normal(size=30) + 1, rng.normal(size=30))
    rows = lee_bounds(frame, outcome="y", treatment="d", draws=199)
    plain = difference_in_means(frame, outcome="y", treatment="d")
    assert rows[0].estimate == pytest.approx(rows[1].estimate) == pytest.approx(plain.estimate)
    assert rows[0].std_error == pytest.approx(plain.std_error, rel=0.15)  # 199 draws: about 5 % of noise


def test_trimming_the_comparison_mirrors_trimming_the_treated():
    frame = table([1, 2, 3, 6], [1, 2, 3, np.nan])
    rows = lee_bounds(frame, outcome="y", treatment="d", draws=19)
    mirrored = lee_bounds(frame.assign(d=1 - frame["d"]), outcome="y", treatment="d", draws=19)
    assert mirrored[0].estimate == pytest.approx(-rows[1].estimate)
    assert mirrored[1].estimate == pytest.approx(-rows[0].estimate)


def test_cells_never_widen_the_bounds():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"d": np.arange(400) % 2, "big": np.arange(400) // 2 % 2})
    frame["y"] = rng.normal(size=400) + 3 * frame["big"] + 0.5 * frame["d"]
    frame.loc[rng.random(400) < 0.25 * (1 - frame["d"]), "y"] = np.nan
    wide = lee_bounds(frame, outcome="y", treatment="d", draws=19)
    tight = lee_bounds(frame, outcome="y", treatment="d", tighten=["big"], draws=19)
    assert tight[1].estimate - tight[0].estimate < wide[1].estimate - wide[0].estimate


def test_imbens_manski_lies_between_one_and_two_sided():
    point = imbens_manski(1.0, 1.0, (1.0, 1.0), 0.95)
    assert (point.low, point.high) == (pytest.approx(1 - 1.959964), pytest.approx(1 + 1.959964))
    wide = imbens_manski(0.0, 100.0, (1.0, 1.0), 0.95)
    assert (wide.low, wide.high) == (pytest.approx(-1.644854), pytest.approx(101.644854))


def test_manski_by_hand():
    # treated mean between (1+0)/2 and (1+1)/2, comparison mean 0.5
    rows = manski_bounds(table([1, np.nan], [0, 1]), outcome="y", treatment="d", low=0, high=1, draws=19)
    assert [r.estimate for r in rows] == [pytest.approx(0.0), pytest.approx(0.5)]


def test_values_outside_the_limits_are_refused():
    with pytest.raises(DataError, match="outside the limits"):
        manski_bounds(table([1, 5], [0, 1]), outcome="y", treatment="d", low=0, high=1)


def test_a_cell_without_one_arm_is_refused():
    frame = table([1, 2, 3], [1, 2, 3]).assign(place=[1, 1, 1, 2, 2, 2])
    with pytest.raises(DesignError, match="nobody of the comparison"):
        lee_bounds(frame, outcome="y", treatment="d", tighten=["place"])


def test_tanzania_gives_the_stored_bounds():
    data = shared("tanzania_training")
    rows = lee_bounds(data, outcome="lnisales0911f", treatment="dtreat", draws=49)
    # bounds_tz_lee (base R 4.2.2, fractional trimming)
    assert rows[0].estimate == pytest.approx(0.021146452427784, rel=1e-6)
    assert rows[1].estimate == pytest.approx(0.180959307924084, rel=1e-6)
    assert dict(rows[0].details)["trim_share"] == pytest.approx(0.0314191419141913, rel=1e-6)
    bounds = manski_bounds(data, outcome="bint11", treatment="dtreat", low=0, high=1, draws=49)
    assert [b.estimate for b in bounds] == [pytest.approx(0.0493561610802991, rel=1e-6)] * 2  # bounds_tz_manski


def pairs_with_losses():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"pair": np.repeat(np.arange(30), 2), "d": np.tile([0.0, 1.0], 30), "y": rng.normal(size=60)})
    frame.loc[[3, 8, 20, 44], "y"] = np.nan
    return frame


def test_drawn_pairs_are_taken_together():
    frame = pairs_with_losses()
    asked = {"outcome": "y", "treatment": "d", "draws": 19}
    within, pooled = lee_bounds(frame, strata="pair", **asked), lee_bounds(frame, **asked)
    for one, other in zip(within, pooled, strict=True):
        assert one.estimate == pytest.approx(other.estimate)
        assert dict(next(c for c in one.caveats if c.code == "pairs_pooled").values) == {"strata": 30}
        assert not other.has_caveat("pairs_pooled")
    assert manski_bounds(frame, strata="pair", low=-9, high=9, **asked).headline.has_caveat("pairs_pooled")


def test_clusters_drawn_in_pairs_are_taken_together_and_larger_strata_stay():
    frame = pairs_with_losses()
    whole = pd.concat([frame.assign(village=frame.index), frame.assign(village=frame.index, y=frame["y"] + 1)])
    rows = lee_bounds(whole, outcome="y", treatment="d", strata="pair", cluster="village", draws=19)
    assert rows.headline.has_caveat("pairs_pooled")
    fours = frame.assign(pair=frame["pair"] // 2)
    assert not lee_bounds(fours, outcome="y", treatment="d", strata="pair", draws=19).headline.has_caveat("pairs_pooled")


def test_stata_s_line_stands_only_where_its_bounds_are_these():
    data = pd.DataFrame({"d": np.tile([0.0, 1.0], 20), "s": np.repeat([0, 1], 20), "g": np.arange(40) % 20,
                         "w": 1.0 + np.arange(40) % 3, "y": np.where(np.arange(40) % 7 == 0, np.nan, np.arange(40.0))})
    asked = {"outcome": "y", "treatment": "d", "draws": 9}
    assert lee_bounds(data, **asked).headline.se_card.stata_call == "leebounds y d, select(found) cieffect"
    for more in ({"strata": "s"}, {"cluster": "g"}, {"weights": "w"}, {"tighten": ["s"]}):
        assert lee_bounds(data, **asked, **more).headline.se_card.stata_call == ""

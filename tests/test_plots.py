"""Plots: what is drawn where, hollow exactly where zero is held, words, safe labels, the same bytes, no overlaps."""

from __future__ import annotations

import io
import itertools
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from support_records import sample_evaluation
from support_shared import minimum_wages
from support_studies import dosed_firms, followed_firms, panel

from impact.brief import theme
from impact.did.decomposition import bacon_decomposition
from impact.did.events import event_study
from impact.did.fragility import Sensitivity, sensitivity
from impact.did.group_time import group_time_att
from impact.did.imputed import imputation
from impact.errors import ImpactError
from impact.rct.groups import subgroups
from impact.rct.rounds import pooled_rounds
from impact.results import Caveat, Estimate, Estimates, Segment, TrendPoint
from impact.results.palette import COLOURS
from impact.results.plots import Plot, kinds_of, plot
from impact.results.plots.means import apart
from impact.results.plots.panels import ink_on, shade
from impact.results.plots.sheet import Numbers, clean, look, measure, span, ticks, wrap
from impact.results.plots.wording import hollow, in_signs, numbers_of, pieces

NAMES = {"outcome": "profit", "unit": "firm", "time": "year", "first_treated": "first"}
SVG = "{http://www.w3.org/2000/svg}"
WHITE = "#FFFFFF"
HOSTILE = "$\\frac{1}{0}$ x_1^2 <script>alert(1)</script> & ]]> --> \u202e\x07\u6f22 " + "long " * 60


def row(k, value, low=None, high=None, **more) -> Estimate:
    """An estimate by hand; without ends it has no interval."""
    interval = more.pop("interval", (Segment(low=low, high=high),) if low is not None and high is not None else ())
    facts = {"id": f"profit/m/{k}", "outcome": "profit", "method": "m", "estimand": "att", "conf_level": 0.95, "n": 100 + k,
             "vcov": "HC2", "term": f"arm {k}"} | more
    return Estimate(estimate=value, conf_low=low, conf_high=high, interval=interval, **facts)


ODD = Estimates(rows=(
    row(0, 1.2, 0.2, 2.3), row(1, -0.5, -1.0, 0.2), row(2, 0.8, reasons=(("std_error", "one cluster on a side"),)),
    row(3, 2.0, interval=(Segment(low=0.5, high=None),)), row(5, 1.5, -200.0, 300.0),
    row(4, 1.0, interval=(Segment(low=None, high=-0.4), Segment(low=0.3, high=None))),
    row(6, math.nan, reasons=(("estimate", "nobody was found in this arm"),)), row(7, 1.0, interval=(Segment(),)),
    row(8, 0.4, 0.0, 0.8)))


def with_means(*points) -> object:
    name = sample_evaluation().study.outcomes[1].name
    return replace(sample_evaluation(), trends=tuple(TrendPoint(outcome=name, group=g, period=t, mean=m, n=n)
                                                      for g, t, m, n in points))


def cohorts(*starts, years=range(2001, 2007)):
    return with_means(*(("never treated" if s is None else f"first treated {s}", str(t), 10 + 2 * k + 0.3 * t % 7, 20 + k)
                        for k, s in enumerate(starts) for t in years))


@pytest.fixture(scope="module")
def staggered():
    return group_time_att(panel(units=60, periods=7, starts=(2003.0, 2005.0)), **NAMES)


@pytest.fixture(scope="module")
def universal():
    return group_time_att(panel(units=80, periods=7, starts=(2004.0,)), **NAMES, base_period="universal")


@pytest.fixture(scope="module")
def gallery(staggered, universal):
    """One plot of each kind, and of what is awkward."""
    bacon = bacon_decomposition(panel(units=60, periods=8, starts=(2001.0, 2003.0, 2004.0, 2006.0, 2030.0)), **NAMES)
    hostile = Estimates(rows=tuple(replace(e, outcome=HOSTILE, term=HOSTILE + e.term, unit=HOSTILE, question=HOSTILE)
                                   for e in ODD))
    return {
        "event_study": event_study(panel(units=60, periods=9, starts=(2005.0,)), **NAMES, window=(-3, 3)).plot(),
        "event_universal": universal.aggregate("dynamic").plot(),
        "event_long": event_study(panel(units=80, periods=24, starts=(2010.0, 2012.0)), **NAMES).plot(),
        "heat_map": staggered.plot(), "heat_universal": universal.plot(), "scatter": plot(bacon),
        "curve": sensitivity(universal).plot(), "smooth": sensitivity(universal, kind="smoothness").plot(),
        "group": staggered.aggregate("group").plot(), "one": staggered.headline.plot(), "odd": ODD.plot(),
        "hostile": hostile.plot(), "words": row(0, 1.0, 0.5, 2.0, outcome="x" * 300, term="y" * 300).plot(),
        "trends": cohorts(2003, 2005, None).plot(), "many": cohorts(*range(2002, 2012), None).plot(),
        "rounds": with_means(("treated", "before", 20.1, 101), ("treated", "after", 26.0, 98),
                             ("comparison", "before", 20.4, 99), ("comparison", "after", 21.2, 90)).plot(),
        "record": sample_evaluation().plot()}


def panel_of(found: Plot):
    return found.figure.axes[1]


def marks(found: Plot, shapes: str = "os", size: float = 7.0) -> list[tuple[float, float, bool]]:
    """Marks of the panel: place, and whether hollow."""
    return [(float(m.get_xdata()[0]), float(m.get_ydata()[0]), m.get_markerfacecolor() == WHITE)
            for m in panel_of(found).lines if m.get_marker() in shapes and m.get_markersize() == size]


def texts(found: Plot) -> list[str]:
    return [t.get_text() for axes in found.figure.axes for t in axes.texts]


# what stands where


def test_a_difference_between_groups_is_not_called_an_average():
    rows = subgroups(dosed_firms(), outcome="profit", treatment="offered", by="sector")
    named = texts(rows.plot())
    assert {"difference, tailors − food", "food", "tailors"} <= set(named)
    assert "average" not in named
    rounds = pooled_rounds(followed_firms(), outcome="profit", treatment="offered", unit="firm", round="wave")
    assert {"average", "period 1", "period 3"} <= set(texts(rounds.plot()))


def test_numbers_below_a_forest_do_not_touch_however_long_they_are():
    for low, high in ((-4e9, 4.2e9), (2.4e9, 7.4e9), (-5.6e-6, 5e-6), (-8.1e9, 1.2e10)):
        found = row(0, (low + high) / 2, low, high).plot()
        canvas = FigureCanvasAgg(found.figure).get_renderer()
        spots = sorted((t.get_window_extent(canvas) for t in panel_of(found).texts if t.get_position()[1] > 0.3),
                       key=lambda spot: spot.x0)
        assert len(spots) >= 2  # an axis has at least two numbers
        assert all(a.x1 + 4 < b.x0 for a, b in itertools.pairwise(spots))


def test_one_comparison_has_an_axis_of_its_own_size():
    data = panel(units=8, periods=4).assign(profit=lambda d: 1e-6 * d["profit"])
    found = plot(bacon_decomposition(data, **NAMES))
    low, high = panel_of(found).get_ylim()
    assert high - low < 1e-5
    assert "the average of 1" not in found.alt


def test_figures_with_a_power_of_ten_have_one_precision():
    numbers = Numbers([2.4e12, 2.42e12, 1.8e12])
    assert [numbers.write(x) for x in (2.4e12, 2.42e12, 1.8e12)] == ["+2.40e12", "+2.42e12", "+1.80e12"]
    assert [text for _, text in ticks(0.0, 5e12)] == ["0", "+1e12", "+2e12", "+3e12", "+4e12", "+5e12"]


def test_an_event_study_draws_every_horizon_with_interval_band_and_reference(universal):
    rows = universal.aggregate("dynamic")
    found = rows.plot()
    shown = [e for e in rows if e.horizon is not None and e.horizon != "-1"]
    assert marks(found) == [(float(e.horizon), e.estimate, not e.excludes_zero) for e in shown]
    assert [m.get_marker() for m in panel_of(found).lines if m.get_markersize() == 7 and m.get_marker() in "osx"] == [
        *("s" if float(e.horizon) < 0 else "o" for e in shown), "x"]
    boxes = [(b.get_y(), b.get_y() + b.get_height()) for b in panel_of(found).patches]
    assert boxes == [pytest.approx((dict(e.details)["band_low"], dict(e.details)["band_high"])) for e in shown]
    start = next(line for line in panel_of(found).lines if line.get_linestyle() == "--")
    assert list(start.get_xdata()) == [-0.5, -0.5]
    for words in ("Periods since first treatment", "Effect on profit, in the unit of its column", "−3", "+3",
                  "95% interval for this period alone", "95% band for all periods at once",
                  "reference period, zero by construction"):
        assert words in texts(found)


def test_leads_of_another_regression_have_a_band_of_their_own():
    rows = imputation(panel(), **NAMES).aggregate("dynamic")
    found = rows.plot()
    shown = sorted((e for e in rows if e.horizon is not None), key=lambda e: float(e.horizon))
    boxes = [(b.get_y(), b.get_y() + b.get_height()) for b in panel_of(found).patches]
    assert boxes == [pytest.approx((dict(e.details)["band_low"], dict(e.details)["band_high"])) for e in shown]
    assert any(float(e.horizon) < 0 for e in shown)
    assert "95% band for all periods on one side of the start at once" in texts(found)
    assert "all periods on one side of the start at once" in found.alt
    assert "band on a side at once" in str(rows)
    assert all(dict(e.details)["band_low"] <= e.conf_low for e in shown)


def test_binned_ends_and_the_reference_of_a_regression_are_named(gallery):
    found = gallery["event_study"]
    assert {"≤ −3", "−2", "−1", "0", "+1", "+2", "≥ +3"} <= set(texts(found))
    assert [float(m.get_xdata()[0]) for m in panel_of(found).lines if m.get_marker() == "x"] == [-1.0]
    assert "The reference period is −1." in found.alt


def test_an_event_study_tells_missing_open_and_unknown_horizons():
    rows = Estimates(rows=(
        row(0, 2.0, 1.0, 3.0), row(1, 0.4, horizon="-2", reasons=(("std_error", "too few clusters"),)),
        row(2, 1.0, horizon="0", interval=(Segment(low=0.2, high=None),)), row(3, 2.0, -99.0, 103.0, horizon="1"),
        row(4, math.nan, horizon="2", reasons=(("estimate", "no unit is seen that long"),))))
    found = rows.plot()
    assert marks(found) == [(-2.0, 0.4, True), (0.0, 1.0, False), (1.0, 2.0, True)]
    arrows = [(m.get_marker(), float(m.get_xdata()[0])) for m in panel_of(found).lines if m.get_marker() in ("^", "v")]
    assert arrows == [("^", 0.0), ("v", 1.0), ("^", 1.0)]
    assert "No estimate at +2: no unit is seen that long." in texts(found)
    assert "hollow: the interval holds zero, or there is none" in texts(found)
    assert "−2: +0.4 (no interval), too few clusters." in found.alt


def test_a_heat_map_writes_numbers_and_n_and_frames_what_holds_zero(staggered):
    found, numbers = staggered.plot(), numbers_of(staggered.rows[1:])
    written = [t.get_text() for t in panel_of(found).texts]
    patches = panel_of(found).patches
    assert len(patches) == len(staggered.rows) - 1
    for e, patch in zip(staggered.rows[1:], patches, strict=True):
        assert numbers.write(e.estimate) in written
        assert f"n {e.n:,}" in written
        assert (patch.get_facecolor()[:3] == (1, 1, 1)) == (not e.excludes_zero)
    stairs = [list(line.get_xdata()) for line in panel_of(found).lines]
    assert [1, 1] in stairs  # first treated in 2003: after the column of 2002
    assert [3, 3] in stairs  # in 2005: after 2004


def test_a_heat_map_marks_what_is_missing_with_its_reason():
    why = (("estimate", "no comparison unit is left"),)
    rows = [row(10 * i + j, math.nan if (i, j) == (1, 2) else 0.3 * i - 0.2 * j, *(() if (i, j) == (1, 2) else (-9.0, 9.0)),
                cohort=str(2003 + i), period=str(2002 + j), reasons=why if (i, j) == (1, 2) else ())
            for i in range(2) for j in range(3) if (i, j) != (0, 0)]
    found = Estimates(rows=tuple(rows)).plot()
    assert "a: no estimate: no comparison unit is left." in texts(found)
    written = [t.get_text() for t in panel_of(found).texts]
    assert (written.count("a"), written.count("·")) == (1, 1)
    assert "2004 in 2004: no estimate, n 112, no comparison unit is left." in found.alt


def test_a_scatter_shows_each_comparison_by_kind_and_the_coefficient():
    data = panel(units=60, periods=8, starts=(2001.0, 2003.0, 2004.0, 2006.0, 2030.0))
    bacon = bacon_decomposition(data, **NAMES)
    found = plot(bacon)
    shapes = {"treated vs never treated": "o", "earlier vs later treated": "s", "later vs earlier treated": "^",
              "treated vs always treated": "v"}
    drawn = [(m.get_marker(), float(m.get_xdata()[0]), float(m.get_ydata()[0])) for m in panel_of(found).lines
             if m.get_marker() in ("o", "s", "^", "v")]
    assert drawn == [(shapes[r.kind], pytest.approx(100 * r.weight), r.estimate) for r in bacon.rows]
    assert all(hollowed for *_, hollowed in marks(found, "os^v", 7.5))  # none has an interval
    line = next(m for m in panel_of(found).lines if m.get_linestyle() == "--")
    assert list(line.get_ydata()) == [bacon.twfe, bacon.twfe]
    assert f"{bacon.forbidden_weight:.0%} of the weight compares with units already treated" in found.alt
    with pytest.raises(ValueError, match="kind must be one of scatter for these rows, not 'forest'"):
        plot(bacon, "forest")


def test_the_minimum_wage_data_in_words():
    data = minimum_wages()
    names = {"outcome": "lemp", "unit": "countyreal", "time": "year", "first_treated": "g"}
    alt = plot(bacon_decomposition(data, **names)).alt
    # R bacondecomp 0.1.3, case did_mpdta_bacon: −0.0365489; 0.862774 × −0.0407397 with never-treated counties
    assert "Two-way fixed effects −0.0365, the average of 9 comparisons" in alt
    assert "Treated vs never treated: 86% of the weight, average −0.0407." in alt
    # R did 2.3.0, case did_mpdta_cs: simple average −0.0398 with standard error 0.0120
    assert "Average over treated units and periods: −0.0398" in group_time_att(data, **names).plot().alt


def test_a_curve_shows_the_interval_at_each_bound_and_where_zero_enters(universal):
    rows = sensitivity(universal)
    found, bars = rows.plot(), rows.rows[1:]
    towers = [(b.get_y(), b.get_y() + b.get_height(), b.get_facecolor()[:3] == (1, 1, 1)) for b in panel_of(found).patches]
    assert towers == [(pytest.approx(e.conf_low), pytest.approx(e.conf_high), not e.excludes_zero) for e in bars]
    assert rows.breakdown is not None
    line = next(m for m in panel_of(found).lines if m.get_linestyle() == "--")
    assert line.get_xdata()[0] == rows.breakdown
    assert f"zero enters at {rows.breakdown:.3g}" in texts(found)
    assert [hollowed for *_, hollowed in marks(found)] == [False]
    assert {"trends", "parallel", "0.5", "1", "1.5", "2"} <= set(texts(found))


def test_a_curve_that_never_falls_or_has_nothing_to_lose_marks_no_fall():
    bound = Caveat(code="trends_may_part", text="", values=(("bound", 1.0),))
    open_ended = row(1, 2.0, interval=(Segment(),), caveats=(bound,))
    for start, value in ((row(0, 2.0, 1.0, 3.0), None), (row(0, 2.0, -1.0, 3.0), 0.0)):
        found = Sensitivity(rows=(start, open_ended), breakdown=value).plot()
        assert not [m for m in panel_of(found).lines if m.get_linestyle() == "--"]
        assert [m.get_marker() for m in panel_of(found).lines if m.get_marker() in ("^", "v")] == ["v", "^"]
        assert "Bound 1: any value, the interval holds zero." in found.alt


def test_a_forest_draws_open_and_split_intervals(gallery):
    found = gallery["odd"]
    drawn = [e for e in ODD if math.isfinite(e.estimate)]
    assert [(x, empty) for x, _, empty in marks(found)] == [(e.estimate, hollow(e)) for e in drawn]
    assert [hollow(e) for e in ODD] == [False, True, True, False, True, False, True, True, True]  # a touched zero is held
    left, right = (sum(m.get_marker() == shape for m in panel_of(found).lines) for shape in "<>")
    assert (left, right) == (3, 4)
    assert "+1.0 (below −0.4 or above +0.3)" in texts(found)
    assert "arm 6: nobody was found in this arm." in texts(found)


def test_rows_are_named_by_what_tells_them_apart(staggered):
    assert {"average", "first treated 2003", "first treated 2005"} <= set(texts(staggered.aggregate("group").plot()))
    assert {"average", "in 2003", "in 2007"} <= set(texts(staggered.aggregate("calendar").plot()))
    assert "treated" in texts(staggered.aggregate("simple").plot())
    assert {"first treated 2003, in 2002", "first treated 2005, in 2007"} <= set(texts(staggered.plot("forest")))
    assert {"average", "3 before first treatment", "at first treatment", "1 after first treatment"} <= set(
        texts(staggered.aggregate("dynamic").plot("forest")))
    other = replace(staggered.headline, method="two_way_fixed_effects")
    assert {"group-time effects", "two-way fixed effects"} <= set(texts(Estimates(rows=(staggered.headline, other)).plot()))


def test_units_stand_on_the_axes():
    for more, words in (({"unit": "USD a month (2024 prices)"}, "Effect on profit, USD a month (2024 prices)"),
                        ({"transform": "log", "unit": "USD"}, "Effect on profit, log points"),
                        ({"transform": "share"}, "Effect on profit, share (0 to 1)")):
        assert words in texts(row(0, 1.0, 0.5, 2.0, **more).plot())


def test_trends_are_raw_means_thick_since_treatment_began():
    found = cohorts(2003, 2005, None).plot()
    thick = {COLOURS["navy"]: [], COLOURS["teal"]: [], COLOURS["mute"]: []}
    for m in panel_of(found).lines:
        if m.get_linewidth() == 3.0:
            thick[m.get_color()].append(min(m.get_xdata()))
    assert {colour: min(xs, default=None) for colour, xs in thick.items()} == {
        COLOURS["navy"]: 2002.5, COLOURS["teal"]: 2004.5, COLOURS["mute"]: None}
    assert {"first treated 2003", "first treated 2005", "never treated", "n 20", "year"} <= set(texts(found))
    assert not any(empty for *_, empty in marks(found, "osD", 5.5))


def test_one_start_is_marked_by_a_line_and_a_period_without_a_mean_breaks_the_lines():
    found = with_means(*((g, t, m, 9) for g, m in (("first treated 3", 5.0), ("never treated", 4.0))
                         for t in ("1", "2", "3", "5", "4") if (g, t) != ("never treated", "3"))).plot()
    line = next(m for m in panel_of(found).lines if m.get_linestyle() == "--")
    assert list(line.get_xdata()) == [2.5, 2.5]
    spans = [tuple(m.get_xdata()) for m in panel_of(found).lines if (m.get_color(), m.get_linewidth()) == (
        COLOURS["mute"], 1.3)]
    assert spans == [(1.0, 2.0), (4.0, 5.0)]


def test_trends_choose_the_first_primary_outcome_and_refuse_others():
    record = sample_evaluation()
    assert "Scrap rate" in record.plot().alt
    assert record.plot().alt == record.plot("scrap_rate").alt
    with pytest.raises(ValueError, match="outcome must be one of scrap_rate, which have means in the record, not 'jobs'"):
        record.plot("jobs")
    with pytest.raises(ValueError, match="holds no means"):
        replace(record, trends=()).plot()


# the kind


def test_the_kind_follows_from_the_rows(staggered, universal):
    assert kinds_of(staggered) == ["heat_map", "forest"]
    assert kinds_of(staggered.aggregate("dynamic")) == ["event_study", "forest"]
    assert kinds_of(staggered.aggregate("group")) == ["forest"]
    assert kinds_of(sensitivity(universal)) == ["curve", "forest"]
    assert kinds_of(Estimates(rows=staggered.rows[1:] * 2)) == ["forest"]  # two effects would share a cell
    assert kinds_of(Estimates(rows=(*staggered, row(0, 1.0, method="two_by_two")))) == ["forest"]  # nothing is left out
    assert len(marks(staggered.plot("forest"))) == len(staggered)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: ODD.plot("event_study"), "kind must be one of forest for these rows, not 'event_study'"),
    (lambda: ODD.plot("pie"), "not 'pie'"),
    (lambda: Estimates(rows=(row(0, 1.0), row(1, 1.0, outcome="jobs"))).plot(), r"have 2 outcomes \(profit, jobs\)"),
    (lambda: Estimates(rows=(row(0, 1.0), row(1, 0.1, transform="log"))).plot(), "have 2 units"),
    (lambda: Estimates(rows=(row(0, math.nan),)).plot(), "no row has an estimate"),
    (lambda: Estimates().plot(), "no row has an estimate"),
    (lambda: ODD.plot().save("plot.pdf"), "saved as .svg or .png, not '.pdf'"),
    (lambda: ODD.plot().save("plot"), "not 'without an ending'")])
def test_what_cannot_be_drawn_is_refused_in_words(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# files


def test_files_hold_the_words_and_are_the_same_each_time(gallery, tmp_path):
    for name, found in gallery.items():
        svg = found.save(tmp_path / f"{name}.svg").read_bytes()
        root = ET.fromstring(svg)
        assert root.get("role") == "img"
        title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
        assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
        assert desc.text == clean(found.alt)
        assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "image", "a", "foreignObject")]
        assert b"<!DOCTYPE" not in svg
        assert svg == found._repr_svg_().encode()
    png = gallery["odd"].save(tmp_path / "odd.png").read_bytes()
    picture = Image.open(io.BytesIO(png))
    picture.load()
    assert picture.format == "PNG"
    assert picture.info["Description"] == gallery["odd"].alt
    assert "Software" not in picture.info
    assert gallery["odd"]._repr_png_() == png == ODD.plot()._repr_png_()


def test_another_process_with_other_settings_writes_the_same_bytes_and_loads_no_pyplot(tmp_path):
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\nsvg.fonttype: none\nsavefig.bbox: tight\n")
    code = ("import sys\nsys.path.insert(0, sys.argv[1])\nimport impact.results\nassert 'matplotlib' not in sys.modules\n"
            "from test_plots import ODD\nimport matplotlib\n"
            "def settings():\n    return {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != 'backend'}\n"
            "before = settings()\nfound = ODD.plot()\nfound.save('odd.svg'), found.save('odd.png')\n"
            "assert 'matplotlib.pyplot' not in sys.modules\n"
            "assert settings() == before and before['lines.linewidth'] == 9")
    done = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code, str(Path(__file__).parent)],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = ODD.plot()
    assert (tmp_path / "odd.svg").read_text("utf-8") == found._repr_svg_()
    assert (tmp_path / "odd.png").read_bytes() == found._repr_png_()


def test_a_file_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path):
    (tmp_path / "odd.svg").mkdir()
    with pytest.raises(ImpactError, match="cannot be written"):
        ODD.plot().save(tmp_path / "odd.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["odd.svg"]


# the look


def test_nothing_is_faded_away(gallery):
    for found in gallery.values():
        for axes in found.figure.axes:
            for artist in [*axes.lines, *axes.patches, *axes.texts, *axes.collections]:
                assert artist.get_alpha() in (None, 1)


def test_no_text_lies_on_another_or_leaves_the_page(gallery):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for name, found in gallery.items():
        with look():
            canvas = FigureCanvasAgg(found.figure)
            canvas.draw()
            boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer()).shrunk(0.98, 0.8))
                     for axes in found.figure.axes for t in axes.texts if t.get_text().strip()]
        page = found.figure.bbox
        for k, (text, box) in enumerate(boxes):
            assert page.x0 <= box.x0 <= box.x1 <= page.x1, (name, text)
            assert page.y0 <= box.y0 <= box.y1 <= page.y1, (name, text)
            for other, place in boxes[k + 1:]:
                assert not box.overlaps(place), (name, text, other)


def test_hostile_labels_are_drawn_as_they_stand(gallery):
    found = gallery["hostile"]
    drawn = " ".join(texts(found))
    assert "$\\frac{1}{0}$ x_1^2" in drawn  # as letters, not as mathematics
    assert not any(t.get_parse_math() for axes in found.figure.axes for t in axes.texts)
    assert "\u202e" not in drawn + found.alt
    assert "\x07" not in drawn + found.alt
    assert "□" in drawn  # no picture of this letter in the face
    assert "\u6f22" in found.alt
    assert max(map(len, texts(found))) < 200


@pytest.mark.parametrize("values", [
    (1e300, 9e299, 1.1e300), (0.0, 0.0, 0.0), (1e-12, -1e-12, 2e-12), (-3e-7, -5e-7, -1e-7), (5.0, 5.0, 5.0),
    (2e9, 1e9, 3e9)])
def test_numbers_of_any_size_are_drawn(values):
    found = Estimates(rows=(row(0, *values), row(1, *values))).plot()
    assert found._repr_png_()
    assert len(found.alt) < 600


def test_one_palette_and_ink_that_can_be_read():
    assert theme.COLOURS is COLOURS
    for share in (k / 20 for k in range(-20, 21)):
        ground = shade(share)
        light = [sum(w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for w, c in zip(
            (0.2126, 0.7152, 0.0722), (int(x[k:k + 2], 16) / 255 for k in (1, 3, 5)), strict=True)) + 0.05
            for x in (ground, ink_on(ground))]
        assert max(light) / min(light) > 4  # large bold figures need 3, WCAG 2.1 criterion 1.4.3


# small parts, by hand


def test_numbers_are_plain():
    numbers = Numbers([1234.5, -0.5])
    assert (numbers.write(1234.5), numbers.write(-0.5), numbers.write(0.0)) == ("+1,234", "0", "0")
    assert Numbers([0.0365, 0.0046]).write(-0.0365489) == "−0.0365"
    assert Numbers([1.2, 0.8, 300.0]).write(1.2) == "+1.2"
    assert (Numbers([2.5e12]).write(2.5e12), Numbers([3e-7]).write(-3e-7)) == ("+2.50e12", "−3.00e−7")
    assert in_signs(row(0, 1.0), Numbers([1.0])) == "+1.00 (no interval)"
    assert pieces(replace(row(0, 1.0, 0.0, 2.0), interval=())) == ((0.0, 2.0),)


def test_axes_cover_what_is_shown():
    assert span([1.0], [((0.5, 2.0),)]) == pytest.approx((-0.12, 2.12))
    assert span([3.3, 3.5], [(), ()], zero=False) == pytest.approx((3.288, 3.512))
    low, high = span([1.0, 1.0, 1.0], [((0.5, 1.5),), ((0.5, 1.5),), ((None, 900.0),)])
    assert high < 20  # the interval runs to 900
    assert low < 0
    assert ticks(-0.12, 2.12) == [(0.0, "0.0"), (0.5, "+0.5"), (1.0, "+1.0"), (1.5, "+1.5"), (2.0, "+2.0")]
    assert ticks(0, 54, sign=False, tail="%")[1] == (10.0, "10%")


def test_words_are_broken_to_measure():
    lines = wrap("an effect on the profit of firms " * 9, 2.0, most=3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(measure(line) <= 2.0 for line in lines)
    assert wrap("", 2.0) == [""]
    assert clean(" a\n\tb\x00 \u202ec ") == "a b c"


def test_labels_move_apart_by_as_little_as_it_takes():
    assert apart([1.0, 1.0], 0.4, 3.0) == pytest.approx([0.8, 1.2])
    assert apart([0.5, 2.0], 0.4, 3.0) == pytest.approx([0.5, 2.0])
    assert apart([2.9, 3.0], 0.4, 3.0) == pytest.approx([2.6, 3.0])
    assert apart([1.0, 1.1, 2.5], 0.4, 3.0) == pytest.approx([0.85, 1.25, 2.5])

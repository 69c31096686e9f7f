"""Parallel coordinates, and means with their intervals, by hand-made runs."""

import math

import pytest

from segkit.reports.axes import scale_of
from segkit.reports.drawing import Dot, Line, Words
from segkit.reports.forest import LEFT, MOST_ROWS, RIGHT, Estimate, forest
from segkit.reports.parallel import BOTTOM, OTHER, TOP, WINNER, Path, axis_of, parallel


def test_typed_numbers_lie_by_size_words_as_the_runs_rank_and_measured_numbers_on_a_scale():
    rates = axis_of("lr", ["0.003", "0.03", "0.001"])
    assert sorted(rates.places, key=rates.places.get) == ["0.03", "0.003", "0.001"]
    words = axis_of("loss", ["dice", "focal", "dice"])
    height = BOTTOM - TOP
    assert words.places == {"dice": TOP + height / 4, "focal": TOP + 3 * height / 4}
    assert [text for _, text in words.ticks] == ["dice", "focal"]
    hours = axis_of("hours", [1.0, 2.0, 1.5, None])
    assert hours.places[1.5] == pytest.approx((hours.places[1.0] + hours.places[2.0]) / 2)
    assert hours.places[2.0] < hours.places[1.0]  # more is higher


def test_each_run_is_a_line_through_its_values_and_the_best_lies_on_top():
    paths = [Path("a", ["x", 2.0, 0.9], WINNER), Path("b", ["y", None, 0.8], OTHER)]
    drawing = parallel(["choice", "hours", "Dice"], paths)
    lines = [mark for mark in drawing.marks if isinstance(mark, Line) and mark.run is not None]
    assert [(line.run, line.kind, len(line.points)) for line in lines] == [(1, OTHER, 2), (0, WINNER, 3)]
    assert lines[1].title == "a: choice=x, hours=2, Dice=0.9"
    assert lines[1].points[2][1] < lines[0].points[1][1]
    assert {mark.text for mark in drawing.marks if isinstance(mark, Words)} >= {"choice", "hours", "Dice", "x", "y"}
    assert parallel(["Dice"], paths) is None
    assert parallel(["choice", "Dice"], paths[:1]) is None


def test_a_long_value_is_cut_on_its_axis_alone():
    long = "a_network_with_a_very_long_name"
    drawing = parallel(["network", "Dice"], [Path("a", [long, 0.9], WINNER), Path("b", ["unet", 0.8], OTHER)])
    assert any(isinstance(mark, Words) and mark.text == "a_network_w…_long_name" for mark in drawing.marks)
    assert any(isinstance(mark, Line) and long in mark.title for mark in drawing.marks)


def test_estimates_lie_on_one_scale_that_holds_zero_where_differences_are_shown():
    rows = [Estimate("a", -0.02, (-0.03, -0.01), "c5", "-0.02"), Estimate("b", math.nan, None, "c5")]
    drawing = forest("effects", "t", "c.", rows, "difference in Dice", zero=True)
    scale = scale_of([-0.03, -0.02, -0.01, 0.0], LEFT + 8, RIGHT - 8)
    (dot,) = (mark for mark in drawing.marks if isinstance(mark, Dot))
    assert dot.x == pytest.approx(scale(-0.02))
    zero = next(mark for mark in drawing.marks if isinstance(mark, Line) and mark.dashed)
    assert zero.points[0][0] == pytest.approx(scale(0.0))
    interval = next(mark for mark in drawing.marks if isinstance(mark, Line) and mark.kind == "c5")
    assert [x for x, _ in interval.points] == pytest.approx([scale(-0.03), scale(-0.01)])
    assert forest("n", "t", "c.", [rows[1]], "a") is None
    many = [Estimate(str(at), float(at), None, "c5") for at in range(MOST_ROWS + 3)]
    assert forest("n", "t", "c.", many, "a").caption == "c. 3 more are in the table."

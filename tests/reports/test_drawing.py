import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from segkit.reports.charts import agreement_chart
from segkit.reports.drawing import Box, Dot, Drawing, Line, Words, inline_svg, svg_file
from segkit.reports.figures import escaped
from segkit.reports.raster import raster
from segkit.reports.strips import Strip, strips

MARKS = (
    Line([(0, 0), (50, 50)], "ink", 2), Line([(0, 50), (50, 0)], "grid", 1, dashed=True),
    Dot(25, 25, 5, "c1", "a <b>", 3), Box(60, 10, 20, 30, "c2", 0.5, "& more"), Words(5, 45, "<x> & y", "ink"),
)  # fmt: skip
CHART = Drawing("chart", "A <title>", "what & why", 100, 60, MARKS)


@pytest.mark.parametrize("write", [inline_svg, svg_file])
def test_svg_is_well_formed_whatever_its_texts_hold(write):
    root = ElementTree.fromstring(write(CHART))
    texts = [element.text for element in root.iter() if element.text]
    assert "<x> & y" in texts
    assert "a <b>" in texts


def test_a_picture_has_the_colours_of_its_chart():
    pixels = np.asarray(raster(CHART)).astype(int)
    assert pixels.shape == (180, 300, 3)
    assert np.abs(pixels[60, 210] - (143, 188, 214)).max() <= 3  # half of c2 on white
    assert pixels[5, 290].tolist() == [255, 255, 255]


def test_boxes_and_whiskers_by_hand():
    values = np.array([1.0, 2, 3, 4, 5, 20, np.nan])
    drawing = strips("n", "t", [Strip("row", "c1", values, mean=5.0, interval=(3.0, 8.0))], list("abcdefg"), "mm")
    dots = [mark for mark in drawing.marks if isinstance(mark, Dot)]
    assert [dot.case for dot in dots] == [0, 1, 2, 3, 4, 5]
    place = {dot.case: dot.x for dot in dots}
    pixels = (place[5] - place[0]) / 19  # of one mm
    box = next(mark for mark in drawing.marks if isinstance(mark, Box))
    assert box.x == pytest.approx(place[1] + 0.25 * pixels)  # quartiles 2.25 and 4.75
    assert box.width == pytest.approx(2.5 * pixels)
    whiskers = next(mark for mark in drawing.marks if isinstance(mark, Line) and mark.kind == "c1")
    assert [x for x, _ in whiskers.points] == pytest.approx([place[0], place[4]])  # 20 is beyond 4.75 + 1.5 * 2.5


def test_bias_and_limits_by_hand():
    reference, mask = np.array([10.0, 20, 30, np.nan]), np.array([11.0, 22, 33, 5])
    drawing = agreement_chart("liver", 1, reference, mask, list("abcd"))
    said = [mark.text for mark in drawing.marks if isinstance(mark, Words)]
    expected = {"bias: +2", "−1.96 SD: +0.04", "+1.96 SD: +3.96"}  # the differences are 1, 2, 3
    assert expected | {"liver: mask − reference [ml]"} <= set(said)
    assert drawing.name == "agreement_liver"
    assert agreement_chart("liver", 1, reference[3:], mask[3:], ["d"]) is None


def test_latex_prints_names_as_they_are():
    assert escaped("a_b & 50%\n{x}#$") == r"a\_b \& 50\% \{x\}\#\$"
    assert escaped("\\~^") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}"

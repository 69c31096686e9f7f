import numpy as np
import pytest
from PIL import Image

from segkit.reports.contact_sheet import Tile, planes_of, write_sheet
from segkit.volumes.outlines import COLOURS, colour_of, outlined


def ball(shape=(12, 10, 8)):
    classes = np.zeros(shape, np.uint8)
    classes[4:9, 3:8, 2:6] = 1
    return Tile("case", np.random.default_rng(0).normal(size=shape), classes)


def test_an_outline_by_hand():
    classes = np.zeros((5, 5), np.uint8)
    classes[1:4, 1:4] = 1
    picture = outlined(np.full((5, 5), 100, np.uint8), classes)
    coloured = (picture == COLOURS[0]).all(axis=2)
    expected = classes.astype(bool)
    expected[2, 2] = False
    assert (coloured == expected).all()
    assert picture[0, 0].tolist() == [100, 100, 100]


def test_a_volume_shows_three_planes_and_a_picture_one():
    assert [plane.shape[2] for plane in planes_of(ball())] == [3, 3, 3]
    assert len(planes_of(ball((12, 10, 1)))) == 1
    flat = Tile("empty", np.zeros((6, 6, 6)), np.zeros((6, 6, 6), np.uint8))
    assert len(planes_of(flat)) == 3


@pytest.mark.parametrize("count", [1, 3])
def test_a_sheet_is_a_picture_with_every_label_in_its_colour(count, tmp_path):
    write_sheet([ball()] * count, ["liver", "spleen"], tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png")).reshape(-1, 3)
    assert (pixels == colour_of(1)).all(axis=1).any()
    assert (pixels == colour_of(2)).all(axis=1).any()  # its name in the legend

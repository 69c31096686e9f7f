"""A picture of the mask on its scan: the right slices, the right way round, the labels' colours."""

import shutil
import subprocess

import numpy as np
import pytest
from pydicom import dcmread

from segkit.config.labels import labels_from
from segkit.inference.exporters import Segmented, exporters, standard_objects
from segkit.inference.exporters.secondary_capture import (
    LINE,
    TILE,
    capture_of,
    classes_of,
    orientation_of,
    sheet_of,
    slices_shown,
    tile_size,
)
from segkit.volumes.dicom.derived.mask import Author
from segkit.volumes.outlines import COLOURS, GAP
from segkit.volumes.reading import read
from tests.volumes.dicom.conftest import Maker

LABELS = labels_from({"background": 0, "liver": 4, "spleen": 9})


@pytest.fixture
def segmented(tmp_path):
    maker = Maker()
    scan = read(maker.save(tmp_path / "ct", maker.series(7)))
    mask = np.zeros(scan.grid.shape, np.uint8)
    mask[3:, 2:, 2], mask[0, 0, 4] = 4, 9
    return Segmented(mask, LABELS, scan, Author("abdomen", "1"), standard_objects())


def test_slices_with_labels_are_shown_in_their_places_and_colours(segmented):
    assert slices_shown(classes_of(segmented)) == [2, 4]
    sheet = sheet_of(segmented)
    width, height = tile_size(segmented)
    assert (width, height) == (TILE, round(TILE * (4 * 0.7) / (5 * 1.3)))  # pixels are 1.3 by 0.7 mm
    first = sheet[GAP + LINE :, GAP:][:height, :width]
    second = sheet[GAP + LINE :, 2 * GAP + width :][:height, :width]
    for tile, place, colour in ((first, (slice(2, 4), slice(3, 5)), COLOURS[0]), (second, (0, 0), COLOURS[1])):
        rows, columns = np.nonzero((tile == colour).all(axis=-1))
        held = set(zip((rows + 0.5) * 4 // height, (columns + 0.5) * 5 // width, strict=True))
        expected = np.zeros((4, 5), bool)
        expected[place] = True
        assert held <= set(zip(*np.nonzero(expected), strict=True))
        assert held


def test_at_most_nine_slices_evenly_spread():
    classes = np.zeros((2, 2, 40), np.uint8)
    classes[..., 3:36] = 1
    assert slices_shown(classes) == [3, 7, 11, 15, 19, 23, 27, 31, 35]
    assert slices_shown(np.zeros((2, 2, 40), np.uint8)) == [20]


def test_the_object_is_sound_and_lies_beside_its_series(segmented, tmp_path):
    paths = [tmp_path / name for name in ("a.sc.dcm", "b.sc.dcm")]
    for path in paths:
        exporters()["secondary_capture"].write(segmented, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    made = dcmread(paths[0])
    assert np.array_equal(made.pixel_array, sheet_of(segmented))
    assert made.StudyInstanceUID == segmented.source.header.StudyInstanceUID
    assert made.SOPInstanceUID not in segmented.source.headers
    assert made.Modality == "OT"
    # Rows of the maker's slices run mainly along x, columns mainly along y.
    assert orientation_of(segmented) == tuple(made.PatientOrientation) == ("L", "P")
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    done = subprocess.run(["dciodvfy", paths[0]], capture_output=True, text=True, check=False)
    assert "SCImage" in done.stdout + done.stderr
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


def test_colours_and_pictures_are_shown_too(tmp_path):
    maker = Maker()
    header = maker.bare(Modality="US", SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1", FrameOfReferenceUID=None)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    scan = read(maker.save(tmp_path / "us", [maker.with_pixels(header, pixels)]))
    mask = np.zeros(scan.grid.shape, np.uint8)
    mask[1, 1] = 4
    made = capture_of(Segmented(mask, LABELS, scan, Author("a", "1"), standard_objects()))
    assert made.PatientOrientation is None or not made.PatientOrientation
    assert made.Rows > TILE * 4 // 5

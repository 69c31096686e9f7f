"""Siemens mosaics: each tile is a slice, placed by hand-computed corners, as dcm2niix places them."""

import numpy as np
import pytest
from pydicom.uid import ImplicitVRLittleEndian, MRImageStorage

from segkit.volumes.dicom.oddities import oddities
from segkit.volumes.reading import read

TILE_ROWS, TILE_COLUMNS, TILES, SIDE = 4, 5, 7, 3
GAP = 3.5
SPACING = np.array([1.3, 0.7])  # between columns, between rows


def tiles():
    row, column, tile = np.mgrid[:TILE_ROWS, :TILE_COLUMNS, :TILES]
    return (100 * tile + 10 * row + column + 1).transpose(2, 0, 1)


def sheet_of(slices):
    """Lay slices side by side, row by row; unused places stay 0."""
    sheet = np.zeros((TILE_ROWS * SIDE, TILE_COLUMNS * SIDE), np.uint16)
    for index, pixels in enumerate(slices):
        down, across = divmod(index, SIDE)
        sheet[TILE_ROWS * down :, TILE_COLUMNS * across :][:TILE_ROWS, :TILE_COLUMNS] = pixels
    return sheet


def mosaic(maker, **changes):
    """A mosaic whose first slice has its corner at the maker's origin."""
    header = maker.slice(pixels=sheet_of(tiles()))
    # Siemens writes the corner that the sheet would have around the centre of one slice: (5, 4) pixels grown to
    # (15, 12) on the same centre reach 5 columns and 4 rows further out.
    outward = 5 * SPACING[0] * maker.row + 4 * SPACING[1] * maker.column
    header.ImagePositionPatient = [round(float(x), 6) for x in maker.origin - outward]
    header.SOPClassUID, header.Modality, header.Manufacturer = MRImageStorage, "MR", "SIEMENS"
    header.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    header.SpacingBetweenSlices = GAP
    header.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    header.add_new(0x0019100A, "US", TILES)
    del header.RescaleSlope, header.RescaleIntercept
    return maker.changed(header, **changes)


@pytest.mark.parametrize("is_implicit", [False, True])
def test_tiles_are_slices_in_their_places(maker, tmp_path, lps, is_implicit):
    header = mosaic(maker)
    if is_implicit:
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    volume = read(maker.save(tmp_path / "a", [header]))
    assert volume.array.shape == (1, TILE_COLUMNS, TILE_ROWS, TILES)
    assert np.array_equal(volume.array[0], tiles().transpose(2, 1, 0))
    np.testing.assert_allclose(volume.spacing, (1.3, 0.7, GAP), atol=1e-5)
    np.testing.assert_allclose(lps(volume, (0, 0, 0)), maker.origin, atol=1e-5)
    far = maker.origin + 4 * 1.3 * maker.row + 3 * 0.7 * maker.column + 6 * GAP * maker.normal
    np.testing.assert_allclose(lps(volume, (4, 3, 6)), far, atol=1e-5)


def test_thickness_serves_where_the_gap_is_not_stated(maker, tmp_path):
    volume = read(maker.save(tmp_path / "a", [mosaic(maker, SpacingBetweenSlices=None, SliceThickness=3)]))
    assert volume.spacing[2] == pytest.approx(3)


def test_mosaics_of_a_film_are_volumes_of_one_series(maker, tmp_path):
    headers = [
        mosaic(maker, AcquisitionNumber=turn, InstanceNumber=turn, AcquisitionTime=f"10{turn:02d}00")
        for turn in (1, 2, 3)
    ]
    for turn, header in enumerate(headers):
        maker.with_pixels(header, sheet_of(tiles() + 1000 * turn))
    folder = maker.save(tmp_path / "a", headers)
    stacks = maker.stacks(folder)
    assert [(stack.number, stack.of, len(stack.planes)) for stack in stacks] == [(1, 3, 7), (2, 3, 7), (3, 3, 7)]
    assert stacks[1].differs == {"acquisition": 2.0, "acquisition time": 100200.0}
    assert "mosaic" in oddities(stacks[0])
    volume = maker.read(folder, volumes="channels")
    for turn in range(3):
        assert np.array_equal(volume.array[turn], tiles().transpose(2, 1, 0) + 1000 * turn)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"SpacingBetweenSlices": None, "SliceThickness": None},
            "is a mosaic without SpacingBetweenSlices (0018,0088)",
        ),
        ({"PixelSpacing": None}, "is a mosaic without PixelSpacing (0028,0030)"),
        ({"ImageOrientationPatient": None}, "has no ImageOrientationPatient (0020,0037)"),
    ],
)
def test_what_is_missing_is_named(maker, tmp_path, changes, words):
    folder = maker.save(tmp_path / "a", [mosaic(maker, **changes)])
    maker.refused(lambda: read(folder), str(folder / "IM000"), words)


def test_a_sheet_that_does_not_divide_is_refused(maker, tmp_path):
    header = mosaic(maker)
    header[0x0019100A].value = 15
    folder = maker.save(tmp_path / "a", [header])
    maker.refused(lambda: read(folder), str(folder / "IM000"), "15 slices does not divide into 4 x 4 tiles")


def test_a_sheet_of_more_tiles_than_a_scanner_lays_is_refused(maker, tmp_path):
    header = maker.with_pixels(mosaic(maker), np.zeros((128, 128), np.uint16))
    header[0x0019100A].value = 128 * 128
    folder = maker.save(tmp_path / "a", [header])
    maker.refused(lambda: read(folder), str(folder / "IM000"), "16384 slices does not divide")


def test_a_mosaic_of_one_slice_is_an_image(maker, tmp_path):
    header = mosaic(maker)
    header[0x0019100A].value = 1
    assert read(maker.save(tmp_path / "a", [header])).array.shape == (1, 15, 12, 1)

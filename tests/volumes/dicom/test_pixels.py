"""Pixels in every encoding decode to the values that went in; values are rescaled into the smallest type."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from segkit.volumes.dicom import pixels as module
from segkit.volumes.dicom.headers import read_instance
from segkit.volumes.dicom.instances import Plane
from segkit.volumes.dicom.pixels import rescaled
from segkit.volumes.reading import read

SHAPE = (33, 40)  # rows and columns: JPEG 2000 takes no fewer
UNPLACED = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
UNSCALED = {"RescaleSlope": None, "RescaleIntercept": None}
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1)


@pytest.mark.parametrize("syntax", [*NATIVE, *COMPRESSED])
@pytest.mark.parametrize(("kind", "bits"), [("u1", 8), ("u2", 12), ("i2", 12), ("u2", 16), ("i2", 16)])
def test_integers_in_every_encoding(maker, tmp_path, syntax, kind, bits):
    pixels = maker.noise(kind, bits)
    path = maker.save_encoded(tmp_path / "a", maker.encoded(pixels, syntax, bits=bits), syntax)
    found = maker.values_in(path)
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("kind", ["u4", "i4"])
def test_integers_of_32_bits(maker, tmp_path, syntax, kind):
    pixels = maker.noise(kind)
    found = maker.values_in(maker.save_one(tmp_path / "a", maker.encoded(pixels, syntax)))
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, pixels)


def test_eight_bits_in_words_of_a_big_endian_file_are_swapped_back(maker, tmp_path):
    pixels = maker.noise("u1")[:32]
    header = maker.encoded(pixels, ExplicitVRBigEndian)
    header.PixelData = np.frombuffer(header.PixelData, "<u2").byteswap().tobytes()  # PS3.5, 8.1.1: OW swaps words
    header["PixelData"].VR = "OW"
    assert np.array_equal(maker.values_in(maker.save_one(tmp_path / "a", header)), pixels)


@pytest.mark.parametrize("syntax", [*NATIVE, RLELossless])
@pytest.mark.parametrize("kind", ["u2", "i2"])
@pytest.mark.parametrize(("bits", "high"), [(12, 11), (10, 9), (12, 15), (12, 13), (15, 14)])
def test_garbage_in_unused_bits_is_dropped(maker, tmp_path, syntax, kind, bits, high):
    pixels = maker.noise(kind, bits)
    shift = high + 1 - bits
    used = ((1 << bits) - 1) << shift
    garbage = np.random.default_rng(1).integers(0, 1 << 16, SHAPE).astype(np.uint16) & np.uint16(0xFFFF ^ used)
    stored = ((pixels.astype(np.int64) << shift) & used).astype(np.uint16) | garbage
    header = maker.encoded(stored.view(kind), syntax, bits=bits, high=high)
    assert np.array_equal(maker.values_in(maker.save_one(tmp_path / "a", header)), pixels)


@pytest.mark.parametrize(
    "changes",
    [{"BitsStored": 12, "HighBit": 40}, {"BitsStored": 12, "HighBit": 3}, {"BitsStored": 20, "HighBit": 19}]
    + [{"BitsAllocated": allocated, "BitsStored": 8, "HighBit": 7} for allocated in (12, 24, 5)],
)
def test_bits_that_cannot_be_are_refused(maker, tmp_path, changes):
    header = maker.encoded(np.zeros((48, 48), np.uint32), **changes)
    maker.save_one(tmp_path / "a", maker.changed(header, **{"BitsAllocated": 16, **changes}))
    maker.refused(lambda: read(tmp_path / "a"), str(tmp_path / "a"), "(0028,010")


@pytest.mark.parametrize(
    ("rescales", "kind", "stored"),
    [
        ([(1, 0), (1, 0)], np.uint16, [0, 60000]),
        ([(1, -1024), (1, -1024)], np.int16, [0, 4095]),
        ([(1, -1024), (1, -1024)], np.int32, [0, 60000]),
        ([(2, 5), (3, -7)], np.uint16, [100, 9000]),
        ([(-1, 0), (1, 0)], np.int16, [5, 900]),
        ([(1000, 0), (1, 0)], np.int32, [0, 60000]),
        ([(1000000, 0), (1, 0)], np.float32, [0, 60000]),
        ([(1e30, 0), (1, 0)], np.uint16, [0, 0]),
        ([(0.5, -1.25), (1, 0)], np.float32, [0, 60000]),
        ([(1, 0.5), (1, 0)], np.float32, [3, 5]),
    ],
)
def test_values_of_each_slice_in_the_smallest_type_that_holds_them(maker, tmp_path, rescales, kind, stored):
    pixels = np.resize(np.array(stored, np.uint16), (4, 5))
    headers = [maker.slice(z, pixels=pixels) for z in range(2)]
    for header, (slope, intercept) in zip(headers, rescales, strict=True):
        maker.changed(header, RescaleSlope=slope, RescaleIntercept=intercept)
    array = read(maker.save(tmp_path / "a", headers)).array
    assert array.dtype == kind
    for z, (slope, intercept) in enumerate(rescales):
        np.testing.assert_allclose(array[0, ..., z].T, pixels.astype(float) * slope + intercept, rtol=1e-6)


@given(
    st_numpy.arrays(st.sampled_from([np.uint8, np.int16, np.uint16, np.int32]), (3, 2, 2)),
    st.lists(st.tuples(st.integers(-3000, 3000).filter(bool), st.integers(-70000, 70000)), min_size=3, max_size=3),
)
def test_rescaling_whole_numbers_is_exact(stack, rescales):
    expected = np.stack(
        [each.astype(object) * slope + intercept for each, (slope, intercept) in zip(stack, rescales, strict=True)]
    )
    found = rescaled(stack.copy(), [(float(slope), float(intercept)) for slope, intercept in rescales])
    if found.dtype.kind == "f":
        assert max(abs(expected.min()), expected.max()) >= np.iinfo(np.int32).max
        np.testing.assert_allclose(found, expected.astype(float), rtol=1e-6)
    else:
        assert (found.astype(object) == expected).all()


def test_signed_and_unsigned_slices_of_one_series(maker, tmp_path):
    unsigned, signed = np.full((4, 5), 60000, np.uint16), np.full((4, 5), -7, np.int16)
    headers = [maker.encoded(unsigned), maker.encoded(signed, ImagePositionPatient=maker.position(1))]
    array = read(maker.save(tmp_path / "a", headers)).array
    assert array.dtype == np.int32
    assert array[0, 0, 0].tolist() == [60000, -7]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize(("kind", "bits"), [("u2", 12), ("u2", 16), ("i2", 12), ("i2", 16), ("u1", 8)])
def test_monochrome1_is_turned_for_an_x_ray_and_not_for_a_ct(maker, tmp_path, syntax, kind, bits):
    pixels = maker.noise(kind, bits)
    turned = int(pixels.max()) + int(pixels.min()) - pixels.astype(int)
    ct = maker.encoded(pixels, syntax, bits=bits)
    ct.PhotometricInterpretation = "MONOCHROME1"
    assert np.array_equal(maker.values_in(maker.save_one(tmp_path / "ct", ct)), pixels)
    xray = maker.changed(ct, Modality="DX", **UNPLACED)
    found = maker.values_in(maker.save_one(tmp_path / "dx", xray))
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, turned)


@pytest.mark.parametrize(
    ("kind", "stored", "stated"),
    [
        ("u2", 63536, 63536),
        ("i2", -2000, -2000),
        ("i2", -2000, 63536),  # written as unsigned beside signed pixels
        ("u2", 63536, -2000),  # and the other way round
        ("u1", 255, 255),
        ("u1", 255, -1),
    ],
)
def test_padding_is_kept_or_becomes_the_lowest_value(maker, tmp_path, kind, stored, stated):
    pixels = (maker.stored() + 20).astype(kind)
    pixels[0, 0] = stored
    header = maker.slice(pixels=pixels)
    header.add_new(0x00280120, "SS" if stated < 0 else "US", stated)
    folder = maker.save(tmp_path / "a", [header, maker.slice(1, pixels=(maker.stored() + 30).astype(kind))])
    kept, lowered = (maker.read(folder, padding=padding).array[0] for padding in ("keep", "lowest"))
    assert kept[0, 0, 0] == stored - 1024
    assert lowered[0, 0, 0] == 21 - 1024
    kept[0, 0, 0] = lowered[0, 0, 0]
    assert np.array_equal(kept, lowered)


def test_padding_alone_is_left_and_a_turned_picture_has_turned_padding(maker, tmp_path):
    header = maker.slice(pixels=np.full((4, 5), 7, np.uint16), PixelPaddingValue=7)
    assert np.unique(maker.read(maker.save(tmp_path / "a", [header]), padding="lowest").array).tolist() == [7 - 1024]
    pixels = maker.stored() + np.uint16(5)
    pixels[1, 1] = 0
    xray = maker.encoded(pixels, bits=12, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0, Modality="DX")
    folder = maker.save(tmp_path / "b", [maker.changed(xray, **UNPLACED)])
    expected = 4095 - pixels.astype(int)
    assert np.array_equal(maker.read(folder).array[0].T, expected)
    expected[1, 1] = 4095 - pixels.max()
    assert np.array_equal(maker.read(folder, padding="lowest").array[0].T, expected)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_frames_of_a_compressed_enhanced_object(maker, tmp_path, syntax):
    frames = np.stack([maker.noise("u2", 12) // (index + 1) for index in range(3)])
    header = maker.enhanced([2, 0, 1])
    maker.with_pixels(header, frames, bits=12)
    header.compress(syntax, **({"encoding_plugin": "pydicom"} if syntax == RLELossless else {}))
    array = read(maker.save(tmp_path / "a", [header])).array[0]
    for z, stored in enumerate((1, 2, 0)):
        assert np.array_equal(array[..., z].T, frames[stored])


def test_what_does_not_fit_into_memory_is_refused_before_it_is_taken(maker, tmp_path, monkeypatch):
    folder = maker.save(tmp_path / "a", maker.series(3))
    monkeypatch.setattr(module, "available_memory", lambda: 100)
    words = ("Rows (0028,0010) x Columns (0028,0011)", "0.0 MB are free")
    maker.refused(lambda: read(folder), str(folder), *words)


def test_planes_come_in_the_order_asked_for(maker, tmp_path):
    instance = read_instance(maker.file(maker.save_one(tmp_path / "a", maker.enhanced([0, 1, 2]))))
    order = [2, 0, 2, 1]
    found = module.voxels_of([Plane(instance, instance.frames[index]) for index in order])
    assert np.array_equal(found[0], maker.expected(order))

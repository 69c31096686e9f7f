"""Colours in every encoding, palettes, Modality LUTs and floating point: what stands between pixels and values."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from segkit.volumes.reading import read

SHAPE = (33, 40)  # rows and columns: JPEG 2000 takes no fewer
UNSCALED = {"RescaleSlope": None, "RescaleIntercept": None}
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
COLOURS = np.random.default_rng(7).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("syntax", "planar"),
    [*((each, planar) for each in NATIVE for planar in (0, 1)), *((each, 0) for each in (RLELossless, JPEGLSLossless))],
)
def test_colours_are_three_channels(maker, tmp_path, syntax, planar):
    header = maker.encoded(COLOURS, syntax)
    if planar:
        header.PlanarConfiguration, header.PixelData = 1, COLOURS.transpose(2, 0, 1).tobytes()
    volume = read(maker.save_one(tmp_path / "a", header))
    assert volume.array.shape == (3, *SHAPE[::-1], 1)
    assert np.array_equal(volume.array[..., 0], COLOURS.transpose(2, 1, 0))


def full_ybr(colours):
    """PS3.3, C.7.6.3.1.2."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    return np.clip(np.rint(colours @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def test_ybr_full_becomes_rgb(maker, tmp_path):
    header = maker.encoded(full_ybr(COLOURS), PhotometricInterpretation="YBR_FULL")
    assert np.abs(maker.values_in(maker.save_one(tmp_path / "a", header)).astype(int) - COLOURS).max() <= 2


def test_ybr_full_422_becomes_rgb(maker, tmp_path):
    pairs = np.repeat(COLOURS[:, ::2], 2, axis=1)
    ybr = full_ybr(pairs)
    stored = np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], axis=-1)
    header = maker.encoded(ybr, PhotometricInterpretation="YBR_FULL_422", PixelData=stored.tobytes())
    assert np.abs(maker.values_in(maker.save_one(tmp_path / "a", header)).astype(int) - pairs).max() <= 2


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_is_looked_up(maker, tmp_path, bits):
    tables = np.random.default_rng(2).integers(0, 256, (3, 256))
    header = maker.encoded(maker.noise("u1"), PhotometricInterpretation="PALETTE COLOR")
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(header, f"{name}PaletteColorLookupTableDescriptor", [256, 0, bits])
        entries = table.astype(np.uint8) if bits == 8 else (table * 257).astype(np.uint16)
        setattr(header, f"{name}PaletteColorLookupTableData", entries.tobytes())
    found = maker.values_in(maker.save_one(tmp_path / "a", header))
    assert found.dtype == np.uint8
    assert np.array_equal(found, tables[:, maker.noise("u1")].transpose(1, 2, 0))


def test_a_modality_lut_is_applied(maker, tmp_path):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [20, 3, 16], "HU"
    table.add_new(0x00283006, "US", [100 * entry for entry in range(20)])
    header = maker.slice(pixels=np.arange(20).reshape(4, 5).astype(np.uint16), ModalityLUTSequence=[table], **UNSCALED)
    found = maker.values_in(maker.save_one(tmp_path / "a", header))
    assert found.dtype == np.float32
    assert np.array_equal(found.ravel(), 100 * np.clip(np.arange(20) - 3, 0, 19))


def test_what_a_modality_lut_gives_is_turned_within_its_own_bits(maker, tmp_path):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [20, 0, 16], "US"
    table.add_new(0x00283006, "US", [3000 * entry for entry in range(20)])
    header = maker.slice(Modality="DX", ModalityLUTSequence=[table], **UNSCALED)
    maker.with_pixels(header, np.arange(20).reshape(4, 5).astype(np.uint16), bits=8)
    header.PhotometricInterpretation = "MONOCHROME1"
    found = maker.values_in(maker.save_one(tmp_path / "a", header))
    assert np.array_equal(found.ravel(), 65535 - 3000 * np.arange(20))


def test_an_empty_modality_lut_is_none(maker, tmp_path):
    path = maker.save_one(tmp_path / "a", maker.slice(1, ModalityLUTSequence=[]))
    assert np.array_equal(maker.values_in(path), maker.stored(1).astype(int) - 1024)


@pytest.mark.parametrize(("name", "kind"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_floating_point_pixels(maker, tmp_path, name, kind):
    values = np.linspace(-3.25, 1e6, 20).reshape(4, 5)
    header = maker.slice(PixelData=None, **UNSCALED)
    header.BitsAllocated = 8 * np.dtype(kind).itemsize
    del header.BitsStored, header.HighBit, header.PixelRepresentation
    setattr(header, name, values.astype(kind).tobytes())
    found = maker.values_in(maker.save_one(tmp_path / "a", header))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, rtol=1e-6)

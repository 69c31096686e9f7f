"""Pixels that cannot be decoded say in one line what is missing or damaged, in which file."""

import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders import base
from pydicom.uid import (
    HEVCMP51,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from segkit.volumes.reading import read

COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1])
def test_a_missing_decoder_names_the_extra(maker, tmp_path, monkeypatch, syntax):
    folder = tmp_path / "a"
    maker.save_encoded(folder / "IM1", maker.encoded(maker.noise("u2", 12), syntax, bits=12), syntax)
    monkeypatch.setattr(base.get_decoder(syntax), "_available", {})
    words = (
        str(folder / "IM1"),
        "PixelData (7FE0,0010)",
        syntax.name,
        "TransferSyntaxUID (0002,0010)",
        "segkit[dicom]",
    )
    maker.refused(lambda: read(folder), *words)


@pytest.mark.parametrize(
    ("syntax", "words"),
    [
        (HEVCMP51, "HEVC/H.265 Main Profile / Level 5.1 (TransferSyntaxUID (0002,0010) 1.2.840.10008.1.2.4.107)"),
        (JPEGLosslessSV1, "is cut short or damaged"),
        (JPEGBaseline8Bit, "is cut short or damaged"),
        (JPEG2000Lossless, "is cut short or damaged"),
        (RLELossless, "is cut short or damaged"),
    ],
)
def test_no_such_codestream(maker, tmp_path, syntax, words):
    header = maker.slice(pixels=maker.noise("u1"))
    header.file_meta.TransferSyntaxUID = syntax
    header.PixelData = encapsulate([b"no such codestream"])
    header["PixelData"].is_undefined_length = True
    folder = maker.save(tmp_path / "a", [header])
    maker.refused(lambda: read(folder), str(folder / "IM000"), "PixelData (7FE0,0010)", words)


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_compressed_file_cut_short_is_named(maker, tmp_path, syntax):
    path = maker.save_encoded(tmp_path / "a", maker.encoded(maker.noise("u2", 12), syntax, bits=12), syntax)
    path.write_bytes(path.read_bytes()[:-900])
    maker.refused(lambda: read(path), str(path), "PixelData (7FE0,0010)")


def test_pixels_of_another_size_than_stated_are_refused(maker, tmp_path):
    header = maker.encoded(maker.noise("u2", 12), JPEG2000Lossless, bits=12)
    path = maker.save_one(tmp_path / "a", maker.changed(header, Rows=20))
    maker.refused(lambda: read(path), str(path), "(7FE0,0010)")

"""What damaged files once did to a reader, each in the smallest form that showed it."""

import tracemalloc

import pytest

from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import read_yaml, write_yaml
from segkit.inference.model import load
from segkit.volumes.dicom.files import FEW_BYTES, DicomFile
from segkit.volumes.reading import read
from tests.fuzzing.readers import a_model, dicom_series

FEW = 8 << 20  # bytes


def traced(act):
    """Call a function; return the most memory that Python and NumPy held for it, in bytes."""
    tracemalloc.start(1)
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_element_that_claims_gigabytes_takes_none(tmp_path):
    series = dicom_series(tmp_path / "series")
    read(series)  # imports what it needs
    path = series / "1.dcm"
    content = bytearray(path.read_bytes())
    at = content.index(b"\x08\x00\x60\x00CS")  # Modality
    content[at + 4 : at + 12] = b"UN\0\0" + (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(content)

    def refused():
        with pytest.raises(DataError, match="series"):
            read(series)

    assert traced(refused) < FEW


@pytest.mark.parametrize("size", [FEW_BYTES, FEW_BYTES + 1, 1 << 40])
def test_a_file_gives_what_it_has_whatever_is_asked_for(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 1000)
    with DicomFile(path).open() as stream:
        stream.seek(7)
        assert traced(lambda: stream.seek(7) and stream.read(size)) < FEW
        stream.seek(7)
        assert stream.read(size) == path.read_bytes()[7 : 7 + size]
        stream.seek(0, 2)
        assert stream.read(size) == b""


def test_a_network_that_cannot_be_built_is_named_with_its_file(tmp_path):
    a_model(tmp_path / "model")
    record = read_yaml(tmp_path / "model" / "model.yaml")
    record["network"]["strides"] = record["network"]["strides"][:1]
    write_yaml(tmp_path / "model" / "model.yaml", record)
    with pytest.raises((DataError, UsageError), match=r"model\.yaml: network"):
        load(tmp_path / "model", device="cpu")

"""What damaged files once did to a reader, each in the smallest form that showed it."""

import struct
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from segkit.config.compose import configure
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import read_yaml, write_json, write_yaml
from segkit.inference.model import load
from segkit.studies.runs import runs_in
from segkit.studies.study import read_study
from segkit.training.building import check_strangers_config
from segkit.volumes.bounded import FEW_BYTES
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.reading import read
from tests.fuzzing.records import a_model
from tests.fuzzing.volumes import dicom_series

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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strides", [[1, 1, 1]]),
        ("features", [-1, 8]),
        ("features", [2**63, 8]),
        ("kernels", [[-1, 3, 3], [3, 3, 3]]),
    ],
)
def test_a_network_that_cannot_be_built_is_one_line_with_its_file(tmp_path, key, value):
    a_model(tmp_path / "model")
    record = read_yaml(tmp_path / "model" / "model.yaml")
    record["network"][key] = value
    write_yaml(tmp_path / "model" / "model.yaml", record)
    with pytest.raises((DataError, UsageError), match=r"model\.yaml: network") as refused:
        load(tmp_path / "model", device="cpu")
    assert "\n" not in str(refused.value)


def test_a_chunk_of_a_png_that_claims_gigabytes_takes_none(tmp_path):
    path = tmp_path / "scan.png"
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(path)
    read(path)
    content = path.read_bytes()
    at = content.index(b"IDAT") - 4
    path.write_bytes(content[:at] + struct.pack(">I", 0xFFFFFFF0) + b"tEXt" + content[at + 8 :])

    def refused():
        with pytest.raises(DataError, match=r"scan\.png"):
            read(path)

    assert traced(refused) < FEW


def test_a_png_of_a_few_bytes_is_not_given_the_memory_of_its_header(tmp_path):
    path = tmp_path / "scan.png"
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(path)
    content = path.read_bytes()
    head = b"IHDR" + struct.pack(">II", 9000, 9000) + content[24:29]
    path.write_bytes(content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:])
    with pytest.raises(DataError, match=r"scan\.png: is cut short: its header declares 81000000 values"):
        read(path)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_pages_of_a_tiff_that_lead_in_a_circle_are_refused(tmp_path, big, order):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, np.zeros((5, 8, 9), np.uint16), bigtiff=big, byteorder=order, photometric="minisblack")
    assert read(path).array.shape == (1, 9, 8, 5)
    with tifffile.TiffFile(path) as tif:
        first, last, layout = tif.pages[0].offset, tif.pages[-1], tif.tiff
        tags = len(last.tags)
    with path.open("r+b") as file:
        file.seek(last.offset + layout.tagnosize + tags * layout.tagsize)
        file.write(struct.pack(layout.offsetformat, first))
    with pytest.raises(DataError, match=r"scan\.tif: is damaged: its pages lead in a circle"):
        read(path)


def test_a_strip_of_a_tiff_that_claims_gigabytes_takes_none(tmp_path):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib")
    read(path)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags["StripByteCounts"].overwrite(0xF0000000, dtype="I")

    assert traced(lambda: read(path)) < FEW  # zlib leaves over what lies behind its stream


@pytest.mark.parametrize("name", ["..", "../other", "/etc", "a/b"])
def test_the_trials_of_a_study_lie_in_it(tmp_path, name):
    (tmp_path / "other").mkdir()
    write_json(tmp_path / "study" / "study.json", {"trials": [{"name": name, "run": str(tmp_path / "other")}]})
    for reads in (read_study, runs_in):
        with pytest.raises(DataError, match="which is no folder of the study"):
            reads(tmp_path / "study")


def test_a_study_does_not_say_where_its_trials_lie(tmp_path):
    write_json(tmp_path / "study" / "study.json", {"trials": [{"name": "a", "run": str(tmp_path / "other")}]})
    (found,) = runs_in(tmp_path / "study")
    assert found.folder.path == tmp_path / "study" / "a"


@pytest.mark.parametrize("slot", ["loss", "optimizer", "schedule", "logger"])
def test_a_strangers_config_without_a_target_is_one_line(slot):
    words = ["data=paired", "data.root=x", "data.labels={background: 0, liver: 1}", "training.steps=5"]
    config = replace(configure("train", words), **{slot: {"lr": 1}})
    with pytest.raises(DataError, match=f"{slot}: 'None' is not the dotted path of a public class"):
        check_strangers_config(config)

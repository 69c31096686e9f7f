"""What a table of series says is odd."""

import numpy as np
import pytest

from segkit.volumes.dicom.oddities import oddities, tilt_of

UNPLACED = {"ImagePositionPatient": None, "ImageOrientationPatient": None}


def said(maker, folder, headers):
    return [
        oddities(stack) for stack in maker.stacks(maker.save(folder, headers, [f"{n}" for n in range(len(headers))]))
    ]


def test_a_plain_series_is_not_odd(maker, tmp_path):
    assert said(maker, tmp_path / "a", maker.series(3)) == [[]]


@pytest.mark.parametrize("degrees", [0.5, 12, -20])
def test_the_tilt_of_the_gantry_in_degrees(maker, tmp_path, degrees):
    angle = np.radians(degrees)
    axes = [1, 0, 0, 0, round(float(np.cos(angle)), 8), round(float(np.sin(angle)), 8)]
    folder = maker.save(tmp_path / "a", maker.series(3, step=[0, 0, 5], ImageOrientationPatient=axes))
    (stack,) = maker.stacks(folder)
    assert tilt_of(stack) == pytest.approx(abs(degrees), abs=1e-3)
    assert oddities(stack) == [f"tilted by {abs(degrees):.3g} degrees"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "one slice, whose thickness is 9 mm, its SliceThickness"),
        ({"SliceThickness": None}, "one slice, whose thickness is unknown and taken as 1 mm"),
    ],
)
def test_one_slice(maker, tmp_path, changes, words):
    assert said(maker, tmp_path / "a", maker.series(1, **changes)) == [[words]]


def test_gaps(maker, tmp_path):
    ((words,),) = said(maker, tmp_path / "a", maker.series([0, 1, 3, 4]))
    assert words.startswith("has uneven gaps")


def test_kinds(maker, tmp_path):
    scout = maker.slice(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert said(maker, tmp_path / "a", [scout])[0][0] == "localizer"
    assert said(maker, tmp_path / "b", maker.series(2, ImageType=["DERIVED", "PRIMARY"])) == [["derived"]]
    captured = maker.slice(ImageType=["DERIVED", "SECONDARY"], Modality="OT", **UNPLACED)
    assert said(maker, tmp_path / "c", [captured]) == [["screen capture"]]


def test_turned_pictures(maker, tmp_path):
    xray = maker.slice(PhotometricInterpretation="MONOCHROME1", Modality="DX", **UNPLACED)
    assert said(maker, tmp_path / "a", [xray]) == [["MONOCHROME1, turned so that larger is brighter"]]
    assert said(maker, tmp_path / "b", maker.series(2, PhotometricInterpretation="MONOCHROME1")) == [[]]


def test_volumes_of_a_series_say_what_tells_them_apart(maker, tmp_path):
    headers = [maker.slice(index, EchoTime=echo) for echo in ("2.46", "4.92") for index in range(2)]
    found = said(maker, tmp_path / "a", headers)
    assert found == [["volume 1 of 2 (echo time 2.46)"], ["volume 2 of 2 (echo time 4.92)"]]
    alike = [maker.slice(index, InstanceNumber=10 * turn + index) for turn in range(2) for index in range(2)]
    assert said(maker, tmp_path / "b", alike) == [["volume 1 of 2 (by time)"], ["volume 2 of 2 (by time)"]]


def test_copies_and_faults(maker, tmp_path):
    headers = maker.series(3)
    assert said(maker, tmp_path / "a", [*headers, headers[1]]) == [["1 copy left out"]]
    (words,) = said(maker, tmp_path / "b", [*headers, maker.slice(3, FrameOfReferenceUID=maker.uid())])
    assert "FrameOfReferenceUID (0020,0052)" in words[0]

"""Frames of enhanced objects: attributes of each come from its own groups, then the shared ones, then the header."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import MultiFrameGrayscaleWordSecondaryCaptureImageStorage, SecondaryCaptureImageStorage

from segkit.volumes.dicom.frames import flattened, frames_of, rescale_of, traits_of
from segkit.volumes.dicom.headers import read_instance
from segkit.volumes.dicom.instances import TRAITS
from segkit.volumes.reading import read

NUMBER = {
    "stack": "2",
    "echo time": 4.5,
    "time point": 3.0,
    "b-value": 1000.0,
    "trigger time": 250.0,
    "flip angle": 15.0,
}


def traits(attributes):
    return dict(zip(TRAITS, traits_of(attributes), strict=True))


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_an_enhanced_object_is_one_volume_in_order_of_place(maker, tmp_path, modality, lps):
    slope = {"shared": {"PixelValueTransformationSequence": {"RescaleSlope": 2, "RescaleIntercept": -5}}}
    header = maker.enhanced([2, 0, 3, 1], modality=modality, frames=[{}, {}, {}, {}, slope])
    volume = read(maker.save(tmp_path / "a", [header]))
    assert np.array_equal(volume.array[0], 2 * maker.expected(4) - 5)
    np.testing.assert_allclose(volume.spacing, (1.3, 0.7, 2.5), atol=1e-5)  # not SpacingBetweenSlices
    for index in range(4):
        np.testing.assert_allclose(lps(volume, (0, 0, index)), maker.position(index), atol=1e-5)


def test_frames_have_their_own_rescale(maker, tmp_path):
    rescales = [(1, 0), (2, -7), (3, 11)]
    frames = [
        {"PixelValueTransformationSequence": {"RescaleSlope": slope, "RescaleIntercept": intercept}}
        for slope, intercept in rescales
    ]
    array = read(maker.save(tmp_path / "a", [maker.enhanced([0, 1, 2], frames=frames)])).array[0]
    for index, (slope, intercept) in enumerate(rescales):
        assert np.array_equal(array[..., index], maker.expected(3)[..., index] * slope + intercept)


def test_own_groups_come_before_shared_ones_and_both_before_the_header_and_makers_own(maker, tmp_path):
    own, shared, private = Dataset(), Dataset(), Dataset()
    private.PixelSpacing, private.ImagePositionPatient = [9, 9], [9, 9, 9]
    for group in (own, shared):  # some makers repeat attributes in a sequence of their own, with another meaning
        group.add_new(0x20050010, "LO", "Philips MR Imaging DD 005")
        group.add_new(0x2005140F, "SQ", [private])
    own.PlanePositionSequence = [maker.changed(Dataset(), ImagePositionPatient=[1, 2, 3])]
    shared.PixelMeasuresSequence = [maker.changed(Dataset(), PixelSpacing=[0.7, 1.3])]
    shared.PlaneOrientationSequence = [maker.changed(Dataset(), ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    header = {
        "Modality": "MR",
        "PixelSpacing": [5, 5],
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": [own],
    }
    (frame,) = frames_of(header, 1, maker.file(tmp_path / "a"))
    assert frame.spacing == (1.3, 0.7)
    assert frame.place.position == (1, 2, 3)
    assert flattened(own)["ImagePositionPatient"] == [1, 2, 3]


def test_as_many_frames_as_are_described(maker, tmp_path):
    header = maker.enhanced([0, 1, 2])
    del header.PerFrameFunctionalGroupsSequence[2]
    folder = maker.save(tmp_path / "a", [header])
    counts = "NumberOfFrames (0028,0008) is 3, PerFrameFunctionalGroupsSequence (5200,9230) describes 2"
    maker.refused(lambda: read(folder), str(folder / "IM000"), counts)


def test_a_frame_without_a_place_is_named(maker, tmp_path):
    header = maker.enhanced([0, 1])
    del header.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    folder = maker.save(tmp_path / "a", [header])
    maker.refused(lambda: read(folder), str(folder / "IM000"), "has no ImagePositionPatient (0020,0032)")


def test_traits_of_classic_and_enhanced_frames():
    classic = {
        "StackID": "2",
        "EchoTime": 4.5,
        "TemporalPositionIdentifier": 3,
        "DiffusionBValue": 1000,
        "TriggerTime": "250",
        "FlipAngle": 15,
    }
    assert NUMBER.items() <= {**traits(classic), "stack": "2"}.items()
    enhanced = {
        "EffectiveEchoTime": 4.5,
        "TemporalPositionIndex": 3,
        "DiffusionBValue": 1000,
        "NominalCardiacTriggerDelayTime": 250.0,
        "FlipAngle": 15,
        "StackID": "2",
    }
    assert traits(classic) == traits(enhanced)


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        ({0x0019100C: b"800 "}, 800.0),  # Siemens, where nothing says what the element is
        ({0x0019100C: "800"}, 800.0),
        ({0x20011003: 700.0}, 700.0),  # Philips
        ({0x00431039: [1000001000, 8, 0, 0]}, 1000.0),  # GE
        ({0x00431039: b"600\\8\\0\\0"}, 600.0),
        ({0x00431039: b"nothing"}, None),
        ({}, None),
    ],
)
def test_b_values_of_makers(attributes, value):
    assert traits(attributes)["b-value"] == value


def test_a_trait_that_is_no_number_is_text_equal_to_itself():
    assert traits({"EchoTime": float("nan")}) == traits({"EchoTime": float("nan")})
    assert traits({"ConvolutionKernel": ["B30f", "3"]})["kernel"] == "B30f\\3"
    assert traits({"DiffusionGradientOrientation": [0.5, -0.25, 1]})["gradient"] == "0.5000\\-0.2500\\1.0000"
    assert (
        traits({"ImageType": ["ORIGINAL", "M"], "ComplexImageComponent": "PHASE"})["image type"] == "ORIGINAL\\M\\PHASE"
    )


@given(st.text(max_size=8), st.floats(), st.lists(st.floats(), max_size=3))
def test_traits_of_anything_can_be_compared(text, number, several):
    header = {"EchoTime": text, "FlipAngle": number, "InversionTimes": several, "StackID": text.encode()}
    assert traits_of(header) == traits_of(dict(header))
    assert hash(traits_of(header)) == hash(traits_of(dict(header)))


def test_philips_magnitude_is_scaled_as_dcm2niix_scales_it(maker, tmp_path):
    header = {"RescaleSlope": 2.0, "RescaleIntercept": 6.0, 0x2005100E: struct.pack("<f", 0.5), "ImageType": ["M_FFE"]}
    file = maker.file(tmp_path / "a")
    slope, intercept = rescale_of(header, file)
    stored = np.array([0, 3, 100])
    np.testing.assert_allclose(stored * slope + intercept, (stored * 2.0 + 6.0) / (2.0 * 0.5))
    assert rescale_of({**header, "ImageType": ["ORIGINAL", "PHASE MAP"]}, file) == (2.0, 6.0)


def test_pictures_have_no_place(maker, tmp_path):
    picture = maker.slice(ImagePositionPatient=None, ImageOrientationPatient=None, Modality="DX")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = maker.changed(picture, PixelSpacing=None) if "PixelSpacing" in picture else picture
        volume = read(maker.save_one(tmp_path / keyword, maker.changed(found, **{keyword: [0.2, 0.3]})))
        assert volume.array.shape == (1, 5, 4)
        assert volume.spacing == (0.3, 0.2)
        delattr(picture, keyword)
    assert read(maker.save_one(tmp_path / "none", picture)).spacing == (1, 1)


def test_a_screen_capture_of_a_ct_is_a_picture_and_a_ct_without_a_place_is_damaged(maker, tmp_path):
    changes = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "ImageType": ["DERIVED", "SECONDARY"]}
    capture = maker.slice(SOPClassUID=SecondaryCaptureImageStorage, **changes)
    assert read(maker.save_one(tmp_path / "capture", capture)).array.shape == (1, 5, 4)
    path = maker.save_one(tmp_path / "ct", maker.slice(**changes))
    maker.refused(lambda: read(path), str(path), "has no ImageOrientationPatient (0020,0037)")


def test_frames_of_a_film_are_pictures(maker, tmp_path):
    kind = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    header = maker.bare(SOPClassUID=kind, Modality="XA")
    maker.with_pixels(header, np.stack([maker.stored(index) for index in range(3)]))
    found = read_instance(maker.file(maker.save_one(tmp_path / "a", header)))
    assert [(frame.index, frame.place) for frame in found.frames] == [(0, None), (1, None), (2, None)]

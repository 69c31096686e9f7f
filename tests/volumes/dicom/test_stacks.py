"""Planes are grouped by what cannot be one volume, and ordered by where they lie, whatever they are called."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segkit.volumes.dicom.headers import read_instance
from segkit.volumes.dicom.series import export_of
from segkit.volumes.dicom.stacks import is_even, stacks_of
from segkit.volumes.reading import read


def two_of(maker, name, values, slices=3, *, is_nested=True):
    """Two volumes in the same places that differ in one element; file by file, or one after the other."""
    pairs = [(index, value) for index in range(slices) for value in values]
    headers = []
    for index, value in pairs if is_nested else sorted(pairs, key=lambda pair: values.index(pair[1])):
        header = maker.slice(index, **{name: value})
        header.InstanceNumber = len(headers) + 1
        maker.with_pixels(header, maker.stored(index) + 1000 * values.index(value), bits=12)
        headers.append(header)
    return headers


SPLITTERS = [
    ("StackID", ["1", "2"], "stack"),
    ("ImageType", [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]], "image type"),
    ("EchoTime", ["2.46", "4.92"], "echo time"),
    ("TemporalPositionIdentifier", [1, 2], "time point"),
    ("DiffusionBValue", [0.0, 1000.0], "b-value"),
    ("DiffusionGradientOrientation", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], "gradient"),
    ("TriggerTime", ["0", "250"], "trigger time"),
    ("InversionTime", ["100", "800"], "inversion time"),
    ("FlipAngle", ["5", "26"], "flip angle"),
    ("KVP", ["80", "140"], "energy"),
    ("ConvolutionKernel", ["B30f", "B70f"], "kernel"),
    ("AcquisitionNumber", [1, 2], "acquisition"),
    ("AcquisitionTime", ["101500", "101600"], "acquisition time"),
]


@pytest.mark.parametrize("is_nested", [True, False])
@pytest.mark.parametrize(("name", "values", "trait"), SPLITTERS)
def test_what_differs_in_the_same_places_splits_a_series(maker, tmp_path, name, values, trait, is_nested):
    folder = maker.save(tmp_path / "a", two_of(maker, name, values, is_nested=is_nested))
    stacks = maker.stacks(folder)
    assert [(stack.number, stack.of, len(stack.planes)) for stack in stacks] == [(1, 2, 3), (2, 2, 3)]
    assert all(set(stack.differs) == {trait} for stack in stacks)
    assert [stack.name for stack in stacks] == [f"{stacks[0].name[:-2]}_1", f"{stacks[0].name[:-2]}_2"]
    volume = maker.read(folder, volumes="channels")
    for channel in range(2):
        assert np.array_equal(volume.array[channel], maker.expected() + 1000 * channel - 1024)
    maker.refused(lambda: read(folder), str(folder), "SeriesInstanceUID (0020,000E)", f"told apart by {trait}")


@pytest.mark.parametrize(
    "element",
    [
        lambda index: {"TriggerTime": str(31 * index)},
        lambda index: {"AcquisitionNumber": index + 1},
        lambda index: {"AcquisitionTime": f"1015{index:02d}.25"},
        lambda index: {"TemporalPositionIdentifier": index + 1},
        lambda index: {"EchoTime": f"{2 + 0.001 * index}"},
        lambda index: {"StackID": str(index)},
        lambda index: {"ImageType": ["ORIGINAL", "PRIMARY", f"SLICE{index}"]},
        lambda index: {"AcquisitionNumber": index // 2, "SeriesDescription": f"part {index // 2}"},
    ],
)
def test_what_differs_in_every_slice_splits_nothing(maker, tmp_path, element):
    headers = [maker.slice(index, **element(index)) for index in range(6)]
    (stack,) = maker.stacks(maker.save(tmp_path / "a", headers))
    assert len(stack.planes) == 6
    assert np.array_equal(maker.read(tmp_path / "a").array[0], maker.expected(6) - 1024)


def test_a_trigger_time_of_every_slice_hides_no_echo(maker, tmp_path):
    headers = two_of(maker, "EchoTime", ["2.46", "4.92"])
    for number, header in enumerate(headers):
        header.TriggerTime, header.AcquisitionTime = str(37 * number), f"1015{number:02d}"
    stacks = maker.stacks(maker.save(tmp_path / "a", headers))
    assert [(len(stack.planes), stack.differs) for stack in stacks] == [
        (3, {"echo time": 2.46}),
        (3, {"echo time": 4.92}),
    ]


def test_echoes_half_a_gap_apart_are_two_volumes_though_together_they_are_even(maker, tmp_path):
    echoes = [maker.slice(index, EchoTime=str(10 * (index % 2 + 1))) for index in range(8)]
    stacks = maker.stacks(maker.save(tmp_path / "a", echoes))
    assert [len(stack.planes) for stack in stacks] == [4, 4]
    assert {tuple(stack.differs.items()) for stack in stacks} == {(("echo time", 10.0),), (("echo time", 20.0),)}


def test_slabs_one_after_the_other_are_one_volume(maker, tmp_path):
    slabs = [maker.slice(index, EchoTime="10" if index < 4 else "20") for index in range(8)]
    assert [len(stack.planes) for stack in maker.stacks(maker.save(tmp_path / "a", slabs))] == [8]


def test_slices_of_two_packages_are_one_volume(maker, tmp_path):
    packages = [
        maker.slice(index, AcquisitionNumber=index % 2 + 1, AcquisitionTime=str(index % 2)) for index in range(8)
    ]
    assert [len(stack.planes) for stack in maker.stacks(maker.save(tmp_path / "a", packages))] == [8]


def test_several_traits_at_once(maker, tmp_path):
    headers = [
        maker.slice(index, EchoTime=echo, TemporalPositionIdentifier=time)
        for echo in ("2", "4")
        for time in (1, 2, 3)
        for index in range(3)
    ]
    names = [f"{number}" for number in range(len(headers))]
    stacks = maker.stacks(maker.save(tmp_path / "a", headers, names))
    told = {(stack.differs["echo time"], stack.differs["time point"]) for stack in stacks}
    assert told == {(echo, time) for echo in (2.0, 4.0) for time in (1.0, 2.0, 3.0)}
    assert all(len(stack.planes) == 3 for stack in stacks)


def test_volumes_that_nothing_tells_apart_are_dealt_by_time(maker, tmp_path):
    headers = [maker.slice(index, InstanceNumber=10 * turn + index) for turn in range(2) for index in range(3)]
    for number, header in enumerate(headers):
        maker.with_pixels(header, maker.stored(number % 3) + 1000 * (number // 3), bits=12)
    stacks = maker.stacks(maker.save(tmp_path / "a", headers))
    assert [[plane.instance.number for plane in stack.planes] for stack in stacks] == [[0, 1, 2], [10, 11, 12]]


def test_gradients_of_one_b_value_are_volumes(maker, tmp_path):
    directions = {0: None, 1: [1.0, 0.0, 0.0], 2: [0.0, 1.0, 0.0]}
    headers = []
    for turn, direction in directions.items():
        for index in range(3):
            header = maker.slice(index, DiffusionBValue=1000.0 if turn else 0.0, InstanceNumber=10 * turn + index)
            headers.append(
                header if direction is None else maker.changed(header, DiffusionGradientOrientation=direction)
            )
    stacks = maker.stacks(maker.save(tmp_path / "a", headers))
    assert [len(stack.planes) for stack in stacks] == [3, 3, 3]
    assert [stack.differs.get("b-value") for stack in stacks] == [0.0, 1000.0, 1000.0]


@pytest.mark.parametrize(
    ("changes", "trait"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "orientation"),
        ({"PixelSpacing": [2, 2]}, "pixel spacing"),
        ({"Rows": 5, "Columns": 4}, "matrix"),
        ({"SeriesNumber": 4}, "series number"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "kind"),
    ],
)
def test_what_no_volume_mixes(maker, tmp_path, changes, trait):
    headers = [*maker.series(3), *maker.series([5, 6, 7, 8], **changes)]
    stacks = maker.stacks(maker.save(tmp_path / "a", headers))
    assert sorted(len(stack.planes) for stack in stacks) == [3, 4]
    assert all(trait in stack.differs for stack in stacks)


def test_cosines_and_spacings_rounded_by_the_scanner_are_the_same(maker, tmp_path):
    headers = maker.series(3)
    headers[1].ImageOrientationPatient = [round(float(x) + 4e-4, 6) for x in headers[1].ImageOrientationPatient]
    headers[2].PixelSpacing = [0.70001, 1.30001]
    (stack,) = maker.stacks(maker.save(tmp_path / "a", headers))
    assert len(stack.planes) == 3


def test_a_localizer_in_the_series_is_a_volume_of_its_own(maker, tmp_path):
    scout = maker.slice(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    stacks = maker.stacks(maker.save(tmp_path / "a", [*maker.series(3), scout]))
    assert sorted(len(stack.planes) for stack in stacks) == [1, 3]
    assert np.array_equal(read(tmp_path / "a").array[0], maker.expected() - 1024)


def test_stacks_of_an_enhanced_object(maker, tmp_path, lps):
    sagittal = {"PlaneOrientationSequence": {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}}
    places = [[7.0 * index, 3.0, 2.0] for index in range(3)]
    oblique = [{"FrameContentSequence": {"StackID": "1"}}] * 3
    other = [
        {"FrameContentSequence": {"StackID": "2"}, "PlanePositionSequence": {"ImagePositionPatient": place}, **sagittal}
        for place in places
    ]
    header = maker.enhanced([2, 1, 0, 0, 1, 2], frames=[*oblique, *other])
    folder = maker.save(tmp_path / "a", [header])
    first, second = (case.read() for case in maker.cases(folder).values())
    assert np.array_equal(first.array[0], maker.expected())
    np.testing.assert_allclose(lps(first, (0, 0, 2)), maker.position(2), atol=1e-5)
    np.testing.assert_allclose(second.spacing, (1.3, 0.7, 7.0))
    # the normal of rows towards the back and columns towards the feet points to the right: -x in LPS
    assert np.array_equal(second.array[0], maker.expected()[..., ::-1])
    np.testing.assert_allclose(lps(second, (0, 0, 0)), places[2])


@pytest.mark.parametrize(
    ("macro", "trait"),
    [
        (lambda turn: {"FrameContentSequence": {"TemporalPositionIndex": turn + 1}}, "time point"),
        (lambda turn: {"MREchoSequence": {"EffectiveEchoTime": 2.5 * (turn + 1)}}, "echo time"),
        (lambda turn: {"MRDiffusionSequence": {"DiffusionBValue": 500.0 * turn}}, "b-value"),
        (
            lambda turn: {"CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": 40.0 * turn}},
            "trigger time",
        ),
        (lambda turn: {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "MP"[turn]]}}, "image type"),
    ],
)
def test_volumes_of_an_enhanced_object_stored_out_of_order(maker, tmp_path, macro, trait):
    order = [(1, 2), (0, 0), (1, 0), (0, 2), (0, 1), (1, 1)]
    header = maker.enhanced([place for _, place in order], frames=[macro(turn) for turn, _ in order])
    maker.with_pixels(header, np.stack([maker.stored(place) + 1000 * turn for turn, place in order]), bits=12)
    folder = maker.save(tmp_path / "a", [header])
    stacks = maker.stacks(folder)
    assert [set(stack.differs) for stack in stacks] == [{trait}] * 2
    by_turn = sorted((case.read() for case in maker.cases(folder).values()), key=lambda each: each.array.max())
    for turn, volume in enumerate(by_turn):
        assert np.array_equal(volume.array[0], maker.expected() + 1000 * turn)


@pytest.fixture(scope="module")
def instances(maker, tmp_path_factory):
    """Two echoes, a second series and a localizer."""
    folder = tmp_path_factory.mktemp("instances")
    headers = [
        *two_of(maker, "EchoTime", ["2", "4"], 4),
        *maker.series(3, SeriesInstanceUID=maker.uid(), SeriesNumber=7),
        maker.slice(9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    ]
    maker.save(folder, headers, [f"{number}" for number in range(len(headers))])
    return [read_instance(maker.file(path)) for path in sorted(folder.iterdir())]


def told(stacks):
    return [(stack.name, dict(stack.differs), [plane.instance.uid for plane in stack.planes]) for stack in stacks]


@given(st.randoms(use_true_random=False))
def test_the_order_of_files_never_matters(instances, random):
    shuffled = list(instances)
    random.shuffle(shuffled)
    assert told(stacks_of(shuffled)) == told(stacks_of(instances))
    assert [len(stack.planes) for stack in stacks_of(shuffled)] in ([4, 4, 1, 3], [1, 4, 4, 3])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.permutations(range(4)), st.permutations(range(4)))
def test_names_and_numbers_never_matter(maker, tmp_path, names, numbers):
    headers = [maker.slice(index, InstanceNumber=number) for index, number in enumerate(numbers)]
    folder = maker.save(tmp_path / "a", headers, [f"IM{name}" for name in names])
    assert np.array_equal(read(folder).array[0], maker.expected(4) - 1024)


@given(st.lists(st.floats(-0.02, 0.02), min_size=3, max_size=8), st.floats(0.5, 10))
def test_even_steps_with_the_noise_of_a_header_are_even(maker, tmp_path_factory, noise, gap):
    instance = read_instance_at(maker, tmp_path_factory)
    planes = [moved(instance, maker.origin + maker.normal * (gap * index + off)) for index, off in enumerate(noise)]
    assert is_even(planes)
    assert not is_even([*planes, moved(instance, maker.origin + maker.normal * gap * (len(noise) + 0.5))])
    assert not is_even([*planes, planes[1]])


def read_instance_at(maker, tmp_path_factory, kept=[]):  # noqa: B006  (read once)
    if not kept:
        kept.append(read_instance(maker.file(maker.save_one(tmp_path_factory.mktemp("one") / "a", maker.slice()))))
    return kept[0]


def moved(instance, position):
    from dataclasses import replace

    from segkit.volumes.dicom.instances import Plane

    (frame,) = instance.frames
    return Plane(instance, replace(frame, place=replace(frame.place, position=tuple(map(float, position)))))


def test_series_come_in_order_of_their_number(maker, tmp_path):
    for number in (12, 2, 7):
        maker.save(tmp_path / f"{number}", maker.series(2, SeriesNumber=number, SeriesInstanceUID=maker.uid()))
    assert [stack.first.series_number for stack in maker.stacks(tmp_path)] == [2, 7, 12]


def test_files_of_any_order_are_one_export(maker, tmp_path):
    files = [maker.file(path) for path in maker.save(tmp_path / "a", maker.series(4)).iterdir()]
    assert told(export_of(files, tmp_path).stacks) == told(export_of(files[::-1], tmp_path).stacks)

"""The labels of a DICOM export: which segments are drawn as which, and whose case they cost."""

import numpy as np
import pytest

from segkit.foundation.errors import DataError, SegkitError, UsageError
from segkit.volumes.reading import read
from tests.datasets.dicom_trees import LESION_ROI, LIVER_ROI, drawn, name_of, opened
from tests.volumes.dicom.test_references import (
    LESION,
    LIVER,
    SPLEEN,
    changed,
    save,
    series,
    write_seg,
    write_structures,
)


def test_labels_are_drawn_in_their_order_whatever_the_kind_of_object(tree):
    dataset = opened(tree, "data.labels={background: 0, liver: 2, lesion: 1}")
    assert len(dataset.cases) == 2
    for name in dataset.cases:
        assert np.array_equal(drawn(dataset, name), np.select([LESION, LIVER], [1, 2], 0))
    dataset = opened(tree, "data.labels={background: 0, lesion: 1, liver: 2}")
    for name in dataset.cases:
        assert np.array_equal(drawn(dataset, name), np.where(LIVER, 2, 0))


def test_labels_that_are_not_declared_are_every_name_there_is(tmp_path):
    slices = series()
    save(tmp_path / "tree", slices)
    write_seg(tmp_path / "tree" / "seg", slices, {"liver": LIVER, "a tumour": LESION, "zyst": SPLEEN})
    dataset = opened(tmp_path / "tree")
    assert dataset.options.labels == {"background": 0, "a tumour": 1, "liver": 2, "zyst": 3}
    (name,) = dataset.cases
    assert np.array_equal(drawn(dataset, name), np.select([SPLEEN, LIVER], [3, 2], 0))  # later over earlier


def test_one_structure_in_several_spellings_is_one_label_where_none_are_declared(tree):
    names = [name.strip().lower() for name in opened(tree).labels.foreground]
    assert sorted(names) == ["couch", "lesion", "liver"]


def test_names_are_mapped_by_pattern_and_number(tmp_path):
    slices = series()
    save(tmp_path / "tree", slices)
    write_structures(tmp_path / "tree" / "rs", slices, {"LEBER gesamt": LIVER_ROI, "x": LESION_ROI})
    mapped = "data.layout.segments={liver: 'leber*', lesion: [2]}"
    dataset = opened(tmp_path / "tree", "data.labels={background: 0, liver: 1, lesion: 2}", mapped)
    (name,) = dataset.cases
    assert np.array_equal(drawn(dataset, name), np.select([LESION, LIVER], [2, 1], 0))


def test_several_segments_may_be_one_label(tmp_path):
    slices = series()
    save(tmp_path / "tree", slices)
    write_seg(tmp_path / "tree" / "seg", slices, {"met 1": LESION, "met 2": SPLEEN, "liver": LIVER})
    dataset = opened(
        tmp_path / "tree", "data.labels={background: 0, lesion: 1}", "data.layout.segments={lesion: ['met *']}"
    )
    (name,) = dataset.cases
    assert np.array_equal(drawn(dataset, name), LESION | SPLEEN)


@pytest.mark.parametrize("words", [(), ("data.layout.segments={livr: ['lebr*']}",)])
def test_a_misspelt_label_is_an_error_that_tells_the_names_there_are(tree, words):
    with pytest.raises(DataError, match=r"no segment is called livr; there are .*Liver.*couch") as caught:
        opened(tree, "data.labels={background: 0, livr: 1}", *words)
    assert "\n" not in str(caught.value)


def test_patterns_of_a_label_that_is_not_declared_are_an_error(tree):
    with pytest.raises(SegkitError, match="livr"):
        opened(tree, "data.labels={background: 0, liver: 1}", "data.layout.segments={livr: ['*']}")


def test_a_case_without_any_of_the_labels_is_unusable_alone(tmp_path, tree):
    slices = series("four", patient="pseudonym four")
    save(tree / "four", slices)
    write_seg(tree / "four.seg", slices, {"tooth": SPLEEN})
    dataset = opened(tree, "data.labels={background: 0, liver: 1}")
    assert len(dataset.cases) == 3
    for case in dataset.cases.values():
        if case.images["CT"].stacks[0].first.description == "four":
            with pytest.raises(DataError, match=r"four\.seg: no segment is called as a label is; there are tooth"):
                read(case.reference)
        else:
            read(case.reference)


def test_objects_with_the_same_label_make_only_their_own_case_unusable(tree):
    one = series("one", patient="pseudonym one")
    write_seg(tree / "second reader", one, {"liver": SPLEEN})
    dataset = opened(tree, "data.labels={background: 0, liver: 1}")
    for name, case in dataset.cases.items():
        if name == name_of(one):
            with pytest.raises(DataError, match=rf"liver of series {name} is drawn in (9D|second reader) and "):
                read(case.reference)
        else:
            assert np.array_equal(drawn(dataset, name), LIVER)


def test_labels_of_one_case_may_lie_in_several_objects(tmp_path):
    slices = series()
    save(tmp_path / "tree", slices)
    write_seg(tmp_path / "tree" / "a.seg", slices, {"liver": LIVER})
    write_structures(tmp_path / "tree" / "b.rs", slices, {"lesion": LESION_ROI})
    dataset = opened(tmp_path / "tree", "data.labels={background: 0, liver: 1, lesion: 2}")
    (name,) = dataset.cases
    assert np.array_equal(drawn(dataset, name), np.select([LESION, LIVER], [2, 1], 0))


def test_a_label_of_several_values_is_refused(tree):
    with pytest.raises(UsageError, match=r"data\.labels: liver is to have one value"):
        opened(tree, "data.labels={background: 0, liver: [1, 2]}", "data.region_order=[1]")


def test_values_are_as_declared_and_ignore_is_drawn(tmp_path):
    slices = series()
    save(tmp_path / "tree", slices)
    write_seg(tmp_path / "tree" / "seg", slices, {"liver": LIVER, "ignore": LESION})
    dataset = opened(tmp_path / "tree", "data.labels={background: 0, liver: 300, ignore: 77}")
    (name,) = dataset.cases
    assert np.array_equal(drawn(dataset, name), np.select([LESION, LIVER], [77, 300], 0))


@pytest.mark.parametrize("name", ["background", "Background"])
def test_a_segment_that_is_called_background_is_background(tmp_path, name):
    slices = series()
    save(tmp_path / "tree", slices)
    write_seg(tmp_path / "tree" / "seg", slices, {name: ~LIVER, "a liver": LIVER})
    dataset = opened(tmp_path / "tree")
    assert dataset.options.labels == {"background": 0, "a liver": 1}
    (case,) = dataset.cases
    assert np.array_equal(drawn(dataset, case), LIVER)


def test_frames_may_come_in_any_order(tmp_path):
    from pydicom import dcmread

    slices = series()
    save(tmp_path / "tree", slices)
    draw = np.random.default_rng(1)
    masks = {name: draw.random(LIVER.shape) < 0.4 for name in ("liver", "lesion")}
    path = write_seg(tmp_path / "tree" / "seg", slices, masks)
    header = dcmread(path)
    order = draw.permutation(header.NumberOfFrames)
    bits = header.pixel_array[order].astype(np.uint8)
    groups = [header.PerFrameFunctionalGroupsSequence[index] for index in order]
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    changed(header, PixelData=packed + b"\0" * (len(packed) % 2), PerFrameFunctionalGroupsSequence=groups)
    header.save_as(path)
    dataset = opened(tmp_path / "tree", "data.labels={background: 0, liver: 1, lesion: 2}")
    (name,) = dataset.cases
    assert np.array_equal(drawn(dataset, name), np.select([masks["lesion"], masks["liver"]], [2, 1], 0))

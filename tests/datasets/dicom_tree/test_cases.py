"""Which series of an export become cases, what they are called, and what is said of the rest."""

import shutil

import numpy as np
import pytest

from segkit.datasets.splits import ALL, split_cases
from segkit.foundation.errors import DataError, SegkitError, UsageError
from segkit.volumes.reading import read
from tests.datasets.dicom_tree.opening import drawn, name_of, opened
from tests.volumes.dicom.drawn import LIVER, SPLEEN, box, save, series, values_of, write_seg


def test_images_are_the_series_on_the_grid_of_the_reference(tree):
    dataset = opened(tree, "data.labels={background: 0, liver: 1}")
    assert list(dataset.channels) == ["CT"]
    for case in dataset.cases.values():
        image, reference = read(case.images["CT"]), read(case.reference)
        assert np.array_equal(image.array[0], values_of())
        assert np.array_equal(image.affine, reference.affine)


@pytest.mark.parametrize(
    ("kinds", "values"), [("[SEG]", {"one": [0, 1]}), ("[RTSTRUCT]", {"two": [0, 1]}), ("[]", None)]
)
def test_only_the_kinds_of_objects_that_are_wanted_are_read(tree, kinds, values):
    words = ("data.labels={background: 0, liver: 1}", f"data.layout.references={kinds}")
    if values is None:
        with pytest.raises(SegkitError, match=r"SEG|channels"):
            opened(tree, *words)
        return
    dataset = opened(tree, *words)
    assert {case.images["CT"].stacks[0].first.description for case in dataset.cases.values()} == set(values)


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


def test_an_object_whose_series_is_not_there_is_named(tree, capsys):
    write_seg(tree / "lost.seg", series("gone", patient="pseudonym gone"), {"liver": LIVER})
    dataset = opened(tree, "data.labels={background: 0, liver: 1}")
    assert len(dataset.cases) == 2
    assert "lost.seg" in capsys.readouterr().err


def test_an_object_on_a_series_that_cannot_be_placed_is_named(tree, capsys):
    broken = series("broken", patient="pseudonym broken", ImageOrientationPatient=None)
    save(tree / "broken", broken)
    write_seg(tree / "broken.seg", series("broken", patient="pseudonym broken"), {"liver": LIVER})
    dataset = opened(tree, "data.labels={background: 0, liver: 1}")
    assert name_of(broken) not in dataset.cases
    assert "broken.seg" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [600, 0.5], ids=["in the header", "half"])
def test_an_object_that_is_cut_short_is_named_and_costs_its_own_case(tree, capsys, kept):
    path = tree / "5B20" / "9D"
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if kept > 1 else int(len(whole) * kept)])
    dataset = opened(tree, "data.labels={background: 0, liver: 1}")
    assert list(dataset.cases) == [name_of(series("two", patient="pseudonym two"))]
    assert str(path) in capsys.readouterr().err


def test_an_export_of_which_nothing_was_drawn_on_says_so(tmp_path):
    save(tmp_path / "tree", series())
    write_seg(tmp_path / "tree" / "seg", series("gone", patient="b"), {"liver": LIVER})
    with pytest.raises(DataError, match="no SEG and no structure set in it was drawn on a series in it"):
        opened(tmp_path / "tree", "data.labels={background: 0, liver: 1}")


def test_series_without_segments_are_cases_where_that_is_asked_for(tree):
    dataset = opened(tree, "data.labels={background: 0, liver: 1}", "data.layout.unreferenced=true")
    assert len(dataset.cases) == 3
    assert [name for name, case in dataset.cases.items() if case.reference is None] == [
        name_of(series("bare", patient="pseudonym bare"))
    ]


def test_cases_are_named_as_asked(tree):
    words = ("data.labels={background: 0, liver: 1}",)
    slices = [series(name, patient=f"pseudonym {name}") for name in ("one", "two")]
    assert set(opened(tree, *words).cases) == {name_of(each) for each in slices}
    by_patient = opened(tree, *words, "data.layout.name_by=patient")
    assert list(by_patient.cases) == ["pseudonym one", "pseudonym two"]
    by_folder = opened(tree, *words, "data.layout.name_by=folder")  # both are called 77C0
    assert set(by_folder.cases) == {f"77C0_{name_of(each)}" for each in slices}
    with pytest.raises(UsageError, match="name_by: size is not one of"):
        opened(tree, *words, "data.layout.name_by=size")


def test_a_name_never_leaves_the_folder_of_the_masks(tmp_path):
    slices = series(patient="../../escaped")
    save(tmp_path / "tree", slices)
    write_seg(tmp_path / "tree" / "seg", slices, {"liver": LIVER})
    with pytest.raises(DataError, match="cannot be the name of a file"):
        opened(tmp_path / "tree", "data.labels={background: 0, liver: 1}", "data.layout.name_by=patient")


def test_a_patient_stays_on_one_side_of_a_split(tmp_path):
    for number in range(12):
        slices = series(f"visit {number}", values_of() + number, patient=f"pseudonym {number // 3}")
        save(tmp_path / "tree" / str(number), slices)
        write_seg(tmp_path / "tree" / f"{number}.seg", slices, {"liver": LIVER})
    words = ("data.labels={background: 0, liver: 1}", "data.split.held_out_fraction=0.25", "data.split.folds=3")
    dataset = opened(tmp_path / "tree", *words)
    split = split_cases(list(dataset.cases.values()), dataset.options.split, ALL)
    patients = {
        name: {dataset.cases[case].images["CT"].stacks[0].first.patient for case in split.names(name)}
        for name in ("training", "held_out")
    }
    assert (len(patients["training"]), len(patients["held_out"])) == (3, 1)
    assert not patients["training"] & patients["held_out"]
    assert all("pseudonym" not in value for case in dataset.cases.values() for value in case.columns.values())


def test_uneven_slices_are_resampled_with_their_reference_where_asked(tmp_path):
    slices = series(places=[0, 1, 2, 4, 5, 6])
    save(tmp_path / "tree", slices)
    write_seg(tmp_path / "tree" / "seg", slices, {"liver": box((1, 8), (2, 8), (0, 2))})
    words = ("data.labels={background: 0, liver: 1}",)
    refused = opened(tmp_path / "tree", *words)
    (name,) = refused.cases
    with pytest.raises(SegkitError, match=r"gaps=resample"):
        read(refused.cases[name].images["CT"])
    filled = opened(tmp_path / "tree", *words, "data.layout.gaps=resample")
    image, reference = read(filled.cases[name].images["CT"]), drawn(filled, name)
    assert image.grid.shape == reference.shape == (12, 10, 7)
    assert np.array_equal(image.array[0, ..., 3], values_of()[..., 2] + 50)  # half way between two slices of 100 apart
    assert reference.sum(axis=(0, 1)).tolist() == [42, 42, 0, 0, 0, 0, 0]


def test_a_copy_of_the_tree_elsewhere_is_the_same_data(tmp_path, tree):
    words = ("data.labels={background: 0, liver: 1}",)
    before = opened(tree, *words)
    shutil.move(tree, tmp_path / "moved")
    after = opened(tmp_path / "moved", *words)
    for name, case in before.cases.items():
        there = after.cases[name]
        assert there.reference.content() == opened(tmp_path / "moved", *words).cases[name].reference.content()
        assert there.images["CT"].name == case.images["CT"].name

"""A DICOM export with SEGs and structure sets as a data set: which cases and labels, and what is said of the rest."""

import shutil

import numpy as np
import pytest

from segkit.config.compose import configure
from segkit.datasets.dataset import open_dataset
from segkit.datasets.splits import ALL, split_cases
from segkit.foundation.errors import DataError, SegkitError, UsageError
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.reading import read
from tests.volumes.dicom.test_references import (
    LESION,
    LIVER,
    SPLEEN,
    box,
    changed,
    save,
    series,
    uid,
    values_of,
    write_seg,
    write_structures,
)

LIVER_ROI, LESION_ROI = ((1, 8), (2, 8), (1, 5)), ((3, 6), (4, 7), (2, 4))  # as `write_structures` takes them


def opened(root, *words):
    return open_dataset(configure("check", ["data=dicom_tree", f"data.root={root}", *words]).data)


def drawn(dataset, name):
    return read(dataset.cases[name].reference).array[0]


def name_of(slices):
    return hashed(slices[0].SeriesInstanceUID)


@pytest.fixture
def tree(tmp_path):
    """One patient with a SEG, one with a structure set, one with nothing drawn; names as a PACS gives them."""
    root = tmp_path / "export"
    one, two, bare = (series(name, patient=f"pseudonym {name}") for name in ("one", "two", "bare"))
    for number, slices in enumerate((one, two, bare)):
        save(root / f"4F{number}A" / "77C0", slices)
    write_seg(root / "5B20" / "9D", one, {"Liver": LIVER, "LESION": LESION})
    write_structures(root / "5B21" / "RS", two, {"liver ": LIVER_ROI, "Lesion": LESION_ROI, "couch": LESION_ROI})
    (root / "README.txt").write_text("litter")
    return root


def test_labels_are_drawn_in_their_order_whatever_the_kind_of_object(tree):
    dataset = opened(tree, "data.labels={background: 0, liver: 2, lesion: 1}")
    assert len(dataset.cases) == 2
    for name in dataset.cases:
        assert np.array_equal(drawn(dataset, name), np.select([LESION, LIVER], [1, 2], 0))
    dataset = opened(tree, "data.labels={background: 0, lesion: 1, liver: 2}")
    for name in dataset.cases:
        assert np.array_equal(drawn(dataset, name), np.where(LIVER, 2, 0))


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
    said = capsys.readouterr().err
    assert name_of(broken) in dataset.cases or "broken" in said


@pytest.mark.parametrize("kept", [600, 0.5], ids=["in the header", "half"])
def test_an_object_that_is_cut_short_is_named_and_costs_its_own_case(tree, capsys, kept):
    path = tree / "5B20" / "9D"
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if kept > 1 else int(len(whole) * kept)])
    dataset = opened(tree, "data.labels={background: 0, liver: 1}")
    assert len(dataset.cases) >= 1
    said = capsys.readouterr().err
    if name_of(series("one", patient="pseudonym one")) not in dataset.cases:
        assert str(path) in said


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


@pytest.fixture
def two_channels(tmp_path):
    """Studies with T1 and T2, references drawn on T2; one study lacks T2, one has T1 twice."""
    root = tmp_path / "mr"
    for number in range(2):
        patient = f"pseudonym {number}"
        t1 = series("T1 tse tra", values_of() + number, patient=patient, modality="MR")
        t2 = series("t2_TSE", values_of() + 50 + number, patient=patient, modality="MR", SeriesNumber=2)
        save(root / f"{number}", t1, "A{}")
        save(root / f"{number}", t2, "B{}")
        write_seg(root / f"{number}.seg", t2, {"liver": LIVER})
    lacking = series("T1 tse tra", patient="lacking", modality="MR")
    save(root / "lacking", lacking)
    write_seg(root / "lacking.seg", lacking, {"liver": LIVER})
    for name in ("T1 a", "T1 b", "T2"):
        save(root / f"twice {name}", series(name, patient="twice", modality="MR"))
    return root


CHANNELS = ("data.channels={T1: mr, T2: mr}", "data.labels={background: 0, liver: 1}")
FILTERS = "data.layout.series={T1: {description: 't1*'}, T2: {description: 't2*'}}"


def test_two_series_of_a_study_are_channels_of_one_case(two_channels, capsys):
    dataset = opened(two_channels, *CHANNELS, FILTERS)
    assert len(dataset.cases) == 2
    for case in dataset.cases.values():
        t1, t2 = (read(case.images[name]).array[0] for name in ("T1", "T2"))
        assert np.array_equal(t2 - t1, np.full(t1.shape, 50))
        assert np.array_equal(read(case.reference).array[0], LIVER)
    said = capsys.readouterr().err
    assert said.count("is left out") == 2
    assert hashed(uid("lacking", "study")) in said
    assert hashed(uid("twice", "study")) in said
    assert "T2" in next(line for line in said.splitlines() if hashed(uid("lacking", "study")) in line)


def test_references_on_two_channels_are_both_drawn_or_said(two_channels, capsys):
    t1 = series("T1 tse tra", patient="pseudonym 0", modality="MR")
    write_seg(two_channels / "lesion.seg", t1, {"lesion": LESION})
    dataset = opened(two_channels, CHANNELS[0], "data.labels={background: 0, liver: 1, lesion: 2}", FILTERS)
    for name, case in dataset.cases.items():
        if case.reference.series.stacks[0].first.study == t1[0].StudyInstanceUID:
            assert np.array_equal(drawn(dataset, name), np.select([LESION, LIVER], [2, 1], 0)) or (
                "lesion.seg" in capsys.readouterr().err
            )


@pytest.mark.parametrize("filters", ["null", "{T1: {description: 't1*'}}"])
def test_channels_without_a_filter_are_asked_for(two_channels, filters):
    with pytest.raises(UsageError, match=r"data\.layout\.series says which series is which channel"):
        opened(two_channels, *CHANNELS, f"data.layout.series={filters}")


def test_a_filter_that_does_not_exist_is_refused_with_its_key(tree):
    with pytest.raises(UsageError, match=r"data\.layout\.series\S*descripton"):
        opened(tree, "data.labels={background: 0, liver: 1}", "data.layout.series={descripton: x}")


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ("{description: 'ONE'}", 1),
        ("{modality: ct}", 2),
        ("{description: [o*, tw*]}", 2),
        ("{min_slices: 6}", 2),
        ("{min_slices: 7}", 0),
        ("{modality: MR}", 0),
    ],
)
def test_series_are_filtered(tree, wanted, count):
    words = ("data.labels={background: 0, liver: 1}", f"data.layout.series={wanted}")
    if count:
        assert len(opened(tree, *words).cases) == count
        return
    with pytest.raises(DataError) as caught:
        opened(tree, *words)
    assert "filter" in str(caught.value) or "series" in str(caught.value)


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

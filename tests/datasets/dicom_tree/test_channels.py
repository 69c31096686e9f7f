"""Several series of a study as channels of one case, and filters that choose series."""

import numpy as np
import pytest

from segkit.foundation.errors import DataError, UsageError
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.reading import read
from tests.datasets.dicom_tree.opening import drawn, opened
from tests.volumes.dicom.drawn import LESION, LIVER, save, series, uid, values_of, write_seg


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


def test_references_on_two_channels_are_both_drawn(two_channels):
    t1 = series("T1 tse tra", patient="pseudonym 0", modality="MR")
    write_seg(two_channels / "lesion.seg", t1, {"lesion": LESION})
    dataset = opened(two_channels, CHANNELS[0], "data.labels={background: 0, liver: 1, lesion: 2}", FILTERS)
    (both,) = (
        name
        for name, case in dataset.cases.items()
        if case.reference.series.stacks[0].first.study == t1[0].StudyInstanceUID
    )
    assert np.array_equal(drawn(dataset, both), np.select([LESION, LIVER], [2, 1], 0))


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

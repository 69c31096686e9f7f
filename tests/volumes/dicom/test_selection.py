"""A selection reads like a file: equal to itself, with a digest of all that decides its voxels."""

import zipfile

import numpy as np
import pytest

from segkit.foundation.errors import GeometryError
from segkit.volumes.dicom.selection import DEFAULTS, SeriesSelection, selections
from segkit.volumes.reading import read, read_grid


def echoes(maker, **second):
    first = [maker.slice(index, EchoTime="2.46", InstanceNumber=index) for index in range(3)]
    others = [maker.slice(index, EchoTime="4.92", InstanceNumber=10 + index, **second) for index in range(3)]
    for index, header in enumerate(others):
        maker.with_pixels(header, maker.stored(index) + 1000, bits=12)
    return [*first, *others]


@pytest.fixture
def folder(maker, tmp_path):
    return maker.save(tmp_path / "a", maker.series(3), list("abc"))


def test_it_reads_like_a_file(maker, folder):
    (stack,) = maker.stacks(folder)
    selection = SeriesSelection((stack,), folder)
    volume = read(selection)
    assert np.array_equal(volume.array[0], maker.expected() - 1024)
    assert np.array_equal(read_grid(selection).affine, volume.affine)
    assert read_grid(selection).shape == (5, 4, 3)
    assert (volume.source.path, volume.source.format) == (folder, "dicom")
    assert [each.instance.file.name for each in volume.source.header] == ["a", "b", "c"]
    assert str(selection) == f"{folder} (series {stack.name})"
    assert selection.size == sum(path.stat().st_size for path in folder.iterdir())
    assert selection.parent == folder
    assert selection.exists()
    (folder / "b").unlink()
    assert not selection.exists()


def test_two_selections_of_the_same_are_equal(maker, folder):
    one, other = (SeriesSelection(tuple(maker.stacks(folder)), folder) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != SeriesSelection(one.stacks, folder, type(DEFAULTS)(gaps="resample", volumes="split", padding="keep"))
    assert one != folder


def test_the_content_tells_files_planes_and_choices_apart(maker, folder):
    def content(**options):
        (case,) = maker.cases(folder, **options).values()
        return case.content()

    before = content()
    assert content() == before
    assert content(padding="lowest") != before
    maker.save(folder, [maker.slice(1, SeriesDescription="other")], ["b"])
    assert content() != before


def test_echoes_are_channels_of_one_grid(maker, tmp_path):
    folder = maker.save(tmp_path / "a", echoes(maker), list("abcdef"))
    stacks = maker.stacks(folder)
    assert [len(pick.stacks) for pick in selections(stacks, folder, DEFAULTS)] == [1, 1]
    ((name, case),) = maker.cases(folder, volumes="channels").items()
    assert "_" not in case.name
    assert name == "a"
    array = case.read().array
    assert array.shape == (2, 5, 4, 3)
    assert np.array_equal(array[1], maker.expected() + 1000 - 1024)


def test_volumes_on_other_grids_are_other_cases(maker, tmp_path):
    headers = [*echoes(maker), *maker.series(2, ImageOrientationPatient=[1, 0, 0, 0, 1, 0], step=[0, 0, 3])]
    folder = maker.save(tmp_path / "a", headers, list("abcdefgh"))
    cases = maker.cases(folder, volumes="channels")
    assert sorted(case.read().array.shape for case in cases.values()) == [(1, 5, 4, 2), (2, 5, 4, 3)]
    mixed = SeriesSelection(tuple(maker.stacks(folder)), folder)
    maker.refused(mixed.read, error=GeometryError)


def test_volumes_on_two_grids_are_two_cases_of_two_channels(maker, tmp_path):
    turned = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "step": [0, 0, 3]}
    others = [maker.slice(index, EchoTime=time, **turned) for time in ("2.46", "4.92") for index in range(2)]
    folder = maker.save(tmp_path / "a", [*echoes(maker), *others], list("abcdefghij"))
    cases = maker.cases(folder, volumes="channels")
    assert sorted(case.read().array.shape for case in cases.values()) == [(2, 5, 4, 2), (2, 5, 4, 3)]


def test_a_volume_with_gaps_is_a_case_of_its_own_that_says_so(maker, tmp_path):
    headers = maker.series([0, 1, 3, 4], EchoTime="2"), maker.series(5, EchoTime="4")
    folder = maker.save(tmp_path / "a", [*headers[0], *headers[1]], [f"{index}" for index in range(9)])
    cases = list(maker.cases(folder, volumes="channels").values())
    assert len(cases) == 2
    whole = [case for case in cases if len(case.files) == 5]
    assert whole[0].read().array.shape == (1, 5, 4, 5)
    (torn,) = [case for case in cases if len(case.files) == 4]
    maker.refused(torn.read, "uneven gaps", error=GeometryError)


def test_faults_are_told_before_anything_is_decoded(maker, tmp_path):
    folder = maker.save(tmp_path / "a", [*maker.series(3), maker.slice(3, Modality="MR")], list("abcd"))
    stacks = tuple(maker.stacks(folder))
    for act in (SeriesSelection(stacks, folder).read, SeriesSelection(stacks, folder).read_grid):
        maker.refused(act, str(folder / "d"), "Modality (0008,0060)")


def test_a_file_that_went_away_is_named(maker, folder):
    (case,) = maker.cases(folder).values()
    (folder / "b").unlink()
    maker.refused(case.read, f"{folder / 'b'}: cannot be read: no such file")


def test_a_file_that_shrank_is_named(maker, folder):
    (case,) = maker.cases(folder).values()
    (folder / "b").write_bytes((folder / "b").read_bytes()[:-30])
    maker.refused(case.read, str(folder / "b"), "is cut short inside its PixelData (7FE0,0010)")


def test_members_of_a_zip(maker, folder, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    (case,) = maker.cases(path).values()
    (plain,) = maker.cases(folder).values()
    assert case.exists()
    assert case.parent == tmp_path
    assert case.size == plain.size
    assert case.content() == plain.content()
    assert np.array_equal(case.read().array, plain.read().array)
